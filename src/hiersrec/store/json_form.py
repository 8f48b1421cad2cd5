"""JSON documents that are read: their text, and the form that the code relies on, checked with an error for people.

A form is written as what it describes:

    str, int, float, bool, None         a value of that type; int is a whole number, float any finite number
    (str, None)                         one of several forms
    [form]                              a list
    {"name": form, "other?": form}      an object with these entries, the second if it is there; other entries are free
    {str: form}                         an object with any names
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hiersrec.errors import BadFolder

Form = Any
NAMES = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    None: "null",
    list: "a list",
    dict: "an object",
}
LARGEST = 2**63 - 1


def read_json(path: Path, form: Form, way_out: str) -> Any:
    """The document in a file. Raises BadFolder, which ends with `way_out`, if it is no JSON or has another form."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise BadFolder(f"{path} is damaged (brackets are nested too deep). {way_out}") from error
    except ValueError as error:  # no JSON, no UTF-8, or a number of thousands of digits
        raise BadFolder(f"{path} is damaged ({error}). {way_out}") from error
    check_form(document, form, path, way_out)
    return document


def check_form(document: object, form: Form, path: Path, way_out: str) -> None:
    """Raise BadFolder, naming `path` and ending with `way_out`, unless a document has a form."""
    if wrong := mismatch(document, form):
        raise BadFolder(f"{path} is damaged ({wrong}). {way_out}")


def file_name(name: str, path: Path, way_out: str) -> str:
    """A name from the document in `path` that is part of a file's name. Raises BadFolder if it leads elsewhere."""
    if "/" in name or "\\" in name or "\0" in name:
        raise BadFolder(f"{path} is damaged ('{name}' is part of no file's name). {way_out}")
    return name


def mismatch(value: object, form: Form, where: str = "") -> str | None:
    """What is wrong, such as "split.train must be an object, got 5"; None for a value that has the form."""
    if isinstance(form, tuple):
        wrong = [mismatch(value, each, where) for each in form]
        return wrong[0] if all(wrong) else None
    if isinstance(form, list):
        if not isinstance(value, list):
            return _must_be(list, value, where)
        items = (mismatch(item, form[0], f"{where}[{row}]") for row, item in enumerate(value))
        return next((wrong for wrong in items if wrong), None)
    if isinstance(form, dict):
        return _mismatch_of_object(value, form, where)
    return None if _is(value, form) else _must_be(form, value, where)


def _mismatch_of_object(value: object, form: Mapping[Any, Form], where: str) -> str | None:
    if not isinstance(value, dict):
        return _must_be(dict, value, where)
    for name, each in form.items():
        names = list(value) if name is str else [name.removesuffix("?")]
        for key in names:
            inside = f"{where}.{key}" if where else str(key)
            if key not in value:
                if not name.endswith("?"):
                    return f"{inside} is missing"
            elif wrong := mismatch(value[key], each, inside):
                return wrong
    return None


def _is(value: object, form: Form) -> bool:
    if form is int:
        return type(value) is int and abs(value) <= LARGEST
    if form is float:
        return (type(value) is float and math.isfinite(value)) or _is(value, int)
    return value is None if form is None else type(value) is form


def _must_be(form: Form, value: object, where: str) -> str:
    text = json.dumps(value, default=str)
    shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
    return f"{where or 'the document'} must be {NAMES[form]}, got {shown}"


SHOWN = 40
"""Characters of a wrong value in a message."""

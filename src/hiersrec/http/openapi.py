"""The OpenAPI document: what FastAPI writes, with what it can't know."""

import ast
import inspect
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from functools import cache
from types import ModuleType
from typing import Any

from hiersrec.http import errors, records, schemas, setting_availability
from hiersrec.http.examples import ERROR, EXAMPLES
from hiersrec.serving import answers

BODIES = (schemas.One, schemas.Many, setting_availability.Stocked)
RECORDS: tuple[ModuleType, ...] = (answers, records, setting_availability, errors)
"""Where the dataclasses of answers are."""
UNUSED = "HTTPValidationError"
"""FastAPI's own answer to a wrong parameter; ours is `Error`."""


def completed(openapi: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """The document with schemas of the bodies, which FastAPI does not parse, meanings of fields, and examples."""

    @cache
    def document() -> dict[str, Any]:
        written = openapi()
        described = written["components"]["schemas"]
        for name in (UNUSED, "ValidationError"):
            described.pop(name, None)
        for kind in BODIES:
            schema = kind.model_json_schema(ref_template="#/components/schemas/{model}")
            described |= {**schema.pop("$defs", {}), kind.__name__: schema}
        for module in RECORDS:
            for name, kind in vars(module).items():
                if is_dataclass(kind) and isinstance(kind, type) and name in described:
                    _add_meanings(described[name], kind)
        described["Error"]["example"] = ERROR
        for path, methods in written["paths"].items():
            for method, operation in methods.items():
                _complete(operation, method, path)
        return written

    return document


def _add_meanings(schema: Mapping[str, Any], kind: type) -> None:
    for name, text in meanings(kind).items():
        if name in schema["properties"]:
            schema["properties"][name]["description"] = text.replace("None", "null")


def meanings(kind: type) -> dict[str, str]:
    """Field -> the string below it in the source of a dataclass or of those it extends."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if not is_dataclass(base):
            continue
        [definition] = ast.parse(inspect.cleandoc(inspect.getsource(base))).body
        assert isinstance(definition, ast.ClassDef)
        for line, following in zip(definition.body, definition.body[1:], strict=False):
            match line, following:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found[name] = " ".join(text.split())
    return found


def _complete(operation: dict[str, Any], method: str, path: str) -> None:
    """Add the example, and drop an answer that the service does not give."""
    for status, answer in [*operation["responses"].items()]:
        schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
        if schema.get("$ref", "").endswith(UNUSED):
            del operation["responses"][status]
    example = EXAMPLES[method, path]
    for parameter in operation.get("parameters", ()):
        parameter["example"] = example.parameters[parameter["name"]]
    if example.body is not None:
        operation["requestBody"]["content"]["application/json"]["example"] = example.body
    [content] = operation["responses"]["200"]["content"].values()
    content["example"] = example.answer

import json

import pytest

from hiersrec.errors import BadFolder
from hiersrec.store.json_form import file_name, mismatch, read_json

FORM = {"name": str, "size?": int, "share": (float, None), "parts": [{"flag": bool}], "counts": {str: int}}
GOOD = {"name": "a", "size": 2, "share": 0.5, "parts": [{"flag": True}], "counts": {"x": 1}, "free": [1e400]}


@pytest.mark.parametrize("changes", [{}, {"share": None}, {"share": 3}, {"parts": []}, {"counts": {}}])
def test_what_has_the_form(changes):
    assert mismatch(GOOD | changes, FORM) is None
    assert mismatch({name: value for name, value in GOOD.items() if name not in ("size", "free")}, FORM) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": 5}, "name must be text, got 5"),
        ({"name": None}, "name must be text, got null"),
        ({"size": True}, "size must be a whole number, got true"),
        ({"size": 2.0}, "size must be a whole number, got 2.0"),
        ({"size": 2**63}, "size must be a whole number, got 9223372036854775808"),
        ({"share": float("inf")}, "share must be a number, got Infinity"),
        ({"share": "0.5"}, 'share must be a number, got "0.5"'),
        ({"parts": {}}, "parts must be a list, got {}"),
        ({"parts": [{"flag": True}, {"flag": 1}]}, "parts[1].flag must be true or false, got 1"),
        ({"parts": [{}]}, "parts[0].flag is missing"),
        ({"counts": {"x": 1, "y": "a" * 99}}, f'counts.y must be a whole number, got "{"a" * 39}...'),
    ],
)
def test_what_has_not(changes, message):
    assert mismatch(GOOD | changes, FORM) == message


def test_a_document_without_an_entry_or_that_is_no_object():
    assert mismatch({**GOOD, "name?": 1} | {"name": "x"}, FORM) is None
    assert mismatch({name: GOOD[name] for name in GOOD if name != "counts"}, FORM) == "counts is missing"
    assert mismatch([], FORM) == "the document must be an object, got []"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "Expecting property name"),
        (b'{"a": "\xff"}', "can't decode byte 0xff"),
        (b"[" * 100_000, "brackets are nested too deep"),
        (b"9" * 5000, "integer string conversion"),
        (b"1e999", "the document must be an object, got Infinity"),
    ],
)
def test_a_file_that_is_no_such_document(tmp_path, text, message):
    path = tmp_path / "a.json"
    path.write_bytes(text)

    with pytest.raises(BadFolder) as error:
        read_json(path, FORM, "Make it again.")

    assert str(error.value).startswith(f"{path} is damaged (")
    assert message in str(error.value)
    assert str(error.value).endswith("). Make it again.")


def test_a_file_is_read(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(GOOD))

    assert read_json(tmp_path / "a.json", FORM, "") == GOOD


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/b", "a\\b", "a\0b"])
def test_names_that_would_lead_out_of_the_folder(tmp_path, name):
    with pytest.raises(BadFolder, match="is part of no file's name"):
        file_name(name, tmp_path, "Make it again.")
    assert file_name("ü b.c", tmp_path, "") == "ü b.c"

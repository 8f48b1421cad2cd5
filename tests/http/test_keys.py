"""Keys of a file or of the environment, and what is none."""

import pytest

from hiersrec.errors import BadInput
from hiersrec.http.keys import VARIABLE, Keys, read_keys


@pytest.fixture(autouse=True)
def no_variable(monkeypatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def test_without_file_and_variable_there_are_none() -> None:
    assert read_keys(None) is None


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_variable_is_refused(monkeypatch, value) -> None:
    monkeypatch.setenv(VARIABLE, value)

    with pytest.raises(BadInput, match=f"{VARIABLE} is empty, which would let everybody in"):
        read_keys(None)


@pytest.mark.parametrize("value", ["secret", "secret\n", " secret "])
def test_the_key_of_the_variable_is_the_only_one(monkeypatch, value) -> None:
    monkeypatch.setenv(VARIABLE, value)
    keys = read_keys(None)

    assert [keys.client_of(sent) for sent in (b"secret", b"", b"secre", b"secret ")] == ["default", None, None, None]


def test_a_file_names_clients_and_one_may_have_two_keys(tmp_path) -> None:
    file = tmp_path / "keys"
    file.write_text("# who may ask\n\nshop  old-key\nshop\tnew-key\n\n  phone s\u00f3-key  \n", encoding="utf-8")
    keys = read_keys(file)

    sent = (b"old-key", b"new-key", "s\u00f3-key".encode(), b"shop", b"#", b"")
    assert [keys.client_of(key) for key in sent] == ["shop", "shop", "phone", None, None, None]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no key, which would let nobody in"),
        ("# only this\n", "has no key"),
        ("shop key\nlonely\n", r"line 2: got 1 words. A line is a name, spaces and a key"),
        ("shop a b\n", "line 1: got 3 words"),
    ],
)
def test_other_files_are_refused(tmp_path, text, message) -> None:
    file = tmp_path / "keys"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(BadInput, match=message):
        read_keys(file)


def test_a_file_that_is_not_there_and_two_sources_are_refused(tmp_path, monkeypatch) -> None:
    with pytest.raises(BadInput, match="can't be read: No such file"):
        read_keys(tmp_path / "none")
    monkeypatch.setenv(VARIABLE, "secret")
    with pytest.raises(BadInput, match=f"Keys come from one place: unset {VARIABLE}, or leave out --api-key-file"):
        read_keys(tmp_path / "none")


def test_every_key_is_compared_so_that_the_time_tells_nothing(monkeypatch) -> None:
    compared = []
    keys = Keys([(str(number), str(number).encode()) for number in range(5)])
    monkeypatch.setattr("hiersrec.http.keys.hmac.compare_digest", lambda a, b: bool(compared.append(1)) or a == b)

    assert keys.client_of(b"0") == "0"
    assert len(compared) == 5

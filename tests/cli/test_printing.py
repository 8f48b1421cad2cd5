"""What commands print fits the terminal, or 80 columns, or COLUMNS."""

import io

import pytest

from hiersrec.cli import printing, split_list

pytestmark = pytest.mark.slow


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_columns_of_the_environment_decide(stream, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "61")
    assert printing.console(stream).width == 61


def test_a_file_or_pipe_is_as_wide_as_most_terminals(monkeypatch) -> None:
    for columns in (None, "", "wide"):
        monkeypatch.delenv("COLUMNS", raising=False) if columns is None else monkeypatch.setenv("COLUMNS", columns)
        assert printing.console(io.StringIO()).width == 80


def test_commands_fit_into_the_terminal_without_breaking_a_word(shop, run, hiersrec, monkeypatch, tmp_path) -> None:
    files = (shop / "events.csv", "--items", shop / "items.csv", "--split", "last-days:5")
    commands = (
        ("prepare", *files, "--out", tmp_path / "data", "--overwrite"),
        ("evaluate", run),
        ("list",),
        ("recommend", run, "--session", "i1,i2", "--explain", "--k", "3"),
    )
    for command in commands:
        monkeypatch.setenv("COLUMNS", "400")
        words = set(hiersrec(*command).out.split())
        assert words
        for width in (60, 80):
            monkeypatch.setenv("COLUMNS", str(width))
            lines = hiersrec(*command).out.splitlines()

            assert [line for line in lines if line != line.rstrip()] == []
            assert [line for line in lines if len(line) > width and len(line.split()) > 1] == []
            assert words <= {word for line in lines for word in line.split()}


def test_output_that_is_not_unicode(monkeypatch) -> None:
    for encoding, text, escaped in (("ascii", "## ? 1 > 2", "\\u00fc"), ("utf-8", "██ ü 1 → 2", "ü")):
        streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True) for _ in range(2)]
        for name, stream in zip(("stdout", "stderr"), streams, strict=True):
            monkeypatch.setattr(f"sys.{name}", stream)
        printing.allow_any_encoding()

        printing.show("██ ü 1 → 2")
        printing.show_json("ü")

        monkeypatch.undo()
        assert streams[0].buffer.getvalue().decode(encoding) == f'{text}\n"{escaped}"\n'


def test_lists_may_quote_what_separates_them() -> None:
    assert split_list(' a, b,,"c, d" ') == ("a", "b", "c, d")
    assert split_list('"a/b"/c', "/") == ("a/b", "c")
    assert split_list('a\nb\r\n\n"c,\nd", e\n') == ("a", "b", "c,\nd", "e")
    assert split_list("") == ()

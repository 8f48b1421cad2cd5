"""What commands print fits the terminal, or 80 columns, or COLUMNS."""

import io

import pytest

from hiersrec.cli import printing

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

"""What all commands have in common."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hiersrec as package
from hiersrec.registry import KINDS
from tests.cli.conftest import run_process

COMMANDS = (
    *("prepare", "describe", "train", "tune", "add-items", "evaluate", "compare"),
    *("recommend", "verify", "list", "reproduce", "demo"),
)


def test_version(hiersrec) -> None:
    assert hiersrec("--version").out == f"hiersrec {package.__version__}\n"


def test_ctrl_c_while_the_program_is_loaded(tmp_path, monkeypatch) -> None:
    """No traceback, and no attempt of what is being loaded to go on."""
    (tmp_path / "typer.py").write_text(
        "import os, signal, sys\n"
        "try:\n    os.kill(os.getpid(), signal.SIGINT)\n    print('goes on')\n"
        "except KeyboardInterrupt:\n    raise ImportError from None\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")

    result = run_process("list")

    assert (result.code, result.out, result.err) == (130, "", "Stopped.\n")


def test_help_names_every_command(hiersrec) -> None:
    shown = hiersrec("--help")

    assert shown.code == 0
    assert all(f"\n  {command} " in shown.out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_for_every_option(hiersrec, command) -> None:
    shown = hiersrec(command, "--help")

    assert shown.code == 0
    options = [line for line in shown.out.splitlines() if line.startswith("  --")]
    assert options


def test_a_mistake_is_one_line_on_standard_error_and_exit_code_2(tmp_path) -> None:
    result = run_process("describe", tmp_path / "nowhere")

    assert result.code == 2
    assert result.out == ""
    assert result.err == (
        f"Error: There is no dataset folder at {tmp_path / 'nowhere'}. Make one with `hiersrec prepare`.\n"
    )


def test_an_unknown_option_exits_with_2_too(hiersrec) -> None:
    result = hiersrec("describe", "--jsn")

    assert result.code == 2
    assert "--jsn" in result.err
    assert result.out == ""


def test_list_shows_all_kinds(hiersrec) -> None:
    lists = json.loads(hiersrec("list", "--json").out)

    assert list(lists) == [*KINDS, "recipes"]
    assert set(KINDS) >= {"encoders", "tasks", "score_terms", "metrics", "loggers", "datasets"}
    assert "transformer" in lists["encoders"]
    assert "popularity" in lists["baselines"]
    assert "wikispeedia" in lists["datasets"]
    assert "any/hiersrec" in lists["recipes"]
    facts = [facts for members in lists.values() for facts in members.values()]
    assert all(each["description"] for each in facts), "everything says what it is"
    assert {each["from"] for each in facts} == {"hiersrec"}


def test_list_shows_one_kind_as_a_table(hiersrec) -> None:
    result = hiersrec("list", "encoders")

    assert "transformer" in result.out
    assert "popularity" not in result.out


def test_list_of_nothing_known(hiersrec) -> None:
    result = hiersrec("list", "encoder")

    assert result.code == 2
    assert "There is no list of 'encoder'. Did you mean 'encoders'?" in result.err


COMPLETE = """
eval "$(hiersrec --show-completion)"
COMP_WORDS=(%s); COMP_CWORD=%d
_hiersrec_completion hiersrec
echo "${COMPREPLY[@]}"
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "completions"), [("hiersrec re", "recommend reproduce"), ("hiersrec evaluate --s", "--split --share")]
)
def test_bash_completes_commands_and_options(words, completions) -> None:
    script = COMPLETE % (words, len(words.split()) - 1)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = [shutil.which("bash"), "--norc", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": path})

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == completions.split()

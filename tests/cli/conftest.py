"""The command line as a function and as a real process, and one finished run."""

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hiersrec.cli.app import main
from tests.shop import TINY, write_shop


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str


Command = Callable[..., Result]
WIDE = "120"
"""Columns of the output, so that no sentence that a test looks for is wrapped; tests/cli/test_printing.py has fewer."""


# A shell starts jobs in the background with SIGINT ignored, and their children inherit that; a person's have it.
signal.signal(signal.SIGINT, signal.default_int_handler)


def start(*args: object) -> subprocess.Popen[str]:
    """`hiersrec ...` as a process of its own."""
    environment = {"COLUMNS": WIDE, **os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "hiersrec", *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def run_process(*args: object) -> Result:
    """`hiersrec ...` as a process of its own, to its end."""
    process = start(*args)
    out, err = process.communicate(timeout=600)
    return Result(process.returncode, out, err)


def run_here(*args: object) -> Result:
    """`hiersrec ...` in this process, which spares the start."""
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.setenv("COLUMNS", os.environ.get("COLUMNS", WIDE))
        patch.setattr(sys, "argv", ["hiersrec", *map(str, args)])
        with pytest.raises(SystemExit) as stop:
            main()
    return Result(int(stop.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def hiersrec() -> Command:
    return run_here


@pytest.fixture(scope="session")
def shop(tmp_path_factory) -> Path:
    return write_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="session")
def prepared(shop) -> tuple[Path, Result]:
    """A dataset folder, and what the command said that made it."""
    out = shop / "data"
    return out, run_here(
        "prepare", shop / "events.csv", "--items", shop / "items.csv", "--out", out, "--split", "last-days:5", "--json"
    )


@pytest.fixture(scope="session")
def trained(prepared) -> tuple[Path, Result]:
    """A run folder, and what the command said that made it."""
    data, made = prepared
    assert made.code == 0, made.err
    out = data.parent / "run"
    return out, run_here(
        "train",
        data,
        "--out",
        out,
        *("--recipe", "hiersrec"),
        *(word for setting in TINY for word in ("--set", setting)),
        "--set",
        "training.epochs=2",
        "--json",
    )


@pytest.fixture(scope="session")
def run(trained) -> Path:
    folder, made = trained
    assert made.code == 0, made.err
    return folder

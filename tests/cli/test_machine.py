"""A machine that fails: one line on standard error, exit code 1, and nothing half-written."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def limited(limit: Callable[[], None] | None, *words: object, stdout: int | None = None) -> tuple[int, str]:
    """Exit code and standard error of a command in a process with a limit."""
    command = [sys.executable, "-m", "hiersrec", *map(str, words)]
    # No bytecode: modules that are cut short by the limit would harm later processes.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE if stdout is None else stdout,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=limit,
        check=False,
    )
    return done.returncode, done.stderr


def files_of_at_most(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full on this system")
def test_standard_output_on_a_full_disk() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    try:
        code, err = limited(None, "list", "encoders", stdout=descriptor)
    finally:
        os.close(descriptor)

    assert (code, err.count("\n")) == (1, 1), err
    assert err.startswith("Error: No space left on device. What stood before is as it was. ")


@pytest.mark.parametrize("size", [0, 2_000])
def test_prepare_where_files_can_not_grow(size, shop, tmp_path) -> None:
    words = ("prepare", shop / "events.csv", "--items", shop / "items.csv", "--split", "last-days:5")
    code, err = limited(files_of_at_most(size), *words, "--out", tmp_path / "data")

    assert code == 1, err
    assert err.splitlines()[-1].startswith("Error: ")
    assert ("File too large" if size else "No usable temporary directory") in err.splitlines()[-1]
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == []


def test_train_where_files_can_not_grow_keeps_the_run_that_was_there(prepared, run, tmp_path) -> None:
    code, err = limited(
        files_of_at_most(500), "train", prepared[0], "--recipe", "popularity", "--out", tmp_path / "new"
    )

    assert code == 1, err
    assert "File too large" in err.splitlines()[-1]
    assert "Traceback" not in err
    assert (run / "run.json").is_file()

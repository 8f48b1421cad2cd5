"""A command in a forked process that is harmed at its n-th file operation; forking saves the seconds of the imports."""

import atexit
import errno
import json
import os
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from hiersrec.cli.app import main
from hiersrec.training import loop

WRITES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link", "os.symlink", "os.chmod"}
"""Audit events of operations that change a folder, which Python raises just before each; opening a file is another."""
OPENS_TO_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT
TAKES_SPACE = {"open", "os.mkdir"}
Harm = Callable[[str], None]
"""What happens instead of the chosen operation; it is told the operation."""


def kill(event: str) -> None:
    """`kill -9`."""
    del event
    os.kill(os.getpid(), signal.SIGKILL)


def fill_the_disk(event: str) -> None:
    """A disk that is full from here on: what takes no space goes on."""
    if event in TAKES_SPACE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def interrupt(event: str) -> None:
    """Ctrl-C."""
    del event
    raise KeyboardInterrupt


def limit_files(event: str) -> None:
    """`ulimit -f`: no file can get larger than so many bytes; nothing happens at an operation."""
    del event


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    """Of its exit; negative if it was killed."""
    text: str
    """Standard output and error."""
    operations: int = -1
    """File operations in its folder, -1 if it was killed."""
    modules: tuple[str, ...] = ()
    """What it imported, if it was not killed."""


def run(folder: Path, words: list[str], point: int | None = None, harm: Harm = kill, to: str | None = None) -> Result:
    """`hiersrec WORDS` in `folder`, harmed at operation (or from byte) `point`; standard output goes into `to`."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        _be_the_command(folder, words, point, harm, to, writer)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as output:
        text, _, facts = output.read().partition("\0")
    _, status = os.waitpid(child, 0)
    return Result(os.waitstatus_to_exitcode(status), text, *json.loads(facts or "[]"))


def load(modules: Iterable[str]) -> None:
    """Import what a command imported, so that it is there in all processes that are forked later."""
    for name in modules:
        with suppress(Exception):  # names of other things than modules, which stand there too
            import_module(name)


def _be_the_command(folder: Path, words: list[str], point: int | None, harm: Harm, to: str | None, writer: int) -> None:
    code, before = 1, set(sys.modules)
    try:
        os.chdir(folder)
        os.dup2(writer, 2)
        os.dup2(writer if to is None else os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))
        sys.argv = ["hiersrec", *words]
        sys.dont_write_bytecode = True
        os.environ["COLUMNS"] = "1000"
        tempfile.tempdir = str(folder.parent)
        loop.SAVE_EVERY = -1.0  # a checkpoint after each step
        if harm is limit_files and point is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (point, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        operations = _watch(str(folder), point, harm, reads=to is not None)
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        except KeyboardInterrupt:
            code = 130
        except BaseException:
            traceback.print_exc()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        facts = json.dumps([operations[0], [name for name in sys.modules if name not in before]])
        with os.fdopen(writer, "w", encoding="utf-8") as output:
            output.write(f"\0{facts}")
    finally:
        os._exit(code)


def _watch(folder: str, point: int | None, harm: Harm, reads: bool) -> list[int]:
    """Count operations in the folder from now on, with `reads` files that are opened to read too, and do the harm."""
    operations = [0]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        changes = event in WRITES or (event == "open" and (reads or arguments[2] & OPENS_TO_WRITE))
        if not changes or isinstance(arguments[0], int):
            return
        if os.path.join(folder, os.fsdecode(arguments[0])).startswith(folder):  # noqa: PTH118 - it comes often
            operations[0] += 1
            if point is not None and (operations[0] == point or (operations[0] > point and harm is fill_the_disk)):
                harm(event)

    sys.addaudithook(hook)
    return operations

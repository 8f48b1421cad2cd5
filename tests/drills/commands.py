"""A kill, a full disk, a limit of file sizes or Ctrl-C at a file operation of every command that writes.

A command is harmed once or twice and given again as a person would: with the same words, or as its message says. What
stood before must stand all the while, and at the end the folder must be as if nothing had happened.
"""

import random
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.drills._commands import COMMANDS, Command, Tree, is_left_over, make_base, tree, what_is_lost, with_its_graph
from tests.drills._processes import Harm, Result, fill_the_disk, interrupt, kill, limit_files, load, run
from tests.drills.report import Row

CONTINUE = "Stopped. Continue with: hiersrec "
FINISHED = ("is a finished run.", "exists already.")
"""What a command says that was harmed after its work was done."""
ATTEMPTS = 4


@dataclass(frozen=True)
class Drill:
    """One kind of harm."""

    name: str
    harm: Harm
    is_well: Callable[[Result], bool]
    """Whether a harmed command ended as it should."""
    tries: int
    """Of each command, in full."""


def _is_error(result: Result) -> bool:
    return result.code == 1 and next(iter(result.text.splitlines()[-1:]), "").startswith("Error: ")


DRILLS = (
    Drill("kill", kill, lambda result: result.code < 0, 100),
    Drill("full disk", fill_the_disk, _is_error, 30),
    Drill("limit of file sizes", limit_files, _is_error, 30),
    Drill("Ctrl-C", interrupt, lambda result: result.code == 130, 30),
)


def drill(
    tries: int | None, folder: Path, commands: tuple[Command, ...] = COMMANDS, drills: tuple[Drill, ...] = DRILLS
) -> Iterator[Row]:
    """A row for each harm of each command."""
    make_base(base := folder / "base", commands)
    with with_its_graph(base):
        for command in commands:
            yield from _rows(command, base, folder, tries, drills)


def _rows(command: Command, base: Path, folder: Path, tries: int | None, drills: tuple[Drill, ...]) -> Iterator[Row]:
    command.start(base, folder / "reference" / "folder")
    whole = run(folder / "reference" / "folder", list(command.words), to=command.to)
    assert whole.code == 0, whole.text
    load(whole.modules)
    reference = tree(folder / "reference" / "folder")
    largest = max(path.stat().st_size for path in (folder / "reference" / "folder").rglob("*"))
    shutil.rmtree(folder / "reference")
    for kind in drills:
        points = largest if kind.harm is limit_files else whole.operations
        yield _row(kind, command, tries or kind.tries, folder, reference, points)


def _row(kind: Drill, command: Command, tries: int, folder: Path, reference: Tree, most: int) -> Row:
    row = Row(kind.name, command.name)
    chance = random.Random(f"{kind.name} {command.name}")  # noqa: S311 - not for secrets
    for number in range(tries):
        # Spread over all operations, or sizes; in every other try the second attempt is harmed too.
        points = [1 + int((number + chance.random()) * most / tries)]
        points += [chance.randint(1, most)] * (number % 2)
        command.start(folder / "base", folder / "try" / "folder")
        failure = _try(kind, command, folder / "try" / "folder", folder / "base", reference, points)
        if failure:
            row.failures.append(f"at {points} of {most}: {failure}")
        row.tries += 1
        shutil.rmtree(folder / "try")
    return row


def _try(kind: Drill, command: Command, folder: Path, base: Path, reference: Tree, points: list[int]) -> str:
    """What failed, "" if all was well."""
    words = list(command.words)
    for point in [*points, *[None] * ATTEMPTS]:
        result = run(folder, words, point, kind.harm, command.to)
        if lost := what_is_lost(command, folder, base, reference):
            return lost
        if result.code == 0:
            break
        if "Traceback" in result.text:
            return result.text
        if result.code > 0 and (left := _left_over(kind, command, folder)):
            return f"left {', '.join(left)}"
        if CONTINUE in result.text:
            words = shlex.split(result.text.rpartition(CONTINUE)[2])
        elif "Continue with --resume" in result.text:
            words = [word for word in command.words if word not in ("--overwrite", "--resume")] + ["--resume"]
        elif any(text in result.text for text in FINISHED):
            break
        elif point is None or not kind.is_well(result):
            return f"ended with {result.code}: {result.text}"
    else:
        return f"no end after {len(points) + ATTEMPTS} attempts: {result.text}"
    if (after := tree(folder)) != reference:
        names = sorted(name for name in {*after, *reference} if after.get(name) != reference.get(name))
        return f"differs from a folder that was not harmed: {', '.join(names)}"
    return ""


def _left_over(kind: Drill, command: Command, folder: Path) -> list[str]:
    """What a command left that could put things in order; a second Ctrl-C may keep it from that."""
    names = [path.name for path in folder.iterdir() if is_left_over(command, path)]
    return [name for name in names if not (kind.harm is interrupt and name.startswith("."))]

"""Progress of a training: a bar on the console, or nothing."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column


class ProgressReporter(Protocol):
    """Receives the events of a training, in order."""

    def say(self, text: str) -> None:
        """A line for the log."""

    def start(self, title: str, total: int) -> None:
        """A stage of `total` units begins: the examples of an epoch, or the prefixes of a validation."""

    def step(self, done: int, note: str) -> None:
        """`done` units of the stage are finished; `note` holds losses and speed."""

    def end(self) -> None:
        """The stage is over."""


class SilentReporter:
    """Reports nothing."""

    def say(self, text: str) -> None: ...

    def start(self, title: str, total: int) -> None: ...

    def step(self, done: int, note: str) -> None: ...

    def end(self) -> None: ...


LOG_EVERY = 60.0
"""Seconds between lines where there is no terminal to draw a bar on."""
LEAST_BAR = 10
"""Columns of the bar where there is little room."""
TIME_LEFT = len("12:34:56")


class ProgressBar:
    """Progress on the console given (stderr): loss of each task, examples a second, time left.

    A transient bar on a terminal, where bar, count, speed and time left stay visible: losses give way, and then the
    title. Elsewhere a line a minute, so that the log of a long training stays short.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.bar: Progress | None = None
        self.task = TaskID(0)
        self.title, self.total, self.logged = "", 0, 0.0

    def say(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True)

    def start(self, title: str, total: int) -> None:
        self.end()
        self.title, self.total, self.logged = title, total, time.monotonic()
        if self.console.is_terminal:
            # Only the bar gives way to what stands next to it.
            self.bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=None),
                MofNCompleteColumn(table_column=Column(no_wrap=True)),
                TimeRemainingColumn(table_column=Column(no_wrap=True)),
                TextColumn("{task.fields[note]}"),
                console=self.console,
                transient=True,
            )
            self.task = self.bar.add_task(title, total=total, note="")
            self.bar.start()

    def step(self, done: int, note: str) -> None:
        if self.bar is not None:
            note = note or f"{self.bar.tasks[0].speed or 0:,.0f}/s"
            count = len(f"{self.total}/{self.total}")
            room = self.console.width - sum((LEAST_BAR, count, TIME_LEFT)) - 4  # a blank between two columns
            title, note = fit(self.title, note, room)
            self.bar.update(self.task, completed=done, description=title, note=note)
        elif time.monotonic() - self.logged > LOG_EVERY:
            self.say(f"{self.title}: {done:,} of {self.total:,} {note}".rstrip())
            self.logged = time.monotonic()

    def end(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


@contextmanager
def progress_stage(reporter: ProgressReporter, title: str) -> Iterator[Callable[[int, int], None]]:
    """A stage of `reporter`; yields the function that reports (done, total) and begins the stage when first called."""
    begun = False

    def progress(done: int, total: int) -> None:
        nonlocal begun
        if not begun:
            reporter.start(title, total)
            begun = True
        reporter.step(done, "")

    try:
        yield progress
    finally:
        reporter.end()


def fit(title: str, note: str, room: int) -> tuple[str, str]:
    """Title and note, which ends in a speed, in at most `room` columns together.

    The speed's unit goes first, then losses from the first one on (the items' loss comes last), then the end of the
    title; the speed stays.
    """
    *losses, speed = note.split(", ")
    if len(title) + len(note) > room:
        speed = speed.replace(" examples/s", "/s")
    while losses and len(title) + len(", ".join([*losses, speed])) > room:
        losses.pop(0)
    if (most := max(0, room - len(speed))) < len(title):
        title = title[: most - 1] + "…" if most else ""
    return title, ", ".join([*losses, speed])


def rates(totals: dict[str, Any], examples: int, seconds: float) -> str:
    """Losses per task and speed, as one line: "item 7.1210, category_1 2.0312, 1,520 examples/s"."""
    losses = [f"{name} {total / max(1, examples):.4f}" for name, total in totals.items()]
    return ", ".join([*losses, f"{examples / max(1e-9, seconds):,.0f} examples/s"])


def duration(seconds: float) -> str:
    """Seconds, minutes or hours: "45 s", "12 minutes", "2.5 hours"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"

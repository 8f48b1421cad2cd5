"""Who is told how a training goes: a progress bar for a person, nobody in tests."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


class Callback(Protocol):
    """Receives the events of a training, in order."""

    def say(self, text: str) -> None:
        """One line of news."""
        ...

    def start(self, title: str, total: int) -> None:
        """A stretch of `total` units begins (examples of an epoch, prefixes of a validation)."""
        ...

    def step(self, done: int, note: str) -> None:
        """`done` units of the stretch are behind us; `note` holds losses and speed."""
        ...

    def end(self) -> None:
        """The stretch is over."""
        ...


class SilentCallback:
    """Reports nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def start(self, title: str, total: int) -> None:
        """Nothing."""

    def step(self, done: int, note: str) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""


LOG_EVERY = 60.0
"""Seconds between lines where there is no terminal to draw a bar on."""


class ProgressBar:
    """Progress on the console given (stderr): loss of each task, examples a second, time left.

    A bar that goes away on a terminal; elsewhere a line a minute, so that a log stays short and a long run visible.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.bar: Progress | None = None
        self.task = TaskID(0)
        self.title, self.total, self.spoken = "", 0, 0.0

    def say(self, text: str) -> None:
        """One line, above the bar."""
        self.console.print(text, highlight=False, soft_wrap=True)

    def start(self, title: str, total: int) -> None:
        """Show a bar."""
        self.end()
        self.title, self.total, self.spoken = title, total, time.monotonic()
        if self.console.is_terminal:
            self.bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=self.console,
                transient=True,
            )
            self.task = self.bar.add_task(title, total=total, note="")
            self.bar.start()

    def step(self, done: int, note: str) -> None:
        """Move the bar, or speak once a minute."""
        if self.bar is not None:
            self.bar.update(self.task, completed=done, note=note)
        elif time.monotonic() - self.spoken > LOG_EVERY:
            self.say(f"{self.title}: {done:,} of {self.total:,} {note}".rstrip())
            self.spoken = time.monotonic()

    def end(self) -> None:
        """Take the bar away."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


@contextmanager
def progress_stage(callback: Callback, title: str) -> Iterator[Callable[[int, int], None]]:
    """A stretch of `callback` for functions that report (done, of): call the yielded function with both."""
    begun = False

    def progress(done: int, of: int) -> None:
        nonlocal begun
        if not begun:
            callback.start(title, of)
            begun = True
        callback.step(done, "")

    try:
        yield progress
    finally:
        callback.end()


def rates(totals: dict[str, Any], examples: int, seconds: float) -> str:
    """Losses per task and speed, as one line: "item 7.1210, category_1 2.0312, 1,520 examples/s"."""
    losses = [f"{name} {total / max(1, examples):.4f}" for name, total in totals.items()]
    return ", ".join([*losses, f"{examples / max(1e-9, seconds):,.0f} examples/s"])

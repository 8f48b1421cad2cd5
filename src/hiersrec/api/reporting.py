"""Progress of the functions of the API on standard error, or silence."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from hiersrec.training.progress import ProgressBar, ProgressReporter, SilentReporter


@contextmanager
def reporting(progress: bool) -> Iterator[ProgressReporter]:
    """Where a function reports its progress; a bar is taken from the terminal at the end, whatever happens."""
    reporter: ProgressReporter = SilentReporter()
    if progress:
        # In a notebook Rich would show lines as results of the cell, whatever the stream is.
        console = Console(file=sys.stderr, highlight=False, markup=False, emoji=False, force_jupyter=False)
        reporter = ProgressBar(console)
    try:
        yield reporter
    finally:
        reporter.end()

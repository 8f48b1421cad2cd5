"""Progress of the functions of the API on standard error, or silence."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from hiersrec.training.progress import ProgressBar, ProgressReporter, SilentReporter
from hiersrec.writing.terminal import console


@contextmanager
def reporting(progress: bool) -> Iterator[ProgressReporter]:
    """Where a function reports its progress; a bar is taken from the terminal at the end, whatever happens."""
    reporter: ProgressReporter = SilentReporter()
    if progress:
        reporter = ProgressBar(console(sys.stderr))
    try:
        yield reporter
    finally:
        reporter.end()

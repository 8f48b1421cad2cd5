"""The command `hiersrec`, and `python -m hiersrec`: what Ctrl-C does, from the first import on."""

import os
import signal
import sys
from itertools import pairwise
from types import FrameType

IMPORTS = ("importlib", "importlib._bootstrap", "importlib._bootstrap_external")
LOADERS = ("__main__", "hiersrec", "hiersrec.__main__", "hiersrec.api", "hiersrec.cli")
"""Modules, with those in them, that import the rest of the package before any work begins."""


def main() -> None:
    """Run the command line."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a job in the background ignores it
        signal.signal(signal.SIGINT, _interrupt)
    from hiersrec.cli.app import main as run

    run()


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt; but while the package is loaded, end at once: C++ code that is loaded would abort."""
    del number
    names = []
    while frame is not None:
        names.append(frame.f_globals.get("__name__", ""))
        frame = frame.f_back
    loaders = [outer for inner, outer in pairwise(names) if inner in IMPORTS and outer not in IMPORTS]
    if loaders and (loaders[-1] in LOADERS or loaders[-1].rpartition(".")[0] in LOADERS):
        os.write(sys.stderr.fileno(), b"Stopped.\n")
        os._exit(130)
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()

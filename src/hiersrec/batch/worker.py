"""A process that scores blocks: `python -m hiersrec.batch.worker FOLDER`, started by processes.py.

It reads the number of a block a line from standard input until that ends, and answers each with a line of JSON: the
counts of the block, or {"error": message}. It begins with {} once the model is open.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from hiersrec.batch.block_scorer import BlockScorer
from hiersrec.batch.blocks import facts_of
from hiersrec.batch.work_folder import WorkFolder
from hiersrec.errors import HiersrecError
from hiersrec.machine import machine_errors


def main(folder: Path) -> None:
    """Score blocks until standard input ends, as it does when the parent has ended."""
    try:
        with machine_errors():
            work = WorkFolder.open(folder)
            facts = facts_of(work.sessions)
            assert facts is not None, "sessions are read before workers start"
            scorer = BlockScorer.open(work, facts)
            _answer({})
            for line in sys.stdin:
                _answer(scorer.score(int(line)))
    except HiersrecError as error:
        _answer({"error": str(error), "kind": type(error).__name__})
        sys.exit(2)


def _answer(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except (BrokenPipeError, KeyboardInterrupt):  # the parent has ended, or says what is to say
        os._exit(1)  # without Python's own try to write what is left

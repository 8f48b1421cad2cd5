"""Blocks scored on Spark: their numbers are spread over its tasks, and a process opens the model once.

Tasks read blocks from the folder of the batch and write their rows there, so all machines must share it and the model's
folder, under the same paths. They need hiersrec with what the model needs (for a bundle the light install) and PyArrow,
which Spark's `mapInArrow` needs too.
"""

import os
import re
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pyarrow as pa

from hiersrec.batch.block_scorer import BlockScorer
from hiersrec.batch.blocks import facts_of
from hiersrec.batch.work_folder import WorkFolder
from hiersrec.errors import HiersrecError
from hiersrec.types import Say

PYTHON = "PYSPARK_PYTHON"
"""Environment variable with the Python of the tasks."""
TASKS = 4
"""For each core, so that none waits long for the last."""
PAUSE = 0.2
"""Seconds between two looks at which blocks are done."""


def score(work: WorkFolder, numbers: Sequence[int], engine: str, say: Say) -> Iterator[Counter[str]]:
    """Score blocks; yields the counts of each when it is done, in any order.

    engine: as `open_engine` takes it. Raises what `open_session` raises, and HiersrecError with the message of a task.
    """
    from hiersrec.preparation.engines import master_of  # not at the top, as the tasks import this file
    from hiersrec.preparation.spark_session import open_session

    def tell(line: str) -> None:
        say(line.replace("prepare:", "recommend:", 1))

    scratch = work.folder / "spark"
    scratch.mkdir(exist_ok=True)
    tag = uuid.uuid4().hex
    with (
        open_session(master_of(engine), scratch, tell) as session,
        ThreadPoolExecutor(1) as pool,
    ):
        context = session.sparkContext
        if context.master.startswith("local") and PYTHON not in os.environ:
            context.pythonExec = sys.executable  # by default what "python3" is on the PATH
        tasks = min(len(numbers), TASKS * context.defaultParallelism)
        places = session.range(0, len(numbers), 1, tasks)
        errors = places.mapInArrow(_task(work.folder.absolute(), numbers), "error string")

        def run() -> list[str]:
            context.addJobTag(tag)  # of this thread
            return [row.error for row in errors.collect()]

        job = pool.submit(run)
        try:
            waiting, is_over = set(numbers), False
            while not is_over:
                is_over = job.done()
                finished = {int(file.stem) for file in work.lists.glob("*.json")} & waiting
                yield from (counts for number in finished if (counts := work.counts(number)) is not None)
                waiting -= finished
                time.sleep(0 if is_over else PAUSE)
            if messages := _result(job):
                raise HiersrecError(messages[0])
        except BaseException:
            context.cancelJobsWithTag(tag)
            raise


def _result(job: "Future[list[str]]") -> list[str]:
    """What the tasks returned. Raises HiersrecError if one failed otherwise, as without a package that it imports."""
    try:
        return job.result()
    except Exception as error:  # of PySpark, with the traceback of the task
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = next(
            (line for line in lines if re.match(r"\w+(\.\w+)*Error\b", line)), lines[0] if lines else "no reason"
        )
        raise HiersrecError(
            f"Spark could not score the sessions: {reason.rstrip('.')}. Its machines need PyArrow, hiersrec with the "
            "extra serve for a bundle, or train for a run, and the folders of the model and of --out under the same "
            "paths. The same command continues."
        ) from error


def _task(folder: Path, numbers: Sequence[int]) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """What a task does with the places of its blocks in `numbers`; it returns messages of errors."""

    def task(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            try:
                for place in batch.column(0).to_pylist():
                    _opened(folder).score(numbers[place])
            except HiersrecError as error:
                yield pa.RecordBatch.from_pydict({"error": [str(error)]})
                return

    return task


@cache
def _opened(folder: Path) -> BlockScorer:
    """Opened once in a process, which runs many tasks."""
    work = WorkFolder.open(folder)
    facts = facts_of(work.sessions)
    assert facts is not None, "sessions are read before tasks start"
    return BlockScorer.open(work, facts)

"""A file of sessions -> a file of recommendations: read, score block by block, put together."""

import json
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hiersrec import __version__
from hiersrec.batch import blocks, formats, on_spark, processes
from hiersrec.batch.block_scorer import BlockScorer
from hiersrec.batch.blocks import SessionFacts, facts_of
from hiersrec.batch.request import BatchRequest, folder_of, identity
from hiersrec.batch.sessions import write_sessions
from hiersrec.batch.work_folder import WorkFolder, work_folder
from hiersrec.errors import BadInput
from hiersrec.preparation.engines import DUCKDB, check
from hiersrec.preparation.settings import PrepareSettings
from hiersrec.preparation.source import Source, describe_files
from hiersrec.serving.recommender import Recommender
from hiersrec.types import Say

Progress = Callable[[str, int, int], None]
"""Called with the title of a stage, and how many of its sessions are done, of how many."""


@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """How a batch is read and run."""

    reading: PrepareSettings = field(default_factory=PrepareSettings)
    """Columns of the sessions, and the gap that cuts them where they have no id."""
    engine: str = DUCKDB
    """What orders events; Spark also scores."""
    workers: int | None = None
    """Processes that score; None: one for each core."""
    overwrite: bool = False
    """Replace OUT, or begin again where another request was begun."""


def recommend(
    recommender: Recommender,
    sessions: Path,
    out: Path,
    request: BatchRequest,
    options: BatchOptions,
    *,
    say: Say,
    progress: Progress,
) -> dict[str, Any]:
    """Write what a model recommends for each session of a file or folder; returns counts and seconds.

    Killed at any time, the same call continues. Raises BadInput, BadFolder, and what a query engine raises.
    """
    begun = time.monotonic()
    check(options.engine)
    if options.workers is not None and options.engine != DUCKDB:
        raise BadInput(f"--workers are processes on this machine, and {options.engine} has its own. Leave out one.")
    if sessions.resolve() in (out.resolve(), *out.resolve().parents):
        raise BadInput(f"--out {out} is what --sessions reads, or lies in it. Choose another --out.")
    kind, model = formats.format_of(out), folder_of(recommender)
    request = request.kept()
    asked_of_model = request.of(recommender)
    if request.candidates is None:  # other processes open a recommender of their own
        request = replace(request, candidates=recommender.candidates)
    asked = {
        "hiersrec": __version__,
        "block": blocks.BLOCK,
        "format": kind,
        "model": identity(model),
        "request": request.document(),
        "reading": {
            "columns": options.reading.document()["columns"],
            "gap": options.reading.sessions.gap_seconds,
            "files": describe_files(Source("sessions", sessions)),
        },
    }
    asked = json.loads(json.dumps(asked, default=lambda number: number.item()))  # as it will be read
    with work_folder(out, asked, model, options.overwrite) as work:
        facts = facts_of(work.sessions)
        if facts is None:
            facts = write_sessions(sessions, options.reading, work.sessions, options.engine, say)
        scorer = BlockScorer.of(work, facts, recommender, asked_of_model)
        todo = [number for number in range(facts.blocks) if work.counts(number) is None]
        left = sum(map(facts.size, todo))
        if left < facts.sessions and not work.is_placed(out):
            say(f"recommend: continues after {facts.sessions - left:,} sessions")
        scoring = time.monotonic()
        done = facts.sessions - left
        progress("recommend", done, facts.sessions)
        with closing(_scored(scorer, todo, options, say)) as scored:  # processes end with it
            for counts in scored:
                done += counts["sessions"]
                progress("recommend", done, facts.sessions)
        seconds = time.monotonic() - scoring
        if not work.is_placed(out):
            parts = map(work.part, range(facts.blocks))
            for number in formats.join(parts, kind, scorer.columns, work.whole):
                progress("recommend: write the file", min(facts.sessions, number * blocks.BLOCK), facts.sessions)
            work.place(out)
        totals = _totals(work, facts)
    return {
        "out": str(out),
        "format": kind,
        "sessions": totals["sessions"],
        "rows": totals["rows"],
        "unknown_ids": totals["unknown_ids"],
        "filled": {name: totals[name] for name in ("popular_in_category", "popular")},
        "seconds": round(time.monotonic() - begun, 3),
        "sessions_per_second": round(left / seconds, 1) if left else None,
    }


def _scored(
    scorer: BlockScorer, todo: Sequence[int], options: BatchOptions, say: Say
) -> Generator[Counter[str], None, None]:
    """Score blocks; the counts of each when it is done."""
    workers = min(options.workers or processes.cores(), len(todo))
    if options.engine != DUCKDB and todo:
        yield from on_spark.score(scorer.work, todo, options.engine, say)
    elif workers > 1:
        yield from processes.score(scorer.work.folder, todo, workers)
    else:  # a process of its own would only take longer to start
        yield from map(scorer.score, todo)


def _totals(work: WorkFolder, facts: SessionFacts) -> Counter[str]:
    totals: Counter[str] = Counter()
    for number in range(facts.blocks):
        counts = work.counts(number)
        assert counts is not None, "all blocks are scored"
        totals.update(counts)
    return totals

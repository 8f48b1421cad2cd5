"""`recommend(model, sessions, out=...)`: a file or frame of sessions -> a file of recommendations."""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiersrec import arguments
from hiersrec.api.prepare_arguments import columns_of
from hiersrec.api.reporting import reporting
from hiersrec.api.result import Result
from hiersrec.arguments import FLAG, NUMBER, TEXT, WHOLE
from hiersrec.errors import BadInput, named_extras, repr_of
from hiersrec.machine import machine_errors
from hiersrec.retrieval.candidates import Candidates
from hiersrec.serving.recommender import Recommender
from hiersrec.training.progress import ProgressReporter
from hiersrec.types import ExternalId, Frame
from hiersrec.writing.tables import Table

if TYPE_CHECKING:
    from hiersrec.api.run import Run


class BatchSummary(Result):
    """What was written, counted: sessions, rows, unknown ids, lists that popular items fill, seconds and speed."""

    def parts(self) -> Iterator[str | Table]:
        """Sentences."""
        facts = self.document
        yield f"{facts['rows']:,} rows for {facts['sessions']:,} sessions: {facts['out']}"
        if facts["unknown_ids"]:
            yield f"{facts['unknown_ids']:,} events have ids that the model does not know; they were ignored."
        for name, kind in (("popular", "popular items"), ("popular_in_category", "popular items of likely categories")):
            if count := facts["filled"][name]:
                yield f"{count:,} lists end with {kind}."
        if facts["sessions_per_second"]:
            yield f"{facts['seconds']:,.1f} s, {facts['sessions_per_second']:,.0f} sessions/s while they were scored."

    def columns(self) -> dict[str, list[Any]]:
        """One row."""
        facts = {**self.document, **self.document["filled"]}
        return {name: [value] for name, value in facts.items() if name != "filled"}


def recommend(
    model: "Run | Recommender | str | Path",
    sessions: "str | Path | Frame",
    *,
    out: str | Path,
    k: int = 20,
    explain: bool = False,
    exclude_seen: bool = False,
    candidates: Candidates | None = None,
    allow: Sequence[ExternalId] | None = None,
    deny: Sequence[ExternalId] | None = None,
    categories: Sequence[Sequence[str]] | None = None,
    per_category: int | None = None,
    boost: Mapping[Any, float] | None = None,
    boost_categories: Mapping[Any, float] | None = None,
    diversity: float = 0.0,
    session_id: str | None = None,
    item_id: str | None = None,
    timestamp: str | None = None,
    time_format: str | None = None,
    position: str | None = None,
    user_id: str | None = None,
    separator: str | None = None,
    gap: float | None = None,
    engine: str | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> BatchSummary:
    """Write the k best next items of each of many sessions, which need not fit in memory.

    The rows of `out` are session_id, rank (from 1), item_id, score, source, and with `explain` the parts of the score.
    Sessions come in the order in which they first appear. Work is kept in the folder `out`.parts, which goes at the
    end: after a kill the same call continues, and gives the same file. For lists in memory see `Recommender.recommend`,
    which also has the arguments from `k` to `diversity`.

    Args:
        model: A run or a bundle: an object, or the path of its folder.
        sessions: A row per event, as for `prepare`, or a row per session with a list in the column `items`: a file of
            CSV, TSV, JSON lines or Parquet, a folder of parts, a pipe, or a frame (pandas, polars, PyArrow, DuckDB,
            Ibis, Spark).
        out: The file to write: .parquet, .csv or .jsonl.
        k: Length of the lists.
        explain: Add what each part of the model adds to the score.
        exclude_seen: Items of the session are not listed.
        candidates: The items that are ranked.
        allow: The only ids that may be listed.
        deny: Ids that may not be listed.
        categories: List only items whose path of categories begins with one of these.
        per_category: Most items of one category of the finest level.
        boost: What is added to the scores of items, by id.
        boost_categories: What is added to the scores of all items under a path of categories.
        diversity: From 0 to 1, how much distance in the category tree counts against scores.
        session_id: Column with the session. Without one, `gap` ends a session of a user.
        item_id: Column with the item.
        timestamp: Column with the time: ISO-8601, or numbers of s, ms, us or ns since 1970.
        time_format: How times are written otherwise, as for Python's strptime: "%d.%m.%Y %H:%M".
        position: Column with a number that orders the events of a session.
        user_id: Column with the user.
        separator: Between the values of text files: ";", or "tab"; by default found from the header line.
        gap: Seconds without events that end a session, where there are no session ids (1800).
        engine: "duckdb" (default), or "local-spark" or "spark://HOST:PORT" to read and score on Spark; for a DataFrame
            of Spark its own.
        workers: Processes that score; by default one for each core.
        overwrite: Replace `out`, or begin again where another call began.
        progress: Show a bar on standard error.

    Raises:
        BadInput: The sessions or the arguments break a rule; the message names file, row and value.
        BadFolder: `out` exists, or its folder of parts is of another call; or `model` is no run or bundle.
        MissingExtra: A package that this needs is not installed.

    """
    with named_extras("batch"):
        from hiersrec.batch import recommend as batch
        from hiersrec.batch.request import BatchRequest
        from hiersrec.preparation.engines import DUCKDB, engine_of
        from hiersrec.preparation.settings import Columns, PrepareSettings, SessionRules
        from hiersrec.preparation.tables import as_files, is_spark

    target = arguments.path(out=out)
    TEXT.check_given(engine=engine)
    WHOLE.check_given(workers=workers)
    NUMBER.check_given(gap=gap)
    FLAG.check(overwrite=overwrite, progress=progress)
    if workers is not None and workers < 1:
        raise BadInput(f"workers must be at least 1, got {workers}.")
    columns = columns_of(
        session_id=session_id,
        item_id=item_id,
        timestamp=timestamp,
        time_format=time_format,
        position=position,
        user_id=user_id,
        separator=separator,
        category_columns=None,
    )
    del columns["category_columns"]
    rules = SessionRules() if gap is None else SessionRules(gap_seconds=gap)
    request = BatchRequest(
        k=k,
        explain=explain,
        exclude_seen=exclude_seen,
        candidates=candidates,
        allow=allow,
        deny=deny,
        categories=categories,
        per_category=per_category,
        boost=boost,
        boost_categories=boost_categories,
        diversity=diversity,
    )
    on_spark = is_spark(sessions)
    options = batch.BatchOptions(
        reading=PrepareSettings(columns=Columns(**columns), sessions=rules),
        engine=engine or (engine_of(sessions) if on_spark else DUCKDB),
        workers=workers,
        overwrite=overwrite,
    )
    recommender = _recommender(model)
    if on_spark:
        target.parent.mkdir(parents=True, exist_ok=True)
    with (
        machine_errors(),
        as_files({"sessions": sessions}, target.parent if on_spark else None) as files,
        reporting(progress) as reporter,
    ):
        stages = _Stages(reporter)
        return BatchSummary(
            batch.recommend(
                recommender, files["sessions"], target, request, options, say=reporter.say, progress=stages.step
            )
        )


class _Stages:
    """Titles of stages, as they come -> stages of a reporter, with the speed of this process."""

    def __init__(self, reporter: ProgressReporter) -> None:
        self.reporter, self.title = reporter, ""
        self.begun, self.before = 0.0, 0

    def step(self, title: str, done: int, total: int) -> None:
        if title != self.title:
            self.title, self.begun, self.before = title, time.monotonic(), done
            self.reporter.start(title, total)
        speed = (done - self.before) / max(1e-9, time.monotonic() - self.begun)
        self.reporter.step(done, f"{speed:,.0f} sessions/s" if speed else "")


def _recommender(model: object) -> Recommender:
    from hiersrec.api.run import Run

    if isinstance(model, Run):
        return model.recommender
    if isinstance(model, Recommender):
        return model
    if not arguments.PATH.fits(model):
        raise BadInput(
            f"model must be a Run, a Recommender, or the path of a run folder or bundle, got {repr_of(model)}."
        )
    return Recommender.load(arguments.path(model=model))

"""Evaluate a scorer on a split: every prefix of every session, ranked against all items or against its candidates.

Scores come from retrieval.scoring and lists from retrieval.order, as in recommendation, so this measures what a user
gets. Seen items stay in the lists by default.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from hiersrec.errors import BadInput
from hiersrec.evaluation import calibration, future_items, random_baseline, report, slices
from hiersrec.evaluation.list_metrics import ListMetrics
from hiersrec.evaluation.metrics import DEFAULT, is_of_all_lists, is_of_lists
from hiersrec.evaluation.outcomes import Outcomes
from hiersrec.evaluation.sharding import Share, SingleProcess
from hiersrec.retrieval import scoring
from hiersrec.retrieval.candidates import ALL, Candidates
from hiersrec.store.batches import batch_of, sorted_rows
from hiersrec.store.catalog import Catalog
from hiersrec.store.sessions import Prefixes, Sessions
from hiersrec.types import Int32, Int64, Scorer, Scores


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """How to evaluate."""

    k: int | tuple[int, ...] = 20
    """Length of the lists; several for the metrics at each of them."""
    last_only: bool = False
    """Only the last item of each session is a target, instead of every item but the first. Sessions of the split
    leave-last have no other targets, whatever this is."""
    exclude_seen: bool = False
    """Remove the items of the prefix from its list."""
    batch_size: int = 256
    """Most prefixes scored together; changes no result. Memory grows by 4 bytes per item and prefix, or 14 if only
    candidates are ranked. They are fewer for a catalogue of more than 260 thousand items (`at_once`)."""
    candidates: Candidates = ALL
    """The items that are ranked for each prefix."""
    metrics: tuple[str, ...] = DEFAULT
    """Names of the metrics, of the registry evaluation/metrics/ or of a plug-in."""

    def __post_init__(self) -> None:
        if not self.ks:
            raise BadInput("k must be at least one number, such as 20, got none.")
        for name, value in (*(("k", k) for k in self.ks), ("batch_size", self.batch_size)):
            if value < 1:
                raise BadInput(f"{name} must be at least 1, got {value}.")
        if not self.metrics:
            raise BadInput(f"Name at least one metric, such as {DEFAULT[0]}.")
        if len(set(self.metrics)) < len(self.metrics):
            raise BadInput(f"Each metric is named once, got {', '.join(self.metrics)}.")
        for name in self.metrics:
            is_of_lists(name)  # refuses an unknown name

    @property
    def ks(self) -> tuple[int, ...]:
        """Every k once, ascending."""
        return (self.k,) if isinstance(self.k, int) else tuple(sorted(set(self.k)))

    def document(self) -> dict[str, Any]:
        """The options as JSON has them: one k is a number; metrics are left out if they are the default ones."""
        document = asdict(self) | {"k": self.ks[0] if len(self.ks) == 1 else list(self.ks)}
        metrics = document.pop("metrics")
        return document if self.metrics == DEFAULT else document | {"metrics": list(metrics)}


MOST_SCORES = 2**26
"""Most item scores in memory at a time: 256 MB, and as much again while they are ranked."""


@dataclass(frozen=True)
class Evaluation:
    """Results, ready for JSON and Parquet.

    metrics: reported name -> value, see report.py. slices: slice -> rows, see slices.py.
    ranks: one row per prefix, in the order of the split, from which metrics and slices can be recomputed.
    calibration: "item" and category tasks -> see calibration.py; empty for a scorer whose scores are not logits.
    tasks: task -> a few numbers, see report.py.
    """

    metrics: dict[str, float]
    slices: dict[str, list[slices.Slice]]
    ranks: pa.Table
    calibration: dict[str, calibration.Calibration]
    tasks: dict[str, report.Summary]


def evaluate(
    scorer: Scorer,
    catalog: Catalog,
    sessions: Sessions,
    options: EvaluationOptions | None = None,
    progress: Callable[[int, int], None] | None = None,
    share: Share | None = None,
) -> Evaluation:
    """Rank the target of every prefix of `sessions`; `progress` is told (prefixes done, all prefixes) after each batch.

    With `share` this process ranks its share of the batches, and all processes return what a single one would. Raises
    BadInput if no session has two items, if candidates need categories that the scorer doesn't predict or a metric what
    this run lacks, HiersrecError if scores are NaN.
    """
    options, share = options or EvaluationOptions(), share or SingleProcess()
    prefixes = prefixes_of(sessions, options)
    size = len(prefixes)
    of_lists = tuple(name for name in options.metrics if is_of_lists(name))
    of_tasks = tuple(name for name in options.metrics if name not in of_lists)
    of_prefixes = tuple(name for name in options.metrics if not is_of_all_lists(name))
    listing = ListMetrics(scorer, catalog, prefixes, of_lists, options.ks) if of_lists else None
    items = Outcomes.empty(options.ks, size, catalog.num_items, of_prefixes)
    tasks: dict[str, Outcomes] = {}
    classes: dict[str, Int32] = {}  # of every event of the split
    sizes: dict[str, int] = {}
    is_narrowed, ranked, inside = options.candidates.policy != "all", np.zeros(size, np.int64), np.zeros(size, np.int64)
    counters = calibration.of_scorer(scorer, catalog, prefixes)
    done = 0
    with share.synchronized():
        for rows, scores in scored(scorer, catalog, prefixes, options, share):
            target, to_come = prefixes.targets(rows), future_items.of_prefixes(prefixes, rows)
            lists = items.fill(rows, scores.items, target, to_come)
            if listing:
                listing.add(rows, lists, items.results(rows, items.rank))
            inside[rows] = random_baseline.ranks(catalog, scores.items, target)
            if is_narrowed:
                ranked[rows] = np.count_nonzero(scores.items > -np.inf, axis=1)
            for task, logits in scores.tasks.items():
                if task not in tasks:
                    sizes[task] = logits.shape[1] - 1
                    tasks[task] = Outcomes.empty(options.ks, size, sizes[task], of_tasks)
                    classes[task] = catalog.labels[task].of_events(sessions)
                label = classes[task][prefixes.positions[rows]]
                tasks[task].fill(rows, logits, label, future_items.of_classes(prefixes, rows, classes[task]))
            if counters:
                counters.add(rows, scores, target)
            done += len(rows)
            if progress:
                progress(min(size, done * share.count), size)
    # Each prefix is ranked by one process and is zero in the others.
    items, tasks = items.total(share), {task: outcomes.total(share) for task, outcomes in tasks.items()}
    inside, ranked = share.total(inside), share.total(ranked)
    values, of_all = listing.total(share) if listing else ({}, {})
    items = replace(items, of_lists=values)
    metrics, table = report.metrics(prefixes, items, tasks, of_all), report.table(prefixes, catalog, items, tasks)
    metrics |= random_baseline.within_category(catalog, items, tasks, inside)
    if is_narrowed:
        metrics |= report.candidates(options.candidates, items, ranked / catalog.num_items)
        table = table.append_column("candidates", pa.array(ranked))
    calibrated = counters.results(share) if counters else {}
    parts = slices.of_items(prefixes, catalog, items)
    return Evaluation(metrics, parts, table, calibrated, report.summaries(tasks, sizes))


def prefixes_of(sessions: Sessions, options: EvaluationOptions) -> Prefixes:
    """The prefixes that are evaluated, at least one; raises BadInput if there is none."""
    prefixes = Prefixes.last(sessions) if options.last_only else Prefixes.of(sessions)
    if len(prefixes) == 0:
        raise BadInput(f"There is nothing to evaluate: none of the {len(sessions)} sessions has two items or more.")
    return prefixes


def scored(
    scorer: Scorer, catalog: Catalog, prefixes: Prefixes, options: EvaluationOptions, share: Share | None = None
) -> Iterator[tuple[Int64, Scores]]:
    """Yield all prefixes in batches: (rows, scores), rows (B,) int64 being indices into `prefixes`.

    With `share` only the batches of this process, or one batch without rows, whose scores tell which tasks there are.
    """
    share = share or SingleProcess()
    # Seen items must be removed even where they are beyond the scorer's max_length.
    width = int(prefixes.lengths.max()) if options.exclude_seen else scorer.max_length
    batches = list(sorted_rows(prefixes, at_once(options, catalog.num_items)))
    own_batches = batches[share.rank :: share.count]
    for rows in own_batches or [batches[0][:1]]:
        batch = batch_of(prefixes, rows, width)
        scores = scoring.score(scorer, catalog, batch, options.exclude_seen, options.candidates)
        if not own_batches:
            rows, scores = rows[:0], Scores(scores.items[:0], {name: task[:0] for name, task in scores.tasks.items()})
        yield rows, scores


def at_once(options: EvaluationOptions, num_items: int) -> int:
    """Prefixes to score together, so that memory stays bounded at any size of the catalogue."""
    return max(1, min(options.batch_size, MOST_SCORES // num_items))

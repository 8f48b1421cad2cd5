"""Evaluate a scorer on a split: every prefix of every session, ranked against all items or against its candidates.

Scores come through retrieval.scoring and lists through retrieval.order, as they do in recommendation, so what is
measured here is what a person gets. Seen items stay in the lists unless asked otherwise.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from hiersrec.errors import BadInput
from hiersrec.evaluation import future_items, random_baseline, report, slices
from hiersrec.evaluation.outcomes import Outcomes
from hiersrec.evaluation.sharding import Alone, Share
from hiersrec.retrieval import scoring
from hiersrec.retrieval.candidates import ALL, Candidates
from hiersrec.store.batches import batch_of, sorted_rows
from hiersrec.store.catalog import Catalog
from hiersrec.store.sessions import Prefixes, Sessions
from hiersrec.types import Int32, Int64, Scorer, Scores


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """How to evaluate."""

    k: int = 20
    """Length of the lists."""
    last_only: bool = False
    """Only the last item of each session is a target, instead of every item but the first."""
    exclude_seen: bool = False
    """Remove the items of the prefix from its list."""
    batch_size: int = 256
    """Prefixes scored together, at most; changes no result, and memory grows by 4 bytes per item and prefix, or 14 if
    only candidates are ranked. On a catalogue beyond 260 thousand items they are fewer (`at_once`)."""
    candidates: Candidates = ALL
    """The items that are ranked for each prefix."""

    def __post_init__(self) -> None:
        for name, value in (("k", self.k), ("batch_size", self.batch_size)):
            if value < 1:
                raise BadInput(f"{name} must be at least 1, got {value}.")


MOST_SCORES = 2**26
"""Scores of items that are held at a time: 256 MB, and as much again while they are ranked."""


@dataclass(frozen=True)
class Evaluation:
    """Results, ready for JSON and Parquet.

    metrics: reported name -> value, see report.py. slices: slice -> rows, see slices.py.
    ranks: one row per prefix, in the order of the split, from which all the rest can be computed again.
    """

    metrics: dict[str, float]
    slices: dict[str, list[slices.Slice]]
    ranks: pa.Table


def evaluate(
    scorer: Scorer,
    catalog: Catalog,
    sessions: Sessions,
    options: EvaluationOptions | None = None,
    progress: Callable[[int, int], None] | None = None,
    share: Share | None = None,
) -> Evaluation:
    """Rank the target of every prefix of `sessions`; `progress` is told (prefixes done, all prefixes) after each batch.

    With `share` this process ranks its share of the batches, and all find the same as one alone. Raises BadInput if no
    session has two items or if candidates need categories that the scorer doesn't predict, HiersrecError if the scorer
    gives no numbers.
    """
    options, share = options or EvaluationOptions(), share or Alone()
    prefixes = prefixes_of(sessions, options)
    size = len(prefixes)
    items = Outcomes.empty(options.k, size)
    tasks: dict[str, Outcomes] = {}
    classes: dict[str, Int32] = {}  # of every event of the split
    is_narrowed, ranked, inside = options.candidates.policy != "all", np.zeros(size, np.int64), np.zeros(size, np.int64)
    done = 0
    with share.together():
        for rows, scores in scored(scorer, catalog, prefixes, options, share):
            target, to_come = prefixes.targets(rows), future_items.of_prefixes(prefixes, rows)
            items.fill(rows, scores.items, target, to_come)
            inside[rows] = random_baseline.ranks(catalog, scores.items, target)
            if is_narrowed:
                ranked[rows] = np.count_nonzero(scores.items > -np.inf, axis=1)
            for task, found in scores.tasks.items():
                if task not in tasks:
                    tasks[task] = Outcomes.empty(options.k, size)
                    classes[task] = catalog.labels[task].of_events(sessions)
                label = classes[task][prefixes.positions[rows]]
                tasks[task].fill(rows, found, label, future_items.of_classes(prefixes, rows, classes[task]))
            done += len(rows)
            if progress:
                progress(min(size, done * share.count), size)
    # A prefix is ranked by one process, and stands at zero in the others.
    items, tasks = items.total(share), {task: outcomes.total(share) for task, outcomes in tasks.items()}
    inside, ranked = share.total(inside), share.total(ranked)
    metrics, table = report.metrics(prefixes, items, tasks), report.table(prefixes, catalog, items, tasks)
    metrics |= random_baseline.within_category(catalog, items, tasks, inside)
    if is_narrowed:
        metrics |= report.candidates(options.candidates, items, ranked / catalog.num_items)
        table = table.append_column("candidates", pa.array(ranked))
    return Evaluation(metrics, slices.of_items(prefixes, catalog, items), table)


def prefixes_of(sessions: Sessions, options: EvaluationOptions) -> Prefixes:
    """The prefixes that are evaluated, at least one; raises BadInput if there is none."""
    prefixes = Prefixes.last(sessions) if options.last_only else Prefixes.every(sessions)
    if len(prefixes) == 0:
        raise BadInput(f"There is nothing to evaluate: none of the {len(sessions)} sessions has two items or more.")
    return prefixes


def scored(
    scorer: Scorer, catalog: Catalog, prefixes: Prefixes, options: EvaluationOptions, share: Share | None = None
) -> Iterator[tuple[Int64, Scores]]:
    """All prefixes in batches: (rows, their scores), rows (B,) int64 being places in `prefixes`.

    With `share` the batches of this process, or a batch without rows: its scores tell which tasks there are.
    """
    share = share or Alone()
    # Seen items must be removed even where the scorer no longer looks at them.
    width = int(prefixes.lengths.max()) if options.exclude_seen else scorer.max_length
    batches = list(sorted_rows(prefixes, at_once(options, catalog.num_items)))
    mine = batches[share.rank :: share.count]
    for rows in mine or [batches[0][:1]]:
        batch = batch_of(prefixes, rows, width)
        found = scoring.score(scorer, catalog, batch, options.exclude_seen, options.candidates)
        yield (rows, found) if mine else (rows[:0], _none_of(found))


def at_once(options: EvaluationOptions, num_items: int) -> int:
    """How many prefixes are scored together, so that memory stays bounded at any size of the catalogue."""
    return max(1, min(options.batch_size, MOST_SCORES // num_items))


def _none_of(scores: Scores) -> Scores:
    return Scores(scores.items[:0], {name: values[:0] for name, values in scores.tasks.items()})

"""Evaluate a scorer on a split: every prefix of every session, ranked against all items.

Scores come through retrieval.scoring and lists through retrieval.order, as they do in recommendation, so what is
measured here is what a person gets. Seen items stay in the lists unless asked otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from hiersrec.errors import BadInput
from hiersrec.evaluation import futures, report, slices
from hiersrec.evaluation.outcomes import Outcomes
from hiersrec.retrieval import scoring
from hiersrec.store.batches import batch_of, sorted_rows
from hiersrec.store.catalog import Catalog
from hiersrec.store.sessions import Prefixes, Sessions
from hiersrec.types import Int32, Scorer


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to evaluate."""

    k: int = 20
    """Length of the lists."""
    last_only: bool = False
    """Only the last item of each session is a target, instead of every item but the first."""
    exclude_seen: bool = False
    """Remove the items of the prefix from its list."""
    batch_size: int = 256
    """Prefixes scored together; changes no result, and memory grows by 4 bytes per item and prefix."""

    def __post_init__(self) -> None:
        for name, value in (("k", self.k), ("batch_size", self.batch_size)):
            if value < 1:
                raise BadInput(f"{name} must be at least 1, got {value}.")


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
    options: Options | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Rank the target of every prefix of `sessions`; `progress` is told (prefixes done, all prefixes) after each batch.

    Raises BadInput if no session has two items, HiersrecError if the scorer gives no numbers.
    """
    options = options or Options()
    prefixes = Prefixes.last(sessions) if options.last_only else Prefixes.every(sessions)
    size = len(prefixes)
    if size == 0:
        raise BadInput(f"There is nothing to evaluate: none of the {len(sessions)} sessions has two items or more.")
    # Seen items must be removed even where the scorer no longer looks at them.
    width = int(prefixes.lengths.max()) if options.exclude_seen else scorer.max_length
    items = Outcomes.empty(options.k, size)
    categories: dict[int, Outcomes] = {}
    done = 0
    for rows in sorted_rows(prefixes, options.batch_size):
        scores = scoring.score(scorer, catalog, batch_of(prefixes, rows, width), options.exclude_seen)
        target, to_come = prefixes.targets(rows), futures.of_prefixes(prefixes, rows)
        items.fill(rows, scores.items, target, to_come)
        for level, found in scores.categories.items():
            nodes, known = catalog.item_nodes[:, level - 1], catalog.levels[level - 1].num_known
            outcomes = categories.setdefault(level, Outcomes.empty(options.k, size))
            outcomes.fill(rows, found, _node(nodes, target, known), futures.as_categories(to_come, nodes, known))
        done += len(rows)
        if progress:
            progress(done, size)
    return Evaluation(
        metrics=report.metrics(prefixes, items, categories),
        slices=slices.of_items(prefixes, catalog, items),
        ranks=report.table(prefixes, catalog, items, categories),
    )


def _node(nodes: Int32, target: Int32, known: int) -> Int32:
    """Known category of each target at one level, 0 where the item or its category is unknown."""
    node = nodes[np.maximum(target, 0)]
    return np.where(node <= known, node, 0)

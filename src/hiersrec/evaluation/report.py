"""Outcomes -> the metrics of the report and the table of ranks.

Names of the metrics: `mrr@20`, `hits@20`, `recall@20`, `any_hit@20` for the next item (or others, at every k, as the
options say), and the same after `category_1/`, `event_type/` and the like for each other task that the scorer predicts,
over the prefixes whose next event has a known class there (`category_1/labelled` of them); metrics that look at the
listed items are of items only. Where ties at the target
change a value, its bounds are `.../optimistic` and `.../pessimistic`. Counts: `prefixes`, `unseen_targets` (all of them
misses), `empty_prefixes` (no known item, answered by popularity), and `tied_targets`, the share of the prefixes where
another item has the target's score. Where only candidates are ranked: `candidates/top` (K) or `candidates/mass`,
`candidates/share` (mean share of the catalogue that is ranked) and `candidates/target` (share of the prefixes whose
target is ranked). `path` is a task that labels every prefix: there "ends here" and "no category" are classes.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypedDict

import numpy as np
import pyarrow as pa

from hiersrec.evaluation.metrics import is_of_ranks, load
from hiersrec.evaluation.outcomes import Outcomes, means
from hiersrec.retrieval.candidates import Candidates
from hiersrec.store.catalog import Catalog
from hiersrec.store.sessions import Prefixes
from hiersrec.types import Bool, Float64, Int64


def metrics(
    prefixes: Prefixes, items: Outcomes, tasks: Mapping[str, Outcomes], of_all: Mapping[str, float]
) -> dict[str, float]:
    """Name -> value of all metrics and counts; a task without any labelled prefix has no metrics.

    of_all: values of all lists together.
    """
    every = np.ones(len(prefixes), bool)
    numbers = _means(items, every) | dict(of_all)
    for task, outcomes in tasks.items():
        labelled = outcomes.target > 0
        if labelled.any():
            numbers |= {f"{task}/{name}": value for name, value in _means(outcomes, labelled).items()}
        numbers[f"{task}/labelled"] = int(labelled.sum())
    return numbers | {
        "prefixes": len(prefixes),
        "unseen_targets": int((items.target <= 0).sum()),
        "empty_prefixes": int((prefixes.lengths == 0).sum()),
        "tied_targets": float((items.optimistic != items.pessimistic).mean()),
    }


class Summary(TypedDict):
    """A task in few numbers: means over the prefixes whose next event has a known class there, at least one.

    classes: of the task. first: how often the likeliest class is right. k: a tenth of the classes, rounded down, at
    least 1; hits: how often the right class is among the first k. mrr: of all classes, without a k.
    """

    classes: int
    prefixes: int
    first: float
    k: int
    hits: float
    mrr: float


def summaries(tasks: Mapping[str, Outcomes], classes: Mapping[str, int]) -> dict[str, Summary]:
    """Task -> its summary, at a k that fits its classes: among the first 20 of 13 is every class."""
    results = {}
    for task, outcomes in tasks.items():
        ranks = outcomes.rank[outcomes.target > 0]
        if len(ranks):
            k = max(1, classes[task] // 10)
            results[task] = Summary(
                classes=classes[task],
                prefixes=len(ranks),
                first=float((ranks == 1).mean()),
                k=k,
                hits=float(((ranks >= 1) & (ranks <= k)).mean()),
                mrr=float(np.where(ranks > 0, 1 / np.maximum(ranks, 1), 0.0).mean()),
            )
    return results


def _means(outcomes: Outcomes, chosen: Bool) -> dict[str, float]:
    """Means over the chosen prefixes, and their bounds where ties at the target change them."""
    numbers = means(outcomes.values(), chosen)
    bounds = means(outcomes.tied_values(), chosen)
    return numbers | {name: bound for name, bound in bounds.items() if bound != numbers[name.rpartition("/")[0]]}


def candidates(chosen: Candidates, items: Outcomes, shares: Float64) -> dict[str, float]:
    """Name -> value about candidates; shares: (P,) float64, the share of the catalogue ranked for each prefix."""
    return {
        **({} if chosen.top is None else {"candidates/top": chosen.top}),
        **({} if chosen.mass is None else {"candidates/mass": chosen.mass}),
        "candidates/share": float(shares.mean()),
        "candidates/target": float((items.rank > 0).mean()),
    }


def table(prefixes: Prefixes, catalog: Catalog, items: Outcomes, tasks: Mapping[str, Outcomes]) -> pa.Table:
    """One row per prefix: session_id, position (number of items before the target), target, ranks, values.

    item_id is null for an unseen target; a rank is null where the target can't be ranked; a task's columns are null
    where the class of the next event is unknown.
    """
    every = np.arange(len(prefixes))
    session = prefixes.session_of(every)
    ids = prefixes.sessions.session_ids
    columns = {
        "session_id": pa.array(session) if ids is None else ids.take(pa.array(session)),
        "position": pa.array(prefixes.positions - np.asarray(prefixes.sessions.offsets)[session]),
        "item_id": catalog.items["item_id"].take(pa.array(items.target - 1, mask=items.target <= 0)),
        "rank": _known(items.rank),
        "rank_pessimistic": _known(items.pessimistic),
        **{name: pa.array(values) for name, values in _columns(items).items()},
    }
    for task, outcomes in tasks.items():
        unlabelled = outcomes.target <= 0
        columns[task] = pa.array(outcomes.target, mask=unlabelled)
        columns[f"{task}_rank"] = _known(outcomes.rank)
        for name, values in _columns(outcomes).items():
            columns[f"{task}_{name}"] = pa.array(values, mask=unlabelled)
    return pa.table(columns)


def _columns(outcomes: Outcomes) -> dict[str, Float64]:
    """Values of the metrics that can't be computed from the column of ranks."""
    names = tuple(name for name in outcomes.names if not is_of_ranks(load(name)))
    return replace(outcomes, names=names).values()


def _known(ranks: Int64) -> pa.Array:
    return pa.array(ranks, mask=ranks == 0)

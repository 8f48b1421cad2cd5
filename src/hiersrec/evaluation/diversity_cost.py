"""What it costs in accuracy to spread a list over the category tree: HITS, MRR and tree distance of several settings.

Every prefix is scored once, and each setting makes its list from these scores as serving does, so what is measured is
what is served.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hiersrec.evaluation.evaluate import EvaluationOptions, prefixes_of, scored
from hiersrec.retrieval import order
from hiersrec.retrieval.diversity import known_paths, mean_distance, pool_size
from hiersrec.retrieval.ranking import ListRequest, best_of_request
from hiersrec.store.catalog import Catalog
from hiersrec.store.sessions import Sessions
from hiersrec.types import Float32, Int32, Scorer


@dataclass(frozen=True)
class Setting:
    """How lists are spread."""

    diversity: float = 0.0
    per_category: int | None = None


PLAIN = Setting()


def diversity_cost(
    scorer: Scorer,
    catalog: Catalog,
    sessions: Sessions,
    settings: Sequence[Setting],
    options: EvaluationOptions,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[int, list[dict[str, Any]]]:
    """The number of prefixes, and a row for PLAIN, then one for each setting.

    A row has the fields of the setting, and hits@k, mrr@k and tree_diversity@k, means over all prefixes, as the metrics
    of these names have them. The largest k of the options counts. A target that no list can hold is a miss. `progress`
    is told (prefixes done, all prefixes). Raises BadInput if no session has two items.
    """
    prefixes, k = prefixes_of(sessions, options), options.ks[-1]
    requests = [
        (setting, ListRequest(k=k, diversity=setting.diversity, per_category=setting.per_category))
        for setting in dict.fromkeys([PLAIN, *settings])
    ]
    hits, reciprocals, distances = (np.zeros(len(requests)) for _ in range(3))
    done = 0
    for rows, scores in scored(scorer, catalog, prefixes, options):
        targets = prefixes.targets(rows)
        for line, target in zip(scores.items, targets.tolist(), strict=True):
            best = _remembering(line, pool_size(k))
            for column, (_, request) in enumerate(requests):
                items, _ = best_of_request(best, catalog, request)
                ranks = np.flatnonzero(items == target) + 1
                hits[column] += len(ranks)
                reciprocals[column] += (1 / ranks).sum()
                distances[column] += mean_distance(known_paths(catalog, items))
        done += len(rows)
        if progress:
            progress(done, len(prefixes))
    means = {"hits": hits / done, "mrr": reciprocals / done, "tree_diversity": distances / done}
    return done, [
        {**asdict(setting), **{f"{name}@{k}": float(values[column]) for name, values in means.items()}}
        for column, (setting, _) in enumerate(requests)
    ]


def _remembering(scores: Float32, size: int) -> Callable[[int], tuple[Int32, Float32]]:
    """A function from n to the n best of (N + 1,) scores, which sorts once for all n up to `size`."""

    def listed(n: int) -> tuple[Int32, Float32]:
        [items], [values] = order.top_k(scores[None], n)
        return items[items > 0], values[items > 0]

    known, known_values = listed(size)
    return lambda n: (known[:n], known_values[:n]) if n <= size else listed(n)

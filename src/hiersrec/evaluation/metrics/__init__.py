"""The metrics: a registry, `--metric mrr` is the file `metrics/mrr.py`; each a number for one prefix, then averaged.

A member is a module with two names, and a docstring whose first line says what it measures:

    USES = ("rank",)                              the fields of `Results` that it reads
    def values(results: Results, k: int) -> Float64     (P,) float64, its value at k for each prefix

- It lies between 0 and 1, and higher is better; it is never NaN.
- The value of a prefix depends only on this prefix. A split is passed in parts, so nothing may be summed over
  prefixes.
- k is at least 1 and may be above K, the length of the lists: there are catalogues with fewer than k items. Only the
  first k of a list count: `results.is_future[:, :k]`.
- A target that can't be ranked has rank 0. It is a miss, and stays in the average.
- It changes no array of `results`.

`USES` decides the rest. A member that uses `rank` is also reported with the target before and after all items that tie
with it (`.../optimistic`, `.../pessimistic`), wherever these differ. One that uses nothing else has no column in
ranks.parquet, since it can be computed from `rank` there; all others have a column of each k, `recall@20`.

The same metrics are computed for the next item and for every other task ("category_1"), where the classes of the task
take the place of items. Reported names are `name@k` and `task/name@k`, means over prefixes; long sessions weigh more,
because every prefix weighs the same.

    mrr@k       1 / rank of the next item, 0 beyond k
    hits@k      1 if the next item is among the first k (elsewhere also HR@k, P@k or even Recall@k)
    recall@k    share of the distinct future items of the session that are among the first k
    any_hit@k   1 if at least one future item of the session is among the first k

The paper says that its "Recall@20 counts all future items (including the next-item) in a session in top-20 lists", but
prints values above HITS@20. A share can't exceed HITS in practice, since later items are harder than the next one; the
reading that fits its tables is any_hit. Both are reported, each under its own name.
"""

from dataclasses import dataclass, fields
from typing import Protocol, cast

import numpy as np

from hiersrec import registry
from hiersrec.errors import BadInput
from hiersrec.types import Bool, Float64, Int64

FOLDER = "evaluation.metrics"
DEFAULT = ("mrr", "hits", "recall", "any_hit")
"""What is computed unless others are named."""


@dataclass(frozen=True)
class Results:
    """What metrics are computed from: P prefixes and their lists of K items, best first."""

    rank: Int64
    """(P,) int64: rank of the target among all ranked items, from 1, often beyond K; 0 where it can't be ranked."""
    future: Int64
    """(P,) int64, at least 1: distinct future items, the target and those that training never saw included."""
    is_future: Bool
    """(P, K) bool: whether the item at each position of the list is a future item; no two positions have the same item,
    and a list that ends before K has False there."""

    @classmethod
    def of_ranks(cls, rank: Int64) -> "Results":
        """Results for metrics that use only `rank`: one future item each, and lists of length 0."""
        return cls(rank, np.ones(len(rank), np.int64), np.zeros((len(rank), 0), np.bool_))


class Metric(Protocol):
    """A member of the registry."""

    @property
    def USES(self) -> tuple[str, ...]:  # noqa: N802, a constant of a module
        """The fields of `Results` that it reads, at least one."""

    def values(self, results: Results, k: int) -> Float64:
        """(P,) float64: the value of each prefix for lists of k."""


FIELDS = tuple(field.name for field in fields(Results))


def load(name: str) -> Metric:
    """The metric of that name; raises UnknownName if there is none, BadInput if it breaks the contract above."""
    member = registry.load(FOLDER, name)
    uses = getattr(member, "USES", None)
    if not (
        isinstance(uses, tuple) and uses and set(uses) <= set(FIELDS) and callable(getattr(member, "values", None))
    ):
        raise BadInput(
            f"The metric '{name}' ({member.__name__}) must have USES, a tuple of some of {', '.join(FIELDS)}, and the "
            f"function values(results, k); got USES = {uses!r}. Correct the metric, or leave it out."
        )
    return cast("Metric", member)


def is_of_ranks(metric: Metric) -> bool:
    """Whether it can be computed from the column `rank` of ranks.parquet and therefore has no column there."""
    return set(metric.USES) == {"rank"}


def values(metric: Metric, results: Results, k: int) -> Float64:
    """(P,) float64; raises BadInput if the metric returns another shape or values that are not from 0 to 1."""
    numbers = np.asarray(metric.values(results, k))
    size = len(results.rank)
    if numbers.shape != (size,) or numbers.dtype != np.float64 or not ((numbers >= 0) & (numbers <= 1)).all():
        raise BadInput(
            f"The metric {getattr(metric, '__name__', metric)} must return {size} float64 values from 0 to 1 for "
            f"{size} prefixes, got {numbers.dtype} of shape {numbers.shape}"
            + (f", {numbers.min()} to {numbers.max()}" if numbers.size else "")
            + ". Correct the metric, or leave it out."
        )
    return numbers

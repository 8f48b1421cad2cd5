"""The metrics: a registry, `--metrics mrr` is the file `metrics/mrr.py`.

A member is a module whose docstring says in its first line what it measures, with two names. Most are a number for one
prefix, which is then averaged; long sessions weigh more, because every prefix weighs the same:

    USES = ("rank",)                              the fields of `Results` that it reads
    def values(results: Results, k: int) -> Float64     (P,) float64, its value at k for each prefix

- It is a number within RANGE, never NaN or infinite.
- The value of a prefix depends only on this prefix. A split is passed in parts, so nothing may be summed over
  prefixes.
- k is at least 1 and may be above K, the length of the lists: there are catalogues with fewer than k items. Only the
  first k of a list count: `results.is_future[:, :k]`.
- A target that can't be ranked has rank 0. It is a miss, and stays in the average.
- It changes no array of `results`.

Others are one number for all lists of a split together, such as the share of the catalogue that any of them holds:

    USES = ("listed",)                            the fields of `AllLists` that it reads
    def value(lists: AllLists) -> float                 its value at the k that the lists are cut to

Three names may be left out:

    RANGE = (0.0, 1.0)                            the least and the greatest value
    BETTER = "higher"                             or "lower", or None where neither is better; `tune` and `compare` ask

`USES` decides the rest. A metric of `rank`, `future` and `is_future` measures the next item and every other task
("category_1"), where the classes of the task take the place of items. One that uses anything else looks at the listed
items, and measures the next item only; if the scorer or the catalogue lacks what it uses, it is refused.
A member that uses `rank` is also reported with the target before and after all items that tie with it
(`.../optimistic`, `.../pessimistic`), wherever these differ. One that uses nothing else has no column in ranks.parquet,
since it can be computed from `rank` there; all others of a prefix have a column of each k, `recall@20`. One of all
lists has no values of prefixes: neither slices, nor columns, nor an interval in `compare`.

Reported names are `name@k` and `task/name@k`. docs/lookup/metrics.md has the formulas of all members.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import ModuleType
from typing import Any, Literal, NamedTuple, Protocol, cast

import numpy as np

from hiersrec import registry
from hiersrec.errors import BadInput
from hiersrec.types import Bool, Float32, Float64, Int32, Int64

FOLDER = "evaluation.metrics"
DEFAULT = ("mrr", "hits", "recall", "any_hit")
"""What is computed unless others are named."""
DIRECTIONS = ("higher", "lower", None)


def _none() -> Int32:
    return np.zeros((0, 0), np.int32)


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
    lists: Int32 = field(default_factory=_none)
    """(P, K) int32: the listed items, 0 after the end of a shorter list."""
    history: Int32 = field(default_factory=_none)
    """(P, T) int32: the known items of the prefix, oldest first, then 0."""
    train_count: Int64 = field(default_factory=lambda: np.zeros(0, np.int64))
    """(N + 1,) int64: events of each item in the training sessions; entry 0 is zero."""
    item_nodes: Int32 = field(default_factory=_none)
    """(N + 1, L) int32: category of each item at each level, 0 where it has none; row 0 is zero."""
    vectors: Float32 = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    """(N, d) float32: the vectors of the items that the scorer compares, item i in row i - 1."""

    @classmethod
    def of_ranks(cls, rank: Int64) -> "Results":
        """Results for metrics that use only `rank`: one future item each, and lists of length 0."""
        return cls(rank, np.ones(len(rank), np.int64), np.zeros((len(rank), 0), np.bool_))


@dataclass(frozen=True)
class AllLists:
    """All lists of a split, cut to one k."""

    listed: Int64
    """(N + 1,) int64: lists that hold each item; entry 0 is zero."""
    history: Float64
    """(N + 1,) float64: share of each item in the known items of a prefix, summed over prefixes; entry 0 is zero."""
    train_count: Int64
    """(N + 1,) int64: events of each item in the training sessions; entry 0 is zero."""


class Metric(Protocol):
    """A member that has a value for each prefix."""

    @property
    def USES(self) -> tuple[str, ...]:  # noqa: N802, a constant of a module
        """The fields of `Results` that it reads, at least one."""

    def values(self, results: Results, k: int) -> Float64:
        """(P,) float64: the value of each prefix for lists of k."""


class ListsMetric(Protocol):
    """A member that has one value for all lists."""

    @property
    def USES(self) -> tuple[str, ...]:  # noqa: N802, a constant of a module
        """The fields of `AllLists` that it reads, at least one."""

    def value(self, lists: AllLists) -> float:
        """The value of these lists."""


class About(NamedTuple):
    """Which values of a metric are better, and its range."""

    better: Literal["higher", "lower"] | None = "higher"
    low: float = 0.0
    high: float = 1.0

    @property
    def is_share(self) -> bool:
        """Whether it is printed in per cent."""
        return (self.low, self.high) == (0.0, 1.0)

    def document(self) -> dict[str, str | float | None]:
        """As JSON has it, where infinity is null."""
        return {"better": self.better, "low": self.low, "high": None if self.high == math.inf else self.high}

    def text(self, value: float) -> str:
        """A value as tables show it.

        >>> About().text(0.2345), About("lower", 0.0, math.inf).text(0.2345)
        ('23.45%', '0.234')
        """
        return f"{value:.2%}" if self.is_share else f"{value:.3f}"


FIELDS = tuple(field.name for field in fields(Results))
FIELDS_OF_TASKS = FIELDS[:3]
"""What there is for every task; the others are of items only."""
FIELDS_OF_ALL = tuple(field.name for field in fields(AllLists))
# The member map.py becomes `map` in this namespace, so the builtin is not used here.


def member(name: str) -> ModuleType:
    """The member of that name; raises UnknownName if there is none, BadInput if it breaks the contract above."""
    module = registry.load(FOLDER, name)
    uses, is_of_all = getattr(module, "USES", None), not callable(getattr(module, "values", None))
    known = FIELDS_OF_ALL if is_of_all else FIELDS
    has_function = not is_of_all or callable(getattr(module, "value", None))
    if not (isinstance(uses, tuple) and uses and set(uses) <= set(known) and has_function):
        raise BadInput(
            f"The metric '{name}' ({module.__name__}) must have USES, a tuple of some of {', '.join(FIELDS)}, and the "
            f"function values(results, k), or some of {', '.join(FIELDS_OF_ALL)} and value(lists); got USES = "
            f"{uses!r}. Correct the metric, or leave it out."
        )
    better, (low, high) = getattr(module, "BETTER", "higher"), getattr(module, "RANGE", (0.0, 1.0))
    if better not in DIRECTIONS or not low < high:
        raise BadInput(
            f"The metric '{name}' ({module.__name__}) must have BETTER = 'higher', 'lower' or None, and RANGE = "
            f"(least, greatest); got {better!r} and {(low, high)}. Correct the metric, or leave it out."
        )
    return module


def load(name: str) -> Metric:
    """The metric of that name, which has a value for each prefix; raises as `member` does, and for one of all lists."""
    module = member(name)
    if not hasattr(module, "values"):
        raise BadInput(f"The metric '{name}' is one number for all lists; it has no value for a prefix or a session.")
    return cast("Metric", module)


def is_of_all_lists(name: str) -> bool:
    """Whether it is one number for all lists, without values of prefixes."""
    return not hasattr(member(name), "values")


def is_of_lists(name: str) -> bool:
    """Whether it looks at the listed items, and therefore measures no other task."""
    return is_of_all_lists(name) or not set(member(name).USES) <= set(FIELDS_OF_TASKS)


def is_of_ranks(metric: Metric) -> bool:
    """Whether it can be computed from the column `rank` of ranks.parquet and therefore has no column there."""
    return set(metric.USES) == {"rank"}


def about(name: str) -> About:
    """Direction and range of a metric; raises as `member` does."""
    module = member(name)
    low, high = getattr(module, "RANGE", (0.0, 1.0))
    return About(getattr(module, "BETTER", "higher"), float(low), float(high))


def about_documents(names: Sequence[str]) -> dict[str, Any]:
    """Name -> direction and range, of those that are not from 0 to 1 with higher being better."""
    return {name: about(name).document() for name in names if about(name) != About()}


def about_in(document: Mapping[str, Any], name: str) -> About:
    """Direction and range of a metric, "mrr" or "category_1/mrr@20", by a document that has "about" (see above)."""
    facts = document.get("about", {}).get(name.rpartition("/")[2].partition("@")[0])
    return About() if facts is None else About(facts["better"], facts["low"], facts["high"] or math.inf)


def values(metric: Metric, results: Results, k: int) -> Float64:
    """(P,) float64; raises BadInput if the metric returns another shape or values outside its range."""
    numbers = np.asarray(metric.values(results, k))
    size = len(results.rank)
    low, high = getattr(metric, "RANGE", (0.0, 1.0))
    is_inside = numbers.dtype == np.float64 and bool(
        ((numbers >= low) & (numbers <= high) & (numbers < math.inf)).all()
    )
    if numbers.shape != (size,) or not is_inside:
        raise BadInput(
            f"The metric {getattr(metric, '__name__', metric)} must return {size} float64 values from {low:g} to "
            f"{high:g} for {size} prefixes, got {numbers.dtype} of shape {numbers.shape}"
            + (f", {numbers.min()} to {numbers.max()}" if numbers.size else "")
            + ". Correct the metric, or leave it out."
        )
    return numbers


def value(metric: ListsMetric, lists: AllLists) -> float:
    """One number; raises BadInput if it is outside the metric's range."""
    number = float(metric.value(lists))
    low, high = getattr(metric, "RANGE", (0.0, 1.0))
    if not (low <= number <= high and math.isfinite(number)):
        raise BadInput(
            f"The metric {getattr(metric, '__name__', metric)} must return a number from {low:g} to {high:g}, got "
            f"{number}. Correct the metric, or leave it out."
        )
    return number

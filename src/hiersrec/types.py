"""Letters of shapes, array types, and the protocols between the parts of the package.

Letters, used in every comment that gives a shape:

    B  sessions (or prefixes) of a batch       N  items; 0 is padding, so tables have N + 1 rows
    T  positions of a session                  L  category levels
    D  width of a vector                       C  known categories of one level; 0 is padding, so C + 1 columns
    K  length of a list                        P  prefixes of a split

Scores are logits unless a name says `prob`. Ranks start at 1. Times are UTC seconds. `category_weight` is the paper's
lambda, `injection_weight` its lambda_C.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

Bool = npt.NDArray[np.bool_]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
ExternalId = str | int
Values = TypeVar("Values")


@runtime_checkable
class Frame(Protocol):
    """A table of another library (pandas, polars, PyArrow, DuckDB, Ibis), read by the Arrow PyCapsule interface."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


Say = Callable[[str], None]
"""Takes one line of progress."""
CATEGORY = "category_"
"""Prefix of the names of category tasks; the level, from 1, follows."""


@dataclass(frozen=True)
class Batch:
    """B prefixes, without their targets: the input of a scorer.

    items: (B, T) int32, right-padded with 0. lengths: (B,) int32, 0 for an empty session.
    """

    items: Int32
    lengths: Int32

    @property
    def is_item(self) -> Bool:
        """(B, T) bool: whether a position is one of the session's, and no padding."""
        return np.arange(self.items.shape[1]) < self.lengths[:, None]

    def __len__(self) -> int:
        return len(self.lengths)


@dataclass(frozen=True)
class Scores:
    """The output of a scorer for a batch.

    items: (B, N + 1) float32, higher is better; column 0 (padding) is minus infinity.
    tasks: name of an auxiliary task ("category_1", "event_type") -> (B, C + 1) float32, column 0 minus infinity; the
    name of class c is `Catalog.labels[task].names[c - 1]`. Empty if only items are predicted.
    """

    items: Float32
    tasks: Mapping[str, Float32]

    @property
    def categories(self) -> dict[int, Float32]:
        """Category level (from 1) -> scores of its known categories, (B, C + 1)."""
        return categories(self.tasks)


def categories(tasks: Mapping[str, Values]) -> dict[int, Values]:
    """The values of the category tasks among `tasks`: level (from 1) -> values, coarse to fine."""
    levels = {int(name.removeprefix(CATEGORY)): name for name in tasks if name.startswith(CATEGORY)}
    return {level: tasks[levels[level]] for level in sorted(levels)}


@dataclass(frozen=True)
class ScorePart:
    """What one source adds to the scores of K items for one session.

    source: "session", "bias", the label of a score term ("trend"), the name of the task whose prediction is injected
    ("category_1"), or "average_item" for what all items share (score_parts.py).
    values: (K,) float32, what it adds to each item's score.
    by_class: (K, C) float32 for a task: what each of its classes (node c + 1) adds; they sum to `values`.
    """

    source: str
    values: Float32
    by_class: Float32 | None


class Scorer(Protocol):
    """Anything that can be evaluated and served: it sees prefixes, never targets."""

    @property
    def max_length(self) -> int:
        """Sessions are cut to this many newest items."""

    def score(self, batch: Batch) -> Scores:
        """Scores of every item (and category) for each session of the batch; the caller may change the arrays."""


@runtime_checkable
class LogitScorer(Protocol):
    """A scorer whose scores are logits: their softmax is how likely it takes each item, or class of a task, to be."""

    @property
    def scores_are_logits(self) -> Literal[True]:
        """Only there to say so."""


@runtime_checkable
class VectorScorer(Protocol):
    """A scorer with a vector of each item, which it compares with a query."""

    def item_vectors(self) -> Float32:
        """(N, d) float32, item i in row i - 1."""


@runtime_checkable
class Explainer(Protocol):
    """A scorer that can split its scores into parts."""

    def explain(self, batch: Batch, items: Int32) -> list[ScorePart]:
        """Parts of the scores of `items` (K,) for a batch of one session, each less its mean over all items.

        The last part, the same for every item, is the sum of these means; so the values sum to the scores.
        """

"""VS-KNN: S-KNN that puts more weight on the newest items of the session, and on rare items.

Paper: Ludewig and Jannach, Evaluation of Session-based Recommendation Algorithms, UMUAI 2018, arxiv.org/abs/1803.09587.
Code of the authors: github.com/rn5l/session-rec (with idf, the variant that it tunes). With t the length of the session
s, place_i the last place of item i in it, steps back from the newest item counted from 1 (step_i = t - place_i + 1):

    similarity(s, n) = (sum, over the items i that s and n share, of weight(i)) / (distinct items of s)
    score(j)         = sum, over the neighbours n that hold j, of
                       similarity(s, n) * decay(step of the newest item that s and n share) * (1 + idf * idf_j)
    idf_j            = ln(training sessions / training sessions that hold j)

    weight(i)   div  place_i / t      quadratic  (place_i / t)^2      linear  max(0, 1 - (step_i - 1) / 10)
    decay(step) div  1 / step         quadratic  1 / step^2           linear  max(0, 1 - step / 10)

What candidates and neighbours are says `_neighbours.py`. Deviations from session-rec: idf_j counts sessions, not
clicks, so that it is never negative. Its linear decay turns negative after ten steps and its linear weight is zero for
the newest items of a long session; here both fall to zero with the distance from the newest item. Ties between
neighbours go to the newer session. Its cosine and its logarithmic weights are left out.

Reported on Diginetica, HITS@20 / MRR@20 in percent: 52.03 / 18.41 on session-rec's single split, 47.29 / 17.84 on its
five windows [R, rn5l/session-rec, docs/tables_single and docs/umuai/tables_window; R: read at the source]. None was
found for the standard split.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge

from hiersrec.baselines import _neighbours as near
from hiersrec.store.catalog import Catalog
from hiersrec.store.dataset import TrainingData
from hiersrec.types import Batch, Float64, Int64, Scores

Fading = Literal["div", "linear", "quadratic"]

# Of places (U,) in a session of that length. Whole numbers, so that equal sums are equal; divided by SCALE at the end.
WEIGHT: dict[Fading, Callable[[Int64, int], Int64]] = {
    "div": lambda places, _: places,
    "linear": lambda places, length: np.maximum(0, 10 - (length - places)),
    "quadratic": lambda places, _: places**2,
}
SCALE: dict[Fading, Callable[[int], int]] = {
    "div": lambda length: length,
    "linear": lambda _: 10,
    "quadratic": lambda length: length**2,
}
DECAY: dict[Fading, Callable[[Int64], Float64]] = {
    "div": lambda steps: 1 / steps,
    "linear": lambda steps: np.maximum(0, 10 - steps) / 10,
    "quadratic": lambda steps: 1 / steps**2,
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of VS-KNN."""

    k: Annotated[int, Ge(1)] = 100
    """Neighbours."""
    sample: Annotated[int, Ge(1)] = 1000
    """Candidates: the newest training sessions that share an item with the session."""
    weight: Fading = "div"
    """How the weight of the session's items in the similarity fades with their age."""
    decay: Fading = "div"
    """How a neighbour's say fades with the age of the newest item that it shares with the session."""
    idf: Annotated[float, Ge(0)] = 0.0
    """How much more a rare item gets; 0 treats all alike."""


@dataclass(frozen=True)
class Vsknn:
    """The training sessions, the settings, and what rarity does to each item: boost (N + 1,) float64."""

    index: near.Index
    config: Config
    boost: Float64
    max_length = near.HISTORY

    def score(self, batch: Batch) -> Scores:
        """Sum of the faded similarities of the neighbours that hold an item."""
        return near.score_each(batch, self.index.num_items, self._answer)

    def _answer(self, session: near.Distinct) -> Float64:
        weight, scale = WEIGHT[self.config.weight], SCALE[self.config.weight]
        found = self.index.candidates(session, weight(session.places, session.length).astype(np.float64))
        kept = near.most_similar(found.weight, self.config.k)
        similarity = found.weight[kept] / (scale(session.length) * len(session.items))
        says = similarity * DECAY[self.config.decay](session.length - found.newest[kept] + 1)
        items, _, owner = self.index.held(found.sessions[kept])
        return self.index.sum_up(items, says[owner]) * self.boost

    def state(self) -> dict[str, np.ndarray]:
        """Arrays from which `load` makes the same scorer."""
        return self.index.state()


def fit(config: Config, data: TrainingData) -> Vsknn:
    """Look up the training sessions of each item."""
    return load(config, data.catalog, near.count(data.train))


def load(config: Config, catalog: Catalog, state: dict[str, np.ndarray]) -> Vsknn:
    """The scorer of a saved state."""
    index = near.load(state, catalog.num_items, config.sample)
    return Vsknn(index, config, 1 + config.idf * index.idf())

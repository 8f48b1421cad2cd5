"""VS-KNN: S-KNN that puts more weight on the newest items of the session, and on rare items.

Paper: Ludewig and Jannach, Evaluation of Session-based Recommendation Algorithms, UMUAI 2018, arxiv.org/abs/1803.09587.
Code of the authors: github.com/rn5l/session-rec (with idf, the variant that it tunes). With t the length of the session
s, pos_i the last position of item i in it, steps back from the newest item counted from 1 (step_i = t - pos_i + 1):

    similarity(s, n) = (sum, over the items i that s and n share, of weight(i)) / (distinct items of s)
    score(j)         = sum, over the neighbours n that contain j, of
                       similarity(s, n) * decay(step of the newest item that s and n share) * (1 + idf * idf_j)
    idf_j            = ln(training sessions / training sessions that contain j)

    weight(i)   div  pos_i / t      quadratic  (pos_i / t)^2    linear  max(0, 1 - (step_i - 1) / 10)
    decay(step) div  1 / step         quadratic  1 / step^2           linear  max(0, 1 - step / 10)

See `_neighbours.py` for candidates and neighbours. Deviations from session-rec: idf_j counts sessions, not
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
from hiersrec.types import Float64, Int64

Fading = Literal["div", "linear", "quadratic"]

# Of positions (U,) in a session of that length. Integers, so that equal sums are equal; divided by SCALE at the end.
WEIGHT: dict[Fading, Callable[[Int64, int], Int64]] = {
    "div": lambda positions, _: positions,
    "linear": lambda positions, length: np.maximum(0, 10 - (length - positions)),
    "quadratic": lambda positions, _: positions**2,
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
    """How the weight of the session's items in the similarity falls with their age."""
    decay: Fading = "div"
    """How a neighbour's vote falls with the age of the newest item that it shares with the session."""
    idf: Annotated[float, Ge(0)] = 0.0
    """How much rare items are boosted; 0 treats all alike."""


def fit(config: Config, data: TrainingData) -> near.KnnScorer:
    """Index the training sessions by item."""
    return load(config, data.catalog, near.count(data.train))


def load(config: Config, catalog: Catalog, state: dict[str, np.ndarray]) -> near.KnnScorer:
    """The scorer of a saved state."""
    index = near.load(state, catalog.num_items, config.sample)
    weight, scale, decay = WEIGHT[config.weight], SCALE[config.weight], DECAY[config.decay]
    boost = 1 + config.idf * index.idf()  # (N + 1,)

    def answer(session: near.Distinct) -> Float64:
        candidates = index.candidates(session, weight(session.positions, session.length).astype(np.float64))
        kept = near.most_similar(candidates.weight, config.k)
        similarity = candidates.weight[kept] / (scale(session.length) * len(session.items))
        votes = similarity * decay(session.length - candidates.newest[kept] + 1)
        items, _, owner = index.held(candidates.sessions[kept])
        return index.sum_up(items, votes[owner]) * boost

    return near.KnnScorer(index, answer)

"""Training sessions that share items with a session: the common part of all session kNN baselines.

    candidates  the `sample` newest of the training sessions that share an item with the session
    neighbours  the k most similar candidates; where similarities tie, the newer one
    score(j)    sum, over the neighbours that contain item j, of their votes for j

The search is exact. Each baseline defines the similarity of a candidate and the vote of a neighbour for an item.

The newest session is the last in the dataset folder, whose sessions are sorted by time; if the data has no times, by
their ids. An item that occurs several times in a session counts once, at its last position, from 1. Sessions are
scored one by one, so that no other session of a batch has an effect. Sums are float64, rounded to float32 at the
end. An item that no neighbour contains gets 0.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from hiersrec.store.sessions import Sessions
from hiersrec.types import Batch, Float32, Float64, Int32, Int64, Scores

HISTORY = 100
"""Newest items of a session that are used."""


class Distinct(NamedTuple):
    """Distinct items of a session, oldest first: items (U,) int32, positions (U,) int64; length includes repeats."""

    items: Int32
    positions: Int64
    length: int


class NeighbourSessions(NamedTuple):
    """Training sessions that share an item with a session, oldest first, (C,) each.

    sessions: int64. weight: float64, sum over the shared items. newest: int64, position in the session of the newest of
    them. last: int64, position in the training session of the last of them there.
    """

    sessions: Int64
    weight: Float64
    newest: Int64
    last: Int64


@dataclass(frozen=True)
class Index:
    """Training sessions by number and by item.

    Session s has items[offsets[s] : offsets[s + 1]] (E,) int32, sorted by number, at `positions` (E,) int32. Item i is
    in the sessions holders[starts[i] : starts[i + 1]] int64, oldest first, at `holder_positions` int32: only the
    `sample` newest, since no older one can be among the `sample` newest of all candidates. held_by: (N + 1,) int64,
    number of sessions without that limit.
    """

    items: Int32
    positions: Int32
    offsets: Int64
    holders: Int64
    holder_positions: Int32
    starts: Int64
    held_by: Int64
    sample: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def candidates(self, session: Distinct, weights: Float64) -> NeighbourSessions:
        """The candidates of a session, whose items have `weights` (U,)."""
        spans = [slice(self.starts[item], self.starts[item + 1]) for item in session.items.tolist()]
        holders = np.concatenate([self.holders[span] for span in spans])  # (M,): one for each shared item
        positions = np.concatenate([self.holder_positions[span] for span in spans])  # (M,)
        item = np.repeat(np.arange(len(spans)), [span.stop - span.start for span in spans])  # (M,)
        order = np.argsort(holders, kind="stable")  # keeps the session's order where one training session shares more
        holders, positions, item = holders[order], positions[order], item[order]
        first = np.flatnonzero(np.diff(holders, prepend=-1))[-self.sample :]  # (C,): where a candidate's items begin
        if len(first) == 0:
            return NeighbourSessions(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))
        end = np.append(first[1:], len(holders))  # (C,)
        weight = np.add.reduceat(weights[item], first)
        newest = session.positions[item[end - 1]]
        return NeighbourSessions(holders[first], weight, newest, np.maximum.reduceat(positions, first).astype(np.int64))

    def held(self, sessions: Int64) -> tuple[Int32, Int32, Int64]:
        """All items of some training sessions: (items, positions, owner) (M,), owner being an index into `sessions`."""
        sizes = self.offsets[sessions + 1] - self.offsets[sessions]
        owner = np.repeat(np.arange(len(sessions)), sizes)
        flat = np.arange(len(owner)) + (self.offsets[sessions] - np.cumsum(sizes) + sizes)[owner]
        return self.items[flat], self.positions[flat], owner

    def sum_up(self, items: Int32, votes: Float64) -> Float64:
        """(N + 1,): sum of `votes` (M,) for each item of `items` (M,)."""
        return np.bincount(items, votes, minlength=len(self.held_by)).astype(np.float64, copy=False)

    @cached_property
    def sizes(self) -> Int64:
        """(S,): distinct items of each training session."""
        return np.diff(self.offsets)

    def ages(self) -> Float64:
        """(S,): share of the training sessions that are newer than each, from 1 for the oldest to 0 for the newest."""
        return np.arange(len(self))[::-1] / max(1, len(self) - 1)

    def idf(self) -> Float64:
        """(N + 1,): ln(training sessions / training sessions that contain the item); 0 where none does."""
        return np.log(len(self) / np.where(self.held_by > 0, self.held_by, len(self)))


@dataclass(frozen=True)
class KnnScorer:
    """Scores each session by a function of its distinct items -> (N + 1,) float64; without items all scores are 0."""

    index: Index
    answer: Callable[[Distinct], Float64]
    max_length = HISTORY

    def score(self, batch: Batch) -> Scores:
        items: Float32 = np.zeros((len(batch), len(self.index.held_by)), np.float32)
        for row in np.flatnonzero(batch.lengths):
            items[row] = self.answer(_distinct(batch.items[row, : batch.lengths[row]]))
        items[:, 0] = -np.inf
        return Scores(items, {})

    def state(self) -> dict[str, np.ndarray]:
        return {"items": self.index.items, "places": self.index.positions, "offsets": self.index.offsets}


def count(sessions: Sessions) -> dict[str, np.ndarray]:
    """The state of the index of training sessions: the distinct items of each, with their last positions."""
    length = np.diff(sessions.offsets)
    session = np.repeat(np.arange(len(sessions)), length)
    pairs = np.stack([session, np.asarray(sessions.items)])[:, ::-1]
    (owners, items), last = np.unique(pairs, axis=1, return_index=True)
    offsets = np.searchsorted(owners, np.arange(len(sessions) + 1))
    positions = len(session) - last - np.asarray(sessions.offsets)[owners]
    return {"items": items.astype(np.int32), "places": positions.astype(np.int32), "offsets": offsets.astype(np.int64)}


def load(state: dict[str, np.ndarray], num_items: int, sample: int) -> Index:
    """The index of a saved state, over a catalogue of `num_items`."""
    items, positions, offsets = state["items"], state["places"], state["offsets"]
    session = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    held_by = np.bincount(items, minlength=num_items + 1)
    by_item = np.argsort(items, kind="stable")
    age = np.cumsum(held_by)[items[by_item]] - np.arange(len(items))  # 1 for an item's newest holder
    by_item = by_item[age <= sample]
    starts = np.concatenate([[0], np.cumsum(np.minimum(held_by, sample))])
    return Index(items, positions, offsets, session[by_item], positions[by_item], starts, held_by, sample)


def most_similar(similarity: Float64, k: int) -> Int64:
    """Indices of the k most similar candidates, the newer one where they tie."""
    return np.argsort(similarity, kind="stable")[-k:]


def time_aware(
    index: Index,
    k: int,
    lambda_spw: float,
    lambda_snh: float,
    lambda_inh: float,
    lambda_ipw: float = math.inf,
    idf: float = 0.0,
) -> KnnScorer:
    """STAN, or VSTAN with the last two settings; the formulas are in stan.py and vstan.py."""
    factor = np.exp(-index.ages() / lambda_snh) / np.sqrt(index.sizes)  # (S,)
    boost = 1 + idf * index.idf()  # (N + 1,)

    def answer(session: Distinct) -> Float64:
        weights = np.exp((session.positions - session.length) / lambda_spw)
        candidates = index.candidates(session, weights / np.sqrt((weights**2).sum()))
        similarity = candidates.weight * factor[candidates.sessions]
        kept = most_similar(similarity, k)
        votes = similarity[kept] * np.exp((candidates.newest[kept] - session.length) / lambda_ipw)
        items, positions, owner = index.held(candidates.sessions[kept])
        fading = np.exp(-np.abs(positions - candidates.last[kept][owner]) / lambda_inh)
        return index.sum_up(items, votes[owner] * fading) * boost

    return KnnScorer(index, answer)


def _distinct(session: Int32) -> Distinct:
    items, back = np.unique(session[::-1], return_index=True)
    order = np.argsort(-back)
    return Distinct(items[order], len(session) - back[order], len(session))

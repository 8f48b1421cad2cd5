"""The category index: lists from an encoder's queries and the vectors of the candidates alone.

An encoder says of a session its query and the scores of its categories. The categories give stretches of neighbouring
vectors (layout.py), their products with the query are the scores (slabs.py), and the best of them are the list
(search.py). Lists are those of `FullRanker` on the same model: the same items, the same order, the same rule of ties.
(In float32, sums in another order differ in their last digits, and items that close may change places.)
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hiersrec.errors import BadInput
from hiersrec.retrieval import scoring, search
from hiersrec.retrieval.candidates import Candidates, admits
from hiersrec.retrieval.layout import Layout
from hiersrec.retrieval.ranking import ListRequest, Ranked, at_most_per_category, finest_nodes
from hiersrec.retrieval.session_scores import NOTHING, SessionScores, session_scores
from hiersrec.retrieval.slabs import Slabs
from hiersrec.store.item_catalog import ItemCatalog
from hiersrec.types import Batch, Float32, Int32, Int64, ScorePart, categories

AT_ONCE = 2**24
"""Scores held at a time, 64 MB of them: a large batch over a large catalogue is answered in turns."""


@dataclass(frozen=True)
class Encoded:
    """What an encoder says of B sessions. An item's score is query . vector + bias, and what its positions add."""

    query: Float32
    """(B, d) float32."""
    tasks: Mapping[str, Float32]
    """As types.Scores.tasks: (B, C + 1) float32, column 0 minus infinity."""
    own: Float32
    """(B, d) float32: the query less what the read tasks add: sum over t of factor * (M_t @ prediction_t)."""
    factor: Float32
    """(B,) float32."""
    positions: Mapping[str, Float32]
    """Label of a score term -> (B, T) float32, what each position adds to the score of its item."""


class Encoder(Protocol):
    """Sessions -> queries and predictions of the tasks."""

    @property
    def max_length(self) -> int:
        """The longest session it takes."""
        ...

    @property
    def reads(self) -> Mapping[str, tuple[Float32, str]]:
        """Tasks read by the item task: name -> M_t (d, C) float32, and whether it is fed "logits" or "probs"."""
        ...

    def encode(self, batch: Batch) -> Encoded:
        """Encode sessions of 1 to max_length known items; the arrays are the caller's to change."""
        ...


class IndexRanker:
    """A Ranker (ranking.py) on an encoder, item vectors and their layout."""

    def __init__(
        self, encoder: Encoder, slabs: Slabs, layout: Layout, catalog: ItemCatalog, constants: Mapping[str, Float32]
    ) -> None:
        """constants: label of a score term -> (N,) float32 in the order of the layout, parts of the slabs' biases."""
        self.encoder, self.slabs, self.layout, self.catalog = encoder, slabs, layout, catalog
        self.constants = constants
        self.popularity: Float32 = catalog.train_count[layout.order].astype(np.float32)
        """(N,) float32, in place order: scores for a session of which nothing is known."""

    @property
    def max_length(self) -> int:
        """The encoder's."""
        return self.encoder.max_length

    @property
    def explains(self) -> bool:
        """Always: the query is a sum."""
        return True

    def rank(self, batch: Batch, wanted: ListRequest) -> Ranked:
        """See Ranker. Raises BadInput for random candidates too: they are for evaluation, which scores all items."""
        if wanted.candidates.policy == "random":
            raise BadInput(
                "Random candidates are for evaluation and can't be ranked from a category index, got 'random'. "
                "Choose 'all' or 'category', or load the run folder."
            )
        rows = np.flatnonzero(batch.lengths)
        # With nothing to ask about, one session of item 1 still tells which tasks are predicted.
        asked = Batch(np.ones((1, 1), np.int32), np.ones(1, np.int32))
        looked_at = scoring.newest(batch, rows, self.max_length) if len(rows) else asked
        found = self.encoder.encode(looked_at)
        if not np.isfinite(found.query).all():
            raise scoring.not_numbers("items", found.query[~np.isfinite(found.query)][0])
        tasks = {
            task: scoring.filled(task, scores, self.catalog.labels[task].train_count, rows, len(batch))
            for task, scores in found.tasks.items()
        }
        areas = self._areas(tasks, len(batch), wanted)
        queries = np.full(len(batch), -1)
        queries[rows] = np.arange(len(rows))
        own = [NOTHING] * len(batch)
        if len(rows):
            for row, scores in zip(rows.tolist(), session_scores(looked_at, found.positions.values()), strict=True):
                own[row] = scores
        lists, ranked = [], []
        for turn in _turns([area for area, _ in areas]):
            for row, scored in zip(turn, self._scored(turn, areas, queries, found.query), strict=True):
                # Narrow scores are no sums; whatever those of the session's items are, they are scored again.
                by = own[row].values if self.slabs.codes is None else np.full_like(own[row].values, np.inf)
                if len(by):
                    scored.add(self.layout.place[own[row].items], by)
                self._remove(scored, areas[row][1], batch, row, wanted)
                ranked.append(scored.count)
                query = found.query[queries[row]] if queries[row] >= 0 else None
                lists.append(self._best(scored, query, own[row], wanted))
        return Ranked([one for one, _ in lists], [one for _, one in lists], tasks, np.array(ranked, np.int64))

    def _areas(self, tasks: Mapping[str, Float32], size: int, wanted: ListRequest) -> list[tuple[Int64, Int32 | None]]:
        """For each session the stretches to scan, and the places among them that count, or None for all."""
        unions = self._unions(tasks, size, wanted.candidates)
        if wanted.only is None:
            return [(union, None) for union in unions]
        allowed = np.sort(self.layout.place[wanted.only])
        if wanted.candidates.policy == "all":
            return [(search.near(allowed), allowed)] * size
        kept = [search.within(allowed, union) for union in unions]
        return [(search.near(places), places) for places in kept]

    def _unions(self, tasks: Mapping[str, Float32], size: int, candidates: Candidates) -> list[Int64]:
        """Stretches of the candidates of each session."""
        if candidates.policy == "all":
            return [self.layout.everything] * size
        levels = categories(tasks)
        if not levels:
            admits(self.catalog, levels)  # raises, naming the recipes that predict some
        found = []
        for row in range(size):
            line = {level: scores[row] for level, scores in levels.items()}
            if candidates.share is not None:
                found.append(self.layout.of_share(line, candidates.share))
            else:
                assert candidates.top is not None
                found.append(self.layout.of_top(line, candidates.top))
        return found

    def _scored(
        self, turn: range, areas: list[tuple[Int64, Int32 | None]], queries: Int64, encoded: Float32
    ) -> list[search.Scored]:
        """Scores of the places of each session of a turn; queries (B,) is the row of each in `encoded`, or -1."""
        asked = [row for row in turn if queries[row] >= 0]
        scans = iter(self.slabs.scan(encoded[queries[asked]], [areas[row][0] for row in asked])) if asked else iter(())
        found = []
        for row in turn:
            stretches = areas[row][0]
            if queries[row] >= 0:
                line = next(scans)
            else:
                parts = [self.popularity[start:stop] for start, stop in stretches.tolist()]
                line = np.concatenate([*parts, self.popularity[:0]])
            found.append(search.Scored(line, stretches))
        return found

    def _remove(self, scored: search.Scored, places: Int32 | None, batch: Batch, row: int, wanted: ListRequest) -> None:
        """Take out what may not be listed."""
        if places is not None:
            scored.keep(places)
        if wanted.never is not None:
            scored.remove(self.layout.place[wanted.never])
        if wanted.exclude_seen:
            scored.remove(self.layout.place[batch.items[row, : batch.lengths[row]]])

    def _best(
        self, scored: search.Scored, query: Float32 | None, own: SessionScores, wanted: ListRequest
    ) -> tuple[Int32, Float32]:
        """The list of one session. query: (d,), or None if it is one of which nothing is known."""

        def best(size: int) -> tuple[Int32, Float32]:
            if query is None or self.slabs.codes is None:
                return search.best(scored, self.layout, size)
            return search.best_again(scored, self.layout, size, self.slabs, query, own)

        k = min(wanted.k, self.layout.num_items)
        if wanted.per_category is None:
            return best(k)
        return at_most_per_category(best, finest_nodes(self.catalog), wanted.per_category, k)

    def explain(self, batch: Batch, items: Int32) -> list[ScorePart]:
        """See Ranker: the session's own part, the bias, each score term, and each task that the item task reads."""
        assert len(batch) == 1, "one session at a time"
        looked_at = scoring.newest(batch, np.zeros(1, np.int64), self.max_length)
        found = self.encoder.encode(looked_at)
        places = self.layout.place[items]
        vectors = self.slabs.vectors[places]  # (K, d)
        biases = self.slabs.biases
        constants = [ScorePart(label, values[places], None) for label, values in self.constants.items()]
        bias = np.zeros(len(items), np.float32) if biases is None else biases[places]
        bias = bias - sum(part.values for part in constants)
        parts = [ScorePart("session", vectors @ found.own[0], None), ScorePart("bias", bias, None), *constants]
        for label, values in found.positions.items():
            [own] = session_scores(looked_at, [values])
            parts.append(ScorePart(label, own.of(items), None))
        for task, (matrix, fed) in self.encoder.reads.items():
            prediction = found.tasks[task][0, 1:]  # (C,)
            if fed == "probs":
                prediction = np.exp(prediction - prediction.max())
                prediction /= prediction.sum()
            by_class = found.factor[0] * (vectors @ matrix) * prediction  # (K, C)
            parts.append(ScorePart(task, by_class.sum(axis=1), by_class))
        return parts


def _turns(stretches: list[Int64]) -> Iterator[range]:
    """Rows in turns of at most AT_ONCE scores together, or of one session."""
    begin, held = 0, 0
    for row, one in enumerate(stretches):
        size = int((one[:, 1] - one[:, 0]).sum())
        if row > begin and held + size > AT_ONCE:
            yield range(begin, row)
            begin, held = row, 0
        held += size
    yield range(begin, len(stretches))

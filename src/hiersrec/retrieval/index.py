"""The category index: lists from an encoder's queries and only the vectors of the candidates.

An encoder gives the query of a session and the scores of its categories. The categories give ranges of rows
(layout.py), the products of their vectors with the query are the scores (slabs.py), and the best of these are the list
(search.py). Lists are those of `FullRanker` on the same model: the same items, the same order, the same rule of ties.
(In float32, sums in another order differ in their last digits, and items that close may be swapped.)
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from hiersrec.errors import BadInput
from hiersrec.retrieval import scoring, search
from hiersrec.retrieval.candidates import Candidates, admits, of_mass
from hiersrec.retrieval.layout import Layout, PathRanges
from hiersrec.retrieval.ranking import ListRequest, Ranked, best_of_request, lengths
from hiersrec.retrieval.session_scores import NOTHING, SessionScores, session_scores
from hiersrec.retrieval.slabs import Slabs
from hiersrec.score_parts import against_average
from hiersrec.store.item_catalog import ItemCatalog
from hiersrec.store.pairs import Pairs
from hiersrec.types import Batch, Bool, Float32, Int32, Int64, ScorePart, categories

AT_ONCE = 2**24
"""Scores held at a time, 64 MB of them: a large batch over a large catalogue is answered in groups."""


@dataclass(frozen=True)
class Encoded:
    """B sessions, encoded. An item's score is query . vector + bias, and what its positions add."""

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

    @property
    def reads(self) -> Mapping[str, tuple[Float32, str]]:
        """Tasks read by the item task: name -> M_t (d, C) float32, and whether it is fed "logits" or "probs"."""

    def encode(self, batch: Batch) -> Encoded:
        """Encode sessions of 1 to max_length known items; the arrays are the caller's to change."""


class IndexRanker:
    """A Ranker (ranking.py) on an encoder, item vectors and their layout."""

    def __init__(
        self,
        encoder: Encoder,
        slabs: Slabs,
        layout: Layout,
        catalog: ItemCatalog,
        constants: Mapping[str, Float32],
        pairs: Mapping[str, Pairs],
    ) -> None:
        """Score terms by label. constants: (N,) float32 in the order of the layout, parts of the slabs' biases."""
        self.encoder, self.slabs, self.layout, self.catalog = encoder, slabs, layout, catalog
        self.constants, self.pairs = constants, pairs
        self.popularity: Float32 = catalog.train_count[layout.order].astype(np.float32)
        """(N,) float32, in the order of the layout: scores for a session without a known item."""
        self._last_available: tuple[Bool | None, Bool] = (None, np.zeros(0, bool))

    @property
    def max_length(self) -> int:
        return self.encoder.max_length

    @cached_property
    def _path_ranges(self) -> PathRanges:
        return PathRanges(self.catalog.item_nodes[self.layout.order, -1])

    @cached_property
    def _lengths(self) -> Float32:
        return lengths(self.slabs.vectors)

    @property
    def compares(self) -> bool:
        return True

    def similarities(self, items: Int32) -> Float32:
        """See Ranker."""
        rows = self.layout.row_of[items]
        unit = self.slabs.vectors[rows] / self._lengths[rows, None]
        cosines = np.zeros((len(items), len(self.layout.row_of)), np.float32)
        cosines[:, self.layout.order] = unit @ self.slabs.vectors.T / self._lengths
        return cosines

    @property
    def explains(self) -> bool:
        return True

    def rank(self, batch: Batch, request: ListRequest) -> Ranked:
        """See Ranker. Raises BadInput for random candidates too: they are for evaluation, which scores all items."""
        if request.candidates.policy == "random":
            raise BadInput(
                "Random candidates are for evaluation and can't be ranked from a category index, got 'random'. "
                "Choose 'all' or 'category', or load the run folder."
            )
        known, sessions = scoring.known_sessions(batch, self.max_length)
        encoded = self.encoder.encode(sessions)
        if not np.isfinite(encoded.query).all():
            raise scoring.not_numbers("items", encoded.query[~np.isfinite(encoded.query)][0])
        tasks = scoring.filled_tasks(encoded.tasks, self.catalog, known, len(batch))
        own = [NOTHING] * len(batch)
        queries: list[Float32 | None] = [None] * len(batch)
        added = session_scores(sessions, encoded.positions.values(), [*self.pairs.values()])
        for number, row in enumerate(known.tolist()):
            queries[row], own[row] = encoded.query[number], added[number]
        ranges, allowed = self._ranges(tasks, len(batch), request)
        slabs = self.slabs
        if request.offsets is not None:
            slabs = slabs.with_offsets(request.offsets[self.layout.order])
        lists, counts = [], []
        scans = (scored for group in _groups(ranges) for scored in self._scan(slabs, queries[group], ranges[group]))
        for row, scored in enumerate(scans):
            if len(own[row].items):
                # Nothing can be added to approximate scores: infinity has these items scored again in float32.
                values = own[row].values if slabs.codes is None else np.full_like(own[row].values, np.inf)
                scored.add(self.layout.row_of[own[row].items], values)
            self._remove(scored, allowed[row], batch.items[row, : batch.lengths[row]], request)
            counts.append(scored.count)
            lists.append(self._best(scored, slabs, queries[row], own[row], request))
        return Ranked([items for items, _ in lists], [scores for _, scores in lists], tasks, np.array(counts, np.int64))

    def _ranges(
        self, tasks: Mapping[str, Float32], size: int, request: ListRequest
    ) -> tuple[list[Int64], list[Int32 | None]]:
        """For each session the ranges to scan, and the rows in them that may be listed, or None for all."""
        candidates = self._candidates(tasks, size, request.candidates)
        if request.only is None:
            return candidates, [None] * size
        allowed = np.sort(self.layout.row_of[request.only])
        if request.candidates.policy == "all":
            return [search.near(allowed)] * size, [allowed] * size
        kept = [search.within(allowed, ranges) for ranges in candidates]
        return [search.near(rows) for rows in kept], [*kept]

    def _candidates(self, tasks: Mapping[str, Float32], size: int, candidates: Candidates) -> list[Int64]:
        """Ranges of the candidates of each session."""
        if candidates.policy == "all":
            return [self.layout.everything] * size
        if candidates.mass is not None:
            return [self._path_ranges.of(paths) for paths in of_mass(self.catalog, tasks, candidates.mass)]
        levels = categories(tasks)
        if not levels:
            admits(self.catalog, levels)  # raises, naming the recipes that predict some
        ranges = []
        for row in range(size):
            scores = {level: of_level[row] for level, of_level in levels.items()}
            if candidates.share is not None:
                ranges.append(self.layout.of_share(scores, candidates.share))
            else:
                assert candidates.top is not None
                ranges.append(self.layout.of_top(scores, candidates.top))
        return ranges

    def _scan(
        self, slabs: Slabs, queries: Sequence[Float32 | None], ranges: Sequence[Int64]
    ) -> list[search.RangeScores]:
        """Scores of the ranges of some sessions: products with the query, or popularity where there is none."""
        known = [(query, own) for query, own in zip(queries, ranges, strict=True) if query is not None]
        products = slabs.scan(np.stack([query for query, _ in known]), [own for _, own in known]) if known else []
        scans = iter(products)
        return [
            search.RangeScores(self._popularity(own) if query is None else next(scans), own)
            for query, own in zip(queries, ranges, strict=True)
        ]

    def _popularity(self, ranges: Int64) -> Float32:
        return np.concatenate([self.popularity[:0], *(self.popularity[start:stop] for start, stop in ranges.tolist())])

    def _remove(self, scored: search.RangeScores, allowed: Int32 | None, seen: Int32, request: ListRequest) -> None:
        """Take out what may not be listed."""
        if allowed is not None:
            scored.keep(allowed)
        if request.never is not None:
            scored.remove(self.layout.row_of[request.never])
        if request.available is not None:
            scored.bar(~self._in_rows(request.available))
        if request.exclude_seen:
            scored.remove(self.layout.row_of[seen])

    def _in_rows(self, available: Bool) -> Bool:
        """Flags of items (N + 1,) in the order of rows (N,); those of the last request are kept, as it often recurs."""
        last, flags = self._last_available
        if last is not available:
            flags = available[self.layout.order]
            self._last_available = (available, flags)
        return flags

    def _best(
        self,
        scored: search.RangeScores,
        slabs: Slabs,
        query: Float32 | None,
        own: SessionScores,
        request: ListRequest,
    ) -> tuple[Int32, Float32]:
        """The list of one session. query: (d,), or None if it has no known item."""

        def best(k: int) -> tuple[Int32, Float32]:
            if query is None or slabs.codes is None:
                return search.best(scored, self.layout, k)
            return search.best_again(scored, self.layout, k, slabs, query, own)

        return best_of_request(best, self.catalog, request)

    def explain(self, batch: Batch, items: Int32) -> list[ScorePart]:
        """See Ranker: the session's own part, the bias, each score term, and each task that the item task reads.

        The last row of each part is the average item's (score_parts.py).
        """
        assert len(batch) == 1, "one session at a time"
        session = scoring.newest(batch, np.zeros(1, np.int64), self.max_length)
        encoded = self.encoder.encode(session)
        rows = self.layout.row_of[items]
        vectors = np.concatenate([self.slabs.vectors[rows], self.slabs.average[None]])  # (K + 1, d)
        biases = self.slabs.biases
        constants = [ScorePart(label, _and_mean(values, rows), None) for label, values in self.constants.items()]
        bias = np.zeros(len(vectors), np.float32) if biases is None else _and_mean(biases, rows)
        bias = bias - sum(part.values for part in constants)
        parts = [ScorePart("session", vectors @ encoded.own[0], None), ScorePart("bias", bias, None), *constants]
        added = {label: session_scores(session, [values]) for label, values in encoded.positions.items()}
        added |= {label: session_scores(session, [], [pairs]) for label, pairs in self.pairs.items()}
        for label, [own] in added.items():
            parts.append(ScorePart(label, np.append(own.of(items), np.float32(0)), None))
        for task, (matrix, fed) in self.encoder.reads.items():
            prediction = encoded.tasks[task][0, 1:]  # (C,)
            if fed == "probs":
                prediction = np.exp(prediction - prediction.max())
                prediction /= prediction.sum()
            by_class = encoded.factor[0] * (vectors @ matrix) * prediction  # (K + 1, C)
            parts.append(ScorePart(task, by_class.sum(axis=1), by_class))
        return against_average(parts)


def _and_mean(values: Float32, rows: Int32) -> Float32:
    """Values (N,) of rows (K,), and their mean over all rows: (K + 1,) float32."""
    return np.append(values[rows], values.mean())


def _groups(ranges: Sequence[Int64]) -> Iterator[slice]:
    """Sessions, one after another, in groups of at most AT_ONCE scores, or of one session."""
    begin, held = 0, 0
    for row, own in enumerate(ranges):
        size = int((own[:, 1] - own[:, 0]).sum())
        if row > begin and held + size > AT_ONCE:
            yield slice(begin, row)
            begin, held = row, 0
        held += size
    yield slice(begin, len(ranges))

"""One block of sessions -> the rows that are recommended for them.

Sessions of about equal length are scored together, in products of matrices. The lists are those of
`Recommender.recommend`; scores may differ from those of other batches in their last digits, as float32 sums do.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from hiersrec.retrieval.ranking import ListRequest
from hiersrec.serving.recommender import Recommender
from hiersrec.store.item_catalog import ItemCatalog
from hiersrec.types import Batch, Float64, Int32, Int64

TOGETHER = 256
"""Sessions scored at once, at most."""
POSITIONS, SCORES = 2**20, 2**24
"""Positions of these sessions with padding, and scores of all items, at most: 4 MB and 64 MB."""


class _List(NamedTuple):
    """The list of one session."""

    items: Int32
    scores: Float64
    sources: list[str]
    reasons: list[list[dict[str, Any]]] | None
    fallback: str | None


def score(
    recommender: Recommender, request: ListRequest, explain: bool, sessions: pa.Table, columns: pa.Schema
) -> tuple[pa.Table, Counter[str]]:
    """The rows of a block of sessions (blocks.py) in its order, with these columns (formats.py), and counts.

    Counted are sessions, rows, unknown_ids (events whose item the catalogue lacks; they are ignored), and sessions by
    what fills the end of their list: popular, popular_in_category (retrieval/fallback.py).
    """
    lists = sessions["items"].combine_chunks()
    known = KnownItems.of(recommender.catalog, lists)
    listed: dict[int, _List] = {}
    with _one_thread():
        for rows in groups(known.lengths, _width(recommender, request), recommender.catalog_size):
            if explain:
                answers = _explained(recommender, request, lists.take(pa.array(rows)).to_pylist())
            else:
                answers = _plain(recommender, request, known.batch(rows, _width(recommender, request)))
            listed.update(zip(rows.tolist(), answers, strict=True))
    whole = [listed[row] for row in range(len(sessions))]
    lengths = np.array([len(one.items) for one in whole])
    counts = Counter(one.fallback for one in whole if one.fallback is not None)
    counts.update(sessions=len(sessions), rows=int(lengths.sum()), unknown_ids=known.unknown)
    return _table(recommender.catalog, sessions["session_id"], whole, lengths, columns), counts


def _width(recommender: Recommender, request: ListRequest) -> int | None:
    """Items of a session that are looked at: seen ones must be left out even where the model doesn't see them."""
    return None if request.exclude_seen else recommender.max_length


def _plain(recommender: Recommender, request: ListRequest, batch: Batch) -> Iterator[_List]:
    ranked = recommender.ranker.rank(batch, request)
    for row, length in enumerate(batch.lengths.tolist()):
        items, scores, sources, fallback = recommender.popularity.whole_list(
            ranked, row, batch.items[row, :length], request
        )
        yield _List(items, scores, sources, None, fallback)


def _explained(recommender: Recommender, request: ListRequest, sessions: list[list[Any]]) -> Iterator[_List]:
    for answer in recommender.answer(sessions, request, explain=True):
        yield _List(
            recommender.catalog.to_internal([item.item_id for item in answer.items]),
            np.array([item.score for item in answer.items], np.float64),
            [item.source for item in answer.items],
            [
                [{"source": reason.source, "value": reason.value} for reason in item.reasons or ()]
                for item in answer.items
            ],
            answer.fallback,
        )


def _table(
    catalog: ItemCatalog, session_ids: pa.ChunkedArray, lists: list[_List], lengths: Int64, columns: pa.Schema
) -> pa.Table:
    items, codes = np.unique(
        np.concatenate([np.zeros(0, np.int32), *(one.items for one in lists)]), return_inverse=True
    )
    ids = pa.array(catalog.to_external(items), columns.field("item_id").type)
    arrays = {
        "session_id": session_ids.cast(columns.field("session_id").type).take(
            pa.array(np.repeat(np.arange(len(lists)), lengths))
        ),
        "rank": np.concatenate([np.zeros(0, int), *(np.arange(1, length + 1) for length in lengths)]).astype(np.int32),
        "item_id": ids.take(pa.array(codes)),
        "score": np.concatenate([np.zeros(0), *(one.scores for one in lists)]).astype(np.float32),
        "source": pa.array([source for one in lists for source in one.sources], pa.string()),
        "reasons": [reasons for one in lists for reasons in one.reasons or ()],
    }
    return pa.table({name: arrays[name] for name in columns.names}, columns)


@dataclass(frozen=True)
class KnownItems:
    """The known items of B sessions, one session after another."""

    items: Int32
    """(E,) int32."""
    starts: Int64
    """(B,)"""
    lengths: Int64
    """(B,)"""
    unknown: int
    """Items that the catalogue lacks."""

    @classmethod
    def of(cls, catalog: ItemCatalog, lists: pa.ListArray) -> "KnownItems":
        """lists: external ids. Each distinct one is looked up once."""
        coded = lists.flatten().dictionary_encode()
        internal = catalog.to_internal(coded.dictionary.to_pylist())[coded.indices.to_numpy()]  # 0 where unknown
        ends = lists.value_lengths().to_numpy().cumsum()
        known = np.concatenate([[0], np.cumsum(internal > 0)])  # up to each position
        bounds = known[np.concatenate([[0], ends])]
        return cls(internal[internal > 0], bounds[:-1], np.diff(bounds), int((internal == 0).sum()))

    def batch(self, rows: Int64, most: int | None) -> Batch:
        """The sessions of some rows, each cut to its newest `most` items."""
        lengths = self.lengths[rows] if most is None else np.minimum(self.lengths[rows], most)
        oldest = self.starts[rows] + self.lengths[rows] - lengths
        position = np.arange(max(1, lengths.max(initial=0)))  # (T,)
        inside = position < lengths[:, None]  # (B, T)
        items = np.zeros(inside.shape, np.int32)
        items[inside] = self.items[(oldest[:, None] + position)[inside]]
        return Batch(items, lengths.astype(np.int32))


def groups(lengths: Int64, most: int | None, num_items: int) -> Iterator[Int64]:
    """Rows of `lengths` (B,) that are scored together, shortest first; equal ones in their order.

    most: items of a session that are looked at. num_items: N.
    """
    seen = lengths if most is None else np.minimum(lengths, most)
    order = np.argsort(seen, kind="stable")
    together = max(1, min(TOGETHER, SCORES // max(1, num_items)))
    start = 0
    while start < len(order):
        widest = max(1, int(seen[order[start : start + together]].max()))
        size = max(1, min(together, POSITIONS // widest))
        yield order[start : start + size]
        start += size


def _one_thread() -> AbstractContextManager[object]:
    """Products of matrices in one thread, as processes share the cores, and as more may sum in another order."""
    try:
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError:  # of a light install: there processes are started with one
        return nullcontext()
    limits: AbstractContextManager[object] = threadpool_limits(1)
    return limits

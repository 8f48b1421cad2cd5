"""Item vectors in the order of the layout (layout.py), and their products with queries.

Two types. float32 gives the scores themselves: the product of numpy reads memory as fast as it can be read. int8 (a
quarter of the bytes; symmetric, one scale for each row, and for the query) finds the best approximately, in SimSIMD;
they are scored again in float32 from `vectors` (search.py). All arrays may be memory-mapped.

    vectors.npy   (N, d) float32         codes.npy    (N, d) int8, with int8 only
    biases.npy    (N,) float32, if any   scales.npy   (N,) float32, the value of 1 in each row of the codes
    mean.npy      (d,) float32, the mean of the vectors, for reasons
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hiersrec.errors import BadInput, MissingExtra, did_you_mean
from hiersrec.store.memory_map import mapped
from hiersrec.types import Float32, Int32, Int64

TYPES = ("float32", "int8")
Codes = npt.NDArray[np.int8]

Rows = list[slice] | Int64
"""Which rows: ranges of them, or the number of each."""

ROWS = 4096
"""Rows multiplied at a time with several queries, or gathered, so that they stay in the cache."""

FEW = 5
"""Fewer queries than this are multiplied with the same rows one after another: a product of matrices is slower."""

SHORT = 16
"""Ranges shorter than this on average are gathered row by row: a call for each would cost more than copying."""

LONG, COPIED = 256, 1024
"""Ranges of codes shorter than LONG are copied one after another, and multiplied once that are COPIED rows: a call of
SimSIMD costs more than to copy most of them."""


@dataclass(frozen=True)
class Slabs:
    """Vectors and biases of N items, and the vectors as int8 codes and their scales, or None.

    mean: (d,) float32, the mean of the vectors, None in folders of earlier versions.
    """

    vectors: Float32
    biases: Float32 | None
    codes: Codes | None = None
    scales: Float32 | None = None
    mean: Float32 | None = None

    @classmethod
    def of(cls, vectors: Float32, biases: Float32 | None, type_: str) -> "Slabs":
        """Slabs of a type from vectors (N, d) and biases (N,) in the order of the layout.

        Raises BadInput for an unknown type.
        """
        if type_ not in TYPES:
            raise BadInput(f"There are no slabs of type '{type_}'. {did_you_mean(type_, TYPES)}")
        if type_ == "float32":
            return cls(vectors, biases, mean=_mean(vectors))
        blocks = [_quantized(vectors[start : start + ROWS]) for start in range(0, len(vectors), ROWS)]
        codes, scales = (np.concatenate(arrays) for arrays in zip(*blocks, strict=True))
        return cls(vectors, biases, codes, scales, _mean(vectors))

    def save(self, folder: Path) -> None:
        """Write the .npy files into a folder that exists."""
        for name in ("vectors", "biases", "codes", "scales", "mean"):
            if (array := getattr(self, name)) is not None:
                np.save(folder / f"{name}.npy", array)

    @classmethod
    def open(cls, folder: Path) -> "Slabs":
        """Memory-map what `save` wrote. Raises MissingExtra for codes if SimSIMD is not installed."""
        paths = (folder / f"{name}.npy" for name in ("biases", "codes", "scales", "mean"))
        biases, codes, scales, mean = (mapped(path) if path.is_file() else None for path in paths)
        if codes is not None:
            _cdist()
        return cls(mapped(folder / "vectors.npy"), biases, codes, scales, mean)

    @property
    def type_(self) -> str:
        """One of TYPES."""
        return "float32" if self.codes is None else "int8"

    @cached_property
    def average(self) -> Float32:
        """(d,): the vector of the average item. Without `mean` all vectors are read, once."""
        return _mean(self.vectors) if self.mean is None else self.mean

    def with_offsets(self, offsets: Float32) -> "Slabs":
        """Slabs whose scores have offsets (N,) added, those of `scan` and those of `exact`."""
        return replace(self, biases=offsets if self.biases is None else self.biases + offsets)

    def scan(self, queries: Float32, ranges: Sequence[Int64]) -> list[Float32]:
        """Scores of the rows in each query's own ranges, one after another: B times (n,) float32.

        queries: (B, d). ranges: B times (R, 2) int64, ascending and disjoint. int8 gives approximate scores, without
        biases up to a positive factor that differs between queries. float32 reads each row of a batch once, and
        multiplies it with all queries whose ranges hold it.
        """
        rows = [_rows(own) for own in ranges]
        if self.codes is not None:
            return self._scan_codes(queries, rows)
        scores: list[Float32] = []
        together = []
        for number, own in enumerate(rows):
            if len(queries) > 1 and isinstance(own, list):
                together.append(number)
                scores.append(np.empty((ranges[number][:, 1] - ranges[number][:, 0]).sum(), np.float32))
            else:
                products = [block.dot(queries[number]) for block in _blocks(self.vectors, own)]
                scores.append(products[0] if len(products) == 1 else np.concatenate([self.vectors[:0, 0], *products]))
        if together:
            outputs = [scores[number] for number in together]
            self._scan_together(queries[together], [ranges[number] for number in together], outputs)
        if self.biases is not None:
            for line, own in zip(scores, rows, strict=True):
                line += _joined(self.biases, own)
        return scores

    def exact(self, query: Float32, rows: Int32 | Int64) -> Float32:
        """Scores (K,) float32 of rows (K,) for one query (d,), never from the codes."""
        scores: Float32 = self.vectors[rows] @ query
        return scores if self.biases is None else scores + self.biases[rows]

    def _scan_codes(self, queries: Float32, rows: Sequence[Rows]) -> list[Float32]:
        """`scan` of codes, query by query: two are bound by arithmetic already, so sharing reads gains nothing."""
        assert self.codes is not None
        assert self.scales is not None
        query_codes, query_scales = _quantized(queries)
        scores = []
        for code, scale, own in zip(query_codes, query_scales, rows, strict=True):
            line = _int8_products(code, _blocks(self.codes, own))
            line *= _joined(self.scales, own)
            if self.biases is not None:
                line *= scale
                line += _joined(self.biases, own)
            scores.append(line)
        return scores

    def _scan_together(self, queries: Float32, ranges: Sequence[Int64], outputs: Sequence[Float32]) -> None:
        """Products of m queries (m, d), into m times (n,): the rows between any two edges of ranges in one product."""
        edges = np.unique(np.concatenate(ranges))
        reads = np.zeros((len(ranges), len(edges)), bool)  # (m, E): whether a query reads the rows after an edge
        for number, own in enumerate(ranges):
            begun, ended = (np.searchsorted(own[:, side], edges, side="right") for side in (0, 1))
            reads[number] = begun > ended
        sizes = np.diff(edges, append=edges[-1:])
        ends = np.cumsum(reads * sizes, axis=1)  # (m, E): where these rows end in each query's output
        for piece in np.flatnonzero(reads.any(axis=0)):
            readers = np.flatnonzero(reads[:, piece]).tolist()
            some = queries[readers]  # (r, d)
            first, last = int(edges[piece]), int(edges[piece]) + int(sizes[piece])
            shifts = (ends[readers, piece] - last).tolist()
            for start in range(first, last, ROWS):
                stop = min(start + ROWS, last)
                parts = [outputs[n][start + shift : stop + shift] for n, shift in zip(readers, shifts, strict=True)]
                if len(readers) < FEW:
                    for query, part in zip(some, parts, strict=True):
                        self.vectors[start:stop].dot(query, part)
                    continue
                # This way round each query's scores lie together: to copy columns takes longer than the product.
                for line, part in zip(some @ self.vectors[start:stop].T, parts, strict=True):  # (r, rows)
                    part[:] = line


def _mean(vectors: Float32) -> Float32:
    mean: Float32 = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean


def _rows(ranges: Int64) -> Rows:
    """Rows of ranges (R, 2)."""
    counts = ranges[:, 1] - ranges[:, 0]
    if counts.sum() >= SHORT * len(counts):
        return [slice(start, stop) for start, stop in ranges.tolist()]
    return np.repeat(ranges[:, 1] - counts.cumsum(), counts) + np.arange(counts.sum())


def _blocks(table: npt.NDArray[Any], rows: Rows) -> Iterator[npt.NDArray[Any]]:
    """Some rows of a table, in their order, as blocks that are worth a call."""
    if not isinstance(rows, list):
        yield from (table[rows[start : start + ROWS]] for start in range(0, len(rows), ROWS))
    elif table.dtype == np.float32:
        yield from (table[own] for own in rows)
    else:
        yield from _copied(table, rows)


def _copied(table: npt.NDArray[Any], ranges: list[slice]) -> Iterator[npt.NDArray[Any]]:
    """Long ranges as they are, and copies of short ones together."""
    held: list[npt.NDArray[Any]] = []
    size = 0
    for own in ranges:
        length = own.stop - own.start
        if held and (length >= LONG or size >= COPIED):
            yield held[0] if len(held) == 1 else np.concatenate(held)
            held, size = [], 0
        if length >= LONG:
            yield table[own]
        else:
            held.append(table[own])
            size += length
    if held:
        yield held[0] if len(held) == 1 else np.concatenate(held)


def _joined(values: Float32, rows: Rows) -> Float32:
    """Values of some rows, (n,)."""
    if not isinstance(rows, list):
        return values[rows]
    return values[rows[0]] if len(rows) == 1 else np.concatenate([values[:0], *(values[own] for own in rows)])


def _quantized(vectors: Float32) -> tuple[Codes, Float32]:
    """Vectors (n, d) as codes (n, d), and the value of 1 in each row, (n,) float32."""
    scales = np.abs(vectors).max(axis=1, initial=0).astype(np.float32) / np.float32(127)
    scales[scales == 0] = 1
    return np.rint(vectors / scales[:, None]).astype(np.int8), scales


def _int8_products(query: Codes, blocks: Iterator[Codes]) -> Float32:
    """Products (n,) float32 of the rows of blocks with one query (d,)."""
    # Not with SimSIMD's own `out`: such a call frees None once too often (6.5.16), and many end the process.
    products = [_cdist()(block, query[None], "dot", dtype="int8", out_dtype="float32") for block in blocks]
    # Joined as bytes: np.concatenate takes 15 times as long over tensors of SimSIMD.
    return np.frombuffer(products[0] if len(products) == 1 else bytearray().join(products), np.float32)


@cache
def _cdist() -> Callable[..., Any]:
    """SimSIMD's product of many int8 rows with one query, at the speed of memory; other threads run meanwhile."""
    try:
        import simsimd
    except ModuleNotFoundError as error:
        raise MissingExtra("simsimd", "serve") from error
    cdist: Callable[..., Any] = simsimd.cdist
    return cdist

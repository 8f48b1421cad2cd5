"""Item vectors in place order (layout.py), and their products with queries, read a stretch of rows at a time.

Two types. float32 gives the scores themselves, in numpy, whose product reads memory as fast as it can be read. int8 (a
quarter of the bytes; symmetric, one scale a row, the query alike) finds the best roughly, in SimSIMD; the few best are
scored again in float32 from `vectors` (search.py). All arrays may be memory-mapped.

    vectors.npy   (N, d) float32         codes.npy    (N, d) int8; with type int8 only
    biases.npy    (N,) float32, if any   scales.npy   (N,) float32, the worth of 1 in each row of codes
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hiersrec.errors import BadInput, MissingExtra, did_you_mean
from hiersrec.store.memory_map import mapped
from hiersrec.types import Float32, Int32, Int64

TYPES = ("float32", "int8")
Int8 = npt.NDArray[np.int8]

Rows = list[slice] | Int64
"""Which rows: stretches of them, or the place of each."""

ROWS = 4096
"""Rows multiplied at a time with several queries, or gathered, so that they stay in the cache."""

FEW = 5
"""Fewer queries than this are multiplied with the same rows one after another: a product of matrices is slower."""

SHORT = 16
"""Stretches shorter than this on average are gathered row by row: a call for each would cost more than copying."""

LONG, COPIED = 256, 1024
"""Narrow stretches shorter than LONG are copied one after another, and multiplied once that are COPIED rows: a call of
SimSIMD costs more than to copy most of them."""


@dataclass(frozen=True)
class Slabs:
    """Vectors and biases of N items, and a narrow copy of the vectors, or None."""

    vectors: Float32
    biases: Float32 | None
    codes: Int8 | None
    scales: Float32 | None

    @classmethod
    def of(cls, vectors: Float32, biases: Float32 | None, type_: str) -> "Slabs":
        """Slabs of a type from vectors (N, d) and biases (N,) in place order. Raises BadInput for an unknown type."""
        if type_ not in TYPES:
            raise BadInput(f"There are no slabs of type '{type_}'. {did_you_mean(type_, TYPES)}")
        if type_ == "float32":
            return cls(vectors, biases, None, None)
        parts = [_narrow(vectors[at : at + ROWS]) for at in range(0, len(vectors), ROWS)]
        codes, scales = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return cls(vectors, biases, codes, scales)

    def save(self, folder: Path) -> None:
        """Write the .npy files into a folder that exists."""
        for name in ("vectors", "biases", "codes", "scales"):
            if (array := getattr(self, name)) is not None:
                np.save(folder / f"{name}.npy", array)

    @classmethod
    def open(cls, folder: Path) -> "Slabs":
        """Memory-map what `save` wrote. Raises MissingExtra where narrow codes are and SimSIMD is not."""
        found = [
            mapped(path) if (path := folder / f"{name}.npy").is_file() else None
            for name in ("vectors", "biases", "codes", "scales")
        ]
        vectors, biases, codes, scales = found
        assert vectors is not None
        if codes is not None:
            _cdist()
        return cls(vectors, biases, codes, scales)

    @property
    def type_(self) -> str:
        """One of TYPES."""
        return "float32" if self.codes is None else "int8"

    def scan(self, queries: Float32, stretches: Sequence[Int64]) -> list[Float32]:
        """Scores of the rows of each query's own stretches, one after another: B times (n,) float32.

        queries: (B, d). stretches: B times (R, 2) int64, ascending and disjoint. In float32 these are the scores, else
        roughly so, times a positive number of the query's own. Of a batch in float32 each row is read once, and
        multiplied with all the queries that want it.
        """
        asked, worth = (queries, None) if self.codes is None else _narrow(queries)
        wanted = [_rows(one) for one in stretches]
        found, together = [], []
        for row, rows in enumerate(wanted):
            if self.codes is None and len(queries) > 1 and isinstance(rows, list):
                together.append(row)
                found.append(np.empty((stretches[row][:, 1] - stretches[row][:, 0]).sum(), np.float32))
            else:  # a narrow product is bound by its arithmetic from two queries on: nothing to share
                found.append(self._products(asked[row], rows))
        if together:
            lines = [found[row] for row in together]
            self._scan_together(queries[together], [stretches[row] for row in together], lines)
        for row, (rows, line) in enumerate(zip(wanted, found, strict=True)):
            if self.scales is not None:
                line *= _joined(self.scales, rows)
            if self.biases is not None:
                if worth is not None:
                    line *= worth[row]
                line += _joined(self.biases, rows)
        return found

    def exact(self, query: Float32, places: Int32 | Int64) -> Float32:
        """Scores (K,) float32 of the items at places (K,) for one query (d,), never from the narrow copy."""
        scores: Float32 = self.vectors[places] @ query
        return scores if self.biases is None else scores + self.biases[places]

    def _products(self, query: Float32 | Int8, rows: Rows) -> Float32:
        """Products (n,) float32 of some rows with one query (d,) of the slabs' type."""
        if not len(rows):
            return np.zeros(0, np.float32)
        if self.codes is None:
            lines = [block.dot(query) for block in _blocks(self.vectors, rows)]
            return lines[0] if len(lines) == 1 else np.concatenate(lines)
        product, one = _cdist(), query[None]
        # Not with SimSIMD's own `out`: such a call frees None once too often (6.5.16), and many end the process.
        parts = [product(block, one, "dot", dtype="int8", out_dtype="float32") for block in _blocks(self.codes, rows)]
        # Joined as bytes: np.concatenate takes 15 times as long over tensors of SimSIMD.
        return np.frombuffer(parts[0] if len(parts) == 1 else bytearray().join(parts), np.float32)

    def _scan_together(self, queries: Float32, stretches: Sequence[Int64], lines: Sequence[Float32]) -> None:
        """Products of m queries (m, d), into m times (n,): each piece between edges of any stretch in one product."""
        edges = np.unique(np.concatenate(stretches))
        wants = np.zeros((len(stretches), len(edges)), bool)
        for row, mine in enumerate(stretches):
            begun, ended = (np.searchsorted(mine[:, side], edges, side="right") for side in (0, 1))
            wants[row] = begun > ended
        sizes = np.diff(edges, append=edges[-1:])
        ends = np.cumsum(wants * sizes, axis=1)  # (m, E): where each piece ends in each query's line
        for piece in np.flatnonzero(wants.any(axis=0)):
            rows = np.flatnonzero(wants[:, piece]).tolist()
            some = queries[rows]  # (m, d)
            first, last = int(edges[piece]), int(edges[piece]) + int(sizes[piece])
            shifts = (ends[rows, piece] - last).tolist()
            for start in range(first, last, ROWS):
                stop = min(start + ROWS, last)
                outs = [lines[row][start + shift : stop + shift] for row, shift in zip(rows, shifts, strict=True)]
                if len(rows) < FEW:
                    for query, out in zip(some, outs, strict=True):
                        self.vectors[start:stop].dot(query, out)
                    continue
                block = self.vectors[start:stop] @ some.T  # (n, m)
                for column, out in enumerate(outs):
                    out[:] = block[:, column]


def _rows(stretches: Int64) -> Rows:
    """Rows of stretches (R, 2)."""
    counts = stretches[:, 1] - stretches[:, 0]
    if counts.sum() >= SHORT * len(counts):
        return [slice(start, stop) for start, stop in stretches.tolist()]
    return np.repeat(stretches[:, 1] - counts.cumsum(), counts) + np.arange(counts.sum())


def _blocks(table: npt.NDArray[Any], rows: Rows) -> Iterator[npt.NDArray[Any]]:
    """Some rows of a table, in their order, as blocks that are worth a call."""
    if not isinstance(rows, list):
        yield from (table[rows[at : at + ROWS]] for at in range(0, len(rows), ROWS))
    elif table.dtype == np.float32:
        yield from (table[piece] for piece in rows)
    else:
        yield from _copied(table, rows)


def _copied(table: npt.NDArray[Any], pieces: list[slice]) -> Iterator[npt.NDArray[Any]]:
    """Long pieces as they are, and copies of short ones together."""
    held: list[npt.NDArray[Any]] = []
    size = 0
    for piece in pieces:
        length = piece.stop - piece.start
        if held and (length >= LONG or size >= COPIED):
            yield held[0] if len(held) == 1 else np.concatenate(held)
            held, size = [], 0
        if length >= LONG:
            yield table[piece]
        else:
            held.append(table[piece])
            size += length
    if held:
        yield held[0] if len(held) == 1 else np.concatenate(held)


def _joined(values: Float32, rows: Rows) -> Float32:
    """Values of some rows, (n,)."""
    if not isinstance(rows, list):
        return values[rows]
    return values[rows[0]] if len(rows) == 1 else np.concatenate([values[:0], *(values[piece] for piece in rows)])


def _narrow(vectors: Float32) -> tuple[Int8, Float32]:
    """Vectors (n, d) as codes (n, d), and the worth of 1 in each row, (n,) float32."""
    scales = np.abs(vectors).max(axis=1, initial=0).astype(np.float32) / np.float32(127)
    scales[scales == 0] = 1
    return np.rint(vectors / scales[:, None]).astype(np.int8), scales


@cache
def _cdist() -> Callable[..., Any]:
    """The product of narrow rows with a narrow query, one to many, at the speed of memory; it lets threads run."""
    try:
        import simsimd
    except ModuleNotFoundError as error:
        raise MissingExtra("simsimd", "serve") from error
    found: Callable[..., Any] = simsimd.cdist
    return found

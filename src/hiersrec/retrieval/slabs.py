"""Item vectors in place order (layout.py), and their products with queries, read a stretch of rows at a time.

Three types. float32 gives the scores themselves, in numpy, whose product reads memory as fast as it can be read. bf16
(half the bytes) and int8 (a quarter; symmetric, one scale a row, the query alike) find the best roughly, in SimSIMD;
the few best are scored again in float32 from `vectors` (search.py). All arrays may be memory-mapped.

    vectors.npy   (N, d) float32         codes.npy    (N, d) int8, or uint16 that hold bf16; not with float32
    biases.npy    (N,) float32, if any   scales.npy   (N,) float32, the worth of 1 in each row of int8 codes
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hiersrec.errors import BadInput, MissingExtra, did_you_mean
from hiersrec.store.mapped import mapped
from hiersrec.types import Float32, Int32, Int64

TYPES = ("float32", "bf16", "int8")
Codes = npt.NDArray[np.int8] | npt.NDArray[np.uint16]

ROWS = 4096
"""Rows multiplied at a time with several queries, or gathered, so that they stay in the cache."""

FEW = 5
"""Fewer queries than this are multiplied with the same rows one after another: a product of matrices is slower."""

SHORT = 16
"""Stretches shorter than this on average are gathered row by row: a call for each would cost more than copying."""


@dataclass(frozen=True)
class Slabs:
    """Vectors and biases of N items, and a narrow copy of the vectors, or None."""

    vectors: Float32
    biases: Float32 | None
    codes: Codes | None
    scales: Float32 | None

    @classmethod
    def of(cls, vectors: Float32, biases: Float32 | None, type_: str) -> "Slabs":
        """Slabs of a type from vectors (N, d) and biases (N,) in place order. Raises BadInput for an unknown type."""
        if type_ not in TYPES:
            raise BadInput(f"There are no slabs of type '{type_}'. {did_you_mean(type_, TYPES)}")
        if type_ == "float32":
            return cls(vectors, biases, None, None)
        parts = [_narrow(vectors[at : at + ROWS], type_) for at in range(0, len(vectors), ROWS)]
        codes = np.concatenate([one for one, _ in parts])
        return cls(vectors, biases, codes, np.concatenate([one for _, one in parts]) if type_ == "int8" else None)

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
        if self.codes is None:
            return "float32"
        return "bf16" if self.codes.dtype == np.uint16 else "int8"

    def scan(self, queries: Float32, stretches: Sequence[Int64]) -> list[Float32]:
        """Scores of the rows of each query's own stretches, one after another: B times (n,) float32.

        queries: (B, d). stretches: B times (R, 2) int64, ascending and disjoint. In float32 these are the scores, else
        roughly so, times a positive number of the query's own. Of a batch in float32 each row is read once, and
        multiplied with all the queries that want it.
        """
        asked = self._asked(queries)
        found = [np.empty((one[:, 1] - one[:, 0]).sum(), np.float32) for one in stretches]
        together = []
        for row, (mine, line) in enumerate(zip(stretches, found, strict=True)):
            if len(line) < SHORT * len(mine):
                self._gather(asked[row : row + 1], mine, line)
            elif len(queries) > 1 and self.codes is None:
                together.append(row)
            elif len(mine):  # a narrow product is bound by its arithmetic from two queries on: nothing to share
                self._scan(asked[row : row + 1], mine, line)
        if together:
            self._scan_together(asked[together], [stretches[row] for row in together], [found[row] for row in together])
        return found

    def exact(self, query: Float32, places: Int32) -> Float32:
        """Scores (K,) float32 of the items at places (K,) for one query (d,), never from the narrow copy."""
        scores: Float32 = self.vectors[places] @ query
        return scores if self.biases is None else scores + self.biases[places]

    def _asked(self, queries: Float32) -> "_Asked":
        """Queries (B, d) in the type of the slabs."""
        if self.codes is None:
            return _Asked(queries, np.ones(len(queries), np.float32))
        codes, scales = _narrow(queries, self.type_)
        return _Asked(codes, scales)

    def _multiply(self, rows: slice | Int64, asked: "_Asked", out: Float32) -> None:
        """Scores of some rows for m queries, into (n, m)."""
        if self.codes is None:
            np.dot(self.vectors[rows], asked.queries.T, out=out)
        else:
            # Not with SimSIMD's own `out`: such a call frees None once too often (6.5.16), and many end the process.
            out[:] = _cdist()(self.codes[rows], asked.queries, metric="dot", dtype=self.type_, out_dtype="float32")
        if self.scales is not None:
            out *= self.scales[rows, None]
        if self.biases is not None:
            out *= asked.scales
            out += self.biases[rows, None]

    def _scan(self, asked: "_Asked", stretches: Int64, line: Float32) -> None:
        """Scores of one query, into (n,). There may be hundreds of stretches: all but the products is done at once."""
        pieces = [slice(start, stop) for start, stop in stretches.tolist()]
        if self.codes is None:
            query, begin = asked.queries[0], 0
            for piece in pieces:
                end = begin + piece.stop - piece.start
                np.dot(self.vectors[piece], query, out=line[begin:end])
                begin = end
        else:
            product, codes, type_ = _cdist(), self.codes, self.type_
            parts = [
                product(codes[piece], asked.queries, metric="dot", dtype=type_, out_dtype="float32") for piece in pieces
            ]
            np.concatenate(parts, out=line[:, None])
        if self.scales is not None:
            line *= _joined(self.scales, pieces)
        if self.biases is not None:
            line *= asked.scales
            line += _joined(self.biases, pieces)

    def _gather(self, asked: "_Asked", stretches: Int64, line: Float32) -> None:
        """Scores of one query over short stretches, into (n,)."""
        counts = stretches[:, 1] - stretches[:, 0]
        places = np.repeat(stretches[:, 1] - counts.cumsum(), counts) + np.arange(len(line))
        for at in range(0, len(line), ROWS):
            self._multiply(places[at : at + ROWS], asked, line[at : at + ROWS, None])

    def _scan_together(self, asked: "_Asked", stretches: Sequence[Int64], lines: Sequence[Float32]) -> None:
        """Scores of m queries, into m times (n,): piece by piece between the edges of any stretch, in one product."""
        edges = np.unique(np.concatenate(stretches))
        wants = np.zeros((len(stretches), len(edges)), bool)
        for row, mine in enumerate(stretches):
            begun, ended = (np.searchsorted(mine[:, side], edges, side="right") for side in (0, 1))
            wants[row] = begun > ended
        sizes = np.diff(edges, append=edges[-1:])
        ends = np.cumsum(wants * sizes, axis=1)  # (m, E): where each piece ends in each query's line
        for piece in np.flatnonzero(wants.any(axis=0)):
            rows = np.flatnonzero(wants[:, piece]).tolist()
            some = asked[rows]
            first, last = int(edges[piece]), int(edges[piece]) + int(sizes[piece])
            shifts = (ends[rows, piece] - last).tolist()
            for start in range(first, last, ROWS):
                stop = min(start + ROWS, last)
                outs = [lines[row][start + shift : stop + shift] for row, shift in zip(rows, shifts, strict=True)]
                if len(rows) < FEW:
                    for one, out in enumerate(outs):
                        self._multiply(slice(start, stop), some[one : one + 1], out[:, None])
                    continue
                block = np.empty((stop - start, len(rows)), np.float32)
                self._multiply(slice(start, stop), some, block)
                for column, out in enumerate(outs):
                    out[:] = block[:, column]


@dataclass(frozen=True)
class _Asked:
    """Queries (B, d) as the slabs are, and the worth (B,) float32 of 1 in each."""

    queries: Float32 | Codes
    scales: Float32

    def __getitem__(self, rows: slice | list[int] | Int64) -> "_Asked":
        return _Asked(self.queries[rows], self.scales[rows])


def _joined(values: Float32, pieces: list[slice]) -> Float32:
    """What lies in some pieces, one after another."""
    return values[pieces[0]] if len(pieces) == 1 else np.concatenate([values[piece] for piece in pieces])


def _narrow(vectors: Float32, type_: str) -> tuple[Codes, Float32]:
    """Vectors (n, d) as codes (n, d), and the worth of 1 in each row, (n,) float32."""
    if type_ == "bf16":
        bits = np.ascontiguousarray(vectors, np.float32).view(np.uint32)
        even = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)  # half to even
        return even.astype(np.uint16), np.ones(len(vectors), np.float32)
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

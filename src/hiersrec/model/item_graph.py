"""A graph of items: to each item's vector is added a sum over its neighbours', by share.

    mixed_i = kept_i (v_i + weight * sum_j share_ij v_j)

A sum over neighbours is an embedding bag: each item is a bag of its neighbours, each with its share. On a processor
that is six times faster than a product with a sparse matrix, and its gradient is another such sum, the other way. Both
are made for a block of items at a time (row_blocks.py).
"""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from hiersrec.model.autocast import product_dtype
from hiersrec.model.row_blocks import blocks
from hiersrec.types import Float32, Int32


class ItemGraph(nn.Module):
    """Sums over the neighbours of each row, by share, of vectors (rows, d).

    edges: (2, E) int32, a row and its neighbour, and shares: (E,) float32 of the neighbour in that row's sum; both are
    saved with the weights. None is a graph that is empty until it is loaded.
    """

    edges: Tensor
    shares: Tensor

    def __init__(self, rows: int, edges: tuple[Int32, Float32] | None) -> None:
        super().__init__()
        self.rows = rows
        places, shares = edges or (np.empty((2, 0), np.int32), np.empty(0, np.float32))
        self.register_buffer("edges", torch.from_numpy(places))
        self.register_buffer("shares", torch.from_numpy(shares))
        self.register_load_state_dict_pre_hook(_make_room)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_post_hook(_arrange)  # type: ignore[no-untyped-call]
        self.arrange()

    def arrange(self) -> None:
        """Lay the edges out as bags of both directions, which are not saved."""
        for name, (of, other) in {"to": self.edges, "back": self.edges.flip(0)}.items():
            order = of.argsort(stable=True)
            every = torch.arange(1, self.rows + 1, device=of.device, dtype=of.dtype)
            starts = torch.searchsorted(of[order], every, out_int32=True)
            parts = {"items": other[order], "starts": starts, "shares": self.shares[order]}
            for part, value in parts.items():
                self.register_buffer(f"{name}_{part}", value, persistent=False)

    def _bags(self, way: Literal["to", "back"]) -> "Bags":
        return Bags(*(self.get_buffer(f"{way}_{part}") for part in Bags._fields))

    def forward(self, vectors: Tensor) -> Tensor:
        """The sums only, in the dtype of the vectors: (rows, d) -> (rows, d)."""
        return cast("Tensor", _Sum.apply(vectors, self._bags("to"), self._bags("back")))  # type: ignore[no-untyped-call]

    def mixed(self, vectors: Tensor, weight: Tensor, kept: Tensor | None = None) -> Tensor:
        """Vectors (rows, d), a weight () of the sums, and which rows are kept (rows,) bool -> (rows - 1, d).

        Row 0 is padding: it has no neighbours and is none. Items that are not kept become zeros. The sums are made in
        autocast's dtype where that is on.
        """
        to, back = self._bags("to"), self._bags("back")
        return cast("Tensor", _Mixed.apply(vectors, weight, kept, to, back))  # type: ignore[no-untyped-call]

    def part(self, rows: Tensor) -> "Part":
        """What rows (K,) from 0, padding, each there once, need of the graph; no other edge is looked at."""
        items, starts, shares = self._bags("to")
        first, end = starts[(rows - 1).clamp(min=0)].long(), starts[rows].long()
        ends = (end - first).cumsum(0)
        of = torch.arange(len(rows), device=rows.device).repeat_interleave(end - first)  # (E,)
        edges = torch.arange(len(of), device=rows.device) + (end - ends)[of]
        needed, places = torch.unique(torch.cat([rows, items[edges].long()]), return_inverse=True)  # (R,), (K + E,)
        own, other = places[: len(rows)], places[len(rows) :]
        order = other.argsort(stable=True)
        back_starts = torch.searchsorted(other[order], torch.arange(len(needed) + 1, device=rows.device))
        to = (other, functional.pad(ends, (1, 0)), shares[edges])
        return Part(needed, own, to, (of[order], back_starts, shares[edges][order]))


class Bags(NamedTuple):
    """A bag for each row, of E rows in all."""

    items: Tensor
    """(E,) int32 from 1, one bag after another."""
    starts: Tensor
    """(rows,) int32: where each item's bag begins, and where the last one ends."""
    shares: Tensor
    """(E,) float32."""

    def sums(self, vectors: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """The sums of vectors (rows, d) over the bags of a block of items, in the dtype of the vectors."""
        for block in blocks(vectors[1:]):
            starts = self.starts[block.start : block.stop + 1]
            bag = slice(int(starts[0]), int(starts[-1]))
            yield block, _sums(vectors, self.items[bag], starts - bag.start, self.shares[bag])

    def whole(self, vectors: Tensor) -> Tensor:
        """The sums of all rows at once: (rows, d)."""
        return _sums(vectors, self.items, functional.pad(self.starts, (1, 0)), self.shares)


class Part(NamedTuple):
    """Of a graph, K rows and their neighbours."""

    needed: Tensor
    """(R,) int64: the K rows and all of their neighbours, ascending, each once."""
    own: Tensor
    """(K,) int64: where the K are among the R."""
    to: tuple[Tensor, ...]
    """Bags of the neighbours of the K, among the R: items, starts and shares."""
    back: tuple[Tensor, ...]
    """Bags of those of the K that each of the R is a neighbour of."""

    def mixed(self, vectors: Tensor, weight: Tensor) -> Tensor:
        """Of the R vectors (R, d) -> each of the K and `weight` times its sum over its neighbours: (K, d).

        The sums are made in autocast's dtype where that is on.
        """
        bags = (*self.to, *self.back)
        return cast("Tensor", _MixedPart.apply(vectors, weight, self.own, *bags))  # type: ignore[no-untyped-call]


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors: Tensor, to: Bags, back: Bags) -> Tensor:
        ctx.back = back
        return to.whole(vectors)

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        return (ctx.back.whole(outputs[0].contiguous()), None, None)


class _Mixed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors: Tensor, weight: Tensor, kept: Tensor | None, to: Bags, back: Bags) -> Tensor:
        low = vectors.to(product_dtype(vectors, vectors.dtype))
        ctx.save_for_backward(low, weight, kept)
        ctx.back = back
        own, mixed = vectors[1:], torch.empty_like(vectors[1:])
        for block, total in to.sums(low):
            torch.add(own[block], total.to(own.dtype).mul_(weight), out=mixed[block])
            if kept is not None:
                mixed[block].mul_(kept[1:][block, None])
        return mixed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """The sums are linear: <gradient, sums of v> is <sums the other way of the gradient, v>."""
        low, weight, kept = ctx.saved_tensors
        if gradient.is_sparse:  # where only the items of the sessions are read
            gradient = gradient.to_dense()
        of_vectors, masked = torch.empty_like(low, dtype=gradient.dtype), torch.empty_like(low)
        of_vectors[0], masked[0] = 0, 0
        own = of_vectors[1:]
        for block in blocks(gradient):
            torch.mul(gradient[block], 1 if kept is None else kept[1:][block, None], out=own[block])
            masked[1:][block] = own[block]
        of_weight = torch.zeros_like(weight)
        for block, total in ctx.back.sums(masked):
            exact = total.to(own.dtype)
            of_weight += torch.dot(exact.flatten(), low[1:][block].to(own.dtype).flatten())
            own[block] += exact.mul_(weight)
        return of_vectors, of_weight, None, None, None


class _MixedPart(torch.autograd.Function):
    """By hand, since R is many times K: autograd would add two gradients of R rows, one of them mostly zeros."""

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, weight: Tensor, own: Tensor, *bags: Tensor) -> Tensor:
        ctx.dtype = product_dtype(vectors, vectors.dtype)  # autocast is off in a backward pass
        near = _sums(vectors.to(ctx.dtype), *bags[:3]).to(vectors.dtype)  # (K, d)
        ctx.save_for_backward(near, weight, own, *bags[3:])
        return vectors.index_select(0, own) + weight * near

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        near, weight, own, *back = ctx.saved_tensors
        of_vectors = _sums((outputs[0] * weight).to(ctx.dtype), *back).to(near.dtype)
        of_vectors.index_add_(0, own, outputs[0])
        return (of_vectors, (outputs[0] * near).sum(), None, *[None] * 6)


def _sums(vectors: Tensor, items: Tensor, starts: Tensor, shares: Tensor) -> Tensor:
    """Of vectors (R, d), sums over bags of E items by share -> (K, d); starts: (K + 1,)."""
    weights = shares.to(vectors.dtype)
    return functional.embedding_bag(
        items, vectors, starts, mode="sum", per_sample_weights=weights, include_last_offset=True
    )


def _arrange(graph: ItemGraph, _: object) -> None:
    graph.arrange()


def _make_room(graph: ItemGraph, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """Take the size of what is about to be loaded."""
    for name in ("edges", "shares"):
        if prefix + name in state:
            setattr(graph, name, torch.empty_like(state[prefix + name], device=graph.shares.device))

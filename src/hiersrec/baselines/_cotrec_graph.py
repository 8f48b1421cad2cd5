"""COTREC's two graphs: what followed what in training, between items; what is shared, between sessions of a batch.

A sum over neighbours is an embedding bag: each item is a bag of its neighbours, each with its share. On a processor
that is six times faster than a product with a sparse matrix, and its gradient is another such sum, the other way.
"""

from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hiersrec.store.sessions import Sessions


class ItemGraph(nn.Module):
    """Vectors (N, D) -> (N, D): each item's sum over itself and what followed it in training, by share.

    Saved with the weights. Without training sessions it is empty until it is loaded.
    """

    edges: Tensor
    """(2, E) int32: item and what followed it, from 0, sorted."""
    shares: Tensor
    """(E,) float32."""

    def __init__(self, num_items: int, train: Sessions | None) -> None:
        super().__init__()
        self.num_items = num_items
        edges, shares = np.empty((2, 0), np.int32), np.empty(0, np.float32)
        if train is not None:
            edges, shares = _edges(num_items, train)
        self.register_buffer("edges", torch.from_numpy(edges))
        self.register_buffer("shares", torch.from_numpy(shares))
        self.register_load_state_dict_pre_hook(_make_room)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_post_hook(_arrange)  # type: ignore[no-untyped-call]
        self.arrange()

    def arrange(self) -> None:
        """Lay the edges out as bags of both directions, which are not saved."""
        for name, (of, other) in {"to": self.edges, "back": self.edges.flip(0)}.items():
            order = of.argsort(stable=True)
            every = torch.arange(self.num_items + 1, device=of.device, dtype=of.dtype)
            starts = torch.searchsorted(of[order], every, out_int32=True)
            parts = {"items": other[order], "starts": starts, "shares": self.shares[order]}
            for part, value in parts.items():
                self.register_buffer(f"{name}_{part}", value, persistent=False)

    def forward(self, vectors: Tensor) -> Tensor:
        """In the precision of the vectors."""
        bags = [self.get_buffer(f"{way}_{part}") for way in ("to", "back") for part in ("items", "starts", "shares")]
        return cast("Tensor", _Sum.apply(vectors, *bags))  # type: ignore[no-untyped-call]


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors: Tensor, *bags: Tensor) -> Tensor:
        ctx.save_for_backward(*bags[3:])
        return _bags(vectors, *bags[:3])

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        return (_bags(outputs[0].contiguous(), *ctx.saved_tensors), *[None] * 6)


def _bags(vectors: Tensor, items: Tensor, starts: Tensor, shares: Tensor) -> Tensor:
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


def _edges(num_items: int, train: Sessions) -> tuple[np.ndarray, np.ndarray]:
    """Edges (2, E) int32 and shares (E,) float32: times that j followed i, and 1 if j is i, over the sum of j."""
    session = np.repeat(np.arange(len(train)), np.diff(train.offsets))
    items = np.asarray(train.items, np.int64) - 1
    together = session[:-1] == session[1:]
    pairs = items[:-1][together] * num_items + items[1:][together]
    itself = np.arange(num_items) * (num_items + 1)
    found, times = np.unique(np.concatenate([pairs, itself]), return_counts=True)
    edges = np.stack(np.divmod(found, num_items)).astype(np.int32)  # (2, E)
    of_follower = np.bincount(edges[1], times, num_items)
    return edges, (times / of_follower[edges[1]]).astype(np.float32)


def overlap(items: Tensor, lengths: Tensor) -> Tensor:
    """Sessions (B, T), right-padded, and lengths (B,) -> (B, B) float32 whose rows sum to 1.

    Distinct items that two sessions share, over the distinct items of both (Jaccard); 1 for a session and itself.
    """
    size, width = items.shape
    mask = torch.arange(width, device=items.device) < lengths[:, None]  # (B, T)
    place = torch.searchsorted(items.flatten().sort().values, items)  # (B, T): one number an item, below B * T
    holds = torch.zeros(size, size * width, device=items.device).scatter_reduce_(1, place, mask.float(), "amax")
    shared = (holds @ holds.T).float()  # (B, B); whole numbers, exact in bf16 too
    distinct = shared.diagonal()
    likeness = shared / (distinct[:, None] + distinct - shared)
    return likeness / likeness.sum(1, keepdim=True)

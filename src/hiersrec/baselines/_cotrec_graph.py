"""COTREC's two graphs: of items that followed one another in training, and of sessions of a batch that share items."""

import numpy as np
import torch
from torch import Tensor

from hiersrec.store.sessions import Sessions
from hiersrec.types import Float32, Int32


def followers(num_items: int, train: Sessions) -> tuple[Int32, Float32]:
    """Edges (2, E) int32 and weights (E,) float32: how often j followed i, plus 1 if j is i, over the sum for j."""
    session = train.of_events()
    items = np.asarray(train.items, np.int64) - 1
    together = session[:-1] == session[1:]
    pairs = items[:-1][together] * num_items + items[1:][together]
    itself = np.arange(num_items) * (num_items + 1)
    distinct, times = np.unique(np.concatenate([pairs, itself]), return_counts=True)
    edges = np.stack(np.divmod(distinct, num_items)).astype(np.int32)  # (2, E)
    of_follower = np.bincount(edges[1], times, num_items)
    return edges, (times / of_follower[edges[1]]).astype(np.float32)


def overlap(items: Tensor, lengths: Tensor) -> Tensor:
    """Sessions (B, T), right-padded, and lengths (B,) -> (B, B) float32 whose rows sum to 1.

    Distinct items that two sessions share, over the distinct items of both (Jaccard); 1 for a session and itself.
    """
    size, width = items.shape
    mask = torch.arange(width, device=items.device) < lengths[:, None]  # (B, T)
    rank = torch.searchsorted(items.flatten().sort().values, items)  # (B, T): one number per item, below B * T
    holds = torch.zeros(size, size * width, device=items.device).scatter_reduce_(1, rank, mask.float(), "amax")
    shared = (holds @ holds.T).float()  # (B, B); integers, exact in bf16 too
    distinct = shared.diagonal()
    likeness = shared / (distinct[:, None] + distinct - shared)
    return likeness / likeness.sum(1, keepdim=True)

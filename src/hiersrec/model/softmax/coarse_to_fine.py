"""Softmax in two steps, first the category and then the item in it: P(i) = P(c) P(i | c), c being i's category.

    P(c)     = softmax over categories of U state + u
    P(i | c) = softmax over the items of c of the head's scores

Goodman, Classes for Fast Maximum Entropy Training, ICASSP 2001. The two losses add up to that of P(i), and a step reads
the vectors of the categories of its right items alone. c is the node at the finest level of the tree, also where that
is unknown: the items under one known category that have no finer one are a category of their own, and so are all items
without any.
"""

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from hiersrec.errors import BadRecipe
from hiersrec.model.buffers import register_constant
from hiersrec.model.heads import Head
from hiersrec.model.losses import UNLABELLED, cross_entropy, divisor
from hiersrec.model.repeats import Addends
from hiersrec.model.targets import Targets
from hiersrec.model.tasks.item import Config
from hiersrec.store.catalog import Catalog
from hiersrec.types import Int64

SMALL = 2**17
"""Multiplications below which a product stays in float32: one in bf16 takes 50 microseconds whatever its size."""


def build(config: Config, catalog: Catalog, width: int) -> "CoarseToFine":
    """Raises BadRecipe where the catalogue has no categories."""
    del config
    if not catalog.levels:
        raise BadRecipe(
            '[[tasks]] item: softmax = "coarse_to_fine" needs categories, and the dataset has none. Prepare it with '
            '--implicit-categories auto, or use softmax = "sampled".'
        )
    return CoarseToFine(width, catalog.item_nodes[:, -1].astype(np.int64), catalog.levels[-1].num_nodes)


class CoarseToFine(nn.Module):
    """nodes (N + 1,): category of each item, from 1 to num_nodes; entry 0 is padding.

    `coarse` is U, with a row for each node; nodes without items have no probability.
    """

    partial = True

    def __init__(self, width: int, nodes: Int64, num_nodes: int) -> None:
        super().__init__()
        self.coarse = nn.Linear(width, num_nodes)
        order = np.argsort(nodes[1:], kind="stable") + 1
        place = np.zeros(len(nodes), np.int64)
        place[order] = np.arange(len(order))
        filled, first, of_place = np.unique(nodes[order], return_index=True, return_inverse=True)
        # What a step reads is found in numpy: it has a size of its own each time.
        self.order, self.place, self.of_place = order, place, of_place.astype(np.int64)
        self.bounds = np.append(first, len(order))
        register_constant(self, "filled", torch.from_numpy(filled - 1))  # rows of U
        category = np.append(UNLABELLED, self.of_place[place[1:]])  # (N + 1,), among those with items
        register_constant(self, "category", torch.from_numpy(category))
        register_constant(self, "sorted", torch.from_numpy(order))

    def logits(self, head: Head, state: Tensor) -> Tensor:
        """State (B, D) -> (B, N) float32: log P(i), so that their softmax is P itself."""
        scores = functional.linear(head.query(state), head.vectors(), head.biases()).float()
        inside = self._inside(scores[:, self.get_buffer("sorted") - 1])
        coarse = functional.linear(state, *self._coarse()).float().log_softmax(-1)
        return scores + (coarse - inside)[:, self.get_buffer("category")[1:]]

    def loss(self, head: Head, state: Tensor, targets: Targets, addends: Addends | None = None) -> Tensor:
        """Mean of -log P(c) - log P(i | c) over next items (B,) from 1, 0 where none is known -> scalar float32."""
        assert addends is None, "tasks/item.py refuses repeats"
        assert targets.taught is None, "training/teachers.py refuses teachers"
        items = targets.items
        known = np.array(items.tolist(), np.int64)
        rows = np.flatnonzero(known)
        rows = rows[np.argsort(self.of_place[self.place[known[rows]]], kind="stable")]
        places = self.place[known[rows]]
        categories, count = np.unique(self.of_place[places], return_counts=True)
        first, last = self.bounds[categories], self.bounds[categories + 1]
        read = np.concatenate([np.arange(0), *(np.arange(*pair) for pair in zip(first, last, strict=True))])
        slab = torch.from_numpy(self.order[read]).to(state.device)
        column = torch.from_numpy(places - np.repeat(first, count)).to(state.device)
        query = head.query(state)[torch.from_numpy(rows).to(state.device)]
        sizes = list(zip(count.tolist(), (last - first).tolist(), strict=True))
        fine = _Slabs.apply(  # type: ignore[no-untyped-call]
            query, head.vectors(slab), head.biases(slab), column, sizes, 1 / divisor(items > 0)
        )
        return cross_entropy(state, *self._coarse(), self.get_buffer("category")[items]) + cast("Tensor", fine)

    def linear_form(self, head: Head, state: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors (K, D) and biases (K,) with log P(item_k) = vector_k . state + bias_k, at one state (D,).

        A vector is the head's and the category's row of U. A bias holds, beside their biases, the logarithms of the two
        sums of this state by which its probabilities come to 1: no part of the state alone can be said to make those.
        """
        weight, bias = self._coarse()
        category = self.get_buffer("category")[items]
        every = self.get_buffer("sorted")
        inside = self._inside(functional.linear(head.query(state[None]), head.vectors(every), head.biases(every)))[0]
        total = functional.linear(state, weight, bias).logsumexp(-1)
        vectors, biases = head.products(state, items)
        return vectors + weight[category], biases + bias[category] - total - inside[category]

    def _coarse(self) -> tuple[Tensor, Tensor]:
        """Weights (C, D) and biases (C,) of the categories that have items."""
        return self.coarse.weight[self.get_buffer("filled")], self.coarse.bias[self.get_buffer("filled")]

    def _inside(self, scores: Tensor) -> Tensor:
        """Scores (B, N) of the items, category by category -> logsumexp in each category (B, C)."""
        slabs = torch.split(scores.float(), np.diff(self.bounds).tolist(), 1)
        return torch.stack([slab.logsumexp(1) for slab in slabs], 1)


class _Slabs(torch.autograd.Function):
    """Mean cross-entropy of queries (B, d) that stand category by category, each against its category's vectors.

    vectors (K, d) and bias (K,) or None of those categories' items, one slab after another; column (B,) of the right
    item in its slab; sizes: queries and items of each category; share: of a query in the mean, scalar. There are three
    products a category. All else is done on one flat array, the logits of all queries one after another.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        vectors: Tensor,
        bias: Tensor | None,
        column: Tensor,
        sizes: list[tuple[int, int]],
        share: Tensor,
    ) -> Tensor:
        device = query.device
        dtype = torch.get_autocast_dtype(device.type) if torch.is_autocast_enabled(device.type) else torch.float32
        counts, widths = np.array(sizes, np.int64).reshape(-1, 2).T
        width = torch.from_numpy(np.repeat(widths, counts)).to(device)  # (B,)
        flat = torch.empty(int(counts @ widths), device=device)
        for left, right, logits in _slabs(query.float(), vectors, flat, sizes):
            _multiply(left, right.T, logits, dtype)
        if bias is not None:
            for shift, (_, _, logits) in zip(
                torch.split(bias, widths.tolist()), _slabs(query, vectors, flat, sizes), strict=True
            ):
                logits += shift
        at = width.cumsum(0) - width + column  # (B,) flat place of the right item
        at_right = flat[at]
        top = _reduced(flat, "max", width)
        flat.sub_(top.repeat_interleave(width, output_size=len(flat))).exp_()
        total = _reduced(flat, "sum", width)
        flat.div_((total / share).repeat_interleave(width, output_size=len(flat)))
        flat[at] -= share  # d loss / d logits
        ctx.save_for_backward(query, vectors, flat)
        ctx.rest = (dtype, sizes, None if bias is None else bias.dtype)
        return (total.log() + top - at_right).sum() * share

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, factor: Tensor) -> tuple[Tensor | None, ...]:
        query, vectors, flat = ctx.saved_tensors
        dtype, sizes, bias_dtype = ctx.rest
        flat = flat * factor
        to_query, to_vectors = torch.empty_like(query, dtype=torch.float32), torch.empty_like(vectors)
        for (left, right, each), (out_left, out_right, _) in zip(
            _slabs(query.float(), vectors, flat, sizes), _slabs(to_query, to_vectors, flat, sizes), strict=True
        ):
            _multiply(each, right, out_left, dtype)
            _multiply(each.T, left, out_right, dtype)
        bias = None
        if bias_dtype is not None:
            sums = [each.sum(0) for _, _, each in _slabs(query, vectors, flat, sizes)]
            bias = torch.cat([flat[:0], *sums]).to(bias_dtype)
        return to_query.to(query.dtype), to_vectors, bias, None, None, None


def _reduced(flat: Tensor, kind: str, width: Tensor) -> Tensor:
    """Greatest or sum of the logits of each query (B,), which has `width` (B,) of them; torch refuses to have none."""
    return torch.segment_reduce(flat, kind, lengths=width) if len(width) else flat


def _slabs(
    query: Tensor, vectors: Tensor, flat: Tensor, sizes: list[tuple[int, int]]
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Queries (R, d), vectors (S, d) and logits (R, S) of each category."""
    counts, widths = ([size[at] for size in sizes] for at in (0, 1))
    logits = torch.split(flat, [count * width for count, width in sizes])
    for left, right, one in zip(torch.split(query, counts), torch.split(vectors, widths), logits, strict=True):
        yield left, right, one.view(len(left), len(right))


def _multiply(left: Tensor, right: Tensor, out: Tensor, dtype: torch.dtype) -> None:
    """Write left @ right to `out`, in `dtype` where the product is large enough to gain from it."""
    if dtype == torch.float32 or left.shape[0] * left.shape[1] * right.shape[1] < SMALL:
        torch.mm(left, right, out=out)
    else:
        out.copy_(left.to(dtype) @ right.to(dtype))

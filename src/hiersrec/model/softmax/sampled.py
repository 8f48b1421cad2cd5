"""Sampled softmax with the improved logQ correction: a step compares with some drawn items, not with the catalogue.

Khrylchenko et al., Correcting the LogQ Correction, RecSys 2025 (arXiv 2507.09331). The full softmax has the gradient

    grad -log P(p) = (1 - P(p)) * (sum over j != p of P(j | not p) grad s_j  -  grad s_p)

of which only the inner sum is to be estimated: the right item p is no draw, so it takes no correction and no part in
that sum, and the example has the weight 1 - P(p). Let e_j be how often item j is to be expected in the sample. Over the
drawn j != p, the sum of exp(s_j) / e_j is right on average for the sum over all wrong items, and

    loss = log(exp(s_p) + sum of exp(s_j) / e_j) - s_p

has this gradient, with 1 - P(p) and P(j | not p) estimated by that sum; as in the paper, nothing of the weight itself
is derived. Items are drawn with replacement in proportion to (training events + 1)^0.75: 0.75 as in word2vec (Mikolov
et al. 2013), + 1 since an item that nobody clicked is a wrong answer too. One that comes up again counts once, so
e_j = 1 - (1 - q_j)^K, the chance to come up in K draws; the more draws, the closer this is to the full softmax itself.

With `negatives_from = "category"` half of them are drawn so. Of the other half each example draws its share from the
items under the parent of its right item's category: that category and its siblings (in a tree of one level, from the
category). Examples of the same parent share these: for them e_j = 1 - (1 - q_j)^K (1 - r_j)^M, where r_j is the item's
share of the parent's weight and M what they drew from it together.
"""

from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from hiersrec.errors import BadRecipe
from hiersrec.model.buffers import register_constant
from hiersrec.model.heads import Head
from hiersrec.model.losses import divisor
from hiersrec.model.repeats import Addends
from hiersrec.model.targets import Targets
from hiersrec.model.tasks.item import Config
from hiersrec.store.catalog import Catalog
from hiersrec.types import Int64

POWER = 0.75
ROWS = 64
"""Rows of logits in float32 at a time: 2 MB with 8192 negatives, so that they stay in the cache."""


def build(config: Config, catalog: Catalog, width: int) -> "Sampled":
    """Raises BadRecipe for negatives from categories where the catalogue has none."""
    del width
    if config.negatives_from == "all":
        return Sampled(catalog.train_count, np.zeros(catalog.num_items + 1, np.int64), config.negatives, 0)
    if not catalog.levels:
        raise BadRecipe(
            '[[tasks]] item: negatives_from = "category" needs categories, and the dataset has none. Prepare it with '
            '--implicit-categories auto, or use negatives_from = "all".'
        )
    parents = catalog.item_nodes[:, max(0, len(catalog.levels) - 2)].astype(np.int64)
    near = config.negatives // 2
    return Sampled(catalog.train_count, parents, config.negatives - near, near)


class Sample(NamedTuple):
    """C drawn items; one that came up more than once counts in one place alone."""

    items: Tensor
    """(C,) int64, from 1."""
    groups: Tensor
    """(C,) int64: the group of each."""
    own: Tensor
    """(C,) -log e_j for examples whose right item is in j's group, minus infinity where j does not count."""
    other: Tensor
    """(C,) the same for all other examples."""


class Sampled(nn.Module):
    """Draws `shared` items for all examples, and `near` items from their groups, at least one for each example.

    counts (N + 1,): training events of each item. groups (N + 1,): the group of each item; entries 0 are padding.
    """

    partial = True

    def __init__(self, counts: Int64, groups: Int64, shared: int, near: int) -> None:
        super().__init__()
        self.shared, self.near = shared, near
        # Items stand group by group, so that one array of running sums serves draws from all and from one group.
        order = np.argsort(groups[1:], kind="stable") + 1
        place = np.zeros(len(counts), np.int64)
        place[order] = np.arange(len(order))
        _, first, group, size = np.unique(groups[order], return_index=True, return_inverse=True, return_counts=True)
        weight = (counts[order] + 1.0) ** POWER
        end = np.cumsum(weight)
        mass = np.add.reduceat(weight, first)
        # (1 - q)^K goes by its logarithm; a group of one item has r = 1, whose own must stay a number.
        miss, miss_near = (
            np.log1p(-np.minimum(share, 1 - 1e-12)) for share in (weight / end[-1], weight / mass[group])
        )
        arrays = {"order": order, "place": place, "group": group, "first": first, "last": first + size - 1}
        arrays |= {"end": end, "mass": mass, "miss": miss, "miss_near": miss_near}
        for name, array in arrays.items():
            register_constant(self, name, torch.from_numpy(array))

    def logits(self, head: Head, state: Tensor) -> Tensor:
        """State (B, D) -> (B, N): what is trained are the scores of the full softmax."""
        return functional.linear(head.query(state), head.vectors(), head.biases())

    def loss(self, head: Head, state: Tensor, targets: Targets, addends: Addends | None = None) -> Tensor:
        """The estimate above, mean over next items (B,) from 1, 0 where none is known -> scalar float32; draws anew."""
        assert addends is None, "tasks/item.py refuses repeats"
        assert targets.taught is None, "training/teachers.py refuses teachers"
        labelled, items = targets.items > 0, targets.items.clamp(min=1)
        sample, query = self.draw(items), head.query(state)
        right = (query.float() * head.vectors(items).float()).sum(-1)  # (B,)
        if (bias := head.biases(items)) is not None:
            right = right + bias
        groups = self.get_buffer("group")[self.get_buffer("place")[items]]
        found = _Loss.apply(  # type: ignore[no-untyped-call]
            query, head.vectors(sample.items), head.biases(sample.items), right, (items, groups, labelled), sample
        )
        return cast("Tensor", found)

    def linear_form(self, head: Head, state: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """That of the head."""
        return head.products(state, items)

    def draw(self, items: Tensor) -> Sample:
        """A sample for next items (B,), from torch's random state on their device."""
        order, place, group, end = (self.get_buffer(name) for name in ("order", "place", "group", "end"))
        at = torch.rand(self.shared, dtype=end.dtype, device=end.device) * end[-1]
        places = torch.searchsorted(end, at, right=True).clamp(max=len(end) - 1)
        near_draws = torch.zeros_like(self.get_buffer("mass"))  # of each group
        if self.near:
            each = max(1, self.near // len(items))
            asked = group[place[items]].repeat(each)
            first, last, mass = (self.get_buffer(name)[asked] for name in ("first", "last", "mass"))
            at = end[last] - mass * (1 - torch.rand(len(asked), dtype=end.dtype, device=end.device))
            near = torch.searchsorted(end, at, right=True)
            places = torch.cat([places, torch.minimum(torch.maximum(near, first), last)])
            near_draws.index_add_(0, asked, torch.ones_like(mass))
        places, came = places.sort(stable=True)  # of equal places a shared draw comes first
        counts = torch.cat([places[:1] >= 0, places[1:] != places[:-1]])
        groups = group[places]
        miss = self.shared * self.get_buffer("miss")[places]
        miss_own = miss + near_draws[groups] * self.get_buffer("miss_near")[places]
        return Sample(
            order[places], groups, _minus_log(miss_own, counts), _minus_log(miss, counts & (came < self.shared))
        )


def _minus_log(miss: Tensor, counts: Tensor) -> Tensor:
    """-log(1 - exp(miss)) float32, minus infinity where an item does not count."""
    return torch.where(counts, -torch.log(-torch.expm1(miss)), -torch.inf).float()


class _Loss(torch.autograd.Function):
    """Queries (B, d), the sample's vectors (C, d) and biases (C,) or None, scores (B,) of the right items -> loss.

    rows: the right items (B,), their groups (B,), and which of them count (B,).
    As in model/losses.py, logits are made for a few rows at a time and gradients come straight from the probabilities.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        vectors: Tensor,
        bias: Tensor | None,
        right: Tensor,
        rows: tuple[Tensor, Tensor, Tensor],
        sample: Sample,
    ) -> Tensor:
        device = query.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32
        left, columns = query.to(dtype), vectors.to(dtype)
        own, other = (one if bias is None else one + bias for one in (sample.own, sample.other))
        items, groups, labelled = rows
        share = labelled.float() / divisor(labelled)  # (B,), each example's weight in the mean
        residual = torch.empty(len(left), len(columns), dtype=dtype, device=query.device)  # d loss / d logits
        wrong = torch.empty_like(right)  # 1 - P(p), times the share
        loss = torch.zeros((), device=query.device)
        for start in range(0, len(left), ROWS):
            at = slice(start, start + ROWS)
            logits = (left[at] @ columns.T).float()  # (R, C)
            logits += torch.where(groups[at, None] == sample.groups, own, other)
            logits.masked_fill_(items[at, None] == sample.items, -torch.inf)
            top = torch.maximum(logits.amax(1), right[at])  # (R,)
            total = logits.sub_(top[:, None]).exp_().sum(1)
            whole = total + (right[at] - top).exp()
            loss += ((whole.log() + top - right[at]) * share[at]).sum()
            wrong[at] = total / whole * share[at]
            residual[at] = logits.mul_((share[at] / whole)[:, None])
        ctx.save_for_backward(residual, left, columns, wrong)
        ctx.dtypes = (query.dtype, vectors.dtype, None if bias is None else bias.dtype, right.dtype)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, factor: Tensor) -> tuple[Tensor | None, ...]:
        residual, left, columns, wrong = ctx.saved_tensors
        query_dtype, vectors_dtype, bias_dtype, right_dtype = ctx.dtypes
        bias = None if bias_dtype is None else residual.sum(0, dtype=torch.float32).to(bias_dtype) * factor
        return (
            (residual @ columns).to(query_dtype) * factor,
            (residual.T @ left).to(vectors_dtype) * factor,
            bias,
            -wrong.to(right_dtype) * factor,
            None,
            None,
        )

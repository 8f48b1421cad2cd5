"""Sampled softmax with the improved logQ correction: a step compares with some drawn items, not with the catalogue.

Khrylchenko et al., Correcting the LogQ Correction, RecSys 2025 (arXiv 2507.09331). The full softmax has the gradient

    grad -log P(p) = (1 - P(p)) * (sum over j != p of P(j | not p) grad s_j  -  grad s_p)

where only the inner sum has to be estimated: the target p is no draw, so it takes no correction and is not in that sum,
and the example has the weight 1 - P(p). Let e_j be how often item j is to be expected in the sample. Over the drawn
j != p, the sum of exp(s_j) / e_j is right on average for the sum over all other items, and

    loss = log(exp(s_p) + sum of exp(s_j) / e_j) - s_p

has this gradient, with 1 - P(p) and P(j | not p) estimated by that sum; as in the paper, nothing of the weight itself
is derived. Items are drawn with replacement in proportion to (training events + 1)^0.75: 0.75 as in word2vec (Mikolov
et al. 2013), + 1 since an item that nobody clicked is a negative too. One that comes up again counts once, so
e_j = 1 - (1 - q_j)^K, the chance to come up in K draws; the more draws, the closer this is to the full softmax itself.
"""

from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from hiersrec.constraints import equals, excludes, is_set, requires
from hiersrec.model.buffers import register_constant
from hiersrec.model.heads import Head
from hiersrec.model.losses import divisor
from hiersrec.model.score_term import SparseScores
from hiersrec.model.targets import Targets
from hiersrec.model.tasks.item import Config
from hiersrec.store.catalog import Catalog
from hiersrec.types import Int64

POWER = 0.75
ROWS = 64
"""Rows of logits in float32 at a time: 2 MB with 8192 negatives, so that they stay in the cache."""

SAMPLED, UNREAD = equals("tasks.item.softmax", "sampled"), "its steps leave most rows of the item table unread"
CONSTRAINTS = (
    requires(SAMPLED, equals("inputs.neighbours", 0), UNREAD),
    requires(SAMPLED, equals("training.weight_decay", 0), UNREAD),
    excludes(
        SAMPLED,
        is_set("the tasks that read the item task"),
        "its steps do not score all items",
        'Set tasks.item.softmax to "full", or leave item out of their reads.',
    ),
)


def build(config: Config, catalog: Catalog) -> "Sampled":
    """It has no weights."""
    return Sampled(catalog.train_count, config.negatives)


class Sample(NamedTuple):
    """K drawn items; one that came up more than once counts in one place only."""

    items: Tensor
    """(K,) int64, from 1."""
    corrections: Tensor
    """(K,) float32: -log e_j, minus infinity where j does not count."""


class Sampled(nn.Module):
    """Draws `negatives` items at each step. counts (N + 1,): training events of each item; entry 0 is padding."""

    partial = True

    def __init__(self, counts: Int64, negatives: int) -> None:
        super().__init__()
        self.negatives = negatives
        weight = (counts[1:] + 1.0) ** POWER
        end = np.cumsum(weight)
        # (1 - q)^K goes by its logarithm, which must stay a number in a catalogue of one item.
        miss = np.log1p(-np.minimum(weight / end[-1], 1 - 1e-12))
        register_constant(self, "end", torch.from_numpy(end))
        register_constant(self, "miss", torch.from_numpy(miss))

    def loss(self, head: Head, state: Tensor, targets: Targets, sparse: SparseScores | None) -> Tensor:
        """The estimate above, mean over next items (B,) from 1, 0 where none is known -> scalar float32."""
        assert sparse is None, "score terms of positions exclude this softmax"
        assert targets.taught is None, "so do teachers"
        labelled, items = targets.items > 0, targets.items.clamp(min=1)
        sample, query = self.draw(), head.query(state)
        right = (query.float() * head.vectors(items).float()).sum(-1)  # (B,)
        if (bias := head.biases(items)) is not None:
            right = right + bias
        loss = _Loss.apply(  # type: ignore[no-untyped-call]
            query, head.vectors(sample.items), head.biases(sample.items), right, (items, labelled), sample
        )
        return cast("Tensor", loss)

    def draw(self) -> Sample:
        """A sample, from torch's random state on the model's device."""
        end = self.get_buffer("end")
        mass = torch.rand(self.negatives, dtype=end.dtype, device=end.device) * end[-1]
        drawn = torch.searchsorted(end, mass, right=True).clamp(max=len(end) - 1).sort().values
        counts = torch.cat([drawn[:1] >= 0, drawn[1:] != drawn[:-1]])
        expected = -torch.expm1(self.negatives * self.get_buffer("miss")[drawn])  # e_j
        return Sample(drawn + 1, torch.where(counts, -torch.log(expected), -torch.inf).float())


class _Loss(torch.autograd.Function):
    """Queries (B, d), the sample's vectors (K, d) and biases (K,) or None, scores (B,) of the right items -> loss.

    rows: the right items (B,), and which of them count (B,).
    As in model/losses.py, logits are made for a few rows at a time and gradients come straight from the probabilities.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        vectors: Tensor,
        bias: Tensor | None,
        right: Tensor,
        rows: tuple[Tensor, Tensor],
        sample: Sample,
    ) -> Tensor:
        device = query.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32
        left, columns = query.to(dtype), vectors.to(dtype)
        shift = sample.corrections if bias is None else sample.corrections + bias
        items, labelled = rows
        share = labelled.float() / divisor(labelled)  # (B,), each example's weight in the mean
        residual = torch.empty(len(left), len(columns), dtype=dtype, device=query.device)  # d loss / d logits
        wrong = torch.empty_like(right)  # 1 - P(p), times the share
        loss = torch.zeros((), device=query.device)
        for start in range(0, len(left), ROWS):
            block = slice(start, start + ROWS)
            logits = (left[block] @ columns.T).float()  # (R, K)
            logits += shift
            logits.masked_fill_(items[block, None] == sample.items, -torch.inf)
            top = torch.maximum(logits.amax(1), right[block])  # (R,)
            total = logits.sub_(top[:, None]).exp_().sum(1)
            whole = total + (right[block] - top).exp()
            loss += ((whole.log() + top - right[block]) * share[block]).sum()
            wrong[block] = total / whole * share[block]
            residual[block] = logits.mul_((share[block] / whole)[:, None])
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

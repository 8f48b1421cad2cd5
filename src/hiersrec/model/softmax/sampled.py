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

Score terms of positions make items of the session likely, a fifth of all next items of a shop, and no sample that is
drawn for the whole batch would have them. They are few and known, so, like the target, they are no draw either: with S,
the target and the items that such a term adds to,

    sum of exp(s_j) over all j = sum over S of exp(s_j), computed  +  sum over the others, estimated

and a drawn item that is in S does not count. This is a stratified estimate: right on average, as each part is, and it
varies less, as the larger part does not vary at all. What item terms add after training is no part of any loss.
"""

from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from hiersrec.constraints import equals, excludes, is_set, requires
from hiersrec.model.autocast import product_dtype
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
    """K drawn items, ascending; one that came up more than once counts in one place only, the first."""

    items: Tensor
    """(K,) int64, from 1."""
    corrections: Tensor
    """(K,) float32: -log e_j, minus infinity where j does not count."""

    def places(self, rows: Tensor, items: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Where items (M,) of rows (M,) count: the rows, ascending, places, and whether the item is drawn at all."""
        order = rows.argsort(stable=True)
        rows, items = rows[order], items[order]
        place = torch.searchsorted(self.items, items).clamp(max=len(self.items) - 1)
        return rows, place, self.items[place] == items


class Rows(NamedTuple):
    """What the head has of some items."""

    vectors: Tensor
    """(K, d)."""
    biases: Tensor | None
    """(K,)."""

    def take(self, places: Tensor) -> "Rows":
        """Those at some places (M,)."""
        # Not vectors[places]: on several threads the gradient of indexing adds up in no fixed order.
        vectors = functional.embedding(places, self.vectors)
        biases = None if self.biases is None else functional.embedding(places, self.biases[:, None])[:, 0]
        return Rows(vectors, biases)

    def scores(self, queries: Tensor) -> Tensor:
        """Of each, by a query of its own (K, d): (K,) float32."""
        scores = (queries.float() * self.vectors.float()).sum(-1)
        return scores if self.biases is None else scores + self.biases


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
        sample = self.draw()
        items = targets.items.clamp(min=1)
        own = items[:0] if sparse is None else sparse.classes + 1
        known, places = torch.unique(torch.cat([items, own]), return_inverse=True)
        known_rows, drawn = _read(head, [known, sample.items])
        query, target = head.query(state), known_rows.take(places[: len(items)])

        right = exact = target.scores(query)  # (B,): s_p, and the logarithm of the sum over S
        rows = torch.arange(len(items), device=items.device)
        if sparse is not None:
            scores = known_rows.take(places[len(items) :]).scores(functional.embedding(sparse.rows, query))
            is_target = items[sparse.rows] == own  # (M,)
            right = right.index_add(0, sparse.rows, sparse.values * is_target)
            exact = _log_sum(right, sparse.rows, (scores + sparse.values).masked_fill(is_target, -torch.inf))
            rows = torch.cat([rows, sparse.rows])
        labelled = targets.items > 0
        share = labelled.float() / divisor(labelled)  # (B,), each example's weight in the mean
        in_both = sample.places(rows, torch.cat([items, own]))
        loss = _LogSum.apply(query, *drawn, exact, sample.corrections, in_both, share)  # type: ignore[no-untyped-call]
        return cast("Tensor", loss - (share * right).sum())

    def draw(self) -> Sample:
        """A sample, from torch's random state on the model's device."""
        end = self.get_buffer("end")
        mass = torch.rand(self.negatives, dtype=end.dtype, device=end.device) * end[-1]
        drawn = torch.searchsorted(end, mass, right=True).clamp(max=len(end) - 1).sort().values
        counts = torch.cat([drawn[:1] >= 0, drawn[1:] != drawn[:-1]])
        expected = -torch.expm1(self.negatives * self.get_buffer("miss")[drawn])  # e_j
        return Sample(drawn + 1, torch.where(counts, -torch.log(expected), -torch.inf).float())


def _read(head: Head, groups: list[Tensor]) -> list[Rows]:
    """The rows of several groups of items (K,), read together: each reading has gradients that have to be added up."""
    items, sizes = torch.cat(groups), [len(group) for group in groups]
    vectors, biases = torch.split(head.vectors(items), sizes), head.biases(items)
    if biases is None:
        return [Rows(each, None) for each in vectors]
    return [Rows(*each) for each in zip(vectors, torch.split(biases, sizes), strict=True)]


def _log_sum(scores: Tensor, rows: Tensor, others: Tensor) -> Tensor:
    """log(exp(score) + sum of the exp of others (M,) in the score's row): (B,)."""
    top = scores.detach().scatter_reduce(0, rows, others.detach(), "amax")
    return top + (scores - top).exp().index_add(0, rows, (others - top[rows]).exp()).log()


class _LogSum(torch.autograd.Function):
    """sum over B of share * log(exp(exact) + sum over the sample of exp(score + correction)) -> scalar.

    Queries (B, d), the sample's vectors (K, d) and biases (K,) or None, exact (B,), corrections (K,), rows and places
    in the sample and whether they are left out, each (M,), and shares (B,). As in model/losses.py, logits are made for
    a few rows at a time and gradients come straight from the probabilities.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        vectors: Tensor,
        bias: Tensor | None,
        exact: Tensor,
        corrections: Tensor,
        left_out: tuple[Tensor, Tensor, Tensor],
        share: Tensor,
    ) -> Tensor:
        dtype = product_dtype(query)
        left, columns = query.to(dtype), vectors.to(dtype)
        shift = corrections if bias is None else corrections + bias
        residual = torch.empty(len(left), len(columns), dtype=dtype, device=query.device)  # d loss / d logits
        of_exact = torch.empty_like(exact)
        loss = torch.zeros((), device=query.device)
        starts = range(0, len(left), ROWS)
        edges = torch.tensor([*starts, len(left)], device=query.device)
        bounds = torch.searchsorted(left_out[0], edges).tolist()
        for start, first, end in zip(starts, bounds[:-1], bounds[1:], strict=True):
            block = slice(start, start + ROWS)
            logits = (left[block] @ columns.T).float()  # (R, K)
            logits += shift
            place = (left_out[0][first:end] - start, left_out[1][first:end])
            logits[place] = logits[place].masked_fill(left_out[2][first:end], -torch.inf)
            top = torch.maximum(logits.amax(1), exact[block])  # (R,)
            computed = (exact[block] - top).exp()
            whole = logits.sub_(top[:, None]).exp_().sum(1) + computed
            loss += ((whole.log() + top) * share[block]).sum()
            of_exact[block] = computed / whole * share[block]
            residual[block] = logits.mul_((share[block] / whole)[:, None])
        ctx.save_for_backward(residual, left, columns, of_exact)
        ctx.dtypes = (query.dtype, vectors.dtype, None if bias is None else bias.dtype, exact.dtype)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, factor: Tensor) -> tuple[Tensor | None, ...]:
        residual, left, columns, of_exact = ctx.saved_tensors
        query_dtype, vectors_dtype, bias_dtype, exact_dtype = ctx.dtypes
        return (
            (residual @ columns).to(query_dtype) * factor,
            (residual.T @ left).to(vectors_dtype) * factor,
            None if bias_dtype is None else residual.sum(0, dtype=torch.float32).to(bias_dtype) * factor,
            of_exact.to(exact_dtype) * factor,
            *[None] * 3,
        )

"""Soft targets: a part of the target goes to other items than the one that came next.

    target(j) = (1 - share) [j = y] + share * q(j)         q: a distribution over the items

    -sum_j target(j) log P(j) = -log P(y) + share * (s_y - sum_j q(j) s_j)

s are the scores whose softmax is P: the logarithm of its sum is the same for all items, so a soft target adds a
difference of scores to the cross-entropy. That needs one vector an example, the mean of the items' under q, and not all
scores again.

A soft target is one file in soft_targets/, which has Config and CONSTRAINTS as a score term has (score_term.py), and
build(config, catalog) -> a module that says what q expects, or None where the settings turn it off. As that needs the
vectors of all items, its CONSTRAINTS require the full softmax.
"""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from hiersrec.model.losses import divisor
from hiersrec.model.score_term import SparseScores
from hiersrec.model.targets import Targets


@dataclass(frozen=True)
class Expected:
    """What B examples expect of the items under q."""

    share: float
    """Of the target that goes to q, from 0 to 1."""
    vector: Tensor
    """(B, d) float32: the mean vector of the items."""
    bias: Tensor | None
    """(B,) float32: their mean bias; None where the head has none."""
    of_sparse: Tensor | None
    """(M,) float32: q of the item of each sparse score; None where there are none."""


class SoftTarget(Protocol):
    """What every file of soft_targets/ builds, a torch module."""

    def __call__(
        self, targets: Targets, vectors: Tensor, biases: Tensor | None, sparse: SparseScores | None
    ) -> Expected:
        """For vectors (N, d), biases (N,) or None, and M sparse scores."""


def soft_loss(
    expected: Expected,
    targets: Targets,
    query: Tensor,
    vectors: Tensor,
    biases: Tensor | None,
    sparse: SparseScores | None,
) -> Tensor:
    """Mean over the examples with a label of share * (s_y - what is expected of s) -> scalar float32.

    Queries (B, d), vectors (B, d) and biases (B,) or None of the targets; M sparse scores that some logits have in
    addition.
    """
    labelled, classes = targets.items > 0, (targets.items - 1).clamp(min=0)
    weight = expected.share * labelled.float() / divisor(labelled)  # (B,)
    difference = vectors.float() - expected.vector  # (B, d)
    loss = (weight * (query.float() * difference).sum(-1)).sum()
    if biases is not None:
        assert expected.bias is not None, "a head with biases expects one"
        loss = loss + (weight * (biases.float() - expected.bias)).sum()
    if sparse is not None:
        assert expected.of_sparse is not None, "sparse scores expect some of each"
        part = (classes[sparse.rows] == sparse.classes).float() - expected.of_sparse
        loss = loss + (weight[sparse.rows] * part * sparse.values).sum()
    return loss

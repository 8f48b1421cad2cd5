"""Labels that are shared out: a part of the right answer goes to other items than the one that came.

    target(j) = (1 - share) [j = y] + share * q(j)         q: a distribution over the items

    -sum_j target(j) log P(j) = -log P(y) + share * (s_y - sum_j q(j) s_j)

s are the scores whose softmax is P: the logarithm of its sum is the same for all items, so what is shared out adds a
difference of scores to the cross-entropy. That asks for one vector an example, the mean of the items' under q, and not
for all scores again. smoothing.py and distillation.py say what q is.
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from hiersrec.model.losses import divisor
from hiersrec.model.repeats import Addends


@dataclass(frozen=True)
class Expected:
    """What B examples expect of the items under q."""

    vector: Tensor
    """(B, d) float32: their mean vector."""
    bias: Tensor | None
    """(B,) float32: their mean bias; None where the head has none."""
    of_addends: Tensor | None
    """(M,) float32: q of the item of each addend; None where there are none."""


def shared_out(
    share: float,
    query: Tensor,
    vectors: Tensor,
    biases: Tensor | None,
    items: Tensor,
    addends: Addends | None,
    expected: Expected,
) -> Tensor:
    """Mean over the examples with a label of share * (s_y - what is expected of s) -> scalar float32.

    Queries (B, d), vectors (N, d), biases (N,) or None; next items (B,) from 1, 0 where none is known; addends: M
    numbers that some scores have besides.
    """
    labelled, places = items > 0, (items - 1).clamp(min=0)
    weight = share * labelled.float() / divisor(labelled)  # (B,)
    # Not vectors[places]: on several threads the gradient of indexing adds up in no fixed order.
    apart = functional.embedding(places, vectors.float()) - expected.vector  # (B, d)
    found = (weight * (query.float() * apart).sum(-1)).sum()
    if biases is not None:
        assert expected.bias is not None, "who has biases expects one"
        right = functional.embedding(places, biases.float()[:, None])[:, 0]
        found = found + (weight * (right - expected.bias)).sum()
    if addends is not None:
        assert expected.of_addends is not None, "who has addends expects some of each"
        part = (places[addends.rows] == addends.classes).float() - expected.of_addends
        found = found + (weight[addends.rows] * part * addends.values).sum()
    return found

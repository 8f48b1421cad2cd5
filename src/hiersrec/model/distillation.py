"""Distillation: a share of the right answer goes to what teachers, trained before, hold likely.

    target(j) = (1 - share) [j = y] + share * mean over the teachers of P_teacher(j)

A click picks one item of many that would have done, and teachers say which. Hinton, Vinyals and Dean, Distilling the
Knowledge in a Neural Network, 2015, at temperature 1; of a teacher like the student: Furlanello et al., Born-Again
Neural Networks, ICML 2018.
"""

from torch import Tensor

from hiersrec.model.repeats import Addends
from hiersrec.model.soft_labels import Expected, shared_out
from hiersrec.model.targets import Taught


def distilled(
    taught: Taught, query: Tensor, vectors: Tensor, biases: Tensor | None, items: Tensor, addends: Addends | None
) -> Tensor:
    """Mean over the examples with a label of share * (s_y - the teachers' mean of s) -> scalar float32.

    What it is given beside `taught` is that of soft_labels.shared_out.
    """
    probs = taught.probs  # (B, N)
    expected = Expected(
        vector=(probs @ vectors.to(probs.dtype)).float(),
        bias=None if biases is None else (probs @ biases.to(probs.dtype)).float(),
        of_addends=None if addends is None else probs[addends.rows, addends.classes].float(),
    )
    return shared_out(taught.share, query, vectors, biases, items, addends, expected)

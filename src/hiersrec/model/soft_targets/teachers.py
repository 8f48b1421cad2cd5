"""Distillation: a share of the target goes to what teachers, trained before, predict.

    q(j) = mean over the teachers of P_teacher(j)

A click picks one item of many that would have done, and teachers say which. Hinton, Vinyals and Dean, Distilling the
Knowledge in a Neural Network, 2015, at temperature 1; of a teacher like the student: Furlanello et al., Born-Again
Neural Networks, ICML 2018. The settings are [training] teachers and teachers_share; training/teachers.py asks the
teachers at each step.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from hiersrec.constraints import equals, is_set, requires
from hiersrec.model.score_term import SparseScores
from hiersrec.model.soft_target import Expected
from hiersrec.model.targets import Targets
from hiersrec.store.catalog import Catalog


@dataclass(frozen=True, kw_only=True)
class Config:
    """No settings of [[tasks]] item."""


CONSTRAINTS = (
    requires(
        is_set("training.teachers"),
        equals("tasks.item.softmax", "full"),
        "teachers predict all items, and the loss of the others scores drawn items only",
    ),
)


def build(config: Config, catalog: Catalog) -> "Distillation":
    """It is always there, and says nothing of batches without teachers."""
    del config, catalog
    return Distillation()


class Distillation(nn.Module):
    """A SoftTarget."""

    def forward(
        self, targets: Targets, vectors: Tensor, biases: Tensor | None, sparse: SparseScores | None
    ) -> Expected | None:
        if targets.taught is None:
            return None
        probs = targets.taught.probs  # (B, N)
        return Expected(
            share=targets.taught.share,
            vector=(probs @ vectors.to(probs.dtype)).float(),
            bias=None if biases is None else (probs @ biases.to(probs.dtype)).float(),
            of_sparse=None if sparse is None else probs[sparse.rows, sparse.classes].float(),
        )

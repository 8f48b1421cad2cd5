"""Contracts of the members of registries, as functions: a test of a plug-in is three lines.

    from hiersrec.testing import check_encoder

    def test_my_encoder() -> None:
        check_encoder("my_encoder")

The name is one of an entry point, or a module "package.module". A check raises AssertionError, and says which promise
is broken. Hiersrec's own members are tested by the same functions. They need PyTorch, and no test runner.
"""

from hiersrec.testing.baselines import check_baseline
from hiersrec.testing.encoders import check_encoder
from hiersrec.testing.metadata import check_metadata
from hiersrec.testing.metrics import check_metric
from hiersrec.testing.recipes import check_recipe
from hiersrec.testing.score_terms import check_score_term
from hiersrec.testing.soft_targets import check_soft_target
from hiersrec.testing.softmaxes import check_softmax
from hiersrec.testing.tasks import check_task

__all__ = [
    "check_baseline",
    "check_encoder",
    "check_metadata",
    "check_metric",
    "check_recipe",
    "check_score_term",
    "check_soft_target",
    "check_softmax",
    "check_task",
]

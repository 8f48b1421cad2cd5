"""Every scorer of the package, fitted on the toy shop, for the contract tests.

A member is found by walking the registry and the recipes, so a new file in baselines/ or recipes/ is tested the moment
it exists.
"""

from functools import cache

from hiersrec import registry
from hiersrec.testing.scorers import FittedScorer, counted, shop
from hiersrec.types import Scorer
from tests.contracts.models import models


@cache
def members() -> dict[str, FittedScorer]:
    names = [name for name in registry.names("baselines") if hasattr(registry.load("baselines", name), "fit")]
    return {made.name: made for made in [*map(counted, names), *models()]}


@cache
def fitted(name: str) -> Scorer:
    scorer: Scorer = members()[name].fit(shop().data)
    return scorer

"""Every scorer of the house, fitted on the toy shop, for the contract tests.

A member is found by walking the registry and the recipes, so a new file in baselines/ or recipes/ is tested the moment
it exists.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from hiersrec import registry
from hiersrec.store.catalog import Catalog
from hiersrec.store.dataset import TrainingData
from hiersrec.types import Scorer
from tests.contracts.models import models
from tests.toy import Toy, toy


@dataclass(frozen=True)
class Member:
    """One scorer: `fit` makes it, `reload` makes it again from what would be saved of it."""

    name: str
    fit: Callable[[TrainingData], Any]
    reload: Callable[[Any, Catalog], Scorer]


@cache
def shop() -> Toy:
    return toy()


@cache
def members() -> dict[str, Member]:
    counted = [name for name in registry.names("baselines") if hasattr(registry.load("baselines", name), "fit")]
    found = [*map(_baseline, counted), *(Member(*one) for one in models())]
    return {one.name: one for one in found}


@cache
def fitted(name: str) -> Scorer:
    scorer: Scorer = members()[name].fit(shop().data)
    return scorer


def _baseline(name: str) -> Member:
    module = registry.load("baselines", name)
    config = module.Config()
    return Member(
        name,
        lambda data: module.fit(config, data),
        lambda scorer, catalog: module.load(config, catalog, scorer.state()),
    )

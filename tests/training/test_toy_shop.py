"""The shop whose next items are known: the model must predict them, and popularity can't. And its reasons name the rule
where the category rules what comes next.
"""

import dataclasses

import numpy as np
import pytest
import torch

from hiersrec import registry
from hiersrec.build import build_model
from hiersrec.config import Training
from hiersrec.evaluation.evaluate import evaluate
from hiersrec.model.scorer import ModelScorer
from hiersrec.store.batches import whole_sessions
from hiersrec.store.dataset import TrainingData
from hiersrec.training import loop
from hiersrec.training.progress import SilentReporter
from tests.model.world import PAPER, recipe
from tests.toy import PER_SHELF, SHELVES, catalog, stored, toy

pytestmark = pytest.mark.slow

SETTINGS = Training(batch_size=128, learning_rate=1e-2, schedule="linear", epochs=8, precision="float32")


SAMPLED = ["tasks.item.softmax=sampled", "tasks.item.negatives=32"]
CASES = {
    "default": [],
    "paper": PAPER,
    "sampled": SAMPLED,
}


@pytest.mark.parametrize("overrides", CASES.values(), ids=CASES)
def test_the_hierarchical_model_learns_the_shop_and_popularity_does_not(tmp_path, overrides) -> None:
    data, test = toy()
    torch.manual_seed(0)
    made = build_model(recipe("inputs.item_width=16", *overrides), data.catalog)

    loop.fit(made, data, SETTINGS, tmp_path, SilentReporter())

    metrics = evaluate(ModelScorer(made), data.catalog, test).metrics
    popularity = registry.load("baselines", "popularity")
    floor = evaluate(popularity.fit(popularity.Config(), data), data.catalog, test).metrics
    assert metrics["mrr@20"] > 0.95
    assert metrics["hits@20"] > 0.99
    assert metrics["category_1/mrr@20"] > 0.99
    assert metrics["category_2/mrr@20"] > 0.98
    assert floor["mrr@20"] < 0.2


def from_shelf_to_shelf(number: int, seed: int) -> list[list[int]]:
    """Sessions that go from shelf to shelf in a circle, as in the toy shop, but to any item of the next shelf."""
    random = np.random.default_rng(seed)
    sessions = []
    for _ in range(number):
        shelves = (random.integers(len(SHELVES)) + np.arange(random.integers(3, 8))) % len(SHELVES)
        sessions.append((shelves * PER_SHELF + random.integers(PER_SHELF, size=len(shelves)) + 1).tolist())
    return sessions


def test_the_category_that_rules_has_the_greatest_positive_part(tmp_path) -> None:
    sessions = from_shelf_to_shelf(300, 0)
    data = TrainingData(catalog(sessions), stored(sessions), stored(from_shelf_to_shelf(30, 1)))
    torch.manual_seed(1)
    made = build_model(recipe("inputs.item_width=16", "tasks.item.head=linear"), data.catalog)

    loop.fit(made, data, dataclasses.replace(SETTINGS, epochs=6), tmp_path, SilentReporter())

    scorer, ruled = ModelScorer(made), []
    for session in from_shelf_to_shelf(30, 2):
        batch = whole_sessions([session[:-1]], 10)
        best = scorer.score(batch).items[:, 1:].argmax(axis=1).astype(np.int32) + 1
        added = next(part.by_class[0] for part in scorer.explain(batch, best) if part.source == "category_2")
        ruled.append(added.argmax() == (session[-1] - 1) // PER_SHELF and added.max() > 0)
    assert np.mean(ruled) > 0.95

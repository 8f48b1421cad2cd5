"""The shop whose next items are known: the model must predict them, and popularity can't."""

import pytest
import torch

from hiersrec import registry
from hiersrec.build import build_model
from hiersrec.config import Training
from hiersrec.evaluation.evaluate import evaluate
from hiersrec.model.scorer import ModelScorer
from hiersrec.training import loop
from hiersrec.training.progress import SilentReporter
from tests.model.world import PAPER, recipe
from tests.toy import toy

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

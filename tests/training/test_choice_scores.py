"""MRR@20 with any numbers, from one look at the validation sessions; the twin scores everything again for each."""

import numpy as np
import pytest
import torch

from hiersrec.build import open_run
from hiersrec.evaluation.evaluate import evaluate
from hiersrec.model.score_term import Choice
from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.retrieval import order
from hiersrec.store.batches import batch_of
from hiersrec.store.sessions import Prefixes, Sessions
from hiersrec.training.choice_scores import choice_scores
from hiersrec.training.fit import train
from hiersrec.training.progress import SilentReporter
from hiersrec.types import Scores
from tests.model.world import TINY, catalog


def silent(done: int, total: int) -> None:
    """No bar."""


def choice(number: torch.Tensor) -> Choice:
    return Choice(number, "fit", 0.5, 3.0, signed=True, key="a.key")


class Whole:
    """Scores are small whole numbers, so that many tie; two numbers move the scores of some items, a third of none."""

    scores_are_logits = True
    max_length = 10

    def __init__(self, num_items: int) -> None:
        random = np.random.default_rng(0)
        self.numbers = [torch.tensor(7.0), torch.tensor(7.0), torch.tensor(7.0)]
        self.base = random.integers(-5, 5, (num_items + 1, num_items + 1)).astype(np.float32)
        self.base[:, 0] = -np.inf
        self.units = random.integers(-2, 4, (2, *self.base.shape)) * (random.random((2, *self.base.shape)) < 0.3)

    def score(self, batch) -> Scores:
        newest = batch.items[np.arange(len(batch)), batch.lengths - 1]
        moved = sum(number.item() * unit for number, unit in zip(self.numbers, self.units, strict=False))
        return Scores((self.base + moved)[newest].astype(np.float32), {})


def sessions_of(num_items: int, unknown: bool) -> Sessions:
    random = np.random.default_rng(1)
    items = random.integers(1, num_items + 1, 4 * 50).astype(np.int32)
    if unknown:
        items[3::8] = -1  # never seen in training
    return Sessions(items, np.arange(0, len(items) + 1, 4))


@pytest.mark.parametrize("few", [False, True], ids=["many items", "fewer items than 20"])
@pytest.mark.parametrize("unknown", [False, True], ids=["all known", "some unknown"])
@pytest.mark.parametrize("numbers", [(0, 0, 0), (1, 0, 5), (0, 1, 0), (2, 3, 0), (-1, 0.5, 0)])
def test_it_is_what_ranking_all_items_gives(dataset, numbers, unknown, few) -> None:
    shop = catalog() if few else dataset.training().catalog
    assert (shop.num_items < 20) == few
    scorer, sessions = Whole(shop.num_items), sessions_of(shop.num_items, unknown)
    found = choice_scores(scorer, shop, sessions, [choice(number) for number in scorer.numbers], silent)
    assert [number.item() for number in scorer.numbers] == [0, 0, 0]

    lines = scorer.base + numbers[0] * scorer.units[0] + numbers[1] * scorer.units[1]  # the third moves nothing
    prefixes, values, moved = Prefixes.of(sessions), [], 0
    for row in range(len(prefixes)):
        newest = batch_of(prefixes, np.array([row]), 10).items[0, -1]
        target = prefixes.targets(np.array([row]))
        moved += scorer.units.any(axis=0)[newest].sum()
        rank = order.ranks(lines[newest].astype(np.float32)[None], target).pessimistic[0]
        values.append(1 / rank if 0 < rank <= 20 else 0)
    assert found.mrr(numbers) == pytest.approx(np.mean(values), rel=1e-12)
    assert 0.02 < np.mean(values) < 0.5
    assert 0 < len(found.rows) < 0.9 * moved, "what can make no difference is not kept"


@pytest.mark.slow
def test_of_a_model_it_is_what_evaluation_says(dataset, tmp_path) -> None:
    settings = [*TINY, "training.precision=float32", "training.epochs=2", "training.batch_size=256"]
    terms = ["tasks.item.repeats=true", "tasks.item.repeats_offset=0.5", "tasks.item.cooccurrence=0.2"]
    train(dataset, read_recipe(find_recipe("hiersrec", "toy"), [*settings, *terms]), tmp_path / "run", SilentReporter())
    scorer, data = open_run(tmp_path / "run").scorer, dataset.training()
    repeats, cooccurrence = scorer.model.repeats.choice, scorer.model.cooccurrence.choice
    found = choice_scores(scorer, data.catalog, data.valid, [repeats, cooccurrence], silent)
    values = []
    for numbers in [(0.0, 0.0), (0.5, 0.2), (-3.0, 1.0), (2.0, 0.5)]:
        repeats.number.fill_(numbers[0])
        cooccurrence.number.fill_(numbers[1])
        values.append(evaluate(scorer, data.catalog, data.valid).metrics["mrr@20"])
        assert found.mrr(numbers) == pytest.approx(values[-1], rel=1e-9), numbers
    assert len(set(values)) == 4

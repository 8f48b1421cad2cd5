"""A new score term is one file and one line of a recipe: everything else finds it."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from hiersrec import Recommender, registry
from hiersrec.add_items import add_items
from hiersrec.build import open_run
from hiersrec.evaluate_run import evaluate_run
from hiersrec.export_run import export
from hiersrec.http.app import Holder, ServiceSettings, make_app
from hiersrec.http.model import open_model
from hiersrec.model import score_terms
from hiersrec.recipe_file import find_recipe, read_recipe, write_recipe
from hiersrec.store.batches import whole_sessions
from hiersrec.store.dataset import Dataset
from hiersrec.training.fit import train
from hiersrec.training.progress import SilentReporter
from tests.bundles import SMALL, tiny_run
from tests.toy import DEPARTMENTS, item_id, walks

pytestmark = pytest.mark.slow

TERMS = {
    # A constant bonus for the items of one category.
    "category_bonus": """
from dataclasses import dataclass

import torch

from hiersrec.model.buffers import register_constant
from hiersrec.model.score_term import ItemTerm


@dataclass(frozen=True, kw_only=True)
class Config:
    category_bonus: float = 0.0


def build(config, catalog, width, max_length, train):
    if not config.category_bonus:
        return None
    return CategoryBonus(torch.from_numpy(catalog.item_nodes[1:, 0] == 1) * config.category_bonus)


class CategoryBonus(ItemTerm):
    label = "on sale"

    def __init__(self, values):
        super().__init__()
        register_constant(self, "values", values)

    def forward(self):
        return self.get_buffer("values")
""",
    # What each position adds follows from how long ago it was, by a learnt slope.
    "recency": """
from dataclasses import dataclass

import torch
from torch import nn

from hiersrec.model.score_term import PositionTerm


@dataclass(frozen=True, kw_only=True)
class Config:
    recency: bool = False


def build(config, catalog, width, max_length, train):
    return Recency(max_length) if config.recency else None


class Recency(PositionTerm):
    label = "recency"
    position_rows = ("slope",)

    def __init__(self, max_length):
        super().__init__()
        self.slope = nn.Parameter(torch.linspace(1, 0, max_length))

    def forward(self, states, newest, finals):
        distance = (newest[..., None] - torch.arange(states.shape[1], device=states.device)).clamp(min=0)
        return nn.functional.embedding(distance, self.slope[:, None])[..., 0]
""",
}
LINES = ("tasks.item.category_bonus=2.5", "tasks.item.recency=true")
SESSIONS = [[item_id(item) for item in walk] for walk in walks(30, 7)]


@pytest.fixture(scope="module")
def terms(tmp_path_factory):
    """The files, in a folder of their own that the registry folder is told of."""
    folder = tmp_path_factory.mktemp("score_terms")
    for name, text in TERMS.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(score_terms, "__path__", [*score_terms.__path__, str(folder)])
        yield
    for name in TERMS:
        sys.modules.pop(f"hiersrec.model.score_terms.{name}", None)
        vars(score_terms).pop(name, None)


@pytest.fixture(scope="module")
def run(terms, tmp_path_factory) -> Path:
    del terms
    settings = ("tasks.item.vectors=id+metadata", *LINES)
    return tiny_run(tmp_path_factory.mktemp("run"), settings=settings)


@pytest.fixture(scope="module")
def bundle(run) -> Path:
    export(run, run.parent / "bundle", lambda _: None)
    return run.parent / "bundle"


def on_sale(folder: Path) -> np.ndarray:
    """(N,) bool"""
    return open_run(folder).catalog.item_nodes[1:, 0] == 1


@pytest.mark.usefixtures("terms")
def test_the_registry_and_recipes_know_it() -> None:
    assert set(TERMS) <= set(registry.names("model.score_terms"))
    recipe = read_recipe(find_recipe("best", "any"), LINES)

    assert "category_bonus = 2.5\n" in write_recipe(recipe)
    assert recipe.task("item").config.score_terms["recency"].recency


def test_scores_have_it(run) -> None:
    scorer = open_run(run).scorer
    model = scorer.model
    session = open_run(run).catalog.to_internal(SESSIONS[0])[None]
    batch = whole_sessions(session.tolist(), 10)

    scores = scorer.score(batch).items
    model.item_terms["category_bonus"]().zero_()
    plain = scorer.score(batch).items

    np.testing.assert_allclose(scores[0, 1:] - plain[0, 1:], 2.5 * on_sale(run), atol=1e-5)


def test_training_moves_its_weights(run) -> None:
    slope = open_run(run).scorer.model.position_terms["recency"].slope.detach().numpy()

    assert not np.allclose(slope, np.linspace(1, 0, len(slope)))


def test_it_is_evaluated_and_told_as_a_reason(run, bundle) -> None:
    assert evaluate_run(run)["metrics"]["mrr@20"] > 0
    for folder in (run, bundle):
        for answer in Recommender.load(folder).recommend(SESSIONS, 10, explain=True):
            for item in answer.items:
                parts = {reason.source: reason.value for reason in item.reasons}
                assert sum(parts.values()) == pytest.approx(item.score, abs=1e-4)
                # 2.5 or 0, against the average item, and half of them are in that department
                assert parts["on sale"] == (1.25 if item.category_path[0] == DEPARTMENTS[0] else -1.25)
            listed = {item.item_id: item for item in answer.items}
            last = listed.get(answer.session[-1].item_id)
            assert last is None or {reason.source: reason.value for reason in last.reasons}["recency"] != 0


def test_a_bundle_and_the_service_answer_alike(run, bundle) -> None:
    document = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    assert document["terms"] == {
        "constants": {"explain/category_bonus.npy": "on sale"},
        "positions": {"recency": "recency"},
        "pairs": {},
    }
    expected = Recommender.load(run).recommend(SESSIONS, 10)
    for answer, other in zip(Recommender.load(bundle).recommend(SESSIONS, 10), expected, strict=True):
        assert [item.item_id for item in answer.items] == [item.item_id for item in other.items]
        assert [item.score for item in answer.items] == pytest.approx([item.score for item in other.items], abs=1e-4)
    with TestClient(make_app(Holder(open_model(bundle)), ServiceSettings())) as client:
        answer = client.post("/v1/recommend", json={"session": SESSIONS[0], "k": 10, "explain": True}).json()
    assert [item["item_id"] for item in answer["items"]] == [item.item_id for item in expected[0].items]
    assert "on sale" in [reason["source"] for reason in answer["items"][0]["reasons"]]


def test_new_items_have_it(run, tmp_path) -> None:
    rows = [f"new{n},{DEPARTMENTS[n]},,new item {n},\n" for n in range(2)]
    (tmp_path / "new.csv").write_text("item_id,category_1,category_2,title,colour\n" + "".join(rows), encoding="utf-8")

    add_items(run, tmp_path / "new.csv", tmp_path / "larger", lambda _: None)

    [answer] = Recommender.load(tmp_path / "larger").recommend(SESSIONS[:1], 1000, explain=True)
    bonus = {item.item_id: {one.source: one.value for one in item.reasons}["on sale"] for item in answer.items}
    assert (bonus["new0"], bonus["new1"]) == (1.25, -1.25)  # of 2.5 and 0, the mean of the larger catalogue being 1.25


def test_a_warm_start_carries_it(run, tmp_path) -> None:
    dataset = Dataset.open(run.parent / "data")
    settings = [*SMALL, "tasks.item.vectors=id+metadata", *LINES, "training.epochs=1", "training.learning_rate=1e-9"]
    longer = read_recipe(find_recipe("hiersrec", "toy"), [*settings, "encoder.max_length=12"])

    train(dataset, longer, tmp_path / "run", SilentReporter(), init_from=run)

    before, after = (
        open_run(folder).scorer.model.position_terms["recency"].slope.detach() for folder in (run, tmp_path / "run")
    )
    np.testing.assert_allclose(after[: len(before)], before, atol=1e-6)
    assert len(after) == 12

"""`hiersrec compare` on runs that were really trained and evaluated."""

import json

import pytest

from hiersrec.evaluate_run import evaluate_run
from hiersrec.preparation.pipeline import prepare
from hiersrec.preparation.settings import PrepareSettings, SplitSettings
from hiersrec.preparation.source import Source
from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.store.dataset import Dataset
from hiersrec.training.fit import train
from hiersrec.training.progress import SilentReporter
from tests.shop import write_shop

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    shop = write_shop(tmp_path_factory.mktemp("shop"))
    settings = PrepareSettings(split=SplitSettings(method="last_days", value=5))
    prepare(Source("shop", shop / "events.csv", shop / "items.csv"), shop / "data", settings, say=lambda _: None)
    dataset = Dataset.open(shop / "data")
    for name in ("cooccurrence", "last_category", "popularity"):
        train(dataset, read_recipe(find_recipe(name, "shop")), shop / name, SilentReporter())
    for name in ("cooccurrence", "last_category"):
        evaluate_run(shop / name)
    return shop


def test_the_table_and_the_files_say_what_evaluate_said(hiersrec, runs) -> None:
    both = [runs / "cooccurrence", runs / "last_category"]
    out = runs / "out"

    shown = hiersrec("compare", *both, "--bootstrap", 200, "--out", out)
    printed = hiersrec("compare", *both, "--bootstrap", 200, "--json")

    assert (shown.code, printed.code) == (0, 0), shown.err + printed.err
    document = json.loads(printed.out)
    assert document == json.loads((out / "compare.json").read_text(encoding="utf-8"))
    assert sorted(path.name for path in out.iterdir()) == [
        f"compare.{end}" for end in ("json", "md", "png", "svg", "tex")
    ]
    for folder, system in zip(both, document["systems"], strict=True):
        said = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["metrics"]
        for metric in ("mrr@20", "hits@20", "recall@20"):
            assert system["metrics"][metric]["mean"] == pytest.approx(said[metric])
            assert f"{100 * said[metric]:.2f}" in shown.out
    before = {path: path.read_bytes() for path in out.iterdir()}
    assert hiersrec("compare", *both, "--bootstrap", 200, "--out", out).code == 0
    assert {path: path.read_bytes() for path in out.iterdir()} == before


def test_options_reach_the_document(hiersrec, runs) -> None:
    words = ["--metrics", "hits@20,any_hit@20", "--bootstrap", 300, "--seed", 5]

    made = hiersrec("compare", runs / "cooccurrence", runs / "last_category", *words, "--json")

    assert json.loads(made.out)["settings"] == {
        "metrics": ["hits@20", "any_hit@20"],
        "bootstrap": 300,
        "seed": 5,
        "level": 0.95,
    }


def test_mistakes_end_with_one_line_and_no_files(hiersrec, runs) -> None:
    out = runs / "none"
    for words, message in (
        (
            ["popularity"],
            f"is not evaluated yet: it has no metrics.json. Run `hiersrec evaluate {runs / 'popularity'}`.",
        ),
        (["last_category", "--metrics", "category_1/mrr@20"], "has no metric 'category_1/mrr@20'."),
        (["cooccurrence"], "is named 2 times. Name each run once."),
    ):
        name, *rest = words
        made = hiersrec("compare", runs / "cooccurrence", runs / name, *rest, "--out", out)

        assert made.code == 2
        assert made.err.startswith("Error: ")
        assert message in made.err
        assert not out.exists()

"""The whole way, from files to lists, and the promise that what is measured is what is served."""

from pathlib import Path
from typing import Any

import pytest

from hiersrec.build import LoadedRun, open_run
from hiersrec.errors import BadInput
from hiersrec.evaluation.evaluate import EvaluationOptions, evaluate
from hiersrec.preparation.pipeline import prepare
from hiersrec.preparation.settings import PrepareSettings, SplitSettings
from hiersrec.preparation.source import Source
from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.retrieval.candidates import ALL, Candidates
from hiersrec.retrieval.ranking import FullRanker
from hiersrec.serving.answers import Recommendations
from hiersrec.serving.recommender import Recommender
from hiersrec.store.dataset import Dataset
from hiersrec.training.fit import train
from hiersrec.training.progress import SilentReporter
from tests.shop import TINY, write_shop

pytestmark = pytest.mark.slow

RECIPES = ["hiersrec", "popularity", "cooccurrence", "last_category"]
K = 4


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Dataset:
    shop = write_shop(tmp_path_factory.mktemp("shop"))
    source = Source("shop", shop / "events.csv", shop / "items.csv")
    settings = PrepareSettings(split=SplitSettings(method="last_days", value=5))
    prepare(source, shop / "data", settings, say=lambda _: None)
    return Dataset.open(shop / "data")


@pytest.fixture(scope="module", params=RECIPES)
def run(request, dataset) -> LoadedRun:
    overrides = [*TINY, "training.epochs=2"] if request.param == "hiersrec" else []
    recipe = read_recipe(find_recipe(request.param, dataset.name), overrides)
    out = dataset.folder.parent / request.param
    train(dataset, recipe, out, SilentReporter())
    return open_run(out)


def external_sessions(dataset: Dataset) -> list[list[str]]:
    """Sessions of the test split as they stand in the user's file, unseen items included."""
    rows = (dataset.folder.parent / "events.csv").read_text(encoding="utf-8").splitlines()[1:]
    named = dataset.sessions("test").session_ids
    assert named is not None
    sessions: dict[str, list[str]] = {one: [] for one in named.to_pylist()}
    for row in rows:
        session, item, _ = row.split(",")
        if session in sessions:
            sessions[session].append(item)
    return list(sessions.values())


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def by_hand(targets: list[Any], futures: list[set[Any]], lists: list[list[Any]]) -> dict[str, float]:
    """The four metrics, from the target, the distinct future targets and the list of each prefix."""
    ranks = [one.index(target) + 1 if target in one else 0 for target, one in zip(targets, lists, strict=True)]
    found = [future & set(one) for future, one in zip(futures, lists, strict=True)]
    return {
        f"mrr@{K}": mean([1 / rank if rank else 0 for rank in ranks]),
        f"hits@{K}": mean([float(rank > 0) for rank in ranks]),
        f"recall@{K}": mean([len(a) / len(b) for a, b in zip(found, futures, strict=True)]),
        f"any_hit@{K}": mean([float(bool(one)) for one in found]),
    }


def answers(run: LoadedRun, prefixes: list[list[str]], options: EvaluationOptions) -> list[Recommendations]:
    return Recommender(run.catalog, FullRanker(run.scorer, run.catalog)).recommend(
        prefixes, K, exclude_seen=options.exclude_seen, candidates=options.candidates
    )


CANDIDATES = [ALL, Candidates(policy="category", top=1), Candidates(policy="random", top=1, seed=1)]


@pytest.mark.parametrize("candidates", CANDIDATES, ids=lambda one: one.policy)
@pytest.mark.parametrize("exclude_seen", [False, True])
@pytest.mark.parametrize("last_only", [False, True])
def test_evaluate_measures_the_lists_that_recommend_gives(run, dataset, last_only, exclude_seen, candidates) -> None:
    sessions = external_sessions(dataset)
    ends = [(one, end) for one in sessions for end in range(len(one) - 1 if last_only else 1, len(one))]
    targets, futures = [one[end] for one, end in ends], [set(one[end:]) for one, end in ends]
    assert any(target.startswith("new") for target in targets)

    options = EvaluationOptions(k=K, last_only=last_only, exclude_seen=exclude_seen, candidates=candidates)
    prefixes = [one[:end] for one, end in ends]
    if candidates is not ALL and run.folder.name in ("popularity", "cooccurrence"):
        with pytest.raises(BadInput, match="this run predicts none"):
            evaluate(run.scorer, run.catalog, dataset.sessions("test"), options)
        with pytest.raises(BadInput, match="this run predicts none"):
            answers(run, prefixes, options)
        return
    measured = evaluate(run.scorer, run.catalog, dataset.sessions("test"), options)

    answered = answers(run, prefixes, options)
    # What fills a list that came too short is no candidate, and a target among it stays a miss.
    lists = [[item.item_id for item in answer.items[: answer.candidates]] for answer in answered]
    if candidates is not ALL:
        ranked = [answer.candidates for answer in answered]
        assert measured.metrics["candidates/share"] == pytest.approx(mean(ranked) / 12)
        assert measured.ranks["candidates"].to_pylist() == ranked
        assert max(ranked) < 12
    expected = by_hand(targets, futures, lists)
    assert {name: measured.metrics[name] for name in expected} == pytest.approx(expected, abs=1e-12)
    ranks = [one.index(target) + 1 if target in one else None for target, one in zip(targets, lists, strict=True)]
    seen_ranks = [rank if rank and rank <= K else None for rank in measured.ranks["rank"].to_pylist()]
    assert seen_ranks == ranks


def test_category_metrics_are_those_of_the_categories_shown(dataset) -> None:
    out: Path = dataset.folder.parent / "explained"
    train(dataset, read_recipe(find_recipe("hiersrec", "shop"), [*TINY, "training.epochs=2"]), out, SilentReporter())
    run = open_run(out)
    sessions = external_sessions(dataset)
    ends = [(one, end) for one in sessions for end in range(1, len(one))]
    shown = Recommender.load(out).recommend([one[:end] for one, end in ends], explain=True)

    measured = evaluate(run.scorer, run.catalog, dataset.sessions("test"), EvaluationOptions(k=K)).metrics

    category = {f"i{n}": [aisle := "Fruit" if n < 6 else "Tools", f"{aisle} {n % 2}"] for n in range(12)}
    for level in (0, 1):
        # An unseen item has no category: not a target, and not among the futures.
        known = [(at, one, end) for at, (one, end) in enumerate(ends) if one[end] in category]
        targets = [category[one[end]][level] for _, one, end in known]
        futures = [{category[item][level] for item in one[end:] if item in category} for _, one, end in known]
        lists = [[guess.name for guess in shown[at].guesses[level]][:K] for at, _, _ in known]
        expected = {f"category_{level + 1}/{name}": value for name, value in by_hand(targets, futures, lists).items()}
        assert {name: measured[name] for name in expected} == pytest.approx(expected, abs=1e-12)

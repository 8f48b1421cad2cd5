"""A run whose recipe fits a tree head, from training to a bundle: one distribution over the paths everywhere."""

import dataclasses
import json

import numpy as np
import pytest
from typer.testing import CliRunner

import hiersrec
from hiersrec import Candidates, Recommender
from hiersrec.add_items import add_items
from hiersrec.build import open_run
from hiersrec.cli.app import app
from hiersrec.errors import BadInput
from hiersrec.evaluation.choose_candidates import CandidateGoal, choose, conformal_mass
from hiersrec.evaluation.evaluate import EvaluationOptions, evaluate
from hiersrec.retrieval.scoring import score
from hiersrec.store.batches import whole_sessions
from hiersrec.store.dataset import Dataset
from hiersrec.store.folder import open_seal
from hiersrec.store.paths import PATH, path_probs
from hiersrec.training.fit import train
from hiersrec.training.progress import SilentReporter
from tests.bundles import tiny_run
from tests.toy import item_id, walks

pytestmark = pytest.mark.slow

SESSIONS = [[item_id(item) for item in walk[:-1]] for walk in walks(40, 3)] + [["unknown"]]
MASS = Candidates(policy="category", mass=0.8)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    settings = ("tasks.category.tree=true", "tasks.item.repeats=true", "tasks.item.vectors=id+metadata")
    return tiny_run(tmp_path_factory.mktemp("tree"), settings=settings)


@pytest.fixture(scope="module")
def bundle(run):
    out = run.parent / "bundle"
    hiersrec.Run.open(run).export(out, promise=0.9, progress=False)
    return out


def batch(opened):
    internal = [opened.catalog.to_internal(session).tolist() for session in SESSIONS]
    return whole_sessions(internal, opened.scorer.max_length)


def test_the_tree_says_the_categories_as_the_items_do(run) -> None:
    opened = open_run(run)
    scores = score(opened.scorer, opened.catalog, batch(opened))
    probs = path_probs(scores.tasks[PATH])[:-1]  # but for the session without a known item

    weights = np.exp(scores.items[:-1, 1:].astype(np.float64))
    weights /= weights.sum(axis=1, keepdims=True)
    paths = opened.catalog.item_nodes[1:, -1]
    sums = np.stack([weights[:, paths == path].sum(axis=1) for path in range(probs.shape[1])], axis=1)
    assert np.abs(probs - sums).mean() < 0.01
    assert (probs.argmax(axis=1) == sums.argmax(axis=1)).mean() > 0.8


@pytest.mark.parametrize("source", ["run", "bundle"])
def test_no_child_is_likelier_than_its_parent_in_any_answer(run, bundle, source) -> None:
    answers = Recommender.load(run if source == "run" else bundle).recommend(SESSIONS, k=5, explain=True)

    for answer in answers:
        assert answer.coherent
        chance = {tuple(guess.path): guess.probability for guesses in answer.guesses for guess in guesses}
        for path, probability in chance.items():
            assert probability <= chance.get(path[:-1], 1.0)


def test_a_bundle_says_what_the_run_says(run, bundle) -> None:
    ours, theirs = (
        Recommender.load(folder).recommend(SESSIONS, k=8, explain=True, candidates=MASS) for folder in (run, bundle)
    )

    for a, b in zip(ours, theirs, strict=True):
        assert [item.item_id for item in a.items] == [item.item_id for item in b.items]
        assert a.candidates == b.candidates
        for first, second in zip(a.guesses, b.guesses, strict=True):
            probabilities = [{tuple(guess.path): guess.probability for guess in guesses} for guesses in (first, second)]
            assert probabilities[0] == pytest.approx(probabilities[1], abs=1e-4)
    assert len({answer.candidates for answer in ours}) > 2, "as many candidates as each session needs"


def test_the_bundle_keeps_its_promise_and_says_so(run, bundle) -> None:
    sealed = open_seal(bundle, "bundle")
    mass = sealed["candidates"]["mass"]

    assert sealed["candidates"] == {"policy": "category", "top": None, "share": None, "mass": mass}
    assert sealed["promise"]["promise"] == 0.9
    assert sealed["promise"]["kept"] >= 0.9
    assert Recommender.load(bundle).candidates == Candidates(policy="category", mass=mass)
    opened, valid = open_run(run), Dataset.open(run.parent / "data").sessions("valid")
    chosen = choose(opened.scorer, opened.catalog, valid, CandidateGoal(policy="category", promise=0.9))
    assert chosen.candidates.mass == mass
    kept = evaluate(opened.scorer, opened.catalog, valid, EvaluationOptions(candidates=chosen.candidates)).metrics
    assert kept["candidates/target"] == pytest.approx(chosen.kept)
    less = dataclasses.replace(chosen.candidates, mass=np.nextafter(mass, 0) * 0.999)
    fewer = evaluate(opened.scorer, opened.catalog, valid, EvaluationOptions(candidates=less)).metrics
    assert fewer["candidates/target"] < 0.9 + 1 / fewer["prefixes"] + 1e-9


def test_evaluate_by_promise_on_the_command_line(run) -> None:
    flags = ["--candidates", "category", "--promise", "0.9"]
    document = json.loads(CliRunner().invoke(app, ["evaluate", str(run), "--json", *flags]).stdout)

    assert document["chosen"]["promise"] == 0.9
    assert document["chosen"]["validation"]["kept"] >= 0.9
    assert document["metrics"]["candidates/mass"] == document["chosen"]["validation"]["mass"]
    assert (
        document["metrics"]["path/labelled"] == document["metrics"]["prefixes"] - document["metrics"]["unseen_targets"]
    )
    shown = " ".join(CliRunner().invoke(app, ["evaluate", str(run), *flags]).stdout.split())
    assert "for a promise of 90.00%" in shown
    refused = CliRunner().invoke(app, ["evaluate", str(run), *flags, "--mass", "0.5"])
    assert isinstance(refused.exception, BadInput)
    assert "got --mass 0.5 as well" in str(refused.exception)


def test_a_run_without_a_tree_has_no_candidates_by_mass(toy_run) -> None:
    with pytest.raises(BadInput, match=r"this run predicts none.*tasks\.category\.tree"):
        Recommender.load(toy_run).recommend(SESSIONS, candidates=MASS)


def test_a_warm_start_takes_the_model_and_fits_the_tree_again(run) -> None:
    opened, dataset = open_run(run), Dataset.open(run.parent / "data")
    recipe = dataclasses.replace(opened.recipe, training=dataclasses.replace(opened.recipe.training, epochs=1))

    document = train(dataset, recipe, run.parent / "warm", SilentReporter(), init_from=run)

    assert document["init_from"]["new_tensors"] == []
    assert PATH in score(open_run(run.parent / "warm").scorer, opened.catalog, batch(opened)).tasks


def test_new_items_of_a_new_path_are_candidates_of_all_and_predicted_for_none(run) -> None:
    header = "item_id,category_1,category_2,title,colour\n"
    (run.parent / "new.csv").write_text(f"{header}x1,Attic,Trunks,red one,\nx2,,,blue one,\n", encoding="utf-8")
    add_items(run, run.parent / "new.csv", run.parent / "larger", lambda _: None)
    larger, opened = open_run(run.parent / "larger"), open_run(run)
    before, after = (path_probs(score(made.scorer, made.catalog, batch(made)).tasks[PATH]) for made in (opened, larger))

    assert after.shape[1] > before.shape[1]
    np.testing.assert_allclose(after[:, : before.shape[1]], before, atol=1e-6)
    answers = Recommender.load(run.parent / "larger").recommend(SESSIONS[:5], k=200, candidates=MASS)
    assert all("x1" in [item.item_id for item in answer.items if item.source == "session"] for answer in answers)


def test_conformal_masses_keep_their_promise_on_average() -> None:
    random, kept = np.random.default_rng(0), []
    for _ in range(400):
        before = random.random(31) ** 3
        mass = conformal_mass(before[:30], 0.8)
        kept.append(before[30] < mass)
    assert np.mean(kept) == pytest.approx(0.8, abs=0.06)
    assert conformal_mass(np.full(10, -1.0), 0.9) > 0


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        (Candidates(policy="category", share=0.5), "share 0.5"),
        (Candidates(policy="category", mass=0.8), "mass 0.8"),
        (Candidates(policy="category", top=2), "top 2"),
    ],
)
def test_a_report_names_the_size_of_the_candidates(run, candidates, expected) -> None:
    report = hiersrec.Run.open(run).evaluate("valid", candidates=candidates, progress=False)

    assert any(f"({candidates.policy}, {expected})" in str(part) for part in report.parts())

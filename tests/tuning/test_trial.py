import json

import pytest

from hiersrec.build import open_run
from hiersrec.errors import BadFolder
from hiersrec.evaluation.evaluate import evaluate
from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.training.fit import train
from hiersrec.training.progress import SilentReporter
from hiersrec.tuning.pruning import median_after
from hiersrec.tuning.trial import run, slim
from tests.model.world import TINY
from tests.training.test_loop import Listening, Stop, Stopping

pytestmark = pytest.mark.slow

QUICK = [*TINY, "training.epochs=3", "training.batch_size=32", "training.precision=float32"]
MODEL = read_recipe(find_recipe("hiersrec", "toy"), QUICK)
COUNTED = read_recipe(find_recipe("cooccurrence", "toy"), ["baseline.window=2"])


def test_a_baseline_that_counts_is_measured_on_the_validation_sessions(dataset, tmp_path) -> None:
    outcome = run(dataset, COUNTED, tmp_path / "run", SilentReporter())

    expected = evaluate(open_run(tmp_path / "run").scorer, dataset.catalog, dataset.sessions("valid")).metrics
    assert outcome.valid == {name: expected[name] for name in ("mrr@20", "hits@20")}
    assert (outcome.epochs, outcome.seconds > 0) == (0, True)


def test_a_training_counts_with_its_best_epoch(dataset, tmp_path) -> None:
    outcome = run(dataset, MODEL, tmp_path / "run", SilentReporter())

    document = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    measured = evaluate(open_run(tmp_path / "run").scorer, dataset.catalog, dataset.sessions("valid")).metrics
    assert outcome.valid["mrr@20"] == document["best"]["valid_mrr@20"]
    assert outcome.valid == pytest.approx({name: measured[name] for name in ("mrr@20", "hits@20")})
    history = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text("utf-8").splitlines()]
    assert outcome.epochs == len(history) == 3
    assert outcome.seconds == sum(epoch["train_s"] + epoch["valid_s"] for epoch in history)


def test_numbers_that_are_chosen_after_training_count(dataset, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("hiersrec.training.finish_terms.GAIN", -1.0)  # whatever a number does, it is taken
    made = read_recipe(find_recipe("hiersrec", "toy"), [*QUICK, "tasks.item.cooccurrence=fit"])

    outcome = run(dataset, made, tmp_path / "run", SilentReporter())

    opened = open_run(tmp_path / "run")
    assert opened.scorer.model.pair_terms["cooccurrence"].choice.number > 0
    expected = evaluate(opened.scorer, dataset.catalog, dataset.sessions("valid")).metrics
    assert outcome.valid == {name: expected[name] for name in ("mrr@20", "hits@20")}
    assert outcome.valid["mrr@20"] != max(outcome.curve)


@pytest.mark.parametrize("step", [1, 9])
def test_a_training_that_was_killed_goes_on(dataset, tmp_path, step) -> None:
    alone = run(dataset, MODEL, tmp_path / "alone", SilentReporter())
    with pytest.raises(Stop):
        run(dataset, MODEL, tmp_path / "run", Stopping(step))

    outcome = run(dataset, MODEL, tmp_path / "run", SilentReporter())

    assert (outcome.valid, outcome.epochs) == (alone.valid, alone.epochs)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("run", "alone")]
    assert weights[0] == weights[1]


def test_a_training_that_is_behind_ends_with_its_best_epoch(dataset, tmp_path) -> None:
    """Four earlier trials are too few, and the third epoch of five that are far ahead decides nothing."""
    alone = run(dataset, MODEL, tmp_path / "alone", SilentReporter())
    few, ahead_later = [[1.0, 1.0, 1.0]] * 4, [[0.0, 1.0]] * 5
    said = Listening()

    whole = run(dataset, MODEL, tmp_path / "few", SilentReporter(), earlier=few)
    ended = run(dataset, MODEL, tmp_path / "ended", said, earlier=ahead_later)

    assert (whole.curve, whole.epochs) == (alone.curve, 3)
    assert ended.curve == alone.curve[:2]
    assert (ended.epochs, ended.valid["mrr@20"]) == (2, max(alone.curve[:2]))
    assert open_run(tmp_path / "ended").recipe == MODEL
    assert any("after epoch 2 is below 1.0000, the median of the earlier trials" in line for line in said.said)


def test_a_training_that_was_ended_and_killed_ends_again(dataset, tmp_path, monkeypatch) -> None:
    """The kill comes between the last checkpoint and the finished run folder."""
    behind = [[1.0]] * 5
    with monkeypatch.context() as patch:
        patch.setattr("hiersrec.training.fit._finish", stop)
        with pytest.raises(Stop):
            run(dataset, MODEL, tmp_path / "run", SilentReporter(), earlier=behind)

    outcome = run(dataset, MODEL, tmp_path / "run", SilentReporter(), earlier=behind)

    assert outcome.epochs == 1


def stop(*_: object, **__: object) -> None:
    raise Stop


@pytest.mark.parametrize(
    ("epoch", "earlier", "median"),
    [
        (1, [[0.1], [0.5], [0.2], [0.4], [0.3]], 0.3),
        (1, [[0.1], [0.5], [0.2], [0.4]], None),
        (2, [[0.1, 0.6], [0.5], [0.2, 0.2], [0.4, 0.4], [0.3, 0.5], [0.3, 0.3]], 0.4),
        (3, [[0.1, 0.6]] * 9, None),
        (1, [[]] * 9, None),
    ],
)
def test_the_median_is_of_the_trials_that_had_the_epoch(epoch, earlier, median) -> None:
    assert median_after(epoch, earlier) == median


def test_a_run_that_was_sealed_before_the_kill_is_only_read(dataset, tmp_path) -> None:
    outcome = run(dataset, MODEL, tmp_path / "run", SilentReporter())

    assert run(dataset, MODEL, tmp_path / "run", Stopping(1)) == outcome


def test_what_a_kill_left_before_the_recipe_was_written_is_swept_away(dataset, tmp_path) -> None:
    (tmp_path / "run" / "catalog").mkdir(parents=True)
    (tmp_path / "run" / ".recipe.toml.1.part").write_text("name", encoding="utf-8")

    run(dataset, COUNTED, tmp_path / "run", SilentReporter())

    assert not (tmp_path / "run" / ".recipe.toml.1.part").exists()


def test_slim_keeps_the_facts_and_the_weights_only_when_told(dataset, tmp_path) -> None:
    out = tmp_path / "run"
    train(dataset, COUNTED, out, SilentReporter())
    (out / "state").mkdir()

    slim(out, keep_weights=True)
    assert open_run(out).recipe == COUNTED
    assert not (out / "state").exists()

    for _ in range(2):  # a kill may come between, and a trial may have left no folder
        slim(out, keep_weights=False)
    assert {path.name for path in out.iterdir()} == {"run.json", "recipe.toml", "history.jsonl", "MODEL_CARD.md"}
    with pytest.raises(BadFolder, match="is missing"):
        open_run(out)
    slim(tmp_path / "none", keep_weights=False)

"""Runs as teachers: what they predict, which runs may teach, and a training with them."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import hiersrec
from hiersrec.build import build_trainable, open_run
from hiersrec.config import ModelRecipe
from hiersrec.errors import BadFolder, BadRecipe
from hiersrec.model.targets import Targets
from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.store.dataset import Dataset
from hiersrec.training import loop
from hiersrec.training.examples import Step
from hiersrec.training.fit import train
from hiersrec.training.progress import SilentReporter
from hiersrec.training.teachers import Teachers, open_teachers
from tests.model.world import TINY
from tests.toy import fashion
from tests.training.test_loop import Stop, Stopping

pytestmark = pytest.mark.slow

EVERY = ["training.positions=all", "encoder.causal=true", "encoder.positions=forward", "pooling=last"]
QUICK = [*TINY, "training.epochs=1", "training.batch_size=32", "training.precision=float32"]


def recipe(*overrides: str, name: str = "hiersrec") -> ModelRecipe:
    made = read_recipe(find_recipe(name, "toy"), [*QUICK, *overrides])
    assert isinstance(made, ModelRecipe)
    return made


def named(*runs: Path) -> str:
    return f"training.teachers={json.dumps([str(run) for run in runs])}"


@pytest.fixture(scope="module")
def runs(dataset, tmp_path_factory) -> list[Path]:
    """Two teachers, and a third that saw the validation sessions."""
    folder = tmp_path_factory.mktemp("teachers")
    for index, overrides in enumerate([["training.seed=1"], ["training.seed=2"], ["training.refit=true"]]):
        train(dataset, recipe(*overrides), folder / str(index), SilentReporter())
    return [folder / str(index) for index in range(3)]


@pytest.fixture(scope="module")
def taught(dataset, runs, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("taught") / "run"
    train(dataset, recipe(named(*runs[:2])), out, SilentReporter())
    return out


def opened(dataset: Dataset, made: ModelRecipe) -> Teachers | None:
    model = build_trainable(made, dataset.catalog, dataset.training().train)
    return open_teachers(made, model, dataset)


def weights(run: Path) -> bytes:
    return (run / "model.safetensors").read_bytes()


def test_they_predict_the_mean_of_their_probabilities(dataset, runs) -> None:
    teachers = opened(dataset, recipe(named(*runs[:2]), "training.teachers_share=0.3"))
    assert teachers is not None
    items, lengths = torch.tensor([[1, 9, 17], [4, 0, 0]]), torch.tensor([3, 1])

    targets = teachers.teach(Step(items, lengths, Targets(torch.tensor([2, 3]))), torch.float32)

    assert targets.taught is not None
    assert targets.taught.share == 0.3
    assert not targets.taught.probs.requires_grad
    each = [open_run(run).scorer.model(items, lengths)["item"].softmax(-1) for run in runs[:2]]
    torch.testing.assert_close(targets.taught.probs, (each[0] + each[1]) / 2)
    torch.testing.assert_close(targets.taught.probs.sum(1), torch.ones(2))


def test_they_teach_what_they_learnt_without_their_trend(dataset, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("hiersrec.model.score_terms.trend.trend", fashion)
    for name, weight in {"with": 1.0, "without": 0.0}.items():
        train(dataset, recipe(f"tasks.item.trend={weight}"), tmp_path / name, SilentReporter())
    step = Step(torch.tensor([[1, 9, 17]]), torch.tensor([3]), Targets(torch.tensor([2])))

    with_trend, without = (
        opened(dataset, recipe(named(tmp_path / name))).teach(step, torch.float32).taught.probs
        for name in ("with", "without")
    )

    assert torch.equal(with_trend, without)
    assert open_run(tmp_path / "with").scorer.model.item_terms["trend"]().all()


def test_they_teach_without_numbers_that_were_chosen_after_training(dataset, tmp_path) -> None:
    for name, offset in {"with": 2.0, "without": 0.0}.items():
        given = ["tasks.item.repeats=true", f"tasks.item.repeats_offset={offset}"]
        train(dataset, recipe(*given), tmp_path / name, SilentReporter())
    step = Step(torch.tensor([[1, 9, 17]]), torch.tensor([3]), Targets(torch.tensor([2])))

    with_offset, without = (
        opened(dataset, recipe(named(tmp_path / name))).teach(step, torch.float32).taught.probs
        for name in ("with", "without")
    )

    assert torch.equal(with_offset, without)
    assert open_run(tmp_path / "with").scorer.model.position_terms["repeats"].choice.number == 2


def test_they_speak_of_every_prefix_where_every_one_is_trained(dataset, tmp_path) -> None:
    causal = recipe(*EVERY)
    train(dataset, causal, tmp_path / "teacher", SilentReporter())
    made = recipe(*EVERY, named(tmp_path / "teacher"))
    teachers = opened(dataset, made)
    assert teachers is not None
    items = torch.tensor([[1, 9, 17]])

    step = Step(items, torch.tensor([3]), Targets(torch.tensor([9, 17, 2]), every=True))
    targets = teachers.teach(step, torch.float32)

    assert targets.taught is not None
    scorer = open_run(tmp_path / "teacher").scorer
    for length in (1, 2, 3):
        expected = scorer.model(items[:, :length], torch.tensor([length]))["item"].softmax(-1)
        torch.testing.assert_close(targets.taught.probs[length - 1 : length], expected)


def test_a_student_learns_from_them_and_a_share_of_none_is_no_teacher(dataset, runs, taught, tmp_path) -> None:
    train(dataset, recipe(), tmp_path / "untaught", SilentReporter())
    train(dataset, recipe(named(*runs[:2]), "training.teachers_share=0.0"), tmp_path / "none", SilentReporter())
    train(dataset, recipe(named(runs[0])), tmp_path / "one", SilentReporter())
    train(dataset, recipe(named(*runs[:2])), tmp_path / "again", SilentReporter())

    assert weights(tmp_path / "none") == weights(tmp_path / "untaught")
    assert weights(tmp_path / "again") == weights(taught)
    assert len({weights(tmp_path / "untaught"), weights(tmp_path / "one"), weights(taught)}) == 3


def test_a_student_is_nearer_to_its_teacher_than_an_untaught_model(dataset, runs, tmp_path) -> None:
    teacher = open_run(runs[0]).scorer.model
    items, lengths = torch.tensor([[1, 9, 17], [4, 20, 0]]), torch.tensor([3, 2])
    apart = []
    for name, overrides in {"untaught": [], "student": [named(runs[0]), "training.teachers_share=1.0"]}.items():
        train(dataset, recipe("training.epochs=4", *overrides), tmp_path / name, SilentReporter())
        model = open_run(tmp_path / name).scorer.model
        apart.append(
            torch.nn.functional.kl_div(
                model(items, lengths)["item"].log_softmax(-1),
                teacher(items, lengths)["item"].softmax(-1),
                reduction="batchmean",
            ).item()
        )

    assert apart[1] < apart[0]


def test_the_run_says_who_taught(runs, taught) -> None:
    document = json.loads((taught / "run.json").read_text(encoding="utf-8"))
    teachers = document["teachers"]
    first = json.loads((runs[0] / "run.json").read_text(encoding="utf-8"))

    assert [teacher["path"] for teacher in teachers] == [str(run.resolve()) for run in runs[:2]]
    assert [teacher["recipe"] for teacher in teachers] == ["hiersrec", "hiersrec"]
    assert teachers[0]["sha256"] == first["files"]["model.safetensors"]["sha256"]
    assert f"Taught by: hiersrec, {runs[0].resolve()}" in (taught / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_a_taught_run_stands_without_its_teachers(dataset, runs, tmp_path) -> None:
    teacher = Path(shutil.copytree(runs[0], tmp_path / "teacher"))
    train(dataset, recipe(named(teacher)), tmp_path / "run", SilentReporter())
    shutil.rmtree(teacher)

    assert open_run(tmp_path / "run").catalog.num_items == dataset.catalog.num_items


def test_a_training_from_a_student_needs_no_teachers(dataset, runs, tmp_path) -> None:
    teacher = Path(shutil.copytree(runs[0], tmp_path / "teacher"))
    train(dataset, recipe(named(teacher)), tmp_path / "student", SilentReporter())
    shutil.rmtree(teacher)

    run = hiersrec.train(dataset, out=tmp_path / "next", init_from=tmp_path / "student", progress=False)

    assert "teachers" not in run.document
    assert run.document["init_from"]["path"] == str(tmp_path / "student")


def test_a_resumed_student_is_the_uninterrupted_one(dataset, runs, taught, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(loop, "SAVE_EVERY", -1.0)
    made = recipe(named(*runs[:2]))
    with pytest.raises(Stop):
        train(dataset, made, tmp_path / "run", Stopping(3))

    train(dataset, made, tmp_path / "run", SilentReporter(), resume=True)

    assert weights(tmp_path / "run") == weights(taught)


def test_a_recipe_without_them_has_none(dataset) -> None:
    assert opened(dataset, recipe("training.teachers_share=0.9")) is None


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (EVERY, "reads later items"),
        (["encoder.max_length=60"], "fewer than the 60"),
    ],
)
def test_what_cannot_be_taught_is_refused(dataset, runs, overrides, message) -> None:
    made = recipe(named(runs[0]), *overrides)
    model = build_trainable(made, dataset.catalog, dataset.training().train)

    with pytest.raises(BadRecipe, match=message):
        open_teachers(made, model, dataset)


def test_a_teacher_that_saw_the_validation_sessions_teaches_only_a_refitted_run(dataset, runs) -> None:
    with pytest.raises(BadRecipe, match="would be too good"):
        opened(dataset, recipe(named(runs[2])))

    assert opened(dataset, recipe(named(runs[2]), "training.refit=true")) is not None


def test_who_cannot_teach_is_refused_before_anything_is_written(dataset, runs, tmp_path) -> None:
    train(dataset, read_recipe(find_recipe("popularity", "toy")), tmp_path / "popularity", SilentReporter())
    with pytest.raises(BadRecipe, match="holds 'popularity', a baseline"):
        train(dataset, recipe(named(tmp_path / "popularity")), tmp_path / "out", SilentReporter())
    with pytest.raises(BadFolder):
        train(dataset, recipe(named(tmp_path / "nowhere")), tmp_path / "out", SilentReporter())
    with pytest.raises(BadFolder, match="one of the teachers"):
        train(dataset, recipe(named(runs[0])), runs[0], SilentReporter(), overwrite=True)

    assert not (tmp_path / "out").exists()
    assert open_run(runs[0])


def test_a_baseline_has_no_teachers(dataset, runs, tmp_path) -> None:
    baseline = read_recipe(find_recipe("cotrec", "toy"), [named(runs[0])])

    with pytest.raises(BadRecipe, match=r'excludes baseline\.name.*got "cotrec"'):
        train(dataset, baseline, tmp_path / "out", SilentReporter())


def test_a_teacher_of_other_items_is_refused(dataset, runs, tmp_path) -> None:
    other = Path(shutil.copytree(runs[0], tmp_path / "other"))
    document = json.loads((other / "run.json").read_text(encoding="utf-8"))
    run = open_run(other)
    assert document["dataset"]["fingerprint"] == run.document["dataset"]["fingerprint"] == dataset.fingerprint
    elsewhere = replace(dataset, document={**dataset.document, "files": {**dataset.document["files"]}})
    elsewhere.document["files"]["catalog/items.parquet"] = {"sha256": "0" * 64, "bytes": 1}

    with pytest.raises(BadRecipe, match="whose items or item counts differ from"):
        opened(elsewhere, recipe(named(other)))

import json
import shlex
import shutil
import signal
import tomllib
from pathlib import Path

import pytest

from tests.cli.conftest import start
from tests.shop import TINY

pytestmark = pytest.mark.slow


def sets(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


LONG = ["--recipe", "hiersrec", *sets(*TINY, "training.epochs=25", "training.patience=25")]


def test_train_prints_the_run_document_and_tells_its_epochs_on_standard_error(trained) -> None:
    folder, made = trained

    assert made.code == 0, made.err
    assert json.loads(made.out) == json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert "train: epoch 2" in made.err
    assert (folder / "MODEL_CARD.md").is_file()


def test_train_names_the_next_command(hiersrec, prepared, tmp_path) -> None:
    result = hiersrec("train", prepared[0], "--out", tmp_path / "r", "--recipe", "popularity")

    assert result.code == 0, result.err
    assert result.out == f"Run folder: {tmp_path / 'r'}\nNext: hiersrec evaluate {tmp_path / 'r'}\n"


def test_seed_is_the_seed_of_the_training(hiersrec, prepared, tmp_path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        words = ["train", prepared[0], "--out", tmp_path / name, "--seed", seed]
        words += ["--recipe", "hiersrec", *sets(*TINY, "training.epochs=1", "training.precision=float32")]
        assert hiersrec(*words).code == 0

    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in "abc"]
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


@pytest.mark.usefixtures("short_tree")
def test_teachers_are_settings_of_the_recipe(hiersrec, prepared, tmp_path) -> None:
    quick = sets("inputs.item_width=8", "inputs.category_width=4", "inputs.metadata_width=4", "training.epochs=1")
    teachers = [tmp_path / "a", tmp_path / "ü"]
    for teacher in teachers:
        assert hiersrec("train", prepared[0], "--out", teacher, *quick).code == 0

    named = ["--teacher", teachers[0], "--teacher", teachers[1]]
    assert hiersrec("train", prepared[0], "--out", tmp_path / "r", *quick, *named).code == 0

    written = tomllib.loads((tmp_path / "r/recipe.toml").read_text(encoding="utf-8"))
    assert written["training"]["teachers"] == [str(teacher) for teacher in teachers]


@pytest.mark.usefixtures("short_tree")
def test_without_a_name_the_recipe_is_the_best(hiersrec, prepared, tmp_path) -> None:
    quick = sets("inputs.item_width=8", "inputs.category_width=4", "inputs.metadata_width=4", "training.epochs=1")

    assert hiersrec("train", prepared[0], "--out", tmp_path / "r", *quick).code == 0

    written = tomllib.loads((tmp_path / "r/recipe.toml").read_text(encoding="utf-8"))
    assert written["name"] == "best"


MISTAKES = [
    (["--set", "training.epoch=3"], "[training] has no key 'epoch'. Did you mean 'epochs'?"),
    (["--set", "training.epochs=0"], "[training] epochs"),
    (["--set", "training.epochs"], "--set needs KEY=VALUE"),
    (["--recipe", "hiersreck"], "Did you mean 'hiersrec'?"),
    (["--recipe", "nowhere.toml"], "There is no recipe file nowhere.toml"),
    (["--resume"], "There is no training to resume"),
]


@pytest.mark.parametrize(("flags", "message"), MISTAKES)
def test_a_mistake_ends_with_code_2_and_nothing_is_written(hiersrec, prepared, tmp_path, flags, message) -> None:
    result = hiersrec("train", prepared[0], "--out", tmp_path / "r", *flags)

    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("Error: ")
    assert message in result.err
    assert not (tmp_path / "r").exists()


def test_an_unknown_key_in_a_recipe_file(hiersrec, prepared, tmp_path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('[[tasks]]\nname = "item"\n[trainin]\nepochs = 1\n', encoding="utf-8")

    result = hiersrec("train", prepared[0], "--out", tmp_path / "r", "--recipe", recipe)

    assert result.code == 2
    assert "mine.toml has no key 'trainin'. Did you mean 'training'?" in result.err


def test_a_finished_run_stays_unless_overwrite_is_set(hiersrec, prepared, tmp_path) -> None:
    words = ["train", prepared[0], "--out", tmp_path / "r", "--recipe", "popularity"]
    assert hiersrec(*words).code == 0

    refused = hiersrec(*words)

    assert refused.code == 2
    assert "is a finished run" in refused.err
    assert "--overwrite" in refused.err
    assert hiersrec(*words, "--overwrite").code == 0


def stop_after_epoch(number: int, stop: signal.Signals, words: list[str]) -> tuple[int, str]:
    """Start a training, send the signal once the epoch after is done, and give back exit code and last news."""
    process = start(*words)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(f"train: epoch {number}:"):
            break
    process.send_signal(stop)
    _, rest = process.communicate(timeout=600)
    return process.returncode, rest


def test_a_killed_and_interrupted_training_ends_as_one_that_was_left_alone(hiersrec, prepared, tmp_path) -> None:
    out = tmp_path / "my run"
    words = ["train", str(prepared[0]), "--out", str(out), *LONG]

    code, _ = stop_after_epoch(2, signal.SIGKILL, words)
    assert code == -signal.SIGKILL
    for refused in (hiersrec("evaluate", out), hiersrec("recommend", out, "--session", "i1")):
        assert refused.code == 2
        assert "is not a finished run folder" in refused.err
    assert "Continue with --resume" in hiersrec(*words).err

    code, news = stop_after_epoch(4, signal.SIGINT, [*words, "--resume"])
    assert code == 130
    hint = news.splitlines()[-1]
    assert hint.startswith("Stopped. Continue with: hiersrec train ")
    assert "Traceback" not in news

    ended = hiersrec(*shlex.split(hint.partition("hiersrec ")[2]))
    assert ended.code == 0, ended.err

    alone = tmp_path / "alone"
    assert hiersrec("train", prepared[0], "--out", alone, *LONG).code == 0
    assert (out / "model.safetensors").read_bytes() == (alone / "model.safetensors").read_bytes()


def test_ctrl_c_before_there_is_a_checkpoint_advises_nothing(hiersrec, prepared, tmp_path, monkeypatch) -> None:
    def interrupted(*_: object) -> None:
        assert (tmp_path / "r" / "recipe.toml").is_file()
        raise KeyboardInterrupt

    monkeypatch.setattr("hiersrec.training.loop.fit", interrupted)

    result = hiersrec("train", prepared[0], "--out", tmp_path / "r", *LONG)

    assert (result.code, result.err.splitlines()[-1]) == (130, "Stopped.")
    assert list(tmp_path.iterdir()) == []


def test_resume_and_overwrite(hiersrec, prepared, tmp_path) -> None:
    result = hiersrec("train", prepared[0], "--out", tmp_path / "r", "--resume", "--overwrite")

    assert (result.code, result.out) == (2, "")
    assert "resume continues a training, and overwrite starts it over. Give one of them." in result.err


def test_a_dataset_cut_short(hiersrec, prepared, tmp_path) -> None:
    data: Path = tmp_path / "d"
    shutil.copytree(prepared[0], data)
    (data / "train" / "items.npy").unlink()

    result = hiersrec("train", data, "--out", tmp_path / "r")

    assert result.code == 2
    assert "items.npy is missing. The dataset folder is cut short" in result.err


def test_a_training_begins_with_a_run_by_the_recipe_of_that_run(hiersrec, prepared, run, tmp_path) -> None:
    """The tiny settings of the run hold without --recipe, and --set goes over them."""
    result = hiersrec("train", prepared[0], "--out", tmp_path / "r", "--init-from", run, "--set", "training.epochs=1")

    assert result.code == 0, result.err
    assert f"train: from {run}: " in result.err
    made, origin = (
        tomllib.loads((folder / "recipe.toml").read_text(encoding="utf-8")) for folder in (tmp_path / "r", run)
    )
    assert made.pop("training") == {**origin.pop("training"), "epochs": 1}
    assert made == origin
    document = json.loads((tmp_path / "r" / "run.json").read_text(encoding="utf-8"))
    assert document["init_from"]["path"] == str(run)


INIT_MISTAKES = [
    (["--init-from", "nowhere"], "There is no run folder at nowhere. Make one with `hiersrec train`"),
    (["--init-from", "nowhere", "--recipe", "hiersrec"], "There is no run folder at nowhere"),
    (["--recipe", "hiersrec"], "inputs.item_width is 128 here and 8 there"),
    (["--set", "inputs.item_width=16"], "inputs.item_width is 16 here and 8 there. Train with the run's own recipe"),
    (["--recipe", "popularity"], "--init-from excludes baseline.name, since weights are transferred by the names of"),
]


@pytest.mark.parametrize(("flags", "message"), INIT_MISTAKES)
def test_a_mistaken_origin_ends_with_code_2_and_nothing_is_written(
    hiersrec, prepared, run, tmp_path, flags, message
) -> None:
    origin = [] if "--init-from" in flags else ["--init-from", run]

    result = hiersrec("train", prepared[0], "--out", tmp_path / "r", *origin, *flags)

    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert not (tmp_path / "r").exists()


def test_what_began_with_a_run_is_resumed_without_a_flag(hiersrec, prepared, run, tmp_path) -> None:
    longer = sets("training.epochs=8", "training.patience=8")
    words = ["train", str(prepared[0]), "--init-from", str(run), *longer, "--out"]

    code, news = stop_after_epoch(2, signal.SIGINT, [*words, str(tmp_path / "r")])

    assert code == 130
    assert shlex.split(news.splitlines()[-1].partition("Continue with: ")[2]) == [
        *("hiersrec", "train", str(prepared[0]), "--out", str(tmp_path / "r"), *longer, "--resume"),
    ]
    assert hiersrec("train", prepared[0], "--out", tmp_path / "r", "--resume").code == 0
    assert hiersrec(*words, tmp_path / "alone").code == 0
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("r", "alone")]
    assert weights[0] == weights[1]

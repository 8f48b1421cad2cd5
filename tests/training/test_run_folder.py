"""What stands while a training grows, and after it ended in any way."""

import json
import os
import shutil
from pathlib import Path

import pytest

from hiersrec.build import open_run
from hiersrec.errors import BadFolder, BadRecipe, HiersrecError
from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.training import loop, run_folder
from hiersrec.training.callbacks import Callback, TrainingStart, loggers_of
from hiersrec.training.fit import train
from hiersrec.training.progress import SilentReporter
from tests.training.test_fit import FILES, recipe
from tests.training.test_loop import Stop, Stopping

pytestmark = pytest.mark.slow

COUNTED = read_recipe(find_recipe("popularity", "toy"))
OTHER = recipe("training.seed=1")


@pytest.fixture(scope="module")
def runs(dataset, tmp_path_factory) -> Path:
    """The runs "old" and "new", of recipe() and OTHER."""
    folder = tmp_path_factory.mktemp("runs")
    train(dataset, recipe(), folder / "old", SilentReporter())
    train(dataset, OTHER, folder / "new", SilentReporter())
    return folder


@pytest.fixture
def out(runs, tmp_path) -> Path:
    """A finished run."""
    return Path(shutil.copytree(runs / "old", tmp_path / "run"))


@pytest.fixture
def replacing(dataset, out, monkeypatch) -> Path:
    """A finished run, and what is left of a training that was to replace it and was killed after a checkpoint."""
    monkeypatch.setattr(loop, "SAVE_EVERY", -1.0)
    with pytest.raises(Stop):
        train(dataset, OTHER, out, Stopping(3), overwrite=True)
    return out


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def beside(out: Path) -> set[str]:
    return {path.name for path in out.parent.iterdir()}


def test_the_older_run_stands_until_the_new_one_is_finished(dataset, runs, replacing) -> None:
    assert open_run(replacing)
    assert weights(replacing) == weights(runs / "old")

    train(dataset, OTHER, replacing, SilentReporter(), resume=True)

    assert weights(replacing) == weights(runs / "new")
    assert {path.name for path in replacing.iterdir()} == FILES
    assert beside(replacing) == {"run"}


def test_what_was_to_replace_a_run_is_started_over_too(dataset, runs, replacing) -> None:
    message = r"run is a finished run\..*--overwrite\. .*run\.training holds an unfinished training\. Continue with"
    with pytest.raises(BadFolder, match=message):
        train(dataset, OTHER, replacing, SilentReporter())
    with pytest.raises(BadFolder, match=r"run\.training was begun with another recipe"):
        train(dataset, recipe(), replacing, SilentReporter(), resume=True)

    train(dataset, OTHER, replacing, SilentReporter(), overwrite=True)

    assert weights(replacing) == weights(runs / "new")
    assert "run.training" not in beside(replacing)


def test_without_the_older_run_its_replacement_is_resumed_all_the_same(dataset, runs, replacing) -> None:
    shutil.rmtree(replacing)
    with pytest.raises(BadFolder, match=r"run\.training holds an unfinished training"):
        train(dataset, OTHER, replacing, SilentReporter())

    train(dataset, OTHER, replacing, SilentReporter(), resume=True)

    assert weights(replacing) == weights(runs / "new")


@pytest.mark.parametrize("is_there", [False, True])
def test_a_sealed_replacement_is_put_in_place_by_the_next_command(dataset, runs, out, is_there) -> None:
    shutil.copytree(runs / "new", out.with_name("run.training"))
    if not is_there:  # a kill between the two renames
        out.rename(out.with_name(f".run.{2**22 + 1}.old"))

    train(dataset, OTHER, out, SilentReporter(), resume=True)

    assert weights(out) == weights(runs / "new")
    assert beside(out) == {"run"}


def test_to_resume_what_was_finished_puts_it_in_order(dataset, out) -> None:
    (out / "state").mkdir()
    (out / ".model.safetensors.123.part").touch()

    document = train(dataset, recipe(), out, SilentReporter(), resume=True)

    assert document == json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert {path.name for path in out.iterdir()} == FILES


class Failing(Callback):
    """Fails at the start."""

    def on_start(self, run: TrainingStart) -> None:
        assert (run.out / "recipe.toml").is_file()
        raise HiersrecError("no such server")


@pytest.mark.parametrize("made", [recipe(), COUNTED], ids=lambda made: made.name)
@pytest.mark.parametrize("before", ["nothing", "empty", "run"])
def test_an_error_before_the_first_checkpoint_leaves_what_there_was(dataset, runs, tmp_path, made, before) -> None:
    out = tmp_path / "run"
    if before == "empty":
        out.mkdir()
    if before == "run":
        shutil.copytree(runs / "old", out)

    with pytest.raises(HiersrecError, match="no such server"):
        train(dataset, made, out, SilentReporter(), overwrite=True, callbacks=[Failing()])

    assert list(tmp_path.iterdir()) == ([] if before == "nothing" else [out])
    if before == "run":
        assert {path.name for path in out.iterdir()} == FILES
    if before == "empty":
        assert list(out.iterdir()) == []


def test_a_training_that_was_killed_before_its_first_checkpoint_begins_again(dataset, runs, tmp_path) -> None:
    with pytest.raises(Stop):
        train(dataset, recipe(), tmp_path / "run", Stopping(2))
    with pytest.raises(BadFolder, match="holds an unfinished training"):
        train(dataset, OTHER, tmp_path / "run", SilentReporter())

    train(dataset, recipe(), tmp_path / "run", SilentReporter())

    assert weights(tmp_path / "run") == weights(runs / "old")


def test_a_training_that_diverged_says_what_to_do_and_that_works(dataset, tmp_path, monkeypatch) -> None:
    out, wild = tmp_path / "run", recipe("training.learning_rate=1e30")
    for save_every, way_out in ((60, r"learning_rate\.$"), (-1, r"learning_rate and --overwrite: if .*run is resumed")):
        monkeypatch.setattr(loop, "SAVE_EVERY", save_every)
        with pytest.raises(HiersrecError, match=f"The loss became NaN or infinite.* with a lower training.{way_out}"):
            train(dataset, wild, out, SilentReporter())
        assert out.exists() == (save_every < 0)

    train(dataset, COUNTED, out, SilentReporter(), overwrite=True)

    assert open_run(out)
    assert beside(out) == {"run"}


def test_a_link_is_replaced_and_not_what_it_leads_to(dataset, runs, out) -> None:
    link = out.with_name("link")
    link.symlink_to("run")

    train(dataset, COUNTED, link, SilentReporter(), overwrite=True)

    assert not link.is_symlink()
    assert (open_run(link).recipe.name, weights(out)) == ("popularity", weights(runs / "old"))
    assert beside(out) == {"run", "link"}


def test_the_working_folder_has_a_name_too(dataset, tmp_path, monkeypatch) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "run")
    for overwrite in (False, True):
        train(dataset, COUNTED, Path(), SilentReporter(), overwrite=overwrite)
        monkeypatch.chdir(tmp_path / "run")

    assert {path.name for path in Path().iterdir()} == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_link_to_nothing(dataset, tmp_path) -> None:
    (tmp_path / "link").symlink_to("nowhere")

    with pytest.raises(BadFolder, match=r"link links to nowhere, which does not exist\. Remove it, or choose another"):
        train(dataset, COUNTED, tmp_path / "link", SilentReporter(), overwrite=True)


def test_a_mounted_disk_is_refused_before_the_training_and_not_after_it(dataset, out, monkeypatch) -> None:
    monkeypatch.setattr(os.path, "ismount", lambda path: path == out)

    with pytest.raises(BadFolder, match=r"is a mounted disk, which can't be replaced\. Choose a folder inside it"):
        train(dataset, COUNTED, out, SilentReporter(), overwrite=True)


def test_a_mounted_disk_may_have_a_parent_that_is_not_ours(dataset, tmp_path, monkeypatch) -> None:
    out = tmp_path / "run"
    out.mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: (path, mode) != (tmp_path, os.W_OK))
    monkeypatch.setattr(run_folder, "only_writer", None)

    train(dataset, COUNTED, out, SilentReporter())

    assert open_run(out)


def test_a_folder_of_somebody_where_the_new_run_would_grow(dataset, out) -> None:
    (out.with_name("run.training")).mkdir()
    (out.with_name("run.training") / "notes.txt").touch()

    with pytest.raises(BadFolder, match=r"run\.training exists, where the new run of .*run would grow\. Move it"):
        train(dataset, COUNTED, out, SilentReporter(), overwrite=True)

    assert (out.with_name("run.training") / "notes.txt").is_file()


class Second(Callback):
    """Starts another training into the same folder."""

    def __init__(self, dataset, out: Path) -> None:
        self.dataset, self.out = dataset, out

    def on_start(self, run: TrainingStart) -> None:
        assert run.name == "run"
        with pytest.raises(BadFolder, match=r"Another process is writing .*run\. Wait for it"):
            train(self.dataset, COUNTED, self.out, SilentReporter(), overwrite=True)


@pytest.mark.parametrize("overwrite", [False, True])
def test_two_trainings_into_one_folder(dataset, runs, tmp_path, overwrite) -> None:
    out = tmp_path / "run"
    if overwrite:
        shutil.copytree(runs / "old", out)

    train(dataset, COUNTED, out, SilentReporter(), overwrite=overwrite, callbacks=[Second(dataset, out)])

    assert open_run(out).recipe.name == "popularity"


def test_trackers_know_the_name_of_the_run_and_log_into_its_folder(dataset, out, tmp_path) -> None:
    logs = loggers_of(["csv", f"csv={tmp_path}/logs"], out)

    train(dataset, OTHER, out, SilentReporter(), overwrite=True, callbacks=logs)

    assert (out / "csv/epochs.csv").read_text() == (tmp_path / "logs/run/epochs.csv").read_text()


@pytest.mark.parametrize("made", [recipe("training.epochs=1"), COUNTED], ids=lambda made: made.name)
def test_weights_have_the_permissions_of_other_files(dataset, tmp_path, made) -> None:
    train(dataset, made, tmp_path / "run", SilentReporter())

    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "run").iterdir() if path.is_file()}
    assert set(modes.values()) == {modes["run.json"]}


def test_a_model_that_is_too_large_for_the_machine_is_not_built(dataset, out, runs) -> None:
    with pytest.raises(BadRecipe, match=r"The model takes [\d,.]+ GB of memory with gradients and .* Lower its widths"):
        train(dataset, recipe("inputs.item_width=1000000"), out, SilentReporter(), overwrite=True)

    assert weights(out) == weights(runs / "old")

"""Wrong arguments of every public function: one error, and no temporary folder is left."""

import copy
import os
import pickle
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

import hiersrec as hr
from hiersrec.errors import BadFolder, BadInput, HiersrecError
from tests.shop import TINY, write_shop

pytestmark = pytest.mark.slow

SETTINGS = [*TINY, "training.epochs=1"]
FRAME = pd.DataFrame({"a": [1, 2]})


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> hr.Dataset:
    shop = write_shop(tmp_path_factory.mktemp("shop"))
    return hr.prepare(shop / "events.csv", shop / "items.csv", split="last-days:5", out=shop / "data", progress=False)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory) -> hr.Run:
    return hr.train(data, "popularity", out=tmp_path_factory.mktemp("runs") / "run", progress=False)


@pytest.fixture
def scratch(tmp_path, monkeypatch) -> Path:
    """Where temporary folders are made in this test."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    return tmp_path / "scratch"


WRONG_FOLDERS = [None, 7, "", b"x", [], {}, FRAME, object()]


@pytest.mark.parametrize("value", WRONG_FOLDERS)
def test_other_things_than_datasets_and_runs(value, data, run, scratch) -> None:
    for call in (
        lambda: hr.train(value, "popularity", progress=False),
        lambda: hr.describe(value),
        lambda: hr.tune(value, progress=False),
        lambda: hr.Dataset.open(value),
        lambda: hr.Run.open(value),
        lambda: hr.Recommender.load(value),
        lambda: hr.serve(value),
        lambda: hr.compare([value, run], progress=False),
        lambda: run.export(value, progress=False),
    ):
        with pytest.raises(BadInput, match=r"must be (a dataset|a run|a path).*got "):
            call()
    if value is not None:
        for call in (
            lambda: hr.train(data, "popularity", out=value, progress=False),
            lambda: hr.train(data, init_from=value, progress=False),
            lambda: run.evaluate(data=value, progress=False),
        ):
            with pytest.raises(BadInput, match=r"must be (a dataset|a run|a path)"):
                call()
    assert list(scratch.iterdir()) == []


def test_a_run_is_no_dataset_and_a_dataset_no_run(data, run) -> None:
    with pytest.raises(BadInput, match="dataset must be a dataset or the path of its folder, got Run of popularity"):
        hr.train(run, "popularity", progress=False)
    with pytest.raises(BadInput, match="each of the runs must be a run or the path of its folder, got Dataset"):
        hr.compare([data], progress=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"recipe": 7}, "A recipe is a name, a .toml file, or an object of hr.recipe, got 7"),
        ({"recipe": b"best"}, "A recipe is a name"),
        ({"overrides": 7}, "overrides must be text or a list of texts, got 7"),
        ({"overrides": None}, "overrides must be text or a list of texts, got None"),
        ({"overrides": [7]}, "overrides must be text or a list of texts"),
        ({"overrides": {7: 1}}, "7"),
        ({"teachers": 7}, "teachers must be a list of runs"),
        ({"teachers": "runs/a"}, "teachers must be a list of runs"),
        ({"teachers": [7]}, "each of the teachers must be a run"),
        ({"seed": "x"}, "seed must be a whole number, got 'x'"),
        ({"seed": True}, "seed must be a whole number, got True"),
        ({"resume": "no"}, "resume must be True or False"),
        ({"overwrite": 1}, "overwrite must be True or False"),
        ({"progress": None}, "progress must be True or False"),
        ({"callbacks": 7}, "callbacks must be a list of objects of subclasses of Callback, got 7"),
        ({"callbacks": [7]}, "callbacks must be a list of objects"),
        ({"callbacks": [hr.Callback]}, "callbacks must be a list of objects"),
        ({"callbacks": hr.Callback()}, "callbacks must be a list of objects"),
        ({"log": 7}, "log must be text or a list of texts, got 7"),
        ({"log": [7]}, "log must be text or a list of texts"),
    ],
)
def test_train(arguments, message, data, scratch) -> None:
    with pytest.raises(HiersrecError, match=message):
        hr.train(data, **{"recipe": "popularity", "progress": False, **arguments})

    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": True}, "k must be a whole number or a list of them, got True"),
        ({"k": None}, "k must be a whole number or a list of them, got None"),
        ({"k": "5"}, "k must be a whole number or a list of them, got '5'"),
        ({"k": [5, "x"]}, "k must be a whole number or a list of them"),
        ({"k": []}, "k must be at least one number"),
        ({"metrics": None}, "metrics must be text or a list of texts, got None"),
        ({"metrics": [None]}, "metrics must be text or a list of texts"),
        ({"metrics": "mmr"}, "No 'mmr'.*Did you mean 'mrr'"),
        ({"split": None}, "There is no split 'None'"),
        ({"candidates": None}, "candidates must be text, got None"),
        ({"candidates": "category", "top": "x"}, "top must be a whole number, got 'x'"),
        ({"candidates": "category", "top": float("nan")}, "top must be a whole number, got nan"),
        ({"candidates": "category", "share": "x"}, "share must be a number, got 'x'"),
        ({"candidates": "category", "keep": True}, "keep must be a number, got True"),
        (
            {"candidates": hr.Candidates(policy="category", top=5), "top": 9},
            "has all settings in itself, got top as well",
        ),
        (
            {"candidates": hr.Candidates(policy="category", top=5), "share": 0.1},
            "has all settings in itself, got share as well",
        ),
        ({"last_only": "no"}, "last_only must be True or False"),
    ],
)
def test_evaluate(arguments, message, run) -> None:
    with pytest.raises(HiersrecError, match=message):
        run.evaluate(**arguments, progress=False)


def test_one_metric_needs_no_list(run) -> None:
    assert run.evaluate(metrics="mrr", progress=False).metrics == run.evaluate(metrics=["mrr"], progress=False).metrics


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda _: hr.compare(7), "runs must be a list of runs"),
        (lambda _: hr.compare("runs/a"), "runs must be a list of runs"),
        (lambda has: hr.compare([has.run], metrics=[7]), "metrics must be text or a list"),
        (lambda has: hr.compare([has.run], bootstrap=1.5), "bootstrap must be a whole number"),
        (lambda has: hr.compare([has.run], seed=None), "seed must be a whole number"),
        (lambda has: hr.tune(has.data, has.run), "recipe must be the name of a recipe with a"),
        (lambda has: hr.tune(has.data, trials="x"), "trials must be a whole number"),
        (lambda has: hr.recipe(has.run), "A recipe is a name"),
        (lambda _: hr.recipe("best", dataset=7), "dataset must be text"),
        (lambda _: hr.serve("x", port="x"), "port must be a whole number"),
        (lambda _: hr.serve("x", port=99_999), "port must be at most 65535"),
        (lambda _: hr.serve("x", workers=0), "workers must be at least 1"),
        (lambda _: hr.serve("x", timeout=float("nan")), "timeout must be a number"),
        (lambda _: hr.serve("x", log_format="xml"), "log_format must be one of text, json, got 'xml'"),
        (lambda _: hr.serve("x", allowed_hosts=["shop:80"]), "allowed_hosts are names without a port"),
        (lambda _: hr.serve("x", allowed_hosts="http://a"), "allowed_hosts are names"),
        (lambda _: hr.serve("x", cors_origins=["shop.example"]), "cors_origins are like https://shop.example"),
        (lambda _: hr.serve("x", cors_origins=["https://a/b"]), "cors_origins are like"),
        (lambda _: hr.serve("x", root_path="rec"), "root_path is a path of letters and digits, such as /rec"),
        (lambda _: hr.serve("x", root_path="/a b"), "root_path is a path"),
        (lambda _: hr.serve("x", api_key_file=3), "api_key_file must be a path"),
        (lambda _: hr.members(7), "There is no list of '7'"),
        (lambda has: has.run.export("x", candidates="all"), "candidates must be Candidates, got 'all'"),
        (lambda has: has.run.export("x", slabs=None), "slabs must be text"),
        (lambda has: has.run.recommend([["i1"]]).to_frame(7), "not of '7'"),
    ],
)
def test_other_functions(call, message, data, run) -> None:
    with pytest.raises(HiersrecError, match=message):
        call(SimpleNamespace(data=data, run=run))


def test_a_run_does_not_go_into_its_dataset(data) -> None:
    with pytest.raises(BadFolder, match="lies in the dataset folder"):
        hr.train(data, "popularity", out=data.folder / "run", progress=False)

    assert not (data.folder / "run").exists()


def test_a_folder_below_a_file_is_one_error(data, tmp_path) -> None:
    (tmp_path / "file").write_text("x")

    with pytest.raises(BadFolder, match=r"file/run can't be read or written: Not a directory"):
        hr.train(data, "popularity", out=tmp_path / "file" / "run", progress=False)
    with pytest.raises(BadFolder, match="can't be read or written: Not a directory"):
        hr.train(data, "hiersrec", overrides=SETTINGS, log=f"csv={tmp_path / 'file'}", progress=False)


def test_a_temporary_folder_lives_as_long_as_any_copy(data, scratch) -> None:
    run = hr.train(data, "popularity", progress=False)
    folder, answers = run.folder, run.recommend([["i1"]], k=3)

    copies = [copy.copy(run), copy.deepcopy(run)]
    pickled = pickle.dumps(run)
    recommender = run.recommender
    del run
    loaded = pickle.loads(pickled)  # noqa: S301, our own
    assert all(each.recommend([["i1"]], k=3) == answers for each in [*copies, recommender, loaded])

    del copies
    assert folder.is_dir(), "the recommender was loaded from it"
    del recommender
    assert not folder.exists()
    assert list(scratch.iterdir()) == []


@pytest.mark.usefixtures("scratch")
def test_a_forked_process_leaves_temporary_folders(data) -> None:
    run = hr.train(data, "popularity", progress=False)

    child = os.fork()
    if child == 0:
        del run
        os._exit(0)
    os.waitpid(child, 0)

    assert run.folder.is_dir()


def test_overwrite_touches_no_folder_that_only_has_a_recipe(data, tmp_path) -> None:
    (tmp_path / "recipe.toml").write_text('base = "any/popularity"\n')
    (tmp_path / "notes.txt").write_text("x")

    with pytest.raises(BadFolder, match="is no run folder, so --overwrite does not touch it"):
        hr.train(data, tmp_path / "recipe.toml", out=tmp_path, overwrite=True, progress=False)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "recipe.toml"]


@pytest.mark.parametrize("where", ["on_start", "on_step", "on_epoch", "on_end", "close"])
@pytest.mark.parametrize("error", [RuntimeError("boom"), KeyboardInterrupt()])
def test_what_a_callback_raises_comes_through_and_leaves_nothing(where, error, data, scratch) -> None:
    class Failing(hr.Callback):
        pass

    def fail(*_: object) -> None:
        raise error

    setattr(Failing, where, fail)
    with pytest.raises(type(error)):
        hr.train(data, "hiersrec", overrides=SETTINGS, callbacks=[Failing()], progress=False)

    # PyTorch makes a folder for compiled code where it first looks for one.
    assert [path for path in scratch.iterdir() if not path.name.startswith("torchinductor_")] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": 7}, "name must be text, got 7"),
        ({"split": 7}, "split must be text, got 7"),
        ({"dataset": []}, "dataset must be text"),
        ({"engine": 7}, "engine must be text"),
        ({"gap": "x"}, "gap must be a number, got 'x'"),
        ({"min_item_count": 1.5}, r"min_item_count must be a whole number, got 1\.5"),
        ({"max_session_length": float("nan")}, "max_session_length must be a whole number, got nan"),
        ({"text": 7}, "text must be text or a list of texts, got 7"),
        ({"ignore": [7]}, "ignore must be text or a list of texts"),
        ({"event_types": {}}, "event_types must be text or a list of texts"),
        ({"drop_repeats": "no"}, "drop_repeats must be True or False"),
        ({"out": 7}, "out must be a path"),
    ],
)
def test_prepare(arguments, message, scratch) -> None:
    with pytest.raises(BadInput, match=message):
        hr.prepare("events.csv", **{"split": "random:0.1", "progress": False, **arguments})

    assert list(scratch.iterdir()) == []

"""A run folder becomes a bundle that gives the same lists, or an error says why not and nothing is left."""

import json
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hiersrec import Candidates, Recommender, export_run
from hiersrec.build import RECIPE
from hiersrec.errors import BadFolder, BadInput, BadRecipe, HiersrecError
from hiersrec.export_run import export
from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.retrieval.candidates import ALL
from hiersrec.store.dataset import Dataset
from hiersrec.store.folder import OWN, open_seal, seal
from hiersrec.training.fit import train
from hiersrec.training.progress import SilentReporter
from tests.bundles import SMALL, exported, known_graph, tiny_run
from tests.toy import fashion, item_id, walks

pytestmark = pytest.mark.slow

SESSIONS = [[item_id(item) for item in session] for session in walks(40, 7)]
"""One or more items, up to 8."""


@pytest.fixture
def known_toy_graph(toy_bundle) -> Iterator[None]:
    with known_graph(toy_bundle):
        yield


def document(bundle: Path) -> dict:
    return json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "candidates", [ALL, Candidates(policy="category", top=2), Candidates(policy="category", share=0.3)]
)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"explain": True},
        {"exclude_seen": True, "per_category": 2, "deny": ["a0"]},
        {"boost": {"a0": 1.5, "b3": -2.0, "zzz": 9}, "explain": True},
        {"diversity": 0.3},
    ],
)
def test_run_and_bundle_answer_alike(toy_run, toy_bundle, candidates, options) -> None:
    sessions = [*SESSIONS, [], ["unknown"], [*SESSIONS[0], "unknown", *SESSIONS[1], *SESSIONS[2]]]

    ours, theirs = (
        Recommender.load(path).recommend(sessions, 10, candidates=candidates, **options)
        for path in (toy_bundle, toy_run)
    )

    for found, expected in zip(ours, theirs, strict=True):
        assert_alike(found.to_dict(), expected.to_dict())


def test_run_and_bundle_answer_alike_where_a_model_goes_beyond_the_paper(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("hiersrec.model.score_terms.trend.trend", fashion)
    beyond = (
        "tasks.item.repeats=true",
        "inputs.neighbours=3",
        "tasks.item.vectors=id+metadata",
        "tasks.item.trend=1.0",
        "tasks.item.cooccurrence=0.5",
    )
    run = tiny_run(tmp_path, settings=beyond)
    sessions = [*SESSIONS, [], [*SESSIONS[0], *SESSIONS[0], *SESSIONS[1], *SESSIONS[2]]]
    for slabs in ("float32", "int8"):
        with nullcontext() if slabs == "float32" else known_graph(tmp_path / "float32"):
            bundle = exported(run, tmp_path / slabs, slabs=slabs)
        for options in ({}, {"explain": True}, {"exclude_seen": True}):
            ours, theirs = (Recommender.load(path).recommend(sessions, 10, **options) for path in (bundle, run))

            for found, expected in zip(ours, theirs, strict=True):
                assert_alike(found.to_dict(), expected.to_dict())
    reasons = Recommender.load(bundle).recommend(SESSIONS[:1], 5, explain=True)[0].items[0].reasons
    values = {reason.source: reason.value for reason in reasons}
    assert {"repeat", "cooccurrence"} <= values.keys()
    assert values["trend"] != 0 == values["bias"]


def assert_alike(ours: object, theirs: object) -> None:
    """Equal but for the last digits of float32."""
    if isinstance(theirs, float):
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-4)
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for key, value in theirs.items():
            assert_alike(ours[key], value)
    elif isinstance(theirs, list | tuple):
        assert len(ours) == len(theirs)
        for our_value, their_value in zip(ours, theirs, strict=True):
            assert_alike(our_value, their_value)
    else:
        assert ours == theirs


@pytest.fixture(scope="module")
def folders(toy_run, toy_bundle, tmp_path_factory) -> dict[str, tuple[Path, Path]]:
    """A run and a bundle of it, with text for ids and with whole numbers from 100."""
    aside = tmp_path_factory.mktemp("numbers")
    shutil.copytree(toy_run, aside / "run")
    items = aside / "run" / "catalog" / "items.parquet"
    table = pq.read_table(items)
    pq.write_table(
        table.set_column(table.column_names.index("item_id"), "item_id", pa.array(range(100, 148), pa.int64())), items
    )
    document = open_seal(toy_run, "run")
    seal(aside / "run", "run", document, [aside / "run" / name for name in document["files"]])
    with known_graph(toy_bundle):
        return {"text": (toy_run, toy_bundle), "numbers": (aside / "run", exported(aside / "run", aside / "bundle"))}


KNOWN = {
    "text": ["a0", np.str_("a0")],
    "numbers": [100, "100", " 100 ", np.int64(100), np.uint8(100), np.str_("100"), "\u0661\u0660\u0660"],
}
UNKNOWN = ["", " ", "-", "None", "nan", "1.0", "0x10", "--7", "\ud800", 0, -1, 2**63, -(2**70), np.int64(10**9)]
ENDLESS = [10**5000, -(10**5000), "9" * 5000]
NO_IDS = [None, b"a0", bytearray(b"a0"), 100.0, 1e400, float("nan"), np.float32(100), 100j, True, np.bool_(True)]
NO_IDS += [["a0"], ("a0",), {}, {"a0"}, np.array("a0"), object()]


@pytest.mark.parametrize("kind", ["text", "numbers"])
def test_ids_of_odd_types_are_known_unknown_or_no_ids_for_run_and_bundle_alike(folders, kind) -> None:
    for shop in map(Recommender.load, folders[kind]):
        plain = KNOWN[kind][0]
        [expected] = shop.recommend([[plain]], 5)
        for given in KNOWN[kind]:
            assert shop.recommend([[given]], 5) == [expected], repr(given)
            assert len(shop.recommend([[]], allow=[given])[0].items) == 1
        for given in (*UNKNOWN, *ENDLESS):
            [answer] = shop.recommend([[plain, given]], 5, deny=[given], exclude_seen=True)
            assert answer.unknown_ids == [given]
            assert type(answer.unknown_ids[0]) in (str, int)
            assert [item.item_id for item in answer.session] == [plain]
            assert shop.recommend([[]], allow=[given])[0].items == []
        for given in NO_IDS:
            for arguments in (
                {"sessions": [[plain, given]]},
                {"sessions": [], "allow": [given]},
                {"sessions": [], "deny": [given]},
            ):
                with pytest.raises(
                    BadInput, match=r"An item id is text or a whole number, got .*\. Give it as the items"
                ):
                    shop.recommend(**arguments)
        for given in (None, b"a0", "a0", 10**5000, 1.0, True):
            with pytest.raises(BadInput, match=r"A session is a list of item ids, got .*\. Pass \[\[\.\.\.\]\]"):
                shop.recommend([given])
            if given is not None:
                with pytest.raises(BadInput, match=r"deny is a list of item ids, got .*\. Put it in a list\."):
                    shop.recommend([[]], deny=given)


def test_bundle_json_says_what_it_is(toy_bundle) -> None:
    sealed = document(toy_bundle)

    assert (sealed["kind"], sealed["recipe"], sealed["dataset"], sealed["num_items"]) == (
        "bundle",
        "hiersrec",
        "toy",
        48,
    )
    assert (sealed["max_length"], sealed["query_width"], sealed["slabs"]) == (10, 16, "float32")
    assert sealed["tasks"] == ["category_1", "category_2"]
    assert sealed["reads"] == [{"task": "category_1", "as": "probs"}, {"task": "category_2", "as": "probs"}]
    assert sealed["candidates"] == {"policy": "category", "top": 2, "share": None, "mass": None}
    assert sealed["checked"]["from"] == "validation sessions of toy"
    assert sealed["checked"]["difference"] < 1e-4
    assert len(sealed["model_version"]) == 12
    assert set(sealed["files"]) == {
        path.relative_to(toy_bundle).as_posix()
        for path in toy_bundle.rglob("*")
        if path.is_file() and path.name != "bundle.json"
    }


@pytest.mark.usefixtures("known_toy_graph")
def test_without_the_dataset_random_sessions_do(toy_run, tmp_path) -> None:
    run = tmp_path / "run"
    shutil.copytree(toy_run, run)
    document = json.loads((run / "run.json").read_text())
    document["dataset"]["path"] = str(tmp_path / "gone")
    del document[OWN]
    (run / "run.json").write_text(json.dumps(document))
    said: list[str] = []

    sealed = export(run, tmp_path / "bundle", said.append, slabs="int8", int8_encoder=True)

    assert sealed["checked"]["from"] == "random sessions"
    assert sealed["encoder"] == "encoder.int8.onnx"
    assert not (tmp_path / "bundle" / "encoder.onnx").exists()
    assert sealed["checked"]["int8"]["overlap"] >= 0.8
    assert 0 < sealed["checked"]["int8"]["difference"] < 1
    assert any("lists of 20 stay" in line for line in said)
    answers = Recommender.load(tmp_path / "bundle").recommend(SESSIONS, 5)
    full = Recommender.load(toy_run).recommend(SESSIONS, 5)
    same = [ours.items[0].item_id == theirs.items[0].item_id for ours, theirs in zip(answers, full, strict=True)]
    assert sum(same) > 0.8 * len(same)


def test_another_dataset_is_refused(toy_run, tmp_path) -> None:
    other = tmp_path / "data"
    shutil.copytree(toy_run.parent / "data", other)
    sealed = json.loads((other / "dataset.json").read_text())
    sealed["files"]["catalog/items.parquet"]["sha256"] = "0" * 64
    del sealed[OWN]
    (other / "dataset.json").write_text(json.dumps(sealed))

    with pytest.raises(
        BadInput, match=r"data has other items than .* was trained on \(toy\).* with --data, or leave --data out\."
    ):
        export(toy_run, tmp_path / "bundle", lambda _: None, data=other)

    assert not (tmp_path / "bundle").exists()


@pytest.mark.usefixtures("known_toy_graph")
def test_a_graph_that_differs_is_not_put_in_place(toy_run, tmp_path, monkeypatch) -> None:
    true = export_run.exported.input_vectors
    monkeypatch.setattr(export_run.exported, "input_vectors", lambda model: np.roll(true(model), 1, axis=0))

    with pytest.raises(HiersrecError, match=r"The exported graph differs from the model by .*, at most 0\.0001"):
        export(toy_run, tmp_path / "bundle", lambda _: None)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("known_toy_graph")
def test_an_int8_graph_that_changes_the_lists_is_not_put_in_place(toy_run, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(export_run, "LEAST_OVERLAP", 1.01)

    with pytest.raises(HiersrecError, match=r"With int8 the encoder keeps .* of the lists of 20.* without --int8\."):
        export(toy_run, tmp_path / "bundle", lambda _: None, int8_encoder=True)

    assert list(tmp_path.iterdir()) == []


def test_an_older_bundle_is_replaced_only_on_request(toy_run, toy_bundle, tmp_path, monkeypatch) -> None:
    shutil.copytree(toy_bundle, tmp_path / "bundle")
    with pytest.raises(BadFolder, match=r"exists already\. Choose another --out, or replace it with --overwrite\."):
        export(toy_run, tmp_path / "bundle", lambda _: None)

    hashed: list[Path] = []
    true = export_run.folders.sha256
    monkeypatch.setattr(export_run.folders, "sha256", lambda path: hashed.append(path) or true(path))

    before = document(toy_bundle)
    after = export(
        toy_run, tmp_path / "bundle", lambda _: None, candidates=Candidates(policy="category", top=2), overwrite=True
    )

    assert after["model_version"] == before["model_version"], "the same run gives the same bytes"
    assert len([path for path in hashed if tmp_path in path.parents]) == len(after["files"]), "each file once"


def test_a_baseline_has_no_export(toy_run, tmp_path) -> None:
    popularity = read_recipe(find_recipe("popularity", "toy"))
    train(Dataset.open(toy_run.parent / "data"), popularity, tmp_path / "run", SilentReporter())

    with pytest.raises(
        BadRecipe,
        match=r"got the baseline 'popularity'\. Serve the run folder itself",
    ):
        export(tmp_path / "run", tmp_path / "bundle", lambda _: None)


def test_an_unknown_type_of_slabs_is_refused_before_anything_is_read(tmp_path) -> None:
    with pytest.raises(
        BadInput, match=r"There are no slabs of type 'int4'\. Did you mean 'int8'\? Known: float32, int8"
    ):
        export(tmp_path / "nothing", tmp_path / "bundle", lambda _: None, slabs="int4")


def test_a_task_that_reads_the_items_has_no_export(toy_run, tmp_path) -> None:
    text = (toy_run / RECIPE).read_text(encoding="utf-8")
    category, item = text.index('[[tasks]]\nname = "category"'), text.index('[[tasks]]\nname = "item"')
    end = text.index("[training]")
    category_table = text[category:item].replace("reads = []", 'reads = ["item"]')
    item_table = text[item:end].replace('reads = [\n    "category_*",\n]', "reads = []")
    (tmp_path / "recipe.toml").write_text(text[:category] + item_table + category_table + text[end:], encoding="utf-8")
    train(
        Dataset.open(toy_run.parent / "data"), read_recipe(tmp_path / "recipe.toml"), tmp_path / "run", SilentReporter()
    )

    with pytest.raises(BadRecipe, match="excludes the tasks that read the item task"):
        export(tmp_path / "run", tmp_path / "bundle", lambda _: None)


def test_candidates_that_it_cannot_give(toy_run, tmp_path) -> None:
    with pytest.raises(BadInput, match=r"Random candidates are for `hiersrec evaluate`"):
        export(toy_run, tmp_path / "bundle", lambda _: None, candidates=Candidates(policy="random", top=1))

    made = read_recipe(find_recipe("single_task", "toy"), [*SMALL, "training.epochs=1"])
    train(Dataset.open(toy_run.parent / "data"), made, tmp_path / "run", SilentReporter())
    with pytest.raises(BadInput, match=r"Candidates by category need predicted categories, and this run predicts none"):
        export(tmp_path / "run", tmp_path / "bundle", lambda _: None, candidates=Candidates(policy="category", top=1))

    with pytest.raises(BadInput, match=r"Candidates by mass need predicted paths of the category tree"):
        export(toy_run, tmp_path / "bundle", lambda _: None, candidates=Candidates(policy="category", mass=0.9))
    assert not (tmp_path / "bundle").exists()

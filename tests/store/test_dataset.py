from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hiersrec.errors import BadFolder, BadInput
from hiersrec.store.dataset import Dataset, TrainingData
from hiersrec.store.folder import new_folder, seal
from hiersrec.store.sessions import Sessions
from tests.documents import DATASET

SPLITS = {"train": [[1, 2], [2, 1, 2]], "valid": [[2, 1]], "test": [[1, -1, 2]]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole dataset folder, written by hand as the docstrings of the store say."""
    with new_folder(tmp_path / "toy", "dataset") as out:
        (out / "catalog").mkdir()
        items = {"item": pa.array([1, 2], pa.int32()), "item_id": ["a", "b"], "train_count": [2, 3]}
        pq.write_table(pa.table(items), out / "catalog" / "items.parquet")
        nodes = pa.schema([("level", pa.int64()), ("node", pa.int32()), ("parent", pa.int32()), ("name", pa.string())])
        pq.write_table(nodes.empty_table(), out / "catalog" / "categories.parquet")
        (out / "catalog" / "features.json").write_text("[]")
        for split, lists in SPLITS.items():
            (out / split).mkdir()
            sessions = Sessions.from_lists(lists)
            np.save(out / split / "items.npy", sessions.items)
            np.save(out / split / "offsets.npy", sessions.offsets)
            ids = pa.table({"session_id": [f"{split} {number}" for number in range(len(lists))]})
            pq.write_table(ids, out / split / "sessions.parquet")
        seal(out, "dataset", DATASET, [path for path in out.rglob("*") if path.is_file()])
    return tmp_path / "toy"


def test_the_folder_opens_as_written(folder: Path) -> None:
    dataset = Dataset.open(folder)

    assert dataset.name == "toy"
    assert dataset.catalog.num_items == 2
    for split, lists in SPLITS.items():
        sessions = dataset.sessions(split)
        assert [sessions[number].tolist() for number in range(len(sessions))] == lists


def test_fit_gets_no_way_to_the_test_split(folder: Path) -> None:
    data = Dataset.open(folder).training()

    assert [field.name for field in fields(TrainingData)] == ["catalog", "train", "valid", "timed", "latest"]
    assert (len(data.train), len(data.valid)) == (2, 1)


@pytest.mark.parametrize(
    ("column", "timed"), [({}, False), ({"timestamp": "time"}, True), ({"timestamp": None}, False)]
)
@pytest.mark.parametrize(("valid", "latest"), [("random", False), ("latest", True)])
def test_fit_knows_in_what_order_sessions_are(folder: Path, column, timed, valid, latest) -> None:
    dataset = Dataset.open(folder)
    facts = {"columns": {"events": column}, "settings": {"split": {"valid": valid}}}

    data = replace(dataset, document={**dataset.document, **facts}).training()

    assert (data.timed, data.latest) == (timed, latest)


def test_unseen_items_are_read_or_their_absence_explained(folder: Path) -> None:
    with pytest.raises(BadFolder, match=r"test/unseen\.parquet is missing: an older hiersrec .* `hiersrec prepare`"):
        Dataset.open(folder).unseen()
    stored = pa.table({"item_id": ["c"], "item": pa.array([-1], pa.int32())})
    pq.write_table(stored, folder / "test" / "unseen.parquet")

    assert Dataset.open(folder).unseen() == stored


def test_the_fingerprint_follows_the_vocabulary(folder: Path) -> None:
    dataset = Dataset.open(folder)

    assert len(dataset.fingerprint) == 64
    assert dataset.fingerprint == dataset.document["files"]["catalog/items.parquet"]["sha256"]


def test_an_unknown_split_is_refused(folder: Path) -> None:
    with pytest.raises(BadInput, match=r"no split 'tset'\. Did you mean 'test'\? Known: test, train, valid\."):
        Dataset.open(folder).sessions("tset")


def test_a_split_cut_short_is_refused(folder: Path) -> None:
    (folder / "test" / "items.npy").unlink()

    with pytest.raises(BadFolder, match=r"test/items\.npy is missing"):
        Dataset.open(folder)


@pytest.mark.parametrize("name", ["train/items.npy", "test/sessions.parquet", "catalog/items.parquet"])
def test_changed_contents_are_noticed_where_they_are_used(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    dataset = Dataset.open(folder)
    uses = {
        "train": lambda: dataset.sessions("train"),
        "valid": lambda: dataset.sessions("valid"),
        "test": lambda: dataset.sessions("test"),
        "catalog": lambda: dataset.catalog,
    }

    for part, use in uses.items():
        if name.startswith(f"{part}/"):
            for _ in range(2):
                with pytest.raises(BadFolder, match=rf"{name} does not match its checksum\. Make or copy the dataset"):
                    use()
        else:
            assert use()


def test_a_sealed_file_that_no_code_of_ours_writes(folder: Path) -> None:
    (folder / "catalog" / "features.json").write_text('[{"name": "../../x", "kind": "multi"}]')
    (folder / "train" / "items.npy").write_bytes(b"no array")
    (folder / "dataset.json").unlink()
    seal(folder, "dataset", DATASET, [path for path in folder.rglob("*") if path.is_file()])
    dataset = Dataset.open(folder)

    with pytest.raises(BadFolder, match=r"features\.json is damaged \(\[0\]\.vocabulary is missing\)\. Prepare the"):
        _ = dataset.catalog
    with pytest.raises(BadFolder, match=r"/train can't be read: .* Its seal is whole, so the files were written so"):
        dataset.sessions("train")

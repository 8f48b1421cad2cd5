"""Items held out of training: nowhere in training, all of them still in the test sessions."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as some

from hiersrec.errors import BadInput
from hiersrec.preparation.hold_out import chosen
from hiersrec.preparation.settings import Filters, PrepareSettings, SplitSettings
from hiersrec.store.dataset import Dataset
from hiersrec.store.statistics import table
from tests.preparation.tables import LATEST, contents, events, made, plain, with_part

pytestmark = pytest.mark.slow

ROWS = events(sessions=60)
RULES = {
    "latest": LATEST,
    "random": PrepareSettings(split=SplitSettings(method="random", value=0.3, seed=3)),
    "filtered": PrepareSettings(
        filters=Filters(min_item_count=10, min_session_length=1),
        split=SplitSettings(method="last_days", value=2, seed=1),
    ),
}


def held(settings: PrepareSettings, share: float) -> PrepareSettings:
    return with_part(settings, "split", hold_out_items=share)


def ids_of(data: Dataset) -> set[int]:
    """Every item of a dataset, unseen ones too."""
    return {*data.catalog.items["item_id"].to_pylist(), *data.unseen()["item_id"].to_pylist()}


def in_test(data: Dataset) -> list[list[int]]:
    """Test sessions in external ids, unseen ones by the stored table."""
    fresh = {row["item"]: row["item_id"] for row in data.unseen().to_pylist()}
    known, sessions = data.catalog.items["item_id"].to_pylist(), data.sessions("test")
    return [
        [known[item - 1] if item > 0 else fresh[item] for item in sessions[index].tolist()]
        for index in range(len(sessions))
    ]


@pytest.mark.parametrize(("rule", "share"), [("latest", 0.01), ("random", 0.3), ("filtered", 0.3)])
def test_against_a_slow_twin(tmp_path, rule, share):
    before = made(tmp_path / "before", ROWS, RULES[rule])
    ids = sorted(ids_of(before))
    gone = {
        item_id
        for item_id, is_held in zip(ids, chosen(len(ids), share, RULES[rule].split.seed), strict=True)
        if is_held
    }

    after = made(tmp_path / "after", ROWS, held(RULES[rule], share))

    expected = {
        part: [
            (name, left) for name, items in plain(before)[part] if len(left := [i for i in items if i not in gone]) > 1
        ]
        for part in ("train", "valid")
    }
    assert {part: plain(after)[part] for part in expected} == expected
    assert in_test(after) == in_test(before)
    known = {item for result in expected.values() for _, items in result for item in items}
    assert set(after.catalog.items["item_id"].to_pylist()) == known
    assert gone & known == set()
    facts = after.document["split"]
    assert facts["held_out"] == {
        "items": len(gone),
        "of": len(ids),
        "before": {part: before.document["split"][part] for part in expected},
    }
    for part, result in expected.items():
        assert facts[part] == {"sessions": len(result), "events": sum(len(items) for _, items in result)}
    assert facts["test"] == before.document["split"]["test"]


def test_only_the_table_of_unseen_items_names_held_out_items(tmp_path):
    rows = [{**row, "item_id": f"thing-{row['item_id']}-"} for row in ROWS]
    data = made(tmp_path / "out", rows, held(LATEST, 0.3))
    unseen = data.unseen()["item_id"].to_pylist()
    assert len(unseen) >= data.document["split"]["held_out"]["items"]

    tables = {path: str(pq.read_table(path).to_pylist()) for path in data.folder.rglob("*.parquet")}
    naming = {
        path.relative_to(data.folder).as_posix() for path in tables for item_id in unseen if item_id in tables[path]
    }

    assert naming == {"test/unseen.parquet"}
    for part in ("train", "valid"):
        items = np.asarray(data.sessions(part).items)
        assert items.min() >= 1
        assert items.max() <= data.catalog.num_items
    stored = np.asarray(data.sessions("test").items)
    assert sorted({item for item in stored.tolist() if item < 0}) == sorted(data.unseen()["item"].to_pylist())


def test_unseen_items_are_stored_in_the_order_of_their_ids(tmp_path):
    data = made(tmp_path / "out", ROWS, held(LATEST, 0.5))

    result = data.unseen().to_pylist()

    assert [row["item"] for row in result] == [-1 - index for index in range(len(result))]
    assert [row["item_id"] for row in result] == sorted(row["item_id"] for row in result)
    assert "test/unseen.parquet" in data.document["files"]


def test_a_second_run_is_the_same_and_the_order_of_the_file_plays_no_part(tmp_path):
    for name, rows in {"a": ROWS, "b": ROWS[::-1]}.items():
        made(tmp_path / name, rows, held(LATEST, 0.3))

    assert contents(tmp_path / "a") == contents(tmp_path / "b")


@given(some.integers(1, 300), some.floats(0.001, 0.99), some.integers(0, 9))
def test_the_share_is_exact_and_follows_the_seed(count, share, seed):
    result = chosen(count, share, seed)

    assert result.sum() == max(1, round(share * count))
    assert (result == chosen(count, share, seed)).all()


def test_another_seed_holds_others_out():
    assert not (chosen(100, 0.2, 0) == chosen(100, 0.2, 1)).all()


def test_the_counts_are_shown(tmp_path):
    data = made(tmp_path / "out", ROWS, held(LATEST, 0.3))
    facts = data.document["split"]
    left = [facts["held_out"]["before"]["train"]["events"], facts["train"]["events"]]

    shown = dict(table(data.document))["items held out"]

    assert shown.startswith("3 of 11; train 29 -> ")
    assert f"{left[0]} -> {left[1]} events; valid " in shown
    without = made(tmp_path / "without", ROWS).document
    assert "held_out" not in without["split"]
    assert "items held out" not in dict(table(without))


def test_nothing_left_to_train_on(tmp_path):
    with pytest.raises(BadInput, match=r"--hold-out-items 0.999 holds out 11 of 11 items, and none of the 29 training"):
        made(tmp_path / "out", ROWS, held(LATEST, 0.999))


def test_nothing_left_to_validate_on(tmp_path):
    rows = [
        {"session_id": index, "item_id": item, "timestamp": 10 * index + item}
        for index in range(6)
        for item in (1, 2, 3)
    ]
    rows += [{"session_id": 6, "item_id": item, "timestamp": 100 + item} for item in (4, 5)]
    rows += [{"session_id": 7, "item_id": item, "timestamp": 200 + item} for item in (1, 2)]
    settings = PrepareSettings(split=SplitSettings(method="fraction", value=0.125, valid="latest", valid_share=0.1))
    seed = next(seed for seed in range(50) if chosen(5, 0.2, seed)[3])
    settings = with_part(held(settings, 0.2), "split", seed=seed)

    with pytest.raises(BadInput, match=r"holds out 1 of 5 items, and none of the 1 validation sessions has 2 events"):
        made(tmp_path / "out", rows, settings)

    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("share", [-0.1, 1, 1.5])
def test_impossible_shares_are_refused(share):
    with pytest.raises(
        BadInput, match=rf"--hold-out-items must be a share of the items below 1, such as 0.1, got {share}"
    ):
        SplitSettings(hold_out_items=share)

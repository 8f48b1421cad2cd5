"""Types of events from the events file to the arrays of the splits."""

from collections import Counter
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from hiersrec.preparation.settings import Columns, PrepareSettings, SessionRules
from hiersrec.store.dataset import Dataset
from tests.preparation.tables import LATEST, Rows, events, made, plain, with_part


def named(data: Dataset) -> dict[str, list[list[Any]]]:
    """Split -> the types of each session's events by name, None where unknown."""
    names = [None, *data.catalog.event_types]
    result = {}
    for split in ("train", "valid", "test"):
        sessions = data.sessions(split)
        assert sessions.event_types is not None
        assert sessions.event_types.dtype == np.int32
        flat = [names[code] for code in sessions.event_types]
        result[split] = [flat[start:end] for start, end in zip(sessions.offsets, sessions.offsets[1:], strict=False)]
    return result


def expected(data: Dataset, rows: Rows, known: set[str]) -> dict[str, list[list[Any]]]:
    """The same by hand: the rows of each session in the order of time."""
    return {
        split: [
            [row["event_type"] if row["event_type"] in known else None for row in _of(rows, session)]
            for session, _ in listed
        ]
        for split, listed in plain(data).items()
    }


def _of(rows: Rows, session: int) -> Rows:
    return sorted((row for row in rows if row["session_id"] == session), key=lambda row: row["timestamp"])


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".tsv.gz"])
def test_every_event_has_its_type(tmp_path, suffix) -> None:
    rows = events(1, sessions=60)
    data = made(tmp_path / "out", rows, suffix=suffix)

    assert named(data) == expected(data, rows, {"view", "cart"})
    assert list(data.catalog.event_types) == ["cart", "view"]
    assert data.catalog.event_types == Counter(name for types in named(data)["train"] for name in types)
    assert data.document["statistics"]["event_types"] == data.catalog.event_types


def test_missing_types_and_types_that_only_test_has_are_unknown(tmp_path) -> None:
    rows = events(1, sessions=60)
    ends = {row["session_id"]: row["timestamp"] for row in rows}
    late = sorted(ends, key=lambda session: ends[session])[-5:]
    for index, row in enumerate(rows):
        row["event_type"] = "gift" if row["session_id"] in late else None if index % 4 == 0 else row["event_type"]
    data = made(tmp_path / "out", rows)

    assert "gift" not in data.catalog.event_types
    assert named(data) == expected(data, rows, {"view", "cart"})
    assert None in named(data)["train"][0] + named(data)["train"][1] + named(data)["train"][2]


def test_numbers_are_types_too(tmp_path) -> None:
    rows = [{**row, "reordered": int(row["event_type"] == "cart")} for row in events(1)]
    for row in rows:
        del row["event_type"]
    data = made(tmp_path / "out", rows, with_part(LATEST, "columns", event_type="reordered"))

    second = [{**row, "event_type": str(row["reordered"])} for row in rows]
    assert named(data) == expected(data, second, {"0", "1"})


def test_types_survive_filters_and_the_choice_of_types(tmp_path) -> None:
    rows = [{**row, "event_type": "cart" if index % 3 else "view"} for index, row in enumerate(events(1, sessions=60))]
    data = made(tmp_path / "out", rows, with_part(LATEST, "sessions", event_types=("cart",), drop_repeats=True))

    assert list(data.catalog.event_types) == ["cart"]
    sizes = {split: [len(items) for _, items in listed] for split, listed in plain(data).items()}
    assert {split: [len(types) for types in result] for split, result in named(data).items()} == sizes


def test_events_without_types_have_none(tmp_path) -> None:
    rows = [{name: value for name, value in row.items() if name != "event_type"} for row in events()]
    data = made(tmp_path / "out", rows)

    assert data.sessions("train").event_types is None
    assert data.catalog.event_types == {}
    assert data.document["statistics"]["event_types"] == {}
    assert not list((tmp_path / "out").rglob("event_type*"))


def test_types_that_only_one_of_two_files_has_are_left_out(tmp_path) -> None:
    rows, test = events(1), [{**row, "session_id": 1000 + row["session_id"]} for row in events(2)]
    for row in test:
        del row["event_type"]
    settings = PrepareSettings(columns=Columns(), sessions=SessionRules())
    data = made(tmp_path / "out", rows, settings, test_rows=test)

    assert data.catalog.event_types == {}
    table = pq.read_table(tmp_path / "out" / "catalog" / "items.parquet")
    assert table.num_rows == data.catalog.num_items

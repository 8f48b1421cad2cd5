"""OTTO: made-up files in the public layout."""

import gzip
import json
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from hiersrec.datasets import otto
from hiersrec.errors import BadInput
from hiersrec.preparation.pipeline import prepare
from hiersrec.preparation.settings import SplitSettings
from hiersrec.store.dataset import Dataset
from tests.preparation.tables import plain

START = 1_661_724_000_278


def lines(first: int, count: int) -> list[str]:
    return [
        json.dumps(
            {
                "session": session,
                "events": [
                    {"aid": 59_625 + (session + step) % 5, "ts": START + 86_400_000 * session + step, "type": "clicks"}
                    for step in range(2 + session % 3)
                ],
            }
        )
        for session in range(first, first + count)
    ]


def expected(first: int, count: int) -> dict[int, list[int]]:
    return {
        session: [59_625 + (session + step) % 5 for step in range(2 + session % 3)]
        for session in range(first, first + count)
    }


def test_sessions_of_both_files(tmp_path, monkeypatch):
    monkeypatch.setattr(otto, "BLOCK", 1000)  # many batches
    (tmp_path / "otto-recsys-train.jsonl").write_text("\n".join(lines(0, 30)) + "\n")
    with gzip.open(tmp_path / "otto-recsys-test.jsonl.gz", "wt") as stream:
        stream.write("\n".join(lines(30, 10)) + "\n")

    prepare(otto.source(tmp_path), tmp_path / "out", otto.SETTINGS, say=str)

    data = Dataset.open(tmp_path / "out")
    parts = plain(data)
    assert dict(parts["train"]) | dict(parts["valid"]) == expected(0, 30)
    assert dict(parts["test"]) == expected(30, 10)
    assert data.document["statistics"]["event_types"].keys() == {"clicks"}


def test_events_are_written_as_rows(tmp_path):
    (tmp_path / "train.jsonl").write_text(
        '{"session": 7, "events": [{"aid": 1, "ts": 1661724000278, "type": "clicks"}, '
        '{"aid": 2, "ts": 1661724000279, "type": "carts"}]}\n{"session": 8, "events": []}\n'
        '{"session": 9, "events": [{"aid": 1, "ts": 1661724000300, "type": "orders", "new": 1}]}\n'
    )

    rows = pq.read_table(otto._events(tmp_path / "train.jsonl", tmp_path / "out.parquet")).to_pylist()

    times = [row.pop("timestamp").isoformat() for row in rows]
    assert times == ["2022-08-28T22:00:00.278000", "2022-08-28T22:00:00.279000", "2022-08-28T22:00:00.300000"]
    assert rows == [
        {"session_id": 7, "position": 0, "item_id": 1, "event_type": "clicks"},
        {"session_id": 7, "position": 1, "item_id": 2, "event_type": "carts"},
        {"session_id": 9, "position": 0, "item_id": 1, "event_type": "orders"},
    ]


def test_without_the_test_file_the_last_week_may_test(tmp_path):
    (tmp_path / "train.jsonl").write_text("\n".join(lines(0, 30)) + "\n")
    last_week = replace(otto.SETTINGS, split=SplitSettings(method="last_days", value=7))

    prepare(otto.source(tmp_path), tmp_path / "out", last_week, say=str)

    assert dict(plain(Dataset.open(tmp_path / "out"))["test"]) == expected(23, 7)
    with pytest.raises(BadInput, match=r"There are no test sessions. Give --split"):
        prepare(otto.source(tmp_path), tmp_path / "given", otto.SETTINGS, say=str)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"session": 1, "events": [{"aid": 1, "ts": 16', "can't be read"),
        ('{"session": 1, "events": [{"aid": "one", "ts": 1, "type": "clicks"}]}', "can't be read"),
        ('{"session": 1, "events": [{"ts": 1, "type": "clicks"}]}', "lacks session, aid or ts"),
        ('{"events": [{"aid": 1, "ts": 1, "type": "clicks"}]}', "lacks session, aid or ts"),
    ],
)
def test_a_broken_line_is_an_error(tmp_path, line, message):
    (tmp_path / "train.jsonl").write_text("\n".join([*lines(0, 3), line]) + "\n")

    with pytest.raises(BadInput, match=message):
        prepare(otto.source(tmp_path), tmp_path / "out", otto.SETTINGS, say=str)


def test_the_training_file_is_needed(tmp_path):
    (tmp_path / "otto-recsys-train.json").touch()

    with pytest.raises(BadInput, match=r"there is no otto-recsys-train.jsonl. Did you mean 'otto-recsys-train.json'"):
        otto.source(tmp_path)

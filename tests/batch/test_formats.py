import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hiersrec.batch import formats
from hiersrec.errors import BadInput

ROWS = [
    {"session_id": 'a "quoted", id', "rank": 1, "item_id": "ü\n\\", "score": -0.5, "source": "session"},
    {"session_id": "b", "rank": 2, "item_id": "", "score": 1e-10, "source": "popular"},
    {"session_id": "b", "rank": 3, "item_id": "7", "score": 3.0, "source": "popular"},
]
REASONS = [[{"source": "bias", "value": 0.1}, {"source": "über", "value": -2.0}], [], [{"source": "x", "value": 3.0}]]


def written(tmp_path, kind: str, rows: list[dict], explain: bool, numbers: bool = False):
    """The file of some rows, each of which is a part."""
    columns = formats.schema(numbers, numbers, explain)
    parts = [tmp_path / f"{number}.{kind}" for number in range(len(rows))]
    for part, row in zip(parts, rows, strict=True):
        formats.write_part(pa.Table.from_pylist([row], columns), kind, part)
    assert list(formats.join(parts, kind, columns, tmp_path / "whole")) == [1, 2, 3]
    return tmp_path / "whole"


def single(value: float) -> float:
    """A score as float32 holds it."""
    return pa.scalar(value, pa.float32()).as_py()


@pytest.mark.parametrize("explain", [False, True])
def test_all_formats_hold_the_same_rows(tmp_path, explain) -> None:
    rows = [{**row, **({"reasons": reasons} if explain else {})} for row, reasons in zip(ROWS, REASONS, strict=True)]
    expected = [{**row, "score": single(row["score"])} for row in rows]

    assert pq.read_table(written(tmp_path, "parquet", rows, explain)).to_pylist() == expected
    lines = written(tmp_path, "jsonl", rows, explain).read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    assert [{**row, "score": single(row["score"])} for row in found] == expected
    with written(tmp_path, "csv", rows, explain).open(encoding="utf-8", newline="") as stream:
        table = list(csv.DictReader(stream))
    for row, line in zip(expected, table, strict=True):
        assert (line["session_id"], line["item_id"], line["source"]) == (
            row["session_id"],
            row["item_id"],
            row["source"],
        )
        assert (int(line["rank"]), single(float(line["score"]))) == (row["rank"], row["score"])
        assert not explain or json.loads(line["reasons"]) == row["reasons"]


def test_numbers_stay_numbers(tmp_path) -> None:
    rows = [{**row, "session_id": -(2**60), "item_id": number} for number, row in enumerate(ROWS)]

    assert json.loads(written(tmp_path, "jsonl", rows, False, True).read_text().splitlines()[2])["item_id"] == 2
    assert pq.read_table(written(tmp_path, "parquet", rows, False, True))["session_id"].to_pylist() == [-(2**60)] * 3
    assert (
        written(tmp_path, "csv", rows, False, True).read_text().splitlines()[1].startswith("-1152921504606846976,1,0")
    )


@pytest.mark.parametrize("columns", [formats.schema(True, False, True)])
def test_no_rows(tmp_path, columns) -> None:
    for kind in formats.FORMATS.values():
        formats.write_part(columns.empty_table(), kind, tmp_path / kind)
        assert list(formats.join([tmp_path / kind], kind, columns, tmp_path / "whole")) == [1]
        content = (tmp_path / "whole").read_bytes()
        assert kind == "parquet" or content == (
            b"" if kind == "jsonl" else b"session_id,rank,item_id,score,source,reasons\n"
        )


def test_an_unknown_end_is_refused(tmp_path) -> None:
    with pytest.raises(BadInput, match=r"--out must end in .parquet, .csv or .jsonl, got lists.xlsx"):
        formats.format_of(tmp_path / "lists.xlsx")
    assert formats.format_of(tmp_path / "lists.CSV") == "csv"

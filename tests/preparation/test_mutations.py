"""Files that were damaged at random: the dataset holds every row, or there is one error. Never half a folder."""

import gzip
import io
import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hiersrec.errors import HiersrecError
from hiersrec.preparation.engines import open_engine
from hiersrec.preparation.items import read_items
from hiersrec.preparation.pipeline import prepare
from hiersrec.preparation.reading import read_events
from hiersrec.preparation.source import Source
from tests.preparation.tables import LATEST, events, items
from tests.preparation.test_formats import json_lines, separated

pytestmark = pytest.mark.slow

EVENTS, ITEMS = events(sessions=8), items()
BYTES = [b'"', b",", b"\n", b"\r", b"\xff", b"\x00", b"nan", b"1e400", b"'", b"\\", b"{", b"]", b"-", b" ", b"9" * 25]
NAMES = ("csv", "csv.gz", "jsonl", "parquet")


def write(rows, end):
    if end == "parquet":
        stream = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), stream)
        return stream.getvalue()
    data = json_lines(rows) if end == "jsonl" else separated(rows)
    return gzip.compress(data, mtime=0) if end.endswith("gz") else data


def mutate(data, chance):
    """Bytes with one to three changes: a value inserted, a part removed, doubled or moved to the end, a bit flipped."""
    for _ in range(chance.randint(1, 3)):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + chance.randint(1, 40))
        part = data[start:end]
        change = chance.randrange(5)
        if change == 0:
            data = data[:start] + chance.choice(BYTES) + data[start:]
        elif change == 1:
            data = data[:start] + data[end:]
        elif change == 2:
            data = data[:end] + part + data[end:]
        elif change == 3:
            data = data[:start] + data[end:] + part
        elif part:
            data = data[:start] + bytes([part[0] ^ 1 << chance.randrange(8)]) + data[start + 1 :]
    return data


def rows_in(data, end):
    """The rows of a mutated file where they can be counted in another way: lines, if none has a quote."""
    if end == "csv" and b'"' not in data:
        return sum(bool(line) for line in data.replace(b"\r", b"\n").split(b"\n")) - 1
    if end == "jsonl":
        return sum(bool(line.strip()) for line in data.split(b"\n"))
    return None


@pytest.mark.parametrize("end", NAMES)
def test_mutated_events(tmp_path, end):
    original, read = write(EVENTS, end), 0
    path = tmp_path / f"events.{end}"
    for seed in range(100):
        data = mutate(original, random.Random(f"{end} {seed}"))  # noqa: S311  (test data)
        path.write_bytes(data)
        scratch = tmp_path / f"scratch{seed}"
        with open_engine("duckdb", scratch, lambda _: None) as engine:
            try:
                table = read_events(engine, Source("shop", path), LATEST, lambda _: None).table
                count = engine.arrow(table.aggregate(rows=table.count()))["rows"][0].as_py()
                refused = ""
            except HiersrecError as error:
                refused, count = str(error), None
        if count is None:
            assert str(path) in refused
        else:
            read += 1
            assert rows_in(data, end) in (None, count)
    assert read


@pytest.mark.parametrize("end", NAMES)
def test_mutated_items(tmp_path, end):
    original, path = write(ITEMS, end), tmp_path / f"items.{end}"
    for seed in range(25):
        data = mutate(original, random.Random(f"items {end} {seed}"))  # noqa: S311  (test data)
        path.write_bytes(data)
        try:
            count, refused = len(read_items(path, LATEST, lambda _: None).ids), ""
        except HiersrecError as error:
            refused, count = str(error), None
        assert rows_in(data, end) in (None, count) if count is not None else str(path) in refused


@pytest.mark.parametrize("end", ["csv", "parquet"])
def test_mutations_leave_no_half_folder(tmp_path, end):
    folder = tmp_path / "files"
    folder.mkdir()
    for seed in range(10):
        chance = random.Random(f"both {end} {seed}")  # noqa: S311  (test data)
        for name, rows in (("events", EVENTS), ("items", ITEMS)):
            (folder / f"{name}.{end}").write_bytes(mutate(write(rows, end), chance))
        source = Source("shop", folder / f"events.{end}", folder / f"items.{end}")
        out = tmp_path / f"out{seed}"
        try:
            prepare(source, out, LATEST, say=lambda _: None)
        except HiersrecError:
            assert not out.exists()
        else:
            assert json.loads((out / "dataset.json").read_text())["kind"] == "dataset"
    assert all(path == folder or path.name.startswith("out") for path in tmp_path.iterdir())

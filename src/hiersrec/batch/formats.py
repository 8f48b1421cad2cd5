"""Recommendations as Parquet, CSV or JSON lines: one part a block, and the parts put together into one file.

The columns are session_id, rank (from 1), item_id, score, source, and reasons if they were requested: a list of the
parts of the score (source, value), which is JSON text in CSV.
"""

import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from hiersrec.errors import BadInput, did_you_mean

FORMATS = {".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl"}
"""End of the name of a file -> what is written to it."""
REASONS = pa.list_(pa.struct([("source", pa.string()), ("value", pa.float64())]))


def format_of(out: Path) -> str:
    """What a file is written as, by the end of its name. Raises BadInput."""
    if out.suffix.lower() not in FORMATS:
        raise BadInput(
            f"--out must end in .parquet, .csv or .jsonl, got {out.name}. {did_you_mean(out.suffix, FORMATS)}"
        )
    return FORMATS[out.suffix.lower()]


def schema(numbered_sessions: bool, numbered_items: bool, explain: bool) -> pa.Schema:
    """The columns; ids are int64 or text."""
    session, item = (pa.int64() if is_number else pa.string() for is_number in (numbered_sessions, numbered_items))
    columns = [("session_id", session), ("rank", pa.int32()), ("item_id", item), ("score", pa.float32())]
    return pa.schema([*columns, ("source", pa.string()), *([("reasons", REASONS)] if explain else [])])


def write_part(table: pa.Table, kind: str, path: Path) -> None:
    """Write the rows of a block; CSV without a header."""
    if kind == "parquet":
        pq.write_table(table, path)
        return
    if "reasons" in table.column_names:
        column = table.column_names.index("reasons")
        texts = [json.dumps(reasons, ensure_ascii=False) for reasons in table["reasons"].to_pylist()]
        table = table.set_column(column, "reasons", pa.array(texts, pa.string()))
    if kind == "csv":
        pa.csv.write_csv(table, path, pa.csv.WriteOptions(include_header=False, quoting_style="needed"))
    else:
        with path.open("w", encoding="utf-8", newline="") as stream:
            stream.writelines(_json_lines(table).to_pylist())


def _json_lines(table: pa.Table) -> pa.ChunkedArray:
    """A line for each row: made by column, as an encoder that sees row by row takes ten times as long."""
    pieces: list[Any] = []
    for number, name in enumerate(table.column_names):
        pieces += ["{" if number == 0 else ", ", f"{json.dumps(name)}: ", _json_values(table[name], name == "reasons")]
    return pc.binary_join_element_wise(*pieces, "}\n", "")


def _json_values(values: pa.ChunkedArray, are_json: bool) -> pa.ChunkedArray:
    """Each value as JSON."""
    if are_json or not pa.types.is_string(values.type):
        return values.cast(pa.string())
    coded = values.combine_chunks().dictionary_encode()
    texts = [json.dumps(text, ensure_ascii=False) for text in coded.dictionary.to_pylist()]
    return pa.chunked_array([pa.array(texts, pa.string()).take(coded.indices)])


def join(parts: Iterable[Path], kind: str, columns: pa.Schema, out: Path) -> Iterator[int]:
    """Put parts together into `out`, one after another in memory; yields the number that is done after each."""
    if kind == "parquet":
        with pq.ParquetWriter(out, columns) as writer:
            for number, part in enumerate(parts, start=1):
                writer.write_table(pq.read_table(part))
                yield number
        return
    with out.open("wb") as stream:
        stream.write(f"{','.join(columns.names)}\n".encode() if kind == "csv" else b"")
        for number, part in enumerate(parts, start=1):
            with part.open("rb") as source:
                shutil.copyfileobj(source, stream)
            yield number

"""Sessions on disk in blocks of BLOCK consecutive ones, each a Parquet file: the unit of work.

A block is scored alike wherever and whenever that happens, as the sessions that share a product of matrices are the
same: here, in another process, on another machine, or after a kill.

    sessions/000000.parquet   session_id (int64 or text), items (list of int64 or text, oldest first)
    sessions/facts.json       how many there are, written last
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hiersrec.store.folder import write_text
from hiersrec.store.json_form import Form, read_json

BLOCK = 4096
FACTS = "facts.json"
TEXTS = pa.schema([("session_id", pa.string()), ("items", pa.list_(pa.string()))])
FORM: Form = {"sessions": int, "events": int, "numbers": bool}


@dataclass(frozen=True)
class SessionFacts:
    """All sessions, counted."""

    sessions: int
    events: int
    numbers: bool
    """Whether all ids of sessions are whole numbers; blocks may hold them as text."""

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return -(-self.sessions // BLOCK)

    def size(self, number: int) -> int:
        """Sessions of a block."""
        return min(BLOCK, self.sessions - number * BLOCK)


def block_file(folder: Path, number: int) -> Path:
    """The file of a block."""
    return folder / f"{number:06}.parquet"


def write_blocks(folder: Path, tables: Iterable[pa.Table]) -> tuple[int, int]:
    """Write tables of sessions (session_id, items) as blocks into a new folder; returns their sessions and events."""
    folder.mkdir()
    sessions = events = number = 0
    held: list[pa.Table] = []
    for table in tables:
        sessions += len(table)
        events += pc.sum(pc.list_value_length(table["items"])).as_py() or 0
        held.append(table)
        while sum(map(len, held)) >= BLOCK:
            whole = _together(held)
            pq.write_table(whole.slice(0, BLOCK), block_file(folder, number))
            held, number = [whole.slice(BLOCK)], number + 1
    if sum(map(len, held)):
        pq.write_table(_together(held), block_file(folder, number))
    return sessions, events


def _together(tables: list[pa.Table]) -> pa.Table:
    """Tables as one; ids are text where they are not of one type."""
    if len({table.schema for table in tables}) > 1:
        tables = [table.cast(TEXTS) for table in tables]
    return pa.concat_tables(tables)


def finish(folder: Path, facts: SessionFacts) -> None:
    """Say that the blocks are complete."""
    write_text(folder / FACTS, json.dumps(asdict(facts)) + "\n")


def facts_of(folder: Path) -> SessionFacts | None:
    """What `finish` said; None if it did not."""
    if not (folder / FACTS).is_file():
        return None
    return SessionFacts(**read_json(folder / FACTS, FORM, "Begin again with --overwrite."))


def sessions_of(events: Path, rows: int) -> Iterator[pa.Table]:
    """Sessions from a Parquet file of events (session_id, item_id), in which those of a session follow one another.

    rows: how many events are read at a time.
    """
    held: pa.Table | None = None
    with pq.ParquetFile(events) as parquet:
        for batch in parquet.iter_batches(rows, columns=["session_id", "item_id"]):
            table = pa.Table.from_batches([batch])
            table = table if held is None else pa.concat_tables([held, table])
            starts = _starts(table["session_id"].combine_chunks())
            last = starts[-1]  # this session may go on in the next batch
            yield _grouped(table.slice(0, last), starts)
            held = table.slice(last)
    if held is not None:
        yield _grouped(held, [0, len(held)])


def _starts(ids: pa.Array) -> list[int]:
    """Row of the first event of each session."""
    changes = pc.indices_nonzero(pc.not_equal(ids.slice(1), ids.slice(0, len(ids) - 1)))
    return [0, *(pc.add(changes, 1).to_pylist())]


def _grouped(events: pa.Table, starts: list[int]) -> pa.Table:
    """Sessions, given their starts and the end of the last one."""
    items = events["item_id"].combine_chunks() if len(events) else pa.array([], events["item_id"].type)
    lists = pa.ListArray.from_arrays(pa.array(starts, pa.int32()), items)
    return pa.table({"session_id": events["session_id"].take(pa.array(starts[:-1], pa.int64())), "items": lists})

"""Files with a row per session, whose items are a list, oldest first -> tables of session_id and items.

The list is in the column `items`: a list in Parquet and JSON lines, in separated text the ids with "|" between them.
The ids of sessions are in session_id, or the column that --session-id names; without one sessions are numbered from 0.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from hiersrec.errors import BadInput
from hiersrec.preparation import columns, files, json_lines
from hiersrec.preparation.events_writer import INTEGER
from hiersrec.preparation.settings import Columns
from hiersrec.types import Say

ITEMS = "items"
BETWEEN = "|"


@dataclass
class SessionLists:
    """The sessions of some files, read once by iterating; then `numbers` says whether all ids are whole numbers."""

    parts: list[Path]
    options: Columns
    say: Say
    numbers: bool = True

    def __iter__(self) -> Iterator[pa.Table]:
        done = 0
        for file in self.parts:
            names = files.schema(file, self.options.separator).names
            column = columns.find("session_id", self.options.session_id, names, file, self.say)
            columns.tell_unused(names, [ITEMS, *([] if column is None else [column])], self.say)
            row = 0
            for ids, lists in _rows(file, column, self.options.separator):
                if ids is None:
                    ids = pa.array(range(done, done + len(lists)), pa.int64())
                else:
                    ids = self._session_ids(ids, file, str(column), row)
                yield pa.table({"session_id": ids, ITEMS: _checked(lists, file, row)})
                done, row = done + len(lists), row + len(lists)

    def _session_ids(self, ids: pa.Array, file: Path, column: str, done: int) -> pa.Array:
        """The ids as int64 or text; `done` rows of the file precede them."""
        if not pa.types.is_integer(ids.type) and not pa.types.is_string(ids.type) and ids.null_count < len(ids):
            raise columns.not_an_id(ids.type, column, "session_id", file)
        was_text = pa.types.is_string(ids.type)
        empty = pc.fill_null(pc.equal(ids, ""), True) if was_text else ids.is_null()
        if pc.any(empty).as_py():
            row = pc.index(empty, True).as_py()
            raise BadInput(
                f"{files.location(file, done + row + 1)}: column '{column}' (session_id) is empty. Every session needs "
                "one: fill it in, or leave the column out to number the sessions."
            )
        texts = ids.cast(pa.string())
        if (was_text and files.is_text_file(file)) or ids.type == pa.uint64():
            self.numbers = self.numbers and bool(pc.all(pc.match_substring_regex(texts, INTEGER)).as_py())
        elif was_text:
            self.numbers = False
        # Of separated text and JSON, later ones may be text.
        is_certain = not (was_text or files.is_json(file) or ids.type == pa.uint64())
        return ids.cast(pa.int64()) if is_certain else texts


def _rows(file: Path, column: str | None, separator: str | None) -> Iterator[tuple[pa.Array | None, pa.Array]]:
    """Ids of sessions, if there are any, and lists of items, as the file has them."""
    if files.is_json(file):
        yield from json_lines.lists(file, column, ITEMS)
        return
    names = [ITEMS] if column is None else [column, ITEMS]
    for batch in files.batches(file, names, separator):
        lists = batch.column(ITEMS)
        if files.is_text_file(file):
            parts = pc.split_pattern(lists, BETWEEN)
            lists = pc.if_else(pc.equal(lists, ""), pa.scalar([], parts.type), parts)
        yield None if column is None else batch.column(column), lists


def _checked(lists: pa.Array, file: Path, done: int) -> pa.Array:
    """Lists of int64 or text; None is a session without items. Raises BadInput, naming the row."""
    kind = lists.type
    if not (pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)):
        raise BadInput(f"{file}: column '{ITEMS}' has type {kind}. It must hold a list of item ids for each session.")
    values = lists.flatten()
    if pa.types.is_null(values.type) and not len(values):
        values = values.cast(pa.string())
    if not (pa.types.is_integer(values.type) or pa.types.is_string(values.type)):
        raise columns.not_an_id(f"list of {values.type}", ITEMS, "item_id", file)
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    offsets = pa.array([0, *pc.cumulative_sum(lengths).to_pylist()], pa.int32())
    empty = pc.fill_null(pc.equal(values, ""), True) if pa.types.is_string(values.type) else values.is_null()
    if pc.any(empty).as_py():
        row = int(pc.sum(pc.less_equal(offsets, pc.index(empty, True))).as_py())
        raise BadInput(
            f"{files.location(file, done + row)}: the list in column '{ITEMS}' has an empty item: "
            f"{json.dumps(lists[row - 1].as_py(), default=str)[:60]}. Fill it in or drop it."
        )
    plain = values.cast(pa.string() if pa.types.is_string(values.type) or values.type == pa.uint64() else pa.int64())
    return pa.ListArray.from_arrays(offsets, plain)

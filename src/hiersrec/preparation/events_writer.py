"""Batches of events -> one Parquet file of their fields, each value checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hiersrec.errors import BadInput
from hiersrec.preparation import files, times
from hiersrec.preparation.columns import not_an_id
from hiersrec.preparation.settings import Columns

INTEGER = r"^(0|-?[1-9]\d{0,17})$"
"""Text that is an integer in canonical form: "007" is an id of its own, not 7."""
NOT_A_NUMBER = pa.array(["NaN", "nan"])
"""How pandas and numpy write a missing number as text."""
FINE = "time_ns"
"""Column of times in whole nanoseconds."""
LARGEST_FINE = 9.2e9
"""Seconds since 1970 that fit into it."""


@dataclass(frozen=True)
class Part:
    """A file of events."""

    file: Path
    is_test: bool
    columns: dict[str, str]
    """Field -> column."""
    schema: pa.Schema
    constants: Mapping[str, str]
    """Columns that the names of folders give."""

    def location(self, row: int) -> str:
        """File and row, from 0, for messages."""
        return files.location(self.file, row + 1)


class TimesDifferError(Exception):
    """Times need other columns than were begun with, `time_types`: the file must be written again."""

    def __init__(self, time_types: Mapping[str, pa.DataType]) -> None:
        super().__init__()
        self.time_types = time_types


class EventsWriter:
    """Writes the Parquet file, and collects facts about whole columns."""

    def __init__(
        self,
        path: Path,
        texts: Mapping[str, bool],
        optional: set[str],
        time_types: Mapping[str, pa.DataType],
        options: Columns,
    ) -> None:
        self.path, self.texts, self.optional, self.time_types, self.options = path, texts, optional, time_types, options
        self.rows = 0
        self.integers = {field: True for field, is_text in texts.items() if is_text}
        """Whether every text so far is an integer."""
        self.has_times = self.is_numeric = False
        self.units = times.Units()
        self.span = (float("inf"), float("-inf"))
        """Earliest and latest, as written."""
        self.notes: dict[str, None] = {}
        """What to tell about values, in order."""
        self.has_long_position = False
        self.writer: pq.ParquetWriter | None = None

    def add(self, part: Part) -> None:
        """Append one file. Raises BadInput, and TimesDifferError."""
        start = self.rows
        needed = list(dict.fromkeys(part.columns.values()))
        for batch in files.batches(part.file, needed, self.options.separator, part.constants):
            done = self.rows - start
            arrays = {
                "row": pa.array(np.arange(self.rows, self.rows + len(batch), dtype=np.int64)),
                "from_test_file": pa.array(np.full(len(batch), part.is_test)),
            }
            for field, column in part.columns.items():
                values = batch.column(batch.schema.get_field_index(column))
                if field == "timestamp":
                    arrays.update(self._times(values, part, done))
                else:
                    arrays[field] = self._values(field, values, part, done)
            table = pa.RecordBatch.from_pydict(arrays)
            self.writer = self.writer or pq.ParquetWriter(self.path, table.schema)
            self.writer.write_batch(table)
            self.rows += len(batch)
        if self.rows == start:
            raise BadInput(f"{part.file} has no rows. Give a file with events, or remove the empty part.")

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()

    def _times(self, values: pa.Array, part: Part, done: int) -> dict[str, pa.Array]:
        """Columns of the times of a batch; `done` rows of the file precede it."""
        column = part.columns["timestamp"]
        try:
            parsed = times.parse(values, self.options.time_format)
        except times.UnparsedError as error:
            rule = "Times are ISO-8601 such as 2016-05-09T12:30:00, or numbers of seconds, milliseconds, microseconds "
            rule += "or nanoseconds since 1970; for others say how they are written with --time-format."
            if self.options.time_format is not None:
                rule = f"--time-format says that times are written as {self.options.time_format}."
            raise BadInput(
                f"{part.location(done + error.row)}: '{error.value}' in column '{column}' is not a time. {rule}"
            ) from error
        if not len(values):
            return {name: pa.array([], kind) for name, kind in self.time_types.items()}
        if self.has_times and self.is_numeric != parsed.is_numeric:
            raise BadInput(
                f"{part.location(done)}: column '{column}' mixes numbers and ISO-8601 times ('{values[0].as_py()}'). "
                f"Write all times in one format."
            )
        self.has_times, self.is_numeric = True, parsed.is_numeric
        self.span = (
            min(self.span[0], float(parsed.values.min())),
            max(self.span[1], float(parsed.values.max())),
        )
        if parsed.is_numeric:
            self.units.add(parsed.values, lambda row: part.location(done + row))
        return self._time_columns(parsed, part, done)

    def _time_columns(self, parsed: times.Times, part: Part, done: int) -> dict[str, pa.Array]:
        """The times as columns of `time_types`. Raises TimesDifferError if these don't hold them."""
        is_whole = parsed.values.dtype == np.int64
        if not is_whole and self.time_types["time"] == pa.int64():
            raise TimesDifferError({"time": pa.float64()})
        if parsed.nanoseconds is not None and FINE not in self.time_types:
            raise TimesDifferError({"time": pa.float64(), FINE: pa.int64()})
        if is_whole and self.time_types["time"] == pa.float64() and np.abs(parsed.values).max() > 2**53:
            row = int(np.abs(parsed.values).argmax())
            raise BadInput(
                f"{part.location(done + row)}: {parsed.values[row]} can't be kept exact among times with fractions. "
                f"Write all times as whole numbers, or all with fractions."
            )
        if FINE in self.time_types and parsed.nanoseconds is None and np.abs(parsed.values).max() > LARGEST_FINE:
            row = int(np.abs(parsed.values).argmax())
            raise BadInput(
                f"{part.location(done + row)}: the time {times.day(parsed.values[row])} can't be exact among times "
                f"in nanoseconds, which reach from 1677 to 2262. Repair or drop the row, or write microseconds."
            )
        result = {"time": pa.array(parsed.values.astype(self.time_types["time"].to_pandas_dtype()))}
        if FINE in self.time_types:
            whole = parsed.nanoseconds
            result[FINE] = pa.array(np.rint(parsed.values * 1e6).astype(np.int64) * 1000 if whole is None else whole)
        return result

    def _values(self, field: str, values: pa.Array, part: Part, done: int) -> pa.Array:
        """Values of another field of a batch; `done` rows of the file precede it."""
        column, kind = part.columns[field], values.type
        is_untyped = files.is_text_file(part.file) or column not in self._own_columns(part)
        if pa.types.is_floating(kind) and field != "position":
            raise not_an_id(kind, column, field, part.file)
        if not self.texts[field]:
            is_number = pa.types.is_floating(kind) or (pa.types.is_decimal(kind) and kind.scale > 0)
            values = values.cast(pa.float64() if is_number else pa.int64())
            empty = values.is_null(nan_is_null=True)
        else:
            was_integer = pa.types.is_integer(kind) and not (kind == pa.uint64() and not _fits(values))
            values = values.cast(pa.string())
            empty = pc.fill_null(pc.equal(values, ""), True)
            if self.integers[field] and values.null_count < len(values):
                self.integers[field] = was_integer or (is_untyped and self._are_integers(field, values))
                if is_untyped and not self.integers[field]:
                    empty = pc.or_(empty, self._missing_numbers(field, values))
        if field not in self.optional and pc.any(empty).as_py():
            row = pc.index(empty, True).as_py()
            text = f" ('{values[row].as_py()}')" if values[row].as_py() else ""
            raise BadInput(
                f"{part.location(done + row)}: column '{column}' ({field}) is empty{text}. Every event needs one: fill "
                f"it in or drop the row."
            )
        if self.texts[field] and not self.integers[field]:
            self._check_position(values, part, done) if field == "position" else self._note_blanks(values, column)
        return values

    @staticmethod
    def _own_columns(part: Part) -> list[str]:
        return [name for name in part.schema.names if name not in part.constants]

    def _missing_numbers(self, field: str, values: pa.Array) -> pa.Array:
        """Where a column of integers has "NaN", as pandas writes a missing number: it must not make all ids text."""
        missing = pc.is_in(values, NOT_A_NUMBER)
        numbers = values.filter(pc.invert(missing))
        return missing if self._are_integers(field, numbers) else pa.repeat(False, len(values))

    def _are_integers(self, field: str, values: pa.Array) -> bool:
        if field == "position":  # any whole number that fits: these are ordered, not compared as text
            whole = times.whole_numbers(values)
            self.has_long_position |= whole is not None and bool((np.abs(whole[0].astype(float)) >= 2**53).any())
            return whole is not None
        return bool(pc.all(pc.match_substring_regex(values, INTEGER)).as_py())

    def _check_position(self, values: pa.Array, part: Part, done: int) -> None:
        """Raise BadInput unless all are numbers that floating point holds."""
        bad = pc.invert(pc.match_substring_regex(values, times.NUMBER))
        if self.has_long_position:
            bad = pa.repeat(True, len(values))
        elif not pc.any(bad).as_py():
            numbers = pc.cast(pc.utf8_trim_whitespace(values), pa.float64())
            bad = pc.greater_equal(pc.abs(numbers), 2.0**53)
        if pc.any(bad).as_py():
            row = pc.index(bad, True).as_py()
            raise BadInput(
                f"{part.location(done + row)}: '{values[row].as_py()}' in column '{part.columns['position']}' "
                f"(position) is not a number that orders exactly. Write whole numbers below 2^63 in all rows, or "
                f"decimals below 2^53; or leave the column out and name one with --timestamp."
            )

    def _note_blanks(self, values: pa.Array, column: str) -> None:
        blank = pc.or_(pc.starts_with(values, " "), pc.ends_with(values, " "))
        if pc.any(blank).as_py():
            self.notes.setdefault(
                f"prepare: warning: values of column '{column}' begin or end with blanks, which are kept as given"
            )


def _fits(values: pa.Array) -> bool:
    largest = pc.max(values).as_py()
    return largest is None or largest < 2**63

"""Times in the formats of users' files -> UTC seconds."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hiersrec.errors import BadInput
from hiersrec.types import Float64

NUMBER = r"^\s*[-+]?\d+(\.\d*)?([eE][-+]?\d+)?\s*$"
UNITS = (
    (1e11, "seconds", 1.0),
    (1e14, "milliseconds", 1e3),
    (1e17, "microseconds", 1e6),
    (float("inf"), "nanoseconds", 1e9),
)
"""Limit of the magnitudes of a unit (all reach beyond the year 5000), its name, units per second."""


class UnparsedError(Exception):
    """A value of a column is not a time; holds its row in the column, from 0, and the value."""

    def __init__(self, row: int, value: object) -> None:
        super().__init__(row, value)
        self.row, self.value = row, value


def parse(values: pa.Array) -> tuple[Float64, bool]:
    """A column of times -> float64, and whether these are numbers in a unit still unknown (else UTC seconds).

    Text is read as numbers if its first value is one, otherwise as ISO-8601, in UTC if it has no zone. Raises
    UnparsedError.
    """
    if values.null_count:
        raise UnparsedError(pc.index(values.is_null(), True).as_py(), None)
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        return _seconds(values), False
    if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
        raw = values.to_numpy(zero_copy_only=False).astype(np.float64)
        if not np.isfinite(raw).all():
            row = int(np.flatnonzero(~np.isfinite(raw))[0])
            raise UnparsedError(row, raw[row])
        return raw, True
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        raise UnparsedError(0, values[0].as_py())
    numeric = pc.match_substring_regex(values, NUMBER)
    if len(values) and numeric[0].as_py():
        if not pc.all(numeric).as_py():
            row = pc.index(numeric, False).as_py()
            raise UnparsedError(row, values[row].as_py())
        numbers: Float64 = pc.cast(pc.utf8_trim_whitespace(values), pa.float64()).to_numpy(zero_copy_only=False)
        return numbers, True
    return np.array([_iso(row, text) for row, text in enumerate(values.to_pylist())], np.float64), False


def _seconds(values: pa.Array) -> Float64:
    # Timestamps with a zone are stored in UTC, so dropping the zone keeps the instant; those without are taken as UTC.
    whole = pc.cast(values, pa.timestamp("ns")) if not getattr(values.type, "tz", None) else values
    units = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
    ticks: Float64 = pc.cast(whole, pa.int64()).to_numpy(zero_copy_only=False).astype(np.float64)
    return ticks / units[whole.type.unit]


def _iso(row: int, text: str) -> float:
    try:
        return iso_seconds(text)
    except ValueError as error:
        raise UnparsedError(row, text) from error


def iso_seconds(text: str) -> float:
    """An ISO-8601 day or time -> UTC seconds; without a zone it is UTC. Raises ValueError."""
    time = datetime.fromisoformat(text.strip())
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def unit_of(largest: float) -> tuple[str, float]:
    """Name of the unit of times whose largest is `largest`, and units per second."""
    return next((name, per_second) for limit, name, per_second in UNITS if abs(largest) < limit)


def day(seconds: float) -> str:
    """The UTC day of a time, for messages: "2016-05-25"."""
    return str(np.datetime64(int(seconds), "s"))[:10]


def utc(seconds: float) -> str:
    """A time in full, for messages: "2016-05-25 12:30:00 UTC"."""
    return str(np.datetime64(int(seconds // 1), "s")).replace("T", " ") + " UTC"


def cut_seconds(value: float | str) -> float:
    """The value of `--split date:...`, UTC seconds or an ISO-8601 day or time -> UTC seconds. Raises BadInput."""
    try:
        return float(value)
    except ValueError:
        pass
    try:
        return iso_seconds(str(value))
    except ValueError as error:
        raise BadInput(f"--split date needs an ISO date such as 2016-05-25, or UTC seconds, got '{value}'.") from error

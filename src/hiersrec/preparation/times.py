"""Times in the formats of users' files -> UTC seconds."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hiersrec.errors import BadInput
from hiersrec.types import Float64, Int64

NUMBER = r"^\s*[-+]?\d+(\.\d*)?([eE][-+]?\d+)?\s*$"
UNITS = (
    (1e11, "seconds", 1.0),
    (1e14, "milliseconds", 1e3),
    (1e17, "microseconds", 1e6),
    (float("inf"), "nanoseconds", 1e9),
)
"""Limit of the magnitudes of a unit (all reach beyond the year 5000), its name, units per second."""
LIMITS = np.array([limit for limit, _, _ in UNITS])
TOO_LARGE = 2.0**63
PLAUSIBLE = (631_152_000.0, 4_102_444_800.0)
"""1990 to 2100, in UTC seconds: what is outside is told."""
PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
NOT_IN_ARROW = ("%f", "%z", "%Z", "%p")
"""Directives of strptime that only Python's knows."""


class UnparsedError(Exception):
    """A value of a column is not a time; holds its row in the column, from 0, and the value."""

    def __init__(self, row: int, value: object) -> None:
        super().__init__(row, value)
        self.row, self.value = row, value


@dataclass(frozen=True)
class Times:
    """A column of N times."""

    values: Int64 | Float64
    """(N,) numbers as written, exact where all are whole; or UTC seconds."""
    is_numeric: bool
    """Whether these are numbers in a unit still unknown."""
    nanoseconds: Int64 | None = None
    """(N,) since 1970, where a time is finer than a microsecond, which seconds in floating point can't hold."""


def parse(values: pa.Array, time_format: str | None = None) -> Times:
    """A column of times, of any type of Arrow. Raises UnparsedError.

    Text is read as numbers if its first value is one, otherwise as ISO-8601, in UTC if it has no zone; or, as
    `time_format` says, with the directives of Python's strptime.
    """
    if values.null_count:
        raise UnparsedError(pc.index(values.is_null(), True).as_py(), None)
    kind = values.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _timestamps(values)
    if pa.types.is_decimal(kind):
        values = values.cast(pa.int64() if kind.scale <= 0 else pa.float64(), safe=False)
    if time_format is not None:
        return _formatted(values.cast(pa.string()), time_format)
    if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
        return _numbers(values)
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise UnparsedError(0, values[0].as_py() if len(values) else kind)
    return _texts(values)


def _timestamps(values: pa.Array) -> Times:
    # Timestamps with a zone are stored in UTC, so dropping the zone keeps the instant; those without are taken as UTC.
    if pa.types.is_date(values.type):
        values = values.cast(pa.timestamp("s" if pa.types.is_date32(values.type) else "ms"))
    unit = values.type.unit
    ticks: Int64 = pc.cast(values, pa.int64()).to_numpy(zero_copy_only=False)
    return _from_ticks(ticks, unit)


def _from_ticks(ticks: Int64, unit: str) -> Times:
    fine = unit == "ns" and bool((ticks % 1000).any())
    return Times(ticks.astype(np.float64) / PER_SECOND[unit], False, ticks if fine else None)


def _numbers(values: pa.Array) -> Times:
    if pa.types.is_integer(values.type) and values.type != pa.uint64():
        return Times(values.cast(pa.int64()).to_numpy(zero_copy_only=False), True)
    raw: Float64 = values.to_numpy(zero_copy_only=False).astype(np.float64)
    wrong = ~(np.abs(raw) < TOO_LARGE)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise UnparsedError(row, values[row].as_py())
    if pa.types.is_integer(values.type):
        return Times(values.cast(pa.int64()).to_numpy(zero_copy_only=False), True)
    return Times(raw, True)


def _texts(values: pa.Array) -> Times:
    if whole := whole_numbers(values):
        return Times(whole[0], True)
    numeric = pc.match_substring_regex(values, NUMBER)
    if len(values) and numeric[0].as_py():
        if not pc.all(numeric).as_py():
            row = pc.index(numeric, False).as_py()
            raise UnparsedError(row, values[row].as_py())
        values = pc.utf8_trim_whitespace(values)
        if whole := whole_numbers(values):
            return Times(whole[0], True)
        try:
            return _numbers(pc.cast(values, pa.float64()))
        except UnparsedError as error:
            raise UnparsedError(error.row, values[error.row].as_py()) from error
    return _iso_texts(values)


def whole_numbers(values: pa.Array) -> tuple[Int64] | None:
    """A text column as exact integers, if all are whole and fit into int64; else None."""
    try:
        numbers: Int64 = pc.cast(values, pa.int64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return None
    hexadecimal = pc.any(pc.match_substring(values, "x", ignore_case=True)).as_py()
    return None if hexadecimal else (numbers,)


def _iso_texts(values: pa.Array) -> Times:
    """ISO-8601, also with " UTC" for the zone."""
    if pc.any(pc.ends_with(values, "UTC")).as_py():
        values = pc.replace_substring_regex(values, r"\s*UTC$", "Z")
    for unit in ("us", "ns"):
        for zone in (None, "UTC"):  # either no value has a zone, or all have
            try:
                return _from_ticks(pc.cast(pc.cast(values, pa.timestamp(unit, zone)), pa.int64()).to_numpy(), unit)
            except pa.ArrowInvalid:
                continue
    return Times(np.array([_iso(row, text) for row, text in enumerate(values.to_pylist())], np.float64), False)


def _iso(row: int, text: str) -> float:
    try:
        return iso_seconds(text)
    except (ValueError, OverflowError) as error:
        raise UnparsedError(row, text) from error


def _formatted(values: pa.Array, time_format: str) -> Times:
    if not any(directive in time_format for directive in NOT_IN_ARROW):
        parsed = pc.strptime(values, format=time_format, unit="us", error_is_null=True)
        if parsed.null_count:
            row = pc.index(parsed.is_null(), True).as_py()
            raise UnparsedError(row, values[row].as_py())
        # Arrow makes 2 March of 31 February. Python does not, and takes what is written otherwise, such as 1.3.2020.
        if pc.strftime(parsed.cast(pa.timestamp("s")), format=time_format).equals(values):
            return _timestamps(parsed)
    seconds = {}
    for row, text in enumerate(values.to_pylist()):
        if text not in seconds:
            try:
                time = datetime.strptime(text, time_format)
                seconds[text] = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
            except (ValueError, OverflowError) as error:
                raise UnparsedError(row, text) from error
    return Times(np.array([seconds[text] for text in values.to_pylist()], np.float64), False)


def iso_seconds(text: str) -> float:
    """An ISO-8601 day or time -> UTC seconds; without a zone it is UTC. Raises ValueError."""
    time = datetime.fromisoformat(text.strip())
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


@dataclass
class Units:
    """The units of a column's numeric times, counted over all batches: there must be one."""

    counts: Int64 = field(default_factory=lambda: np.zeros(len(UNITS), np.int64))
    first: dict[int, str] = field(default_factory=dict)
    """Unit -> where it was met first, and the value."""
    are_days: bool = True
    """Whether all numbers are days or times such as 20160525 or 20160525123000."""

    def add(self, numbers: Int64 | Float64, location: Callable[[int], str]) -> None:
        """Count the units of a batch; `location` gives the place of its row for messages."""
        if not len(numbers):
            return
        sizes = np.abs(numbers.astype(np.float64))
        self.are_days = self.are_days and _are_days(numbers)
        lowest, highest = np.searchsorted(LIMITS, [sizes.min(), sizes.max()], side="right")
        if lowest == highest:
            self._count(int(lowest), len(numbers), 0, numbers, location)
            return
        units = np.searchsorted(LIMITS, sizes, side="right")
        for unit in np.unique(units):
            rows = np.flatnonzero(units == unit)
            self._count(int(unit), len(rows), int(rows[0]), numbers, location)

    def _count(self, unit: int, count: int, row: int, numbers: Int64 | Float64, location: Callable[[int], str]) -> None:
        self.counts[unit] += count
        if unit not in self.first:
            self.first[unit] = f"{location(row)}: {numbers[row]}"

    def one(self) -> tuple[str, float]:
        """Name of the unit of all numbers, and units per second. Raises BadInput if they differ, naming a row."""
        used = np.flatnonzero(self.counts)
        rare, common = int(used[np.argmin(self.counts[used])]), int(used[np.argmax(self.counts[used])])
        if len(used) > 1:
            rare = next(int(unit) for unit in used if unit != common) if rare == common else rare
            _, name, _ = UNITS[rare]
            raise BadInput(
                f"{self.first[rare]} has the size of {name} since 1970, but {self.counts[common]:,} of "
                f"{self.counts.sum():,} times have the size of {UNITS[common][1]}. All times must have one unit: "
                f"repair or drop the row."
            )
        if self.are_days:
            example = self.first[common].rsplit(": ", 1)[1]
            text = "%Y%m%d" if common == 0 else "%Y%m%d%H%M%S"
            raise BadInput(
                f"{self.first[common]} looks like a date without separators, not like a number of {UNITS[common][1]} "
                f"since 1970. Read {example} as a date with --time-format {text}."
            )
        _, name, per_second = UNITS[common]
        return name, per_second


def _are_days(numbers: Int64 | Float64) -> bool:
    if numbers.dtype != np.int64:
        return False
    days = numbers if numbers.max() < 10**8 else numbers // 10**6
    month, day_ = days // 100 % 100, days % 100
    return bool(
        ((days >= 1_900_00_00) & (days < 2_101_00_00)).all()
        and ((month >= 1) & (month <= 12) & (day_ >= 1) & (day_ <= 31)).all()
    )


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

"""Times as users write them."""

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as some

from hiersrec.errors import BadInput
from hiersrec.preparation.times import Units, UnparsedError, cut_seconds, day, parse

NOON = datetime(2016, 5, 25, 12, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "values",
    [
        ["2016-05-25T12:00:00"],
        ["2016-05-25 12:00"],
        ["2016-05-25T12:00:00Z"],
        ["2016-05-25T14:00:00+02:00"],
        [datetime(2016, 5, 25, 12)],
        [datetime(2016, 5, 25, 14, tzinfo=timezone(timedelta(hours=2)))],
    ],
)
def test_every_way_to_write_noon(values):
    times = parse(pa.array(values))

    assert (times.values.tolist(), times.is_numeric) == ([NOON], False)


@pytest.mark.parametrize("type_", [pa.timestamp("s"), pa.timestamp("ms"), pa.timestamp("ns", "Asia/Tokyo")])
def test_every_kind_of_timestamp(type_):
    assert parse(pa.array([datetime(2016, 5, 25, 12, tzinfo=UTC)], type_)).values.tolist() == [NOON]


def test_days_begin_at_midnight_utc():
    assert parse(pa.array([date(2016, 5, 25)])).values.tolist() == [NOON - 43_200]
    assert parse(pa.array(["2016-05-25"])).values.tolist() == [NOON - 43_200]
    assert cut_seconds("2016-05-25") == NOON - 43_200
    assert day(NOON) == "2016-05-25"


@pytest.mark.parametrize(
    ("values", "row"),
    [
        (["2016-05-25", "yesterday"], 1),
        (["1", "2016-05-25"], 1),
        (["2016-05-25", "7"], 1),
        ([""], 0),
        ([1.0, float("nan")], 1),
        ([1, 2, None], 2),
        ([[1]], 0),
    ],
)
def test_the_row_that_is_no_time_is_named(values, row):
    with pytest.raises(UnparsedError) as error:
        parse(pa.array(values))

    assert error.value.row == row


@given(some.datetimes(datetime(1980, 1, 1), datetime(2200, 1, 1)))
def test_the_unit_of_a_time_is_guessed(moment):
    seconds = moment.replace(tzinfo=UTC, microsecond=0).timestamp()

    for name, per_second in (("seconds", 1), ("milliseconds", 1e3), ("microseconds", 1e6), ("nanoseconds", 1e9)):
        units = Units()
        units.add(np.array([seconds * per_second]), str)
        assert units.one() == (name, per_second)


def test_a_cut_that_is_no_day():
    with pytest.raises(BadInput, match="--split date needs an ISO date such as 2016-05-25, or UTC seconds, got 'May'"):
        cut_seconds("May")

"""Times as authors write them: durations, points in time, cron; clock changes, bounds, faults."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.schema.timing import LAST, TimingError, check_zone, duration, moment, next_of

BERLIN = "Europe/Berlin"


def at(text: str) -> int:
    """A point in time, by the standard library."""
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
        microseconds=1
    )


def shown(time: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time)).isoformat()


NOW = at("2026-03-28T01:30:00+00:00")
"""02:30 in Berlin, a day before the clocks go forward there."""


@pytest.mark.parametrize(
    ("value", "zone", "wanted"),
    [
        ("1h", "UTC", "2026-03-28T02:30:00+00:00"),
        ("PT90S", "UTC", "2026-03-28T01:31:30+00:00"),
        (0, "UTC", "2026-03-28T01:30:00+00:00"),
        (1.5, "UTC", "2026-03-28T01:30:01.500000+00:00"),
        ("1d", BERLIN, "2026-03-29T01:30:00+00:00"),
        ("P1D", BERLIN, "2026-03-29T01:30:00+00:00"),  # 02:30 is skipped there: 03:30
        ("P2D", BERLIN, "2026-03-30T00:30:00+00:00"),
        ("2d", BERLIN, "2026-03-30T01:30:00+00:00"),
        ("P1W", "UTC", "2026-04-04T01:30:00+00:00"),
        ("P1M", "UTC", "2026-04-28T01:30:00+00:00"),
        ("P1Y2M3DT4H5M6S", "UTC", "2027-05-31T05:35:06+00:00"),
    ],
)
def test_durations(value: Any, zone: str, wanted: str) -> None:
    assert shown(duration(value, NOW, zone)) == wanted


def test_a_month_ends_where_the_month_ends() -> None:
    assert shown(duration("P1M", at("2026-01-31T12:00:00+00:00"))) == "2026-02-28T12:00:00+00:00"
    assert shown(duration("P1Y", at("2028-02-29T12:00:00+00:00"))) == "2029-02-28T12:00:00+00:00"


@pytest.mark.parametrize(
    ("value", "zone", "wanted"),
    [
        ("2026-12-24T18:00:00+01:00", "UTC", "2026-12-24T17:00:00+00:00"),
        ("2026-12-24T18:00:00Z", BERLIN, "2026-12-24T18:00:00+00:00"),
        ("2026-12-24T18:00:00+01:00[Europe/Berlin]", "UTC", "2026-12-24T17:00:00+00:00"),
        ("2026-12-24T18:00[Europe/Berlin]", "UTC", "2026-12-24T17:00:00+00:00"),
        ("2026-12-24T18:00", BERLIN, "2026-12-24T17:00:00+00:00"),
        ("2026-12-24", BERLIN, "2026-12-23T23:00:00+00:00"),
        ("03:00", BERLIN, "2026-03-28T02:00:00+00:00"),
        ("02:30", BERLIN, "2026-03-29T01:30:00+00:00"),  # now is not the next, and then it is 03:30
        ("2026-03-29T02:30", BERLIN, "2026-03-29T01:30:00+00:00"),
        ("2026-10-25T02:30", BERLIN, "2026-10-25T00:30:00+00:00"),  # the first of two
        ("9999-12-31T23:59:59.999999Z", "UTC", "9999-12-31T23:59:59.999999+00:00"),
        ("0001-01-01T00:00Z", "UTC", "0001-01-01T00:00:00+00:00"),
    ],
)
def test_points_in_time(value: str, zone: str, wanted: str) -> None:
    assert shown(moment(value, NOW, zone)) == wanted


@pytest.mark.parametrize(
    ("value", "start", "zone", "wanted"),
    [
        ("0 9 * * MON-FRI", "2026-11-27T10:00:00+00:00", "UTC", "2026-11-30T09:00:00+00:00"),
        ("30 2 * * *", "2026-03-29T00:00:00+00:00", BERLIN, "2026-03-29T01:00:00+00:00"),
        ("30 2 * * *", "2026-10-24T23:00:00+00:00", BERLIN, "2026-10-25T00:30:00+00:00"),
        ("30 2 * * *", "2026-10-25T00:30:00+00:00", BERLIN, "2026-10-26T01:30:00+00:00"),
        ("0 0 29 2 *", "2026-01-01T00:00:00+00:00", "UTC", "2028-02-29T00:00:00+00:00"),
    ],
)
def test_cron(value: str, start: str, zone: str, wanted: str) -> None:
    assert shown(next_of(value, at(start), zone)) == wanted


@pytest.mark.parametrize("value", [-1, True, float("nan"), float("inf"), 10**30, None, [], ""])
def test_what_is_no_length_of_time(value: Any) -> None:
    with pytest.raises(TimingError, match="expected a duration"):
        duration(value, NOW)


@pytest.mark.parametrize("value", ["x", "5", "1.5.2s", "P", "PT", "P1H", "-1h", "1 h", "P1DT"])
def test_texts_that_are_no_duration(value: str) -> None:
    with pytest.raises(TimingError):
        duration(value, NOW)


@pytest.mark.parametrize("value", ["P8000Y", "P9999999D", "P99999M", 10**12, "P99999Y"])
def test_no_time_lies_behind_the_year_9999(value: Any) -> None:
    with pytest.raises(TimingError, match="9999"):
        duration(value, NOW)


@pytest.mark.parametrize(
    "value",
    [
        "10000-01-01T00:00Z", "2026-02-30", "25:00", "24:00", "2026-12-24T25:00", "20261224",
        "2026-12-24 ", "soon", "", None, 5, "2026-12-24T18:00[Mars/Base]", "x" * 1000,
        "9999-12-31T23:59-05:00",
    ],
)  # fmt: skip
def test_what_is_no_point_in_time(value: Any) -> None:
    with pytest.raises(TimingError):
        moment(value, NOW)


@pytest.mark.parametrize("value", ["* * * *", "* * * * * *", "61 * * * *", "0 0 30 2 *", "", None])
def test_what_is_no_cron_expression(value: Any) -> None:
    with pytest.raises(TimingError):
        next_of(value, NOW)


@pytest.mark.parametrize("name", ["Mars/Base", "../etc/passwd", "", "x" * 500, "\0"])
def test_what_is_no_zone(name: str) -> None:
    with pytest.raises(TimingError, match="no time zone"):
        check_zone(name)


@given(st.integers(0, LAST), st.integers(0, 4_000_000), st.sampled_from(["UTC", BERLIN]))
def test_no_duration_ends_before_it_begins(time: int, seconds: int, zone: str) -> None:
    try:
        assert duration(seconds, time, zone) == time + seconds * 1_000_000
    except TimingError:
        assert time + seconds * 1_000_000 > LAST


@given(
    st.integers(at("1990-01-01T00:00:00+00:00"), at("2080-01-01T00:00:00+00:00")),
    st.integers(0, 24 * 60 - 1),
    st.sampled_from(["UTC", BERLIN, "America/New_York", "Australia/Lord_Howe"]),
)
def test_the_next_time_of_day_is_within_a_day_and_an_hour(
    time: int, minute: int, zone: str
) -> None:
    found = moment(f"{minute // 60:02}:{minute % 60:02}", time, zone)
    assert time < found <= time + 25 * 3600 * 1_000_000

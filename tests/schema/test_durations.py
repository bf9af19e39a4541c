"""Durations: what is read, what is refused and how, and that writing is the inverse of reading."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.schema.durations import (
    DURATION_PATTERN,
    MAX_SECONDS,
    format_duration,
    parse_duration,
)

MICROSECONDS = st.integers(0, int(MAX_SECONDS) * 1_000_000)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2s", 2.0),
        ("0s", 0.0),
        ("500ms", 0.5),
        ("1us", 1e-6),
        ("1m30s", 90.0),
        ("1.5h", 5400.0),
        ("1d2h3m4s5ms6us", 93_784.005006),
        ("1m0.25s", 60.25),
        ("0.1s", 0.1),
        ("007s", 7.0),
        ("3650d", MAX_SECONDS),
        ("PT2S", 2.0),
        ("PT0.5S", 0.5),
        ("P1DT2H", 93_600.0),
        ("P2W", 1_209_600.0),
        ("P1W1D", 691_200.0),
        ("PT1H30M", 5400.0),
        ("PT0S", 0.0),
    ],
)
def test_a_duration_is_read_exactly(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds
    assert re.search(DURATION_PATTERN, text)


NO_DURATION = "expected a duration such as 500ms, 2s, 1m30s, 1h or 7d, found"
SPACES = "a duration is written without spaces, such as 500ms, 2s, 1m30s, 1h or 7d"
UNITS = "units: d, h, m, s, ms, us"
NO_LENGTH = "years and months have no fixed length, count days"
ORDER = "the units of a duration go from long to short, each once"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"{NO_DURATION} ''"),
        ("soon", f"{NO_DURATION} 'soon'"),
        ("-2s", f"{NO_DURATION} '-2s'"),
        ("1:30", f"{NO_DURATION} '1:30'"),
        ("1,5s", f"{NO_DURATION} '1,5s'"),
        ("pt2s", f"{NO_DURATION} 'pt2s'"),
        ("P", f"{NO_DURATION} 'P'"),
        ("PT", f"{NO_DURATION} 'PT'"),
        ("P1DT", f"{NO_DURATION} 'P1DT'"),
        ("٣s", f"{NO_DURATION} '٣s'"),
        ("9" * 65, f"{NO_DURATION} 65 characters"),
        ("2s\n", f"'2s\\n': {SPACES}"),
        ("2 s", f"'2 s': {SPACES}"),
        ("30", "'30': the number 30 has no unit; write 30s for seconds"),
        ("1m30", "'1m30': the number 30 has no unit; write 30s for seconds"),
        ("PT5", "'PT5': the number 5 has no unit; units: H, M, S"),
        ("5min", "'5min': there is no unit 'min'; write 5m"),
        ("5S", "'5S': there is no unit 'S'; write 5s"),
        ("10µs", "'10µs': there is no unit 'µs'; write 10us"),
        ("5x", f"'5x': there is no unit 'x'; {UNITS}"),
        ("1y", f"'1y': there is no unit 'y'; {NO_LENGTH}; {UNITS}"),
        ("P1M", f"'P1M': there is no unit 'M'; {NO_LENGTH}; units: W, D"),
        ("30s1m", f"'30s1m': {ORDER}: d, h, m, s, ms, us"),
        ("1s1s", f"'1s1s': {ORDER}: d, h, m, s, ms, us"),
        ("PT1M1H", f"'PT1M1H': {ORDER}: H, M, S"),
        ("1.5h30m", "'1.5h30m': only the last number of a duration may have a fraction"),
        ("0.1us", "'0.1us' is finer than a microsecond (us), the shortest duration"),
        (f"1.{'0' * 30}1s", f"'1.{'0' * 30}1s' is finer than a microsecond (us)"),
        ("3651d", "'3651d' is longer than 3650d, the longest"),
    ],
)
def test_what_is_no_duration_is_refused_with_advice(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (2, "2s"),
        (90.5, "1m30.5s"),
        (1.5, "1.5s"),
        (0.5, "500ms"),
        (0.0015, "1.5ms"),
        (0.00002, "20us"),
        (60.000001, "1m0.000001s"),
        (93_600, "1d2h"),
        (MAX_SECONDS, "3650d"),
    ],
)
def test_a_duration_is_written_as_people_write_it(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(MICROSECONDS)
def test_writing_is_the_inverse_of_reading(microseconds: int) -> None:
    seconds = microseconds / 1_000_000
    text = format_duration(seconds)
    assert parse_duration(text) == seconds
    assert re.search(DURATION_PATTERN, text)
    assert round(seconds * 1_000_000) == microseconds, "the engine's count of microseconds"


PIECES = st.lists(
    st.sampled_from([*"dhmsPTWDHMS.0123456789 ", "ms", "us", "12", "1.5", "min"]), max_size=12
).map("".join)


@given(PIECES | st.text(max_size=20))
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except ValueError:
        return
    assert 0 <= seconds <= MAX_SECONDS
    assert re.search(DURATION_PATTERN, text), "schemas accept what is read"

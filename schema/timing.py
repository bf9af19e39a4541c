"""Points in time as authors write them: durations from a moment, dates and times, cron.

The rules, in one place:

- ``7d`` is seven times 24 hours; ``P7D`` (ISO 8601) is seven days of the calendar of the zone, at
  the same time of day, and so are weeks, months and years: a month after 31 January is its last day.
- A time of day that a clock change skips is that much later (02:30 is 03:30); one that comes twice
  is the first (as in RFC 5545 and java.time).
- A cron expression has five fields. Where clocks change it is read as Debian's cron does it: a
  job at a fixed time that is skipped runs right after the change, one that comes twice runs once.
- What is past is due at once. Nothing is due after the year 9999.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from functools import lru_cache
from typing import Any, Final

from weft.schema.durations import parse_duration

__all__ = ["LAST", "TimingError", "check_zone", "duration", "moment", "next_of"]

LAST: Final = 253_402_300_799_999_999
"""9999-12-31T23:59:59.999999Z: no timer is due later."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CALENDAR = re.compile(
    r"P(?=[0-9])(?:([0-9]{1,5})Y)?(?:([0-9]{1,5})M)?(?:([0-9]{1,6})W)?(?:([0-9]{1,7})D)?"
    r"(T(?=[0-9]).+)?"
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NAMED_ZONE = re.compile(r"(.*)\[([^\[\]]*)\]")
_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?")
_MAX_LENGTH = 100


class TimingError(ValueError):
    """A time cannot be told: what was given, and what would be accepted."""


def duration(value: Any, time: int, zone: str = "UTC") -> int:
    """The end of a duration that begins at ``time``.

    Args:
        value: ``2h``, ``PT2H``, ``P1M``, or a number of seconds.
        time: Its beginning.
        zone: Whose calendar counts for ISO 8601's years, months, weeks and days.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not 0 <= value <= LAST:
            raise TimingError(f"expected a duration of 0 seconds or more, found {value!r}")
        return _bounded(time + round(value * 1_000_000), value)
    text = _text(value, "a duration such as 2h, P1M, or a number of seconds")
    try:
        if (parts := _CALENDAR.fullmatch(text)) is not None:
            years, months, weeks, days = (int(n or 0) for n in parts.groups()[:4])
            start = _at(time).astimezone(_zone_info(zone)).replace(tzinfo=None)
            month = start.month - 1 + months
            year, month = start.year + years + month // 12, month % 12 + 1
            day = min(start.day, monthrange(year, month)[1])
            local = start.replace(year=year, month=month, day=day) + timedelta(days, weeks=weeks)
            rest = round(parse_duration(f"P{parts[5]}") * 1_000_000) if parts[5] else 0
            return _bounded(_local(local, zone) + rest, text)
        return _bounded(time + round(parse_duration(text) * 1_000_000), text)
    except TimingError:
        raise
    except OverflowError:
        raise _behind(text) from None
    except ValueError as error:
        raise (_behind(text) if "year" in str(error) else TimingError(str(error))) from None


def moment(value: Any, time: int, zone: str = "UTC") -> int:
    """A point in time.

    Args:
        value: A date-time with an offset or a zone (``2026-12-24T18:00:00+01:00``), or, in
            ``zone``, a date-time, a date (its first moment) or a time of day (the next such).
        time: From when the next one counts.
        zone: Whose clocks are meant where no offset is given.
    """
    wanted = "a time such as 2026-12-24T18:00:00+01:00, 2026-12-24T18:00, 2026-12-24 or 18:00"
    text = _text(value, wanted)
    try:
        if _TIME_OF_DAY.fullmatch(text):
            clock = clock_time.fromisoformat(text)
            today = _at(time).astimezone(_zone_info(zone)).date()
            found = _local(datetime.combine(today, clock), zone)
            if found <= time:
                found = _local(datetime.combine(today + timedelta(1), clock), zone)
            return found
        if _DATE.fullmatch(text):
            return _local(datetime.combine(date.fromisoformat(text), clock_time()), zone)
        if not _DATE.match(text) or len(text) < len("2026-12-24T18:00"):
            raise ValueError("it is no date")
        named = _NAMED_ZONE.fullmatch(text)
        found_time = datetime.fromisoformat(named[1] if named is not None else text)
        if found_time.tzinfo is not None:
            # The offset says which moment is meant, whatever the rules of a zone have become.
            return _micros(found_time)
        return _local(found_time, named[2] if named is not None else zone)
    except TimingError:
        raise
    except OverflowError:
        raise _behind(text) from None
    except ValueError as error:
        raise TimingError(f"expected {wanted}, found {text!r}: {error}") from None


def next_of(value: Any, time: int, zone: str = "UTC") -> int:
    """The next time after ``time`` that a cron expression names, by the clocks of a zone."""
    text = _text(value, "a cron expression such as 0 9 * * MON-FRI")
    try:
        found: datetime = next(_cron(text, _at(time).astimezone(_zone_info(zone))))
    except (StopIteration, OverflowError):
        raise TimingError(f"no time comes that the cron expression {text!r} names") from None
    return _micros(found)


def check_zone(name: str) -> None:
    """Refuse a name that is no time zone's.

    Raises:
        TimingError: With what would be accepted.
    """
    _zone_info(name)


@lru_cache(maxsize=64)
def _zone_info(name: str) -> Any:
    import zoneinfo

    try:
        if len(name) > _MAX_LENGTH:
            raise ValueError("too long")
        return zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        raise TimingError(
            f"there is no time zone {name[:_MAX_LENGTH]!r}; names are those of the IANA database, "
            "such as Europe/Berlin or UTC"
        ) from None


def _cron(text: str, start: datetime) -> Any:
    from cronsim import CronSim, CronSimError

    if len(text.split()) != 5:
        raise TimingError(
            f"a cron expression has five fields (minute, hour, day of month, month, day of week), "
            f"{text!r} has {len(text.split())}"
        )
    try:
        return CronSim(text, start)
    except CronSimError as error:
        raise TimingError(f"{text!r} is no cron expression: {error}") from error


def _text(value: Any, wanted: str) -> str:
    if not isinstance(value, str) or not value or len(value) > _MAX_LENGTH:
        raise TimingError(f"expected {wanted}, found {repr(value)[:60]}")
    return value


def _at(time: int) -> datetime:
    return _EPOCH + timedelta(microseconds=min(max(time, 0), LAST))


def _local(there: datetime, zone: str) -> int:
    """The moment at which the clocks of a zone show a time.

    The first of two (PEP 495: ``fold`` is 0); and for one that is skipped, as if the clocks had
    not changed yet, which is as much later as they are put forward.
    """
    return _micros(there.replace(tzinfo=_zone_info(zone)))


def _micros(when: datetime) -> int:
    return _bounded((when - _EPOCH) // timedelta(microseconds=1), when.isoformat())


def _bounded(time: int, given: object) -> int:
    if time > LAST:
        raise _behind(given)
    return time


def _behind(given: object) -> TimingError:
    return TimingError(f"{given!r} leads behind the year 9999, where time ends")

"""Lengths of time as authors write them: ``500ms``, ``2s``, ``1m30s``, ``1h``, ``7d``, ``PT2S``.

A duration is numbers with units, from long to short, each unit once; the last number may have a
fraction. The form of ISO 8601 is read too, as other formats and programs write it; years and
months are not, since they have no fixed length. Weft's clocks count microseconds, so nothing
finer is accepted, and what is read is exact.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

__all__ = ["DURATION_PATTERN", "MAX_SECONDS", "format_duration", "parse_duration"]

MAX_SECONDS: Final = 3650 * 86_400.0
"""The longest duration: 3650 days, about ten years."""

_UNITS: Final = {
    "d": 86_400_000_000,
    "h": 3_600_000_000,
    "m": 60_000_000,
    "s": 1_000_000,
    "ms": 1_000,
    "us": 1,
}
"""Microseconds of each unit, from long to short."""

DURATION_PATTERN: Final = (
    r"^(?=[0-9])([0-9]+(\.[0-9]+)?d)?([0-9]+(\.[0-9]+)?h)?([0-9]+(\.[0-9]+)?m)?"
    r"([0-9]+(\.[0-9]+)?s)?([0-9]+(\.[0-9]+)?ms)?([0-9]+(\.[0-9]+)?us)?$"
    r"|^P(?=[0-9T])([0-9]+(\.[0-9]+)?W)?([0-9]+(\.[0-9]+)?D)?"
    r"(T(?=[0-9])([0-9]+(\.[0-9]+)?H)?([0-9]+(\.[0-9]+)?M)?([0-9]+(\.[0-9]+)?S)?)?$"
)
"""The form of a duration as a regular expression, for JSON Schemas; bounds are not in it."""

_EXAMPLES: Final = "such as 500ms, 2s, 1m30s, 1h or 7d"
_MAX_LENGTH: Final = 64
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)([A-Za-zµ]*)")
_ISO: Final = re.compile(r"P([^T]*)(?:T(.+))?", re.DOTALL)
_ISO_DATE: Final = {"W": ("W", 7 * _UNITS["d"]), "D": ("D", _UNITS["d"])}
_ISO_TIME: Final = {"H": ("H", _UNITS["h"]), "M": ("M", _UNITS["m"]), "S": ("S", _UNITS["s"])}
_UNIT_ALIASES: Final = {
    **dict.fromkeys(("day", "days", "D"), "d"),
    **dict.fromkeys(("hour", "hours", "hr", "hrs", "H"), "h"),
    **dict.fromkeys(("minute", "minutes", "min", "mins", "M"), "m"),
    **dict.fromkeys(("second", "seconds", "sec", "secs", "S"), "s"),
    **dict.fromkeys(("millisecond", "milliseconds", "msec", "MS"), "ms"),
    **dict.fromkeys(("microsecond", "microseconds", "usec", "µs"), "us"),
}
"""What people write by habit; not accepted, but the message then knows what they mean."""


def parse_duration(text: str) -> float:
    """The seconds that a duration stands for.

    Raises:
        ValueError: What is wrong with the text, and what would be accepted.
    """
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"expected a duration {_EXAMPLES}, found {len(text)} characters")
    if any(character.isspace() for character in text):
        raise ValueError(f"{text!r}: a duration is written without spaces, {_EXAMPLES}")
    iso = _ISO.fullmatch(text)
    if iso is not None:
        date, time = iso.group(1), iso.group(2)
        parts = _parts(date, _ISO_DATE, text) if date else []
        parts += _parts(time, _ISO_TIME, text) if time else []
    else:
        parts = _parts(text, {unit: (unit, size) for unit, size in _UNITS.items()}, text)
    if not parts:
        raise ValueError(f"expected a duration {_EXAMPLES}, found {text!r}")
    microseconds = sum((Fraction(number) * size for number, size in parts), Fraction(0))
    if microseconds.denominator != 1:
        raise ValueError(f"{text!r} is finer than a microsecond (us), the shortest duration")
    if microseconds > MAX_SECONDS * 1_000_000:
        raise ValueError(f"{text!r} is longer than {format_duration(MAX_SECONDS)}, the longest")
    return int(microseconds) / 1_000_000


def _parts(text: str, units: dict[str, tuple[str, int]], whole: str) -> list[tuple[str, int]]:
    """The numbers of a text with the size of their units, which have to go from long to short."""
    order = list(units)
    parts: list[tuple[str, int]] = []
    last = -1
    end = 0
    while end < len(text):
        found = _PART.match(text, end)
        if found is None:
            raise ValueError(f"expected a duration {_EXAMPLES}, found {whole!r}")
        number, unit = found.groups()
        if not unit and found.end() < len(text):  # 1,5s
            raise ValueError(f"expected a duration {_EXAMPLES}, found {whole!r}")
        if parts and "." in parts[-1][0]:
            raise ValueError(f"{whole!r}: only the last number of a duration may have a fraction")
        if unit not in units:
            raise ValueError(_unknown_unit(number, unit, units, whole))
        position = order.index(unit)
        if position <= last:
            raise ValueError(
                f"{whole!r}: the units of a duration go from long to short, each once: "
                f"{', '.join(order)}"
            )
        parts.append((number, units[unit][1]))
        last, end = position, found.end()
    return parts


def _unknown_unit(number: str, unit: str, units: dict[str, tuple[str, int]], whole: str) -> str:
    if not unit:
        if units is _ISO_DATE or units is _ISO_TIME:
            return f"{whole!r}: the number {number} has no unit; units: {', '.join(units)}"
        return f"{whole!r}: the number {number} has no unit; write {number}s for seconds"
    meant = _UNIT_ALIASES.get(unit)
    if meant in units:
        return f"{whole!r}: there is no unit {unit!r}; write {number}{meant}"
    hint = "; years and months have no fixed length, count days" if unit in "YyMm" else ""
    return f"{whole!r}: there is no unit {unit!r}{hint}; units: {', '.join(units)}"


def format_duration(seconds: float) -> str:
    """A duration as one writes it: ``1m30s`` for 90.0; rounded to the microsecond.

    `parse_duration` gives the same seconds back.
    """
    rest = round(Fraction(seconds) * 1_000_000)
    text = ""
    for unit in ("d", "h", "m"):
        count, rest = divmod(rest, _UNITS[unit])
        text += f"{count}{unit}" if count else ""
    if rest == 0:
        return text or "0s"
    # One number says what is left: 1.5s rather than 1s500ms; after a minute, always in seconds.
    if text or rest >= _UNITS["s"]:
        return f"{text}{_decimal(rest, 6)}s"
    return f"{_decimal(rest, 3)}ms" if rest >= _UNITS["ms"] else f"{rest}us"


def _decimal(count: int, places: int) -> str:
    """``count`` divided by a power of ten, exactly, without needless zeros."""
    whole, part = divmod(count, 10**places)
    return f"{whole}.{part:0{places}}".rstrip("0").rstrip(".")

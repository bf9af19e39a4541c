"""The times of BPMN's timers: literals, FEEL's and JUEL's expressions, cycles.

A timer says ``timeDuration``, ``timeDate`` or ``timeCycle``, and what stands there is a form of ISO
8601, a cron expression, or an expression of some engine that yields one: ``PT15M``, ``R3/PT1H``,
``0 0 9 * * ?``, ``${patience}``, ``PT${hours}H``, ``= duration("P1D")``, ``= now() + duration(d)``,
``= cycle(3, duration("PT1H"))``. `read_time` tells it as the value of ``wait``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import attrs

from weft.schema.timing import TimingError, duration, moment, next_of

__all__ = ["KINDS", "MAX_TIMES", "Time", "read_time"]

KINDS: Final = {"timeDuration": "for", "timeDate": "until", "timeCycle": "next"}
"""What a timer may say, and the key of ``wait`` for it."""

MAX_TIMES: Final = 20
"""A cycle that ends is told as so many waits, one behind the other, up to this number."""

_CHECKS: Final[dict[str, Callable[[Any, int], object]]] = {
    "for": duration,
    "until": moment,
    "next": next_of,
}
_ANY_TIME = 946_684_800_000_000
_QUOTED = r"\"([^\"]*)\""
_CALL = re.compile(r"(duration|date and time|date|time)\s*\(\s*(.*)\s*\)", re.DOTALL)
_FROM_NOW = re.compile(r"now\(\)\s*\+\s*(.*)", re.DOTALL)
_CYCLE = re.compile(r"cycle\s*\(\s*(?:(\d+)\s*,\s*)?(.*)\s*\)", re.DOTALL)
_REPEATED = re.compile(r"R(\d*)/(.*)", re.DOTALL)
_PERIODS = re.compile(r"(.*)###(.*)", re.DOTALL)
_EMBEDDED = re.compile(r"[$#]\{([^{}]*)\}")


@attrs.frozen
class Time:
    """When a timer is due.

    Args:
        key: ``for``, ``until`` or ``next``, as ``wait`` has them.
        value: A literal, or an expression in CEL.
        literal: Which of the two.
        times: How often it may be due; None: again and again.
    """

    key: str
    value: str
    literal: bool
    times: int | None = 1


def read_time(kind: str, text: str, expression: Callable[[str], str | None]) -> Time | None:
    """When a timer is due; None: it cannot be told.

    Args:
        kind: One of `KINDS`.
        text: What stands there.
        expression: Tells an expression of the file in CEL; None: it cannot be told.
    """
    text = text.strip()
    if kind == "timeCycle":
        return _cycle(text, expression)
    return _told(KINDS[kind], text, expression)


def _cycle(text: str, expression: Callable[[str], str | None]) -> Time | None:
    periods = _PERIODS.fullmatch(text)
    if periods is not None:  # jBPM: delay###period
        return _repeated(periods[2], None, expression)
    repeated = _REPEATED.fullmatch(text)
    if repeated is not None:
        parts = [p for p in repeated[2].split("/") if p[:1] in ("P", "$", "#")]
        times = int(repeated[1]) if repeated[1] else None
        return _repeated(parts[0] if parts else repeated[2], times, expression)
    called = _CYCLE.fullmatch(_feel(text) or "")
    if called is not None:
        times = int(called[1]) if called[1] else None
        return _repeated(f"= {called[2]}", times, expression)
    fields = text.split()
    if len(fields) in (6, 7) and fields[0] == "0":  # seconds first, as Quartz has it
        text = " ".join("*" if field == "?" else field for field in fields[1:6])
    found = _told("next", text, expression)
    if found is None and _fits("for", text):
        found = Time("for", text, literal=True)
    return None if found is None else attrs.evolve(found, times=None)


def _repeated(text: str, times: int | None, expression: Any) -> Time | None:
    found = _told("for", text.strip(), expression)
    return None if found is None or times == 0 else attrs.evolve(found, times=times)


def _told(key: str, text: str, expression: Callable[[str], str | None]) -> Time | None:
    if _fits(key, text):
        return Time(key, text, literal=True)
    feel = _feel(text)
    if feel is not None:
        return _of_feel(key, feel, expression)
    embedded = _EMBEDDED.findall(text)
    if not embedded:
        return None
    cel = expression(text) if _EMBEDDED.fullmatch(text) else _put_together(text, expression)
    return None if cel is None else Time(key, cel, literal=False)


def _of_feel(key: str, text: str, expression: Callable[[str], str | None]) -> Time | None:
    """FEEL: a function that makes a time of a text, or any expression that yields one."""
    text = text.strip()
    literal = re.fullmatch(f"@?{_QUOTED}", text)
    if literal is not None:
        return Time(key, literal[1], literal=True) if _fits(key, literal[1]) else None
    now = _FROM_NOW.fullmatch(text)
    if now is not None:
        return _of_feel("for", now[1], expression)
    called = _CALL.fullmatch(text)
    if called is not None and called[2].count("(") == called[2].count(")"):
        return _of_feel("for" if called[1] == "duration" else key, called[2], expression)
    cel = expression(f"= {text}")
    return None if cel is None or not re.search("[A-Za-z_]", cel) else Time(key, cel, literal=False)


def _feel(text: str) -> str | None:
    """The expression behind ``=``; FEEL's own functions are known without it."""
    if text.startswith("="):
        return text[1:].strip()
    known = _CALL.fullmatch(text) or _FROM_NOW.fullmatch(text) or _CYCLE.fullmatch(text)
    return text if known or text.startswith("@") else None


def _put_together(text: str, expression: Callable[[str], str | None]) -> str | None:
    """A text with expressions in it, such as ``PT${hours}H``."""
    parts: list[str] = []
    at = 0
    for found in _EMBEDDED.finditer(text):
        if found.start() > at:
            parts.append(f'"{_escaped(text[at : found.start()])}"')
        cel = expression(found[0])
        if cel is None:
            return None
        parts.append(f"string({cel})")
        at = found.end()
    if at < len(text):
        parts.append(f'"{_escaped(text[at:])}"')
    return " + ".join(parts)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _fits(key: str, text: str) -> bool:
    try:
        _CHECKS[key](text, _ANY_TIME)
    except TimingError:
        return False
    return True

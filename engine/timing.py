"""When a timer is due, told from a moment and the data of a scope.

`due` is a function of its arguments and of the time-zone rules that are installed
(`weft.schema.timing` has the rules of writing). What it yields is recorded in an event and never
computed again, so a case does not notice new rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from weft.engine.expressions import ExpressionError, compile_expression
from weft.engine.net import Mapped, Timing
from weft.engine.ports import Microseconds
from weft.schema.timing import TimingError, duration, moment, next_of

__all__ = ["due", "due_if_any"]

_POINT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def due(timing: Timing, time: Microseconds, data: Mapping[str, Any]) -> Microseconds:
    """When a timer is due that is set at ``time`` by a scope with these data.

    An expression for a duration may yield a point in time as well, which then is meant.

    Raises:
        TimingError: An expression fails, or yields what is no time; or it lies behind `LAST`.
    """
    for mapped, told in (
        (timing.after, duration),
        (timing.until, moment),
        (timing.next, next_of),
    ):
        if mapped is not None:
            value = _value(mapped, data)
            point = told is duration and isinstance(value, str) and _POINT.match(value)
            return Microseconds((moment if point else told)(value, time, timing.zone))
    raise TimingError("a timing says after, until or next")


def due_if_any(timing: Timing, time: Microseconds, data: Mapping[str, Any]) -> Microseconds | None:
    """The same; None where an expression yields null: no timer is set."""
    expressions = (timing.after, timing.until, timing.next)
    if any(m is not None and m.expression and _value(m, data) is None for m in expressions):
        return None
    return due(timing, time, data)


def _value(mapped: Mapped, data: Mapping[str, Any]) -> Any:
    if mapped.expression is None:
        return mapped.value
    try:
        return compile_expression(mapped.expression).evaluate(data)
    except ExpressionError as error:
        raise TimingError(str(error)) from error

"""When a timer is due, told from a moment and the data of a scope.

`due` is a function of its arguments and of the time-zone rules that are installed
(`weft.schema.timing` has the rules of writing). What it yields is recorded in an event and never
computed again, so a case does not notice new rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weft.engine.expressions import ExpressionError, compile_expression
from weft.engine.net import Mapped, Timing
from weft.engine.ports import Microseconds
from weft.schema.timing import TimingError, duration, moment, next_of

__all__ = ["due"]


def due(timing: Timing, time: Microseconds, data: Mapping[str, Any]) -> Microseconds:
    """When a timer is due that is set at ``time`` by a scope with these data.

    Raises:
        TimingError: An expression fails, or yields what is no time; or it lies behind `LAST`.
    """
    if timing.after is not None:
        return Microseconds(duration(_value(timing.after, data), time, timing.zone))
    if timing.until is not None:
        return Microseconds(moment(_value(timing.until, data), time, timing.zone))
    if timing.next is not None:
        return Microseconds(next_of(_value(timing.next, data), time, timing.zone))
    raise TimingError("a timing says after, until or next")


def _value(mapped: Mapped, data: Mapping[str, Any]) -> Any:
    if mapped.expression is None:
        return mapped.value
    try:
        return compile_expression(mapped.expression).evaluate(data)
    except ExpressionError as error:
        raise TimingError(str(error)) from error

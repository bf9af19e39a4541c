"""What an event starts: whether a trigger of a specification takes it, and with which data.

Pure, as the rest of the core: the event comes in, the data of the new case come out. Who keeps
the specifications, and who starts the cases, is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from weft.engine.expressions import ExpressionError, compile_expression
from weft.schema.errors import DefinitionError, UsageError
from weft.schema.jsonvalue import JsonValue, NotJson, checked
from weft.schema.specification import EVENT_PATTERN, EventTrigger, Specification

__all__ = ["BusEvent", "start_data", "trigger_faults"]

EVENT = "event"
"""What expressions of triggers call the event."""


@attrs.frozen
class BusEvent:
    """Something that has happened, as it is put on the bus.

    Args:
        name: What has happened, such as ``order-placed``.
        data: What is known of it, as JSON.
        key: What it is about, such as the number of an order: waiting cases are told apart by it.
        id: Names this very event: put on the bus twice, it has one effect.
        traceparent: The trace of who sends it (W3C Trace Context): telemetry puts the cases that
            it starts there, and links those that it reaches; one that is not well-formed is none.
        chain: How many cases have started one another by events, the one that emits it among them.

    Raises:
        UsageError: The name is none, or the data cannot be stored.
    """

    name: str
    data: JsonValue = None
    key: str | None = None
    id: str | None = None
    traceparent: str | None = None
    chain: int = 0

    def __attrs_post_init__(self) -> None:
        """Refuse what could not be routed or stored."""
        if not re.fullmatch(EVENT_PATTERN, str(self.name)):
            raise UsageError(
                f"{self.name!r:.80} cannot be the name of an event; it has up to 200 letters "
                "(a-z, A-Z), digits, _ . : / and -, and begins with a letter, digit or _",
                code="event",
            )
        for what in ("data", "key", "id", "traceparent"):
            try:
                value = checked(getattr(self, what), what=what)
            except NotJson as error:
                raise UsageError(f"event {self.name}: {error}", code="event") from error
            if what != "data" and not (value is None or (isinstance(value, str) and value)):
                raise UsageError(
                    f"event {self.name}: {what} is {value!r:.60}; a text is needed", code="event"
                )

    def as_json(self) -> dict[str, JsonValue]:
        """What expressions see of it."""
        return {"name": self.name, "key": self.key, "data": self.data}


def start_data(trigger: EventTrigger, event: BusEvent) -> dict[str, Any] | None:
    """The data of the case that an event starts by a trigger; None: it starts none.

    Raises:
        UsageError: An expression of the trigger fails on this event, or there is nothing in it
            that could be the variables of a case.
    """
    if trigger.event != event.name:
        return None
    seen = {EVENT: event.as_json()}
    try:
        if trigger.when is not None and not compile_expression(trigger.when).test(seen):
            return None
        if trigger.data is not None:
            return {
                name: compile_expression(value).evaluate(seen) if isinstance(value, str) else value
                for name, value in trigger.data.items()
            }
    except ExpressionError as error:
        raise UsageError(
            f"the trigger for {event.name} does not fit this event: {error}", code="event"
        ) from error
    if event.data is None:
        return {}
    if not isinstance(event.data, dict):
        raise UsageError(
            f"the data of event {event.name} are {event.data!r:.60}; the trigger takes an object "
            "of variables, or says under 'data' what becomes of it",
            code="event",
        )
    return dict(event.data)


def trigger_faults(specification: Specification) -> list[DefinitionError]:
    """What is wrong with the triggers of a specification: expressions, and what they set."""
    faults: list[DefinitionError] = []
    fault = specification.source.fault
    net = specification.nets.get(specification.root)
    variables: Mapping[str, Any] = net.variables if net is not None else {}
    for index, trigger in enumerate(specification.triggers):
        at = ("triggers", index)
        if not re.fullmatch(EVENT_PATTERN, trigger.event):
            message = f"{trigger.event!r} cannot be the name of an event"
            faults.append(fault((*at, "event"), message, code="name"))
        expressions: dict[tuple[str, ...], str] = {}
        if trigger.when is not None:
            expressions["when",] = trigger.when
        for name, value in (trigger.data or {}).items():
            if name not in variables:
                known = ", ".join(variables) or "none"
                message = f"{name!r} is not a variable of the case; declared: {known}"
                faults.append(fault((*at, "data", name), message, code="unknown-variable"))
            if isinstance(value, str):
                expressions["data", name] = value
        for path, text in expressions.items():
            try:
                compile_expression(text, names={EVENT})
            except DefinitionError as error:
                faults.append(fault((*at, *path), error.message, code=error.code))
    for schedule in specification.schedules:
        for name in schedule.data:
            if name not in variables:
                known = ", ".join(variables) or "none"
                message = f"{name!r} is not a variable of the case; declared: {known}"
                faults.append(fault(("triggers",), message, code="unknown-variable"))
    return faults

"""The connector ``emit``: the work is to put an event on the bus.

What becomes of an event is the bus's affair, which the program that owns the engine provides
(`EmitConnector.connect`). The event's id is made of the case and the work item: attempted again,
after a crash too, the work has its effect once.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Any, Literal

import attrs

from weft.connectors.options import (
    Kind,
    OptionFault,
    Unfit,
    as_mapping,
    describe,
    did_you_mean,
    one_of,
    option,
    options_schema,
    raise_option_faults,
    read_options,
    text,
)
from weft.engine.ports import Performer, Work, Worker
from weft.engine.starting import BusEvent
from weft.schema.datatypes import DataType
from weft.schema.errors import UsageError, WorkFailed
from weft.schema.jsonvalue import JsonValue
from weft.schema.specification import EVENT_PATTERN

__all__ = ["EmitConnector", "EmitOptions", "Receivers", "Send"]

Receivers = Literal["all", "one", "case"]
"""Whom an event is for: everybody, the first of them, or the case that emits it."""

Send = Callable[[Work, BusEvent, Receivers], Awaitable[dict[str, JsonValue]]]
"""Puts an event on the bus, and tells what has become of it.

Its arguments: the attempt that emits it; the event; whom it is for. It raises `WorkFailed` if a
receiver could not be reached for now.
"""

_INPUT = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def _read_event(value: JsonValue) -> str:
    name = text().read(value)
    if not re.fullmatch(EVENT_PATTERN, name):
        accepted = (
            "it has up to 200 letters, digits, _ . : / and -, and begins with none of the last"
        )
        raise Unfit(((), f"{describe(name)} cannot be the name of an event; {accepted}"))
    return name


_EVENT: Kind[str] = Kind({"type": "string", "pattern": EVENT_PATTERN}, _read_event)


@attrs.frozen(kw_only=True)
class EmitOptions:
    """The configuration of a task that emits an event."""

    event: str = attrs.field(metadata=option(_EVENT, "The event's name."))
    key: str | None = attrs.field(
        default=None,
        metadata=option(
            text(),
            "What it is about: a text, or ${name} for an input, which then is no part of the data.",
        ),
    )
    to: Receivers = attrs.field(
        default="all",
        metadata=option(
            one_of({"all": "all", "one": "one", "case": "case"}),
            "all: every case that waits for it, and a case of every process that it starts "
            "(the default); one: only the first of them; case: the case that emits it, alone.",
        ),
    )

    @property
    def key_input(self) -> str | None:
        """The input that is the key."""
        match = None if self.key is None else _INPUT.fullmatch(self.key)
        return None if match is None else match[1]


def read_emit_options(config: JsonValue, *, what: str) -> EmitOptions:
    """The configuration, from its short form (the event's name) or its long one (a mapping).

    Raises:
        DefinitionErrors: With every fault.
    """
    if isinstance(config, str):
        config = {"event": config}
    wanted = "must be the name of an event, or a mapping with 'event'"
    config = as_mapping(config, wanted=wanted, what=what)
    return read_options(EmitOptions, config, what=what)


class EmitConnector:
    """Work that consists in emitting an event: its data are the inputs, but for the key's."""

    kind = "emit"
    automatic = True

    def __init__(self) -> None:
        self._send: Send | None = None

    def connect(self, send: Send) -> None:
        """Say what puts events on the bus."""
        self._send = send

    def bind(
        self,
        task: str,
        config: JsonValue,
        *,
        origin: Path | None,
        inputs: Collection[str] | None = None,
    ) -> Performer:
        """Check the configuration, and that the key's input is there if ``inputs`` are known."""
        del origin
        what = f"task {task!r}, emit"
        options = read_emit_options(config, what=what)
        key = options.key_input
        if inputs is not None and key is not None and key not in inputs:
            message = (
                f"there is no input {key!r}{did_you_mean(key, inputs)}; inputs of the task: "
                f"{', '.join(inputs) or 'none'}"
            )
            raise_option_faults([OptionFault(message, what=what, path=("key",))], what=what)

        async def emit(work: Work) -> dict[str, JsonValue]:
            if self._send is None:
                raise WorkFailed(
                    "this engine has no bus to put the event on: open it with weft.open",
                    code="no-bus",
                    retryable=False,
                )
            return await self._send(work, _event(options, work), options.to)

        return Performer(Worker.ASYNC, emit)

    def result_type(self, config: JsonValue) -> DataType:
        """``delivered``, ``started`` and ``refused``: lists of cases, and of what they were told."""
        del config
        names = DataType("array", items=DataType("string"))
        fields = {"delivered": names, "started": names, "refused": names}
        return DataType("object", fields=fields, required=frozenset(fields))

    def json_schema(self) -> dict[str, JsonValue]:
        """The JSON Schema of what may stand at ``emit:``."""
        return {"anyOf": [dict(_EVENT.schema), options_schema(EmitOptions)]}

    async def aclose(self) -> None:
        """Nothing to give back."""


def _event(options: EmitOptions, work: Work) -> BusEvent:
    """The event that a task emits.

    Raises:
        WorkFailed: The key is no text.
    """
    data: dict[str, Any] = dict(work.inputs)
    key = options.key
    if options.key_input is not None:
        key = data.pop(options.key_input)
        if isinstance(key, int | float) and not isinstance(key, bool):
            key = str(key)
    try:
        return BusEvent(
            options.event, data or None, key, work.idempotency_key, traceparent=work.traceparent
        )
    except UsageError as error:
        raise WorkFailed(str(error), code="event", retryable=False) from error

"""The specification model: a process definition as data, whatever format it was written in.

Readers (native YAML, steps YAML, YAWL, BPMN) and the Python builder make these values;
`weft.engine.compile` turns them into nets. A specification says what its author wrote and no
more: names of patterns and connectors are only names here, their arguments are plain JSON, and
whether they fit is judged when it is compiled, with the position of each in its file.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Final

import attrs

from weft.schema.datatypes import Variable
from weft.schema.errors import DefinitionError
from weft.schema.imports import Finding, Imported
from weft.schema.jsonvalue import JsonValue

__all__ = [
    "EVENT_PATTERN",
    "FAILURE_WORDS",
    "MAX_CRASHES",
    "EventTrigger",
    "Location",
    "NetDefinition",
    "PlaceDefinition",
    "Retry",
    "ScheduleTrigger",
    "Source",
    "Specification",
    "TaskDefinition",
    "Termination",
    "Use",
]

MAX_CRASHES = 10
"""So many attempts at an item may end in a row with the death of their engine, by default."""

FAILURE_WORDS = ("skip", "ask", "compensate")
"""What may stand at ``on-failure`` instead of a task, place or pattern.

``skip`` goes on as if the work were done, ``ask`` leaves the item to a person, ``compensate`` undoes
what was done in the net. A task or place of such a name goes before.
"""

Location = tuple[str | int, ...]
"""A path of keys and indices into a definition, such as ``("net", "tasks", "ship", "then")``."""


@attrs.frozen(eq=False)
class Source:
    """Where a specification came from, so that faults can name file, line and column.

    ``positions`` maps locations to (line, column), both from 1; ``text`` is what was read.
    """

    format: str
    file: str | None = None
    text: bytes = b""
    origin: Path | None = None
    positions: Mapping[Location, tuple[int, int]] = attrs.field(factory=dict, repr=False)

    def fault(
        self, location: Location, message: str, *, code: str | None = None
    ) -> DefinitionError:
        """A `DefinitionError` at a location, or at the nearest location around it.

        Without a position (a specification built in Python) the message names the location.
        """
        known = location
        while known and known not in self.positions:
            known = known[:-1]
        line, column = self.positions.get(known, (None, None))
        if line is None and location:
            message = f"{'.'.join(str(part) for part in location)}: {message}"
        return DefinitionError(message, code=code, file=self.file, line=line, column=column)


@attrs.frozen
class Use:
    """A pattern or connector asked for by name, with its arguments as they were written.

    ``then: judge`` is ``Use("sequence", "judge")``;
    ``join: {structured-partial-join: {n: 2}}`` is ``Use("structured-partial-join", {"n": 2})``.
    """

    name: str
    argument: JsonValue = None


@attrs.frozen
class Retry:
    """How often and when a failed work item is attempted again.

    Args:
        attempts: The total number of starts, the first included.
        delay_seconds: The wait before the second attempt.
        factor: Each further wait is so many times the one before.
        max_delay_seconds: No wait is longer.
        jitter: ``full`` draws each wait evenly between zero and its length, ``none`` waits it.
        crashes: So many attempts in a row may end with the death of the engine that makes them;
            then the item fails.
    """

    attempts: int = attrs.field(validator=attrs.validators.ge(1))
    delay_seconds: float = attrs.field(default=0.0, validator=attrs.validators.ge(0))
    factor: float = attrs.field(default=1.0, validator=attrs.validators.ge(1))
    max_delay_seconds: float = attrs.field(default=86_400.0, validator=attrs.validators.ge(0))
    jitter: str = attrs.field(default="none", validator=attrs.validators.in_(("none", "full")))
    crashes: int = attrs.field(default=MAX_CRASHES, validator=attrs.validators.ge(0))


class Termination(Enum):
    """How a net says that it is done."""

    IMPLICIT = "implicit"
    """When nothing is left to do, now or later (WCP-11)."""
    EXPLICIT = "explicit"
    """Only at an end node (WCP-43)."""


@attrs.frozen
class PlaceDefinition:
    """A place that an author declares by name, with the tokens that it holds at the start.

    ``then`` is where its tokens go, as for a task; None: nowhere by themselves (patterns may use
    the place).
    """

    name: str
    tokens: int = 0
    then: Use | None = None
    description: str = ""


@attrs.frozen
class TaskDefinition:
    """A step of a net.

    Args:
        name: Unique in its net.
        join: How incoming flows meet; None: a simple merge.
        then: Where the flow goes on; None: nowhere.
        on_failure: Where the flow goes on when the work has failed for good, or one of
            `FAILURE_WORDS`; None: the failure ends the case as failed.
        compensate: The task that undoes this one; it is reached by no flow.
        inputs: Argument name to expression (a string) or literal (anything else).
        outputs: Variable to expression over ``result`` and the data; None: the whole result is
            kept in the variable that bears the task's name.
        timeout_seconds: For one attempt; where somebody outside does the work, from its offer on.
        expires: Instead of ``timeout_seconds``, the time by which it must be done, as JSON: a
            duration, ``{for: expression}``, ``{until: time}`` and the like, told when an attempt
            begins (where somebody outside does the work, when it is offered).
        on_timeout: Where the flow goes on when the work was not done in time; None: as after any
            failure.
        due: When the work should be done, as JSON: a duration, or ``{until: time}`` and the like.
        on_due: Where a branch begins when it is due and not done; the work stays as it is.
        concurrency: How many of its items may be open in a scope; None: any number.
        uses: The task's connector (at most one) and the patterns around the task.
    """

    name: str
    title: str = ""
    description: str = ""
    join: Use | None = None
    then: Use | None = None
    on_failure: Use | None = None
    inputs: Mapping[str, JsonValue] = attrs.field(factory=dict)
    outputs: Mapping[str, JsonValue] | None = None
    retry: Retry | None = None
    timeout_seconds: float | None = None
    expires: JsonValue = None
    on_timeout: Use | None = None
    due: JsonValue = None
    on_due: Use | None = None
    concurrency: int | None = None
    uses: tuple[Use, ...] = ()
    compensate: str | None = None


@attrs.frozen
class NetDefinition:
    """One net of a specification: tasks, the flows between them, and the data of its scope.

    ``start`` names the tasks or places that get a token when the scope opens.
    ``uses`` are patterns over several tasks (an interleaved routing, a critical section).
    """

    name: str
    start: tuple[str, ...]
    tasks: Mapping[str, TaskDefinition]
    places: Mapping[str, PlaceDefinition] = attrs.field(factory=dict)
    variables: Mapping[str, Variable] = attrs.field(factory=dict)
    termination: Termination = Termination.IMPLICIT
    uses: tuple[Use, ...] = ()


EVENT_PATTERN = "^[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,199}$"
"""The names of events on the bus."""


@attrs.frozen
class EventTrigger:
    """An event that starts cases: what is emitted under that name, if ``when`` holds.

    Args:
        event: The name of the event.
        data: Variable to expression (a string) over ``event`` or literal (anything else); None:
            the data of the event are the variables. ``event`` has ``name``, ``key`` and ``data``.
        when: An expression over ``event``; the event starts nothing unless it is true.
    """

    event: str
    data: Mapping[str, JsonValue] | None = None
    when: str | None = None


MISSED: Final = ("skip", "once", "all")
"""What may become of times of a schedule at which no worker ran."""


@attrs.frozen
class ScheduleTrigger:
    """A time at which a case starts, again and again.

    Args:
        schedule: A cron expression of five fields.
        zone: The time zone by whose clocks it is read.
        data: Variable to literal value; a text is a text here, there is nothing to read it over.
        missed: What becomes of times at which no worker ran: ``skip``: nothing; ``once``: a case
            for the newest of them; ``all``: a case for each.
    """

    schedule: str
    zone: str = "UTC"
    data: Mapping[str, JsonValue] = attrs.field(factory=dict)
    missed: str = attrs.field(default="skip", validator=attrs.validators.in_(MISSED))


@attrs.frozen
class Specification:
    """A named, versioned process definition, exactly as its author wrote it.

    ``nets`` holds the case's own net under ``root`` and those of composite tasks by name.
    ``triggers`` are the events that start cases of it, ``schedules`` the times.
    ``metadata`` is what the author says besides: kept, and acted on by nobody here.
    ``imported`` says of a model made for another engine what has become of its parts, and
    ``findings`` what is amiss in it by the rules of its format.
    """

    name: str
    version: str
    nets: Mapping[str, NetDefinition]
    root: str = "net"
    description: str = ""
    language: str = "cel"
    triggers: tuple[EventTrigger, ...] = ()
    schedules: tuple[ScheduleTrigger, ...] = ()
    metadata: Mapping[str, JsonValue] = attrs.field(factory=dict)
    imported: tuple[Imported, ...] = attrs.field(default=(), eq=False, repr=False)
    findings: tuple[Finding, ...] = attrs.field(default=(), eq=False, repr=False)
    source: Source = attrs.field(factory=lambda: Source("python"), eq=False, repr=False)

    def location(self, net: str, *rest: str | int) -> Location:
        """The location of a net's part: the root net stands at ``net``, others in ``nets``."""
        return ("net", *rest) if net == self.root else ("nets", net, *rest)

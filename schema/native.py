"""Reads the native format: a process as YAML, for people to write (docs/native-format.md).

The keys of the format stand in the tables at the end of this module, each with the attribute
that it sets and the function that reads it. What is no key of a task is a connector or a pattern
around it: which of them there are is known when the specification is compiled, as are the tasks
and places that ``start`` and ``then`` name. Here the form is judged: keys, types, names, bounds.

Every fault of a file is found in one run. Each has a location, which is a path of keys, and
stands where the value of that location stands, or at its key if the value is a mapping (whose
own first key would be no help) or nothing at all.

The short form, ``sequence``, means a net of tasks in a row, and its locations are those of that
net. A step without a name is called by its place in the list: ``step-1``, ``step-2``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs

from weft.schema.datatypes import InvalidDeclaration, Variable
from weft.schema.durations import format_duration, parse_duration
from weft.schema.errors import DefinitionError, DefinitionErrors, raise_faults
from weft.schema.files import read_file
from weft.schema.jsonvalue import JsonValue, NotJson, checked
from weft.schema.specification import (
    EVENT_PATTERN,
    MISSED,
    EventTrigger,
    Location,
    NetDefinition,
    PlaceDefinition,
    Retry,
    ScheduleTrigger,
    Source,
    Specification,
    TaskDefinition,
    Termination,
    Use,
)
from weft.schema.timing import TimingError, check_zone, next_of
from weft.schema.yaml import MappingNode, Node, ScalarNode, SequenceNode, load_yaml, plain

__all__ = [
    "FORMAT_VERSION",
    "KEYS",
    "MAX_ATTEMPTS",
    "MAX_CONCURRENCY",
    "MAX_FACTOR",
    "MAX_TASKS",
    "MAX_TOKENS",
    "MAX_VALUES",
    "NAME_PATTERN",
    "SPECIFICATION_NAME_PATTERN",
    "VARIABLE_PATTERN",
    "VERSION_PATTERN",
    "read_native",
    "read_native_file",
    "step_name",
]

FORMAT_VERSION: Final = 1
"""The version of the format that this module reads, as in ``weft: 1``."""

MAX_VALUES: Final = 1_000_000
"""How many values a file may have in all, lists and mappings included."""

MAX_TASKS: Final = 100_000
"""How many tasks a net may have."""

MAX_TOKENS: Final = 1_000_000
"""How many tokens a place may hold at the start."""

MAX_ATTEMPTS: Final = 1_000_000
"""How many attempts may be asked for."""

MAX_CONCURRENCY: Final = 1_000_000
"""How many items of a task may be open at once where their number is limited at all."""

MAX_FACTOR: Final = 1_000
"""How much longer each wait may be than the one before."""

NAME_PATTERN: Final = "^[A-Za-z_][A-Za-z0-9_-]{0,99}$"
"""The names of tasks, places, nets and inputs."""

VARIABLE_PATTERN: Final = "^[A-Za-z_][A-Za-z0-9_]{0,99}$"
"""The names of variables, which have no hyphen: expressions take it for a minus."""

SPECIFICATION_NAME_PATTERN: Final = "^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$"
"""The names of specifications."""

VERSION_PATTERN: Final = "^[A-Za-z0-9_][A-Za-z0-9._+-]{0,99}$"
"""The versions of specifications."""

_ROOT: Final = "net"
_MAX_FAULTS: Final = 100
_NAME: Final = re.compile(NAME_PATTERN)
_VARIABLE_NAME: Final = re.compile(VARIABLE_PATTERN)
_SPECIFICATION_NAME: Final = re.compile(SPECIFICATION_NAME_PATTERN)
_VERSION: Final = re.compile(VERSION_PATTERN)

T = TypeVar("T")


def read_native(
    text: str | bytes, *, file: str | None = None, origin: Path | None = None
) -> Specification:
    """The specification that a text in the native format describes.

    Args:
        text: The YAML; bytes are UTF-8.
        file: The name that faults carry.
        origin: The folder in which task functions are looked up first.

    Raises:
        DefinitionError: The text is not YAML.
        DefinitionErrors: Everything that is wrong with the definition.
    """
    faults: list[DefinitionError] = []
    root = load_yaml(text, file=file, faults=faults)
    source = Source(
        "native",
        file=file,
        text=text if isinstance(text, bytes) else text.encode(),
        origin=origin,
        positions=_positions(root, file),
    )
    reader = _Reader(source)
    reader.faults += faults
    specification = None
    stop: list[DefinitionError] = []
    try:
        specification = reader.specification(root)
    except _EnoughError:
        stop = [source.fault((), f"reading stops here, after {_MAX_FAULTS} faults", code="faults")]
    faults = sorted(reader.faults, key=lambda fault: (fault.line or 0, fault.column or 0))
    raise_faults(f"{file or 'the text'} is not a valid specification", [*faults, *stop])
    assert specification is not None, "only faults end the reading early"
    return specification


def read_native_file(path: str | os.PathLike[str], *, file: str | None = None) -> Specification:
    """The specification in a file; ``file`` is its name in faults, if not ``path``.

    Raises:
        DefinitionError: The file cannot be read, or `read_native` refuses its text.
    """
    name = file or os.fspath(path)
    return read_native(read_file(path, file=name), file=name, origin=Path(path).resolve().parent)


def step_name(index: int) -> str:
    """The name of a step that has none, by its index (from 0): ``step-1`` for the first."""
    return f"step-{index + 1}"


class _EnoughError(Exception):
    """So many faults, or values, that reading on helps nobody."""


# --- positions ------------------------------------------------------------------------------


def _positions(root: Node, file: str | None) -> dict[Location, tuple[int, int]]:
    """Where each location of a tree stands; a step stands under the task that it means."""
    positions: dict[Location, tuple[int, int]] = {(): (root.line, root.column)}
    try:
        _add_positions(positions, root, ())
    except _EnoughError:
        raise DefinitionErrors(
            f"{file or 'the text'} is not a valid specification",
            [
                DefinitionError(
                    f"the file has more than {MAX_VALUES:,} values; keep large data outside of it",
                    code="bound",
                    file=file,
                )
            ],
        ) from None
    steps = root.get("sequence") if isinstance(root, MappingNode) else None
    if isinstance(steps, SequenceNode) and ("net",) not in positions:
        positions["net",] = positions["sequence",]
        for index, step in enumerate(steps):
            location: Location = ("net", "tasks", _name_of_step(step, index))
            if location not in positions:  # of two steps with one name, the first
                positions[location] = positions["sequence", index]
                _add_positions(positions, step, location)
    return positions


def _add_positions(
    positions: dict[Location, tuple[int, int]], node: Node, location: Location
) -> None:
    if not isinstance(node, ScalarNode) and len(positions) + len(node) > MAX_VALUES:
        raise _EnoughError
    if isinstance(node, MappingNode):
        for key, value in node.entries:
            nothing = isinstance(value, ScalarNode) and not value.text and not value.quoted
            at = key if nothing or isinstance(value, MappingNode) else value
            below = (*location, key.text)
            positions[below] = (at.line, at.column)
            if not isinstance(value, ScalarNode):
                _add_positions(positions, value, below)
    elif isinstance(node, SequenceNode):
        for index, item in enumerate(node.items):
            positions[*location, index] = (item.line, item.column)
            if not isinstance(item, ScalarNode):
                _add_positions(positions, item, (*location, index))


def _name_of_step(step: Node, index: int) -> str:
    name = step.get("name") if isinstance(step, MappingNode) else None
    return name.text if isinstance(name, ScalarNode) and name.text else step_name(index)


# --- reading --------------------------------------------------------------------------------


class _Reader:
    """One run over one tree, which gathers faults instead of stopping at the first.

    Where something is faulty a harmless value stands in for it, so that reading can go on; nobody
    sees it, since the faults are raised in the end.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.faults: list[DefinitionError] = []

    def fault(self, location: Location, message: str, code: str, *, at: Node | None = None) -> None:
        """Note a fault at a location, or at a node such as the key of an entry."""
        label = _label(location)
        fault = self.source.fault(location, f"{label}: {message}" if label else message, code=code)
        if at is not None:
            fault = DefinitionError(
                fault.message, code=code, file=self.source.file, line=at.line, column=at.column
            )
        self.faults.append(fault)
        if len(self.faults) >= _MAX_FAULTS:
            raise _EnoughError

    def expected(self, location: Location, wanted: str, node: Node, advice: str = "") -> None:
        """Note that a value is of the wrong kind."""
        advice = f"; {advice}" if advice else ""
        self.fault(location, f"expected {wanted}, found {_found(node)}{advice}", "wrong-type")

    def unknown(self, location: Location, key: ScalarNode, known: Collection[str]) -> None:
        """Note a key that does not belong where it stands."""
        near = _near(key.text, known)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        accepted = f"{hint or ';'} {'Accepted' if hint else 'accepted'}: {', '.join(known)}"
        self.fault(location, f"unknown key {_quoted(key.text)}{accepted}", "unknown-key", at=key)

    def fields(
        self,
        node: Node,
        location: Location,
        table: Mapping[str, _Field],
        *,
        wanted: str,
        required: Iterable[str] = (),
    ) -> dict[str, Any]:
        """The attributes that the keys of a mapping set, by a table of fields."""
        if not isinstance(node, MappingNode):
            self.expected(location, wanted, node)
            return {}
        values = {}
        for key, value in node.entries:
            field = table.get(key.text)
            if field is None:
                self.unknown(location, key, table)
            else:
                values[field.attribute] = field.read(self, value, (*location, key.text))
        for name in required:
            if name not in node:
                self.fault(location, f"{name!r} is missing; expected {wanted}", "missing-key")
        return values

    def named(
        self,
        node: Node,
        location: Location,
        read: Callable[[str, Node, Location], T],
        *,
        wanted: str,
    ) -> dict[str, T]:
        """A mapping whose keys are names."""
        if not isinstance(node, MappingNode):
            self.expected(location, wanted, node)
            return {}
        for key, _ in node.entries:
            self.name(key, location)
        return {key.text: read(key.text, value, (*location, key.text)) for key, value in node}

    def name(self, node: ScalarNode, location: Location) -> None:
        """Judge the name of a task, place, net or input."""
        if not _NAME.fullmatch(node.text):
            self.fault(
                location,
                f"{_quoted(node.text)} cannot be a name; a name has up to 100 letters (a-z, A-Z), "
                "digits, _ and -, and begins with a letter or _",
                "name",
                at=node,
            )

    # ── the file ─────────────────────────────────────────────────────────────────────────────

    def specification(self, root: Node) -> Specification | None:
        """The whole file; None when it is not written in this version of the format."""
        if not isinstance(root, MappingNode):
            self.expected((), "a mapping that begins with weft: 1", root)
            return None
        if not self.format_version(root):
            return None
        values = self.fields(root, (), _FILE, wanted="the name of the process", required=["name"])
        values.pop("weft", None)
        steps = values.pop("sequence", None)
        net = values.pop("net", steps)
        nets = values.pop("nets", {})
        variables = values.pop("variables", {})
        triggers = values.pop("triggers", ())
        values["triggers"] = tuple(t for t in triggers if isinstance(t, EventTrigger))
        values["schedules"] = tuple(t for t in triggers if isinstance(t, ScheduleTrigger))
        if "net" in root and "sequence" in root:
            self.fault(
                (),
                "a file has either 'net' or 'sequence', its short form; this one has both",
                "net-or-sequence",
                at=root.key("sequence"),
            )
        if "net" not in root and "sequence" not in root:
            self.fault(
                (), "there is nothing to do; expected 'net', or 'sequence' for steps in a row",
                "net-or-sequence",
            )  # fmt: skip
        if net is None or self.faults:
            return None
        net = attrs.evolve(net, variables=variables)
        return Specification(
            nets={_ROOT: net, **nets},
            root=_ROOT,
            source=self.source,
            **{"version": "1", **values},
        )

    def format_version(self, root: MappingNode) -> bool:
        """Whether the file is written in this version of the format, or nearly."""
        node = root.get("weft")
        if node is None:
            self.fault((), "'weft' is missing; a file in this format begins with weft: 1", "format")
            return True
        value = node.value if isinstance(node, ScalarNode) else None
        if type(value) is int and value > FORMAT_VERSION:
            self.fault(
                ("weft",),
                f"this file is written in version {value} of the format, which a newer Weft reads; "
                f"this one reads version {FORMAT_VERSION}",
                "format-version",
            )
            return False
        if type(value) is not int or value != FORMAT_VERSION:
            self.expected(("weft",), "1, the version of the format", node)
        return True

    # ── triggers ─────────────────────────────────────────────────────────────────────────────

    def triggers(
        self, node: Node, location: Location
    ) -> tuple[EventTrigger | ScheduleTrigger, ...]:
        """The events and times that start cases."""
        if not isinstance(node, SequenceNode):
            self.expected(location, "a list of triggers, such as - event: order-placed", node)
            return ()
        return tuple(self.trigger(item, (*location, i)) for i, item in enumerate(node))

    def trigger(self, node: Node, location: Location) -> EventTrigger | ScheduleTrigger:
        if isinstance(node, MappingNode) and "schedule" in node:
            wanted = "a trigger such as {schedule: 0 6 * * MON-FRI, zone: Europe/Berlin}"
            values = self.fields(node, location, _SCHEDULE, wanted=wanted)
            return self.schedule(ScheduleTrigger(**values), location)
        wanted = "a trigger such as {event: order-placed, data: {order: event.data}}"
        values = self.fields(node, location, _TRIGGER, wanted=wanted, required=["event"])
        return EventTrigger(**{"event": "", **values})

    def schedule(self, trigger: ScheduleTrigger, location: Location) -> ScheduleTrigger:
        """Judge a schedule: whether its zone is one, and a time comes that it names."""
        for key, judge in (
            ("zone", lambda: check_zone(trigger.zone)),
            ("schedule", lambda: next_of(trigger.schedule, 946_684_800_000_000)),
        ):
            try:
                judge()
            except TimingError as error:
                self.fault((*location, key), str(error), "schedule")
        return trigger

    def event(self, node: Node, location: Location) -> str:
        """The name of an event."""
        name = self.text(node, location, wanted="the name of an event, such as order-placed")
        if name and not re.fullmatch(EVENT_PATTERN, name):
            self.fault(
                location,
                f"{_quoted(name)} cannot be the name of an event; it has up to 200 letters "
                "(a-z, A-Z), digits, _ . : / and -, and begins with a letter, digit or _",
                "name",
            )
        return name

    def started_with(self, node: Node, location: Location) -> dict[str, JsonValue]:
        """The variables that an event gives to the case that it starts."""
        wanted = "expressions by the name of the variable, {order: event.data}"
        return self.named(node, location, self.argument, wanted=wanted)

    def expression(self, node: Node, location: Location) -> str:
        """A text that is an expression."""
        return self.text(node, location, wanted='an expression such as "event.data.amount > 0"')

    # ── nets ─────────────────────────────────────────────────────────────────────────────────

    def root_net(self, node: Node, location: Location) -> NetDefinition:
        """The case's own net."""
        if isinstance(node, MappingNode) and "data" in node:
            self.fault(
                (*location, "data"),
                "the data of the case stand at the top of the file, beside 'net'",
                "unknown-key",
                at=node.key("data"),
            )
        return self.net(_ROOT, node, location)

    def net(self, name: str, node: Node, location: Location) -> NetDefinition:
        """A net by its tasks and places."""
        values = self.fields(
            node,
            location,
            _NET,
            wanted="a net, {start: task, tasks: {task: …}}",
            required=("start", "tasks"),
        )
        net = NetDefinition(name, **{"start": (), "tasks": {}, **values})
        for place in net.places:
            if place in net.tasks:
                self.fault(
                    (*location, "places", place),
                    f"{place!r} is also the name of a task; a net uses a name once",
                    "duplicate-name",
                )
        return net

    def nets(self, node: Node, location: Location) -> dict[str, NetDefinition]:
        """The nets of composite tasks."""
        if isinstance(node, MappingNode) and _ROOT in node:
            self.fault(
                location,
                f"{_ROOT!r} is the name of the case's own net; choose another",
                "duplicate-name",
                at=node.key(_ROOT),
            )
        return self.named(node, location, self.net, wanted="nets by name, {packing: {…}}")

    def sequence(self, node: Node, location: Location) -> NetDefinition:
        """The net that the short form means: its steps in a row."""
        if not isinstance(node, SequenceNode) or not node.items:
            self.expected(location, "a list of steps, such as - shell: [make]", node)
            return NetDefinition(_ROOT, start=(), tasks={})
        self.count(len(node), location)
        names: dict[str, int] = {}
        for index, step in enumerate(node.items):
            name = _name_of_step(step, index)
            first = names.setdefault(name, index)
            if first != index:
                given = step.get("name") if isinstance(step, MappingNode) else None
                self.fault(
                    location,
                    f"the steps {first + 1} and {index + 1} are both called {name!r} "
                    "(one without a name is called by its place in the list)",
                    "duplicate-name",
                    at=given or step,
                )
        order = list(names)
        tasks = {}
        for name, following in zip(order, [*order[1:], None], strict=True):
            then = Use("sequence", following) if following is not None else None
            tasks[name] = self.step(name, node.items[names[name]], then)
        return NetDefinition(_ROOT, start=(order[0],), tasks=tasks)

    def step(self, name: str, node: Node, then: Use | None) -> TaskDefinition:
        """A step of the short form: a task whose place in the list says what follows."""
        location = (_ROOT, "tasks", name)
        if isinstance(node, MappingNode):
            given = node.get("name")
            if given is not None:
                self.given_name(given, (*location, "name"))
            for key in ("join", "then"):
                if key in node:
                    self.fault(
                        (*location, key),
                        f"a step has no {key!r}, since the next step follows; "
                        "where the flow branches, write 'net' instead of 'sequence'",
                        "unknown-key",
                        at=node.key(key),
                    )
        task = self.task(name, node, location, ignored=("name", "join", "then"))
        return attrs.evolve(task, then=then)

    def given_name(self, node: Node, location: Location) -> None:
        """Judge the name that a step gives itself."""
        if isinstance(node, ScalarNode) and isinstance(node.value, str):
            self.name(node, location[:-1])
        else:
            self.expected(location, "a name", node)

    def count(self, tasks: int, location: Location) -> None:
        """Hold a net to its bound."""
        if tasks > MAX_TASKS:
            self.fault(
                location, f"{tasks:,} tasks are too many; a net has up to {MAX_TASKS:,}", "bound"
            )
            raise _EnoughError

    # ── data ─────────────────────────────────────────────────────────────────────────────────

    def variables(self, node: Node, location: Location) -> dict[str, Variable]:
        """The declared data of a net."""
        if not isinstance(node, MappingNode):
            self.expected(location, "variables by name, {order: string}", node)
            return {}
        variables = {}
        for key, value in node.entries:
            name = self.variable_name(key, location)
            variables[key.text] = self.variable(name, value, (*location, key.text))
        return variables

    def variable_name(self, key: ScalarNode, location: Location) -> str:
        """The name of a variable, or one that stands in for it."""
        message = ""
        try:
            Variable(key.text)
        except InvalidDeclaration as error:
            message = error.faults[0].message
        if not message and not _VARIABLE_NAME.fullmatch(key.text):
            message = f"{_quoted(key.text)} is too long for a name, which has up to 100 characters"
        if not message:
            return key.text
        self.fault(location, message, "name", at=key)
        return "_"

    def variable(self, name: str, node: Node, location: Location) -> Variable:
        """A declared variable."""
        try:
            return Variable.from_declaration(name, plain(node))
        except InvalidDeclaration as error:
            for fault in error.faults:
                self.fault((*location, *fault.path), fault.message, "data")
            return Variable(name)

    # ── parts of a net ───────────────────────────────────────────────────────────────────────

    def start(self, node: Node, location: Location) -> tuple[str, ...]:
        """The tasks or places where a net starts."""
        wanted = "the name of a task or place, or a list of such names"
        if not isinstance(node, SequenceNode):
            return (self.text(node, location, wanted=wanted),)
        if not node.items:
            self.expected(location, wanted, node)
        names = [self.text(item, (*location, i), wanted=wanted) for i, item in enumerate(node)]
        for index, name in enumerate(names):
            if name in names[:index]:
                self.fault(
                    (*location, index), f"{name!r} stands twice in the list", "duplicate-name"
                )
        return tuple(names)

    def tasks(self, node: Node, location: Location) -> dict[str, TaskDefinition]:
        """The tasks of a net."""
        wanted = "tasks by name, {check: {shell: [make, check]}}"
        if isinstance(node, MappingNode):
            self.count(len(node), location)
            if not node.entries:
                self.fault(location, f"a net needs at least one task; expected {wanted}", "empty")
        return self.named(node, location, self.task, wanted=wanted)

    def task(
        self, name: str, node: Node, location: Location, *, ignored: Collection[str] = ()
    ) -> TaskDefinition:
        """A task; what is none of its keys is a connector or a pattern."""
        if not isinstance(node, MappingNode):
            self.expected(
                location,
                "the keys of a task, such as {shell: [make, check]}",
                node,
                "a task without work is {}",
            )
            return TaskDefinition(name)
        values: dict[str, Any] = {}
        uses = []
        for key, value in node.entries:
            word = key.text
            field = _TASK.get(word)
            if word in ignored:
                continue
            if field is not None:
                found = field.read(self, value, (*location, word))
                told = field.attribute == "timeout_seconds" and isinstance(found, dict)
                values["expires" if told else field.attribute] = found
            elif _kebab(word) in _TASK:  # on_failure, onFailure: no connector is called so
                self.unknown(location, key, _TASK)
            else:
                uses.append(Use(word, self.json(value, (*location, word))))
        return TaskDefinition(name, uses=tuple(uses), **values)

    def places(self, node: Node, location: Location) -> dict[str, PlaceDefinition]:
        """The places that a net declares."""
        return self.named(node, location, self.place, wanted="places by name, {approved: {}}")

    def place(self, name: str, node: Node, location: Location) -> PlaceDefinition:
        """A declared place."""
        wanted = "the keys of a place, such as {tokens: 1}, or {} for none"
        return PlaceDefinition(name, **self.fields(node, location, _PLACE, wanted=wanted))

    def patterns(self, node: Node, location: Location) -> tuple[Use, ...]:
        """The patterns over several tasks of a net."""
        if not isinstance(node, SequenceNode):
            self.expected(location, "a list of patterns, such as - critical-section: […]", node)
            return ()
        wanted = "a pattern, such as critical-section: [[a, b], [c]]"
        uses = [self.use(item, (*location, i), wanted=wanted) for i, item in enumerate(node)]
        return tuple(use for use in uses if use is not None)

    def inputs(self, node: Node, location: Location) -> dict[str, JsonValue]:
        """Arguments by name."""
        wanted = 'expressions by the name of the argument, {path: path, limit: "2 * size"}'
        return self.named(node, location, self.argument, wanted=wanted)

    def outputs(self, node: Node, location: Location) -> dict[str, JsonValue]:
        """What goes to which variable."""
        wanted = "expressions by the name of the variable, {files: result.files}"
        return self.named(node, location, self.argument, wanted=wanted)

    def argument(self, name: str, node: Node, location: Location) -> JsonValue:
        """An expression or a literal."""
        if isinstance(node, ScalarNode) and isinstance(node.value, str) and not node.value.strip():
            self.expected(location, "an expression (a text in it has quotes of its own)", node)
        return self.json(node, location)

    def join(self, node: Node, location: Location) -> Use | None:
        """How flows meet."""
        return self.use(node, location, wanted="a pattern such as synchronization")

    def then(self, node: Node, location: Location) -> Use | None:
        """Where the flow goes on."""
        wanted = "the name of a task or place, or a pattern such as {parallel-split: [a, b]}"
        if isinstance(node, SequenceNode):
            self.expected(
                location,
                wanted,
                node,
                "to all of them at once is {parallel-split: […]}, to one {exclusive-choice: […]}",
            )
            return None
        use = self.use(node, location, wanted=wanted)
        if use is not None and isinstance(node, ScalarNode):
            return Use("sequence", use.name)
        return use

    def use(self, node: Node, location: Location, *, wanted: str) -> Use | None:
        """A pattern: its name, or a mapping of its name to its parameters."""
        if isinstance(node, MappingNode):
            if len(node) == 1:
                ((key, value),) = node.entries
                return Use(key.text, self.json(value, (*location, key.text)))
            keys = ", ".join(key.text for key, _ in node.entries) or "none"
            self.fault(location, f"expected {wanted}: one key, found {keys}", "wrong-type")
            return None
        name = self.text(node, location, wanted=wanted)
        return Use(name) if name else None

    def retry(self, node: Node, location: Location) -> Retry:
        """A policy of attempts."""
        before = len(self.faults)
        wanted = "a policy such as {attempts: 3, delay: 2s}"
        values = self.fields(node, location, _RETRY, wanted=wanted, required=["attempts"])
        policy = Retry(**{"attempts": 1, **values})
        if len(self.faults) == before and policy.delay_seconds > policy.max_delay_seconds:
            longest = format_duration(policy.max_delay_seconds)
            if "max_delay_seconds" not in values:
                longest += ", unless 'max-delay' says otherwise"
            self.fault(
                (*location, "delay"),
                f"{format_duration(policy.delay_seconds)} is longer than the longest wait, "
                f"which is {longest}",
                "bound",
            )
        return policy

    # ── values ───────────────────────────────────────────────────────────────────────────────

    def text(self, node: Node, location: Location, *, wanted: str = "a text") -> str:
        """A text that is not empty."""
        value = node.value if isinstance(node, ScalarNode) else None
        if isinstance(value, str) and value:
            return value
        literal = isinstance(value, bool | int | float)
        advice = f'in quotes it is a text: "{_text_of(node)}"' if literal else ""
        self.expected(location, wanted, node, advice)
        return ""

    def specification_name(self, node: Node, location: Location) -> str:
        """The name of the specification."""
        name = self.text(node, location, wanted="a name such as check-repository")
        if name and not _SPECIFICATION_NAME.fullmatch(name):
            self.fault(
                location,
                f"{_quoted(name)} cannot be the name of a process; it has up to 100 letters "
                "(a-z, A-Z), digits, . _ and -, and begins with a letter, digit or _",
                "name",
            )
        return name

    def version(self, node: Node, location: Location) -> str:
        """The version of the specification."""
        if isinstance(node, ScalarNode) and isinstance(node.value, bool | int | float):
            self.expected(
                location,
                "a version, which is text",
                node,
                f'write it in quotes: "{node.text}" (as numbers, 1.1 and 1.10 are the same)',
            )
            return ""
        version = self.text(node, location, wanted="a version such as 1.0.0")
        if version and not _VERSION.fullmatch(version):
            self.fault(
                location,
                f"{_quoted(version)} cannot be a version; it has up to 100 letters (a-z, A-Z), "
                "digits, . _ + and -, and begins with a letter, digit or _",
                "name",
            )
        return version

    def word(self, node: Node, location: Location, words: Mapping[str, T]) -> T:
        """One of a few words."""
        value = node.value if isinstance(node, ScalarNode) else None
        if isinstance(value, str) and value in words:
            return words[value]
        near = _near(value, words) if isinstance(value, str) else []
        advice = f"did you mean {near[0]!r}?" if near else ""
        self.expected(location, " or ".join(words), node, advice)
        return next(iter(words.values()))

    def whole(self, node: Node, location: Location, least: int, most: int, wanted: str = "") -> int:
        """A whole number within bounds."""
        value = node.value if isinstance(node, ScalarNode) else None
        if type(value) is int and least <= value <= most:
            return value
        self.expected(location, wanted or f"a whole number from {least} to {most:,}", node)
        return least

    def factor(self, node: Node, location: Location) -> float:
        """How much longer each wait is."""
        value = node.value if isinstance(node, ScalarNode) else None
        if isinstance(value, int | float) and value is not True and 1 <= value <= MAX_FACTOR:
            return float(value)
        self.expected(location, f"a number from 1 to {MAX_FACTOR:,}", node)
        return 1.0

    def compensate(self, node: Node, location: Location) -> str:
        """The task that undoes another one."""
        return self.text(node, location, wanted="the name of the task that undoes this one")

    def concurrency(self, node: Node, location: Location) -> int | None:
        """How many items may be open at once; None: any number."""
        if isinstance(node, ScalarNode) and node.value == "many":
            return None
        wanted = f"a whole number from 1 to {MAX_CONCURRENCY:,}, or many"
        return self.whole(node, location, 1, MAX_CONCURRENCY, wanted)

    def duration(self, node: Node, location: Location) -> float:
        """A length of time."""
        value = node.value if isinstance(node, ScalarNode) else None
        if isinstance(value, str) and value:
            try:
                return parse_duration(value)
            except ValueError as error:
                self.fault(location, str(error), "duration")
                return 0.0
        number = isinstance(value, int | float) and not isinstance(value, bool)
        advice = f"for seconds write {_text_of(node)}s" if number else ""
        self.expected(location, "a duration such as 500ms, 2s or 1m30s", node, advice)
        return 0.0

    def timeout(self, node: Node, location: Location) -> float | JsonValue:
        """A length of time that is not zero; or a time, which is judged when it is compiled."""
        if isinstance(node, MappingNode) and node.entries:
            return self.json(node, location)
        before = len(self.faults)
        seconds = self.duration(node, location)
        if not seconds and len(self.faults) == before:
            self.fault(location, "nothing is done in no time; expected more than 0s", "bound")
        return seconds

    def due(self, node: Node, location: Location) -> JsonValue:
        """When work should be done; what it says is judged when it is compiled."""
        if isinstance(node, MappingNode) or (isinstance(node, ScalarNode) and node.value):
            return self.json(node, location)
        self.expected(location, "a duration such as 2d, or a time such as {until: delivery}", node)
        return None

    def metadata(self, node: Node, location: Location) -> Any:
        """What the author says besides."""
        if not isinstance(node, MappingNode):
            self.expected(location, "a mapping, of whatever else is to be kept", node)
            return {}
        return self.json(node, location)

    def json(self, node: Node, location: Location) -> JsonValue:
        """Any value that JSON has."""
        self.only_json(node, location)
        value: JsonValue = plain(node)
        return value

    def only_json(self, node: Node, location: Location) -> None:
        """Refuse the numbers that case data cannot hold."""
        if isinstance(node, ScalarNode):
            if isinstance(node.value, int | float):
                try:
                    checked(node.value, what="")
                except NotJson as error:
                    self.fault(location, error.reason, "not-json")
        elif isinstance(node, SequenceNode):
            for index, item in enumerate(node.items):
                self.only_json(item, (*location, index))
        else:
            for key, value in node.entries:
                self.only_json(value, (*location, key.text))


# --- the keys of the format -----------------------------------------------------------------


@attrs.frozen
class _Field:
    """A key: the attribute that it sets, and how its value is read."""

    attribute: str
    read: Callable[[_Reader, Node, Location], Any]


def _whole(least: int, most: int) -> Callable[[_Reader, Node, Location], int]:
    return lambda reader, node, location: reader.whole(node, location, least, most)


def _word(words: Mapping[str, T]) -> Callable[[_Reader, Node, Location], T]:
    return lambda reader, node, location: reader.word(node, location, words)


_FILE: Final = {
    "weft": _Field("weft", lambda reader, node, location: None),
    "name": _Field("name", _Reader.specification_name),
    "version": _Field("version", _Reader.version),
    "description": _Field("description", _Reader.text),
    "language": _Field("language", _Reader.text),
    "metadata": _Field("metadata", _Reader.metadata),
    "triggers": _Field("triggers", _Reader.triggers),
    "data": _Field("variables", _Reader.variables),
    "net": _Field("net", _Reader.root_net),
    "sequence": _Field("sequence", _Reader.sequence),
    "nets": _Field("nets", _Reader.nets),
}
"""The keys of a file; ``weft`` is judged before all others."""

_NET: Final = {
    "start": _Field("start", _Reader.start),
    "termination": _Field("termination", _word({t.value: t for t in Termination})),
    "data": _Field("variables", _Reader.variables),
    "tasks": _Field("tasks", _Reader.tasks),
    "places": _Field("places", _Reader.places),
    "patterns": _Field("uses", _Reader.patterns),
}
"""The keys of a net."""

_TASK: Final = {
    "title": _Field("title", _Reader.text),
    "description": _Field("description", _Reader.text),
    "join": _Field("join", _Reader.join),
    "in": _Field("inputs", _Reader.inputs),
    "out": _Field("outputs", _Reader.outputs),
    "timeout": _Field("timeout_seconds", _Reader.timeout),
    "on-timeout": _Field("on_timeout", _Reader.then),
    "due": _Field("due", _Reader.due),
    "on-due": _Field("on_due", _Reader.then),
    "retry": _Field("retry", _Reader.retry),
    "concurrency": _Field("concurrency", _Reader.concurrency),
    "then": _Field("then", _Reader.then),
    "on-failure": _Field("on_failure", _Reader.then),
    "compensate": _Field("compensate", _Reader.compensate),
}
"""The keys of a task; any other is a connector or a pattern."""

_PLACE: Final = {
    "tokens": _Field("tokens", _whole(0, MAX_TOKENS)),
    "then": _Field("then", _Reader.then),
    "description": _Field("description", _Reader.text),
}
"""The keys of a place."""

_TRIGGER: Final = {
    "event": _Field("event", _Reader.event),
    "when": _Field("when", _Reader.expression),
    "data": _Field("data", _Reader.started_with),
}
"""The keys of a trigger."""

_SCHEDULE: Final = {
    "schedule": _Field("schedule", _Reader.text),
    "zone": _Field("zone", _Reader.text),
    "data": _Field("data", _Reader.started_with),
    "missed": _Field("missed", _word({word: word for word in MISSED})),
}
"""The keys of a schedule."""

_RETRY: Final = {
    "attempts": _Field("attempts", _whole(1, MAX_ATTEMPTS)),
    "delay": _Field("delay_seconds", _Reader.duration),
    "factor": _Field("factor", _Reader.factor),
    "max-delay": _Field("max_delay_seconds", _Reader.duration),
    "jitter": _Field("jitter", _word({word: word for word in ("none", "full")})),
    "crashes": _Field("crashes", _whole(0, MAX_ATTEMPTS)),
}
"""The keys of a retry policy."""

KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "file": tuple(_FILE),
    "net": tuple(_NET),
    "task": tuple(_TASK),
    "place": tuple(_PLACE),
    "retry": tuple(_RETRY),
    "trigger": tuple(_TRIGGER),
    "schedule": tuple(_SCHEDULE),
}
"""All keys of the format, by where they stand, in the order in which they are best written."""


# --- words for messages ---------------------------------------------------------------------


def _label(location: Location) -> str:
    """What a location is called: ``task 'ship': retry.attempts``."""
    words = []
    rest = location
    if rest[:1] == ("nets",) and len(rest) > 1:
        words.append(f"net {_quoted(str(rest[1]))}")
        rest = rest[2:]
    elif rest[:1] == ("net",) and len(rest) > 1:
        rest = rest[1:]
    if rest[:1] == ("tasks",) and len(rest) > 1:
        words.append(f"task {_quoted(str(rest[1]))}")
        rest = rest[2:]
    elif rest[:1] == ("places",) and len(rest) > 1:
        words.append(f"place {_quoted(str(rest[1]))}")
        rest = rest[2:]
    path = ""
    for part in rest:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return ", ".join([*words, path] if path else words)


def _found(node: Node) -> str:
    """What a value is called in a message."""
    if isinstance(node, SequenceNode):
        return "a list" if node.items else "an empty list"
    if isinstance(node, MappingNode):
        return "a mapping" if node.entries else "an empty mapping"
    if isinstance(node.value, str):
        return f"the text {_quoted(node.value)}" if node.value else "an empty text"
    if node.value is None:
        return "nothing"
    return node.text if isinstance(node.value, bool) else f"the number {_quoted(node.text, '')}"


def _quoted(text: str, mark: str = "'") -> str:
    shown = text if len(text) <= 60 else text[:59] + "…"
    shown = repr(shown)
    return shown if mark else shown[1:-1]


def _text_of(node: Node) -> str:
    """How a scalar is written, to be repeated in advice."""
    return node.text if isinstance(node, ScalarNode) and len(node.text) <= 60 else "…"


def _kebab(key: str) -> str:
    """A key as this format would spell it: ``on-failure`` for ``onFailure`` and ``on_failure``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|_| ", "-", key).lower()


def _near(word: str, known: Collection[str]) -> list[str]:
    """The known word that somebody may have meant, if there is one."""
    if _kebab(word) in known:
        return [_kebab(word)]
    return get_close_matches(word, known, n=1)

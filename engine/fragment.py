"""The words that patterns are written in: places, parameters, and the fragment they make.

A pattern executor is a function from places and typed parameters to a `Fragment`. Its annotations
say what it is given::

    def structured_partial_join(inputs: Places, output: Place, n: PositiveInt) -> Fragment: ...

``Place`` and ``Places`` come from where the pattern stands; every other parameter is read from
the specification, checked by its type, and named in the error when it is missing or wrong.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import attrs

from weft.engine.net import Arc, Invariant, Mapped, MergeRule, Timing, Transition, Wait
from weft.schema.jsonvalue import JsonValue
from weft.schema.specification import EVENT_PATTERN
from weft.schema.timing import check_zone, duration, moment, next_of

__all__ = [
    "TIMING_SCHEMA",
    "Branch",
    "Branches",
    "Condition",
    "Count",
    "Expression",
    "Extra",
    "Flag",
    "Flow",
    "Flows",
    "Fragment",
    "Identifier",
    "Instances",
    "Items",
    "Kind",
    "Place",
    "PlaceName",
    "Places",
    "PositiveInt",
    "Region",
    "ResultCondition",
    "ResultExpression",
    "Rule",
    "Several",
    "SeveralTasks",
    "Target",
    "Targets",
    "Task",
    "TaskGroup",
    "TaskGroups",
    "TriggerName",
    "VariableName",
    "When",
    "held_place",
    "literal",
    "read_timing",
    "run_place",
    "trigger_variable",
]


@attrs.frozen(eq=False)
class Kind:
    """How a parameter is read: a noun for messages and JSON Schemas, and a reader.

    ``read`` gets the argument as it was written and gives the value, or raises ValueError with
    what would be accepted. ``targets`` lists the tasks and places that a value flows to.
    """

    noun: str
    read: Callable[[JsonValue], Any]
    schema: Mapping[str, JsonValue]


@attrs.frozen
class Branch:
    """One way out of a choice: where to, and when (None: otherwise)."""

    to: str
    when: str | None = None


@attrs.frozen
class Extra:
    """Arcs that a pattern adds to transitions of a task.

    A task's name in ``clear`` stands for every place of that task: what waits to start it, its
    open and held items, and its joins; bookkeeping places get their resting tokens back.
    """

    take: Sequence[str | Arc] = ()
    needs: Sequence[str | Arc] = ()
    lacks: Sequence[str | Arc] = ()
    clear: Sequence[str] = ()
    put: Sequence[str | Arc] = ()
    """For completions only."""


@attrs.frozen
class Instances:
    """What a fragment says of the instances that it counts (see `weft.engine.net.Multiple`).

    Transitions and places are those of the fragment, by the names that they have there. ``open``
    is marked while the task has not gone on, ``draining`` while instances run on behind it;
    neither: it goes on at once.
    """

    enter: str
    collects: Sequence[str] = ()
    conditions: Sequence[str] = ()
    number: int | None = None
    items: Mapped | None = None
    item: str | None = None
    collect: str | None = None
    add: str | None = None
    seal: str | None = None
    open: str | None = None
    draining: str | None = None


@attrs.frozen
class Several:
    """A multiple-instance task as a pattern at another task sees it: the places of its fragment.

    Args:
        task: The task.
        places: All of them, its ready, open and held instances included.
        rest: The tokens that they hold when nothing runs.
        open: Marked while the task has not gone on; None: it goes on at once.
        draining: Marked while instances run on behind it; None: they never do.
        output: Where the task leads.
    """

    task: str
    places: tuple[str, ...]
    rest: tuple[Arc, ...]
    open: str | None
    draining: str | None
    output: str


@attrs.frozen
class Fragment:
    """A piece of net over places that belong to its surroundings.

    Args:
        transitions: Their arcs name places of the fragment or of the surroundings.
        resting: Places of the fragment that hold bookkeeping, with their tokens at rest.
        unfinished: Places of the fragment whose tokens are work to be done; empty at rest.
        invariants: Sums of tokens over the fragment's places that never change.
        same: Places of the surroundings that are one and the same here.
        starts: Task to arcs that are added to each of its starts and to its retry.
        completes: Task to arcs that are added to its completion.
        instances: What makes the task that the fragment stands around one of many instances.
        collects: Transition to the multiple-instance task whose results it writes.
        wait: What its transitions of the roles `TRIGGER` and `TIMER` wait for; compiling gives it
            its name.
        depths: Task to how deep scopes of the net that it runs may nest.
    """

    transitions: Sequence[Transition] = ()
    resting: Mapping[str, int] = attrs.field(factory=dict)
    unfinished: Sequence[str] = ()
    invariants: Sequence[Invariant] = ()
    same: Mapping[str, str] = attrs.field(factory=dict)
    starts: Mapping[str, Extra] = attrs.field(factory=dict)
    completes: Mapping[str, Extra] = attrs.field(factory=dict)
    instances: Instances | None = None
    collects: Mapping[str, str] = attrs.field(factory=dict)
    wait: Wait | None = None
    depths: Mapping[str, int] = attrs.field(factory=dict)


def trigger_variable(trigger: str) -> str:
    """The variable that takes a trigger's data unless another is named: its name, as a variable."""
    name = re.sub("[^A-Za-z0-9_]", "_", trigger)[:100]
    return f"_{name[:99]}" if name[:1].isdigit() else name


def run_place(task: str) -> str:
    """The place that holds a token for each open item of a task."""
    return f"{task}.run"


def held_place(task: str) -> str:
    """The place that holds a token for each failed item of a task that may be tried again."""
    return f"{task}.held"


@attrs.frozen
class Flow:
    """A flow of the surrounding net: the place between two tasks (or declared places)."""

    source: str
    target: str
    place: str


def _condition(argument: JsonValue) -> str:
    if not isinstance(argument, str) or not argument.strip():
        raise ValueError('expected a condition, such as "total > 100"')
    return argument


def _positive(argument: JsonValue) -> int:
    if isinstance(argument, bool) or not isinstance(argument, int) or argument < 1:
        raise ValueError(f"expected a whole number from 1, found {_shown(argument)}")
    return argument


def _target(argument: JsonValue) -> str:
    if not isinstance(argument, str) or not argument:
        raise ValueError(f"expected the name of a task or place, found {_shown(argument)}")
    return argument


def _repeated(names: Sequence[str]) -> list[str]:
    return sorted(name for name, times in Counter(names).items() if times > 1)


def _targets(argument: JsonValue) -> tuple[str, ...]:
    if not isinstance(argument, list) or len(argument) < 2:
        raise ValueError(
            f"expected a list of two or more tasks or places, found {_shown(argument)}"
        )
    targets = tuple(_target(item) for item in argument)
    twice = _repeated(targets)
    if twice:
        raise ValueError(f"{', '.join(twice)} stands twice in the list; name each branch once")
    return targets


def _names(argument: JsonValue) -> tuple[str, ...]:
    given = argument if isinstance(argument, list) else [argument]
    names = tuple(name for name in given if isinstance(name, str) and name)
    if not names or len(names) != len(given):
        raise ValueError(f"expected a list of names, found {_shown(argument)}")
    twice = _repeated(names)
    if twice:
        raise ValueError(f"{', '.join(twice)} stands twice in the list")
    return names


def _task_group(argument: JsonValue) -> tuple[str, ...]:
    if not isinstance(argument, list) or len(argument) < 2:
        raise ValueError(f"expected a list of two or more tasks, found {_shown(argument)}")
    return _names(argument)


def _task_groups(argument: JsonValue) -> tuple[tuple[str, ...], ...]:
    if not isinstance(argument, list) or len(argument) < 2:
        raise ValueError(f"expected a list of two or more lists of tasks, found {_shown(argument)}")
    groups = tuple(_names(group) for group in argument)
    names = [name for group in groups for name in group]
    twice = _repeated(names)
    if twice:
        raise ValueError(f"{', '.join(twice)} stands in two of the lists")
    return groups


def _branches(argument: JsonValue) -> tuple[Branch, ...]:
    if not isinstance(argument, list) or not argument:
        raise ValueError(
            f"expected a list of branches {{when: condition, to: task}}, found {_shown(argument)}"
        )
    branches = []
    for index, item in enumerate(argument):
        if not isinstance(item, dict) or "to" not in item or set(item) - {"when", "to"}:
            raise ValueError(
                f"branch {index + 1}: expected {{when: condition, to: task}}, "
                f"or {{to: task}} for the default, found {_shown(item)}"
            )
        when = _condition(item["when"]) if "when" in item else None
        if when is None and index != len(argument) - 1:
            raise ValueError(
                f"branch {index + 1} has no condition, so it is the default: it has to stand last"
            )
        branches.append(Branch(_target(item["to"]), when))
    if branches[0].when is None:
        raise ValueError("a choice needs at least one branch with a condition")
    return tuple(branches)


def _count(argument: JsonValue) -> str:
    if isinstance(argument, str) and argument.strip():
        return argument
    if isinstance(argument, bool) or not isinstance(argument, int) or argument < 1:
        raise ValueError(
            f"expected a whole number from 1 or an expression, found {_shown(argument)}"
        )
    return str(argument)


def _rule(argument: JsonValue) -> str:
    known = [rule.value for rule in MergeRule]
    if not isinstance(argument, str) or argument not in known:
        raise ValueError(f"expected {' or '.join(known)}, found {_shown(argument)}")
    return argument


def _items(argument: JsonValue) -> Mapped:
    if isinstance(argument, list):
        return Mapped(value=argument)
    if isinstance(argument, str) and argument.strip():
        return Mapped(expression=argument)
    raise ValueError(
        f"expected a list, or an expression that yields one, found {_shown(argument)}"
        + ("; a number of instances is written `times`" if isinstance(argument, int) else "")
    )


def _identifier(argument: JsonValue) -> str:
    if not isinstance(argument, str) or not _IDENTIFIER.fullmatch(argument):
        raise ValueError(f"expected a name of letters, digits and '_', found {_shown(argument)}")
    return argument


def literal(value: JsonValue, noun: str) -> Kind:
    """The kind of a parameter that has one value, so that writing it says something."""
    written = json.dumps(value) if not isinstance(value, str) else value

    def read(argument: JsonValue) -> JsonValue:
        if argument != value or isinstance(argument, bool) is not isinstance(value, bool):
            raise ValueError(f"expected {written}, found {_shown(argument)}")
        return value

    return Kind(f"{written}: {noun}", read, {"const": value})


def _word(argument: JsonValue) -> str:
    if not isinstance(argument, str) or not re.fullmatch(EVENT_PATTERN, argument):
        raise ValueError(
            "expected a name of up to 200 letters (a-z, A-Z), digits, _ . : / and -, beginning "
            f"with a letter, digit or _; found {_shown(argument)}"
        )
    return argument


def _variable(argument: JsonValue) -> str:
    if not isinstance(argument, str) or not _VARIABLE.fullmatch(argument):
        raise ValueError(f"expected the name of a variable, found {_shown(argument)}")
    return argument


def _flag(argument: JsonValue) -> bool:
    if not isinstance(argument, bool):
        raise ValueError(f"expected true or false, found {_shown(argument)}")
    return argument


def read_timing(argument: JsonValue, *, starts: bool = False) -> Timing:
    """A time as it is written: a duration, or one of ``for``, ``until`` and ``next``, in a zone.

    Args:
        argument: What is written.
        starts: Whether it may say that it counts from a start: ``from: start``.

    Raises:
        ValueError: What is wrong with it, and what would be accepted.
    """
    given = argument if isinstance(argument, dict) else {"for": argument}
    begins_with = given.get("from", "offer") if starts else "offer"
    if begins_with not in ("offer", "start"):
        raise ValueError(f"from: expected offer or start, found {_shown(begins_with)}")
    unknown = [k for k in given if k not in (*_TIMES, "zone") and not (k == "from" and starts)]
    named = [key for key in _TIMES if key in given]
    if unknown or len(named) != 1:
        raise ValueError(
            "expected a duration such as 2h, or one of {for: duration}, {until: time} and "
            f"{{next: cron expression}}, with a zone if you like; found {_shown(argument)}"
        )
    zone = given.get("zone", "UTC")
    if not isinstance(zone, str):
        raise ValueError(f"expected the name of a time zone, found {_shown(zone)}")
    check_zone(zone)
    (name,) = named
    attribute, begins, literal = _TIMES[name]
    value = given[name]
    if not isinstance(value, str) or not value.strip():
        seconds = isinstance(value, int | float) and not isinstance(value, bool)
        hint = f"; for seconds write {value}s" if seconds and name == "for" else ""
        raise ValueError(f"{name}: expected a text, found {_shown(value)}{hint}")
    if begins.match(value):
        literal(value, _ANY_TIME, zone)
        mapped = Mapped(value=value)
    else:
        mapped = Mapped(expression=value)
    return Timing(**{attribute: mapped}, zone=zone, from_start=begins_with == "start")


_VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]{0,99}")
_ANY_TIME = 946_684_800_000_000
_TIMES: dict[str, tuple[str, re.Pattern[str], Callable[[Any, int, str], object]]] = {
    "for": ("after", re.compile("[0-9]|P[0-9T]"), duration),
    "until": ("until", re.compile("[0-9]{2}:|[0-9]{4,}-"), moment),
    "next": ("next", re.compile(r".*\S\s+\S|@"), next_of),
}
"""How a timing is written: its attribute, how a literal begins (all else is an expression)."""


def _shown(argument: JsonValue) -> str:
    text = repr(argument)
    return text if len(text) <= 60 else text[:57] + "..."


_IDENTIFIER = re.compile("[A-Za-z_][A-Za-z0-9_]*")

_NAME: dict[str, JsonValue] = {"type": "string", "minLength": 1}

Place = Annotated[str, "a place of the surroundings"]
"""A place that the surroundings give to the pattern, by name."""

Places = Annotated[tuple[str, ...], "places of the surroundings"]
"""Several such places, in the order in which they are written."""

PositiveInt = Annotated[
    int, Kind("a whole number from 1", _positive, {"type": "integer", "minimum": 1})
]
"""A whole number from 1."""

Condition = Annotated[str, Kind("a condition", _condition, {"type": "string", "minLength": 1})]
"""An expression that yields true or false over the data of the scope."""

Target = Annotated[str, Kind("a task or place", _target, _NAME)]
"""The name of a task or place; the executor gets the place that leads there."""

Targets = Annotated[
    tuple[str, ...],
    Kind("two or more tasks or places", _targets, {"type": "array", "items": _NAME, "minItems": 2}),
]
"""Names of tasks or places; the executor gets the places that lead there."""

Task = Annotated[str, "the task that the pattern stands at"]
"""The task that the pattern stands at, by name."""

Flows = Annotated[tuple[Flow, ...], "flows of the surroundings"]
"""All flows of the surrounding net."""

Count = Annotated[
    str,
    Kind(
        "a number",
        _count,
        {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "minLength": 1}]},
    ),
]
"""A whole number, or an expression that yields one; the executor gets an expression."""

TaskGroup = Annotated[
    tuple[str, ...],
    Kind("two or more tasks", _task_group, {"type": "array", "items": _NAME, "minItems": 2}),
]
"""Names of two or more tasks of the net."""

TaskGroups = Annotated[
    tuple[tuple[str, ...], ...],
    Kind(
        "two or more lists of tasks",
        _task_groups,
        {"type": "array", "items": {"type": "array", "items": _NAME}, "minItems": 2},
    ),
]
"""Two or more disjoint sets of tasks of the net."""

Region = Annotated[
    tuple[str, ...],
    Kind("tasks and places", _names, {"type": "array", "items": _NAME, "minItems": 1}),
]
"""Names of tasks and declared places of the net: any set of them, connected or not."""

PlaceName = Annotated[str, Kind("a declared place", _target, _NAME)]
"""The name of a place that the net declares."""

Rule = Annotated[
    str, Kind("general or structural", _rule, {"enum": [rule.value for rule in MergeRule]})
]
"""How an OR-join knows that no more threads will come (`weft.engine.net.MergeRule`)."""

Items = Annotated[
    Mapped,
    Kind(
        "a list, or an expression that yields one",
        _items,
        {"anyOf": [{"type": "string", "minLength": 1}, {"type": "array"}]},
    ),
]
"""A list, or an expression that yields one: an instance for each of its items."""

Identifier = Annotated[
    str,
    Kind(
        "a name for expressions",
        _identifier,
        {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
    ),
]
"""A name that expressions use."""

ResultCondition = Annotated[
    str, Kind("a condition over the results", _condition, {"type": "string", "minLength": 1})
]
"""A condition over the data and the results there are (`RESULT_NAMES`)."""

ResultExpression = Annotated[
    str, Kind("an expression over the result", _condition, {"type": "string", "minLength": 1})
]
"""An expression over ``result``, the item and index of an instance, and the data."""

SeveralTasks = Annotated[
    tuple[Several, ...],
    Kind(
        "multiple-instance tasks",
        _names,
        {"anyOf": [_NAME, {"type": "array", "items": _NAME, "minItems": 1}]},
    ),
]
"""Names of multiple-instance tasks of the net; the executor gets the places of each."""

_TIME: dict[str, JsonValue] = {"type": "string", "minLength": 1}
TIMING_SCHEMA: Mapping[str, JsonValue] = {
    "anyOf": [
        _TIME,
        {
            "type": "object",
            "properties": dict.fromkeys(("for", "until", "next", "zone"), _TIME),
            "additionalProperties": False,
            "oneOf": [{"required": [name]} for name in ("for", "until", "next")],
        },
    ]
}
"""The JSON Schema of a time as it is written."""

TriggerName = Annotated[
    str,
    Kind("the name of a trigger", _word, {"type": "string", "pattern": EVENT_PATTERN}),
]
"""The name of a trigger."""

VariableName = Annotated[
    str,
    Kind(
        "the name of a variable", _variable, {"type": "string", "pattern": f"^{_VARIABLE.pattern}$"}
    ),
]
"""The name of a variable of the net."""

Expression = Annotated[str, Kind("an expression", _condition, {"type": "string", "minLength": 1})]
"""An expression over the data of the scope."""

Flag = Annotated[bool, Kind("true or false", _flag, {"type": "boolean"})]
"""True or false."""

When = Annotated[Timing, Kind("a time", read_timing, TIMING_SCHEMA)]
"""When something is due: a duration, a point in time, or the next one of a cron expression."""

Branches = Annotated[
    tuple[Branch, ...],
    Kind(
        "a list of branches",
        _branches,
        {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {"when": {"type": "string", "minLength": 1}, "to": _NAME},
                "required": ["to"],
                "additionalProperties": False,
            },
        },
    ),
]
"""Guarded branches, the default last; the executor gets the places that they lead to."""

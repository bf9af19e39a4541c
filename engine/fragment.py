"""The words that patterns are written in: places, parameters, and the fragment they make.

A pattern executor is a function from places and typed parameters to a `Fragment`. Its annotations
say what it is given::

    def structured_partial_join(inputs: Places, output: Place, n: PositiveInt) -> Fragment: ...

``Place`` and ``Places`` come from where the pattern stands; every other parameter is read from
the specification, checked by its type, and named in the error when it is missing or wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import attrs

from weft.engine.net import Invariant, Transition
from weft.schema.jsonvalue import JsonValue

__all__ = [
    "Branch",
    "Branches",
    "Condition",
    "Fragment",
    "Kind",
    "Place",
    "Places",
    "PositiveInt",
    "Target",
    "Targets",
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
class Fragment:
    """A piece of net over places that belong to its surroundings.

    Args:
        transitions: Their arcs name places of the fragment or of the surroundings.
        resting: Places of the fragment that hold bookkeeping, with their tokens at rest.
        unfinished: Places of the fragment whose tokens are work to be done; empty at rest.
        invariants: Sums of tokens over the fragment's places that never change.
        same: Places of the surroundings that are one and the same here.
    """

    transitions: Sequence[Transition] = ()
    resting: Mapping[str, int] = attrs.field(factory=dict)
    unfinished: Sequence[str] = ()
    invariants: Sequence[Invariant] = ()
    same: Mapping[str, str] = attrs.field(factory=dict)


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


def _targets(argument: JsonValue) -> tuple[str, ...]:
    if not isinstance(argument, list) or len(argument) < 2:
        raise ValueError(
            f"expected a list of two or more tasks or places, found {_shown(argument)}"
        )
    targets = tuple(_target(item) for item in argument)
    twice = sorted({name for name in targets if targets.count(name) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)} stands twice in the list; name each branch once")
    return targets


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


def _shown(argument: JsonValue) -> str:
    text = repr(argument)
    return text if len(text) <= 60 else text[:57] + "..."


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

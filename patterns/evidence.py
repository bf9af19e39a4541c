"""What has been shown of a pattern, and the rating that follows from it.

A package of patterns may ship, beside its modules, a minimal example for each
(``examples/NAME.yaml``) and a file ``evidence.json``: by the key of the pattern, the promises that
were checked, in how many states of which surroundings, and which mutants of its arcs they killed.
A rating is computed from that and is never declared; a pattern without evidence has none.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Mapping
from enum import Enum
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import attrs

from weft.engine.registry import Pattern
from weft.schema.errors import DefinitionError

__all__ = ["ENOUGH", "SURROUNDINGS", "Evidence", "Rating", "evidence", "example", "rating"]

SURROUNDINGS = ("alone", "loop", "composite", "cancellation")
"""Where an example has to keep its promises: by itself, gone through again, twice at once as a
composite task, and beside a task that cancels it."""

ENOUGH = 3
"""So many mutants have to be killed, or all where there are fewer."""


class Rating(Enum):
    """How much of a pattern has been shown."""

    FULL = "full"
    """In all surroundings, by promises that bite, on an example that is there."""
    PARTIAL = "partial"
    """Something, but not all of that."""
    NONE = "none"
    """Nothing."""


def _counts(instance: Any, attribute: Any, value: Mapping[str, Any]) -> None:
    del instance
    wrong = [k for k, v in value.items() if not isinstance(v, int) or isinstance(v, bool) or v < 0]
    if wrong:
        raise ValueError(f"{attribute.name}: {', '.join(wrong)}: a number from 0")


def _listed(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise TypeError("promises: a list of texts")
    return tuple(value)


def _texts(instance: Any, attribute: Any, value: Any) -> None:
    del instance
    texts = value.values() if isinstance(value, dict) else value
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise ValueError(f"{attribute.name}: every one is a text")


@attrs.frozen
class Evidence:
    """What has been shown of one pattern.

    Args:
        example: The name of the example it was shown on, without its ending.
        promises: What was checked in every state, in sentences.
        surroundings: Each of the `SURROUNDINGS` to the states that were explored there.
        mutants: How many changes of single arcs were tried.
        survivors: Those that the promises did not find, each with the reason.
        schedules: How many random schedules of the running engine stayed within those states.
    """

    example: str = attrs.field(validator=attrs.validators.instance_of(str))
    promises: tuple[str, ...] = attrs.field(converter=_listed, validator=_texts)
    surroundings: Mapping[str, int] = attrs.field(validator=_counts)
    mutants: int = attrs.field(validator=attrs.validators.and_(
        attrs.validators.instance_of(int), attrs.validators.ge(0)
    ))  # fmt: skip
    survivors: Mapping[str, str] = attrs.field(
        factory=dict, validator=[attrs.validators.instance_of(dict), _texts]
    )
    schedules: int = attrs.field(default=0, validator=attrs.validators.instance_of(int))

    def __attrs_post_init__(self) -> None:
        if self.killed < 0:
            raise ValueError("there are more survivors than mutants")

    @property
    def killed(self) -> int:
        """How many mutants the promises found."""
        return self.mutants - len(self.survivors)

    @property
    def states(self) -> int:
        """How many states were explored in all."""
        return sum(self.surroundings.values())

    def as_json(self) -> dict[str, Any]:
        """As ``evidence.json`` has it."""
        plain = attrs.asdict(self)
        plain["promises"] = list(self.promises)
        return {k: v for k, v in plain.items() if k != "schedules" or v}


def rating(pattern: Pattern) -> Rating:
    """How much of a pattern has been shown, computed from its `evidence`.

    Raises:
        DefinitionError: The evidence cannot be read.
    """
    shown = evidence(pattern)
    if shown is None:
        return Rating.NONE
    everywhere = all(shown.surroundings.get(where, 0) > 0 for where in SURROUNDINGS)
    bites = shown.killed >= min(ENOUGH, max(shown.mutants, 1))
    if everywhere and bites and shown.promises and example(pattern) is not None:
        return Rating.FULL
    return Rating.PARTIAL if shown.states or shown.killed > 0 else Rating.NONE


def evidence(pattern: Pattern) -> Evidence | None:
    """What has been shown of a pattern; None if its package says nothing about it.

    Raises:
        DefinitionError: What its package says cannot be read.
    """
    folder = _package(pattern)
    return None if folder is None else _rows(folder).get(pattern.key)  # type: ignore[arg-type]  # paths hash


def example(pattern: Pattern) -> str | None:
    """The minimal example of a pattern, a specification in YAML; None if there is none.

    Raises:
        DefinitionError: What its package says about it cannot be read.
    """
    folder = _package(pattern)
    if folder is None:
        return None
    shown = evidence(pattern)
    name = pattern.key if shown is None else shown.example
    file = folder / "examples" / f"{name}.yaml"
    return file.read_text("utf-8") if file.is_file() else None


def _package(pattern: Pattern) -> Traversable | None:
    """The folder of the package that a pattern's executor is in; None outside of any."""
    module = sys.modules.get(pattern.executor.__module__)
    spec = None if module is None else module.__spec__
    return resources.files(spec.parent) if spec is not None and spec.parent else None


@functools.cache
def _rows(folder: Traversable) -> Mapping[str, Evidence]:
    file = folder / "evidence.json"
    if not file.is_file():
        return {}
    key: str | None = None
    try:
        rows = {}
        for key, row in json.loads(file.read_text("utf-8")).items():
            rows[key] = Evidence(**row)
    except (AttributeError, TypeError, ValueError) as error:
        about = "" if key is None else f" of {key!r}"
        raise DefinitionError(
            f"the evidence{about} in {file} cannot be read: {error}", code="pattern-evidence"
        ) from error
    return rows

"""What the verifier answers: verdicts, each negative one with the path that shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import attrs

__all__ = ["DeadMarking", "Diagnostic", "Level", "Report", "in_its_net"]

Level = Literal["error", "warning", "note"]


def in_its_net(name: str) -> str:
    """The name that a transition has in its own net, in a path over several scopes.

    There ``ship#2/pack.start`` is the start of ``pack`` in the second child scope of ``ship``.
    """
    return name.rpartition("/")[2].partition("#")[0]


@attrs.frozen
class DeadMarking:
    """A marking from which nothing goes on, and a firing path that leads there.

    ``path`` names transitions of the net, in order; ``net`` is the net of a composite task if it
    is not the specification's own.
    """

    marking: Mapping[str, int]
    path: Sequence[str]
    net: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The object of the command line's ``deadlocks``."""
        more = {} if self.net is None else {"net": self.net}
        return {"marking": dict(self.marking), "path": list(self.path), **more}


@attrs.frozen
class Diagnostic:
    """One finding, for whoever wrote the net.

    Args:
        level: An ``error`` makes the net unsound; a ``warning`` is a likely fault; a ``note``
            says what may surprise.
        code: A stable, kebab-case word.
        message: One or two sentences.
        element: The task, place or transition that it is about.
        file: The file; ``line`` and ``column`` count from 1.
        path: A firing path that shows it: names of transitions.
        net: The net of a composite task, if it is not the specification's own.
    """

    level: Level
    code: str
    message: str
    element: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None
    path: Sequence[str] = ()
    net: str | None = None

    @property
    def where(self) -> str | None:
        """``file:line:column`` as far as it is known, else the element."""
        if self.line is None:
            return self.element if self.file is None else self.file
        column = "" if self.column is None else f":{self.column}"
        return f"{self.file or '<text>'}:{self.line}{column}"

    def __str__(self) -> str:
        place = f"{self.where}: " if self.file or self.line else ""
        return f"{place}{self.level}: {self.message} [{self.code}]"

    def as_json(self) -> dict[str, Any]:
        """The object of the command line's ``diagnostics``."""
        return {
            "level": self.level,
            "code": self.code,
            "message": self.message,
            "where": self.where,
            "path": list(self.path),
            "element": self.element,
            "net": self.net,
        }


@attrs.frozen
class Report:
    """Whether a net is sound, and what follows from its state space.

    Each verdict is True, False, or None: not decided within the bound.

    Args:
        name: The specification or net.
        option_to_complete: From every reachable marking a final one can be reached.
        proper_completion: When it completes nothing is left over.
        bounded: The reachable markings are finitely many.
        safe: No place ever holds two tokens.
        dead_transitions: Those that no reachable marking enables.
        deadlocks: Markings that are dead and not final, the first ones.
        states: How many states were looked at.
        abstractions: What was left out or taken for something else.
        diagnostics: All findings.
        undecided: Why a verdict is missing; None: none is.
    """

    name: str
    option_to_complete: bool | None
    proper_completion: bool | None
    bounded: bool | None
    safe: bool | None
    dead_transitions: Sequence[str] = ()
    deadlocks: Sequence[DeadMarking] = ()
    states: int = 0
    abstractions: Sequence[str] = ()
    diagnostics: Sequence[Diagnostic] = ()
    undecided: str | None = None

    @property
    def sound(self) -> bool | None:
        """Whether every case can complete, and properly, and every part can be of use."""
        verdicts = (self.option_to_complete, self.proper_completion, self.bounded)
        if False in verdicts or any(d.level == "error" for d in self.diagnostics):
            return False
        return None if None in verdicts or self.undecided is not None else True

    def as_json(self) -> dict[str, Any]:
        """The fields of ``weft verify --json``."""
        return {
            "name": self.name,
            "sound": self.sound,
            "option_to_complete": self.option_to_complete,
            "proper_completion": self.proper_completion,
            "bounded": self.bounded,
            "safe": self.safe,
            "dead_transitions": list(self.dead_transitions),
            "deadlocks": [d.as_json() for d in self.deadlocks],
            "states": self.states,
            "abstractions": list(self.abstractions),
            "diagnostics": [d.as_json() for d in self.diagnostics],
            "undecided": self.undecided,
        }

"""What an exploration of a net's markings gives, from either kernel."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Literal, Protocol

import attrs

__all__ = ["Ended", "Graph", "ListedGraph", "Space"]

Ended = Literal["complete", "states", "memory", "tokens", "unbounded"]
"""Why an exploration ended: all markings were seen; there are more than ``max_states``; more than
``max_bytes`` hold; a place would pass `CELL_MAX`; the markings have no end."""


class Graph(Protocol):
    """The markings that were found, numbered from 0, and the firings that lead from one to another.

    With one thread the numbers are in breadth-first order, so that the path of parents from any
    marking to the first one is a shortest one.

    The firings are compressed sparse rows: those out of marking i stand at ``start[i]`` to
    ``start[i + 1] - 1``, ascending by transition.
    """

    @property
    def start(self) -> Sequence[int]:
        """Where the firings of each marking begin; one more at the end."""
        ...

    @property
    def transition(self) -> Sequence[int]:
        """The transition of each firing."""
        ...

    @property
    def target(self) -> Sequence[int]:
        """The number of the marking that each firing leads to."""
        ...

    def __len__(self) -> int:
        """How many markings there are."""
        ...

    def marking(self, number: int) -> bytes:
        """A marking, one int32 cell a place; IndexError where there is no such number."""
        ...

    def found_by(self, number: int) -> tuple[int, int]:
        """The marking and the transition by which one was found; ``(-1, -1)`` for the first."""
        ...


@attrs.frozen
class Space:
    """What was found.

    Attributes:
        states: Markings found.
        firings: Pairs of a marking and a transition that fires there; of the markings looked at,
            where ``ended`` is not *complete*.
        deadlocks: Markings in which nothing is enabled.
        most_in_place: The most tokens in one place of one marking.
        most_in_marking: The most tokens in one marking.
        fired: A byte a transition: 1 where it fires in some marking.
        dead_markings: The first ten deadlocks, ordered by the tokens of the last place, then of
            the last but one, and so on.
        ended: Why no more were looked for.
        graph: All markings and firings, if they were asked for.
    """

    states: int
    firings: int
    deadlocks: int
    most_in_place: int
    most_in_marking: int
    fired: bytes
    dead_markings: tuple[bytes, ...]
    ended: Ended
    graph: Graph | None = attrs.field(default=None, eq=False, repr=False)


@attrs.define
class ListedGraph:
    """A `Graph` in plain lists."""

    markings: list[bytes] = attrs.field(factory=list)
    parents: list[tuple[int, int]] = attrs.field(factory=list)
    start: array[int] = attrs.field(factory=lambda: array("q"))
    transition: array[int] = attrs.field(factory=lambda: array("i"))
    target: array[int] = attrs.field(factory=lambda: array("i"))

    def __len__(self) -> int:
        return len(self.markings)

    def marking(self, number: int) -> bytes:
        """See `Graph`."""
        return self.markings[self._checked(number)]

    def found_by(self, number: int) -> tuple[int, int]:
        """See `Graph`."""
        return self.parents[self._checked(number)]

    def _checked(self, number: int) -> int:
        if not 0 <= number < len(self.markings):
            raise IndexError(f"marking {number} is not one of the {len(self.markings)} found")
        return number

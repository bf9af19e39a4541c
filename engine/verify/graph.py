"""The states that can be reached, breadth first, and what the graph of them says.

What a state is, and what can follow on it, is told by a `System`: the markings of a plain net, or
the quiescent markings of a compiled one. Breadth first means that the path by which a state was
first met is a shortest one.

Unboundedness is found on the way: a state that strictly covers one on its own path can be
repeated for ever, if the system says so (Karp and Miller, "Parallel Program Schemata", 1969).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

__all__ = ["Graph", "System", "TooLarge", "explored"]

S = TypeVar("S", bound=Hashable)

MAX_EDGES = 20_000_000
"""No graph has more edges: they take eight bytes each."""


class TooLarge(Exception):
    """What follows on a state has no room in memory."""


class System(Protocol[S]):
    """What can be explored: an initial state, and what follows on each."""

    @property
    def initial(self) -> S:
        """The state that everything begins with."""
        ...

    def successors(self, state: S) -> Sequence[tuple[int, S]]:
        """The labels of all steps from a state, each with the state that it leads to.

        Raises:
            TooLarge: They have no room in memory.
        """
        ...

    def total(self, state: S) -> int:
        """The tokens of a state: what covers another state has more of them."""
        ...

    def grows(self, state: S, before: S, steps: Callable[[], Sequence[int]]) -> bool:
        """Whether the steps from ``before`` to ``state`` can be repeated for ever, and add tokens."""
        ...


class Graph(Generic[S]):
    """States by number, in the order in which they were met, with the steps between them.

    Attributes:
        states: The states; 0 is the initial one.
        complete: Whether all steps of all states are here.
        growth: The state that can be made to grow without bound; None: none was found.
        size: How many of the states have all their steps here; the first ones.
    """

    def __init__(self, initial: S) -> None:
        self.states: list[S] = [initial]
        self.parents = array("i", [-1])
        self.via = array("i", [-1])
        self.start = array("q", [0])
        self.targets = array("i")
        self.labels = array("i")
        self.complete = False
        self.growth: int | None = None

    @property
    def size(self) -> int:
        """How many states have all their steps here."""
        return len(self.start) - 1

    def path(self, state: int, since: int = 0) -> list[int]:
        """The labels of a shortest path to a state, or of that part of it that begins later."""
        steps: list[int] = []
        while state != since:
            steps.append(self.via[state])
            state = self.parents[state]
        steps.reverse()
        return steps

    def steps(self, state: int) -> Iterable[tuple[int, int]]:
        """The labels and targets of the steps from a state."""
        a, b = self.start[state], self.start[state + 1]
        return zip(self.labels[a:b], self.targets[a:b], strict=True)

    def dead(self, state: int) -> bool:
        """Whether nothing follows on a state."""
        return self.start[state] == self.start[state + 1]

    def used(self) -> set[int]:
        """The labels of all steps."""
        return set(self.labels)

    def reaching(
        self, goals: Iterable[int], *, without: Collection[int] = frozenset()
    ) -> bytearray:
        """For each state whether one of the goals can be reached from it, without these labels."""
        can = bytearray(len(self.states))
        count = array("i", bytes(4 * (len(self.states) + 1)))
        for target in self.targets:
            count[target + 1] += 1
        for i in range(len(self.states)):
            count[i + 1] += count[i]
        sources, labels = array("i", bytes(4 * len(self.targets))), array("i", self.labels)
        at = array("i", count)
        for state in range(self.size):
            for k in range(self.start[state], self.start[state + 1]):
                spot = at[self.targets[k]]
                at[self.targets[k]] = spot + 1
                sources[spot], labels[spot] = state, self.labels[k]
        stack = list(goals)
        for goal in stack:
            can[goal] = 1
        while stack:
            state = stack.pop()
            for k in range(count[state], count[state + 1]):
                if not can[sources[k]] and labels[k] not in without:
                    can[sources[k]] = 1
                    stack.append(sources[k])
        return can


def explored(
    system: System[S],
    *,
    max_states: int,
    enough: Callable[[int, S, Sequence[tuple[int, S]]], bool] | None = None,
    grow: bool = True,
    keep: Callable[[S], None] | None = None,
) -> Graph[S]:
    """The states that can be reached, breadth first.

    Args:
        system: What is explored.
        max_states: Stop after so many.
        enough: Is told of each state, by its number, with what follows on it; True stops.
        grow: Whether to look for growth without bound, and to stop at it.
        keep: Is told of each new state before it is kept; `TooLarge` stops.
    """
    graph = Graph(system.initial)
    with suppress(TooLarge):
        _explore(graph, system, max_states, enough, grow, keep)
    return graph


def _explore(
    graph: Graph[S],
    system: System[S],
    max_states: int,
    enough: Callable[[int, S, Sequence[tuple[int, S]]], bool] | None,
    grow: bool,
    keep: Callable[[S], None] | None,
) -> None:
    index: dict[S, int] = {system.initial: 0}
    peaks = array("q", [system.total(system.initial)]) if grow else array("q")
    at = 0
    while at < len(graph.states):
        state = graph.states[at]
        following = system.successors(state)
        for label, after in following:
            known = index.get(after)
            if known is None:
                known = len(graph.states)
                if known >= max_states or len(graph.targets) >= MAX_EDGES:
                    return
                if keep is not None:
                    keep(after)
                index[after] = known
                graph.states.append(after)
                graph.parents.append(at)
                graph.via.append(label)
                if grow and _grown(system, graph, peaks, known, at):
                    graph.growth = known
                    return
            graph.targets.append(known)
            graph.labels.append(label)
        graph.start.append(len(graph.targets))
        if enough is not None and enough(at, state, following):
            return
        at += 1
    graph.complete = True


def _grown(system: System[S], graph: Graph[S], peaks: array[int], new: int, parent: int) -> bool:
    """Whether a new state shows that there is no bound.

    Only a state with more tokens than any before it on its path can be the first to cover one.
    """
    state = graph.states[new]
    total, peak = system.total(state), peaks[parent]
    peaks.append(max(total, peak))
    if total <= peak:
        return False
    ancestor = parent
    while ancestor >= 0:
        before = ancestor

        def steps(before: int = before) -> Sequence[int]:
            return graph.path(new, before)

        if system.grows(state, graph.states[before], steps):
            return True
        ancestor = graph.parents[ancestor]
    return False

"""The markings of a plain net as a `System`: whatever is enabled may fire.

Where nothing but the markings is asked, the kernel explores them (`explored_markings`).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from operator import ge

from weft.engine.verify.arcs import ArcNet
from weft.engine.verify.graph import Graph, TooLarge, explored
from weft.native import kernel
from weft.native.image import Arcs as ImageArcs
from weft.native.image import NetImage
from weft.native.space import Space

__all__ = ["Markings", "explored_markings"]

REPEATS = 1_000
"""So often a growing loop is tried before its growth counts as not shown."""

TRIED = 3_000_000
"""So many firings are tried for growth in all; beyond them it counts as not shown."""

FIRST = 1_000
"""So many markings are looked at before all others are explored: mostly they are enough."""

MAX_STEP_BYTES = 2**28
"""What follows on one marking takes no more memory."""

MAX_BYTES = 2**29
"""All markings of a net together take no more memory."""

BESIDE = 300
"""Bytes that a marking takes beside its cells."""


class Markings:
    """All markings of a net, over those of its places that have arcs or tokens.

    A state is a marking as bytes, a label the number of a transition in the `ArcNet`.
    """

    def __init__(self, net: ArcNet) -> None:
        used = dict.fromkeys(sorted(net.initial))
        for t in net.transitions.values():
            used.update(dict.fromkeys((*t.take, *t.put, *t.needs, *t.lacks, *t.clear)))
        self.places = sorted(used)
        """The places of the net behind the cells of a state."""
        self.cell = {p: i for i, p in enumerate(self.places)}
        self.transitions = list(net.transitions)
        self.monotone = net.monotone
        cell = self.cell
        self.image = NetImage.build(
            places=len(self.places),
            transitions=[
                ImageArcs(
                    take=[(cell[p], n) for p, n in t.take.items()],
                    put=[(cell[p], n) for p, n in t.put.items()],
                    needs=[(cell[p], n) for p, n in t.needs.items()],
                    lacks=[(cell[p], n) for p, n in t.lacks.items()],
                    clear=[cell[p] for p in t.clear],
                    external=True,
                )
                for t in net.transitions.values()
            ],
        )
        self.number = {t: i for i, t in enumerate(self.transitions)}
        self.initial = array("i", [net.initial.get(p, 0) for p in self.places]).tobytes()
        self._highest = self._thresholds(net)
        self.tried = 0
        """How many firings have been tried for growth."""

    @property
    def room(self) -> int:
        """How many markings there is memory for."""
        return max(1, MAX_BYTES // (len(self.initial) + BESIDE))

    def _thresholds(self, net: ArcNet) -> list[int]:
        """For each cell the most tokens that any arc can tell from more."""
        most = [0] * len(self.places)
        for t in net.transitions.values():
            for arcs in (t.take, t.needs, t.lacks):
                for p, n in arcs.items():
                    most[self.cell[p]] = max(most[self.cell[p]], n)
        return most

    def successors(self, state: bytes) -> Sequence[tuple[int, bytes]]:
        """All firings.

        Raises:
            OverflowError: A place would hold more tokens than can be counted.
            TooLarge: They take more than `MAX_STEP_BYTES`.
        """
        image, found = self.image, []
        enabled = kernel.enabled_transitions(image, state)
        if len(enabled) * len(state) > MAX_STEP_BYTES:
            raise TooLarge
        for i in enabled:
            working = array("i", state)
            kernel.fire(image, working, i)
            found.append((self.transitions[i], working.tobytes()))
        return found

    def total(self, state: bytes) -> int:
        """All tokens of a marking."""
        return sum(memoryview(state).cast("i"))

    def tokens(self, state: bytes) -> dict[int, int]:
        """Place of the net to tokens."""
        cells = memoryview(state).cast("i")
        return {self.places[i]: cells[i] for i in kernel.marked(state)}

    def grows(self, state: bytes, before: bytes, steps: Callable[[], Sequence[int]]) -> bool:
        """Whether a marking covers one before it, and the steps between can be repeated.

        Without inhibitor and reset arcs they always can. With them the steps are repeated until
        what grows is beyond whatever an arc can tell apart; from then on each round is as the
        one before.
        """
        cells, least = memoryview(state).cast("i"), memoryview(before).cast("i")
        if not all(map(ge, cells, least)) or state == before:
            return False
        if self.monotone:
            return True
        return self.tried <= TRIED and self._repeats(state, [self.number[t] for t in steps()])

    def _repeats(self, state: bytes, steps: Sequence[int]) -> bool:
        taken = [0] * len(self.places)
        take = self.image.take
        for i in steps:
            for p, n in take.arcs(i):
                taken[p] += n
        enough = [most + drop for most, drop in zip(self._highest, taken, strict=True)]
        for _ in range(REPEATS):
            self.tried += len(steps) + 1
            working = array("i", state)
            for i in steps:
                if not kernel.enabled(self.image, working, i):
                    return False
                kernel.fire(self.image, working, i)
            cells, after = memoryview(state).cast("i"), working.tobytes()
            if not all(map(ge, working, cells)) or after == state:
                return False
            if all(n == b or b >= e for n, b, e in zip(working, cells, enough, strict=True)):
                return True
            state = after
        return False


def explored_markings(
    markings: Markings,
    *,
    max_states: int,
    enough: Callable[[int, bytes, Sequence[object]], bool],
) -> Graph[bytes]:
    """As `weft.engine.verify.graph.explored`, at the speed of the kernel where that can do it.

    Growth that only repeating can show, and what is wrong with a net that grows, are found one
    marking after the other.

    Args:
        markings: What is explored.
        max_states: Stop after so many.
        enough: As there; it is asked of no marking twice.

    Raises:
        OverflowError: A place would hold more tokens than can be counted.
    """
    told = 0

    def once(at: int, state: bytes, following: Sequence[object]) -> bool:
        nonlocal told
        if at < told:
            return False
        told = at + 1
        return enough(at, state, following)

    for bound in sorted({min(FIRST, max_states), max_states}) if markings.monotone else ():
        space = kernel.explore(
            markings.image,
            markings.initial,
            graph=True,
            max_states=bound,
            max_bytes=MAX_BYTES,
        )
        if space.ended not in ("complete", "states", "memory"):
            break
        graph = _graph(markings, space)
        start = graph.start
        for at in range(told, graph.size):
            if once(at, graph.states[at], range(start[at], start[at + 1])):
                graph.complete = False
                return graph
        if graph.complete or bound == max_states or space.ended == "memory":
            return graph
    return explored(markings, max_states=max_states, enough=once)


def _graph(markings: Markings, space: Space) -> Graph[bytes]:
    """The graph that the kernel has found, with the numbers of transitions in the net."""
    found, graph = space.graph, Graph(markings.initial)
    assert found is not None
    numbers = range(1, len(found))
    graph.states += map(found.marking, numbers)
    number = markings.transitions
    for parent, by in map(found.found_by, numbers):
        graph.parents.append(parent)
        graph.via.append(number[by])
    graph.complete = space.ended == "complete"
    # Of an exploration that was stopped the markings before the one that it stopped at have all
    # their firings: it stood at the one that the last marking was found from, or behind it.
    size = len(found) if graph.complete else graph.parents[-1] if len(found) > 1 else 0
    graph.start = array("q", found.start[: size + 1])
    graph.targets = array("i", found.target)
    graph.labels = array("i", map(number.__getitem__, found.transition))
    return graph

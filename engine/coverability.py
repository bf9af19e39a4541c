"""Can a marking be reached that holds at least so much? Answered backwards, over plain integers.

*Coverability* of a target is decided by saturation: begin with the target, and add what has to be
there before each firing that helps to make it, until nothing smaller is found. A set of markings
that is closed upwards is known by its least members, of which there are always finitely many
(Dickson's lemma), so this ends: P. A. Abdulla, K. Čerāns, B. Jonsson, Y.-K. Tsay, "General
Decidability Theorems for Infinite-State Systems" (LICS 1996). It stays right with reset arcs,
where coverability is decidable though reachability is not: C. Dufourd, A. Finkel,
Ph. Schnoebelen, "Reset Nets Between Decidability and Undecidability" (ICALP 1998).

A `ResetNet` has no names: places are numbers, and its moves have neither guards nor inhibitors.
A place that is lacked and whose tokens never pass a bound is told by its complement, a place that
holds what it could hold more (`weft.engine.orjoin` does that).

Where few markings can be reached, looking forwards (`cover`) is simpler and finds shorter paths.

The saturation of a target says nothing of a marking, so one serves for all of them, and goes no
further than a question asks; see `Saturation`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush

import attrs

__all__ = ["ANY", "DEFAULT_WORK", "Move", "OutOfBounds", "ResetNet", "Saturation", "cover"]

ANY = 0
"""As the weight of a ``put``: any number of tokens, none to many."""

DEFAULT_WORK = 2_000_000
"""The comparisons of markings that one saturation is given: a second or two."""

KEEPING = 20
"""What keeping a marking counts as, in comparisons: memory is bounded with the work."""

LONG = 64
"""A marking of so many places counts as one comparison more, and so on."""

Small = tuple[tuple[int, int], ...]
"""A marking by its marked places in their order, with their tokens; here a least member."""


class OutOfBounds(Exception):
    """The question could not be answered within the bound of work."""


@attrs.frozen
class Move:
    """One way of firing: test ``needs``, take, clear, put, in this order.

    ``needs`` counts before anything is taken. A ``put`` of `ANY` is zero to many.
    """

    take: Mapping[int, int]
    put: Mapping[int, int]
    needs: Mapping[int, int] = attrs.field(factory=dict)
    clear: frozenset[int] = frozenset()

    def before(self, after: Small) -> dict[int, int] | None:
        """The least marking from which this move leads to ``after`` or more; None: there is none."""
        least: dict[int, int] = {}
        for place, tokens in after:
            put = self.put.get(place)
            missing = tokens if put is None else 0 if put == ANY else tokens - put
            if missing > 0:
                if place in self.clear:
                    return None
                least[place] = missing
        for place, weight in self.take.items():
            least[place] = least.get(place, 0) + weight
        for place, weight in self.needs.items():
            if least.get(place, 0) < weight:
                least[place] = weight
        return least

    def fire(self, cells: Sequence[int]) -> tuple[int, ...] | None:
        """The marking after firing; None: it is not enabled. A put of `ANY` puts nothing."""
        if any(cells[p] < n for p, n in self.take.items()):
            return None
        if any(cells[p] < n for p, n in self.needs.items()):
            return None
        after = list(cells)
        for p, n in self.take.items():
            after[p] -= n
        for p in self.clear:
            after[p] = 0
        for p, n in self.put.items():
            after[p] += n
        return tuple(after)


def cover(
    moves: Sequence[Move], start: Sequence[int], target: Mapping[int, int], *, most: int
) -> list[int] | OutOfBounds | None:
    """The shortest path to a marking with at least ``target``, by looking at all in their order.

    None: there is none. `OutOfBounds`, as a value: more than ``most`` markings can be reached, or
    a move puts any number of tokens.
    """
    if any(n == ANY for m in moves for n in m.put.values()):
        return OutOfBounds()
    first = tuple(start)
    came: dict[tuple[int, ...], tuple[int, tuple[int, ...]] | None] = {first: None}
    queue = [first]
    for cells in queue:
        if all(cells[p] >= n for p, n in target.items()):
            path = []
            step = came[cells]
            while step is not None:
                path.append(step[0])
                step = came[step[1]]
            return path[::-1]
        for i, move in enumerate(moves):
            after = move.fire(cells)
            if after is not None and after not in came:
                if len(came) >= most:
                    return OutOfBounds()
                came[after] = (i, cells)
                queue.append(after)
    return None


@attrs.frozen(eq=False)
class ResetNet:
    """Moves over places 0, 1, 2, …, and sums of tokens that no reachable marking passes.

    Args:
        moves: Every way in which tokens can move.
        limits: Weights and a total: ``sum(weights[p] * tokens[p]) <= total`` in whatever can be
            reached, so that markings beyond it need not be looked at.
    """

    moves: Sequence[Move]
    limits: Sequence[tuple[Mapping[int, int], int]] = ()
    makers: Mapping[int, Sequence[int]] = attrs.field(init=False)
    """Place to the moves that put there."""
    limited: Mapping[int, Sequence[int]] = attrs.field(init=False)
    """Place to the limits that count it."""

    def __attrs_post_init__(self) -> None:
        """Index the moves and the limits by place."""
        makers = _index(m.put for m in self.moves)
        object.__setattr__(self, "makers", makers)
        object.__setattr__(self, "limited", _index(weights for weights, _ in self.limits))

    def possible(self, marking: Mapping[int, int]) -> bool:
        """Whether a marking, as far as it goes, keeps within the limits."""
        return all(
            sum(n * weights.get(place, 0) for place, n in marking.items()) <= total
            for weights, total in (
                self.limits[i]
                for i in dict.fromkeys(i for p in marking for i in self.limited.get(p, ()))
            )
        )


def _index(groups: Iterable[Iterable[int]]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for i, places in enumerate(groups):
        for place in places:
            found.setdefault(place, []).append(i)
    return found


@attrs.frozen
class _Known:
    """A marking from which the target can be covered: by which move, and what follows then."""

    least: Small
    move: int
    then: int


class Saturation:
    """The markings from which a target can be covered, found as far as they are asked for.

    What is found, and in which order, does not depend on the markings that are asked about; so
    neither does an answer, nor that there is none, depend on what was asked before.

    Args:
        net: The moves.
        target: Place to the tokens that are to be covered.
        work: How many comparisons of markings may be made, all questions together.
    """

    def __init__(
        self, net: ResetNet, target: Mapping[int, int], *, work: int = DEFAULT_WORK
    ) -> None:
        self.net = net
        self.work = work
        self.done = 0
        self._known: list[_Known] = []
        self._by_first: dict[int, list[int]] = {}
        self._open: list[tuple[int, int]] = []
        self._add(dict(target), -1, -1)

    def covers(self, marking: Sequence[int]) -> bool:
        """Whether the target can be covered from a marking.

        Raises:
            OutOfBounds: The work allowed does not suffice to tell.
        """
        return self._from(marking) is not None

    def path(self, marking: Sequence[int]) -> list[int] | None:
        """The moves by which the target can be covered from a marking; None: it cannot.

        Raises:
            OutOfBounds: The work allowed does not suffice to tell.
        """
        at = self._from(marking)
        if at is None:
            return None
        moves = []
        while self._known[at].then >= 0:
            moves.append(self._known[at].move)
            at = self._known[at].then
        return moves

    def _from(self, marking: Sequence[int]) -> int | None:
        """The first known marking that ``marking`` covers."""
        for i, known in enumerate(self._known):
            if all(marking[p] >= n for p, n in known.least):
                return i
        while self._open:
            for i in self._expand():
                if all(marking[p] >= n for p, n in self._known[i].least):
                    return i
        return None

    def _expand(self) -> range:
        """Take one step: what comes before the least open marking. Gives the new ones."""
        if self.done > self.work:
            raise OutOfBounds
        first = len(self._known)
        _, at = heappop(self._open)
        least = self._known[at].least
        if self._redundant(dict(least), at):
            return range(first, first)
        for m in dict.fromkeys(m for place, _ in least for m in self.net.makers.get(place, ())):
            self.done += 1 + len(least) // LONG
            before = self.net.moves[m].before(least)
            if before is not None and self.net.possible(before):
                self._add(before, m, at)
        return range(first, len(self._known))

    def _add(self, marking: dict[int, int], move: int, then: int) -> None:
        if self._redundant(marking, -1):
            return
        least = tuple(sorted((p, n) for p, n in marking.items() if n))
        at = len(self._known)
        self.done += KEEPING + len(least) // LONG
        self._known.append(_Known(least, move, then))
        self._by_first.setdefault(least[0][0] if least else -1, []).append(at)
        heappush(self._open, (sum(n for _, n in least), at))

    def _redundant(self, marking: Mapping[int, int], itself: int) -> bool:
        """Whether a marking covers a known one, other than itself."""
        for place in (-1, *marking):
            for i in self._by_first.get(place, ()):
                self.done += 1
                if i != itself and all(marking.get(p, 0) >= n for p, n in self._known[i].least):
                    return True
        return False

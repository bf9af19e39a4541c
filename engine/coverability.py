"""Can a marking be reached that holds at least so much? Over plain integers.

Backwards, the kernel tells (`weft.native.reference.saturation`, where the idea and its sources
are): a search that says nothing of a marking, so that one serves for all of them, and goes no
further than a question asks.

A `ResetNet` has no names: places are numbers, and its moves have neither guards nor inhibitors.
A place that is lacked and whose tokens never pass a bound is told by its complement, a place that
holds what it could hold more (`weft.engine.orjoin` does that).

Where few markings can be reached, looking forwards (`cover`) is simpler and finds shorter paths.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence

import attrs

from weft.native import kernel
from weft.native.backward import Limits, OutOfBounds
from weft.native.image import CELL_MAX, Arcs, NetImage

__all__ = ["ANY", "DEFAULT_WORK", "Move", "OutOfBounds", "ResetNet", "Saturation", "cover"]

ANY = 0
"""As the weight of a ``put``: any number of tokens, none to many."""

DEFAULT_WORK = 2_000_000
"""The comparisons of markings that one saturation is given: milliseconds to tenths of a second."""


@attrs.frozen
class Move:
    """One way of firing: test ``needs``, take, clear, put, in this order.

    ``needs`` counts before anything is taken. A ``put`` of `ANY` is zero to many.
    """

    take: Mapping[int, int]
    put: Mapping[int, int]
    needs: Mapping[int, int] = attrs.field(factory=dict)
    clear: frozenset[int] = frozenset()

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
    """Moves over numbered places, and sums of tokens that no reachable marking passes.

    Args:
        places: How many places there are: 0, 1, 2, …
        moves: Every way in which tokens can move.
        limits: Weights and a total: ``sum(weights[p] * tokens[p]) <= total`` in whatever can be
            reached, so that markings beyond it need not be looked at.
    """

    places: int
    moves: Sequence[Move]
    limits: Sequence[tuple[Mapping[int, int], int]] = ()
    makers: Mapping[int, Sequence[int]] = attrs.field(init=False)
    """Place to the moves that put there."""
    image: NetImage = attrs.field(init=False)
    """The moves, as the kernel reads them; one that never fires takes nothing and puts nothing."""
    sums: Limits = attrs.field(init=False)
    """The limits that the kernel can count; the others spare no work."""

    def __attrs_post_init__(self) -> None:
        """Index the moves by place, and write them down for the kernel."""
        object.__setattr__(self, "makers", _index(m.put for m in self.moves))
        image = NetImage.build(places=self.places, transitions=map(_arcs, self.moves))
        object.__setattr__(self, "image", image)
        sums = [
            ([(p, w) for p, w in weights.items() if w], total)
            for weights, total in self.limits
            if max(total, *weights.values(), 0) <= CELL_MAX
        ]
        object.__setattr__(self, "sums", Limits.build(places=self.places, sums=sums))


def _arcs(move: Move) -> Arcs:
    """A move in 32 bits: no place holds more."""
    if max((*move.take.values(), *move.needs.values()), default=0) > CELL_MAX:
        return Arcs()
    return Arcs(
        take=list(move.take.items()),
        put=[(p, min(n, CELL_MAX)) for p, n in move.put.items()],
        needs=list(move.needs.items()),
        clear=list(move.clear),
    )


def _index(groups: Iterable[Iterable[int]]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for i, places in enumerate(groups):
        for place in places:
            found.setdefault(place, []).append(i)
    return found


class Saturation:
    """The markings from which a target can be covered, found as far as they are asked for.

    An answer, or that there is none, does not depend on what was asked before.

    Args:
        net: The moves.
        target: Place to the tokens that are to be covered.
        work: How many comparisons of markings may be made, all questions together.
        moves: The moves that count; all if None.
    """

    def __init__(
        self,
        net: ResetNet,
        target: Mapping[int, int],
        *,
        work: int = DEFAULT_WORK,
        moves: Iterable[int] | None = None,
    ) -> None:
        self.work = work
        cells = array("i", bytes(4 * net.places))
        for place, tokens in target.items():
            cells[place] = tokens
        chosen = b""
        if moves is not None:
            counting = set(moves)
            chosen = bytes(m in counting for m in range(len(net.moves)))
        self._search = kernel.saturation(net.image, cells, net.sums, chosen)

    @property
    def done(self) -> int:
        """The work so far."""
        return self._search.done

    def covers(self, marking: Sequence[int]) -> bool:
        """Whether the target can be covered from a marking.

        Raises:
            OutOfBounds: The work allowed does not suffice to tell.
        """
        return self.path(marking) is not None

    def path(self, marking: Sequence[int], *, work: int | None = None) -> Sequence[int] | None:
        """The moves by which the target can be covered from a marking; None: it cannot.

        Args:
            marking: The tokens of each place.
            work: How much of the work allowed this question may use; all if None.

        Raises:
            OutOfBounds: The work allowed does not suffice to tell.
        """
        return self._search.path(array("i", marking), self.work if work is None else work)

"""The kernel, readable: what it means to be enabled and to fire, over flat integer arrays.

This module is the specification. `weft.native._kernel` has the same functions, in the same
order, with the same answers and the same errors, and is compiled; `weft.native.kernel` is
whichever of the two is in use.

All functions take a `NetImage` and a marking (see `weft.native.image`); ``t`` is the index of a
transition. They read any C-contiguous buffer of int32 (``array('i')``) or of bytes that holds
one cell a place, and write to those that are writable. Common to all of them:

Raises:
    TypeError: Not a buffer of int32 or bytes; a read-only one where it would be changed; an
        index that is not an integer.
    ValueError: A marking that has not one cell for each place.
    IndexError: No such transition or place; nothing counts from the end.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from operator import index
from typing import TypeAlias

from weft.native.image import CELL_MAX, NetImage

__all__ = [  # noqa: RUF022, in the order in which both modules define them
    "enabled",
    "fire",
    "enabled_transitions",
    "enabled_external",
    "marked",
    "touched",
    "touched_immediate",
    "degree",
    "run",
    "clear_places",
]

Marking: TypeAlias = "array[int] | bytes | bytearray | memoryview"

_BLOCK = bytes(1024)
_NOT_ZERO = re.compile(rb"[^\0]")


def enabled(image: NetImage, marking: Marking, t: int) -> bool:
    """Whether transition ``t`` may fire.

    Each place it takes or needs holds at least the weight of that arc, and each place that it
    lacks holds fewer. All arcs are tested, also when several of them name one place.
    """
    t = _transition(image, t)
    return _enabled(image, _cells(marking, image.places), t)


def fire(image: NetImage, marking: Marking, t: int, counts: Sequence[int] = ()) -> None:
    """Fire transition ``t``, in place: take, then clear, then put.

    So a place that is cleared and put to holds just what was put. ``counts`` has one number,
    from 0, for each counted put, in the order of those arcs.

    Raises:
        ValueError: ``t`` is not enabled, or ``counts`` does not fit.
        OverflowError: A cell would pass `CELL_MAX`; the first such put names its place.

    An error leaves the marking untouched.
    """
    t = _transition(image, t)
    cells = _cells(marking, image.places, writable=True)
    numbers = [index(count) for count in counts]
    if not _enabled(image, cells, t):
        raise ValueError(f"transition {t} is not enabled")
    puts = _puts(image, t, numbers)

    after: dict[int, int] = {}
    for place, weight in image.take.arcs(t):
        after[place] = cells[place] - weight
    for k in image.clear.row(t):
        after[image.clear.place[k]] = 0
    for place, number in puts:
        after[place] = after.get(place, cells[place]) + number
        if after[place] > CELL_MAX:
            raise OverflowError(
                f"transition {t} would put more tokens into place {place} than the "
                f"{CELL_MAX} it can hold"
            )
    for place, number in after.items():
        cells[place] = number


def enabled_transitions(image: NetImage, marking: Marking) -> list[int]:
    """All enabled transitions, ascending."""
    cells = _cells(marking, image.places)
    return [t for t in range(image.transitions) if _enabled(image, cells, t)]


def enabled_external(image: NetImage, marking: Marking) -> list[int]:
    """The enabled external transitions, ascending.

    The cost follows what is marked and what reads it, not the size of the net.
    """
    return sorted(_enabled_of_kind(image, _cells(marking, image.places), external=True))


def marked(marking: Marking) -> list[int]:
    """The places that hold a token, ascending."""
    return _marked(_cells(marking))


def touched(image: NetImage, t: int) -> tuple[int, ...]:
    """The transitions whose enabledness may change by firing ``t``, ascending.

    Those that read a place whose cell a firing may change; ``t`` itself is often among them.
    """
    return image.touched(_transition(image, t))


def touched_immediate(image: NetImage, t: int) -> tuple[int, ...]:
    """The immediate transitions among `touched`, ascending."""
    return image.touched(_transition(image, t), immediate=True)


def degree(image: NetImage, marking: Marking, t: int) -> int:
    """How many times ``t`` could fire at once: how often what it takes is there.

    What it needs and lacks is tested once, as the marking stands. 0 when it is not enabled,
    `CELL_MAX` when it takes nothing.
    """
    t = _transition(image, t)
    cells = _cells(marking, image.places)
    if not _enabled(image, cells, t):
        return 0
    return min((cells[place] // weight for place, weight in image.take.arcs(t)), default=CELL_MAX)


def run(image: NetImage, marking: Marking, order: Marking, limit: int) -> tuple[list[int], bool]:
    """Fire immediate transitions, in place, until none is enabled or ``limit`` have fired.

    Of those enabled together the one with the lowest ``(order[t], t)`` fires; ``order`` is an
    ``array('i')`` with one number a transition.

    Returns:
        The fired transitions in order, and whether one is still enabled.

    Raises:
        ValueError: ``limit`` is negative; or an immediate transition of this net has a counted
            put, which only its caller could count.
        OverflowError: A cell would pass `CELL_MAX`.

    An error leaves the marking untouched.
    """
    limit = index(limit)
    cells = _cells(marking, image.places, writable=True)
    ranks = _cells(order, image.transitions)
    if limit < 0:
        raise ValueError(f"a run is limited to 0 or more firings, not {limit}")
    if image.counted_immediate >= 0:
        raise ValueError(
            f"transition {image.counted_immediate} is immediate and puts a counted number, "
            "so it cannot run freely"
        )
    before = array("i", cells)
    fired: list[int] = []
    # All that are enabled wait here; some that no longer are may wait as well.
    waiting = set(_enabled_of_kind(image, cells, external=False))
    agenda = [(ranks[t], t) for t in waiting]
    heapify(agenda)
    try:
        while agenda:
            t = agenda[0][1]
            if not _enabled(image, cells, t):
                heappop(agenda)
                waiting.remove(t)
                continue
            if len(fired) >= limit:
                return fired, True
            fire(image, cells, t)
            fired.append(t)
            for u in image.touched(t, immediate=True):
                if u not in waiting and _enabled(image, cells, u):
                    heappush(agenda, (ranks[u], u))
                    waiting.add(u)
    except BaseException:
        cells[:] = before
        raise
    return fired, False


def clear_places(marking: Marking, places: Iterable[int]) -> None:
    """Empty these places, in place; an unknown one leaves the marking untouched."""
    cells = _cells(marking, writable=True)
    chosen = [index(place) for place in places]
    for place in chosen:
        if not 0 <= place < len(cells):
            raise IndexError(f"place {place} is not one of the {len(cells)} places")
    for place in chosen:
        cells[place] = 0


def _transition(image: NetImage, t: int) -> int:
    """``t``, if there is such a transition."""
    t = index(t)
    if not 0 <= t < image.transitions:
        raise IndexError(f"transition {t} is not one of the net's {image.transitions}")
    return t


def _cells(marking: Marking, count: int | None = None, *, writable: bool = False) -> memoryview:
    """The cells of a marking (or the numbers of an order) as one view."""
    view = memoryview(marking)
    if view.ndim != 1 or not view.c_contiguous or view.format not in ("i", "B"):
        raise TypeError(
            "a marking is a contiguous buffer of int32 or bytes, not one of "
            f"{view.ndim} dimensions and format {view.format!r}"
        )
    if writable and view.readonly:
        raise TypeError(
            "this marking is read-only, and it would be changed in place; "
            "work on array('i', marking)"
        )
    if count is not None and view.nbytes != 4 * count:
        raise ValueError(f"expected {count} cells of 4 bytes, but there are {view.nbytes} bytes")
    if view.nbytes % 4:
        raise ValueError(f"expected cells of 4 bytes, but there are {view.nbytes} bytes")
    if view.format == "i":
        return view
    # A view of nothing cannot be cast.
    return view.cast("i") if view.nbytes else memoryview(array("i"))


def _enabled(image: NetImage, cells: memoryview, t: int) -> bool:
    """`enabled`, of what has been checked."""
    for relation in (image.take, image.needs):
        place, weight = relation.place, relation.weight
        for k in relation.row(t):
            if cells[place[k]] < weight[k]:
                return False
    place, weight = image.lacks.place, image.lacks.weight
    return all(cells[place[k]] < weight[k] for k in image.lacks.row(t))


def _puts(image: NetImage, t: int, counts: list[int]) -> list[tuple[int, int]]:
    """Place and number of all that ``t`` puts, with the counts filled in."""
    counted = image.counted(t)
    if len(counts) != len(counted):
        raise ValueError(
            f"transition {t} has {len(counted)} counted puts, but {len(counts)} counts were given"
        )
    if counts and min(counts) < 0:
        raise ValueError(f"transition {t} cannot put {min(counts)} tokens")
    given = iter(counts)
    return [(place, weight or next(given)) for place, weight in image.put.arcs(t)]


def _marked(cells: memoryview) -> list[int]:
    """`marked`, of what has been checked.

    A cell is zero when its four bytes are. Most blocks of a large marking are nothing but zero,
    and comparing them whole is some thirty times as fast as looking at each cell.
    """
    data = cells.tobytes()
    found: dict[int, None] = {}
    for start in range(0, len(data), len(_BLOCK)):
        if not data.startswith(_BLOCK, start):
            hits = _NOT_ZERO.finditer(data, start, start + len(_BLOCK))
            found.update((hit.start() // 4, None) for hit in hits)
    return list(found)


def _enabled_of_kind(image: NetImage, cells: memoryview, *, external: bool) -> Iterator[int]:
    """The enabled external (or immediate) transitions, each once, in no particular order.

    What an enabled transition takes or needs is marked; so each is looked for at its first such
    place alone. The `sources` have none.
    """
    for t in image.sources:
        if image.external[t] == external and _enabled(image, cells, t):
            yield t
    for p in _marked(cells):
        for t in image.touch[image.touch_start[p] : image.touch_start[p + 1]]:
            if (
                image.external[t] == external
                and _first(image, t) == p
                and _enabled(image, cells, t)
            ):
                yield t


def _first(image: NetImage, t: int) -> int:
    """The first place that ``t`` takes, else the first that it needs, else -1."""
    for relation in (image.take, image.needs):
        row = relation.row(t)
        if row:
            return relation.place[row.start]
    return -1

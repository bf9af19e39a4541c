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
from threading import RLock
from typing import TYPE_CHECKING, TypeAlias

from weft.native.backward import Limits, OutOfBounds, Saturation
from weft.native.image import CELL_MAX, NetImage
from weft.native.imagefile import StoredImage, check_arrays, layout_of
from weft.native.space import Ended, ListedGraph, Space

if TYPE_CHECKING:
    from mmap import mmap

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
    "settle",
    "settle_cases",
    "replay",
    "replay_cases",
    "simulate",
    "simulate_cases",
    "pack_cases",
    "enabled_cases",
    "explore",
    "saturation",
    "open_image",
    "clear_places",
]

Marking: TypeAlias = "array[int] | bytes | bytearray | memoryview"
Buffer: TypeAlias = "bytes | bytearray | memoryview | mmap"

_WORD = 2**64 - 1
_KEEPING = 20  # what keeping a marking counts as, in comparisons: memory is bounded with the work
_LONG = 64  # a marking of so many places counts as one comparison more, and so on
_KEPT_BYTES = 64  # of a marking that is kept
_PAIR_BYTES = 8  # and of each of its marked places
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


def settle(image: NetImage, marking: Marking, order: Marking, limit: int) -> tuple[int, bool]:
    """`run`, but only counted: how many fired, and whether one is still enabled.

    The compiled kernel packs the marking for it, into bits where no place holds two tokens, and
    fires some tens of times as fast as when it has to list what it does.
    """
    fired, more = run(image, marking, order, limit)
    return len(fired), more


def settle_cases(
    image: NetImage,
    markings: Marking,
    order: Marking,
    limit: int,
    fired: Marking,
    threads: int = 1,
) -> int:
    """`settle` many cases of one net, in place, each up to ``limit`` firings.

    Args:
        image: The net.
        markings: The cells of all cases, one marking after the other.
        order: As for `run`.
        limit: At most `CELL_MAX`.
        fired: One writable number a case, which says how many there are. It is set to how often
            transitions of this case fired.
        threads: How many threads may share the cases; the answer is the same. The reference
            uses one.

    Returns:
        How many cases still had a transition enabled.

    An error leaves the markings untouched, of all cases.
    """
    limit = index(limit)
    _threads(threads)
    counts = _cells(fired, writable=True)
    cells = _cells(markings, image.places * len(counts), writable=True)
    if limit > CELL_MAX:
        raise ValueError(f"the firings of a case are counted to {CELL_MAX}, not to {limit}")
    before = array("i", cells)
    live = 0
    numbers = array("i")
    settle(image, array("i", bytes(4 * image.places)), order, min(limit, 0))  # are they sound?
    try:
        for case in range(len(counts)):
            own = cells[case * image.places : (case + 1) * image.places]
            number, more = settle(image, own, order, limit)
            numbers.append(number)
            live += more
    except BaseException:
        cells[:] = before
        raise
    counts[:] = numbers
    return live


def replay(image: NetImage, marking: Marking, steps: Iterable[int]) -> None:
    """Fire recorded transitions, in place, one after the other.

    Raises:
        ValueError: One of them is not enabled when its turn comes, or has a counted put.
        OverflowError: A cell would pass `CELL_MAX`.

    An error leaves the marking untouched; a note on it says which step it was.
    """
    cells = _cells(marking, image.places, writable=True)
    before = array("i", cells)
    step = -1
    try:
        for step, t in enumerate(steps):  # noqa: B007, it is the handler's
            fire(image, cells, t)
    except BaseException as error:
        cells[:] = before
        if step >= 0:
            error.add_note(f"at step {step}")
        raise


def replay_cases(
    image: NetImage, markings: Marking, steps: Marking, start: Marking, threads: int = 1
) -> None:
    """`replay` many cases of one net, in place.

    Args:
        image: The net.
        markings: The cells of all cases, one marking after the other.
        steps: The recorded transitions of all cases, one case after the other.
        start: Where each case's steps begin, and one number more, where they end; as in a
            `Relation`.
        threads: How many threads may share the cases; the reference uses one.

    Raises:
        ValueError: As `replay` does; or ``start`` does not lead through ``steps``.

    An error leaves the markings untouched, of all cases; notes on it say which step of which case
    it was, the first of them.
    """
    _threads(threads)
    bounds, recorded = _cells(start), _cells(steps)
    cases = len(bounds) - 1
    if cases < 0 or bounds[0] != 0 or bounds[cases] != len(recorded):
        raise ValueError(
            f"the steps must lead from 0 to {len(recorded)}, but they lead from "
            f"{list(bounds[:1])} to {list(bounds[-1:])}"
        )
    for case in range(cases):
        if bounds[case + 1] < bounds[case]:
            raise ValueError(f"the steps of case {case} end before they begin")
    cells = _cells(markings, image.places * cases, writable=True)
    before = array("i", cells)
    for case in range(cases):
        try:
            own = cells[case * image.places : (case + 1) * image.places]
            replay(image, own, recorded[bounds[case] : bounds[case + 1]])
        except BaseException as error:
            cells[:] = before
            error.add_note(f"in case {case}")
            raise


def simulate(image: NetImage, marking: Marking, seed: int, limit: int) -> tuple[list[int], bool]:
    """Fire, in place, one enabled transition after the other, each drawn at random.

    While immediate transitions are enabled, only those are drawn from; all that may be drawn are
    equally likely. The same seed gives the same run, in either kernel: the numbers are those of
    splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014),
    of which the upper half is scaled to the number of choices.

    Args:
        image: The net.
        marking: Where the run begins.
        seed: Any integer; its lowest 64 bits are used.
        limit: Stop after so many firings.

    Returns:
        The fired transitions in order, and whether one is still enabled.

    Raises:
        ValueError: ``limit`` is negative; or a transition of this net has a counted put.
        OverflowError: A cell would pass `CELL_MAX`.

    An error leaves the marking untouched.
    """
    limit, state = index(limit), index(seed) & _WORD
    cells = _cells(marking, image.places, writable=True)
    if limit < 0:
        raise ValueError(f"a simulation is limited to 0 or more firings, not {limit}")
    _refuse_counted(image, "simulated")
    before = array("i", cells)
    fired: list[int] = []
    try:
        while True:
            choice = _choice(image, cells)
            if not choice or len(fired) == limit:
                return fired, bool(choice)
            state = (state + 0x9E3779B97F4A7C15) & _WORD
            t = choice[(_mixed(state) >> 32) * len(choice) >> 32]
            fire(image, cells, t)
            fired.append(t)
    except BaseException:
        cells[:] = before
        raise


def simulate_cases(
    image: NetImage, markings: Marking, seed: int, limit: int, fired: Marking, threads: int = 1
) -> int:
    """`simulate` many cases of one net, in place: case i with the seed ``seed + i``.

    Args:
        image: The net.
        markings: The cells of all cases, one marking after the other.
        seed: Any integer.
        limit: At most `CELL_MAX`; what each case stops after.
        fired: One writable number a case, which says how many there are. It is set to how often
            transitions of this case fired.
        threads: How many threads may share the cases; the answer is the same. The reference
            uses one.

    Returns:
        How many cases still had a transition enabled.

    An error leaves the markings untouched, of all cases.
    """
    limit, seed = index(limit), index(seed)
    _threads(threads)
    counts = _cells(fired, writable=True)
    cells = _cells(markings, image.places * len(counts), writable=True)
    if limit > CELL_MAX:
        raise ValueError(f"the firings of a case are counted to {CELL_MAX}, not to {limit}")
    before = array("i", cells)
    live = 0
    numbers = array("i")
    simulate(image, array("i", bytes(4 * image.places)), seed, min(limit, 0))  # are they sound?
    try:
        for case in range(len(counts)):
            own = cells[case * image.places : (case + 1) * image.places]
            steps, more = simulate(image, own, seed + case, limit)
            numbers.append(len(steps))
            live += more
    except BaseException:
        cells[:] = before
        raise
    counts[:] = numbers
    return live


def pack_cases(image: NetImage, markings: Marking, count: int) -> bytes:
    """The markings of ``count`` cases, one after the other, as bits: a word of 64 bits, places 0
    to 63 of case 0, the same of case 1 and so on; then places 64 to 127 of all cases.

    Raises:
        ValueError: A place of a case holds neither 0 nor 1 tokens.
    """
    count = _count(count)
    cells = _cells(markings, image.places * count)
    words = array("Q")
    for first in range(0, max(image.places, 1), 64):
        for case in range(count):
            row = cells[case * image.places : (case + 1) * image.places]
            word = 0
            for bit, tokens in enumerate(row[first : first + 64]):
                word |= (tokens & 1) << bit
            words.append(word)
    for case in range(count):
        if any(tokens not in (0, 1) for tokens in cells[case * image.places :][: image.places]):
            raise ValueError(f"case {case} is not safe: a place of it holds more than one token")
    return words.tobytes()


def enabled_cases(image: NetImage, packed: bytes, count: int) -> bytes:
    """The enabled transitions of many packed cases (see `pack_cases`), as bits, laid out alike: a
    word for transitions 0 to 63 of each case, then one for 64 to 127, and so on.

    Raises:
        ValueError: ``packed`` has not the size that ``count`` cases have.
    """
    count = _count(count)
    words = max(-(-image.places // 64), 1)
    if len(packed) != 8 * words * count:
        raise ValueError(
            f"{count} packed cases of this net have {8 * words * count} bytes, not {len(packed)}"
        )
    view = memoryview(packed).cast("Q") if packed else memoryview(array("Q"))
    found = array("Q", bytes(8 * -(-image.transitions // 64) * count))
    for case in range(count):
        tokens = [view[p // 64 * count + case] >> p % 64 & 1 for p in range(image.places)]
        cells = memoryview(array("i", tokens))
        for t in range(image.transitions):
            if _enabled(image, cells, t):
                found[t // 64 * count + case] |= 1 << t % 64
    return found.tobytes()


def explore(
    image: NetImage,
    marking: Marking,
    guarded: bytes = b"",
    graph: bool = False,
    threads: int = 1,
    max_states: int = 1_000_000,
    max_bytes: int = 2**32,
) -> Space:
    """Find all markings that are reachable from one.

    Where immediate transitions are enabled only they fire, all of them in turn; a guarded one may
    fire or not, so where only guarded ones are enabled all external ones fire as well.

    That the markings have no end is found where no transition lacks or clears anything: one that
    strictly covers another on its own path can be repeated for ever (Karp and Miller, "Parallel
    Program Schemata", 1969).

    Args:
        image: The net.
        marking: The first marking.
        guarded: A byte a transition, 1 where it has a guard; nothing when none has.
        graph: Keep the markings, with the firings between them, and not just their number.
        threads: How many threads may share the work; with several, markings are numbered in no
            particular order, and all else is the same. The reference uses one.
        max_states: Stop where a further marking would be one too many.
        max_bytes: Stop where more memory would be needed; about that, in the reference.

    Raises:
        ValueError: A bound is less than 1; ``guarded`` does not fit; a transition of this net has
            a counted put; a cell is negative.
    """
    bounds = {"max_states": max_states, "max_bytes": max_bytes, "threads": threads}
    bounds = {name: index(bound) for name, bound in bounds.items()}
    cells = array("i", _cells(marking, image.places))
    for name, bound in bounds.items():
        if bound < 1:
            raise ValueError(f"{name} is at least 1, not {bound}")
    if len(guarded) not in (0, image.transitions):
        raise ValueError(f"{len(guarded)} transitions are said to be guarded or not, not all")
    if min(cells, default=0) < 0:
        raise ValueError(f"a marking has no cell below 0, but there is {min(cells)}")
    _refuse_counted(image, "explored")
    return _explored(
        image,
        cells.tobytes(),
        guarded=guarded or bytes(image.transitions),
        graph=bool(graph),
        most=min(max_states, max_bytes // (4 * image.places + 300) + 1),
        bound="states" if max_states <= max_bytes // (4 * image.places + 300) else "memory",
    )


def saturation(
    image: NetImage,
    target: Marking,
    limits: Limits | None = None,
    moves: bytes = b"",
    max_bytes: int = 2**30,
) -> Saturation:
    """Begin to find the markings from which at least ``target`` can be reached.

    This is *coverability*, decided by saturation: begin with the target, and add the least marking
    from which each firing leads to at least one that is there, until nothing smaller is found. A
    set of markings that is closed upwards is known by its least members, of which there are
    always finitely many (Dickson's lemma), so this ends: P. A. Abdulla, K. Čerāns, B. Jonsson,
    Y.-K. Tsay, "General Decidability Theorems for Infinite-State Systems" (LICS 1996). It stays
    right with reset arcs, where coverability is decidable though reachability is not: C. Dufourd,
    A. Finkel, Ph. Schnoebelen, "Reset Nets Between Decidability and Undecidability" (ICALP 1998).

    All transitions may fire at any time, external or immediate. A counted put is zero to many.
    Markings of which a cell would pass `CELL_MAX` are not looked at, since there are none.
    Markings are expanded by their number of tokens, then in the order in which they were found.

    Args:
        image: The net; no move lacks anything. A place that is lacked and whose tokens never pass
            a bound is told by its complement, a place that holds what it could hold more.
        target: The tokens to be covered.
        limits: Sums that no marking in question passes, so that others are not looked at.
        moves: A byte a transition, 1 where it may fire; nothing when all may.
        max_bytes: Keep no more than this, about.

    Raises:
        ValueError: A move lacks something; ``moves`` or ``limits`` do not fit the net; a cell is
            negative; ``max_bytes`` is less than 1.
    """
    return _Saturation(image, *_sought(image, target, limits, moves, max_bytes))


def open_image(data: Buffer) -> StoredImage:
    """The image of a net in a file's bytes (see `weft.native.imagefile`), used where they lie.

    Args:
        data: The bytes, such as a mapped file; they must not change any more.

    Raises:
        ImageError: They are no image, or a damaged one.
    """
    view = memoryview(data).toreadonly()
    return StoredImage.of_checked(view, check_arrays(view, layout_of(view)))


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


def _count(count: int) -> int:
    """``count``, if there can be so many."""
    count = index(count)
    if not 0 <= count <= CELL_MAX:
        raise ValueError(f"there are 0 to {CELL_MAX} cases, not {count}")
    return count


def _threads(threads: int) -> None:
    """Refuse a number of threads that cannot be."""
    if index(threads) < 1:
        raise ValueError(f"there are 1 or more threads, not {threads}")


def _refuse_counted(image: NetImage, what: str) -> None:
    """Raise where a firing would need a count that only its caller knows."""
    for t in range(image.transitions):
        if image.counted(t):
            raise ValueError(
                f"transition {t} puts a counted number, so the net cannot be {what} on its own"
            )


def _explored(
    image: NetImage, first: bytes, *, guarded: bytes, graph: bool, most: int, bound: Ended
) -> Space:
    """`explore`, of what has been checked: breadth first, one marking after the other."""
    monotone = not (image.lacks.place or image.clear.place)
    numbers = {first: 0}
    found = ListedGraph([first], [(-1, -1)])
    totals = [sum(memoryview(first).cast("i")) if first else 0]
    peaks = totals[:]  # the most tokens on the path to each marking
    in_place = max(memoryview(first).cast("i"), default=0) if first else 0
    fired = bytearray(image.transitions)
    dead: list[bytes] = []
    firings = at = 0
    ended: Ended = "complete"
    while at < len(found) and ended == "complete":
        marking = found.markings[at]
        found.start.append(len(found.target))
        choice = _firing(image, _cells(marking), guarded)
        firings += len(choice)
        if not choice:
            dead.append(marking)
        for t in choice:
            fired[t] = 1
            working = array("i", marking)
            try:
                fire(image, working, t)
            except OverflowError:
                ended = "tokens"
                break
            after = working.tobytes()
            number = numbers.get(after)
            if number is None:
                if len(found) == most:
                    ended = bound
                    break
                number = numbers[after] = len(found)
                found.markings.append(after)
                found.parents.append((at, t))
                totals.append(sum(working))
                peaks.append(max(peaks[at], totals[number]))
                in_place = max(in_place, max(working, default=0))
                if monotone and totals[number] > peaks[at] and _covers_ancestor(found, number):
                    ended = "unbounded"
                    break
            found.transition.append(t)
            found.target.append(number)
        at += 1
    found.start.extend([len(found.target)] * (len(found) + 1 - len(found.start)))
    dead.sort(key=lambda cells: list(reversed(_cells(cells))))
    return Space(
        states=len(found),
        firings=firings,
        deadlocks=len(dead),
        most_in_place=in_place,
        most_in_marking=max(totals),
        fired=bytes(fired),
        dead_markings=tuple(dead[:10]),
        ended=ended,
        graph=found if graph else None,
    )


def _sought(
    image: NetImage, target: Marking, limits: Limits | None, moves: bytes, max_bytes: int
) -> tuple[array[int], Limits, bytes, int]:
    """What `saturation` is given, checked, and no longer anybody else's."""
    cells = array("i", _cells(target, image.places).tobytes())
    max_bytes, moves = index(max_bytes), bytes(memoryview(moves)) or b"\1" * image.transitions
    if max_bytes < 1:
        raise ValueError(f"max_bytes is at least 1, not {max_bytes}")
    if len(moves) != image.transitions:
        raise ValueError(f"{len(moves)} transitions are said to be moves or not, not all")
    if min(cells, default=0) < 0:
        raise ValueError(f"a marking has no cell below 0, but there is {min(cells)}")
    limits = Limits.build(places=image.places) if limits is None else limits
    if type(limits) is not Limits:
        raise TypeError(f"Limits are needed, not {type(limits).__name__}")
    if limits.places != image.places:
        raise ValueError(f"the limits are of {limits.places} places, the net has {image.places}")
    for t in range(image.transitions) if image.lacks.place else ():
        if moves[t] and image.lacks.row(t):
            raise ValueError(
                f"transition {t} lacks something, so what comes before it has no least marking"
            )
    return cells, limits, moves, max_bytes


_Small: TypeAlias = tuple[tuple[int, int], ...]
"""A marking by its marked places, ascending, with their tokens; here a least member."""


class _Saturation:
    """`saturation`, of what has been checked."""

    def __init__(
        self, image: NetImage, target: array[int], limits: Limits, moves: bytes, max_bytes: int
    ) -> None:
        self.done = 0
        self._image = image
        self._makers: dict[int, list[int]] = {}
        for t in range(image.transitions):
            for place in {place for place, _ in image.put.arcs(t)} if moves[t] else ():
                self._makers.setdefault(place, []).append(t)
        self._totals = limits.totals
        self._limited: dict[int, list[tuple[int, int]]] = {}
        for limit in range(len(limits.totals)):
            for place, weight in limits.rows.arcs(limit):
                self._limited.setdefault(place, []).append((limit, weight))
        self._bytes = max_bytes
        self._known: list[tuple[_Small, int, int]] = []  # by which move, and what follows then
        self._by_first: dict[int, list[int]] = {}
        self._open: list[tuple[int, int]] = []
        self._lock = RLock()
        self._add(tuple((p, n) for p, n in enumerate(target) if n), -1, -1)

    def path(self, marking: Marking, work: int) -> list[int] | None:
        """See `Saturation`."""
        work, cells = index(work), _cells(marking, self._image.places)
        with self._lock:
            at = self._from(cells, work)
        if at is None:
            return None
        moves = []
        while self._known[at][2] >= 0:
            _, move, at = self._known[at]
            moves.append(move)
        return moves

    def _from(self, cells: memoryview, work: int) -> int | None:
        """The first known marking that is covered."""
        at = 0
        while True:
            for i in range(at, len(self._known)):
                if all(cells[p] >= n for p, n in self._known[i][0]):
                    return i
            if self._bytes < 0 or (self._open and self.done > work):
                raise OutOfBounds
            if not self._open:
                return None
            at = len(self._known)
            self._expand()

    def _expand(self) -> None:
        """Take one step: what comes before the least open marking."""
        _, at = heappop(self._open)
        least, _, _ = self._known[at]
        if self._redundant(least, at):
            return
        for t in dict.fromkeys(t for place, _ in least for t in self._makers.get(place, ())):
            if self._bytes < 0:
                return
            self.done += 1 + len(least) // _LONG
            before = self._before(least, t)
            if before is not None and self._possible(before):
                self._add(before, t, at)

    def _before(self, after: _Small, t: int) -> _Small | None:
        """The least marking from which ``t`` leads to ``after`` or more; None: there is none."""
        image, least = self._image, dict(after)
        for place, weight in image.put.arcs(t):
            if place in least:
                least[place] = max(0, least[place] - weight) if weight else 0
        if any(least.get(image.clear.place[k]) for k in image.clear.row(t)):
            return None
        for place, weight in image.take.arcs(t):
            least[place] = least.get(place, 0) + weight
        for place, weight in image.needs.arcs(t):
            least[place] = max(least.get(place, 0), weight)
        if max(least.values(), default=0) > CELL_MAX:
            return None
        return tuple(sorted((p, n) for p, n in least.items() if n))

    def _possible(self, marking: _Small) -> bool:
        """Whether a marking keeps within the limits."""
        sums: dict[int, int] = {}
        for place, tokens in marking:
            for limit, weight in self._limited.get(place, ()):
                sums[limit] = sums.get(limit, 0) + tokens * weight
        return all(number <= self._totals[limit] for limit, number in sums.items())

    def _add(self, marking: _Small, move: int, then: int) -> None:
        """Keep a marking, unless it covers a known one."""
        if self._redundant(marking, -1):
            return
        at = len(self._known)
        self.done += _KEEPING + len(marking) // _LONG
        self._bytes -= _KEPT_BYTES + _PAIR_BYTES * len(marking)
        self._known.append((marking, move, then))
        self._by_first.setdefault(marking[0][0] if marking else -1, []).append(at)
        heappush(self._open, (sum(n for _, n in marking), at))

    def _redundant(self, marking: _Small, itself: int) -> bool:
        """Whether a marking covers a known one, other than itself: its first place is there too."""
        cells = dict(marking)
        for place in (-1, *cells):
            for i in self._by_first.get(place, ()):
                self.done += 1
                if i != itself and all(cells.get(p, 0) >= n for p, n in self._known[i][0]):
                    return True
        return False


def _firing(image: NetImage, cells: memoryview, guarded: bytes) -> list[int]:
    """What fires in a marking where any guard may be true or false, ascending."""
    now = [t for t in range(image.transitions) if _enabled(image, cells, t)]
    at_once = [t for t in now if not image.external[t]]
    return at_once if not all(guarded[t] for t in at_once) else now


def _covers_ancestor(found: ListedGraph, number: int) -> bool:
    """Whether a marking covers one on the path to it."""
    cells = _cells(found.markings[number])
    at, _ = found.parents[number]
    while at >= 0:
        if all(a >= b for a, b in zip(cells, _cells(found.markings[at]), strict=True)):
            return True
        at, _ = found.parents[at]
    return False


def _choice(image: NetImage, cells: memoryview) -> list[int]:
    """What a simulation draws from, ascending: the enabled immediates, else all enabled."""
    at_once = sorted(_enabled_of_kind(image, cells, external=False))
    return at_once or sorted(_enabled_of_kind(image, cells, external=True))


def _mixed(state: int) -> int:
    """The output of splitmix64 for a state."""
    state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & _WORD
    state = (state ^ state >> 27) * 0x94D049BB133111EB & _WORD
    return state ^ state >> 31


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

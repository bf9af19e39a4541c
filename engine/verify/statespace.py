"""All reachable markings of a net: the plain exploration, without any reduction.

It is the yardstick that everything cleverer is held against: every enabled transition of every
marking. The kernel explores (`weft.native.reference.explore`); nets with OR-joins, which only the
engine can judge, are explored here, breadth first, one marking after the other.

Where immediate transitions are enabled, only they fire, as in a generalised stochastic Petri net
(Ajmone Marsan et al., 1984): such a marking is *vanishing*. Vanishing markings count as states.
Guards are ignored, so that a guarded transition may fire or not: a marking in which only guarded
immediates are enabled lets external transitions fire as well.

Unboundedness is found on the way, where the net has neither inhibitor nor reset arcs nor OR-joins: a marking
that strictly covers one on its own path can be repeated for ever (Karp and Miller, "Parallel
Program Schemata", 1969).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence

import attrs
import msgspec

from weft.engine import orjoin
from weft.engine.net import Arc, Net
from weft.native import kernel
from weft.native.image import NetImage
from weft.native.imagefile import StoredImage
from weft.schema.errors import UsageError

__all__ = ["StateSpace", "explore", "explore_image"]

DEFAULT_MAX_STATES = 100_000_000
DEFAULT_MAX_BYTES = 2**32
"""Memory is what bounds an exploration, unless somebody says otherwise."""

BESIDE = 300
"""Bytes that a marking takes beside its cells where OR-joins are judged."""

_ENDLESS = ("unbounded", "tokens")  # no net that means well puts 2**31 tokens into a place


@attrs.frozen
class StateSpace:
    """What an exploration found.

    Args:
        places: Places of the net.
        transitions: Transitions of the net.
        states: Markings found.
        firings: Pairs of a marking and a transition enabled in it.
        max_tokens_in_place: The most tokens in one place of one marking.
        max_tokens_in_marking: The most tokens in one marking.
        deadlocks: Markings in which nothing is enabled.
        safe: Whether no place ever holds two tokens; None: not known within the bound.
        bounded: Whether the markings are finitely many; None: not known within the bound.
        dead_transitions: Transitions that no marking enables (those never seen, if incomplete).
        complete: Whether all markings were seen.
        dead_markings: Deadlocks, readable, at most ten.
    """

    places: int
    transitions: int
    states: int
    firings: int
    max_tokens_in_place: int
    max_tokens_in_marking: int
    deadlocks: int
    safe: bool | None
    bounded: bool | None
    dead_transitions: int
    complete: bool
    dead_markings: Sequence[dict[str, int]] = attrs.field(factory=tuple, repr=False)


def explore(
    net: Net,
    *,
    max_states: int = DEFAULT_MAX_STATES,
    max_bytes: int = DEFAULT_MAX_BYTES,
    threads: int = 1,
) -> StateSpace:
    """Explore the state space of one net.

    Args:
        net: The net; its child nets are not entered, its case-wide arcs count its own places.
        max_states: Stop after so many markings; the answer is then incomplete.
        max_bytes: Stop where more memory would be needed; likewise.
        threads: How many threads share the work; the answer is the same.

    Raises:
        UsageError: A bound is less than 1, or the net counts tokens from data.
    """
    _check_bounds(max_states, max_bytes)
    for t in net.transitions:
        if t.counted:
            raise _counted(t.name)
    if net.case_wide:
        net = _in_one_scope(net)
    if net.or_joins:
        room = max(1, max_bytes // (len(net.initial) + BESIDE))
        return _Exploration(net, min(max_states, room)).run()
    return _explored(
        net.image,
        net.initial,
        bytes(t.when is not None for t in net.transitions),
        net.marking_view,
        threads=threads,
        max_states=max_states,
        max_bytes=max_bytes,
    )


def explore_image(
    stored: StoredImage,
    places: Sequence[str],
    *,
    max_states: int = DEFAULT_MAX_STATES,
    max_bytes: int = DEFAULT_MAX_BYTES,
    threads: int = 1,
) -> StateSpace:
    """`explore` of a net that is there as an image alone, with the names of its places.

    Raises:
        UsageError: A bound is less than 1, or the net counts tokens from data.
    """
    _check_bounds(max_states, max_bytes)
    counted = [t for t in range(stored.image.transitions) if stored.image.counted(t)]
    if counted:
        raise _counted(counted[0])

    def view(marking: bytes) -> dict[str, int]:
        cells = memoryview(marking).cast("i")
        return {places[i]: cells[i] for i in kernel.marked(marking)}

    return _explored(
        stored.image,
        bytes(stored.initial),
        stored.guarded,
        view,
        threads=threads,
        max_states=max_states,
        max_bytes=max_bytes,
    )


def _check_bounds(max_states: int, max_bytes: int) -> None:
    for name, bound in (("max_states", max_states), ("max_bytes", max_bytes)):
        if bound < 1:
            raise UsageError(f"{name} is at least 1, not {bound}")


def _counted(transition: str | int) -> UsageError:
    return UsageError(
        f"transition {transition!r} puts a number of tokens that depends on data, "
        "so the net has no state space of its own",
        code="counted",
    )


def _explored(
    image: NetImage,
    initial: bytes,
    guarded: bytes,
    view: Callable[[bytes], dict[str, int]],
    *,
    threads: int,
    max_states: int,
    max_bytes: int,
) -> StateSpace:
    """What the kernel finds, in our words."""
    found = kernel.explore(
        image, initial, guarded, threads=threads, max_states=max_states, max_bytes=max_bytes
    )
    complete, unbounded = found.ended == "complete", found.ended in _ENDLESS
    crowded = found.most_in_place > 1 or unbounded
    return StateSpace(
        places=image.places,
        transitions=image.transitions,
        states=found.states,
        firings=found.firings,
        max_tokens_in_place=found.most_in_place,
        max_tokens_in_marking=found.most_in_marking,
        deadlocks=found.deadlocks,
        safe=False if crowded else True if complete else None,
        bounded=False if unbounded else True if complete else None,
        dead_transitions=image.transitions - sum(found.fired),
        complete=complete,
        dead_markings=tuple(map(view, found.dead_markings)),
    )


def _in_one_scope(net: Net) -> Net:
    """A net whose case-wide arcs count its own places, as if it had one scope."""

    def local(arcs: tuple[Arc, ...]) -> tuple[Arc, ...]:
        return tuple(Arc(a.place, a.weight) for a in arcs)

    return msgspec.structs.replace(
        net,
        transitions=tuple(
            msgspec.structs.replace(t, needs=local(t.needs), lacks=local(t.lacks))
            for t in net.transitions
        ),
    )


class _Exploration:
    """One breadth-first search."""

    def __init__(self, net: Net, max_states: int) -> None:
        self.net = net
        self.image: NetImage = net.image
        self.max_states = max_states
        self.guarded = frozenset(i for i in net.immediates if net.transitions[i].when is not None)
        self.immediates = frozenset(net.immediates)
        self.joins = frozenset(i for i, t in net.or_joins.items() if not t.external)
        self.monotone = not any(t.lacks or t.clear or t.or_join for t in net.transitions)
        self.markings: list[bytes] = []
        self.parents: list[int] = []
        self.peaks: list[int] = []
        """For each marking the largest token sum on the path to it, itself included."""

    def run(self) -> StateSpace:
        image, initial = self.image, self.net.initial
        index: dict[bytes, int] = {initial: 0}
        self.markings.append(initial)
        self.parents.append(-1)
        self.peaks.append(sum(memoryview(initial).cast("i")))
        in_place = max(memoryview(initial).cast("i"), default=0)
        in_marking = self.peaks[0]
        seen: set[int] = set()
        firings = 0
        dead: list[int] = []
        unbounded = False
        at = 0
        complete = True
        while at < len(self.markings) and not unbounded:
            marking = self.markings[at]
            try:
                enabled = self.fireable(self.enabled(marking))
            except orjoin.Undecided:
                complete = False
                break
            seen.update(enabled)
            firings += len(enabled)
            if not enabled:
                dead.append(at)
            for t in enabled:
                working = array("i", marking)
                try:
                    if t in self.net.or_joins:
                        orjoin.fire(self.net, working, t)
                    else:
                        kernel.fire(image, working, t)
                except OverflowError:
                    unbounded = True
                    break
                after = working.tobytes()
                if after in index:
                    continue
                if len(self.markings) >= self.max_states:
                    complete = False
                    break
                total = sum(working)
                index[after] = len(self.markings)
                self.markings.append(after)
                self.parents.append(at)
                peak = self.peaks[at]
                self.peaks.append(max(peak, total))
                in_place = max(in_place, max(working, default=0))
                in_marking = max(in_marking, total)
                if total > peak and self.monotone and self.covers_ancestor(working, at):
                    unbounded = True
                    break
            if not complete:
                break
            at += 1
        complete = complete and not unbounded
        bounded = False if unbounded else (True if complete else None)
        safe = False if in_place > 1 or unbounded else (True if complete else None)
        return StateSpace(
            places=len(self.net.places),
            transitions=len(self.net.transitions),
            states=len(self.markings),
            firings=firings,
            max_tokens_in_place=in_place,
            max_tokens_in_marking=in_marking,
            deadlocks=len(dead),
            safe=safe,
            bounded=bounded,
            dead_transitions=len(self.net.transitions) - len(seen),
            complete=complete,
            dead_markings=tuple(self.net.marking_view(self.markings[i]) for i in dead[:10]),
        )

    def enabled(self, marking: bytes) -> list[int]:
        """The enabled transitions, OR-joins among them."""
        found = kernel.enabled_transitions(self.image, marking)
        cells = memoryview(marking).cast("i")
        return sorted([*found, *orjoin.enabled_joins(self.net, cells, alone=True)])

    def fireable(self, enabled: list[int]) -> list[int]:
        """Of the enabled transitions those that may fire.

        Immediates go before external ones, and OR-joins come between.
        """
        if not (self.immediates or self.joins):
            return enabled
        now = [t for t in enabled if t in self.immediates]
        if any(t not in self.guarded for t in now):
            return now
        joins = [t for t in enabled if t in self.joins]
        return [*now, *joins] if joins else enabled

    def covers_ancestor(self, marking: array[int], parent: int) -> bool:
        """Whether a marking strictly covers one on the path to it.

        Only a marking with more tokens than any before it on its path can be the first to do so.
        """
        at = parent
        while at >= 0:
            cells = memoryview(self.markings[at]).cast("i")
            if all(a >= b for a, b in zip(marking, cells, strict=True)):
                return True
            at = self.parents[at]
        return False

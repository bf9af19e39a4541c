"""Structural reductions: a smaller net with the same answers, found without a state space.

Each rule keeps boundedness, safeness, the option to complete, proper completion and which
transitions are dead:

*   *Post-agglomeration* of a place that only transitions with no other input take from: whoever
    puts a token there does at once what one of them would do (G. Berthelot, "Transformations and
    Decompositions of Nets", 1987; T. Murata, "Petri Nets: Properties, Analysis and
    Applications", 1989, fusion of series). Not where somebody looks at the places behind it by
    an inhibitor, read or reset arc, who could tell early from late (H. M. W. Verbeek, M. T. Wynn,
    W. M. P. van der Aalst, A. H. M. ter Hofstede, "Reduction Rules for Reset/Inhibitor Nets",
    2010).
*   *Parallel transitions*, with the same arcs: one of them is enough (Murata).
*   *Parallel places*, with the same arcs and tokens: one of them is enough (Murata).
*   *Idle transitions* that put back what they take change nothing; where another one takes at
    least as much, they are dead only if that one is (Murata, elimination of self-loops).

*   *A token that can only vanish*: where nothing that takes from a place puts anything but at
    ends of its own, the place is an end itself. Whoever waits there keeps nobody waiting, so two
    tokens can be there at once if and only if two can come there at all. Without this rule so
    many threads that end side by side would have exponentially many markings.
*   *One beginning*: several tokens at the start are put there by a transition, which other rules
    can work on.

Fusion of a transition *into* its only reader (pre-agglomeration) is left out: tokens then wait
further up, where they may meet others, so a safe net may become one that is not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable

from weft.engine.verify.arcs import ArcNet, Arcs, Steps

__all__ = ["reduced"]

WORK = 5_000_000
"""So many arcs are taken out and put in again, and a few for each arc of the net; a net that has
by then been reduced in part has the same answers."""


def reduced(net: ArcNet, *, keep: Collection[int] = (), ending: set[int] | None = None) -> ArcNet:
    """The smallest net that the rules make of a net.

    Args:
        net: The net.
        keep: These places stay.
        ending: Where this is given, tokens may vanish, and the places at which they are then as
            good as gone are added to it: what is there is no work.
    """
    net = net.copy()
    if sum(net.initial.values()) > 1 or (ending is not None and net.initial):
        _begin(net)
    if ending is not None:
        for t in net.transitions.values():
            if not t.put:
                t.put = {net.places: 1}
                ending.add(net.places)
                net.places += 1
    return _Reduction(net, frozenset(keep), ending).run()


def _begin(net: ArcNet) -> None:
    """Let a transition put the tokens that a net starts with; it stands for no step."""
    first, net.places = net.places, net.places + 1
    number = max(net.transitions, default=-1) + 1
    net.transitions[number] = Arcs({first: 1}, net.initial)
    net.initial = {first: 1}


class _Reduction:
    """A net while it is reduced: who takes from and who puts to each place."""

    def __init__(self, net: ArcNet, keep: frozenset[int], ending: set[int] | None) -> None:
        self.net = net
        self.work = WORK + 4 * sum(len(t.take) + len(t.put) for t in net.transitions.values())
        self.keep = keep
        self.ending = ending
        self.takers: dict[int, set[int]] = {p: set() for p in range(net.places)}
        self.putters: dict[int, set[int]] = {p: set() for p in range(net.places)}
        self.watched: set[int] = set()
        """Places with an inhibitor, read or reset arc."""
        self.next = max(net.transitions, default=-1) + 1
        self.dirty: deque[int] = deque()
        self.waiting: set[int] = set()
        self.by_key: dict[tuple[object, ...], int] = {}
        self.keys: dict[int, tuple[object, ...]] = {}
        for i, t in list(net.transitions.items()):
            self.watched.update(t.needs, t.lacks, t.clear)
            del net.transitions[i]
            self.put_in(t, i)
        self.touch(range(net.places))

    def touch(self, places: Iterable[int]) -> None:
        """Note places that rules may apply to now."""
        for p in places:
            if p not in self.waiting:
                self.waiting.add(p)
                self.dirty.append(p)

    def put_in(self, t: Arcs, number: int | None = None) -> None:
        """Add a transition, unless there is one that does the same."""
        key = t.key
        twin = self.by_key.get(key)
        if twin is not None:
            there = self.net.transitions[twin]
            there.steps = ("or", there.steps, t.steps)
            return
        if number is None:
            number, self.next = self.next, self.next + 1
        self.by_key[key] = number
        self.keys[number] = key
        self.net.transitions[number] = t
        for p in t.take:
            self.takers[p].add(number)
        for p in t.put:
            self.putters[p].add(number)
        self.touch((*t.take, *t.put))

    def take_out(self, number: int) -> Arcs:
        """Remove a transition."""
        t = self.net.transitions.pop(number)
        self.work -= len(t.take) + len(t.put)
        del self.by_key[self.keys.pop(number)]
        for p in t.take:
            self.takers[p].discard(number)
        for p in t.put:
            self.putters[p].discard(number)
        self.touch((*t.take, *t.put))
        return t

    def run(self) -> ArcNet:
        """Apply the rules until none applies."""
        while self.dirty and self.work > 0:
            while self.dirty and self.work > 0:
                place = self.dirty.popleft()
                self.waiting.discard(place)
                if not (self.vanish(place) or self.agglomerate(place)):
                    self.drop_idle(place)
            self.parallel_places()
        return self.net

    def agglomerate(self, place: int) -> bool:
        """Let whoever puts to a place do what its takers would do, and remove it."""
        takers, putters = self.takers[place], self.putters[place]
        if (
            not takers
            or not putters
            or place in self.watched
            or place in self.keep
            or self.net.initial.get(place)
            or len(takers) * len(putters) > len(takers) + len(putters) + 1
        ):
            return False
        transitions = self.net.transitions
        for number in takers:
            t = transitions[number]
            if not (t.plain and t.take == {place: 1} and t.put) or place in t.put:
                return False
            if not self.watched.isdisjoint(t.put):
                return False
        if any(transitions[number].put[place] != 1 for number in putters):
            return False
        after = [self.take_out(number) for number in sorted(takers)]
        for number in sorted(putters):
            before = self.take_out(number)
            for then in after:
                put = {p: n for p, n in before.put.items() if p != place}
                for p, n in then.put.items():
                    put[p] = put.get(p, 0) + n
                self.put_in(
                    Arcs(
                        dict(before.take),
                        put,
                        dict(before.needs),
                        dict(before.lacks),
                        before.clear,
                        ("then", before.steps, then.steps),
                    )
                )
        return True

    def vanish(self, place: int) -> bool:
        """Make an end of a place from which tokens only go to ends that nobody else puts to."""
        takers, putters = self.takers[place], self.putters[place]
        fixed = place in self.watched or place in self.keep or self.net.initial.get(place)
        if self.ending is None or not takers or fixed:
            return False
        transitions = self.net.transitions
        for number in takers:
            t = transitions[number]
            if not (t.plain and t.take == {place: 1} and self.ending.issuperset(t.put)):
                return False
            if any(n > 1 or not self.putters[p] <= takers for p, n in t.put.items()):
                return False
        gone: Steps | None = None
        for number in sorted(takers):
            steps = self.take_out(number).steps
            gone = steps if gone is None else ("or", gone, steps)
        assert gone is not None
        for number in putters:
            t = transitions[number]
            t.steps = ("then", t.steps, gone)
        self.ending.add(place)
        return True

    def drop_idle(self, place: int) -> None:
        """Remove a transition that changes nothing, where another one takes at least as much."""
        for number in sorted(self.takers[place]):
            t = self.net.transitions[number]
            if t.take != t.put or not t.plain:
                continue
            for other in self.takers[place]:
                o = self.net.transitions[other]
                if other != number and all(o.take.get(p, 0) >= n for p, n in t.take.items()):
                    o.steps = ("or", o.steps, t.steps)
                    self.take_out(number)
                    return

    def parallel_places(self) -> None:
        """Of places with the same arcs and the same tokens keep one."""
        known: set[tuple[object, ...]] = set()
        spare: set[int] = set()
        transitions = self.net.transitions
        for place in range(self.net.places):
            takers, putters = self.takers[place], self.putters[place]
            if not (takers or putters) or place in self.watched or place in self.keep:
                continue
            key = (
                frozenset((n, transitions[n].take[place]) for n in takers),
                frozenset((n, transitions[n].put[place]) for n in putters),
                self.net.initial.get(place, 0),
            )
            if key in known:
                spare.add(place)
            known.add(key)
        changed = {n for p in spare for n in (*self.takers[p], *self.putters[p])}
        for number in sorted(changed):
            t = self.take_out(number)
            t.take = {p: n for p, n in t.take.items() if p not in spare}
            t.put = {p: n for p, n in t.put.items() if p not in spare}
            self.put_in(t, number)
        for place in spare:
            self.net.initial.pop(place, None)

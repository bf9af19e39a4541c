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
        self.altered: set[int] = set()
        """Places whose arcs may have changed since parallel places were looked for."""
        self.places: dict[tuple[object, ...], int] = {}
        """Arcs and tokens of places, with one place that has or had them."""
        self.prints: dict[int, int] = {}
        """The fingerprint of each transition: that of its arcs, which is changed arc by arc."""
        self.by_print: dict[int, int] = {}
        for i, t in list(net.transitions.items()):
            self.watched.update(t.needs, t.lacks, t.clear)
            del net.transitions[i]
            self.put_in(t, i)
        self.touch(range(net.places))

    def touch(self, places: Iterable[int]) -> None:
        """Note places that rules may apply to now."""
        for p in places:
            self.altered.add(p)
            if p not in self.waiting:
                self.waiting.add(p)
                self.dirty.append(p)

    def put_in(self, t: Arcs, number: int | None = None) -> None:
        """Add a transition, unless there is one that does the same."""
        if number is None:
            number, self.next = self.next, self.next + 1
        self.net.transitions[number] = t
        self.prints[number] = _print_of(t)
        if self.twin(number):
            return
        for p in t.take:
            self.takers[p].add(number)
        for p in t.put:
            self.putters[p].add(number)
        self.touch((*t.take, *t.put))

    def twin(self, number: int) -> bool:
        """Whether another transition does the same: it then stands for this one too, which goes."""
        t, mark = self.net.transitions[number], self.prints[number]
        other = self.by_print.setdefault(mark, number)
        if other == number or (there := self.net.transitions[other]).key != t.key:
            return False
        there.steps = ("or", there.steps, t.steps)
        self.take_out(number)
        return True

    def take_out(self, number: int) -> Arcs:
        """Remove a transition."""
        t = self.net.transitions.pop(number)
        self.work -= len(t.take) + len(t.put)
        self.forget(number)
        del self.prints[number]
        for p in t.take:
            self.takers[p].discard(number)
        for p in t.put:
            self.putters[p].discard(number)
        self.touch((*t.take, *t.put))
        return t

    def forget(self, number: int) -> None:
        """Let no transition be found by the arcs of this one, which change."""
        if self.by_print.get(self.prints[number]) == number:
            del self.by_print[self.prints[number]]

    def weigh(self, number: int, kind: str, place: int, weight: int) -> None:
        """Change one arc of a transition, ``take`` or ``put``; a weight of 0 removes it.

        What does not change is not looked at: a split into thousands of branches loses its arcs
        one by one.
        """
        t = self.net.transitions[number]
        arcs, ends = (t.take, self.takers) if kind == "take" else (t.put, self.putters)
        old = arcs.pop(place, 0)
        self.work -= 1
        if old:
            self.prints[number] ^= hash((kind, place, old))
        if weight:
            arcs[place] = weight
            ends[place].add(number)
            self.prints[number] ^= hash((kind, place, weight))
        else:
            ends[place].discard(number)
        self.touch((place,))

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
            for then in after[1:]:
                before = transitions[number]
                put = {p: n for p, n in before.put.items() if p != place}
                for p, n in then.put.items():
                    put[p] = put.get(p, 0) + n
                self.work -= len(put)
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
            self.follow(number, place, after[0])
        return True

    def follow(self, number: int, place: int, then: Arcs) -> None:
        """Let a transition that puts to a place put what the one behind it puts."""
        before = self.net.transitions[number]
        self.forget(number)
        self.weigh(number, "put", place, 0)
        for p, n in then.put.items():
            self.weigh(number, "put", p, before.put.get(p, 0) + n)
        before.steps = ("then", before.steps, then.steps)
        self.touch(before.take)
        self.twin(number)

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
        altered, self.altered = sorted(self.altered), set()
        spare = []
        for place in altered:
            key = self.key_of(place)
            if key is None:
                continue
            other = self.places.setdefault(key, place)
            if other != place and self.key_of(other) == key:
                spare.append(place)
            else:
                self.places[key] = place
        changed = dict.fromkeys(
            n for p in spare for ends in (self.takers, self.putters) for n in sorted(ends[p])
        )
        for number in changed:
            self.forget(number)
        for place in spare:
            for number in sorted(self.takers[place]):
                self.weigh(number, "take", place, 0)
            for number in sorted(self.putters[place]):
                self.weigh(number, "put", place, 0)
            self.net.initial.pop(place, None)
        for number in changed:
            self.touch(self.net.transitions[number].take)
            self.twin(number)

    def key_of(self, place: int) -> tuple[object, ...] | None:
        """What two places have in common one of which is enough; None where a place has to stay."""
        takers, putters = self.takers[place], self.putters[place]
        if not (takers or putters) or place in self.watched or place in self.keep:
            return None
        transitions = self.net.transitions
        return (
            frozenset((n, transitions[n].take[place]) for n in takers),
            frozenset((n, transitions[n].put[place]) for n in putters),
            self.net.initial.get(place, 0),
        )


def _print_of(t: Arcs) -> int:
    """A fingerprint of arcs: those of each arc together, so that one can be changed alone."""
    mark = hash((t.clear, *(frozenset(arcs.items()) for arcs in (t.needs, t.lacks))))
    for kind, arcs in (("take", t.take), ("put", t.put)):
        for arc in arcs.items():
            mark ^= hash((kind, *arc))
    return mark

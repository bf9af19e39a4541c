"""A net under construction, and the two steps that make it small: unifying and fusing places.

Patterns are written as fragments that stand for themselves, so a freshly compiled net is full of
places that mean nothing: a sequence of two tasks has three between them. `fuse` takes them out by
Berthelot's agglomerations, which keep all that can be seen when a case is quiescent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs
import msgspec

from weft.engine.fragment import Extra, Fragment
from weft.engine.net import Arc, Invariant, OrJoin, Place, Role, Transition, Wait, arcs_of

__all__ = ["NetDraft", "add_extras", "fuse", "unify"]


@attrs.define
class NetDraft:
    """A net under construction: everything by name, easy to change."""

    places: dict[str, Place] = attrs.field(factory=dict)
    transitions: list[Transition] = attrs.field(factory=list)
    invariants: list[Invariant] = attrs.field(factory=list)
    same: dict[str, str] = attrs.field(factory=dict)
    declared: set[str] = attrs.field(factory=set)
    """Places that the author named: they stay as they are."""
    starts: list[tuple[str, Extra]] = attrs.field(factory=list)
    completes: list[tuple[str, Extra]] = attrs.field(factory=list)
    waits: dict[str, Wait] = attrs.field(factory=dict)
    depths: dict[str, int] = attrs.field(factory=dict)
    kept: set[str] = attrs.field(factory=set)
    """Transitions that mean more than the tokens that they move: they stay as they are."""

    def place(self, name: str, *, end: bool = False, tokens: int = 0, resting: bool = False) -> str:
        """The name of a place, which is made when it is new."""
        if name not in self.places:
            self.places[name] = Place(name, tokens, resting, end)
        return name

    def find(self, name: str) -> str:
        """The place that a name stands for after all unifications."""
        while name in self.same:
            name = self.same[name]
        return name

    def add(self, fragment: Fragment, prefix: str) -> None:
        """Add a fragment; its own places and its transitions get the prefix."""
        own = {name: f"{prefix}.{name}" for name in (*fragment.resting, *fragment.unfinished)}
        for name, tokens in fragment.resting.items():
            self.place(own[name], tokens=tokens, resting=True)
        for name in fragment.unfinished:
            self.place(own[name])

        def named(arcs: tuple[Arc, ...]) -> tuple[Arc, ...]:
            return tuple(Arc(own.get(a.place, a.place), a.weight, a.case_wide) for a in arcs)

        for t in fragment.transitions:
            self.transitions.append(
                msgspec.structs.replace(
                    t,
                    name=f"{prefix}.{t.name}",
                    task=prefix if t.role in (Role.TRIGGER, Role.TIMER) else t.task,
                    take=named(t.take),
                    put=named(t.put),
                    needs=named(t.needs),
                    lacks=named(t.lacks),
                    clear=tuple(own.get(p, p) for p in t.clear),
                    counted=tuple((own.get(p, p), e) for p, e in t.counted),
                    or_join=_joined(t.or_join, lambda p: own.get(p, p)),
                )
            )
        for invariant in fragment.invariants:
            weights = {own.get(p, p): w for p, w in invariant.weights.items()}
            self.invariants.append(Invariant(weights, invariant.total))
        for added, given in ((self.starts, fragment.starts), (self.completes, fragment.completes)):
            for task, extra in given.items():
                resolved = Extra(
                    take=named(arcs_of(extra.take)),
                    needs=named(arcs_of(extra.needs)),
                    lacks=named(arcs_of(extra.lacks)),
                    clear=[own.get(p, p) for p in extra.clear],
                    put=named(arcs_of(extra.put)),
                )
                added.append((task, resolved))
        if fragment.wait is not None:
            self.waits[prefix] = msgspec.structs.replace(
                fragment.wait, name=prefix, task=prefix.partition(".")[0]
            )
        for task, depth in fragment.depths.items():
            self.depths[task] = min(depth, self.depths.get(task, depth))
        for name, other in fragment.same.items():
            name, other = self.find(name), self.find(other)
            if name in self.declared:  # the author's name stays
                name, other = other, name
            if name != other:
                self.same[name] = other


def _added(arcs: Iterable[Arc]) -> tuple[Arc, ...]:
    """Arcs with those of the same place added up."""
    weights: dict[tuple[str, bool], int] = {}
    for arc in arcs:
        key = (arc.place, arc.case_wide)
        weights[key] = weights.get(key, 0) + arc.weight
    return tuple(Arc(place, weight, wide) for (place, wide), weight in weights.items())


def _joined(join: OrJoin | None, named: Callable[[str], str]) -> OrJoin | None:
    """An OR-join whose inputs have other names; two that become one are one input."""
    if join is None:
        return None
    inputs = tuple(dict.fromkeys(named(p) for p in join.inputs))
    return msgspec.structs.replace(join, inputs=inputs)


def add_extras(draft: NetDraft) -> None:
    """Put the arcs that patterns add to tasks on the transitions of those tasks."""
    kinds = ((draft.starts, (Role.START, Role.RETRY)), (draft.completes, (Role.COMPLETE,)))
    for added, roles in kinds:
        for task, extra in added:
            draft.transitions = [
                t
                if not ((t.task == task and t.role in roles) or (t.name == task and not t.external))
                else msgspec.structs.replace(
                    t,
                    take=_added([*t.take, *arcs_of(extra.take)]),
                    put=_added([*t.put, *arcs_of(extra.put)]),
                    needs=_strictest([*t.needs, *arcs_of(extra.needs)], max),
                    lacks=_strictest([*t.lacks, *arcs_of(extra.lacks)], min),
                    clear=tuple(dict.fromkeys([*t.clear, *extra.clear])),
                )
                for t in draft.transitions
            ]


def _strictest(arcs: Iterable[Arc], of: Callable[[int, int], int]) -> tuple[Arc, ...]:
    """Arcs with only the strictest of those of the same place."""
    weights: dict[tuple[str, bool], int] = {}
    for arc in arcs:
        key = (arc.place, arc.case_wide)
        weights[key] = of(weights.get(key, arc.weight), arc.weight)
    return tuple(Arc(place, weight, wide) for (place, wide), weight in weights.items())


def unify(draft: NetDraft) -> None:
    """Make places that were declared the same one place; their tokens add up."""

    def renamed(arcs: Iterable[Arc]) -> tuple[Arc, ...]:
        return _added(Arc(draft.find(a.place), a.weight, a.case_wide) for a in arcs)

    draft.transitions = [
        msgspec.structs.replace(
            t,
            take=renamed(t.take),
            put=renamed(t.put),
            needs=renamed(t.needs),
            lacks=renamed(t.lacks),
            clear=tuple(dict.fromkeys(draft.find(p) for p in t.clear)),
            counted=tuple((draft.find(p), e) for p, e in t.counted),
            or_join=_joined(t.or_join, draft.find),
        )
        for t in draft.transitions
    ]
    for name in draft.same:
        gone = draft.places.pop(name)
        kept = draft.places[draft.find(name)]
        draft.places[kept.name] = msgspec.structs.replace(kept, tokens=kept.tokens + gone.tokens)
    draft.same = {}


def fuse(draft: NetDraft) -> list[Transition]:
    """Fuse plain immediates with their neighbours (Berthelot's post- and pre-agglomeration).

    *Post*: a place whose only reader is a plain immediate that takes one token of it and nothing
    else is no state: whoever puts there puts what the immediate would put. *Pre*: a place that
    only external transitions take from, fed by a plain immediate that puts nothing else, is no
    state either: those transitions take what the immediate would take, so that a join does not
    commit its tokens before the task starts. Immediates that compete with each other vanish
    together or not at all: that is what makes a choice of the environment out of a place from
    which several tasks start (`_Fusion.vanishing`).
    G. Berthelot, "Transformations and Decompositions of Nets" (1987).

    An OR-join that only feeds the start of tasks becomes that start, so that it too commits nothing
    before the task starts; its inputs stay, because its rule looks at them.

    Who starts a task does not say by which of its ways in. Tokens at places that somebody else
    looks at (a critical section, an OR-join, a region that is cleared) are taken first, so that
    nobody waits for them longer than needed; those at other places nobody can tell apart.

    One thing can tell the nets apart: a reset on an immediate transition (that of a cancelling
    join) catches a token that is just passing through its region, or not; a fused net has fewer
    places to pass through.

    Returns:
        The transitions that are left; ``draft.places`` loses the places that vanish.
    """
    fusion = _Fusion(draft)
    for t in draft.transitions:
        fusion.post(t.name)
    while vanishing := fusion.vanishing():
        for name in vanishing:
            fusion.pre(name)
    return fusion.ordered()


def _plain(t: Transition) -> bool:
    """Whether firing a transition does nothing but move tokens, whenever its inputs are there."""
    return not (
        t.external
        or t.when
        or t.ends
        or t.needs
        or t.lacks
        or t.clear
        or t.counted
        or not t.sources
    )


class _Fusion:
    """The net while it is fused: its transitions, and who reads and writes each place."""

    def __init__(self, draft: NetDraft) -> None:
        self.draft = draft
        self.order = {name: at for at, name in enumerate(draft.places)}
        self.transitions: dict[str, Transition] = {}
        self.readers: dict[str, dict[str, None]] = {name: {} for name in draft.places}
        self.writers: dict[str, dict[str, None]] = {name: {} for name in draft.places}
        self.fixed = {p.name for p in draft.places.values() if p.resting or p.end}
        self.fixed |= draft.declared
        self.fixed |= {place for invariant in draft.invariants for place in invariant.weights}
        for t in draft.transitions:
            self.put_in(t)
            self.fixed.update(arc.place for arc in (*t.needs, *t.lacks))
            self.fixed.update(t.clear)
            self.fixed.update(place for place, _ in t.counted)
            if t.or_join is not None:
                self.fixed.update(t.or_join.inputs)

    def plain(self, t: Transition) -> bool:
        """Whether a transition may be taken out: it does nothing but move tokens."""
        return _plain(t) and t.name not in self.draft.kept

    def put_in(self, t: Transition) -> None:
        """Add a transition, or put another one in the place of its namesake."""
        self.transitions[t.name] = t
        for place in t.sources:
            self.readers[place][t.name] = None
        for arc in t.put:
            self.writers[arc.place][t.name] = None

    def forget(self, t: Transition) -> None:
        """Take a transition's arcs out of the indices."""
        for place in t.sources:
            del self.readers[place][t.name]
        for arc in t.put:
            del self.writers[arc.place][t.name]

    def post(self, name: str) -> None:
        """Let whoever writes the one input of a plain immediate put what it would put."""
        t = self.transitions[name]
        if not self.plain(t) or t.or_join is not None or len(t.take) != 1 or t.take[0].weight != 1:
            return
        place = t.take[0].place
        shared = len(self.readers[place]) != 1 or any(a.place == place for a in t.put)
        if shared or place in self.fixed:
            return
        for writer in [self.transitions[w] for w in self.writers[place]]:
            count = next(a.weight for a in writer.put if a.place == place)
            passed = [Arc(a.place, a.weight * count) for a in t.put]
            kept = [a for a in writer.put if a.place != place]
            self.forget(writer)
            self.put_in(msgspec.structs.replace(writer, put=_added([*kept, *passed])))
        self.forget(t)
        del self.transitions[name]
        gone = self.draft.places.pop(place)
        for arc in t.put:
            ahead = self.draft.places[arc.place]
            tokens = ahead.tokens + gone.tokens * arc.weight
            self.draft.places[arc.place] = msgspec.structs.replace(ahead, tokens=tokens)

    def vanishing(self) -> list[str]:
        """The immediates that `pre` may take out now, in their order.

        The greatest set in which every rival of a member is external or a member itself: one
        that stayed would always be faster than the external transitions that the others become.
        """
        found = dict.fromkeys(name for name, t in self.transitions.items() if self.passes_on(t))
        places = dict.fromkeys(p for name in found for p in self.transitions[name].sources)
        spoiled = [p for p in places if any(r not in found for r in self.immediates(p))]
        seen = set(spoiled)
        while spoiled:  # each place once: thousands may compete for one
            for name in self.readers[spoiled.pop()]:
                if name in found:
                    del found[name]
                    others = [p for p in self.transitions[name].sources if p not in seen]
                    spoiled += others
                    seen.update(others)
        return list(found)

    def passes_on(self, t: Transition) -> bool:
        """Whether a plain immediate only feeds a place that external transitions take from.

        As an alternative beside others it may feed guarded ones, too: it commits nothing before
        a guard holds.
        """
        if not self.plain(t) or len(t.put) != 1 or t.put[0].weight != 1:
            return False
        place = t.put[0].place
        if place in self.fixed or place in t.sources:
            return False
        starts = [self.transitions[r] for r in self.readers[place]]
        joined = t.or_join is not None and any(
            s.or_join is not None or s.role is not Role.START for s in starts
        )
        chosen = any(len(self.readers[p]) > 1 for p in t.sources)
        feeds = all((s.external or (chosen and s.when)) and Arc(place) in s.take for s in starts)
        return bool(starts) and feeds and not joined

    def immediates(self, place: str) -> list[str]:
        """The transitions that take from a place as soon as they can: they compete for it."""
        return [r for r in self.readers[place] if not self.transitions[r].external]

    def pre(self, name: str) -> None:
        """Let the external readers of a plain immediate's one output take what it would take."""
        t = self.transitions[name]
        place = t.put[0].place
        starts = [self.transitions[r] for r in self.readers[place]]
        others = [w for w in self.writers[place] if w != name and w not in self.readers[place]]
        alone = not others and not self.draft.places[place].tokens
        self.forget(t)
        del self.transitions[name]
        for s in starts:
            take = _added([*t.take, *(a for a in s.take if a.place != place)])
            put = s.put
            if Arc(place) in put:  # what it only looks at, it puts back
                put = _added([*t.take, *(a for a in put if a.place != place)])
            if alone:
                self.forget(s)
                join = t.or_join or s.or_join
                self.put_in(msgspec.structs.replace(s, take=take, put=put, or_join=join))
            else:  # another way into the same task
                label = f"{s.name} from {t.sources[0]}"
                join = t.or_join or s.or_join
                self.put_in(
                    msgspec.structs.replace(s, name=label, take=take, put=put, or_join=join)
                )
        if alone:
            del self.draft.places[place]

    def ordered(self) -> list[Transition]:
        """The transitions; the starts of each task in the order of the fixed places they take from.

        Behind them stand those that take from none: which of these there are hangs on fusion.
        """
        found = list(self.transitions.values())
        ways: dict[str, list[int]] = {}
        for at, t in enumerate(found):
            if t.role is Role.START and t.task is not None:
                ways.setdefault(t.task, []).append(at)
        for slots in ways.values():
            starts = [found[at] for at in slots]
            shared = set.intersection(*(set(s.sources) for s in starts))
            starts.sort(key=lambda s: self.earliest({*s.sources} - shared))
            for at, start in zip(slots, starts, strict=True):
                found[at] = start
        return found

    def earliest(self, places: Iterable[str]) -> int:
        """Where the first fixed one of some places stood at the beginning; behind all: none is."""
        return min((self.order[p] for p in places if p in self.fixed), default=len(self.order))

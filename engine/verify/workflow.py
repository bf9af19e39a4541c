"""Soundness of plain workflow nets: place/transition nets that begin somewhere and end somewhere.

A marking is *final* when only sink places (places from which nothing takes) are marked. A net is
sound (W. M. P. van der Aalst, "Verification of Workflow Nets", 1997; several sinks as in D. Fahland
and others, "Instantaneous Soundness Checking of Industrial Business Process Models", 2009) when

*   from every reachable marking a final one can be reached (the option to complete),
*   it completes properly: with one sink, when the sink is marked nothing else is; with several,
    none of them is ever marked twice,
*   no transition is dead, and the net is bounded.

The answer is sought in the reduced net first, where most sound nets are of two or three markings.
Whatever it finds wrong is found again in the net itself, where the path that shows it is a
shortest one. A reduced net that is still too large is explored with stubborn sets. What markings
without end, or too many, leave open is asked of what can be covered (`weft.engine.verify.
coverable`): all but the option to complete is settled by that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from weft.engine.coverability import OutOfBounds
from weft.engine.net import Net
from weft.engine.verify.arcs import ArcNet, flat, members
from weft.engine.verify.coverable import BACKWARDS_WORK, Backwards, coverability_set
from weft.engine.verify.graph import Graph, explored
from weft.engine.verify.markings import Markings, explored_markings
from weft.engine.verify.reduce import reduced
from weft.engine.verify.report import DeadMarking, Diagnostic, Level, Report
from weft.engine.verify.stubborn import Stubborn
from weft.schema.errors import UsageError

__all__ = ["DEFAULT_MAX_STATES", "Facts", "Look", "Position", "told", "verify_net"]

DEFAULT_MAX_STATES = 500_000
"""How many markings the verifier looks at before it gives up."""

PATH_STATES = 60_000
"""So many markings of the net itself are looked at for the shortest path to a fault."""

ASKED = 300
"""So many of the markings that were met are asked whether an end can still be marked."""

SHOWN = 10
"""So many deadlocks, and so many dead transitions, are told one by one."""

Position = tuple[int, int | None]
"""Line and column of an element in its file, from 1."""


def verify_net(
    net: Net,
    *,
    max_states: int = DEFAULT_MAX_STATES,
    file: str | None = None,
    positions: Mapping[str, Position] | None = None,
    labels: Mapping[str, str] | None = None,
) -> Report:
    """Whether a plain net is sound.

    Args:
        net: A net whose transitions are all external, such as a PNML file's.
        max_states: The bound on each exploration; past it a verdict may be missing.
        file: The file that findings name.
        positions: Where places and transitions stand in it, by their names.
        labels: What else they are called: messages tell both, paths and markings the names.

    Raises:
        UsageError: ``max_states`` is less than 1.
    """
    if max_states < 1:
        raise UsageError(f"max_states is at least 1, not {max_states}")
    return _Verification(net, max_states, file, positions or {}, labels or {}).report()


@attrs.define
class Facts:
    """What an exploration has shown, and the states that show it."""

    bounded: bool | None = None
    safe: bool | None = None
    option: bool | None = None
    proper: bool | None = None
    fired: set[int] = attrs.field(factory=set)
    finals: list[int] = attrs.field(factory=list)
    dead_ends: list[int] = attrs.field(factory=list)
    """Dead markings that are not final."""
    stuck: int | None = None
    """The first marking that cannot reach a final one, though it is not dead."""
    unsafe: int | None = None
    improper: int | None = None

    @property
    def faults(self) -> dict[str, bool]:
        """The kinds of fault that were found."""
        return {
            "unsafe": self.safe is False,
            "unbounded": self.bounded is False,
            "improper": self.proper is False,
            "deadlock": bool(self.dead_ends),
            "livelock": self.option is False and not self.dead_ends,
        }


class Look:
    """One exploration of a net, full or with stubborn sets, and the facts that it shows.

    Args:
        net: The net, possibly a reduced one.
        sinks: The places at which it ends; a marking of nothing else is final.
        single: Whether there is one sink, so that nothing may be marked beside it.
        vanishing: Whether tokens vanish at the end, so that the empty marking is final.
        max_states: The bound.
        stubborn: Whether to fire stubborn sets only.
        wanted: Stop as soon as these kinds of fault have been met.
    """

    def __init__(
        self,
        net: ArcNet,
        sinks: Collection[int],
        *,
        single: bool,
        max_states: int,
        vanishing: bool = False,
        stubborn: bool = False,
        wanted: Collection[str] | None = None,
    ) -> None:
        self.net = net
        self.markings = Markings(net)
        self.single = single
        self.vanishing = vanishing
        self.max_states = min(max_states, self.markings.room)
        self.wanted = None if wanted is None else set(wanted)
        self.facts = Facts()
        places = self.markings.places
        self.inner = [i for i, p in enumerate(places) if p not in sinks]
        self.sinks = [i for i, p in enumerate(places) if p in sinks]
        self.graph: Graph[bytes] = (
            explored(Stubborn(net), max_states=self.max_states, enough=self.note)
            if stubborn
            else explored_markings(self.markings, max_states=self.max_states, enough=self.note)
        )
        self.conclude()

    def note(self, at: int, state: bytes, following: Sequence[object]) -> bool:
        """Look at one marking; True when all the wanted kinds of fault have been met."""
        facts = self.facts
        cells = memoryview(state).cast("i")
        ended = [cells[i] for i in self.sinks if cells[i]]
        if facts.unsafe is None and max(cells, default=0) > 1:
            facts.unsafe = at
        final = (bool(ended) or self.vanishing) and not any(cells[i] for i in self.inner)
        if final:
            facts.finals.append(at)
        if ended and facts.improper is None and (max(ended) > 1 or (self.single and not final)):
            facts.improper = at
        if not following and not final:
            facts.dead_ends.append(at)
        if self.wanted is None:
            return False
        met = {
            "unsafe": facts.unsafe is not None,
            "improper": facts.improper is not None,
            "deadlock": bool(facts.dead_ends),
        }
        return all(met.get(kind, False) for kind in self.wanted)

    def conclude(self) -> None:
        """Verdicts from what was seen."""
        facts, graph = self.facts, self.graph
        facts.fired = graph.used()
        if graph.growth is not None:
            facts.bounded = facts.safe = False
            facts.fired.add(graph.via[graph.growth])
        elif graph.complete:
            facts.bounded = True
            facts.safe = facts.unsafe is None
            facts.proper = facts.improper is None
            can = graph.reaching(facts.finals)
            dead = set(facts.dead_ends)
            facts.stuck = next((i for i, yes in enumerate(can) if not yes and i not in dead), None)
            facts.option = not dead and facts.stuck is None
        if facts.unsafe is not None:
            facts.safe = False
        if facts.dead_ends:
            facts.option = False
        if facts.improper is not None:
            facts.proper = False

    def path(self, state: int) -> list[int]:
        """A path to a state, in transitions of the net that this one was reduced from."""
        transitions = self.net.transitions
        return [o for n in self.graph.path(state) for o in flat(transitions[n].steps)]

    def witness(self, kind: str) -> int | None:
        """The state that shows a kind of fault."""
        facts = self.facts
        return {
            "unsafe": facts.unsafe,
            "unbounded": self.graph.growth,
            "improper": facts.improper,
            "deadlock": facts.dead_ends[0] if facts.dead_ends else None,
            "livelock": facts.stuck,
        }[kind]


class _Verification:
    """One net's verification."""

    def __init__(
        self,
        net: Net,
        max_states: int,
        file: str | None,
        positions: Mapping[str, Position],
        labels: Mapping[str, str],
    ) -> None:
        self.net = net
        self.max_states = max_states
        self.file = file
        self.positions = positions
        self.labels = labels
        self.arcs = ArcNet.of(net)
        taken = {p for t in self.arcs.transitions.values() for p in (*t.take, *t.clear)}
        put = {p for t in self.arcs.transitions.values() for p in t.put}
        self.sinks = (put | set(self.arcs.initial)) - taken
        self.states = 0
        self.alive: set[int] = set()
        """The transitions that the reduced net has shown to be alive."""
        self.diagnostics: list[Diagnostic] = []

    def look(self, net: ArcNet, *, most: int | None = None, **options: Any) -> Look:
        look = Look(
            net,
            self.sinks,
            single=len(self.sinks) == 1,
            max_states=min(self.max_states, most or self.max_states),
            **options,
        )
        self.states += len(look.graph.states)
        return look

    def report(self) -> Report:
        if not self.sinks:
            self.tell(
                "error",
                "no-end",
                "the net has no sink (from every place something takes), so no marking is final "
                "and it can never complete",
            )
        try:
            return self.sought() if self.sinks else self.without_end()
        except OverflowError as error:
            return self.answer(Facts(), [], f"a place overflows: {error}")

    def without_end(self) -> Report:
        """A net that has no final marking: the option to complete is not asked, all else is."""
        own = self.look(self.arcs, most=PATH_STATES)
        facts, undecided, dead = own.facts, None, []
        facts.option, facts.proper = False, True  # it never completes, so never improperly
        if own.graph.complete:
            dead = [t for t in self.arcs.transitions if t not in facts.fired]
        else:
            undecided, dead = self.covered(own)
        for kind in ("unbounded", "unsafe"):
            if own.witness(kind) is not None:
                self.explain(kind, own, shortest=True)
        self.tell_dead(dead)
        deadlocks = [
            DeadMarking(self.reached(path), self.names(path))
            for path in map(own.path, facts.dead_ends[:SHOWN])
        ]
        return self.answer(facts, deadlocks, undecided, dead)

    def sought(self) -> Report:
        small = reduced(self.arcs)
        first = self.look(small)
        facts, undecided = first.facts, None
        if not first.graph.complete and facts.bounded is not False:
            undecided = self.more(small, facts)
        self.alive |= {o for n in facts.fired for o in members(small.transitions[n].steps)}
        suspects = self.never_fired(facts) if undecided is None else []
        if not any(facts.faults.values()) and not suspects and undecided is None:
            return self.answer(facts, [], undecided)
        return self.found_again(first, suspects, undecided)

    def more(self, small: ArcNet, facts: Facts) -> str | None:
        """Look again with stubborn sets where the reduced net is too large; what stays open."""
        undecided = f"there are more than {self.max_states:,} markings"
        if not all(t.plain for t in small.transitions.values()):
            return undecided
        again = self.look(small, stubborn=True)
        seen = again.facts
        facts.fired |= seen.fired
        if seen.bounded is False:
            facts.bounded = facts.safe = False
            return None
        if not again.graph.complete:
            return undecided
        facts.option = seen.option
        if facts.option and all(t.put for t in small.transitions.values()):
            # Every way ends in one of the final markings, which stubborn sets keep. Tokens never
            # vanish, so a sink that is marked too early or too often, or growth, would show there.
            facts.bounded = True
            if facts.proper is None:
                facts.proper = seen.proper
        return undecided if None in (facts.option, facts.proper, facts.bounded) else None

    def never_fired(self, facts: Facts) -> list[int]:
        """The transitions that the reduced net does not show to be alive."""
        if facts.bounded is not True:
            return []
        return [t for t in self.arcs.transitions if t not in self.alive]

    def found_again(self, first: Look, suspects: list[int], undecided: str | None) -> Report:
        """Find in the net itself, by shortest paths, what the reduced net has shown."""
        known = first.facts
        wanted = [kind for kind, found in known.faults.items() if found]
        whole = not wanted or bool(suspects) or "livelock" in wanted or "unbounded" in wanted
        own = self.look(self.arcs, most=PATH_STATES, wanted=None if whole else wanted)
        facts = own.facts
        for verdict in ("bounded", "safe", "option", "proper"):
            if getattr(facts, verdict) is None:
                setattr(facts, verdict, getattr(known, verdict))
        dead = []
        if own.graph.complete:
            undecided = None
            dead = [t for t in self.arcs.transitions if t not in facts.fired]
            wanted = []
        elif facts.bounded is False or undecided is not None or suspects:
            undecided, dead = self.covered(own)
        wanted += [kind for kind, found in facts.faults.items() if found and kind not in wanted]
        for kind in wanted:
            look = own if own.witness(kind) is not None else first
            if look.witness(kind) is not None:
                self.explain(kind, look, shortest=look is own)
        self.tell_dead(dead)
        ends = own if facts.dead_ends or own.graph.complete else first
        deadlocks = [
            DeadMarking(self.reached(path), self.names(path))
            for path in map(ends.path, ends.facts.dead_ends[:SHOWN])
            if ends is own or self.stands_still(path)
        ]
        return self.answer(facts, deadlocks, undecided, dead)

    def tell_dead(self, dead: Sequence[int]) -> None:
        """Dead transitions, the first ones by name."""
        for t in dead[:SHOWN]:
            name = self.net.transitions[t].name
            text = f"{self.word(name, quoted=True)} can never fire"
            self.tell("error", "dead-transition", text, element=name)
        if len(dead) > SHOWN:
            more = f"{len(dead) - SHOWN} more transitions can never fire"
            self.tell("error", "dead-transition", more)

    # ── what can be covered ──────────────────────────────────────────────────────────────────

    def covered(self, own: Look) -> tuple[str | None, list[int]]:
        """Settle by what can be covered what the markings that were seen leave open.

        Returns:
            What stays open, and the dead transitions.
        """
        facts, dead = own.facts, None
        facts.fired |= self.alive & self.arcs.transitions.keys()
        if self.arcs.monotone:
            dead = self.by_omega(own)
        elif not any(t.lacks for t in self.arcs.transitions.values()):
            dead = self.covered_backwards(own)
        if dead is None:
            unfired = [t for t in self.arcs.transitions if t not in facts.fired]
            dead = unfired if self.unreachable().issuperset(unfired) else None
        if facts.option is None:
            self.never_ending(own)
        grows = self.arcs.monotone and facts.bounded is False
        if grows and facts.proper and facts.option is None and len(self.sinks) == 1:
            # From what is covered an end is reached; by the same way from what covers it an end
            # with more beside it (van der Aalst 1997: a sound net is bounded).
            facts.option = False
            self.tell(
                "error",
                "livelock",
                "what has grown can never be used up: if a case could complete from before it "
                "has grown, one could complete with it left over, and none can",
            )
        asked = {
            "the option to complete": facts.option,
            "proper completion": facts.proper,
            "boundedness": facts.bounded,
            "dead transitions": dead,
        }
        left = [question for question, answer in asked.items() if answer is None]
        why = "the markings are infinitely many"
        if facts.bounded is not False:
            why = f"there are more than {own.max_states:,} markings"
        return f"{' and '.join(left)}: {why}" if left else None, dead or []

    def unreachable(self) -> set[int]:
        """The transitions that take from a place to which no token can find its way."""
        transitions, marked = self.arcs.transitions, set(self.arcs.initial)
        readers: dict[int, list[int]] = {}
        missing = {}
        for number, t in transitions.items():
            needed = t.take.keys() | t.needs.keys()
            missing[number] = len(needed)
            for p in needed:
                readers.setdefault(p, []).append(number)
        queue = list(marked)
        ready = [number for number, n in missing.items() if not n]
        while queue or ready:
            for number in readers.get(queue.pop(), ()) if queue else ():
                missing[number] -= 1
                if not missing[number]:
                    ready.append(number)
            if ready:
                new = transitions[ready.pop()].put.keys() - marked
                marked |= new
                queue += new
        return {number for number, n in missing.items() if n}

    def by_omega(self, own: Look) -> list[int] | None:
        """Ask the coverability set; the dead transitions, or None if it is too large."""
        facts = own.facts
        covering = coverability_set(self.arcs)
        if covering is None:
            return None
        if covering.growth is not None and facts.bounded is not False:
            facts.bounded = False
            names, grown = self.names(covering.growth), self.place_names(covering.grown)
            text = (
                f"{self.after(names)} {self.words(grown)} has grown, and can grow so again for ever"
            )
            self.tell("error", "unbounded", text, element=grown[0], path=names)
        facts.bounded = covering.bounded
        facts.safe = covering.safe
        improper = covering.improper(self.sinks)
        if improper and facts.proper is not False:
            self.improper_by_cover(own)
        facts.proper = not improper
        return [t for t in self.arcs.transitions if t not in covering.fired]

    def covered_backwards(self, own: Look) -> list[int] | None:
        """Ask backwards, target by target; the dead transitions, or None if some stay open."""
        facts = own.facts
        if facts.proper is None:
            self.improper_by_cover(own)
        asked = Backwards(self.arcs, own.markings.places)
        dead = []
        try:
            for number, t in self.arcs.transitions.items():
                if number in facts.fired:
                    continue
                least = {p: max(t.take.get(p, 0), t.needs.get(p, 0)) for p in (*t.take, *t.needs)}
                if asked.path(iter([least])) is None:
                    dead.append(number)
                facts.fired.add(number)
            if facts.safe is None:
                double = asked.path({p: 2} for p in own.markings.places)
                facts.safe = double is None
        except OutOfBounds:
            return None
        return dead

    def improprieties(self) -> Iterator[Mapping[int, int]]:
        """What is marked at least where a net has completed improperly."""
        for end in sorted(self.sinks):
            yield {end: 2}
            if len(self.sinks) == 1:
                others = range(self.arcs.places)
                yield from ({end: 1, p: 1} for p in others if p != end)

    def improper_by_cover(self, own: Look) -> None:
        """Find improper completion backwards, with a path."""
        asked = Backwards(self.arcs, own.markings.places)
        cells = set(own.markings.places)
        try:
            path = asked.path(t for t in self.improprieties() if cells.issuperset(t))
        except OutOfBounds:
            return
        own.facts.proper = path is None
        if path is None:
            return
        names, marking = self.names(path), self.reached(path)
        ends = self.place_names(p for p in sorted(self.sinks) if self.net.places[p].name in marking)
        left = self.words([p for p in marking if p not in ends])
        text = f"{self.after(names)} the end {self.words(ends)} is marked " + (
            f"while {left} still is" if left else "more than once"
        )
        self.tell("error", "improper-completion", text, element=ends[0], path=names)

    def never_ending(self, own: Look) -> None:
        """Find a marking among those that were met from which no end can be marked any more."""
        if any(t.lacks for t in self.arcs.transitions.values()):
            return
        asked = Backwards(self.arcs, own.markings.places)
        some = min(BACKWARDS_WORK, asked.left // len(self.sinks))
        ends = [asked.target({end: 1}, some) for end in sorted(self.sinks)]
        try:
            for at, state in enumerate(own.graph.states[:ASKED]):
                cells = memoryview(state).cast("i").tolist()
                if not any(end.covers(cells) for end in ends):
                    own.facts.option, own.facts.stuck = False, at
                    return
        except OutOfBounds:
            return

    # ── words ────────────────────────────────────────────────────────────────────────────────

    def word(self, name: str, *, quoted: bool = False) -> str:
        """The name of a place or transition, behind its label if it has another one."""
        shown, label = repr(name) if quoted else name, self.labels.get(name, name)
        return shown if label in (name, "") else f"{label!r} ({shown})"

    def words(self, names: Iterable[str]) -> str:
        return told([self.word(name) for name in names])

    def after(self, names: Sequence[str]) -> str:
        return f"after {self.words(names)}:" if names else "at the start"

    def place_names(self, places: Iterable[int]) -> list[str]:
        return [self.net.places[p].name for p in places]

    def names(self, path: Sequence[int]) -> list[str]:
        return [self.net.transitions[t].name for t in path]

    def reached(self, path: Sequence[int]) -> dict[str, int]:
        """The marking that a path leads to."""
        tokens = dict(self.arcs.initial)
        for number in path:
            t = self.arcs.transitions[number]
            for p, n in t.take.items():
                tokens[p] -= n
            for p in t.clear:
                tokens[p] = 0
            for p, n in t.put.items():
                tokens[p] = tokens.get(p, 0) + n
        return {self.net.places[p].name: n for p, n in sorted(tokens.items()) if n}

    def stands_still(self, path: Sequence[int]) -> bool:
        """Whether nothing can fire after a path: the reduced net has lost what changes nothing."""
        place = self.net.place_index
        marking = self.reached(path)
        tokens = {place[name]: n for name, n in marking.items()}
        return not any(
            all(tokens.get(p, 0) >= n for p, n in (*t.take.items(), *t.needs.items()))
            and all(tokens.get(p, 0) < n for p, n in t.lacks.items())
            for t in self.arcs.transitions.values()
        )

    def explain(self, kind: str, look: Look, *, shortest: bool) -> None:
        """Tell a fault, with the path that shows it."""
        state = look.witness(kind)
        assert state is not None
        path = look.path(state)
        marking = self.reached(path)
        names = self.names(path)
        after = self.after(names)
        sinks = {self.net.places[p].name for p in self.sinks}
        left = self.words([p for p in marking if p not in sinks])
        double = self.words([p for p, n in marking.items() if n > 1])
        level: Level = "error"
        element = None
        if kind == "deadlock" and not shortest and not self.stands_still(path):
            kind = "livelock"
        if kind == "deadlock":
            code = "deadlock"
            text = f"{after} nothing can fire, and {left or 'nothing'} is marked, which is no end"
            element = next((p for p in marking if p not in sinks), None)
        elif kind == "livelock":
            code = "livelock"
            text = f"{after} the net can go on, but never reach an end; {left} is marked"
            element = next((p for p in marking if p not in sinks), None)
        elif kind == "improper":
            code = "improper-completion"
            ends = [p for p in marking if p in sinks]
            text = f"{after} the end {self.words(ends)} is marked " + (
                f"while {left} still is" if left else "more than once"
            )
            element = ends[0]
        elif kind == "unbounded":
            code = "unbounded"
            growing = self.words(self.growing(look, state))
            text = f"{after} {growing} has grown, and can grow so again for ever"
            element = self.growing(look, state)[0]
        else:
            code, level = "unsafe", "warning"
            text = f"{after} {double} holds more than one token"
            element = next(p for p, n in marking.items() if n > 1)
        if not shortest:
            text += "; the path may not be the shortest"
        self.tell(level, code, text, element=element, path=names)

    def growing(self, look: Look, state: int) -> list[str]:
        """The places that hold more at a state than at the state before it that it covers."""
        graph, markings = look.graph, look.markings
        cells = memoryview(graph.states[state]).cast("i")
        at = graph.parents[state]
        while at >= 0:
            before = memoryview(graph.states[at]).cast("i")
            if all(a >= b for a, b in zip(cells, before, strict=True)):
                grown = [i for i, (a, b) in enumerate(zip(cells, before, strict=True)) if a > b]
                return [self.net.places[markings.places[i]].name for i in grown]
            at = graph.parents[at]
        return []

    def tell(
        self,
        level: Level,
        code: str,
        message: str,
        *,
        element: str | None = None,
        path: Sequence[str] = (),
    ) -> None:
        line, column = self.positions.get(element or "", (None, None))
        self.diagnostics.append(
            Diagnostic(level, code, message, element, self.file, line, column, path)
        )

    def answer(
        self,
        facts: Facts,
        deadlocks: Sequence[DeadMarking],
        undecided: str | None,
        dead: Sequence[int] = (),
    ) -> Report:
        return Report(
            name=self.net.name,
            option_to_complete=facts.option,
            proper_completion=facts.proper,
            bounded=facts.bounded,
            safe=facts.safe,
            dead_transitions=[self.net.transitions[t].name for t in dead],
            deadlocks=deadlocks,
            states=self.states,
            diagnostics=self.diagnostics,
            undecided=undecided,
        )


def told(names: Sequence[str], most: int = 12) -> str:
    """Names in a row, cut in the middle when there are many."""
    if len(names) > most:
        half = most // 2
        return f"{', '.join(names[:half])}, … ({len(names)} in all) …, {', '.join(names[-half:])}"
    return ", ".join(names)

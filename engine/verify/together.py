"""Scopes that can hinder each other, looked at together: one net for the case and its child scopes.

A case-wide arc (that of a critical section) counts a place over all live scopes of its net. Where
several can live, one by itself does not show that two of them wait for each other. So the nets
that lead to such a net are strung together: each composite task gets the places of `SCOPES` child
scopes, its start fills those of a free one, and when nothing is left to do there it completes.
What is case-wide then counts over all of them, and the whole is explored as one net
(`weft.engine.verify.runs`).

In its names, ``ship#2/pack.start`` is the start of ``pack`` in the second child scope of ``ship``,
and ``ship.start#2`` the start of ``ship`` that opens it.
`weft.engine.verify.report.in_its_net` gives the transition's own name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs
import msgspec

from weft.engine import orjoin
from weft.engine.net import Arc, CompiledSpecification, Net, Outcome, Place, Role, Task, Transition
from weft.engine.undoing import UNDOING
from weft.engine.verify.adding import adding_bounded
from weft.engine.verify.runs import BROKEN, Marking, Runs

__all__ = [
    "SCOPES",
    "Together",
    "TogetherRuns",
    "Untold",
    "strung_together",
    "wide_nets",
]

SCOPES = 2
"""So many scopes of one composite task live at once, in one scope of its net."""

MOST = 30
"""So many scopes are strung together at most."""

LAST = 1_000_000
"""The priority of what happens by itself when nothing else does."""


class Untold(Exception):
    """Why scopes cannot be looked at together."""


@attrs.define(eq=False)
class Scope:
    """A scope that may live.

    Args:
        net: Its net.
        prefix: What the names of its places and transitions begin with.
        first: The number of its first place; the others follow.
        task: The composite task that it is the work of, in the scope above; of the case none.
        below: The scopes that may live in it, by task.
    """

    net: Net
    prefix: str
    first: int
    task: Task | None = None
    below: dict[str, list[Scope]] = attrs.field(factory=dict)

    @property
    def free(self) -> str:
        """The place that is marked while it does not live."""
        return f"{self.prefix}free"

    def ending(self, how: str) -> str:
        """The name of the transition that ends it, and with it the work item above."""
        task, _, number = self.prefix.removesuffix("/").rpartition("#")
        return f"{task}.{how}#{number}"

    @property
    def tokens(self) -> dict[str, int]:
        """All places of it and of the scopes in it, with what it begins with."""
        found = {self.prefix + p.name: p.tokens for p in self.net.places}
        for scope in (s for several in self.below.values() for s in several):
            found |= dict.fromkeys(scope.tokens, 0) | {scope.free: 1}
        return found


@attrs.frozen
class Together:
    """Nets that were strung together.

    Args:
        net: All places and transitions.
        scopes: The scopes that may live; the case's own is the first.
        owners: For each transition the scope that it belongs to, and its number in that net.
        failing: For each task of a child scope the transition by which its scope fails.
        kept: Transitions that only fire as a part of something else.
    """

    net: Net
    scopes: Sequence[Scope]
    owners: Sequence[tuple[Scope, int]]
    failing: Mapping[str, str]
    kept: frozenset[str]

    @property
    def strung(self) -> frozenset[str]:
        """The composite tasks whose child scopes are there."""
        return frozenset(scope.prefix + name for scope in self.scopes for name in scope.below)


def wide_nets(compiled: CompiledSpecification) -> frozenset[str]:
    """The nets with case-wide arcs of which several scopes may live at once."""
    return frozenset(
        name for name, net in compiled.nets.items() if net.case_wide and name not in compiled.alone
    )


def strung_together(compiled: CompiledSpecification) -> Together:
    """One net for the case and those of its child scopes that lead to case-wide arcs.

    Raises:
        Untold: They run themselves, are too many, or use what has no place in one net.
    """
    return _Stringing(compiled).strung()


class _Stringing:
    """The net while it is strung together."""

    def __init__(self, compiled: CompiledSpecification) -> None:
        self.nets = {name: adding_bounded(net) for name, net in compiled.nets.items()}
        self.leading = _leading(self.nets, wide_nets(compiled))
        self.places: list[Place] = []
        self.scopes: list[Scope] = []
        self.transitions: list[Transition] = []
        self.owners: list[tuple[Scope, int]] = []
        self.tasks: dict[str, Task] = {}
        self.failing: dict[str, str] = {}
        self.kept: set[str] = set()
        self.case = self.scope(self.nets[compiled.root], "", None, ())

    def scope(self, net: Net, prefix: str, task: Task | None, above: Sequence[str]) -> Scope:
        """A scope with its places, and those of the scopes in it; ``above`` are its nets."""
        if net.name in above:
            raise Untold(f"net {net.name!r} runs itself")
        if any(p.name == UNDOING for p in net.places):
            raise Untold(f"net {net.name!r} undoes what was done")
        if len(self.scopes) >= MOST:
            raise Untold(f"there are more than {MOST} scopes")
        found = Scope(net, prefix, len(self.places), task)
        self.scopes.append(found)
        for p in net.places:
            tokens = p.tokens if task is None else 0
            self.places.append(msgspec.structs.replace(p, name=prefix + p.name, tokens=tokens))
        for inner in net.tasks.values():
            if inner.child in self.leading:
                child = self.nets[inner.child]
                found.below[inner.name] = [
                    self.scope(child, f"{prefix}{inner.name}#{k}/", inner, (*above, net.name))
                    for k in range(1, SCOPES + 1)
                ]
                for scope in found.below[inner.name]:
                    free = 1 if task is None else 0
                    self.places.append(Place(scope.free, free, resting=True))
        return found

    def strung(self) -> Together:
        self.fill(self.case)
        copies: dict[tuple[str, str], list[str]] = {}
        for scope in self.scopes:
            for p in scope.net.places:
                copies.setdefault((scope.net.name, p.name), []).append(scope.prefix + p.name)
        net = Net(
            name=self.case.net.name,
            places=tuple(self.places),
            transitions=tuple(
                _counting(t, scope.net, copies)
                for t, (scope, _) in zip(self.transitions, self.owners, strict=True)
            ),
            tasks=self.tasks,
            explicit=self.case.net.explicit,
        )
        return Together(net, self.scopes, self.owners, self.failing, frozenset(self.kept))

    def add(self, scope: Scope, number: int, t: Transition) -> None:
        self.transitions.append(t)
        self.owners.append((scope, number))

    def fill(self, scope: Scope, above: Scope | None = None) -> None:
        """Add the tasks and transitions of a scope, and of those in it."""
        for task in scope.net.tasks.values():
            self.tasks[scope.prefix + task.name] = _named_task(task, scope)
            if above is not None:
                self.failing[scope.prefix + task.name] = scope.ending("fail")
        runs = {scope.net.tasks[name].run for name in scope.below}
        for number, plain in enumerate(scope.net.transitions):
            t = self.named(plain, scope)
            if above is not None and plain.ends is not None and not plain.ends.case:
                done = plain.ends.outcome is Outcome.COMPLETED
                self.add(scope, number, self.ended(scope, above, t, completed=done))
            elif plain.task not in scope.below or plain.role in _AROUND:
                if any(a.place in runs for a in plain.take):
                    raise Untold(f"{plain.name!r} takes what is under way")
                self.add(scope, number, t)
            elif plain.role in (Role.START, Role.RETRY):
                for opened in self.opened(scope, plain, t):
                    self.add(scope, number, opened)
        if above is not None:
            unfinished = zip(scope.net.places, scope.net.unfinished, strict=True)
            left = tuple(Arc(scope.prefix + p.name) for p, yes in unfinished if yes)
            idle = Transition(scope.ending("complete"), lacks=left, priority=LAST)
            if not scope.net.explicit:
                self.add(above, -1, self.ended(scope, above, idle, completed=True))
            fails = Transition(scope.ending("fail"), external=True, role=Role.FIRE)
            self.add(above, -1, self.ended(scope, above, fails, completed=False))
            self.kept.add(fails.name)
        for inner in (s for several in scope.below.values() for s in several):
            self.fill(inner, scope)

    def named(self, t: Transition, scope: Scope) -> Transition:
        """A transition of a scope by its name in the whole; what it cancels goes with all in it."""
        prefix = scope.prefix

        def arcs(group: Iterable[Arc]) -> tuple[Arc, ...]:
            return tuple(a if a.case_wide else Arc(prefix + a.place, a.weight) for a in group)

        gone = [
            inner
            for name, several in scope.below.items()
            if scope.net.tasks[name].run in t.clear
            for inner in several
        ]
        swept = [place for inner in gone for place in (inner.free, *inner.tokens)]
        join = t.or_join
        if join is not None:
            join = msgspec.structs.replace(join, inputs=tuple(prefix + p for p in join.inputs))
        return msgspec.structs.replace(
            t,
            name=prefix + t.name,
            task=None if t.task is None else prefix + t.task,
            take=arcs(t.take),
            put=(*arcs(t.put), *(Arc(inner.free) for inner in gone)),
            needs=arcs(t.needs),
            lacks=arcs(t.lacks),
            clear=(*(prefix + p for p in t.clear), *swept),
            counted=tuple((prefix + p, text) for p, text in t.counted),
            or_join=join,
        )

    def opened(self, scope: Scope, plain: Transition, t: Transition) -> Iterator[Transition]:
        """The start, or another attempt, of a composite task: in the first child scope that is free."""
        task = scope.net.tasks[str(plain.task)]
        frees: list[str] = []
        for k, inner in enumerate(scope.below[task.name], 1):
            begun = [Arc(p, n) for p, n in inner.tokens.items() if n]
            yield msgspec.structs.replace(
                t,
                name=f"{t.name}#{k}",
                take=(*t.take, Arc(inner.free)),
                lacks=(*t.lacks, *map(Arc, frees)),
                put=(*t.put, *begun),
            )
            frees.append(inner.free)
            if plain.role is Role.RETRY and task.retry.attempts <= 1 and not task.asks:
                self.kept.add(f"{t.name}#{k}")

    def ended(self, scope: Scope, above: Scope, t: Transition, *, completed: bool) -> Transition:
        """A transition of a scope that ends it, and with it the work item of the task above."""
        task = scope.task
        assert task is not None
        name = task.complete if completed else task.fail
        done = self.named(above.net.transitions[above.net.transition_index[name]], above)
        put = {a.place: a for a in done.put} | {scope.free: Arc(scope.free)}
        return msgspec.structs.replace(
            t,
            take=(*t.take, *done.take),
            needs=(*t.needs, *done.needs),
            lacks=(*t.lacks, *done.lacks, Arc(scope.free)),
            clear=tuple(dict.fromkeys((*done.clear, *scope.tokens))),
            put=tuple(put.values()),
            counted=done.counted,
            ends=None,
        )


_AROUND = (Role.GIVE_UP, Role.TIME_OUT, Role.LAPSE, Role.REMIND, Role.ADD, Role.SEAL, Role.NONE)
"""What belongs to a composite task and leaves its child scopes alone."""


def _leading(nets: Mapping[str, Net], wide: Iterable[str]) -> frozenset[str]:
    """These nets, and all that run one of them, directly or further down."""
    found = set(wide)
    grown = True
    while grown:
        more = {
            name
            for name, net in nets.items()
            if name not in found and any(t.child in found for t in net.tasks.values())
        }
        found |= more
        grown = bool(more)
    return frozenset(found)


def _named_task(task: Task, scope: Scope) -> Task:
    """A task of a scope by the names of the whole."""
    prefix = scope.prefix
    retry = f"{task.retry_by}#1" if task.name in scope.below else task.retry_by
    return msgspec.structs.replace(
        task,
        name=prefix + task.name,
        run=prefix + task.run,
        held=prefix + task.held,
        retry_by=prefix + retry,
        give_up=None if task.give_up is None else prefix + task.give_up,
        time_out=None if task.time_out is None else prefix + task.time_out,
        lapses=tuple(prefix + name for name in task.lapses),
        reminds=tuple(prefix + name for name in task.reminds),
    )


def _counting(
    t: Transition, net: Net, copies: Mapping[tuple[str, str], Sequence[str]]
) -> Transition:
    """A transition whose case-wide arcs name their place in every scope of its net."""
    if any(a.case_wide for a in t.needs) or any(a.case_wide and a.weight > 1 for a in t.lacks):
        raise Untold(f"{t.name!r} counts tokens over several scopes")
    lacks: dict[str, int] = {}
    for a in t.lacks:
        for place in copies[net.name, a.place] if a.case_wide else (a.place,):
            lacks[place] = min(a.weight, lacks.get(place, a.weight))
    return msgspec.structs.replace(t, lacks=tuple(Arc(p, n) for p, n in lacks.items()))


class TogetherRuns(Runs):
    """The quiescent markings of nets that were strung together: see `weft.engine.verify.runs`.

    Each scope has its own data, so its conditions are its own; an OR-join looks at its scope alone;
    and what cannot be mended in a child scope fails the work item above it.
    """

    def __init__(self, together: Together, *, constants: bool = True) -> None:
        self.together = together
        self.strung = together.strung
        super().__init__(together.net, alone=False, never=together.kept, constants=constants)
        prefixes = [scope.prefix for scope, _ in together.owners]
        self.asked = [
            None if asked is None else prefix + asked
            for asked, prefix in zip(self.asked, prefixes, strict=True)
        ]
        self.fixed_guards = {
            prefix + text: yes for prefix in prefixes for text, yes in self.fixed_guards.items()
        }

    def allowed(self, marking: Marking, t: int) -> bool:
        """Whether the arcs allow a firing."""
        if t not in self.inputs:
            return super().allowed(marking, t)
        scope, number = self.together.owners[t]
        cells = [marking.get(scope.first + p, 0) for p in range(len(scope.net.places))]
        return self.marked(marking, t) and orjoin.enabled(scope.net, cells, number)

    def _as_running(self, task: Task) -> bool:
        return task.name not in self.strung and super()._as_running(task)

    def _spent(self, task: Task, marking: Marking) -> bool:
        once = task.name in self.strung and task.retry.attempts <= 1 and not task.asks
        return once or super()._spent(task, marking)

    def _abandoned(
        self,
        trail: tuple[int, ...],
        task: Task,
        marking: Marking,
        assignment: int,
        *,
        asked: bool = False,
    ) -> Iterator[tuple[tuple[int, ...], Marking, int | None]]:
        fails = self.together.failing.get(task.name)
        for moved, after, end in super()._abandoned(trail, task, marking, assignment, asked=asked):
            if end == BROKEN and fails is not None:
                t = self.net.transition_index[fails]
                yield (*moved, t), self.fired(after, t, assignment), None
            else:
                yield moved, after, end

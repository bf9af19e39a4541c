"""Exploring a specification: every state that any order of commands can lead a case to.

The whole of `decide` is explored, not the net alone: with automatic starts, guards over data,
child scopes, failures and retries. A *mutant* is a net with one transition changed; the
properties of a pattern have to find it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs
import msgspec

from tests.engine import generated as g
from weft.engine import commands as c
from weft.engine import events as e
from weft.engine.case import CaseState, WorkItem
from weft.engine.decide import Limits, decide
from weft.engine.instances import Instances
from weft.engine.lifecycle import CaseStatus, ItemStatus
from weft.engine.net import Arc, CompiledSpecification, Transition, arcs_of
from weft.engine.ports import CaseId, ItemId, Microseconds

MOST = 5000
LIMITS = Limits(firings=200, depth=3)


@attrs.frozen
class Step:
    """One step of a case: the state before, what was asked, what happened, the state after."""

    before: CaseState | None
    asked: c.Command
    events: tuple[e.Event, ...]
    after: CaseState


Results = tuple[Any, ...] | Callable[[WorkItem], tuple[Any, ...]]
"""What items may be completed with: the same for all, or by item."""


def commands(
    case: CaseState, results: Results, failures: bool, adds: int = 0
) -> Iterator[c.Command]:
    """What may be asked: of items that only their numbers tell apart, of the oldest.

    To a task that is open for more, instances are added until it has had so many as ``adds``.
    """
    for scope, task in case.open_for_more():
        if case.scopes[scope].instances[task.name].count < adds:
            yield c.AddInstance(task.name, "added", scope)
        yield c.SealTask(task.name, scope)
    seen = set()
    for item in case.items.values():
        kind = (item.task, item.scope, item.status, item.attempt, item.instance)
        if kind in seen or item.child is not None:
            continue
        seen.add(kind)
        name = ItemId(item.id)
        if item.status is ItemStatus.OFFERED:
            yield c.StartWorkItem(name)
        elif item.status is ItemStatus.FAILED:
            yield c.RetryWorkItem(name)
            yield c.GiveUpWorkItem(name)
        else:
            given = results(item) if callable(results) else results
            yield from (c.CompleteWorkItem(name, result) for result in given)
            if failures and item.attempt < 2:
                yield c.FailWorkItem(name, {"code": "no"})


def arrivals(case: CaseState, kept: int = 2) -> Iterator[c.Command]:
    """What may come from outside: each trigger, until so many are kept; each timer that is set."""
    for trigger in case.compiled.triggers:
        if len(case.kept) < kept:
            yield c.DeliverTrigger(trigger, len(case.kept))
    for waiting in case.waits.values():
        if waiting.due is not None:
            yield c.FireTimer(waiting.id, Microseconds(waiting.due))
    for item in case.items.values():
        if item.expires is not None:
            yield c.FireTimer(item.id, Microseconds(item.expires))
        if item.due is not None and not item.reminded:
            yield c.FireTimer(item.id, Microseconds(item.due))


def canonical(case: CaseState, *, numbers: bool = True) -> Any:
    """What makes two states the same for exploring: all but the numbers of items.

    Without ``numbers``, those of attempts (a crash adds to them) and of scopes (only which is the
    older one) do not count either.
    """
    first = {
        (scope.id, task): known.lists[-1].first if known.lists else 0
        for scope in case.scopes.values()
        for task, known in scope.instances.items()
    }
    of = {s: s if numbers else rank for rank, s in enumerate(sorted(case.scopes))}
    items = sorted(
        (
            i.task,
            of[i.scope],
            i.status.value,
            min(i.attempt, 2) if numbers else 0,
            -1 if i.instance is None else i.instance - first[i.scope, i.task],
        )
        for i in case.items.values()
    )
    data = {of[n]: sorted(s.data.items()) for n, s in case.scopes.items()}
    several = [
        ((of[where[0]], where[1]), *_relative(case.scopes[where[0]].instances[where[1]], begin))
        for where, begin in first.items()
    ]
    waits = sorted((w.wait, of[w.scope], w.key) for w in case.waits.values())
    kept = [(k.trigger, k.data, k.key) for k in case.kept.values()]
    reminded = sorted(i.task for i in case.items.values() if i.reminded)
    marking = sorted((of[scope], places) for scope, places in case.marking().items())
    return repr((case.status, marking, items, data, several, waits, kept, reminded))


def _relative(known: Instances, first: int) -> tuple[Any, ...]:
    """The instances of a task, counted from the first of their activation."""
    numbers = (known.count, known.next, *known.back)
    results = sorted((number - first, result) for number, result in known.results.items())
    return (*(number - first for number in numbers), results)


def explore(
    nets: CompiledSpecification,
    *,
    results: Results = (0,),
    failures: bool = False,
    arriving: bool = False,
    rounds: int | None = None,
    adds: int = 0,
    **data: Any,
) -> list[Step]:
    """Every step that can be taken; ``rounds`` bounds how many commands deep.

    With ``arriving`` triggers may come and timers fire at any moment.
    """
    started = c.StartCase(CaseId("c"), nets, data)
    first = decide(None, started, time=g.TIME, limits=LIMITS)
    steps = [Step(None, started, first.events, first.case)]
    seen = {canonical(first.case)}
    level = [first.case]
    while level and rounds != 0:
        following = []
        for case in level:
            if not g.active(case):
                continue
            coming = arrivals(case) if arriving else ()
            for asked in (*commands(case, results, failures, adds), *coming):
                time = asked.due if isinstance(asked, c.FireTimer) else g.TIME
                try:
                    decision = decide(case, asked, time=time, limits=LIMITS)
                except g.CommandRejected:
                    continue
                steps.append(Step(case, asked, decision.events, decision.case))
                if (key := canonical(decision.case)) not in seen:
                    seen.add(key)
                    following.append(decision.case)
                    assert len(seen) < MOST, "too many states to explore"
        level = following
        rounds = None if rounds is None else rounds - 1
    return steps


def ends(steps: list[Step]) -> set[CaseStatus]:
    """How the case can end."""
    return {s.after.status for s in steps if not g.active(s.after)}


def open_tasks(case: CaseState | None) -> list[str]:
    """The tasks of the open items, sorted; each as often as it has items."""
    return [] if case is None else sorted(i.task for i in case.items.values())


def begun(step: Step) -> list[str]:
    """The tasks that a step has started or offered, in order."""
    kinds = (e.WorkItemStarted, e.WorkItemOffered)
    return [x.item.rpartition("/")[0] for x in step.events if isinstance(x, kinds)]


def completed(step: Step) -> str | None:
    """The task that a step's command has completed, if it has."""
    if not isinstance(step.asked, c.CompleteWorkItem):
        return None
    first = step.events[0]
    return first.item.rpartition("/")[0] if isinstance(first, e.WorkItemCompleted) else None


def after(steps: list[Step], task: str) -> list[Step]:
    """The steps that complete a task; there are some."""
    found = [s for s in steps if completed(s) == task]
    assert found, f"{task} never completes"
    return found


# ── mutants ──────────────────────────────────────────────────────────────────────────────────


def mutant(
    nets: CompiledSpecification, name: str, net: str | None = None, **changes: Any
) -> CompiledSpecification:
    """The nets with one transition changed (``gone=True``: taken out); it has to be there."""
    chosen = nets.nets[net or nets.root]
    assert any(t.name == name for t in chosen.transitions), [t.name for t in chosen.transitions]
    if changes.pop("gone", False):
        transitions = tuple(t for t in chosen.transitions if t.name != name)
    else:
        arcs = {k: arcs_of(v) for k, v in changes.items() if k in ("take", "put", "needs", "lacks")}
        transitions = tuple(
            msgspec.structs.replace(t, **{**changes, **arcs}) if t.name == name else t
            for t in chosen.transitions
        )
    changed = msgspec.structs.replace(chosen, transitions=transitions)
    return msgspec.structs.replace(nets, nets={**nets.nets, chosen.name: changed})


def killed(holds: Callable[[CompiledSpecification], None], nets: CompiledSpecification) -> bool:
    """Whether a property, which raises where it does not hold, finds a mutant out."""
    try:
        holds(nets)
    except AssertionError:
        return True
    return False


def transition(nets: CompiledSpecification, name: str) -> Transition:
    """A transition of the root net."""
    (found,) = (t for t in nets.net.transitions if t.name == name)
    return found


def places(arcs: tuple[Arc, ...]) -> list[str]:
    """The places of arcs."""
    return [arc.place for arc in arcs]

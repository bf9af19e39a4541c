"""The nets of specifications that may be verified as plain nets, without looking at their runs.

In such a net nothing depends on the order in which what happens by itself happens: who may take
from a place is of one kind (immediate, automatic, or somebody outside), conditions decide freely,
and nobody looks at a place without taking from it. Then each way to the end can be put in the
order in which the engine would do it, so whatever holds of all orders holds of the engine's: that
a final marking can be reached, that no place holds two tokens, and that each transition can fire.
A bad answer need not carry over; it is sought again among the runs (`weft.engine.verify.runs`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from weft.engine.expressions import compile_expression
from weft.engine.net import Net, Role, Transition
from weft.engine.verify.arcs import ArcNet, Arcs

__all__ = ["plain_form"]


def plain_form(net: Net) -> ArcNet | None:
    """The arcs of a net as a plain one, or None if it may not be taken for one.

    Failed attempts that are made again are left out, a failure without an error branch too: they
    lead back, or end the case. A firing that ends the case as failed or cancelled takes its
    tokens away. Limits of one item for a task are left out: where the net turns out to be safe
    without them, they never made a difference.
    """
    if net.explicit or any(p.tokens > 1 for p in net.places):
        return None
    place = net.place_index
    transitions: dict[int, Arcs] = {}
    for i, t in enumerate(net.transitions):
        if t.role in (Role.FAIL, Role.RETRY):
            if len(t.take) > 1 or t.needs or t.clear or not _limits_itself(net, t):
                return None
            continue
        arcs = _arcs(net, t, place)
        if arcs is None:
            return None
        if arcs.take:
            arcs.steps = i
            transitions[i] = arcs
    if not (_one_kind(net) and _free_choices(net)):
        return None
    return ArcNet(
        places=len(net.places),
        transitions=transitions,
        initial={i: p.tokens for i, p in enumerate(net.places) if p.tokens},
    )


def _arcs(net: Net, t: Transition, place: dict[str, int]) -> Arcs | None:
    """The arcs of a transition if it only takes and puts; those of one that can be left out, none."""
    ends = t.ends is not None and t.ends.outcome != "completed"
    if ends and not t.take and not (t.clear or t.counted or t.lacks):
        return Arcs({}, {})  # it looks at a token and stops everything
    if (
        (t.ends is not None and not ends)
        or t.clear
        or t.counted
        or t.needs
        or not t.take
        or t.or_join is not None
        or not _limits_itself(net, t)
        or t.role not in (Role.NONE, Role.START, Role.COMPLETE, Role.GIVE_UP)
    ):
        return None
    if any(net.places[place[a.place]].resting for a in (*t.take, *t.put)):
        return None
    take = {place[a.place]: a.weight for a in t.take}
    if t.role is Role.GIVE_UP:  # failing and giving up are one
        task = net.tasks[str(t.task)]
        take = {place[task.run]: 1}
    put: dict[int, int] = {}
    for a in () if ends else t.put:
        put[place[a.place]] = put.get(place[a.place], 0) + a.weight
    return Arcs(take, put)


def _limits_itself(net: Net, t: Transition) -> bool:
    """Whether all that a transition lacks are other items of its own task."""
    if not t.lacks:
        return True
    task = net.tasks.get(t.task or "")
    return task is not None and all(
        a.place in (task.run, task.held) and a.weight == 1 and not a.case_wide for a in t.lacks
    )


def _one_kind(net: Net) -> bool:
    """Whether all that take from a place are immediate, automatic starts, or neither."""
    kinds: dict[str, tuple[str, str | None]] = {}
    for t in net.transitions:
        for arc in t.take:
            if not t.external:
                kind: tuple[str, str | None] = ("immediate", None)
            elif t.role is Role.START and net.tasks[str(t.task)].automatic:
                # Of two automatic tasks the first one always starts.
                kind = ("automatic", t.task)
            else:
                kind = ("outside", None)
            if kinds.setdefault(arc.place, kind) != kind:
                return False
    return True


def _free_choices(net: Net) -> bool:
    """Whether every immediate transition that may fire does so for some data.

    Of those that compete the last alone may be without a condition; no condition is fixed; and no
    two choices ask the same within one step, so that they cannot contradict each other.
    """
    takers: dict[str, list[Transition]] = {}
    for t in net.transitions:
        if t.external:
            continue
        if t.when is not None and not compile_expression(t.when).reads:
            return False
        for arc in t.take:
            takers.setdefault(arc.place, []).append(t)
    if not _ask_apart(net, takers):
        return False
    rank = {t.name: r for t, r in zip(net.transitions, net.rank, strict=True)}
    for rivals in takers.values():
        if len(rivals) > 1:
            rivals.sort(key=lambda t: rank[t.name])
            if any(t.when is None for t in rivals[:-1]):
                return False
            asked = [t.when for t in rivals if t.when is not None]
            if len(asked) != len(set(asked)):
                return False
            if any(len(t.take) > 1 for t in rivals):
                return False  # who can fire depends on other places too
    return True


def _ask_apart(net: Net, takers: Mapping[str, Sequence[Transition]]) -> bool:
    """Whether what can follow on one event asks each condition in one choice only.

    ``takers`` are the immediate transitions by the places that they take from.
    """
    asked = [t.when for t in net.transitions if t.when is not None]
    if len(asked) == len(set(asked)):
        return True
    events = [[a.place for a in t.put] for t in net.transitions if t.external]
    events.append([p.name for p in net.places if p.tokens])
    for places in events:
        seen, queue = set(places), list(places)
        texts: dict[str, str] = {}
        while queue:
            for t in takers.get(queue.pop(), ()):
                owner = t.name.rpartition(".")[0]
                if t.when is not None and texts.setdefault(t.when, owner) != owner:
                    return False
                new = {a.place for a in t.put} - seen
                seen |= new
                queue += new
    return True

"""Compensation: how a net undoes what has been done, in reverse order of completion.

A task may name another one that undoes it (``compensate``). Of each completion a token stays in
the place ``T.undoable``, and the scope remembers the order (`ScopeState.completed`). A task whose
``on-failure`` is ``compensate`` turns the scope round when it has failed for good:

    give up:  held ─▶ (undoing), (undo turn)         nothing else starts or is retried any more
    U.start:  (undo turn), T.undoable ─▶ U.run       when no item of the net is at work, and
    U.complete:            U.run ─▶ (undo turn)      T is what was completed last
    (undone): (undoing)    ─▶ the scope is cancelled when nothing is left to undo

So what runs when the failure comes may end, and is undone, too; each step back is a work item
like any other, durable and retried by its own policy; and a crash falls between two of them.
The pattern is the saga of Garcia-Molina and Salem, "Sagas" (1987).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from weft.engine.net import Arc, Ends, Outcome, Role, Transition, immediate

__all__ = ["TURN", "UNDOING", "UNDONE", "all_undone", "turned_round", "undoable_place"]

UNDOING = "(undoing)"
"""Marked while a scope is turned round."""

TURN = "(undo turn)"
"""Marked between two steps back."""

UNDONE = "(undone)"
"""The transition that ends it."""


def undoable_place(task: str) -> str:
    """Where a token stays of each completion of a task that can be undone."""
    return f"{task}.undoable"


def all_undone(undoable: Collection[str], runs: Collection[str]) -> Transition:
    """The end of it: all is undone, and the scope is cancelled."""
    return immediate(
        UNDONE,
        take=[UNDOING],
        needs=[TURN],
        lacks=[*undoable, *runs],
        ends=Ends(Outcome.CANCELLED, reason="compensated"),
    )


def turned_round(
    transitions: Sequence[Transition], undoers: Collection[str], runs: Collection[str]
) -> list[Transition]:
    """Transitions that heed whether their scope is turned round.

    Nothing new begins then but the steps back, and those one by one, when nothing is at work.
    """
    still = tuple(Arc(place) for place in runs)
    forward = (Arc(UNDOING),)
    found = []
    for t in transitions:
        if t.name == UNDONE:
            lacks = t.lacks
        elif t.role is Role.START and t.task in undoers:
            lacks = (*t.lacks, *(arc for arc in still if arc not in t.lacks))
        elif (t.role in (Role.START, Role.RETRY) and t.task not in undoers) or t.ends is not None:
            lacks = (*t.lacks, *forward)
        else:
            lacks = t.lacks
        found.append(t if lacks is t.lacks else msgspec.structs.replace(t, lacks=lacks))
    return found

"""Termination: WCP-11 and WCP-43."""

from __future__ import annotations

from weft.engine.fragment import Fragment, Place
from weft.engine.net import Ends, Outcome, immediate
from weft.engine.registry import Attachment, Family, pattern

__all__ = ["explicit_termination", "implicit_termination"]


@pattern(11, "Implicit Termination", family=Family.TERMINATION, attaches=Attachment.THEN)
def implicit_termination(input: Place, end: Place) -> Fragment:
    """A thread ends here; the case completes when nothing is left to do, now or later.

    WCP-11 in Russell et al., "Workflow Control-Flow Patterns" (2006). What a task without ``then``
    does. The thread rests at the end of the net, where it is no unfinished work; whether anything
    else is left is judged for the whole case, so that a deadlock is told apart.

        input ─▶ [done] ─▶ end
    """
    return Fragment([immediate("done", take=[input], put=[end])])


@pattern(
    43,
    "Explicit Termination",
    family=Family.TERMINATION,
    attaches=Attachment.THEN,
    aliases=["end node", "terminate end event"],
)
def explicit_termination(input: Place) -> Fragment:
    """Reaching the end node completes the scope (at the top, the case) and withdraws the rest.

    WCP-43 in Russell et al., "Workflow Control-Flow Patterns" (2006).

        input ─▶ [end]: the scope is completed
    """
    return Fragment([immediate("end", take=[input], ends=Ends(Outcome.COMPLETED))])

"""Cancellation: WCP-20."""

from __future__ import annotations

from weft.engine.fragment import Fragment, Place
from weft.engine.net import Ends, Outcome, immediate
from weft.engine.registry import Attachment, Family, pattern

__all__ = ["cancel_case"]


@pattern(
    20,
    "Cancel Case",
    family=Family.CANCELLATION,
    attaches=Attachment.THEN,
    aliases=["cancel process instance"],
)
def cancel_case(input: Place) -> Fragment:
    """Everything in the case and its children is withdrawn; the case is recorded as cancelled.

    WCP-20 in Russell et al., "Workflow Control-Flow Patterns" (2006).

        input ─▶ [cancel]: the case is cancelled
    """
    return Fragment(
        [
            immediate(
                "cancel",
                take=[input],
                ends=Ends(Outcome.CANCELLED, case=True, reason="the flow reached a cancel-case"),
            )
        ]
    )

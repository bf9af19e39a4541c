"""Cancellation: WCP-19, 20 and 25."""

from __future__ import annotations

from weft.engine.fragment import Extra, Fragment, Place, Region, Task
from weft.engine.net import Ends, Outcome, immediate
from weft.engine.registry import Attachment, Family, pattern

__all__ = ["cancel_case", "cancel_region", "cancel_task"]


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


@pattern(19, "Cancel Task", family=Family.CANCELLATION, attaches=Attachment.TASK)
def cancel_task(task: Task, tasks: Region) -> Fragment:
    """When the task completes, other tasks are withdrawn, whether offered or running.

    WCP-19 in Russell et al., "Workflow Control-Flow Patterns" (2006). Running work is told to stop
    and cannot complete later. The reset stands on the completion itself, so that nothing can slip
    out of it.

        (complete of the task) clears the places of the tasks
    """
    return Fragment(completes={task: Extra(clear=tasks)})


@pattern(
    25,
    "Cancel Region",
    family=Family.CANCELLATION,
    attaches=Attachment.TASK,
    aliases=["cancellation set"],
)
def cancel_region(task: Task, region: Region) -> Fragment:
    """When the task completes, a region is emptied: any tasks and places of its net.

    WCP-25 in Russell et al., "Workflow Control-Flow Patterns" (2006). The region need not be
    connected, and may hold the task itself: the reset comes before the outputs.

        (complete of the task) clears the places of the region
    """
    return Fragment(completes={task: Extra(clear=region)})

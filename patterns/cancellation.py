"""Cancellation: WCP-19, 20 and 25 to 27."""

from __future__ import annotations

from weft.engine.fragment import Extra, Fragment, Place, Region, Several, SeveralTasks, Task
from weft.engine.net import Ends, Outcome, Transition, immediate
from weft.engine.registry import Attachment, Family, pattern

__all__ = [
    "cancel_case",
    "cancel_multiple_instance_task",
    "cancel_region",
    "cancel_task",
    "complete_multiple_instance_task",
]


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


def _stopping(one: Several, output: str | None) -> list[Transition]:
    """What a token in ``stop`` does to a multiple-instance task, wherever it stands.

    While it is open it is set to rest, and the flow goes on to ``output`` if there is one. While
    its instances only run on, because it has gone on already, they are withdrawn. Otherwise
    nothing is there to be stopped. What is meant is the activation that runs at that moment, so
    this comes before anything else that the completion leads to.
    """
    stop, name = f"stop {one.task}", one.task
    on = [] if output is None else [output]
    states = [place for place in (one.open, one.draining) if place is not None]
    transitions = [
        immediate(f"no {name}", take=[stop], lacks=states, priority=-1),
    ]
    if one.open is not None:
        transitions.append(
            immediate(f"end {name}", take=[stop, one.open], clear=one.places, put=[*one.rest, *on])
        )
    if one.draining is not None:
        transitions.append(
            immediate(
                f"end rest of {name}",
                take=[stop, one.draining],
                clear=one.places,
                put=one.rest,
                priority=-1,
            )
        )
    return transitions


@pattern(
    26,
    "Cancel Multiple Instance Task",
    family=Family.CANCELLATION,
    attaches=Attachment.TASK,
    aliases=["cancel multiple instance activity"],
)
def cancel_multiple_instance_task(task: Task, tasks: SeveralTasks) -> Fragment:
    """When the task completes, the unfinished instances of others are withdrawn; no successor.

    WCP-26 in Russell et al., "Workflow Control-Flow Patterns" (2006). Finished instances keep
    their results: they are written as if the task had ended. What is cancelled is set to rest, so
    that it may begin anew.

        (complete of the task) ─▶ stop
        stop, open ─▶ [end: clears ready, run, held, done, may] ─▶ free
        stop (no open) ─▶ [no]
    """
    waiting = [one for one in tasks if one.open is not None]
    at_once = [place for one in tasks if one.open is None for place in one.places]
    return Fragment(
        [t for one in waiting for t in _stopping(one, None)],
        unfinished=[f"stop {one.task}" for one in waiting],
        completes={task: Extra(put=[f"stop {one.task}" for one in waiting], clear=at_once)},
        collects={f"end {one.task}": one.task for one in waiting},
    )


@pattern(
    27,
    "Complete Multiple Instance Task",
    family=Family.CANCELLATION,
    attaches=Attachment.TASK,
    aliases=["complete multiple instance activity", "force completion"],
)
def complete_multiple_instance_task(task: Task, tasks: SeveralTasks) -> Fragment:
    """When the task completes, others are ended with the results there are, and flow on.

    WCP-27 in Russell et al., "Workflow Control-Flow Patterns" (2006). Their unfinished instances
    are withdrawn, and their successors run.

        (complete of the task) ─▶ stop
        stop, open ─▶ [end: clears ready, run, held, done, may] ─▶ output, free
        stop (no open) ─▶ [no]
    """
    for one in tasks:
        if one.open is None:
            raise ValueError(
                f"{one.task!r} goes on at once (`wait: false`), so there is nothing to complete; "
                "cancel-multiple-instance-task withdraws its instances"
            )
    return Fragment(
        [t for one in tasks for t in _stopping(one, one.output)],
        unfinished=[f"stop {one.task}" for one in tasks],
        completes={task: Extra(put=[f"stop {one.task}" for one in tasks])},
        collects={f"end {one.task}": one.task for one in tasks},
    )

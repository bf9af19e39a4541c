"""State-based patterns: WCP-16 to 18, 39 and 40."""

from __future__ import annotations

from weft.engine.fragment import (
    Extra,
    Flows,
    Fragment,
    Place,
    PlaceName,
    Targets,
    Task,
    TaskGroup,
    TaskGroups,
    held_place,
    run_place,
)
from weft.engine.net import Arc
from weft.engine.registry import Attachment, Family, pattern

__all__ = [
    "critical_section",
    "deferred_choice",
    "interleaved_parallel_routing",
    "interleaved_routing",
    "milestone",
]


@pattern(
    16,
    "Deferred Choice",
    family=Family.STATE_BASED,
    attaches=Attachment.THEN,
    aliases=["event-based gateway", "pick"],
)
def deferred_choice(input: Place, branches: Targets) -> Fragment:
    """The environment decides: all branches are offered, the first to start withdraws the others.

    WCP-16 in Russell et al., "Workflow Control-Flow Patterns" (2006). All alternatives take from
    one and the same place, so starting one disables the others in the same instant; that is the
    whole of it, and why it cannot be raced.

        input ─▶ (start of branch 1) | … | (start of branch m)
    """
    return Fragment(same=dict.fromkeys(branches, input))


def _one_at_a_time(tasks: TaskGroup) -> Fragment:
    """No start of one of the tasks while another of them is open, or is held after a failure."""
    return Fragment(
        starts={
            task: Extra(
                lacks=[
                    place
                    for other in tasks
                    if other != task
                    for place in (run_place(other), held_place(other))
                ]
            )
            for task in tasks
        }
    )


@pattern(
    17,
    "Interleaved Parallel Routing",
    family=Family.STATE_BASED,
    attaches=Attachment.NET,
    aliases=["unordered sequence"],
)
def interleaved_parallel_routing(tasks: TaskGroup) -> Fragment:
    """Tasks in a given partial order, one at a time.

    WCP-17 in Russell et al., "Workflow Control-Flow Patterns" (2006). The flows between the tasks
    are the partial order, and see to it that each runs once; this keeps them apart: each start
    ``lacks`` the open and the held items of the others.

        (start of a) lacks b.run, b.held, c.run, c.held
    """
    return _one_at_a_time(tasks)


@pattern(
    18, "Milestone", family=Family.STATE_BASED, attaches=Attachment.TASK, aliases=["deadline state"]
)
def milestone(task: Task, place: PlaceName) -> Fragment:
    """The task is enabled only while the case is in a state.

    WCP-18 in Russell et al., "Workflow Control-Flow Patterns" (2006). The state is a token in a
    declared place; it is tested, not consumed. When it goes, the offer is withdrawn.

        (start of the task) needs place
    """
    return Fragment(starts={task: Extra(needs=[place])})


@pattern(
    39,
    "Critical Section",
    family=Family.STATE_BASED,
    attaches=Attachment.NET,
    aliases=["mutual exclusion"],
)
def critical_section(regions: TaskGroups, flows: Flows) -> Fragment:
    """Of several regions of a case, never two are active at the same time.

    WCP-39 in Russell et al., "Workflow Control-Flow Patterns" (2006). There is no lock token that
    could leak: a region is active while one of its tasks has an open or held item or a flow
    between two of its tasks holds a token, and every start in a region ``lacks`` all of that of
    the other regions, in all scopes of the case. So cancelling or failing a region frees it.

        (start of a task of region 1) lacks run, held and inner flows of regions 2, 3, …
    """

    def active(region: tuple[str, ...]) -> list[str]:
        inner = [f.place for f in flows if f.source in region and f.target in region]
        return [place for t in region for place in (run_place(t), held_place(t))] + inner

    return Fragment(
        starts={
            task: Extra(
                lacks=[
                    Arc(place, case_wide=True)
                    for other in regions
                    if other != region
                    for place in active(other)
                ]
            )
            for region in regions
            for task in region
        }
    )


@pattern(40, "Interleaved Routing", family=Family.STATE_BASED, attaches=Attachment.NET)
def interleaved_routing(tasks: TaskGroup) -> Fragment:
    """Tasks in any order, one at a time, each once.

    WCP-40 in Russell et al., "Workflow Control-Flow Patterns" (2006). A parallel split before and
    a synchronization behind the tasks see to it that each runs once; this keeps them apart.

        (start of a) lacks b.run, b.held, c.run, c.held
    """
    return _one_at_a_time(tasks)

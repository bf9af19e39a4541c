"""Iteration: WCP-10, 21 and 22, and a bound on how often a task starts."""

from __future__ import annotations

from weft.engine.fragment import (
    Condition,
    Extra,
    Fragment,
    Place,
    Places,
    PositiveInt,
    Target,
    Task,
)
from weft.engine.net import immediate
from weft.engine.registry import Attachment, Family, pattern
from weft.patterns.basic import merging

__all__ = ["arbitrary_cycles", "recursion", "start_limit", "structured_loop"]


@pattern(
    10,
    "Arbitrary Cycles",
    family=Family.ITERATION,
    attaches=Attachment.JOIN,
    aliases=["unstructured loop", "goto"],
)
def arbitrary_cycles(inputs: Places, output: Place) -> Fragment:
    """A task that flows come back to: loops with several entries and exits.

    WCP-10 in Russell et al., "Workflow Control-Flow Patterns" (2006). A cycle needs nothing but a
    flow to a task that has run before; this is the merge at such an entry, and says so.

        entry   ─▶ [merge 1] ─▶ output
        back 1  ─▶ [merge 2] ─▶ output
    """
    return Fragment(merging(inputs, output))


@pattern(
    21,
    "Structured Loop",
    family=Family.ITERATION,
    attaches=Attachment.TASK,
    aliases=["while loop", "repeat loop", "until loop"],
)
def structured_loop(
    input: Place,
    output: Place,
    body_input: Place,
    body_output: Place,
    while_: Condition | None = None,
    until: Condition | None = None,
    at_most: PositiveInt | None = None,
) -> Fragment:
    """A task is repeated ``while`` a condition holds (tested before) or ``until`` one does (after).

    WCP-21 in Russell et al., "Workflow Control-Flow Patterns" (2006). With ``at-most`` it is done
    so many times and no more, whatever the condition says: each time takes a token, and leaving
    the loop puts them back.

        input ─▶ [enter] ─▶ test ─▶ [again: while] ─▶ body ─▶ [back] ─▶ test ─▶ [leave] ─▶ output
        input ─▶ [enter] ─▶ body ─▶ test ─▶ [leave: until] ─▶ output;  test ─▶ [again] ─▶ body
        with at-most:  [again: take left],  [leave: clear left, put left × at-most]
    """
    if (while_ is None) == (until is None):
        raise ValueError("a structured loop takes either while (tested before) or until (after)")
    takes, gives, left = list[str](), list[str](), dict[str, int]()
    if at_most is not None:
        times = at_most if while_ is not None else at_most - 1  # the first time is not asked for
        takes, gives, left = ["left"], ["left"] * times, {"left": times}
    clears = [*left]
    if while_ is not None:
        return Fragment(
            [
                immediate("enter", take=[input], put=["test"]),
                immediate(
                    "again", take=["test", *takes], put=[body_input], when=while_, priority=1
                ),
                immediate("leave", take=["test"], clear=clears, put=[output, *gives], priority=2),
                immediate("back", take=[body_output], put=["test"]),
            ],
            unfinished=["test"],
            resting=left,
        )
    leave = immediate(
        "leave",
        take=[body_output],
        clear=clears,
        put=[output, *gives],
        when=until,
        priority=1,
    )
    return Fragment(
        [
            immediate("enter", take=[input], put=[body_input]),
            leave,
            *(
                [immediate("again", take=[body_output, *takes], put=[body_input], priority=2)]
                if at_most != 1
                else ()
            ),
            *(
                [
                    immediate(
                        "enough", take=[body_output], clear=clears, put=[output, *gives], priority=3
                    )
                ]
                if at_most is not None
                else ()
            ),
        ],
        resting=left,
    )


@pattern(
    22,
    "Recursion",
    family=Family.ITERATION,
    attaches=Attachment.TASK,
    aliases=["recursive subprocess"],
)
def recursion(task: Task, depth: PositiveInt) -> Fragment:
    """A task runs the net that it belongs to, or one that leads back to it, at most so deep.

    WCP-22 in Russell et al., "Workflow Control-Flow Patterns" (2006). A composite task may name
    any net; each of its items has a scope of its own. The scope that would be too deep does not
    open: its item fails, and the failure goes up until somebody handles it. A recursion that no
    branch could ever leave is refused when it is compiled.

        scope 0 ─▶ (task ─▶ scope 1 ─▶ (task ─▶ … scope depth))
    """
    return Fragment(depths={task: depth})


@pattern(
    None,
    "Start Limit",
    family=Family.ITERATION,
    attaches=Attachment.TASK,
    aliases=["maximum iterations", "loop bound"],
)
def start_limit(
    task: Task,
    input: Place,
    output: Place,
    body_input: Place,
    body_output: Place,
    starts: PositiveInt,
    otherwise: Target,
) -> Fragment:
    """A task starts so many times in a scope and no more; after that the flow goes ``otherwise``.

    A pattern of Weft's own: it bounds an arbitrary cycle (WCP-10). Every start takes a token, an
    attempt after a failure too, and nothing gives one back.

        input ─▶ [enter] ─▶ body ─▶ (start, retry: take left) ─▶ … ─▶ [leave] ─▶ output
                            body ─▶ [used up: lacks left] ─▶ otherwise
    """
    return Fragment(
        [
            immediate("enter", take=[input], put=[body_input]),
            immediate("used up", take=[body_input], put=[otherwise], lacks=["left"]),
            immediate("leave", take=[body_output], put=[output]),
        ],
        resting={"left": starts},
        starts={task: Extra(take=["left"])},
    )

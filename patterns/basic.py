"""Basic control flow: WCP-1 to WCP-5."""

from __future__ import annotations

from weft.engine.fragment import Branches, Fragment, Place, Places, Target, Targets
from weft.engine.net import Ends, Outcome, Transition, immediate
from weft.engine.registry import Attachment, Family, pattern

__all__ = ["exclusive_choice", "parallel_split", "sequence", "simple_merge", "synchronization"]


@pattern(1, "Sequence", family=Family.BASIC, attaches=Attachment.THEN)
def sequence(input: Place, to: Target) -> Fragment:
    """A task is enabled when its predecessor has completed.

    WCP-1 in Russell et al., "Workflow Control-Flow Patterns" (2006).

        input ─▶ [next] ─▶ to
    """
    return Fragment([immediate("next", take=[input], put=[to])])


@pattern(
    2,
    "Parallel Split",
    family=Family.BASIC,
    attaches=Attachment.THEN,
    aliases=["AND-split", "fork"],
)
def parallel_split(input: Place, branches: Targets) -> Fragment:
    """One thread becomes one thread on every branch, at once.

    WCP-2 in Russell et al., "Workflow Control-Flow Patterns" (2006).

        input ─▶ [split] ─▶ branch 1, …, branch m
    """
    return Fragment([immediate("split", take=[input], put=branches)])


@pattern(
    3,
    "Synchronization",
    family=Family.BASIC,
    attaches=Attachment.JOIN,
    aliases=["AND-join", "join"],
)
def synchronization(inputs: Places, output: Place) -> Fragment:
    """One thread leaves when every branch has arrived.

    WCP-3 in Russell et al., "Workflow Control-Flow Patterns" (2006).

        input 1, …, input m ─▶ [join] ─▶ output
    """
    return Fragment([immediate("join", take=inputs, put=[output])])


@pattern(
    4,
    "Exclusive Choice",
    family=Family.BASIC,
    attaches=Attachment.THEN,
    aliases=["XOR-split", "exclusive gateway", "switch"],
)
def exclusive_choice(input: Place, branches: Branches, skips: Places = ()) -> Fragment:
    """The thread goes to the first branch whose condition holds, else to the default.

    WCP-4 in Russell et al., "Workflow Control-Flow Patterns" (2006). Where nothing holds and there
    is no default the case fails and the thread stays where it is, so that a repaired case can go on.

        input ─▶ [choice 1: when] ─▶ branch 1
        input ─▶ [choice m: when] ─▶ branch m
        input ─▶ [otherwise]      ─▶ default
        input ── [nothing holds]: it fails

    Where a synchronizing merge wants to know, the branches that are not taken get word of it.
    """
    words = [place for place in skips if place]
    word = dict(zip(branches, skips or [""] * len(branches), strict=True))
    choices = [
        immediate(
            f"choice {i}" if branch.when else "otherwise",
            take=[input],
            put=[branch.to, *(place for place in words if place != word[branch])],
            when=branch.when,
            priority=i,
        )
        for i, branch in enumerate(branches, 1)
    ]
    if branches[-1].when is not None:
        choices.append(
            immediate(
                "nothing holds",
                needs=[input],
                ends=Ends(
                    Outcome.FAILED,
                    reason="no branch of the exclusive choice holds, and it has no default",
                ),
                priority=len(branches) + 1,
            )
        )
    return Fragment(choices)


@pattern(
    5, "Simple Merge", family=Family.BASIC, attaches=Attachment.JOIN, aliases=["XOR-join", "merge"]
)
def simple_merge(inputs: Places, output: Place) -> Fragment:
    """Each arrival passes on; two are never there at once, which verification checks.

    WCP-5 in Russell et al., "Workflow Control-Flow Patterns" (2006).

        input 1 ─▶ [merge 1] ─▶ output
        input m ─▶ [merge m] ─▶ output
    """
    return Fragment(merging(inputs, output))


def merging(inputs: Places, output: Place) -> list[Transition]:
    """The transitions of every merge that passes each arrival on (WCP-5, 8 and 10)."""
    return [immediate(f"merge {i}", take=[p], put=[output]) for i, p in enumerate(inputs, 1)]

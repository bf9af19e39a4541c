"""Branching and synchronization: WCP-6 and WCP-8."""

from __future__ import annotations

from weft.engine.fragment import Branches, Fragment, Place, Places
from weft.engine.net import Ends, Outcome, Transition, immediate
from weft.engine.registry import Attachment, Family, pattern
from weft.patterns.basic import merging

__all__ = ["multi_choice", "multi_merge"]


@pattern(
    6,
    "Multi-Choice",
    family=Family.BRANCHING,
    attaches=Attachment.THEN,
    aliases=["OR-split", "inclusive gateway"],
)
def multi_choice(input: Place, branches: Branches) -> Fragment:
    """A thread goes to every branch whose condition holds; to the default if none does.

    WCP-6 in Russell et al., "Workflow Control-Flow Patterns" (2006). The conditions are asked one
    after the other over the same data; two chains remember whether any has held so far, which
    needs neither an inhibitor nor a counter.

        none i-1 | some i-1 ─▶ [yes i: when] ─▶ some i, branch i
        none i-1 ─▶ [no i] ─▶ none i          some i-1 ─▶ [not i] ─▶ some i
        none m ─▶ [otherwise] ─▶ default       some m ─▶ [chosen]
    """
    guarded = [branch for branch in branches if branch.when is not None]
    default = next((branch for branch in branches if branch.when is None), None)
    none = [input, *(f"none {i}" for i in range(1, len(guarded) + 1))]
    some = ["", *(f"some {i}" for i in range(1, len(guarded) + 1))]
    transitions: list[Transition] = []
    for i, branch in enumerate(guarded, 1):
        first = immediate(
            f"yes {i}", take=[none[i - 1]], put=[some[i], branch.to], when=branch.when, priority=1
        )
        pass_by = immediate(f"no {i}", take=[none[i - 1]], put=[none[i]], priority=2)
        transitions += [first, pass_by]
        if i > 1:
            again = immediate(
                f"also {i}",
                take=[some[i - 1]],
                put=[some[i], branch.to],
                when=branch.when,
                priority=1,
            )
            skip = immediate(f"not {i}", take=[some[i - 1]], put=[some[i]], priority=2)
            transitions += [again, skip]
    last = len(guarded)
    transitions.append(immediate("chosen", take=[some[last]]))
    if default is not None:
        transitions.append(immediate("otherwise", take=[none[last]], put=[default.to]))
    else:
        transitions.append(
            immediate(
                "nothing holds",
                take=[none[last]],
                put=[input],
                ends=Ends(
                    Outcome.FAILED,
                    case=True,
                    reason="no branch of the multi-choice holds, and it has no default",
                ),
            )
        )
    return Fragment(transitions, unfinished=[*none[1:], *some[1:]])


@pattern(8, "Multi-Merge", family=Family.BRANCHING, attaches=Attachment.JOIN)
def multi_merge(inputs: Places, output: Place) -> Fragment:
    """The successor runs once for every arrival, at the same time if they come so.

    WCP-8 in Russell et al., "Workflow Control-Flow Patterns" (2006).

        input 1 ─▶ [merge 1] ─▶ output
        input m ─▶ [merge m] ─▶ output
    """
    return Fragment(merging(inputs, output))

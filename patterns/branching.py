"""Branching and synchronization: WCP-6 to 9, 28 to 33, 37, 38, 41 and 42."""

from __future__ import annotations

from weft.engine.fragment import (
    Branches,
    Count,
    Fragment,
    Place,
    Places,
    PositiveInt,
    Region,
    Rule,
    Target,
)
from weft.engine.net import (
    Ends,
    Invariant,
    MergeRule,
    OrJoin,
    Outcome,
    Transition,
    immediate,
)
from weft.engine.registry import Attachment, Family, pattern
from weft.patterns.basic import merging

__all__ = [
    "blocking_discriminator",
    "blocking_partial_join",
    "cancelling_discriminator",
    "cancelling_partial_join",
    "general_synchronizing_merge",
    "generalised_and_join",
    "local_synchronizing_merge",
    "multi_choice",
    "multi_merge",
    "structured_discriminator",
    "structured_partial_join",
    "structured_synchronizing_merge",
    "thread_merge",
    "thread_split",
]


@pattern(
    6,
    "Multi-Choice",
    family=Family.BRANCHING,
    attaches=Attachment.THEN,
    aliases=["OR-split", "inclusive gateway"],
)
def multi_choice(input: Place, branches: Branches, skips: Places = ()) -> Fragment:
    """A thread goes to every branch whose condition holds; to the default if none does.

    WCP-6 in Russell et al., "Workflow Control-Flow Patterns" (2006). The conditions are asked one
    after the other over the same data; two chains remember whether any has held so far, which
    needs neither an inhibitor nor a counter.

        none i-1 | some i-1 ─▶ [yes i: when] ─▶ some i, branch i
        none i-1 ─▶ [no i] ─▶ none i          some i-1 ─▶ [not i] ─▶ some i
        none m ─▶ [otherwise] ─▶ default       some m ─▶ [chosen]

    Where a synchronizing merge wants to know, a branch that is not taken puts word of it.
    """
    word = [[place] if place else [] for place in (skips or [""] * len(branches))]
    guarded = [branch for branch in branches if branch.when is not None]
    default = next((branch for branch in branches if branch.when is None), None)
    none = [input, *(f"none {i}" for i in range(1, len(guarded) + 1))]
    some = ["", *(f"some {i}" for i in range(1, len(guarded) + 1))]
    transitions: list[Transition] = []
    for i, branch in enumerate(guarded, 1):
        first = immediate(
            f"yes {i}", take=[none[i - 1]], put=[some[i], branch.to], when=branch.when, priority=1
        )
        pass_by = immediate(f"no {i}", take=[none[i - 1]], put=[none[i], *word[i - 1]], priority=2)
        transitions += [first, pass_by]
        if i > 1:
            again = immediate(
                f"also {i}",
                take=[some[i - 1]],
                put=[some[i], branch.to],
                when=branch.when,
                priority=1,
            )
            skip = immediate(
                f"not {i}", take=[some[i - 1]], put=[some[i], *word[i - 1]], priority=2
            )
            transitions += [again, skip]
    last = len(guarded)
    unwanted = word[last] if default is not None else []
    transitions.append(immediate("chosen", take=[some[last]], put=unwanted))
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
                    reason="no branch of the multi-choice holds, and it has no default",
                ),
            )
        )
    return Fragment(transitions, unfinished=[*none[1:], *some[1:]])


@pattern(7, "Structured Synchronizing Merge", family=Family.BRANCHING, attaches=Attachment.JOIN)
def structured_synchronizing_merge(inputs: Places, output: Place, skips: Places) -> Fragment:
    """Wait for exactly the branches that the paired multi-choice has started.

    WCP-7 in Russell et al., "Workflow Control-Flow Patterns" (2006). The multi-choice puts word of
    each branch that it does not take, so the merge counts one answer a branch. It finds its
    multi-choice by itself; where what lies between is not structured it is refused.

        input i, todo i ─▶ [come i] ─▶ got
        word i, todo i ─▶ [skip i] ─▶ got
        m got ─▶ [merge] ─▶ output, todo 1, …, todo m
    """
    m, todo = len(inputs), [f"todo {i}" for i in range(1, len(inputs) + 1)]
    ways = list(enumerate(zip(inputs, skips, todo, strict=True), 1))
    return Fragment(
        [
            *(immediate(f"come {i}", take=[p, turn], put=["got"]) for i, (p, _, turn) in ways),
            *(
                immediate(f"skip {i}", take=[word, turn], put=["got"])
                for i, (_, word, turn) in ways
            ),
            immediate("merge", take=["got"] * m, put=[output, *todo]),
        ],
        resting=dict.fromkeys(todo, 1),
        unfinished=["got"],
        invariants=[Invariant({"got": 1, **dict.fromkeys(todo, 1)}, total=m)],
    )


@pattern(8, "Multi-Merge", family=Family.BRANCHING, attaches=Attachment.JOIN)
def multi_merge(inputs: Places, output: Place) -> Fragment:
    """The successor runs once for every arrival, at the same time if they come so.

    WCP-8 in Russell et al., "Workflow Control-Flow Patterns" (2006).

        input 1 ─▶ [merge 1] ─▶ output
        input m ─▶ [merge m] ─▶ output
    """
    return Fragment(merging(inputs, output))


def _partial_join(inputs: Places, output: Place, n: int) -> Fragment:
    """Go on at the n-th of m arrivals, absorb the rest, and be ready again when all have come.

    The k-th thread of a branch belongs to round k: ``todo`` lets one thread of each branch in a
    round, and a surplus one waits at its own branch until the reset. It needs neither an
    inhibitor nor a priority.
    """
    m = len(inputs)
    if not n <= m:
        raise ValueError(f"n is {n}, and only {m} branches lead here; n is 1 to {m}")
    todo = [f"todo {i}" for i in range(1, m + 1)]
    return Fragment(
        [
            *(
                immediate(f"early {i}", take=[place, mark], put=["came"])
                for i, (place, mark) in enumerate(zip(inputs, todo, strict=True), 1)
            ),
            immediate("fire", take=["open", *["came"] * n], put=["closed", output]),
            immediate("absorb", take=["came"], needs=["closed"], put=["late"]),
            immediate("reset", take=["closed", *["late"] * (m - n)], put=["open", *todo]),
        ],
        resting={"open": 1, "closed": 0, "late": 0, **dict.fromkeys(todo, 1)},
        unfinished=["came"],
        invariants=[Invariant({"open": 1, "closed": 1}, total=1)],
    )


def _cancelling_join(inputs: Places, output: Place, n: int, region: Region) -> Fragment:
    """Go on at the n-th of m arrivals, withdraw the work of the region, and be ready at once.

    input i, todo i ─▶ [early i] ─▶ came
    n came ─▶ [fire: clears came, todo, the region] ─▶ output, todo 1, …, todo m
    """
    m = len(inputs)
    if not n <= m:
        raise ValueError(f"n is {n}, and only {m} branches lead here; n is 1 to {m}")
    todo = [f"todo {i}" for i in range(1, m + 1)]
    return Fragment(
        [
            *(
                immediate(f"early {i}", take=[place, mark], put=["came"])
                for i, (place, mark) in enumerate(zip(inputs, todo, strict=True), 1)
            ),
            immediate(
                "fire",
                take=["came"] * n,
                clear=["came", *todo, *inputs, *region],
                put=[output, *todo],
            ),
        ],
        resting=dict.fromkeys(todo, 1),
        unfinished=["came"],
    )


@pattern(
    9,
    "Structured Discriminator",
    family=Family.BRANCHING,
    attaches=Attachment.JOIN,
    aliases=["1-out-of-M join"],
)
def structured_discriminator(inputs: Places, output: Place) -> Fragment:
    """Go on at the first of m branches; absorb the others; be ready again when all have come.

    WCP-9 in Russell et al., "Workflow Control-Flow Patterns" (2006): the structured partial join
    of one.

        input i, todo i ─▶ [early i] ─▶ came
        open, 1 came ─▶ [fire] ─▶ closed, output
        came (closed) ─▶ [absorb] ─▶ late
        closed, m-1 late ─▶ [reset] ─▶ open, todo 1, …, todo m
    """
    return _partial_join(inputs, output, 1)


@pattern(28, "Blocking Discriminator", family=Family.BRANCHING, attaches=Attachment.JOIN)
def blocking_discriminator(inputs: Places, output: Place) -> Fragment:
    """As the structured discriminator; arrivals of the next round wait at their own branch.

    WCP-28 in Russell et al., "Workflow Control-Flow Patterns" (2006).

        input i, todo i ─▶ [early i] ─▶ came
        open, 1 came ─▶ [fire] ─▶ closed, output
        came (closed) ─▶ [absorb] ─▶ late
        closed, m-1 late ─▶ [reset] ─▶ open, todo 1, …, todo m
    """
    return _partial_join(inputs, output, 1)


@pattern(29, "Cancelling Discriminator", family=Family.BRANCHING, attaches=Attachment.JOIN)
def cancelling_discriminator(inputs: Places, output: Place, cancels: Region) -> Fragment:
    """Go on at the first of m branches, withdraw the work of the others, and be ready at once.

    WCP-29 in Russell et al., "Workflow Control-Flow Patterns" (2006). ``cancels`` names the tasks
    and places of the branches.

        input i, todo i ─▶ [early i] ─▶ came
        1 came ─▶ [fire: clears came, todo, the region] ─▶ output, todo 1, …, todo m
    """
    return _cancelling_join(inputs, output, 1, cancels)


@pattern(
    30,
    "Structured Partial Join",
    family=Family.BRANCHING,
    attaches=Attachment.JOIN,
    aliases=["n-out-of-M join"],
)
def structured_partial_join(inputs: Places, output: Place, n: PositiveInt) -> Fragment:
    """Go on when n of the m branches have come; be ready again when all have.

    WCP-30 in Russell et al., "Workflow Control-Flow Patterns" (2006).

        input i, todo i ─▶ [early i] ─▶ came
        open, n came ─▶ [fire] ─▶ closed, output
        came (closed) ─▶ [absorb] ─▶ late
        closed, m-n late ─▶ [reset] ─▶ open, todo 1, …, todo m
    """
    return _partial_join(inputs, output, n)


@pattern(31, "Blocking Partial Join", family=Family.BRANCHING, attaches=Attachment.JOIN)
def blocking_partial_join(inputs: Places, output: Place, n: PositiveInt) -> Fragment:
    """As the structured partial join; arrivals of the next round wait at their own branch.

    WCP-31 in Russell et al., "Workflow Control-Flow Patterns" (2006).

        input i, todo i ─▶ [early i] ─▶ came
        open, n came ─▶ [fire] ─▶ closed, output
        came (closed) ─▶ [absorb] ─▶ late
        closed, m-n late ─▶ [reset] ─▶ open, todo 1, …, todo m
    """
    return _partial_join(inputs, output, n)


@pattern(32, "Cancelling Partial Join", family=Family.BRANCHING, attaches=Attachment.JOIN)
def cancelling_partial_join(
    inputs: Places, output: Place, n: PositiveInt, cancels: Region
) -> Fragment:
    """Go on when n of the m branches have come, withdraw the others' work, be ready at once.

    WCP-32 in Russell et al., "Workflow Control-Flow Patterns" (2006). ``cancels`` names the tasks
    and places of the branches.

        input i, todo i ─▶ [early i] ─▶ came
        n came ─▶ [fire: clears came, todo, the region] ─▶ output, todo 1, …, todo m
    """
    return _cancelling_join(inputs, output, n, cancels)


@pattern(33, "Generalised AND-Join", family=Family.BRANCHING, attaches=Attachment.JOIN)
def generalised_and_join(inputs: Places, output: Place) -> Fragment:
    """One thread of each branch makes one; surplus threads queue on their branch.

    WCP-33 in Russell et al., "Workflow Control-Flow Patterns" (2006).

        input 1, …, input m ─▶ [join] ─▶ output
    """
    return Fragment([immediate("join", take=inputs, put=[output])])


@pattern(
    37,
    "Local Synchronizing Merge",
    family=Family.BRANCHING,
    attaches=Attachment.JOIN,
    aliases=["acyclic synchronizing merge"],
)
def local_synchronizing_merge(
    inputs: Places, output: Place, skips: Places, skipped: Place = ""
) -> Fragment:
    """Go on when every branch has delivered, or has said that it will not.

    WCP-37 in Russell et al., "Workflow Control-Flow Patterns" (2006). Over the region between the
    last task before all of its branches and the merge, each flow carries a thread or word that
    none comes (`weft.engine.deadpaths`), so the merge decides from what lies at its own inputs.
    The region may be unstructured, and has no cycles; else it is refused.

        input i, todo i, none ─▶ [first i] ─▶ got, some
        input i, todo i (some) ─▶ [next i] ─▶ got
        word i, todo i ─▶ [dead i] ─▶ got
        m got, some ─▶ [merge] ─▶ output, none, todo 1, …, todo m
        m got, none ─▶ [all dead] ─▶ none, todo 1, …, todo m, word
    """
    m, todo = len(inputs), [f"todo {i}" for i in range(1, len(inputs) + 1)]
    made: list[Transition] = []
    for i, (place, dead, turn) in enumerate(zip(inputs, skips, todo, strict=True), 1):
        made += [
            immediate(f"first {i}", take=[place, turn, "none"], put=["got", "some"]),
            immediate(f"next {i}", take=[place, turn], needs=["some"], put=["got"]),
            immediate(f"dead {i}", take=[dead, turn], put=["got"]),
        ]
    passed_on = [skipped] if skipped else []
    return Fragment(
        [
            *made,
            immediate("merge", take=["got"] * m + ["some"], put=[output, "none", *todo]),
            immediate("all dead", take=["got"] * m + ["none"], put=["none", *todo, *passed_on]),
        ],
        resting={"none": 1, **dict.fromkeys(todo, 1)},
        unfinished=["got", "some"],
        invariants=[
            Invariant({"none": 1, "some": 1}, total=1),
            Invariant({"got": 1, **dict.fromkeys(todo, 1)}, total=m),
        ],
    )


@pattern(
    38,
    "General Synchronizing Merge",
    family=Family.BRANCHING,
    attaches=Attachment.JOIN,
    aliases=["OR-join", "inclusive merge"],
)
def general_synchronizing_merge(inputs: Places, output: Place, rule: Rule = "general") -> Fragment:
    """Go on when every branch that can still deliver has delivered.

    WCP-38 in Russell et al., "Workflow Control-Flow Patterns" (2006). One thread of each branch
    that has come makes one. Whether another can still come is asked of the whole net
    (`weft.engine.orjoin`); ``rule: structural`` asks as BPMN 2.0 does, by paths alone.

        whichever of input 1, …, input m are marked ─▶ [merge] ─▶ output
    """
    merge = OrJoin(tuple(inputs), MergeRule(rule))
    return Fragment([immediate("merge", or_join=merge, put=[output])])


@pattern(41, "Thread Merge", family=Family.BRANCHING, attaches=Attachment.TASK)
def thread_merge(
    input: Place, output: Place, body_input: Place, body_output: Place, n: Count
) -> Fragment:
    """Before the task, n threads on its one branch become one; n is fixed or from data.

    WCP-41 in Russell et al., "Workflow Control-Flow Patterns" (2006). n is read when the first of
    the threads arrives; less than one is an error.

        input, free ─▶ [first] ─▶ busy, n-1 need
        input, need (busy) ─▶ [more]
        busy, no need ─▶ [merge] ─▶ body input, free
        body output ─▶ [leave] ─▶ output
    """
    return Fragment(
        [
            immediate("first", take=[input, "free"], put=["busy"], counted={"need": f"({n}) - 1"}),
            immediate("more", take=[input, "need"], needs=["busy"]),
            immediate("merge", take=["busy"], lacks=["need"], put=[body_input, "free"]),
            immediate("leave", take=[body_output], put=[output]),
        ],
        resting={"free": 1},
        unfinished=["busy", "need"],
        invariants=[Invariant({"free": 1, "busy": 1}, total=1)],
    )


@pattern(42, "Thread Split", family=Family.BRANCHING, attaches=Attachment.THEN)
def thread_split(input: Place, to: Target, n: Count) -> Fragment:
    """One thread becomes n on the same branch; n is fixed or from data.

    WCP-42 in Russell et al., "Workflow Control-Flow Patterns" (2006). Less than one is an error.

        input ─▶ [split] ─▶ n to
    """
    return Fragment([immediate("split", take=[input], put=[to], counted={to: f"({n}) - 1"})])

"""Multiple instances: WCP-12 to 15 and 34 to 36.

How many instances there are is counted in the net, and who they are stands beside it
(`weft.engine.instances`). One activation at a time: ``free`` is taken when it begins and given
back when nothing of it runs any more, so that the instances of two are never counted together;
a second thread waits in the input until then. Only WCP-12, which counts nothing, does without.

All of them are written ``for-each``; what stands beside it says which one is meant.
"""

from __future__ import annotations

from typing import Annotated

from weft.engine.fragment import (
    Count,
    Extra,
    Fragment,
    Identifier,
    Instances,
    Items,
    Place,
    PositiveInt,
    ResultCondition,
    ResultExpression,
    Task,
    held_place,
    literal,
    run_place,
)
from weft.engine.net import (
    Arc,
    Ends,
    Invariant,
    Mapped,
    Outcome,
    Role,
    Transition,
    external,
    immediate,
)
from weft.engine.registry import Attachment, Family, pattern

__all__ = [
    "cancelling_partial_join",
    "design_time",
    "dynamic_partial_join",
    "open_ended",
    "run_time",
    "static_partial_join",
    "unsynchronized",
]

FOR_EACH = "for-each"

Open = Annotated[bool, literal(True, "instances may be added while it runs, until it is sealed")]
NoSeal = Annotated[bool, literal(False, "it ends when all that there are are done, sealed or not")]
NoWait = Annotated[bool, literal(False, "the flow goes on at once")]
Cancelled = Annotated[str, literal("cancel", "the instances that are left are withdrawn")]

DEFAULT_ITEM = "item"


def _number(in_: Mapped | None, times: str | None) -> tuple[int | None, str]:
    """How many instances there are: a fixed number where that is known, and an expression."""
    if in_ is None:
        text = str(times)
        return (int(text) if text.isdecimal() else None), text
    if in_.expression is None:
        return len(in_.value), str(len(in_.value))
    return None, f"size({in_.expression})"


def _several(
    *,
    task: str,
    input: str,
    output: str,
    ready: str,
    done: str,
    failure: str | None,
    failed: str | None,
    in_: Mapped | None,
    times: str | None,
    as_: str | None,
    collect: str | None,
    at_most: int | None,
    more: bool = False,
    enough: str | None = None,
    until: str | None = None,
    cancels: bool = False,
    sealed: bool = True,
    minimum: str | None = None,
    maximum: str | None = None,
) -> Fragment:
    """The instances of a task, and what is waited for.

    With ``more``, instances may be added. ``enough`` (so many that are done) or ``until`` (a
    condition over the results, asked after each of them) lets the flow go on before all are
    done; the others are withdrawn if it ``cancels``, else they run on, and the task begins anew
    only when they are done. Unless it is ``sealed``, it ends as soon as nothing of it runs.
    ``minimum`` and ``maximum`` bound how many there are when it begins, and the maximum also how
    many are added: a token of ``room`` for each that is missing.
    """
    _check(in_, times, as_, more=more, sealed=sealed)
    if in_ is None and times is None:
        number: int | None = 0
        size = "0"
    else:
        number, size = _number(in_, times)
    fixed = int(enough) if enough is not None and enough.isdecimal() else None
    if fixed is not None and number is not None and fixed > number and not more:
        raise ValueError(f"enough is {fixed}, and there are {number} instances")
    run, held = run_place(task), held_place(task)
    early = enough is not None or until is not None
    drains = early and not cancels
    alive = [ready, run, held, *([failed] if failed else [])]
    waits = ["may"] if more and sealed else []
    room = ["room"] if more and maximum is not None else []
    need = ["need"] if enough is not None else []
    tested = [done] if until is not None else []
    everything = [*alive, done, *waits, *need, *room]

    counted: dict[str, str] = {}
    if number is None:
        counted[ready] = size
    if enough is not None and fixed is None:
        counted["need"] = f"({enough}) - 1"
    left = 0
    if room:
        left, expression = _room(number, size, str(maximum))
        counted |= expression
    bounds = _bounds(number, size, minimum, maximum)
    transitions: list[Transition] = [
        immediate(
            "enter",
            take=[input, "free"],
            put=[
                "open",
                *waits,
                *([Arc(ready, number)] if number else []),
                *([Arc("need", fixed or 1)] if need else []),
                *([Arc("room", left)] if left else []),
            ],
            counted=counted,
            when=bounds,
            priority=1 if bounds else 0,
        )
    ]
    if bounds:
        transitions.append(_out_of_bounds(task, input, minimum, maximum))
    if enough is not None:
        transitions.append(immediate("tally", take=[done, "need"]))
    if early:
        transitions.append(
            immediate(
                "enough",
                take=["open", *tested],
                lacks=need,
                clear=everything if cancels else [*waits, *room],
                put=[output, "free" if cancels else "drain"],
                when=until,
                priority=1 if until else 0,
            )
        )
    if until is not None:
        transitions.append(immediate("not yet", take=[done], needs=["open"], priority=2))
    transitions.append(
        immediate(
            "all",
            take=["open"],
            lacks=[*alive, *waits, *tested],
            clear=[*need, *room, *([] if tested else [done])],
            put=[output, "free"],
        )
    )
    if drains:
        if tested:
            transitions.append(immediate("late", take=[done], needs=["drain"]))
        transitions.append(
            immediate(
                "drained",
                take=["drain"],
                lacks=[*alive, *tested],
                clear=[] if tested else [done],
                put=["free"],
            )
        )
    if failure is not None and failed is not None:
        transitions.append(
            immediate("fails", take=[failed, "open"], clear=everything, put=[failure, "free"])
        )
        if drains:
            transitions.append(immediate("fails late", take=[failed], needs=["drain"]))
    if more:
        transitions += [
            external(
                "add", role=Role.ADD, task=task, take=room, needs=["open", *waits], put=[ready]
            ),
            *(external("seal", role=Role.SEAL, task=task, take=["may"]) for _ in waits),
        ]
    collects = ["all", *(["enough"] if early else []), *(["fails"] if failure else [])]
    return Fragment(
        transitions,
        resting={"free": 1},
        unfinished=["open", *(["drain"] if drains else []), *waits, *need, *room],
        invariants=[Invariant({"free": 1, "open": 1, **({"drain": 1} if drains else {})}, total=1)],
        starts=_limited(task, at_most),
        instances=Instances(
            enter="enter",
            collects=collects,
            conditions=["enough"] if until is not None else [],
            number=number,
            items=in_,
            item=(as_ or DEFAULT_ITEM) if in_ is not None or more else None,
            collect=collect,
            add="add" if more else None,
            seal="seal" if waits else None,
            open="open",
            draining="drain" if drains else None,
        ),
    )


def _check(
    in_: Mapped | None, times: str | None, as_: str | None, *, more: bool, sealed: bool
) -> None:
    """Refuse arguments that do not go together."""
    if not (sealed or more):
        raise ValueError("seal: false is of instances that may be added: open: true")
    if (in_ is None) is (times is None) and not (more and in_ is None):
        raise ValueError("for-each takes either in, a list with an item for each, or times")
    if as_ is not None and in_ is None and not more:
        raise ValueError("as names an item, and instances that are only counted have none")


def _room(number: int | None, size: str, maximum: str) -> tuple[int, dict[str, str]]:
    """How many instances may be added: a number, or what is counted then."""
    if number is not None and maximum.isdecimal():
        return int(maximum) - number, {}
    return 0, {"room": f"({maximum}) - {size}"}


def _out_of_bounds(task: str, input: str, minimum: str | None, maximum: str | None) -> Transition:
    """What ends the case where there are too few instances, or too many."""
    words = [
        *([f"at least {minimum}"] if minimum is not None else []),
        *([f"at most {maximum}"] if maximum is not None else []),
    ]
    return immediate(
        "too few or too many",
        take=[input, "free"],
        put=[input, "free"],
        priority=2,
        ends=Ends(Outcome.FAILED, reason=f"task {task!r} has {' and '.join(words)} instances"),
    )


def _bounds(number: int | None, size: str, minimum: str | None, maximum: str | None) -> str | None:
    """The condition that there are not too few instances and not too many; None: there is none."""
    asked = []
    for bound, sign, fault in ((minimum, ">=", "less than"), (maximum, "<=", "more than")):
        if bound is None:
            continue
        if number is None or not bound.isdecimal():
            asked.append(f"{size} {sign} {bound if bound.isdecimal() else f'({bound})'}")
        elif (number < int(bound)) if sign == ">=" else (number > int(bound)):
            raise ValueError(f"there are {number} instances, which is {fault} {bound}")
    return " && ".join(asked) or None


def _limited(task: str, at_most: int | None) -> dict[str, Extra]:
    """No instance starts, or is tried again, while so many run."""
    return {} if at_most is None else {task: Extra(lacks=[Arc(run_place(task), at_most)])}


@pattern(
    12,
    "Multiple Instances without Synchronization",
    family=Family.INSTANCES,
    attaches=Attachment.TASK,
    aliases=["spawn off", "fork and forget"],
    word=FOR_EACH,
)
def unsynchronized(
    task: Task,
    input: Place,
    output: Place,
    body_input: Place,
    body_output: Place,
    failure: Place | None,
    body_failure: Place | None,
    wait: NoWait,
    in_: Items | None = None,
    times: Count | None = None,
    as_: Identifier | None = None,
    at_most: PositiveInt | None = None,
) -> Fragment:
    """So many independent instances of the task; the flow goes on at once.

    WCP-12 in Russell et al., "Workflow Control-Flow Patterns" (2006). Nothing waits for the
    instances but the end of the case, and activations may overlap. An instance writes its result
    as any task does, and one that fails takes the error branch by itself.

        input ─▶ [enter] ─▶ output, n ready ─▶ (start) ─▶ run ─▶ (complete)
    """
    if (in_ is None) is (times is None):
        raise ValueError("for-each takes either in, a list with an item for each, or times")
    if as_ is not None and in_ is None:
        raise ValueError("as names an item, and instances that are only counted have none")
    number, size = _number(in_, times)
    transitions = [
        immediate(
            "enter",
            take=[input],
            put=[output, *([Arc(body_input, number)] if number else [])],
            counted={body_input: size} if number is None else {},
        ),
        immediate("done", take=[body_output]),
    ]
    if failure is not None and body_failure is not None:
        transitions.append(immediate("fails", take=[body_failure], put=[failure]))
    return Fragment(
        transitions,
        starts=_limited(task, at_most),
        instances=Instances(
            enter="enter",
            number=number,
            items=in_,
            item=(as_ or DEFAULT_ITEM) if in_ is not None else None,
        ),
    )


@pattern(
    13,
    "Multiple Instances with a Priori Design-Time Knowledge",
    family=Family.INSTANCES,
    attaches=Attachment.TASK,
    aliases=["fixed multi-instance"],
    word=FOR_EACH,
)
def design_time(
    task: Task,
    input: Place,
    output: Place,
    body_input: Place,
    body_output: Place,
    failure: Place | None,
    body_failure: Place | None,
    times: PositiveInt,
    collect: ResultExpression | None = None,
    at_most: PositiveInt | None = None,
) -> Fragment:
    """A number of instances that is part of the model; the flow goes on when all are done.

    WCP-13 in Russell et al., "Workflow Control-Flow Patterns" (2006).

        input, free ─▶ [enter] ─▶ open, n ready
        ready ─▶ (start) ─▶ run ─▶ (complete) ─▶ done
        open (no ready, run, held) ─▶ [all: clears done] ─▶ output, free
    """
    return _several(
        task=task,
        input=input,
        output=output,
        ready=body_input,
        done=body_output,
        failure=failure,
        failed=body_failure,
        in_=None,
        times=str(times),
        as_=None,
        collect=collect,
        at_most=at_most,
    )


@pattern(
    14,
    "Multiple Instances with a Priori Run-Time Knowledge",
    family=Family.INSTANCES,
    attaches=Attachment.TASK,
    aliases=["parallel for each", "map", "fan-out"],
    word=FOR_EACH,
)
def run_time(
    task: Task,
    input: Place,
    output: Place,
    body_input: Place,
    body_output: Place,
    failure: Place | None,
    body_failure: Place | None,
    in_: Items | None = None,
    times: Count | None = None,
    as_: Identifier | None = None,
    collect: ResultExpression | None = None,
    at_most: PositiveInt | None = None,
    minimum: Count | None = None,
    maximum: Count | None = None,
) -> Fragment:
    """An instance for each item of a list, or as many as the data say when the task starts.

    WCP-14 in Russell et al., "Workflow Control-Flow Patterns" (2006). The flow goes on when all
    are done; an empty list passes at once.

        input, free ─▶ [enter] ─▶ open, n ready
        ready ─▶ (start) ─▶ run ─▶ (complete) ─▶ done
        open (no ready, run, held) ─▶ [all: clears done] ─▶ output, free
    """
    return _several(
        task=task,
        input=input,
        output=output,
        ready=body_input,
        done=body_output,
        failure=failure,
        failed=body_failure,
        in_=in_,
        times=times,
        as_=as_,
        collect=collect,
        at_most=at_most,
        minimum=minimum,
        maximum=maximum,
    )


@pattern(
    15,
    "Multiple Instances without a Priori Run-Time Knowledge",
    family=Family.INSTANCES,
    attaches=Attachment.TASK,
    aliases=["dynamic multi-instance"],
    word=FOR_EACH,
)
def open_ended(
    task: Task,
    input: Place,
    output: Place,
    body_input: Place,
    body_output: Place,
    failure: Place | None,
    body_failure: Place | None,
    open: Open,
    in_: Items | None = None,
    times: Count | None = None,
    as_: Identifier | None = None,
    collect: ResultExpression | None = None,
    at_most: PositiveInt | None = None,
    minimum: Count | None = None,
    maximum: Count | None = None,
    seal: NoSeal | None = None,
) -> Fragment:
    """Instances can be added while the task runs; it ends when all are done and no more may come.

    WCP-15 in Russell et al., "Workflow Control-Flow Patterns" (2006).

        input, free ─▶ [enter] ─▶ open, may, n ready
        (add: needs open, may) ─▶ ready;  may ─▶ (seal)
        ready ─▶ (start) ─▶ run ─▶ (complete) ─▶ done
        open (no ready, run, held, may) ─▶ [all: clears done] ─▶ output, free
    """
    return _several(
        task=task,
        input=input,
        output=output,
        ready=body_input,
        done=body_output,
        failure=failure,
        failed=body_failure,
        in_=in_,
        times=times,
        as_=as_,
        collect=collect,
        at_most=at_most,
        more=open,
        minimum=minimum,
        maximum=maximum,
        sealed=seal is None,
    )


@pattern(
    34,
    "Static Partial Join for Multiple Instances",
    family=Family.INSTANCES,
    attaches=Attachment.TASK,
    aliases=["n-out-of-m join for MI"],
    word=FOR_EACH,
)
def static_partial_join(
    task: Task,
    input: Place,
    output: Place,
    body_input: Place,
    body_output: Place,
    failure: Place | None,
    body_failure: Place | None,
    enough: Count,
    in_: Items | None = None,
    times: Count | None = None,
    as_: Identifier | None = None,
    collect: ResultExpression | None = None,
    at_most: PositiveInt | None = None,
    open: Open | None = None,
    minimum: Count | None = None,
    maximum: Count | None = None,
    seal: NoSeal | None = None,
) -> Fragment:
    """The flow goes on when n of the m instances are done; the rest run on.

    WCP-34 in Russell et al., "Workflow Control-Flow Patterns" (2006). The task can begin again
    only when all are done. Where there are fewer than n it goes on when all are done; results
    that come after it went on stay with their work items.

        input, free ─▶ [enter] ─▶ open, m ready, n need
        done, need ─▶ [tally]
        open (no need) ─▶ [enough] ─▶ output, drain
        drain (no ready, run, held) ─▶ [drained: clears done] ─▶ free
        open (no ready, run, held) ─▶ [all: clears done, need] ─▶ output, free
    """
    return _several(
        task=task,
        input=input,
        output=output,
        ready=body_input,
        done=body_output,
        failure=failure,
        failed=body_failure,
        in_=in_,
        times=times,
        as_=as_,
        collect=collect,
        at_most=at_most,
        enough=enough,
        minimum=minimum,
        maximum=maximum,
        sealed=seal is None,
        more=bool(open),
    )


@pattern(
    35,
    "Cancelling Partial Join for Multiple Instances",
    family=Family.INSTANCES,
    attaches=Attachment.TASK,
    aliases=["first n of m instances"],
    word=FOR_EACH,
)
def cancelling_partial_join(
    task: Task,
    input: Place,
    output: Place,
    body_input: Place,
    body_output: Place,
    failure: Place | None,
    body_failure: Place | None,
    enough: Count,
    rest: Cancelled,
    in_: Items | None = None,
    times: Count | None = None,
    as_: Identifier | None = None,
    collect: ResultExpression | None = None,
    at_most: PositiveInt | None = None,
    open: Open | None = None,
    minimum: Count | None = None,
    maximum: Count | None = None,
    seal: NoSeal | None = None,
) -> Fragment:
    """The flow goes on when n of the m instances are done; the rest are withdrawn.

    WCP-35 in Russell et al., "Workflow Control-Flow Patterns" (2006). Where there are fewer than n
    it goes on when all are done.

        input, free ─▶ [enter] ─▶ open, m ready, n need
        done, need ─▶ [tally]
        open (no need) ─▶ [enough: clears ready, run, held, done] ─▶ output, free
        open (no ready, run, held) ─▶ [all: clears done, need] ─▶ output, free
    """
    return _several(
        task=task,
        input=input,
        output=output,
        ready=body_input,
        done=body_output,
        failure=failure,
        failed=body_failure,
        in_=in_,
        times=times,
        as_=as_,
        collect=collect,
        at_most=at_most,
        enough=enough,
        cancels=rest == "cancel",
        minimum=minimum,
        maximum=maximum,
        sealed=seal is None,
        more=bool(open),
    )


@pattern(
    36,
    "Dynamic Partial Join for Multiple Instances",
    family=Family.INSTANCES,
    attaches=Attachment.TASK,
    aliases=["multi-instance completion condition"],
    word=FOR_EACH,
)
def dynamic_partial_join(
    task: Task,
    input: Place,
    output: Place,
    body_input: Place,
    body_output: Place,
    failure: Place | None,
    body_failure: Place | None,
    until: ResultCondition,
    in_: Items | None = None,
    times: Count | None = None,
    open: Open | None = None,
    rest: Cancelled | None = None,
    as_: Identifier | None = None,
    collect: ResultExpression | None = None,
    at_most: PositiveInt | None = None,
) -> Fragment:
    """A condition over the results, asked after each completion, says when the flow goes on.

    WCP-36 in Russell et al., "Workflow Control-Flow Patterns" (2006). With ``open: true``
    instances can be added until it does. The rest run on, or are withdrawn with ``rest: cancel``.
    Where the condition never holds it goes on when all are done and no more may come.

        input, free ─▶ [enter] ─▶ open, may, n ready
        done, open ─▶ [enough: when the condition holds; clears may] ─▶ output, drain
        done (open) ─▶ [not yet];  done (drain) ─▶ [late]
        drain (no ready, run, held, done) ─▶ [drained] ─▶ free
        open (no ready, run, held, may, done) ─▶ [all] ─▶ output, free
    """
    return _several(
        task=task,
        input=input,
        output=output,
        ready=body_input,
        done=body_output,
        failure=failure,
        failed=body_failure,
        in_=in_,
        times=times,
        as_=as_,
        collect=collect,
        at_most=at_most,
        more=bool(open),
        until=until,
        cancels=rest == "cancel",
    )

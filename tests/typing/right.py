"""Programs that mypy accepts, with the types that it finds."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, Never, assert_never, assert_type

import weft
from tests.typing.words import (
    Assessment,
    Claim,
    Decision,
    assess,
    book,
    claim,
    count,
    decide,
    improve,
    notify,
    pay,
    refuse,
)
from weft.flow import (
    Action,
    Expression,
    Failure,
    Handled,
    NoValue,
    Process,
    ShellResult,
    Step,
    Told,
    by,
    cancel,
    cel,
    emit,
    end,
    for_each,
    graph,
    parallel,
    process,
    race,
    repeat,
    shell,
    skip,
    subprocess,
    task,
    times,
    together,
    when,
)
from weft.handles import (
    AsyncDeadlockedCase,
    AsyncFailedCase,
    AsyncIdleCase,
    AsyncRunningCase,
    AsyncSuspendedCase,
    CancelledCase,
    CompletedCase,
    DeadlockedCase,
    FailedCase,
    IdleCase,
    RunningCase,
    SuspendedCase,
)

# A task can be called as the function that it is.
assert_type(assess(Claim("a", 1.0)), Assessment)
assert_type(notify("text"), None)


async def call(work: weft.Work) -> None:
    assert_type(await pay(Claim("a", 1.0), work), str)


# Sequences.
handled = process("claim", claim).then(assess).then(refuse).then(notify).build()
assert_type(handled, Process[Claim, None])
assert_type(assess.then(refuse), Step[Claim, str])
assert_type(assess.retry(3).timeout("1m").named("again"), Action[Claim, Assessment])
assert_type(pay.given(claim), Action[object, str])

# A tuple is what a task with several parameters takes.
assert_type(parallel(improve, assess), Step[Claim, tuple[Claim, Assessment]])
both = process("both", claim).then(parallel(improve, assess)).then(book).build()
assert_type(both, Process[Claim, int])
given = book.given(together(claim, assess.result))
assert_type(given, Action[object, int])

# Choices.
assert_type(
    when("claim.amount > 10.0", pay).when("true", assess).otherwise(refuse),
    Step[Claim, str | Assessment],
)
assert_type(when("true", pay).otherwise(cancel), Step[Claim, str])
assert_type(when("true", refuse).when("true", refuse).otherwise(pay), Step[Claim, str])
assert_type(when("true", pay).otherwise(end), Step[Claim, str])
assert_type(when("true", pay).otherwise(skip), Step[Claim, str | NoValue])
assert_type(claim.map(lambda c: c.amount > 10), Expression[bool])
assert_type(claim.map(lambda c: c.id), Expression[str])
when(claim.map(lambda c: c.amount > 10), pay)
when(cel("claim.amount > 10.0", bool), pay)
assert_type(emit("tell", "filed", data={"claim": claim}), Action[object, Told])
assert_type(race(decide, shell("wait", "sleep", "1")), Step[object, Decision | ShellResult])
assert_type(repeat(improve, until="true"), Step[Claim, Claim])


# Many instances: from item to result.
assert_type(for_each(assess), Action[Sequence[Claim], list[Assessment]])
assert_type(for_each(assess, enough=2, rest="cancel"), Action[Sequence[Claim], list[Assessment]])
assert_type(for_each(assess, wait=False), Action[Sequence[Claim], NoValue])
assert_type(times(3, refuse), Action[object, list[str]])
assert_type(times(count, refuse, wait=False), Action[object, NoValue])


@task
def split_up(claim: Claim) -> list[Claim]:
    return [claim]


@task
def add_up(assessments: list[Assessment]) -> int:
    return len(assessments)


fanned = process("fanned", claim).then(split_up).then(for_each(assess)).then(add_up).build()
assert_type(fanned, Process[Claim, int])


# Failures.
@task
def explain(failure: Failure) -> str:
    return failure.message


booked: Step[tuple[Claim, Assessment], int | str] = book.on_failure(explain)
assert_type(book.on_failure(explain), Handled[tuple[Claim, Assessment], int | str])
assert_type(pay.on_failure(explain), Handled[Claim, str])
assert_type(pay.timeout("1h").on_timeout(explain), Handled[Claim, str])
with_both = book.timeout("1h").on_timeout(explain).on_failure(skip)
assert_type(with_both, Handled[tuple[Claim, Assessment], int | str | NoValue])
assert_type(pay.due("1h").on_due(refuse), Action[Claim, str])

# Processes in processes.
assert_type(subprocess(handled), Action[Claim, None])
nothing = process("nothing").then(refuse).build()
assert_type(nothing, Process[NoValue, str])

# Graphs.
made = graph("graph", claim)
first, ready = made.task(pay.given(claim)), made.place("ready")
made.then(first, ready)
made.then(ready, by("cancel-case"))
assert_type(made.start(first).build(pay.result), Process[Any, str])


# Functions of many parameters are tasks, and say themselves what they work on.
@task
def many(a: int, b: int, c: int, d: int) -> int:
    return a + b + c + d


assert_type(many(1, 2, 3, 4), int)
impossible: Step[Never, int] = many


# Handles.
def handles(engine: weft.SyncEngine) -> None:
    assert_type(nothing.start(engine), RunningCase[str])
    assert_type(both.start(engine, Claim("a", 1.0)), RunningCase[int])
    match now := both.run(engine, Claim("a", 1.0)):
        case CompletedCase(output=output):
            assert_type(output, int)
        case FailedCase(error=error):
            assert_type(error, Failure)
            assert_type(now.resume(), RunningCase[int])
        case IdleCase():
            for item in now.items_of(decide):
                assert_type(now.complete(item, Decision("pay")), RunningCase[int])
        case CancelledCase():
            pass
        case DeadlockedCase() | SuspendedCase():
            assert_type(now.resume(), RunningCase[int])
        case RunningCase():
            pass
        case _:
            assert_never(now)


async def asynchronous(engine: weft.Engine) -> None:
    assert_type(await nothing.start(engine), AsyncRunningCase[str])
    match now := await both.run(engine, Claim("a", 1.0)):
        case CompletedCase(output=output):
            assert_type(output, int)
        case AsyncIdleCase():
            for item in now.items_of(decide):
                running = await now.complete(item, Decision("pay"))
                assert_type(running, AsyncRunningCase[int])
        case AsyncFailedCase(error=error):
            assert_type(error, Failure)
            assert_type(await now.resume(), AsyncRunningCase[int])
        case CancelledCase() | AsyncRunningCase() | AsyncDeadlockedCase() | AsyncSuspendedCase():
            pass
        case _:
            assert_never(now)


coroutine: Coroutine[Any, Any, str] = pay(Claim("a", 1.0), weft.Work)  # type: ignore[arg-type]
assert count.name == "count"

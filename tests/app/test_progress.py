"""What is told of a case as it runs."""

from __future__ import annotations

import pytest

import weft
from weft.engine import commands as c
from weft.engine.events import GENESIS, record
from weft.engine.ports import CaseId, Microseconds
from weft.engine.runtime.live import Batch
from weft.progress import LONGEST_REASON, Progress, branch_taken


def told(text: str, act=None, data=None, **options) -> list[str]:
    """What is told of a case that runs in memory, times left out; ``act`` does things to it."""
    lines: list[str] = []
    progress = Progress(lines.append, duration=lambda _: "N s")

    async def run() -> None:
        async with weft.open(seed=1, **options) as engine:
            engine.listeners.append(progress)
            case = await engine.start(weft.loads(text), data)
            await case.wait()
            if act is not None:
                await act(case)
                await case.wait()

    import asyncio

    asyncio.run(run())
    return [" ".join(line.split()[1:]) for line in lines]


def one(task: str, *, more: str = "") -> str:
    return f"weft: 1\nname: x\nnet:\n  start: a\n  tasks:\n    a: {task}\n{more}"


def test_a_step_is_started_and_completed():
    assert told(one("{python: work}"), functions={"work": lambda: 1}) == [
        "a started",
        "a completed in N s",
    ]


def test_a_failed_attempt_says_why_and_when_the_next_comes():
    def flaky(work: weft.Work) -> None:
        if work.attempt == 1:
            raise ValueError("too\n cold")

    text = one("{python: flaky, retry: {attempts: 2, delay: 5s}}")
    assert told(text, functions={"flaky": flaky}) == [
        "a started",
        "a attempt 1 failed: too cold; again in N s",
        "a started again, attempt 2",
        "a completed in N s",
    ]


def test_a_long_reason_is_cut():
    def fail() -> None:
        raise ValueError("x" * 1000)

    _, failed, case = told(one("{python: fail}"), functions={"fail": fail})
    assert failed == f"a attempt 1 failed: {'x' * (LONGEST_REASON - 1)}…"
    assert case == f"case failed: {'x' * (LONGEST_REASON - 1)}…"


def test_an_error_branch():
    def fail() -> None:
        raise ValueError("no")

    text = one("{python: fail, on-failure: b}", more="    b: {python: mend}\n")
    assert told(text, functions={"fail": fail, "mend": lambda: 1}) == [
        "a started",
        "a attempt 1 failed: no",
        "a given up: takes its error branch",
        "b started",
        "b completed in N s",
    ]


@pytest.mark.parametrize(("value", "branch"), [(5, "b"), (1, "the end")])
def test_the_branch_that_was_taken(value, branch):
    text = one(
        "{python: work, then: {exclusive-choice: [{when: 'a > 3', to: b}, {to: c}]}}",
        more="    b: {python: work}\n    c: {}\n",
    )
    lines = told(text, functions={"work": lambda: value})
    assert f"a → {branch}" in lines


def test_every_round_of_a_loop_is_an_item_of_its_own():
    rounds = iter(range(10))
    text = one("{python: work, structured-loop: {until: 'a >= 1'}}")
    lines = told(text, functions={"work": lambda: next(rounds)})
    assert "a/2 started" in lines
    assert sum("→" in line for line in lines) == 2


def test_what_people_do():
    async def act(case: weft.Case) -> None:
        await case.claim("a/1", "ada")
        await case.release("a/1")
        await case.delegate("a/1", "bob", by="ada")
        await case.begin("a/1", by="bob")
        await case.suspend("lunch")
        await case.resume()
        await case.complete("a/1", 1)

    assert told(one("{person: What?}"), act) == [
        "a offered: waits for somebody",
        "a claimed by ada",
        "a released",
        "a delegated to bob by ada",
        "a started by bob",
        "case suspended: lunch",
        "case resumed",
        "a completed in N s",
    ]


def test_an_alternative_that_was_not_taken_is_withdrawn():
    text = (
        "weft: 1\nname: x\nnet:\n  start: s\n  tasks:\n"
        "    s: {then: {deferred-choice: [a, b]}}\n    a: {person: a}\n    b: {person: b}\n"
    )

    async def act(case: weft.Case) -> None:
        await case.complete("b/1", None)

    lines = told(text, act)
    assert "a withdrawn" in lines


def test_a_case_that_is_cancelled():
    async def act(case: weft.Case) -> None:
        await case.cancel("too late", by="ada")

    assert told(one("{person: What?}"), act)[-1] == "case cancelled by ada: too late"


def test_a_case_that_is_deadlocked():
    text = (
        "weft: 1\nname: x\nnet:\n  start: s\n  tasks:\n"
        "    s: {then: {exclusive-choice: [{when: 'true', to: a}, {to: b}]}}\n"
        "    a: {then: c}\n    b: {then: c}\n    c: {join: synchronization, person: c}\n"
    )
    assert told(text, unverified=True)[-1].startswith("case deadlocked: ")


def test_items_that_a_net_takes_with_it_are_told():
    text = (
        "weft: 1\nname: x\nnet:\n  start: [o, e]\n  tasks:\n    o: {net: inner}\n"
        "    e: {person: e, then: explicit-termination}\n"
        "nets:\n  inner: {start: a, tasks: {a: {person: a}}}\n"
    )

    async def act(case: weft.Case) -> None:
        await case.complete("e/1", None)

    lines = told(text, act)
    assert "o started" in lines
    assert "e completed in N s" in lines


def test_cancelled_items_are_named():
    """Of events that patterns to come will cause: a firing and a completion that cancel items."""
    from weft.engine import events as e

    lines: list[str] = []
    state = None

    async def first() -> None:
        nonlocal state
        async with weft.open(seed=1) as engine:
            case = await engine.start(weft.loads(one("{person: What?}")))
            state = case.state

    import asyncio

    asyncio.run(first())
    assert state is not None
    events = (
        e.TransitionFired(state.net(0).transitions[0].name, cancelled=("a/3",)),
        e.WorkItemCompleted("b/2", cancelled=("a/1",)),
        e.WorkItemRetried("a/1", 2, interrupted=True),
        e.WorkItemGivenUp("a/1", by="ada"),
    )
    batch = Batch(
        CaseId("c"),
        state,
        state,
        events,
        tuple(
            record(event, case=CaseId("c"), sequence=n, time=Microseconds(n), before=GENESIS)
            for n, event in enumerate(events, 1)
        ),
    )
    Progress(lines.append)(batch)
    assert [" ".join(line.split()[1:]) for line in lines] == [
        f"a/3 cancelled by {state.net(0).transitions[0].name}",
        "b/2 completed in 0.00 s",
        "a cancelled by b/2",
        "a started again, attempt 2: the attempt before was interrupted",
        "a given up by ada: takes its error branch",
    ]
    assert branch_taken(None, "x") is None
    assert c.SuspendCase().reason == ""

"""The engine drives cases: attempts, retries, timeouts, cancellation, and leaving in good order."""

from __future__ import annotations

import asyncio
import logging
from itertools import pairwise
from typing import Any

import anyio
import pytest

from tests.engine import generated as g
from tests.engine.runtime.worlds import Faulty, Functions, World, failing
from weft.engine import commands as c
from weft.engine import events as e
from weft.engine.lifecycle import CaseStatus, ItemStatus
from weft.engine.ports import CaseClaimed, ItemId, Work, Worker
from weft.engine.runtime import attempts
from weft.engine.runtime.clock import VirtualClock
from weft.engine.runtime.engine import Case, Engine
from weft.engine.runtime.live import Batch
from weft.schema.errors import (
    CommandRejected,
    DefinitionErrors,
    InternalError,
    JournalError,
    UsageError,
    WorkFailed,
)
from weft.schema.specification import Retry, Specification

CHAIN = g.specification(g.net("a", g.task("a", then="b"), g.task("b", then="c"), g.task("c")))
PERSON = g.specification(g.net("a", g.task("a", "person", "b"), g.task("b")))


def world(**by_task: Any) -> World:
    return World(functions=Functions(by_task=by_task))


def waiting(workers: dict[str, Worker], **by_task: Any) -> World:
    return World(functions=Functions(by_task=by_task, workers=workers))


def statuses(case: Case) -> dict[str, str]:
    return {item.id: item.status.value for item in case.work_items}


async def forever(work: Work) -> None:
    await anyio.sleep_forever()


def parallel(*tasks: Any) -> Specification:
    return g.specification(g.net([t.name for t in tasks], *tasks))


# ── running ──────────────────────────────────────────────────────────────────────────────────


async def test_a_case_runs_to_its_end() -> None:
    w = world(a=lambda work: 1, b=lambda work: 2)
    async with w.engine() as engine:
        case = await engine.start(CHAIN)
        assert await case.wait() is CaseStatus.COMPLETED
        assert (case.data["a"], case.data["b"], case.data["c"]) == (1, 2, None)
        assert case.id.startswith("case-")
        assert repr(case) == f"<Case {case.id} completed>"
        assert case.work_items == ()
        assert case.marking() == {0: {}}
        assert case.error is None
        assert not case.idle
        assert case.events == 8
    assert w.functions.calls == [("a/1", 1), ("b/1", 1), ("c/1", 1)]
    assert w.functions.closed


async def test_a_case_waits_for_a_person() -> None:
    w = world(b=lambda work: "done")
    async with w.engine() as engine:
        case = await engine.start(PERSON, case="order-7")
        assert await case.wait() is CaseStatus.RUNNING
        assert case.idle
        assert [row.item for row in case.work_list()] == ["a/1"]
        await case.claim("a/1", "ann")
        assert case.work_list()[0].claimed_by == "ann"
        await case.delegate("a/1", "bob", by="ann")
        await case.release("a/1")
        await case.begin("a/1", by="cat")
        assert case.work_list()[0].status == "started"
        await case.complete("a/1", {"ok": True})
        assert await case.wait() is CaseStatus.COMPLETED
        assert case.data["a"] == {"ok": True}
        assert case.work_list() == ()


async def test_asynchronous_attempts_overlap_up_to_the_bound() -> None:
    most = running = 0

    async def work_on(work: Work) -> None:
        nonlocal most, running
        running += 1
        most = max(most, running)
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        running -= 1

    names = [f"t{i}" for i in range(6)]
    for bound, expected in ((None, 6), (2, 2), (1, 1)):
        most = 0
        w = waiting(dict.fromkeys(names, Worker.ASYNC), **dict.fromkeys(names, work_on))
        async with w.engine(concurrency=bound) as engine:
            case = await engine.start(parallel(*(g.task(n) for n in names)))
            assert await case.wait() is CaseStatus.COMPLETED
        assert most == expected


async def test_inline_work_leaves_turns_to_others() -> None:
    """A case that never waits does not keep the others, or the program, from going on."""
    turns = 0
    loop = g.task(
        "a", outputs={"x": "x + 1"}, around=[g.use({"structured-loop": {"until": "x >= 1000"}})]
    )
    w = world()
    async with w.engine() as engine, anyio.create_task_group() as group:
        case = await engine.start(g.specification(g.net("a", loop)))

        async def count() -> None:
            nonlocal turns
            while case.status is CaseStatus.RUNNING:
                turns += 1
                await anyio.lowlevel.checkpoint()

        group.start_soon(count)
        await case.wait()
    assert turns > 5


# ── failing ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("worker", [Worker.INLINE, Worker.ASYNC])
async def test_what_a_task_raises_fails_its_item(worker: Worker) -> None:
    class Rude(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    errors: dict[str, BaseException] = {
        "a": ValueError("bad \udcff value"),
        "b": WorkFailed("cannot", code="mine"),
        "c": SystemExit(3),
        "d": Rude(),
        "e": ValueError("x" * 1_000_000),
        "f": KeyError(),
    }

    def raising(error: BaseException) -> Any:
        def inline(work: Work) -> None:
            raise error

        async def waits(work: Work) -> None:
            raise error

        return inline if worker is Worker.INLINE else waits

    for name, error in errors.items():
        w = waiting({name: worker}, **{name: raising(error)})
        async with w.engine() as engine:
            case = await engine.start(g.specification(g.net(name, g.task(name))))
            assert await case.wait() is CaseStatus.FAILED
            told = case.error
            assert told is not None
            assert told["item"] == f"{name}/1"
            assert told["class"] == type(error).__name__
            assert len(told["message"]) <= 10_000
            assert told["code"] == ("mine" if name == "b" else "raised")


@pytest.mark.parametrize("worker", [Worker.INLINE, Worker.ASYNC])
async def test_a_cancellation_that_nobody_asked_for_is_a_failure(worker: Worker) -> None:
    def inline(work: Work) -> None:
        raise anyio.get_cancelled_exc_class()

    async def waits(work: Work) -> None:
        raise anyio.get_cancelled_exc_class()

    w = waiting({"a": worker}, a=inline if worker is Worker.INLINE else waits)
    async with w.engine() as engine:
        case = await engine.start(CHAIN)
        assert await case.wait() is CaseStatus.FAILED
        other = await engine.start(PERSON)
        await other.complete("a/1")
        assert await other.wait() is CaseStatus.COMPLETED, "the engine goes on"


async def test_retries_wait_on_the_clock() -> None:
    retry = Retry(attempts=4, delay_seconds=10, factor=3, max_delay_seconds=60)
    w = world(a=failing(3, "fine"))
    seen: list[int] = []
    async with w.engine() as engine:
        engine.listeners.append(lambda batch: seen.append(batch.records[0].time))
        case = await engine.start(g.specification(g.net("a", g.task("a", retry=retry))))
        assert await case.wait() is CaseStatus.COMPLETED
        assert case.data["a"] == "fine"
    assert w.functions.calls == [("a/1", n) for n in (1, 2, 3, 4)]
    start = seen[0]
    assert [(t - start) // 1_000_000 for t in dict.fromkeys(seen)] == [0, 10, 40, 100]


async def test_a_failed_case_is_told_and_resumed() -> None:
    w = world(a=failing(1, "fine"))
    async with w.engine() as engine:
        case = await engine.start(CHAIN)
        assert await case.wait() is CaseStatus.FAILED
        assert [row.status for row in case.work_list()] == ["failed"]
        await case.resume()
        assert await case.wait() is CaseStatus.COMPLETED
    assert w.functions.calls == [("a/1", 1), ("a/1", 2), ("b/1", 1), ("c/1", 1)]


async def test_a_failure_lets_the_other_branches_end_and_loses_nothing_of_them() -> None:
    goes_on = anyio.Event()
    w = waiting({"b": Worker.ASYNC}, a=failing(1))

    async def slow(work: Work) -> int:
        await goes_on.wait()
        return work.attempt

    w.functions.by_task["b"] = slow
    async with w.engine() as engine:
        tasks = (g.task("b", then="d"), g.task("a"), g.task("d"))
        case = await engine.start(g.specification(g.net(["b", "a"], *tasks)))
        async with anyio.create_task_group() as group:
            group.start_soon(case.wait)
            while case.status is CaseStatus.RUNNING:
                await anyio.lowlevel.checkpoint()
            assert statuses(case) == {"b/1": "started", "a/1": "failed"}
            goes_on.set()
        assert await case.wait() is CaseStatus.FAILED
        assert statuses(case) == {"a/1": "failed"}
        assert case.data["b"] == 1
        await case.resume()
        assert await case.wait() is CaseStatus.COMPLETED
    assert w.functions.calls == [("a/1", 1), ("b/1", 1), ("a/1", 2), ("d/1", 1)]


async def test_a_failed_case_goes_on_while_a_branch_still_runs() -> None:
    """The attempt that was under way all the time is not made twice."""
    goes_on = anyio.Event()

    async def slow(work: Work) -> int:
        await goes_on.wait()
        return work.attempt

    w = waiting({"b": Worker.ASYNC}, a=failing(1), b=slow)
    async with w.engine() as engine:
        case = await engine.start(parallel(g.task("b"), g.task("a")))
        while case.status is CaseStatus.RUNNING:
            await anyio.lowlevel.checkpoint()
        await case.retry("a/1")
        goes_on.set()
        assert await case.wait() is CaseStatus.COMPLETED
        assert case.data["b"] == 1


async def test_what_waits_for_its_turn_does_not_begin_in_a_failed_case() -> None:
    goes_on = anyio.Event()

    async def slow(work: Work) -> None:
        await goes_on.wait()

    async def fails(work: Work) -> None:
        if work.attempt == 1:
            goes_on.set()
            raise ValueError

    names = ("a", "b", "late")
    w = waiting(dict.fromkeys(names, Worker.ASYNC), a=fails, b=slow, late=slow)
    async with w.engine(concurrency=2) as engine:
        case = await engine.start(parallel(*(g.task(n) for n in names)))
        assert await case.wait() is CaseStatus.FAILED
        assert statuses(case) == {"a/1": "failed", "late/1": "started"}
        assert ("late/1", 1) not in w.functions.calls
        await case.retry("a/1")
        assert await case.wait() is CaseStatus.COMPLETED
    assert w.functions.calls == [("a/1", 1), ("b/1", 1), ("a/1", 2), ("late/1", 2)]


@pytest.mark.parametrize("limit", [None, 0.001])
async def test_an_attempt_that_swallows_its_cancellation_is_abandoned(
    limit: float | None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its timeout nor the end of the engine waits for it, and its answer is refused."""
    monkeypatch.setattr(attempts, "LAST_SECONDS", 0.001)
    asked = 0
    lets_go = anyio.Event()

    async def stubborn(work: Work) -> str:
        nonlocal asked
        if work.attempt > 1:
            return "second"
        while not lets_go.is_set():
            try:
                await lets_go.wait()
            except asyncio.CancelledError:
                asked += 1
        return "late"

    w = waiting({"a": Worker.ASYNC}, a=stubborn)
    w.functions.stop_seconds = 0.001
    task = g.task("a", timeout_seconds=limit, retry=Retry(attempts=2))
    async with w.engine(grace_seconds=0) as engine:
        case = await engine.start(g.specification(g.net("a", task)))
        if limit is None:
            await anyio.lowlevel.checkpoint()
        else:
            assert await case.wait() is CaseStatus.COMPLETED
            failed = [e.decode(r) for r in engine.journal.records(case.id)][2]
            assert isinstance(failed, e.WorkItemFailed)
            assert failed.error["code"] == "timeout"
            assert "does not let itself be stopped" in failed.error["message"]
            lets_go.set()
            for _ in range(3):
                await anyio.lowlevel.checkpoint()
            assert case.data["a"] == "second"
    assert asked == 2
    if limit is None:
        assert "a/1: it does not let itself be stopped" in caplog.text
    assert case.id in caplog.text or limit is not None
    lets_go.set()


async def test_an_attempt_that_hangs_is_stopped_by_its_timeout() -> None:
    w = waiting({"a": Worker.ASYNC}, a=forever)
    async with w.engine() as engine:
        task = g.task("a", timeout_seconds=0.001, on_failure="b")
        case = await engine.start(g.specification(g.net("a", task, g.task("b"))))
        assert await case.wait() is CaseStatus.COMPLETED
        assert case.data["error"]["code"] == "timeout"
        assert "attempt 1 did not end within 0.001 s" in case.data["error"]["message"]


async def test_a_person_fails_an_item_by_hand_while_its_attempt_runs() -> None:
    """The attempt is stopped, and the next one begins in its place."""
    began: list[int] = []

    async def work_on(work: Work) -> str:
        began.append(work.attempt)
        if work.attempt == 1:
            await anyio.sleep_forever()
        return f"attempt {work.attempt}"

    w = waiting({"a": Worker.ASYNC}, a=work_on)
    async with w.engine() as engine:
        task = g.task("a", retry=Retry(attempts=2, delay_seconds=5))
        case = await engine.start(g.specification(g.net("a", task)))
        await case.fail("a/1", "I do not like it")
        assert await case.wait() is CaseStatus.COMPLETED
        assert case.data["a"] == "attempt 2"
    assert began[-1] == 2


async def test_somebody_completes_an_item_that_the_engine_performs() -> None:
    w = waiting({"a": Worker.ASYNC}, a=forever)
    async with w.engine() as engine:
        case = await engine.start(CHAIN)
        await case.complete("a/1", "by hand")
        assert await case.wait() is CaseStatus.COMPLETED
        assert case.data["a"] == "by hand"


async def test_what_is_cancelled_before_its_turn_is_not_done() -> None:
    """Attempts that wait for room when their case ends never run."""
    names = ["t1", "t2", "t3"]
    w = waiting(dict.fromkeys(names, Worker.ASYNC), **dict.fromkeys(names, forever))
    async with w.engine(concurrency=1) as engine:
        case = await engine.start(parallel(*(g.task(n) for n in names)))
        await case.cancel("enough", by="ann")
        assert await case.wait() is CaseStatus.CANCELLED
    assert w.functions.calls in ([], [("t1/1", 1)])


@pytest.mark.parametrize("worker", [Worker.INLINE, Worker.ASYNC])
async def test_an_end_stops_the_attempts_of_other_branches(worker: Worker) -> None:
    stopped: list[str] = []

    async def slow(work: Work) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            stopped.append(work.item)

    async def soon(work: Work) -> None:
        await anyio.lowlevel.checkpoint()

    workers = {"slow": Worker.ASYNC, "end": worker}
    end = soon if worker is Worker.ASYNC else (lambda work: None)
    for pattern, status in (
        ("explicit-termination", CaseStatus.COMPLETED),
        ("cancel-case", CaseStatus.CANCELLED),
    ):
        stopped.clear()
        w = waiting(workers, slow=slow, end=end)
        async with w.engine() as engine:
            case = await engine.start(parallel(g.task("slow"), g.task("end", then={pattern: None})))
            assert await case.wait() is status
            for _ in range(3):
                await anyio.lowlevel.checkpoint()
            assert stopped == ["slow/1"] or w.functions.calls[0][0] == "end/1"


# ── suspending ───────────────────────────────────────────────────────────────────────────────


async def test_a_retry_that_comes_due_while_the_case_is_suspended_waits_for_it() -> None:
    w = world(a=failing(1, "fine"))
    async with w.engine() as engine:
        task = g.task("a", retry=Retry(attempts=2, delay_seconds=5))
        spec = parallel(task, g.task("p", "person"))
        case = await engine.start(spec)
        while not case.state.items["a/1"].retry_at:
            await anyio.lowlevel.checkpoint()
        await case.suspend("holiday")
        assert await case.wait() is CaseStatus.SUSPENDED
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        assert statuses(case) == {"p/1": "offered", "a/1": "failed"}
        await case.resume()
        assert await case.wait() is CaseStatus.RUNNING
        assert statuses(case) == {"p/1": "offered"}
        await case.resume()  # of a running case: nothing more to do
        assert statuses(case) == {"p/1": "offered"}


async def test_a_suspended_case_keeps_the_results_of_what_was_running() -> None:
    go = anyio.Event()

    async def slow(work: Work) -> str:
        await go.wait()
        return "in time"

    w = waiting({"a": Worker.ASYNC}, a=slow)
    async with w.engine() as engine:
        case = await engine.start(CHAIN)
        await case.suspend()
        go.set()
        while statuses(case):
            await anyio.lowlevel.checkpoint()
        assert case.status is CaseStatus.SUSPENDED
        await case.resume()
        assert await case.wait() is CaseStatus.COMPLETED
        assert case.data["a"] == "in time"


# ── leaving ──────────────────────────────────────────────────────────────────────────────────


async def test_draining_finishes_what_runs_and_begins_nothing() -> None:
    go = anyio.Event()

    async def slow(work: Work) -> str:
        await go.wait()
        return "kept"

    w = waiting({"a": Worker.ASYNC}, a=slow)
    engine = w.engine()
    async with engine:
        case = await engine.start(CHAIN)
        other = await engine.start(PERSON)
        await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as group:
            group.start_soon(engine.drain)
            await anyio.lowlevel.checkpoint()
            with pytest.raises(CommandRejected, match="is stopping"):
                await engine.start(CHAIN)
            go.set()
        assert engine.draining
        assert await case.wait() is CaseStatus.RUNNING
        assert case.data["a"] == "kept"
        assert statuses(case) == {}
        await other.complete("a/1")
        assert await other.wait() is CaseStatus.RUNNING, "what follows waits for the next engine"
    assert w.functions.calls == [("a/1", 1)]

    async with w.engine() as later:
        recovered = await later.recover()
        assert {r.id for r in recovered} == {case.id, other.id}
        for found in recovered:
            assert await found.wait() is CaseStatus.COMPLETED
    assert sorted(w.functions.calls) == [("a/1", 1), ("b/1", 1), ("b/1", 1), ("c/1", 1)]


async def test_waiting_ends_when_the_engine_stops() -> None:
    """Also for a case whose attempts wait for room, or whose retry is far away."""
    w = waiting({"a": Worker.ASYNC, "b": Worker.ASYNC}, a=forever, b=forever, c=failing(9))
    retry = Retry(attempts=2, delay_seconds=3600)
    ended: list[str] = []

    class Slow(VirtualClock):
        async def sleep_until(self, time: Any) -> None:
            await anyio.sleep_forever()

    w.clock = Slow()
    async with anyio.create_task_group() as group:

        async def wait_for(case: Case) -> None:
            await case.wait()
            ended.append(case.id)

        async with w.engine(concurrency=1, grace_seconds=0.001) as engine:
            for name, task in (
                ("runs", g.task("a")),
                ("queued", g.task("b")),
                ("held", g.task("c", retry=retry)),
            ):
                spec = g.specification(g.net(task.name, task), name)
                group.start_soon(wait_for, await engine.start(spec, case=name))
            for _ in range(10):
                await anyio.lowlevel.checkpoint()
            assert ended == []
    assert sorted(ended) == ["held", "queued", "runs"]


async def test_leaving_with_work_under_way_cancels_it_after_the_grace() -> None:
    w = waiting({"a": Worker.ASYNC}, a=forever)
    async with w.engine(grace_seconds=0.001) as engine:
        case = await engine.start(CHAIN)
    async with w.engine(grace_seconds=0) as later:
        found = await later.open(case.id)
        assert statuses(found) == {"a/1": "started"}
        assert await found.wait() is CaseStatus.RUNNING, "it was opened, not resumed"
        w.functions.by_task["a"] = failing(0)
        w.functions.workers.clear()
    async with w.engine() as last:
        resumed = await last.resume(case.id)
        assert await resumed.wait() is CaseStatus.COMPLETED
    assert w.functions.calls[-3:] == [("a/1", 2), ("b/1", 1), ("c/1", 1)]


async def test_the_error_of_the_block_leaves_as_it_is() -> None:
    w = waiting({"a": Worker.ASYNC}, a=forever)

    async def fails() -> None:
        async with w.engine() as engine:
            await engine.start(CHAIN)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await fails()
    assert w.functions.closed


async def test_cancelling_the_block_cancels_what_runs() -> None:
    w = waiting({"a": Worker.ASYNC}, a=forever)
    with anyio.CancelScope() as scope:
        async with w.engine() as engine:
            case = await engine.start(CHAIN)
            scope.cancel()
            await case.wait()
    assert scope.cancelled_caught
    assert w.functions.closed


async def test_a_connector_that_does_not_close_does_not_stop_the_rest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Stuck(Functions):
        async def aclose(self) -> None:
            raise OSError("busy")

    w = World(functions=Stuck())
    async with w.engine() as engine:
        case = await engine.start(PERSON)
    assert "did not close" in caplog.text
    async with w.engine() as later:
        assert (await later.open(case.id)).idle


async def test_outside_its_block_an_engine_does_nothing() -> None:
    engine = World().engine()
    with pytest.raises(UsageError, match="inside `async with`"):
        await engine.start(CHAIN)
    with pytest.raises(UsageError, match="inside `async with`"):
        await engine.open("x")


# ── asking ───────────────────────────────────────────────────────────────────────────────────


async def test_the_same_command_twice_has_one_effect() -> None:
    w = world(b=lambda work: "b")
    async with w.engine() as engine:
        case = await engine.start(PERSON)
        await case.claim("a/1", "ann", id="first")
        count = case.events
        await case.claim("a/1", "bob", id="first")
        assert case.events == count
        with pytest.raises(CommandRejected):
            await case.claim("a/1", "bob", id="second")
        await case.release("a/1")
        await case.claim("a/1", "bob", id="second")  # it was rejected, so it had no effect yet
        await case.complete("a/1", 1, id="third", by="bob")
        await case.complete("a/1", 2, id="third", by="bob")
        assert case.data["a"] == 1


async def test_concurrent_commands_take_turns() -> None:
    w = world()
    async with w.engine() as engine:
        case = await engine.start(parallel(*(g.task(f"t{i}", "person") for i in range(20))))
        accepted = 0

        async def try_all(who: str) -> None:
            nonlocal accepted
            for i in range(20):
                try:
                    await case.complete(f"t{i}/1", who)
                    accepted += 1
                except CommandRejected:
                    await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as group:
            for who in ("ann", "bob", "cat"):
                group.start_soon(try_all, who)
        assert accepted == 20
        assert case.status is CaseStatus.COMPLETED


async def test_ids_and_data_that_are_refused() -> None:
    async with World().engine() as engine:
        for wrong in ("", "a b", "x" * 201, "ä", "a/b", "\n"):
            with pytest.raises(UsageError, match="is not a case id"):
                await engine.start(PERSON, case=wrong)
        await engine.start(PERSON, case="x")
        with pytest.raises(CommandRejected, match="there is a case 'x' already"):
            await engine.start(PERSON, case="x")
        with pytest.raises(UsageError, match="do not fit"):
            await engine.start(PERSON, {"x": "text"}, case="y")
        await engine.start(PERSON, {"x": 1}, case="y")
        with pytest.raises(UsageError, match="there is no case 'z'; the newest are y, x"):
            await engine.open("z")
        with pytest.raises(CommandRejected):
            await (await engine.open("x")).execute(c.FailWorkItem(ItemId("a/1"), {}))


async def test_bounds_of_an_engine() -> None:
    for options in ({"concurrency": 0}, {"snapshot_every": 0}):
        with pytest.raises(UsageError, match="at least 1"):
            World().engine(**options)


async def test_a_wrong_specification_is_refused_whole() -> None:
    async with World().engine() as engine:
        wrong = g.specification(g.net("a", g.task("a", then="nope")))
        with pytest.raises(DefinitionErrors, match="no task or place 'nope'"):
            await engine.start(wrong)
        with pytest.raises(UsageError, match="there are no cases"):
            engine.find("x")


async def test_a_compiled_specification_starts_without_compiling() -> None:
    async with world().engine() as engine:
        compiled = engine.add(CHAIN)
        assert engine.add(CHAIN).hash == compiled.hash
        case = await engine.start(compiled)
        assert await case.wait() is CaseStatus.COMPLETED


async def test_listeners_hear_of_every_durable_batch(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Batch] = []

    def deaf(batch: Batch) -> None:
        raise RuntimeError("no")

    w = world()
    async with w.engine() as engine:
        engine.listeners += [deaf, heard.append]
        case = await engine.start(CHAIN)
        await case.wait()
        records = w.journal.records(case.id)
        assert [r for batch in heard for r in batch.records] == list(records)
        assert heard[0].before is None
        assert all(x.after == y.before for x, y in pairwise(heard))
    assert "a listener failed" in caplog.text


async def test_reading_a_case_does_not_take_it_over() -> None:
    w = world()
    async with w.engine() as first, w.engine() as second:
        case = await first.start(PERSON)
        assert second.read(case.id) == case.state
        assert first.read(case.id) is case.state
        with pytest.raises(CaseClaimed):
            await second.open(case.id)
        assert await second.recover() == []
        await case.complete("a/1")
        await case.wait()
        done = await second.open(case.id)
        assert done.status is CaseStatus.COMPLETED
        with pytest.raises(CommandRejected):
            await done.cancel()


async def test_a_finished_case_is_let_go(caplog: pytest.LogCaptureFixture) -> None:
    """An engine that runs for months does not keep every case that it has ever driven."""
    w = world()
    async with w.engine() as engine:
        for _ in range(3):
            case = await engine.start(CHAIN)
            await case.wait()
        assert not engine._driven
        assert (await engine.open(case.id)).data == case.data


async def test_two_engines_share_a_journal_by_claims() -> None:
    w = waiting({"a": Worker.ASYNC}, a=forever)
    async with w.engine(grace_seconds=0) as first:
        case = await first.start(CHAIN)
        async with w.engine() as second:
            assert await second.recover() == []
        await first.drain(0)
    w.functions.workers.clear()
    w.functions.by_task.clear()
    async with w.engine() as third:
        (taken,) = await third.recover()
        assert taken.id == case.id
        assert await taken.wait() is CaseStatus.COMPLETED


# ── journals that fail ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("worker", [Worker.INLINE, Worker.ASYNC])
async def test_a_failing_append_sets_its_case_aside_and_no_other(worker: Worker) -> None:
    async def waits(work: Work) -> None:
        await anyio.lowlevel.checkpoint()

    w = waiting({"a": worker}, **({"a": waits} if worker is Worker.ASYNC else {}))
    async with w.engine(Faulty(w.journal, fails=(3,))) as engine:
        other = await engine.start(PERSON)
        case = await engine.start(CHAIN)
        with pytest.raises(JournalError, match="disk is full"):
            await case.wait()
        with pytest.raises(JournalError, match="disk is full"):
            await case.suspend()
        await other.complete("a/1")
        assert await other.wait() is CaseStatus.COMPLETED
        again = await engine.resume(case.id)
        assert again.state.items["a/1"].attempt == 2
        assert await again.wait() is CaseStatus.COMPLETED
    assert [call for call in w.functions.calls if call[0] == "a/1"] == [("a/1", 1), ("a/1", 2)]


async def test_a_users_command_that_cannot_be_stored_changes_nothing() -> None:
    w = world()
    async with w.engine(Faulty(w.journal, fails=(1, 3))) as engine:
        with pytest.raises(JournalError, match="disk is full"):
            await engine.start(PERSON, case="x")
        case = await engine.start(PERSON, case="x")
        with pytest.raises(JournalError, match="disk is full"):
            await case.claim("a/1", "ann")
        assert case.state.items["a/1"].claimed_by is None
        await case.claim("a/1", "bob")
        assert case.state.items["a/1"].claimed_by == "bob"


async def test_after_a_conflict_a_case_is_read_again() -> None:
    """Somebody else has written to the case, though it was claimed: nothing is overwritten."""
    w = world()
    async with w.engine() as engine:
        case = await engine.start(PERSON, case="x")

        class Claimless(Faulty):
            def claim(self, case: Any, owner: Any, **_: Any) -> bool:
                return False

        async with w.engine(Claimless(w.journal)) as rogue:
            await (await rogue.open("x")).claim("a/1", "rogue")
        with pytest.raises(JournalError, match="another writer was first"):
            await case.claim("a/1", "ann")
        assert case.state.items["a/1"].claimed_by is None


async def test_a_bug_of_ours_sets_the_case_aside(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*args: Any, **options: Any) -> None:
        raise ZeroDivisionError("oops")

    w = waiting({"a": Worker.ASYNC}, a=forever)
    async with w.engine(grace_seconds=0) as engine:
        case = await engine.start(CHAIN)
        monkeypatch.setattr(case._driven.live, "execute", broken)
        await engine._try(case._driven, c.SuspendCase())
        with pytest.raises(InternalError, match="ZeroDivisionError: oops; please report"):
            await case.wait()
    assert caplog.records[-1].levelno == logging.ERROR


async def test_recovering_goes_on_after_a_case_that_cannot_be(
    caplog: pytest.LogCaptureFixture,
) -> None:
    w = waiting({"a": Worker.ASYNC}, a=forever)
    async with w.engine(grace_seconds=0) as engine:
        for name in ("one", "two", "three"):
            await engine.start(CHAIN, case=name)
    records = w.journal._cases["two"].records  # type: ignore[attr-defined]
    records[1] = records[0]
    w.functions.workers.clear()
    w.functions.by_task.clear()
    async with w.engine() as later:
        assert sorted(case.id for case in await later.recover()) == ["one", "three"]
    assert "case two cannot be recovered" in caplog.text


async def test_a_net_that_is_gone_from_the_store() -> None:
    w = world()
    async with w.engine() as engine:
        case = await engine.start(PERSON)
    w.journal._nets.clear()  # type: ignore[attr-defined]
    async with w.engine() as later:
        with pytest.raises(JournalError, match="is not in the store"):
            await later.open(case.id)


async def test_a_connector_that_is_gone() -> None:
    w = world()
    async with w.engine() as engine:
        case = await engine.start(PERSON)
    engine = Engine(Faulty(w.journal), registry=g.REGISTRY, connectors={"person": w.functions})
    async with engine:
        with pytest.raises(UsageError, match="no connector is called 'auto'; there are: person"):
            await engine.open(case.id)


async def test_statuses_are_what_the_work_list_says() -> None:
    """Rows come and go with their items: offered, started, failed, gone."""
    w = world(b=failing(5))
    spec = g.net(["a", "b"], g.task("a", "person"), g.task("b"))
    async with w.engine() as engine:
        case = await engine.start(g.specification(spec))
        assert await case.wait() is CaseStatus.FAILED
        rows = {row.item: row.status for row in case.work_list()}
        assert rows == {"a/1": "offered", "b/1": ItemStatus.FAILED.value}
        await case.cancel()
        assert case.work_list() == ()

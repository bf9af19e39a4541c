"""Cases that wait for triggers and times, in engines that come and go."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.engine import generated as g
from tests.engine.runtime.worlds import Functions, World
from weft.engine import events as e
from weft.engine.journal.memory import MemoryJournal
from weft.engine.journal.sqlite import SqliteJournal
from weft.engine.lifecycle import CaseStatus
from weft.engine.ports import CaseId, Microseconds, Worker
from weft.engine.runtime.clock import MILLENNIUM, VirtualClock
from weft.engine.runtime.engine import Case, Delivery, Engine
from weft.engine.runtime.working import MISSED_AT_MOST, Schedule, work
from weft.schema.datatypes import DataType, Variable
from weft.schema.errors import CommandRejected, UsageError
from weft.schema.specification import Retry, Specification, Use

SECOND = 1_000_000


def spec(*tasks: Any, start: str = "a", **variables: str) -> Specification:
    declared = {n: Variable(n, DataType(t)) for n, t in variables.items()}
    return g.specification(g.net(start, *tasks, variables={**g.integers(), **declared}))


def receives(name: str, trigger: Any, then: Any = None, kind: str = "persistent-trigger") -> Any:
    return g.task(name, None, then, around=[Use(kind, trigger)])


def waits(name: str, time: Any, then: Any = None) -> Any:
    return g.task(name, None, then, around=[Use("wait", time)])


PAID = spec(receives("a", {"trigger": "paid", "key": "x"}, "b"), g.task("b"))
LATER = spec(waits("a", "10s", "b"), g.task("b"))
APPROVAL = spec(
    g.task(
        "a", "person", "done", timeout_seconds=60.0, on_timeout=g.use("late"),
        due="20s", on_due=g.use("nudge"),
    ),
    g.task("done"), g.task("late"), g.task("nudge"),
)  # fmt: skip


@pytest.fixture(params=["memory", "sqlite"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    journal = MemoryJournal() if request.param == "memory" else SqliteJournal(tmp_path / "w.db")
    return World(journal=journal)


def done(case: Case, engine: Engine) -> list[str]:
    """The tasks of the items that have been completed, in order."""
    records = engine.journal.records(case.id)
    events = [e.decode(record) for record in records]
    return [x.item.partition("/")[0] for x in events if isinstance(x, e.WorkItemCompleted)]


# ── triggers ─────────────────────────────────────────────────────────────────────────────────


async def test_a_trigger_reaches_a_case_that_nobody_has_loaded(world: World) -> None:
    async with world.engine() as engine:
        cases = [(await engine.start(PAID, {"x": n}, case=f"c{n}")).id for n in range(3)]
        assert await (await engine.open("c0")).wait() is CaseStatus.RUNNING
    assert list(world.journal.awaiting("paid", key="1")) == ["c1"]
    async with world.engine() as engine:
        assert await engine.trigger("c1", "paid", {"sum": 5}, key="1") is Delivery.RECEIVED
        case = await engine.open("c1")
        assert await case.wait() is CaseStatus.COMPLETED
        assert case.data["paid"] == {"sum": 5}
        assert engine.read("c0").status is CaseStatus.RUNNING
    assert list(world.journal.awaiting("paid")) == [cases[0], cases[2]]


async def test_what_is_kept_survives_and_is_taken_in_order(world: World) -> None:
    specification = spec(
        g.task("a", "person", "b"), receives("b", "note", "c"), receives("c", "note", "d"),
        g.task("d"), note="any",
    )  # fmt: skip
    async with world.engine() as engine:
        case = await engine.start(specification, case="c")
        assert await case.trigger("note", 1) is Delivery.KEPT
        assert await case.trigger("note", 2) is Delivery.KEPT
        assert await case.trigger("note", 3) is Delivery.KEPT
    assert list(world.journal.awaiting("note")) == ["c"]  # it keeps what it does not wait for yet
    seen: list[int] = []
    async with world.engine() as engine:
        engine.listeners.append(
            lambda batch: seen.extend(
                x.writes["note"] for x in batch.events if isinstance(x, e.TriggerReceived)
            )
        )
        case = await engine.open("c")
        await case.complete("a/1")
        assert await case.wait() is CaseStatus.COMPLETED
    assert seen == [1, 2]
    last = e.decode(world.journal.records(CaseId("c"))[-1])
    assert last == e.CaseCompleted(unread={"note": 1})


async def test_a_transient_trigger_is_lost_and_the_sender_knows(world: World) -> None:
    specification = spec(g.task("a", "person", "b"), receives("b", "go", kind="transient-trigger"))
    async with world.engine() as engine:
        case = await engine.start(specification)
        assert await case.trigger("go", id="m1") is Delivery.DISCARDED
        assert await case.trigger("go", id="m1") is Delivery.REPEATED
        await case.complete("a/1")
        assert await case.trigger("go", id="m1") is Delivery.REPEATED  # it was for another moment
        assert case.status is CaseStatus.RUNNING
        assert await case.trigger("go", id="m2") is Delivery.RECEIVED
        assert case.status is CaseStatus.COMPLETED


async def test_triggers_that_do_not_fit(world: World) -> None:
    async with world.engine() as engine:
        with pytest.raises(UsageError, match="there is no case 'gone'"):
            await engine.trigger("gone", "paid")
        case = await engine.start(PAID, {"x": 1}, case="c")
        with pytest.raises(
            CommandRejected, match="waits for a trigger 'pay'; it knows: paid"
        ) as no:
            await case.trigger("pay")
        assert no.value.code == "unknown-trigger"
        typed = spec(receives("a", "paid"), paid="integer")
        other = await engine.start(typed)
        with pytest.raises(UsageError, match="do not fit the variable 'paid'") as misfit:
            await other.trigger("paid", "much")
        assert misfit.value.code == "data"
        for wrong in (float("nan"), object(), "\ud800"):
            with pytest.raises(UsageError):
                await case.trigger("paid", wrong)  # type: ignore[arg-type]
        with pytest.raises(UsageError):
            await case.trigger("paid", 1, key="\ud800")
        await case.cancel()
        with pytest.raises(CommandRejected, match="the case is cancelled"):
            await case.trigger("paid", key="1")
        assert other.status is CaseStatus.RUNNING


async def test_a_failed_case_keeps_a_trigger_for_when_it_is_resumed(world: World) -> None:
    specification = spec(g.task("a", then="b"), receives("b", "go"))
    world.functions.by_task["a"] = lambda work: 1 / (work.attempt - 1)
    async with world.engine() as engine:
        case = await engine.start(specification)
        assert await case.wait() is CaseStatus.FAILED
        assert await case.trigger("go") is Delivery.KEPT
        await case.resume()
        assert await case.wait() is CaseStatus.COMPLETED


# ── times ────────────────────────────────────────────────────────────────────────────────────


async def test_a_wait_is_idle_unless_somebody_waits_for_timers(world: World) -> None:
    async with world.engine() as engine:
        case = await engine.start(LATER)
        assert await case.wait() is CaseStatus.RUNNING
        assert case.idle
        assert engine.clock.now() == MILLENNIUM
        assert engine.find(case.id).wake_at == MILLENNIUM + 10 * SECOND
        assert await case.wait(timers=True) is CaseStatus.COMPLETED
        assert engine.clock.now() == MILLENNIUM + 10 * SECOND
        assert done(case, engine) == ["b"]


async def test_a_timer_survives_its_engine(world: World) -> None:
    async with world.engine() as engine:
        await engine.start(LATER, case="c")
    assert world.clock is not None
    world.clock._now = Microseconds(MILLENNIUM + 99 * SECOND)
    async with world.engine() as engine:
        assert await engine.wake() == 1
        assert await (await engine.open("c")).wait(timers=True) is CaseStatus.COMPLETED
        assert await engine.wake() == 0


async def test_a_clock_that_was_set_back_fires_nothing_early(world: World) -> None:
    async with world.engine() as engine:
        await engine.start(LATER, case="c")
    world.clock = VirtualClock(Microseconds(MILLENNIUM - 3600 * SECOND))
    async with world.engine() as engine:
        assert await engine.wake() == 0
        case = await engine.open("c")
        assert await case.wait(timers=True) is CaseStatus.COMPLETED
        assert engine.clock.now() == MILLENNIUM + 10 * SECOND


async def test_an_approval_is_reminded_of_and_then_too_late(world: World) -> None:
    async with world.engine() as engine:
        case = await engine.start(APPROVAL)
        (row,) = case.work_list()
        assert row.due == MILLENNIUM + 20 * SECOND
        assert await case.wait(timers=True) is CaseStatus.COMPLETED
        assert done(case, engine) == ["nudge", "late"]
        assert engine.clock.now() == MILLENNIUM + 60 * SECOND
        assert case.data["error"]["code"] == "timeout"  # type: ignore[index,call-overload]


async def test_an_approval_in_time_is_not_late(world: World) -> None:
    async with world.engine() as engine:
        case = await engine.start(APPROVAL)
        await case.begin("a/1")
        assert case.state.items["a/1"].expires == MILLENNIUM + 60 * SECOND
        await case.complete("a/1")
        assert await case.wait(timers=True) is CaseStatus.COMPLETED
        assert done(case, engine) == ["a", "done"]


async def test_a_composite_task_times_out_with_all_below(world: World) -> None:
    nets = {
        "net": g.net(
            "a",
            g.task("a", child="child", timeout_seconds=5.0, on_timeout=g.use("late"), outputs={}),
            g.task("late"),
        ),
        "child": g.net("w", waits("w", "1h", "p"), g.task("p", "person"), name="child"),
    }
    async with world.engine() as engine:
        case = await engine.start(g.specification(nets))
        assert await case.wait(timers=True) is CaseStatus.COMPLETED
        assert engine.clock.now() == MILLENNIUM + 5 * SECOND
        assert done(case, engine) == ["late"]


def timed(written: Any, *, kind: str | None = "person", **more: Any) -> Specification:
    """A task that has to be done by a time that the data tell, then ``late``."""
    late = g.task("late")
    made = g.task("a", kind, "done", expires=written, on_timeout=g.use("late"), **more)
    return spec(made, g.task("done"), late, patience="any")


@pytest.mark.parametrize(
    ("written", "patience", "seconds"),
    [
        ({"for": "patience"}, "90s", 90),
        ({"for": "patience"}, 30, 30),
        ({"for": "patience + 'S'"}, "PT12", 12),
        ({"until": "patience"}, "2000-01-01T00:02:00Z", 120),
        ({"next": "patience"}, "*/5 * * * *", 300),
    ],
)
async def test_the_data_tell_how_long_work_may_take(
    world: World, written: Any, patience: Any, seconds: int
) -> None:
    async with world.engine() as engine:
        case = await engine.start(timed(written), {"patience": patience})
        expires = case.state.items["a/1"].expires
        assert expires == MILLENNIUM + seconds * SECOND
    async with world.engine() as engine:  # what was told is durable
        case = await engine.resume(case.id)
        assert case.state.items["a/1"].expires == expires
        assert await case.wait(timers=True) is CaseStatus.COMPLETED
        assert engine.clock.now() == expires
        assert done(case, engine) == ["late"]


async def test_work_of_the_engine_is_stopped_when_the_data_say_so(world: World) -> None:
    async def slow(work: Any) -> None:
        del work
        await anyio.sleep_forever()

    world.functions.by_task["a"] = slow
    world.functions.workers["a"] = Worker.ASYNC
    world.clock = None  # the real one, since work is under way
    late = timed({"for": "patience"}, kind="auto", retry=Retry(attempts=2))
    async with world.engine() as engine:
        case = await engine.start(late, {"patience": 0.005})
        assert await case.wait() is CaseStatus.COMPLETED
        assert done(case, engine) == ["late"]
    assert world.functions.calls[:2] == [("a/1", 1), ("a/1", 2)]


async def test_work_that_is_done_at_once_has_its_time_recorded(world: World) -> None:
    """However a case is driven: its events do not depend on it."""
    async with world.engine() as engine:
        case = await engine.start(timed({"for": "patience"}, kind="auto"), {"patience": "5s"})
        assert await case.wait() is CaseStatus.COMPLETED
        events = [e.decode(record) for record in engine.journal.records(case.id)]
        started = [x.expires for x in events if isinstance(x, e.WorkItemStarted)]
        assert started == [MILLENNIUM + 5 * SECOND, None]


async def test_a_time_that_cannot_be_told_fails_the_case(world: World) -> None:
    async with world.engine() as engine:
        case = await engine.start(timed({"for": "patience"}), {"patience": "soon"})
        assert await case.wait() is CaseStatus.FAILED
        assert "the time of 'a' cannot be told" in case.state.error["message"]


async def test_a_timer_waits_while_its_case_is_suspended(world: World) -> None:
    async with world.engine() as engine:
        case = await engine.start(LATER)
        await case.suspend()
        assert await case.wait(timers=True) is CaseStatus.SUSPENDED
        assert await engine.wake() == 0
        await case.resume()
        assert await case.wait(timers=True) is CaseStatus.COMPLETED


async def test_timeouts_are_reproducible_with_a_seed() -> None:
    async def run() -> list[bytes]:
        async with World().engine(seed=7) as engine:
            case = await engine.start(APPROVAL)
            await case.wait(timers=True)
            return [r.hash for r in engine.journal.records(case.id)]

    assert await run() == await run()


# ── the worker ───────────────────────────────────────────────────────────────────────────────


async def test_a_worker_fires_what_is_due_and_gives_idle_cases_back(world: World) -> None:
    async with world.engine() as engine:
        for n in range(5):
            await engine.start(LATER, case=f"c{n}")
    async with world.engine() as engine, anyio.create_task_group() as group:
        group.start_soon(work, engine)
        while list(world.journal.cases(status="running")):
            await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    assert {s.status for s in world.journal.cases()} == {"completed"}


async def test_a_worker_holds_no_case_that_waits(world: World) -> None:
    async with world.engine() as engine:
        held = await engine.start(PAID, {"x": 1}, case="c")
        async with anyio.create_task_group() as group:
            group.start_soon(work, engine)
            await anyio.lowlevel.checkpoint()
            while engine._driven:
                await anyio.lowlevel.checkpoint()
            assert held.status is CaseStatus.RUNNING  # the handle stays good
            async with world.engine() as other:
                assert await other.trigger("c", "paid", key="1") is Delivery.RECEIVED
                assert await (await other.open("c")).wait() is CaseStatus.COMPLETED
            assert held.status is CaseStatus.COMPLETED
            group.cancel_scope.cancel()


async def test_a_worker_takes_over_what_an_engine_has_left(world: World) -> None:
    specification = spec(g.task("a", then="b"), g.task("b"))
    stuck = World(journal=world.journal, functions=Functions(by_task={}))
    async with stuck.engine() as engine:
        await engine.drain()
        with pytest.raises(CommandRejected):
            await engine.start(specification, case="c")
    async with world.engine() as engine:
        await engine.start(spec(waits("a", "1s", "b"), g.task("b")), case="d")
    async with world.engine() as engine, anyio.create_task_group() as group:
        group.start_soon(work, engine)
        while world.journal.summary(CaseId("d")).status == "running":  # type: ignore[union-attr]
            await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()


async def test_a_schedule_starts_each_case_once(world: World) -> None:
    specification = spec(g.task("a"))

    def schedules(engine: Engine) -> list[Schedule]:
        async def start(case: str) -> object:
            return await engine.start(specification, case=case)

        return [Schedule("report", "*/5 * * * *", "UTC", start)]

    async with world.engine() as one, world.engine() as two, anyio.create_task_group() as group:
        for engine in (one, two):
            group.start_soon(lambda e=engine: work(e, schedules=lambda: schedules(e)))
        while len(world.journal.cases()) < 4:
            await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    names = sorted(s.case for s in world.journal.cases())
    assert names[:2] == ["report-20000101T000500Z", "report-20000101T001000Z"]
    assert len(names) == len(set(names))


async def test_a_schedule_that_cannot_start_says_so_and_goes_on(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []

    async def start(case: str) -> object:
        asked.append(case)
        raise UsageError("the data do not fit")

    schedule = Schedule("report", "0 * * * *", "UTC", start)
    with caplog.at_level(logging.ERROR, "weft"):
        async with world.engine() as engine, anyio.create_task_group() as group:
            group.start_soon(lambda: work(engine, schedules=lambda: [schedule]))
            while len(asked) < 2:
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
    assert "case report-20000101T010000Z is not started: the data do not fit" in caplog.text


@pytest.mark.parametrize(
    ("missed", "started"),
    [
        ("skip", []),
        ("once", ["report-20000101T030000Z"]),
        ("all", [f"report-20000101T0{hour}0000Z" for hour in (1, 2, 3)]),
    ],
)
async def test_times_at_which_no_worker_ran(world: World, missed: str, started: list[str]) -> None:
    """It was deployed at 00:30, and the worker comes back at 03:10."""
    specification = spec(g.task("a"))
    world.clock = VirtualClock(Microseconds(MILLENNIUM + 190 * 60 * SECOND))
    for _ in range(2):  # and again: what was started is not started twice
        async with world.engine() as engine, anyio.create_task_group() as group:

            async def start(case: str, engine: Engine = engine) -> object:
                return await engine.start(specification, case=case)

            schedule = Schedule(
                *("report", "0 * * * *", "UTC", start, missed),
                since=Microseconds(MILLENNIUM + 30 * 60 * SECOND),
            )
            before = len(world.journal.cases())
            group.start_soon(lambda: work(engine, schedules=lambda: [schedule]))  # noqa: B023  # it ends below
            while len(world.journal.cases()) < max(len(started), before) + 1:
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
    names = sorted(s.case for s in world.journal.cases())
    assert names[: len(started)] == started
    assert names[len(started) :][0] == "report-20000101T040000Z", "and then it goes on as usual"


def test_no_more_than_so_many_times_are_made_up_for() -> None:
    async def start(case: str) -> None:
        raise AssertionError(case)

    schedule = Schedule("often", "* * * * *", "UTC", start, "all")
    now = Microseconds(MILLENNIUM + 30 * SECOND)
    times = schedule.made_up_for(now)
    assert (len(times), times[-1]) == (MISSED_AT_MOST, MILLENNIUM)
    yearly = Schedule("rare", "0 0 1 1 *", "UTC", start, "once")
    assert yearly.made_up_for(Microseconds(now + 300 * 86_400 * SECOND)) == (MILLENNIUM,)

"""Times that are odd, and policies without end: in the past, in the year 9999, at a clock change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from tests.engine import generated as g
from tests.engine.runtime.test_waiting import SECOND, done, spec, waits
from tests.engine.runtime.worlds import Functions, World
from weft.engine.journal.memory import MemoryJournal
from weft.engine.journal.sqlite import SqliteJournal
from weft.engine.lifecycle import CaseStatus
from weft.engine.ports import CaseId, Microseconds, Work
from weft.engine.runtime.clock import MILLENNIUM, VirtualClock
from weft.schema.specification import Retry


def micros(text: str) -> Microseconds:
    return Microseconds(round(datetime.fromisoformat(text).timestamp()) * SECOND)


@pytest.fixture(params=["memory", "sqlite"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    journal = MemoryJournal() if request.param == "memory" else SqliteJournal(tmp_path / "w.db")
    yield World(journal=journal)
    journal.close()


async def test_what_is_past_is_due_at_once(world: World) -> None:
    async with world.engine() as engine:
        case = await engine.start(
            spec(waits("a", {"until": "1969-07-20T20:17:40Z"}, "b"), g.task("b"))
        )
        assert await case.wait() is CaseStatus.COMPLETED
        assert done(case, engine) == ["b"]
        assert engine.clock.now() == MILLENNIUM


async def test_the_last_moment_of_the_year_9999(world: World) -> None:
    last = "9999-12-31T23:59:59Z"
    async with world.engine() as engine:
        case = await engine.start(spec(waits("a", {"until": last}, "b"), g.task("b")), case="c")
        assert case.idle
        assert engine.journal.next_wake() == micros("9999-12-31T23:59:59+00:00")
    async with world.engine() as engine:  # it survives, and comes
        case = await engine.open("c")
        assert await case.wait(timers=True) is CaseStatus.COMPLETED
        assert datetime.fromtimestamp(engine.clock.now() // SECOND, UTC).year == 9999


@pytest.mark.parametrize("late", [{"until": "when"}, {"for": "when"}])
async def test_what_lies_behind_it_fails_the_case_and_says_so(
    world: World, late: dict[str, str]
) -> None:
    written = "10000-01-01T00:00:00Z" if "until" in late else "P8001Y"
    async with world.engine() as engine:
        specification = spec(waits("a", late, "b"), g.task("b"), when="string")
        case = await engine.start(specification, {"when": written})
        assert case.status is CaseStatus.FAILED
        error = case.error or {}
        assert error["code"] == "timer"
        assert "a" in error["message"]
        other = await engine.start(specification, {"when": "1s" if "for" in late else "2000-01-02"})
        assert await other.wait(timers=True) is CaseStatus.COMPLETED, "others run"


async def test_a_time_out_that_would_end_behind_it_ends_there(world: World) -> None:
    world.clock = VirtualClock(micros("9950-01-01T00:00:00+00:00"))
    century = g.task("a", "person", timeout_seconds=3_155_760_000.0)
    async with world.engine() as engine:
        case = await engine.start(g.specification(g.net("a", century)))
        expires = case.state.items["a/1"].expires
        assert expires is not None
        assert datetime.fromtimestamp(expires // SECOND, UTC).year == 9999
        await case.complete("a/1")
        assert case.status is CaseStatus.COMPLETED


@pytest.mark.parametrize(
    ("starts", "fires"),
    [
        ("2026-03-28T12:00:00+01:00", "2026-03-29T03:00:00+02:00"),  # 02:30 is skipped
        ("2026-10-24T12:00:00+02:00", "2026-10-25T02:30:00+02:00"),  # it comes twice: the first
    ],
)
async def test_a_timer_across_a_clock_change(starts: str, fires: str) -> None:
    world = World(clock=VirtualClock(micros(starts)))
    daily = {"next": "30 2 * * *", "zone": "Europe/Berlin"}
    async with world.engine() as engine:
        case = await engine.start(spec(waits("a", daily, "b"), g.task("b")))
        assert await case.wait(timers=True) is CaseStatus.COMPLETED
        assert engine.clock.now() == micros(fires)


async def test_a_policy_that_retries_for_ever_keeps_nobody_from_running() -> None:
    """It goes on at once, a million times; others run, it can be stopped, and nothing is lost."""

    def fails(work: Work) -> None:
        raise ValueError(f"attempt {work.attempt}")

    world = World(MemoryJournal(), Functions(by_task={"a": fails}), clock=None)
    for_ever = g.specification(g.net("a", g.task("a", retry=Retry(attempts=1_000_000))))
    async with world.engine(snapshot_every=20) as engine:
        stubborn = await engine.start(for_ever, case="stubborn")
        while stubborn.events < 50:
            await anyio.lowlevel.checkpoint()
        other = await engine.start(g.specification(g.net("b", g.task("b", then="c"), g.task("c"))))
        assert await other.wait() is CaseStatus.COMPLETED
        assert stubborn.status is CaseStatus.RUNNING
        await stubborn.cancel("it does not help")
        assert stubborn.status is CaseStatus.CANCELLED
        events = stubborn.events
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        assert stubborn.events == events, "and that is the end of it"
    assert len(world.journal.records(CaseId("stubborn"))) == events

"""Two hosts, one store: an engine that is not heard of loses its cases, and cannot write to them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest

from tests.engine import generated as g
from tests.engine.runtime.worlds import Functions, World
from weft.engine import events as e
from weft.engine.journal.claims import Host
from weft.engine.journal.memory import MemoryJournal
from weft.engine.journal.sqlite import SqliteJournal
from weft.engine.lifecycle import CaseStatus
from weft.engine.ports import CaseClaimed, CaseId, Journal, JournalConflict, Work, Worker
from weft.engine.runtime.clock import VirtualClock
from weft.schema.errors import JournalError, UsageError
from weft.schema.specification import Retry

CHAIN = g.specification(g.net("a", g.task("a", then="b", retry=Retry(attempts=3)), g.task("b")))
Stores = tuple[Journal, Journal]


@pytest.fixture(params=["memory", "sqlite"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    """One store as two hosts see it."""
    here: Journal
    there: Journal
    if request.param == "memory":
        here = memory = MemoryJournal()
        there = memory.elsewhere("there")
    else:
        here = SqliteJournal(tmp_path / "weft.db", here=Host("here", "one kernel"))
        there = SqliteJournal(tmp_path / "weft.db", here=Host("there", "another kernel"))
    yield here, there
    there.close()
    here.close()


def forward(clock: VirtualClock, seconds: float) -> None:
    clock._now += round(seconds * 1_000_000)  # type: ignore[assignment]


def answering(
    done: list[str], host: str, gate: anyio.Event | None = None
) -> Callable[[Work], object]:
    async def perform(work: Work) -> str:
        if gate is not None:
            await gate.wait()
        done.append(f"{work.idempotency_key} {host}")
        return host

    return perform


async def test_a_host_that_is_not_heard_of_loses_its_cases_and_cannot_write_to_them(
    stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    clock, done, stuck = VirtualClock(), [], anyio.Event()
    workers = {"a": Worker.ASYNC, "b": Worker.ASYNC}
    here = World(
        stores[0],
        Functions(by_task={n: answering(done, "here", stuck) for n in "ab"}, workers=workers),
        clock,
    )
    there = World(
        stores[1],
        Functions(by_task={n: answering(done, "there") for n in "ab"}, workers=workers),
        clock,
    )
    async with here.engine(lease_seconds=30) as one, there.engine(lease_seconds=30) as two:
        case = await one.start(CHAIN, case="x")
        await anyio.wait_all_tasks_blocked()

        forward(clock, 29)
        assert await two.recover() == []
        with pytest.raises(CaseClaimed):
            await two.open("x")
        one.renew()
        forward(clock, 29)
        assert await two.recover() == [], "it was heard of"

        forward(clock, 1)
        two.renew()
        (taken,) = await two.recover()
        assert await taken.wait() is CaseStatus.COMPLETED
        assert (taken.data["a"], taken.data["b"]) == ("there", "there")

        with caplog.at_level(logging.ERROR):
            stuck.set()  # the first host ends its attempt now, late
            with pytest.raises(JournalConflict):
                await case.wait()
    assert done == ["x:a/1 there", "x:b/1 there", "x:a/1 here"], "an effect may happen twice"
    events = [e.decode(record) for record in stores[0].records(CaseId("x"))]
    completed = [event.item for event in events if isinstance(event, e.WorkItemCompleted)]
    assert completed == ["a/1", "b/1"], "it is confirmed once"
    (again,) = [event for event in events if isinstance(event, e.WorkItemRetried)]
    assert (again.attempt, again.crashed) == (2, True)


async def test_who_comes_back_late_is_told_and_stops_its_work(
    stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    clock, stuck = VirtualClock(), anyio.Event()
    functions = Functions(by_task={"a": answering([], "here", stuck)}, workers={"a": Worker.ASYNC})
    here, there = World(stores[0], functions, clock), World(stores[1], Functions(), clock)
    async with here.engine() as one, there.engine() as two:
        lost = await one.start(CHAIN, case="lost")
        kept = await one.start(CHAIN, case="kept")
        await anyio.wait_all_tasks_blocked()
        attempt = lost._driven.attempts["a/1"]
        forward(clock, 31)
        two.renew()
        taken = await two.open("lost")
        one.renew()
        assert attempt.stopped
        assert "case 'lost' has been taken over by an engine on another host" in caplog.text
        with pytest.raises(JournalConflict, match="taken over"):
            await lost.wait()
        with pytest.raises(CaseClaimed):
            await one.open("lost")
        with pytest.raises(CaseClaimed):
            await two.open("kept")
        stuck.set()
        assert await kept.wait() is CaseStatus.COMPLETED
        await taken.cancel()


async def test_a_lease_that_cannot_be_renewed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    journal = SqliteJournal(tmp_path / "weft.db")
    async with World(journal, clock=VirtualClock()).engine(journal) as engine:
        await engine.start(g.specification(g.net("a", g.task("a", "person"))))

        def full(*_: object) -> int:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("os.pwrite", full)
            with pytest.raises(JournalError, match="cannot be renewed") as caught:
                engine.renew()
            assert caught.value.code == "full"
            engine._renewed()
        assert "other hosts may take over what this engine drives" in caplog.text
        engine.renew()


def test_a_lease_has_a_length() -> None:
    with pytest.raises(UsageError, match="lease_seconds is more than 0, not 0"):
        World().engine(lease_seconds=0)

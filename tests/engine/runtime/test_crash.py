"""The process ends at any append; another engine goes on, and no completed step runs twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.engine import generated as g
from tests.engine.runtime.worlds import Faulty, Functions, StoppedError, World, failing
from weft.engine import commands as c
from weft.engine import events as e
from weft.engine.journal import open_journal
from weft.engine.journal.memory import MemoryJournal
from weft.engine.lifecycle import CaseStatus
from weft.engine.ports import CaseId, Journal, Work, Worker
from weft.schema.specification import Retry, Use

LOOP = Use("structured-loop", {"until": "x >= 3"})
SPECIFICATION = g.specification(
    {
        "net": g.net(
            "a",
            g.task("a", then={"parallel-split": ["b", "c"]}),
            g.task("b", then="d", retry=Retry(attempts=3, delay_seconds=1)),
            g.task("c", then="d"),
            g.task("d", then="e", join="synchronization"),
            g.task("e", then="sub", outputs={"x": "x + 1"}, around=[LOOP]),
            g.task("sub", child="child", outputs={"y": "result.y"}, then="f"),
            g.task("f", on_failure="h"),
            g.task("h"),
        ),
        "child": g.net("w", g.task("w", outputs={"y": "result"}), name="child"),
    }
)
CASE = CaseId("case-1")


def world(journal: Journal, keys: set[tuple[str, str]]) -> World:
    async def waits(work: Work) -> str:
        await anyio.lowlevel.checkpoint()
        return "c"

    def keep(function: Callable[[Work], Any]) -> Callable[[Work], Any]:
        def kept(work: Work) -> Any:
            keys.add((work.item, work.idempotency_key))
            return function(work)

        return kept

    by_task = {
        "a": keep(lambda work: 1),
        "b": keep(failing(1, "b")),
        "c": waits,
        "w": keep(lambda work: 9),
        "f": keep(failing(99)),
    }
    return World(journal, Functions(by_task=by_task, workers={"c": Worker.ASYNC}))


async def run_until_it_stops(w: World, journal: Journal) -> None:
    try:
        async with w.engine(journal, snapshot_every=5) as engine:
            case = await engine.start(SPECIFICATION, case=CASE)
            await case.wait()
    except* StoppedError:
        pass


def completed(journal: Journal) -> set[str]:
    """The items that the journal tells to be done."""
    events = [e.decode(r) for r in journal.records(CASE)]
    return {x.item for x in events if isinstance(x, e.WorkItemCompleted | e.WorkItemGivenUp)}


async def appends() -> int:
    """How many appends a run makes that nothing stops."""
    journal = Faulty(MemoryJournal())
    await run_until_it_stops(world(journal.inner, set()), journal)
    return journal.count


@pytest.mark.parametrize("store", ["memory", "sqlite"])
@pytest.mark.parametrize("after", [False, True], ids=["before it is kept", "after it is kept"])
async def test_stopping_at_any_append(store: str, after: bool, tmp_path: Path) -> None:
    total = await appends()
    assert total > 12
    for stops in range(1, total + 1):
        url = "memory:" if store == "memory" else f"sqlite:///{tmp_path}/{stops}.db"
        journal = open_journal(url)
        keys: set[tuple[str, str]] = set()
        w = world(journal, keys)
        await run_until_it_stops(w, Faulty(journal, stops=stops, after=after))
        if store == "sqlite":
            journal.close()
            journal = w.journal = open_journal(url)
        if journal.summary(CASE) is None:
            assert stops == 1
            continue
        done, before = completed(journal), list(w.functions.calls)
        w.functions.calls.clear()
        async with w.engine() as engine:
            if journal.summary(CASE).status == "running":  # type: ignore[union-attr]
                (case,) = await engine.recover()
            else:
                case = await engine.open(CASE)
            assert await case.wait() is CaseStatus.COMPLETED
            assert (case.data["x"], case.data["y"]) == (3, 9)
            assert case.data["c"] == "c"
        again = w.functions.calls
        assert not {item for item, _ in again} & done, f"stopped at {stops}"
        assert all(call not in before for call in again), "the next attempt has the next number"
        assert len(keys) == len({item for item, _ in keys}), "one key for all attempts of an item"
        assert e.broken_link(CASE, journal.records(CASE)) is None
        journal.close()


async def test_stopping_twice() -> None:
    """The engine that recovers is stopped, too."""
    total = await appends()
    for first in range(2, total, 3):
        for second in range(1, 4):
            journal = MemoryJournal()
            w = world(journal, set())
            await run_until_it_stops(w, Faulty(journal, stops=first))
            try:
                async with w.engine(Faulty(journal, stops=second)) as engine:
                    for case in await engine.recover():
                        await case.wait()
            except* StoppedError:
                pass
            async with w.engine() as engine:
                for case in await engine.recover():
                    assert await case.wait() is CaseStatus.COMPLETED
            assert journal.summary(CASE).status == "completed"  # type: ignore[union-attr]


async def test_resuming_by_a_command_begins_again_what_a_crash_interrupted() -> None:
    """A case that was paused when its engine died, and goes on by a command like any other."""
    held = anyio.Event()

    async def waits(work: Work) -> str:
        if work.attempt == 1:
            await held.wait()
        return "a"

    functions = Functions(by_task={"a": waits}, workers={"a": Worker.ASYNC})
    w = World(MemoryJournal(), functions)
    async with w.engine(grace_seconds=0) as engine:
        case = await engine.start(g.specification(g.net("a", g.task("a"))), case=CASE)
        await case.suspend()
    async with w.engine() as engine:
        case = await engine.open(CASE)
        assert case.status is CaseStatus.SUSPENDED
        await case.execute(c.ResumeCase())
        assert await case.wait() is CaseStatus.COMPLETED
        assert case.data["a"] == "a"

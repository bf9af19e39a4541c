"""There is no hidden limit: long, wide and many, in time that grows with the work alone."""

from __future__ import annotations

import pytest

from tests.engine import generated as g
from tests.engine.runtime.worlds import Functions, World
from weft.engine.journal.memory import MemoryJournal
from weft.engine.lifecycle import CaseStatus
from weft.engine.ports import Work

# Other tests cover these lines, and tell the same: here that would only take minutes.
pytestmark = [pytest.mark.no_cover, pytest.mark.weft_live_check(off=True)]


def counting() -> World:
    return World(functions=Functions(by_task={"a": lambda work: 1}))


async def test_ten_thousand_tasks_in_a_row() -> None:
    size = 10_000
    last = size - 1
    tasks = [g.task(f"t{i}", then=f"t{i + 1}" if i < last else None) for i in range(size)]
    w = World()
    async with w.engine() as engine:
        case = await engine.start(g.specification(g.net("t0", *tasks)))
        assert await case.wait() is CaseStatus.COMPLETED
        assert case.events == 2 * size + 2
    assert [item for item, _ in w.functions.calls] == [f"t{i}/1" for i in range(size)]


async def test_ten_thousand_rounds() -> None:
    until = g.use({"structured-loop": {"until": "x >= 10000"}})
    loop = g.task("a", outputs={"x": "x + result"}, around=[until])
    w = counting()
    w.journal = MemoryJournal(keep_events=False)
    async with w.engine() as engine:
        case = await engine.start(g.specification(g.net("a", loop)))
        assert await case.wait() is CaseStatus.COMPLETED
        assert case.data["x"] == 10_000
        assert len(w.journal._cases[case.id].records) < 2000, "what a snapshot covers is dropped"
        assert engine.read(case.id) == case.state, "and the case can still be read"


async def test_two_thousand_tasks_side_by_side() -> None:
    names = [f"t{i}" for i in range(2000)]
    done: list[str] = []

    def work_on(work: Work) -> None:
        done.append(work.item)

    spec = g.net(
        "a",
        g.task("a", None, {"parallel-split": names}),
        *(g.task(name, then="z") for name in names),
        g.task("z", join="synchronization"),
    )
    w = World(functions=Functions(by_task=dict.fromkeys([*names, "z"], work_on)))
    async with w.engine(snapshot_every=100_000) as engine:
        case = await engine.start(g.specification(spec))
        assert await case.wait() is CaseStatus.COMPLETED
    assert done == [*(f"{name}/1" for name in names), "z/1"]


async def test_many_offers_are_withdrawn_together() -> None:
    names = [f"t{i}" for i in range(1000)]
    choice = g.net(
        "a", g.task("a", None, {"deferred-choice": names}), *(g.task(n, "person") for n in names)
    )
    async with World().engine() as engine:
        case = await engine.start(g.specification(choice))
        assert len(case.work_items) == 1000
        await case.begin("t500/1")
        assert [item.id for item in case.work_items] == ["t500/1"]
        assert len(case.work_list()) == 1

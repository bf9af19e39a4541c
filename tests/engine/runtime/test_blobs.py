"""Large results are kept beside the journal; small ones are never touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.engine import generated as g
from tests.engine.runtime.worlds import Faulty, Functions, World
from weft.engine.journal import open_journal
from weft.engine.journal.memory import MemoryJournal
from weft.engine.lifecycle import CaseStatus
from weft.engine.ports import Work
from weft.engine.runtime import blobs
from weft.engine.runtime.blobs import LARGE, put_aside, whole
from weft.schema.errors import JournalError, WorkFailed

LONG = "ä" * (LARGE + 1)


@pytest.mark.parametrize(
    "value",
    [
        LONG,
        {"log": LONG, "code": 0, "also": [LONG, "short"]},
        list(range(LARGE // 4)),
        {str(n): n for n in range(LARGE // 8)},
        "weft-blob:text:" + 64 * "0" + ":5",
        ["weft-blob:json:1"],
        "weft-blob:",
    ],
    ids=["text", "texts", "list", "object", "no reference", "nor this", "nor that"],
)
def test_what_is_put_aside_comes_back(value: Any) -> None:
    journal = MemoryJournal()
    light = put_aside(value, journal)
    assert light != value
    assert len(repr(light)) < 1000
    assert whole(light, journal) == value


def test_small_results_are_what_they_were() -> None:
    journal = MemoryJournal()
    for value in (None, 1, "x" * LARGE, {"a": ["b", 1.5, None]}, object(), {1, 2}):
        kept = put_aside(value, journal)
        assert kept is value or kept == value
    beside = put_aside({"log": LONG, "code": 7}, journal)
    assert beside["code"] == 7


def test_what_is_no_json_is_left_to_those_who_refuse_it() -> None:
    journal = MemoryJournal()
    wrong = {"log": LONG, "what": object()}
    assert put_aside(wrong, journal) is wrong
    endless: list[Any] = []
    endless.append(endless)
    assert put_aside(endless, journal) is endless


async def test_a_result_of_100_mb_leaves_the_journal_small(tmp_path: Path) -> None:
    size = 100 << 20
    seen: list[int] = []

    def gives(work: Work) -> dict[str, Any]:
        return {"log": "x" * size, "code": 0}

    def takes(work: Work) -> None:
        seen.append(len(work.inputs["log"]))

    spec = g.specification(
        g.net("a", g.task("a", then="b"), g.task("b", inputs={"log": "a.log", "code": "a.code"}))
    )
    journal = open_journal(f"sqlite:///{tmp_path}/large.db")
    w = World(journal, Functions(by_task={"a": gives, "b": takes}))
    async with w.engine(Faulty(journal), snapshot_every=1) as engine:
        case = await engine.start(spec)
        assert await case.wait() is CaseStatus.COMPLETED, case.error
        assert seen == [size]
        assert sum(len(r.data) for r in journal.records(case.id)) < 2000
        kept = journal.snapshot(case.id)
        assert kept is not None
        assert len(kept.data) < 2000
        assert len(case.whole(case.data["a"])["log"]) == size
    assert journal.check() == []  # type: ignore[attr-defined]
    journal.close()


async def test_a_large_value_that_was_changed_sets_its_case_aside(tmp_path: Path) -> None:
    """It is named, and never half read; other cases go on."""
    spec = g.specification(
        g.net(
            "a",
            g.task("a", then="p"),
            g.task("p", "person", then="b"),
            g.task("b", inputs={"a": "a"}),
        )
    )
    journal: Any = open_journal(f"sqlite:///{tmp_path}/large.db")
    w = World(journal, Functions(by_task={"a": lambda work: LONG}))
    async with w.engine(Faulty(journal)) as engine:
        case = await engine.start(spec)
        await case.wait()
        journal._connection.execute("UPDATE blobs SET data = zeroblob(length(data))")
        assert any("has other bytes than written" in str(fault) for fault in journal.check())
        await case.complete("p/1")
        with pytest.raises(JournalError, match="has other bytes than were stored"):
            await case.wait()
        other = await engine.start(g.specification(g.net("z", g.task("z"))))
        assert await other.wait() is CaseStatus.COMPLETED
        journal._connection.execute("DELETE FROM blobs")
        with pytest.raises(JournalError, match="is not in the store"):
            case.whole(case.data["a"])
    journal.close()


async def test_what_cannot_be_kept_fails_its_item(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs, "LARGEST", LARGE)
    with pytest.raises(WorkFailed, match="the store keeps at most"):
        put_aside(LONG, MemoryJournal())
    w = World(functions=Functions(by_task={"a": lambda work: LONG}))
    spec = g.specification(g.net("a", g.task("a")))
    async with w.engine() as engine:
        case = await engine.start(spec)
        assert await case.wait() is CaseStatus.FAILED
        assert (case.error or {})["code"] == "too-big"
    monkeypatch.undo()

    class Full(Faulty):
        def put_blob(self, hash: str, data: bytes) -> None:
            raise JournalError("the disk is full", code="full")

    async with w.engine(Full(MemoryJournal())) as engine:
        case = await engine.start(spec)
        assert await case.wait() is CaseStatus.FAILED
        assert (case.error or {})["code"] == "full"
    await anyio.lowlevel.checkpoint()

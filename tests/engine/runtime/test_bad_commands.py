"""What is asked twice, too late, by the wrong person or in the wrong shape: refused, nothing lost."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.engine import generated as g
from tests.engine.runtime.worlds import Faulty, Functions, World
from weft.engine.journal import open_journal
from weft.engine.lifecycle import CaseStatus
from weft.engine.runtime.engine import Case
from weft.schema.datatypes import DataType, Variable
from weft.schema.errors import CommandRejected, JournalError
from weft.schema.specification import Use

COUNT = {"count": Variable("count", DataType("integer"))}
PERSON = g.specification(
    g.net(
        ["a", "stop"],
        g.task("a", "person", "b", outputs={"count": "result"}),
        g.task("b", "person"),
        g.task("stop", "person", around=[Use("cancel-region", {"region": ["a", "b"]})]),
        variables=COUNT,
    )
)


async def refused(case: Case, code: str, *arguments: Any, **options: Any) -> str:
    """What is said to a completion that is refused; the case stays as it was."""
    before, events = case.state, case.events
    with pytest.raises(CommandRejected) as caught:
        await case.complete(*arguments, **options)
    assert caught.value.code == code
    assert (case.state, case.events) == (before, events)
    return caught.value.message


async def test_completing_twice() -> None:
    async with World().engine() as engine:
        case = await engine.start(PERSON)
        await case.complete("a/1", 1, id="mail-1")
        await case.complete("a/1", 1, id="mail-1")  # the same command again has had its effect
        said = await refused(case, "not-open", "a/1", 2)
        assert "it is not open any more" in said
        assert "'b/1' (offered)" in said
        assert case.data["count"] == 1


async def test_completing_after_cancellation() -> None:
    async with World().engine() as engine:
        case = await engine.start(PERSON)
        await case.begin("a/1")
        await case.complete("stop/1")
        await refused(
            case, "not-open" if case.status is CaseStatus.RUNNING else "case-status", "a/1"
        )
        other = await engine.start(PERSON)
        await other.cancel("no more")
        assert "the case is cancelled" in await refused(other, "case-status", "a/1")


async def test_two_people_complete_one_item_at_once() -> None:
    """One is first; the other is told, and has changed nothing."""
    told: list[str] = []
    async with World().engine() as engine:
        case = await engine.start(PERSON)

        async def complete(person: str, value: int) -> None:
            try:
                await case.complete("a/1", value, by=person)
            except CommandRejected as error:
                told.append(f"{person}: {error.code}")

        async with anyio.create_task_group() as both:
            both.start_soon(complete, "ann", 1)
            both.start_soon(complete, "bob", 2)
        assert told == ["bob: not-open"]
        assert case.data["count"] == 1


async def test_somebody_else_has_claimed_it() -> None:
    async with World().engine() as engine:
        case = await engine.start(PERSON)
        await case.claim("a/1", "ann")
        assert "'ann' has claimed it" in await refused(case, "claimed-by-other", "a/1", 1, by="bob")


async def test_a_result_of_the_wrong_shape_fails_the_item_and_loses_nothing() -> None:
    async with World().engine() as engine:
        case = await engine.start(PERSON)
        await case.complete("a/1", "no number")
        assert case.status is CaseStatus.FAILED
        assert (case.error or {})["code"] == "result-type"
        await case.complete("a/1", 3)  # the held item, by hand, rightly
        assert case.status is CaseStatus.RUNNING
        assert case.data["count"] == 3


async def test_an_unknown_event_sets_its_case_aside_and_the_others_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    two = g.specification(g.net("a", g.task("a", then="b"), g.task("b")))
    journal: Any = open_journal(url)
    world = World(journal, Functions())
    async with world.engine(Faulty(journal)) as engine:
        for name in ("good", "strange"):
            case = await engine.start(two, case=name)
            await engine.drain(5)
            await engine.proceed()
            await case.wait()
    journal.close()

    class Newer(Faulty):
        """A store in which a newer Weft has written to one case."""

        def records(self, case: Any, **options: Any) -> Any:
            from msgspec.structs import replace

            from weft.engine import events as e

            found = list(self.inner.records(case, **options))
            if case == "strange" and found:
                r = found[-1]
                link = e.link(found[-2].hash, case, r.sequence, "CaseTeleported", 1, r.time, r.data)
                found[-1] = replace(r, type="CaseTeleported", version=1, hash=link)
            return found

        def histories(self, cases: Any) -> Any:
            return {}

        def stopped(self) -> Any:
            return ["strange", "good"]

        def snapshot(self, case: Any, **options: Any) -> None:
            return None

    journal = world.journal = open_journal(url)
    with caplog.at_level(logging.ERROR):
        async with world.engine(Newer(journal)) as engine:
            recovered = await engine.recover()
            assert "case strange cannot be recovered" in caplog.text
            assert "'CaseTeleported' version 1: a newer Weft wrote this case" in caplog.text
            assert [case.id for case in recovered] in ([], ["good"])
            with pytest.raises(JournalError) as caught:
                await engine.open("strange")
            assert caught.value.code == "newer"
            assert "strange" in str(caught.value.where)
            assert (await engine.open("good")).status is CaseStatus.COMPLETED
    journal.close()

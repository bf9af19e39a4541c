"""Steps that are told of, in a file or to listeners: by routes they are those of the long way.

The journal is the same to the byte, the listeners hear the same, and no function is called before
that is durable which it goes on from.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import json
import random
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import weft
from tests.engine.journal.batches import batch
from tests.engine.journal.faults import FaultyDisk
from tests.engine.runtime.test_lanes import FUNCTIONS, PLAIN, drawn, perform, play
from tests.engine.runtime.test_lanes import LOOP as LONG
from tests.engine.runtime.worlds import Faulty
from weft.connectors.python import PythonConnector
from weft.engine.compile import compile_specification
from weft.engine.decide import initial_data
from weft.engine.events import broken_link, decode
from weft.engine.journal import sqlite
from weft.engine.journal.claims import Host
from weft.engine.journal.memory import MemoryJournal
from weft.engine.journal.sqlite import SqliteJournal
from weft.engine.ports import CaseId, Journal, Microseconds, Performer, Worker
from weft.engine.runtime import turns
from weft.engine.runtime.clock import VirtualClock
from weft.engine.runtime.engine import Engine
from weft.engine.runtime.lanes import book_of, compiled_lane
from weft.engine.runtime.turns import Turns
from weft.patterns import builtin

if compiled_lane() is None:
    pytest.skip("the lane is not compiled", allow_module_level=True)

LAST = 40
LOOP = LONG.replace("300", str(LAST))
Made = Callable[[], Journal]


def quick_file(path: Path) -> SqliteJournal:
    """A store in a file that waits for no disk."""
    journal = SqliteJournal(path)
    journal._connection.execute("PRAGMA synchronous = OFF")
    return journal


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No turn ends by real time, which nobody knows on a busy machine."""
    monkeypatch.setattr(turns, "TURN_SECONDS", 3600.0)


@pytest.fixture(params=["memory", "file"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Made:
    """Makes stores of a kind."""
    names = iter(range(10**6))
    if request.param == "memory":
        return MemoryJournal
    return lambda: quick_file(tmp_path / f"{next(names)}.db")


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many steps each turn has made durable."""
    counted: list[int] = []
    commit = Turns._commit

    def counting(self: Turns, starts: Any, steps: Any) -> None:
        counted.append(len(starts) + len(steps))
        commit(self, starts, steps)

    monkeypatch.setattr(Turns, "_commit", counting)
    yield counted
    assert sum(counted) > 0, "all of it went the long way"


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """One for each turn that Ctrl-C has ended, which then goes no further."""
    counted: list[bool] = []
    turn = Turns._turn

    def shielded(self: Turns) -> None:
        try:
            turn(self)
        except KeyboardInterrupt:
            counted.append(True)

    monkeypatch.setattr(Turns, "_turn", shielded)
    return counted


async def same(made: Made, run: Callable[[Journal, list[Any]], Any]) -> None:
    """A run comes to the same in turns and the long way, for those who listen, too."""
    in_turns, long = await run(made(), []), await run(Faulty(MemoryJournal()), [])
    assert in_turns == long


async def test_generated_nets(
    made: Made, seeds: range, steps: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine, "draw", lambda *_: 0.5)  # how long a retry waits
    for seed in range(seeds.start * 6, seeds.stop * 6):
        specification = drawn(seed)
        try:
            await same(made, lambda journal, heard: play(specification, seed, journal, heard))  # noqa: B023  # awaited here
        except weft.DefinitionErrors:
            continue  # a tangle that does not compile
    assert steps


@pytest.mark.parametrize("functions", FUNCTIONS)
async def test_functions(
    made: Made, functions: dict[str, Callable[..., Any]], steps: list[int]
) -> None:
    await same(made, lambda journal, heard: perform({**PLAIN, **functions}, journal, heard))
    assert steps


# ── what is durable, and when ────────────────────────────────────────────────────────────────


def ended(engine: Engine, case: str, n: int) -> None:
    """A case is over, and all that it is in the store fits."""
    name = CaseId(case)
    records = engine.journal.records(name)
    summary = engine.find(case)
    assert (summary.status, summary.sequence, summary.idle) == ("completed", len(records), False)
    assert broken_link(name, records) is None
    state = engine.read(case)
    assert (state.status, state.data) == (weft.CaseStatus.COMPLETED, {"n": n})


async def test_no_function_is_called_before_what_it_goes_on_from_is_durable(
    tmp_path: Path, steps: list[int]
) -> None:
    other = SqliteJournal(tmp_path / "weft.db")
    seen: dict[str, list[int]] = {}

    def add(work: weft.Work, n: int) -> int:
        done = [r for r in other.records(work.case) if r.type == "WorkItemCompleted"]
        seen.setdefault(work.case, []).append(len(done))
        assert len(done) == n
        return n + 1

    journal = quick_file(tmp_path / "weft.db")
    async with weft.open(journal, functions={"add": add}) as engine:
        await (await engine.start(weft.loads(LOOP), case="first")).wait()
        cases = [await engine.start(weft.loads(LOOP), case=f"c{i}") for i in range(5)]
        for case in cases:
            assert await case.wait() is weft.CaseStatus.COMPLETED
            ended(engine, case.id, LAST)
    assert seen["c3"] == list(range(LAST))
    assert max(steps) == 5  # the steps of all of them, in one commit
    assert other.check() == []
    other.close()


async def test_cases_that_start_at_the_same_time_share_a_commit(
    tmp_path: Path, steps: list[int]
) -> None:
    journal = quick_file(tmp_path / "weft.db")
    async with weft.open(journal, functions={"add": lambda n: LAST}) as engine:
        specification = weft.loads(LOOP)
        await (await engine.start(specification)).wait()

        async def one(number: int) -> None:
            case = await engine.start(specification, case=f"c{number}")
            assert journal.summary(case.id) is not None
            assert await case.wait() is weft.CaseStatus.COMPLETED

        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(one, number)
        assert {engine.find(f"c{number}").status for number in range(20)} == {"completed"}
    assert steps.count(20) == 2


async def test_a_turn_that_lasts_longer_than_the_last_commit_ends_and_the_rest_come_next(
    tmp_path: Path, steps: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "TURN_SECONDS", 0.001)
    clock = itertools.count()  # a second each time that somebody looks
    monkeypatch.setattr(turns, "time", SimpleNamespace(perf_counter=lambda: float(next(clock))))
    async with weft.open(
        quick_file(tmp_path / "weft.db"), functions={"add": lambda n: n + 1}
    ) as engine:
        await (await engine.start(weft.loads(LOOP), case="first")).wait()
        cases = [await engine.start(weft.loads(LOOP), case=f"c{i}") for i in range(5)]
        for case in cases:
            assert await case.wait() is weft.CaseStatus.COMPLETED
            ended(engine, case.id, LAST)
    assert max(steps) <= 3  # two steps, and perhaps a start


async def test_what_cannot_be_committed_did_not_happen(tmp_path: Path) -> None:
    with FaultyDisk() as disk:
        path = tmp_path / "weft.db"

        def add(n: int) -> int:
            calls.append(n)
            if n == 20 and len(calls) > LAST and full:
                disk.room = full.pop()
            return n + 1

        calls: list[int] = []
        full = [0]
        journal = SqliteJournal(path, vfs=disk.vfs)
        journal._connection.execute("PRAGMA wal_autocheckpoint = 0")
        async with weft.open(journal, functions={"add": add}) as engine:
            await (await engine.start(weft.loads(LOOP))).wait()
            case = await engine.start(weft.loads(LOOP), case="second")
            with pytest.raises(weft.JournalError, match="full"):
                await case.wait()
            assert (case.status, case.data) == (weft.CaseStatus.RUNNING, {"n": 20})
            disk.room = None
        assert calls[LAST:] == list(range(21))
        journal = SqliteJournal(path, vfs=disk.vfs)
        async with weft.open(journal, functions={"add": add}) as engine:
            [again] = await engine.recover()
            assert await again.wait() is weft.CaseStatus.COMPLETED
            ended(engine, "second", LAST)
            assert [*again.state.serials.items()] == [("again", LAST)]
        assert calls[LAST + 21 :] == list(range(20, LAST))


async def test_a_case_that_another_engine_has_taken_is_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "weft.db"
    elsewhere = SqliteJournal(path, here=Host("there", "another boot"))
    other: Any = "another engine"

    def add(work: weft.Work, n: int) -> int:
        if n == 20 and work.case == "c1":
            now = Microseconds(2**60)  # the lease of the first has ended
            assert elsewhere.claim(work.case, other, now=now)
        return n + 1

    async with weft.open(quick_file(path), functions={"add": add}) as engine:
        await (await engine.start(weft.loads(LOOP), case="first")).wait()
        cases = [await engine.start(weft.loads(LOOP), case=f"c{i}") for i in range(3)]
        with pytest.raises(weft.JournalError, match="taken over by another engine"):
            await cases[1].wait()
        for case in (cases[0], cases[2]):
            await case.wait()
            ended(engine, case.id, LAST)
        records = elsewhere.records(CaseId("c1"))
        assert sum(r.type == "WorkItemCompleted" for r in records) == 20
    elsewhere.close()


async def test_a_claim_that_was_cleared_by_hand_is_taken_again(tmp_path: Path) -> None:
    path = tmp_path / "weft.db"
    journal = quick_file(path)

    def add(work: weft.Work, n: int) -> int:
        if n == 20:
            journal._connection.execute("UPDATE cases SET owner = NULL")
        return n + 1

    async with weft.open(journal, functions={"add": add}) as engine:
        for name in ("c0", "c1"):
            case = await engine.start(weft.loads(LOOP), case=name)
            await case.wait()
            ended(engine, name, LAST)


async def test_the_claim_of_a_case_goes_with_its_last_step(tmp_path: Path) -> None:
    journal = quick_file(tmp_path / "weft.db")
    async with weft.open(journal, functions={"add": lambda n: n + 1}) as engine:
        await (await engine.start(weft.loads(LOOP))).wait()
        await (await engine.start(weft.loads(LOOP), case="second")).wait()
        owners = journal._connection.execute("SELECT owner FROM cases WHERE id = 'second'")
        assert owners.fetchall() == [(None,)]
        assert not journal.claim(CaseId("second"), engine.id)


NESTED = """
weft: 1
name: nested
data: {n: {type: integer, default: 0}}
net:
  start: outer
  tasks:
    outer: {python: {call: add, run-in: inline}, in: {n: n}, out: {n: result}, then: inside}
    inside: {net: child, in: {n: n}, out: {n: result.n}}
nets:
  child:
    data: {n: {type: integer, default: 0}}
    start: other
    tasks:
      other: {python: {call: add, run-in: inline}, in: {n: n}, out: {n: result}, then: another}
      another: {python: {call: add, run-in: inline}, in: {n: n}, out: {n: result}}
"""


async def test_tasks_of_a_net_in_the_net_go_the_long_way(made: Made) -> None:
    async with weft.open(made(), functions={"add": lambda n: n + 1}) as engine:
        for _ in range(3):
            case = await engine.start(weft.loads(NESTED))
            with anyio.fail_after(20):
                assert await case.wait() is weft.CaseStatus.COMPLETED
            ended(engine, case.id, 3)


# ── who comes between ────────────────────────────────────────────────────────────────────────


async def test_what_is_asked_between_two_turns_is_done_between_two_steps(made: Made) -> None:
    async def pause(case: Any) -> None:
        await case.suspend("a moment")

    def add(n: int) -> int:
        if n == 20 and handles:
            group.start_soon(pause, handles.pop())
        return n + 1

    handles: list[Any] = []
    journal, specification = made(), weft.loads(LOOP)
    async with (
        weft.open(journal, functions={"add": add}) as engine,
        anyio.create_task_group() as group,
    ):
        engine.listeners.append(lambda _: None)
        await (await engine.start(specification)).wait()
        case = await engine.start(specification, case="second")
        handles.append(case)
        assert await case.wait() is weft.CaseStatus.SUSPENDED
        assert int(case.data["n"]) in range(21, 25)
        await case.resume()
        assert await case.wait() is weft.CaseStatus.COMPLETED
        ended(engine, "second", LAST)


@pytest.mark.parametrize("deed", ["suspend", "cancel", "attempts"])
async def test_a_function_turns_to_a_case_whose_step_is_not_durable_yet(
    made: Made, deed: str
) -> None:
    def add(work: weft.Work, n: int) -> int:
        others = [case for case in cases if case.id != work.case]
        if n >= 5 and len(others) == 1 and not met:
            [case] = others
            if case._driven.live.lane.planned is None:  # its turn comes after this one
                return n + 1
            met.append(case)
            assert [*case.state.items] == [f"again/{case.state.data['n'] + 1}"]
            if deed == "attempts":
                assert [*case._driven.attempts] == [*case.state.items]
            elif isinstance(engine.journal, MemoryJournal):
                with pytest.raises(StopIteration):  # at once
                    getattr(case, deed)("now").send(None)
            else:
                group.start_soon(getattr(case, deed), "now")
        return n + 1

    cases: list[Any] = []
    met: list[Any] = []
    specification = weft.loads(LOOP)
    async with (
        weft.open(made(), functions={"add": add}) as engine,
        anyio.create_task_group() as group,
    ):
        engine.listeners.append(lambda _: None)
        await (await engine.start(specification, case="first")).wait()
        cases += [await engine.start(specification, case=f"c{i}") for i in range(2)]
        for case in cases:
            await case.wait()
        [case] = met
        if deed == "suspend":
            await case.resume()
            await case.wait()
        if deed == "cancel":
            assert case.status is weft.CaseStatus.CANCELLED
            cases.remove(case)
        for case in cases:
            ended(engine, case.id, LAST)
        records = engine.journal.records(met[0].id)
        assert broken_link(met[0].id, records) is None


async def test_draining_leaves_what_has_not_begun(made: Made) -> None:
    specification = weft.loads(LOOP)
    async with weft.open(made(), functions={"add": lambda n: n + 1}) as engine:
        engine.listeners.append(lambda _: None)
        await (await engine.start(specification)).wait()
        case = await engine.start(specification, case="second")
        await engine.drain(1)
        before = case.data["n"]
        assert await case.wait() is weft.CaseStatus.RUNNING
        await anyio.lowlevel.checkpoint()
        assert (case.status, case.data["n"]) == (weft.CaseStatus.RUNNING, before)
        await engine.proceed()
        assert await case.wait() is weft.CaseStatus.COMPLETED
        ended(engine, "second", LAST)


async def test_an_interrupted_function_takes_no_other_steps_away(
    tmp_path: Path, interrupted: list[bool]
) -> None:
    def add(work: weft.Work, n: int) -> int:
        if n == 20 and work.case == "c1" and armed:
            armed.clear()
            raise KeyboardInterrupt
        calls.append((work.case, n))
        return n + 1

    armed, calls = [True], []

    specification = weft.loads(LOOP)
    async with weft.open(quick_file(tmp_path / "a.db"), functions={"add": add}) as engine:
        await (await engine.start(specification, case="first")).wait()
        cases = [await engine.start(specification, case=f"c{i}") for i in range(3)]
        assert await cases[1].wait() is weft.CaseStatus.RUNNING
        assert interrupted
        await cases[1].resume()
        for case in cases:
            await case.wait()
            ended(engine, case.id, LAST)
    assert len(calls) == len(set(calls)) == 4 * LAST


async def test_a_listener_that_comes_later_is_told_from_then_on() -> None:
    specification = weft.loads(LOOP)
    batches: list[Any] = []
    async with weft.open("memory:", functions={"add": lambda n: n + 1}) as engine:
        await (await engine.start(specification)).wait()
        case = await engine.start(specification)
        engine.listeners.append(batches.append)
        await case.wait()
        told = [r for batch in batches for r in batch.records]
        assert told == list(engine.journal.records(case.id))[-len(told) :]
        states = [batch.before for batch in batches[1:]]
        assert states == [batch.after for batch in batches[:-1]]


async def test_a_listener_turns_to_a_case_whose_step_is_in_the_same_commit(made: Made) -> None:
    def heard(batch: Any) -> None:
        for case in cases:
            if case.id != batch.case and batch.records[0].sequence > 12:
                assert case._driven.attempts is not None  # which takes it out of its lane
                n = case.data["n"]
                written = engine.journal.records(case.id)
                assert sum(r.type == "WorkItemCompleted" for r in written) == n

    cases: list[Any] = []
    specification = weft.loads(LOOP)
    async with weft.open(made(), functions={"add": lambda n: n + 1}) as engine:
        engine.listeners.append(heard)
        await (await engine.start(specification, case="first")).wait()
        cases += [await engine.start(specification, case=f"c{number}") for number in range(3)]
        for case in cases:
            assert await case.wait() is weft.CaseStatus.COMPLETED
            ended(engine, case.id, LAST)


WHO: ContextVar[str] = ContextVar("WHO", default="nobody")


async def test_functions_and_listeners_have_the_context_of_who_started_the_case(
    made: Made, steps: list[int]
) -> None:
    seen: set[tuple[str, str, str]] = set()

    def add(work: weft.Work, n: int) -> int:
        seen.add(("called", work.case, WHO.get()))
        return n + 1

    async def start(name: str) -> None:
        WHO.set(name)
        await engine.start(weft.loads(LOOP), case=name)

    async with weft.open(made(), functions={"add": add}) as engine:
        engine.listeners.append(lambda batch: seen.add(("told", batch.case, WHO.get())))
        names = ["first", *(f"c{number}" for number in range(3))]
        for name in names:
            async with anyio.create_task_group() as group:
                group.start_soon(start, name)
            if name == "first":
                await (await engine.open(name)).wait()
        for name in names[1:]:
            await (await engine.open(name)).wait()
    assert seen == {(what, name, name) for what in ("called", "told") for name in names}


async def test_an_interrupted_listener_leaves_nobody_behind(
    tmp_path: Path, interrupted: list[bool]
) -> None:
    heard: dict[str, int] = {}

    def listen(batch: Any) -> None:
        heard[batch.case] = heard.get(batch.case, 0) + len(batch.records)
        if batch.case == "c1" and heard["c1"] > 30 and not interrupted:
            raise KeyboardInterrupt

    specification = weft.loads(LOOP)
    async with weft.open(
        quick_file(tmp_path / "a.db"), functions={"add": lambda n: n + 1}
    ) as engine:
        await (await engine.start(specification, case="first")).wait()
        engine.listeners.append(listen)
        cases = [await engine.start(specification, case=f"c{i}") for i in range(3)]
        for case in cases:
            with anyio.fail_after(20):
                await case.wait()
            ended(engine, case.id, LAST)
    assert interrupted == [True]
    assert heard == {case.id: case.events for case in cases}


async def test_a_commit_that_is_interrupted_leaves_nobody_waiting(
    tmp_path: Path, interrupted: list[bool]
) -> None:
    specification = weft.loads(LOOP)
    journal = quick_file(tmp_path / "weft.db")
    write = journal._write

    def writes(group: Any) -> None:
        if armed and group:
            armed.pop()
            raise KeyboardInterrupt
        write(group)

    armed: list[bool] = []
    with pytest.MonkeyPatch.context() as patch:
        async with weft.open(journal, functions={"add": lambda n: n + 1}) as engine:
            await (await engine.start(specification, case="first")).wait()
            case = await engine.start(specification, case="second")
            patch.setattr(journal, "_write", writes)
            armed.append(True)
            with pytest.raises(weft.JournalError, match="interrupted"):
                await case.wait()
            armed.append(True)
            with pytest.raises(weft.JournalError, match="interrupted"):
                await engine.start(specification, case="third")
    assert len(interrupted) == 2


@pytest.mark.parametrize("when", ["before", "behind"])
async def test_ctrl_c_within_a_turn_of_several_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interrupted: list[bool], when: str
) -> None:
    """What is durable of the turn has happened, the rest has not; nothing of it is written later."""
    monkeypatch.setattr(sqlite, "MAX_BATCHES_PER_COMMIT", 2)
    specification = weft.loads(LOOP)
    journal = quick_file(tmp_path / "weft.db")
    write = journal._write
    calls: list[tuple[str, int]] = []

    def add(work: weft.Work, n: int) -> int:
        calls.append((work.case, n))
        return n + 1

    def writes(group: Any) -> None:
        cases = [entry.case for entry in group]
        second = cases[:1] == ["c2"] and group[0].expected > 30 and not interrupted
        if second and when == "before":
            raise KeyboardInterrupt
        write(group)
        if second:
            raise KeyboardInterrupt

    async with weft.open(journal, functions={"add": add}) as engine:
        await (await engine.start(specification, case="first")).wait()
        async with anyio.create_task_group() as group:
            for number in range(6):
                group.start_soon(partial(engine.start, specification, case=f"c{number}"))
            monkeypatch.setattr(journal, "_write", writes)
        ends = {}
        for number in range(6):
            case = await engine.open(f"c{number}")
            with anyio.fail_after(20), contextlib.suppress(weft.JournalError):
                await case.wait()
            ends[case.id] = case.status is weft.CaseStatus.COMPLETED
            summary = journal.summary(case.id)
            assert summary is not None
            assert summary.sequence == case.events
    durable = 2 if when == "before" else 4
    assert len(interrupted) == 1
    assert list(ends.values()) == [True] * durable + [False] * (6 - durable)
    async with weft.open(quick_file(tmp_path / "weft.db"), functions={"add": add}) as engine:
        for case in await engine.recover():
            await case.wait()
        for number in range(6):
            ended(engine, f"c{number}", LAST)
    # Only the steps that were not durable are made again.
    assert len(calls) - len(set(calls)) == 6 - durable


# ── starts ───────────────────────────────────────────────────────────────────────────────────


async def test_two_first_starts_of_one_case_at_once(tmp_path: Path) -> None:
    """Neither finds the other when it looks; the store lets one of them in."""
    path, specification = tmp_path / "weft.db", weft.loads(LOOP)
    mine, other = quick_file(path), quick_file(path)
    claim = mine.claim

    def late(*arguments: Any, **named: Any) -> bool:
        claimed = claim(*arguments, **named)
        other.append(batch("c", 0))  # written at the end of this turn of the loop, before mine
        return claimed

    async with weft.open(mine, functions={"add": lambda n: LAST}) as engine:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(mine, "claim", late)
            with pytest.raises(weft.CommandRejected, match="there is a case 'c' already") as caught:
                await engine.start(specification, case="c")
        assert caught.value.code == "case-exists"
        assert await (await engine.start(specification, case="d")).wait() == "completed"
    other.close()


async def test_a_case_that_was_there_already_is_found_by_its_first_batch(tmp_path: Path) -> None:
    path, specification = tmp_path / "weft.db", weft.loads(LOOP)
    other = weft.open(quick_file(path), functions={"add": lambda n: LAST})
    async with (
        weft.open(quick_file(path), functions={"add": lambda n: LAST}) as engine,
        other as elsewhere,
    ):
        await (await engine.start(specification, case="first")).wait()
        await (await elsewhere.start(specification, case="taken")).wait()
        refused: list[str] = []

        async def start(name: str) -> None:
            try:
                case = await engine.start(specification, case=name)
            except weft.CommandRejected as error:
                assert error.code == "case-exists"
                refused.append(name)
            else:
                await case.wait()

        async with anyio.create_task_group() as group:
            for name in ("c0", "taken", "c1"):
                group.start_soon(start, name)
        assert refused == ["taken"]
        for name in ("c0", "c1", "taken"):
            state = engine.read(name)
            assert (state.status, state.data) == (weft.CaseStatus.COMPLETED, {"n": LAST})
        journal: Any = engine.journal
        owners = journal._connection.execute("SELECT DISTINCT owner FROM cases").fetchall()
        assert owners == [(None,)]
        assert journal.check() == []


async def test_an_id_that_is_drawn_twice_is_drawn_again(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    specification = weft.loads(LOOP)
    async with weft.open(made(), functions={"add": lambda n: LAST}) as engine:
        engine.listeners.append(lambda _: None)
        drawn = iter([1, 1, 1, 2])
        monkeypatch.setattr(engine._ids, "getrandbits", lambda bits: next(drawn))
        ids = []
        for _ in range(2):
            case = await engine.start(specification)
            await case.wait()
            ids.append(case.id)
        assert ids == ["loop-0000000001", "loop-0000000002"]


@pytest.mark.parametrize("by", ["asyncio", "anyio"])
async def test_who_is_cancelled_at_a_start_leaves_a_case_that_goes_on(
    made: Made, by: str, steps: list[int]
) -> None:
    specification = weft.loads(LOOP)
    behind: list[str] = []
    async with weft.open(made(), functions={"add": lambda n: n + 1}) as engine:
        engine.listeners.append(lambda _: None)
        await (await engine.start(specification, case="first")).wait()

        async def start() -> None:
            with anyio.CancelScope() as scope:
                scopes.append(scope)
                await engine.start(specification, case="second")
                behind.append("started")
                await anyio.sleep_forever()

        scopes: list[anyio.CancelScope] = []
        task = asyncio.ensure_future(start())
        await asyncio.sleep(0)
        assert "second" in engine._held
        if by == "asyncio":
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            scopes[0].cancel()
            await task
        assert behind == (["started"] if by == "anyio" else [])
        case = await engine.open("second")
        assert await case.wait() is weft.CaseStatus.COMPLETED
        ended(engine, "second", LAST)


TYPES = ("any", "integer", "number", "string", "boolean", "object", "array")
VALUES = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.integers(2**62, 2**65), st.floats()),
    *(st.text(max_size=3), st.just([1]), st.just({"a": 1}), st.just({1, 2})),
)
VARIABLES = st.fixed_dictionaries(
    {"type": st.sampled_from(TYPES)},
    optional={"nullable": st.booleans(), "required": st.just(True)},
)


@settings(max_examples=60, deadline=None)
@given(
    variables=st.dictionaries(st.sampled_from("abcd"), VARIABLES, max_size=3),
    data=st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=3),
)
def test_the_data_of_a_case_are_those_of_the_long_way(
    variables: dict[str, Any], data: dict[str, Any]
) -> None:
    declared = {"weft": 1, "name": "x", "data": variables, "net": PLAIN_NET}
    compiled = compile_specification(
        weft.loads(json.dumps(declared)), registry=builtin(), connectors=PYTHON
    )
    book: Any = book_of(
        compiled, {(compiled.net.name, "a"): Performer(Worker.INLINE, lambda work: None)}
    )

    def found(way: Callable[[], Any]) -> Any:
        try:
            return json.dumps(way())
        except weft.UsageError as error:
            return str(error)

    assert found(lambda: book.data(data)) == found(lambda: initial_data(compiled.net, data))


REGISTRY = builtin()
PYTHON: Any = {"python": PythonConnector({"add": lambda: None})}
PLAIN_NET = {"start": "a", "tasks": {"a": {"python": {"call": "add", "run-in": "inline"}}}}

ODD = """
weft: 1
name: odd
data: {zz: any, a: any, M: {default: "\u00fc", type: string}}
net:
  start: first-task
  tasks:
    first-task:
      python: {call: add, run-in: inline}
      in: {n: zz, b: "'\\" \u00fc'"}
      out: {zz: result, M: "result == null ? 'x' : 'y'", a: zz}
      then: second
    second: {python: {call: add, run-in: inline}, in: {n: zz, M: M, b: a}, out: {M: "'1'"}}
"""


@given(value=VALUES)
@settings(max_examples=25, deadline=None)
def test_events_are_written_as_the_long_way_writes_them(value: Any) -> None:
    async def run(journal: Journal, heard: list[Any]) -> Any:
        clock = VirtualClock(Microseconds(2**40))
        connectors: Any = {"python": PythonConnector({"add": lambda **given: value})}
        engine = Engine(journal, registry=REGISTRY, connectors=connectors, clock=clock)
        engine.listeners.append(heard.append)
        async with engine:
            for number in range(2):
                case = await engine.start(weft.loads(ODD), {"zz": number}, case=f"c{number}")
                await case.wait()
            return [list(journal.records(CaseId(f"c{n}"))) for n in range(2)], heard

    anyio.run(partial(same, MemoryJournal, run))


def test_hashes_are_those_of_hashlib() -> None:
    digest = compiled_lane().digest
    text = bytes(n * 7 % 256 for n in range(300))
    for size in range(len(text)):
        wanted = hashlib.sha256(text[:size]).digest()
        assert digest(text[:size]) == digest(text[:size], plain=True) == wanted
    assert digest(text * 9000) == hashlib.sha256(text * 9000).digest()


# ── the power is cut ─────────────────────────────────────────────────────────────────────────

SHORT = LONG.replace("300", "6")
CASES = [f"c{number}" for number in range(3)]


async def run_until_the_power_goes(
    path: Path, disk: FaultyDisk, at: int | None, told: dict[str, list[Any]]
) -> int:
    """Three cases in turns, and the power cut at an operation of the disk: how many there are."""

    def add(work: weft.Work, n: int) -> int:
        made = sum(r.type == "WorkItemCompleted" for r in told.get(work.case, ()))
        assert made == n, "a function goes on from what nobody was told of"
        return n + 1

    def heard(batch: Any) -> None:
        told.setdefault(batch.case, []).extend(batch.records)

    journal = SqliteJournal(path, vfs=disk.vfs)
    begun = 0
    with contextlib.suppress(weft.JournalError):
        async with weft.open(journal, functions={"add": add}) as engine:
            engine.listeners.append(heard)
            await (await engine.start(weft.loads(SHORT), case="first")).wait()
            begun = disk.operations
            disk.cut_power_at = None if at is None else begun + at
            async with anyio.create_task_group() as group:
                for name in CASES:
                    group.start_soon(_started, engine, name)
    return disk.operations - begun


async def _started(engine: Engine, name: str) -> None:
    with contextlib.suppress(weft.JournalError):
        await (await engine.start(weft.loads(SHORT), case=name)).wait()


@pytest.mark.no_cover
async def test_the_power_is_cut_at_any_point_of_a_turn(tmp_path: Path, steps: list[int]) -> None:
    with FaultyDisk() as disk:
        total = await run_until_the_power_goes(tmp_path / "whole.db", disk, None, {})
    assert max(steps) == len(CASES)
    for at in range(1, total + 1, 5):
        path = tmp_path / f"{at}.db"
        told: dict[str, list[Any]] = {}
        again: list[tuple[str, str]] = []

        def add(work: weft.Work, n: int, again: list[tuple[str, str]] = again) -> int:
            again.append((work.case, work.item))
            return n + 1

        with FaultyDisk() as disk:
            await run_until_the_power_goes(path, disk, at, told)
            if disk.powered:  # it would have gone later, as the store was closed
                disk.cut_power()
            disk.restore(random.Random(at) if at % 2 else None)
            journal = SqliteJournal(path, vfs=disk.vfs)
            stored = {name: list(journal.records(CaseId(name))) for name in CASES}
            for name in CASES:
                known = told.get(name, [])
                assert stored[name][: len(known)] == known, f"{at}: what was told is not there"
            async with weft.open(journal, functions={"add": add}) as engine:
                for case in await engine.recover():
                    assert await case.wait() is weft.CaseStatus.COMPLETED
                for name in CASES:
                    if stored[name]:
                        ended(engine, name, 6)
                done = {
                    (name, decode(record).item)  # type: ignore[attr-defined]  # of this type
                    for name in CASES
                    for record in stored[name]
                    if record.type == "WorkItemCompleted"
                }
                assert not done & set(again), f"{at}: a completed step is made again"
                assert journal.check() == []

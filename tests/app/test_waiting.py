"""Triggers, timers, schedules and the worker, as people and programs use them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import weft
from weft.bus import Bus, Refused
from weft.cli import main
from weft.engine.runtime.clock import VirtualClock
from weft.flow import Variable, process, race, receive, wait
from weft.handles import AsyncIdleCase, CompletedCase, IdleCase
from weft.schema.errors import CommandRejected
from weft.schema.native_writer import write_native

PAID = """
weft: 1
name: payment
data: {order: string, paid: {type: object, fields: {sum: integer}}}
net:
  start: ask
  tasks:
    ask: {then: {deferred-choice: [received, overdue]}}
    received: {persistent-trigger: {trigger: paid, key: order}}
    overdue: {wait: 14d}
"""
TRANSIENT = """
weft: 1
name: door
net:
  start: guard
  tasks:
    guard: {person: Open?, then: open}
    open: {transient-trigger: knock}
"""
SCHEDULED = """
weft: 1
name: report
triggers:
  - {schedule: 0 6 * * *, data: {days: 1}}
  - {schedule: 30 6 1 * *, zone: Europe/Berlin, data: {days: 31}}
data: {days: integer}
sequence:
  - {shell: [echo, "${days}"], in: {days: days}}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (("paid", PAID), ("door", TRANSIENT), ("report", SCHEDULED)):
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    import json

    capsys.readouterr()
    code = main([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


# ── the command line ─────────────────────────────────────────────────────────────────────────


def test_a_trigger_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "paid.yaml", "-p", "order=A", "--case", "c", "-q"]) == 3
    code, told = answer(capsys, "status", "c")
    assert code == 0
    assert [t["timer"] for t in told["timers"]] == ["overdue.wait/1"]
    assert told["triggers"] == [
        {"wait": "received.persistent-trigger/1", "scope": 0, "trigger": "paid", "key": "A"}
    ]
    code, told = answer(capsys, "trigger", "c", "paid", "--data", '{"sum": 1}', "--key", "B")
    assert (code, told["delivered"], told["delivery"]) == (3, True, "kept")
    assert main(["status", "c"]) == 0
    words = capsys.readouterr().out
    assert "received for trigger paid with key A" in words
    assert "nothing yet for trigger paid with key B, which is kept" in words
    code, told = answer(capsys, "trigger", "c", "paid", "--data", '{"sum": "x"}')
    assert (code, told["error"]["code"]) == (2, "data")
    code, told = answer(capsys, "trigger", "c", "payed")
    assert (code, told["error"]["code"]) == (6, "unknown-trigger")
    code, told = answer(capsys, "trigger", "gone", "paid")
    assert (code, told["error"]["code"]) == (2, "no-case")
    send = ("trigger", "c", "paid", "--data", '{"sum": 12}', "--id", "m1")
    code, told = answer(capsys, *send)
    assert (code, told["status"], told["data"]["paid"]) == (0, "completed", {"sum": 12})
    code, told = answer(capsys, "trigger", "c", "paid")
    assert (code, told["error"]["code"]) == (6, "case-status")


def test_a_discarded_trigger_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "door.yaml", "--case", "c", "-q"]) == 3
    code, told = answer(capsys, "trigger", "c", "knock")
    assert (code, told["delivered"], told["delivery"]) == (3, False, "discarded")
    assert main(["trigger", "c", "knock", "-q"]) == 3
    assert "it was discarded" in capsys.readouterr().out


def test_run_waits_for_timers_only_when_it_is_told_to(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "paid.yaml", "-p", "order=A", "--seed", "1", "-q"]) == 3
    assert main(["run", "paid.yaml", "-p", "order=A", "--seed", "2", "--wait", "-q"]) == 0
    assert "completed" in capsys.readouterr().out


def test_a_worker_stops_in_good_order(folder: Path) -> None:
    (folder / "soon.yaml").write_text(
        "weft: 1\nname: soon\nsequence:\n  - {wait: 1s, shell: [touch, done]}\n"
    )
    assert main(["run", "soon.yaml", "-q"]) == 3
    worker = subprocess.Popen(
        [sys.executable, "-m", "weft", "work"], stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert worker.stdout is not None
    try:
        told = ""
        for line in worker.stdout:
            told += line
            if "completed" in line:
                break
        worker.send_signal(signal.SIGTERM)
        told += worker.communicate(timeout=60)[0]
    finally:
        worker.kill()
    assert worker.returncode == 0
    assert "stopping: what runs may end" in told
    assert (folder / "done").exists()
    with weft.open("sqlite:///.weft/weft.db") as engine:
        assert [s.status for s in engine.cases()] == ["completed"]


# ── programs ─────────────────────────────────────────────────────────────────────────────────


async def test_an_event_reaches_those_that_wait_for_its_key() -> None:
    paid = weft.loads(PAID)
    async with weft.open("sqlite:///w.db") as engine:
        for name in "abc":
            await engine.start(paid, {"order": name}, case=name)
        emitted = await Bus(engine).emit("paid", {"sum": 2}, key="b", id="m")
        assert [d.case.id for d in emitted.delivered] == ["b"]
        assert emitted.delivered[0].case.status == "completed"
        again = await Bus(engine).emit("paid", {"sum": 2}, key="b", id="m")
        assert not again.delivered
        wrong = await Bus(engine).emit("paid", {"sum": "much"}, key="a")
        (refused,) = wrong.refused
        assert isinstance(refused, Refused)
        assert (refused.case, refused.error.code) == ("a", "data")
        everybody = await Bus(engine).emit("paid", {"sum": 3})
        assert [d.case.id for d in everybody.delivered] == ["a", "c"]


def test_the_synchronous_engine_sends_and_works() -> None:
    with weft.open("sqlite:///w.db", seed=1) as engine:
        case = engine.start(weft.loads(PAID), {"order": "A"})
        assert case.trigger("paid", {"sum": 1}, key="B") == weft.Delivery.KEPT
        with pytest.raises(CommandRejected):
            case.trigger("nothing")
        engine.work(0)
        assert case.wait(timers=True) == "completed"


async def test_schedules_start_cases() -> None:
    journal = weft.open("memory:")
    async with journal as engine:
        engine.clock = VirtualClock()
        engine.add(weft.loads(SCHEDULED))
        bus = Bus(engine)
        first, second = bus.schedules()
        assert (first.name, second.name) == ("report", "report-1")
        now = engine.clock.now()
        assert first.case(first.next(now)) == "report-20000101T060000Z"
        assert second.case(second.next(now)) == "report-1-20000101T053000Z"
        await second.start("x")
        assert (await engine.open("x")).data["days"] == 31


BAD = {
    "schedule: 0 6 * *": "five fields",
    "schedule: 0 6 30 2 *": "no cron expression|no time comes",
    "schedule: 0 6 * * *, zone: Mars/Base": "no time zone 'Mars/Base'",
    "schedule: 0 6 * * *, data: {dais: 1}": "'dais' is not a variable",
    "schedule: 5": "expected a text",
    "schedule: 0 6 * * *, when: x": "unknown key 'when'",
}


@pytest.mark.parametrize("written", BAD)
def test_schedules_that_are_none(written: str) -> None:
    text = SCHEDULED.replace("schedule: 0 6 * * *, data: {days: 1}", written)
    refused = pytest.raises(weft.DefinitionErrors, match=BAD[written])
    with weft.open() as engine, refused as caught:
        engine.add(weft.loads(text))
    assert all(fault.line for fault in caught.value.exceptions)


# ── processes in Python ──────────────────────────────────────────────────────────────────────


def test_a_process_in_python_waits() -> None:
    order, paid = Variable("order", str), Variable("paid", int)
    after = Variable("after", str)
    built = (
        process("payment", order, after)
        .then(race(receive("paid", paid, key=order), wait(after, name="overdue")))
        .then(wait("5s", name="pause"))
        .build()
    )
    with weft.open(seed=1) as engine:
        in_time = engine.start(built, {"order": "A", "after": "1h"})
        assert in_time.trigger("paid", 7, key="A") == "received"
        assert in_time.data["paid"] == 7
        assert in_time.wait(timers=True) == "completed"
        late = engine.start(built, {"order": "B", "after": "PT1H"})
        assert late.wait(timers=True) == "completed"
        assert late.data["paid"] is None
    assert write_native(built).count("persistent-trigger") == 1
    knock = process("door").then(receive("knock", paid, transient=True)).build()
    with weft.open() as engine:
        assert engine.start(knock).trigger("knock", 1) == "received"


def door() -> Any:
    paid = Variable("paid", int)
    return process("door", Variable("who", str)).then(
        race(receive("knock", paid, transient=True), wait("1h"))
    ).build()  # fmt: skip


def test_a_typed_handle_sends_triggers_and_waits() -> None:
    with weft.open(seed=1) as engine:
        idle = door().run(engine, "ada")
        assert isinstance(idle, IdleCase)
        assert isinstance(idle.trigger("knock", 3, id="m").settle(), CompletedCase)
        late = door().run(engine, "bob")
        assert isinstance(late, IdleCase)
        assert isinstance(late.wait(), CompletedCase)


async def test_an_asynchronous_handle_does_the_same() -> None:
    async with weft.open(seed=1) as engine:
        idle = await door().run(engine, "ada")
        assert isinstance(idle, AsyncIdleCase)
        assert isinstance(await (await idle.trigger("knock", 3)).settle(), CompletedCase)
        late = await door().run(engine, "bob")
        assert isinstance(late, AsyncIdleCase)
        assert isinstance(await late.wait(), CompletedCase)


def test_the_time_of_work_that_counts_from_its_start() -> None:
    """An offer has no time; whoever starts the work has two hours, and so has a second attempt."""
    text = """
    weft: 1
    name: desk
    net:
      start: a
      tasks:
        a:
          person: Do it
          timeout: {for: 2h, from: start}
          retry: {attempts: 2}
          on-timeout: late
        late: {person: Too late}
    """
    with weft.open(seed=1) as engine:
        case = engine.start(weft.loads(text))
        (item,) = case.work_items
        assert item.expires is None
        case.wait(timers=True)
        assert [i.task for i in case.work_items] == ["a"], "no time runs yet"
        case.begin(item.id)
        (begun,) = case.work_items
        assert begun.expires is not None
        case.wait(timers=True)
        assert [(i.task, i.attempt) for i in case.work_items] == [("late", 0)], "both were late"
        straight = engine.start(weft.loads(text))
        straight.complete(straight.work_items[0].id)
        assert straight.status == "completed"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("timeout: {for: 2h, from: now}", "from: expected offer or start, found 'now'"),
        ("due: {for: 2h, from: start}", "expected a duration such as 2h, or one of"),
        ("timeout: {from: start}", "expected a duration such as 2h, or one of"),
    ],
)
def test_a_time_that_counts_from_something_else_is_refused(written: str, said: str) -> None:
    with weft.open(seed=1) as engine, pytest.raises(weft.WeftError) as raised:
        engine.start(
            weft.loads(
                f"weft: 1\nname: x\nnet: {{start: a, tasks: {{a: {{person: x, {written}}}}}}}"
            )
        )
    assert said in "".join(str(e) for e in getattr(raised.value, "exceptions", [raised.value]))

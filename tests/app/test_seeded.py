"""`--seed`, and a synchronous engine with a seed: virtual time, one thread, the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import weft

SLEEPY = """
weft: 1
name: sleepy
net:
  start: [slow, quick, race]
  tasks:
    slow: {python: slow, timeout: 90s, retry: {attempts: 3, delay: 1h, jitter: full}, on-failure: after}
    quick: {python: quick, timeout: 90s}
    after: {}
    race: {then: {deferred-choice: [left, middle, right]}}
    left: {python: draw}
    middle: {python: draw}
    right: {python: draw}
"""

FUNCTIONS = """
import threading

import anyio
import weft

threads = set()

async def slow():
    threads.add(threading.get_ident())
    await anyio.sleep(86400)

async def quick():
    await anyio.sleep(30)
    return "rested"

def draw(work: weft.Work):
    threads.add(threading.get_ident())
    return work.task
"""


@pytest.fixture
def functions() -> dict[str, object]:
    space: dict[str, object] = {}
    exec(FUNCTIONS, space)  # the same code that the processes below import
    return space


def records(functions: dict[str, object], seed: int) -> tuple[list[bytes], dict[str, object]]:
    """The hashes of a run's journal, and its data."""
    named = {name: functions[name] for name in ("slow", "quick", "draw")}
    with weft.open(functions=named, seed=seed) as engine:
        case = engine.run(weft.loads(SLEEPY))
        assert case.status is weft.CaseStatus.COMPLETED
        journal = engine._engine.journal
        return [r.hash for r in journal.records(case.id)], case.data


def test_waits_and_timeouts_take_no_time_and_end_in_their_order(functions) -> None:
    hashes, data = records(functions, 3)
    assert data["quick"] == "rested"
    assert data["error"]["code"] == "timeout"
    assert data["error"]["attempt"] == 3
    assert records(functions, 3)[0] == hashes
    assert functions["threads"] == {threading.get_ident()}


def test_the_seed_draws_who_wins_a_race_of_automatic_tasks(functions) -> None:
    won = set()
    for seed in range(12):
        data = records(functions, seed)[1]
        (winner,) = [data[name] for name in ("left", "middle", "right") if data[name]]
        won.add(winner)
    assert won == {"left", "middle", "right"}


def test_between_two_calls_nothing_happens(functions) -> None:
    person = "weft: 1\nname: x\nnet: {start: [p, d], tasks: {p: {person: {title: ok}}, d: {python: draw}}}"
    with weft.open(functions={"draw": functions["draw"]}, seed=1) as engine:
        case = engine.start(weft.loads(person))
        events = case.events
        case.complete("p/1")
        assert case.wait() is weft.CaseStatus.COMPLETED
        assert case.events > events
    with pytest.raises(weft.UsageError, match="the engine is closed"):
        case.wait()


def test_a_session_that_cannot_be_entered_is_left_again(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("no database, but long enough to be read as the head of one")
    with (
        pytest.raises(weft.JournalError),
        weft.open(f"sqlite:///{tmp_path}/x.db", seed=1),
    ):
        pass


def test_another_process_with_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    named = SLEEPY
    for name in ("slow", "quick", "draw"):
        named = named.replace(f"python: {name}", f'python: "tasks:{name}"')
    (tmp_path / "sleepy.yaml").write_text(named)
    (tmp_path / "tasks.py").write_text(FUNCTIONS)
    told = []
    for hashing in ("1", "2"):
        store = f"sqlite:///{tmp_path}/{hashing}.db"
        environment = {**os.environ, "PYTHONHASHSEED": hashing, "WEFT_STORE": store}
        run = ["run", "sleepy.yaml", "--seed", "9", "--case", "c", "--quiet"]
        for arguments in (run, ["history", "c", "--json"]):
            done = subprocess.run(
                [sys.executable, "-m", "weft", *arguments],
                cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
            )  # fmt: skip
        told.append(done.stdout)
    assert told[0] == told[1]
    assert '"hash"' in told[0]


@pytest.mark.parametrize("status", [0, 7])
def test_a_task_that_ends_the_process_is_no_success(tmp_path: Path, status: int) -> None:
    (tmp_path / "x.yaml").write_text('weft: 1\nname: x\nsequence: [{python: "tasks:leave"}]')
    (tmp_path / "tasks.py").write_text(f"import os\n\ndef leave():\n    os._exit({status})\n")
    environment = {**os.environ, "WEFT_STORE": f"sqlite:///{tmp_path}/x.db"}
    done = subprocess.run(
        [sys.executable, "-m", "weft", "run", "x.yaml", "--case", "c"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 130
    assert f"os._exit({status}): the case is still running" in done.stderr

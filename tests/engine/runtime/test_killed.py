"""``kill -9`` at random moments with many cases in flight: nothing is lost, nothing done is redone.

More of it: ``WEFT_KILL_ROUNDS=200 WEFT_KILL_CASES=1000 WEFT_KILL_SEED=7``, as `make soak` does.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.engine.runtime.killed import STEPS
from weft.engine import events as e
from weft.engine.journal import open_journal

ROUNDS = int(os.environ.get("WEFT_KILL_ROUNDS", "10"))
CASES = int(os.environ.get("WEFT_KILL_CASES", "60"))
SEED = os.environ.get("WEFT_KILL_SEED", "1")
ITEMS = STEPS + 4


def lives(store: str, effects: Path, repository: Path, kill_after: int | None) -> list[str]:
    """What a process says until it is killed after so many lines, or done."""
    said: list[str] = []
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.engine.runtime.killed", store, str(effects), str(CASES)],
        cwd=repository,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            said.append(line.strip())
            if kill_after is not None and len(said) >= kill_after:
                process.kill()
                break
    process.wait()
    return said


def test_killed_at_random_moments(tmp_path: Path, repository: Path) -> None:
    draw = random.Random(SEED)
    store, effects = f"sqlite:///{tmp_path}/k.db", tmp_path / "effects"
    for _ in range(ROUNDS):
        lives(store, effects, repository, kill_after=draw.randint(2, CASES * ITEMS // (ROUNDS + 1)))
    assert lives(store, effects, repository, kill_after=None)[-1] == "done"

    journal = open_journal(store)
    assert journal.check() == []  # type: ignore[attr-defined]
    completed: Counter[str] = Counter()
    attempts: dict[str, int] = {}
    for number in range(CASES):
        case = f"case-{number}"
        summary = journal.summary(case)  # type: ignore[arg-type]
        assert summary is not None
        assert summary.status == "completed"
        records = journal.records(summary.case)
        assert e.broken_link(summary.case, records) is None
        for event in map(e.decode, records):
            if isinstance(event, e.WorkItemCompleted):
                completed[f"{case}:{event.item}"] += 1
            elif isinstance(event, e.WorkItemRetried):
                attempts[f"{case}:{event.item}"] = event.attempt
                assert event.crashed
    journal.close()
    assert len(completed) == CASES * ITEMS
    assert set(completed.values()) == {1}, "each state change exactly once"
    done = Counter(line.split()[0] for line in effects.read_text().splitlines())
    assert set(done) == set(completed), "each effect at least once"
    for key, times in done.items():
        assert times <= attempts.get(key, 1), "no more effects than attempts that were recorded"

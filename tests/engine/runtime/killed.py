"""A process with many cases in flight, to be killed: `test_killed` starts it again and again.

python -m tests.engine.runtime.killed STORE EFFECTS CASES
"""

from __future__ import annotations

import os
import sys
from typing import Any

import anyio

from tests.engine import generated as g
from tests.engine.runtime.worlds import Functions, World
from weft.engine.journal import open_journal
from weft.engine.lifecycle import CaseStatus
from weft.engine.ports import CaseId, Work, Worker
from weft.schema.specification import Retry

STEPS = 6

NAMES = [f"s{i}" for i in range(STEPS)]
HARD = Retry(attempts=100_000, crashes=100_000)
SPECIFICATION = g.specification(
    g.net(
        "s0",
        *(
            g.task(name, then=after, retry=HARD)
            for name, after in zip(NAMES, [*NAMES[1:], "left"], strict=True)
        ),
        g.task("left", then={"parallel-split": ["b", "c"]}, retry=HARD),
        g.task("b", then="d", retry=HARD),
        g.task("c", then="d", retry=HARD),
        g.task("d", join="synchronization", retry=HARD),
    )
)
"""Steps in a row, then two branches that meet: ten items a case."""


async def main(store: str, effects: str, cases: int) -> None:
    """Recover what is there, start what is missing, and go on to the end."""
    file = os.open(effects, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def effect(work: Work) -> str:
        os.write(file, f"{work.idempotency_key} {work.attempt}\n".encode())
        return work.item

    async def slowly(work: Work) -> str:
        done = effect(work)
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
        return done

    names = [*NAMES, "left", "b", "c", "d"]
    by_task: dict[str, Any] = {name: slowly if name in "bc" else effect for name in names}
    functions = Functions(by_task=by_task, workers={"b": Worker.ASYNC, "c": Worker.ASYNC})
    journal = open_journal(store)
    world = World(journal, functions, clock=None)
    async with world.engine(journal, snapshot_every=9) as engine:
        engine.listeners.append(lambda batch: print(batch.case, flush=True))
        compiled = engine.add(SPECIFICATION)
        driven = list(await engine.recover())
        print("recovered", len(driven), flush=True)
        for number in range(cases):
            name = CaseId(f"case-{number}")
            if journal.summary(name) is None:
                driven.append(await engine.start(compiled, case=name))
        for case in driven:
            assert await case.wait() is CaseStatus.COMPLETED, case.error
    print("done", flush=True)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2], int(sys.argv[3]))

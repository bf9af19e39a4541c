"""A run with a seed, printed as a hash of all that its journal keeps.

python -m tests.engine.runtime.seeded 7 memory:
"""

from __future__ import annotations

import hashlib
import sys

import anyio

from tests.engine import generated as g
from tests.engine.runtime.worlds import Faulty, Functions, World, failing
from weft.engine.journal import open_journal
from weft.engine.ports import Work, Worker
from weft.schema.specification import Retry

WIDE = [f"t{i}" for i in range(600)]
"""Enough tasks for tables that are no plain dicts any more."""


async def run(seed: int, url: str) -> str:
    """The hash of the journal after some cases, started side by side."""
    journal = open_journal(url)

    async def waits(work: Work) -> str:
        for _ in range(work.attempt):
            await anyio.lowlevel.checkpoint()
        return work.item

    functions = Functions(
        by_task={"a": failing(2, "a"), "b": waits, "c": failing(1, "c")},
        workers={"b": Worker.ASYNC},
    )
    retry = Retry(attempts=4, delay_seconds=3, factor=2, jitter="full")
    names = ["a", "b", "c", "d"]
    small = g.net(
        names, *(g.task(n, then="e", retry=retry) for n in names), g.task("e", join="multi-merge")
    )
    stop = g.task("stop", "person", {"cancel-case": None})
    wide = g.net([*WIDE, "stop"], *(g.task(name, "person") for name in WIDE), stop)
    world = World(journal, functions)
    async with world.engine(Faulty(journal), seed=seed, snapshot_every=7) as engine:
        cases = [await engine.start(g.specification(small)) for _ in range(3)]
        async with anyio.create_task_group() as group:
            for case in cases:
                group.start_soon(case.wait)
        many = await engine.start(g.specification(wide, "wide"))
        await many.suspend()
        await many.resume()
        await many.complete("stop/1")
    told = hashlib.sha256()
    for summary in journal.cases():
        told.update(repr(summary).encode())
        for record in journal.records(summary.case):
            told.update(repr(record).encode())
        told.update(repr(journal.snapshot(summary.case)).encode())
    journal.close()
    return told.hexdigest()


if __name__ == "__main__":
    print(anyio.run(run, int(sys.argv[1]), sys.argv[2]))

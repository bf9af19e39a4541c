"""What 10,000 half-run cases take of memory, each with five small variables, and waking one.

    python benches/half_run.py [CASES]

Each has performed five of ten functions, and waits for a person at the sixth step. They are in a
store in memory with all their events, and in the hands of the engine. What is measured is how much
more memory the process holds (its resident set, after a collection of garbage) than before the
first of them, and the processor time of each. The bar is 50 MB, the aim 20.

Then the whole work list is read; the state of a thousand cases is asked for; and a thousand others
are woken: their person's item is completed, and they go on to their end.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from pathlib import Path

import weft

STEP = "  - {python: {call: add, run-in: inline}, in: {a: a}, out: {a: result}}\n"
TEXT = (
    "weft: 1\nname: half\ndata:\n"
    "  a: {type: integer, default: 0}\n"
    "  b: {type: string, default: bee}\n"
    "  c: {type: number, default: 1.5}\n"
    "  d: {type: boolean, default: true}\n"
    "  e: {type: string, default: eee}\n"
    f"sequence:\n{STEP * 5}  - {{person: {{title: t, role: r}}}}\n{STEP * 4}"
)


def add(a: int) -> int:
    """The task."""
    return a + 1


def resident() -> float:
    """The memory of the process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def measured(cases: int) -> None:
    """Run them half, and print what that and the rest take."""
    specification = weft.loads(TEXT)
    woken = min(cases, 1000)
    async with weft.open("memory:", functions={"add": add}) as engine:
        case = await engine.start(specification)
        await case.wait()
        await case.complete(case.work_list()[0].item)
        await case.wait()
        gc.collect()
        before, began = resident(), time.process_time()
        names = []
        for _ in range(cases):
            case = await engine.start(specification)
            await case.wait()
            assert case.idle
            assert case.data["a"] == 5
            if len(names) < 2 * woken:
                names.append(case.id)
        each = (time.process_time() - began) / cases * 1e6
        gc.collect()
        print(
            f"{cases:,} half-run cases of {case.events} events: {resident() - before:.1f} MB, "
            f"{each:.0f} µs each"
        )
        began = time.process_time()
        rows = len(engine.journal.worklist())
        each = (time.process_time() - began) / rows * 1e6
        gc.collect()
        print(
            f"the work list read, {rows:,} rows: {resident() - before:.1f} MB, {each:.1f} µs a row"
        )
        began = time.process_time()
        for name in names[:woken]:
            (await engine.open(name)).work_items  # noqa: B018  # the state is what is measured
        each = (time.process_time() - began) / woken * 1e6
        print(f"the whole state of a case, asked for: {each:.0f} µs")
        began = time.process_time()
        for name in names[woken:]:
            case = await engine.open(name)
            await case.complete("step-6/1")
            assert await case.wait() is weft.CaseStatus.COMPLETED
        each = (time.process_time() - began) / max(len(names) - woken, 1) * 1e6
        print(f"woken by its person, and run to its end: {each:.0f} µs a case")


if __name__ == "__main__":
    asyncio.run(measured(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))

"""What 10,000 half-run cases take of memory, each with five small variables.

    python benches/half_run.py [CASES]

Each has performed five of ten functions, and waits for a person at the sixth step. They are in a
store in memory with all their events, and in the hands of the engine. What is measured is how much
more memory the process holds (its resident set, after a collection of garbage) than before the
first of them, and the processor time of each. The bar is 50 MB, the aim 20.
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
    """Run them half, and print a line."""
    specification = weft.loads(TEXT)
    async with weft.open("memory:", functions={"add": add}) as engine:
        case = await engine.start(specification)
        await case.wait()
        gc.collect()
        before, began = resident(), time.process_time()
        for _ in range(cases):
            case = await engine.start(specification)
            await case.wait()
            assert case.idle
            assert case.data["a"] == 5
        each = (time.process_time() - began) / cases * 1e6
        gc.collect()
        print(
            f"{cases:,} half-run cases of {case.events} events: {resident() - before:.1f} MB, "
            f"{each:.0f} µs each"
        )


if __name__ == "__main__":
    asyncio.run(measured(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))

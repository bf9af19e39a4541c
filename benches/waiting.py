"""Cases that wait: what a hundred thousand of them cost, and how soon a trigger reaches one.

    python benches/waiting.py [CASES]

It fills a store with cases that wait for a trigger with a correlation key or for a time, then
runs a worker on it in a process of its own, and measures that process: its memory, the processor
time it takes while nothing happens, and, in another, how long an event takes to its case (found
by the store's index, loaded, decided, durable). The bars are those of the issue: idle CPU below
1 %, at most 200 MB, at most 5 ms at the 99th percentile.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anyio

import weft
from weft.bus import to_waiting, work
from weft.engine.starting import BusEvent

PAYMENT = """
weft: 1
name: payment
data: {order: string}
net:
  start: ask
  tasks:
    ask: {then: {deferred-choice: [received, overdue]}}
    received: {persistent-trigger: {trigger: paid, key: order}}
    overdue: {wait: 14d}
"""
IDLE_SECONDS = 20.0
TRIGGERS = 500


async def fill(store: str, cases: int) -> float:
    """Start the cases, a few hundred at once; gives the seconds."""
    began = time.perf_counter()
    async with weft.open(store) as engine:
        compiled = engine.add(weft.loads(PAYMENT))

        async def start(first: int) -> None:
            for number in range(first, cases, 256):
                case = await engine.start(compiled, {"order": f"o{number}"}, case=f"c{number}")
                engine.let_go(case.id)

        async with anyio.create_task_group() as group:
            for first in range(256):
                group.start_soon(start, first)
    return time.perf_counter() - began


async def idle(store: str) -> dict[str, float]:
    """A worker on the store while nothing happens."""
    async with weft.open(store) as engine, anyio.create_task_group() as group:
        group.start_soon(work, engine)
        await anyio.sleep(3)  # it looks round once
        before = time.process_time()
        began = time.perf_counter()
        await anyio.sleep(IDLE_SECONDS)
        spent = time.process_time() - before
        elapsed = time.perf_counter() - began
        loaded = len(engine._driven)
        group.cancel_scope.cancel()
    return {
        "idle_cpu_percent": 100 * spent / elapsed,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "loaded": loaded,
    }


async def reach(store: str, cases: int) -> dict[str, float]:
    """Events to cases drawn at random, one after the other; with the fsync of the same disk."""
    draw = random.Random(1)
    times: list[float] = []
    async with weft.open(store) as engine:
        cpu = time.process_time()
        for number in draw.sample(range(cases), TRIGGERS):
            event = BusEvent("paid", {"sum": 1}, key=f"o{number}")
            began = time.perf_counter()
            delivered = await to_waiting(engine, event)
            times.append(time.perf_counter() - began)
            assert [d.case.id for d in delivered] == [f"c{number}"]
        cpu = time.process_time() - cpu
    spent = {"trigger_cpu_ms": 1000 * cpu / TRIGGERS}  # what it takes when nobody else works
    return {**percentiles("trigger", times), **spent, **percentiles("fsync", fsyncs(store))}


def fsyncs(store: str) -> list[float]:
    """How long the disk takes to make a small write durable."""
    path = Path(store.removeprefix("sqlite:///")).with_suffix(".fsync")
    times = []
    with path.open("wb") as file:
        for _ in range(200):
            began = time.perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    path.unlink()
    return times


def percentiles(name: str, times: list[float]) -> dict[str, float]:
    times = sorted(times)
    at = {50: len(times) // 2, 99: len(times) * 99 // 100}
    return {f"{name}_ms_p{p}": 1000 * times[index] for p, index in at.items()}


def measured(what: str, store: str, cases: int) -> dict[str, float]:
    """Measure in a process of its own, so that nothing else is in its memory."""
    words = (sys.executable, __file__, str(cases), what, store)
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    if len(sys.argv) > 2:
        what, store = sys.argv[2:]
        if what == "fill":
            print(json.dumps({"seconds": anyio.run(fill, store, cases)}))
        elif what == "idle":
            print(json.dumps(anyio.run(idle, store)))
        else:
            print(json.dumps(anyio.run(reach, store, cases)))
        return
    with tempfile.TemporaryDirectory() as folder:
        store = f"sqlite:///{folder}/waiting.db"
        filled = measured("fill", store, cases)["seconds"]
        size = Path(folder, "waiting.db").stat().st_size
        print(
            f"{cases} cases in {filled:.1f} s ({cases / filled:.0f}/s), {size / cases:.0f} bytes each"
        )
        for name, value in (
            measured("idle", store, cases) | measured("reach", store, cases)
        ).items():
            print(f"{name:24} {value:10.3f}")


if __name__ == "__main__":
    main()

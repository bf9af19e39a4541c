"""Contests about what is shared: images that are mapped, threads that steal, processes that compute."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, TypeVar

from weft.bench import nets
from weft.bench.measuring import Contest
from weft.bench.peers import Peer
from weft.native import KERNEL, kernel

__all__ = ["beside_each_other", "image", "pool", "processes"]

Answer = TypeVar("Answer")

ITEMS: Final = 1_000_000
TASKS: Final = 2_000
MAPPED: Final = 100
"""So many files in a row, each from its name to its first firing."""
CALLS: Final = 300
HEAVY: Final = 64
"""So many cases, each of some milliseconds, are compute-bound work."""
HEAVY_FIRINGS: Final = 500_000
STEPS: Final = 250
"""Tasks in a row, which make a net of 1,000 transitions."""


def image(_: list[Peer]) -> Iterator[Contest]:
    """From a file to the first firing: an image that is mapped, a specification that is compiled."""
    from weft.connectors import builtin as connectors
    from weft.engine.compile import compile_specification
    from weft.images import open_image, write_image
    from weft.loading import load
    from weft.patterns.installed import installed

    text = "weft: 1\nname: bench\nsequence:\n" + "  - {python: {call: f, run-in: inline}}\n" * STEPS
    with tempfile.TemporaryDirectory() as folder:
        source, mapped = Path(folder, "net.yaml"), Path(folder, "net.weftnet")
        source.write_text(text)

        def compiled() -> Any:
            known, performers = installed(), connectors()
            return compile_specification(load(source), registry=known, connectors=performers).net

        write_image(mapped, compiled())

        def fire(image: Any, initial: Any) -> bool:
            marking = array("i", bytes(initial))
            kernel.fire(image, marking, kernel.enabled_transitions(image, marking)[0])
            return True

        kept = []  # unmapping is no part of what is measured

        def map_it() -> bool:
            stored = open_image(mapped).stored
            kept.append(stored)
            return fire(stored.image, stored.initial)

        def map_all() -> bool:
            return all(map_it() for _ in range(MAPPED))

        def compile_it() -> bool:
            net = compiled()
            return fire(net.image, net.initial)

        name = f"first firing, {len(compiled().transitions)} transitions"
        yield Contest(
            name=name,
            unit="ns/net",
            contestants={"mapped image": (map_all, MAPPED)},
            answer=True,
            rounds=30,
        )
        # Before each round the garbage collector passes over the heap, and leaves the caches to it.
        yield Contest(
            name=f"{name}, caches cold",
            unit="ns/net",
            contestants={"mapped image": (map_it, 1)},
            answer=True,
            rounds=300,
        )
        yield Contest(
            name="first firing, compiling too",
            unit="ns/net",
            contestants={"mapped image": (map_it, 1), "specification": (compile_it, 1)},
            answer=True,
            beside="specification",
            rounds=9,
        )


def pool(_: list[Peer]) -> Iterator[Contest]:
    """Native work items on the pool's threads, and compute-bound cases on two of them."""

    async def tasks() -> int:
        async def one(number: int) -> int:
            return number

        return sum(await asyncio.gather(*(asyncio.create_task(one(i)) for i in range(TASKS))))

    yield Contest(
        name="an asyncio task, not to be mixed up with it",
        unit="ns/task",
        contestants={"asyncio": (lambda: asyncio.run(tasks()), TASKS)},
        answer=TASKS * (TASKS - 1) // 2,
        rounds=9,
        threaded=True,
    )
    module: Any = kernel  # the reference has no threads
    if KERNEL == "reference":
        return
    alone, two = module.Pool(1), module.Pool(2)

    def count(pool: Any, working: bool) -> int:
        sum_, _ = pool.count(ITEMS, working)
        return int(sum_)

    yield Contest(
        name="a native work item",
        unit="ns/item",
        contestants={
            "two workers, all stolen": (partial(count, two, False), ITEMS),
            "two workers": (partial(count, two, True), ITEMS),
            "one worker": (partial(count, alone, True), ITEMS),
        },
        answer=ITEMS * (ITEMS - 1) // 2,
        beside="one worker",
        rounds=30,
        threaded=True,
    )
    alone.close()
    two.close()

    def heavy(threads: int) -> int:
        return heavy_cases(HEAVY, HEAVY_FIRINGS, threads)

    with beside_each_other(partial(heavy_cases, HEAVY // 2, HEAVY_FIRINGS)) as both:
        yield Contest(
            name="compute-bound cases",
            unit="firings/s",
            contestants={
                "two workers": (partial(heavy, 2), HEAVY * HEAVY_FIRINGS),
                "two processes": (lambda: sum(both()), HEAVY * HEAVY_FIRINGS),
                "one worker": (partial(heavy, 1), HEAVY * HEAVY_FIRINGS),
            },
            answer=HEAVY * (HEAVY_FIRINGS + 1),
            beside="one worker",
            rounds=15,
            threaded=True,
            utilisation={"two workers": 2, "one worker": 1},
        )


def heavy_cases(count: int, firings: int, threads: int = 1) -> int:
    """Compute-bound cases: how many of them go on, and all their firings."""
    net = nets.ring(10)
    fired = array("i", bytes(4 * count))
    order = array("i", bytes(40))
    live = kernel.settle_cases(net.image, net.cells * count, order, firings, fired, threads)
    return live + sum(fired)


@contextmanager
def beside_each_other(work: Callable[[], Answer]) -> Iterator[Callable[[], list[Answer]]]:
    """A function that does the work in each of two processes at once, which share nothing.

    So it tells what the machine gives to two at a time, and what two threads are held against.
    """
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:

        def both() -> list[Answer]:
            return [done.result() for done in [processes.submit(work) for _ in range(2)]]

        yield both


def nothing(n: int) -> int:
    """What a worker process is asked, to see how long asking takes."""
    return n


def processes(_: list[Peer]) -> Iterator[Contest]:
    """How long a call to a function with ``run-in: process`` takes, beside its own work."""

    def asked(concurrently: int) -> Callable[[], list[float]]:
        return lambda: asyncio.run(_ask(concurrently))

    yield Contest(
        name="a call in a worker process",
        unit="ns/call",
        contestants={
            "one at a time": (asked(1), CALLS),
            f"{os.cpu_count() or 1} at a time": (asked(os.cpu_count() or 1), CALLS),
        },
        rounds=3,
        threaded=True,
        latencies=True,
    )


async def _ask(concurrently: int) -> list[float]:
    """The seconds of each call, of workers that are up."""
    from weft.connectors.workers import Call, Workers

    workers, seconds = Workers(concurrently), list[float]()

    def call(number: int) -> Call:
        work = {
            "case": "bench",
            "item": "bench/1",
            "task": "bench",
            "attempt": 1,
            "idempotency_key": "bench/1",
            "inputs": {"n": number},
        }
        return Call("weft.bench.shares:nothing", None, work)

    async def ask(numbers: range, kept: bool) -> None:
        for number in numbers:
            began = time.perf_counter()
            answer = await workers.run("bench", call(number))
            assert answer == number
            if kept:
                seconds.append(time.perf_counter() - began)

    try:
        for numbers, kept in ((range(5), False), (range(CALLS // concurrently), True)):
            await asyncio.gather(*(ask(numbers, kept) for _ in range(concurrently)))
    finally:
        await workers.aclose()
    return seconds

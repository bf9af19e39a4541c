"""How long after ``kill -9`` all cases go again: from the start of the next process.

python -m benches.recovery [CASES] [ROUNDS]

A process starts so many cases, each with an attempt under way, and is killed. The next one opens
the store and recovers; the clock runs from before it is started until its last attempt has begun.
Said beside it: the processor time that it took, which counts where the machine is busy with other
things; the time of a bare interpreter, of importing Weft, and of one fsync on this disk.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anyio

SOURCE = """
weft: 1
name: flight
net:
  start: first
  tasks:
    first: {python: {call: quick, run-in: inline}, then: {parallel-split: [left, right]}}
    left: {python: waits, then: end-of-it}
    right: {person: {title: Go on?}, then: end-of-it}
    end-of-it: {join: synchronization}
"""


COMPILED = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
"""The environment of the processes: an installed package has its bytecode beside it."""


async def fly(store: str, cases: int) -> None:
    """Start or recover the cases, say when all are under way, and wait to be killed."""
    import weft

    begun = 0
    all_begun = anyio.Event()

    async def waits() -> None:
        nonlocal begun
        begun += 1
        if begun == cases:
            all_begun.set()
        await anyio.sleep_forever()

    def quick() -> int:
        return 1

    async with weft.open(store, functions={"quick": quick, "waits": waits}) as engine:
        recovered = await engine.recover()
        if len(recovered) < cases:
            specification = weft.loads(SOURCE)
            for _ in range(cases - len(recovered)):
                await engine.start(specification)
        await all_begun.wait()
        print(f"going {time.process_time():.3f}", flush=True)
        await anyio.sleep_forever()


def run(store: str, cases: int) -> tuple[float, float]:
    """Seconds from before a process is started until its cases go, and of processor time.

    It is killed then.
    """
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "benches.recovery", "--fly", store, str(cases)],
        stdout=subprocess.PIPE,
        text=True,
        env=COMPILED,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    seconds = time.perf_counter() - began
    process.kill()
    process.wait()
    process.stdout.close()
    word, _, spent = line.partition(" ")
    if word != "going":
        raise SystemExit("the cases do not go")
    return seconds, float(spent)


def bare(code: str) -> float:
    """Seconds of an interpreter that runs this."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, env=COMPILED)
    return time.perf_counter() - began


def fsync_seconds(folder: str) -> float:
    """The median time of writing a page and syncing it."""
    times = []
    with Path(folder, "probe").open("wb") as file:
        for _ in range(20):
            began = time.perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times)


def main(cases: int, rounds: int) -> None:
    """Measure and say it."""
    with tempfile.TemporaryDirectory() as folder:
        store = f"sqlite:///{folder}/flight.db"
        print(f"fsync            {fsync_seconds(folder) * 1000:8.2f} ms")
        print(f"interpreter      {bare('pass'):8.3f} s")
        compiling, importing = (bare("import weft; weft.open") for _ in range(2))
        print(f"with import weft {importing:8.3f} s  (the first time {compiling:.3f} s)")
        print(f"{cases} started   {run(store, cases)[0]:8.3f} s")
        for name, times in zip(
            ("all going again", "processor time"),
            zip(*(run(store, cases) for _ in range(rounds)), strict=True),
            strict=True,
        ):
            print(
                f"{name:16} {statistics.median(times):8.3f} s  (median of {rounds}; "
                f"{min(times):.3f} to {max(times):.3f})"
            )
        print(f"load             {os.getloadavg()[0]:8.2f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--fly"]:
        anyio.run(fly, sys.argv[2], int(sys.argv[3]), backend_options={"use_uvloop": True})
    else:
        numbers = [int(text) for text in sys.argv[1:3]]
        main(*(numbers + [1000, 5][len(numbers) :]))

"""What the first case of a process takes, beside SpiffWorkflow: imports, first case, those after.

    python -m benches.first_case [PROCESSES]

Each contestant runs in processes of its own, in turns; the numbers are milliseconds of processor
time, least to most. A case is ten functions in a row. Weft starts from the text of its
specification, SpiffWorkflow from Python, which is its specification.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time

ROWS = ("imports", "first case", "second case", "each of the next eight")


class Laps:
    """Milliseconds of processor time from one lap to the next."""

    def __init__(self) -> None:
        self.last = 0.0  # a process begins with none
        self.found: list[float] = []

    def lap(self, *, kept: bool = True) -> None:
        """What passed since the last one; it is no contestant's if it is not kept."""
        now = time.process_time()
        if kept:
            self.found.append(1000 * (now - self.last))
        self.last = now


def weft(laps: Laps) -> None:
    """Weft's: open an engine in memory, load, start, wait."""
    text = sys.stdin.read()
    laps.lap(kept=False)
    import weft

    async def cases() -> None:
        async with weft.open("memory:", functions={"add": lambda n: n + 1}) as engine:
            laps.lap()
            specification = weft.loads(text)
            for _ in range(10):
                case = await engine.start(specification)
                await case.wait()
                assert case.data["n"] == 10, case.data
                laps.lap()

    asyncio.run(cases())


def spiff(laps: Laps) -> None:
    """SpiffWorkflow's, by the same peer as in `weft bench`."""
    laps.lap(kept=False)
    import SpiffWorkflow.specs  # noqa: F401  (what is measured is that it is imported)

    laps.lap()
    from weft.bench.peers import SpiffWorkflow as Peer

    laps.lap(kept=False)
    work = Peer().sequence(10, 1)
    for _ in range(10):
        assert work() == 10
        laps.lap()


CONTESTANTS = {"Weft": weft, "SpiffWorkflow": spiff}


def measured(name: str, text: str) -> list[float]:
    """The rows of one process, in milliseconds."""
    own = [sys.executable, "-m", "benches.first_case", "--one", name]
    done = subprocess.run(own, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed: {(done.stderr.strip() or 'no word').splitlines()[-1]}")
    imports, first, second, *others = json.loads(done.stdout)
    return [imports, first, second, sum(others) / len(others)]


def main() -> int:
    """Measure, and print the table."""
    if sys.argv[1:2] == ["--one"]:
        laps = Laps()
        CONTESTANTS[sys.argv[2]](laps)
        print(json.dumps(laps.found))
        return 0
    from weft.bench.suite import _sequence

    processes = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    found: dict[str, list[list[float]]] = {name: [] for name in CONTESTANTS}
    for _ in range(processes):
        for name, rows in found.items():
            rows.append(measured(name, _sequence(10)))
    for i, what in enumerate(ROWS):
        for name, rows in found.items():
            values = sorted(row[i] for row in rows)
            print(f"{what:24} {name:14} {values[0]:8.2f} to {values[-1]:.2f} ms")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

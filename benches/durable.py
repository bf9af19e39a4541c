"""Durable steps beside DBOS and the raw store: how many a second, and how long each takes.

    python benches/durable.py [ROUNDS [AT_ONCE...]]

The work is the same for all: cases of ten steps in a row, each a function that adds one, so many
cases at once; a step counts when what it returned survives a power cut. What comes once, before
the first case, does not count. The contestants take
turns, each time in a process and on a file of their own, and each answer is checked.

Weft, and DBOS (with SQLite, as it comes, and with WAL and ``synchronous=FULL``, which is what Weft
uses); beside them the raw store: a row of the same size a step, committed alone, or once for all
cases. The latency is the time from the end of a step to the beginning of the next one of its case:
what making it durable costs a case. The time of an fsync is measured in each round, since it
changes with other traffic of the disk.

At the end stand the bars that all of it is held against, and what was reached: of rates and
latencies the medians of the rounds.

DBOS comes with ``pip install 'weft[bench]'``; where it is missing it is named and left out.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

STEPS = 10
AT_ONCE = {1: 200, 64: 512, 1000: 2000}
"""Cases at once, and how many there are in all."""
CONTESTANTS = ("weft", "dbos", "dbos WAL", "raw single", "raw group")
ROW = bytes(250)

Spent = dict[str, float]


class Gaps:
    """The times between the steps of each case, in seconds."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """From here on it counts: what comes once, before the first case, is over."""
        self.ended: dict[Any, float] = {}
        self.gaps: list[float] = []
        self.began, self.cpu = time.perf_counter(), time.process_time()

    def step(self, case: Any, n: int) -> int:
        """The work of a step."""
        now = time.perf_counter()
        before = self.ended.get(case)
        if before is not None:
            self.gaps.append(now - before)
        self.ended[case] = time.perf_counter()
        return n + 1


def weft_steps(folder: Path, at_once: int, cases: int, gaps: Gaps) -> Callable[[], int]:
    import anyio

    import weft

    def add(name: str, n: int) -> int:
        return gaps.step(name, n)

    names = [f"s{i}" for i in range(STEPS)]
    tasks = "\n".join(
        f"    {name}: {{python: {{call: add, run-in: inline}}, in: {{name: name, n: n}}, out: {{n: result}}"
        + (f", then: {names[i + 1]}" if i + 1 < STEPS else "")
        + "}"
        for i, name in enumerate(names)
    )
    source = f"weft: 1\nname: steps\ndata: {{name: string, n: integer}}\nnet:\n  start: s0\n  tasks:\n{tasks}\n"
    total = 0

    async def work() -> None:
        nonlocal total
        async with weft.open(f"sqlite:///{folder}/weft.db", functions={"add": add}) as engine:
            compiled = engine.add(weft.loads(source))
            first = await engine.start(compiled, {"name": "first", "n": 0}, case="first")
            await first.wait()
            waiting = iter(range(cases))
            gaps.begin()

            async def one_after_the_other() -> None:
                nonlocal total
                for number in waiting:
                    name = f"c{number}"
                    case = await engine.start(compiled, {"name": name, "n": 0}, case=name)
                    await case.wait()
                    total += int(case.data["n"])

            async with anyio.create_task_group() as group:
                for _ in range(at_once):
                    group.start_soon(one_after_the_other)

    def run() -> int:
        anyio.run(work, backend_options={"use_uvloop": True})
        return total

    return run


def dbos_steps(
    folder: Path, at_once: int, cases: int, gaps: Gaps, *, wal: bool
) -> Callable[[], int]:
    from dbos import DBOS, DBOSConfig, SetWorkflowID

    if wal:
        from sqlalchemy import Engine, event

        @event.listens_for(Engine, "connect")
        def connected(connection: Any, _: Any) -> None:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")

    config: DBOSConfig = {
        "name": "steps",
        "system_database_url": f"sqlite:///{folder}/dbos.sqlite",
        "log_level": "ERROR",
        "run_admin_server": False,
        "max_executor_threads": max(at_once, 8),
    }
    DBOS(config=config)

    @DBOS.step()
    def add(case: str, n: int) -> int:
        return gaps.step(case, n)

    @DBOS.workflow()
    def steps(case: str) -> int:
        n = 0
        for _ in range(STEPS):
            n = add(case, n)
        return n

    DBOS.launch()

    def run() -> int:
        DBOS.start_workflow(steps, "first").get_result()
        gaps.begin()
        total, under_way = 0, []
        for number in range(cases):
            with SetWorkflowID(f"c{number}"):
                under_way.append(DBOS.start_workflow(steps, f"c{number}"))
            if len(under_way) >= at_once:
                total += under_way.pop(0).get_result()
        return total + sum(handle.get_result() for handle in under_way)

    return run


def raw_steps(folder: Path, at_once: int, cases: int, gaps: Gaps) -> Callable[[], int]:
    import apsw

    db = apsw.Connection(f"{folder}/raw.db")
    db.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE events (no INTEGER PRIMARY KEY, case_no INTEGER, data BLOB)")

    def run() -> int:
        total = 0
        for first in range(0, cases, at_once):
            some = range(first, min(first + at_once, cases))
            for n in range(STEPS):
                for case in some:
                    total += gaps.step(case, n) - n
                with db:
                    db.executemany(
                        "INSERT INTO events (case_no, data) VALUES (?, ?)",
                        ((case, ROW) for case in some),
                    )
        return total

    return run


def measured(contestant: str, folder: Path, at_once: int, cases: int) -> Spent:
    """Do the work once, in this process."""
    gaps = Gaps()
    if contestant == "weft":
        run = weft_steps(folder, at_once, cases, gaps)
    elif contestant.startswith("raw"):
        run = raw_steps(folder, 1 if contestant == "raw single" else at_once, cases, gaps)
    else:
        run = dbos_steps(folder, at_once, cases, gaps, wal=contestant.endswith("WAL"))
    total = run()
    seconds, cpu = time.perf_counter() - gaps.began, time.process_time() - gaps.cpu
    if total != cases * STEPS:
        raise SystemExit(f"{contestant}: {total} steps of {cases * STEPS}")
    found = sorted(gaps.gaps)
    spent = {
        "steps_per_second": cases * STEPS / seconds,
        "cpu_us_per_step": 1e6 * cpu / (cases * STEPS),
        "p50_ms": 1000 * found[len(found) // 2],
        "p99_ms": 1000 * found[len(found) * 99 // 100],
    }
    if contestant == "weft":
        spent |= disk(folder)
    return spent


def disk(folder: Path) -> Spent:
    """The size of the file an event, all tables and indexes, after a checkpoint."""
    import apsw

    db = apsw.Connection(f"{folder}/weft.db")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    events = db.execute("SELECT sum(sequence) FROM cases").fetchall()[0][0]
    size = db.pragma("page_count") - db.pragma("freelist_count")
    return {"bytes_per_event": size * db.pragma("page_size") / events}


def fsync_ms(folder: Path) -> float:
    """The median time of making a page durable."""
    times = []
    with Path(folder, "probe").open("wb") as file:
        for _ in range(20):
            began = time.perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


def in_a_process(contestant: str, at_once: int, cases: int) -> Spent:
    """One turn of a contestant, on a file of its own; with the fsync time of that moment."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, __file__, "--one", contestant, folder, str(at_once), str(cases)]
        done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=600)
        found: Spent = json.loads(done.stdout.splitlines()[-1])
        return {**found, "fsync_ms": fsync_ms(Path(folder))}


Bar = tuple[int, str, str, float, Callable[[dict[str, Spent]], float]]


def ratio(name: str) -> Callable[[dict[str, Spent]], float]:
    """How many times as many steps a second Weft does."""
    return lambda row: row["weft"]["steps_per_second"] / row[name]["steps_per_second"]


def figure(key: str) -> Callable[[dict[str, Spent]], float]:
    """A figure of Weft's."""
    return lambda row: row["weft"][key]


BARS: tuple[Bar, ...] = (
    (1, "times DBOS as it comes", ">=", 10, ratio("dbos")),
    (1, "times DBOS with WAL and FULL", ">=", 5, ratio("dbos WAL")),
    (1, "of raw single commits", ">=", 0.4, ratio("raw single")),
    *(
        bar
        for at_once in (64, 1000)
        for bar in (
            (at_once, "steps a second", ">=", 20_000, figure("steps_per_second")),
            (at_once, "of raw group commit", ">=", 0.5, ratio("raw group")),
        )
    ),
    (64, "p50 in ms", "<=", 2, figure("p50_ms")),
    (64, "p99 in ms", "<=", 10, figure("p99_ms")),
    *((n, "bytes an event", "<=", 300, figure("bytes_per_event")) for n in AT_ONCE),
)
"""At how many cases at once, of what, and how much it is to be; half of raw group commit is more
than is asked for, and would be wished for."""


def main(rounds: int, rows: list[int]) -> None:
    """Let them take turns, and say what came of it."""
    contestants = list(CONTESTANTS)
    if find_spec("dbos") is None:
        print("DBOS is left out: No module named 'dbos'; pip install 'weft[bench]'")
        contestants = [name for name in contestants if not name.startswith("dbos")]
    medians: dict[int, dict[str, Spent]] = {}
    for at_once in rows:
        cases = AT_ONCE[at_once]
        found: dict[str, list[Spent]] = {name: [] for name in contestants}
        for number in range(rounds):
            for name in contestants:
                # What is slow is given less of it: it would take minutes.
                slow = name.startswith("dbos") or name == "raw single"
                fewer = max(at_once, cases // 10) if slow else cases
                fewer = min(fewer, 100) if name == "raw single" else fewer
                if number and name.startswith("dbos") and at_once > 64:
                    continue  # minutes as it is
                found[name].append(in_a_process(name, at_once, fewer))
        print(f"{at_once} at once, {cases} cases of {STEPS} steps; load {os.getloadavg()[0]:.1f}")
        medians[at_once] = {}
        for name, turns in found.items():
            middle = {key: statistics.median(turn[key] for turn in turns) for key in turns[0]}
            medians[at_once][name] = middle
            print(
                f"  {name:11}" + "".join(f"  {k} {v:,.2f}" for k, v in middle.items()), flush=True
            )
    print("at once  what                           bar              reached")
    for at_once, what, order, bar, asked in BARS:
        if at_once not in medians:
            continue
        try:
            reached = asked(medians[at_once])
        except KeyError:  # who was left out
            continue
        met = reached >= bar if order == ">=" else reached <= bar
        print(
            f"{at_once:7}  {what:30} {order} {bar:<10,g}  {reached:12,.2f}  {'met' if met else 'missed'}"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        name, folder, at_once, cases = sys.argv[2:]
        print(json.dumps(measured(name, Path(folder), int(at_once), int(cases))), flush=True)
        os._exit(0)  # DBOS has threads that go on
    else:
        chosen = [int(number) for number in sys.argv[2:]]
        if unknown := set(chosen) - set(AT_ONCE):
            raise SystemExit(f"at once: one of {[*AT_ONCE]}, not {sorted(unknown)}")
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 3, chosen or list(AT_ONCE))

"""What telemetry costs: processor time a task, off and on.

    python benches/telemetry_cost.py [CASES]

Cases of ten inline tasks in memory, so that as little as possible hides the cost. On: all three
signals, through the pipeline, to exporters that encode nothing. Off: in a lane, which only a case
has that nobody listens to, and the long way, which cases of a store on disk go, too. Processor
time, since wall time on a shared machine says little; of all threads, so the exporting threads
count too.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import anyio

import weft
from weft.weaver.shipping import Pipeline
from weft.weaver.telemetry import Telemetry

TASKS = 10
SPECIFICATION = (
    "{weft: 1, name: a, sequence: ["
    + ", ".join(["{python: {call: f, run-in: inline}}"] * TASKS)
    + "]}"
)


class Done:
    name = "SUCCESS"


class Nowhere:
    def export(self, batch: Any) -> Any:
        return Done

    def shutdown(self) -> None:
        pass


def telemetry() -> Telemetry:
    pipeline = Pipeline(dict.fromkeys(("traces", "metrics", "logs"), Nowhere()), queue=1_000_000)
    return Telemetry(
        tracer_provider=pipeline.tracer_provider,
        meter_provider=pipeline.meter_provider,
        logger_provider=pipeline.logger_provider,
        pipeline=pipeline,
    )


async def run(cases: int, told: Telemetry | None, lanes: bool = True) -> float:
    specification = weft.loads(SPECIFICATION)
    functions = {"f": lambda: 1}
    async with weft.open(functions=functions, telemetry=told or False) as engine:
        if not lanes:
            engine.listeners.append(lambda batch: None)
        compiled = engine.add(specification)
        began = time.process_time()
        for number in range(cases):
            case = await engine.start(compiled, case=f"c{number}")
            await case.wait()
        return time.process_time() - began


def main() -> None:
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    anyio.run(run, 20, None)
    for _ in range(3):
        lane = anyio.run(run, cases, None)
        off = anyio.run(run, cases, None, False)
        told = telemetry()
        on = anyio.run(run, cases, told)
        told.close()
        tasks = cases * TASKS / 1e6
        print(
            f"a task: {lane / tasks:.0f} µs in a lane, {off / tasks:.0f} µs the long way, "
            f"{on / tasks:.0f} µs told (2 spans, 2 log records, 8 points): {on / off:.1f} times"
        )


if __name__ == "__main__":
    main()

"""How long do many instances take? Decisions alone, without a store.

For each number of instances of a task, atomic and composite: the time to begin them all in one
batch, and the time to complete them one by one, which is to grow as their number does. It
measures the processor's time of this process, the best of several rounds.

Run it with ``python benches/instances.py [--rounds N] [--most N]``.
"""

from __future__ import annotations

import argparse
import time

from weft.engine import commands as c
from weft.engine.compile import compile_specification
from weft.engine.decide import decide
from weft.engine.net import CompiledSpecification
from weft.engine.ports import CaseId, ItemId, Microseconds
from weft.patterns import builtin
from weft.schema.native import read_native

ATOMIC = """
weft: 1
name: many
data: {n: integer}
net:
  start: many
  tasks:
    many: {for-each: {times: n}, work: null}
"""
COMPOSITE = """
weft: 1
name: many
data: {n: integer}
net:
  start: many
  tasks:
    many: {for-each: {times: n, collect: result.one}, net: child, out: {}}
nets:
  child:
    start: one
    tasks:
      one: {work: null}
"""
NOW = Microseconds(0)


class Work:
    """A connector, as far as the compiler wants to know it."""

    automatic = True


def nets(text: str) -> CompiledSpecification:
    """The nets of a file."""
    return compile_specification(read_native(text), registry=builtin(), connectors={"work": Work()})


def measured(compiled: CompiledSpecification, number: int, task: str) -> tuple[float, float]:
    """Seconds to begin so many instances, and to complete them."""
    began = time.process_time()
    asked = c.StartCase(CaseId("case"), compiled, {"n": number})
    case = decide(None, asked, time=NOW).case
    between = time.process_time()
    for i in range(1, number + 1):
        case = decide(case, c.CompleteWorkItem(ItemId(f"{task}/{i}"), i), time=NOW).case
    ended = time.process_time()
    assert case.status.final
    return between - began, ended - between


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most", type=int, default=10_000)
    options = parser.parse_args()
    print("| task | instances | begin, ms | complete, ms | µs an instance |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for kind, text, task in (("atomic", ATOMIC, "many"), ("composite", COMPOSITE, "one")):
        compiled = nets(text)
        number = 100
        while number <= options.most:
            rounds = [measured(compiled, number, task) for _ in range(options.rounds)]
            begin, complete = (min(seconds) * 1000 for seconds in zip(*rounds, strict=True))
            each = (begin + complete) / number * 1000
            print(f"| {kind} | {number} | {begin:.1f} | {complete:.1f} | {each:.0f} |")
            number *= 10


if __name__ == "__main__":
    main()

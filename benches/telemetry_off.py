"""What telemetry costs while it is off: instructions, with its comparisons and without.

    python benches/telemetry_off.py

Callgrind counts them, for cases of ten inline tasks in memory; what a process takes before its
first case cancels out in the difference of a run over nine cases and a run over one. Without: the
engine's module is loaded with the comparisons decided in its source. Some minutes.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

ENGINE = "weft.engine.runtime.engine"
HOOKS = {"self.tracing is not None": "False", "self.tracing is None": "True"}
"""The compiler leaves out what such a constant decides."""
COUNT = re.compile(r"Collected : (\d+)")
CASES = (1, 9)


def decided(source: str) -> str:
    """The source of the engine as it would be without telemetry."""
    for hook, instead in HOOKS.items():
        if hook not in source:
            raise SystemExit(f"{ENGINE} does not have this any more: {hook}")
        source = source.replace(hook, instead)
    if "self.tracing is" in source:
        raise SystemExit(f"{ENGINE} compares its tracing in another way")
    return source


def without_hooks() -> None:
    """Load the engine as it would be without telemetry."""
    spec: Any = importlib.util.find_spec(ENGINE)
    source = decided(spec.loader.get_source(ENGINE))
    module = importlib.util.module_from_spec(spec)
    sys.modules[ENGINE] = module
    exec(compile(source, spec.origin, "exec"), module.__dict__)


def run(hooks: bool, cases: int) -> None:
    """What is counted."""
    if not hooks:
        without_hooks()
    import weft

    text = ", ".join(["{python: {call: f, run-in: inline}}"] * 10)
    specification = weft.loads(f"{{weft: 1, name: a, sequence: [{text}]}}")
    with weft.open(functions={"f": lambda: 1}, telemetry=False, seed=1) as engine:
        for number in range(cases):
            engine.run(specification, case=f"c{number}")


def counted(hooks: bool, cases: int) -> int:
    """The instructions of such a run."""
    done = subprocess.run(
        [
            *("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"),
            *(sys.executable, __file__, str(int(hooks)), str(cases)),
        ],
        env={**os.environ, "PYTHONHASHSEED": "0", "WEFT_STORE": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    found = COUNT.search(done.stderr)
    if done.returncode or found is None:
        raise SystemExit(f"callgrind counted nothing: {done.stderr[-2000:]}")
    return int(found[1])


def main() -> None:
    """Count, and say how many more there are."""
    runs = [(hooks, cases) for hooks in (True, False) for cases in CASES]
    with ThreadPoolExecutor(2) as pool:
        counts = dict(zip(runs, pool.map(lambda each: counted(*each), runs), strict=True))
    few, many = CASES
    case = {
        hooks: (counts[hooks, many] - counts[hooks, few]) / (many - few) for hooks in (True, False)
    }
    more = case[True] / case[False] - 1
    print(
        f"a case of ten inline tasks: {case[True] / 1e6:.3f} million instructions with the "
        f"comparisons, {case[False] / 1e6:.3f} without: {more:+.2%}"
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run(bool(int(sys.argv[1])), int(sys.argv[2]))
    else:
        main()

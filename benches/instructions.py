"""How many instructions the kernel's loops take: ``make instructions``.

Callgrind counts them, for a few runs of ``instructions.c``; what they took before is in
``instructions.json``, with the compiler, since only counts of the same one can be compared. More
than a tenth above is a failure; ``--accept`` writes the new counts down. Seconds would say
something about the machine.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
KEPT = HERE / "instructions.json"
FUNCTION = {
    "ring": "word_run_plain",
    "fork": "word_run_plain",
    "counts": "wide_run_plain",
    "enabled": "enabled_words_plain",
    "states": "work_plain",
    "records": "work_plain",
}
"""The function in which instructions are counted, by the name of the run."""


def counted(program: Path, run: str) -> float:
    """Instructions a piece of work."""
    done = subprocess.run(
        [
            *("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"),
            *("--collect-atstart=no", f"--toggle-collect={FUNCTION[run]}*", str(program), run),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    collected = re.search(r"Collected : (\d+)", done.stderr)
    if collected is None:
        raise SystemExit(f"callgrind counted nothing: {done.stderr}")
    return int(collected[1]) / int(done.stdout)


def main() -> int:
    """Count, compare, and say so."""
    if shutil.which("valgrind") is None:
        print("valgrind is not installed; no instructions are counted", file=sys.stderr)
        return 0
    before = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "instructions")
        source, headers = HERE / "instructions.c", HERE.parent / "native"
        subprocess.run(
            [
                *(os.environ.get("CC") or "cc", "-std=gnu11", "-O3", "-g", f"-I{headers}"),
                *(str(source), "-o", str(program), "-pthread"),
            ],
            check=True,
        )
        now = {run: round(counted(program, run), 2) for run in FUNCTION}
    compiler = subprocess.run(
        [os.environ.get("CC") or "cc", "-dumpversion"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if before.get("compiler", compiler) != compiler:
        print(f"counted with compiler {before['compiler']}, this is {compiler}: not compared")
        before = {}
    worse = False
    for run, number in now.items():
        then = before.get(run)
        much = then is not None and number > then * 1.1
        worse |= much
        print(f"{run:10} {number:10.2f} before: {then}{'  MORE' if much else ''}")
    if "--accept" in sys.argv:
        KEPT.write_text(json.dumps({"compiler": compiler, **now}, indent=2) + "\n")
        return 0
    return int(worse)


if __name__ == "__main__":
    sys.exit(main())

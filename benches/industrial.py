"""How long the 40 industrial workflow nets of the corpus take to verify, in one process.

    python benches/industrial.py [FOLDER] [ROUNDS]

Reading the files is part of it, importing Weft is not. Every verdict is compared with the one that
is known; a wrong one ends the run. The time is that of the processor: the median of the rounds.
"""

from __future__ import annotations

import csv
import sys
import time
from pathlib import Path
from statistics import median

from weft.engine.verify.plain import plain_net
from weft.engine.verify.workflow import verify_net
from weft.schema.pnml import read_pnml_file

BAR = 4.0


def verify_all(folder: Path) -> tuple[int, float, float]:
    """How many nets there are, the seconds of all, and those of the slowest."""
    with (folder / "expected.csv").open() as expected:
        rows = list(csv.DictReader(expected))
    seconds = []
    for row in rows:
        began = time.process_time()
        report = verify_net(plain_net(read_pnml_file(folder / row["net"])))
        seconds.append(time.process_time() - began)
        verdict = row["verdict"]
        if report.sound is not (verdict == "sound") or report.safe is not (verdict != "unsafe"):
            raise SystemExit(f"{row['net']}: the verdict is not {verdict!r}")
    return len(rows), sum(seconds), max(seconds)


def main() -> int:
    """Measure, and say so."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/corpus/workflow-nets")
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    if not (folder / "expected.csv").exists():
        print(f"there are no nets with known verdicts in {folder}; name their folder")
        return 2
    found = [verify_all(folder) for _ in range(rounds)]
    seconds = median(s for _, s, _ in found)
    slowest = median(s for _, _, s in found)
    print(
        f"{found[0][0]} nets verified in {seconds:.2f} s of processor time, the slowest in "
        f"{slowest:.2f} s; the bar is {BAR:g} s: {'met' if seconds <= BAR else 'not met'}"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

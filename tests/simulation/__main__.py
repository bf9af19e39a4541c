"""Run seeds of the simulation: ``python -m tests.simulation``.

``--seed 7`` runs one, and tells what happened in it if it fails; ``--minutes 60`` goes on from
there until the time is over, and reports.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import count

from tests.simulation.simulating import Report, simulate


def main() -> int:
    """Run the seeds that the command line names; 1 if an invariant did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--minutes", type=float, help="run on for so long; without: one seed")
    given = parser.parse_args()
    report, failed = Report(), []
    begun = time.monotonic()
    for seed in count(given.seed):
        try:
            simulate(seed, report, tells=print if given.minutes is None else None)
        except AssertionError as error:
            failed.append(seed)
            print(error, file=sys.stderr, flush=True)
        took = time.monotonic() - begun
        if given.minutes is None or took > given.minutes * 60:
            break
    print(report)
    print(f"{report.seconds / took:,.0f} simulated hours an hour")
    if failed:
        print(f"{len(failed)} seeds failed: {failed}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Writes ``patterns/evidence.json``: ``python -m tests.patterns.evidence [NUMBER…]``.

What it writes is what `tests.patterns.test_proofs` finds when it explores, and compares.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import anyio

from tests.patterns.models import PROOFS
from tests.patterns.proof import (
    SURROUNDINGS,
    Proof,
    explored,
    reached,
    specified,
    surrounded,
    surviving,
)
from tests.patterns.running import Run, Seen
from weft.patterns import builtin
from weft.patterns.evidence import Evidence

__all__ = ["FILE", "key", "measured", "write"]

SEEDS = range(1, 11)
"""The schedules that are run in each surrounding; the tests draw others too (``--seeds``)."""
FILE = Path(__file__).resolve().parents[2] / "patterns" / "evidence.json"


def key(proof: Proof) -> str:
    """The name of the pattern that a proof is about."""
    found = builtin().find(proof.pattern)
    assert found is not None
    return found.key


def measured(proof: Proof) -> Evidence:
    """Everything that the proof of one pattern finds."""
    made, survivors = surviving(proof)
    return Evidence(
        example=proof.example,
        promises=tuple(proof.promises),
        surroundings={w: len(explored(proof, surrounded(proof, w))[0]) for w in SURROUNDINGS},
        mutants=made,
        survivors={name: proof.survivors[name] for name in sorted(survivors)},
        schedules=sum(anyio.run(scheduled, proof, where) for where in ("alone", "loop")),
    )


async def scheduled(proof: Proof, where: str) -> int:
    """How many schedules of the running engine stayed within the states that exploring found."""
    spec, states = specified(proof, where), reached(proof, surrounded(proof, where))
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as folder:
            name = f"{seed} {proof.example} {where}"
            await Run(proof, spec, states, name, Path(folder), Seen()).run()
    return len(SEEDS)


def write(numbers: frozenset[int]) -> None:
    """Measure these patterns anew (none: all), and keep what is known of the others."""
    rows = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
    order = {key(proof): proof.pattern for proof in PROOFS}
    for proof in PROOFS:
        if not numbers or proof.pattern in numbers:
            rows[key(proof)] = measured(proof).as_json()
            kept = {
                name: rows[name] for name in sorted(order, key=order.__getitem__) if name in rows
            }
            FILE.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", "utf-8")
            print(proof.example, flush=True)


if __name__ == "__main__":
    write(frozenset(map(int, sys.argv[1:])))

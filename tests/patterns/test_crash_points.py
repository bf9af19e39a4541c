"""The power is cut at every point where the store is touched, pattern by pattern.

Each example runs once undisturbed; then once for each write, sync and truncation of its file that
this took, with the power cut half-way through it, and another engine goes on from what the disk
still holds. What was not synced is lost, or partly there, by turns. So a crash before, within and
after every commit comes up. `Run` judges: nothing told is missing, no state comes up that
exploring has not reached, the case ends as it should.

`make test` takes every `EVERY`-th point, another one first for each example; `make soak`, and
``WEFT_CRASH_EVERY=1``, all of them.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.patterns.models import PROOFS
from tests.patterns.proof import Proof, reached, specified, surrounded
from tests.patterns.running import CASE, CRASHES, Run, Seen
from weft.engine.journal.sqlite import SqliteJournal
from weft.engine.lifecycle import CaseStatus
from weft.engine.runtime.engine import Case

pytestmark = pytest.mark.no_cover

EVERY = int(os.environ.get("WEFT_CRASH_EVERY", "89"))


class CutAt(Run):
    """A run in which the power goes once, at a given operation of the disk."""

    at: int | None = None
    loses_all = True

    async def _engine(self) -> CaseStatus:
        if self.crashes == 0:
            self.crashes = CRASHES  # no others are drawn
            self.disk.cut_power_at = self.at
        elif self.crashes > CRASHES:
            self.trail.append(f"the power was cut at operation {self.at}")
        return await super()._engine()

    async def _step(self, case: Case) -> None:
        await super()._step(case)
        if self.crashes == CRASHES:  # it has not come to that yet
            self.disk.cut_power_at = self.at

    @property
    def fate(self) -> random.Random | None:
        """What decides on unsynced writes; None: they are lost."""
        return None if self.loses_all else self.random


@pytest.mark.parametrize("number", range(len(PROOFS)), ids=lambda n: PROOFS[n].example)
async def test_the_power_is_cut_at_any_point(number: int, tmp_path: Path) -> None:
    proof: Proof = PROOFS[number]
    spec, states = specified(proof, "alone"), reached(proof, surrounded(proof, "alone"))

    async def run(at: int | None, *, loses_all: bool) -> CutAt:
        folder = tmp_path / f"{at} {loses_all}"
        folder.mkdir()
        made = CutAt(proof, spec, states, f"points {proof.example}", folder, Seen())
        made.at, made.loses_all = at, loses_all
        try:
            await made.run()
        except Exception as error:
            raise AssertionError(
                f"{type(error).__name__}: {error}\nafter: {'; '.join(made.trail)}"
            ) from error
        return made

    undisturbed = await run(None, loses_all=True)
    total = undisturbed.disk.operations
    points = range(1 + number % EVERY, total + 1, EVERY)
    for turn, at in enumerate(points):
        made = await run(at, loses_all=bool(turn % 2))
        if made.crashes == CRASHES:  # it went when all was done, while the store was closed
            assert not made.disk.powered
            made.disk.restore(made.fate)
        journal = SqliteJournal(made.path)
        assert journal.check() == []
        assert [record.hash for record in journal.records(CASE)] == made.acknowledged
        journal.close()

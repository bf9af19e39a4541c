"""Each pattern keeps its promises in every state of its example, wherever the example stands."""

from __future__ import annotations

import pytest

from tests.patterns.models import PROOFS
from tests.patterns.proof import SURROUNDINGS, Proof, explored, surrounded, surviving


@pytest.mark.parametrize("where", SURROUNDINGS)
@pytest.mark.parametrize("proof", PROOFS, ids=lambda p: p.example)
def test_full_marks(proof: Proof, where: str) -> None:
    states, _ = explored(proof, surrounded(proof, where))
    assert len(states) > 1


@pytest.mark.parametrize("proof", PROOFS, ids=lambda p: p.example)
def test_mutants_are_killed(proof: Proof) -> None:
    """No mutant lives but those that are known to mean the same."""
    made, survivors = surviving(proof)
    assert set(survivors) == set(proof.survivors), sorted(survivors)
    assert made - len(survivors) >= 3 or not survivors

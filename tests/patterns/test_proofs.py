"""Each pattern keeps its promises in every state of its example, wherever the example stands.

What is found here is what the catalogue says; ``make evidence`` writes it anew.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.patterns.evidence import FILE, key
from tests.patterns.models import PROOFS
from tests.patterns.proof import SURROUNDINGS, Proof, explored, surrounded, surviving
from weft.patterns import evidence

# These run millions of lines that other tests cover: measuring them would take minutes.
pytestmark = pytest.mark.no_cover

ROWS: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
ANEW = "the catalogue says something else: `make evidence`"


@pytest.mark.parametrize("where", SURROUNDINGS)
@pytest.mark.parametrize("proof", PROOFS, ids=lambda p: p.example)
def test_full_marks(proof: Proof, where: str) -> None:
    states, _ = explored(proof, surrounded(proof, where))
    assert len(states) > 1
    assert ROWS[key(proof)]["surroundings"][where] == len(states), ANEW


@pytest.mark.parametrize("proof", PROOFS, ids=lambda p: p.example)
def test_mutants_are_killed(proof: Proof) -> None:
    """No mutant lives but those that are known to mean the same."""
    made, survivors = surviving(proof)
    assert set(survivors) == set(proof.survivors), sorted(survivors)
    assert made - len(survivors) >= 3 or not survivors
    assert ROWS[key(proof)]["mutants"] == made, ANEW


def test_the_catalogue_says_what_is_checked() -> None:
    assert list(ROWS) == [key(proof) for proof in sorted(PROOFS, key=lambda p: p.pattern)]
    assert evidence.SURROUNDINGS == SURROUNDINGS
    for proof in PROOFS:
        row = ROWS[key(proof)]
        assert row["promises"] == list(proof.promises), ANEW
        assert row["survivors"] == dict(proof.survivors), ANEW
        assert row["example"] == proof.example, ANEW

"""The example of each pattern runs, as it is shipped."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

import weft
from tests.patterns.models import PROOFS
from weft.patterns import builtin

EXAMPLES = sorted(
    Path(str(file)) for file in (resources.files("weft.patterns") / "examples").iterdir()
)


def test_each_of_the_43_has_an_example_and_a_proof() -> None:
    numbers = [pattern.id for pattern in builtin() if pattern.id is not None]
    assert sorted(proof.pattern for proof in PROOFS) == numbers == list(range(1, 44))
    assert [int(file.name[:2]) for file in EXAMPLES] == numbers


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda f: f.stem)
def test_an_example_runs_until_it_is_done_or_waits(file: Path) -> None:
    with weft.open() as engine:
        case = engine.run(weft.load(file))
        done = case.status in (weft.CaseStatus.COMPLETED, weft.CaseStatus.DEADLOCKED)
        assert done or case.idle

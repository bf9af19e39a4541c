"""The running engine stays within the states that exploring found, and ends as it must."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SEEDS
from tests.patterns.models import PROOFS
from tests.patterns.proof import SURROUNDINGS, Proof, reached, specified, surrounded
from tests.patterns.running import Run, Seen
from weft.engine.runtime.engine import Case, Engine
from weft.engine.runtime.live import LiveCase
from weft.schema.errors import JournalError

# These run millions of lines that other tests cover: measuring them would take minutes.
pytestmark = pytest.mark.no_cover


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Alone and in a loop; in all surroundings where a number of seeds is asked for."""
    if "where" in metafunc.fixturenames:
        asked = metafunc.config.getoption("--seeds") != SEEDS
        metafunc.parametrize("where", SURROUNDINGS if asked else ("alone", "loop"))


@pytest.mark.parametrize("proof", PROOFS, ids=lambda p: p.example)
async def test_running(
    proof: Proof, where: str, tmp_path: Path, seeds: range, request: pytest.FixtureRequest
) -> None:
    spec = specified(proof, where)
    states = reached(proof, surrounded(proof, where))
    seen = Seen()
    for seed in seeds:
        folder = tmp_path / str(seed)
        folder.mkdir()
        run = Run(proof, spec, states, f"{seed} {proof.example} {where}", folder, seen)
        try:
            await run.run()
        except Exception as error:
            raise AssertionError(
                f"{type(error).__name__}: {error}\nafter: {'; '.join(run.trail)}\nseed {seed};"
                f" to repeat: pytest '{request.node.nodeid}' --seed {seed} --seeds 1"
            ) from error
    assert seen.states <= states


def _nothing(method: Any) -> Any:
    async def waits(*given: Any, **more: Any) -> None:
        del given, more

    def at_once(*given: Any, **more: Any) -> None:
        del given, more

    return waits if inspect.iscoroutinefunction(method) else at_once


@pytest.mark.parametrize(
    ("example", "owner", "method"),
    [
        ("29-cancelling-discriminator", Engine, "_stop"),
        ("02-parallel-split", Engine, "_schedule_retries"),
        ("02-parallel-split", LiveCase, "take_over"),
        ("01-sequence", Case, "_recover"),
        ("01-sequence", Engine, "_begin"),
    ],
)
async def test_planted_bugs_are_caught(
    example: str, owner: type, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the engine forgets to do is noticed."""
    (proof,) = (p for p in PROOFS if p.example == example)
    spec, states = specified(proof, "alone"), reached(proof, surrounded(proof, "alone"))
    monkeypatch.setattr(owner, method, _nothing(getattr(owner, method)))
    for seed in range(40):
        folder = tmp_path / str(seed)
        folder.mkdir()
        try:
            await Run(proof, spec, states, str(seed), folder, Seen()).run()
        except (AssertionError, JournalError):
            return
    pytest.fail(f"nobody notices that {method} does nothing")

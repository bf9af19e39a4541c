"""The same seed gives the same journal, byte for byte, wherever it runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import anyio
import pytest

from tests.engine.runtime.seeded import run

# These run millions of lines that other tests cover: measuring them would take minutes.
pytestmark = pytest.mark.no_cover


@pytest.mark.parametrize("store", ["memory", "sqlite"])
async def test_the_same_seed_gives_a_byte_identical_journal(
    store: str, repository: Path, tmp_path: Path
) -> None:
    def url(name: str) -> str:
        return "memory:" if store == "memory" else f"sqlite:///{tmp_path}/{name}.db"

    here = await run(7, url("here"))
    assert await run(7, url("again")) == here
    for seed in ("1", "2"):
        elsewhere = await anyio.run_process(
            [sys.executable, "-m", "tests.engine.runtime.seeded", "7", url(f"hash{seed}")],
            cwd=repository,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        assert elsewhere.stdout.decode().strip() == here


async def test_another_seed_gives_another_order() -> None:
    assert len({await run(seed, "memory:") for seed in range(3)}) == 3

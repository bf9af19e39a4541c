"""What the tests of connectors share: work items, folders with modules, both event loops."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from weft.engine.ports import CaseId, ItemId, Performer, Work, Worker


@pytest.fixture(scope="session", params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both event loops: child processes and sockets are where they differ."""
    return ("asyncio", {"use_uvloop": request.param == "uvloop"})


def make_work(**inputs: Any) -> Work:
    """An attempt at a work item with these inputs."""
    return Work(
        case=CaseId("order-17"),
        item=ItemId("check/1"),
        task="check",
        attempt=2,
        idempotency_key="order-17:check/1",
        inputs=inputs,
    )


async def perform(performer: Performer | None, **inputs: Any) -> Any:
    """Call a performer as the runtime does."""
    assert performer is not None
    result = performer.call(make_work(**inputs))
    return await result if performer.worker is Worker.ASYNC else result


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Make a folder with modules: ``folder("a", checks="def f(): ...")``."""

    def make(name: str = "specification", **modules: str) -> Path:
        place = tmp_path / name
        for module, text in modules.items():
            file = place.joinpath(*module.split("__DOT__")).with_suffix(".py")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(text), encoding="utf-8")
        return place

    return make

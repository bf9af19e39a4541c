"""Tokens: a tree of them, on any thread, and what the engine does with them."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import pytest

from tests.engine import generated as g
from tests.engine.runtime.worlds import Functions, World
from weft.connectors.python import PythonConnector
from weft.engine.lifecycle import CaseStatus
from weft.engine.ports import Work, Worker
from weft.engine.runtime.engine import Engine
from weft.engine.tokens import CancelToken
from weft.patterns import builtin
from weft.schema.errors import WorkFailed
from weft.schema.specification import Use


def test_cancelling_goes_down_and_not_up() -> None:
    root = CancelToken()
    first, second = root.child(), root.child()
    deep = first.child().child()
    first.cancel("enough")
    assert (root.cancelled, first.cancelled, second.cancelled, deep.cancelled) == (
        *(False, True, False),
        True,
    )
    assert deep.reason == "enough"
    root.cancel("all of it")
    assert (first.reason, second.reason) == ("enough", "all of it")
    assert first.child().reason == "enough", "born cancelled"
    assert "cancelled: enough" in repr(deep)
    assert "live" in repr(CancelToken())


def test_waiting_and_being_told() -> None:
    token, told = CancelToken(), []
    token.on_cancel(told.append)
    token.on_cancel(lambda reason: 1 / 0)
    token.check()
    assert not token.wait(0)
    waiting = threading.Thread(target=token.child().wait)
    waiting.start()
    token.cancel("now")
    waiting.join()
    token.on_cancel(told.append)
    token.cancel("again")
    assert told == ["now", "now"]
    assert token.wait()
    with pytest.raises(WorkFailed, match="not wanted any more: now"):
        token.check()


def test_children_that_are_gone_are_not_kept() -> None:
    token = CancelToken()
    for _ in range(10):
        token.child()
    assert not token._below


async def test_a_function_in_a_thread_ends_when_its_item_is_cancelled() -> None:
    began, ended = threading.Event(), threading.Event()

    def patient(work: Work) -> str:
        began.set()
        work.token.child().child().child().wait()
        ended.set()
        return work.token.reason or ""

    connectors: dict[str, Any] = {
        "python": PythonConnector({"patient": patient}),
        "person": Functions("person", automatic=False),
    }
    spec = g.specification(
        g.net(
            ["a", "p"],
            g.task("a", kind=None, around=[Use("python", "patient")]),
            g.task("p", "person", around=[Use("cancel-region", {"region": ["a"]})]),
        )
    )
    world = World()
    engine = Engine(world.journal, registry=builtin(), connectors=connectors)
    async with engine:
        case = await engine.start(spec)
        await anyio.to_thread.run_sync(began.wait)
        assert case.status is CaseStatus.RUNNING, case.error
        await case.complete("p/1")
        assert await case.wait() is CaseStatus.COMPLETED
        await anyio.to_thread.run_sync(ended.wait)


async def test_what_ends_cancels_the_tokens_below_it() -> None:
    tokens: list[CancelToken] = []

    async def waits(work: Work) -> None:
        tokens.append(work.token)
        await anyio.sleep_forever()

    w = World(functions=Functions(by_task={"a": waits}, workers={"a": Worker.ASYNC}))
    spec = g.specification(g.net("a", g.task("a")))
    mine = CancelToken()
    async with w.engine(grace_seconds=0) as engine:
        case = await engine.start(spec)
        other = await engine.start(spec, token=mine.child())
        while len(tokens) < 2:
            await anyio.lowlevel.checkpoint()
        thread = threading.Thread(target=mine.cancel, args=("nobody asks any more",))
        thread.start()
        assert await other.wait() is CaseStatus.CANCELLED
        thread.join()
        assert tokens[1].cancelled
        assert not tokens[0].cancelled
        assert case.status is CaseStatus.RUNNING
    assert tokens[0].cancelled
    mine = CancelToken()
    async with w.engine(grace_seconds=0) as engine:
        await engine.start(spec, token=mine)
    mine.cancel()  # of a case that nobody drives any more: nothing happens


async def test_an_engine_stands_still_and_goes_on() -> None:
    w = World(functions=Functions(by_task={"a": lambda work: 1}))
    spec = g.specification(
        g.net(
            ["p", "a"],
            g.task("p", "person", then="b"),
            g.task("a", then="c"),
            g.task("b"),
            g.task("c"),
        )
    )
    async with w.engine() as engine:
        case = await engine.start(spec)
        assert await engine.drain(5)
        await case.complete("p/1")
        assert case.status is CaseStatus.RUNNING
        assert ("b/1", 1) not in w.functions.calls
        await engine.proceed()
        assert await case.wait() is CaseStatus.COMPLETED
        assert sorted(w.functions.calls) == [("a/1", 1), ("b/1", 1), ("c/1", 1)]

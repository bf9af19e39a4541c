"""Threads for functions that block: bounded, and never in the way of the engine's end.

`anyio.to_thread` frees the slot of a call that was abandoned although its thread still runs, so
functions that never return would pile up without bound; and its threads are waited for when the
program ends. Here an abandoned call keeps its slot until it returns, and threads are daemons.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

import anyio

__all__ = ["Threads"]

T = TypeVar("T")


class _Thread:
    """One thread and the queue of what it is to call."""

    def __init__(self, name: str) -> None:
        self.calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        Thread(target=self._run, name=name, daemon=True).start()

    def _run(self) -> None:
        while (call := self.calls.get()) is not None:
            call()
            del call  # what the call holds must not live until the next one comes


class Threads:
    """At most ``limit`` threads; calls beyond wait for one that is free, first come first served.

    Used from one event loop at a time.
    """

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"there must be at least one thread, not {limit}")
        self.limit = limit
        self.busy = 0
        self._idle: list[_Thread] = []
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._started = 0

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call the function in a thread.

        When the waiting task is cancelled, the call goes on to its end without anybody looking
        at its result, and the thread stays busy until then.
        """
        await anyio.lowlevel.checkpoint_if_cancelled()
        await self._take_slot()
        thread = self._idle.pop() if self._idle else self._start()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        context = contextvars.copy_context()

        def call() -> None:
            result: Any = None
            error: BaseException | None = None
            try:
                result = context.run(function, *arguments)
            except BaseException as raised:  # noqa: BLE001 - handed to the waiting task
                error = raised
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(done, result, error)

        def done(result: Any, error: BaseException | None) -> None:
            self._idle.append(thread)
            self._give_slot()
            if answer.cancelled():
                return
            if error is None:
                answer.set_result(result)
            else:
                answer.set_exception(error)

        thread.calls.put(call)
        try:
            return await answer
        except asyncio.CancelledError as error:
            error.left = (  # type: ignore[attr-defined]  # whoever stopped it reads this
                "its function runs in a thread, which nobody can stop: it goes on until it "
                "returns (`run-in: process` can be stopped)"
            )
            raise

    def _start(self) -> _Thread:
        self._started += 1
        return _Thread(f"weft task thread {self._started}")

    async def _take_slot(self) -> None:
        if self.busy < self.limit:
            self.busy += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn  # the slot is handed over, so `busy` does not change
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_slot()  # it came in the very moment of being cancelled
            raise

    def _give_slot(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.busy -= 1

    def close(self) -> None:
        """Let idle threads end; one that is busy is left to its call."""
        while self._idle:
            self._idle.pop().calls.put(None)

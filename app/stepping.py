"""The event loop of a reproducible synchronous engine: it runs only while somebody calls.

An ordinary synchronous engine has a loop that runs beside the program, so how far a case has come
when the next call arrives hangs on the machine. Here the loop stands still between two calls, on
the program's own thread and on virtual time: the same calls give the same journal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TypeVar

from weft.engine.runtime.virtual import VirtualLoop

__all__ = ["Stepping"]

T = TypeVar("T")


class Stepping:
    """Stands where anyio's blocking portal would."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner(loop_factory=VirtualLoop)
        self._closed = False

    def call(self, function: Callable[[], Awaitable[T]]) -> T:
        """Run the loop until the call is answered.

        Raises:
            RuntimeError: The loop is closed, or another one runs on this thread.
        """
        if self._closed:
            raise RuntimeError("This portal is not running")

        async def called() -> T:
            return await function()

        return self._runner.run(called())

    @contextmanager
    def wrap_async_context_manager(self, manager: AbstractAsyncContextManager[T]) -> Iterator[T]:
        """Enter and leave ``manager`` in one task of the loop, as a nursery demands."""
        loop = self._runner.get_loop()
        entered: asyncio.Future[T] = loop.create_future()
        leaving = asyncio.Event()

        async def hold() -> None:
            try:
                async with manager as value:
                    entered.set_result(value)
                    await leaving.wait()
            except BaseException as error:
                if entered.done():
                    raise
                entered.set_exception(error)

        async def begun() -> T:
            return await entered

        async def ended() -> None:
            leaving.set()
            await holding

        try:
            holding = loop.create_task(hold())
            try:
                yield self._runner.run(begun())
            finally:
                if not entered.cancelled() and entered.exception() is None:
                    self._runner.run(ended())
        finally:
            self._closed = True
            self._runner.close()

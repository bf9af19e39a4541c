"""An event loop on virtual time: it never waits for a clock, and so never hangs on one.

When nothing is ready and nothing outside is awaited, the loop jumps to its next timer. So a
``sleep`` of a task, a timeout and a retry after an hour take no time, come in the order of their
times, and in the same order every time. While something outside the loop is at work (a child
process, a socket) the loop waits for it as long as the next timer is away, in real time; what
comes earlier costs no virtual time.

A thread is outside too, but cannot be seen: who waits for one under this loop, and has a timer
running, sees the timer first.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Mapping
from typing import Any

import anyio

from weft.engine.ports import Clock, Microseconds
from weft.engine.runtime.clock import MILLENNIUM, VirtualClock

__all__ = ["LoopClock", "VirtualLoop", "virtual_clock"]


class _Selector(selectors.BaseSelector):
    """Waits for files of others; where there is none to wait for, the loop's time jumps."""

    def __init__(self) -> None:
        self.inner = selectors.DefaultSelector()
        self.jumped = 0.0
        """How far virtual time has come, in seconds."""
        self.own = 0
        """How many files belong to the loop itself."""

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self.inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self.inner.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self.inner.modify(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return self.inner.select(timeout)
        outside = len(self.inner.get_map()) > self.own
        found = self.inner.select(timeout if outside else 0)
        if not found:
            self.jumped += timeout
        return found

    def close(self) -> None:
        self.inner.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self.inner.get_map()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop whose time jumps: a loop factory for `asyncio.Runner`."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)
        self._virtual.own = len(self._virtual.get_map())

    def time(self) -> float:
        """Virtual time, in seconds from 0."""
        return self._virtual.jumped


class LoopClock:
    """The clock of a virtual loop: its time, counted from 2000-01-01 UTC.

    Args:
        loop: The running virtual loop.
    """

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> Microseconds:
        """The virtual time."""
        return Microseconds(MILLENNIUM + round(self._loop.time() * 1_000_000))

    async def sleep_until(self, time: Microseconds) -> None:
        """Wait until ``time``; a time in the past is only a turn of the event loop."""
        while time > self.now():  # noqa: ASYNC110  # the loop's floats round
            await anyio.sleep((time - self.now()) / 1_000_000)
        await anyio.lowlevel.checkpoint()


def virtual_clock() -> Clock:
    """The clock of the running loop if that is a virtual one, else one of its own."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        loop = None
    return LoopClock(loop) if isinstance(loop, VirtualLoop) else VirtualClock()

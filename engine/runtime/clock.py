"""Clocks: the machine's, and a virtual one for reproducible runs."""

from __future__ import annotations

import time
from array import array

import anyio

from weft.engine.ports import Microseconds

__all__ = ["SystemClock", "VirtualClock"]

LONGEST_SLEEP_SECONDS = 3600.0
"""The clock is read again at least so often, so that a clock that was set is noticed."""


MILLENNIUM = Microseconds(946_684_800_000_000)
"""2000-01-01 UTC, where virtual time begins."""


class SystemClock:
    """The machine's clock. It never runs backwards within a process, even when it is set back.

    ``latest`` has the latest time that was given out, where compiled code reads and writes it, too.
    """

    def __init__(self) -> None:
        self.latest = array("q", [0])

    def now(self) -> Microseconds:
        """The time of day, never before a time that was given out already."""
        now, latest = time.time_ns() // 1000, self.latest
        latest[0] = max(latest[0], now)
        return Microseconds(latest[0])

    async def sleep_until(self, time: Microseconds) -> None:
        """Wait until ``time``; a time in the past is only a turn of the event loop."""
        # The clock may be set while we sleep, so its time is what counts, not the time slept.
        while (left := (time - self.now()) / 1_000_000) > 0:  # noqa: ASYNC110
            await anyio.sleep(min(left, LONGEST_SLEEP_SECONDS))
        await anyio.lowlevel.checkpoint()


class VirtualClock:
    """A clock that stands still while there is work and jumps when there is none.

    Args:
        start: Its first time; the default is 2000-01-01 UTC.
    """

    def __init__(self, start: Microseconds = MILLENNIUM) -> None:
        self._now = start

    def now(self) -> Microseconds:
        """The virtual time."""
        return self._now

    async def sleep_until(self, time: Microseconds) -> None:
        """Jump to ``time`` at once; a time in the past is only a turn of the event loop."""
        self._now = max(self._now, time)
        await anyio.lowlevel.checkpoint()

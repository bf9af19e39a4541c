"""A long-lived worker: fires what is due, drives what was left, starts what a schedule asks for.

It waits in one place for all cases of the store: until the earliest time that the store knows, or
the next that a schedule names. A case that waits is a row; it is loaded when its time has come,
and given back when it is idle again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

import anyio
import attrs

from weft.engine.net import Mapped, Timing
from weft.engine.ports import Microseconds
from weft.engine.runtime.engine import Engine
from weft.engine.timing import due
from weft.schema.errors import CommandRejected, WeftError

__all__ = ["Schedule", "start_scheduled", "work"]

logger = logging.getLogger("weft")

RECOVER_SECONDS = 15.0
"""So often it looks for cases whose engine has died."""

SCHEDULES_SECONDS = 15.0
"""So often it looks for specifications that are new or have changed."""


@attrs.frozen
class Schedule:
    """When cases of a specification start by themselves.

    Args:
        name: Names it for good, such as ``report-1``: the cases that it starts are called after it
            and their time, so that of several workers one starts each.
        cron: A cron expression of five fields.
        zone: By whose clocks.
        start: Starts the case of that id.
    """

    name: str
    cron: str
    zone: str
    start: Callable[[str], Awaitable[object]] = attrs.field(eq=False)

    def next(self, after: Microseconds) -> Microseconds:
        """The next time, in microseconds."""
        return due(Timing(next=Mapped(value=self.cron), zone=self.zone), after, {})

    def case(self, time: Microseconds) -> str:
        """The id of the case that starts at a time."""
        return f"{self.name}-{datetime.fromtimestamp(time // 1_000_000, UTC):%Y%m%dT%H%M%SZ}"


async def start_scheduled(schedule: Schedule, time: Microseconds) -> None:
    """Start the case of a schedule's time, unless another worker has."""
    case = schedule.case(time)
    try:
        await schedule.start(case)
    except CommandRejected as error:
        if error.code != "case-exists":
            logger.error("schedule %s: case %s is not started: %s", schedule.name, case, error)
    except WeftError as error:
        logger.error("schedule %s: case %s is not started: %s", schedule.name, case, error)


async def work(
    engine: Engine,
    *,
    schedules: Callable[[], Sequence[Schedule]] = tuple,
    poll_seconds: float = 1.0,
) -> None:
    """Work until the engine drains, or this is cancelled.

    Args:
        engine: Drives the cases; those that are idle are given back to the store.
        schedules: What starts by itself, asked for now and then. A time at which no worker runs
            is passed over.
        poll_seconds: How long a timer that another process sets may go unnoticed.
    """
    clock = engine.clock
    times: dict[Schedule, Microseconds] = {}
    recover_at = schedules_at = clock.now()
    with engine.working():
        while not engine.draining:
            now = clock.now()
            if now >= recover_at:
                await engine.recover()
                recover_at = _later(now, RECOVER_SECONDS)
            if now >= schedules_at:
                times = {s: times.get(s) or s.next(now) for s in schedules()}
                schedules_at = _later(now, SCHEDULES_SECONDS)
            for schedule, time in times.items():
                if time <= now:
                    await start_scheduled(schedule, time)
                    times[schedule] = schedule.next(now)
            while await engine.wake():
                await anyio.lowlevel.checkpoint()
            soonest = min(
                (t for t in (engine.journal.next_wake(), *times.values()) if t is not None),
                default=None,
            )
            until = _later(now, poll_seconds)
            if soonest is not None and now < soonest < until:
                until = soonest
            await clock.sleep_until(until)


def _later(time: Microseconds, seconds: float) -> Microseconds:
    return Microseconds(time + round(seconds * 1_000_000))

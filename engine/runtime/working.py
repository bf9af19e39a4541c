"""A long-lived worker: fires what is due, drives what was left, starts what a schedule asks for.

It waits in one place for all cases of the store: until the earliest time that the store knows, or
the next that a schedule names. A case that waits is a row; it is loaded when its time has come,
and given back when it is idle again.
"""

from __future__ import annotations

import logging
from collections import deque
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


MISSED_AT_MOST = 1000
"""So many missed times of a schedule are made up for, the newest ones."""

_EVER = Microseconds(0)
_LOOK_BACK_DAYS = (1 / 24, 1, 31, 366, 4000)


@attrs.frozen
class Schedule:
    """When cases of a specification start by themselves.

    Args:
        name: Names it for good, such as ``report-1``: the cases that it starts are called after it
            and their time, so that of several workers one starts each.
        cron: A cron expression of five fields.
        zone: By whose clocks.
        start: Starts the case of that id.
        missed: What becomes of times at which no worker ran: ``skip``, ``once`` or ``all``.
        since: No time before this one counts as missed.
    """

    name: str
    cron: str
    zone: str
    start: Callable[[str], Awaitable[object]] = attrs.field(eq=False)
    missed: str = "skip"
    since: Microseconds = _EVER

    def next(self, after: Microseconds) -> Microseconds:
        """The next time, in microseconds."""
        return due(Timing(next=Mapped(value=self.cron), zone=self.zone), after, {})

    def made_up_for(self, now: Microseconds) -> Sequence[Microseconds]:
        """The times up to now for which a case has to be started, or has been; the oldest first.

        With ``all`` the newest `MISSED_AT_MOST` of them.
        """
        if self.missed == "skip":
            return ()
        most = 1 if self.missed == "once" else MISSED_AT_MOST
        times: deque[Microseconds] = deque(maxlen=most)
        # Cron expressions are read forwards only, so look further and further back.
        for days in _LOOK_BACK_DAYS:
            start = max(self.since, now - round(days * 86_400_000_000))
            times.clear()
            time = self.next(Microseconds(start))
            while time <= now:
                times.append(time)
                time = self.next(time)
            if len(times) == most or start == self.since:
                break
        return tuple(times)

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
        schedules: What starts by itself, asked for now and then.
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
                known = schedules()
                for schedule in known:
                    for time in () if schedule in times else schedule.made_up_for(now):
                        await start_scheduled(schedule, time)
                times = {s: times.get(s) or s.next(now) for s in known}
                schedules_at = _later(now, SCHEDULES_SECONDS)
            for schedule, time in times.items():
                if time <= now:  # more than one, when all this stood still for a while
                    for late in schedule.made_up_for(now) or (time,):
                        if late >= time:
                            await start_scheduled(schedule, late)
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

"""Turns: cases in lanes whose steps are told of, and are made durable all together.

Where somebody is told of each batch, a file, a listener, a trace, a step of a lane
(`weft.engine.runtime.lanes`) happens in two halves. First the attempt is made and all that follows
on it is planned: nobody sees anything of that. Then its batch is durable, and it happens.

Between the two halves others have theirs: in a *turn* each case in a lane takes one step, one
commit makes the batches of all of them durable, and only then the next functions are called. So
the price of a commit is shared by all cases that have something to do, and a case never goes on
from what is not durable. (Group commit: DeWitt et al., "Implementation Techniques for Main Memory
Database Systems", SIGMOD 1984.)

Nothing else runs within a turn but the functions of tasks, and listeners, in the context (of
variables, and of the trace) that the case came with. A turn ends when all have taken their
step, or when it has lasted as long as the last commit did: a slow disk is asked less often.

What cannot be committed did not happen: the case is as its journal says, and is set aside like any
other that cannot be stored.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextvars import Context, copy_context
from typing import Any, Protocol

import anyio

from weft.engine.journal.batch import Encoded
from weft.engine.net import CompiledSpecification
from weft.engine.ports import CaseId, Microseconds
from weft.engine.runtime.live import Batch, UnderWay, touched_by
from weft.schema.errors import JournalError

__all__ = ["Start", "Turns", "encoded"]

_INTERRUPTED = JournalError("a commit was interrupted", code="interrupted")

TURN_SECONDS = 0.001
"""So long a turn may take others in, at least."""


def encoded(case: CaseId, compiled: CompiledSpecification, started: Microseconds) -> Encoded:
    """What the steps of a case become, one after the other."""
    return Encoded(case, compiled.name, compiled.version, compiled.hash, started)


_Place = tuple[Any, Any, Context]
"""What takes part: what the engine knows of a case, its lane, and the context that it came with."""


class Start(UnderWay):
    """The start of a case that the next turn makes durable: nobody may walk away from it."""

    def __init__(self, place: _Place) -> None:
        super().__init__()
        self.place = place
        self.failure: Exception | None = None

    async def kept(self) -> None:
        """Wait for it, and raise its failure; what cancels the wait is said only behind it."""
        cancelled: asyncio.CancelledError | None = None
        while not self.settled:
            try:
                if cancelled is None:
                    await self.over()
                else:
                    with anyio.CancelScope(shield=True):
                        await self.over()
            except asyncio.CancelledError as error:
                cancelled = error
        if self.failure is not None:
            raise self.failure
        # A cancelled scope of anyio says so again at the next wait; asyncio says it once.
        if cancelled is not None and anyio.current_effective_deadline() > -math.inf:
            raise cancelled


class Conducts(Protocol):
    """The engine, as its turns see it."""

    journal: Any
    listeners: list[Any]

    @property
    def stands(self) -> bool:
        """Whether nothing new begins: it is stopping, or closed."""
        ...

    def step(self, driven: Any) -> bool:
        """Let a case in a lane make its next attempt; whether what follows on it is planned."""
        ...

    def tell(self, batch: Batch) -> None:
        """Tell the listeners of a durable batch."""
        ...

    def refused(self, driven: Any, error: Exception) -> None:
        """The step of a case could not be made durable."""
        ...

    def end_lane(self, lane: Any) -> None:
        """A case has been completed in its lane."""
        ...


class Turns:
    """The cases of an engine in lanes that are told of, and those that start in one."""

    def __init__(self, engine: Conducts) -> None:
        self._engine = engine
        self._lanes: deque[_Place] = deque()
        self._starts: list[Start] = []
        self._scheduled = False
        self._commit_seconds = 0.0

    def add(self, driven: Any) -> None:
        """A case has come into a lane: it takes part in the turns for as long as it is there."""
        self._lanes.append((driven, driven.live.lane, copy_context()))
        self._schedule()

    def start(self, driven: Any, lane: Any) -> Start:
        """Make the start of a case durable, which a lane has planned, with the next turn."""
        start = Start((driven, lane, copy_context()))
        self._starts.append(start)
        self._schedule()
        return start

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """Let each case take a step, make all of it durable, and let it happen."""
        self._scheduled = False
        starts, self._starts = self._starts, []
        steps: list[_Place] = []
        try:
            self._take_steps(steps)
        finally:  # Ctrl-C in a function is none of the others' business
            try:
                self._commit(starts, steps)
            finally:
                if self._lanes and not self._engine.stands:
                    self._schedule()

    def _take_steps(self, steps: list[_Place]) -> None:
        engine, lanes = self._engine, self._lanes
        step = engine.step
        until = time.perf_counter() + max(TURN_SECONDS, self._commit_seconds)
        for _ in range(0 if engine.stands else len(lanes)):
            place = lanes.popleft()
            driven, lane, context = place
            if driven.live.lane is not lane:  # it has left it
                continue
            if context.run(step, driven):
                steps.append(place)
            elif engine.stands:
                break
            if time.perf_counter() > until:
                break

    def _commit(self, starts: Sequence[Start], steps: Sequence[_Place]) -> None:
        # What was planned and has left its lane since goes the long way.
        steps = [place for place in steps if place[0].live.lane is place[1]]
        made = [place[1].batch for place in (*(start.place for start in starts), *steps)]
        if not made:
            return
        for batch in made:  # until the journal says that it is not so
            batch.failure = _INTERRUPTED
        began = time.perf_counter()
        try:
            self._engine.journal.append_all(made)
        except JournalError as error:
            for batch in made:
                batch.failure = error
        finally:  # where it was Ctrl-C, some may be durable, and others not
            self._commit_seconds = time.perf_counter() - began
            self._settle(starts, steps)

    def _settle(self, starts: Sequence[Start], steps: Sequence[_Place]) -> None:
        """What is durable happens, and nothing else."""
        # All of it happens before anybody is told of anything: who is may turn to any case.
        happened: list[tuple[_Place, Batch | None]] = []
        try:
            self._all_happen(iter(starts), iter(steps), happened)
        finally:
            self._all_go_on(iter(happened))

    def _all_happen(
        self,
        starts: Iterator[Start],
        steps: Iterator[_Place],
        happened: list[tuple[_Place, Batch | None]],
    ) -> None:
        listeners = self._engine.listeners
        try:
            for start in starts:
                place = start.place
                failure = place[1].batch.failure
                if failure is None:
                    place[0].live.lane = place[1]
                    happened.append((place, self._happens(place)))
                start.failure = failure
                start.settle()
            for place in steps:
                lane = place[1]
                failure = lane.batch.failure
                if failure is not None:
                    self._engine.refused(place[0], failure)
                elif listeners:
                    happened.append((place, self._happens(place)))
                else:
                    lane.confirm()
                    happened.append((place, None))
        except BaseException:  # Ctrl-C is none of the others' business
            self._all_happen(starts, steps, happened)
            raise

    def _happens(self, place: _Place) -> Batch | None:
        """What a lane has planned is durable, and happens; what those who listen are told."""
        _, lane, _ = place
        if not self._engine.listeners:
            lane.confirm()
            return None
        batch = lane.batch
        before = lane.freeze() if batch.expected else None
        events = tuple(lane.events)
        lane.confirm()
        touched = touched_by(before, events)
        return Batch(batch.case, before, lane.freeze(), events, batch.records, touched)

    def _all_go_on(self, happened: Iterator[tuple[_Place, Batch | None]]) -> None:
        """The cases of a turn go on; Ctrl-C in a listener is none of the others' business."""
        lanes = self._lanes
        try:
            for place, told in happened:
                _, lane, context = place
                if told is None and not lane.ended:
                    lanes.append(place)  # nobody has been told of anything: it is in its lane
                else:
                    context.run(self._go_on, place, told)
        except BaseException:
            self._all_go_on(happened)
            raise

    def _go_on(self, place: _Place, told: Batch | None) -> None:
        """A case has made a step: it goes on, or has ended."""
        driven, lane, _ = place
        try:
            if told is not None:
                self._engine.tell(told)
        finally:
            if driven.live.lane is lane:
                if lane.ended:
                    self._engine.end_lane(lane)
                else:
                    self._lanes.append(place)

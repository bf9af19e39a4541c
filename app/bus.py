"""The event bus: what is put on it goes to the cases that wait for it, and starts those it starts.

A case waits for an event by a trigger of the same name (patterns 23 and 24), and for events of one
key if it says so.

    async with weft.open("sqlite:///orders.db") as engine:
        engine.add(weft.load("order.yaml"))     # triggers: [{event: order-placed}]
        emitted = await Bus(engine).emit("order-placed", {"amount": 12}, id="message-4711")

The bus keeps nothing itself: which specifications there are, and which cases wait, is in the
store. An event with an id has one effect, however often it is put on the bus: the cases that it
starts are called after it, and what it delivers is a command with that id. So after a crash in
the middle the sender sends it again, and what is missing is made up for.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio
import attrs

from weft.engine.events import CaseStarted, decode
from weft.engine.ports import CaseClaimed, CaseId, Microseconds
from weft.engine.runtime.engine import Delivery
from weft.engine.runtime.working import Schedule
from weft.engine.runtime.working import work as work_on
from weft.engine.starting import BusEvent, start_data
from weft.loading import loads
from weft.schema.errors import (
    CommandRejected,
    DefinitionError,
    JournalError,
    WeftError,
    WorkFailed,
)

if TYPE_CHECKING:
    from weft.connectors.emit import Receivers
    from weft.engine.net import CompiledSpecification
    from weft.engine.ports import Work
    from weft.engine.runtime.engine import Case, Delivery, Engine
    from weft.schema.jsonvalue import JsonValue
    from weft.schema.specification import EventTrigger, Specification

__all__ = [
    "Bus",
    "BusEvent",
    "Deliver",
    "Delivered",
    "Emitted",
    "Refused",
    "Started",
    "patiently",
    "send",
    "to_waiting",
    "work",
]

logger = logging.getLogger("weft")

T = TypeVar("T")

MAX_CHAIN = 100
"""So many cases may start one another by events they emit; the next one is refused."""

LOOKED_AT = 100
"""So many cases that might take a message are asked whether they wait for it now."""

CLAIM_TRIES, CLAIM_SECONDS = 50, 0.1
"""How often, and with which pause, a case is tried that another process drives."""


@attrs.frozen
class Delivered:
    """A case that was waiting for an event, and what has become of it there."""

    case: Case
    waited_for: str
    delivery: Delivery


@attrs.frozen
class Started:
    """A case that an event has started; ``again``: it had done so before, by the same id.

    ``handle`` is None when there is nothing to drive here: the case is over, or another engine
    drives it.
    """

    specification: str
    version: str
    case: CaseId
    handle: Case | None
    again: bool = False


@attrs.frozen
class Refused:
    """A specification that names the event, and that it could not start; or a case that waits
    for it, and could not take it.
    """

    specification: str
    version: str
    error: WeftError
    case: CaseId | None = None


@attrs.frozen
class Emitted:
    """What has become of an event."""

    event: BusEvent
    delivered: Sequence[Delivered] = ()
    started: Sequence[Started] = ()
    refused: Sequence[Refused] = ()


Deliver = Callable[["Engine", BusEvent], Awaitable[Sequence[Delivered | Refused]]]
"""Gives an event to the cases that wait for it: the port through which they are reached."""


async def to_waiting(
    engine: Engine, event: BusEvent, *, but: CaseId | None = None
) -> Sequence[Delivered | Refused]:
    """Give an event, as a trigger of its name, to every case of the store that waits for it.

    The store's index says which those are. Each is judged for itself: one that another engine
    goes on driving, or whose variables the data do not fit, is refused. ``but`` is passed over.
    """
    done: list[Delivered | Refused] = []
    for case in engine.journal.awaiting(event.name, key=event.key):
        if case != but:
            done += await _give(engine, event, case)
    return done


async def _give(engine: Engine, event: BusEvent, case: CaseId) -> Sequence[Delivered | Refused]:
    """Give an event to one case, and say what has become of it there."""
    try:
        handle = await patiently(partial(engine.open, case))
        delivery = await handle.trigger(event.name, event.data, key=event.key, id=event.id)
    except (CommandRejected, DefinitionError) as error:
        summary = engine.find(case)
        return [Refused(summary.specification, summary.version, error, case)]
    return [Delivered(handle, event.name, delivery)]


async def send(
    engine: Engine, event: BusEvent, work: Work, *, to: Receivers = "all"
) -> dict[str, JsonValue]:
    """Put the event of a task on the bus: what the connector ``emit`` does.

    Args:
        engine: The engine of the task; its store's cases are reached.
        event: The event; its id is that of the work item.
        work: The attempt. Its own case is given the event last: that may end the attempt.
        to: ``one``: for one receiver alone (`Bus.send`); ``case``: for its own case alone.

    Returns:
        The ids of the cases that it was ``delivered`` to and has ``started``, and, in a sentence
        each, who has ``refused`` it.

    Raises:
        WorkFailed: A case that waits for it is driven by another engine for now; sent again, it
            has its effect once.
    """
    one = to == "one"
    event = attrs.evolve(event, chain=_chain(engine, work.case) + 1)
    if to == "case":
        emitted = Emitted(event)
    elif one:
        emitted = await Bus(engine).send(event, again=work.attempt > 1)
    else:
        bus = Bus(engine, deliver=(partial(to_waiting, but=work.case),))
        emitted = await bus.put(event)
    busy = [r for r in emitted.refused if isinstance(r.error, CaseClaimed)]
    if busy and not (one and (emitted.delivered or emitted.started)):
        raise WorkFailed(
            f"event {event.name} does not reach {busy[0].case}: {busy[0].error}", code="claimed"
        )
    delivered = list(emitted.delivered)
    if not one and work.case in engine.journal.awaiting(event.name, key=event.key):
        own = await _give(engine, event, work.case)
        delivered += [d for d in own if isinstance(d, Delivered)]
        if to == "case":
            emitted = attrs.evolve(emitted, refused=[d for d in own if isinstance(d, Refused)])
    return {
        "delivered": [d.case.id for d in delivered],
        "started": [s.case for s in emitted.started],
        "refused": [f"{r.case or r.specification}: {r.error}" for r in emitted.refused],
    }


class Bus:
    """Routes events to the cases of an engine's store.

    Args:
        engine: Starts cases, and drives them.
        deliver: Gives events to the cases that wait for them, one way after the other; by
            default `to_waiting`.
    """

    def __init__(self, engine: Engine, *, deliver: Sequence[Deliver] | None = None) -> None:
        self._engine = engine
        self._deliver = (to_waiting,) if deliver is None else tuple(deliver)
        self._read: dict[tuple[str, str, bytes], Specification | DefinitionError] = {}
        self._compiled: dict[int, CompiledSpecification] = {}

    async def emit(
        self,
        name: str,
        data: JsonValue = None,
        *,
        key: str | None = None,
        id: str | None = None,
        traceparent: str | None = None,
    ) -> Emitted:
        """Put an event on the bus; see `BusEvent`.

        The newest version of each specification whose triggers name the event starts a case.

        Raises:
            UsageError: It is no event.
            JournalError: The store failed; with an id the event can be sent again.
        """
        return await self.put(BusEvent(name, data, key, id, traceparent))

    async def put(self, event: BusEvent) -> Emitted:
        """Put an event on the bus that is made already.

        Raises:
            JournalError: The store failed; with an id the event can be sent again.
        """
        tracing = self._engine.tracing
        with nullcontext() if tracing is None else tracing.called_by(event.traceparent):
            return await self._emit(event)

    async def send(self, event: BusEvent, *, again: bool = False) -> Emitted:
        """Give an event to one receiver alone, as a message has one.

        It is the first case that waits for it, else the first that keeps it for later, else a
        case that it starts.

        Args:
            event: The event.
            again: Whether it may have been sent before, with the same id; then who had it then is
                looked for first.

        Raises:
            JournalError: The store failed; with an id the event can be sent again.
        """
        engine, refused = self._engine, list[Refused]()
        if again and event.id is not None:
            for case in engine.journal.commanded(event.id):
                with suppress(CaseClaimed):  # whoever has it drives it
                    had = Delivered(await engine.open(case), event.name, Delivery.REPEATED)
                    return Emitted(event, [had])
                return Emitted(event)
            for specification, number, trigger in self._triggered(event):
                name = _case_id(specification.name, number, event)
                if engine.journal.summary(CaseId(name)) is not None:
                    started = await self._start(event, specification, number, trigger)
                    return Emitted(event, started=[] if started is None else [started])
        for case in self._by_need(event):
            for done in await _give(engine, event, case):
                if isinstance(done, Refused):
                    refused.append(done)
                elif done.delivery is not Delivery.DISCARDED:
                    return Emitted(event, [done], refused=refused)
        for specification, number, trigger in self._triggered(event):
            try:
                started = await self._start(event, specification, number, trigger)
            except (CommandRejected, DefinitionError) as error:
                refused.append(Refused(specification.name, specification.version, error))
            else:
                if started is not None:
                    return Emitted(event, started=[started], refused=refused)
        return Emitted(event, refused=refused)

    def _by_need(self, event: BusEvent) -> Sequence[CaseId]:
        """The cases that an event is for: those that wait for it before those that may later."""
        cases = self._engine.journal.awaiting(event.name, key=event.key)
        looked_at = cases[:LOOKED_AT] if len(cases) > 1 else ()

        def later(case: CaseId) -> bool:
            waits = self._engine.read(case).waits.values()
            return not any(w.trigger == event.name and w.key in (None, event.key) for w in waits)

        return [*sorted(looked_at, key=later), *cases[len(looked_at) :]]

    async def _emit(self, event: BusEvent) -> Emitted:
        delivered: list[Delivered] = []
        refused: list[Refused] = []
        for deliver in self._deliver:
            for done in await deliver(self._engine, event):
                if isinstance(done, Refused):
                    refused.append(done)
                else:
                    delivered.append(done)
        started: list[Started] = []
        for specification, number, trigger in self._triggered(event):
            try:
                case = await self._start(event, specification, number, trigger)
            except (CommandRejected, DefinitionError) as error:
                refused.append(Refused(specification.name, specification.version, error))
            else:
                if case is not None:
                    started.append(case)
        return Emitted(event, delivered, started, refused)

    async def _start(
        self, event: BusEvent, specification: Specification, number: int, trigger: EventTrigger
    ) -> Started | None:
        """Start the case that a trigger asks for; None: it does not, for this event.

        Raises:
            CommandRejected: The data do not fit.
            DefinitionErrors: The specification, or what performs its tasks, is not there any more.
        """
        data = start_data(trigger, event)
        if data is None:
            return None
        name, version = specification.name, specification.version
        case = None if event.id is None else _case_id(name, number, event)
        try:
            compiled = self._compiled.get(id(specification))
            if compiled is None:  # `_read` keeps the specification, so its id is its own
                compiled = self._compiled[id(specification)] = self._engine.add(specification)
            origin = specification.source.origin
            if event.chain > MAX_CHAIN:
                raise CommandRejected(
                    f"{MAX_CHAIN} cases have started one another by events, which is the most; "
                    f"event {event.name!r} starts no further one",
                    code="chain",
                )
            handle = await self._engine.start(
                compiled, data, case=case, origin=origin, chain=event.chain
            )
        except CommandRejected as error:
            if case is None or error.code != "case-exists":
                raise
            return Started(name, version, CaseId(case), await self._go_on(case), again=True)
        return Started(name, version, handle.id, handle)

    async def _go_on(self, case: str) -> Case | None:
        """Let a case that the event had started do what an engine before this one left undone."""
        if self._engine.find(case).status != "running":
            return None
        with suppress(CaseClaimed):  # whoever has it drives it
            return await self._engine.resume(case)
        return None

    def _triggered(self, event: BusEvent) -> Iterator[tuple[Specification, int, EventTrigger]]:
        """The triggers that name an event, of the newest version of each specification."""
        for read, _ in self._newest():
            for number, trigger in enumerate(read.triggers):
                if trigger.event == event.name:
                    yield read, number, trigger

    def schedules(self) -> Sequence[Schedule]:
        """What starts cases by time, of the newest version of each specification."""
        return [
            Schedule(
                f"{read.name}-{number}" if number else read.name,
                trigger.schedule,
                trigger.zone,
                partial(self._scheduled, read, dict(trigger.data)),
                trigger.missed,
                added,
            )
            for read, added in self._newest()
            for number, trigger in enumerate(read.schedules)
        ]

    async def _scheduled(
        self, specification: Specification, data: dict[str, JsonValue], case: str
    ) -> Case:
        return await self._engine.start(specification, data, case=case)

    def _newest(self) -> Iterator[tuple[Specification, Microseconds]]:
        """The newest version of each specification with triggers that can be read, and since when."""
        seen: set[str] = set()
        for stored in self._engine.journal.specifications():
            if stored.name in seen:
                continue
            seen.add(stored.name)
            bpmn = stored.format == "bpmn"
            words = (b"startEvent", b"instantiate") if bpmn else (b"triggers", b"\\")
            if not any(word in stored.source for word in words):
                continue  # neither written so nor with escapes
            key = (stored.name, stored.version, stored.source)
            if key not in self._read:
                origin = None if stored.origin is None else Path(stored.origin)
                try:
                    self._read[key] = loads(
                        stored.source.decode(), origin=origin, format=stored.format
                    )
                except DefinitionError as error:
                    logger.warning("%s %s cannot be read: %s", stored.name, stored.version, error)
                    self._read[key] = error
            read = self._read[key]
            if not isinstance(read, DefinitionError):
                yield read, stored.added


async def patiently(act: Callable[[], Awaitable[T]]) -> T:
    """Do something with a case; again for some seconds while another process drives it.

    Raises:
        CaseClaimed: It still does.
    """
    for _ in range(CLAIM_TRIES):
        try:
            return await act()
        except CaseClaimed:
            await anyio.sleep(CLAIM_SECONDS)
    return await act()


async def work(engine: Engine, bus: Bus | None = None) -> None:
    """Work until the engine drains or this is cancelled: timers, schedules, and what was left.

        async with weft.open("sqlite:///orders.db") as engine:
            await weft.work(engine)

    Cases that are idle are given back to the store, so that any number of them may wait.
    """
    await work_on(engine, schedules=(bus or Bus(engine)).schedules)


def _chain(engine: Engine, case: CaseId) -> int:
    """How many cases have started one another by events until this one."""
    try:
        records = engine.journal.records(case, until=1)
    except JournalError:  # a store in memory may have dropped them
        return 0
    started = decode(records[0]) if records else None
    return started.chain if isinstance(started, CaseStarted) else 0


def _case_id(name: str, number: int, event: BusEvent) -> str:
    """The id of the case that an event with an id starts: the same, however often it comes."""
    told = hashlib.sha256(f"{event.name}\0{event.id}\0{number}".encode()).hexdigest()
    return f"{name}-{told[:20]}"

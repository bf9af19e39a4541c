"""The engine: the nursery in which cases live.

It owns everything that waits: attempts at work items, retries that are due, and the cases that it
drives. Leaving its ``async with`` block ends all of it. The decisions are made elsewhere
(`weft.engine.decide`); here their effects happen, after their events are durable.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from functools import partial
from heapq import heappop, heappush
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import anyio
import msgspec

from weft.engine import commands as c
from weft.engine import events as e
from weft.engine.case import CaseState, WorkItem
from weft.engine.decide import DEFAULT_LIMITS, Limits
from weft.engine.journal.batch import takes_turns
from weft.engine.journal.memory import MemoryJournal
from weft.engine.lifecycle import CaseStatus, ItemStatus
from weft.engine.net import CompiledSpecification, Task
from weft.engine.ports import (
    CaseId,
    CaseSummary,
    Clock,
    Connector,
    EngineId,
    History,
    ItemId,
    Journal,
    JournalConflict,
    Microseconds,
    OpenItem,
    Performer,
    StoredSpecification,
    Tracing,
    Work,
    Worker,
)
from weft.engine.runtime.attempts import (
    Attempt,
    Outcome,
    Queue,
    describe,
    failure,
    perform,
    perform_inline,
)
from weft.engine.runtime.blobs import put_aside, whole
from weft.engine.runtime.clock import SystemClock, VirtualClock
from weft.engine.runtime.lanes import Book, book_of
from weft.engine.runtime.live import (
    Batch,
    LiveCase,
    Proposal,
    UnderWay,
    find_case,
    idle,
    read_case,
    stored_net,
)
from weft.engine.runtime.turns import Turns, encoded
from weft.engine.runtime.virtual import LoopClock, virtual_clock
from weft.engine.tokens import CancelToken
from weft.engine.waiting import WaitingJoin, waiting_joins
from weft.schema import jsonvalue
from weft.schema.errors import (
    CommandRejected,
    DefinitionError,
    DefinitionErrors,
    InternalError,
    JournalError,
    UsageError,
    WeftError,
    WorkFailed,
    raise_faults,
)
from weft.schema.jsonvalue import JsonValue
from weft.schema.specification import Specification

if TYPE_CHECKING:
    from weft.engine.registry import Registry

__all__ = ["Case", "Delivery", "Engine", "Listener"]

logger = logging.getLogger("weft")


class Delivery(StrEnum):
    """What has become of a trigger that was sent to a case."""

    RECEIVED = "received"
    """What waited for it goes on, or a branch has begun."""
    KEPT = "kept"
    """Nothing waits for it yet; the case keeps it."""
    DISCARDED = "discarded"
    """Nothing waits for it; it is transient, so it has no effect."""
    REPEATED = "repeated"
    """It was sent before with the same id, and has had its effect then."""


_DELIVERIES: dict[type[e.Event], Delivery] = {
    e.TriggerReceived: Delivery.RECEIVED,
    e.TriggerKept: Delivery.KEPT,
    e.TriggerDiscarded: Delivery.DISCARDED,
}

Listener = Callable[[Batch], None]
"""Is told of every batch after it is durable, on the event loop's thread; must be quick."""

RECOVERED_AT_ONCE = 256
"""So many cases are recovered side by side."""

INLINE_TURN = 64
"""So many inline attempts of one case run before other tasks of the event loop get a turn."""

TURN_SECONDS = 0.001
"""So long plain steps go on, at least, before other tasks of the event loop get a turn."""

ADMITTED = 16
"""So many specifications are kept at hand for cases that start."""

_NOTHING: Mapping[str, int] = {}


class _Driven(msgspec.Struct, eq=False):
    """What the engine knows of a case besides its state.

    While the case is in a lane, its attempts are known there: whoever asks for them here makes it
    leave the lane.
    """

    live: LiveCase
    performers: Mapping[tuple[str, str], Performer | None] | None
    """None: it was opened only to be changed, so nothing of it begins here."""
    _ready: deque[Attempt] | None = None
    _attempts: dict[str, Attempt] | None = None
    driving: bool = False
    _token: CancelToken | None = None
    asked: CancelToken | None = None
    """Who started the case cancels it by this one; a token lives only while somebody holds it."""
    scheduled: Mapping[str, int] = _NOTHING
    """The timers of the case that are in the engine's hands."""
    left: bool = False
    """Whether it was given back to the store: whoever needs the case loads it again."""
    crashed: bool = False
    """Whether the engine that had the case before has died with it, and nobody has recovered."""

    @property
    def attempts(self) -> dict[str, Attempt]:
        """The attempts that are under way, by item."""
        if self.live.lane is not None:
            self.live.leave()
        if self._attempts is None:
            self._attempts = {}
        return self._attempts

    @property
    def ready(self) -> deque[Attempt]:
        """The inline attempts that wait for their turn."""
        if self.live.lane is not None:
            self.live.leave()
        if self._ready is None:
            self._ready = deque()
        return self._ready

    @property
    def token(self) -> CancelToken:
        """Cancelled with the case; those of its attempts are below it."""
        if self._token is None:
            self._token = CancelToken()
        return self._token

    def cancel(self, reason: str) -> None:
        """Cancel the token, if anybody has one."""
        if self._token is not None:
            self._token.cancel(reason)

    @property
    def broken(self) -> WeftError | None:
        """Why the case was set aside; None: it was not."""
        return self.live.broken

    @property
    def at_work(self) -> bool:
        """Whether an attempt at one of its items is being made."""
        return self.driving or any(attempt.running for attempt in self.attempts.values())


class _Admitted(msgspec.Struct, frozen=True, eq=False):
    """A specification that cases may be started of, and what they need.

    ``stored`` is what the store had of it then; None: it was compiled by somebody else. A store in
    memory has kept no other since, while it has the same ``revision``.
    """

    specification: Specification | CompiledSpecification
    compiled: CompiledSpecification
    origin: Path | None
    performers: Mapping[tuple[str, str], Performer | None]
    book: Book | None
    stored: StoredSpecification | None
    verified: bool
    revision: int


class Engine:
    """Drives cases: an async context manager, used from one event loop.

    Args:
        journal: Where events are kept; closed with the engine.
        registry: The patterns that specifications may use, or what makes them when the first
            specification is compiled: an engine that only goes on with cases needs none.
        connectors: What performs work items, by kind.
        clock: The clock; by default the machine's, or a virtual one with ``seed``.
        seed: Makes the run reproducible: a virtual clock, one attempt at a time in an order drawn
            from the seed, case ids from the seed. The same seed gives a byte-identical journal.
            Under a `VirtualLoop` the waits and timeouts of the attempts are virtual, too; under
            another loop virtual time stands still while an attempt runs, and timeouts are real.
        limits: Bounds on what one command may cause.
        concurrency: The most attempts that run at once (inline ones not counted); None: any number.
        snapshot_every: A snapshot is kept after so many events of a case.
        grace_seconds: How long leaving the block waits for running attempts before it cancels.
        unverified: Start cases of unsound specifications too.
        lease_seconds: So long after its last sign of life the engine's cases are left alone on
            other hosts; it gives one three times in that time. (On its own host its end is seen
            at once.)
    """

    def __init__(
        self,
        journal: Journal,
        *,
        registry: Registry | Callable[[], Registry],
        connectors: Mapping[str, Connector],
        clock: Clock | None = None,
        seed: int | None = None,
        limits: Limits = DEFAULT_LIMITS,
        concurrency: int | None = None,
        snapshot_every: int = 1000,
        grace_seconds: float = 10.0,
        unverified: bool = False,
        lease_seconds: float = 30.0,
    ) -> None:
        if concurrency is not None and concurrency < 1:
            raise UsageError(f"concurrency is at least 1, not {concurrency}")
        if not lease_seconds > 0:
            raise UsageError(f"lease_seconds is more than 0, not {lease_seconds}")
        if snapshot_every < 1:
            raise UsageError(f"snapshot_every is at least 1, not {snapshot_every}")
        self.journal = journal
        self._registry = registry
        self.connectors = connectors
        self.seed = seed
        # Each kind of draw has a stream of its own, so that none hangs on how often another draws.
        self._ids = random.Random(None if seed is None else f"{seed} ids")
        self.clock: Clock = clock or (SystemClock() if seed is None else virtual_clock())
        # A virtual clock jumps when told to, which must not be while work goes on; the clock of
        # a virtual loop goes with that loop.
        self._stepping = seed is not None and not isinstance(self.clock, LoopClock)
        self.limits = limits
        self.unverified = unverified
        self.snapshot_every = snapshot_every
        self.grace_seconds = grace_seconds
        self.lease_seconds = lease_seconds
        name = f"{os.getpid()}-{random.getrandbits(48):012x}"
        self.id = EngineId(name if seed is None else f"seed-{seed}-{name}")
        self.listeners: list[Listener] = []
        self.tracing: Tracing | None = None
        self._concurrency = 1 if seed is not None else concurrency
        self._queue: Queue[_Driven] = Queue(
            None if seed is None else random.Random(f"{seed} turns")
        )
        self._running = 0
        self._work_waits = anyio.Event()
        self._held: dict[CaseId, _Driven] = {}
        self._lanes: dict[CaseId, Any] = {}
        """Cases that go on in lanes, and of which nobody has asked anything else."""
        self._compiled_from: deque[tuple[Specification, CompiledSpecification]] = deque(maxlen=16)
        self._compiled: dict[str, CompiledSpecification] = {}
        self._bound: dict[tuple[str, Path | None], Mapping[tuple[str, str], Performer | None]] = {}
        self._admitted: dict[int, _Admitted] = {}
        self._books: dict[tuple[str, Path | None], Book | None] = {}
        self._memory = journal if isinstance(journal, MemoryJournal) else None
        self._hear = journal.hear if isinstance(journal, MemoryJournal) else _nobody
        self._turns = Turns(self)
        self._rides: deque[Any] = deque()
        self._riding = False
        self._turn_ends = 0.0
        self._due: list[tuple[Microseconds, int, CaseId, ItemId]] = []
        self._timers: list[tuple[Microseconds, int, CaseId, str]] = []
        self._patient = 0
        """How many wait for timers of cases; virtual time passes for those only then."""
        self._lets_go = False
        self._passed: dict[CaseId, WeftError] = {}
        """The cases that could not be woken, and are not tried again."""
        self._due_count = 0
        self._due_changed = anyio.Event()
        self._alarm_at: Microseconds | None = None
        """The time that is waited for: what is due first, or was until it was cancelled."""
        self._nursery: anyio.abc.TaskGroup | None = None
        self._draining = False
        self._quiet = anyio.Event()

    # ── the block ────────────────────────────────────────────────────────────────────────────

    async def __aenter__(self) -> Self:
        self._nursery = anyio.create_task_group()
        await self._nursery.__aenter__()
        self._nursery.start_soon(self._keep_time)
        self._renewed()
        if isinstance(self.clock, SystemClock):  # virtual time would pass for nothing else
            self._nursery.start_soon(self._keep_lease)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        nursery = self._open()
        try:
            if error is None:
                await self.drain(self.grace_seconds)
        finally:
            self._draining = True
            for driven in self._driven.values():
                driven.cancel("the engine is closing")
            nursery.cancel_scope.cancel()
            try:
                if isinstance(error, anyio.get_cancelled_exc_class()):
                    await nursery.__aexit__(kind, error, trace)
                else:
                    # What the block raised is the caller's and leaves as it is: the nursery
                    # would wrap it in an exception group.
                    await nursery.__aexit__(None, None, None)
            finally:
                self._nursery = None
                with anyio.CancelScope(shield=True):
                    for connector in self.connectors.values():
                        try:
                            await connector.aclose()
                        except Exception:
                            logger.exception("connector %r did not close", connector.kind)
                for driven in self._driven.values():
                    self.journal.release(driven.live.case.id, self.id)
                    driven.live.tell()
                self.journal.close()

    async def drain(self, seconds: float | None = None) -> bool:
        """Take no new work and wait until what runs has ended; whether it did in that time."""
        self._draining = True
        for driven in list(self._driven.values()):
            driven.live.tell()
        with anyio.move_on_after(seconds):
            while self._running or any(d.driving for d in self._driven.values()):
                self._quiet = anyio.Event()
                await self._quiet.wait()
            return True
        return False

    @contextmanager
    def patience(self) -> Iterator[None]:
        """Wait for the timers of cases: within the block, virtual time passes for them, too."""
        self._patient += 1
        self._due_changed.set()
        try:
            yield
        finally:
            self._patient -= 1

    @contextmanager
    def working(self) -> Iterator[None]:
        """Within the block, idle cases are given back to the store, and timers fire."""
        self._lets_go = True
        try:
            with self.patience():
                for case in list(self._driven):
                    self.let_go(case)
                yield
        finally:
            self._lets_go = False

    async def proceed(self) -> None:
        """Take new work again after `drain`, and start what could not start meanwhile."""
        self._open()
        self._draining = False
        for driven in list(self._driven.values()):
            if driven.broken is None and driven.live.case.status is CaseStatus.RUNNING:
                under_way = frozenset(map(ItemId, driven.attempts))
                await self._try(driven, c.RecoverCase(under_way))
            if driven.ready and not driven.driving:
                driven.driving = True
                self._open().start_soon(self._drive, driven)
        self._pump()
        self._due_changed.set()

    @property
    def waiting(self) -> int:
        """How many attempts wait for room to run."""
        return len(self._queue)

    @property
    def draining(self) -> bool:
        """Whether the engine takes no new work."""
        return self._draining

    @property
    def _driven(self) -> dict[CaseId, _Driven]:
        """The cases in the engine's hands."""
        for lane in list(self._lanes.values()):
            self.hold(lane)
        return self._held

    def _known(self, case: CaseId) -> _Driven | None:
        """A case in the engine's hands; None: it is not."""
        lane = self._lanes.get(case)
        return self._held.get(case) if lane is None else self.hold(lane)

    def hold(self, lane: Any) -> _Driven:
        """What the engine knows of a case in a lane; it is made when it is first asked for."""
        driven: _Driven | None = lane.base
        if driven is None:
            driven = self._take(lane.origin.performers, lane.origin.book)
            driven.live.lane, driven.driving = lane, lane.driving
            if lane.ended:
                driven.live.driven = None
            else:
                lane.base = self._held[lane.case] = driven
                del self._lanes[lane.case]
        return driven

    def _open(self) -> anyio.abc.TaskGroup:
        if self._nursery is None:
            raise UsageError("the engine is not open: use it inside `async with`", code="closed")
        return self._nursery

    # ── specifications ───────────────────────────────────────────────────────────────────────

    def add(self, specification: Specification) -> CompiledSpecification:
        """Compile a specification, check its connectors, and keep it in the store.

        Raises:
            DefinitionErrors: All that is wrong with it.
        """
        compiled = self._compile(specification)
        origin = specification.source.origin
        self._bind(compiled, origin, specification)
        known = self.journal.specification(specification.name, specification.version)
        if known is None or known.net != compiled.hash or known.source != specification.source.text:
            self.journal.put_net(compiled.hash, compiled.content)
            self.journal.put_specification(
                StoredSpecification(
                    name=specification.name,
                    version=specification.version,
                    format=specification.source.format,
                    source=specification.source.text,
                    net=compiled.hash,
                    origin=None if origin is None else str(origin),
                    added=self.clock.now(),
                )
            )
        self._compiled[compiled.hash] = compiled
        return compiled

    @property
    def registry(self) -> Registry:
        """The patterns that specifications may use."""
        if callable(self._registry):
            self._registry = self._registry()
        return self._registry

    def _compile(self, specification: Specification) -> CompiledSpecification:
        """The compiled specification; many cases of the very same one compile it once."""
        # The compiler and the patterns take a tenth of all imports; who recovers asks for neither.
        from weft.engine.compile import compile_specification

        for known, compiled in self._compiled_from:
            if known is specification:
                return compiled
        compiled = compile_specification(
            specification, registry=self.registry, connectors=self.connectors
        )
        self._compiled_from.append((specification, compiled))
        return compiled

    def _bind(
        self,
        compiled: CompiledSpecification,
        origin: Path | None,
        specification: Specification | None = None,
    ) -> Mapping[tuple[str, str], Performer | None]:
        """What performs the tasks; faults of their configurations come all at once."""
        key = (compiled.hash, origin)
        bound = self._bound.get(key)
        if bound is not None:
            return bound
        bound, faults = {}, []
        for net in compiled.nets.values():
            for task in net.tasks.values():
                if task.connector is None:
                    continue
                connector = self._connector(task.connector)
                try:
                    bound[net.name, task.name] = connector.bind(
                        task.name, task.config, origin=origin, inputs=tuple(task.inputs)
                    )
                except DefinitionError as error:
                    members = error.faults if isinstance(error, DefinitionErrors) else (error,)
                    faults += [_placed(f, specification, net.name, task) for f in members]
        raise_faults(f"the tasks of {compiled.name} cannot be performed", faults)
        self._bound[key] = bound
        return bound

    def _connector(self, kind: str) -> Connector:
        connector = self.connectors.get(kind)
        if connector is None:
            known = ", ".join(sorted(self.connectors))
            raise UsageError(
                f"no connector is called {kind!r}; there are: {known}", code="connector"
            )
        return connector

    def _stored(self, hash: str) -> CompiledSpecification:
        compiled = self._compiled.get(hash)
        if compiled is None:
            compiled = self._compiled[hash] = stored_net(self.journal, hash)
        return compiled

    def _origin(self, summary: CaseSummary) -> Path | None:
        stored = self.journal.specification(summary.specification, summary.version)
        return Path(stored.origin) if stored is not None and stored.origin else None

    # ── cases ────────────────────────────────────────────────────────────────────────────────

    async def start(
        self,
        specification: Specification | CompiledSpecification,
        data: Mapping[str, JsonValue] | None = None,
        *,
        case: str | None = None,
        origin: Path | None = None,
        token: CancelToken | None = None,
        unverified: bool = False,
        chain: int = 0,
    ) -> Case:
        """Start a case, and drive it from now on.

        A specification that is known to be unsound is refused (`weft.engine.verify.gate`).

        Args:
            specification: What to run; a compiled one was given by `add`.
            data: The case's variables; the others get their defaults.
            case: Its id; by default the specification's name and a number that is new.
            origin: The folder beside which task functions are found, for a compiled one.
            token: Cancels the case when it is cancelled, from whatever thread.
            unverified: Start it even if it is not sound.
            chain: How many cases have started one another by events until this one.

        Raises:
            DefinitionErrors: The specification is wrong, or not sound.
            UsageError: The data do not fit their declarations, or the id is no id.
            CommandRejected: There is a case with this id.
        """
        if self._nursery is None:
            self._open()
        if self._draining:
            raise CommandRejected("the engine is stopping and takes no new cases", code="stopping")
        known = self._admit(specification, origin, verified=not (unverified or self.unverified))
        if known.book is not None and token is None and not chain:
            lane = self._start_in_lane(known, case, data)
            if lane is not None:
                return Case(self, lane)
        driven = None if chain else await self._start_in_turn(known, case, data)
        if driven is None:
            compiled = known.compiled
            name = self._case_id(compiled.name, case)
            driven = self._take(known.performers, known.book)
            self.journal.claim(name, self.id, now=self.clock.now())
            self._held[name] = driven
            try:
                caller = None if self.tracing is None else self.tracing.caller()
                start = c.StartCase(name, compiled, dict(data or {}), caller, chain)
                await driven.live.execute(start)
            except JournalConflict as error:  # somebody else's start came between
                self._not_started(name)
                raise _there_is(name) from error
            except BaseException:
                self._not_started(name)
                raise
        if token is not None:
            driven.asked = token
            loop = asyncio.get_running_loop()
            token.on_cancel(lambda reason: self._cancel_from(loop, driven, reason))
        return Case(self, driven)

    def _not_started(self, name: CaseId) -> None:
        self._held.pop(name, None)
        self.journal.release(name, self.id)

    def _admit(
        self,
        specification: Specification | CompiledSpecification,
        origin: Path | None,
        *,
        verified: bool,
    ) -> _Admitted:
        """What the cases of a specification need; it is looked at once, and again when it changes."""
        known = self._admitted.get(id(specification))
        if (
            known is not None
            and known.specification is specification
            and (known.verified or not verified)
        ):
            if known.stored is None:
                if known.origin == origin:
                    return known
            elif (
                self._memory is not None and known.revision == self._memory.revision[0]
            ) or known.stored is self.journal.specification(
                known.compiled.name, known.compiled.version
            ):
                return known
        stored = None
        if isinstance(specification, Specification):
            origin = specification.source.origin
            compiled = self.add(specification)
            stored = self.journal.specification(specification.name, specification.version)
        else:
            compiled = specification
            self._compiled[compiled.hash] = compiled
        if verified:
            from weft.engine.verify.gate import demand_sound

            source = specification if isinstance(specification, Specification) else None
            demand_sound(compiled, source)
        performers = self._bind(compiled, origin)
        known = _Admitted(
            *(specification, compiled, origin, performers),
            *(self._book(compiled, origin), stored, verified),
            -1 if self._memory is None else self._memory.revision[0],
        )
        while len(self._admitted) >= ADMITTED:
            del self._admitted[next(iter(self._admitted))]
        self._admitted[id(specification)] = known
        return known

    def _cancel_from(self, loop: asyncio.AbstractEventLoop, driven: _Driven, reason: str) -> None:
        """Have a case cancelled, on any thread; one that is over, or let go, stays as it is."""

        def soon() -> None:
            if self._nursery is not None and not driven.live.case.status.final:
                self._nursery.start_soon(self._try, driven, c.CancelCase(reason))

        with suppress(RuntimeError):  # the loop is closed, and the engine with it
            loop.call_soon_threadsafe(soon)

    def _case_id(self, name: str, wanted: str | None) -> CaseId:
        drawn: CaseId
        if wanted is None:
            while True:
                drawn = CaseId(f"{name}-{self._ids.getrandbits(40):010x}")
                if (
                    drawn not in self._lanes
                    and drawn not in self._held
                    and self.journal.summary(drawn) is None
                ):
                    return drawn
        checked = self._checked_id(wanted)
        if self.journal.summary(checked) is not None:
            raise _there_is(wanted)
        return checked

    def _checked_id(self, wanted: str) -> CaseId:
        """An id that none of the cases has that are in the engine's hands."""
        if not _ID(wanted):
            raise UsageError(
                f"{wanted!r} is not a case id: 1 to 200 letters, digits, '.', '_' and '-'",
                code="case-id",
            )
        if self._known(CaseId(wanted)) is not None:
            raise _there_is(wanted)
        return CaseId(wanted)

    def _take(
        self,
        performers: Mapping[tuple[str, str], Performer | None] | None,
        book: Book | None = None,
    ) -> _Driven:
        """A case to drive, still without its state."""
        driven = _Driven(LiveCase(self, book), performers)
        driven.live.driven = driven
        return driven

    def find(self, case: str) -> CaseSummary:
        """The summary of a case (see `find_case`)."""
        return find_case(self.journal, case)

    async def open(self, case: str, *, perform: bool = True) -> Case:
        """Load a case and take it over, without making it go on.

        Without ``perform`` the functions and modules of its tasks need not be there any more:
        nothing of it begins in this engine until it is opened with it, but it can be suspended,
        cancelled, claimed.

        Raises:
            DefinitionErrors: Its tasks cannot be performed here.
            UsageError: There is no such case.
            CaseClaimed: Another engine drives it.
            JournalError: Its journal is damaged.
        """
        self._open()
        name = CaseId(case)
        known = self._known(name)
        if known is not None and known.broken is None:
            if perform and known.performers is None:
                known.performers = self._bind(
                    known.live.case.compiled, self._origin(self.find(case))
                )
                self._schedule_retries(known, known.live.case.items.values())
                self._schedule_timers(known, {})
            return Case(self, known)
        crashed = self.journal.claim(name, self.id, now=self.clock.now())
        return Case(self, self._load(name, crashed=crashed, perform=perform))

    def _load(
        self,
        name: CaseId,
        *,
        crashed: bool,
        perform: bool = True,
        history: History | None = None,
        origins: dict[tuple[str, str], Path | None] | None = None,
    ) -> _Driven:
        """Read a case that was claimed for this engine; the claim goes back if that fails.

        Who reads many in one go has their histories, where they were read together, and remembers
        the origins of their specifications.
        """
        try:
            # Only now: the one who had it may have written.
            summary = self.find(name) if history is None else history.summary
            compiled = self._stored(summary.net)
            performers, book = None, None
            if perform:
                version = (summary.specification, summary.version)
                origins = {} if origins is None else origins
                if version not in origins:
                    origins[version] = self._origin(summary)
                origin = origins[version]
                performers = self._bind(compiled, origin)
                book = self._book(compiled, origin)
            driven = self._take(performers, book)
            driven.live.take_over(read_case(self.journal, summary, compiled, history=history))
            driven.crashed = crashed
        except BaseException:
            self.journal.release(name, self.id)
            raise
        if driven.live.case.status.final:  # nothing to drive
            self.journal.release(name, self.id)
        else:
            self._held[name] = driven
            self._schedule_retries(driven, driven.live.case.items.values())
            self._schedule_timers(driven, {})
        return driven

    def let_go(self, case: CaseId) -> bool:
        """Give an idle case back to the store, so that it needs neither memory nor time here.

        Handles stay good: what is asked of one loads the case again. False: it is not idle, or
        somebody waits for it.
        """
        driven = self._known(case)
        if driven is None or driven.attempts or driven.broken is not None:
            return False
        if driven.live.busy or not idle(driven.live.case):
            return False
        del self._held[case]
        driven.left = True
        self.journal.release(case, self.id)
        return True

    async def trigger(
        self,
        case: str,
        trigger: str,
        data: JsonValue = None,
        *,
        key: str | None = None,
        by: str | None = None,
        id: str | None = None,
    ) -> Delivery:
        """Send a trigger to a case, which is loaded for it if need be; see `Case.trigger`."""
        handle = await self.open(case)
        return await handle.trigger(trigger, data, key=key, by=by, id=id)

    async def wake(self, *, limit: int = 100) -> int:
        """Load cases of which a timer is due, so that it fires; how many there were.

        A case that another engine drives, or that cannot be read, is passed over.
        """
        woken = 0
        passed = len(self._held) + len(self._lanes) + len(self._passed)
        for case in self.journal.due(self.clock.now(), limit=limit + passed):
            if case in self._held or case in self._lanes or case in self._passed:
                continue
            try:
                await self.resume(case)
            except CommandRejected as error:
                logger.debug("case %s is not woken: %s", case, error)
            except WeftError as error:
                self._passed[case] = error
                logger.error("case %s cannot be woken: %s", case, error)
            else:
                woken += 1
        return woken

    def read(self, case: str) -> CaseState:
        """The state of a case as its journal tells it, without taking it over."""
        summary = self.find(case)
        driven = self._known(summary.case)
        if driven is not None:
            return driven.live.case
        return read_case(self.journal, summary, self._stored(summary.net)).state

    async def resume(self, case: str) -> Case:
        """Load a case and make it go on: after a crash, a failure, a deadlock or a pause.

        Attempts that were interrupted are made again, with the next attempt number and the same
        idempotency key; held items of a failed case are attempted again.
        """
        handle = await self.open(case)
        await handle.resume()
        return handle

    async def recover(self) -> Sequence[Case]:
        """Resume all running cases that were not idle when their engine went away.

        Many at once, so that they share their claims and commits; with a seed one after the other.
        A case that cannot be recovered is told in the log, and the others go on.
        """
        stopped = [case for case in self.journal.stopped() if case not in self._driven]
        recovered: dict[CaseId, _Driven] = {}
        at_once = RECOVERED_AT_ONCE if self.seed is None else 1
        for first in range(0, len(stopped), at_once):
            some = [c for c in stopped[first : first + at_once] if c not in self._driven]
            with _uncollected():
                for driven in await self._recover_all(self._load_all(some)):
                    recovered[driven.live.case.id] = driven
        return [Case(self, recovered[case]) for case in stopped if case in recovered]

    def _load_all(self, cases: Sequence[CaseId]) -> list[_Driven]:
        """Take over cases whose engine went away; those that cannot be are told in the log."""
        claimed = self.journal.claim_all(cases, self.id, now=self.clock.now())
        histories = self.journal.histories(list(claimed))
        origins: dict[tuple[str, str], Path | None] = {}
        loaded = []
        for case in cases:
            if case not in claimed:
                logger.info("case %s is not taken over: another engine drives it", case)
                continue
            try:
                driven = self._load(
                    case, crashed=claimed[case], history=histories.get(case), origins=origins
                )
            except WeftError as error:
                _not_recovered(case, error)
            else:
                loaded.append(driven)
        return loaded

    async def _recover_all(self, loaded: Sequence[_Driven]) -> list[_Driven]:
        """Make cases go on that were loaded in this very turn, with one commit; those that do."""
        under_way = UnderWay()
        going: list[_Driven] = []
        proposed: list[tuple[_Driven, Proposal, Awaitable[None] | None]] = []
        try:
            for driven in loaded:
                case = driven.live.case
                if case.status is not CaseStatus.RUNNING:  # it has come to that since it was listed
                    if self._held.pop(case.id, None) is driven:
                        driven.left = True
                        self.journal.release(case.id, self.id)
                    continue
                command = c.RecoverCase(crashed=driven.crashed)
                driven.crashed = False
                try:
                    proposal = driven.live.propose(command, starts=not self._draining)
                    if proposal is None:
                        going.append(driven)
                        continue
                    durable = self.journal.append(proposal.batch)
                except WeftError as error:
                    _not_recovered(case.id, error)
                except Exception as error:
                    logger.exception("case %s: the engine failed", case.id)
                    self._break(driven, _internal(error))
                else:
                    driven.live.starting = under_way
                    proposed.append((driven, proposal, durable))
            # Nobody may walk away from a commit: it happens or it does not.
            with anyio.CancelScope(shield=True):
                for driven, proposal, durable in proposed:
                    try:
                        if durable is not None:
                            await durable
                        driven.live.adopt(proposal)
                    except WeftError as error:
                        _not_recovered(driven.live.case.id, error)
                    else:
                        going.append(driven)
        finally:
            for driven, _, _ in proposed:
                driven.live.starting = None
            under_way.settle()
        return going

    # ── effects ──────────────────────────────────────────────────────────────────────────────

    def adopt(self, driven: _Driven, batch: Batch) -> None:
        """What follows from a durable batch: attempts end and begin, retries are scheduled."""
        self.tell(batch)
        after = batch.after
        going_on = after.status in (CaseStatus.RUNNING, CaseStatus.SUSPENDED)
        if not going_on:
            for attempt in list(driven.attempts.values()):
                # What runs in a failed case may end; what waits for its turn does not begin.
                if after.status.final or not attempt.running:
                    self._stop(driven, attempt)
        if after.status.final:
            driven.cancel(f"the case is {after.status.value}")
            if self._held.get(batch.case) is driven:
                del self._held[batch.case]
                self.journal.release(batch.case, self.id)
            return
        touched = batch.touched
        for name in touched:  # before others begin: the next attempt at an item stops the last
            running, item = driven.attempts.get(name), after.items.get(name)
            if running is not None and not _wanted(running, item):
                self._stop(driven, running)
        for name in touched if going_on else ():
            item = after.items.get(name)
            if item is not None and item.status is ItemStatus.STARTED:
                self._begin(driven, item)
        reopened = any(isinstance(event, e.CaseResumed) for event in batch.events)
        held = after.items if reopened else touched
        self._schedule_retries(driven, [after.items[n] for n in held if n in after.items])
        if driven.live.timers is not driven.scheduled or reopened:
            self._schedule_timers(driven, {} if reopened else driven.scheduled)
        if self._lets_go and not driven.attempts and idle(after):
            self._open().start_soon(self._leave, batch.case)

    def tell(self, batch: Batch) -> None:
        """Tell the listeners of a durable batch."""
        for listener in self.listeners:
            try:
                listener(batch)
            except Exception:
                logger.exception("a listener failed on case %s", batch.case)

    async def _leave(self, case: CaseId) -> None:
        await anyio.lowlevel.checkpoint()  # the door of the case is open by then
        self.let_go(case)

    def _begin(self, driven: _Driven, item: WorkItem) -> None:
        """Begin an attempt at an automatic item; nothing, if it is being made already."""
        live = driven.live
        task = live.case.task(item)
        performer = (driven.performers or {}).get((live.case.net(item.scope).name, item.task))
        if performer is None or item.id in driven.attempts:
            return
        attempt = self._attempt_at(driven, item, task, performer)
        if attempt is None:
            return
        driven.attempts[item.id] = attempt
        if self.seed is None and performer.worker is Worker.INLINE:
            driven.ready.append(attempt)
            if not driven.driving:
                driven.driving = True
                self._open().start_soon(self._drive, driven)
        else:
            self._queue.put(driven, attempt)
            self._pump()

    def _attempt_at(
        self, driven: _Driven, item: WorkItem, task: Task, performer: Performer
    ) -> Attempt | None:
        """An attempt at an item; None when its inputs cannot be read: the case is set aside."""
        live = driven.live
        try:
            inputs = {
                name: whole(jsonvalue.copy(value), self.journal)
                for name, value in item.inputs.items()
            }
        except JournalError as error:
            self._break(driven, error)
            return None
        work = Work(
            case=live.case.id,
            item=ItemId(item.id),
            task=item.task,
            attempt=item.attempt,
            idempotency_key=f"{live.case.id}:{item.id}",
            inputs=inputs,
            timeout_seconds=None if task.timeout is None else task.timeout / 1_000_000,
            token=driven.token.child(),
        )
        if self.tracing is not None:
            work, performer = self.tracing.traced(work, performer)
        return Attempt(work, performer)

    def _stop(self, driven: _Driven, attempt: Attempt) -> None:
        """Stop an attempt that nobody wants any more; one that is ready is passed over."""
        driven.attempts.pop(attempt.work.item, None)
        self._queue.remove(attempt)
        attempt.stop()

    def _pump(self) -> None:
        """Let attempts run while there is room."""
        while (
            self._queue
            and not self._draining
            and (self._concurrency is None or self._running < self._concurrency)
        ):
            self._running += 1
            driven, attempt = self._queue.take()
            attempt.running = True
            self._open().start_soon(self._attempt, driven, attempt)

    async def _attempt(self, driven: _Driven, attempt: Attempt) -> None:
        try:
            outcome = await perform(attempt)
            if outcome is not None:
                await self._finish(driven, attempt, outcome)
        finally:
            attempt.running = False
            self._running -= 1
            self._ended(driven)
            self._pump()

    async def _drive(self, driven: _Driven, ended: tuple[Attempt, Outcome] | None = None) -> None:
        """Run the inline attempts of a case, one after the other, while there are any.

        ``ended`` is one that was made already.
        """
        turns = 0
        try:
            if ended is not None:
                await self._finish(driven, *ended)
            while not self._draining:
                if driven.live.lane is not None or self._enter_lane(driven):
                    if driven.live.lane.told:
                        break
                    ended = self._advance(driven)
                    if ended is not None:
                        await self._finish(driven, *ended)
                    elif driven.live.in_lane:
                        await anyio.lowlevel.checkpoint()
                    elif driven.live.lane is not None:
                        break
                    continue
                if not driven.ready:
                    break
                attempt = driven.ready.popleft()
                if attempt.stopped:
                    continue
                attempt.running = True
                await self._finish(driven, attempt, perform_inline(attempt))
                turns += 1
                if turns % INLINE_TURN == 0:
                    await anyio.lowlevel.checkpoint()
        finally:
            driven.driving = False
            self._ended(driven)

    # ── lanes ────────────────────────────────────────────────────────────────────────────────

    def _book(self, compiled: CompiledSpecification, origin: Path | None) -> Book | None:
        """The routes of a specification, where its cases may go by them."""
        key = (compiled.hash, origin)
        if key not in self._books:
            silent = isinstance(self.journal, MemoryJournal) and self.journal.hears
            closed = self.seed is not None or not (silent or takes_turns(self.journal))
            book = None if closed else book_of(compiled, self._bind(compiled, origin))
            if book is not None:
                book.silent = silent
            self._books[key] = book
        return self._books[key]

    def _lanes_open(self, driven: _Driven) -> bool:
        """Whether a case may be in a lane that nobody is told of."""
        book = driven.live.book
        return (
            self._may_go_by_routes(driven)
            and book is not None
            and book.silent
            and not self.listeners
            and self.tracing is None
            and not self._lets_go
        )

    def _turns_open(self, driven: _Driven) -> bool:
        """Whether a case may be in a lane whose steps are made durable in turns."""
        return self._may_go_by_routes(driven) and takes_turns(self.journal)

    def _may_go_by_routes(self, driven: _Driven) -> bool:
        live = driven.live
        return live.book is not None and live.broken is None and not self._draining

    def _start_in_lane(
        self, known: _Admitted, wanted: str | None, given: Mapping[str, JsonValue] | None
    ) -> Any:
        """The lane of a case that starts by a route; None: it has to start the long way."""
        book, journal = known.book, self._memory
        assert book is not None
        if (
            journal is None
            or book.first is None
            or not book.silent
            or self.listeners
            or self.tracing is not None
            or self._lets_go
        ):
            return None
        name: Any = (
            f"{known.compiled.name}-{self._ids.getrandbits(40):010x}"
            if wanted is None
            else self._case_id(known.compiled.name, wanted)
        )
        data = book.data(given) if given else book.defaults()
        lane = book.started(name, data, known, self.clock, self.snapshot_every)
        if lane is None or not journal.begin(name, self.id, lane):
            return None
        if lane.ended:
            journal.release(name, self.id)
            return lane
        self._lanes[name] = lane
        self._rides.append(lane)
        if not self._riding:
            self._riding = True
            asyncio.get_running_loop().call_soon(self._ride)
        return lane

    async def _start_in_turn(
        self, known: _Admitted, wanted: str | None, given: Mapping[str, JsonValue] | None
    ) -> _Driven | None:
        """Start a case by a route that is known, durably; None: it has to start the long way.

        Whether there is a case with its id nobody asks before: its first batch finds out.
        """
        book, compiled = known.book, known.compiled
        if book is None or book.first is None or not takes_turns(self.journal):
            return None
        if wanted is None:
            name = CaseId(f"{compiled.name}-{self._ids.getrandbits(40):010x}")
            if self._known(name) is not None:
                return None
        else:
            name = self._checked_id(wanted)
        data = book.data(given) if given else book.defaults()
        caller = None if self.tracing is None else self.tracing.caller()
        batch = encoded(name, compiled, self.clock.now())
        lane = book.starting(batch, data, caller, self.snapshot_every)
        journal: Any = self.journal
        if lane is None or not journal.reserve(name, self.id, now=batch.started):
            return None
        driven = self._take(known.performers, book)
        lane.base = driven
        self._held[name] = driven
        # Others who have heard of the case wait for its start, as at any command.
        driven.live.starting = starting = self._turns.start(driven, lane)
        try:
            await starting.kept()
        except BaseException as error:
            if starting.failure is not None:
                self._not_started(name)
                if isinstance(error, JournalConflict):
                    return None  # there is one: the long way says so, or draws another id
            raise
        finally:
            driven.live.starting = None
        return driven

    def _enter_lane(self, driven: _Driven) -> bool:
        """Bring a case into a lane, if it stands where a route begins; whether it is in one."""
        live, ready = driven.live, driven._ready
        if not ready or live.book is None:
            return False
        told = not self._lanes_open(driven)
        if told and not self._turns_open(driven):
            return False
        if live.commanded:
            return False
        if driven._attempts is None or len(ready) != len(driven._attempts):
            return False
        if any(attempt.stopped for attempt in ready):
            return False
        place = (live.sequence, live.started, live.updated, live.snapshot_at, self.snapshot_every)
        lane = live.book.entered(
            live.case, [attempt.work.item for attempt in ready], place, told=told
        )
        if lane is None:
            return False
        driven._ready = driven._attempts = None
        if told:
            lane.tell(encoded(live.case.id, live.case.compiled, live.started), live.hash)
            lane.base = driven
            live.lane = lane
            self._turns.add(driven)
        else:
            self._take_lane(driven, live.case.id, lane)
        return True

    def _take_lane(self, driven: _Driven, name: CaseId, lane: Any) -> None:
        lane.base = driven
        driven.live.lane = lane
        self._hear(name, lane)

    def leave_lane(self, driven: _Driven) -> None:
        """Take a case out of its lane: what waits there are attempts again.

        It may be the function that is being called who asks for it; its attempt is under way then.
        """
        live = driven.live
        lane = live.lane
        planned = lane.planned is not None
        names, called = lane.ready, lane.held.name if lane.calling or planned else None
        ended: tuple[Attempt, Outcome] | None = None
        lane.detach()
        live.close()
        live.tell()
        if called is not None:
            attempt = self._attempt_of(driven, live.case.items[called])
            if attempt is None:
                return
            attempt.running = True
            driven.attempts[called] = attempt
            if planned:  # its turn is not over: what it has come to goes the long way
                ended = attempt, _result(lane.give_up())
        for name in names:
            item = live.case.items[name]
            attempt = self._attempt_of(driven, item)
            if attempt is None:
                return
            driven.attempts[name] = attempt
            driven.ready.append(attempt)
        if (names or ended) and not driven.driving and self._nursery is not None:
            driven.driving = True
            self._nursery.start_soon(self._drive, driven, ended)

    def _attempt_of(self, driven: _Driven, item: WorkItem) -> Attempt | None:
        case = driven.live.case
        performer = (driven.performers or {})[case.net(item.scope).name, item.task]
        assert performer is not None
        return self._attempt_at(driven, item, case.task(item), performer)

    def end_lane(self, lane: Any) -> None:
        """A case has been completed in its lane, and stays there: nothing moves it any more."""
        name, driven = lane.case, lane.base
        if driven is None:
            del self._lanes[name]
            self.journal.release(name, self.id)
            return
        lane.base = driven.live.driven = None
        driven.cancel("the case is completed")
        if self._held.get(name) is driven:
            del self._held[name]
            self.journal.release(name, self.id)
        driven.live.tell()

    def _advance(self, driven: _Driven) -> tuple[Attempt, Outcome] | None:
        """Let a case go on in its lane, for a turn.

        What has to go the long way: an attempt that was made, and how it has ended. It has left
        the lane then.
        """
        lane = driven.live.lane
        if lane.ended:
            return None
        if not self._lanes_open(driven):
            self.leave_lane(driven)
            return None
        left = lane.run(self, _result, failure, self._inputs)
        if lane.ended:
            self.end_lane(lane)
        elif left is not None and left is not True:
            return self._left_lane(driven, *left)
        return None

    def _left_lane(
        self, driven: _Driven, name: str, outcome: Outcome | None
    ) -> tuple[Attempt, Outcome] | None:
        """Take a case out of its lane for what the lane has found; see `_advance`."""
        if driven.live.lane is None:  # the function that was called had it leave
            attempt = driven.attempts.get(name)
            if attempt is None or not attempt.running or outcome is None:
                return None
            return attempt, outcome
        self.leave_lane(driven)
        if outcome is not None:
            item = driven.live.case.items[name]
            attempt = self._attempt_of(driven, item)
            if attempt is not None:
                attempt.running = True
                driven.attempts[name] = attempt
                return attempt, outcome
        return None

    @property
    def stands(self) -> bool:
        """Whether nothing new begins: the engine is stopping, or closed."""
        return self._draining or self._nursery is None

    def step(self, driven: _Driven) -> bool:
        """Let a case in a lane make its next attempt; whether what follows on it is planned.

        What is not plain goes the long way.
        """
        live = driven.live
        lane = live.lane
        perform = None if self.tracing is None else partial(self._traced, driven)
        driven.driving = True
        try:
            left = lane.attempt(self, _result, failure, self._inputs, perform)
            if left is None:
                driven.driving = False
                return True
            ended = self._left_lane(driven, *left)
        except BaseException as error:
            driven.driving = False
            if isinstance(error, Exception):
                logger.exception("case %s: the engine failed", lane.case)
                self._break(driven, _internal(error))
                return False
            if live.lane is lane:
                self.leave_lane(driven)
            raise
        if ended is not None or driven._ready:
            self._open().start_soon(self._drive, driven, ended)
        else:
            driven.driving = False
        return False

    def refused(self, driven: _Driven, error: Exception) -> None:
        """The step of a case could not be made durable: it has not happened."""
        driven.live.lane.give_up()
        self.leave_lane(driven)
        self._break(driven, error if isinstance(error, WeftError) else _internal(error))

    def _traced(self, driven: _Driven, work: Work, task: str) -> Any:
        """The result of an attempt, made within its place in the trace of its case."""
        assert self.tracing is not None
        performer = (driven.performers or {})[driven.live.lane.compiled.net.name, task]
        assert performer is not None
        work, performer = self.tracing.traced(work, performer)
        return performer.call(work)

    def _inputs(self, inputs: dict[str, JsonValue]) -> dict[str, Any]:
        """The inputs of an item as its task gets them: a copy, with what is large in its place."""
        return {name: whole(jsonvalue.copy(value), self.journal) for name, value in inputs.items()}

    def _go_on(self, lane: Any) -> bool:
        """Let a case in a lane go on here and now, for a turn; whether it waits for another."""
        if self._lets_go:
            self.leave_lane(self.hold(lane))
            return False
        driven, handed_on = lane.base, False
        lane.driving = True
        if driven is not None:
            driven.driving = True
        try:
            left = lane.run(self, _result, failure, self._inputs)
            driven = lane.base
            if lane.ended:
                self.end_lane(lane)
            elif left is None or left is True:
                return left is True
            else:
                driven = self.hold(lane)
                ended = self._left_lane(driven, *left)
                if ended is not None or driven._ready:
                    self._open().start_soon(self._drive, driven, ended)
                    handed_on = True
        except Exception as error:
            logger.exception("case %s: the engine failed", lane.case)
            driven = self.hold(lane)
            lane.driving = driven.driving = False
            self._break(driven, _internal(error))
        finally:
            lane.driving = False
            if driven is not None:
                driven.driving = handed_on
        return False

    def _ride(self) -> None:
        """Let the cases that have started in lanes go on, those that nobody waits for."""
        self._riding = False
        until = time.monotonic() + TURN_SECONDS
        while self._rides and self._nursery is not None and not self._draining:
            lane = self._rides.popleft()
            if lane.ended or lane.driving or not lane.attached:
                continue
            if self._go_on(lane):
                self._rides.append(lane)
            if time.monotonic() > until:
                break
        if self._rides and not self._draining:
            self._riding = True
            asyncio.get_running_loop().call_soon(self._ride)

    def hurry(self, lane: Any) -> bool:
        """Let a case in a lane go on for a turn; whether others have to have one before it goes on.

        It ends there, or leaves the lane, or is told that others are to have a turn.
        """
        if (
            lane.ended
            or lane.driving
            or not lane.attached
            or self._draining
            or self._nursery is None
        ):
            return False
        return self._go_on(lane) or time.monotonic() > self._turn_ends

    async def ride(self, driven: _Driven, lane: Any) -> None:
        """Wait until a case that takes part in turns ends in its lane, or leaves it."""
        while driven.live.lane is lane and not lane.ended and not self.stands:
            await driven.live.change()

    async def give_turn(self) -> None:
        """Let others have a turn."""
        await anyio.lowlevel.checkpoint()
        self._turn_ends = time.monotonic() + TURN_SECONDS

    def _ended(self, driven: _Driven) -> None:
        """Tell those who wait for the engine, or a case, to be quiet."""
        if self._draining:
            self._quiet.set()
        if self._draining or driven.live.case.status is CaseStatus.FAILED:
            driven.live.tell()
        if self.seed is not None:  # virtual time stands still while there is work
            self._due_changed.set()

    async def _finish(self, driven: _Driven, attempt: Attempt, outcome: Outcome) -> None:
        """Make the end of an attempt an event of its case."""
        work = attempt.work
        command: c.Command
        if outcome.error is None:
            outcome = self._light(outcome)
        if outcome.error is None:
            command = c.CompleteWorkItem(work.item, outcome.result, attempt=work.attempt)
        else:
            command = c.FailWorkItem(
                work.item,
                outcome.error,
                retryable=outcome.retryable,
                draw=self.draw(work.case, work.item, work.attempt),
                attempt=work.attempt,
            )
        await self._try(driven, command)
        # Its batch has stopped it; if the command was not wanted any more, nothing has.
        if driven.attempts.get(work.item) is attempt:
            del driven.attempts[work.item]

    def _light(self, outcome: Outcome) -> Outcome:
        """An outcome with what is large put aside; what cannot be stored is a failure."""
        try:
            return msgspec.structs.replace(outcome, result=put_aside(outcome.result, self.journal))
        except WorkFailed as error:
            return Outcome(error=describe(error), retryable=error.retryable)
        except JournalError as error:
            return Outcome(error={**error.as_json(), "class": "JournalError"})

    def draw(self, case: CaseId, item: str, attempt: int) -> float:
        """A number between 0 and 1 for the wait after an attempt; with a seed, always the same."""
        if self.seed is None:
            return random.random()
        return random.Random(f"{self.seed} {case} {item} {attempt}").random()

    async def _try(self, driven: _Driven, command: c.Command) -> None:
        """Execute a command of the engine's own; what goes wrong is kept for those who wait."""
        try:
            await driven.live.execute(command, starts=not self._draining)
        except UsageError as error:
            self._break(driven, _internal(error))
        except CommandRejected as error:
            logger.debug("case %s: %s", driven.live.case.id, error)  # the item was cancelled
        except WeftError as error:
            self._break(driven, error)
        except Exception as error:
            logger.exception("case %s: the engine failed", driven.live.case.id)
            self._break(driven, _internal(error))

    def _break(self, driven: _Driven, error: WeftError) -> None:
        """Set a case aside: it cannot be stored. Others go on."""
        driven.live.broken = driven.live.broken or error
        for attempt in list(driven.attempts.values()):
            self._stop(driven, attempt)
        driven.live.tell()

    # ── time ─────────────────────────────────────────────────────────────────────────────────

    def _schedule_retries(self, driven: _Driven, items: Collection[WorkItem]) -> None:
        if driven.performers is None:
            return
        case = driven.live.case.id
        for item in items:
            if item.retry_at is not None:
                self._take_time(self._due, Microseconds(item.retry_at), case, item.id)

    def _schedule_timers(self, driven: _Driven, known: Mapping[str, int]) -> None:
        """Take the timers of a case into the engine's hands, those that are not there yet."""
        driven.scheduled = driven.live.timers
        if driven.performers is None:
            return
        case = driven.live.case.id
        for name, due in driven.scheduled.items():
            if known.get(name) != due:
                self._drop_timers()
                self._take_time(self._timers, Microseconds(due), case, name)

    def _take_time(
        self, heap: list[tuple[Microseconds, int, CaseId, Any]], due: Microseconds, *what: str
    ) -> None:
        """Note what is due when; who keeps the time hears of it if it comes sooner than all else."""
        self._due_count += 1
        made: Any = (due, self._due_count, *what)
        heappush(heap, made)
        if self._alarm_at is None or due < self._alarm_at or self._stepping:
            self._due_changed.set()

    def _drop_timers(self) -> None:
        """Forget the earliest timers, as long as they were cancelled or set to another time."""
        while self._timers and not self._set_to(*self._timers[0]):
            heappop(self._timers)

    def _next_due(self) -> list[Any] | None:
        """The heap with what is due next: a retry, or a timer if its time may pass."""
        self._drop_timers()
        patient = self._patient or not isinstance(self.clock, VirtualClock | LoopClock)
        if self._timers and patient and (not self._due or self._timers[0] < self._due[0]):
            return self._timers
        return self._due or None

    def _set_to(self, due: Microseconds, _: int, case: CaseId, name: str) -> bool:
        """Whether a timer is still set to a time; in a case that does not run, none is.

        When the case is resumed, its timers come into our hands again.
        """
        driven = self._held.get(case)
        return (
            driven is not None
            and driven.live.timers.get(name) == due
            and driven.live.case.status is CaseStatus.RUNNING
        )

    async def _fire_timer(self, due: Microseconds, case: CaseId, name: str) -> None:
        driven = self._held[case]
        command = c.FireTimer(name, due)
        if not isinstance(self.clock, VirtualClock):  # virtual time stands still meanwhile
            self._open().start_soon(self._try, driven, command)
        else:
            await self._try(driven, command)

    async def _keep_time(self) -> None:
        """Begin the retries that are due, and fire the timers, the earliest first."""
        while True:
            self._due_changed = anyio.Event()
            busy = self._stepping and (self._running or self._queue)
            heap = self._next_due()
            if heap is None or busy or self._draining:
                await self._due_changed.wait()
                continue
            due = heap[0][0]
            if due > self.clock.now():
                self._alarm_at = due
                async with anyio.create_task_group() as waiting:
                    waiting.start_soon(self._alarm, due, waiting.cancel_scope)
                    if not self._stepping:
                        await self._due_changed.wait()
                        waiting.cancel_scope.cancel()
                self._alarm_at = None
                continue
            _, _, case, name = heappop(heap)
            if heap is self._timers:
                await self._fire_timer(due, case, name)
                continue
            driven = self._held.get(case)
            item = driven.live.case.items.get(name) if driven is not None else None
            if driven is None or item is None or item.retry_at != due:
                continue
            command = c.RetryWorkItem(name, due=due)
            if self.seed is None:
                self._open().start_soon(self._try, driven, command)
            else:
                await self._try(driven, command)

    async def _keep_lease(self) -> None:
        while True:
            await anyio.sleep(self.lease_seconds / 3)
            self._renewed()

    def _renewed(self) -> None:
        try:
            self.renew()
        except JournalError as error:
            logger.warning("other hosts may take over what this engine drives: %s", error)

    def renew(self) -> None:
        """Give a sign of life: other hosts leave the engine's cases alone for `lease_seconds`.

        Cases that were taken over meanwhile are set aside, and work on them stops: the store would
        refuse its result. An open engine does this by itself, unless it is on virtual time.

        Raises:
            JournalError: The store cannot keep it.
        """
        now = self.clock.now()
        until = Microseconds(now + round(self.lease_seconds * 1_000_000))
        for case in self.journal.renew(self.id, until=until, now=now):
            driven = self._known(case)
            if driven is not None and driven.broken is None:
                message = f"case {case!r} has been taken over by an engine on another host"
                logger.error("%s: the lease of this one had ended", message)
                self._break(driven, JournalConflict(message, where=self.journal.url))

    async def _alarm(self, time: Microseconds, waiting: anyio.CancelScope) -> None:
        await self.clock.sleep_until(time)
        waiting.cancel()


@contextmanager
def _uncollected() -> Iterator[None]:
    """Within the block no cycles of garbage are looked for: almost all that it makes stays."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _there_is(case: str) -> CommandRejected:
    return CommandRejected(f"there is a case {case!r} already", code="case-exists")


def _not_recovered(case: CaseId, error: WeftError) -> None:
    """Tell the operator of a case that does not go on with the others."""
    if isinstance(error, CommandRejected):
        logger.info("case %s is not taken over: %s", case, error)
    else:  # its journal, or its code
        logger.error("case %s cannot be recovered: %s", case, error)


def _result(result: Any) -> Outcome:
    return Outcome(result=result)


def _wanted(attempt: Attempt, item: WorkItem | None) -> bool:
    """Whether an item is still the one, and the state of it, that an attempt was made for."""
    return (
        item is not None
        and item.status is ItemStatus.STARTED
        and item.attempt == attempt.work.attempt
    )


def _placed(
    fault: DefinitionError, specification: Specification | None, net: str, task: Task
) -> DefinitionError:
    """A fault of a connector's configuration, with its place in the file if that is known."""
    if specification is None or fault.line is not None:
        return fault
    path = getattr(fault, "path", ())
    location = specification.location(net, "tasks", task.name, str(task.connector), *path)
    return specification.source.fault(location, fault.message, code=fault.code)


def _nobody(_: CaseId, __: Any) -> None:
    """A journal that is told of every batch has no lanes."""


def _internal(error: Exception) -> InternalError:
    made = InternalError(f"{type(error).__name__}: {error}; please report this")
    made.__cause__ = error
    return made


_ID = re.compile("[a-zA-Z0-9._-]{1,200}").fullmatch


class Case:
    """The handle of a case: what a user holds.

    Its properties show the newest durable state; its methods send commands and come back when
    their events are durable.
    """

    def __init__(self, engine: Engine, held: Any) -> None:
        self._engine = engine
        self._held = held
        """What the engine knows of the case; or the lane in which it has begun."""

    @property
    def _driven(self) -> _Driven:
        held = self._held
        if type(held) is not _Driven:
            held = self._held = self._engine.hold(held)
        return held

    @property
    def _lane(self) -> Any:
        """The lane in which the case is known; None: it is in none."""
        held = self._held
        if type(held) is _Driven:
            return held.live.lane
        return held if held.attached else self._driven.live.lane

    def __repr__(self) -> str:
        return f"<Case {self.id} {self.status.value}>"

    @property
    def state(self) -> CaseState:
        """The state, an immutable value."""
        if self._driven.left:
            return self._engine.read(self._driven.live.case.id)
        return self._driven.live.case

    async def _loaded(self) -> _Driven:
        """The case in the engine's hands, again if it had been given back to the store."""
        if self._driven.left:
            self._held = (await self._engine.open(self._driven.live.case.id))._driven
        return self._driven

    def _starts(self, driven: _Driven) -> bool:
        """Whether automatic tasks may begin in what a command leads to."""
        return driven.performers is not None and not self._engine.draining

    @property
    def id(self) -> CaseId:
        """The id, unique in the store."""
        lane = self._lane
        name: CaseId = self._driven.live.case.id if lane is None else lane.case
        return name

    @property
    def status(self) -> CaseStatus:
        """Where the case stands."""
        held = self._held
        lane = held if type(held) is not _Driven and held.attached else self._lane
        if lane is None:
            return self.state.status
        status: CaseStatus = lane.status
        return status

    @property
    def idle(self) -> bool:
        """Whether it is running and has nothing to do until the outside acts."""
        lane = self._lane
        return idle(self.state) if lane is None else bool(lane.parked)

    @property
    def data(self) -> dict[str, JsonValue]:
        """A copy of the case's variables."""
        held = self._held
        lane = held if type(held) is not _Driven and held.attached else self._lane
        copied: dict[str, JsonValue] | None = None if lane is None else lane.copied()
        if copied is None:
            data = self.state.data if lane is None else lane.data
            copied = {name: jsonvalue.copy(value) for name, value in data.items()}
        return copied

    @property
    def error(self) -> dict[str, Any] | None:
        """What a failed case stands on."""
        error = self.state.error
        return None if error is None else {k: jsonvalue.copy(v) for k, v in error.items()}

    @property
    def events(self) -> int:
        """How many events its journal holds."""
        lane = self._lane
        return self._driven.live.sequence if lane is None else int(lane.sequence)

    @property
    def work_items(self) -> Sequence[WorkItem]:
        """The open work items, in the order in which they came up."""
        return tuple(self.state.items.values())

    def work_list(self) -> Sequence[OpenItem]:
        """The items that somebody outside may act on."""
        return self._engine.journal.worklist(case=self.id)

    def marking(self) -> dict[int, dict[str, int]]:
        """Where the tokens are: scope to place to count."""
        return self.state.marking()

    def waiting(self) -> Sequence[WaitingJoin]:
        """Why each join waits that does: which token can still reach it, and by which path."""
        return waiting_joins(self.state, work=self._engine.limits.merge_work)

    async def trigger(
        self,
        trigger: str,
        data: JsonValue = None,
        *,
        key: str | None = None,
        by: str | None = None,
        id: str | None = None,
    ) -> Delivery:
        """Send a trigger to the case, and say what has become of it.

        Args:
            trigger: Its name; a task of the case waits for it, will wait or has waited.
            data: What it carries; it has to fit the variables that take it.
            key: Only a wait that asks for this correlation key, or for none, takes it.
            by: Who sends it.
            id: With one it has its effect once, however often it is sent.

        Raises:
            CommandRejected: The case has ended, or knows no such trigger.
            UsageError: The data do not fit.
        """
        command = c.DeliverTrigger(trigger, data, key, by)
        driven = await self._loaded()
        batch = await driven.live.execute(command, id=id, starts=self._starts(driven))
        if batch is None:
            return Delivery.REPEATED
        return _DELIVERIES[type(batch.events[0])]

    async def wait(self, *, timers: bool = False) -> CaseStatus:
        """Wait until the case ends, stops or is idle.

        With ``timers``, a case that waits for a time is not idle: its timers fire here. In a failed case what was running ends first. It also comes back, with the case
        *running*, when this engine has nothing under way for it: because it is stopping, or
        because the case was opened and not resumed.

        Raises:
            JournalError: It could not be stored; it is as its journal says.
        """
        lane = self._lane
        if lane is not None:
            if lane.told:
                await self._engine.ride(self._driven, lane)
            else:
                while self._engine.hurry(lane):
                    await self._engine.give_turn()
            if lane.ended:
                return CaseStatus.COMPLETED
            if lane.parked and lane.attached:
                return CaseStatus.RUNNING
        driven = await self._loaded()
        if timers:
            with self._engine.patience():
                return await self._wait(driven, timers=True)
        return await self._wait(driven, timers=False)

    async def _wait(self, driven: _Driven, *, timers: bool) -> CaseStatus:
        while True:
            if driven.broken is not None:
                raise driven.broken
            if self.status is CaseStatus.FAILED:
                under_way = driven.at_work
            elif self.status is not CaseStatus.RUNNING:
                return self.status
            elif timers and driven.live.timers and not self._engine.draining:
                under_way = True
            elif self.idle:
                return self.status
            elif driven.live.in_lane and not self._engine.stands:
                under_way = True
            elif self._engine.draining:
                under_way = driven.at_work
            else:
                under_way = bool(driven.attempts or driven.live.retries)
            if not under_way:
                return self.status
            await driven.live.change()

    async def execute(self, command: c.Command, *, id: str | None = None) -> None:
        """Send a command; one with an ``id`` has its effect once, however often it is sent.

        Raises:
            CommandRejected: It does not fit the state; nothing has happened.
            JournalError: It could not be stored; nothing has happened.
        """
        driven = await self._loaded()
        stood = driven.live.state is not None and self.status is not CaseStatus.RUNNING
        await driven.live.execute(command, id=id, starts=self._starts(driven))
        if stood and self.status is CaseStatus.RUNNING:
            # What was waiting for its turn when the case failed, or was interrupted by a crash
            # and not begun again while it was suspended.
            await self._recover()

    async def begin(self, item: str, *, by: str | None = None, id: str | None = None) -> None:
        """Start an offered item (the command is called ``start``)."""
        await self.execute(c.StartWorkItem(ItemId(item), by), id=id)

    async def complete(
        self, item: str, result: JsonValue = None, *, by: str | None = None, id: str | None = None
    ) -> None:
        """Complete an item with its result; an offered one is started first."""
        open_item = self.state.items.get(item)
        if open_item is not None:
            self._check_answer(open_item, result)
        result = put_aside(result, self._engine.journal)
        await self.execute(c.CompleteWorkItem(ItemId(item), result, by=by), id=id)

    def whole(self, value: JsonValue) -> Any:
        """A value of the case's data with what was put aside for its size in its place.

        Raises:
            JournalError: It is not in the store, or was changed.
        """
        return whole(value, self._engine.journal)

    def _check_answer(self, item: WorkItem, result: JsonValue) -> None:
        task = self.state.task(item)
        if task.connector is None:
            return
        check = getattr(self._engine.connectors.get(task.connector), "check_answer", None)
        faults = check(task.config, result) if check is not None else []
        if faults:
            raise UsageError(
                f"the answer to work item {item.id!r} does not fit: {'; '.join(faults)}",
                code="answer",
                where=f"case {self.id}",
            )

    async def fail(
        self, item: str, reason: str, *, by: str | None = None, id: str | None = None
    ) -> None:
        """Fail a started item for a reason."""
        error = {"class": "WorkFailed", "code": "reported", "message": reason, "where": None}
        held = self.state.items.get(item)
        draw = self._engine.draw(self.id, item, held.attempt if held is not None else 0)
        await self.execute(c.FailWorkItem(ItemId(item), error, draw=draw, by=by), id=id)

    async def retry(self, item: str, *, by: str | None = None, id: str | None = None) -> None:
        """Attempt a held item again, now."""
        await self.execute(c.RetryWorkItem(ItemId(item), by), id=id)

    async def give_up(self, item: str, *, by: str | None = None, id: str | None = None) -> None:
        """Take the error branch of a held item."""
        await self.execute(c.GiveUpWorkItem(ItemId(item), by), id=id)

    async def add(
        self,
        task: str,
        data: JsonValue = None,
        *,
        scope: int | None = None,
        by: str | None = None,
        id: str | None = None,
    ) -> None:
        """Add an instance, with these data for its item, to a task that is open for more.

        ``scope`` says where, if the task is open in several scopes at the same time.
        """
        await self.execute(c.AddInstance(task, data, scope, by), id=id)

    async def seal(
        self,
        task: str,
        *,
        scope: int | None = None,
        by: str | None = None,
        id: str | None = None,
    ) -> None:
        """Say that no more instances will be added to a task."""
        await self.execute(c.SealTask(task, scope, by), id=id)

    async def claim(self, item: str, by: str, *, id: str | None = None) -> None:
        """Take an offered item for somebody."""
        await self.execute(c.ClaimWorkItem(ItemId(item), by), id=id)

    async def release(self, item: str, *, by: str | None = None, id: str | None = None) -> None:
        """Give a claimed item back."""
        await self.execute(c.ReleaseWorkItem(ItemId(item), by), id=id)

    async def delegate(
        self, item: str, to: str, *, by: str | None = None, id: str | None = None
    ) -> None:
        """Hand an item to somebody else."""
        await self.execute(c.DelegateWorkItem(ItemId(item), to, by), id=id)

    async def suspend(self, reason: str = "") -> None:
        """Start no new work until the case is resumed; what runs may end."""
        await self.execute(c.SuspendCase(reason))

    async def cancel(self, reason: str = "", *, by: str | None = None) -> None:
        """Withdraw everything; the case is recorded as cancelled."""
        await self.execute(c.CancelCase(reason, by))

    async def resume(self) -> None:
        """Go on: after a crash, a failure, a deadlock or a pause.

        Raises:
            CommandRejected: The case is completed or cancelled.
        """
        if self.status is not CaseStatus.RUNNING:
            await self.execute(c.ResumeCase())
        if self.status is CaseStatus.RUNNING:
            await self._recover()

    async def _recover(self) -> None:
        lost = any(
            item.status is ItemStatus.STARTED and item.id not in self._driven.attempts
            for item in self.state.items.values()
        )
        crashed, self._driven.crashed = self._driven.crashed, False
        if lost or not self._driven.attempts:
            under_way = frozenset(map(ItemId, self._driven.attempts))
            await self.execute(c.RecoverCase(under_way, crashed))

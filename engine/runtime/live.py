"""A case in an engine's hands: its state, where its journal ends, and its one door.

Every change goes through `LiveCase.execute`: decide, make durable, adopt, tell. One command at a
time, in the order of the calls; nobody sees a state that is not durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from typing import Any, Protocol, cast

import anyio
import msgspec

from weft.engine import commands as c
from weft.engine import events as e
from weft.engine.case import CaseState, WorkItem, restore, snapshot
from weft.engine.decide import Decision, Limits, begins, decide
from weft.engine.evolve import evolve_all
from weft.engine.lifecycle import CaseStatus, ItemStatus
from weft.engine.net import CompiledSpecification, Task
from weft.engine.ports import (
    Append,
    AwaitedTrigger,
    CaseId,
    CaseSummary,
    Clock,
    History,
    ItemId,
    Journal,
    Microseconds,
    OpenItem,
    Record,
    ScopeId,
)
from weft.engine.runtime.lanes import Asked, Book
from weft.engine.table import unordered
from weft.schema.errors import JournalError, UsageError, WeftError

__all__ = [
    "Batch",
    "LiveCase",
    "Proposal",
    "Stored",
    "UnderWay",
    "find_case",
    "idle",
    "item_timer",
    "open_row",
    "read_case",
    "replay",
    "stored_net",
    "touched_by",
]


class Batch(msgspec.Struct, frozen=True):
    """What one command has done, after it became durable."""

    case: CaseId
    before: CaseState | None
    after: CaseState
    events: tuple[e.Event, ...]
    records: tuple[Record, ...]
    touched: Sequence[str] = ()
    """The ids of the items that it may have changed, each once, in order."""


class Proposal(msgspec.Struct, frozen=True, eq=False):
    """A command that was decided, and the batch that makes it durable.

    ``retries`` and ``timers`` are those that the case will wait for.
    """

    decision: Decision
    batch: Append
    touched: Sequence[str]
    retries: Mapping[str, int]
    timers: Mapping[str, int]


def idle(case: CaseState) -> bool:
    """Whether a running case has nothing to do until the outside acts.

    It is idle when no item waits for a retry, no item with an automatic connector is started,
    and none can be: an engine that was stopping may have left some to be started.
    """
    if case.status is not CaseStatus.RUNNING:
        return False
    held = False
    for scope, task, status in case.tally:
        known = case.net(scope).tasks[task]
        if status is ItemStatus.STARTED and known.automatic and known.child is None:
            return False
        held = held or status is ItemStatus.FAILED
    if held and any(item.retry_at is not None for item in unordered(case.items)):
        return False
    return not begins(case)


def _retries(
    known: Mapping[str, int], case: CaseState, touched: Iterable[str]
) -> Mapping[str, int]:
    """The retries that a case waits for, by item: those known before, with what has changed."""
    found = known
    for name in touched:
        item = case.items.get(name)
        found = _noted(found, known, name, None if item is None else item.retry_at)
    return found


def _timers(known: Mapping[str, int], case: CaseState, touched: Iterable[str]) -> Mapping[str, int]:
    """The timers of a case by their names: of what waits for a time, and the next of each item."""
    if case.status.final:
        return {}
    found: Mapping[str, int] = known
    if case.waits or any("." in name for name in known):
        found = {
            **{name: due for name, due in known.items() if "." not in name},
            **{wait.id: wait.due for wait in case.waits.values() if wait.due is not None},
        }
    for name in touched:
        item = case.items.get(name)
        found = _noted(found, known, name, None if item is None else item_timer(case, item))
    return found


def _noted(
    found: Mapping[str, int], known: Mapping[str, int], name: str, due: int | None
) -> Mapping[str, int]:
    """What was found, with a time (None: without one); what was known before stays as it is."""
    if found.get(name) == due:
        return found
    changed = dict(found) if found is known else cast("dict[str, int]", found)
    if due is None:
        del changed[name]
    else:
        changed[name] = due
    return changed


def item_timer(case: CaseState, item: WorkItem) -> int | None:
    """When the next timer of an item is due: its reminder, or its time-out."""
    if item.due is None or item.reminded or not case.task(item).reminds:
        return item.expires
    return item.due if item.expires is None else min(item.due, item.expires)


def _awaited(case: CaseState) -> dict[str, AwaitedTrigger]:
    """The rows by which triggers find a case, by wait.

    Besides what waits now: branches that begin by a trigger, and triggers that the case keeps
    (only those that ask for no key: before the wait begins nobody knows which key it will be).
    """
    nets = case.compiled
    if case.status.final or not nets.triggers:
        return {}
    rows: dict[str, tuple[str, str | None]] = {
        w.id: (w.trigger, w.key) for w in case.waits.values() if w.trigger is not None
    }
    for scope in case.scopes.values():
        for wait in nets.nets[scope.net].waits.values():
            if wait.source and wait.trigger is not None:
                rows[f"{wait.name}@{scope.id}"] = (wait.trigger, None)
    for trigger, waits in nets.triggers.items():
        if any(wait.kept and wait.key is None for _, wait in waits):
            rows[f"(kept) {trigger}"] = (trigger, None)
    return {
        wait: AwaitedTrigger(case.id, wait, trigger, key) for wait, (trigger, key) in rows.items()
    }


def _index_changes(
    before: CaseState | None, after: CaseState
) -> tuple[Sequence[AwaitedTrigger], Sequence[str]]:
    """The rows of the index of triggers that a batch adds, and the waits whose rows it removes."""
    if not after.compiled.triggers or (
        before is not None
        and before.waits is after.waits
        and before.scopes.keys() == after.scopes.keys()
        and not after.status.final
    ):
        return (), ()
    old = {} if before is None else _awaited(before)
    new = _awaited(after)
    return [row for wait, row in new.items() if wait not in old], [w for w in old if w not in new]


def _encoded(value: object) -> bytes | None:
    return None if value is None else msgspec.json.encode(value)


class UnderWay:
    """Something that is on its way to the journal, and will be settled one way or the other."""

    settled = False

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    def settle(self) -> None:
        """It is durable, or it has failed: tell those who wait."""
        self.settled = True
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    async def over(self) -> None:
        """Wait until it is settled; who is cancelled waits no longer."""
        if not self.settled:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future


class Drives(Protocol):
    """The engine, as its cases see it."""

    journal: Journal
    clock: Clock
    limits: Limits
    snapshot_every: int
    seed: int | None

    def adopt(self, driven: Any, batch: Batch) -> None:
        """Do what follows from a durable batch."""
        ...

    def leave_lane(self, driven: Any) -> None:
        """Take a case out of its lane."""
        ...


class LiveCase:
    """A case that this engine drives.

    While it is in a ``lane`` (`weft.engine.runtime.lanes`), its state is known there; it has to
    leave it (``leave``) before anything is done to it here.
    """

    started = updated = Microseconds(0)
    snapshot_at = 0
    retries: Mapping[str, int] = {}
    """When held items are due, by id: what the case does by itself."""
    timers: Mapping[str, int] = {}
    """When the timers of the process are due, by wait or item: what it waits for."""
    broken: WeftError | None = None
    lane: Any = None
    driven: Any = None
    """What the engine knows of the case besides."""
    starting: UnderWay | None = None
    """What is on its way to the journal, where it does not hold the door: the start of the case, or
    its recovery, with that of others."""
    _state: CaseState | None = None
    _sequence = 0
    _hash: bytes | None = e.GENESIS
    _waiting: list[asyncio.Future[None]] | None = None
    _door: anyio.Lock | None = None

    def __init__(self, engine: Drives, book: Book | None = None) -> None:
        self.engine = engine
        self.journal = engine.journal
        self.book = book

    @property
    def in_lane(self) -> bool:
        """Whether it is in a lane, and goes on there."""
        return self.lane is not None and not self.lane.ended

    def leave(self) -> None:
        """Leave the lane."""
        if self.driven is None:
            self.close()
        else:
            self.engine.leave_lane(self.driven)

    @property
    def state(self) -> CaseState | None:
        """The durable state; None before the case has started."""
        return self._state if self.lane is None else cast("CaseState", self.lane.freeze())

    @state.setter
    def state(self, state: CaseState) -> None:
        self._state = state

    @property
    def sequence(self) -> int:
        """How many events the journal holds."""
        return self._sequence if self.lane is None else int(self.lane.sequence)

    @property
    def hash(self) -> bytes:
        """The hash of the newest event."""
        if self._hash is None:
            at = self._sequence
            [last] = self.journal.records(self.case.id, after=at - 1, until=at)
            self._hash = last.hash
        return self._hash

    async def change(self) -> None:
        """Wait for the next change."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._waiting is None:
            self._waiting = []
        waiting = self._waiting
        waiting.append(future)
        try:
            await future
        except BaseException:  # who waits was cancelled
            waiting.remove(future)
            raise

    @property
    def commanded(self) -> bool:
        """Whether a command is on its way."""
        return self.starting is not None or (self._door is not None and self._door.locked())

    @property
    def busy(self) -> bool:
        """Whether a command is being executed, or somebody waits for a change."""
        return self.commanded or bool(self._waiting)

    def close(self) -> None:
        """Leave the lane: what is known there is known here from now on."""
        lane = self.lane
        self._state = lane.freeze()
        self._sequence, self._hash = lane.sequence, lane.link
        self.snapshot_at = lane.snapshot_at
        self.started, self.updated = Microseconds(lane.started), Microseconds(lane.updated)
        self.lane = None

    def take_over(self, stored: Stored) -> None:
        """Go on from what the journal tells."""
        self.state = stored.state
        self._sequence, self._hash = stored.sequence, stored.hash
        self.started, self.updated = stored.summary.started, stored.summary.updated
        self.snapshot_at = stored.snapshot_at
        self.retries = _retries({}, stored.state, stored.state.items)
        self.timers = _timers({}, stored.state, stored.state.items)

    @property
    def case(self) -> CaseState:
        """The durable state; there is one as soon as the case has started."""
        if self.state is None:
            raise JournalError("the case has not started")
        return self.state

    async def execute(
        self, command: c.Command, *, id: str | None = None, starts: bool = True
    ) -> Batch | None:
        """Decide a command and make it durable.

        Args:
            command: What is asked.
            id: The caller's id of the command; None is given back when it has had its effect.
            starts: Whether automatic tasks may start.

        Raises:
            CommandRejected: It does not fit the state.
            UsageError: It says something that cannot be stored.
            JournalError: It could not be made durable; the case is as it was.
        """
        if self._door is None:
            self._door = anyio.Lock(fast_acquire=True)
        door = self._door
        with anyio.CancelScope(shield=True) if door.locked() else nullcontext():
            await door.acquire()
        try:
            if self.starting is not None:
                with anyio.CancelScope(shield=True):
                    await self.starting.over()
            proposal = self.propose(command, id=id, starts=starts)
            if proposal is None:
                return None
            durable = self.journal.append(proposal.batch)
            if durable is not None:
                # Nobody may walk away from a commit: it happens or it does not.
                with anyio.CancelScope(shield=True):
                    await durable
            return self.adopt(proposal)
        finally:
            door.release()

    def propose(
        self, command: c.Command, *, id: str | None = None, starts: bool = True
    ) -> Proposal | None:
        """Decide a command, and make the batch that will make it durable; see `execute`.

        Nothing has changed yet. Until the batch is durable and taken on (`adopt`), no other
        command may be decided. None: nothing follows.
        """
        if self.broken is not None:
            raise self.broken
        if self.lane is not None:
            self.leave()
        before = self.state
        if id is not None and before and self.journal.command_seen(before.id, id):
            return None
        engine = self.engine
        now = engine.clock.now()
        order = None if engine.seed is None else f"{engine.seed} {self.sequence} order"
        asked: Asked = []
        decision = decide(
            *(before, command),
            time=now,
            limits=engine.limits,
            starts=starts,
            order=order,
            asked=asked,
        )
        if not decision.events:
            return None
        if self.book is not None and starts:
            self.book.learn(before, command, decision, asked)
        touched = touched_by(before, decision.events)
        retries = _retries(self.retries, decision.case, touched)
        timers = _timers(self.timers, decision.case, touched)
        try:
            batch = self._append(decision, now, id, touched, retries, timers)
        except (UnicodeError, TypeError, OverflowError, RecursionError) as error:
            raise UsageError(f"this cannot be stored: {error}", code="not-storable") from error
        return Proposal(decision, batch, touched, retries, timers)

    def _append(
        self,
        decision: Decision,
        now: Microseconds,
        id: str | None,
        touched: Sequence[str],
        retries: Mapping[str, int],
        timers: Mapping[str, int],
    ) -> Append:
        """The batch that makes a decision durable."""
        before, after = self.state, decision.case
        records = self._records(after.id, decision.events, now)
        last = records[-1].sequence
        opened, closed = _work_list_changes(before, after, touched)
        wake_at = min((*retries.values(), *timers.values()), default=None)
        awaits, unawaits = _index_changes(before, after)
        due = last - self.snapshot_at >= self.engine.snapshot_every
        return Append(
            case=after.id,
            expected=self.sequence,
            records=records,
            summary=CaseSummary(
                case=after.id,
                specification=after.compiled.name,
                version=after.compiled.version,
                net=after.compiled.hash,
                status=after.status.value,
                idle=idle(after),
                started=self.started or now,
                updated=now,
                sequence=last,
                wake_at=None if wake_at is None else Microseconds(wake_at),
                error=_encoded(after.error),
            ),
            command=id,
            opened=opened,
            closed=closed,
            snapshot=snapshot(after, last, records[-1].hash) if due else None,
            awaits=awaits,
            unawaits=unawaits,
        )

    def adopt(self, proposal: Proposal) -> Batch:
        """Take on what is durable now, and tell those who wait."""
        decision, batch = proposal.decision, proposal.batch
        before, self.state = self.state, decision.case
        last = batch.records[-1]
        self._sequence, self._hash = last.sequence, last.hash
        self.started, self.updated = batch.summary.started, batch.summary.updated
        if batch.snapshot is not None:
            self.snapshot_at = last.sequence
        self.retries, self.timers = proposal.retries, proposal.timers
        done = Batch(
            *(batch.case, before, decision.case, decision.events, tuple(batch.records)),
            proposal.touched,
        )
        self.engine.adopt(self.driven, done)
        self.tell()
        return done

    def tell(self) -> None:
        """Wake all who wait for a change."""
        waiting, self._waiting = self._waiting, None
        for future in waiting or ():
            if not future.done():
                future.set_result(None)

    def _records(
        self, case: CaseId, events: Sequence[e.Event], now: Microseconds
    ) -> tuple[Record, ...]:
        records = []
        before = self.hash
        for sequence, event in enumerate(events, self.sequence + 1):
            made = e.record(event, case=case, sequence=sequence, time=now, before=before)
            records.append(made)
            before = made.hash
        return tuple(records)


def _listed(case: CaseState, item: WorkItem) -> bool:
    """Whether an item is on the work list: somebody outside may act on it."""
    task = case.task(item)
    return not task.automatic or (item.status is ItemStatus.FAILED and item.retry_at is None)


def _row(case: CaseState, item: WorkItem) -> OpenItem:
    return open_row(case.id, case.task(item), item)


def open_row(case: CaseId, task: Task, item: WorkItem) -> OpenItem:
    """An item of the work list."""
    config = task.config if isinstance(task.config, dict) else {}
    role = config.get("role")
    return OpenItem(
        item=ItemId(item.id),
        case=case,
        task=item.task,
        scope=ScopeId(item.scope),
        status=item.status.value,
        attempt=item.attempt,
        role=role if isinstance(role, str) else None,
        claimed_by=item.claimed_by,
        due=None if (due := _soonest(item)) is None else Microseconds(due),
        form=_encoded({"config": task.config, "inputs": item.inputs, "title": task.title}),
    )


def _soonest(item: WorkItem) -> int | None:
    """When an item should be done: when it is due, or at the latest when it times out."""
    times = [time for time in (item.due, item.expires) if time is not None]
    return min(times, default=None)


def touched_by(before: CaseState | None, events: Sequence[e.Event]) -> Sequence[str]:
    """The ids of the items that a batch may have changed, each once, in order.

    A batch has few of them even where a case has many.
    """
    names: dict[str, None] = {}
    for event in events:
        if isinstance(event, e.CaseCompleted | e.CaseCancelled):
            names.update(dict.fromkeys(before.items if before is not None else ()))
        elif (name := getattr(event, "item", None)) is not None:
            names[name] = None
        if cancelled := getattr(event, "cancelled", ()):
            names.update(dict.fromkeys(cancelled))
    return tuple(names)


def _work_list_changes(
    before: CaseState | None, after: CaseState, touched: Iterable[str]
) -> tuple[list[OpenItem], list[ItemId]]:
    """The rows of the work list that a batch opens or changes, and those that it closes."""
    opened: list[OpenItem] = []
    closed: list[ItemId] = []
    for name in touched:
        old = before.items.get(name) if before is not None else None
        new = after.items.get(name)
        if new is not None and _listed(after, new):
            opened.append(_row(after, new))
        elif before is not None and old is not None and _listed(before, old):
            closed.append(ItemId(name))
    return opened, closed


class Stored(msgspec.Struct, frozen=True):
    """A case as its journal tells it: the state, and where the journal ends."""

    state: CaseState
    summary: CaseSummary
    sequence: int
    hash: bytes
    snapshot_at: int = 0


def read_case(
    journal: Journal,
    summary: CaseSummary,
    compiled: CompiledSpecification,
    *,
    at: int | None = None,
    history: History | None = None,
) -> Stored:
    """A stored case: its newest snapshot and the events after it, or its ``history``.

    No user code runs, and no guard is asked again.

    Args:
        journal: The store.
        summary: The case.
        compiled: The nets that the case pinned.
        at: Stop after this event: the case as it was.
        history: What has been read of it already.

    Raises:
        JournalError: The journal is damaged; the message says at which event.
    """
    state: CaseState | None
    if history is not None and history.records:
        with suppress(JournalError):  # there may be a snapshot behind what is wrong
            state = replay(None, history.records, compiled, case=summary.case)
            last = history.records[-1]
            return Stored(state, summary, last.sequence, last.hash)
    kept = journal.snapshot(summary.case, until=at)
    state, before, after = None, e.GENESIS, 0
    if kept is not None:
        state, link = restore(kept, compiled)
        if state is not None:
            before, after = link, kept.sequence
    records = journal.records(summary.case, after=after, until=at)
    state = replay(state, records, compiled, case=summary.case, after=after, before=before)
    if not records:
        return Stored(state, summary, after, before, after)
    return Stored(state, summary, records[-1].sequence, records[-1].hash, after)


def find_case(journal: Journal, case: str) -> CaseSummary:
    """The summary of a case.

    Raises:
        UsageError: There is no such case; the newest ones are named.
    """
    summary = journal.summary(CaseId(case))
    if summary is None:
        newest = [s.case for s in journal.cases(limit=5)]
        known = f"; the newest are {', '.join(newest)}" if newest else "; there are no cases"
        raise UsageError(f"there is no case {case!r}{known}", code="no-case", where=journal.url)
    return summary


def stored_net(journal: Journal, hash: str) -> CompiledSpecification:
    """The nets that a case pinned.

    Raises:
        JournalError: They are not in the store, or were changed.
    """
    content = journal.net(hash)
    if content is None:
        raise JournalError(
            f"the net {hash[:12]} is not in the store", code="corrupt", where=journal.url
        )
    return CompiledSpecification.from_content(content, hash=hash)


def replay(
    state: CaseState | None,
    records: Sequence[Record],
    compiled: CompiledSpecification,
    *,
    case: CaseId,
    after: int = 0,
    before: bytes = e.GENESIS,
) -> CaseState:
    """The case that records make of a state (None: from nothing), their chain checked.

    Raises:
        JournalError: A link is broken, a record is missing, or an event does not fit.
    """
    if records and records[0].sequence != after + 1:
        raise JournalError(f"event {after + 1} is missing", code="corrupt", where=f"case {case}")
    broken = e.broken_link(case, records, before)
    if broken is not None:
        raise JournalError(
            f"the journal was changed or damaged at event {broken}: its hash does not fit the "
            "chain",
            code="corrupt",
            where=f"case {case}",
        )
    try:
        return evolve_all(state, (e.decode(r) for r in records), compiled=compiled)
    except JournalError as error:
        error.where = f"case {case}" + (f", {error.where}" if error.where else "")
        raise

"""What the engine needs from outside, as protocols: a journal, a clock, connectors.

The core (`decide`, `evolve`) calls none of them; `engine.runtime` does.
Times are whole microseconds since 1970-01-01 UTC (`Microseconds`); durations are seconds
(`float`) where a person writes them and microseconds where they are added to a time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from pathlib import Path
from typing import Any, NewType, Protocol, runtime_checkable

import attrs
import msgspec

from weft.engine.tokens import CancelToken
from weft.schema.errors import CommandRejected, JournalError
from weft.schema.jsonvalue import JsonValue

__all__ = [
    "Append",
    "AwaitedTrigger",
    "CaseClaimed",
    "CaseId",
    "CaseSummary",
    "Clock",
    "Connector",
    "Direct",
    "EngineId",
    "History",
    "ItemId",
    "Journal",
    "JournalConflict",
    "Microseconds",
    "OpenItem",
    "Performer",
    "Record",
    "ScopeId",
    "Snapshot",
    "StoredSpecification",
    "Tracing",
    "Work",
    "Worker",
]

CaseId = NewType("CaseId", str)
"""Names a case; unique in a store; letters, digits, ``.``, ``_`` and ``-``."""

ItemId = NewType("ItemId", str)
"""Names a work item within its case, such as ``approve/2``; never used again."""

ScopeId = NewType("ScopeId", int)
"""Names a scope (a live net) within its case: 0 is the case's own."""

EngineId = NewType("EngineId", str)
"""Names a running engine: the owner of claims."""

Microseconds = NewType("Microseconds", int)
"""A point in time: microseconds since 1970-01-01 UTC."""


# ── the journal ──────────────────────────────────────────────────────────────────────────────


class JournalConflict(JournalError):
    """Another writer has appended to this case first; nothing of this append was stored."""

    default_code = "conflict"


class CaseClaimed(CommandRejected):
    """Another engine that is alive drives this case."""

    default_code = "claimed"


class Record(msgspec.Struct, frozen=True):
    """One event as a store keeps it: bytes that the store never looks into.

    ``sequence`` counts from 1 within the case, without gaps.
    ``hash`` is the link of the chain: 32 bytes over the hash before and all other fields.
    """

    sequence: int
    type: str
    version: int
    time: Microseconds
    data: bytes
    hash: bytes


class CaseSummary(msgspec.Struct, frozen=True):
    """What lists and queries need to know of a case without replaying it.

    ``wake_at`` is the next time at which the case has something to do by itself, or None.
    ``error`` is the JSON of the error that a failed or suspended case stands on, or None.
    """

    case: CaseId
    specification: str
    version: str
    net: str
    status: str
    idle: bool
    started: Microseconds
    updated: Microseconds
    sequence: int
    wake_at: Microseconds | None = None
    error: bytes | None = None


class OpenItem(msgspec.Struct, frozen=True):
    """A work item that somebody outside the engine may act on: a row of the work list.

    ``status`` is offered, started or failed; ``form`` is the JSON of what is asked.
    """

    item: ItemId
    case: CaseId
    task: str
    scope: ScopeId
    status: str
    attempt: int
    role: str | None = None
    claimed_by: str | None = None
    due: Microseconds | None = None
    form: bytes | None = None


class AwaitedTrigger(msgspec.Struct, frozen=True):
    """A row of the index by which a trigger finds the cases that it is for.

    ``wait`` is unique in the case; a row with no ``key`` is for triggers with any.
    """

    case: CaseId
    wait: str
    trigger: str
    key: str | None = None


class Snapshot(msgspec.Struct, frozen=True):
    """The encoded state of a case after the event ``sequence``; replay goes on from there."""

    sequence: int
    format: int
    data: bytes


class History(msgspec.Struct, frozen=True):
    """A case as its store tells it: its summary, and all of its events."""

    summary: CaseSummary
    records: Sequence[Record]


class Append(msgspec.Struct, frozen=True):
    """One accepted command: its events and what they change in the tables for queries.

    All of it becomes durable at once, or nothing does.
    ``expected`` is the sequence number of the case's last event before this batch (0: none);
    a store that finds another one raises `JournalConflict` and keeps nothing.
    ``command`` is the caller's id of the command, if it gave one: unique within the case.
    ``opened`` replaces the rows of these items in the work list; ``closed`` removes rows.
    ``awaits`` and ``unawaits`` do the same in the index of awaited triggers.
    """

    case: CaseId
    expected: int
    records: Sequence[Record]
    summary: CaseSummary
    command: str | None = None
    opened: Sequence[OpenItem] = ()
    closed: Sequence[ItemId] = ()
    snapshot: Snapshot | None = None
    awaits: Sequence[AwaitedTrigger] = ()
    unawaits: Sequence[str] = ()


class StoredSpecification(msgspec.Struct, frozen=True):
    """A specification as its author wrote it, and the hash of the net that it compiled to.

    ``origin`` is the absolute path of the folder it was read from (task functions are looked
    up beside it), or None when it was not read from a file.
    """

    name: str
    version: str
    format: str
    source: bytes
    net: str
    origin: str | None
    added: Microseconds


@runtime_checkable
class Journal(Protocol):
    """The append-only store of events, and the tables for queries that go with them.

    Methods raise `JournalError` (with the store's URL in ``where``) when the store cannot do
    what was asked, and `JournalConflict` when another writer was first.
    A journal is used from one thread, that of the event loop.
    """

    url: str

    def append(self, batch: Append) -> Awaitable[None] | None:
        """Make ``batch`` durable, in one transaction with whatever else waits to be written.

        Returns None when it is durable already (in memory), else an awaitable that ends when
        it is. Batches of one case become durable in the order of the calls. A batch that fails
        does not take others with it.
        """
        ...

    def records(
        self, case: CaseId, *, after: int = 0, until: int | None = None
    ) -> Sequence[Record]:
        """The events of a case with ``after < sequence <= until``, in order."""
        ...

    def histories(self, cases: Sequence[CaseId]) -> Mapping[CaseId, History]:
        """Many cases, read together: those with few events, of which none is damaged or gone.

        Whoever is left out is read by itself, which says why.
        """
        ...

    def snapshot(self, case: CaseId, *, until: int | None = None) -> Snapshot | None:
        """The newest snapshot of a case (not behind event ``until``), or None."""
        ...

    def summary(self, case: CaseId) -> CaseSummary | None:
        """The summary of one case, or None when there is no such case."""
        ...

    def cases(
        self, *, status: str | None = None, limit: int | None = None
    ) -> Sequence[CaseSummary]:
        """The cases, newest first (by start), all or those of one status."""
        ...

    def due(self, now: Microseconds, *, limit: int) -> Sequence[CaseId]:
        """Running cases whose ``wake_at`` is not after ``now``, the earliest first."""
        ...

    def stopped(self) -> Sequence[CaseId]:
        """The running cases that are not idle, newest first: somebody has to drive them."""
        ...

    def next_wake(self) -> Microseconds | None:
        """The earliest ``wake_at`` of all running cases; None: no time will wake any."""
        ...

    def awaiting(self, trigger: str, *, key: str | None = None) -> Sequence[CaseId]:
        """The cases that a trigger is for, each once, the one that has waited longest first.

        With a ``key``, those that wait for this one or for any; without, all.
        """
        ...

    def worklist(
        self, *, role: str | None = None, case: CaseId | None = None
    ) -> Sequence[OpenItem]:
        """The open items that somebody may act on, oldest first."""
        ...

    def open_item(self, case: CaseId, item: ItemId) -> OpenItem | None:
        """One row of the work list, or None."""
        ...

    def command_seen(self, case: CaseId, command: str) -> bool:
        """Whether a batch with this command id is durable."""
        ...

    def commanded(self, command: str) -> Sequence[CaseId]:
        """The cases that have a durable batch with this command id, the oldest first.

        It takes time in proportion to how many commands of the store have an id.
        """
        ...

    def put_net(self, hash: str, image: bytes) -> None:
        """Keep a compiled net under the hash of its content; keeping it twice is one."""
        ...

    def net(self, hash: str) -> bytes | None:
        """A compiled net by its hash, or None."""
        ...

    def put_blob(self, hash: str, data: bytes) -> None:
        """Keep a large value under the SHA-256 of its bytes; durable on return.

        Keeping it twice is one.
        """
        ...

    def blob(self, hash: str) -> bytes | None:
        """A large value by its hash, or None; whether it has that hash is for the caller."""
        ...

    def collect(self) -> tuple[int, int]:
        """Remove the large values that no event refers to; how many there were, and their bytes.

        Raises:
            JournalError: An engine is at work on the store (code ``in-use``): a value may be on
                its way into an event.
        """
        ...

    def put_specification(self, specification: StoredSpecification) -> None:
        """Keep a specification; the same name and version with another source replaces it.

        Cases pin their net, so none of them notices.
        """
        ...

    def specifications(self) -> Sequence[StoredSpecification]:
        """All known specifications, by name, then newest first."""
        ...

    def specification(self, name: str, version: str | None = None) -> StoredSpecification | None:
        """One specification: that version, or the one that was added last."""
        ...

    def claim(self, case: CaseId, owner: EngineId, *, now: Microseconds | None = None) -> bool:
        """Take the case for this engine alone; claiming what one has is fine.

        True: another engine had it and has died. On this host that is seen at once; an engine on
        another counts as alive until ``now`` (None: the machine's time) is behind its lease. One
        that lives all the same, and has lost its claim, cannot append to the case any more.

        Raises:
            CaseClaimed: Another engine that is still alive has it.
        """
        ...

    def claim_all(
        self, cases: Sequence[CaseId], owner: EngineId, *, now: Microseconds | None = None
    ) -> Mapping[CaseId, bool]:
        """Take many cases at once; those that another engine has are left out of the answer.

        True: another engine had the case and has died.
        """
        ...

    def renew(
        self, owner: EngineId, *, until: Microseconds, now: Microseconds | None = None
    ) -> Sequence[CaseId]:
        """Let the lease of an engine, by which other hosts know that it lives, end at ``until``.

        Gives the cases that it had claimed and others have taken over since: none, as long as it
        is renewed in time.
        """
        ...

    def release(self, case: CaseId, owner: EngineId) -> None:
        """Give a claim back; giving back what one has not is nothing."""
        ...

    def close(self) -> None:
        """Write what waits, close the store; closing twice is one."""
        ...


# ── the clock ────────────────────────────────────────────────────────────────────────────────


class Clock(Protocol):
    """Where the runtime reads the time, and waits for it."""

    def now(self) -> Microseconds:
        """The time to stamp on events."""
        ...

    async def sleep_until(self, time: Microseconds) -> None:
        """Wait until ``now()`` is not before ``time``."""
        ...


# ── connectors: what performs a work item ────────────────────────────────────────────────────


@attrs.frozen
class Work:
    """One attempt at a work item, as a connector sees it.

    ``inputs`` is a copy of its own: changing it changes nothing elsewhere.
    ``idempotency_key`` is the same for every attempt of the item, also after a crash.
    ``timeout_seconds`` is enforced by the runtime (it cancels the attempt); a connector that
    starts a process must end it when it is cancelled.
    ``traceparent`` is the attempt's place in a trace (W3C Trace Context), to be handed on with the
    work; None: nobody is tracing. ``token`` is cancelled when the attempt is: for functions in
    threads, which nobody can stop (a worker process is killed instead, and has one of its own).
    """

    case: CaseId
    item: ItemId
    task: str
    attempt: int
    idempotency_key: str
    inputs: Mapping[str, JsonValue]
    timeout_seconds: float | None = None
    traceparent: str | None = None
    token: CancelToken = attrs.field(factory=CancelToken, eq=False, repr=False)


class Worker(Enum):
    """Where an attempt runs."""

    INLINE = "inline"
    """Quick synchronous code, called on the event loop's thread."""
    ASYNC = "async"
    """A coroutine on the event loop."""


@attrs.frozen(eq=False)
class Direct:
    """How an inline function may be called with its inputs alone, where no `Work` is asked for.

    It may where the inputs are these very parameters, each of exactly that type (None: any); then
    whatever the function does is what calling the performer would have come to.

    Args:
        function: Called with the inputs by name.
        exact: Its parameters, each with its type.
        result: A plain value of exactly that type (None: of any) is the result as it is.
        finish: Makes the result of any other value, or raises.
        failed: The failure that an exception of the function is; it raises what is none.
    """

    function: Callable[..., Any]
    exact: Sequence[tuple[str, type | None]]
    result: type | None
    finish: Callable[[Any], Any]
    failed: Callable[[BaseException], BaseException]


@attrs.frozen
class Performer:
    """A connector bound to one task: checked once, called for every attempt.

    ``call`` takes a `Work` and gives the result of the attempt as JSON (for `Worker.ASYNC`, an
    awaitable of it). It raises `WorkFailed` or any other exception when the attempt fails.
    Threads and processes are an asynchronous performer's own affair. ``stop_seconds`` is how long
    it may take to end when it is cancelled; one that takes longer is abandoned. Where something
    goes on all the same, the `CancelledError` that leaves it says what in an attribute ``left``.
    ``direct`` is a shorter way to do what ``call`` does, where there is one.
    """

    worker: Worker
    call: Callable[[Work], Any]
    stop_seconds: float = 5.0
    direct: Direct | None = None


class Connector(Protocol):
    """What performs the work items of the tasks that name it (``python:``, ``shell:``…).

    ``automatic`` connectors are started by the engine as soon as the item is offered; the
    others (a person) wait for someone to act.
    """

    kind: str
    automatic: bool

    def bind(
        self,
        task: str,
        config: JsonValue,
        *,
        origin: Path | None,
        inputs: Collection[str] | None = None,
    ) -> Performer | None:
        """Check a task's configuration and give what performs it (None if not automatic).

        ``origin`` is the folder that the specification was read from; ``inputs`` are the names
        of the inputs that the task will be given (None: not known).

        Raises:
            DefinitionError: The configuration is wrong; the message says what is accepted.
        """
        ...

    def result_type(self, config: JsonValue) -> Any:
        """The `DataType` of the result, as far as it is known before the work is done."""
        ...

    async def aclose(self) -> None:
        """Give back threads and processes; called once, when the engine closes."""
        ...


# ── tracing: which trace work belongs to ─────────────────────────────────────────────────────


class Tracing(Protocol):
    """Knows which trace a caller is in, and puts attempts into that of their case.

    The engine asks it; what is traced, and with which library, is not the engine's business.
    """

    def caller(self) -> str | None:
        """The ``traceparent`` (W3C Trace Context) of the caller; None: it is in no trace."""
        ...

    def called_by(self, traceparent: str | None) -> AbstractContextManager[None]:
        """Within it the caller is in that trace; None: where it is anyway."""
        ...

    def traced(self, work: Work, performer: Performer) -> tuple[Work, Performer]:
        """The attempt, made within its place in the trace of its case."""
        ...

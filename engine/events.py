"""What has happened, in the past tense: the events that a journal keeps.

An event says all that `weft.engine.evolve` needs to make the next state; nothing is decided
again in replay. Events name places, transitions and tasks by their names in the pinned net.

Each class is one version of one type. A change of meaning is a new version: the old class stays
readable, and an entry in ``UPCASTS`` turns what was stored into the newest one. They are msgspec
Structs: as immutable as frozen attrs classes, and made and encoded ten times faster, which the
journal's throughput rests on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import msgspec

from weft.engine.ports import CaseId, Microseconds, Record, ScopeId
from weft.schema.errors import JournalError
from weft.schema.jsonvalue import JsonValue

__all__ = [
    "EVENT_TYPES",
    "GENESIS",
    "ROOT",
    "CaseCancelled",
    "CaseCompleted",
    "CaseDeadlocked",
    "CaseFailed",
    "CaseResumed",
    "CaseStarted",
    "CaseSuspended",
    "Event",
    "InstanceAdded",
    "InstancesSealed",
    "ScopeClosed",
    "ScopeOpened",
    "TimerCancelled",
    "TimerFired",
    "TimerSet",
    "TransitionFired",
    "TriggerAwaited",
    "TriggerDiscarded",
    "TriggerKept",
    "TriggerReceived",
    "TriggerUnawaited",
    "WorkItemClaimed",
    "WorkItemCompleted",
    "WorkItemDelegated",
    "WorkItemFailed",
    "WorkItemGivenUp",
    "WorkItemOffered",
    "WorkItemReleased",
    "WorkItemReminded",
    "WorkItemRetried",
    "WorkItemStarted",
    "WorkItemWithdrawn",
    "broken_link",
    "decode",
    "encode",
    "link",
    "record",
]

ROOT = ScopeId(0)


class Event(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The base of all events; ``version`` is the version of the class's fields.

    What they hold is JSON, which no event can be in: the garbage collector passes them by.
    """

    version: ClassVar[int] = 1


# ── the case ─────────────────────────────────────────────────────────────────────────────────


class CaseStarted(Event, frozen=True):
    """A case has begun on the net with that hash; ``data`` are its variables, defaults filled in.

    ``traceparent`` is the trace that whoever started it was in (W3C Trace Context), so that a
    process which goes on with the case goes on with that trace; None: nobody was tracing.
    ``chain`` is how many cases have started one another by events until this one did.
    """

    case: str
    specification: str
    specification_version: str
    net: str
    data: dict[str, Any] = {}
    traceparent: str | None = None
    chain: int = 0


class CaseCompleted(Event, frozen=True):
    """The case is done; every scope is closed.

    ``dropped`` are tokens that were still there, ``unread`` how many triggers of each name the
    case had kept and nothing has consumed.
    """

    by: str | None = None
    dropped: dict[str, int] = {}
    unread: dict[str, int] = {}


class CaseCancelled(Event, frozen=True):
    """The case was cancelled, from outside or by a transition; every scope is closed."""

    reason: str = ""
    by: str | None = None


class CaseFailed(Event, frozen=True):
    """The case has stopped on an error; its marking stays, so that `CaseResumed` can go on."""

    error: dict[str, Any]
    by: str | None = None


class CaseDeadlocked(Event, frozen=True):
    """Nothing can happen any more, and unfinished work is left; the marking stays."""


class CaseSuspended(Event, frozen=True):
    """No new work is started until the case is resumed.

    ``error`` is there when the engine suspended it: what it could not decide.
    """

    reason: str = ""
    error: dict[str, Any] | None = None


class CaseResumed(Event, frozen=True):
    """A suspended, failed or deadlocked case goes on."""


# ── transitions and scopes ───────────────────────────────────────────────────────────────────


class TransitionFired(Event, frozen=True):
    """An immediate transition fired by itself (or one of a plain net by command).

    ``counts`` are the numbers of tokens for its counted arcs, in their order; ``cleared`` says
    how many tokens its reset arcs removed; ``cancelled`` and ``closed`` name the work items and
    child scopes that ended with them.

    Where it begins an activation of a multiple-instance task, ``items`` is the list that was
    found in the data, one for each instance. Where it ends one, ``writes`` are the variables that
    its output mapping yielded; without a mapping the results go to the task's variable, in the
    order of the instances.
    """

    transition: str
    scope: int = 0
    counts: tuple[int, ...] = ()
    cleared: dict[str, int] = {}
    cancelled: tuple[str, ...] = ()
    closed: tuple[int, ...] = ()
    items: list[Any] | None = None
    writes: dict[str, Any] = {}


class ScopeOpened(Event, frozen=True):
    """The child scope of a composite task's work item has begun."""

    scope: int
    item: str
    net: str
    data: dict[str, Any] = {}


class ScopeClosed(Event, frozen=True):
    """A child scope has ended; what was still open below it is cancelled."""

    scope: int
    cancelled: tuple[str, ...] = ()
    closed: tuple[int, ...] = ()
    dropped: dict[str, int] = {}


# ── timers and triggers ──────────────────────────────────────────────────────────────────────


class TimerSet(Event, frozen=True):
    """Something has begun to wait for a time; ``timer`` is the wait's name and a new number.

    ``due`` was computed when it was set, and is not computed again.
    """

    timer: str
    due: int
    scope: int = 0


class TimerFired(Event, frozen=True):
    """A timer was due, and its transition has fired."""

    timer: str
    transition: str
    cleared: dict[str, int] = {}
    cancelled: tuple[str, ...] = ()
    closed: tuple[int, ...] = ()


class TimerCancelled(Event, frozen=True):
    """What had waited for the time has gone another way."""

    timer: str


class TriggerAwaited(Event, frozen=True):
    """Something has begun to wait for a trigger; ``wait`` is the wait's name and a new number.

    ``key`` is the correlation key that it asks for; None: any.
    """

    wait: str
    trigger: str
    scope: int = 0
    key: str | None = None


class TriggerUnawaited(Event, frozen=True):
    """What had waited for the trigger has gone another way."""

    wait: str


class TriggerReceived(Event, frozen=True):
    """A trigger has acted: its transition has fired, and its data are in ``writes``.

    ``wait`` is what had been waiting for it; None when it begins a branch, or was ``kept`` (by
    its number) when the wait began. ``scope`` is given where there was no wait.
    """

    trigger: str
    transition: str
    wait: str | None = None
    kept: int | None = None
    scope: int = 0
    writes: dict[str, Any] = {}
    by: str | None = None
    cleared: dict[str, int] = {}
    cancelled: tuple[str, ...] = ()
    closed: tuple[int, ...] = ()


class TriggerKept(Event, frozen=True):
    """A persistent trigger has come, and nothing waits for it yet; ``number`` gives its order."""

    trigger: str
    number: int
    data: Any = None
    key: str | None = None
    by: str | None = None


class TriggerDiscarded(Event, frozen=True):
    """A transient trigger has come, and nothing waits for it: it has no effect."""

    trigger: str
    key: str | None = None
    by: str | None = None


# ── work items ───────────────────────────────────────────────────────────────────────────────


class WorkItemOffered(Event, frozen=True):
    """A task that waits for somebody may be started.

    The items of automatic tasks start in the batch that enables them; their offers are no events.
    ``instance`` is the number of the instance, in a multiple-instance task.
    ``inputs`` are what the task would be given now, for those who choose what to do; the start
    reads them anew. They are empty where they cannot be read yet: then the start will say why.
    ``due`` is when it should be done, ``expires`` when it times out.
    """

    item: str
    task: str
    scope: int = 0
    inputs: dict[str, Any] = {}
    instance: int | None = None
    due: int | None = None
    expires: int | None = None


class WorkItemWithdrawn(Event, frozen=True):
    """An offer is gone: its task can no longer start."""

    item: str


class WorkItemClaimed(Event, frozen=True):
    """Somebody has taken an offered item for themselves."""

    item: str
    by: str


class WorkItemReleased(Event, frozen=True):
    """A claimed item is offered to everybody again."""

    item: str
    by: str | None = None


class WorkItemDelegated(Event, frozen=True):
    """A claimed item is now somebody else's."""

    item: str
    to: str
    by: str | None = None


class WorkItemStarted(Event, frozen=True):
    """The first attempt at an item has begun, with these inputs; its ``start`` has fired.

    ``task``, ``scope``, ``instance``, ``due`` and ``expires`` are given when the item was not
    offered before; ``expires`` also when its time counts from the start.
    """

    item: str
    transition: str
    task: str | None = None
    scope: int = 0
    inputs: dict[str, Any] = {}
    by: str | None = None
    instance: int | None = None
    due: int | None = None
    expires: int | None = None


class WorkItemCompleted(Event, frozen=True):
    """An item is done; ``writes`` are the variables that its output mapping yielded.

    ``result`` is what is kept of an instance's result until all are collected.
    """

    item: str
    writes: dict[str, Any] = {}
    by: str | None = None
    cleared: dict[str, int] = {}
    cancelled: tuple[str, ...] = ()
    closed: tuple[int, ...] = ()
    result: Any = None


class WorkItemFailed(Event, frozen=True):
    """An attempt has failed; the item is held. ``retry_at`` is when the next one is due.

    ``transition`` is given when the item was only offered: nobody had started it in time.
    """

    item: str
    error: dict[str, Any]
    retry_at: int | None = None
    closed: tuple[int, ...] = ()
    cancelled: tuple[str, ...] = ()
    transition: str | None = None


class WorkItemRetried(Event, frozen=True):
    """The next attempt has begun: of a held item, or of one whose attempt was interrupted.

    ``crashed``: it was interrupted by the death of its engine.
    """

    item: str
    attempt: int
    interrupted: bool = False
    by: str | None = None
    crashed: bool = False
    expires: int | None = None


class WorkItemGivenUp(Event, frozen=True):
    """A held item is not attempted again; the flow takes the error branch.

    ``timed_out``: it takes the one for what was not done in time.
    """

    item: str
    writes: dict[str, Any] = {}
    by: str | None = None
    timed_out: bool = False


class WorkItemReminded(Event, frozen=True):
    """An open item is due: another branch begins, and the item stays as it is."""

    item: str
    transition: str


# ── multiple instances ───────────────────────────────────────────────────────────────────────


class InstanceAdded(Event, frozen=True):
    """An open multiple-instance task has one more instance, with this for its item."""

    task: str
    scope: int = 0
    data: Any = None
    by: str | None = None


class InstancesSealed(Event, frozen=True):
    """No more instances will be added to this activation of a task."""

    task: str
    scope: int = 0
    by: str | None = None


EVENT_TYPES: dict[str, type[Event]] = {
    cls.__name__: cls
    for cls in (
        *(CaseStarted, CaseCompleted, CaseCancelled, CaseFailed, CaseDeadlocked),
        *(CaseSuspended, CaseResumed, TransitionFired, ScopeOpened, ScopeClosed),
        *(WorkItemOffered, WorkItemWithdrawn, WorkItemClaimed, WorkItemReleased),
        *(WorkItemDelegated, WorkItemStarted, WorkItemCompleted, WorkItemFailed),
        *(WorkItemRetried, WorkItemGivenUp, InstanceAdded, InstancesSealed),
        WorkItemReminded,
        *(TimerSet, TimerFired, TimerCancelled, TriggerAwaited, TriggerUnawaited),
        *(TriggerReceived, TriggerKept, TriggerDiscarded),
    )
}
"""Every type of event, by the name under which journals keep it."""

UPCASTS: dict[tuple[str, int], Callable[[dict[str, JsonValue]], dict[str, JsonValue]]] = {}
"""From an old (type, version) to the fields of the next version."""


# ── bytes and the hash chain ─────────────────────────────────────────────────────────────────

GENESIS = bytes(32)
"""The hash before a case's first event."""

_encoder = msgspec.json.Encoder(order="deterministic")
_decoders = {name: msgspec.json.Decoder(cls) for name, cls in EVENT_TYPES.items()}


encode: Callable[[Event], bytes] = _encoder.encode
"""The canonical JSON of an event's fields; fields at their default are left out."""


def decode(record: Record) -> Event:
    """The event of a record, brought to the newest version of its type.

    Raises:
        JournalError: The type is unknown or newer than this release, or its data do not fit it.
    """
    where = f"event {record.sequence}"
    cls = EVENT_TYPES.get(record.type)
    if cls is None or record.version > cls.version:
        raise JournalError(
            f"this release does not know events of type {record.type!r} version {record.version}: "
            "a newer Weft wrote this case; use that one",
            code="newer",
            where=where,
        )
    try:
        if record.version == cls.version:
            return _decoders[record.type].decode(record.data)
        fields: dict[str, JsonValue] = msgspec.json.decode(record.data)
        for version in range(record.version, cls.version):
            fields = UPCASTS[record.type, version](fields)
        return msgspec.convert(fields, cls)
    except msgspec.MsgspecError as error:
        raise JournalError(
            f"the data of this {record.type} cannot be read: {error}", code="corrupt", where=where
        ) from error


def link(
    before: bytes,
    case: CaseId,
    sequence: int,
    type: str,
    version: int,
    time: Microseconds,
    data: bytes,
) -> bytes:
    """The hash of an event: SHA-256 over the hash before it and everything that it says.

    The fields are joined with their lengths, so that no two different events share a text
    (as in a hash list: R. C. Merkle, 1979; Haber and Stornetta, "How to Time-Stamp a Digital
    Document", 1991).
    """
    head = f"{len(case)}:{case}{sequence}:{type}:{version}:{time}:{len(data)}:".encode()
    return hashlib.sha256(before + head + data).digest()


def record(
    event: Event, *, case: CaseId, sequence: int, time: Microseconds, before: bytes
) -> Record:
    """The record of an event: stamped, encoded and linked to the one before."""
    type_, version, data = type(event).__name__, event.version, encode(event)
    chained = link(before, case, sequence, type_, version, time, data)
    return Record(sequence, type_, version, time, data, chained)


def broken_link(case: CaseId, records: Sequence[Record], before: bytes = GENESIS) -> int | None:
    """The sequence number of the first record that does not fit the chain; None: all do."""
    expected = records[0].sequence if records else 1
    for r in records:
        wanted = link(before, case, r.sequence, r.type, r.version, r.time, r.data)
        if r.sequence != expected or r.hash != wanted:
            return expected
        before, expected = r.hash, expected + 1
    return None

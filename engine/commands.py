"""What may be asked of a case, in the imperative.

A command is decided against the present state: accepted, it becomes a batch of events; otherwise
`CommandRejected` says what the state is and what would have been accepted. ``by`` names who asks.
Times and random draws that a decision needs are part of the command, because deciding is pure.
"""

from __future__ import annotations

from typing import Any

import msgspec

from weft.engine.net import CompiledSpecification
from weft.engine.ports import CaseId, ItemId, Microseconds
from weft.schema.jsonvalue import JsonValue

__all__ = [
    "AddInstance",
    "CancelCase",
    "ClaimWorkItem",
    "Command",
    "CompleteWorkItem",
    "DelegateWorkItem",
    "DeliverTrigger",
    "FailWorkItem",
    "FireTimer",
    "GiveUpWorkItem",
    "RecoverCase",
    "ReleaseWorkItem",
    "ResumeCase",
    "RetryWorkItem",
    "SealTask",
    "StartCase",
    "StartWorkItem",
    "SuspendCase",
]


class StartCase(msgspec.Struct, frozen=True):
    """Begin a case on these nets with these data; ``traceparent`` is the trace of who asks.

    ``chain`` is how many cases have started one another by events until this one.
    """

    case: CaseId
    compiled: CompiledSpecification
    data: dict[str, JsonValue] = {}
    traceparent: str | None = None
    chain: int = 0


class StartWorkItem(msgspec.Struct, frozen=True):
    """Begin the first attempt at an offered item."""

    item: ItemId
    by: str | None = None


class CompleteWorkItem(msgspec.Struct, frozen=True):
    """An attempt has succeeded with this result.

    An item that is only offered is started first. ``attempt`` guards against the late answer of
    an attempt that was given up: it has to be the item's present one.
    """

    item: ItemId
    result: JsonValue = None
    attempt: int | None = None
    by: str | None = None


class FailWorkItem(msgspec.Struct, frozen=True):
    """An attempt has failed.

    Args:
        error: What happened: ``class``, ``code``, ``message`` and what else is known.
        retryable: Whether another attempt can help.
        draw: A random number from 0 to 1, for the jitter of the wait before the next attempt.
    """

    item: ItemId
    error: dict[str, Any]
    retryable: bool = True
    draw: float = 1.0
    attempt: int | None = None
    by: str | None = None


class RetryWorkItem(msgspec.Struct, frozen=True):
    """Begin the next attempt at a held item, now.

    Somebody who asks for it brings a failed case back to life. The engine asks with ``due``, the
    time that the item was waiting for: it is only accepted while the case runs and that is still
    the item's time.
    """

    item: ItemId
    by: str | None = None
    due: Microseconds | None = None


class GiveUpWorkItem(msgspec.Struct, frozen=True):
    """Do not attempt a held item again: take its error branch, or fail the case."""

    item: ItemId
    by: str | None = None


class ClaimWorkItem(msgspec.Struct, frozen=True):
    """Take an offered item for oneself."""

    item: ItemId
    by: str


class ReleaseWorkItem(msgspec.Struct, frozen=True):
    """Give a claimed item back to everybody."""

    item: ItemId
    by: str | None = None


class DelegateWorkItem(msgspec.Struct, frozen=True):
    """Hand an item to somebody else."""

    item: ItemId
    to: str
    by: str | None = None


class AddInstance(msgspec.Struct, frozen=True):
    """Add an instance to a multiple-instance task that is open for more.

    Args:
        task: The task.
        data: The item of the new instance.
        scope: The scope in which the task is open; None: the only one.
    """

    task: str
    data: JsonValue = None
    scope: int | None = None
    by: str | None = None


class SealTask(msgspec.Struct, frozen=True):
    """Say that no more instances will be added to an open multiple-instance task."""

    task: str
    scope: int | None = None
    by: str | None = None


class DeliverTrigger(msgspec.Struct, frozen=True):
    """A trigger has come for the case.

    What has waited for it longest goes on. When nothing waits for it, a persistent trigger is
    kept and a transient one discarded; either way an event says so.

    Args:
        trigger: Its name.
        data: What it carries: goes to the variable of the one that waited.
        key: Its correlation key. With one, only a wait with the same key or with none takes it.
    """

    trigger: str
    data: JsonValue = None
    key: str | None = None
    by: str | None = None


class FireTimer(msgspec.Struct, frozen=True):
    """A timer is due: one that a wait has set, or that of an item (its time-out, its due date).

    ``due`` is the time that it was set to: it is only accepted if that is still so, and if that
    time has come.
    """

    timer: str
    due: Microseconds


class SuspendCase(msgspec.Struct, frozen=True):
    """Start no new work until the case is resumed."""

    reason: str = ""


class ResumeCase(msgspec.Struct, frozen=True):
    """Go on with a suspended, failed or deadlocked case.

    In a failed one the held items are attempted again.
    """


class RecoverCase(msgspec.Struct, frozen=True):
    """Let a running case go on after a crash or a drained stop.

    Every automatic item whose attempt was interrupted begins the next one, and what could not
    start while the engine was stopping starts now. ``under_way`` are the items whose attempts
    are alive. ``crashed``: the engine that made the others has died. An item whose attempts have
    ended like that too often (`RetryPolicy.crashes`) fails instead.
    """

    under_way: frozenset[ItemId] = frozenset()
    crashed: bool = False


class CancelCase(msgspec.Struct, frozen=True):
    """Withdraw everything; the case is recorded as cancelled."""

    reason: str = ""
    by: str | None = None


Command = (
    StartCase
    | StartWorkItem
    | CompleteWorkItem
    | FailWorkItem
    | RetryWorkItem
    | GiveUpWorkItem
    | ClaimWorkItem
    | ReleaseWorkItem
    | DelegateWorkItem
    | AddInstance
    | SealTask
    | DeliverTrigger
    | FireTimer
    | SuspendCase
    | ResumeCase
    | RecoverCase
    | CancelCase
)

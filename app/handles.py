"""Case handles whose states are types: only what fits the state of a case can be done to it.

    match now := handle.run(engine, claim):
        case CompletedCase(output=receipt): ...
        case IdleCase():
            for item in now.items_of(decide):
                now.complete(item, Decision("pay"))
        case FailedCase(error=error): ...

The handles of an asynchronous engine have the same methods, to be awaited, and are called
`AsyncIdleCase` and so on; those of cases that are over are the same.

A handle is a view of a case at one moment. What is done through it gives the next handle, and the
old one is of no use any more; the engine refuses what no longer fits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from weft.engine.lifecycle import CaseStatus, ItemStatus
from weft.engine.ports import CaseId, ItemId
from weft.schema.jsonvalue import JsonValue

if TYPE_CHECKING:
    from weft.engine.runtime.engine import Case
    from weft.flow.building import Process
    from weft.flow.steps import Failure, Performed
    from weft.session import SyncCase

__all__ = [
    "AsyncDeadlockedCase",
    "AsyncFailedCase",
    "AsyncIdleCase",
    "AsyncRunningCase",
    "AsyncSettledCase",
    "AsyncSuspendedCase",
    "CancelledCase",
    "CompletedCase",
    "DeadlockedCase",
    "FailedCase",
    "IdleCase",
    "Item",
    "RunningCase",
    "SettledCase",
    "SuspendedCase",
    "async_settled",
    "settled",
]

A = TypeVar("A")
Out_co = TypeVar("Out_co", covariant=True)


@attrs.frozen
class Item(Generic[A]):
    """An open work item, whose answer is an ``A``."""

    id: ItemId
    task: str
    status: ItemStatus
    inputs: Mapping[str, JsonValue]
    claimed_by: str | None = None


@attrs.frozen(eq=False)
class _Handle(Generic[Out_co]):
    """What every handle has: its process, and the untyped handle below."""

    process: Process[Any, Out_co] = attrs.field(repr=False)
    case: Any

    @property
    def id(self) -> CaseId:
        """The case's id."""
        return CaseId(self.case.id)

    @property
    def data(self) -> Mapping[str, JsonValue]:
        """A copy of the case's variables."""
        return dict(self.case.data)


class _Sync(_Handle[Out_co]):
    """Over a synchronous engine."""

    case: SyncCase


class _Async(_Handle[Out_co]):
    """Over an asynchronous engine."""

    case: Case


class _Items(_Handle[Out_co]):
    """What is known of an idle case."""

    @property
    def items(self) -> tuple[Item[Any], ...]:
        """Its open work items."""
        return tuple(
            Item(ItemId(i.id), i.task, i.status, dict(i.inputs), i.claimed_by)
            for i in self.case.work_items
        )

    def items_of(self, task: Performed[Any, A]) -> tuple[Item[A], ...]:
        """The open work items of a task, which know what answers them."""
        name = task._action().name
        return tuple(item for item in self.items if item.task == name)


class _Error(_Handle[Out_co]):
    """What is known of a failed case."""

    __match_args__ = ("error",)

    @property
    def error(self) -> Failure:
        """What it stands on."""
        from weft.flow.steps import Failure

        error = self.case.error or {}
        return Failure(
            str(error.get("message", "")), str(error.get("code", "")), error.get("where")
        )


class _Marking(_Handle[Out_co]):
    """What is known of a deadlocked case."""

    @property
    def marking(self) -> Mapping[int, Mapping[str, int]]:
        """Where the tokens are: scope to place to count."""
        marking: Mapping[int, Mapping[str, int]] = self.case.marking()
        return marking


# ── over a synchronous engine ────────────────────────────────────────────────────────────────


class _Open(_Sync[Out_co]):
    """A case that is not over."""

    def cancel(self, reason: str = "", *, by: str | None = None) -> CancelledCase[Out_co]:
        """Withdraw everything."""
        self.case.cancel(reason, by=by)
        return CancelledCase(self.process, self.case)


class _Stopped(_Open[Out_co]):
    """A case that goes on when somebody says so."""

    def resume(self) -> RunningCase[Out_co]:
        """Go on from where it stands."""
        self.case.resume()
        return RunningCase(self.process, self.case)


class RunningCase(_Open[Out_co]):
    """A case that is at work."""

    def settle(self) -> SettledCase[Out_co]:
        """Wait until it ends, stops or is idle."""
        self.case.wait()
        return settled(self.process, self.case)

    def suspend(self, reason: str = "") -> SuspendedCase[Out_co]:
        """Start no new work until it is resumed."""
        self.case.suspend(reason)
        return SuspendedCase(self.process, self.case)


class IdleCase(_Open[Out_co], _Items[Out_co]):
    """A case that waits for somebody outside."""

    def complete(
        self, item: Item[A], answer: A, *, by: str | None = None, id: str | None = None
    ) -> RunningCase[Out_co]:
        """Complete an item with its answer; the same ``id`` has one effect, however often sent."""
        from weft.flow.expressions import as_json

        self.case.complete(item.id, as_json(answer), by=by, id=id)
        return RunningCase(self.process, self.case)

    def add(
        self,
        task: Performed[Any, Any],
        item: Any = None,
        *,
        by: str | None = None,
        id: str | None = None,
    ) -> RunningCase[Out_co]:
        """Add an instance, with this item, to a task that is open for more."""
        from weft.flow.expressions import as_json

        self.case.add(task._action().name, as_json(item), by=by, id=id)
        return RunningCase(self.process, self.case)

    def seal(
        self, task: Performed[Any, Any], *, by: str | None = None, id: str | None = None
    ) -> RunningCase[Out_co]:
        """Say that no more instances will be added to a task."""
        self.case.seal(task._action().name, by=by, id=id)
        return RunningCase(self.process, self.case)

    def trigger(
        self, trigger: str, data: Any = None, *, key: str | None = None, id: str | None = None
    ) -> RunningCase[Out_co]:
        """Send a trigger; who wants to know what has become of it asks ``case.trigger``."""
        from weft.flow.expressions import as_json

        self.case.trigger(trigger, as_json(data), key=key, id=id)
        return RunningCase(self.process, self.case)

    def wait(self) -> SettledCase[Out_co]:
        """Wait for its timers, until it ends, stops or waits for somebody only."""
        self.case.wait(timers=True)
        return RunningCase(self.process, self.case).settle()

    def claim(self, item: Item[Any], by: str) -> IdleCase[Out_co]:
        """Take an offered item for somebody."""
        self.case.claim(item.id, by)
        return self

    def release(self, item: Item[Any], *, by: str | None = None) -> IdleCase[Out_co]:
        """Give a claimed item back."""
        self.case.release(item.id, by=by)
        return self

    def delegate(self, item: Item[Any], to: str, *, by: str | None = None) -> IdleCase[Out_co]:
        """Hand an item to somebody else."""
        self.case.delegate(item.id, to, by=by)
        return self

    def begin(self, item: Item[Any], *, by: str | None = None) -> IdleCase[Out_co]:
        """Start an offered item."""
        self.case.begin(item.id, by=by)
        return self

    def fail(self, item: Item[Any], reason: str, *, by: str | None = None) -> RunningCase[Out_co]:
        """Fail a started item."""
        self.case.fail(item.id, reason, by=by)
        return RunningCase(self.process, self.case)

    def suspend(self, reason: str = "") -> SuspendedCase[Out_co]:
        """Offer nothing new until it is resumed."""
        self.case.suspend(reason)
        return SuspendedCase(self.process, self.case)


class FailedCase(_Stopped[Out_co], _Error[Out_co]):
    """A case whose work has failed for good; it keeps its marking, and may go on after a repair."""


class DeadlockedCase(_Stopped[Out_co], _Marking[Out_co]):
    """A case in which work is left that nothing can do."""


class SuspendedCase(_Stopped[Out_co]):
    """A case that somebody has paused."""


# ── over an asynchronous engine ──────────────────────────────────────────────────────────────


class _AsyncOpen(_Async[Out_co]):
    """A case that is not over."""

    async def cancel(self, reason: str = "", *, by: str | None = None) -> CancelledCase[Out_co]:
        """Withdraw everything."""
        await self.case.cancel(reason, by=by)
        return CancelledCase(self.process, self.case)


class _AsyncStopped(_AsyncOpen[Out_co]):
    """A case that goes on when somebody says so."""

    async def resume(self) -> AsyncRunningCase[Out_co]:
        """Go on from where it stands."""
        await self.case.resume()
        return AsyncRunningCase(self.process, self.case)


class AsyncRunningCase(_AsyncOpen[Out_co]):
    """A case that is at work."""

    async def settle(self) -> AsyncSettledCase[Out_co]:
        """Wait until it ends, stops or is idle."""
        await self.case.wait()
        return async_settled(self.process, self.case)

    async def suspend(self, reason: str = "") -> AsyncSuspendedCase[Out_co]:
        """Start no new work until it is resumed."""
        await self.case.suspend(reason)
        return AsyncSuspendedCase(self.process, self.case)


class AsyncIdleCase(_AsyncOpen[Out_co], _Items[Out_co]):
    """A case that waits for somebody outside."""

    async def complete(
        self, item: Item[A], answer: A, *, by: str | None = None, id: str | None = None
    ) -> AsyncRunningCase[Out_co]:
        """Complete an item with its answer; the same ``id`` has one effect, however often sent."""
        from weft.flow.expressions import as_json

        await self.case.complete(item.id, as_json(answer), by=by, id=id)
        return AsyncRunningCase(self.process, self.case)

    async def add(
        self,
        task: Performed[Any, Any],
        item: Any = None,
        *,
        by: str | None = None,
        id: str | None = None,
    ) -> AsyncRunningCase[Out_co]:
        """Add an instance, with this item, to a task that is open for more."""
        from weft.flow.expressions import as_json

        await self.case.add(task._action().name, as_json(item), by=by, id=id)
        return AsyncRunningCase(self.process, self.case)

    async def seal(
        self, task: Performed[Any, Any], *, by: str | None = None, id: str | None = None
    ) -> AsyncRunningCase[Out_co]:
        """Say that no more instances will be added to a task."""
        await self.case.seal(task._action().name, by=by, id=id)
        return AsyncRunningCase(self.process, self.case)

    async def trigger(
        self, trigger: str, data: Any = None, *, key: str | None = None, id: str | None = None
    ) -> AsyncRunningCase[Out_co]:
        """Send a trigger; who wants to know what has become of it asks ``case.trigger``."""
        from weft.flow.expressions import as_json

        await self.case.trigger(trigger, as_json(data), key=key, id=id)
        return AsyncRunningCase(self.process, self.case)

    async def wait(self) -> AsyncSettledCase[Out_co]:
        """Wait for its timers, until it ends, stops or waits for somebody only."""
        await self.case.wait(timers=True)
        return await AsyncRunningCase(self.process, self.case).settle()

    async def claim(self, item: Item[Any], by: str) -> AsyncIdleCase[Out_co]:
        """Take an offered item for somebody."""
        await self.case.claim(item.id, by)
        return self

    async def release(self, item: Item[Any], *, by: str | None = None) -> AsyncIdleCase[Out_co]:
        """Give a claimed item back."""
        await self.case.release(item.id, by=by)
        return self

    async def delegate(
        self, item: Item[Any], to: str, *, by: str | None = None
    ) -> AsyncIdleCase[Out_co]:
        """Hand an item to somebody else."""
        await self.case.delegate(item.id, to, by=by)
        return self

    async def begin(self, item: Item[Any], *, by: str | None = None) -> AsyncIdleCase[Out_co]:
        """Start an offered item."""
        await self.case.begin(item.id, by=by)
        return self

    async def fail(
        self, item: Item[Any], reason: str, *, by: str | None = None
    ) -> AsyncRunningCase[Out_co]:
        """Fail a started item."""
        await self.case.fail(item.id, reason, by=by)
        return AsyncRunningCase(self.process, self.case)

    async def suspend(self, reason: str = "") -> AsyncSuspendedCase[Out_co]:
        """Offer nothing new until it is resumed."""
        await self.case.suspend(reason)
        return AsyncSuspendedCase(self.process, self.case)


class AsyncFailedCase(_AsyncStopped[Out_co], _Error[Out_co]):
    """A case whose work has failed for good; it keeps its marking, and may go on after a repair."""


class AsyncDeadlockedCase(_AsyncStopped[Out_co], _Marking[Out_co]):
    """A case in which work is left that nothing can do."""


class AsyncSuspendedCase(_AsyncStopped[Out_co]):
    """A case that somebody has paused."""


# ── cases that are over, over either ─────────────────────────────────────────────────────────


class CompletedCase(_Handle[Out_co]):
    """A case that is done."""

    __match_args__ = ("output",)

    @property
    def output(self) -> Out_co:
        """What the process has given.

        Raises:
            UsageError: An older version of the process gave something else.
        """
        return self.process.output(self.case.data)


class CancelledCase(_Handle[Out_co]):
    """A case that was withdrawn."""


SettledCase = (
    CompletedCase[Out_co]
    | FailedCase[Out_co]
    | CancelledCase[Out_co]
    | DeadlockedCase[Out_co]
    | SuspendedCase[Out_co]
    | IdleCase[Out_co]
    | RunningCase[Out_co]
)
"""A case, told apart by its state; running only when its engine has stopped, or it was opened."""

AsyncSettledCase = (
    CompletedCase[Out_co]
    | AsyncFailedCase[Out_co]
    | CancelledCase[Out_co]
    | AsyncDeadlockedCase[Out_co]
    | AsyncSuspendedCase[Out_co]
    | AsyncIdleCase[Out_co]
    | AsyncRunningCase[Out_co]
)
"""The same over an asynchronous engine."""

_OVER: Mapping[CaseStatus, type[_Handle[Any]]] = {
    CaseStatus.COMPLETED: CompletedCase,
    CaseStatus.CANCELLED: CancelledCase,
}
_BY_STATUS = {
    **_OVER,
    CaseStatus.FAILED: FailedCase,
    CaseStatus.DEADLOCKED: DeadlockedCase,
    CaseStatus.SUSPENDED: SuspendedCase,
}
_ASYNC_BY_STATUS = {
    **_OVER,
    CaseStatus.FAILED: AsyncFailedCase,
    CaseStatus.DEADLOCKED: AsyncDeadlockedCase,
    CaseStatus.SUSPENDED: AsyncSuspendedCase,
}


def settled(process: Process[Any, A], case: SyncCase) -> SettledCase[A]:
    """The handle that fits the state of a case."""
    if case.status is CaseStatus.RUNNING:
        return IdleCase(process, case) if case.idle else RunningCase(process, case)
    made: Any = _BY_STATUS[case.status]
    handle: SettledCase[A] = made(process, case)
    return handle


def async_settled(process: Process[Any, A], case: Case) -> AsyncSettledCase[A]:
    """The handle that fits the state of a case of an asynchronous engine."""
    if case.status is CaseStatus.RUNNING:
        return AsyncIdleCase(process, case) if case.idle else AsyncRunningCase(process, case)
    made: Any = _ASYNC_BY_STATUS[case.status]
    handle: AsyncSettledCase[A] = made(process, case)
    return handle

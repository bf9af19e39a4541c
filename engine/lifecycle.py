"""The life cycles of a case and of a work item, as tables.

The interpreter walks these tables, the tests try every pair of state and event against them, and
the documentation's diagrams are drawn from them (`mermaid`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, StrEnum

from weft.engine import events as e

__all__ = ["CASE", "ITEM", "CaseStatus", "ItemStatus", "mermaid"]


class CaseStatus(StrEnum):
    """Where a case stands. Completed and cancelled are final."""

    RUNNING = "running"
    SUSPENDED = "suspended"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DEADLOCKED = "deadlocked"

    @property
    def final(self) -> bool:
        """Whether nothing can happen to the case any more."""
        return self in (CaseStatus.COMPLETED, CaseStatus.CANCELLED)


class ItemStatus(StrEnum):
    """Where a work item stands.

    *Failed* is held: a retry, or giving up, may follow. A cancelled item that was only offered is
    called withdrawn. Given up is the final form of failed.
    """

    OFFERED = "offered"
    STARTED = "started"
    FAILED = "failed"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    GIVEN_UP = "given up"

    @property
    def final(self) -> bool:
        """Whether the item is gone for good."""
        return self in (ItemStatus.COMPLETED, ItemStatus.CANCELLED, ItemStatus.GIVEN_UP)


_C, _I = CaseStatus, ItemStatus

_GOES_ON = (
    *(e.TransitionFired, e.ScopeOpened, e.ScopeClosed),
    *(e.WorkItemOffered, e.WorkItemWithdrawn, e.WorkItemStarted, e.WorkItemCompleted),
    *(e.WorkItemFailed, e.WorkItemRetried, e.WorkItemGivenUp),
    *(e.WorkItemClaimed, e.WorkItemReleased, e.WorkItemDelegated, e.WorkItemReminded),
    *(e.TimerSet, e.TimerFired, e.TimerCancelled, e.TriggerAwaited, e.TriggerUnawaited),
    *(e.TriggerReceived, e.TriggerKept, e.TriggerDiscarded),
    *(e.InstanceAdded, e.InstancesSealed),
)

_ENDS = (e.WorkItemCompleted, e.WorkItemFailed, e.WorkItemGivenUp)

CASE: Mapping[tuple[CaseStatus | None, type[e.Event]], CaseStatus] = {
    (None, e.CaseStarted): _C.RUNNING,
    **{(_C.RUNNING, event): _C.RUNNING for event in _GOES_ON},
    (_C.RUNNING, e.CaseCompleted): _C.COMPLETED,
    (_C.RUNNING, e.CaseCancelled): _C.CANCELLED,
    (_C.RUNNING, e.CaseFailed): _C.FAILED,
    (_C.RUNNING, e.CaseDeadlocked): _C.DEADLOCKED,
    (_C.RUNNING, e.CaseSuspended): _C.SUSPENDED,
    # What was running when the case was suspended may still end, and its firings follow.
    **{(_C.SUSPENDED, event): _C.SUSPENDED for event in _GOES_ON},
    (_C.SUSPENDED, e.CaseCompleted): _C.COMPLETED,
    (_C.SUSPENDED, e.CaseCancelled): _C.CANCELLED,
    (_C.SUSPENDED, e.CaseFailed): _C.FAILED,
    (_C.SUSPENDED, e.CaseDeadlocked): _C.DEADLOCKED,
    (_C.SUSPENDED, e.CaseResumed): _C.RUNNING,
    # What was running when the case failed may end, too; nothing follows until it is resumed.
    **{(_C.FAILED, event): _C.FAILED for event in _ENDS},
    (_C.FAILED, e.CaseResumed): _C.RUNNING,
    (_C.FAILED, e.CaseCancelled): _C.CANCELLED,
    (_C.DEADLOCKED, e.CaseResumed): _C.RUNNING,
    (_C.DEADLOCKED, e.CaseCancelled): _C.CANCELLED,
    # A trigger waits with the case for what resumes it.
    (_C.FAILED, e.TriggerKept): _C.FAILED,
    (_C.FAILED, e.TriggerDiscarded): _C.FAILED,
    (_C.DEADLOCKED, e.TriggerKept): _C.DEADLOCKED,
    (_C.DEADLOCKED, e.TriggerDiscarded): _C.DEADLOCKED,
}
"""(status, event) to the next status; a pair that is not here cannot happen."""

ITEM: Mapping[tuple[ItemStatus | None, type[e.Event]], ItemStatus] = {
    (None, e.WorkItemOffered): _I.OFFERED,
    (None, e.WorkItemStarted): _I.STARTED,
    (_I.OFFERED, e.WorkItemClaimed): _I.OFFERED,
    (_I.OFFERED, e.WorkItemReleased): _I.OFFERED,
    (_I.OFFERED, e.WorkItemDelegated): _I.OFFERED,
    (_I.OFFERED, e.WorkItemWithdrawn): _I.CANCELLED,
    (_I.OFFERED, e.WorkItemStarted): _I.STARTED,
    (_I.OFFERED, e.WorkItemReminded): _I.OFFERED,
    (_I.STARTED, e.WorkItemDelegated): _I.STARTED,
    (_I.STARTED, e.WorkItemCompleted): _I.COMPLETED,
    (_I.STARTED, e.WorkItemFailed): _I.FAILED,
    (_I.OFFERED, e.WorkItemFailed): _I.FAILED,  # nobody has started it in time
    (_I.STARTED, e.WorkItemRetried): _I.STARTED,
    (_I.STARTED, e.WorkItemReminded): _I.STARTED,
    (_I.FAILED, e.WorkItemReminded): _I.FAILED,
    (_I.FAILED, e.WorkItemRetried): _I.STARTED,
    (_I.FAILED, e.WorkItemGivenUp): _I.GIVEN_UP,
}
"""(status, event) to the next status; any open item may also be cancelled by a firing."""


def mermaid(table: Mapping[tuple[Enum | None, type[e.Event]], Enum]) -> str:
    """A state diagram of a table in Mermaid's language; events that change nothing are left out."""
    lines = ["stateDiagram-v2"]
    edges: dict[tuple[str, str], list[str]] = {}
    for (before, event), after in table.items():
        if before is after:
            continue
        start = "[*]" if before is None else before.value.replace(" ", "_")
        edges.setdefault((start, after.value.replace(" ", "_")), []).append(event.__name__)
    for (start, end), names in edges.items():
        lines.append(f"    {start} --> {end}: {', '.join(names)}")
    finals = dict.fromkeys(a.value.replace(" ", "_") for a in table.values() if _final(a))
    lines += [f"    {name} --> [*]" for name in finals]
    return "\n".join(lines) + "\n"


def _final(status: Enum) -> bool:
    return isinstance(status, CaseStatus | ItemStatus) and status.final

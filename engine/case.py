"""`CaseState`: the value that a case is.

It holds the markings and data of all live scopes and the open work items, and nothing that can be
derived from them. It is made by `weft.engine.evolve` and nowhere else. Where it is stored, when
its events happened and who drives it is not its business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from weft.engine.instances import Instances
from weft.engine.lifecycle import CaseStatus, ItemStatus
from weft.engine.net import CompiledSpecification, Net, Task
from weft.engine.ports import CaseId, Snapshot
from weft.engine.table import settle
from weft.native import kernel
from weft.schema.errors import JournalError

__all__ = [
    "CaseState",
    "Completion",
    "KeptTrigger",
    "ScopeState",
    "Tallied",
    "Waiting",
    "WorkItem",
    "restore",
    "snapshot",
]


Tallied = tuple[int, str, ItemStatus]
"""What is counted: the items of a scope and task with one status."""


class WorkItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """An open work item: offered, started, or failed and held.

    ``child`` is the scope that a composite task's item runs in. ``retry_at`` is when a held item
    is due for its next attempt by itself; None: somebody has to ask for it. ``crashes`` counts the
    attempts in a row that ended with the death of their engine. ``instance`` is the number of a
    multiple-instance task's instance. ``due`` is when it should be done (``reminded``: that time
    has come), ``expires`` when it times out.
    """

    id: str
    task: str
    scope: int
    status: ItemStatus
    attempt: int = 0
    inputs: dict[str, Any] = {}
    child: int | None = None
    retry_at: int | None = None
    claimed_by: str | None = None
    error: dict[str, Any] | None = None
    crashes: int = 0
    instance: int | None = None
    due: int | None = None
    expires: int | None = None
    reminded: bool = False


class Waiting(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that waits for a time (``due``), or for a trigger, in a scope.

    ``id`` is the name of its `Wait` in the net and a number that is never used again.
    """

    id: str
    wait: str
    scope: int
    due: int | None = None
    trigger: str | None = None
    key: str | None = None


class KeptTrigger(msgspec.Struct, frozen=True, omit_defaults=True):
    """A persistent trigger that nothing has consumed yet."""

    number: int
    trigger: str
    data: Any = None
    key: str | None = None


class Completion(msgspec.Struct, frozen=True, omit_defaults=True):
    """A completion that can be undone: the task, and the variables that it wrote."""

    task: str
    writes: dict[str, Any] = {}


class ScopeState(msgspec.Struct, frozen=True, omit_defaults=True):
    """A live net: its marking as a buffer of one 32-bit integer a place, and its variables.

    ``item`` is the composite task's work item that the scope belongs to, ``parent`` the scope of
    that item; the case's own scope has neither. ``instances`` has those of the multiple-instance
    tasks, by task; ``completed`` is what can be undone, the newest last.
    """

    id: int
    net: str
    marking: bytes
    data: Mapping[str, Any] = {}
    item: str | None = None
    parent: int | None = None
    instances: Mapping[str, Instances] = {}
    completed: tuple[Completion, ...] = ()


class CaseState(msgspec.Struct, frozen=True):
    """The state of a case: an immutable value.

    ``tally`` is derived from ``items``, and kept because a case may have thousands of them: what
    is asked after each command must not look at each.

    Args:
        compiled: The pinned nets.
        scopes: The live scopes by id; 0 is the case's own.
        items: The open work items by id.
        serials: Task name to the number of its newest item: no id is used twice.
        next_scope: The id of the next child scope.
        error: What a failed case stands on.
        tally: How many items there are, by scope, task and status.
        waits: What waits for a time or a trigger, by id, the oldest first.
        kept: The persistent triggers that nothing has consumed yet, by number, in order.
    """

    id: CaseId
    compiled: CompiledSpecification
    status: CaseStatus
    scopes: Mapping[int, ScopeState]
    items: Mapping[str, WorkItem]
    serials: Mapping[str, int]
    next_scope: int = 1
    error: dict[str, Any] | None = None
    tally: Mapping[Tallied, int] = {}
    waits: Mapping[str, Waiting] = {}
    kept: Mapping[int, KeptTrigger] = {}

    def __repr__(self) -> str:
        items = ", ".join(f"{item.id} {item.status.value}" for item in self.items.values())
        return f"<CaseState {self.id} {self.status.value} {self.marking()} [{items}]>"

    def net(self, scope: int) -> Net:
        """The net of a scope."""
        return self.compiled.nets[self.scopes[scope].net]

    def task(self, item: WorkItem) -> Task:
        """The task of an item."""
        return self.net(item.scope).tasks[item.task]

    def instance(self, item: WorkItem) -> tuple[int, Any] | None:
        """The index and the item of a work item's instance; None: it is none of several."""
        if item.instance is None:
            return None
        instances = self.scopes[item.scope].instances[item.task]
        return instances.index(item.instance), instances.item(item.instance)

    def open_for_more(self) -> Iterator[tuple[int, Task]]:
        """The scopes and tasks to which instances can be added now."""
        for scope in self.scopes.values():
            net = self.net(scope.id)
            for task in net.multiple:
                add = None if task.multiple is None else task.multiple.add
                if add is not None and kernel.enabled(
                    net.image, scope.marking, net.transition_index[add]
                ):
                    yield scope.id, task

    @property
    def data(self) -> Mapping[str, Any]:
        """The case's own variables. They are shared: copy what you give away."""
        return self.scopes[0].data if 0 in self.scopes else {}

    def marking(self) -> dict[int, dict[str, int]]:
        """A readable view: scope to place name to tokens, empty places left out."""
        return {
            scope.id: self.net(scope.id).marking_view(scope.marking)
            for scope in self.scopes.values()
        }

    def below(self, scope: int) -> Iterator[int]:
        """A scope's live descendants, children before grandchildren."""
        level = [scope]
        while level:
            level = [s.id for s in self.scopes.values() if s.parent in level]
            yield from level


class _Stored(msgspec.Struct, frozen=True, omit_defaults=True):
    """The layout of a snapshot: a `CaseState` with its nets by hash only."""

    id: str
    net: str
    status: CaseStatus
    scopes: list[ScopeState]
    items: list[WorkItem]
    serials: dict[str, int]
    next_scope: int
    hash: bytes
    error: dict[str, Any] | None = None
    waits: list[Waiting] = []
    kept: list[KeptTrigger] = []


SNAPSHOT_FORMAT = 2
"""The layout that is written; what it adds to version 1 has defaults, so that one is read, too."""
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Stored)


def snapshot(case: CaseState, sequence: int, hash: bytes) -> Snapshot:
    """The snapshot of a case after its event ``sequence``, whose link of the chain is ``hash``."""
    stored = _Stored(
        id=case.id,
        net=case.compiled.hash,
        status=case.status,
        scopes=[
            msgspec.structs.replace(
                s,
                data=dict(s.data),
                instances={task: known.plain() for task, known in s.instances.items()},
            )
            for s in case.scopes.values()
        ],
        items=list(case.items.values()),
        serials=dict(case.serials),
        next_scope=case.next_scope,
        hash=hash,
        error=case.error,
        waits=list(case.waits.values()),
        kept=list(case.kept.values()),
    )
    return Snapshot(sequence, SNAPSHOT_FORMAT, _encoder.encode(stored))


def restore(
    stored: Snapshot, compiled: CompiledSpecification
) -> tuple[CaseState, bytes] | tuple[None, bytes]:
    """The case of a snapshot, and the hash of the event it was made after.

    No case when another release wrote its layout (replay all, then).

    Raises:
        JournalError: The bytes do not fit the layout, or the snapshot is of another net.
    """
    if stored.format not in (1, SNAPSHOT_FORMAT):
        return None, b""
    try:
        s = _decoder.decode(stored.data)
    except msgspec.MsgspecError as error:
        raise JournalError(f"the snapshot cannot be read: {error}", code="corrupt") from error
    if s.net != compiled.hash:
        raise JournalError("the snapshot belongs to another net", code="corrupt")
    case = CaseState(
        id=CaseId(s.id),
        compiled=compiled,
        status=s.status,
        scopes=settle(
            {
                x.id: msgspec.structs.replace(
                    x,
                    data=settle(dict(x.data)),
                    instances={task: known.settled() for task, known in x.instances.items()},
                )
                for x in s.scopes
            }
        ),
        items=settle({item.id: item for item in s.items}),
        serials=settle(s.serials),
        next_scope=s.next_scope,
        error=s.error,
        tally=settle(dict(Counter((item.scope, item.task, item.status) for item in s.items))),
        waits=settle({waiting.id: waiting for waiting in s.waits}),
        kept=settle({kept.number: kept for kept in s.kept}),
    )
    return case, s.hash

"""Event to next case: the only place where a new `CaseState` is made.

``evolve(case, event)`` is the same fold live and in replay. It never asks a guard, a clock or an
expression: what was decided is in the event. It does check that the event fits the state (the
life-cycle tables, the arcs), so that a journal that was tampered with, or written for another
net, ends in an error that names the event and not in a wrong state.

`Draft` is the working copy for one batch of events: what a batch touches is copied once, not once
an event. `weft.engine.decide` folds the events that it decides into the same draft.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any

import msgspec

from weft.engine import events as e
from weft.engine import orjoin
from weft.engine.case import (
    CaseState,
    Completion,
    KeptTrigger,
    ScopeState,
    Tallied,
    Waiting,
    WorkItem,
)
from weft.engine.instances import Instances
from weft.engine.lifecycle import CASE, ITEM, CaseStatus, ItemStatus
from weft.engine.net import CompiledSpecification, Multiple, Net, Task
from weft.engine.ports import CaseId
from weft.engine.table import change, settle
from weft.native import kernel
from weft.schema.errors import JournalError

__all__ = ["KEPT", "Draft", "evolve", "evolve_all", "serial"]

KEPT = "(kept)"
"""The name under which kept triggers are numbered; no task and no wait can have it."""


def evolve(
    case: CaseState | None, event: e.Event, *, compiled: CompiledSpecification | None = None
) -> CaseState:
    """The case after an event.

    Args:
        case: The case before it; None before its `CaseStarted`.
        event: What has happened.
        compiled: The pinned nets; needed with `CaseStarted` only.

    Raises:
        JournalError: The event cannot follow on that state.
    """
    return evolve_all(case, (event,), compiled=compiled)


def evolve_all(
    case: CaseState | None,
    events: Iterable[e.Event],
    *,
    compiled: CompiledSpecification | None = None,
) -> CaseState:
    """The case after several events: the fold of `evolve`, with one copy for all of them."""
    draft = Draft(case, compiled)
    for event in events:
        try:
            draft.apply(event)
        except (LookupError, ValueError, OverflowError) as error:
            raise JournalError(
                f"{type(event).__name__} does not fit the state before it: {error}",
                code="corrupt",
                where=draft.id or None,
            ) from error
    return draft.freeze()


def serial(item: str) -> int:
    """The number in an item's id: 2 for ``approve/2``."""
    return int(item.rpartition("/")[2])


class Draft:
    """A case under change, for one batch; `freeze` ends it."""

    def __init__(
        self, case: CaseState | None, compiled: CompiledSpecification | None = None
    ) -> None:
        self._case = case
        self.id = CaseId("")
        self.status: CaseStatus | None = None
        self.scopes: Mapping[int, ScopeState] = {}
        self.items: Mapping[str, WorkItem] = {}
        self.serials: Mapping[str, int] = {}
        self.next_scope = 1
        self.error: dict[str, Any] | None = None
        self.tally: Mapping[Tallied, int] = {}
        self._tally: MutableMapping[Tallied, int] | None = None
        self.waits: Mapping[str, Waiting] = {}
        self.kept: Mapping[int, KeptTrigger] = {}
        if case is not None:
            compiled = case.compiled
            self.id, self.status = case.id, case.status
            self.scopes, self.items, self.serials = case.scopes, case.items, case.serials
            self.next_scope, self.error, self.tally = case.next_scope, case.error, case.tally
            self.waits, self.kept = case.waits, case.kept
        self._compiled = compiled
        self._scopes: MutableMapping[int, ScopeState] | None = None
        self._items: MutableMapping[str, WorkItem] | None = None
        self._serials: MutableMapping[str, int] | None = None
        self._waits: MutableMapping[str, Waiting] | None = None
        self._kept: MutableMapping[int, KeptTrigger] | None = None
        self._markings: dict[int, array[int]] = {}
        self._instances: dict[int, dict[str, Instances]] = {}

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    @property
    def compiled(self) -> CompiledSpecification:
        """The pinned nets."""
        if self._compiled is None:
            raise JournalError("a case begins with CaseStarted and its net", code="corrupt")
        return self._compiled

    def net(self, scope: int) -> Net:
        """The net of a scope."""
        compiled = self._compiled
        if compiled is None or scope not in self.scopes:
            return self.compiled.nets[self.scope(scope).net]  # says what is wrong
        return compiled.nets[self.scopes[scope].net]

    def scope(self, scope: int) -> ScopeState:
        """A live scope; its marking may be older than `marking`'s."""
        try:
            return self.scopes[scope]
        except KeyError:
            raise JournalError(f"scope {scope} is not live", code="corrupt") from None

    def marking(self, scope: int) -> array[int]:
        """The working marking of a scope."""
        working = self._markings.get(scope)
        if working is None:
            working = array("i", self.scope(scope).marking)
            self._markings[scope] = working
        return working

    def task(self, item: WorkItem) -> Task:
        """The task of an item."""
        return self.net(item.scope).tasks[item.task]

    def instances(self, scope: int, task: str) -> Instances:
        """The instances of a multiple-instance task."""
        known = self._instances.get(scope) or self.scope(scope).instances
        return known.get(task) or Instances()

    # ── changing ─────────────────────────────────────────────────────────────────────────────

    def _change_scopes(self) -> MutableMapping[int, ScopeState]:
        if self._scopes is None:
            self._scopes = change(self.scopes)
            self.scopes = self._scopes
        return self._scopes

    def _change_items(self) -> MutableMapping[str, WorkItem]:
        if self._items is None:
            self._items = change(self.items)
            self.items = self._items
        return self._items

    def _put(self, item: WorkItem) -> None:
        """Add an item, or put a changed one in its place."""
        items = self._change_items()
        old = items.get(item.id)
        items[item.id] = item
        if old is None or old.status is not item.status:
            if old is not None:
                self._count(old, -1)
            self._count(item, 1)

    def _take(self, name: str) -> bool:
        """Remove an item; whether it was there."""
        old = self._change_items().pop(name, None)
        if old is None:
            return False
        self._count(old, -1)
        return True

    def _count(self, item: WorkItem, change_by: int) -> None:
        if self._tally is None:
            self._tally = change(self.tally)
            self.tally = self._tally
        key = (item.scope, item.task, item.status)
        count = self._tally.get(key, 0) + change_by
        if count:
            self._tally[key] = count
        else:
            del self._tally[key]

    def _change_waits(self) -> MutableMapping[str, Waiting]:
        if self._waits is None:
            self._waits = change(self.waits)
            self.waits = self._waits
        return self._waits

    def _change_kept(self) -> MutableMapping[int, KeptTrigger]:
        if self._kept is None:
            self._kept = change(self.kept)
            self.kept = self._kept
        return self._kept

    def apply(self, event: e.Event) -> None:
        """Fold one event in.

        Raises:
            JournalError: The event cannot follow on this state.
        """
        kind = type(event)
        try:
            self.status = CASE[self.status, kind]
        except KeyError:
            state = (
                "there is no case yet"
                if self.status is None
                else f"the case is {self.status.value}"
            )
            raise JournalError(
                f"{kind.__name__} cannot happen: {state}", code="corrupt", where=self.id or None
            ) from None
        rule = _RULES.get(kind)
        if rule is not None:
            rule(self, event)

    def freeze(self) -> CaseState:
        """The case that the draft has become."""
        if self.status is None:
            raise JournalError("a case begins with CaseStarted", code="corrupt")
        if self._markings or self._instances:
            scopes = self._change_scopes()
            for number in self._markings.keys() | self._instances.keys():
                scope, working = scopes[number], self._markings.get(number)
                scopes[number] = ScopeState(
                    scope.id,
                    scope.net,
                    scope.marking if working is None else working.tobytes(),
                    scope.data,
                    scope.item,
                    scope.parent,
                    self._instances.get(number, scope.instances),
                    scope.completed,
                )
            self._markings, self._instances = {}, {}
        return CaseState(
            id=self.id,
            compiled=self.compiled,
            status=self.status,
            scopes=self.scopes if self._scopes is None else settle(self._scopes),
            items=self.items if self._items is None else settle(self._items),
            serials=self.serials if self._serials is None else settle(self._serials),
            next_scope=self.next_scope,
            error=self.error,
            tally=self.tally if self._tally is None else settle(self._tally),
            waits=self.waits if self._waits is None else settle(self._waits),
            kept=self.kept if self._kept is None else settle(self._kept),
        )

    def _fire(self, scope: int, transition: str, counts: tuple[int, ...] = ()) -> None:
        net = self.net(scope)
        index = net.transition_index.get(transition)
        if index is None:
            raise JournalError(
                f"the net {net.name!r} has no transition {transition!r}", code="corrupt"
            )
        try:
            if index in net.or_joins:
                orjoin.fire(net, self.marking(scope), index, counts)
            else:
                kernel.fire(net.image, self.marking(scope), index, counts)
        except ValueError as error:
            raise JournalError(
                f"{transition!r} cannot fire in scope {scope}: {error}", code="corrupt"
            ) from error

    def _end(self, items: Iterable[str], scopes: Iterable[int]) -> None:
        for item in items:
            if not self._take(item):
                raise JournalError(f"work item {item!r} is not open", code="corrupt")
        if scopes:
            live = self._change_scopes()
            for scope in scopes:
                self._markings.pop(scope, None)
                self._instances.pop(scope, None)
                if live.pop(scope, None) is None:
                    raise JournalError(f"scope {scope} is not live", code="corrupt")
            if self.waits:
                gone = [w.id for w in self.waits.values() if w.scope not in live]
                for wait in gone:
                    del self._change_waits()[wait]

    def _write(self, scope: int, writes: Mapping[str, Any]) -> None:
        if writes:
            state = self.scope(scope)
            data = change(state.data)
            data.update(writes)
            self._change_scopes()[scope] = ScopeState(
                state.id,
                state.net,
                state.marking,
                settle(data),
                state.item,
                state.parent,
                state.instances,
                state.completed,
            )

    def _know(self, scope: int, task: str, instances: Instances) -> None:
        """Note what has become of the instances of a task."""
        if scope not in self._instances:
            self._instances[scope] = dict(self.scope(scope).instances)
        self._instances[scope][task] = instances

    def _take_instance(self, scope: int, task: str, number: int | None) -> None:
        """The next instance of a multiple-instance task begins, or is offered."""
        if (number is None) is not (self.net(scope).tasks[task].multiple is None):
            raise JournalError(f"task {task!r} and instance {number} do not fit", code="corrupt")
        if number is not None:
            self._know(scope, task, self.instances(scope, task).taken(number))

    def _cleared(self, scope: int, cleared: Mapping[str, int]) -> None:
        """Instances that were ready to start are gone where their place was emptied."""
        if cleared:
            for task in self.net(scope).multiple:
                if task.multiple is not None and task.multiple.ready in cleared:
                    self._know(scope, task.name, self.instances(scope, task.name).emptied())

    def _remember(self, scope: int, task: Task, writes: Mapping[str, Any]) -> None:
        """Note a completion that can be undone."""
        state = self.scope(scope)
        completed = (*state.completed, Completion(task.name, dict(writes)))
        self._change_scopes()[scope] = msgspec.structs.replace(state, completed=completed)

    def _begin_undoing(self, scope: int, name: str) -> None:
        """A task has started; if it undoes another one, that one's newest completion is forgotten."""
        task = self.net(scope).tasks[name]
        if task.undoes is None:
            return
        state = self.scope(scope)
        if not state.completed or state.completed[-1].task != task.undoes:
            raise JournalError(
                f"{task.name!r} undoes {task.undoes!r}, which is not what was completed last",
                code="corrupt",
            )
        self._change_scopes()[scope] = msgspec.structs.replace(
            state, completed=state.completed[:-1]
        )

    def _open(self, item: str) -> WorkItem:
        try:
            return self.items[item]
        except KeyError:
            raise JournalError(f"work item {item!r} is not open", code="corrupt") from None

    def _step(self, item: WorkItem | None, event: e.Event, name: str) -> ItemStatus:
        status = None if item is None else item.status
        try:
            return ITEM[status, type(event)]
        except KeyError:
            state = "is new" if status is None else f"is {status.value}"
            raise JournalError(
                f"{type(event).__name__} cannot happen to work item {name!r}: it {state}",
                code="corrupt",
            ) from None

    def _number(self, item: str, task: str, scope: int) -> None:
        """Note the number of a new item, so that its id is never used again."""
        if task not in self.net(scope).tasks:
            raise JournalError(f"scope {scope} has no task {task!r}", code="corrupt")
        self._numbered(item, task)

    def _numbered(self, item: str, task: str) -> None:
        if self._serials is None:
            self._serials = change(self.serials)
            self.serials = self._serials
        self._serials[task] = serial(item)

    # ── one rule an event ────────────────────────────────────────────────────────────────────

    def _case_started(self, event: e.CaseStarted) -> None:
        compiled = self.compiled
        if event.net != compiled.hash:
            raise JournalError(
                f"the case runs on net {event.net[:12]}, not on {compiled.hash[:12]}",
                code="corrupt",
            )
        self.id = CaseId(event.case)
        self._change_scopes()[0] = ScopeState(
            0, compiled.root, compiled.net.initial, settle(event.data)
        )

    def _case_ended(self, event: e.CaseCompleted | e.CaseCancelled) -> None:
        # The case's own scope stays, empty: its data are the result. Nothing else is left.
        if isinstance(event, e.CaseCompleted):
            self.error = None
        root = self.scope(0)
        self._markings, self._instances = {}, {}
        self._scopes = {0: ScopeState(0, root.net, bytes(len(root.marking)), root.data)}
        self.scopes = self._scopes
        self._items = {}
        self.items = self._items
        self._tally = {}
        self.tally = self._tally
        self._waits = {}
        self.waits = self._waits
        self._kept = {}
        self.kept = self._kept

    def _case_failed(self, event: e.CaseFailed) -> None:
        self.error = event.error

    def _case_suspended(self, event: e.CaseSuspended) -> None:
        self.error = event.error

    def _case_resumed(self, event: e.CaseResumed) -> None:
        self.error = None

    def _transition_fired(self, event: e.TransitionFired) -> None:
        net = self.net(event.scope)
        entering = net.entering.get(event.transition)
        if entering is not None:
            self._enter(event, *entering)
        self._fire(event.scope, event.transition, event.counts)
        if event.cancelled or event.closed:
            self._end(event.cancelled, event.closed)
        collecting = net.collecting.get(event.transition)
        if collecting is not None:
            self._collect(event, collecting)
        self._cleared(event.scope, event.cleared)

    def _enter(self, event: e.TransitionFired, task: Task, multiple: Multiple) -> None:
        """An activation of a multiple-instance task begins; its tokens follow."""
        number = event.counts[0] if multiple.number is None else multiple.number
        items = event.items
        if items is None and multiple.items is not None:
            items = multiple.items.value
        if items is not None and len(items) != number:
            raise JournalError(
                f"{number} instances of {task.name!r} and {len(items)} items", code="corrupt"
            )
        marking, index = self.marking(event.scope), self.net(event.scope).place_index
        alive = any(marking[index[p]] for p in (multiple.ready, task.run, task.held))
        known = self.instances(event.scope, task.name)
        beside = multiple.overlaps and alive
        self._know(event.scope, task.name, known.entered(number, items, beside=beside))

    def _collect(self, event: e.TransitionFired, task: Task) -> None:
        """The results of an activation go where they belong."""
        known = self.instances(event.scope, task.name)
        writes = event.writes
        if not writes and task.result is not None:
            writes = {task.result: known.ordered()}
        self._write(event.scope, writes)
        self._know(event.scope, task.name, known.collected())

    def _scope_opened(self, event: e.ScopeOpened) -> None:
        item = self._open(event.item)
        net = self.compiled.nets.get(event.net)
        if net is None:
            raise JournalError(f"there is no net {event.net!r}", code="corrupt")
        self._change_scopes()[event.scope] = ScopeState(
            event.scope, event.net, net.initial, settle(event.data), item.id, item.scope
        )
        self._put(msgspec.structs.replace(item, child=event.scope))
        self.next_scope = event.scope + 1

    def _scope_closed(self, event: e.ScopeClosed) -> None:
        self._end(event.cancelled, (*event.closed, event.scope))

    def _item_offered(self, event: e.WorkItemOffered) -> None:
        status = self._step(self.items.get(event.item), event, event.item)
        self._number(event.item, event.task, event.scope)
        self._take_instance(event.scope, event.task, event.instance)
        self._put(
            WorkItem(
                event.item,
                event.task,
                event.scope,
                status,
                inputs=event.inputs,
                instance=event.instance,
                due=event.due,
                expires=event.expires,
            )
        )

    def _item_withdrawn(self, event: e.WorkItemWithdrawn) -> None:
        item = self._open(event.item)
        self._step(item, event, event.item)
        if item.instance is not None:
            known = self.instances(item.scope, item.task)
            self._know(item.scope, item.task, known.given_back(item.instance))
        self._end((event.item,), ())

    def _item_claimed(self, event: e.WorkItemClaimed) -> None:
        self._holder(event, event.item, event.by)

    def _item_released(self, event: e.WorkItemReleased) -> None:
        self._holder(event, event.item, None)

    def _item_delegated(self, event: e.WorkItemDelegated) -> None:
        self._holder(event, event.item, event.to)

    def _holder(self, event: e.Event, name: str, holder: str | None) -> None:
        item = self._open(name)
        status = self._step(item, event, name)
        self._put(msgspec.structs.replace(item, status=status, claimed_by=holder))

    def _item_started(self, event: e.WorkItemStarted) -> None:
        offered = self.items.get(event.item)
        status = self._step(offered, event, event.item)
        if offered is None:
            if event.task is None:
                raise JournalError(f"work item {event.item!r} was not offered", code="corrupt")
            self._number(event.item, event.task, event.scope)
            self._take_instance(event.scope, event.task, event.instance)
            self._fire(event.scope, event.transition)
            self._begin_undoing(event.scope, event.task)
            started = WorkItem(
                *(event.item, event.task, event.scope, status, 1, event.inputs),
                claimed_by=event.by,
                instance=event.instance,
                due=event.due,
                expires=event.expires,
            )
            self._put(started)
            return
        self._fire(offered.scope, event.transition)
        self._begin_undoing(offered.scope, offered.task)
        holder = event.by or offered.claimed_by
        self._put(
            msgspec.structs.replace(
                offered,
                status=status,
                attempt=1,
                inputs=event.inputs,
                claimed_by=holder,
                expires=offered.expires if event.expires is None else event.expires,
            )
        )

    def _item_completed(self, event: e.WorkItemCompleted) -> None:
        item = self._open(event.item)
        self._step(item, event, event.item)
        self._take(event.item)
        task = self.task(item)
        self._write(item.scope, event.writes)
        if task.multiple is not None and not task.multiple.overlaps and item.instance is not None:
            known = self.instances(item.scope, item.task)
            self._know(item.scope, item.task, known.finished(item.instance, event.result))
        if task.undoable:
            own = (
                {} if task.multiple is None or task.result is None else {task.result: event.result}
            )
            self._remember(item.scope, task, {**own, **event.writes})
        self._fire(item.scope, task.complete)
        if event.cancelled or event.closed:
            self._end(event.cancelled, event.closed)
        self._cleared(item.scope, event.cleared)

    def _item_failed(self, event: e.WorkItemFailed) -> None:
        item = self._open(event.item)
        status = self._step(item, event, event.item)
        if (event.transition is not None) is not (item.status is ItemStatus.OFFERED):
            raise JournalError(
                f"work item {item.id!r} is {item.status.value}, and fails as if it was not",
                code="corrupt",
            )
        self._fire(item.scope, event.transition or self.task(item).fail)
        self._put(
            msgspec.structs.replace(
                item,
                status=status,
                attempt=max(item.attempt, 1),
                retry_at=event.retry_at,
                error=event.error,
                child=None,
                expires=None,
            )
        )
        if event.cancelled or event.closed:
            self._end(event.cancelled, event.closed)

    def _item_retried(self, event: e.WorkItemRetried) -> None:
        item = self._open(event.item)
        status = self._step(item, event, event.item)
        if item.status is ItemStatus.FAILED:
            self._fire(item.scope, self.task(item).retry_by)
        crashes = item.crashes if event.interrupted else 0
        self._put(
            msgspec.structs.replace(
                item,
                status=status,
                attempt=event.attempt,
                retry_at=None,
                crashes=crashes + event.crashed,
                expires=event.expires,
            )
        )

    def _item_given_up(self, event: e.WorkItemGivenUp) -> None:
        item = self._open(event.item)
        self._step(item, event, event.item)
        task = self.task(item)
        branch = task.time_out if event.timed_out else task.give_up
        if branch is None:
            raise JournalError(f"task {item.task!r} has no error branch", code="corrupt")
        self._take(event.item)
        self._write(item.scope, event.writes)
        self._fire(item.scope, branch)

    def _item_reminded(self, event: e.WorkItemReminded) -> None:
        item = self._open(event.item)
        status = self._step(item, event, event.item)
        self._fire(item.scope, event.transition)
        self._put(msgspec.structs.replace(item, status=status, reminded=True))

    def _wait_begun(self, event: e.TimerSet | e.TriggerAwaited) -> None:
        timer = isinstance(event, e.TimerSet)
        name = event.timer if isinstance(event, e.TimerSet) else event.wait
        wait = name.rpartition("/")[0]
        known = self.net(event.scope).waits.get(wait)
        if known is None or (known.timing is not None) is not timer or name in self.waits:
            raise JournalError(
                f"scope {event.scope} has nothing that could wait as {name!r}", code="corrupt"
            )
        self._numbered(name, wait)
        self._change_waits()[name] = (
            Waiting(name, wait, event.scope, due=event.due)
            if isinstance(event, e.TimerSet)
            else Waiting(name, wait, event.scope, trigger=event.trigger, key=event.key)
        )

    def _waited(self, name: str) -> Waiting:
        found = self.waits.get(name)
        if found is None:
            raise JournalError(f"nothing waits as {name!r}", code="corrupt")
        del self._change_waits()[name]
        return found

    def _wait_ended(self, event: e.TimerCancelled | e.TriggerUnawaited) -> None:
        self._waited(event.timer if isinstance(event, e.TimerCancelled) else event.wait)

    def _timer_fired(self, event: e.TimerFired) -> None:
        waiting = self._waited(event.timer)
        self._fire(waiting.scope, event.transition)
        if event.cancelled or event.closed:
            self._end(event.cancelled, event.closed)

    def _trigger_received(self, event: e.TriggerReceived) -> None:
        scope = event.scope if event.wait is None else self._waited(event.wait).scope
        if event.kept is not None and self._change_kept().pop(event.kept, None) is None:
            raise JournalError(f"no trigger is kept as number {event.kept}", code="corrupt")
        self._write(scope, event.writes)
        self._fire(scope, event.transition)
        if event.cancelled or event.closed:
            self._end(event.cancelled, event.closed)

    def _trigger_kept(self, event: e.TriggerKept) -> None:
        if event.number <= self.serials.get(KEPT, 0):
            raise JournalError(f"a trigger was kept as {event.number} before", code="corrupt")
        self._numbered(f"/{event.number}", KEPT)
        self._change_kept()[event.number] = KeptTrigger(
            event.number, event.trigger, event.data, event.key
        )

    def _instance_added(self, event: e.InstanceAdded) -> None:
        multiple = self._multiple(event.scope, event.task)
        if multiple.add is None:
            raise JournalError(f"nothing can be added to task {event.task!r}", code="corrupt")
        self._fire(event.scope, multiple.add)
        known = self.instances(event.scope, event.task)
        self._know(event.scope, event.task, known.joined(event.data))

    def _instances_sealed(self, event: e.InstancesSealed) -> None:
        multiple = self._multiple(event.scope, event.task)
        if multiple.seal is None:
            raise JournalError(f"task {event.task!r} cannot be sealed", code="corrupt")
        self._fire(event.scope, multiple.seal)

    def _multiple(self, scope: int, name: str) -> Multiple:
        task = self.net(scope).tasks.get(name)
        if task is None or task.multiple is None:
            raise JournalError(
                f"scope {scope} has no multiple-instance task {name!r}", code="corrupt"
            )
        return task.multiple


_RULES: dict[type[e.Event], Callable[[Draft, Any], None]] = {
    e.CaseStarted: Draft._case_started,
    e.CaseCompleted: Draft._case_ended,
    e.CaseCancelled: Draft._case_ended,
    e.CaseFailed: Draft._case_failed,
    e.CaseSuspended: Draft._case_suspended,
    e.CaseResumed: Draft._case_resumed,
    e.TransitionFired: Draft._transition_fired,
    e.ScopeOpened: Draft._scope_opened,
    e.ScopeClosed: Draft._scope_closed,
    e.WorkItemOffered: Draft._item_offered,
    e.WorkItemWithdrawn: Draft._item_withdrawn,
    e.WorkItemClaimed: Draft._item_claimed,
    e.WorkItemReleased: Draft._item_released,
    e.WorkItemDelegated: Draft._item_delegated,
    e.WorkItemStarted: Draft._item_started,
    e.WorkItemCompleted: Draft._item_completed,
    e.WorkItemFailed: Draft._item_failed,
    e.WorkItemRetried: Draft._item_retried,
    e.WorkItemGivenUp: Draft._item_given_up,
    e.InstanceAdded: Draft._instance_added,
    e.InstancesSealed: Draft._instances_sealed,
    e.WorkItemReminded: Draft._item_reminded,
    e.TimerSet: Draft._wait_begun,
    e.TimerFired: Draft._timer_fired,
    e.TimerCancelled: Draft._wait_ended,
    e.TriggerAwaited: Draft._wait_begun,
    e.TriggerUnawaited: Draft._wait_ended,
    e.TriggerReceived: Draft._trigger_received,
    e.TriggerKept: Draft._trigger_kept,
}
"""The rule of each event; those without one change the status of the case only."""

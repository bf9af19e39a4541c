"""The short way: plain steps of a case without asking again what is known already.

What a command does to the *control* of a case, which transitions fire and which tasks start, is a
function of little: in a case that is *plain* (one net, nothing held, offered or waiting, no
instances, nothing to undo) it is the marking, the task whose item is completed, and what the
guards say that are asked. So what `weft.engine.decide` answered once for a marking and a task is a
*route*, to be taken again: a `Book` keeps the routes of a net, with a fork at each guard, and
learns them from the decisions of the long way. Nothing else is ever written in it. (The idea is
that of tracing compilers: Bala, Duesterwald, Banerjia, *Dynamo*, 2000; the interpreter is the
specification, and what it did is recorded with the conditions under which it does so again.)

The data are worked out anew at each step: inputs, outputs and their types, and the guards. Where
anything is out of the ordinary, a fault, a large value, a route that nobody has learnt, the step
has changed nothing and is left to the long way, which tells of it as ever.

A case that goes by routes alone needs no command, no lock, no task of the event loop, and no record
until somebody reads one. It is then in a *lane* (`weft.engine.runtime._lane`, compiled): its state
is made a `CaseState` when somebody asks for it, and its events become the records of the journal,
the same bytes and the same chain of hashes, when somebody reads there. That is possible where an
append is done on return and nobody is told of each batch: a journal in memory, no listeners, no
seed. The functions of tasks are called one after the other, as inline functions always are.

``WEFT_KERNEL=reference``, or a kernel that is not compiled, closes the lanes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import attrs

from weft.engine import commands as c
from weft.engine import events as e
from weft.engine.case import CaseState, WorkItem
from weft.engine.cel_syntax import Name, parse
from weft.engine.decide import Decision, initial_data
from weft.engine.expressions import compile_expression
from weft.engine.journal.batch import Encoded
from weft.engine.lifecycle import CaseStatus, ItemStatus
from weft.engine.net import CompiledSpecification, Mapped, Net, Task
from weft.engine.ports import CaseId, Clock, Performer, Worker
from weft.engine.table import SMALL
from weft.native import KERNEL

__all__ = ["Asked", "Book", "book_of", "compiled_lane"]

MOST_STEPS = 1_000
"""A longer route is not kept."""

MOST_BYTES = 16 << 20
"""What a book keeps takes about so many; other routes go the long way."""

Asked = list[tuple[str, bool]]
"""The guards that a decision has asked, in order, and what each said."""


def compiled_lane() -> Any:
    """The module of the lane; None: it is not compiled, or not wanted."""
    if KERNEL == "reference":
        return None
    try:
        return import_module("weft.engine.runtime._lane")
    except ImportError:
        return None


def book_of(
    compiled: CompiledSpecification, performers: Mapping[tuple[str, str], Performer | None]
) -> Book | None:
    """The book of a specification; None: none of its cases can ever be plain."""
    lane = compiled_lane()
    net = compiled.net
    if lane is None or compiled.triggers or len(net.variables) > SMALL:
        return None
    tasks = {
        task.name: _task(lane, net, task, performers.get((net.name, task.name)))
        for task in net.tasks.values()
    }
    if not any(task.plain for task in tasks.values()):
        return None
    return Book(lane, compiled, tasks)


@attrs.define(eq=False)
class Book:
    """The routes of a net, as far as they are known.

    ``places`` has the markings in which a case has stood; ``first`` what follows on its start.
    ``size`` is about how many bytes all of it takes: guards may lead in any number of ways from a
    marking to another. ``silent`` says whether the journal need not be told of each step.
    """

    lane: Any
    compiled: CompiledSpecification
    tasks: Mapping[str, Any]
    places: dict[bytes, Any] = attrs.field(factory=dict)
    first: Any = None
    size: int = 0
    silent: bool = False
    _defaults: dict[str, Any] | None = None

    def defaults(self) -> dict[str, Any]:
        """The variables of a case that is given none.

        Raises:
            UsageError: One is required.
        """
        if self._defaults is None:
            self._defaults = initial_data(self.compiled.net, {})
        return self._defaults.copy()

    def plain(self, case: CaseState) -> bool:
        """Whether what a case does next hangs on its marking and its guards alone."""
        if (
            case.status is not CaseStatus.RUNNING
            or len(case.scopes) != 1
            or case.waits
            or case.kept
            or case.error is not None
            or case.next_scope != 1
            or len(case.items) > SMALL
        ):
            return False
        scope = case.scopes[0]
        if scope.instances or scope.completed or len(scope.data) > SMALL:
            return False
        started, tasks = ItemStatus.STARTED, self.tasks
        return bool(case.items) and all(
            status is started and tasks[task].plain for _, task, status in case.tally
        )

    def learn(
        self, before: CaseState | None, command: c.Command, decision: Decision, asked: Asked
    ) -> None:
        """Write down what the long way has decided, if it is a route."""
        events, after = decision.events, decision.case
        if len(events) > MOST_STEPS or len(asked) > MOST_STEPS or self.size > MOST_BYTES:
            return
        first = events[0]
        done: Any = None
        if before is None:
            if not isinstance(first, e.CaseStarted):
                return
        else:
            if not isinstance(command, c.CompleteWorkItem) or not self.plain(before):
                return
            item = before.items.get(command.item)
            if item is None or not isinstance(first, e.WorkItemCompleted):
                return
            if first != e.WorkItemCompleted(item.id, first.writes):
                return
            done = self.tasks[item.task]
        if self._knows(before, done, asked):
            return
        steps = self._steps(events[1:])
        if steps is None:
            return
        then = None
        if after.status is not CaseStatus.COMPLETED:
            then = self._place(after.scopes[0].marking) if self.plain(after) else None
            if then is None:
                return
        route = self.lane.Route(tuple(steps), then)
        self.size += 200 + 100 * (len(steps) + len(asked))
        if before is None or done is None:
            self.first = self._grown(self.first, asked, route)
            return
        place = self._place(before.scopes[0].marking)
        if place is not None:
            place.after[done] = self._grown(place.after.get(done), asked, route)

    def _steps(self, events: Sequence[e.Event]) -> list[Any] | None:
        """What follows on a cause, as steps of a route; None: it is more than plain."""
        steps: list[Any] = []
        for event in events:
            match event:
                case e.TransitionFired(transition=transition):
                    if event != e.TransitionFired(transition):
                        return None
                    steps.append(event)
                case e.WorkItemStarted(item=item, transition=transition, task=str(task)):
                    alone = e.WorkItemStarted(item, transition, task, 0, event.inputs)
                    if event != alone or not self.tasks[task].plain:
                        return None
                    steps.append(self.lane.Start(self.tasks[task], transition))
                case e.CaseCompleted(by=None, unread={}):
                    steps.append(event)
                case _:
                    return None
        return steps

    def _place(self, marking: bytes) -> Any:
        """A marking of the book; None: it is full."""
        place = self.places.get(marking)
        if place is None and self.size <= MOST_BYTES:
            place = self.places[marking] = self.lane.Place(marking)
            self.size += len(marking) + 500
        return place

    def _knows(self, before: CaseState | None, done: Any, asked: Asked) -> bool:
        """Whether a route is written down already."""
        tree = self.first
        if before is not None:
            place = self.places.get(before.scopes[0].marking)
            tree = None if place is None else place.after.get(done)
        for guard, held in asked:
            if not isinstance(tree, self.lane.Fork) or tree.guard.text != guard:
                return False
            tree = tree.yes if held else tree.no
        return isinstance(tree, self.lane.Route)

    def _grown(self, tree: Any, asked: Asked, route: Any) -> Any:
        """A tree of forks with one more route, which the guards lead to."""
        forks = []
        for guard, held in asked:
            fork = tree if isinstance(tree, self.lane.Fork) else None
            if fork is None or fork.guard.text != guard:
                fork = self.lane.Fork(compile_expression(guard))
            forks.append(fork)
            tree = fork.yes if held else fork.no
        grown = route
        for fork, (_, held) in zip(reversed(forks), reversed(asked), strict=True):
            if held:
                fork.yes = grown
            else:
                fork.no = grown
            grown = fork
        return grown

    def started(
        self, case: CaseId, data: dict[str, Any], origin: Any, clock: Clock, snapshot_every: int
    ) -> Any:
        """The lane of a case that starts now; None: it has to go the long way.

        Args:
            case: Its id.
            data: Its variables, which nobody else may change.
            origin: Is kept for who drives it.
            clock: Says when it starts.
            snapshot_every: It has a snapshot after so many events.
        """
        if self.first is None:
            return None
        try:
            return self.lane.started(
                self.compiled, case, data, self.first, origin, clock, snapshot_every
            )
        except Exception:  # noqa: BLE001  # an expression fails: the long way says how
            return None

    def starting(
        self,
        batch: Encoded,
        data: dict[str, Any],
        traceparent: str | None,
        snapshot_every: int,
    ) -> Any:
        """The lane of a case whose start is planned, and told of by a batch; None: as `started`.

        Args:
            batch: What each step of the case becomes.
            data: Its variables, which nobody else may change.
            traceparent: The trace that it belongs to.
            snapshot_every: It has a snapshot after so many events.
        """
        compiled, case, now = self.compiled, batch.case, batch.started
        event = e.CaseStarted(
            case, compiled.name, compiled.version, compiled.hash, data, traceparent
        )
        lane = self.lane.Lane(compiled, case, None, data, {}, 0, now, now, 0, snapshot_every)
        lane.tell(batch, e.GENESIS)
        try:
            if not lane.plan_start(event, self.first, now):
                return None
            lane.write()
        except Exception:  # noqa: BLE001  # an expression fails, or what cannot be stored
            return None
        return lane

    def entered(
        self, case: CaseState, waiting: list[str], place: tuple[int, int, int, int, int]
    ) -> Any:
        """The lane of a case that stands where a route begins; None: it does not.

        Args:
            case: Its state.
            waiting: Its open items, in the order of their attempts.
            place: How many events it has, when it was started and changed, after which event it
                has a snapshot, and after how many it has the next.
        """
        scope = case.scopes.get(0)
        known = None if scope is None else self.places.get(scope.marking)
        if scope is None or known is None or not waiting:
            return None
        first = case.items.get(waiting[0])
        if first is None or self.tasks[first.task] not in known.after:
            return None
        if list(case.items) != waiting or not self.plain(case):
            return None
        lane = self.lane.Lane(
            self.compiled, case.id, known, dict(scope.data), dict(case.serials), *place
        )
        for item in case.items.values():
            if item != WorkItem(item.id, item.task, 0, ItemStatus.STARTED, 1, item.inputs):
                return None
            task = self.tasks[item.task]
            if item.inputs.keys() != set(task.input_names):
                return None
            lane.wait(item.id, task, item.inputs)
        return lane


# ── preparing what the lane reads ────────────────────────────────────────────────────────────


def _task(lane: Any, net: Net, task: Task, performer: Performer | None) -> Any:
    """A task as the lane knows it."""
    outputs = _outputs(lane, net, task)
    plain = (
        performer is not None
        and performer.worker is Worker.INLINE
        and task.automatic
        and task.child is None
        and task.multiple is None
        and task.due is None
        and task.expires is None
        and not task.undoable
        and task.undoes is None
        and outputs is not None
    )
    seconds = None if task.timeout is None else task.timeout / 1_000_000
    inputs = tuple(_value(lane, name, mapped, None) for name, mapped in task.inputs.items())
    return lane.LaneTask(
        *(task.name, plain, inputs, outputs, seconds),
        None if performer is None else performer.call,
        None if performer is None else performer.direct,
    )


def _outputs(lane: Any, net: Net, task: Task) -> tuple[Any, ...] | None:
    """How the writes of a task are found; None: not by the lane."""
    if task.outputs is None:
        mapping = {} if task.result is None else {task.result: Mapped(expression="result")}
    else:
        mapping = task.outputs
    if any(name in net.variables and net.variables[name].merge for name in mapping):
        return None
    return tuple(_value(lane, name, mapped, net) for name, mapped in mapping.items())


def _value(lane: Any, name: str, mapped: Mapped, net: Net | None) -> Any:
    """An entry of a mapping of inputs, or (with its net) of outputs."""
    kind, source = lane.LITERAL, mapped.value
    if mapped.expression is not None:
        root = parse(mapped.expression).root
        if isinstance(root, Name):
            kind, source = lane.NAME, root.name
            if net is not None and root.name == "result":
                source = None
        else:
            kind, source = lane.EXPRESSION, compile_expression(mapped.expression)
    if net is None:
        return lane.Value(name, kind, source, lane.ANYTHING, lane.INPUT)
    if name not in net.variables:
        return lane.Value(name, kind, source)
    declared = net.types[name]
    simple = {
        "any": lane.ANYTHING,
        "integer": lane.INTEGER,
        "number": lane.NUMBER,
        "string": lane.TEXT,
        "boolean": lane.TRUTH,
    }
    exact = declared.enum is None and (declared.type == "any" or not declared.nullable)
    code = simple.get(declared.type, lane.OTHER) if exact else lane.OTHER
    return lane.Value(name, kind, source, code, declared)

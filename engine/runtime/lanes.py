"""The short way: plain steps of a case without asking again what is known already.

What a command does to the *control* of a case, which transitions fire and which tasks start, is a
function of little: in a case that is *plain* (one net, nothing held or waiting, nothing to undo)
it is the marking, the task whose item is completed, and what the
guards say that are asked. So what `weft.engine.decide` answered once for a marking and a task is a
*route*, to be taken again: a `Book` keeps the routes of a net, with a fork at each guard and at
each number of instances, and learns them from the decisions of the long way. Nothing else is ever written in it. (The idea is
that of tracing compilers: Bala, Duesterwald, Banerjia, *Dynamo*, 2000; the interpreter is the
specification, and what it did is recorded with the conditions under which it does so again.)

The completion of one of many instances mostly has nothing follow on it, and each leads to another
marking: no route is learnt for those. Nothing follows where none of the transitions that the
completion touches is enabled then, and that is asked of the kernel, as the long way asks it.

The data are worked out anew at each step: inputs, outputs and their types, and the guards. Where
anything is out of the ordinary, a fault, a large value, a route that nobody has learnt, the step
has changed nothing and is left to the long way, which tells of it as ever.

A case that goes by routes alone needs no command, no lock, no task of the event loop, and no record
until somebody reads one. It is then in a *lane* (`weft.engine.runtime._lane`, compiled): its state
is made a `CaseState` when somebody asks for it, and its events become the records of the journal,
the same bytes and the same chain of hashes, when somebody reads there. That is possible where an
append is done on return and nobody is told of each batch: a journal in memory, no listeners, no
seed. The functions of tasks are called one after the other, as inline functions always are.

Where nothing is left but what is offered to somebody, the case is *parked*: it stays in its lane, a
row of the work list is made when somebody reads that list, and the case leaves the lane when
somebody acts.

``WEFT_KERNEL=reference``, or a kernel that is not compiled, closes the lanes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import msgspec

from weft.engine import commands as c
from weft.engine import events as e
from weft.engine.case import CaseState, WorkItem
from weft.engine.cel_syntax import Name, parse
from weft.engine.decide import Decision, initial_data
from weft.engine.expressions import compile_expression
from weft.engine.instances import INDEX
from weft.engine.journal.batch import Encoded
from weft.engine.lifecycle import CaseStatus, ItemStatus
from weft.engine.net import CompiledSpecification, Mapped, Net, Task, VariableType
from weft.engine.ports import CaseId, Clock, Performer, Worker
from weft.engine.table import SMALL
from weft.native import KERNEL, kernel

__all__ = ["Asked", "Book", "book_of", "compiled_lane"]

MOST_STEPS = 1_000
"""A longer route is not kept."""

MOST_BYTES = 16 << 20
"""What a book keeps takes about so many; other routes go the long way."""

Asked = list[tuple[str, bool, int]]
"""The guards that a decision has asked, in order, what each said, and after how many events."""


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
    places: dict[bytes, Any] = {}
    tasks = {
        task.name: _task(lane, compiled, places, task, performers.get((net.name, task.name)))
        for task in net.tasks.values()
    }
    if not any(task.plain for task in tasks.values()):
        return None
    return Book(lane, compiled, tasks, places)


class Book(msgspec.Struct, eq=False):
    """The routes of a net, as far as they are known.

    ``places`` has the markings in which a case has stood; ``first`` what follows on its start.
    ``size`` is about how many bytes all of it takes: guards may lead in any number of ways from a
    marking to another. ``silent`` says whether the journal need not be told of each step.
    """

    lane: Any
    compiled: CompiledSpecification
    tasks: Mapping[str, Any]
    places: dict[bytes, Any]
    first: Any = None
    size: int = 0
    silent: bool = False
    _defaults: dict[str, Any] | None = None
    _variables: tuple[Any, ...] | None = None

    def defaults(self) -> dict[str, Any]:
        """The variables of a case that is given none; they are shared, and nobody changes them.

        Raises:
            UsageError: One is required.
        """
        if self._defaults is None:
            self._defaults = initial_data(self.compiled.net, {})
        return self._defaults

    def data(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The variables of a case that is given some: those of `initial_data`.

        Raises:
            UsageError: They do not fit.
        """
        net = self.compiled.net
        if self._variables is None:
            self._variables = tuple(
                _value(self.lane, name, Mapped(value=_default(self.lane, variable)), net)
                for name, variable in net.variables.items()
            )
        found: dict[str, Any] | None = self.lane.begun(self._variables, given)
        return initial_data(net, given) if found is None else found

    def plain(self, case: CaseState) -> bool:
        """Whether what a case does next hangs on its marking and its guards alone."""
        if (
            case.status is not CaseStatus.RUNNING
            or len(case.scopes) != 1
            or case.waits
            or case.kept
            or case.error is not None
            or case.next_scope != 1
        ):
            return False
        scope = case.scopes[0]
        if scope.completed or len(scope.data) > SMALL:
            return False
        if len(case.items) > SMALL and not scope.instances:
            return False
        for name, known in scope.instances.items():
            if self.tasks[name].several is None or known.back or known.added:
                return False
            if len(known.lists) != 1 or known.floor != known.lists[0].first:
                return False
        for _, name, status in case.tally:
            task = self.tasks[name]
            if not (task.plain if status is ItemStatus.STARTED else task.offers):
                return False
            if status not in (ItemStatus.STARTED, ItemStatus.OFFERED):
                return False
        return bool(case.items)

    def learn(
        self, before: CaseState | None, command: c.Command, decision: Decision, asked: Asked
    ) -> None:
        """Write down what the long way has decided, if it is a route."""
        events, after = decision.events, decision.case
        if len(asked) > MOST_STEPS or self.size > MOST_BYTES:
            return
        done: Any = None
        if before is None:
            if not isinstance(events[0], e.CaseStarted):
                return
        else:
            done = self._completed(before, command, events[0])
            if done is None:
                return
        steps = self._steps(events[1:])
        if steps is None or len(steps) > MOST_STEPS:
            return
        gather = next((step for step in steps if isinstance(step, self.lane.Gather)), None)
        if gather is not None and not self._first(gather, steps, done, asked):
            return
        questions = self._questions(events, asked)
        if self._knows(before, done, questions):
            return
        then = None
        if after.status is CaseStatus.COMPLETED:
            if any(isinstance(step, self.lane.Offer) for step in steps) or (
                before is not None
                and any(status is ItemStatus.OFFERED for _, _, status in before.tally)
            ):
                return  # what is offered is withdrawn by that
        else:
            then = self._place(after.scopes[0].marking) if self.plain(after) else None
            if then is None:
                return
        route = self.lane.Route(tuple(steps), then)
        self.size += 200 + 100 * (len(steps) + len(asked))
        if before is None or done is None:
            self.first = self._grown(self.first, questions, route)
            return
        place = self._place(before.scopes[0].marking)
        if place is None:
            return
        known = place.after.get(done)
        if gather is None:
            place.after[done] = self._grown(known, questions, route)
            return
        if isinstance(known, self.lane.Gather):
            gather = known
        gather.tree = self._grown(gather.tree, questions, route)
        place.after[done] = gather

    def _first(self, gather: Any, steps: Sequence[Any], done: Any, asked: Asked) -> bool:
        """Whether results are gathered once, before all else: what is asked then sees them."""
        again = sum(isinstance(step, self.lane.Gather) for step in steps) > 1
        before = any(event <= 1 for _, _, event in asked)
        return steps[0] is gather and gather.task is done and not again and not before

    def _completed(self, before: CaseState, command: c.Command, first: e.Event) -> Any:
        """The task of which an item is completed by a command, and nothing else; None: more is."""
        if not isinstance(command, c.CompleteWorkItem) or not self.plain(before):
            return None
        item = before.items.get(command.item)
        if item is None or not isinstance(first, e.WorkItemCompleted):
            return None
        done = self.tasks[item.task]
        if first != e.WorkItemCompleted(item.id, first.writes, result=first.result):
            return None
        return None if (item.instance is None) is not (done.several is None) else done

    def _steps(self, events: Sequence[e.Event]) -> list[Any] | None:
        """What follows on a cause, as steps of a route; None: it is more than plain."""
        steps: list[Any] = []
        for event in events:
            match event:
                case e.TransitionFired(transition=transition):
                    step = self._fired(event, transition)
                    if step is None:
                        return None
                    steps.append(step)
                case e.WorkItemStarted(item=item, transition=transition, task=str(name)):
                    task, number = self.tasks[name], event.instance
                    alone = e.WorkItemStarted(
                        item, transition, name, 0, event.inputs, instance=number
                    )
                    if event != alone or not task.plain:
                        return None
                    if (number is None) is not (task.several is None):
                        return None
                    last, times = steps[-1] if steps else None, 1
                    if number is not None and self._alike(last, task, transition):
                        times += steps.pop().times
                    steps.append(self.lane.Start(task, transition, times))
                case e.WorkItemOffered(item=item, task=name):
                    task = self.tasks[name]
                    if not task.offers:
                        return None
                    if event != e.WorkItemOffered(item, name, 0, event.inputs):
                        return None
                    steps.append(self.lane.Offer(task))
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

    def _alike(self, step: Any, task: Any, transition: str) -> bool:
        """Whether a step starts a task by a transition."""
        if not isinstance(step, self.lane.Start):
            return False
        return bool(step.task is task and step.transition == transition)

    def _fired(self, event: e.TransitionFired, transition: str) -> Any:
        """A firing as a step; None: it is more than plain."""
        net = self.compiled.net
        if event.scope or event.cancelled or event.closed:
            return None
        if any(task.multiple and task.multiple.ready in event.cleared for task in net.multiple):
            return None
        if transition in net.entering:
            task, multiple = net.entering[transition]
            known = self.tasks[task.name]
            if known.several is None:
                return None
            number = event.counts[0] if multiple.number is None else multiple.number
            return self.lane.Enter(known, number, event)
        if event.counts:
            return None
        if transition in net.collecting:
            known = self.tasks[net.collecting[transition].name]
            return None if known.several is None else self.lane.Gather(known, event)
        return None if event.writes else event

    def _questions(self, events: Sequence[e.Event], asked: Asked) -> list[tuple[Any, Any]]:
        """What a decision hangs on, in the order in which it was asked, and each answer.

        The text of a guard, or the task whose instances were counted.
        """
        found: list[tuple[int, int, Any, Any]] = [(at, 0, guard, held) for guard, held, at in asked]
        for at, event in enumerate(events):
            if isinstance(event, e.TransitionFired):
                entering = self.compiled.net.entering.get(event.transition)
                if entering is not None and self.tasks[entering[0].name].several.number is not None:
                    number = self._fired(event, event.transition).number
                    found.append((at, 1, self.tasks[entering[0].name], number))
        found.sort(key=lambda question: question[:2])
        return [(question, answer) for _, _, question, answer in found]

    def _node(self, tree: Any, question: Any) -> Any:
        """The root of a tree, if it asks this question."""
        if isinstance(question, str):
            fits = isinstance(tree, self.lane.Fork) and tree.guard.text == question
        else:
            fits = isinstance(tree, self.lane.Counted) and tree.task is question
        return tree if fits else None

    def _next(self, node: Any, answer: Any) -> Any:
        """What follows on an answer."""
        if isinstance(node, self.lane.Counted):
            return node.by.get(answer)
        return node.yes if answer else node.no

    def _knows(self, before: CaseState | None, done: Any, questions: list[tuple[Any, Any]]) -> bool:
        """Whether a route is written down already."""
        tree = self.first
        if before is not None:
            place = self.places.get(before.scopes[0].marking)
            tree = None if place is None else place.after.get(done)
            if isinstance(tree, self.lane.Gather):
                tree = tree.tree
        for question, answer in questions:
            node = self._node(tree, question)
            if node is None:
                return False
            tree = self._next(node, answer)
        return isinstance(tree, self.lane.Route)

    def _grown(self, tree: Any, questions: list[tuple[Any, Any]], route: Any) -> Any:
        """A tree of questions with one more route, which the answers lead to."""
        nodes = []
        for question, answer in questions:
            node = self._node(tree, question)
            if node is None:
                asks = isinstance(question, str)
                node = (
                    self.lane.Fork(compile_expression(question))
                    if asks
                    else self.lane.Counted(question)
                )
            nodes.append(node)
            tree = self._next(node, answer)
        grown = route
        for node, (_, answer) in zip(reversed(nodes), reversed(questions), strict=True):
            if isinstance(node, self.lane.Counted):
                node.by[answer] = grown
            elif answer:
                node.yes = grown
            else:
                node.no = grown
            grown = node
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
        try:
            return self.lane.starting(
                *(self.compiled, batch.case, data, self.first, batch),
                *(e.GENESIS, traceparent, snapshot_every),
            )
        except Exception:  # noqa: BLE001  # of an expression, or what cannot be stored: as above
            return None

    def entered(
        self,
        case: CaseState,
        waiting: list[str],
        place: tuple[int, int, int, int, int],
        *,
        told: bool = False,
    ) -> Any:
        """The lane of a case that stands where a route begins; None: it does not.

        Args:
            case: Its state.
            waiting: Its open items, in the order of their attempts.
            place: How many events it has, when it was started and changed, after which event it
                has a snapshot, and after how many it has the next.
            told: Whether each step is to be told of; instances are not, then.
        """
        scope = case.scopes.get(0)
        if scope is None or not waiting:
            return None
        first = case.items.get(waiting[0])
        if first is None or first.scope:  # a net in the net has tasks of its own
            return None
        done = self.tasks[first.task]
        if told and done.several is not None:
            return None
        known = self.places.get(scope.marking)
        if known is None or done not in known.after:
            if done.several is None or done.several.quiet(scope.marking) is None:
                return None
            known = known or self.lane.Place(scope.marking)
        at_work = [i.id for i in case.items.values() if i.status is ItemStatus.STARTED]
        if at_work != waiting or not self.plain(case):
            return None
        if told and len(at_work) < len(case.items):
            return None
        lane = self.lane.Lane(
            self.compiled, case.id, known, dict(scope.data), dict(case.serials), *place
        )
        for name, several in scope.instances.items():
            [listing] = several.lists
            lane.entered(
                *(name, several.count, listing.first, several.next, listing.items),
                several.results,
            )
        for item in case.items.values():
            task, inputs = self.tasks[item.task], item.inputs
            started = item.status is ItemStatus.STARTED
            alone = WorkItem(
                *(item.id, item.task, 0, item.status, int(started), inputs), instance=item.instance
            )
            if item != alone or inputs.keys() != set(task.input_names):
                return None
            if started:
                lane.wait(item.id, task, inputs, item.instance)
            else:
                lane.offer(item.id, task, inputs)
        return lane


# ── preparing what the lane reads ────────────────────────────────────────────────────────────


def _task(
    lane: Any,
    compiled: CompiledSpecification,
    places: dict[bytes, Any],
    task: Task,
    performer: Performer | None,
) -> Any:
    """A task as the lane knows it."""
    net = compiled.net
    several = None if task.multiple is None else _several(lane, compiled, places, task)
    outputs = () if several is not None else _outputs(lane, net, task)
    plain = (
        performer is not None
        and performer.worker is Worker.INLINE
        and task.automatic
        and task.child is None
        and (task.multiple is None or several is not None)
        and task.due is None
        and task.expires is None
        and not task.undoable
        and task.undoes is None
        and outputs is not None
    )
    seconds = None if task.timeout is None else task.timeout / 1_000_000
    inputs = tuple(_value(lane, name, mapped, None) for name, mapped in task.inputs.items())
    made = lane.LaneTask(
        *(task.name, plain, inputs, outputs, seconds),
        None if performer is None else performer.call,
        None if performer is None else performer.direct,
    )
    made.several = several
    made.offers = (
        task.connector is not None
        and not task.automatic
        and task.child is None
        and task.multiple is None
        and task.due is None
        and task.expires is None
        and task.timeout is None
        and not task.lapses
        and not task.reminds
        and not task.undoable
        and task.undoes is None
    )
    return made


def _several(
    lane: Any, compiled: CompiledSpecification, places: dict[bytes, Any], task: Task
) -> Any:
    """What makes a task one with many instances; None: they are no business of the lane's."""
    net, multiple = compiled.net, task.multiple
    assert multiple is not None
    enter = net.transitions[net.transition_index[multiple.enter]]
    complete = net.transitions[net.transition_index[task.complete]]
    variable = None if task.result is None else net.variables.get(task.result)
    if (
        multiple.overlaps
        or multiple.add is not None
        or multiple.conditions
        or (task.outputs is None) is (task.result is None)
        or any(n in net.variables and net.variables[n].merge for n in task.outputs or ())
        or (variable is not None and variable.merge)
        or complete.clear
        or complete.counted
        or compiled.case_wide
        or net.undoers
        or [place for place, _ in enter.counted] not in ([], [multiple.ready])
    ):
        return None
    number = None
    if multiple.items is not None:
        number = _value(lane, INDEX, multiple.items, None)
    elif multiple.number is None:
        [(_, text)] = enter.counted
        number = _value(lane, INDEX, Mapped(expression=text), None)
    watched = None
    if not net.or_joins and not net.waits:
        index = net.transition_index[task.complete]
        external = net.image.external
        watched = tuple(
            t for t in kernel.touched(net.image, index) if not external[t] or t in net.beginnings
        )
    moved = [(net.place_index[arc.place], -arc.weight) for arc in complete.take]
    moved += [(net.place_index[arc.place], arc.weight) for arc in complete.put]
    outputs = None
    if task.outputs is not None:
        outputs = tuple(
            lane.Value(*_found_by(lane, name, mapped), lane.OTHER, net.types.get(name))
            for name, mapped in task.outputs.items()
        )
    declared = None if task.result is None else net.types.get(task.result)
    listed = None if declared is None else declared.items
    if number is not None and multiple.items is not None and multiple.items.expression is None:
        told, counted = False, False
    else:
        told, counted = multiple.items is not None, multiple.items is None
    return lane.Several(
        multiple.item,
        *(number, counted, told),
        None if multiple.collect is None else compile_expression(multiple.collect),
        *(listed, outputs, task.result, declared, places, net.image, watched, tuple(moved)),
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


def _found_by(lane: Any, name: str, mapped: Mapped) -> tuple[str, int, Any]:
    """The name of an entry of a mapping, how its value is found, and by what."""
    if mapped.expression is None:
        return name, lane.LITERAL, mapped.value
    root = parse(mapped.expression).root
    if isinstance(root, Name):
        return name, lane.NAME, root.name
    return name, lane.EXPRESSION, compile_expression(mapped.expression)


def _default(lane: Any, variable: VariableType) -> Any:
    """What a variable begins with that is not given; ``REQUIRED``: it has to be."""
    if variable.default:
        return variable.default[0]
    return lane.REQUIRED if variable.required else None


def _value(lane: Any, name: str, mapped: Mapped, net: Net | None) -> Any:
    """An entry of a mapping of inputs, or (with its net) of outputs."""
    _, kind, source = _found_by(lane, name, mapped)
    if net is not None and kind == lane.NAME and source == "result":
        source = None
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

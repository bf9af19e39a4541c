"""What the events of a case mean as telemetry: spans, counts, durations, log records.

A `CaseStory` is a fold over the journal, as `weft.engine.evolve` is: the same events always tell
the same story, with the same span ids, whichever process tells it. It knows no telemetry library;
`weft.weaver.telemetry` hands on what is told here.

    case ── task (a work item) ── attempt
             └── tasks of its net below, for a composite one

Spans are told when they end, for only then is their story whole. Data of a case (its variables,
inputs, results) are never told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from hashlib import sha256
from typing import Any, Final

import msgspec

from weft.engine import events as e
from weft.engine.case import CaseState
from weft.engine.net import CompiledSpecification
from weft.weaver import conventions as names

__all__ = [
    "CaseStory",
    "Count",
    "Duration",
    "Fact",
    "Link",
    "Log",
    "Span",
    "event_name",
    "parse_traceparent",
]

MAX_NAMES: Final = 100
"""How many ids of one list, links of one span, or marks of one case are told."""

DEBUG, INFO, WARN, ERROR = 5, 9, 13, 17
"""Severities, by OpenTelemetry's numbers."""

Attributes = dict[str, Any]

Link = tuple[int, int]
"""A trace id and a span id."""


class Span(msgspec.Struct, frozen=True):
    """A span that has ended; times are microseconds since 1970-01-01 UTC.

    ``parent`` is the id of the span above it in the trace of the case; 0: it is the case's own.
    ``error`` is what its status says; None: it did not fail.
    """

    name: str
    id: int
    parent: int
    start: int
    end: int
    attributes: Attributes
    error: str | None = None
    links: tuple[Link, ...] = ()
    marks: tuple[tuple[str, int], ...] = ()


class Count(msgspec.Struct, frozen=True):
    """An amount to add to a counter."""

    metric: str
    amount: int
    attributes: Attributes


class Duration(msgspec.Struct, frozen=True):
    """An observation for a histogram, in seconds, made within a span."""

    metric: str
    seconds: float
    attributes: Attributes
    span: int


class Log(msgspec.Struct, frozen=True):
    """A log record about an event, within a span."""

    name: str
    span: int
    time: int
    severity: int
    attributes: Attributes


Fact = Span | Count | Duration | Log


def event_name(cls: type[e.Event]) -> str:
    """The name of the log records about a type of event: ``weft.work_item.offered``."""
    words = re.findall("[A-Z][a-z0-9]*", cls.__name__)
    about = 2 if words[0] == "Work" else 1
    return f"weft.{'_'.join(words[:about])}.{'_'.join(words[about:])}".lower()


_SEVERITIES: Final[Mapping[type[e.Event], int]] = {
    e.CaseFailed: ERROR,
    e.CaseDeadlocked: ERROR,
    e.WorkItemFailed: WARN,
    e.WorkItemGivenUp: WARN,
    e.TriggerDiscarded: WARN,
    e.TransitionFired: DEBUG,
    e.ScopeOpened: DEBUG,
    e.ScopeClosed: DEBUG,
}

_OPENING: Final = (e.CaseStarted, e.CaseResumed, e.WorkItemOffered, e.WorkItemStarted)
"""What such an event is about is there only after it."""

_HOLD: Final = (e.CaseFailed, e.CaseDeadlocked)
"""The case stops, but may be resumed."""


class _Item(msgspec.Struct):
    """An open work item."""

    id: str
    task: str
    scope: int
    connector: str
    automatic: bool
    span: int
    parent: int
    start: int
    about: Attributes
    """What is said of its task everywhere; shared by all that is told of the item."""
    begun: bool = False
    attempt: int = 0
    attempt_span: int = 0
    attempt_start: int | None = None
    error: Mapping[str, Any] | None = None
    links: list[Link] = []
    instance: int | None = None
    activation: _Activation | None = None
    told: bool = False
    """Its span has ended, with that of a case that stopped; the item itself is held."""


class _Wait(msgspec.Struct):
    """Something that waits for a trigger or a time."""

    about: str
    scope: int
    span: int
    parent: int
    start: int
    links: list[Link] = []


class _Activation(msgspec.Struct):
    """The instances of a multiple-instance task, from the transition that began them."""

    task: str
    scope: int
    span: int
    parent: int
    start: int
    count: int
    open: int
    number: int
    completed: int = 0
    told: bool = False


def _error_type(error: Mapping[str, Any] | None) -> str:
    return str((error or {}).get("class") or names.ErrorTypeValues.OTHER)


def _error_attributes(error: Mapping[str, Any]) -> Attributes:
    attributes: Attributes = {names.ERROR_TYPE: _error_type(error)}
    if error.get("code"):
        attributes[names.WEFT_ERROR_CODE] = str(error["code"])
    return attributes


_Tell = Callable[["CaseStory", Any, int], Iterator[Fact]]
_Teller = Callable[[Any, Any, int], Attributes]


class _Kind(msgspec.Struct, frozen=True):
    """What is the same for all events of a type."""

    name: str
    severity: int
    opens: bool
    clears: bool
    """It may cancel work items, and close scopes."""
    tell: _Tell | None
    plain: tuple[tuple[str, str], ...]
    told: tuple[tuple[str, _Teller], ...]


class CaseStory:
    """The telemetry of one case, told event by event.

    Args:
        case: Its id.
        compiled: The nets that it pinned.
    """

    def __init__(self, case: str, compiled: CompiledSpecification) -> None:
        self.case = case
        self.compiled = compiled
        self.traceparent: str | None = None
        """The trace that the case was started in; None: it has one of its own."""
        self.seed = b""
        """What ids are made of: the hash of its first event, which no other case has."""
        self.span = 0
        """The id of the case's present span."""
        self.stretch = 0
        self.active = False
        self.flags: int | None = None
        """The flags of its trace, once whoever hands the story on has decided them."""
        self.contexts: dict[int, Any] = {}
        """What whoever hands the story on keeps of its spans, by their ids."""
        self.trace_id = 0
        self.items: dict[str, _Item] = {}
        self._scopes: dict[int, tuple[str | None, str]] = {0: (None, compiled.root)}
        self._activations: list[_Activation] = []
        self._activated = 0
        self._waits: dict[str, _Wait] = {}
        self._start = 0
        self._links: list[Link] = []
        self._marks: list[tuple[str, int]] = []
        self._about: Attributes = {names.WEFT_SPECIFICATION_NAME: compiled.name}

    # ── the fold ─────────────────────────────────────────────────────────────────────────────

    def tell(
        self, event: e.Event, sequence: int, time: int, hash: bytes, caller: Link | None = None
    ) -> Iterator[Fact]:
        """What an event means; ``caller`` is the span of who caused it from outside."""
        if isinstance(event, e.CaseStarted):
            self.seed = hash
            self.traceparent = event.traceparent
            self.trace_id = _trace_id(event.traceparent) or int.from_bytes(hash[:16], "big") or 1
        if caller is not None and caller[0] != self.trace_id:
            self._linked(event, caller)
        kind = _kind(type(event))
        if not kind.opens:
            yield self._log(kind, event, sequence, time)
        if kind.tell is not None:
            yield from kind.tell(self, event, time)
        if kind.clears:
            yield from self._cleared(event, time)
        if kind.opens:
            yield self._log(kind, event, sequence, time)

    def _cleared(self, event: Any, time: int) -> Iterator[Fact]:
        """End what an event has cancelled and closed."""
        for name in event.cancelled:
            yield from self._end_item(name, time)
        closed = event.closed
        if isinstance(event, e.ScopeClosed):
            closed = (event.scope, *closed)
        if not closed:
            return
        for activation in [each for each in self._activations if each.scope in closed]:
            yield from self._end_activation(activation, time)
        for name in [name for name, wait in self._waits.items() if wait.scope in closed]:
            yield from self._end_wait(name, "left", time)
        for scope in closed:
            self._scopes.pop(scope, None)

    def settle(self, state: CaseState, time: int) -> None:
        """Add what was open before the events that are known, as its state tells."""
        for scope in state.scopes.values():
            self._scopes.setdefault(scope.id, (scope.item, scope.net))
        for item in state.items.values():
            if item.id not in self.items:
                made = self._open(item.id, item.task, item.scope, time, item.instance)
                made.begun, made.attempt, made.error = bool(item.attempt), item.attempt, item.error
        self.active = state.status.value in {"running", "suspended"}

    def taken_over(self) -> Iterator[Fact]:
        """What a process adds to its counts when it takes the case over."""
        yield from self._present(1)

    def left(self) -> Iterator[Fact]:
        """What a process takes from its counts when it leaves the case to others."""
        yield from self._present(-1)

    def _present(self, amount: int) -> Iterator[Fact]:
        if self.active:
            yield Count(names.METRIC_WEFT_CASE_ACTIVE, amount, self._about)
        for item in self.items.values():
            if not item.told:
                yield Count(names.METRIC_WEFT_WORK_ITEM_ACTIVE, amount, item.about)

    # ── the case ─────────────────────────────────────────────────────────────────────────────

    def _started(self, event: e.CaseStarted, time: int) -> Iterator[Fact]:
        self.span = self._id("case")
        self._start = time
        self.active = True
        yield Count(names.METRIC_WEFT_CASE_STARTED, 1, self._about)
        yield Count(names.METRIC_WEFT_CASE_ACTIVE, 1, self._about)
        for key in self.compiled.patterns:
            about = {**self._about, names.WEFT_PATTERN_NAME: key}
            yield Count(names.METRIC_WEFT_PATTERN_USED, 1, about)

    def _marked(self, event: e.Event, time: int) -> Iterator[Fact]:
        if len(self._marks) < MAX_NAMES:
            self._marks.append((event_name(type(event)), time))
        yield from ()

    def _resumed(self, event: e.CaseResumed, time: int) -> Iterator[Fact]:
        """Go on: after a pause in the same span, after a failure or deadlock in a new one."""
        if self.active:
            yield from self._marked(event, time)
            return
        self.stretch += 1
        self._links = [(self.trace_id, self.span)]
        self.span = self._id("case")
        self._start = time
        self.active = True
        yield Count(names.METRIC_WEFT_CASE_ACTIVE, 1, self._about)
        for activation in self._activations:
            if activation.told:
                activation.told, activation.start = False, time
                activation.span = self._activation_id(activation)
                activation.parent = self._above(activation.scope)
        for item in list(self.items.values()):
            if not item.told:  # it was at work all the time
                continue
            again = self._open(item.id, item.task, item.scope, time, item.instance)
            again.begun, again.attempt, again.error = item.begun, item.attempt, item.error
            if item.activation is not None:
                again.activation, again.parent = item.activation, item.activation.span
            yield Count(names.METRIC_WEFT_WORK_ITEM_ACTIVE, 1, again.about)

    def _ended(self, event: e.Event, time: int) -> Iterator[Fact]:
        status = event_name(type(event)).rpartition(".")[2]
        failure: Attributes = {}
        message = None
        if isinstance(event, e.CaseFailed):
            failure = _error_attributes(event.error)
            message = str(event.error.get("message") or "")
        elif isinstance(event, e.CaseDeadlocked):
            failure = {names.ERROR_TYPE: names.ErrorTypeValues.DEADLOCK}
            message = "nothing can happen any more, and unfinished work is left"
        if isinstance(event, _HOLD):
            for item in list(self.items.values()):
                if item.attempt_start is None:  # what is at work may end, and is told then
                    yield from self._hold(item, time)
            for activation in self._activations:
                yield from self._tell_activation(activation, time)
        else:
            for name in list(self.items):
                yield from self._end_item(name, time)
            for activation in list(self._activations):
                yield from self._end_activation(activation, time)
            for name in list(self._waits):
                yield from self._end_wait(name, "left", time)
        if not self.active:  # it was cancelled after it had stopped: its span has ended
            return
        self.active = False
        ended = {**self._about, names.WEFT_CASE_STATUS: status}
        typed = {name: value for name, value in failure.items() if name == names.ERROR_TYPE}
        seconds = _seconds(self._start, time)
        yield Duration(names.METRIC_WEFT_CASE_DURATION, seconds, ended, self.span)
        yield Span(
            f"case {self.compiled.name}",
            self.span,
            0,
            self._start,
            time,
            {
                names.WEFT_CASE_ID: self.case,
                names.WEFT_CASE_STRETCH: self.stretch,
                names.WEFT_SPECIFICATION_VERSION: self.compiled.version,
                names.WEFT_NET_HASH: self.compiled.hash,
                **ended,
                **failure,
            },
            message,
            tuple(self._links),
            tuple(self._marks),
        )
        self._links, self._marks = [], []
        yield Count(names.METRIC_WEFT_CASE_ENDED, 1, {**ended, **typed})
        yield Count(names.METRIC_WEFT_CASE_ACTIVE, -1, self._about)

    def _scope_opened(self, event: e.ScopeOpened, time: int) -> Iterator[Fact]:
        self._scopes[event.scope] = (event.item, event.net)
        yield from ()

    def _above(self, scope: int) -> int:
        """The span that what happens in a scope is below."""
        owner, _ = self._scopes.get(scope, (None, ""))
        item = None if owner is None else self.items.get(owner)
        return self.span if item is None else item.span

    # ── instances ────────────────────────────────────────────────────────────────────────────

    def _fired(self, event: e.TransitionFired, time: int) -> Iterator[Fact]:
        """Begin or end an activation, where that is what a transition does."""
        _, name = self._scopes.get(event.scope, (None, self.compiled.root))
        net = self.compiled.nets[name]
        if event.transition in net.entering:
            task, multiple = net.entering[event.transition]
            count = event.counts[0] if multiple.number is None else multiple.number
            self._activated += 1
            made = _Activation(
                task=task.name,
                scope=event.scope,
                span=0,
                parent=self._above(event.scope),
                start=time,
                count=count,
                open=count,
                number=self._activated,
            )
            made.span = self._activation_id(made)
            self._activations.append(made)
        elif event.transition in net.collecting:
            task = net.collecting[event.transition]
            for activation in self._of(task.name, event.scope)[:1]:  # the oldest comes first
                yield from self._end_activation(activation, time)

    def _of(self, task: str, scope: int) -> list[_Activation]:
        return [a for a in self._activations if a.task == task and a.scope == scope]

    def _activation_id(self, activation: _Activation) -> int:
        return self._id(f"activation {activation.number}")

    def _instance_added(self, event: e.InstanceAdded, time: int) -> Iterator[Fact]:
        del time
        for activation in self._of(event.task, event.scope)[-1:]:
            activation.count += 1
            activation.open += 1
        yield from ()

    def _end_activation(self, activation: _Activation, time: int) -> Iterator[Fact]:
        self._activations.remove(activation)
        yield from self._tell_activation(activation, time)

    def _tell_activation(self, activation: _Activation, time: int) -> Iterator[Fact]:
        if activation.told:
            return
        activation.told = True
        yield Span(
            f"instances {activation.task}",
            activation.span,
            activation.parent,
            activation.start,
            time,
            {
                names.WEFT_CASE_ID: self.case,
                **self._about,
                names.WEFT_TASK_NAME: activation.task,
                names.WEFT_SCOPE_ID: activation.scope,
                names.WEFT_INSTANCE_COUNT: activation.count,
                names.WEFT_INSTANCE_COMPLETED: activation.completed,
            },
        )

    def _instance_ended(self, item: _Item, outcome: str, time: int) -> Iterator[Fact]:
        """Count an instance; without one that is open, and nothing to collect, all is over."""
        activation = item.activation
        if activation is None:
            return
        activation.open -= 1
        activation.completed += outcome == "completed"
        if activation.open > 0 or activation not in self._activations:
            return
        _, net = self._scopes.get(item.scope, (None, self.compiled.root))
        multiple = self.compiled.nets[net].tasks[item.task].multiple
        if multiple is None or not multiple.collects or outcome != "completed":
            yield from self._end_activation(activation, time)

    # ── triggers and timers ──────────────────────────────────────────────────────────────────

    def _waiting(self, event: e.TimerSet | e.TriggerAwaited, time: int) -> Iterator[Fact]:
        timer = isinstance(event, e.TimerSet)
        name = event.timer if isinstance(event, e.TimerSet) else event.wait
        self._waits[name] = _Wait(
            about="timer" if timer else "trigger",
            scope=event.scope,
            span=self._id(f"wait {name}"),
            parent=self._above(event.scope),
            start=time,
        )
        yield from ()

    def _waited(
        self,
        event: e.TimerFired | e.TimerCancelled | e.TriggerReceived | e.TriggerUnawaited,
        time: int,
    ) -> Iterator[Fact]:
        came = isinstance(event, e.TimerFired | e.TriggerReceived)
        name = getattr(event, "timer", None) or getattr(event, "wait", None)
        if name is not None:
            yield from self._end_wait(name, "came" if came else "left", time)

    def _end_wait(self, name: str, outcome: str, time: int) -> Iterator[Fact]:
        wait = self._waits.pop(name, None)
        if wait is None:
            return
        yield Span(
            f"wait {name}",
            wait.span,
            wait.parent,
            wait.start,
            time,
            {
                names.WEFT_CASE_ID: self.case,
                **self._about,
                names.WEFT_SCOPE_ID: wait.scope,
                names.WEFT_WAIT_ID: name,
                names.WEFT_WAIT_KIND: wait.about,
                names.WEFT_WAIT_OUTCOME: outcome,
            },
            links=tuple(wait.links),
        )

    # ── work items ───────────────────────────────────────────────────────────────────────────

    def _open(
        self, name: str, task: str, scope: int, time: int, instance: int | None = None
    ) -> _Item:
        _, net = self._scopes.get(scope, (None, self.compiled.root))
        known = self.compiled.nets[net].tasks.get(task)
        connector = "none"
        if known is not None:
            connector = "net" if known.child is not None else known.connector or "none"
        activation = None
        if instance is not None:
            activation = next(iter(self._of(task, scope)[-1:]), None)
        made = self.items[name] = _Item(
            id=name,
            task=task,
            scope=scope,
            connector=connector,
            automatic=known is None or known.automatic,
            span=self._id(name),
            parent=self._above(scope) if activation is None else activation.span,
            start=time,
            about={**self._about, names.WEFT_TASK_NAME: task},
            instance=instance,
            activation=activation,
        )
        return made

    def _offered(self, event: e.WorkItemOffered, time: int) -> Iterator[Fact]:
        item = self._open(event.item, event.task, event.scope, time, event.instance)
        yield Count(names.METRIC_WEFT_WORK_ITEM_ACTIVE, 1, item.about)

    def _begun(self, event: e.WorkItemStarted, time: int) -> Iterator[Fact]:
        item = self.items.get(event.item)
        if item is None:
            task = event.task or ""
            item = self._open(event.item, task, event.scope, time, event.instance)
            yield Count(names.METRIC_WEFT_WORK_ITEM_ACTIVE, 1, item.about)
        item.begun = True
        self._begin_attempt(item, 1, time)
        yield Count(names.METRIC_WEFT_WORK_ITEM_STARTED, 1, item.about)

    def _retried(self, event: e.WorkItemRetried, time: int) -> Iterator[Fact]:
        item = self.items.get(event.item)
        if item is None:
            return
        interrupted = names.ErrorTypeValues.INTERRUPTED
        yield from self._end_attempt(item, time, {names.ERROR_TYPE: interrupted}, interrupted)
        item.error = None
        self._begin_attempt(item, event.attempt, time)

    def _attempt_failed(self, event: e.WorkItemFailed, time: int) -> Iterator[Fact]:
        item = self.items.get(event.item)
        if item is None:
            return
        item.error = event.error
        yield from self._end_attempt(
            item, time, _error_attributes(event.error), str(event.error.get("message") or "")
        )
        if not self.active:
            yield from self._hold(item, time)

    def _begin_attempt(self, item: _Item, number: int, time: int) -> None:
        item.attempt = number
        if item.connector != "net":  # what runs below a composite one is seen by itself
            item.attempt_span = self._id(f"{item.id} {number}")
            item.attempt_start = time

    def _end_attempt(
        self,
        item: _Item,
        time: int,
        failure: Attributes | None = None,
        message: str | None = None,
    ) -> Iterator[Fact]:
        start, item.attempt_start = item.attempt_start, None
        if start is None:
            return
        about = {**item.about, names.WEFT_TASK_CONNECTOR: item.connector}
        typed = about
        if failure is not None:
            typed = {**about, names.ERROR_TYPE: failure[names.ERROR_TYPE]}
        seconds = _seconds(start, time)
        yield Duration(names.METRIC_WEFT_ATTEMPT_DURATION, seconds, typed, item.attempt_span)
        yield Span(
            f"attempt {item.task}",
            item.attempt_span,
            item.span,
            start,
            time,
            {
                names.WEFT_CASE_ID: self.case,
                names.WEFT_WORK_ITEM_ID: item.id,
                names.WEFT_WORK_ITEM_ATTEMPT: item.attempt,
                **about,
                **(failure or {}),
            },
            message,
        )

    def _item_ended(
        self, event: e.WorkItemWithdrawn | e.WorkItemCompleted | e.WorkItemGivenUp, time: int
    ) -> Iterator[Fact]:
        outcome = {e.WorkItemCompleted: "completed", e.WorkItemGivenUp: "given_up"}
        by = getattr(event, "by", None)
        yield from self._end_item(event.item, time, outcome.get(type(event)), by=by)

    def _end_item(
        self, name: str, time: int, outcome: str | None = None, *, by: str | None = None
    ) -> Iterator[Fact]:
        item = self.items.pop(name, None)
        if item is None:
            return
        outcome = outcome or ("cancelled" if item.begun else "withdrawn")
        yield from self._end_attempt(item, time)
        yield from self._tell_item(item, time, outcome, by=by)
        yield from self._instance_ended(item, outcome, time)

    def _hold(self, item: _Item, time: int) -> Iterator[Fact]:
        """End the span of an item that its case has stopped with; the item stays."""
        yield from self._tell_item(item, time, "stopped")
        item.told = True

    def _tell_item(
        self, item: _Item, time: int, outcome: str, *, by: str | None = None
    ) -> Iterator[Fact]:
        if item.told:
            return
        ended = {**item.about, names.WEFT_WORK_ITEM_OUTCOME: outcome}
        attributes = {
            names.WEFT_CASE_ID: self.case,
            names.WEFT_TASK_CONNECTOR: item.connector,
            names.WEFT_WORK_ITEM_ID: item.id,
            names.WEFT_WORK_ITEM_ATTEMPTS: item.attempt,
            names.WEFT_SCOPE_ID: item.scope,
            **ended,
        }
        message = None
        if by is not None:
            attributes[names.WEFT_PARTICIPANT] = by
        if item.instance is not None:
            attributes[names.WEFT_INSTANCE_INDEX] = item.instance
        if item.error is not None and outcome in {"given_up", "stopped"}:
            attributes |= _error_attributes(item.error)
            message = str(item.error.get("message") or "")
        seconds = _seconds(item.start, time)
        yield Duration(names.METRIC_WEFT_WORK_ITEM_DURATION, seconds, ended, item.span)
        yield Span(
            f"task {item.task}",
            item.span,
            item.parent,
            item.start,
            time,
            attributes,
            message,
            tuple(item.links),
        )
        yield Count(names.METRIC_WEFT_WORK_ITEM_ENDED, 1, ended)
        yield Count(names.METRIC_WEFT_WORK_ITEM_ACTIVE, -1, item.about)

    # ── what is said of all of them ──────────────────────────────────────────────────────────

    def _id(self, what: str) -> int:
        """The id of a span: the same whoever asks, and another for all else."""
        made = sha256(self.seed + f"{self.stretch} {what}".encode()).digest()
        return int.from_bytes(made[:8], "big") or 1

    def _linked(self, event: e.Event, caller: Link) -> None:
        """Link what somebody outside did to the trace that they were in."""
        item = self.items.get(getattr(event, "item", ""))
        wait = self._waits.get(getattr(event, "wait", None) or "")
        links = self._links if item is None else item.links
        if wait is not None:
            links = wait.links
        outside = not item.automatic if item is not None else isinstance(event, _BY_COMMAND)
        if outside and caller not in links and len(links) < MAX_NAMES:
            links.append(caller)

    def _log(self, kind: _Kind, event: e.Event, sequence: int, time: int) -> Log:
        item = self.items.get(getattr(event, "item", ""))
        attributes = {
            names.WEFT_CASE_ID: self.case,
            names.WEFT_EVENT_SEQUENCE: sequence,
            **self._about,
        }
        if item is not None:
            attributes[names.WEFT_TASK_NAME] = item.task
        for field, name in kind.plain:
            value = getattr(event, field)
            if value is not None:
                attributes[name] = value
        for field, tell in kind.told:
            value = getattr(event, field)
            if value is not None:
                attributes.update(tell(event, value, time))
        span = self.span
        if item is not None:
            span = item.span if item.attempt_start is None else item.attempt_span
            if isinstance(event, e.WorkItemFailed):
                attributes[names.WEFT_WORK_ITEM_ATTEMPT] = item.attempt
        return Log(kind.name, span, time, kind.severity, attributes)


_TELL: Final[Mapping[type[e.Event], _Tell]] = {
    e.CaseStarted: CaseStory._started,
    e.CaseCompleted: CaseStory._ended,
    e.CaseCancelled: CaseStory._ended,
    e.CaseFailed: CaseStory._ended,
    e.CaseDeadlocked: CaseStory._ended,
    e.CaseSuspended: CaseStory._marked,
    e.CaseResumed: CaseStory._resumed,
    e.TransitionFired: CaseStory._fired,
    e.InstanceAdded: CaseStory._instance_added,
    e.TimerSet: CaseStory._waiting,
    e.TriggerAwaited: CaseStory._waiting,
    e.TimerFired: CaseStory._waited,
    e.TimerCancelled: CaseStory._waited,
    e.TriggerReceived: CaseStory._waited,
    e.TriggerUnawaited: CaseStory._waited,
    e.ScopeOpened: CaseStory._scope_opened,
    e.WorkItemOffered: CaseStory._offered,
    e.WorkItemStarted: CaseStory._begun,
    e.WorkItemRetried: CaseStory._retried,
    e.WorkItemFailed: CaseStory._attempt_failed,
    e.WorkItemWithdrawn: CaseStory._item_ended,
    e.WorkItemCompleted: CaseStory._item_ended,
    e.WorkItemGivenUp: CaseStory._item_ended,
}
"""What types of events mean, beside their log records."""

_BY_COMMAND: Final = (
    *(e.CaseSuspended, e.CaseResumed, e.CaseCancelled),
    *(e.TriggerReceived, e.TriggerKept, e.TriggerDiscarded),
    *(e.InstanceAdded, e.InstancesSealed),
)
"""Somebody asked for it."""


def _some(name: str) -> _Teller:
    """A list of ids, as far as it is told; an empty one is not."""
    return lambda event, value, time: {name: list(value[:MAX_NAMES])} if value else {}


def _total(name: str) -> _Teller:
    """How many tokens that is; none are not told."""
    return lambda event, value, time: {name: sum(value.values())} if value else {}


_PLAIN: Final[Mapping[str, str]] = {
    "specification_version": names.WEFT_SPECIFICATION_VERSION,
    "scope": names.WEFT_SCOPE_ID,
    "transition": names.WEFT_TRANSITION_NAME,
    "item": names.WEFT_WORK_ITEM_ID,
    "task": names.WEFT_TASK_NAME,
    "attempt": names.WEFT_WORK_ITEM_ATTEMPT,
    "interrupted": names.WEFT_WORK_ITEM_INTERRUPTED,
    "crashed": names.WEFT_WORK_ITEM_CRASHED,
    "instance": names.WEFT_INSTANCE_INDEX,
    "to": names.WEFT_PARTICIPANT,
    "timed_out": names.WEFT_WORK_ITEM_TIMED_OUT,
    "timer": names.WEFT_WAIT_ID,
    "wait": names.WEFT_WAIT_ID,
    "trigger": names.WEFT_TRIGGER_NAME,
}
"""Fields of events that are told as they are."""

_FIELDS: Final[Mapping[str, _Teller]] = {
    "net": lambda event, value, time: {
        names.WEFT_NET_HASH if isinstance(event, e.CaseStarted) else names.WEFT_NET_NAME: value
    },
    "items": lambda event, value, time: {names.WEFT_INSTANCE_COUNT: len(value)},
    "reason": lambda event, value, time: {names.WEFT_REASON: value} if value else {},
    "by": lambda event, value, time: (
        {} if isinstance(event, e.WorkItemDelegated) else {names.WEFT_PARTICIPANT: value}
    ),
    "error": lambda event, value, time: _error_attributes(value),
    "retry_at": lambda event, value, time: {
        names.WEFT_WORK_ITEM_RETRY_DELAY: _seconds(time, value)
    },
    "unread": _total(names.WEFT_TRIGGER_UNREAD),
    "due": lambda event, value, time: (
        {names.WEFT_TIMER_DELAY: _seconds(time, value)} if isinstance(event, e.TimerSet) else {}
    ),
    "cancelled": _some(names.WEFT_WORK_ITEM_CANCELLED),
    "closed": _some(names.WEFT_SCOPE_CLOSED),
    "cleared": _total(names.WEFT_TOKEN_CLEARED),
    "dropped": _total(names.WEFT_TOKEN_DROPPED),
}
"""What else is told of the fields of events. Others stay in the journal: they are the user's data."""


@cache
def _kind(cls: type[e.Event]) -> _Kind:
    fields = cls.__struct_fields__
    return _Kind(
        name=event_name(cls),
        severity=_SEVERITIES.get(cls, INFO),
        opens=cls in _OPENING,
        clears="cancelled" in fields,
        tell=_TELL.get(cls),
        plain=tuple((field, _PLAIN[field]) for field in fields if field in _PLAIN),
        told=tuple((field, _FIELDS[field]) for field in fields if field in _FIELDS),
    )


def _seconds(start: int, end: int) -> float:
    return max(end - start, 0) / 1_000_000


def _trace_id(traceparent: str | None) -> int | None:
    """The trace id of a ``traceparent``; None where there is none, or it is not well-formed."""
    parsed = parse_traceparent(traceparent)
    return None if parsed is None else parsed[0]


def parse_traceparent(text: str | None) -> tuple[int, int, int] | None:
    """Trace id, span id and flags of a ``traceparent`` (W3C Trace Context); None: it is none."""
    found = _TRACEPARENT.fullmatch(text or "")
    if found is None:
        return None
    version, trace, span, flags, rest = found.groups()
    if version == "ff" or (version == "00" and rest) or not int(trace, 16) or not int(span, 16):
        return None
    return int(trace, 16), int(span, 16), int(flags, 16)


_TRACEPARENT: Final = re.compile("([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")

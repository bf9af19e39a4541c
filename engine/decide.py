"""Command to events: what a command means for a case, decided by a pure function.

``decide(case, command, time=…)`` changes nothing and reads nothing but its arguments. Its answer
is one atomic batch: the command's own event, then every immediate firing until none is enabled
(the case is *quiescent*), the starts of automatic tasks, offers made and withdrawn, scopes that
ended, and at last the judgement whether the case is live, completed or deadlocked.

What is tried in which order, in `_Run.settle`:

1. Immediate transitions, lowest priority number first, then in order of declaration, then the
   oldest scope. A guard is read only when the arcs allow the firing. OR-joins come last: only when
   no other immediate is enabled. One that cannot be decided within its bound suspends the case.
2. When none is enabled: child scopes in which nothing is left complete their parent's item.
3. Then the automatic tasks that may start, in order of declaration. They start in the batch that
   enables them, so that no crash can fall between a completion and what follows it.
4. Then what has begun to wait: a timer is set, and fires at once if its time is past; a trigger
   is taken from those that the case has kept, or awaited. What waits no more is told.
5. Again from 1 until nothing changes; then offers, and the judgement.

The first transition to fire that ends something ends it at once.
"""

from __future__ import annotations

import hashlib
import re
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping
from heapq import heapify, heappop, heappush
from typing import Any, TypeVar, cast

import attrs
import msgspec

from weft.engine import commands as c
from weft.engine import events as e
from weft.engine import orjoin
from weft.engine.case import CaseState, KeptTrigger, Waiting, WorkItem
from weft.engine.coverability import DEFAULT_WORK
from weft.engine.evolve import KEPT, Draft, serial
from weft.engine.expressions import ExpressionError, compile_expression
from weft.engine.instances import INDEX, RESULT_NAMES
from weft.engine.lifecycle import CaseStatus, ItemStatus
from weft.engine.net import (
    Arc,
    Mapped,
    Multiple,
    Net,
    Outcome,
    Role,
    Task,
    Timing,
    Transition,
    Wait,
)
from weft.engine.ports import Microseconds
from weft.engine.table import unordered
from weft.engine.timing import due, due_if_any
from weft.engine.undoing import UNDOING, UNDONE
from weft.native import kernel
from weft.schema.datatypes import merged
from weft.schema.errors import CommandRejected, InternalError, UsageError, WorkFailed
from weft.schema.jsonvalue import JsonValue, NotJson, checked, in_words
from weft.schema.timing import LAST, TimingError

__all__ = [
    "DEFAULT_LIMITS",
    "Decision",
    "Limits",
    "begins",
    "decide",
    "describe_items",
    "initial_data",
]


@attrs.frozen
class Limits:
    """Bounds on what one command may cause.

    Args:
        firings: Immediate firings in one run; beyond it the case fails, naming the loop.
        depth: How deep child scopes may nest.
        merge_work: Comparisons of markings to tell whether an OR-join may go on; beyond it the
            case is suspended.
        instances: How many instances one activation of a task may have.
        kept: How many triggers a case keeps for which nothing waits yet; more are rejected.
    """

    firings: int = 100_000
    depth: int = 100
    merge_work: int = DEFAULT_WORK
    instances: int = 10_000
    kept: int = 10_000


DEFAULT_LIMITS = Limits()


class Decision(msgspec.Struct, frozen=True):
    """An accepted command: its events in order, and the case that their fold gives."""

    events: tuple[e.Event, ...]
    case: CaseState


def decide(
    case: CaseState | None,
    command: c.Command,
    *,
    time: Microseconds,
    limits: Limits = DEFAULT_LIMITS,
    starts: bool = True,
    order: str | None = None,
    asked: list[tuple[str, bool, int]] | None = None,
) -> Decision:
    """What a command means.

    Args:
        case: The present state; None for `StartCase`.
        command: What is asked.
        time: The time of the decision; waits are counted from it.
        limits: Bounds on one run.
        starts: Whether automatic tasks start; an engine that drains takes no new work.
        order: Where several automatic tasks may start, and perhaps take each other's tokens, the
            first is the one that is declared first; with a text here their order is drawn from it.
        asked: Takes the guards that were read, in order, and what each said.

    Raises:
        CommandRejected: The command does not fit the state; nothing has happened.
    """
    _check_texts(command)
    run = _Run(case, command, time, limits, starts, order, asked)
    try:
        _HANDLERS[type(command)](run, command)
    except _Runaway as stop:
        # The run would not end. What was asked for stands; what it set off does not.
        run = _Run(case, command, time, limits, starts, order)
        run.caused(stop.cause)
        run.emit(e.CaseFailed(error=stop.error))
    except OverflowError as error:
        # Not even what was asked for fits.
        run = _Run(case, command, time, limits, starts, order)
        problem = _error("overflow", f"a place overflows: {error}")
        if run.over():
            raise CommandRejected(problem["message"], code="overflow") from None
        run.emit(e.CaseFailed(error=problem))
    return Decision(tuple(run.events), run.draft.freeze())


def begins(case: CaseState) -> bool:
    """Whether an automatic task of a case can start, though none has started it."""
    run = _Run(case, c.RecoverCase(), Microseconds(0), DEFAULT_LIMITS, starts=False)
    return any(task.automatic for scope in case.scopes for task, _, _ in run.enabled_starts(scope))


def _check_texts(command: c.Command) -> None:
    """Refuse names and reasons that could not be stored, or not be read back.

    Raises:
        UsageError: One is no text, or has a lone surrogate.
    """
    for name in ("item", "task", "by", "to", "reason", "trigger", "key", "timer"):
        value = getattr(command, name, "")
        if (type(value) is str and value.isascii()) or (
            value is None and name not in ("item", "task")
        ):
            continue
        try:
            if not isinstance(checked(value, what=name), str):
                raise UsageError(f"{name} is {value!r:.60}; a text is needed", code="text")
        except NotJson as error:
            raise UsageError(str(error), code="text") from error


class _Runaway(Exception):
    """A run past its bound, with the events of the command alone."""

    def __init__(self, cause: list[e.Event], error: dict[str, JsonValue]) -> None:
        self.cause = cause
        self.error = error


T = TypeVar("T")


class _GuardFailed(Exception):
    """A guard could not be read."""

    def __init__(self, error: dict[str, JsonValue]) -> None:
        self.error = error


def _error(code: str, message: str, where: str | None = None, **more: JsonValue) -> dict[str, Any]:
    return {"class": "DefinitionError", "code": code, "message": message, "where": where, **more}


def describe_items(items: Iterable[WorkItem]) -> str:
    """The open items of a case in words, for messages; at most ten of them."""
    shown = [f"'{item.id}' ({item.status.value})" for item in items]
    if not shown:
        return "there are no open work items"
    more = f" and {len(shown) - 10} more" if len(shown) > 10 else ""
    return f"open work items: {', '.join(shown[:10])}{more}"


class _Run:
    """One command's run: a draft, and the events decided so far."""

    def __init__(
        self,
        case: CaseState | None,
        command: c.Command,
        time: Microseconds,
        limits: Limits,
        starts: bool,
        order: str | None = None,
        asked: list[tuple[str, bool, int]] | None = None,
    ) -> None:
        compiled = command.compiled if isinstance(command, c.StartCase) else None
        self.draft = Draft(case, compiled)
        self.case = case
        self.time = time
        self.limits = limits
        self.starts = starts
        self.order = order
        self.asked = asked
        self.orders = 0
        self.events: list[e.Event] = []
        self.cause: list[e.Event] = []
        self.candidates: list[tuple[tuple[int, int], int, int]] = []
        self.queued: set[tuple[int, int]] = set()
        self.touched: set[int] = set()
        self.beginnings: dict[int, set[int]] = {}
        self.joins: set[int] = set()
        """The scopes in which OR-joins have to be asked again."""
        self.undecided: orjoin.Undecided | None = None
        self.firings = 0

    # ── events ───────────────────────────────────────────────────────────────────────────────

    def emit(self, event: e.Event) -> None:
        """Decide an event: it is folded into the draft at once."""
        self.draft.apply(event)
        self.events.append(event)

    def caused(self, events: Iterable[e.Event]) -> None:
        for event in events:
            self.emit(event)

    def fired(self, scope: int, transition: str) -> None:
        """Note what a firing may have enabled or disabled: what reads a place it changed."""
        net = self.draft.net(scope)
        self.touched.add(scope)
        self.consider_joins(scope, net)
        external = net.image.external
        for t in kernel.touched(net.image, net.transition_index[transition]):
            if not external[t]:
                self.consider(scope, t, net)
            elif t in net.beginnings:
                self.beginnings.setdefault(scope, set()).add(t)
        if self.draft.compiled.case_wide:
            self.consider_case_wide()

    def consider(self, scope: int, transition: int, net: Net) -> None:
        if transition in net.or_joins:  # it waits for all others (`fire_join`)
            self.joins.add(scope)
            return
        key = (scope, transition)
        if key not in self.queued:
            self.queued.add(key)
            heappush(self.candidates, (net.rank[transition], scope, transition))

    def consider_case_wide(self) -> None:
        for scope in self.draft.scopes.values():
            net = self.draft.compiled.nets[scope.net]
            for t in net.case_wide:
                if not net.transitions[t].external:
                    self.consider(scope.id, t, net)
                elif t in net.beginnings:
                    self.beginnings.setdefault(scope.id, set()).add(t)
            self.touched.add(scope.id)

    def consider_joins(self, scope: int, net: Net) -> None:
        """The OR-joins of a scope: any token that moves may be the one that they wait for."""
        if net.or_joins:
            self.joins.add(scope)
            starts = (t for t in net.or_joins if t in net.beginnings)
            self.beginnings.setdefault(scope, set()).update(starts)

    def consider_all(self, scope: int) -> None:
        """All that may begin in a scope: when it opens, and when a case is resumed."""
        net = self.draft.net(scope)
        self.touched.add(scope)
        self.beginnings[scope] = set(net.beginnings)
        self.consider_joins(scope, net)
        for t in net.immediates:
            self.queued.add((scope, t))
            self.candidates.append((net.rank[t], scope, t))
        heapify(self.candidates)

    def consider_readers(self, scope: int, variables: Iterable[str]) -> None:
        """The immediates whose guards read a variable that has changed."""
        net = self.draft.net(scope)
        for variable in variables:
            for t in net.guard_readers.get(variable, ()):
                self.consider(scope, t, net)

    # ── enabling ─────────────────────────────────────────────────────────────────────────────

    def arcs_allow(self, scope: int, transition: int, net: Net) -> bool:
        if transition in net.or_joins:
            if not self.join_allows(scope, transition, net):
                return False
        elif not kernel.enabled(net.image, self.draft.marking(scope), transition):
            return False
        if net.undoers and transition in net.undoers:
            completed = self.draft.scope(scope).completed
            if not completed or completed[-1].task != net.undoers[transition]:
                return False  # another one was completed later
        wide = net.case_wide.get(transition)
        return wide is None or all(
            (self.total(net, arc) >= arc.weight) is needs for arc, needs in wide
        )

    def join_allows(self, scope: int, transition: int, net: Net) -> bool:
        """Whether an OR-join may fire; one that cannot be told does not, and is remembered."""
        alone = net.name in self.draft.compiled.alone
        try:
            return orjoin.enabled(
                net,
                self.draft.marking(scope),
                transition,
                alone=alone,
                work=self.limits.merge_work,
            )
        except orjoin.Undecided as undecided:
            self.undecided = undecided
            return False

    def total(self, net: Net, arc: Arc) -> int:
        """The tokens of a place over all live scopes of its net."""
        index = net.place_index[arc.place]
        return sum(
            self.draft.marking(scope.id)[index]
            for scope in self.draft.scopes.values()
            if scope.net == net.name
        )

    def holds(self, scope: int, transition: Transition) -> bool:
        """Whether a guard holds; one that cannot be read is an error, not false."""
        if transition.when is None:
            return True
        expression = compile_expression(transition.when)
        data = self.draft.scope(scope).data
        judging = self.draft.net(scope).judging.get(transition.name)
        if judging is not None:
            facts = self.draft.instances(scope, judging.name).facts(expression.reads)
            data = ChainMap(facts, cast("dict[str, Any]", data))
        try:
            held = expression.test(data)
            if self.asked is not None:
                self.asked.append((transition.when, held, len(self.events)))
            return held
        except ExpressionError as error:
            raise _GuardFailed(
                _error("guard", f"the guard of {transition.name!r} failed: {error}")
            ) from error

    def enabled_starts(self, scope: int) -> Iterable[tuple[Task, Transition, int]]:
        """The starts of tasks that may fire in a scope, in order of declaration."""
        net = self.draft.net(scope)
        for index in self.enabled_externals(scope, net):
            t = net.transitions[index]
            if t.role is Role.START and t.task is not None and self.arcs_allow(scope, index, net):
                yield net.tasks[t.task], t, index

    def enabled_externals(self, scope: int, net: Net) -> list[int]:
        """The external transitions that may be enabled in a scope; OR-joins are still to be asked."""
        found = kernel.enabled_external(net.image, self.draft.marking(scope))
        joins = [t for t, join in net.or_joins.items() if join.external]
        return sorted([*found, *joins]) if joins else found

    # ── firing ───────────────────────────────────────────────────────────────────────────────

    def removed(
        self, scope: int, transition: Transition, completing: str | None = None
    ) -> dict[str, Any]:
        """What a firing's reset arcs remove: tokens, open items, and the scopes below those.

        What the firing takes is gone by then: a task that clears its own region completes.
        """
        if not transition.clear:
            return {}
        net, marking = self.draft.net(scope), self.draft.marking(scope)
        taken = orjoin.taken(net, marking, transition)
        left = {p: marking[net.place_index[p]] - taken.get(p, 0) for p in transition.clear}
        cleared = {p: n for p, n in left.items() if n}
        statuses = {task.run: (task.name, ItemStatus.STARTED) for task in net.tasks.values()}
        statuses |= {task.held: (task.name, ItemStatus.FAILED) for task in net.tasks.values()}
        gone = {statuses[p] for p in cleared if p in statuses}
        items = [
            item
            for item in (self.draft.items.values() if gone else ())
            if item.scope == scope and (item.task, item.status) in gone and item.id != completing
        ]
        closed = [s for item in items if item.child is not None for s in self.tree(item.child)]
        cancelled = [item.id for item in items] + self.items_in(closed)
        return {"cleared": cleared, "cancelled": tuple(cancelled), "closed": tuple(closed)}

    def tree(self, scope: int) -> list[int]:
        """A scope and its live descendants, parents first."""
        found, started = [scope], ItemStatus.STARTED
        for parent in found:
            nets = self.draft.net(parent).composites
            if any(self.draft.tally.get((parent, task, started)) for task in nets):
                found += [s.id for s in self.draft.scopes.values() if s.parent == parent]
        return found

    def items_in(self, scopes: Iterable[int]) -> list[str]:
        """The open items in scopes; where the tally has none there, nobody looks for them."""
        tally = self.draft.tally
        inside = {
            scope
            for scope in scopes
            if any(
                tally.get((scope, task, status))
                for task in self.draft.net(scope).tasks
                for status in _OPEN
            )
        }
        if not inside:
            return []
        return [item.id for item in self.draft.items.values() if item.scope in inside]

    def fire(self, scope: int, transition: Transition) -> None:
        """Fire an immediate transition."""
        net = self.draft.net(scope)
        entering = net.entering.get(transition.name)
        collecting = net.collecting.get(transition.name)
        if entering is not None:
            counts, items = self.entered(scope, transition, *entering)
        else:
            counts = tuple(self.count(scope, transition, text) for _, text in transition.counted)
            items = None
        written = {} if collecting is None else self.collected(scope, collecting)
        plain = collecting is None or (
            collecting.result is not None and not _merges(net, collecting)
        )
        removed = self.removed(scope, transition)
        self.emit(
            e.TransitionFired(
                transition.name,
                scope,
                counts=counts,
                items=items,
                writes={} if plain else written,
                **removed,
            )
        )
        self.fired(scope, transition.name)
        if written:
            self.consider_readers(scope, written)

    def entered(
        self, scope: int, transition: Transition, task: Task, multiple: Multiple
    ) -> tuple[tuple[int, ...], list[Any] | None]:
        """How many instances an activation begins with, what else is counted, and their items.

        The items are those found in the data; a list that is part of the net is not told again.
        """
        items, number = None, multiple.number
        if multiple.items is not None:
            try:
                items = self.value(multiple.items, self.draft.scope(scope).data)
            except ExpressionError as error:
                message = f"the list of instances of {task.name!r} failed: {error}"
                raise _GuardFailed(_error("instances", message)) from error
            if not isinstance(items, list):
                raise _GuardFailed(
                    _error(
                        "instances",
                        f"{task.name!r} has an instance for each item of a list, and "
                        f"{multiple.items.expression!r} gave {in_words(items)}",
                    )
                )
            number = len(items)
        counts = [
            number
            if place == multiple.ready and number is not None
            else self.count(scope, transition, text)
            for place, text in transition.counted
        ]
        found = counts[0] if number is None else number
        if found > self.limits.instances:
            raise _GuardFailed(
                _error(
                    "instances",
                    f"{task.name!r} would have {found} instances; the limit is "
                    f"{self.limits.instances}",
                )
            )
        told = multiple.items is not None and multiple.items.expression is not None
        return tuple(counts), items if told else None

    def collected(self, scope: int, task: Task) -> dict[str, Any]:
        """What is written when the results of an activation are gathered."""
        known = self.draft.instances(scope, task.name)
        try:
            return self.writes(scope, task, known.facts(RESULT_NAMES), known.ordered())
        except WorkFailed as error:
            raise _GuardFailed({**error.as_json(), "class": "WorkFailed"}) from error

    def count(self, scope: int, transition: Transition, text: str) -> int:
        try:
            value = compile_expression(text).evaluate(self.draft.scope(scope).data)
        except ExpressionError as error:
            raise _GuardFailed(
                _error("count", f"the count of {transition.name!r} failed: {error}")
            ) from error
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
            raise _GuardFailed(
                _error(
                    "count",
                    f"the count {text!r} of {transition.name!r} gave {value!r}; "
                    "a whole number from 0 to 2147483647 is needed",
                )
            )
        return value

    # ── the run ──────────────────────────────────────────────────────────────────────────────

    def settle(self) -> None:
        """Run to quiescence, start what starts by itself, make offers, and judge the case."""
        if self.over():
            return
        self.cause = list(self.events)
        try:
            while True:
                self.run_immediates()
                if self.over():
                    return
                if self.close_finished():
                    continue
                if not self.start_automatic() and not self.wait() and not self.leave_stranded():
                    break
            if self.over():  # what should have started has failed the case
                return
            self.offer()
        except _GuardFailed as failed:
            self.emit(e.CaseFailed(error=failed.error))
            return
        except OverflowError as error:
            raise _Runaway(self.cause, _error("overflow", f"a place overflows: {error}")) from None
        self.judge()

    def find_undecided(self) -> orjoin.Undecided | None:
        """An OR-join of the quiescent case of which nobody can tell in time whether it may fire."""
        self.undecided = None
        for scope in self.draft.scopes if self.draft.compiled.or_joins else ():
            net = self.draft.net(scope)
            for t in net.or_joins:
                self.arcs_allow(scope, t, net)
        return self.undecided

    def suspend(self, undecided: orjoin.Undecided) -> None:
        """Suspend a case for an OR-join that cannot be told: it is never guessed."""
        if self.draft.status is not CaseStatus.RUNNING:
            return
        message = (
            f"{undecided}; use a simpler merge there (structured-synchronizing-merge, "
            "local-synchronizing-merge, or `rule: structural`), or allow more work and resume"
        )
        self.emit(e.CaseSuspended(message, _error("or-join", message, undecided.join)))

    def over(self) -> bool:
        """Whether the case is neither running nor suspended any more."""
        return self.draft.status not in (CaseStatus.RUNNING, CaseStatus.SUSPENDED)

    def run_immediates(self) -> None:
        while self.candidates or self.fire_join():
            if self.over():
                return
            self.run_candidates()
            if self.over():
                return

    def fire_join(self) -> bool:
        """Fire the first OR-join that may; whether there was one. None is tried before the rest."""
        ranked = [
            (self.draft.net(scope).rank[t], scope, t)
            for scope in self.joins
            if scope in self.draft.scopes
            for t, join in self.draft.net(scope).or_joins.items()
            if not join.external
        ]
        for _, scope, t in sorted(ranked):
            net = self.draft.net(scope)
            if self.arcs_allow(scope, t, net):
                transition = net.transitions[t]
                self.bounded()
                self.fire(scope, transition)
                if transition.ends is not None:
                    self.end(scope, transition)
                return True
        self.joins.clear()
        return False

    def run_candidates(self) -> None:
        while self.candidates:
            _, scope, index = heappop(self.candidates)
            self.queued.discard((scope, index))
            if scope not in self.draft.scopes:
                continue
            net = self.draft.net(scope)
            if not self.arcs_allow(scope, index, net):
                continue
            transition = net.transitions[index]
            if not self.holds(scope, transition):
                continue
            self.bounded()
            self.fire(scope, transition)
            if transition.ends is not None:
                self.end(scope, transition)
                if self.over():
                    return
            else:
                self.consider(scope, index, net)

    def bounded(self) -> None:
        """Count a firing against the bound of the run."""
        self.firings += 1
        if self.firings > self.limits.firings:
            last = self.events[-200:]
            kinds = (e.TransitionFired, e.WorkItemStarted)
            loop = ", ".join(dict.fromkeys(x.transition for x in last if isinstance(x, kinds)))
            raise _Runaway(
                self.cause,
                _error(
                    "loop",
                    f"more than {self.limits.firings} transitions fired without an event from "
                    f"outside, so they seem to go round in: {loop}",
                ),
            )

    def end(self, scope: int, transition: Transition) -> None:
        """Apply an end that has fired."""
        ends = transition.ends
        assert ends is not None
        if transition.name == UNDONE:
            error = self.draft.scope(scope).data.get("error")
            message = error.get("message") if isinstance(error, dict) else None
            ends = msgspec.structs.replace(ends, reason=f"{ends.reason} after: {message}")
        if ends.outcome is Outcome.FAILED:
            self.raised(None if ends.case else scope, _error("end", ends.reason, f"scope {scope}"))
        elif ends.case or scope == e.ROOT:
            if ends.outcome is Outcome.CANCELLED:
                self.emit(e.CaseCancelled(reason=ends.reason))
            else:
                self.completed(self.unfinished(e.ROOT))
        elif ends.outcome is Outcome.COMPLETED:
            self.close_scope(scope)
        else:
            item = self.draft.items[str(self.draft.scope(scope).item)]
            message = f"the net of {item.task!r} was cancelled: {ends.reason}"
            self.fail(item, _error("child", message))

    def completed(self, dropped: dict[str, int]) -> None:
        """The case is done."""
        unread: dict[str, int] = {}
        for kept in self.draft.kept.values():
            unread[kept.trigger] = unread.get(kept.trigger, 0) + 1
        self.emit(e.CaseCompleted(dropped=dropped, unread=unread))

    def unfinished(self, scope: int) -> dict[str, int]:
        """The tokens of a scope that mean unfinished work."""
        net, marking = self.draft.net(scope), self.draft.marking(scope)
        return {net.places[i].name: marking[i] for i in kernel.marked(marking) if net.unfinished[i]}

    def finished(self, scope: int) -> bool:
        net, marking = self.draft.net(scope), self.draft.marking(scope)
        return not net.explicit and not any(net.unfinished[i] for i in kernel.marked(marking))

    def close_finished(self) -> bool:
        """Complete the child scopes in which nothing is left to do; whether there was one."""
        for scope in sorted(self.touched, reverse=True):
            if scope != e.ROOT and scope in self.draft.scopes and self.finished(scope):
                self.close_scope(scope)
                return True
        return False

    def close_scope(self, scope: int) -> None:
        """A child scope is done: its variables are the result of its parent's item."""
        state = self.draft.scope(scope)
        item = self.draft.items[str(state.item)]
        result = dict(state.data)
        below = self.tree(scope)[1:]
        cancelled = tuple(self.items_in([scope, *below]))
        dropped = self.unfinished(scope)
        self.emit(e.ScopeClosed(scope, cancelled, tuple(below), dropped))
        self.complete(item, result, None)

    def start_automatic(self) -> bool:
        """Start the automatic tasks that may start; whether anything can follow by itself."""
        if not self.starts or self.draft.status is not CaseStatus.RUNNING:
            return False
        before = len(self.events)
        for scope, index in self.in_order():
            if scope not in self.draft.scopes:
                continue
            net = self.draft.net(scope)
            transition = net.transitions[index]
            task = net.tasks[str(transition.task)]
            if transition.role is Role.RETRY:
                self.retry_due(scope, task)
            while (
                transition.role is Role.START
                and task.automatic
                and not self.over()
                and scope in self.draft.scopes
                and self.arcs_allow(scope, index, net)
            ):
                self.bounded()
                self.start(scope, task, transition, self.new_id(task.name), None, new=True)
            if self.over():
                return False
        return len(self.events) > before

    def in_order(self) -> list[tuple[int, int]]:
        """What may begin, by scope and transition, in the order in which it is tried."""
        found = [
            (s, index)
            for s in sorted(self.beginnings)
            if s in self.draft.scopes
            for index in sorted(
                self.beginnings[s], key=self.draft.net(s).beginning_order.__getitem__
            )
        ]
        if self.order is not None:
            self.orders += 1
            drawn = f"{self.order} {self.orders}"
            found.sort(key=lambda pair: hashlib.sha256(f"{drawn} {pair}".encode()).digest())
        return found

    def retry_due(self, scope: int, task: Task) -> None:
        """Begin the retries of a task that were due before, while something kept them waiting.

        Those for which no attempt is left any more are given up.
        """
        due = sorted(
            (item.retry_at, serial(item.id), item)
            for item in unordered(self.draft.items)
            if item.scope == scope
            and item.task == task.name
            and item.retry_at is not None
            and item.retry_at <= self.time
        )
        for _, _, item in due:
            if not self.over() and item.id in self.draft.items and self.may_retry(item):
                self.bounded()
                self.again(item)
        for item in self.exhausted(scope, task):
            if not self.over() and item.id in self.draft.items:
                self.abandon(item, None)

    def exhausted(self, scope: int, task: Task) -> list[WorkItem]:
        """The held items of a task that wait for an attempt that can never come, oldest first."""
        waiting = [
            item
            for item in unordered(self.draft.items)
            if item.scope == scope
            and item.task == task.name
            and item.retry_at is not None
            and self.spent(item)
        ]
        return sorted(waiting, key=lambda item: serial(item.id))

    def leave_stranded(self) -> bool:
        """Give up the held items that nothing can free any more; whether anything has followed.

        Other work may stand against the next attempt at an item, a milestone that has gone; it waits
        then for what others do. When nobody is left who could do anything, it would wait for ever.
        """
        if not any(status is ItemStatus.FAILED for _, _, status in self.draft.tally):
            return False
        open_items = [item for item in unordered(self.draft.items) if item.child is None]
        if self.draft.waits or any(
            item.status is not ItemStatus.FAILED or item.retry_at is None or self.may_retry(item)
            for item in open_items
        ):
            return False
        if self.can_begin():
            return False
        before = len(self.events)
        for item in sorted(open_items, key=lambda item: (item.scope, item.task, serial(item.id))):
            if not self.over() and item.id in self.draft.items:
                self.abandon(item, None)
        return len(self.events) > before

    def spent(self, item: WorkItem) -> bool:
        """Whether no attempt at an item is left: a retry takes from places that nothing refills."""
        net, marking = self.draft.net(item.scope), self.draft.marking(item.scope)
        task = net.tasks[item.task]
        retry = net.transitions[net.transition_index[task.retry_by]]
        return any(
            arc.place != task.held
            and arc.place not in net.refilled
            and marking[net.place_index[arc.place]] < arc.weight
            for arc in retry.take
        )

    def may_retry(self, item: WorkItem) -> bool:
        """Whether a held item may be attempted again: other work can stand against it."""
        if item.scope not in self.draft.scopes:
            return False
        net = self.draft.net(item.scope)
        index = net.transition_index[net.tasks[item.task].retry_by]
        return self.arcs_allow(item.scope, index, net)

    def again(
        self,
        item: WorkItem,
        by: str | None = None,
        *,
        interrupted: bool = False,
        crashed: bool = False,
    ) -> None:
        """Begin the next attempt at an item."""
        task = self.draft.task(item)
        expires, problem = item.expires, None
        if not interrupted:
            try:
                expires = self.expires(item.scope, task, started=True)
            except _GuardFailed as failed:
                expires, problem = None, failed.error
        retried = e.WorkItemRetried(item.id, item.attempt + 1, interrupted, by, crashed, expires)
        self.emit(retried)
        if not interrupted:
            self.fired(item.scope, task.retry_by)
            if problem is not None:
                self.fail(self.draft.items[item.id], problem)
            elif task.child is not None:
                self.open_scope(self.draft.items[item.id], task)

    def new_id(self, task: str) -> str:
        return f"{task}/{self.draft.serials.get(task, 0) + 1}"

    def start(
        self,
        scope: int,
        task: Task,
        transition: Transition,
        item: str,
        by: str | None,
        *,
        new: bool,
    ) -> None:
        """Start an item; a composite task's scope opens with it."""
        data = self.seen_by(scope, task)
        instance: int | None = None
        if task.multiple is not None:
            if new:
                instance = self.draft.instances(scope, task.name).waiting
            else:
                instance = self.draft.items[item].instance
            data = self.seen(scope, task, instance, data)
        try:
            inputs = {name: self.value(m, data) for name, m in task.inputs.items()}
            problem = None
        except ExpressionError as error:
            inputs, problem = {}, _error("input", f"an input of {task.name!r} failed: {error}")
        started = e.WorkItemStarted(
            item,
            transition.name,
            task=task.name if new else None,
            scope=scope if new else 0,
            inputs=inputs,
            by=by,
            instance=instance if new else None,
            due=self.due(scope, task) if new else None,
            expires=self.expires(scope, task, started=True)
            if new or (task.expires is not None and task.expires.from_start)
            else None,
        )
        self.emit(started)
        self.fired(scope, transition.name)
        if problem is not None:
            self.fail(self.draft.items[item], problem)
        elif task.child is not None:
            self.open_scope(self.draft.items[item], task)

    def seen(
        self, scope: int, task: Task, instance: int | None, data: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """The data as an instance sees them: its item and its index stand before the rest."""
        if task.multiple is None or instance is None:
            return data
        known = self.draft.instances(scope, task.name)
        own: dict[str, Any] = {INDEX: known.index(instance)}
        if task.multiple.item is not None:
            own[task.multiple.item] = known.item(instance)
        return ChainMap(own, cast("dict[str, Any]", data))

    def open_scope(self, item: WorkItem, task: Task) -> None:
        depth, parent = 1, self.draft.scope(item.scope)
        while parent.parent is not None:
            depth, parent = depth + 1, self.draft.scope(parent.parent)
        limit = self.limits.depth
        if task.depth is not None and task.depth < limit:
            depth, limit = self.depth_of(item.scope, str(task.child)), task.depth
        if depth > limit:
            message = (
                f"net {task.child!r} would be {depth} deep, and the limit is {limit}: "
                "a recursion that does not end, or one that is deeper than is allowed"
            )
            self.fail(item, _error("depth", message))
            return
        net = self.draft.compiled.nets[str(task.child)]
        try:
            data = initial_data(net, item.inputs)
        except UsageError as error:
            self.fail(item, _error("input", error.message))
            return
        scope = self.draft.next_scope
        self.emit(e.ScopeOpened(scope, item.id, net.name, data))
        self.consider_all(scope)

    def depth_of(self, scope: int | None, net: str) -> int:
        """How many scopes of a net are open from a scope upwards, itself included."""
        found = 0
        while scope is not None:
            state = self.draft.scope(scope)
            found += state.net == net
            scope = state.parent
        return found

    @staticmethod
    def value(mapped: Mapped, data: Mapping[str, Any]) -> Any:
        if mapped.expression is None:
            return mapped.value
        return compile_expression(mapped.expression).evaluate(data)

    def offer(self) -> None:
        """Offer what may be started by somebody, and withdraw offers that no longer stand."""
        for scope in sorted(self.beginnings):
            if scope not in self.draft.scopes:
                continue
            net = self.draft.net(scope)
            names = (str(net.transitions[t].task) for t in sorted(self.beginnings[scope]))
            wanted = {
                name: self.wanted(scope, net, net.tasks[name])
                for name in dict.fromkeys(names)
                if not net.tasks[name].automatic
            }
            if not wanted:
                continue
            offered = ItemStatus.OFFERED
            for name, degree in wanted.items():
                task = net.tasks[name]
                self.withdraw_stale(scope, task)
                missing = degree - self.draft.tally.get((scope, name, offered), 0)
                if missing < 0:
                    self.withdraw(scope, name, -missing)
                elif missing:
                    self.offer_task(scope, task, missing)

    def offer_task(self, scope: int, task: Task, number: int) -> None:
        """Offer so many items of a task; each instance of several with its own inputs."""
        instance: int | None = None
        due, expires = self.due(scope, task), self.expires(scope, task)
        inputs = {} if task.multiple is not None else self.inputs_now(scope, task)
        for _ in range(number):
            if task.multiple is not None:
                instance = self.draft.instances(scope, task.name).waiting
                inputs = self.inputs_now(scope, task, instance)
            name = self.new_id(task.name)
            offered = e.WorkItemOffered(name, task.name, scope, inputs, instance, due, expires)
            self.emit(offered)

    def withdraw_stale(self, scope: int, task: Task) -> None:
        """Withdraw what is offered of instances that are gone: others stand in their place."""
        if task.multiple is None:
            return
        floor = self.draft.instances(scope, task.name).floor
        old = self.case.scopes.get(scope) if self.case is not None else None
        known = old.instances.get(task.name) if old is not None else None
        if known is None or (known.floor == floor and self.case and self.case.status in _ACTIVE):
            return
        stale = [
            item
            for item in unordered(self.draft.items)
            if item.scope == scope
            and item.task == task.name
            and item.status is ItemStatus.OFFERED
            and item.instance is not None
            and item.instance < floor
        ]
        for item in sorted(stale, key=lambda item: serial(item.id)):
            self.emit(e.WorkItemWithdrawn(item.id))

    def withdraw(self, scope: int, task: str, surplus: int) -> None:
        """Withdraw offers: what nobody has claimed goes first, the newest before older ones."""
        items = [
            item
            for item in unordered(self.draft.items)
            if item.scope == scope and item.task == task and item.status is ItemStatus.OFFERED
        ]
        items.sort(key=lambda item: (item.claimed_by is None, serial(item.id)), reverse=True)
        for item in items[:surplus]:
            self.emit(e.WorkItemWithdrawn(item.id))

    def inputs_now(self, scope: int, task: Task, instance: int | None = None) -> dict[str, Any]:
        """What a task would be given if it started now; nothing where that cannot be read."""
        data = self.seen(scope, task, instance, self.seen_by(scope, task))
        try:
            return {name: self.value(m, data) for name, m in task.inputs.items()}
        except ExpressionError:
            return {}

    def seen_by(self, scope: int, task: Task) -> Mapping[str, Any]:
        """The data that a task's inputs are read from.

        One that undoes another sees what that one's newest completion wrote.
        """
        state = self.draft.scope(scope)
        if task.undoes is None or not state.completed:
            return state.data
        return {**state.data, **state.completed[-1].writes}

    # ── what waits ───────────────────────────────────────────────────────────────────────────

    def due(self, scope: int, task: Task) -> int | None:
        """When an item of a task that comes up now should be done."""
        return None if task.due is None else self.told(scope, task.due, task.name, due_if_any)

    def expires(self, scope: int, task: Task, *, started: bool = False) -> int | None:
        """When an item that somebody outside, or a child scope, has from now on times out.

        The attempts of automatic connectors are timed by the runtime, which can stop them, unless
        their time is told by the data.
        """
        if task.expires is not None:
            if task.expires.from_start and not started:
                return None
            return self.told(scope, task.expires, task.name, due_if_any)
        if task.timeout is None or (task.automatic and task.child is None):
            return None
        return min(self.time + task.timeout, LAST)

    def told(
        self,
        scope: int,
        timing: Timing,
        what: str,
        tell: Callable[[Timing, Microseconds, Mapping[str, Any]], T],
    ) -> T:
        """A time of a task, from the data of its scope."""
        try:
            return tell(timing, self.time, self.draft.scope(scope).data)
        except TimingError as error:
            raise _GuardFailed(
                _error("timer", f"the time of {what!r} cannot be told: {error}")
            ) from error

    def wait(self) -> bool:
        """Begin and end waits as the marking has it; whether anything can follow by itself."""
        for scope in sorted(self.touched):
            if scope not in self.draft.scopes:
                continue
            net = self.draft.net(scope)
            if net.waits and self.wait_in(scope, net):
                return True
        return False

    def wait_in(self, scope: int, net: Net) -> bool:
        standing: dict[str, list[Waiting]] = {}
        for waiting in self.draft.waits.values():
            if waiting.scope == scope:
                standing.setdefault(waiting.wait, []).append(waiting)
        for wait, transitions in net.awaited:
            degree = sum(
                kernel.degree(net.image, self.draft.marking(scope), index)
                for index in transitions
                if self.arcs_allow(scope, index, net)
            )
            there = standing.get(wait.name, [])
            for waiting in there[degree:]:  # what waited longest goes on waiting
                ended = e.TriggerUnawaited if wait.timing is None else e.TimerCancelled
                self.emit(ended(waiting.id))
            for waiting in there[:degree]:
                if self.draft.kept and self.take_kept(scope, net, wait, waiting.id, waiting.key):
                    return True
            for _ in range(degree - len(there)):
                if self.begin_wait(scope, net, wait):
                    return True
        return any(
            self.draft.kept and wait.source and self.take_kept(scope, net, wait, None, None)
            for wait in net.waits.values()
        )

    def begin_wait(self, scope: int, net: Net, wait: Wait) -> bool:
        """Begin a wait; whether it was over at once."""
        name = self.new_id(wait.name)
        if wait.timing is not None:
            time = self.told(scope, wait.timing, wait.task, due)
            self.emit(e.TimerSet(name, time, scope))
            if time > self.time or self.draft.status is not CaseStatus.RUNNING:
                return False
            self.bounded()
            self.fire_timer(self.draft.waits[name])
            return True
        key = None if wait.key is None else self.key(scope, wait)
        if self.draft.kept and self.take_kept(scope, net, wait, None, key):
            return True
        self.emit(e.TriggerAwaited(name, str(wait.trigger), scope, key))
        return False

    def key(self, scope: int, wait: Wait) -> str:
        """The correlation key that a wait asks for: a text, or a whole number as text."""
        try:
            value = compile_expression(str(wait.key)).evaluate(self.draft.scope(scope).data)
        except ExpressionError as error:
            raise _GuardFailed(
                _error("key", f"the key of {wait.task!r} failed: {error}")
            ) from error
        if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
            raise _GuardFailed(
                _error(
                    "key",
                    f"the key {wait.key!r} of {wait.task!r} gave {repr(value)[:60]}; "
                    "a text or a whole number is needed",
                )
            )
        return str(value)

    def take_kept(
        self, scope: int, net: Net, wait: Wait, waiting: str | None, key: str | None
    ) -> bool:
        """Let a wait have the first of the kept triggers that it waits for, if there is one."""
        if wait.trigger is None:
            return False
        for kept in self.draft.kept.values():
            if kept.trigger == wait.trigger and (key is None or kept.key in (None, key)):
                self.bounded()
                self.receive(scope, net, wait, kept.data, waiting=waiting, kept=kept)
                return True
        return False

    def may_fire(self, scope: int, net: Net, names: Iterable[str]) -> Transition:
        """The first transition of several that may fire."""
        for name in names:
            index = net.transition_index[name]
            if self.arcs_allow(scope, index, net):
                return net.transitions[index]
        raise InternalError(f"none of {', '.join(names)} may fire, though something waits for it")

    def receive(
        self,
        scope: int,
        net: Net,
        wait: Wait,
        data: JsonValue,
        *,
        waiting: str | None,
        kept: KeptTrigger | None = None,
        by: str | None = None,
    ) -> None:
        """Let a trigger act on a wait."""
        transition = self.may_fire(scope, net, wait.fires)
        writes: dict[str, Any] = {}
        if wait.into is not None:
            variable = net.variables.get(wait.into)
            if variable is not None and variable.merge is not None:
                data = merged(variable.merge, self.draft.scope(scope).data.get(wait.into), data)
                try:
                    _check_fit(str(wait.trigger), wait.into, net, data, where=f"scope {scope}")
                except UsageError as misfit:
                    if kept is None:
                        raise
                    raise _GuardFailed(_error("data", misfit.message)) from misfit
            writes[wait.into] = data
        self.emit(
            e.TriggerReceived(
                str(wait.trigger),
                transition.name,
                wait=waiting,
                kept=None if kept is None else kept.number,
                scope=scope if waiting is None else 0,
                writes=writes,
                by=by,
                **self.removed(scope, transition),
            )
        )
        self.fired(scope, transition.name)
        self.consider_readers(scope, writes)

    def fire_timer(self, waiting: Waiting) -> None:
        net = self.draft.net(waiting.scope)
        transition = self.may_fire(waiting.scope, net, net.waits[waiting.wait].fires)
        removed = self.removed(waiting.scope, transition)
        self.emit(e.TimerFired(waiting.id, transition.name, **removed))
        self.fired(waiting.scope, transition.name)

    def expire(self, item: WorkItem) -> None:
        """An item was not done in time: it fails, also if nobody has started it."""
        task = self.draft.task(item)
        error = _error("timeout", f"work item {item.id!r} was not done in time")
        error["class"] = "WorkFailed"
        transition = None
        if item.status is ItemStatus.OFFERED:
            item = msgspec.structs.replace(item, attempt=1)  # its time was an attempt
            net = self.draft.net(item.scope)
            transition = self.may_fire(item.scope, net, task.lapses).name
        retry_at = self.next_attempt(item, 1.0)
        self.fail(item, error, retry_at=retry_at, transition=transition)

    def remind(self, item: WorkItem) -> None:
        """An item is due and not done: a branch begins beside it."""
        net, task = self.draft.net(item.scope), self.draft.task(item)
        transition = self.may_fire(item.scope, net, task.reminds)
        self.emit(e.WorkItemReminded(item.id, transition.name))
        self.fired(item.scope, transition.name)

    # ── offers, and the judgement ────────────────────────────────────────────────────────────

    def wanted(self, scope: int, net: Net, task: Task) -> int:
        """How many items of a task somebody could start now.

        What an OR-join takes at its next firing is known only after this one, so it counts once.
        """
        indices = [net.transition_index[name] for name in task.starts]
        degree = sum(
            1
            if index in net.or_joins
            else kernel.degree(net.image, self.draft.marking(scope), index)
            for index in indices
            if self.arcs_allow(scope, index, net)
        )
        return min(degree, task.concurrency or degree)

    def judge(self) -> None:
        """Say how the quiescent case stands: completed, live, or deadlocked."""
        if len(self.draft.scopes) == 1 and self.finished(e.ROOT):
            self.completed({})
        elif (undecided := self.find_undecided()) is not None:
            self.suspend(undecided)
        elif not self.live():
            self.emit(e.CaseDeadlocked())

    def live(self) -> bool:
        """Whether something can still be done: to an item, or by starting one.

        The item of a composite task does not count while its net runs: what can be done to it is
        done in that net, and a net that is stuck does not become live by having a parent.
        """
        return (
            bool(self.draft.waits)
            or any(item.child is None for item in unordered(self.draft.items))
            or self.can_begin()
        )

    def can_begin(self) -> bool:
        """Whether somebody can begin something, be it from outside."""
        for scope in self.draft.scopes:
            net = self.draft.net(scope)
            for index in self.enabled_externals(scope, net):
                role = net.transitions[index].role
                if role in _BEGINNINGS and self.arcs_allow(scope, index, net):
                    return True
        return False

    # ── items ────────────────────────────────────────────────────────────────────────────────

    def item(self, command: Any, verb: str) -> WorkItem:
        """The open item that a command names.

        Raises:
            CommandRejected: It is not open; the message says what is.
        """
        item = self.draft.items.get(command.item)
        if item is None:
            task, _, number = command.item.rpartition("/")
            known = self.draft.serials.get(task, 0)
            state = "there is no such item"
            if _NUMBER.fullmatch(number) and int(number) <= known:
                state = "it is not open any more (completed, cancelled or given up)"
            raise CommandRejected(
                f"cannot {verb} work item {command.item!r}: {state}; "
                f"{describe_items(self.draft.items.values())}",
                code="not-open",
                where=f"case {self.draft.id}",
            )
        attempt = getattr(command, "attempt", None)
        if attempt is not None and attempt != item.attempt:
            raise CommandRejected(
                f"cannot {verb} work item {item.id!r}: this is the answer of attempt {attempt}, "
                f"and attempt {item.attempt} is under way",
                code="stale",
                where=f"case {self.draft.id}",
            )
        return item

    def demand(self, item: WorkItem, verb: str, *statuses: ItemStatus) -> None:
        """Reject a command unless its item has one of these statuses."""
        if item.status not in statuses:
            wanted = " or ".join(status.value for status in statuses)
            raise CommandRejected(
                f"cannot {verb} work item {item.id!r}: it is {item.status.value}, not {wanted}; "
                f"{describe_items(self.draft.items.values())}",
                code="item-status",
                where=f"case {self.draft.id}",
            )

    def demand_case(self, verb: str, *statuses: CaseStatus) -> None:
        """Reject a command unless the case has one of these statuses."""
        if self.draft.status not in statuses:
            now = "new" if self.draft.status is None else self.draft.status.value
            wanted = " or ".join(status.value for status in statuses)
            what = f"{verb} in case" if " " in verb else f"{verb} case"
            raise CommandRejected(
                f"cannot {what} {self.draft.id!r}: the case is {now}, not {wanted}",
                code="case-status",
                where=f"case {self.draft.id}",
            )

    def complete(self, item: WorkItem, result: JsonValue, by: str | None) -> None:
        """Complete a started item; a result that does not fit fails it instead."""
        task = self.draft.task(item)
        writes: dict[str, Any] = {}
        kept: JsonValue = None
        try:
            if task.multiple is None or task.multiple.overlaps:
                writes = self.writes(
                    item.scope, task, {"result": result}, result, instance=item.instance
                )
            else:
                kept = self.kept(item, task, task.multiple, result)
        except WorkFailed as error:
            self.fail(item, {**error.as_json(), "class": "WorkFailed"})
            return
        net = self.draft.net(item.scope)
        transition = net.transitions[net.transition_index[task.complete]]
        removed = self.removed(item.scope, transition, item.id)
        self.emit(e.WorkItemCompleted(item.id, writes, by, **removed, result=kept))
        self.fired(item.scope, task.complete)
        self.consider_readers(item.scope, writes)

    def kept(self, item: WorkItem, task: Task, multiple: Multiple, result: JsonValue) -> JsonValue:
        """What of an instance's result is kept, checked against the type of its list's items."""
        net = self.draft.net(item.scope)
        if multiple.collect is not None:
            data = self.seen(item.scope, task, item.instance, self.draft.scope(item.scope).data)
            scope = ChainMap({"result": result}, cast("dict[str, Any]", data))
            try:
                result = checked(
                    compile_expression(multiple.collect).evaluate(scope), what="result"
                )
            except (ExpressionError, NotJson) as error:
                raise WorkFailed(
                    f"what to collect of {task.name!r} failed: {error}",
                    code="output",
                    retryable=False,
                ) from error
        listed = net.types.get(task.result) if task.result is not None else None
        if listed is not None and listed.items is not None and not _merges(net, task):
            faults = listed.items.check(result, "result")
            if faults:
                raise WorkFailed(
                    f"the result of {task.name!r} does not fit: {'; '.join(faults)}",
                    code="result-type",
                    retryable=False,
                )
        return result

    def writes(
        self,
        scope: int,
        task: Task,
        facts: Mapping[str, Any],
        whole: JsonValue,
        *,
        instance: int | None = None,
    ) -> dict[str, Any]:
        """What the output mapping yields over facts and data, checked against the declared types.

        Without a mapping the ``whole`` goes to the task's variable.
        """
        net, data = self.draft.net(scope), self.draft.scope(scope).data
        if task.outputs is None:
            written = {} if task.result is None else {task.result: whole}
        else:
            seen = {**self.seen(scope, task, instance, data), **facts}
            try:
                # Checked, because an expression may nest what it is given ever deeper.
                written = {
                    name: checked(self.value(m, seen), what=name)
                    for name, m in task.outputs.items()
                }
            except (ExpressionError, NotJson) as error:
                raise WorkFailed(
                    f"an output of {task.name!r} failed: {error}", code="output", retryable=False
                ) from error
        for name, value in written.items():
            variable = net.variables.get(name)
            if variable is None:
                continue
            if variable.merge is not None:
                written[name] = value = merged(variable.merge, data.get(name), value)
            faults = net.types[name].check(value, name)
            if faults:
                raise WorkFailed(
                    f"the result of {task.name!r} does not fit: {'; '.join(faults)}",
                    code="result-type",
                    retryable=False,
                )
        return written

    def fail(
        self,
        item: WorkItem,
        error: dict[str, Any],
        *,
        retry_at: int | None = None,
        transition: str | None = None,
    ) -> None:
        """Fail an attempt; without a retry it goes to the error branch, or fails the case."""
        task = self.draft.task(item)
        child = item.child
        closed = self.tree(child) if child is not None and child in self.draft.scopes else []
        cancelled = tuple(self.items_in(closed))
        error = {**error, "task": item.task, "item": item.id, "attempt": item.attempt}
        failed = e.WorkItemFailed(item.id, error, retry_at, tuple(closed), cancelled, transition)
        self.emit(failed)
        self.fired(item.scope, transition or task.fail)
        if retry_at is None:
            self.abandon(self.draft.items[item.id], None)

    def abandon(self, item: WorkItem, by: str | None, *, asked: bool = False) -> None:
        """Give a held item up: to its error branch, to who handles it above, or failing the case.

        One whose task asks a person stays held until somebody has ``asked`` for this.
        """
        task = self.draft.task(item)
        error = item.error or {}
        timed_out = task.time_out is not None and error.get("code") == "timeout"
        branch = task.time_out if timed_out else task.give_up
        if branch is None:
            if task.asks and not asked:
                return
            if task.undoes is None and self.turned_round(item.scope):
                return  # it came to nothing, so there is nothing to undo
            self.raised(item.scope, error, by)
            return
        self.emit(e.WorkItemGivenUp(item.id, {"error": error}, by, timed_out))
        self.fired(item.scope, branch)
        self.consider_readers(item.scope, ["error"])

    def raised(self, scope: int | None, error: dict[str, Any], by: str | None = None) -> None:
        """An error that nobody in its scope handles: it fails the case, or a composite task.

        The nearest composite task above that has another attempt or an error branch is failed in
        its place, with all that runs below it. When there is none the case fails, and its
        marking stays as it is; one that has failed before keeps its first error.
        """
        handler = None if scope is None else self.handler(scope)
        if handler is None:
            if not self.over():
                self.emit(e.CaseFailed(error=error, by=by))
        else:
            retry_at = self.next_attempt(handler, 1.0)
            self.fail(handler, {**error, "cause": error}, retry_at=retry_at)

    def handler(self, scope: int) -> WorkItem | None:
        """The nearest composite task's item above a scope that can go on after a failure."""
        state = self.draft.scope(scope)
        while state.item is not None and state.parent is not None:
            item = self.draft.items[state.item]
            task = self.draft.task(item)
            if task.give_up is not None or task.asks or self.next_attempt(item, 1.0) is not None:
                return item
            if task.undoes is None and self.turned_round(item.scope):
                return item
            state = self.draft.scope(state.parent)
        return None

    def turned_round(self, scope: int) -> bool:
        """Whether what was done in a scope is being undone."""
        place = self.draft.net(scope).place_index.get(UNDOING)
        return place is not None and self.draft.marking(scope)[place] > 0

    def next_attempt(self, item: WorkItem, draw: float) -> int | None:
        """When an item that fails now is due again; None when its attempts are used up."""
        policy = self.draft.task(item).retry
        if item.attempt >= policy.attempts or self.spent(item):
            return None
        return self.time + policy.wait(item.attempt, draw)


def _merges(net: Net, task: Task) -> bool:
    """Whether what a task writes to its own variable is merged with what is there."""
    variable = net.variables.get(str(task.result))
    return variable is not None and variable.merge is not None


_NUMBER = re.compile("[1-9][0-9]{0,17}")
"""The number in the id of an item."""


def _storable(error: dict[str, Any]) -> dict[str, Any]:
    """An error as it can be stored: what is no JSON in it becomes text."""
    try:
        return cast("dict[str, Any]", checked(error, what="error"))
    except NotJson:
        return {_text(key): _storable_part(value) for key, value in error.items()}


def _storable_part(value: object) -> JsonValue:
    try:
        return checked(value, what="error")
    except NotJson:
        return _text(value)


def _text(value: object) -> str:
    """Anything as text that is Unicode, and not longer than people read."""
    text = value if isinstance(value, str) else repr(value)
    return text[:10_000].encode("utf-8", "backslashreplace").decode()


def initial_data(net: Net, given: Mapping[str, JsonValue]) -> dict[str, Any]:
    """The variables that a scope of a net begins with: what is given, defaults, else null.

    Raises:
        UsageError: All that is unknown, missing or of the wrong type.
    """
    faults: list[str] = []
    for name in given:
        if name not in net.variables:
            known = ", ".join(sorted(net.variables)) or "none"
            faults.append(f"{name!r} is not a variable of net {net.name!r}; declared: {known}")
    data: dict[str, Any] = {}
    for name, variable in net.variables.items():
        if name in given:
            try:
                data[name] = checked(given[name], what=name)
            except NotJson as error:
                faults.append(str(error))
                continue
            faults += net.types[name].check(data[name], name)
        elif variable.default:
            data[name] = variable.default[0]
        else:
            if variable.required:
                faults.append(f"{name!r} is required and was not given")
            data[name] = None
    if faults:
        raise UsageError(f"the data do not fit: {'; '.join(faults)}", code="data")
    return data


# ── one handler a command ────────────────────────────────────────────────────────────────────


def _start_case(run: _Run, command: c.StartCase) -> None:
    if run.case is not None:
        raise CommandRejected(f"case {run.case.id!r} is there already", code="case-exists")
    compiled = command.compiled
    data = initial_data(compiled.net, command.data)
    run.emit(
        e.CaseStarted(
            command.case,
            compiled.name,
            compiled.version,
            compiled.hash,
            data,
            command.traceparent,
            command.chain,
        )
    )
    run.consider_all(e.ROOT)
    run.settle()


def _start_item(run: _Run, command: c.StartWorkItem) -> None:
    run.demand_case(f"start work item {command.item!r}", CaseStatus.RUNNING)
    item = run.item(command, "start")
    run.demand(item, "start", ItemStatus.OFFERED)
    _begin(run, item, command.by)
    run.settle()


def _begin(run: _Run, item: WorkItem, by: str | None) -> None:
    """Start an offered item by the first of its starts that may fire."""
    if by is not None and item.claimed_by not in (None, by):
        raise CommandRejected(
            f"cannot start work item {item.id!r} for {by!r}: {item.claimed_by!r} has claimed it",
            code="claimed-by-other",
            where=f"case {run.draft.id}",
        )
    net = run.draft.net(item.scope)
    task = net.tasks[item.task]
    for index in sorted(net.transition_index[name] for name in task.starts):
        if run.arcs_allow(item.scope, index, net):
            run.start(item.scope, task, net.transitions[index], item.id, by, new=False)
            return
    raise InternalError(f"work item {item.id!r} is offered, and its task cannot start")


def _complete(run: _Run, command: c.CompleteWorkItem) -> None:
    run.demand_case(f"complete work item {command.item!r}", *_ENDING)
    item = run.item(command, "complete")
    wanted = [ItemStatus.STARTED, ItemStatus.OFFERED]
    if command.attempt is None:
        wanted.append(ItemStatus.FAILED)  # somebody has done the work by hand
    run.demand(item, "complete", *wanted)
    task = run.draft.task(item)
    if task.child is not None:
        raise CommandRejected(
            f"cannot complete work item {item.id!r}: its net {task.child!r} does that when it ends",
            code="composite",
            where=f"case {run.draft.id}",
        )
    if item.status is ItemStatus.OFFERED:
        run.demand_case(f"start work item {command.item!r}", CaseStatus.RUNNING)
        _begin(run, item, command.by)
        started = run.draft.items.get(item.id)
        if started is None or started.status is not ItemStatus.STARTED:
            run.settle()  # it could not be started: that is what has happened
            return
        item = started
    elif item.status is ItemStatus.FAILED:
        _reattempt(run, item, command.by)
        item = run.draft.items[item.id]
    try:
        result = checked(command.result, what="result")
    except NotJson as error:
        run.fail(
            item,
            WorkFailed(
                f"the result of {item.task!r} cannot be stored: {error}", code="result-type"
            ).as_json(),
        )
    else:
        run.complete(item, result, command.by)
    run.settle()


def _fail(run: _Run, command: c.FailWorkItem) -> None:
    run.demand_case(f"fail work item {command.item!r}", *_ENDING)
    item = run.item(command, "fail")
    run.demand(item, "fail", ItemStatus.STARTED)
    retry_at = run.next_attempt(item, command.draw) if command.retryable else None
    run.fail(item, _storable(command.error), retry_at=retry_at)
    run.settle()


def _retry(run: _Run, command: c.RetryWorkItem) -> None:
    asked = command.due is None
    states = (CaseStatus.RUNNING, CaseStatus.FAILED) if asked else (CaseStatus.RUNNING,)
    run.demand_case(f"retry work item {command.item!r}", *states)
    item = run.item(command, "retry")
    run.demand(item, "retry", ItemStatus.FAILED)
    if not asked and item.retry_at != command.due:
        raise CommandRejected(
            f"work item {item.id!r} is not due at {command.due}, but at {item.retry_at}",
            code="not-due",
            where=f"case {run.draft.id}",
        )
    _reattempt(run, item, command.by)
    run.settle()


def _reattempt(run: _Run, item: WorkItem, by: str | None) -> None:
    """Begin the next attempt at a held item for somebody; a failed case comes back to life."""
    if run.draft.status is CaseStatus.FAILED:
        _reopen(run)
    if not run.may_retry(item):
        raise CommandRejected(
            f"cannot retry work item {item.id!r} now: other work keeps task {item.task!r} from "
            "running; wait until that is done",
            code="blocked",
            where=f"case {run.draft.id}",
        )
    run.again(item, by)


def _reopen(run: _Run) -> None:
    """Let a case go on that was not running: whatever was enabled when it stopped may fire."""
    run.emit(e.CaseResumed())
    for scope in list(run.draft.scopes):
        run.consider_all(scope)


def _performed(run: _Run, item: WorkItem) -> bool:
    """Whether an attempt at an item is something that the engine runs."""
    task = run.draft.task(item)
    return task.automatic and task.child is None


def _give_up(run: _Run, command: c.GiveUpWorkItem) -> None:
    run.demand_case(f"give up work item {command.item!r}", *_ACTIVE, CaseStatus.FAILED)
    item = run.item(command, "give up")
    run.demand(item, "give up", ItemStatus.FAILED)
    task = run.draft.task(item)
    if run.draft.status is CaseStatus.FAILED:
        if task.give_up is None and not task.asks and run.handler(item.scope) is None:
            raise CommandRejected(
                f"cannot give up work item {item.id!r}: its task has no `on-failure`, "
                "and the case has failed already; retry it, or cancel the case",
                code="no-error-branch",
                where=f"case {run.draft.id}",
            )
        _reopen(run)
    run.abandon(item, command.by, asked=True)
    run.settle()


def _claim(run: _Run, command: c.ClaimWorkItem) -> None:
    run.demand_case(f"claim work item {command.item!r}", CaseStatus.RUNNING)
    item = run.item(command, "claim")
    run.demand(item, "claim", ItemStatus.OFFERED)
    if item.claimed_by is not None and item.claimed_by != command.by:
        raise CommandRejected(
            f"cannot claim work item {item.id!r}: {item.claimed_by!r} has it",
            code="claimed-by-other",
            where=f"case {run.draft.id}",
        )
    run.emit(e.WorkItemClaimed(item.id, command.by))


def _release(run: _Run, command: c.ReleaseWorkItem) -> None:
    run.demand_case(f"release work item {command.item!r}", CaseStatus.RUNNING)
    item = run.item(command, "release")
    run.demand(item, "release", ItemStatus.OFFERED)
    if item.claimed_by is None:
        raise CommandRejected(
            f"cannot release work item {item.id!r}: nobody has claimed it", code="not-claimed"
        )
    run.emit(e.WorkItemReleased(item.id, command.by))


def _delegate(run: _Run, command: c.DelegateWorkItem) -> None:
    run.demand_case(f"delegate work item {command.item!r}", CaseStatus.RUNNING)
    item = run.item(command, "delegate")
    run.demand(item, "delegate", ItemStatus.OFFERED, ItemStatus.STARTED)
    run.emit(e.WorkItemDelegated(item.id, command.to, command.by))


def _add(run: _Run, command: c.AddInstance) -> None:
    run.demand_case(f"add an instance of {command.task!r}", *_ACTIVE)
    scope, task, multiple = _several(run, command, "add an instance of")
    if multiple.add is None:
        raise _refused(
            run,
            f"cannot add an instance of {task.name!r}: how many there are is settled when it "
            "starts; `open: true` in its `for-each` lets instances be added",
            "fixed",
        )
    known = run.draft.instances(scope, task.name)
    here = known.count - known.floor
    if here >= run.limits.instances:
        raise _refused(
            run,
            f"cannot add an instance of {task.name!r}: it has {here}, and the limit is "
            f"{run.limits.instances}",
            "limit",
        )
    try:
        data = checked(command.data, what="data")
    except NotJson as error:
        raise UsageError(f"this instance cannot be stored: {error}", code="data") from error
    run.emit(e.InstanceAdded(task.name, scope, data, command.by))
    run.fired(scope, multiple.add)
    run.settle()


def _seal(run: _Run, command: c.SealTask) -> None:
    run.demand_case(f"seal {command.task!r}", *_ACTIVE)
    scope, task, multiple = _several(run, command, "seal")
    if multiple.seal is None:
        raise _refused(
            run,
            f"cannot seal {task.name!r}: no instances can be added to it, so there is nothing to "
            "seal",
            "fixed",
        )
    run.emit(e.InstancesSealed(task.name, scope, command.by))
    run.fired(scope, multiple.seal)
    run.settle()


def _refused(run: _Run, message: str, code: str) -> CommandRejected:
    return CommandRejected(message, code=code, where=f"case {run.draft.id}")


def _several(
    run: _Run, command: c.AddInstance | c.SealTask, verb: str
) -> tuple[int, Task, Multiple]:
    """The multiple-instance task that a command names, and the scope in which it may be done.

    Raises:
        CommandRejected: There is no such task, it is not open for this, or several are.
    """
    nets = run.draft.compiled.nets.values()
    named = [net.tasks[command.task] for net in nets if command.task in net.tasks]
    several = [task for task in named if task.multiple is not None]
    if not several:
        known = sorted({task.name for net in nets for task in net.multiple})
        what = "it has one instance" if named else "there is no such task"
        raise _refused(
            run,
            f"cannot {verb} {command.task!r}: {what}; multiple-instance tasks: "
            f"{', '.join(known) or 'none'}",
            "no-task",
        )
    adds = isinstance(command, c.AddInstance)
    found: list[int] = []
    for scope in run.draft.scopes.values():
        net = run.draft.net(scope.id)
        task = net.tasks.get(command.task)
        if task is None or task.multiple is None or command.scope not in (None, scope.id):
            continue
        transition = task.multiple.add if adds else task.multiple.seal
        if transition is None:
            return scope.id, task, task.multiple
        if run.arcs_allow(scope.id, net.transition_index[transition], net):
            found.append(scope.id)
    if len(found) > 1:
        raise _refused(
            run,
            f"cannot {verb} {command.task!r} without its scope: it is open in scopes "
            f"{', '.join(map(str, found))}",
            "scope",
        )
    if not found:
        where = "" if command.scope is None else f" in scope {command.scope}"
        raise _refused(
            run,
            f"cannot {verb} {command.task!r}: it is not open for more{where}: it has not begun, "
            "has gone on already, or was sealed",
            "not-open",
        )
    task = run.draft.net(found[0]).tasks[command.task]
    if task.multiple is None:
        raise InternalError(f"{task.name!r} has no instances")
    return found[0], task, task.multiple


def _check_fit(trigger: str, variable: str, net: Net, data: JsonValue, *, where: str) -> None:
    """Refuse data of a trigger that do not fit the variable that takes them."""
    if faults := net.types[variable].check(data, "data"):
        raise UsageError(
            f"the data of trigger {trigger!r} do not fit the variable {variable!r}: "
            f"{'; '.join(faults)}",
            code="data",
            where=where,
        )


def _deliver(run: _Run, command: c.DeliverTrigger) -> None:
    run.demand_case(f"deliver trigger {command.trigger!r}", *(s for s in CaseStatus if not s.final))
    compiled, name = run.draft.compiled, command.trigger
    waits = compiled.triggers.get(name)
    if waits is None:
        known = ", ".join(sorted(compiled.triggers)) or "none"
        raise CommandRejected(
            f"nothing in {compiled.name} waits for a trigger {name!r}; it knows: {known}",
            code="unknown-trigger",
            where=f"case {run.draft.id}",
        )
    try:
        data = checked(command.data, what="data")
    except NotJson as error:
        raise UsageError(str(error), code="data") from error
    for net, wait in waits:
        if wait.into is not None and net.variables[wait.into].merge is None:
            _check_fit(name, wait.into, net, data, where=f"case {run.draft.id}")
    if not run.over():
        for waiting in run.draft.waits.values():
            if waiting.trigger == name and (
                command.key is None or waiting.key in (None, command.key)
            ):
                net = run.draft.net(waiting.scope)
                wait = net.waits[waiting.wait]
                run.receive(waiting.scope, net, wait, data, waiting=waiting.id, by=command.by)
                run.settle()
                return
        for scope in list(run.draft.scopes):
            net = run.draft.net(scope)
            for wait in net.waits.values():
                if wait.source and wait.trigger == name:
                    run.receive(scope, net, wait, data, waiting=None, by=command.by)
                    run.settle()
                    return
    if not compiled.keeps(name):
        run.emit(e.TriggerDiscarded(name, command.key, command.by))
        return
    if len(run.draft.kept) >= run.limits.kept:
        raise CommandRejected(
            f"the case keeps {run.limits.kept} triggers that nothing has waited for, "
            f"which is the most; {name!r} is not kept",
            code="full",
            where=f"case {run.draft.id}",
        )
    number = run.draft.serials.get(KEPT, 0) + 1
    run.emit(e.TriggerKept(name, number, data, command.key, command.by))


def _fire_timer(run: _Run, command: c.FireTimer) -> None:
    run.demand_case(f"fire timer {command.timer!r}", CaseStatus.RUNNING)
    waiting = run.draft.waits.get(command.timer)
    item = run.draft.items.get(command.timer)
    remind = False
    if item is not None:
        remind = (
            bool(run.draft.task(item).reminds)
            and not item.reminded
            and item.due == command.due
            and item.expires != command.due
        )
        set_to = item.due if remind else item.expires
    else:
        set_to = None if waiting is None else waiting.due
    if set_to is None or set_to != command.due or set_to > run.time:
        raise CommandRejected(
            f"timer {command.timer!r} is not due at {command.due}: "
            + ("there is none" if set_to is None else f"it is set to {set_to}, now is {run.time}"),
            code="not-due",
            where=f"case {run.draft.id}",
        )
    if waiting is not None:
        run.fire_timer(waiting)
    elif item is not None and remind:
        run.remind(item)
    elif item is not None:
        run.expire(item)
    run.settle()


def _suspend(run: _Run, command: c.SuspendCase) -> None:
    run.demand_case("suspend", CaseStatus.RUNNING)
    run.emit(e.CaseSuspended(command.reason))


def _resume(run: _Run, command: c.ResumeCase) -> None:
    run.demand_case("resume", CaseStatus.SUSPENDED, CaseStatus.FAILED, CaseStatus.DEADLOCKED)
    failed = run.draft.status is CaseStatus.FAILED
    _reopen(run)
    if failed:
        for name in list(run.draft.items):
            # Beginning one again may fail the case anew, or end others with the net they are in.
            item = run.draft.items.get(name)
            if item is None or run.over():
                continue
            if item.status is not ItemStatus.FAILED or item.retry_at is not None:
                continue
            if run.may_retry(item):
                run.again(item)
            elif run.spent(item):
                run.abandon(item, None)  # nothing has changed: it fails as before
    run.settle()


def _crashed(item: WorkItem) -> dict[str, Any]:
    """The error of an item whose attempts have ended with their engine once too often."""
    message = (
        f"the engine died during {item.crashes + 1} attempts at it in a row, so it is not made "
        "again by itself: look whether the work ends the process (memory, os._exit, a signal); "
        "`retry` makes another attempt"
    )
    return WorkFailed(message, code="crashed").as_json()


def _recover(run: _Run, command: c.RecoverCase) -> None:
    run.demand_case("recover", CaseStatus.RUNNING)
    for name in list(run.draft.items):
        # Failing one may fail the case, or end others with the net they are in.
        item = run.draft.items.get(name)
        if item is None or run.over():
            continue
        alive = item.status is not ItemStatus.STARTED or item.id in command.under_way
        if alive or not _performed(run, item):
            continue
        if command.crashed and item.crashes >= run.draft.task(item).retry.crashes:
            run.fail(item, _crashed(item))
        else:
            run.again(item, interrupted=True, crashed=command.crashed)
    for scope in list(run.draft.scopes):
        run.consider_all(scope)
    run.settle()


def _cancel(run: _Run, command: c.CancelCase) -> None:
    run.demand_case("cancel", *(s for s in CaseStatus if not s.final))
    run.emit(e.CaseCancelled(command.reason, command.by))


_ACTIVE = (CaseStatus.RUNNING, CaseStatus.SUSPENDED)
_OPEN = (ItemStatus.OFFERED, ItemStatus.STARTED, ItemStatus.FAILED)
_ENDING = (*_ACTIVE, CaseStatus.FAILED)
"""Where what was started may end."""
_BEGINNINGS = (Role.START, Role.FIRE, Role.ADD, Role.SEAL)
"""The roles of transitions by which something new begins; the others belong to an open item."""

_HANDLERS: dict[type, Callable[[_Run, Any], None]] = {
    c.StartCase: _start_case,
    c.StartWorkItem: _start_item,
    c.CompleteWorkItem: _complete,
    c.FailWorkItem: _fail,
    c.RetryWorkItem: _retry,
    c.GiveUpWorkItem: _give_up,
    c.ClaimWorkItem: _claim,
    c.ReleaseWorkItem: _release,
    c.DelegateWorkItem: _delegate,
    c.AddInstance: _add,
    c.SealTask: _seal,
    c.DeliverTrigger: _deliver,
    c.FireTimer: _fire_timer,
    c.SuspendCase: _suspend,
    c.ResumeCase: _resume,
    c.RecoverCase: _recover,
    c.CancelCase: _cancel,
}

"""The plainest model of a case: dicts of tokens, arcs read as they are written.

It shares nothing with the kernel, `decide` or `evolve`: it is told what has happened, event by
event, and complains when that could not have been.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs

from weft.engine import events as e
from weft.engine import orjoin
from weft.engine.case import CaseState
from weft.engine.expressions import compile_expression
from weft.engine.instances import Instances
from weft.engine.lifecycle import CaseStatus, ItemStatus
from weft.engine.net import CompiledSpecification, Net, Role, Transition


@attrs.define
class Item:
    """An open work item."""

    task: str
    scope: int
    status: str
    child: int | None = None
    instance: int | None = None


@attrs.define
class Group:
    """The instances of a task in a scope, by number."""

    made: int = 0
    waiting: list[int] = attrs.field(factory=list)
    indices: dict[int, int] = attrs.field(factory=dict)
    """Those of the activations that run: their places in them."""
    items: dict[int, Any] = attrs.field(factory=dict)
    results: dict[int, Any] = attrs.field(factory=dict)

    def facts(self) -> dict[str, Any]:
        """What conditions and outputs may read."""
        order = sorted(self.results)
        return {
            "results": [self.results[n] for n in order],
            "indices": [self.indices[n] for n in order],
            "completed": len(order),
        }


@attrs.define
class Scope:
    """A live net."""

    net: Net
    tokens: Counter[str]
    data: dict[str, Any]
    item: str | None = None
    groups: dict[str, Group] = attrs.field(factory=dict)

    def group(self, task: str) -> Group:
        return self.groups.setdefault(task, Group())


class Model:
    """What a case must look like after the events it was told."""

    def __init__(self, compiled: CompiledSpecification) -> None:
        self.compiled = compiled
        self.scopes: dict[int, Scope] = {}
        self.items: dict[str, Item] = {}
        self.used: set[str] = set()
        self.scopes_used: set[int] = set()

    # ── arcs ─────────────────────────────────────────────────────────────────────────────────

    def transition(self, scope: int, name: str) -> Transition:
        (found,) = (t for t in self.scopes[scope].net.transitions if t.name == name)
        return found

    def tokens(self, scope: int, place: str, wide: bool) -> int:
        if not wide:
            return self.scopes[scope].tokens[place]
        kind = self.scopes[scope].net.name
        return sum(s.tokens[place] for s in self.scopes.values() if s.net.name == kind)

    def taken(self, scope: int, t: Transition) -> Counter[str]:
        """What a firing takes: an OR-join takes one of each marked input."""
        tokens = self.scopes[scope].tokens
        taken = Counter({a.place: a.weight for a in t.take})
        if t.or_join is not None:
            taken.update(p for p in t.or_join.inputs if tokens[p])
        return taken

    def enabled(self, scope: int, t: Transition) -> bool:
        return (
            (t.or_join is None or self.joins(scope, t))
            and all(self.scopes[scope].tokens[a.place] >= a.weight for a in t.take)
            and all(self.tokens(scope, a.place, a.case_wide) >= a.weight for a in t.needs)
            and all(self.tokens(scope, a.place, a.case_wide) < a.weight for a in t.lacks)
        )

    def joins(self, scope: int, t: Transition) -> bool:
        """Whether the rule of an OR-join allows it; that rule has an oracle of its own."""
        net = self.scopes[scope].net
        cells = [self.scopes[scope].tokens[p.name] for p in net.places]
        alone = net.name in self.compiled.alone
        return orjoin.enabled(net, cells, net.transition_index[t.name], alone=alone)

    def guard(self, scope: int, t: Transition) -> bool:
        if t.when is None:
            return True
        found = self.scopes[scope]
        judged = found.net.judging.get(t.name)
        facts = {} if judged is None else found.group(judged.name).facts()
        return compile_expression(t.when).test({**found.data, **facts})

    def enter(self, event: e.TransitionFired) -> None:
        """An activation of a multiple-instance task begins."""
        scope = self.scopes[event.scope]
        found = [
            k
            for k in scope.net.tasks.values()
            if k.multiple and k.multiple.enter == event.transition
        ]
        for task in found:
            multiple, group = task.multiple, scope.group(task.name)
            assert multiple is not None
            number = event.counts[0] if multiple.number is None else multiple.number
            alive = [
                i for i in self.items.values() if i.task == task.name and i.status != "offered"
            ]
            alive = [i for i in alive if self.scopes[i.scope] is scope]
            assert multiple.overlaps or not alive, "two activations at once"
            assert multiple.overlaps or not group.waiting
            if not multiple.overlaps:
                group.indices, group.items, group.results = {}, {}, {}
            items = event.items
            if items is None and multiple.items is not None:
                items = multiple.items.value
            assert items is None or len(items) == number
            for index in range(number):
                group.waiting.append(group.made)
                group.indices[group.made] = index
                group.items[group.made] = None if items is None else items[index]
                group.made += 1

    def collect(self, event: e.TransitionFired) -> None:
        """The results of an activation are written."""
        scope = self.scopes[event.scope]
        for task in scope.net.tasks.values():
            if task.multiple is not None and event.transition in task.multiple.collects:
                group = scope.group(task.name)
                if event.writes or task.result is None:
                    scope.data.update(event.writes)
                else:
                    scope.data[task.result] = group.facts()["results"]
                group.results = {}

    def emptied(self, scope: int, cleared: dict[str, int]) -> None:
        """What waited in a place that was cleared is gone."""
        for task in self.scopes[scope].net.tasks.values():
            if task.multiple is not None and task.multiple.ready in cleared:
                group = self.scopes[scope].group(task.name)
                assert len(group.waiting) <= cleared[task.multiple.ready]
                group.waiting = []
                group.indices = {n: i for n, i in group.indices.items() if n in group.results}

    def begins_instance(self, item: Item, instance: int | None, inputs: dict[str, Any]) -> None:
        """An instance is offered or starts: the one with the smallest number that waits."""
        task = self.task(item)
        assert (instance is None) == (task.multiple is None)
        if instance is None:
            return
        group = self.scopes[item.scope].group(item.task)
        assert instance == min(group.waiting)
        group.waiting.remove(instance)
        item.instance = instance
        self.sees_its_own(item, inputs)

    def sees_its_own(self, item: Item, inputs: dict[str, Any]) -> None:
        task, group = self.task(item), self.scopes[item.scope].group(item.task)
        name = None if task.multiple is None else task.multiple.item
        if name is not None and name in inputs:
            assert inputs[name] == group.items[int(str(item.instance))]

    def degree(self, scope: int, t: Transition) -> int:
        if not self.enabled(scope, t):
            return 0
        if t.or_join is not None:
            return 1
        return min(self.scopes[scope].tokens[a.place] // a.weight for a in t.take)

    def fire(self, scope: int, name: str, event: Any = None) -> None:
        t = self.transition(scope, name)
        assert self.enabled(scope, t), f"{name} was not enabled in scope {scope}"
        tokens = self.scopes[scope].tokens
        before = sum(tokens.values())
        taken = self.taken(scope, t)
        tokens.subtract(taken)
        cleared = {p: tokens[p] for p in t.clear if tokens[p]}
        for place in cleared:
            tokens[place] = 0
        puts = [(a.place, a.weight) for a in t.put]
        counts = event.counts if isinstance(event, e.TransitionFired) else ()
        puts += [(place, n) for (place, _), n in zip(t.counted, counts, strict=True)]
        for place, n in puts:
            tokens[place] += n
        gone = taken.total() + sum(cleared.values())
        assert sum(tokens.values()) == before - gone + sum(n for _, n in puts)
        if event is not None:
            assert event.cleared == cleared
            net = self.scopes[scope].net
            runs = {k.run: (k.name, "started") for k in net.tasks.values()}
            runs |= {k.held: (k.name, "failed") for k in net.tasks.values()}
            dying = [runs[p] for p in cleared if p in runs]
            direct = [
                k for k, i in self.items.items() if i.scope == scope and (i.task, i.status) in dying
            ]
            self.close(
                event, [i.child for k in direct if (i := self.items[k]).child is not None], direct
            )

    def below(self, scopes: list[int]) -> set[int]:
        found = set(scopes)
        while True:
            more = {
                i.child for i in self.items.values() if i.scope in found and i.child is not None
            }
            if more <= found:
                return found
            found |= more

    def close(self, event: Any, scopes: list[int], direct: list[str]) -> None:
        """Scopes end, with those below and all items in them; the event must say so."""
        closed = self.below(scopes)
        said = set(event.closed) | ({event.scope} if isinstance(event, e.ScopeClosed) else set())
        assert said == closed
        cancelled = {k for k, i in self.items.items() if i.scope in closed} | set(direct)
        assert set(event.cancelled) == cancelled
        assert len(event.cancelled) == len(cancelled)
        for name in cancelled:
            del self.items[name]
        for scope in closed:
            del self.scopes[scope]

    # ── events ───────────────────────────────────────────────────────────────────────────────

    def tell(self, event: e.Event) -> None:
        """Take in an event."""
        match event:
            case e.CaseStarted():
                self.open(0, self.compiled.net, event.data, None)
            case e.TransitionFired():
                t = self.transition(event.scope, event.transition)
                assert not t.external
                assert self.guard(event.scope, t), f"{t.name} fired on a false guard"
                self.enter(event)
                self.fire(event.scope, t.name, event)
                self.collect(event)
                self.emptied(event.scope, event.cleared)
            case e.InstanceAdded():
                multiple = self.scopes[event.scope].net.tasks[event.task].multiple
                assert multiple is not None
                self.fire(event.scope, str(multiple.add))
                group = self.scopes[event.scope].group(event.task)
                group.waiting.append(group.made)
                group.indices[group.made] = len(group.indices)
                group.items[group.made] = event.data
                group.made += 1
            case e.InstancesSealed():
                multiple = self.scopes[event.scope].net.tasks[event.task].multiple
                assert multiple is not None
                self.fire(event.scope, str(multiple.seal))
            case e.ScopeOpened():
                item = self.items[event.item]
                net = self.scopes[item.scope].net
                assert net.tasks[item.task].child == event.net
                item.child = event.scope
                self.open(event.scope, self.compiled.nets[event.net], event.data, event.item)
            case e.ScopeClosed():
                self.items[str(self.scopes[event.scope].item)].child = None
                self.close(event, [event.scope], [])
            case e.WorkItemOffered():
                self.new(event.item, Item(event.task, event.scope, "offered"))
                self.begins_instance(self.items[event.item], event.instance, event.inputs)
            case e.WorkItemWithdrawn():
                item = self.items.pop(event.item)
                assert item.status == "offered"
                group = self.scopes[item.scope].group(item.task)
                if item.instance in group.indices:
                    group.waiting.append(item.instance)
            case e.WorkItemStarted():
                if event.task is not None:
                    self.new(event.item, Item(event.task, event.scope, "offered"))
                    self.begins_instance(self.items[event.item], event.instance, event.inputs)
                self.sees_its_own(self.items[event.item], event.inputs)
                self.move(event.item, "offered", "started", event.transition, Role.START)
            case e.WorkItemCompleted():
                item = self.items.pop(event.item)
                assert item.status == "started"
                task = self.scopes[item.scope].net.tasks[item.task]
                self.scopes[item.scope].data.update(event.writes)
                if task.multiple is not None and not task.multiple.overlaps:
                    results = self.scopes[item.scope].group(item.task).results
                    assert item.instance not in results
                    results[int(str(item.instance))] = event.result
                self.fire(item.scope, task.complete, event)
                self.emptied(item.scope, event.cleared)
            case e.WorkItemFailed():
                item = self.items[event.item]
                child, item.child = item.child, None
                self.move(event.item, "started", "failed", self.task(item).fail, Role.FAIL)
                self.close(event, [] if child not in self.scopes else [child], [])
            case e.WorkItemRetried():
                item = self.items[event.item]
                if event.interrupted:
                    assert item.status == "started"
                else:
                    self.move(event.item, "failed", "started", self.task(item).retry_by, Role.RETRY)
            case e.WorkItemGivenUp():
                item = self.items[event.item]
                give_up = self.task(item).give_up
                assert give_up is not None
                self.scopes[item.scope].data.update(event.writes)
                self.move(event.item, "failed", "gone", give_up, Role.GIVE_UP)
                del self.items[event.item]
            case e.CaseCompleted() | e.CaseCancelled():
                self.items.clear()
                self.scopes = {0: self.scopes[0]}
                self.scopes[0].tokens.clear()

    def task(self, item: Item) -> Any:
        return self.scopes[item.scope].net.tasks[item.task]

    def open(self, scope: int, net: Net, data: dict[str, Any], item: str | None) -> None:
        assert scope not in self.scopes_used
        self.scopes_used.add(scope)
        tokens = Counter({p.name: p.tokens for p in net.places if p.tokens})
        self.scopes[scope] = Scope(net, tokens, dict(data), item)

    def new(self, name: str, item: Item) -> None:
        assert name not in self.used, f"{name} is used twice"
        self.used.add(name)
        self.items[name] = item

    def move(self, name: str, before: str, after: str, transition: str, role: Role) -> None:
        item = self.items[name]
        assert item.status == before
        t = self.transition(item.scope, transition)
        assert (t.external, t.role, t.task) == (True, role, item.task)
        self.fire(item.scope, transition)
        item.status = after

    # ── states ───────────────────────────────────────────────────────────────────────────────

    def check(self, case: CaseState) -> None:
        """Compare with a state, between two batches."""
        assert {n: +s.tokens for n, s in self.scopes.items()} == {
            n: Counter(tokens) for n, tokens in case.marking().items()
        }
        assert {n: s.data for n, s in self.scopes.items()} == {
            n: dict(s.data) for n, s in case.scopes.items()
        }
        assert {n: (i.task, i.scope, i.status, i.child) for n, i in self.items.items()} == {
            n: (i.task, i.scope, i.status.value, i.child) for n, i in case.items.items()
        }
        if not case.status.final:
            self.check_places()
            self.check_instances(case)
        if case.status in (CaseStatus.RUNNING, CaseStatus.SUSPENDED):
            self.check_quiescent()

    def check_places(self) -> None:
        """Open items are the tokens of their places; invariants hold."""
        for number, scope in self.scopes.items():
            for task in scope.net.tasks.values():
                for place, status in ((task.run, "started"), (task.held, "failed")):
                    items = self.count(number, task.name, status)
                    assert items == scope.tokens[place], f"{task.name} {status}"
            for invariant in scope.net.invariants:
                total = sum(scope.tokens[p] * w for p, w in invariant.weights.items())
                assert total == invariant.total, f"{invariant} has {total}"

    def check_instances(self, case: CaseState) -> None:
        """Who waits, and with which results, as the state has it; and the counts agree."""
        for number, scope in self.scopes.items():
            for task in scope.net.tasks.values():
                if task.multiple is None:
                    continue
                group = scope.group(task.name)
                known = case.scopes[number].instances.get(task.name, Instances())
                assert known.count == group.made
                assert [*known.back, *range(known.next, known.count)] == sorted(group.waiting)
                assert dict(known.results) == group.results
                if case.status in (CaseStatus.RUNNING, CaseStatus.SUSPENDED):
                    offered = self.count(number, task.name, "offered")
                    assert len(group.waiting) + offered == scope.tokens[task.multiple.ready]

    def count(self, scope: int, task: str, status: str) -> int:
        return sum(
            1 for i in self.items.values() if (i.scope, i.task, i.status) == (scope, task, status)
        )

    def check_quiescent(self) -> None:
        """No immediate is enabled but by a false guard; offers are what may be started."""
        for number, scope in self.scopes.items():
            for t in scope.net.transitions:
                if not t.external and self.enabled(number, t):
                    assert not self.guard(number, t), f"{t.name} is enabled and has not fired"
            for task in scope.net.tasks.values():
                if task.automatic:
                    continue
                degree = sum(self.degree(number, self.transition(number, s)) for s in task.starts)
                offered = self.count(number, task.name, ItemStatus.OFFERED.value)
                assert offered == min(degree, task.concurrency or degree)

    def begins(self) -> bool:
        """Whether an automatic task could start."""
        return any(
            self.enabled(number, self.transition(number, start))
            for number, scope in self.scopes.items()
            for task in scope.net.tasks.values()
            if task.automatic
            for start in task.starts
        )

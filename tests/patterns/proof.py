"""Proofs of full marks: every order of events of a pattern's example, beside a plain model.

The example that a pattern ships is put into four surroundings: alone, in a loop, as a composite
task that runs twice at once, and beside a task that cancels all of it and lets it begin anew.
Every command that can be asked is tried in every state (through `decide`, with failures and
retries), and a `Model` watches each live scope of the example. It is a few lines of plain Python
that know the pattern's text and nothing of nets: what begins when something completes, and what
is withdrawn. Model and case are explored together, so a model may have a memory.

What a proof says has to bite: every single change of an arc of the pattern's transitions makes a
mutant, and the same proof has to find it. Those that live on are named.
"""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import resources
from typing import Any, ClassVar

import attrs
import msgspec

from tests.engine import generated as g
from tests.patterns.exploring import canonical
from weft.connectors import builtin as connectors
from weft.engine import commands as c
from weft.engine import events as e
from weft.engine.case import CaseState, WorkItem
from weft.engine.compile import compile_specification
from weft.engine.decide import Limits, decide
from weft.engine.fragment import run_place
from weft.engine.lifecycle import CaseStatus, ItemStatus
from weft.engine.net import Arc, CompiledSpecification, MergeRule, Transition
from weft.engine.ports import CaseId, ItemId
from weft.schema.errors import CommandRejected, WeftError
from weft.schema.native import read_native
from weft.schema.specification import (
    NetDefinition,
    Retry,
    Specification,
    TaskDefinition,
    Use,
)

__all__ = [
    "SURROUNDINGS",
    "Model",
    "Observation",
    "Proof",
    "at_rest",
    "explored",
    "reached",
    "specified",
    "surrounded",
    "surviving",
]

MOST = 60_000
"""States of one surrounding; more is a mistake in the proof."""
LIMITS = Limits(firings=300, depth=4)
HOST = "host"
"""The net that an example becomes where it is a composite task's."""


# ── what a model sees ────────────────────────────────────────────────────────────────────────


@attrs.frozen
class Observation:
    """One step of a case, as far as one live scope of the example is concerned.

    Args:
        completed: The tasks whose items completed, with their results, in order.
        started: Tasks of which an item that had been offered was started.
        failed: Tasks of which an attempt failed.
        begun: Tasks of which an item was offered, or started without being offered; sorted.
        gone: Tasks of which an open item was withdrawn, cancelled or given up; sorted.
        open: The open items after the step.
        places: The marking after the step, by place name.
        over: The scope is no longer live, or the case has ended.
        case: The whole case after the step.
        before: The whole case before it.
        sent: What was asked from outside: the name of a trigger, ``add`` or ``seal``.
        received: For each trigger that the scope received: its number, if it had been kept.
    """

    completed: tuple[tuple[str, Any], ...]
    started: tuple[str, ...]
    failed: tuple[str, ...]
    begun: tuple[str, ...]
    gone: tuple[str, ...]
    open: tuple[WorkItem, ...]
    places: Mapping[str, int]
    over: bool
    case: CaseState = attrs.field(repr=False)
    before: CaseState = attrs.field(repr=False)
    sent: str | None = None
    received: tuple[int | None, ...] = ()

    @property
    def status(self) -> CaseStatus:
        """The status of the case after the step."""
        return self.case.status

    def items(self, *tasks: str, status: ItemStatus | None = None) -> int:
        """How many items of these tasks are open."""
        return sum(i.task in tasks and status in (None, i.status) for i in self.open)


class Model:
    """The plainest description of a pattern: what begins when a task of it completes.

    A subclass says so in `after`, with whatever memory it needs in its attributes; what it does
    not say must not happen. ``watched`` are the tasks that it speaks of (None: all but the first).
    `observe` compares; override it for what is no matter of completions.
    """

    watched: ClassVar[frozenset[str]]

    def __init__(self) -> None:
        self.withdraws: list[str] = []

    def after(self, task: str, result: Any) -> Iterable[str]:
        """The tasks that begin when this one completes."""
        raise LookupError(task)

    def cleared(self, o: Observation) -> None:
        """Begin anew: everything of the example was cancelled, and its first task begins."""

    def observe(self, o: Observation) -> None:
        """Compare a step with the model, and remember it.

        Raises:
            AssertionError: They differ.
        """
        wanted: Counter[str] = Counter()
        self.withdraws = []
        for task, result in o.completed:
            wanted.update(self.after(task, result))
        begun = Counter(t for t in o.begun if t in self.watched)
        assert begun == wanted, f"{dict(begun)} began; the model says {dict(wanted)}"
        gone = Counter(t for t in o.gone if t in self.watched)
        assert o.over or gone == Counter(self.withdraws), f"{dict(gone)} gone"


@attrs.frozen(eq=False)
class Proof:
    """What full marks of one pattern mean, and the example they are shown on.

    Args:
        example: The name of the example file, without its ending; it begins with the number.
        promises: What the model checks, in sentences; the catalogue prints them.
        model: Makes the model of a scope that has just been opened.
        mutate: Transitions of the pattern: prefixes of their names.
        last: The task (or tasks) that the example ends with; a loop in the net goes on from
            there. None: the loop goes round the example as a composite task.
        results: Task to the results that it may complete with; others complete with null.
        failures: Whether attempts fail and are tried again.
        ends: The statuses that a case may end with.
        sends: Triggers that may come at any moment.
        adds: How many instances a task that is open for more comes to have.
        survivors: Mutants that no order of events can tell from the original, and why.
        alike: Parts of names of mutants that are like others: branch 1 stands for all.
        anew: Whether the example begins anew after it was cancelled.
        most_rounds: How often a loop round the example is gone through.
    """

    example: str
    promises: Sequence[str]
    model: Callable[[], Model]
    mutate: Sequence[str]
    last: str | None = None
    results: Mapping[str, Sequence[Any]] = attrs.field(factory=dict)
    failures: bool = True
    ends: frozenset[CaseStatus] = frozenset((CaseStatus.COMPLETED,))
    survivors: Mapping[str, str] = attrs.field(factory=dict)
    alike: Sequence[str] = ()
    sends: Sequence[str] = ()
    adds: int = 0
    anew: bool = True
    most_rounds: int = 2

    @property
    def pattern(self) -> int:
        """The official number of the pattern."""
        return int(self.example.partition("-")[0])

    def specification(self) -> Specification:
        """The example that the pattern ships."""
        file = resources.files("weft.patterns") / "examples" / f"{self.example}.yaml"
        return read_native(file.read_bytes(), file=f"{self.example}.yaml")


# ── surroundings ─────────────────────────────────────────────────────────────────────────────

SURROUNDINGS = ("alone", "loop", "composite", "cancellation")


def surrounded(proof: Proof, where: str) -> CompiledSpecification:
    """The nets of a pattern's example in one of the `SURROUNDINGS`."""
    return compile_specification(
        specified(proof, where), registry=g.REGISTRY, connectors=connectors()
    )


def specified(proof: Proof, where: str) -> Specification:
    """A pattern's example in one of the `SURROUNDINGS`."""
    spec = proof.specification()
    host = spec.nets[spec.root]
    if proof.failures:
        # A failed item is held and tried again, while all the rest goes on.
        retry = Retry(attempts=2, delay_seconds=1.0)
        tasks = {n: attrs.evolve(t, retry=retry if t.uses else None) for n, t in host.tasks.items()}
        host = attrs.evolve(host, tasks=tasks)
        spec = _with(spec, host)
    if where == "loop":
        spec = _looped(spec, host, proof.last)
    elif where == "composite":
        spec = _nested(spec, host, {"split": {"parallel-split": ["one", "two"]}, "join": True})
    elif where == "cancellation":
        spec = _cancelled(spec, host, proof.anew)
    return spec


def _person(name: str, then: Any = None, **more: Any) -> TaskDefinition:
    use = Use("person", {"title": name, "form": {"type": "any"}})
    return TaskDefinition(name=name, then=g.use(then), uses=(use,), **more)


def _again(to: str) -> tuple[TaskDefinition, TaskDefinition]:
    """A person who decides: once again, or the end."""
    choice = {"exclusive-choice": [{"when": "again_ == 1", "to": to}, {"to": "bye"}]}
    more = _person("more", choice, outputs={"again_": "result"})
    return more, TaskDefinition(name="bye")


def _looped(spec: Specification, host: NetDefinition, last: str | None) -> Specification:
    if last is None:
        return _nested(spec, host, None)
    more, bye = _again(host.start[0])
    tasks = {**host.tasks, last: attrs.evolve(host.tasks[last], then=Use("sequence", "more"))}
    tasks |= {"more": more, "bye": bye}
    return _with(spec, attrs.evolve(host, tasks=tasks, variables=_variables(host)))


def _variables(host: NetDefinition) -> dict[str, Any]:
    number = attrs.evolve(g.integers()["x"], name="again_")
    return {**host.variables, "again_": number}


def _with(spec: Specification, *nets: NetDefinition) -> Specification:
    return attrs.evolve(spec, nets={**spec.nets, **{net.name: net for net in nets}})


def _nested(spec: Specification, host: NetDefinition, twice: Any) -> Specification:
    def child(name: str, then: Any) -> TaskDefinition:
        return TaskDefinition(name=name, then=g.use(then), outputs={}, uses=(Use("net", HOST),))

    inner = attrs.evolve(host, name=HOST, tasks={n: _inward(t) for n, t in host.tasks.items()})
    if twice:
        root = g.net(
            "split",
            TaskDefinition(name="split", then=g.use({"parallel-split": ["one", "two"]})),
            child("one", "meet"),
            child("two", "meet"),
            TaskDefinition(name="meet", join=Use("synchronization")),
        )
    else:
        more, bye = _again("round")
        root = g.net("round", child("round", "more"), more, bye)
    root = attrs.evolve(
        root, name=spec.root, variables=_variables(attrs.evolve(root, variables={}))
    )
    return _with(spec, root, inner)


def _inward(task: TaskDefinition) -> TaskDefinition:
    """A task that runs the example's own net runs it under its new name."""
    own = Use("net", "net")
    return attrs.evolve(task, uses=tuple(Use("net", HOST) if u == own else u for u in task.uses))


def _cancelled(spec: Specification, host: NetDefinition, anew: bool) -> Specification:
    """Beside the example somebody may stop it all, once; then it begins anew, or does not."""
    region = Use("cancel-region", {"region": [*host.tasks, *host.places]})
    stop = _person("stop", host.start[0] if anew else None, outputs={})
    stop = attrs.evolve(stop, uses=(*stop.uses, region))
    tasks = {**host.tasks, "stop": stop}
    return _with(spec, attrs.evolve(host, start=(*host.start, "stop"), tasks=tasks))


# ── exploring ────────────────────────────────────────────────────────────────────────────────


def asked(case: CaseState, proof: Proof) -> Iterator[c.Command]:
    """What may be asked: of items that only their numbers tell apart, of the oldest.

    In a composite task no attempt fails: two scopes at once have states enough.
    """
    failures = proof.failures and HOST not in case.compiled.nets
    for trigger in proof.sends:
        if len(case.kept) < 2:
            yield c.DeliverTrigger(trigger, len(case.kept))
    for scope, task in case.open_for_more():
        if case.scopes[scope].instances[task.name].count < proof.adds:
            yield c.AddInstance(task.name, "added", scope)
        yield c.SealTask(task.name, scope)
    seen = set()
    for item in case.items.values():
        kind = (item.task, item.scope, item.status, item.attempt, item.instance)
        if kind in seen or item.child is not None:
            continue
        seen.add(kind)
        name = ItemId(item.id)
        if item.status is ItemStatus.OFFERED:
            yield c.StartWorkItem(name)
        elif item.status is ItemStatus.FAILED:
            yield c.RetryWorkItem(name)
        else:
            for result in _results(item, case, proof):
                yield c.CompleteWorkItem(name, result)
            if failures and item.attempt < 2 and item.task not in ("more", "stop"):
                yield c.FailWorkItem(name, {"code": "no"})


def _results(item: WorkItem, case: CaseState, proof: Proof) -> Sequence[Any]:
    if item.task == "more":
        return (0, 1) if case.serials.get("more", 0) < proof.most_rounds else (0,)
    return proof.results.get(item.task, (None,))


def observations(
    before: CaseState, command: c.Command, events: Sequence[e.Event], after: CaseState
) -> dict[int, Observation]:
    """A step as each scope that was live before it, or is live after it, sees it."""
    scopes = {item.id: item.scope for item in before.items.values()}
    tasks = {item.id: item.task for item in before.items.values()}
    begun: dict[int, list[str]] = {}
    completed: dict[int, list[tuple[str, Any]]] = {}
    started: dict[int, list[str]] = {}
    received: dict[int, list[int | None]] = {}
    failed: dict[int, list[str]] = {}
    done: set[str] = set()
    for event in events:
        match event:
            case e.WorkItemOffered():
                scopes[event.item], tasks[event.item] = event.scope, event.task
                begun.setdefault(event.scope, []).append(event.task)
            case e.WorkItemStarted():
                if event.item in scopes:
                    started.setdefault(scopes[event.item], []).append(tasks[event.item])
                else:
                    assert event.task is not None
                    scopes[event.item], tasks[event.item] = event.scope, event.task
                    begun.setdefault(event.scope, []).append(event.task)
            case e.WorkItemCompleted():
                result = command.result if isinstance(command, c.CompleteWorkItem) else None
                completed.setdefault(scopes[event.item], []).append((tasks[event.item], result))
                done.add(event.item)
            case e.TriggerReceived():
                where = event.scope if event.wait is None else before.waits[event.wait].scope
                received.setdefault(where, []).append(event.kept)
            case e.WorkItemFailed():
                failed.setdefault(scopes[event.item], []).append(tasks[event.item])
    gone: dict[int, list[str]] = {}
    for item, scope in scopes.items():
        if item not in after.items and item not in done:
            gone.setdefault(scope, []).append(tasks[item])
    final = not g.active(after)
    markings = after.marking()
    return {
        scope: Observation(
            completed=tuple(completed.get(scope, ())),
            started=tuple(started.get(scope, ())),
            failed=tuple(failed.get(scope, ())),
            begun=tuple(sorted(begun.get(scope, ()))),
            gone=tuple(sorted(gone.get(scope, ()))),
            open=tuple(i for i in after.items.values() if i.scope == scope),
            places=markings.get(scope, {}),
            over=final or scope not in after.scopes,
            case=after,
            before=before,
            sent=_sent(command, scope),
            received=tuple(received.get(scope, ())),
        )
        for scope in {*before.scopes, *after.scopes}
    }


def _sent(command: c.Command, scope: int) -> str | None:
    match command:
        case c.DeliverTrigger():
            return command.trigger
        case c.AddInstance() if command.scope == scope:
            return "add"
        case c.SealTask() if command.scope == scope:
            return "seal"
    return None


def explored(proof: Proof, nets: CompiledSpecification, most: int = MOST) -> tuple[set[Any], int]:
    """Explore case and models together: the states of the case, and how many with the models'.

    Raises:
        AssertionError: A promise does not hold somewhere (it says what was done until then), or
            there are more than ``most`` states of case and models.
    """
    command: c.Command = c.StartCase(CaseId("c"), nets, {})
    decision = decide(None, command, time=g.TIME, limits=LIMITS)
    models = _models(proof, {}, decision.case)
    states = {canonical(decision.case)}
    seen = {(canonical(decision.case), _memory(models))}
    level: list[tuple[CaseState, dict[int, Model], tuple[Any, ...]]] = []
    level.append((decision.case, models, ()))
    endings: set[CaseStatus] = set()
    while level:
        following = []
        for case, models, path in level:
            if not g.active(case):
                endings.add(case.status)
                continue
            moved = False
            kept = pickle.dumps(models, pickle.HIGHEST_PROTOCOL)  # far quicker than deepcopy
            for command in asked(case, proof):
                try:
                    decision = decide(case, command, time=g.TIME, limits=LIMITS)
                except CommandRejected:
                    continue
                moved = True
                trail = (*path, command)
                watching = _models(proof, pickle.loads(kept), decision.case)
                try:
                    _watch(watching, models, proof, case, command, decision.events, decision.case)
                except AssertionError as error:
                    raise AssertionError(f"{error}\nafter {_told(trail)}") from error
                watching = {s: m for s, m in watching.items() if s in decision.case.scopes}
                state = canonical(decision.case)
                states.add(state)
                at_rest(decision.case)
                key = (state, _memory(watching))
                if key not in seen:
                    seen.add(key)
                    following.append((decision.case, watching, trail))
                    assert len(seen) <= most, f"more than {most} states"
            assert moved, f"nothing can be asked of {case!r} after {_told(path)}"
        level = following
    assert endings == proof.ends, f"cases end {endings}; the proof says {set(proof.ends)}"
    return states, len(seen)


def reached(proof: Proof, nets: CompiledSpecification) -> set[Any]:
    """The states that the case alone can reach, `canonical` but for numbers."""
    start = c.StartCase(CaseId("c"), nets, {})
    level = [decide(None, start, time=g.TIME, limits=LIMITS).case]
    seen = {canonical(level[0])}
    states = {canonical(level[0], numbers=False)}
    while level:
        following = []
        for case in filter(g.active, level):
            for command in asked(case, proof):
                try:
                    after = decide(case, command, time=g.TIME, limits=LIMITS).case
                except CommandRejected:
                    continue
                if (key := canonical(after)) not in seen:
                    seen.add(key)
                    states.add(canonical(after, numbers=False))
                    following.append(after)
                    assert len(seen) <= MOST, f"more than {MOST} states"
        level = following
    return states


def at_rest(case: CaseState) -> None:
    """What a fragment declares never changes: its place invariants."""
    for scope, marking in case.marking().items():
        if case.status is CaseStatus.RUNNING:
            for invariant in case.net(scope).invariants:
                total = sum(w * marking.get(p, 0) for p, w in invariant.weights.items())
                assert total == invariant.total, f"{invariant.weights} is {total}"


def _told(path: Sequence[c.Command]) -> str:
    return "; ".join(
        f"{type(x).__name__} {getattr(x, 'item', '')} {getattr(x, 'result', '')}".strip()
        for x in path
    )


def _memory(models: Mapping[int, Model]) -> Any:
    return repr(sorted((s, sorted(vars(m).items())) for s, m in models.items()))


def _models(proof: Proof, models: dict[int, Model], case: CaseState) -> dict[int, Model]:
    """Models for the scopes of the example that are new."""
    host = HOST if HOST in case.compiled.nets else case.compiled.root
    for scope in case.scopes.values():
        if scope.net == host and scope.id not in models:
            models[scope.id] = proof.model()
    return models


def _watch(
    models: Mapping[int, Model],
    before: Mapping[int, Model],
    proof: Proof,
    case: CaseState,
    command: c.Command,
    events: Sequence[e.Event],
    after: CaseState,
) -> None:
    seen = observations(case, command, events, after)
    for scope, model in models.items():
        if scope not in seen:
            continue
        o = seen[scope]
        if scope not in before:
            continue  # opened by this step: what begins with it has no cause in it
        if any(task == "stop" for task, _ in o.completed):
            _stopped(model, proof, case, o)
            continue
        ours = attrs.evolve(
            o,
            begun=tuple(t for t in o.begun if t not in ("more", "stop")),
            completed=tuple(x for x in o.completed if x[0] not in ("more", "stop")),
        )
        model.observe(ours)


def _stopped(model: Model, proof: Proof, case: CaseState, o: Observation) -> None:
    """Cancelling the example leaves nothing of it; what begins, if so, is its first task, once."""
    fresh = decide(None, c.StartCase(CaseId("c"), case.compiled, {}), time=g.TIME).case
    expected = Counter(i.task for i in fresh.items.values() if i.task != "stop" and proof.anew)
    left = Counter(i.task for i in o.open)
    assert left == expected, f"{dict(left)} is open after the region was cancelled"
    vars(model).clear()
    vars(model).update(vars(proof.model()))
    model.cleared(o)


# ── mutants ──────────────────────────────────────────────────────────────────────────────────

BITES = ("alone", "loop", "cancellation")
"""The surroundings in which a mutant may be found."""


def surviving(proof: Proof) -> tuple[int, list[str]]:
    """How many mutants there are, and the names of those that the proof does not find."""
    left: list[str] | None = None
    made = 0
    for where in BITES:
        if where != "alone":
            proof = attrs.evolve(proof, failures=False)
        nets = surrounded(proof, where)
        _, size = explored(proof, nets)
        found = []
        for name, mutant in mutants(proof, nets):
            if any(part in name for part in proof.alike):
                continue
            made += where == BITES[0]
            if left is None or name in left:
                try:
                    explored(proof, mutant, most=3 * size + 50)
                except (AssertionError, WeftError):
                    continue
                found.append(name)
        left = found
        if not left:
            break
    return made, left or []


def mutants(
    proof: Proof, nets: CompiledSpecification
) -> Iterator[tuple[str, CompiledSpecification]]:
    """Every single change of an arc of the pattern's transitions, with a name that tells it."""
    name = HOST if HOST in nets.nets else nets.root
    net = nets.nets[name]
    for index, old in enumerate(net.transitions):
        if not any(old.name.startswith(prefix) for prefix in proof.mutate):
            continue
        for what, new in _changes(old, net.entering):
            if new is None:
                transitions = (*net.transitions[:index], *net.transitions[index + 1 :])
            else:
                transitions = (*net.transitions[:index], new, *net.transitions[index + 1 :])
            changed = msgspec.structs.replace(net, transitions=transitions)
            yield (
                f"{old.name}: {what}",
                msgspec.structs.replace(nets, nets={**nets.nets, name: changed}),
            )


def _changes(t: Transition, entering: Mapping[str, Any]) -> Iterator[tuple[str, Transition | None]]:
    for kind in ("take", "put", "needs", "lacks"):
        arcs = getattr(t, kind)
        for i, arc in enumerate(arcs):
            if t.task is not None and arc.place == run_place(t.task):
                continue  # what makes an item an item is no matter of the pattern
            rest = (*arcs[:i], *arcs[i + 1 :])
            if not (kind == "take" and len(arcs) == 1):  # it would never end
                yield f"without {kind} {arc.place}", msgspec.structs.replace(t, **{kind: rest})
            if kind == "put":
                double = msgspec.structs.replace(arc, weight=arc.weight + 1)
                more = (*arcs[:i], double, *arcs[i + 1 :])
                yield f"put {arc.place} once more", msgspec.structs.replace(t, put=more)
            if kind == "take" and arc.weight > 1:
                less = msgspec.structs.replace(arc, weight=arc.weight - 1)
                fewer = (*arcs[:i], less, *arcs[i + 1 :])
                yield f"take {arc.place} once less", msgspec.structs.replace(t, take=fewer)
    for i, place in enumerate(t.clear):
        rest = (*t.clear[:i], *t.clear[i + 1 :])
        yield f"without clear {place}", msgspec.structs.replace(t, clear=rest)
    if t.or_join is not None:
        for i, place in enumerate(inputs := t.or_join.inputs):
            fewer = msgspec.structs.replace(t.or_join, inputs=(*inputs[:i], *inputs[i + 1 :]))
            yield f"without input {place}", msgspec.structs.replace(t, or_join=fewer)
            alone = msgspec.structs.replace(t, or_join=None, take=(*t.take, Arc(place)))
            yield f"takes {place} alone", alone
        every = (*t.take, *map(Arc, inputs))
        yield "a synchronization", msgspec.structs.replace(t, or_join=None, take=every)
        first = msgspec.structs.replace(t.or_join, rule=MergeRule.STRUCTURAL)
        yield "by the structural rule", msgspec.structs.replace(t, or_join=first)
        for arc in t.put:
            twice = (*t.put, Arc(arc.place))
            yield f"put {arc.place} twice", msgspec.structs.replace(t, put=twice)
    for i, (place, _) in enumerate(() if t.name in entering else t.counted):
        rest = (*t.counted[:i], *t.counted[i + 1 :])
        yield f"without counted {place}", msgspec.structs.replace(t, counted=rest)
    if t.when is not None:
        yield "without its guard", msgspec.structs.replace(t, when=None)
    if t.ends is not None:
        yield "ends nothing", msgspec.structs.replace(t, ends=None)
    if not t.external:
        yield "gone", None

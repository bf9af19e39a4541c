"""Specifications become nets, or are refused with every fault and its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import attrs
import pytest
from hypothesis import HealthCheck, assume, given, settings

from tests.engine import generated as g
from weft.engine import commands as c
from weft.engine.case import CaseState, WorkItem
from weft.engine.compile import compile_specification, variable_name
from weft.engine.decide import Limits, decide
from weft.engine.evolve import serial
from weft.engine.fuse import NetDraft
from weft.engine.lifecycle import CaseStatus, ItemStatus
from weft.engine.net import CompiledSpecification, Role, Transition
from weft.engine.ports import CaseId, ItemId
from weft.schema.datatypes import DataType, Variable
from weft.schema.errors import DefinitionErrors, JournalError
from weft.schema.native import read_native
from weft.schema.specification import PlaceDefinition, Retry, Specification, TaskDefinition, Use

# ── faults ───────────────────────────────────────────────────────────────────────────────────

HEAD = "weft: 1\nname: test\n"
"""The texts below begin at line 3."""

BAD: dict[str, tuple[str, str, int, int, str]] = {
    "unknown target": (
        "net:\n  start: a\n  tasks:\n    a: {auto: x, then: bb}\n    b: {auto: x}\n",
        "unknown-target",
        *(6, 24),
        "there is no task or place 'bb'; did you mean b?",
    ),
    "unknown target in a list": (
        (
            "net:\n  start: a\n  tasks:\n    a: {auto: x, then: {parallel-split: [b, zz]}}\n"
            "    b: {auto: x}\n"
        ),
        "unknown-target",
        *(6, 45),
        "there is no task or place 'zz'",
    ),
    "unknown target of a branch": (
        (
            "net:\n  start: a\n  tasks:\n    a:\n      auto: x\n      then:\n"
            "        exclusive-choice:\n          - {when: 'true', to: a}\n          - {to: nope}\n"
        ),
        "unknown-target",
        *(11, 18),
        "there is no task or place 'nope'",
    ),
    "unknown start": (
        "net:\n  start: z\n  tasks:\n    a: {auto: x}\n",
        "unknown-target",
        *(4, 10),
        "there is no task or place 'z'",
    ),
    "unreachable": (
        (
            "net:\n  start: a\n  tasks:\n    a: {auto: x}\n    b: {auto: x, then: c}\n"
            "    c: {auto: x, then: b}\n"
        ),
        "unreachable",
        *(7, 5),
        "no flow from the start leads to task 'b'",
    ),
    "unknown pattern": (
        "net:\n  start: a\n  tasks:\n    a: {auto: x, then: {exclusiv-choice: []}}\n",
        "pattern",
        *(6, 18),
        "no pattern is called 'exclusiv-choice'; did you mean exclusive-choice",
    ),
    "pattern in the wrong place": (
        "net:\n  start: a\n  tasks:\n    a: {auto: x, then: {synchronization: null}}\n",
        "pattern",
        *(6, 18),
        "synchronization stands at 'join', not here",
    ),
    "pattern without its parameter": (
        "net:\n  start: a\n  tasks:\n    a: {auto: x, then: {parallel-split: null}}\n",
        "pattern",
        *(6, 18),
        "parallel-split needs 'branches': two or more tasks or places",
    ),
    "parallel split of one": (
        "net:\n  start: a\n  tasks:\n    a: {auto: x, then: {parallel-split: [a]}}\n",
        "pattern",
        *(6, 18),
        "expected a list of two or more tasks or places, found ['a']",
    ),
    "a branch twice": (
        "net:\n  start: a\n  tasks:\n    a: {auto: x, then: {parallel-split: [a, a]}}\n",
        "pattern",
        *(6, 18),
        "a stands twice in the list",
    ),
    "the default not last": (
        (
            "net:\n  start: a\n  tasks:\n    a: {auto: x, then: {exclusive-choice: [{to: a}, "
            "{when: 'true', to: a}]}}\n"
        ),
        "pattern",
        *(6, 18),
        "branch 1 has no condition, so it is the default: it has to stand last",
    ),
    "a choice without a condition": (
        "net:\n  start: a\n  tasks:\n    a: {auto: x, then: {multi-choice: [{to: a}]}}\n",
        "pattern",
        *(6, 18),
        "a choice needs at least one branch with a condition",
    ),
    "a branch of another form": (
        "net:\n  start: a\n  tasks:\n    a: {auto: x, then: {multi-choice: [{if: x, to: a}]}}\n",
        "pattern",
        *(6, 18),
        "branch 1: expected {when: condition, to: task}",
    ),
    "a join of one flow": (
        (
            "net:\n  start: a\n  tasks:\n    a: {auto: x, then: b}\n"
            "    b: {auto: x, join: synchronization}\n"
        ),
        "pattern-context",
        *(7, 24),
        "synchronization joins two or more flows; only one leads to 'b': a>b",
    ),
    "a condition that does not parse": (
        (
            "net:\n  start: a\n  tasks:\n    a:\n      auto: x\n      then:\n"
            "        exclusive-choice:\n          - {when: 'a >', to: a}\n"
        ),
        "expression",
        *(10, 20),
        "",
    ),
    "a condition on unknown data": (
        (
            "data: {total: integer}\nnet:\n  start: a\n  tasks:\n    a: {auto: x, structured-loop: "
            "{until: 'totl > 1'}}\n"
        ),
        "",
        *(7, 43),
        "totl",
    ),
    "an input of unknown data": (
        "net:\n  start: a\n  tasks:\n    a: {auto: x, in: {n: nope}}\n",
        "",
        *(6, 26),
        "nope",
    ),
    "an output to an unknown variable": (
        "data: {total: integer}\nnet:\n  start: a\n  tasks:\n    a: {auto: x, out: {totl: result}}\n",
        "unknown-variable",
        *(7, 30),
        "'totl' is not a declared variable; did you mean total?",
    ),
    "an unknown key of a task": (
        "net:\n  start: a\n  tasks:\n    a: {auto: x, tiemout: 5s}\n",
        "unknown-key",
        *(6, 27),
        "a task has no key 'tiemout'; did you mean timeout",
    ),
    "two connectors": (
        "net:\n  start: a\n  tasks:\n    a: {auto: x, person: y}\n",
        "connector",
        *(6, 5),
        "a task has one connector; this one has auto and person",
    ),
    "a policy without a connector": (
        "net:\n  start: a\n  tasks:\n    a: {retry: {attempts: 2}}\n",
        "connector",
        *(6, 9),
        "task 'a' has no connector, so 'retry' means nothing here",
    ),
    "a loop with two conditions": (
        "net:\n  start: a\n  tasks:\n    a: {auto: x, structured-loop: {until: 'true', while: 'true'}}\n",
        "pattern-parameter",
        *(6, 18),
        "takes either while (tested before) or until (after)",
    ),
    "an unknown net": (
        "net:\n  start: a\n  tasks:\n    a: {net: other}\n",
        "unknown-net",
        *(6, 14),
        "there is no net 'other' under `nets`; known: net",
    ),
    "a net that nothing runs": (
        (
            "net:\n  start: a\n  tasks:\n    a: {auto: x}\nnets:\n  one:\n    start: a\n    tasks:\n"
            "      a: {net: two}\n  two:\n    start: a\n    tasks:\n      a: {net: one}\n"
        ),
        "unreachable",
        *(8, 3),
        "no task runs the net 'one'",
    ),
    "a branch for what is late, and no timeout": (
        "net:\n  start: a\n  tasks:\n    a: {person: x, on-timeout: b}\n    b: {person: y}\n",
        "timeout",
        *(6, 32),
        "there is no `timeout` after which",
    ),
    "an error variable of another type": (
        (
            "data: {error: string}\nnet:\n  start: a\n  tasks:\n    a: {auto: x, on-failure: b}\n"
            "    b: {auto: x}\n"
        ),
        "name",
        *(3, 15),
        "finds its error, an object, in the variable 'error'",
    ),
    "a choice of the environment with an empty task": (
        (
            "net:\n  start: a\n  tasks:\n    a: {auto: x, then: {deferred-choice: [b, c]}}\n"
            "    b: {person: x}\n    c: {}\n"
        ),
        "pattern-context",
        *(6, 42),
        "'c' cannot be an alternative of deferred-choice: it has no connector",
    ),
    "a choice of the environment with a test before it": (
        (
            "net:\n  start: a\n  tasks:\n    a: {auto: x, then: {deferred-choice: [b, c]}}\n"
            "    b: {person: x}\n    c: {person: x, structured-loop: {while: 'true'}}\n"
        ),
        "net",
        *(3, 1),
        "can never fire",
    ),
    "a place called end": (
        "net:\n  start: a\n  places: {end: {}}\n  tasks:\n    a: {auto: x, then: end}\n",
        "name",
        *(5, 12),
        "threads that have nowhere to go rest in it",
    ),
    "a start twice": (
        "net:\n  start: [a, a]\n  tasks:\n    a: {auto: x}\n",
        "duplicate-name",
        *(4, 14),
        "'a' stands twice in",
    ),
}


def faults_of(specification: Specification) -> list[Any]:
    with pytest.raises(DefinitionErrors) as caught:
        g.compiled(specification)
    return list(caught.value.exceptions)


@pytest.mark.parametrize("name", BAD)
def test_faults_have_their_place(name: str) -> None:
    text, code, line, column, message = BAD[name]
    try:
        specification = read_native(HEAD + text, file="test.yaml")
    except DefinitionErrors as error:  # the reader knows some of them already
        found = list(error.exceptions)
    else:
        found = faults_of(specification)
    fitting = [fault for fault in found if message in fault.message]
    assert fitting, [str(fault) for fault in found]
    fault = fitting[0]
    assert (fault.line, fault.column) == (line, column), str(fault)
    assert not code or fault.code == code
    assert fault.file == "test.yaml"


def test_all_faults_of_a_specification_come_at_once() -> None:
    tasks = "".join(f"    t{i}: {{auto: x, then: nowhere{i}}}\n" for i in range(5))
    found = faults_of(read_native(f"{HEAD}net:\n  start: t0\n  tasks:\n{tasks}"))
    assert len(found) == 9
    assert [fault.line for fault in found] == sorted(fault.line for fault in found)


BUILT: dict[str, tuple[Specification, str]] = {
    "a name that is none": (
        g.specification(g.net("a b", g.task("a b"))),
        "net.tasks.a b: 'a b' is no name",
    ),
    "a task under another name": (
        g.specification(attrs.evolve(g.net("a", g.task("a")), tasks={"a": g.task("b")})),
        "what stands under 'a' is called 'b'",
    ),
    "a net under another name": (
        Specification("s", "1", {"net": g.net("a", g.task("a"), name="other")}),
        "the net under 'net' is called 'other'",
    ),
    "no root": (
        Specification("s", "1", {"other": g.net("a", g.task("a"), name="other")}),
        "there is no net 'net'",
    ),
    "no start": (g.specification(g.net([], g.task("a"))), "starts with at least one"),
    "another language": (
        attrs.evolve(g.specification(g.net("a", g.task("a"))), language="xpath"),
        "'xpath' is not known",
    ),
    "a place with a task's name": (
        g.specification(g.net("a", g.task("a"), places=[PlaceDefinition("a")])),
        "'a' is also the name of a task",
    ),
    "results that share a variable": (
        g.specification(g.net(["a-b", "a_b"], g.task("a-b"), g.task("a_b"))),
        "the results of 'a-b' and 'a_b' would share the variable 'a_b'",
    ),
    "a task whose result is called error": (
        g.specification(g.net("a", g.task("a", on_failure="error"), g.task("error"))),
        "share the variable 'error'",
    ),
    "many at once": (
        g.specification(g.net("a", g.task("a", concurrency=3))),
        "expected 1 or many",
    ),
    "none at once": (g.specification(g.net("a", g.task("a", concurrency=0))), "expected 1 or many"),
    "no time": (g.specification(g.net("a", g.task("a", timeout_seconds=0))), "found 0"),
    "a time that is none": (
        g.specification(g.net("a", g.task("a", timeout_seconds=float("nan")))),
        "found nan",
    ),
    "a wait for ever": (
        g.specification(g.net("a", g.task("a", retry=Retry(2, delay_seconds=float("inf"))))),
        "net.tasks.a.retry.delay: expected a time",
    ),
    "a factor without bound": (
        g.specification(g.net("a", g.task("a", retry=Retry(2, factor=1e300)))),
        "expected a number from 1 to 1000",
    ),
    "a due date that is none": (
        g.specification(g.net("a", g.task("a", "person", due="5 days"))),
        "a duration is written without spaces",
    ),
    "too few tokens": (
        g.specification(
            g.net("p", g.task("a"), places=[PlaceDefinition("p", tokens=-5, then=g.use("a"))])
        ),
        "starts with -4 tokens",
    ),
}


@pytest.mark.parametrize("name", BUILT)
def test_faults_of_what_a_program_builds(name: str) -> None:
    """Without a file, the message says where in the definition it is."""
    specification, message = BUILT[name]
    found = faults_of(specification)
    assert any(message in str(fault) for fault in found), [str(fault) for fault in found]


def test_the_variable_of_a_task() -> None:
    assert variable_name("check-all_now") == "check_all_now"


# ── what compiling makes ─────────────────────────────────────────────────────────────────────


def arcs(t: Transition) -> str:
    take, put = (" ".join(a.place for a in arcs) for arcs in (t.take, t.put))
    return f"{take} -> {put}"


def shape(nets: CompiledSpecification, *roles: Role) -> dict[str, str]:
    return {t.name: arcs(t) for t in nets.net.transitions if not roles or t.role in roles}


MAIN = (Role.START, Role.COMPLETE, Role.NONE)


def test_a_sequence_has_one_place_between_two_tasks() -> None:
    nets = g.compiled(g.net("a", g.task("a", then="b"), g.task("b")))
    assert shape(nets, *MAIN) == {
        "a.start": ">a -> a.run",
        "a.complete": "a.run -> >b",
        "b.start": ">b -> b.run",
        "b.complete": "b.run -> end",
    }


def test_a_synchronization_stands_on_the_start_of_its_task() -> None:
    split = g.task("a", None, {"parallel-split": ["b", "c"]})
    spec = g.net(
        "a",
        split,
        g.task("b", then="d"),
        g.task("c", then="d"),
        g.task("d", join="synchronization"),
    )
    found = shape(g.compiled(spec), *MAIN)
    assert found["d.start"] == "b>d c>d -> d.run"
    assert found["b.start"] == ">b -> b.run"
    assert ">b >c" not in str([*found]), "the split happens before the case is quiescent"


def test_alternatives_of_a_deferred_choice_start_from_one_place() -> None:
    """Also when they are reached by several choices, or join other flows as well."""
    choice = {"deferred-choice": ["x", "y"]}
    spec = g.net(
        ["a", "b"],
        g.task("a", None, choice),
        g.task("b", None, choice),
        g.task("x", "person"),
        g.task("y", "person"),
    )
    nets = g.compiled(spec)
    starts = {t.name: t.take for t in nets.net.transitions if t.role is Role.START}
    assert {frozenset(a.place for a in take) for take in starts.values()} in (
        {frozenset({"a>"}), frozenset({"b>"})},
        {frozenset({">a"}), frozenset({">b"})},
    )
    assert len(starts) == 4
    case = g.begin(nets)
    assert sorted(case.items) == ["x/1", "x/2", "y/1", "y/2"]
    case = decide(case, c.StartWorkItem(ItemId("x/1")), time=g.TIME).case
    assert {i.task for i in case.items.values()} == {"x", "y"}
    assert len(case.items) == 3


def test_a_declared_place_stays() -> None:
    spec = g.net(
        "p", g.task("a", "person"), places=[PlaceDefinition("p", tokens=1, then=g.use("a"))]
    )
    case = g.begin(g.compiled(spec))
    assert case.marking() == {0: {"p": 2}}
    assert sorted(case.items) == ["a/1", "a/2"]


def test_content_is_canonical_and_guarded_by_its_hash() -> None:
    nets = g.compiled(g.net("a", g.task("a")))
    again = CompiledSpecification.from_content(nets.content, hash=nets.hash)
    assert again == nets
    assert again.hash == nets.hash == g.compiled(g.net("a", g.task("a"))).hash
    with pytest.raises(JournalError, match="was changed"):
        CompiledSpecification.from_content(nets.content + b" ", hash=nets.hash)
    import hashlib

    for content, message in (
        (b"{}", "cannot be read"),
        (nets.content[:-1] + b',"format":2}', "layout 2"),
    ):
        with pytest.raises(JournalError, match=message):
            CompiledSpecification.from_content(content, hash=hashlib.sha256(content).hexdigest())


# ── fusing changes nothing that can be seen ──────────────────────────────────────────────────

DEPTH = 4
MOST = 100


def unfused(specification: Specification) -> CompiledSpecification:
    """The nets with all their places: only immediates that compete with starts are taken out."""

    def only_before_starts(draft: NetDraft) -> list[Transition]:
        from weft.engine.fuse import _Fusion

        fusion = _Fusion(draft)
        while vanishing := fusion.vanishing():
            for name in vanishing:
                fusion.pre(name)
        return fusion.ordered()

    with mock.patch("weft.engine.compile.fuse", only_before_starts):
        return g.compiled(specification)


Path = tuple[str, ...]
Kind = tuple[Path, str, ItemStatus]
"""The path to a scope, a task and a status: all that tells one item from another but numbers."""


def path(case: CaseState, scope: int) -> Path:
    """The composite tasks that lead to a scope."""
    state = case.scopes[scope]
    if state.item is None or state.parent is None:
        return ()
    return (*path(case, state.parent), case.items[state.item].task)


def kind_of(case: CaseState, item: WorkItem) -> Kind:
    return path(case, item.scope), item.task, item.status


def visible(case: CaseState) -> Any:
    """What can be seen of a quiescent case: its status, its open items, its data.

    Not the numbers of items and scopes, nor the errors that name them: tasks that start together
    may be numbered in another order.
    """
    data = [
        (path(case, n), {k: v for k, v in s.data.items() if k != "error"})
        for n, s in case.scopes.items()
    ]
    items = sorted((kind_of(case, i), i.attempt) for i in case.items.values())
    return case.status, items, sorted(data, key=repr)


def moves(case: CaseState) -> Iterator[tuple[Kind, Callable[[ItemId], c.Command]]]:
    """What can be done that differs: for each kind of item, the commands that fit it."""
    for kind in sorted({kind_of(case, i) for i in case.items.values() if i.child is None}):
        if kind[2] is ItemStatus.OFFERED:
            yield kind, c.StartWorkItem
        elif kind[2] is ItemStatus.FAILED:
            yield kind, c.GiveUpWorkItem
        else:
            yield kind, lambda name: c.CompleteWorkItem(name, 0)
            yield kind, lambda name: c.CompleteWorkItem(name, 2)
            yield kind, lambda name: c.FailWorkItem(name, {}, retryable=False)


LIMITS = Limits(firings=60, depth=2)


def same_behaviour(one: CompiledSpecification, other: CompiledSpecification) -> int:
    """Walk both side by side through all commands; what is seen has to agree all the way."""

    def begin(nets: CompiledSpecification) -> CaseState:
        return decide(None, c.StartCase(CaseId("c"), nets), time=g.TIME, limits=LIMITS).case

    level = [(begin(one), begin(other))]
    seen: set[Any] = set()
    for _ in range(DEPTH):
        following = []
        for left, right in level:
            if (left.error or {}).get("code") == "loop" or (right.error or {}).get(
                "code"
            ) == "loop":
                continue  # of a run without end each sees as much as its bound lets it
            assert left.status is right.status
            if left.status is CaseStatus.FAILED:
                continue  # somewhere in the middle of a run
            assert visible(left) == visible(right)
            if len({path(left, scope) for scope in left.scopes}) < len(left.scopes):
                continue  # scopes that only their numbers tell apart
            if (key := repr((left, right))) in seen or len(seen) > MOST:
                continue
            seen.add(key)
            following += [(step(left, *move), step(right, *move)) for move in moves(left)]
        level = following
    return len(seen)


def step(case: CaseState, kind: Kind, command: Callable[[ItemId], c.Command]) -> CaseState:
    """The case after a command to the oldest item of a kind."""
    alike = (item for item in case.items.values() if kind_of(case, item) == kind)
    item = min(alike, key=lambda item: serial(item.id))
    try:
        return decide(case, command(ItemId(item.id)), time=g.TIME, limits=LIMITS).case
    except g.CommandRejected:
        return case


@given(g.specifications())
@settings(max_examples=40, suppress_health_check=[HealthCheck.filter_too_much])
def test_a_fused_net_behaves_as_the_net_it_was(specification: Specification) -> None:
    """All traces of starts, completions and failures up to a depth, over the same commands."""
    try:
        fused = g.compiled(specification)
        whole = unfused(specification)
    except DefinitionErrors:
        assume(False)
        raise
    assume(not contested(fused))
    assume(not clears_by_itself(fused))
    same_behaviour(fused, whole)


def test_a_task_with_a_further_way_in_keeps_its_place_among_those_that_start() -> None:
    """Of two that compete by a critical section the first one declared starts, fused or not."""
    routing = Use("interleaved-routing", {"tasks": ["a", "b"]})
    definition = g.net(
        ["s", "c"],
        g.task("s", None, "b"),
        g.task("a", "auto"),
        g.task("b", "auto"),
        g.task("c", "person", "a"),
        places=[PlaceDefinition("store", 1, Use("sequence", "a"))],
        uses=[routing],
    )
    spec = g.specification(definition)
    fused, whole = g.compiled(spec), unfused(spec)
    starts = [t.name for t in fused.net.transitions if t.role is Role.START]
    assert [name.partition(".")[0] for name in starts] == ["a", "b", "c", "a"]
    for nets in (fused, whole):
        running = [i.task for i in g.begin(nets).items.values() if i.status is ItemStatus.STARTED]
        assert running == ["a"]
    assert same_behaviour(fused, whole)


def test_of_the_ways_into_a_task_those_that_others_look_at_go_first() -> None:
    """Whoever starts t3 does not say by which thread; what it frees is the same, fused or not."""
    definition = g.net(
        ["t0", "t1", "t2"],
        g.task("t0", "person", join="generalised-and-join"),
        g.task("t1", "person", {"parallel-split": ["t0", "t1", "t3"]}),
        g.task("t2", "auto", on_failure="t3"),
        g.task("t3", "person"),
        places=[PlaceDefinition("store", 1, Use("thread-split", {"to": "t3", "n": 2}))],
        uses=[Use("critical-section", {"regions": [["t0", "t1"], ["t2", "t3"]]})],
    )
    spec = g.specification(definition)
    fused, whole = g.compiled(spec), unfused(spec)
    for nets in (fused, whole):
        starts = [t for t in nets.net.transitions if t.role is Role.START and t.task == "t3"]
        sources = [place for t in starts for place in t.sources]
        assert sources[:2] == ["store>t3", "t2!>t3"]
        assert len(sources) == 3
    assert same_behaviour(fused, whole)


def clears_by_itself(nets: CompiledSpecification) -> bool:
    """Whether a reset stands on an immediate: what it catches depends on what is passing by."""
    return any(t.clear and not t.external for net in nets.nets.values() for t in net.transitions)


def contested(nets: CompiledSpecification) -> bool:
    """Whether automatic tasks compete for a token: who gets it is decided by no rule."""
    for net in nets.nets.values():
        starts = [t for t in net.transitions if t.role is Role.START]
        for t in starts:
            taken = {a.place for a in t.take}
            rivals = {s.task for s in starts if taken & {a.place for a in s.take}}
            if len(rivals) > 1 and any(net.tasks[str(name)].automatic for name in rivals):
                return True
    return False


def test_the_comparison_of_nets_finds_a_difference() -> None:
    split = {"parallel-split": ["b", "c"]}
    rest = [g.task("b", "person"), g.task("c", "person")]
    one = g.net("a", g.task("a", then=split), *rest)
    other = g.net("a", g.task("a", then={"deferred-choice": ["b", "c"]}), *rest)
    with pytest.raises(AssertionError):
        same_behaviour(g.compiled(one), g.compiled(other))
    assert same_behaviour(g.compiled(one), g.compiled(one)) > 5


def test_connectors_are_known_by_their_kind() -> None:
    wanted = Variable("x", DataType("integer"))
    spec = g.specification(
        g.net("a", TaskDefinition("a", uses=(Use("nope"),)), variables={"x": wanted})
    )
    with pytest.raises(DefinitionErrors, match="a task has no key 'nope'"):
        compile_specification(spec, registry=g.REGISTRY, connectors={})

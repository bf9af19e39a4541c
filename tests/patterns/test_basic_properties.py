"""Full marks of patterns 1 to 6, 8, 10, 11, 16, 20, 21 and 43, over every order of events.

Each property is a function of nets. It holds for a small specification that uses the pattern,
for one that uses it in a loop, in a composite task and beside failures, and it does not hold for
mutants of the net.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import msgspec
import pytest

from tests.engine import generated as g
from tests.patterns.exploring import (
    Step,
    after,
    begun,
    completed,
    ends,
    explore,
    killed,
    mutant,
    open_tasks,
)
from weft.engine import commands as c
from weft.engine import events as e
from weft.engine.decide import decide
from weft.engine.lifecycle import CaseStatus, ItemStatus
from weft.engine.net import CompiledSpecification, Outcome
from weft.engine.ports import CaseId, ItemId
from weft.schema.specification import NetDefinition, TaskDefinition, Use

COMPLETED = {CaseStatus.COMPLETED}


def work(name: str, kind: str | None = "auto", then: Any = None, **more: Any) -> TaskDefinition:
    """A task that keeps no result of its own: fewer states to explore."""
    if kind is not None or "child" in more:
        more.setdefault("outputs", {})
    return g.task(name, kind, then, **more)


Property = Callable[[CompiledSpecification], None]


def in_a_loop(*tasks: TaskDefinition) -> NetDefinition:
    """The tasks, from ``a`` to ``z``, then the person ``more`` decides: once again, or the end."""
    again = {"exclusive-choice": [{"when": "x == 2", "to": "a"}, {"to": "bye"}]}
    return g.net(
        "a",
        *tasks,
        work("more", "person", again, outputs={"x": "result"}),
        work("bye", None),
    )


def in_a_child(*tasks: TaskDefinition) -> dict[str, NetDefinition]:
    """The tasks as the net of a composite task that runs twice at once."""
    split = {"parallel-split": ["one", "two"]}
    return {
        "net": g.net(
            "go",
            work("go", None, split),
            work("one", child="child", then="end2"),
            work("two", child="child", then="end2"),
            work("end2", join="synchronization"),
        ),
        "child": g.net("a", *tasks, name="child"),
    }


def within(law: Callable[[list[Step]], None], *tasks: TaskDefinition) -> None:
    """Check a property of steps: alone, with failures, in a loop, in two child nets at once."""
    alone = [t if t.name != "z" else work("z", None, join=t.join and t.join.name) for t in tasks]
    law(explore(g.compiled(g.net("a", *alone))))
    law([s for s in explore(g.compiled(g.net("a", *alone)), failures=True) if not failed(s)])
    looped = explore(g.compiled(in_a_loop(*tasks)), results=(0, 2))
    law(looped)
    assert ends(looped) == COMPLETED
    assert any(s.after.serials.get("a", 0) > 1 or "a" not in s.after.serials for s in looped)
    nested = explore(g.compiled(in_a_child(*alone)), rounds=6)
    law(nested)


def failed(step: Step) -> bool:
    return not isinstance(step.asked, c.StartCase | c.StartWorkItem | c.CompleteWorkItem)


Z = work("z", None, "more")


# ── 1 ────────────────────────────────────────────────────────────────────────────────────────


def sequence(steps: list[Step]) -> None:
    """b begins when a completes, always, and never otherwise."""
    for step in steps:
        assert begun(step).count("b") == (1 if completed(step) == "a" else 0)
    after(steps, "a")


def test_1_sequence() -> None:
    tasks = (work("a", then="b"), work("b", then="z"), Z)
    within(sequence, *tasks)
    nets = g.compiled(g.net("a", work("a", then="b"), work("b")))
    assert killed(lambda n: sequence(explore(n)), mutant(nets, "a.complete", put=["end"]))
    assert killed(lambda n: sequence(explore(n)), mutant(nets, "a.complete", put=[">b", ">b"]))


# ── 2, 3 ─────────────────────────────────────────────────────────────────────────────────────


SPLIT = (
    work("a", then={"parallel-split": ["b", "c", "d"]}),
    *(work(name, then="j") for name in "bcd"),
    work("j", then="z", join="synchronization"),
    Z,
)


def split(steps: list[Step]) -> None:
    """Completing a begins each branch once, in the same step."""
    for step in after(steps, "a"):
        assert sorted(begun(step)) == ["b", "c", "d"]


def joined(steps: list[Step]) -> None:
    """j begins once a round, with the last of the branches."""
    assert any("j" in begun(step) for step in steps)
    for step in steps:
        done = completed(step)
        scopes = step.before.scopes if step.before is not None else {}
        if done not in ("b", "c", "d") or len(scopes) > 1:
            assert "j" not in begun(step) or len(scopes) > 1
            continue
        left = [t for t in open_tasks(step.before) if t in ("b", "c", "d")]
        assert begun(step).count("j") == (1 if len(left) == 1 else 0)


def test_2_parallel_split_and_3_synchronization() -> None:
    within(split, *SPLIT)
    within(joined, *SPLIT)
    nets = g.compiled(g.net("a", *SPLIT[:4], work("j", join="synchronization")))

    def both(changed: CompiledSpecification) -> None:
        steps = explore(changed)
        split(steps)
        joined(steps)
        assert ends(steps) == COMPLETED

    both(nets)
    assert killed(both, mutant(nets, "a.complete", put=[">b", ">c"]))
    assert killed(both, mutant(nets, "a.complete", put=[">b", ">c", ">d", ">d"]))
    assert killed(both, mutant(nets, "j.start", take=["b>j", "c>j"]))
    assert killed(both, mutant(nets, "j.start", take=["b>j", "c>j", "d>j", "d>j"]))


def test_3_a_branch_that_arrives_twice_does_not_stand_in_for_another() -> None:
    again = {"structured-loop": {"until": "x > 0"}}
    spec = g.net(
        "a",
        work("a", None, {"parallel-split": ["b", "c"]}),
        work("b", "person", "d", outputs={"x": "result"}, around=[g.use(again)]),
        work("d", "person", {"parallel-split": ["j", "e"]}),
        work("e", "person"),
        work("c", "person", "j"),
        work("j", join="synchronization"),
    )
    for step in explore(g.compiled(spec), results=(0, 1)):
        if "j" in begun(step):
            assert completed(step) in ("c", "d")
            assert not {"b", "c", "d"} & set(open_tasks(step.after))


# ── 4, 5 ─────────────────────────────────────────────────────────────────────────────────────


def choice(default: bool) -> tuple[TaskDefinition, ...]:
    branches = [{"when": "x > 1", "to": "b"}, {"when": "x > 0", "to": "c"}]
    branches += [{"to": "d"}] if default else []
    return (
        work("a", then={"exclusive-choice": branches}, outputs={"x": "result"}),
        *(work(name, then="m") for name in "bcd"[: len(branches)]),
        work("m", then="z", join="simple-merge"),
        Z,
    )


def chosen(steps: list[Step]) -> None:
    """Exactly one branch: the first whose condition holds, whatever else holds."""
    seen = set()
    for step in after(steps, "a"):
        assert isinstance(step.asked, c.CompleteWorkItem)
        wanted = {0: "d", 1: "c", 2: "b"}[int(str(step.asked.result))]
        assert begun(step) == [wanted]
        seen.add(wanted)
    assert seen == {"b", "c", "d"}


def merged(steps: list[Step]) -> None:
    """Each arrival passes on."""
    for name in "bcd":
        assert all(begun(step).count("m") == 1 for step in after(steps, name))


def test_4_exclusive_choice_and_5_simple_merge() -> None:
    tasks = (*choice(default=True)[:-1], work("z", None))
    nets = g.compiled(g.net("a", *tasks))

    def both(changed: CompiledSpecification) -> None:
        steps = explore(changed, results=(0, 1, 2))
        chosen(steps)
        merged(steps)
        assert ends(steps) == COMPLETED

    both(nets)
    looped = explore(g.compiled(in_a_loop(*choice(default=True))), results=(0, 1, 2))
    chosen(looped)
    merged(looped)
    assert killed(both, mutant(nets, "a.then.choice 1", when="x > 0"))
    assert killed(both, mutant(nets, "a.then.choice 2", priority=0))
    assert killed(both, mutant(nets, "a.then.otherwise", gone=True))
    assert killed(both, mutant(nets, "b.complete", put=["end"]))


def test_4_no_branch_and_no_default_is_a_failure_that_loses_no_token() -> None:
    tasks = (*choice(default=False)[:-1], work("z", None))
    nets = g.compiled(g.net("a", *tasks))

    def kept(changed: CompiledSpecification) -> None:
        steps = explore(changed, results=(0, 1, 2))
        failures = [s for s in after(steps, "a") if s.after.status is CaseStatus.FAILED]
        assert failures
        for step in failures:
            assert isinstance(step.asked, c.CompleteWorkItem)
            assert step.asked.result == 0
            assert sum(step.after.marking()[0].values()) == 1
            assert "no branch of the exclusive choice holds" in str(step.after.error)
        assert ends(steps) == {CaseStatus.COMPLETED, CaseStatus.FAILED}

    kept(nets)
    nothing = "a.then.nothing holds"
    assert killed(kept, mutant(nets, nothing, gone=True))
    assert killed(kept, mutant(nets, nothing, needs=[], take=["a>"]))


# ── 6, 8 ─────────────────────────────────────────────────────────────────────────────────────


def several(default: bool = True) -> tuple[TaskDefinition, ...]:
    branches = [
        {"when": "x == 1 || x == 3", "to": "b"},
        {"when": "x >= 2", "to": "c"},
    ]
    branches += [{"to": "d"}] if default else []
    return (
        work("a", then={"multi-choice": branches}, outputs={"x": "result"}),
        *(work(name, then="m") for name in "bcd"[: len(branches)]),
        work("m", join="multi-merge"),
    )


WANTED = {0: ["d"], 1: ["b"], 2: ["c"], 3: ["b", "c"]}


def test_6_multi_choice_and_8_multi_merge() -> None:
    nets = g.compiled(g.net("a", *several()))

    def both(changed: CompiledSpecification) -> None:
        steps = explore(changed, results=(0, 1, 2, 3))
        seen = set()
        for step in after(steps, "a"):
            assert isinstance(step.asked, c.CompleteWorkItem)
            result = int(str(step.asked.result))
            assert sorted(begun(step)) == WANTED[result]
            seen.add(result)
        assert seen == set(WANTED)
        # 8: the successor runs once for every arrival, also while it runs already.
        together = 0
        for name in "bcd":
            for step in after(steps, name):
                assert begun(step) == ["m"]
                together = max(together, open_tasks(step.after).count("m"))
        assert together == 2
        assert ends(steps) == COMPLETED

    both(nets)
    assert killed(both, mutant(nets, "a.then.no 2", gone=True))
    assert killed(both, mutant(nets, "a.then.no 2", put=["end"]))
    assert killed(both, mutant(nets, "a.then.also 2", put=[]))
    assert killed(both, mutant(nets, "a.then.not 2", put=[">d"]))
    start = next(t.name for t in nets.net.transitions if t.name.startswith("m.start"))
    assert killed(both, mutant(nets, start, lacks=["m.run"]))


def test_6_none_holds_and_there_is_no_default() -> None:
    nets = g.compiled(g.net("a", *several(default=False)))
    steps = explore(nets, results=(0, 1, 2, 3))
    assert ends(steps) == {CaseStatus.COMPLETED, CaseStatus.FAILED}
    for step in after(steps, "a"):
        assert isinstance(step.asked, c.CompleteWorkItem)
        none = step.asked.result == 0
        assert (step.after.status is CaseStatus.FAILED) == none
        if none:
            assert sum(step.after.marking()[0].values()) == 1


def test_6_in_a_loop_every_round_chooses_anew() -> None:
    tasks = several()
    tasks = (*tasks[:-1], work("m", then="more", join="multi-merge"))
    steps = explore(g.compiled(in_a_loop(*tasks)), results=(0, 2, 3), rounds=7)
    for step in after(steps, "a"):
        assert isinstance(step.asked, c.CompleteWorkItem)
        assert sorted(begun(step)) == WANTED[int(str(step.asked.result))]


# ── 10 ───────────────────────────────────────────────────────────────────────────────────────


def test_10_arbitrary_cycles() -> None:
    """A cycle of two tasks with two entries and two exits: every way through it exists."""

    def leave(to: str) -> dict[str, object]:
        return {"exclusive-choice": [{"when": "x > 0", "to": "z"}, {"to": to}]}

    cycles = Use("arbitrary-cycles")
    spec = g.net(
        "a",
        work(
            "a",
            "person",
            {"exclusive-choice": [{"when": "x > 0", "to": "p"}, {"to": "q"}]},
            outputs={"x": "result"},
        ),
        work("p", "person", leave("q"), outputs={"x": "result"}, join=cycles.name),
        work("q", "person", leave("p"), outputs={"x": "result"}, join=cycles.name),
        work("z", None),
    )
    nets = g.compiled(spec)

    def cyclic(changed: CompiledSpecification) -> None:
        steps = explore(changed, results=(0, 1))
        ways = {(completed(s), tuple(begun(s))) for s in steps if completed(s)}
        assert ways == {
            ("a", ("p",)),
            ("a", ("q",)),
            ("p", ("q",)),
            ("p", ()),
            ("q", ("p",)),
            ("q", ()),
        }
        assert all(len(s.after.items) <= 1 for s in steps)
        assert ends(steps) == COMPLETED

    cyclic(nets)
    assert killed(cyclic, mutant(nets, "p.then.choice 1", when="false"))
    assert killed(cyclic, mutant(nets, "p.then.otherwise", put=["end"]))


# ── 11, 43, 20 ───────────────────────────────────────────────────────────────────────────────


def ending(pattern: str | None) -> tuple[TaskDefinition, ...]:
    split = {"parallel-split": ["b", "c", "p"]}
    then = None if pattern is None else {pattern: None}
    return (work("a", then=split), work("b", then=then), work("c"), work("p", "person"))


def test_11_implicit_termination() -> None:
    """The case completes with the last of its work, and not before."""
    nets = g.compiled(g.net("a", *ending(None)))

    def implicit(changed: CompiledSpecification) -> None:
        steps = explore(changed, failures=False)
        for step in steps:
            assert (step.after.status is CaseStatus.COMPLETED) == (not step.after.items)
        assert ends(steps) == COMPLETED

    implicit(nets)
    assert killed(implicit, mutant(nets, "c.complete", put=["b.held"]))


def test_11_is_told_apart_from_a_deadlock() -> None:
    stuck = (
        work("a", then={"parallel-split": ["b", "c"]}),
        work("b", then="j"),
        work(
            "c",
            then={"exclusive-choice": [{"when": "x > 0", "to": "j"}, {"to": "e"}]},
            outputs={"x": "result"},
        ),
        work("e"),
        work("j", join="synchronization"),
    )
    for spec in (g.net("a", *stuck), in_a_child(*stuck)):
        steps = explore(g.compiled(spec), results=(0, 1))
        assert ends(steps) == {CaseStatus.COMPLETED, CaseStatus.DEADLOCKED}
        for step in steps:
            if step.after.status is CaseStatus.DEADLOCKED:
                assert any("b>j" in place for place in step.after.marking().values())


@pytest.mark.parametrize("failures", [False, True])
def test_43_explicit_termination(failures: bool) -> None:
    """Reaching the end completes the case at once; all else is withdrawn."""
    nets = g.compiled(g.net("a", *ending("explicit-termination")))

    def explicit(changed: CompiledSpecification) -> None:
        steps = explore(changed, failures=failures)
        for step in after(steps, "b"):
            assert step.after.status is CaseStatus.COMPLETED
            assert not step.after.items
            assert step.after.marking() == {0: {}}
        for step in steps:
            reached = completed(step) == "b" or not step.after.items
            assert (step.after.status is CaseStatus.COMPLETED) == reached

    explicit(nets)
    assert killed(explicit, mutant(nets, "b.then.end", ends=None, put=["end"]))


def test_43_in_a_child_net_completes_that_net_alone() -> None:
    steps = explore(g.compiled(in_a_child(*ending("explicit-termination"))), rounds=5)
    for step in after(steps, "b"):
        closed = [x for x in step.events if isinstance(x, e.ScopeClosed)]
        assert len(closed) == 1
        assert {i.scope for i in step.after.items.values()} <= set(step.after.scopes)
        assert step.after.status in (CaseStatus.RUNNING, CaseStatus.COMPLETED)
    assert any(len(s.after.scopes) == 2 for s in after(steps, "b"))


@pytest.mark.parametrize("failures", [False, True])
def test_20_cancel_case(failures: bool) -> None:
    """Everything is withdrawn, in child nets, too, and the case is recorded as cancelled."""

    def cancelled(steps: list[Step]) -> None:
        for step in after(steps, "b"):
            assert step.after.status is CaseStatus.CANCELLED
            assert not step.after.items
            assert step.after.marking() == {0: {}}
        for step in steps:
            if completed(step) != "b":
                assert step.after.status is not CaseStatus.CANCELLED

    tasks = ending("cancel-case")
    nets = g.compiled(g.net("a", *tasks))
    cancelled(explore(nets, failures=failures))
    cancelled(explore(g.compiled(in_a_child(*tasks)), rounds=4))

    def law(changed: CompiledSpecification) -> None:
        cancelled(explore(changed))

    assert killed(law, mutant(nets, "b.then.cancel", ends=None, put=["end"]))
    ends_ = next(t.ends for t in nets.net.transitions if t.name == "b.then.cancel")
    assert ends_ is not None
    completes = msgspec.structs.replace(ends_, outcome=Outcome.COMPLETED)
    assert killed(law, mutant(nets, "b.then.cancel", ends=completes))


# ── 16 ───────────────────────────────────────────────────────────────────────────────────────

CHOICE = (
    work("a", then={"deferred-choice": ["b", "c", "d"]}),
    *(work(name, "person", "z") for name in "bcd"),
    Z,
)


def deferred(steps: list[Step]) -> None:
    """All are offered together; the first to start withdraws the others in the same step."""
    choices = {"b", "c", "d"}
    for step in after(steps, "a"):
        assert sorted(begun(step)) == ["b", "c", "d"]
    for step in steps:
        for scope in step.after.scopes:
            inside = [
                i for i in step.after.items.values() if i.scope == scope and i.task in choices
            ]
            offered = {i.task for i in inside if i.status is ItemStatus.OFFERED}
            assert offered in (set(), choices)
            assert len(inside) - len(offered) <= 1 or offered == choices
    started = [
        s for s in steps if isinstance(s.asked, c.StartWorkItem) and s.asked.item[0] in "bcd"
    ]
    assert {s.asked.item[0] for s in started} == choices  # type: ignore[union-attr]
    for step in started:
        withdrawn = [x.item[0] for x in step.events if isinstance(x, e.WorkItemWithdrawn)]
        name = step.asked.item[0]  # type: ignore[union-attr]
        assert sorted(withdrawn) == sorted(choices - {name})


def test_16_deferred_choice() -> None:
    within(deferred, *CHOICE)
    tasks = (*CHOICE[:-1], work("z", None))
    nets = g.compiled(g.net("a", *tasks))
    (place,) = next(t for t in nets.net.transitions if t.name == "b.start").take

    def law(changed: CompiledSpecification) -> None:
        deferred(explore(changed, rounds=3))

    law(nets)
    kept = mutant(nets, "b.start", put=["b.run", place.place])
    assert killed(law, kept), "starting leaves the token to the others"
    assert killed(law, mutant(nets, "a.complete", put=[place.place] * 2))
    assert killed(law, mutant(nets, "d.start", take=["end"]))


def test_16_two_who_start_in_the_same_instant() -> None:
    """The second of two starts that race is refused; nothing of it happens."""
    tasks = (*CHOICE[:-1], work("z", None))
    case = decide(None, c.StartCase(CaseId("c"), g.compiled(g.net("a", *tasks))), time=g.TIME).case
    case = decide(case, c.CompleteWorkItem(ItemId("a/1")), time=g.TIME).case
    for first, second in product("bcd", repeat=2):
        winner = decide(case, c.StartWorkItem(ItemId(f"{first}/1")), time=g.TIME).case
        with pytest.raises(g.CommandRejected):
            decide(winner, c.StartWorkItem(ItemId(f"{second}/1")), time=g.TIME)


# ── 21 ───────────────────────────────────────────────────────────────────────────────────────


def loop(word: str, condition: str) -> tuple[TaskDefinition, ...]:
    around = [Use("structured-loop", {word: condition})]
    return (work("a", outputs={"x": "result"}, around=around, then="b"), work("b"))


@pytest.mark.parametrize(("first", "rounds_of_a"), [(0, 0), (1, 1)])
def test_21_a_loop_with_its_test_before(first: int, rounds_of_a: int) -> None:
    nets = g.compiled(g.net("a", *loop("while", "x > 0")))

    def while_(changed: CompiledSpecification) -> None:
        steps = explore(changed, results=(0, 1), x=first)
        assert begun(steps[0]) == (["a"] if rounds_of_a else ["b"])
        if rounds_of_a:
            for step in after(steps, "a"):
                again = isinstance(step.asked, c.CompleteWorkItem) and step.asked.result == 1
                assert begun(step) == (["a"] if again else ["b"])
        assert ends(steps) == COMPLETED

    while_(nets)
    test = "a.structured-loop.again"
    assert killed(while_, mutant(nets, test, when="x <= 0"))
    assert killed(while_, mutant(nets, test, gone=True)) == bool(rounds_of_a)


def test_21_a_loop_with_its_test_after() -> None:
    nets = g.compiled(g.net("a", *loop("until", "x > 0")))

    def until(changed: CompiledSpecification) -> None:
        for first in (0, 1):
            steps = explore(changed, results=(0, 1), x=first)
            assert begun(steps[0]) == ["a"], "once at least"
            for step in after(steps, "a"):
                done = isinstance(step.asked, c.CompleteWorkItem) and step.asked.result == 1
                assert begun(step) == (["b"] if done else ["a"])
            assert ends(steps) == COMPLETED

    until(nets)
    assert killed(until, mutant(nets, "a.structured-loop.leave", when="x == 0"))
    assert killed(until, mutant(nets, "a.structured-loop.again", put=[">b"]))
    assert killed(until, mutant(nets, "a.structured-loop.leave", priority=3))


def test_21_a_loop_around_a_composite_task_and_with_failures() -> None:
    child = g.net("w", work("w", outputs={"x": "result"}), name="child")
    around = [Use("structured-loop", {"until": "x > 0"})]
    sub = work("a", child="child", outputs={"x": "result.x"}, around=around, then="b")
    nets = g.compiled({"net": g.net("a", sub, work("b")), "child": child})
    steps = explore(nets, results=(0, 1), failures=True, rounds=6)
    for step in after(steps, "w"):
        assert isinstance(step.asked, c.CompleteWorkItem)
        assert ("b" in begun(step)) == (step.asked.result == 1)
        assert ("a" in begun(step)) == (step.asked.result == 0)


# ── all of them with two cases ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize("tasks", [SPLIT, CHOICE], ids=["synchronization", "deferred choice"])
def test_two_cases_know_nothing_of_each_other(tasks: tuple[TaskDefinition, ...]) -> None:
    """What is done to one case leaves the other, on the same nets, as it was."""
    plain = (*tasks[:-1], work("z", None))
    nets = g.compiled(g.net("a", *plain))
    other = decide(None, c.StartCase(CaseId("other"), nets), time=g.TIME).case
    before = repr(other)
    steps = explore(nets)
    assert repr(other) == before
    again = explore(nets)
    assert [s.events for s in steps] == [s.events for s in again]

"""The synchronizing merges (WCP-7, 37, 38), explored over all interleavings through `decide`.

Each stands alone, in a loop, in a composite task, and beside cancellation. A run ends when nothing
is open; what the merge owes is counted from the steps: it goes on once a round, after exactly the
branches that were taken. Mutants of each fragment have to be found out.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.engine import generated as g
from tests.patterns import exploring as x
from weft.engine import events as e
from weft.engine.case import CaseState
from weft.engine.lifecycle import CaseStatus
from weft.engine.net import Arc, CompiledSpecification, OrJoin
from weft.engine.waiting import waiting_joins
from weft.schema.errors import DefinitionErrors
from weft.schema.specification import TaskDefinition, Use

STRUCTURED = "structured-synchronizing-merge"
LOCAL = "local-synchronizing-merge"
GENERAL = "general-synchronizing-merge"
ALL = (STRUCTURED, LOCAL, GENERAL)

SOME = [
    {"when": "x == 0 || x == 2", "to": "a"},
    {"when": "x == 1 || x == 2", "to": "b"},
    {"to": "c"},
]
"""x decides: 0 takes a, 1 takes b, 2 both, any other number takes c."""


def person(name: str, then: Any = None, **more: Any) -> TaskDefinition:
    """A task whose result is kept nowhere, so that states differ by what matters alone."""
    return g.task(name, "person", then, **{"outputs": {}, **more})


def paired(merge: str, *, then: Any = None, kind: str | None = "person") -> list[TaskDefinition]:
    """A multi-choice over three branches, one of two tasks, and its merge."""
    return [
        g.task("split", "person", {"multi-choice": SOME}, outputs={"x": "result"}),
        person("a", "a2"),
        person("a2", "m"),
        person("b", "m"),
        person("c", "m"),
        g.task("m", kind, then, join=merge, outputs=None if kind is None else {}),
    ]


def compiled(*tasks: TaskDefinition, start: Any = "split", **more: Any) -> CompiledSpecification:
    return g.compiled(g.net(start, *tasks, **more))


def explored(nets: CompiledSpecification, **more: Any) -> list[x.Step]:
    return x.explore(nets, **{"results": (0, 1, 2), **more})


def opened(step: x.Step, task: str) -> int:
    """How many items of a task a step has offered."""
    return sum(isinstance(ev, e.WorkItemOffered) and ev.task == task for ev in step.events)


def held_back(case: CaseState, tasks: set[str]) -> bool:
    """Whether something is open in the branches."""
    return any(task in tasks for task in x.open_tasks(case))


BRANCHES = {"a", "a2", "b", "c"}


def merges_once(nets: CompiledSpecification, merge: str = "m", *, failures: bool = False) -> None:
    """It goes on just when the last branch that was taken has come, and every case completes."""
    steps = explored(nets, failures=failures, results=(0, 1, 2, 3))
    passed = 0
    for step in steps:
        case = step.after
        branch = held_back(case, BRANCHES)
        assert not (branch and merge in x.open_tasks(case)), "early"
        if step.before is not None and held_back(step.before, BRANCHES) and not branch:
            if case.status is not CaseStatus.FAILED:
                assert opened(step, merge) == 1, "not when the last has come"
                passed += 1
        else:
            assert opened(step, merge) == 0 or "split" in x.open_tasks(step.before), "again"
        assert g.active(case) or case.status in (CaseStatus.COMPLETED, CaseStatus.FAILED)
    assert passed
    assert CaseStatus.COMPLETED in x.ends(steps)
    if not failures:
        assert x.ends(steps) == {CaseStatus.COMPLETED}


@pytest.mark.parametrize("failures", [False, True])
@pytest.mark.parametrize("merge", ALL)
def test_it_waits_for_exactly_the_branches_that_were_taken(merge: str, failures: bool) -> None:
    merges_once(compiled(*paired(merge)), failures=failures)


@pytest.mark.parametrize("merge", ALL)
def test_it_goes_on_once_a_round_in_a_loop(merge: str) -> None:
    again = {"exclusive-choice": [{"when": "y < 2", "to": "split"}, {"to": "end"}]}
    tasks = paired(merge)
    tasks[-1] = g.task("m", "person", again, join=merge, outputs={"y": "y + 1"})
    nets = compiled(*tasks, person("last"), g.task("end", None, "last"))
    steps = explored(nets)
    for step in steps:
        assert not (held_back(step.after, BRANCHES) and "m" in x.open_tasks(step.after))
        assert len(x.open_tasks(step.after)) <= 2
        if x.completed(step) in {"a2", "b", "c"} and not held_back(step.after, BRANCHES):
            assert opened(step, "m") == 1
    assert x.ends(steps) == {CaseStatus.COMPLETED}


@pytest.mark.parametrize("merge", ALL)
def test_it_works_in_a_composite_task_and_with_one_for_a_branch(merge: str) -> None:
    child = g.net("split", *paired(merge), name="child")
    outer = g.net(
        "begin",
        g.task("begin", None, {"parallel-split": ["one", "two"]}),
        g.task("one", child="child", then="j"),
        person("two", "j"),
        person("j", join="synchronization"),
    )
    steps = explored(g.compiled({"net": outer, "child": child}), results=(0, 2))
    for step in steps:
        assert not (held_back(step.after, BRANCHES) and "m" in x.open_tasks(step.after))
    assert x.ends(steps) == {CaseStatus.COMPLETED}
    leaf = g.net("leaf", person("leaf"), name="leaf")
    tasks = paired(merge)
    tasks[3] = g.task("b", child="leaf", then="m")
    nets = g.compiled({"net": g.net("split", *tasks), "leaf": leaf})
    steps = explored(nets)
    for step in steps:
        tasks_open = set(x.open_tasks(step.after))
        assert not ("m" in tasks_open and tasks_open & (BRANCHES | {"leaf"}))
    assert x.ends(steps) == {CaseStatus.COMPLETED}


def cancelling(
    merge: str, region: list[str], around: str = "cancel-region"
) -> CompiledSpecification:
    """The paired merge with a task beside it that cancels something of it."""
    argument = {"region": region} if around == "cancel-region" else {"tasks": region}
    return compiled(
        g.task("begin", None, {"parallel-split": ["split", "stop"]}),
        *paired(merge),
        person("stop", "stopped", around=[Use(around, argument)]),
        person("stopped"),
        start="begin",
    )


WHOLE = ["a", "a2", "b", "c", "m"]


@pytest.mark.parametrize("merge", ALL)
def test_cancelling_all_of_it_leaves_nothing_behind(merge: str) -> None:
    steps = explored(cancelling(merge, WHOLE))
    for step in x.after(steps, "stop"):
        assert not held_back(step.after, {*BRANCHES, "m"})
        waiting = [w for w in waiting_joins(step.after) if w.join == "m"]
        assert not waiting
    assert x.ends(steps) == {CaseStatus.COMPLETED}


@pytest.mark.parametrize("merge", [STRUCTURED, GENERAL])
def test_cancelling_a_branch_is_no_reason_to_wait(merge: str) -> None:
    """It is turned aside: the merge gets its answer, and only once."""
    nets = cancelling(merge, ["a", "a2"])
    steps = explored(nets)
    for step in steps:
        assert not (held_back(step.after, BRANCHES) and "m" in x.open_tasks(step.after))
    for step in x.after(steps, "stop"):
        assert not held_back(step.after, {"a", "a2"})
    assert x.ends(steps) == {CaseStatus.COMPLETED}


def test_cancelling_a_branch_in_a_loop_leaves_no_answer_over() -> None:
    """Whatever is cancelled in whichever round, the next one waits as it should."""
    again = {"exclusive-choice": [{"when": "y < 1", "to": "split"}, {"to": "over"}]}
    tasks = paired(STRUCTURED)
    tasks[-1] = g.task("m", "person", again, join=STRUCTURED, outputs={"y": "y + 1"})
    nets = compiled(
        g.task("begin", None, {"parallel-split": ["split", "stop"]}),
        *tasks,
        person("over"),
        person("stop", around=[Use("cancel-task", {"tasks": ["b"]})]),
        start="begin",
    )
    steps = explored(nets, results=(0, 2))
    for step in steps:
        assert not (held_back(step.after, BRANCHES) and "m" in x.open_tasks(step.after))
        for place, tokens in step.after.marking().get(0, {}).items():
            assert tokens <= 1 or place == "m.join.got", place
    assert x.ends(steps) == {CaseStatus.COMPLETED}


# ── unstructured regions, for which 37 and 38 are ────────────────────────────────────────────


def unstructured(merge: str) -> list[TaskDefinition]:
    """Two choices whose branches cross: nobody is the other end of the merge alone."""
    return [
        g.task(
            "split",
            "person",
            {
                "multi-choice": [
                    {"when": "x != 1", "to": "a"},
                    {"when": "x != 0", "to": "b"},
                    {"to": "b"},
                ][:2]
            },
            outputs={"x": "result"},
        ),
        g.task(
            "a",
            "person",
            {"exclusive-choice": [{"when": "y == 0", "to": "m"}, {"to": "d"}]},
            outputs={"y": "result"},
        ),
        g.task(
            "b",
            "person",
            {"multi-choice": [{"when": "y != 2", "to": "d"}, {"to": "m"}]},
            outputs={"y": "result"},
        ),
        person("d", "m", join=merge),
        person("m", join=merge),
    ]


@pytest.mark.parametrize("merge", [LOCAL, GENERAL])
def test_branches_may_cross_on_the_way(merge: str) -> None:
    steps = explored(compiled(*unstructured(merge)))
    for step in steps:
        tasks = x.open_tasks(step.after)
        assert tasks.count("m") <= 1
        assert tasks.count("d") <= 1
        if "m" in tasks:
            assert tasks == ["m"], "every branch that can still deliver has delivered"
        if "d" in tasks:
            assert not {"a", "b"} & set(tasks)
    assert x.ends(steps) == {CaseStatus.COMPLETED}


def test_word_passes_by_tasks_merges_and_synchronizations() -> None:
    nets = compiled(
        g.task("split", "person", {"multi-choice": SOME[:2]}, outputs={"x": "result"}),
        g.task("a", "person", {"parallel-split": ["a2", "a3"]}),
        person("a2", "j"),
        person("a3", "j"),
        person("j", "m", join="synchronization"),
        g.task(
            "b",
            "person",
            {"exclusive-choice": [{"when": "y == 0", "to": "b2"}, {"to": "b3"}]},
            outputs={"y": "result"},
        ),
        person("b2", "n"),
        person("b3", "n"),
        person("n", "m"),
        person("m", join=LOCAL),
    )
    steps = explored(nets, results=(0, 1, 2))
    for step in steps:
        tasks = x.open_tasks(step.after)
        assert "m" not in tasks or tasks == ["m"]
        assert tasks.count("m") <= 1
        assert tasks.count("n") <= 1
    assert x.ends(steps) == {CaseStatus.COMPLETED}


def test_a_branch_may_leave_the_region_of_a_local_merge() -> None:
    nets = compiled(
        g.task("split", "person", {"parallel-split": ["a", "b"]}),
        g.task(
            "a",
            "person",
            {"exclusive-choice": [{"when": "x == 0", "to": "m"}, {"to": "away"}]},
            outputs={"x": "result"},
        ),
        g.task(
            "b",
            "person",
            {"exclusive-choice": [{"when": "y == 0", "to": "m"}, {"to": "gone"}]},
            outputs={"y": "result"},
        ),
        person("away"),
        person("gone"),
        person("m", join=LOCAL),
    )
    steps = explored(nets, results=(0, 1))
    counts = {
        sum(isinstance(ev, e.WorkItemOffered) and ev.task == "m" for ev in s.events) for s in steps
    }
    assert counts == {0, 1}
    assert x.ends(steps) == {CaseStatus.COMPLETED}


def test_a_local_merge_in_the_region_of_another_passes_word_on() -> None:
    inner = {
        "multi-choice": [{"when": "y != 1", "to": "c"}, {"when": "y != 0", "to": "d"}, {"to": "c2"}]
    }
    nets = compiled(
        g.task("split", "person", {"multi-choice": SOME[:2]}, outputs={"x": "result"}),
        g.task("a", "person", inner, outputs={"y": "result"}),
        person("c", "n"),
        person("c2", "n"),
        person("d", "n"),
        person("n", "m", join=LOCAL),
        person("b", "m"),
        person("m", join=LOCAL),
    )
    steps = explored(nets)
    for step in steps:
        tasks = x.open_tasks(step.after)
        assert "m" not in tasks or tasks == ["m"]
        assert not ("n" in tasks and {"c", "c2", "d"} & set(tasks))
    assert x.ends(steps) == {CaseStatus.COMPLETED}


def test_an_or_join_sees_what_neither_of_the_others_can() -> None:
    """In a region with a cycle, entered from two sides, beside a cancellation that cuts it."""
    nets = compiled(
        g.task("begin", None, {"parallel-split": ["a", "b", "stop"]}),
        g.task(
            "a",
            "person",
            {"exclusive-choice": [{"when": "x == 0", "to": "m"}, {"to": "a"}]},
            outputs={"x": "result"},
        ),
        person("b", "m"),
        person("m", join=GENERAL),
        person("stop", around=[Use("cancel-task", {"tasks": ["b"]})]),
        start="begin",
    )
    steps = explored(nets, results=(0, 1))
    for step in steps:
        tasks = x.open_tasks(step.after)
        assert not ("m" in tasks and {"a", "b"} & set(tasks))
    assert x.ends(steps) == {CaseStatus.COMPLETED}


# ── mutants ──────────────────────────────────────────────────────────────────────────────────


def changed(nets: CompiledSpecification, name: str, **changes: Any) -> CompiledSpecification:
    return x.mutant(nets, name, **changes)


def test_mutants_of_the_structured_merge_are_killed() -> None:
    nets = compiled(*paired(STRUCTURED))
    merge = x.transition(nets, "m.join.merge")
    no = x.transition(nets, "split.then.no 1")
    yes = x.transition(nets, "split.then.not 2")
    merges_once(nets)
    for mutant in (
        changed(nets, merge.name, take=["m.join.got"] * 2),
        changed(nets, merge.name, take=["m.join.got"]),
        changed(nets, merge.name, put=["m.join.todo 1", "m.join.todo 2", "m.join.todo 3"]),
        changed(nets, no.name, put=x.places(no.put)[:1]),
        changed(nets, yes.name, put=x.places(yes.put)[:1]),
        changed(nets, "m.join.skip 3", gone=True),
        changed(nets, "m.join.come 1", gone=True),
    ):
        assert x.killed(merges_once, mutant)


def test_mutants_of_the_local_merge_are_killed() -> None:
    nets = compiled(*paired(LOCAL))
    merges_once(nets)
    merge, no = x.transition(nets, "m.join.merge"), x.transition(nets, "split.then.no 1")
    for mutant in (
        changed(nets, merge.name, take=["m.join.got", "m.join.some"]),
        changed(
            nets, merge.name, put=[p for p in x.places(merge.put) if "todo" in p or "none" in p]
        ),
        changed(nets, "m.join.dead 1", gone=True),
        changed(nets, "m.join.first 1", gone=True),
        changed(nets, "m.join.next 1", gone=True),
        changed(nets, "m.join.first 2", put=["m.join.got"]),
        changed(nets, no.name, put=x.places(no.put)[:1]),
        changed(nets, no.name, put=[*x.places(no.put), "!b>m"]),
    ):
        assert x.killed(merges_once, mutant)


def test_mutants_of_the_general_merge_are_killed() -> None:
    nets = compiled(*paired(GENERAL))
    merges_once(nets)
    merge = x.transition(nets, "m.start")
    assert merge.or_join is not None
    inputs = merge.or_join.inputs
    mutants = (
        changed(nets, merge.name, or_join=OrJoin(inputs[:2])),
        changed(nets, merge.name, or_join=OrJoin(inputs[1:])),
        changed(nets, merge.name, or_join=None, take=inputs),
        changed(nets, merge.name, or_join=None, take=inputs[:1]),
        changed(nets, merge.name, or_join=OrJoin(inputs[:1]), take=inputs[1:2]),
    )
    survived = [i for i, mutant in enumerate(mutants) if not x.killed(merges_once, mutant)]
    assert not survived


def test_mutants_of_turning_aside_are_killed() -> None:
    nets = cancelling(STRUCTURED, ["a", "a2"])

    def right(nets: CompiledSpecification) -> None:
        steps = explored(nets)
        for step in steps:
            assert not (held_back(step.after, BRANCHES) and "m" in x.open_tasks(step.after))
            assert not held_back(step.after, {"a", "a2"}) or x.completed(step) != "stop"
        assert x.ends(steps) == {CaseStatus.COMPLETED}

    right(nets)
    names = [t.name for t in nets.net.transitions if t.name.startswith("stop.divert")]
    nothing = names[-1]
    stop = x.transition(nets, "stop.complete")
    running = next(n for n in names if x.places(x.transition(nets, n).needs) == ["a.run"])
    put = x.transition(nets, running).put
    mutants = [
        changed(nets, nothing, gone=True),
        changed(nets, nothing, lacks=[], put=put and x.places(put)),
        changed(nets, running, put=[]),
        changed(nets, running, clear=()),
        changed(nets, stop.name, put=[p for p in x.places(stop.put) if "divert" not in p]),
    ]
    survived = [i for i, m in enumerate(mutants) if not x.killed(right, m)]
    assert not survived


# ── refusals ─────────────────────────────────────────────────────────────────────────────────


def refusal(*tasks: TaskDefinition, start: Any = "split", **more: Any) -> str:
    with pytest.raises(DefinitionErrors) as caught:
        compiled(*tasks, start=start, **more)
    return "; ".join(str(fault) for fault in caught.value.exceptions)


def without(tasks: list[TaskDefinition], *names: str) -> list[TaskDefinition]:
    return [t for t in tasks if t.name not in names]


def test_a_structured_merge_needs_its_multi_choice() -> None:
    parallel = g.task("split", "person", {"parallel-split": ["a", "b", "c"]})
    text = refusal(parallel, *paired(STRUCTURED)[1:])
    assert "part at 'split', and not by a multi-choice" in text
    assert "local-synchronizing-merge (37) or general-synchronizing-merge (38)" in text
    text = refusal(*paired(STRUCTURED), start=["split", "b"])
    assert "no task comes before all branches that lead to 'm'" in text


@pytest.mark.parametrize(
    ("name", "task", "message"),
    [
        ("a2", person("a2", "b"), "'b', in the branch that begins at 'a', is also entered"),
        ("a2", person("a2"), "may end at 'a2', and then 'm' would wait for ever"),
        ("a2", person("a2", "split"), "leads back to 'split' before 'm'"),
        (
            "a",
            person("a", {"parallel-split": ["a2", "m"]}),
            "leads to 'm' by 2 flows",
        ),
        (
            "m",
            person("m", "a2", join=STRUCTURED),
            "'a2', in the branch that begins at 'a', is also",
        ),
        (
            "a",
            g.task("a", "auto", "a2", on_failure="m"),
            "leads to 'm' by 2 flows",
        ),
        ("a2", g.task("a2", "auto", "m", on_failure="m"), "4 flows come from 3 branches"),
    ],
)
def test_what_is_not_structured_is_refused(name: str, task: TaskDefinition, message: str) -> None:
    assert message in refusal(*without(paired(STRUCTURED), name), task)


@pytest.mark.parametrize(
    ("name", "task", "message"),
    [
        (
            "a2",
            person("a2", {"exclusive-choice": [{"when": "x > 0", "to": "a"}, {"to": "m"}]}),
            "a cycle through 'a",
        ),
        ("m", person("m", "a2", join=LOCAL), "a cycle leads from 'm' back to 'a2'"),
        ("a2", person("a2", {"deferred-choice": ["m", "b"]}), "deferred-choice, which cannot say"),
        (
            "a2",
            g.task("a2", "auto", "m", on_failure="b"),
            "'a2', between 'split' and 'm', has an error",
        ),
        ("b", person("b", "m", join="multi-merge"), None),
        (
            "a2",
            person("a2", "m", around=[Use("start-limit", {"starts": 2, "otherwise": "b"})]),
            "also leads on by start-limit",
        ),
    ],
)
def test_a_local_merge_is_refused_where_nobody_can_tell(
    name: str, task: TaskDefinition, message: str | None
) -> None:
    if message is None:
        return
    text = refusal(*without(paired(LOCAL), name), task)
    assert message in text
    assert "general-synchronizing-merge (38)" in text


def test_a_join_that_passes_no_word_on_is_refused_in_a_region() -> None:
    tasks = without(unstructured(LOCAL), "d")
    assert "has multi-merge, which passes no word on" in refusal(
        *tasks, person("d", "m", join="multi-merge")
    )


def test_a_declared_place_in_a_region_is_refused() -> None:
    tasks = without(paired(LOCAL), "a")
    text = refusal(
        *tasks, person("a", "p"), places=[g.PlaceDefinition("p", then=Use("sequence", "a2"))]
    )
    assert "the declared place 'p' lies between 'split' and 'm'" in text


def test_two_branches_to_one_target_are_refused() -> None:
    twice = g.task(
        "split", "person", {"multi-choice": [*SOME[:2], {"when": "x > 5", "to": "a"}, SOME[2]]}
    )
    for merge in (STRUCTURED, LOCAL):
        assert "has two branches to 'a'" in refusal(twice, *paired(merge)[1:])


def test_a_cancellation_that_cuts_the_region_is_refused() -> None:
    with pytest.raises(DefinitionErrors) as caught:
        cancelling(LOCAL, ["a", "a2"])
    text = str(caught.value.exceptions[0])
    assert "this cancels 'a' on the way to the synchronizing merge of 'm'" in text
    assert "general-synchronizing-merge (38)" in text
    with pytest.raises(DefinitionErrors) as caught:
        cancelling(STRUCTURED, ["a2"])
    assert "this cancels a part of a branch ('a2')" in str(caught.value.exceptions[0])


def test_cancelling_within_its_own_branch_is_the_branchs_business() -> None:
    tasks = without(paired(STRUCTURED), "a2")
    compiled(*tasks, person("a2", "m", around=[Use("cancel-task", {"tasks": ["a"]})]))
    with pytest.raises(DefinitionErrors) as caught:
        compiled(*tasks, person("a2", "m", around=[Use("cancel-task", {"tasks": ["a", "b"]})]))
    assert "a part of a branch" in str(caught.value.exceptions[0])


def test_a_choice_without_a_merge_that_asks_puts_no_word() -> None:
    nets = compiled(*paired("multi-merge"))
    assert not [p.name for p in nets.net.places if p.name.startswith("!")]


def test_arcs_of_a_fragment_are_never_doubled() -> None:
    """A guard against lowering twice: every place of word has one writer a way, and a reader."""
    nets = compiled(*paired(LOCAL))
    for place in (p.name for p in nets.net.places if p.name.startswith("!")):
        writers = [t for t in nets.net.transitions if Arc(place) in t.put]
        readers = [t for t in nets.net.transitions if Arc(place) in t.take]
        assert writers
        assert len(readers) == 1
    assert msgspec.json.encode(nets) == msgspec.json.encode(compiled(*paired(LOCAL)))

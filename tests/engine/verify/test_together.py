"""Critical sections over several scopes: looked at together, and held against `decide`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine import generated as g
from weft.engine import commands as c
from weft.engine.case import CaseState, WorkItem
from weft.engine.decide import decide
from weft.engine.lifecycle import CaseStatus, ItemStatus
from weft.engine.net import CompiledSpecification
from weft.engine.ports import ItemId
from weft.engine.verify.report import Report
from weft.engine.verify.specification import verify_specification
from weft.engine.verify.together import Untold, strung_together, wide_nets
from weft.schema.specification import NetDefinition, Use


def sections(*groups: Sequence[Sequence[str]]) -> list[Use]:
    return [Use("critical-section", {"regions": list(map(list, regions))}) for regions in groups]


def work(*groups: Sequence[Sequence[str]], name: str = "work") -> NetDefinition:
    """Two ways through a net, three tasks each, and critical sections over them."""
    variables = g.integers()
    return g.net(
        "pick",
        g.task("pick", "person", choice("x", "a1", "b1"), outputs={"x": "result"}),
        *(
            g.task(f"{way}{k}", "person", f"{way}{k + 1}" if k < 3 else None)
            for way in "ab"
            for k in (1, 2, 3)
        ),
        name=name,
        variables=variables,
        uses=sections(*groups),
    )


def choice(variable: str, yes: str, no: str) -> Any:
    return {"exclusive-choice": [{"when": f"{variable} > 0", "to": yes}, {"to": no}]}


def both(child: str = "work", join: str = "synchronization", **more: Any) -> NetDefinition:
    """Two tasks that run the same net side by side."""
    return g.net(
        "begin",
        g.task("begin", None, {"parallel-split": ["one", "two"]}),
        g.task("one", child=child, then="last", outputs={}, **more),
        g.task("two", child=child, then="last", outputs={}, **more),
        g.task("last", "person", join=join),
    )


CROSSED = ([["a1", "a2"], ["b2", "b3"]], [["a2", "a3"], ["b1", "b2"]])
"""Whoever goes by the a's holds what the one by the b's asks for next, and the other way round."""


def verified(*nets: NetDefinition, **more: Any) -> tuple[CompiledSpecification, Report]:
    spec = g.specification({n.name: n for n in nets})
    compiled = g.compiled(spec)
    return compiled, verify_specification(compiled, spec, **more)


def scope_of(case: CaseState, prefix: str) -> int:
    """The scope that a path of a verifier names, such as ``one#1/``."""
    scope = 0
    for step in filter(None, prefix.split("/")):
        task = step.partition("#")[0]
        item = next(i for i in case.items.values() if (i.scope, i.task) == (scope, task))
        scope = next(s.id for s in case.scopes.values() if s.item == item.id)
    return scope


def walked(nets: CompiledSpecification, path: Sequence[str]) -> CaseState:
    """The case after a path over several scopes: work of people, in its order."""
    case = g.begin(nets)
    for at, name in enumerate(path):
        prefix, _, own = name.rpartition("/")
        task, _, step = own.partition(".")
        if step not in ("start", "complete"):
            continue
        scope = scope_of(case, prefix)
        status = ItemStatus.OFFERED if step == "start" else ItemStatus.STARTED

        def meant(i: WorkItem, scope: int = scope, task: str = task) -> bool:
            return (i.scope, i.task) == (scope, task)

        item = next(i for i in case.items.values() if meant(i) and i.status is status)
        ways = [n for n in path[at:] if n.startswith(f"{prefix}/{task}.then.")]
        yes = int(bool(ways) and ways[0].endswith("choice 1"))
        told = ItemId(item.id)
        asked = c.StartWorkItem(told) if step == "start" else c.CompleteWorkItem(told, yes)
        case = decide(case, asked, time=g.TIME, limits=g.LIMITS).case
    return case


def test_two_scopes_that_wait_for_each_other_are_found() -> None:
    nets, report = verified(both(), work(*CROSSED))
    assert (report.sound, report.option_to_complete) == (False, False)
    (found,) = (d for d in report.diagnostics if d.level == "error")
    assert (found.code, found.element) == ("deadlock", "a2")
    assert "a thread from 'one#1/a1' to 'a2', a thread from 'two#1/b1' to 'b2'" in found.message
    case = walked(nets, found.path)
    assert case.status is CaseStatus.DEADLOCKED
    assert any("2 scopes live at once" in said for said in report.abstractions)


def test_one_scope_alone_or_sections_in_one_order_are_no_fault() -> None:
    once = g.net("one", g.task("one", child="work", outputs={}))
    assert verified(once, work(*CROSSED))[1].sound is True
    ordered = work([["a1", "a2"], ["b1", "b2"]])
    assert verified(both(), ordered)[1].sound is True
    alone = work(*CROSSED, name="net")
    nets, report = verified(alone)
    assert (wide_nets(nets), report.sound) == (frozenset(), True)


def test_what_fails_in_a_child_scope_fails_the_item_above_and_frees_its_section() -> None:
    caught = both(join="multi-merge", on_failure="last")
    _, report = verified(caught, work([["a1", "a2", "a3"], ["b1", "b2", "b3"]]))
    assert not [d for d in report.diagnostics if d.code in ("deadlock", "livelock")]


def test_scopes_that_cannot_be_looked_at_together_are_named() -> None:
    inner = g.net(
        "again",
        g.task("again", None, choice("x", "deeper", "a")),
        g.task("deeper", child="work", outputs={}),
        g.task("a", "person", "b"),
        g.task("b", "person"),
        name="work",
        uses=sections([["a"], ["b"]]),
    )
    nets, report = verified(both(), inner)
    assert report.sound is True
    assert any("within one scope: net 'work' runs itself" in said for said in report.abstractions)
    with pytest.raises(Untold, match="runs itself"):
        strung_together(nets)


def test_past_its_bound_it_is_undecided() -> None:
    _, report = verified(both(), work(*CROSSED), max_states=60)
    assert (report.sound, report.option_to_complete) == (None, None)
    assert "more than 60 states" in str(report.undecided)


TASKS = ["a1", "a2", "a3", "b1", "b2", "b3"]
CAUGHT = {"join": "multi-merge", "on_failure": "last"}
GROUPS = st.lists(
    st.lists(st.sampled_from(TASKS), min_size=2, max_size=4, unique=True).map(
        lambda names: [sorted(names)[:-1], sorted(names)[-1:]]
    ),
    min_size=1,
    max_size=2,
)


@given(GROUPS, st.lists(st.integers(0, 1000), min_size=24, max_size=24), st.booleans())
@settings(max_examples=15)
def test_no_schedule_deadlocks_what_is_called_sound(groups, draws, caught) -> None:
    nets, report = verified(both(**(CAUGHT if caught else {})), work(*groups))
    for d in report.diagnostics:
        if d.code == "deadlock":
            assert walked(nets, d.path).status is CaseStatus.DEADLOCKED
    case = g.begin(nets)
    for draw in draws:
        waiting = sorted(
            (
                i
                for i in case.items.values()
                if nets.nets[case.scopes[i.scope].net].tasks[i.task].child is None
            ),
            key=lambda i: i.id,
        )
        if not waiting or case.status is not CaseStatus.RUNNING:
            break
        item = waiting[draw % len(waiting)]
        told = ItemId(item.id)
        asked: c.Command = c.StartWorkItem(told)
        if item.status is ItemStatus.STARTED:
            asked = c.CompleteWorkItem(told, draw % 2)
            if caught and draw % 11 == 0:
                asked = c.FailWorkItem(told, {"message": "no"}, retryable=False)
        case = decide(case, asked, time=g.TIME, limits=g.LIMITS).case
    if case.status is CaseStatus.DEADLOCKED:
        assert report.option_to_complete is False

"""Waiting for a condition, and loops that are done so often and no more, in stories."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine import generated as g
from tests.engine.test_decide import do, items
from weft.engine import commands as c
from weft.engine.case import CaseState
from weft.engine.lifecycle import CaseStatus
from weft.engine.net import CompiledSpecification
from weft.engine.ports import ItemId
from weft.schema.errors import DefinitionErrors
from weft.schema.specification import Use


def complete(item: str, result: Any = None) -> c.CompleteWorkItem:
    return c.CompleteWorkItem(ItemId(item), result)


def looped(word: str, most: int) -> CompiledSpecification:
    """A loop in a cycle, so that it is come to twice."""
    around = [Use("structured-loop", {word: "x > 0", "at-most": most})]
    many = g.task("a", "person", "b", outputs={"x": "result"}, around=around, join="multi-merge")
    back = {"exclusive-choice": [{"when": "y > 0", "to": "a"}, {"to": "c"}]}
    asked = g.task("b", "person", back, outputs={"y": "result"})
    return g.compiled(g.net("a", many, asked, g.task("c", None)))


def rounds(case: CaseState, result: int) -> tuple[CaseState, int]:
    """The case behind the loop, with how often its task was done, each time with one result."""
    number = 0
    while "b" not in {item.task for item in case.items.values()}:
        (item,) = case.items
        case, number = do(case, complete(item, result)), number + 1
        assert number < 10
    return case, number


@pytest.mark.parametrize("most", [1, 2, 4])
@pytest.mark.parametrize(("word", "goes_on"), [("while", 1), ("until", 0)])
def test_a_loop_is_done_so_often_and_no_more_each_time_it_is_come_to(
    word: str, goes_on: int, most: int
) -> None:
    case = g.begin(looped(word, most), x=1)
    for again in (1, 0):
        case, number = rounds(case, goes_on)
        assert number == most
        (item,) = case.items
        case = do(case, complete(item, again))
    assert case.status is CaseStatus.COMPLETED


@pytest.mark.parametrize(("word", "ends"), [("while", 0), ("until", 1)])
def test_a_bounded_loop_ends_by_its_condition_before_and_is_whole_again(
    word: str, ends: int
) -> None:
    case = g.begin(looped(word, 3), x=1)
    case, number = rounds(case, ends)
    assert number == 1
    (item,) = case.items
    case = do(case, complete(item, 1))
    if word == "while":  # its condition is false, so it is passed
        assert [i.task for i in case.items.values()] == ["b"]
    else:
        case, number = rounds(case, 0)
        assert number == 3


def test_a_bound_that_is_none_is_refused() -> None:
    with pytest.raises(DefinitionErrors, match="whole number from 1"):
        looped("until", 0)


def test_a_task_begins_when_its_condition_holds() -> None:
    waits = g.task("w", "person", around=[Use("await", "x > 1")])
    case = g.begin(g.compiled(g.net(["w", "a"], waits, g.task("a", "person", "a2",
        outputs={"x": "result"}), g.task("a2", "person", outputs={"x": "result"}))))  # fmt: skip
    assert items(case) == {"a/1": "offered"}
    case = do(case, complete("a/1", 1))
    assert items(case) == {"a2/1": "offered"}
    case = do(case, complete("a2/1", 2))
    assert items(case) == {"w/1": "offered"}
    assert do(case, complete("w/1")).status is CaseStatus.COMPLETED


def test_a_condition_that_holds_already_is_not_waited_for() -> None:
    case = g.begin(
        g.compiled(g.net("w", g.task("w", "person", around=[Use("await", "x > 1")]))), x=2
    )
    assert items(case) == {"w/1": "offered"}


def test_what_comes_first_of_a_condition_and_a_person_withdraws_the_other() -> None:
    choice = {"deferred-choice": ["w", "p"]}
    spec = g.compiled(
        g.net(
            ["s", "set"],
            g.task("s", None, choice),
            g.task("w", None, "after", around=[Use("await", "x > 0")]),
            g.task("p", "person"),
            g.task("after", "person"),
            g.task("set", "person", outputs={"x": "result"}),
        )
    )
    case = g.begin(spec)
    assert items(case) == {"p/1": "offered", "set/1": "offered"}
    assert items(do(case, complete("set/1", 1))) == {"after/1": "offered"}
    case = do(case, complete("p/1"), complete("set/1", 1))
    assert case.status is CaseStatus.COMPLETED


def test_nothing_can_make_the_condition_hold_any_more() -> None:
    case = g.begin(g.compiled(g.net("w", g.task("w", None, around=[Use("await", "x > 1")]))))
    assert case.status is CaseStatus.DEADLOCKED


@pytest.mark.parametrize("condition", ["x +", "x", "nothing > 1", 5])
def test_what_is_no_condition_is_refused(condition: Any) -> None:
    with pytest.raises(DefinitionErrors):
        g.compiled(g.net("w", g.task("w", None, around=[Use("await", condition)])))

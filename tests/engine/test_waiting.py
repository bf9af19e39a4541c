"""What a waiting join says: the token that can still come, and its path."""

from __future__ import annotations

from typing import Any

from tests.engine import generated as g
from weft.engine import commands as c
from weft.engine.case import CaseState
from weft.engine.decide import Limits, decide
from weft.engine.lifecycle import CaseStatus
from weft.engine.ports import CaseId, ItemId
from weft.engine.waiting import WaitingJoin, waiting_joins
from weft.schema.specification import Use


def started(*tasks: Any, **more: Any) -> CaseState:
    nets = g.compiled(g.net("begin", *tasks, **more))
    return decide(None, c.StartCase(CaseId("c"), nets, {}), time=g.TIME).case


def completed(case: CaseState, *items: str) -> CaseState:
    for item in items:
        case = decide(case, c.CompleteWorkItem(ItemId(item)), time=g.TIME).case
    return case


def branches(join: str, *more: Any, begin: Any = None) -> tuple[Any, ...]:
    return (
        g.task("begin", None, begin or {"parallel-split": ["a", "b"]}),
        g.task("a", "person", "j"),
        g.task("b", "person", "c"),
        g.task("c", "person", "j"),
        g.task("j", "person", join=join),
        *more,
    )


def test_an_or_join_names_the_token_and_a_path_that_it_can_take() -> None:
    case = started(*branches("general-synchronizing-merge"))
    assert waiting_joins(case) == ()
    case = completed(case, "a/1")
    (told,) = waiting_joins(case)
    path = ("b.start", "b.complete", "c.start", "c.complete")
    assert told == WaitingJoin("j", 0, "c>j", token_in=">b", path=path)
    case = completed(case, "b/1", "c/1")
    assert waiting_joins(case) == ()
    assert [i.task for i in case.items.values()] == ["j"]


def test_a_synchronization_is_explained_too() -> None:
    case = completed(started(*branches("synchronization")), "a/1", "b/1")
    (told,) = waiting_joins(case)
    assert (told.input, told.token_in, told.path) == ("c>j", ">c", ("c.start", "c.complete"))


def test_a_join_to_which_nothing_can_come_is_told_apart() -> None:
    """Another branch runs on; the join is stuck all the same."""
    case = started(
        *branches(
            "synchronization",
            g.task("other", "person"),
            begin={"exclusive-choice": [{"when": "x > 0", "to": "b"}, {"to": "split"}]},
        ),
        g.task("split", None, {"parallel-split": ["a", "other"]}),
    )
    case = completed(case, "a/1")
    (told,) = waiting_joins(case)
    assert case.status is CaseStatus.RUNNING
    assert told == WaitingJoin("j", 0, "c>j", token_in=None)


def test_what_cannot_be_told_within_the_bound_says_so() -> None:
    case = completed(started(*branches("general-synchronizing-merge")), "a/1")
    (told,) = waiting_joins(case, work=0)
    assert not told.known
    assert told.token_in is None


def test_a_case_that_is_over_has_no_waiting_joins() -> None:
    case = completed(started(*branches("synchronization")), "a/1")
    over = decide(case, c.CancelCase(), time=g.TIME).case
    assert waiting_joins(over) == ()


def test_an_or_join_that_cannot_be_decided_suspends_the_case_and_says_why() -> None:
    tight = Limits(merge_work=0)
    case = started(*branches("general-synchronizing-merge"))
    stopped = decide(case, c.CompleteWorkItem(ItemId("a/1")), time=g.TIME, limits=tight).case
    assert stopped.status is CaseStatus.SUSPENDED
    assert stopped.error is not None
    assert stopped.error["code"] == "or-join"
    assert "the OR-join 'j.start' may go on could not be told" in stopped.error["message"]
    again = decide(stopped, c.ResumeCase(), time=g.TIME, limits=tight).case
    assert again.status is CaseStatus.SUSPENDED, "more of the same does not help"
    more = decide(stopped, c.ResumeCase(), time=g.TIME).case
    assert more.status is CaseStatus.RUNNING
    assert more.error is None
    assert completed(more, "b/1", "c/1", "j/1").status is CaseStatus.COMPLETED


def test_completing_what_runs_may_settle_a_suspended_or_join() -> None:
    tight = Limits(merge_work=0)
    case = started(*branches("general-synchronizing-merge"))
    case = decide(case, c.StartWorkItem(ItemId("a/1")), time=g.TIME).case
    case = decide(case, c.CompleteWorkItem(ItemId("b/1")), time=g.TIME).case
    case = decide(case, c.StartWorkItem(ItemId("c/1")), time=g.TIME).case
    case = decide(case, c.CompleteWorkItem(ItemId("a/1")), time=g.TIME, limits=tight).case
    assert case.status is CaseStatus.SUSPENDED
    case = decide(case, c.CompleteWorkItem(ItemId("c/1")), time=g.TIME, limits=tight).case
    assert case.status is CaseStatus.SUSPENDED
    assert case.marking()[0] == {"a>j": 1, "c>j": 1}
    case = decide(case, c.ResumeCase(), time=g.TIME, limits=tight).case
    assert case.status is CaseStatus.RUNNING, "both have come, and that is cheap to see"


def test_the_structural_rule_is_asked_for_by_a_parameter() -> None:
    tasks = list(branches("general-synchronizing-merge"))
    tasks[-1] = g.attrs.evolve(
        tasks[-1], join=Use("general-synchronizing-merge", {"rule": "structural"})
    )
    case = completed(started(*tasks), "a/1")
    (told,) = waiting_joins(case)
    assert (told.input, told.token_in, told.path) == ("c>j", ">b", ())

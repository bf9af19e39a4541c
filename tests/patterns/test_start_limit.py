"""The bound on how often a task starts, in stories: cycles, failures, and what is left over."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine import generated as g
from tests.engine.test_decide import FAILURE, decided, do, items, names
from weft.engine import commands as c
from weft.engine.case import CaseState
from weft.engine.lifecycle import CaseStatus
from weft.engine.net import CompiledSpecification
from weft.engine.ports import ItemId
from weft.schema.errors import CommandRejected, DefinitionErrors
from weft.schema.specification import Retry, Use


def limited(starts: int, *, attempts: int = 1, **more: Any) -> CompiledSpecification:
    """A task that leads back to itself, a bounded number of times, and then to ``over``."""
    limit = Use("start-limit", {"starts": starts, "otherwise": "over"})
    retry = Retry(attempts=attempts, delay_seconds=1.0)
    looped = g.task("a", then="a", around=[limit], retry=retry, **more)
    return g.compiled(g.net("a", looped, g.task("over", "person")))


def complete(item: str) -> c.CompleteWorkItem:
    return c.CompleteWorkItem(ItemId(item), None)


def fail(item: str) -> c.FailWorkItem:
    return c.FailWorkItem(ItemId(item), dict(FAILURE))


def due(case: CaseState, item: str) -> c.RetryWorkItem:
    return c.RetryWorkItem(ItemId(item), due=case.items[item].retry_at)


def test_a_cycle_ends_when_the_starts_are_used_up() -> None:
    case = do(g.begin(limited(3)), complete("a/1"), complete("a/2"))
    assert items(case) == {"a/3": "started"}
    case = do(case, complete("a/3"))
    assert items(case) == {"over/1": "offered"}
    assert do(case, complete("over/1")).status is CaseStatus.COMPLETED


def test_an_attempt_after_a_failure_is_a_start() -> None:
    case = do(g.begin(limited(3, attempts=3)), fail("a/1"))
    case = do(case, due(case, "a/1"), complete("a/1"))
    assert items(case) == {"a/2": "started"}
    assert do(case, complete("a/2")).items["over/1"].status.value == "offered"


def test_no_retry_is_waited_for_that_could_never_begin() -> None:
    """The budget is empty: the failure counts at once, as one without another attempt."""
    nets = limited(2, attempts=5, on_failure="over")
    case = do(g.begin(nets), complete("a/1"))
    decision = decided(case, fail("a/2"))
    assert names(decision) == ["WorkItemFailed", "WorkItemGivenUp", "WorkItemOffered"]
    assert items(decision.case) == {"over/1": "offered"}


def test_without_an_error_branch_the_last_failure_fails_the_case() -> None:
    case = do(g.begin(limited(1, attempts=2)), fail("a/1"))
    assert case.status is CaseStatus.FAILED
    assert case.error is not None
    assert case.error["message"] == FAILURE["message"]
    # Nothing is left to retry: resuming changes nothing, and asking for it says so.
    again = decided(case, c.ResumeCase())
    assert names(again) == ["CaseResumed", "CaseFailed"]
    with pytest.raises(CommandRejected):
        decided(case, c.RetryWorkItem(ItemId("a/1")))


def test_a_waiting_retry_whose_budget_another_item_takes_is_given_up() -> None:
    """Two threads share the starts: one waits to try again while the other takes the last."""
    limit = Use("start-limit", {"starts": 2, "otherwise": "over"})
    twice = g.task("a", around=[limit], on_failure="over", retry=Retry(3, delay_seconds=60.0))
    nets = g.compiled(
        g.net(["a", "b"], twice, g.task("b", "person", then="a"), g.task("over", "person"))
    )
    case = do(g.begin(nets), fail("a/1"))
    assert case.items["a/1"].retry_at is not None
    case = do(case, complete("b/1"))
    assert items(case) == {"a/2": "started", "over/1": "offered"}
    assert case.data["error"]["message"] == FAILURE["message"]


def test_an_interrupted_attempt_is_no_new_start() -> None:
    case = do(g.begin(limited(1)), c.RecoverCase())
    assert case.items["a/1"].attempt == 2
    assert items(do(case, complete("a/1"))) == {"over/1": "offered"}


def test_it_leads_to_a_task_that_there_is() -> None:
    limit = Use("start-limit", {"starts": 3, "otherwise": "ovr"})
    with pytest.raises(DefinitionErrors) as caught:
        g.compiled(g.net("a", g.task("a", around=[limit], then="over"), g.task("over")))
    (fault,) = caught.value.faults
    assert "there is no task or place 'ovr'; did you mean over" in fault.message


def test_where_it_leads_may_be_a_join_of_an_earlier_task() -> None:
    limit = Use("start-limit", {"starts": 1, "otherwise": "first"})
    looped = g.task("a", around=[limit], then="a")
    nets = g.compiled(g.net("go", g.task("first", "person"), g.task("go", then="a"), looped))
    case = do(g.begin(nets), complete("go/1"), complete("a/1"))
    assert items(case) == {"first/1": "offered"}


def test_a_task_in_no_hurry_is_offered_while_starts_are_left() -> None:
    limit = Use("start-limit", {"starts": 1, "otherwise": "over"})
    nets = g.compiled(
        g.net("a", g.task("a", "person", then="a", around=[limit]), g.task("over", "person"))
    )
    case = g.begin(nets)
    assert items(case) == {"a/1": "offered"}
    case = do(case, complete("a/1"))
    assert items(case) == {"over/1": "offered"}

"""What commands mean for a case: one story a rule, told with small nets."""

from __future__ import annotations

from typing import Any

import attrs
import msgspec
import pytest

from tests.engine import generated as g
from weft.engine import commands as c
from weft.engine import events as e
from weft.engine.case import CaseState
from weft.engine.decide import Decision, Limits, begins, decide
from weft.engine.evolve import evolve_all
from weft.engine.lifecycle import CaseStatus, ItemStatus
from weft.engine.net import (
    Arc,
    CompiledSpecification,
    Ends,
    Net,
    Outcome,
    Place,
    RetryPolicy,
    Role,
    Task,
    Transition,
)
from weft.engine.ports import CaseId, ItemId, Microseconds
from weft.engine.runtime.live import idle
from weft.schema.datatypes import DataType, Variable
from weft.schema.errors import CommandRejected, JournalError, UsageError
from weft.schema.specification import PlaceDefinition, Retry, Use

FAILURE = {"class": "WorkFailed", "code": "no", "message": "it did not work"}


def do(
    case: CaseState | None, *commands: c.Command, time: int = g.TIME, **options: Any
) -> CaseState:
    """The case after several commands."""
    for asked in commands:
        case = decided(case, asked, time=time, **options).case
    assert case is not None
    return case


def decided(
    case: CaseState | None, asked: c.Command, *, time: int = g.TIME, **options: Any
) -> Decision:
    return decide(case, asked, time=Microseconds(time), **options)


def start(item: str, **more: Any) -> c.StartWorkItem:
    return c.StartWorkItem(ItemId(item), **more)


def complete(item: str, result: Any = None, **more: Any) -> c.CompleteWorkItem:
    return c.CompleteWorkItem(ItemId(item), result, **more)


def fail(item: str, **more: Any) -> c.FailWorkItem:
    return c.FailWorkItem(ItemId(item), dict(FAILURE), **more)


def retry(item: str, **more: Any) -> c.RetryWorkItem:
    return c.RetryWorkItem(ItemId(item), **more)


def items(case: CaseState) -> dict[str, str]:
    """The open items and their statuses."""
    return {item.id: item.status.value for item in case.items.values()}


def names(decision: Decision) -> list[str]:
    return [type(event).__name__ for event in decision.events]


def rejected(case: CaseState, asked: c.Command, code: str) -> CommandRejected:
    with pytest.raises(CommandRejected) as caught:
        decided(case, asked)
    assert caught.value.code == code
    return caught.value


# ── starting ─────────────────────────────────────────────────────────────────────────────────


def test_data_are_checked_and_filled_in() -> None:
    variables = {
        "path": Variable("path", DataType("string"), default="."),
        "count": Variable("count", DataType("integer"), required=True),
        "note": Variable("note"),
    }
    nets = g.compiled(g.net("a", g.task("a"), variables=variables))
    assert dict(g.begin(nets, count=2).data) == {"path": ".", "count": 2, "note": None, "a": None}
    with pytest.raises(UsageError) as caught:
        g.begin(nets, path=5, other=1, note={1})
    for part in ("path", "count", "'other' is not a variable", "declared: a, count", "note"):
        assert part in caught.value.message


def test_a_case_starts_once() -> None:
    nets = g.compiled(g.net("a", g.task("a")))
    rejected(g.begin(nets), c.StartCase(CaseId("case-1"), nets), "case-exists")
    with pytest.raises(CommandRejected, match="the case is new, not running"):
        decided(None, c.SuspendCase())


def test_a_draining_engine_starts_nothing_and_leaves_it_to_be_found() -> None:
    nets = g.compiled(g.net("a", g.task("a", then="b"), g.task("b")))
    drained = do(g.begin(nets), complete("a/1"), starts=False)
    assert items(drained) == {}
    assert drained.status is CaseStatus.RUNNING
    assert begins(drained)
    assert not idle(drained)
    assert items(do(drained, c.RecoverCase())) == {"b/1": "started"}


# ── items ────────────────────────────────────────────────────────────────────────────────────


PERSON = g.net("a", g.task("a", "person", outputs={"x": "result"}))


def test_what_is_not_open_is_named() -> None:
    case = g.begin(g.compiled(PERSON))
    error = rejected(case, complete("b/1"), "not-open")
    assert "there is no such item; open work items: 'a/1' (offered)" in error.message
    two = g.begin(g.compiled(g.net(["a", "b"], g.task("a", "person"), g.task("b", "person"))))
    done = do(two, complete("a/1"))
    assert "not open any more" in rejected(done, complete("a/1"), "not-open").message
    for name in ("a/2", "a/0", "a/²", "a/" + "9" * 5000, "a", "/", ""):
        assert "there is no such item" in rejected(done, complete(name), "not-open").message


def test_at_most_ten_items_are_named() -> None:
    tasks = [g.task(f"t{i}", "person") for i in range(12)]
    case = g.begin(g.compiled(g.net([t.name for t in tasks], *tasks)))
    assert rejected(case, start("x/1"), "not-open").message.endswith(" and 2 more")


@pytest.mark.parametrize(
    "asked",
    [
        c.StartWorkItem(ItemId("a/1"), by="\ud800"),
        c.ClaimWorkItem(ItemId("a/1"), 5),  # type: ignore[arg-type]
        c.DelegateWorkItem(ItemId("a/1"), "ann", by=b"x"),  # type: ignore[arg-type]
        c.SuspendCase("\udcff"),
        c.CancelCase("enough", by=object()),  # type: ignore[arg-type]
        c.CompleteWorkItem(None),  # type: ignore[arg-type]
        c.CompleteWorkItem(["a/1"]),  # type: ignore[arg-type]
    ],
)
def test_names_that_could_not_be_stored(asked: c.Command) -> None:
    case = g.begin(g.compiled(PERSON))
    with pytest.raises(CommandRejected):
        decided(case, asked)


def test_who_has_claimed_an_item_has_it() -> None:
    case = do(g.begin(g.compiled(PERSON)), c.ClaimWorkItem(ItemId("a/1"), "ann"))
    rejected(case, c.ClaimWorkItem(ItemId("a/1"), "bob"), "claimed-by-other")
    rejected(case, start("a/1", by="bob"), "claimed-by-other")
    rejected(case, complete("a/1", 1, by="bob"), "claimed-by-other")
    again = do(case, c.ClaimWorkItem(ItemId("a/1"), "ann"))
    assert again.items["a/1"].claimed_by == "ann"
    free = do(case, c.ReleaseWorkItem(ItemId("a/1")))
    assert free.items["a/1"].claimed_by is None
    rejected(free, c.ReleaseWorkItem(ItemId("a/1")), "not-claimed")
    passed = do(case, c.DelegateWorkItem(ItemId("a/1"), "cat"), start("a/1", by="cat"))
    assert passed.items["a/1"].claimed_by == "cat"
    assert do(passed, complete("a/1", 1)).status is CaseStatus.COMPLETED


def test_the_late_answer_of_an_attempt_is_refused() -> None:
    nets = g.compiled(g.net("a", g.task("a")))
    case = do(g.begin(nets), c.RecoverCase())
    assert case.items["a/1"].attempt == 2
    rejected(case, complete("a/1", attempt=1), "stale")
    rejected(case, fail("a/1", attempt=1), "stale")
    assert do(case, complete("a/1", attempt=2)).status is CaseStatus.COMPLETED


def test_a_result_that_does_not_fit_fails_the_item() -> None:
    case = g.begin(g.compiled(PERSON))
    for result in ("text", {"a": object()}, float("nan"), 2**70):
        failed = do(case, complete("a/1", result))
        assert failed.status is CaseStatus.FAILED
        assert failed.error is not None
        assert failed.error["code"] == "result-type"
        assert failed.items["a/1"].status is ItemStatus.FAILED


def test_an_output_that_fails_or_nests_too_deep_fails_the_item() -> None:
    bad = g.net("a", g.task("a", "person", outputs={"x": "result.b"}))
    assert (do(g.begin(g.compiled(bad)), complete("a/1", {})).error or {})["code"] == "output"
    nest = {"n": Variable("n")}
    until = Use("structured-loop", {"until": "false"})
    loop = g.net("a", g.task("a", outputs={"n": "[n]"}, around=[until]), variables=nest)
    case = g.begin(g.compiled(loop))
    for attempt in range(1, 200):
        case = do(case, complete(f"a/{attempt}"))
        if case.status is CaseStatus.FAILED:
            break
    assert (case.error or {})["code"] == "output"
    assert "nested more than" in (case.error or {})["message"]


def test_an_error_that_is_no_json_is_kept_as_text() -> None:
    nets = g.compiled(g.net("a", g.task("a")))
    error = {"class": "X", "message": "a\udcffb", "what": object(), "ok": [1]}
    case = do(g.begin(nets), c.FailWorkItem(ItemId("a/1"), error))
    assert case.error is not None
    assert case.error["message"] == "a\\udcffb"
    assert case.error["what"].startswith("<object")
    assert case.error["ok"] == [1]


def test_an_offer_shows_its_inputs_and_the_start_reads_them_anew() -> None:
    asked = g.task("a", "person", inputs={"n": "count + 1"})
    counted = g.task("b", "person", outputs={"count": "result"})
    integer = Variable("count", DataType("integer"), default=1)
    case = g.begin(g.compiled(g.net(["a", "b"], asked, counted, variables={"count": integer})))
    assert case.items["a/1"].inputs == {"n": 2}
    changed = do(case, complete("b/1", 5), start("a/1"))
    assert changed.items["a/1"].inputs == {"n": 6}


def test_of_many_offers_the_newest_unclaimed_go() -> None:
    """What stands in the way of some of them takes the newest away, and spares the claimed."""
    place = PlaceDefinition("p", tokens=4, then=g.use({"deferred-choice": ["a", "b"]}))
    net = g.net("p", g.task("a", "person"), g.task("b", "person"), places=[place])
    case = do(g.begin(g.compiled(net)), c.ClaimWorkItem(ItemId("a/5"), "ada"))
    assert case.tally == {(0, "a", ItemStatus.OFFERED): 5, (0, "b", ItemStatus.OFFERED): 5}
    left = do(case, start("b/1"))
    assert [i for i in items(left) if i.startswith("a/")] == ["a/1", "a/2", "a/3", "a/5"]
    assert left.tally[0, "a", ItemStatus.OFFERED] == 4
    assert left.tally[0, "b", ItemStatus.STARTED] == 1


def test_an_offered_item_whose_inputs_fail() -> None:
    """Completing it starts it first, and that is where it ends."""
    broken = g.task("a", "person", inputs={"n": "x.y"})
    failed = do(g.begin(g.compiled(g.net("a", broken))), complete("a/1", 1))
    assert failed.status is CaseStatus.FAILED
    assert items(failed) == {"a/1": "failed"}
    caught = attrs.evolve(broken, on_failure=Use("sequence", "b"))
    case = do(g.begin(g.compiled(g.net("a", caught, g.task("b", "person")))), complete("a/1", 1))
    assert items(case) == {"b/1": "offered"}
    assert "input" in case.data["error"]["code"]


# ── failing, retrying ────────────────────────────────────────────────────────────────────────

TWICE = Retry(attempts=2, delay_seconds=1.0)


@pytest.mark.parametrize("caught", [False, True])
def test_what_nothing_can_free_any_more_is_given_up(caught: bool) -> None:
    """A milestone has gone for good, and with it each further attempt: nobody waits for ever."""
    held = g.task("a", around=[Use("milestone", "open")], retry=TWICE)
    if caught:
        held = attrs.evolve(held, on_failure=Use("sequence", "c"))
    gone = g.task("b", "person", around=[Use("cancel-region", "open")])
    place = PlaceDefinition("open", tokens=1)
    after = [g.task("c", "person")] if caught else []
    nets = g.compiled(g.net(["a", "b"], held, gone, *after, places=[place]))
    case = do(g.begin(nets), fail("a/1", draw=0.5))
    assert items(case) == {"a/1": "failed", "b/1": "offered"}, "others may bring it back"
    done = do(case, complete("b/1"))
    if caught:
        assert items(done) == {"c/1": "offered"}
    else:
        assert done.status is CaseStatus.FAILED
        assert done.error is not None
        assert done.error["item"] == "a/1"
        assert do(done, c.ResumeCase()).status is CaseStatus.FAILED, "nothing has changed"


def test_a_retry_waits_its_time() -> None:
    nets = g.compiled(g.net("a", g.task("a", retry=TWICE)))
    case = do(g.begin(nets), fail("a/1", draw=0.5))
    assert case.status is CaseStatus.RUNNING
    assert not idle(case)
    due = case.items["a/1"].retry_at
    assert due == g.TIME + 1_000_000
    rejected(case, retry("a/1", due=Microseconds(due - 1)), "not-due")
    again = do(case, retry("a/1", due=Microseconds(due)), time=due)
    assert again.items["a/1"].attempt == 2
    failed = do(again, fail("a/1"))
    assert failed.status is CaseStatus.FAILED
    fail_now = c.GiveUpWorkItem(ItemId("a/1"))
    assert do(case, fail_now).status is CaseStatus.FAILED
    rejected(failed, fail_now, "no-error-branch")


def test_a_failure_that_no_attempt_can_mend_is_not_retried() -> None:
    nets = g.compiled(g.net("a", g.task("a", retry=TWICE)))
    assert do(g.begin(nets), fail("a/1", retryable=False)).status is CaseStatus.FAILED


def test_a_due_retry_leaves_a_failed_or_suspended_case_alone() -> None:
    nets = g.compiled(g.net(["a", "b"], g.task("a", retry=TWICE), g.task("b")))
    waiting = do(g.begin(nets), fail("a/1"))
    due = retry("a/1", due=Microseconds(waiting.items["a/1"].retry_at or 0))
    rejected(do(waiting, fail("b/1")), due, "case-status")
    suspended = do(waiting, c.SuspendCase())
    rejected(suspended, due, "case-status")
    assert items(do(suspended, c.ResumeCase(), due)) == {"a/1": "started", "b/1": "started"}


def test_what_was_started_may_end_in_a_failed_case() -> None:
    """Nothing of finished work is lost, and nothing new begins until somebody resumes it."""
    after = [g.task(name, then=f"after-{name}") for name in "abp"]
    nets = g.compiled(
        g.net(
            ["a", "b", "p", "h"],
            *(attrs.evolve(t, uses=(Use("person"),)) if t.name == "p" else t for t in after),
            *(g.task(f"after-{name}") for name in "abp"),
            g.task("h", on_failure="handle"),
            g.task("handle"),
        )
    )
    failed = do(g.begin(nets), start("p/1"), fail("a/1"))
    assert failed.status is CaseStatus.FAILED
    first = failed.error
    ended = do(failed, complete("b/1", 5), complete("p/1", 6), fail("h/1"))
    assert ended.status is CaseStatus.FAILED
    assert ended.error == first
    assert items(ended) == {"a/1": "failed"}
    assert (ended.data["b"], ended.data["p"]) == (5, 6)
    for asked in (c.ResumeCase(), retry("a/1")):
        assert items(do(ended, asked)) == {
            "a/1": "started",
            **{f"{name}/1": "started" for name in ("after-b", "after-p", "handle")},
        }


def test_a_second_failure_in_a_failed_case_is_held() -> None:
    nets = g.compiled(g.net(["a", "b", "r"], g.task("a"), g.task("b"), g.task("r", retry=TWICE)))
    failed = do(g.begin(nets), fail("a/1"), fail("b/1"), fail("r/1"))
    assert failed.status is CaseStatus.FAILED
    assert (failed.error or {})["item"] == "a/1"
    assert items(failed) == {"a/1": "failed", "b/1": "failed", "r/1": "failed"}
    due = failed.items["r/1"].retry_at
    assert due is not None
    resumed = do(failed, c.ResumeCase())
    assert items(resumed) == {"a/1": "started", "b/1": "started", "r/1": "failed"}
    assert resumed.items["r/1"].retry_at == due, "it waits on for its own time"


def test_offered_items_stay_offered_in_a_failed_case() -> None:
    nets = g.compiled(g.net(["a", "p"], g.task("a"), g.task("p", "person")))
    failed = do(g.begin(nets), fail("a/1"))
    rejected(failed, complete("p/1"), "case-status")
    rejected(failed, start("p/1"), "case-status")
    assert items(failed) == {"a/1": "failed", "p/1": "offered"}


def test_an_attempt_that_was_lost_in_a_failed_case_is_made_again_when_it_goes_on() -> None:
    nets = g.compiled(g.net(["a", "b"], g.task("a"), g.task("b")))
    resumed = do(g.begin(nets), fail("a/1"), c.ResumeCase())
    assert {k: i.attempt for k, i in resumed.items.items()} == {"a/1": 2, "b/1": 1}
    alive = do(resumed, c.RecoverCase(frozenset(map(ItemId, resumed.items))))
    assert alive == resumed
    lost = do(resumed, c.RecoverCase(frozenset({ItemId("a/1")})))
    assert {k: i.attempt for k, i in lost.items.items()} == {"a/1": 2, "b/1": 2}


def test_an_item_that_kills_its_engine_is_not_attempted_for_ever() -> None:
    policy = Retry(attempts=5, crashes=2)
    nets = g.compiled(g.net(["a", "b"], g.task("a", retry=policy), g.task("b")))
    case = do(g.begin(nets), *[c.RecoverCase(crashed=True)] * 2)
    assert case.items["a/1"].attempt == 3
    stopped = do(case, c.RecoverCase())  # an engine that was closed counts for nothing
    assert stopped.items["a/1"].crashes == 2
    dead = do(stopped, c.RecoverCase(crashed=True))
    assert dead.status is CaseStatus.FAILED
    assert (dead.error or {})["code"] == "crashed"
    assert "died during 3 attempts" in (dead.error or {})["message"]
    assert items(dead) == {"a/1": "failed", "b/1": "started"}
    again = do(dead, c.ResumeCase())
    assert (again.items["a/1"].attempt, again.items["a/1"].crashes) == (5, 0)
    # The one that only happened to be there has the default bound.
    case = do(g.begin(nets), *[c.RecoverCase(crashed=True)] * 3)
    assert items(case) == {"a/1": "failed", "b/1": "started"}


def test_giving_up_a_held_item_of_a_failed_case() -> None:
    caught = g.task("a", on_failure="h", retry=TWICE)
    nets = g.compiled(g.net(["a", "b"], caught, g.task("b"), g.task("h", "person")))
    failed = do(g.begin(nets), fail("a/1"), fail("b/1"))
    assert failed.status is CaseStatus.FAILED
    case = do(failed, c.GiveUpWorkItem(ItemId("a/1")))
    assert case.status is CaseStatus.RUNNING
    assert items(case) == {"b/1": "failed", "h/1": "offered"}


def test_resuming_goes_on_where_a_guard_has_failed() -> None:
    choice = {"exclusive-choice": [{"when": "x.y > 0", "to": "b"}, {"to": "c"}]}
    spec = g.net("a", g.task("a", None, choice), g.task("b", "person"), g.task("c", "person"))
    failed = g.begin(g.compiled(spec))
    assert failed.status is CaseStatus.FAILED
    assert (failed.error or {})["code"] == "guard"
    decision = decided(failed, c.ResumeCase())
    assert names(decision) == ["CaseResumed", "CaseFailed"]


def test_resuming_many_failed_items_stops_at_the_first_new_failure() -> None:
    """Beginning one again may fail the case anew: the others are left as they are."""
    child = g.net("w", g.task("w", "person"), name="child", variables={})
    number = {"n": Variable("n", DataType("integer"))}
    wrong = g.task("a", child="child", inputs={"n": "x"})
    spec = {
        "net": g.net(
            ["a", "b"], wrong, attrs.evolve(wrong, name="b"), variables={"x": Variable("x")}
        ),
        "child": attrs.evolve(child, variables=number),
    }
    case = g.begin(g.compiled(spec), x="no number")
    assert case.status is CaseStatus.FAILED
    # The second one was not started: its failure was enough.
    resumed = decided(case, c.ResumeCase())
    assert resumed.case.status is CaseStatus.FAILED
    assert names(resumed)[-1] == "CaseFailed"


# ── suspending ───────────────────────────────────────────────────────────────────────────────


def test_a_suspended_case_ends_what_runs_and_begins_nothing() -> None:
    nets = g.compiled(
        g.net("a", g.task("a", then="b"), g.task("b", then="c"), g.task("c", "person"))
    )
    suspended = do(g.begin(nets), c.SuspendCase("holiday"))
    rejected(suspended, c.SuspendCase(), "case-status")
    rejected(suspended, c.RecoverCase(), "case-status")
    ended = do(suspended, complete("a/1"))
    assert ended.status is CaseStatus.SUSPENDED
    assert items(ended) == {}
    resumed = do(ended, c.ResumeCase())
    assert items(resumed) == {"b/1": "started"}
    offered = do(resumed, complete("b/1"), c.SuspendCase())
    rejected(offered, start("c/1"), "case-status")
    rejected(offered, complete("c/1"), "case-status")


def test_a_suspended_case_may_complete() -> None:
    nets = g.compiled(g.net("a", g.task("a")))
    case = do(g.begin(nets), c.SuspendCase(), complete("a/1"))
    assert case.status is CaseStatus.COMPLETED
    rejected(case, c.ResumeCase(), "case-status")
    rejected(case, c.CancelCase(), "case-status")


def test_cancelling_from_every_status_that_is_not_final() -> None:
    nets = g.compiled(g.net(["a", "b"], g.task("a"), g.task("b", "person")))
    running = g.begin(nets)
    for case in (running, do(running, c.SuspendCase()), do(running, fail("a/1"))):
        cancelled = do(case, c.CancelCase("enough", by="ann"))
        assert cancelled.status is CaseStatus.CANCELLED
        assert not cancelled.items
        assert cancelled.marking() == {0: {}}


# ── composite tasks ──────────────────────────────────────────────────────────────────────────

CHILD = g.net("w", g.task("w", outputs={"x": "result"}), name="child")


def composite(**more: Any) -> CompiledSpecification:
    sub = g.task("sub", child="child", outputs={"y": "result.x"}, **more)
    return g.compiled(
        {
            "net": g.net("sub", sub, g.task("h", "person")) if more else g.net("sub", sub),
            "child": CHILD,
        }
    )


def caught(**more: Any) -> CompiledSpecification:
    sub = g.task("sub", child="child", outputs={"y": "result.x"}, on_failure="h", **more)
    return g.compiled({"net": g.net("sub", sub, g.task("h", "person")), "child": CHILD})


def test_a_child_net_gives_its_data_as_the_result() -> None:
    case = g.begin(composite())
    assert items(case) == {"sub/1": "started", "w/1": "started"}
    rejected(case, complete("sub/1"), "composite")
    done = do(case, complete("w/1", 7))
    assert done.status is CaseStatus.COMPLETED
    assert done.data["y"] == 7


def test_an_error_in_a_child_net_reaches_the_error_branch_of_its_task() -> None:
    case = do(g.begin(caught()), fail("w/1"))
    assert case.status is CaseStatus.RUNNING
    assert items(case) == {"h/1": "offered"}
    assert set(case.scopes) == {0}
    error = case.data["error"]
    assert (error["code"], error["item"]) == ("no", "sub/1")
    assert error["cause"]["item"] == "w/1"


def test_an_error_in_a_child_net_uses_the_attempts_of_its_task() -> None:
    sub = g.task("sub", child="child", retry=TWICE)
    nets = g.compiled({"net": g.net("sub", sub), "child": CHILD})
    case = do(g.begin(nets), fail("w/1"))
    assert items(case) == {"sub/1": "failed"}
    assert not idle(case)
    due = case.items["sub/1"].retry_at
    assert due is not None
    again = do(case, retry("sub/1", due=Microseconds(due)), time=due)
    assert items(again) == {"sub/1": "started", "w/2": "started"}
    failed = do(again, fail("w/2"))
    assert failed.status is CaseStatus.FAILED
    assert items(failed) == {"sub/1": "started", "w/2": "failed"}, "the marking stays"
    assert items(do(failed, c.ResumeCase())) == {"sub/1": "started", "w/2": "started"}


def test_no_branch_in_a_child_net_is_an_error_of_its_task() -> None:
    choice = g.net(
        "w",
        g.task("w", None, {"exclusive-choice": [{"when": "x > 5", "to": "z"}]}),
        g.task("z"),
        name="child",
    )
    sub = g.task("sub", child="child", on_failure="h")
    handled = {"net": g.net("sub", sub, g.task("h", "person")), "child": choice}
    assert items(g.begin(g.compiled(handled))) == {"h/1": "offered"}
    plain = {"net": g.net("sub", g.task("sub", child="child")), "child": choice}
    failed = g.begin(g.compiled(plain))
    assert failed.status is CaseStatus.FAILED
    assert failed.marking()[1] == {"w>": 1}, "the thread stays where it is"


def test_a_child_net_that_is_stuck_is_a_deadlock() -> None:
    """The item of the composite task is started, but nothing can be done to it."""
    stuck = g.net(
        ["a"],
        g.task("a", None, {"exclusive-choice": [{"when": "x > 0", "to": "b"}, {"to": "j"}]}),
        g.task("b", None, "j"),
        g.task("j", join="synchronization"),
        name="child",
    )
    nets = g.compiled({"net": g.net("sub", g.task("sub", child="child")), "child": stuck})
    case = g.begin(nets)
    assert case.status is CaseStatus.DEADLOCKED
    decision = decided(case, c.ResumeCase())
    assert names(decision) == ["CaseResumed", "CaseDeadlocked"]
    assert do(case, c.CancelCase()).status is CaseStatus.CANCELLED


def test_failing_a_composite_item_ends_its_net() -> None:
    case = do(g.begin(caught()), fail("sub/1"))
    assert items(case) == {"h/1": "offered"}
    assert set(case.scopes) == {0}


def test_inputs_that_do_not_fit_a_child_net_fail_its_item() -> None:
    sub = g.task("sub", child="child", inputs={"x": "'text'"})
    case = g.begin(g.compiled({"net": g.net("sub", sub), "child": CHILD}))
    assert case.status is CaseStatus.FAILED
    assert (case.error or {})["code"] == "input"
    assert (case.error or {})["item"] == "sub/1"


def test_a_suspended_case_closes_its_child_nets_all_the_same() -> None:
    case = do(g.begin(composite()), c.SuspendCase(), complete("w/1", 3))
    assert case.status is CaseStatus.COMPLETED


def test_recursion_is_bounded() -> None:
    """A net that runs itself and never stops: a failed case, and an error that says why."""
    more = {"exclusive-choice": [{"when": "x == 0", "to": "again"}, {"to": "done"}]}
    net = g.net(
        "look", g.task("look", None, more), g.task("again", child="net"), g.task("done", None)
    )
    nets = g.compiled(net)
    case = do(None, c.StartCase(CaseId("deep"), nets))
    assert case.status is CaseStatus.FAILED
    assert len(case.scopes) == 101
    error = case.error or {}
    assert error["code"] == "depth"
    assert "the limit is 100" in error["message"]
    shallow = do(None, c.StartCase(CaseId("deep"), nets), limits=Limits(depth=2))
    assert len(shallow.scopes) == 3


def test_recursion_with_a_base_case_ends() -> None:
    count = {"n": Variable("n", DataType("integer"), default=0)}
    more = {"exclusive-choice": [{"when": "n > 0", "to": "again"}, {"to": "done"}]}
    spec = g.net(
        "look",
        g.task("look", None, more),
        g.task("again", child="net", inputs={"n": "n - 1"}, outputs={"n": "result.n + 1"}),
        g.task("done", None),
        variables=count,
    )
    case = do(None, c.StartCase(CaseId("deep"), g.compiled(spec), {"n": 90}))
    assert case.status is CaseStatus.COMPLETED
    assert case.data["n"] == 90


# ── runs without end ─────────────────────────────────────────────────────────────────────────


def test_a_loop_without_work_is_found_and_named() -> None:
    spec = g.net(
        "p",
        g.task("p", "person", "a"),
        g.task("a", None, {"exclusive-choice": [{"when": "x == 0", "to": "b"}, {"to": "end"}]}),
        g.task("b", None, "a"),
        g.task("end"),
    )
    case = g.begin(g.compiled(spec))
    failed = decided(case, complete("p/1"))
    assert names(failed) == ["WorkItemStarted", "WorkItemCompleted", "CaseFailed"]
    error = failed.case.error or {}
    assert error["code"] == "loop"
    assert "more than 100000 transitions" in error["message"]
    assert "a.then.choice 1" in error["message"]
    assert names(decided(failed.case, c.ResumeCase(), limits=g.LIMITS)) == [
        "CaseResumed",
        "CaseFailed",
    ]


def test_a_loop_of_empty_nets_is_found_and_named() -> None:
    empty = g.net("e", g.task("e", None), name="child")
    spec = {
        "net": g.net(
            "a", g.task("a", child="child", then="b"), g.task("b", child="child", then="a")
        ),
        "child": empty,
    }
    case = g.begin(g.compiled(spec))
    assert (case.error or {})["code"] == "loop"
    assert "a.start" in (case.error or {})["message"]


# ── plain nets, by hand ──────────────────────────────────────────────────────────────────────


def by_hand(
    *transitions: Transition, places: dict[str, int], tasks: dict[str, Task] | None = None
) -> CompiledSpecification:
    net = Net("net", tuple(Place(n, t) for n, t in places.items()), transitions, tasks or {})
    return CompiledSpecification("hand", "1", {"net": net}, "net")


def item_net(tokens: int, weight: int = 1, **retry_arcs: Any) -> CompiledSpecification:
    """A task by hand: ``in`` holds tokens, completing puts ``weight`` of them into ``out``."""

    def external(name: str, role: Role, take: str, put: str, n: int = 1, **more: Any) -> Transition:
        return Transition(name, True, role, "a", (Arc(take),), (Arc(put, n),), **more)

    return by_hand(
        external("a.start", Role.START, "in", "a.run"),
        external("a.complete", Role.COMPLETE, "a.run", "out", weight),
        external("a.fail", Role.FAIL, "a.run", "a.held"),
        external("a.retry", Role.RETRY, "a.held", "a.run", **retry_arcs),
        places={"in": tokens, "a.run": 0, "a.held": 0, "out": 2**31 - 2},
        tasks={
            "a": Task(
                "a",
                "a.run",
                "a.held",
                ("a.start",),
                "a.complete",
                connector="auto",
                fail="a.fail",
                retry_by="a.retry",
            )
        },
    )


def test_a_place_that_overflows_fails_the_case() -> None:
    case = g.begin(item_net(2))
    case = do(case, complete("a/1"))
    decision = decided(case, complete("a/2"))
    assert names(decision) == ["CaseFailed"]
    assert (decision.case.error or {})["code"] == "overflow"
    assert items(decision.case) == {"a/2": "started"}


def test_an_overflow_in_what_follows_leaves_what_was_asked_for() -> None:
    flood = Transition("flood", take=(Arc("out", 2**31 - 1),), put=(Arc("sea", 2**31 - 1),))
    more = Transition("more", take=(Arc("sea"),), put=(Arc("sea", 9),), needs=(Arc("in", 1),))
    nets = item_net(2)
    net = nets.net
    net = Net(
        "net",
        (*net.places, Place("sea")),
        (*net.transitions, flood, more),
        net.tasks,
    )
    nets = CompiledSpecification("hand", "1", {"net": net}, "net")
    case = do(g.begin(nets), complete("a/1"))
    assert case.status in (CaseStatus.FAILED, CaseStatus.RUNNING)


def test_a_retry_waits_for_work_that_stands_against_it() -> None:
    """Its transition may lack a place; the retry that was due begins as soon as it may."""
    nets = item_net(2, lacks=(Arc("a.run", 1),))
    task = with_attempts(nets.net.tasks["a"])
    net = Net("net", nets.net.places, nets.net.transitions, {"a": task})
    nets = CompiledSpecification("hand", "1", {"net": net}, "net")
    case = do(g.begin(nets), fail("a/1"))
    assert items(case) == {"a/1": "failed", "a/2": "started"}
    due = Microseconds(case.items["a/1"].retry_at or 0)
    rejected(case, retry("a/1", due=due), "blocked")
    rejected(case, retry("a/1"), "blocked")
    later = do(case, complete("a/2"), time=due)
    assert items(later) == {"a/1": "started"}
    earlier = do(case, complete("a/2"), time=due - 1)
    assert items(earlier) == {"a/1": "failed"}


def with_attempts(task: Task) -> Task:
    return msgspec.structs.replace(task, retry=RetryPolicy(attempts=3, delay=1000))


# ── replay refuses what cannot have been ─────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([], "a case begins with CaseStarted"),
        ([e.CaseSuspended()], "there is no case yet"),
        ([e.CaseStarted("c", "s", "1", "other")], "the case runs on net other"),
        (["start", "start"], "the case is running"),
        (["start", e.TransitionFired("nope")], "has no transition 'nope'"),
        (["start", e.TransitionFired("a.complete")], "cannot fire in scope 0"),
        (["start", e.TransitionFired("x", scope=9)], "scope 9 is not live"),
        (["start", e.WorkItemStarted("a/1", "a.start")], "was not offered"),
        (["start", e.WorkItemStarted("a/1", "a.start", task="nope")], "nope"),
        (["start", e.WorkItemCompleted("a/9")], "'a/9' is not open"),
        (["start", "offer", e.WorkItemFailed("a/1", {})], "is offered, and fails"),
        (["start", "offer", e.WorkItemOffered("a/1", "a")], "it is offered"),
        (["start", e.WorkItemOffered("nonsense", "a")], "does not fit"),
        (["start", e.ScopeClosed(7)], "scope 7 is not live"),
        (["start", e.TransitionFired("a.start", cancelled=("z/1",))], "'z/1' is not open"),
        (["start", "offer", e.ScopeOpened(1, "a/1", "nope")], "there is no net 'nope'"),
        (["start", "offer", "begin", "fail", e.WorkItemGivenUp("a/1")], "no error branch"),
    ],
)
def test_events_that_do_not_fit(events: list[Any], message: str) -> None:
    nets = g.compiled(PERSON)
    known = {
        "start": e.CaseStarted("c", "s", "1", nets.hash, {"x": 0, "y": 0}),
        "offer": e.WorkItemOffered("a/1", "a"),
        "begin": e.WorkItemStarted("a/1", "a.start"),
        "fail": e.WorkItemFailed("a/1", {}),
    }
    told = [known[event] if isinstance(event, str) else event for event in events]
    with pytest.raises(JournalError) as caught:
        evolve_all(None, told, compiled=nets)
    assert message in caught.value.message


def test_a_case_needs_its_net_to_begin() -> None:
    with pytest.raises(JournalError, match="and its net"):
        evolve_all(None, [e.CaseStarted("c", "s", "1", "n")])


# ── regions ──────────────────────────────────────────────────────────────────────────────────


def test_a_task_that_clears_its_own_region_completes() -> None:
    """What its completion takes is gone before the region is cleared: the others are cancelled."""
    region = Use("cancel-region", {"region": ["a", "s"]})
    spec = {
        "net": g.net(
            "go",
            g.task("go", None, {"thread-split": {"to": "a", "n": 3}}),
            g.task("a", "person", then="b", around=[region]),
            g.task("s", child="child"),
            g.task("b", "person"),
            name="net",
        ),
        "child": CHILD,
    }
    spec["net"] = attrs.evolve(spec["net"], start=("go", "s"))
    case = do(g.begin(g.compiled(spec)), start("a/1"), start("a/2"))
    assert items(case) == {
        "s/1": "started",
        "w/1": "started",
        "a/1": "started",
        "a/2": "started",
        "a/3": "offered",
    }
    decision = decided(case, complete("a/1"))
    assert items(decision.case) == {"b/1": "offered"}
    first = decision.events[0]
    assert isinstance(first, e.WorkItemCompleted)
    assert set(first.cancelled) == {"a/2", "s/1", "w/1"}
    assert (first.cleared["a.run"], first.cleared["s.run"]) == (1, 1)
    assert set(decision.case.scopes) == {0}


# ── counts, merges, ends ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("count", "code"), [("x - 1", "count"), ("y.z", "count"), ("'a'", "count")]
)
def test_a_count_that_is_none_fails_the_case(count: str, code: str) -> None:
    spec = g.net("a", g.task("a", None, {"thread-split": {"to": "b", "n": count}}), g.task("b"))
    case = g.begin(g.compiled(spec))
    assert case.status is CaseStatus.FAILED
    assert (case.error or {})["code"] == code


def test_an_or_join_that_competes_with_other_immediates_comes_last() -> None:
    """Even if it is declared first and looked at together with them."""
    spec = g.net(
        ("a", "b"),
        g.task("a", "person", {"deferred-choice": ["j", "m"]}),
        g.task("b", "person", {"deferred-choice": ["j", "m"]}),
        g.task(
            "j",
            "person",
            join="general-synchronizing-merge",
            around=[Use("structured-loop", {"until": "true"})],
        ),
        g.task(
            "m",
            "person",
            join="multi-merge",
            around=[Use("structured-loop", {"while": "true"})],
        ),
    )
    nets = g.compiled(spec)
    assert [t for t in nets.nets["net"].transitions if t.or_join and not t.external]
    case = do(g.begin(nets), start("a/1"), complete("a/1"), start("b/1"), complete("b/1"))
    assert {item.task for item in case.items.values()} == {"m"}


def test_concurrent_writes_are_merged_as_declared() -> None:
    variables = {
        "log": Variable("log", DataType("array"), merge="append"),
        "sum": Variable("sum", DataType("integer"), default=1, merge="add"),
    }
    outputs = {"log": "result", "sum": "result"}
    tasks = [g.task(name, "person", outputs=outputs) for name in "abc"]
    nets = g.compiled(g.net(list("abc"), *tasks, variables=variables))
    case = do(g.begin(nets), complete("b/1", 5), complete("a/1", 7))
    assert dict(case.data) == {"log": [5, 7], "sum": 13}
    huge = do(case, complete("c/1", 2**63 - 1))
    assert huge.status is CaseStatus.FAILED
    assert (huge.error or {})["code"] == "result-type"
    assert dict(huge.data) == dict(case.data), "nothing of a write that does not fit"


def test_a_child_net_that_is_cancelled_fails_its_item() -> None:
    nets = caught()
    child = nets.nets["child"]
    stop = Transition("stop", take=(Arc("end"),), ends=Ends(Outcome.CANCELLED, reason="why not"))
    cancelled = msgspec.structs.replace(child, transitions=(*child.transitions, stop))
    nets = msgspec.structs.replace(nets, nets={**nets.nets, "child": cancelled})
    case = do(g.begin(nets), complete("w/1", 1))
    assert items(case) == {"h/1": "offered"}
    assert "the net of 'sub' was cancelled: why not" in case.data["error"]["message"]


def test_a_critical_section_holds_over_all_scopes() -> None:
    """Two runs of one child net: what the first holds, the second waits for; its end frees it."""
    child = g.net(
        ["a", "b"],
        g.task("a"),
        g.task("b"),
        name="child",
        uses=[Use("critical-section", {"regions": [["a"], ["b"]]})],
    )
    two = [g.task("one", child="child"), g.task("two", child="child")]
    nets = g.compiled({"net": g.net(["one", "two"], *two), "child": child})
    case = g.begin(nets)
    orders = []
    while not case.status.final:
        running = [i for i in case.items.values() if i.child is None]
        sections = {i.task for i in running}
        assert len(sections) == 1, "never both sections at once, whichever scope they are in"
        orders.append(running[0].task)
        case = do(case, complete(running[0].id))
    assert case.status is CaseStatus.COMPLETED
    assert sorted(orders) == ["a", "a", "b", "b"]
    held = g.begin(nets)
    first = next(i for i in held.items.values() if i.child is None)
    assert do(held, fail(first.id)).status is CaseStatus.FAILED


def test_resuming_leaves_what_a_resumed_failure_has_ended() -> None:
    """A held composite item begins again, fails at once, and ends the items below its handler."""
    number = {"n": Variable("n", DataType("integer"))}
    low = g.net("w", g.task("w"), name="low", variables=number)
    mid = g.net(
        ["bad", "also"],
        g.task("bad", child="low", inputs={"n": "x"}),
        g.task("also", child="low", inputs={"n": "x"}),
        name="mid",
        variables={"x": Variable("x")},
    )
    top = g.task("top", child="mid", inputs={"x": "x"})
    root = g.net("top", top, variables={"x": Variable("x")})
    case = g.begin(g.compiled({"net": root, "mid": mid, "low": low}), x="text")
    assert case.status is CaseStatus.FAILED
    again = decided(case, c.ResumeCase())
    assert again.case.status is CaseStatus.FAILED
    assert names(again).count("CaseFailed") == 1


def test_what_fails_the_case_when_it_starts_leaves_no_offer_behind() -> None:
    """A composite task whose input does not fit, beside a task of somebody."""
    child = g.net("w", g.task("w"), name="child")
    nets = g.compiled(
        {
            "net": g.net(
                ["sub", "p"], g.task("sub", child="child", inputs={"z": 1}), g.task("p", "person")
            ),
            "child": child,
        }
    )
    case = g.begin(nets)
    assert case.status is CaseStatus.FAILED
    assert [i.task for i in case.items.values()] == ["sub"]

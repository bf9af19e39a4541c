"""Skipping, asking, and undoing: what a task says about its failing for good."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from tests.engine import generated as g
from tests.engine.test_decide import complete, decided, do, fail, items, names, rejected, retry
from weft.engine import commands as c
from weft.engine import events as e
from weft.engine.case import CaseState, restore, snapshot
from weft.engine.evolve import evolve_all
from weft.engine.lifecycle import CaseStatus
from weft.engine.net import CompiledSpecification
from weft.engine.ports import CaseId, ItemId
from weft.engine.runtime.live import idle
from weft.schema.errors import DefinitionErrors, JournalError
from weft.schema.specification import Retry, TaskDefinition, Use


def undo(name: str, undoer: str | None = None, **more: Any) -> TaskDefinition:
    """A task that another one undoes: ``un-name``."""
    return attrs.evolve(g.task(name, **more), compensate=undoer or f"un-{name}")


def undoer(name: str, **more: Any) -> TaskDefinition:
    """The task that undoes ``name``, given its result."""
    return g.task(f"un-{name}", inputs={"what": name}, **more)


TRIP = g.compiled(
    g.net(
        "hotel",
        undo("hotel", then="flight"),
        undo("flight", then="pay"),
        g.task("pay", on_failure="compensate"),
        undoer("hotel"),
        undoer("flight"),
    )
)


def started(case: CaseState) -> list[str]:
    return [item.id for item in case.items.values() if item.status.value == "started"]


def booked(nets: CompiledSpecification = TRIP) -> CaseState:
    return do(g.begin(nets), complete("hotel/1", "H1"), complete("flight/1", "F1"))


# ── skip and ask ─────────────────────────────────────────────────────────────────────────────


def test_skipping_goes_on_as_if_the_work_were_done() -> None:
    nets = g.compiled(g.net("a", g.task("a", then="b", on_failure="skip"), g.task("b")))
    case = do(g.begin(nets), fail("a/1"))
    assert items(case) == {"b/1": "started"}
    assert case.data["a"] is None
    assert case.data["error"]["item"] == "a/1"


def test_a_task_named_like_a_word_goes_before() -> None:
    nets = g.compiled(g.net("a", g.task("a", on_failure="skip"), g.task("skip")))
    assert items(do(g.begin(nets), fail("a/1"))) == {"skip/1": "started"}


def test_asking_leaves_the_item_to_a_person() -> None:
    ask = g.task("a", then="b", on_failure="ask", retry=Retry(attempts=2, delay_seconds=1))
    nets = g.compiled(g.net("a", ask, g.task("b")))
    waiting = do(g.begin(nets), fail("a/1"))
    assert waiting.items["a/1"].retry_at is not None
    due = retry("a/1", due=waiting.items["a/1"].retry_at)
    asked = do(waiting, due, fail("a/1"))
    assert (asked.status, items(asked)) == (CaseStatus.RUNNING, {"a/1": "failed"})
    assert idle(asked)
    assert items(do(asked, retry("a/1"))) == {"a/1": "started"}
    by_hand = do(asked, complete("a/1", 7, by="ann"))
    assert (items(by_hand), by_hand.data["a"]) == ({"b/1": "started"}, 7)
    given_up = do(asked, c.GiveUpWorkItem(ItemId("a/1"), "ann"))
    assert given_up.status is CaseStatus.FAILED
    assert (given_up.error or {})["item"] == "a/1"
    rejected(asked, complete("a/1", 7, attempt=2), "item-status")


def test_a_held_item_of_a_failed_case_completed_by_hand() -> None:
    nets = g.compiled(g.net("a", g.task("a", then="b"), g.task("b")))
    failed = do(g.begin(nets), fail("a/1"))
    decision = decided(failed, complete("a/1", 3))
    assert names(decision) == [
        "CaseResumed",
        "WorkItemRetried",
        "WorkItemCompleted",
        "WorkItemStarted",
    ]
    assert decision.case.data["a"] == 3


def test_a_composite_task_that_asks() -> None:
    root = g.net("s", g.task("s", child="child", on_failure="ask"))
    child = g.net("w", g.task("w"), name="child")
    asked = do(g.begin(g.compiled({"net": root, "child": child})), fail("w/1"))
    assert (asked.status, items(asked)) == (CaseStatus.RUNNING, {"s/1": "failed"})
    assert items(do(asked, retry("s/1"))) == {"s/1": "started", "w/2": "started"}


# ── undoing ──────────────────────────────────────────────────────────────────────────────────


def test_what_was_done_is_undone_in_reverse_order() -> None:
    case = do(booked(), fail("pay/1"))
    assert items(case) == {"un-flight/1": "started"}
    assert case.items["un-flight/1"].inputs == {"what": "F1"}
    case = do(case, complete("un-flight/1"))
    assert items(case) == {"un-hotel/1": "started"}
    decision = decided(case, complete("un-hotel/1"))
    assert names(decision)[-2:] == ["TransitionFired", "CaseCancelled"]
    ended = decision.events[-1]
    assert isinstance(ended, e.CaseCancelled)
    assert ended.reason == "compensated after: it did not work"


def test_without_a_failure_nothing_is_undone() -> None:
    assert do(booked(), complete("pay/1")).status is CaseStatus.COMPLETED


def test_a_failure_before_anything_was_done() -> None:
    nets = g.compiled(
        g.net("a", undo("a", on_failure="compensate", then="b"), g.task("b"), undoer("a"))
    )
    assert do(g.begin(nets), fail("a/1")).status is CaseStatus.CANCELLED


def test_each_completion_of_a_loop_is_undone_with_its_own_result() -> None:
    loop = [Use("structured-loop", {"until": "a == 3"})]
    nets = g.compiled(
        g.net(
            "a", undo("a", around=loop, then="b"), undoer("a"), g.task("b", on_failure="compensate")
        )
    )
    case = do(g.begin(nets), *(complete(f"a/{n}", n) for n in (1, 2, 3)), fail("b/1"))
    seen = []
    for n in (1, 2, 3):
        seen.append(case.items[f"un-a/{n}"].inputs["what"])
        case = do(case, complete(f"un-a/{n}"))
    assert seen == [3, 2, 1]
    assert case.status is CaseStatus.CANCELLED


def for_each(**more: Any) -> CompiledSpecification:
    each = [Use("for-each", {"in": "[10, 20, 30]"})]
    last = g.task("b", on_failure="compensate")
    return g.compiled(g.net("a", undo("a", around=each, then="b", **more), undoer("a"), last))


def undone(case: CaseState) -> list[Any]:
    """What the steps back are given, one after the other, until nothing is left."""
    seen = []
    while case.status is CaseStatus.RUNNING:
        (step,) = started(case)
        seen.append(case.items[step].inputs["what"])
        case = do(case, complete(step))
    assert case.status is CaseStatus.CANCELLED
    return seen


def test_each_instance_is_undone_with_its_own_result_the_newest_first() -> None:
    done = [complete("a/2", "two"), complete("a/1", "one"), complete("a/3", "three")]
    case = do(g.begin(for_each()), *done)
    assert case.data["a"] == ["one", "two", "three"]
    assert undone(do(case, fail("b/1"))) == ["three", "one", "two"]


def test_when_an_instance_fails_those_that_were_done_are_undone_and_the_others_end_first() -> None:
    case = do(g.begin(for_each(on_failure="compensate")), complete("a/2", "two"), fail("a/1"))
    assert started(case) == ["a/3"], "it may end, and is undone, too"
    assert undone(do(case, complete("a/3", "three"))) == ["three", "two"]
    alone = do(g.begin(for_each(on_failure="compensate")), complete("a/2", "two"), fail("a/1"))
    assert undone(do(alone, fail("a/3"))) == ["two"]


def branches() -> CompiledSpecification:
    return g.compiled(
        g.net(
            ["a", "b", "c"],
            undo("a", then="later", retry=Retry(attempts=2, delay_seconds=1)),
            undo("b"),
            g.task("c", on_failure="compensate"),
            g.task("later"),
            undoer("a"),
            undoer("b"),
        )
    )


def test_what_runs_may_end_first_and_is_undone_too() -> None:
    case = do(g.begin(branches()), complete("b/1", "B"), fail("c/1"))
    assert started(case) == ["a/1"], "nothing is undone while something is at work"
    case = do(case, complete("a/1", "A"))
    assert items(case) == {"un-a/1": "started"}, "nothing new begins: `later` does not"
    case = do(case, complete("un-a/1"))
    assert case.items["un-b/1"].inputs == {"what": "B"}
    assert do(case, complete("un-b/1")).status is CaseStatus.CANCELLED


def test_what_fails_while_others_are_undone_is_not_tried_again() -> None:
    case = do(g.begin(branches()), complete("b/1", "B"), fail("c/1"), fail("a/1"))
    assert items(case) == {"a/1": "failed", "un-b/1": "started"}
    rejected(case, retry("a/1"), "blocked")
    assert do(case, complete("un-b/1")).status is CaseStatus.CANCELLED
    final = do(g.begin(branches()), complete("b/1", "B"), fail("c/1"), fail("a/1", retryable=False))
    assert items(final) == {"a/1": "failed", "un-b/1": "started"}


def test_a_step_back_that_fails_stops_the_case_and_goes_on_when_resumed() -> None:
    failed = do(booked(), fail("pay/1"), fail("un-flight/1"))
    assert failed.status is CaseStatus.FAILED
    case = do(failed, c.ResumeCase(), complete("un-flight/1"), complete("un-hotel/1"))
    assert case.status is CaseStatus.CANCELLED
    patient = undoer("a", retry=Retry(attempts=2, delay_seconds=1), on_failure="skip")
    nets = g.compiled(
        g.net("a", undo("a", then="b"), patient, g.task("b", on_failure="compensate"))
    )
    case = do(g.begin(nets), complete("a/1"), fail("b/1"), fail("un-a/1"))
    due = case.items["un-a/1"].retry_at
    assert due is not None
    case = do(case, retry("un-a/1", due=due), fail("un-a/1"))
    assert case.status is CaseStatus.CANCELLED, "skipped"


def test_sagas_nest() -> None:
    """What a child has done it undoes itself; its task then fails, and undoes what is above."""
    child = g.net(
        "w",
        undo("w", then="x"),
        g.task("x", on_failure="compensate"),
        undoer("w"),
        name="child",
    )
    root = g.net(
        "a",
        undo("a", then="s"),
        g.task("s", child="child", on_failure="compensate"),
        undoer("a"),
    )
    case = do(g.begin(g.compiled({"net": root, "child": child})), complete("a/1", 1))
    case = do(case, complete("w/1", 2), fail("x/1"))
    assert case.items["un-w/1"].inputs == {"what": 2}
    case = do(case, complete("un-w/1"))
    assert case.items["un-a/1"].inputs == {"what": 1}
    assert case.data["error"]["code"] == "child"
    assert do(case, complete("un-a/1")).status is CaseStatus.CANCELLED


def test_a_failure_below_a_net_that_is_turned_round_does_not_fail_the_case() -> None:
    child = g.net("w", g.task("w"), name="child")
    root = g.net(
        ["a", "s", "c"],
        undo("a"),
        g.task("s", child="child"),
        g.task("c", on_failure="compensate"),
        undoer("a"),
    )
    case = do(g.begin(g.compiled({"net": root, "child": child})), complete("a/1"), fail("c/1"))
    assert started(case) == ["s/1", "w/1"]
    case = do(case, fail("w/1"))
    assert items(case) == {"s/1": "failed", "un-a/1": "started"}
    assert do(case, complete("un-a/1")).status is CaseStatus.CANCELLED


def test_cancelling_a_region_does_not_undo_what_was_done_in_it() -> None:
    nets = g.compiled(
        g.net(
            ["a", "r"],
            undo("a", then="wait"),
            g.task("wait", "person"),
            g.task("r", around=[Use("cancel-region", {"region": ["a", "wait"]})], then="c"),
            g.task("c", on_failure="compensate"),
            undoer("a"),
        )
    )
    case = do(g.begin(nets), complete("a/1", 5), complete("r/1"), fail("c/1"))
    assert items(case) == {"un-a/1": "started"}
    assert do(case, complete("un-a/1")).status is CaseStatus.CANCELLED


def test_a_person_undoes_and_sees_what() -> None:
    nets = g.compiled(
        g.net(
            "a",
            undo("a", then="b"),
            attrs.evolve(undoer("a"), uses=(Use("person"),)),
            g.task("b", on_failure="compensate"),
        )
    )
    case = do(g.begin(nets), complete("a/1", "A"), fail("b/1"))
    assert items(case) == {"un-a/1": "offered"}
    assert case.items["un-a/1"].inputs == {"what": "A"}
    assert do(case, complete("un-a/1")).status is CaseStatus.CANCELLED


def test_replay_and_snapshots_remember_the_order() -> None:
    events: list[e.Event] = []
    case = None
    asked: list[c.Command] = [
        c.StartCase(CaseId("case-1"), TRIP, {}),
        complete("hotel/1", "H1"),
        complete("flight/1", "F1"),
        fail("pay/1"),
    ]
    for command in asked:
        decision = decided(case, command)
        events += decision.events
        case = decision.case
    assert case is not None
    assert evolve_all(None, events, compiled=TRIP) == case
    kept, _ = restore(snapshot(case, len(events), bytes(32)), TRIP)
    assert kept == case
    wrong = e.WorkItemStarted("un-hotel/1", "un-hotel.start", task="un-hotel")
    before = evolve_all(None, events[:-1], compiled=TRIP)
    with pytest.raises(JournalError, match="not what was completed last"):
        evolve_all(before, [wrong], compiled=TRIP)


# ── what does not fit ────────────────────────────────────────────────────────────────────────

ASKS = g.task("z", on_failure="compensate")


@pytest.mark.parametrize(
    ("tasks", "fault"),
    [
        ([undo("a", "b"), ASKS], "there is no task 'b'"),
        ([undo("a"), undoer("a")], "nothing in this net asks for it"),
        ([ASKS], "there is nothing to undo"),
        ([undo("a"), undoer("a", then="z"), ASKS], "no flow leads to it or on from it"),
        ([undo("a", then="un-a"), undoer("a"), ASKS], "no flow leads to it or on from it"),
        ([undo("a"), undoer("a", on_failure="z"), ASKS], "its `on-failure` is skip or ask"),
        ([undo("a"), undo("b", "un-a"), undoer("a"), ASKS], "undoes another task already"),
        ([undo("a"), undo("un-a", "c"), g.task("c"), ASKS], "cannot be undone itself"),
        ([undo("a", "a"), ASKS], "cannot be undone itself"),
        ([undo("a", kind=None), undoer("a"), ASKS], "there is nothing to undo"),
        (
            [undo("a"), undoer("a", around=[Use("structured-loop", {"until": "true"})]), ASKS],
            "a connector, no pattern",
        ),
    ],
)
def test_what_cannot_be_undone_is_told(tasks: list[TaskDefinition], fault: str) -> None:
    begin = [t.name for t in tasks if t.name in ("a", "b", "z")]
    with pytest.raises(DefinitionErrors) as caught:
        g.compiled(g.net(begin, *tasks))
    assert any(fault in x.message for x in caught.value.faults), caught.value.faults

"""The life cycles of cases and items: every pair of status and event, and the pictures."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.engine import generated as g
from weft.engine import events as e
from weft.engine.case import CaseState, WorkItem
from weft.engine.evolve import evolve, evolve_all
from weft.engine.lifecycle import CASE, ITEM, CaseStatus, ItemStatus, mermaid
from weft.schema.errors import JournalError
from weft.schema.specification import Use

CHILD = g.net("w", g.task("w", "person"), name="child")
NETS = g.compiled(
    {
        "net": g.net(
            ["a", "s", "m", "w", "t"],
            g.task("a", "person", on_failure="s", timeout_seconds=9.0, due="1h", on_due=g.use("n")),
            g.task("n", None),
            g.task("w", None, around=[Use("wait", "1h")]),
            g.task("t", None, around=[Use("persistent-trigger", "go")]),
            g.task("m", "person", around=[Use("for-each", {"open": True})]),
            g.task("s", child="child", join="multi-merge"),
        ),
        "child": CHILD,
    }
)
SET, AWAITED = e.TimerSet("w.wait/1", 5), e.TriggerAwaited("t.persistent-trigger/1", "go")
KEPT = e.TriggerKept("go", 1)
WAITS: dict[type[e.Event], tuple[e.Event, ...]] = {
    e.TimerSet: (SET,),
    e.TimerFired: (SET, e.TimerFired("w.wait/1", "w.wait.arrive")),
    e.TimerCancelled: (SET, e.TimerCancelled("w.wait/1")),
    e.TriggerAwaited: (AWAITED,),
    e.TriggerUnawaited: (AWAITED, e.TriggerUnawaited("t.persistent-trigger/1")),
    e.TriggerKept: (KEPT,),
    e.TriggerReceived: (
        *(AWAITED, KEPT),
        e.TriggerReceived(
            "go", "t.persistent-trigger.arrive", wait="t.persistent-trigger/1", kept=1
        ),
    ),
    e.TriggerDiscarded: (e.TriggerDiscarded("go"),),
}
"""What waits: an event of each type, after what it needs."""
START = e.CaseStarted("c", "case", "1", NETS.hash, {"x": 0, "y": 0})

TO_CASE: dict[CaseStatus | None, tuple[e.Event, ...]] = {
    None: (),
    CaseStatus.RUNNING: (START,),
    CaseStatus.SUSPENDED: (START, e.CaseSuspended()),
    CaseStatus.COMPLETED: (START, e.CaseCompleted()),
    CaseStatus.FAILED: (START, e.CaseFailed({})),
    CaseStatus.CANCELLED: (START, e.CaseCancelled()),
    CaseStatus.DEADLOCKED: (START, e.CaseDeadlocked()),
}
"""A way to each status."""

OFFER = e.WorkItemOffered("a/1", "a")
BEGIN = e.WorkItemStarted("a/1", "a.start")
FAIL = e.WorkItemFailed("a/1", {})
TO_ITEM: dict[ItemStatus | None, tuple[e.Event, ...]] = {
    None: (),
    ItemStatus.OFFERED: (OFFER,),
    ItemStatus.STARTED: (OFFER, BEGIN),
    ItemStatus.FAILED: (OFFER, BEGIN, FAIL),
    ItemStatus.COMPLETED: (OFFER, BEGIN, e.WorkItemCompleted("a/1")),
    ItemStatus.CANCELLED: (OFFER, e.WorkItemWithdrawn("a/1")),
    ItemStatus.GIVEN_UP: (OFFER, BEGIN, FAIL, e.WorkItemGivenUp("a/1")),
}
ITEM_EVENTS: tuple[e.Event, ...] = (
    OFFER,
    e.WorkItemWithdrawn("a/1"),
    e.WorkItemClaimed("a/1", "ann"),
    e.WorkItemReleased("a/1"),
    e.WorkItemDelegated("a/1", "bob"),
    BEGIN,
    e.WorkItemCompleted("a/1"),
    FAIL,
    e.WorkItemRetried("a/1", 2),
    e.WorkItemGivenUp("a/1"),
    e.WorkItemReminded("a/1", "a.remind"),
)


def reach(events: tuple[e.Event, ...]) -> CaseState | None:
    return evolve_all(None, events, compiled=NETS) if events else None


@pytest.mark.parametrize("kind", list(e.EVENT_TYPES.values()), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("status", list(TO_CASE), ids=str)
def test_every_event_in_every_status_of_a_case(
    status: CaseStatus | None, kind: type[e.Event]
) -> None:
    """It follows the table, or is refused in the words of the table."""
    case = reach(TO_CASE[status])
    event = examples(kind, case)
    wanted = CASE.get((status, kind))
    if wanted is not None:
        assert evolve(case, event, compiled=NETS).status is wanted
        return
    with pytest.raises(JournalError) as caught:
        evolve(case, event, compiled=NETS)
    state = "there is no case yet" if status is None else f"the case is {status.value}"
    assert caught.value.message == f"{kind.__name__} cannot happen: {state}"
    assert caught.value.code == "corrupt"


def examples(kind: type[e.Event], case: CaseState | None) -> e.Event:
    """An event of a type that fits the state but for its status."""
    fixed = {
        e.CaseStarted: START,
        e.CaseFailed: e.CaseFailed({}),
        e.TransitionFired: e.TransitionFired("a.start"),
    }
    if kind in fixed:
        return fixed[kind]
    if kind in (e.ScopeOpened, e.ScopeClosed):
        began = e.WorkItemStarted("s/1", "s.start", task="s")
        opened = e.ScopeOpened(1, "s/1", "child", {})
        if case is not None:
            prepare(case, began, *([opened] if kind is e.ScopeClosed else []))
        return opened if kind is e.ScopeOpened else e.ScopeClosed(1)
    if kind in (e.InstanceAdded, e.InstancesSealed):
        if case is not None:
            prepare(case, e.TransitionFired("m.for-each.enter"))
        return e.InstanceAdded("m") if kind is e.InstanceAdded else e.InstancesSealed("m")
    if kind in WAITS:
        *needed, event = WAITS[kind]
        if case is not None:
            prepare(case, *needed)
        return event
    found = next((x for x in ITEM_EVENTS if type(x) is kind), None)
    if found is None:
        return kind()
    before = next(
        before
        for (before, event), _ in ITEM.items()
        if event is kind and not (before is None and kind is e.WorkItemStarted)
    )
    if case is not None:
        prepare(case, *TO_ITEM[before])
    return found


def prepare(case: CaseState, *events: e.Event) -> None:
    """Give a case, in place, what an event needs: items and tokens; its status stays."""
    running = evolve_all(None, (START, *events), compiled=NETS)
    for name in ("scopes", "items", "serials", "next_scope", "waits", "kept"):
        msgspec.structs.force_setattr(case, name, getattr(running, name))


@pytest.mark.parametrize("event", ITEM_EVENTS, ids=lambda event: type(event).__name__)
@pytest.mark.parametrize("status", list(TO_ITEM), ids=str)
def test_every_event_in_every_status_of_an_item(status: ItemStatus | None, event: e.Event) -> None:
    case = reach((START, *TO_ITEM[status]))
    assert case is not None
    # An item that is gone is, for its events, one that never was.
    before = None if status is None or status.final else status
    wanted = ITEM.get((before, type(event)))
    if before is None and isinstance(event, e.WorkItemStarted):
        event = e.WorkItemStarted("a/1", "a.start", task="a")
    if before is None and isinstance(event, e.WorkItemOffered | e.WorkItemStarted):
        if status in (None, ItemStatus.CANCELLED):  # the token is there
            assert status_of(evolve(case, event)) is wanted
        return
    if isinstance(event, e.WorkItemFailed) and before is ItemStatus.OFFERED:
        with pytest.raises(JournalError, match="is offered, and fails as if it was not"):
            evolve(case, event)
        event = e.WorkItemFailed("a/1", {}, transition="a.lapse")
    if isinstance(event, e.WorkItemReminded) and before in (ItemStatus.STARTED, ItemStatus.FAILED):
        word = "held" if before is ItemStatus.FAILED else "started"
        event = e.WorkItemReminded("a/1", f"a.remind {word}")
    if wanted is None:
        with pytest.raises(JournalError) as caught:
            evolve(case, event)
        assert "a/1" in caught.value.message
        return
    assert status_of(evolve(case, event)) is (None if wanted.final else wanted)


def status_of(case: CaseState) -> ItemStatus | None:
    item: WorkItem | None = case.items.get("a/1")
    return None if item is None else item.status


def test_which_statuses_are_final() -> None:
    assert {s for s in CaseStatus if s.final} == {CaseStatus.COMPLETED, CaseStatus.CANCELLED}
    assert {s for s in ItemStatus if s.final} == {
        ItemStatus.COMPLETED,
        ItemStatus.CANCELLED,
        ItemStatus.GIVEN_UP,
    }
    assert {before for before, _ in CASE} == {None, *(s for s in CaseStatus if not s.final)}
    assert {before for before, _ in ITEM} == {None, *(s for s in ItemStatus if not s.final)}
    assert set(CASE.values()) == set(CaseStatus)
    assert set(ITEM.values()) == set(ItemStatus)


PAGE = """\
# Life cycles

A case and a work item each live by a table: which event may follow on which status.
The tables are in `engine/lifecycle.py`; the engine walks them, the tests try every pair against them, and these pictures are drawn from them.
An event that changes no status is left out.

## A case

A *running* case may be idle: then nothing happens until somebody outside acts.
*Completed* and *cancelled* are final.
A *failed* or *deadlocked* case keeps its marking, so that it can be resumed.
In a failed case what was started may still end: its result is kept, and what follows from it waits until the case is resumed.

```mermaid
{case}```

## A work item

*Offered* items are those of tasks that wait for somebody; the items of automatic tasks begin as *started*.
*Failed* means held: another attempt, or giving up, may follow.
Besides what the picture shows, any open item is *cancelled* when a firing clears its place, its scope closes, or its case ends.

```mermaid
{item}```
"""


def test_the_page_is_drawn_from_the_tables(repository: Path) -> None:
    """To draw it again: python -m tests.engine.test_lifecycle"""
    page = repository / "docs" / "lifecycles.md"
    assert page.read_text() == drawn(), "run: python -m tests.engine.test_lifecycle"


def drawn() -> str:
    return PAGE.format(case=mermaid(CASE), item=mermaid(ITEM))


if __name__ == "__main__":
    (Path(__file__).parents[2] / "docs" / "lifecycles.md").write_text(drawn())

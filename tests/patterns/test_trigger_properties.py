"""Full marks of patterns 22 to 24, and of waiting for a time, over every order of events.

Triggers may come and timers fire at any moment. Each property is a function of nets: it holds
alone, in a loop, in two child nets at once, as an alternative of a deferred choice and beside a
cancellation, and not for mutants of the net.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.engine import generated as g
from tests.patterns.exploring import Step, completed, ends, explore, killed, mutant
from weft.engine import commands as c
from weft.engine import events as e
from weft.engine.case import CaseState
from weft.engine.decide import Limits, decide
from weft.engine.evolve import evolve_all
from weft.engine.lifecycle import CaseStatus
from weft.engine.net import CompiledSpecification
from weft.engine.ports import CaseId, Microseconds
from weft.schema.datatypes import DataType, Variable
from weft.schema.errors import CommandRejected, DefinitionErrors
from weft.schema.specification import NetDefinition, TaskDefinition, Use

COMPLETED = {CaseStatus.COMPLETED}
KINDS = ("transient-trigger", "persistent-trigger")


def work(name: str, kind: str | None = "person", then: Any = None, **more: Any) -> TaskDefinition:
    """A task that keeps no result of its own: fewer states to explore."""
    if kind is not None or "child" in more:
        more.setdefault("outputs", {})
    return g.task(name, kind, then, **more)


def on(kind: str, trigger: Any = "go") -> list[Use]:
    return [Use(kind, trigger)]


def places(waits: list[Use]) -> dict[str, NetDefinition | dict[str, NetDefinition]]:
    """Nets in which w waits, each in other surroundings; b is what follows on it."""
    again = {"exclusive-choice": [{"when": "x == 2", "to": "a"}, {"to": "bye"}]}
    w, b = work("w", None, "b", around=waits), work("b")
    return {
        "alone": g.net("a", work("a", then="w"), w, b),
        "in a loop": g.net(
            *("a", work("a", then="w"), w, work("b", then="more")),
            *(work("more", "person", again, outputs={"x": "result"}), work("bye", None)),
        ),
        "a task that works": g.net("w", work("w", "person", "b", around=waits), b),
        "in children": {
            "net": g.net(["one", "two"], work("one", child="child"), work("two", child="child")),
            "child": g.net("w", w, b, name="child"),
        },
        "deferred": g.net(
            *("a", work("a", then={"deferred-choice": ["w", "p"]})),
            *(w, b, work("p")),
        ),
        "cancelled": g.net(["w", "k"], w, b, work("k", around=[Use("cancel-region", ["w", "b"])])),
        "twice": g.net(
            *("a", work("a", then={"parallel-split": ["l", "r"]}), work("l", then="w")),
            *(work("r", then="w"), work("w", None, "b", around=waits, join="multi-merge"), b),
        ),
    }


SURROUNDINGS = tuple(places(on("wait", "1h")))


def waiting(case: CaseState | None, task: str = "w") -> int:
    """How many tokens wait before a task, over all scopes, counted in the markings."""
    if case is None:
        return 0
    count = 0
    for scope in case.scopes.values():
        net = case.net(scope.id)
        for wait in net.waits.values():
            if wait.task == task and not wait.source:
                marking = net.marking_view(scope.marking)
                taken = {a.place for t in net.transitions if t.name in wait.fires for a in t.take}
                count += sum(marking.get(place, 0) for place in taken)
    return count


def live(step: Step) -> bool:
    return step.after.status in (CaseStatus.RUNNING, CaseStatus.SUSPENDED)


def told(steps: list[Step]) -> None:
    """What waits is what the marking says, and replay is what was decided."""
    for step in steps:
        if live(step):
            assert len(step.after.waits) == waiting(step.after)
        if step.before is not None:
            assert evolve_all(step.before, step.events) == step.after


def begun(step: Step) -> list[str]:
    """The tasks that a step has offered, in order."""
    offers = (x for x in step.events if isinstance(x, e.WorkItemOffered))
    return [x.item.rpartition("/")[0] for x in offers]


def received(step: Step) -> list[e.TriggerReceived]:
    return [x for x in step.events if isinstance(x, e.TriggerReceived)]


def follow(step: Step, arrived: int) -> None:
    """What was waited for begins once for each arrival, and never otherwise."""
    after_w = completed(step) == "w"
    assert begun(step).count("b") + begun(step).count("w") - after_w == arrived


# ── 23, 24 ───────────────────────────────────────────────────────────────────────────────────


def transient(nets: CompiledSpecification, **options: Any) -> None:
    """A trigger acts on one that waits at that moment, at once; else it has no effect at all."""
    steps = explore(nets, results=(0, 2), arriving=True, **options)
    told(steps)
    acted, lost = 0, 0
    for step in steps:
        follow(step, len(received(step)))
        if not isinstance(step.asked, c.DeliverTrigger):
            assert not received(step)
            continue
        assert step.before is not None
        if waiting(step.before):
            acted += 1
            assert len(received(step)) == 1
            assert live(step) is False or waiting(step.after) == waiting(step.before) - 1
        else:
            lost += 1
            assert step.events == (e.TriggerDiscarded("go"),)
            assert step.after == step.before
        assert not step.after.kept
    assert acted, "it never acts"
    assert lost, "it is never lost"
    assert ends(steps) <= COMPLETED


def persistent(nets: CompiledSpecification, **options: Any) -> None:
    """A trigger is kept until one waits, and each is taken once, in the order of their coming."""
    steps = explore(nets, results=(0, 2), arriving=True, **options)
    told(steps)
    took = 0
    for step in steps:
        before = [] if step.before is None else list(step.before.kept.values())
        after = list(step.after.kept.values())
        sent = isinstance(step.asked, c.DeliverTrigger)
        taken = received(step)
        took += len(taken)
        follow(step, len(taken))
        if sent and not before and waiting(step.before):
            assert [x.kept for x in taken[:1]] == [None]
            assert begun(step)
        elif live(step):
            assert [x.kept for x in taken] == [k.number for k in before[: len(taken)]]
            assert len(after) == len(before) - len(taken) + sent
        if live(step) and after:
            assert not waiting(step.after), "one waits, and what it waits for is there"
            assert [k.number for k in after] == sorted(k.number for k in after)
        if not live(step):
            assert not after
            (end,) = (x for x in step.events if isinstance(x, e.CaseCompleted))
            unread = len(before) - len(taken) + (sent and not waiting(step.before))
            assert sum(end.unread.values()) == max(unread, 0)
    assert took, "it never acts"
    assert ends(steps) <= COMPLETED


PROPERTIES: dict[str, Callable[..., None]] = {
    "transient-trigger": transient,
    "persistent-trigger": persistent,
}


@pytest.mark.parametrize("surroundings", SURROUNDINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_23_and_24_triggers(kind: str, surroundings: str) -> None:
    nets = g.compiled(places(on(kind))[surroundings])
    deep = 7 if surroundings in ("in children", "in a loop", "twice") else None
    PROPERTIES[kind](nets, rounds=deep)


@pytest.mark.parametrize("kind", KINDS)
def test_triggers_have_mutants_that_are_found(kind: str) -> None:
    nets = g.compiled(places(on(kind))["alone"])
    arrive = f"w.{kind}.arrive"
    holds = PROPERTIES[kind]
    holds(nets)
    assert killed(holds, mutant(nets, arrive, put=["end"]))
    assert killed(holds, mutant(nets, arrive, put=[">b", ">b"]))
    assert killed(holds, mutant(nets, "a.complete", put=[">b"]))
    (wait,) = nets.net.waits.values()
    changed = msgspec.structs.replace(wait, kept=not wait.kept)
    net = msgspec.structs.replace(nets.net, waits={wait.name: changed})
    assert killed(holds, msgspec.structs.replace(nets, nets={"net": net}))


def test_24_a_trigger_may_start_a_branch() -> None:
    """Each trigger begins a branch, also while others run; the case does not wait for more."""
    spec = g.net(
        "a", work("a"), work("n", "person", around=on("persistent-trigger", {"trigger": "go", "always": True}))
    )  # fmt: skip
    steps = explore(g.compiled(spec), arriving=True, rounds=5)
    for step in steps:
        if isinstance(step.asked, c.DeliverTrigger):
            assert begun(step) == ["n"]
            assert not step.after.kept
        if step.before is not None and not live(step):
            assert not step.after.items
    assert ends(steps) == COMPLETED
    assert any(sum(i.task == "n" for i in s.after.items.values()) > 1 for s in steps)


def test_24_what_comes_while_nothing_runs_begins_a_branch_on_resuming() -> None:
    spec = g.net(
        "a", work("a"), work("n", "person", around=on("persistent-trigger", {"trigger": "go", "always": True}))
    )  # fmt: skip
    case = start(g.compiled(spec))
    case = do(case, c.StartWorkItem("a/1"))  # type: ignore[arg-type]
    case = do(case, c.FailWorkItem("a/1", {}, retryable=False))  # type: ignore[arg-type]
    case = do(do(case, c.DeliverTrigger("go", 1)), c.DeliverTrigger("go", 2))
    assert [k.data for k in case.kept.values()] == [1, 2]
    case = do(case, c.ResumeCase())
    assert not case.kept
    assert sum(i.task == "n" for i in case.items.values()) == 2


def test_keys_choose_among_those_that_wait() -> None:
    """Of two that wait for one trigger each has the one with its key; without a key the oldest."""
    child = g.net("w", work("w", None, "b", around=on("persistent-trigger", {"trigger": "go", "key": "x"})), work("b"), name="child")  # fmt: skip
    spec = {
        "net": g.net(
            ["one", "two"],
            work("one", child="child", inputs={"x": 1}),
            work("two", child="child", inputs={"x": 2}),
        ),
        "child": child,
    }
    case = start(g.compiled(spec))
    assert sorted(w.key or "" for w in case.waits.values()) == ["1", "2"]
    second = do(case, c.DeliverTrigger("go", key="2"))
    assert [w.key for w in second.waits.values()] == ["1"]
    assert [w.key for w in do(case, c.DeliverTrigger("go")).waits.values()] == ["2"]
    third = do(do(case, c.DeliverTrigger("go", "a", key="3")), c.DeliverTrigger("go", "b", key="1"))
    assert [(k.data, k.key) for k in third.kept.values()] == [("a", "3")]


# ── time ─────────────────────────────────────────────────────────────────────────────────────


def timed(nets: CompiledSpecification, **options: Any) -> None:
    """One timer for each that waits, set when it begins to and cancelled when it goes elsewhere."""
    steps = explore(nets, results=(0, 2), arriving=True, **options)
    told(steps)
    fired = 0
    for step in steps:
        kinds = [type(x) for x in step.events]
        if isinstance(step.asked, c.FireTimer):
            fired += 1
            follow(step, 1)
            assert kinds.count(e.TimerFired) == 1
        else:
            follow(step, 0)
            assert e.TimerFired not in kinds
        before = {} if step.before is None else step.before.waits
        gone = len(before.keys() - step.after.waits.keys())
        if live(step) and step.before is not None and step.before.scopes == step.after.scopes:
            assert gone == kinds.count(e.TimerFired) + kinds.count(e.TimerCancelled)
        for set_ in (x for x in step.events if isinstance(x, e.TimerSet)):
            assert set_.due > g.TIME
    assert fired
    assert ends(steps) <= COMPLETED


@pytest.mark.parametrize("surroundings", SURROUNDINGS)
def test_waiting_for_a_time(surroundings: str) -> None:
    nets = g.compiled(places(on("wait", "1h"))[surroundings])
    deep = 7 if surroundings in ("in children", "in a loop", "twice") else None
    timed(nets, rounds=deep)


def test_timers_have_mutants_that_are_found() -> None:
    nets = g.compiled(places(on("wait", "1h"))["alone"])
    timed(nets)
    assert killed(timed, mutant(nets, "w.wait.arrive", put=["end"]))
    assert killed(timed, mutant(nets, "w.wait.arrive", put=[">b", ">b"]))


LATE = (
    work("a", then="d", timeout_seconds=60.0, on_timeout=g.use("l"), due="20s", on_due=g.use("n")),
    *(work("d"), work("l"), work("n")),
)


def deadline(nets: CompiledSpecification, **options: Any) -> None:
    """Either a is done or l begins, never both; n begins at most once, and a stays as it was."""
    steps = explore(nets, arriving=True, **options)
    for step in steps:
        done = completed(step) == "a"
        if done:
            assert "d" in begun(step)
        if isinstance(step.asked, c.FireTimer) and step.asked.timer.startswith("a/"):
            item = step.before.items[step.asked.timer]  # type: ignore[union-attr]
            if step.asked.due == item.due:
                assert begun(step) == ["n"]
                kept = step.after.items[item.id]
                assert (kept.status, kept.attempt) == (item.status, item.attempt)
                assert kept.reminded
            else:
                assert begun(step) == ["l"]
                assert item.id not in step.after.items
        elif not done:
            assert not {"d", "l", "n"} & set(begun(step))
        assert step.after.serials.get("d", 0) + step.after.serials.get("l", 0) <= 1
        assert step.after.serials.get("n", 0) <= 1
    seen = [b for step in steps for b in begun(step)]
    assert {"d", "l", "n"} <= set(seen)
    assert ends(steps) == COMPLETED


def test_work_that_is_late() -> None:
    nets = g.compiled(g.net("a", *LATE))
    deadline(nets)
    assert killed(deadline, mutant(nets, "a.lapse", put=["a.held", "a.held"]))
    assert killed(deadline, mutant(nets, "a.time out", put=[">d"]))
    assert killed(deadline, mutant(nets, "a.remind", put=[">n", ">a", ">a"]))
    assert killed(deadline, mutant(nets, "a.remind started", put=[">n", ">n"]))


def test_late_work_fails_like_any_other_where_no_branch_is_for_it() -> None:
    net = g.net("a", work("a", timeout_seconds=5.0, on_failure="f"), work("f"))
    case = start(g.compiled(net))
    item = case.items["a/1"]
    late = do(case, c.FireTimer("a/1", Microseconds(item.expires or 0)), at=item.expires)
    assert [i.task for i in late.items.values()] == ["f"]
    assert late.data["error"]["code"] == "timeout"
    alone = start(g.compiled(g.net("a", work("a", timeout_seconds=5.0))))
    failed = do(alone, c.FireTimer("a/1", Microseconds(item.expires or 0)), at=item.expires)
    assert failed.status is CaseStatus.FAILED


def test_timers_that_are_not_due_are_refused() -> None:
    case = start(g.compiled(places(on("wait", "1h"))["a task that works"]))
    (wait,) = case.waits.values()
    due = Microseconds(wait.due or 0)
    for asked, at in (
        (c.FireTimer(wait.id, due), due - 1),
        (c.FireTimer(wait.id, Microseconds(due + 1)), due + 1),
        (c.FireTimer("w.wait/9", due), due),
    ):
        with pytest.raises(CommandRejected) as caught:
            decide(case, asked, time=Microseconds(at))
        assert caught.value.code == "not-due"
    done = do(case, c.FireTimer(wait.id, due), at=due)
    with pytest.raises(CommandRejected):
        do(done, c.FireTimer(wait.id, due), at=due)


def test_what_is_past_is_due_at_once_and_without_end_is_stopped() -> None:
    past = on("wait", {"until": "1970-01-01T00:00:00Z"})
    spec = g.net("w", work("w", None, "b", around=past), work("b"))
    case = start(g.compiled(spec))
    assert [i.task for i in case.items.values()] == ["b"]
    round_ = g.net(
        "w", work("w", None, "v", around=past), work("v", None, "w", around=past), work("z"),
        places=(),
    )  # fmt: skip
    with pytest.raises(DefinitionErrors, match="no flow from the start leads to task 'z'"):
        g.compiled(round_)
    loop = g.net("w", work("w", None, "v", around=past, join="multi-merge"), work("v", None, "w"))
    stopped = start(g.compiled(loop))
    assert stopped.status is CaseStatus.FAILED
    assert (stopped.error or {})["code"] == "loop"


@pytest.mark.parametrize(
    ("time", "message"),
    [
        ({"until": "x"}, "expected a time such as"),
        ({"for": "y - 9"}, "0 seconds or more"),
        ({"for": "9223372036854775807"}, "has no unit"),
    ],
)
def test_a_time_that_cannot_be_told_fails_the_case(time: Any, message: str) -> None:
    spec = g.net("w", work("w", None, around=on("wait", time)))
    if "unit" in message:
        with pytest.raises(DefinitionErrors, match=message):
            g.compiled(spec)
        return
    case = start(g.compiled(spec))
    assert case.status is CaseStatus.FAILED
    assert (case.error or {})["code"] == "timer"
    assert message in (case.error or {})["message"]


# ── 22 ───────────────────────────────────────────────────────────────────────────────────────


def countdown(depth: int | None = None, **more: Any) -> CompiledSpecification:
    """A net that runs itself n times, and counts on the way back."""
    around = [] if depth is None else [Use("recursion", depth)]
    branches = {"exclusive-choice": [{"when": "n > 0", "to": "again"}, {"to": "bottom"}]}
    return g.compiled(
        g.net(
            "look",
            work("look", None, branches),
            work("again", child="net", then="up", around=around,
                 inputs={"n": "n - 1"}, outputs={"n": "result.n + 1"}, **more),
            work("up", "person"),
            work("bottom", "person"),
            variables={"n": Variable("n", DataType("integer"), default=0)},
        )
    )  # fmt: skip


def recursive(nets: CompiledSpecification) -> None:
    """Each level has a scope of its own below the one before, and gives its result up."""
    steps = explore(nets, n=2)
    for step in steps:
        scopes = list(step.after.scopes.values())
        for scope in scopes:
            if live(step):
                assert (
                    scope.data["n"] == 2 - scope.id
                    or "up/1" in step.after.items
                    or scope.id < len(scopes) - 1
                )
            assert scope.parent == (None if scope.id == 0 else scope.id - 1)
    assert ends(steps) == COMPLETED
    assert max(len(s.after.scopes) for s in steps) == 3
    (last,) = {s.after.data["n"] for s in steps if s.after.status is CaseStatus.COMPLETED}
    assert last == 2
    assert max(s.after.serials.get("up", 0) for s in steps) == 2


def test_22_recursion() -> None:
    nets = countdown()
    recursive(nets)
    recursive(countdown(2))
    assert killed(recursive, mutant(nets, "again.complete", put=["end"]))
    look = [t.name for t in nets.net.transitions if t.when == "n > 0"]
    assert killed(recursive, mutant(nets, look[0], when="n > 1"))
    assert killed(recursive, mutant(nets, look[0], when="false"))


def test_22_the_depth_is_bounded_and_the_failure_can_be_handled() -> None:
    case = start(countdown(2), n=3)
    assert case.status is CaseStatus.FAILED
    assert (case.error or {})["code"] == "depth"
    assert "the limit is 2" in (case.error or {})["message"]
    engine = start(countdown(), limits=Limits(depth=1), n=3)
    assert (engine.error or {})["code"] == "depth"
    caught = start(countdown(2, on_failure="bottom"), n=3)
    assert caught.status is CaseStatus.RUNNING
    assert [i.task for i in caught.items.values() if i.child is None] == ["bottom"]


@pytest.mark.parametrize("depth", [0, -1, True, "deep", None, {"depth": 0}])
def test_22_a_depth_that_is_none(depth: Any) -> None:
    spec = g.net("a", work("a", child="net", around=[Use("recursion", depth)]))
    with pytest.raises(DefinitionErrors, match=r"depth|number from 1"):
        g.compiled(spec)


def test_22_recursion_without_a_base_case_is_refused() -> None:
    direct = g.net("a", work("a", child="net"))
    with pytest.raises(DefinitionErrors) as caught:
        g.compiled(direct)
    assert "net 'net' always runs itself again" in str(caught.value)
    assert caught.value.exceptions[0].code == "recursion"
    mutual = {
        "net": g.net("a", work("a", child="b")),
        "b": g.net("c", work("c", then={"parallel-split": ["d", "e"]}), work("d", child="net"), work("e"), name="b"),
    }  # fmt: skip
    with pytest.raises(DefinitionErrors) as both:
        g.compiled(mutual)
    assert {x.code for x in both.value.exceptions} == {"recursion"}
    assert len(both.value.exceptions) == 2


@pytest.mark.parametrize("way_out", ["choice", "deferred", "cancel", "ends"])
def test_22_a_way_out_is_a_base_case(way_out: str) -> None:
    a = work("a", child="net")
    nets = {
        "choice": g.net("s", work("s", None, {"exclusive-choice": [{"when": "x > 0", "to": "a"}, {"to": "b"}]}), a, work("b")),
        "deferred": g.net("s", work("s", None, {"deferred-choice": ["p", "b"]}), work("p", then="a"), a, work("b")),
        "cancel": g.net(["s", "k"], work("s", then="a"), a, work("k", around=[Use("cancel-region", ["s", "a"])])),
        "ends": g.net(["s", "k"], work("s", then="a"), a, work("k", then="explicit-termination")),
    }  # fmt: skip
    nets["ends"] = g.net(
        ["s", "k"], work("s", then="a"), a, work("k", then=Use("explicit-termination"))
    )
    g.compiled(nets[way_out])


# ── one case ─────────────────────────────────────────────────────────────────────────────────


def start(nets: CompiledSpecification, limits: Limits | None = None, **data: Any) -> CaseState:
    return do(None, c.StartCase(CaseId("c"), nets, data), limits=limits)


def do(
    case: CaseState | None,
    asked: c.Command,
    *,
    at: int | None = None,
    limits: Limits | None = None,
) -> CaseState:
    time = g.TIME if at is None else Microseconds(at)
    return decide(case, asked, time=time, limits=limits or Limits(firings=200)).case

"""BPMN's rarer constructs: each is run through its branches, and the report says the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import weft
from tests.schema.test_bpmn import (
    END,
    START,
    SUB,
    Driven,
    beside,
    flow,
    node,
    read,
    verdicts,
)
from weft.schema.errors import DefinitionErrors
from weft.schema.imports import Verdict
from weft.schema.specification import Specification

RUNS, CHANGED = [Verdict.RUNS], [Verdict.CHANGED]
NAMES = node("message", "m", name="word") + node("message", "n", name="mail")
NAMES += node("signal", "s", name="alarm")
ONE, TWO = '<messageEventDefinition messageRef="m"/>', '<messageEventDefinition messageRef="n"/>'
SIGNAL = '<signalEventDefinition signalRef="s"/>'


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """The engines of a test end with it."""
    with ExitStack() as Driven.engines:
        yield


def sound(specification: Specification) -> bool:
    return weft.verify(specification).sound is True


def timer(kind: str, text: str) -> str:
    return f"<timerEventDefinition><{kind}>{text}</{kind}></timerEventDefinition>"


def condition(text: str) -> str:
    return f"<conditionalEventDefinition><condition>{text}</condition></conditionalEventDefinition>"


# ── several definitions ──────────────────────────────────────────────────────────────────────


def catching(inner: str, **attributes: str) -> Specification:
    return read(
        START + node("intermediateCatchEvent", "catch", inner, **attributes) + node("task", "next")
        + flow("start", "catch", "next"), more=NAMES,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["word", "mail"])
def test_whatever_comes_first_of_several_is_enough(name: str) -> None:
    specification = catching(ONE + TWO + timer("timeDuration", "PT1H"))
    assert verdicts(specification, "multiple event definitions") == RUNS
    assert sound(specification)
    case = Driven(specification)
    case.case.trigger(name)
    assert case.open == ["next"]
    case.do("next")
    assert case.case.status == "completed"
    late = Driven(specification)
    late.case.wait(timers=True)
    assert late.open == ["next"]


def test_all_of_several_have_to_come() -> None:
    specification = catching(ONE + TWO, parallelMultiple="true")
    assert verdicts(specification, "multiple event definitions, parallelMultiple") == RUNS
    assert sound(specification)
    case = Driven(specification)
    case.case.trigger("mail")
    assert case.open == []
    case.case.trigger("word")
    assert case.open == ["next"]


def test_several_definitions_as_an_alternative_of_a_choice_of_events() -> None:
    specification = read(
        START + node("eventBasedGateway", "first") + node("intermediateCatchEvent", "a", ONE + TWO)
        + node("intermediateCatchEvent", "b", timer("timeDuration", "PT1H"))
        + node("task", "came") + node("task", "late")
        + flow("start", "first", "a", "came") + flow("first", "b", "late"), more=NAMES,
    )  # fmt: skip
    assert sound(specification)
    for name in ("word", "mail"):
        case = Driven(specification)
        case.case.trigger(name)
        assert case.open == ["came"]
    late = Driven(specification)
    late.case.wait(timers=True)
    assert late.open == ["late"]


@pytest.mark.parametrize("interrupts", [True, False])
def test_several_definitions_at_a_boundary(interrupts: bool) -> None:
    specification = beside(ONE + TWO, interrupts=interrupts, more=NAMES)
    assert sound(specification)
    for name in ("word", "mail"):
        case = Driven(specification)
        case.case.trigger(name)
        assert case.open == (["other"] if interrupts else ["other", "work"])
    case = Driven(specification)
    case.do("work")
    case.do("next")
    assert case.case.status == "completed"


@pytest.mark.parametrize("interrupts", [True, False])
def test_a_boundary_event_that_needs_all_of_several(interrupts: bool) -> None:
    work = node("userTask", "work") + node("task", "x")  # an isolated task is left out
    specification = read(
        START + work + node("task", "next") + node("task", "other")
        + node("boundaryEvent", "edge", ONE + TWO, attachedToRef="work", parallelMultiple="true",
               cancelActivity=str(interrupts).lower())
        + flow("start", "work", "next") + flow("edge", "other"), more=NAMES,
    )  # fmt: skip
    case = Driven(specification)
    case.case.trigger("word")
    assert case.open == ["work"]
    case.case.trigger("mail")
    assert case.open == (["other"] if interrupts else ["other", "work"])
    half = Driven(specification)
    half.case.trigger("word")
    half.do("work")
    half.do("next")
    assert half.case.status == "completed", "what has come of the event is gone with its activity"


def test_an_event_that_throws_several_things_throws_one_after_the_other() -> None:
    thrower = node("endEvent", "throw", f"<terminateEventDefinition/>{ONE}{SIGNAL}")
    specification = read(
        START + node("parallelGateway", "fork") + node("task", "stays") + node("task", "ask")
        + thrower + flow("start", "fork", "stays") + flow("fork", "ask", "throw"), more=NAMES,
    )  # fmt: skip
    assert verdicts(specification, "multiple event definitions, thrown") == RUNS
    waiting = catching(ONE + SIGNAL, parallelMultiple="true")
    engine = Driven.engines.enter_context(weft.open(seed=1))
    other, case = engine.run(waiting), engine.run(specification)
    case.complete("ask/1", None)
    case.wait()
    assert case.status == "completed"
    assert [item.task for item in other.work_list()] == ["next"]


def test_each_of_several_definitions_starts_a_case() -> None:
    specification = read(
        node("startEvent", "start", ONE + SIGNAL) + node("task", "a") + flow("start", "a"),
        more=NAMES,
    )
    assert [trigger.event for trigger in specification.triggers] == ["word", "alarm"]


# ── conditional events ───────────────────────────────────────────────────────────────────────


def test_an_event_occurs_when_its_condition_holds() -> None:
    specification = read(
        START + node("parallelGateway", "fork") + node("intermediateCatchEvent", "catch",
            condition("${amount > 5}")) + node("task", "next") + node("task", "ask")
        + node("task", "more") + flow("start", "fork", "catch", "next")
        + flow("fork", "ask", "more")
    )  # fmt: skip
    assert verdicts(specification, "conditionalEventDefinition") == RUNS
    case = Driven(specification)
    assert case.open == ["ask"], "a variable without a value holds nothing back, and nothing up"
    assert case.do("ask", amount=3) == ["more"]
    assert case.do("more", amount=7) == ["next"]
    told = Driven(specification)
    told.case.trigger("catch")
    assert told.open == ["ask", "next"]


@pytest.mark.parametrize("interrupts", [True, False])
def test_a_condition_at_a_boundary(interrupts: bool) -> None:
    specification = read(
        START + node("parallelGateway", "fork") + node("userTask", "work") + node("task", "next")
        + node("boundaryEvent", "edge", condition("= amount > 5"), attachedToRef="work",
               cancelActivity=str(interrupts).lower())
        + node("task", "other") + node("task", "set", '<standardLoopCharacteristics/>')
        + flow("start", "fork", "work", "next") + flow("edge", "other") + flow("fork", "set")
    )  # fmt: skip
    case = Driven(specification)
    assert case.do("set", amount=3, again=True) == ["set", "work"]
    if interrupts:
        assert case.do("set", amount=7, again=True) == ["other", "set"]
        return
    assert case.do("set", amount=7, again=True) == ["other", "set", "work"]
    told = "conditionalEventDefinition, that does not interrupt"
    assert verdicts(specification, told) == RUNS
    assert sound(specification)
    assert case.do("set", amount=8, again=True) == ["other", "set", "work"], "it holds still"
    assert case.do("set", amount=2, again=True) == ["other", "set", "work"], "it holds no more"
    assert case.do("set", amount=9, again=False) == ["other", "other", "work"], "each time"
    assert case.do("work") == ["next", "other", "other"]
    for task in ("next", "other", "other"):
        case.do(task)
    assert case.case.status == "completed"


def test_a_condition_that_cannot_be_evaluated_is_told_from_outside() -> None:
    specification = catching(condition("${bean.check(amount)}"))
    assert (
        verdicts(specification, "conditionalEventDefinition, that cannot be evaluated") == CHANGED
    )
    case = Driven(specification)
    case.case.trigger("catch")
    assert case.open == ["next"]


# ── escalation ───────────────────────────────────────────────────────────────────────────────

CODES = '<escalation id="e" escalationCode="late"/><escalation id="f" escalationCode="dear"/>'


def escalation(code: str = "") -> str:
    return f'<escalationEventDefinition escalationRef="{code}"/>' if code else (
        "<escalationEventDefinition/>"
    )  # fmt: skip


def escalating(kind: str, code: str = "e") -> str:
    """A sub-process in which an escalation is thrown between two tasks, or at the end."""
    ends = node("task", "after") + flow("up", "after") if kind != "endEvent" else ""
    inner = node("startEvent", "in") + node("task", "first") + node(kind, "up", escalation(code))
    return node("subProcess", "work", inner + flow("in", "first", "up") + ends)


@pytest.mark.parametrize("kind", ["intermediateThrowEvent", "endEvent"])
@pytest.mark.parametrize("interrupts", [True, False])
@pytest.mark.parametrize("code", ["e", "", "f"])
def test_an_escalation_begins_a_branch_or_interrupts(
    kind: str, interrupts: bool, code: str
) -> None:
    specification = beside(
        escalation(code), interrupts=interrupts, work=escalating(kind), more=CODES
    )
    caught = code != "f"
    case = Driven(specification)
    went_on = ["next"] if kind == "endEvent" else ["after"]
    expected = went_on if not caught else ["other"] if interrupts else [*went_on, "other"]
    assert case.do("first") == sorted(expected)
    for task in [*case.open]:
        case.do(task)
    for task in [*case.open]:
        case.do(task)
    assert case.case.status == "completed"
    assert verdicts(specification, "escalationEventDefinition") == (RUNS if caught else [])
    told = "escalationEventDefinition, thrown" + ("" if caught else ", caught by nobody")
    assert verdicts(specification, told) == RUNS


def test_an_escalation_goes_up_to_the_next_that_catches_it_and_only_in_its_case() -> None:
    inner = escalating("intermediateThrowEvent")
    around = node("subProcess", "outer", node("startEvent", "s2") + inner + flow("s2", "work"))
    specification = read(
        START + around + node("boundaryEvent", "edge", escalation("e"), attachedToRef="outer",
            cancelActivity="false") + node("task", "other") + flow("start", "outer")
        + flow("edge", "other"), more=CODES,
    )  # fmt: skip
    assert sound(specification)
    engine = Driven.engines.enter_context(weft.open(seed=1))
    cases = [engine.run(specification) for _ in range(2)]
    cases[1].complete("first/1", None)
    cases[1].wait()
    assert [item.task for item in cases[0].work_list()] == ["first"]
    assert sorted(item.task for item in cases[1].work_list()) == ["after", "other"]


@pytest.mark.parametrize("interrupts", ["true", "false"])
def test_an_event_sub_process_catches_an_escalation(interrupts: str) -> None:
    handler = node("subProcess", "handler", node("startEvent", "caught", escalation("e"),
        isInterrupting=interrupts) + node("task", "boss") + flow("caught", "boss"),
        triggeredByEvent="true")  # fmt: skip
    specification = read(
        START + node("task", "first") + node("intermediateThrowEvent", "up", escalation("e"))
        + node("task", "after") + flow("start", "first", "up", "after") + handler, more=CODES,
    )  # fmt: skip
    case = Driven(specification)
    expected = ["boss"] if interrupts == "true" else ["after", "boss"]
    assert case.do("first") == expected
    for task in expected:
        case.do(task)
    assert case.case.status == "completed"


# ── timers ───────────────────────────────────────────────────────────────────────────────────

HOUR = 3600
TIMES = [
    ("timeDuration", "PT1H", {}, HOUR),
    ("timeDuration", "${patience}", {"patience": "PT2H"}, 2 * HOUR),
    ("timeDuration", "PT${hours}H", {"hours": 3}, 3 * HOUR),
    ("timeDuration", '= duration("PT4H")', {}, 4 * HOUR),
    ("timeDuration", '= @"PT5H"', {}, 5 * HOUR),
    ("timeDuration", "= duration(patience)", {"patience": "PT6H"}, 6 * HOUR),
    ("timeDuration", "= patience", {"patience": 60}, 60),
    ("timeDate", "2000-01-01T02:00:00Z", {}, 2 * HOUR),
    ("timeDate", "${when}", {"when": "2000-01-01T03:00:00Z"}, 3 * HOUR),
    ("timeDate", '= now() + duration("PT1H")', {}, HOUR),
    ("timeDate", '= date and time("2000-01-01T04:00:00Z")', {}, 4 * HOUR),
    ("timeCycle", "R3/PT1H", {}, HOUR),
    ("timeCycle", '= cycle(3, duration("PT2H"))', {}, 2 * HOUR),
    ("timeCycle", "R/2000-01-01T00:00:00Z/${period}", {"period": "PT2H"}, 2 * HOUR),
    ("timeCycle", "0 0 2 * * ?", {}, 2 * HOUR),
    ("timeCycle", "5m###10m", {}, 600),
]


@pytest.mark.parametrize(("kind", "text", "data", "seconds"), TIMES)
@pytest.mark.parametrize("where", ["boundary", "flow"])
def test_times_of_all_kinds(
    kind: str, text: str, data: dict[str, Any], seconds: int, where: str
) -> None:
    text = text.replace('"', "&quot;")
    declared = "".join(node("property", f"p{n}", name=n) for n in data)
    made = (
        read(
            declared + START + node("userTask", "work") + node("task", "other") + node(
                "boundaryEvent", "edge", timer(kind, text), attachedToRef="work")
            + flow("start", "work") + flow("edge", "other")
        )
        if where == "boundary"
        else read(
            declared + START + node("intermediateCatchEvent", "edge", timer(kind, text))
            + node("task", "other") + flow("start", "edge", "other")
        )
    )  # fmt: skip
    assert not verdicts(made, "timerEventDefinition, without a time")
    with weft.open(seed=1) as engine:
        case = engine.run(made, data)
        timers = [w.due for w in case.state.waits.values()]
        timers += [i.expires for i in case.state.items.values() if i.expires is not None]
        assert timers == [946_684_800_000_000 + seconds * 1_000_000]
        case.wait(timers=True)
        assert [item.task for item in case.work_list()] == ["other"]


@pytest.mark.parametrize(
    ("cycle", "branches", "construct"),
    [
        ("R3/PT1H", 3, "timerEventDefinition, timeCycle"),
        ("R1/PT1H", 1, "timerEventDefinition, timeCycle"),
        ("R2/PT${hours}H", 2, "timerEventDefinition, from the data"),
    ],
)
def test_a_cycle_is_due_so_often_and_no_more(cycle: str, branches: int, construct: str) -> None:
    specification = beside(timer("timeCycle", cycle), interrupts=False)
    assert verdicts(specification, construct) == RUNS
    case = Driven(specification, **({"hours": 2} if "hours" in cycle else {}))
    case.case.wait(timers=True)
    assert case.open == ["other"] * branches + ["work"]
    case.do("work")
    for task in ["next"] + ["other"] * branches:
        case.do(task)
    assert case.case.status == "completed"


def test_an_activity_that_is_done_ends_what_is_left_of_a_cycle() -> None:
    specification = beside(timer("timeCycle", "R3/PT1H"), interrupts=False)
    case = Driven(specification)
    case.do("work")
    case.do("next")
    assert case.case.status == "completed"


@pytest.mark.parametrize("text", ["soon", "${bean.time()}", "= duration(", "R/", "", "R0/PT1H"])
def test_a_time_that_cannot_be_read_is_triggered(text: str) -> None:
    kind = "timeCycle" if text.startswith("R") else "timeDuration"
    specification = beside(timer(kind, text))
    assert verdicts(specification, "timerEventDefinition, without a time") == CHANGED
    case = Driven(specification)
    case.case.trigger("edge")
    assert case.open == ["other"]


# ── loops, ad hoc, complex gateways ──────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("loop", "result", "times"),
    [
        ('loopMaximum="3"', {"ok": False}, 3),
        ('loopMaximum="3"', {"ok": True}, 1),
        ('loopMaximum="2" testBefore="true"', {"ok": False}, 2),
        ('testBefore="true"', {"ok": True}, 1),
    ],
)
def test_a_loop_is_done_so_often_and_no_more(loop: str, result: dict[str, Any], times: int) -> None:
    again = f"<standardLoopCharacteristics {loop}><loopCondition>ok != true</loopCondition>"
    specification = read(
        START + node("userTask", "work", again + "</standardLoopCharacteristics>")
        + node("task", "next") + flow("start", "work", "next")
    )  # fmt: skip
    maximum = "standardLoopCharacteristics, loopMaximum"
    assert verdicts(specification, maximum) == (RUNS if "loopMaximum" in loop else [])
    assert sound(specification)
    case, done = Driven(specification), 0
    while case.open == ["work"]:
        case.do("work", **result)
        done += 1
        assert done <= 3
    assert (done, case.open) == (times, ["next"])


def test_a_loop_whose_test_comes_before_may_be_passed() -> None:
    again = (
        '<standardLoopCharacteristics testBefore="true"><loopCondition>ok != true</loopCondition>'
    )
    specification = read(
        START + node("userTask", "work", again + "</standardLoopCharacteristics>")
        + node("task", "next") + flow("start", "work", "next")
    )  # fmt: skip
    assert Driven(specification, ok=True).open == ["next"]


def test_a_sub_process_without_a_condition_is_done_as_often_as_it_may() -> None:
    loop = '<standardLoopCharacteristics loopMaximum="2"/>'
    specification = read(START + node("subProcess", "s", loop + SUB) + flow("start", "s"))
    case = Driven(specification)
    first = case.open
    case.do(*first)
    assert case.open == first
    case.do(*first)
    assert case.case.status == "completed"


def ad_hoc(more: str = "", **attributes: str) -> Specification:
    inner = node("task", "a") + node("task", "b") + node("task", "c") + flow("b", "c")
    return read(
        START + node("adHocSubProcess", "any", inner + more, **attributes) + node("task", "next")
        + flow("start", "any", "next")
    )  # fmt: skip


def test_what_is_ad_hoc_is_done_in_any_order_until_its_condition_holds() -> None:
    done = "<completionCondition>done = true</completionCondition>"
    specification = ad_hoc(done)
    assert verdicts(specification, "adHocSubProcess, completionCondition") == RUNS
    assert sound(specification)
    case = Driven(specification)
    assert case.open == ["a", "b"]
    assert case.do("a") == ["a", "b"]
    assert case.do("b") == ["a", "c"]
    assert case.do("a", done=False) == ["a", "c"]
    assert case.do("c") == ["a", "b"]
    assert case.do("a", done=True) == ["next"], "the rest is withdrawn"


def test_what_is_ad_hoc_without_a_condition_is_done_once_each() -> None:
    case = Driven(ad_hoc())
    case.do("b")
    case.do("a")
    assert case.do("c") == ["next"]


def test_what_is_ad_hoc_and_sequential_is_done_one_at_a_time() -> None:
    specification = ad_hoc(ordering="Sequential")
    assert verdicts(specification, "adHocSubProcess, ordering Sequential") == RUNS
    case = Driven(specification)
    case.case.begin(case.item("b"))
    assert case.open == ["b"]
    case.do("b")
    assert case.open == ["c"], "a group is one activity and what follows on it"
    case.do("c")
    assert case.do("a") == ["next"]


def test_a_condition_of_what_is_ad_hoc_that_cannot_be_evaluated_is_not_asked() -> None:
    specification = ad_hoc("<completionCondition>${x.f()}</completionCondition>",
        cancelRemainingInstances="false")  # fmt: skip
    told = "adHocSubProcess, completionCondition that cannot be evaluated"
    assert verdicts(specification, told) == CHANGED
    assert Driven(specification).do("a") == ["b"]


def complex_join(inner: str) -> Specification:
    fork = node("parallelGateway", "fork") + "".join(node("task", n) for n in "abc")
    return read(
        START + fork + node("complexGateway", "join", inner) + node("task", "next")
        + flow("start", "fork") + "".join(flow("fork", n, "join") for n in "abc")
        + flow("join", "next")
    )  # fmt: skip


def test_a_complex_gateway_goes_on_at_the_nth_token() -> None:
    specification = complex_join(
        "<activationCondition>activationCount &gt;= 2</activationCondition>"
    )
    case = Driven(specification)
    assert case.do("b") == ["a", "c"]
    assert case.do("a") == ["c", "next"]
    assert case.do("c") == ["next"]


def test_a_complex_gateway_without_a_number_goes_on_as_an_inclusive_one() -> None:
    specification = complex_join("")
    told = "complexGateway, whose condition names no number"
    assert verdicts(specification, told) == CHANGED
    case = Driven(specification)
    case.do("b")
    case.do("a")
    assert case.do("c") == ["next"]


# ── instances, and what starts a process ─────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["userTask", "subProcess"])
@pytest.mark.parametrize("vendor", [True, False])
def test_the_results_of_many_instances_are_collected(kind: str, vendor: bool) -> None:
    told = (
        '<extensionElements><zeebe:loopCharacteristics inputCollection="=list" inputElement="one" '
        'outputCollection="sums" outputElement="=sum"/></extensionElements>'
        if vendor
        else "<loopDataInputRef>list</loopDataInputRef><loopDataOutputRef>sums</loopDataOutputRef>"
        '<inputDataItem id="i" name="one"/><outputDataItem id="o" name="sum"/>'
    )
    inner = f"<multiInstanceLoopCharacteristics>{told}</multiInstanceLoopCharacteristics>"
    inner += SUB if kind == "subProcess" else ""
    more = node("property", "p", name="sum")
    specification = read(more + START + node(kind, "each", inner) + flow("start", "each"))
    assert verdicts(specification, "multiInstanceLoopCharacteristics, output") == RUNS
    case = Driven(specification, list=[1, 2])
    (task,) = {*case.open}
    case.do(task, sum=3)
    case.do(task, sum=4)
    assert case.case.data["sums"] == [3, 4]


@pytest.mark.parametrize("sequential", ["true", "false"])
def test_a_message_is_received_many_times(sequential: str) -> None:
    loop = f'<multiInstanceLoopCharacteristics isSequential="{sequential}"><loopCardinality>2'
    loop += "</loopCardinality></multiInstanceLoopCharacteristics>"
    specification = read(
        START + node("receiveTask", "got", loop, messageRef="m") + node("task", "next")
        + flow("start", "got", "next"), more=NAMES,
    )  # fmt: skip
    assert sound(specification)
    case = Driven(specification)
    case.case.trigger("word")
    assert case.open == []
    case.case.trigger("word")
    assert case.open == ["next"]


def test_an_output_that_is_computed_is_told() -> None:
    inner = (
        "<multiInstanceLoopCharacteristics><extensionElements><zeebe:loopCharacteristics "
        'inputCollection="=list" outputCollection="sums" outputElement="={a: 1}"/>'
        "</extensionElements></multiInstanceLoopCharacteristics>"
    )
    specification = read(START + node("userTask", "each", inner) + flow("start", "each"))
    told = "multiInstanceLoopCharacteristics, an output that cannot be told"
    assert verdicts(specification, told) == CHANGED


def test_a_task_that_receives_starts_a_process() -> None:
    specification = read(
        node("receiveTask", "got", messageRef="m", instantiate="true") + node("task", "next")
        + flow("got", "next"), more=NAMES,
    )  # fmt: skip
    assert verdicts(specification, "receiveTask, that starts a process") == RUNS
    engine = Driven.engines.enter_context(weft.open(seed=1))
    engine.add(specification)
    (started,) = engine.emit("word").started
    assert [i.task for i in engine.open(started.case).work_list()] == ["next"]


@pytest.mark.parametrize(
    ("process", "construct"),
    [
        (node("task", "a", startQuantity="2"), "startQuantity"),
        (node("task", "a", completionQuantity="3"), "completionQuantity"),
        (
            node("task", "a", '<multiInstanceLoopCharacteristics behavior="One"/>'),
            "multiInstanceLoopCharacteristics, behavior",
        ),
        (
            node("callActivity", "a", calledElement="g"),
            "callActivity, of a global task",
        ),
    ],
)  # fmt: skip
def test_what_is_not_acted_on_is_told(process: str, construct: str) -> None:
    more = NAMES + node("globalUserTask", "g", name="Check")
    specification = read(START + process + flow("start", "a"), more=more)
    expected = RUNS if "global" in construct else CHANGED
    assert verdicts(specification, construct) == expected


# ── ends, links, transactions ────────────────────────────────────────────────────────────────


def test_an_end_that_terminates_ends_its_sub_process_alone() -> None:
    inner = (
        node("startEvent", "in") + node("parallelGateway", "both") + node("task", "x")
        + node("task", "y") + node("endEvent", "stop", "<terminateEventDefinition/>")
        + flow("in", "both", "x", "stop") + flow("both", "y")
    )  # fmt: skip
    specification = read(
        START + node("subProcess", "s", inner) + node("task", "next") + flow("start", "s", "next")
    )
    assert Driven(specification).do("x") == ["next"]
    assert Driven(specification).do("y") == ["x"]


def test_an_end_that_terminates_ends_what_event_sub_processes_have_begun() -> None:
    handler = node("subProcess", "handler", node("startEvent", "rung", ONE,
        isInterrupting="false") + node("task", "note") + flow("rung", "note"),
        triggeredByEvent="true")  # fmt: skip
    specification = read(
        START + node("task", "a") + node("endEvent", "stop", "<terminateEventDefinition/>")
        + flow("start", "a", "stop") + handler, more=NAMES,
    )  # fmt: skip
    assert sound(specification)
    case = Driven(specification)
    case.case.trigger("word")
    assert case.open == ["a", "note"]
    case.do("a")
    assert case.case.status == "completed"


def test_several_links_lead_to_one_event() -> None:
    specification = read(
        START + node("exclusiveGateway", "g") + "".join(
            node("intermediateThrowEvent", f"t{n}", '<linkEventDefinition name="L"/>')
            for n in (1, 2))
        + node("intermediateCatchEvent", "l", '<linkEventDefinition name="L"/>')
        + node("task", "next") + flow("start", "g") + flow("g", "t1", when="${x == 1}")
        + flow("g", "t2", when="${x != 1}") + flow("l", "next")
    )  # fmt: skip
    for x in (1, 2):
        assert Driven(specification, x=x).open == ["next"]


@pytest.mark.parametrize("kind", ["intermediateCatchEvent", "boundaryEvent"])
@pytest.mark.parametrize("what", ["terminateEventDefinition", "linkageEventDefinition"])
def test_what_nothing_waits_for_is_refused(kind: str, what: str) -> None:
    event = node(kind, "e", f"<{what}/>", attachedToRef="work")
    with pytest.raises(DefinitionErrors, match="cannot wait for a"):
        read(START + node("task", "work") + event + END + flow("start", "work", "end"))


def test_a_maximum_of_a_loop_that_is_no_number_is_refused() -> None:
    loop = '<standardLoopCharacteristics loopMaximum="often"/>'
    with pytest.raises(DefinitionErrors, match="loopMaximum is 'often'"):
        read(START + node("task", "a", loop) + flow("start", "a"))


# ── what several engines write ───────────────────────────────────────────────────────────────


EVENTS = (
    node("intermediateCatchEvent", "mailed", ONE) + node("intermediateCatchEvent", "rung", SIGNAL)
    + node("task", "a") + node("task", "b") + node("parallelGateway", "j") + node("task", "last")
    + flow("gate", "mailed", "a", "j", "last") + flow("gate", "rung", "b", "j")
)  # fmt: skip


def test_a_gateway_of_events_that_starts_a_process_goes_on_behind_the_one_that_came() -> None:
    gate = node("eventBasedGateway", "gate", instantiate="true")
    events = EVENTS.replace("parallelGateway", "exclusiveGateway")
    specification = read(gate + events, more=NAMES)
    assert verdicts(specification, "eventBasedGateway, that starts a process") == RUNS
    assert sound(specification)
    engine = Driven.engines.enter_context(weft.open(seed=1))
    engine.add(specification)
    for event, task in (("word", "a"), ("alarm", "b")):
        (started,) = engine.emit(event).started
        assert [i.task for i in engine.open(started.case).work_list()] == [task]
    case = Driven(specification)
    assert case.open == []
    case.case.trigger("word")
    assert case.open == ["a"], "one that is started from outside waits for either"


def test_a_parallel_gateway_of_events_waits_for_all_of_them() -> None:
    gate = node("eventBasedGateway", "gate", instantiate="true", eventGatewayType="Parallel")
    specification = read(gate + EVENTS, more=NAMES)
    assert verdicts(specification, "eventBasedGateway, of the type Parallel") == RUNS
    assert sound(specification)
    engine = Driven.engines.enter_context(weft.open(seed=1))
    engine.add(specification)
    (started,) = engine.emit("alarm").started
    case = engine.open(started.case)
    assert [i.task for i in case.work_list()] == ["b"]
    case.trigger("word")
    for task in ("a", "b", "last"):
        case.complete(next(i.item for i in case.work_list() if i.task == task))
        case.wait()
    assert case.status == "completed"


def test_an_error_or_a_signal_that_is_not_declared_is_called_as_it_is_referred_to() -> None:
    inner = node("startEvent", "in") + node("endEvent", "bad",
        '<errorEventDefinition errorRef="tooMuch"/>') + flow("in", "bad")  # fmt: skip
    specification = read(
        START + node("subProcess", "s", inner)
        + node("boundaryEvent", "edge", '<errorEventDefinition errorRef="tooMuch"/>', attachedToRef="s")
        + node("intermediateCatchEvent", "rung", '<signalEventDefinition signalRef="bell"/>')
        + node("task", "a") + flow("start", "s", "a") + flow("edge", "rung", "a")
    )  # fmt: skip
    assert verdicts(specification, "errorEventDefinition, of what is not declared") == CHANGED * 2
    assert verdicts(specification, "signalEventDefinition, of what is not declared") == CHANGED
    case = Driven(specification)
    assert case.open == []
    case.case.trigger("bell")
    assert case.open == ["a"]


def test_event_sub_processes_that_cannot_begin_are_left_out_and_told() -> None:
    handler = node("subProcess", "never", triggeredByEvent="true")
    undo = node("subProcess", "undo", node("startEvent", "u", "<compensateEventDefinition/>"),
        triggeredByEvent="true")  # fmt: skip
    edge = node("boundaryEvent", "edge", ONE, attachedToRef="never")
    specification = read(
        START + node("task", "a") + handler + undo + edge + node("task", "lost")
        + flow("start", "a") + flow("edge", "lost"), more=NAMES,
    )  # fmt: skip
    for construct in (
        "subProcess, triggered by an event, without a start event",
        "subProcess, triggered by an event, that undoes a whole process",
        "boundaryEvent, of a sub-process that an event triggers",
    ):
        assert verdicts(specification, construct) == CHANGED
    case = Driven(specification)
    assert case.do("a") == []
    assert case.case.status == "completed"


def test_an_event_sub_process_undoes_the_sub_process_that_it_is_in() -> None:
    undo = node("subProcess", "undo", node("startEvent", "u", "<compensateEventDefinition/>")
        + node("task", "back") + flow("u", "back"), triggeredByEvent="true")  # fmt: skip
    inner = node("startEvent", "in") + node("task", "book") + flow("in", "book") + undo
    specification = read(
        START + node("subProcess", "trip", inner) + node("task", "check")
        + node("endEvent", "off", "<compensateEventDefinition/>")
        + flow("start", "trip", "check", "off")
    )  # fmt: skip
    assert verdicts(specification, "compensateEventDefinition, of a sub-process") == RUNS
    assert sound(specification)
    case = Driven(specification)
    assert case.do("book") == ["check"]
    assert case.do("check") == ["back"]
    case.do("back")
    assert case.case.status == "completed"


def test_a_choreography_beside_a_process_is_kept() -> None:
    specification = read(START, more=node("choreography", "c"))
    assert verdicts(specification, "choreography, beside a process") == [Verdict.KEPT]


def test_lanes_are_those_of_sub_processes_too_and_of_what_the_diagram_shows_in_them() -> None:
    def shape(id: str, x: int) -> str:
        box = f'<d:Bounds x="{x}" y="0" width="50" height="50" xmlns:d="d"/>'
        return f'<b:BPMNShape bpmnElement="{id}" xmlns:b="b">{box}</b:BPMNShape>'

    inner = node("startEvent", "in") + node("userTask", "ask") + flow("in", "ask")
    lanes = (
        "<laneSet><lane id='l1' name='Sales'><flowNodeRef>x:s</flowNodeRef></lane>"
        "<lane id='l2' name='Stock'/></laneSet>"
    )
    specification = read(
        lanes + START + node("subProcess", "s", inner) + node("userTask", "pack")
        + flow("start", "s", "pack"),
        more=f"<diagram>{shape('l2', 100)}{shape('pack', 110)}{shape('s', 400)}</diagram>",
    )  # fmt: skip
    assert verdicts(specification, "lane, that names nothing in it") == CHANGED
    roles = {
        name: use.argument["role"]
        for net in specification.nets.values()
        for name, task in net.tasks.items()
        for use in task.uses
        if use.name == "person" and isinstance(use.argument, dict)
    }
    assert roles == {"ask": "Sales", "pack": "Stock"}


def test_items_of_instances_that_are_called_by_their_identifiers() -> None:
    loop = """<multiInstanceLoopCharacteristics><loopDataInputRef>given</loopDataInputRef>
      <loopDataOutputRef>taken</loopDataOutputRef><inputDataItem id="one"/>
      <outputDataItem id="answer"/><completionCondition>told.size == 1</completionCondition>
      </multiInstanceLoopCharacteristics>"""
    io = """<ioSpecification><dataInput id="given" name="asked"/>
      <dataOutput id="taken" name="told"/></ioSpecification>"""
    specification = read(
        START
        + node("userTask", "ask", io + loop)
        + node("task", "next")
        + flow("start", "ask", "next")
    )
    told = "multiInstanceLoopCharacteristics, completionCondition that cannot be evaluated"
    assert verdicts(specification, told) == CHANGED, "the list is there when all are done"
    assert verdicts(specification, "multiInstanceLoopCharacteristics, output") == RUNS
    case = Driven(specification, asked=["a", "b"])
    case.do("ask", answer=1)
    assert case.do("ask", answer=2) == ["next"]
    assert case.case.data["told"] == [1, 2]


POOLS = """<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="t">
<collaboration id="c">
  <participant id="shop" name="Shop" processRef="buying"/>
  <participant id="bank" name="Bank" processRef="paying"/>
  <participant id="post" name="Post"/>
  <messageFlow id="m1" name="Bill" sourceRef="ask" targetRef="asked"/>
  <messageFlow id="m2" sourceRef="pay" targetRef="paid"/>
  <messageFlow id="m3" name="Parcel" sourceRef="send" targetRef="post"/>
</collaboration>
<process id="buying" isExecutable="true">
  <startEvent id="s"/><sendTask id="ask"/>
  <intermediateCatchEvent id="paid"><messageEventDefinition/></intermediateCatchEvent>
  <sendTask id="send"/><endEvent id="e"/>
  <sequenceFlow id="f1" sourceRef="s" targetRef="ask"/>
  <sequenceFlow id="f2" sourceRef="ask" targetRef="paid"/>
  <sequenceFlow id="f3" sourceRef="paid" targetRef="send"/>
  <sequenceFlow id="f4" sourceRef="send" targetRef="e"/>
</process>
<process id="paying">
  <startEvent id="asked"><messageEventDefinition/></startEvent><userTask id="check"/>
  <endEvent id="pay"><messageEventDefinition/></endEvent>
  <sequenceFlow id="f5" sourceRef="asked" targetRef="check"/>
  <sequenceFlow id="f6" sourceRef="check" targetRef="pay"/>
</process></definitions>"""


def test_pools_that_run_side_by_side_exchange_the_messages_that_are_drawn(tmp_path: Path) -> None:
    path = tmp_path / "pools.bpmn"
    path.write_text(POOLS)
    shop, bank = weft.load(path), weft.load(path, process="Bank")
    assert verdicts(shop, "messageFlow, that names its message") == RUNS * 2
    assert verdicts(shop, "messageFlow") == [Verdict.KEPT], "the post has no process here"
    assert [t.event for t in bank.triggers] == ["Bill"]
    engine = Driven.engines.enter_context(weft.open(seed=1))
    engine.add(bank)
    buying = engine.start(shop)
    buying.wait()
    (paying,) = [engine.open(c.case) for c in engine.cases() if c.specification == "paying"]
    paying.complete(paying.work_list()[0].item)
    paying.wait()
    assert paying.status == "completed"
    assert [i.task for i in buying.work_list()] == ["send"], "which somebody does"

"""BPMN files: what is read of them, what a case of them does, and what is said of each part."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import weft
from weft.schema.bpmn import MODEL, read_bpmn
from weft.schema.bpmn_constructs import CONSTRUCTS
from weft.schema.errors import DefinitionError, DefinitionErrors
from weft.schema.imports import Verdict
from weft.schema.specification import Specification, Use

XSI = "http://www.w3.org/2001/XMLSchema-instance"


def written(process: str, *, more: str = "", attributes: str = 'isExecutable="true"') -> bytes:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="{MODEL}" xmlns:xsi="{XSI}" xmlns:camunda="http://camunda.org/schema/1.0/bpmn"
  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="http://example.org">
<process id="order" {attributes}>{process}</process>{more}</definitions>""".encode()


def flow(*ends: str, when: str = "", name: str = "", id: str = "") -> str:
    """Flows along the nodes."""
    made = ""
    for source, target in pairwise(ends):
        inner = f"<conditionExpression>{when}</conditionExpression>" if when else ""
        made += (
            f'<sequenceFlow id="{id or f"{source}_{target}"}" name="{name}" sourceRef="{source}" '
            f'targetRef="{target}">{inner}</sequenceFlow>'
        )
    return made


def node(kind: str, id: str, inner: str = "", **attributes: str) -> str:
    told = " ".join(f'{k.replace("__", ":")}="{v}"' for k, v in attributes.items())
    return f'<{kind} id="{id}" {told}>{inner}</{kind}>'


START = node("startEvent", "start")
END = node("endEvent", "end")


def read(process: str, **more: Any) -> Specification:
    return read_bpmn(written(process, **more), file="order.bpmn")


class Driven:
    """A case that somebody works through, item by item."""

    engines: ExitStack

    def __init__(self, specification: Specification, **data: Any) -> None:
        engine = self.engines.enter_context(weft.open(seed=1))
        self.case = engine.start(specification, data)
        self.case.wait()

    @property
    def open(self) -> list[str]:
        return sorted(item.task for item in self.case.work_list())

    def item(self, task: str) -> str:
        return next(i.item for i in self.case.work_list() if i.task == task)

    def do(self, task: str, **result: Any) -> list[str]:
        self.case.complete(self.item(task), result)
        self.case.wait()
        return self.open


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """The engines of a test end with it."""
    with ExitStack() as Driven.engines:
        yield


def verdicts(specification: Specification, construct: str) -> list[Verdict]:
    return [p.verdict for p in specification.imported if p.construct == construct]


def test_a_sequence_of_tasks_is_worked_through() -> None:
    case = Driven(
        read(
            START + node("userTask", "ask", name="Ask the customer") + node("task", "pay") + END
            + flow("start", "ask", "pay", "end")
        )
    )  # fmt: skip
    assert case.open == ["ask"]
    assert b"Ask the customer" in (case.case.work_list()[0].form or b"")
    assert case.do("ask") == ["pay"]
    assert case.do("pay") == []
    assert case.case.status == "completed"


@pytest.mark.parametrize(
    "when",
    ["${amount gt 100}", "= amount > 100", "amount &gt; 100", "getDataObject('amount') > 100"],
)
def test_conditions_of_several_notations_decide(when: str) -> None:
    specification = read(
        START + node("userTask", "ask") + node("exclusiveGateway", "big", default="big_small")
        + node("task", "large") + node("task", "small")
        + flow("start", "ask", "big") + flow("big", "large", when=when) + flow("big", "small")
    )  # fmt: skip
    assert Driven(specification).do("ask", amount=200) == ["large"]
    assert Driven(specification).do("ask", amount=20) == ["small"]


def test_somebody_decides_where_a_gateway_has_no_conditions() -> None:
    specification = read(
        START + node("exclusiveGateway", "fits", name="Does it fit?")
        + node("task", "ship") + node("task", "alter")
        + flow("start", "fits") + flow("fits", "ship", name="yes") + flow("fits", "alter", name="no")
    )  # fmt: skip
    case = Driven(specification)
    assert case.open == ["fits"]
    assert case.do("fits", choice="no") == ["alter"]
    assert verdicts(specification, "exclusiveGateway, without conditions") == [Verdict.CHANGED]


def test_a_condition_that_calls_code_becomes_a_question() -> None:
    specification = read(
        START + node("exclusiveGateway", "fits") + node("task", "a") + node("task", "b")
        + flow("start", "fits") + flow("fits", "a", when="${order.isBig()}") + flow("fits", "b")
    )  # fmt: skip
    (told,) = [p for p in specification.imported if p.construct.endswith("cannot be evaluated")]
    assert "order.isBig() calls code" in told.note
    assert told.id == "fits_a"
    assert Driven(specification).do("fits", choice="a") == ["a"]


def test_an_inclusive_gateway_asks_for_several_ways_and_waits_for_them() -> None:
    specification = read(
        START + node("inclusiveGateway", "which") + node("task", "a") + node("task", "b")
        + node("task", "c") + node("inclusiveGateway", "all") + node("task", "done")
        + flow("start", "which") + "".join(flow("which", x, "all") for x in "abc")
        + flow("all", "done")
    )  # fmt: skip
    case = Driven(specification)
    assert case.do("which", to=["a", "c"]) == ["a", "c"]
    assert case.do("a") == ["c"]
    assert case.do("c") == ["done"]


def test_parallel_gateways_begin_all_and_wait_for_all() -> None:
    case = Driven(
        read(
            START + node("parallelGateway", "both") + node("task", "a") + node("task", "b")
            + node("parallelGateway", "joined") + node("task", "c")
            + flow("start", "both", "a", "joined", "c") + flow("both", "b", "joined")
        )
    )  # fmt: skip
    assert case.open == ["a", "b"]
    assert case.do("a") == ["b"]
    assert case.do("b") == ["c"]


def test_whatever_happens_first_withdraws_the_others() -> None:
    message = '<message id="m" name="paid"/>'
    specification = read(
        START + node("eventBasedGateway", "first")
        + node("intermediateCatchEvent", "paid", '<messageEventDefinition messageRef="m"/>')
        + node("intermediateCatchEvent", "late",
               "<timerEventDefinition><timeDuration>P3D</timeDuration></timerEventDefinition>")
        + node("task", "ship") + node("task", "remind")
        + flow("start", "first", "paid", "ship") + flow("first", "late", "remind"),
        more=message,
    )  # fmt: skip
    case = Driven(specification)
    case.case.trigger("paid", {"sum": 3})
    assert case.open == ["ship"]
    case = Driven(specification)
    case.case.wait(timers=True)
    assert case.open == ["remind"]


SUB = node("startEvent", "in") + node("task", "inner") + flow("in", "inner")


def test_a_sub_process_works_on_a_copy_of_the_variables() -> None:
    specification = read(
        START + node("subProcess", "sub", SUB) + node("exclusiveGateway", "g", default="g_b")
        + node("task", "a") + node("task", "b")
        + flow("start", "sub", "g") + flow("g", "a", when="${ok}") + flow("g", "b")
    )  # fmt: skip
    case = Driven(specification)
    assert case.open == ["inner"]
    assert case.do("inner", ok=True) == ["a"]
    assert case.case.data["ok"] is True


def boundary(inner: str, *, interrupts: bool = True, host: str = "work") -> str:
    told = {"attachedToRef": host, "cancelActivity": str(interrupts).lower()}
    return node("boundaryEvent", "edge", inner, **told) + node("task", "other")


def beside(inner: str, *, interrupts: bool = True, work: str = "", more: str = "") -> Specification:
    return read(
        START + (work or node("userTask", "work")) + node("task", "next")
        + boundary(inner, interrupts=interrupts) + flow("start", "work", "next")
        + flow("edge", "other"),
        more=more,
    )  # fmt: skip


MESSAGE = '<messageEventDefinition messageRef="m"/>'
STOP = '<message id="m" name="stop"/>'
TIMER = "<timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition>"


@pytest.mark.parametrize("work", ["", node("subProcess", "work", SUB)])
@pytest.mark.parametrize("inner", [MESSAGE, TIMER])
def test_an_interrupting_boundary_event_withdraws_its_activity(inner: str, work: str) -> None:
    specification = beside(inner, work=work, more=STOP)
    case = Driven(specification)
    if inner is MESSAGE:
        case.case.trigger("stop")
    else:
        case.case.wait(timers=True)
    assert case.open == ["other"]
    case.do("other")
    assert case.case.status == "completed"
    case = Driven(specification)
    assert case.do(case.open[0]) == ["next"]
    case.do("next")
    assert case.case.status == "completed"  # nothing waits for the event any more


def test_a_boundary_event_that_does_not_interrupt_begins_a_branch_each_time() -> None:
    case = Driven(beside(MESSAGE, interrupts=False, more=STOP))
    case.case.trigger("stop")
    assert case.open == ["other", "work"]
    case.case.trigger("stop")
    assert case.open == ["other", "other", "work"]
    assert case.do("work") == ["next", "other", "other"]
    for task in ("next", "other", "other"):
        case.do(task)
    assert case.case.status == "completed"


def test_an_error_is_caught_by_its_code_or_passed_on() -> None:
    thrown = node("endEvent", "broken", '<errorEventDefinition errorRef="e"/>')
    inner = node("startEvent", "in") + thrown + flow("in", "broken")
    work = node("subProcess", "work", inner)
    errors = '<error id="e" errorCode="E7"/><error id="f" errorCode="E8"/>'
    for reference, expected in (("e", ["other"]), ("", ["other"]), ("f", [])):
        attribute = f'errorRef="{reference}"' if reference else ""
        case = Driven(beside(f"<errorEventDefinition {attribute}/>", work=work, more=errors))
        case.case.wait()
        if expected:
            assert case.open == expected, reference
        else:
            assert case.case.status == "failed"
            assert case.case.error["code"] == "E7"


def test_an_event_sub_process_interrupts_the_rest_of_its_process() -> None:
    handler = node(
        "subProcess", "handler",
        node("startEvent", "stopped", MESSAGE) + node("task", "clear") + flow("stopped", "clear"),
        triggeredByEvent="true",
    )  # fmt: skip
    specification = read(
        START + node("task", "a") + node("task", "b") + flow("start", "a", "b") + handler, more=STOP
    )
    case = Driven(specification)
    case.do("a")
    case.case.trigger("stop")
    assert case.open == ["clear"]
    case.do("clear")
    assert case.case.status == "completed"
    case = Driven(specification)
    case.do("a")
    case.do("b")
    assert case.case.status == "completed"


@pytest.mark.parametrize(("sequential", "at_once"), [("false", 3), ("true", 1)])
def test_many_instances_for_a_list(sequential: str, at_once: int) -> None:
    loop = node(
        "multiInstanceLoopCharacteristics", "mi", isSequential=sequential,
        camunda__collection="${people}", camunda__elementVariable="person",
    )  # fmt: skip
    specification = read(
        START + node("userTask", "ask", loop) + node("task", "next") + flow("start", "ask", "next")
    )
    case = Driven(specification, people=["a", "b", "c"])
    case.case.begin(case.item("ask"))
    assert len(case.open) == at_once  # in order: while one is under way nothing else can begin
    for _ in range(3):
        case.do("ask")
    assert case.open == ["next"]


def test_many_instances_end_by_their_condition() -> None:
    loop = node(
        "multiInstanceLoopCharacteristics", "mi",
        "<loopCardinality>4</loopCardinality>"
        "<completionCondition>${nrOfCompletedInstances &gt;= 2}</completionCondition>",
    )  # fmt: skip
    case = Driven(
        read(
            START + node("task", "ask", loop) + node("task", "next") + flow("start", "ask", "next")
        )
    )
    case.do("ask")
    assert case.do("ask") == ["next"]


def test_a_loop_is_done_again_while_its_condition_holds() -> None:
    loop = "<loopCondition>${tries &lt; 2}</loopCondition>"
    case = Driven(
        read(
            START + node("task", "a", node("standardLoopCharacteristics", "l", loop))
            + node("task", "b") + flow("start", "a", "b")
        )
    )  # fmt: skip
    assert case.do("a", tries=1) == ["a"]
    assert case.do("a", tries=2) == ["b"]


def test_calling_a_process_of_the_file_and_one_that_is_elsewhere() -> None:
    other = f'<process id="other">{SUB}</process>'
    case = Driven(
        read(
            START + node("callActivity", "call", calledElement="other")
            + node("callActivity", "far", calledElement="nowhere") + flow("start", "call", "far"),
            more=other,
        )
    )  # fmt: skip
    assert case.do("inner") == ["far"]
    case.do("far")
    assert case.case.status == "completed"


def test_links_terminate_and_throwing_events() -> None:
    link = '<linkEventDefinition name="x"/>'
    case = Driven(
        read(
            START + node("parallelGateway", "p")
            + node("intermediateThrowEvent", "go", link) + node("intermediateCatchEvent", "come", link)
            + node("task", "a") + node("task", "b")
            + node("endEvent", "stop", "<terminateEventDefinition/>")
            + flow("start", "p", "go") + flow("p", "b") + flow("come", "a", "stop")
        )
    )  # fmt: skip
    assert case.open == ["a", "b"]
    assert case.do("a") == []
    assert case.case.status == "completed"


def test_roles_come_from_lanes_and_vendors() -> None:
    lanes = (
        '<laneSet id="ls"><lane id="l" name="Sales"><flowNodeRef>a</flowNodeRef></lane></laneSet>'
    )
    specification = read(
        lanes + START + node("task", "a") + node("userTask", "b", camunda__candidateGroups="boss, x")
        + node("serviceTask", "c",
               '<extensionElements><zeebe:taskDefinition type="mail"/></extensionElements>')
        + flow("start", "a", "b", "c")
    )  # fmt: skip
    roles = [
        t.uses[0].argument.get("role") for t in list(specification.nets["net"].tasks.values())[1:]
    ]  # type: ignore[union-attr]
    assert roles == ["Sales", "boss", "mail"]


def test_several_start_events_and_what_starts_cases() -> None:
    specification = read(
        START + node("startEvent", "mail", MESSAGE)
        + node("startEvent", "daily", "<timerEventDefinition><timeCycle>0 0 9 * * ?</timeCycle></timerEventDefinition>")
        + node("task", "a") + node("task", "b") + node("task", "c")
        + flow("start", "a") + flow("mail", "b") + flow("daily", "c"),
        more=STOP,
    )  # fmt: skip
    assert Driven(specification).open == ["a"]
    assert Driven(specification, start_event="mail").open == ["b"]
    assert [t.event for t in specification.triggers] == ["stop"]
    assert [(s.schedule, s.data) for s in specification.schedules] == [
        ("0 9 * * *", {"start_event": "daily"})
    ]


def test_what_no_flow_leads_to_is_left_out_and_told() -> None:
    specification = read(START + node("task", "a") + node("task", "lost") + flow("start", "a"))
    assert "lost" not in specification.nets["net"].tasks
    assert [p.id for p in specification.imported if p.construct == "what no flow leads to"] == [
        "lost"
    ]


def test_a_task_that_is_called_like_a_word_of_the_expressions() -> None:
    amount = node("property", "p", name="amount")
    specification = read(amount + START + node("task", "true") + flow("start", "true"))
    case = Driven(specification)
    assert case.open == ["true_2"]
    case.do("true_2", amount=3)
    assert case.case.data["true_2"] == {"amount": 3}


def test_two_flows_between_the_same_nodes_are_two() -> None:
    case = Driven(
        read(
            START + node("parallelGateway", "p") + node("task", "a") + flow("start", "p")
            + flow("p", "a", id="f1") + flow("p", "a", id="f2")
        )
    )  # fmt: skip
    assert case.open == ["a", "a"]


@pytest.mark.parametrize(
    ("process", "said"),
    [
        (START + flow("start", "nowhere"), "its targetRef 'nowhere' is not in the file"),
        (START + START, "the id 'start' stands in line 4 already"),
        (START + node("exclusiveGateway", "g"), "a gateway without flows"),
        (START + node("task", "a", default="x"), "its default 'x' is no flow"),
        (node("boundaryEvent", "b", TIMER, attachedToRef="x"), "attached to 'x', which is no activity"),
        (START + node("receiveTask", "r", messageRef="m"), "messageRef names 'm'"),
        (START + "<teaTime id='t'/>", "teaTime 't' is no element of BPMN that is read"),
        (START + node("task", "a") + flow("a", "start"), "leads into a startEvent"),
        (node("intermediateThrowEvent", "t", '<linkEventDefinition name="x"/>'), "no event here catches"),
        ("<startEvent/>", "a startEvent has no id"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_its_place(process: str, said: str) -> None:
    with pytest.raises(DefinitionErrors) as raised:
        read(process)
    assert said in str(raised.value)
    assert all(f.line and f.file == "order.bpmn" for f in raised.value.faults)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"no xml", "this is not XML"),
        (b"<a/>", "the root element is 'a'"),
        (f'<definitions xmlns="{MODEL}"/>'.encode(), "there is no process in it"),
        (written(""), "no process with a task, event or gateway"),
        (
            b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + written(START)[39:],
            "document type declaration",
        ),
        (b"<a>" * 10_000, "this is not XML"),
        (written(START)[:-20], "this is not XML"),
        (written(START).replace(b"UTF-8", b"UTF-77"), "this is not XML"),
        (b"\xff\xfe\x00", "this is not XML"),
    ],
)
def test_what_is_no_bpmn_is_refused(text: bytes, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        read_bpmn(text, file="x.bpmn")


def test_other_encodings_are_read_and_kept_as_utf_8() -> None:
    text = written(START + node("task", "a", name="Grüße") + flow("start", "a")).decode()
    encoded = text.replace("UTF-8", "ISO-8859-1").encode("latin-1")
    specification = read_bpmn(encoded)
    assert specification.nets["net"].tasks["a"].title == "Grüße"
    again = read_bpmn(specification.source.text.decode().encode())
    assert again.nets == specification.nets


def test_every_word_of_the_report_is_in_the_table() -> None:
    specification = read(START + node("scriptTask", "a") + flow("start", "a"))
    assert {p.construct for p in specification.imported} <= {*CONSTRUCTS}
    assert {c.verdict for c in CONSTRUCTS.values()} == {*Verdict}


def test_a_gateway_goes_to_the_native_format_and_back() -> None:
    from weft.schema.native import read_native
    from weft.schema.native_writer import write_native

    specification = read(
        START + node("parallelGateway", "both") + node("userTask", "a") + node("subProcess", "b", SUB)
        + node("parallelGateway", "joined") + flow("start", "both", "a", "joined")
        + flow("both", "b", "joined") + boundary(TIMER, host="a") + flow("edge", "other")
    )  # fmt: skip
    again = read_native(write_native(specification).encode())
    assert again.nets == specification.nets
    assert specification.nets["net"].tasks["a"].on_timeout == Use("sequence", "edge")


def test_the_page_and_the_reader_have_the_same_table() -> None:
    from weft.schema.bpmn_constructs import as_markdown

    page = Path(__file__).parents[2] / "docs" / "bpmn.md"
    assert as_markdown() in page.read_text(encoding="utf-8")
    source = (Path(__file__).parents[2] / "schema" / "bpmn.py").read_text(encoding="utf-8")
    for construct in CONSTRUCTS:
        element, _, rest = construct.partition(", ")
        # What the reader tells by the element's own name stands in its lists of elements.
        assert f'"{construct}"' in source or element in source or (rest and rest in source)


def test_the_command_line_tells_what_has_become_of_each_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from weft.cli import main

    file = tmp_path / "order.bpmn"
    file.write_bytes(written(START + node("scriptTask", "a") + flow("start", "a")))
    assert main(["show", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "changed   scriptTask" in shown
    assert "scripts are not run" in shown
    assert main(["convert", str(file), str(tmp_path / "order.yaml")]) == 0
    assert "1 part of" in capsys.readouterr().err
    assert main(["show", "--json", str(tmp_path / "order.yaml")]) == 0
    assert '"imported": []' in capsys.readouterr().out


def test_a_file_with_a_diagram_in_utf_16_that_only_calls_itself_xml(tmp_path: Path) -> None:
    diagram = """<BPMNDiagram xmlns="http://www.omg.org/spec/BPMN/20100524/DI"
    xmlns:dc="http://www.omg.org/spec/DD/20100524/DC"><BPMNPlane>
    <BPMNShape bpmnElement="a"><dc:Bounds x="10" y="20" width="100" height="80"/></BPMNShape>
    <BPMNShape bpmnElement="start"><dc:Bounds x="left" y="20"/></BPMNShape>
    </BPMNPlane></BPMNDiagram>"""
    text = written(START + node("task", "a") + flow("start", "a"), more=diagram).decode()
    file = tmp_path / "order.xml"
    file.write_bytes(text.replace("UTF-8", "UTF-16").encode("utf-16"))
    specification = weft.load(file)
    assert specification.source.format == "bpmn"
    assert specification.metadata["layout"] == {"net": {"a": [10.0, 20.0, 100.0, 80.0]}}
    assert verdicts(specification, "diagram") == [Verdict.KEPT]


def test_a_sub_process_that_no_flow_leads_to_is_left_out_with_its_net() -> None:
    specification = read(
        START + node("task", "a") + flow("start", "a") + node("subProcess", "s", SUB)
    )
    assert list(specification.nets) == ["net"]
    Driven(specification)


def test_a_cancelled_transaction_and_an_escalation() -> None:
    inner = node("startEvent", "in") + node("endEvent", "out", "<cancelEventDefinition/>")
    work = node("transaction", "work", inner + flow("in", "out"))
    case = Driven(beside("<cancelEventDefinition/>", work=work))
    assert case.open == ["other"]
    case = Driven(beside("<escalationEventDefinition/>"))
    case.case.trigger("edge")
    assert case.open == ["other"]


def test_sub_processes_are_nested_only_so_deep() -> None:
    deep = "".join(f'<subProcess id="s{n}">' for n in range(200))
    with pytest.raises(DefinitionError, match="nested more than 50 deep") as refused:
        read(f"{deep}{node('task', 'a')}{'</subProcess>' * 200}")
    assert refused.value.line


# ── what is sent ─────────────────────────────────────────────────────────────────────────────

NAMES = node("message", "m", name="Order confirmed") + node("signal", "s", name="stop")


def throws(kind: str, what: str, id: str = "throw") -> str:
    return node(kind, id, f'<{what}EventDefinition {what}Ref="{what[0]}"/>')


def catches(what: str, id: str = "catch") -> str:
    inner = f'<{what}EventDefinition {what}Ref="{what[0]}"/>'
    return node("intermediateCatchEvent", id, inner)


@pytest.mark.parametrize(
    ("thrower", "what"),
    [
        (throws("intermediateThrowEvent", "message"), "message"),
        (throws("endEvent", "message"), "message"),
        (node("sendTask", "throw", messageRef="m"), "message"),
        (throws("intermediateThrowEvent", "signal"), "signal"),
        (throws("endEvent", "signal"), "signal"),
    ],
)
def test_what_is_thrown_is_caught_in_the_case(thrower: str, what: str) -> None:
    specification = read(
        START + node("parallelGateway", "fork") + thrower + catches(what) + node("task", "next")
        + node("task", "ask") + flow("start", "fork", "catch", "next")
        + flow("fork", "ask", "throw"), more=NAMES,
    )  # fmt: skip
    case = Driven(specification)
    assert case.open == ["ask"]
    assert case.do("ask") == ["next"]
    told = [p for p in specification.imported if p.verdict is Verdict.CHANGED]
    assert told == []


def test_a_signal_reaches_all_cases_and_a_message_one() -> None:
    for what, reached in (("signal", 2), ("message", 1)):
        waiting = read(START + catches(what) + flow("start", "catch"), more=NAMES)
        thrower = read(
            START + throws("endEvent", what) + flow("start", "throw"), more=NAMES
        )  # fmt: skip
        with weft.open(seed=1) as engine:
            cases = [engine.run(waiting) for _ in range(2)]
            assert engine.run(thrower).status == "completed"
            assert [c.status for c in cases].count("completed") == reached


def test_a_message_starts_a_process_with_the_variables() -> None:
    start = node("startEvent", "start", '<messageEventDefinition messageRef="m"/>')
    amount = node("property", "p", name="amount")
    receiver = read(amount + start + node("task", "got") + flow("start", "got"), more=NAMES)
    thrower = read(
        amount + START + node("task", "ask") + throws("endEvent", "message")
        + flow("start", "ask", "throw"), more=NAMES,
    )  # fmt: skip
    with weft.open(seed=1) as engine:
        receiver = weft.loads(
            receiver.source.text.replace(b'"order"', b'"receiver"').decode(), format="bpmn"
        )
        engine.add(receiver)
        case = engine.run(thrower)
        case.complete("ask/1", {"amount": 7})
        case.wait()
        (started,) = [c for c in engine.cases() if c.specification == "receiver"]
        assert engine.open(started.case).data["amount"] == 7


@pytest.mark.parametrize("vendor", [True, False])
def test_a_correlation_key_tells_receivers_apart(vendor: bool) -> None:
    if vendor:
        more = node(
            "message", "m",
            '<extensionElements><zeebe:subscription correlationKey="= number"/></extensionElements>',
            name="paid",
        )  # fmt: skip
    else:
        more = node("message", "m", name="paid") + node(
            "correlationProperty", "cp",
            '<correlationPropertyRetrievalExpression messageRef="m">'
            "<messagePath>number</messagePath></correlationPropertyRetrievalExpression>",
        )  # fmt: skip
    number = node("property", "p", name="number")
    waiting = read(number + START + catches("message") + flow("start", "catch"), more=more)
    thrower = read(
        number + START + throws("endEvent", "message") + flow("start", "throw"), more=more
    )
    assert verdicts(thrower, "correlation") == [Verdict.RUNS]
    with weft.open(seed=1) as engine:
        cases = {n: engine.run(waiting, {"number": n}) for n in (7, 8)}
        assert engine.run(thrower, {"number": 8}).status == "completed"
        assert {n: c.status for n, c in cases.items()} == {7: "running", 8: "completed"}


def test_a_message_sent_many_times() -> None:
    loop = (
        '<multiInstanceLoopCharacteristics isSequential="true"><loopCardinality>3'
        "</loopCardinality></multiInstanceLoopCharacteristics>"
    )
    sender = node("sendTask", "throw", loop, messageRef="m")
    case = Driven(read(START + sender + END + flow("start", "throw", "end"), more=NAMES))
    assert case.case.status == "completed"


def test_what_does_not_say_what_it_sends_is_told() -> None:
    throw = node("intermediateThrowEvent", "throw", "<messageEventDefinition/>")
    specification = read(START + throw + END + flow("start", "throw", "end"))
    assert verdicts(specification, "messageEventDefinition, thrown, without a name") == [
        Verdict.CHANGED
    ]
    by_program = node("sendTask", "send", messageRef="m", camunda__topic="mail")
    specification = read(START + by_program + flow("start", "send"), more=NAMES)
    assert verdicts(specification, "sendTask") == [Verdict.CHANGED]
    assert Driven(specification).open == ["send"]
    lost = node(
        "correlationProperty", "cp",
        '<correlationPropertyRetrievalExpression messageRef="nothing"/>',
    )  # fmt: skip
    with pytest.raises(DefinitionErrors, match="messageRef names 'nothing'"):
        read(START + END + flow("start", "end"), more=lost)


def test_what_is_sent_is_kept_in_the_native_format() -> None:
    from weft.schema.native_writer import write_native

    thrower = read(START + throws("endEvent", "message") + flow("start", "throw"), more=NAMES)
    again = weft.loads(write_native(thrower))
    tasks = again.nets["net"].tasks
    assert tasks["throw"].uses == (Use("emit", {"event": "Order_confirmed", "to": "one"}),)
    assert tasks["throw"].retry == thrower.nets["net"].tasks["throw"].retry

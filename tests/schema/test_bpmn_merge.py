"""Processes that are called in other files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import weft
from tests.schema.test_bpmn import END, START, flow, node, written
from weft.cli import main
from weft.schema.bpmn import MODEL
from weft.schema.errors import DefinitionError, UsageError

CALLS = START + node("callActivity", "call", calledElement="t:pay") + END
CALLS += flow("start", "call", "end") + node("property", "p1", name="amount")
ERROR = '<error id="e" errorCode="none"/>'
PAY = f"""<?xml version="1.0" encoding="ISO-8859-1"?>
<b:definitions xmlns:b="{MODEL}" targetNamespace="t"><b:error id="e" errorCode="poor"/>
<b:message id="m" name="paid"/>
<b:process id="pay" isExecutable="true"><b:property id="p1" name="amount"/>
<b:startEvent id="start"/><b:userTask id="ask" name="Beg\u00fcnstigter"/>
<b:exclusiveGateway id="g" default="g_ok"/><b:callActivity id="call" calledElement="book"/>
<b:endEvent id="bad"><b:errorEventDefinition errorRef="e"/></b:endEvent>
<b:sequenceFlow id="f1" sourceRef="start" targetRef="ask"/>
<b:sequenceFlow id="f2" sourceRef="ask" targetRef="g"/>
<b:sequenceFlow id="g_ok" sourceRef="g" targetRef="call"/>
<b:sequenceFlow id="g_bad" sourceRef="g" targetRef="bad"><b:conditionExpression>amount &lt; 0</b:conditionExpression>
</b:sequenceFlow></b:process><b:process id="unused"><b:task id="x"/></b:process></b:definitions>"""
BOOK = f'''<definitions xmlns="{MODEL}"><process id="book"><task id="ask" name="Book"/></process>
</definitions>'''


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    edge = node(
        "boundaryEvent", "edge", '<errorEventDefinition errorRef="e2"/>', attachedToRef="call"
    )
    process = CALLS + edge + node("task", "poor") + flow("edge", "poor")
    more = ERROR + '<error id="e2" errorCode="poor"/>'
    texts = {
        "order.bpmn": written(process, more=more),
        "pay.bpmn": PAY.encode("latin-1"),
        "book.bpmn": BOOK.encode(),
    }
    paths = {}
    for name, text in texts.items():
        paths[name.partition(".")[0]] = tmp_path / name
        (tmp_path / name).write_bytes(text)
    return paths


@pytest.mark.parametrize(("amount", "then"), [(5, "ask_2"), (-1, "poor")])
def test_what_is_called_in_other_files_runs(files: dict[str, Path], amount: int, then: str) -> None:
    specification = weft.load(files["order"], beside=[files["pay"], files["book"]])
    assert [*specification.nets] == ["net", "pay", "book"]
    assert weft.verify(specification).sound
    with weft.open(seed=1) as engine:
        case = engine.run(specification)
        (item,) = case.work_list()
        assert (item.task, b"Beg\xc3\xbcnstigter" in (item.form or b"")) == ("ask", True)
        case.complete(item.item, {"amount": amount})
        case.wait()
        assert [i.task for i in case.work_list()] == [then]
    again = weft.loads(specification.source.text.decode(), format="bpmn")
    assert [*again.nets] == [*specification.nets], "it is one specification, and is stored as one"


def test_without_the_other_file_it_is_work_for_somebody(files: dict[str, Path]) -> None:
    specification = weft.load(files["order"], beside=[files["pay"]])
    told = [p.id for p in specification.imported if p.construct.endswith("something elsewhere")]
    assert told == ["call_2"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f["book"].write_text("<a"), "this is not XML"),
        (lambda f: f["order"].write_bytes(written(START)), "nothing in .* calls a process of it"),
        (lambda f: f["book"].write_text(BOOK.replace("book", "pay")), "is in .*pay.bpmn as well"),
        (lambda f: f["book"].unlink(), "book.bpmn"),
    ],
)
def test_what_is_wrong_with_the_others_is_told(
    files: dict[str, Path], change: Any, message: str
) -> None:
    change(files)
    with pytest.raises(DefinitionError, match=message):
        weft.load(files["order"], beside=[files["pay"], files["book"]])


def test_other_formats_call_no_files(files: dict[str, Path], tmp_path: Path) -> None:
    native = tmp_path / "a.yaml"
    native.write_text("weft: 1\nname: a\nsequence: [{}]\n")
    with pytest.raises(UsageError, match="only a BPMN file calls processes of other files"):
        weft.load(native, beside=[files["pay"]])


def test_the_command_line_takes_files_beside(
    files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    beside = ["--with", str(files["pay"]), "--with", str(files["book"])]
    assert main(["show", str(files["order"]), *beside, "--json"]) == 0
    assert '"ask_2"' in capsys.readouterr().out
    assert main(["show", str(files["order"]), "--json"]) == 0
    assert '"ask_2"' not in capsys.readouterr().out, "they are given for one command"


def test_one_of_several_processes_is_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pool = '<participant id="pool" name="Stock room" processRef="x:stock"/>'
    other = f'<process id="stock" name="Stock">{START}{node("task", "pack")}{flow("start", "pack")}'
    other = other.replace('"start', '"begin') + "</process>"
    text = START + node("task", "a") + flow("start", "a")
    path = tmp_path / "shop.bpmn"
    path.write_bytes(written(text, more=f'<collaboration id="c">{pool}</collaboration>{other}'))
    assert weft.load(path).name == "order"
    for chosen in ("stock", "Stock", "Stock room", "pool"):
        specification = weft.load(path, process=chosen)
        assert (specification.name, [*specification.nets["net"].tasks]) == (
            "stock", ["begin", "pack"],
        )  # fmt: skip
        stored = weft.loads(specification.source.text.decode(), format="bpmn")
        assert stored.name == "stock", "what is stored is the same process"
    with pytest.raises(DefinitionError, match=r"no process 'shop'; .* are 'order', 'stock'"):
        weft.load(path, process="shop")
    assert main(["statespace", str(path), "--process", "Stock", "--json"]) == 0
    assert main(["show", str(path), "--process", "Stock", "--json"]) == 0
    assert '"pack"' in capsys.readouterr().out
    native = tmp_path / "a.yaml"
    native.write_text("weft: 1\nname: a\nsequence: [{}]\n")
    with pytest.raises(UsageError, match="only a BPMN file has several processes"):
        weft.load(native, process="a")


def test_the_command_line_says_what_runs_otherwise_and_in_which_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = node("scriptTask", "sum", "<script>a + b</script>", scriptFormat="groovy")
    path = tmp_path / "sum.bpmn"
    path.write_bytes(written(START + script + flow("start", "sum")))
    store = ["--store", f"sqlite:///{tmp_path / 'w.db'}"]
    said = f"1 part of {path} runs otherwise than the standard says; weft show {path} tells"
    assert main(["run", str(path), *store]) == 3
    assert said in capsys.readouterr().err
    assert main(["run", str(path), "--quiet", *store]) == 3
    assert main(["run", str(path), "--json", *store]) == 3
    assert said not in capsys.readouterr().err
    assert main(["show", str(path)]) == 0
    assert "sum (line 4)" in capsys.readouterr().out

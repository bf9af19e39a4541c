"""Pictures that keep the layout which a file brings."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs
import pytest

import weft
from weft.drawing.placed import Box, placed
from weft.drawing.specification import specification_drawing
from weft.patterns import builtin as patterns
from weft.schema.specification import Specification

BPMN = Path(__file__).parents[1] / "fixtures" / "bpmn"


def model(name: str) -> Specification:
    return weft.load(BPMN / name)


def boxes(specification: Specification) -> list[dict[str, Box]]:
    found = placed(specification_drawing(specification, patterns(), {}), specification)
    assert found is not None
    for cluster, at in zip(found.drawing.clusters, found.boxes, strict=True):
        assert {*at} == {node.id for node in cluster.nodes}, "each node has its place"
        ends = {end for edge in cluster.edges for end in (edge.source, edge.target)}
        assert ends <= {*at}
    return [dict(at) for at in found.boxes]


def test_nodes_stand_where_the_file_has_them() -> None:
    (net,) = boxes(model("camunda-7.bpmn"))
    assert net["task Activity_score"] == Box(290, 120, 100, 80)
    assert net["task Gateway_risk"].edges == (395, 95, 445, 145)
    assert not [n for n in net if n.startswith(("split Gateway", "end Event_end", "start"))]
    text = weft.draw(model("camunda-7.bpmn"), format="dot")
    assert 'pos="261.0,-108.0!"' in text
    assert "inputscale=72" in text


def test_a_sub_process_holds_its_net_and_nets_do_not_lie_over_each_other() -> None:
    outer, inner = boxes(model("camunda-8.bpmn"))
    frame = outer["task payment"].edges
    for name, box in inner.items():
        if not name.startswith("task "):
            continue
        left, top, right, bottom = box.edges
        assert frame[0] <= left <= right <= frame[2]
        assert frame[1] <= top <= bottom <= frame[3]


def test_nets_of_a_yawl_file_stand_below_each_other(corpus: Path) -> None:
    nets = boxes(weft.load(corpus / "yawl" / "orderfulfillment.yawl"))
    spans = sorted(
        (min(b.edges[1] for b in net.values()), max(b.edges[3] for b in net.values()))
        for net in nets
    )
    assert len(spans) == 9
    assert all(one[1] <= two[0] for one, two in pairwise(spans))


@pytest.mark.parametrize("name", sorted(p.name for p in BPMN.iterdir()))
def test_every_model_can_be_drawn(name: str) -> None:
    text = weft.draw(model(name), format="dot")
    known = set(re.findall(r"^ *(n\d+) \[", text, re.MULTILINE))
    for source, target in re.findall(r"(n\d+) -> (n\d+)", text):
        assert {source, target} <= known


def test_all_yawl_files_of_the_corpus_can_be_drawn(corpus: Path) -> None:
    for path in sorted((corpus / "yawl").iterdir()):
        if path.suffix in (".xml", ".yawl") and path.name != "duplicateDataSpecification.xml":
            assert weft.draw(weft.load(path), format="dot")


@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"net": {}},
        {"net": {"Activity_score": [1, 2, 3, 4]}},
        {"net": {"Activity_score": "here"}},
        {"net": {f"{n}": [0, 0, 1e8, 1] for n in ("Activity_score", "Gateway_risk")}},
        {"net": {f"x{n}": [0, 0, 0, 0] for n in range(9)}},
    ],
)
def test_a_layout_that_will_not_do_is_left(layout: Any) -> None:
    told = attrs.evolve(model("camunda-7.bpmn"), metadata={"layout": layout})
    drawing = specification_drawing(told, patterns(), {})
    assert placed(drawing, told) is None


def test_the_state_of_a_case_is_drawn_where_the_file_has_its_tasks() -> None:
    with weft.open("memory:", seed=1) as engine:
        case = engine.start(model("camunda-7.bpmn"))
        case.wait()
        text = weft.draw(model("camunda-7.bpmn"), format="dot", case=case.state)
    assert "offered" in text
    assert 'pos="261.0,-108.0!"' in text


def test_graphviz_keeps_the_places() -> None:
    svg = weft.draw(model("signavio.bpmn"))
    assert svg.startswith("<?xml")
    width = re.search(r'width="(\d+)pt"', svg)
    assert width is not None
    assert 600 < int(width[1]) < 1100, "800 pixels of the file, in points"


def test_a_node_shows_what_the_file_calls_it_as_wide_as_it_is() -> None:
    loan = model("camunda-7.bpmn")
    text = weft.draw(loan, format="dot")
    title = loan.nets["net"].tasks["Activity_score"].title
    assert title != "Activity_score"
    (line,) = [each for each in text.splitlines() if "Activity_score" in each]
    assert line.index(title.split()[0]) < line.index("Activity_score")
    assert "<B>Activity_score</B>" not in line

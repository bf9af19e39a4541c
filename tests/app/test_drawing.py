"""Pictures: what is drawn, in which words, and that any text can stand in them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import weft
from weft.connectors import builtin as connectors
from weft.drawing import draw
from weft.drawing.dot import dot
from weft.drawing.mermaid import mermaid
from weft.drawing.model import Cluster, Drawing, Edge, Line, Node, Shape, State
from weft.drawing.overlay import Overlay
from weft.drawing.rows import LONGEST, layers, rows
from weft.drawing.specification import specification_drawing
from weft.engine.compile import compile_specification
from weft.patterns import builtin as patterns
from weft.schema.errors import DefinitionErrors, UsageError

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "check-repository.yaml"
RUN = "shell: {run: ['true']}"

TRAVEL = f"""
weft: 1
name: travel
version: "1"
data: {{a: integer, b: integer}}
net:
  start: plan
  tasks:
    plan: {{{RUN}, then: {{multi-choice: [{{when: a > 1, to: hotel}}, {{when: "b > 1", to: flight}}, {{to: car}}]}}}}
    hotel: {{{RUN}, on-failure: apologise, then: book}}
    flight: {{title: Take off, person: {{title: Which seat?, choices: [a, b]}}, then: book}}
    car: {{{RUN}, then: book}}
    apologise: {{{RUN}, then: cancel-case}}
    book: {{join: {{cancelling-partial-join: {{n: 2, cancels: [hotel, car]}}}}, net: booking, then: check}}
    check: {{{RUN}, structured-loop: {{until: a > 0}}, then: {{exclusive-choice: [{{when: a > 5, to: plan}}, {{to: done}}]}}}}
    done: {{{RUN}, then: {{thread-split: {{to: last, n: 2}}}}}}
    last: {{{RUN}}}
nets:
  booking:
    start: x
    places: {{mutex: {{tokens: 1, then: z}}}}
    tasks:
      x: {{{RUN}, then: {{parallel-split: [y, z]}}}}
      y: {{{RUN}}}
      z: {{{RUN}}}
    patterns: [{{critical-section: [[y], [z]]}}]
"""


@pytest.fixture(scope="module")
def travel():
    return weft.loads(TRAVEL)


def long(tasks: int) -> weft.Specification:
    lines = [f"    t{i}: {{{RUN}, then: t{i + 1}}}" for i in range(tasks - 1)]
    lines.append(f"    t{tasks - 1}: {{{RUN}}}")
    head = ["weft: 1", "name: long", "version: '1'", "net:", "  start: t0", "  tasks:"]
    return weft.loads("\n".join([*head, *lines]))


def graph(text: str):
    """What Graphviz reads in a text: a text that it cannot parse is refused."""
    pygraphviz = pytest.importorskip("pygraphviz")
    return pygraphviz.AGraph(string=text)


# ── specifications ───────────────────────────────────────────────────────────────────────────


def words(text: str) -> set[str]:
    """The texts of a picture in Mermaid."""
    return {
        part
        for label in re.findall(r'"([^"]*)"', text)
        for part in re.sub(r"#(\d+);", lambda m: chr(int(m[1])), label).split("<br/>")
    }


def test_a_specification_is_drawn_in_the_words_of_its_author(travel):
    found = words(draw(travel, format="mmd"))
    assert {"plan", "hotel", "Take off", "shell", "person", "net booking"} <= found
    assert {"a > 1", "b > 1", "otherwise", "failure", "cancel-case"} <= found  # ways out
    assert {"○", "×", "+", "2/3", "thread-split n 2"} <= found  # splits and joins
    assert {"structured-loop until a > 0", "critical-section", "mutex"} <= found


def test_flows_failures_and_cancelled_regions_have_lines_of_their_own(travel):
    lines = draw(travel, format="mmd").splitlines()
    assert sum(" --> " in x or " -->|" in x for x in lines) == 24
    assert [x for x in lines if "-.->|" in x] == ['    n2 -.->|"failure"| n5']
    assert sum("-.-x" in x for x in lines) == 2
    assert sum(" -.- " in x for x in lines) == 2


def test_every_net_has_a_frame(travel):
    assert draw(travel, format="mmd").count("subgraph") == 2
    read = graph(draw(travel, format="dot"))
    assert len([g for g in read.subgraphs() if g.graph_attr["label"]]) == 2
    assert len(read.nodes()) == 25


@pytest.mark.parametrize("net", [False, True])
def test_a_picture_is_the_same_every_time(travel, net):
    for kind in ("dot", "mmd"):
        assert draw(travel, format=kind, net=net) == draw(weft.loads(TRAVEL), format=kind, net=net)


def test_svg_and_png(travel):
    pytest.importorskip("pygraphviz")
    svg = draw(travel)
    assert svg.startswith("<?xml")
    assert ">plan</text>" in svg
    assert svg == draw(weft.loads(TRAVEL))
    png = draw(travel, format="png", net=True)
    assert isinstance(png, bytes)
    assert png.startswith(b"\x89PNG")
    assert png[25] == 3, "its colours are a palette, which is a third as long"
    assert png == draw(travel, format="png", net=True)


def test_the_example(tmp_path):
    read = graph(draw(weft.load(EXAMPLE), format="dot"))
    assert len(read.nodes()) == 13
    assert len(read.edges()) == 14


# ── nets ─────────────────────────────────────────────────────────────────────────────────────


def test_a_net_has_every_place_transition_and_arc(travel):
    compiled = compile_specification(travel, registry=patterns(), connectors=connectors())
    read = graph(draw(compiled, format="dot"))
    nets = compiled.nets.values()
    assert len(read.nodes()) - sum(n.startswith("row") for n in read.nodes()) == sum(
        len(net.places) + len(net.transitions) for net in nets
    )
    text = draw(compiled, format="mmd")
    arcs = [(t.take, t.put, t.counted) for net in nets for t in net.transitions]
    assert len(re.findall(r" -->[ |]", text)) == sum(len(x) for kinds in arcs for x in kinds)
    assert text.count(" --o") == sum(len(t.lacks) for net in nets for t in net.transitions) > 0
    assert text.count(" -.-x ") == sum(len(t.clear) for net in nets for t in net.transitions) > 0
    assert text == draw(travel, format="mmd", net=True)


def test_weights_counts_ends_and_read_arcs():
    specification = weft.loads(
        f"""
weft: 1
name: x
version: "1"
net:
  start: a
  tasks:
    a: {{{RUN}, then: {{parallel-split: [b, c, d]}}}}
    b: {{{RUN}, then: e}}
    c: {{{RUN}, then: e}}
    d: {{{RUN}, then: e}}
    e: {{join: {{structured-partial-join: {{n: 2}}}}, {RUN}, then: {{thread-split: {{to: f, n: 3}}}}}}
    f: {{{RUN}, then: explicit-termination}}
"""
    )
    text = draw(specification, format="mmd", net=True)
    found = words(text)
    assert "2" in found
    assert "(3) - 1" in found
    assert "-.-o" in text
    assert any(word.startswith("ends ") for word in found)
    assert "2/3" in words(draw(specification, format="mmd"))


# ── cases and paths ──────────────────────────────────────────────────────────────────────────


def test_where_a_case_stands(travel):
    with weft.open("memory:") as engine:
        case = engine.run(travel, {"a": 2, "b": 3}, unverified=True)
        text = draw(travel, format="mmd", case=case.state)
        assert {"✓ done", "● offered"} <= words(text)
        assert "class n3 offered" in text
        assert "class n1 done" in text
        assert '-->|"b #62; 1 ●"| n3' in text  # the token before the offered task
        dotted = draw(travel, format="dot", case=case.state)
        assert "dashed" in dotted
        assert draw(case, format="mmd") == draw(case.state, format="mmd")
        assert draw(case.state, format="mmd") == draw(
            travel, format="mmd", net=True, case=case.state
        )
        assert '"book.join.came<br/>●"' in draw(case, format="mmd")


def test_a_failed_case():
    specification = weft.loads(
        """
weft: 1
name: x
version: "1"
net:
  start: a
  tasks:
    a: {shell: {run: ["true"]}, then: {parallel-split: [b, c]}}
    b: {shell: {run: ["false"]}, retry: {attempts: 2}}
    c: {shell: {run: ["true"]}}
"""
    )
    with weft.open("memory:") as engine:
        case = engine.run(specification)
        text = draw(specification, format="mmd", case=case.state)
        assert "● failed, attempt 2" in words(text)
        assert "class n2 failed" in text
        assert "class n" in draw(case, format="mmd")


def test_several_open_items_of_a_task():
    specification = weft.loads(
        f"""
weft: 1
name: x
version: "1"
net:
  start: a
  tasks:
    a: {{{RUN}, then: {{thread-split: {{to: b, n: 3}}}}}}
    b: {{person: {{title: x}}}}
"""
    )
    with weft.open("memory:") as engine:
        case = engine.run(specification)
        found = draw(specification, format="mmd", case=case.state)
        assert "● 3" in found


STOCK = f"""
weft: 1
name: x
version: "1"
net:
  start: [a, b, stock]
  places: {{stock: {{then: w}}, idle: {{tokens: 2}}}}
  tasks:
    a: {{{RUN}, then: w}}
    b: {{{RUN}, then: {{deferred-choice: [p, q]}}}}
    p: {{person: {{title: x}}, then: m}}
    q: {{person: {{title: x}}, then: m}}
    m: {{join: structured-discriminator, {RUN}}}
    w: {{person: {{title: x}}, cancel-region: [a, b, p, q, m, idle, stock], then: v}}
    v: {{{RUN}, then: {{parallel-split: [u, x]}}}}
    u: {{{RUN}, then: k}}
    x: {{{RUN}, then: k}}
    k: {{join: multi-merge, {RUN}}}
"""


def test_tokens_that_lie_on_no_flow():
    specification = weft.loads(STOCK)
    with weft.open("memory:") as engine:
        case = engine.run(specification)
        text = draw(specification, format="mmd", case=case.state)
    assert '(("stock<br/>●"))' in text
    assert '(("idle<br/>● 2"))' in text
    assert "<br/>● 2 offered<br/>●" in text  # the merged flows before `w`
    assert '-->|"●"| n15' in text  # before the deferred choice
    found = words(text)
    assert {"1/2", "deferred-choice", "multi-merge"} <= found
    assert "cancel-region a, b, p, q, m, idle, stock" in found  # too many for lines
    assert "-.-x" not in text


def test_tokens_of_patterns_and_ends(travel):
    shown = {
        "net": Overlay(marked=True, tokens={"end": 2, "strange": 1, "book.join.came": 3}),
        "booking": Overlay(marked=True, tokens={"patterns.1.x": 1}),
    }
    text = mermaid(specification_drawing(travel, patterns(), shown))
    assert "travel 1 — 2 at an end" in words(text)
    assert '(("strange<br/>●"))' in text
    assert "2/3<br/>● 3" in text
    assert '"critical-section<br/>●"' in text


def test_a_path_is_highlighted(travel):
    path = ["plan.start", "plan.complete", "plan.then.yes 1", "hotel.start", "hotel.fail"]
    text = draw(travel, format="mmd", path=path)
    assert {line.split()[1] for line in text.splitlines() if line.endswith(" path")} >= {"n1", "n2"}
    assert "linkStyle" in text
    net = draw(travel, format="mmd", net=True, path=path)
    assert "step 1" in words(net)
    assert "step 5" in words(net)
    assert "penwidth" in draw(travel, format="dot", path=path)


def test_a_path_of_unknown_transitions(travel):
    with pytest.raises(UsageError, match=r"did you mean plan\.start"):
        draw(travel, format="dot", path=["plan.strat"])


def test_a_case_of_another_net(travel):
    with weft.open("memory:") as engine:
        case = engine.run(long(2))
        with pytest.raises(UsageError, match="another net"):
            draw(travel, format="dot", case=case.state)


def test_faults_and_unknown_formats(travel):
    with pytest.raises(UsageError, match="svg, png, dot, mmd"):
        draw(travel, format="gif")  # type: ignore[call-overload]
    with pytest.raises(DefinitionErrors):
        draw(attrs.evolve(travel, root="nowhere"))


def test_without_graphviz(travel, monkeypatch):
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    assert draw(travel, format="dot")
    with pytest.raises(UsageError, match=r"weft\[draw\]"):
        draw(travel)


# ── rows ─────────────────────────────────────────────────────────────────────────────────────


def test_a_hundred_tasks_are_folded():
    read = graph(draw(long(100), format="dot"))
    folded = [n for n in read.nodes() if n.startswith("row")]
    assert 6 <= len(folded) <= 16
    assert not [n for n in graph(draw(long(5), format="dot")).nodes() if n.startswith("row")]


def chain_of(size: int, edges: list[tuple[int, int]]) -> Cluster:
    return Cluster(
        "x",
        tuple(Node(str(i), Shape.TASK) for i in range(size)),
        tuple(Edge(str(a % size), str(b % size)) for a, b in edges),
    )


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 60),
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=120),
    st.booleans(),
)
def test_rows_hold_every_node_once(size, edges, chained):
    if chained:
        edges = [*((i, i + 1) for i in range(size - 1)), *edges]
    cluster = chain_of(size, edges)
    found = rows(cluster)
    assert sorted(n for row in found for n in row) == sorted(n.id for n in cluster.nodes)
    assert all(found)
    depth = layers(cluster)
    if len(found) > 1:
        assert all(len({depth[n] for n in row}) <= 18 for row in found)


def test_what_is_tangled_is_not_folded():
    edges = [(i, i + 1) for i in range(29)]
    assert len(rows(chain_of(30, edges))) > 1
    back = [(i, (i + 15) % 30) for i in range(30)]
    assert len(rows(chain_of(30, edges + back))) == 1
    assert len(rows(chain_of(LONGEST, edges[: LONGEST - 1]))) == 1


def test_layers_leave_backward_flows_out():
    assert layers(chain_of(4, [(0, 1), (1, 2), (2, 0), (0, 3), (2, 3)])) == {
        "0": 0,
        "1": 1,
        "2": 2,
        "3": 3,
    }


# ── any text ─────────────────────────────────────────────────────────────────────────────────


TEXT = st.text(max_size=40) | st.text(
    '<>&"\\\n\r\t\0{}[]()|#;%`]]>--/*end\ud800\uffff', max_size=20
)


@st.composite
def drawings(draw_from) -> Drawing:
    ids = draw_from(st.lists(TEXT, min_size=1, max_size=5, unique=True))
    nodes = [
        Node(
            node,
            draw_from(st.sampled_from(Shape)),
            draw_from(TEXT),
            tuple(draw_from(st.lists(TEXT, max_size=2))),
            draw_from(st.sampled_from(State)),
            draw_from(st.integers(0, 3)),
            draw_from(st.booleans()),
            draw_from(st.booleans()),
        )
        for node in ids
    ]
    ends = st.sampled_from(ids)
    edges = draw_from(
        st.lists(
            st.builds(
                Edge, ends, ends, st.sampled_from(Line), TEXT, st.integers(0, 3), st.booleans()
            ),
            max_size=4,
        )
    )
    cluster = Cluster(draw_from(TEXT), tuple(nodes), tuple(edges))
    return Drawing(draw_from(TEXT), (cluster,) * draw_from(st.integers(1, 2)))


@settings(max_examples=80, deadline=None)
@given(drawings())
def test_graphviz_reads_any_text(drawing):
    read = graph(dot(drawing))
    count = len(drawing.clusters)
    assert len(read.nodes()) == count * len(drawing.clusters[0].nodes)
    read.draw(format="svg", prog="dot").decode()


MERMAID = re.compile(
    r"flowchart TD"
    r'|    subgraph c\d+\["[^"<>&`\\|]*"\]|    end'
    r"|    (    )?n\d+(\(|\{|\[|>)[(\{\[]*\"(?:[^\"<>&`\\|]|<br/>)*\"[)\}\]]+"
    r"|    (    )?class n\d+ \w+"
    r'|    n\d+ [-.>ox]+(\|"[^"<>&`\\|]*"\|)? n\d+'
    r"|    classDef \w+ [\w:#,\- ]+|    linkStyle [\d,]+ [\w:#,\-]+"
)


@settings(max_examples=80, deadline=None)
@given(drawings())
def test_mermaid_has_only_lines_of_its_grammar(drawing):
    text = mermaid(drawing)
    text.encode()
    for line in text.removesuffix("\n").split("\n"):
        assert MERMAID.fullmatch(line), line


# ── the command ──────────────────────────────────────────────────────────────────────────────


def test_the_command_draws_to_a_file(weft, folder):
    for kind, start in (("dot", b"digraph"), ("mmd", b"flowchart"), ("svg", b"<?xml")):
        if kind == "svg":
            pytest.importorskip("pygraphviz")
        done = weft("draw", EXAMPLE, "-o", f"x.{kind}", "--json")
        assert (done.code, done.json["format"]) == (0, kind)
        assert folder.joinpath(f"x.{kind}").read_bytes().startswith(start)
    assert weft("draw", EXAMPLE, "-o", "net.mmd", "--net", "--path", "analyse.start").code == 0
    assert "step 1" in folder.joinpath("net.mmd").read_text(encoding="utf-8")


def test_the_command_draws_a_case(weft, folder):
    folder.joinpath("t.yaml").write_text(TRAVEL)
    case = weft("run", "t.yaml", "-p", "a=2", "-p", "b=3", "--unverified", "--json").json["case"]
    assert weft("draw", "--case", case, "-o", "a.mmd").code == 0
    assert weft("draw", "travel", "--case", case, "-o", "b.mmd").out == "drew b.mmd\n"
    text = folder.joinpath("a.mmd").read_text(encoding="utf-8")
    assert text == folder.joinpath("b.mmd").read_text(encoding="utf-8")
    assert "● offered" in text
    folder.joinpath("t.yaml").write_text(
        TRAVEL.replace("Take off", "Fly").replace("b > 1", "b > 2")
    )
    assert (
        weft("run", "t.yaml", "-p", "a=2", "-p", "b=3", "--unverified").code == 3
    )  # the source is replaced
    assert weft("draw", "--case", case, "-o", "c.mmd").code == 0
    assert "flight.run" in folder.joinpath("c.mmd").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["draw", EXAMPLE, "-o", "x.gif"], 2, ".mmd"),
        (["draw", "-o", "x.dot"], 2, "--case"),
        (["draw", EXAMPLE], 2, "-o"),
        (["draw", "nobody", "-o", "x.dot"], 2, "nobody"),
        (["draw", "--case", "nobody", "-o", "x.dot"], 2, "no store"),
        (["draw", EXAMPLE, "-o", "no/such/folder.dot"], 5, "No such file"),
    ],
)
def test_what_the_command_refuses(weft, arguments, code, said):
    done = weft(*arguments)
    assert done.code == code
    assert said in done.err


def test_the_command_draws_pnml(weft, folder):
    pytest.importorskip("lxml")
    folder.joinpath("n.pnml").write_text(
        '<pnml xmlns="http://www.pnml.org/version-2009/grammar/pnml"><net id="n" '
        'type="http://www.pnml.org/version-2009/grammar/ptnet"><page id="g"><place id="p">'
        "<initialMarking><text>2</text></initialMarking></place>"
        '<transition id="t"/><arc id="a" source="p" target="t"/></page></net></pnml>'
    )
    assert weft("draw", "n.pnml", "-o", "n.mmd").code == 0
    assert "● 2" in folder.joinpath("n.mmd").read_text(encoding="utf-8")

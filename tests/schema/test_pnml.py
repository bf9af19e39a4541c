"""Reading PNML: what is accepted, and what is refused with which words."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.engine.verify.plain import plain_net
from weft.engine.verify.statespace import explore
from weft.schema.errors import DefinitionError
from weft.schema.pnml import PnmlArc, PnmlPlace, read_pnml, read_pnml_file

NS = 'xmlns="http://www.pnml.org/version-2009/grammar/pnml"'
PT = "http://www.pnml.org/version-2009/grammar/ptnet"


def pnml(body: str, *, ns: str = NS, kind: str = PT) -> bytes:
    return f'<pnml {ns}><net id="n" type="{kind}">{body}</net></pnml>'.encode()


SMALL = """
  <page id="g">
    <place id="p"><name><text>a place</text></name>
      <initialMarking><text>2</text></initialMarking><toolspecific tool="x" version="1"/></place>
    <page id="h"><place id="q"/></page>
    <transition id="t"><name><text>go</text></name></transition>
    <arc id="a" source="p" target="t"><inscription><text>2</text></inscription></arc>
    <arc id="b" source="t" target="q"/>
  </page>"""


def test_pages_names_markings_and_weights_are_read() -> None:
    net = read_pnml(pnml(SMALL))
    assert net.places == (PnmlPlace("p", "a place", 2), PnmlPlace("q", "q", 0))
    assert net.transitions == (("t", "go"),)
    assert set(net.arcs) == {PnmlArc("p", "t", 2), PnmlArc("t", "q")}


@pytest.mark.parametrize("ns", ["", NS])
def test_a_module_and_a_missing_namespace_change_nothing(ns: str) -> None:
    inner = pnml(SMALL, ns=ns).decode()
    wrapped = inner.replace("<net", "<module><net").replace("</net>", "</net></module>")
    assert read_pnml(wrapped.encode()) == read_pnml(pnml(SMALL))


def test_references_stand_for_what_they_refer_to() -> None:
    body = """<place id="p"><initialMarking><text>1</text></initialMarking></place>
      <page id="g"><referencePlace id="r" ref="s"/><referencePlace id="s" ref="p"/>
      <transition id="t"/><arc id="a" source="r" target="t"/></page>"""
    assert read_pnml(pnml(body)).arcs == (PnmlArc("p", "t"),)


def test_all_kinds_of_arc_come_through_to_the_state_space() -> None:
    body = """<place id="p"><initialMarking><text>1</text></initialMarking></place>
      <place id="q"/><place id="r"><initialMarking><text>3</text></initialMarking></place>
      <transition id="t"/><transition id="u"/>
      <arc id="1" source="p" target="t"/><arc id="2" source="t" target="q"/>
      <arc id="3" source="r" target="t"><type value="reset"/></arc>
      <arc id="4" source="q" target="t"><type value="inhibitor"/></arc>
      <arc id="5" source="q" target="u"><type value="test"/></arc>
      <arc id="6" source="r" target="u"/>"""
    found = explore(plain_net(read_pnml(pnml(body))))
    assert (found.states, found.dead_transitions, found.deadlocks) == (2, 1, 1)


BAD = {
    "not XML": (b"<pnml", "this is not XML"),
    "nothing": (b"", "this is not XML"),
    "binary": (bytes(range(256)), "this is not XML"),
    "entity bomb": (
        b'<!DOCTYPE p [<!ENTITY a "aa">]><pnml><net id="n">&a;</net></pnml>',
        "document type declaration",
    ),
    "another root": (b"<bpmn/>", "root element is <bpmn>"),
    "no net": (b"<pnml/>", "holds 0 nets"),
    "two nets": (b'<pnml><net id="a"/><net id="b"/></pnml>', "holds 2 nets"),
    "coloured by type": (pnml("", kind="http://x/grammar/symmetricnet"), "symmetric"),
    "timed": (pnml("", kind="http://x/timednet"), "timed"),
    "unknown type": (pnml("", kind="http://x/strange"), "not supported"),
    "coloured arc": (pnml('<arc id="a" source="p" target="t"><hlinscription/></arc>'), "coloured"),
    "coloured place": (pnml('<place id="p"><hlinitialMarking/></place>'), "coloured"),
    "condition": (pnml('<transition id="t"><condition/></transition>'), "condition or a delay"),
    "sorts": (pnml("<declaration><structure/></declaration>"), "declares sorts"),
    "no id": (pnml("<place/>"), "has no id"),
    "id twice": (pnml('<place id="p"/><transition id="p"/>'), "used twice"),
    "dangling arc": (pnml('<place id="p"/><arc id="a" source="p" target="x"/>'), "not there"),
    "arc without ends": (pnml('<arc id="a" source="p"/>'), "a source and a target"),
    "place to place": (
        pnml('<place id="p"/><place id="q"/><arc id="a" source="p" target="q"/>'),
        "a place and a transition",
    ),
    "negative weight": (
        pnml(
            '<place id="p"/><transition id="t"/><arc id="a" source="p" target="t">'
            "<inscription><text>-1</text></inscription></arc>"
        ),
        "1 to 2147483647",
    ),
    "huge marking": (
        pnml(f'<place id="p"><initialMarking><text>{2**63}</text></initialMarking></place>'),
        "0 to 2147483647",
    ),
    "marking in words": (
        pnml('<place id="p"><initialMarking><text>two</text></initialMarking></place>'),
        "not a whole number",
    ),
    "reset out of a transition": (
        pnml(
            '<place id="p"/><transition id="t"/>'
            '<arc id="a" source="t" target="p"><type value="reset"/></arc>'
        ),
        "leaves a transition",
    ),
    "strange arc": (
        pnml(
            '<place id="p"/><transition id="t"/>'
            '<arc id="a" source="p" target="t"><type value="magic"/></arc>'
        ),
        "'magic'",
    ),
    "reference to nothing": (pnml('<referencePlace id="r"/>'), "refers to nothing"),
    "references in a circle": (
        pnml(
            '<referencePlace id="r" ref="s"/><referencePlace id="s" ref="r"/>'
            '<transition id="t"/><arc id="a" source="r" target="t"/>'
        ),
        "circle",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_refused(case: str) -> None:
    text, words = BAD[case]
    with pytest.raises(DefinitionError) as caught:
        read_pnml(text, file="net.pnml")
    assert words in str(caught.value)
    assert "net.pnml" in str(caught.value)


def test_all_faults_come_at_once_with_their_lines() -> None:
    body = '\n<place/>\n<arc id="a" source="x" target="y"/>'
    with pytest.raises(DefinitionError) as caught:
        read_pnml(pnml(body), file="f")
    assert "f:2: a place has no id" in str(caught.value)
    assert "f:3: arc 'a' ends at 'x'" in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DefinitionError, match="No such file"):
        read_pnml_file(tmp_path / "none.pnml")
    with pytest.raises(DefinitionError, match="directory"):
        read_pnml_file(tmp_path)
    monkeypatch.setattr("weft.schema.pnml.MAX_BYTES", 10)
    (tmp_path / "big.pnml").write_bytes(pnml(SMALL))
    with pytest.raises(DefinitionError, match="at most 10 are read"):
        read_pnml_file(tmp_path / "big.pnml")


def test_deep_nesting_is_refused_and_100000_places_are_not(tmp_path: Path) -> None:
    deep = "<page id='g'>" * 10_000 + "</page>" * 10_000
    with pytest.raises(DefinitionError, match="not XML"):
        read_pnml(pnml(deep))
    many = "".join(f'<place id="p{i}"/>' for i in range(100_000))
    assert len(read_pnml(pnml(many)).places) == 100_000


@given(st.binary(max_size=200) | st.text(max_size=200).map(pnml))
def test_any_bytes_are_a_net_or_a_definition_error(text: bytes) -> None:
    with contextlib.suppress(DefinitionError):
        read_pnml(text)

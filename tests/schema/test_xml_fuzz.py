"""Damaged XML of every format: a specification or a `DefinitionError` comes out, and nothing else.

Each seed damages a good file a few times: bytes, attributes and texts are altered or swapped,
elements are removed, doubled, moved and renamed. What is still read has to compile, or be refused.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from lxml import etree

from weft.connectors import builtin as connectors
from weft.engine.compile import compile_specification
from weft.engine.expressions import compile_expression
from weft.patterns import builtin as patterns
from weft.schema.bpmn import read_bpmn
from weft.schema.conditions import Untranslatable
from weft.schema.datatypes import DataType
from weft.schema.errors import DefinitionError
from weft.schema.pnml import read_pnml
from weft.schema.specification import Specification
from weft.schema.yawl import read_yawl
from weft.schema.yawl_query import told

RUNS = 80
"""Files for each format."""

BPMN = """<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:v="urn:v">
<message id="m" name="stop"/><error id="e" errorCode="E1"/><escalation id="es" escalationCode="x"/>
<globalUserTask id="gt"/><process id="p" isExecutable="true"><laneSet id="ls"><lane id="l" name="Sales">
<flowNodeRef>a</flowNodeRef></lane></laneSet><property id="pr" name="amount"/>
<startEvent id="s"/><userTask id="a" name="Ask" v:candidateGroups="x"><documentation>d</documentation>
<multiInstanceLoopCharacteristics id="mi" isSequential="true"><loopCardinality>3</loopCardinality>
<completionCondition>${nrOfCompletedInstances > 1}</completionCondition>
</multiInstanceLoopCharacteristics></userTask>
<exclusiveGateway id="g" default="f4"/><subProcess id="sub"><startEvent id="s2"/>
<endEvent id="x2"><errorEventDefinition errorRef="e"/></endEvent>
<sequenceFlow id="f9" sourceRef="s2" targetRef="x2"/></subProcess><receiveTask id="r" messageRef="m"/>
<boundaryEvent id="b" attachedToRef="sub"><errorEventDefinition errorRef="e"/></boundaryEvent>
<boundaryEvent id="b2" attachedToRef="a" cancelActivity="false"><timerEventDefinition>
<timeCycle>R3/PT1H</timeCycle></timerEventDefinition></boundaryEvent><inclusiveGateway id="j"/>
<eventBasedGateway id="eg"/><intermediateCatchEvent id="c1"><signalEventDefinition/></intermediateCatchEvent>
<intermediateCatchEvent id="c2"><timerEventDefinition><timeDate>2030-01-01T00:00:00Z</timeDate>
</timerEventDefinition></intermediateCatchEvent><endEvent id="x"><terminateEventDefinition/></endEvent>
<adHocSubProcess id="ah" ordering="Sequential"><task id="t1"/><task id="t2"/>
<completionCondition>amount = 3</completionCondition></adHocSubProcess>
<transaction id="tx"><startEvent id="ts"/><task id="tt"><standardLoopCharacteristics loopMaximum="3">
<loopCondition>${x}</loopCondition></standardLoopCharacteristics></task>
<boundaryEvent id="tb" attachedToRef="tt"><compensateEventDefinition/></boundaryEvent>
<task id="tu" isForCompensation="true"/><association id="ta" sourceRef="tb" targetRef="tu"/>
<intermediateThrowEvent id="te"><escalationEventDefinition escalationRef="es"/>
<messageEventDefinition messageRef="m"/></intermediateThrowEvent><endEvent id="tc"><cancelEventDefinition/></endEvent>
<sequenceFlow id="tf1" sourceRef="ts" targetRef="tt"/><sequenceFlow id="tf2" sourceRef="tt" targetRef="te"/>
<sequenceFlow id="tf3" sourceRef="te" targetRef="tc"/></transaction>
<boundaryEvent id="bx" attachedToRef="tx" cancelActivity="false"><escalationEventDefinition/></boundaryEvent>
<boundaryEvent id="bc" attachedToRef="tx"><cancelEventDefinition/></boundaryEvent>
<boundaryEvent id="bm" attachedToRef="tx" parallelMultiple="true"><signalEventDefinition/>
<conditionalEventDefinition><condition>amount &gt; 5</condition></conditionalEventDefinition></boundaryEvent>
<callActivity id="ca" calledElement="gt"/><complexGateway id="cx"><activationCondition>n >= 1</activationCondition>
</complexGateway><intermediateCatchEvent id="cc"><conditionalEventDefinition><condition>amount &lt; 9
</condition></conditionalEventDefinition></intermediateCatchEvent>
<sequenceFlow id="g1" sourceRef="s" targetRef="ah"/><sequenceFlow id="g2" sourceRef="ah" targetRef="tx"/>
<sequenceFlow id="g3" sourceRef="tx" targetRef="cx"/><sequenceFlow id="g4" sourceRef="bx" targetRef="ca"/>
<sequenceFlow id="g5" sourceRef="bc" targetRef="cx"/><sequenceFlow id="g6" sourceRef="bm" targetRef="cc"/>
<sequenceFlow id="g7" sourceRef="cc" targetRef="cx"/><sequenceFlow id="g8" sourceRef="cx" targetRef="x"/>
<subProcess id="h" triggeredByEvent="true"><startEvent id="hs"><messageEventDefinition messageRef="m"/>
</startEvent></subProcess>
<sequenceFlow id="f1" sourceRef="s" targetRef="a"/><sequenceFlow id="f2" sourceRef="a" targetRef="g"/>
<sequenceFlow id="f3" sourceRef="g" targetRef="sub"><conditionExpression>amount &gt; 5 and x</conditionExpression>
</sequenceFlow><sequenceFlow id="f4" sourceRef="g" targetRef="r"/>
<sequenceFlow id="f5" sourceRef="sub" targetRef="j"/><sequenceFlow id="f6" sourceRef="r" targetRef="j"/>
<sequenceFlow id="f7" sourceRef="b" targetRef="j"/><sequenceFlow id="f8" sourceRef="j" targetRef="eg"/>
<sequenceFlow id="fa" sourceRef="eg" targetRef="c1"/><sequenceFlow id="fb" sourceRef="eg" targetRef="c2"/>
<sequenceFlow id="fc" sourceRef="c1" targetRef="x"/><sequenceFlow id="fd" sourceRef="c2" targetRef="x"/>
</process></definitions>"""

YAWL = """<specificationSet xmlns="http://www.yawlfoundation.org/yawlschema" version="2.2"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><specification uri="u"><metaData/>
<decomposition id="n" isRootNet="true" xsi:type="NetFactsType">
<localVariable><name>v</name><type>int</type><initialValue>3</initialValue></localVariable>
<localVariable><name>l-s</name><type>L</type><initialValue>&lt;a/&gt;&lt;a/&gt;</initialValue></localVariable>
<processControlElements><inputCondition id="i"><flowsInto><nextElementRef id="a"/></flowsInto>
</inputCondition><task id="a"><flowsInto><nextElementRef id="c"/><predicate ordering="1">/n/v = '3'</predicate>
</flowsInto><flowsInto><nextElementRef id="m"/><isDefaultFlow/></flowsInto><join code="xor"/>
<split code="or"/><startingMappings><mapping><expression query="&lt;w&gt;{/n/v + 1}&lt;/w&gt;"/>
<mapsTo>w</mapsTo></mapping></startingMappings><completedMappings><mapping>
<expression query="/d/w"/><mapsTo>v</mapsTo></mapping></completedMappings>
<timer><trigger>OnEnabled</trigger><netparam>v</netparam></timer><decomposesTo id="d"/></task>
<condition id="c"><flowsInto><nextElementRef id="b"/></flowsInto><flowsInto><nextElementRef id="k"/>
</flowsInto></condition><task id="b"><flowsInto><nextElementRef id="o"/></flowsInto><join code="xor"/>
<split code="and"/><removesTokens id="m"/><removesTokensFromFlow><flowSource id="a"/>
<flowDestination id="m"/></removesTokensFromFlow><decomposesTo id="n2"/></task>
<task id="k"><flowsInto><nextElementRef id="o"/></flowsInto><join code="or"/><split code="xor"/>
<decomposesTo id="d"/></task>
<task id="m" xsi:type="MultipleInstanceExternalTaskFactsType"><flowsInto><nextElementRef id="o"/>
</flowsInto><join code="xor"/><split code="and"/><minimum>1</minimum><maximum>9</maximum>
<threshold>2</threshold><creationMode code="static"/><miDataInput><expression query="/n/l-s"/>
<splittingExpression query="x"/><formalInputParam>w</formalInputParam></miDataInput>
<decomposesTo id="d"/></task><outputCondition id="o"/></processControlElements></decomposition>
<decomposition id="n2" xsi:type="NetFactsType"><processControlElements><inputCondition id="i">
<flowsInto><nextElementRef id="t"/></flowsInto></inputCondition><task id="t"><flowsInto>
<nextElementRef id="o"/></flowsInto><join code="and"/><split code="and"/></task>
<outputCondition id="o"/></processControlElements></decomposition>
<decomposition id="d" xsi:type="WebServiceGatewayFactsType"><inputParam><name>w</name><type>int</type>
</inputParam></decomposition></specification></specificationSet>"""

PNML = """<pnml xmlns="http://www.pnml.org/version-2009/grammar/pnml">
<net id="n" type="http://www.pnml.org/version-2009/grammar/ptnet"><page id="g">
<place id="p"><name><text>P</text></name><initialMarking><text>2</text></initialMarking></place>
<place id="q"/><transition id="t"/><referencePlace id="rp" ref="p"/>
<arc id="a1" source="p" target="t"><inscription><text>2</text></inscription></arc>
<arc id="a2" source="t" target="q"/><arc id="a3" source="rp" target="t"><type value="inhibitor"/></arc>
</page></net></pnml>"""

ODD = (
    *("", " ", "x", "a", "-1", "0", "1e9", "99999999999999999999", "true", "${", "${a.b()}", "a/b"),
    *("for $x in", "((((", "é", "\u202e", "in", "null", "P9999Y", "* * * * *", "R/P1D", "a" * 3000),
    *("<a>{", "$", "end", "error", "result", "each", "'", '"', "\\", "a\nb", "1" * 400),
)


def damaged(text: str, random: random.Random) -> bytes:
    root = etree.fromstring(text.encode())
    for _ in range(random.choice((1, 1, 2, 4))):
        elements: list[Any] = [x for x in root.iter() if isinstance(x.tag, str)]
        x = random.choice(elements)
        other = random.choice(elements)
        what = random.randrange(8)
        if what == 0 and x.attrib:
            key = random.choice(list(x.attrib))
            values = [v for y in elements for v in y.attrib.values()]
            x.set(key, random.choice([*ODD, *values]).replace("\x00", ""))
        elif what == 1 and x.attrib:
            del x.attrib[random.choice(list(x.attrib))]
        elif what == 2:
            x.text = random.choice(ODD)
        elif what == 3 and x.getparent() is not None:
            x.getparent().remove(x)
        elif what == 4 and x.getparent() is not None:
            x.getparent().append(etree.fromstring(etree.tostring(x, with_tail=False)))
        elif what == 5 and x is not root and other is not x and x not in other.iterancestors():
            other.append(x)
        elif what == 6 and x is not root:
            x.tag = other.tag
        else:
            x.append(etree.Comment("c"))
    written = bytearray(etree.tostring(root))
    if random.random() < 0.2:
        for _ in range(random.choice((1, 3))):
            written[random.randrange(len(written))] = random.randrange(256)
    return bytes(written)


@pytest.mark.parametrize(
    ("read", "text"),
    [(read_bpmn, BPMN), (read_yawl, YAWL), (read_pnml, PNML)],
    ids=["bpmn", "yawl", "pnml"],
)
def test_damaged_files_are_read_or_refused(read: Callable[..., Any], text: str) -> None:
    registry, known = patterns(), connectors()
    good = read(text.encode())
    if isinstance(good, Specification):
        compile_specification(good, registry=registry, connectors=known)
    refused = 0
    for seed in range(RUNS):
        content = damaged(text, random.Random(seed))
        try:
            found = read(content, file="fuzz.xml")
            if isinstance(found, Specification):
                compile_specification(found, registry=registry, connectors=known)
        except DefinitionError as error:
            refused += 1
            assert error.message
        except Exception as error:
            error.add_note(f"seed {seed}: {content.decode(errors='replace')}")
            raise
    assert 0 < refused < RUNS


@pytest.mark.parametrize("read", [read_bpmn, read_yawl, read_pnml])
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\x00" * 100,
        b"<a>" * 10_000 + b"</a>" * 10_000,
        b"<?xml version='1.0' encoding='UTF-16'?><a/>",
        b"<?xml version='1.0' encoding='nonsense'?><a/>",
        b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;</a>',
        b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a/>',
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>',
        b"<a " + b"x='1' " * 5_000 + b"/>",
        b"<a>" + b"&#0;" + b"</a>",
    ],
    ids=lambda text: repr(text[:30]),
)
def test_hostile_texts_are_refused(read: Callable[..., Any], text: bytes) -> None:
    with pytest.raises(DefinitionError):
        read(text, file="bad.xml")


QUERIES = (
    *("<a>", "</a>", "<b>", "</b>", "{", "}", "/O/songs/*", "/O/leg/a", "/O/n", "for $d in "),
    *("return", "$d", "$d/n", "if (", ") then ", " else ", "count(", "not(", "concat(", ")", "("),
    *("[1]", "[n > 2]", " = ", " < ", " and ", "'t'", "5", "+", "div", "text()", "/", "//", "*"),
    *(".", "@x", "|", "some $s in ", " satisfies ", ",", " ", "x:y", "<c/>", "true()", "/O/ok"),
)


def test_queries_of_any_kind_are_told_in_cel_or_refused() -> None:
    song = DataType("object", fields={"n": DataType("integer")}, additional=True)
    types = {
        "songs": DataType("array", items=song),
        "leg": DataType("object", fields={"a": DataType("string")}),
        "n": DataType("integer"),
        "ok": DataType("boolean"),
    }
    done = 0
    for seed in range(500):
        draw = random.Random(seed)
        text = "".join(draw.choice(QUERIES) for _ in range(draw.randint(1, 12)))
        asks = draw.random() < 0.5
        try:
            cel = told(text, names={n: n for n in types}, types=types, condition=asks)
        except Untranslatable as reason:
            assert str(reason)
        else:
            compile_expression(cel)
            done += 1
    assert 0 < done < 500

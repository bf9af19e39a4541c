"""XPath and XQuery of YAWL files in CEL: what each means over the data."""

from __future__ import annotations

from typing import Any

import pytest
from lxml import etree

from weft.engine.expressions import compile_expression
from weft.schema.conditions import Untranslatable
from weft.schema.datatypes import DataType
from weft.schema.yawl_data import as_json, read_variables
from weft.schema.yawl_query import told, told_of
from weft.schema.yawl_types import Types, read_types

SONG = DataType("object", fields={"title": DataType("string"), "n": DataType("integer")})
TYPES = {
    "songs": DataType("array", items=SONG),
    "leg": DataType("object", fields={"a": DataType("string"), "b": DataType("string")}),
    "n": DataType("integer"),
    "ok": DataType("boolean"),
    "word": DataType("string"),
}
DATA: dict[str, Any] = {
    "songs": [{"title": "x", "n": 1}, {"title": "y", "n": 5}],
    "leg": {"a": "here", "b": "there"},
    "n": 3,
    "ok": True,
    "word": "abc",
}
NONE = dict.fromkeys(DATA)


def yields(query: str, data: dict[str, Any] = DATA, **more: Any) -> Any:
    cel = told(query, names={n: n for n in TYPES}, types=TYPES, **more)
    return compile_expression(cel).evaluate(data)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("/net/songs/song/title", ["x", "y"]),
        ("/net/songs/*", DATA["songs"]),
        ("/net/songs/song[n > 2]/title", ["y"]),
        ("/net/songs/song[2]/title", "y"),
        ("count(/net/songs/song)", 2),
        ("count(/net/songs/song[title = 'x'])", 1),
        ("some $s in /net/songs/song satisfies $s/n = 5", True),
        ("every $s in /net/songs/song satisfies $s/n > 1", False),
        ("/net/songs/song/title = 'y'", True),
        ("concat(/net/leg/a, '-', /net/n)", "here-3"),
        ("if (/net/ok) then /net/n else 0", 3),
        ("not(/net/ok) or /net/n * 2 = 6", True),
        ("/net/n div 2", 1.5),
        ("abs(-3)", 3),
        ("string-length(/net/word)", 3),
        ("starts-with(/net/word, 'ab') and contains(/net/word, 'c')", True),
        ("//net/n", 3),
        ("<t>{/net/n + 1}</t>", 4),
        ("<t>P{/net/n/text()}D</t>", "P3D"),
        ("<t/>", ""),
        ("<leg>{/net/leg/a}{/net/leg/b}</leg>", DATA["leg"]),
        ("<leg>{/net/leg/*}</leg>", DATA["leg"]),
        ("<r><k>{/net/n/text()}</k><l>x</l></r>", {"k": 3, "l": "x"}),
        ("<r>{for $s in /net/songs/* return <s>{$s/title/text()}</s>}</r>", ["x", "y"]),
        ("<r>{for $s in /net/songs/* return <s><k>{$s/n}</k></s>}</r>", [{"k": 1}, {"k": 5}]),
        ("<r>{/net/songs/*}<song>{/net/leg/*}</song></r>", [*DATA["songs"], DATA["leg"]]),
        (
            "<r>{if (count(/net/songs/*) > 0) then /net/songs/* else /net/none/*}</r>",
            DATA["songs"],
        ),
    ],
)
def test_a_query_means_this_over_the_data(query: str, expected: Any) -> None:
    assert yields(query) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("/net/leg/a", None),
        ("/net/songs/song/title", []),
        ("count(/net/songs/song)", 0),
        ("/net/n > 3", False),
        ("/net/ok", None),
        ("<t>P{/net/n}D</t>", "PD"),
        ("exists(/net/n)", False),
        ("empty(/net/songs/*)", True),
        ("/net/nowhere", None),
    ],
)
def test_what_is_not_there_is_null_or_empty(query: str, expected: Any) -> None:
    assert yields(query, NONE) == expected


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("average rating < 3 out of 5", "no XPath: .*line 1, column 9"),
        ("sum(/net/songs/song/n)", r"sum\(\) has no counterpart"),
        ("current-date()", "has no counterpart"),
        ("/net", "all variables together"),
        ("/net/songs//n", "searches all that is below"),
        ("/net/word/@lang", "has no counterpart"),
        ("$x", "bound by nothing"),
        ("<a>", "not closed"),
        ("<a><b></a></b>", "not closed"),
        ("<a>text<b/></a>", "text beside elements"),
        ("<a x='1'>{/net/n}</a>", "without attributes"),
        ("<a>{'", "not closed"),
        ("for $s in /net/songs/* return <a>{/net/songs/song[n > 1]}</a>", "more than one list"),
        ("/net/songs/song = /net/songs/song", "compares two sequences"),
        ("<a>" * 40 + "</a>" * 40, "nested"),
        ("1" * 30_000, "more than"),
    ],
)
def test_what_cannot_be_told_says_why(query: str, why: str) -> None:
    with pytest.raises(Untranslatable, match=why):
        yields(query)


def test_a_condition_asks_for_variables_that_there_are() -> None:
    assert yields("/net/songs/song", condition=True) is True
    with pytest.raises(Untranslatable, match="'gone' is no variable here"):
        yields("/net/gone = 1", condition=True)


def test_lists_are_split_and_joined() -> None:
    listed = TYPES["songs"]
    for query, expected in (
        ("for $s in /songs/* return $s", DATA["songs"]),
        ("/songs/song[n = 5]", DATA["songs"][1:]),
        ("for $s in /songs/song return <t>{$s/title/text()}</t>", ["x", "y"]),
    ):
        cel = told_of(query, "songs", listed)
        assert compile_expression(cel).evaluate(DATA) == expected
    with pytest.raises(Untranslatable, match="yields no list"):
        told_of("count(/songs/*)", "songs", listed)


# ── types ────────────────────────────────────────────────────────────────────────────────────

SCHEMA = """<specification xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:schema>
<xs:simpleType name="Format"><xs:restriction base="xs:NMTOKEN"><xs:enumeration value="lp"/>
<xs:enumeration value="cd"/></xs:restriction></xs:simpleType>
<xs:complexType name="List"><xs:sequence><xs:element name="song" type="Song"
 maxOccurs="unbounded"/></xs:sequence></xs:complexType>
<xs:complexType name="Song"><xs:sequence><xs:element name="n" type="xs:int"/>
<xs:element name="tag" type="xs:string" maxOccurs="9"/><xs:element ref="other"/></xs:sequence>
</xs:complexType><xs:element name="other" type="Format"/>
<xs:complexType name="Tree"><xs:sequence><xs:element name="left" type="Tree"/>
<xs:element name="right" type="Tree"/></xs:sequence></xs:complexType>
<xs:complexType name="Odd"><xs:simpleContent/></xs:complexType></xs:schema></specification>"""


def types() -> Types:
    return read_types(etree.fromstring(SCHEMA))


def test_types_of_a_files_own_schema() -> None:
    known = types()
    assert known.named("Format").enum == ("lp", "cd")
    song = known.named("List").items
    assert song is not None
    assert song.fields is not None
    assert {k: v.type for k, v in song.fields.items()} == {
        "n": "integer", "tag": "array", "other": "string"
    }  # fmt: skip
    tree = known.named("Tree").fields
    assert tree is not None
    assert tree["left"].type == "any", "a type that holds itself ends there"
    assert known.named("Odd").type == known.named("nowhere").type == "any"
    assert known.named("xs:positiveInteger").type == "integer"


def test_types_that_grow_without_measure_are_anything() -> None:
    levels = "".join(
        f'<xs:complexType name="T{n}"><xs:sequence>'
        + "".join(f'<xs:element name="e{i}" type="T{n + 1}"/>' for i in range(10))
        + "</xs:sequence></xs:complexType>"
        for n in range(30)
    )
    text = f'<s xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:schema>{levels}</xs:schema></s>'
    assert read_types(etree.fromstring(text)).named("T0").type in ("any", "object")


def test_elements_are_read_by_their_types() -> None:
    known = types()
    one = etree.fromstring("<l><song><n>3</n><tag>a</tag><other>lp</other></song></l>")
    assert as_json(one, known.named("List")) == [{"n": 3, "tag": ["a"], "other": "lp"}]
    assert as_json(one) == {"song": {"n": "3", "tag": "a", "other": "lp"}}
    assert as_json(etree.fromstring("<l/>"), known.named("List")) == []


def test_variables_have_their_types_and_initial_values() -> None:
    net = etree.fromstring(
        """<net><localVariable><name>l</name><type>List</type><initialValue>&lt;song&gt;&lt;n&gt;4
        &lt;/n&gt;&lt;/song&gt;</initialValue></localVariable><inputParam><name>o</name>
        <element>other</element><initialValue>cd</initialValue></inputParam></net>"""
    )
    found = read_variables(net, types()).variables
    assert found["l"].default == [{"n": 4}]
    assert (found["o"].default, found["o"].type.enum) == ("cd", ("lp", "cd"))


@pytest.mark.parametrize(
    ("predicate", "expected"),
    [
        ("/net/n > 3", False),
        ("/net/n/text() <= 3", False),
        ("not(/net/n > 3)", True),
        ("/net/word = 'a'", False),
        ("/net/word != 'a'", False),
        ("number(/net/n) + 1 > 2", False),
        ("-/net/n < 2", False),
        ("string-length(/net/word/text()) = 0", True),
        ("net/n = 3", False),
        ("starts-with(net/word/text(), '0') or /net/ok", False),
    ],
)
def test_what_is_not_there_is_neither_more_nor_less_nor_different(
    predicate: str, expected: bool
) -> None:
    assert yields(predicate, NONE, condition=True) is expected


def test_a_path_may_begin_with_the_net_and_no_slash() -> None:
    assert yields("net/n") == 3
    assert yields("<t>{net/leg/a/text()}</t>") == "here"
    assert yields("net/n > 2 and net/word = 'abc'", condition=True) is True

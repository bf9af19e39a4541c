"""Samples from JSON: all shapes, and everything that is no sample."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.schema.errors import DefinitionError
from weft.weaver import samples
from weft.weaver.samples import (
    AttributeSample,
    DataPoint,
    LogSample,
    MetricSample,
    ResourceSample,
    Sample,
    SpanEventSample,
    SpanLinkSample,
    SpanSample,
    attributes_of,
    by_name,
    parse_samples,
    read_samples,
    sample_type,
    type_of_value,
)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("a", "string"),
        ("", "string"),
        (1, "int"),
        (1.5, "double"),
        (True, "boolean"),
        (["a", "b"], "string[]"),
        (("a",), "string[]"),
        ([1, None], "int[]"),
        ([1, 2.5], "double[]"),
        ([False], "boolean[]"),
        ([1, "a"], None),
        ([1, True], None),
        ([], None),
        ([None], None),
        ([[1]], None),
        ({"a": 1}, None),
        (None, None),
        (b"a", None),
    ],
)
def test_a_value_has_a_type(value: Any, name: str | None) -> None:
    assert type_of_value(value) == name
    assert AttributeSample("a", value).type == name


def test_a_type_that_is_given_counts() -> None:
    assert AttributeSample("a", 1, "double").type == "double"
    assert AttributeSample("a", 1, None).type is None


SHAPES: list[tuple[dict[str, Any], Sample]] = [
    ({"attribute": {"name": "a.b", "value": 1}}, AttributeSample("a.b", 1)),
    ({"attribute": {"name": "a.b", "type": "int"}}, AttributeSample("a.b", None, "int")),
    ({"name": "a.b"}, AttributeSample("a.b")),
    ({"name": "a.b", "value": "v"}, AttributeSample("a.b", "v")),
    (
        {"resource": {"attributes": [{"name": "a", "value": 1}]}},
        ResourceSample(attributes_of({"a": 1})),
    ),
    ({"resource": {}}, ResourceSample()),
    ({"span_event": {"name": "e", "attributes": None}}, SpanEventSample("e")),
    (
        {"span_link": {"attributes": [{"name": "a", "value": 1}]}},
        SpanLinkSample(attributes_of({"a": 1})),
    ),
    (
        {
            "span": {
                "name": "s",
                "kind": "CLIENT",
                "status": {"code": "Error", "message": "m"},
                "attributes": [{"name": "a", "value": 1}],
                "span_events": [{"name": "e", "attributes": [{"name": "b"}]}],
                "span_links": [{"attributes": [{"name": "c"}]}],
                "source": "a.py:3",
                "other": 1,
            }
        },
        SpanSample(
            "s",
            "client",
            attributes_of({"a": 1}),
            (SpanEventSample("e", attributes_of({"b": None})),),
            (SpanLinkSample(attributes_of({"c": None})),),
            "error",
            "a.py:3",
        ),
    ),
    (
        {"span": {"name": "s", "kind": "internal", "status": "ok", "source": 3}},
        SpanSample("s", status="ok"),
    ),
    (
        {
            "metric": {
                "name": "m",
                "instrument": "histogram",
                "unit": "s",
                "data_points": [
                    {
                        "attributes": [{"name": "a", "value": 1}],
                        "value": 1,
                        "exemplars": [{"filtered_attributes": [{"name": "b", "value": 2}]}],
                    },
                    {"bucket_counts": [1]},
                    {"scale": 1},
                ],
            }
        },
        MetricSample(
            "m",
            "histogram",
            "s",
            (
                DataPoint(attributes_of({"a": 1}), (attributes_of({"b": 2}),)),
                DataPoint(type="histogram_data_point"),
                DataPoint(type="exponential_histogram_data_point"),
            ),
        ),
    ),
    (
        {"log": {"event_name": "e", "attributes": [{"name": "a", "value": 1}]}},
        LogSample("e", attributes_of({"a": 1})),
    ),
    ({"log": {"body": "text"}}, LogSample()),
]


@pytest.mark.parametrize(("shape", "sample"), SHAPES)
def test_every_shape_is_read(shape: dict[str, Any], sample: Sample) -> None:
    assert parse_samples(json.dumps([shape])) == [sample]
    assert parse_samples(json.dumps(shape)) == [sample]
    assert sample_type(sample) in shape or "name" in shape


def test_samples_may_stand_one_a_line(tmp_path: Path) -> None:
    shapes = [shape for shape, _ in SHAPES]
    lines = "\n\n".join(map(json.dumps, shapes)).encode()
    path = tmp_path / "samples.json"
    path.write_bytes(b"\xef\xbb\xbf" + lines + b"\r\n")
    assert read_samples(path) == [sample for _, sample in SHAPES]


@pytest.mark.parametrize("text", ["", " \n", "[]", b""])
def test_there_may_be_none(text: str | bytes) -> None:
    assert parse_samples(text) == []


def test_the_last_attribute_of_a_name_counts() -> None:
    twice = (AttributeSample("a", 1), AttributeSample("b", 2), AttributeSample("a", 3))
    assert {name: each.value for name, each in by_name(twice).items()} == {"a": 3, "b": 2}


SPAN = '{"span": {"name": "s", "kind": "client", '

BAD: list[tuple[str | bytes, str, str]] = [
    ("[{]", "samples-syntax", "not JSON: Expecting property name"),
    ("{}\n{", "samples-syntax", "not JSON"),
    ("nothing", "samples-syntax", "not JSON"),
    ("[" * 100_000, "samples-syntax", "nested too deeply"),
    (b"\xff\xfe[]", "samples-syntax", "utf-8"),
    (b"\x00\x01\x02", "samples-syntax", "not JSON"),
    ('{"name": "a", "value": NaN}', "samples-syntax", "NaN is not a number in JSON"),
    ('{"name": "a", "value": 1}\n{"name": "a", "value": -Infinity}', "samples-syntax", "-Infinity"),
    ('{"name": "a", "value": ' + "1" * 5000 + "}", "samples-syntax", "not JSON"),
    ("3", "sample", "sample 1 must be an object, not a number"),
    ("1.5", "sample", "not a number"),
    ('["a"]', "sample", "not a text"),
    ("[[]]", "sample", "not a list"),
    ("[" * 900 + "]" * 900, "sample", "not a list"),
    ("[null]", "sample", "not null"),
    ("[true]", "sample", "not a truth value"),
    ("{}", "sample", "sample 1 must have one of the keys attribute, span, span_event"),
    ('[{"name": "a"}, {"spam": {}}]', "sample", "sample 2 must have"),
    ('{"span": {}, "log": {}}', "sample", "must have one of the keys"),
    ('{"span": 1}', "sample", "sample 1.span must be an object"),
    ('{"span": {"kind": "client"}}', "sample", "sample 1.span lacks the field 'name'"),
    ('{"span": {"name": "s"}}', "sample", "sample 1.span lacks the field 'kind'"),
    ('{"span": {"name": 1, "kind": "client"}}', "sample", "has no text as the field 'name'"),
    (SPAN + '"attributes": {}}}', "sample", "has no list as the field 'attributes'"),
    (SPAN + '"attributes": [1]}}', "sample", "sample 1.span.attributes[0] must be an object"),
    (SPAN + '"attributes": [{}]}}', "sample", "sample 1.span.attributes[0] lacks"),
    (SPAN + '"span_events": [{}]}}', "sample", "sample 1.span.span_events[0] lacks"),
    ('{"name": "a", "type": 1}', "sample", "has no text as the field 'type'"),
    ('{"metric": {"name": "m", "unit": "s"}}', "sample", "lacks the field 'instrument'"),
    ('{"metric": {"name": "m", "instrument": "gauge"}}', "sample", "lacks the field 'unit'"),
    ('{"log": {"event_name": 1}}', "sample", "has no text as the field 'event_name'"),
]


@pytest.mark.parametrize(("text", "code", "message"), BAD)
def test_what_is_no_sample_is_refused(text: str | bytes, code: str, message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse_samples(text, file="samples.json")
    assert caught.value.code == code
    assert message in str(caught.value)
    assert caught.value.file == "samples.json"


@pytest.mark.parametrize(
    ("text", "line"), [('\n[\n{"name" 1}]', 3), ('{"name": "a"}\n\n{"name" 1}', 3)]
)
def test_a_fault_of_syntax_has_its_line(text: str, line: int) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse_samples(text)
    assert caught.value.line == line


def test_a_separator_within_a_text_ends_no_line() -> None:
    line = json.dumps({"name": "a", "value": "x\u2028y"}, ensure_ascii=False)
    assert parse_samples(f"{line}\n{line}") == [AttributeSample("a", "x\u2028y")] * 2


def test_too_many_samples_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(samples, "MAX_BYTES", 20)
    path = tmp_path / "samples.json"
    path.write_text('{"name": "abcdef"}\n\n')
    assert read_samples(path) == [AttributeSample("abcdef")]
    path.write_text('{"name": "abcdef"}\n\n\n')
    with pytest.raises(DefinitionError, match="more than 20 bytes"):
        read_samples(path)


@pytest.mark.parametrize("name", ["missing.json", ".", "a\0b"])
def test_a_file_that_cannot_be_read_is_a_fault(tmp_path: Path, name: str) -> None:
    with pytest.raises(DefinitionError, match="cannot read") as caught:
        read_samples(tmp_path / name)
    assert caught.value.code == "file-unreadable"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "span", "metric", "log", "attributes", "value", "kind", "unit"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_whatever_the_json_there_are_samples_or_a_fault(value: Any) -> None:
    try:
        made = parse_samples(json.dumps(value))
    except DefinitionError as error:
        assert error.code in {"sample", "samples-syntax"}
    else:
        assert len(made) == (len(value) if isinstance(value, list) else 1)


@given(st.binary(max_size=40))
def test_whatever_the_bytes_there_are_samples_or_a_fault(value: bytes) -> None:
    try:
        made = parse_samples(value)
    except DefinitionError as error:
        assert error.code in {"sample", "samples-syntax"}
    else:
        assert made == []

"""What a group of the first format must fulfil beyond its shape."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.weaver.conftest import ids
from weft.weaver.check import CheckReport
from weft.weaver.findings import Level

Checked = Callable[..., CheckReport]

# type, examples, and what is said of them: the table of upstream.
EXAMPLES = [
    ("string", "a", None),
    ("string", "[a, b]", None),
    ("string", "1", "InvalidExampleError"),
    ("string", "[1]", "InvalidExampleError"),
    ("string", "[a, 1]", "InvalidExampleError"),
    ("string", "[]", "InvalidExampleError"),
    ("string", "[[a]]", "InvalidExampleError"),
    ("int", "1", None),
    ("int", "[1, 2]", None),
    ("int", "[]", None),
    ("int", "1.5", "InvalidExampleError"),
    ("int", "true", "InvalidExampleError"),
    ("double", "1.5", None),
    ("double", "[1, 1.5]", None),
    ("double", "[1]", "InvalidExampleError"),
    ("boolean", "true", None),
    ("boolean", "[true, false]", None),
    ("boolean", "yes", "InvalidExampleError"),
    ("string[]", "[[a], [b, c]]", None),
    ("string[]", "[a]", "InvalidExampleWarning"),
    ("string[]", "a", "InvalidExampleError"),
    ("int[]", "[[1]]", None),
    ("int[]", "[1]", "InvalidExampleWarning"),
    ("double[]", "[[1, 1.5], [2.5]]", None),
    ("double[]", "[1.5]", "InvalidExampleWarning"),
    ("boolean[]", "[[true]]", None),
    ("boolean[]", "[true]", "InvalidExampleWarning"),
    ("any", "[a, 1]", None),
    ("template[any]", "[a, 1]", None),
    ("template[string]", "[a]", None),
    ("template[string]", "[1]", "InvalidExampleError"),
    ("template[string[]]", "[[a]]", None),
    ("template[string[]]", "[a]", "InvalidExampleWarning"),
    ("template[string[]]", "a", "InvalidExampleWarning"),
    ("template[int[]]", "[1]", "InvalidExampleError"),
    ("template[int]", "1", None),
    ("{members: [{id: a, stability: stable}]}", "[1, b]", None),
]


@pytest.mark.parametrize(("type", "examples", "expected"), EXAMPLES)
def test_examples(checked: Checked, type: str, examples: str, expected: str | None) -> None:
    report = checked(f"""\
        groups:
        - id: registry.t
          type: attribute_group
          brief: b
          attributes:
          - id: t.a
            type: {type}
            brief: b
            stability: stable
            examples: {examples}
        """)
    assert ids(report) == ({expected: 1} if expected else {})


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ("type: int, stability: stable, deprecated: {reason: obsoleted}", {}),
        ("type: int, stability: deprecated, brief: b", {"InvalidAttributeWarning": 1}),
        (
            "type: {members: [{id: a, stability: deprecated}]}, stability: stable, brief: b",
            {"InvalidAttributeWarning": 1},
        ),
        (
            (
                "type: {members: [{id: a, stability: stable, deprecated: x}]}, stability: stable, "
                "brief: b"
            ),
            {"UnstructuredDeprecatedProperty": 1},
        ),
    ],
)
def test_attributes(checked: Checked, attribute: str, expected: dict[str, int]) -> None:
    text = "groups: [{id: r, type: attribute_group, brief: b, attributes: [{id: t.a, %s}]}]"
    assert ids(checked(text % attribute)) == expected


GROUPS = [
    ("type: metric", {"InvalidMetric": 3}),
    ("type: metric, events: [a]", {"InvalidMetric": 3, "InvalidGroup": 1}),
    (
        "type: span, span_kind: client, extends: base, deprecated: x",
        {"UnstructuredDeprecatedProperty": 1},
    ),
    ("type: event", {"InvalidGroup": 1}),
    ("type: event, prefix: p", {"InvalidGroupUsesPrefix": 1}),
    (
        "type: event, prefix: p, body: {id: x, type: int, stability: stable, requirement_level: opt_in}",
        {"InvalidGroupUsesPrefix": 1, "InvalidGroup": 1},
    ),
    ("type: event, name: n", {}),
    ("span_kind: client, extends: base", {"InvalidGroupMissingType": 1}),
    ("type: scope", {"InvalidGroupMissingExtendsOrAttributes": 1}),
    ("type: metric_group, extends: base", {}),
]


@pytest.mark.parametrize(("fields", "expected"), GROUPS)
def test_groups(checked: Checked, fields: str, expected: dict[str, int]) -> None:
    report = checked(f"""\
        groups:
        - id: base
          type: attribute_group
          brief: b
          attributes: [{{id: t.a, type: int, brief: b, stability: stable}}]
        - {{id: g, brief: b, stability: stable, {fields}}}
        """)
    assert ids(report) == expected


BODIES = [
    ("type: string, examples: [a]", {}),
    ("type: string, examples: a", {}),
    ("type: string", {"InvalidAnyValueExampleError": 1}),
    ("type: 'string[]'", {"InvalidAnyValueExampleError": 1}),
    ("type: 'string[]', examples: [a]", {"InvalidAnyValueExampleError": 1}),
    ("type: 'string[]', examples: [[a]]", {}),
    ("type: int, examples: [a]", {"InvalidAnyValueExampleError": 1}),
    ("type: bytes, examples: [1]", {}),
    ("type: undefined", {}),
    ("type: map, fields: [], examples: [1]", {"InvalidAnyValueExampleError": 1}),
    ("type: map, fields: [], examples: ['{}']", {}),
    ("type: enum, members: [{id: a}]", {"InvalidAnyValue": 1}),
    ("type: map, fields: [{id: y, type: int, requirement_level: opt_in}]", {"InvalidAnyValue": 1}),
]


@pytest.mark.parametrize(("fields", "expected"), BODIES)
def test_bodies(checked: Checked, fields: str, expected: dict[str, int]) -> None:
    body = f"{{id: x, stability: stable, requirement_level: required, {fields}}}"
    text = f"groups: [{{id: e, type: event, name: n, brief: b, stability: stable, body: {body}}}]"
    assert ids(checked(text)) == expected


def test_warnings_are_errors_of_the_future(checked: Checked) -> None:
    text = "groups: [{id: r, type: attribute_group, brief: b}]"
    assert checked(text).exit_code == 0
    report = checked(text, future=True)
    assert report.exit_code == 1
    assert [str(finding.level) for finding in report.findings] == ["error"]
    made = report.as_json()
    assert made["accepted"] is False
    assert made["findings"][0] == {
        "id": "InvalidGroupMissingExtendsOrAttributes",
        "level": "error",
        "message": "group 'r' has neither 'attributes' nor 'extends'",
        "file": report.findings[0].file,
        "line": 1,
        "context": {"group_id": "r"},
        "signal_type": None,
        "signal_name": None,
    }
    assert str(report.findings[0]).endswith("[InvalidGroupMissingExtendsOrAttributes]")
    assert ":1:10: error: " in str(report.findings[0])


SIZE = "{id: box.size, type: int, brief: Size., stability: stable}"
WHOLE = "brief: A box., stability: stable"
BOX = f"file_format: definition/2\nattributes: [{{key: box.size, type: int, {WHOLE}}}]\n"

# A file, what is said of it, and whether that rejects it.
SAID = [
    (f"groups: [{{id: span.box, type: span, {WHOLE}, attributes: [{SIZE}]}}]",
     "InvalidSpanMissingSpanKind", Level.WARNING),
    (f"groups: [{{id: span.box, type: span, span_kind: client, brief: b, attributes: [{SIZE}]}}]",
     "InvalidGroupStability", Level.WARNING),
    ((f"groups: [{{id: span.box, type: span, span_kind: client, {WHOLE},"
     f" attributes: [{SIZE}, {{ref: box.size}}, {{ref: box.size}}]}}]"),
     "InvalidGroupDuplicateAttributeRef", Level.WARNING),
    ((f"groups: [{{id: m1, type: metric, metric_name: box.count, instrument: gauge, unit: '1', {WHOLE}}},"
     f" {{id: m2, type: metric, metric_name: box.count, instrument: gauge, unit: '1', {WHOLE}}}]"),
     "DuplicateMetricName", Level.WARNING),
    (f"{BOX}entities: [{{type: box, {WHOLE}, requirement_level: opt_in, identity: []}}]",
     "EntityMissingIdentity", Level.ERROR),
    ((f"{BOX}entities: [{{type: box, {WHOLE}, requirement_level: opt_in,"
     " identity: [{ref: box.size}], description: [{ref: box.size}]}]"),
     "AttributeInIdentityAndDescription", Level.ERROR),
]  # fmt: skip


@pytest.mark.parametrize(("text", "name", "level"), SAID, ids=[each[1] for each in SAID])
def test_levels(checked: Checked, text: str, name: str, level: Level) -> None:
    report = checked(text)
    assert {each.level for each in report.findings if each.id == name} == {level}
    assert set(ids(report)) == {name}
    assert report.exit_code == (level is Level.ERROR)
    assert checked(text, future=True).exit_code == 1

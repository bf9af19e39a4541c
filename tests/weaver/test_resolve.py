"""Resolving: what a group takes over, what a reference refers to, what is imported."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.weaver.conftest import Write, ids
from tests.weaver.test_load import ATTRIBUTE, manifest
from weft.weaver.check import CheckReport, check
from weft.weaver.imports import compile_glob
from weft.weaver.output import resolved_json
from weft.weaver.registry import Attribute, Group, Registry

Checked = Callable[..., CheckReport]

SIGNAL = "instrument: counter, unit: '1', brief: b., stability: stable, requirement_level: opt_in"


def registry_of(report: CheckReport) -> Registry:
    assert ids(report) == {}, report.findings
    assert report.registry is not None
    return report.registry


def group_of(report: CheckReport, id: str) -> Group[Attribute]:
    group = registry_of(report).group(id)
    assert group is not None
    return group


# --- extends, ref_group, refinements --------------------------------------------------------


def test_a_group_says_anew_what_it_extends(checked: Checked) -> None:
    group = group_of(
        checked("""\
        groups:
        - id: registry.t
          type: attribute_group
          brief: b
          attributes:
          - {id: t.a, type: int, brief: a, stability: stable, annotations: {x: {y: 1, z: [1]}}}
          - {id: t.b, type: int, brief: b, stability: stable}
        - id: base
          type: attribute_group
          brief: b
          attributes:
          - {ref: t.a, brief: base, requirement_level: required}
          - {ref: t.b, note: n}
        - id: child
          type: attribute_group
          brief: b
          extends: base
          attributes:
          - {ref: t.a, requirement_level: opt_in, annotations: {x: {z: [2], w: 3}}}
          - {id: t.c, type: string, brief: c, stability: stable, examples: x}
        """),
        "child",
    )
    assert [each.name for each in group.attributes] == ["t.a", "t.b", "t.c"]
    a = group.attribute("t.a")
    assert a is not None
    assert (a.brief, a.requirement_level.level) == ("base", "opt_in")
    assert a.annotations == {"x": {"y": 1, "z": [2], "w": 3}}
    assert group.lineage_extends == "base"
    assert group.lineage["t.a"].source_group == "registry.t"
    assert "t.c" not in group.lineage
    assert group.attribute("nothing") is None


def test_a_definition_may_replace_an_inherited_one(checked: Checked) -> None:
    group = group_of(
        checked("""\
        groups:
        - id: base
          type: attribute_group
          brief: b
          attributes: [{id: t.a, type: int, brief: a, stability: stable}]
        - id: span.t
          type: span
          span_kind: client
          stability: stable
          brief: b
          extends: base
          attributes: [{id: t.a, type: double, brief: c, stability: stable}]
        """),
        "span.t",
    )
    assert [each.type for each in group.attributes] == ["double"]


V2 = """\
file_format: definition/2
attributes:
- {key: t.a, type: int, brief: a, stability: stable}
- {key: t.b, type: int, brief: b, stability: stable}
attribute_groups:
- {id: g.a, visibility: internal, attributes: [{ref: t.a, brief: from g.a}]}
- {id: g.b, visibility: internal, attributes: [{ref: t.b}, {ref_group: g.a}]}
- {id: g.c, visibility: public, brief: c, stability: stable, attributes: [{ref: t.a}]}
"""


def v2(text: str) -> str:
    return f"{V2}{text}\n"


def test_groups_are_included(checked: Checked) -> None:
    group = group_of(
        checked(
            v2(
                f"metrics: [{{name: m, {SIGNAL}, attributes: [{{ref_group: g.b}}, "
                "{ref: t.a, requirement_level: required}]}]"
            )
        ),
        "metric.m",
    )
    assert [(each.name, each.brief, each.requirement_level.level) for each in group.attributes] == [
        ("t.a", "from g.a", "required"),
        ("t.b", "b", "recommended"),
    ]


def test_included_groups_may_not_overlap(checked: Checked) -> None:
    report = checked(
        v2(
            f"metrics: [{{name: m, {SIGNAL}, attributes: [{{ref_group: g.b}}, {{ref_group: g.c}}]}}]"
        )
    )
    assert ids(report) == {"DuplicateAttributeId": 1}
    assert report.findings[-1].context == {
        "attribute_id": "t.a",
        "group_ids": ["g.b", "g.c"],
    }


def test_only_groups_of_attributes_can_be_included(checked: Checked) -> None:
    text = f"metrics: [{{name: m, {SIGNAL}}}, {{name: n, {SIGNAL}, attributes: [{{ref_group: metric.m}}]}}]"
    assert ids(checked(v2(text))) == {"UnresolvedIncludeRef": 1}


def test_included_groups_may_not_go_in_a_circle(checked: Checked) -> None:
    report = checked("""\
        file_format: definition/2
        attribute_groups:
        - {id: a, visibility: internal, attributes: [{ref_group: b}]}
        - {id: b, visibility: internal, attributes: [{ref_group: a}]}
        """)
    assert ids(report) == {"UnresolvedExtendsRef": 2}


def test_a_refinement_takes_over_what_it_does_not_say(checked: Checked) -> None:
    text = v2(f"""\
metrics:
- {{name: m, {SIGNAL}, note: n, attributes: [{{ref: t.a}}], annotations: {{x: 1}}}}
metric_refinements:
- {{id: m.one, ref: m, brief: one., annotations: {{y: 2}}, attributes: [{{ref: t.b}}]}}
- {{id: m.two, ref: m.one, stability: alpha, attributes: [{{ref: t.a, brief: two}}]}}
spans:
- {{type: s, kind: client, name: {{note: n}}, brief: b, stability: stable, requirement_level: opt_in}}
span_refinements: [{{id: s.r, ref: s, attributes: [{{ref: t.a, sampling_relevant: true}}]}}]
events: [{{name: e, brief: b, stability: stable, requirement_level: opt_in}}]
event_refinements: [{{id: e.r, ref: e}}]
""")
    report = checked(text)
    two = group_of(report, "m.two")
    assert (two.metric_name, two.instrument, two.unit) == ("m", "counter", "1")
    assert (two.brief, two.note, two.stability) == ("one.", "n", "alpha")
    assert two.annotations == {"x": 1, "y": 2}
    assert [(each.name, each.brief) for each in two.attributes] == [("t.a", "two"), ("t.b", "b")]
    assert two.lineage_extends == "m.one"
    assert group_of(report, "s.r").span_kind == "client"
    assert group_of(report, "s.r").attributes[0].sampling_relevant is True
    assert group_of(report, "e.r").signal_name == "e"
    registry = registry_of(report)
    assert (len(registry.metrics), len(registry.spans), len(registry.events)) == (1, 1, 1)


# --- links of spans -------------------------------------------------------------------------


SPAN = "kind: client, name: {note: n}, brief: b., stability: stable, requirement_level: opt_in"


def test_spans_are_linked_to_spans(checked: Checked) -> None:
    text = v2(f"""\
spans:
- {{type: batch, {SPAN}}}
- type: one
  kind: client
  name: {{note: n}}
  brief: b.
  stability: stable
  requirement_level: opt_in
  links:
  - ref: batch
    requirement_level: {{conditionally_required: In a batch.}}
    brief: What it belongs to.
    attributes: [{{ref: t.a, requirement_level: required}}]
  - {{ref: one, note: The one before.}}
span_refinements: [{{id: one.more, ref: one}}]
""")
    report = checked(text)
    one = group_of(report, "span.one")
    batch, before = one.links
    assert (batch.ref, batch.brief) == ("batch", "What it belongs to.")
    assert batch.requirement_level.as_json() == {"conditionally_required": "In a batch."}
    assert [(each.name, each.type) for each in batch.attributes] == [("t.a", "int")]
    assert (before.requirement_level.level, before.note) == ("recommended", "The one before.")
    assert group_of(report, "one.more").links == one.links
    resolved = resolved_json(registry_of(report))
    (made,) = [each for each in resolved["registry"]["groups"] if each["id"] == "span.one"]
    (number,) = made["links"][0]["attributes"]
    assert resolved["catalog"][number]["requirement_level"] == "required"
    assert made["links"][1] == {
        "ref": "one",
        "requirement_level": "recommended",
        "note": "The one before.",
    }


def test_links_lead_to_spans_that_there_are(checked: Checked) -> None:
    text = v2(f"""\
metrics: [{{name: m, {SIGNAL}}}]
spans:
- type: one
  {SPAN.replace(", ", chr(10) + "  ")}
  links:
  - {{ref: m}}
  - {{ref: one, attributes: [{{ref: t.nothing}}]}}
span_refinements: [{{id: r, ref: one}}, {{id: r.r, ref: r}}]
""")
    report = checked(text)
    assert ids(report) == {"SpanLinkTargetNotFound": 1, "UnresolvedAttributeRef": 1}
    lines = text.splitlines()
    found = {each.id: lines[(each.line or 0) - 1].strip() for each in report.findings}
    assert found["SpanLinkTargetNotFound"] == "- {ref: m}"
    assert "t.nothing" in found["UnresolvedAttributeRef"]


def test_imported_spans_keep_their_links(write: Write) -> None:
    theirs = f"""\
file_format: definition/2
attributes: [{{key: d.a, type: int, brief: b., stability: stable}}]
spans:
- {{type: d.batch, {SPAN}}}
- {{type: d.one, {SPAN}, links: [{{ref: d.batch, attributes: [{{ref: d.a}}]}}]}}
"""
    ours = f"""\
file_format: definition/2
imports: {{spans: [d.one]}}
spans:
- {{type: o.one, {SPAN}, links: [{{ref: d.one, attributes: [{{ref: d.a}}]}}]}}
- {{type: o.two, {SPAN}, links: [{{ref: d.batch}}]}}
span_refinements: [{{id: o.more, ref: d.one}}]
"""
    write("d", {"manifest.yaml": manifest("d"), "a.yaml": theirs})
    folder = write("o", {"manifest.yaml": manifest("o", "1.0.0", "d/1.0.0:../d"), "a.yaml": ours})
    report = check(folder)
    found = [each for each in report.findings if each.level == "error"]
    # What d.one is linked to is its own registry's affair; o.two would have to import it.
    assert [(each.id, each.signal_name) for each in found] == [("SpanLinkTargetNotFound", "o.two")]
    assert report.registry is not None
    links = {group.id: group.links for group in report.registry.groups}
    assert [each.name for each in links["span.o.one"][0].attributes] == ["d.a"]
    assert links["o.more"] == links["span.d.one"] != ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f"metrics: [{{name: m, {SIGNAL}}}]\nspan_refinements: [{{id: r, ref: m}}]",
            "InvalidRefinement",
        ),
        ("metric_refinements: [{id: r, ref: g.c}]", "InvalidRefinement"),
        ("metric_refinements: [{id: r, ref: nothing}]", "UnresolvedExtendsRef"),
        ("metric_refinements: [{id: r, ref: r}]", "UnresolvedExtendsRef"),
    ],
)
def test_what_cannot_be_refined(checked: Checked, text: str, expected: str) -> None:
    assert ids(checked(v2(text))) == {expected: 1}


def test_refinements_in_a_circle(checked: Checked) -> None:
    text = "metric_refinements: [{id: r, ref: s}, {id: s, ref: r}]"
    assert ids(checked(v2(text))) == {"UnresolvedExtendsRef": 2}


@pytest.mark.parametrize("circle", [False, True])
def test_thousands_of_refinements(checked: Checked, circle: bool) -> None:
    """In one chain, or a circle, each refining the one before it."""
    count = 1_500
    lines = [] if circle else [f"metrics: [{{name: m, {SIGNAL}}}]"]
    lines.append("metric_refinements:")
    lines.append(f"- {{id: r0, ref: {f'r{count - 1}' if circle else 'm'}}}")
    lines += [f"- {{id: r{i}, ref: r{i - 1}}}" for i in range(1, count)]
    report = checked(v2("\n".join(lines)))
    if circle:
        assert ids(report) == {"UnresolvedExtendsRef": count}
    else:
        (last,) = (g for g in registry_of(report).groups if g.id.endswith(f"r{count - 1}"))
        assert last.unit == "1"


WIDE = "\n".join(
    [
        "groups: [{id: base, type: attribute_group, brief: b, attributes: [",
        *(f"{{id: t.a{i}, type: int, brief: b, stability: stable}}," for i in range(1_000)),
        "]}",
    ]
)


def test_groups_share_what_they_take_over(checked: Checked) -> None:
    """A thousand attributes in each of a thousand groups: every other one in a chain."""
    count = 1_000
    group = "type: attribute_group, brief: b"
    groups = [
        f",{{id: g{i}, {group}, extends: {f'g{i - 1}' if i % 2 else 'base'}}}" for i in range(count)
    ]
    report = checked("\n".join([WIDE, *groups, "]"]))
    assert report.findings == ()
    first, *others = (group for group in registry_of(report).groups if group.id != "base")
    assert len(first.attributes) == 1_000
    assert all(group.attributes is first.attributes for group in others)
    assert first.lineage["t.a999"].source_group == "base"
    assert group_of(report, "g1").lineage["t.a0"].source_group == "g0"


def test_what_groups_take_over_is_bounded(
    checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weft.weaver.resolve.MAX_INHERITED", 5_000)
    group = "type: attribute_group, brief: b, extends: base, attributes: [{ref: t.a1}]"
    groups = [f",{{id: g{i}, {group}}}" for i in range(10)]
    report = checked("\n".join([WIDE, *groups, "]"]))
    (finding,) = report.findings
    assert finding.id == "SemConvSpecError"
    assert "the groups up to 'g5' take over more than 5,000 attributes" in finding.message
    assert report.registry is not None
    counts = [len(group.attributes) for group in report.registry.groups[1:]]
    assert counts == [1_000] * 5 + [1] * 5


def test_findings_of_an_id_are_bounded(checked: Checked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weft.weaver.findings.MAX_OF_AN_ID", 10)
    lost = "{id: base, type: attribute_group, brief: b, attributes: [{ref: t.lost}]}"
    groups = [f",{{id: g{i}, type: attribute_group, brief: b, extends: base}}" for i in range(20)]
    report = checked("\n".join([f"groups: [{lost}", *groups, "]"]))
    assert ids(report) == {"UnresolvedAttributeRef": 11}
    assert report.findings[-1].message == "and 11 more findings of this id"
    assert report.exit_code == 1


@pytest.mark.parametrize(
    ("refinement", "count"),
    [
        ("{id: r, ref: e, identity: [{ref: t.a, brief: x}], description: [{ref: t.b}]}", 0),
        ("{id: r, ref: e, description: [{ref: t.a}]}", 1),
        ("{id: r, ref: e, identity: [{ref: t.b}]}", 1),
        ("{id: r, ref: e}, {id: q, ref: r, description: [{ref: t.a}]}", 1),
    ],
)
def test_a_refinement_does_not_change_an_identity(
    checked: Checked, refinement: str, count: int
) -> None:
    report = checked(
        v2(
            "entities: [{type: e, brief: b, stability: stable, requirement_level: opt_in, "
            f"identity: [{{ref: t.a}}]}}]\nentity_refinements: [{refinement}]"
        )
    )
    assert ids(report) == ({"EntityRefinementChangedIdentity": count} if count else {})


# --- references -----------------------------------------------------------------------------


def test_definitions_in_groups_of_attributes_are_meant(checked: Checked) -> None:
    """A span may define an attribute of the same name; references do not mean that one."""
    report = checked("""\
        groups:
        - id: span.t
          type: span
          span_kind: client
          stability: stable
          brief: b
          attributes: [{id: t.a, type: double, brief: span, stability: stable}]
        - id: registry.t
          type: attribute_group
          brief: b
          attributes: [{id: t.a, type: int, brief: registry, stability: stable}]
        - id: other
          type: attribute_group
          brief: b
          attributes: [{ref: t.a}]
        """)
    assert group_of(report, "other").attributes[0].brief == "registry"


def test_names_with_a_prefix_may_build_on_each_other(checked: Checked) -> None:
    report = checked("""\
        groups:
        - {id: c, type: attribute_group, brief: b, prefix: z, attributes: [{ref: y.x.a, prefix: true}]}
        - {id: b, type: attribute_group, brief: b, prefix: y, attributes: [{ref: x.a, prefix: true}]}
        - id: a
          type: attribute_group
          brief: b
          prefix: x
          attributes: [{id: a, type: int, brief: b, stability: stable}]
        - {id: d, type: attribute_group, brief: b, attributes: [{ref: z.y.x.a}]}
        - {id: e, type: attribute_group, brief: b, extends: a}
        """)
    assert ids(report) == {"InvalidGroupUsesPrefix": 3}
    assert report.registry is not None
    assert sorted(report.registry.attributes) == ["x.a", "y.x.a", "z.y.x.a"]
    inherited = report.registry.group("e")
    assert inherited is not None
    assert [each.name for each in inherited.attributes] == ["x.a"]


def test_what_two_dependencies_define_is_ambiguous(write: Write) -> None:
    for name in ("b", "c"):
        write(name, {"manifest.yaml": manifest(name), "a.yaml": ATTRIBUTE})
    text = "file_format: definition/2\nattribute_groups: [{id: g, visibility: internal, attributes: [{ref: t.a}]}]\n"
    root = {"manifest.yaml": manifest("a", "1.0.0", "b/1.0.0:../b", "c/1.0.0:../c")}
    report = check(write("a", {**root, "a.yaml": text}))
    assert ids(report) == {"AmbiguousReference": 1}
    # A definition of its own settles it.
    report = check(write("a", {**root, "a.yaml": text, "b.yaml": ATTRIBUTE}))
    assert ids(report) == {}


HIDDEN = "annotations: {dependency_resolution: {exclude: true}}"


@pytest.mark.parametrize(
    ("theirs", "ours", "expected"),
    [
        (
            f"attributes: [{{key: t.a, type: int, brief: b, stability: stable, {HIDDEN}}}]",
            "attribute_groups: [{id: g, visibility: internal, attributes: [{ref: t.a}]}]",
            {"ExcludedFromDependencyResolution": 1},
        ),
        (
            f"metrics: [{{name: m, {SIGNAL}, {HIDDEN}}}]",
            "imports: {metrics: ['*']}",
            {"ExcludedFromDependencyResolution": 1},
        ),
        (
            (
                "attributes: [{key: t.a, type: int, brief: b, stability: stable}]\n"
                "attribute_groups: [{id: h, visibility: internal, attributes: [{ref: t.a}]}]"
            ),
            f"metrics: [{{name: m, {SIGNAL}, attributes: [{{ref_group: h}}]}}]",
            {"ExcludedFromDependencyResolution": 1},
        ),
        (
            (
                "attributes: [{key: t.a, type: int, brief: b, stability: stable}]\n"
                "attribute_groups: [{id: h, visibility: public, brief: b, stability: stable, "
                "attributes: [{ref: t.a}]}]"
            ),
            f"metrics: [{{name: m, {SIGNAL}, attributes: [{{ref_group: h}}]}}]",
            {},
        ),
        (
            (
                f"attributes: [{{key: t.a, type: int, brief: b, stability: stable}}]\nentities: [{{type: e, brief: b, stability: stable, requirement_level: opt_in, "
                f"identity: [{{ref: t.a}}], {HIDDEN}}}]"
            ),
            f"metrics: [{{name: m, {SIGNAL}, entity_associations: [e]}}]",
            {"ExcludedFromDependencyResolution": 1},
        ),
        (
            f"metrics: [{{name: m, {SIGNAL}}}]",
            "metric_refinements: [{id: m.r, ref: m, brief: other.}]",
            {},
        ),
    ],
)
def test_what_a_dependency_keeps_to_itself(
    write: Write, theirs: str, ours: str, expected: dict[str, int]
) -> None:
    head = "file_format: definition/2\n"
    write("b", {"manifest.yaml": manifest("b"), "a.yaml": head + theirs})
    report = check(
        write(
            "a",
            {"manifest.yaml": manifest("a", "1.0.0", "b/1.0.0:../b"), "a.yaml": head + ours},
        )
    )
    assert ids(report) == expected


def test_groups_of_dependencies_can_be_extended(write: Write) -> None:
    write(
        "b",
        {
            "manifest.yaml": manifest("b"),
            "a.yaml": "groups: [{id: base, type: attribute_group, brief: b, attributes: "
            "[{id: t.a, type: int, brief: b, stability: stable}]}]",
        },
    )
    report = check(
        write(
            "a",
            {
                "manifest.yaml": manifest("a", "1.0.0", "b/1.0.0:../b"),
                "a.yaml": "groups: [{id: child, type: attribute_group, brief: b, extends: base}]",
            },
        )
    )
    child = group_of(report, "child")
    assert child.attributes[0].type == "int"
    assert child.lineage["t.a"].source_group == "base"


# --- associations ---------------------------------------------------------------------------


def test_trees_of_associations(checked: Checked) -> None:
    entities = ", ".join(
        f"{{type: {name}, brief: b, stability: stable, requirement_level: opt_in, "
        "identity: [{ref: t.a}]}"
        for name in ("x", "y")
    )
    tree = "[{all_of: [x, {one_of: [y, entity.x]}]}]"
    report = checked(
        v2(f"entities: [{entities}]\nmetrics: [{{name: m, {SIGNAL}, entity_associations: {tree}}}]")
    )
    group = group_of(report, "metric.m")
    assert list(group.entity_associations[0].names()) == ["x", "y", "entity.x"]
    assert group.entity_associations[0].as_json() == {
        "all_of": ["x", {"one_of": ["y", "entity.x"]}]
    }


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ("[z]", "UnresolvedEntityAssociation"),
        ("[{one_of: [{all_of: [z]}]}]", "UnresolvedEntityAssociation"),
        ("[{one_of: []}]", "InvalidGroup"),
        ("['']", "InvalidGroup"),
    ],
)
def test_associations_that_lead_nowhere(checked: Checked, tree: str, expected: str) -> None:
    text = v2(f"metrics: [{{name: m, {SIGNAL}, entity_associations: {tree}}}]")
    assert ids(checked(text)) == {expected: 1}


def test_entities_of_two_dependencies_are_ambiguous(write: Write) -> None:
    entity = (
        "file_format: definition/2\n"
        "attributes: [{key: t.a, type: int, brief: b, stability: stable}]\n"
        "entities: [{type: e, brief: b, stability: stable, requirement_level: opt_in, "
        "identity: [{ref: t.a}]}]"
    )
    for name in ("b", "c"):
        write(name, {"manifest.yaml": manifest(name), "a.yaml": entity})
    use = f"file_format: definition/2\nmetrics: [{{name: m, {SIGNAL}, entity_associations: [e]}}]"
    one = manifest("a", "1.0.0", "b/1.0.0:../b")
    two = manifest("a", "1.0.0", "b/1.0.0:../b", "c/1.0.0:../c")
    assert ids(check(write("a", {"manifest.yaml": one, "a.yaml": use}))) == {}
    report = check(write("a", {"manifest.yaml": two, "a.yaml": use}))
    assert ids(report) == {"AmbiguousEntityAssociation": 1}


# --- imports --------------------------------------------------------------------------------

THEIRS = f"""\
file_format: definition/2
attributes: [{{key: t.a, type: int, brief: b, stability: stable}}]
attribute_groups:
- {{id: g, visibility: public, brief: b, stability: stable, attributes: [{{ref: t.a}}]}}
entities:
- {{type: e, brief: b, stability: stable, requirement_level: opt_in, identity: [{{ref: t.a}}]}}
events: [{{name: x.e, brief: b, stability: stable, requirement_level: opt_in}}]
metrics: [{{name: x.m, {SIGNAL}, attributes: [{{ref: t.a}}]}}, {{name: y.m, {SIGNAL}}}]
spans:
- {{type: x.s, kind: client, name: {{note: n}}, brief: b, stability: stable, requirement_level: opt_in}}
"""


def importing(write: Write, imports: str, theirs: str = THEIRS) -> CheckReport:
    write("b", {"manifest.yaml": manifest("b"), "a.yaml": theirs})
    return check(
        write(
            "a",
            {
                "manifest.yaml": manifest("a", "1.0.0", "b/1.0.0:../b"),
                "a.yaml": f"file_format: definition/2\nimports: {imports}\n",
            },
        )
    )


@pytest.mark.parametrize(
    ("imports", "expected"),
    [
        ("{metrics: ['x.*']}", ["metric.x.m"]),
        ("{metrics: ['metric.y.m', '{x,z}.m']}", ["metric.x.m", "metric.y.m"]),
        ("{metrics: ['[!x].m']}", ["metric.y.m"]),
        ("{events: ['x.?']}", ["event.x.e"]),
        ("{spans: ['x.s'], entities: [e], attribute_groups: [g]}", ["entity.e", "g", "span.x.s"]),
        ("{metrics: []}", []),
    ],
)
def test_imports(write: Write, imports: str, expected: list[str]) -> None:
    registry = registry_of(importing(write, imports))
    assert [group.id for group in registry.groups] == expected
    assert registry.attributes == {}
    assert all(group.schema_url == "https://x.test/b/1.0.0" for group in registry.groups)


def test_signals_of_the_first_format_are_imported_by_their_names(write: Write) -> None:
    theirs = """\
groups:
- {id: metric.m, type: metric, metric_name: x.m, instrument: counter, unit: '1', brief: b, stability: stable}
- {id: event.e, type: event, name: x.e, brief: b, stability: stable}
- {id: span.s, type: span, span_kind: client, brief: b, stability: stable, extends: g}
- {id: g, type: attribute_group, brief: b, attributes: [{id: t.a, type: int, brief: b, stability: stable}]}
- {id: host, type: resource, brief: b, stability: stable, extends: g}
- {id: s, type: scope, brief: b, stability: stable, extends: g}
"""
    imports = "{metrics: [x.m], events: [x.e], spans: [s], entities: [host], attribute_groups: [g]}"
    registry = registry_of(importing(write, imports, theirs))
    assert [group.id for group in registry.groups] == ["event.e", "g", "host", "metric.m", "span.s"]
    assert [each.signal_name for each in registry.spans] == ["s"]


def test_patterns_that_match_nothing(write: Write) -> None:
    report = importing(write, "{metrics: [z.m, x.m], spans: [x.m]}")
    assert ids(report) == {"UnmatchedImport": 2}
    assert report.accepted


@pytest.mark.parametrize("pattern", ["[a", "{a,b", "a}", "a\\", "[z-a]"])
def test_patterns_that_are_not_valid(write: Write, pattern: str) -> None:
    report = importing(write, f"{{metrics: ['{pattern}']}}")
    assert ids(report) == {"InvalidWildcard": 1}


@pytest.mark.parametrize(
    ("glob", "yes", "no"),
    [
        ("a.*", ["a.", "a.b", "a.b.c"], ["a", "b.a"]),
        ("**", ["", "a"], []),
        ("a?c", ["abc", "a.c"], ["ac", "abbc"]),
        ("[a-c]x", ["ax", "cx"], ["dx"]),
        ("[]]", ["]"], ["["]),
        ("[!]]", ["["], ["]"]),
        ("[a-]", ["-", "a"], ["b"]),
        ("[^a]", ["b"], ["a"]),
        ("{a,b{c,d}}e", ["ae", "bce", "bde"], ["be"]),
        (r"\*\{", ["*{"], ["a{"]),
        ("a,b", ["a,b"], ["a"]),
        ("a+(b)", ["a+(b)"], ["aab"]),
        ("*a*b", ["ab", "xaxb", "abb", "aabab"], ["ba", "a", "b", "aba"]),
        ("{a*,*b}c{,?}", ["ac", "axcx", "bc", "xbc", "acc"], ["c", "xc", "bd"]),
        ("*{abc,b}*c", ["abcc", "abc", "bxc"], ["ac", "cb"]),
    ],
)
def test_globs(glob: str, yes: list[str], no: list[str]) -> None:
    pattern = compile_glob(glob)
    assert all(pattern.fullmatch(text) for text in yes)
    assert not any(pattern.fullmatch(text) for text in no)


@settings(max_examples=200)
@given(
    glob=st.text("ab*?{},", max_size=12),
    texts=st.lists(st.text("ab", max_size=8), min_size=1, max_size=5),
)
def test_a_glob_matches_what_its_meaning_says(glob: str, texts: list[str]) -> None:
    try:
        pattern = compile_glob(glob)
    except ValueError:
        assert "{" in glob or "}" in glob
        return
    plain = glob.replace("*", ".*").replace("?", ".").replace("{", "(?:").replace("}", ")")
    depth, plainest = 0, ""
    for character in plain:  # a comma is an alternative only within braces
        depth += (character == "(") - (character == ")")
        plainest += "|" if character == "," and depth else character
    for text in texts:
        assert bool(pattern.fullmatch(text)) == bool(re.fullmatch(plainest, text))


def test_a_glob_takes_linear_time() -> None:
    # A plain regular expression with so many stars would take longer than anybody lives.
    assert not compile_glob("*a" * 30 + "*b").fullmatch("a" * 10_000)
    assert compile_glob("{" * 5_000 + "a" + "}" * 5_000).fullmatch("a")
    with pytest.raises(ValueError, match="stand for more than 1,000 patterns"):
        compile_glob("{a,b}" * 10)


# --- what must be unique, and output --------------------------------------------------------


def test_duplicates(checked: Checked) -> None:
    event = "{name: e, brief: b, stability: stable, requirement_level: opt_in}"
    report = checked(v2(f"events: [{event}, {event}]"))
    assert ids(report) == {"DuplicateGroupId": 1, "DuplicateGroupName": 1}
    assert report.accepted


def test_an_attribute_is_defined_once(checked: Checked) -> None:
    report = checked(V2.replace("key: t.b", "key: t.a").replace("{ref: t.b}, ", ""))
    assert ids(report) == {"DuplicateAttributeId": 1}


def test_the_same_name_may_be_an_entity_and_an_event(checked: Checked) -> None:
    report = checked(
        v2(
            "events: [{name: x, brief: b, stability: stable, requirement_level: opt_in}]\n"
            "entities: [{type: x, brief: b, stability: stable, requirement_level: opt_in, "
            "identity: [{ref: t.a}]}]"
        )
    )
    assert ids(report) == {}


def test_output_holds_everything(checked: Checked) -> None:
    report = checked("""\
        groups:
        - id: registry.t
          type: attribute_group
          brief: b
          display_name: T
          note: n
          annotations: {x: 1}
          attributes:
          - id: t.a
            type: {members: [{id: x, brief: b, note: n, stability: stable, value: 1,
              deprecated: {reason: renamed, renamed_to: y}, annotations: {z: 1}}]}
            brief: a
            stability: stable
            tag: x
            sampling_relevant: true
            role: descriptive
            annotations: {y: 2}
            deprecated: {reason: obsoleted}
        - id: event.e
          type: event
          name: e
          brief: b
          stability: stable
          deprecated: {reason: uncategorized, note: n}
          extends: registry.t
          body:
            id: m
            type: map
            brief: b
            note: n
            stability: stable
            requirement_level: required
            fields:
            - id: f
              type: enum
              stability: stable
              requirement_level: {recommended: x}
              examples: [a]
              members: [{id: a, stability: stable}]
        - {id: span.s, type: span, span_kind: client, brief: b, stability: stable, extends: registry.t,
           events: [event.e]}
        """)
    registry = registry_of(report)
    made = resolved_json(registry)
    assert made == json.loads(json.dumps(made))
    assert made["catalog"] == [
        {
            "name": "t.a",
            "type": {
                "members": [
                    {
                        "id": "x",
                        "value": 1,
                        "brief": "b",
                        "note": "n",
                        "stability": "stable",
                        "deprecated": {
                            "reason": "renamed",
                            "renamed_to": "y",
                            "note": "Replaced by `y`.",
                        },
                        "annotations": {"z": 1},
                    }
                ]
            },
            "brief": "a",
            "tag": "x",
            "requirement_level": "recommended",
            "sampling_relevant": True,
            "stability": "stable",
            "deprecated": {"reason": "obsoleted", "note": "Obsoleted."},
            "annotations": {"y": 2},
            "role": "descriptive",
        }
    ]
    event, _, span = made["registry"]["groups"]
    assert event["body"]["fields"][0]["members"] == [
        {"id": "a", "value": "a", "stability": "stable"}
    ]
    assert event["body"]["fields"][0]["requirement_level"] == {"recommended": "x"}
    assert event["deprecated"] == {"reason": "uncategorized", "note": "n"}
    assert span["events"] == ["event.e"]
    assert span["lineage"]["extends_group"] == "registry.t"

"""The policies, and compatibility with a baseline; upstream's own cases are in test_corpus."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.weaver.conftest import Write
from weft.schema.errors import UsageError
from weft.weaver.check import CheckReport, check
from weft.weaver.findings import Level, counts
from weft.weaver.policies import PACKAGES, apply_policies
from weft.weaver.registry import Registry

Checked = Callable[..., CheckReport]

HEAD = "file_format: definition/2\n"
COMMON = "brief: b., stability: stable, requirement_level: recommended"


def attribute(key: str, type: str = "int", more: str = "") -> str:
    return f"{{key: {key}, type: {type}, brief: b, stability: stable{more}}}"


def metric(name: str, more: str = "") -> str:
    return f"{{name: {name}, instrument: counter, unit: '1', {COMMON}{more}}}"


def violations(report: CheckReport) -> dict[str, int]:
    return counts([each for each in report.findings if each.level is Level.VIOLATION])


def except_for(package: str, name: str) -> str:
    return f", annotations: {{{package}: {{policy_exceptions: [{name}]}}}}"


NAMING = [
    ("attributes: [{}]".format(attribute("t.a")), {}),
    ("attributes: [{}]".format(attribute("ta")), {"attr_has_namespace": 1}),
    ("attributes: [{}]".format(attribute("T.a")), {"attr_has_namespace": 1}),
    (
        "attributes: [{}]".format(attribute("ta", more=", deprecated: {reason: obsoleted, note: n}")),
        {},
    ),
    (
        "attributes: [{}]".format(attribute("ta", more=except_for("naming_conventions", "attr_has_namespace"))),
        {},
    ),
    ("attributes: [{}]".format(attribute("ta", more=", annotations: {naming_conventions: x}")),
     {"attr_has_namespace": 1}),
    ("attributes: [{}, {}]".format(attribute("t.a"), attribute("t.a.b")), {"attribute_namespace_collision": 1}),
    (
        "attributes: [{}, {}]".format(
            attribute("t.a"),
            attribute("t.a.b", more=except_for("naming_conventions", "attribute_namespace_collision")),
        ),
        {},
    ),
    (
        "attributes: [{}, {}]".format(attribute("t.a"), attribute("t.a.b", more=", deprecated: {reason: obsoleted, note: n}")),
        {},
    ),
    ("attributes: [{}, {}]".format(attribute("t.a.b"), attribute("t.a_b")), {"attribute_constant_collision": 2}),
    (
        "attributes: [{}, {}]".format(
            attribute("t.a.b", more=except_for("naming_conventions", "attribute_constant_collision")),
            attribute("t.a_b"),
        ),
        {"attribute_constant_collision": 1},
    ),
    (
        "attributes: [{}, {}]".format(attribute("t.a.b"), attribute("t.a_b", more=", annotations: {code_generation: {exclude: true}}")),
        {},
    ),
    (
        "attributes: [{}]".format(attribute("t.a", "{members: [{id: a, value: 1}, {id: b, value: 1}, {id: c, value: true}]}")),
        {"enum_member_collision": 2},
    ),
    (
        "attributes: [{}]".format(attribute(
            "t.a",
            "{members: [{id: a, value: 1}, {id: b, value: 1, deprecated: {reason: obsoleted, note: n}}]}",
        )),
        {},
    ),
    (
        "attributes: [{}]".format(attribute("t.a", "{members: [{id: a.b}, {id: a_b}]}")),
        {"enum_member_collision": 2},
    ),
    (
        "attributes: [{}]".format(attribute(
            "t.a",
            "{members: [{id: a, value: 1}, {id: a, value: 2}]}",
            except_for("naming_conventions", "enum_member_collision"),
        )),
        {},
    ),
    ("metrics: [{}, {}]".format(metric("t.m"), metric("t.m.n")), {"metric_namespace_collision": 1}),
    (
        "metrics: [{}, {}]".format(metric("t.m"), metric("t.m.n", except_for("naming_conventions", "metric_namespace_collision"))),
        {},
    ),
    ("metrics: [{}, {}]".format(metric("t.m.n"), metric("t.m_n")), {"metric_constant_collision": 2}),
    (
        "metrics: [{}, {}]".format(
            metric("t.m.n", except_for("naming_conventions", "metric_constant_collision")),
            metric("t.m_n", ", annotations: {code_generation: {exclude: true}}"),
        ),
        {},
    ),
    (
        "metrics: [{}, {}]".format(metric("t.m.n", except_for("naming_conventions", "metric_constant_collision")), metric("t.m_n")),
        {"metric_constant_collision": 1},
    ),
    ("metrics: [{}]".format(metric("Bad", except_for("naming_conventions", "metric_name"))), {}),
    ("metrics: [{}]".format(metric("t.m").replace("brief: b.", "brief: b")), {"metric_brief_period": 1}),
    ("metrics: [{}]".format(metric("t.m").replace("brief: b.", "brief: ''")), {}),
    (
        "metrics: [{}]".format(metric("t.m", except_for("naming_conventions", "metric_brief_period")).replace("b.", "b")),
        {},
    ),
    (
        "attributes: [{}]\nmetrics: [{}]".format(attribute("t.x", "any"), metric("t.m", ", attributes: [{ref: t.x}]")),
        {"attribute_complex_type_violation": 1},
    ),
    (
        "attributes: [{}]\nmetrics: [{}]".format(
            attribute("t.x", "any"),
            metric(
                "t.m",
                ", attributes: [{ref: t.x}]"
                + except_for("naming_conventions", "attribute_complex_type_violation"),
            ),
        ),
        {},
    ),
    (
        "attributes: [{}]\nentities: [{{type: t.e, {}, identity: [{{ref: t.x}}]}}]".format(attribute("t.x", "'template[any]'"), COMMON),
        {"attribute_complex_type_violation": 1},
    ),
    (
        "attributes: [{}, {}]\nentities: [{{type: t.e, {}, identity: [{{ref: t.y}}], description: [{{ref: t.x}}]}}]".format(attribute("t.x", "any"), attribute("t.y"), COMMON),
        {"attribute_complex_type_violation": 1},
    ),
    (
        "attributes: [{}]\nattribute_groups: [{{id: g, visibility: public, brief: b, stability: stable, "
        "attributes: [{{ref: t.x}}]}}]".format(attribute("t.x", "any")),
        {"attribute_complex_type_violation": 1},
    ),
    (
        "attributes: [{}]\nspans: [{{type: t.s, kind: client, name: {{note: n}}, {}, attributes: [{{ref: t.x}}]}}]".format(attribute("t.x", "any"), COMMON),
        {},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), NAMING)
def test_naming_conventions(checked: Checked, text: str, expected: dict[str, int]) -> None:
    report = checked(HEAD + text, policies=["naming_conventions"])
    found = {
        name.removeprefix("naming_convention_"): count for name, count in violations(report).items()
    }
    assert found == expected
    assert report.exit_code == (1 if expected else 0)


def renamed(to: str) -> str:
    return f", deprecated: {{reason: renamed, renamed_to: {to}}}"


STRINGS, INTS, FLAGS = (f"{{members: [{{id: a, value: {value}}}]}}" for value in ("x", "1", "true"))

TYPES = [
    ("int", "int", True),
    ("int", "double", False),
    ("string", STRINGS, True),
    ("string", INTS, False),
    ("int", INTS, True),
    ("int", STRINGS, False),
    (STRINGS, STRINGS, True),
    (STRINGS, INTS, False),
    (STRINGS, "string", True),
    (STRINGS, "int", False),
    (INTS, "int", True),
    (INTS, "string", False),
    (FLAGS, "boolean", True),
    (FLAGS, INTS, False),
    ("'string[]'", "'string[]'", True),
]


@pytest.mark.parametrize(("old", "new", "fits"), TYPES)
def test_what_is_renamed_keeps_its_type(checked: Checked, old: str, new: str, fits: bool) -> None:
    text = "attributes: [{}, {}]".format(
        attribute("t.a", old, renamed("t.b")), attribute("t.b", new)
    )
    report = checked(HEAD + text, policies=["stability"])
    assert violations(report) == (
        {} if fits else {"deprecation_attribute_renamed_to_type_mismatch": 1}
    )


STABILITY = [
    (
        "attributes: [{}, {}]".format(
            attribute("t.a", more=renamed("t.b")),
            attribute("t.b", more=", deprecated: {reason: obsoleted, note: n}"),
        ),
        {"deprecation_attribute_renamed_to_invalid": 1},
    ),
    (
        "attributes: [{}]".format(attribute("t.a", more=renamed("t.b") + except_for("stability", "attribute_renamed_to_invalid"))),
        {},
    ),
    (
        "attributes: [{}, {}]".format(
            attribute("t.a", more=renamed("t.b") + except_for("stability", "attribute_renamed_to_type_mismatch")),
            attribute("t.b", "string"),
        ),
        {},
    ),
    (
        "attributes: [{}]".format(attribute("t.a", "{{members: [{{id: a{}}}, {{id: c}}]}}".format(renamed("b")))),
        {"deprecation_enum_member_renamed_to_invalid": 1},
    ),
    ("attributes: [{}]".format(attribute("t.a", "{{members: [{{id: a{}}}, {{id: b}}]}}".format(renamed("b")))), {}),
    (
        "attributes: [{}]".format(attribute(
            "t.a",
            "{{members: [{{id: a{}}}]}}".format(renamed("b")),
            except_for("stability", "enum_member_renamed_to_invalid"),
        )),
        {},
    ),
    ("metrics: [{}]".format(metric("t.m", renamed("t.n"))), {"deprecation_metric_renamed_to_invalid": 1}),
    ("metrics: [{}, {}]".format(metric("t.m", renamed("t.n")), metric("t.n")), {}),
    (
        "metrics: [{}]".format(metric("t.m", renamed("t.n") + except_for("stability", "metric_renamed_to_invalid"))),
        {},
    ),
    (
        "events: [{{name: t.e, {}{}}}]".format(COMMON, renamed("t.f")),
        {"deprecation_event_renamed_to_invalid": 1},
    ),
    (
        "attributes: [{}]\nmetrics: [{}]".format(
            attribute("t.a").replace("stable", "beta"),
            metric("t.m", ", attributes: [{ref: t.a}]").replace("stable", "alpha"),
        ),
        {},
    ),
    (
        "attributes: [{}]\nmetrics: [{}]".format(
            attribute("t.a").replace("stable", "alpha"),
            metric("t.m", ", attributes: [{ref: t.a}]").replace("stable", "beta"),
        ),
        {"stability_metric_lower_stability_attribute": 1},
    ),
    (
        "attributes: [{}]\nentities: [{{type: t.e, {}, identity: [{{ref: t.a}}]}}]".format(attribute("t.a").replace("stable", "experimental"), COMMON),
        {"stability_entity_lower_stability_attribute": 1},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), STABILITY)
def test_stability(checked: Checked, text: str, expected: dict[str, int]) -> None:
    report = checked(HEAD + text, policies=["stability"])
    assert violations(report) == expected


def test_a_stable_entity_has_an_identity(checked: Checked) -> None:
    text = """\
        groups:
        - {id: r, type: attribute_group, brief: b, attributes: [%s]}
        - {id: entity.e, type: entity, name: e, brief: b, stability: stable, attributes: [{ref: t.a}]%s}
        """
    definition = "{id: t.a, type: int, brief: b, stability: stable}"
    report = checked(text % (definition, ""), policies=["stability"])
    assert violations(report) == {"stability_entity_no_identity": 1}
    excepted = text % (definition, except_for("stability", "entity_no_identity"))
    assert violations(checked(excepted, policies=["stability"])) == {}
    good = (text % (definition, "")).replace("ref: t.a", "ref: t.a, role: identifying")
    assert violations(checked(good, policies=["stability"])) == {}


def test_associations_with_entities_that_do_not_exist(checked: Checked) -> None:
    text = HEAD + "metrics: [{}]".format(metric("t.m", ", entity_associations: [host]"))
    report = checked(text, policies=["entity_associations"])
    assert violations(report) == {"entity_association_unknown_entity": 1}
    text = HEAD + "metrics: [{}]".format(
        metric(
            "t.m",
            ", entity_associations: [host]" + except_for("entity_associations", "unknown_entity"),
        )
    )
    assert violations(checked(text, policies=["entity_associations"])) == {}


def test_all_packages_are_applied(checked: Checked) -> None:
    definition = attribute("t.a", more=renamed("t.b"))
    text = f"{HEAD}attributes: [{definition}]\nmetrics: [{metric('Bad')}]"
    assert violations(checked(text, policies=True)) == {
        "deprecation_attribute_renamed_to_invalid": 1,
        "naming_convention_metric_name": 1,
    }
    assert set(PACKAGES) == {"naming_conventions", "stability", "entity_associations"}


def test_there_are_no_other_packages() -> None:
    with pytest.raises(UsageError, match="there are naming_conventions, stability"):
        apply_policies(Registry("r", "https://x.test/r/1.0.0", (), {}), ["style"])


def test_violations_say_where(checked: Checked) -> None:
    report = checked(HEAD + "metrics:\n- " + metric("Bad"), policies=True)
    found = [each for each in report.findings if each.level is Level.VIOLATION]
    assert [(each.line, each.signal_type, each.signal_name) for each in found] == [
        (3, "metric", "Bad")
    ]


# --- against a baseline ---------------------------------------------------------------------

SPAN = "{{type: t.s, kind: client, name: {{note: n}}, {}{}}}".format(COMMON, "%s")
EVENT = "{{name: t.e, {}{}}}".format(COMMON, "%s")
ENTITY = "{{type: t.e, {}, identity: [{{ref: t.a}}], description: [{{ref: t.b}}]{}}}".format(
    COMMON, "%s"
)
GROUP = "{id: g, visibility: public, brief: b, stability: stable, attributes: [{ref: t.a}]%s}"
BASE = "attributes: [{}, {}]\n".format(attribute("t.a"), attribute("t.b"))

CHANGES = [
    ("", "", {}),
    ("attributes: [{}]".format(attribute("x.a")), "", {"removed_attribute": 1}),
    (
        "attributes: [{}]".format(attribute("x.a")),
        "attributes: [{}]".format(attribute("x.a").replace("stable", "beta")),
        {"stable_attribute_now_unstable": 1},
    ),
    (
        "attributes: [{}]".format(attribute("x.a").replace("stable", "beta")),
        "attributes: [{}]".format(attribute("x.a", "string").replace("stable", "alpha")),
        {},
    ),
    (
        "attributes: [{}]".format(attribute("x.a", "string")),
        "attributes: [{}]".format(attribute("x.a", STRINGS)),
        {"stable_attribute_changed_type": 1},
    ),
    (
        "attributes: [{}]".format(attribute("x.a", STRINGS).replace("stable", "beta")),
        "attributes: [{}]".format(attribute("x.a", "{members: []}").replace("stable", "beta")),
        {"stable_enum_member_missing": 1},
    ),
    (
        "attributes: [{}]".format(attribute("x.a", "{members: [{id: a, value: 1}]}")),
        "attributes: [{}]".format(attribute("x.a", "{members: [{id: a, value: true}]}")),
        {"stable_enum_member_changed_from_stable": 1},
    ),
    ("metrics: [{}]".format(metric("t.m")), "", {"metric_missing": 1}),
    (
        "metrics: [{}]".format(metric("t.m")),
        "metric_refinements: [{{id: t.m, ref: t.n{}}}]\nmetrics: [{}]".format(except_for("compatibility", "metric_missing"), metric("t.n")),
        {},
    ),
    (
        "metrics: [{}]".format(metric("t.m")),
        "metrics: [{}]".format(metric("t.m").replace("counter", "gauge").replace("'1'", "s")),
        {"metric_changed_instrument": 1, "metric_changed_unit": 1},
    ),
    (
        "metrics: [{}]".format(metric("t.m")),
        "metrics: [{}]".format(metric("t.m", except_for("compatibility", "metric_changed_unit")).replace("'1'", "s")),
        {},
    ),
    (
        "metrics: [{}]".format(metric("t.m").replace("stable", "beta")),
        "metrics: [{}]".format(metric("t.m").replace("stable", "alpha").replace("'1'", "s")),
        {},
    ),
    (
        "metrics: [{}]".format(metric("t.m")),
        "metrics: [{}]".format(metric("t.m", ", attributes: [{ref: t.a, requirement_level: {opt_in: x}}]")),
        {},
    ),
    (
        "metrics: [{}]".format(metric("t.m")),
        "metrics: [{}]".format(metric(
            "t.m", ", attributes: [{ref: t.a}]" + except_for("compatibility", "metric_added_attributes")
        )),
        {},
    ),
    ("spans: [%s]" % (SPAN % ""), "", {"span_missing": 1}),
    (
        "spans: [%s]" % (SPAN % ", attributes: [{ref: t.a}]"),
        "spans: [{}]".format((SPAN % "").replace("client", "server")),
        {"span_changed_kind": 1, "span_dropped_attributes": 1},
    ),
    (
        "spans: [%s]" % (SPAN % ""),
        "spans: [{}]".format((SPAN % "").replace("stable", "beta")),
        {"span_changed_stability": 1},
    ),
    ("events: [%s]" % (EVENT % ""), "", {"event_missing": 1}),
    (
        "events: [%s]" % (EVENT % ", attributes: [{ref: t.a}, {ref: t.b}]"),
        "events: [%s]" % (EVENT % ", attributes: [{ref: t.b}]"),
        {"event_dropped_attributes": 1},
    ),
    (
        "events: [%s]" % (EVENT % ""),
        "events: [{}]".format((EVENT % "").replace("stable", "beta")),
        {"event_changed_stability": 1},
    ),
    ("entities: [%s]" % (ENTITY % ""), "", {"entity_missing": 1}),
    (
        "entities: [%s]" % (ENTITY % ""),
        "entities: [{}]".format((ENTITY % "").replace("stable", "beta")),
        {"entity_changed_stability": 1},
    ),
    (
        "entities: [%s]" % (ENTITY % ""),
        "entities: [{}]".format((ENTITY % "").replace("ref: t.a", "ref: t.c").replace("ref: t.b", "ref: t.a"))
        + "\nattributes: [{}]".format(attribute("t.c")),
        {"entity_missing_attribute": 2, "entity_changed_identity": 1},
    ),
    (
        "entities: [%s]" % (ENTITY % ""),
        "entities: [{}]".format((ENTITY % except_for("compatibility", "entity_missing_attribute")).replace("{ref: t.b}", "")),
        {},
    ),
    ("attribute_groups: [%s]" % (GROUP % ""), "", {"attribute_group_removed": 1}),
    (
        "attribute_groups: [%s]" % (GROUP % ""),
        "attribute_groups: [{}]".format((GROUP % "").replace("stable", "beta").replace("t.a", "t.b")),
        {
            "attribute_group_changed_stability": 1,
            "attribute_group_dropped_attributes": 1,
            "attribute_group_added_attributes": 1,
        },
    ),
    (
        "attribute_groups: [{}]".format((GROUP % "").replace("stable", "beta")),
        "attribute_groups: [{}]".format((GROUP % "").replace("stable", "alpha").replace("t.a", "t.b")),
        {},
    ),
    ("attribute_groups: [{id: g, visibility: internal, attributes: [{ref: t.a}]}]", "", {}),
]  # fmt: skip


def with_base(text: str) -> str:
    """A file with the attributes that signals refer to, beside the attributes of the case."""
    lines = [line for line in text.splitlines() if not line.startswith("attributes:")]
    own = [line for line in text.splitlines() if line.startswith("attributes:")]
    both = BASE.rstrip("]\n") + "".join(
        ", " + line.removeprefix("attributes: [").removesuffix("]") for line in own
    )
    return HEAD + "\n".join([both + "]", *lines])


@pytest.mark.parametrize(("before", "after", "expected"), CHANGES)
def test_compatibility(write: Write, before: str, after: str, expected: dict[str, int]) -> None:
    base = write("base", {"a.yaml": with_base(before)})
    report = check(write("current", {"a.yaml": with_base(after)}), baseline=base)
    found = {
        name.removeprefix("compatibility_"): count for name, count in violations(report).items()
    }
    assert found == expected
    assert all(each.level is not Level.ERROR for each in report.findings)


def test_a_registry_is_compatible_with_itself(write: Write) -> None:
    for before, _, _ in CHANGES:
        root = write("r", {"a.yaml": with_base(before)})
        assert violations(check(root, baseline=root)) == {}


def test_errors_of_the_baseline_are_told(write: Write) -> None:
    base = write("base", {"a.yaml": "groups: 3"})
    report = check(write("current", {"a.yaml": HEAD}), baseline=base)
    assert [each.id for each in report.findings if each.level is Level.ERROR] == [
        "DeserializationError"
    ]
    assert report.registry is not None


def test_an_entity_may_be_one_of_a_dependency(write: Write) -> None:
    head = "schema_url: https://{}.example/schemas/1.0.0\n".format
    entity = (
        "{type: shop, brief: b., stability: stable, identity: [{ref: t.a, "
        "requirement_level: required}]}"
    )
    write(
        "below",
        {
            "manifest.yaml": head("below"),
            "a.yaml": f"{HEAD}attributes: [{attribute('t.a')}]\nentities: [{entity}]\n",
        },
    )
    dependency = "{schema_url: https://below.example/schemas/1.0.0, registry_path: ../below}"
    root = write(
        "own",
        {
            "manifest.yaml": head("own") + f"dependencies: [{dependency}]\n",
            "a.yaml": f"{HEAD}metrics: [{metric('t.m', ', entity_associations: [shop]')}]\n"
            "imports: {entities: [shop]}\n",
        },
    )
    report = check(root, policies=["entity_associations"])
    assert violations(report) == {}
    assert report.exit_code == 0

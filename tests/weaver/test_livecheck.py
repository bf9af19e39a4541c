"""What is emitted, held against a registry: findings, statistics, what makes a check fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.weaver.conftest import Write
from weft.schema.errors import UsageError
from weft.weaver import livecheck, tally
from weft.weaver.catalog import Catalog
from weft.weaver.check import open_registry
from weft.weaver.findings import Finding, Level
from weft.weaver.livecheck import LEVELS, LiveChecker, LiveCheckReport, live_check
from weft.weaver.ratchet import Ratchet
from weft.weaver.registry import Registry
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
)
from weft.weaver.tally import Statistics

MANIFEST = "schema_url: https://shop.example/schemas/1.0.0\n"

SHOP = """
file_format: definition/2
attributes:
  - {key: shop.name, type: string, brief: b, stability: stable}
  - {key: shop.size, type: int, brief: b, stability: development}
  - {key: shop.weight, type: double, brief: b, stability: stable}
  - {key: shop.weights, type: "double[]", brief: b, stability: stable}
  - {key: shop.open, type: boolean, brief: b, stability: stable}
  - {key: shop.anything, type: any, brief: b, stability: stable}
  - {key: shop.header, type: "template[string]", brief: b, stability: stable}
  - {key: shop.header.long, type: "template[string[]]", brief: b, stability: stable}
  - {key: shop.level, type: int, brief: b, stability: stable}
  - {key: shop.old, type: string, brief: b, stability: stable,
     deprecated: {reason: renamed, renamed_to: shop.name}}
  - {key: shop.gone, type: string, brief: b, stability: stable,
     deprecated: {reason: obsoleted, note: gone for good}}
  - {key: error.type, type: string, brief: b, stability: stable}
  - key: shop.color
    brief: b
    stability: stable
    type:
      members:
        - {id: red, value: red, brief: b, stability: stable}
        - {id: blue, value: blue, brief: b, stability: stable}
  - key: shop.grade
    brief: b
    stability: stable
    type:
      members:
        - {id: one, value: 1, brief: b, stability: stable}
entities:
  - type: shop
    brief: b.
    stability: stable
    identity: [{ref: shop.name, requirement_level: required}]
    description:
      - {ref: shop.size, requirement_level: recommended}
      - {ref: shop.open, requirement_level: opt_in}
      - {ref: shop.level, requirement_level: {conditionally_required: if there are levels}}
  - type: stall
    brief: b.
    stability: stable
    identity: [{ref: shop.weight, requirement_level: required}]
metrics:
  - name: shop.sales
    instrument: counter
    unit: "{sale}"
    brief: b.
    stability: stable
    entity_associations: [{one_of: [shop, stall]}]
    attributes:
      - {ref: shop.color, requirement_level: required}
      - {ref: shop.weight, requirement_level: recommended}
      - {ref: shop.open, requirement_level: opt_in}
      - {ref: shop.anything, requirement_level: {conditionally_required: if any}}
      - {ref: shop.header, requirement_level: opt_in}
  - name: shop.staff
    instrument: updowncounter
    unit: "{person}"
    brief: b.
    stability: development
    entity_associations: [{all_of: [shop, stall]}]
  - name: shop.visits
    instrument: counter
    unit: "1"
    brief: b.
    stability: stable
    deprecated: {reason: uncategorized, note: use sales}
events:
  - name: shop.opened
    brief: b.
    stability: stable
    entity_associations: [shop]
    attributes:
      - {ref: shop.name, requirement_level: required}
spans:
  - type: shop.sale
    kind: internal
    name: {note: "sale {shop.name}"}
    brief: b.
    stability: stable
    entity_associations: [shop]
    attributes:
      - {ref: shop.name, requirement_level: required}
      - {ref: shop.size, requirement_level: required}
      - {ref: error.type, requirement_level: {conditionally_required: if it failed}}
  - type: shop.delivery.client
    kind: client
    name: {note: "{shop.color} {shop.name}"}
    brief: b.
    stability: development
    attributes:
      - {ref: shop.color, requirement_level: required}
      - {ref: shop.open, requirement_level: recommended}
  - type: shop.delivery.server
    kind: server
    name: {note: any name}
    brief: b.
    stability: stable
    attributes:
      - {ref: shop.color, requirement_level: required}
      - {ref: shop.grade, requirement_level: required}
  - type: shop.query.server
    kind: server
    name: {note: any name}
    brief: b.
    stability: stable
    attributes:
      - {ref: shop.color, requirement_level: required}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    root = tmp_path_factory.mktemp("shop")
    (root / "manifest.yaml").write_text(MANIFEST)
    (root / "shop.yaml").write_text(SHOP)
    return open_registry(root)


def said(registry: Registry, *samples: Sample, **options: Any) -> list[str]:
    """The ids of all findings, each as often as it was made, in order of their first."""
    checker = LiveChecker(registry, **options)
    return [finding.id for sample in samples for finding in checker.add(sample)]


def sale(**changes: Any) -> SpanSample:
    """A span that nothing is to be said of but what its attributes ask for."""
    attributes = {"shop.name": "a", "shop.size": 1, **changes.pop("attributes", {})}
    values = {name: value for name, value in attributes.items() if value is not None}
    return SpanSample(**{"name": "sale a", "attributes": attributes_of(values), **changes})


def sales(attributes: dict[str, Any] | None = None, **changes: Any) -> MetricSample:
    values = {
        "shop.color": "red",
        "shop.weight": 1.5,
        "shop.open": True,
        "shop.anything": "x",
        "shop.header.a": "x",
        **(attributes or {}),
    }
    made = attributes_of({name: value for name, value in values.items() if value is not None})
    fields = {"name": "shop.sales", "instrument": "counter", "unit": "{sale}", **changes}
    return MetricSample(**{"data_points": (DataPoint(made),), **fields})


def test_levels_are_those_of_upstream() -> None:
    ids = {level: {name for name, each in LEVELS.items() if each is level} for level in Level}
    assert ids[Level.IMPROVEMENT] == {
        "not_stable",
        "recommended_attribute_not_present",
        "entity_recommended_attribute_not_present",
        "missing_namespace",
    }
    assert ids[Level.INFORMATION] == {
        "template_attribute",
        "undefined_enum_variant",
        "opt_in_attribute_not_present",
        "conditionally_required_attribute_not_present",
        "entity_opt_in_attribute_not_present",
        "entity_conditionally_required_attribute_not_present",
        "extends_namespace",
    }
    ours = {
        "missing_span",
        "kind_mismatch",
        "status_mismatch",
        "empty_stream",
        "expected_signal_missing",
    }
    assert ids[Level.VIOLATION] == ours | {
        "missing_attribute",
        "missing_metric",
        "missing_event",
        "deprecated",
        "type_mismatch",
        "unit_mismatch",
        "unexpected_instrument",
        "required_attribute_not_present",
        "entity_required_attribute_not_present",
        "entity_association_not_satisfied",
        "invalid_format",
        "illegal_namespace",
    }
    assert not ids[Level.ERROR] | ids[Level.WARNING]


ATTRIBUTES: list[tuple[str, Any, list[str]]] = [
    ("shop.name", "a", []),
    ("shop.name", None, []),
    ("shop.name", 1, ["type_mismatch"]),
    ("shop.name", ["a"], ["type_mismatch"]),
    ("shop.size", 1, ["not_stable"]),
    ("shop.size", 1.5, ["not_stable", "type_mismatch"]),
    ("shop.weight", 1.5, []),
    ("shop.weight", 1, []),
    ("shop.weight", "1", ["type_mismatch"]),
    ("shop.weight", True, ["type_mismatch"]),
    ("shop.weights", [1, 2], []),
    ("shop.weights", [1, 2.5], []),
    ("shop.weights", 1.5, ["type_mismatch"]),
    ("shop.open", False, []),
    ("shop.open", 0, ["type_mismatch"]),
    ("shop.anything", [True], []),
    ("shop.color", "red", []),
    ("shop.color", "green", ["undefined_enum_variant"]),
    ("shop.color", 1, ["undefined_enum_variant"]),
    ("shop.color", 1.5, ["type_mismatch"]),
    ("shop.color", ["red"], ["type_mismatch"]),
    ("shop.grade", 1, []),
    ("shop.grade", 2, ["undefined_enum_variant"]),
    ("shop.grade", "1", ["undefined_enum_variant"]),
    ("shop.grade", True, ["type_mismatch"]),
    ("shop.header.a", "x", ["template_attribute"]),
    ("shop.header.a.b", "x", ["template_attribute"]),
    ("shop.header.a", 1, ["template_attribute", "type_mismatch"]),
    ("shop.header.long.a", ["x"], ["template_attribute"]),
    ("shop.header.long.a", "x", ["template_attribute", "type_mismatch"]),
    ("shop.header.longer", "x", ["template_attribute"]),
    ("shop.header", "x", ["template_attribute"]),
    ("shop.headers", "x", ["missing_attribute", "extends_namespace"]),
    ("shop.old", "a", ["deprecated"]),
    ("shop.old.a", "a", ["missing_attribute", "extends_namespace"]),
    ("shop.name.a", "a", ["missing_attribute", "illegal_namespace", "extends_namespace"]),
    ("other.name", "a", ["missing_attribute"]),
    ("name", "a", ["missing_attribute", "missing_namespace"]),
    ("shop.Name", "a", ["missing_attribute", "invalid_format", "extends_namespace"]),
    ("Shop.name", "a", ["missing_attribute", "invalid_format"]),
    ("other._a", "a", ["missing_attribute", "invalid_format"]),
    ("other..a", "a", ["missing_attribute", "invalid_format"]),
    ("other.a_", "a", ["missing_attribute", "invalid_format"]),
    ("1.a", "a", ["missing_attribute", "invalid_format"]),
    ("", "a", ["missing_attribute", "missing_namespace", "invalid_format"]),
    ("other.name\n", "a", ["missing_attribute", "invalid_format"]),
]


@pytest.mark.parametrize(("name", "value", "expected"), ATTRIBUTES)
def test_attributes(shop: Registry, name: str, value: Any, expected: list[str]) -> None:
    assert said(shop, AttributeSample(name, value)) == expected


def messages(registry: Registry, sample: Sample) -> dict[str, Finding]:
    return {finding.id: finding for finding in LiveChecker(registry).add(sample)}


def test_messages_and_facts_are_those_of_upstream(shop: Registry) -> None:
    found = messages(shop, AttributeSample("shop.old", "a"))["deprecated"]
    assert found.message.startswith("Attribute 'shop.old' is deprecated; reason = 'renamed'")
    assert found.context["deprecation_reason"] == "renamed"
    assert found.context["attribute_key"] == "shop.old"
    found = messages(shop, AttributeSample("shop.gone", "a"))["deprecated"]
    assert found.context["deprecation_note"] == "gone for good"
    assert "reason = 'obsoleted', note = 'gone for good'" in found.message
    found = messages(shop, AttributeSample("shop.open", 1))["type_mismatch"]
    assert found.message == "Attribute 'shop.open' has type 'int'. Type should be 'boolean'."
    assert found.context["attribute_type"] == "int"
    found = messages(shop, AttributeSample("shop.color", "x" * 1000))["undefined_enum_variant"]
    assert len(found.message) < 200
    assert found.context["attribute_value"] == "x" * 1000


def test_the_lookup_takes_what_is_nearest(write: Write) -> None:
    write("below", {"manifest.yaml": "schema_url: https://below.example/schemas/1.0.0\n"})
    write(
        "below",
        {
            "a.yaml": """
                file_format: definition/2
                attributes:
                  - {key: low.name, type: int, brief: b, stability: stable}
                  - {key: low.deep, type: "template[int]", brief: b, stability: stable}
                  - {key: own.open, type: int, brief: b, stability: stable}
                entities:
                  - type: lowland
                    brief: b.
                    stability: stable
                    identity: [{ref: low.name, requirement_level: required}]
                """
        },
    )
    root = write(
        "own",
        {
            "manifest.yaml": MANIFEST
            + "dependencies:\n"
            + "  - {schema_url: https://below.example/schemas/1.0.0, registry_path: ../below}\n",
            "a.yaml": """
                file_format: definition/2
                imports: {entities: [lowland]}
                attributes:
                  - {key: own.open, type: string, brief: b, stability: stable}
                  - {key: own.map, type: "template[string]", brief: b, stability: stable}
                metrics:
                  - name: own.count
                    instrument: counter
                    unit: "1"
                    brief: b.
                    stability: stable
                    entity_associations: [lowland]
                    attributes: [{ref: low.name, requirement_level: opt_in}]
                """,
        },
    )
    registry = open_registry(root)
    catalog = Catalog(registry)
    metric = catalog.metrics["own.count"]

    def kind(name: str, signal: Any = None) -> Any:
        found = catalog.attribute(name, signal)
        return found and found.type

    assert kind("own.open") == "string"
    assert kind("own.map.a.b") == "template[string]"
    assert kind("low.name") == kind("low.name", metric) == "int"
    assert kind("low.deep.a") == "template[int]"
    assert kind("low.nothing") is None
    assert catalog.attribute("low.name", metric) is metric.attributes[0]
    # What is said of an attribute of a dependency counts for its own signals only.
    assert catalog.surface == {"own.open", "own.map", "low.name"}
    point = DataPoint(attributes_of({"low.name": 1}))
    good = MetricSample("own.count", "counter", "1", (point,))
    assert said(registry, good) == []
    assert said(registry, ResourceSample(attributes_of({"low.name": 1})), good) == []
    assert said(registry, ResourceSample(), good) == ["entity_required_attribute_not_present"]


METRICS: list[tuple[MetricSample, list[str]]] = [
    (sales(), ["template_attribute"]),
    (sales(unit="1"), ["unit_mismatch", "template_attribute"]),
    (sales(instrument="gauge"), ["unexpected_instrument", "template_attribute"]),
    (sales(instrument="summary"), ["unexpected_instrument", "template_attribute"]),
    (sales({"shop.color": None}), ["required_attribute_not_present", "template_attribute"]),
    (sales({"shop.weight": None}), ["recommended_attribute_not_present", "template_attribute"]),
    (sales({"shop.open": None}), ["opt_in_attribute_not_present", "template_attribute"]),
    (
        sales({"shop.anything": None}),
        ["conditionally_required_attribute_not_present", "template_attribute"],
    ),
    (sales({"shop.header.a": None}), ["opt_in_attribute_not_present"]),
    (sales(data_points=()), []),
    (
        sales(data_points=(DataPoint(), DataPoint())),
        2
        * [
            "required_attribute_not_present",
            "recommended_attribute_not_present",
            "opt_in_attribute_not_present",
            "conditionally_required_attribute_not_present",
            "opt_in_attribute_not_present",
        ],
    ),
    # The point for all that is beyond a limit of cardinality lacks nothing.
    (
        sales(data_points=(DataPoint(attributes_of({"otel.metric.overflow": True})),)),
        ["missing_attribute"],
    ),
    (MetricSample("shop.staff", "updowncounter", "{person}"), ["not_stable"]),
    (MetricSample("shop.visits", "counter", "1"), ["deprecated"]),
    (MetricSample("shop.none", "strange", "1"), ["missing_metric"]),
    (MetricSample("Shop", "counter", "1"), ["missing_metric", "invalid_format"]),
    (
        MetricSample(
            "shop.none",
            "counter",
            "1",
            (DataPoint(attributes_of({"a.b": 1}), (attributes_of({"a.c": 1, "shop.open": 1}),)),),
        ),
        ["missing_metric", "missing_attribute", "missing_attribute", "type_mismatch"],
    ),
]


@pytest.mark.parametrize(("sample", "expected"), METRICS)
def test_metrics(shop: Registry, sample: MetricSample, expected: list[str]) -> None:
    assert said(shop, sample) == expected


def test_points_and_exemplars_are_counted_by_their_kind(shop: Registry) -> None:
    points = (
        DataPoint(exemplars=((), ())),
        DataPoint(type="histogram_data_point"),
        DataPoint(type="exponential_histogram_data_point"),
    )
    report = live_check(shop, [MetricSample("shop.staff", "updowncounter", "{person}", points)])
    assert report.statistics.total_entities_by_type == {
        "metric": 1,
        "number_data_point": 1,
        "histogram_data_point": 1,
        "exponential_histogram_data_point": 1,
        "exemplar": 2,
    }


def test_logs(shop: Registry) -> None:
    named = attributes_of({"shop.name": "a"})
    assert said(shop, LogSample("shop.opened", named)) == []
    assert said(shop, LogSample("shop.opened")) == ["required_attribute_not_present"]
    assert said(shop, LogSample("shop.closed", named)) == ["missing_event"]
    assert said(shop, LogSample("", attributes_of({"shop.open": 1}))) == ["type_mismatch"]
    found = messages(shop, LogSample("shop.closed", source="a.py:7"))["missing_event"]
    assert (found.signal_type, found.signal_name) == ("log", "shop.closed")
    assert (found.file, found.line) == ("a.py", 7)


def test_events_and_links_alone(shop: Registry) -> None:
    wrong = attributes_of({"shop.open": 1})
    assert said(shop, SpanEventSample("e", wrong)) == ["type_mismatch"]
    assert said(shop, SpanLinkSample(wrong)) == ["type_mismatch"]
    assert said(shop, ResourceSample(wrong)) == ["type_mismatch"]
    found = messages(shop, SpanEventSample("e", wrong))["type_mismatch"]
    assert (found.signal_type, found.signal_name) == ("span", "e")
    found = messages(shop, ResourceSample(wrong))["type_mismatch"]
    assert found.signal_type == "resource"
    assert messages(shop, SpanLinkSample(wrong))["type_mismatch"].signal_type is None


# --- spans ----------------------------------------------------------------------------------

NOTED = ["conditionally_required_attribute_not_present", "not_stable"]
"""What is said of every sale: that it did not fail, and of the unstable attribute."""

SPANS: list[tuple[SpanSample, list[str]]] = [
    (sale(), NOTED),
    (sale(name="shop.sale"), NOTED),
    (sale(kind="client"), ["kind_mismatch", *NOTED]),
    (sale(name="shop.sale", kind="client"), ["kind_mismatch", *NOTED]),
    # The name contradicts the attribute, so that it may be something else.
    (sale(name="sale b"), ["not_stable"]),
    (
        sale(name="sale b", attributes={"shop.name": None}),
        ["required_attribute_not_present", *NOTED],
    ),
    (sale(status="ok"), NOTED),
    (sale(status="unset"), NOTED),
    (
        sale(status="error"),
        [
            "conditionally_required_attribute_not_present",
            "status_mismatch",
            "not_stable",
        ],
    ),
    (sale(status="error", attributes={"error.type": "e"}), ["not_stable"]),
    (sale(status=None, attributes={"error.type": "e"}), ["not_stable"]),
    (sale(status="unset", attributes={"error.type": "e"}), ["status_mismatch", "not_stable"]),
    (
        sale(
            events=(SpanEventSample("e", attributes_of({"shop.open": 1})),),
            links=(SpanLinkSample(attributes_of({"shop.open": 1})),),
        ),
        [*NOTED, "type_mismatch", "type_mismatch"],
    ),
    # By its attributes only: nothing may be said of what it lacks.
    (SpanSample("GET", "client", attributes_of({"shop.color": "red"})), ["not_stable"]),
    (SpanSample("x", "server", attributes_of({"shop.color": "red", "shop.grade": 1})), []),
    (SpanSample("GET /", "producer"), []),
]


@pytest.mark.parametrize(("sample", "expected"), SPANS)
def test_spans(shop: Registry, sample: SpanSample, expected: list[str]) -> None:
    assert said(shop, sample) == expected


MATCHES: list[tuple[SpanSample, str | None, bool]] = [
    (SpanSample("shop.sale"), "shop.sale", True),
    (sale(name="sale a"), "shop.sale", True),
    (sale(name="sale b"), "shop.sale", False),
    (sale(name="sale b", attributes={"shop.name": None}), "shop.sale", True),
    # Of the right kind or not, this is how sales are named, and nothing else is.
    (sale(name="sale a", kind="client"), "shop.sale", True),
    (
        SpanSample("red a", "server", attributes_of({"shop.color": "red", "shop.name": "a"})),
        "shop.query.server",
        False,
    ),
    (SpanSample("sale ", "internal"), None, False),
    (SpanSample("sale a", "client"), None, False),
    (
        SpanSample("red a", "client", attributes_of({"shop.color": "red", "shop.name": "a"})),
        "shop.delivery.client",
        True,
    ),
    # "{shop.color} {shop.name}" alone would be every name.
    (SpanSample("red a", "client"), None, False),
    (
        SpanSample("red b", "client", attributes_of({"shop.color": "red", "shop.name": "a"})),
        "shop.delivery.client",
        False,
    ),
    # Both servers fit; the one that more attributes speak for is meant.
    (
        SpanSample("x", "server", attributes_of({"shop.color": "red", "shop.grade": 1})),
        "shop.delivery.server",
        False,
    ),
    (SpanSample("x", "server", attributes_of({"shop.color": "red"})), "shop.query.server", False),
    (SpanSample("x", "server", attributes_of({"shop.grade": 1})), None, False),
    (SpanSample("x", "producer", attributes_of({"shop.color": "red"})), None, False),
]


@pytest.mark.parametrize(("sample", "name", "certain"), MATCHES)
def test_spans_are_matched(
    shop: Registry, sample: SpanSample, name: str | None, certain: bool
) -> None:
    match = Catalog(shop).span(sample)
    assert (match.span.signal_name if match else None) == name
    assert match is None or match.certain is certain


def test_where_two_spans_fit_as_well_none_is_meant(write: Write) -> None:
    root = write(
        "twins",
        {
            "a.yaml": """
                file_format: definition/2
                attributes: [{key: t.a, type: int, brief: b, stability: stable}]
                spans:
                  - type: t.one
                    kind: client
                    name: {note: "`one {t.a}`"}
                    brief: b.
                    stability: stable
                    attributes: [{ref: t.a, requirement_level: required}]
                  - type: t.two
                    kind: client
                    name: {note: "one {t.a}"}
                    brief: b.
                    stability: stable
                    attributes: [{ref: t.a, requirement_level: required}]
                """
        },
    )
    catalog = Catalog(open_registry(root))
    assert catalog.span(SpanSample("one 1", "client", attributes_of({"t.a": 1}))) is None
    assert catalog.span(SpanSample("t.two", "client", attributes_of({"t.a": 1}))) is not None


def test_spans_that_nobody_knows_are_told_on_request(shop: Registry) -> None:
    stranger = SpanSample("GET /", "producer", source="a.py:3")
    assert said(shop, stranger, known_spans_only=True) == ["missing_span"]
    assert said(shop, sale(), known_spans_only=True) == NOTED


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("a.py:12", ("a.py", 12)),
        ("C:\\a.py:12", ("C:\\a.py", 12)),
        ("a.py", ("a.py", None)),
        (":12", (":12", None)),
        ("a.py:" + "9" * 5000, ("a.py:" + "9" * 5000, None)),
        (None, (None, None)),
    ],
)
def test_findings_say_where_a_span_was_started(
    shop: Registry, source: str | None, place: tuple[str | None, int | None]
) -> None:
    found = messages(shop, sale(kind="client", name="shop.sale", source=source))["kind_mismatch"]
    assert (found.file, found.line) == place
    assert (found.signal_type, found.signal_name) == ("span", "shop.sale")


# --- entities -------------------------------------------------------------------------------

MISSING = {
    "shop.name": "entity_required_attribute_not_present",
    "shop.size": "entity_recommended_attribute_not_present",
    "shop.open": "entity_opt_in_attribute_not_present",
    "shop.level": "entity_conditionally_required_attribute_not_present",
}
FULL = {"shop.name": "a", "shop.size": 1, "shop.open": True, "shop.level": 1}


def entity_findings(registry: Registry, has: dict[str, Any], sample: Sample) -> list[str]:
    resource = ResourceSample(attributes_of(has))
    found = LiveChecker(registry).add(sample, resource)
    return [finding.id for finding in found if finding.id.startswith("entity_")]


def test_an_entity_that_a_signal_belongs_to(shop: Registry) -> None:
    for sample in (LogSample("shop.opened"), sale()):
        assert entity_findings(shop, FULL, sample) == []
        for name, finding in MISSING.items():
            without = {each: value for each, value in FULL.items() if each != name}
            assert entity_findings(shop, without, sample) == [finding]
        assert entity_findings(shop, {}, sample) == list(MISSING.values())
        assert all(not name.startswith("entity_") for name in said(shop, sample))


def test_one_of_several_entities_is_enough(shop: Registry) -> None:
    assert entity_findings(shop, FULL, sales()) == []
    assert entity_findings(shop, {"shop.weight": 1.5}, sales()) == []
    assert entity_findings(shop, {}, sales()) == ["entity_association_not_satisfied"]
    assert entity_findings(shop, {"shop.name": "a", "shop.weight": 1.5}, sales()) == [
        finding for name, finding in MISSING.items() if name != "shop.name"
    ]
    found = messages(shop, ResourceSample())
    assert found == {}
    checker = LiveChecker(shop)
    [finding] = [
        each for each in checker.add(sales(), ResourceSample()) if each.id.startswith("entity_")
    ]
    assert finding.context["entity_type"] == ["shop", "stall"]
    assert "[shop, stall]" in finding.message


def test_all_of_several_entities_are_needed(shop: Registry) -> None:
    staff = MetricSample("shop.staff", "updowncounter", "{person}")
    assert entity_findings(shop, {**FULL, "shop.weight": 1.5}, staff) == []
    assert entity_findings(shop, FULL, staff) == ["entity_required_attribute_not_present"]
    assert len(entity_findings(shop, {}, staff)) == 5


def test_a_resource_applies_to_the_signals_after_it(shop: Registry) -> None:
    event = LogSample("shop.opened", attributes_of({"shop.name": "a"}))
    assert said(shop, event, ResourceSample(), event) == list(MISSING.values())
    full = ResourceSample(attributes_of(FULL))
    assert said(shop, ResourceSample(), full, event) == ["not_stable"]


# --- statistics -----------------------------------------------------------------------------


def test_statistics(shop: Registry) -> None:
    samples = [
        AttributeSample("shop.name", "a"),
        AttributeSample("shop.header.x", "a"),
        AttributeSample("shop.old", "a"),
        AttributeSample("other.name", 1),
        sale(name="shop.sale", kind="client"),
        SpanSample("x", "producer"),
        sales(data_points=()),
        MetricSample("shop.visits", "counter", "1"),
        LogSample("shop.opened", attributes_of({"shop.name": "a"})),
        LogSample("shop.closed"),
        LogSample(),
    ]
    report = live_check(shop, samples)
    made = report.statistics.as_json()
    assert json.loads(json.dumps(made)) == made
    assert made["total_entities"] == 14
    assert made["total_entities_by_type"] == {"attribute": 7, "log": 3, "metric": 2, "span": 2}
    assert made["no_advice_count"] == 7
    assert made["total_advisories"] == 8
    assert made["advice_level_counts"] == {"improvement": 1, "information": 2, "violation": 5}
    assert made["highest_advice_level_counts"] == {
        "improvement": 1,
        "information": 1,
        "violation": 5,
    }
    assert made["advice_type_counts"] == {
        "conditionally_required_attribute_not_present": 1,
        "deprecated": 2,
        "kind_mismatch": 1,
        "missing_attribute": 1,
        "missing_event": 1,
        "not_stable": 1,
        "template_attribute": 1,
    }
    assert made["seen_registry_metrics"] == {"shop.sales": 1, "shop.staff": 0}
    assert made["seen_non_registry_metrics"] == {"shop.visits": 1}
    assert made["seen_registry_events"] == {"shop.opened": 1}
    assert made["seen_non_registry_events"] == {"shop.closed": 1}
    assert made["seen_registry_spans"] == {
        "shop.delivery.client": 0,
        "shop.delivery.server": 0,
        "shop.query.server": 0,
        "shop.sale": 1,
    }
    assert made["seen_non_registry_spans"] == {"x": 1}
    assert made["seen_non_registry_attributes"] == {"other.name": 1, "shop.old": 1}
    seen = made["seen_registry_attributes"]
    assert {name: count for name, count in seen.items() if count} == {
        "shop.header": 1,
        "shop.name": 3,
        "shop.size": 1,
    }
    assert not {"shop.old", "shop.gone"} & set(seen)
    every = len(seen) + 2 + 1 + 4
    assert made["registry_coverage"] == pytest.approx(6 / every)


def test_nothing_to_cover_is_covered_by_nothing() -> None:
    assert Statistics().registry_coverage == 0.0


def test_free_names_do_not_fill_the_memory(shop: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "MAX_NAMES", 2)
    report = live_check(shop, [SpanSample(name, "producer") for name in "abcda"])
    assert report.statistics.seen_non_registry["spans"] == {"a": 2, "b": 1, "(others)": 2}


NAMES = st.sampled_from(["shop.name", "shop.open", "shop.header.a", "shop.old", "other.a", "A"])
VALUES = st.none() | st.booleans() | st.integers(-2, 2) | st.text(max_size=2)
ATTRIBUTE_SETS = st.dictionaries(NAMES, VALUES, max_size=3).map(attributes_of)
SAMPLES = st.one_of(
    st.builds(AttributeSample, NAMES, VALUES),
    st.builds(ResourceSample, ATTRIBUTE_SETS),
    st.builds(
        SpanSample,
        st.sampled_from(["shop.sale", "sale a", "x"]),
        st.sampled_from(["internal", "client", "server"]),
        ATTRIBUTE_SETS,
    ),
    st.builds(
        MetricSample,
        st.sampled_from(["shop.sales", "shop.visits", "x"]),
        st.sampled_from(["counter", "gauge", "x"]),
        st.just("1"),
        st.lists(st.builds(DataPoint, ATTRIBUTE_SETS), max_size=2).map(tuple),
    ),
    st.builds(LogSample, st.sampled_from(["shop.opened", "x", ""]), ATTRIBUTE_SETS),
)


@settings(max_examples=40)
@given(st.lists(SAMPLES, max_size=8))
def test_laws_of_statistics(shop: Registry, samples: list[Sample]) -> None:
    report = live_check(shop, samples, allow_empty=True)
    made = report.statistics
    assert made.total_entities >= len(samples)
    assert made.no_advice_count + made.highest_advice_level_counts.total() == made.total_entities
    assert made.advice_type_counts.total() == made.total_advisories == sum(report.times)
    assert 0 <= made.registry_coverage <= 1
    assert Statistics.from_json(json.loads(json.dumps(made.as_json()))).as_json() == made.as_json()
    violations = [each for each in report.findings if each.level is Level.VIOLATION]
    assert report.failed == bool(violations)
    # Whatever is found once is known the second time.
    again = live_check(shop, samples, allow_empty=True, ratchet=Ratchet.of(report.findings))
    assert not again.failed
    assert not again.stale
    assert len(again.known) == len(again.findings)


# A resource applies to what comes after it; without one, the order does not matter.
SIGNALS = st.lists(SAMPLES.filter(lambda each: not isinstance(each, ResourceSample)), max_size=5)


@settings(max_examples=40)
@given(SIGNALS, SIGNALS)
def test_parts_add_up_to_the_whole(
    shop: Registry, before: list[Sample], after: list[Sample]
) -> None:
    whole = live_check(shop, [*before, *after], allow_empty=True)
    first = live_check(shop, before, allow_empty=True)
    checker = LiveChecker(shop)
    for sample in after:
        checker.add(sample)
    checker.merge(
        zip(first.findings, first.times, strict=True),
        Statistics.from_json(first.statistics.as_json()),
    )
    both = checker.report(allow_empty=True)
    assert both.statistics.as_json() == whole.statistics.as_json()

    def told(report: LiveCheckReport) -> list[str]:
        return sorted(json.dumps(each) for each in report.as_json()["findings"])

    assert told(both) == told(whole)


# --- passing and failing --------------------------------------------------------------------


def test_an_empty_stream_fails_unless_it_may_be_empty(shop: Registry) -> None:
    report = live_check(shop, [])
    assert report.exit_code == 1
    assert [finding.id for finding in report.findings] == ["empty_stream"]
    assert live_check(shop, [], allow_empty=True).exit_code == 0
    assert live_check(shop, [], fail_on=None).exit_code == 0
    assert live_check(shop, [LogSample()]).exit_code == 0


@pytest.mark.parametrize(
    ("fail_on", "codes"),
    [
        (Level.VIOLATION, (1, 0, 0, 0)),
        (Level.IMPROVEMENT, (1, 1, 0, 0)),
        (Level.INFORMATION, (1, 1, 1, 0)),
        (None, (0, 0, 0, 0)),
    ],
)
def test_the_level_to_fail_on(
    shop: Registry, fail_on: Level | None, codes: tuple[int, ...]
) -> None:
    samples = [
        AttributeSample("shop.old"),
        AttributeSample("shop.size"),
        AttributeSample("shop.header.a"),
        AttributeSample("shop.name"),
    ]
    found = tuple(live_check(shop, [each], fail_on=fail_on).exit_code for each in samples)
    assert found == codes


def test_levels_can_be_changed(shop: Registry) -> None:
    samples = [AttributeSample("shop.old")]
    levels = {"deprecated": Level.INFORMATION}
    report = live_check(shop, samples, levels=levels)
    assert report.exit_code == 0
    assert report.statistics.advice_level_counts == {"information": 1}
    with pytest.raises(UsageError, match="no finding 'deprecate'; there are cond"):
        LiveChecker(shop, levels={"deprecate": Level.INFORMATION})


EXPECTED: list[tuple[str, list[str]]] = [
    ("metric:shop.sales", []),
    ("shop.sales", []),
    ("metric:shop.staff", ["shop.staff"]),
    ("shop.staff", ["shop.staff"]),
    ("event:shop.sales", ["shop.sales"]),
    ("span:shop.sale", []),
    ("span:shop.delivery.*", ["shop.delivery.client", "shop.delivery.server"]),
    ("span:free*", []),
    ("span:shop.{sale,query.server}", ["shop.query.server"]),
    ("metric:*", ["shop.staff"]),
    ("event:*", ["shop.opened"]),
    ("attribute:shop.name", []),
    ("attribute:shop.weight", ["shop.weight"]),
    ("metric:other.*", ["other.*"]),
    ("other", ["other"]),
]


@pytest.mark.parametrize(("wish", "missing"), EXPECTED)
def test_signals_can_be_expected(shop: Registry, wish: str, missing: list[str]) -> None:
    samples = [sale(), sales(data_points=()), SpanSample("free as a bird", "producer")]
    report = live_check(shop, samples, expect=[wish])
    told = [each for each in report.findings if each.id == "expected_signal_missing"]
    assert [finding.context["name"] for finding in told] == missing
    assert all(finding.context["expected"] == wish for finding in told)
    assert report.failed == bool(missing)


@pytest.mark.parametrize("wish", ["metrics:a", "http://a", "metric:[a", "{a"])
def test_what_cannot_be_expected(shop: Registry, wish: str) -> None:
    with pytest.raises(UsageError, match="cannot be expected"):
        live_check(shop, [LogSample()], expect=[wish])


def test_known_findings_pass_and_new_ones_fail(shop: Registry, tmp_path: Path) -> None:
    path = tmp_path / "known.json"
    old = [AttributeSample("shop.old", "a"), sale(name="shop.sale", kind="client")]
    Ratchet.of(live_check(shop, old).findings).save(path)
    ratchet = Ratchet.load(path)
    # The same faults with other values are the same.
    same = [AttributeSample("shop.old", "b"), sale(name="shop.sale", kind="server")]
    report = live_check(shop, same, ratchet=ratchet)
    assert report.exit_code == 0
    assert len(report.known) == len(report.findings)
    assert report.stale == ()
    report = live_check(shop, [*old, AttributeSample("shop.gone", "a")], ratchet=ratchet)
    assert report.exit_code == 1
    new = [each for i, each in enumerate(report.findings) if i not in report.known]
    assert [finding.context["attribute_key"] for finding in new] == ["shop.gone"]
    report = live_check(shop, [LogSample()], ratchet=ratchet)
    assert report.exit_code == 0
    assert list(report.stale) == sorted(ratchet.entries)


def test_a_report_as_json(shop: Registry) -> None:
    samples = [AttributeSample("shop.old", "a"), AttributeSample("shop.old", "b")]
    report = live_check(shop, samples, ratchet=Ratchet(frozenset({"gone"})))
    made = report.as_json()
    assert json.loads(json.dumps(made)) == made
    assert made["passed"] is False
    assert made["stale"] == ["gone"]
    assert made["omitted"] == 0
    assert made["statistics"] == report.statistics.as_json()
    [finding] = made["findings"]
    assert finding["id"] == "deprecated"
    assert finding["level"] == "violation"
    assert finding["times"] == 2
    assert finding["known"] is False


def test_findings_that_are_too_many_still_count(
    shop: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(livecheck, "MAX_DISTINCT_FINDINGS", 2)
    samples = [AttributeSample(f"other.a{number}") for number in range(5)]
    report = live_check(shop, [*samples, *samples])
    assert len(report.findings) == 2
    assert report.times == (2, 2)
    assert report.omitted == 6
    assert report.statistics.total_advisories == 10
    # What was left out may be new, so that knowing the rest does not help.
    assert live_check(shop, samples, ratchet=Ratchet.of(report.findings)).exit_code == 1
    levels = {"missing_attribute": Level.IMPROVEMENT}
    assert live_check(shop, samples, levels=levels).exit_code == 0


def test_a_span_is_matched_by_the_forms_that_prose_gives_its_name(write: Write) -> None:
    note = "The name SHOULD be `{t.method} {target}`, or `{t.method}` if there is none."
    text = f"""
        file_format: definition/2
        attributes:
          - {{key: t.method, type: string, brief: b, stability: stable, examples: [a]}}
          - {{key: t.size, type: int, brief: b, stability: stable}}
        spans:
          - type: t.call
            kind: client
            name: {{note: "{note}"}}
            brief: b
            stability: stable
            requirement_level: recommended
            attributes: [{{ref: t.method}}, {{ref: t.size, requirement_level: required}}]
        """
    registry = open_registry(write("r", {"manifest.yaml": MANIFEST, "a.yaml": text}))
    called = SpanSample("list", "client", attributes_of({"t.method": "list"}))
    report = live_check(registry, [called])
    assert report.statistics.seen_registry["spans"] == {"t.call": 1}
    assert "required_attribute_not_present" in {each.id for each in report.findings}
    other = SpanSample("other", "client", attributes_of({"t.method": "list"}))
    assert live_check(registry, [other]).statistics.seen_registry["spans"] == {"t.call": 0}

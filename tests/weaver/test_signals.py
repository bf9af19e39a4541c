"""The registry of Weft's own telemetry: sound, and complete in both directions."""

from __future__ import annotations

from collections import Counter
from importlib import resources
from pathlib import Path

import pytest
from opentelemetry.metrics._internal import _ProxyMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint

import weft
from tests.weaver.telling import Told
from weft.engine import events as e
from weft.engine.usage import patterns_used
from weft.patterns import builtin
from weft.schema import errors
from weft.weaver import conventions as names
from weft.weaver.check import check, open_registry
from weft.weaver.findings import Level
from weft.weaver.generate import markdown_pages, python_constants
from weft.weaver.registry import GroupType, Registry
from weft.weaver.story import event_name
from weft.weaver.telemetry import Telemetry


@pytest.fixture(scope="module")
def registry(repository: Path) -> Registry:
    return open_registry(repository / "schema/telemetry")


def test_the_registry_keeps_to_all_policies(repository: Path) -> None:
    report = check(repository / "schema/telemetry", policies=True)
    assert report.accepted
    # The one warning there is, once a file: the format itself is not stable yet.
    assert {(f.id, f.level) for f in report.findings} == {("UnstableFileFormat", Level.WARNING)}


def test_what_is_generated_is_up_to_date(repository: Path, registry: Registry) -> None:
    hint = "run `make signals`"
    assert (repository / "weaver/conventions.py").read_text() == python_constants(registry), hint
    pages = {p.name: p.read_text() for p in (repository / "docs/signals").iterdir()}
    assert pages == markdown_pages(registry), hint


def test_every_type_of_event_has_a_log_event_and_the_other_way_round(registry: Registry) -> None:
    declared = {group.signal_name for group in registry.of_type(GroupType.EVENT)}
    assert declared == {event_name(cls) for cls in e.EVENT_TYPES.values()}


def test_event_names_are_told_from_their_classes() -> None:
    assert event_name(e.WorkItemGivenUp) == "weft.work_item.given_up"
    assert event_name(e.CaseStarted) == "weft.case.started"
    assert event_name(e.TransitionFired) == "weft.transition.fired"


def test_every_class_of_errors_is_a_declared_type_and_the_other_way_round(
    registry: Registry,
) -> None:
    classes = {
        name
        for name, each in vars(errors).items()
        if isinstance(each, type) and issubclass(each, errors.WeftError)
    }
    declared = {member.value for member in registry.attributes[names.ERROR_TYPE].members}
    others = {"_OTHER", "deadlock", "interrupted"}
    assert declared - others == classes - {"WeftError"}
    assert others < declared


def test_every_pattern_is_declared_and_the_other_way_round(registry: Registry) -> None:
    declared = {
        m.value: (m.id, m.brief) for m in registry.attributes[names.WEFT_PATTERN_NAME].members
    }
    assert declared == {
        p.key: (
            p.key.replace("-", "_"),
            f"{p.name}, beside the numbered patterns."
            if p.id is None
            else f"Pattern {p.id}, {p.name}.",
        )
        for p in builtin()
    }
    assert sum(brief.startswith("Pattern ") for _, brief in declared.values()) == 43


def test_every_numbered_pattern_is_told_by_a_case_of_its_example() -> None:
    registered = builtin()
    told = Told()
    asked: Counter[str] = Counter()
    with weft.open(telemetry=told.telemetry, unverified=True) as engine:
        for file in sorted((resources.files("weft.patterns") / "examples").iterdir()):
            specification = weft.load(Path(str(file)))
            engine.run(specification)
            used = patterns_used(specification, registered)
            assert int(file.name[:2]) in {pattern.id for pattern in used}
            asked.update(pattern.key for pattern in used)
    assert told.metrics()["weft.pattern.used"] == {(key,): n for key, n in asked.items()}
    assert {p.key for p in registered if p.id is not None} <= set(asked)


def test_patterns_are_told_of_a_case_once_whoever_goes_on_with_it(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/weft.db"
    one, two = Told(), Told()
    text = "weft: 1\nname: a\nsequence: [{person: {title: Well}}, {person: {title: Good}}]"
    with weft.open(store, telemetry=one.telemetry) as engine:
        engine.run(weft.loads(text), case="c")
    with weft.open(store, telemetry=two.telemetry) as engine:
        case = engine.open("c")
        for number in (1, 2):
            case.complete(f"step-{number}/1", {})
        assert case.status == "completed"
    assert one.metrics()["weft.pattern.used"] == {("sequence",): 1}
    assert "weft.pattern.used" not in two.metrics()


def test_telemetry_of_several_engines_through_one_provider_adds_up() -> None:
    one = Told()
    other = one.again()
    text = "weft: 1\nname: a\nsequence: [{python: {call: f, run-in: inline}}]"
    for telemetry in (one.telemetry, other):
        with weft.open(telemetry=telemetry, functions={"f": lambda: 1}) as engine:
            engine.run(weft.loads(text))
    assert one.metrics()["weft.case.started"] == {(): 2}


def test_the_cardinality_of_counters_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weft.weaver.telemetry.MAX_SERIES", 3)
    told = Told()
    with weft.open(telemetry=told.telemetry, functions={"f": lambda: 1}) as engine:
        for name in ("a", "b", "c", "d", "a"):
            text = f"weft: 1\nname: {name}\nsequence: [{{python: {{call: f, run-in: inline}}}}]"
            engine.run(weft.loads(text))
    metrics = told.metrics()
    assert metrics["weft.case.started"] == {(): 3, (True,): 2}
    # What went up goes down again, as the same.
    assert metrics["weft.case.active"] == {(): 0, (True,): 0}


def test_a_program_that_sets_its_providers_late_has_each_instrument_once() -> None:
    reader = InMemoryMetricReader()
    real = MeterProvider([reader], shutdown_on_exit=False)
    early = _ProxyMeterProvider()
    first = Telemetry(meter_provider=early)
    early.on_set_meter_provider(real)
    text = "weft: 1\nname: a\nsequence: [{python: {call: f, run-in: inline}}]"
    for telemetry in (first, Telemetry(meter_provider=real), Telemetry(meter_provider=early)):
        with weft.open(telemetry=telemetry, functions={"f": lambda: 1}) as engine:
            engine.run(weft.loads(text))
    data = reader.get_metrics_data()
    assert data is not None
    values = [
        [point.value for point in metric.data.data_points if isinstance(point, NumberDataPoint)]
        for metric in data.resource_metrics[0].scope_metrics[0].metrics
        if metric.name == "weft.case.started"
    ]
    assert values == [[3]]

"""Telemetry on its way out: bounded, counted when dropped, and never in the way of work."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any

import pytest

import weft
from weft.weaver.shipping import Pipeline, Shipper
from weft.weaver.telemetry import Telemetry

LONG = 60.0
"""Longer than any test: an interval in which nothing happens by itself."""


class Result(Enum):
    SUCCESS = 0
    FAILURE = 1


class Exporter:
    """An exporter that a test can make fail, raise or hang."""

    def __init__(self, *, result: Any = Result.SUCCESS, error: Exception | None = None) -> None:
        self.result = result
        self.error = error
        self.taken: list[Any] = []
        self.entered = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.shut_down = False

    def export(self, batch: Sequence[Any], **options: Any) -> Any:
        self.entered.set()
        self.go_on.wait()
        if self.error is not None:
            raise self.error
        self.taken += batch if isinstance(batch, list) else [batch]
        return self.result

    def shutdown(self, **options: Any) -> None:
        self.shut_down = True


@pytest.fixture
def hanging() -> Iterator[Exporter]:
    """An exporter that hangs until the test is over."""
    exporter = Exporter()
    exporter.go_on.clear()
    yield exporter
    exporter.go_on.set()


def shipper(exporter: Exporter, dropped: Counter[str], **options: Any) -> Shipper:
    def drop(signal: str, reason: str, amount: int) -> None:
        dropped[f"{signal} {reason}"] += amount

    return Shipper("traces", exporter, drop, **{"interval": LONG, **options})


def test_what_is_put_is_exported_in_batches() -> None:
    exporter, dropped = Exporter(), Counter[str]()
    made = shipper(exporter, dropped, batch=2)
    for number in range(5):
        made.put(number)
    assert made.flush(LONG)
    assert exporter.taken == [0, 1, 2, 3, 4]
    made.put(5)
    made.close(LONG)
    made.close(LONG)
    assert exporter.taken == [0, 1, 2, 3, 4, 5]
    assert exporter.shut_down
    made.put(6)
    assert dropped == {"traces closed": 1}


def test_a_full_batch_does_not_wait_for_the_interval() -> None:
    exporter = Exporter()
    made = shipper(exporter, Counter(), batch=3)
    for number in range(3):
        made.put(number)
    assert exporter.entered.wait(LONG)
    made.close(LONG)


@pytest.mark.parametrize(
    "exporter",
    [Exporter(result=Result.FAILURE), Exporter(error=OSError("gone")), Exporter(result=None)],
)
def test_what_the_exporter_fails_to_take_is_counted(exporter: Exporter) -> None:
    dropped = Counter[str]()
    made = shipper(exporter, dropped)
    made.put(1)
    made.put(2)
    assert made.flush(LONG)
    assert dropped == {"traces export_failed": 2}
    made.close(LONG)


def test_an_exporter_that_hangs_costs_what_does_not_fit(hanging: Exporter) -> None:
    dropped = Counter[str]()
    made = shipper(hanging, dropped, queue=3, batch=1)
    made.put("hangs")
    assert hanging.entered.wait(LONG)
    for number in range(5):
        made.put(number)
    assert dropped == {"traces queue_full": 2}
    assert not made.flush(0.01)
    made.close(0.01)  # comes back, though the exporter does not
    assert dropped == {"traces queue_full": 2, "traces closed": 4}  # with the one that it has
    assert not hanging.shut_down


SPECIFICATION = """
weft: 1
name: order
sequence: [{python: work}, {python: work}]
"""


def told_through(pipeline: Pipeline) -> Telemetry:
    return Telemetry(
        tracer_provider=pipeline.tracer_provider,
        meter_provider=pipeline.meter_provider,
        logger_provider=pipeline.logger_provider,
        pipeline=pipeline,
    )


def run(pipeline: Pipeline, *, seconds: float) -> str:
    telemetry = told_through(pipeline)
    with weft.open(telemetry=telemetry, functions={"work": lambda: 1}) as engine:
        status = engine.run(weft.loads(SPECIFICATION)).status
    telemetry.close(seconds)
    return status


def exporters(made: Exporter) -> dict[str, Any]:
    return dict.fromkeys(("traces", "metrics", "logs"), made)


def test_cases_go_on_when_the_exporter_hangs(hanging: Exporter) -> None:
    pipeline = Pipeline(exporters(hanging), queue=4)
    assert run(pipeline, seconds=0.01) == "completed"
    # Six log records and five spans; of each, four fit. How many the exporter holds, who knows.
    assert pipeline.dropped["logs"] >= 2
    assert pipeline.dropped["traces"] >= 1


def test_cases_go_on_when_the_exporter_is_gone() -> None:
    pipeline = Pipeline(exporters(Exporter(error=ConnectionRefusedError())))
    assert run(pipeline, seconds=LONG) == "completed"
    assert pipeline.dropped == {"traces": 5, "logs": 6, "metrics": 1}


def test_what_is_dropped_is_exported_as_a_number() -> None:
    points = Exporter()
    gone = Exporter(error=ConnectionRefusedError())
    pipeline = Pipeline({"traces": gone, "metrics": points})
    telemetry = told_through(pipeline)
    with weft.open(telemetry=telemetry, functions={"work": lambda: 1}) as engine:
        engine.run(weft.loads(SPECIFICATION))
        assert pipeline.flush(LONG)  # the spans are lost by then
        assert pipeline.flush(LONG)
        assert telemetry.dropped == {"traces": 5}
    telemetry.close(LONG)
    (counted,) = [
        (metric.data.is_monotonic, point.value, dict(point.attributes))
        for group in points.taken[-1].resource_metrics
        for scope in group.scope_metrics
        for metric in scope.metrics
        if metric.name == "weft.telemetry.dropped"
        for point in metric.data.data_points
    ]
    assert counted == (
        True,
        5,
        {"weft.telemetry.signal": "traces", "weft.telemetry.drop_reason": "export_failed"},
    )


@pytest.mark.parametrize("caller", [None, "01", "00"])
def test_spans_are_what_the_sdk_would_make_of_them(
    caller: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made when they have ended, as they are without limits, or begun and ended."""
    text = """
weft: 1
name: order
net:
  start: a
  tasks:
    a: {python: work, then: b}
    b: {python: fail, then: c}
    c: {person: {title: C?}}
"""
    trace = None if caller is None else f"00-{'1' * 32}-{'2' * 16}-{caller}"
    made: list[list[Any]] = []
    failures: list[str] = []

    def fail() -> None:
        if failures:
            raise ValueError(failures.pop())

    for limit in ("", "1000"):
        monkeypatch.setenv("OTEL_SPAN_LINK_COUNT_LIMIT", limit)
        exporter = Exporter()
        pipeline = Pipeline({"traces": exporter})
        assert pipeline.takes_ended_spans is not bool(limit)
        telemetry = Telemetry(
            tracer_provider=pipeline.tracer_provider, pipeline=pipeline, parent=trace
        )
        functions = {"work": lambda: 1, "fail": fail}
        failures.append("once")
        with weft.open(telemetry=telemetry, functions=functions, seed=1) as engine:
            case = engine.run(weft.loads(text))
            case.resume()
            case.wait()
            case.suspend("lunch")
            case.resume()
            case.cancel()
        telemetry.close(LONG)
        made.append(exporter.taken)
    direct, begun = made
    assert [each.to_json() for each in direct] == [each.to_json() for each in begun]
    assert [each.instrumentation_scope for each in direct] == [
        each.instrumentation_scope for each in begun
    ]
    assert bool(direct) is (caller != "00")
    if direct:
        assert {len(each.links) for each in direct} >= {0, 1}
        assert any(each.events for each in direct)
        assert any(each.status.description for each in direct)


def test_a_sampler_of_another_kind_sees_spans_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_on")
    assert not Pipeline({"traces": Exporter()}).takes_ended_spans


def test_all_signals_come_out_at_the_end() -> None:
    made = {signal: Exporter() for signal in ("traces", "metrics", "logs")}
    pipeline = Pipeline(made)
    assert run(pipeline, seconds=LONG) == "completed"
    assert not pipeline.dropped
    assert [span.name for span in made["traces"].taken][-1] == "case order"
    assert len(made["logs"].taken) == 6
    assert len(made["metrics"].taken) == 1
    assert made["traces"].taken[0].resource.attributes["service.name"] == "weft"
    assert pipeline.flush(LONG)  # nothing is left


def test_a_service_has_the_name_that_the_environment_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    made = Exporter()
    run(Pipeline({"traces": made}), seconds=LONG)
    assert made.taken[0].resource.attributes["service.name"] == "shop"


@pytest.mark.parametrize(("text", "seconds"), [("250", 0.25), ("soon", 60.0), ("0", 60.0)])
def test_the_interval_of_metrics(
    text: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    from weft.weaver.shipping import _metric_interval

    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", text)
    assert _metric_interval() == seconds

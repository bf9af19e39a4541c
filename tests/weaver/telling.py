"""Engines whose telemetry ends in this process, for the tests of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Sampler

from weft.weaver.telemetry import Telemetry


@attrs.frozen
class Seen:
    """A span, with its relatives by name."""

    name: str
    id: int
    parent: int | None
    span: ReadableSpan

    @property
    def attributes(self) -> Mapping[str, Any]:
        return self.span.attributes or {}


class Told:
    """Telemetry, and what it has told so far."""

    def __init__(self, sampler: Sampler | None = None, parent: str | None = None) -> None:
        self._spans = InMemorySpanExporter()
        self._logs = InMemoryLogRecordExporter()
        self._reader = InMemoryMetricReader()
        self.tracer_provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._spans))
        logger_provider = LoggerProvider(shutdown_on_exit=False)
        logger_provider.add_log_record_processor(SimpleLogRecordProcessor(self._logs))
        self._providers: dict[str, Any] = {
            "tracer_provider": self.tracer_provider,
            "meter_provider": MeterProvider([self._reader], shutdown_on_exit=False),
            "logger_provider": logger_provider,
        }
        self.telemetry = Telemetry(**self._providers, parent=parent)

    def again(self) -> Telemetry:
        """More telemetry that tells the same."""
        return Telemetry(**self._providers)

    @property
    def spans(self) -> Sequence[Seen]:
        """The spans that have ended, in that order."""
        return [
            Seen(s.name, s.context.span_id, s.parent.span_id if s.parent else None, s)
            for s in self._spans.get_finished_spans()
        ]

    def span(self, name: str) -> Seen:
        """The only span of a name."""
        (found,) = [span for span in self.spans if span.name == name]
        return found

    def tree(self) -> set[tuple[str, str | None]]:
        """Each span's name, with that of its parent; None where it is none of these."""
        by_id = {span.id: span.name for span in self.spans}
        return {(span.name, by_id.get(span.parent or 0)) for span in self.spans}

    @property
    def trace_ids(self) -> set[int]:
        return {span.span.context.trace_id for span in self.spans}

    @property
    def logs(self) -> Sequence[Any]:
        return [each.log_record for each in self._logs.get_finished_logs()]

    def points(self, name: str) -> list[Any]:
        """The points of a metric."""
        data = self._reader.get_metrics_data()
        return [
            point
            for group in (data.resource_metrics if data else ())
            for scope in group.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def metrics(self) -> dict[str, dict[tuple[Any, ...], Any]]:
        """Metric to the values of its attributes (the specification's name left out) to the sum."""
        found: dict[str, dict[tuple[Any, ...], Any]] = {}
        data = self._reader.get_metrics_data()
        for group in data.resource_metrics if data else ():
            for scope in group.scope_metrics:
                for metric in scope.metrics:
                    points = found.setdefault(metric.name, {})
                    for point in metric.data.data_points:
                        key = tuple(
                            value
                            for name, value in sorted(point.attributes.items())
                            if name != "weft.specification.name"
                        )
                        value = getattr(point, "value", None)
                        points[key] = points.get(key, 0) + (point.count if value is None else value)
        return found

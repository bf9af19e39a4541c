"""A live check inside the process that emits: a span processor, a metric reader, a log processor.

Nothing is exported and no port is opened. A span is told with the line of the program that
started it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from types import FrameType
from typing import Any, Final
from weakref import WeakSet

from opentelemetry.sdk._logs import LogRecordProcessor
from opentelemetry.sdk.metrics import (
    Counter,
    Histogram,
    ObservableCounter,
)
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogram,
    Gauge,
    MetricReader,
    Sum,
)
from opentelemetry.sdk.metrics.export import Histogram as HistogramData
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from weft.weaver.samples import (
    Attributes,
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

__all__ = ["Emissions", "Sink"]

Sink = Callable[[ResourceSample, Sample], None]
"""Is given every sample, and what emitted it; on the thread that emits, one at a time."""

MAX_OPEN: Final = 100_000
"""Of so many open spans it is remembered where they were started."""

_NOT_THE_PROGRAM: Final = ("opentelemetry.", "weft.weaver.", "contextlib", "functools")
"""Modules whose frames do not start spans for themselves."""


class Emissions:
    """What a program emits through the providers that this watches.

    Args:
        sink: Is given what is emitted.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._door = threading.RLock()
        self._readers: WeakSet[MetricReader] = WeakSet()
        self._last: tuple[Any, ResourceSample] | None = None
        self.span_processor: SpanProcessor = _Spans(self)
        """For a `TracerProvider`."""
        self.log_processor: LogRecordProcessor = _Logs(self)
        """For a `LoggerProvider`."""

    def metric_reader(self) -> MetricReader:
        """A new reader for a `MeterProvider`, which takes each reader once."""
        reader = _Reader(self)
        self._readers.add(reader)
        return reader

    def collect(self) -> None:
        """Take what has been measured since the last time."""
        for reader in list(self._readers):
            reader.collect()

    def forget(self, reader: MetricReader) -> None:
        """Collect from a reader no more."""
        self._readers.discard(reader)

    def resource(self, resource: Any) -> ResourceSample:
        """A resource of the SDK as a sample; the very one of last time, if it is the same."""
        last = self._last  # it cannot change, and nearly all that a program emits is of one
        if last is None or last[0] is not resource:
            last = self._last = resource, ResourceSample(_attributes(resource.attributes))
        return last[1]

    def take(self, resource: ResourceSample, sample: Sample) -> None:
        """Give the sink a sample."""
        with self._door:
            self._sink(resource, sample)


def _attributes(values: Mapping[str, Any] | None) -> Attributes:
    plain = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in (values or {}).items()
    }
    return attributes_of(plain)


def _caller() -> str | None:
    """The line of the program that is starting a span: ``file:line``."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if not f"{module}.".startswith(_NOT_THE_PROGRAM):
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back
    return None


class _Spans(SpanProcessor):
    def __init__(self, emissions: Emissions) -> None:
        self._emissions = emissions
        self._sources: dict[tuple[int, int], str] = {}

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        del parent_context
        source = _caller()
        if source is not None and len(self._sources) < MAX_OPEN:
            self._sources[span.context.trace_id, span.context.span_id] = source

    def on_end(self, span: ReadableSpan) -> None:
        context = span.context
        source = None
        if context is not None:
            source = self._sources.pop((context.trace_id, context.span_id), None)
        sample = SpanSample(
            name=span.name,
            kind=span.kind.name.lower(),
            attributes=_attributes(span.attributes),
            events=tuple(SpanEventSample(e.name, _attributes(e.attributes)) for e in span.events),
            links=tuple(SpanLinkSample(_attributes(link.attributes)) for link in span.links),
            status=span.status.status_code.name.lower(),
            source=source,
        )
        self._emissions.take(self._emissions.resource(span.resource), sample)


class _Logs(LogRecordProcessor):
    def __init__(self, emissions: Emissions) -> None:
        self._emissions = emissions

    def on_emit(self, log_record: Any) -> None:
        record = log_record.log_record
        attributes = _attributes(record.attributes)
        sample = LogSample(record.event_name or "", attributes)
        self._emissions.take(self._emissions.resource(log_record.resource), sample)

    def shutdown(self) -> None:
        """There is nothing to end."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing waits."""
        return True


_DELTA = AggregationTemporality.DELTA
_OVERFLOW = "otel.metric.overflow"  # the SDK's sum of what is beyond its limit of attribute sets


class _Reader(MetricReader):
    def __init__(self, emissions: Emissions) -> None:
        # What was measured since the last time, so that a point is told once.
        super().__init__(
            preferred_temporality={Counter: _DELTA, Histogram: _DELTA, ObservableCounter: _DELTA}
        )
        self._emissions = emissions
        self._sums: dict[tuple[Any, ...], float] = {}

    def _receive_metrics(
        self, metrics_data: Any, timeout_millis: float = 10_000, **kwargs: Any
    ) -> None:
        for group in metrics_data.resource_metrics:
            resource = self._emissions.resource(group.resource)
            for scope in group.scope_metrics:
                for metric in scope.metrics:
                    points = [
                        point
                        for point in metric.data.data_points
                        if not point.attributes.get(_OVERFLOW)
                        and (
                            not isinstance(metric.data, Sum)
                            or self._moved(scope.scope.name, metric, point)
                        )
                    ]
                    if points:
                        self._emissions.take(resource, _metric(metric, points))

    def _moved(self, scope: str, metric: Any, point: Any) -> bool:
        """Whether a sum says anything new.

        The SDK collects every sum of an observable instrument again and again, moved or not, and
        whoever collects next would be told of what others have measured.
        """
        attributes = ((name, repr(value)) for name, value in point.attributes.items())
        key = (scope, metric.name, tuple(sorted(attributes)))
        still = 0 if metric.data.aggregation_temporality is _DELTA else self._sums.get(key)
        moved = key not in self._sums or point.value != still
        self._sums[key] = point.value
        return moved

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Take what was measured last; after that nobody measures any more."""
        self.collect()
        self._emissions.forget(self)


def _metric(metric: Any, points: Iterable[Any]) -> MetricSample:
    instrument, point = "gauge", "number_data_point"
    match metric.data:
        case Sum():
            instrument = "counter" if metric.data.is_monotonic else "updowncounter"
        case HistogramData():
            instrument, point = "histogram", "histogram_data_point"
        case ExponentialHistogram():
            instrument, point = "histogram", "exponential_histogram_data_point"
        case Gauge():
            pass
    return MetricSample(
        name=metric.name,
        instrument=instrument,
        unit=metric.unit or "",
        data_points=tuple(
            DataPoint(
                attributes=_attributes(each.attributes),
                exemplars=tuple(_attributes(e.filtered_attributes) for e in each.exemplars),
                type=point,
            )
            for each in points
        ),
    )

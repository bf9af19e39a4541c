"""OTLP messages as samples for a live check.

The protocol: https://opentelemetry.io/docs/specs/otlp/. A message holds resources, each with what
it has emitted; every sample comes with its resource.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import attrs
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

from weft.schema.errors import DefinitionError
from weft.weaver.samples import (
    Attributes,
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

__all__ = ["SIGNALS", "Received", "Signal", "parse", "response_body"]

Received = tuple[ResourceSample, Sample]
"""A sample, and what emitted it."""


@attrs.frozen
class Signal:
    """A kind of telemetry in OTLP: its request and response, and how samples are made of it."""

    request: Callable[[], Any]
    response: Callable[[], Any]
    samples: Callable[[Any], Iterable[Received]]


def parse(signal: Signal, body: bytes, *, as_json: bool = False) -> Any:
    """The request that a body is.

    Raises:
        DefinitionError: It is none.
    """
    request = signal.request()
    try:
        if as_json:
            json_format.Parse(body, request, ignore_unknown_fields=True)
        else:
            request.ParseFromString(body)
    except (DecodeError, json_format.ParseError, ValueError, RecursionError) as error:
        raise DefinitionError(f"not a request of OTLP: {error}", code="otlp") from error
    return request


# ── attributes ───────────────────────────────────────────────────────────────────────────────


def _value(value: Any) -> Any:
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [_value(each) for each in value.array_value.values]
        case "kvlist_value":
            return {each.key: _value(each.value) for each in value.kvlist_value.values}
        case name:
            return getattr(value, name)


def _attributes(pairs: Iterable[Any]) -> Attributes:
    return attributes_of({pair.key: _value(pair.value) for pair in pairs})


def _source(attributes: Attributes) -> str | None:
    """Where in a program it came from, as the conventions for code say it."""
    values: Mapping[str, AttributeSample] = {each.name: each for each in attributes}
    file = values.get("code.file.path")
    line = values.get("code.line.number")
    if file is None or not isinstance(file.value, str):
        return None
    return file.value if line is None else f"{file.value}:{line.value}"


# ── traces ───────────────────────────────────────────────────────────────────────────────────

_KINDS: Final = ("internal", "internal", "server", "client", "producer", "consumer")
_STATUSES: Final = ("unset", "ok", "error")


def _traces(request: Any) -> Iterator[Received]:
    for group in request.resource_spans:
        resource = ResourceSample(_attributes(group.resource.attributes))
        for scope in group.scope_spans:
            for span in scope.spans:
                yield resource, _span(span)


def _span(span: Any) -> SpanSample:
    attributes = _attributes(span.attributes)
    status = span.status.code
    return SpanSample(
        name=span.name,
        kind=_KINDS[span.kind] if 0 <= span.kind < len(_KINDS) else "internal",
        attributes=attributes,
        events=tuple(SpanEventSample(e.name, _attributes(e.attributes)) for e in span.events),
        links=tuple(SpanLinkSample(_attributes(link.attributes)) for link in span.links),
        status=_STATUSES[status] if 0 <= status < len(_STATUSES) else None,
        source=_source(attributes),
    )


# ── metrics ──────────────────────────────────────────────────────────────────────────────────

_POINTS: Final = {
    "histogram": "histogram_data_point",
    "exponential_histogram": "exponential_histogram_data_point",
    "summary": "summary_data_point",
}


def _metrics(request: Any) -> Iterator[Received]:
    for group in request.resource_metrics:
        resource = ResourceSample(_attributes(group.resource.attributes))
        for scope in group.scope_metrics:
            for metric in scope.metrics:
                yield resource, _metric(metric)


def _metric(metric: Any) -> MetricSample:
    kind = metric.WhichOneof("data") or "gauge"
    data = getattr(metric, kind)
    instrument = {"exponential_histogram": "histogram"}.get(kind, kind)
    if kind == "sum":
        instrument = "counter" if data.is_monotonic else "updowncounter"
    return MetricSample(
        name=metric.name,
        instrument=instrument,
        unit=metric.unit,
        data_points=tuple(_point(point, kind) for point in data.data_points),
    )


def _point(point: Any, kind: str) -> DataPoint:
    exemplars = getattr(point, "exemplars", ())  # a summary's points have none
    return DataPoint(
        attributes=_attributes(point.attributes),
        exemplars=tuple(_attributes(each.filtered_attributes) for each in exemplars),
        type=_POINTS.get(kind, "number_data_point"),
    )


# ── logs ─────────────────────────────────────────────────────────────────────────────────────


def _logs(request: Any) -> Iterator[Received]:
    for group in request.resource_logs:
        resource = ResourceSample(_attributes(group.resource.attributes))
        for scope in group.scope_logs:
            for record in scope.log_records:
                attributes = _attributes(record.attributes)
                yield resource, LogSample(record.event_name, attributes, _source(attributes))


SIGNALS: Final[Mapping[str, Signal]] = {
    "traces": Signal(traces.ExportTraceServiceRequest, traces.ExportTraceServiceResponse, _traces),
    "metrics": Signal(
        metrics.ExportMetricsServiceRequest, metrics.ExportMetricsServiceResponse, _metrics
    ),
    "logs": Signal(logs.ExportLogsServiceRequest, logs.ExportLogsServiceResponse, _logs),
}
"""The kinds of telemetry, by the word for them in paths: ``/v1/traces``."""


def response_body(message: Message, *, as_json: bool) -> bytes:
    """A response in the encoding of its request."""
    if as_json:
        return json.dumps(json_format.MessageToDict(message)).encode()
    encoded: bytes = message.SerializeToString()
    return encoded

"""Telemetry on its way out: bounded queues, a thread each, and an exporter at their ends.

Work is never delayed by it. What cannot be taken away fast enough, what the exporter refuses and
what is left when time is up is dropped, and counted (`Pipeline.dropped`). The SDK's own batch
processors wait for a hanging exporter when they are shut down; these have a deadline.
"""

from __future__ import annotations

import copy
import logging
import os
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit

from opentelemetry.context import Context, attach, set_value
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor, ReadableLogRecord
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased

from weft.schema.errors import UsageError
from weft.weaver import conventions as names

__all__ = ["Pipeline", "Shipper", "exporters_for"]

logger = logging.getLogger("weft.telemetry")

QUEUE: Final = 8192
"""The most spans or log records that wait to be exported."""
BATCH: Final = 512
"""The most of them that are exported at once."""
INTERVAL_SECONDS: Final = 1.0
"""So often what waits is exported, even if it is little."""
METRIC_INTERVAL_SECONDS: Final = 60.0
"""So often metrics are collected, unless OTEL_METRIC_EXPORT_INTERVAL says otherwise."""

_LIMITS: Final = (
    *("OTEL_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"),
    *("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT"),
    *("OTEL_SPAN_EVENT_COUNT_LIMIT", "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT"),
    *("OTEL_SPAN_LINK_COUNT_LIMIT", "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT"),
)

Drop = Callable[[str, str, int], None]
"""Is told of what is dropped: the signal, the reason, how many."""


class Shipper:
    """A bounded queue before an exporter, emptied by a thread of its own.

    Args:
        signal: ``traces``, ``metrics`` or ``logs``.
        exporter: Its ``export`` takes a sequence, and gives something whose ``name`` is SUCCESS.
        drop: Is told of what is dropped.
        queue: The most that may wait.
        batch: The most that is exported at once.
        interval: So many seconds pass before a batch that is not full is exported.
        tick: Is called on the thread after each interval, and before the end: it may put more.
    """

    def __init__(
        self,
        signal: str,
        exporter: Any,
        drop: Drop,
        *,
        queue: int = QUEUE,
        batch: int = BATCH,
        interval: float = INTERVAL_SECONDS,
        tick: Callable[[], None] | None = None,
    ) -> None:
        self._signal = signal
        self._exporter = exporter
        self._drop = drop
        self._limit = queue
        self._batch = batch
        self._interval = interval
        self._tick = tick
        self._waiting: deque[Any] = deque()
        self._changed = threading.Condition()
        self._flushing = 0
        self._under_way = 0
        self._given_up = False
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"weft {signal}", daemon=True)
        self._thread.start()

    def put(self, item: Any) -> None:
        """Leave something to be exported; it is dropped where there is no room."""
        with self._changed:
            reason = "closed" if self._closed else None
            if len(self._waiting) >= self._limit:
                reason = "queue_full"
            if reason is None:
                self._waiting.append(item)
                if len(self._waiting) == self._batch:
                    self._changed.notify_all()
        if reason is not None:
            self._drop(self._signal, reason, 1)

    def flush(self, seconds: float) -> bool:
        """Export what waits now; whether that was done in time."""
        deadline = monotonic() + seconds
        with self._changed:
            self._flushing += 1
            self._changed.notify_all()
            while self._flushing and self._thread.is_alive():
                left = deadline - monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
        return True

    def close(self, seconds: float) -> None:
        """Take nothing more; export what waits as far as it goes in that time, drop the rest."""
        with self._changed:
            if self._closed:
                return
        self.flush(seconds)
        with self._changed:
            self._closed = True
            # What the exporter has and does not come back with is lost as well.
            left = len(self._waiting) + self._under_way
            self._waiting.clear()
            self._given_up = hanging = self._under_way > 0
            self._changed.notify_all()
        if left:
            self._drop(self._signal, "closed", left)
        if not hanging:  # one that hangs would hold the caller up; its thread is a daemon
            self._thread.join(seconds)
            self._exporter.shutdown()

    def _run(self) -> None:
        # What an exporter does is not to be traced itself.
        attach(set_value("suppress_instrumentation", True))
        while self._wait():
            if self._tick is not None:
                self._guarded(self._tick)
            self._empty()

    def _wait(self) -> bool:
        with self._changed:
            deadline = monotonic() + self._interval
            while not (self._closed or self._flushing or len(self._waiting) >= self._batch):
                left = deadline - monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            return not self._closed

    def _empty(self) -> None:
        while True:
            with self._changed:
                count = min(len(self._waiting), self._batch)
                taken = [self._waiting.popleft() for _ in range(count)]
                self._under_way = count
                if not taken:
                    self._flushing = 0
                    self._changed.notify_all()
                    return
            done = self._guarded(lambda: self._exporter.export(taken))  # noqa: B023
            with self._changed:
                lost = self._under_way if getattr(done, "name", None) != "SUCCESS" else 0
                if self._given_up:  # it has been counted
                    return
            if lost:
                self._drop(self._signal, "export_failed", lost)

    def _guarded(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception:
            logger.debug("exporting %s failed", self._signal, exc_info=True)
            return None


class _Spans(SpanProcessor):
    """Leaves sampled spans that have ended to a shipper."""

    def __init__(self, shipper: Shipper) -> None:
        self._shipper = shipper

    def on_end(self, span: ReadableSpan) -> None:
        """A span has ended."""
        if span.context is not None and span.context.trace_flags.sampled:
            self._shipper.put(span)


class _Logs(LogRecordProcessor):
    """Leaves log records to a shipper."""

    def __init__(self, shipper: Shipper) -> None:
        self._shipper = shipper

    def on_emit(self, log_record: Any) -> None:
        """A record was emitted; its context has been read, and what else is in it may be large."""
        record = log_record.log_record
        if len(record.context or ()) <= 1:  # its span alone
            self._shipper.put(log_record)
            return
        record = copy.copy(record)
        record.context = Context()
        self._shipper.put(
            ReadableLogRecord(
                log_record=record,
                resource=log_record.resource,
                instrumentation_scope=log_record.instrumentation_scope,
                limits=log_record.limits,
            )
        )

    def shutdown(self) -> None:
        """The pipeline closes its shippers itself."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Export what waits now."""
        return self._shipper.flush(timeout_millis / 1000)


class _Metrics(MetricReader):
    """Leaves what is collected to a shipper, whose thread does the collecting, too."""

    def __init__(self, exporter: Any, drop: Drop, interval: float) -> None:
        super().__init__(
            # The exporter's own preference, as its environment variable says.
            preferred_temporality=getattr(exporter, "_preferred_temporality", None),
            preferred_aggregation=getattr(exporter, "_preferred_aggregation", None),
        )
        self.shipper = Shipper(
            "metrics",
            _One(exporter),
            drop,
            queue=8,
            batch=1,
            interval=interval,
            tick=self.collect,
        )

    def _receive_metrics(
        self, metrics_data: Any, timeout_millis: float = 10_000, **kwargs: Any
    ) -> None:
        if metrics_data.resource_metrics:
            self.shipper.put(metrics_data)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """The pipeline closes its shippers itself."""


class _One:
    """An exporter of metrics, whose `export` takes one collection rather than a list."""

    def __init__(self, exporter: Any) -> None:
        self._exporter = exporter

    def export(self, batch: Sequence[Any]) -> Any:
        return self._exporter.export(batch[0])

    def shutdown(self) -> None:
        self._exporter.shutdown()


class Pipeline:
    """Providers of traces, metrics and logs with exporters of their own, and what was dropped.

    Args:
        exporters: ``traces``, ``metrics`` and ``logs`` to an exporter; one that is missing is off.
        resource: Who emits; as OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say, else ``weft``.
        queue: The most spans or log records that wait.
        metric_interval: Metrics are exported every so many seconds.
    """

    def __init__(
        self,
        exporters: Mapping[str, Any],
        *,
        resource: Resource | None = None,
        queue: int = QUEUE,
        metric_interval: float | None = None,
    ) -> None:
        self.dropped: Counter[str] = Counter()
        """How much was dropped, by signal."""
        self.on_drop: Drop | None = None
        self._warned = False
        resource = resource or _resource()
        self._shippers: list[Shipper] = []
        self.tracer_provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        if "traces" in exporters:
            spans = self._shipper("traces", exporters, queue)
            self.tracer_provider.add_span_processor(_Spans(spans))
        readers = []
        if "metrics" in exporters:
            interval = metric_interval or _metric_interval()
            readers.append(_Metrics(exporters["metrics"], self._drop, interval))
            self._shippers.append(readers[0].shipper)
        self.meter_provider = MeterProvider(readers, resource=resource, shutdown_on_exit=False)
        self.logger_provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
        if "logs" in exporters:
            logs = self._shipper("logs", exporters, queue)
            self.logger_provider.add_log_record_processor(_Logs(logs))

    @property
    def takes_ended_spans(self) -> bool:
        """Whether a span may be made when it has ended, which costs less than the SDK's way.

        Not where the environment asks for what the SDK does while a span lasts: limits of its
        own, or a sampler that looks at more than the span above.
        """
        return isinstance(self.tracer_provider.sampler, ParentBased) and not any(
            os.environ.get(name) for name in _LIMITS
        )

    def _shipper(self, signal: str, exporters: Mapping[str, Any], queue: int) -> Shipper:
        made = Shipper(signal, exporters[signal], self._drop, queue=queue)
        self._shippers.append(made)
        return made

    def _drop(self, signal: str, reason: str, amount: int) -> None:
        self.dropped[signal] += amount
        if self.on_drop is not None:
            self.on_drop(signal, reason, amount)
        if not self._warned:
            self._warned = True
            logger.warning("%s are dropped (%s); cases go on", signal, reason)

    def flush(self, seconds: float = 5.0) -> bool:
        """Export what waits now; whether all of it was taken in that time."""
        deadline = monotonic() + seconds
        taken = True
        for shipper in self._shippers:  # each, also when one has not
            taken &= shipper.flush(max(deadline - monotonic(), 0))
        return taken

    def close(self, seconds: float = 5.0) -> None:
        """Export what waits as far as it goes in that time, drop the rest; closing twice is one."""
        deadline = monotonic() + seconds
        # Side by side: a signal that hangs must not take the others' time.
        threads = [
            threading.Thread(target=shipper.close, args=(seconds,), daemon=True)
            for shipper in self._shippers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(deadline - monotonic(), 0) + 0.1)


def _resource() -> Resource:
    made = Resource.create()
    if str(made.attributes.get(names.SERVICE_NAME, "")).startswith("unknown_service"):
        made = made.merge(Resource({names.SERVICE_NAME: "weft"}))
    return made


def _metric_interval() -> float:
    try:
        milliseconds = float(os.environ.get("OTEL_METRIC_EXPORT_INTERVAL") or "")
    except ValueError:
        return METRIC_INTERVAL_SECONDS
    return milliseconds / 1000 if milliseconds > 0 else METRIC_INTERVAL_SECONDS


# ── exporters ────────────────────────────────────────────────────────────────────────────────

_SIGNALS: Final = ("traces", "metrics", "logs")
_PROTOCOLS: Final = ("grpc", "http/protobuf")


def exporters_for(
    endpoint: str | None = None, *, environ: Mapping[str, str] = os.environ
) -> dict[str, Any]:
    """OTLP exporters of the three signals, for an endpoint or as the environment says.

    The variables are OpenTelemetry's: OTEL_EXPORTER_OTLP_ENDPOINT and _PROTOCOL (and those of one
    signal, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT…), OTEL_TRACES_EXPORTER (``otlp`` or ``none``) and
    its kin; headers, timeout, compression and certificates are read by the exporters themselves.
    Without a protocol it is HTTP, or gRPC for port 4317 and for ``grpc://host:port``.

    Raises:
        UsageError: The endpoint is no URL, a protocol or an exporter is not known, or the
            exporters are not installed.
    """
    made = {}
    for signal in _SIGNALS:
        wanted = environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip() or "otlp"
        if wanted == "none":
            continue
        if wanted != "otlp" and endpoint is None:
            raise UsageError(
                f"OTEL_{signal.upper()}_EXPORTER is {wanted!r}; Weft exports by 'otlp', or 'none'",
                code="otlp-exporter",
            )
        own = environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT")
        base = endpoint or own or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or ""
        protocol = environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL") or environ.get(
            "OTEL_EXPORTER_OTLP_PROTOCOL"
        )
        exact = endpoint is None and bool(own)
        made[signal] = _exporter(signal, base or "http://localhost:4318", protocol, exact=exact)
    return made


def _exporter(signal: str, endpoint: str, protocol: str | None, *, exact: bool) -> Any:
    try:
        url = urlsplit(endpoint)
        port = url.port
    except ValueError:
        url, port = urlsplit(""), None
    if url.scheme not in {"http", "https", "grpc"} or not url.hostname:
        raise UsageError(
            f"{endpoint!r} is no endpoint for OTLP; write http://HOST:4318 (HTTP) or "
            "http://HOST:4317 (gRPC)",
            code="otlp-endpoint",
        )
    if url.scheme == "grpc":
        protocol, endpoint = "grpc", endpoint.replace("grpc://", "http://", 1)
    if not protocol:
        protocol = "grpc" if port == 4317 else "http/protobuf"
    if protocol not in _PROTOCOLS:
        raise UsageError(
            f"OTLP has no protocol {protocol!r} here; there are {' and '.join(_PROTOCOLS)}",
            code="otlp-protocol",
        )
    if protocol != "grpc" and not exact:
        endpoint = f"{endpoint.rstrip('/')}/v1/{signal}"
    try:
        return _classes(protocol)[signal](endpoint=endpoint)
    except ImportError:
        raise UsageError(
            "OTLP needs OpenTelemetry's exporters; install weft with the extra 'telemetry'",
            code="missing-extra",
        ) from None


def _classes(protocol: str) -> Mapping[str, Callable[..., Any]]:
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        return {
            "traces": OTLPSpanExporter,
            "metrics": OTLPMetricExporter,
            "logs": OTLPLogExporter,
        }
    from opentelemetry.exporter.otlp.proto.http import _log_exporter as logs
    from opentelemetry.exporter.otlp.proto.http import metric_exporter as points
    from opentelemetry.exporter.otlp.proto.http import trace_exporter as traces

    return {
        "traces": traces.OTLPSpanExporter,
        "metrics": points.OTLPMetricExporter,
        "logs": logs.OTLPLogExporter,
    }

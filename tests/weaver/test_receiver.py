"""The receiver of OTLP: real exporters over gRPC and HTTP, and whatever else may knock."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

import weft
from weft.schema.errors import JournalError
from weft.weaver import receiver as module
from weft.weaver.check import open_registry
from weft.weaver.livecheck import LiveChecker
from weft.weaver.receiver import Receiver
from weft.weaver.samples import LogSample, MetricSample, SpanSample

SPECIFICATION = """
weft: 1
name: order
sequence: [{python: work}, {python: work}]
"""
PROTO = "application/x-protobuf"


class Received:
    """A receiver, and what it was given."""

    def __init__(self) -> None:
        self.samples: list[Any] = []
        self.resources: list[Any] = []
        self.receiver = Receiver(self.take)

    def take(self, received: Any) -> None:
        for resource, sample in received:
            self.resources.append(resource)
            self.samples.append(sample)

    def of(self, kind: type[Any]) -> list[Any]:
        return [sample for sample in self.samples if isinstance(sample, kind)]

    def post(self, path: str, body: bytes, kind: str = PROTO, **headers: str) -> tuple[int, bytes]:
        """The status and the body of the answer to a POST."""
        connection = http.client.HTTPConnection("127.0.0.1", self.receiver.http_port, timeout=30)
        sent = {"Content-Type": kind, **{k.replace("_", "-"): v for k, v in headers.items()}}
        connection.request("POST", path, body, sent)
        answer = connection.getresponse()
        made = answer.status, answer.read()
        connection.close()
        return made


@pytest.fixture
def got() -> Iterator[Received]:
    made = Received()
    with made.receiver:
        yield made


def request() -> traces.ExportTraceServiceRequest:
    made = traces.ExportTraceServiceRequest()
    group = made.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "shop"
    span = group.scope_spans.add().spans.add(name="take order", kind=3, trace_id=b"1" * 16)
    span.status.code = 2
    for name, values in (
        ("text", {"string_value": "a"}),
        ("number", {"int_value": 2}),
        ("truth", {"bool_value": True}),
        ("part", {"double_value": 0.5}),
        ("nothing", {}),
        ("bytes", {"bytes_value": b"a"}),
        ("code.file.path", {"string_value": "shop.py"}),
        ("code.line.number", {"int_value": 12}),
    ):
        value = span.attributes.add(key=name).value
        for field, each in values.items():
            setattr(value, field, each)
    listed = span.attributes.add(key="list").value.array_value
    listed.values.add().int_value = 1
    listed.values.add().int_value = 2
    inner = span.attributes.add(key="map").value.kvlist_value.values.add(key="b")
    inner.value.bool_value = False
    span.events.add(name="happened").attributes.add(key="e").value.int_value = 1
    span.links.add().attributes.add(key="l").value.int_value = 1
    return made


# ── the real thing ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_what_an_engine_exports_is_what_its_registry_declares(
    protocol: str, got: Received, repository: Path
) -> None:
    endpoint = got.receiver.http_endpoint
    if protocol == "grpc":
        endpoint = got.receiver.grpc_endpoint.replace("http://", "grpc://")
    with weft.open(telemetry=endpoint, functions={"work": lambda: 1}) as engine:
        assert engine.run(weft.loads(SPECIFICATION)).status == "completed"
    assert [span.name for span in got.of(SpanSample)] == [
        *["attempt step-1", "task step-1", "attempt step-2", "task step-2", "case order"]
    ]
    assert [log.event_name for log in got.of(LogSample)][-1] == "weft.case.completed"
    assert "weft.case.duration" in {metric.name for metric in got.of(MetricSample)}
    assert got.receiver.requests == 3
    checker = LiveChecker(open_registry(repository / "schema/telemetry"))
    for resource, sample in zip(got.resources, got.samples, strict=True):
        checker.add_of(resource, sample)
    report = checker.report()
    assert not report.failed
    assert {each.id for each in report.findings} <= {
        *("not_stable", "conditionally_required_attribute_not_present"),
    }


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_the_variables_of_opentelemetry_say_it_all(
    protocol: str, got: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where to, how, packed how, what of it, and who says so."""
    receiver = got.receiver
    endpoint = receiver.grpc_endpoint if protocol == "grpc" else receiver.http_endpoint
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    with weft.open(functions={"work": lambda: 1}) as engine:
        assert engine.run(weft.loads(SPECIFICATION)).status == "completed"
    assert {type(sample) for sample in got.samples} == {LogSample}
    said = {each.name: each.value for each in got.resources[0].attributes}
    assert (said["service.name"], said["deployment.environment.name"]) == ("shop", "test")


def test_every_field_of_a_span_arrives(got: Received) -> None:
    status, answer = got.post("/v1/traces", request().SerializeToString())
    assert (status, answer) == (200, b"")
    (span,) = got.samples
    assert (span.name, span.kind, span.status, span.source) == (
        *("take order", "client", "error", "shop.py:12"),
    )
    assert {each.name: (each.value, each.type) for each in span.attributes} == {
        "text": ("a", "string"),
        "number": (2, "int"),
        "truth": (True, "boolean"),
        "part": (0.5, "double"),
        "nothing": (None, None),
        "bytes": (b"a", None),
        "code.file.path": ("shop.py", "string"),
        "code.line.number": (12, "int"),
        "list": ([1, 2], "int[]"),
        "map": ({"b": False}, None),
    }
    assert [event.name for event in span.events] == ["happened"]
    assert len(span.links) == 1
    assert got.resources[0].attributes[0].value == "shop"


def test_every_kind_of_metric_arrives(got: Received) -> None:
    made = metrics.ExportMetricsServiceRequest()
    group = made.resource_metrics.add().scope_metrics.add()
    for name in ("gauge", "sum", "histogram", "exponential_histogram", "summary"):
        metric = group.metrics.add(name=name, unit="s")
        point = getattr(metric, name).data_points.add()
        point.attributes.add(key="a").value.int_value = 1
        if name != "summary":
            point.exemplars.add().filtered_attributes.add(key="b").value.int_value = 1
    group.metrics.add(name="counter").sum.is_monotonic = True
    group.metrics.add(name="empty")
    assert got.post("/v1/metrics", made.SerializeToString())[0] == 200
    assert [(each.name, each.instrument) for each in got.samples] == [
        ("gauge", "gauge"),
        ("sum", "updowncounter"),
        ("histogram", "histogram"),
        ("exponential_histogram", "histogram"),
        ("summary", "summary"),
        ("counter", "counter"),
        ("empty", "gauge"),
    ]
    points = [each.data_points[0] for each in got.samples[:5]]
    assert [point.type.removesuffix("_data_point") for point in points] == [
        *("number", "number", "histogram", "exponential_histogram", "summary"),
    ]
    assert [len(point.exemplars) for point in points] == [1, 1, 1, 1, 0]


def test_json_is_answered_in_json(got: Received) -> None:
    span = {"name": "a", "kind": 2, "traceId": "5b8efff798038103d269b633813fc60c", "new": 1}
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    status, answer = got.post("/v1/traces", json.dumps(body).encode(), "application/json")
    assert (status, json.loads(answer)) == (200, {})
    assert (got.samples[0].name, got.samples[0].kind) == ("a", "server")


# ── bad input ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("GZIP", gzip.compress)],
)
def test_compressed_requests(encoding: str, compress: Any, got: Received) -> None:
    body = compress(request().SerializeToString())
    assert got.post("/v1/traces", body, Content_Encoding=encoding)[0] == 200
    assert len(got.samples) == 1


def test_gzip_of_several_members(got: Received) -> None:
    whole = request().SerializeToString()
    body = gzip.compress(whole[:20]) + gzip.compress(whole[20:])
    assert got.post("/v1/traces", body, Content_Encoding="gzip")[0] == 200


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "message"),
    [
        ("/v1/traces", b"\xff\xfe junk", {}, 400, "not a request of OTLP"),
        ("/v1/traces", b"{", {"kind": "application/json"}, 400, "not a request of OTLP"),
        ("/v1/traces", b'{"resourceSpans": 5}', {"kind": "application/json"}, 400, "not a request"),
        ("/v1/traces", b"[" * 9999, {"kind": "application/json"}, 400, "not a request of OTLP"),
        ("/v1/traces", b"", {"kind": "text/plain"}, 415, "not 'text/plain'"),
        ("/v1/traces", b"", {"kind": ""}, 415, "OTLP is application/x-protobuf or application"),
        ("/v1/traces", b"x", {"Content_Encoding": "br"}, 415, "'br' is not known; gzip is"),
        ("/v1/traces", b"x", {"Content_Encoding": "gzip"}, 400, "not gzip"),
        (
            "/v1/traces",
            gzip.compress(b"abc", mtime=0)[:-3],
            {"Content_Encoding": "gzip"},
            400,
            "cut off",
        ),
        ("/v1/nonsense", b"", {}, 404, "there are /v1/traces, /v1/metrics, /v1/logs"),
        ("/", b"", {}, 404, "there is nothing at /"),
    ],
)
def test_what_is_refused(
    path: str, body: bytes, headers: dict[str, str], status: int, message: str, got: Received
) -> None:
    answered, text = got.post(path, body, **headers)
    assert answered == status
    assert message in text.decode()
    assert got.receiver.refused == 1
    assert got.post("/v1/traces", request().SerializeToString())[0] == 200  # others go on
    assert len(got.samples) == 1


def test_what_is_too_large(got: Received, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    assert got.post("/v1/traces", b"x" * 1001)[0] == 413
    bomb = gzip.compress(bytes(100_000))
    assert len(bomb) < 1001
    status, text = got.post("/v1/traces", bomb, Content_Encoding="gzip")
    assert (status, text) == (413, b"more than 1,000 bytes when decompressed")
    two = gzip.compress(bytes(600)) * 2
    assert got.post("/v1/traces", two, Content_Encoding="gzip")[0] == 413
    assert got.samples == []


def test_requests_that_are_not_as_http_wants_them(got: Received) -> None:
    def said(text: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", got.receiver.http_port), timeout=30) as line:
            line.sendall(text)
            line.shutdown(socket.SHUT_WR)
            return line.makefile("rb").read()

    head = b"POST /v1/traces HTTP/1.1\r\nContent-Type: application/x-protobuf\r\n"
    assert b" 411 " in said(head + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    assert b" 411 " in said(head + b"Content-Length: -5\r\n\r\n")
    assert b" 413 " in said(head + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n")
    assert b" 405 " in said(b"GET /v1/traces HTTP/1.1\r\n\r\n")
    assert said(b"\x00\x01\x02\r\n\r\n")  # some error, and no harm
    assert got.post("/v1/traces", b"")[0] == 200


def call(got: Received, body: bytes, signal: str = "trace.v1.TraceService") -> bytes:
    """What gRPC answers to a body of bytes."""
    with grpc.insecure_channel(f"127.0.0.1:{got.receiver.grpc_port}") as channel:
        method = f"/opentelemetry.proto.collector.{signal}/Export"
        return channel.unary_unary(method)(body, timeout=30)


def test_grpc_refuses_what_is_malformed(got: Received) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        call(got, b"\xff\xfe junk")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "not a request of OTLP" in caught.value.details()
    with pytest.raises(grpc.RpcError) as caught:
        call(got, b"", "nonsense.v1.NoService")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert call(got, request().SerializeToString()) == b""
    assert (
        call(got, logs.ExportLogsServiceRequest().SerializeToString(), "logs.v1.LogsService") == b""
    )
    assert (got.receiver.requests, got.receiver.refused) == (2, 1)


def test_grpc_refuses_what_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    got = Received()
    with got.receiver, pytest.raises(grpc.RpcError) as caught:
        call(got, b"x" * 1001)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert got.samples == []


def test_after_its_end_nothing_is_taken() -> None:
    got = Received()
    with got.receiver:
        assert got.post("/v1/traces", request().SerializeToString())[0] == 200
    got.receiver.close()  # once more is no harm
    with pytest.raises(OSError, match="refused"):
        got.post("/v1/traces", request().SerializeToString())
    with pytest.raises(grpc.RpcError) as caught:
        call(got, request().SerializeToString())
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    # A request that was under way when the end came.
    got.receiver.receive(module.SIGNALS["traces"], request().SerializeToString())
    assert len(got.samples) == 1


def test_ports_that_are_taken() -> None:
    with Received().receiver as other:
        with pytest.raises(JournalError, match=r"cannot listen at 127\.0\.0\.1"):
            Receiver(lambda samples: None, http_port=other.http_port)
        with pytest.raises(JournalError, match="0 is a free port"):
            Receiver(lambda samples: None, grpc_port=other.grpc_port)

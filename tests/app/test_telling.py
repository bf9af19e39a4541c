"""Telemetry from the command line, and its live check there: real commands, real ports."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.app.conftest import COMMAND
from weft.weaver.receiver import Receiver
from weft.weaver.samples import SpanSample

HELLO = "weft: 1\nname: hello\nsequence:\n  - shell: [echo, hello]\n"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def registry(repository: Path) -> Path:
    return repository / "schema/telemetry"


@pytest.fixture
def hello(write: Any) -> Path:
    return write("hello.yaml", HELLO)


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL", "TRACEPARENT"):
        monkeypatch.delenv(name, raising=False)


def test_run_exports_to_where_it_is_told(weft, hello, monkeypatch):
    spans: list[Any] = []
    monkeypatch.setenv("TRACEPARENT", PARENT)
    with Receiver(lambda got: spans.extend(s for _, s in got)) as receiver:
        done = weft("run", hello, "--otlp", receiver.http_endpoint, "--json")
        weft("run", hello, "--json", "--otlp", receiver.grpc_endpoint.replace("http", "grpc"))
    assert done.code == 0
    assert done.err == ""
    names = [sample.name for sample in spans if isinstance(sample, SpanSample)]
    assert names == ["attempt step-1", "task step-1", "case hello"] * 2


WAITING = """\
weft: 1
name: waiting
triggers: [{event: placed}]
net: {start: a, tasks: {a: {persistent-trigger: paid}}}
"""


def test_emit_tells_what_its_event_does_within_the_trace_of_its_caller(weft, write, monkeypatch):
    spans: list[Any] = []
    assert weft("run", write("waiting.yaml", WAITING), "--case", "c", "-q").code == 3
    assert weft("deploy", "waiting.yaml").code == 0
    monkeypatch.setenv("TRACEPARENT", PARENT)
    with Receiver(lambda got: spans.extend(s for _, s in got)) as receiver:
        assert weft("emit", "placed", "--otlp", receiver.http_endpoint).code == 0
        assert weft("emit", "paid", "--otlp", receiver.http_endpoint).code == 0
    names = [s.name for s in spans if isinstance(s, SpanSample)]
    assert names.count("case waiting") == 2
    assert names.count("wait a.persistent-trigger/1") == 2


def test_an_endpoint_that_is_gone_is_told_once_and_work_goes_on(weft, hello, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.5")  # so long it is tried again
    with Receiver(lambda got: None) as receiver:
        pass
    done = weft("run", hello, "--json", "--otlp", receiver.http_endpoint)
    assert done.code == 0
    assert done.json["status"] == "completed"
    (line,) = done.err.splitlines()
    assert line.startswith("telemetry could not be exported: ")
    assert "3 of traces" in line


def test_an_endpoint_that_is_none_is_refused_before_anything_is_done(weft, hello, folder):
    done = weft("run", hello, "--otlp", "nonsense", "--json")
    assert done.code in {2, 6}
    assert done.json["error"]["code"] == "otlp-endpoint"
    assert not (folder / ".weft").exists()


def test_live_check_of_a_command(weft, hello, registry):
    run = [*COMMAND, "run", str(hello), "--store", "memory:"]
    done = weft("weaver", "live-check", registry, "--otlp", "--json", "--", *run)
    assert done.code == 0, done.err
    answer = done.json
    assert answer["received"] == {"requests": 3, "refused": 0, "command": {"exit_code": 0}}
    assert answer["statistics"]["seen_registry_spans"]["weft.case"] == 1
    assert "receiving OTLP: gRPC at http://127.0.0.1:" in done.err


def test_live_check_fails_with_its_command(weft, registry):
    command = (sys.executable, "-c", "raise SystemExit(3)")
    done = weft("weaver", "live-check", registry, "--otlp", "--allow-empty", "--", *command)
    assert done.code == 1
    assert "the command ended with exit code 3" in done.err
    done = weft("weaver", "live-check", registry, "--otlp", "--json", "--", "no-such-command")
    assert done.json["error"]["code"] == "command"


def test_live_check_ends_when_nothing_comes_and_says_so(weft, registry):
    done = weft("weaver", "live-check", registry, "--otlp", "--idle", "0.05")
    assert done.code == 1
    assert done.out.startswith("receiving OTLP: gRPC at http://127.0.0.1:")
    assert "empty_stream" in done.out


def test_live_check_ends_by_a_signal_and_counts_what_was_refused(spawn, registry):
    import http.client

    process = spawn("weaver", "live-check", registry, "--otlp", "--allow-empty", "--json")
    port = int(process.stderr.readline().rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Content-Type": "application/x-protobuf"}
    connection.request("POST", "/v1/traces", b"\xff\xfe junk", headers)
    assert connection.getresponse().status == 400
    connection.close()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate()
    assert process.returncode == 1
    assert json.loads(out)["received"] == {"requests": 0, "refused": 1, "command": None}
    assert "1 request refused: not OTLP, or too large" in err


def test_live_check_needs_a_port_that_is_free(weft, registry):
    with Receiver(lambda got: None) as receiver:
        port = receiver.http_port
        done = weft("weaver", "live-check", registry, "--otlp", "--http-port", port, "--json")
    assert done.code == 5
    assert done.json["error"]["code"] == "port"


def test_samples_are_of_one_file(weft, registry):
    assert weft("weaver", "live-check", registry, "a.json", "b.json").code in {2, 6}

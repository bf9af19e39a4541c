"""A receiver of OTLP, over gRPC and HTTP, on free ports: what it gets goes to a live check.

It binds to this machine only. A request that is malformed, too large or badly compressed is
refused with the status that OTLP wants for it, and counted; others go on.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self

import grpc

from weft.schema.errors import DefinitionError, JournalError
from weft.weaver.otlp import SIGNALS, Received, Signal, parse, response_body

__all__ = ["MAX_BYTES", "Receiver"]

MAX_BYTES: Final = 64 * 1024 * 1024
"""The longest request, before and after decompression."""

SOCKET_SECONDS: Final = 30.0
"""A client that sends nothing for so long is let go."""

_SERVICES: Final = {
    "traces": "opentelemetry.proto.collector.trace.v1.TraceService",
    "metrics": "opentelemetry.proto.collector.metrics.v1.MetricsService",
    "logs": "opentelemetry.proto.collector.logs.v1.LogsService",
}

Take = Callable[[Iterable[Received]], None]
"""Is given what has been received; called by one thread at a time."""


class Receiver:
    """Receives OTLP from when it is entered to when it is left.

    Args:
        take: What to do with samples.
        host: The address to listen at.
        grpc_port: The port for gRPC; 0: a free one.
        http_port: The port for HTTP; 0: a free one.

    Raises:
        JournalError: A port is in use, or may not be used.
    """

    def __init__(
        self,
        take: Take,
        *,
        host: str = "127.0.0.1",
        grpc_port: int = 0,
        http_port: int = 0,
    ) -> None:
        self._take = take
        self._host = host
        self._door = threading.Lock()
        self.closed = False
        self.requests = 0
        """How many requests were taken."""
        self.refused = 0
        """How many requests were not OTLP, or too large."""
        self.last = monotonic()
        """When the last request came."""
        self._grpc = grpc.server(
            ThreadPoolExecutor(4, thread_name_prefix="weft otlp"),
            options=[
                ("grpc.max_receive_message_length", MAX_BYTES),
                ("grpc.so_reuseport", 0),
            ],
        )
        self._grpc.add_generic_rpc_handlers(
            tuple(
                grpc.method_handlers_generic_handler(
                    _SERVICES[name], {"Export": self._grpc_handler(signal)}
                )
                for name, signal in SIGNALS.items()
            )
        )
        try:
            self.grpc_port = self._grpc.add_insecure_port(f"{host}:{grpc_port}")
        except RuntimeError as error:
            raise _unusable(host, grpc_port, error) from error
        try:
            self._http = _Server((host, http_port), _handler(self))
        except (OSError, OverflowError) as error:
            self._grpc.stop(0)
            raise _unusable(host, http_port, error) from error
        self.http_port: int = self._http.server_address[1]
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(0.05,), name="weft otlp http", daemon=True
        )

    @property
    def grpc_endpoint(self) -> str:
        """The URL for exporters over gRPC."""
        return f"http://{self._host}:{self.grpc_port}"

    @property
    def http_endpoint(self) -> str:
        """The URL for exporters over HTTP, without the path of a signal."""
        return f"http://{self._host}:{self.http_port}"

    def __enter__(self) -> Self:
        self._grpc.start()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self, grace_seconds: float = 2.0) -> None:
        """Take nothing more; requests that are under way are finished."""
        if self.closed:
            return
        stopped = self._grpc.stop(grace_seconds)
        if self._thread.is_alive():
            self._http.shutdown()
        self._http.server_close()
        stopped.wait(grace_seconds + 1)
        with self._door:
            self.closed = True

    def receive(self, signal: Signal, body: bytes, *, as_json: bool = False) -> bytes:
        """Take a request, and give the response to it.

        Raises:
            DefinitionError: It is not OTLP.
        """
        try:
            request = parse(signal, body, as_json=as_json)
            # In full, before any of it is taken: a message is taken whole or not at all.
            samples = list(signal.samples(request))
        except DefinitionError:
            self.refuse()
            raise
        with self._door:
            if not self.closed:
                self.requests += 1
                self.last = monotonic()
                self._take(samples)
        return response_body(signal.response(), as_json=as_json)

    def refuse(self) -> None:
        """Count a request that is not taken."""
        with self._door:
            self.refused += 1
            self.last = monotonic()

    def _grpc_handler(self, signal: Signal) -> Any:
        def export(body: bytes, context: Any) -> bytes:
            try:
                return self.receive(signal, body)
            except DefinitionError as error:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)
                raise  # abort raises

        # Bytes in and out: then a body that cannot be parsed is answered by us.
        return grpc.unary_unary_rpc_method_handler(export)


def _unusable(host: str, port: int, error: Exception) -> JournalError:
    return JournalError(f"cannot listen at {host}:{port}: {error}; 0 is a free port", code="port")


# ── HTTP ─────────────────────────────────────────────────────────────────────────────────────


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is its own affair."""


class _Refused(Exception):  # an answer on its way out
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = SOCKET_SECONDS

        def do_POST(self) -> None:
            try:
                signal = _signal(self.path)
                as_json = _is_json(self.headers.get("Content-Type", ""))
                body = decompressed(self._body(), self.headers.get("Content-Encoding", ""))
                answer = receiver.receive(signal, body, as_json=as_json)
            except DefinitionError as error:
                self._answer(400, error.message.encode(), "text/plain")
            except _Refused as refused:
                receiver.refuse()
                self.close_connection = True  # its body may not have been read
                self._answer(refused.status, str(refused).encode(), "text/plain")
            else:
                kind = "application/json" if as_json else "application/x-protobuf"
                self._answer(200, answer, kind)

        def do_GET(self) -> None:
            self._answer(405, b"OTLP is sent by POST", "text/plain")

        def _body(self) -> bytes:
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal():
                raise _Refused(411, "a Content-Length is wanted")
            if len(length) > 12 or int(length) > MAX_BYTES:
                raise _Refused(413, f"more than {MAX_BYTES:,} bytes")
            return self.rfile.read(int(length))

        def _answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Requests are counted, not told one by one."""

    return Handler


def _signal(path: str) -> Signal:
    name = path.split("?", maxsplit=1)[0].strip("/").removeprefix("v1/")
    if name not in SIGNALS:
        known = ", ".join(f"/v1/{each}" for each in SIGNALS)
        raise _Refused(404, f"there is nothing at {path[:200]}; there are {known}")
    return SIGNALS[name]


def _is_json(content_type: str) -> bool:
    kind = content_type.split(";", maxsplit=1)[0].strip().lower()
    if kind not in {"application/json", "application/x-protobuf"}:
        raise _Refused(
            415, f"OTLP is application/x-protobuf or application/json, not {kind[:100]!r}"
        )
    return kind == "application/json"


def decompressed(body: bytes, encoding: str) -> bytes:
    """A body without its compression, which must not make it longer than `MAX_BYTES`."""
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        return body
    if encoding not in {"gzip", "deflate"}:
        raise _Refused(415, f"the encoding {encoding[:100]!r} is not known; gzip is")
    made = bytearray()
    while body:
        stream = zlib.decompressobj(zlib.MAX_WBITS | 32)  # gzip or zlib, as its header says
        try:
            made += stream.decompress(body, MAX_BYTES + 1 - len(made))
        except zlib.error as error:
            raise _Refused(400, f"not {encoding}: {error}") from None
        if len(made) > MAX_BYTES:
            raise _Refused(413, f"more than {MAX_BYTES:,} bytes when decompressed")
        if not stream.eof:
            raise _Refused(400, f"not {encoding}: it is cut off")
        body = stream.unused_data  # gzip may have several members
    return bytes(made)

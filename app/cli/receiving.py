"""Receiving OTLP for `weft weaver live-check --otlp`: until a command ends, or somebody says so."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from weft.cli.output import Screen
from weft.schema.errors import UsageError

if TYPE_CHECKING:
    from weft.weaver.livecheck import LiveChecker
    from weft.weaver.otlp import Received
    from weft.weaver.receiver import Receiver

__all__ = ["receive"]

LOOK_SECONDS: Final = 0.1
"""So often it is looked whether it is time to stop."""

END_SECONDS: Final = 10.0
"""How long a command that is told to end may take."""


def receive(
    checker: LiveChecker,
    screen: Screen,
    command: Sequence[str],
    *,
    grpc_port: int,
    http_port: int,
    idle_seconds: float | None,
) -> Mapping[str, Any]:
    """Give a checker what is received, and say what there was besides.

    It ends with the command; else when nothing has come for so many seconds, or by Ctrl-C or
    SIGTERM. The command is told where to export to by OpenTelemetry's own variables.

    Raises:
        UsageError: The packages for OTLP are not installed, or there is no such command.
        JournalError: A port cannot be used.
    """
    try:
        from weft.weaver.receiver import Receiver
    except ImportError as error:
        raise UsageError(
            f"receiving OTLP needs {error.name}; install weft with the extra 'telemetry'",
            code="missing-extra",
        ) from error

    def take(received: Iterable[Received]) -> None:
        for resource, sample in received:
            checker.add_of(resource, sample)

    code: int | None = None
    # A signal may come as soon as the address is said: it is heard from before that on.
    with (
        _told_to_end() as told,
        Receiver(take, grpc_port=grpc_port, http_port=http_port) as receiver,
    ):
        where = (
            f"receiving OTLP: gRPC at {receiver.grpc_endpoint}, HTTP at {receiver.http_endpoint}"
        )
        if screen.json or command:
            screen.warn(where)
        else:
            screen.say(where)
        code = _until_done(receiver, command, idle_seconds, told)
    return {
        "requests": receiver.requests,
        "refused": receiver.refused,
        "command": None if code is None else {"exit_code": code},
    }


@contextmanager
def _told_to_end() -> Iterator[threading.Event]:
    """What is set by Ctrl-C or SIGTERM, as long as this lasts."""
    told = threading.Event()

    def tell(number: int, frame: FrameType | None) -> None:
        del number, frame
        told.set()

    before = {each: signal.signal(each, tell) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield told
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _until_done(
    receiver: Receiver,
    command: Sequence[str],
    idle_seconds: float | None,
    told: threading.Event,
) -> int | None:
    """Wait for the end; the exit code of the command, if there is one."""
    child = _started(receiver, command) if command else None
    while not told.wait(LOOK_SECONDS):
        if child is not None:
            if child.poll() is not None:
                break
        elif idle_seconds is not None and monotonic() - receiver.last > idle_seconds:
            break
    return None if child is None else _ended(child)


def _started(receiver: Receiver, command: Sequence[str]) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.http_endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    }
    try:
        return subprocess.Popen(command, env=environment, stdout=2)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"cannot run {command[0]!r}: {reason}", code="command") from error


def _ended(child: subprocess.Popen[bytes]) -> int:
    """The exit code of a command, which is ended if it goes on."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
    return child.wait()

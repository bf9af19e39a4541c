"""Processes for functions that compute: started when needed, kept, replaced when they die.

Each worker is a fresh interpreter (no fork of a threaded program) that leads a session of its
own and talks over a socket. It runs one call at a time; cancelling the call kills the worker and
everything it started, and a worker that dies takes only its own call with it. A worker whose
engine is gone ends at once, so no call outlives a crash of the engine.

`concurrent.futures` cannot end a running call and loses every pending one when a worker dies;
`anyio.to_process` uses standard output for its protocol, which any child process of a task
function would write into.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import struct
import sys
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import anyio
import attrs

from weft.connectors.child import Child
from weft.connectors.failure import raised
from weft.schema.errors import InternalError, WorkFailed
from weft.schema.jsonvalue import JsonValue

__all__ = ["Call", "Workers"]

HEADER = struct.Struct("!Q")
"""Before each message: its length in bytes."""
END_SECONDS = 2.0
"""How long an idle worker may take to end by itself."""
START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop());"
    "from weft.connectors.workers import serve; serve()"
)


@attrs.frozen
class Call:
    """What a worker is to call: a function as `lookup.Target` names it, with the work."""

    name: str
    origin: str | None
    work: dict[str, Any]


# ── the engine's side ────────────────────────────────────────────────────────────────────────


class _Worker:
    """One worker process and the socket to it."""

    def __init__(self) -> None:
        self.dead = False
        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(False)
        command = [sys.executable, "-P", *_interpreter_flags(), "-c", START, json.dumps(sys.path)]
        try:
            self.child = Child(command, stdin=theirs.fileno(), on_end=self._close)
        except BaseException:
            self._socket.close()
            raise
        finally:
            theirs.close()

    def _close(self) -> None:
        """End the stream: the worker goes when it hears of it.

        Called also when the process has ended. Its descendants may hold their end of the socket
        open, so waiting for the stream to end would not do.
        """
        self.dead = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    async def ask(self, call: Call) -> tuple[Any, ...]:
        """The answer of the worker.

        Raises:
            ConnectionError: The worker died.
        """
        loop = asyncio.get_running_loop()
        message = json.dumps([call.name, call.origin, call.work]).encode()
        await loop.sock_sendall(self._socket, HEADER.pack(len(message)) + message)
        (length,) = HEADER.unpack(await self._receive(loop, HEADER.size))
        return tuple(json.loads(await self._receive(loop, length)))

    async def _receive(self, loop: asyncio.AbstractEventLoop, length: int) -> bytes:
        parts = bytearray()
        while len(parts) < length:
            if self._socket.fileno() < 0:
                raise ConnectionResetError("the worker was ended")
            part = await loop.sock_recv(self._socket, min(length - len(parts), 1 << 20))
            if not part:
                raise ConnectionResetError("the worker has gone away")
            parts += part
        return bytes(parts)

    async def end(self) -> None:
        """Let an idle worker end by itself."""
        self._close()
        with anyio.move_on_after(END_SECONDS, shield=True):
            await self.child.wait_ended()
        await self.kill()

    async def kill(self) -> None:
        """End the process and all that it started, at once."""
        await self.child.end(grace_seconds=0)
        self._socket.close()


def _interpreter_flags() -> Iterable[str]:
    """The options of this interpreter that decide what a program means.

    ``-I`` and its kin only decide where modules are found, and that is handed over.
    """
    if sys.flags.optimize:
        yield "-" + "O" * sys.flags.optimize
    if sys.flags.dont_write_bytecode:
        yield "-B"
    if sys.flags.utf8_mode:
        yield "-Xutf8"
    for option in sys.warnoptions:
        yield f"-W{option}"


class Workers:
    """At most ``limit`` worker processes; calls beyond wait for one that is free."""

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"there must be at least one worker process, not {limit}")
        self.limit = limit
        self._idle: deque[_Worker] = deque()
        self._all: set[_Worker] = set()
        self._turns: anyio.Semaphore | None = None

    async def run(self, what: str, call: Call) -> JsonValue:
        """The result of a call in a worker; ``what`` names it in messages.

        Raises:
            WorkFailed: The call failed, or its worker died.
        """
        if self._turns is None:
            self._turns = anyio.Semaphore(self.limit)
        async with self._turns:
            worker = self._worker()
            finished = False
            try:
                answer = await worker.ask(call)
                finished = True
            except OSError as error:  # its end of the socket is closed, or ours
                await worker.child.wait_ended()
                raise WorkFailed(
                    f"the worker process of {what} {_how_it_ended(worker.child.exit_code)} "
                    "before it had a result",
                    code="worker-died",
                ) from error
            finally:
                if finished:
                    self._idle.append(worker)
                else:
                    self._all.discard(worker)
                    await worker.kill()
        return _result(answer)

    def _worker(self) -> _Worker:
        while self._idle:
            worker = self._idle.pop()
            if not worker.dead:
                return worker
            self._all.discard(worker)
            worker._socket.close()
        try:
            worker = _Worker()
        except OSError as error:
            raise WorkFailed(
                f"no worker process can be started: {error.strerror}", code="cannot-start"
            ) from error
        self._all.add(worker)
        return worker

    async def aclose(self) -> None:
        """End all workers; those that run a call are killed."""
        idle = set(self._idle)
        self._idle.clear()
        async with anyio.create_task_group() as group:
            for worker in self._all:
                group.start_soon(worker.end if worker in idle else worker.kill)
        self._all.clear()


def _how_it_ended(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"ended with exit code {exit_code}"
    try:
        return f"was ended by {signal.Signals(-exit_code).name}"
    except ValueError:  # a real-time signal
        return f"was ended by signal {-exit_code}"


def _result(answer: tuple[Any, ...]) -> JsonValue:
    match answer:
        case ("result", value):
            return value  # type: ignore[no-any-return]
        case ("failed", message, code, where, retryable, details):
            raise WorkFailed(message, code=code, where=where, retryable=retryable, details=details)
        case _:
            raise InternalError(f"a worker process gave an unknown answer: {answer!r:.200}")


# ── the worker's side ────────────────────────────────────────────────────────────────────────


def serve() -> None:
    """Answer calls until the engine goes away: the main function of a worker process."""
    import threading
    from queue import SimpleQueue

    # standard input is the socket; task functions and their children shall not find it there
    engine = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    messages: SimpleQueue[bytes | None] = SimpleQueue()
    received = answered = 0

    def listen() -> None:
        """Read calls in a thread of its own, to learn of the engine's end during a call too."""
        nonlocal received
        stream = engine.makefile("rb")
        while len(header := stream.read(HEADER.size)) == HEADER.size:
            received += 1
            messages.put(stream.read(HEADER.unpack(header)[0]))
        if received > answered:  # nobody wants the result: end the call and all it has started
            os.killpg(0, signal.SIGKILL)
        messages.put(None)

    threading.Thread(target=listen, name="weft worker", daemon=True).start()
    while (message := messages.get()) is not None:
        answer = json.dumps(_answer(message)).encode()
        for stream in (sys.stdout, sys.stderr):  # the next call may be one that is killed
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        answered += 1
        with suppress(BrokenPipeError):
            engine.sendall(HEADER.pack(len(answer)) + answer)


def _answer(message: bytes) -> tuple[Any, ...]:
    """Do one call."""
    from weft.connectors.python import prepared
    from weft.engine.ports import Work

    name, origin, work = json.loads(message)
    doing = f"loading {name!r}"
    # As for any process: the trace that it works for is in its environment.
    os.environ.pop("TRACEPARENT", None)
    if work.get("traceparent") is not None:
        os.environ["TRACEPARENT"] = work["traceparent"]
    try:
        plan = prepared(name, origin)
        doing = name
        return ("result", plan.call(Work(**work)))
    except WorkFailed as error:
        failed = error
    except BaseException as error:  # noqa: BLE001 - the engine is told; this process lives on
        failed = raised(doing, error)
    details = getattr(failed, "details", None)
    return ("failed", failed.message, failed.code, failed.where, failed.retryable, details)

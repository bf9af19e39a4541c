"""The connector ``shell``: a command of the operating system performs the work.

A command is a list of arguments; a shell reads it only when it is given as ``sh``. Inputs come
in by one rule: an argument, a value of ``env``, ``dir`` or ``stdin`` that is exactly ``${name}``
stands for that input. Nothing is ever pasted into a longer text, so no input can become syntax.
"""

from __future__ import annotations

import codecs
import errno
import json
import logging
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import attrs

from weft.connectors.child import KILL_SECONDS, Child
from weft.connectors.failure import shorten
from weft.connectors.guardian import Guardian
from weft.connectors.options import (
    Kind,
    OptionFault,
    Unfit,
    as_mapping,
    describe,
    did_you_mean,
    duration,
    number,
    option,
    options_schema,
    raise_option_faults,
    read_options,
    text,
    texts,
)
from weft.engine.ports import Performer, Work, Worker
from weft.schema.datatypes import DataType
from weft.schema.errors import DefinitionError, DefinitionErrors, WorkFailed
from weft.schema.jsonvalue import JsonValue

__all__ = ["ShellConnector", "ShellOptions"]

logger = logging.getLogger("weft")

CHUNK_BYTES = 1 << 16
CHUNKS_IN_A_ROW = 16
"""How much is read from one command before others have a turn."""
TAIL_CHARACTERS = 600
"""How much of the output the message of a failure quotes."""


# ── the configuration ────────────────────────────────────────────────────────────────────────


@attrs.frozen
class Reference:
    """Stands for an input; the name ``*`` for all of them, as one JSON object."""

    name: str


Argument = str | Reference

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*|\*)\}")


def _argument(value: str) -> Argument:
    """A literal text or a reference; ``$${`` stands for ``${``."""
    if match := _REFERENCE.fullmatch(value):
        return Reference(match[1])
    if "${" in value.replace("$${", ""):
        advice = (
            "a reference stands alone, as in '${name}'; make longer texts in the task's inputs, "
            "and write '$${' for a literal '${'"
        )
        raise Unfit(((), f"{describe(value)} holds '${{', but {advice}"))
    return value.replace("$${", "${")


def _argument_kind(what: str, *, empty: bool = False) -> Kind[Any]:
    plain = text(what=what, empty=empty)
    return Kind(plain.schema, lambda value: _argument(plain.read(value)))


def _read_environment(value: JsonValue) -> dict[str, Argument | None]:
    if not isinstance(value, dict):
        raise Unfit(((), f"must be a mapping of names to texts, not {describe(value)}"))
    kind = _argument_kind("a text (or null, to take the variable away)", empty=True)
    environment: dict[str, Argument | None] = {}
    faults: list[tuple[tuple[str | int, ...], str]] = []
    for name, element in value.items():
        if not name or "=" in name or "\0" in name:
            faults.append(((name,), f"{name!r} is no name for an environment variable"))
            continue
        try:
            environment[name] = None if element is None else kind.read(element)
        except Unfit as unfit:
            faults += [((name, *path), message) for path, message in unfit.faults]
    if faults:
        raise Unfit(*faults)
    return environment


def _read_expected(value: JsonValue) -> frozenset[int] | None:
    if value == "any":
        return None
    codes = value if isinstance(value, list) else []
    if not codes or not all(type(code) is int and -64 <= code <= 255 for code in codes):
        raise Unfit(
            ((), f"must be a list of exit codes, such as [0, 1], or any; not {describe(value)}")
        )
    return frozenset(code for code in codes if isinstance(code, int))


_ARGUMENT = _argument_kind("a text")
_TEXT = _argument_kind("a text", empty=True)
_EXPECTED: Kind[Any] = Kind(
    {
        "anyOf": [
            {"const": "any"},
            {
                "type": "array",
                "minItems": 1,
                "items": {"type": "integer", "minimum": -64, "maximum": 255},
            },
        ]
    },
    _read_expected,
)
_ENVIRONMENT: Kind[Any] = Kind(
    {"type": "object", "additionalProperties": {"type": ["string", "null"]}}, _read_environment
)
_RUN: Kind[Any] = texts(
    what="a list of texts: the program and its arguments",
    item=_TEXT,
)


@attrs.frozen(kw_only=True)
class ShellOptions:
    """The configuration of a task that a command performs: ``run`` or ``sh``, and the rest."""

    run: tuple[Argument, ...] = attrs.field(
        default=(), metadata=option(_RUN, "The program and its arguments.")
    )
    sh: str | None = attrs.field(
        default=None, metadata=option(text(), "A command line for /bin/sh, instead of run.")
    )
    env: Mapping[str, Argument | None] = attrs.field(
        factory=dict,
        metadata=option(_ENVIRONMENT, "Environment variables to set, or (null) to take away."),
    )
    dir: Argument | None = attrs.field(
        default=None,
        metadata=option(_ARGUMENT, "The working directory; that of the engine if absent."),
    )
    stdin: Argument | None = attrs.field(
        default=None,
        metadata=option(_TEXT, "What the command reads from its standard input; else nothing."),
    )
    expect: frozenset[int] | None = attrs.field(
        default=frozenset({0}),
        metadata=option(_EXPECTED, "The exit codes that are no failure: a list, or any."),
    )
    capture: int = attrs.field(
        default=1 << 16,
        metadata=option(
            number(least=0, most=1 << 24),
            "How many bytes of each output stream are kept: its beginning and its end.",
        ),
    )
    grace: float = attrs.field(
        default=5.0,
        metadata=option(
            duration(most_seconds=3600),
            "How long the command may take to end when it is asked to.",
        ),
    )

    def arguments(self) -> tuple[Argument, ...]:
        """What is executed."""
        return self.run if self.sh is None else ("/bin/sh", "-c", self.sh)

    def title(self) -> str:
        """The command as a person would type it, references unfilled."""
        if self.sh is not None:
            return shorten(self.sh, 200)
        words = (w if isinstance(w, str) else f"${{{w.name}}}" for w in self.run)
        return shorten(" ".join(w if w.startswith("${") else shlex.quote(w) for w in words), 200)

    def references(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Where inputs are referred to: (path in the configuration, name of the input)."""
        named: list[tuple[tuple[str | int, ...], Argument | None]] = [
            *((("run", i), argument) for i, argument in enumerate(self.run)),
            *((("env", name), argument) for name, argument in self.env.items()),
            (("dir",), self.dir),
            (("stdin",), self.stdin),
        ]
        for path, argument in named:
            if isinstance(argument, Reference):
                yield path, argument.name


def read_shell_options(config: JsonValue, *, what: str) -> ShellOptions:
    """The configuration, from its short form (a list) or its long one (a mapping).

    Raises:
        DefinitionErrors: With every fault.
    """
    if isinstance(config, str):
        line = json.dumps(config, ensure_ascii=False)
        try:
            words = ", ".join(shlex.split(config))
        except ValueError:  # quotes that do not match
            words = "program, argument"
        raise_option_faults(
            [
                OptionFault(
                    f"must be a list of arguments, as in [{words}]; a line for a shell has to be "
                    f"asked for: {{sh: {line}}}",
                    what=what,
                )
            ],
            what=what,
        )
    if isinstance(config, list):
        config = {"run": config}
    wanted = "must be a list of arguments, or a mapping with 'run' or 'sh'"
    config = as_mapping(config, wanted=wanted, what=what)
    faults: list[DefinitionError] = []
    if ("run" in config) == ("sh" in config):
        faults.append(
            OptionFault("needs one of 'run' (a list) and 'sh' (a line for a shell)", what=what)
        )
    options = None
    try:
        options = read_options(ShellOptions, config, what=what)
    except DefinitionErrors as error:
        faults += [fault for fault in error.exceptions if isinstance(fault, DefinitionError)]
    raise_option_faults(faults, what=what)
    assert options is not None
    return options


# ── output ───────────────────────────────────────────────────────────────────────────────────


class Kept:
    """The beginning and the end of a stream of bytes of any length, in bounded memory."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_tail = limit_bytes // 2
        self._limit_head = limit_bytes - self._limit_tail
        self._head = bytearray()
        self._tail = bytearray()
        self.total_bytes = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self.total_bytes += len(chunk)
        room = self._limit_head - len(self._head)
        if room > 0:
            self._head += chunk[:room]
            chunk = chunk[room:]
        if len(chunk) >= self._limit_tail:
            self._tail[:] = chunk[len(chunk) - self._limit_tail :]
        elif chunk:
            self._tail += chunk
            if len(self._tail) > self._limit_tail + CHUNK_BYTES:
                del self._tail[: len(self._tail) - self._limit_tail]

    @property
    def truncated(self) -> bool:
        """Whether something was left out."""
        return self.total_bytes > self._limit_head + self._limit_tail

    def text(self) -> str:
        """What was kept, as text: UTF-8, with U+FFFD for what is none."""
        if not self.truncated:
            return (self._head + self._tail).decode("utf-8", "replace")
        # the cuts may fall within a character: its parts are left out, not shown as broken
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        head = decoder.decode(bytes(self._head))
        tail = self._tail[len(self._tail) - self._limit_tail :]
        first = next(
            (i for i, byte in enumerate(tail[:3]) if byte & 0xC0 != 0x80), min(3, len(tail))
        )
        left_out = self.total_bytes - len(self._head) - len(tail)
        return f"{head}\n… {left_out} bytes left out …\n{tail[first:].decode('utf-8', 'replace')}"


async def _drain(pipe: int, kept: Kept) -> None:
    """Read a pipe to its end."""
    while True:
        await anyio.wait_readable(pipe)
        if _read_some(pipe, kept, CHUNKS_IN_A_ROW):
            return


def _read_some(pipe: int, kept: Kept, chunks: int) -> bool:
    """Read what is there, at most so many chunks; True at the end of the pipe."""
    for _ in range(chunks):
        try:
            chunk = os.read(pipe, CHUNK_BYTES)
        except BlockingIOError:
            return False
        if not chunk:
            return True
        kept.feed(chunk)
    return False


async def _feed(pipe: Any, data: bytes) -> None:
    """Write ``data`` to a pipe and close it; a reader that has gone away is no fault."""
    view = memoryview(data)
    try:
        while view:
            await anyio.wait_writable(pipe.fileno())
            with suppress(BlockingIOError):
                view = view[os.write(pipe.fileno(), view[:CHUNK_BYTES]) :]
    except BrokenPipeError:
        pass
    finally:
        pipe.close()


# ── running ──────────────────────────────────────────────────────────────────────────────────


def _as_text(value: JsonValue) -> str:
    """A text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _fill(argument: Argument, work: Work, where: str) -> str:
    if isinstance(argument, str):
        return argument
    if argument.name == "*":
        return json.dumps(dict(work.inputs), ensure_ascii=False)
    if argument.name not in work.inputs:
        raise WorkFailed(
            f"{where} refers to the input {argument.name!r}, but the inputs are "
            f"{', '.join(work.inputs) or 'none'}",
            code="input-type",
            retryable=False,
        )
    filled = _as_text(work.inputs[argument.name])
    if "\0" in filled and where != "stdin":
        raise WorkFailed(
            f"{where}: the input {argument.name!r} holds a NUL character, "
            "which no argument can hold",
            code="input-type",
            retryable=False,
        )
    return filled


def _environment(options: ShellOptions, work: Work) -> dict[str, str]:
    environment = dict(os.environ)
    for name, argument in options.env.items():
        if argument is None:
            environment.pop(name, None)
        else:
            environment[name] = _fill(argument, work, f"env.{name}")
    environment.update(
        WEFT_CASE=work.case,
        WEFT_TASK=work.task,
        WEFT_ITEM=work.item,
        WEFT_ATTEMPT=str(work.attempt),
        WEFT_IDEMPOTENCY_KEY=work.idempotency_key,
    )
    if work.traceparent is not None:
        environment["TRACEPARENT"] = work.traceparent
    return environment


_CANNOT_START = {
    errno.EACCES: ("not-permitted", "may not be executed"),
    errno.EPERM: ("not-permitted", "may not be executed"),
    errno.ENOEXEC: ("not-executable", "is not in a format that can be executed"),
    errno.E2BIG: ("arguments-too-long", "has more arguments and environment than a process takes"),
}


def _cannot_start(error: OSError, program: str, directory: str | None) -> WorkFailed:
    """Why a command could not be started, told by its errno."""
    if directory is not None and not Path(directory).is_dir():
        return WorkFailed(
            f"the working directory {directory!r} is no folder",
            code="no-directory",
            retryable=False,
        )
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        sought = "no such file" if "/" in program else "not found in the folders of PATH"
        return WorkFailed(f"program {program!r}: {sought}", code="not-found", retryable=False)
    if error.errno in _CANNOT_START:
        code, meaning = _CANNOT_START[error.errno]
        return WorkFailed(f"program {program!r} {meaning}", code=code, retryable=False)
    # too many processes or open files, no memory: that may pass
    return WorkFailed(f"program {program!r}: {error.strerror}", code="cannot-start")


async def run_command(
    options: ShellOptions, work: Work, guardian: Guardian | None = None
) -> dict[str, JsonValue]:
    """Run the command to its end, and everything that it started; give its result.

    Raises:
        WorkFailed: It could not be started, or its exit code is not an expected one.
    """
    arguments = [
        _fill(argument, work, f"run.{index}") for index, argument in enumerate(options.arguments())
    ]
    directory = None if options.dir is None else _fill(options.dir, work, "dir")
    stdin = None if options.stdin is None else _fill(options.stdin, work, "stdin")
    try:
        child = Child(
            arguments,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            directory=directory,
            environment=_environment(options, work),
        )
    except OSError as error:
        raise _cannot_start(error, arguments[0], directory) from error

    if guardian is not None:
        guardian.watch(child.pid)
    assert child.stdout is not None
    assert child.stderr is not None
    outputs = {child.stdout: Kept(options.capture), child.stderr: Kept(options.capture)}
    for pipe in outputs:
        os.set_blocking(pipe.fileno(), False)
    try:
        try:
            async with anyio.create_task_group() as streams:
                for pipe, kept in outputs.items():
                    streams.start_soon(_drain, pipe.fileno(), kept)
                if stdin is not None and child.stdin is not None:
                    os.set_blocking(child.stdin.fileno(), False)
                    data = stdin.encode("utf-8", "surrogateescape")
                    streams.start_soon(_feed, child.stdin, data)
                await child.wait_ended()
                # what it left running may still write its last words, but not for ever
                streams.cancel_scope.deadline = anyio.current_time() + options.grace
        finally:
            ended = await child.end(grace_seconds=options.grace)
            if guardian is not None:
                guardian.forget(child.pid)
            if not ended:
                logger.warning(
                    "case %s: attempt %d at work item %s: the processes of group %d do not end, "
                    "even when they are killed (stuck in the kernel, or another user's)",
                    *(work.case, work.attempt, work.item, child.pid),
                )
        for pipe, kept in outputs.items():
            _read_some(pipe.fileno(), kept, CHUNKS_IN_A_ROW)
    finally:
        for pipe in outputs:
            pipe.close()
        if child.stdin is not None:
            child.stdin.close()
    exit_code = child.exit_code
    assert exit_code is not None
    stdout, stderr = outputs.values()
    result: dict[str, JsonValue] = {
        "exit_code": exit_code,
        "stdout": stdout.text(),
        "stderr": stderr.text(),
        "truncated": stdout.truncated or stderr.truncated,
    }
    if options.expect is not None and exit_code not in options.expect:
        raise _unexpected_exit(options, result, exit_code)
    return result


def _unexpected_exit(
    options: ShellOptions, result: dict[str, JsonValue], exit_code: int
) -> WorkFailed:
    if exit_code < 0:
        try:
            ended = f"was ended by {signal.Signals(-exit_code).name}"
        except ValueError:  # a real-time signal
            ended = f"was ended by signal {-exit_code}"
    else:
        ended = f"ended with exit code {exit_code}"
    accepted = ", ".join(map(str, sorted(options.expect or ())))
    message = f"command {options.title()!r} {ended} (expected: {accepted})"
    last = (str(result["stderr"]).strip() or str(result["stdout"]).strip())[-TAIL_CHARACTERS:]
    if last:
        message = f"{message}; its last output:\n{last}"
    return WorkFailed(message, code="exit-code", details=result)


class ShellConnector:
    """Commands of the operating system, each in a session of its own.

    Args:
        limit: How many commands may run at once; further ones wait for their turn.
    """

    kind = "shell"
    automatic = True

    def __init__(self, *, limit: int | None = None) -> None:
        self._limit = limit or max(32, 4 * (os.cpu_count() or 1))
        self._turns: anyio.Semaphore | None = None
        self._guardian = Guardian()

    def bind(
        self,
        task: str,
        config: JsonValue,
        *,
        origin: Path | None,
        inputs: Collection[str] | None = None,
    ) -> Performer:
        """Check the configuration of a task, and its references when ``inputs`` are known."""
        del origin  # commands run in the engine's working directory, wherever the file is
        what = f"task {task!r}, shell"
        options = read_shell_options(config, what=what)
        if inputs is not None:
            raise_option_faults(
                [
                    OptionFault(
                        f"there is no input {name!r}{did_you_mean(name, inputs)}; inputs of the "
                        f"task: {', '.join(inputs) or 'none'}",
                        what=what,
                        path=path,
                    )
                    for path, name in options.references()
                    if name != "*" and name not in inputs
                ],
                what=what,
            )

        async def perform(work: Work) -> dict[str, JsonValue]:
            if self._turns is None:
                self._turns = anyio.Semaphore(self._limit)
            async with self._turns:
                return await run_command(options, work, self._guardian)

        return Performer(Worker.ASYNC, perform, stop_seconds=options.grace + 2 * KILL_SECONDS)

    def result_type(self, config: JsonValue) -> DataType:
        """``exit_code``, ``stdout``, ``stderr`` and ``truncated``."""
        del config
        return DataType(
            "object",
            fields={
                "exit_code": DataType("integer"),
                "stdout": DataType("string"),
                "stderr": DataType("string"),
                "truncated": DataType("boolean"),
            },
        )

    def json_schema(self) -> dict[str, JsonValue]:
        """The JSON Schema of what may stand at ``shell:``."""
        long_form = options_schema(ShellOptions)
        long_form["oneOf"] = [{"required": ["run"]}, {"required": ["sh"]}]
        return {"anyOf": [dict(_RUN.schema), long_form]}

    async def aclose(self) -> None:
        """End the watcher; each command ends with its attempt."""
        self._guardian.close()

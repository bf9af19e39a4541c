"""What a command answers: lines for people or one JSON object for programs, and an exit code.

Everything that a command writes goes through a `Screen`. Answers go to standard output and
diagnostics to standard error; with ``--json`` standard output holds one object and nothing else.
A reader that goes away early (``weft history CASE | head``) is no error: the command carries on
in silence. Texts of strangers cannot steer the terminal: control characters are shown escaped.
"""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, TextIO

import click

from weft.schema.errors import (
    CommandRejected,
    DefinitionError,
    JournalError,
    UsageError,
    WeftError,
    WorkFailed,
)

__all__ = [
    "Exit",
    "Screen",
    "clock_time",
    "compact",
    "duration",
    "error_object",
    "exit_of_error",
    "local_time",
    "prepare_streams",
    "table",
    "timestamp",
    "visible",
]


class Exit(IntEnum):
    """The exit codes of `weft`, a public promise."""

    DONE = 0
    """Done as asked."""
    NO = 1
    """The answer is no: failed, cancelled, deadlocked, unsound, not intact."""
    USAGE = 2
    """A usage or definition error."""
    WAITS = 3
    """The case is idle or suspended: it waits for somebody."""
    UNDECIDED = 4
    """Undecided within the bound."""
    OPERATOR = 5
    """The operator must act: store, disk, permissions, network."""
    REJECTED = 6
    """The command does not fit the state of the case or item."""
    INTERNAL = 70
    """Our fault."""
    INTERRUPTED = 130
    """Interrupted; the state is kept."""


def exit_of_error(error: BaseException) -> Exit:
    """The exit code that an error means."""
    match error:
        case DefinitionError() | UsageError() | click.UsageError():
            return Exit.USAGE
        case CommandRejected():
            return Exit.REJECTED
        case WorkFailed():
            return Exit.NO
        case JournalError() | OSError() | click.ClickException():
            return Exit.OPERATOR
        case KeyboardInterrupt() | click.Abort():
            return Exit.INTERRUPTED
        case _:
            return Exit.INTERNAL


def error_object(error: BaseException) -> dict[str, Any]:
    """The ``error`` of a JSON answer: class, code, message, where."""
    match error:
        case WeftError():
            return error.as_json()
        case click.ClickException():
            usage = isinstance(error, click.UsageError)
            context = error.ctx if isinstance(error, click.UsageError) else None
            return {
                "class": "UsageError" if usage else "JournalError",
                "code": "usage" if usage else "io",
                "message": error.format_message(),
                "where": None if context is None else context.command_path,
            }
        case KeyboardInterrupt() | click.Abort():
            return {
                "class": "Interrupted",
                "code": "interrupted",
                "message": "interrupted; the state is kept",
                "where": None,
            }
        case OSError():
            return {
                "class": "JournalError",
                "code": "io",
                "message": error.strerror or str(error),
                "where": None if error.filename is None else str(error.filename),
            }
        case _:
            return {
                "class": "InternalError",
                "code": "internal",
                "message": f"{type(error).__name__}: {error}",
                "where": None,
            }


# ── streams ──────────────────────────────────────────────────────────────────────────────────


def prepare_streams() -> None:
    """Let standard output and error take any text, whatever their encoding: escaped, at worst."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


_apart: TextIO | None = None
"""Where answers go when standard output was given to others."""


def keep_answers_apart() -> None:
    """Let nothing but answers reach standard output, whatever task functions print.

    The process's standard output becomes its standard error, also for threads, processes and C
    code; answers go to what it was before.
    """
    global _apart  # noqa: PLW0603  # there is one standard output, and it is given away once
    if _apart is None:
        sys.stdout.flush()
        _apart = os.fdopen(os.dup(1), "w", encoding=sys.stdout.encoding, errors="backslashreplace")
        os.dup2(2, 1)


_VISIBLE = {
    code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"
}


def visible(text: str) -> str:
    """A text without what would steer a terminal: its control characters are shown escaped."""
    return text.translate(_VISIBLE)


class Screen:
    """Where the answer and the diagnostics of one command go.

    Args:
        json: Answer with one JSON object instead of lines.
    """

    def __init__(self, *, json: bool = False) -> None:
        self.json = json

    def say(self, *lines: str) -> None:
        """Lines of the answer for people; nothing with ``--json``."""
        if lines and not self.json:
            self._write(sys.stdout, "\n".join(lines))

    def warn(self, *lines: str) -> None:
        """Diagnostics, on standard error."""
        self._write(sys.stderr, "\n".join(lines))

    def answer(self, object: Mapping[str, Any]) -> None:
        """The answer for programs; nothing without ``--json``."""
        if self.json:
            stream = _apart or sys.stdout
            encoding = getattr(stream, "encoding", None) or "ascii"
            plain = encoding.lower().replace("_", "-") not in ("utf-8", "utf8")
            self._write(stream, json.dumps(object, ensure_ascii=plain))

    def fail(self, error: BaseException, message: str) -> None:
        """An error: its object with ``--json``, and in words on standard error."""
        self.answer({"error": error_object(error)})
        if not self.json:
            self.warn(message)

    def _write(self, stream: TextIO, text: str) -> None:
        try:
            stream.write(visible(text) + "\n")
            stream.flush()
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):  # a pipe or terminal that has gone
                raise
            _silence(stream)


def _silence(stream: TextIO) -> None:
    """Send the rest of a stream whose reader has gone away to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    finally:
        os.close(nowhere)


# ── texts ────────────────────────────────────────────────────────────────────────────────────


def compact(value: Any, width: int = 80) -> str:
    """A JSON value on one line, cut at ``width`` characters."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= width else text[: width - 1] + "…"


def timestamp(microseconds: int) -> str:
    """A time for programs: ISO 8601 in UTC, with microseconds."""
    return _moment(microseconds).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def local_time(microseconds: int) -> str:
    """A time for people: local, to the second."""
    return _moment(microseconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def clock_time(microseconds: int) -> str:
    """A time of day for people: local, to the millisecond."""
    return _moment(microseconds).astimezone().strftime("%H:%M:%S.%f")[:-3]


def _moment(microseconds: int) -> datetime:
    seconds, rest = divmod(microseconds, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)


def duration(seconds: float) -> str:
    """A length of time for people: ``6 ms``, ``1.42 s``, ``12.3 s``, ``2 min 5 s``, ``3 h 20 min``."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of aligned columns; the last column is as wide as it is."""
    cells = [list(headings), *([*row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headings) - 1)]
    return [
        "  ".join(
            [cell.ljust(width) for cell, width in zip(row, widths, strict=False)] + row[-1:]
        ).rstrip()
        for row in cells
    ]

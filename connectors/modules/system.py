"""What a workflow says and waits for: messages, pauses, notices, handled errors."""

from __future__ import annotations

import json
import logging
from typing import Any, Final, Literal

import anyio
import attrs

from weft.connectors.actions import Context, action
from weft.schema.errors import WorkFailed

__all__ = ["handle_error", "log", "notify_completion", "wait"]

MAX_WAIT_SECONDS: Final = 86_400.0
"""The longest pause; what waits longer is work for a person, or a schedule."""

Level = Literal["debug", "info", "warn", "warning", "error"]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@attrs.frozen
class Logged:
    """A message that was logged."""

    message: str
    level: str


@action("log")
def log(context: Context, message: Any, level: Level = "info") -> Logged:
    """Log a message: under ``weft.actions.system``, and in the journal as the output."""
    name = "warning" if level == "warn" else level
    text = _text(message)
    context.logger.log(logging.getLevelNamesMapping()[name.upper()], "%s", text)
    return Logged(text, name)


@attrs.frozen
class Waited:
    """A pause that is over."""

    seconds: float


@action("wait")
async def wait(seconds: float) -> Waited:
    """Do nothing for so many seconds. An engine that stops meanwhile begins the pause anew."""
    if not 0 <= seconds <= MAX_WAIT_SECONDS:
        raise WorkFailed(
            f"cannot wait {seconds:g} s: expected 0 to {MAX_WAIT_SECONDS:g}",
            code="input-type",
            retryable=False,
        )
    await anyio.sleep(seconds)
    return Waited(seconds)


@attrs.frozen
class Notified:
    """Somebody was told."""

    notified: bool
    message: str


@action("notify-completion")
def notify_completion(
    context: Context,
    status: str = "completed",
    execution_id: str | None = None,
    duration: float | None = None,
    message: str | None = None,
) -> Notified:
    """Log that a workflow has come to its end, and how."""
    name = execution_id or context.work.case
    took = "" if duration is None else f" after {duration:.1f} s"
    text = message or f"workflow {name}: {status}{took}"
    level = logging.INFO if status in ("completed", "running") else logging.WARNING
    context.logger.log(level, "%s", text)
    return Notified(notified=True, message=text)


@attrs.frozen
class Handled:
    """An error that was told."""

    handled: bool
    message: str


@action("handle-error")
def handle_error(
    context: Context, error: Any = None, step: str | None = None, state: Any = None
) -> Handled:
    """Log an error, and where it happened; the case goes on after that, and keeps the error."""
    del state  # it is among the work item's inputs, for whoever reads the journal
    told = error.get("message") if isinstance(error, dict) else error
    text = _text(told) if told is not None else "there was no error"
    text = f"step {step}: {text}" if step else text
    context.logger.error("%s", text)
    return Handled(handled=True, message=text)

"""Attempts at work items: what runs, what waits to run, and how it is stopped.

Every attempt has a cancel scope of its own in the engine's nursery. When an event cancels the
item (or the case ends), that scope is cancelled and with it all that the attempt has started.

Nothing can make a coroutine end that does not want to: it may swallow its cancellation. So it
runs in a task of its own beside the one in the nursery, which asks it to stop, waits for as long
as its performer says (`Performer.stop_seconds`), asks once more, and then abandons it: nobody
waits for it any more, and what it answers later is heard by nobody.
"""

from __future__ import annotations

import asyncio
import logging
import random
from asyncio import CancelledError
from collections import OrderedDict
from contextlib import nullcontext, suppress
from typing import Any, Generic, TypeVar

import anyio
import msgspec

from weft.engine.ports import Performer, Work, Worker
from weft.schema.errors import WorkFailed

__all__ = ["Attempt", "Outcome", "Queue", "describe", "failure", "perform", "perform_inline"]

logger = logging.getLogger("weft")

LAST_SECONDS = 1.0
"""How long an attempt may take to end after it was asked for the second time."""

MESSAGE_LENGTH = 10_000
"""What an exception says is kept up to so many characters."""


class Attempt(msgspec.Struct, eq=False):
    """One attempt at an item: bound to what performs it, waiting or running.

    ``running`` is true from the start of the work until its outcome is durable. ``stopped`` says
    that nobody wants the outcome any more, ``left`` what goes on although the attempt was stopped,
    and why.
    """

    work: Work
    performer: Performer
    running: bool = False
    stopped: bool = False
    stopping: bool = False
    left: str = ""
    scope: anyio.CancelScope | None = None
    """What it runs in, once it does; code that does not wait runs in none."""

    def stop(self) -> None:
        """Nobody wants the outcome any more."""
        self.stopped = True
        self.work.token.cancel("it is not wanted any more")
        if self.scope is not None:
            self.scope.cancel()


class Outcome(msgspec.Struct, frozen=True):
    """How an attempt ended: a result, or an error and whether another attempt can help."""

    result: Any = None
    error: dict[str, Any] | None = None
    retryable: bool = True


Owner = TypeVar("Owner")


class Queue(Generic[Owner]):
    """Attempts that wait for their turn, with the case that each is for.

    First come first served, or drawn by a seed.
    """

    def __init__(self, draw: random.Random | None = None) -> None:
        self._waiting: OrderedDict[Attempt, Owner] = OrderedDict()
        self._draw = draw

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, owner: Owner, attempt: Attempt) -> None:
        """Add an attempt."""
        self._waiting[attempt] = owner

    def take(self) -> tuple[Owner, Attempt]:
        """The next attempt: the oldest, or one drawn at random."""
        if self._draw is not None and len(self._waiting) > 1:
            attempt = list(self._waiting)[self._draw.randrange(len(self._waiting))]
            return self._waiting.pop(attempt), attempt
        attempt, owner = self._waiting.popitem(last=False)
        return owner, attempt

    def remove(self, attempt: Attempt) -> None:
        """Forget an attempt that was cancelled before its turn."""
        self._waiting.pop(attempt, None)


def describe(error: BaseException) -> dict[str, Any]:
    """An exception as the error of a work item: class, code, message, and what else it tells."""
    if isinstance(error, WorkFailed):
        return {**error.as_json(), **getattr(error, "details", {})}
    name = type(error).__name__
    try:
        message = str(error)[:MESSAGE_LENGTH] or name
    except Exception:  # noqa: BLE001  # its __str__ is the task's code, too
        message = f"{name}, which cannot say more"
    return {"class": name, "code": "raised", "message": message, "where": None}


def failure(error: BaseException) -> Outcome:
    """The outcome that an exception of a task is."""
    return Outcome(error=describe(error), retryable=getattr(error, "retryable", True) is not False)


def perform_inline(attempt: Attempt) -> Outcome:
    """Run an inline attempt to its end, on this thread."""
    try:
        return Outcome(result=attempt.performer.call(attempt.work))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # what a task raises is its item's failure
        # SystemExit and CancelledError, too: nobody can cancel code that does not wait.
        return failure(error)


async def perform(attempt: Attempt) -> Outcome | None:
    """Run an attempt to its end; None when it was cancelled.

    An attempt that takes longer than its timeout fails with the code ``timeout``.
    """
    if attempt.stopped:
        return None
    if attempt.performer.worker is Worker.INLINE:
        return perform_inline(attempt)
    timeout = attempt.work.timeout_seconds
    task = asyncio.create_task(_awaited(attempt))
    attempt.scope = scope = anyio.CancelScope()
    try:
        with scope, nullcontext() if timeout is None else anyio.move_on_after(timeout):
            await asyncio.wait((task,))
    finally:
        # Also when the engine itself is cancelled: then the cancellation goes on afterwards.
        if not task.done():
            with anyio.CancelScope(shield=True):
                await _stop(attempt, task)
    if scope.cancel_called:
        if attempt.left:
            logger.warning("%s was cancelled, but %s", _named(attempt), attempt.left)
        return None
    if task.done() and not task.cancelled():
        return task.result()
    message = f"attempt {attempt.work.attempt} did not end within {timeout:g} s"
    if attempt.left:
        message = f"{message}; {attempt.left}"
    return Outcome(
        error={"class": "WorkFailed", "code": "timeout", "message": message, "where": None}
    )


async def _awaited(attempt: Attempt) -> Outcome:
    """Run an asynchronous attempt to its end."""
    try:
        return Outcome(result=await attempt.performer.call(attempt.work))
    except CancelledError as error:
        if attempt.stopping:
            attempt.left = getattr(error, "left", "")
            raise  # the timeout, the item or the engine
        return failure(error)  # of something that the task was waiting for
    except (Exception, SystemExit) as error:  # noqa: BLE001  # what a task raises is its failure
        return failure(error)


async def _stop(attempt: Attempt, task: asyncio.Task[Outcome]) -> None:
    """Ask an attempt to end, twice; one that does not is abandoned."""
    attempt.stopping = True
    attempt.work.token.cancel("it took too long, or is not wanted any more")
    for seconds in (attempt.performer.stop_seconds, LAST_SECONDS):
        task.cancel()
        await asyncio.wait((task,), timeout=seconds)
        if task.done():
            return
    attempt.left = "it does not let itself be stopped: it is abandoned, and may still run"
    task.add_done_callback(_unheard)
    # The event loop waits for all its tasks when it is closed, and this one may never end.
    with suppress(Exception):
        asyncio.tasks._unregister_task(task)  # asyncio documents it, for loops that own tasks
        task._log_destroy_pending = False  # type: ignore[attr-defined]
    if not attempt.stopped and attempt.work.timeout_seconds is None:
        logger.warning("%s: %s", _named(attempt), attempt.left)  # the engine is closing


def _unheard(task: asyncio.Task[Outcome]) -> None:
    """Nobody hears the outcome of an abandoned attempt."""
    if not task.cancelled():
        task.exception()


def _named(attempt: Attempt) -> str:
    work = attempt.work
    return f"case {work.case}: attempt {work.attempt} at work item {work.item}"

"""Attempts at work items: what runs, what waits to run, and how it is stopped.

Every attempt has a cancel scope of its own in the engine's nursery. When an event cancels the
item (or the case stops), that scope is cancelled and with it all that the attempt has started.
"""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING, Any

import anyio
import attrs

from weft.engine.ports import CaseId, ItemId, Performer, Work, Worker
from weft.schema.errors import WorkFailed

if TYPE_CHECKING:
    from weft.engine.runtime.live import LiveCase

__all__ = ["Attempt", "Outcome", "Queue", "perform"]


@attrs.define(eq=False)
class Attempt:
    """One attempt at an item: bound to what performs it, waiting or running."""

    live: LiveCase
    work: Work
    performer: Performer
    scope: anyio.CancelScope = attrs.field(factory=anyio.CancelScope)

    @property
    def key(self) -> tuple[CaseId, ItemId]:
        """The case and the item."""
        return self.work.case, self.work.item


@attrs.frozen
class Outcome:
    """How an attempt ended: a result, or an error and whether another attempt can help."""

    result: Any = None
    error: dict[str, Any] | None = None
    retryable: bool = True


class Queue:
    """Attempts that wait for their turn: first come first served, or drawn by a seed."""

    def __init__(self, draw: random.Random | None = None) -> None:
        self._waiting: deque[Attempt] = deque()
        self._draw = draw

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, attempt: Attempt) -> None:
        """Add an attempt."""
        self._waiting.append(attempt)

    def take(self) -> Attempt:
        """The next attempt: the oldest, or one drawn at random."""
        if self._draw is not None and len(self._waiting) > 1:
            self._waiting.rotate(-self._draw.randrange(len(self._waiting)))
        return self._waiting.popleft()

    def remove(self, attempt: Attempt) -> None:
        """Forget an attempt that was cancelled before its turn."""
        if attempt in self._waiting:
            self._waiting.remove(attempt)


def describe(error: BaseException) -> dict[str, Any]:
    """An exception as the error of a work item: class, code, message, and what else it tells."""
    if isinstance(error, WorkFailed):
        return {**error.as_json(), **getattr(error, "details", {})}
    return {
        "class": type(error).__name__,
        "code": "raised",
        "message": str(error) or type(error).__name__,
        "where": None,
    }


def perform_inline(attempt: Attempt) -> Outcome:
    """Run an inline attempt to its end, on this thread."""
    try:
        return Outcome(result=attempt.performer.call(attempt.work))
    except WorkFailed as error:
        return Outcome(error=describe(error), retryable=error.retryable)
    except Exception as error:  # noqa: BLE001  # what a task raises is its item's failure
        return Outcome(error=describe(error))


async def perform(attempt: Attempt) -> Outcome | None:
    """Run an attempt to its end; None when it was cancelled.

    An attempt that takes longer than its timeout fails with the code ``timeout``.
    """
    outcome: Outcome | None = None
    with attempt.scope:
        timeout = attempt.work.timeout_seconds
        with anyio.move_on_after(timeout) as limit:
            if attempt.performer.worker is Worker.INLINE:
                outcome = perform_inline(attempt)
            else:
                try:
                    outcome = Outcome(result=await attempt.performer.call(attempt.work))
                except WorkFailed as error:
                    outcome = Outcome(error=describe(error), retryable=error.retryable)
                except Exception as error:  # noqa: BLE001  # as above
                    outcome = Outcome(error=describe(error))
        if limit.cancelled_caught and outcome is None:
            message = f"attempt {attempt.work.attempt} did not end within {timeout:g} s"
            outcome = Outcome(
                error={"class": "WorkFailed", "code": "timeout", "message": message, "where": None}
            )
    return outcome

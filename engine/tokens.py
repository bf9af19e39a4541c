"""Cancellation tokens: how code that nobody can stop learns that it should.

A coroutine is cancelled where it waits, a process is killed; a function in a thread can only be
asked. It looks at its token now and then, or sleeps on it. Tokens form a tree: cancelling one
cancels all below it, and none above. They may be used from any thread.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable

from weft.schema.errors import WorkFailed

__all__ = ["CancelToken"]

logger = logging.getLogger("weft")

_lock = threading.Lock()


class CancelToken:
    """Says whether its work is wanted any more."""

    __slots__ = ("__weakref__", "_above", "_asked", "_below", "_callbacks", "_reason")

    def __init__(self) -> None:
        self._above: CancelToken | None = None  # keeps those above alive, not those below
        self._reason: str | None = None
        self._asked: threading.Event | None = None
        self._below: weakref.WeakSet[CancelToken] | None = None
        self._callbacks: list[Callable[[str], None]] = []

    def __repr__(self) -> str:
        return f"<CancelToken {'live' if self._reason is None else f'cancelled: {self._reason}'}>"

    def child(self) -> CancelToken:
        """A token that is cancelled with this one, and may be cancelled alone.

        It is told as long as somebody holds it: tokens of work that is over are not kept.
        """
        token = CancelToken()
        with _lock:
            token._above, token._reason = self, self._reason
            if self._reason is None:
                if self._below is None:
                    self._below = weakref.WeakSet()
                self._below.add(token)
        return token

    @property
    def cancelled(self) -> bool:
        """Whether the work should end."""
        return self._reason is not None

    @property
    def reason(self) -> str | None:
        """Why it should; None while it should not."""
        return self._reason

    def cancel(self, reason: str = "cancelled") -> None:
        """Cancel this token and all below it; the first reason stays."""
        told: list[tuple[Callable[[str], None], str]] = []
        with _lock:
            rest = [self]
            while rest:
                token = rest.pop()
                if token._reason is not None:
                    continue
                token._reason = reason
                told += [(callback, reason) for callback in token._callbacks]
                token._callbacks = []
                rest += token._below or ()
                token._below = None
                if token._asked is not None:
                    token._asked.set()
        for callback, why in told:
            try:
                callback(why)
            except Exception:
                logger.exception("a callback of a cancellation failed")

    def on_cancel(self, callback: Callable[[str], None]) -> None:
        """Have a function called with the reason, once, on the thread that cancels.

        At once, if that has happened.
        """
        with _lock:
            if self._reason is None:
                self._callbacks.append(callback)
                return
        callback(self._reason)

    def wait(self, seconds: float | None = None) -> bool:
        """Sleep until the token is cancelled, or so long; whether it is. For threads only."""
        with _lock:
            if self._reason is not None:
                return True
            if self._asked is None:
                self._asked = threading.Event()
            asked = self._asked
        return asked.wait(seconds)

    def check(self) -> None:
        """Go on, or end the work here.

        Raises:
            WorkFailed: The token is cancelled (code ``cancelled``).
        """
        if self._reason is not None:
            raise WorkFailed(f"the work is not wanted any more: {self._reason}", code="cancelled")

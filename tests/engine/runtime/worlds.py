"""What the runtime's tests share: engines over journals that can be stopped, and task functions.

A `World` is what outlives an engine: a journal, a clock, and a record of what was done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from weft.engine.journal.memory import MemoryJournal
from weft.engine.ports import Append, Connector, Journal, Performer, Work, Worker
from weft.engine.runtime.clock import VirtualClock
from weft.engine.runtime.engine import Engine
from weft.patterns import builtin
from weft.schema.errors import JournalError
from weft.schema.jsonvalue import JsonValue


@attrs.define
class Functions:
    """A connector that performs a task by the function of its name; records every call."""

    kind: str = "auto"
    automatic: bool = True
    by_task: dict[str, Callable[[Work], Any]] = attrs.field(factory=dict)
    workers: dict[str, Worker] = attrs.field(factory=dict)
    calls: list[tuple[str, int]] = attrs.field(factory=list)
    closed: bool = False
    stop_seconds: float = 5.0

    def bind(
        self, task: str, config: JsonValue, *, origin: Path | None, **known: Any
    ) -> Performer | None:
        """Perform the task by its function; one that is not given returns nothing."""
        del config, origin, known
        if not self.automatic:
            return None
        worker = self.workers.get(task, Worker.INLINE)
        function = self.by_task.get(task, lambda work: None)

        def inline(work: Work) -> Any:
            self.calls.append((work.item, work.attempt))
            return function(work)

        async def waits(work: Work) -> Any:
            self.calls.append((work.item, work.attempt))
            return await function(work)

        call = waits if worker is Worker.ASYNC else inline
        return Performer(worker, call, stop_seconds=self.stop_seconds)

    def result_type(self, config: JsonValue) -> Any:
        """Anything."""
        del config

    async def aclose(self) -> None:
        """Nothing to give back."""
        self.closed = True


class StoppedError(BaseException):
    """The process is gone: nothing after this happens."""


class Faulty:
    """A journal around another that fails, or stops the process, at chosen appends.

    Args:
        inner: Where what does not fail is kept.
        fails: The numbers of the appends (from 1) that fail, and keep nothing.
        stops: From this append on nothing is kept; ``after`` says whether it was kept itself.
    """

    def __init__(
        self,
        inner: Journal,
        *,
        fails: tuple[int, ...] = (),
        stops: int | None = None,
        after: bool = False,
    ) -> None:
        self.inner = inner
        self.url = inner.url
        self.fails = fails
        self.stops = stops
        self.after = after
        self.count = 0

    def append(self, batch: Append) -> Awaitable[None] | None:
        """Keep the batch, or fail."""
        self.count += 1
        if self.count in self.fails:
            raise JournalError("the disk is full", code="full", where=self.url)
        if self.stops is not None and self.count >= self.stops:
            if self.after and self.count == self.stops:
                self.inner.append(batch)
            raise StoppedError
        return self.inner.append(batch)

    def release(self, case: Any, owner: Any) -> None:
        """Claims of a process that is gone count for nothing."""
        self.inner.release(case, owner)

    def close(self) -> None:
        """The inner journal outlives this one."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@attrs.define
class World:
    """Engines over one journal; ``functions`` performs, ``person`` waits."""

    journal: Journal = attrs.field(factory=MemoryJournal)
    functions: Functions = attrs.field(factory=Functions)
    clock: VirtualClock | None = attrs.field(factory=VirtualClock)

    def engine(self, journal: Journal | None = None, **options: Any) -> Engine:
        """An engine over the journal, which stays open when the engine is closed."""
        connectors: Mapping[str, Connector] = {
            "auto": self.functions,
            "person": Functions("person", automatic=False),
        }
        if "seed" not in options:
            options["clock"] = self.clock
        return Engine(
            Faulty(self.journal) if journal is None else journal,
            registry=builtin(),
            connectors=connectors,
            **options,
        )


def failing(times: int, value: Any = None) -> Callable[[Work], Any]:
    """A function that raises so many times an item, then returns the value."""

    def function(work: Work) -> Any:
        if work.attempt <= times:
            raise ValueError(f"attempt {work.attempt} goes wrong")
        return value

    return function

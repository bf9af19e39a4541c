"""Driving one case from the command line: until it ends or is idle, or somebody interrupts.

Decisions that were made beforehand are given when their work items are offered. On a terminal a
person is asked when nothing else is left to do. The first Ctrl-C (or SIGTERM) drains: no new work
begins, what runs may end. The second one cancels what runs. The state is kept either way.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import anyio

from weft.cli.asking import SIGNALS, ask, terminal
from weft.cli.describe import Outcome, item_object
from weft.cli.output import Exit, Screen
from weft.cli.own import engine_options
from weft.cli.stores import refuse_missing
from weft.cli.telling import telling
from weft.engine import events as e
from weft.engine.lifecycle import CaseStatus, ItemStatus
from weft.schema.errors import WeftError
from weft.session import open as open_session
from weft.session import uvloop_available

if TYPE_CHECKING:
    from weft.engine.runtime.engine import Case, Engine, Listener
    from weft.engine.runtime.live import Batch
    from weft.weaver.telemetry import Telemetry

__all__ = ["Act", "change", "drive", "go_on"]

Act = Callable[["Engine"], Awaitable["Case"]]
"""What a command does: it starts or opens a case, and gives its handle."""


async def go_on(case: Case) -> None:
    """Let a running case do what an engine before this one has left undone."""
    if case.status is CaseStatus.RUNNING:
        await case.resume()


def drive(
    act: Act,
    *,
    store: str,
    screen: Screen,
    listeners: Sequence[Listener] = (),
    decisions: Mapping[str, str] | None = None,
    asking: bool = False,
    timers: bool = False,
    seed: int | None = None,
) -> Outcome:
    """Act on a case in a store, then drive it until it ends, stops or is idle.

    Args:
        act: Starts or opens the case.
        store: The store's URL.
        screen: Where to say what a signal has led to.
        listeners: Are told what happens.
        decisions: Task to the choice that answers its work items as soon as they are offered.
        asking: Whether a person at the terminal can be asked.
        timers: Whether to wait for the timers of the case, too.
        seed: Run reproducibly.

    Raises:
        WeftError: The command was refused, or the store failed.
    """
    driving = _Driving(act, screen, listeners, decisions or {}, asking)
    driving.timers = timers
    try:
        with telling(screen.warn) as told, exits_told(screen):
            return anyio.run(driving.run, store, seed, told, backend_options=loop_options(seed))
    finally:
        for listener in listeners:
            close = getattr(listener, "close", None)
            if close is not None:  # one that draws on the terminal
                close()


def change(
    case: str, act: Callable[[Case], Awaitable[None]], *, store: str, screen: Screen
) -> Outcome:
    """Do something to a stored case without making it go on; what performs its tasks may be gone.

    Raises:
        WeftError: The command was refused, or the store failed.
    """
    refuse_missing(store)
    began = time.perf_counter()

    async def changed(told: Telemetry | bool) -> Outcome:
        refused: WeftError | None = None
        async with open_session(store, telemetry=told, **engine_options()) as engine:
            try:
                handle = await engine.open(case, perform=False)
                await act(handle)
            except WeftError as error:  # raised outside, or the engine's nursery would wrap it
                refused = error
        if refused is not None:
            raise refused
        seconds = time.perf_counter() - began
        return Outcome(handle.state, handle.idle, handle.events, seconds)

    with telling(screen.warn) as told:
        return anyio.run(changed, told, backend_options={"use_uvloop": uvloop_available()})


def loop_options(seed: int | None) -> dict[str, Any]:
    """Which event loop to run: the fast one, or with a seed the one on virtual time.

    A seed is also that of ``random``, for tasks that use it.
    """
    if seed is None:
        return {"use_uvloop": uvloop_available()}
    from weft.engine.runtime.virtual import VirtualLoop

    random.seed(seed)
    return {"loop_factory": VirtualLoop}


@contextmanager
def exits_told(screen: Screen) -> Iterator[None]:
    """Let nothing that ends this process at once pass for the success of a case.

    ``os._exit`` runs nothing of ours any more. A task that calls it would have the process report
    whatever it likes while its case is still running; so it is told of, and the exit code says
    that the run was interrupted.
    """
    process, leave = os.getpid(), os._exit

    def told(status: int = 0) -> NoReturn:
        if os.getpid() != process:  # a forked child of a task
            leave(status)
        with suppress(Exception):
            screen.warn(
                f"a task has ended this process by os._exit({status}): the case is still running; "
                "`weft resume` goes on with it"
            )
            sys.stderr.flush()
        leave(int(Exit.INTERRUPTED))

    os._exit = told
    try:
        yield
    finally:
        os._exit = leave


class _Driving:
    """One run of a command that drives a case."""

    def __init__(
        self,
        act: Act,
        screen: Screen,
        listeners: Sequence[Listener],
        decisions: Mapping[str, str],
        asking: bool,
    ) -> None:
        self.act = act
        self.screen = screen
        self.listeners = listeners
        self.decisions = decisions
        self.asking = asking
        self.timers = False
        self.signals = 0
        self.left = False
        self.case: Case | None = None
        self.answered: set[str] = set()
        self.under_way = 0
        self.failure: WeftError | None = None

    async def run(self, store: str, seed: int | None, told: Telemetry | bool) -> Outcome:
        began = time.perf_counter()
        self.landed = anyio.Event()
        with anyio.CancelScope() as everything:
            async with open_session(store, seed=seed, telemetry=told, **engine_options()) as engine:
                engine.listeners += self.listeners
                async with anyio.create_task_group() as tasks:
                    await tasks.start(self.watch, engine, tasks, everything)
                    try:
                        self.case = await self.act(engine)
                        await self.wait(self.case, engine, tasks)
                    except WeftError as error:
                        self.failure = error
                    tasks.cancel_scope.cancel()
        if self.failure is not None:
            raise self.failure
        if self.case is None:
            raise KeyboardInterrupt
        return Outcome(
            state=self.case.state,
            idle=self.case.idle,
            events=self.case.events,
            seconds=time.perf_counter() - began,
            interrupted=(self.signals > 0 or self.left) and self.case.status is CaseStatus.RUNNING,
        )

    # ── waiting, and what is answered meanwhile ──────────────────────────────────────────────

    async def wait(self, case: Case, engine: Engine, tasks: anyio.abc.TaskGroup) -> None:
        """Wait until there is nothing more to do here."""
        heard = partial(self.heard, case, tasks)
        engine.listeners.append(heard)
        try:
            for item in case.work_items:
                if item.status is ItemStatus.OFFERED:
                    self.decide(case, tasks, item.id, item.task)
            while self.failure is None and not self.signals:
                await case.wait(timers=self.timers)
                if self.under_way:
                    await self.landed.wait()
                elif not (self.asking and case.idle and await self.asked(case)):
                    break
            if self.signals and not self.left:
                # `watch` ends this wait when what runs has ended.
                await anyio.sleep_forever()
        finally:
            engine.listeners.remove(heard)

    def heard(self, case: Case, tasks: anyio.abc.TaskGroup, batch: Batch) -> None:
        """Give the decisions that a batch asks for."""
        for event in batch.events:
            if isinstance(event, e.WorkItemOffered):
                self.decide(case, tasks, event.item, event.task)

    def decide(self, case: Case, tasks: anyio.abc.TaskGroup, item: str, task: str) -> None:
        """Answer an offered item by the decision that was made for its task, if there is one."""
        choice = self.decisions.get(task)
        if choice is not None and item not in self.answered:
            self.answered.add(item)
            self.under_way += 1
            tasks.start_soon(self.give, case, item, {"choice": choice})

    async def give(self, case: Case, item: str, result: Any) -> None:
        """Complete an item with an answer; one that is gone by now needs none."""
        try:
            if item in case.state.items and not self.signals:
                await case.complete(item, result)
        except WeftError as error:
            self.failure = self.failure or error
        finally:
            self.under_way -= 1
            self.landed.set()
            self.landed = anyio.Event()

    async def asked(self, case: Case) -> bool:
        """Ask for the oldest open answer on the terminal; False when none was given."""
        for item in case.work_items:
            if case.state.task(item).automatic or item.status is ItemStatus.FAILED:
                continue
            try:
                with terminal() as read_line:  # the loop stands still, and may: the case is idle
                    answer = ask(self.screen, item_object(case.state, item), read_line)
            except KeyboardInterrupt:
                self.left = True
                return False
            if answer is None:
                return False
            try:
                await case.complete(item.id, answer)
            except WeftError as error:
                self.screen.warn(str(error))
            return True
        return False

    # ── signals ──────────────────────────────────────────────────────────────────────────────

    async def watch(
        self,
        engine: Engine,
        tasks: anyio.abc.TaskGroup,
        everything: anyio.CancelScope,
        *,
        task_status: anyio.abc.TaskStatus[None],
    ) -> None:
        """Drain at the first signal, cancel at the second."""
        with anyio.open_signal_receiver(*SIGNALS) as received:
            task_status.started()
            async for number in received:
                self.signals += 1
                name = signal.Signals(number).name
                if self.signals == 1:
                    self.screen.warn(
                        f"{name}: no new work begins; waiting for what runs to end "
                        "(once more cancels it)"
                    )
                    tasks.start_soon(self.drain, engine, tasks)
                else:
                    self.screen.warn(f"{name}: cancelling what runs")
                    everything.cancel()

    async def drain(self, engine: Engine, tasks: anyio.abc.TaskGroup) -> None:
        await engine.drain()
        tasks.cancel_scope.cancel()

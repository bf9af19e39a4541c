"""A case of the real engine under a schedule drawn from a seed, with crashes.

Nothing ends by itself here. The attempts at automatic items wait until the schedule ends them,
time passes when it says so, and whenever the engine has come to rest it draws what happens next:
one of the commands that the exploration of the same proof would try (`proof.asked`), several at
once, a pause, an orderly stop, or the loss of power, at rest or at any write while something is
under way. The store is a SQLite file on a disk that drops what was not synced (`FaultyDisk`).

Every state that becomes durable has to be one that the exploration has reached.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import attrs
import msgspec

from tests.engine import generated as g
from tests.engine.journal.faults import FaultyDisk
from tests.patterns import proof as p
from tests.patterns.exploring import canonical
from weft.connectors import builtin as connectors
from weft.engine import commands as c
from weft.engine import events as e
from weft.engine.case import CaseState, WorkItem
from weft.engine.journal.sqlite import SqliteJournal
from weft.engine.lifecycle import CaseStatus, ItemStatus
from weft.engine.ports import CaseId, Connector, Microseconds, Performer, Work, Worker
from weft.engine.runtime.engine import Case, Engine
from weft.engine.runtime.live import Batch, replay
from weft.schema.errors import CommandRejected, JournalError, WorkFailed
from weft.schema.jsonvalue import JsonValue
from weft.schema.specification import Specification

__all__ = ["Run", "Seen"]

CASE = CaseId("case-1")
TURNS = 2000
"""So many turns of the event loop bring the engine to rest, or it hangs."""
QUIET = 4
"""So many turns without anything to do are rest."""
CRASHES = 2
"""A policy's ``crashes`` are three by default: after those an item fails."""
STEPS = 120
"""Chosen at rest; then the case only goes on, and has to end in as many again."""


@attrs.define
class Seen:
    """What a number of runs met, to be sure that they met it."""

    steps: int = 0
    crashes: int = 0
    stops: int = 0
    pauses: int = 0
    batches: int = 0
    ends: set[CaseStatus] = attrs.field(factory=set)
    states: set[Any] = attrs.field(factory=set)


class _PowerCutError(Exception):
    """The engine is gone, with all that was not synced."""


class _StoppedError(Exception):
    """The engine has been closed in good order."""


class _HeldClock:
    """A clock that stands still until the schedule sets it."""

    def __init__(self) -> None:
        self._now = g.TIME
        self._set = anyio.Event()

    def now(self) -> Microseconds:
        return self._now

    def set(self, time: int) -> None:
        self._now = Microseconds(max(self._now, time))
        self._set.set()
        self._set = anyio.Event()

    async def sleep_until(self, time: Microseconds) -> None:
        while time > self._now:
            await self._set.wait()


@attrs.define(eq=False)
class _Held:
    """An attempt that waits for the schedule to end it."""

    work: Work
    ended: anyio.Event = attrs.field(factory=anyio.Event)
    result: Any = None
    error: bool = False

    def end(self, result: Any = None, *, error: bool = False) -> None:
        self.result, self.error = result, error
        self.ended.set()


class _Stub:
    """A connector that knows what the real one knows, and performs nothing."""

    def __init__(self, real: Connector, run: Run) -> None:
        self.kind, self.automatic = real.kind, real.automatic
        self._real, self._run = real, run

    def bind(
        self, task: str, config: JsonValue, *, origin: Path | None, **known: Any
    ) -> Performer | None:
        real = self._real.bind(task, config, origin=origin, **known)
        return None if real is None else Performer(Worker.ASYNC, self._run.perform)

    def result_type(self, config: JsonValue) -> Any:
        return self._real.result_type(config)

    async def aclose(self) -> None:
        await self._real.aclose()


class _Engine(Engine):
    """The engine; only the waits before retries are drawn from the schedule's seed."""

    drawn_from = ""

    def draw(self, case: CaseId, item: str, attempt: int) -> float:
        return random.Random(f"{self.drawn_from} {case} {item} {attempt}").random()


class Run:
    """One case under one schedule.

    Args:
        proof: The pattern, and what may be asked of its example.
        spec: The example in its surrounding.
        states: What the exploration has reached (`proof.reached`).
        seed: Decides everything.
        folder: Where the store is.
        seen: Counts what happened.
    """

    def __init__(
        self,
        proof: p.Proof,
        spec: Specification,
        states: set[Any],
        seed: str,
        folder: Path,
        seen: Seen,
    ) -> None:
        self.proof, self.spec, self.states, self.seed = proof, spec, states, seed
        self.path = folder / "weft.db"
        self.seen = seen
        self.random = random.Random(seed)
        self.clock = _HeldClock()
        self.disk = FaultyDisk()
        self.held: dict[str, _Held] = {}
        self.performed: set[str] = set()
        self.acknowledged: list[bytes] = []
        self.live: CaseState | None = None
        self.faults: list[str] = []
        self.trail: list[str] = []
        self.crashes = 0
        self.cancelled = False

    @property
    def fate(self) -> random.Random | None:
        """What decides on the writes that were not synced when the power went; None: all go."""
        return self.random

    # ── what the engine calls ────────────────────────────────────────────────────────────────

    async def perform(self, work: Work) -> Any:
        """An attempt: it waits until the schedule ends it."""
        held = _Held(work)
        if work.item in self.held:
            self.faults.append(f"two attempts at {work.item} at once")
        self.held[work.item] = held
        self.performed.add(work.item)
        try:
            await held.ended.wait()
        finally:
            if self.held.get(work.item) is held:
                del self.held[work.item]
        if held.error:
            raise WorkFailed("no", code="no")
        return held.result

    def told(self, batch: Batch) -> None:
        """A durable batch; what is wrong with it is kept, since a listener may not raise."""
        self.seen.batches += 1
        if batch.before != self.live:
            self.faults.append("a batch does not begin where the one before it ended")
        self.live = batch.after
        if batch.records[0].sequence != len(self.acknowledged) + 1:
            self.faults.append(f"event {batch.records[0].sequence} is not the next one")
        self.acknowledged += [record.hash for record in batch.records]
        for event in batch.events:
            if isinstance(event, e.WorkItemCompleted) and batch.before is not None:
                item = batch.before.items[event.item]
                performed = item.child is not None or event.item in self.performed
                if batch.before.task(item).automatic and not performed:
                    self.faults.append(f"{event.item} completed without an attempt")
        self._known(batch.after)

    def _known(self, case: CaseState) -> None:
        if case.status is CaseStatus.CANCELLED and self.cancelled:
            if case.items or any(case.marking().values()):
                self.faults.append(f"something is left of a cancelled case: {case!r}")
            return
        if case.status is CaseStatus.SUSPENDED:
            case = msgspec.structs.replace(case, status=CaseStatus.RUNNING)
        state = canonical(case, numbers=False)
        self.seen.states.add(state)
        if state not in self.states:
            self.faults.append(f"a state that was never reached in exploring: {state}")

    # ── the schedule ─────────────────────────────────────────────────────────────────────────

    async def run(self) -> CaseStatus:
        """Run the case to its end, through however many engines; how it ended.

        Raises:
            AssertionError: Something is not as it must be.
        """
        with self.disk:
            while True:
                try:
                    return await self._engine()
                except _StoppedError:
                    self.seen.stops += 1
                except (_PowerCutError, JournalError):
                    assert not self.disk.powered, "the store failed, and the disk did not"
                    self.crashes += 1
                    self.seen.crashes += 1
                    self.disk.restore(self.fate)
                self.held.clear()

    async def _engine(self) -> CaseStatus:
        if self.crashes < CRASHES and self.random.random() < 0.1:
            self._cut_soon(60)
        journal = SqliteJournal(self.path, vfs=self.disk.vfs)
        stubs: Mapping[str, Connector] = {k: _Stub(v, self) for k, v in connectors().items()}
        engine = _Engine(
            journal,
            registry=g.REGISTRY,
            connectors=stubs,
            clock=self.clock,
            limits=p.LIMITS,
            snapshot_every=self.random.choice((3, 10, 1000)),
            grace_seconds=0,
        )
        engine.drawn_from = self.seed
        engine.listeners.append(self.told)
        async with engine:
            case = await self._begin(engine)
            await self._settle(case)
            while g.active(case.state):
                await self._step(case)
                self._replayed(case)
            assert case.status in self._ends(), f"the case ends {case.status.value}"
            self.seen.ends.add(case.status)
            return case.status

    def _ends(self) -> set[CaseStatus]:
        return {*self.proof.ends, *((CaseStatus.CANCELLED,) if self.cancelled else ())}

    async def _begin(self, engine: Engine) -> Case:
        """Start the case, or find it again as it must be and make it go on."""
        if engine.journal.summary(CASE) is None:
            assert not self.acknowledged, "the case was told to be there, and is not"
            self.trail.append("start")
            return await engine.start(self.spec, case=CASE, unverified=True)
        records = engine.journal.records(CASE)
        kept = [record.hash for record in records]
        told = len(self.acknowledged)
        assert kept[:told] == self.acknowledged, "what was told to be durable is not there"
        self.acknowledged = kept
        recovering = self.random.random() < 0.5
        self.trail.append("recover" if recovering else "resume")
        self.live = state = engine.read(CASE)
        assert replay(None, records, state.compiled, case=CASE) == state
        self._known(state)
        if recovering or not g.active(state):
            await engine.recover()
            return await engine.open(CASE)
        return await engine.resume(CASE)

    def _cut_soon(self, most: int) -> None:
        self.disk.cut_power_at = self.disk.operations + self.random.randint(1, most)

    def _cut_now(self) -> None:
        self.disk.cut_power()
        self.trail.append("power cut")
        raise _PowerCutError

    async def _step(self, case: Case) -> None:
        """Let something happen, and wait until the engine is at rest again."""
        self.seen.steps += 1
        steps = len(self.trail)
        assert steps < 2 * STEPS, "the case does not end"
        chance = self.random.random() if steps < STEPS else 1.0
        if chance < 0.06 and self.crashes < CRASHES:
            self._cut_now()
        if chance < 0.09:
            self.trail.append("stop")
            raise _StoppedError
        if case.status is CaseStatus.SUSPENDED:
            self.trail.append("go on")
            await self._doing(case.resume)
        elif chance < 0.13:
            self.trail.append("pause")
            self.seen.pauses += 1
            await self._doing(case.suspend)
        elif chance < 0.14:
            self.trail.append("cancel")
            self.cancelled = True
            await self._doing(case.cancel)
        else:
            chosen = self._chosen(case.state)
            if chance < 0.22 and self.crashes < CRASHES:
                self._cut_soon(12)
            self.trail.append(" and ".join(map(_told, chosen)))
            async with anyio.create_task_group() as group:
                for command in chosen:
                    group.start_soon(self._doing, self._do, case, command)
        await self._settle(case)
        if not self.disk.powered:
            self._cut_now()
        self.disk.cut_power_at = None

    def _chosen(self, case: CaseState) -> list[c.Command]:
        """One of the commands that may be asked, or some that do not know of each other."""
        options = list(p.asked(case, self.proof))
        assert options, f"nothing can be asked of {case!r}"
        first = self.random.choice(options)
        chosen = [first]
        while self.random.random() < 0.3:
            other = self.random.choice(options)
            items = {getattr(x, "item", None) for x in (*chosen, other)}
            # What is counted (triggers kept, instances, rounds) is only right for one at a time.
            if None not in items and len(items) == len(chosen) + 1:
                chosen.append(other)
        return chosen

    async def _doing(self, what: Any, *given: Any) -> None:
        try:
            await what(*given)
        except CommandRejected as error:
            # A held item may be kept from its retry by other work, or for good: a milestone passed.
            alone = not self.trail[-1].count(" and ")
            assert not alone or error.code == "blocked", "what fits alone is not rejected"
        except JournalError:
            if self.disk.powered:
                raise

    async def _do(self, case: Case, command: c.Command) -> None:
        match command:
            case c.CompleteWorkItem() | c.FailWorkItem():
                failed = isinstance(command, c.FailWorkItem)
                held = self.held.get(command.item)
                if held is not None:
                    held.end(None if failed else command.result, error=failed)
                elif failed:
                    await case.fail(command.item, "no")
                else:
                    await case.complete(command.item, command.result)
            case c.StartWorkItem():
                await case.begin(command.item)
            case c.RetryWorkItem():
                due = case.state.items[command.item].retry_at
                if due is None or self.random.random() < 0.3:
                    await case.retry(command.item)
                else:
                    self.clock.set(due)
            case c.DeliverTrigger():
                await case.trigger(command.trigger, command.data)
            case c.AddInstance():
                await case.add(command.task, command.data, scope=command.scope)
            case c.SealTask():
                await case.seal(command.task, scope=command.scope)
            case _:
                raise NotImplementedError(command)

    # ── rest ─────────────────────────────────────────────────────────────────────────────────

    async def _settle(self, case: Case) -> None:
        """Wait until nothing happens any more but by the schedule; what was told is right."""
        quiet = 0
        for _ in range(TURNS):
            await anyio.lowlevel.checkpoint()
            if not self.disk.powered or self.faults:
                break
            quiet = quiet + 1 if self._at_rest(case.state) else 0
            if quiet == QUIET:
                break
        else:
            raise AssertionError(f"the engine does not come to rest: {self._work(case.state)}")
        assert not self.faults, "; ".join(self.faults)

    def _at_rest(self, case: CaseState) -> bool:
        now = self.clock.now()
        due = any(i.retry_at is not None and i.retry_at <= now for i in case.items.values())
        wanted, held = self._work(case)
        ended = any(h.ended.is_set() for h in self.held.values())
        if case.status in (CaseStatus.SUSPENDED, CaseStatus.FAILED):
            # What a crash has interrupted is not begun again; what runs may end.
            return wanted >= held and not ended
        return wanted == held and not ended and not due

    def _work(self, case: CaseState) -> tuple[set[tuple[str, int]], set[tuple[str, int]]]:
        """The attempts that there ought to be, and those that there are."""
        wanted = {(i.id, i.attempt) for i in case.items.values() if _performed(case, i)}
        if case.status.final:
            wanted = set()
        return wanted, {(h.work.item, h.work.attempt) for h in self.held.values()}

    def _replayed(self, case: Case) -> None:
        """The journal tells what the engine has in its hands."""
        state = case.state
        records = case._engine.journal.records(CASE)
        assert [record.hash for record in records] == self.acknowledged
        again = replay(None, records, state.compiled, case=CASE)
        assert again == state, f"replayed: {again!r}; live: {state!r}"


def _performed(case: CaseState, item: WorkItem) -> bool:
    """Whether an attempt at an item ought to be under way."""
    automatic = case.task(item).automatic
    return automatic and item.child is None and item.status is ItemStatus.STARTED


def _told(command: c.Command) -> str:
    what = (getattr(command, name, None) for name in ("item", "trigger", "task", "result"))
    return " ".join((type(command).__name__, *(str(w) for w in what if w is not None)))

"""Deterministic simulation: many cases, one seed, faults wherever the store is touched.

A real engine on a real SQLite file, in one process, on virtual time (`VirtualLoop`): no wait
costs anything, and the same seed does the same thing again. Beneath SQLite is a disk that fills
up, fails, and forgets what was not synced when the power goes (`FaultyDisk`). Beside the engine
stands a `Ledger`: what was told to be durable, and nothing else; whatever the engine or the store
says is held against it.

After FoundationDB's simulation testing (Zhou et al., SIGMOD 2021).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import attrs

from tests.engine import generated as g
from tests.engine.journal.faults import FaultyDisk
from tests.patterns.models import PROOFS
from tests.patterns.proof import LIMITS, SURROUNDINGS, at_rest, specified
from weft.engine import commands as c
from weft.engine import events as e
from weft.engine.case import CaseState, WorkItem
from weft.engine.decide import decide
from weft.engine.journal.batch import Encoded
from weft.engine.journal.sqlite import SqliteJournal
from weft.engine.lifecycle import CaseStatus, ItemStatus
from weft.engine.ports import CaseId, ItemId, Microseconds, Performer, Record, Work, Worker
from weft.engine.runtime import turns
from weft.engine.runtime.engine import Case, Engine
from weft.engine.runtime.live import Batch, replay
from weft.engine.runtime.virtual import LoopClock, VirtualLoop
from weft.schema.errors import CommandRejected, DefinitionError, JournalError, WeftError
from weft.schema.specification import Retry, Specification, Use

__all__ = ["CASES", "FAULTS", "POINTS", "Report", "Simulation", "simulate", "trail"]

CASES = 20
STEPS = 60
LONG = 300
"""A case with so many events has shown what it can."""
POINTS = {
    "power cut": ("before", "half-way", "after"),
    "power cut, torn": ("before", "half-way", "after"),
    "disk full": ("half-way",),
    "write fails": ("half-way",),
    "sync fails": ("half-way",),
}
"""What goes wrong, and when: before a commit's first write, within it, or before it is told."""
FAULTS = [(fault, point) for fault, points in POINTS.items() for point in points]
QUICK = 3
"""One of so many seeds has cases whose work is done at once, so that they go by known routes."""
CALLS = 25
"""So often the functions of such a case are called; then they fail."""
COMMIT = 12
"""So many operations on the disk a commit takes; one more or less is no matter."""


@attrs.define
class Report:
    """What was met on the way."""

    seeds: int = 0
    steps: int = 0
    batches: int = 0
    crashes: int = 0
    refused: int = 0
    effects: int = 0
    seconds: float = 0.0
    faults: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    cells: Counter[tuple[str, str, str]] = attrs.field(factory=Counter)
    """By kind of event, fault and point: how often that event was in the commit."""
    events: Counter[str] = attrs.field(factory=Counter)
    turned: int = 0
    """How many steps were made durable in turns."""
    uses: set[str] = attrs.field(factory=set)
    """The examples and kinds of specification that ran."""

    def coverage(self) -> tuple[int, int]:
        """How many of the cells were met, of all kinds of event that happened at all."""
        return len(self.cells), len(self.events) * len(FAULTS)

    def __str__(self) -> str:
        met, all_ = self.coverage()
        faults = "; ".join(f"{f} {p}: {n}" for (f, p), n in sorted(self.faults.items()))
        return (
            f"{self.seeds} seeds, {self.steps} steps, {self.batches} batches,"
            f" {self.turned} steps in turns, {self.crashes} crashes,"
            f" {self.seconds / 3600:.1f} simulated hours;"
            f" event × point × fault: {met} of {all_}; {faults}"
        )


class _GoneError(Exception):
    """The engine is gone: its power was cut, or it was closed."""


@attrs.define(eq=False)
class _Held:
    work: Work
    ended: anyio.Event = attrs.field(factory=anyio.Event)
    outcome: Any = None

    def end(self, outcome: Any) -> None:
        self.outcome = outcome
        self.ended.set()


@attrs.define
class _Told:
    """What the ledger has of a case."""

    state: CaseState
    hashes: list[bytes]
    commands: dict[str, c.Command] = attrs.field(factory=dict)
    """Those that were acknowledged, by their ids."""


class _Clock(LoopClock):
    """The loop's time, on a machine whose clock may have been set."""

    def __init__(self, loop: VirtualLoop, ahead: int) -> None:
        super().__init__(loop)
        self._ahead = ahead

    def now(self) -> Microseconds:
        return Microseconds(super().now() + self._ahead)


class _Journal(SqliteJournal):
    """The store, with faults around and within chosen commits."""

    simulation: Simulation

    def _write(self, group: Any) -> None:
        sim = self.simulation
        chosen = sim.fault_for(group) if group else None
        if chosen is None:
            super()._write(group)
            return
        fault, point = chosen
        disk = sim.disk
        match fault, point:
            case _, "before":
                disk.cut_power()
            case "power cut" | "power cut, torn", "half-way":
                disk.cut_power_at = disk.operations + sim.random.randint(1, COMMIT)
            case "disk full", _:
                disk.room = 0
            case "write fails", _:
                disk.failing.add("write")
            case "sync fails", _:
                disk.failing.add("sync")
        super()._write(group)
        if point == "after":
            disk.cut_power()
            for entry in group:  # stored, but nobody hears of it
                entry.failure = entry.failure or self._error("io", "the power is gone")
        disk.room = None
        disk.failing.clear()
        disk.cut_power_at = None
        for entry in group:
            if entry.failure is not None and isinstance(entry.failure, JournalError):
                sim.unsure.add(entry.batch.case)


@attrs.define
class _Connector:
    kind: str
    automatic: bool
    simulation: Simulation

    def bind(self, task: str, config: Any, **known: Any) -> Performer | None:
        del task, config, known
        if not self.automatic:
            return None
        if self.simulation.quick:
            return Performer(Worker.INLINE, self.simulation.perform_at_once)
        return Performer(Worker.ASYNC, self.simulation.perform)

    def result_type(self, config: Any) -> Any:
        del config

    async def aclose(self) -> None:
        pass


class Simulation:
    """One seed.

    Args:
        seed: Decides everything.
        folder: Where the store is.
        report: Counts what happens.
    """

    def __init__(self, seed: int, folder: Path, report: Report) -> None:
        self.random = random.Random(f"simulation {seed}")
        self.seed, self.report = seed, report
        self.path = folder / "weft.db"
        self.disk = FaultyDisk()
        self.ledger: dict[CaseId, _Told] = {}
        self.held: dict[tuple[str, str], _Held] = {}
        self.performed: set[tuple[str, str]] = set()
        self.changed: set[CaseId] = set()
        """Cases that were told of since all was at rest."""
        self.answered: set[tuple[str, str]] = set()
        """Items that somebody completed by a command."""
        self.faults: list[str] = []
        self.planned: tuple[str, str] | None = None
        self.spared = 0
        self.torn = False
        self.unsure: set[CaseId] = set()
        """Cases of which the last batch may or may not be there."""
        self.sent = 0
        self.unheard: list[tuple[CaseId, str, c.Command]] = []
        self.steps = 0
        self.trail: list[str] = []
        self.specs: list[Specification] = []
        self.cases: dict[CaseId, Case] = {}
        self.quick = seed % QUICK == 0
        self.calls: Counter[str] = Counter()

    # ── what the engine calls ────────────────────────────────────────────────────────────────

    async def perform(self, work: Work) -> Any:
        """An attempt, which waits until the schedule ends it."""
        key = (work.case, work.item)
        if key in self.held:
            self.faults.append(f"two attempts at {key} at once")
        held = self.held[key] = _Held(work)
        self.performed.add(key)
        try:
            await held.ended.wait()
        finally:
            if self.held.get(key) is held:
                del self.held[key]
        if isinstance(held.outcome, Exception):
            raise held.outcome
        return held.outcome

    def perform_at_once(self, work: Work) -> Any:
        """An attempt that is made at once.

        What it goes on from was told, and is on the disk: no step is made before that.
        """
        told = self.ledger.get(CaseId(work.case))
        item = None if told is None else told.state.items.get(work.item)
        if item is None or (item.status, item.attempt) != (ItemStatus.STARTED, work.attempt):
            self.faults.append(f"{work.case}: {work.item} is made, and nobody was told of it")
        self.performed.add((work.case, work.item))
        self.calls[work.case] += 1
        if self.calls[work.case] > CALLS:
            raise ValueError("it goes on and on")
        draw = random.Random(f"{self.seed} {work.case} {work.item} {work.attempt}")
        if draw.random() < 0.03:
            raise ValueError("no")
        return draw.choice((0, 0, 1, 1, 2, None, {"exit_code": 0}))

    def fault_for(self, group: Any) -> tuple[str, str] | None:
        """What goes wrong with a commit; the kinds of event in it are counted."""
        kinds = {record.type for entry in group for record in entry.batch.records}
        self.report.turned += sum(isinstance(entry, Encoded) for entry in group)
        if self.planned is None or not self.disk.powered:
            return None
        if self.spared:  # cases go on by themselves: the fault is for a later commit
            self.spared -= 1
            return None
        chosen, self.planned = self.planned, None
        self.torn = chosen[0] == "power cut, torn"
        self.report.faults[chosen] += 1
        self.trail.append(" ".join(chosen))
        self.report.cells.update((kind, *chosen) for kind in kinds)
        return chosen

    def told(self, batch: Batch) -> None:
        """A durable batch; a listener may not raise, so what is wrong is kept."""
        known = self.ledger.get(batch.case)
        self.report.batches += 1
        self.report.events.update(record.type for record in batch.records)
        before = None if known is None else known.state
        if batch.before != before:
            self.faults.append(f"{batch.case}: a batch does not begin where the last one ended")
        if known is None:
            known = self.ledger[batch.case] = _Told(batch.after, [])
        if batch.records[0].sequence != len(known.hashes) + 1:
            self.faults.append(f"{batch.case}: event {batch.records[0].sequence} is not the next")
        self.trail.append(
            f"{batch.case}: {[type(x).__name__ + ' ' + getattr(x, 'item', '') for x in batch.events]}"
        )
        known.state = batch.after
        self.changed.add(batch.case)
        known.hashes += [record.hash for record in batch.records]
        for event in batch.events:
            if isinstance(event, e.WorkItemCompleted) and batch.before is not None:
                item = batch.before.items[event.item]
                if item.child is None and batch.before.task(item).automatic:
                    self.report.effects += 1
                    by_hand = (batch.case, item.id) not in self.performed
                    if by_hand and (batch.case, item.id) not in self.answered:
                        self.faults.append(f"{batch.case}: {item.id} is done, and nobody did it")

    # ── a seed ───────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Run engines, one after the other, over the same store.

        Raises:
            AssertionError: An invariant does not hold.
        """
        self.specs = [self._specification() for _ in range(2 if self.quick else 8)]
        begun = asyncio.get_running_loop().time()
        with self.disk:
            while self.steps < STEPS:
                try:
                    await self._engine()
                except _GoneError:
                    pass
                except JournalError:
                    assert not self.disk.powered, "the store failed, and the disk did not"
                if not self.disk.powered:
                    self.report.crashes += 1
                    self.unsure.update(self.ledger)
                    self.disk.restore(self.random if self.torn else None)
                self.held.clear()
            await self._last()
        self.report.seconds += asyncio.get_running_loop().time() - begun
        self.report.seeds += 1
        self.report.steps += self.steps

    def _specification(self) -> Specification:
        """An example of a pattern in one of its surroundings, or a generated specification."""
        while self.quick:
            structured = self.random.random() < 0.8
            plain = g.made(g.Plainly(self.random), structured=structured)
            with contextlib.suppress(DefinitionError, ExceptionGroup):
                g.compiled(plain)
                name = f"plain-{self.random.getrandbits(40):x}"
                return attrs.evolve(plain, name=name)
        while True:
            if self.random.random() < 0.5:
                proof = self.random.choice(PROOFS)
                self.report.uses.add(proof.example)
                return specified(proof, self.random.choice(SURROUNDINGS))
            spec = self._timed(g.made(g.Seeded(self.random)))
            try:
                g.compiled(spec)
            except (DefinitionError, ExceptionGroup):
                continue
            self.report.uses.add("generated")
            return spec

    def _timed(self, spec: Specification) -> Specification:
        """The specification with times here and there: to wait, time-outs, due dates, retries."""
        nets = {}
        for name, net in spec.nets.items():
            tasks = {}
            for made in net.tasks.values():
                more: dict[str, Any] = {}
                if made.uses and self.random.random() < 0.2:
                    more["timeout_seconds"] = self.random.choice((5.0, 60.0, 3600.0))
                if made.uses and self.random.random() < 0.2:
                    delay = self.random.choice((1.0, 600.0))
                    more["retry"] = Retry(3, delay, jitter="full", crashes=9)
                if not made.uses and self.random.random() < 0.3:
                    more["uses"] = (Use("wait", self.random.choice(("10s", "1h"))),)
                tasks[made.name] = attrs.evolve(made, **more)
            nets[name] = attrs.evolve(net, tasks=tasks)
        return attrs.evolve(spec, nets=nets, name=f"generated-{self.random.getrandbits(40):x}")

    async def _engine(self) -> None:
        """One life of an engine: from opening the store to its end."""
        if self.random.random() < 0.05:
            self.disk.cut_power_at = self.disk.operations + self.random.randint(1, 100)
            self.torn = self.random.random() < 0.5
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        ahead = self.random.choice((0, 0, 7_200_000_000, -7_200_000_000))
        journal = _Journal(self.path, vfs=self.disk.vfs)
        journal.simulation = self
        connectors = {"auto": True, "shell": True, "person": False}
        engine = _Engine(
            journal,
            registry=g.REGISTRY,
            connectors={k: _Connector(k, auto, self) for k, auto in connectors.items()},
            clock=_Clock(loop, ahead),
            limits=LIMITS,
            snapshot_every=self.random.choice((2, 20, 1000)),
            grace_seconds=0,
        )
        engine.drawn_from = str(self.seed)
        engine.listeners.append(self.told)
        async with engine:
            with engine.patience():
                await self._again(engine)
                self.disk.cut_power_at = None
                await self._settle(engine)
                while self.steps < STEPS:
                    await self._step(engine)
                    await self._settle(engine)

    async def _again(self, engine: Engine) -> None:
        """Find the store as the ledger says, and make the cases go on."""
        self.cases = {}
        for name in list(self.ledger):
            self._found(engine, name)
        for case in engine.journal.cases(limit=1000):
            if case.case not in self.ledger:  # started, and nobody had heard of it
                self.ledger[case.case] = _Told(engine.read(case.case), [])
                self.unsure.add(case.case)
                self._found(engine, case.case)
        self.unsure.clear()
        await engine.recover()
        for name, told in self.ledger.items():
            if told.state.status.final:
                continue
            self.cases[name] = await engine.open(name)
            if told.state.status is CaseStatus.RUNNING:
                await self._doing(self.cases[name].resume)
        unheard, self.unheard = self.unheard, []
        for name, key, command in unheard:  # as a caller would who got no answer
            if name in self.cases:
                await anyio.sleep(0.001)  # so that what happens now is this command's doing
                heard = key in self.ledger[name].commands
                try:
                    await self._send(self.cases[name], command, key)
                except CommandRejected:
                    assert not heard, f"{name}: {key} had its effect, and is rejected"

    def _found(self, engine: Engine, name: CaseId) -> None:
        """A case as the store has it is as it was told, but for a batch that nobody heard of."""
        told = self.ledger[name]
        records = engine.journal.records(name)
        hashes = [record.hash for record in records]
        known = len(told.hashes)
        assert hashes[:known] == told.hashes, f"{name}: what was told is not there"
        assert name in self.unsure or len(hashes) == known, f"{name}: more than was told"
        told.hashes, told.state = hashes, self._replayed(engine, name, records)
        assert engine.read(name) == told.state, f"{name}: its snapshot tells something else"

    def _replayed(self, engine: Engine, name: CaseId, records: list[Record] | Any) -> CaseState:
        summary = engine.find(name)
        compiled = engine._stored(summary.net)
        state = replay(None, records, compiled, case=name)
        assert summary.status == state.status.value, f"{name}: its summary says {summary.status}"
        return state

    async def _last(self) -> None:
        """The store after all of it is whole."""
        journal = SqliteJournal(self.path, vfs=self.disk.vfs)
        try:
            faults = journal.check()
            assert not faults, f"the store is damaged: {faults}"
            for name, told in self.ledger.items():
                hashes = [record.hash for record in journal.records(name)]
                assert hashes[: len(told.hashes)] == told.hashes, f"{name}: the journal differs"
        finally:
            journal.close()

    # ── steps ────────────────────────────────────────────────────────────────────────────────

    async def _step(self, engine: Engine) -> None:
        self.steps += 1
        self.trail.append(f"step {self.steps}")
        chance = self.random.random()
        if chance < 0.03:
            self.disk.cut_power()
            self.torn = self.random.random() < 0.5
            raise _GoneError
        if chance < 0.05:
            raise _GoneError  # at rest, but nothing is said: attempts are cancelled
        if chance < (0.6 if self.quick else 0.25):
            self.planned = self.random.choice(FAULTS)
            self.spared = self.random.randint(0, 8) if self.quick else 0
        acts: list[Callable[[], Any]] = []
        for _ in range(self.random.choice((4, 8) if self.quick else (1, 1, 2, 5))):
            act = self._act(engine)
            if act is not None:
                acts.append(act)
        async with anyio.create_task_group() as group:
            for act in acts:
                group.start_soon(self._doing, act)
        if self.random.random() < 0.3:
            await self._pass_time(self.random.choice((0.5, 30.0, 4000.0)))

    async def _pass_time(self, seconds: float) -> None:
        """Let time pass; what goes round and round for ever by its timers is cancelled."""
        while seconds > 0:
            await anyio.sleep(min(seconds, 50.0))
            seconds -= 50.0
            for name, told in self.ledger.items():
                if len(told.hashes) > LONG and not told.state.status.final and name in self.cases:
                    await self._doing(partial(self.cases[name].cancel, "it is long enough"))

    async def _doing(self, act: Callable[[], Any]) -> None:
        try:
            await act()
        except CommandRejected:
            self.report.refused += 1
        except JournalError as error:
            # A fault of the disk has it; the case is as its journal says.
            assert self.unsure or not self.disk.powered, f"the disk works, but: {error}"
        except WeftError as error:
            assert error.code in ("not-storable", "data", "type", "answer"), repr(error)

    def _act(self, engine: Engine) -> Callable[[], Any] | None:
        running = [x for x in self.cases.values() if g.active(x.state)]
        most, often = (5 * CASES, 0.8) if self.quick else (CASES, 0.3)
        if len(self.ledger) < most and (not running or self.random.random() < often):
            spec = self.random.choice(self.specs)
            name = f"case-{len(self.ledger)}-{self.steps}-{self.random.getrandbits(20):x}"

            async def start() -> None:
                self.unsure.add(CaseId(name))
                self.cases[CaseId(name)] = await engine.start(spec, case=name, unverified=True)

            return start
        if not running:
            return None
        case = self.random.choice(running)
        mine = [h for (owner, _), h in sorted(self.held.items()) if owner == case.id]
        if mine and self.random.random() < 0.6:
            held = self.random.choice(mine)
            outcome: Any = self.random.choice((0, 1, 2, {"exit_code": 0}, None, ValueError("no")))

            async def end() -> None:
                held.end(outcome)

            return end
        command = self._command(case.state)
        self.sent += 1
        key = f"sent-{self.sent}"

        async def send() -> None:
            await self._send(case, command, key)

        return send

    def _command(self, case: CaseState) -> c.Command:
        triggers = list(case.compiled.triggers)
        if triggers and self.random.random() < 0.4:
            return c.DeliverTrigger(self.random.choice(triggers), self.random.randint(0, 2))
        if case.status is CaseStatus.SUSPENDED and self.random.random() < 0.7:
            return c.ResumeCase()
        if self.random.random() < 0.02:
            return c.CancelCase("enough")
        step = (self.random.randint(0, 23), self.random.randint(0, 7), self.random.randint(0, 2))
        command = g.command(case, step)
        if isinstance(command, c.RecoverCase | c.CancelCase):  # the engine's own, and too often
            return c.SuspendCase("a rest")
        if isinstance(command, c.RetryWorkItem):
            return c.RetryWorkItem(command.item)
        return command

    async def _send(self, case: Case, command: c.Command, key: str) -> None:
        if isinstance(command, c.CompleteWorkItem):
            self.answered.add((case.id, command.item))
        told = self.ledger[case.id]
        events = len(told.hashes)
        again = key in told.commands
        try:
            await case.execute(command, id=key)
        except JournalError:
            self.unheard.append((case.id, key, command))
            raise
        told.commands[key] = command
        assert not again or len(told.hashes) == events, f"{case.id}: {key} had its effect twice"

    # ── rest ─────────────────────────────────────────────────────────────────────────────────

    async def _settle(self, engine: Engine) -> None:
        """Let everything come to rest, and see that all is as it must be."""
        await anyio.sleep(0.001)
        assert not self.faults, "; ".join(self.faults)
        if not self.disk.powered:
            raise _GoneError
        self.planned = None
        for name in list(self.unsure):
            if name in self.cases and self.cases[name]._driven.broken is not None:
                await self._reopen(engine, name)
                await anyio.sleep(0.001)
        assert not self.faults, "; ".join(self.faults)
        self.unsure.clear()
        lock = engine.journal._engines.get(engine.id)
        ours = {case for case, owner in _claims(engine.journal) if lock and owner == lock.number}
        assert ours == set(engine._driven), f"claimed: {ours}; driven: {set(engine._driven)}"
        for name, case in self.cases.items():
            self._right(engine, name, case)
        for name in self.changed | set(self.random.sample(list(self.ledger), len(self.ledger) > 0)):
            self._stored(engine, name)
        self.changed.clear()
        if self.random.random() < 0.2 and self.ledger:
            self._repeat()

    def _repeat(self) -> None:
        """Remember to send something again that had its effect."""
        name = self.random.choice(list(self.ledger))
        done = self.ledger[name].commands
        if done:
            key = self.random.choice(list(done))
            self.unheard.append((name, key, done[key]))

    async def _reopen(self, engine: Engine, name: CaseId) -> None:
        self.trail.append(f"reopen {name}")
        """A case that was set aside, because it could not be stored, is loaded again."""
        engine.journal.release(name, engine.id)
        engine._driven.pop(name, None)
        self._found(engine, name)
        self.cases[name] = await engine.open(name)
        if self.cases[name].status is CaseStatus.RUNNING:
            await self.cases[name].resume()

    def _right(self, engine: Engine, name: CaseId, case: Case) -> None:
        state, told = case.state, self.ledger[name]
        assert state == told.state, f"{name}: the engine has {state!r}, and told {told.state!r}"
        at_rest(state)
        held = {h.work.item: h.work.attempt for (c_, _), h in self.held.items() if c_ == name}
        wanted = {i.id: i.attempt for i in state.items.values() if _under_way(state, i)}
        if state.status is CaseStatus.RUNNING:
            assert held == wanted, f"{name}: attempts {held}, wanted {wanted}"
            now = engine.clock.now()
            late = [i.id for i in state.items.values() if _could_retry(state, i, now)]
            late += [w.id for w in state.waits.values() if w.due is not None and w.due < now]
            late += [i.id for i in state.items.values() if (i.expires or now) < now]
            assert not late, f"{name}: {late} should have happened by now"
        elif state.status.final:
            assert not held, f"{name} has ended, but {held} goes on"

    def _stored(self, engine: Engine, name: CaseId) -> None:
        """The journal, the summary and the work list of a case say what the ledger says."""
        told = self.ledger[name]
        state = told.state
        records = engine.journal.records(name)
        assert [record.hash for record in records] == told.hashes, f"{name}: the journal differs"
        assert self._replayed(engine, name, records) == state, f"{name}: replay differs"
        listed = {row.item for row in engine.journal.worklist(case=name)}
        open_ = {i.id for i in state.items.values() if not state.task(i).automatic}
        if g.active(state):
            assert open_ - listed <= {i.id for i in state.items.values() if i.child}, (
                f"{name}: {open_ - listed} is on no work list"
            )


class _Engine(Engine):
    drawn_from = ""

    def draw(self, case: CaseId, item: str, attempt: int) -> float:
        return random.Random(f"{self.drawn_from} {case} {item} {attempt}").random()


def _under_way(case: CaseState, item: WorkItem) -> bool:
    automatic = case.task(item).automatic
    return automatic and item.child is None and item.status is ItemStatus.STARTED


def _claims(journal: SqliteJournal) -> list[Any]:
    """The cases that somebody holds."""
    return list(journal._connection.execute("SELECT id, owner FROM cases WHERE owner IS NOT NULL"))


def simulate(seed: int, report: Report, *, tells: Callable[[str], object] | None = None) -> None:
    """Run one seed, in a folder and an event loop of its own.

    Raises:
        AssertionError: An invariant does not hold; the message says how to repeat it.
    """
    folder = Path(tempfile.mkdtemp(prefix="weft-simulation-"))
    logger = logging.getLogger("weft")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)  # what fails here fails on purpose
    simulation = Simulation(seed, folder, report)
    seconds, turns.TURN_SECONDS = turns.TURN_SECONDS, 3600.0  # no turn ends by real time
    try:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(simulation.run())
    except Exception as error:
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        raise AssertionError(
            f"{type(error).__name__}: {error}\nseed {seed}, step {simulation.steps}; to repeat:"
            f" python -m tests.simulation --seed {seed}"
        ) from error
    finally:
        for line in simulation.trail if tells is not None else ():
            tells(line)
        turns.TURN_SECONDS = seconds
        logger.setLevel(level)
        shutil.rmtree(folder, ignore_errors=True)


def _could_retry(case: CaseState, item: WorkItem, now: Microseconds) -> bool:
    """Whether the time of a held item is over, and nothing stands against its next attempt."""
    if item.retry_at is None or item.retry_at >= now:
        return False
    again = c.RetryWorkItem(ItemId(item.id), due=Microseconds(item.retry_at))
    try:
        decide(case, again, time=now, limits=LIMITS)
    except CommandRejected as refused:
        return refused.code != "blocked"
    return True


def trail(seed: int) -> list[str]:
    """What happens with a seed, in order; it does not fail."""
    told: list[str] = []
    simulate(seed, Report(), tells=told.append)
    return told

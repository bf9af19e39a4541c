"""Laws that hold for every specification and every order in which things happen."""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.engine import generated as g
from tests.engine.model import Model
from weft.engine import commands as c
from weft.engine import events as e
from weft.engine.case import CaseState, restore, snapshot
from weft.engine.decide import Decision, begins, decide
from weft.engine.evolve import evolve, evolve_all
from weft.engine.lifecycle import CaseStatus
from weft.engine.net import CompiledSpecification
from weft.engine.ports import CaseId, Record
from weft.engine.runtime.live import replay
from weft.schema.errors import CommandRejected, DefinitionErrors
from weft.schema.specification import Specification

Step = tuple[int, int, int]


def nets_of(specification: Specification) -> CompiledSpecification:
    try:
        return g.compiled(specification)
    except DefinitionErrors:
        assume(False)
        raise


def history(nets: CompiledSpecification, steps: list[Step]) -> Iterator[tuple[Any, Decision]]:
    """The accepted commands of a schedule with their decisions, the start of the case first."""
    asked: c.Command = c.StartCase(CaseId("case-1"), nets, {})
    decision = decide(None, asked, time=g.TIME, limits=g.LIMITS)
    yield asked, decision
    for step in steps:
        asked = g.command(decision.case, step)
        # Every eighth step is taken by an engine that is stopping, and starts nothing.
        starts = step[0] % 8 != 7
        try:
            decision = decide(decision.case, asked, time=g.TIME, limits=g.LIMITS, starts=starts)
        except CommandRejected:
            continue
        yield asked, decision


@given(g.specifications(), g.STEPS)
@settings(max_examples=150)
def test_events_obey_the_net(specification: Specification, steps: list[Step]) -> None:
    """A plain model of tokens agrees with every firing and with every state between batches."""
    nets = nets_of(specification)
    model = Model(nets)
    for asked, decision in history(nets, steps):
        for event in decision.events:
            model.tell(event)
        model.check(decision.case)
        items = decision.case.items.values()
        assert decision.case.tally == Counter((i.scope, i.task, i.status) for i in items)
        if decision.case.status is CaseStatus.RUNNING:
            assert begins(decision.case) == model.begins()
        if isinstance(asked, c.CancelCase):
            assert decision.case.status is CaseStatus.CANCELLED


@given(g.specifications(), g.STEPS)
@settings(max_examples=100)
def test_replay_equals_live(specification: Specification, steps: list[Step]) -> None:
    """After every batch: event by event, from the records, and from a snapshot of any batch."""
    nets = nets_of(specification)
    folded: CaseState | None = None
    records: list[Record] = []
    kept: list[Any] = []
    for _, decision in history(nets, steps):
        for event in decision.events:
            folded = evolve(folded, event, compiled=nets)
            before = records[-1].hash if records else e.GENESIS
            records.append(
                e.record(
                    event,
                    case=CaseId("case-1"),
                    sequence=len(records) + 1,
                    time=g.TIME,
                    before=before,
                )
            )
        assert folded == decision.case
        stored = CompiledSpecification.from_content(nets.content, hash=nets.hash)
        assert replay(None, records, stored, case=CaseId("case-1")) == decision.case
        kept.append(snapshot(decision.case, len(records), records[-1].hash))
    for taken in kept:
        restored, link = restore(taken, nets)
        assert restored is not None
        rest = records[taken.sequence :]
        final = replay(
            restored, rest, nets, case=CaseId("case-1"), after=taken.sequence, before=link
        )
        assert final == folded


@given(g.specifications(), g.STEPS)
@settings(max_examples=60)
def test_deciding_is_pure(specification: Specification, steps: list[Step]) -> None:
    """The same arguments give the same answer, and are what they were."""
    nets = nets_of(specification)
    case: CaseState | None = None
    for asked, decision in history(nets, steps):
        before, arguments = copy.deepcopy(case), copy.deepcopy(asked)
        starts = any(isinstance(x, e.WorkItemStarted) for x in decision.events)
        first = decide(case, asked, time=g.TIME, limits=g.LIMITS, starts=starts)
        again = decide(before, arguments, time=g.TIME, limits=g.LIMITS, starts=starts)
        assert first.case == again.case
        assert [e.encode(x) for x in first.events] == [e.encode(x) for x in again.events]
        assert case == before
        assert asked == arguments
        case = decision.case


@given(g.specifications(), g.STEPS, st.integers(0, 10_000))
@settings(max_examples=60)
def test_the_chain_finds_every_change(
    specification: Specification, steps: list[Step], draw: int
) -> None:
    """An edited, swapped, dropped or inserted record breaks the chain."""
    nets = nets_of(specification)
    case = CaseId("case-1")
    records: list[Record] = []
    for _, decision in history(nets, steps):
        for event in decision.events:
            before = records[-1].hash if records else e.GENESIS
            sequence = len(records) + 1
            records.append(
                e.record(event, case=case, sequence=sequence, time=g.TIME, before=before)
            )
    assert e.broken_link(case, records) is None
    at = draw % len(records)
    chosen = records[at]
    for change in (
        {"data": chosen.data + b" "},
        {"time": chosen.time + 1},
        {"type": chosen.type + "x"},
        {"version": chosen.version + 1},
        {"hash": bytes(32)},
        {"sequence": chosen.sequence + 1},
    ):
        edited = [*records[:at], msgspec.structs.replace(chosen, **change), *records[at + 1 :]]
        assert e.broken_link(case, edited) is not None
    assert e.broken_link(CaseId("case-2"), records) == 1
    assert e.broken_link(case, [*records[:at], chosen, *records[at:]]) is not None
    if at + 1 < len(records):
        assert e.broken_link(case, [*records[:at], *records[at + 1 :]]) == at + 1 or at == 0
        swapped = [*records[:at], records[at + 1], chosen, *records[at + 2 :]]
        assert e.broken_link(case, swapped) is not None


@given(g.specifications(), g.STEPS)
@settings(max_examples=40)
def test_events_survive_their_encoding(specification: Specification, steps: list[Step]) -> None:
    """Decoding gives back the event; a field at its default takes no bytes."""
    nets = nets_of(specification)
    for _, decision in history(nets, steps):
        for event in decision.events:
            made = e.record(event, case=CaseId("c"), sequence=1, time=g.TIME, before=e.GENESIS)
            assert e.decode(made) == event
            for field in msgspec.structs.fields(event):
                if getattr(event, field.name) == field.default:
                    assert f'"{field.name}"'.encode() not in made.data


WAITING = {
    *("TimerSet", "TimerFired", "TimerCancelled", "WorkItemReminded"),
    *("TriggerAwaited", "TriggerUnawaited", "TriggerReceived", "TriggerKept", "TriggerDiscarded"),
}
"""What comes from outside: see `tests.patterns.test_trigger_properties` and `tests.simulation`."""


def test_generated_specifications_reach_every_kind_of_event() -> None:
    """They are worth something: they lead to all that can happen by itself, whoever draws them."""
    seen: set[str] = set()

    for seed in range(400):
        source = random.Random(seed)
        try:
            nets = g.compiled(g.made(g.Seeded(source)))
        except DefinitionErrors:
            continue  # a tangle may be one that is refused
        for _, decision in history(nets, g.long(source)):
            seen.update(type(event).__name__ for event in decision.events)
    assert set(e.EVENT_TYPES) - seen == WAITING


def test_one_batch_is_one_fold() -> None:
    """Folding all events at once is folding them one by one."""
    nets = g.compiled(g.net("a", g.task("a", then="b"), g.task("b", "person")))
    events: list[e.Event] = []
    for _, decision in history(nets, [(0, 0, 1), (0, 0, 0)]):
        events += decision.events
    one_by_one: CaseState | None = None
    for event in events:
        one_by_one = evolve(one_by_one, event, compiled=nets)
    assert one_by_one == evolve_all(None, events, compiled=nets)

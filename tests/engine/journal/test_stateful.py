"""The SQLite store, the memory store and a plain dictionary, driven side by side."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.engine.journal.batches import batch, item, specification
from weft.engine.journal.memory import MemoryJournal
from weft.engine.journal.sqlite import SqliteJournal
from weft.engine.ports import (
    CaseClaimed,
    CaseId,
    CaseSummary,
    EngineId,
    ItemId,
    JournalConflict,
    OpenItem,
    Record,
    Snapshot,
    StoredSpecification,
)

cases = st.sampled_from(["a", "b", "Case-3.x"])
numbers = st.integers(1, 4)
times = st.none() | st.integers(-5, 20)
owners = st.sampled_from(["one", "two"])
texts = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


class Stores(RuleBasedStateMachine):
    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.sqlite = SqliteJournal(self.folder / "weft.db")
        self.sqlite._connection.execute("PRAGMA synchronous = OFF")
        self.memory = MemoryJournal()
        self.started = 0
        self.records: dict[str, list[Record]] = {}
        self.summaries: dict[str, tuple[int, CaseSummary]] = {}
        self.items: dict[tuple[str, str], OpenItem] = {}
        self.snapshots: dict[str, list[Snapshot]] = {}
        self.commands: set[tuple[str, str]] = set()
        self.nets: dict[str, bytes] = {}
        self.specifications: dict[tuple[str, str], StoredSpecification] = {}
        self.claims: dict[str, str] = {}

    @rule(
        case=cases,
        count=st.integers(0, 3),
        off=st.sampled_from([0] * 12 + [-1, 1]),
        command=st.none() | st.sampled_from(["c1", "c2"]),
        opened=st.lists(st.tuples(numbers, texts), max_size=2, unique_by=lambda pair: pair[0]),
        closed=st.lists(numbers, max_size=2),
        snapshot=st.none() | st.binary(max_size=4),
        status=st.sampled_from(["running", "running", "suspended", "completed"]),
        wake_at=times,
        started=st.integers(0, 3),
        data=st.binary(max_size=5),
    )
    def append(
        self,
        case: str,
        count: int,
        off: int,
        command: str | None,
        opened: list[tuple[int, str | None]],
        closed: list[int],
        snapshot: bytes | None,
        status: str,
        wake_at: int | None,
        started: int,
        data: bytes,
    ) -> None:
        head = len(self.records.get(case, ()))
        expected = max(head + off, 0)
        if expected + count == 0:
            count = 1
        one = batch(
            case,
            expected,
            count,
            data=data,
            command=command if count else None,
            opened=[item(case, f"x/{n}", role=role) for n, role in opened],
            closed=[f"x/{n}" for n in closed],
            snapshot=snapshot,
            status=status,
            wake_at=wake_at,
            started=started,
        )
        if expected != head or (case, one.command) in self.commands:
            for journal in (self.sqlite, self.memory):
                with pytest.raises(JournalConflict):
                    journal.append(one)
            return
        for journal in (self.sqlite, self.memory):
            assert journal.append(one) is None
        if case not in self.summaries:
            self.started += 1
            self.summaries[case] = (self.started, one.summary)
        self.records.setdefault(case, []).extend(one.records)
        self.summaries[case] = (self.summaries[case][0], one.summary)
        for opened_item in one.opened:
            self.items[case, opened_item.item] = opened_item
        for name in one.closed:
            self.items.pop((case, name), None)
        if one.command is not None:
            self.commands.add((case, one.command))
        if one.snapshot is not None:
            kept = [s for s in self.snapshots.get(case, ()) if s.sequence != one.snapshot.sequence]
            self.snapshots[case] = [*kept, one.snapshot][-2:]

    @rule()
    def reopen(self) -> None:
        self.sqlite.close()
        self.sqlite = SqliteJournal(self.folder / "weft.db")
        self.sqlite._connection.execute("PRAGMA synchronous = OFF")
        for case, owner in list(self.claims.items()):  # closing gives claims back
            self.memory.release(CaseId(case), EngineId(owner))
        self.claims.clear()

    @rule(name=st.sampled_from("hk"), image=st.binary(max_size=3))
    def put_net(self, name: str, image: bytes) -> None:
        for journal in (self.sqlite, self.memory):
            journal.put_net(name, image)
        self.nets.setdefault(name, image)

    @rule(
        name=st.sampled_from("st"),
        version=st.sampled_from("12"),
        source=st.binary(max_size=1),
        origin=texts,
    )
    def put_specification(self, name: str, version: str, source: bytes, origin: str | None) -> None:
        newest = max((s.added for s in self.specifications.values()), default=0)
        one = specification(name, version, newest + 1, source=source, origin=origin)
        known = self.specifications.get((name, version))
        if known is not None and (known.source, known.origin) == (source, origin):
            return  # whether the same again renews its age is the store's own affair
        for journal in (self.sqlite, self.memory):
            journal.put_specification(one)
        self.specifications[name, version] = one

    @rule(case=cases, owner=owners)
    def claim(self, case: str, owner: str) -> None:
        free = self.claims.get(case, owner) == owner
        for journal in (self.sqlite, self.memory):
            if free:
                journal.claim(CaseId(case), EngineId(owner))
            else:
                with pytest.raises(CaseClaimed):
                    journal.claim(CaseId(case), EngineId(owner))
        self.claims.setdefault(case, owner)

    @rule(case=cases, owner=owners)
    def release(self, case: str, owner: str) -> None:
        for journal in (self.sqlite, self.memory):
            journal.release(CaseId(case), EngineId(owner))
        if self.claims.get(case) == owner:
            del self.claims[case]

    @rule(case=cases, after=st.integers(-1, 12), until=st.none() | st.integers(-1, 12))
    def read_a_stretch(self, case: str, after: int, until: int | None) -> None:
        wanted = [
            r
            for r in self.records.get(case, ())
            if r.sequence > after and (until is None or r.sequence <= until)
        ]
        kept = self.snapshots.get(case, ())
        fitting = [s for s in kept if until is None or s.sequence <= until]
        for journal in (self.sqlite, self.memory):
            assert list(journal.records(CaseId(case), after=after, until=until)) == wanted
            assert journal.snapshot(CaseId(case), until=until) == (fitting or [None])[-1]

    @rule(
        now=st.integers(-6, 21), limit=st.integers(0, 4), status=st.sampled_from(["running", "x"])
    )
    def ask_for_lists(self, now: int, limit: int, status: str) -> None:
        running = [
            (s.wake_at, number, s.case)
            for number, s in self.summaries.values()
            if s.status == "running" and s.wake_at is not None and s.wake_at <= now
        ]
        newest = sorted(
            self.summaries.values(), key=lambda pair: (pair[1].started, pair[0]), reverse=True
        )
        chosen = [s for _, s in newest if s.status == status]
        for journal in (self.sqlite, self.memory):
            due = journal.due(now, limit=limit)  # type: ignore[arg-type]
            assert list(due) == [case for _, _, case in sorted(running)][:limit]
            assert list(journal.cases(limit=limit)) == [s for _, s in newest][:limit]
            assert list(journal.cases(status=status)) == chosen

    @invariant()
    def all_agree(self) -> None:
        listed = sorted(self.specifications.values(), key=lambda s: (s.name, -s.added))
        for journal in (self.sqlite, self.memory):
            for case, (_, summary) in self.summaries.items():
                assert journal.summary(CaseId(case)) == summary
                assert list(journal.records(CaseId(case))) == self.records[case]
            # Between cases the age of items is that of their first opening, as in the model.
            assert list(journal.worklist()) == list(self.items.values())
            for key, opened in self.items.items():
                assert journal.open_item(CaseId(key[0]), ItemId(key[1])) == opened
            for command in ("c1", "c2"):
                for case in ("a", "b"):
                    seen = (case, command) in self.commands
                    assert journal.command_seen(CaseId(case), command) is seen
            assert {h: journal.net(h) for h in self.nets} == self.nets
            assert list(journal.specifications()) == listed

    def teardown(self) -> None:
        if hasattr(self, "sqlite"):
            assert not self.sqlite.check()
            self.sqlite.close()
            shutil.rmtree(self.folder)


TestStores: Any = Stores.TestCase
TestStores.settings = settings(max_examples=60, stateful_step_count=40)

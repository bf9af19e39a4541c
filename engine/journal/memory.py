"""A journal in memory: for tests, for simulation, and for cases that need not outlive a process.

It is also the readable model of a store: `weft.engine.journal.sqlite` must behave like it.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import copy
from itertools import chain, count, islice
from typing import Any, Protocol

import msgspec

from weft.engine.case import CaseState, snapshot
from weft.engine.events import GENESIS, record
from weft.engine.journal.batch import FEW_EVENTS, Encoded, check_batch
from weft.engine.journal.large import unreferenced
from weft.engine.net import CompiledSpecification
from weft.engine.ports import (
    Append,
    AwaitedTrigger,
    CaseClaimed,
    CaseId,
    CaseSummary,
    EngineId,
    History,
    ItemId,
    JournalConflict,
    Microseconds,
    OpenItem,
    Record,
    Snapshot,
    StoredSpecification,
)
from weft.schema.errors import JournalError, WeftError

__all__ = ["MemoryJournal", "Told"]

_SNAPSHOTS_KEPT = 2

_TELLING = threading.RLock()
"""Whoever reads first writes down what is told; who reads on another thread waits for it."""


class Told(Protocol):
    """Who tells of a case what has happened only when somebody reads (`MemoryJournal.hear`).

    What is told is what `append` would have been given, batch by batch. An open item is under way,
    or offered: then `MemoryJournal.offered` is told. No time is waited for.
    """

    case: CaseId
    compiled: CompiledSpecification
    sequence: int
    started: int
    updated: int
    status: str
    number: int
    """How many cases there were before it; `MemoryJournal.hear` sets it for a new one."""

    parked: bool
    """Whether nothing happens before somebody outside acts."""
    offers: list[str]
    """The items that are offered."""

    def hear(self, journal: MemoryJournal) -> None:
        """Tell of what is offered from now on, and of what is offered already."""
        ...

    def row(self, name: str) -> OpenItem:
        """An item that is offered."""
        ...

    def drained(self) -> list[Any]:
        """What has happened since this was called, in order.

        A time, and the events that have it, again and again; where a snapshot is due, the state.
        """
        ...

    def detach(self) -> None:
        """Somebody else writes: it has to be told by `append` from now on."""
        ...


class _Case(msgspec.Struct, eq=False):
    """All there is of one case. ``records`` begins with the event ``dropped + 1``."""

    summary: CaseSummary
    number: int
    records: list[Record] = []
    dropped: int = 0
    snapshots: list[Snapshot] = []
    commands: set[str] = msgspec.field(default_factory=set)


class MemoryJournal:
    """Implements `weft.engine.ports.Journal` without a disk: an append is done on return.

    Args:
        url: How the store calls itself in errors.
        keep_events: False drops the events behind the newest snapshot of each case, so that a
            case without end needs bounded memory. Asking for dropped events is an error.
    """

    def __init__(self, url: str = "memory:", *, keep_events: bool = True) -> None:
        self.url = url
        self._keep_events = keep_events
        self._cases: dict[CaseId, _Case] = {}
        self._told: dict[CaseId, Told] = {}
        """Who may know more of a case than is written here."""
        self._numbers = count()
        self._items: dict[tuple[CaseId, ItemId], OpenItem | Told] = {}
        """The work list; a row is with who tells of its case until somebody else writes."""
        self._awaited: dict[str, dict[tuple[CaseId, str], AwaitedTrigger]] = {}
        self._waits: dict[tuple[CaseId, str], str] = {}
        self._wakes: list[tuple[Microseconds, int, CaseId]] = []
        self._nets: dict[str, bytes] = {}
        self._blobs: dict[str, bytes] = {}
        self._specifications: dict[tuple[str, str], StoredSpecification] = {}
        self.revision = [0]
        """Has another number whenever a specification has been kept, by whoever shares the store."""
        self._host, self._borrowed = "here", False
        self._owners: dict[CaseId, EngineId] = {}
        self._leases: dict[EngineId, tuple[str, Microseconds]] = {}
        self._claims: dict[CaseId, EngineId] = {}
        """Those that were claimed through this object; `_owners` has what counts."""
        self._closed = False

    # ── writing ──────────────────────────────────────────────────────────────────────────────

    def append(self, batch: Append) -> None:
        """Keep ``batch``; see `weft.engine.ports.Journal.append`."""
        self._check_open()
        check_batch(batch, where=self.url)
        case = self._found(batch.case)
        self._hear_no_more(batch.case)
        before = None if case is None else case.summary
        head = 0 if before is None else before.sequence
        if head != batch.expected:
            raise JournalConflict(
                f"case {batch.case!r} has {head} events, this append follows event"
                f" {batch.expected}: another writer was first; read the case again",
                where=self.url,
            )
        mine = self._claims.get(batch.case)
        if mine is not None and self._owners.get(batch.case) not in (None, mine):
            raise JournalConflict(
                f"case {batch.case!r} has been taken over by another engine", where=self.url
            )
        if case is None:
            case = self._cases[batch.case] = _Case(batch.summary, next(self._numbers))
        elif batch.command is not None and batch.command in case.commands:
            raise JournalConflict(
                f"case {batch.case!r} has already accepted command {batch.command!r}",
                code="duplicate-command",
                where=self.url,
            )
        if batch.command is not None:
            case.commands.add(batch.command)
        case.records.extend(batch.records)
        case.summary = batch.summary
        self._put_wake(case, batch.summary, before)
        for item in batch.opened:
            self._items[batch.case, item.item] = item
        for closed in batch.closed:
            self._items.pop((batch.case, closed), None)
        for wait in batch.unawaits:
            self._unawait((batch.case, wait))
        for row in batch.awaits:
            self._unawait((batch.case, row.wait))
            self._waits[batch.case, row.wait] = row.trigger
            self._awaited.setdefault(row.trigger, {})[batch.case, row.wait] = row
        if batch.snapshot is not None:
            self._put_snapshot(case, batch.snapshot)

    def append_all(self, batches: Sequence[Encoded]) -> None:
        """Keep batches of many cases; what fails has its ``failure``, and the others are kept."""
        for made in batches:
            try:
                self.append(made.batch)
                made.failure = None
            except WeftError as error:
                made.failure = error

    def _unawait(self, key: tuple[CaseId, str]) -> None:
        trigger = self._waits.pop(key, None)
        if trigger is not None:
            del self._awaited[trigger][key]

    def _put_wake(self, case: _Case, summary: CaseSummary, before: CaseSummary | None) -> None:
        wake_at, status = summary.wake_at, summary.status
        if wake_at is None or status != "running":
            return
        if before is not None and (before.wake_at, before.status) == (wake_at, status):
            return
        heapq.heappush(self._wakes, (wake_at, case.number, summary.case))
        # Entries that no longer hold stay in the heap until they come up; bound their number.
        if len(self._wakes) > 64 + 2 * len(self._cases):
            self._wakes[:] = [
                (s.wake_at, number, s.case)
                for number, s in self._summaries()
                if s.wake_at is not None and s.status == "running"
            ]
            heapq.heapify(self._wakes)

    def _put_snapshot(self, case: _Case, snapshot: Snapshot) -> None:
        kept = [s for s in case.snapshots if s.sequence != snapshot.sequence]
        kept = sorted([*kept, snapshot], key=lambda s: s.sequence)
        case.snapshots = kept[-_SNAPSHOTS_KEPT:]
        if not self._keep_events:
            newest = case.snapshots[-1].sequence
            case.snapshots = case.snapshots[-1:]
            del case.records[: max(newest - case.dropped, 0)]
            case.dropped = max(newest, case.dropped)

    # ── what is told when it is asked for ────────────────────────────────────────────────────

    @property
    def hears(self) -> bool:
        """Whether `hear` may be called: all events are kept, and nobody watches `append`."""
        return self._keep_events and type(self) is MemoryJournal and "append" not in vars(self)

    def begin(self, case: CaseId, owner: EngineId, told: Told) -> bool:
        """Claim a new case, of which somebody tells when somebody reads (`claim`, `hear`).

        False: there is a case with this id.
        """
        if self._closed:
            self._check_open()
        if case in self._cases or case in self._told:
            return False
        if case in self._owners or owner not in self._leases:
            self.claim(case, owner)
        else:
            self._owners[case] = self._claims[case] = owner
        told.number = next(self._numbers)
        self._told[case] = told
        told.hear(self)
        return True

    def offered(self, told: Told, item: str) -> None:
        """An item is offered in a case of which somebody tells."""
        self._items[told.case, ItemId(item)] = told

    def hear(self, case: CaseId, told: Told) -> None:
        """Let somebody tell of a case when somebody reads, instead of at each batch.

        The journal is the same to all who read. The case is claimed by who tells, as for `append`.
        """
        self._check_open()
        found = self._found(case)
        told.number = next(self._numbers) if found is None else found.number
        self._told[case] = told
        told.hear(self)

    def _hear_no_more(self, case: CaseId) -> None:
        told = self._told.pop(case, None)
        if told is not None:
            told.detach()
            for item in told.offers:
                self._items[case, ItemId(item)] = told.row(item)

    def _found(self, case: CaseId) -> _Case | None:
        """A case with all that is known of it."""
        told = self._told.get(case)
        if told is not None:
            self._write(case, told)
        return self._cases.get(case)

    def _write(self, name: CaseId, told: Told) -> None:
        with _TELLING:
            self._write_down(name, told)

    def _write_down(self, name: CaseId, told: Told) -> None:
        log = told.drained()
        if not log:
            return
        case = self._cases.get(name)
        records: list[Record] = [] if case is None else case.records
        before = records[-1].hash if records else GENESIS
        due: list[tuple[CaseState, int, bytes]] = []
        made: list[Record] = []
        time = Microseconds(0) if case is None else case.summary.updated
        for entry in log:
            if type(entry) is int:
                time = Microseconds(entry)
                continue
            sequence = len(records) + len(made)
            if isinstance(entry, CaseState):
                due = [*due[1 - _SNAPSHOTS_KEPT :], (entry, sequence, before)]
                continue
            sequence += 1
            made.append(record(entry, case=name, sequence=sequence, time=time, before=before))
            before = made[-1].hash
        records.extend(made)
        status = str(told.status)
        if told.sequence != len(records):  # it has gone on since, as only what runs does
            status = "running"
        compiled = told.compiled
        summary = CaseSummary(
            case=name,
            specification=compiled.name,
            version=compiled.version,
            net=compiled.hash,
            status=status,
            idle=told.parked and told.sequence == len(records),
            started=Microseconds(told.started),
            updated=time,
            sequence=len(records),
        )
        if case is None:
            case = self._cases[name] = _Case(summary, told.number, records)
        else:
            case.summary = summary
        for state, at, link in due:
            self._put_snapshot(case, snapshot(state, at, link))
        if status != "running":
            self._told.pop(name, None)

    def _summaries(self) -> list[tuple[int, CaseSummary]]:
        """Every case's number and summary."""
        for name in tuple(self._told):
            self._found(name)
        return [(case.number, case.summary) for case in self._cases.values()]

    # ── reading a case ───────────────────────────────────────────────────────────────────────

    def records(
        self, case: CaseId, *, after: int = 0, until: int | None = None
    ) -> Sequence[Record]:
        """The events of a case; see `weft.engine.ports.Journal.records`.

        Raises:
            JournalError: Some of them were dropped (code ``dropped``).
        """
        self._check_open()
        found = self._found(case)
        after = max(after, 0)
        if found is None or (until is not None and until <= after):
            return ()
        if after < found.dropped:
            raise JournalError(
                f"the events of case {case!r} up to {found.dropped} were dropped, because this"
                " store keeps none behind a snapshot; ask for events after that one, or open"
                " the store with keep_events=True",
                code="dropped",
                where=self.url,
            )
        end = None if until is None else until - found.dropped
        return tuple(found.records[after - found.dropped : end])

    def histories(self, cases: Sequence[CaseId]) -> Mapping[CaseId, History]:
        """Many cases at once; see `weft.engine.ports.Journal.histories`."""
        self._check_open()
        found = {case: self._found(case) for case in cases}
        return {
            case: History(known.summary, tuple(known.records))
            for case, known in found.items()
            if known is not None and not known.dropped and len(known.records) <= FEW_EVENTS
        }

    def snapshot(self, case: CaseId, *, until: int | None = None) -> Snapshot | None:
        """The newest snapshot of a case; see `weft.engine.ports.Journal.snapshot`."""
        self._check_open()
        found = self._found(case)
        if found is None:
            return None
        behind = (s for s in found.snapshots if until is None or s.sequence <= until)
        return max(behind, key=lambda s: s.sequence, default=None)

    def summary(self, case: CaseId) -> CaseSummary | None:
        """The summary of a case, or None."""
        self._check_open()
        found = self._found(case)
        return None if found is None else found.summary

    def command_seen(self, case: CaseId, command: str) -> bool:
        """Whether a batch with this command id was kept."""
        self._check_open()
        found = self._cases.get(case)
        return found is not None and command in found.commands

    def commanded(self, command: str) -> Sequence[CaseId]:
        """The cases that have kept a batch with this command id, the oldest first."""
        self._check_open()
        return tuple(case for case, found in self._cases.items() if command in found.commands)

    # ── lists ────────────────────────────────────────────────────────────────────────────────

    def cases(
        self, *, status: str | None = None, limit: int | None = None
    ) -> Sequence[CaseSummary]:
        """The cases, newest first; see `weft.engine.ports.Journal.cases`."""
        self._check_open()
        found = [(n, s) for n, s in self._summaries() if status is None or s.status == status]
        found.sort(key=lambda known: (known[1].started, known[0]), reverse=True)
        return tuple(summary for _, summary in found[:limit])

    def due(self, now: Microseconds, *, limit: int) -> Sequence[CaseId]:
        """Running cases to wake, the earliest first; see `weft.engine.ports.Journal.due`."""
        self._check_open()
        found: dict[CaseId, tuple[Microseconds, int, CaseId]] = {}
        while self._wakes and self._wakes[0][0] <= now and len(found) < limit:
            entry = heapq.heappop(self._wakes)
            if self._wakes_at(entry):
                found[entry[2]] = entry
        for entry in found.values():
            heapq.heappush(self._wakes, entry)
        return tuple(found)

    def stopped(self) -> Sequence[CaseId]:
        """Running cases that are not idle; see `weft.engine.ports.Journal.stopped`."""
        return tuple(s.case for s in self.cases(status="running") if not s.idle)

    def next_wake(self) -> Microseconds | None:
        """The earliest time to wake a case; see `weft.engine.ports.Journal.next_wake`."""
        self._check_open()
        while self._wakes:
            if self._wakes_at(self._wakes[0]):
                return self._wakes[0][0]
            heapq.heappop(self._wakes)
        return None

    def _wakes_at(self, entry: tuple[Microseconds, int, CaseId]) -> bool:
        """Whether an entry of the heap still holds."""
        case = self._found(entry[2])
        return case is not None and (case.summary.wake_at, case.summary.status) == (
            entry[0],
            "running",
        )

    def awaiting(self, trigger: str, *, key: str | None = None) -> Sequence[CaseId]:
        """The cases that a trigger is for; see `weft.engine.ports.Journal.awaiting`."""
        self._check_open()
        rows = self._awaited.get(trigger, {}).values()
        return tuple(dict.fromkeys(r.case for r in rows if key is None or r.key in (None, key)))

    def worklist(
        self, *, role: str | None = None, case: CaseId | None = None
    ) -> Sequence[OpenItem]:
        """The open items, oldest first; see `weft.engine.ports.Journal.worklist`."""
        self._check_open()
        rows = (self._row(*row) for row in self._items.items() if case in (None, row[0][0]))
        return tuple(row for row in rows if role is None or row.role == role)

    def _row(self, key: tuple[CaseId, ItemId], row: OpenItem | Told) -> OpenItem:
        return row if isinstance(row, OpenItem) else row.row(key[1])

    def open_item(self, case: CaseId, item: ItemId) -> OpenItem | None:
        """One row of the work list, or None."""
        self._check_open()
        row = self._items.get((case, item))
        return None if row is None else self._row((case, item), row)

    # ── nets and specifications ──────────────────────────────────────────────────────────────

    def put_net(self, hash: str, image: bytes) -> None:
        """Keep a compiled net under its hash."""
        self._check_open()
        self._nets.setdefault(hash, image)

    def net(self, hash: str) -> bytes | None:
        """A compiled net by its hash, or None."""
        self._check_open()
        return self._nets.get(hash)

    def put_blob(self, hash: str, data: bytes) -> None:
        """Keep a large value under its hash."""
        self._check_open()
        self._blobs.setdefault(hash, data)

    def blob(self, hash: str) -> bytes | None:
        """A large value by its hash, or None."""
        self._check_open()
        return self._blobs.get(hash)

    def collect(self) -> tuple[int, int]:
        """Remove large values that no event refers to; see `weft.engine.ports.Journal.collect`."""
        self._check_open()
        if self._owners:
            case, owner = next(iter(self._owners.items()))
            raise JournalError(
                f"engine {owner!r} is at work on case {case!r}: large values can be collected"
                " when it is closed",
                code="in-use",
                where=self.url,
            )
        self._summaries()
        cases = self._cases.values()
        texts = chain(
            (r.data for c in cases for r in c.records), (s.data for c in cases for s in c.snapshots)
        )
        gone = [
            self._blobs.pop(hash_) for hash_ in unreferenced(self._blobs, texts, self._blobs.get)
        ]
        return len(gone), sum(map(len, gone))

    def put_specification(self, specification: StoredSpecification) -> None:
        """Keep a specification; see `weft.engine.ports.Journal.put_specification`."""
        self._check_open()
        key = (specification.name, specification.version)
        self.revision[0] += 1
        self._specifications.pop(key, None)  # so that it becomes the last of the dictionary
        self._specifications[key] = specification

    def specifications(self) -> Sequence[StoredSpecification]:
        """All specifications, by name, then newest first."""
        self._check_open()
        newest_first = list(self._specifications.values())
        newest_first.reverse()
        newest_first.sort(key=lambda s: s.added, reverse=True)
        newest_first.sort(key=lambda s: s.name)
        return tuple(newest_first)

    def specification(self, name: str, version: str | None = None) -> StoredSpecification | None:
        """One specification: that version, or the one that was added last."""
        if version is not None:
            self._check_open()
            return self._specifications.get((name, version))
        return next(islice((s for s in self.specifications() if s.name == name), 1), None)

    # ── claims ───────────────────────────────────────────────────────────────────────────────

    def claim(self, case: CaseId, owner: EngineId, *, now: Microseconds | None = None) -> bool:
        """Take the case for one engine; see `weft.engine.ports.Journal.claim`."""
        self._check_open()
        holder = self._owners.get(case)
        if holder is not None and holder != owner:
            self._check_dead(case, holder, _time() if now is None else now)
            self._found(case)
            self._hear_no_more(case)
        if owner not in self._leases:
            self._leases[owner] = (self._host, Microseconds(0))
        self._owners[case] = self._claims[case] = owner
        return holder is not None and holder != owner

    def _check_dead(self, case: CaseId, holder: EngineId, now: Microseconds) -> None:
        host, until = self._leases.get(holder, (self._host, Microseconds(0)))
        if holder not in self._leases or (host != self._host and until <= now):
            return
        where = "of this process" if host == self._host else f"on host {host!r}"
        raise CaseClaimed(
            f"case {case!r} is driven by engine {holder!r} {where}; wait until that"
            " engine is done with it, or close it",
            where=case,
        )

    def reserve(self, case: CaseId, owner: EngineId, *, now: Microseconds) -> bool:
        """Claim a case that is about to start in a turn, if nothing is known of it."""
        if case in self._owners or self.summary(case) is not None:
            return False
        self.claim(case, owner, now=now)
        return True

    def claim_all(
        self, cases: Sequence[CaseId], owner: EngineId, *, now: Microseconds | None = None
    ) -> Mapping[CaseId, bool]:
        """Take many cases; see `weft.engine.ports.Journal.claim_all`."""
        taken = {}
        for case in cases:
            with suppress(CaseClaimed):
                taken[case] = self.claim(case, owner, now=now)
        return taken

    def renew(
        self, owner: EngineId, *, until: Microseconds, now: Microseconds | None = None
    ) -> Sequence[CaseId]:
        """Let an engine's lease end later; see `weft.engine.ports.Journal.renew`."""
        self._check_open()
        self._leases[owner] = (self._host, until)
        mine = [case for case, engine in self._claims.items() if engine == owner]
        return [case for case in mine if self._owners.get(case) != owner]

    def release(self, case: CaseId, owner: EngineId) -> None:
        """Give a claim back; see `weft.engine.ports.Journal.release`."""
        if self._closed:
            self._check_open()
        if self._claims.get(case) == owner:
            del self._claims[case]
            if self._owners.get(case) == owner:
                del self._owners[case]

    def elsewhere(self, host: str) -> MemoryJournal:
        """The same store as an engine on another host sees it."""
        other = copy(self)
        other._host, other._claims, other._borrowed = host, {}, True
        return other

    def close(self) -> None:
        """Forget everything, or give back what was claimed from elsewhere; twice is one."""
        if self._borrowed:
            if not self._closed:
                for case, owner in list(self._claims.items()):
                    self.release(case, owner)
            self._closed = True
            return
        self._closed = True
        for table in (self._cases, self._told, self._items, self._nets, self._specifications):
            table.clear()
        self._claims.clear()
        self._owners.clear()
        self._leases.clear()
        self._wakes.clear()
        self._awaited.clear()
        self._waits.clear()

    def _check_open(self) -> None:
        if self._closed:
            raise JournalError(
                "this store was closed; open it again", code="closed", where=self.url
            )


def _time() -> Microseconds:
    return Microseconds(time.time_ns() // 1000)

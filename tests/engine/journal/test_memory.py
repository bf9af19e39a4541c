from __future__ import annotations

import pytest

from tests.engine.journal.batches import batch, sequences, write
from weft.engine.journal.memory import MemoryJournal
from weft.engine.ports import CaseId, Microseconds, Snapshot
from weft.schema.errors import JournalError

A = CaseId("a")


def test_events_behind_a_snapshot_can_be_dropped() -> None:
    journal = MemoryJournal(keep_events=False)
    write(journal, batch("a", 0, 3), batch("a", 3, 2, snapshot=b"five"), batch("a", 5, 2))
    assert sequences(journal, "a", after=5) == [6, 7]
    assert sequences(journal, "a", after=6, until=7) == [7]
    assert sequences(journal, "a", after=6, until=6) == []
    assert journal.snapshot(A) == Snapshot(5, 1, b"five")
    assert journal.snapshot(A, until=4) is None


@pytest.mark.parametrize("after", [0, 4])
def test_asking_for_dropped_events_is_an_error_not_a_gap(after: int) -> None:
    journal = MemoryJournal("memory:test", keep_events=False)
    write(journal, batch("a", 0, 5, snapshot=b"five"))
    with pytest.raises(JournalError, match="up to 5 were dropped") as caught:
        journal.records(A, after=after)
    assert (caught.value.code, caught.value.where) == ("dropped", "memory:test")


def test_a_case_without_end_needs_bounded_memory() -> None:
    journal = MemoryJournal(keep_events=False)
    for n in range(2000):
        snapshot = b"state" if n % 10 == 9 else None
        write(journal, batch("a", n, snapshot=snapshot, wake_at=n, command=None))
    assert len(journal._cases[A].records) < 10
    assert len(journal._wakes) < 100
    assert list(journal.due(Microseconds(1999), limit=1)) == [A]


def test_an_older_snapshot_drops_nothing_more() -> None:
    journal = MemoryJournal(keep_events=False)
    write(journal, batch("a", 0, 4, snapshot=b"four"), batch("a", 4, 1))
    late = batch("a", 5, 1)
    write(journal, late)
    assert sequences(journal, "a", after=4) == [5, 6]

"""Group commit of the SQLite store: what shares a transaction, and what fails with whom."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tests.engine.journal.batches import batch, item, sequences, summary, write
from tests.engine.journal.conformance import settle
from tests.engine.journal.faults import FaultyDisk
from weft.engine.journal import sqlite
from weft.engine.journal.sqlite import SqliteJournal
from weft.engine.ports import CaseId, EngineId, JournalConflict
from weft.schema.errors import InternalError, JournalError

A, B = CaseId("a"), CaseId("b")


@pytest.fixture
def disk() -> Iterator[FaultyDisk]:
    with FaultyDisk() as disk:
        yield disk


@pytest.fixture
def journal(disk: FaultyDisk, tmp_path: Path) -> Iterator[SqliteJournal]:
    journal = SqliteJournal(tmp_path / "weft.db", vfs=disk.vfs)
    write(journal, batch("a", 0), batch("b", 0))  # syncs the header of the WAL, too
    disk.counts.clear()
    yield journal
    journal.close()


async def test_all_that_waits_in_a_turn_shares_one_sync(
    journal: SqliteJournal, disk: FaultyDisk
) -> None:
    assert not any(await settle(*(journal.append(batch(f"case-{n}", 0, 3)) for n in range(64))))
    assert disk.counts["sync"] == 1
    assert not any(await settle(*(journal.append(batch(f"case-{n}", 3, 1)) for n in range(64))))
    assert disk.counts["sync"] == 2


def test_without_a_loop_each_append_is_durable_on_return(
    journal: SqliteJournal, disk: FaultyDisk
) -> None:
    write(journal, batch("a", 1), batch("a", 2))
    assert disk.counts["sync"] == 2


async def test_a_transaction_is_bounded(
    journal: SqliteJournal, disk: FaultyDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "MAX_BATCHES_PER_COMMIT", 10)
    assert not any(await settle(*(journal.append(batch(f"case-{n}", 0)) for n in range(25))))
    assert disk.counts["sync"] == 3
    for n in range(25):
        journal.append(batch(f"case-{n}", 1))
    journal.close()
    assert disk.counts["sync"] >= 6


async def test_a_conflict_fails_alone(journal: SqliteJournal, disk: FaultyDisk) -> None:
    failures = await settle(
        journal.append(batch("a", 1, opened=[item("a", "x/1")])),
        journal.append(batch("b", 7, opened=[item("b", "y/1")])),
        journal.append(batch("c", 0)),
        journal.append(batch("a", 0)),
    )
    assert [type(f) for f in failures] == [
        type(None),
        JournalConflict,
        type(None),
        JournalConflict,
    ]
    assert disk.counts["sync"] == 1
    assert sequences(journal, "a") == [1, 2]
    assert sequences(journal, "c") == [1]
    assert [i.item for i in journal.worklist()] == ["x/1"]


async def test_what_follows_a_failed_batch_of_its_case_fails_too(journal: SqliteJournal) -> None:
    failures = await settle(
        journal.append(batch("a", 9)),  # a conflict
        journal.append(batch("a", 10)),
        journal.append(batch("b", 1)),
    )
    assert [type(f) for f in failures] == [JournalConflict, JournalConflict, type(None)]


async def test_a_value_that_cannot_be_stored_fails_alone(journal: SqliteJournal) -> None:
    for_good = batch("b", 1)
    failures = await settle(
        journal.append(batch("a", 1, opened=[item("a", "x/1"), item("a", "y/1", task="\udcff")])),
        journal.append(for_good),
        journal.append(batch("c", 0, wake_at=2**70)),
    )
    assert [type(f) for f in failures] == [InternalError, type(None), InternalError]
    assert isinstance(failures[0], InternalError)
    assert failures[0].code == "bad-batch"
    assert journal.summary(A) == summary("a", 1)
    assert journal.summary(B) == for_good.summary
    assert journal.summary(CaseId("c")) is None
    assert list(journal.worklist()) == []


async def test_a_batch_that_is_too_large_fails_alone(journal: SqliteJournal) -> None:
    journal._connection.limit(apsw.SQLITE_LIMIT_LENGTH, 100_000)
    failures = await settle(
        journal.append(batch("a", 1, data=bytes(200_000))), journal.append(batch("b", 1))
    )
    assert [getattr(f, "code", None) for f in failures] == ["too-big", None]
    write_again = journal.append(batch("a", 1))
    assert not any(await settle(write_again))


async def test_a_duplicate_command_fails_alone(journal: SqliteJournal) -> None:
    failures = await settle(
        journal.append(batch("a", 1, command="c")),
        journal.append(batch("a", 2, command="c")),
        journal.append(batch("b", 1, command="c")),
    )
    assert [getattr(f, "code", None) for f in failures] == [None, "duplicate-command", None]


async def test_a_failing_disk_fails_the_whole_transaction_and_leaves_the_store_usable(
    journal: SqliteJournal, disk: FaultyDisk
) -> None:
    disk.failing.add("sync")
    failures = await settle(journal.append(batch("a", 1)), journal.append(batch("b", 1)))
    assert [getattr(f, "code", None) for f in failures] == ["io", "io"]
    assert failures[0] is not failures[1]
    assert "case 'b'" in str(failures[1])
    assert sequences(journal, "a") == [1]
    disk.failing.clear()
    assert not any(await settle(journal.append(batch("a", 1)), journal.append(batch("b", 1))))


async def test_the_disk_may_fail_while_a_wrong_batch_is_sorted_out(
    journal: SqliteJournal, disk: FaultyDisk
) -> None:
    disk.failing.add("sync")
    failures = await settle(
        journal.append(batch("a", 1, wake_at=2**70)), journal.append(batch("b", 1))
    )
    assert [getattr(f, "code", None) for f in failures] == ["io", "io"]
    assert sequences(journal, "b") == [1]


async def test_cancelling_the_wait_does_not_take_the_batch_back(journal: SqliteJournal) -> None:
    wait = journal.append(batch("a", 1))
    assert isinstance(wait, asyncio.Future)
    wait.cancel()
    assert not any(await settle(journal.append(batch("a", 2))))
    assert sequences(journal, "a") == [1, 2, 3]


def test_what_a_finished_loop_left_behind_is_written_with_the_next_append(
    journal: SqliteJournal,
) -> None:
    async def append_and_leave() -> None:
        journal.append(batch("a", 1))
        asyncio.get_running_loop().stop()

    loop = asyncio.new_event_loop()
    task = loop.create_task(append_and_leave())
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    assert task.done()
    write(journal, batch("a", 2))
    assert sequences(journal, "a") == [1, 2, 3]

    async def go_on() -> None:
        assert not any(await settle(journal.append(batch("a", 3))))

    asyncio.run(go_on())


async def test_an_interrupt_leaves_nobody_waiting(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = journal._store
    seen = []

    def interrupted(entry: sqlite._Waiting) -> object:
        seen.append(store(entry))
        if len(seen) == 2:
            raise KeyboardInterrupt
        return None

    monkeypatch.setattr(journal, "_store", interrupted)
    waits = [journal.append(batch("a", 1)), journal.append(batch("b", 1))]
    with pytest.raises(KeyboardInterrupt):
        journal._commit()
    failures = await settle(*waits)
    assert [getattr(f, "code", None) for f in failures] == ["interrupted", "interrupted"]
    monkeypatch.undo()
    assert sequences(journal, "a") == [1]
    assert not any(await settle(journal.append(batch("a", 1))))


def test_a_transaction_that_could_not_be_rolled_back_is_before_the_next(
    journal: SqliteJournal,
) -> None:
    journal._connection.execute("BEGIN")
    journal._connection.execute("DELETE FROM cases WHERE id = 'none'")
    write(journal, batch("a", 1))
    assert not journal._connection.in_transaction
    assert sequences(journal, "a") == [1, 2]


def test_claims_cost_no_sync(journal: SqliteJournal, disk: FaultyDisk) -> None:
    journal.claim(A, EngineId("one"))
    journal.release(A, EngineId("one"))
    journal.claim(A, EngineId("one"))
    assert disk.counts["write"] > 0
    assert disk.counts["sync"] == 0
    write(journal, batch("a", 1))
    assert disk.counts["sync"] == 1


async def test_a_release_that_cannot_be_written_goes_with_a_later_commit(
    journal: SqliteJournal, disk: FaultyDisk, tmp_path: Path
) -> None:
    journal.claim(A, EngineId("one"))
    disk.failing.add("write")
    journal.release(A, EngineId("one"))
    await asyncio.sleep(0)
    disk.failing.clear()
    assert not any(await settle(journal.append(batch("b", 1))))
    other = SqliteJournal(tmp_path / "weft.db")
    other.claim(A, EngineId("two"))
    other.close()


def test_a_claim_that_cannot_be_written_is_none(journal: SqliteJournal, disk: FaultyDisk) -> None:
    disk.failing.add("write")
    with pytest.raises(JournalError, match="cannot claim case 'a'") as caught:
        journal.claim(A, EngineId("one"))
    assert caught.value.code == "io"
    disk.failing.clear()
    journal.claim(A, EngineId("two"))


@pytest.mark.parametrize("doing", ["net", "specification"])
def test_a_net_or_specification_that_cannot_be_kept_is_an_error(
    journal: SqliteJournal, disk: FaultyDisk, doing: str
) -> None:
    from tests.engine.journal.batches import specification

    disk.failing.add("sync")

    def put() -> None:
        if doing == "net":
            journal.put_net("h", b"image")
        else:
            journal.put_specification(specification("s", "1", 1))

    with pytest.raises(JournalError, match=f"cannot keep {doing}") as caught:
        put()
    assert caught.value.code == "io"
    disk.failing.clear()
    put()
    before = disk.counts["sync"]
    put()
    assert disk.counts["sync"] == before, "what is known already is not written again"

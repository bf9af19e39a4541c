"""What was acknowledged is there: after kill -9, and after a power cut at every single write."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.engine.journal.batches import batch, item, sequences, write
from tests.engine.journal.faults import FaultyDisk
from tests.engine.journal.processes import child, kill, line
from weft.engine.journal.sqlite import SqliteJournal
from weft.engine.ports import CaseId, EngineId
from weft.schema.errors import JournalError


@pytest.mark.parametrize("lines", [1, 40, 300])
def test_after_kill_9_everything_acknowledged_is_there(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "weft.db"
    with child("append", f"sqlite:///{path}") as process:
        said = [line(process) for _ in range(lines)]
        kill(process)
        assert process.stdout is not None
        *rest, cut_short = process.stdout.read().split("\n")
        assert cut_short == "", "a line is one write"
    acknowledged = {case: int(number) for case, number in map(str.split, said + rest)}
    journal = SqliteJournal(path)
    for case, number in acknowledged.items():
        found = sequences(journal, case)
        assert len(found) >= number
        assert found == list(range(1, len(found) + 1))
    assert not journal.check()
    write(journal, *(batch(case, len(sequences(journal, case))) for case in acknowledged))
    journal.close()


def work(path: Path, disk: FaultyDisk) -> dict[str, int]:
    """Make a store, append to two cases, until the power goes; gives what was acknowledged."""
    acknowledged = {"a": 0, "b": 0}
    try:
        journal = SqliteJournal(path, vfs=disk.vfs)
    except JournalError:
        return acknowledged
    journal._connection.execute("PRAGMA wal_autocheckpoint = 8")
    try:
        for n in range(8):
            case = "ab"[n % 2]
            head = acknowledged[case]
            opened = [item(case, f"x/{n}")]
            write(
                journal, batch(case, head, 3, data=bytes(300), opened=opened, snapshot=bytes(500))
            )
            acknowledged[case] = head + 3
    except JournalError:
        pass
    journal.close()
    return acknowledged


def check(path: Path, disk: FaultyDisk, acknowledged: dict[str, int]) -> None:
    journal = SqliteJournal(path, vfs=disk.vfs)
    for case, number in acknowledged.items():
        found = sequences(journal, case)
        assert found == list(range(1, len(found) + 1))
        # One append may have become durable without anybody hearing of it.
        assert len(found) in {number, number + 3}
        assert len(journal.worklist(case=case)) == len(found) // 3  # type: ignore[arg-type]
    assert not journal.check()
    write(journal, *(batch(case, len(sequences(journal, case))) for case in acknowledged))
    journal.close()


def remove(path: Path) -> None:
    for file in path.parent.glob(path.name + "*"):
        if file.is_file():
            file.unlink()


@pytest.mark.parametrize("seed", [None, 1])
def test_after_a_power_cut_at_any_point_everything_acknowledged_is_there(
    tmp_path: Path, seed: int | None
) -> None:
    path = tmp_path / "weft.db"
    with FaultyDisk() as disk:
        assert sum(work(path, disk).values()) == 24
        operations = disk.operations
        disk.restore()
        check(path, disk, {"a": 12, "b": 12})
        assert operations > 50
        survived = set()
        for cut in range(1, operations + 1):
            remove(path)
            disk.operations = 0
            disk.cut_power_at = cut
            acknowledged = work(path, disk)
            disk.restore(None if seed is None else random.Random(seed * 1000 + cut))
            check(path, disk, acknowledged)
            survived.add(sum(acknowledged.values()))
        assert survived >= set(range(0, 24, 3)), "the power went between all appends"


def test_the_disk_of_the_tests_does_lose_what_was_not_synced(tmp_path: Path) -> None:
    path = tmp_path / "weft.db"
    with FaultyDisk() as disk:
        journal = SqliteJournal(path, vfs=disk.vfs)
        write(journal, batch("a", 0))
        journal._connection.execute("PRAGMA synchronous = NORMAL")
        write(journal, batch("a", 1), batch("a", 2))
        assert sequences(journal, "a") == [1, 2, 3]
        disk.cut_power()
        journal.close()
        disk.restore()
    journal = SqliteJournal(path)
    assert sequences(journal, "a") == [1]
    journal.close()


def test_a_claim_may_be_lost_with_the_power_and_takes_nothing_with_it(tmp_path: Path) -> None:
    path = tmp_path / "weft.db"
    with FaultyDisk() as disk:
        journal = SqliteJournal(path, vfs=disk.vfs)
        write(journal, batch("a", 0))
        journal.claim(CaseId("a"), EngineId("one"))
        disk.cut_power()
        journal.close()
        disk.restore()
    journal = SqliteJournal(path)
    assert sequences(journal, "a") == [1]
    journal.claim(CaseId("a"), EngineId("two"))
    write(journal, batch("a", 1))
    journal.close()

"""Claims between processes: a living engine keeps its cases, a dead one has none."""

from __future__ import annotations

import errno
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.journal.batches import batch, sequences, write
from tests.engine.journal.processes import child, kill, line
from weft.engine.journal import claims
from weft.engine.journal.claims import EngineLock, boot, find_engine, lock_file, prune
from weft.engine.journal.sqlite import SqliteJournal
from weft.engine.ports import CaseClaimed, CaseId, EngineId, JournalConflict
from weft.schema.errors import JournalError

A, B = CaseId("a"), CaseId("b")
OURS, THEIRS = EngineId("ours"), EngineId("theirs")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/weft.db"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "weft.db.engines"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    journal = SqliteJournal(tmp_path / "weft.db")
    write(journal, batch("a", 0), batch("b", 0))
    yield journal
    journal.close()


@pytest.fixture
def other(tmp_path: Path, journal: SqliteJournal) -> Iterator[SqliteJournal]:
    """The same store once more, as another process would open it."""
    other = SqliteJournal(tmp_path / "weft.db")
    yield other
    other.close()


# ── two stores on one file ───────────────────────────────────────────────────────────────────


def test_a_claim_is_seen_by_the_other_at_once(journal: SqliteJournal, other: SqliteJournal) -> None:
    journal.claim(A, OURS)
    with pytest.raises(CaseClaimed) as caught:
        other.claim(A, THEIRS)
    assert f"engine 'ours' (process {os.getpid()} on host {socket.gethostname()}" in str(
        caught.value
    )
    assert "wait until it is done" in caught.value.message
    other.claim(B, THEIRS)
    journal.release(A, OURS)
    other.claim(A, THEIRS)
    with pytest.raises(CaseClaimed):
        journal.claim(A, OURS)


def test_engines_of_the_same_name_are_two(journal: SqliteJournal, other: SqliteJournal) -> None:
    journal.claim(A, OURS)
    with pytest.raises(CaseClaimed):
        other.claim(A, OURS)


def test_closing_gives_every_claim_back(
    journal: SqliteJournal, other: SqliteJournal, folder: Path
) -> None:
    journal.claim(A, OURS)
    write(journal, batch("a", 1))
    journal.close()
    assert not list(folder.iterdir())
    other.claim(A, THEIRS)


def test_two_who_start_the_same_case_meet_at_its_first_batch(
    journal: SqliteJournal, other: SqliteJournal
) -> None:
    new = CaseId("new")
    journal.claim(new, OURS)
    other.claim(new, THEIRS)
    write(journal, batch("new", 0))
    with pytest.raises(JournalConflict):
        other.append(batch("new", 0))
    with pytest.raises(JournalConflict, match="taken over by another engine"):
        other.append(batch("new", 1))
    other.release(new, THEIRS)
    with pytest.raises(CaseClaimed):
        other.claim(new, THEIRS)
    write(journal, batch("new", 1))


def test_an_engine_that_lost_its_claim_cannot_append(
    journal: SqliteJournal, other: SqliteJournal, folder: Path
) -> None:
    journal.claim(A, OURS)
    for path in folder.iterdir():  # somebody has declared it dead
        path.unlink()
    other.claim(A, THEIRS)
    with pytest.raises(JournalConflict, match="taken over by another engine"):
        journal.append(batch("a", 1))
    write(other, batch("a", 1))
    assert sequences(journal, "a") == [1, 2]


def test_an_append_without_a_claim_leaves_the_owner(
    journal: SqliteJournal, other: SqliteJournal
) -> None:
    journal.claim(A, OURS)
    write(other, batch("a", 1))
    with pytest.raises(CaseClaimed):
        other.claim(A, THEIRS)
    write(journal, batch("a", 2))


# ── processes ────────────────────────────────────────────────────────────────────────────────


def test_the_claims_of_a_killed_process_are_free_at_once(journal: SqliteJournal, url: str) -> None:
    with child("claim", url, "a") as process:
        assert line(process) == "claimed"
        with pytest.raises(CaseClaimed, match=f"process {process.pid} on host"):
            journal.claim(A, OURS)
        kill(process)
        assert journal.claim(A, OURS) is True, "the one who had it has died"
        assert journal.claim(A, OURS) is False
        write(journal, batch("a", 1))


def test_a_forked_child_does_not_keep_the_claims_of_its_parent(
    journal: SqliteJournal, url: str
) -> None:
    with child("fork", url, "a") as process:
        forked = int(line(process).removeprefix("claimed "))
        try:
            with pytest.raises(CaseClaimed):
                journal.claim(A, OURS)
            kill(process)
            os.kill(forked, 0)  # it lives
            journal.claim(A, OURS)
        finally:
            os.kill(forked, signal.SIGKILL)


def test_two_processes_append_to_the_same_cases_without_a_gap(url: str, tmp_path: Path) -> None:
    with child("race", url, "150") as one, child("race", url, "150") as two:
        said = [process.communicate()[0].split() for process in (one, two)]
        assert [process.returncode for process in (one, two)] == [0, 0]
    assert [words[-1] for words in said] == ["done", "done"]
    journal = SqliteJournal(tmp_path / "weft.db")
    found = [sequences(journal, f"case-{n}") for n in range(3)]
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in found)
    assert sum(map(len, found)) == 300
    assert not journal.check()
    journal.close()


# ── other machines ───────────────────────────────────────────────────────────────────────────


def claimed_elsewhere(
    journal: SqliteJournal, url: str, folder: Path, *, boot: str, host: str
) -> None:
    """Have a process claim case a and die; then make its lock file say where it was."""
    with child("claim", url, "a") as process:
        assert line(process) == "claimed"
    (path,) = folder.iterdir()
    path.write_text(
        f'{{"engine":"far","host":"{host}","boot":"{boot}","pid":7,"since":"2026-01-01T00:00:00"}}'
    )


def test_an_engine_on_another_host_can_only_be_released_by_hand(
    journal: SqliteJournal, url: str, folder: Path
) -> None:
    claimed_elsewhere(journal, url, folder, boot="elsewhere", host="far-away")
    with pytest.raises(CaseClaimed, match="process 7 on host far-away") as caught:
        journal.claim(A, OURS)
    advice = re.search(r"'(rm .*)'", caught.value.message)
    assert advice is not None
    subprocess.run(advice[1].split(), check=True)
    journal.claim(A, OURS)


def test_an_engine_from_before_a_restart_of_this_host_is_dead(
    journal: SqliteJournal, url: str, folder: Path
) -> None:
    claimed_elsewhere(journal, url, folder, boot="before", host=socket.gethostname())
    journal.claim(A, OURS)


# ── lock files ───────────────────────────────────────────────────────────────────────────────


def test_dead_engines_leave_nothing_behind(journal: SqliteJournal, url: str, folder: Path) -> None:
    with child("claim", url, "a") as process:
        assert line(process) == "claimed"
    (folder / "notes.txt").write_text("not a lock")
    (folder / "zz.lock").write_text("no number")
    assert len(list(folder.glob("*.lock"))) == 2
    journal.claim(A, OURS)
    left = {path.name for path in folder.iterdir()}
    assert left == {journal._engines[OURS].path.name, "notes.txt", "zz.lock"}


def test_a_lock_is_found_as_long_as_it_is_held(tmp_path: Path) -> None:
    lock = EngineLock(tmp_path / "engines", "one")
    found = find_engine(tmp_path / "engines", lock.number)
    assert found is not None
    assert (found.engine, found.pid, found.boot) == ("one", os.getpid(), boot())
    prune(tmp_path / "engines")
    assert lock.path == lock_file(tmp_path / "engines", lock.number)
    assert lock.path.exists()
    lock.close()
    lock.close()
    assert find_engine(tmp_path / "engines", lock.number) is None
    assert not lock.path.exists()


def test_a_lock_file_that_was_cut_short_still_counts(tmp_path: Path) -> None:
    lock = EngineLock(tmp_path, "one")
    lock.path.write_text('{"engine":')
    found = find_engine(tmp_path, lock.number)
    assert found is not None
    assert found.engine == "unknown"
    lock.close()


def test_a_lock_that_somebody_removed_while_it_was_made_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = claims._locked
    seen: list[int] = []

    def removed_first(file: int, kind: int) -> bool:
        seen.append(file)
        if len(seen) == 1:
            next(tmp_path.glob("*.lock")).unlink()
        return take(file, kind)

    monkeypatch.setattr(claims, "_locked", removed_first)
    lock = EngineLock(tmp_path, "one")
    assert len(seen) == 2
    assert lock.path.exists()
    lock.close()


def test_a_lock_file_on_a_full_disk(
    journal: SqliteJournal, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(JournalError, match="no case can be claimed") as caught:
        journal.claim(A, OURS)
    assert caught.value.code == "full"
    assert not list(folder.iterdir())
    monkeypatch.undo()
    journal.claim(A, OURS)


def test_where_the_kernel_has_no_name_the_host_has(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(self: Path, *_: object) -> str:
        raise FileNotFoundError(str(self))

    monkeypatch.setattr(Path, "read_text", missing)
    assert boot.__wrapped__() == socket.gethostname()

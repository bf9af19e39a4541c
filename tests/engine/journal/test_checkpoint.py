from __future__ import annotations

from pathlib import Path
from threading import Thread
from typing import Any

import apsw
import pytest

from tests.engine.journal.batches import batch, sequences, write
from weft.engine.journal import checkpoint
from weft.engine.journal.sqlite import SqliteJournal

FEW = 20
"""So many pages are a checkpoint here."""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(checkpoint, "PAGES", FEW)
    return tmp_path / "weft.db"


def pages(path: Path) -> int:
    """How many pages the WAL has had room for."""
    return path.with_name(path.name + "-wal").stat().st_size // 4096


def fill(journal: SqliteJournal, rounds: int, *, wait: bool = True) -> None:
    """Commits, each with the checkpoint that it has begun behind it if we ``wait``."""
    for number in range(rounds):
        write(journal, batch("a", number, data=b"x" * 3000))
        thread = journal._checkpoints._thread if journal._checkpoints is not None else None
        if wait and thread is not None:
            thread.join()


def copied(path: Path, tmp_path: Path) -> int:
    """How many batches are in the database without its WAL."""
    alone = tmp_path / "alone.db"
    alone.write_bytes(path.read_bytes())
    connection = apsw.Connection(str(alone))
    [[count]] = connection.execute("SELECT count(*) FROM events").fetchall()
    connection.close()
    return int(count)


def test_the_wal_begins_anew_though_somebody_always_writes(path: Path, tmp_path: Path) -> None:
    journal = SqliteJournal(path)
    fill(journal, 80)
    assert pages(path) < 3 * FEW
    assert copied(path, tmp_path) > 50
    assert sequences(journal, "a") == list(range(1, 81))
    journal.close()


def test_closing_waits_for_a_checkpoint(path: Path) -> None:
    journal = SqliteJournal(path)
    fill(journal, 40, wait=False)
    journal.close()
    assert not path.with_name(path.name + "-wal").exists()
    again = SqliteJournal(path)
    assert sequences(again, "a") == list(range(1, 41))
    again.close()


def test_without_a_thread_the_commit_makes_the_checkpoint(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more(self: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(checkpoint.Thread, "start", no_more)
    journal = SqliteJournal(path)
    fill(journal, 50)
    assert pages(path) < 3 * FEW
    assert copied(path, tmp_path) > 20
    journal.close()


def test_a_checkpoint_that_fails_takes_nothing_with_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = SqliteJournal(path)

    class Full:
        def __init__(self, *given: Any, **more: Any) -> None:
            raise apsw.FullError("database or disk is full")

    monkeypatch.setattr(checkpoint.apsw, "Connection", Full)
    fill(journal, 40)
    assert sequences(journal, "a") == list(range(1, 41))
    monkeypatch.undo()
    journal.close()

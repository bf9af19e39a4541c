from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.journal.conformance import JournalContract
from weft.engine.journal import open_journal
from weft.engine.journal.claims import Host
from weft.engine.journal.memory import MemoryJournal
from weft.engine.journal.sqlite import SqliteJournal
from weft.engine.ports import Journal


class TestMemory(JournalContract):
    @pytest.fixture
    def journal(self) -> Iterator[Journal]:
        journal = open_journal("memory:")
        yield journal
        journal.close()

    @pytest.fixture
    def elsewhere(self, journal: MemoryJournal) -> Iterator[Journal]:
        other = journal.elsewhere("far-away")
        yield other
        other.close()


class TestSqlite(JournalContract):
    @pytest.fixture
    def journal(self, tmp_path: Path) -> Iterator[Journal]:
        journal = open_journal(f"sqlite:///{tmp_path}/new/weft.db")
        yield journal
        journal.close()

    def end_engines(self, journal: SqliteJournal) -> None:  # type: ignore[override]  # its own
        for lock in journal._engines.values():
            lock.close()

    @pytest.fixture
    def elsewhere(self, journal: SqliteJournal) -> Iterator[Journal]:
        other = SqliteJournal(journal.path, here=Host("far-away", "another kernel"))
        yield other
        other.close()

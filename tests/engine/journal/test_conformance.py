from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.journal.conformance import JournalContract
from weft.engine.journal import open_journal
from weft.engine.ports import Journal


class TestMemory(JournalContract):
    @pytest.fixture
    def journal(self) -> Iterator[Journal]:
        journal = open_journal("memory:")
        yield journal
        journal.close()


class TestSqlite(JournalContract):
    @pytest.fixture
    def journal(self, tmp_path: Path) -> Iterator[Journal]:
        journal = open_journal(f"sqlite:///{tmp_path}/new/weft.db")
        yield journal
        journal.close()

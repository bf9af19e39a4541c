from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.journal.batches import batch, sequences, write
from weft.engine.journal import open_journal
from weft.engine.journal.sqlite import SqliteJournal
from weft.schema.errors import UsageError


def test_memory_keeps_nothing() -> None:
    journal = open_journal("memory:")
    write(journal, batch("a", 0))
    assert sequences(open_journal("memory:"), "a") == []


def test_a_relative_and_an_absolute_path_name_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    journal = open_journal("sqlite:///folder/weft.db")
    assert journal.url == "sqlite:///folder/weft.db"
    monkeypatch.chdir("/")
    write(journal, batch("a", 0))
    journal.close()
    again = open_journal(f"sqlite:///{tmp_path}/folder/weft.db")
    assert isinstance(again, SqliteJournal)
    assert again.path == tmp_path / "folder" / "weft.db"
    assert sequences(again, "a") == [1]
    again.close()


def test_a_link_and_its_target_share_their_locks(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "real.db")
    journal = open_journal(f"sqlite:///{tmp_path}/link.db")
    assert isinstance(journal, SqliteJournal)
    assert journal.path == tmp_path / "real.db"
    journal.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("weft.db", "did you mean 'sqlite:///weft.db'"),
        ("/var/lib/weft.db", "did you mean 'sqlite:////var/lib/weft.db'"),
        ("", "memory:"),
        ("sqlite:weft.db", "sqlite:///relative/path.db"),
        ("sqlite://weft.db", "sqlite:///relative/path.db"),
        ("sqlite:///", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:///weft.db?mode=ro", "options"),
        ("sqlite:///a\0b", "NUL"),
        ("postgresql://host/db", "accepted are"),
        ("MEMORY:", "accepted are"),
    ],
)
def test_other_urls_are_refused_with_what_is_accepted(url: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        open_journal(url)
    assert caught.value.code == "store-url"
    assert "memory:" in caught.value.message

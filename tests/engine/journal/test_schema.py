"""The tables of the SQLite store: what the database itself refuses, plans, versions."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tests.engine.journal.batches import batch, item, sequences, write
from weft.engine.journal import sqlite
from weft.engine.journal.sqlite import APPLICATION_ID, MIGRATIONS, QUERIES, SqliteJournal, migrate
from weft.engine.ports import CaseId
from weft.schema.errors import JournalError

A = CaseId("a")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with two cases; ``a`` has three events in two batches."""
    path = tmp_path / "weft.db"
    journal = SqliteJournal(path)
    write(
        journal,
        batch("a", 0, 2, opened=[item("a", "x/1")]),
        batch("a", 2, 1, snapshot=b"state", command="c"),
        batch("b", 0, 1),
    )
    journal.close()
    return path


@pytest.fixture
def other(path: Path) -> Iterator[apsw.Connection]:
    """Another program with the file open; it knows nothing of our rules."""
    connection = apsw.Connection(str(path))
    yield connection
    connection.close()


# ── what the database itself refuses ─────────────────────────────────────────────────────────


INSERT = (
    "INSERT INTO events (case_no, previous, first, last, checksum, data)"
    " VALUES (:case, :previous, :first, :last, 0, x'')"
)
RIGHT = {"case": 1, "previous": 2, "first": 4, "last": 5}
"""What may follow: the events of case 1 are rows 1 (events 1 and 2) and 2 (event 3)."""


@pytest.mark.parametrize(
    "wrong",
    [
        {"first": 3},  # a number twice
        {"first": 5},  # a number left out
        {"first": 1},
        {"last": 3},  # nothing in it
        {"previous": 1},  # a second row behind row 1
        {"previous": 1, "first": 3, "last": 3},
        {"previous": -1, "first": 1},  # a second beginning
        {"previous": 3},  # behind a row of another case
        {"previous": 99},  # behind a row that is not there
        {"case": 2},
        {"case": 99, "previous": -99, "first": 1},  # no such case
    ],
)
def test_no_writer_can_store_a_number_twice_or_leave_one_out(
    other: apsw.Connection, wrong: dict[str, int]
) -> None:
    other.execute("PRAGMA foreign_keys = ON")
    with pytest.raises(apsw.ConstraintError):
        other.execute(INSERT, RIGHT | wrong)
    other.execute(INSERT, RIGHT)
    assert other.execute("SELECT tail FROM cases WHERE no = 1").fetchall() == [(4,)]


def test_the_index_alone_refuses_a_second_row_behind_one(other: apsw.Connection) -> None:
    other.execute("DROP TRIGGER events_in_sequence")
    with pytest.raises(apsw.ConstraintError, match=r"events\.previous"):
        other.execute(INSERT, RIGHT | {"previous": 1, "first": 3, "last": 3})


def test_a_head_that_disagrees_with_the_events_stops_the_case_not_the_others(
    path: Path, other: apsw.Connection
) -> None:
    other.execute("UPDATE cases SET sequence = 2 WHERE id = 'a'")
    journal = SqliteJournal(path)
    with pytest.raises(JournalError, match="begins right behind") as caught:
        journal.append(batch("a", 2, 1))
    assert caught.value.code == "corrupt"
    write(journal, batch("b", 1, 1))
    journal.close()


# ── plans ────────────────────────────────────────────────────────────────────────────────────

LISTS_ALL = {
    "cases": r"SCAN c USING INDEX cases_by_start",
    "items": r"SCAN i",
    "specifications": r"SCAN specifications USING INDEX specifications_by_age",
    "case ids": r"SCAN cases",
    "net hashes": r"SCAN nets USING COVERING INDEX \w+",
    "blob hashes": r"SCAN blobs USING COVERING INDEX \w+",
    # Only a repeated attempt to emit asks it, of the few commands that have an id.
    "commanded": r"SCAN e USING COVERING INDEX events_by_command",
}
"""These are asked for everything, and go through the table or an index in the order wanted."""

STATEMENTS = {
    name: getattr(sqlite, name)
    for name in (
        "_START",
        "_MOVE",
        "_PUT_EVENTS",
        "_PUT_ITEM",
        "_DROP_ITEM",
        "_PUT_SNAPSHOT",
        "_DROP_SNAPSHOTS",
        "_CLAIM",
        "_RELEASE",
    )
}


def plan(connection: apsw.Connection, statement: str) -> list[str]:
    marks = len(set(re.findall(r"\?\d+", statement))) or statement.count("?")
    rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", (None,) * marks).fetchall()
    return [row[3] for row in rows]


@pytest.mark.parametrize("name", QUERIES)
def test_queries_use_indexes(other: apsw.Connection, name: str) -> None:
    steps = plan(other, QUERIES[name])
    assert steps, "a query has a plan"
    scans = [step for step in steps if step.startswith("SCAN")]
    if name in ("records", "histories"):  # over the chain that it has found so far: no table
        scans = [step for step in scans if step not in {"SCAN c", "SCAN chain"}]
    if name in ("heads", "summaries", "histories"):  # over the list that is asked for
        scans = [step for step in scans if not step.startswith("SCAN j VIRTUAL TABLE")]
    if name in LISTS_ALL:
        assert len(scans) == 1
        assert re.fullmatch(LISTS_ALL[name], scans[0])
    else:
        assert not scans, steps
    if not name.startswith("items by case"):  # the items of one case are few, and sorted
        assert not any("TEMP B-TREE" in step for step in steps), steps


@pytest.mark.parametrize("name", STATEMENTS)
def test_statements_use_indexes(other: apsw.Connection, name: str) -> None:
    assert not [step for step in plan(other, STATEMENTS[name]) if step.startswith("SCAN")]


def test_the_plan_of_a_scan_would_be_seen(other: apsw.Connection) -> None:
    assert plan(other, "SELECT * FROM cases WHERE net = ?") == ["SCAN cases"]


# ── versions ─────────────────────────────────────────────────────────────────────────────────


def test_a_new_store_says_whose_it_is_and_which_version(other: apsw.Connection) -> None:
    assert other.pragma("application_id") == APPLICATION_ID
    assert other.pragma("user_version") == len(MIGRATIONS)
    assert other.pragma("journal_mode") == "wal"


def test_an_older_store_is_brought_up_to_date(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = (
        *MIGRATIONS,
        "ALTER TABLE cases ADD COLUMN colour TEXT; UPDATE cases SET colour = 'green'",
        "CREATE INDEX cases_by_colour ON cases (colour)",
    )
    monkeypatch.setattr(sqlite, "MIGRATIONS", newer)
    journal = SqliteJournal(path)
    assert sequences(journal, "a") == [1, 2, 3]
    assert journal._connection.pragma("user_version") == len(newer)
    colours = journal._connection.execute("SELECT id, colour FROM cases").fetchall()
    assert colours == [("a", "green"), ("b", "green")]
    journal.close()
    SqliteJournal(path).close()


def test_a_migration_that_fails_changes_nothing(path: Path) -> None:
    connection = apsw.Connection(str(path))
    with pytest.raises(apsw.SQLError):
        migrate(connection, (*MIGRATIONS, "CREATE TABLE half (x)", "SELECT nonsense FROM nowhere"))
    assert connection.pragma("user_version") == len(MIGRATIONS)
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE name = 'half'").fetchall()
    assert tables == []
    connection.close()
    SqliteJournal(path).close()


def test_a_newer_store_is_refused_and_not_touched(path: Path, other: apsw.Connection) -> None:
    known = len(MIGRATIONS)
    other.execute(f"PRAGMA user_version = {known + 1}")
    with pytest.raises(JournalError) as caught:
        SqliteJournal(path)
    assert caught.value.code == "newer"
    assert f"version {known + 1}" in caught.value.message
    assert f"up to {known}" in caught.value.message
    other.execute(f"PRAGMA user_version = {known}")
    SqliteJournal(path).close()


@pytest.mark.parametrize(
    "script",
    [
        "PRAGMA application_id = 1",
        "PRAGMA user_version = 3",
        "CREATE TABLE letters (x); INSERT INTO letters VALUES ('a')",
    ],
)
def test_the_database_of_another_program_is_refused_and_not_touched(
    tmp_path: Path, script: str
) -> None:
    path = tmp_path / "theirs.db"
    connection = apsw.Connection(str(path))
    connection.execute(script)
    connection.close()
    before = path.read_bytes()
    with pytest.raises(JournalError) as caught:
        SqliteJournal(path)
    assert caught.value.code == "not-ours"
    assert path.read_bytes() == before


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "weft.db").touch()
    journal = SqliteJournal(tmp_path / "weft.db")
    write(journal, batch("a", 0))
    journal.close()


def test_a_backup_of_a_store_in_use_is_a_store(path: Path, tmp_path: Path) -> None:
    journal = SqliteJournal(path)
    backup = apsw.Connection(str(path))
    backup.execute(f"VACUUM INTO '{tmp_path}/copy.db'")  # as docs/storage.md says
    backup.close()
    copy = SqliteJournal(tmp_path / "copy.db")
    assert list(copy.records(A)) == list(journal.records(A))
    assert not copy.check()
    write(copy, batch("a", 3))
    copy.close()
    journal.close()


async def test_processes_may_make_one_store_at_the_same_time(
    tmp_path: Path, repository: Path
) -> None:
    url = f"sqlite:///{tmp_path}/weft.db"
    child = (
        "import sys; from weft.engine.journal import open_journal as o;"
        "sys.stdin.readline(); o(sys.argv[1]).close()"
    )
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", child, url, stdin=asyncio.subprocess.PIPE, cwd=repository
        )
        for _ in range(4)
    ]
    results = await asyncio.gather(*(p.communicate(b"go\n") for p in processes))
    assert len(results) == 4
    assert [p.returncode for p in processes] == [0, 0, 0, 0]
    journal = SqliteJournal(tmp_path / "weft.db")
    assert not journal.check()
    journal.close()

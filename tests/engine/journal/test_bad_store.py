"""Stores that cannot do what is asked: each says why and what to do, and loses nothing."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import apsw
import pytest

from tests.engine.journal.batches import batch, item, sequences, specification, write
from tests.engine.journal.faults import FaultyDisk
from weft.engine.journal import open_journal, sqlite
from weft.engine.journal.sqlite import MIGRATIONS, SqliteJournal
from weft.engine.ports import CaseId, EngineId, ItemId, Snapshot
from weft.schema.errors import JournalError

A, B = CaseId("a"), CaseId("b")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weft.db"


@pytest.fixture
def disk() -> Iterator[FaultyDisk]:
    with FaultyDisk() as disk:
        yield disk


def refusal(path: Path, **options: object) -> JournalError:
    """Why the store cannot be opened."""
    with pytest.raises(JournalError) as caught:
        SqliteJournal(path, url=f"sqlite:///{path}", **options)  # type: ignore[arg-type]
    assert caught.value.where == f"sqlite:///{path}"
    return caught.value


def failure(journal: SqliteJournal, case: str, expected: int) -> JournalError:
    """Why an append fails; nothing of it may be there."""
    before = sequences(journal, case)
    with pytest.raises(JournalError) as caught:
        journal.append(batch(case, expected))
    assert caught.value.where == journal.url
    assert "nothing of this was stored" in caught.value.message
    assert sequences(journal, case) == before
    return caught.value


# ── places ───────────────────────────────────────────────────────────────────────────────────


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "a" / "b" / "weft.db")
    write(journal, batch("a", 0))
    journal.close()


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    error = refusal(tmp_path)
    assert (error.code, "is a folder" in error.message) == ("not-a-database", True)


def test_a_place_where_no_folder_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    error = refusal(tmp_path / "file" / "weft.db")
    assert (error.code, str(tmp_path / "file") in error.message) == ("cannot-open", True)


def test_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to(tmp_path / "two")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    assert refusal(tmp_path / "one" / "weft.db").code == "cannot-open"


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    assert refusal(tmp_path / ("x" * 300)).code == "cannot-open"


def test_text_is_not_a_database(path: Path) -> None:
    path.write_text("dear diary\n" * 1000)
    error = refusal(path)
    assert error.code == "not-a-database"
    assert path.read_text() == "dear diary\n" * 1000


# ── permissions, as a user who is not root ───────────────────────────────────────────────────


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that the user has to himself, and no right of root while the test runs."""
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as name:  # what Python loads late, it loads while it may
        warm = SqliteJournal(Path(name) / "weft.db")
        warm.claim(A, EngineId("one"))
        warm.close()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if user == 0:
            os.chown(folder, 65534, -1)
            os.seteuid(65534)
        try:
            yield folder
        finally:
            os.seteuid(user)
            for found in (folder, *folder.rglob("*")):
                found.chmod(0o755)


def test_a_file_without_the_right_to_write_can_be_read(home: Path) -> None:
    path = home / "weft.db"
    journal = SqliteJournal(path)
    write(journal, batch("a", 0))
    journal.close()
    path.chmod(0o444)
    journal = SqliteJournal(path)
    assert sequences(journal, "a") == [1]
    error = failure(journal, "a", 1)
    assert error.code == "read-only"
    assert "let this user write" in error.message
    journal.close()
    for file in home.glob("weft.db*"):
        file.chmod(0o644)
    journal = SqliteJournal(path)
    write(journal, batch("a", 1))
    journal.close()


def test_a_folder_without_the_right_to_write(home: Path) -> None:
    home.chmod(0o555)
    error = refusal(home / "weft.db")
    assert (error.code, "may this user write there" in error.message) == ("cannot-open", True)
    assert refusal(home / "new" / "weft.db").code == "cannot-open"
    home.chmod(0o755)
    SqliteJournal(home / "weft.db").close()


def test_no_claim_without_the_right_to_make_a_lock(home: Path) -> None:
    journal = SqliteJournal(home / "weft.db")
    home.chmod(0o555)
    with pytest.raises(JournalError, match="no case can be claimed") as caught:
        journal.claim(A, EngineId("one"))
    assert caught.value.code == "read-only"
    home.chmod(0o755)
    journal.claim(A, EngineId("one"))
    journal.close()


# ── a read-only file system, a full and a failing disk ───────────────────────────────────────


def test_a_read_only_file_system_can_be_read(path: Path, disk: FaultyDisk) -> None:
    writer = SqliteJournal(path)
    write(writer, batch("a", 0))
    disk.read_only = True
    journal = SqliteJournal(path, vfs=disk.vfs)
    assert sequences(journal, "a") == [1]
    assert failure(journal, "a", 1).code == "read-only"
    with pytest.raises(JournalError, match="cannot keep net") as caught:
        journal.put_net("h", b"")
    assert caught.value.code == "read-only"
    journal.close()
    write(writer, batch("a", 1))
    writer.close()


def test_no_store_can_be_made_on_a_read_only_file_system(path: Path, disk: FaultyDisk) -> None:
    disk.read_only = True
    assert refusal(path, vfs=disk.vfs).code in {"read-only", "cannot-open"}


@pytest.mark.parametrize("room", [0, 1_000, 5_000, 20_000, 60_000])
def test_a_full_disk_takes_nothing_that_was_acknowledged(
    path: Path, disk: FaultyDisk, room: int
) -> None:
    journal = SqliteJournal(path, vfs=disk.vfs)
    disk.room = room
    stored = 0
    while True:
        try:
            write(journal, batch("a", stored, 3, data=bytes(200), opened=[item("a", "x/1")]))
        except JournalError as error:
            assert error.code == "full"
            assert "make room" in error.message
            break
        stored += 3
        assert stored < 10_000, "the disk never filled up"
    assert sequences(journal, "a") == list(range(1, stored + 1))
    assert failure(journal, "b", 0).code == "full"
    disk.room = None
    write(journal, batch("a", stored, 3), batch("b", 0))
    assert not journal.check()
    journal.close()
    again = SqliteJournal(path)
    assert sequences(again, "a") == list(range(1, stored + 4))
    again.close()


def test_a_store_cannot_be_made_on_a_full_disk(path: Path, disk: FaultyDisk) -> None:
    disk.room = 6_000
    assert refusal(path, vfs=disk.vfs).code == "full"
    disk.room = None
    SqliteJournal(path, vfs=disk.vfs).close()


@pytest.mark.parametrize("operation", ["sync", "write"])
def test_a_failing_disk_takes_nothing_that_was_acknowledged(
    path: Path, disk: FaultyDisk, operation: str
) -> None:
    journal = SqliteJournal(path, vfs=disk.vfs)
    write(journal, batch("a", 0))
    disk.failing.add(operation)
    error = failure(journal, "a", 1)
    assert error.code == "io"
    assert "look at the disk" in error.message
    disk.failing.clear()
    write(journal, batch("a", 1))
    assert sequences(journal, "a") == [1, 2]
    journal.close()


def test_a_disk_that_cannot_be_read(path: Path, disk: FaultyDisk) -> None:
    journal = SqliteJournal(path)
    write(journal, batch("a", 0))
    journal.close()
    disk.failing.add("read")
    assert refusal(path, vfs=disk.vfs).code == "io"
    disk.failing.clear()
    journal = SqliteJournal(path, vfs=disk.vfs)
    disk.failing.add("read")
    with pytest.raises(JournalError, match="cannot read") as caught:
        journal.records(A)
    assert caught.value.code == "io"
    assert [fault.code for fault in journal.check()][:1] == ["io"]
    disk.failing.clear()
    assert sequences(journal, "a") == [1]
    journal.close()


# ── locked ───────────────────────────────────────────────────────────────────────────────────


def test_a_store_that_another_process_keeps_locked(path: Path) -> None:
    journal = SqliteJournal(path, busy_timeout_seconds=0.01)
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    error = failure(journal, "a", 0)
    assert error.code == "locked"
    assert "fuser" in error.message
    with pytest.raises(JournalError) as caught:
        journal.put_net("h", b"")
    assert caught.value.code == "locked"
    other.execute("ROLLBACK")
    write(journal, batch("a", 0))
    journal.claim(A, EngineId("one"))
    journal.close()
    other.close()


def test_a_claim_on_a_locked_store(path: Path) -> None:
    journal = SqliteJournal(path, busy_timeout_seconds=0.01)
    write(journal, batch("a", 0))
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError) as caught:
        journal.claim(A, EngineId("one"))
    assert caught.value.code == "locked"
    other.close()
    journal.claim(A, EngineId("one"))
    assert journal._connection.pragma("synchronous") == 2, "durable again"
    journal.close()


def test_a_store_that_another_process_has_for_itself(path: Path) -> None:
    SqliteJournal(path).close()
    other = apsw.Connection(str(path))
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    assert refusal(path, busy_timeout_seconds=0.01).code == "locked"
    other.close()
    SqliteJournal(path).close()


def test_a_new_store_that_another_process_reads(path: Path) -> None:
    other = apsw.Connection(str(path))
    other.execute("CREATE TABLE t (x); DROP TABLE t; BEGIN; SELECT * FROM sqlite_schema")
    assert refusal(path, busy_timeout_seconds=0.01).code == "locked"
    other.execute("COMMIT")
    SqliteJournal(path).close()
    other.close()


def test_the_switch_to_wal_is_tried_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = apsw.Connection(str(path))
    other.execute("CREATE TABLE t (x); DROP TABLE t; BEGIN; SELECT * FROM sqlite_schema")
    waited: list[float] = []

    def the_other_ends(seconds: float) -> None:
        waited.append(seconds)
        other.execute("COMMIT")

    clock = SimpleNamespace(monotonic=lambda: 0.0, sleep=the_other_ends)
    monkeypatch.setattr(sqlite, "time", clock)
    SqliteJournal(path, busy_timeout_seconds=0.001).close()
    assert len(waited) == 1
    other.close()


# ── damage ───────────────────────────────────────────────────────────────────────────────────


def fill(path: Path) -> None:
    """A store of about 60 KB with something in every table."""
    journal = SqliteJournal(path)
    for case in ("a", "b", "c"):
        for n in range(0, 40, 4):
            write(
                journal,
                batch(
                    case,
                    n,
                    4,
                    data=b"%04d" % n * 60,
                    opened=[item(case, f"x/{n}", role="clerk", form=b"{}")],
                    snapshot=b"state %d" % n if n % 8 == 0 else None,
                    command=f"command-{n}",
                    wake_at=n,
                ),
            )
    journal.put_net("h", bytes(range(256)) * 4)
    journal.put_specification(specification("s", "1", 1, source=b"weft: 1\n" * 30))
    journal.close()


def everything(journal: SqliteJournal) -> dict[str, object]:
    """What a store answers to every question; an error of ours is an answer, too."""
    answers: dict[str, object] = {}

    def ask(name: str, question: object) -> None:
        try:
            answers[name] = question()  # type: ignore[operator]
        except JournalError as error:
            assert error.code in {"corrupt", "not-a-database", "io"}, error
            answers[name] = error

    for case in (A, B, CaseId("c")):
        ask(f"records of {case}", lambda case=case: journal.records(case))
        ask(f"summary of {case}", lambda case=case: journal.summary(case))
        ask(f"items of {case}", lambda case=case: journal.worklist(case=case))
        ask(f"an item of {case}", lambda case=case: journal.open_item(case, ItemId("x/4")))
        ask(f"a command of {case}", lambda case=case: journal.command_seen(case, "command-4"))
    ask("cases", journal.cases)
    ask("running", lambda: journal.cases(status="running"))
    ask("clerk", lambda: journal.worklist(role="clerk"))
    ask("due", lambda: journal.due(99, limit=9))  # type: ignore[arg-type]
    ask("net", lambda: journal.net("h"))
    ask("specifications", journal.specifications)
    ask("specification", lambda: journal.specification("s"))
    return answers


def snapshots(journal: SqliteJournal) -> list[Snapshot | None]:
    found: list[Snapshot | None] = []
    for case in (A, B, CaseId("c")):
        try:
            found.append(journal.snapshot(case))
        except JournalError as error:
            assert error.code in {"corrupt", "io"}
    return found


def test_no_flipped_bit_is_passed_on(path: Path, tmp_path: Path) -> None:
    fill(path)
    journal = SqliteJournal(path)
    truth, good = everything(journal), snapshots(journal)
    older = [journal.snapshot(case, until=35) for case in (A, B, CaseId("c"))]
    assert not journal.check()
    journal.close()
    image = path.read_bytes()
    source = random.Random(7)
    found = passed_over = 0
    for _ in range(400):
        flipped = bytearray(image)
        at = source.randrange(len(image) * 8)
        flipped[at // 8] ^= 1 << at % 8
        damaged = tmp_path / "damaged.db"
        damaged.write_bytes(flipped)
        try:
            journal = SqliteJournal(damaged)
        except JournalError as error:
            assert error.code in {"corrupt", "not-a-database", "not-ours", "newer", "io"}
            found += 1
            continue
        answers = everything(journal)
        wrong = {k for k, v in answers.items() if v != truth[k] and not isinstance(v, JournalError)}
        faults = journal.check()
        # Events, nets and specifications are right or an error. What leads to them (an index, a
        # name) may be damaged so that something is not found; then the check says so.
        for name in wrong:
            assert faults, (at, name)
            assert (
                answers[name] in ((), [], None, False)
                or name
                in {
                    "cases",
                    "running",
                    "clerk",
                    "due",
                    "specifications",
                }
                or name.startswith("items")
            ), (at, name)
        assert all(s is None or s in good + older for s in snapshots(journal))
        found += any(isinstance(v, JournalError) for v in answers.values())
        passed_over += bool(faults)
        journal.close()
    assert found > 50
    assert passed_over >= found // 2


@pytest.mark.parametrize("part", [2, 99, 100, 512, 4095, 4096, 8192, 30_000, -4096, -1])
def test_a_truncated_store_is_named_not_half_read(path: Path, part: int) -> None:
    fill(path)
    journal = SqliteJournal(path)
    truth = everything(journal)
    journal.close()
    image = path.read_bytes()
    path.write_bytes(image[:part])
    try:
        journal = SqliteJournal(path)
    except JournalError as error:
        assert error.code in {"corrupt", "not-a-database", "io"}
        assert "backup" in error.message or "not an SQLite database" in error.message
        return
    answers = everything(journal)
    assert any(isinstance(v, JournalError) for v in answers.values())
    assert all(isinstance(v, JournalError) or v == truth[k] for k, v in answers.items())
    assert journal.check()
    journal.close()


def damage(path: Path, statement: str) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("DELETE FROM events WHERE case_no = 1 AND first = 5", "its event 1 cannot be found"),
        ("DELETE FROM events WHERE case_no = 1 AND last = 40", "its event 1 cannot be found"),
        ("DELETE FROM events WHERE case_no = 1", "its event 1 cannot be found"),
        ("UPDATE cases SET tail = 9 WHERE no = 1", "its event 37 cannot be found"),
        ("UPDATE cases SET tail = 11 WHERE no = 1", "its event 1 cannot be found"),
        ("UPDATE cases SET tail = NULL WHERE no = 1", "its event 1 cannot be found"),
        ("UPDATE events SET data = x'90' WHERE case_no = 1 AND first = 9", "events 9 to 12"),
        ("UPDATE events SET last = 11 WHERE case_no = 1 AND first = 9", "events 9 to 11"),
        ("UPDATE events SET first = 10 WHERE case_no = 1 AND first = 9", "its event 9 cannot"),
    ],
)
def test_missing_and_changed_events_are_named(path: Path, statement: str, says: str) -> None:
    fill(path)
    damage(path, statement)
    journal = SqliteJournal(path)
    with pytest.raises(JournalError, match=f"case 'a' is damaged: {says}") as caught:
        journal.records(A)
    assert caught.value.code == "corrupt"
    assert len(journal.records(B)) == 40
    assert list(journal.histories([A, B])) == [B], "who is damaged takes nobody along"
    assert [str(fault) for fault in journal.check()] == [str(caught.value)]
    journal.close()


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE cases SET status = 'completed' WHERE no = 1", "its summary"),
        ("UPDATE items SET task = 'y' WHERE case_no = 1", "work item 'x/0'"),
        ("UPDATE nets SET image = x''", "net 'h'"),
        ("UPDATE specifications SET source = x''", "specification 's' '1'"),
        ("UPDATE items SET item = CAST(x'ff' AS TEXT) WHERE no = 1", "damaged"),
        ("UPDATE cases SET net = CAST(x'ff' AS TEXT) WHERE no = 1", "damaged"),
        ("DELETE FROM cases WHERE no = 1", "belongs to no case"),
    ],
)
def test_changed_rows_are_found(path: Path, statement: str, says: str) -> None:
    fill(path)
    damage(path, statement)
    journal = SqliteJournal(path)
    assert any(isinstance(v, JournalError) for v in everything(journal).values()) or (
        "DELETE" in statement
    )
    assert set(journal.histories([A, B])) in ({A, B}, {B}, set()), "none of it is half read"
    faults = journal.check()
    assert faults
    assert says in faults[0].message
    assert {fault.code for fault in faults} == {"corrupt"}
    journal.close()


def test_a_damaged_snapshot_is_passed_over(path: Path) -> None:
    fill(path)
    damage(path, "UPDATE snapshots SET data = x'00' WHERE case_no = 1 AND sequence = 36")
    journal = SqliteJournal(path)
    assert journal.snapshot(A) == Snapshot(28, 1, b"state 24")
    assert [fault.message.split(";")[0] for fault in journal.check()] == [
        "case 'a' is damaged: its snapshot 36 has other bytes than written"
    ]
    journal.close()


def test_a_specification_from_a_folder_whose_name_is_no_text(path: Path) -> None:
    journal = open_journal(f"sqlite:///{path}")
    with pytest.raises(JournalError, match="rename the folder") as caught:
        journal.put_specification(specification("s", "1", 1, origin="/home/\udcff"))
    assert caught.value.code == "not-text"
    journal.close()

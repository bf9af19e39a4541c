"""The journal in one SQLite file: all of its SQL, and the only module that touches SQLite.

Theory of operation
-------------------
**A batch is a row.** What `Append` brings is packed into one row of ``events`` (msgpack), with a
checksum; the rows lie in the order of appending, and each names the one before it in its case, so
that a case is a chain, read from its newest row back. ``cases`` has a row a case: its head, which
is also what lists are made of. ``docs/decisions/0002-journal-layout.md`` has the measurement.

**Nobody appends a number twice.** The head is moved by compare-and-swap. The database's own
guarantee, whoever writes: no two rows may name the same one before them (a unique index), and a
row must begin with the number right behind the one it names (a trigger).

**Durable means: survives a power cut.** WAL with ``synchronous=FULL``: a commit returns after
its fsync. Many batches share one: with a running event loop, `SqliteJournal.append` only queues
its batch, and one commit for all that wait runs at the end of the loop's turn. (Committing a
lone batch at once would save one turn of the loop, 3 µs beside the 130 to 200 of the commit, and
nobody knows in the first append of a turn whether others follow.) Without a loop each append is a commit of its own.

**A batch fails alone.** A conflict is found before anything of its batch is written. Any other
fault of a single batch undoes the transaction, which is then repeated with a savepoint around
each batch. A fault of the store itself (disk full, I/O) fails all batches of the transaction:
all are rolled back, and the store can be used as soon as the cause is gone.

**Claims need no fsync.** ``cases.owner`` holds the number of the engine that has claimed the
case; whether that engine lives is a lock of the operating system, or on another host a lease
(`weft.engine.journal.claims`).
After a power cut no engine lives, so a claim may be lost with it. The claim of a case that does
not exist yet is written with its first batch. Every append of a claimed case checks that the
case is still ours: so an owner's number is also a fencing token.

**Nothing is half read.** Each row carries a checksum of its content; the batches of a case must
join without a gap and reach the head; else the answer is an error (``corrupt``) that names the
case. Snapshots are a shortcut: a damaged one is passed over for the one before it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import time
from collections import deque
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Any, Final, cast
from zlib import crc32

import apsw
import msgspec

from weft.engine.journal.batch import FEW_EVENTS, Encoded, check_batch, pack, unpack
from weft.engine.journal.checkpoint import Checkpoints
from weft.engine.journal.claims import (
    Engine,
    EngineLock,
    Host,
    find_engine,
    living,
    lock_file,
    prune,
    this_host,
)
from weft.engine.journal.large import unreferenced
from weft.engine.journal.views import VIEWS
from weft.engine.ports import (
    Append,
    AwaitedTrigger,
    CaseClaimed,
    CaseId,
    CaseSummary,
    EngineId,
    History,
    ItemId,
    JournalConflict,
    Microseconds,
    OpenItem,
    Record,
    Snapshot,
    StoredSpecification,
)
from weft.schema.errors import InternalError, JournalError

__all__ = ["APPLICATION_ID", "MIGRATIONS", "QUERIES", "SqliteJournal", "migrate"]

APPLICATION_ID: Final = 0x57656674
"""``Weft`` in ASCII, in the header of every database of ours."""

MAX_BATCHES_PER_COMMIT: Final = 4096
"""The bound of one transaction; what waits beyond it is committed in the next turn."""

SNAPSHOTS_KEPT: Final = 2

LEASE_SECONDS: Final = 30
"""How long the lease of an engine is that has not said for how long."""

MIGRATIONS: Final[Sequence[str]] = (
    # 1: the tables of the first release
    """
    CREATE TABLE cases (
        no INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        specification TEXT NOT NULL,
        version TEXT NOT NULL,
        net TEXT NOT NULL,
        status TEXT NOT NULL,
        idle INTEGER NOT NULL,
        started INTEGER NOT NULL,
        updated INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        wake_at INTEGER,
        error BLOB,
        owner INTEGER, -- the number of the engine that has claimed the case
        tail INTEGER, -- its newest row of events
        checksum INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX cases_by_start ON cases (started);
    CREATE INDEX cases_by_status ON cases (status, started);
    CREATE INDEX cases_by_wake ON cases (wake_at) WHERE wake_at IS NOT NULL AND status = 'running';

    CREATE TABLE events (
        no INTEGER PRIMARY KEY,
        case_no INTEGER NOT NULL REFERENCES cases (no),
        previous INTEGER NOT NULL UNIQUE, -- the row before it; minus case_no in the first one
        first INTEGER NOT NULL,
        last INTEGER NOT NULL CHECK (last >= first),
        command TEXT,
        checksum INTEGER NOT NULL,
        data BLOB NOT NULL,
        CHECK (previous < no)
    ) STRICT;
    CREATE UNIQUE INDEX events_by_command ON events (case_no, command) WHERE command IS NOT NULL;
    CREATE TRIGGER events_in_sequence BEFORE INSERT ON events
    WHEN new.first IS NOT 1 + CASE WHEN new.previous = -new.case_no THEN 0
        ELSE (SELECT last FROM events WHERE no = new.previous AND case_no = new.case_no) END
    BEGIN SELECT RAISE(ABORT, 'a batch begins right behind the one before'); END;
    CREATE TRIGGER events_move_tail AFTER INSERT ON events
    BEGIN UPDATE cases SET tail = new.no WHERE no = new.case_no; END;

    CREATE TABLE snapshots (
        case_no INTEGER NOT NULL REFERENCES cases (no),
        sequence INTEGER NOT NULL,
        format INTEGER NOT NULL,
        checksum INTEGER NOT NULL,
        data BLOB NOT NULL,
        UNIQUE (case_no, sequence)
    ) STRICT;

    CREATE TABLE items (
        no INTEGER PRIMARY KEY,
        case_no INTEGER NOT NULL REFERENCES cases (no),
        item TEXT NOT NULL,
        task TEXT NOT NULL,
        scope INTEGER NOT NULL,
        status TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        role TEXT,
        claimed_by TEXT,
        due INTEGER,
        form BLOB,
        checksum INTEGER NOT NULL,
        UNIQUE (case_no, item)
    ) STRICT;
    CREATE INDEX items_by_role ON items (role) WHERE role IS NOT NULL;

    CREATE TABLE nets (
        hash TEXT PRIMARY KEY,
        checksum INTEGER NOT NULL,
        image BLOB NOT NULL
    ) STRICT;

    CREATE TABLE specifications (
        no INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        version TEXT NOT NULL,
        format TEXT NOT NULL,
        source BLOB NOT NULL,
        net TEXT NOT NULL,
        origin TEXT,
        added INTEGER NOT NULL,
        checksum INTEGER NOT NULL,
        UNIQUE (name, version)
    ) STRICT;
    CREATE INDEX specifications_by_age ON specifications (name, added DESC, no DESC);
    """,
    VIEWS,  # 2: plain SQL for any program that reads SQLite
    # 3: which trigger is for which case
    """
    CREATE TABLE waits (
        no INTEGER PRIMARY KEY,
        case_no INTEGER NOT NULL REFERENCES cases (no),
        wait TEXT NOT NULL,
        trigger TEXT NOT NULL,
        key TEXT,
        checksum INTEGER NOT NULL,
        UNIQUE (case_no, wait)
    ) STRICT;
    CREATE INDEX waits_by_trigger ON waits (trigger, key);
    """,
    # 4: results that are too large for events
    """
    CREATE TABLE blobs (
        no INTEGER PRIMARY KEY,
        hash TEXT NOT NULL UNIQUE, -- the SHA-256 of data: its name, and its checksum
        data BLOB NOT NULL
    ) STRICT;
    """,
)
"""The steps that lead from an empty database to the newest version, in order.

``PRAGMA user_version`` counts the steps that were done. A step is never changed after a release.
"""

_CASE = (
    "c.id, c.specification, c.version, c.net, c.status, c.idle, c.started, c.updated, c.sequence,"
    " c.wake_at, c.error, c.checksum"
)
_ITEM = (
    "c.id, i.item, i.task, i.scope, i.status, i.attempt, i.role, i.claimed_by, i.due, i.form,"
    " i.checksum"
)
_ITEMS = f"SELECT {_ITEM} FROM items i CROSS JOIN cases c ON c.no = i.case_no"
_WAITS = (
    "SELECT w.no, c.id, w.wait, w.trigger, w.key, w.checksum FROM waits w"
    " CROSS JOIN cases c ON c.no = w.case_no"
)
_EVENTS = "case_no, previous, first, last, command, checksum, data"
_EVENTS_BEFORE = ", ".join(f"e.{column}" for column in _EVENTS.split(", "))
_SPECIFICATION = "name, version, format, source, net, origin, added, checksum"

QUERIES: Final[Mapping[str, str]] = {
    "head": "SELECT no, sequence, owner, tail FROM cases WHERE id = ?",
    # From the newest row back to the one that holds the event behind ?2. Rows point only
    # backwards, so damage cannot lead in a circle.
    "records": f"WITH RECURSIVE chain (no, {_EVENTS}) AS ("
    f" SELECT no, {_EVENTS} FROM events WHERE no = ?1"
    f" UNION ALL SELECT e.no, {_EVENTS_BEFORE} FROM chain c CROSS JOIN events e"
    " ON e.no = c.previous AND e.no < c.no WHERE c.first > ?2 + 1"
    f") SELECT {_EVENTS} FROM chain WHERE first <= ?3",
    "heads": "SELECT c.no, c.sequence, c.owner, c.tail, c.id FROM json_each(?) j"
    " CROSS JOIN cases c ON c.id = j.value",
    "summaries": f"SELECT c.no, c.tail, {_CASE} FROM json_each(?1) j"
    " CROSS JOIN cases c ON c.id = j.value WHERE c.sequence <= ?2",
    # The same as "records" for each of the newest rows ?1, to the first event of its case.
    "histories": f"WITH RECURSIVE chain (tail, no, {_EVENTS}) AS ("
    f" SELECT e.no, e.no, {_EVENTS_BEFORE} FROM json_each(?1) j CROSS JOIN events e"
    " ON e.no = j.value"
    f" UNION ALL SELECT c.tail, e.no, {_EVENTS_BEFORE} FROM chain c CROSS JOIN events e"
    f" ON e.no = c.previous AND e.no < c.no) SELECT tail, {_EVENTS} FROM chain",
    "snapshots": "SELECT sequence, format, checksum, data FROM snapshots"
    " WHERE case_no = (SELECT no FROM cases WHERE id = ?) AND sequence <= ?"
    " ORDER BY sequence DESC",
    "summary": f"SELECT {_CASE} FROM cases c WHERE id = ?",
    "cases": f"SELECT {_CASE} FROM cases c ORDER BY started DESC, no DESC LIMIT ?",
    "cases by status": f"SELECT {_CASE} FROM cases c WHERE status = ?"
    " ORDER BY started DESC, no DESC LIMIT ?",
    "stopped": "SELECT id FROM cases WHERE status = 'running' AND NOT idle"
    " ORDER BY started DESC, no DESC",
    "due": "SELECT id FROM cases INDEXED BY cases_by_wake"
    " WHERE status = 'running' AND wake_at <= ?"
    " ORDER BY wake_at, no LIMIT ?",
    "next wake": "SELECT wake_at FROM cases INDEXED BY cases_by_wake"
    " WHERE status = 'running' AND wake_at IS NOT NULL ORDER BY wake_at LIMIT 1",
    "awaiting": f"{_WAITS} WHERE w.trigger = ?1",
    # Of those that wait for any key and for this one, each found by the index.
    "awaiting by key": f"{_WAITS} WHERE w.trigger = ?1 AND w.key IS NULL"
    f" UNION ALL {_WAITS} WHERE w.trigger = ?1 AND w.key = ?2",
    "waits by case": f"{_WAITS} WHERE w.case_no = (SELECT no FROM cases WHERE id = ?)",
    "items": f"{_ITEMS} ORDER BY i.no",
    "items by role": f"{_ITEMS} WHERE i.role = ? ORDER BY i.no",
    "items by case": f"SELECT {_ITEM} FROM cases c CROSS JOIN items i ON i.case_no = c.no"
    " WHERE c.id = ? ORDER BY i.no",
    "items by case and role": f"SELECT {_ITEM} FROM cases c CROSS JOIN items i"
    " ON i.case_no = c.no WHERE c.id = ? AND +i.role = ? ORDER BY i.no",
    "item": f"SELECT {_ITEM} FROM cases c CROSS JOIN items i ON i.case_no = c.no"
    " WHERE c.id = ? AND i.item = ?",
    "command": "SELECT 1 FROM events WHERE case_no = (SELECT no FROM cases WHERE id = ?)"
    " AND command = ?",
    "commanded": "SELECT c.no, c.id FROM events e INDEXED BY events_by_command JOIN cases c"
    " ON c.no = e.case_no WHERE e.command IS NOT NULL AND e.command = ?",
    "case ids": "SELECT id FROM cases ORDER BY no",
    "net hashes": "SELECT hash FROM nets ORDER BY hash",
    "net": "SELECT checksum, image FROM nets WHERE hash = ?",
    "blob": "SELECT data FROM blobs WHERE hash = ?",
    "blob hashes": "SELECT hash FROM blobs ORDER BY hash",
    "specifications": f"SELECT {_SPECIFICATION} FROM specifications"
    " ORDER BY name, added DESC, no DESC",
    "specification": f"SELECT {_SPECIFICATION} FROM specifications WHERE name = ? AND version = ?",
    "newest specification": f"SELECT {_SPECIFICATION} FROM specifications WHERE name = ?"
    " ORDER BY added DESC, no DESC LIMIT 1",
}
"""Every query of the store by what it asks for; the tests look at the plan of each."""

_BEGIN = (
    "INSERT INTO cases (id, specification, version, net, status, idle, started, updated, sequence,"
    " wake_at, error, checksum, owner) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (id) DO NOTHING"
)
_START = f"{_BEGIN} RETURNING no, tail"
_MOVE = (
    "UPDATE cases SET specification = ?2, version = ?3, net = ?4, status = ?5, idle = ?6,"
    " started = ?7, updated = ?8, sequence = ?9, wake_at = ?10, error = ?11, checksum = ?12,"
    " owner = coalesce(?13, owner) WHERE id = ?1 AND sequence = ?14"
    " AND (?13 IS NULL OR owner IS NULL OR owner = ?13) RETURNING no, tail"
)
# What a step of a running case changes; no index has any of it.
_STEP = (
    "UPDATE cases SET updated = ?2, sequence = ?3, checksum = ?4"
    " WHERE no = ?1 AND sequence = ?5 AND owner = ?6"
)
_LAST_STEP = (
    "UPDATE cases SET updated = ?2, sequence = ?3, checksum = ?4, status = ?7, owner = NULL"
    " WHERE no = ?1 AND sequence = ?5 AND owner = ?6"
)
_PUT_EVENTS = (
    "INSERT INTO events (case_no, previous, first, last, command, checksum, data)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
# Many rows a statement: what SQLite keeps to undo one that fails is kept once for all of them.
_PUT_MANY: Final = tuple(
    (rows, _PUT_EVENTS + (rows - 1) * ", (?, ?, ?, ?, ?, ?, ?)") for rows in (64, 8)
)
_PUT_ITEM = (
    "INSERT INTO items (case_no, item, task, scope, status, attempt, role, claimed_by, due, form,"
    " checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (case_no, item) DO UPDATE SET"
    " task = excluded.task, scope = excluded.scope, status = excluded.status,"
    " attempt = excluded.attempt, role = excluded.role, claimed_by = excluded.claimed_by,"
    " due = excluded.due, form = excluded.form, checksum = excluded.checksum"
)
_DROP_ITEM = "DELETE FROM items WHERE case_no = ? AND item = ?"
_PUT_WAIT = (
    "INSERT OR REPLACE INTO waits (case_no, wait, trigger, key, checksum) VALUES (?, ?, ?, ?, ?)"
)
_DROP_WAIT = "DELETE FROM waits WHERE case_no = ? AND wait = ?"
_PUT_SNAPSHOT = (
    "INSERT OR REPLACE INTO snapshots (case_no, sequence, format, checksum, data)"
    " VALUES (?, ?, ?, ?, ?)"
)
_DROP_SNAPSHOTS = (
    "DELETE FROM snapshots WHERE case_no = ?1 AND sequence <= (SELECT sequence FROM snapshots"
    f" WHERE case_no = ?1 ORDER BY sequence DESC LIMIT 1 OFFSET {SNAPSHOTS_KEPT})"
)
_PUT_NET = "INSERT INTO nets (hash, checksum, image) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_PUT_BLOB = "INSERT INTO blobs (hash, data) VALUES (?, ?) ON CONFLICT DO NOTHING"
_TEXTS = "SELECT data FROM events UNION ALL SELECT data FROM snapshots"
_BLOB_SIZE = "SELECT length(data) FROM blobs WHERE hash = ?"
_DROP_BLOB = "DELETE FROM blobs WHERE hash = ?"
_PUT_SPECIFICATION = (
    "INSERT OR REPLACE INTO specifications (no, name, version, format, source, net, origin, added,"
    " checksum) VALUES ((SELECT 1 + max(no) FROM specifications), ?, ?, ?, ?, ?, ?, ?, ?)"
)
_CLAIM = "UPDATE cases SET owner = ? WHERE no = ?"
_RELEASE = "UPDATE cases SET owner = NULL WHERE id = ? AND owner = ?"


# ── faults ───────────────────────────────────────────────────────────────────────────────────

_UNTOUCHED = "nothing of this was stored"

_Kinds = type[apsw.Error] | tuple[type[apsw.Error], ...]

_FAULTS: Final[Sequence[tuple[_Kinds, str, str]]] = (
    (
        apsw.ReadOnlyError,
        "read-only",
        (
            "the database is read-only; let this user write to {file}, to the files {name}-wal and"
            " {name}-shm beside it and to their folder, or name another store"
        ),
    ),
    (
        (apsw.BusyError, apsw.LockedError, apsw.ProtocolError),
        "locked",
        (
            "another process has kept the database locked for more than {busy:g} s; find it with"
            " 'fuser {file}', let it end, and try again"
        ),
    ),
    (
        apsw.FullError,
        "full",
        "the disk is full; make room on the disk of {file}, and try again",
    ),
    (
        apsw.CorruptError,
        "corrupt",
        (
            "the database is damaged ({detail}); restore {file} from a backup, or save what can be"
            " read with 'sqlite3 {file} .recover'"
        ),
    ),
    (
        apsw.NotADBError,
        "not-a-database",
        "{file} is not an SQLite database; move it away or name another store",
    ),
    (
        apsw.CantOpenError,
        "cannot-open",
        (
            "{file} cannot be opened or made; look at its folder: does it exist, and may this user"
            " write there?"
        ),
    ),
    (apsw.TooBigError, "too-big", "a value is larger than SQLite keeps in a row (1 GB)"),
    (apsw.NoMemError, "no-memory", "there is not enough memory"),
    (apsw.ConnectionClosedError, "closed", "the store was closed; open it again"),
    (
        apsw.Error,
        "io",
        (
            "the disk failed to read or write ({detail}); look at the disk of {file} (dmesg names"
            " failing devices), and try again"
        ),
    ),
)
"""What SQLite says, our code for it, and what the operator can do; the first that fits counts."""

_OF_ONE_BATCH = (
    apsw.ConstraintError,
    apsw.TooBigError,
    apsw.MismatchError,
    OverflowError,
    TypeError,
    ValueError,
)
"""Faults that a batch brings with it; the others are the store's."""

_LOCK_FAULTS: Final[Mapping[int, str]] = {
    errno.EACCES: "read-only",
    errno.EPERM: "read-only",
    errno.EROFS: "read-only",
    errno.ENOSPC: "full",
    errno.EDQUOT: "full",
}
"""What the operating system says when it makes no lock file, and our code for it."""

_MAX_INTEGER = 2**63 - 1


# ── rows ─────────────────────────────────────────────────────────────────────────────────────

Row = tuple[Any, ...]


def _json(values: Sequence[Any]) -> str:
    """A list as one parameter of a query."""
    return msgspec.json.encode(values).decode()


def _checksum(fields: Row) -> int:
    """A checksum (CRC-32) over the content of a row: finds flipped bits, proves nothing else."""
    return crc32(pack(fields))


def _same_fields(made: Encoded) -> Row:
    """What the steps of a case leave in its row as it is, for as long as the case is running."""
    return (
        *(made.case, made.specification, made.version, made.net),
        *(made.status, 0, made.started),
    )


def _step_checksum(made: Encoded) -> int:
    """The checksum of a case's row after a step: what is the same is summed up only once.

    The array of a row's values is 11 long, which is its first byte (MessagePack).
    """
    known = made.summed
    if made.status != "running" or known is None:
        known = crc32(b"\x9b" + pack(_same_fields(made))[1:])
        made.summed = known if made.status == "running" else None
    return crc32(pack((made.updated, made.sequence, None, None))[1:], known)


def _case_fields(s: CaseSummary) -> Row:
    return (
        s.case,
        s.specification,
        s.version,
        s.net,
        s.status,
        int(s.idle),
        s.started,
        s.updated,
        s.sequence,
        s.wake_at,
        s.error,
    )


def _item_fields(i: OpenItem) -> Row:
    return (
        i.item,
        i.task,
        i.scope,
        i.status,
        i.attempt,
        i.role,
        i.claimed_by,
        i.due,
        i.form,
    )


def _kind(entry: _Waiting | Encoded) -> str | None:
    """With which others a batch is written together; None: alone."""
    if type(entry) is not Encoded:
        return None
    if entry.row is not None:
        return "steps"
    return None if entry.expected else "starts"


class _OfOneCase(Exception):
    """A batch that was written with others is not in the store: somebody else has its case."""


class _Waiting(msgspec.Struct, eq=False):
    """A batch in the queue, the engine of ours that has claimed its case, and who waits for it."""

    batch: Append
    owner: int | None
    future: asyncio.Future[None] | None = None
    failure: Exception | None = None


# ── the store ────────────────────────────────────────────────────────────────────────────────


class SqliteJournal:
    """Implements `weft.engine.ports.Journal` in one SQLite file.

    Beside ``path`` lie the files of SQLite's WAL and the folder of `claims` (``path.engines``).

    Args:
        path: The database file; it and its folders are made if they are missing.
        url: How errors call the store; by default made from the path.
        vfs: The name of the SQLite VFS to use, for tests that make the disk fail.
        busy_timeout_seconds: How long to wait for another process that writes. The event loop
            waits, too; writers hold the lock for one commit, a few milliseconds.
        read_only: It will only be read: it need not be writable, and is not brought to a newer
            version. Writing to it is not prevented.
        here: The host that engines run on; by default this machine.

    Raises:
        JournalError: The file cannot be opened as a journal; ``code`` says why (``newer``,
            ``not-ours``, ``not-a-database``, ``corrupt``, ``read-only``, ``locked``, ``full``,
            ``cannot-open``, ``io``).
    """

    def __init__(
        self,
        path: Path,
        *,
        url: str | None = None,
        vfs: str | None = None,
        busy_timeout_seconds: float = 5.0,
        read_only: bool = False,
        here: Host | None = None,
    ) -> None:
        self.url = url or f"sqlite:///{path}"
        self.path = self._place(path)
        self._busy_timeout_seconds = busy_timeout_seconds
        self._engines_folder = self.path.with_name(self.path.name + ".engines")
        self._engines: dict[EngineId, EngineLock] = {}
        self._claims: dict[CaseId, int] = {}
        self._leases: dict[EngineId, Microseconds] = {}
        self._here = here or this_host()
        self._releases: dict[CaseId, int] = {}
        self._waiting: deque[_Waiting | Encoded] = deque()
        self._scheduled: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._connection = self._open(vfs, read_only=read_only)
        self._checkpoints: Checkpoints | None = None
        if vfs is None and not read_only:  # the disks of tests are no place for threads
            self._checkpoints = Checkpoints(self._connection, self.path)

    # ── opening ──────────────────────────────────────────────────────────────────────────────

    def _place(self, path: Path) -> Path:
        """Where the file really is (one folder of locks a file), with its folder made."""
        try:
            path = path.resolve()
            if path.is_dir():
                raise self._error("not-a-database", f"{path} is a folder; name a file in it")
            path.parent.mkdir(parents=True, exist_ok=True)
        except (OSError, RuntimeError) as error:
            raise self._error(
                "cannot-open",
                f"the folder of {path} cannot be used or made ({error}); make it yourself, or"
                " name another store",
            ) from error
        return path

    def _open(self, vfs: str | None, *, read_only: bool) -> apsw.Connection:
        name, flags = str(self.path), apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        try:
            return self._opened(name, flags, vfs, read_only=read_only)
        except JournalError as error:
            wal = self.path.with_name(self.path.name + "-wal")
            if not read_only or error.code not in ("read-only", "cannot-open") or wal.exists():
                raise
        # SQLite wants to make the files of the WAL even to read, and here it cannot. Without a
        # WAL nobody has the database open, and all there is is in the file.
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        return self._opened(f"{self.path.as_uri()}?immutable=1", flags, vfs, read_only=True)

    def _opened(
        self, name: str, flags: int, vfs: str | None, *, read_only: bool
    ) -> apsw.Connection:
        connection: apsw.Connection | None = None
        try:
            connection = apsw.Connection(name, flags=flags, vfs=vfs)
            connection.set_busy_timeout(round(self._busy_timeout_seconds * 1000))
            self._check_ours(connection)
            if read_only:
                self._check_current(connection)
            else:
                self._use_wal(connection)
            for pragma in (
                "synchronous = FULL",
                "foreign_keys = ON",
                "trusted_schema = OFF",
                "cell_size_check = ON",
                "cache_size = -16384",
                "temp_store = MEMORY",
                "journal_size_limit = 67108864",
            ):
                connection.execute(f"PRAGMA {pragma}").fetchall()
            if not read_only:
                migrate(connection, MIGRATIONS)
        except BaseException as error:
            if connection is not None:
                with contextlib.suppress(apsw.Error):
                    connection.close(True)
            if isinstance(error, apsw.Error):
                raise self._fault("open the store", error) from error
            raise
        return connection

    def _check_current(self, connection: apsw.Connection) -> None:
        """Refuse to read tables that a writer would first have to bring to the newest version."""
        version = connection.pragma("user_version")
        if version < len(MIGRATIONS):
            raise self._error(
                "older",
                f"the database has version {version}, and this Weft reads version"
                f" {len(MIGRATIONS)}: any command that writes to it brings it there",
            )

    def _use_wal(self, connection: apsw.Connection) -> None:
        """Switch a new database to WAL, which SQLite tries once only, whatever its timeout.

        So two processes that make one store at the same time would get in each other's way.
        """
        deadline = time.monotonic() + self._busy_timeout_seconds
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL").fetchall()
            except apsw.BusyError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.002)
            else:
                return

    def _check_ours(self, connection: apsw.Connection) -> None:
        """Refuse the database of another program or of a newer Weft; changes nothing in it."""
        application = connection.pragma("application_id")
        version = connection.pragma("user_version")
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()[0][0]
        if application == APPLICATION_ID and version > len(MIGRATIONS):
            raise self._error(
                "newer",
                f"the database has version {version}, made by a newer Weft; this Weft knows"
                f" versions up to {len(MIGRATIONS)}: use the newer one, or name another store",
            )
        if application != APPLICATION_ID and (application or version or tables):
            raise self._error(
                "not-ours",
                f"{self.path} is the database of another program (application id"
                f" {application:#x}, {tables} tables and indexes); name another store",
            )

    # ── writing ──────────────────────────────────────────────────────────────────────────────

    def append(self, batch: Append) -> Awaitable[None] | None:
        """Make ``batch`` durable; see `weft.engine.ports.Journal.append`.

        With a running event loop the batch waits for the end of this turn of the loop, and the
        awaitable ends when it is durable. Cancelling the wait does not take the batch back.
        Without one it is durable on return.

        A batch whose append failed by a fault of the store is not there when the case is read
        again; only if the machine dies at that very moment it may turn out to have been stored.
        """
        self._check_open()
        check_batch(batch, where=self.url)
        owner = self._claims.get(batch.case)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            entry = _Waiting(batch, owner)
            self._waiting.append(entry)
            self._flush()
            if entry.failure is not None:
                raise entry.failure from None
            return None
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append(_Waiting(batch, owner, future))
        self._schedule(loop)
        return future

    def append_all(self, batches: Sequence[Encoded]) -> None:
        """Make batches of many cases durable, with all that waits; see `Encoded`.

        They are durable on return, in one commit, but those that have a ``failure``. Cases that
        have ended are released with it. That holds for what is raised by Ctrl-C, too: what is
        durable then has no failure.
        """
        self._check_open()
        claims = self._claims
        try:
            for made in batches:
                made.failure, made.placed = None, None
                made.owner = claims.get(made.case)
            self._waiting.extend(batches)
            self._flush()
        except BaseException:
            self._interrupted(batches)
            raise
        finally:
            for made in batches:
                if made.failure is None and made.placed is not None:
                    made.row, made.tail = made.placed
                    if made.owner is not None and made.status != "running":
                        claims.pop(made.case, None)

    def _interrupted(self, batches: Sequence[Encoded]) -> None:
        """Find out which batches are durable, after Ctrl-C; the others are not written any more."""
        mine = {id(made) for made in batches}
        self._waiting = deque(entry for entry in self._waiting if id(entry) not in mine)
        for made in batches:
            failure: Exception = self._error(
                "interrupted", f"an append to case {made.case!r} was interrupted"
            )
            try:
                head = self._rows("head", (made.case,))
            except JournalError as error:
                head, failure = [], error
            # Nobody else writes to a case of ours; its newest row is this one, or it is not there.
            placed = (made.placed, made.sequence)
            durable = bool(head) and placed == ((head[0][0], head[0][3]), head[0][1])
            made.failure = None if durable else failure

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have one commit run at the end of this turn of the loop."""
        if self._scheduled is not loop:
            self._scheduled = loop
            loop.call_soon(self._commit_turn, loop)

    def _commit_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._scheduled = None
        self._commit()
        if self._waiting:
            self._schedule(loop)

    def _flush(self) -> None:
        """Write all that waits, now."""
        self._commit()
        while self._waiting:
            self._commit()

    def _commit(self) -> None:
        """Write what waits (up to the bound) in one transaction; tell who waits for it."""
        count = min(len(self._waiting), MAX_BATCHES_PER_COMMIT)
        group = [self._waiting.popleft() for _ in range(count)]
        try:
            self._write(group)
        except BaseException:  # Ctrl-C: let nobody wait for ever
            for entry in group:
                entry.failure = entry.failure or self._error(
                    "interrupted", f"an append to case {entry.batch.case!r} was interrupted"
                )
            raise
        finally:
            for entry in group:
                future = entry.future
                if future is None or future.done() or future.get_loop().is_closed():
                    continue
                if entry.failure is None:
                    future.set_result(None)
                else:
                    future.set_exception(entry.failure)

    def _write(self, group: Sequence[_Waiting | Encoded]) -> None:
        """One transaction for the group and the releases; failures go into the entries."""
        if not group and not self._releases:
            return
        releases = list(self._releases.items())
        try:
            with _Transaction(self._connection, durable=bool(group)):
                self._store_all(group)
                if releases:
                    self._connection.executemany(_RELEASE, releases)
        except (_OfOneCase, *_OF_ONE_BATCH):
            self._write_apart(group)
        except apsw.Error as error:
            self._fail(group, error)
        else:
            self._releases.clear()

    def _write_apart(self, group: Sequence[_Waiting | Encoded]) -> None:
        """The same, with a savepoint around each batch, to find those that cannot be stored."""
        execute = self._connection.execute
        try:
            with _Transaction(self._connection):
                for entry in group:
                    execute("SAVEPOINT batch")
                    try:
                        entry.failure = self._store(entry)
                    except _OF_ONE_BATCH as error:
                        entry.failure = self._batch_fault(entry.batch, error)
                        execute("ROLLBACK TO batch")
                    execute("RELEASE batch")
        except apsw.Error as error:
            self._fail(group, error)

    def _fail(self, group: Sequence[_Waiting | Encoded], error: apsw.Error) -> None:
        for entry in group:
            doing = f"append to case {entry.batch.case!r}"
            entry.failure = self._fault(doing, error, untouched=True)

    def _store_all(self, group: Sequence[_Waiting | Encoded]) -> None:
        """Write batches in their order; starts, or steps, that come one after the other together.

        Raises:
            _OfOneCase: One of them does not fit; what was written is to be undone.
        """
        for kind, entries in groupby(group, _kind):
            if kind is None:
                for entry in entries:
                    entry.failure = self._store(entry)
            elif kind == "starts":
                self._store_starts(cast("list[Encoded]", list(entries)))
            else:
                self._store_steps(cast("list[Encoded]", list(entries)))

    def _store_starts(self, starts: Sequence[Encoded]) -> None:
        """Write the first batches of cases."""
        heads: list[Row] = []
        for made in starts:
            fields = (*_same_fields(made), made.updated, made.sequence, None, None)
            heads.append((*fields, _step_checksum(made), made.owner))
        connection = self._connection
        before = connection.total_changes()
        connection.executemany(_BEGIN, heads)
        if connection.total_changes() - before != len(starts):
            raise _OfOneCase
        # Each row that is put gets the number behind the greatest, and nobody else writes.
        row = connection.last_insert_rowid() - len(starts)
        rows = range(row + 1, row + 1 + len(starts))
        self._store_events(starts, [(row, -row) for row in rows])
        ended = [(made.case, made.owner) for made in starts if made.status != "running"]
        if ended:
            connection.executemany(_RELEASE, ended)

    def _store_steps(self, steps: Sequence[Encoded]) -> None:
        """Write steps of different cases whose rows are known."""
        heads: list[Row] = []
        ended: list[Row] = []
        for made in steps:
            step = (
                *(made.row, made.updated, made.sequence, _step_checksum(made)),
                *(made.expected, made.owner),
            )
            if made.status == "running":
                heads.append(step)
            else:
                ended.append((*step, made.status))
        connection = self._connection
        before = connection.total_changes()
        if heads:
            connection.executemany(_STEP, heads)
        if ended:
            connection.executemany(_LAST_STEP, ended)
        if connection.total_changes() - before != len(steps):
            raise _OfOneCase
        self._store_events(steps, [(made.row, made.tail) for made in steps])

    def _store_events(
        self, batches: Sequence[Encoded], places: Sequence[tuple[int | None, int | None]]
    ) -> None:
        """Write the events of batches of different cases, each behind the row of that number."""
        events: list[Any] = []
        for made, (row, tail) in zip(batches, places, strict=True):
            data = made.packed
            key = (row, tail, made.expected + 1, made.sequence, None)
            events += (*key, crc32(pack((*key, data))), data)
        connection = self._connection
        width = len(events) // len(batches)
        at = 0
        for rows, statement in _PUT_MANY:
            while len(events) - at >= rows * width:
                connection.execute(statement, events[at : at + rows * width])
                at += rows * width
        if at < len(events):
            rest = range(at, len(events), width)
            connection.executemany(_PUT_EVENTS, [events[at : at + width] for at in rest])
        number = connection.last_insert_rowid() - len(batches)  # as for the cases
        for made, (row, _) in zip(batches, places, strict=True):
            number += 1
            made.placed = row, number

    def _store_made(self, made: Encoded) -> JournalConflict | None:
        """The same of a batch that was made ahead.

        Where the store has written the last one of the case, it knows its rows.
        """
        connection, row, tail = self._connection, made.row, made.tail
        execute = connection.execute
        ended = made.status != "running"
        if row is not None:
            step = (
                *(row, made.updated, made.sequence, _step_checksum(made)),
                *(made.expected, made.owner),
            )
            if ended:
                execute(_LAST_STEP, (*step, made.status))
            else:
                execute(_STEP, step)
            if connection.changes() != 1:
                row = None
        if row is None:
            first = made.expected == 0
            fields = (*_same_fields(made), made.updated, made.sequence, None, None)
            head = (*fields, _checksum(fields), made.owner, *(() if first else (made.expected,)))
            found: list[Row] = execute(_START if first else _MOVE, head).fetchall()
            if not found:
                return self._conflict(made)
            row, tail = found[0]
            if ended:
                execute(_RELEASE, (made.case, made.owner))
        data = made.packed
        key = (row, -row if tail is None else tail, made.expected + 1, made.sequence, None)
        execute(_PUT_EVENTS, (*key, _checksum((*key, data)), data))
        made.placed = (row, connection.last_insert_rowid())
        return None

    def _store(self, entry: _Waiting | Encoded) -> JournalConflict | None:
        """Write one batch; gives the conflict, before anything is written, if there is one."""
        if isinstance(entry, Encoded):
            return self._store_made(entry)
        batch = entry.batch
        execute = self._connection.execute
        fields = _case_fields(batch.summary)
        head = (*fields, _checksum(fields), entry.owner)
        found: list[Row]
        if batch.expected == 0:
            found = execute(_START, head).fetchall()
        else:
            found = execute(_MOVE, (*head, batch.expected)).fetchall()
        if not found:
            return self._conflict(entry)
        case_no, tail = found[0]
        if batch.records:
            data = pack([(r.type, r.version, r.time, r.data, r.hash) for r in batch.records])
            previous = -case_no if tail is None else tail
            key = (case_no, previous, batch.expected + 1, batch.summary.sequence, batch.command)
            execute(_PUT_EVENTS, (*key, _checksum((*key, data)), data))
        for item in batch.opened:
            fields = _item_fields(item)
            execute(_PUT_ITEM, (case_no, *fields, _checksum((item.case, *fields))))
        for closed in batch.closed:
            execute(_DROP_ITEM, (case_no, closed))
        for wait in batch.unawaits:
            execute(_DROP_WAIT, (case_no, wait))
        for row in batch.awaits:
            fields = (row.wait, row.trigger, row.key)
            execute(_PUT_WAIT, (case_no, *fields, _checksum((row.case, *fields))))
        if batch.snapshot is not None:
            fields = (batch.snapshot.sequence, batch.snapshot.format)
            data = batch.snapshot.data
            execute(_PUT_SNAPSHOT, (case_no, *fields, _checksum((*fields, data)), data))
            execute(_DROP_SNAPSHOTS, (case_no,))
        return None

    def _conflict(self, entry: _Waiting | Encoded) -> JournalConflict:
        batch = entry.batch
        rows = self._connection.execute(QUERIES["head"], (batch.case,)).fetchall()
        sequence = rows[0][1] if rows else 0
        if sequence != batch.expected:
            message = (
                f"case {batch.case!r} has {sequence} events, this append follows event"
                f" {batch.expected}: another writer was first; read the case again"
            )
        else:
            message = f"case {batch.case!r} has been taken over by another engine"
        return JournalConflict(f"{message}; {_UNTOUCHED}", where=self.url)

    def _batch_fault(self, batch: Append, error: Exception) -> JournalError | InternalError:
        """Why this batch cannot be stored, while others can."""
        case = f"case {batch.case!r}"
        if isinstance(error, apsw.TooBigError):
            return self._fault(f"append to {case}", error, untouched=True)
        if not isinstance(error, apsw.Error):
            return InternalError(
                f"a batch for {case} has a value that cannot be stored: {error}; {_UNTOUCHED}",
                code="bad-batch",
                where=self.url,
            )
        if batch.command is not None and "events.command" in str(error):
            return JournalConflict(
                f"{case} has already accepted command {batch.command!r}; {_UNTOUCHED}",
                code="duplicate-command",
                where=self.url,
            )
        # The head and the events disagree, which no writer of ours can bring about.
        return self._error("corrupt", f"{case} cannot be appended to: {error}; {_UNTOUCHED}")

    # ── reading a case ───────────────────────────────────────────────────────────────────────

    def records(
        self, case: CaseId, *, after: int = 0, until: int | None = None
    ) -> Sequence[Record]:
        """The events of a case; see `weft.engine.ports.Journal.records`.

        Raises:
            JournalError: Some are missing or damaged (code ``corrupt``); it says which.
        """
        head = self._rows("head", (case,))
        if not head:
            return ()
        case_no, sequence, _, tail = head[0]
        after = max(after, 0)
        until = sequence if until is None else min(until, sequence)
        if until <= after:
            return ()
        return self._joined(
            *(case, case_no, self._rows("records", (tail, after, until))), after=after, until=until
        )

    def histories(self, cases: Sequence[CaseId]) -> Mapping[CaseId, History]:
        """Short cases, read together; see `weft.engine.ports.Journal.histories`."""
        found: dict[CaseId, History] = {}
        chains: dict[int, list[Any]] = {}
        try:
            heads = self._rows("summaries", (_json(cases), FEW_EVENTS))
            chains.update((tail, []) for _, tail, *_ in heads if tail is not None)
            for tail, *row in self._rows("histories", (_json(list(chains)),)):
                chains[tail].append(row)
        except JournalError:
            return found
        for case_no, tail, *fields in heads:
            with contextlib.suppress(JournalError):
                summary = self._summary(fields)
                records = self._joined(
                    *(summary.case, case_no, chains.get(tail, [])), until=summary.sequence
                )
                found[summary.case] = History(summary, records)
        return found

    def _joined(
        self, case: CaseId, case_no: int, rows: list[Any], *, after: int = 0, until: int
    ) -> Sequence[Record]:
        """The events of a chain of batches, behind ``after`` and up to ``until``."""
        found: list[Record] = []
        following = after + 1
        rows.sort(key=itemgetter(2))
        for row in rows:
            of_case, previous, first, last, command, checksum, data = row
            if of_case != case_no or first > following:
                break
            if _checksum((case_no, previous, first, last, command, data)) != checksum:
                raise self._damaged(case, f"events {first} to {last} have other bytes than written")
            for number, (kind, version, at, content, hash_) in enumerate(unpack(data), first):
                found.append(Record(number, kind, version, Microseconds(at), content, hash_))
            following = last + 1
        if following <= until:
            raise self._damaged(case, f"its event {following} cannot be found")
        skip = after + 1 - found[0].sequence if found else 0
        return found[skip : skip + until - after]

    def snapshot(self, case: CaseId, *, until: int | None = None) -> Snapshot | None:
        """The newest undamaged snapshot; see `weft.engine.ports.Journal.snapshot`."""
        bound = _MAX_INTEGER if until is None else until
        for sequence, format_, checksum, data in self._rows("snapshots", (case, bound)):
            if _checksum((sequence, format_, data)) == checksum:
                return Snapshot(sequence, format_, data)
        return None

    def summary(self, case: CaseId) -> CaseSummary | None:
        """The summary of a case, or None."""
        rows = self._rows("summary", (case,))
        return self._summary(rows[0]) if rows else None

    def command_seen(self, case: CaseId, command: str) -> bool:
        """Whether a batch with this command id is durable."""
        return bool(self._rows("command", (case, command)))

    def commanded(self, command: str) -> Sequence[CaseId]:
        """The cases with this command id; see `weft.engine.ports.Journal.commanded`."""
        return [CaseId(case) for _, case in sorted(self._rows("commanded", (command,)))]

    # ── lists ────────────────────────────────────────────────────────────────────────────────

    def cases(
        self, *, status: str | None = None, limit: int | None = None
    ) -> Sequence[CaseSummary]:
        """The cases, newest first; see `weft.engine.ports.Journal.cases`."""
        bound = -1 if limit is None else max(limit, 0)
        if status is None:
            rows = self._rows("cases", (bound,))
        else:
            rows = self._rows("cases by status", (status, bound))
        return [self._summary(row) for row in rows]

    def due(self, now: Microseconds, *, limit: int) -> Sequence[CaseId]:
        """Running cases to wake, the earliest first; see `weft.engine.ports.Journal.due`."""
        return [CaseId(case) for (case,) in self._rows("due", (now, max(limit, 0)))]

    def stopped(self) -> Sequence[CaseId]:
        """Running cases that are not idle; see `weft.engine.ports.Journal.stopped`."""
        return [CaseId(case) for (case,) in self._rows("stopped")]

    def next_wake(self) -> Microseconds | None:
        """The earliest time to wake a case; see `weft.engine.ports.Journal.next_wake`."""
        rows = self._rows("next wake")
        return Microseconds(rows[0][0]) if rows else None

    def awaiting(self, trigger: str, *, key: str | None = None) -> Sequence[CaseId]:
        """The cases that a trigger is for; see `weft.engine.ports.Journal.awaiting`."""
        if key is None:
            rows = self._rows("awaiting", (trigger,))
        else:
            rows = self._rows("awaiting by key", (trigger, key))
        rows.sort(key=itemgetter(0))  # oldest first; SQLite takes longer to merge the two
        return list(dict.fromkeys(self._awaited(row).case for row in rows))

    def _awaited(self, row: Row) -> AwaitedTrigger:
        _, case, wait, trigger, key, checksum = row
        if _checksum((case, wait, trigger, key)) != checksum:
            raise self._damaged(case, f"its wait {wait!r} has other bytes than written")
        return AwaitedTrigger(case, wait, trigger, key)

    def worklist(
        self, *, role: str | None = None, case: CaseId | None = None
    ) -> Sequence[OpenItem]:
        """The open items, oldest first; see `weft.engine.ports.Journal.worklist`."""
        if case is None:
            rows = self._rows("items") if role is None else self._rows("items by role", (role,))
        elif role is None:
            rows = self._rows("items by case", (case,))
        else:
            rows = self._rows("items by case and role", (case, role))
        return [self._item(row) for row in rows]

    def open_item(self, case: CaseId, item: ItemId) -> OpenItem | None:
        """One row of the work list, or None."""
        rows = self._rows("item", (case, item))
        return self._item(rows[0]) if rows else None

    def _summary(self, row: Sequence[Any]) -> CaseSummary:
        *fields, checksum = row
        if _checksum(tuple(fields)) != checksum:
            raise self._damaged(fields[0], "its summary has other bytes than written")
        fields[5] = bool(fields[5])
        return CaseSummary(*fields)

    def _item(self, row: Row) -> OpenItem:
        case, *fields, checksum = row
        if _checksum((case, *fields)) != checksum:
            raise self._damaged(case, f"work item {fields[0]!r} has other bytes than written")
        item, task, scope, status, attempt, role, claimed_by, due, form = fields
        return OpenItem(
            item, case, task, scope, status, attempt, role=role, claimed_by=claimed_by, due=due,
            form=form,
        )  # fmt: skip

    # ── nets and specifications ──────────────────────────────────────────────────────────────

    def put_net(self, hash: str, image: bytes) -> None:
        """Keep a compiled net under its hash; durable on return."""
        if not self._rows("net", (hash,)):
            self._put(f"keep net {hash!r}", _PUT_NET, (hash, _checksum((hash, image)), image))

    def net(self, hash: str) -> bytes | None:
        """A compiled net by its hash, or None."""
        for checksum, image in self._rows("net", (hash,)):
            if _checksum((hash, image)) != checksum:
                raise self._error("corrupt", f"net {hash!r} has other bytes than written")
            return bytes(image)
        return None

    def put_blob(self, hash: str, data: bytes) -> None:
        """Keep a large value under its hash; durable on return."""
        # Without looking first whether it is there: `collect` may be about to remove it.
        self._put(f"keep the large value {hash[:12]!r}", _PUT_BLOB, (hash, data))

    def blob(self, hash: str) -> bytes | None:
        """A large value by its hash, or None."""
        rows = self._rows("blob", (hash,))
        return bytes(rows[0][0]) if rows else None

    def collect(self) -> tuple[int, int]:
        """Remove large values that no event refers to; see `weft.engine.ports.Journal.collect`.

        It reads all events, and nobody can write meanwhile. The file keeps its size; what is free
        in it is used again.
        """
        try:
            with _Transaction(self._connection):
                # Who comes later puts its values after this transaction.
                for engine in living(self._engines_folder, here=self._here, now=_time()):
                    raise self._error(
                        "in-use",
                        f"{engine} is at work: large values can be collected when it is closed",
                    )
                execute = self._connection.execute
                hashes = [hash_ for (hash_,) in self._rows("blob hashes")]
                texts = (data for (data,) in execute(_TEXTS))
                gone = [(hash_,) for hash_ in unreferenced(hashes, texts, self.blob)]
                sizes: list[Any] = [execute(_BLOB_SIZE, one).fetchall()[0][0] for one in gone]
                self._connection.executemany(_DROP_BLOB, gone)
        except apsw.Error as error:
            raise self._fault("collect large values", error, untouched=True) from error
        return len(gone), sum(sizes)

    def put_specification(self, specification: StoredSpecification) -> None:
        """Keep a specification, durable on return; it becomes the one that was added last."""
        fields: Row = msgspec.structs.astuple(specification)
        try:
            checksum = _checksum(fields)
        except UnicodeEncodeError as error:
            raise self._error(
                "not-text",
                f"cannot keep specification {specification.name!r}: {error}; its name and the"
                " path of its folder must be text in UTF-8: rename the folder",
            ) from error
        newest = self._rows("newest specification", (specification.name,))
        if newest and newest[0][:6] == fields[:6]:
            return  # the same again: starting a case from a known file need not write
        self._put(
            f"keep specification {specification.name!r}",
            _PUT_SPECIFICATION,
            (*fields, checksum),
        )

    def specifications(self) -> Sequence[StoredSpecification]:
        """All specifications, by name, then newest first."""
        return [self._specification(row) for row in self._rows("specifications")]

    def specification(self, name: str, version: str | None = None) -> StoredSpecification | None:
        """One specification: that version, or the one that was added last."""
        if version is None:
            rows = self._rows("newest specification", (name,))
        else:
            rows = self._rows("specification", (name, version))
        return self._specification(rows[0]) if rows else None

    def _specification(self, row: Row) -> StoredSpecification:
        *fields, checksum = row
        if _checksum(tuple(fields)) != checksum:
            raise self._error(
                "corrupt",
                f"specification {fields[0]!r} {fields[1]!r} has other bytes than written",
            )
        return StoredSpecification(*fields)

    def _put(self, doing: str, statement: str, bindings: Row) -> None:
        try:
            with _Transaction(self._connection):
                self._connection.execute(statement, bindings)
        except apsw.Error as error:
            raise self._fault(doing, error, untouched=True) from error

    # ── claims ───────────────────────────────────────────────────────────────────────────────

    def claim(self, case: CaseId, owner: EngineId, *, now: Microseconds | None = None) -> bool:
        """Take the case for one engine; see `weft.engine.ports.Journal.claim`.

        The claim is seen by other processes on return, without an fsync; that of a case which
        does not exist yet is with its first batch, and two who start the same case meet there.
        """
        now = _time() if now is None else now
        number = self._engine(owner, now)
        if self._claims.get(case) == number:
            head = self._rows("head", (case,))
            if not head or head[0][2] == number:  # nobody has taken it over
                return False
        taken, refused = self._take((case,), number, now, f"claim case {case!r}")
        if refused:
            raise refused[case]
        return taken[case]

    def reserve(self, case: CaseId, owner: EngineId, *, now: Microseconds) -> bool:
        """Claim a case that is about to start in a turn, without looking whether there is one.

        Its first batch meets whatever is there (`append_all`).

        Returns:
            Whether it is claimed; where anything is known of it, `claim` has to look.
        """
        if case in self._claims or case in self._releases:
            return False
        self._claims[case] = self._engine(owner, now)
        return True

    def claim_all(
        self, cases: Sequence[CaseId], owner: EngineId, *, now: Microseconds | None = None
    ) -> Mapping[CaseId, bool]:
        """Take many cases in one transaction; see `weft.engine.ports.Journal.claim_all`."""
        now = _time() if now is None else now
        taken, _ = self._take(cases, self._engine(owner, now), now, f"claim {len(cases)} cases")
        return taken

    def _heads(self, cases: Sequence[CaseId]) -> dict[CaseId, Row]:
        """The heads of cases, of those that exist."""
        if len(cases) == 1:
            return dict(zip(cases, self._rows("head", (cases[0],)), strict=False))
        return {CaseId(head[4]): head for head in self._rows("heads", (_json(cases),))}

    def _take(
        self, cases: Sequence[CaseId], number: int, now: Microseconds, doing: str
    ) -> tuple[dict[CaseId, bool], dict[CaseId, CaseClaimed]]:
        """Write the claims of cases that exist; which had a dead engine, and which are refused."""
        if not self._releases.keys().isdisjoint(cases):
            self._flush()
        taken: dict[CaseId, bool] = {}
        refused: dict[CaseId, CaseClaimed] = {}
        known: dict[int, Engine | None] = {number: None}
        rows: list[tuple[int, int]] = []
        try:
            # Who only starts new cases need not wait for those that write, nor look twice.
            exists = bool(self._heads(cases))
            with (
                _Transaction(self._connection, durable=False)
                if exists
                else contextlib.nullcontext()
            ):
                heads = self._heads(cases) if exists else {}
                for case in cases:
                    head = heads.get(case)
                    holder = self._claims.get(case) if head is None else head[2]
                    if holder is not None:
                        if holder not in known:
                            known[holder] = find_engine(
                                self._engines_folder, holder, here=self._here, now=now
                            )
                        if (engine := known[holder]) is not None:
                            refused[case] = self._refused(case, engine, holder)
                            continue
                    taken[case] = head is not None and holder not in (None, number)
                    if head is not None:
                        rows.append((number, head[0]))
                if rows:
                    self._connection.executemany(_CLAIM, rows)
        except apsw.Error as error:
            raise self._fault(doing, error, untouched=True) from error
        self._claims.update(dict.fromkeys(taken, number))
        return taken, refused

    def _engine(self, owner: EngineId, now: Microseconds) -> int:
        """The number of one of our engines; its lock is taken when it first claims something."""
        lock = self._engines.get(owner)
        if lock is None:
            until = self._leases.get(owner, now + LEASE_SECONDS * 1_000_000)
            try:
                prune(self._engines_folder, here=self._here, now=now)
                lock = self._engines[owner] = EngineLock(
                    self._engines_folder, owner, here=self._here, until=until
                )
            except OSError as error:
                raise self._error(
                    _LOCK_FAULTS.get(error.errno or 0, "io"),
                    f"no lock file can be made in {self._engines_folder} ({error.strerror}),"
                    " so no case can be claimed; make room, or let this user write there",
                ) from error
        return lock.number

    def _refused(self, case: CaseId, engine: Engine, holder: int) -> CaseClaimed:
        """Why a case cannot be claimed: the engine that holds it may be alive."""
        if engine.boot == self._here.boot:
            advice = "it is alive: wait until it is done with the case, or end that process"
        else:
            file = lock_file(self._engines_folder, holder)
            ends = _lease_end(engine.until)
            advice = (
                f"whether it is alive cannot be seen from host {self._here.name}: its cases are"
                f" free {ends}or, if it is certainly gone, after 'rm {file}'"
            )
        return CaseClaimed(f"case {case!r} is driven by {engine}; {advice}", where=case)

    def renew(
        self, owner: EngineId, *, until: Microseconds, now: Microseconds | None = None
    ) -> Sequence[CaseId]:
        """Let an engine's lease end later; see `weft.engine.ports.Journal.renew`.

        Raises:
            JournalError: Its lock file cannot be written; the lease ends when it did.
        """
        self._check_open()
        self._leases[owner] = until
        lock = self._engines.get(owner)
        if lock is None:
            return ()
        over = lock.until <= (_time() if now is None else now)
        try:
            lock.renew(until)
        except OSError as error:
            raise self._error(
                _LOCK_FAULTS.get(error.errno or 0, "io"),
                f"the lease of engine {owner!r} cannot be renewed in {lock.path}"
                f" ({error.strerror}); make room, or let this user write there",
            ) from error
        if not over:
            return ()
        mine = [case for case, number in self._claims.items() if number == lock.number]
        heads = ((case, self._rows("head", (case,))) for case in mine)
        return [case for case, head in heads if head and head[0][2] not in (None, lock.number)]

    def release(self, case: CaseId, owner: EngineId) -> None:
        """Give a claim back; see `weft.engine.ports.Journal.release`.

        With a running event loop others see it at the end of this turn, with what else waits.
        A release that cannot be written then goes with the next commit.
        """
        lock = self._engines.get(owner)
        if lock is None or self._claims.get(case) != lock.number:
            return
        del self._claims[case]
        self._releases[case] = lock.number
        try:
            self._schedule(asyncio.get_running_loop())
        except RuntimeError:
            self._flush()

    # ── the whole store ──────────────────────────────────────────────────────────────────────

    def check(self) -> Sequence[JournalError]:
        """Read everything there is, and give every fault found; takes as long as that takes.

        It finds what reading single cases cannot: rows that an index no longer leads to.
        """
        faults: list[JournalError] = []
        with self._collecting(faults):
            for (line,) in self._pragma("integrity_check"):
                if line != "ok":
                    faults.append(self._error("corrupt", f"the database is damaged: {line}"))
            for table, row, *_ in self._pragma("foreign_key_check"):
                faults.append(
                    self._error("corrupt", f"row {row} of table {table!r} belongs to no case")
                )
        for case in self._keys("case ids"):
            with self._collecting(faults):
                self.summary(case)
            with self._collecting(faults):
                self.records(case)
            with self._collecting(faults):
                self.worklist(case=case)
            with self._collecting(faults):
                for row in self._rows("waits by case", (case,)):
                    self._awaited(row)
            with self._collecting(faults):
                for sequence, format_, checksum, data in self._rows(
                    "snapshots", (case, _MAX_INTEGER)
                ):
                    if _checksum((sequence, format_, data)) != checksum:
                        raise self._damaged(
                            case, f"its snapshot {sequence} has other bytes than written"
                        )
        for hash_ in self._keys("blob hashes"):
            with self._collecting(faults):
                data = self.blob(hash_)
                if data is None or hashlib.sha256(data).hexdigest() != hash_:
                    raise self._error(
                        "corrupt", f"large value {hash_!r} has other bytes than written"
                    )
        for hash_ in self._keys("net hashes"):
            with self._collecting(faults):
                self.net(hash_)
        with self._collecting(faults):
            self.specifications()
        return faults

    def close(self) -> None:
        """Write what waits, close the file, give all claims back; closing twice is one."""
        if self._closed:
            return
        try:
            self._flush()
        finally:
            self._closed = True
            if self._checkpoints is not None:
                self._checkpoints.close()
            with contextlib.suppress(apsw.Error):  # a last checkpoint may fail: the WAL has it all
                self._connection.close(True)
            # Last: from here on others may take over what these engines have claimed.
            for lock in self._engines.values():
                lock.close()

    # ── reading and reporting ────────────────────────────────────────────────────────────────

    def _rows(self, query: str, bindings: Row = ()) -> list[Row]:
        """All rows of one of the `QUERIES`; a cursor left open would hold the WAL."""
        try:
            return self._connection.execute(QUERIES[query], bindings).fetchall()
        except apsw.Error as error:
            raise self._fault("read", error) from error
        except UnicodeEncodeError:
            return []  # asked for a name that is no text: nothing was ever stored under it
        except UnicodeDecodeError as error:
            raise self._error("corrupt", f"the database is damaged: {error}") from error

    def _keys(self, query: str) -> Iterator[Any]:
        with contextlib.suppress(JournalError):  # a damaged list was found by the integrity check
            yield from (key for (key,) in self._rows(query))

    def _pragma(self, pragma: str) -> list[Row]:
        try:
            return self._connection.execute(f"PRAGMA {pragma}").fetchall()
        except apsw.Error as error:
            raise self._fault("read", error) from error

    @contextlib.contextmanager
    def _collecting(self, faults: list[JournalError]) -> Iterator[None]:
        try:
            yield
        except JournalError as fault:
            faults.append(fault)

    def _check_open(self) -> None:
        if self._closed:
            raise self._error("closed", "this store was closed; open it again")

    def _fault(self, doing: str, error: apsw.Error, *, untouched: bool = False) -> JournalError:
        """What an error of SQLite means for the operator."""
        code, advice = next((c, a) for kinds, c, a in _FAULTS if isinstance(error, kinds))
        reason = advice.format(
            file=self.path,
            name=self.path.name,
            busy=self._busy_timeout_seconds,
            detail=_detail(error),
        )
        stored = f"; {_UNTOUCHED}" if untouched else ""
        return self._error(code, f"cannot {doing}: {reason}{stored}")

    def _damaged(self, case: str, what: str) -> JournalError:
        return self._error(
            "corrupt",
            f"case {case!r} is damaged: {what}; restore {self.path} from a backup (other cases"
            " are not touched by this)",
        )

    def _error(self, code: str, message: str) -> JournalError:
        return JournalError(message, code=code, where=self.url)


def _detail(error: apsw.Error) -> str:
    """SQLite's own name for what went wrong, and its words."""
    code = getattr(error, "extendedresult", None)
    name = apsw.mapping_extended_result_codes.get(code, "") if code is not None else ""
    return f"{name}: {error}" if name else str(error)


def _time() -> Microseconds:
    return Microseconds(time.time_ns() // 1000)


def _lease_end(until: int) -> str:
    """When a lease ends, in words; nothing for one without end."""
    try:
        end = datetime.fromtimestamp(until / 1_000_000, UTC)
    except (ValueError, OverflowError, OSError):
        return ""
    return f"when its lease ends, at {end:%Y-%m-%dT%H:%M:%SZ}, "


# ── transactions and versions ────────────────────────────────────────────────────────────────


class _Transaction:
    """A write transaction: committed at the end of the block, rolled back by any exception.

    Args:
        connection: Is left outside any transaction, whatever happens.
        durable: False skips the fsync: others see the commit, a power cut may take it back
            (and with it nothing that was durable before or becomes durable later).
    """

    def __init__(self, connection: apsw.Connection, *, durable: bool = True) -> None:
        self._connection = connection
        self._durable = durable

    def __enter__(self) -> None:
        execute = self._connection.execute
        if self._connection.in_transaction:  # a rollback that failed
            execute("ROLLBACK")
        if not self._durable:
            execute("PRAGMA synchronous = NORMAL")
        try:
            execute("BEGIN IMMEDIATE")
        except BaseException:
            self._end()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._connection.execute("COMMIT")
        finally:
            self._end()

    def _end(self) -> None:
        with contextlib.suppress(apsw.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        if not self._durable:
            self._connection.execute("PRAGMA synchronous = FULL")


def migrate(connection: apsw.Connection, steps: Sequence[str]) -> None:
    """Bring a database to the version ``len(steps)``, in one transaction or not at all.

    Args:
        connection: An open database of ours, or an empty one.
        steps: SQL scripts; the first ``user_version`` of them have been done already.

    Raises:
        apsw.Error: A step failed; the database is as it was.
    """
    if connection.pragma("user_version") >= len(steps):
        return
    with _Transaction(connection):
        # Again, now that nobody else can write: two processes may open a new file at once.
        for step in steps[connection.pragma("user_version") :]:
            connection.execute(step)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(steps)}")

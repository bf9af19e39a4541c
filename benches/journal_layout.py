"""Which table layout should the SQLite journal have? Measures the candidates side by side.

Every candidate stores the same batches beside the same head row (`cases`), which is moved by
compare-and-swap in the same transaction, in WAL mode with ``synchronous=FULL``. What differs is
how the events lie on disk and how the database itself refuses a sequence number twice:

=================  ==========================================================================
``row+index``      a row an event, in the order of appending; a unique index (case, sequence)
``row-clustered``  a row an event, WITHOUT ROWID, primary key (case, sequence)
``row-packed-key``  a row an event, integer primary key ``case << 32 | sequence``
``batch+index``    a row a batch, in the order of appending; a unique index (case, last)
``batch-packed-key``  a row a batch, integer primary key ``case << 32 | last``
``batch-linked``   a row a batch, in the order of appending, each naming the one before it;
                   no index: a trigger compares with the head row
``batch-chained``  the same, and no two may name the same one before them: a unique index on
                   that name, which grows at its end as the table does
=================  ==========================================================================

Rows of batches are guarded by a trigger: a batch must begin right after the one before.

Run it with ``python benches/journal_layout.py [--quick] [--rounds N] [--folder DIR]``; the folder
decides which disk is measured. Other work on the disk can only slow a run down, so the best of
several rounds counts. It prints Markdown tables, with the fsync time of the same minute: first the
candidates, then the finished store beside the bare database.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import apsw
import attrs
import msgspec
import uvloop

from weft.engine.journal.sqlite import SqliteJournal
from weft.engine.ports import (
    Append,
    CaseId,
    CaseSummary,
    EngineId,
    Journal,
    Microseconds,
    Record,
)

EVENTS_PER_BATCH = 4
TYPES = ("WorkItemCompleted", "TransitionFired", "WorkItemOffered", "WorkItemStarted")

Event = tuple[str, int, int, bytes, bytes]
"""Type, version, time, data, hash."""

HEAD = """
CREATE TABLE cases (no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, status TEXT NOT NULL,
    net TEXT NOT NULL, updated INTEGER NOT NULL, sequence INTEGER NOT NULL, tail INTEGER);
"""
MOVE_HEAD = "UPDATE cases SET sequence = ?, updated = ?, tail = ? WHERE no = ? AND sequence = ?"

ROW_COLUMNS = "type TEXT, version INTEGER, time INTEGER, data BLOB, hash BLOB"
CONTIGUOUS = """
CREATE TRIGGER contiguous BEFORE INSERT ON events
WHEN new.first <> 1 + (SELECT sequence FROM cases WHERE no = new.case_no)
BEGIN SELECT RAISE(ABORT, 'out of sequence'); END;
"""
CONTIGUOUS_BY_KEY = """
CREATE TRIGGER contiguous BEFORE INSERT ON events
WHEN new.first <> 1 AND
    NOT EXISTS (SELECT 1 FROM events WHERE id = (new.id >> 32 << 32) + new.first - 1)
BEGIN SELECT RAISE(ABORT, 'out of sequence'); END;
"""
CHAINED = """
CREATE TRIGGER chained BEFORE INSERT ON events
WHEN new.first IS NOT 1 + CASE WHEN new.previous = -new.case_no THEN 0
    ELSE (SELECT last FROM events WHERE no = new.previous AND case_no = new.case_no) END
BEGIN SELECT RAISE(ABORT, 'out of sequence'); END;
CREATE TRIGGER moved AFTER INSERT ON events
BEGIN UPDATE cases SET tail = new.no WHERE no = new.case_no; END;
"""


@attrs.frozen
class Layout:
    """A candidate: its tables, how a batch is inserted, how a case is read."""

    name: str
    schema: str
    insert: str
    read: str
    batched: bool
    key: str

    def bindings(
        self, row: int, case: int, first: int, events: Sequence[Event], tail: int | None
    ) -> list[tuple[object, ...]]:
        """The rows to insert for one batch."""
        if not self.batched:
            rows = enumerate(events, first)
            if self.key == "packed":
                return [(case << 32 | sequence, *event) for sequence, event in rows]
            return [(case, sequence, *event) for sequence, event in rows]
        last = first + len(events) - 1
        data = msgspec.msgpack.encode(events)
        if self.key == "packed":
            return [(case << 32 | last, first, data)]
        if self.key == "linked":
            return [(row, case, first, last, tail, data)]
        if self.key == "chained":
            return [(row, case, first, last, tail or -case, data)]
        return [(case, first, last, data)]

    def read_bindings(self, case: int, tail: int | None) -> tuple[object, ...]:
        """What the reading statement is asked with, for all events of a case."""
        if self.key == "packed":
            return (case << 32, (case + 1) << 32)
        return (tail,) if self.key in {"linked", "chained"} else (case,)


LAYOUTS = (
    Layout(
        "row+index",
        f"CREATE TABLE events (id INTEGER PRIMARY KEY, case_no INTEGER, sequence INTEGER,"
        f" {ROW_COLUMNS}); CREATE UNIQUE INDEX events_by_case ON events (case_no, sequence);",
        "INSERT INTO events (case_no, sequence, type, version, time, data, hash)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        "SELECT type, version, time, data, hash FROM events WHERE case_no = ? ORDER BY sequence",
        batched=False,
        key="index",
    ),
    Layout(
        "row-clustered",
        f"CREATE TABLE events (case_no INTEGER, sequence INTEGER, {ROW_COLUMNS},"
        " PRIMARY KEY (case_no, sequence)) WITHOUT ROWID;",
        "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)",
        "SELECT type, version, time, data, hash FROM events WHERE case_no = ? ORDER BY sequence",
        batched=False,
        key="index",
    ),
    Layout(
        "row-packed-key",
        f"CREATE TABLE events (id INTEGER PRIMARY KEY, {ROW_COLUMNS});",
        "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)",
        "SELECT type, version, time, data, hash FROM events WHERE id > ? AND id < ? ORDER BY id",
        batched=False,
        key="packed",
    ),
    Layout(
        "batch+index",
        "CREATE TABLE events (id INTEGER PRIMARY KEY, case_no INTEGER, first INTEGER,"
        " last INTEGER, data BLOB);"
        " CREATE UNIQUE INDEX events_by_case ON events (case_no, last);" + CONTIGUOUS,
        "INSERT INTO events (case_no, first, last, data) VALUES (?, ?, ?, ?)",
        "SELECT data FROM events WHERE case_no = ? ORDER BY last",
        batched=True,
        key="index",
    ),
    Layout(
        "batch-packed-key",
        "CREATE TABLE events (id INTEGER PRIMARY KEY, first INTEGER, data BLOB);"
        + CONTIGUOUS_BY_KEY,
        "INSERT INTO events VALUES (?, ?, ?)",
        "SELECT data FROM events WHERE id > ? AND id < ? ORDER BY id",
        batched=True,
        key="packed",
    ),
    Layout(
        "batch-linked",
        "CREATE TABLE events (id INTEGER PRIMARY KEY, case_no INTEGER, first INTEGER,"
        " last INTEGER, previous INTEGER, data BLOB);" + CONTIGUOUS,
        "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)",
        "WITH RECURSIVE chain (id, data, previous) AS ("
        " SELECT id, data, previous FROM events WHERE id = ?"
        " UNION ALL SELECT e.id, e.data, e.previous FROM chain c CROSS JOIN events e"
        " ON e.id = c.previous) SELECT data FROM chain",
        batched=True,
        key="linked",
    ),
    Layout(
        "batch-chained",
        "CREATE TABLE events (no INTEGER PRIMARY KEY, case_no INTEGER, first INTEGER,"
        " last INTEGER, previous INTEGER UNIQUE, data BLOB);" + CHAINED,
        "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)",
        "WITH RECURSIVE chain (data, previous) AS ("
        " SELECT data, previous FROM events WHERE no = ?"
        " UNION ALL SELECT e.data, e.previous FROM chain c CROSS JOIN events e"
        " ON e.no = c.previous) SELECT data FROM chain",
        batched=True,
        key="chained",
    ),
)


def event(sequence: int, random_bytes: random.Random) -> Event:
    """A small event: about 90 bytes of JSON and the 32 bytes of its hash."""
    data = (
        b'{"item":"approve/%d","task":"approve","scope":0,"attempt":1,"outputs":{"ok":true,"n":%d}}'
        % (sequence, sequence)
    )
    return (
        TYPES[sequence % 4],
        1,
        1_790_000_000_000_000 + sequence,
        data,
        random_bytes.randbytes(32),
    )


def open_store(path: Path, layout: Layout, cases: int) -> apsw.Connection:
    """A new store in ``layout`` with empty head rows for ``cases`` cases."""
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(HEAD + layout.schema)
    with connection:
        connection.executemany(
            "INSERT INTO cases VALUES (?, ?, 'running', ?, 0, 0, NULL)",
            [(no, f"order-{no:06}", "ab" * 32) for no in range(1, cases + 1)],
        )
    return connection


def write(
    connection: apsw.Connection, layout: Layout, cases: int, events: int, group: int
) -> float:
    """Append ``events`` events, ``group`` batches a transaction, in turn to every case.

    Gives the seconds it took.
    """
    source = random.Random(1)
    heads = [0] * (cases + 1)
    tails: list[int | None] = [None] * (cases + 1)

    def batches() -> Iterator[tuple[int, list[Event]]]:
        for number in range(events // EVENTS_PER_BATCH):
            turn, case = divmod(number, cases)
            first = turn * EVENTS_PER_BATCH + 1
            yield case + 1, [event(first + n, source) for n in range(EVENTS_PER_BATCH)]

    prepared = list(batches())
    started = time.perf_counter()
    waiting = 0
    for row, (case, block) in enumerate(prepared, 1):
        if waiting == 0:
            connection.execute("BEGIN IMMEDIATE")
        head = heads[case]
        rows = layout.bindings(row, case, head + 1, block, tails[case])
        if len(rows) == 1:
            connection.execute(layout.insert, rows[0])
        else:
            connection.executemany(layout.insert, rows)
        heads[case] = head + len(block)
        tails[case] = row
        connection.execute(MOVE_HEAD, (heads[case], block[0][2], row, case, head))
        if connection.changes() != 1:
            raise AssertionError("lost the head row")
        waiting += 1
        if waiting == group:
            connection.execute("COMMIT")
            waiting = 0
    if waiting:
        connection.execute("COMMIT")
    return time.perf_counter() - started


def size(connection: apsw.Connection, path: Path) -> int:
    """The bytes of the database file after everything was written back into it."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return path.stat().st_size


def read(connection: apsw.Connection, layout: Layout, case: int) -> tuple[int, float]:
    """Read all events of one case; gives their number and the seconds it took."""
    tail = connection.execute("SELECT tail FROM cases WHERE no = ?", (case,)).fetchone()
    decoder = msgspec.msgpack.Decoder(list[tuple[str, int, int, bytes, bytes]])
    started = time.perf_counter()
    rows = connection.execute(layout.read, layout.read_bindings(case, tail[0])).fetchall()
    if layout.batched:
        if layout.key in {"linked", "chained"}:
            rows.reverse()
        found: list[Event] = [e for (data,) in rows for e in decoder.decode(data)]
    else:
        found = rows
    seconds = time.perf_counter() - started
    if [e[2] for e in found] != sorted(e[2] for e in found):
        raise AssertionError("out of order")
    return len(found), seconds


def fsync_microseconds(folder: Path) -> tuple[float, float]:
    """The median and 99th percentile of an 8 KB write and fdatasync in this folder, in µs."""
    times = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(500):
            os.write(file.fileno(), b"x" * 8192)
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - started) * 1e6)
    cuts = statistics.quantiles(times, n=100)
    return cuts[49], cuts[98]


COLUMNS = (
    "single commits/s",
    "events/s, 64 cases",
    "events/s, 1,000 cases",
    "events/s, 64 of 20,000 cases",
    "bytes an event",
    "read one case, µs an event",
    "read 1,000 cases, µs an event",
)
LESS_IS_BETTER = frozenset(COLUMNS[4:])


def measure(layout: Layout, folder: Path, scale: float) -> dict[str, float]:
    """One round of one candidate."""
    found: dict[str, float] = {}
    for cases, group, events, column in (
        (1, 1, int(10_000 * scale), COLUMNS[0]),
        (64, 64, int(200_000 * scale), COLUMNS[1]),
        (1_000, 1_000, int(200_000 * scale), COLUMNS[2]),
        (20_000, 64, int(200_000 * scale), COLUMNS[3]),
    ):
        path = folder / f"{layout.name}-{cases}.db"
        connection = open_store(path, layout, cases)
        empty = size(connection, path)
        rate = events / write(connection, layout, cases, events, group)
        found[column] = rate / EVENTS_PER_BATCH if group == 1 else rate
        grown = size(connection, path) - empty
        if cases == 1:
            count, took = min((read(connection, layout, 1) for _ in range(3)), key=lambda r: r[1])
            found[COLUMNS[5]] = took / count * 1e6
        if cases == 1_000:
            many = [read(connection, layout, case) for case in range(1, cases + 1)]
            found[COLUMNS[6]] = sum(t for _, t in many) / sum(n for n, _ in many) * 1e6
            found[COLUMNS[4]] = grown / events
        connection.close()
        path.unlink()
    return found


def best(rounds: Sequence[dict[str, float]]) -> list[str]:
    """The best value of each column, as a person reads it."""
    cells = []
    for column in COLUMNS:
        values = [found[column] for found in rounds]
        value = min(values) if column in LESS_IS_BETTER else max(values)
        cells.append(f"{value:.2f}" if "µs" in column else f"{value:,.0f}")
    return cells


# ── the finished store ───────────────────────────────────────────────────────────────────────


def append_of(case: str, expected: int) -> Append:
    """A batch of small events, as `event` makes them, for the finished store."""
    data = (
        b'{"item":"approve/%d","task":"approve","scope":0,"attempt":1,"outputs":{"ok":true,"n":%d}}'
        % (expected, expected)
    )
    last = expected + EVENTS_PER_BATCH
    at = Microseconds(1_790_000_000_000_000 + expected)
    return Append(
        case=CaseId(case),
        expected=expected,
        records=[
            Record(n, TYPES[n % 4], 1, at, data, b"h" * 32) for n in range(expected + 1, last + 1)
        ],
        summary=CaseSummary(
            CaseId(case), "check-repository", "1.0.0", "ab" * 32, "running", False, at, at, last
        ),
    )


async def drive(journal: Journal, cases: int, rounds: int) -> tuple[float, float, float]:
    """Batches/s and the median and 99th percentile of one append in ms, ``cases`` at a time."""
    times: list[float] = []

    async def one(case: str) -> None:
        for number in range(rounds):
            batch = append_of(case, number * EVENTS_PER_BATCH)
            started = time.perf_counter()
            wait = journal.append(batch)
            if wait is not None:
                await wait
            times.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(one(f"order-{n:06}") for n in range(cases)))
    seconds = time.perf_counter() - started
    cuts = statistics.quantiles(times, n=100)
    return len(times) / seconds, cuts[49] * 1e3, cuts[98] * 1e3


def raw_commits(path: Path, count: int) -> float:
    """Durable commits/s of one 500-byte row each, by the bare database."""
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, data BLOB)")
    row = (b"x" * 500,)
    started = time.perf_counter()
    for _ in range(count):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO rows (data) VALUES (?)", row)
        connection.execute("COMMIT")
    rate = count / (time.perf_counter() - started)
    connection.close()
    return rate


def measure_store(folder: Path, scale: float, rounds: int) -> None:
    """Print what the finished store does, beside the bare database."""
    count = int(4_000 * scale)
    raw = max(raw_commits(folder / f"raw-{n}.db", count) for n in range(rounds))
    print(f"\nbare database: {raw:,.0f} durable commits/s\n")
    print("| cases at once | batches/s | events/s | p50 ms | p99 ms | bytes an event |")
    print("| --- " * 6 + "|")
    for cases in (1, 2, 64, 1_000):
        found = []
        for n in range(rounds):
            path = folder / f"store-{cases}-{n}.db"
            journal = SqliteJournal(path)
            turns = max(int((4_000 if cases == 1 else 40_000 if cases > 2 else 8_000) * scale), 1)
            rate, middle, high = uvloop.run(drive(journal, cases, max(turns // cases, 5)))
            journal.close()
            events = max(turns // cases, 5) * cases * EVENTS_PER_BATCH
            found.append((rate, middle, high, path.stat().st_size / events))
        rate, middle, high, grown = max(found)
        print(
            f"| {cases:,} | {rate:,.0f} | {rate * EVENTS_PER_BATCH:,.0f} | {middle:.2f}"
            f" | {high:.2f} | {grown:.0f} |"
        )
    journal = SqliteJournal(folder / "store-1-0.db")
    case = CaseId("order-000000")
    reading = []
    for _ in range(rounds):
        started = time.perf_counter()
        events = len(journal.records(case))
        reading.append((time.perf_counter() - started) / events * 1e6)
    print(f"\nreading a case of {events:,} events: {min(reading):.2f} µs an event")
    started = time.perf_counter()
    for _ in range(count):
        journal.claim(case, EngineId("bench"))
        journal.release(case, EngineId("bench"))
    print(f"claim and release: {(time.perf_counter() - started) / count * 1e6:.0f} µs together")
    journal.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every candidate and the store, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many counts")
    parser.add_argument("--folder", type=Path, help="where the databases are made")
    options = parser.parse_args(arguments)
    scale = 0.1 if options.quick else 1
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        middle, high = fsync_microseconds(folder)
        print(
            f"SQLite {apsw.sqlite_lib_version()}, Python {sys.version.split()[0]}; write and"
            f" fdatasync of 8 KB: median {middle:.0f} µs, 99 % {high:.0f} µs\n"
        )
        rounds: dict[str, list[dict[str, float]]] = {layout.name: [] for layout in LAYOUTS}
        for _ in range(options.rounds):
            for layout in LAYOUTS:
                rounds[layout.name].append(measure(layout, folder, scale))
        print(f"| layout | {' | '.join(COLUMNS)} |")
        print("| --- " * (len(COLUMNS) + 1) + "|")
        for layout in LAYOUTS:
            print(f"| `{layout.name}` | {' | '.join(best(rounds[layout.name]))} |")
        middle, high = fsync_microseconds(folder)
        print(f"\nwrite and fdatasync between: median {middle:.0f} µs, 99 % {high:.0f} µs")
        measure_store(folder, scale, options.rounds)
        middle, high = fsync_microseconds(folder)
        print(f"\nwrite and fdatasync at the end: median {middle:.0f} µs, 99 % {high:.0f} µs")


if __name__ == "__main__":
    main()

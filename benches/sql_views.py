"""What reading the journal with plain SQL costs: ``python benches/sql_views.py``.

Compares the views, which unpack the batches when they are asked, with a table of events that is
filled in the transaction of the append. The measurement of ``docs/decisions/0007-sql-views.md``.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from pathlib import Path

from weft.engine.journal.sqlite import SqliteJournal
from weft.engine.ports import Append, CaseId, CaseSummary, Microseconds, Record

CASES, BATCHES, EVENTS = 100, 40, 4
DATA = b'{"item":"check/1","writes":{"result":{"code":0,"text":"all is well, nothing to see"}}}'


def batch(case: int, number: int) -> Append:
    """The batch of four events of 86 bytes that a case does next."""
    first, now = number * EVENTS + 1, Microseconds(1_790_000_000_000_000 + number)
    return Append(
        case=CaseId(f"order-{case}"),
        expected=first - 1,
        records=[
            Record(first + i, "WorkItemCompleted", 1, now, DATA, bytes(range(i, i + 32)))
            for i in range(EVENTS)
        ],
        summary=CaseSummary(
            CaseId(f"order-{case}"), "order", "1", "", "running", False, now, now, first + 3
        ),
    )


class Doubled(SqliteJournal):
    """A journal that also keeps a readable row for each event."""

    def _open(self, *arguments, **options):
        connection = super()._open(*arguments, **options)
        connection.execute(
            "CREATE TABLE copies (case_no INTEGER, sequence INTEGER, type TEXT, version INTEGER,"
            " time INTEGER, data TEXT, hash BLOB, PRIMARY KEY (case_no, sequence)) STRICT"
        )
        return connection

    def _store(self, entry):
        failure = super()._store(entry)
        ((number,),) = self._connection.execute(
            "SELECT no FROM cases WHERE id = ?", (entry.batch.case,)
        ).fetchall()
        self._connection.executemany(
            "INSERT INTO copies VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (number, r.sequence, r.type, r.version, r.time, r.data.decode(), r.hash)
                for r in entry.batch.records
            ],
        )
        return failure


def filled(journal: type[SqliteJournal], path: Path) -> None:
    """Append to one case, then to all cases in turn; print what it cost."""
    store = journal(path)
    start = time.perf_counter()
    for number in range(1000):
        store.append(batch(0, number))
    single = 1000 / (time.perf_counter() - start)
    start = time.perf_counter()
    for number in range(BATCHES):
        for case in range(1, CASES):
            store.append(batch(case, number))
    many = (CASES - 1) * BATCHES / (time.perf_counter() - start)
    store.close()
    events = (1000 + (CASES - 1) * BATCHES) * EVENTS
    size = path.stat().st_size / events
    print(f"{journal.__name__:14} {single:8.0f} commits/s  {many:8.0f} /s over 99 cases", end="")
    print(f"  {size:6.0f} bytes an event")


def read(path: Path, what: str) -> None:
    """Read a view or table, of one case of 160 events and whole; print what it cost."""
    connection = sqlite3.connect(path)
    for where, of in ((" WHERE case_id = 'order-7'", "one case"), ("", "all cases")):
        start = time.perf_counter()
        rows = connection.execute(f"SELECT * FROM {what}{where}").fetchall()
        took = time.perf_counter() - start
        print(f"{what:16} {of}: {len(rows):6} rows in {took * 1000:8.1f} ms")
    connection.close()


def opened(path: Path) -> None:
    """Print how long it takes to open a store."""
    start = time.perf_counter()
    for _ in range(100):
        SqliteJournal(path).close()
    print(f"open and close: {(time.perf_counter() - start) * 10:.2f} ms")


def main() -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as folder:
        for journal in (SqliteJournal, Doubled) * 2:
            path = Path(folder, f"{journal.__name__}.db")
            path.unlink(missing_ok=True)
            filled(journal, path)
        path = Path(folder, "SqliteJournal.db")
        for view in ("history", "step_executions", "step_attempts"):
            read(path, view)
        opened(path)
        with sqlite3.connect(path) as connection:
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'view'"
            ).fetchall():
                connection.execute(f"DROP VIEW {name}")
        print("without views: ", end="")
        opened(path)


if __name__ == "__main__":
    main()

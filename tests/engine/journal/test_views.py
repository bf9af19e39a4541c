"""The views of the store, read by Python's own sqlite3, which knows nothing of Weft."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.journal.batches import START, batch, summary, write
from weft.engine import events as e
from weft.engine.journal.sqlite import MIGRATIONS, SqliteJournal
from weft.engine.ports import Append, CaseId, Journal, Microseconds, Record, StoredSpecification


def rows(path: Path, query: str, *bindings: object) -> list[dict[str, Any]]:
    """What a query answers to another program, which may only read."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        cursor = connection.execute(query, bindings)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]
    finally:
        connection.close()


def values(path: Path, query: str, *bindings: object) -> list[Any]:
    """The same, as a tuple a row (a plain value where there is one column)."""
    found = [tuple(row.values()) for row in rows(path, query, *bindings)]
    return [row[0] if len(row) == 1 else row for row in found]


def told(journal: Journal, case: str, *batches: Sequence[e.Event], **changes: object) -> None:
    """Append events, a batch a list; those of batch ``n`` happen in second ``n`` from 0."""
    last, before = 0, e.GENESIS
    for second, events in enumerate(batches):
        now = Microseconds(START + second * 1_000_000)
        records = []
        for sequence, event in enumerate(events, last + 1):
            made = e.record(event, case=CaseId(case), sequence=sequence, time=now, before=before)
            records.append(made)
            before = made.hash
        end = changes if second == len(batches) - 1 else {}
        whole = summary(case, last + len(records), **{"updated": now, **end})
        write(journal, Append(CaseId(case), last, records, whole))
        last += len(records)


def iso(microseconds: int) -> str:
    seconds, rest = divmod(microseconds, 1_000_000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weft.db"


# ── history ──────────────────────────────────────────────────────────────────────────────────


LENGTHS = st.sampled_from([0, 1, 31, 32, 117, 122, 123, 300])

record_fields = st.tuples(
    st.one_of(st.sampled_from(sorted(e.EVENT_TYPES)), st.text("abcÄ", min_size=1, max_size=300)),
    st.sampled_from([1, 2, 127, 128, 255, 256, 70_000]),
    st.one_of(
        st.integers(0, 2**50), st.sampled_from([0, 127, 128, 255, 256, 65_535, 65_536, 2**32])
    ),
    LENGTHS.map(lambda n: json.dumps({"text": "ü" * n}, ensure_ascii=False).encode()),
    st.binary(min_size=32, max_size=32),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(record_fields, min_size=1, max_size=20), min_size=1, max_size=4))
def test_the_history_is_what_the_journal_has(tmp_path_factory, batches):
    path = tmp_path_factory.mktemp("history") / "weft.db"
    journal = SqliteJournal(path)
    last = 0
    for fields in batches:
        records = [Record(n, *given) for n, given in enumerate(fields, last + 1)]
        write(journal, Append(CaseId("a"), last, records, summary("a", records[-1].sequence)))
        last += len(records)
    expected = [
        {
            "case_id": "a",
            "sequence": r.sequence,
            "type": r.type,
            "version": r.version,
            "time": iso(r.time),
            "data": r.data.decode(),
            "hash": r.hash.hex(),
            "command": None,
            "microseconds": r.time,
        }
        for r in journal.records(CaseId("a"))
    ]
    journal.close()
    assert rows(path, "SELECT * FROM history") == expected


def test_a_batch_of_many_events(path: Path):
    journal = SqliteJournal(path)
    write(journal, batch("a", 0, 300), batch("a", 300, 17, command="more"))
    journal.close()
    assert values(path, "SELECT count(*), min(sequence), max(sequence) FROM history") == [
        (317, 1, 317)
    ]
    assert values(path, "SELECT data FROM history WHERE sequence = 300") == ['{"n":300}']
    assert values(path, "SELECT DISTINCT command FROM history") == [None, "more"]


def test_events_with_much_in_them(path: Path):
    journal = SqliteJournal(path)
    lengths = [65_535, 65_536, 200_000]
    for n, length in enumerate(lengths):
        write(journal, batch("a", 2 * n, 2, data=b'"%s"' % (b"x" * (length - 2))))
    journal.close()
    assert values(path, "SELECT length(data) FROM history") == [n for n in lengths for _ in "12"]


def test_one_case_is_found_without_reading_the_others(path: Path):
    journal = SqliteJournal(path)
    write(journal, *(batch(f"c{n}", 0, 3) for n in range(5)))
    journal.close()
    with sqlite3.connect(path) as connection:
        for view in ("history", "step_history", "step_executions", "step_attempts"):
            plan = connection.execute(
                f"EXPLAIN QUERY PLAN SELECT * FROM {view} WHERE case_id = 'c3'"
            ).fetchall()
            steps = [step[-1] for step in plan]
            assert any(step.startswith("SEARCH c USING INDEX") for step in steps), (view, steps)
            assert not any(step.startswith(("SCAN c", "SCAN e")) and step != "SCAN chain"
                           for step in steps if "CONSTANT" not in step), (view, steps)  # fmt: skip
    connection.close()


# ── executions and workflows ─────────────────────────────────────────────────────────────────


def test_executions(path: Path):
    journal = SqliteJournal(path)
    write(
        journal,
        batch("a", 0, updated=START + 2_500_000, status="completed"),
        batch("b", 0, status="failed", error=b'{"code":"exit-code"}', wake_at=START),
    )
    journal.close()
    done, failed = rows(path, "SELECT * FROM executions ORDER BY case_id")
    assert done == {
        "case_id": "a",
        "workflow": "check-repository",
        "version": "1.0.0",
        "status": "completed",
        "idle": 0,
        "started": iso(START),
        "updated": iso(START + 2_500_000),
        "ended": iso(START + 2_500_000),
        "seconds": 2.5,
        "events": 1,
        "wake_at": None,
        "error": None,
        "net": "ab" * 32,
    }
    assert (failed["ended"], failed["wake_at"]) == (None, iso(START))
    assert values(path, "SELECT error ->> 'code' FROM executions WHERE status = 'failed'") == [
        "exit-code"
    ]


def test_workflows(path: Path):
    journal = SqliteJournal(path)
    for name, version, time in (("b", "1", 1), ("a", "2", 2), ("a", "1", 3)):
        source = f"name: {name} ü".encode()
        journal.put_specification(
            StoredSpecification(name, version, "native", source, "n", "/x", Microseconds(time))
        )
    journal.close()
    assert values(
        path, "SELECT name, version, source, newest, added FROM workflows ORDER BY name, version"
    ) == [
        ("a", "1", "name: a ü", 1, iso(3)),
        ("a", "2", "name: a ü", 0, iso(2)),
        ("b", "1", "name: b ü", 1, iso(1)),
    ]


# ── steps ────────────────────────────────────────────────────────────────────────────────────


def started(item: str, **fields: Any) -> e.WorkItemStarted:
    return e.WorkItemStarted(item, f"{item}.start", item.partition("/")[0], **fields)


BEGIN = e.CaseStarted("a", "s", "1", "n")
STEPS = "SELECT item, status, attempts, started, ended, seconds FROM step_executions ORDER BY item"
ATTEMPTS = "SELECT item, attempt, status, started, ended FROM step_attempts ORDER BY item, attempt"


def at(second: int | None) -> str | None:
    return None if second is None else iso(START + second * 1_000_000)


@pytest.mark.parametrize(
    ("batches", "changes", "steps", "attempts"),
    [
        pytest.param(
            [[BEGIN, started("x/1")], [e.WorkItemCompleted("x/1")]],
            {},
            [("x/1", "completed", 1, at(0), at(1), 1.0)],
            [("x/1", 1, "completed", at(0), at(1))],
            id="completed",
        ),
        pytest.param(
            [[BEGIN, e.WorkItemOffered("x/1", "x")], [e.WorkItemClaimed("x/1", "eve")]],
            {},
            [("x/1", "offered", 0, None, None, None)],
            [],
            id="offered, claimed",
        ),
        pytest.param(
            [[BEGIN, e.WorkItemOffered("x/1", "x")], [e.WorkItemWithdrawn("x/1")]],
            {},
            [("x/1", "cancelled", 0, None, at(1), None)],
            [],
            id="withdrawn",
        ),
        pytest.param(
            [
                [BEGIN, started("x/1")],
                [e.WorkItemFailed("x/1", {"code": "one"}, retry_at=1)],
                [e.WorkItemRetried("x/1", 2)],
                [e.WorkItemFailed("x/1", {"code": "two"}), e.WorkItemGivenUp("x/1")],
            ],
            {},
            [("x/1", "given up", 2, at(0), at(3), 3.0)],
            [("x/1", 1, "failed", at(0), at(1)), ("x/1", 2, "failed", at(2), at(3))],
            id="given up",
        ),
        pytest.param(
            [[BEGIN, started("x/1")], [e.WorkItemRetried("x/1", 2, interrupted=True)]],
            {},
            [("x/1", "started", 2, at(0), None, None)],
            [("x/1", 1, "interrupted", at(0), at(1)), ("x/1", 2, "started", at(1), None)],
            id="interrupted",
        ),
        pytest.param(
            [
                [BEGIN, started("x/1"), started("y/1"), started("z/1", scope=3)],
                [e.WorkItemCompleted("x/1", cancelled=("y/1",))],
                [e.TransitionFired("t", cancelled=("z/1",))],
            ],
            {},
            [
                ("x/1", "completed", 1, at(0), at(1), 1.0),
                ("y/1", "cancelled", 1, at(0), at(1), 1.0),
                ("z/1", "cancelled", 1, at(0), at(2), 2.0),
            ],
            [
                ("x/1", 1, "completed", at(0), at(1)),
                ("y/1", 1, "cancelled", at(0), at(1)),
                ("z/1", 1, "cancelled", at(0), at(2)),
            ],
            id="cancelled by others",
        ),
        pytest.param(
            [[BEGIN, started("x/1"), started("x/2")], [e.WorkItemCompleted("x/2")],
             [e.CaseCancelled()]],
            {"status": "cancelled"},
            [
                ("x/1", "cancelled", 1, at(0), at(2), 2.0),
                ("x/2", "completed", 1, at(0), at(1), 1.0),
            ],
            [("x/1", 1, "cancelled", at(0), at(2)), ("x/2", 1, "completed", at(0), at(1))],
            id="closed with the case",
        ),
        pytest.param(
            [[BEGIN, started("x/1")], [e.WorkItemFailed("x/1", {}), e.CaseFailed({})]],
            {"status": "failed"},
            [("x/1", "failed", 1, at(0), None, None)],
            [("x/1", 1, "failed", at(0), at(1))],
            id="failed with the case",
        ),
        pytest.param(
            [[BEGIN, started("x/1"), e.ScopeOpened(1, "x/1", "n")],
             [e.ScopeClosed(1), e.WorkItemCompleted("x/1")]],
            {},
            [("x/1", "completed", 1, at(0), at(1), 1.0)],
            [("x/1", 1, "completed", at(0), at(1))],
            id="composite",
        ),
    ],
)  # fmt: skip
def test_steps(path: Path, batches, changes, steps, attempts):
    journal = SqliteJournal(path)
    told(journal, "a", *batches, **changes)
    journal.close()
    assert values(path, STEPS) == steps
    assert values(path, ATTEMPTS) == attempts


def test_what_a_step_says_more(path: Path):
    journal = SqliteJournal(path)
    told(
        journal,
        "a",
        [BEGIN, e.WorkItemOffered("ask/1", "ask", scope=2), started("run/1")],
        [e.WorkItemStarted("ask/1", "ask.start", by="ada"), e.WorkItemFailed("run/1", {"code": 7})],
        [e.WorkItemCompleted("ask/1", by="bob")],
    )
    told(journal, "b", [BEGIN, started("run/1")], [e.WorkItemFailed("run/1", {"code": 8})])
    journal.close()
    assert values(
        path, "SELECT case_id, item, task, scope, done_by, error FROM step_executions ORDER BY 1, 2"
    ) == [
        ("a", "ask/1", "ask", 2, "bob", None),
        ("a", "run/1", "run", 0, None, '{"code":7}'),
        ("b", "run/1", "run", 0, None, '{"code":8}'),
    ]
    assert values(
        path, "SELECT error ->> 'code' FROM step_attempts WHERE case_id = ? AND item = ?", "b", "run/1"
    ) == [8]  # fmt: skip


def test_a_store_of_the_first_release_gets_the_views(path: Path):
    with sqlite3.connect(path) as connection:
        connection.executescript(MIGRATIONS[0])
        connection.execute("PRAGMA application_id = 0x57656674")
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    journal = SqliteJournal(path)
    write(journal, batch("a", 0, 2))
    journal.close()
    assert values(path, "SELECT sequence FROM history") == [1, 2]

"""list, specs, show, status, history, worklist, patterns: they look and touch nothing."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path

import apsw
import msgspec
import pytest

from weft.cli.queries import checked_records
from weft.cli.stores import missing
from weft.engine.journal import open_journal
from weft.engine.ports import CaseId, Record
from weft.schema.errors import JournalError

QUERIES = (
    ["list"],
    ["list", "--status", "running"],
    ["specs"],
    ["worklist"],
    ["status", "c"],
    ["history", "c"],
    ["history", "c", "--verify"],
    ["history", "c", "--at", "1"],
    ["run", "--replay", "c"],
    ["show", "asks"],
)


def content(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("query", QUERIES, ids=" ".join)
def test_a_query_changes_nothing(weft, asks, folder, query):
    weft("run", asks, "--case", "c")
    before = content(folder)
    assert weft(*query).code in (0, 3)
    assert weft(*query, "--json").code in (0, 3)
    assert content(folder) == before


@pytest.mark.parametrize("query", QUERIES, ids=" ".join)
def test_a_query_makes_no_store(weft, folder, query):
    done = weft(*query, "--json")
    assert content(folder) == {}
    assert not list(folder.iterdir())
    if query[0] in ("list", "specs", "worklist"):
        assert done.code == 0
        assert [list(value) for value in done.json.values()] == [[]]
    elif query[0] == "show":
        assert done.json["error"]["code"] == "no-specification"
    else:
        assert done.code == 2
        assert done.json["error"]["code"] == "no-store"
        assert "no store is at sqlite:///.weft/weft.db" in done.json["error"]["message"]


def test_an_empty_file_is_a_store_that_was_never_written(weft, folder):
    Path("empty.db").touch()
    assert weft("list", "--store", "sqlite:///empty.db").code == 0
    assert Path("empty.db").stat().st_size == 0


@pytest.mark.parametrize(
    ("url", "gone"),
    [
        ("memory:", False),
        ("sqlite:///", False),
        ("sqlite:///nowhere.db", True),
        ("sqlite:///nowhere/x.db", True),
        ("mysql://x", False),
        ("sqlite:///" + "x" * 5000, False),
        ("sqlite:///a\0b", False),
    ],
)
def test_missing(folder, url, gone):
    assert missing(url) is gone


@pytest.fixture
def read_only():
    """Copy a folder to where we may only read; root, who may write anywhere, becomes nobody."""
    copy = Path(tempfile.mkdtemp())  # not in pytest's own folders: nobody may not look there
    root = os.geteuid() == 0

    def protect(folder: Path) -> Path:
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        for each in [*copy.rglob("*"), copy]:
            each.chmod(0o555 if each.is_dir() else 0o444)
        if root:
            os.seteuid(65534)
        return copy

    yield protect
    if root:
        os.seteuid(0)
    for each in [copy, *copy.rglob("*")]:
        each.chmod(each.stat().st_mode | stat.S_IWUSR)
    shutil.rmtree(copy)


def test_a_read_only_store_can_be_looked_at(weft, asks, read_only):
    weft("run", asks, "--case", "c")
    queries = [q for q in QUERIES if q[0] != "run"]
    before = [weft(*query).out for query in queries]
    weft("resume", "c")  # so that all it needs is imported before we are nobody
    store = f"sqlite:///{read_only(Path('.weft'))}/weft.db"
    for query, out in zip(queries, before, strict=True):
        done = weft(*query, "--store", store)
        assert (done.code, done.out) == (0, out), done.err
    refused = weft("resume", "c", "--json", "--store", store)
    assert refused.code == 5
    assert refused.json["error"]["class"] == "JournalError"


# ── cases ────────────────────────────────────────────────────────────────────────────────────


def test_cases_come_newest_first(weft, row, asks):
    for name, path in [("a", row), ("b", asks), ("c", row)]:
        weft("run", path, "--case", name)
    cases = weft("list", "--json").json["cases"]
    assert [c["case"] for c in cases] == ["c", "b", "a"]
    assert {"case", "specification", "status", "idle", "started", "updated"} <= set(cases[0])
    assert cases[0]["specification"] == {"name": "row", "version": "1"}
    assert cases[0]["started"] < cases[0]["updated"]
    running = weft("list", "--status", "running", "--json").json["cases"]
    assert [(c["case"], c["idle"]) for c in running] == [("b", True)]
    lines = weft("list").out.splitlines()
    assert lines[0].split() == ["CASE", "SPECIFICATION", "STATUS", "STARTED", "UPDATED"]
    assert lines[2].split()[:4] == ["b", "asks", "1", "waiting"]


def test_the_status_of_a_case(weft, asks):
    weft("run", asks, "--case", "c")
    answer = weft("status", "c", "--json").json
    assert {"case", "status", "idle", "marking", "work_items", "waiting"} <= set(answer)
    assert list(answer["marking"]) == ["0"]
    assert list(answer["marking"]["0"].values()) == [1]
    assert answer["waiting"] == []
    out = weft("status", "c").out
    assert "running, idle: it waits for somebody" in out
    assert "tokens   before ask" in out
    assert "c:ask/1  offered  for host; Go on? (yes, no)" in out


def test_the_status_while_it_was_drained_is_running(weft, row):
    weft("run", row, "--case", "c")
    assert "completed; 6 events" in weft("status", "c").out


# ── history ──────────────────────────────────────────────────────────────────────────────────


def test_the_history_of_a_case(weft, row):
    weft("run", row, "--case", "c")
    answer = weft("history", "c", "--json").json
    events = answer["events"]
    assert [set(e) for e in events] == [{"sequence", "type", "version", "time", "hash", "data"}] * 6
    assert [e["sequence"] for e in events] == [1, 2, 3, 4, 5, 6]
    assert (events[0]["type"], events[-1]["type"]) == ("CaseStarted", "CaseCompleted")
    assert answer["intact"] is None
    out = weft("history", "c").out.splitlines()
    assert len(out) == 6
    assert out[1].split()[2] == "WorkItemStarted"


def test_the_case_as_it_was(weft, asks):
    weft("run", asks, "--case", "c", "--decide", "ask=yes")
    answer = weft("history", "c", "--at", 2, "--json").json
    assert len(answer["events"]) == 2
    assert answer["at"] == 2
    assert (answer["status"], answer["idle"]) == ("running", True)
    assert [i["item"] for i in answer["work_items"]] == ["c:ask/1"]
    assert answer["data"]["ask"] is None
    assert "after event 2 the case was running" in weft("history", "c", "--at", 2).out
    refused = weft("history", "c", "--at", 99)
    assert refused.code == 2
    assert "its events are 1 to " in refused.err


def test_an_unbroken_chain_is_intact(weft, row):
    weft("run", row, "--case", "c")
    done = weft("history", "c", "--verify")
    assert done.code == 0
    assert done.out.splitlines()[-1] == "intact: the chain of 6 events is unbroken"
    answer = weft("history", "c", "--verify", "--at", 3, "--json").json
    assert (answer["intact"], answer["fault"], len(answer["events"])) == (True, None, 3)


def test_a_damaged_row_is_found_and_named(weft, row):
    weft("run", row, "--case", "c")
    with apsw.Connection(".weft/weft.db") as connection:
        rows = list(connection.execute("SELECT no, data FROM events"))
        (changed,) = [(data.replace(b"two", b"tow"), no) for no, data in rows if b"two" in data]
        connection.execute("UPDATE events SET data = ? WHERE no = ?", changed)
    done = weft("history", "c", "--verify", "--json")
    assert done.code == 1
    assert done.json["intact"] is False
    assert "event 5 cannot be read" in done.json["fault"]
    assert [e["sequence"] for e in done.json["events"]] == [1, 2, 3, 4]
    assert "not intact: event 5" in weft("history", "c", "--verify").out
    assert weft("history", "c").code == 5
    assert weft("status", "c").code == 5


class Forged:
    """A journal in which somebody has changed an event, and its row's checksum with it."""

    def __init__(self, journal, number: int, **changed: object) -> None:
        self.journal = journal
        self.number = number
        self.changed = changed

    def __getattr__(self, name: str):
        return getattr(self.journal, name)

    def records(self, case: CaseId, **limits: int) -> list[Record]:
        from msgspec.structs import replace

        return [
            replace(r, **self.changed) if r.sequence == self.number else r
            for r in self.journal.records(case, **limits)
        ]


@pytest.mark.parametrize(
    ("changed", "broken"),
    [
        ({"data": b'{"item":"step-1/2"}'}, 3),
        ({"time": 5}, 3),
        ({"type": "WorkItemFailed"}, 3),
        ({"hash": bytes(32)}, 3),
    ],
    ids=lambda v: next(iter(v)) if isinstance(v, dict) else "",
)
def test_a_forged_event_breaks_the_chain(weft, row, changed, broken):
    weft("run", row, "--case", "c")
    journal = open_journal("sqlite:///.weft/weft.db")
    records, fault = checked_records(Forged(journal, 3, **changed), CaseId("c"))
    journal.close()
    assert fault == f"the hash of event {broken} does not fit the chain"
    assert [r.sequence for r in records] == [1, 2]


def test_a_store_that_fails_while_it_is_checked_is_for_the_operator(weft, row):
    weft("run", row, "--case", "c")

    class Locked(Forged):
        def records(self, case, **limits):
            raise JournalError("locked", code="locked")

    journal = open_journal("sqlite:///.weft/weft.db")
    with pytest.raises(JournalError, match="locked"):
        checked_records(Locked(journal, 1), CaseId("c"))
    journal.close()


def rewritten(change) -> None:
    """Change the events of case c in the file, with all that is not the chain made to fit again.

    Whoever may write to the file can do this: checksums, numbers and heads are no secret.
    """
    from weft.engine.journal import batch, sqlite

    with apsw.Connection(".weft/weft.db") as db:
        db.execute("DROP TRIGGER events_in_sequence")
        case_no = db.execute("SELECT no FROM cases WHERE id = 'c'").fetchall()[0][0]
        rows = db.execute(
            "SELECT no, data FROM events WHERE case_no = ? ORDER BY no", (case_no,)
        ).fetchall()
        changed = change([event for _, data in rows for event in batch.unpack(data)])
        db.execute("DELETE FROM events WHERE case_no = ?", (case_no,))
        data = msgspec.msgpack.encode(changed)
        key = (case_no, -case_no, 1, len(changed), None)
        row = (*key, sqlite._checksum((*key, data)), data)
        db.execute(sqlite._PUT_EVENTS, row)
        summary = db.execute(sqlite.QUERIES["summary"], ("c",)).fetchall()[0]
        fields = (*summary[:8], len(changed), *summary[9:11])
        db.execute(
            "UPDATE cases SET sequence = ?, checksum = ? WHERE no = ?",
            (len(changed), sqlite._checksum(fields), case_no),
        )
        db.execute("DELETE FROM snapshots")


def edit(number: int, field: int, value: object):
    def change(events):
        event = list(events[number - 1])
        event[field] = value
        return [*events[: number - 1], tuple(event), *events[number:]]

    return change


FORGERIES = {
    "another type": (edit(3, 0, "WorkItemFailed"), 3),
    "another version": (edit(3, 1, 2), 3),
    "another time": (edit(1, 2, 5), 1),
    "other data": (edit(6, 3, b'{"data":{}}'), 6),
    "another hash": (edit(4, 4, bytes(32)), 4),
    "the first is gone": (lambda events: events[1:], 1),
    "one is gone": (lambda events: events[:2] + events[3:], 3),
    "one comes twice": (lambda events: events[:3] + events[2:], 4),
    "two have changed places": (lambda events: [*events[:3], events[4], events[3], *events[5:]], 4),
    "one of another case": (
        lambda events: [*events[:2], *other_events()[2:3], *events[3:]],
        3,
    ),
}


def other_events():
    from weft.engine.journal import batch

    with apsw.Connection(".weft/weft.db") as db:
        rows = db.execute(
            "SELECT data FROM events e JOIN cases c ON c.no = e.case_no WHERE c.id = 'other'"
            " ORDER BY e.no"
        ).fetchall()
    return [event for (data,) in rows for event in batch.unpack(data)]


@pytest.mark.parametrize("kind", FORGERIES)
def test_whatever_is_forged_in_the_file_is_found(weft, row, kind):
    """An edit, a gap, a reorder in a real file, by somebody who knows the format of the store."""
    for case in ("other", "c"):
        weft("run", row, "--case", case)
    change, first = FORGERIES[kind]
    rewritten(change)
    journal = open_journal("sqlite:///.weft/weft.db", read_only=True)
    assert journal.check() == [], "but for the chain everything fits"
    journal.close()
    done = weft("history", "c", "--verify", "--json")
    assert (done.code, done.json["intact"]) == (1, False)
    assert f"the hash of event {first} does not fit the chain" in done.json["fault"]
    assert [e["sequence"] for e in done.json["events"]] == list(range(1, first))
    for asks in (("status", "c"), ("resume", "c"), ("history", "c", "--at", first)):
        assert weft(*asks).code == 5, "and nothing goes on from it"
    if first > 1:
        assert weft("history", "c", "--at", first - 1, "--json").json["at"] == first - 1
    assert weft("history", "other", "--verify").code == 0


def test_a_case_as_it_was_is_the_case_at_that_time(weft, row):
    """`--at N` for every N is what the live case was: its events so far, folded."""
    from weft.engine.runtime.live import find_case, read_case, stored_net

    weft("run", row, "--case", "c")
    last = len(weft("history", "c", "--json").json["events"])
    journal = open_journal("sqlite:///.weft/weft.db", read_only=True)
    summary = find_case(journal, "c")
    for at in range(1, last + 1):
        answer = weft("history", "c", "--at", at, "--json").json
        then = read_case(journal, summary, stored_net(journal, summary.net), at=at).state
        assert answer["at"] == at
        assert answer["status"] == then.status.value
        assert answer["data"] == dict(then.data)
        assert len(answer["events"]) == at
    journal.close()
    for wrong in (0, last + 1, -1):
        assert weft("history", "c", "--at", wrong).code == 2


def test_large_results_that_nobody_needs_are_collected(weft, row):
    assert weft("collect").code == 2, "there is no store"
    weft("run", row, "--case", "c")
    assert weft("collect").out == "nothing to remove\n"
    journal = open_journal("sqlite:///.weft/weft.db")
    journal.put_blob("0" * 64, bytes(2000))
    journal.close()
    assert weft("collect", "--json").json == {"removed": 1, "bytes": 2000}
    journal = open_journal("sqlite:///.weft/weft.db")
    journal.claim("c", "one")
    done = weft("collect", "--json")
    journal.close()
    assert (done.code, done.json["error"]["code"]) == (5, "in-use")


# ── work ─────────────────────────────────────────────────────────────────────────────────────


def test_the_worklist(weft, asks, fails):
    weft("run", asks, "--case", "a")
    weft("run", fails, "--case", "b")
    items = weft("worklist", "--json").json["work_items"]
    assert [(i["item"], i["status"]) for i in items] == [
        ("a:ask/1", "offered"),
        ("b:step-1/1", "failed"),
    ]
    fields = {
        *("item", "case", "task", "scope", "status", "attempt", "role", "claimed_by", "due"),
        "form",
    }
    assert fields <= set(items[0])
    assert items[0]["role"] == "host"
    assert items[0]["form"]["properties"]["choice"]["enum"] == ["yes", "no"]
    assert items[1]["form"] is None
    assert [i["item"] for i in weft("worklist", "--role", "host", "--json").json["work_items"]] == [
        "a:ask/1"
    ]
    assert weft("worklist", "--role", "nobody").out == "nothing waits for anybody\n"
    assert "a:ask/1" in weft("worklist").out


# ── specifications ───────────────────────────────────────────────────────────────────────────


def test_known_specifications(weft, row, write):
    weft("run", row)
    weft(
        "run", write("v.yaml", 'weft: 1\nname: row\nversion: "2"\nsequence: [{shell: [echo, x]}]\n')
    )
    known = weft("specs", "--json").json["specifications"]
    assert [(s["name"], s["version"], s["format"]) for s in known] == [
        ("row", "2", "native"),
        ("row", "1", "native"),
    ]
    assert known[0]["origin"] == str(Path.cwd())
    assert weft("specs").out.splitlines()[1].split()[:2] == ["row", "2"]


def test_showing_a_specification(weft, write):
    path = write(
        "s.yaml",
        """\
weft: 1
name: s
description: What it is for.
net:
  start: a
  tasks:
    a: {shell: [echo, a], then: {parallel-split: [b, c]}, on-failure: c}
    b: {net: inner, structured-loop: {until: "b != null"}, then: explicit-termination}
    c: {title: The third, shell: [echo, c]}
nets:
  inner: {start: x, tasks: {x: {shell: [echo, x]}}}
""",
    )
    answer = weft("show", path, "--json").json
    assert {"name", "version", "format", "tasks", "patterns"} <= set(answer)
    tasks = {t["name"]: t for t in answer["tasks"]}
    assert tasks["a"]["connector"] == "shell"
    assert tasks["a"]["then"] == 'parallel-split ["b", "c"]'
    assert tasks["a"]["on_failure"] == "c"
    assert (tasks["b"]["connector"], tasks["b"]["around"]) == ("net", ["structured-loop"])
    assert tasks["c"]["title"] == "The third"
    assert tasks["x"]["net"] == "inner"
    assert [p["id"] for p in answer["patterns"]] == [1, 2, 21, 43]
    out = weft("show", path).out
    assert "What it is for." in out
    assert "inner ▸ x" in out
    assert "WCP-43 Explicit Termination" in out


def test_showing_what_is_wrong(weft, write):
    path = write("s.yaml", "weft: 1\nname: s\nnet: {start: a, tasks: {a: {then: nowhere}}}\n")
    done = weft("show", path)
    assert done.code == 2
    assert "nowhere" in done.err


# ── patterns ─────────────────────────────────────────────────────────────────────────────────


def test_the_catalogue(weft):
    found = weft("patterns", "--json").json["patterns"]
    assert {"id", "name", "family", "aliases", "parameters", "rating"} <= set(found[0])
    assert [p["id"] for p in found[:5]] == [1, 2, 3, 4, 5]
    lines = weft("patterns").out.splitlines()
    assert len(lines) == len(found) + 1


@pytest.mark.parametrize("name", ["4", "exclusive-choice", "Exclusive Choice", "XOR-split"])
def test_one_pattern_by_number_name_or_alias(weft, name):
    (found,) = weft("patterns", name, "--json").json["patterns"]
    assert found["id"] == 4
    assert found["rating"] == "full"
    assert found["parameters"][0]["required"] is True
    out = weft("patterns", name).out
    assert "WCP-4 Exclusive Choice" in out
    assert "─▶" in out
    assert "also called XOR-split" in out


def test_every_pattern_shows_itself_by_each_of_its_names(weft):
    for pattern in weft("patterns", "--json").json["patterns"]:
        for name in (pattern["key"], pattern["name"], pattern["written"], *pattern["aliases"]):
            found = weft("patterns", name, "--json").json["patterns"]
            assert pattern in found
            assert len(found) == 1 or pattern["written"] == name
        if pattern["id"] is not None:
            shown = weft("patterns", pattern["id"]).out
            assert pattern["written"] in shown
            assert "rating      full" in shown
            assert all(promise in shown for promise in pattern["promises"])
            assert pattern["example"].splitlines()[0] in shown


def test_the_patterns_that_share_a_word(weft):
    found = weft("patterns", "for-each", "--json").json["patterns"]
    assert [p["id"] for p in found] == [12, 13, 14, 15, 34, 35, 36]
    out = weft("patterns", "for-each").out
    assert out.count("written 'for-each' at task") == 7


def test_a_number_of_somebody_else_is_shown_and_never_used(weft):
    assert "numbered 26 by knhk" in weft("patterns", "28").out
    assert weft("patterns", "26", "--json").json["patterns"][0]["id"] == 26


def test_the_example_of_a_pattern_runs(weft):
    done = weft("patterns", "30", "--example")
    Path("example.yaml").write_text(done.out)
    assert weft("run", "example.yaml", "--json").json["status"] == "completed"
    assert weft("patterns", "30", "--example", "--json").json["patterns"][0]["example"] in done.out


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["--example"], "say of which pattern: --example takes one of 1, 2, 3"),
        (["for-each", "--example"], "for-each is several patterns: --example takes one of 12, 13"),
        (["wait", "--example"], "Wait brings no example"),
        (["44"], "no pattern is called '44'; there are: WCP-1 Sequence"),
        (["no such"], "no pattern is called 'no such'"),
    ],
)
def test_what_the_catalogue_cannot_answer(weft, arguments, wrong):
    done = weft("patterns", *arguments)
    assert done.code == 2
    assert wrong in done.err


def test_pages_are_written_where_they_are_wanted(weft):
    done = weft("patterns", "9", "--pages", "pages", "--json")
    assert sorted(done.json["pages"]) == ["pages/09-structured-discriminator.md", "pages/README.md"]
    assert "WCP-9" in Path("pages/09-structured-discriminator.md").read_text()
    Path("file").touch()
    done = weft("patterns", "9", "--pages", "file/below")
    assert done.code == 2
    assert "cannot write to file/below" in done.err


def test_a_store_of_an_older_layout_is_not_changed_to_look_at_it(weft, asks):
    weft("run", asks, "--case", "c")
    with apsw.Connection(".weft/weft.db") as connection:
        connection.pragma("user_version", 0)
    done = weft("list", "--json")
    assert done.code == 5
    assert done.json["error"]["code"] == "older"

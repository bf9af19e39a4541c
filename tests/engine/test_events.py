"""Events as bytes: canonical, versioned, refused when they are not ours to read."""

from __future__ import annotations

import msgspec
import pytest

from tests.engine import generated as g
from weft.engine import events as e
from weft.engine.case import restore, snapshot
from weft.engine.net import CompiledSpecification
from weft.engine.ports import CaseId, Snapshot
from weft.engine.runtime.live import replay
from weft.schema.errors import JournalError

CASE = CaseId("c")
NETS = g.compiled(g.net("a", g.task("a", "person")))


def record(event: e.Event, sequence: int = 1, before: bytes = e.GENESIS) -> e.Record:
    return e.record(event, case=CASE, sequence=sequence, time=g.TIME, before=before)


def test_fields_at_their_default_take_no_bytes() -> None:
    assert e.encode(e.WorkItemOffered("a/1", "a")) == b'{"item":"a/1","task":"a"}'
    assert e.encode(e.CaseSuspended("é")) == '{"reason":"é"}'.encode()


def test_keys_are_written_in_one_order() -> None:
    one = e.WorkItemCompleted("a/1", {"b": 1, "a": {"d": 1, "c": 2}})
    other = e.WorkItemCompleted("a/1", {"a": {"c": 2, "d": 1}, "b": 1})
    assert e.encode(one) == e.encode(other)


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"type": "CaseTeleported"}, "newer", "'CaseTeleported' version 1: a newer Weft"),
        ({"version": 2}, "newer", "'CaseSuspended' version 2"),
        ({"data": b"{"}, "corrupt", "the data of this CaseSuspended cannot be read"),
        ({"data": b'{"reason": 5}'}, "corrupt", "cannot be read"),
    ],
)
def test_records_that_cannot_be_read(changes: dict, code: str, message: str) -> None:
    with pytest.raises(JournalError) as caught:
        e.decode(msgspec.structs.replace(record(e.CaseSuspended("x"), 7), **changes))
    assert caught.value.code == code
    assert message in caught.value.message
    assert caught.value.where == "event 7"


def test_an_old_version_is_brought_to_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(e.CaseSuspended, "version", 3)
    monkeypatch.setitem(e.UPCASTS, ("CaseSuspended", 1), lambda fields: {"because": fields["why"]})
    monkeypatch.setitem(
        e.UPCASTS, ("CaseSuspended", 2), lambda fields: {"reason": fields["because"]}
    )
    old = msgspec.structs.replace(record(e.CaseSuspended()), version=1, data=b'{"why":"rain"}')
    assert e.decode(old) == e.CaseSuspended("rain")


def test_an_empty_journal_has_no_broken_link() -> None:
    assert e.broken_link(CASE, []) is None


def test_replay_says_where_a_journal_is_broken() -> None:
    started = record(e.CaseStarted("c", "case", "1", NETS.hash, {"x": 0, "y": 0}))
    offered = record(e.WorkItemOffered("a/1", "a"), 2, started.hash)
    assert replay(None, [started, offered], NETS, case=CASE).items.keys() == {"a/1"}
    with pytest.raises(JournalError, match="event 1 is missing") as caught:
        replay(None, [offered], NETS, case=CASE)
    assert caught.value.where == "case c"
    with pytest.raises(JournalError, match="changed or damaged at event 2"):
        replay(None, [started, msgspec.structs.replace(offered, time=5)], NETS, case=CASE)
    wrong = record(e.WorkItemOffered("a/1", "nobody"), 2, started.hash)
    with pytest.raises(JournalError, match="no task 'nobody'") as caught:
        replay(None, [started, wrong], NETS, case=CASE)
    assert caught.value.where is not None
    assert caught.value.where.startswith("case c")


def test_snapshots_of_others_are_not_taken_for_ours() -> None:
    case = g.begin(NETS)
    taken = snapshot(case, 2, bytes(32))
    assert restore(taken, NETS) == (case, bytes(32))
    assert restore(Snapshot(2, 99, b""), NETS) == (None, b"")
    with pytest.raises(JournalError, match="snapshot cannot be read"):
        restore(Snapshot(2, taken.format, b"{"), NETS)
    other = CompiledSpecification("other", "1", NETS.nets, NETS.root)
    with pytest.raises(JournalError, match="belongs to another net"):
        restore(taken, other)


def test_a_case_can_be_looked_at() -> None:
    case = g.begin(NETS)
    assert repr(case) == "<CaseState case-1 running {0: {'>a': 1}} [a/1 offered]>"
    assert case.data["x"] == 0
    nested = g.compiled(
        {
            "net": g.net("s", g.task("s", child="child")),
            "child": g.net("t", g.task("t", child="deep"), name="child"),
            "deep": g.net("w", g.task("w"), name="deep"),
        }
    )
    assert list(g.begin(nested).below(0)) == [1, 2]

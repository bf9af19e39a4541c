"""Receipts: a tree as RFC 9162 defines it, and no change of a journal that one does not tell."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import weft
from tests.engine.journal.batches import START, summary, write
from weft import JournalError, Receipt, UsageError
from weft.engine import events as e
from weft.engine.journal.memory import MemoryJournal
from weft.engine.ports import Append, CaseId, Microseconds, Record
from weft.receipts import Tree, root_by

CASE = CaseId("c")


def hashes(count: int) -> list[bytes]:
    return [hashlib.sha256(b"%d" % n).digest() for n in range(count)]


def defined(leaves: list[bytes]) -> bytes:
    """RFC 9162, 2.1.1, word for word: split at the largest power of two below the size."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + defined(leaves[:k]) + defined(leaves[k:])).digest()


@pytest.mark.parametrize("size", [*range(34), 100, 127, 128, 129])
def test_the_tree_is_that_of_the_standard_and_each_path_leads_to_its_root(size):
    leaves = hashes(size)
    tree = Tree(leaves)
    assert tree.root == defined(leaves)
    for index, leaf in enumerate(leaves):
        assert root_by(leaf, index, size, tree.path(index)) == tree.root


@given(st.integers(2, 200), st.data())
def test_a_path_leads_to_the_root_from_its_own_leaf_only(size, data):
    leaves = hashes(size)
    tree = Tree(leaves)
    index = data.draw(st.integers(0, size - 1))
    path = tree.path(index)
    other = data.draw(st.integers(0, size - 1).filter(lambda n: n != index))
    assert root_by(leaves[other], index, size, path) != tree.root
    assert root_by(leaves[index], other, size, path) != tree.root
    assert root_by(leaves[index], index, size, [*path, bytes(32)]) is None
    assert root_by(leaves[index], index, size, path[:-1]) is None
    broken = data.draw(st.integers(0, len(path) - 1))
    path[broken] = bytes(32)
    assert root_by(leaves[index], index, size, path) != tree.root


# ── of journals ──────────────────────────────────────────────────────────────────────────────


def journal(*data: bytes, **changes: object) -> MemoryJournal:
    """One case with events of these data, chained as they should be."""
    made, before = MemoryJournal(), e.GENESIS
    for n, one in enumerate(data, 1):
        time = Microseconds(START + n)
        linked = e.link(before, CASE, n, "WorkItemCompleted", 1, time, one)
        record = Record(n, "WorkItemCompleted", 1, time, one, linked)
        write(made, Append(CASE, n - 1, [record], summary("c", n, **changes)))
        before = linked
    return made


TEXTS = st.lists(st.sampled_from([b"{}", b'{"n":1}', b'{"n":2}', '{"n":"ü"}'.encode()]), max_size=9)


@given(TEXTS.filter(bool), st.data())
def test_a_receipt_holds_for_what_begins_with_its_events_and_for_nothing_else(data, draw):
    shown = draw.draw(st.lists(st.integers(1, len(data)), max_size=3))
    receipt = Receipt.of(journal(*data), CASE, shown)
    assert [event.sequence for event in receipt.disclosed] == sorted(set(shown))
    assert [event.data.encode() for event in receipt.disclosed] == [
        data[n - 1] for n in sorted(set(shown))
    ]
    kept = Receipt.from_json(receipt.as_json())
    assert kept == receipt
    assert kept.fault() is None
    other = draw.draw(TEXTS)
    fault = kept.fault_in(journal(*other))
    assert (fault is None) == (other[: len(data)] == data)


@pytest.mark.parametrize(
    ("now", "fault"),
    [
        (journal(), "case c is gone"),
        (journal(b"1"), "2 events were there, and 1 are left"),
        (journal(b"1", b"3"), "the chain is unbroken, but it is another one: event 2 had the hash"),
        (journal(b"1", b"2", version="2"), "was one of check-repository 1.0.0 and is one of check"),
    ],
    ids=["gone", "cut", "rewritten", "of another version"],
)
def test_what_no_chain_can_tell(now, fault):
    receipt = Receipt.of(journal(b"1", b"2"), CASE)
    assert fault in receipt.fault_in(now)


def test_a_disclosed_event_that_was_changed_does_not_lead_to_the_root():
    receipt = Receipt.of(journal(b"1", b"2", b"3"), CASE, [2])
    (event,) = receipt.disclosed
    for change in (
        {"data": "4"}, {"type": "WorkItemFailed"}, {"version": 2}, {"time": 0},
        {"before": "00" * 32}, {"path": event.path[:1]}, {"sequence": 1},
    ):  # fmt: skip
        forged = msgspec.structs.replace(event, **change)
        changed = msgspec.structs.replace(receipt, disclosed=(forged,))
        assert "is not the one of this root" in changed.fault(), change
        assert "the receipt is at fault" in changed.fault_in(journal(b"1", b"2", b"3"))


def test_a_broken_chain_gets_no_receipt_and_is_told():
    good = journal(b"1", b"2", b"3")
    receipt = Receipt.of(good, CASE)
    found = good._cases[CASE]
    found.records[1] = msgspec.structs.replace(found.records[1], data=b"9")
    with pytest.raises(JournalError, match="the hash of event 2 does not fit the chain"):
        Receipt.of(good, CASE)
    assert receipt.fault_in(good) == "the hash of event 2 does not fit the chain"


def test_a_long_journal_is_read_in_groups(monkeypatch):
    monkeypatch.setattr("weft.receipts._GROUP", 4)
    for count in (3, 4, 5, 8, 9):
        data = [b"%d" % n for n in range(count)]
        receipt = Receipt.of(journal(*data), CASE, range(1, count + 1))
        assert receipt.events == count
        assert receipt.fault() is None
        assert receipt.fault_in(journal(*data, b"more")) is None


GOOD = Receipt.of(journal(b"1", b"2"), CASE, [2]).as_object()
SHOWN = GOOD["disclosed"][0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "truncated"),
        (b"[" * 100_000, "this is no receipt"),
        (b"\xff", "this is no receipt"),
        (b'{"receipt": 2}', "receipt"),
        (json.dumps({**GOOD, "more": 1}), "more"),
        (json.dumps({**GOOD, "head": "12"}), "head is no hash (64 hexadecimal digits)"),
        (json.dumps({**GOOD, "root": "G" * 64}), "root is no hash"),
        (json.dumps({**GOOD, "events": -1}), "-1 is no number of events"),
        (json.dumps({**GOOD, "events": 2**63}), "events"),
        (json.dumps({**GOOD, "disclosed": [{**SHOWN, "sequence": 3}]}), "event 3 of 2"),
        (json.dumps({**GOOD, "disclosed": [{**SHOWN, "path": ["x"]}]}), "path of event 2, 0 is no"),
    ],
)
def test_what_is_no_receipt_is_refused(text, said):
    with pytest.raises(UsageError) as caught:
        Receipt.from_json(text)
    assert caught.value.code == "receipt"
    assert said in caught.value.message


# ── on the command line ──────────────────────────────────────────────────────────────────────


def test_a_receipt_is_kept_and_the_store_is_held_against_it(weft, asks, folder):
    weft("run", asks, "--case", "c")
    made = weft("receipt", "c", "--event", 1, "--json")
    assert made.code == 0
    kept = Path("kept.json")
    kept.write_text(made.out)
    told = weft("receipt", "c")
    assert made.json["root"] in told.out
    assert "weft receipt c --json > receipt.json" in told.out
    alone = weft("receipt", "--check", kept)
    assert (alone.code, alone.out.splitlines()[-1]) == (0, "intact in itself")
    weft("cancel", "c")
    later = weft("history", "c", "--receipt", kept, "--json")
    assert (later.code, later.json["intact"], later.json["fault"]) == (0, True, None)
    assert (
        f"begins with the {made.json['events']} of the receipt"
        in weft("history", "c", "--receipt", kept).out
    )


def test_a_store_that_was_put_back_to_an_older_state_is_told(weft, asks, folder):
    weft("run", asks, "--case", "c")
    older = Path(".weft/weft.db").read_bytes()
    weft("cancel", "c")
    Path("kept.json").write_text(weft("receipt", "c", "--json").out)
    Path(".weft/weft.db").write_bytes(older)
    assert weft("history", "c", "--verify").code == 0
    told = weft("history", "c", "--receipt", "kept.json", "--json")
    assert told.code == 1
    left = len(told.json["events"])
    assert told.json["fault"] == f"{left + 1} events were there, and {left} are left"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["receipt"], 2, "say which CASE"),
        (["receipt", "c", "--check", "kept.json"], 2, "say which CASE"),
        (["receipt", "--check", "nowhere.json"], 2, "nowhere.json: No such file"),
        (["receipt", "--check", "."], 2, "Is a directory"),
        (["receipt", "--check", "asks.yaml"], 2, "asks.yaml: this is no receipt"),
        (["receipt", "nobody"], 2, "there is no case 'nobody'; the newest are d, c"),
        (["receipt", "c", "--event", "999"], 2, "case 'c' has no event 999: its events are 1 to"),
        (["history", "d", "--receipt", "kept.json"], 2, "kept.json is a receipt of case c"),
        (["receipt", "--check", "forged.json"], 1, "not intact: event 1 is not the one of this"),
        (["history", "c", "--receipt", "forged.json"], 1, "the receipt is at fault: event 1"),
    ],
)
def test_what_does_not_fit_is_told(weft, asks, folder, arguments, code, said):
    weft("run", asks, "--case", "c")
    weft("run", asks, "--case", "d")
    made = weft("receipt", "c", "--event", "1", "--json")
    Path("kept.json").write_text(made.out)
    forged = made.json
    forged["disclosed"][0]["data"] = "{}"
    Path("forged.json").write_text(json.dumps(forged))
    done = weft(*arguments)
    assert done.code == code
    assert said in done.out + done.err


def test_a_receipt_larger_than_any_is_not_read(weft, folder):
    with Path("large.json").open("wb") as file:
        file.truncate(65 * 1024 * 1024)
    done = weft("receipt", "--check", "large.json")
    assert (done.code, "is larger than 64 MiB" in done.err) == (2, True)


def test_a_program_asks_its_engine():
    with weft.open("memory:") as engine:
        case = engine.run(weft.loads("weft: 1\nname: n\nnet: {start: a, tasks: {a: {}}}"))
        receipt = engine.receipt(case.id, [case.events])
        assert (receipt.events, receipt.disclosed[0].type) == (case.events, "CaseCompleted")
        assert engine.fault_in(receipt) is None
        other = msgspec.structs.replace(receipt, case="nobody", disclosed=())
        assert engine.fault_in(other) == "case nobody is gone"
        with pytest.raises(UsageError, match="there is no case 'nobody'"):
            engine.receipt("nobody")

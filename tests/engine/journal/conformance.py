"""What every store must do: derive a class from `JournalContract` and give it a store.

class TestMyStore(JournalContract):
    @pytest.fixture
    def journal(self) -> Iterator[Journal]:
        journal = MyJournal(...)     # an empty store
        yield journal
        journal.close()

    @pytest.fixture
    def elsewhere(self, journal: Journal) -> Iterator[Journal]:
        ...                          # the same store, as an engine on another host sees it
"""

from __future__ import annotations

import asyncio
from hashlib import sha256

import pytest

from tests.engine.journal.batches import (
    START,
    batch,
    item,
    record,
    sequences,
    specification,
    summary,
    write,
)
from weft.engine.journal.batch import FEW_EVENTS
from weft.engine.ports import (
    Append,
    AwaitedTrigger,
    CaseClaimed,
    CaseId,
    EngineId,
    ItemId,
    Journal,
    JournalConflict,
    Microseconds,
    Snapshot,
)
from weft.schema.errors import InternalError, JournalError

A, B = CaseId("a"), CaseId("b")


def at(seconds: int) -> Microseconds:
    """A time so many seconds after the others of these tests."""
    return Microseconds(START + seconds * 1_000_000)


async def settle(*waits: object) -> list[BaseException | None]:
    """Wait for every append; gives the failure of each, or None."""
    pending = [wait for wait in waits if wait is not None]
    results = await asyncio.gather(*pending, return_exceptions=True)  # type: ignore[call-overload]
    return list(results)


class JournalContract:
    """The conformance suite; the ``journal`` fixture is an open, empty store."""

    # ── waiting ──────────────────────────────────────────────────────────────────────────────

    def test_a_trigger_finds_the_cases_that_wait_for_it(self, journal: Journal) -> None:
        def waits(case: str, wait: str, trigger: str, key: str | None = None) -> AwaitedTrigger:
            return AwaitedTrigger(CaseId(case), wait, trigger, key)

        write(
            journal,
            batch("b", 0, awaits=[waits("b", "p/1", "paid", "7"), waits("b", "x", "stop")]),
            batch("a", 0, awaits=[waits("a", "p/1", "paid"), waits("a", "p/2", "paid", "7")]),
            batch("c", 0, awaits=[waits("c", "p/1", "paid", "8")]),
        )
        assert list(journal.awaiting("paid")) == ["b", "a", "c"]
        assert list(journal.awaiting("paid", key="7")) == ["b", "a"]
        assert list(journal.awaiting("paid", key="8")) == ["a", "c"]
        assert list(journal.awaiting("paid", key="none")) == ["a"]
        assert list(journal.awaiting("stop", key="7")) == ["b"]
        assert list(journal.awaiting("go")) == []

        write(
            journal,
            batch("b", 1, unawaits=["p/1", "never"]),
            batch("a", 1, unawaits=["p/1"], awaits=[waits("a", "p/2", "paid", "9")]),
        )
        assert list(journal.awaiting("paid", key="7")) == []
        assert list(journal.awaiting("paid", key="9")) == ["a"]
        assert list(journal.awaiting("stop")) == ["b"]

    def test_a_wait_of_another_case_is_refused(self, journal: Journal) -> None:
        with pytest.raises(InternalError, match="awaits a trigger for another case"):
            write(journal, batch("a", 0, awaits=[AwaitedTrigger(B, "p/1", "paid")]))

    def test_who_has_to_be_driven(self, journal: Journal) -> None:
        write(
            journal,
            batch("a", 0, started=START),
            batch("b", 0, idle=True),
            batch("c", 0, status="suspended"),
            batch("d", 0, started=START + 1),
        )
        assert list(journal.stopped()) == ["d", "a"]
        write(journal, batch("d", 1, started=START + 1, idle=True))
        assert list(journal.stopped()) == ["a"]

    def test_the_next_time_to_wake(self, journal: Journal) -> None:
        assert journal.next_wake() is None
        write(
            journal,
            batch("a", 0, wake_at=START + 50),
            batch("b", 0, wake_at=START + 20),
            batch("c", 0, wake_at=START + 10, status="suspended"),
        )
        assert journal.next_wake() == START + 20
        write(journal, batch("b", 1, wake_at=START + 90))
        assert journal.next_wake() == START + 50
        write(journal, batch("a", 1), batch("b", 2, status="completed", wake_at=None))
        assert journal.next_wake() is None

    # ── events ───────────────────────────────────────────────────────────────────────────────

    def test_is_a_journal(self, journal: Journal) -> None:
        assert isinstance(journal, Journal)
        assert journal.url

    def test_gives_back_exactly_what_was_appended(self, journal: Journal) -> None:
        first = batch("a", 0, 3, data=bytes(range(256)))
        write(journal, first, batch("b", 0, 1), batch("a", 3, 2))
        assert list(journal.records(A)) == [*first.records, record(4), record(5)]
        assert list(journal.records(B)) == [record(1)]

    def test_an_unknown_case_has_nothing(self, journal: Journal) -> None:
        assert list(journal.records(A)) == []
        assert journal.summary(A) is None
        assert journal.snapshot(A) is None
        assert journal.open_item(A, ItemId("x/1")) is None
        assert not journal.command_seen(A, "c")
        assert list(journal.worklist(case=A)) == []

    @pytest.mark.parametrize("after", range(-1, 8))
    @pytest.mark.parametrize("until", [None, *range(9)])
    def test_gives_any_stretch_of_a_case(
        self, journal: Journal, after: int, until: int | None
    ) -> None:
        write(journal, batch("a", 0, 3), batch("a", 3, 1), batch("a", 4, 2), batch("b", 0, 9))
        expected = [n for n in range(1, 7) if n > after and (until is None or n <= until)]
        assert sequences(journal, "a", after, until) == expected

    def test_names_that_are_no_text_are_unknown(self, journal: Journal) -> None:
        write(journal, batch("a", 0))
        assert journal.summary(CaseId("\udcff")) is None
        assert list(journal.records(CaseId("\udcff"))) == []

    # ── conflicts and wrong batches ──────────────────────────────────────────────────────────

    @pytest.mark.parametrize("expected", [0, 1, 2, 4, 99])
    def test_no_sequence_number_twice_and_none_left_out(
        self, journal: Journal, expected: int
    ) -> None:
        write(journal, batch("a", 0, 3, opened=[item("a", "x/1")]))
        with pytest.raises(JournalConflict, match="case 'a'") as caught:
            journal.append(
                batch("a", expected, 2, closed=["x/1"], opened=[item("a", "y/1")], command="c")
            )
        assert caught.value.code == "conflict"
        assert caught.value.where == journal.url
        assert sequences(journal, "a") == [1, 2, 3]
        assert journal.summary(A) == summary("a", 3)
        assert [i.item for i in journal.worklist()] == ["x/1"]
        assert not journal.command_seen(A, "c")

    def test_an_append_to_a_case_that_is_not_there_is_a_conflict(self, journal: Journal) -> None:
        with pytest.raises(JournalConflict):
            journal.append(batch("a", 3))
        assert journal.summary(A) is None

    @pytest.mark.parametrize(
        ("wrong", "says"),
        [
            (Append(A, 0, [], summary("a", 0)), "adds 0"),
            (Append(A, -1, [record(0)], summary("a", 0)), "expects event -1"),
            (Append(A, 0, [record(2)], summary("a", 1)), r"not \[2\]"),
            (Append(A, 0, [record(1), record(3)], summary("a", 2)), "1 to 2"),
            (Append(A, 0, [record(1)], summary("b", 1)), "summary of case 'b'"),
            (Append(A, 0, [record(1)], summary("a", 2)), "its summary says 2"),
            (Append(A, 0, [record(1)], summary("a", 1), opened=[item("b", "x/1")]), "another case"),
            (Append(A, 0, [record(1)], summary("a", 1), snapshot=Snapshot(2, 1, b"")), "snapshot"),
        ],
    )
    def test_a_batch_that_contradicts_itself_is_our_fault(
        self, journal: Journal, wrong: Append, says: str
    ) -> None:
        with pytest.raises(InternalError, match=says) as caught:
            journal.append(wrong)
        assert caught.value.code == "bad-batch"
        assert list(journal.cases()) == []

    def test_a_snapshot_or_a_summary_may_come_without_events(self, journal: Journal) -> None:
        write(journal, batch("a", 0, 3))
        write(journal, batch("a", 3, 0, snapshot=b"state", status="suspended"))
        assert sequences(journal, "a") == [1, 2, 3]
        assert journal.snapshot(A) == Snapshot(3, 1, b"state")
        assert journal.summary(A) == summary("a", 3, status="suspended")

    # ── the event loop ───────────────────────────────────────────────────────────────────────

    async def test_batches_of_one_case_keep_their_order_in_the_loop(self, journal: Journal) -> None:
        waits = [journal.append(batch("a", n, 1)) for n in range(20)]
        assert not any(await settle(*waits))
        assert sequences(journal, "a") == list(range(1, 21))

    async def test_many_cases_at_once(self, journal: Journal) -> None:
        async def drive(case: str) -> None:
            for n in range(10):
                await settle(journal.append(batch(case, n, 1)))

        await asyncio.gather(*(drive(f"case-{n}") for n in range(50)))
        assert len(journal.cases()) == 50
        assert all(sequences(journal, f"case-{n}") == list(range(1, 11)) for n in range(50))

    async def test_what_waits_is_written_by_closing(self, journal: Journal) -> None:
        wait = journal.append(batch("a", 0))
        journal.close()
        assert not any(await settle(wait))

    # ── summaries and lists ──────────────────────────────────────────────────────────────────

    def test_a_summary_keeps_every_field(self, journal: Journal) -> None:
        write(journal, batch("a", 0))
        full = batch(
            "a",
            1,
            specification="s2",
            version="2",
            net="cd",
            status="failed",
            idle=True,
            started=START - 1,
            updated=5,
            wake_at=7,
            error=b'{"code":"x"}',
        )
        write(journal, full)
        assert journal.summary(A) == full.summary

    def test_lists_cases_newest_first(self, journal: Journal) -> None:
        write(
            journal,
            batch("old", 0, started=1, status="completed"),
            batch("new", 0, started=9),
            batch("mid", 0, started=5),
            batch("mid too", 0, started=5),
        )
        assert [c.case for c in journal.cases()] == ["new", "mid too", "mid", "old"]
        assert [c.case for c in journal.cases(limit=2)] == ["new", "mid too"]
        assert [c.case for c in journal.cases(status="running", limit=2)] == ["new", "mid too"]
        assert [c.case for c in journal.cases(status="completed")] == ["old"]
        assert list(journal.cases(status="deadlocked")) == []
        assert list(journal.cases(limit=0)) == []
        write(journal, batch("mid", 1, started=5, status="failed"))
        assert [c.case for c in journal.cases(status="failed")] == ["mid"]
        assert [c.case for c in journal.cases(status="running")] == ["new", "mid too"]

    def test_knows_which_cases_are_due(self, journal: Journal) -> None:
        write(
            journal,
            batch("later", 0, wake_at=30),
            batch("first", 0, wake_at=10),
            batch("then", 0, wake_at=20),
            batch("never", 0),
            batch("asleep", 0, wake_at=5, status="suspended"),
        )

        def due(now: int, limit: int = 10) -> list[str]:
            return list(journal.due(Microseconds(now), limit=limit))

        assert due(9) == []
        assert due(20) == ["first", "then"]
        assert due(20) == ["first", "then"]  # asking changes nothing
        assert due(99, limit=1) == ["first"]
        assert due(99, limit=0) == []
        write(journal, batch("later", 1, wake_at=30))
        write(
            journal, batch("first", 1, wake_at=40), batch("then", 1), batch("asleep", 1, wake_at=5)
        )
        assert due(30) == ["asleep", "later"]
        write(journal, batch("then", 2, wake_at=1, status="completed"))
        assert due(99) == ["asleep", "later", "first"]

    def test_a_case_that_changes_its_alarm_often_is_due_once(self, journal: Journal) -> None:
        for n in range(300):
            write(journal, batch("a", n, wake_at=1000 - n % 7))
        assert list(journal.due(Microseconds(2000), limit=5)) == [A]
        assert list(journal.due(Microseconds(2000), limit=5)) == [A]

    # ── the work list ────────────────────────────────────────────────────────────────────────

    def test_an_item_keeps_every_field(self, journal: Journal) -> None:
        full = item(
            "a",
            "x/1",
            task="x",
            scope=3,
            status="started",
            attempt=2,
            role="clerk",
            claimed_by="eve",
            due=77,
            form=b"{}",
        )
        write(journal, batch("a", 0, opened=[full]))
        assert journal.open_item(A, ItemId("x/1")) == full
        assert list(journal.worklist()) == [full]

    def test_lists_work_oldest_first_by_role_and_by_case(self, journal: Journal) -> None:
        write(
            journal,
            batch("b", 0, opened=[item("b", "y/1", role="clerk"), item("b", "z/1")]),
            batch("a", 0, opened=[item("a", "x/1", role="clerk"), item("a", "x/2", role="boss")]),
            batch("b", 1, opened=[item("b", "a/1", role="clerk")]),
        )

        def names(**query: object) -> list[str]:
            return [f"{i.case}:{i.item}" for i in journal.worklist(**query)]  # type: ignore[arg-type]

        assert names() == ["b:y/1", "b:z/1", "a:x/1", "a:x/2", "b:a/1"]
        assert names(role="clerk") == ["b:y/1", "a:x/1", "b:a/1"]
        assert names(case=B) == ["b:y/1", "b:z/1", "b:a/1"]
        assert names(role="clerk", case=B) == ["b:y/1", "b:a/1"]
        assert names(role="nobody") == []

    def test_a_row_that_is_replaced_keeps_its_age_and_a_closed_one_goes(
        self, journal: Journal
    ) -> None:
        write(journal, batch("a", 0, opened=[item("a", f"x/{n}") for n in range(1, 5)]))
        again = item("a", "x/2", status="started", claimed_by="eve", role="boss")
        write(journal, batch("a", 1, opened=[again], closed=["x/1", "x/4", "unknown/1"]))
        assert list(journal.worklist()) == [again, item("a", "x/3")]
        assert list(journal.worklist(role="boss")) == [again]
        assert journal.open_item(A, ItemId("x/1")) is None

    def test_what_one_batch_opens_and_closes_is_closed(self, journal: Journal) -> None:
        write(journal, batch("a", 0, opened=[item("a", "x/1")], closed=["x/1"]))
        assert list(journal.worklist()) == []

    # ── commands ─────────────────────────────────────────────────────────────────────────────

    def test_remembers_the_ids_of_commands(self, journal: Journal) -> None:
        write(journal, batch("a", 0, command="one"), batch("b", 0, command="two"))
        assert journal.command_seen(A, "one")
        assert not journal.command_seen(A, "two")
        assert not journal.command_seen(B, "one")
        assert list(journal.commanded("one")) == [A]
        assert list(journal.commanded("two")) == [B]
        assert list(journal.commanded("three")) == []

    def test_a_command_id_counts_once_in_a_case(self, journal: Journal) -> None:
        write(journal, batch("a", 0, command="one"), batch("b", 0, command="one"))
        with pytest.raises(JournalConflict, match="already accepted command 'one'") as caught:
            journal.append(batch("a", 1, command="one"))
        assert caught.value.code == "duplicate-command"
        assert sequences(journal, "a") == [1]
        write(journal, batch("a", 1, command="other"))

    # ── snapshots ────────────────────────────────────────────────────────────────────────────

    def test_gives_the_newest_snapshot_that_fits(self, journal: Journal) -> None:
        write(journal, batch("a", 0, 2, snapshot=b"two"), batch("b", 0, 1))
        write(journal, batch("a", 2, 2, snapshot=b"four"), batch("a", 4, 2))
        assert journal.snapshot(A) == Snapshot(4, 1, b"four")
        assert journal.snapshot(A, until=4) == Snapshot(4, 1, b"four")
        assert journal.snapshot(A, until=3) == Snapshot(2, 1, b"two")
        assert journal.snapshot(A, until=1) is None
        assert journal.snapshot(B) is None

    def test_a_snapshot_of_the_same_event_replaces_the_one_before(self, journal: Journal) -> None:
        write(journal, batch("a", 0, 2, snapshot=b"two"))
        write(journal, batch("a", 2, 0, snapshot=b"two again"))
        assert journal.snapshot(A) == Snapshot(2, 1, b"two again")

    def test_old_snapshots_go(self, journal: Journal) -> None:
        for n in range(10):
            write(journal, batch("a", n, snapshot=b"%d" % n))
        assert journal.snapshot(A) == Snapshot(10, 1, b"9")
        assert journal.snapshot(A, until=9) == Snapshot(9, 1, b"8")
        assert journal.snapshot(A, until=8) is None

    # ── nets and specifications ──────────────────────────────────────────────────────────────

    def test_large_values_are_kept_by_their_hash(self, journal: Journal) -> None:
        assert journal.blob("h") is None
        journal.put_blob("h", b"\0large")
        journal.put_blob("h", b"\0large")
        journal.put_blob("i", b"")
        assert journal.blob("h") == b"\0large"
        assert journal.blob("i") == b""

    def test_large_values_that_nobody_refers_to_are_collected(self, journal: Journal) -> None:
        def mention(kind: str, data: bytes) -> bytes:
            return f'{{"x":"weft-blob:{kind}:{sha256(data).hexdigest()}:{len(data)}"}}'.encode()

        inner, kept, lost = b"inner", b"kept", b"lost"
        outer = mention("text", inner)  # a large value that refers to another one
        for data in (inner, outer, kept, lost):
            journal.put_blob(sha256(data).hexdigest(), data)
        write(
            journal,
            batch("a", 0, data=mention("json", outer)),
            batch("b", 0, data=mention("text", kept)),
        )
        one = EngineId("one")
        journal.claim(A, one)
        with pytest.raises(JournalError, match="is at work") as caught:
            journal.collect()
        assert caught.value.code == "in-use"
        journal.release(A, one)
        self.end_engines(journal)
        assert journal.collect() == (1, len(lost))
        assert journal.collect() == (0, 0)
        assert journal.blob(sha256(lost).hexdigest()) is None
        for data in (inner, outer, kept):
            assert journal.blob(sha256(data).hexdigest()) == data

    def end_engines(self, journal: Journal) -> None:
        """Let the engines of the test be over, for a store that notices."""

    def test_keeps_nets_by_their_hash(self, journal: Journal) -> None:
        assert journal.net("h1") is None
        journal.put_net("h1", b"\0image")
        journal.put_net("h1", b"\0image")
        journal.put_net("h2", b"")
        assert journal.net("h1") == b"\0image"
        assert journal.net("h2") == b""

    def test_keeps_every_field_of_a_specification(self, journal: Journal) -> None:
        full = specification("s", "1", 5, format="steps", source=b"\xff", net="n", origin="/a b")
        journal.put_specification(full)
        assert journal.specification("s") == full
        assert journal.specification("s", "1") == full
        assert journal.specification("s", "2") is None
        assert journal.specification("t") is None

    def test_lists_specifications_by_name_then_newest_first(self, journal: Journal) -> None:
        for name, version, added in (
            ("b", "1", 5),
            ("a", "2", 9),
            ("a", "1", 7),
            ("a", "10", 9),
        ):
            journal.put_specification(specification(name, version, added))
        listed = [(s.name, s.version) for s in journal.specifications()]
        assert listed == [("a", "10"), ("a", "2"), ("a", "1"), ("b", "1")]
        newest = journal.specification("a")
        assert newest is not None
        assert newest.version == "10"

    def test_a_specification_put_again_is_replaced_and_becomes_the_last(
        self, journal: Journal
    ) -> None:
        journal.put_specification(specification("a", "1", 1))
        journal.put_specification(specification("a", "2", 2))
        changed = specification("a", "1", 3, source=b"other")
        journal.put_specification(changed)
        assert journal.specification("a") == changed
        assert [s.version for s in journal.specifications()] == ["1", "2"]

    # ── claims ───────────────────────────────────────────────────────────────────────────────

    def test_one_engine_at_a_time(self, journal: Journal) -> None:
        one, two = EngineId("one"), EngineId("two")
        write(journal, batch("a", 0))
        journal.claim(A, one)
        journal.claim(A, one)
        with pytest.raises(CaseClaimed, match="case 'a' is driven by engine 'one'") as caught:
            journal.claim(A, two)
        assert (caught.value.code, caught.value.where) == ("claimed", "a")
        journal.release(A, two)
        with pytest.raises(CaseClaimed):
            journal.claim(A, two)
        journal.claim(B, two)
        journal.release(A, one)
        journal.release(A, one)
        journal.claim(A, two)
        write(journal, batch("a", 1))
        with pytest.raises(CaseClaimed):
            journal.claim(A, one)

    def test_a_case_can_be_claimed_before_it_exists(self, journal: Journal) -> None:
        assert journal.claim(A, EngineId("one")) is False, "nobody has died"
        with pytest.raises(CaseClaimed):
            journal.claim(A, EngineId("two"))
        write(journal, batch("a", 0), batch("a", 1))
        with pytest.raises(CaseClaimed):
            journal.claim(A, EngineId("two"))
        journal.release(A, EngineId("one"))
        journal.claim(A, EngineId("two"))
        write(journal, batch("a", 2))

    async def test_a_claim_can_change_hands_within_one_turn(self, journal: Journal) -> None:
        waits = [journal.append(batch("a", 0))]
        for owner in ("one", "two", "one"):
            journal.claim(A, EngineId(owner))
            waits.append(journal.append(batch("a", len(waits))))
            journal.release(A, EngineId(owner))
        assert not any(await settle(*waits))
        assert sequences(journal, "a") == [1, 2, 3, 4]

    def test_many_cases_are_claimed_at_once(self, journal: Journal) -> None:
        one, two = EngineId("one"), EngineId("two")
        write(journal, batch("a", 0), batch("b", 0), batch("c", 0))
        journal.claim(B, two)
        assert journal.claim_all([A, B, CaseId("c")], one) == {"a": False, "c": False}
        for case, engine in ((A, two), (B, one), (CaseId("c"), two)):
            with pytest.raises(CaseClaimed):
                journal.claim(case, engine)
        journal.release(A, one)
        assert journal.claim_all([A, B], two) == {"a": False, "b": False}
        assert journal.claim_all([], two) == {}

    # ── many cases, read together ────────────────────────────────────────────────────────────

    def test_short_cases_are_read_together(self, journal: Journal) -> None:
        write(journal, batch("a", 0, 2, snapshot=b"s"), batch("b", 0), batch("a", 2, 3))
        write(journal, batch("c", 0, FEW_EVENTS + 1), batch("d", 0, FEW_EVENTS))
        names = [CaseId(name) for name in ("b", "a", "c", "d", "nobody")]
        read = journal.histories(names)
        assert set(read) == {"a", "b", "d"}
        for name, history in read.items():
            assert history.summary == journal.summary(name)
            assert list(history.records) == list(journal.records(name))
        assert journal.histories([]) == {}

    # ── other hosts ──────────────────────────────────────────────────────────────────────────

    def test_a_claim_is_honoured_elsewhere_as_long_as_its_lease_runs(
        self, journal: Journal, elsewhere: Journal
    ) -> None:
        one, two = EngineId("one"), EngineId("two")
        write(journal, batch("a", 0), batch("b", 0))
        journal.renew(one, until=at(30), now=at(0))
        assert journal.claim_all([A, B], one, now=at(0)) == {"a": False, "b": False}
        with pytest.raises(CaseClaimed, match="driven by engine 'one'"):
            elsewhere.claim(A, two, now=at(29))
        assert not journal.renew(one, until=at(50), now=at(20))
        assert elsewhere.claim_all([A, B], two, now=at(49)) == {}
        assert elsewhere.claim(A, two, now=at(50)) is True, "it counts as dead"
        elsewhere.renew(two, until=at(80), now=at(50))
        with pytest.raises(CaseClaimed, match="driven by engine 'two'"):
            journal.claim(A, EngineId("three"), now=at(79))

    def test_an_engine_whose_lease_is_over_cannot_write_over_its_successor(
        self, journal: Journal, elsewhere: Journal
    ) -> None:
        """It lives, and only was late: its claim is a fencing token that no longer fits."""
        one, two = EngineId("one"), EngineId("two")
        write(journal, batch("a", 0), batch("b", 0))
        journal.renew(one, until=at(30), now=at(0))
        journal.claim_all([A, B], one, now=at(0))
        elsewhere.claim(A, two, now=at(31))
        with pytest.raises(JournalConflict, match="taken over by another engine"):
            write(journal, batch("a", 1))
        write(elsewhere, batch("a", 1))
        for expected in (1, 2):
            with pytest.raises(JournalConflict):
                write(journal, batch("a", expected))
        assert sequences(elsewhere, "a") == [1, 2]
        assert list(journal.renew(one, until=at(90), now=at(60))) == ["a"], "it is told"
        with pytest.raises(CaseClaimed):
            elsewhere.claim(B, two, now=at(61))
        write(journal, batch("b", 1))

    def test_what_was_given_back_is_free_elsewhere(
        self, journal: Journal, elsewhere: Journal
    ) -> None:
        one, two = EngineId("one"), EngineId("two")
        write(journal, batch("a", 0))
        journal.renew(one, until=at(30), now=at(0))
        journal.claim(A, one, now=at(0))
        journal.release(A, one)
        assert elsewhere.claim(A, two, now=at(1)) is False
        elsewhere.close()
        journal.claim(A, one, now=at(2))  # closing has given it back

    # ── closing ──────────────────────────────────────────────────────────────────────────────

    def test_closing_twice_is_one_and_then_nothing_works(self, journal: Journal) -> None:
        write(journal, batch("a", 0))
        journal.close()
        journal.close()
        for ask in (
            lambda: journal.append(batch("a", 1)),
            lambda: journal.records(A),
            lambda: journal.summary(A),
            journal.cases,
            journal.worklist,
            lambda: journal.put_net("h", b""),
            lambda: journal.put_specification(specification("a", "1", 1)),
            lambda: journal.specification("a", "1"),
            lambda: journal.claim(A, EngineId("one")),
        ):
            with pytest.raises(JournalError, match="was closed") as caught:
                ask()
            assert (caught.value.code, caught.value.where) == ("closed", journal.url)

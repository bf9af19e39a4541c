"""A case driven by any commands in any order, beside the plainest model of its life cycles.

The model knows the status of the case and of each open item, and who has claimed it: nothing of
nets, tokens or events. It says of each command whether it is accepted, and what is so afterwards.
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.engine import generated as g
from weft.engine import commands as c
from weft.engine.case import CaseState
from weft.engine.decide import decide
from weft.engine.evolve import evolve_all
from weft.engine.lifecycle import CaseStatus, ItemStatus
from weft.engine.ports import CaseId, ItemId
from weft.schema.errors import CommandRejected

NETS = g.compiled(
    g.net(
        ["plain", "branch", "asks"],
        g.task("plain", "person"),  # without a policy: its failure fails the case
        g.task("branch", "person", on_failure="other"),  # its failure leads to another task
        g.task("asks", "person", on_failure="ask"),  # its failure is held
        g.task("other", "person"),
    )
)
NUMBERS = st.integers(0, 5)
PEOPLE = st.sampled_from([None, "ann", "bob"])

RUNNING, SUSPENDED, FAILED = CaseStatus.RUNNING, CaseStatus.SUSPENDED, CaseStatus.FAILED
OFFERED, STARTED, HELD = ItemStatus.OFFERED, ItemStatus.STARTED, ItemStatus.FAILED


class _RefusedError(Exception):
    """The command does not fit; the argument is the code of the rejection."""


class LifeCycles(RuleBasedStateMachine):
    """The rules are the commands."""

    case: CaseState

    @initialize()
    def start(self) -> None:
        self.status = RUNNING
        self.items: dict[str, ItemStatus] = dict.fromkeys(
            ["plain/1", "branch/1", "asks/1"], OFFERED
        )
        self.claimed: dict[str, str] = {}
        self.coming = False
        """Whether the other task is to be offered, as soon as the case goes on."""
        decision = decide(None, c.StartCase(CaseId("c"), NETS, {}), time=g.TIME)
        self.case, self.events = decision.case, list(decision.events)

    # ── commands ─────────────────────────────────────────────────────────────────────────────

    @rule(number=NUMBERS, by=PEOPLE)
    def begin(self, number: int, by: str | None) -> None:
        item = self.named(number)

        def model() -> None:
            self.case_is(RUNNING)
            self.item_is(item, OFFERED)
            self.started(item, by)

        self.does(c.StartWorkItem(ItemId(item), by), model)

    @rule(number=NUMBERS, by=PEOPLE)
    def complete(self, number: int, by: str | None) -> None:
        item = self.named(number)

        def model() -> None:
            self.case_is(RUNNING, SUSPENDED, FAILED)
            if self.item_is(item, STARTED, OFFERED, HELD) is OFFERED:
                self.case_is(RUNNING)
                self.started(item, by)
            elif self.items[item] is HELD and self.status is FAILED:
                self.status = RUNNING  # somebody has done it by hand: the case goes on
            del self.items[item]

        self.does(c.CompleteWorkItem(ItemId(item), {"n": 1}, by=by), model)

    @rule(number=NUMBERS)
    def fail(self, number: int) -> None:
        item = self.named(number)

        def model() -> None:
            self.case_is(RUNNING, SUSPENDED, FAILED)
            self.item_is(item, STARTED)
            self.failed(item)

        self.does(c.FailWorkItem(ItemId(item), {"message": "no"}), model)

    @rule(number=NUMBERS)
    def retry(self, number: int) -> None:
        item = self.named(number)

        def model() -> None:
            self.case_is(RUNNING, FAILED)
            self.item_is(item, HELD)
            self.status = RUNNING
            self.items[item] = STARTED

        self.does(c.RetryWorkItem(ItemId(item)), model)

    @rule(number=NUMBERS)
    def give_up(self, number: int) -> None:
        item = self.named(number)

        def model() -> None:
            self.case_is(RUNNING, SUSPENDED, FAILED)
            self.item_is(item, HELD)
            if self.status is FAILED and not item.startswith("ask"):
                raise _RefusedError("no-error-branch")
            self.status = FAILED

        self.does(c.GiveUpWorkItem(ItemId(item)), model)

    @rule(number=NUMBERS, by=st.sampled_from(["ann", "bob"]))
    def claim(self, number: int, by: str) -> None:
        item = self.named(number)

        def model() -> None:
            self.case_is(RUNNING)
            self.item_is(item, OFFERED)
            if self.claimed.setdefault(item, by) != by:
                raise _RefusedError("claimed-by-other")

        self.does(c.ClaimWorkItem(ItemId(item), by), model)

    @rule(number=NUMBERS)
    def release(self, number: int) -> None:
        item = self.named(number)

        def model() -> None:
            self.case_is(RUNNING)
            self.item_is(item, OFFERED)
            if self.claimed.pop(item, None) is None:
                raise _RefusedError("not-claimed")

        self.does(c.ReleaseWorkItem(ItemId(item)), model)

    @rule(number=NUMBERS, to=st.sampled_from(["ann", "bob"]))
    def delegate(self, number: int, to: str) -> None:
        item = self.named(number)

        def model() -> None:
            self.case_is(RUNNING)
            self.item_is(item, OFFERED, STARTED)
            self.claimed[item] = to

        self.does(c.DelegateWorkItem(ItemId(item), to), model)

    @rule()
    def suspend(self) -> None:
        def model() -> None:
            self.case_is(RUNNING)
            self.status = SUSPENDED

        self.does(c.SuspendCase("later"), model)

    @rule()
    def resume(self) -> None:
        def model() -> None:
            self.case_is(SUSPENDED, FAILED, CaseStatus.DEADLOCKED)
            if self.status is FAILED:
                held = [item for item, status in self.items.items() if status is HELD]
                self.items.update(dict.fromkeys(held, STARTED))
            self.status = RUNNING

        self.does(c.ResumeCase(), model)

    @rule()
    def recover(self) -> None:
        """People are not interrupted by the death of an engine."""
        self.does(c.RecoverCase(), lambda: self.case_is(RUNNING))

    @rule(seldom=st.integers(0, 9))
    def cancel(self, seldom: int) -> None:
        if seldom:
            return

        def model() -> None:
            self.case_is(*(status for status in CaseStatus if not status.final))
            self.status = CaseStatus.CANCELLED
            self.items.clear()

        self.does(c.CancelCase("enough"), model)

    def named(self, number: int) -> str:
        """One of the items that are open, in most cases; one that was, or never will be."""
        names = [
            *self.items,
            *(x for x in ("other/1", "plain/1", "plain/2") if x not in self.items),
        ]
        return names[number % len(names)]

    # ── the model ────────────────────────────────────────────────────────────────────────────

    def case_is(self, *statuses: CaseStatus) -> None:
        if self.status not in statuses:
            raise _RefusedError("case-status")

    def item_is(self, item: str, *statuses: ItemStatus) -> ItemStatus:
        if item not in self.items:
            raise _RefusedError("not-open")
        if self.items[item] not in statuses:
            raise _RefusedError("item-status")
        return self.items[item]

    def started(self, item: str, by: str | None) -> None:
        if by is not None and self.claimed.get(item, by) != by:
            raise _RefusedError("claimed-by-other")
        self.items[item] = STARTED

    def failed(self, item: str) -> None:
        self.items[item] = HELD
        if item == "branch/1":
            del self.items[item]
            self.coming = True
        elif not item.startswith("ask"):
            self.status = FAILED

    def offered(self) -> None:
        """What is to come comes, and a case in which nothing is left to do is completed."""
        if self.coming:
            self.items["other/1"], self.coming = OFFERED, False
        elif not self.items:
            self.status = CaseStatus.COMPLETED

    def does(self, command: c.Command, model: Any) -> None:
        before = (self.status, dict(self.items), dict(self.claimed))
        try:
            model()
        except _RefusedError as refused:
            self.status, self.items, self.claimed = before
            try:
                decide(self.case, command, time=g.TIME)
            except CommandRejected as error:
                assert error.code == str(refused), error
            else:
                raise AssertionError(f"{command} is accepted; refused as {refused}") from None
            return
        if self.status in (RUNNING, SUSPENDED):
            self.offered()
        decision = decide(self.case, command, time=g.TIME)
        self.case = decision.case
        self.events += decision.events

    @invariant()
    def agree(self) -> None:
        if not hasattr(self, "case"):
            return
        assert self.case.status is self.status
        assert {item.id: item.status for item in self.case.items.values()} == self.items
        for item in self.case.items.values():
            if item.status is OFFERED:
                assert item.claimed_by == self.claimed.get(item.id), item.id

    def teardown(self) -> None:
        if hasattr(self, "case"):
            assert evolve_all(None, self.events, compiled=NETS) == self.case


LifeCycles.TestCase.settings = settings(max_examples=120, stateful_step_count=30, deadline=None)
TestLifeCycles = LifeCycles.TestCase

"""The simulation finds nothing; and where something is broken on purpose, it finds that."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.conftest import SEEDS
from tests.simulation.simulating import FAULTS, QUICK, Report, simulate, trail
from weft.engine import events as e
from weft.engine.evolve import evolve_all
from weft.engine.journal import sqlite
from weft.engine.journal.sqlite import SqliteJournal
from weft.engine.runtime import live
from weft.engine.runtime.engine import Case, Engine
from weft.engine.runtime.live import LiveCase
from weft.engine.runtime.turns import Turns
from weft.schema.errors import JournalError

# These run millions of lines that other tests cover: measuring them would take minutes.
pytestmark = pytest.mark.no_cover

GROUPS = 2
"""So many workers can share the seeds."""
EACH = 4
"""A seed of ``--seeds`` is worth so many here."""
PATIENCE = 30
"""A planted bug is caught by one of so many seeds."""


@pytest.mark.parametrize("group", range(GROUPS))
def test_seeds(group: int, seeds: range, report_figure: Callable[[str, str], None]) -> None:
    count = len(seeds) * EACH
    first = seeds.start if len(seeds) == 1 else seeds.start + group * count
    report = Report()
    for seed in range(first, first + count):
        simulate(seed, report)
    report_figure(f"simulation {group + 1}", str(report))
    if len(seeds) >= SEEDS:
        assert set(report.faults) == set(FAULTS)


def test_a_retry_may_wait_for_a_milestone_that_has_gone() -> None:
    """Its time is over, and it begins when the milestone comes again: it is not late."""
    simulate(50_000, Report())


def test_a_seed_does_the_same_again() -> None:
    """Down to the order of the events of all cases, crashes included."""
    assert trail(3) == trail(3)
    assert trail(3) != trail(4)


# ── planted bugs ─────────────────────────────────────────────────────────────────────────────

Patch = Callable[[pytest.MonkeyPatch], None]


def _without(owner: Any, name: str, value: Any = None) -> Patch:
    """A method does nothing."""

    async def waits(*given: Any, **more: Any) -> Any:
        del given, more
        return value

    def at_once(*given: Any, **more: Any) -> Any:
        del given, more
        return value

    method = waits if inspect.iscoroutinefunction(getattr(owner, name)) else at_once
    return lambda patch: patch.setattr(owner, name, method)


def _applied_twice(patch: pytest.MonkeyPatch) -> None:
    adopt = LiveCase.adopt

    def twice(self: LiveCase, proposal: Any) -> Any:
        done = adopt(self, proposal)
        try:
            again = evolve_all(done.after, done.events[-1:], compiled=done.after.compiled)
        except JournalError:
            return done
        self.state = again
        return done

    patch.setattr(LiveCase, "adopt", twice)


def _not_recovered(patch: pytest.MonkeyPatch) -> None:
    _without(Engine, "_recover_all", ())(patch)
    _without(Case, "_recover")(patch)


def _not_synced(patch: pytest.MonkeyPatch) -> None:
    made = sqlite._Transaction.__init__

    def lazy(self: Any, connection: Any, *, durable: bool = True) -> None:
        del durable
        made(self, connection, durable=False)

    patch.setattr(sqlite._Transaction, "__init__", lazy)


def _told_too_soon(patch: pytest.MonkeyPatch) -> None:
    append = SqliteJournal.append

    def at_once(self: SqliteJournal, batch: Any) -> None:
        future: Any = append(self, batch)
        future.add_done_callback(lambda done: done.exception())

    patch.setattr(SqliteJournal, "append", at_once)


def _poor_snapshot(patch: pytest.MonkeyPatch) -> None:
    whole = live.snapshot
    patch.setattr(
        live,
        "snapshot",
        lambda case, *rest: whole(msgspec.structs.replace(case, serials={}), *rest),
    )


def _unchained(patch: pytest.MonkeyPatch) -> None:
    record = e.record
    patch.setattr(
        e, "record", lambda event, **known: record(event, **{**known, "before": e.GENESIS})
    )


def _listed_nowhere(patch: pytest.MonkeyPatch) -> None:
    changes = live._work_list_changes
    patch.setattr(live, "_work_list_changes", lambda *given: ([], changes(*given)[1]))


def _commit_skipped(patch: pytest.MonkeyPatch) -> None:
    def forgets(self: SqliteJournal, batches: Any) -> None:
        del self
        for made in batches:
            made.failure = None

    patch.setattr(SqliteJournal, "append_all", forgets)


def _happens_too_soon(patch: pytest.MonkeyPatch) -> None:
    commit = Turns._commit

    def hasty(self: Turns, starts: Any, steps: Any) -> None:
        planned = [place for place in steps if place[0].live.lane is place[1]]
        for place in planned:
            self._go_on(place, self._happens(place))
        commit(self, starts, [])
        if planned:
            self._engine.journal.append_all([lane.batch for _, lane, _ in planned])

    patch.setattr(Turns, "_commit", hasty)


def _two_steps_in_a_turn(patch: pytest.MonkeyPatch) -> None:
    add = Turns.add

    def twice(self: Turns, driven: Any) -> None:
        add(self, driven)
        add(self, driven)

    patch.setattr(Turns, "add", twice)


def _step_applied_twice(patch: pytest.MonkeyPatch) -> None:
    append_all = SqliteJournal.append_all

    def again(self: SqliteJournal, batches: Any) -> None:
        append_all(self, batches)
        for made in batches:
            if made.failure is None and made.expected and made.status == "running":
                made.expected, made.sequence = made.sequence, made.sequence + len(made.rows)
        append_all(self, [made for made in batches if made.failure is None and made.expected])

    patch.setattr(SqliteJournal, "append_all", again)


TURNS: dict[str, Patch] = {
    "a turn is not committed": _commit_skipped,
    "a step happens before its commit": _happens_too_soon,
    "a case takes two steps in a turn": _two_steps_in_a_turn,
    "a step is stored twice": _step_applied_twice,
    "a refused step is forgotten": _without(Engine, "refused"),
}
"""Those of which only seeds with cases that go by routes can know."""

BUGS: dict[str, Patch] = {
    **TURNS,
    "an event is applied twice": _applied_twice,
    "a timer is forgotten": _without(Engine, "_schedule_timers"),
    "a retry is forgotten": _without(Engine, "_schedule_retries"),
    "a claim is not given back": _without(SqliteJournal, "release"),
    "an attempt goes on that nobody wants": _without(Engine, "_stop"),
    "an attempt is not begun": _without(Engine, "_begin"),
    "what a crash interrupted is not begun again": _not_recovered,
    "a commit is not synced": _not_synced,
    "an event is told before it is durable": _told_too_soon,
    "a command that was sent again is done again": _without(SqliteJournal, "command_seen", False),
    "a snapshot lacks something": _poor_snapshot,
    "the chain of hashes is broken": _unchained,
    "an item is on no work list": _listed_nowhere,
}


@pytest.mark.parametrize("bug", BUGS)
def test_planted_bugs_are_caught(
    bug: str, monkeypatch: pytest.MonkeyPatch, report_figure: Callable[[str, str], None]
) -> None:
    BUGS[bug](monkeypatch)
    quick = bug in TURNS
    for seed in range(QUICK, PATIENCE + 1, QUICK) if quick else range(1, PATIENCE + 1):
        try:
            simulate(seed, Report())
        except AssertionError as error:
            where = str(error).partition("\n")[0][:100]
            report_figure(f"planted: {bug}", f"caught by seed {seed} ({where})")
            return
    pytest.fail(f"{PATIENCE} seeds do not notice: {bug}")

"""What the verifier finds in specifications, one small one for each kind of finding."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine import generated as g
from tests.engine.verify.replay import walked
from tests.patterns.exploring import mutant
from weft.engine.verify.report import Diagnostic, Report
from weft.engine.verify.runs import TOLD, repeated
from weft.engine.verify.specification import verify_specification
from weft.schema.specification import PlaceDefinition, Termination, Use


def verified(*tasks: Any, start: Any = "a", **more: Any) -> Report:
    spec = g.specification(g.net(start, *tasks, **more))
    return verify_specification(g.compiled(spec), spec)


def only(report: Report, code: str) -> Diagnostic:
    (found,) = (d for d in report.diagnostics if d.code == code)
    return found


# ── dead parts ───────────────────────────────────────────────────────────────────────────────


def test_a_branch_that_is_only_taken_beside_another_one_is_not_dead() -> None:
    """Of a multi-choice with one condition twice both branches are taken, the second beside."""
    twice = [{"when": "x > 0", "to": "b"}, {"when": "x > 0", "to": "c"}, {"to": "d"}]
    report = verified(
        g.task("a", "person", {"multi-choice": twice}),
        *(g.task(name, "person") for name in "bcd"),
    )
    assert (report.sound, list(report.dead_transitions)) == (True, [])
    never = [{"when": "x > 0", "to": "b"}, {"when": "false", "to": "c"}, {"to": "d"}]
    report = verified(
        g.task("a", "person", {"multi-choice": never}),
        *(g.task(name, "person") for name in "bcd"),
    )
    assert report.dead_transitions == ["a.then.yes 2", "c.start"]
    assert [d.code for d in report.diagnostics] == ["dead-branch", "dead-task"]


def test_of_a_task_with_several_ways_in_the_dead_one_is_named_by_who_would_send_it() -> None:
    report = verified(
        g.task("a", "person", {"exclusive-choice": [{"when": "true", "to": "c"}, {"to": "b"}]}),
        g.task("b", "person", join="simple-merge"),
        g.task("c", "person", {"deferred-choice": ["b", "d"]}),
        g.task("d", "person"),
    )
    assert "can never start by way of a thread from 'a' to 'b'" in only(report, "dead-task").message


# ── ends that withdraw what is left ──────────────────────────────────────────────────────────


def test_an_end_place_that_is_reached_before_all_is_done_is_told_with_what_is_left() -> None:
    ends = PlaceDefinition("out", then=Use("explicit-termination", None))
    split = {"parallel-split": ["b", "c"]}
    tasks = (g.task("b", "person", "out"), g.task("c", "person", "out"))
    report = verified(
        g.task("a", "person", split), *tasks, places=[ends], termination=Termination.EXPLICIT
    )
    left = only(report, "left-over")
    assert (report.sound, left.level, left.element) == (True, "warning", "out")
    assert "the end 'out' is reached, and there still is a thread before 'c'" in left.message
    assert list(left.path[-2:]) == ["b.complete", "out.then.end"]
    alone = verified(g.task("a", "person", "out"), places=[ends], termination=Termination.EXPLICIT)
    assert (alone.sound, alone.diagnostics) == (True, [])


def test_a_task_that_ends_everything_does_so_on_purpose() -> None:
    report = verified(
        g.task("a", "person", {"parallel-split": ["b", "c"]}),
        g.task("b", "person", {"explicit-termination": None}),
        g.task("c", "person", {"explicit-termination": None}),
        termination=Termination.EXPLICIT,
    )
    assert (report.sound, report.diagnostics) == (True, [])


# ── joins out of their context ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("join", "number"),
    [("structured-synchronizing-merge", 7), ("local-synchronizing-merge", 37)],
)
def test_a_merge_whose_region_is_entered_twice_at_once(join: str, number: int) -> None:
    ways = {"multi-choice": [{"when": "x > 0", "to": "b"}, {"to": "c"}]}

    def report(entry: str) -> Report:
        return verified(
            g.task("p", "person", "a"),
            g.task("q", "person", "a"),
            g.task("a", None, ways, join=entry),
            g.task("b", "person", "m"),
            g.task("c", "person", "m"),
            g.task("m", "person", join=join),
            start=["p", "q"],
        )

    twice = only(report("multi-merge"), "join-context")
    assert (twice.level, twice.element) == ("error", "m")
    assert f"this merge (pattern {number})" in twice.message
    assert report("synchronization").sound is True


def test_a_structured_partial_join_to_which_a_branch_comes_twice() -> None:
    spec = g.specification(
        g.net(
            "a",
            g.task("a", "person", {"parallel-split": ["b", "c", "d"]}),
            g.task("b", "person", {"parallel-split": ["b2", "e"]}),
            g.task("b2", "person", "e"),
            g.task("e", "person", "j", join="multi-merge"),
            g.task("c", "person", "j"),
            g.task("d", "person", "j"),
            g.task("j", "person", join="structured-discriminator"),
        )
    )
    nets = g.compiled(spec)
    found = only(verify_specification(nets, spec), "join-context")
    assert "(patterns 9 and 30)" in found.message
    marking = walked(nets, found.path).marking()[0]
    assert marking["e>j"] == 1


# ── concurrent writes ────────────────────────────────────────────────────────────────────────


def test_two_tasks_that_write_one_variable_at_once() -> None:
    def report(then: Any) -> Report:
        both = {"x": "result"}
        return verified(
            g.task("a", "person", then),
            g.task("b", "person", "d", outputs=both),
            g.task("c", "person", "d", outputs=both),
            g.task("d", "person", join="multi-merge"),
        )

    (told,) = report({"parallel-split": ["b", "c"]}).diagnostics
    assert (told.level, told.code, told.element) == ("warning", "concurrent-writes", "c")
    assert "'b' and 'c' can be under way at once, and both write 'x'" in told.message
    assert list(told.path) == ["a.start", "a.complete", "b.start", "c.start"]
    assert not report({"deferred-choice": ["b", "c"]}).diagnostics


def test_of_very_many_that_write_one_variable_some_pairs_are_looked_at() -> None:
    writes = {"outputs": {"x": "result"}}
    crowd = [f"w{k}" for k in range(16)]
    report = verified(
        g.task("a", None, {"parallel-split": crowd}),
        *(g.task(name, "person", **writes) for name in crowd),
    )
    found = [d for d in report.diagnostics if d.code == "concurrent-writes"]
    assert len([d for d in found if d.level == "warning"]) == 100
    assert [d.message for d in found if d.level == "note"] == [
        "of 120 pairs of tasks that write the same variable 100 were looked at"
    ]


# ── what never ends ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("start", ["a", "c"])
def test_what_goes_on_for_ever_is_named(start: str) -> None:
    """Also where it is so from the start on, before anything can be left to do."""
    tasks = (
        g.task("a", None, {"exclusive-choice": [{"when": "x > 0", "to": "a"}, {"to": "b"}]}),
        g.task("b", "person", "c"),
        g.task("c", "person", "d"),
        g.task("d", "person", "c"),
    )
    report = verified(*(tasks if start == "a" else tasks[2:]), start=start)
    assert (report.sound, report.option_to_complete) == (False, False)
    found = only(report, "livelock")
    assert found.message.endswith("; what goes on for ever: 'c', 'd'")
    assert found.message.startswith("at the start no end can be reached any more")


@pytest.mark.parametrize("reduced", [True, False])
def test_transitions_that_follow_on_each_other_for_ever_are_named(
    monkeypatch: pytest.MonkeyPatch, reduced: bool
) -> None:
    """Whether or not the states are looked at."""
    if not reduced:
        monkeypatch.setattr("weft.engine.verify.specification.plain_form", lambda net: None)
    report = verified(
        g.task("a", "person", "b"),
        g.task("b", None, {"exclusive-choice": [{"when": "x > 0", "to": "c"}, {"to": "d"}]}),
        g.task("c", None, {"exclusive-choice": [{"when": "y > 0", "to": "b"}, {"to": "d"}]}),
        g.task("d", "person", "e"),
        g.task("e", None, "f"),
        g.task("f", "person"),
    )
    assert report.sound is True
    found = only(report, "endless-run")
    assert found.level == "warning"
    assert found.element in ("b", "c")
    assert "without an event from outside, for ever" in found.message
    assert all(step in found.message for step in ("b.then.choice 1", "c.then.choice 1"))
    assert ("a.complete" in found.path) is not reduced


def test_a_run_that_grows_for_ever_is_told_by_its_first_round() -> None:
    report = verified(
        g.task("a", "person", "b"),
        g.task("b", None, {"parallel-split": ["d", "c"]}),
        g.task("d", None, "b"),
        g.task("c", "person"),
    )
    found = only(report, "endless-run")
    assert found.path == ("a.complete", "d.then.next")
    assert "for ever, if their conditions hold: d.then.next; the case would fail" in found.message


def test_a_run_that_neither_ends_nor_repeats_is_told_by_its_beginning() -> None:
    growing = tuple(n for size in range(200) for n in (7, *[8] * size))
    trail, loop = repeated(growing)
    assert (trail, loop) == (growing[:TOLD], growing[-TOLD:])
    assert repeated((1, 2, *(3, 4) * 500)) == ((1, 2, 3, 4), (3, 4))


def test_a_choice_of_which_no_branch_may_hold_is_no_endless_run() -> None:
    """The case fails there; that its token is kept where the choice was leads nowhere."""
    branches = [{"when": "x > 0", "to": "b"}, {"when": "x > 1", "to": "c"}]
    report = verified(
        g.task("a", None, {"multi-choice": branches}), g.task("b", "person"), g.task("c", "person")
    )
    assert report.sound is True
    assert not report.diagnostics


def test_a_net_that_only_ends_when_it_ends_further_down() -> None:
    branches = [{"when": "false", "to": "c"}, {"to": "again"}]
    inner = g.net(
        "b",
        g.task("b", "person", {"exclusive-choice": branches}),
        g.task("c", "person"),
        g.task("again", child="inner"),
        name="inner",
    )
    spec = g.specification(
        {"net": g.net("a", g.task("a", child="inner"), name="net"), "inner": inner}
    )
    report = verify_specification(g.compiled(spec), spec)
    assert report.sound is False
    found = [d for d in report.diagnostics if d.code == "recursion"]
    assert [d.element for d in found] == ["inner", "net"]
    assert "can only end when inner ends inside of it" in found[0].message


def test_what_breaks_the_bookkeeping_of_a_pattern_is_shown() -> None:
    """No specification does that: a transition of the compiled net is changed."""
    spec = g.specification(
        g.net(
            "a",
            g.task("a", None, {"parallel-split": ["b", "c"]}),
            g.task("b", "person", "j"),
            g.task("c", "person", "j"),
            g.task("j", "person", join="structured-discriminator"),
        )
    )
    nets = g.compiled(spec)
    assert nets.net.invariants
    held = next(iter(nets.net.invariants[0].weights))
    broken = mutant(nets, "b.complete", clear=(held,))
    report = verify_specification(broken, spec)
    assert report.sound is False
    found = only(report, "invariant")
    assert found.element == "j"
    assert "b.complete" in found.path
    assert "no longer add up" in found.message

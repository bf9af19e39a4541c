"""OR-joins in the state space and in verification."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine import generated as g
from weft.engine import orjoin
from weft.engine.verify.specification import verify_specification
from weft.engine.verify.statespace import explore
from weft.engine.waiting import waiting_for_each_other
from weft.schema.specification import Specification

MERGE = "general-synchronizing-merge"
SOME = {"multi-choice": [{"when": "x > 0", "to": "a"}, {"when": "y > 1", "to": "b"}, {"to": "a"}]}


def verified(*tasks: Any, start: str = "begin", **more: Any) -> Any:
    spec: Specification = g.specification(g.net(start, *tasks, **more))
    return verify_specification(g.compiled(spec), spec)


@pytest.mark.parametrize("kind", [None, "person", "auto"])
def test_a_multi_choice_and_its_merge_are_sound(kind: str | None) -> None:
    report = verified(
        g.task("begin", None, SOME),
        g.task("a", "person", "j"),
        g.task("b", "person", "j"),
        g.task("j", kind, "last", join=MERGE),
        g.task("last"),
    )
    assert report.sound is True
    assert not report.diagnostics
    assert any("OR-join" in said for said in report.abstractions)


def test_all_markings_of_a_net_with_an_or_join() -> None:
    net = g.compiled(
        g.net(
            "begin",
            g.task("begin", None, {"parallel-split": ["a", "b"]}),
            g.task("a", "person", "j"),
            g.task("b", "person", "j"),
            g.task("j", None, join=MERGE),
        )
    ).net
    found = explore(net)
    # Each of a and b: waiting, running, held or done; both done vanishes into the end.
    assert (found.states, found.deadlocks, found.safe) == (17, 1, True)
    assert found.dead_markings == ({"end": 1},)
    assert found.dead_transitions == 0


def joined_to_each_other() -> tuple[Any, ...]:
    """Two merges in a ring, entered at both."""
    return (
        g.task("begin", None, {"parallel-split": ["j", "k"]}),
        g.task("j", "person", {"parallel-split": ["k", "out"]}, join=MERGE),
        g.task("k", "person", {"parallel-split": ["j", "out"]}, join=MERGE),
        g.task("out", "person", join="multi-merge"),
    )


def test_joins_that_wait_for_each_other_are_found_and_named() -> None:
    report = verified(*joined_to_each_other())
    assert report.sound is False
    (told,) = (d for d in report.diagnostics if d.code == "mutual-wait")
    assert "'j', 'k' wait for each other" in told.message
    assert report.deadlocks[0].marking == {"begin>j": 1, "begin>k": 1}


def test_a_join_that_waits_for_work_waits_for_no_join() -> None:
    net = g.compiled(
        g.net(
            "begin",
            g.task("begin", None, {"parallel-split": ["a", "b"]}),
            g.task("a", "person", "j"),
            g.task("b", "person", "j"),
            g.task("j", None, join=MERGE),
        )
    ).net
    cells = [{"a>j": 1, ">b": 1}.get(p.name, 0) for p in net.places]
    assert orjoin.arrivals(net, cells, next(iter(net.or_joins)))
    assert waiting_for_each_other(net, cells) == []


def test_a_ring_with_one_entry_is_no_deadlock() -> None:
    """The join that has the token does not wait for what only itself could send."""
    report = verified(
        g.task("begin", None, "j"),
        g.task("j", "person", "k", join=MERGE),
        g.task("k", "person", {"exclusive-choice": [{"when": "x > 0", "to": "j"}, {"to": "out"}]}),
        g.task("out", "person"),
    )
    assert report.sound is True


def test_an_or_join_that_cannot_be_told_leaves_the_verdict_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(orjoin.enabled, "__kwdefaults__", {"alone": False, "work": 0})
    tasks = (
        g.task("begin", None, {"parallel-split": ["a", "b"]}),
        g.task("a", "person", "j"),
        g.task("b", "person", "j"),
        g.task("j", None, join=MERGE),
    )
    report = verified(*tasks)
    assert report.sound is None
    assert "could not be told" in str(report.undecided)
    monkeypatch.setattr(orjoin.enabled_joins, "__kwdefaults__", {"alone": False, "work": 0})
    assert not explore(g.compiled(g.net("begin", *tasks)).net).complete

"""Soundness of plain nets: against brute force, and against industrial nets with known verdicts."""

from __future__ import annotations

import csv
from pathlib import Path
from unittest import mock

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.verify.nets import chained_nets, judged, net, replayed, workflow_nets
from weft.engine.net import external
from weft.engine.verify.arcs import ArcNet, flat, members
from weft.engine.verify.graph import explored
from weft.engine.verify.markings import Markings, explored_markings
from weft.engine.verify.plain import plain_net
from weft.engine.verify.reduce import reduced
from weft.engine.verify.stubborn import Stubborn
from weft.engine.verify.workflow import Look, told, verify_net
from weft.schema.errors import UsageError
from weft.schema.pnml import read_pnml_file

BOTH = st.one_of(workflow_nets(), chained_nets())


def test_the_industrial_nets_have_their_verdicts(corpus: Path) -> None:
    with (corpus / "workflow-nets" / "expected.csv").open() as expected:
        rows = list(csv.DictReader(expected))
    assert len(rows) == 40
    for row in rows:
        found = plain_net(read_pnml_file(corpus / "workflow-nets" / row["net"]))
        report = verify_net(found, max_states=3000)
        verdict = row["verdict"]
        assert report.sound is (verdict == "sound"), row
        assert report.safe is (verdict != "unsafe"), row
        if verdict == "sound":
            assert (report.option_to_complete, report.proper_completion) == (True, True)
            assert not report.diagnostics
        elif verdict == "nonterminating":
            assert report.option_to_complete is False
            assert report.deadlocks
        for deadlock in report.deadlocks:
            assert replayed(found, deadlock.path) == deadlock.marking
            assert all(
                any(a.place == p for t in found.transitions for a in t.put)
                for p in deadlock.marking
            )


@given(BOTH)
def test_verdicts_agree_with_brute_force(found) -> None:
    truth = judged(found)
    if truth is None:
        return
    report = verify_net(found)
    assert report.undecided is None
    assert (report.option_to_complete, report.proper_completion) == (truth.option, truth.proper)
    assert (report.bounded, report.safe) == (True, truth.safe)
    assert set(report.dead_transitions) == truth.dead
    assert report.sound is (truth.option and truth.proper and not truth.dead)
    codes = {d.code: d for d in report.diagnostics}
    if truth.deadlock is not None:  # and the path is a shortest one
        assert len(report.deadlocks[0].path) == truth.deadlock
        assert replayed(found, report.deadlocks[0].path) == report.deadlocks[0].marking
        assert len(codes["deadlock"].path) == truth.deadlock
    if truth.unsafe is not None:
        assert len(codes["unsafe"].path) == truth.unsafe
        assert max(replayed(found, codes["unsafe"].path).values()) > 1
    assert ("livelock" in codes) is (not truth.option and truth.deadlock is None)
    assert ("improper-completion" in codes) is not truth.proper


@given(BOTH)
def test_the_reduced_net_has_the_same_answers(found) -> None:
    truth = judged(found)
    if truth is None:
        return
    arcs = ArcNet.of(found)
    small = reduced(arcs)
    assert len(small.transitions) <= len(arcs.transitions) + 2
    graph = explored(Markings(small), max_states=1000)
    assert graph.complete
    assert graph.growth is None
    taken = {p for t in arcs.transitions.values() for p in t.take}
    sinks = {p for t in arcs.transitions.values() for p in t.put if p not in taken}
    markings = [Markings(small).tokens(s) for s in graph.states]
    finals = [i for i, m in enumerate(markings) if m and set(m) <= sinks]
    assert all(graph.reaching(finals)) is truth.option
    assert (max(n for m in markings for n in m.values()) <= 1) is truth.safe
    alive = {o for n in graph.used() for o in members(small.transitions[n].steps)}
    names = {found.transitions[t].name for t in alive}
    assert names.isdisjoint(truth.dead)
    assert truth.dead or not truth.option or names == {t.name for t in found.transitions}
    # What a reduced firing stands for can be fired in the net itself, in that order.
    for state in range(len(graph.states)):
        path = [o for n in graph.path(state) for o in flat(small.transitions[n].steps)]
        reached = replayed(found, [found.transitions[t].name for t in path])
        kept = {found.places[p].name: n for p, n in markings[state].items()}
        assert kept.items() <= reached.items()


@given(BOTH, st.integers(0, 2))
def test_what_may_vanish_is_reduced_with_the_same_answers(found, more) -> None:
    """Nets whose tokens are gone at an end, and which may begin with several."""
    arcs = ArcNet.of(found)
    taken = {p for t in arcs.transitions.values() for p in t.take}
    sinks = {p for t in arcs.transitions.values() for p in t.put if p not in taken}
    for t in arcs.transitions.values():
        t.put = {p: n for p, n in t.put.items() if p not in sinks}
    arcs.initial |= dict.fromkeys(sorted(taken)[:more], 1)
    gone: set[int] = set()
    small = reduced(arcs, ending=gone)
    options = {"single": False, "vanishing": True, "max_states": 400}
    full, some = Look(arcs, (), **options), Look(small, gone, **options)
    if not full.graph.complete and full.graph.growth is None:
        return
    assert (some.facts.bounded, some.facts.safe) == (full.facts.bounded, full.facts.safe)
    if full.facts.bounded:
        assert some.facts.option is full.facts.option
        alive = {o for n in some.facts.fired for o in members(small.transitions[n].steps)} - {-1}
        assert alive <= full.facts.fired
        if full.facts.option and full.facts.fired == set(arcs.transitions):
            assert alive == full.facts.fired
        for state in range(len(some.graph.states)):
            path = [o for n in some.graph.path(state) for o in flat(small.transitions[n].steps)]
            names = [found.transitions[t].name for t in path]
            starting = [
                msgspec.structs.replace(p, tokens=arcs.initial.get(i, 0))
                for i, p in enumerate(found.places)
            ]
            replayed(msgspec.structs.replace(found, places=tuple(starting)), names)


@given(BOTH, st.sampled_from([1, 2, 5, 20, 1000]), st.integers(0, 30))
def test_the_kernel_explores_as_one_marking_after_the_other(found, most, last) -> None:
    markings = Markings(ArcNet.of(found))
    seen: list[tuple[int, bytes, bool]] = []

    def enough(at, state, following) -> bool:
        seen.append((at, state, bool(following)))
        return at == last

    with mock.patch("weft.engine.verify.markings.FIRST", 3):
        quick = explored_markings(markings, max_states=most, enough=enough)
    told, seen[:] = list(seen), []
    slow = explored(markings, max_states=most, enough=enough)
    assert told == seen[: len(told)]
    assert len(told) == len(seen) or not slow.complete
    assert (quick.complete, quick.growth) == (slow.complete, slow.growth)
    if quick.complete or quick.growth is not None:
        assert quick.states == slow.states
    some = min(quick.size, slow.size)
    for state in range(some):
        assert quick.states[state] == slow.states[state]
        assert quick.path(state) == slow.path(state)
        assert list(quick.steps(state)) == list(slow.steps(state))


@given(BOTH)
def test_stubborn_sets_keep_dead_markings_and_the_option_to_reach_one(found) -> None:
    truth = judged(found)
    if truth is None:
        return
    arcs = ArcNet.of(found)
    full = explored(Markings(arcs), max_states=1000)
    some = explored(Stubborn(arcs), max_states=1000)
    assert len(some.states) <= len(full.states)

    def dead(graph):
        return {graph.states[i] for i in range(len(graph.states)) if graph.dead(i)}

    def may_end(graph):
        return all(graph.reaching(i for i in range(len(graph.states)) if graph.dead(i)))

    assert dead(some) == dead(full)
    assert may_end(some) == may_end(full)
    if may_end(full):
        assert some.used() == full.used()


@given(BOTH)
@settings(max_examples=50)
def test_a_small_bound_never_makes_a_wrong_answer(found) -> None:
    truth = judged(found)
    if truth is None:
        return
    for bound in (1, 3, 8):
        report = verify_net(found, max_states=bound)
        wholly = (truth.option, truth.proper, True, truth.safe)
        verdicts = (
            report.option_to_complete,
            report.proper_completion,
            report.bounded,
            report.safe,
        )
        for told_, true in zip(verdicts, wholly, strict=True):
            assert told_ in (None, true)
        assert set(report.dead_transitions) <= truth.dead
        if None in verdicts:
            assert report.undecided is not None
        for d in report.diagnostics:
            replayed(found, d.path)


def test_parallel_branches_that_cannot_be_reduced_are_left_to_stubborn_sets() -> None:
    # Each of 12 branches chooses, and the join takes both ways only together with its partner:
    # 3^12 markings, one way through them for each order that matters.
    places, transitions = {"i": 1, "o": 0}, []
    ready = []
    for k in range(12):
        places |= {f"a{k}": 0, f"b{k}": 0, f"c{k}": 0, f"lock{k}": 1}
        transitions += [
            external(f"x{k}", take=[f"a{k}", f"lock{k}"], put=[f"b{k}"]),
            external(f"y{k}", take=[f"b{k}"], put=[f"c{k}", f"lock{k}"]),
        ]
        ready.append(f"c{k}")
    locks = [f"lock{k}" for k in range(12)]
    transitions += [
        external("begin", take=["i"], put=[f"a{k}" for k in range(12)]),
        external("end", take=[*ready, *locks], put=["o"]),
    ]
    report = verify_net(net(places, *transitions), max_states=500)
    assert (report.sound, report.undecided) == (True, None)


def test_growth_is_found_and_named() -> None:
    report = verify_net(
        net(
            {"i": 1, "p": 0, "q": 0, "o": 0},
            external("a", take=["i"], put=["p"]),
            external("b", take=["p"], put=["p", "q"]),
            external("c", take=["p", "q"], put=["o"]),
        )
    )
    assert (report.sound, report.bounded, report.safe) == (False, False, False)
    (growth,) = [d for d in report.diagnostics if d.code == "unbounded"]
    assert (growth.path, growth.element) == (["a", "b"], "q")
    assert "infinitely many" in str(report.undecided)


@pytest.mark.parametrize(
    ("lacks", "clear", "bounded"),
    [((), (), False), (("q",), (), True), ((), ("q",), True)],
)
def test_growth_with_inhibitors_and_resets_is_tried_out(lacks, clear, bounded) -> None:
    report = verify_net(
        net(
            {"i": 1, "p": 0, "q": 0, "o": 0, "r": 0},
            external("a", take=["i"], put=["p"]),
            external("b", take=["p"], put=["p", "q"], lacks=lacks, clear=clear),
            external("c", take=["p"], put=["r"], clear=["q"]),
            external("d", take=["r"], put=["o"]),
        )
    )
    assert report.bounded is bounded
    assert report.sound is bounded


def test_growth_up_to_a_bound_by_an_inhibitor_is_no_growth() -> None:
    report = verify_net(
        net(
            {"i": 1, "p": 0, "q": 0, "o": 0},
            external("a", take=["i"], put=["p"]),
            external("b", take=["p"], put=["p", "q"], lacks=["q"] * 5),
            external("c", take=["p"], put=["o"], clear=["q"]),
        )
    )
    assert (report.bounded, report.safe, report.sound) == (True, False, True)


def test_a_net_without_an_end_cannot_complete() -> None:
    report = verify_net(net({"p": 1}, external("t", take=["p"], put=["p"])))
    assert (report.sound, report.option_to_complete) == (False, False)
    assert [d.code for d in report.diagnostics] == ["no-end"]


def test_findings_have_positions_and_many_names_are_cut() -> None:
    stuck = net(
        {"i": 1, "p": 0, "never": 0, "o": 0},
        external("a", take=["i"], put=["p"]),
        external("b", take=["p", "never"], put=["o"]),
    )
    report = verify_net(stuck, file="n.pnml", positions={"p": (7, None), "b": (9, 3)})
    assert [(d.code, d.where) for d in report.diagnostics] == [
        ("deadlock", "n.pnml:7"),
        ("dead-transition", "n.pnml:9:3"),
    ]
    assert str(report.diagnostics[0]).startswith("n.pnml:7: error: after a: nothing can fire")
    assert report.as_json()["deadlocks"] == [{"marking": {"p": 1}, "path": ["a"]}]
    assert told([str(k) for k in range(20)], most=4) == "0, 1, … (20 in all) …, 18, 19"
    with pytest.raises(UsageError, match="at least 1"):
        verify_net(stuck, max_states=0)


def test_messages_tell_labels_beside_names() -> None:
    found = net(
        {"i": 1, "p": 0, "o": 0},
        external("t1", take=["i"], put=["p"]),
        external("t2", take=["p", "i"], put=["o"]),
    )
    labels = {"t1": "Pay", "p": "paid", "t2": "t2", "i": ""}
    report = verify_net(found, labels=labels)
    assert [d.message for d in report.diagnostics] == [
        "after 'Pay' (t1): nothing can fire, and 'paid' (p) is marked, which is no end",
        "'t2' can never fire",
    ]
    assert report.deadlocks[0].path == ["t1"]


def test_an_overflow_is_undecided_not_a_crash() -> None:
    big = 2**31 - 1
    found = net({"i": big, "o": big}, external("t", take=["i"], put=["o"]))
    report = verify_net(found)
    assert report.sound is None
    assert "overflow" in str(report.undecided)

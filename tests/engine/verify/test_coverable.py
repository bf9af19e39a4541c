"""What can be covered: forwards, backwards and by brute force the answer is the same."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.verify.nets import chained_nets, judged, net, replayed, workflow_nets
from weft.engine.coverability import OutOfBounds
from weft.engine.net import external
from weft.engine.verify import workflow
from weft.engine.verify.arcs import ArcNet
from weft.engine.verify.coverable import OMEGA, Backwards, coverability_set
from weft.engine.verify.markings import Markings
from weft.engine.verify.workflow import verify_net

PLAIN = st.one_of(workflow_nets(), chained_nets())


@st.composite
def reset_nets(draw):
    """Nets with reset arcs, where boundedness is not decidable."""
    found = draw(workflow_nets())
    inner = [p.name for p in found.places if p.name.startswith("p")]
    return msgspec.structs.replace(
        found,
        transitions=tuple(
            msgspec.structs.replace(
                t, clear=tuple(draw(st.lists(st.sampled_from(inner), max_size=2, unique=True)))
            )
            if i and draw(st.booleans())
            else t
            for i, t in enumerate(found.transitions)
        ),
    )


@given(PLAIN, st.data())
@settings(max_examples=40)
def test_forwards_and_backwards_agree_on_every_target(found, data) -> None:
    arcs = ArcNet.of(found)
    covering = coverability_set(arcs)
    assert covering is not None
    assert covering.bounded is not any(OMEGA in m for m in covering.markings)
    if covering.growth is not None:  # the path can be fired, and what is said to grow is there
        names = [found.transitions[t].name for t in covering.growth]
        reached = replayed(found, names)
        assert all(reached[found.places[p].name] for p in covering.grown)
        assert covering.grown
    asked = Backwards(arcs, covering.places)
    for _ in range(4):
        targets = st.dictionaries(st.sampled_from(covering.places), st.integers(1, 3), max_size=2)
        target = data.draw(targets)
        try:
            path = asked.path(iter([target]), work=5_000)
        except OutOfBounds:
            continue
        assert (path is not None) is covering.covers(target)
        if path is not None:
            reached = replayed(found, [found.transitions[t].name for t in path])
            assert all(reached.get(found.places[p].name, 0) >= n for p, n in target.items())


@given(PLAIN)
@settings(max_examples=60)
def test_of_a_bounded_net_the_set_holds_its_greatest_markings(found) -> None:
    truth = judged(found)
    if truth is None:
        return
    covering = coverability_set(ArcNet.of(found))
    assert covering is not None
    assert (covering.bounded, covering.safe) == (True, truth.safe)
    names = {found.transitions[t].name for t in covering.fired}
    assert {t.name for t in found.transitions} - names == truth.dead
    markings = covering.markings
    assert len(set(markings)) == len(markings)
    for one in markings:
        assert not any(
            one is not other and all(a <= b for a, b in zip(one, other, strict=True))
            for other in markings
        )


@given(st.one_of(PLAIN, reset_nets()))
@settings(max_examples=60)
def test_too_few_markings_leave_open_or_right(found) -> None:
    """With hardly any marking of its own to look at, only what can be covered answers."""
    truth = judged(found)
    if truth is None:
        return
    report = verify_net(found, max_states=2)
    for told, true in (
        (report.option_to_complete, truth.option),
        (report.proper_completion, truth.proper),
        (report.bounded, True),
        (report.safe, truth.safe),
    ):
        assert told in (None, true)
    if ArcNet.of(found).monotone:
        assert (report.proper_completion, report.bounded) == (truth.proper, True)
        assert report.safe is truth.safe
        assert set(report.dead_transitions) == truth.dead
    for d in report.diagnostics:
        reached = replayed(found, d.path)
        if d.code == "improper-completion":
            assert reached[d.element] > 1 or len(reached) > 1


@given(reset_nets())
@settings(max_examples=60)
def test_nets_with_resets_have_the_verdicts_of_brute_force(found) -> None:
    truth = judged(found)
    if truth is None:
        return
    report = verify_net(found)
    assert report.undecided is None
    assert (report.option_to_complete, report.proper_completion) == (truth.option, truth.proper)
    assert (report.bounded, report.safe) == (True, truth.safe)
    assert set(report.dead_transitions) == truth.dead


def grower(*more, end=("p",), clear=()):
    return net(
        {"i": 1, "p": 0, "q": 0, "r": 0, "never": 0, "o": 0},
        external("a", take=["i"], put=["p"]),
        external("b", take=["p"], put=["p", "q"]),
        external("c", take=[*end], put=["o"], clear=clear),
        external("d", take=["never"], put=["r"]),
        external("e", take=["r"], put=["q"]),
        *more,
    )


def test_an_unbounded_net_has_all_its_other_answers() -> None:
    report = verify_net(grower(external("f", take=["q", "p"], put=["p", "r", "r"]), end=("p", "i")))
    assert (report.bounded, report.safe, report.proper_completion) == (False, False, True)
    assert report.option_to_complete is False  # the end needs what is gone
    assert report.dead_transitions == ["c", "d"]
    assert report.undecided is None
    codes = {d.code: d for d in report.diagnostics}
    assert codes["unbounded"].path == ["a", "b"]
    assert codes["livelock"].path == []


def test_growth_that_may_be_used_up_leaves_only_the_option_open() -> None:
    report = verify_net(grower(external("f", take=["q"])))
    assert (report.bounded, report.proper_completion) == (False, False)
    assert report.option_to_complete is None
    assert report.undecided == "the option to complete: the markings are infinitely many"
    codes = {d.code: d for d in report.diagnostics}
    assert codes["improper-completion"].path == ["a", "b", "c"]


@pytest.mark.parametrize("asked", [0, 300])
def test_growth_without_an_improper_end_means_that_some_case_never_ends(monkeypatch, asked) -> None:
    monkeypatch.setattr(workflow, "ASKED", asked)
    found = net(
        {"i": 1, "p": 0, "q": 0, "z": 0, "o": 0},
        external("a", take=["i"], put=["p"]),
        external("b", take=["p"], put=["p", "q"]),
        external("c", take=["p"], put=["z"]),
        external("d", take=["z", "q"], put=["p", "q"]),
        external("e", take=["i"], put=["o"]),
    )
    report = verify_net(found)
    assert (report.bounded, report.proper_completion) == (False, True)
    assert report.option_to_complete is False
    assert [d.code for d in report.diagnostics if d.code != "unsafe"] == (
        ["livelock", "unbounded"] if not asked else ["unbounded", "livelock"]
    )


def test_resets_leave_boundedness_open_and_the_rest_is_answered(monkeypatch) -> None:
    monkeypatch.setattr(workflow, "PATH_STATES", 4)
    monkeypatch.setattr(Markings, "grows", lambda *_: False)  # as where no growth is shown
    report = verify_net(grower(clear=["q"]), max_states=4)
    assert report.bounded is None
    assert report.safe is False
    assert report.proper_completion is True
    assert report.dead_transitions == ["d", "e"]
    assert report.undecided == (
        "the option to complete and boundedness: there are more than 4 markings"
    )


def test_growth_that_many_markings_hide_is_found(monkeypatch) -> None:
    # 2^6 markings come before the first one that covers another.
    width = 6
    places = {"i": 1, "g": 0, "o": 0} | {f"{s}{k}": 0 for s in "ab" for k in range(width)}
    found = net(
        places,
        external("begin", take=["i"], put=[f"a{k}" for k in range(width)]),
        *(external(f"t{k}", take=[f"a{k}"], put=[f"b{k}"]) for k in range(width)),
        *(external(f"u{k}", take=[f"b{k}"], put=[f"a{k}"]) for k in range(width)),
        external("end", take=[f"b{k}" for k in range(width)], put=["o", "g"]),
        external("grow", take=["g"], put=["g", "o"]),
    )
    report = verify_net(found, max_states=50)
    assert (report.bounded, report.safe) == (False, False)
    (growth,) = [d for d in report.diagnostics if d.code == "unbounded"]
    assert growth.path[-1] == "grow"
    assert replayed(found, growth.path)["o"] == 2


def test_work_is_bounded() -> None:
    arcs = ArcNet.of(grower())
    assert coverability_set(arcs, work=10) is None
    with pytest.raises(OutOfBounds):
        Backwards(arcs, range(arcs.places)).path(iter([{4: 1}]), work=-1)


def test_a_net_without_an_end_has_all_other_answers() -> None:
    ring = net(
        {"p": 1, "q": 0},
        external("t", take=["p"], put=["q"]),
        external("u", take=["q"], put=["p"]),
        external("v", take=["p", "q"], put=["p"]),
    )
    report = verify_net(ring)
    assert (report.option_to_complete, report.bounded, report.safe) == (False, True, True)
    assert report.dead_transitions == ["v"]
    growing = net({"p": 1}, external("t", take=["p"], put=["p", "p"]))
    report = verify_net(growing)
    assert (report.bounded, report.safe, report.undecided) == (False, False, None)
    assert [d.code for d in report.diagnostics] == ["no-end", "unbounded"]

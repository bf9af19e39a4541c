"""What explodes is answered within its bounds, which the answer names; memory is given back."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from tests.engine import generated as g
from tests.engine.verify.nets import net
from weft.engine.net import Net, external
from weft.engine.verify import coverable, markings, reduce, runs
from weft.engine.verify.arcs import ArcNet
from weft.engine.verify.graph import TooLarge
from weft.engine.verify.report import Report
from weft.engine.verify.specification import verify_specification
from weft.engine.verify.workflow import verify_net
from weft.schema.specification import Specification


def threads(n: int) -> Net:
    """So many threads whose choices look at each other, so that nothing can be reduced."""
    places, transitions = {"i": 1, "o": 0}, []
    for k in range(n):
        places |= dict.fromkeys([f"a{k}", f"b{k}", f"c{k}", f"d{k}"], 0)
        other = (k + 1) % n
        transitions += [
            external(f"u{k}", take=[f"a{k}"], put=[f"b{k}"]),
            external(f"v{k}", take=[f"a{k}"], put=[f"c{k}"]),
            external(f"w{k}", take=[f"b{k}"], put=[f"d{k}"]),
            external(f"x{k}", take=[f"c{k}"], put=[f"d{k}"]),
            external(f"y{k}", take=[f"b{k}", f"c{other}"], put=[f"d{k}", f"c{other}"]),
        ]
    fork = external("fork", take=["i"], put=[f"a{k}" for k in range(n)])
    join = external("join", take=[f"d{k}" for k in range(n)], put=["o"])
    return net(places, fork, join, *transitions)


def forked(n: int) -> Net:
    """So many threads that end side by side."""
    fork = external("fork", take=["i"], put=[f"a{k}" for k in range(n)])
    steps = [external(f"t{k}", take=[f"a{k}"], put=["o"]) for k in range(n)]
    return net({"i": 1, "o": 0, **{f"a{k}": 0 for k in range(n)}}, fork, *steps)


def choices(n: int) -> Specification:
    """A case of so many parallel choices that an OR-join brings together."""
    tasks = [g.task("s", None, {"parallel-split": [f"a{k}" for k in range(n)]})]
    for k in range(n):
        branches = [{"when": "x > 1", "to": f"b{k}"}, {"to": f"c{k}"}]
        tasks += [
            g.task(f"a{k}", "person", {"exclusive-choice": branches}),
            g.task(f"b{k}", "person", "j"),
            g.task(f"c{k}", "person", "j"),
        ]
    tasks.append(g.task("j", None, join="general-synchronizing-merge"))
    return g.specification(g.net("s", *tasks))


def verified(specification: Specification, **options: int) -> Report:
    return verify_specification(g.compiled(specification), specification, **options)


def test_a_specification_that_explodes_is_undecided_by_its_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runs, "MAX_WORK", 50_000)
    report = verified(choices(30))
    assert report.sound is None
    assert report.undecided == "net 'net' takes more than 50,000 looks at tokens"
    assert 0 < report.states < 1_000


def test_a_specification_that_explodes_is_undecided_by_its_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runs, "MAX_BYTES", 100_000)
    report = verified(choices(30))
    assert report.sound is None
    assert report.undecided == "net 'net' has states that take more than 100,000 bytes"
    assert report.states < 100_000 // 250


def test_the_bounds_of_a_specification_leave_a_small_one_decided() -> None:
    assert verified(choices(2)).sound is True


@pytest.fixture
def uncovered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What can be covered is soon too much to ask."""
    monkeypatch.setattr(coverable, "WORK", 1_000)
    monkeypatch.setattr(coverable, "ALL_BACKWARDS_WORK", 1_000)


@pytest.mark.usefixtures("uncovered")
def test_a_net_that_explodes_is_undecided_by_its_markings() -> None:
    report = verify_net(threads(40), max_states=300)
    assert report.sound is None
    assert "more than 300 markings" in str(report.undecided)


@pytest.mark.usefixtures("uncovered")
def test_what_no_token_can_come_to_is_dead_however_many_markings_there_are() -> None:
    found = threads(12)
    broken = external("join", take=["never", *(f"d{k}" for k in range(12))], put=["o"])
    behind = external("behind", take=["far"], put=["o"])
    on = external("on", take=["never"], put=["far"])
    rest = [t for t in found.transitions if t.name != "join"]
    places = {p.name: p.tokens for p in found.places} | {"never": 0, "far": 0}
    report = verify_net(net(places, broken, on, behind, *rest), max_states=4000)
    assert report.dead_transitions == ["join", "on", "behind"]
    assert report.sound is False
    assert "dead transitions" not in str(report.undecided)


@pytest.mark.usefixtures("uncovered")
def test_the_markings_of_a_net_have_a_bound_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markings, "MAX_BYTES", 100_000)
    report = verify_net(threads(40))
    assert report.sound is None
    assert "markings" in str(report.undecided)
    assert report.states < 3 * 100_000 // markings.BESIDE


def test_what_follows_on_a_marking_has_a_bound_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    small = markings.Markings(ArcNet.of(forked(40)))
    (_, after), *_ = small.successors(small.initial)
    assert len(small.successors(after)) == 40
    monkeypatch.setattr(markings, "MAX_STEP_BYTES", 1_000)
    with pytest.raises(TooLarge):
        small.successors(after)


@pytest.mark.parametrize("work", [0, 10, 500, reduce.WORK])
def test_a_reduction_that_stops_halfway_changes_no_answer(
    monkeypatch: pytest.MonkeyPatch, work: int
) -> None:
    monkeypatch.setattr(reduce, "WORK", work)
    report = verify_net(threads(4))
    assert (report.sound, report.safe, report.undecided) == (True, True, None)


@pytest.mark.usefixtures("uncovered")
def test_many_threads_that_end_side_by_side_are_bounded_in_memory() -> None:
    """The one end is marked twice: what is shown does not hang on how many threads there are."""
    report = verify_net(forked(300), max_states=100)
    assert report.proper_completion is False


@pytest.mark.parametrize("tried", [-1, 1_000])
def test_growth_that_is_not_tried_is_not_shown(monkeypatch: pytest.MonkeyPatch, tried: int) -> None:
    monkeypatch.setattr(runs, "TRIED", tried)
    monkeypatch.setattr(markings, "TRIED", tried)
    grows = g.net("a", g.task("a", "person", {"parallel-split": ["a", "b"]}), g.task("b", "person"))
    report = verified(g.specification(grows), max_states=60)
    assert report.bounded is (None if tried < 0 else False)
    assert (report.undecided is None) is (tried > 0)
    plain = net(
        {"i": 1, "p": 0, "q": 0, "o": 0, "never": 0},
        external("a", take=["i"], put=["p"]),
        external("b", take=["p"], put=["p", "q"], lacks=["never"]),
        external("c", take=["p"], put=["o"]),
    )
    assert verify_net(plain, max_states=60).bounded is (None if tried < 0 else False)


@pytest.mark.usefixtures("uncovered")
def test_memory_is_given_back() -> None:
    specification, plain = choices(8), threads(8)

    def both() -> None:
        assert verified(specification, max_states=150).undecided
        assert verify_net(plain, max_states=150).undecided

    both()  # what is kept once and for all
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        both()
        gc.collect()
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before > 100_000
    assert after - before < (peak - before) / 10

"""The benchmark suite: that it measures what it says, of whoever is there."""

from __future__ import annotations

import builtins
import json
from array import array
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from weft.bench import measuring, nets, suite
from weft.bench.limit import limit
from weft.bench.measuring import Contest, measure
from weft.bench.peers import Peer, PlainPython, Snakes, SpiffWorkflow, peers
from weft.cli import cli
from weft.native import kernel
from weft.schema.errors import InternalError

SMALL = [nets.ring(5), nets.fork_join(3), nets.rings(2, 3), nets.philosophers(3), nets.forks(4)]


class Turns:
    """A clock by which every reading is a second later, or as many as were asked for."""

    def __init__(self) -> None:
        self.now = 0.0
        self.step = 1.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Turns:
    turns = Turns()
    monkeypatch.setattr(measuring.time, "process_time", turns)
    monkeypatch.setattr(measuring.time, "perf_counter", turns)
    return turns


def contest(unit: str, answers: dict[str, Any], answer: Any = 3, **more: Any) -> Contest:
    def work(said: Any) -> Callable[[], Any]:
        return lambda: said

    return Contest(
        name="c",
        unit=unit,
        contestants={name: (work(said), 2) for name, said in answers.items()},
        answer=answer,
        **more,
    )


def test_values_are_per_piece_and_compared(clock: Turns) -> None:
    first, second = measure(contest("ns/piece", {"a": 3, "b": 3}, beside="b"))
    assert (first.name, first.value, first.unit) == ("c/a", 5e8, "ns/piece")
    assert (first.ratio_to, first.ratio, first.spread) == ("c/b", 1.0, 0.0)
    assert (second.name, second.ratio_to, second.ratio) == ("c/b", None, None)


def test_rates_are_pieces_a_second(clock: Turns) -> None:
    (only,) = measure(contest("pieces/s", {"a": 3}, beside="not here", threaded=True))
    assert (only.value, only.ratio) == (2.0, None)


def test_the_best_rounds_count(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0, 9, *(t for d in (1, 5, 1, 7, 9, 8) for t in (0, d))])
    monkeypatch.setattr(measuring.time, "process_time", lambda: next(times))
    (only,) = measure(contest("pieces/s", {"a": 3}, rounds=6))
    assert only.value == 2.0


def test_a_wrong_answer_is_no_result() -> None:
    with pytest.raises(InternalError, match="in the contest 'c' 'b' answered 4, not 3"):
        list(measure(contest("ns/piece", {"a": 3, "b": 4})))


@pytest.mark.parametrize("net", SMALL, ids=lambda net: net.name)
def test_the_limit_answers_as_the_kernel_does(net: nets.PlainNet) -> None:
    c = limit()
    if c is None:
        pytest.skip("there is no C compiler")
    space = kernel.explore(net.image, net.cells)
    assert c.explore(net) == (space.states, space.firings)
    marking, order = net.cells, array("i", bytes(4 * len(net.transitions)))
    fired, more = kernel.settle(net.image, marking, order, 1000)
    assert c.fire(net, fired) == list(marking)
    assert more == (fired == 1000)
    found = array("Q", [0])
    c.enabled(net, array("Q", kernel.pack_cases(net.image, net.cells, 1)), found)
    enabled = kernel.enabled_transitions(net.image, net.cells)
    assert found[0] == sum(1 << t for t in enabled)
    assert c.ticks() >= 0


@pytest.mark.parametrize("peer", [PlainPython(), SpiffWorkflow(), Snakes()], ids=lambda p: p.name)
def test_peers_come_to_the_same_answers(peer: Peer) -> None:
    missing = peer.missing()
    if missing:
        pytest.skip(missing)
    for net in (nets.philosophers(3), nets.kanban(1)):
        explored = peer.explore(net)
        if explored is not None:
            space = kernel.explore(net.image, net.cells)
            assert explored() == explored() == (space.states, space.firings)
    run = peer.sequence(3, 4)
    assert run is None or run() == 12
    split = peer.split(5)
    assert split is None or split() in (5, 6)
    assert peer.loop(5) is None


def test_a_peer_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Absent(Peer):
        name = "Absent"
        needs = ("no_such_engine", "no-such-engine")

    assert Absent().missing() == (
        "Absent is left out: No module named 'no_such_engine'; pip install no-such-engine"
    )
    nothing = Absent()
    assert nothing.explore(SMALL[0]) is nothing.sequence(1, 1) is nothing.split(1) is None
    assert [peer.name for peer in peers()][:3] == ["plain Python", "SpiffWorkflow", "SNAKES"]


def test_cases_run_through_the_public_api() -> None:
    assert suite._runs(suite._sequence(3), 2, [0])() == 6
    assert suite._runs(suite._split(4), 1, [0])() == 5
    assert suite._runs(suite._loop(6), 1, [0])() == 6


@pytest.mark.parametrize("name", suite.GROUPS)
def test_each_group_has_contests(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All contestants are set up; small ones do their work once."""
    monkeypatch.setattr(suite, "FIRINGS", 200)
    monkeypatch.setattr(suite, "CASES", 40)
    monkeypatch.setattr(nets, "forks", lambda _: SMALL[-1])
    monkeypatch.setattr(nets, "philosophers", lambda _: SMALL[-2])
    monkeypatch.setattr(nets, "kanban", lambda _: SMALL[0])
    found = list(suite.contests((name,), [PlainPython()]))
    assert found
    for one in found:
        assert one.contestants
        if name != "engine":
            for work, pieces in one.contestants.values():
                assert pieces > 0
                assert one.answer is None or work() == one.answer


def test_the_command_answers(monkeypatch: pytest.MonkeyPatch, clock: Turns) -> None:
    def tiny(_: list[Peer]) -> Iterator[Contest]:
        yield contest("ns/piece", {"a": 3, "b": 3}, beside="b")

    monkeypatch.setattr(suite, "GROUPS", {"tiny": tiny})
    done = CliRunner().invoke(cli, ["bench", "tiny", "--json"], standalone_mode=False)
    assert done.return_value == 0
    results = json.loads(done.stdout)["results"]
    assert [r["name"] for r in results] == ["c/a", "c/b"]
    assert results[0]["ratio_to"] == "c/b"
    plain = CliRunner().invoke(cli, ["bench"], standalone_mode=False)
    assert "c/a" in plain.stdout
    assert "1 × c/b" in plain.stdout


def test_an_unknown_benchmark_is_refused() -> None:
    done = CliRunner().invoke(cli, ["bench", "nothing"])
    assert done.exit_code == 2
    assert "there is no benchmark 'nothing'; there are firing, enabled, explore" in done.output


def test_without_a_compiler_the_limit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    limit.cache_clear()
    monkeypatch.setattr(suite, "GROUPS", {"tiny": lambda _: iter(())})
    try:
        done = CliRunner().invoke(cli, ["bench"], standalone_mode=False)
        assert "there is no C compiler" in done.output
        assert builtins.list(suite.contests(("tiny",), [])) == []
    finally:
        limit.cache_clear()

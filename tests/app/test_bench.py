"""The benchmark suite: that it measures what it says, of whoever is there."""

from __future__ import annotations

import asyncio
import builtins
import json
import sys
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from weft.bench import measuring, nets, shares, suite
from weft.bench.limit import limit
from weft.bench.measuring import Contest, measure
from weft.bench.outside import Pm4py
from weft.bench.peers import Peer, PlainPython, Snakes, SpiffWorkflow, peers
from weft.cli import cli
from weft.native import kernel
from weft.schema.errors import InternalError, UsageError

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
    for text, cases, answer in (
        (suite._sequence(3), 2, 6),
        (suite._split(4), 1, 5),
        (suite._loop(6), 1, 6),
        (suite._children(4), 2, 8),
    ):
        with suite.Runs(text, cases) as work:
            assert work() == answer


@pytest.mark.parametrize("name", suite.GROUPS)
def test_each_group_has_contests(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All contestants are set up; small ones do their work once."""
    monkeypatch.setattr(suite, "FIRINGS", 200)
    monkeypatch.setattr(suite, "CASES", 40)
    monkeypatch.setattr(suite, "WARM", 0)
    monkeypatch.setattr(nets, "forks", lambda _: SMALL[-1])
    monkeypatch.setattr(nets, "philosophers", lambda _: SMALL[-2])
    monkeypatch.setattr(nets, "kanban", lambda _: SMALL[0])
    for what, number in (
        ("ITEMS", 40),
        ("TASKS", 5),
        ("CALLS", 2),
        ("HEAVY_FIRINGS", 9),
        ("STEPS", 2),
    ):
        monkeypatch.setattr(shares, what, number)
    found = 0
    for one in suite.contests((name,), [PlainPython()]):
        found += 1
        assert one.contestants
        if name != "engine":
            for work, pieces in one.contestants.values():
                assert pieces > 0
                assert one.answer is None or work() == one.answer
    assert found


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


# ── what is reported beside a value ──────────────────────────────────────────────────────────


def test_how_busy_the_processors_were(clock: Turns) -> None:
    first, busy = measure(contest("pieces/s", {"a": 3}, threaded=True, utilisation={"a": 4}))
    assert first.name == "c/a"
    # Between the two readings for the process there are two of the clock on the wall: 3 s to 1 s.
    assert (busy.name, busy.value, busy.unit) == ("c/a, utilisation", 75.0, "%")


def test_how_latencies_are_distributed() -> None:
    seconds = [n / 1000 for n in range(100, 0, -1)]
    results = list(measure(contest("ns/call", {"a": seconds}, answer=None, latencies=True)))
    assert [(r.name, round(r.value / 1e6)) for r in results] == [
        ("c, a/median", 51),
        ("c, a/p95", 96),
        ("c, a/p99", 100),
        ("c, a/most", 100),
    ]


def test_calls_of_worker_processes_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "CALLS", 4)
    seconds = asyncio.run(shares._ask(2))
    assert len(seconds) == 4
    assert min(seconds) > 0


# ── an engine in an environment of its own ───────────────────────────────────────────────────

STUB = """
class Marking(dict):
    pass

class PetriNet:
    def __init__(self, name):
        self.places, self.transitions = set(), set()
    class Place:
        def __init__(self, name): self.name = name
    class Transition:
        def __init__(self, name, label): self.name, self.take, self.put = name, [], []

def add_arc_from_to(a, b, net):
    if isinstance(b, PetriNet.Transition): b.take.append(a)
    else: a.put.append(b)

class Graph:
    pass

def construct_reachability_graph(net, first):
    print("what others say does no harm")
    graph = Graph()
    waiting, graph.states, graph.transitions = [frozenset(first.items())], set(), []
    while waiting:
        key = waiting.pop()
        if key in graph.states: continue
        graph.states.add(key)
        for t in net.transitions:
            m = dict(key)
            if all(m.get(p, 0) > 0 for p in t.take):
                for p in t.take: m[p] -= 1
                for p in t.put: m[p] = m.get(p, 0) + 1
                graph.transitions.append(t)
                waiting.append(frozenset((p, n) for p, n in m.items() if n))
    return graph
"""


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A folder whose interpreter finds something that can be called like pm4py."""
    package = tmp_path / "lib" / "pm4py" / "objects" / "petri_net"
    (package / "utils").mkdir(parents=True)
    for name, text in (
        ("obj.py", STUB),
        ("utils/petri_utils.py", STUB),
        ("utils/reachability_graph.py", STUB),
    ):
        (package / name).write_text(
            text if name == "obj.py" else "from pm4py.objects.petri_net.obj import *\n"
        )
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path}/lib exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return tmp_path


def test_an_engine_outside_answers(environment: Path) -> None:
    peer = Pm4py(environment)
    assert peer.missing() is None
    works = [peer.explore(net) for net in SMALL[-2:]]
    space = kernel.explore(SMALL[-1].image, SMALL[-1].cells)
    assert works[1]() == works[1]() == (space.states, space.firings)
    with pytest.raises(UsageError, match="has gone on to another net"):
        works[0]()
    peer._process.kill()  # type: ignore[union-attr]  # it is there
    with pytest.raises(UsageError, match="without an answer, with exit code -9"):
        works[1]()
    peer.close()
    small = [net for net in suite.contests(("explore",), [peer]) if "by the clock" in net.name]
    assert [list(one.contestants)[1] for one in small] == ["pm4py", "pm4py"]
    assert all(one.threaded for one in small)
    peer.close()


def test_an_engine_outside_that_is_not_there(tmp_path: Path) -> None:
    assert "name a folder for an environment of its own with --pm4py" in (Pm4py().missing() or "")
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python"
    python.write_text("#!/bin/sh\necho 'no such module' >&2; exit 1\n")
    python.chmod(0o755)
    missing = Pm4py(tmp_path).missing()
    assert missing == f"pm4py is left out: {python} -c import pm4py failed: no such module"
    python.write_text("#!/no/such/interpreter\n")
    assert "No such file or directory" in (Pm4py(tmp_path).missing() or "")
    peer = Pm4py(tmp_path)
    python.write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(UsageError, match="ended without an answer, with exit code 3"):
        peer.explore(SMALL[0])
    peer.close()

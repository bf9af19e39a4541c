"""Exploration: both kernels against the plainest model, and what bounds it."""

from __future__ import annotations

import signal
import subprocess
import sys
from array import array
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.native.nets import (
    Net,
    Tokens,
    TooManyError,
    after_firing,
    cells,
    make,
    may_fire,
    ring,
    situations,
)
from weft.native.image import CELL_MAX, Arcs
from weft.native.space import Space

BOUND = 150


def fork(width: int, *arcs: Arcs) -> Net:
    """Every branch goes its own way: 2 ** width markings."""
    steps = [Arcs(take=[(2 * i, 1)], put=[(2 * i + 1, 1)]) for i in range(width)]
    return make(2 * width, *steps, *arcs)


def forked(width: int) -> array[int]:
    return array("i", [1, 0] * width)


def plainly(net: Net, tokens: Tokens, guarded: bytes) -> tuple[dict[bytes, int], set[bytes], int]:
    """All markings with how many firings each has; the dead ones; and all firings."""
    seen: dict[bytes, int] = {}
    waiting = [tokens]
    while waiting:
        now = waiting.pop()
        key = cells(now).tobytes()
        if key in seen:
            continue
        ready = [t for t, arcs in enumerate(net.arcs) if may_fire(arcs, now)]
        at_once = [t for t in ready if not net.arcs[t].external]
        if any(not guarded[t] for t in at_once):
            ready = at_once
        seen[key] = len(ready)
        if len(seen) > BOUND:
            raise TooManyError(0)
        waiting.extend(after_firing(net.arcs[t], now, []) for t in ready)
    return seen, {key for key, firings in seen.items() if not firings}, sum(seen.values())


@settings(max_examples=50)
@given(situations(counted=False), st.data(), st.sampled_from([1, 3]), st.booleans())
def test_what_is_found_is_what_the_model_finds(
    kernel: ModuleType,
    situation: tuple[Net, Tokens],
    data: st.DataObject,
    threads: int,
    graph: bool,
) -> None:
    net, tokens = situation
    guarded = bytes(data.draw(st.booleans()) for _ in net.arcs)
    try:
        seen, dead, firings = plainly(net, tokens, guarded)
    except TooManyError:
        return
    space = kernel.explore(net.image, cells(tokens), guarded, graph, threads, BOUND)
    assert (space.states, space.firings, space.deadlocks) == (len(seen), firings, len(dead))
    assert space.ended == "complete"
    markings = [array("i", key) for key in seen]
    assert space.most_in_place == max((max(m, default=0) for m in markings), default=0)
    assert space.most_in_marking == max(map(sum, markings))
    ordered = sorted(dead, key=lambda key: list(reversed(array("i", key))))
    assert list(space.dead_markings) == ordered[:10]
    if graph:
        check_graph(net, space, cells(tokens).tobytes(), set(seen))
    else:
        assert space.graph is None


def check_graph(net: Net, space: Space, first: bytes, expected: set[bytes]) -> None:
    """All markings are there, and every firing leads where it should."""
    graph = space.graph
    assert graph is not None
    numbers = {graph.marking(i): i for i in range(len(graph))}
    assert set(numbers) == expected
    assert numbers[first] == 0
    assert graph.found_by(0) == (-1, -1)
    assert list(graph.start)[-1] == space.firings == len(graph.target)
    for i in range(len(graph)):
        row = range(graph.start[i], graph.start[i + 1])
        fired = [graph.transition[k] for k in row]
        assert fired == sorted(set(fired))
        assert all(space.fired[t] for t in fired)
        for k in row:
            tokens = dict(enumerate(array("i", graph.marking(i))))
            after = cells(after_firing(net.arcs[graph.transition[k]], tokens, []))
            assert graph.marking(graph.target[k]) == after.tobytes()
        if i:
            parent, via = graph.found_by(i)
            row = range(graph.start[parent], graph.start[parent + 1])
            assert (via, i) in [(graph.transition[k], graph.target[k]) for k in row]
    with pytest.raises(IndexError, match=f"marking {len(graph)} is not one of the {len(graph)}"):
        graph.marking(len(graph))
    with pytest.raises(IndexError, match="marking -1 is not one of"):
        graph.found_by(-1)


def test_one_thread_numbers_breadth_first(kernel: ModuleType) -> None:
    net = fork(3)
    graph = kernel.explore(net.image, forked(3), graph=True).graph
    found = [graph.found_by(i) for i in range(len(graph))]
    assert found == [(-1, -1), (0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2), (4, 2)]


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize(
    "more", [[], [Arcs(lacks=[(99, 200)], take=[(99, 9)])]], ids=["safe", "wide"]
)
def test_many_markings_make_the_tables_grow(
    kernel: ModuleType, threads: int, graph: bool, more: list[Arcs]
) -> None:
    net = fork(13)
    if more:
        net = make(100, *net.arcs, *more)
    marking = forked(13) + array("i", bytes(4 * (net.places - 26)))
    space = kernel.explore(net.image, marking, b"", graph, threads, 8192)
    assert (space.states, space.firings, space.deadlocks) == (8192, 13 * 4096, 1)
    assert (space.most_in_place, space.most_in_marking, space.ended) == (1, 13, "complete")
    if graph:
        assert len(space.graph.target) == space.firings
        assert sorted(space.graph.target)[:: len(space.graph.target) // 4096][:1] == [1]
        assert len({space.graph.marking(i) for i in range(8192)}) == 8192


@pytest.mark.parametrize("tokens", [1, 2, 300])
@pytest.mark.parametrize("threads", [1, 2])
def test_every_width_of_a_marking_counts_the_same(
    kernel: ModuleType, tokens: int, threads: int
) -> None:
    """Bits, bytes, and more than a byte holds."""
    net = ring(2)
    space = kernel.explore(net.image, array("i", [tokens, 0]), threads=threads)
    assert (space.states, space.firings) == (tokens + 1, 2 * tokens)
    assert (space.most_in_place, space.most_in_marking) == (tokens, tokens)
    assert space.ended == "complete"


@pytest.mark.parametrize("start", [[1, 0], [3, 0], [200, 0]])
def test_markings_without_end_are_recognised(kernel: ModuleType, start: list[int]) -> None:
    net = make(2, Arcs(take=[(0, 1)], put=[(0, 1), (1, 1)]))
    space = kernel.explore(net.image, array("i", start))
    assert (space.ended, space.states) == ("unbounded", 2)


def test_an_end_that_is_out_of_sight_is_told_from_the_paths(kernel: ModuleType) -> None:
    """It would be long before any place holds two tokens."""
    net = make(40, Arcs(take=[(0, 1)], put=[(0, 1), (1, 1)]), Arcs(take=[(1, 1)], put=[(2, 1)]))
    space = kernel.explore(net.image, array("i", [1, *[0] * 39]), max_states=2)
    assert space.ended == "unbounded"


def test_tokens_may_outgrow_every_cell(kernel: ModuleType) -> None:
    net = make(2, Arcs(lacks=[(1, 3)], put=[(0, CELL_MAX)]))
    space = kernel.explore(net.image, array("i", [0, 0]))
    assert (space.ended, space.states, space.most_in_place) == ("tokens", 2, CELL_MAX)


def test_what_takes_nothing_fires_everywhere(kernel: ModuleType) -> None:
    net = make(2, Arcs(lacks=[(0, 3)], put=[(0, 1)]), Arcs(clear=[0]), Arcs())
    space = kernel.explore(net.image, array("i", [0, 0]))
    assert (space.states, space.firings, space.ended) == (4, 11, "complete")
    assert space.fired == b"\1\1\1"


@pytest.mark.parametrize("places", [0, 3])
def test_a_net_without_firings_has_one_marking(kernel: ModuleType, places: int) -> None:
    for graph in (False, True):
        space = kernel.explore(make(places).image, array("i", bytes(4 * places)), b"", graph)
        assert (space.states, space.firings, space.deadlocks) == (1, 0, 1)
        assert space.dead_markings == (bytes(4 * places),)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("graph", [False, True])
def test_there_are_no_more_markings_than_may_be(
    kernel: ModuleType, threads: int, graph: bool
) -> None:
    net = fork(12)
    for bound in (1, 2, 1000, 4095):
        space = kernel.explore(net.image, forked(12), b"", graph, threads, bound)
        assert (space.states, space.ended) == (bound, "states")
        assert space.graph is None or len(space.graph) == bound
        assert space.graph is None or max(space.graph.target, default=0) < bound
    assert kernel.explore(net.image, forked(12), b"", graph, threads, 4096).ended == "complete"


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("graph", [False, True])
def test_memory_is_bounded(kernel: ModuleType, threads: int, graph: bool) -> None:
    net = fork(40)
    space = kernel.explore(net.image, forked(40), b"", graph, threads, 10**9, 1_500_000)
    assert space.ended == "memory"
    assert 100 < space.states < 300_000
    assert space.graph is None or len(space.graph.marking(space.states - 1)) == 4 * net.places
    assert kernel.explore(net.image, forked(40), max_bytes=1).ended == "memory"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_states": 0}, "max_states is at least 1, not 0"),
        ({"max_bytes": -1}, "max_bytes is at least 1, not -1"),
        ({"threads": 0}, "threads is at least 1, not 0"),
        ({"guarded": b"\0"}, "1 transitions are said to be guarded or not, not all"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    kernel: ModuleType, arguments: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        kernel.explore(ring(2).image, array("i", [1, 0]), **arguments)


def test_counts_from_outside_and_debts_are_refused(kernel: ModuleType) -> None:
    with pytest.raises(ValueError, match="transition 0 puts a counted number"):
        kernel.explore(make(1, Arcs(put=[(0, 0)])).image, array("i", [0]))
    with pytest.raises(ValueError, match="no cell below 0, but there is -1"):
        kernel.explore(ring(2).image, array("i", [1, -1]))


@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupt_ends_an_exploration(threads: int) -> None:
    """The process that waits for a very long exploration is told to stop."""
    code = f"""
import signal, sys, threading
from array import array
from tests.native.test_explore import fork, forked
from tests.native.twins import compiled_kernel
kernel = compiled_kernel()
if kernel is None:
    sys.exit(3)
try:
    threading.Timer(0, signal.raise_signal, [signal.SIGINT]).start()
    kernel.explore(fork(32).image, forked(32), threads={threads}, max_states=2**40)
except KeyboardInterrupt:
    print("stopped")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode == 3:
        pytest.skip("the compiled kernel is not built")
    assert (done.stdout, done.returncode) == ("stopped\n", 0), done.stderr
    assert signal.SIGINT


@pytest.mark.parametrize("transitions", [1, 3, 4, 63, 64, 65, 130, 256, 257, 300])
def test_any_number_of_transitions_of_one_word(kernel: ModuleType, transitions: int) -> None:
    """Up to 256 are all tested, four at once and 64 to a word; more are looked up by their place."""
    places = 6  # one token goes around among these; a seventh place is always marked
    arcs = [
        Arcs(
            take=[(t % places, 1)],
            put=[((t % places + 1 + t // places) % places, 1)],
            needs=[(6 if t % 3 else (t + 3) % places, 1)] if t % 4 == 1 else [],
            lacks=[((t + 2) % places if t % 2 else 6, 1)] if t % 5 == 1 else [],
            external=True,
        )
        for t in range(transitions)
    ]
    net = make(places + 1, *arcs)
    start = (1, 0, 0, 0, 0, 0, 1)
    found, new = set[tuple[int, ...]](), [start]
    firings, fired = 0, bytearray(transitions)
    while new:
        marking = new.pop()
        if marking in found:
            continue
        found.add(marking)
        tokens = dict(enumerate(marking))
        for t, a in enumerate(arcs):
            if may_fire(a, tokens):
                firings, fired[t] = firings + 1, 1
                new.append(tuple(after_firing(a, tokens, []).values()))
    for graph in (False, True):
        space = kernel.explore(net.image, array("i", start), graph=graph)
        assert (space.states, space.firings, space.fired) == (len(found), firings, bytes(fired))
        assert space.most_in_place == 1

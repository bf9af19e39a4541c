"""Backward coverability: both kernels hold each other to the last comparison, and what bounds it."""

from __future__ import annotations

import sys
import threading
from array import array
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.native.nets import Net, Tokens, after_firing, cells, make, may_fire, nets, ring, rows
from tests.native.twins import compiled_kernel
from weft.native import reference
from weft.native.backward import Limits, OutOfBounds, Saturation
from weft.native.image import CELL_MAX, Arcs, NetImage, Relation

small = st.integers(1, 3)
huge = st.integers(CELL_MAX - 3, CELL_MAX)
WORK = 500


def without_inhibitors(net: Net) -> Net:
    arcs = [Arcs(a.take, a.put, a.needs, (), a.clear, a.external) for a in net.arcs]
    return Net(net.places, arcs, NetImage.build(places=net.places, transitions=arcs))


@st.composite
def questions(draw: st.DrawFn) -> tuple[Net, Tokens, list[Tokens], Limits, bytes]:
    """A net with resets, a target, markings to ask about, limits and a choice of moves."""
    heavy = draw(st.sampled_from([False, False, True]))
    net = without_inhibitors(draw(nets(weights=small | huge if heavy else small)))
    tokens = st.integers(0, 3) | huge if heavy else st.integers(0, 3)
    places = range(net.places)
    target = dict.fromkeys(places, 0) | dict(draw(rows(net.places, tokens)))
    each = st.lists(tokens, min_size=net.places, max_size=net.places)
    starts = [dict(enumerate(draw(each))) for _ in range(draw(st.integers(1, 3)))]
    sums = draw(st.lists(st.tuples(rows(net.places, small), st.integers(0, 9) | huge), max_size=2))
    count = net.image.transitions
    moves = draw(st.just(b"") | st.lists(st.booleans(), min_size=count, max_size=count).map(bytes))
    return net, target, starts, Limits.build(places=net.places, sums=sums), moves


def asked(search: Saturation, start: Tokens, work: int) -> tuple[object, int]:
    """The answer and the work that it took; that it is out of bounds is an answer."""
    try:
        path = search.path(cells(start), work)
    except OutOfBounds:
        return "out of bounds", search.done
    return path, search.done


@given(questions(), st.integers(0, WORK), st.sampled_from([2**30, 2**30, 700]))
@settings(max_examples=100, deadline=None)
def test_both_kernels_give_the_same_answers_by_the_same_work_and_paths_lead_to_the_target(
    question: tuple[Net, Tokens, list[Tokens], Limits, bytes], work: int, most: int
) -> None:
    """Once for both laws, since most of the time goes into drawing a question."""
    net, target, starts, limits, moves = question
    ours, theirs = (
        kernel.saturation(net.image, cells(target), limits, moves, most)
        for kernel in (compiled_kernel() or reference, reference)
    )
    weights = (w for a in net.arcs for _, w in (*a.take, *a.put, *a.needs))
    tokens = (n for marking in (target, *starts) for n in marking.values())
    heavy = any(n > 3 for n in (*weights, *tokens))
    for bound in (work, WORK):
        for start in starts:
            answer = asked(ours, start, bound)
            assert answer == asked(theirs, start, bound)
            if isinstance(answer[0], list) and not heavy:  # else a place may be full
                assert leads(answer[0], net, moves, start, target)


def leads(path: list[int], net: Net, moves: bytes, start: Tokens, target: Tokens) -> bool:
    """Whether these firings, each of an enabled move, lead to what covers the target."""
    tokens = start
    for t in path:
        assert not moves or moves[t]
        assert may_fire(net.arcs[t], tokens)
        tokens = after_firing(net.arcs[t], tokens, [1000] * len(net.image.counted(t)))
    return all(tokens[p] >= n for p, n in target.items())


def test_a_reset_is_not_walked_around(kernel: ModuleType) -> None:
    net = make(3, Arcs(take=[(0, 1)], put=[(1, 1)], clear=[2]), Arcs(take=[(1, 1)], put=[(0, 1)]))
    both = kernel.saturation(net.image, array("i", [0, 1, 1]))
    assert both.path(array("i", [1, 0, 1]), WORK) is None
    assert both.path(array("i", [0, 1, 5]), WORK) == []
    alone = kernel.saturation(net.image, array("i", [0, 1, 0]))
    assert alone.path(array("i", [1, 0, 1]), WORK) == [0]
    assert alone.path(array("i", [1, 0, 1]).tobytes(), WORK) == [0]


def test_what_no_place_can_hold_is_not_looked_at(kernel: ModuleType) -> None:
    grows = make(2, Arcs(take=[(0, CELL_MAX)], put=[(0, 1), (1, 1)], needs=[(1, CELL_MAX)]))
    search = kernel.saturation(grows.image, array("i", [2, 2]))
    assert search.path(array("i", [CELL_MAX, 1]), WORK) is None
    heavy = make(2, Arcs(take=[(0, CELL_MAX)], put=[(1, CELL_MAX)]))
    search = kernel.saturation(heavy.image, array("i", [0, CELL_MAX]))
    assert search.path(array("i", [CELL_MAX, 0]), WORK) == [0]
    assert search.path(array("i", [CELL_MAX - 1, 5]), WORK) is None


def test_limits_cut_off_what_cannot_be(kernel: ModuleType) -> None:
    net = make(2, Arcs(take=[(0, 1), (1, 1)], put=[(0, 2)]))
    limits = Limits.build(places=2, sums=[([(1, CELL_MAX), (0, CELL_MAX)], CELL_MAX)])
    search = kernel.saturation(net.image, array("i", [2, 0]), limits)
    assert search.path(array("i", [1, 1]), WORK) is None
    free = kernel.saturation(net.image, array("i", [2, 0]))
    assert free.path(array("i", [1, 1]), WORK) == [0]


def test_places_that_share_a_bit_are_told_apart(kernel: ModuleType) -> None:
    wide = ring(200)
    search = kernel.saturation(wide.image, array("i", [0] * 130 + [1] + [0] * 69))
    near = array("i", bytes(800))
    near[130 - 64] = 1
    assert search.path(near, 10**6) == list(range(66, 130))
    assert search.path(array("i", bytes(800)), 10**6) is None


def test_an_empty_target_and_a_net_of_nothing(kernel: ModuleType) -> None:
    assert kernel.saturation(make(0).image, array("i")).path(array("i"), 0) == []
    assert kernel.saturation(ring(3).image, array("i", [0, 0, 0])).path(b"\0" * 12, 0) == []


def wide_search(kernel: ModuleType, max_bytes: int = 2**30) -> Saturation:
    """More least markings than anybody keeps."""
    arcs = [Arcs(take=[(p, 1), (p + 1, 1)], put=[(p + 2, 1), (p, 1)]) for p in range(30)]
    arcs += [Arcs(take=[(p + 2, 1)], put=[(p, 1), (p + 1, 2)]) for p in range(30)]
    target = array("i", [0] * 31 + [5, 0])
    return kernel.saturation(make(33, *arcs).image, target, max_bytes=max_bytes)


def test_work_and_memory_are_bounded(kernel: ModuleType) -> None:
    search, nothing = wide_search(kernel), array("i", bytes(132))
    for work in (1000, 1000, 2000):
        with pytest.raises(OutOfBounds):
            search.path(nothing, work)
    assert 2000 < search.done < 20_000
    assert search.path(array("i", [5] * 33), 0) == []
    search = wide_search(kernel, 5000)
    for _ in range(2):
        with pytest.raises(OutOfBounds):
            search.path(nothing, 10**12)
    assert search.done < 20_000


def test_memory_is_given_back() -> None:
    compiled = compiled_kernel()
    if compiled is None or not sys.platform.startswith("linux"):
        pytest.skip("memory is read from /proc, and only the compiled kernel keeps any of its own")

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    sizes = []
    for _ in range(200):
        search = wide_search(compiled)
        assert search.path(array("i", bytes(132)), 2_000_000) is None
        assert search.done > 20_000
        del search
        sizes.append(resident())
    assert sizes[-1] - sizes[20] < 2**21  # each had some 100 KB


def test_threads_may_share_one(kernel: ModuleType) -> None:
    net = ring(300)
    target = array("i", [0] * 299 + [1])
    search = kernel.saturation(net.image, target)
    found: list[object] = []

    def ask(at: int) -> None:
        marking = array("i", bytes(1200))
        marking[at] = 1
        found.append((at, len(search.path(marking, 10**6))))

    threads = [threading.Thread(target=ask, args=(at,)) for at in range(0, 300, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [(at, 299 - at) for at in range(0, 300, 25)]


def test_bad_input_is_refused(kernel: ModuleType) -> None:
    image, cells = ring(3).image, array("i", [0, 0, 1])
    lacking = make(1, Arcs(put=[(0, 1)], lacks=[(0, 1)])).image
    for what, kind, text in [
        (lambda: kernel.saturation(image, array("i", [1])), ValueError, "expected 3 cells"),
        (lambda: kernel.saturation(image, [0, 0, 1]), TypeError, "bytes-like"),
        (lambda: kernel.saturation(image, array("i", [0, 0, -1])), ValueError, "no cell below 0"),
        (lambda: kernel.saturation(image, cells, None, b"\1"), ValueError, "1 transitions"),
        (lambda: kernel.saturation(image, cells, None, 3), TypeError, "bytes-like"),
        (lambda: kernel.saturation(image, cells, max_bytes=0), ValueError, "at least 1"),
        (lambda: kernel.saturation(image, cells, ()), TypeError, "Limits"),
        (
            lambda: kernel.saturation(image, cells, Limits.build(places=4)),
            ValueError,
            "of 4 places, the net has 3",
        ),
        (lambda: kernel.saturation(lacking, array("i", [1])), ValueError, "transition 0 lacks"),
        (lambda: kernel.saturation(image, cells).path(cells, 1.5), TypeError, "integer"),
        (lambda: kernel.saturation(image, cells).path(array("i"), 1), ValueError, "expected 3"),
    ]:
        with pytest.raises(kind, match=text):
            what()
    assert kernel.saturation(lacking, array("i", [1]), None, b"\0").path(b"\0" * 4, 99) is None


@pytest.mark.parametrize(
    ("row", "total"),
    [([(3, 1)], 1), ([(-1, 1)], 1), ([(0, 1), (0, 1)], 1), ([(0, 0)], 1), ([(0, 2**31)], 1)]
    + [([(0, 1)], total) for total in (-1, 2**31)],
)
def test_limits_that_cannot_be_are_refused(row: list[tuple[int, int]], total: int) -> None:
    with pytest.raises(ValueError, match="limit"):
        Limits.build(places=3, sums=[(row, total)])


def test_limits_are_checked_however_they_are_made() -> None:
    with pytest.raises(ValueError, match=r"limits\.start"):
        Limits(3, Relation([0, 5], [0], [1]), [1])
    totals = array("i", [1])
    kept = Limits(3, Relation([0, 1], [0], [1]), totals)
    totals[0] = 7
    assert list(kept.totals) == [1]


def test_it_agrees_with_how_far_a_chain_reaches(kernel: ModuleType) -> None:
    arcs = [Arcs(take=[(a, 1)], put=[(b, 1)]) for a, b in pairwise(range(30))]
    search = kernel.saturation(make(30, *arcs).image, array("i", [0] * 29 + [2]))
    marking = array("i", [1] + [0] * 28 + [1])
    assert search.path(marking, 10**6) == list(range(29))
    assert search.path(array("i", [1] + [0] * 29), 10**6) is None

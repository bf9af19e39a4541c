"""Many cases shared by threads: the same answers, and what becomes of the threads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from array import array
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.native.nets import Net, make, nets, ring
from tests.native.twins import compiled_kernel
from weft.native import reference
from weft.native.image import CELL_MAX, Arcs

threads = st.sampled_from([1, 2, 3])
few = settings(max_examples=25)


@st.composite
def batches(draw: st.DrawFn) -> tuple[Net, array[int], int]:
    """A net, the markings of some cases, and how many they are."""
    net = draw(nets(counted=False))
    cases = draw(st.integers(0, 40))
    row = st.lists(st.sampled_from([0, 0, 1, 1, 2]), min_size=net.places, max_size=net.places)
    kinds = draw(st.lists(row, min_size=1, max_size=3))
    cells = [tokens for case in range(cases) for tokens in kinds[case % len(kinds)]]
    return net, array("i", cells), cases


@few
@given(batches(), st.integers(0, 30), threads)
def test_shared_cases_settle_as_each_alone(
    kernel: ModuleType, batch: tuple[Net, array[int], int], limit: int, workers: int
) -> None:
    net, cells, cases = batch
    order = array("i", bytes(4 * len(net.arcs)))
    expected, alone = array("i", cells), array("i", bytes(4 * cases))
    live = reference.settle_cases(net.image, expected, order, limit, alone)
    fired = array("i", bytes(4 * cases))
    assert kernel.settle_cases(net.image, cells, order, limit, fired, workers) == live
    assert (cells, fired) == (expected, alone)


@few
@given(batches(), st.integers(-5, 2**64), st.integers(0, 30), threads)
def test_shared_simulations_can_be_replayed(
    kernel: ModuleType, batch: tuple[Net, array[int], int], seed: int, limit: int, workers: int
) -> None:
    net, cells, cases = batch
    first, fired = array("i", cells), array("i", bytes(4 * cases))
    live = kernel.simulate_cases(net.image, cells, seed, limit, fired, workers)
    steps, start, more = array("i"), array("i", [0]), 0
    for case in range(cases):
        own = first[case * net.places : (case + 1) * net.places]
        ran, again = kernel.simulate(net.image, own, seed + case, limit)
        assert own == cells[case * net.places : (case + 1) * net.places]
        assert fired[case] == len(ran)
        more += again
        steps.extend(ran)
        start.append(len(steps))
    assert live == more
    assert kernel.replay_cases(net.image, first, steps, start, workers) is None
    assert first == cells


@pytest.mark.parametrize("workers", [1, 3])
def test_a_fault_in_one_case_undoes_all(kernel: ModuleType, workers: int) -> None:
    net = make(2, Arcs(take=[(0, 1)], put=[(1, CELL_MAX)]), Arcs(take=[(1, 3)]))
    rows = [1, 0] * 9 + [1, 1] + [1, 0] * 9
    fired = array("i", [7] * 19)
    for call in (
        lambda m: kernel.settle_cases(net.image, m, array("i", [0, 0]), 1, fired, workers),
        lambda m: kernel.simulate_cases(net.image, m, 5, 1, fired, workers),
    ):
        markings = array("i", rows)
        with pytest.raises(OverflowError, match="place 1 "):
            call(markings)
        assert list(markings) == rows
        assert list(fired) == [7] * 19
    markings = array("i", rows)
    steps, start = array("i", [0] * 19), array("i", range(20))
    with pytest.raises(OverflowError, match="place 1 ") as raised:
        kernel.replay_cases(net.image, markings, steps, start, workers)
    assert raised.value.__notes__ == ["at step 0", "in case 9"]
    assert list(markings) == rows
    steps[12] = 1
    markings[18:20] = array("i", [1, 0])
    with pytest.raises(ValueError, match="transition 1 is not enabled") as refused:
        kernel.replay_cases(net.image, markings, steps, start, workers)
    assert refused.value.__notes__ == ["at step 0", "in case 12"]


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ([], r"must lead from 0 to 3, but they lead from \[\] to \[\]"),
        ([0, 2], r"must lead from 0 to 3, but they lead from \[0\] to \[2\]"),
        ([1, 3], r"but they lead from \[1\] to \[3\]"),
        ([0, 4, 3], "the steps of case 1 end before they begin"),
        ([0, -1, 3], "the steps of case 0 end before they begin"),
    ],
)
def test_steps_have_an_order(kernel: ModuleType, start: list[int], message: str) -> None:
    net = ring(3)
    markings = array("i", [1, 0, 0] * max(len(start) - 1, 0))
    with pytest.raises(ValueError, match=message):
        kernel.replay_cases(net.image, markings, array("i", [0, 1, 2]), array("i", start))


@pytest.mark.parametrize("number", [0, -1])
def test_there_is_at_least_one_thread(kernel: ModuleType, number: int) -> None:
    net, one = ring(2), array("i", [0])
    for call in (
        lambda: kernel.settle_cases(
            net.image, array("i", [1, 0]), array("i", [0, 0]), 1, one, number
        ),
        lambda: kernel.simulate_cases(net.image, array("i", [1, 0]), 1, 1, one, number),
        lambda: kernel.replay_cases(net.image, array("i"), array("i"), array("i", [0]), number),
    ):
        with pytest.raises(ValueError, match=f"there are 1 or more threads, not {number}"):
            call()


def test_what_cannot_be_counted_is_refused(kernel: ModuleType) -> None:
    net, counted = ring(2), make(1, Arcs(put=[(0, 0)]))
    one = array("i", [0])
    with pytest.raises(ValueError, match="counted to 2147483647, not to 2147483648"):
        kernel.simulate_cases(net.image, array("i", [1, 0]), 1, 2**31, one)
    with pytest.raises(ValueError, match="limited to 0 or more firings, not -1"):
        kernel.simulate_cases(net.image, array("i", [1, 0]), 1, -1, one)
    with pytest.raises(ValueError, match="puts a counted number"):
        kernel.simulate_cases(counted.image, array("i", [0]), 1, 1, one)
    with pytest.raises(ValueError, match=r"2 counted|1 counted"):
        kernel.replay_cases(counted.image, array("i", [0]), array("i", [0]), array("i", [0, 1]))


# ── the pool itself ──────────────────────────────────────────────────────────────────────────


@pytest.fixture
def pool_class() -> Any:
    module = compiled_kernel()
    if module is None:
        pytest.skip("the compiled kernel is not built")
    return module.Pool


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
@pytest.mark.parametrize("pinned", [False, True])
def test_each_item_is_done_once(pool_class: Any, workers: int, pinned: bool) -> None:
    pool = pool_class(workers, pinned)
    assert pool.threads == workers
    assert pool.pinned == pinned
    for items in (0, 1, 2, 1000, 100_000):
        for working in (True, False):
            sum_, stolen = pool.count(items, working)
            assert sum_ == items * (items - 1) // 2
            assert stolen >= 0 if workers > 1 else stolen == 0
    pool.close()
    pool.close()
    for use in (lambda: pool.count(1), lambda: pool.threads):
        with pytest.raises(ValueError, match="this pool is closed"):
            use()


def test_who_only_hands_out_has_all_stolen(pool_class: Any) -> None:
    sum_, stolen = pool_class(2).count(5000, working=False)
    assert (sum_, stolen) == (5000 * 4999 // 2, 5000)


def test_callers_take_turns(pool_class: Any) -> None:
    pool, found = pool_class(2), []

    def ask() -> None:
        found.extend(pool.count(20_000)[0] for _ in range(5))

    callers = [threading.Thread(target=ask) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert found == [20_000 * 19_999 // 2] * 15


@pytest.mark.parametrize("number", [0, -3])
def test_a_pool_has_a_thread(pool_class: Any, number: int) -> None:
    with pytest.raises(ValueError, match=f"a pool has 1 or more threads, not {number}"):
        pool_class(number)


def test_after_a_fork_there_are_other_threads() -> None:
    """The child has none of its parent's threads: a pool says so, and shared work goes on."""
    if compiled_kernel() is None or not hasattr(os, "fork"):
        pytest.skip("the compiled kernel is not built, or there is no fork")
    code = """
import os
from array import array
from weft.native import _kernel as kernel
from weft.native.image import Arcs, NetImage

net = NetImage.build(places=1, transitions=[Arcs(take=[(0, 1)])])

def settled():
    markings, fired = array("i", [3] * 500), array("i", bytes(2000))
    kernel.settle_cases(net, markings, array("i", [0]), 9, fired, 2)
    return sum(fired)

pool = kernel.Pool(2)
assert settled() == 1500
child = os.fork()
if child == 0:
    try:
        pool.count(1)
    except ValueError as error:
        print(error, settled(), flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(pool.count(3)[0], settled())
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == (
        "this pool is of another process: threads do not survive a fork 1500\n3 1500\n"
    )

"""Bad and boundless input of any kind: an answer or a clear error, within its bound."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from tests.native.nets import make, ring
from weft.native.image import CELL_MAX, Arcs, NetImage

HUGE = [2**31 - 1, 2**31, 2**63 - 1, 2**63, 2**64, 2**70]
ONCE = make(1, Arcs(take=[(0, 1)])).image
MANY = 100_000


def one() -> array[int]:
    return array("i", [1])


BOUNDS: dict[str, Callable[[ModuleType, int], Any]] = {
    "run": lambda k, n: k.run(ONCE, one(), array("i", [0]), n),
    "settle": lambda k, n: k.settle(ONCE, one(), array("i", [0]), n),
    "simulate": lambda k, n: k.simulate(ONCE, one(), 1, n),
    "max_states": lambda k, n: k.explore(ONCE, one(), max_states=n),
    "max_bytes": lambda k, n: k.explore(ONCE, one(), max_bytes=n),
    "threads": lambda k, n: k.explore(ONCE, one(), threads=n),
}


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize("number", HUGE)
def test_a_bound_may_be_huge(kernel: ModuleType, name: str, number: int) -> None:
    assert BOUNDS[name](kernel, number) == BOUNDS[name](kernel, 10**6)


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize("number", [-(2**31), -(2**63), -(2**70)])
def test_a_bound_is_never_below_nothing(kernel: ModuleType, name: str, number: int) -> None:
    with pytest.raises(ValueError, match=f"not {number}"):
        BOUNDS[name](kernel, number)


@pytest.mark.parametrize("number", HUGE)
def test_no_place_holds_more_than_it_can(kernel: ModuleType, number: int) -> None:
    counted = make(1, Arcs(put=[(0, 0)], external=True)).image
    marking = one()
    with pytest.raises(OverflowError, match=f"place 0 than the {CELL_MAX} it can hold"):
        kernel.fire(counted, marking, 0, [number])
    assert list(marking) == [1]
    full = make(1, Arcs(needs=[(0, CELL_MAX)], put=[(0, 1)], external=True)).image
    with pytest.raises(OverflowError, match="it can hold"):
        kernel.fire(full, array("i", [CELL_MAX]), 0)
    assert kernel.explore(full, array("i", [CELL_MAX])).ended == "tokens"


@pytest.mark.parametrize("number", HUGE)
def test_no_arc_weighs_more_than_a_place_can_hold(number: int) -> None:
    if number <= CELL_MAX:
        assert NetImage.build(places=1, transitions=[Arcs(take=[(0, number)])]).transitions == 1
        return
    with pytest.raises(ValueError, match=rf"weight {number} is not 1 to {CELL_MAX}"):
        NetImage.build(places=1, transitions=[Arcs(take=[(0, number)])])


def test_a_net_may_have_nothing(kernel: ModuleType) -> None:
    nothing, none = make(0).image, array("i")
    assert kernel.settle(nothing, none, none, 9) == (0, False)
    assert kernel.simulate(nothing, none, 1, 9) == ([], False)
    space = kernel.explore(nothing, none)
    assert (space.states, space.deadlocks, space.ended) == (1, 1, "complete")
    assert kernel.enabled_cases(nothing, kernel.pack_cases(nothing, none, 3), 3) == b""


def test_a_transition_without_places_fires_for_ever(kernel: ModuleType) -> None:
    always = make(0, Arcs()).image
    assert kernel.settle(always, array("i"), array("i", [0]), 500) == (500, True)
    space = kernel.explore(always, array("i"))
    assert (space.states, space.firings, space.ended) == (1, 1, "complete")


@pytest.fixture(scope="module")
def wide() -> NetImage:
    """As many places as a net should ever have, and a ring through every hundredth of them."""
    steps = [Arcs(take=[(p, 1)], put=[((p + 100) % MANY, 1)]) for p in range(0, MANY, 100)]
    return NetImage.build(places=MANY, transitions=steps)


def test_a_net_may_be_large(kernel: ModuleType, wide: NetImage) -> None:
    marking = array("i", bytes(4 * MANY))
    marking[MANY - 200] = 1
    first, order = marking[:], array("i", bytes(4 * wide.transitions))
    assert kernel.settle(wide, marking, order, 5) == (5, True)
    assert kernel.marked(marking) == [300]
    fired, more = kernel.simulate(wide, first[:], 1, 5)
    assert (fired, more) == ([998, 999, 0, 1, 2], True)
    space = kernel.explore(wide, first, max_states=4)
    assert (space.states, space.ended) == (4, "states")
    assert len(space.fired) == wide.transitions


def test_a_source_has_no_end(kernel: ModuleType) -> None:
    source = make(1, Arcs(put=[(0, 1)])).image
    assert kernel.settle(source, array("i", [0]), array("i", [0]), 1000) == (1000, True)
    assert kernel.explore(source, array("i", [0])).ended == "unbounded"
    # One that lacks something is bounded by that alone, so its markings are counted.
    lacking = make(1, Arcs(put=[(0, 1)], lacks=[(0, CELL_MAX)])).image
    assert kernel.explore(lacking, array("i", [0]), max_states=300).ended == "states"


def test_what_is_more_than_memory_holds_is_said(kernel: ModuleType) -> None:
    lacking = make(1, Arcs(put=[(0, 1)], lacks=[(0, CELL_MAX)])).image
    for bound in (1, 5_000, 300_000):
        space = kernel.explore(lacking, array("i", [0]), max_bytes=bound)
        assert space.ended == "memory"
        assert len(space.fired) == 1


def test_immediate_loops_stop_at_their_limit(kernel: ModuleType) -> None:
    net = ring(3)
    marking, order = array("i", [1, 0, 0]), array("i", [0, 0, 0])
    fired, more = kernel.run(net.image, marking, order, 10_000)
    assert (len(fired), more, list(marking)) == (10_000, True, [0, 1, 0])
    assert kernel.explore(net.image, array("i", [1, 0, 0])).states == 3

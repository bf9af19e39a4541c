"""Free runs, batches of cases, replay and simulation: both kernels against the plainest model."""

from __future__ import annotations

import random
from array import array
from collections import Counter
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
    nets,
    ring,
    run_plainly,
    situations,
)
from weft.native.image import CELL_MAX, Arcs

small_limits = st.integers(0, 60)


@settings(max_examples=50)
@given(situations(counted=False), st.data(), small_limits)
def test_a_counted_run_goes_where_a_listed_one_goes(
    kernel: ModuleType, situation: tuple[Net, Tokens], data: st.DataObject, limit: int
) -> None:
    net, tokens = situation
    m = len(net.arcs)
    order = data.draw(st.lists(st.integers(-1, 2), min_size=m, max_size=m))
    marking = cells(tokens)
    try:
        fired, more, left = run_plainly(net, tokens, order, limit)
    except TooManyError as too_many:
        with pytest.raises(OverflowError, match=rf"place {too_many.place} "):
            kernel.settle(net.image, marking, array("i", order), limit)
        assert marking == cells(tokens)
    else:
        assert kernel.settle(net.image, marking, array("i", order), limit) == (len(fired), more)
        assert marking == cells(left)


@pytest.mark.parametrize("size", [3, 64, 65, 200, 5000])
@pytest.mark.parametrize("tokens", [1, 2, 130])
def test_every_width_of_a_marking_counts_the_same(
    kernel: ModuleType, size: int, tokens: int
) -> None:
    """Bits, one word of them and several; bytes, and what outgrows them; and more than a plan."""
    net = ring(size)
    marking = array("i", bytes(4 * size))
    marking[0] = tokens
    order = array("i", range(size))
    # The earliest in the ring fires first, so all tokens gather in the last place.
    full = tokens * (size - 1)
    if full < 20_000:
        assert kernel.settle(net.image, marking, order, full) == (full, True)
        assert marking[size - 1] == tokens
        assert sum(marking) == tokens
        assert kernel.settle(net.image, marking, order, 1) == (1, True)
        assert marking[0] == 1
    assert kernel.settle(net.image, marking, order, 0) == (0, True)
    other = array("i", reversed(order))
    assert kernel.settle(net.image, marking, other, 2) == (2, True)


@pytest.mark.parametrize("width", [2, 62, 70, 1500])
def test_wide_joins_of_every_size(kernel: ModuleType, width: int) -> None:
    net = make(
        2 * width + 1,
        Arcs(take=[(0, 1)], put=[(p, 1) for p in range(1, width + 1)]),
        *(Arcs(take=[(p, 1)], put=[(p + width, 1)]) for p in range(1, width + 1)),
        Arcs(take=[(p, 1) for p in range(width + 1, 2 * width + 1)], put=[(0, 1)]),
    )
    marking = array("i", [1, *[0] * (2 * width)])
    order = array("i", bytes(4 * (width + 2)))
    assert kernel.settle(net.image, marking, order, width + 2) == (width + 2, True)
    assert marking[0] == 1 == sum(marking)
    assert kernel.settle(net.image, marking, order, 1 + width) == (1 + width, True)
    assert sum(marking) == width == sum(marking[width + 1 :])


def test_a_marking_outgrows_every_width(kernel: ModuleType) -> None:
    net = make(2, Arcs(take=[(0, 1)], put=[(1, 1_000_000)]))
    marking = array("i", [2_000, 0])
    assert kernel.settle(net.image, marking, array("i", [0]), 2_000) == (2_000, False)
    assert list(marking) == [0, 2_000_000_000]
    marking[0] = 148
    with pytest.raises(OverflowError, match="transition 0 would put more tokens into place 1"):
        kernel.settle(net.image, marking, array("i", [0]), 148)
    assert list(marking) == [148, 2_000_000_000]


def test_what_can_never_fire_in_few_bits_may_fire_in_many(kernel: ModuleType) -> None:
    net = make(
        2,
        Arcs(take=[(0, 1)], lacks=[(1, 200)], put=[(0, 1), (1, 1)]),
        Arcs(take=[(1, 200), (0, 1)]),
        Arcs(needs=[(1, 1)], lacks=[(1, 1)]),
    )
    marking = array("i", [1, 0])
    assert kernel.settle(net.image, marking, array("i", [1, 0, 0]), 1_000) == (201, False)
    assert list(marking) == [0, 0]


def test_a_loop_without_an_input_stops_at_its_limit(kernel: ModuleType) -> None:
    net = make(1, Arcs(put=[(0, 1)], clear=[0]), Arcs(needs=[(0, 9)]))
    marking = array("i", [0])
    assert kernel.settle(net.image, marking, array("i", [0, 0]), 5_000) == (5_000, True)
    assert list(marking) == [1]


def test_another_order_is_another_run(kernel: ModuleType) -> None:
    net = make(3, Arcs(take=[(0, 1)], put=[(1, 1)]), Arcs(take=[(0, 1)], put=[(2, 1)]))
    for order, ends in (([0, 1], [0, 1, 0]), ([1, 0], [0, 0, 1]), ([0, 0], [0, 1, 0])):
        marking = array("i", [1, 0, 0])
        assert kernel.settle(net.image, marking, array("i", order), 9) == (1, False)
        assert list(marking) == ends


@settings(max_examples=50)
@given(nets(counted=False), st.data(), st.integers(0, 5), small_limits)
def test_many_cases_are_many_runs(
    kernel: ModuleType, net: Net, data: st.DataObject, cases: int, limit: int
) -> None:
    each = st.lists(st.sampled_from([0, 0, 1, 1, 2]), min_size=net.places, max_size=net.places)
    rows = data.draw(st.lists(each, min_size=cases, max_size=cases))
    order = array("i", bytes(4 * len(net.arcs)))
    markings = array("i", [tokens for row in rows for tokens in row])
    fired = array("i", [-1] * cases)
    expected, numbers, live = array("i"), array("i"), 0
    for row in rows:
        one = array("i", row)
        number, more = kernel.settle(net.image, one, order, limit)
        expected.extend(one)
        numbers.append(number)
        live += more
    assert kernel.settle_cases(net.image, markings, order, limit, fired) == live
    assert (markings, fired) == (expected, numbers)


def test_one_case_too_many_leaves_all_as_they_were(kernel: ModuleType) -> None:
    net = make(2, Arcs(take=[(0, 1)], put=[(1, CELL_MAX)]))
    markings, fired = array("i", [1, 0, 1, 1, 1, 0]), array("i", [7, 7, 7])
    with pytest.raises(OverflowError, match="place 1 "):
        kernel.settle_cases(net.image, markings, array("i", [0]), 9, fired)
    assert (list(markings), list(fired)) == ([1, 0, 1, 1, 1, 0], [7, 7, 7])
    markings[3] = 0
    assert kernel.settle_cases(net.image, markings, array("i", [0]), 9, fired) == 0
    assert (list(markings), list(fired)) == ([0, CELL_MAX] * 3, [1, 1, 1])


@settings(max_examples=50)
@given(situations(counted=False), st.integers(-5, 2**64), small_limits)
def test_a_simulation_can_be_replayed(
    kernel: ModuleType, situation: tuple[Net, Tokens], seed: int, limit: int
) -> None:
    net, tokens = situation
    marking = cells(tokens)
    try:
        fired, more = kernel.simulate(net.image, marking, seed, limit)
    except OverflowError:
        assert marking == cells(tokens)
        return
    left = tokens
    for t in fired:
        now = [u for u, arcs in enumerate(net.arcs) if may_fire(arcs, left)]
        assert t in ([u for u in now if not net.arcs[u].external] or now)
        left = after_firing(net.arcs[t], left, [])
    assert marking == cells(left)
    assert more == any(may_fire(arcs, left) for arcs in net.arcs)
    assert len(fired) == limit or not more

    for steps in (fired, tuple(fired), array("i", fired), iter(fired)):
        again = cells(tokens)
        assert kernel.replay(net.image, again, steps) is None
        assert again == marking


def test_a_simulation_draws_evenly(kernel: ModuleType) -> None:
    net = make(1, *(Arcs(needs=[(0, 1)], external=i % 2 == 0) for i in range(140)))
    fired, more = kernel.simulate(net.image, array("i", [1]), 42, 1_400)
    times = Counter(fired)
    assert more
    assert set(times) == set(range(1, 140, 2))
    assert all(5 < number < 45 for number in times.values())


def test_a_seed_is_a_run(kernel: ModuleType) -> None:
    net = make(1, *(Arcs(needs=[(0, 1)]) for _ in range(10)))
    runs = {tuple(kernel.simulate(net.image, array("i", [1]), s, 8)[0]) for s in range(20)}
    assert len(runs) == 20
    first = (8, 4, 0, 9, 1, 3, 1, 7)  # 0xe2, 0x6e, 0x06, 0xf8, 0x1b … of 0x100
    assert kernel.simulate(net.image, array("i", [1]), 0, 8) == (list(first), True)
    assert kernel.simulate(net.image, array("i", [1]), 2**64, 8) == (list(first), True)


@pytest.mark.parametrize(
    ("steps", "error", "message"),
    [
        ([0, 0], ValueError, "transition 0 is not enabled"),
        ([0, 9], IndexError, "transition 9 is not one of the net's 3"),
        ([0, -1], IndexError, "transition -1 is not one"),
        ([0, 2**40], IndexError, "transition 1099511627776 is not one"),
        ([0, "1"], TypeError, "str"),
        ([0, 2], OverflowError, "place 1 "),
    ],
)
def test_a_step_that_cannot_be_undoes_a_replay(
    kernel: ModuleType, steps: list[int], error: type[Exception], message: str
) -> None:
    net = make(2, Arcs(take=[(0, 1)], put=[(1, 1)]), Arcs(take=[(1, 1)]), Arcs(put=[(1, CELL_MAX)]))
    marking = array("i", [1, 0])
    with pytest.raises(error, match=message) as raised:
        kernel.replay(net.image, marking, steps)
    assert raised.value.__notes__ == ["at step 1"]
    assert list(marking) == [1, 0]


@pytest.mark.parametrize("what", ["simulate", "replay"])
def test_what_counts_from_outside_does_not_run_by_itself(kernel: ModuleType, what: str) -> None:
    net = make(1, Arcs(put=[(0, 1)]), Arcs(put=[(0, 0)]))
    if what == "simulate":
        with pytest.raises(ValueError, match="transition 1 puts a counted number"):
            kernel.simulate(net.image, array("i", [0]), 1, 1)
    else:
        kernel.replay(net.image, array("i", [0]), [0])
        with pytest.raises(ValueError, match="has 1 counted puts, but 0 counts"):
            kernel.replay(net.image, array("i", [0]), [0, 1])


# ── packed cases ─────────────────────────────────────────────────────────────────────────────


@settings(max_examples=50)
@given(nets(), st.data(), st.integers(0, 40))
def test_enabledness_of_many_cases_is_that_of_each(
    kernel: ModuleType, net: Net, data: st.DataObject, cases: int
) -> None:
    bits = data.draw(st.integers(0, 2 ** (net.places * cases) - 1))
    markings = array("i", [bits >> i & 1 for i in range(net.places * cases)])
    packed = kernel.pack_cases(net.image, markings, cases)
    found = kernel.enabled_cases(net.image, packed, cases)
    words = array("Q", found)
    assert len(words) == cases * -(-len(net.arcs) // 64)
    for case in range(cases):
        own = markings[case * net.places : (case + 1) * net.places]
        expected = kernel.enabled_transitions(net.image, own)
        assert [t for t in range(len(net.arcs)) if words[case] >> t & 1] == expected


@settings(max_examples=20)
@given(nets(), st.integers(0, 2**32))
def test_very_many_cases_are_as_many_few(kernel: ModuleType, net: Net, seed: int) -> None:
    cases, few = 530, 10  # 256 are looked at together
    bits = random.Random(seed).getrandbits(max(net.places * cases, 1))
    markings = array("i", [bits >> i & 1 for i in range(net.places * cases)])
    found = array(
        "Q", kernel.enabled_cases(net.image, kernel.pack_cases(net.image, markings, cases), cases)
    )
    for first in range(0, cases, few):
        own = markings[first * net.places : (first + few) * net.places]
        packed = kernel.pack_cases(net.image, own, few)
        for j, words in enumerate(
            chunks(array("Q", kernel.enabled_cases(net.image, packed, few)), few)
        ):
            assert list(words) == list(found[j * cases + first :][:few])


def chunks(numbers: array[int], size: int) -> list[array[int]]:
    """The numbers, so many at a time."""
    return [numbers[i : i + size] for i in range(0, len(numbers), size)]


def test_many_places_and_many_transitions_of_many_cases(kernel: ModuleType) -> None:
    net = ring(150)
    cases = 37
    markings = array("i", bytes(4 * 150 * cases))
    for case in range(cases):
        markings[case * 150 + case * 4] = 1
        markings[case * 150 + 149] = 1
    packed = array("Q", kernel.pack_cases(net.image, markings, cases))
    assert len(packed) == 3 * cases
    found = array("Q", kernel.enabled_cases(net.image, packed.tobytes(), cases))
    for case in range(cases):
        enabled = sum(found[j * cases + case] << 64 * j for j in range(3))
        assert enabled == 1 << case * 4 | 1 << 149
        assert enabled == sum(packed[j * cases + case] << 64 * j for j in range(3))


@pytest.mark.parametrize("tokens", [2, -1, CELL_MAX])
def test_cases_that_are_not_safe_are_not_packed(kernel: ModuleType, tokens: int) -> None:
    net = make(2)
    with pytest.raises(ValueError, match="case 1 is not safe: a place of it holds more than one"):
        kernel.pack_cases(net.image, array("i", [1, 1, 0, tokens, 1, 0]), 3)


def test_packed_cases_of_another_size_are_refused(kernel: ModuleType) -> None:
    net = make(65, Arcs())
    with pytest.raises(ValueError, match="2 packed cases of this net have 32 bytes, not 16"):
        kernel.enabled_cases(net.image, bytes(16), 2)
    with pytest.raises(ValueError, match="there are 0 to 2147483647 cases, not -1"):
        kernel.enabled_cases(net.image, b"", -1)
    with pytest.raises(ValueError, match="there are 0 to 2147483647 cases, not -1"):
        kernel.pack_cases(net.image, b"", -1)

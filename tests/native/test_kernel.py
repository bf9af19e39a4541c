"""Both kernels against the plainest model, and against each other."""

from __future__ import annotations

import ast
import inspect
import os
import subprocess
import sys
from array import array
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

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
    markings,
    may_fire,
    nets,
    ring,
    run_plainly,
    situations,
)
from tests.native.twins import compiled_kernel
from weft.native import reference
from weft.native.image import CELL_MAX, Arcs, NetImage

numbers_to_put = st.integers(0, 3) | st.sampled_from([CELL_MAX, 2**31, 2**63, 2**70])


def counts_for(arcs: Arcs) -> st.SearchStrategy[list[int]]:
    wanted = sum(weight == 0 for _, weight in arcs.put)
    return st.lists(numbers_to_put, min_size=wanted, max_size=wanted)


# ── against the model ────────────────────────────────────────────────────────────────────────


@given(situations())
def test_enabledness_is_that_of_the_model(
    kernel: ModuleType, situation: tuple[Net, Tokens]
) -> None:
    net, tokens = situation
    marking = cells(tokens)
    expected = [t for t, arcs in enumerate(net.arcs) if may_fire(arcs, tokens)]

    assert kernel.enabled_transitions(net.image, marking) == expected
    assert [t for t in range(len(net.arcs)) if kernel.enabled(net.image, marking, t)] == expected
    assert kernel.enabled_external(net.image, marking) == [
        t for t in expected if net.arcs[t].external
    ]
    assert kernel.marked(marking) == [p for p, number in tokens.items() if number]
    assert marking == cells(tokens)


@given(situations(), st.data())
def test_a_firing_does_what_the_arcs_say_or_nothing(
    kernel: ModuleType, situation: tuple[Net, Tokens], data: st.DataObject
) -> None:
    net, tokens = situation
    for t, arcs in enumerate(net.arcs):
        counts = data.draw(counts_for(arcs))
        marking = cells(tokens)
        if not may_fire(arcs, tokens):
            with pytest.raises(ValueError, match=f"transition {t} is not enabled"):
                kernel.fire(net.image, marking, t, counts)
            assert marking == cells(tokens)
            continue
        try:
            expected = cells(after_firing(arcs, tokens, counts))
        except TooManyError as too_many:
            with pytest.raises(OverflowError, match=rf"place {too_many.place} "):
                kernel.fire(net.image, marking, t, counts)
            assert marking == cells(tokens)
        else:
            assert kernel.fire(net.image, marking, t, counts) is None
            assert marking == expected


@given(situations())
def test_what_changes_its_enabledness_was_touched(
    kernel: ModuleType, situation: tuple[Net, Tokens]
) -> None:
    net, tokens = situation
    before = {t for t, arcs in enumerate(net.arcs) if may_fire(arcs, tokens)}
    for t, arcs in enumerate(net.arcs):
        touched = list(kernel.touched(net.image, t))
        assert touched == sorted(set(touched))
        assert list(kernel.touched_immediate(net.image, t)) == [
            u for u in touched if not net.arcs[u].external
        ]
        if t not in before:
            continue
        try:
            later = after_firing(arcs, tokens, [1] * len(net.image.counted(t)))
        except TooManyError:
            continue
        after = {u for u, others in enumerate(net.arcs) if may_fire(others, later)}
        assert before ^ after <= set(touched)


@given(situations())
def test_degree_is_how_often_the_takes_are_there(
    kernel: ModuleType, situation: tuple[Net, Tokens]
) -> None:
    net, tokens = situation
    for t, arcs in enumerate(net.arcs):
        degree = kernel.degree(net.image, cells(tokens), t)
        if not may_fire(arcs, tokens):
            assert degree == 0
        elif not arcs.take:
            assert degree == CELL_MAX
        else:
            assert all(tokens[p] >= w * degree for p, w in arcs.take)
            assert any(tokens[p] < w * (degree + 1) for p, w in arcs.take)


@given(situations(counted=False), st.data(), st.integers(0, 60))
def test_a_run_fires_what_the_model_fires(
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
            kernel.run(net.image, marking, array("i", order), limit)
        assert marking == cells(tokens)
    else:
        assert kernel.run(net.image, marking, array("i", order), limit) == (fired, more)
        assert marking == cells(left)


@given(st.data(), st.lists(st.integers(0, 2), max_size=40))
def test_clearing_places_empties_just_those(
    kernel: ModuleType, data: st.DataObject, numbers: list[int]
) -> None:
    places = data.draw(st.sets(st.integers(0, len(numbers) - 1)) if numbers else st.just(set()))
    marking = array("i", numbers)
    kernel.clear_places(marking, places)
    assert list(marking) == [0 if p in places else n for p, n in enumerate(numbers)]


# ── against each other ───────────────────────────────────────────────────────────────────────


def outcome(function: Callable[..., Any], *arguments: Any) -> tuple[Any, ...]:
    try:
        return "gave", function(*arguments)
    except Exception as error:  # noqa: BLE001, whatever it is, the twin must raise it too
        return "raised", type(error), str(error)


odd_numbers = st.integers(-2, 9) | st.sampled_from([2**31, 2**63, -(2**63), 2**70, 1.0, None, True])
ODD_BUFFERS: list[Any] = [
    b"",
    b"123",
    bytes(24),
    bytearray(24),
    memoryview(bytes(28))[1:25],
    memoryview(array("i", range(12)))[::2],
    memoryview(bytes(24)).cast("i", shape=[2, 3]),
    memoryview(bytes(24)).cast("I"),
    array("i", [1, 0, 2, 0, 0, CELL_MAX]),
    array("q", [1, 2, 3]),
    array("f", [1, 2, 3, 4, 5, 6]),
    [1, 0, 0, 0, 0, 0],
    None,
]
odd_buffers = st.integers(0, len(ODD_BUFFERS) - 1).map(ODD_BUFFERS.__getitem__)


def copy_of(buffer: Any) -> Any:
    """What a call may change, so that both twins get the same."""
    return buffer[:] if isinstance(buffer, array | bytearray) else buffer


@settings(max_examples=300)
@given(
    nets(weights=st.integers(1, 2)),
    odd_buffers,
    odd_buffers,
    odd_numbers,
    st.lists(odd_numbers, max_size=20),
)
def test_bad_input_meets_the_same_answer_from_both(
    net: Net, buffer: Any, order: Any, number: Any, numbers: list[Any]
) -> None:
    compiled = compiled_kernel()
    if compiled is None:
        pytest.skip("the compiled kernel is not built")
    calls: list[tuple[str, tuple[Any, ...]]] = [
        ("enabled", (net.image, buffer, number)),
        ("fire", (net.image, buffer, number, numbers)),
        ("fire", (net.image, buffer, number)),
        ("enabled_transitions", (net.image, buffer)),
        ("enabled_external", (net.image, buffer)),
        ("marked", (buffer,)),
        ("touched", (net.image, number)),
        ("touched_immediate", (net.image, number)),
        ("degree", (net.image, buffer, number)),
        # A number of firings that both can get through.
        ("run", (net.image, buffer, order, number if number not in (2**31, 2**63, 2**70) else 99)),
        ("settle", (net.image, buffer, order, 99 if number in (2**31, 2**63, 2**70) else number)),
        ("settle_cases", (net.image, buffer, order, 99 if number == 2**31 else number, order)),
        ("replay", (net.image, buffer, numbers)),
        ("simulate", (net.image, buffer, number, 50)),
        ("simulate", (net.image, buffer, 1, min(number, 50) if type(number) is int else number)),
        ("pack_cases", (net.image, buffer, number if number != 2**31 else 0)),
        ("enabled_cases", (net.image, buffer if type(buffer) is bytes else b"", number)),
        (
            "explore",
            (net.image, buffer, b"", False, 1, 99 if number in (2**31, 2**63, 2**70) else number),
        ),
        ("explore", (net.image, buffer, order if type(order) is bytes else b"", 0, number, 99)),
        ("clear_places", (buffer, numbers)),
    ]
    for name, arguments in calls:
        ours = tuple(map(copy_of, arguments))
        theirs = tuple(map(copy_of, arguments))
        assert outcome(getattr(compiled, name), *ours) == outcome(
            getattr(reference, name), *theirs
        ), name
        for one, other in zip(ours, theirs, strict=True):
            if isinstance(one, array | bytearray):
                assert one == other, name


def test_both_have_the_same_functions_in_the_same_order() -> None:
    compiled = compiled_kernel()
    if compiled is None:
        pytest.skip("the compiled kernel is not built")
    assert compiled.__all__ == reference.__all__
    for name in reference.__all__:
        ours, theirs = getattr(compiled, name), getattr(reference, name)
        assert ours.__doc__ == theirs.__doc__
        assert [(p.name, p.default) for p in inspect.signature(ours).parameters.values()] == [
            (p.name, p.default) for p in inspect.signature(theirs).parameters.values()
        ]


def test_the_sources_define_their_functions_in_the_order_of_all() -> None:
    source = Path(reference.__file__).read_text()
    defined = [n.name for n in ast.parse(source).body if isinstance(n, ast.FunctionDef)]
    assert [name for name in defined if not name.startswith("_")] == reference.__all__

    kernel_source = Path(reference.__file__).with_name("_kernel.pyx").read_text()
    places = [kernel_source.index(f"\ndef {name}(") for name in reference.__all__]
    assert all(a < b for a, b in pairwise(places))


# ── stories ──────────────────────────────────────────────────────────────────────────────────


def test_the_order_is_take_clear_put(kernel: ModuleType) -> None:
    net = make(2, Arcs(take=[(0, 2)], clear=[0, 1], put=[(0, 1), (1, 3)]))
    marking = array("i", [7, 9])
    kernel.fire(net.image, marking, 0)
    assert list(marking) == [1, 3]


def test_room_made_by_the_firing_itself_counts(kernel: ModuleType) -> None:
    net = make(3, Arcs(take=[(0, 1)], clear=[1], put=[(0, 1), (1, CELL_MAX), (2, 0)]))
    marking = array("i", [CELL_MAX, CELL_MAX, 1])
    kernel.fire(net.image, marking, 0, [CELL_MAX - 1])
    assert list(marking) == [CELL_MAX, CELL_MAX, CELL_MAX]


def test_puts_into_one_place_add_up_and_may_overflow_together(kernel: ModuleType) -> None:
    net = make(2, Arcs(put=[(1, CELL_MAX - 1), (0, 4), (1, 2)]))
    marking = array("i", [0, 0])
    with pytest.raises(OverflowError, match="place 1 than the 2147483647 it can hold"):
        kernel.fire(net.image, marking, 0)
    assert list(marking) == [0, 0]


def test_counts_follow_the_order_of_their_arcs(kernel: ModuleType) -> None:
    net = make(3, Arcs(put=[(2, 0), (1, 5), (0, 0), (2, 1)]))
    assert net.image.counted(0) == (2, 0)
    marking = array("i", [0, 0, 0])
    kernel.fire(net.image, marking, 0, (3, 0))
    assert list(marking) == [0, 5, 4]


@pytest.mark.parametrize("many", [16, 17, 100])
def test_a_transition_may_have_many_counted_puts(kernel: ModuleType, many: int) -> None:
    net = make(many, Arcs(put=[(p, 0) for p in range(many)]))
    marking = array("i", bytes(4 * many))
    kernel.fire(net.image, marking, 0, range(many))
    assert list(marking) == list(range(many))


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([], "has 1 counted puts, but 0 counts were given"),
        ([1, 1], "has 1 counted puts, but 2 counts were given"),
        ([-1], "cannot put -1 tokens"),
        ([-(2**70)], "cannot put -1180591620717411303424 tokens"),
    ],
)
def test_counts_that_do_not_fit_are_refused(
    kernel: ModuleType, counts: list[int], message: str
) -> None:
    net = make(1, Arcs(put=[(0, 0)]))
    marking = array("i", [5])
    with pytest.raises(ValueError, match=message):
        kernel.fire(net.image, marking, 0, counts)
    assert list(marking) == [5]


def test_all_arcs_on_one_place_are_tested(kernel: ModuleType) -> None:
    net = make(1, Arcs(take=[(0, 1)], needs=[(0, 2)], lacks=[(0, 3)]))
    answers = [kernel.enabled(net.image, array("i", [n]), 0) for n in range(5)]
    assert answers == [False, False, True, False, False]
    assert kernel.degree(net.image, array("i", [2]), 0) == 2


def test_a_frozen_marking_can_be_read(kernel: ModuleType) -> None:
    net = make(2, Arcs(take=[(1, 1)], external=True), Arcs(put=[(0, 1)], external=True))
    frozen = array("i", [0, 1]).tobytes()
    assert kernel.enabled(net.image, frozen, 0)
    assert kernel.enabled_transitions(net.image, frozen) == [0, 1]
    assert kernel.enabled_external(net.image, frozen) == [0, 1]
    assert kernel.degree(net.image, frozen, 0) == 1
    assert kernel.marked(frozen) == [1]


def test_a_frozen_marking_is_never_changed(kernel: ModuleType) -> None:
    net = make(1, Arcs(take=[(0, 1)]))
    frozen = array("i", [1]).tobytes()
    read_only = memoryview(array("i", [1])).toreadonly()
    for marking in (frozen, read_only):
        for change in (
            lambda m: kernel.fire(net.image, m, 0),
            lambda m: kernel.run(net.image, m, array("i", [0]), 1),
            lambda m: kernel.clear_places(m, [0]),
        ):
            with pytest.raises(TypeError, match="this marking is read-only"):
                change(marking)
        assert bytes(marking) == array("i", [1]).tobytes()


@pytest.mark.parametrize("t", [-1, 2, 2**31, 2**64, -(2**64)])
def test_a_transition_that_is_not_there_is_refused(kernel: ModuleType, t: int) -> None:
    net = make(1, Arcs(), Arcs())
    for call in (
        lambda: kernel.enabled(net.image, array("i", [0]), t),
        lambda: kernel.fire(net.image, array("i", [0]), t),
        lambda: kernel.degree(net.image, array("i", [0]), t),
        lambda: kernel.touched(net.image, t),
        lambda: kernel.touched_immediate(net.image, t),
    ):
        with pytest.raises(IndexError, match=f"transition {t} is not one of the net's 2"):
            call()


@pytest.mark.parametrize("place", [-1, 3, 2**40])
def test_clearing_an_unknown_place_changes_nothing(kernel: ModuleType, place: int) -> None:
    marking = array("i", [1, 1, 1])
    with pytest.raises(IndexError, match=f"place {place} is not one of the 3 places"):
        kernel.clear_places(marking, [0, place, 1])
    assert list(marking) == [1, 1, 1]


@pytest.mark.parametrize("size", [0, 1, 3, 100])
def test_a_marking_of_another_size_is_refused(kernel: ModuleType, size: int) -> None:
    net = make(2, Arcs())
    with pytest.raises(ValueError, match=f"expected 2 cells of 4 bytes, but there are {4 * size}"):
        kernel.enabled(net.image, array("i", bytes(4 * size)), 0)


def test_only_an_image_is_an_image(kernel: ModuleType) -> None:
    with pytest.raises((TypeError, AttributeError)):
        kernel.enabled("net", array("i", [0]), 0)


@pytest.mark.parametrize("forged", ["none", "other"])
def test_the_compiled_kernel_trusts_no_look_alike(forged: str) -> None:
    compiled = compiled_kernel()
    if compiled is None:
        pytest.skip("the compiled kernel is not built")

    class LookAlike:
        compiled = None if forged == "none" else object()

    with pytest.raises(TypeError):
        compiled.enabled(LookAlike(), array("i", [0]), 0)


def test_a_net_of_nothing(kernel: ModuleType) -> None:
    net = make(0)
    for marking in (array("i"), b""):
        assert kernel.enabled_transitions(net.image, marking) == []
        assert kernel.enabled_external(net.image, marking) == []
        assert kernel.marked(marking) == []
    assert kernel.run(net.image, array("i"), array("i"), 5) == ([], False)


def test_few_tokens_in_a_large_net_are_found(kernel: ModuleType) -> None:
    size = 30_000
    image = NetImage.build(
        places=size,
        transitions=[
            Arcs(take=[(p, 1)], put=[((p + 1) % size, 1)], external=True) for p in range(size)
        ],
    )
    marking = array("i", bytes(4 * size))
    for place in (0, 15, 16, 14_999, size - 1):
        marking[place] = 1 << 24
    assert kernel.marked(marking) == [0, 15, 16, 14_999, size - 1]
    assert kernel.enabled_external(image, marking) == [0, 15, 16, 14_999, size - 1]


# ── runs ─────────────────────────────────────────────────────────────────────────────────────


def test_a_run_goes_by_order_then_by_number(kernel: ModuleType) -> None:
    net = make(1, *(Arcs(take=[(0, 1)]) for _ in range(4)))
    for order, first in (([0, 0, 0, 0], 0), ([3, 2, 1, 1], 2), ([0, -5, 0, -5], 1)):
        assert kernel.run(net.image, array("i", [1]), array("i", order), 9) == ([first], False)


def test_an_endless_run_stops_at_its_limit(kernel: ModuleType) -> None:
    net = ring(10)
    marking = array("i", [1] + [0] * 9)
    fired, more = kernel.run(net.image, marking, array("i", bytes(40)), 10_007)
    assert fired == [t % 10 for t in range(10_007)]
    assert more
    assert kernel.marked(marking) == [7]


@pytest.mark.parametrize("length", [1, 4095, 4096, 4097, 8192])
def test_a_run_that_ends_just_at_its_limit_has_no_more(kernel: ModuleType, length: int) -> None:
    net = make(1, Arcs(take=[(0, 1)]))
    marking = array("i", [length])
    assert kernel.run(net.image, marking, array("i", [0]), length) == ([0] * length, False)
    marking = array("i", [length])
    assert kernel.run(net.image, marking, array("i", [0]), length - 1) == ([0] * (length - 1), True)
    assert list(marking) == [1]


def test_a_run_of_nothing_says_whether_there_is_something(kernel: ModuleType) -> None:
    net = ring(3)
    order = array("i", [0, 0, 0])
    assert kernel.run(net.image, array("i", [0, 1, 0]), order, 0) == ([], True)
    assert kernel.run(net.image, array("i", [0, 0, 0]), order, 0) == ([], False)


def test_a_run_leaves_external_transitions_alone(kernel: ModuleType) -> None:
    net = make(
        2,
        Arcs(take=[(0, 1)], external=True),
        Arcs(take=[(0, 2)], put=[(1, 1)]),
        Arcs(external=True),
    )
    marking = array("i", [5, 0])
    assert kernel.run(net.image, marking, array("i", [0, 0, 0]), 9) == ([1, 1], False)
    assert list(marking) == [1, 2]


def test_a_transition_that_takes_nothing_runs_until_it_is_stopped(kernel: ModuleType) -> None:
    net = make(1, Arcs(put=[(0, 1)], lacks=[(0, 5)]), Arcs(take=[(0, 5)], needs=[(0, 5)]))
    marking = array("i", [0])
    fired, more = kernel.run(net.image, marking, array("i", [0, 0]), 11)
    assert fired == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]
    assert more
    assert list(marking) == [5]


def test_a_run_that_overflows_leaves_the_marking_as_it_was(kernel: ModuleType) -> None:
    net = make(2, Arcs(take=[(0, 1)], put=[(1, 2**30)]))
    marking = array("i", [5, 0])
    with pytest.raises(OverflowError, match=r"transition 0 .* place 1 "):
        kernel.run(net.image, marking, array("i", [0]), 9)
    assert list(marking) == [5, 0]


def test_a_run_passes_near_the_limit_of_a_cell(kernel: ModuleType) -> None:
    """Taking makes room for what is put, so this never overflows."""
    net = make(2, Arcs(take=[(0, 1), (1, 1)], put=[(1, 1)]), Arcs(take=[(1, CELL_MAX)]))
    marking = array("i", [3, CELL_MAX])
    assert kernel.run(net.image, marking, array("i", [0, 1]), 9) == ([0, 0, 0, 1], False)
    assert list(marking) == [0, 0]


def test_a_run_cannot_count(kernel: ModuleType) -> None:
    net = make(1, Arcs(), Arcs(put=[(0, 0)], external=True), Arcs(put=[(0, 0)]))
    with pytest.raises(ValueError, match="transition 2 is immediate and puts a counted number"):
        kernel.run(net.image, array("i", [0]), array("i", [0, 0, 0]), 9)


def test_a_run_refuses_a_negative_limit(kernel: ModuleType) -> None:
    with pytest.raises(ValueError, match="0 or more firings, not -1"):
        kernel.run(ring(2).image, array("i", [0, 0]), array("i", [0, 0]), -1)


@given(nets(counted=False), st.data())
def test_running_by_halves_is_running(kernel: ModuleType, net: Net, data: st.DataObject) -> None:
    tokens = data.draw(markings(net, st.integers(0, 3)))
    first, second = data.draw(st.tuples(st.integers(0, 20), st.integers(0, 20)))
    order = array("i", bytes(4 * len(net.arcs)))
    at_once, by_halves = cells(tokens), cells(tokens)
    fired, more = kernel.run(net.image, at_once, order, first + second)
    one, _ = kernel.run(net.image, by_halves, order, first)
    two, still = kernel.run(net.image, by_halves, order, second)
    assert (one + two, still, by_halves) == (fired, more, at_once)


INTERRUPTED = """
import signal
from array import array
from importlib import import_module
from weft.native.image import Arcs, NetImage

class InterruptedHere(Exception):
    pass

def interrupt(*_):
    raise InterruptedHere

kernel = import_module({name!r})
image = NetImage.build(places=2, transitions=[
    Arcs(take=[(0, 1)], put=[(1, 1)]), Arcs(take=[(1, 1)], put=[(0, 1)])
])
marking = array("i", [0, 1])
signal.signal(signal.SIGALRM, interrupt)
try:
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    kernel.run(image, marking, array("i", [0, 0]), 2**70)
except InterruptedHere:
    print(marking.tolist())
"""


def test_an_endless_run_can_be_interrupted_and_then_has_not_been(kernel: ModuleType) -> None:
    # In a process of its own, and not measured there: a signal handler that raises while
    # coverage's tracer holds its lock leaves it locked for ever.
    unmeasured = {k: v for k, v in os.environ.items() if not k.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED.format(name=kernel.__name__)],
        env=unmeasured,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "[0, 1]\n"

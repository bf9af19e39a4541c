"""What a firing costs in either kernel: ``pytest benches/test_kernel.py``.

Each group is one net and one way to drive it; the factor in brackets beside the slower kernel is
the ratio of the two. One round makes `FIRINGS` firings, so a mean of 1 µs is 1 ns a firing (two of
the groups say otherwise). Transitions are shuffled by a seed, so that no order is a lucky one, and
every round's last marking is checked.
"""

from __future__ import annotations

import random
from array import array
from types import ModuleType

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from weft.native import reference
from weft.native.image import Arcs, NetImage

FIRINGS = 1_000
SEED = 20_060_101

Kernel = ModuleType


@pytest.fixture(params=["reference", "compiled"])
def kernel(request: pytest.FixtureRequest) -> Kernel:
    """Each kernel in turn."""
    if request.param == "reference":
        return reference
    return pytest.importorskip("weft.native._kernel", reason="the compiled kernel is not built")


def shuffled(places: int, arcs: list[Arcs]) -> NetImage:
    """The image of a net, its transitions in an order that nothing depends on."""
    arcs = list(arcs)
    random.Random(SEED).shuffle(arcs)
    return NetImage.build(places=places, transitions=arcs)


def ring(size: int, *, external: bool = False) -> NetImage:
    """Tokens go around: one enabled transition for each token."""
    return shuffled(
        size,
        [Arcs(take=[(i, 1)], put=[((i + 1) % size, 1)], external=external) for i in range(size)],
    )


def fork_join(width: int) -> NetImage:
    """One token forks into ``width`` branches of one step each, and they join again, for ever.

    Place 0 is the start, then come the branches before and after their steps. One round is
    ``width + 2`` firings.
    """
    before = range(1, width + 1)
    after = range(width + 1, 2 * width + 1)
    return shuffled(
        2 * width + 1,
        [
            Arcs(take=[(0, 1)], put=[(p, 1) for p in before]),
            *(Arcs(take=[(p, 1)], put=[(q, 1)]) for p, q in zip(before, after, strict=True)),
            Arcs(take=[(q, 1) for q in after], put=[(0, 1)]),
        ],
    )


NETS: dict[str, tuple[NetImage, list[int]]] = {
    "ring of 10": (ring(10), [0]),
    "fork and join of 10": (fork_join(10), [0]),
    "40 transitions, 10 enabled": (ring(40), list(range(0, 40, 4))),
}
"""Each net with its marked places, one token each."""


def marking_of(image: NetImage, tokens: list[int]) -> array[int]:
    """One token in each of these places."""
    marking = array("i", bytes(4 * image.places))
    for place in tokens:
        marking[place] += 1
    return marking


def expected_after(name: str, firings: int) -> array[int]:
    """The marking after a free run, from the reference."""
    image, tokens = NETS[name]
    marking = marking_of(image, tokens)
    reference.run(image, marking, array("i", bytes(4 * image.transitions)), firings)
    return marking


@pytest.mark.parametrize("name", NETS)
def test_free_run(benchmark: BenchmarkFixture, kernel: Kernel, name: str) -> None:
    """Find an enabled transition, fire it, go on."""
    image, tokens = NETS[name]
    order = array("i", bytes(4 * image.transitions))
    expected = expected_after(name, FIRINGS)

    def setup() -> tuple[tuple[array[int]], dict[str, object]]:
        return (marking_of(image, tokens),), {}

    def run(marking: array[int]) -> array[int]:
        fired, _ = kernel.run(image, marking, order, FIRINGS)
        assert len(fired) == FIRINGS
        return marking

    benchmark.group = f"free run, {name}: {FIRINGS} firings"
    assert benchmark.pedantic(run, setup=setup, rounds=200, warmup_rounds=5) == expected


@pytest.mark.parametrize("name", NETS)
def test_call_by_call(benchmark: BenchmarkFixture, kernel: Kernel, name: str) -> None:
    """Test and fire from Python, as an interpreter does that has guards to read between."""
    image, tokens = NETS[name]
    marking = marking_of(image, tokens)
    steps, _ = reference.run(image, marking, array("i", bytes(4 * image.transitions)), FIRINGS)

    def setup() -> tuple[tuple[array[int]], dict[str, object]]:
        return (marking_of(image, tokens),), {}

    def run(marking: array[int]) -> array[int]:
        enabled, fire = kernel.enabled, kernel.fire
        for t in steps:
            assert enabled(image, marking, t)
            fire(image, marking, t)
        return marking

    benchmark.group = f"call by call, {name}: {FIRINGS} tests and firings"
    assert benchmark.pedantic(run, setup=setup, rounds=50, warmup_rounds=2) == marking


def test_few_tokens_in_a_large_net(benchmark: BenchmarkFixture, kernel: Kernel) -> None:
    """One look for enabled external transitions: 30,000 places, 3 of them marked."""
    image = ring(30_000, external=True)
    marking = marking_of(image, [7, 15_000, 29_999])
    benchmark.group = "enabled_external, 3 of 30,000 places marked: one call"
    assert len(benchmark(kernel.enabled_external, image, marking)) == 3

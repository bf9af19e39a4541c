"""Nets and markings for the tests of the kernel, and the plainest model of what they mean."""

from __future__ import annotations

from array import array
from typing import NamedTuple

from hypothesis import strategies as st

from weft.native.image import CELL_MAX, Arcs, NetImage

Tokens = dict[int, int]


class Net(NamedTuple):
    """A net as it is written down, and its image."""

    places: int
    arcs: list[Arcs]
    image: NetImage


class TooManyError(Exception):
    """A place would hold more than `CELL_MAX` tokens."""

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place


def make(places: int, *arcs: Arcs) -> Net:
    """A net and its image."""
    return Net(places, list(arcs), NetImage.build(places=places, transitions=arcs))


def ring(size: int) -> Net:
    """A token goes around for ever."""
    return make(size, *(Arcs(take=[(i, 1)], put=[((i + 1) % size, 1)]) for i in range(size)))


# ── the model ────────────────────────────────────────────────────────────────────────────────


def may_fire(arcs: Arcs, tokens: Tokens) -> bool:
    """Enabledness, word for word."""
    return (
        all(tokens[p] >= w for p, w in arcs.take)
        and all(tokens[p] >= w for p, w in arcs.needs)
        and all(tokens[p] < w for p, w in arcs.lacks)
    )


def after_firing(arcs: Arcs, tokens: Tokens, counts: list[int]) -> Tokens:
    """Test, take, clear, put, one token move after the other."""
    left = dict(tokens)
    for p, w in arcs.take:
        left[p] -= w
    for p in arcs.clear:
        left[p] = 0
    numbers = list(counts)
    for p, w in arcs.put:
        left[p] += w or numbers.pop(0)
        if left[p] > CELL_MAX:
            raise TooManyError(p)
    return left


def run_plainly(
    net: Net, tokens: Tokens, order: list[int], limit: int
) -> tuple[list[int], bool, Tokens]:
    """Look at every immediate transition after every firing."""
    fired: list[int] = []
    while True:
        ready = [
            (order[t], t)
            for t, arcs in enumerate(net.arcs)
            if not arcs.external and may_fire(arcs, tokens)
        ]
        if not ready or len(fired) == limit:
            return fired, bool(ready), tokens
        t = min(ready)[1]
        tokens = after_firing(net.arcs[t], tokens, [])
        fired.append(t)


def cells(tokens: Tokens) -> array[int]:
    """The marking of some tokens."""
    return array("i", tokens.values())


# ── strategies ───────────────────────────────────────────────────────────────────────────────

small = st.integers(1, 3)
huge = st.integers(CELL_MAX - 3, CELL_MAX)


def rows(places: int, weights: st.SearchStrategy[int]) -> st.SearchStrategy[list[tuple[int, int]]]:
    """The arcs of one kind of one transition."""
    if places == 0:
        return st.just([])
    arc = st.tuples(st.integers(0, places - 1), weights)
    return st.lists(arc, max_size=3, unique_by=lambda a: a[0])


@st.composite
def nets(draw: st.DrawFn, *, counted: bool = True, weights: st.SearchStrategy[int] = small) -> Net:
    """Nets of up to 40 places (more than one block of cells) and 7 transitions."""
    places = draw(st.integers(0, 6) | st.just(40))
    put = weights | st.just(0) if counted else weights
    arcs = [
        Arcs(
            take=draw(rows(places, weights)),
            # Not unique: weights of one place add up.
            put=draw(rows(places, put)) + draw(rows(places, put)),
            needs=draw(rows(places, weights)),
            lacks=draw(rows(places, weights)),
            clear=[p for p, _ in draw(rows(places, weights))],
            external=draw(st.booleans()),
        )
        for _ in range(draw(st.integers(0, 7)))
    ]
    return make(places, *arcs)


def markings(net: Net, numbers: st.SearchStrategy[int]) -> st.SearchStrategy[Tokens]:
    """Tokens for each place."""
    each = st.lists(numbers, min_size=net.places, max_size=net.places)
    return each.map(lambda tokens: dict(enumerate(tokens)))


@st.composite
def situations(draw: st.DrawFn, *, counted: bool = True) -> tuple[Net, Tokens]:
    """A net and a marking: everyday ones, and ones at the edge of 32 bits."""
    heavy = draw(st.booleans())
    net = draw(nets(counted=counted, weights=small | huge if heavy else small))
    tokens = st.integers(0, 4) | huge if heavy else st.sampled_from([0, 0, 1, 1, 2, 5])
    return net, draw(markings(net, tokens))

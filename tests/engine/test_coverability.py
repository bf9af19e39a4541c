"""Coverability by backward saturation, held against two slow ways of finding out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.engine.coverability import ANY, Move, OutOfBounds, ResetNet, Saturation, cover

PLACES = 4
Cells = tuple[int, ...]

arcs = st.dictionaries(st.integers(0, PLACES - 1), st.integers(1, 2), max_size=2)
puts = st.dictionaries(st.integers(0, PLACES - 1), st.integers(ANY, 2), max_size=2)
moves = st.builds(
    Move,
    take=arcs,
    put=puts,
    needs=arcs,
    clear=st.frozensets(st.integers(0, PLACES - 1), max_size=2),
)
nets = st.lists(moves, min_size=1, max_size=5)
markings = st.tuples(*[st.integers(0, 3)] * PLACES)


def fired(move: Move, cells: Cells, many: int) -> Cells | None:
    """A move by the book; ``many`` is what a put of any number puts."""
    if any(cells[p] < n for p, n in (*move.take.items(), *move.needs.items())):
        return None
    after = list(cells)
    for p, n in move.take.items():
        after[p] -= n
    for p in move.clear:
        after[p] = 0
    for p, n in move.put.items():
        after[p] += many if n == ANY else n
    return tuple(after)


def forwards(net: list[Move], start: Cells, target: Cells, most: int = 400) -> bool | None:
    """By looking at what can be reached; None: there is more than was looked at."""
    seen, queue = {start}, [start]
    for cells in queue:
        if all(a >= b for a, b in zip(cells, target, strict=True)):
            return True
        for move in net:
            for many in (0, 3):
                after = fired(move, cells, many)
                if after is not None and after not in seen:
                    if len(seen) > most:
                        return None
                    seen.add(after)
                    queue.append(after)
    return False if not any(ANY in m.put.values() for m in net) else None


def backwards(net: list[Move], start: Cells, target: Cells) -> bool:
    """By the book: all predecessors of all known markings, until no new one is found."""
    known = {target}
    while True:
        new = set()
        for cells in known:
            for move in net:
                before = []
                for p in range(PLACES):
                    put = move.put.get(p)
                    short = 0 if put == ANY and p in move.put else max(0, cells[p] - (put or 0))
                    if p in move.clear and short:
                        break
                    before.append(max(short + move.take.get(p, 0), move.needs.get(p, 0)))
                else:
                    found = tuple(before)
                    if not any(all(a <= b for a, b in zip(k, found, strict=True)) for k in known):
                        new.add(found)
        if not new:
            return any(all(a <= b for a, b in zip(k, start, strict=True)) for k in known)
        known |= new


def reaches(net: list[Move], path: list[int], start: Cells, goal: Cells) -> bool:
    """Whether a path can be fired, and covers the goal at its end."""
    cells: Cells | None = start
    for m in path:
        cells = None if cells is None else fired(net[m], cells, 1000)
    return cells is not None and all(a >= b for a, b in zip(cells, goal, strict=True))


def sparse(cells: Cells) -> dict[int, int]:
    return {p: n for p, n in enumerate(cells) if n}


@given(nets, st.lists(markings, min_size=1, max_size=4), markings)
@settings(max_examples=100, deadline=None)
def test_it_agrees_with_both_slow_ways(net: list[Move], starts: list[Cells], goal: Cells) -> None:
    saturation = Saturation(ResetNet(PLACES, net), sparse(goal))
    for start in starts:
        found = saturation.covers(start)
        assert found == backwards(net, start, goal)
        if (looked := forwards(net, start, goal)) is not None:
            assert found == looked
        path = cover(net, start, sparse(goal), most=200)
        if not isinstance(path, OutOfBounds):
            assert found == (path is not None)
            assert path is None or reaches(net, path, start, goal)


@given(nets, markings, markings)
@settings(max_examples=100, deadline=None)
def test_its_path_can_be_fired(net: list[Move], start: Cells, goal: Cells) -> None:
    path = Saturation(ResetNet(PLACES, net), sparse(goal)).path(start)
    if path is None:
        return
    assert reaches(net, path, start, goal)


@given(nets, st.lists(markings, min_size=2, max_size=5), markings, st.integers(0, 200))
@settings(max_examples=60, deadline=None)
def test_an_answer_does_not_depend_on_what_was_asked_before(
    net: list[Move], starts: list[Cells], goal: Cells, work: int
) -> None:
    def answer(saturation: Saturation, start: Cells) -> object:
        try:
            return saturation.covers(start)
        except OutOfBounds:
            return None

    shared = Saturation(ResetNet(PLACES, net), sparse(goal), work=work)
    for start in starts:
        fresh = Saturation(ResetNet(PLACES, net), sparse(goal), work=work)
        assert answer(shared, start) == answer(fresh, start)


def test_limits_spare_work_and_change_no_answer() -> None:
    ring = [Move(take={p: 1}, put={(p + 1) % 6: 1}) for p in range(6)]
    ring += [Move(take={p: 1, (p + 3) % 6: 1}, put={p: 2}) for p in range(6)]
    limits = [(dict.fromkeys(range(6), 1), 2)]
    free, held = (Saturation(ResetNet(6, ring, given), {0: 2}) for given in ((), limits))
    for start in ((1, 0, 0, 0, 0, 0), (0, 1, 0, 1, 0, 0)):
        assert free.covers(start) == held.covers(start)
    assert held.done < free.done
    assert not Saturation(ResetNet(6, ring, limits), {0: 3}).covers((2, 0, 0, 0, 0, 0))


def test_it_gives_up_at_its_bound_and_says_so() -> None:
    wide = [Move(take={p: 1, p + 1: 1}, put={p + 2: 1, p: 1}) for p in range(30)]
    wide += [Move(take={p + 2: 1}, put={p: 1, p + 1: 2}) for p in range(30)]
    saturation = Saturation(ResetNet(33, wide), {31: 5}, work=1000)
    with pytest.raises(OutOfBounds):
        saturation.covers([0] * 33)
    assert saturation.done < 20_000
    with pytest.raises(OutOfBounds):
        saturation.covers([0] * 33)
    assert saturation.covers([5] * 33)

"""Random plain nets, and the plainest possible judge of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import attrs
from hypothesis import strategies as st

from weft.engine.net import Net, Place, external


def net(places: dict[str, int], *transitions) -> Net:
    return Net("n", tuple(Place(name, n) for name, n in places.items()), transitions)


@st.composite
def workflow_nets(draw: st.DrawFn) -> Net:
    """Small nets with a token at ``i`` and sinks: sound, unsound, safe, unsafe, unbounded."""
    inner = [f"p{k}" for k in range(draw(st.integers(1, 5)))]
    sinks = ["o"] if draw(st.booleans()) else ["o", "o2"]
    some = st.lists(st.sampled_from(inner), min_size=1, max_size=2, unique=True)
    to = st.lists(st.sampled_from([*inner, *sinks]), min_size=1, max_size=2, unique=True)
    transitions = [external("begin", take=["i"], put=draw(to))]
    for k in range(draw(st.integers(1, 6))):
        put = draw(to) if draw(st.integers(0, 9)) else []
        transitions.append(external(f"t{k}", take=draw(some), put=put))
    return net({"i": 1, **dict.fromkeys([*inner, *sinks], 0)}, *transitions)


@st.composite
def chained_nets(draw: st.DrawFn) -> Net:
    """Nets with much to reduce: blocks of sequences, choices, forks and loops, some of them broken."""
    transitions = []
    places = {"i": 1, "o": 0}

    def place() -> str:
        places[f"p{len(places)}"] = 0
        return list(places)[-1]

    def fire(take: list[str], put: list[str]) -> None:
        transitions.append(external(f"t{len(transitions)}", take=take, put=put))

    def block(a: str, b: str, depth: int) -> None:
        kind = draw(st.sampled_from(["step", "seq", "xor", "and", "loop"] if depth else ["step"]))
        if kind == "step":
            fire([a], [b])
        elif kind == "seq":
            m = place()
            block(a, m, depth - 1)
            block(m, b, depth - 1)
        elif kind == "xor":
            block(a, b, depth - 1)
            block(a, b, depth - 1)
        elif kind == "and":
            ins, outs = [place(), place()], [place(), place()]
            fire([a], ins)
            for x, y in zip(ins, outs, strict=True):
                block(x, y, depth - 1)
            fire(outs, [b])
        else:
            m = place()
            fire([a], [m])
            block(m, m, depth - 1)
            fire([m], [b])

    block("i", "o", 3)
    for _ in range(draw(st.integers(0, 2))):  # mutations
        names = list(places)
        i = draw(st.integers(0, len(transitions) - 1))
        t = transitions[i]
        extra = draw(st.sampled_from([n for n in names if n != "o"]))
        takes, puts = [a.place for a in t.take], [a.place for a in t.put]
        kind = draw(st.sampled_from(["take", "put", "drop"]))
        if kind == "take" and extra not in takes:
            transitions[i] = external(t.name, take=[*takes, extra], put=puts)
        elif kind == "put":
            transitions[i] = external(t.name, take=takes, put=[*puts, extra])
        elif len(puts) > 1:
            transitions[i] = external(t.name, take=takes, put=puts[1:])
    return net(places, *transitions)


@attrs.frozen
class Judged:
    """What brute force says; None where the net has too many markings."""

    option: bool
    proper: bool
    safe: bool
    dead: set[str]
    deadlock: int | None
    """How many firings the first dead marking is away that is not final."""
    unsafe: int | None
    markings: int


def judged(net: Net, most: int = 400) -> Judged | None:
    """Look at all markings, one by one; None if there are more than ``most``, or no sink."""
    places = [p.name for p in net.places]
    taken = {a.place for t in net.transitions for a in t.take} | {
        p for t in net.transitions for p in t.clear
    }
    put = {a.place for t in net.transitions for a in t.put}
    sinks = {p.name for p in net.places if p.name not in taken and (p.name in put or p.tokens)}
    if not sinks:
        return None
    start = tuple(p.tokens for p in net.places)
    seen, queue = {start: 0}, deque([start])
    edges: dict[tuple, list[tuple]] = {}
    fired: set[str] = set()
    while queue:
        marking = queue.popleft()
        now = dict(zip(places, marking, strict=True))
        edges[marking] = []
        for t in net.transitions:
            if any(now[a.place] < a.weight for a in (*t.take, *t.needs)):
                continue
            if any(now[a.place] >= a.weight for a in t.lacks):
                continue
            after = dict(now)
            for a in t.take:
                after[a.place] -= a.weight
            for p in t.clear:
                after[p] = 0
            for a in t.put:
                after[a.place] += a.weight
            fired.add(t.name)
            key = tuple(after.values())
            edges[marking].append(key)
            if key not in seen:
                if len(seen) >= most:
                    return None
                seen[key] = seen[marking] + 1
                queue.append(key)

    def final(m: tuple) -> bool:
        marked = {p for p, n in zip(places, m, strict=True) if n}
        return bool(marked) and marked <= sinks

    good = {m for m in seen if final(m)}
    grown = True
    while grown:
        more = {m for m in seen if m not in good and any(x in good for x in edges[m])}
        grown = bool(more)
        good |= more

    def proper(m: tuple) -> bool:
        ended = [n for p, n in zip(places, m, strict=True) if p in sinks and n]
        return not ended or (max(ended) == 1 and (len(sinks) > 1 or final(m)))

    dead = [n for m, n in seen.items() if not edges[m] and not final(m)]
    unsafe = [n for m, n in seen.items() if max(m) > 1]
    return Judged(
        option=len(good) == len(seen),
        proper=all(map(proper, seen)),
        safe=not unsafe,
        dead={t.name for t in net.transitions} - fired,
        deadlock=min(dead, default=None),
        unsafe=min(unsafe, default=None),
        markings=len(seen),
    )


def replayed(net: Net, path: Sequence[str]) -> dict[str, int]:
    """The marking that a path leads to; every step of it has to be enabled."""
    marking = {p.name: p.tokens for p in net.places}
    for name in path:
        t = next(t for t in net.transitions if t.name == name)
        assert all(marking[a.place] >= a.weight for a in (*t.take, *t.needs)), (path, name)
        assert all(marking[a.place] < a.weight for a in t.lacks)
        for a in t.take:
            marking[a.place] -= a.weight
        for p in t.clear:
            marking[p] = 0
        for a in t.put:
            marking[a.place] += a.weight
    return {p: n for p, n in marking.items() if n}

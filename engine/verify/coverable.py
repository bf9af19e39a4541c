"""What can be covered in a plain net, however many markings it has.

*   The *coverability set* of a net without inhibitor and reset arcs: finitely many markings, some
    of whose places hold ω (any number of tokens), below which lie all that can be reached and
    nothing else that is closed downwards (R. M. Karp and R. E. Miller, "Parallel Program
    Schemata", 1969). It is built without its redundant part: what is below a marking that is
    there already is not looked at, and what comes below a new one goes; its successors stay in
    turn, since cutting them off as well is what made earlier algorithms wrong (A. Valmari and
    H. Hansen, "Old and New Algorithms for Minimal Coverability Sets", 2014). It settles
    boundedness, safeness, dead transitions and what can be marked beside what.
*   With reset arcs, whether so much can be covered is still decidable, backwards
    (`weft.engine.coverability`); boundedness is not.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence

import attrs

from weft.engine.coverability import Move, ResetNet, Saturation
from weft.engine.verify.arcs import ArcNet, Arcs

__all__ = ["OMEGA", "Backwards", "Covering", "coverability_set"]

OMEGA = 1 << 40
"""Any number of tokens; more than a place can hold."""

WORK = 3_000_000
"""So many looks at cells and transitions, some of each together, are made: a few seconds."""

BACKWARDS_WORK = 100_000
"""The work that one target is given (see `weft.engine.coverability`)."""

ALL_BACKWARDS_WORK = 2_000_000
"""The work that all targets of one net are given together: some seconds."""

Cells = tuple[int, ...]


@attrs.frozen
class Covering:
    """The coverability set of a net.

    Args:
        places: The places behind the cells of a marking.
        markings: Its maximal markings with ω.
        fired: The transitions that can fire.
        growth: A path after which there is more than at a moment before, and no less; None: the
            net is bounded.
        grown: The places that have then grown.
    """

    places: Sequence[int]
    markings: Sequence[Cells]
    fired: frozenset[int]
    growth: Sequence[int] | None
    grown: Sequence[int]
    cell: Mapping[int, int] = attrs.field(init=False, repr=False)
    """Place to its cell."""

    def __attrs_post_init__(self) -> None:
        """Number the places."""
        object.__setattr__(self, "cell", {p: i for i, p in enumerate(self.places)})

    @property
    def bounded(self) -> bool:
        """Whether there is no ω."""
        return self.growth is None

    @property
    def safe(self) -> bool:
        """Whether no place can hold two tokens."""
        return all(n <= 1 for marking in self.markings for n in marking)

    def covers(self, target: Mapping[int, int]) -> bool:
        """Whether a marking with at least these tokens can be reached."""
        if any(p not in self.cell for p, n in target.items() if n):
            return False
        wanted = [(self.cell[p], n) for p, n in target.items() if n]
        return any(all(m[i] >= n for i, n in wanted) for m in self.markings)

    def improper(self, sinks: Collection[int]) -> bool:
        """Whether an end can be marked twice, or the only one while something else is."""
        ends = [self.cell[p] for p in sinks if p in self.cell]
        return any(
            m[i] > 1 or (len(sinks) == 1 and m[i] and sum(m) > m[i])
            for m in self.markings
            for i in ends
        )


@attrs.frozen
class _Arcs:
    number: int
    least: tuple[tuple[int, int], ...]
    take: tuple[tuple[int, int], ...]
    put: tuple[tuple[int, int], ...]

    def fire(self, cells: Cells) -> Cells | None:
        for i, n in self.least:
            if cells[i] < n:
                return None
        after = list(cells)
        for i, n in self.take:
            if after[i] < OMEGA:
                after[i] -= n
        for i, n in self.put:
            if after[i] < OMEGA:
                after[i] += n
        return tuple(after)


def coverability_set(net: ArcNet, *, work: int | None = None) -> Covering | None:
    """The coverability set of a net without inhibitor and reset arcs; None: too much work.

    Args:
        net: The net.
        work: How much is allowed; `WORK` if None.
    """
    assert net.monotone
    work = WORK if work is None else work
    places = _places(net)
    cell = {p: i for i, p in enumerate(places)}
    arcs = [_arcs(number, t, cell) for number, t in net.transitions.items()]
    first = tuple(net.initial.get(p, 0) for p in places)
    making, comparing = 1 + len(places) // 32, 16 + len(places) // 16  # the latter in 64ths
    nodes: list[Cells] = [first]
    parents, via = [-1], [-1]
    guards = _packed([1 << 63] * len(places))
    packed = [_packed(first) | guards]
    current: dict[int, int] = {0: sum(first)}
    """The nodes that are maximal so far, with their tokens: what is below has no more."""
    fired: set[int] = set()
    growth: tuple[list[int], list[int]] | None = None
    at = 0
    while at < len(nodes):
        if at not in current:
            at += 1
            continue
        work -= len(arcs) + 1
        for t in arcs:
            after = t.fire(nodes[at])
            if after is None:
                continue
            fired.add(t.number)
            total = sum(after)
            work -= len(current) * comparing // 64 + making
            if work < 0:
                return None
            whole = _packed(after)
            if _is_below(whole, total, current, packed, guards):
                continue
            whole |= guards
            ancestor = at
            while ancestor >= 0:
                work -= making
                before = nodes[ancestor]
                below = packed[ancestor] ^ guards
                if (whole - below) & guards == guards and after != before:
                    more = [i for i, n in enumerate(before) if n < after[i] and after[i] < OMEGA]
                    if growth is None:
                        growth = [*_path(parents, via, at), t.number], [places[i] for i in more]
                    if more:  # and what is behind may now be covered as well
                        after = tuple(OMEGA if i in more else n for i, n in enumerate(after))
                        whole = _packed(after) | guards
                        ancestor = at
                        continue
                ancestor = parents[ancestor]
            total = sum(after)
            work -= len(current) * comparing // 64 + making
            covered = [
                k
                for k, n in current.items()
                if n <= total and (whole - (packed[k] ^ guards)) & guards == guards
            ]
            for k in covered:
                del current[k]
            current[len(nodes)] = total
            nodes.append(after)
            packed.append(whole)
            parents.append(at)
            via.append(t.number)
            if at not in current:
                break  # what follows on it follows on the new one too
        at += 1
    path, grown = growth or (None, [])
    return Covering(places, [nodes[k] for k in current], frozenset(fired), path, grown)


def _is_below(
    whole: int, total: int, current: Mapping[int, int], packed: Sequence[int], guards: int
) -> bool:
    """Whether a marking is covered by one of the current ones."""
    return any(n >= total and (packed[k] - whole) & guards == guards for k, n in current.items())


def _packed(cells: Sequence[int]) -> int:
    """Cells in one number, 64 bits each, so that all are compared at once.

    Where ``a`` has the highest bit of each cell set as a guard, and ``b`` has not, ``a - b`` keeps
    all guards if and only if no cell of ``b`` is greater (L. Lamport, "Multiple Byte Processing
    with Full-Word Instructions", 1975).
    """
    return int.from_bytes(array("Q", cells).tobytes(), "little")


def _places(net: ArcNet) -> list[int]:
    used = set(net.initial)
    for t in net.transitions.values():
        used.update(t.take, t.put, t.needs, t.lacks, t.clear)
    return sorted(used)


def _arcs(number: int, t: Arcs, cell: Mapping[int, int]) -> _Arcs:
    least = dict(t.take)
    for p, n in t.needs.items():
        least[p] = max(n, least.get(p, 0))

    def cells(arcs: Mapping[int, int]) -> tuple[tuple[int, int], ...]:
        return tuple((cell[p], n) for p, n in arcs.items())

    return _Arcs(number, cells(least), cells(t.take), cells(t.put))


def _path(parents: Sequence[int], via: Sequence[int], node: int) -> list[int]:
    path = []
    while parents[node] >= 0:
        path.append(via[node])
        node = parents[node]
    path.reverse()
    return path


class Backwards:
    """What can be covered in a net without inhibitor arcs, asked backwards from each target.

    Args:
        net: The net; it may have reset arcs.
        places: The places behind the cells of the markings that are asked about.
    """

    def __init__(self, net: ArcNet, places: Sequence[int]) -> None:
        assert not any(t.lacks for t in net.transitions.values())
        cell = {p: i for i, p in enumerate(places)}
        self.cell = cell

        def cells(arcs: Mapping[int, int]) -> dict[int, int]:
            return {cell[p]: n for p, n in arcs.items()}

        self.numbers = list(net.transitions)
        self.net = ResetNet(
            len(places),
            [
                Move(
                    take=cells(t.take),
                    put=cells(t.put),
                    needs=cells(t.needs),
                    clear=frozenset(cell[p] for p in t.clear),
                )
                for t in net.transitions.values()
            ],
        )
        self.initial = tuple(net.initial.get(p, 0) for p in places)
        self.left = ALL_BACKWARDS_WORK
        """What the targets that are still to be asked about may cost."""

    def target(self, tokens: Mapping[int, int], work: int = BACKWARDS_WORK) -> Saturation:
        """The question whether so much can be covered."""
        wanted = {self.cell[p]: n for p, n in tokens.items()}
        return Saturation(self.net, wanted, work=work)

    def path(
        self, targets: Iterator[Mapping[int, int]], work: int = BACKWARDS_WORK
    ) -> list[int] | None:
        """The firings that lead to the first target that can be covered; None: none can be.

        Args:
            targets: Tokens by place.
            work: What all of them together may cost.

        Raises:
            OutOfBounds: The work allowed does not suffice to tell.
        """
        for tokens in targets:
            target = self.target(tokens, min(work, self.left))
            moves = target.path(self.initial)
            work -= target.done
            self.left -= target.done
            if moves is not None:
                return [self.numbers[m] for m in moves]
        return None

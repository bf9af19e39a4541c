"""The nets of the benchmarks, as any engine can read them: who takes what and puts what."""

from __future__ import annotations

import random
from array import array
from collections.abc import Sequence

import attrs

from weft.native.image import Arcs, NetImage

__all__ = ["PlainNet", "fork_join", "forks", "kanban", "philosophers", "ring", "rings"]

SEED = 20_060_101


@attrs.frozen
class PlainNet:
    """Places 0 to n-1; per transition the places it takes one token from, and puts one to."""

    name: str
    places: int
    transitions: Sequence[tuple[Sequence[int], Sequence[int]]]
    marking: Sequence[int]

    def shuffled(self) -> PlainNet:
        """The same with its transitions in an order that is nobody's lucky one."""
        transitions = list(self.transitions)
        random.Random(SEED).shuffle(transitions)
        return attrs.evolve(self, transitions=transitions)

    @property
    def image(self) -> NetImage:
        """As the kernel reads it."""
        return NetImage.build(
            places=self.places,
            transitions=[
                Arcs(take=[(p, 1) for p in take], put=[(p, 1) for p in put])
                for take, put in self.transitions
            ],
        )

    @property
    def cells(self) -> array[int]:
        """The first marking."""
        return array("i", self.marking)


def ring(size: int, every: int | None = None) -> PlainNet:
    """Tokens go around: one, or one in ``every`` place."""
    steps = [([i], [(i + 1) % size]) for i in range(size)]
    tokens = [int(i % (every or size) == 0) for i in range(size)]
    name = f"ring of {size}" if every is None else f"ring of {size}, {size // every} tokens"
    return PlainNet(name, size, steps, tokens).shuffled()


def rings(number: int, size: int) -> PlainNet:
    """Rings beside each other, one token in each."""
    steps = [
        ([r * size + i], [r * size + (i + 1) % size]) for r in range(number) for i in range(size)
    ]
    tokens = [int(i % size == 0) for i in range(number * size)]
    return PlainNet(
        f"{number * size} transitions, {number} enabled", number * size, steps, tokens
    ).shuffled()


def fork_join(width: int) -> PlainNet:
    """One token forks into branches of one step each, and they join again, for ever."""
    before, after = range(1, width + 1), range(width + 1, 2 * width + 1)
    steps: list[tuple[Sequence[int], Sequence[int]]] = [([0], before), (after, [0])]
    steps += [([p], [q]) for p, q in zip(before, after, strict=True)]
    return PlainNet(f"fork/join of {width}", 2 * width + 1, steps, [1] + [0] * 2 * width).shuffled()


def forks(width: int) -> PlainNet:
    """Branches that each take one step: 2 ** width markings."""
    steps = [([2 * i], [2 * i + 1]) for i in range(width)]
    return PlainNet(f"{width} branches", 2 * width, steps, [1, 0] * width).shuffled()


def philosophers(number: int) -> PlainNet:
    """Each takes the fork at the left, then that at the right, eats, and puts both down."""
    steps: list[tuple[Sequence[int], Sequence[int]]] = []
    for i in range(number):
        think, one, eat, left, right = (4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3, (4 * i + 7))
        right %= 4 * number
        steps += [([think, left], [one]), ([one, right], [eat]), ([eat], [think, left, right])]
    return PlainNet(f"{number} philosophers", 4 * number, steps, [1, 0, 0, 1] * number).shuffled()


def kanban(cards: int) -> PlainNet:
    """The flexible manufacturing system of Ciardo and Tilgner, with so many cards a cell.

    "On the use of Kronecker operators for the solution of generalized stochastic Petri nets"
    (1996).
    """
    # Each of the four cells: its work, to be done again, done, and its free cards.
    work, again, done, free = 0, 1, 2, 3
    steps: list[tuple[Sequence[int], Sequence[int]]] = []
    for cell in range(4):
        at = 4 * cell
        steps += [
            ([at + work], [at + again]),
            ([at + again], [at + work]),
            ([at + work], [at + done]),
        ]
    steps += [
        ([free], [work]),
        ([done, 4 + free, 8 + free], [free, 4 + work, 8 + work]),
        ([4 + done, 8 + done, 12 + free], [4 + free, 8 + free, 12 + work]),
        ([12 + done], [12 + free]),
    ]
    return PlainNet(f"kanban with {cards} cards", 16, steps, [0, 0, 0, cards] * 4).shuffled()

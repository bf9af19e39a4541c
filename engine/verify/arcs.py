"""A net as the verifier works on it: arcs by number, easy to change and to take apart.

The structural reductions rewrite it, the explorations walk over it. Places and transitions keep
the numbers that they have in their `weft.engine.net.Net`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import attrs

from weft.engine.net import Arc, Net

__all__ = ["ArcNet", "Arcs", "Steps", "flat", "members"]

Steps = int | tuple[str, "Steps", "Steps"]
"""What a transition of a reduced net stands for, in transitions of the net that it came from.

A number is that transition, and -1 none; ``("then", a, b)`` is one after the other; ``("or", a, b)`` is either,
with the same effect.
"""


@attrs.define
class Arcs:
    """One transition: places to weights. ``clear`` has places alone.

    An arc of a place that is taken and put back is a ``needs`` here, so that it counts as what it
    is.
    """

    take: dict[int, int]
    put: dict[int, int]
    needs: dict[int, int] = attrs.field(factory=dict)
    lacks: dict[int, int] = attrs.field(factory=dict)
    clear: frozenset[int] = frozenset()
    steps: Steps = -1

    @property
    def plain(self) -> bool:
        """Whether it only takes and puts."""
        return not (self.needs or self.lacks or self.clear)

    @property
    def key(self) -> tuple[object, ...]:
        """What two transitions have in common that do the same."""
        return (
            frozenset(self.take.items()),
            frozenset(self.put.items()),
            frozenset(self.needs.items()),
            frozenset(self.lacks.items()),
            self.clear,
        )


@attrs.define
class ArcNet:
    """Transitions by number, and the tokens that places start with (those that have any)."""

    places: int
    transitions: dict[int, Arcs]
    initial: dict[int, int]

    @classmethod
    def of(cls, net: Net) -> ArcNet:
        """The arcs of a net; its case-wide arcs count its own places."""
        place = net.place_index
        return cls(
            places=len(net.places),
            transitions={
                i: Arcs(
                    take={place[a.place]: a.weight for a in t.take},
                    put=_summed(place, t.put),
                    needs={place[a.place]: a.weight for a in t.needs},
                    lacks={place[a.place]: a.weight for a in t.lacks},
                    clear=frozenset(place[p] for p in t.clear),
                    steps=i,
                )
                for i, t in enumerate(net.transitions)
            },
            initial={i: p.tokens for i, p in enumerate(net.places) if p.tokens},
        )

    def copy(self) -> ArcNet:
        """A net of its own with the same arcs."""
        return ArcNet(
            self.places,
            {
                i: Arcs(dict(t.take), dict(t.put), dict(t.needs), dict(t.lacks), t.clear, t.steps)
                for i, t in self.transitions.items()
            },
            dict(self.initial),
        )

    @property
    def monotone(self) -> bool:
        """Whether more tokens never disable or take away anything: no inhibitors, no resets."""
        return not any(t.lacks or t.clear for t in self.transitions.values())


def _summed(place: Mapping[str, int], arcs: Iterable[Arc]) -> dict[int, int]:
    weights: dict[int, int] = {}
    for arc in arcs:
        weights[place[arc.place]] = weights.get(place[arc.place], 0) + arc.weight
    return weights


def flat(steps: Steps) -> list[int]:
    """The transitions of one way to take steps, in order."""
    found: list[int] = []
    stack = [steps]
    while stack:
        top = stack.pop()
        if isinstance(top, int):
            if top >= 0:
                found.append(top)
        elif top[0] == "then":
            stack += (top[2], top[1])
        else:
            stack.append(top[1])
    return found


def members(steps: Steps) -> Iterator[int]:
    """All transitions that can be among the steps."""
    stack = [steps]
    while stack:
        top = stack.pop()
        if isinstance(top, int):
            yield top
        else:
            stack += top[1:]

"""Stubborn sets: of all steps from a marking only so many as the answer needs.

A set of transitions is stubborn at a marking if what is outside of it can neither enable nor
disable what is inside before something inside has fired. Firing only its enabled members keeps
all dead markings, and whether from every marking a dead one can be reached (A. Valmari, "Stubborn
Sets for Reduced State Space Generation", 1991; "Stop It, and Be Stubborn!", 2017: a system may
always terminate if and only if its reduced state space may). If it may, every transition that
can fire at all fires in the reduced space as well, since each way to the end is a permutation of
one there. Bounds on tokens are *not* kept.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence

from weft.engine.verify.arcs import ArcNet
from weft.engine.verify.graph import TooLarge
from weft.engine.verify.markings import Markings
from weft.native import kernel

__all__ = ["Stubborn"]

MAX_WORK = 20_000_000
"""So many members of stubborn sets are looked at within an exploration: some fifteen seconds."""


class Stubborn:
    """The markings of a net, with the steps of a stubborn set from each.

    Only for nets without inhibitor, read and reset arcs, where dependence is shared places.
    """

    def __init__(self, net: ArcNet) -> None:
        assert all(t.plain for t in net.transitions.values())
        self.full = Markings(net)
        self.work = 0
        """How many members of stubborn sets have been looked at."""
        self.initial = self.full.initial
        image = self.full.image
        self.take = [image.take.arcs(i) for i in range(image.transitions)]
        takers: list[list[int]] = [[] for _ in range(image.places)]
        self.putters: list[list[int]] = [[] for _ in range(image.places)]
        for i in range(image.transitions):
            put = dict(image.put.arcs(i))
            take = dict(self.take[i])
            for p in take:
                takers[p].append(i)
            for p, n in put.items():
                if n > take.get(p, 0):  # what it only gives back enables nothing
                    self.putters[p].append(i)
        self.rivals = [
            sorted({r for p, _ in self.take[i] for r in takers[p]} - {i})
            for i in range(image.transitions)
        ]

    def stubborn(self, state: bytes, enabled: Sequence[int]) -> list[int]:
        """The enabled members of the smallest stubborn set that one enabled transition begins."""
        best = list(enabled)
        firing = set(enabled)
        for seed in enabled:
            found = self._closed(state, seed, len(best), firing)
            if len(found) < len(best):
                best = found
            if len(best) == 1:
                break
        return best

    def _closed(self, state: bytes, seed: int, limit: int, enabled: set[int]) -> list[int]:
        cells = memoryview(state).cast("i")
        inside, stack, firing = {seed}, [seed], []
        while stack:
            t = stack.pop()
            if t in enabled:
                firing.append(t)
                if len(firing) >= limit:
                    break
                needed = self.rivals[t]
            else:
                # One place that lacks tokens, and whoever could put them there.
                short = (p for p, n in self.take[t] if cells[p] < n)
                needed = self.putters[min(short, key=lambda p: len(self.putters[p]))]
            for u in needed:
                if u not in inside:
                    inside.add(u)
                    stack.append(u)
        self.work += len(inside)
        return firing

    def successors(self, state: bytes) -> Sequence[tuple[int, bytes]]:
        """The firings of a stubborn set.

        Raises:
            TooLarge: The exploration has taken more than `MAX_WORK`.
        """
        if self.work > MAX_WORK:
            raise TooLarge
        full = self.full
        enabled = kernel.enabled_transitions(full.image, state)
        found = []
        for i in self.stubborn(state, enabled) if len(enabled) > 1 else enabled:
            working = array("i", state)
            kernel.fire(full.image, working, i)
            found.append((full.transitions[i], working.tobytes()))
        return found

    def total(self, state: bytes) -> int:
        """All tokens of a marking."""
        return self.full.total(state)

    def grows(self, state: bytes, before: bytes, steps: Callable[[], Sequence[int]]) -> bool:
        """As `Markings.grows`."""
        return self.full.grows(state, before, steps)

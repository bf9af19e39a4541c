"""Instances that are added: for a verifier, so many and no more.

Without a bound a task that is open for more could have ever more instances, and nothing that has
one would ever be found bounded.
"""

from __future__ import annotations

import msgspec

from weft.engine.net import Arc, Net, Place, Role

__all__ = ["ADDED", "adding_bounded"]

ADDED = 2
"""So many instances are added to each task of a scope, over its whole life."""


def adding_bounded(net: Net) -> Net:
    """The net with a place for each transition that adds an instance, from which it takes."""
    adding = [t.name for t in net.transitions if t.role is Role.ADD]
    if not adding:
        return net
    left = {name: Place(f"{name} left", ADDED, resting=True) for name in adding}
    return msgspec.structs.replace(
        net,
        places=(*net.places, *left.values()),
        transitions=tuple(
            msgspec.structs.replace(t, take=(*t.take, Arc(left[t.name].name)))
            if t.name in left
            else t
            for t in net.transitions
        ),
    )

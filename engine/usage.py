"""Which patterns a specification asks for.

A compiled net does not say: fusing its places takes out most transitions that a pattern made.
"""

from __future__ import annotations

from collections.abc import Iterator

from weft.engine.registry import Pattern, Registry
from weft.schema.specification import Specification, Use

__all__ = ["patterns_used", "uses_of"]


def uses_of(specification: Specification) -> Iterator[Use]:
    """Every use of a pattern or connector in a specification."""
    for net in specification.nets.values():
        yield from net.uses
        yield from (place.then for place in net.places.values() if place.then is not None)
        for task in net.tasks.values():
            yield from task.uses
            yield from (u for u in (task.join, task.then, task.on_failure) if u is not None)


def patterns_used(specification: Specification, registry: Registry) -> list[Pattern]:
    """The patterns that a specification asks for, in the order of the catalogue."""
    uses = list(uses_of(specification))
    names = {p.key for use in uses if (p := registry.meant(use.name, use.argument)) is not None}
    # A name alone may be that of a pattern: `then: explicit-termination`.
    names |= {
        use.argument
        for use in uses
        if use.name == "sequence" and isinstance(use.argument, str)
        if not any(
            use.argument in net.tasks or use.argument in net.places
            for net in specification.nets.values()
        )
    }
    used = (pattern for name in names if (pattern := registry.find(name)) is not None)
    return sorted(used, key=lambda p: (p.id or 99, p.key))

"""Patterns that other distributions bring, found by the entry points of the group `weft.patterns`.

    [project.entry-points."weft.patterns"]
    four-eyes = "acme.patterns:four_eyes"

An entry point names a function that is marked as a pattern, or a tuple of such functions. It goes
through the same door as the patterns of Weft, and is loaded only when a specification asks for
something that is not here, or somebody wants to see the catalogue.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from weft.engine.fragment import Fragment
from weft.engine.registry import INTERFACE, Registry
from weft.patterns import EXECUTORS

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["GROUP", "installed"]

GROUP = "weft.patterns"
"""The group of the entry points."""

Brought = tuple[str, Callable[..., Fragment] | None, str]


def installed() -> Registry:
    """A new registry with the patterns of Weft and those of other installed distributions.

    A distribution that cannot be loaded is named in its `Registry.faults`, and its patterns are
    missing; nothing else changes.
    """
    return Registry(EXECUTORS, others=_brought)


@functools.cache
def _brought() -> tuple[Brought, ...]:
    from importlib.metadata import entry_points  # slow to import, and seldom wanted

    points = sorted(entry_points(group=GROUP), key=lambda p: (_distribution(p), p.name))
    return tuple(one for point in points for one in _loaded(point))


def _distribution(point: EntryPoint) -> str:
    return (
        "an unnamed distribution"
        if point.dist is None
        else f"{point.dist.name} {point.dist.version}"
    )


def _loaded(point: EntryPoint) -> Iterator[Brought]:
    package = f"{_distribution(point)} ({point.name} = {point.value})"
    try:
        found: Any = point.load()
        executors = found if isinstance(found, tuple | list) else (found,)
        for executor in executors:
            wrong = _unfit(executor)
            yield package, None if wrong else executor, wrong
    except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever foreign code may do
        yield package, None, f"it cannot be loaded: {type(error).__name__}: {error}"


def _unfit(executor: Any) -> str:
    """Why something cannot be a pattern here; empty if it may be one."""
    if not callable(executor):
        return f"it is no function, nor a tuple of functions: {executor!r:.100}"
    module = sys.modules.get(getattr(executor, "__module__", None) or "")
    interface = getattr(module, "WEFT_PATTERNS", 1)
    if interface != INTERFACE:
        return (
            f"it is written for version {interface!r} of the interface of patterns; this Weft "
            f"has version {INTERFACE}"
        )
    return ""

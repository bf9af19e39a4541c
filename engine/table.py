"""A table from id to value, cheap to change when small and when large, in the order of insertion.

Up to `SMALL` entries it is a plain dict that is copied on change (0.2 µs for thirty entries, 3 µs
for a thousand); beyond that a persistent map, which shares what does not change. Readers see a `Mapping` either
way, and in either form it is read in the order in which its keys came: what an engine does to
several entries must not hang on how their names are hashed, or the same seed would give another
journal in another process. Who only asks whether there is such an entry reads `unordered`. Nobody changes a table in place: `change` gives a working copy,
`settle` freezes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from pyrsistent import PMap

__all__ = ["SMALL", "change", "settle", "unordered"]

SMALL = 512
"""The most entries that are kept in a plain dict."""

K = TypeVar("K")
V = TypeVar("V")


class _Large(Mapping[K, V]):
    """A persistent map that knows the order of its keys; made and changed by `_Working` alone.

    Each value carries the number under which its key came in. Looking up and changing cost the
    same as in the map beneath; reading all of it sorts by those numbers.
    """

    __slots__ = ("_entries", "_next")

    def __init__(self, entries: PMap[K, tuple[int, V]], following: int) -> None:
        self._entries = entries
        self._next = following

    def __getitem__(self, key: K) -> V:
        return self._entries[key][1]

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __iter__(self) -> Iterator[K]:
        numbered = [(number, key) for key, (number, _) in self._entries.items()]
        numbered.sort(key=lambda entry: entry[0])
        return iter([key for _, key in numbered])

    def __repr__(self) -> str:
        return repr(dict(self))

    __hash__ = None  # type: ignore[assignment]  # like dict, though it cannot be changed

    def unordered(self) -> Iterator[V]:
        """The values as they come."""
        return (value for _, value in self._entries.values())

    def working(self) -> _Working[K, V]:
        """A copy to change."""
        return _Working(self._entries, self._next)


class _Working(MutableMapping[K, V]):
    """A large table under change: pyrsistent's evolver with the face of a dict."""

    def __init__(self, entries: PMap[K, tuple[int, V]], following: int) -> None:
        self._evolver = entries.evolver()
        self._next = following

    def __getitem__(self, key: K) -> V:
        return self._evolver[key][1]

    def __setitem__(self, key: K, value: V) -> None:
        try:
            number = self._evolver[key][0]
        except KeyError:
            number, self._next = self._next, self._next + 1
        self._evolver[key] = (number, value)

    def __delitem__(self, key: K) -> None:
        del self._evolver[key]

    def __len__(self) -> int:
        return len(self._evolver)

    def __iter__(self) -> Iterator[K]:
        return iter(self.large())

    def large(self) -> _Large[K, V]:
        """The table as it is now."""
        return _Large(self._evolver.persistent(), self._next)

    def settled(self) -> Mapping[K, V]:
        """The table that this copy has become; one that has shrunk far is a dict again."""
        large = self.large()
        return dict(large) if len(large) <= SMALL // 2 else large


def change(table: Mapping[K, V]) -> MutableMapping[K, V]:
    """A working copy of a table; the table itself stays as it is."""
    if type(table) is dict:  # at once: asking for an instance of an abstract class takes longer
        return dict(table)
    return table.working() if isinstance(table, _Large) else dict(table)


def unordered(table: Mapping[K, V]) -> Iterable[V]:
    """The values of a table, or of a working copy, in no order; the first ones come at once."""
    if type(table) is dict:
        return table.values()
    if isinstance(table, _Working):
        table = table.large()
    return table.unordered() if isinstance(table, _Large) else table.values()


def settle(working: MutableMapping[K, V]) -> Mapping[K, V]:
    """The table that a working copy has become; the copy must not be used again."""
    if type(working) is not dict and isinstance(working, _Working):
        return working.settled()
    if len(working) <= SMALL:
        return working
    from pyrsistent import pmap  # few cases have a large table, and it takes a while to import

    numbered = {key: (number, value) for number, (key, value) in enumerate(working.items())}
    return _Large(pmap(numbered), len(numbered))

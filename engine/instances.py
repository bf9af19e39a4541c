"""The instances of a multiple-instance task: their items, their results, and which are to start.

How many there are is counted in the net; who they are stands here, beside it. An instance has a
number that is never used again in its scope; its *index* is its place in its activation, from 0.
Instances begin in the order of their numbers, and results are read in that order, whatever the
order in which they came.

The value follows the tokens: ``ready`` holds a token for each instance that has not started, so
each of those is either *waiting* here or stands in an offered work item.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from weft.engine.table import change, settle

__all__ = ["INDEX", "RESULT_NAMES", "Instances", "Listing"]

INDEX = "index"
"""The variable that tells an instance its index."""

RESULT_NAMES = ("results", "indices", "completed")
"""What conditions and outputs see of an activation: the results there are, in the order of their
instances; the indexes of those instances; and how many there are."""


class Listing(msgspec.Struct, frozen=True, omit_defaults=True):
    """The instances with which an activation began: their first number, and an item for each.

    No items: they were only counted.
    """

    first: int
    items: list[Any] | None = None


class Instances(msgspec.Struct, frozen=True, omit_defaults=True):
    """The instances of one task in one scope: an immutable value.

    Args:
        count: How many there have ever been: the number of the next one.
        floor: Instances with smaller numbers are gone; an offer of one of them is stale.
        next: The smallest number that has neither been started nor offered.
        back: Smaller ones whose offers were withdrawn, ascending.
        lists: The activations that have instances, oldest first.
        added: Number to item, of instances that were added.
        results: Number to result, of the instances of this activation that are done.
    """

    count: int = 0
    floor: int = 0
    next: int = 0
    back: tuple[int, ...] = ()
    lists: tuple[Listing, ...] = ()
    added: Mapping[int, Any] = {}
    results: Mapping[int, Any] = {}

    def entered(self, number: int, items: list[Any] | None, *, beside: bool) -> Instances:
        """An activation begins with so many instances; ``beside`` those that are still alive."""
        first = self.count
        began = Listing(first, items)
        if beside:
            return msgspec.structs.replace(self, count=first + number, lists=(*self.lists, began))
        return Instances(first + number, floor=first, next=first, lists=(began,))

    @property
    def waiting(self) -> int | None:
        """The instance that starts, or is offered, next; None: none waits."""
        if self.back:
            return self.back[0]
        return self.next if self.next < self.count else None

    def taken(self, number: int) -> Instances:
        """An instance is started or offered.

        Raises:
            ValueError: It is not the one that waits.
        """
        if number != self.waiting:
            raise ValueError(f"instance {number} cannot begin: {self.waiting} is the next")
        if self.back:
            return msgspec.structs.replace(self, back=self.back[1:])
        return msgspec.structs.replace(self, next=number + 1)

    def given_back(self, number: int) -> Instances:
        """The offer of an instance was withdrawn: it waits again, unless it is gone."""
        if number < self.floor:
            return self
        back = list(self.back)
        insort(back, number)
        return msgspec.structs.replace(self, back=tuple(back))

    def joined(self, item: Any) -> Instances:
        """One more instance, with its item."""
        added = change(self.added)
        added[self.count] = item
        return msgspec.structs.replace(self, count=self.count + 1, added=settle(added))

    def emptied(self) -> Instances:
        """Nothing waits to start any more: the place of what is ready was cleared."""
        return msgspec.structs.replace(self, floor=self.count, next=self.count, back=())

    def finished(self, number: int, result: Any) -> Instances:
        """An instance has its result."""
        results = change(self.results)
        results[number] = result
        return msgspec.structs.replace(self, results=settle(results))

    def collected(self) -> Instances:
        """The results have been written where they belong."""
        return msgspec.structs.replace(self, results={})

    def listing(self, number: int) -> Listing:
        """The activation to which an instance belongs.

        Raises:
            LookupError: It is long gone.
        """
        for listing in reversed(self.lists):
            if listing.first <= number:
                return listing
        raise LookupError(f"there is no instance {number}")

    def index(self, number: int) -> int:
        """The place of an instance in its activation, from 0."""
        return number - self.listing(number).first

    def item(self, number: int) -> Any:
        """The item of an instance; None when it has none."""
        if number in self.added:
            return self.added[number]
        listing = self.listing(number)
        return None if listing.items is None else listing.items[number - listing.first]

    def ordered(self) -> list[Any]:
        """The results there are, in the order of their instances."""
        return [self.results[number] for number in sorted(self.results)]

    def facts(self, names: Collection[str]) -> dict[str, Any]:
        """Those of `RESULT_NAMES` that are asked for."""
        facts: dict[str, Any] = {}
        if "results" in names:
            facts["results"] = self.ordered()
        if "indices" in names:
            facts["indices"] = [self.index(number) for number in sorted(self.results)]
        if "completed" in names:
            facts["completed"] = len(self.results)
        return facts

    def plain(self) -> Instances:
        """The same with its tables as plain dicts, for storing."""
        return msgspec.structs.replace(self, added=dict(self.added), results=dict(self.results))

    def settled(self) -> Instances:
        """The same with its tables cheap to change, after reading."""
        return msgspec.structs.replace(
            self, added=settle(dict(self.added)), results=settle(dict(self.results))
        )

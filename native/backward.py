"""What a search for coverability, backwards, is given and gives, from either kernel."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from operator import index
from typing import TYPE_CHECKING, Protocol

import attrs

from weft.native.image import CELL_MAX, Relation, checked_relation, relation_of

if TYPE_CHECKING:
    from weft.native.reference import Marking

__all__ = ["Limits", "OutOfBounds", "Saturation"]


class OutOfBounds(Exception):
    """The question could not be answered within the bound of work or of memory."""


@attrs.frozen(eq=False)
class Limits:
    """Weighted sums of tokens that no marking in question passes.

    Args:
        places: How many places there are.
        rows: The places and weights of sum 0, 1, and so on; each ascends by place.
        totals: What each sum is at most, 0 to `CELL_MAX`.

    Raises:
        ValueError: A place that is not one of these or is named twice, a weight that is not 1 to
            `CELL_MAX`, a total that is not 0 to that, arrays that do not fit each other.
    """

    places: int
    rows: Relation
    totals: Sequence[int]

    def __attrs_post_init__(self) -> None:
        """Check and freeze: the kernels index with what stands here."""
        totals = [index(total) for total in self.totals]
        for limit, total in enumerate(totals):
            if not 0 <= total <= CELL_MAX:
                raise ValueError(f"the total of limit {limit} is 0 to {CELL_MAX}, not {total}")
        rows = checked_relation("limits", self.rows, self.places, len(totals), lightest=1)
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "totals", memoryview(array("i", totals)).toreadonly())

    @classmethod
    def build(
        cls, *, places: int, sums: Iterable[tuple[Iterable[tuple[int, int]], int]] = ()
    ) -> Limits:
        """Limits from plain pairs: ``(place, weight)`` in any order, and the total."""
        given = [(sorted(row), total) for row, total in sums]
        return cls(places, relation_of([row for row, _ in given]), [total for _, total in given])


class Saturation(Protocol):
    """The markings from which a target can be covered, found as far as they are asked for.

    What is found, and in which order, does not depend on the markings that are asked about; so
    neither does an answer, nor that there is none, depend on what was asked before. Threads may
    share one; they take turns.
    """

    @property
    def done(self) -> int:
        """The work so far: comparisons of markings, and what keeping them counts as."""
        ...

    def path(self, marking: Marking, work: int) -> Sequence[int] | None:
        """The transitions by which the target can be covered from a marking; None: it cannot.

        Raises:
            OutOfBounds: As much work as this, all questions together, does not suffice to tell,
                or ``max_bytes`` do not.
            TypeError: Not a buffer of int32 or bytes.
            ValueError: A marking that has not one cell for each place.
        """
        ...

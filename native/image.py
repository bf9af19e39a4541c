"""The image of a net: its arcs as flat arrays of 32-bit integers, checked once, then frozen.

Places are 0 to n-1 and transitions 0 to m-1. Each kind of arc is a `Relation`, in compressed
sparse rows: the arcs of transition ``t`` stand at ``start[t]`` to ``start[t + 1] - 1``::

    take.start   0     2  3        transition 0 takes 1 from place 0 and 2 from place 4,
    take.place   0  4  1           transition 1 takes 1 from place 1
    take.weight  1  2  1

Whatever the kernels index with comes from here and has been checked here, so neither of them
tests a bound in its loops.

A marking is a buffer of 32-bit integers, one cell a place: ``array('i')`` while it is worked on,
``bytes`` when it is frozen. No cell is negative or above `CELL_MAX`.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, pairwise
from operator import index
from typing import TYPE_CHECKING, Any, Final

import attrs

__all__ = ["CELL_MAX", "Arcs", "NetImage", "Relation", "checked_relation", "relation_of"]

CELL_MAX: Final = 2**31 - 1
"""The most tokens a place can hold, and the heaviest weight."""

_TOUCHED_MAX: Final = 2**18
"""How many entries of `NetImage.touched` are remembered; a hub place could make m * m of them."""


_ARRAYS: Final = frozenset(
    {"external", "take", "put", "needs", "lacks", "clear", "touch_start", "touch", "sources"}
)
"""The attributes of a `NetImage` that the arrays of a file give."""


@attrs.frozen
class Arcs:
    """The arcs of one transition, as plain pairs ``(place, weight)``; ``clear`` has places alone.

    A ``put`` of weight 0 is *counted*: how many tokens it puts is given at each firing, for all
    counted arcs of the transition in the order in which they stand in ``put``.
    An ``external`` transition fires by command only; any other one is *immediate*.
    """

    take: Sequence[tuple[int, int]] = ()
    put: Sequence[tuple[int, int]] = ()
    needs: Sequence[tuple[int, int]] = ()
    lacks: Sequence[tuple[int, int]] = ()
    clear: Sequence[int] = ()
    external: bool = False


@attrs.frozen(eq=False)
class Relation:
    """All arcs of one kind: ``start[m + 1]``, ``place[]`` and ``weight[]`` (none for ``clear``).

    Any sequences of integers will do to make one; those of a `NetImage` are read-only int32 views.
    """

    start: Sequence[int]
    place: Sequence[int]
    weight: Sequence[int] = ()

    def row(self, transition: int) -> range:
        """Where the arcs of a transition stand in ``place`` and ``weight``."""
        return range(self.start[transition], self.start[transition + 1])

    def arcs(self, transition: int) -> list[tuple[int, int]]:
        """The arcs of a transition as pairs ``(place, weight)``; not for ``clear``."""
        return [(self.place[k], self.weight[k]) for k in self.row(transition)]

    def __reduce__(self) -> tuple[Any, ...]:
        """Views cannot be pickled; the integers can."""
        return Relation, (list(self.start), list(self.place), list(self.weight))


def _flags(external: Iterable[object]) -> bytes:
    """One byte a transition: 1 for what is true."""
    return bytes(map(bool, external))


def _int32(numbers: Iterable[int]) -> memoryview:
    """A read-only view of 32-bit integers that nobody else can write to."""
    return memoryview(array("i", numbers)).toreadonly()


@attrs.frozen(eq=False, kw_only=True, repr=False)
class NetImage:
    """A net as both kernels read it. It never changes; an image equals only itself.

    Attributes:
        places: How many places there are, n.
        transitions: How many transitions there are, m.
        external: m bytes, 1 where the transition is external.
        take, put, needs, lacks, clear: The five relations. Rows ascend by place, each place
            once; the rows of ``put`` stand as they were given, and there weights add up.
        touch_start, touch: For each place the transitions whose enabledness reads it (that take,
            need or lack it), ascending, each once; rows as in a `Relation`, by place.
        sources: The transitions that take and need nothing, ascending: no token announces them.
        counted_immediate: The first immediate transition with a counted put, or -1.
        compiled: The compiled kernel's pointers into these arrays, once it has seen them.

    Raises:
        ValueError: An index out of range, a weight that is not 1 to `CELL_MAX` (0 for a counted
            put), a row out of order, or arrays whose lengths do not fit each other.
    """

    places: int = attrs.field(converter=index)
    external: bytes = attrs.field(converter=_flags)
    take: Relation
    put: Relation
    needs: Relation
    lacks: Relation
    clear: Relation
    transitions: int = attrs.field(init=False)
    touch_start: Sequence[int] = attrs.field(init=False)
    touch: Sequence[int] = attrs.field(init=False)
    sources: Sequence[int] = attrs.field(init=False)
    counted_immediate: int = attrs.field(init=False)
    compiled: object = attrs.field(init=False, default=None)
    _touched: dict[tuple[int, bool], tuple[int, ...]] = attrs.field(init=False, factory=dict)
    _touched_size: int = attrs.field(init=False, default=0)
    _arrays: Callable[[], dict[str, object]] | None = attrs.field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        """Check and freeze the relations; derive the rest."""
        n, m = self.places, len(self.external)
        if not 0 <= n <= CELL_MAX:
            raise ValueError(f"a net has 0 to {CELL_MAX} places, not {n}")
        self._set(
            transitions=m,
            take=checked_relation("take", self.take, n, m, lightest=1),
            put=checked_relation("put", self.put, n, m, lightest=0, ascending=False),
            needs=checked_relation("needs", self.needs, n, m, lightest=1),
            lacks=checked_relation("lacks", self.lacks, n, m, lightest=1),
            clear=checked_relation("clear", self.clear, n, m, lightest=None),
        )
        readers: list[list[int]] = [[] for _ in range(n)]
        for t in range(m):
            for p in {r.place[k] for r in (self.take, self.needs, self.lacks) for k in r.row(t)}:
                readers[p].append(t)
        counted = (t for t in range(m) if not self.external[t] and self.counted(t))
        self._set(
            touch_start=_int32(accumulate(map(len, readers), initial=0)),
            touch=_int32(t for row in readers for t in row),
            sources=_int32(t for t in range(m) if not (self.take.row(t) or self.needs.row(t))),
            counted_immediate=next(counted, -1),
        )

    def _set(self, **fields: object) -> None:
        """Set fields of a frozen image: while it is made, and for what it remembers."""
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    @classmethod
    def build(cls, *, places: int, transitions: Iterable[Arcs]) -> NetImage:
        """An image from plain lists: the arcs of transition 0, 1, and so on, in any order.

        Raises:
            ValueError: As the constructor does; also when one transition has two arcs of one
                kind (``put`` apart) with the same place.
        """
        arcs = list(transitions)
        return cls(
            places=places,
            external=[a.external for a in arcs],
            take=relation_of([sorted(a.take) for a in arcs]),
            put=relation_of([a.put for a in arcs]),
            needs=relation_of([sorted(a.needs) for a in arcs]),
            lacks=relation_of([sorted(a.lacks) for a in arcs]),
            clear=Relation(
                start=list(accumulate((len(a.clear) for a in arcs), initial=0)),
                place=[p for a in arcs for p in sorted(a.clear)],
            ),
        )

    @classmethod
    def of_checked(
        cls,
        *,
        places: int,
        transitions: int,
        counted_immediate: int,
        arrays: Callable[[], dict[str, object]],
        compiled: object = None,
    ) -> NetImage:
        """An image over arrays that somebody has checked and derived already; nothing is copied.

        ``arrays`` gives them by the names of the attributes, and is called when the first of them
        is asked for: the compiled kernel, which has its pointers, asks for none.
        """
        self = cls.__new__(cls)
        self._set(
            places=places,
            transitions=transitions,
            counted_immediate=counted_immediate,
            compiled=compiled,
            _touched={},
            _touched_size=0,
            _arrays=arrays,
        )
        return self

    if not TYPE_CHECKING:  # there is nothing that it would not know

        def __getattr__(self, name):
            """What is not there: the arrays of an image that nobody has asked for them yet."""
            if name not in _ARRAYS or self._arrays is None:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            self._set(**self._arrays())
            return object.__getattribute__(self, name)

    def counted(self, transition: int) -> tuple[int, ...]:
        """The places of a transition's counted puts, in the order in which counts are given."""
        return tuple(p for p, weight in self.put.arcs(transition) if weight == 0)

    def touched(self, transition: int, *, immediate: bool = False) -> tuple[int, ...]:
        """The transitions whose enabledness may change by firing one; ascending, each once.

        A place that gets back by ``put`` what was taken from it does not count as changed.
        With ``immediate`` only the immediate ones are given.
        Worked out when first asked for and then remembered (up to a bound), since all rows
        together may be as long as the square of the number of transitions.
        """
        key = (transition, immediate)
        known = self._touched.get(key)
        if known is not None:
            return known
        found: set[int] = set()
        for p in self._changed(transition):
            found.update(self.touch[self.touch_start[p] : self.touch_start[p + 1]])
        row = tuple(sorted(t for t in found if not (immediate and self.external[t])))
        size = self._touched_size + len(row)
        if size > _TOUCHED_MAX:
            self._touched.clear()
            size = len(row)
        self._set(_touched_size=size)
        self._touched[key] = row
        return row

    def _changed(self, transition: int) -> set[int]:
        """The places whose cell may differ after a firing."""
        change = {p: -weight for p, weight in self.take.arcs(transition)}
        for p, weight in self.put.arcs(transition):
            change[p] = change.get(p, 0) + weight
        maybe = {self.clear.place[k] for k in self.clear.row(transition)}
        return {p for p, by in change.items() if by} | maybe | set(self.counted(transition))

    def __repr__(self) -> str:
        return f"<NetImage: {self.places} places, {self.transitions} transitions>"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as what it was made from; the rest is derived again."""
        return _restored, (
            self.places,
            self.external,
            (self.take, self.put, self.needs, self.lacks, self.clear),
        )


def _restored(places: int, external: bytes, relations: tuple[Relation, ...]) -> NetImage:
    """The image that `NetImage.__reduce__` took apart."""
    take, put, needs, lacks, clear = relations
    return NetImage(
        places=places,
        external=external,
        take=take,
        put=put,
        needs=needs,
        lacks=lacks,
        clear=clear,
    )


def relation_of(rows: Sequence[Sequence[tuple[int, int]]]) -> Relation:
    """The rows of all transitions, one after the other."""
    return Relation(
        start=list(accumulate(map(len, rows), initial=0)),
        place=[place for row in rows for place, _ in row],
        weight=[weight for row in rows for _, weight in row],
    )


def checked_relation(
    kind: str,
    relation: Relation,
    places: int,
    transitions: int,
    *,
    lightest: int | None,
    ascending: bool = True,
) -> Relation:
    """A frozen copy of a relation that is in order; ``lightest`` is None when it has no weights."""
    # A copy first: what is checked must be what is kept.
    start, place, weight = ([index(i) for i in x] for x in attrs.astuple(relation, recurse=False))
    if len(start) != transitions + 1 or start[0] != 0 or start[-1] != len(place):
        raise ValueError(
            f"{kind}.start must lead from 0 to {len(place)} in {transitions + 1} entries "
            f"(one a transition and one more), but it has {len(start)}: "
            f"{start[:1]} to {start[-1:]}"
        )
    if any(a > b for a, b in pairwise(start)):
        raise ValueError(f"{kind}.start must not descend")
    if len(weight) != (0 if lightest is None else len(place)):
        raise ValueError(f"{kind} has {len(place)} places and {len(weight)} weights")
    for t in range(transitions):
        before = -1
        for k in range(start[t], start[t + 1]):
            p = place[k]
            if not 0 <= p < places:
                raise ValueError(
                    f"{kind} of transition {t}: place {p} is not one of the net's {places} places"
                )
            if lightest is not None and not lightest <= weight[k] <= CELL_MAX:
                raise ValueError(
                    f"{kind} of transition {t}, place {p}: weight {weight[k]} is not "
                    f"{lightest} to {CELL_MAX}"
                )
            if ascending and p <= before:
                raise ValueError(
                    f"{kind} of transition {t}: place {p} stands after place {before}; "
                    "places must ascend, each once"
                )
            before = p
    return Relation(_int32(start), _int32(place), _int32(weight))

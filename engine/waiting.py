"""Why a join waits: which token can still reach which of its inputs, and by which path.

A transition that takes from several places is a join. It waits when some of its inputs are marked
and it may not fire: an OR-join for what can still come (`weft.engine.orjoin`), any other join for
what it lacks. For each empty input this says how it can be marked, by the same search as decides
OR-joins; so a join that waits for ever is seen: nothing can come to one of its inputs any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from weft.engine import orjoin
from weft.engine.case import CaseState
from weft.engine.coverability import DEFAULT_WORK
from weft.engine.lifecycle import CaseStatus
from weft.engine.net import Net, Transition

__all__ = ["WaitingJoin", "join_name", "waiting_for_each_other", "waiting_joins"]


@attrs.frozen
class WaitingJoin:
    """A join that waits for one of its empty inputs.

    Args:
        join: The task that the join stands at.
        scope: The scope that it waits in.
        input: The place that is empty.
        token_in: The place of a token that can still reach the input; None: no token can, or the
            answer is not known.
        path: The transitions that fire on the way, in their order. They can really fire, but for
            guards, which are taken to hold.
        known: False: the net is too large to tell within the bound.
    """

    join: str
    scope: int
    input: str
    token_in: str | None = None
    path: tuple[str, ...] = ()
    known: bool = True


def waiting_joins(case: CaseState, *, work: int = DEFAULT_WORK) -> Sequence[WaitingJoin]:
    """The joins of a case that wait, one entry for each empty input that matters.

    An OR-join waits only for inputs that can still be marked. Any other join needs all its
    inputs; where nothing can come to one, ``token_in`` is None.
    """
    found: dict[tuple[int, str, str], WaitingJoin] = {}
    if case.status in (CaseStatus.COMPLETED, CaseStatus.CANCELLED):
        return ()
    for number, scope in case.scopes.items():
        net = case.net(number)
        cells = memoryview(scope.marking).cast("i") if scope.marking else ()
        alone = net.name in case.compiled.alone
        for t, transition in enumerate(net.transitions):
            for told in _waits(net, cells, t, transition, number, alone=alone, work=work):
                found.setdefault((told.scope, told.join, told.input), told)
    return tuple(found.values())


def _waits(
    net: Net,
    cells: Sequence[int],
    t: int,
    transition: Transition,
    scope: int,
    *,
    alone: bool,
    work: int,
) -> list[WaitingJoin]:
    inputs = orjoin.inputs_of(net, t)
    empty = [name for name in inputs if not cells[net.place_index[name]]]
    if len(inputs) < 2 or not empty or len(empty) == len(inputs):
        return []
    join = join_name(transition)
    try:
        coming = {a.input: a for a in orjoin.arrivals(net, cells, t, alone=alone, work=work)}
    except orjoin.Undecided:
        return [WaitingJoin(join, scope, name, known=False) for name in empty]
    if transition.or_join is not None:
        empty = [name for name in empty if name in coming]
    return [
        WaitingJoin(join, scope, name, told.token_in, told.path)
        if (told := coming.get(name)) is not None
        else WaitingJoin(join, scope, name)
        for name in empty
    ]


def join_name(transition: Transition) -> str:
    """The task that a join stands at, as its author called it."""
    return transition.task or transition.name.partition(".")[0]


def waiting_for_each_other(
    net: Net, marking: Sequence[int], *, alone: bool = True, work: int = DEFAULT_WORK
) -> list[tuple[str, ...]]:
    """OR-joins that wait for each other: each for a token that another of them would send.

    Such a group waits for ever where nothing else can go on: each takes the others as XOR-joins,
    which they are not. Each group is given once, by the tasks that its joins stand at.

    Raises:
        Undecided: The net is too large to tell within the bound.
    """
    waits: dict[str, set[str]] = {}
    for t, transition in net.or_joins.items():
        told = orjoin.arrivals(net, marking, t, alone=alone, work=work)
        if told:
            waits[transition.name] = {name for arrival in told for name in arrival.path}
    for name, needed in waits.items():
        waits[name] = needed & waits.keys()
    groups: dict[frozenset[str], None] = {}
    for name in waits:
        ahead = _ahead(waits, name)
        group = frozenset({n for n in ahead if name in _ahead(waits, n)})
        if group:
            groups[group | {name}] = None
    names = {t.name: join_name(t) for t in net.or_joins.values()}
    return [tuple(dict.fromkeys(names[n] for n in waits if n in group)) for group in groups]


def _ahead(waits: Mapping[str, set[str]], name: str) -> set[str]:
    """What a join waits for, directly or not."""
    seen, queue = set(waits[name]), list(waits[name])
    for at in queue:
        new = waits[at] - seen
        seen |= new
        queue += new
    return seen

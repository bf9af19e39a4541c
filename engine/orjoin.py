"""When an OR-join may fire: the rule of the general synchronizing merge (WCP-38).

An OR-join takes one token from each marked input. It is enabled when some input is marked and no
empty input can still be marked without it. The rule, in full:

- One token of each marked input is *set aside*: it can be read and cleared and still inhibits, but
  nobody takes it. All else moves freely.
- Other OR-joins are taken as XOR-joins: one marked input is enough for them.
- Guards are ignored, and a count that depends on data is zero to many.
- ``lacks`` counts exactly, on places whose bound is proven; on any other place it is ignored.
- External sources (transitions that take and need nothing: triggers) do not fire. The places that
  they fill, their stores, count as full for a transition that also takes from another place.
- Case-wide arcs are ignored, but in a net of which only one scope can live.

So it may wait longer than somebody who could see the future would, and never fires early.

The question is one of coverability in a reset net: M. T. Wynn, D. Edmond, W. M. P. van der Aalst,
A. H. M. ter Hofstede, "Achieving a General, Formal and Decidable Approach to the OR-Join in
Workflow Using Reset Nets" (ICATPN 2005). Setting tokens aside is ours: that paper asks whether a
marking with more marked inputs can be covered, which fires early where a sibling clears one input
and marks another.

Everything here is pure. What has been found out about a net is remembered with the net, and says
the same as asking again would.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

import msgspec

from weft.engine.coverability import (
    ANY,
    DEFAULT_WORK,
    Move,
    OutOfBounds,
    ResetNet,
    Saturation,
    cover,
)
from weft.engine.net import Arc, MergeRule, Net, OrJoin, Outcome, Transition
from weft.native import kernel
from weft.native.image import CELL_MAX, Arcs, NetImage

__all__ = [
    "Arrival",
    "Undecided",
    "arrivals",
    "enabled",
    "enabled_joins",
    "fire",
    "inputs_of",
    "taken",
]

MOST_MARKINGS = 3000
"""So many markings are looked at to prove a bound on the places that are lacked."""

LITTLE_WORK = 20_000
"""The work of a first search backwards, before anything else is tried."""

MOST_SATURATIONS = 64
"""So many searches of one OR-join are kept for the next question."""

MOST_ANSWERS = 4096
"""So many answers of one OR-join are remembered."""

Marking = Sequence[int]


class Undecided(Exception):
    """Whether an OR-join may fire could not be told within the bound of work."""

    def __init__(self, join: str, work: int) -> None:
        super().__init__(
            f"whether the OR-join {join!r} may go on could not be told by {work:,} comparisons of "
            "markings: the net before it has too many states"
        )
        self.join = join
        self.work = work


class Arrival(msgspec.Struct, frozen=True):
    """How an empty input of a waiting OR-join can still be marked.

    ``token_in`` is the place of the token that reaches it; ``path`` names the transitions that
    fire, in their order.
    """

    input: str
    token_in: str
    path: tuple[str, ...]


# ── enabling and firing ──────────────────────────────────────────────────────────────────────


def enabled(
    net: Net, marking: Marking, t: int, *, alone: bool = False, work: int = DEFAULT_WORK
) -> bool:
    """Whether OR-join ``t`` may fire: its arcs allow it, and nothing more can come.

    Args:
        net: The net.
        marking: The tokens of each place.
        t: The index of the OR-join.
        alone: Whether no second scope of the net can live, so that case-wide arcs are local.
        work: The bound of work of one question (see `Saturation`).

    Raises:
        Undecided: The bound was reached.
    """
    question = _question(net, t, alone)
    if not any(marking[p] for p in question.inputs) or not kernel.enabled(
        question.rest, array("i", marking), 0
    ):
        return False
    return not question.waits(marking, work)


def enabled_joins(
    net: Net, marking: Marking, *, alone: bool = False, work: int = DEFAULT_WORK
) -> list[int]:
    """The OR-joins of a net that may fire, in the order in which they are tried; see `enabled`."""
    return [t for t in net.or_joins if enabled(net, marking, t, alone=alone, work=work)]


def arrivals(
    net: Net, marking: Marking, t: int, *, alone: bool = False, work: int = DEFAULT_WORK
) -> list[Arrival]:
    """Why join ``t`` waits: how each empty input can still be marked; none if it does not wait.

    It need not be an OR-join: any transition that takes from several places can be asked about.
    An OR-join by the structural rule has tokens that may come, and no firings.

    Raises:
        Undecided: The bound was reached.
    """
    question = _question(net, t, alone)
    if not any(marking[p] for p in question.inputs):
        return []
    return list(question.arrivals(marking, work))


def inputs_of(net: Net, t: int) -> tuple[str, ...]:
    """The places in which a join waits for threads: its inputs, bookkeeping left out."""
    transition = net.transitions[t]
    if transition.or_join is not None:
        return transition.or_join.inputs
    places = net.place_index
    taken = (arc.place for arc in transition.take)
    return tuple(name for name in taken if not net.places[places[name]].resting)


def taken(net: Net, marking: Marking, transition: Transition) -> dict[str, int]:
    """What firing a transition takes from each place; an OR-join, one of each marked input."""
    found = {arc.place: arc.weight for arc in transition.take}
    if transition.or_join is not None:
        place = net.place_index
        found |= {name: 1 for name in transition.or_join.inputs if marking[place[name]]}
    return found


def fire(net: Net, marking: array[int], t: int, counts: Sequence[int] = ()) -> None:
    """Fire OR-join ``t``, in place: its inputs as they are marked, then its other arcs.

    Its rule is not asked again: that was decided when it fired.

    Raises:
        ValueError: No input is marked, or its other arcs do not allow it.
        OverflowError: A place would hold too many tokens.

    An error leaves the marking untouched.
    """
    question = _question(net, t, False)
    marked = [p for p in question.inputs if marking[p]]
    if not marked:
        raise ValueError(f"no input of the OR-join {net.transitions[t].name!r} is marked")
    after = array("i", marking)
    if not kernel.enabled(question.rest, after, 0):
        raise ValueError(f"transition {net.transitions[t].name!r} is not enabled")
    for p in marked:
        after[p] -= 1
    kernel.fire(question.firing, after, 0, counts)
    marking[:] = after


def _question(net: Net, t: int, alone: bool) -> _Question:
    asked: dict[tuple[int, bool], _Question] = net.merge_questions
    found = asked.get((t, alone))
    if found is None:
        found = asked[t, alone] = _Question(net, t, alone)
    return found


# ── one OR-join of one net ───────────────────────────────────────────────────────────────────


class _Question:
    """All that does not depend on the marking about one OR-join."""

    def __init__(self, net: Net, t: int, alone: bool) -> None:
        self.net = net
        self.alone = alone
        self.t = t
        self.transition = net.transitions[t]
        self.join: OrJoin = self.transition.or_join or OrJoin(inputs_of(net, t))
        place = net.place_index
        self.inputs = tuple(place[name] for name in self.join.inputs)
        self._answers: dict[tuple[int, tuple[int, ...]], bool] = {}
        self._saturations: dict[tuple[bool, int, tuple[int, ...], int], Saturation] = {}

    @cached_property
    def rest(self) -> NetImage:
        """What the OR-join takes, needs and lacks beside its inputs, as a net of its own."""
        return self._image(lacks=self.transition.lacks, needs=self.transition.needs)

    @cached_property
    def firing(self) -> NetImage:
        """The arcs that move tokens; what it tests has been tested when the inputs are taken."""
        return self._image(lacks=(), needs=())

    def _image(self, *, lacks: Iterable[Arc], needs: Iterable[Arc]) -> NetImage:
        place, t = self.net.place_index, self.transition
        return NetImage.build(
            places=len(self.net.places),
            transitions=[
                Arcs(
                    take=[(place[a.place], a.weight) for a in t.take],
                    put=[(place[a.place], a.weight) for a in t.put]
                    + [(place[name], 0) for name, _ in t.counted],
                    needs=[(place[a.place], a.weight) for a in needs if not a.case_wide],
                    lacks=[(place[a.place], a.weight) for a in lacks if not a.case_wide],
                    clear=[place[name] for name in t.clear],
                )
            ],
        )

    @cached_property
    def exact(self) -> _Model:
        """The model in which what is lacked counts, as far as bounds are proven."""
        return _Model(self, _bounds(self.net, self.alone), _limits(self.net, self.alone))

    @cached_property
    def rough(self) -> _Model:
        """The model without bounds, for a marking that is beyond those of the exact one."""
        return _Model(self, {}, ())

    # ── the answer ───────────────────────────────────────────────────────────────────────────

    def empty(self, marking: Marking) -> list[int]:
        return [p for p in self.inputs if not marking[p]]

    def waits(self, marking: Marking, work: int) -> bool:
        """Whether an empty input can still be marked, when some are marked."""
        if all(marking[p] for p in self.inputs):
            return False
        if self.join.rule is MergeRule.STRUCTURAL:
            return next(self.by_structure(marking), None) is not None
        model = self.model(marking)
        key = (work, tuple(marking[p] for p in model.relevant))
        known = self._answers.get(key)
        if known is None:
            known = self.can_arrive(model, marking, work)
            if len(self._answers) >= MOST_ANSWERS:
                self._answers.clear()
            self._answers[key] = known
        return known

    def model(self, marking: Marking) -> _Model:
        return self.exact if self.exact.fits(marking) else self.rough

    def can_arrive(self, model: _Model, marking: Marking, work: int) -> bool:
        """One input that can be marked is enough; that none can has to be known of all."""
        extended = model.extended(marking)
        undecided = False
        for p in self.empty(marking):
            try:
                if self.path(model, p, extended, work) is not None:
                    return True
            except OutOfBounds:
                undecided = True
        if undecided:
            raise Undecided(self.transition.name, work)
        return False

    def path(
        self, model: _Model, target: int, extended: Sequence[int], work: int
    ) -> Sequence[int] | None:
        """The moves by which a target can be marked; None: it cannot. The cheapest way first.

        Without a token before the target, or when nothing that leads there can fire even if
        tokens were never used up, the answer is no. Else it is looked for backwards, with little
        work; then forwards, which a small state space ends; then backwards again.

        Raises:
            OutOfBounds: None of that told.
        """
        if not model.within_reach(target, extended):
            return None
        live = model.live(extended)
        if not any(target in model.moves[m].put for m in live):
            return None
        saturation = self.saturation(model, target, live, work)
        try:
            return saturation.path(extended, work=min(work, LITTLE_WORK))
        except OutOfBounds:
            moves = [model.moves[m] for m in live]
            most = min(MOST_MARKINGS, work // 500)
            searched = cover(moves, extended, {target: 1}, most=most)
            if isinstance(searched, OutOfBounds):
                return saturation.path(extended)
            return None if searched is None else [live[i] for i in searched]

    def saturation(
        self, model: _Model, target: int, live: tuple[int, ...], work: int
    ) -> Saturation:
        key = (model is self.exact, target, live, work)
        found = self._saturations.get(key)
        if found is None:
            if len(self._saturations) >= MOST_SATURATIONS:
                self._saturations.clear()
            found = Saturation(model.reset_net, {target: 1}, work=work, moves=live)
            self._saturations[key] = found
        return found

    def arrivals(self, marking: Marking, work: int) -> Iterator[Arrival]:
        """How each empty input can still be marked."""
        if self.join.rule is MergeRule.STRUCTURAL:
            yield from self.by_structure(marking)
            return
        model = self.model(marking)
        extended = model.extended(marking)
        names = [p.name for p in self.net.places]
        undecided = False
        for p in self.empty(marking):
            try:
                path = self.path(model, p, extended, work)
            except OutOfBounds:
                undecided = True
                continue
            if path is not None:
                origin = model.origin(p, path)
                yield Arrival(names[p], names[origin], tuple(model.names[m] for m in path))
        if undecided:
            raise Undecided(self.transition.name, work)

    # ── the structural rule ──────────────────────────────────────────────────────────────────

    def by_structure(self, marking: Marking) -> Iterator[Arrival]:
        """The tokens that a join by the rule of BPMN 2.0 waits for.

        A token that has a path to an empty input, and none to a marked one, both without the join
        itself (Object Management Group, BPMN 2.0.2, "Inclusive Gateway"). Bookkeeping does not
        count as tokens here.
        """
        names = [p.name for p in self.net.places]
        for p, ahead in self.leads.items():
            if marking[p] and not any(marking[q] for q in ahead):
                yield Arrival(names[min(ahead)], names[p], ())

    @cached_property
    def leads(self) -> Mapping[int, frozenset[int]]:
        """Place to the inputs to which a path leads from it; only places where there is one."""
        place = self.net.place_index
        before: dict[int, set[int]] = {}
        for i, u in enumerate(self.net.transitions):
            if i != self.t:
                for after in (*(a.place for a in u.put), *(name for name, _ in u.counted)):
                    before.setdefault(place[after], set()).update(place[p] for p in u.sources)
        ahead: dict[int, set[int]] = {}
        for q in self.inputs:
            seen, queue = {q}, [q]
            for at in queue:
                new = before.get(at, set()) - seen
                seen |= new
                queue += new
            for p in seen:
                ahead.setdefault(p, set()).add(q)
        left_out = {*self.inputs, *(place[name] for name in _stores(self.net))}
        left_out |= {i for i, p in enumerate(self.net.places) if p.resting}
        return {p: frozenset(qs) for p, qs in sorted(ahead.items()) if p not in left_out}


# ── the net as a reset net ───────────────────────────────────────────────────────────────────


class _Firing(msgspec.Struct, frozen=True):
    """One way in which a transition fires, over the places of the net."""

    name: str
    take: Mapping[int, int]
    put: Mapping[int, int]
    needs: Mapping[int, int]
    lacks: Mapping[int, int]
    clear: frozenset[int]


def _sources(net: Net) -> frozenset[str]:
    """The transitions by which the outside puts tokens at any time: they take and need nothing."""
    return frozenset(
        t.name for t in net.transitions if t.external and not t.sources and not t.needs
    )


def _stores(net: Net) -> frozenset[str]:
    """The places that sources fill."""
    sources = _sources(net)
    return frozenset(a.place for t in net.transitions if t.name in sources for a in t.put)


def _firings(net: Net, alone: bool, without: int = -1, *, whole: bool = False) -> Iterator[_Firing]:
    """How the transitions of a net fire, as the rule sees them: all but one, and no source.

    ``whole``: an OR-join may also take from all its inputs that are marked; this comes as one
    firing for each set of them.
    """
    sources, stores = _sources(net), _stores(net)
    place = net.place_index
    for i, t in enumerate(net.transitions):
        if i == without or t.name in sources:
            continue
        if t.ends is not None and t.ends.outcome is not Outcome.FAILED:
            continue  # nothing is marked any more when it has fired
        inputs: Sequence[str | None] = (None,) if t.or_join is None else t.or_join.inputs
        put = {place[a.place]: a.weight for a in t.put}
        put |= {place[name]: ANY for name, _ in t.counted}
        lacks = {place[a.place]: a.weight for a in t.lacks if alone or not a.case_wide}
        for chosen in _subsets(inputs) if whole and t.or_join else [(x,) for x in inputs]:
            take = {a.place: a.weight for a in t.take} | {x: 1 for x in chosen if x is not None}
            needs = {a.place: a.weight for a in t.needs if alone or not a.case_wide}
            if not stores.issuperset(take):  # with a thread to take from elsewhere, stores are full
                take = {name: n for name, n in take.items() if name not in stores}
                needs = {name: n for name, n in needs.items() if name not in stores}
            yield _Firing(
                t.name,
                {place[name]: n for name, n in take.items()},
                put,
                {place[name]: n for name, n in needs.items()},
                lacks,
                frozenset(place[name] for name in t.clear),
            )


def _subsets(inputs: Sequence[str | None]) -> Iterator[tuple[str | None, ...]]:
    for bits in range(1, 2 ** len(inputs)):
        yield tuple(x for i, x in enumerate(inputs) if bits >> i & 1)


class _Model:
    """The question as a reset net.

    Places 0 to n-1 are those of the net; of an input only the tokens that can be taken count
    there. An input that is needed or lacked has a second place for all its tokens, and a place
    that is lacked, and has a proven bound, a complement.
    """

    def __init__(
        self,
        question: _Question,
        bounds: Mapping[int, int],
        limits: Sequence[tuple[Mapping[int, int], int]],
    ) -> None:
        net = question.net
        firings = list(_firings(net, question.alone, question.t))
        read = {p for f in firings for p in (*f.needs, *f.lacks)}
        new = iter(range(len(net.places), len(net.places) + 2 * len(net.places)))
        self.inputs = question.inputs
        self.bounds = {p: most for p, most in bounds.items() if p in read}
        self.whole = {p: next(new) for p in question.inputs if p in read}
        self.lack = {p: next(new) for p in self.bounds}
        self.size = len(net.places) + len(self.whole) + len(self.lack)
        moves = [self._move(f) for f in firings]
        wanted = self._wanted(moves)
        kept = [i for i, m in enumerate(moves) if not wanted.isdisjoint(m.put)]
        self.moves = [_only(moves[i], wanted) for i in kept]
        self.names = [firings[i].name for i in kept]
        back = {**{r: p for p, r in self.whole.items()}, **{c: p for p, c in self.lack.items()}}
        self.relevant = tuple(sorted({back.get(p, p) for p in wanted} | set(question.inputs)))
        self.real = {p: back.get(p, p) for p in range(self.size)}
        self.limits = limits
        sums = [({self.whole.get(p, p): 1, c: 1}, self.bounds[p]) for p, c in self.lack.items()]
        self.reset_net = ResetNet(self.size, self.moves, (*limits, *sums))
        self._feeders: dict[int, frozenset[int] | None] = {}

    def _move(self, f: _Firing) -> Move:
        take, put, needs, clear = dict(f.take), dict(f.put), dict(f.needs), set(f.clear)
        for p, twin in self.whole.items():
            for group in (take, put):
                if p in group:
                    group[twin] = group[p]
            if p in needs:
                needs[twin] = needs.pop(p)
            if p in clear:
                clear.add(twin)
        for p, twin in self.lack.items():
            more = f.put.get(p, 0)
            if p in f.clear:
                clear.add(twin)
                if self.bounds[p] > more:
                    put[twin] = self.bounds[p] - more
                continue
            more -= f.take.get(p, 0)
            if more > 0:
                take[twin] = more
            elif more < 0:
                put[twin] = -more
        for p, weight in f.lacks.items():
            if p in self.lack and weight <= self.bounds[p]:
                needs[self.lack[p]] = self.bounds[p] - weight + 1
        return Move(take, put, needs, frozenset(clear))

    def _wanted(self, moves: Sequence[Move]) -> set[int]:
        """The places whose tokens can matter to an input: backwards from there, over all moves."""
        makers: dict[int, list[Move]] = {}
        for m in moves:
            for p in m.put:
                makers.setdefault(p, []).append(m)
        wanted, queue = set(self.inputs), list(self.inputs)
        for p in queue:
            for m in makers.get(p, ()):
                for q in (*m.take, *m.needs):
                    if q not in wanted:
                        wanted.add(q)
                        queue.append(q)
        return wanted

    def fits(self, marking: Marking) -> bool:
        """Whether a marking keeps within the proven bounds; one that can be reached does."""
        return all(marking[p] <= most for p, most in self.bounds.items()) and all(
            sum(n * marking[p] for p, n in weights.items()) <= total
            for weights, total in self.limits
        )

    def extended(self, marking: Marking) -> list[int]:
        """The marking with one token of each marked input set aside."""
        cells = [*marking, *[0] * (self.size - len(marking))]
        for p in self.inputs:
            if marking[p]:
                cells[p] -= 1
        for p, twin in self.whole.items():
            cells[twin] = marking[p]
        for p, twin in self.lack.items():
            cells[twin] = self.bounds[p] - marking[p]
        return cells

    def within_reach(self, target: int, cells: Sequence[int]) -> bool:
        """Whether there is a token anywhere before an input: without one nothing can come."""
        if target not in self._feeders:
            self._feeders[target] = self._before(target)
        feeders = self._feeders[target]
        return feeders is None or any(cells[p] for p in feeders)

    def live(self, cells: Sequence[int]) -> tuple[int, ...]:
        """The moves that could ever fire, if no token were used up."""
        missing = [len(m.take.keys() | m.needs.keys()) for m in self.moves]
        marked = [p for p, n in enumerate(cells) if n]
        seen = set(marked)
        found = [i for i, n in enumerate(missing) if not n]
        at = 0
        while marked or at < len(found):
            while at < len(found):
                new = self.moves[found[at]].put.keys() - seen
                seen |= new
                marked += new
                at += 1
            if marked:
                for i in self._takers.get(marked.pop(), ()):
                    missing[i] -= 1
                    if not missing[i]:
                        found.append(i)
        return tuple(sorted(found))

    @cached_property
    def _takers(self) -> Mapping[int, Sequence[int]]:
        takers: dict[int, list[int]] = {}
        for i, m in enumerate(self.moves):
            for p in m.take.keys() | m.needs.keys():
                takers.setdefault(p, []).append(i)
        return takers

    def _before(self, target: int) -> frozenset[int] | None:
        """The places from which tokens can go to a target; None: a move needs none."""
        seen, queue = {target}, [target]
        for p in queue:
            for m in self.reset_net.makers.get(p, ()):
                move = self.moves[m]
                lacked = set(self.lack.values())
                fed = (set(move.take) - lacked) or (set(move.needs) - lacked)
                if not fed:
                    return None
                new = fed - seen
                seen |= new
                queue += new
        return frozenset(seen)

    def origin(self, target: int, path: Sequence[int]) -> int:
        """The place of the token that a path leads to its target, traced back from there."""
        at = target
        lacked = set(self.lack.values())
        for i in reversed(range(len(path))):
            move = self.moves[path[i]]
            if at in move.put:
                fed = [p for p in (*move.take, *move.needs) if p not in lacked]
                made = [p for p in fed if any(p in self.moves[m].put for m in path[:i])]
                at = (made or fed or [at])[0]
        return self.real[at]


def _only(move: Move, wanted: set[int]) -> Move:
    """A move as far as it concerns the places that matter."""
    return Move(
        move.take,
        {p: n for p, n in move.put.items() if p in wanted},
        move.needs,
        move.clear & wanted,
    )


# ── proven bounds ────────────────────────────────────────────────────────────────────────────


def _limits(net: Net, alone: bool) -> list[tuple[Mapping[int, int], int]]:
    """Sums of tokens that every transition proves never to grow: invariants and locks."""
    place = net.place_index
    locks = dict.fromkeys(
        frozenset(a.place for a in t.lacks if a.weight == 1 and (alone or not a.case_wide))
        for t in net.transitions
        if t.lacks
    )
    return [
        *(found for places in locks if (found := _lock(net, places, alone)) is not None),
        *_kept(net, place),
    ]


def _lock(net: Net, places: frozenset[str], alone: bool) -> tuple[Mapping[int, int], int] | None:
    """A bound on all tokens of some places, if whatever adds one finds them empty.

    So it is with a task of which one item may be open: its start lacks open and held items.
    """
    most = sum(p.tokens for p in net.places if p.name in places)
    for t in net.transitions:
        put = sum(a.weight for a in t.put if a.place in places)
        if any(name in places for name, _ in t.counted):
            return None
        if put <= sum(a.weight for a in t.take if a.place in places and a.place not in t.clear):
            continue
        lacked = {a.place for a in t.lacks if a.weight == 1 and (alone or not a.case_wide)}
        if not places <= lacked | set(t.clear):
            return None
        most = max(most, put)
    return ({net.place_index[p]: 1 for p in places}, most) if places else None


def _kept(net: Net, place: Mapping[str, int]) -> list[tuple[Mapping[int, int], int]]:
    """The invariants that patterns publish, as far as every firing keeps them."""
    return [
        ({place[p]: w for p, w in invariant.weights.items() if w}, invariant.total)
        for invariant in net.invariants
        if all(w >= 0 for w in invariant.weights.values())
        and all(_keeps(t, invariant.weights, invariant.total) for t in net.transitions)
    ]


def _keeps(t: Transition, weights: Mapping[str, int], total: int) -> bool:
    """Whether firing a transition never lets a weighted sum of tokens pass its total."""
    if any(weights.get(name) for name, _ in t.counted):
        return False
    put = sum(weights.get(a.place, 0) * a.weight for a in t.put)
    if all(p in t.clear for p, w in weights.items() if w):
        return put <= total
    # What an OR-join takes from its inputs is not sure, so it is not counted.
    return put <= sum(weights.get(a.place, 0) * a.weight for a in t.take if a.place not in t.clear)


def _bounds(net: Net, alone: bool) -> Mapping[int, int]:
    """The places that are lacked and of which a bound is proven: by invariants, or by looking.

    What is looked at is every marking that can be reached when guards and priorities do not
    count and an OR-join takes from any of its inputs, up to `MOST_MARKINGS`.
    """
    lacked = {
        net.place_index[a.place]
        for t in net.transitions
        for a in t.lacks
        if alone or not a.case_wide
    }
    proven = {
        p: min(total // weights[p], CELL_MAX)
        for weights, total in _limits(net, alone)
        for p in lacked & set(weights)
    }
    if lacked <= set(proven):
        return proven
    seen = _reachable(net, alone)
    if seen is None:
        return proven
    highest = [max(column) for column in zip(*seen, strict=True)]
    stores = {net.place_index[name] for name in _stores(net)}
    return {p: highest[p] for p in sorted(lacked - stores)}


def _reachable(net: Net, alone: bool) -> set[tuple[int, ...]] | None:
    """All markings that can be reached, stores left out; None: there are too many."""
    if any(t.or_join is not None and len(t.or_join.inputs) > 8 for t in net.transitions):
        return None
    stores = {net.place_index[name] for name in _stores(net)}
    firings = list(_firings(net, alone, whole=True))
    if any(n == ANY for f in firings for n in f.put.values()):
        return None
    first = tuple(p.tokens for p in net.places)
    seen, queue = {first}, [first]
    for marking in queue:
        for f in firings:
            if not (
                all(marking[p] >= n for p, n in f.take.items() if p not in stores)
                and all(marking[p] >= n for p, n in f.needs.items() if p not in stores)
                and all(marking[p] < n for p, n in f.lacks.items() if p not in stores)
            ):
                continue
            cells = list(marking)
            for p, n in f.take.items():
                cells[p] -= n
            for p in f.clear:
                cells[p] = 0
            for p, n in f.put.items():
                cells[p] += n
            for p in stores:
                cells[p] = 0
            after = tuple(cells)
            if after not in seen:
                if len(seen) >= MOST_MARKINGS:
                    return None
                seen.add(after)
                queue.append(after)
    return seen

"""What a compiled net can do, from one moment of quiet to the next: a `System`.

A state is a marking in which no immediate transition can fire, as the engine leaves it after each
event from outside. A step is one such event with all that follows by itself, in the order in
which `weft.engine.decide` has it follow: immediate transitions by priority and declaration, then
OR-joins, then the starts of automatic tasks, until nothing moves. So what only another order could do is not
seen, and what this order makes impossible is.

What cannot be known from the net is left open, and said:

*   A condition is true or false, whatever the data; all conditions with the same words agree
    within one step.
*   A number that depends on data is each of `NUMBERS`, once and for all of a case.
*   Work may complete or fail. How many attempts are left is not counted: a failed item may be
    tried again or given up. Items that nothing tells apart while they wait for another attempt
    are taken as running.
*   The net of a composite task completes or fails as work does; it is verified by itself.
*   A trigger that begins a branch comes at most `TRIGGERS` times in a case, a reminder of a task
    once; so does one that waits for itself again beside a branch, and so often a condition comes
    to hold that is awaited again once it holds no more; instances are added so often (`weft.engine.verify.adding`).
*   A time that is waited for comes, and a trigger that is waited for may come, at any moment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import product

import attrs

from weft.engine import orjoin
from weft.engine.expressions import ExpressionError, compile_expression
from weft.engine.net import Net, Outcome, Role, Task, Transition
from weft.engine.undoing import UNDOING
from weft.engine.verify.graph import TooLarge

__all__ = ["BROKEN", "CANCELLED", "COMPLETED", "FAILED", "NUMBERS", "TRIGGERS", "Runs", "State"]

NUMBERS = (0, 1, 2)
"""The numbers that stand for one that depends on data."""

TRIGGERS = 2
"""So often each source may fire; a reminder comes once."""

MAX_RUN = 20_000
"""The most markings that are looked at within one step."""

TOLD = 20
"""So many firings tell of a run that neither ends nor goes round."""

MAX_WORK = 40_000_000
"""So many tokens and places are looked at within all steps of an exploration: some twenty
seconds of them."""

JOINING = 25
"""So many looks at each place whether an OR-join may go on costs."""

MAX_BYTES = 2**29
"""The states and the trails of an exploration take no more memory."""

BESIDE = 250
"""Bytes that a state takes beside its numbers: its entries in a list and a table."""

CELL = 8
"""Bytes that a number takes in a state or a trail; the small ones are shared."""

REPEATS = 50
"""So often a growing loop is tried before its growth counts as not shown."""

TRIED = 1_000_000
"""So many steps are tried for growth in all; beyond them it counts as not shown."""

BEGIN = -1
"""Before the initial marking has come to rest."""

COMPLETED = -2
FAILED = -3
CANCELLED = -4
"""Ends that the author has put into the net."""

BROKEN = -5
"""The case has failed: an item without another attempt, or a run that does not end."""

State = tuple[int, ...]
"""``(assignment, place, tokens, place, tokens, …)``; or one negative number: an end, or `BEGIN`."""

Marking = dict[int, int]


@attrs.define
class _Arcs:
    """The arcs of a transition by number."""

    take: tuple[tuple[int, int], ...]
    put: tuple[tuple[int, int], ...]
    needs: tuple[tuple[int, int], ...]
    lacks: tuple[tuple[int, int], ...]
    clear: tuple[int, ...]
    counted: tuple[tuple[int, str], ...]


@attrs.frozen
class _Spot:
    """A moment within a run: the marking, what conditions have yielded, and what has fired."""

    marking: Marking
    answers: Mapping[str, bool]
    trail: tuple[int, ...]
    end: int | None = None

    @property
    def key(self) -> object:
        """What makes two moments the same: not how they came about."""
        return self.end, frozenset(self.marking.items()), frozenset(self.answers.items())


class Runs:
    """The quiescent markings of one compiled net.

    A label is the number of a run in ``trails``: its transitions, the external one first.

    Args:
        net: The net.
        alone: Whether no second scope of the net can live (see `weft.engine.orjoin`).
        never: Transitions that are taken out, by name.
        constants: Whether a condition that reads no data is taken at its word.
    """

    def __init__(
        self,
        net: Net,
        *,
        alone: bool = True,
        never: Collection[str] = (),
        constants: bool = True,
    ) -> None:
        self.net = net
        self.alone = alone
        self.constants = constants
        self.never = frozenset(net.transition_index[name] for name in never)
        place = net.place_index
        self.arcs = [
            _Arcs(
                take=tuple((place[a.place], a.weight) for a in t.take),
                put=tuple((place[a.place], a.weight) for a in t.put),
                needs=tuple((place[a.place], a.weight) for a in t.needs),
                lacks=tuple((place[a.place], a.weight) for a in t.lacks),
                clear=tuple(place[p] for p in t.clear),
                counted=tuple((place[p], text) for p, text in t.counted),
            )
            for t in net.transitions
        ]
        self.dropped = frozenset(i for i, p in enumerate(net.places) if self._unread(i))
        """Ends that nothing takes from or looks at: what lies there makes no difference."""
        self.abstractions: dict[str, None] = {}
        self.external_sources: set[int] = set()
        self.stalled: set[State] = set()
        """States in which only a trigger could begin something: for the engine a deadlock."""
        self.spent: set[State] = set()
        """States with an item that has failed for good: the engine gives it up at once."""
        self.budgets = self._budgets()
        self.unfinished = (*net.unfinished, *(False for _ in range(self.budgets)))
        self.trails: list[tuple[int, ...]] = []
        self._trail_numbers: dict[tuple[int, ...], int] = {}
        self.loops: dict[frozenset[int], tuple[tuple[int, ...], tuple[int, ...]]] = {}
        """Runs that do not end: by what goes round, how it came about and its order."""
        self.tasks = list(net.tasks.values())
        self.rivals = self._rivals()
        """The starts of automatic tasks that somebody else could forestall (see `weft.engine.
        verify.specification`): they are taken as starts by hand."""
        self._classify()
        self.assignments = self._assignments()
        self.fixed_guards = self._fixed_guards()
        self.asked = [self._asked(t) for t in net.transitions]
        """The condition of each transition, as what it is told apart by."""
        self.initial: State = (BEGIN,)
        self.work = 0
        self.bytes = 0
        """What an exploration has cost, and what it keeps at most (`MAX_WORK`, `MAX_BYTES`)."""
        self.tried = 0
        """How many steps have been tried for growth."""
        self.exhausted: str | None = None
        """The bound that it has met, in words."""

    # ── what there is ────────────────────────────────────────────────────────────────────────

    def _unread(self, place: int) -> bool:
        name = self.net.places[place].name
        return self.net.places[place].end and not any(
            name in (*t.sources, *(a.place for a in (*t.needs, *t.lacks)))
            for t in self.net.transitions
        )

    def _rivals(self) -> frozenset[int]:
        takers: dict[str, set[str]] = {}
        for t in self.net.transitions:
            if t.role is Role.START and t.task is not None and not self.net.tasks[t.task].undoes:
                for place in t.sources:
                    takers.setdefault(place, set()).add(t.task)
        shared = {p for p, tasks in takers.items() if len(tasks) > 1}
        return frozenset(
            i
            for i, t in enumerate(self.net.transitions)
            if t.role is Role.START
            and t.task is not None
            and self.net.tasks[t.task].automatic
            and not shared.isdisjoint(t.sources)
        )

    def _budgets(self) -> int:
        """Give what may come any number of times a place of its own, from which it takes.

        Returns:
            How many such places there are; they follow those of the net.
        """
        places: dict[object, int] = {}
        passing: dict[str, list[Transition]] = {}
        for t in self.net.transitions:
            for arc in () if t.external else t.take:
                passing.setdefault(arc.place, []).append(t)
        self.allowances: list[int] = []
        for i, t in enumerate(self.net.transitions):
            source = t.external and not (t.take or t.needs or t.or_join)
            again = (
                t.role in (Role.TRIGGER, Role.TIMER) and not source and _awaits_itself(t, passing)
            )
            held = not t.external and t.when is not None and _alternates(t, passing)
            if source or again or held or t.role is Role.REMIND:
                kind = t.task if t.role is Role.REMIND else t.name
                times = 1 if t.role is Role.REMIND else TRIGGERS
                if kind not in places:
                    places[kind] = len(self.net.places) + len(places)
                    self.allowances.append(times)
                place = places[kind]
                self.arcs[i].take = ((place, 1), *self.arcs[i].take)
                if source:
                    self.external_sources.add(i)
                what = "a trigger that begins a branch comes"
                if held:
                    what = "a condition that begins a branch comes to hold"
                if t.role is Role.REMIND:
                    what = "a reminder comes"
                often = "once" if times == 1 else f"{times} times"
                self.abstractions[f"{what} at most {often} in a case: {t.task or t.name}"] = None
        return len(places)

    def _classify(self) -> None:
        """Sort the transitions by who fires them."""
        net = self.net
        self.merged = frozenset(task.name for task in self.tasks if self._as_running(task))
        every = range(len(net.places) + self.budgets)
        by_place: list[list[int]] = [[] for _ in every]
        self.sources: list[int] = []
        outside: list[list[int]] = [[] for _ in every]
        automatic: list[list[int]] = [[] for _ in every]
        self.joins = [i for i, t in net.or_joins.items() if not t.external and i not in self.never]
        self.inputs = {
            i: tuple(net.place_index[name] for name in t.or_join.inputs)
            for i, t in net.or_joins.items()
            if t.or_join is not None
        }
        for i, t in enumerate(net.transitions):
            if i in self.inputs:
                urgent = t.task is not None and net.tasks[t.task].automatic
                group = automatic if urgent and i not in self.rivals else outside
                for p in self.inputs[i] if t.external and i not in self.never else ():
                    group[p].append(i)
                continue
            if i in self.never or (t.task in self.merged and t.role in (Role.RETRY, Role.GIVE_UP)):
                continue
            arcs = self.arcs[i]
            first = next(iter((*arcs.take, *arcs.needs)), (None, 0))[0]
            if first is None:
                self.sources.append(i)
                continue
            if t.role in (Role.GIVE_UP, Role.TIME_OUT):
                continue  # they follow on a failure (`_abandoned`)
            urgent = t.role is Role.START and net.tasks[str(t.task)].automatic
            groups = outside if t.external else by_place
            if urgent and i not in self.rivals:
                groups = automatic
            groups[first].append(i)
        self.immediate_at, self.automatic_at, self.outside_at = by_place, automatic, outside
        self.rank = net.rank

    def _as_running(self, task: Task) -> bool:
        """Whether a failed item that waits for another attempt differs in nothing from a running one."""
        net = self.net
        retry = net.transitions[net.transition_index[task.retry_by]]
        if len(retry.take) != 1 or retry.needs or retry.clear or task.lapses or task.reminds:
            return False
        for t in net.transitions:
            if task.name == t.task and t.role in _FAILING:
                continue
            for arcs in (t.needs, t.lacks):
                weights = {a.place: a.weight for a in arcs}
                if weights.get(task.run) != weights.get(task.held):
                    return False
            if (task.run in t.clear) != (task.held in t.clear):
                return False
        return True

    def _assignments(self) -> list[Mapping[str, int]]:
        """The numbers that the expressions of counts may yield; those without variables yield one."""
        open_texts: list[str] = []
        fixed: dict[str, int] = {}
        for t in self.net.transitions:
            for _, text in t.counted:
                expression = compile_expression(text)
                if expression.reads or text in fixed:
                    open_texts.append(text)
                    continue
                value = expression.evaluate({})
                fixed[text] = value if isinstance(value, int) else 1
        texts = list(dict.fromkeys(text for text in open_texts if text not in fixed))
        if not texts:
            return [fixed]
        numbers = ", ".join(map(str, NUMBERS[:-1])) + f" and {NUMBERS[-1]}"
        self.abstractions[
            f"a number that depends on data is taken as {numbers}, the same throughout a case: "
            + "; ".join(texts)
        ] = None
        if len(texts) > 3:
            return [fixed | dict.fromkeys(texts, n) for n in NUMBERS]
        return [
            fixed | dict(zip(texts, values, strict=True))
            for values in product(NUMBERS, repeat=len(texts))
        ]

    def _fixed_guards(self) -> dict[str, bool]:
        """The conditions that read no data, with what they yield."""
        fixed: dict[str, bool] = {}
        guarded = False
        for t in self.net.transitions:
            if t.when is None:
                continue
            expression = compile_expression(t.when)
            if expression.reads or not self.constants:
                guarded = True
                continue
            try:
                fixed[t.when] = expression.test({})
            except ExpressionError:
                guarded = True
        if guarded:
            self.abstractions["each condition may be true or false, whatever the data"] = None
        return fixed

    def _asked(self, t: Transition) -> str | None:
        """What a transition's answer is kept by: a constant that is not believed, by its place."""
        if t.when is None or self.constants or compile_expression(t.when).reads:
            return t.when
        return f"{t.when} of {t.name.replace('.also ', '.yes ')}"

    # ── enabling and firing ──────────────────────────────────────────────────────────────────

    def allowed(self, marking: Marking, t: int) -> bool:
        """Whether the arcs allow a firing."""
        if t in self.inputs:
            self.work += JOINING * len(self.net.places)
            cells = [marking.get(p, 0) for p in range(len(self.net.places))]
            return orjoin.enabled(self.net, cells, t, alone=self.alone)
        return self.marked(marking, t)

    def marked(self, marking: Marking, t: int) -> bool:
        """Whether there is all that a transition takes and needs, and nothing that it lacks."""
        arcs = self.arcs[t]
        get = marking.get
        return (
            all(get(p, 0) >= n for p, n in arcs.take)
            and all(get(p, 0) >= n for p, n in arcs.needs)
            and all(get(p, 0) < n for p, n in arcs.lacks)
        )

    def fired(self, marking: Marking, t: int, assignment: int) -> Marking:
        """The marking after a firing."""
        arcs = self.arcs[t]
        self.work += len(marking) + 10
        after = dict(marking)
        joined = [(p, 1) for p in self.inputs.get(t, ()) if p in marking]
        for p, n in (*arcs.take, *joined):
            left = after[p] - n
            if left:
                after[p] = left
            else:
                del after[p]
        for p in arcs.clear:
            after.pop(p, None)
        for p, n in arcs.put:
            if p not in self.dropped:
                after[p] = after.get(p, 0) + n
        for p, text in arcs.counted:
            n = self.assignments[assignment].get(text, 1)
            if n > 0 and p not in self.dropped:
                after[p] = after.get(p, 0) + n
        return after

    def at(self, marking: Marking, groups: Sequence[Sequence[int]]) -> Iterator[int]:
        """The transitions of a group that the arcs allow, in no particular order."""
        for p in marking:
            for t in groups[p]:
                # An OR-join stands at each of its inputs: it is asked for at the first.
                inputs = self.inputs.get(t)
                if inputs is not None and p != next(q for q in inputs if q in marking):
                    continue
                if self.allowed(marking, t):
                    yield t

    # ── runs ─────────────────────────────────────────────────────────────────────────────────

    def settled(
        self, marking: Marking, trail: tuple[int, ...], assignment: int
    ) -> Iterator[tuple[tuple[int, ...], State]]:
        """Every way in which a marking comes to rest: what has fired, and the state.

        A run that does not come to rest breaks the case; it is noted in ``loops``.
        """
        queue = deque([_Spot(marking, self.fixed_guards, trail)])
        seen = {queue[0].key}
        while queue:
            spot = queue.popleft()
            self._within_bounds()
            if spot.end is not None:
                yield spot.trail, (spot.end,)
                continue
            following = self._moves(spot, assignment)
            if not following:
                yield spot.trail, self.state(spot.marking, assignment)
            for after in following:
                trail = after.trail
                loop: tuple[int, ...] = ()
                if after.key in seen:
                    loop = self._loop(after, assignment)
                    if not loop:
                        continue
                elif len(seen) >= MAX_RUN:
                    trail, loop = repeated(after.trail)
                if loop:
                    self.loops.setdefault(frozenset(loop), (trail, loop))
                    yield after.trail, (BROKEN,)
                    if len(seen) >= MAX_RUN:
                        return
                    continue
                seen.add(after.key)
                queue.append(after)

    def _loop(self, spot: _Spot, assignment: int) -> tuple[int, ...]:
        """The transitions in which a run goes round for ever that has met a moment again.

        None: it has only come to where another one has been.
        """
        at = spot
        for _ in range(MAX_RUN):
            following = self._moves(at, assignment)
            if len(following) != 1:
                return ()
            at = following[0]
            if at.key == spot.key:
                return at.trail[len(spot.trail) :]
        return ()

    def _moves(self, spot: _Spot, assignment: int) -> list[_Spot]:
        """What happens next by itself: a firing, or a condition that is read; none at rest."""
        marking = spot.marking
        self.work += len(marking) + 10
        enabled = [t for t in self.sources if self.allowed(marking, t)]
        enabled += self.at(marking, self.immediate_at)
        enabled.sort(key=self.rank.__getitem__)
        for t in enabled:
            asked = self.asked[t]
            if asked is not None:
                answer = spot.answers.get(asked)
                if answer is None:
                    return [
                        _Spot(marking, {**spot.answers, asked: yes}, spot.trail)
                        for yes in (True, False)
                    ]
                if not answer:
                    continue
            return [self._fire(spot, t, assignment)]
        for t in self.joins:
            if self.allowed(marking, t):
                return [self._fire(spot, t, assignment)]
        order = self.net.beginning_order.__getitem__
        first = min(self.at(marking, self.automatic_at), default=None, key=order)
        return [] if first is None else [self._fire(spot, first, assignment)]

    def _fire(self, spot: _Spot, t: int, assignment: int) -> _Spot:
        ends = self.net.transitions[t].ends
        after = self.fired(spot.marking, t, assignment)
        end = None if ends is None else _ENDS[ends.outcome]
        return _Spot(after, spot.answers, (*spot.trail, t), end)

    def state(self, marking: Marking, assignment: int) -> State:
        """The state of a marking at rest."""
        unfinished = self.unfinished
        if not self.net.explicit and not any(unfinished[p] for p in marking):
            return (COMPLETED,)
        return self.at_rest(marking, assignment)

    @staticmethod
    def at_rest(marking: Marking, assignment: int) -> State:
        """The state of a marking, whether or not that is an end."""
        return (assignment, *(n for pair in sorted(marking.items()) for n in pair))

    @staticmethod
    def marking(state: State) -> Marking:
        """The marking of a state; of an end, none."""
        return dict(zip(state[1::2], state[2::2], strict=True))

    # ── a system ─────────────────────────────────────────────────────────────────────────────

    def successors(self, state: State) -> Sequence[tuple[int, State]]:
        """Every event from outside, with what follows by itself.

        Raises:
            TooLarge: The exploration has taken more than `MAX_WORK` or `MAX_BYTES`.
        """
        self._within_bounds()
        if state[0] < 0:
            return () if state[0] != BEGIN else self._begun()
        assignment, marking = state[0], self.marking(state)
        found: dict[tuple[int, State], None] = {}
        lively = False
        for trail, after, end in self._events(marking, assignment):
            lively = lively or not trail or trail[0] not in self.external_sources
            if end is not None:
                found[self._label(trail), (end,)] = None
                continue
            for whole, rest in self.settled(after, trail, assignment):
                found[self._label(whole), rest] = None
        if not lively:
            self.stalled.add(state)
        return list(found)

    def keep(self, state: State) -> None:
        """Count what a state takes that an exploration keeps.

        Raises:
            TooLarge: They take more than `MAX_BYTES`.
        """
        self.bytes += BESIDE + CELL * len(state)
        self._within_bounds()

    def _within_bounds(self) -> None:
        if self.work > MAX_WORK:
            self.exhausted = f"takes more than {MAX_WORK:,} looks at tokens"
        elif self.bytes > MAX_BYTES:
            self.exhausted = f"has states that take more than {MAX_BYTES:,} bytes"
        else:
            return
        raise TooLarge

    def _begun(self) -> list[tuple[int, State]]:
        places = enumerate(self.net.places)
        initial = {i: p.tokens for i, p in places if p.tokens and i not in self.dropped}
        initial |= {len(self.net.places) + k: n for k, n in enumerate(self.allowances)}
        return [
            (self._label(trail), state)
            for assignment in range(len(self.assignments))
            for trail, state in self.settled(initial, (), assignment)
        ]

    def _events(
        self, marking: Marking, assignment: int
    ) -> Iterator[tuple[tuple[int, ...], Marking, int | None]]:
        """The events from outside: what they fire at once, the marking, and perhaps an end."""
        for t in self.at(marking, self.outside_at):
            transition = self.net.transitions[t]
            after = self.fired(marking, t, assignment)
            if transition.role in (Role.FAIL, Role.LAPSE):
                task = self.net.tasks[str(transition.task)]
                again = task.retry.attempts > 1 and task.name not in self.merged
                if again and not self._spent(task, after):
                    yield (t,), after, None
                yield from self._abandoned((t,), task, after, assignment)
            else:
                yield (t,), after, None
        for task in self.tasks:
            # A failed item that waits for another attempt may be given up at any time.
            held = self.net.place_index[task.held]
            if marking.get(held) and task.name not in self.merged:
                yield from self._abandoned((), task, marking, assignment, asked=True)
                if self._spent(task, marking):
                    self.spent.add(self.state(marking, assignment))

    def _spent(self, task: Task, marking: Marking) -> bool:
        """Whether no attempt is left: a retry takes from a place that nothing refills."""
        net = self.net
        retry = net.transitions[net.transition_index[task.retry_by]]
        return any(
            a.place != task.held
            and a.place not in net.refilled
            and marking.get(net.place_index[a.place], 0) < a.weight
            for a in retry.take
        )

    def _abandoned(
        self,
        trail: tuple[int, ...],
        task: Task,
        marking: Marking,
        assignment: int,
        *,
        asked: bool = False,
    ) -> Iterator[tuple[tuple[int, ...], Marking, int | None]]:
        """What becomes of an item that has failed for good."""
        branches = {task.give_up}
        known = self.net.tasks[task.name]
        if task.time_out is not None and (known.timeout is not None or known.expires is not None):
            branches.add(task.time_out)
        for branch in sorted(filter(None, branches)):
            t = self.net.transition_index[branch]
            if self.allowed(marking, t):
                yield (*trail, t), self.fired(marking, t, assignment), None
        if task.give_up is not None:
            return
        turned = self.net.place_index.get(UNDOING)
        if task.undoes is None and turned is not None and marking.get(turned):
            if not asked:
                yield trail, marking, None  # it came to nothing, so there is nothing to undo
        elif task.asks and not asked:
            if task.name not in self.merged:
                yield trail, marking, None  # somebody is asked what is to become of it
        else:
            yield trail, marking, BROKEN

    def _label(self, trail: tuple[int, ...]) -> int:
        number = self._trail_numbers.get(trail)
        if number is None:
            self.bytes += BESIDE + CELL * len(trail)
            number = self._trail_numbers[trail] = len(self.trails)
            self.trails.append(trail)
        return number

    def total(self, state: State) -> int:
        """All tokens of a state."""
        return sum(state[2::2])

    def grows(self, state: State, before: State, steps: Callable[[], Sequence[int]]) -> bool:
        """Whether a state covers one before it, and the steps between repeat themselves for ever.

        They are repeated until what grows is beyond whatever an arc can tell apart; from then on
        each round is as the one before, whatever inhibitors, resets and priorities there are.
        """
        if state[0] < 0 or before[0] < 0 or not _covers(self.marking(state), self.marking(before)):
            return False
        if self.tried > TRIED:
            return False
        path = steps()
        self.tried += len(path)
        if any(t in self.inputs for label in path for t in self.trails[label]):
            return False  # whether an OR-join will fire in every round is not shown by some
        taken: dict[int, int] = {}
        for label in path:
            for t in self.trails[label]:
                for p, n in self.arcs[t].take:
                    taken[p] = taken.get(p, 0) + n
        for _ in range(REPEATS):
            after: State | None = state
            self.tried += len(path)
            for label in path:
                assert after is not None
                after = next((s for known, s in self.successors(after) if known == label), None)
                if after is None:
                    return False
            old, new = self.marking(state), self.marking(after or state)
            if not _covers(new, old):
                return False
            grown = [p for p, n in new.items() if n != old.get(p, 0)]
            if all(old.get(p, 0) >= self.highest[p] + taken.get(p, 0) for p in grown):
                return True
            state = after or state
        return False

    @cached_property
    def highest(self) -> list[int]:
        """For each place the most tokens that an arc can tell from more."""
        most = [0] * (len(self.net.places) + self.budgets)
        for arcs in self.arcs:
            for p, n in (*arcs.take, *arcs.needs, *arcs.lacks):
                most[p] = max(most[p], n)
        for inputs in self.inputs.values():
            for p in inputs:
                most[p] = max(most[p], 1)
        return most


def _covers(marking: Marking, other: Marking) -> bool:
    """Whether a marking has at least the tokens of another one, and more."""
    return marking != other and all(marking.get(p, 0) >= n for p, n in other.items())


def repeated(trail: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A long run that does not end, as far as it is worth telling: up to its first round, and that.

    A run that grows without going round is told by its beginning and its last firings.
    """
    for period in range(1, len(trail) // 4):
        end = len(trail)
        while trail[end - 2 * period : end - period] == trail[end - period : end]:
            end -= period
        if end - period < len(trail) // 2:  # most of it is the same again and again
            return trail[:end], trail[end - period : end]
    return trail[:TOLD], trail[-TOLD:]


_FAILING = (Role.RETRY, Role.FAIL, Role.GIVE_UP, Role.TIME_OUT)

_ENDS = {Outcome.COMPLETED: COMPLETED, Outcome.FAILED: FAILED, Outcome.CANCELLED: CANCELLED}


def _alternates(awaited: Transition, passing: Mapping[str, Sequence[Transition]]) -> bool:
    """Whether a condition is awaited again beside a branch, once it does not hold any more.

    Then its negation stands on the way back, and neither is more than an event from outside
    could make true.
    """
    if not _awaits_itself(awaited, passing):
        return False
    seen = {arc.place for arc in awaited.put}
    queue = list(seen)
    while queue:
        for t in passing.get(queue.pop(), ()):
            if t.when == f"!({awaited.when})":
                return True
            new = {arc.place for arc in t.put} - seen
            seen |= new
            queue += new
    return False


def _awaits_itself(trigger: Transition, passing: Mapping[str, Sequence[Transition]]) -> bool:
    """Whether what a trigger begins waits for it again at once, beside a branch that goes on.

    A boundary event that does not interrupt is such a one: it may come any number of times.
    ``passing`` are the immediate transitions by the places that they take from.
    """
    seen = {arc.place for arc in trigger.put}
    queue, splits = list(seen), len(trigger.put) > len(trigger.take)
    while queue:
        for t in passing.get(queue.pop(), ()):
            splits = splits or len(t.put) > len(t.take)
            new = {arc.place for arc in t.put} - seen
            seen |= new
            queue += new
    return splits and any(arc.place in seen for arc in trigger.take)

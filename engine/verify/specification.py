"""Soundness of compiled specifications: can each case end, and each part of it be of use?

Each net is verified by itself; that of a composite task counts in the nets above it as work that
may complete or fail. What is asked of a net:

*   *The option to complete*: from every state a case can be in, an end can be reached: nothing is
    left to do, an end transition, a cancelled case. A case that has failed is not asked for more.
*   *Proper completion*: at an end nothing is left over; a net that says where it ends withdraws
    the rest on purpose.
*   *No dead parts*: every task can start, and every branch of a choice can be taken.
*   *Boundedness*: no thread begets others without end.
*   The assumptions of patterns: a simple merge (WCP-5) is never reached by two threads at once, a
    structured discriminator or partial join (WCP-9, 30) by no branch twice in a round.
*   Invariants that patterns publish, and variables that concurrent tasks write.

A net that may be taken for a plain one is reduced first (`weft.engine.verify.simple`); the others,
and those that look unsound, are explored run by run (`weft.engine.verify.runs`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import combinations, islice

from weft.engine.net import CompiledSpecification, Net, Role, Task
from weft.engine.orjoin import Undecided
from weft.engine.verify.adding import ADDED, adding_bounded
from weft.engine.verify.arcs import ArcNet, members
from weft.engine.verify.graph import Graph, explored
from weft.engine.verify.reduce import reduced
from weft.engine.verify.report import DeadMarking, Diagnostic, Level, Report
from weft.engine.verify.runs import BROKEN, CANCELLED, COMPLETED, FAILED, Runs, State
from weft.engine.verify.simple import plain_form
from weft.engine.verify.together import (
    SCOPES,
    Together,
    TogetherRuns,
    Untold,
    strung_together,
    wide_nets,
)
from weft.engine.verify.workflow import Facts, Look, told
from weft.engine.waiting import waiting_for_each_other
from weft.schema.errors import UsageError
from weft.schema.jsonvalue import JsonValue
from weft.schema.specification import Location, NetDefinition, Specification, Use

__all__ = ["DEFAULT_MAX_STATES", "verify_specification"]

DEFAULT_MAX_STATES = 100_000
"""How many states of a net are looked at before the verifier gives up."""

SHOWN = 10
"""So many deadlocks of a net are told."""

MOST_PAIRS = 100
"""So many pairs of tasks that write the same variable are looked at in a reduced net, at most."""

PAIRS_WORK = 6_000
"""The transitions that are reduced for all those pairs together: a second or two."""


def verify_specification(
    compiled: CompiledSpecification,
    specification: Specification | None = None,
    *,
    max_states: int = DEFAULT_MAX_STATES,
) -> Report:
    """Whether a specification is sound.

    Args:
        compiled: Its nets.
        specification: What it was compiled from, if it is there: findings then have positions,
            and what patterns assume is checked.
        max_states: The bound on the states of each net; past it a verdict may be missing.

    Raises:
        UsageError: ``max_states`` is less than 1.
    """
    if max_states < 1:
        raise UsageError(f"max_states is at least 1, not {max_states}")
    parts = [
        _NetVerification(compiled, net, specification, max_states) for net in compiled.nets.values()
    ]
    told = [] if specification is None else list(_own_rules(specification))
    broken = {d.net for d in told if d.level == "error"}
    for part in parts:
        if (None if part.root else part.net.name) not in broken:
            part.verify()
        else:
            part.abstractions[
                f"net {part.net.name!r} breaks rules of its format, so what it can do was not "
                "looked at"
            ] = None
    options = [part.facts.option for part in parts]
    if wide_nets(compiled) and False not in options and not broken:
        whole = _together(compiled, specification, max_states, parts[0])
        if whole is not None:
            parts.append(whole)
            options.append(whole.facts.option)
    diagnostics = [*told, *(d for part in parts for d in part.diagnostics)]
    diagnostics += _endless_recursion(compiled, specification, max_states)
    undecided = [part.undecided for part in parts if part.undecided]
    abstractions = dict.fromkeys(a for part in parts for a in part.abstractions)
    return Report(
        name=compiled.name,
        option_to_complete=_all(options),
        proper_completion=_all(part.facts.proper for part in parts),
        bounded=_all(part.facts.bounded for part in parts),
        safe=_all(part.facts.safe for part in parts),
        dead_transitions=[name for part in parts for name in part.dead],
        deadlocks=[d for part in parts for d in part.deadlocks],
        states=sum(part.states for part in parts),
        abstractions=tuple(abstractions),
        diagnostics=diagnostics,
        undecided="; ".join(undecided) or None,
    )


def _all(verdicts: Iterable[bool | None]) -> bool | None:
    """False if one is, else None if one is, else True."""
    found = set(verdicts)
    return False if False in found else None if None in found else True


def _branch(name: str) -> str:
    """What the ways into one branch have in common: a multi-choice has two, as first or after."""
    return name.replace(".then.also ", ".then.yes ")


def _own_rules(specification: Specification) -> Iterator[Diagnostic]:
    """What is amiss by the rules of the format that a specification was written in."""
    for f in specification.findings:
        net = None if f.net == specification.root else f.net
        file = specification.source.file
        yield Diagnostic(f.level, f.code, f.message, f.element, file, f.line, None, (), net)


class _NetVerification:
    """The verification of one net of a specification."""

    def __init__(
        self,
        compiled: CompiledSpecification,
        net: Net,
        specification: Specification | None,
        max_states: int,
    ) -> None:
        self.compiled = compiled
        self.net = adding_bounded(net)
        self.root = net.name == compiled.root
        self.specification = specification
        self.max_states = max_states
        self.facts = Facts()
        self.dead: list[str] = []
        self.deadlocks: list[DeadMarking] = []
        self.states = 0
        self.abstractions: dict[str, None] = {}
        self.diagnostics: list[Diagnostic] = []
        self.undecided: str | None = None
        self.reported: set[object] = set()

    @property
    def constants(self) -> bool:
        """Whether a condition that reads no data is taken at its word.

        In YAWL files ``true()`` stands for a predicate that is not written yet.
        """
        return self.specification is None or self.specification.source.format != "yawl"

    @property
    def definition(self) -> NetDefinition | None:
        """The net as its author wrote it."""
        return None if self.specification is None else self.specification.nets.get(self.net.name)

    @cached_property
    def chosen(self) -> frozenset[str]:
        """The transitions that a condition chooses among, the default one included."""
        guarded = {p for t in self.net.transitions if t.when is not None for p in t.sources}
        return frozenset(
            t.name
            for t in self.net.transitions
            if not (t.external or guarded.isdisjoint(t.sources))
        )

    # ── the whole ────────────────────────────────────────────────────────────────────────────

    def verify(self) -> None:
        if any(task.child is not None for task in self.net.tasks.values()):
            self.abstractions[
                "the net of a composite task is verified by itself, and may complete or fail"
            ] = None
        if any(t.role is Role.ADD for t in self.net.transitions):
            self.abstractions[
                f"of instances that may be added, {ADDED} are, to each task of a net"
            ] = None
        self.automatic_alternatives()
        plain = plain_form(self.net)
        if plain is None or not self.by_reduction(plain):
            self.by_runs()

    # ── as a plain net ───────────────────────────────────────────────────────────────────────

    def by_reduction(self, plain: ArcNet) -> bool:
        """Verify it as a plain net; whether that has settled everything, for the good."""
        ends = {i for i, p in enumerate(self.net.places) if p.end}
        look = self.looked(plain, ends)
        facts = look.facts
        alive = {o for n in facts.fired for o in members(look.net.transitions[n].steps)}
        settled = facts.option and facts.safe and facts.bounded and set(plain.transitions) <= alive
        if not settled:
            return False
        self.facts = facts
        facts.proper = True
        if any(t.when for t in self.net.transitions):
            self.abstractions["each condition may be true or false, whatever the data"] = None
        loop = self.loop()
        if loop:
            self.circles((), loop)
        among = sum(len(tasks) * (len(tasks) - 1) // 2 for tasks in self.writers().values())
        most = min(MOST_PAIRS, PAIRS_WORK // max(1, len(plain.transitions)) + 1)
        for one, other, variable in islice(self.writing_pairs(), most):
            runs = [self.net.place_index[task.run] for task in (one, other)]
            kept = self.looked(plain, ends, keep=runs)
            cells = [kept.markings.cell[p] for p in runs]
            for state in kept.graph.states:
                tokens = memoryview(state).cast("i")
                if all(tokens[cell] for cell in cells):
                    self.both_write(one, other, variable, ())
                    break
        if among > most:
            self.tell(
                "note",
                "concurrent-writes",
                f"of {among:,} pairs of tasks that write the same variable {most} were looked at",
            )
        return True

    def loop(self) -> Sequence[int]:
        """A round of transitions that can follow on each other by themselves; none: there is none.

        Of a net that may be taken for a plain one, all of whose transitions can fire: there the
        conditions on the way round do not contradict each other.
        """
        place = self.net.place_index
        ways = {
            i: (place[t.take[0].place], [place[a.place] for a in t.put])
            for i, t in enumerate(self.net.transitions)
            if not t.external and t.ends is None and len(t.take) == 1
        }
        behind: dict[int, list[int]] = {}
        for i, (source, _) in ways.items():
            behind.setdefault(source, []).append(i)
        leads = {i: [n for p in put for n in behind.get(p, ())] for i, (_, put) in ways.items()}
        missing = {i: len(following) for i, following in leads.items()}
        before: dict[int, list[int]] = {}
        for i, following in leads.items():
            for n in following:
                before.setdefault(n, []).append(i)
        queue = [i for i, n in missing.items() if not n]
        while queue:  # what leads out of every round, from its end
            i = queue.pop()
            del leads[i]
            for b in before.get(i, ()):
                missing[b] -= 1
                if not missing[b]:
                    queue.append(b)
        if not leads:
            return ()
        walked: dict[int, None] = {}
        at = min(leads)
        while at not in walked:
            walked[at] = None
            at = next(n for n in leads[at] if n in leads)
        order = list(walked)
        return order[order.index(at) :]

    def looked(self, plain: ArcNet, ends: set[int], keep: Sequence[int] = ()) -> Look:
        """Look at the reduced net: with its ends, or without if several threads come to one.

        What is at an end is no work, and may be any number; but two threads that come to one
        through the same places must not be taken for two that come there side by side. So ends
        are taken away before the net is reduced: what puts there puts nothing, and stays.
        """
        look = self._look(reduced(plain, keep=keep), ends)
        if look.facts.safe and look.facts.bounded:
            return look
        inner, gone = plain.copy(), set[int]()
        for t in inner.transitions.values():
            t.put = {p: n for p, n in t.put.items() if p not in ends}
        small = reduced(inner, keep=keep, ending=gone)
        return self._look(small, gone)

    def _look(self, small: ArcNet, ends: Collection[int]) -> Look:
        look = Look(small, ends, single=False, vanishing=True, max_states=self.max_states)
        self.states += len(look.graph.states)
        return look

    # ── run by run ───────────────────────────────────────────────────────────────────────────

    def by_runs(self, runs: Runs | None = None) -> None:
        if runs is None:
            alone = self.net.name in self.compiled.alone
            runs = Runs(self.net, alone=alone, constants=self.constants)
        watch = _Watch(self, runs)
        if self.net.or_joins:
            self.abstractions[
                "an OR-join waits for what conditions could still keep from coming"
            ] = None
        try:
            graph = explored(runs, max_states=self.max_states, enough=watch.note, keep=runs.keep)
        except Undecided as undecided:
            self.undecided = str(undecided)
            return
        self.states += len(graph.states)
        self.abstractions |= runs.abstractions
        facts = self.facts
        dead_ends = [i for i in range(graph.size) if graph.states[i] in runs.stalled]
        fired = {t for label in graph.used() for t in runs.trails[label]}
        if graph.growth is not None:
            facts.bounded = facts.safe = False
            self.grows(runs, graph)
        elif graph.complete:
            facts.bounded = True
            facts.safe = watch.unsafe is None
            facts.proper = True
            ends = (COMPLETED, CANCELLED, FAILED)
            goals = [i for i, s in enumerate(graph.states) if s[0] in ends or s in runs.spent]
            can = graph.reaching(goals)
            stuck = next(
                (
                    i
                    for i, yes in enumerate(can)
                    if not yes and graph.states[i][0] != BROKEN and not graph.dead(i)
                ),
                None,
            )
            facts.option = not dead_ends and stuck is None
            if stuck is not None and not dead_ends:
                self.never_ends(runs, graph, stuck)
        else:
            bound = runs.exhausted or f"has more than {self.max_states:,} states"
            self.undecided = f"net {self.net.name!r} {bound}"
        if dead_ends:
            facts.option = False
            self.stops(runs, graph, dead_ends)
        if watch.unsafe is not None:
            facts.safe = False
        for trail, loop in runs.loops.values():
            self.circles(trail, loop)
        watch.tell(graph)
        if graph.complete:
            self.never_used(fired)

    def path(self, runs: Runs, graph: Graph[State], state: int) -> list[str]:
        """The transitions that lead to a state, by name."""
        return [
            self.net.transitions[t].name for label in graph.path(state) for t in runs.trails[label]
        ]

    def tokens(self, runs: Runs, state: State, *, all: bool = False) -> dict[str, int]:
        """The marking of a state by name; only unfinished work, or all of it."""
        return {
            self.net.places[p].name: n
            for p, n in sorted(runs.marking(state).items())
            if p < len(self.net.places) and (all or self.net.unfinished[p])
        }

    # ── findings ─────────────────────────────────────────────────────────────────────────────

    def stops(self, runs: Runs, graph: Graph[State], dead_ends: Sequence[int]) -> None:
        """Deadlocks."""
        name = None if self.root else self.net.name
        for state in dead_ends[:SHOWN]:
            path = self.path(runs, graph, state)
            marking = self.tokens(runs, graph.states[state], all=True)
            self.deadlocks.append(DeadMarking(marking, path, name))
        state = dead_ends[0]
        left = self.tokens(runs, graph.states[state])
        path = self.path(runs, graph, state)
        place = next(iter(left), None)
        waiting = told([self.place_words(p) for p in left]) or "nothing"
        text = f"{self.after(path)} nothing can go on, and there is {waiting}"
        element, location = self.of_place(place)
        mutual = self.mutual(runs, graph, dead_ends)
        if mutual is not None:
            state, joins = mutual
            path, element = self.path(runs, graph, state), joins[0]
            location = self.at("tasks", element, "join")
            text = (
                f"{self.after(path)} the general synchronizing merges (pattern 38) of "
                f"{told([repr(join) for join in joins])} wait for each other: each for a thread "
                "that only another of them could send; give one of them another join"
            )
            self.tell("error", "mutual-wait", text, element=element, location=location, path=path)
            return
        self.tell("error", "deadlock", text, element=element, location=location, path=path)

    def mutual(
        self, runs: Runs, graph: Graph[State], dead_ends: Sequence[int]
    ) -> tuple[int, tuple[str, ...]] | None:
        """The first deadlock in which OR-joins wait for each other, and their tasks."""
        for state in dead_ends[:SHOWN] if len(self.net.or_joins) > 1 else ():
            marking = runs.marking(graph.states[state])
            cells = [marking.get(p, 0) for p in range(len(self.net.places))]
            for joins in waiting_for_each_other(self.net, cells):
                return state, joins
        return None

    def never_ends(self, runs: Runs, graph: Graph[State], state: int) -> None:
        """A livelock: work goes on, and no end can be reached."""
        path = self.path(runs, graph, state)
        left = self.tokens(runs, graph.states[state])
        element, location = self.of_place(next(iter(left), None))
        text = f"{self.after(path)} no end can be reached any more"
        if left:
            text += f"; there is {told([self.place_words(p) for p in left])}"
        rounds = self.going_round(runs, graph, state)
        if rounds:
            text += f"; what goes on for ever: {told([repr(task) for task in rounds])}"
        if rounds and element is None:
            element, location = rounds[0], self.at("tasks", rounds[0])
        self.tell("error", "livelock", text, element=element, location=location, path=path)

    def going_round(self, runs: Runs, graph: Graph[State], state: int) -> list[str]:
        """The tasks that start again and again among the states that follow on one."""
        reached, queue = {state}, [state]
        while queue:
            new = {after for _, after in graph.steps(queue.pop())} - reached
            reached |= new
            queue += new
        before = dict.fromkeys(reached, 0)
        for one in reached:
            for _, after in graph.steps(one):
                before[after] += 1
        queue = [one for one, n in before.items() if not n]
        while queue:  # what nothing that stays comes before is met once
            one = queue.pop()
            reached.discard(one)
            for _, after in graph.steps(one):
                before[after] -= 1
                if not before[after]:
                    queue.append(after)
        again = {
            t
            for one in reached
            for label, after in graph.steps(one)
            if after in reached and graph.states[after][0] >= 0
            for t in runs.trails[label]
        }
        starts = (t for i, t in enumerate(self.net.transitions) if i in again)
        return list(dict.fromkeys(str(t.task) for t in starts if t.role is Role.START))

    def grows(self, runs: Runs, graph: Graph[State]) -> None:
        """Unboundedness."""
        assert graph.growth is not None
        state = graph.growth
        marking = runs.marking(graph.states[state])
        at = graph.parents[state]
        grown: list[str] = []
        while at >= 0 and not grown:
            before = runs.marking(graph.states[at]) if graph.states[at][0] >= 0 else None
            if before is not None and all(marking.get(p, 0) >= n for p, n in before.items()):
                grown = [
                    self.net.places[p].name for p, n in marking.items() if n > before.get(p, 0)
                ]
            at = graph.parents[at]
        path = self.path(runs, graph, state)
        element, location = self.of_place(grown[0] if grown else None)
        more = told([self.place_words(p) for p in grown])
        text = f"{self.after(path)} there is more of this, and can be more for ever: {more}"
        self.tell("error", "unbounded", text, element=element, location=location, path=path)

    def circles(self, trail: Sequence[int], loop: Sequence[int]) -> None:
        """A run without end."""
        names = [self.net.transitions[t].name for t in loop]
        path = [self.net.transitions[t].name for t in trail]
        element = self.net.transitions[loop[0]].task or names[0].partition(".")[0]
        text = (
            f"these follow on each other without an event from outside, for ever, if their "
            f"conditions hold: {told(names)}; the case would fail"
        )
        location = self.at("tasks", element)
        self.tell("warning", "endless-run", text, element=element, location=location, path=path)

    def never_used(self, fired: set[int]) -> None:
        """Tasks that can never start, branches that can never be taken."""
        net = self.net
        started = {net.transitions[t].task for t in fired if net.transitions[t].role is Role.START}
        taken = {_branch(net.transitions[t].name) for t in fired}
        spare = self.spare(fired)
        for i, t in enumerate(net.transitions):
            if i in fired or i in spare:
                continue
            if t.role is Role.START:
                self.dead.append(t.name)
                if t.task in started:
                    way = t.name.partition(" from ")[2] or t.take[0].place
                    text = f"task {t.task!r} can never start by way of {self.way_words(way)}"
                elif ("dead", t.task) in self.reported:
                    continue
                else:
                    self.reported.add(("dead", t.task))
                    text = f"task {t.task!r} can never start"
                location = self.at("tasks", str(t.task))
                self.tell("error", "dead-task", text, element=t.task, location=location)
            elif t.when is not None and ".then." in t.name and _branch(t.name) not in taken:
                self.dead.append(t.name)
                owner = t.name.partition(".then.")[0].rstrip("!")
                text = f"the branch {t.name!r} can never be taken: {t.when}"
                location = self.at("tasks", owner, "then")
                self.tell("error", "dead-branch", text, element=owner, location=location)
                taken.add(_branch(t.name))

    def spare(self, fired: set[int]) -> set[int]:
        """What is only there for a limit on starts that is never reached, and so is no fault."""
        net = self.net
        putters: dict[str, set[int]] = {}
        for i, t in enumerate(net.transitions):
            for arc in t.put:
                putters.setdefault(arc.place, set()).add(i)
        spare = {
            i
            for i, t in enumerate(net.transitions)
            if i not in fired and t.name.endswith(".start-limit.used up")
        }
        grown = bool(spare)
        while grown:
            more = {
                i
                for i, t in enumerate(net.transitions)
                if i not in fired
                and i not in spare
                and any(putters.get(p) and putters[p] <= spare for p in t.sources)
            }
            spare |= more
            grown = bool(more)
        return spare

    def automatic_alternatives(self) -> None:
        """Deferred choices of which one alternative needs nobody to start it."""
        starts: dict[str, dict[str, Task]] = {}
        for t in self.net.transitions:
            if t.role is Role.START and t.task is not None and not self.net.tasks[t.task].undoes:
                for place in t.sources:
                    starts.setdefault(place, {})[t.task] = self.net.tasks[t.task]
        for place, tasks in starts.items():
            eager = [name for name, task in tasks.items() if task.automatic]
            if len(tasks) < 2 or not eager:
                continue
            others = [name for name in tasks if name != eager[0]]
            text = (
                f"task {eager[0]!r} starts by itself, so {told(others)} will not be chosen from "
                f"{place!r}: the alternatives of a deferred choice wait for somebody, or for "
                "something, to choose them"
            )
            location = self.at("tasks", eager[0])
            self.tell("warning", "automatic-alternative", text, element=eager[0], location=location)
            self.abstractions[
                "an automatic alternative of a deferred choice may be forestalled"
            ] = None

    def writers(self) -> Mapping[str, Sequence[Task]]:
        """The tasks that write each variable that several write, and that declares no merge."""
        writers: dict[str, list[Task]] = {}
        for task in self.net.tasks.values():
            names = [task.result] if task.outputs is None else list(task.outputs)
            for name in names:
                if name is not None:
                    writers.setdefault(name, []).append(task)
        declared = {name: v for name, v in self.net.variables.items() if v.merge is not None}
        return {v: tasks for v, tasks in writers.items() if len(tasks) > 1 and v not in declared}

    def writing_pairs(self) -> Iterator[tuple[Task, Task, str]]:
        """Two tasks each that write the same variable."""
        for variable, tasks in self.writers().items():
            yield from ((a, b, variable) for a, b in combinations(tasks, 2))

    def both_write(self, one: Task, other: Task, variable: str, path: Sequence[str]) -> None:
        """Two tasks that can be under way at once write one variable."""
        text = (
            f"tasks {one.name!r} and {other.name!r} can be under way at once, and both write "
            f"{variable!r}: the later one wins; declare how they are merged, or write to two "
            "variables"
        )
        location = self.at("tasks", other.name)
        self.tell(
            "warning", "concurrent-writes", text, element=other.name, location=location, path=path
        )

    # ── words ────────────────────────────────────────────────────────────────────────────────

    def after(self, path: Sequence[str]) -> str:
        """A path in the user's words."""
        index = self.net.transition_index
        words = []
        for name in path:
            t = self.net.transitions[index[name]]
            if t.role is Role.START and self.net.tasks[str(t.task)].automatic:
                continue
            if t.task is not None and t.role is not Role.NONE:
                words.append(f"{t.role.value} {t.task}")
            elif name in self.chosen:
                words.append(name.replace(".then.", ": "))
        return f"after {told(words)}," if words else "at the start"

    def place_words(self, place: str) -> str:
        """What a token in a place means."""
        head, dot, tail = place.rpartition(".")
        if dot and head in self.net.tasks and tail == "run":
            return f"{head!r} under way"
        if dot and head in self.net.tasks and tail == "held":
            return f"{head!r} failed"
        source, arrow, target = place.partition(">")
        if arrow and source and target:
            return f"a thread from {source!r} to {target!r}"
        if arrow:
            return f"a thread {'before' if target else 'behind'} {(target or source)!r}"
        for part, words in (("then", "on its way behind"), ("join", "in the join of")):
            owner, mark, _ = place.partition(f".{part}.")
            if mark:
                return f"a thread {words} {owner!r}"
        return f"a token in {place!r}"

    def way_words(self, place: str) -> str:
        """What a token in a place that a task starts from means: who sends it."""
        source, arrow, target = place.partition(">")
        if source or not arrow:
            return self.place_words(place)
        senders = (t.name for t in self.net.transitions if any(a.place == place for a in t.put))
        found = dict.fromkeys(name.partition(".then.")[0] for name in senders if ".then." in name)
        return (
            f"a thread from {told([repr(s) for s in found])} to {target!r}"
            if found
            else (self.place_words(place))
        )

    def of_place(self, place: str | None) -> tuple[str | None, Location]:
        """The task or place that a place of the net belongs to, and where it is written."""
        if place is None:
            return None, self.at()
        definition = self.definition
        if definition is not None and place in definition.places:
            return place, self.at("places", place)
        source, _, target = place.partition(">")
        for name in (target, place.partition(".")[0], source.rstrip("!")):
            if name in self.net.tasks or (definition is not None and name in definition.tasks):
                return name, self.at("tasks", name)
        return place, self.at()

    def at(self, *rest: str | int) -> Location:
        """A location in the net's definition."""
        if self.specification is None:
            return ()
        return self.specification.location(self.net.name, *rest)

    def tell(
        self,
        level: Level,
        code: str,
        message: str,
        *,
        element: str | None = None,
        location: Location = (),
        path: Sequence[str] = (),
    ) -> None:
        self.diagnostics.append(
            finding(
                self.specification,
                location,
                level,
                code,
                message,
                element=element,
                path=tuple(path),
                net=None if self.root else self.net.name,
            )
        )


def finding(
    specification: Specification | None,
    location: Location,
    level: Level,
    code: str,
    message: str,
    *,
    element: str | None = None,
    path: Sequence[str] = (),
    net: str | None = None,
) -> Diagnostic:
    """A diagnostic with the position of a location of the specification."""
    file, line, column = None, None, None
    if specification is not None:
        fault = specification.source.fault(location, message)
        file, line, column = fault.file, fault.line, fault.column
    return Diagnostic(level, code, message, element, file, line, column, path, net)


_BLOCKING = (
    "a structured join (patterns 9 and 30) cannot take that: say blocking-discriminator (28) or "
    "blocking-partial-join (31)"
)
_MERGING = (
    "this merge (pattern {}) would take threads of two rounds for one: let the region be entered "
    "again only when it has been left, or say multi-merge (8) or general-synchronizing-merge (38)"
)
_IN_ROUNDS = {
    "structured-discriminator": _BLOCKING,
    "structured-partial-join": _BLOCKING,
    "structured-synchronizing-merge": _MERGING.format(7),
    "local-synchronizing-merge": _MERGING.format(37),
}
"""Joins that pair what comes by their branches in rounds, and what else there is."""


class _Whole(_NetVerification):
    """The verification of nets that were strung together: only whether each case can end."""

    def __init__(
        self,
        compiled: CompiledSpecification,
        together: Together,
        specification: Specification | None,
        max_states: int,
    ) -> None:
        super().__init__(compiled, together.net, specification, max_states)
        self.together = together

    @property
    def definition(self) -> None:
        return None

    def verify(self) -> None:
        self.by_runs(TogetherRuns(self.together, constants=self.constants))
        self.facts.safe = self.facts.proper = True  # these are asked of each net by itself

    def writers(self) -> Mapping[str, Sequence[Task]]:
        return {}

    def tokens(self, runs: Runs, state: State, *, all: bool = False) -> dict[str, int]:
        """The marking of a state; what is left to do stands in the child scopes themselves."""
        found = super().tokens(runs, state, all=all)
        above = {self.net.tasks[name].run for name in self.together.strung}
        return {p: n for p, n in found.items() if all or p not in above} or found

    def never_used(self, fired: set[int]) -> None:
        pass

    def circles(self, trail: Sequence[int], loop: Sequence[int]) -> None:
        pass

    def of_place(self, place: str | None) -> tuple[str | None, Location]:
        """The task that a place belongs to, and where it is written: in the net of its scope."""
        if place is None or self.specification is None:
            return place, ()
        scope = max(
            (s for s in self.together.scopes if place.startswith(s.prefix)),
            key=lambda s: len(s.prefix),
        )
        source, _, target = place.removeprefix(scope.prefix).partition(">")
        for name in (target, source.partition(".")[0], source.rstrip("!")):
            if name in scope.net.tasks:
                return name, self.specification.location(scope.net.name, "tasks", name)
        return place, self.specification.location(scope.net.name)


def _together(
    compiled: CompiledSpecification,
    specification: Specification | None,
    max_states: int,
    first: _NetVerification,
) -> _Whole | None:
    """Look at the scopes together that case-wide arcs reach over; None: they cannot be."""
    names = told(sorted(wide_nets(compiled)))
    try:
        together = strung_together(compiled)
    except Untold as why:
        first.abstractions[f"critical sections of {names} are judged within one scope: {why}"] = (
            None
        )
        return None
    whole = _Whole(compiled, together, specification, max_states)
    whole.verify()
    whole.abstractions[
        f"critical sections reach over the scopes of {names}: of each composite task that leads "
        f"there, {SCOPES} scopes live at once"
    ] = None
    return whole


class _Watch:
    """What is looked for in every state: double tokens, and what patterns assume."""

    def __init__(self, part: _NetVerification, runs: Runs) -> None:
        self.part = part
        self.runs = runs
        self.unsafe: int | None = None
        place = part.net.place_index
        self.writers = [
            (variable, [(task.name, place[task.run]) for task in tasks])
            for variable, tasks in part.writers().items()
        ]
        self.written: dict[tuple[str, str, str], int] = {}
        self.merges = list(self._merges(place))
        self.merged: dict[str, int] = {}
        self.rounds = list(self._rounds(place))
        self.overtaken: dict[str, int] = {}
        self.invariants = [
            ({place[p]: n for p, n in inv.weights.items()}, inv.total)
            for inv in part.net.invariants
        ]
        self.broken: dict[int, int] = {}
        self.left: tuple[int, int, dict[str, int]] | None = None
        """An end that withdraws work: the state before it, the run, and what is withdrawn."""

    def _merges(self, place: Mapping[str, int]) -> Iterator[tuple[str, list[int]]]:
        """The tasks with a simple merge, and the places of the threads that come to it."""
        definition = self.part.definition
        if definition is None:
            return
        leading: dict[str, list[str | None]] = {}
        for source, target in _flows(definition, self.part.net):
            leading.setdefault(target, []).append(source)

        def ways_in(name: str, seen: frozenset[str] = frozenset()) -> int:
            """The flows that meet at a task, or at simple merges of empty tasks before it."""
            number = 0
            for source in leading.get(name, ()):
                empty = None if source in net.tasks else definition.tasks.get(source or "")
                merges = empty is not None and (empty.join or simple) == simple
                again = source is None or source in seen or not merges
                number += 1 if again else max(1, ways_in(str(source), seen | {name}))
            return number

        net, simple = self.part.net, Use("simple-merge")  # the start may be in the marking
        for task in definition.tasks.values():
            # With one flow there is no merge: fusing may have put several ways in its place.
            if (task.join or simple) != simple or ways_in(task.name) < 2:
                continue
            compiled = self.part.net.tasks.get(task.name)
            found = [
                i
                for name, i in place.items()
                if name.rpartition(">")[2] == task.name and not name.startswith("!")
            ]
            ways = sum(place[a.place] in found for t in net.transitions for a in t.put)
            ways += sum(net.places[i].tokens for i in found)
            if compiled is not None and (ways > 1 or len(found) > 1):
                own = [] if compiled.multiple else [place[compiled.run], place[compiled.held]]
                yield task.name, [*found, *own]

    def _rounds(self, place: Mapping[str, int]) -> Iterator[tuple[str, int, int]]:
        """The branches of joins that pair them in rounds: the place of a branch, and of its turn.

        What comes by a branch is a thread, or word that none will.
        """
        definition = self.part.definition
        for t in self.part.net.transitions:
            owner, mark, _ = t.name.partition(".join.")
            if not mark or definition is None or owner not in definition.tasks:
                continue
            join = definition.tasks[owner].join
            if join is None or join.name not in _IN_ROUNDS:
                continue
            names = [a.place for a in t.take]
            turn = next((p for p in names if p.startswith(f"{owner}.join.todo ")), None)
            branch = next((p for p in names if not p.startswith(f"{owner}.join.")), None)
            if turn is not None and branch is not None:
                yield owner, place[branch], place[turn]

    def note(self, at: int, state: State, following: Sequence[tuple[int, State]]) -> bool:
        """Look at a state; never enough."""
        if state[0] < 0:
            return False
        marking = self.runs.marking(state)
        if self.left is None and self.part.definition is not None:
            self._ended(at, state, following)
        unfinished = self.part.net.unfinished
        if self.unsafe is None and any(
            n > 1 and p < len(unfinished) and unfinished[p] for p, n in marking.items()
        ):
            self.unsafe = at
        for variable, tasks in self.writers if len(self.written) < MOST_PAIRS else ():
            busy = [name for name, run in tasks if run in marking]
            for one, other in islice(combinations(busy, 2), MOST_PAIRS):
                self.written.setdefault((one, other, variable), at)
        for name, places in self.merges:
            if sum(marking.get(p, 0) for p in places) > 1:
                self.merged.setdefault(name, at)
        for name, branch, turn in self.rounds:
            if marking.get(branch) and not marking.get(turn):
                self.overtaken.setdefault(name, at)
        for k, (weights, total) in enumerate(self.invariants):
            if sum(marking.get(p, 0) * n for p, n in weights.items()) != total:
                self.broken.setdefault(k, at)
        return False

    def _ended(self, at: int, state: State, following: Sequence[tuple[int, State]]) -> None:
        """Whether a declared place ends the net while there is other work."""
        part, runs = self.part, self.runs
        assert part.definition is not None
        for label, after in following:
            trail = runs.trails[label]
            if after != (COMPLETED,) or not trail:  # without one it ends as it stands
                continue
            last = part.net.transitions[trail[-1]]
            if last.ends is None:
                continue
            if last.name.partition(".then.")[0] not in part.definition.places:
                continue  # a task that ends everything says so (pattern 43)
            marking = runs.marking(state)
            for t in trail:
                marking = runs.fired(marking, t, state[0])
            rest = part.tokens(runs, runs.at_rest(marking, state[0]))
            if rest:
                self.left = at, label, rest
                return

    def tell(self, graph: Graph[State]) -> None:
        """Report what was found, each with the path that leads there."""
        part, runs = self.part, self.runs
        if self.left is not None:
            at, label, rest = self.left
            names = [part.net.transitions[t].name for t in runs.trails[label]]
            path = [*part.path(runs, graph, at), *names]
            end = names[-1].partition(".then.")[0]
            there = told([part.place_words(p) for p in rest])
            text = (
                f"{part.after(path)} the end {end!r} is reached, and there still is {there}, "
                "which is withdrawn"
            )
            location = part.at("places", end)
            part.tell("warning", "left-over", text, element=end, location=location, path=path)
        for (one, other, variable), at in self.written.items():
            tasks = part.net.tasks
            part.both_write(tasks[one], tasks[other], variable, part.path(runs, graph, at))
        for name, at in self.merged.items():
            path = part.path(runs, graph, at)
            text = (
                f"{part.after(path)} two threads are at the simple merge of {name!r} (pattern 5) "
                "at once; if the task is to run for each of them, say `join: multi-merge` "
                "(pattern 8)"
            )
            location = part.at("tasks", name, "join")
            part.tell("error", "merge-context", text, element=name, location=location, path=path)
        for name, at in self.overtaken.items():
            path = part.path(runs, graph, at)
            assert part.definition is not None
            join = part.definition.tasks[name].join
            assert join is not None
            text = (
                f"{part.after(path)} a branch has come to the join of {name!r} a second time "
                f"before the others have come; {_IN_ROUNDS[join.name]}"
            )
            location = part.at("tasks", name, "join")
            part.tell("error", "join-context", text, element=name, location=location, path=path)
        for k, at in self.broken.items():
            path = part.path(runs, graph, at)
            weights = part.net.invariants[k].weights
            owner = next(iter(weights)).partition(".")[0]
            text = (
                f"{part.after(path)} the bookkeeping of {owner!r} is broken: {told(list(weights))} "
                f"no longer add up to {part.net.invariants[k].total}; something outside of the "
                "pattern takes from it, clears it or adds to it"
            )
            location = part.at("tasks", owner)
            part.tell("error", "invariant", text, element=owner, location=location, path=path)


def _endless_recursion(
    compiled: CompiledSpecification, specification: Specification | None, max_states: int
) -> list[Diagnostic]:
    """Nets that only end if they themselves end further down: the least fixpoint of those that do."""
    calls = {
        name: {t.child for t in net.tasks.values() if t.child}
        for name, net in compiled.nets.items()
    }
    recursive = {name for name in calls if name in _below(calls, name)}
    if not recursive:
        return []
    ending = set(calls) - {n for n in calls if recursive & ({n} | _below(calls, n))}
    grew = True
    while grew:
        grew = False
        for name in sorted(set(calls) - ending):
            if _ends_without(compiled.nets[name], set(calls) - ending, max_states):
                ending.add(name)
                grew = True
    found = []
    for name in sorted(set(calls) - ending):
        location = () if specification is None else specification.location(name)
        text = (
            f"net {name!r} can only end when {told(sorted(calls[name] - ending))} ends inside of "
            "it: a recursion without an end"
        )
        net = None if name == compiled.root else name
        found.append(
            finding(specification, location, "error", "recursion", text, element=name, net=net)
        )
    return found


def _below(calls: Mapping[str, set[str]], name: str) -> set[str]:
    """The nets that a net runs, directly or further down."""
    found: set[str] = set()
    stack = [name]
    while stack:
        for child in calls.get(stack.pop(), ()):
            if child not in found:
                found.add(child)
                stack.append(child)
    return found


def _ends_without(net: Net, endless: set[str], max_states: int) -> bool:
    """Whether a net can end without these nets ever ending; undecided counts as yes."""
    net = adding_bounded(net)
    endings = {t.complete for t in net.tasks.values() if t.child in endless}
    runs = Runs(net, alone=False, never=endings)
    ended: list[int] = []

    def note(at: int, state: State, _: object) -> bool:
        if state[0] in (COMPLETED, CANCELLED, FAILED):
            ended.append(at)
        return bool(ended)

    graph = explored(runs, max_states=max_states, enough=note, keep=runs.keep)
    return bool(ended) or not graph.complete


def _flows(definition: NetDefinition, net: Net) -> Iterator[tuple[str | None, str]]:
    """The names in what a net says of where its flow goes, each with the task that says it."""
    yield from ((None, name) for name in definition.start)
    for task in definition.tasks.values():
        compiled = net.tasks.get(task.name)
        worked = None if compiled is None else compiled.connector
        for use in (task.then, task.on_failure, task.on_timeout, task.on_due, *task.uses):
            if use is not None and use.name != worked:
                yield from ((task.name, name) for name in _texts(use.argument))
    for place in definition.places.values():
        if place.then is not None:
            for name in _texts(place.then.argument):
                yield from ((None, name) for _ in range(max(1, place.tokens)))


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)

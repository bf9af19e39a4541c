"""Places, transitions and arcs: what a net is, checked once and then frozen.

A net is what the interpreter runs. It knows five kinds of arc (``take``, ``put``, ``needs``,
``lacks``, ``clear``), guards, two kinds of transition (immediate and external) and ``ends``;
every control-flow pattern is written in these words. One kind of transition looks beyond its own
places, the OR-join (`OrJoin`). `docs/design.md` gives their meaning.

A `CompiledSpecification` is a root net with the nets of its composite tasks. Its content, written
as canonical JSON, has a hash; a case pins that hash, so no later release reads it differently.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cached_property
from typing import Any

import msgspec

from weft.engine.expressions import compile_expression
from weft.native import kernel
from weft.native.image import Arcs, NetImage
from weft.schema.datatypes import DataType
from weft.schema.errors import JournalError
from weft.schema.specification import MAX_CRASHES

__all__ = [
    "MAX_TOKENS",
    "Arc",
    "CompiledSpecification",
    "Ends",
    "Invariant",
    "Mapped",
    "MergeRule",
    "Multiple",
    "Net",
    "OrJoin",
    "Outcome",
    "Place",
    "RetryPolicy",
    "Role",
    "Task",
    "Timing",
    "Transition",
    "VariableType",
    "Wait",
    "arcs_of",
    "external",
    "immediate",
]

MAX_TOKENS = 2**31 - 1
"""No place holds more tokens, and no arc weighs more: counts are 32-bit integers."""


class Role(StrEnum):
    """What an external transition means to the outside; immediate ones have `Role.NONE`."""

    NONE = "none"
    START = "start"
    COMPLETE = "complete"
    FAIL = "fail"
    RETRY = "retry"
    GIVE_UP = "give up"
    ADD = "add"
    """One more instance of a task that is open for it."""
    SEAL = "seal"
    """No more instances will be added."""
    LAPSE = "lapse"
    """Nobody has started an offered item in time: it is held, as if an attempt had failed."""
    TIME_OUT = "time out"
    """A held item takes the branch for what was not done in time."""
    REMIND = "remind"
    """An item is due and still open: another branch begins, and the item stays as it is."""
    TRIGGER = "trigger"
    """A trigger has come: what waited for it goes on (with no input: a branch begins)."""
    TIMER = "timer"
    """A time has come: what waited for it goes on."""
    FIRE = "fire"
    """A transition of a plain net: fired by name."""


class Outcome(StrEnum):
    """How a transition that ends something ends it."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Ends(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a transition ends when it fires: its scope, or the whole case."""

    outcome: Outcome
    case: bool = False
    reason: str = ""


class MergeRule(StrEnum):
    """How an OR-join knows that no more threads will come."""

    GENERAL = "general"
    """No empty input can still be marked: a question of coverability (`weft.engine.orjoin`)."""
    STRUCTURAL = "structural"
    """The rule of BPMN 2.0: it looks at paths alone, not at what can happen on them."""


class OrJoin(msgspec.Struct, frozen=True, omit_defaults=True):
    """The inputs of an OR-join: firing takes one token of each one that is marked.

    Whether it may fire is told by its rule, which looks at the whole net (`weft.engine.orjoin`).
    """

    inputs: tuple[str, ...]
    rule: MergeRule = MergeRule.GENERAL


class Arc(msgspec.Struct, frozen=True, omit_defaults=True):
    """An arc's place and weight; a case-wide one counts the place over all live scopes."""

    place: str
    weight: int = 1
    case_wide: bool = False


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """A place: its initial tokens, and whether what lies there is unfinished work.

    Tokens in a ``resting`` place are bookkeeping; tokens in an ``end`` place are done.
    """

    name: str
    tokens: int = 0
    resting: bool = False
    end: bool = False


class Transition(msgspec.Struct, frozen=True, omit_defaults=True):
    """A transition with its arcs by place name.

    Args:
        external: Fired by command only; otherwise it fires by itself as soon as it may.
        role: What firing it means, for the transitions of a task.
        counted: Place and expression: so many tokens are put as it yields at firing.
        when: A guard over the data of its scope (immediate transitions only).
        priority: Of immediates enabled together the lowest fires first, then the one that is
            declared first; OR-joins come after all others.
        or_join: The inputs of an OR-join, beside what it takes in any case.
    """

    name: str
    external: bool = False
    role: Role = Role.NONE
    task: str | None = None
    take: tuple[Arc, ...] = ()
    put: tuple[Arc, ...] = ()
    counted: tuple[tuple[str, str], ...] = ()
    needs: tuple[Arc, ...] = ()
    lacks: tuple[Arc, ...] = ()
    clear: tuple[str, ...] = ()
    when: str | None = None
    ends: Ends | None = None
    priority: int = 0
    or_join: OrJoin | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """The places that firing may take from."""
        taken = tuple(arc.place for arc in self.take)
        return taken if self.or_join is None else (*taken, *self.or_join.inputs)


class Invariant(msgspec.Struct, frozen=True):
    """A weighted sum of tokens that never changes: ``sum(weights[p] * tokens(p)) == total``."""

    weights: dict[str, int]
    total: int


def arcs_of(places: Iterable[str | Arc]) -> tuple[Arc, ...]:
    """Arcs from place names; a name given twice is an arc of weight two."""
    weights: dict[tuple[str, bool], int] = {}
    for place in places:
        arc = Arc(place) if isinstance(place, str) else place
        key = (arc.place, arc.case_wide)
        weights[key] = weights.get(key, 0) + arc.weight
    return tuple(Arc(place, weight, wide) for (place, wide), weight in weights.items())


def immediate(
    name: str,
    *,
    take: Iterable[str | Arc] = (),
    put: Iterable[str | Arc] = (),
    counted: Mapping[str, str] | None = None,
    needs: Iterable[str | Arc] = (),
    lacks: Iterable[str | Arc] = (),
    clear: Iterable[str] = (),
    when: str | None = None,
    ends: Ends | None = None,
    priority: int = 0,
    or_join: OrJoin | None = None,
) -> Transition:
    """A transition that fires by itself; a place named twice weighs two."""
    return Transition(
        name=name,
        take=arcs_of(take),
        put=arcs_of(put),
        counted=tuple((counted or {}).items()),
        needs=arcs_of(needs),
        lacks=arcs_of(lacks),
        clear=tuple(dict.fromkeys(clear)),
        when=when,
        ends=ends,
        priority=priority,
        or_join=or_join,
    )


def external(
    name: str,
    *,
    role: Role = Role.FIRE,
    task: str | None = None,
    take: Iterable[str | Arc] = (),
    put: Iterable[str | Arc] = (),
    needs: Iterable[str | Arc] = (),
    lacks: Iterable[str | Arc] = (),
    clear: Iterable[str] = (),
) -> Transition:
    """A transition that fires by command only; a place named twice weighs two."""
    return Transition(
        name=name,
        external=True,
        role=role,
        task=task,
        take=arcs_of(take),
        put=arcs_of(put),
        needs=arcs_of(needs),
        lacks=arcs_of(lacks),
        clear=tuple(dict.fromkeys(clear)),
    )


class RetryPolicy(msgspec.Struct, frozen=True, omit_defaults=True):
    """When a failed item starts again: ``attempts`` counts all starts; waits are microseconds.

    ``crashes`` is how many attempts in a row may end with the death of their engine: an item
    that has brought it about so often is not tried on.
    """

    attempts: int = 1
    delay: int = 0
    factor: float = 1.0
    max_delay: int = 86_400_000_000
    jitter: bool = False
    crashes: int = MAX_CRASHES

    def wait(self, attempt: int, draw: float) -> int:
        """The wait in microseconds after the failure of ``attempt`` (from 1).

        Exponential, bounded, and with jitter drawn evenly between nothing and all of it: the
        "full jitter" of Brooker, *Exponential Backoff and Jitter* (2015). ``draw`` is in [0, 1].
        """
        try:
            length = min(self.delay * self.factor ** (attempt - 1), float(self.max_delay))
        except OverflowError:
            length = float(self.max_delay)
        return int(length * draw) if self.jitter else int(length)


class Mapped(msgspec.Struct, frozen=True, omit_defaults=True):
    """One side of a mapping: an expression, or a literal value."""

    expression: str | None = None
    value: Any = None


class Multiple(msgspec.Struct, frozen=True, omit_defaults=True):
    """What makes a task a multiple-instance task: who its instances are, beside their counts.

    Args:
        ready: The place with a token for each instance that has not started.
        enter: The transition that begins an activation.
        collects: The transitions that write the results there are, in the order of instances.
        conditions: The transitions whose guards see the results.
        number: How many instances an activation begins with, where that is fixed; else the first
            counted arc of ``enter`` says so.
        items: The list with an item for each instance; None: they are only counted.
        item: The variable that an instance finds its item in; None: it has none.
        collect: What of an instance's result is kept, as an expression; None: all of it.
        add: The transition that adds an instance; None: their number is fixed.
        seal: The transition after which none is added.
        overlaps: Whether an activation may begin while an older one has instances.
    """

    ready: str
    enter: str
    collects: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    number: int | None = None
    items: Mapped | None = None
    item: str | None = None
    collect: str | None = None
    add: str | None = None
    seal: str | None = None
    overlaps: bool = False


class Timing(msgspec.Struct, frozen=True, omit_defaults=True):
    """When a timer is due, told from the moment at which it is set (`weft.engine.timing`).

    One of ``after`` (a duration), ``until`` (a point in time) and ``next`` (the next time that a
    cron expression names), in the time zone ``zone``. Each is a text, or an expression that
    yields one; ``after`` may also be a number of seconds. ``from_start``: the time of work that
    is offered is told when somebody starts it.
    """

    after: Mapped | None = None
    until: Mapped | None = None
    next: Mapped | None = None
    zone: str = "UTC"
    from_start: bool = False


class Wait(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the transitions of a trigger, or of a timer, wait for.

    Args:
        name: Unique in the net: ``task.pattern``; transitions carry it as their ``task``.
        task: The task before which it stands.
        fires: The transitions, in order of declaration.
        timing: When the timer is due; None for a trigger.
        trigger: The trigger's name; None for a timer.
        kept: Whether the case keeps a trigger for which nothing waits yet (24), or not (23).
        key: An expression, read when the wait begins: only a trigger with this correlation key,
            or with none, is taken.
        into: The variable that takes the trigger's data.
        source: Whether each trigger begins a branch, without anything having waited for it.
    """

    name: str
    task: str
    fires: tuple[str, ...] = ()
    timing: Timing | None = None
    trigger: str | None = None
    kept: bool = False
    key: str | None = None
    into: str | None = None
    source: bool = False


class Task(msgspec.Struct, frozen=True, omit_defaults=True):
    """A task as its net knows it: what performs it, its mappings, and its transitions by name.

    ``connector`` names what performs the work; ``child`` names the net that a composite task
    runs instead. ``inputs`` and ``outputs`` map names to expressions (`Mapped`). ``result`` is the
    variable that keeps a whole result when there is no output mapping. ``asks``: an item that has
    failed for good is left to a person. ``undoable``: what it wrote is remembered, because there
    is a task that ``undoes`` it.
    """

    name: str
    run: str
    held: str
    starts: tuple[str, ...]
    complete: str
    connector: str | None = None
    config: Any = None
    automatic: bool = True
    child: str | None = None
    title: str = ""
    inputs: dict[str, Mapped] = {}
    outputs: dict[str, Mapped] | None = None
    result: str | None = None
    retry: RetryPolicy = RetryPolicy()
    timeout: int | None = None
    """For one attempt, in microseconds; of an item that is offered, from the offer on."""
    expires: Timing | None = None
    """Instead of ``timeout``: the time by which an attempt must be done, told when it begins."""
    concurrency: int | None = None
    fail: str = ""
    retry_by: str = ""
    give_up: str | None = None
    """The transition to the error branch, from ``held``; None: there is no such branch."""
    multiple: Multiple | None = None
    """Its instances, for a multiple-instance task."""
    lapses: tuple[str, ...] = ()
    """The transitions by which an item that is only offered times out: into ``held``."""
    time_out: str | None = None
    """The transition to the branch for what was not done in time, from ``held``."""
    due: Timing | None = None
    """When an item should be done, told from its offer or start; nothing ends by it."""
    depth: int | None = None
    """How deep scopes of ``child`` may nest; None: as deep as the engine allows."""
    reminds: tuple[str, ...] = ()
    """The transitions that begin a branch when an open item is due: offered, started, held."""
    asks: bool = False
    undoable: bool = False
    undoes: str | None = None


class VariableType(msgspec.Struct, frozen=True, omit_defaults=True):
    """A declared variable: the plain form of its `DataType`, its default, whether it is required.

    ``default`` is a one-element list when there is one, so that a default of null is possible.
    """

    type: Any
    default: list[Any] = []
    required: bool = False
    merge: str | None = None


class Net(msgspec.Struct, frozen=True, omit_defaults=True, dict=True, weakref=True):
    """One net: places, transitions, tasks and variables, by name.

    ``explicit`` termination means that only an end transition completes a scope of this net.
    """

    name: str
    places: tuple[Place, ...]
    transitions: tuple[Transition, ...]
    tasks: dict[str, Task] = {}
    waits: dict[str, Wait] = {}
    variables: dict[str, VariableType] = {}
    explicit: bool = False
    invariants: tuple[Invariant, ...] = ()

    @cached_property
    def image(self) -> NetImage:
        """The arcs as flat integer arrays; case-wide arcs are left out (see `case_wide`).

        An OR-join takes from all its inputs here and lacks the first of them, so no kernel ever
        finds it enabled by itself: `weft.engine.orjoin` asks for it, and fires it.
        """
        place = self.place_index
        return NetImage.build(
            places=len(self.places),
            transitions=[
                Arcs(
                    take=[(place[a.place], a.weight) for a in t.take]
                    + [(place[name], 1) for name in _inputs(t)],
                    put=[(place[a.place], a.weight) for a in t.put]
                    + [(place[name], 0) for name, _ in t.counted],
                    needs=[(place[a.place], a.weight) for a in t.needs if not a.case_wide],
                    lacks=[(place[a.place], a.weight) for a in t.lacks if not a.case_wide]
                    if t.or_join is None
                    else [(place[_inputs(t)[0]], 1)],
                    clear=[place[name] for name in t.clear],
                    external=t.external,
                )
                for t in self.transitions
            ],
        )

    @cached_property
    def or_joins(self) -> dict[int, Transition]:
        """The OR-joins by index, in the order in which they are tried: priority, declaration."""
        joins = [i for i, t in enumerate(self.transitions) if t.or_join is not None]
        return {i: self.transitions[i] for i in sorted(joins, key=lambda i: self.rank[i])}

    @cached_property
    def place_index(self) -> dict[str, int]:
        """Place name to cell of the marking."""
        return {p.name: i for i, p in enumerate(self.places)}

    @cached_property
    def transition_index(self) -> dict[str, int]:
        """Transition name to index."""
        return {t.name: i for i, t in enumerate(self.transitions)}

    @cached_property
    def initial(self) -> bytes:
        """The initial marking, frozen: one native 32-bit integer a place."""
        return array("i", [p.tokens for p in self.places]).tobytes()

    @cached_property
    def immediates(self) -> tuple[int, ...]:
        """The immediate transitions, in order of declaration; OR-joins are not among them."""
        return tuple(
            i for i, t in enumerate(self.transitions) if not t.external and t.or_join is None
        )

    @cached_property
    def rank(self) -> tuple[tuple[int, int], ...]:
        """The order in which immediates that are enabled together fire: priority, declaration."""
        return tuple((t.priority, i) for i, t in enumerate(self.transitions))

    @cached_property
    def unfinished(self) -> tuple[bool, ...]:
        """Place by place: does a token there mean unfinished work?"""
        return tuple(not (p.resting or p.end) for p in self.places)

    @cached_property
    def guard_readers(self) -> dict[str, tuple[int, ...]]:
        """Variable to the immediate transitions whose guards read it."""
        readers: dict[str, list[int]] = {}
        for i, t in enumerate(self.transitions):
            if t.when is not None:
                for name in compile_expression(t.when).reads:
                    readers.setdefault(name, []).append(i)
        return {name: tuple(found) for name, found in readers.items()}

    @cached_property
    def beginnings(self) -> frozenset[int]:
        """The external transitions by which work may begin once something has changed.

        All starts; and the retries against which other work can stand, which may have been due
        before.
        """
        return frozenset(
            i
            for i, t in enumerate(self.transitions)
            if t.role is Role.START
            or (t.role is Role.RETRY and (t.needs or t.lacks or len(t.take) > 1))
        )

    @cached_property
    def beginning_order(self) -> tuple[tuple[int, int], ...]:
        """The order in which work that may begin begins: tasks as declared, then their ways in.

        Fusing puts further ways into a task behind all others, which must not put the task there.
        """
        first: dict[str | None, int] = {}
        for i, t in enumerate(self.transitions):
            if t.role is Role.START:
                first.setdefault(t.task, i)
        return tuple((first.get(t.task, i), i) for i, t in enumerate(self.transitions))

    @cached_property
    def composites(self) -> tuple[str, ...]:
        """The tasks that run a net."""
        return tuple(task.name for task in self.tasks.values() if task.child is not None)

    @cached_property
    def multiple(self) -> tuple[Task, ...]:
        """The multiple-instance tasks."""
        return tuple(task for task in self.tasks.values() if task.multiple is not None)

    @cached_property
    def entering(self) -> dict[str, tuple[Task, Multiple]]:
        """Transition to the multiple-instance task of which it begins an activation."""
        return {t.multiple.enter: (t, t.multiple) for t in self.multiple if t.multiple is not None}

    @cached_property
    def collecting(self) -> dict[str, Task]:
        """Transition to the multiple-instance task whose results it writes."""
        return {name: t for t in self.multiple if t.multiple for name in t.multiple.collects}

    @cached_property
    def judging(self) -> dict[str, Task]:
        """Transition to the multiple-instance task whose results its guard sees."""
        return {name: t for t in self.multiple if t.multiple for name in t.multiple.conditions}

    @cached_property
    def awaited(self) -> tuple[tuple[Wait, tuple[int, ...]], ...]:
        """The waits that something has to arrive at, each with its transitions by index."""
        index = self.transition_index
        return tuple(
            (wait, tuple(index[name] for name in wait.fires))
            for wait in self.waits.values()
            if not wait.source
        )

    @cached_property
    def undoers(self) -> dict[int, str]:
        """The starts of tasks that undo another one, each with that one's name."""
        return {
            self.transition_index[start]: task.undoes
            for task in self.tasks.values()
            if task.undoes is not None
            for start in task.starts
        }

    @cached_property
    def refilled(self) -> frozenset[str]:
        """The places that some transition puts tokens into; all others only ever run out."""
        put = {arc.place for t in self.transitions for arc in t.put}
        return frozenset(put.union(place for t in self.transitions for place, _ in t.counted))

    @cached_property
    def types(self) -> dict[str, DataType]:
        """The declared type of each variable."""
        return {name: DataType.from_declaration(v.type) for name, v in self.variables.items()}

    @cached_property
    def merge_questions(self) -> dict[Any, Any]:
        """What `weft.engine.orjoin` has found out about the OR-joins of this net."""
        return {}

    @cached_property
    def case_wide(self) -> dict[int, tuple[tuple[Arc, bool], ...]]:
        """Transition to its case-wide arcs, each with True for ``needs``, False for ``lacks``."""
        wide: dict[int, tuple[tuple[Arc, bool], ...]] = {}
        for i, t in enumerate(self.transitions):
            arcs = [(a, True) for a in t.needs if a.case_wide]
            arcs += [(a, False) for a in t.lacks if a.case_wide]
            if arcs:
                wide[i] = tuple(arcs)
        return wide

    def marking_view(self, marking: bytes) -> dict[str, int]:
        """A readable view of a marking: place name to tokens, empty places left out."""
        cells = memoryview(marking).cast("i")
        return {self.places[i].name: cells[i] for i in kernel.marked(marking)}


def _inputs(t: Transition) -> tuple[str, ...]:
    """The inputs of an OR-join; of any other transition none."""
    return () if t.or_join is None else t.or_join.inputs


class CompiledSpecification(msgspec.Struct, frozen=True, omit_defaults=True, dict=True):
    """The nets of a specification, ready to run, with the name and version it came from.

    ``format`` is the version of this layout itself; a reader of another one refuses it.
    """

    name: str
    version: str
    nets: dict[str, Net]
    root: str
    language: str = "cel"
    format: int = 1

    @cached_property
    def content(self) -> bytes:
        """The canonical JSON of everything here."""
        return msgspec.json.encode(self, order="deterministic")

    @cached_property
    def hash(self) -> str:
        """The SHA-256 of `content`, in hexadecimal: the identity of the net."""
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def patterns(self) -> tuple[str, ...]:
        """The keys of the patterns that the specification asks for, where it was compiled here.

        They are no part of the net: one that a journal gave back has none.
        """
        return ()

    @cached_property
    def case_wide(self) -> bool:
        """Whether what happens in one scope may enable something in another."""
        return any(net.case_wide for net in self.nets.values())

    @cached_property
    def alone(self) -> frozenset[str]:
        """The nets of which no two scopes can live at once: what is case-wide there is local."""
        run = {task.child for net in self.nets.values() for task in net.tasks.values()}
        return frozenset({self.root} - run)

    @cached_property
    def triggers(self) -> dict[str, tuple[tuple[Net, Wait], ...]]:
        """Trigger name to what may wait for it, with its net; in order of declaration."""
        found: dict[str, list[tuple[Net, Wait]]] = {}
        for net in self.nets.values():
            for wait in net.waits.values():
                if wait.trigger is not None:
                    found.setdefault(wait.trigger, []).append((net, wait))
        return {name: tuple(waits) for name, waits in found.items()}

    def keeps(self, trigger: str) -> bool:
        """Whether a case keeps a trigger for which nothing waits yet."""
        return any(wait.kept for _, wait in self.triggers.get(trigger, ()))

    @cached_property
    def or_joins(self) -> bool:
        """Whether there is an OR-join in any of the nets."""
        return any(net.or_joins for net in self.nets.values())

    @property
    def net(self) -> Net:
        """The case's own net."""
        return self.nets[self.root]

    @classmethod
    def from_content(cls, content: bytes, *, hash: str) -> CompiledSpecification:
        """Read back what `content` gave.

        Raises:
            JournalError: It does not have that hash, or is of another layout.
        """
        actual = hashlib.sha256(content).hexdigest()
        if actual != hash:
            raise JournalError(
                f"the stored net {hash[:12]} was changed: its content has the hash {actual[:12]}",
                code="corrupt",
            )
        try:
            compiled = msgspec.json.decode(content, type=cls)
        except msgspec.ValidationError as error:
            raise JournalError(
                f"the stored net {hash[:12]} cannot be read: {error}", code="corrupt"
            ) from error
        if compiled.format != 1:
            raise JournalError(
                f"the stored net {hash[:12]} has layout {compiled.format}; this release reads 1",
                code="newer",
            )
        # Its bytes are its identity. Encoded by this release they might be others: a field with a
        # new default, a number that was written as 2 and is read as 2.0.
        compiled.__dict__.update(content=content, hash=hash)
        return compiled

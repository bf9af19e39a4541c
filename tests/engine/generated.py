"""What the tests of the core share: generated specifications, and schedules of commands.

A generated specification is block-structured or a tangle of flows; it uses every pattern that
needs no context of its own. `Schedule` turns drawn numbers into commands that mostly fit the
state of a case, and sometimes do not.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import attrs
from hypothesis import strategies as st

from weft.engine import commands as c
from weft.engine.case import CaseState
from weft.engine.compile import compile_specification
from weft.engine.decide import Limits, decide
from weft.engine.lifecycle import CaseStatus, ItemStatus
from weft.engine.net import CompiledSpecification
from weft.engine.ports import CaseId, ItemId, Microseconds
from weft.patterns import builtin
from weft.schema.datatypes import DataType, Variable
from weft.schema.errors import CommandRejected
from weft.schema.specification import (
    NetDefinition,
    PlaceDefinition,
    Retry,
    Specification,
    TaskDefinition,
    Termination,
    Use,
)

REGISTRY = builtin()
LIMITS = Limits(firings=300, depth=3)
"""Small, so that what does not end is found to be so soon."""


@attrs.frozen
class Kind:
    """A connector as far as the compiler wants to know it."""

    automatic: bool


CONNECTORS = {"auto": Kind(automatic=True), "person": Kind(automatic=False)}
GUARDS = ("x > 0", "x == 1", "y > 1", "x + y < 3", "true", "false")


FOR_EACH: tuple[dict[str, Any], ...] = (
    {"times": 2},
    {"in": ["p", "q"], "as": "i"},
    {"in": "[x, y]", "as": "i", "at-most": 1},
    {"times": "x"},
    {"open": True},
    {"in": "[x]", "as": "i", "open": True},
    {"times": 3, "enough": 2},
    {"times": 2, "enough": "y", "rest": "cancel"},
    {"in": "[x, y]", "as": "i", "until": "completed > x"},
    {"times": 2, "until": "size(results) == 1", "rest": "cancel", "open": True},
    {"times": 2, "wait": False},
)
"""What stands in ``for-each``."""


def integers() -> dict[str, Variable]:
    """The variables that generated guards read."""
    integer = DataType("integer")
    return {name: Variable(name, integer, default=0) for name in ("x", "y")}


def specification(
    nets: Mapping[str, NetDefinition] | NetDefinition, name: str = "case"
) -> Specification:
    """A specification of nets, or of one."""
    if isinstance(nets, NetDefinition):
        nets = {nets.name: nets}
    return Specification(name=name, version="1", nets=nets)


def net(
    start: str | Sequence[str],
    *tasks: TaskDefinition,
    name: str = "net",
    places: Sequence[PlaceDefinition] = (),
    variables: Mapping[str, Variable] | None = None,
    termination: Termination = Termination.IMPLICIT,
    uses: Sequence[Use] = (),
) -> NetDefinition:
    """A net of tasks."""
    return NetDefinition(
        name=name,
        start=(start,) if isinstance(start, str) else tuple(start),
        tasks={task.name: task for task in tasks},
        places={place.name: place for place in places},
        variables=integers() if variables is None else variables,
        termination=termination,
        uses=tuple(uses),
    )


def use(written: Any) -> Use | None:
    """A ``then`` or ``join`` as a file has it: a name, or ``{pattern: argument}``."""
    if written is None or isinstance(written, Use):
        return written
    if isinstance(written, str):
        return Use("sequence", written)
    ((name, argument),) = written.items()
    return Use(name, argument)


def task(
    name: str,
    kind: str | None = "auto",
    then: Any = None,
    *,
    join: str | None = None,
    on_failure: Any = None,
    child: str | None = None,
    around: Sequence[Use] = (),
    **more: Any,
) -> TaskDefinition:
    """A task: automatic, of a person, empty (None), or a composite one (``child``)."""
    if child is not None:
        uses: tuple[Use, ...] = (Use("net", child),)
    else:
        uses = () if kind is None else (Use(kind, {}),)
    return TaskDefinition(
        name=name,
        then=use(then),
        join=None if join is None else Use(join),
        on_failure=use(on_failure),
        uses=(*uses, *around),
        **more,
    )


def compiled(
    spec: Specification | NetDefinition | Mapping[str, NetDefinition],
) -> CompiledSpecification:
    """The nets of a specification."""
    if not isinstance(spec, Specification):
        spec = specification(spec)
    return compile_specification(spec, registry=REGISTRY, connectors=CONNECTORS)


# ── generated specifications ─────────────────────────────────────────────────────────────────


class Choices(Protocol):
    """What drawing a specification asks: of Hypothesis, or of a seed."""

    def one(self, of: Sequence[Any]) -> Any:
        """One of several."""

    def some(self, of: Sequence[str], most: int) -> list[str]:
        """From one to so many of several, each once."""

    def number(self, least: int, most: int) -> int:
        """An integer; both bounds are possible."""


class _Drawn:
    """Hypothesis chooses, and shrinks."""

    def __init__(self, draw: Any) -> None:
        self._draw = draw

    def one(self, of: Sequence[Any]) -> Any:
        return self._draw(st.sampled_from(of))

    def some(self, of: Sequence[str], most: int) -> list[str]:
        drawn: list[str] = self._draw(
            st.lists(st.sampled_from(of), min_size=1, max_size=most, unique=True)
        )
        return drawn

    def number(self, least: int, most: int) -> int:
        return int(self._draw(st.integers(least, most)))


class Seeded:
    """A seed chooses."""

    def __init__(self, source: random.Random) -> None:
        self._source = source

    def one(self, of: Sequence[Any]) -> Any:
        """One of several."""
        return self._source.choice(of)

    def some(self, of: Sequence[str], most: int) -> list[str]:
        """From one to so many of several, each once."""
        return self._source.sample(of, self._source.randint(1, min(most, len(of))))

    def number(self, least: int, most: int) -> int:
        """An integer; both bounds are possible."""
        return self._source.randint(least, most)


class Plainly(Seeded):
    """Chooses mostly what is plain: work that is done at once, few policies, no nets in nets."""

    def one(self, of: Sequence[Any]) -> Any:
        """One of several."""
        drawn = super().one(of)
        return "auto" if drawn in ("person", "net") and self._source.random() < 0.9 else drawn

    def number(self, least: int, most: int) -> int:
        """An integer; both bounds are possible."""
        drawn = super().number(least, most)
        if least != 0 or self._source.random() < 0.1:
            return drawn
        return 0 if most == 1 else max(drawn, 1)


class _Net:
    """Draws one net."""

    def __init__(self, draw: Choices, name: str, children: Sequence[str]) -> None:
        self.draw = draw
        self.name = name
        self.children = children
        self.tasks: list[TaskDefinition] = []
        self.places: list[PlaceDefinition] = []
        self.uses: list[Use] = []
        self.count = 0

    def new_name(self) -> str:
        self.count += 1
        return f"t{self.count}"

    def guards(self, targets: Sequence[str]) -> list[dict[str, str]]:
        """Branches over targets; mostly with a default at the end."""
        branches = [{"when": self.draw.one(GUARDS), "to": to} for to in targets]
        if len(branches) > 1 and self.draw.number(0, 3):
            del branches[-1]["when"]
        return branches

    def add(self, kind: str | None, then: Any, *, name: str | None = None, **more: Any) -> str:
        """Add a task of a kind; ``work`` draws which kind of work, and its policies."""
        name = name or self.new_name()
        if kind == "work":
            kind = self.draw.one(("auto", "auto", "person", "net"))
            if kind == "net" and not self.children:
                kind = "person"
        if kind is None:
            self.tasks.append(task(name, None, then, **more))
            return name
        given: dict[str, Any] = {"outputs": {self.draw.one("xy"): "result"}}
        if kind == "net":
            given = {"child": self.draw.one(self.children)}
            given["outputs"] = {"x": "result.x"}
        if self.draw.number(0, 3) == 0:
            given["retry"] = Retry(attempts=2, delay_seconds=1.0)
        if self.draw.number(0, 4) == 0:
            given["concurrency"] = 1
        if self.draw.number(0, 4) == 0:
            given["around"] = [Use("for-each", self.draw.one(FOR_EACH))]
            if kind == "net":
                given["inputs"] = {"x": "index"}
            del given["outputs"]
        elif self.draw.number(0, 4) == 0:
            word = self.draw.one(("while", "until"))
            condition = self.draw.one(GUARDS[:4])
            given["around"] = [Use("structured-loop", {word: condition})]
        self.tasks.append(task(name, kind, then, **given, **more))
        return name

    # Block-structured: every block is entered at one task, and goes on to ``following``.

    def block(self, following: Any, depth: int) -> str:
        """Draw a block; gives the task it is entered at."""
        kinds = ["task", "task", "caught"]
        if depth > 0:
            kinds += ["sequence", "parallel", "exclusive", "multi", "deferred", "loop"]
        match self.draw.one(kinds):
            case "sequence":
                return self.block(self.block(following, depth - 1), depth - 1)
            case "parallel":
                close = self.add(self.draw.one((None, "work")), following, join="synchronization")
                branches = [self.block(close, depth - 1) for _ in range(2)]
                return self.add(None, {"parallel-split": branches})
            case "exclusive":
                close = self.add("work", following, join="simple-merge")
                branches = [self.block(close, depth - 1) for _ in range(2)]
                return self.add("work", {"exclusive-choice": self.guards(branches)})
            case "multi":
                merge = self.draw.one(("multi-merge", "general-synchronizing-merge"))
                close = self.add(self.draw.one((None, "work")), following, join=merge)
                branches = [self.block(close, depth - 1) for _ in range(2)]
                return self.add("work", {"multi-choice": self.guards(branches)})
            case "deferred":
                close = self.add("work", following)
                branches = [self.add("person", close) for _ in range(2)]
                return self.add("work", {"deferred-choice": branches})
            case "loop":
                name = self.new_name()
                back = self.block(name, depth - 1)
                branches = [{"when": "x > 0", "to": back}, {"to": self.block(following, 0)}]
                return self.add("work", {"exclusive-choice": branches}, name=name)
            case "caught":
                handler = self.add("work", following)
                return self.add("auto", following, on_failure=handler)
        return self.add("work", following)

    # Unstructured: every task may lead anywhere.

    def tangle(self) -> Sequence[str]:
        """Draw tasks whose flows go anywhere; gives those it starts with."""
        size = self.draw.number(2, 5)
        names = [f"t{i}" for i in range(size)]
        if self.draw.number(0, 1):
            tokens = self.draw.number(0, 2)
            self.places.append(PlaceDefinition("store", tokens, use(self.leads(names))))
        ends = [*names, "store"] if self.places else names
        for name in names:
            kind = self.draw.one(("work", "work", "work", None))
            more: dict[str, Any] = {}
            if kind is not None and self.draw.number(0, 4) == 0:
                more["on_failure"] = self.draw.one(names)
            self.add(kind, self.leads(ends), name=name, **more)
        start = [names[0], *(n for n in names[1:] if not any(t for t, _ in self.flows_to(n)))]
        for i, made in enumerate(self.tasks):
            flows = len(set(self.flows_to(made.name))) + (made.name in start)
            join = self.join(names) if flows > 1 else None
            self.tasks[i] = attrs.evolve(made, join=join, uses=(*made.uses, *self.around(names)))
        if size > 3 and self.draw.number(0, 2) == 0:
            groups = {"regions": [names[:2], names[2:]]}
            both = (Use("critical-section", groups), Use("interleaved-routing", {"tasks": names}))
            self.uses.append(self.draw.one(both))
        return start

    def join(self, names: Sequence[str]) -> Use | None:
        """A join of several flows."""
        n = {"n": self.draw.number(1, 2)}
        cancels = {"cancels": [self.draw.one(names)]}
        joins = (
            *(None, None, Use("synchronization"), Use("multi-merge")),
            *(Use("generalised-and-join"), Use("structured-discriminator")),
            *(Use("general-synchronizing-merge"), Use("general-synchronizing-merge")),
            Use("general-synchronizing-merge", {"rule": "structural"}),
            *(Use("blocking-discriminator"), Use("blocking-partial-join", n)),
            *(
                Use("cancelling-discriminator", cancels),
                Use("cancelling-partial-join", n | cancels),
            ),
        )
        return self.draw.one(joins)

    def around(self, names: Sequence[str]) -> Sequence[Use]:
        """Patterns at a task: mostly none."""
        others = self.draw.some(names, 2)
        patterns = (
            Use("cancel-region", {"region": others}),
            Use("cancel-task", {"tasks": others}),
            Use("thread-merge", {"n": 2}),
            Use("start-limit", {"starts": 2, "otherwise": others[0]}),
            Use("cancel-multiple-instance-task", {"tasks": others}),
            Use("complete-multiple-instance-task", {"tasks": others}),
        )
        return [self.draw.one(patterns)] if self.draw.number(0, 3) == 0 else []

    def flows_to(self, name: str) -> Sequence[tuple[str, str]]:
        """The flows that lead to a task of a tangle, by owner and kind; not those of itself."""
        found = []
        for owner in (*self.tasks, *self.places):
            for kind in ("then", "on_failure"):
                led = getattr(owner, kind, None)
                if led is not None and owner.name != name and f"'{name}'" in repr(led.argument):
                    found.append((owner.name, kind))
        return found

    def leads(self, names: Sequence[str]) -> Any:
        """What follows a task in a tangle."""
        choices = ("exclusive-choice", "multi-choice", "deferred-choice")
        shapes = ("to", "to", "parallel-split", *choices, "threads", "end", "stop", "cancel")
        shape = self.draw.one(shapes)
        to = self.draw.some(names, 3)
        match shape:
            case "end":
                return None
            case "stop":
                return {"explicit-termination": None}
            case "cancel":
                return {"cancel-case": None}
            case "threads":
                return {"thread-split": {"to": to[0], "n": self.draw.one((2, "x + 1"))}}
            case "exclusive-choice" | "multi-choice":
                return {shape: self.guards(to)}
            case "parallel-split" | "deferred-choice" if len(to) > 1:
                return {shape: to}
        return to[0]


@st.composite
def specifications(draw: Any, *, structured: bool | None = None) -> Specification:
    """A specification: block-structured, or a tangle (which may not compile), or either."""
    return made(_Drawn(draw), structured=structured)


def made(choices: Choices, *, structured: bool | None = None) -> Specification:
    """A specification by whoever makes the choices."""
    if structured is None:
        structured = bool(choices.number(0, 1))
    children = ["child"] if bool(choices.number(0, 1)) else []
    nets: dict[str, NetDefinition] = {}
    for name in ["net", *children]:
        drawn = _Net(choices, name, children)
        start = [drawn.block(None, 2)] if structured else drawn.tangle()
        if (
            name == "net"
            and children
            and not any(u.name == "net" for t in drawn.tasks for u in t.uses)
        ):
            drawn.tasks.append(task("last", child="child"))
            start = [*start, "last"]
        explicit = not structured and choices.number(0, 5) == 0
        nets[name] = net(
            start,
            *drawn.tasks,
            name=name,
            places=drawn.places,
            termination=Termination.EXPLICIT if explicit else Termination.IMPLICIT,
            uses=drawn.uses,
        )
    return specification(nets)


# ── schedules ────────────────────────────────────────────────────────────────────────────────

_STEP = st.tuples(st.integers(0, 23), st.integers(0, 7), st.integers(0, 2))
LONG = st.lists(_STEP, min_size=12, max_size=40)
STEPS = st.lists(_STEP, max_size=10) | LONG
"""What `Schedule` makes commands of."""


def long(source: random.Random) -> list[tuple[int, int, int]]:
    """A schedule as `LONG` has them, drawn from a seed: far faster than Hypothesis draws it."""
    steps = range(source.randint(12, 40))
    return [(source.randrange(24), source.randrange(8), source.randrange(3)) for _ in steps]


TIME = Microseconds(1_000_000)


def command(case: CaseState, step: tuple[int, int, int]) -> c.Command:
    """The command that a drawn step means for a case; about one in four does not fit."""
    kind, which, value = step
    items = list(case.items.values())
    if kind % 6 == 5 and any(True for _ in case.open_for_more()):
        return _more(case, value)
    if kind >= 20 or not items:
        name = ItemId(("t1/1", "t2/9", "nobody/1", "t1", "/", "t1/0", "²", "t1/" + "9" * 30)[which])
        return (
            c.SuspendCase("tired"),
            c.ResumeCase(),
            c.RecoverCase(),
            c.RecoverCase(frozenset(map(ItemId, case.items))),
            c.StartWorkItem(name),
            _more(case, value),
            c.RetryWorkItem(name, due=TIME),
            c.CancelCase("enough") if value == 2 else c.GiveUpWorkItem(name),
        )[which]
    item = items[which % len(items)]
    name = ItemId(item.id)
    if kind < 12:  # what fits
        match item.status:
            case ItemStatus.OFFERED if kind < 8:
                return c.StartWorkItem(name, by=item.claimed_by)
            case ItemStatus.OFFERED if kind < 10:
                claimed = item.claimed_by is not None
                return c.ReleaseWorkItem(name) if claimed else c.ClaimWorkItem(name, "ann")
            case ItemStatus.FAILED if kind < 9:
                due = None if item.retry_at is None else Microseconds(item.retry_at)
                return c.RetryWorkItem(name, due=due)
            case ItemStatus.FAILED:
                return c.GiveUpWorkItem(name)
            case ItemStatus.STARTED if kind == 11:
                return c.FailWorkItem(name, {"code": "no", "message": "x"}, attempt=item.attempt)
        return c.CompleteWorkItem(name, value)
    return (
        c.FailWorkItem(name, {"message": "y"}, retryable=value > 0),
        c.ClaimWorkItem(name, f"p{value}"),
        c.ReleaseWorkItem(name),
        c.DelegateWorkItem(name, f"p{value}"),
        c.StartWorkItem(name, by=f"p{value}"),
        c.CompleteWorkItem(name, "text"),
        c.RetryWorkItem(name),
        c.CompleteWorkItem(name, value, attempt=7),
    )[kind - 12]


def _more(case: CaseState, value: int) -> c.Command:
    """One more instance, or no more of them, for a task that is open for that, or is not."""
    scope, task = next(((s, t.name) for s, t in case.open_for_more()), (None, "t1"))
    return c.SealTask(task, scope) if value == 2 else c.AddInstance(task, value, scope)


def begin(nets: CompiledSpecification, **data: Any) -> CaseState:
    """A new case, without anything being kept of it."""
    return decide(None, c.StartCase(CaseId("case-1"), nets, data), time=TIME, limits=LIMITS).case


def perform(case: CaseState, asked: c.Command) -> CaseState:
    """The case after a command; the same, if it was rejected."""
    try:
        return decide(case, asked, time=TIME, limits=LIMITS).case
    except CommandRejected:
        return case


def active(case: CaseState) -> bool:
    """Whether offers, starts and ends are judged in this state."""
    return case.status in (CaseStatus.RUNNING, CaseStatus.SUSPENDED)

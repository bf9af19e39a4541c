"""Specification and registry to nets.

The specification is a graph of tasks and declared places joined by flows. Compiling it:

1.  Each flow from ``a`` to ``b`` is a place ``a>b`` (a flow to a declared place is that place).
2.  Each task is a small net of its own between its entry ``>b`` and its exit ``b>``.
3.  Each pattern, at a join, at a ``then`` or around a task, is the fragment that its executor
    makes over those places. A task with several incoming flows and no join is a simple merge.
4.  Places that a fragment declares one and the same become one.
5.  Plain immediate transitions that only pass tokens on are fused with their neighbours, so that
    a sequence is a chain of tasks with one place between two of them, a synchronization stands
    on the start of its task, and an alternative of a deferred choice starts from the shared
    place (`weft.engine.fuse`).

All faults of a specification are found in one run and raised together.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Literal, Protocol

import attrs
import msgspec

from weft.engine.deadpaths import word_of
from weft.engine.expressions import Expression, compile_expression
from weft.engine.fragment import Branch, Flow, Fragment, Several, held_place, read_timing, run_place
from weft.engine.fuse import NetDraft, add_extras, fuse, unify
from weft.engine.instances import INDEX, RESULT_NAMES
from weft.engine.net import (
    Arc,
    CompiledSpecification,
    Mapped,
    Multiple,
    Net,
    RetryPolicy,
    Role,
    Task,
    Timing,
    Transition,
    VariableType,
    external,
    immediate,
)
from weft.engine.recursion import endless
from weft.engine.registry import Attachment, Family, Parameter, Pattern, Registry
from weft.engine.signals import Signals
from weft.engine.starting import trigger_faults
from weft.engine.undoing import TURN, UNDOING, all_undone, turned_round, undoable_place
from weft.engine.usage import patterns_used
from weft.engine.wellformed import net_faults
from weft.schema.errors import DefinitionError, raise_faults
from weft.schema.jsonvalue import JsonValue
from weft.schema.specification import (
    FAILURE_WORDS,
    Location,
    NetDefinition,
    Specification,
    TaskDefinition,
    Termination,
    Use,
)

__all__ = ["ConnectorKind", "compile_specification", "variable_name"]

START = "(start)"
"""The owner of the flows that a scope begins with."""

ERROR = "error"
"""The variable that an error branch finds the error in that led to it."""

LANGUAGE = "cel"
"""The language of expressions."""

MAX_SECONDS = 3_155_760_000
"""No delay or timeout is longer: a hundred years."""

MAX_FACTOR = 1000
"""Waits between attempts grow by no more."""

_NAME = re.compile("[A-Za-z_][A-Za-z0-9_-]*")
_IMPORTED_NAME = re.compile("[A-Za-z0-9_][A-Za-z0-9_-]*")
"""Identifiers of other formats may begin with a digit."""

LATE = "~"
"""Marks the flows of what was not done in time, as ``!`` does those of a failure."""

DUE = "?"
"""Marks the flows that begin beside an open item when it is due."""

END = "end"
"""The place where threads rest that have nowhere to go."""


class ConnectorKind(Protocol):
    """What the compiler needs to know of a connector."""

    automatic: bool


def variable_name(task: str) -> str:
    """The variable that keeps a task's result: its name with ``-`` written as ``_``."""
    return task.replace("-", "_")


def compile_specification(
    specification: Specification,
    *,
    registry: Registry,
    connectors: Mapping[str, ConnectorKind],
) -> CompiledSpecification:
    """The nets of a specification.

    Raises:
        DefinitionErrors: Everything that is wrong with it, with the position of each fault.
    """
    fault = specification.source.fault
    faults: list[DefinitionError] = []
    nets: dict[str, Net] = {}
    registry.seek(asked_for(specification).difference(connectors))
    for name, definition in specification.nets.items():
        if definition.name != name:
            message = f"the net under {name!r} is called {definition.name!r}; they have to agree"
            faults.append(fault(specification.location(name), message, code="name"))
            continue
        compiler = _NetCompiler(specification, definition, registry, connectors)
        net = compiler.compile()
        faults += compiler.faults
        if net is not None:
            nets[name] = net
    if specification.root not in specification.nets:
        faults.append(fault((), f"there is no net {specification.root!r}", code="unknown-net"))
    used = _nets_used(specification)
    for name in specification.nets:
        if name not in used:
            message = f"no task runs the net {name!r}: say `net: {name}` in one, or remove it"
            faults.append(fault(specification.location(name), message, code="unreachable"))
    if specification.language != LANGUAGE:
        message = f"expressions are in {LANGUAGE!r}; {specification.language!r} is not known"
        faults.append(fault(("language",), message, code="language"))
    faults += trigger_faults(specification)
    if not faults:
        for name, task in endless(nets):
            message = (
                f"net {name!r} always runs itself again, and no way through it ends: let a choice "
                "before this task lead past it"
            )
            location = specification.location(name, "tasks", task, "net")
            faults.append(fault(location, message, code="recursion"))
    raise_faults(
        f"{specification.source.file or specification.name} is not a valid specification",
        sorted(faults, key=lambda fault: (fault.line or 0, fault.column or 0)),
    )
    compiled = CompiledSpecification(
        name=specification.name,
        version=specification.version,
        nets=nets,
        root=specification.root,
        language=specification.language,
    )
    compiled.__dict__["patterns"] = tuple(p.key for p in patterns_used(specification, registry))
    return compiled


def asked_for(specification: Specification) -> set[str]:
    """Everything that a specification asks for by a name that is none of its own."""
    names: set[str] = set()
    for net in specification.nets.values():
        uses: list[Use | None] = [*net.uses, *(place.then for place in net.places.values())]
        for task in net.tasks.values():
            uses += (*task.uses, task.join, task.then, task.on_failure)
        for use in uses:
            if use is not None:
                alone = use.name == "sequence" and isinstance(use.argument, str)
                names.add(str(use.argument) if alone else use.name)
        names -= {*net.tasks, *net.places}
    return names.difference(("net", *FAILURE_WORDS))


def _nets_used(specification: Specification) -> Collection[str]:
    """The root net, the nets that its tasks run, those that theirs run, and so on."""
    used = dict.fromkeys([specification.root])
    queue = deque(used)
    while queue:
        definition = specification.nets.get(queue.popleft())
        for task in definition.tasks.values() if definition is not None else ():
            for use in task.uses:
                if use.name == "net" and isinstance(use.argument, str) and use.argument not in used:
                    used[use.argument] = None
                    queue.append(use.argument)
    return used


class _NetCompiler:
    """Compiles one net; gathers faults instead of stopping at the first."""

    def __init__(
        self,
        specification: Specification,
        definition: NetDefinition,
        registry: Registry,
        connectors: Mapping[str, ConnectorKind],
    ) -> None:
        self.specification = specification
        self.definition = definition
        self.registry = registry
        self.connectors = connectors
        self.faults: list[DefinitionError] = []
        self.draft = NetDraft()
        self.tasks: dict[str, Task] = {}
        self.order = {name: i for i, name in enumerate(definition.tasks)}
        self.flows: dict[str, list[str]] = {}
        """Task to the places of its incoming flows, in order of declaration."""
        self.results: dict[str, str] = {}
        """Variable to the task whose result it keeps."""
        self.several: dict[str, Several] = {}
        """The multiple-instance tasks, as patterns at other tasks see them."""
        self.multiple: dict[str, Multiple] = {}
        self.failures: dict[str, str] = {}
        """Task to the place where giving up an item puts its token."""
        for name, task in definition.tasks.items():
            if task.outputs is None:
                self.results.setdefault(variable_name(name), name)
        self.received: dict[str, str] = {}
        """Variable to the task whose trigger's data it takes."""
        for name, task in definition.tasks.items():
            for use in task.uses:
                if (variable := self.receives(use)) is not None:
                    self.received.setdefault(variable, name)
        names = {*definition.variables, *self.results, *self.received}
        self.catches = any(
            task.on_failure is not None or task.on_timeout is not None
            for task in definition.tasks.values()
        )
        self.undoes = {
            task.compensate: name
            for name, task in definition.tasks.items()
            if task.compensate is not None
        }
        """The tasks that undo another one, each with that one's name."""
        if self.catches:
            names.add(ERROR)
        self.names = frozenset(names)
        self._names_and: dict[frozenset[str], frozenset[str]] = {}

    def receives(self, use: Use) -> str | None:
        """The variable that a pattern around a task keeps a trigger's data in, if it does."""
        pattern = self.registry.by_key.get(use.name)
        if pattern is None or pattern.attachment is not Attachment.TASK:
            return None
        try:
            return pattern.receives(pattern.read(use.argument))
        except ValueError:
            return None  # `around` says so

    # ── helpers ──────────────────────────────────────────────────────────────────────────────

    def at(self, *rest: str | int) -> Location:
        return self.specification.location(self.definition.name, *rest)

    def fault(self, location: Location, message: str, code: str | None = None) -> None:
        self.faults.append(self.specification.source.fault(location, message, code=code))

    def known(self, target: str) -> bool:
        return target in self.definition.tasks or target in self.definition.places

    def flow(self, source: str, target: str, location: Location) -> str:
        """The place of the flow from ``source`` to ``target``; made when it is new."""
        if target in self.definition.places:
            return self.draft.place(target)
        name = f"{source}>{target}"
        if target not in self.definition.tasks:
            known = [*self.definition.tasks, *self.definition.places]
            known += [p.written for p in self.registry if p.attachment is Attachment.THEN]
            near = get_close_matches(target, known, n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            self.fault(
                location, f"there is no task or place {target!r}{hint}", code="unknown-target"
            )
            return self.draft.place(name)
        if name not in self.draft.places:
            self.draft.place(name)
            self.flows.setdefault(target, []).append(name)
        return name

    def expression(
        self,
        text: str,
        location: Location,
        names: Collection[str] | None = None,
        *,
        gives: str | None = None,
    ) -> Expression | None:
        """Check an expression; its fault gets the position of the place where it stands.

        What it has to give is known before it runs where it is a variable and nothing more.
        """
        variable = self.definition.variables.get(text.strip())
        if gives is not None and variable is not None and text.strip() not in RESULT_NAMES:
            found = variable.type.type
            if found not in (gives, "any", "number" if gives == "integer" else gives):
                message = f"expected a value of type {gives}; {variable.name!r} is {found}"
                self.fault(location, message, code="type")
                return None
        try:
            return compile_expression(text, names=self.names if names is None else names)
        except DefinitionError as error:
            self.fault(location, error.message, code=error.code)
            return None

    def execute(
        self, pattern: Pattern, location: Location, prefix: str, arguments: Mapping[str, Any]
    ) -> Fragment | None:
        """Run a pattern's executor and add its fragment; its ValueErrors are faults."""
        try:
            fragment = pattern.executor(**arguments)
        except ValueError as error:
            self.fault(location, str(error), code="pattern-parameter")
            return None
        for flow in fragment.same:
            target = self.definition.tasks.get(flow.rpartition(">")[2])
            if target is not None and not any(map(self.chosen, target.uses)):
                self.fault(
                    location,
                    f"{target.name!r} cannot be an alternative of {pattern.key}: it has no "
                    "connector, so nobody could choose it by starting it, and waits neither for "
                    "a trigger nor for a time",
                    code="pattern-context",
                )
        self.draft.add(fragment, prefix)
        for transition, name in fragment.collects.items():
            multiple = self.multiple[name]
            self.multiple[name] = msgspec.structs.replace(
                multiple, collects=(*multiple.collects, f"{prefix}.{transition}")
            )
        return fragment

    def performs(self, use: Use) -> bool:
        """Whether it names what does a task's work, not a pattern around the task."""
        return use.name in self.connectors or use.name == "net"

    def chosen(self, use: Use) -> bool:
        """Whether it lets the outside begin the task: by starting it, by a trigger or a time."""
        pattern = self.registry.by_key.get(use.name)
        return self.performs(use) or (pattern is not None and pattern.family is Family.TRIGGERS)

    def conditions(
        self, pattern: Pattern, use: Use, values: Mapping[str, Any], location: Location
    ) -> None:
        """Check the conditions among a pattern's parameters, each where it was written."""
        for parameter in pattern.parameters:
            value = values.get(parameter.argument)
            named = isinstance(use.argument, dict) and parameter.name in use.argument
            below = (*location, parameter.name) if named else location
            if parameter.is_condition and value is not None:
                self.expression(value, below, gives="boolean")
            elif parameter.is_count and value is not None:
                self.expression(value, below, gives="integer")
            elif parameter.is_expression and value is not None:
                self.expression(value, below)
            elif parameter.is_items and value is not None:
                if value.expression is not None:
                    self.expression(value.expression, below, gives="array")
            elif parameter.sees_results and value is not None:
                self.expression(value, below, self.names_and(RESULT_NAMES), gives="boolean")
            elif isinstance(value, Timing):
                self.timing(value, below)
            elif parameter.names_several or parameter.names_tasks or parameter.names_parts:
                self.named(parameter, value, below)
            elif isinstance(value, tuple):
                for i, item in enumerate(value):
                    if isinstance(item, Branch) and item.when is not None:
                        self.expression(item.when, (*below, i, "when"), gives="boolean")

    def timing(self, timing: Timing, location: Location) -> None:
        """Check the expression of a time, where it is one."""
        for word in ("after", "until", "next"):
            mapped: Mapped | None = getattr(timing, word)
            if mapped is not None and mapped.expression is not None:
                key = "for" if word == "after" else word
                self.expression(mapped.expression, (*location, key))

    def named(self, parameter: Parameter, value: Any, location: Location) -> None:
        """Check the tasks and places that a parameter names, each where it stands."""
        if not isinstance(value, str):
            for index, item in enumerate(value or ()):
                self.named(parameter, item, (*location, index))
            return
        places = list(self.definition.places)
        known = [*([] if parameter.names_place else self.definition.tasks)]
        known += places if parameter.names_parts else []
        if value in known or (parameter.names_parts and self.inner(value)):
            return
        near = get_close_matches(value, known, n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        what = "task or place" if parameter.names_parts else "task"
        if parameter.names_place:
            what = "place"
            hint = hint or f"; there are: {', '.join(places) or 'none, declare it in `places`'}"
            if value in self.definition.tasks:
                hint = f", only a task of that name{hint}"
        self.fault(location, f"there is no {what} {value!r}{hint}", code="unknown-target")

    def inner(self, name: str) -> bool:
        """Whether it names a flow (``a>b``) or the items of a task (``a.run``, ``a.held``)."""
        task, _, part = name.rpartition(".")
        if part in ("run", "held") and task in self.definition.tasks:
            return any(map(self.performs, self.definition.tasks[task].uses))
        return any(name in places for places in self.flows.values())

    # ── the parts ────────────────────────────────────────────────────────────────────────────

    def compile(self) -> Net | None:
        definition = self.definition
        if not self.named_well():
            return None
        self.signals = Signals(definition, self.registry)
        for where, message in self.signals.faults:
            self.fault(self.at(*where), message, code="pattern-context")
        for place in definition.places.values():
            self.draft.place(place.name, tokens=place.tokens)
            self.draft.declared.add(place.name)
        self.draft.place(END, end=True)
        for index, name in enumerate(definition.start):
            self.start(name, index)
        for place in definition.places.values():
            if place.then is not None:
                self.then(place.name, place.name, place.then, self.at("places", place.name, "then"))
        for task in definition.tasks.values():
            self.exit(task)
        self.compensations()
        for task in definition.tasks.values():
            self.task(task)
        for task in definition.tasks.values():
            self.beside(task)
        if UNDOING in self.draft.places:
            undoable = [undoable_place(name) for name in self.undoes.values()]
            self.draft.transitions.append(
                all_undone(undoable, [t.run for t in self.tasks.values()])
            )
        for index, use in enumerate(definition.uses):
            self.whole(use, index)
        for places, passing in self.signals.through():
            for name in places:
                self.draft.place(name)
            self.draft.transitions.append(passing)
        for name, message in self.signals.cut(self.draft):
            self.fault(self.at("tasks", name), message, code="pattern-context")
        self.reachable()
        if self.faults:
            return None
        return self.finish()

    def named_well(self) -> bool:
        """Check the names of the parts: their form, and that no two things share one.

        False: parts are not to be found under their names, so nothing else can be said.
        """
        definition = self.definition
        agree = True
        form = _IMPORTED_NAME if self.specification.source.format == "yawl" else _NAME
        for kind, parts in (("tasks", definition.tasks), ("places", definition.places)):
            for key, part in parts.items():
                location = self.at(kind, key)
                if not form.fullmatch(key):
                    self.fault(
                        location,
                        f"{key!r} is no name: letters, digits, '_' and '-', beginning with a "
                        "letter or '_'",
                        code="name",
                    )
                elif part.name != key:
                    agree = False
                    self.fault(
                        location,
                        f"what stands under {key!r} is called {part.name!r}; they have to agree",
                        code="name",
                    )
        for name in definition.places:
            if name in definition.tasks:
                self.fault(
                    self.at("places", name), f"{name!r} is also the name of a task", code="name"
                )
            if name == END:
                self.fault(
                    self.at("places", END),
                    f"the place {END!r} is there already: threads that have nowhere to go rest "
                    "in it",
                    code="name",
                )
        for name, task in definition.tasks.items():
            first = self.results.get(variable_name(name), name)
            if first != name and task.outputs is None:
                self.fault(
                    self.at("tasks", name),
                    f"the results of {first!r} and {name!r} would share the variable "
                    f"{variable_name(name)!r}; rename one of them",
                    code="name",
                )
        declared = definition.variables.get(ERROR)
        if self.catches and declared is not None and declared.type.type not in ("any", "object"):
            root = definition.name == self.specification.root
            self.fault(
                ("data", ERROR) if root else self.at("data", ERROR),
                f"an error branch finds its error, an object, in the variable {ERROR!r}; declare "
                "it as an object, or give yours another name",
                code="name",
            )
        if self.catches and self.results.get(ERROR) is not None:
            self.fault(
                self.at("tasks", self.results[ERROR]),
                f"the result of this task would share the variable {ERROR!r} with the errors of "
                "error branches; rename it",
                code="name",
            )
        if not definition.start:
            self.fault(
                self.at("start"), "a net starts with at least one task or place", code="start"
            )
        return agree

    def start(self, name: str, index: int) -> None:
        if name in self.definition.start[:index]:
            self.fault(self.at("start", index), f"{name!r} stands twice in start", code="start")
        location = self.at("start", index) if len(self.definition.start) > 1 else self.at("start")
        if name in self.definition.places:
            place = self.draft.places[name]
            self.draft.places[name] = msgspec.structs.replace(place, tokens=place.tokens + 1)
            return
        flow = self.flow(START, name, location)
        self.draft.places[flow] = msgspec.structs.replace(self.draft.places[flow], tokens=1)

    def then(self, owner: str, source: str, use: Use, location: Location) -> None:
        """The fragment of a ``then`` over the place ``source``; flows get the owner's name."""
        if use.name == "sequence" and isinstance(use.argument, str):
            target = use.argument
            if not self.known(target) and target in self.registry:
                use = Use(target)
            joined = self.definition.tasks.get(target)
            if owner in self.definition.places and joined is not None and joined.join is not None:
                # A join reads the author's own place: that is the name by which it waits.
                self.draft.same[self.flow(owner, target, location)] = owner
                return
        try:
            pattern = self.registry.get(use.name, Attachment.THEN)
            values = pattern.read(use.argument)
        except ValueError as error:
            self.fault(location, str(error), code="pattern")
            return
        below = location if use.name == "sequence" else (*location, use.name)
        self.conditions(pattern, use, values, below)
        self.lead(owner, pattern, use, values, below)
        if "end" in pattern.wants:
            values["end"] = END
        if "skips" in pattern.wants and self.signals.flows:
            values["skips"] = self.skips(owner, pattern, values)
        self.execute(pattern, below, f"{owner}.then", {"input": source, **values})

    def skips(self, owner: str, pattern: Pattern, values: Mapping[str, Any]) -> tuple[str, ...]:
        """The places for word of the branches that a choice does not take, in their order."""
        flows = [
            item.to
            for parameter in pattern.parameters
            for item in values.get(parameter.argument) or ()
            if isinstance(item, Branch)
        ]
        found = self.signals.skips(owner, flows)
        for place in filter(None, found):
            self.draft.place(place)
        return found if any(found) else ()

    def lead(
        self,
        owner: str,
        pattern: Pattern,
        use: Use,
        values: dict[str, Any],
        location: Location,
    ) -> None:
        """Put places for the targets among a pattern's parameters."""
        for parameter in pattern.parameters:
            if parameter.leads_on and parameter.argument in values:
                named = isinstance(use.argument, dict) and parameter.name in use.argument
                at = (*location, parameter.name) if named else location
                value = values[parameter.argument]
                values[parameter.argument] = self.led(owner, value, at)

    def led(self, owner: str, value: Any, location: Location) -> Any:
        """The places that lead to the targets named in a parameter's value."""
        if isinstance(value, str):
            return self.flow(owner, value, location)
        return tuple(
            attrs.evolve(item, to=self.flow(owner, item.to, (*location, i, "to")))
            if isinstance(item, Branch)
            else self.flow(owner, item, (*location, i))
            for i, item in enumerate(value)
        )

    def exit(self, task: TaskDefinition) -> None:
        """What follows a task: its ``then``, its ``on-failure``, and where what is around leads."""
        if task.name in self.undoes:
            return  # what it leads to is the next step back
        exit_place = self.draft.place(f"{task.name}>")
        use = task.then or Use("implicit-termination")
        self.then(task.name, exit_place, use, self.at("tasks", task.name, "then"))
        if task.on_failure is not None and self.failure_word(task) is None:
            failed = self.draft.place(f"{task.name}!")
            location = self.at("tasks", task.name, "on-failure")
            self.then(f"{task.name}!", failed, task.on_failure, location)
        for mark, branch, key in ((LATE, task.on_timeout, "timeout"), (DUE, task.on_due, "due")):
            if branch is not None:
                place = self.draft.place(f"{task.name}{mark}")
                location = self.at("tasks", task.name, f"on-{key}")
                self.then(f"{task.name}{mark}", place, branch, location)
        for use in task.uses:
            self.leave(task, use)

    def leave(self, task: TaskDefinition, use: Use) -> None:
        """Make the flows by which a pattern around a task leaves it; `around` finds them there.

        A join has to know all its flows, so they are made before any task is.
        """
        pattern = self.registry.by_key.get(use.name)
        if pattern is None or pattern.attachment is not Attachment.TASK:
            return
        try:
            values = pattern.read(use.argument)
        except ValueError:
            return  # `around` says so
        self.lead(task.name, pattern, use, values, self.at("tasks", task.name, use.name))

    def failure_word(self, task: TaskDefinition) -> str | None:
        """The word at a task's ``on-failure`` that is no task, place or pattern; None: none."""
        use = task.on_failure
        if use is None or use.name != "sequence" or use.argument not in FAILURE_WORDS:
            return None
        return None if self.known(use.argument) else use.argument

    def compensations(self) -> None:
        """Check who undoes whom, and make the places for it."""
        asking = [t for t in self.definition.tasks.values() if self.failure_word(t) == "compensate"]
        told: set[str] = set()
        for name, task in self.definition.tasks.items():
            if task.compensate is None:
                continue
            location = self.at("tasks", name, "compensate")
            problem = self.undoer_fault(name, task.compensate)
            if problem is None and task.compensate in told:
                problem = f"{task.compensate!r} undoes another task already; it can undo one"
            if problem is None and not asking:
                problem = (
                    "nothing in this net asks for it: say `on-failure: compensate` in the tasks "
                    "whose failure undoes what was done"
                )
            told.add(task.compensate)
            if problem is not None:
                self.fault(location, problem, code="compensation")
            else:
                self.draft.place(undoable_place(name), resting=True)
        for task in asking:
            if not self.undoes:
                self.fault(
                    self.at("tasks", task.name, "on-failure"),
                    "there is nothing to undo: no task of this net has `compensate`",
                    code="compensation",
                )
        if asking and self.undoes:
            self.draft.place(UNDOING)
            self.draft.place(TURN)

    def undoer_fault(self, name: str, undoer: str) -> str | None:
        """Why a task cannot undo another one, or None."""
        task = self.definition.tasks.get(undoer)
        if task is None:
            near = get_close_matches(undoer, self.definition.tasks, n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            return f"there is no task {undoer!r}{hint}"
        if not any(map(self.performs, self.definition.tasks[name].uses)):
            return f"{name!r} has no connector, so there is nothing to undo"
        if task.compensate is not None or undoer == name:
            return f"{undoer!r} undoes {name!r}, and cannot be undone itself"
        if [use for use in task.uses if not self.performs(use)] or len(task.uses) != 1:
            return f"{undoer!r} undoes {name!r}, so it is a plain task: a connector, no pattern"
        if task.then is not None or task.join is not None or self.flows.get(undoer):
            return f"{undoer!r} undoes {name!r}: no flow leads to it or on from it"
        if task.on_failure is not None and self.failure_word(task) not in ("skip", "ask"):
            return f"{undoer!r} undoes {name!r}: its `on-failure` is skip or ask, if there is one"
        return None

    def task(self, task: TaskDefinition) -> None:
        location = self.at("tasks", task.name)
        body_in, body_out = f">{task.name}", f"{task.name}>"
        if task.name in self.undoes:
            body_in = body_out = TURN
        else:
            self.join(task, self.draft.place(body_in))
        connectors = [use for use in task.uses if self.performs(use)]
        around = [use for use in task.uses if use not in connectors]
        # What makes an item of each instance stands innermost, wherever it is written.
        around.sort(key=self.makes_several)
        self.failures[task.name] = f"{task.name}!"
        for use in around:
            body_in, body_out = self.around(task, use, body_in, body_out)
        if len(connectors) > 1:
            names = " and ".join(use.name for use in connectors)
            self.fault(
                location, f"a task has one connector; this one has {names}", code="connector"
            )
        inputs, outputs, result = self.mappings(task)
        if not connectors:
            self.empty(task, body_in, body_out)
            return
        use = connectors[0]
        run = self.draft.place(run_place(task.name))
        held = self.draft.place(held_place(task.name))
        lacks = (
            [Arc(run, task.concurrency), Arc(held, task.concurrency)] if task.concurrency else []
        )
        self.bounds(task)
        name = task.name
        undoable = [undoable_place(name)] if task.compensate is not None else []
        undone = [undoable_place(self.undoes[name])] if name in self.undoes else []
        start = external(
            f"{name}.start",
            role=Role.START,
            task=name,
            take=[body_in, *undone],
            put=[run],
            lacks=lacks,
        )
        complete = external(
            f"{name}.complete",
            role=Role.COMPLETE,
            task=name,
            take=[run],
            put=[body_out, *undoable],
        )
        fail = external(f"{name}.fail", role=Role.FAIL, task=name, take=[run], put=[held])
        retry = external(f"{name}.retry", role=Role.RETRY, task=name, take=[held], put=[run])
        transitions = [start, complete, fail, retry]
        give_up: str | None = None
        word = self.failure_word(task)
        if task.on_failure is not None and word != "ask":
            give_up = f"{name}.give up"
            branch = {"skip": [body_out], "compensate": [UNDOING, TURN]}.get(word or "")
            branch = [self.failures[name]] if branch is None else branch
            transitions.append(
                external(give_up, role=Role.GIVE_UP, task=name, take=[held], put=branch)
            )
        due, expires = (self.time(task, key) for key in ("due", "expires"))
        transitions += self.timed(task, body_in)
        self.draft.transitions += transitions
        child: str | None = None
        if use.name == "net":
            child = use.argument if isinstance(use.argument, str) else None
            if child not in self.specification.nets:
                known = ", ".join(sorted(self.specification.nets)) or "none"
                self.fault(
                    (*location, "net"),
                    f"there is no net {use.argument!r} under `nets`; known: {known}",
                    code="unknown-net",
                )
        policy = RetryPolicy()
        if task.retry is not None and not self.faults:
            policy = RetryPolicy(
                attempts=task.retry.attempts,
                delay=round(task.retry.delay_seconds * 1_000_000),
                factor=float(task.retry.factor),
                max_delay=round(task.retry.max_delay_seconds * 1_000_000),
                jitter=task.retry.jitter == "full",
                crashes=task.retry.crashes,
            )
        self.tasks[name] = Task(
            name=name,
            run=run,
            held=held,
            starts=(start.name,),
            complete=complete.name,
            connector=None if child else use.name,
            config=None if child else use.argument,
            automatic=True if child else self.connectors[use.name].automatic,
            child=child,
            title=task.title,
            inputs=inputs,
            outputs=outputs,
            result=result,
            fail=fail.name,
            retry_by=retry.name,
            retry=policy,
            timeout=None
            if task.timeout_seconds is None or self.faults
            else max(1, round(task.timeout_seconds * 1_000_000)),
            expires=expires,
            concurrency=task.concurrency,
            give_up=give_up,
            time_out=f"{name}.time out" if task.on_timeout is not None else None,
            due=due,
            asks=word == "ask",
            undoable=task.compensate is not None,
            undoes=self.undoes.get(name),
        )
        if name in self.multiple and self.multiple[name].collect is not None:
            seen = self.names_and({*self.own(name), "result"})
            for use in around:
                if self.makes_several(use):
                    below = (*location, use.name, "collect")
                    self.expression(str(self.multiple[name].collect), below, seen)

    def timed(self, task: TaskDefinition, body_in: str) -> list[Transition]:
        """What happens to an item of a task that is not done in time, or not when it is due."""
        name, location = task.name, self.at("tasks", task.name)
        run, held = run_place(name), held_place(name)
        transitions: list[Transition] = []
        # Somebody outside starts it: its time runs from the offer on.
        offered = any(
            use.name in self.connectors and not self.connectors[use.name].automatic
            for use in task.uses
        )

        def branch(
            label: str, role: Role, *, take: Sequence[str] = (), needs: Sequence[str] = (),
            put: Sequence[str],
        ) -> None:  # fmt: skip
            transitions.append(
                external(f"{name}.{label}", role=role, task=name, take=take, needs=needs, put=put)
            )

        bounded = task.timeout_seconds is not None or task.expires is not None
        if task.timeout_seconds is not None and task.expires is not None:
            message = "there are two: a duration and a time that is told; one is kept"
            self.fault((*location, "timeout"), message, code="timeout")
        if bounded and offered:
            branch("lapse", Role.LAPSE, take=[body_in], put=[held])
        if task.on_timeout is not None:
            branch("time out", Role.TIME_OUT, take=[held], put=[f"{name}{LATE}"])
            if not bounded:
                message = "there is no `timeout` after which the flow could go here"
                self.fault((*location, "on-timeout"), message, code="timeout")
            if any(map(self.makes_several, task.uses)):
                message = (
                    "an instance that is late has to be counted: use `on-failure`, where the "
                    "code of the error is 'timeout'"
                )
                self.fault((*location, "on-timeout"), message, code="timeout")
        if task.on_due is not None:
            if task.due is None:
                message = "there is no `due` at which the flow could go here"
                self.fault((*location, "on-due"), message, code="timeout")
            if offered:  # not `needs`: the place may be one that several tasks start from
                put = [body_in, f"{name}{DUE}"]
                branch("remind", Role.REMIND, take=[body_in], put=put)
            branch("remind started", Role.REMIND, needs=[run], put=[f"{name}{DUE}"])
            branch("remind held", Role.REMIND, needs=[held], put=[f"{name}{DUE}"])
        return transitions

    def time(self, task: TaskDefinition, key: Literal["due", "expires"]) -> Timing | None:
        """When an item of a task should be done, or has to be."""
        written: JsonValue = getattr(task, key)
        if written is None:
            return None
        location = self.at("tasks", task.name, "due" if key == "due" else "timeout")
        try:
            timing = read_timing(written, starts=key == "expires")
        except ValueError as error:
            self.fault(location, str(error), code="pattern-parameter")
            return None
        self.timing(timing, location)
        return timing

    def bounds(self, task: TaskDefinition) -> None:
        """Check the numbers of a task: a builder may give any."""
        location = self.at("tasks", task.name)
        if task.concurrency is not None and task.concurrency != 1:
            self.fault(
                (*location, "concurrency"), "expected 1 or many: other numbers are not supported"
            )
        times = {"timeout": task.timeout_seconds}
        if task.retry is not None:
            below = {"delay": task.retry.delay_seconds, "max-delay": task.retry.max_delay_seconds}
            times |= {f"retry.{name}": seconds for name, seconds in below.items()}
            if not 1 <= task.retry.factor <= MAX_FACTOR:
                self.fault(
                    (*location, "retry", "factor"),
                    f"expected a number from 1 to {MAX_FACTOR}, found {task.retry.factor}",
                )
        for name, seconds in times.items():
            least = 0 if name.startswith("retry") else 1e-6
            if seconds is not None and not least <= seconds <= MAX_SECONDS:
                self.fault(
                    (*location, *name.split(".")),
                    f"expected a time from {least:g} to {MAX_SECONDS} seconds, found {seconds}",
                )

    def empty(self, task: TaskDefinition, body_in: str, body_out: str) -> None:
        """A task without a connector: nothing to do, it only passes the flow on."""
        for key in _WORK_KEYS:
            if getattr(task, key):
                words = {"timeout_seconds": "timeout", "expires": "timeout"}
                words |= {"inputs": "in", "outputs": "out"}
                shown = words.get(key, key.replace("_", "-"))
                self.fault(
                    self.at("tasks", task.name, shown),
                    f"task {task.name!r} has no connector, so {shown!r} means nothing here; "
                    f"connectors: {', '.join(sorted(self.connectors))}, net",
                    code="connector",
                )
        if task.name in self.multiple:
            self.fault(
                self.at("tasks", task.name),
                f"task {task.name!r} has no connector, so there is nothing for many instances to "
                f"do; connectors: {', '.join(sorted(self.connectors))}, net",
                code="connector",
            )
            del self.multiple[task.name]
        self.draft.transitions.append(immediate(task.name, take=[body_in], put=[body_out]))

    def join(self, task: TaskDefinition, entry: str) -> None:
        flows = self.flows.get(task.name, [])
        location = self.at("tasks", task.name, "join")
        use = task.join or Use("simple-merge")
        try:
            pattern = self.registry.get(use.name, Attachment.JOIN)
            values = pattern.read(use.argument)
        except ValueError as error:
            self.fault(location, str(error), code="pattern")
            return
        if not flows:
            return  # unreachable: `reachable` says so
        if task.join is not None and len(flows) == 1:
            self.fault(
                location,
                f"{use.name} joins two or more flows; only one leads to {task.name!r}: {flows[0]}",
                code="pattern-context",
            )
            return
        self.conditions(pattern, use, values, (*location, use.name))
        passing = self.signals.passing(task.name, pattern, flows, entry)
        if passing is not None:
            self.draft.place(word_of(entry))
            for flow in flows:
                self.draft.place(word_of(flow))
            self.draft.add(passing, f"{task.name}.join")
            return
        if "skips" in pattern.wants:
            if task.name not in self.signals.pairings and task.name not in self.signals.regions:
                return  # `signals` has said why
            try:
                values["skips"] = self.signals.answers(task.name, flows)
            except ValueError as error:
                self.fault(location, str(error), code="pattern-context")
                return
            for place in values["skips"]:
                self.draft.place(place)
        if task.name in self.signals.nodes and "skipped" in pattern.wants:
            values["skipped"] = self.draft.place(word_of(entry))
        self.execute(
            pattern,
            location,
            f"{task.name}.join",
            {"inputs": tuple(flows), "output": entry, **values},
        )

    def around(
        self, task: TaskDefinition, use: Use, body_in: str, body_out: str
    ) -> tuple[str, str]:
        """A pattern around a task: it gets the old entry and exit, the task gets new ones."""
        location = self.at("tasks", task.name, use.name)
        try:
            pattern = self.registry.get(use.name, Attachment.TASK, use.argument)
            values = pattern.read(use.argument)
        except ValueError as error:
            if use.name in self.registry or use.name in self.registry.by_key:
                self.fault(location, str(error), code="pattern")
            else:
                here = {p.written for p in self.registry if p.attachment is Attachment.TASK}
                known = sorted({*self.connectors, "net", *here, *_TASK_KEYS})
                near = get_close_matches(use.name, known, n=3)
                hint = f"; did you mean {' or '.join(near)}?" if near else ""
                self.fault(
                    location,
                    f"a task has no key {use.name!r}{hint}; accepted: {', '.join(known)}"
                    f"{self.registry.missing}",
                    code="unknown-key",
                )
            return body_in, body_out
        if any(parameter.names_several for parameter in pattern.parameters):
            return body_in, body_out  # `beside` does it, when all tasks are known
        self.conditions(pattern, use, values, location)
        told = len(self.faults)
        self.lead(task.name, pattern, use, values, location)
        del self.faults[told:]  # `leave` has told them
        inner_in, inner_out = body_in, body_out
        if "task" in pattern.wants:
            values["task"] = task.name
        if "body_input" in pattern.wants:
            inner_in = self.draft.place(f"{task.name}.{use.name} in")
            inner_out = self.draft.place(f"{task.name}.{use.name} out")
            values |= {
                "input": body_in,
                "output": body_out,
                "body_input": inner_in,
                "body_output": inner_out,
            }
        if "body_failure" in pattern.wants:
            failure = None
            if task.on_failure is not None and self.failure_word(task) is None:
                failure = self.failures[task.name]
                self.failures[task.name] = self.draft.place(f"{task.name}.{use.name} failed")
            values |= {
                "failure": failure,
                "body_failure": None if failure is None else self.failures[task.name],
            }
        prefix = f"{task.name}.{use.name}"
        fragment = self.execute(pattern, location, prefix, values)
        if fragment is not None and fragment.instances is not None:
            self.counted(task, fragment, prefix, values)
        elif fragment is not None and any(extra.take for extra in fragment.starts.values()):
            self.counts_starts(task, use, location)
        return inner_in, inner_out

    def counts_starts(self, task: TaskDefinition, use: Use, location: Location) -> None:
        """A pattern that lets a task start so many times does not know its instances apart."""
        if any(map(self.makes_several, task.uses)):
            self.fault(
                location,
                f"{use.name} counts the starts of {task.name!r}, which has many instances: those "
                "beyond it could never start, and the others would wait for them; put it at a "
                "task without connector before this one",
                code="pattern-context",
            )

    def makes_several(self, use: Use) -> bool:
        """Whether it is a pattern that makes many instances of a task."""
        try:
            pattern = self.registry.get(use.name, Attachment.TASK, use.argument)
        except ValueError:
            return False
        return pattern.family is Family.INSTANCES

    def counted(
        self, task: TaskDefinition, fragment: Fragment, prefix: str, places: Mapping[str, Any]
    ) -> None:
        """Note what makes a task one of many instances, under the names of the net."""
        told = fragment.instances
        if told is None or task.name in self.multiple:
            self.fault(
                self.at("tasks", task.name),
                f"two patterns make many instances of task {task.name!r}; keep one",
                code="pattern-context",
            )
            return

        def own(name: str | None) -> str | None:
            return None if name is None else f"{prefix}.{name}"

        clash = [n for n in (INDEX, told.item) if n is not None and n in self.names]
        for name in clash:
            where = "`as` gives it another name" if name == told.item else "rename that variable"
            self.fault(
                self.at("tasks", task.name),
                f"an instance of {task.name!r} finds its {'index' if name == INDEX else 'item'} "
                f"in {name!r}, which is a variable of the net: {where}",
                code="name",
            )
        self.multiple[task.name] = Multiple(
            ready=places["body_input"],
            enter=f"{prefix}.{told.enter}",
            collects=tuple(f"{prefix}.{name}" for name in told.collects),
            conditions=tuple(f"{prefix}.{name}" for name in told.conditions),
            number=told.number,
            items=told.items,
            item=told.item,
            collect=told.collect,
            add=own(told.add),
            seal=own(told.seal),
            overlaps=told.open is None,
        )
        self.draft.kept.add(f"{prefix}.{told.enter}")
        mine = [f"{prefix}.{name}" for name in (*fragment.resting, *fragment.unfinished)]
        around = [places["body_input"], places["body_output"], places.get("body_failure")]
        work = [run_place(task.name), held_place(task.name)]
        self.several[task.name] = Several(
            task=task.name,
            places=(*mine, *(p for p in around if p is not None), *work),
            rest=tuple(Arc(f"{prefix}.{p}", n) for p, n in fragment.resting.items() if n),
            open=own(told.open),
            draining=own(told.draining),
            output=places["output"],
        )

    def beside(self, task: TaskDefinition) -> None:
        """The patterns at a task that act on multiple-instance tasks, now that all are known."""
        for use in task.uses:
            if self.performs(use):
                continue
            try:
                pattern = self.registry.get(use.name, Attachment.TASK, use.argument)
                values = pattern.read(use.argument)
            except ValueError:
                continue  # `around` has said so
            named = [p for p in pattern.parameters if p.names_several]
            if not named:
                continue
            location = self.at("tasks", task.name, use.name)
            told = len(self.faults)
            self.conditions(pattern, use, values, location)
            for parameter in named:
                for name in values.get(parameter.argument, ()):
                    if name in self.definition.tasks and name not in self.several:
                        known = ", ".join(self.several) or "none"
                        self.fault(
                            location,
                            f"{name!r} has one instance; {pattern.key} is for a task with "
                            f"`for-each`; there are: {known}",
                            code="pattern-context",
                        )
                values[parameter.argument] = tuple(
                    self.several[n] for n in values.get(parameter.argument, ()) if n in self.several
                )
            if told == len(self.faults):
                given = {"task": task.name} if "task" in pattern.wants else {}
                self.execute(pattern, location, f"{task.name}.{use.name}", {**given, **values})

    def whole(self, use: Use, index: int) -> None:
        """A pattern over several tasks of the net."""
        location = self.at("patterns", index, use.name)
        try:
            pattern = self.registry.get(use.name, Attachment.NET)
            values = pattern.read(use.argument)
        except ValueError as error:
            self.fault(location, str(error), code="pattern")
            return
        self.conditions(pattern, use, values, location)
        if "flows" in pattern.wants:
            values["flows"] = tuple(
                Flow(place.rpartition(">")[0].rstrip(f"!{LATE}{DUE}"), target, place)
                for target, places in self.flows.items()
                for place in places
            )
        self.execute(pattern, location, f"patterns.{index + 1}", values)

    def mappings(
        self, task: TaskDefinition
    ) -> tuple[dict[str, Mapped], dict[str, Mapped] | None, str | None]:
        multiple = self.multiple.get(task.name)
        own = self.own(task.name)
        seen = self.names_and(own)
        inputs = {
            name: self.mapped(value, self.at("tasks", task.name, "in", name), seen)
            for name, value in task.inputs.items()
        }
        if not inputs and multiple is not None and multiple.item is not None:
            inputs = {multiple.item: Mapped(expression=multiple.item)}
        if task.outputs is None:
            return inputs, None, variable_name(task.name)
        outputs: dict[str, Mapped] = {}
        if multiple is None or multiple.overlaps:
            names = self.names_and({*own, "result"})
        else:
            names = self.names_and(RESULT_NAMES)
        for variable, value in task.outputs.items():
            location = self.at("tasks", task.name, "out", variable)
            if variable not in self.definition.variables:
                known = ", ".join(sorted(self.definition.variables)) or "none"
                near = get_close_matches(variable, self.definition.variables, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                self.fault(
                    location,
                    f"{variable!r} is not a declared variable{hint}; declared under `data`: {known}",
                    code="unknown-variable",
                )
            outputs[variable] = self.mapped(value, location, names)
        return inputs, outputs, None

    def names_and(self, more: Collection[str]) -> frozenset[str]:
        """The net's names and some more: one set for all tasks that see the same."""
        key = frozenset(more)
        if key not in self._names_and:
            self._names_and[key] = self.names | key
        return self._names_and[key]

    def own(self, task: str) -> frozenset[str]:
        """The names that an instance of a task sees besides the data."""
        multiple = self.multiple.get(task)
        if multiple is None:
            return frozenset()
        return frozenset((INDEX,) if multiple.item is None else (INDEX, multiple.item))

    def mapped(self, value: JsonValue, location: Location, names: Collection[str]) -> Mapped:
        if not isinstance(value, str):
            return Mapped(value=value)
        self.expression(value, location, names)
        return Mapped(expression=value)

    # ── the whole ────────────────────────────────────────────────────────────────────────────

    def reachable(self) -> None:
        """Every task and place has to be reached by the flow from a start."""
        leads: dict[str, list[str]] = {}
        for target, flows in self.flows.items():
            for flow in flows:
                leads.setdefault(flow, []).append(f">{target}")
        ahead: dict[str, set[str]] = {}
        for t in self.draft.transitions:
            for place in t.sources:
                ahead.setdefault(place, set()).update(a.place for a in t.put)
                ahead[place].update(counted for counted, _ in t.counted)
        for name, other in self.draft.same.items():
            ahead.setdefault(other, set()).add(name)
            ahead.setdefault(name, set()).add(other)
        for flow, entries in leads.items():
            ahead.setdefault(flow, set()).update(entries)
        seen = {p.name for p in self.draft.places.values() if p.tokens and not p.resting}
        seen |= {a.place for t in self.draft.transitions if not t.take for a in t.put}
        queue = deque(seen)
        while queue:
            for place in ahead.get(queue.popleft(), ()):
                if place not in seen:
                    seen.add(place)
                    queue.append(place)
        for name in self.definition.tasks:
            if f">{name}" not in seen and name not in self.undoes:
                self.fault(
                    self.at("tasks", name),
                    f"no flow from the start leads to task {name!r}: name it in a `then`, "
                    "or remove it",
                    code="unreachable",
                )

    def finish(self) -> Net:
        draft = self.draft
        if draft.same:
            unify(draft)
        draft.transitions.sort(key=self.position)
        add_extras(draft)
        self.signals.divert(draft)
        fused = fuse(draft)
        takers: dict[str, set[str | None]] = {}
        for t in fused:
            for arc in t.take:
                takers.setdefault(arc.place, set()).add(t.task if t.external else None)
        transitions = [self.cleared(t, takers) for t in fused]
        if UNDOING in draft.places:
            runs = [task.run for task in self.tasks.values()]
            transitions = turned_round(transitions, self.undoes, runs)
        roles: dict[Role, dict[str, list[str]]] = {}
        used = {END}
        for t in transitions:
            if t.task is not None:
                roles.setdefault(t.role, {}).setdefault(t.task, []).append(t.name)
            used |= {a.place for arcs in (t.take, t.put, t.needs, t.lacks) for a in arcs}
            used |= {*t.clear, *(place for place, _ in t.counted), *t.sources}
        used |= set(self.definition.places)
        diverting = self.signals.diverting(draft, used)
        used |= {a.place for t in diverting for a in (*t.take, *t.put)}
        transitions += diverting
        net = Net(
            name=self.definition.name,
            places=tuple(p for p in draft.places.values() if p.name in used),
            transitions=tuple(transitions),
            tasks={
                name: msgspec.structs.replace(
                    task,
                    starts=tuple(roles[Role.START][name]),
                    lapses=tuple(roles.get(Role.LAPSE, {}).get(name, ())),
                    reminds=tuple(roles.get(Role.REMIND, {}).get(name, ())),
                    depth=draft.depths.get(name),
                    multiple=self.multiple.get(name),
                )
                for name, task in self.tasks.items()
            },
            waits={
                name: msgspec.structs.replace(
                    wait,
                    fires=tuple(roles[Role.TRIGGER if wait.timing is None else Role.TIMER][name]),
                )
                for name, wait in draft.waits.items()
            },
            variables=self.variables(),
            explicit=self.definition.termination is Termination.EXPLICIT,
            invariants=tuple(draft.invariants),
        )
        for message in net_faults(net):
            self.fault(self.at(), message, code="net")
        return net

    def cleared(self, t: Transition, takers: Mapping[str, Collection[str | None]]) -> Transition:
        """A transition whose region names tasks, with their places instead.

        This comes after fusing: a place that fusing takes out never holds a token for longer
        than a run lasts. A place from which several tasks may start (``takers``: the alternatives
        of a deferred choice) is emptied when all of them are in the region: emptying it for one
        would withdraw the others too. Bookkeeping that the region empties gets its resting tokens
        back.
        """
        if not any(name in self.definition.tasks for name in t.clear):
            return t
        places: dict[str, None] = {}
        for name in t.clear:
            if name not in self.definition.tasks:
                places[name] = None
                continue
            for place in self.draft.places:
                if place == undoable_place(name):
                    continue  # what was completed is not undone by cancelling the rest
                if place.startswith(f"{name}.") or place.rpartition(">")[2] == name:
                    places[place] = None
        for place, tasks in takers.items():
            if place not in self.draft.declared and all(name in t.clear for name in tasks):
                places[place] = None
        rest = [
            Arc(place, tokens)
            for place in places
            if place not in t.clear  # what a pattern clears by name it restores itself
            and (spot := self.draft.places[place]).resting
            and (tokens := spot.tokens)
        ]
        return msgspec.structs.replace(t, clear=tuple(places), put=(*t.put, *rest))

    def position(self, t: Transition) -> tuple[int, bool]:
        """Where a transition stands in the net: by task, what follows the task at its end."""
        owner = t.name.partition(".")[0].rstrip(f"!{LATE}{DUE}")
        return self.order.get(owner, -1), ".then." in t.name

    def variables(self) -> dict[str, VariableType]:
        declared = {
            name: VariableType(
                type=variable.type.as_json(),
                default=[variable.default] if variable.has_default else [],
                required=variable.required,
                merge=variable.merge,
            )
            for name, variable in self.definition.variables.items()
        }
        for name, task in self.results.items():
            if task in self.tasks:
                declared.setdefault(name, VariableType(type="any"))
        for name in self.received:
            declared.setdefault(name, VariableType(type="any"))
        if self.catches:
            declared.setdefault(ERROR, VariableType(type="any"))
        return declared


_TASK_KEYS = (
    "title",
    "description",
    "in",
    "out",
    "join",
    "then",
    "on-failure",
    "compensate",
    "retry",
    "timeout",
    "on-timeout",
    "due",
    "on-due",
    "concurrency",
)

_WORK_KEYS = (
    *(
        "retry",
        "timeout_seconds",
        "expires",
        "on_timeout",
        "due",
        "on_due",
        "on_failure",
        "concurrency",
    ),
    *("inputs", "outputs"),
)
"""What only means something where work is done."""

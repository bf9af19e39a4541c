"""How the steps of a process become the tasks and flows of a net.

A step is lowered where it stands: it is given the loose *ends* of what comes before it, ties them
to its first task, and gives its own. So what a person would write in YAML comes out, and nothing
more: a choice stands in the ``then`` of the task before it, a synchronization in the ``join`` of
the one behind. Only where two of these would have to stand in one place does an empty task come
in between, called after what it is for (``join-1``).

What flows between steps is a `_Value`: where the result lies that the next task reads. Results
stay in the variables that bear the tasks' names; a variable of its own is made only for a value
that several branches may give and that is really read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Union

import attrs

from weft.engine.compile import ERROR, variable_name
from weft.flow.expressions import At, Expression, Together, Variable, function_name
from weft.flow.steps import (
    Action,
    Chosen,
    Ending,
    Failure,
    Handled,
    Into,
    Parallel,
    Performed,
    Race,
    Repeat,
    Sequence_,
    Skip,
    Step,
    Waits,
)
from weft.schema.datatypes import Absent, InvalidDeclaration
from weft.schema.datatypes import Variable as Declaration
from weft.schema.errors import DefinitionError
from weft.schema.jsonvalue import JsonValue
from weft.schema.specification import Location, NetDefinition, TaskDefinition, Use

__all__ = ["Lowered", "Lowering"]

_WORD = re.compile(r"""'[^']*'|"[^"]*"|(?<![.\w])[A-Za-z_]\w*""")
"""Names in an expression, and texts, which are no names."""


_FAILURE = "{" + ", ".join(f"'{f.name}': {ERROR}.{f.name}" for f in attrs.fields(Failure)) + "}"
"""What an error branch is told, of all that is known."""


# ── what is being made ───────────────────────────────────────────────────────────────────────


@attrs.define(eq=False)
class Draft:
    """A task that is being put together."""

    action: Action[Any, Any] | None
    name: str
    at: At
    uses: list[Use] = attrs.field(factory=list)
    around: list[Use] = attrs.field(factory=list)
    inputs: dict[str, JsonValue] = attrs.field(factory=dict)
    outputs: dict[str, JsonValue] = attrs.field(factory=dict)
    join: Use | None = None
    then: Use | None = None
    failed: Use | None = None
    late: Use | None = None
    due: Use | None = None
    compensate: str | None = None


class _Slot:
    """A flow whose target is not known yet: ``set`` ties it to one."""

    def set(self, target: str) -> None:
        """Tie it to a task."""
        raise NotImplementedError


@attrs.define(eq=False)
class _After(_Slot):
    """What follows a task, or its failure: a name or a whole pattern."""

    draft: Draft
    key: str = "then"

    def set(self, target: str) -> None:
        self.use(Use("sequence", target))

    def use(self, use: Use) -> None:
        setattr(self.draft, self.key, use)


@attrs.define(eq=False)
class _Branch(_Slot):
    """One target within a pattern's parameters."""

    holder: Any
    key: str | int

    def set(self, target: str) -> None:
        self.holder[self.key] = target


@attrs.define(eq=False)
class _Start(_Slot):
    """Where the net starts."""

    net: Lowering

    def set(self, target: str) -> None:
        self.net.start = (target,)


@attrs.frozen(eq=False)
class _Ends:
    """Flows that go on together, and how they meet (None: each passes on)."""

    slots: tuple[_Slot, ...]
    join: Use | None = None

    @property
    def joined(self) -> bool:
        return self.join is not None and len(self.slots) > 1


# ── values ───────────────────────────────────────────────────────────────────────────────────


class _Value:
    """What a step has given: where it lies, and its type."""

    kind: Any = Any
    absent = False
    """Whether there is no value on some way here."""

    def text(self, net: Lowering, at: At) -> str:
        """The expression that reads it."""
        raise NotImplementedError

    def parts(self, net: Lowering, at: At, count: int) -> list[str]:
        """The expressions that read the items of a tuple."""
        whole = self.text(net, at)
        return [f"{whole}[{i}]" for i in range(count)]

    def store(self, variable: str, net: Lowering, at: At) -> None:
        """Have it written to a variable as well."""
        del variable
        net.fault(
            at,
            "this value cannot be kept in a variable, since no task gives it just here; "
            "let a task on each branch give it",
            "value",
        )


@attrs.define(eq=False)
class _Known(_Value):
    """An expression."""

    expression: Expression[Any]

    @property
    def kind(self) -> Any:
        return self.expression.kind

    def text(self, net: Lowering, at: At) -> str:
        return net.expression(self.expression, at)

    def parts(self, net: Lowering, at: At, count: int) -> list[str]:
        if isinstance(self.expression, Together):
            return [net.expression(part, at) for part in self.expression.parts]
        return super().parts(net, at, count)


@attrs.define(eq=False)
class _Kept(_Known):
    """What is in a variable because tasks have put it there."""

    sources: list[_Value]

    def store(self, variable: str, net: Lowering, at: At) -> None:
        for source in self.sources:
            source.store(variable, net, at)


@attrs.define(eq=False)
class _Result(_Value):
    """The result of a task."""

    draft: Draft

    @property
    def kind(self) -> Any:
        assert self.draft.action is not None
        return self.draft.action.gives

    def text(self, net: Lowering, at: At) -> str:
        name = variable_name(self.draft.name)
        net.mentioned.add(name)
        return name

    def store(self, variable: str, net: Lowering, at: At) -> None:
        self.draft.outputs[variable] = "result"


@attrs.define(eq=False)
class _OneOf(_Value):
    """What one of several branches gives; it has a variable of its own as soon as it is read."""

    values: list[_Value]
    noun: str
    variable: str | None = None

    @property
    def kind(self) -> Any:
        return Union[tuple(v.kind for v in self.values)]  # noqa: UP007  # of a computed tuple

    @property
    def absent(self) -> bool:  # type: ignore[override]
        return any(v.absent for v in self.values)

    def text(self, net: Lowering, at: At) -> str:
        if self.variable is None:
            self.variable = net.fresh(self.noun, "_")
            net.declare(Declaration(self.variable), at)
            self.store(self.variable, net, at)
        return self.variable

    def store(self, variable: str, net: Lowering, at: At) -> None:
        for value in self.values:
            value.store(variable, net, at)


@attrs.define(eq=False)
class _Tuple(_Value):
    """What steps side by side give."""

    values: list[_Value]

    @property
    def kind(self) -> Any:
        return tuple[tuple(v.kind for v in self.values)]  # type: ignore[misc]

    def text(self, net: Lowering, at: At) -> str:
        return f"[{', '.join(self.parts(net, at, len(self.values)))}]"

    def parts(self, net: Lowering, at: At, count: int) -> list[str]:
        return [value.text(net, at) for value in self.values]


class _Nothing(_Value):
    """No value."""

    kind = None
    absent = True

    def text(self, net: Lowering, at: At) -> str:
        net.fault(
            at,
            "there is no value here to read: the step before gives none on every way; "
            "say which one to read with .given(…)",
            "value",
        )
        return "null"

    def store(self, variable: str, net: Lowering, at: At) -> None:
        self.text(net, at)


# ── lowering ─────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class Lowered:
    """A net, what else it needs, where its parts were written, and what its last step gives."""

    net: NetDefinition
    nets: Mapping[str, NetDefinition]
    places: Mapping[Location, At]
    folder: str | None
    """Where the functions of the program's main script are found again."""
    gives: Any
    value: Any
    """The name of the variable that the process gives, a list of them, or None."""


class Lowering:
    """Makes one net."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.faults: list[DefinitionError] = []
        self.start: tuple[str, ...] = ()
        self.drafts: dict[str, Draft] = {}
        self.variables: dict[str, Declaration] = {}
        self.declared: dict[str, Variable[Any]] = {}
        self.nets: dict[str, NetDefinition] = {}
        self.places: dict[Location, At] = {}
        self.folder: str | None = None
        self.mentioned: set[str] = set()

    def fault(self, at: At, message: str, code: str) -> None:
        """Note a fault at a line of somebody's Python."""
        self.faults.append(DefinitionError(message, code=code, file=at.file, line=at.line))

    # ── the whole ────────────────────────────────────────────────────────────────────────────

    def whole(self, step: Step[Any, Any], takes: tuple[Variable[Any], ...], at: At) -> Lowered:
        """The net of a step, which begins with the variables that the process takes."""
        value: _Value = _Nothing()
        if len(takes) == 1:
            value = _Known(takes[0])
        elif takes:
            value = _Known(Together(takes))
        ends, value = self.step(step, _Ends((_Start(self),)), value, at)
        if any(not isinstance(slot, _After) or slot.key != "then" for slot in ends.slots):
            self.gate(ends, "done", at)
        return self.finish(None if value.absent else value.kind, self.given(value, at))

    def finish(self, gives: Any, value: Any, **parts: Any) -> Lowered:
        """The net of all that has been lowered; ``parts`` are its further attributes."""
        tasks = {draft.name: self.finished(draft) for draft in self.drafts.values()}
        net = NetDefinition(
            self.name, start=self.start, tasks=tasks, variables=self.variables, **parts
        )
        return Lowered(net, self.nets, self.places, self.folder, gives, value)

    def add_task(self, action: Action[Any, Any] | str, at: At) -> Draft:
        """A task by itself, or an empty one by its name, without any flow."""
        if isinstance(action, str):
            return self.add(Draft(None, action, at))
        return self.action(action, _Ends(()), _Nothing(), at)

    def given(self, value: _Value, at: At) -> Any:
        """What the process gives, by the variables that hold it."""
        if value.absent or value.kind in (None, type(None)):
            return None  # a value that may be none cannot be read, so nothing is lost
        if isinstance(value, _Tuple):
            return [self.given(part, at) for part in value.values]
        return value.text(self, at)

    def finished(self, draft: Draft) -> TaskDefinition:
        """A task as a specification has it."""
        action = draft.action
        if action is None:
            return TaskDefinition(
                draft.name,
                join=draft.join,
                then=draft.then,
                on_failure=draft.failed,
                uses=tuple(draft.around),
            )
        own = variable_name(draft.name)
        outputs = dict(draft.outputs)
        if action.several is not None and action.several.get("wait") is not False:
            outputs = dict.fromkeys(outputs, "results")
            if outputs and own in self.mentioned and own not in outputs:
                self.declare(Declaration(own), draft.at)
                outputs[own] = "results"
        elif outputs and own in self.mentioned and own not in outputs:
            self.declare(Declaration(own), draft.at)
            outputs[own] = "result"
        if not outputs and action.process is not None and action.several is None:
            # The result of a net is its data; the value of a process is a part of that.
            self.declare(Declaration(own), draft.at)
            outputs[own] = "result"
        if action.process is not None and action.several is None:
            outputs = dict.fromkeys(outputs, _within(action.process.value))
        return TaskDefinition(
            draft.name,
            title=action.title,
            description=action.description,
            join=draft.join,
            then=draft.then,
            on_failure=draft.failed,
            inputs=draft.inputs,
            outputs=outputs or None,
            retry=action.retries,
            timeout_seconds=action.timeout_seconds,
            expires=None if action.expires_at is None else dict(action.expires_at),
            on_timeout=draft.late,
            due=due if isinstance(due := action.due_at, str | None) else dict(due),
            on_due=draft.due,
            concurrency=action.concurrency,
            compensate=draft.compensate,
            uses=(*draft.uses, *action.patterns, *draft.around),
        )

    # ── names, variables, expressions ────────────────────────────────────────────────────────

    def fresh(self, noun: str, between: str = "-") -> str:
        """A name for what the author has not named: ``join-1``, ``choice_2``."""
        taken = {*self.drafts, *self.variables}
        numbers = (f"{noun}{between}{i}" for i in range(1, len(taken) + 2))
        return next(name for name in numbers if name not in taken)

    def variable(self, variable: Variable[Any], at: At, *, required: bool = False) -> None:
        """Declare a variable that is taken, kept or read; the first to do so decides how."""
        known = self.declared.setdefault(variable.name, variable)
        if known is not variable:
            self.fault(
                at,
                f"two variables are called {variable.name!r} (the other was made in "
                f"{known.at.file}:{known.at.line}); make one and use it in both places",
                "duplicate-name",
            )
        if variable.name in self.variables:
            return
        try:
            self.declare(variable.declaration(required=required), variable.at)
        except InvalidDeclaration as error:
            self.fault(variable.at, f"variable {variable.name!r}: {error}", "declaration")

    def declare(self, declaration: Declaration, at: At) -> None:
        """Declare a variable, unless one of this name is."""
        if declaration.name not in self.variables:
            self.variables[declaration.name] = declaration
            self.places[("data", declaration.name)] = at

    def expression(self, expression: Expression[Any], at: At) -> str:
        """The text of an expression, with its variables declared."""
        for variable in expression.declares:
            self.variable(variable, at)
        self.mentioned.update(_WORD.findall(expression.text))
        return expression.text

    def argument(self, expression: Expression[Any], at: At) -> JsonValue:
        """What stands at ``in``: an expression, or a literal that is no text."""
        text = self.expression(expression, at)
        literal = expression.literal
        return text if isinstance(literal, Absent) else literal

    def condition(self, condition: str | Expression[bool], at: At) -> str:
        """The text of a condition."""
        if isinstance(condition, Expression):
            return self.expression(condition, at)
        self.mentioned.update(_WORD.findall(condition))
        return condition

    # ── flows ────────────────────────────────────────────────────────────────────────────────

    def add(self, draft: Draft) -> Draft:
        """Add a task; its name has to be new."""
        known = self.drafts.get(draft.name)
        if known is not None:
            self.fault(
                draft.at,
                f"two tasks are called {draft.name!r} (the other in {known.at.file}:"
                f"{known.at.line}); give this one a name of its own with .named(…)",
                "duplicate-name",
            )
            draft.name = self.fresh(draft.name)  # so that the rest can be judged, too
        self.drafts[draft.name] = draft
        self.places["net", "tasks", draft.name] = draft.at
        return draft

    def arrive(self, ends: _Ends, draft: Draft) -> None:
        """Tie ends to a task."""
        for slot in ends.slots:
            slot.set(draft.name)
        if ends.joined:
            draft.join = ends.join

    def gate(self, ends: _Ends, noun: str, at: At, join: Use | None = None) -> Draft:
        """An empty task where flows meet or part."""
        draft = self.add(Draft(None, self.fresh(noun), at, join=join))
        self.arrive(ends, draft)
        return draft

    def split(self, ends: _Ends, use: Use, noun: str, at: At) -> None:
        """A pattern that parts the flow: at the task before, or at an empty one."""
        slot = ends.slots[0] if len(ends.slots) == 1 else None
        if not isinstance(slot, _After):
            slot = _After(self.gate(ends, noun, at))
        slot.use(use)
        key = {"then": "then", "late": "on-timeout", "due": "on-due"}.get(slot.key, "on-failure")
        self.places["net", "tasks", slot.draft.name, key] = at

    def simple(self, ends: _Ends, at: At) -> _Ends:
        """The ends, so that they may meet others: flows that wait for each other have met."""
        return _Ends((_After(self.gate(ends, "join", at)),)) if ends.joined else ends

    # ── steps ────────────────────────────────────────────────────────────────────────────────

    def step(
        self, step: Step[Any, Any], ends: _Ends, value: _Value, at: At
    ) -> tuple[_Ends, _Value]:
        """Lower a step behind ``ends``, over what they carry; its own ends and value."""
        above, at = at, getattr(step, "at", at)
        if not ends.slots:
            self.fault(at, "nothing leads here: the step before ends the process", "unreachable")
            return ends, value
        match step:
            case Handled():
                return self.handled(step, ends, value, at)
            case Performed():
                draft = self.action(step._action(), ends, value, at)
                return _Ends((_After(draft),)), self.result(draft)
            case Sequence_():
                return self.sequence(step, ends, value, above)
            case Into():
                ends, value = self.step(step.step, ends, value, at)
                self.variable(step.variable, at)
                value.store(step.variable.name, self, at)
                return ends, _Kept(step.variable, [value])
            case Parallel():
                return self.parallel(step, ends, value)
            case Waits():
                return self.waits(step, ends, value)
            case Race():
                return self.race(step, ends, value)
            case Chosen():
                return self.choice(step, ends, value)
            case Repeat():
                return self.repeat(step, ends, value)
            case Ending():
                self.split(ends, Use(step.pattern), "end", at)
                return _Ends(()), _Nothing()
            case Skip():
                return ends, _Nothing()
        raise TypeError(f"{step!r} is no step: make it with @weft.task or the words of weft.flow")

    def sequence(self, step: Sequence_, ends: _Ends, value: _Value, at: At) -> tuple[_Ends, _Value]:
        """A chain of any length, without recursion."""
        rest: list[tuple[Step[Any, Any], At]] = []
        first: Step[Any, Any] = step
        while isinstance(first, Sequence_):
            rest.append((first.second, first.at))
            first = first.first
        ends, value = self.step(first, ends, value, at)
        for following, where in reversed(rest):
            ends, value = self.step(following, ends, value, where)
        return ends, value

    def action(self, action: Action[Any, Any], ends: _Ends, value: _Value, at: At) -> Draft:
        """The task of an action, with its inputs."""
        draft = self.add(Draft(action, action.name, at))
        config = action.config
        if action.function is not None:
            try:
                config, folder = function_name(action.function)
            except ValueError as error:
                self.fault(at, f"task {action.name!r}: {error}", "function")
            else:
                self.folder = self.folder or folder
        if action.process is not None:
            self.subprocess(action, at)
        draft.uses.append(Use(action.kind, config))
        source = self.instances(draft, action, value, at)
        if action.takes and source is not None:
            if len(action.takes) == 1:
                draft.inputs[action.takes[0]] = (
                    source.text(self, at)
                    if action.value is None or action.several is not None
                    else self.argument(action.value, at)
                )
            else:
                texts = source.parts(self, at, len(action.takes))
                if len(texts) != len(action.takes):
                    self.fault(
                        at,
                        f"task {action.name!r} takes {len(action.takes)} values "
                        f"({', '.join(action.takes)}), and {len(texts)} are given",
                        "value",
                    )
                draft.inputs.update(zip(action.takes, texts, strict=False))
        for name, expression in action.inputs.items():
            draft.inputs[name] = self.argument(expression, at)
        self.arrive(ends, draft)
        if action.when_failed is not None:
            draft.failed = Use("sequence", action.when_failed)
        if action.undoer is not None:
            draft.compensate = self.action(action.undoer, _Ends(()), _Result(draft), at).name
        if action.reminder is not None:
            self.action(action.reminder, _Ends((_After(draft, "due"),)), _Nothing(), at)
        return draft

    def instances(
        self, draft: Draft, action: Action[Any, Any], value: _Value, at: At
    ) -> _Value | None:
        """What makes many instances of a task; what each of them works on (None: on nothing)."""
        if action.several is None:
            return value if action.value is None else _Known(action.value)
        written: dict[str, JsonValue] = {}
        counted = "times" in action.several
        if not counted:
            source = value if action.value is None else _Known(action.value)
            written["in"] = source.text(self, at)
        for name, given in action.several.items():
            if isinstance(given, Expression):
                written[name] = self.argument(given, at)
            else:
                written[name] = self.condition(given, at) if name == "until" else given
        if action.process is not None and action.several.get("wait") is not False:
            written["collect"] = _within(action.process.value)
        draft.uses.append(Use("for-each", written))
        item = "index" if counted else str(action.several.get("as", "item"))
        return _Known(Expression(item, Any))

    def result(self, draft: Draft) -> _Value:
        """What a task gives: nothing, where nobody waits for its instances."""
        several = None if draft.action is None else draft.action.several
        if several is not None and several.get("wait") is False:
            return _Nothing()
        return _Result(draft)

    def subprocess(self, action: Action[Any, Any], at: At) -> None:
        """Add the nets of a process that is a task here."""
        process = action.process
        assert process is not None
        for name, net in process.nets.items():
            inner = attrs.evolve(net, name=process.name) if name == process.root else net
            wanted = process.name if name == process.root else name
            if self.nets.setdefault(wanted, inner) != inner:
                self.fault(at, f"two processes are called {wanted!r}", "duplicate-name")
        self.places["nets", process.name] = at
        if process.source.origin is not None:
            self.folder = str(process.source.origin)

    def handled(
        self, step: Handled[Any, Any], ends: _Ends, value: _Value, at: At
    ) -> tuple[_Ends, _Value]:
        """A task and its error branches, which meet behind it."""
        draft = self.action(step.action, ends, value, at)
        slots: list[_Slot] = [_After(draft)]
        values = [self.result(draft)]
        said: set[str] = set()
        for handler in step.handlers:
            if handler.key in said:
                word = {"failed": "on_failure", "late": "on_timeout"}[handler.key]
                self.fault(
                    handler.at,
                    f"'{draft.name}' says {word} twice; one handler may be several steps",
                    "duplicate-handler",
                )
                continue
            said.add(handler.key)
            failure = _Known(Expression(_FAILURE, Failure))
            failed = _Ends((_After(draft, handler.key),))
            handled, gives = self.step(handler.step, failed, failure, handler.at)
            handled = self.simple(handled, handler.at)
            slots += handled.slots
            if handled.slots:
                values.append(gives)
        return _Ends(tuple(slots)), _one_of(values, draft.name)

    def parallel(self, step: Parallel, ends: _Ends, value: _Value) -> tuple[_Ends, _Value]:
        """Branches at the same time; what follows waits for all."""
        targets: list[Any] = [None] * len(step.steps)
        self.split(ends, Use("parallel-split", targets), "split", step.at)
        slots: list[_Slot] = []
        values: list[_Value] = []
        for index, branch in enumerate(step.steps):
            out, given = self.step(branch, _Ends((_Branch(targets, index),)), value, step.at)
            if not out.slots:
                self.fault(
                    step.at,
                    f"branch {index + 1} of the parallel ends the process, so the others would "
                    "wait for it in vain",
                    "unreachable",
                )
            elif len(out.slots) > 1 or not isinstance(out.slots[0], _After):
                out = _Ends((_After(self.gate(out, "join", step.at)),))
            slots += out.slots
            values.append(given)
        return _Ends(tuple(slots), Use("synchronization")), _Tuple(values)

    def waits(self, step: Waits, ends: _Ends, value: _Value) -> tuple[_Ends, _Value]:
        """A task without a connector, before which a trigger or a time has to come."""
        draft = self.add(Draft(None, step.name, step.at))
        self.arrive(ends, draft)
        argument: dict[str, JsonValue] = {
            key: self.expression(given, step.at) if isinstance(given, Expression) else given
            for key, given in step.argument.items()
        }
        draft.around.append(Use(step.pattern, argument))
        after = _Ends((_After(draft),))
        if step.variable is None:
            return after, _Nothing()
        self.variable(step.variable, step.at)
        return after, _Known(step.variable)

    def race(self, step: Race, ends: _Ends, value: _Value) -> tuple[_Ends, _Value]:
        """Branches that are offered together."""
        targets: list[Any] = [None] * len(step.steps)
        self.split(ends, Use("deferred-choice", targets), "race", step.at)
        branches = [
            (branch, _Branch(targets, index), step.at) for index, branch in enumerate(step.steps)
        ]
        return self.alternatives(branches, value, "race")

    def choice(self, step: Chosen, ends: _Ends, value: _Value) -> tuple[_Ends, _Value]:
        """Branches of which the first fitting one is taken."""
        ways: list[Any] = []
        self.split(ends, Use("exclusive-choice", ways), "choice", step.at)
        owner = next(reversed(self.places))
        branches = []
        for index, (condition, branch, at) in enumerate(step.branches):
            way: dict[str, JsonValue] = {}
            if condition is not None:
                way["when"] = self.condition(condition, at)
            ways.append(way)
            self.places[*owner, "exclusive-choice", index] = at
            branches.append((branch, _Branch(way, "to"), at))
        return self.alternatives(branches, value, "choice")

    def alternatives(
        self, branches: list[tuple[Step[Any, Any], _Branch, At]], value: _Value, noun: str
    ) -> tuple[_Ends, _Value]:
        """Branches of which one is taken."""
        slots: list[_Slot] = []
        values: list[_Value] = []
        for branch, slot, at in branches:
            out, given = self.step(branch, _Ends((slot,)), value, at)
            out = self.simple(out, at)
            slots += out.slots
            if out.slots:
                values.append(given)
        return _Ends(tuple(slots)), _one_of(values, noun)

    def repeat(self, step: Repeat, ends: _Ends, value: _Value) -> tuple[_Ends, _Value]:
        """A loop: around a task, or as a flow back."""
        condition = self.condition(step.condition, step.at)
        body = step.body.step if isinstance(step.body, Into) else step.body
        around = isinstance(body, Performed)
        loops = _Round(value)
        if around:
            out, given = self.step(step.body, ends, loops, step.at)
            draft = next(reversed(self.drafts.values()))
            word = "while" if step.tested_before else "until"
            draft.around.append(Use("structured-loop", {word: condition}))
            self.places["net", "tasks", draft.name, "structured-loop"] = step.at
        else:
            out, given = self.cycle(step, condition, ends, loops)
        if not loops.read:
            return out, given
        # What the next round reads is what this one gives, so both have to lie in one variable.
        for variable in loops.copies:
            given.store(variable, self, step.at)
        if loops.copies:
            kept: Expression[Any] = Expression(loops.copies[0], given.kind)
            return out, _Kept(kept, [value, given])
        text = value.text(self, step.at)
        if not isinstance(given, _Known) or given.expression.text != text:
            self.fault(
                step.at,
                f"the second round would read the first value of {text!r} again: keep what a "
                "round gives in a variable, with .into(…) at the end of the body, and begin with "
                "that variable",
                "value",
            )
        return out, _Kept(given.expression, [value, given]) if step.tested_before and isinstance(
            given, _Known
        ) else given

    def cycle(
        self, step: Repeat, condition: str, ends: _Ends, value: _Value
    ) -> tuple[_Ends, _Value]:
        """A loop over several tasks: a flow back to where it began (WCP-10)."""
        entry = self.gate(self.simple(ends, step.at), "loop", step.at, Use("arbitrary-cycles"))
        again: dict[str, JsonValue] = {"when": condition}
        leave: dict[str, JsonValue] = {}
        if step.tested_before:
            self.split(
                _Ends((_After(entry),)), Use("exclusive-choice", [again, leave]), "test", step.at
            )
            out, given = self.step(step.body, _Ends((_Branch(again, "to"),)), value, step.at)
            for slot in self.simple(out, step.at).slots:
                slot.set(entry.name)
            return _Ends((_Branch(leave, "to"),)), given
        out, given = self.step(step.body, _Ends((_After(entry),)), value, step.at)
        if not out.slots:
            self.fault(step.at, "the body of the loop ends the process, so it is none", "loop")
            return out, given
        leave, again = again, leave
        self.split(out, Use("exclusive-choice", [leave, again]), "test", step.at)
        again["to"] = entry.name
        return _Ends((_Branch(leave, "to"),)), given


class _Round(_Value):
    """What a loop's body begins with: it lies in one variable in all rounds, if it is read."""

    def __init__(self, value: _Value) -> None:
        self.value = value
        self.read = False
        self.variable: str | None = None
        self.copies: list[str] = []
        self.kind = value.kind

    def text(self, net: Lowering, at: At) -> str:
        self.read = True
        if type(self.value) is _Known:  # which no task gives, so it lies where it lies
            return self.value.text(net, at)
        if self.variable is None:
            self.variable = net.fresh("loop", "_")
            net.declare(Declaration(self.variable), at)
            self.store(self.variable, net, at)
        return self.variable

    def store(self, variable: str, net: Lowering, at: At) -> None:
        self.read = True
        self.copies.append(variable)
        self.value.store(variable, net, at)


def _one_of(values: list[_Value], noun: str) -> _Value:
    if not values:
        return _Nothing()
    return values[0] if len(values) == 1 else _OneOf(values, variable_name(noun))


def _within(value: Any) -> str:
    """The value of a process, read from its data as `result`."""
    if isinstance(value, list):
        return f"[{', '.join(map(_within, value))}]"
    return "null" if value is None else f"result.{value}"

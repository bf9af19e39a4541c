"""Writes a specification in the steps format, where that format can say it.

The steps format has one net with one token, whose tasks are actions of modules and decisions of
people. So a specification can be written in it that has no parallel branches, keeps results where
they fall, and whose expressions only read, compare and choose. Everything else is told, all of it
at once, and nothing is written.

What stays the same: which task follows which, what each is given, what it gives. What differs is
where data lie (``trigger.x`` for a variable ``x``, ``steps.t.outputs`` for the result of a task
``t``), and that a missing value is null instead of an error. A net that came from the steps format
goes back to the very same one (`weft.steps_inverse`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from weft.engine.cel_syntax import (
    Call,
    Chain,
    Conditional,
    Has,
    Index,
    Literal,
    Name,
    Node,
    Select,
    Unary,
    parse,
)
from weft.engine.compile import ERROR, variable_name
from weft.schema.datatypes import ABSENT, DataType, Variable
from weft.schema.durations import format_duration
from weft.schema.errors import DefinitionError, DefinitionErrors, raise_faults
from weft.schema.jsonvalue import JsonValue
from weft.schema.native_writer import write_yaml
from weft.schema.specification import NetDefinition, Retry, Specification, TaskDefinition, Use
from weft.schema.steps import read_steps
from weft.schema.steps_templates import cel
from weft.steps_inverse import inverse, kept

__all__ = ["write_steps"]


def write_steps(specification: Specification) -> str:
    """The text of a specification in the steps format.

    Raises:
        DefinitionErrors: Everything that the steps format cannot say.
    """
    if specification.source.format == "steps" and specification.source.text:
        return specification.source.text.decode()
    if (text := inverse(specification)) is not None:
        return text
    writer = _Writer(specification)
    file = writer.file()
    title = f"{specification.name!r} cannot be written in the steps format"
    raise_faults(title, writer.faults)
    text = write_yaml(file)
    try:
        read_steps(text)
    except DefinitionErrors as group:
        # Lines of a text that nobody has seen help nobody; the messages name step and key.
        faults = [DefinitionError(fault.message, code=fault.code) for fault in group.faults]
        raise DefinitionErrors(title, faults) from None
    return text


class _Unsaid(Exception):
    """Something for which the steps format has no words."""


class _Writer:
    """One specification, and what cannot be said of it."""

    def __init__(self, specification: Specification) -> None:
        self.specification = specification
        self.net: NetDefinition = specification.nets[specification.root]
        self.faults: list[DefinitionError] = []
        self.results = {variable_name(name): name for name in self.net.tasks}
        self.decisions: set[str] = {
            name for name, task in self.net.tasks.items() if _connector(task) == "person"
        }

    def fault(self, message: str, *location: str | int) -> None:
        at = self.specification.location(self.net.name, *location)
        label = f"task {location[1]!r}: " if location[:1] == ("tasks",) else ""
        self.faults.append(
            self.specification.source.fault(at, f"{label}{message}", code="not-in-steps")
        )

    def file(self) -> dict[str, Any]:
        """The keys of the file."""
        specification, net = self.specification, self.net
        title = specification.metadata.get("name", specification.name)
        file: dict[str, Any] = {"name": title, "version": specification.version}
        if specification.description:
            file["description"] = specification.description
        file |= kept(specification)
        if len(specification.nets) > 1:
            self.fault("the steps format has no nets within nets")
        if net.places:
            self.fault(f"it has no places: {', '.join(net.places)}", "places")
        for use in net.uses:
            self.fault(f"it has no pattern {use.name!r} over several tasks", "patterns")
        triggers = self.triggers()
        if triggers:
            file["triggers"] = triggers
        file["steps"] = self.steps()
        return file

    # ── data ─────────────────────────────────────────────────────────────────────────────────

    def triggers(self) -> list[dict[str, Any]]:
        """Variables are parameters, also of the events that start a case."""
        params = [self.parameter(v) for v in self.net.variables.values()]
        triggers: list[dict[str, Any]] = []
        if params:
            triggers.append({"type": "cli", "params": params})
        for index, trigger in enumerate(self.specification.triggers):
            if trigger.when is not None or trigger.data is not None:
                message = "an event gives its data as parameters, without conditions or mappings"
                at = ("triggers", index)
                fault = self.specification.source.fault(at, message, code="not-in-steps")
                self.faults.append(fault)
            triggers.append({"type": "event", "event": trigger.event})
        return triggers

    def parameter(self, variable: Variable) -> dict[str, Any]:
        """A variable as a parameter."""
        name, kind = variable.name, variable.type
        if variable.merge is not None:
            self.fault(f"variable {name!r}: parameters are not merged", "data", name)
        if name in self.results:
            self.fault(f"variable {name!r} is also the result of a task", "data", name)
        parameter: dict[str, Any] = {"name": name, **self.typed(kind, name)}
        if variable.required:
            parameter["required"] = True
        elif variable.default is not ABSENT and variable.default is not None:
            parameter["default"] = variable.default
        return parameter

    def typed(self, kind: DataType, name: str) -> dict[str, Any]:
        """The keys that declare a type."""
        known = ("string", "number", "integer", "boolean", "object", "array", "any")
        if kind.type not in known:
            self.fault(f"variable {name!r}: there is no type {kind.type!r}", "data", name)
            return {}
        declared: dict[str, Any] = {} if kind.type == "any" else {"type": kind.type}
        if kind.description:
            declared["description"] = kind.description
        if kind.enum:
            declared["enum"] = list(kind.enum)
        if kind.items is not None:
            declared["items"] = self.typed(kind.items, name) or {"type": "any"}
        if kind.fields:
            declared["properties"] = {
                field: self.typed(inner, name) or {"type": "any"}
                for field, inner in kind.fields.items()
            }
        return declared

    # ── steps ────────────────────────────────────────────────────────────────────────────────

    def steps(self) -> list[dict[str, Any]]:
        """The tasks in order of declaration, the first one first; those without work are passed."""
        net = self.net
        first = self.through(net.start[0], ()) if len(net.start) == 1 else None
        if not isinstance(first, str):
            self.fault(
                "a workflow begins with one step; this one with a choice or several", "start"
            )
            return []
        names = [first, *(name for name in net.tasks if name != first)]
        return [self.step(net.tasks[n]) for n in names if _connector(net.tasks[n]) is not None]

    def step(self, task: TaskDefinition) -> dict[str, Any]:
        """A task as a step."""
        name = task.name
        step: dict[str, Any] = {"id": name, **self.work(task)}
        if task.description or task.title:
            step["description"] = task.description or task.title
        if task.join is not None:
            self.fault(f"the steps format has no join {task.join.name!r}", "tasks", name, "join")
        if task.outputs is not None:
            self.fault(
                "its result stays where it falls; 'out' cannot be said", "tasks", name, "out"
            )
        inputs = {
            key: said
            for key, item in task.inputs.items()
            if (said := self.attempt(self.value, item, "tasks", name, "in", key)) is not None
        }
        if inputs or "inputs" in step:
            step["inputs"] = {**step.pop("inputs", {}), **inputs}
        self.retry(task, step)
        if task.timeout_seconds is not None:
            step["timeout"] = format_duration(task.timeout_seconds)
        if task.expires is not None:
            self.fault("a timeout is a duration; {...} cannot be said", "tasks", name, "timeout")
        for key, use in (("onSuccess", task.then), ("onFailure", task.on_failure)):
            way = self.attempt(self.way, use, "tasks", name, "then" if use is task.then else key)
            if way is not None:
                step[key] = way
        return step

    def work(self, task: TaskDefinition) -> dict[str, Any]:
        """Module and action."""
        around = [use.name for use in task.uses if use.name not in ("action", "person")]
        work = [use for use in task.uses if use.name in ("action", "person")]
        if around or len(work) != 1:
            what = " and ".join(around) or "nothing"
            self.fault(
                f"a step is an action of a module, or a decision of a person; this is {what}",
                "tasks", task.name,
            )  # fmt: skip
            return {}
        config: Any = work[0].argument
        if work[0].name == "person":
            return self.decision(task, config if isinstance(config, dict) else {"title": config})
        if isinstance(config, str):
            module, _, action = config.rpartition(".")
            return {"module": module, "action": action}
        step = {"module": config.get("module"), "action": config.get("action")}
        if "do" in config or config.get("clock"):
            self.fault("it notes what only the steps format's own nets need", "tasks", task.name)
        if outputs := config.get("outputs"):
            declared = {n: {"type": k} if isinstance(k, str) else k for n, k in outputs.items()}
            step["outputs"] = [{"name": name, **kind} for name, kind in declared.items()]
        return step

    def decision(self, task: TaskDefinition, config: Mapping[str, Any]) -> dict[str, Any]:
        """Work for a person: a choice, and nothing else."""
        inputs = {"title": config.get("title")}
        if config.get("text"):
            inputs["description"] = config["text"]
        if config.get("role"):
            inputs["role"] = config["role"]
        if config.get("form") or not config.get("choices"):
            self.fault(
                "a person decides between choices; a form cannot be said", "tasks", task.name
            )
        inputs["proposals"] = list(config.get("choices") or ())
        return {"module": "system", "action": "wait-for-decision", "inputs": inputs}

    def retry(self, task: TaskDefinition, step: dict[str, Any]) -> None:
        policy: Retry | None = task.retry
        if policy is None:
            return
        if policy.factor != 1 or policy.jitter != "none":
            self.fault("waits are all of one length", "tasks", task.name, "retry")
        if self.comes_back(task.name):
            self.fault(
                "it can be come back to, and maxRetries would count that too",
                "tasks", task.name, "retry",
            )  # fmt: skip
        step["maxRetries"] = policy.attempts - 1
        if policy.delay_seconds:
            step["retryDelay"] = format_duration(policy.delay_seconds)

    # ── the flow ─────────────────────────────────────────────────────────────────────────────

    def way(self, use: Use | None, passed: tuple[str, ...] = ()) -> Any:
        """Where the flow goes on; None: nowhere.

        Raises:
            _Unsaid: Not so.
        """
        if use is None:
            return None
        argument: Any = use.argument
        if use.name == "sequence" and isinstance(argument, str):
            return self.through(argument, passed)
        if use.name != "exclusive-choice" or not isinstance(argument, list):
            raise _Unsaid(f"the flow goes on to one step, or by a choice; not by {use.name!r}")
        found: Any = None
        for branch in reversed(argument):
            to = self.through(branch["to"], passed)
            if "when" not in branch:
                found = to
                continue
            written = self.expression(parse(branch["when"]).root, truth=True)
            made = {"condition": f"{{{{ {written} }}}}", "then": to}
            found = made if found is None else {**made, "else": found}
        return found

    def through(self, name: str, passed: tuple[str, ...]) -> Any:
        """A step, or what follows a task without work.

        Raises:
            _Unsaid: There is no way to say it.
        """
        task = self.net.tasks.get(name)
        if task is None:
            raise _Unsaid(f"{name!r} is no task")
        if _connector(task) is not None or task.uses:
            return name
        if name in passed:
            raise _Unsaid("tasks without work go round in a circle")
        if task.join is not None or task.inputs or task.outputs:
            raise _Unsaid(f"the empty task {name!r} does more than to pass the flow on")
        return self.way(task.then, (*passed, name))

    def comes_back(self, name: str) -> bool:
        """Whether a task can be reached from itself."""
        seen: set[str] = set()
        waiting = [name]
        while waiting:
            task = self.net.tasks.get(waiting.pop())
            if task is None:
                continue
            for use in (task.then, task.on_failure):
                for target in _targets(use):
                    if target == name:
                        return True
                    if target not in seen:
                        seen.add(target)
                        waiting.append(target)
        return False

    # ── expressions ──────────────────────────────────────────────────────────────────────────

    def attempt(self, say: Callable[[Any], Any], what: Any, *location: str) -> Any:
        """What there is to say; None, and a fault, where there are no words for it."""
        try:
            return say(what)
        except _Unsaid as unsaid:
            self.fault(f"{location[-1]}: {unsaid}", *location)
            return None

    def value(self, item: JsonValue) -> JsonValue:
        """An input: an expression as a template, or a literal.

        Raises:
            _Unsaid: The expression does more than to read and to choose.
        """
        if not isinstance(item, str):
            return item
        root = parse(item).root
        if isinstance(root, Literal):
            return _braces(root.value) if isinstance(root.value, str) else root.value
        if (
            isinstance(root, Chain)
            and set(root.operators) == {"+"}
            and any(isinstance(o, Literal) and isinstance(o.value, str) for o in root.operands)
        ):
            return "".join(map(self.part, root.operands))
        return f"{{{{ {self.expression(root)} }}}}"

    def part(self, node: Node) -> str:
        """An operand of a text that is put together."""
        if isinstance(node, Literal) and isinstance(node.value, str):
            return _braces(node.value)
        if isinstance(node, Call) and node.function in ("text", "string") and node.target is None:
            (node,) = node.arguments
        return f"{{{{ {self.expression(node)} }}}}"

    def expression(self, node: Node, *, truth: bool = False) -> str:
        """An expression in the words of templates.

        Args:
            node: The expression.
            truth: Whether it is read as a condition: there ``||`` is a boolean, while in a value
                it stands for what is null.

        Raises:
            _Unsaid: It has none.
        """
        match node:
            case Literal(value=str(text)):
                return cel(text)
            case Literal(source=source):
                return source
            case Name() | Select() | Index():
                return self.path(node)
            case Unary(operators=operators, operand=operand) if set(operators) == {"!"}:
                return f"{operators}({self.expression(operand, truth=truth)})"
            case Chain(operators=operators, operands=operands):
                return self.chain(operators, operands, truth=truth)
            case Conditional(
                test=Chain(operators=("!=",), operands=(tested, Literal(value=None))),
                then=then,
                otherwise=otherwise,
            ) if not truth and self.same(tested, then):
                return f"({self.expression(then)} || {self.expression(otherwise)})"
            case Has(operand=operand, field=field):
                return f"({self.path(Select(operand, field, 0))} !== null)"
        raise _Unsaid("it reads, compares and joins texts; what this does is the work of an action")

    def same(self, first: Node, second: Node) -> bool:
        return self.expression(first) == self.expression(second)

    def chain(self, operators: tuple[str, ...], operands: tuple[Node, ...], *, truth: bool) -> str:
        words = {"==": "===", "!=": "!==", "&&": "&&", "||": "||"}
        words |= {word: word for word in ("<", "<=", ">", ">=")}
        if any(operator not in words for operator in operators):
            unknown = next(operator for operator in operators if operator not in words)
            raise _Unsaid(f"templates do not calculate: {unknown!r}")
        logic = operators[0] in ("&&", "||")
        if not logic and len(operators) > 1:
            raise _Unsaid("a comparison of a comparison")
        said = [self.expression(operand, truth=truth and logic) for operand in operands]
        if operators[0] == "||" and not truth:  # in a value it would stand for what is null
            return f"!({' && '.join(f'!({part})' for part in said)})"
        return f"({f' {words[operators[0]]} '.join(said)})"

    def path(self, node: Node) -> str:
        """Where a value lies: a parameter, an output of a step, the error."""
        steps: list[str] = []
        while not isinstance(node, Name):
            match node:
                case Select(operand=operand, field=field):
                    steps.append(f".{field}")
                case Index(operand=operand, index=Literal(value=int(number))):
                    steps.append(f"[{number}]")
                case Index(operand=operand, index=Literal(value=str(text))):
                    steps.append(f"[{cel(text)}]")
                case _:
                    raise _Unsaid("a path has names and numbers only")
            node = operand
        rest = "".join(reversed(steps))
        if node.name in self.net.variables:
            return f"trigger.{node.name}{rest}"
        if node.name == ERROR:
            return f"workflow.error{rest}"
        task = self.results.get(node.name)
        if task is None:
            raise _Unsaid(f"{node.name!r} is neither a variable nor the result of a task")
        if task in self.decisions:
            if rest != ".choice":
                raise _Unsaid(f"a decision gives its choice, not {node.name}{rest}")
            rest = ".decision"
        return f"steps.{task}.outputs{rest}"


def _connector(task: TaskDefinition) -> str | None:
    """What performs a task, if something does."""
    return task.uses[0].name if task.uses else None


def _targets(use: Use | None) -> list[str]:
    if use is None:
        return []
    argument: Any = use.argument
    if isinstance(argument, str):
        return [argument]
    return [branch["to"] for branch in argument if isinstance(branch, dict) and "to" in branch]


def _braces(text: str) -> str:
    """A text in which no template begins."""
    return text.replace("{{", "{{ '{{' }}")

"""Reads a net that came from the steps format back into that format's words.

`weft.schema.steps` says which net a workflow becomes: its data lie in the variables ``trigger``,
``steps``, ``workflow`` and ``texts``, and templates become expressions of a few shapes. `inverse`
undoes that. Whether it has done so is not a matter of trust: what it makes is read again, and only
a file of the very same net counts (`same_net`). So a shape that is not known here, or a net that
somebody has changed since, gives None, and never a file that means something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import attrs
import msgspec

from weft.engine.cel_syntax import (
    Call,
    Chain,
    Conditional,
    Index,
    ListOf,
    Literal,
    MapOf,
    Name,
    Node,
    Select,
    SyntaxFault,
    Unary,
    parse,
)
from weft.schema.datatypes import ABSENT, DataType
from weft.schema.errors import DefinitionError
from weft.schema.jsonvalue import JsonValue
from weft.schema.native_writer import write_yaml
from weft.schema.specification import NetDefinition, Specification, TaskDefinition, Use
from weft.schema.steps import KEPT, read_steps
from weft.schema.steps_templates import cel

__all__ = ["inverse", "kept", "same_net"]

_ORDERED: Final = ("<", "<=", ">", ">=")
_WORDS: Final = {"==": "===", "!=": "!==", "&&": "&&", "||": "||"}


class _Unknown(Exception):
    """A shape that the steps format does not make."""


def inverse(specification: Specification) -> str | None:
    """The text in the steps format whose net this is; None: there is none that is found so."""
    net = specification.nets[specification.root]
    steps = net.variables.get("steps")
    if len(specification.nets) != 1 or steps is None or steps.merge != "update":
        return None
    try:
        text = write_yaml(_Inverse(specification, net).file())
        again = read_steps(text)
    except (_Unknown, SyntaxFault, DefinitionError, KeyError, TypeError, AttributeError):
        return None
    return text if same_net(specification, again) else None


def kept(specification: Specification) -> dict[str, JsonValue]:
    """The keys of a file that say what its author says besides."""
    return {key: specification.metadata[key] for key in KEPT if key in specification.metadata}


# ── the same net ─────────────────────────────────────────────────────────────────────────────


def same_net(one: Specification, other: Specification) -> bool:
    """Whether two specifications say the same, but for brackets and spaces in expressions."""
    return bool(_comparable(one) == _comparable(other))


def _comparable(specification: Specification) -> Any:
    root = specification.nets[specification.root]
    tasks = [_plain(attrs.asdict(task)) for task in root.tasks.values()]
    return (
        specification.name,
        specification.version,
        specification.description,
        _plain([attrs.asdict(trigger) for trigger in specification.triggers]),
        _plain([attrs.asdict(schedule) for schedule in specification.schedules]),
        list(root.start),
        tasks,
        _plain({name: attrs.asdict(place) for name, place in root.places.items()}),
        _plain([attrs.asdict(use) for use in root.uses]),
        {name: (v.type, v.default, v.required, v.merge) for name, v in root.variables.items()},
    )


def _plain(value: Any) -> Any:
    """A value in which each text that is an expression is its tree."""
    if isinstance(value, str):
        try:
            return _bare(parse(value).root)
        except SyntaxFault:
            return value
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if attrs.has(type(value)):
        return _plain(attrs.asdict(value))
    return value


def _bare(node: Any) -> Any:
    """A tree without the places of its parts in a text."""
    if isinstance(node, Literal):
        return (Literal, type(node.value), node.value)
    if isinstance(node, tuple):
        return tuple(map(_bare, node))
    if isinstance(node, msgspec.Struct):
        fields = [name for name in node.__struct_fields__ if name != "offset"]
        return (type(node), *(_bare(getattr(node, name)) for name in fields))
    return node


# ── the file ─────────────────────────────────────────────────────────────────────────────────


class _Inverse:
    """One net on its way back."""

    def __init__(self, specification: Specification, net: NetDefinition) -> None:
        self.specification = specification
        self.net = net
        self.own = {task.name: _work(task) for task in net.tasks.values()}
        self.steps = [t for t in net.tasks.values() if not self.own[t.name].get("do")]
        self.ids = {task.name: task.title or task.name for task in self.steps}
        texts = net.variables.get("texts")
        given = texts.default if texts is not None else {}
        self.texts: Mapping[str, Any] = given if isinstance(given, dict) else {}
        self.defaults = self.found_defaults()

    def file(self) -> dict[str, Any]:
        """The keys of the file."""
        specification = self.specification
        file: dict[str, Any] = {
            "name": specification.metadata.get("name", specification.name),
            "version": specification.version,
        }
        if specification.description:
            file["description"] = specification.description
        file |= kept(specification)
        if triggers := self.triggers():
            file["triggers"] = triggers
        file["steps"] = [self.step(task) for task in self.steps]
        return file

    def triggers(self) -> list[dict[str, Any]]:
        """The parameters, and the events that give them."""
        kind = self.net.variables["trigger"].type
        params = [
            self.parameter(name, field, required=name in kind.required)
            for name, field in (kind.fields or {}).items()
        ]
        events = [{"type": "event", "event": t.event} for t in self.specification.triggers]
        if not params and not events and kind.additional:
            return []
        if kind.additional and not events:  # others may be given besides
            return [{"type": "webhook", "params": params}]
        return [{"type": "cli", **({"params": params} if params else {})}, *events]

    def parameter(self, name: str, kind: DataType, *, required: bool) -> dict[str, Any]:
        parameter: dict[str, Any] = {"name": name, **_typed(kind.as_json())}
        if required:
            parameter["required"] = True
        default = self.net.variables["trigger"].default
        if isinstance(default, dict) and name in default:
            parameter["default"] = default[name]
        elif name in self.defaults:
            parameter["default"] = self.defaults[name]
        return parameter

    def found_defaults(self) -> dict[str, JsonValue]:
        """The parameters that are never read without the one default.

        Beside a required parameter the others' defaults stand in the expressions only.
        """
        read: dict[str, int] = {}
        defaulted: dict[str, list[JsonValue]] = {}
        if self.net.variables["trigger"].default is not ABSENT:
            return {}
        for text in self.expressions():
            for node in _nodes(parse(text).root):
                if (name := _parameter(node)) is not None:
                    read[name] = read.get(name, 0) + 1
                if (found := _defaulted(node)) is not None:
                    defaulted.setdefault(found[0], []).append(found[1])
        return {
            name: values[0]
            for name, values in defaulted.items()
            if read[name] == 2 * len(values) and all(value == values[0] for value in values)
        }

    def expressions(self) -> Iterator[str]:
        """All expressions of the steps."""
        for task in self.steps:
            yield from (item for item in task.inputs.values() if isinstance(item, str))
            for use in (task.then, task.on_failure):
                branches: Any = use.argument if use is not None else None
                if isinstance(branches, list):
                    yield from (branch["when"] for branch in branches if "when" in branch)

    # ── steps ────────────────────────────────────────────────────────────────────────────────

    def step(self, task: TaskDefinition) -> dict[str, Any]:
        """A task as a step."""
        work = self.own[task.name]
        step: dict[str, Any] = {"id": self.ids[task.name]}
        inputs = {name: self.value(item) for name, item in task.inputs.items()}
        if work["kind"] == "person":
            step |= {"module": "system", "action": "wait-for-decision"}
            inputs = {**self.decision(work), **inputs}
        else:
            step |= {"module": work["module"], "action": work["action"]}
        if task.description:
            step["description"] = task.description
        if inputs:
            step["inputs"] = inputs
        if outputs := work.get("outputs"):
            step["outputs"] = [{"name": name, **_typed(kind)} for name, kind in outputs.items()]
        if (starts := self.starts(task)) is not None:
            step["maxRetries"] = starts - 1
        if task.retry is not None and task.retry.delay_seconds:
            step["retryDelay"] = task.retry.delay_seconds
        if task.timeout_seconds is not None:
            step["timeout"] = task.timeout_seconds
        for key, use in (("onSuccess", task.then), ("onFailure", self.failed(task))):
            if (way := self.way(use)) is not None:
                step[key] = way
        return step

    def decision(self, work: Mapping[str, Any]) -> dict[str, Any]:
        """What a person is asked."""
        inputs: dict[str, Any] = {"title": work.get("title")}
        for key, name in (("text", "description"), ("role", "role"), ("choices", "proposals")):
            if work.get(key):
                inputs[name] = work[key]
        return inputs

    def starts(self, task: TaskDefinition) -> int | None:
        """How often a step may start, if the file says so."""
        for use in task.uses:
            if use.name == "start-limit" and isinstance(use.argument, dict):
                beyond = self.own[str(use.argument["otherwise"])]
                starts: int = beyond["starts"]
                return None if beyond.get("cycle") else starts
        return None

    def failed(self, task: TaskDefinition) -> Use | None:
        """Where a step leads that has failed, past the task that notes it."""
        use = task.on_failure
        target = use.argument if use is not None else None
        if isinstance(target, str) and self.own[target].get("do") == "note":
            return self.net.tasks[target].then
        return use

    def way(self, use: Use | None) -> Any:
        """Where the flow goes on; None: nowhere."""
        if use is None:
            return None
        argument: Any = use.argument
        if isinstance(argument, str):
            return self.ids[argument]
        ways = [
            (
                _guards(branch.get("when")),
                None if branch["to"] in self.net.places else self.ids[branch["to"]],
            )
            for branch in argument
        ]
        return self.nested(ways)

    def nested(self, ways: list[tuple[list[Node], Any]]) -> Any:
        """Branches in order as conditions within each other: the first guard of each is outside."""
        (guards, to), *rest = ways
        if not guards:
            return to
        # As many as follow with the same first guard are within its ``then``; the last of them
        # asks for nothing more.
        outer = guards[0]
        inside: list[tuple[list[Node], Any]] = []
        for index, (mine, target) in enumerate(ways):
            if not mine or _bare(mine[0]) != _bare(outer):
                break
            inside.append((mine[1:], target))
            if len(mine) == 1:
                rest = ways[index + 1 :]
                break
        if inside[-1][0]:  # not so nested: the guards of this branch are one condition
            inside, rest = [([], to)], ways[1:]
            written = " && ".join(f"({self.truth(guard)})" for guard in guards)
        else:
            written = self.truth(outer)
        made = {"condition": f"{{{{ {written} }}}}", "then": self.nested(inside)}
        otherwise = self.nested(rest) if rest else None
        return made if otherwise is None else {**made, "else": otherwise}

    # ── expressions ──────────────────────────────────────────────────────────────────────────

    def value(self, item: JsonValue) -> JsonValue:
        """An input as it was written."""
        return self.content(parse(item).root) if isinstance(item, str) else item

    def content(self, node: Node) -> JsonValue:
        """A text, a list or an object with templates in it."""
        match node:
            case Literal(value=str(text)):
                return f"{{{{ {cel(text)} }}}}" if "{{" in text else text
            case Literal(value=value):
                return value
            case ListOf(items=items):
                return [self.content(item) for item in items]
            case MapOf(entries=entries):
                # A steps file writes its keys as plain texts, so each is a literal.
                return {str(key.value): self.content(item) for key, item in entries}  # type: ignore[union-attr]
        if (fact := self.fact(node)) is not None:
            return f"{{{{ {fact} }}}}"
        parts = list(self.parts(node))
        if len(parts) == 1 and not isinstance(parts[0], str):
            return f"{{{{ {self.operand(node)} }}}}"
        return "".join(p if isinstance(p, str) else f"{{{{ {self.shown(p)} }}}}" for p in parts)

    def parts(self, node: Node) -> Iterator[str | Node]:
        """The plain parts and the templates of a text that is put together."""
        match node:
            case Chain(operators=operators, operands=operands) if set(operators) == {"+"}:
                for operand in operands:
                    yield from self.parts(operand)
            case Literal(value=str(text)):
                yield text
            case Index(operand=Name(name="texts"), index=Literal(value=str(name))):
                yield str(self.texts[name])
            case Call(function="text", target=None, arguments=(shown,)):
                yield shown
            case _:
                yield node

    def shown(self, node: Node) -> str:
        """A value within a text: an error is its message there."""
        if _path(node) == ("error", ["message"]):
            return "workflow.error"
        return self.operand(node)

    def truth(self, node: Node) -> str:
        """Whether something holds."""
        match node:
            case Literal(value=bool(value)):
                return "true" if value else "false"
            case Unary(
                operators="!",
                operand=Chain(operators=("in",), operands=(tested, ListOf())),
            ):
                return self.operand(tested)
            case Unary(operators=operators, operand=operand) if set(operators) == {"!"}:
                return f"{operators}({self.truth(operand)})"
            case Chain(operators=operators, operands=operands):
                if operators[0] in ("&&", "||"):
                    if _there_and_ordered(node):
                        return self.truth(operands[-1])
                    said = [f"({self.truth(operand)})" for operand in operands]
                    return f" {operators[0]} ".join(said)
                left, right = operands
                word = _WORDS.get(operators[0], operators[0])
                return f"{self.operand(left)} {word} {self.operand(right)}"
        raise _Unknown

    def operand(self, node: Node) -> str:
        """A value in the words of templates."""
        if (fact := self.fact(node)) is not None:
            return fact
        found = _defaulted(node)
        if found is not None and found[0] in self.known_defaults():
            return _written("trigger", [found[0]])
        match node:
            case Literal(value=value):
                return cel(value)
            case Conditional(
                test=Chain(operators=("!=",), operands=(tested, Literal(value=None))),
                then=then,
                otherwise=otherwise,
            ) if _bare(tested) == _bare(then):
                return f"({self.operand(then)} || {self.operand(otherwise)})"
            case Unary() | Chain():
                return f"({self.truth(node)})"
        path = _path(node, self.below)
        if path is None:
            raise _Unknown
        return _written(*path)

    def known_defaults(self) -> set[str]:
        default = self.net.variables["trigger"].default
        return {*self.defaults, *(default if isinstance(default, dict) else ())}

    def below(self, node: Node) -> str | None:
        """A parameter with its default, below which something is read."""
        found = _defaulted(node)
        return None if found is None else _written("trigger", [found[0]])

    def fact(self, node: Node) -> str | None:
        """A fact about the workflow that is an expression of its own."""
        match node:
            case Conditional(test=Chain(operands=(Name(name="error"), Literal(value=None)))):
                status = isinstance(node.otherwise, Literal)
                return "workflow.status" if status else "workflow.currentStep"
            case Chain(operators=("-",), operands=(Select(field="now"), Select(field="started"))):
                return "workflow.duration"
            case Name(name="steps"):
                return "workflow.state"
        return None


# ── parts ────────────────────────────────────────────────────────────────────────────────────


def _work(task: TaskDefinition) -> dict[str, Any]:
    """What performs a task: the parameters of its connector, and its kind."""
    for use in task.uses:
        if use.name in ("action", "person"):
            given: Any = use.argument
            if isinstance(given, str):
                module, _, action = given.rpartition(".")
                given = {"module": module, "action": action}
                if use.name == "person":
                    given = {"title": use.argument}
            return {**given, "kind": use.name}
    raise _Unknown


def _typed(kind: Any) -> dict[str, Any]:
    """The keys that declare a type, of the JSON that native files have for it."""
    if not isinstance(kind, dict):
        return {"type": kind}
    declared: dict[str, Any] = {
        key: kind[key] for key in ("type", "description", "enum") if key in kind
    }
    if "items" in kind:
        declared["items"] = _typed(kind["items"])
    if fields := kind.get("fields"):
        declared["properties"] = {name: _typed(field) for name, field in fields.items()}
    return declared


def _nodes(node: Any) -> Iterator[Any]:
    """A node and all below it."""
    if isinstance(node, tuple):
        for item in node:
            yield from _nodes(item)
    elif isinstance(node, msgspec.Struct):
        yield node
        for name in node.__struct_fields__:
            yield from _nodes(getattr(node, name))


def _guards(when: Any) -> list[Node]:
    """The conditions that a branch asks for, from the outermost."""
    if when is None:
        return []
    root = parse(str(when)).root
    if isinstance(root, Chain) and set(root.operators) == {"&&"} and not _there_and_ordered(root):
        return list(root.operands)
    return [root]


def _there_and_ordered(chain: Chain) -> bool:
    """Whether this is ``a != null && a < b``: all that is asked before is that the sides are there."""
    *tests, last = chain.operands
    if chain.operators[0] != "&&" or not isinstance(last, Chain):
        return False
    sides = [_bare(side) for side in last.operands]
    return last.operators[0] in _ORDERED and all(
        isinstance(test, Chain) and test.operators == ("!=",) and _bare(test.operands[0]) in sides
        for test in tests
    )


def _parameter(node: Any) -> str | None:
    """The parameter that a node reads: ``trigger.get('name')``."""
    match node:
        case Call(
            function="get", target=Name(name="trigger"), arguments=(Literal(value=str(name)),)
        ):
            return name
    return None


def _defaulted(node: Any) -> tuple[str, JsonValue] | None:
    """The parameter that a node reads, and the default in its place."""
    match node:
        case Conditional(
            test=Chain(operators=("!=",), operands=(tested, Literal(value=None))), then=then
        ):
            name = _parameter(tested)
            if name is not None and name == _parameter(then):
                try:
                    return name, _constant(node.otherwise)
                except _Unknown:
                    return None
    return None


def _constant(node: Node) -> JsonValue:
    match node:
        case Literal(value=value):
            return value
        case ListOf(items=items):
            return [_constant(item) for item in items]
        case MapOf(entries=entries):
            return {str(_constant(key)): _constant(item) for key, item in entries}
    raise _Unknown


def _path(
    node: Node, root: Callable[[Node], str | None] = lambda node: None
) -> tuple[str, list[JsonValue]] | None:
    """Where a value lies: a variable (or what ``root`` makes of it), and the way below it."""
    parts: list[JsonValue] = []
    while True:
        match node:
            case Call(function="get", target=target, arguments=(Literal(value=part),)) if target:
                parts.append(part)
                node = target
            case Name(name=name):
                return name, parts[::-1]
            case Select(operand=Name(name="workflow"), field=field):
                return f"workflow.{field}", parts[::-1]
            case _:
                found = root(node)
                return None if found is None else (found, parts[::-1])


def _written(root: str, parts: list[JsonValue]) -> str:
    """A path in the words of templates."""
    root = "workflow.error" if root == "error" else root
    written = []
    for part in parts:
        simple = isinstance(part, str) and part.isidentifier() and part.isascii()
        written.append(f".{part}" if simple else f"[{cel(part)}]")
    return root + "".join(written)

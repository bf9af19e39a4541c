"""Reads the steps format: a list of steps that lead on to each other (docs/steps-format.md).

    name: Greet
    version: "1.0.0"
    triggers: [{type: cli, params: [{name: who, type: string, default: world}]}]
    steps:
      - id: say
        module: system
        action: log
        inputs: {message: "Hello, {{ trigger.who }}"}

Such a file is a net with one token: each step a task that the connector ``action`` performs,
each ``onSuccess`` and ``onFailure`` a flow. What the format knows besides is put into those words:

- The data of a case are ``trigger`` (the parameters), ``steps`` (status and outputs, by id) and
  ``error``; templates and conditions become CEL over them (`weft.schema.steps_templates`).
- ``{condition, then, else}``, nested as deep as one likes, is one exclusive choice. A branch
  that leads nowhere leads to a place in which the thread ends.
- ``maxRetries: n`` is a start limit of n + 1 (the pattern) and a retry policy. When the starts
  are used up the flow comes to a task ``<id>-limit``, which fails: so the error is told, and
  handled, like any other. A cycle in which no step has ``maxRetries`` is bounded by `MAX_STARTS`.
- What only the engine knows (``workflow.cwd``…) is noted by a task ``trigger`` before the first
  step; the status of a step that failed by a task ``<id>-failed``. Both are there only in files
  that ask for them.
- ``system.wait-for-decision`` is a task for a person.
- A task is called as its step; a dot in an id is ``_`` there, since names of tasks have none.

Every fault of a file is found in one run, with line and column, also within templates.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs

from weft.schema.datatypes import ABSENT, DataType, Variable
from weft.schema.errors import DefinitionError, raise_faults
from weft.schema.files import read_file
from weft.schema.jsonvalue import JsonValue
from weft.schema.specification import (
    EVENT_PATTERN,
    EventTrigger,
    Location,
    Source,
    Specification,
)
from weft.schema.steps_net import ROOT, Branch, Builder, Step, Way, circles_among, closure
from weft.schema.steps_templates import Known
from weft.schema.steps_values import (
    MAX_FAULTS,
    EnoughError,
    Values,
    near,
    note_positions,
    nothing,
    quoted,
)
from weft.schema.yaml import MappingNode, Node, ScalarNode, SequenceNode, load_yaml

__all__ = [
    "KEPT",
    "KEYS",
    "MAX_RETRIES",
    "MAX_STEPS",
    "TRIGGERS",
    "TYPES",
    "is_steps",
    "read_steps",
    "read_steps_file",
]

MAX_RETRIES: Final = 1_000_000
"""How many retries may be asked for."""

TRIGGERS: Final = ("cli", "manual", "event", "schedule", "webhook")
"""The types of triggers."""

KEPT: Final = ("interactionMode", "category", "followUpWorkflows", "metadata")
"""Keys of a file that are kept in `Specification.metadata` and have no effect."""

TYPES: Final = ("string", "number", "integer", "boolean", "object", "array", "any")
"""The names of types."""

MAX_STEPS: Final = 10_000
"""How many steps a file may have."""

_VERSION: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,99}")


def is_steps(root: Node) -> bool:
    """Whether a document looks like one in the steps format: it has steps, and no ``weft``."""
    return isinstance(root, MappingNode) and "steps" in root and "weft" not in root


def read_steps(
    text: str | bytes, *, file: str | None = None, origin: Path | None = None
) -> Specification:
    """The specification that a text in the steps format describes.

    Args:
        text: The YAML or JSON; bytes are UTF-8.
        file: The name that faults carry.
        origin: The folder beside which modules of actions are looked up.

    Raises:
        DefinitionError: The text is not YAML.
        DefinitionErrors: Everything that is wrong with the definition.
    """
    faults: list[DefinitionError] = []
    root = load_yaml(text, file=file, faults=faults)
    data = text if isinstance(text, bytes) else text.encode()
    positions: dict[Location, tuple[int, int]] = {(): (root.line, root.column)}
    source = Source("steps", file=file, text=data, origin=origin, positions=positions)
    reader = _Reader(source, positions)
    reader.faults += faults
    specification = None
    stop: list[DefinitionError] = []
    try:
        specification = reader.workflow(root)
    except EnoughError:
        stop = [source.fault((), f"reading stops here, after {MAX_FAULTS} faults", code="faults")]
    faults = sorted(reader.faults, key=lambda fault: (fault.line or 0, fault.column or 0))
    raise_faults(f"{file or 'the text'} is not a valid workflow", [*faults, *stop])
    assert specification is not None, "only faults end the reading early"
    return specification


def read_steps_file(path: str | os.PathLike[str], *, file: str | None = None) -> Specification:
    """The specification in a file; ``file`` is its name in faults, if not ``path``.

    Raises:
        DefinitionError: The file cannot be read, or `read_steps` refuses its text.
    """
    name = file or os.fspath(path)
    return read_steps(read_file(path, file=name), file=name, origin=Path(path).resolve().parent)


# ── the parameters ───────────────────────────────────────────────────────────────────────────


@attrs.frozen
class _Parameter:
    """A parameter of a trigger."""

    type: DataType
    required: bool = False
    default: JsonValue = None


def _trigger(parameters: Mapping[str, _Parameter], *, open_ended: bool) -> Variable:
    """The variable that holds the parameters."""
    required = frozenset(name for name, p in parameters.items() if p.required)
    fields = {name: p.type for name, p in parameters.items()}
    kind = DataType("object", fields=fields, required=required, additional=open_ended)
    if required:
        return Variable("trigger", kind, default=ABSENT, required=True)
    defaults: dict[str, JsonValue] = {
        name: p.default for name, p in parameters.items() if p.default is not None
    }
    return Variable("trigger", kind, default=defaults)


# ── reading ──────────────────────────────────────────────────────────────────────────────────


class _Reader(Values):
    """One run over one tree, which gathers faults instead of stopping at the first."""

    def __init__(self, source: Source, positions: dict[Location, tuple[int, int]]) -> None:
        super().__init__(source)
        self.positions = positions
        self.known = Known(steps=())
        self.steps: dict[str, Step] = {}

    # ── the file ─────────────────────────────────────────────────────────────────────────────

    def workflow(self, root: Node) -> Specification | None:
        """The whole file; None when there are faults."""
        note_positions(self.positions, root, ())
        values = self.keys(root, "", _FILE, "a mapping with name and steps")
        for key in ("name", "steps"):
            if isinstance(root, MappingNode) and key not in values:
                self.fault(root, "", f"{key!r} is missing", "missing-key")
        title = self.text(values.get("name"), "name")
        version = self.version(values.get("version"))
        description = self.words(values.get("description"), "description", "a text")
        self.events: list[EventTrigger] = []
        parameters, open_ended = self.triggers(values.get("triggers"))
        nodes = self.items(values.get("steps"), "steps", "a list of steps")
        if "steps" in values and isinstance(values["steps"], SequenceNode) and not nodes:
            self.fault(values["steps"], "steps", "there is nothing to do", "empty")
        if len(nodes) > MAX_STEPS:
            self.fault(
                values["steps"], "steps", f"{len(nodes):,} are too many; up to {MAX_STEPS:,}",
                "bound",
            )  # fmt: skip
            raise EnoughError
        metadata: dict[str, JsonValue] = {
            key: self.json(values[key], key) for key in (*KEPT, "triggers") if key in values
        }
        for index, node in enumerate(nodes):
            self.step(index, node)
        self.known = Known(
            steps=tuple(self.steps),
            parameters={name: p.default for name, p in parameters.items()},
            name=title,
            version=version,
            handles=any(step.failure is not None for step in self.steps.values()),
        )
        self.judge_flow(nodes)
        net = Builder(self, self.positions, self.known, self.steps, nodes).net()
        if self.faults:
            return None
        variables = {
            "trigger": _trigger(parameters, open_ended=open_ended),
            "steps": Variable("steps", DataType("object"), default={}, merge="update"),
            **net.variables,
        }
        return Specification(
            name=_slug(title),
            version=version,
            description=description,
            nets={ROOT: attrs.evolve(net, variables=variables)},
            root=ROOT,
            triggers=tuple(self.events),
            metadata={"name": title, **metadata},
            source=self.source,
        )

    def version(self, node: Node | None) -> str:
        version = self.words(node, "version", "a version such as 1.0.0") or "1"
        if node is not None and not _VERSION.fullmatch(version):
            self.fault(
                node,
                "version",
                f"{quoted(version)} cannot be a version; it has up to 100 letters (a-z, A-Z), "
                "digits, '.', '_', '+' and '-', and begins with a letter, digit or '_'",
                "name",
            )
        return version

    # ── triggers ─────────────────────────────────────────────────────────────────────────────

    def triggers(self, node: Node | None) -> tuple[dict[str, _Parameter], bool]:
        """The parameters of all triggers, and whether others may be given besides."""
        parameters: dict[str, _Parameter] = {}
        open_ended = node is None
        for index, item in enumerate(self.items(node, "triggers", "a list of triggers")):
            where = f"triggers[{index}]"
            if not isinstance(item, MappingNode):
                self.expected(item, where, "a trigger such as {type: cli, params: […]}")
                continue
            kind = self.text(item.get("type"), f"{where}.type")
            if "type" not in item:
                self.fault(item, where, "'type' is missing", "missing-key")
            elif kind and kind not in TRIGGERS:
                hint = near(kind, TRIGGERS)
                known = ", ".join(TRIGGERS)
                self.fault(
                    item, where, f"there is no trigger {quoted(kind)}{hint} (there are {known})",
                    "unknown-trigger",
                )  # fmt: skip
            if kind == "event":
                self.event(item, where)
            if kind in ("cli", "manual"):
                self.keys(item, where, _TRIGGER, "a trigger")
            else:
                open_ended = True
            for number, given in enumerate(
                self.items(item.get("params"), f"{where}.params", "a list of parameters")
            ):
                self.parameter(given, f"{where}.params[{number}]", parameters)
        return parameters, open_ended

    def event(self, node: MappingNode, where: str) -> None:
        """The event that a trigger names; its data are the parameters."""
        key = "event" if "event" in node else "name"
        name = node.get(key)
        if name is None:
            if not {key.text for key, _ in node.entries} - {*_TRIGGER}:
                self.fault(
                    node, where,
                    "a trigger of this type says which event: {type: event, event: saved}",
                    "missing-key",
                )  # fmt: skip
            return  # it names its event in another way, which is kept
        text = self.text(name, f"{where}.{key}", "the name of an event")
        if text and not re.fullmatch(EVENT_PATTERN, text):
            self.fault(
                name, where, f"{quoted(text)} cannot be the name of an event; it has up to 200 "
                "letters (a-z, A-Z), digits, _ . : / and -", "name",
            )  # fmt: skip
            return
        given = "event.data == null ? {} : event.data"
        self.events.append(EventTrigger(text, {"trigger": given}))

    def parameter(self, node: Node, where: str, parameters: dict[str, _Parameter]) -> None:
        values = self.keys(
            node, where, _PARAMETER, "a parameter such as {name: days, type: number}"
        )
        name = self.name(values.get("name"), f"{where}.name", "the name of a parameter")
        if isinstance(node, MappingNode) and "name" not in values:
            self.fault(node, where, "'name' is missing", "missing-key")
        where = f"the parameter {name!r}" if name else where
        required = self.flag(values.get("required"), f"{where}, required")
        kind = self.data_type(values, where, node)
        kind = attrs.evolve(kind, nullable=not required and kind.type != "any")
        default = None
        if "default" in values:
            at = values["default"]
            default = self.json(at, f"{where}, default")
            for fault in kind.check(default, "default"):
                self.fault(at, where, fault, "default")
            if required:
                self.fault(
                    at, where, "a required parameter is always given, so it needs no default",
                    "default",
                )  # fmt: skip
        if not name:
            return
        parameter = _Parameter(kind, required, default)
        if parameters.setdefault(name, parameter) != parameter:
            self.fault(node, where, "it is declared twice, and not the same way", "duplicate-name")

    def data_type(self, values: Mapping[str, Node], where: str, node: Node) -> DataType:
        """The type that the keys ``type``, ``enum``, ``items`` and ``properties`` declare."""
        name = self.text(values["type"], f"{where}, type") if "type" in values else "any"
        if name and name not in TYPES:
            hint = near(name, TYPES)
            self.fault(
                values["type"],
                where,
                f"there is no type {quoted(name)}{hint} (there are {', '.join(TYPES)})",
                "type",
            )
            name = ""
        if not name:
            return DataType()
        description = self.words(values.get("description"), f"{where}, description", "a text")
        kind = DataType(name, description=description)
        for key, owner in (("items", "array"), ("properties", "object")):
            if key in values and name != owner:
                self.fault(
                    values[key], where, f"{key!r} is for the type {owner}, this is {name}", "type"
                )
                return kind
        if "enum" in values:
            kind = self.enum(values["enum"], kind, where)
        if "items" in values:
            kind = attrs.evolve(kind, items=self.inner_type(values["items"], f"{where}, items"))
        if "properties" in values:
            listed = values["properties"]
            if not isinstance(listed, MappingNode):
                self.expected(listed, where, "properties by name, {passed: boolean}")
                return kind
            fields = {
                key.text: self.inner_type(item, f"{where}, {key.text}")
                for key, item in listed.entries
            }
            kind = attrs.evolve(kind, fields=fields, additional=True)
        return kind

    def inner_type(self, node: Node, where: str) -> DataType:
        """The type of an item or a property: its name, or a mapping with ``type``."""
        if isinstance(node, ScalarNode):
            kind = self.data_type({"type": node}, where, node)
        else:
            kind = self.data_type(self.keys(node, where, _INNER, "a type"), where, node)
        return attrs.evolve(kind, nullable=kind.type != "any")

    def enum(self, node: Node, kind: DataType, where: str) -> DataType:
        """A type with the only values that it accepts."""
        if kind.type not in ("string", "integer", "number"):
            self.fault(node, where, "'enum' is for texts and numbers", "type")
            return kind
        accepted: list[str | int | float] = []
        for item in self.items(node, f"{where}, enum", "a list of values"):
            found = item.value if isinstance(item, ScalarNode) else None
            if isinstance(found, bool | None) or not kind.fits(found):
                self.expected(item, f"{where}, enum", kind.describe())
            elif found in accepted:
                self.fault(item, f"{where}, enum", f"{found!r} stands there twice", "enum")
            else:
                accepted.append(found)
        if isinstance(node, SequenceNode) and not node.items:
            self.fault(node, f"{where}, enum", "expected at least one value", "enum")
        return attrs.evolve(kind, enum=tuple(accepted)) if accepted else kind

    # ── steps ────────────────────────────────────────────────────────────────────────────────

    def step(self, index: int, node: Node) -> None:
        """A step, added to those that there are."""
        where = f"steps[{index}]"
        given = node.get("id") if isinstance(node, MappingNode) else None
        if isinstance(given, ScalarNode) and isinstance(given.value, str) and given.value:
            where = f"step {quoted(given.value)}"
        values = self.keys(node, where, _STEP, "a step such as {id: test, module: …, action: …}")
        if not isinstance(node, MappingNode):
            return
        step = Step(index, self.name(values.get("id"), f"steps[{index}].id", "the id of a step"))
        for key in ("id", "module", "action"):
            if key not in values:
                self.fault(node, where, f"{key!r} is missing", "missing-key")
        step.module = self.name(values.get("module"), f"{where}, module", "the name of a module")
        step.action = self.name(values.get("action"), f"{where}, action", "the name of an action")
        step.description = self.words(values.get("description"), f"{where}, description", "a text")
        given = values.get("inputs")
        if isinstance(given, MappingNode):
            step.inputs = given
        elif given is not None and not nothing(given):
            self.expected(given, f"{where}, inputs", "values by name, {message: Hello}")
        step.outputs = self.outputs(values.get("outputs"), where)
        if "maxRetries" in values:
            step.retries = self.whole(values["maxRetries"], f"{where}, maxRetries", MAX_RETRIES)
        if "retryDelay" in values:
            step.delay_seconds = self.seconds(values["retryDelay"], f"{where}, retryDelay")
            if "maxRetries" not in values:
                self.fault(
                    values["retryDelay"], where, "'retryDelay' means nothing without 'maxRetries'",
                    "retry",
                )  # fmt: skip
        if "timeout" in values:
            before = len(self.faults)
            step.timeout_seconds = self.seconds(values["timeout"], f"{where}, timeout")
            if not step.timeout_seconds and len(self.faults) == before:
                self.fault(values["timeout"], where, "nothing is done in no time", "bound")
        step.success = self.way(values.get("onSuccess"), f"{where}, onSuccess")
        step.failure = self.way(values.get("onFailure"), f"{where}, onFailure")
        if not step.id:
            return
        first = self.steps.setdefault(step.id, step)
        if first is not step:
            self.fault(
                values["id"],
                where,
                f"this is also the id of step {first.at + 1} in the list; an id is used once",
                "duplicate-name",
            )

    def outputs(self, node: Node | None, where: str) -> dict[str, DataType]:
        """The declared outputs, by name."""
        outputs: dict[str, DataType] = {}
        for index, item in enumerate(
            self.items(node, f"{where}, outputs", "a list of outputs such as {name: plan}")
        ):
            at = f"{where}, outputs[{index}]"
            values = self.keys(item, at, _OUTPUT, "an output such as {name: plan, type: object}")
            name = self.name(values.get("name"), f"{at}.name", "the name of an output")
            if isinstance(item, MappingNode) and "name" not in values:
                self.fault(item, at, "'name' is missing", "missing-key")
            kind = self.data_type(values, f"{where}, output {name!r}" if name else at, item)
            if name in outputs:
                self.fault(item, at, f"{name!r} stands there twice", "duplicate-name")
            if name:
                outputs[name] = attrs.evolve(kind, nullable=kind.type != "any")
        return outputs

    def way(self, node: Node | None, where: str) -> Way:
        """Where the flow goes on."""
        if node is None or nothing(node):
            return None
        if not isinstance(node, MappingNode):
            wanted = "the id of a step, or {condition, then, else}"
            return self.text(node, where, wanted) or None
        values = self.keys(node, where, _BRANCH, "{condition, then, else}")
        for key in ("condition", "then"):
            if key not in values:
                self.fault(node, where, f"{key!r} is missing", "missing-key")
        then = self.way(values.get("then"), f"{where}.then")
        otherwise = self.way(values.get("else"), f"{where}.else")
        when = values.get("condition")
        if when is not None and not (
            isinstance(when, ScalarNode)
            and (
                isinstance(when.value, bool) or (isinstance(when.value, str) and when.value.strip())
            )
        ):
            self.expected(when, f"{where}.condition", 'a condition such as "{{ trigger.force }}"')
        if not isinstance(when, ScalarNode):  # told; its ways on are judged all the same
            when = ScalarNode(value=True, text="true", line=node.line, column=node.column)
        return Branch(when, then, otherwise)

    # ── the flow ─────────────────────────────────────────────────────────────────────────────

    def judge_flow(self, nodes: Sequence[Node]) -> None:
        """Every way leads to a step, every step is reached, and nothing goes round for ever."""
        unknown = len(self.faults)
        for step in self.steps.values():
            node = nodes[step.at]
            assert isinstance(node, MappingNode)
            for key in ("onSuccess", "onFailure"):
                self.judgetargets(node.get(key), f"step {step.id!r}, {key}")
        if len(self.faults) > unknown or not self.steps:
            return
        first = next(iter(self.steps))
        reached = closure([first], lambda name: [w for w in self.steps[name].ways() if w])
        for name, step in self.steps.items():
            if name not in reached:
                self.fault(
                    nodes[step.at],
                    f"step {name!r}",
                    f"nothing leads here: name it in an onSuccess or onFailure, or remove it (the "
                    f"first step is {first!r}; a step without onSuccess ends the workflow)",
                    "unreachable",
                )
        back: dict[str, list[str]] = {name: [] for name in self.steps}
        for name, step in self.steps.items():
            for target in step.ways():
                if target is not None:
                    back[target].append(name)
        ending = closure([n for n, s in self.steps.items() if None in s.ways()], back.__getitem__)
        for circle in circles_among(self.steps, reached - ending):
            names = sorted(circle, key=lambda name: self.steps[name].at)
            if any(way not in circle for name in names for way in self.steps[name].ways()):
                continue  # it leads into another circle, which is told
            listed = ", ".join(map(repr, names[:10])) + (" …" if len(names) > 10 else "")
            self.fault(
                nodes[self.steps[names[0]].at],
                f"step {names[0]!r}",
                f"there is no way out of this cycle ({listed}): let one of its steps lead out, "
                "on a condition or on failure",
                "endless",
            )

    def judgetargets(self, node: Node | None, where: str) -> None:
        """Refuse what names no step."""
        if isinstance(node, MappingNode):
            for key in ("then", "else"):
                self.judgetargets(node.get(key), f"{where}.{key}")
            return
        name = node.value if isinstance(node, ScalarNode) else None
        if isinstance(node, ScalarNode) and isinstance(name, str) and name not in (*self.steps, ""):
            known = ", ".join(list(self.steps)[:20]) or "none"
            self.fault(
                node,
                where,
                f"there is no step {quoted(name)}{near(name, self.steps)} (there are {known})",
                "unknown-target",
            )


def _slug(title: str) -> str:
    """The name of a specification that a workflow's name gives: ``review-self`` of Review Self."""
    slug = re.sub(r"[^a-z0-9_.]+", "-", title.lower()).strip("-.")[:100].strip("-.")
    return slug or "workflow"


# ── the keys of the format ───────────────────────────────────────────────────────────────────

_FILE: Final = ("name", "version", "description", "triggers", "steps", *KEPT)
_TRIGGER: Final = ("type", "command", "description", "params")
_PARAMETER: Final = (
    *("name", "type", "description", "required", "default", "enum", "items", "properties"),
)
_STEP: Final = (
    *("id", "module", "action", "description", "inputs", "outputs", "onSuccess", "onFailure"),
    *("maxRetries", "retryDelay", "timeout"),
)
_OUTPUT: Final = ("name", "type", "description", "enum", "items", "properties", "unit")
_INNER: Final = ("type", "description", "enum", "items", "properties", "unit")
_BRANCH: Final = ("condition", "then", "else")

KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "file": _FILE,
    "trigger": _TRIGGER,
    "parameter": _PARAMETER,
    "step": _STEP,
    "output": _OUTPUT,
    "type": _INNER,
    "branch": _BRANCH,
}
"""All keys of the format, by where they stand."""

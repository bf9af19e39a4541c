"""The net of a workflow in the steps format: its steps, where they lead, and their tasks.

What is read of a step is a `Step`; `Builder` makes the tasks of all of them (see the module
`weft.schema.steps`, which says what becomes of what).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

import attrs

from weft.schema.datatypes import DataType, Variable
from weft.schema.jsonvalue import JsonValue
from weft.schema.specification import (
    Location,
    NetDefinition,
    PlaceDefinition,
    Retry,
    TaskDefinition,
    Use,
)
from weft.schema.steps_templates import Known, TemplateFault, cel, condition, has_template, value
from weft.schema.steps_values import Values
from weft.schema.yaml import MappingNode, Node, ScalarNode, SequenceNode

__all__ = [
    "DECISION",
    "MAX_STARTS",
    "ROOT",
    "Branch",
    "Builder",
    "Step",
    "Way",
    "circles_among",
    "closure",
    "start_limits",
]

ROOT: Final = "net"
"""The name of the one net."""

MAX_STARTS: Final = 10_000
"""How often a step of a cycle may start in which no step has ``maxRetries``."""

DECISION: Final = ("system", "wait-for-decision")
"""The module and action that are work for a person."""


@attrs.frozen
class Branch:
    """``{condition, then, else}``: each way on is a step's id, another branch, or the end."""

    when: ScalarNode
    then: Way
    otherwise: Way


Way = str | Branch | None
"""Where the flow goes: to a step, on conditions, or nowhere."""


@attrs.define
class Step:
    """A step as it was written; ``at`` is its place in the list."""

    at: int
    id: str
    module: str = ""
    action: str = ""
    description: str = ""
    inputs: MappingNode | None = None
    outputs: dict[str, DataType] = attrs.field(factory=dict)
    success: Way = None
    failure: Way = None
    retries: int | None = None
    delay_seconds: float | None = None
    timeout_seconds: float | None = None

    @property
    def decides(self) -> bool:
        """Whether it is work for a person."""
        return (self.module, self.action) == DECISION

    def ways(self) -> Iterator[str | None]:
        """The steps that it may lead to; None: the end, when it has succeeded."""
        yield from targets(self.success)
        if self.failure is not None:
            yield from targets(self.failure)


def targets(way: Way) -> Iterator[str | None]:
    """The steps that a way may lead to, through all its conditions; None: the end."""
    waiting = [way]
    while waiting:
        way = waiting.pop()
        if isinstance(way, Branch):
            waiting += [way.otherwise, way.then]
        else:
            yield way


# ── the graph ────────────────────────────────────────────────────────────────────────────────


def _task_name(step: str) -> str:
    """What the task of a step is called: names of tasks have no dots, and no digit first."""
    name = step.replace(".", "_")
    return f"_{name}" if name[:1].isdigit() else name


def closure(start: Iterable[str], leads: Callable[[str], Iterable[str]]) -> set[str]:
    """All that is reached from somewhere."""
    seen = set(start)
    waiting = list(seen)
    while waiting:
        for name in leads(waiting.pop()):
            if name not in seen:
                seen.add(name)
                waiting.append(name)
    return seen


def circles(names: Sequence[str], leads: Callable[[str], Sequence[str]]) -> list[set[str]]:
    """The strongly connected components that hold a cycle.

    R. Tarjan, "Depth-first search and linear graph algorithms" (1972), without recursion.
    """
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    found: list[set[str]] = []
    for root in names:
        if root in index:
            continue
        work = [(root, iter(leads(root)))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            name, ahead = work[-1]
            following = next(ahead, None)
            if following is None:
                work.pop()
                if work:
                    before = work[-1][0]
                    low[before] = min(low[before], low[name])
                if low[name] == index[name]:
                    component = set()
                    while name not in component:
                        component.add(stack.pop())
                    on_stack -= component
                    if len(component) > 1 or name in leads(name):
                        found.append(component)
            elif following not in index:
                index[following] = low[following] = len(index)
                stack.append(following)
                on_stack.add(following)
                work.append((following, iter(leads(following))))
            elif following in on_stack:
                low[name] = min(low[name], index[following])
    return found


def circles_among(steps: Mapping[str, Step], names: Collection[str]) -> list[set[str]]:
    """The sets of steps among ``names`` that lead round to each other."""

    def leads(name: str) -> list[str]:
        return [way for way in steps[name].ways() if way is not None and way in names]

    return circles([name for name in steps if name in names], leads)


def start_limits(steps: Mapping[str, Step]) -> dict[str, tuple[int, bool]]:
    """How often steps may start: by id, the number, and whether the file asks for it.

    Without the steps that are limited there is no cycle: of a cycle in which no step has
    ``maxRetries``, the one is limited to which a walk through the steps comes back first.
    """
    limits = {
        name: (step.retries + 1, True) for name, step in steps.items() if step.retries is not None
    }
    asked = set(limits)
    done: set[str] = set()
    for root in steps:
        if root in asked or root in done:
            continue
        on_the_way = {root}
        path = [(root, steps[root].ways())]
        while path:
            name, ahead = path[-1]
            following = next((way for way in ahead if way is not None and way not in asked), None)
            if following is None:
                path.pop()
                on_the_way.remove(name)
                done.add(name)
            elif following in on_the_way:
                limits[following] = (MAX_STARTS, False)
            elif following not in done:
                on_the_way.add(following)
                path.append((following, steps[following].ways()))
    return limits


# ── the tasks ────────────────────────────────────────────────────────────────────────────────


class Builder:
    """Makes a net of the steps; positions are noted for what the compiler may find fault with."""

    def __init__(
        self,
        reader: Values,
        positions: dict[Location, tuple[int, int]],
        known: Known,
        steps: Mapping[str, Step],
        nodes: Sequence[Node],
    ) -> None:
        self.reader = reader
        self.positions = positions
        self.known = known
        self.steps = steps
        self.nodes = nodes
        self.limits = {} if reader.faults else start_limits(steps)
        self.tasks: dict[str, TaskDefinition] = {}
        self.taken = set(steps)
        """The names that no further task may bear."""
        self.names: dict[str, str] = {}
        """Step to task: the id, where that can be the name of a task."""
        for name in steps:
            made = _task_name(name)
            self.names[name] = name if made == name else self.free(made)
        self.end: str | None = None

    def net(self) -> NetDefinition:
        """The net, without the variables that every such net has."""
        inputs = {step.id: self.inputs(step) for step in self.steps.values()}
        ways = {
            step.id: (self.led(step, "then"), self.led(step, "on-failure"))
            for step in self.steps.values()
        }
        timed = "duration" in self.known.facts
        for step in self.steps.values():
            self.place(step)
            self.task(step, inputs[step.id], *ways[step.id], timed=timed)
        variables: dict[str, Variable] = {}
        start = self.names.get(next(iter(self.steps), ""), "")
        if self.known.facts & {"executionId", "cwd", "startedAt", "duration"}:
            begin = self.free("trigger")
            self.tasks = {
                begin: TaskDefinition(
                    begin,
                    description="Notes what the engine knows of the case.",
                    then=Use("sequence", start),
                    outputs={"workflow": "result"},
                    uses=(Use("action", {"do": "begin"}),),
                ),
                **self.tasks,
            }
            start = begin
            variables["workflow"] = Variable(
                "workflow", DataType("object"), default={}, merge="update"
            )
        if self.known.texts:
            texts: dict[str, JsonValue] = dict(self.known.texts)
            variables["texts"] = Variable("texts", DataType("object"), default=texts)
        places = {}
        if self.end is not None:
            places[self.end] = PlaceDefinition(
                self.end, then=Use("implicit-termination"), description="The end."
            )
        return NetDefinition(
            ROOT, start=(start,), tasks=self.tasks, places=places, variables=variables
        )

    def free(self, name: str) -> str:
        """A name that no step and no task bears yet."""
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def place(self, step: Step) -> None:
        """Note where the parts of a task stand in the file."""
        positions = self.positions
        at: Location = ("steps", step.at)
        task: Location = ("net", "tasks", self.names[step.id])
        parts: list[tuple[Location, Location]] = [
            ((), ()),
            (("in",), ("inputs",)),
            (("then",), ("onSuccess",)),
            (("on-failure",), ("onFailure",)),
            (("timeout",), ("timeout",)),
            (("start-limit",), ("maxRetries",)),
            (("action", "module"), ("module",)),
            (("action", "action"), ("action",)),
            (("person",), ("action",)),
        ]
        parts += [(("in", name), ("inputs", name)) for name in _names(step.inputs)]
        parts += [(("action", "inputs", name), ("inputs", name)) for name in _names(step.inputs)]
        parts += [
            (("action", "outputs", name), ("outputs", index))
            for index, name in enumerate(step.outputs)
        ]
        for mine, theirs in parts:
            if at + theirs in positions:
                positions[task + mine] = positions[at + theirs]

    # ── flows ────────────────────────────────────────────────────────────────────────────────

    def led(self, step: Step, key: str) -> Use | None:
        """The ``then`` or ``on-failure`` of a step's task."""
        way = step.success if key == "then" else step.failure
        if way is None:
            return None
        if isinstance(way, str):
            return Use("sequence", self.names.get(way, way))
        written = "onSuccess" if key == "then" else "onFailure"
        where = f"step {step.id!r}, {written}"
        branches: list[JsonValue] = []
        for index, (guard, target, node) in enumerate(self.branches(way, step, where)):
            branch: dict[str, JsonValue] = {
                "to": self.ending() if target is None else self.names.get(target, target)
            }
            if guard is not None:
                branch = {"when": guard, **branch}
            branches.append(branch)
            location = ("net", "tasks", self.names[step.id], key, "exclusive-choice", index)
            self.positions[location] = (node.line, node.column)
        return Use("exclusive-choice", branches)

    def branches(
        self, way: Branch, step: Step, where: str
    ) -> list[tuple[str | None, str | None, ScalarNode]]:
        """Conditions in order, the last None, where each leads, and the node that asks.

        A branch within a ``then`` becomes branches that hold with both conditions, followed by
        one for the outer condition alone: the order decides.
        """
        found: list[tuple[str | None, str | None, ScalarNode]] = []
        waiting: list[tuple[tuple[str, ...], Way, ScalarNode]] = [((), way, way.when)]
        while waiting:
            guards, way_on, node = waiting.pop()
            if not isinstance(way_on, Branch):
                joined = " && ".join(f"({g})" if len(guards) > 1 else g for g in guards)
                found.append((joined or None, way_on, node))
                continue
            guard = self.guard(way_on.when, step, where)
            waiting.append((guards, way_on.otherwise, way_on.when))
            waiting.append(((*guards, guard), way_on.then, way_on.when))
        return found

    def guard(self, node: ScalarNode, step: Step, where: str) -> str:
        """A condition in CEL."""
        if isinstance(node.value, bool):
            return str(node.value).lower()
        try:
            return condition(str(node.value), self.known, step=step.id)
        except TemplateFault as fault:
            self.reader.template_fault(node, f"{where}, condition", fault)
            return "false"

    def ending(self) -> str:
        """The place where threads end that a condition leads nowhere."""
        if self.end is None:
            self.end = self.free("_end")
        return self.end

    # ── tasks ────────────────────────────────────────────────────────────────────────────────

    def inputs(self, step: Step) -> dict[str, JsonValue]:
        """The inputs of a step: expressions, and plain values that are no text."""
        inputs: dict[str, JsonValue] = {}
        for key, node in step.inputs.entries if step.inputs is not None else ():
            where = f"step {step.id!r}, input {key.text!r}"
            content = self.reader.json(node, where)
            try:
                written = value(content, self.known, step=step.id, name=key.text)
            except TemplateFault as fault:
                inner = _node_at(node, getattr(fault, "path", ()))
                self.reader.template_fault(inner, where, fault)
                continue
            inputs[key.text] = content if written is None else written
        return inputs

    def task(
        self,
        step: Step,
        inputs: dict[str, JsonValue],
        then: Use | None,
        on_failure: Use | None,
        *,
        timed: bool,
    ) -> None:
        """The task of a step, and those that go with it."""
        uses: list[Use] = []
        own = cel(step.id)
        if step.decides:
            use, inputs, outputs = self.decision(step, inputs)
        else:
            config: dict[str, JsonValue] = {"module": step.module, "action": step.action}
            if step.outputs:
                config["outputs"] = {n: kind.as_json() for n, kind in step.outputs.items()}
            if timed:
                config["clock"] = True
            use = Use("action", config)
            result = "result.outputs" if timed else "result"
            outputs = {"steps": f"{{{own}: {{'status': 'completed', 'outputs': {result}}}}}"}
            if timed:
                outputs["workflow"] = "{'now': result.now}"
        extra: list[TaskDefinition] = []
        if on_failure is not None and step.id in self.known.statuses:
            name = self.free(f"{self.names[step.id]}-failed")
            kept = f"steps.get({own}).get('outputs')"
            extra.append(
                TaskDefinition(
                    name,
                    description=f"Notes that {step.id!r} has failed.",
                    then=on_failure,
                    outputs={"steps": f"{{{own}: {{'status': 'failed', 'outputs': {kept}}}}}"},
                    uses=(Use("action", {"do": "note"}),),
                )
            )
            on_failure = Use("sequence", name)
        if step.id in self.limits:
            starts, asked = self.limits[step.id]
            name = self.free(f"{self.names[step.id]}-limit")
            told: dict[str, JsonValue] = {"do": "limit", "step": step.id, "starts": starts}
            if not asked:
                told["cycle"] = True
            extra.append(
                TaskDefinition(
                    name,
                    description=f"Fails, since {step.id!r} may not start any more.",
                    on_failure=on_failure,
                    outputs={},
                    uses=(Use("action", told),),
                )
            )
            uses.append(Use("start-limit", {"starts": starts, "otherwise": name}))
        retry = None
        if step.retries:
            delay = step.delay_seconds or 0.0
            retry = Retry(step.retries + 1, delay, max_delay_seconds=max(delay, 86_400.0))
        name = self.names[step.id]
        definition = TaskDefinition(
            name,
            title="" if name == step.id else step.id,
            description=step.description,
            then=then,
            on_failure=on_failure,
            inputs=inputs,
            outputs=outputs,
            retry=retry,
            timeout_seconds=step.timeout_seconds,
            uses=(*uses, use),
        )
        for made in (definition, *extra):
            self.tasks[made.name] = made

    # ── decisions ────────────────────────────────────────────────────────────────────────────

    def decision(
        self, step: Step, inputs: dict[str, JsonValue]
    ) -> tuple[Use, dict[str, JsonValue], dict[str, JsonValue]]:
        """Work for a person: what is asked, and what becomes of the answer.

        The proposals are the choices, so they stand in the file; their labels, the title and
        the description may have templates, and are then inputs of the work item.
        """
        where = f"step {step.id!r}"
        node = self.nodes[step.at]
        assert isinstance(node, MappingNode)
        if step.timeout_seconds is not None:
            at = node.get("timeout") or node
            self.reader.fault(at, where, "a decision waits as long as it takes: it has no 'timeout'", "timeout")  # fmt: skip
        for name in step.outputs:
            if name not in ("decision", "decisionId"):
                self.reader.fault(
                    node.get("outputs") or node,
                    where,
                    f"wait-for-decision gives no {name!r}; its outputs are decision, decisionId",
                    "outputs",
                )
        title = self.literal(step, "title") or step.description or step.id
        about = [text] if (text := self.literal(step, "description")) else []
        choices = self.proposals(step)
        config: dict[str, JsonValue] = {"title": " ".join(title.split())}
        if about:
            config["text"] = about[0]
        if role := self.literal(step, "role"):
            config["role"] = role
        answer = "result.choice"
        if choices:
            config["choices"] = choices
        else:
            config["form"] = {"decision": {"type": "string", "required": True}}
            answer = "result.decision"
        shown: dict[str, JsonValue] = {}
        for key, item in step.inputs.entries if step.inputs is not None else ():
            told = key.text in ("title", "description", "proposals", "role")
            if key.text in inputs and (not told or _has_templates(item)):
                shown[key.text] = inputs[key.text]
        own = cel(step.id)
        before = f"steps.get({own}).get('times')"
        times = f"({before} == null ? 1 : {before} + 1)"
        made = f"{{'decision': {answer}, 'decisionId': {cel(step.id + '/')} + text({times})}}"
        entry = f"{{'status': 'completed', 'times': {times}, 'outputs': {made}}}"
        return Use("person", config), shown, {"steps": f"{{{own}: {entry}}}"}

    def literal(self, step: Step, key: str) -> str:
        """An input of a decision that is a text without templates, or ""."""
        node = step.inputs.get(key) if step.inputs is not None else None
        if node is None or _has_templates(node):
            return ""
        return self.reader.words(node, f"step {step.id!r}, input {key!r}", "a text").strip()

    def proposals(self, step: Step) -> list[JsonValue]:
        """The choices: an id alone, or with what people read of it."""
        node = step.inputs.get("proposals") if step.inputs is not None else None
        where = f"step {step.id!r}, proposals"
        wanted = "a list of proposals, each {id, label, description} or a text"
        if isinstance(node, ScalarNode) and has_template(node.text):
            self.reader.expected(
                node, where, wanted, "what there is to choose from stands in the file"
            )
            return []
        choices: list[JsonValue] = []
        seen: set[str] = set()
        for index, item in enumerate(self.reader.items(node, where, wanted)):
            at = f"{where}[{index}]"
            values = {"id": item}
            if isinstance(item, MappingNode):
                values = {key.text: entry for key, entry in item.entries}
                if "id" not in values:
                    self.reader.fault(item, at, "'id' is missing", "missing-key")
                    continue
            choice = self.reader.text(values["id"], at, "the id of a proposal")
            if has_template(choice):
                self.reader.fault(
                    item, at, "the id of a proposal has no templates: it stands in the file",
                    "proposals",
                )  # fmt: skip
            elif choice in seen:
                self.reader.fault(item, at, f"{choice!r} stands there twice", "proposals")
            elif choice:
                seen.add(choice)
                told: dict[str, JsonValue] = {
                    key: text
                    for key in ("label", "description")
                    if (text := self.reader.words(values.get(key), at, "a text").strip())
                    and not has_template(text)
                }
                choices.append({"id": choice, **told} if told else choice)
        return choices


def _node_at(node: Node, path: Sequence[str | int]) -> Node:
    """The node that a path of keys and indices leads to."""
    for part in path:
        if isinstance(node, MappingNode) and isinstance(part, str):
            node = node.get(part) or node
        elif isinstance(node, SequenceNode) and isinstance(part, int):
            node = node.items[part]
    return node


def _names(node: MappingNode | None) -> list[str]:
    return [] if node is None else [key.text for key, _ in node.entries]


def _has_templates(node: Node) -> bool:
    if isinstance(node, ScalarNode):
        return isinstance(node.value, str) and has_template(node.value)
    if isinstance(node, SequenceNode):
        return any(map(_has_templates, node.items))
    return any(_has_templates(item) for _, item in node.entries)

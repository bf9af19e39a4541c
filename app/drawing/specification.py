"""The picture of a specification: tasks, splits and joins as their author wrote them.

Splits and joins have the symbols of the field: ``+`` all, ``×`` one, ``○`` some, ``2/3`` so many
of so many. A pattern that has no symbol is called by its name. A thin dotted line leads from a
pattern to the tasks that it concerns without a flow, a dashed one to what follows a failure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs

from weft.drawing.model import Cluster, Drawing, Edge, Line, Node, Shape, shortened
from weft.drawing.overlay import Overlay
from weft.engine.fragment import Branch
from weft.engine.net import Timing
from weft.engine.registry import Attachment, Family, Pattern, Registry
from weft.schema.specification import (
    FAILURE_WORDS,
    NetDefinition,
    Specification,
    TaskDefinition,
    Use,
)

__all__ = ["specification_drawing"]

_ALL, _ONE, _SOME = "+", "×", "○"
_SPLITS = {
    "parallel-split": _ALL,
    "exclusive-choice": _ONE,
    "multi-choice": _SOME,
}
_JOINS = {
    "synchronization": _ALL,
    "generalised-and-join": _ALL,
}
_FIRST = ("structured-discriminator", "blocking-discriminator", "cancelling-discriminator")
_PLAIN_JOINS = ("simple-merge",)
_MOST_DOTTED = 6
"""A pattern over more tasks than this names them instead of drawing lines to them."""


def specification_drawing(
    specification: Specification, registry: Registry, overlays: Mapping[str, Overlay]
) -> Drawing:
    """The picture of a specification that compiles; ``overlays`` are by the names of its nets."""
    names = [specification.root, *(n for n in specification.nets if n != specification.root)]
    title = f"{specification.name} {specification.version}"
    return Drawing(
        title,
        tuple(
            _NetPicture(specification.nets[name], registry, overlays.get(name, Overlay())).cluster(
                title if name == specification.root else f"net {name}"
            )
            for name in names
        ),
    )


class _NetPicture:
    """Collects the nodes and edges of one net."""

    def __init__(self, definition: NetDefinition, registry: Registry, overlay: Overlay) -> None:
        self.definition = definition
        self.registry = registry
        self.overlay = overlay
        self.nodes: dict[str, Node] = {}
        self.edges: list[Edge] = []
        self.entries: dict[str, str] = {}
        """Task or place to the node at which its incoming flows end: a join, or itself."""
        self.incoming: dict[str, int] = {}

    def cluster(self, title: str) -> Cluster:
        definition = self.definition
        if definition.start:
            self.nodes["start"] = Node("start", Shape.START)
        self.incoming = self.counted()
        for place in definition.places.values():
            tokens = 0 if self.overlay.marked else place.tokens
            self.add(Node(f"place {place.name}", Shape.PLACE, place.name, tokens=tokens))
            self.entries[place.name] = f"place {place.name}"
        for task in definition.tasks.values():
            self.task(task)
            self.join(task, self.incoming.get(task.name, 0))
        for name in definition.start:
            self.flow("start", name, ("(start)>" + name,))
        for place in definition.places.values():
            if place.then is not None:
                self.then(f"place {place.name}", place.name, place.then)
        undoers = {task.compensate for task in definition.tasks.values()}
        for task in definition.tasks.values():
            if task.name not in undoers:
                self.then(f"task {task.name}", task.name, task.then or Use("implicit-termination"))
            if task.compensate in self.entries:
                undoer = f"task {task.compensate}"
                self.edges.append(Edge(f"task {task.name}", undoer, Line.FAILURE, "undone by"))
            if task.on_failure is not None:
                self.then(f"task {task.name}", f"{task.name}!", task.on_failure, Line.FAILURE)
        for index, use in enumerate(definition.uses):
            self.whole(use, index)
        return self.finished(title)

    def add(self, node: Node) -> None:
        self.nodes[node.id] = node

    # ── parts ────────────────────────────────────────────────────────────────────────────────

    def task(self, task: TaskDefinition) -> None:
        lines: list[str] = []
        if task.title and task.title != task.name:
            lines.append(shortened(task.title, 36))
        node_id = f"task {task.name}"
        shape = Shape.TASK
        for use in task.uses:
            pattern = self.registry.meant(use.name, use.argument)
            if pattern is None or pattern.attachment is not Attachment.TASK:
                detail = f" {use.argument}" if use.name == "net" else ""
                lines.append(f"{use.name}{detail}")
            else:
                lines.append(self.concerns(node_id, pattern, use))
                shape = Shape.SEVERAL if pattern.family is Family.INSTANCES else shape
        lines += self.overlay.words(task.name)
        self.add(
            Node(
                node_id,
                shape,
                task.name,
                tuple(lines),
                state=self.overlay.state(task.name),
                path=task.name in self.overlay.tasks,
            )
        )

    def concerns(self, node_id: str, pattern: Pattern, use: Use) -> str:
        """Draw lines from a pattern to the tasks that it names; give its words."""
        values = pattern.read(use.argument)
        words = [pattern.written]
        order = list(use.argument) if isinstance(use.argument, dict) else []
        for parameter in sorted(
            pattern.parameters, key=lambda p: order.index(p.name) if p.name in order else 0
        ):
            value = values.get(parameter.argument)
            if value is None:
                continue
            if parameter.names_tasks or parameter.names_parts or parameter.names_several:
                names = _names(value)
                if len(names) > _MOST_DOTTED:
                    words.append(shortened(", ".join(names), 36))
                    continue
                for name in dict.fromkeys(map(_owner, names)):
                    kind = "place" if name in self.definition.places else "task"
                    line = Line.CLEAR if "cancel" in pattern.key else Line.NOTE
                    if name in self.definition.places or name in self.definition.tasks:
                        self.edges.append(Edge(node_id, f"{kind} {name}", line))
            else:
                if parameter.is_items:
                    value = value.expression or json.dumps(value.value, ensure_ascii=False)
                if isinstance(value, Timing):
                    value = _time(use.argument)
                if isinstance(value, bool):
                    value = "" if value else "no"
                shown = (
                    f"{parameter.name} {value}".strip()
                    if len(pattern.parameters) > 1
                    else str(value)
                )
                words.append(shortened(shown, 36))
        return " ".join(words)

    def counted(self) -> dict[str, int]:
        """How many flows lead to each task."""
        found: dict[str, set[str]] = {}
        for name in self.definition.start:
            found.setdefault(name, set()).add("(start)")
        owners = [(p.name, p.then) for p in self.definition.places.values()]
        for task in self.definition.tasks.values():
            owners += [(task.name, task.then), (f"{task.name}!", task.on_failure)]
        for owner, use in owners:
            if use is not None:
                for target, _ in self.targets(use)[1]:
                    found.setdefault(target, set()).add(owner)
        return {target: len(sources) for target, sources in found.items()}

    def join(self, task: TaskDefinition, incoming: int) -> None:
        node_id = f"task {task.name}"
        self.entries[task.name] = node_id
        if task.join is None or task.join.name in _PLAIN_JOINS:
            return
        key = task.join.name
        pattern = self.registry.get(key, Attachment.JOIN)
        entry = f"join {task.name}"
        symbol = _JOINS.get(key)
        if key in _FIRST:
            symbol = f"1/{incoming}"
        elif key.endswith("partial-join"):
            symbol = f"{pattern.read(task.join.argument).get('n')}/{incoming}"
        if symbol is not None:
            self.add(Node(entry, Shape.GATEWAY, symbol))
            if pattern.parameters:
                self.concerns(entry, pattern, task.join)
        else:
            words = self.concerns(entry, pattern, task.join)
            self.add(Node(entry, Shape.PATTERN, words))
        self.entries[task.name] = entry
        self.edges.append(Edge(entry, node_id, places=(f">{task.name}",)))

    def flow(
        self,
        source: str,
        target: str,
        places: tuple[str, ...],
        label: str = "",
        line: Line = Line.FLOW,
    ) -> None:
        entry = self.entries[target]
        if entry == f"task {target}" and self.incoming[target] == 1:
            places = (*places, f">{target}")
        elif entry == f"place {target}":
            places = ()
        self.edges.append(Edge(source, entry, line, label, places=places))

    def targets(self, use: Use) -> tuple[Pattern, list[tuple[str, str]]]:
        """The pattern of a ``then``, and where it leads, with the guard of each way."""
        if use.name == "sequence" and isinstance(use.argument, str):
            target = use.argument
            known = target in self.definition.tasks or target in self.definition.places
            if not known and target in self.registry:
                use = Use(target)
        pattern = self.registry.get(use.name, Attachment.THEN)
        values = pattern.read(use.argument)
        ways: list[tuple[str, str]] = []
        for parameter in pattern.parameters:
            if parameter.leads_on and parameter.argument in values:
                ways += _ways(values[parameter.argument])
        return pattern, ways

    def then(self, source: str, owner: str, use: Use, line: Line = Line.FLOW) -> None:
        """What follows a task, a place or a failure."""
        label = "failure" if line is Line.FAILURE else ""
        exit_place = owner if owner.endswith("!") else f"{owner}>"
        word = use.argument if use.name == "sequence" else None
        if line is Line.FAILURE and word in FAILURE_WORDS and word not in self.entries:
            self.add(Node(f"end {owner}", Shape.END, str(word)))
            self.edges.append(Edge(source, f"end {owner}", line, label, places=(exit_place,)))
            return
        pattern, ways = self.targets(use)
        if not ways:
            end = f"end {owner}"
            title = "" if pattern.key == "implicit-termination" else pattern.key
            self.add(Node(end, Shape.END, title))
            self.edges.append(Edge(source, end, line, label, places=(exit_place,)))
            return
        if pattern.key == "sequence":
            target = ways[0][0]
            self.flow(source, target, (exit_place, f"{owner}>{target}"), label, line)
            return
        gateway = f"split {owner}"
        symbol = _SPLITS.get(pattern.key)
        if symbol is not None:
            self.add(Node(gateway, Shape.GATEWAY, symbol))
        else:
            rest = pattern.read(use.argument)
            more = [
                f"{p.name} {rest[p.argument]}"
                for p in pattern.parameters
                if not p.leads_on and rest.get(p.argument) is not None
            ]
            self.add(Node(gateway, Shape.PATTERN, shortened(" ".join([pattern.key, *more]), 40)))
        self.edges.append(Edge(source, gateway, line, label, places=(exit_place,)))
        guarded = any(when for _, when in ways)
        for target, when in ways:
            guard = when or ("otherwise" if guarded else "")
            self.flow(gateway, target, (f"{owner}>{target}",), shortened(guard, 80))

    def whole(self, use: Use, index: int) -> None:
        """A pattern over several tasks: a note with lines to them."""
        node_id = f"pattern {index + 1}"
        pattern = self.registry.get(use.name, Attachment.NET)
        self.add(Node(node_id, Shape.NOTE, self.concerns(node_id, pattern, use)))

    # ── what is shown on top ─────────────────────────────────────────────────────────────────

    def finished(self, title: str) -> Cluster:
        overlay = self.overlay
        left = {
            place: count
            for place, count in overlay.tokens.items()
            if place not in overlay.resting and not place.endswith((".run", ".held"))
        }
        edges = []
        for edge in self.edges:
            tokens = sum(left.pop(place, 0) for place in edge.places)
            on_path = any(place in overlay.touched for place in edge.places)
            edges.append(attrs.evolve(edge, tokens=tokens, path=on_path))
        ended = left.pop("end", 0)
        for place, count in left.items():
            self.mark(place, count)
        self.highlight(edges)
        if ended:
            title += f" — {ended} at an end"
        return Cluster(title, tuple(self.nodes.values()), tuple(edges))

    def mark(self, place: str, count: int) -> None:
        """Show tokens that lie on no flow at the node to which their place belongs."""
        owner, _, rest = place.partition(".")
        part = rest.partition(".")[0]
        kind = {"join": "join", "then": "split"}.get(part, "task")
        if place in self.definition.places:
            kind, owner = "place", place
        elif owner == "patterns":
            kind, owner = "pattern", part
        elif owner.startswith(">"):
            kind, owner = "task", owner[1:]
        node = self.nodes.get(f"{kind} {owner}") or self.nodes.get(f"task {owner}")
        if node is None:
            node = Node(f"place {place}", Shape.PLACE, place)
        self.add(attrs.evolve(node, tokens=node.tokens + count))

    def highlight(self, edges: list[Edge]) -> None:
        """Let the path go on through gateways and flows that the net has fused away."""
        if not self.overlay.steps:
            return
        touched = {end for edge in edges if edge.path for end in (edge.source, edge.target)}
        for node_id, node in list(self.nodes.items()):
            owner = node_id.partition(" ")[2].removesuffix("!")
            passed = node.shape is Shape.START or owner in self.overlay.owners
            if node.shape not in (Shape.TASK, Shape.SEVERAL) and (node_id in touched or passed):
                self.add(attrs.evolve(node, path=node.shape is not Shape.END or node_id in touched))
        for i, edge in enumerate(edges):
            fused = edge.places and not any(p in self.overlay.places for p in edge.places)
            if fused and self.nodes[edge.source].path and self.nodes[edge.target].path:
                edges[i] = attrs.evolve(edge, path=True)


def _ways(value: Any) -> list[tuple[str, str]]:
    if isinstance(value, str):
        return [(value, "")]
    return [(v.to, v.when or "") if isinstance(v, Branch) else (v, "") for v in value]


def _owner(part: str) -> str:
    """The task or place that a part of a region belongs to: its open items, or a flow to it."""
    return part.rpartition(">")[2].removesuffix(".run").removesuffix(".held")


def _time(argument: Any) -> str:
    """A time as its author wrote it."""
    if isinstance(argument, dict):
        return " ".join(str(v) if k == "for" else f"{k} {v}" for k, v in argument.items())
    return str(argument)


def _names(value: Any) -> list[str]:
    items = [value] if isinstance(value, str) else list(value)
    return [name for item in items for name in ([item] if isinstance(item, str) else item)]

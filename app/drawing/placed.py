"""The layout that a file brings: nodes where the tool that drew the file has put them.

A BPMN file says where each node stands, a YAWL file where each task and condition does
(``metadata["layout"]``: net, element, and x, y, width and height in pixels, y down). What our
picture has besides (the diamond of a split, the dot at an end) is put beside its owner, or is the
same as it: an empty task of a few pixels with one split or join is that gateway, an event is a
circle. A net that would lie over another one is moved below all that is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from weft.drawing.model import Cluster, Drawing, Line, Node, Shape
from weft.schema.specification import NetDefinition, Specification, TaskDefinition

__all__ = ["Box", "Placed", "placed"]

SMALL = 60.0
"""What is not wider is an event or gateway in the file's own picture."""

GAP = 60.0
MOST = 20_000.0
"""No picture is larger in pixels; larger ones are laid out anew."""

_BESIDE: Mapping[str, tuple[float, float]] = {
    "join": (-26.0, 0.0), "split": (26.0, 0.0), "end": (52.0, 0.0),
}  # fmt: skip
"""How far from the edge of its owner a node stands that the file has not."""


@attrs.frozen
class Box:
    """A rectangle in pixels: its middle, its width and height; y grows downwards."""

    x: float
    y: float
    width: float
    height: float

    def moved(self, right: float, down: float) -> Box:
        """The same rectangle elsewhere."""
        return attrs.evolve(self, x=self.x + right, y=self.y + down)

    @property
    def edges(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom."""
        wide, high = self.width / 2, self.height / 2
        return self.x - wide, self.y - high, self.x + wide, self.y + high


@attrs.frozen
class Placed:
    """A picture whose nodes all have their place: a list of boxes for each of its clusters."""

    drawing: Drawing
    boxes: tuple[Mapping[str, Box], ...]


def placed(drawing: Drawing, specification: Specification) -> Placed | None:
    """A picture with the layout that its file has brought; None: it brought none that will do."""
    layout = specification.metadata.get("layout")
    if not isinstance(layout, dict) or not layout:
        return None
    names = [specification.root, *(n for n in specification.nets if n != specification.root)]
    clusters: list[Cluster] = []
    boxes: list[dict[str, Box]] = []
    for name, cluster in zip(names, drawing.clusters, strict=True):
        known = _boxes(layout.get(name))
        merged = _merged(cluster, specification.nets[name], known)
        found = _located(merged, known)
        if found is None:
            return None
        clusters.append(merged)
        boxes.append(found)
    _apart(names, specification, boxes)
    every = [edge for found in boxes for box in found.values() for edge in box.edges]
    if not every or max(every) - min(every) > MOST:
        return None
    return Placed(Drawing(drawing.title, tuple(clusters)), tuple(boxes))


def _boxes(told: Any) -> dict[str, Box]:
    """The boxes of a net's elements, as the file has them."""
    found = {}
    for name, box in (told if isinstance(told, dict) else {}).items():
        if isinstance(box, list) and len(box) == 4:
            left, top, width, height = (float(n) for n in box)
            if width > 0 and height > 0:
                found[name] = Box(left + width / 2, top + height / 2, width, height)
    return found


def _merged(cluster: Cluster, net: NetDefinition, known: Mapping[str, Box]) -> Cluster:
    """A picture in which gateways and events of the file are one node each."""
    nodes = {node.id: node for node in cluster.nodes}
    same: dict[str, str] = {}
    for name in known:
        own = f"task {name}" if name in net.tasks else f"place {name}"
        if own in nodes:
            same |= _one(nodes, own, name, net.tasks.get(name), known[name])
        task = net.tasks.get(name)
        node = nodes.get(own)
        if task is not None and task.title and node is not None and node.title == name:
            # As the file's own picture has it: what it is called, and only then its identifier.
            lines = [x for x in (name, *node.lines) if x not in ("person", task.title)]
            nodes[own] = attrs.evolve(node, title=task.title, lines=tuple(lines))
    for name, task in net.tasks.items():
        if name not in known and not task.uses and f"task {name}" in nodes:
            nodes[f"task {name}"] = attrs.evolve(
                nodes[f"task {name}"], shape=Shape.PLACE, title="", lines=()
            )
    first = net.start[0] if len(net.start) == 1 else ""
    entry = f"task {first}"
    if "start" in nodes and first in known and first in net.tasks and not net.tasks[first].uses:
        only = [e for e in cluster.edges if e.target == entry]
        if len(only) == 1 and nodes[entry].shape is Shape.PLACE:
            same["start"] = entry
            start = nodes.pop("start")
            nodes[entry] = attrs.evolve(
                nodes[entry], shape=Shape.START, path=start.path or nodes[entry].path
            )
    edges = [
        attrs.evolve(e, source=same.get(e.source, e.source), target=same.get(e.target, e.target))
        for e in cluster.edges
    ]
    drawn = tuple(e for e in edges if e.source != e.target or e.line is not Line.FLOW or e.label)
    return attrs.evolve(cluster, nodes=tuple(nodes.values()), edges=drawn)


def _one(
    nodes: dict[str, Node], own: str, name: str, task: TaskDefinition | None, box: Box
) -> dict[str, str]:
    """Make one node of an element and what stands for its split, join or end."""
    same: dict[str, str] = {}
    empty = task is None or not task.uses
    node = nodes[own]
    for kind in ("join", "split"):
        beside = nodes.get(f"{kind} {name}")
        if beside is not None and beside.title in _UNSEEN:
            nodes.pop(beside.id)
            same[beside.id] = own
        elif beside is not None and beside.title.partition(" ")[0] in _SIGNS:
            sign = _SIGNS[beside.title.partition(" ")[0]]
            nodes[beside.id] = attrs.evolve(beside, shape=Shape.GATEWAY, title=sign, lines=())
    left = [n for n in (f"join {name}", f"split {name}") if n in nodes]
    end = f"end {name}"
    title = node.title if task is None else task.title or name
    if not empty or box.width > SMALL:
        return same
    if len(left) == 1 and nodes[left[0]].shape is Shape.GATEWAY:
        same[left[0]] = own
        gateway = nodes.pop(left[0])
        nodes[own] = attrs.evolve(
            gateway, id=own, state=node.state, tokens=node.tokens + gateway.tokens,
            path=node.path or gateway.path,
        )  # fmt: skip
    elif end in nodes and not left:
        same[end] = own
        nodes.pop(end)
        nodes[own] = attrs.evolve(node, shape=Shape.END, title=title)
    elif not left and any(s.startswith("join ") for s in same):
        nodes[own] = attrs.evolve(node, shape=Shape.GATEWAY, title="×", lines=())
    elif not left:
        nodes[own] = attrs.evolve(node, shape=Shape.PLACE, title=title)
    return same


_UNSEEN = ("multi-merge", "arbitrary-cycles", "deferred-choice")
"""Joins and splits that need no sign of their own where the element has its place."""

_SIGNS = {"general-synchronizing-merge": "○", "structured-synchronizing-merge": "○"}


def _located(cluster: Cluster, known: Mapping[str, Box]) -> dict[str, Box] | None:
    """Where every node of a net stands; None: the file says too little of it."""
    found: dict[str, Box] = {}
    for node in cluster.nodes:
        kind, _, name = node.id.partition(" ")
        if kind in ("task", "place") and name in known:
            found[node.id] = known[name]
    own = [n for n in cluster.nodes if n.id.startswith(("task ", "place "))]
    if not own or len(found) * 2 < len(own):
        return None
    follows = {e.target: e.source for e in cluster.edges}
    leads = {e.source: e.target for e in cluster.edges}
    left = [node for node in cluster.nodes if node.id not in found]
    for _ in range(len(left) + 1):
        for node in left:
            if node.id not in found:
                _beside(node, found, follows, leads)
    bottom = max(box.edges[3] for box in found.values())
    for number, node in enumerate(n for n in left if n.id not in found):
        found[node.id] = Box(60.0 + 120.0 * number, bottom + GAP, *_size(node))
    return found


def _beside(
    node: Node, found: dict[str, Box], follows: Mapping[str, str], leads: Mapping[str, str]
) -> None:
    """Put a node beside the one that it belongs to, if that has its place."""
    kind, _, name = node.id.partition(" ")
    owner = f"task {name.rstrip('!')}"
    owner = owner if owner in found else f"place {name.rstrip('!')}"
    width, height = _size(node)
    if kind in _BESIDE and owner in found:
        at, (right, down) = found[owner], _BESIDE[kind]
        out = at.width / 2 if right > 0 else -at.width / 2
        lower = 18.0 if name.endswith("!") else 0.0
        box = Box(at.x + out + right, at.y + down + lower, width, height)
        if kind == "end" and any(_meet(box.edges, other.edges) for other in found.values()):
            below = box.moved(-out - right, at.height / 2 + 24.0)
            frame = at.width > 2 * SMALL or any(
                _meet(below.edges, other.edges) and not _within(below.edges, other.edges)
                for other in found.values()
            )
            box = box if frame else below
        found[node.id] = box
    elif node.id.startswith("split ") and owner not in found and follows.get(node.id) in found:
        found[node.id] = found[follows[node.id]].moved(0.0, 22.0)
    elif node.id == "start" and leads.get("start") in found:
        at = found[leads["start"]]
        found[node.id] = Box(at.edges[0] - 40.0, at.y, width, height)
    elif node.shape is Shape.PLACE and not node.title and leads.get(node.id) in found:
        at = found[leads[node.id]]
        found[node.id] = Box(at.edges[0] - 14.0, at.y, 12.0, 12.0)
    elif follows.get(node.id) in found:
        at = found[follows[node.id]]
        found[node.id] = Box(at.edges[2] + 30.0 + width / 2, at.edges[3] + height, width, height)


def _size(node: Node) -> tuple[float, float]:
    match node.shape:
        case Shape.TASK | Shape.SEVERAL | Shape.PATTERN | Shape.NOTE:
            return 100.0, 50.0
        case Shape.START | Shape.END:
            return 20.0, 20.0
        case _:
            return 30.0, 30.0


def _around(boxes: Mapping[str, Box]) -> tuple[float, float, float, float]:
    edges = [box.edges for box in boxes.values()]
    return (
        min(e[0] for e in edges), min(e[1] for e in edges),
        max(e[2] for e in edges), max(e[3] for e in edges),
    )  # fmt: skip


def _apart(names: list[str], specification: Specification, boxes: list[dict[str, Box]]) -> None:
    """Move a net below the others, unless it lies within its task or beside all others."""
    frames = {
        use.argument: (names.index(net.name) if net.name in names else 0, f"task {task.name}")
        for net in specification.nets.values()
        for task in net.tasks.values()
        for use in task.uses
        if use.name == "net"
    }
    done: list[int] = []
    for number, name in enumerate(names):
        mine = _around(boxes[number])
        parent, task = frames.get(name, (-1, ""))
        outer = boxes[parent].get(task) if parent >= 0 and parent != number else None
        if outer is None or not _within(mine, outer.edges):
            others = [_around(boxes[i]) for i in done]
            if any(_meet(mine, other) for other in others):
                down = max(other[3] for other in others) + GAP - mine[1]
                boxes[number] = {k: box.moved(0.0, down) for k, box in boxes[number].items()}
        done.append(number)


def _within(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether one lies in the other, but for what was put beside its nodes."""
    left, top, right, bottom = (a - b for a, b in zip(one, other, strict=True))
    return left >= -GAP and top >= -GAP and right <= GAP and bottom <= GAP


def _meet(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]

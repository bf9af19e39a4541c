"""What YAWL asks of a net beyond its schema: rules that a file can break and still be read.

A net is a directed graph from its input condition to its output condition. Everything in it stands
on a path between the two, nothing flows into the one or out of the other, and a condition flows
into tasks alone. A split that chooses has a default, the instances of a task have bounds that
fit, and the work of a net cannot be passed by. What breaks a rule is a `Finding`: the file is read,
and verification tells it.

W. M. P. van der Aalst, A. H. M. ter Hofstede, "YAWL: Yet Another Workflow Language" (2005),
definition 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

import attrs

from weft.schema.imports import Finding

__all__ = ["Element", "Shape", "idle_nets", "shape_findings", "unused_findings"]

Kind = Literal["inputCondition", "outputCondition", "condition", "task"]


@attrs.frozen
class Element:
    """A task or condition of a net, as far as the rules ask.

    Args:
        id: What the file calls it.
        kind: The name of its XML element.
        to: The identifiers of what it flows into.
        line: Where it stands.
        split: ``and``, ``xor`` or ``or``.
        default: Whether one of its flows is the default.
        predicates: How many of its flows have a predicate.
        bounds: The minimum, maximum and threshold of its instances, as far as they are numbers.
        work: The decomposition that does its work; empty for an empty task.
        waits: Whether it waits for a time.
    """

    id: str
    kind: Kind
    to: Sequence[str]
    line: int | None = None
    split: str = "and"
    default: bool = False
    predicates: int = 0
    bounds: Mapping[str, int] = attrs.field(factory=dict)
    work: str = ""
    waits: bool = False


@attrs.frozen
class Shape:
    """A net as the rules see it: its elements by identifier."""

    name: str
    elements: Mapping[str, Element]
    line: int | None = None

    def of(self, kind: Kind) -> str | None:
        """The first element of a kind."""
        return next((e.id for e in self.elements.values() if e.kind == kind), None)

    def into(self) -> dict[str, list[str]]:
        """What flows into each element."""
        into: dict[str, list[str]] = {id_: [] for id_ in self.elements}
        for element in self.elements.values():
            for target in element.to:
                into[target].append(element.id)
        return into


def shape_findings(net: Shape) -> Iterator[Finding]:
    """What is amiss in the graph of a net, in the order of the file."""
    into = net.into()

    def finding(element: Element, code: str, message: str) -> Finding:
        return Finding(
            "error", code, f"net {net.name!r}: {message}", element.id, element.line, net.name
        )

    first, last = net.of("inputCondition"), net.of("outputCondition")
    after = _reached(first, lambda id_: net.elements[id_].to)
    before = _reached(last, lambda id_: into[id_])
    for element in net.elements.values():
        id_ = element.id
        if element.kind == "inputCondition" and into[id_]:
            sources = ", ".join(repr(s) for s in into[id_])
            yield finding(
                element,
                "input-preset",
                f"the preset of the input condition {id_!r} is not empty: it holds {sources}",
            )
        elif element.kind == "outputCondition" and element.to:
            targets = ", ".join(repr(t) for t in element.to)
            yield finding(
                element,
                "output-postset",
                f"the postset of the output condition {id_!r} is not empty: it holds {targets}",
            )
        for target in element.to:
            other = net.elements[target].kind
            if other == "inputCondition":
                yield finding(
                    element,
                    "flow-into-input",
                    f"a flow runs from {id_!r} into the input condition {target!r}",
                )
            elif element.kind != "task" and other != "task":
                yield finding(
                    element,
                    "flow-between-conditions",
                    f"a flow runs from the condition {id_!r} into the condition {target!r}: "
                    "between two conditions stands a task",
                )
        if first is not None and last is not None and not (id_ in after and id_ in before):
            how = (
                "leads to it from the input condition"
                if id_ not in after
                else "leads on from it to the output condition"
            )
            yield finding(
                element,
                "off-path",
                f"{id_!r} is not on a directed path from input to output: no flow {how}",
            )
        yield from _of_task(element, finding)


def _of_task(
    element: Element, finding: Callable[[Element, str, str], Finding]
) -> Iterator[Finding]:
    """What is amiss in a task by itself."""
    several = len(element.to) > 1
    if several and element.split in ("xor", "or") and not element.default:
        more = element.predicates < len(element.to)
        if not more and element.split == "or":
            message = "has no default flow: where no predicate holds the case fails"
        else:
            message = "has no default flow: where no predicate holds, its last flow is taken"
        yield attrs.evolve(
            finding(
                element, "no-default", f"the {element.split}-split of {element.id!r} {message}"
            ),
            level="warning",
        )
    least, most = element.bounds.get("minimum"), element.bounds.get("maximum")
    enough = element.bounds.get("threshold")
    if least is not None and most is not None and least > most:
        yield finding(
            element,
            "instances",
            f"the minimum of {element.id!r}'s instances, {least}, is above the maximum, {most}",
        )
    if enough is not None and most is not None and enough > most:
        yield attrs.evolve(
            finding(
                element,
                "instances",
                f"the threshold of {element.id!r}, {enough}, is above the maximum, {most}: it "
                "waits for all its instances",
            ),
            level="warning",
        )


def _reached(start: str | None, on: Callable[[str], Sequence[str]]) -> set[str]:
    seen = set() if start is None else {start}
    queue = list(seen)
    while queue:
        for following in on(queue.pop()):
            if following not in seen:
                seen.add(following)
                queue.append(following)
    return seen


def idle_nets(nets: Sequence[Shape]) -> Iterator[Finding]:
    """Nets that may complete without any work: by conditions, and tasks that do nothing.

    A task whose net may do so is one of them, so this is a least fixpoint over the nets.
    """
    idle: dict[str, Shape] = {}
    grown = True
    while grown:
        grown = False
        for net in nets:
            if net.name not in idle and _passed(net, idle):
                idle[net.name], grown = net, True
    for net in nets:
        if net.name in idle:
            yield Finding(
                "warning",
                "no-work",
                f"net {net.name!r} may complete without any work: its empty tasks make a way "
                "from input to output",
                line=net.line,
                net=net.name,
            )


def _passed(net: Shape, idle: Mapping[str, Shape]) -> bool:
    """Whether something leads through a net by what does no work."""
    elements = net.elements

    def on(id_: str) -> list[str]:
        return [
            target
            for target in elements[id_].to
            if elements[target].kind != "task"
            or (not elements[target].waits and (elements[target].work or None) in (None, *idle))
        ]

    return net.of("outputCondition") in _reached(net.of("inputCondition"), on)


def unused_findings(unused: Mapping[str, int | None]) -> Iterator[Finding]:
    """Decompositions that no task of a net that runs names, with the line of each."""
    for name, line in unused.items():
        yield Finding(
            "warning", "unused-decomposition", f"decomposition {name!r} is unused", name, line
        )

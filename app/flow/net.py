"""A process as a graph: every pattern by its name, where sequences and choices do not nest.

What `process` builds is a net in which every piece has one way in and one way out. Some are not
made so: a milestone, a discriminator, a flow back into the middle. Here tasks and places are made
first and have ids; then it is said what follows what, in the words of the native format.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NewType, TypeVar, overload

import attrs

from weft.engine.fragment import Fragment
from weft.engine.ports import Connector
from weft.flow.building import Head, Process, built
from weft.flow.expressions import Expression, Variable, here
from weft.flow.lowering import Draft
from weft.flow.steps import NoValue, Performed
from weft.schema.jsonvalue import JsonValue
from weft.schema.specification import PlaceDefinition, Termination, Use

__all__ = ["GraphBuilder", "NodeId", "PlaceId", "StartedGraph", "TaskId", "by", "graph"]

B = TypeVar("B")

TaskId = NewType("TaskId", str)
"""A task of a graph."""

PlaceId = NewType("PlaceId", str)
"""A declared place of a graph."""

NodeId = TaskId | PlaceId
"""What a flow can lead to."""

_NAME = re.compile(r"[A-Za-z_]\w*")


def by(pattern: str, argument: JsonValue = None) -> Use:
    """A pattern by its name, with its parameters as the native format has them."""
    return Use(pattern, argument)


def graph(
    name: str,
    *takes: Variable[Any],
    version: str = "1",
    description: str = "",
    keeps: Iterable[Variable[Any]] = (),
    termination: Literal["implicit", "explicit"] = "implicit",
) -> GraphBuilder:
    """Begin a process that is a graph.

    Args:
        name: What it is called.
        takes: The variables that it is given.
        version: Its version.
        description: What it is for.
        keeps: Further variables, beside those that its tasks read or write by themselves.
        termination: When it is done; see the native format.
    """
    head = Head(name, version, description, takes, tuple(keeps), here())
    return GraphBuilder(head, Termination(termination))


class GraphBuilder:
    """A graph that is being made; it can be built as soon as it says where it starts."""

    def __init__(self, head: Head, termination: Termination) -> None:
        self._head = head
        self._termination = termination
        self._lowering = head.lowering()
        self._places: dict[str, PlaceDefinition] = {}
        self._uses: list[Use] = []

    def task(self, step: Performed[Any, Any]) -> TaskId:
        """A task; what it works on is said by ``given``, since nothing is before it."""
        at = here()
        return TaskId(self._lowering.add_task(step._action(), at).name)

    def point(self, name: str) -> TaskId:
        """A task that does nothing: a point where flows meet or part."""
        return TaskId(self._lowering.add_task(name, here()).name)

    def place(self, name: str, *, tokens: int = 0, description: str = "") -> PlaceId:
        """A place with a name, and the tokens that it holds at the start."""
        at = here()
        if name in self._places:
            self._lowering.fault(at, f"two places are called {name!r}", "duplicate-name")
        self._places[name] = PlaceDefinition(name, tokens=tokens, description=description)
        self._lowering.places["net", "places", name] = at
        return PlaceId(name)

    def then(self, source: NodeId, target: NodeId | Use) -> None:
        """What follows a task or place: another, or what a pattern says."""
        use = target if isinstance(target, Use) else Use("sequence", target)
        if source in self._places:
            self._places[source] = attrs.evolve(self._places[source], then=use)
            self._said("places", source, "then")
        else:
            self._draft(source).then = use
            self._said("tasks", source, "then")

    def on_failure(
        self, source: TaskId, target: NodeId | Use | Literal["skip", "ask", "compensate"]
    ) -> None:
        """What follows when a task's work has failed for good."""
        use = target if isinstance(target, Use) else Use("sequence", target)
        self._draft(source).failed = use
        self._said("tasks", source, "on-failure")

    def on_timeout(self, source: TaskId, target: NodeId | Use) -> None:
        """What follows when a task's work was not done in its timeout."""
        use = target if isinstance(target, Use) else Use("sequence", target)
        self._draft(source).late = use
        self._said("tasks", source, "on-timeout")

    def on_due(self, source: TaskId, target: NodeId | Use) -> None:
        """Where a branch begins beside a task that is due and not done."""
        use = target if isinstance(target, Use) else Use("sequence", target)
        self._draft(source).due = use
        self._said("tasks", source, "on-due")

    def compensate(self, source: TaskId, undoer: TaskId) -> None:
        """The task that undoes another one, when a task whose failure asks for it has failed."""
        self._draft(source).compensate = undoer
        self._said("tasks", source, "compensate")

    def join(self, task: TaskId, pattern: Use) -> None:
        """How the flows that lead to a task meet."""
        self._draft(task).join = pattern
        self._said("tasks", task, "join")

    def around(self, task: TaskId, pattern: Use) -> None:
        """A pattern around a task."""
        self._draft(task).around.append(pattern)
        self._said("tasks", task, pattern.name)

    def across(self, pattern: Use) -> None:
        """A pattern over several tasks."""
        self._said("patterns", len(self._uses))
        self._uses.append(pattern)

    def starts_on(
        self, event: str, *, when: str | None = None, data: Mapping[str, JsonValue] | None = None
    ) -> None:
        """Have an event start cases of the process; see `Unfinished.starts_on`."""
        self._head = self._head.starts_on(event, when, data)

    def start(self, *nodes: NodeId) -> StartedGraph:
        """Where the process starts; with that it can be built."""
        at = here()
        self._lowering.start = nodes
        self._lowering.places["net", "start"] = at
        if not nodes:
            self._lowering.fault(at, "a process starts somewhere: name a task or place", "start")
        return StartedGraph(self)

    def _draft(self, task: str) -> Draft:
        draft = self._lowering.drafts.get(task)
        if draft is None:
            at = here()
            self._lowering.fault(at, f"there is no task {task!r} in this graph", "unknown-target")
            draft = Draft(None, task, at)
        return draft

    def _said(self, *location: str | int) -> None:
        self._lowering.places[("net", *location)] = here()


class StartedGraph:
    """A graph that says where it starts."""

    def __init__(self, graph: GraphBuilder) -> None:
        self._graph = graph

    @overload
    def build(
        self,
        *,
        patterns: Iterable[Callable[..., Fragment]] = (),
        connectors: Mapping[str, Connector] | None = None,
    ) -> Process[Any, NoValue]: ...
    @overload
    def build(
        self,
        gives: Expression[B],
        *,
        patterns: Iterable[Callable[..., Fragment]] = (),
        connectors: Mapping[str, Connector] | None = None,
    ) -> Process[Any, B]: ...
    def build(
        self,
        gives: Expression[Any] | None = None,
        *,
        patterns: Iterable[Callable[..., Fragment]] = (),
        connectors: Mapping[str, Connector] | None = None,
    ) -> Process[Any, Any]:
        """The process, checked as a whole; it gives a variable or a task's result, or nothing.

        Raises:
            DefinitionErrors: Everything that is wrong with it, each with file and line.
        """
        graph, lowering = self._graph, self._graph._lowering
        value = None
        if gives is not None:
            value = lowering.expression(gives, here())
            if not _NAME.fullmatch(value):
                lowering.fault(
                    here(),
                    f"a process gives a variable or the result of a task, not {value!r}",
                    "value",
                )
        lowered = lowering.finish(
            NoValue if gives is None else gives.kind,
            value,
            places=graph._places,
            termination=graph._termination,
            uses=tuple(graph._uses),
        )
        return built(graph._head, lowering, lowered, patterns, connectors or {})

"""A process as a directed acyclic graph: tasks, and what each of them needs.

    build, test, docs = shell("build", "make"), shell("test", "make", "test"), shell("docs", "make", "docs")
    release = dag("release", {build: (), test: [build], docs: [build], publish: [test, docs]})

Every task starts as soon as all that it needs has completed (`weft.schema.dag`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from weft.engine.fragment import Fragment
from weft.engine.ports import Connector
from weft.flow.building import ROOT, Head, Process, built
from weft.flow.expressions import Variable, here
from weft.flow.steps import NoValue, Performed
from weft.schema.dag import dag as specification_of
from weft.schema.errors import DefinitionError, DefinitionErrors

__all__ = ["dag"]


def dag(
    name: str,
    needs: Mapping[Performed[Any, Any], Iterable[Performed[Any, Any]]],
    *,
    takes: Iterable[Variable[Any]] = (),
    version: str = "1",
    description: str = "",
    patterns: Iterable[Callable[..., Fragment]] = (),
    connectors: Mapping[str, Connector] | None = None,
) -> Process[Any, NoValue]:
    """A process in which every task starts after all that it needs.

    Args:
        name: What it is called.
        needs: Each task with those that must have completed before it starts. A task is known by
            its name: `test` and `test.given(build.result)` are one.
        takes: The variables that the process is given.
        version: Its version.
        description: What it is for.
        patterns: Pattern executors of one's own.
        connectors: Connectors of one's own, by kind.

    Raises:
        DefinitionErrors: Tasks need each other in a circle, which is named, or what is no task;
            and everything that is wrong with a process.
    """
    at = here()
    head = Head(name, version, description, tuple(takes), (), at)
    lowering = head.lowering()
    names: dict[str, list[str]] = {}
    for step, before in needs.items():
        draft = lowering.add_task(step._action(), at)
        names[draft.name] = [other._action().name for other in before]
    lowered = lowering.finish(NoValue, None)
    try:
        graph = specification_of(name, lowered.net.tasks, names, variables=lowered.net.variables)
    except DefinitionErrors as group:
        faults = [
            DefinitionError(fault.message, code=fault.code, file=at.file, line=at.line)
            for fault in (*lowering.faults, *group.faults)
        ]
        raise DefinitionErrors(f"process {name!r} cannot be built", faults) from None
    net = attrs.evolve(graph.nets[graph.root], name=ROOT)
    lowering.start = net.start
    return built(head, lowering, attrs.evolve(lowered, net=net), patterns, connectors or {})

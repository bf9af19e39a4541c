"""Tasks and what each of them needs: a specification from a directed acyclic graph.

    dag(
        "release",
        {name: TaskDefinition(name, uses=(Use("shell", ["make", name]),)) for name in names},
        {"test": ["build"], "docs": ["build"], "publish": ["test", "docs"]},
    )

Every task starts as soon as all that it needs has completed. That is WCP-2 and WCP-3 and nothing
else: a task that several need is followed by a parallel split, a task that needs several begins
with a synchronization, and those that need nothing start with the case.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from heapq import heapify, heappop, heappush
from typing import Final

import attrs

from weft.schema.datatypes import Variable
from weft.schema.errors import DefinitionError, raise_faults
from weft.schema.specification import (
    NetDefinition,
    Specification,
    TaskDefinition,
    Use,
)

__all__ = ["dag", "shortest_cycle", "topological_order"]

_ROOT: Final = "net"


def dag(
    name: str,
    tasks: Mapping[str, TaskDefinition],
    needs: Mapping[str, Collection[str]],
    *,
    version: str = "1.0.0",
    variables: Mapping[str, Variable] | None = None,
    description: str = "",
) -> Specification:
    """A specification in which every task starts after all that it needs.

    Args:
        name: The specification's name.
        tasks: The tasks by name, without ``join`` and ``then``, which follow from the needs.
            An ``on_failure`` has to lead to a task of its own: it would be a second way in.
        needs: Task to the tasks that must have completed before it starts; a task that is not
            here, or needs nothing, starts with the case. To need what one needs already through
            another is allowed.
        version: The specification's version.
        variables: The declared data of the case.
        description: What the process is for.

    Raises:
        DefinitionErrors: There are no tasks, names do not fit, a task has flows of its own, or
            tasks need each other in a circle, which is named.
    """
    faults = _faults(name, tasks, needs)
    raise_faults(f"{name} is not a graph of tasks", faults)
    needed = {task: tuple(dict.fromkeys(needs.get(task, ()))) for task in tasks}
    followers: dict[str, list[str]] = {task: [] for task in tasks}
    for task, before in needed.items():
        for earlier in before:
            followers[earlier].append(task)
    definitions = {
        task: attrs.evolve(
            definition,
            join=Use("synchronization") if len(needed[task]) > 1 else None,
            then=_split(followers[task]),
        )
        for task, definition in ((task, tasks[task]) for task in topological_order(needed))
    }
    net = NetDefinition(
        name=_ROOT,
        start=tuple(task for task in definitions if not needed[task]),
        tasks=definitions,
        variables=dict(variables or {}),
    )
    return Specification(
        name=name, version=version, nets={_ROOT: net}, root=_ROOT, description=description
    )


def _split(followers: list[str]) -> Use | None:
    if len(followers) > 1:
        return Use("parallel-split", list(followers))
    return Use("sequence", followers[0]) if followers else None


def _faults(
    name: str, tasks: Mapping[str, TaskDefinition], needs: Mapping[str, Collection[str]]
) -> list[DefinitionError]:
    """Everything that is wrong with the graph."""
    faults: list[DefinitionError] = []

    def fault(message: str, code: str) -> None:
        faults.append(DefinitionError(f"{name}: {message}", code=code))

    if not tasks:
        fault("there are no tasks", "empty")
    for key, task in tasks.items():
        if task.name != key:
            fault(f"the task under {key!r} is called {task.name!r}; they have to agree", "name")
        if task.join is not None or task.then is not None:
            fault(f"task {key!r} has a join or a then: in a graph they follow from needs", "flow")
    for task_name, before in needs.items():
        if task_name not in tasks:
            fault(f"needs tells of task {task_name!r}{_near(task_name, tasks)}", "unknown-target")
        if isinstance(before, str):
            fault(f"{task_name!r} needs a list of tasks, such as [{before!r}]", "needs")
            continue
        for earlier in dict.fromkeys(before):
            if earlier not in tasks:
                hint = _near(earlier, tasks)
                fault(f"{task_name!r} needs {earlier!r}{hint}", "unknown-target")
    if not faults:
        cycle = shortest_cycle({task: needs.get(task, ()) for task in tasks})
        if cycle:
            fault(f"tasks need each other in a circle: {' -> '.join(cycle)}", "cycle")
    return faults


def _near(name: str, tasks: Collection[str]) -> str:
    near = get_close_matches(name, tasks, n=1)
    return f", which is no task; did you mean {near[0]!r}?" if near else ", which is no task"


def topological_order(graph: Mapping[str, Collection[str]]) -> list[str]:
    """The nodes of a graph so that each comes after all that it needs.

    Of the nodes that may come next, the one that is named first in ``graph`` does, so the order
    follows that of the author as far as the needs allow. This is the algorithm of A. B. Kahn,
    "Topological Sorting of Large Networks" (1962), with a heap for the nodes that are ready;
    it takes O(n log n + m) steps for n nodes with m needs.

    Args:
        graph: Node to the nodes that must come before it; those nodes are in it, too.

    Raises:
        DefinitionError: There is a circle; the message names the shortest.
    """
    rank = {node: i for i, node in enumerate(graph)}
    names = list(graph)
    missing = {node: len(set(before)) for node, before in graph.items()}
    followers: dict[str, list[str]] = {node: [] for node in graph}
    for node, before in graph.items():
        for earlier in set(before):
            followers[earlier].append(node)
    ready = [rank[node] for node, count in missing.items() if not count]
    heapify(ready)
    order: list[str] = []
    while ready:
        node = names[heappop(ready)]
        order.append(node)
        for follower in followers[node]:
            missing[follower] -= 1
            if not missing[follower]:
                heappush(ready, rank[follower])
    if len(order) < len(graph):
        cycle = shortest_cycle(graph)
        raise DefinitionError(f"there is a circle: {' -> '.join(cycle)}", code="cycle")
    return order


def shortest_cycle(graph: Mapping[str, Collection[str]]) -> list[str]:
    """A shortest circle of a graph, its first node repeated at the end; empty if there is none.

    A node comes before those that need it: ``a -> b`` means that b needs a. Only nodes that can
    be on a circle are searched from: those left when sources and sinks are peeled off. From each
    of them a breadth-first search finds its shortest way back; the graph of a case's author is
    small, so O(n m) will do.
    """
    ahead: dict[str, list[str]] = {node: [] for node in graph}
    for node, before in graph.items():
        for earlier in dict.fromkeys(before):
            ahead[earlier].append(node)
    core = _core(ahead)
    best: list[str] = []
    for start in core:
        came: dict[str, str] = {}
        queue = deque([(start, 0)])
        while queue:
            node, length = queue.popleft()
            if best and length + 1 >= len(best) - 1:
                break
            if start in ahead[node]:
                came[start] = node
                break
            for following in ahead[node]:
                if following in core and following not in came:
                    came[following] = node
                    queue.append((following, length + 1))
        if start in came:
            way = [start, came[start]]
            while way[-1] != start:
                way.append(came[way[-1]])
            best = way[::-1]
    return best


def _core(ahead: Mapping[str, Collection[str]]) -> dict[str, None]:
    """The nodes that are left when those without a way in, or a way out, are taken away."""
    left = dict.fromkeys(ahead)
    while True:
        behind = {following for node in left for following in ahead[node] if following in left}
        keep = [n for n in left if n in behind and any(f in left for f in ahead[n])]
        if len(keep) == len(left):
            return left
        left = dict.fromkeys(keep)

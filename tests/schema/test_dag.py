"""Graphs of tasks: ordered like the standard library's, refused with their shortest circle."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.schema.dag import dag, shortest_cycle, topological_order
from weft.schema.errors import DefinitionError, DefinitionErrors
from weft.schema.specification import TaskDefinition, Use

Graph = dict[str, list[str]]


def named(*names: str) -> dict[str, TaskDefinition]:
    return {name: TaskDefinition(name, uses=(Use("python", "f"),)) for name in names}


@st.composite
def graphs(draw: Any, *, acyclic: bool) -> Graph:
    size = draw(st.integers(0, 9))
    names = draw(st.permutations([f"n{i}" for i in range(size)]))
    pairs = [(a, b) for a, b in product(range(size), repeat=2) if a < b or not acyclic]
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=15)) if pairs else []
    order = draw(st.permutations(names))
    graph: Graph = {name: [] for name in order}
    for before, after in chosen:
        graph[names[after]].append(names[before])  # also twice
    return graph


@given(graphs(acyclic=True))
def test_the_order_is_topological(graph: Graph) -> None:
    """It is one that graphlib would give, and the first of them in the author's order."""
    order = topological_order(graph)
    assert sorted(order) == sorted(graph)
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    rank = {node: i for i, node in enumerate(graph)}
    ready: set[str] = set()
    for node in order:
        ready |= set(sorter.get_ready())
        assert node == min(ready, key=rank.__getitem__)
        ready.remove(node)
        sorter.done(node)
    assert not sorter.is_active()
    assert shortest_cycle(graph) == []


@given(graphs(acyclic=False))
def test_circles_are_found_where_graphlib_finds_them(graph: Graph) -> None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError:
        with pytest.raises(DefinitionError, match="there is a circle") as caught:
            topological_order(graph)
        assert caught.value.code == "cycle"
        cycle = shortest_cycle(graph)
        assert cycle[0] == cycle[-1]
        assert all(a in graph[b] for a, b in pairwise(cycle))
        assert len(set(cycle)) == len(cycle) - 1
        assert len(cycle) - 1 == shortest_by_powers(graph)
    else:
        assert shortest_cycle(graph) == []
        topological_order(graph)


def shortest_by_powers(graph: Mapping[str, list[str]]) -> int:
    """The length of a shortest circle, by walking n steps from everywhere at once."""
    reached = {(node, node) for node in graph}
    for length in range(1, len(graph) + 1):
        reached = {(start, b) for start, a in reached for b in graph if a in graph[b]}
        if any(start == end for start, end in reached):
            return length
    raise AssertionError("no circle")


def test_tasks_start_after_what_they_need() -> None:
    """Several roots, a join, a split, a task with both, and a need that follows from others."""
    needs = {"c": ["a", "b"], "d": ["c"], "e": ["c", "a"], "f": {"d", "e"}}
    made = dag("g", named("f", "a", "b", "c", "d", "e"), needs, version="2", description="x")
    net = made.nets["net"]
    assert (made.name, made.version, made.root, made.description) == ("g", "2", "net", "x")
    assert net.start == ("a", "b")
    assert list(net.tasks) == ["a", "b", "c", "d", "e", "f"]
    flows = {name: (task.join, task.then) for name, task in net.tasks.items()}
    both = Use("synchronization")
    assert flows == {
        "a": (None, Use("parallel-split", ["c", "e"])),
        "b": (None, Use("sequence", "c")),
        "c": (both, Use("parallel-split", ["d", "e"])),
        "d": (None, Use("sequence", "f")),
        "e": (both, Use("sequence", "f")),
        "f": (both, None),
    }
    assert net.tasks["a"].uses == (Use("python", "f"),)


@pytest.mark.parametrize(
    ("tasks", "needs", "message"),
    [
        ({}, {}, "there are no tasks"),
        (named("a"), {"a": ["a"]}, "in a circle: a -> a"),
        (
            named("a", "b", "c", "d"),
            {"a": ["c"], "b": ["a"], "c": ["b"], "d": ["a", "c"]},
            "in a circle: a -> b -> c -> a",
        ),
        (named("build"), {"build": ["biuld"]}, "which is no task; did you mean 'build'?"),
        (named("a"), {"z": []}, "needs tells of task 'z', which is no task"),
        (named("ab"), {"ab": "ab"}, "'ab' needs a list of tasks, such as ['ab']"),
        ({"a": TaskDefinition("b")}, {}, "the task under 'a' is called 'b'"),
        ({"a": TaskDefinition("a", then=Use("sequence", "a"))}, {}, "has a join or a then"),
        ({"a": TaskDefinition("a", join=Use("synchronization"))}, {}, "has a join or a then"),
    ],
)
def test_what_is_no_graph_of_tasks(tasks: Any, needs: Any, message: str) -> None:
    with pytest.raises(DefinitionErrors) as caught:
        dag("g", tasks, needs)
    assert message in caught.value.message


def test_all_faults_come_at_once() -> None:
    with pytest.raises(DefinitionErrors) as caught:
        dag("g", named("a", "b"), {"a": ["x", "y"], "b": ["z"]})
    assert len(caught.value.exceptions) == 3


def test_a_long_chain_takes_no_stack() -> None:
    names = [f"t{i}" for i in range(20_000)]
    needs = {after: [before] for before, after in pairwise(names)}
    assert topological_order({name: needs.get(name, []) for name in names}) == names

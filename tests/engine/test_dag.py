"""A graph of tasks runs as graphlib would run it: whatever completes, the ready ones are started."""

from __future__ import annotations

from graphlib import TopologicalSorter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.engine import generated as g
from tests.schema.test_dag import graphs
from weft.engine import commands as c
from weft.engine.lifecycle import CaseStatus
from weft.engine.ports import ItemId
from weft.schema.dag import dag
from weft.schema.specification import TaskDefinition, Use


@given(graphs(acyclic=True).filter(bool), st.data())
def test_every_task_starts_when_what_it_needs_is_done(
    graph: dict[str, list[str]], data: Any
) -> None:
    tasks = {name: TaskDefinition(name, uses=(Use("auto", {}),)) for name in graph}
    case = g.begin(g.compiled(dag("g", tasks, graph)))
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    running = set(sorter.get_ready())
    while running:
        assert {item.task for item in case.items.values()} == running
        done = data.draw(st.sampled_from(sorted(running)))
        case = g.perform(case, c.CompleteWorkItem(ItemId(f"{done}/1")))
        running.remove(done)
        sorter.done(done)
        running |= set(sorter.get_ready())
    assert case.status is CaseStatus.COMPLETED

"""Other engines in the benchmarks, each behind a few lines.

To join, write a `Peer` with those methods that the engine can answer, and name it in the entry
point group ``weft.bench``::

    [project.entry-points."weft.bench"]
    other = "other_engine.weft_bench:Other"

A method sets up, and returns a function that does the work once and returns the answer; only that
function is timed. None means that this is not for the engine.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, ClassVar

from weft.bench.nets import PlainNet

__all__ = ["Peer", "PlainPython", "Snakes", "SpiffWorkflow", "peers"]


class Peer:
    """An engine to compare with; this one can do nothing.

    Attributes:
        name: As the table has it.
        needs: The module that must be there, and the distribution that brings it.
        outside: It works in another process, so that only the clock on the wall sees it.
    """

    name: ClassVar[str] = ""
    outside: ClassVar[bool] = False
    needs: ClassVar[tuple[str, str] | None] = None

    def missing(self) -> str | None:
        """What is not there, if something is not."""
        if self.needs is None:
            return None
        module, distribution = self.needs
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what others do is not for here
                import_module(module)
        except ImportError as error:
            return f"{self.name} is left out: {error}; pip install {distribution}"
        return None

    def explore(self, net: PlainNet) -> Callable[[], tuple[int, int]] | None:
        """All markings: how many there are, and how many firings."""
        return None

    def sequence(self, tasks: int, cases: int) -> Callable[[], int] | None:
        """Cases one after the other, each of so many tasks in a row.

        Each task calls a function that adds 1 to ``n``; the answer is the sum of the last ``n``
        of all cases.
        """
        return None

    def split(self, width: int) -> Callable[[], int] | None:
        """One case that splits into so many tasks, which join again; how many were performed."""
        return None

    def loop(self, rounds: int) -> Callable[[], int] | None:
        """One case that does a task until a count is reached; how often it was performed."""
        return None

    def instances(self, number: int) -> Callable[[], int] | None:
        """One case with so many instances of one task; how many were performed."""
        return None


def peers() -> list[Peer]:
    """The peers that come with the suite, and those that other distributions bring."""
    others = entry_points(group="weft.bench")
    return [PlainPython(), SpiffWorkflow(), Snakes(), *(point.load()() for point in others)]


class PlainPython(Peer):
    """What a programmer writes in an afternoon: dictionaries, tuples, and nothing kept."""

    name = "plain Python"

    def explore(self, net: PlainNet) -> Callable[[], tuple[int, int]]:
        """Tuples of counts in a set."""
        transitions = [(tuple(take), tuple(put)) for take, put in net.transitions]

        def work() -> tuple[int, int]:
            first = tuple(net.marking)
            seen, waiting, firings = {first}, [first], 0
            while waiting:
                marking = waiting.pop()
                for take, put in transitions:
                    if all(marking[p] for p in take):
                        firings += 1
                        cells = list(marking)
                        for p in take:
                            cells[p] -= 1
                        for p in put:
                            cells[p] += 1
                        after = tuple(cells)
                        if after not in seen:
                            seen.add(after)
                            waiting.append(after)
            return len(seen), firings

        return work

    def sequence(self, tasks: int, cases: int) -> Callable[[], int]:
        """A token in a dictionary; no events, no journal, no checks."""
        follows = {f"t{i}": f"t{i + 1}" for i in range(tasks)}

        def add(n: int) -> int:
            return n + 1

        def work() -> int:
            total = 0
            for _ in range(cases):
                place, data = "t0", {"n": 0}
                while place in follows:
                    data["n"] = add(data["n"])
                    place = follows[place]
                total += data["n"]
            return total

        return work


class SpiffWorkflow(Peer):
    """SpiffWorkflow 3: its specifications in Python, its tasks performed one by one."""

    name = "SpiffWorkflow"
    needs = ("SpiffWorkflow", "'weft[bench]'")

    def sequence(self, tasks: int, cases: int) -> Callable[[], int]:
        """Simple tasks, each with a function to call when it is run."""
        from SpiffWorkflow.specs import Simple

        spec = _Spiff()
        last = spec.first
        for i in range(tasks):
            task = Simple(spec.spec, f"t{i}")
            task.ready_event.connect(_spiff_add)
            last.connect(task)
            last = task

        def work() -> int:
            total = 0
            for _ in range(cases):
                workflow = spec.workflow({"n": 0})
                workflow.run_all()
                total += workflow.last_task.data["n"]
            return total

        return work

    def split(self, width: int) -> Callable[[], int]:
        """As many outputs, joined by a Join."""
        from SpiffWorkflow.specs import Join, Simple

        spec = _Spiff()
        split = Simple(spec.spec, "split")
        join = Join(spec.spec, "join", split_task="split")
        spec.first.connect(split)
        for i in range(width):
            task = Simple(spec.spec, f"t{i}")
            split.connect(task)
            task.connect(join)

        def work() -> int:
            workflow = spec.workflow({"n": 0})
            workflow.run_all()
            return sum(t.task_spec.name[1:].isdigit() for t in workflow.get_tasks())

        return work

    def instances(self, number: int) -> Callable[[], int]:
        """Its MultiInstance, which makes so many of the task that follows."""
        from SpiffWorkflow.specs import MultiInstance, Simple
        from SpiffWorkflow.task import TaskState

        spec = _Spiff()
        many = MultiInstance(spec.spec, "many", times=number)
        spec.first.connect(many)
        many.connect(Simple(spec.spec, "one"))

        def work() -> int:
            workflow = spec.workflow({"n": 0})
            workflow.run_all()
            return sum(
                t.task_spec.name == "one" and t.state == TaskState.COMPLETED
                for t in workflow.get_tasks()
            )

        return work


def _spiff_add(_: Any, task: Any) -> None:
    task.data["n"] += 1


class _Spiff:
    """A specification of SpiffWorkflow and how it is run."""

    def __init__(self) -> None:
        from SpiffWorkflow.specs import WorkflowSpec

        self.spec = WorkflowSpec("bench", addstart=True)
        self.first = self.spec.start

    def workflow(self, data: dict[str, int]) -> Any:
        """A new case."""
        from SpiffWorkflow.workflow import Workflow

        workflow = Workflow(self.spec)
        workflow.task_tree.data.update(data)
        return workflow


class Snakes(Peer):
    """SNAKES: coloured nets in Python, here with black tokens alone."""

    name = "SNAKES"
    needs = ("snakes.nets", "'weft[bench]'")

    def explore(self, net: PlainNet) -> Callable[[], tuple[int, int]]:
        """Its own state graph."""
        from snakes.nets import PetriNet, Place, StateGraph, Transition, Value, dot

        petri = PetriNet("bench")
        for p, tokens in enumerate(net.marking):
            petri.add_place(Place(f"p{p}", [dot] * tokens))
        for t, (take, put) in enumerate(net.transitions):
            petri.add_transition(Transition(f"t{t}"))
            for p in take:
                petri.add_input(f"p{p}", f"t{t}", Value(dot))
            for p in put:
                petri.add_output(f"p{p}", f"t{t}", Value(dot))
        first = petri.get_marking()

        def work() -> tuple[int, int]:
            petri.set_marking(first)
            graph = StateGraph(petri)
            graph.build()
            firings = sum(len(list(graph.successors(s))) for s in graph)
            return len(graph), firings

        return work

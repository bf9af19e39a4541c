"""A verifier's path, walked by the engine: events from outside in their order, data to suit."""

from __future__ import annotations

from collections.abc import Sequence

from tests.engine import generated as g
from weft.engine import commands as c
from weft.engine.case import CaseState
from weft.engine.decide import decide
from weft.engine.lifecycle import ItemStatus
from weft.engine.net import CompiledSpecification, Role
from weft.engine.ports import ItemId


def chosen(names: Sequence[str], task: str) -> int:
    """The value that makes a task choose as the path has it: the number of its branch."""
    ways = [n.rpartition(" ")[2] for n in names if n.startswith(f"{task}.then.choice ")]
    return int(ways[0]) if ways else 0


def walked(nets: CompiledSpecification, path: Sequence[str]) -> CaseState:
    """The case after a path; what follows by itself has to be what the path says.

    The branches of a choice behind task ``t`` are taken when its result is their number.
    """
    net = nets.nets[nets.root]
    steps = [net.transitions[net.transition_index[name]] for name in path]
    case = g.begin(nets)
    for at, t in enumerate(steps):
        if not t.external:
            continue
        assert t.task is not None
        task = net.tasks[t.task]
        if t.role is Role.START and task.automatic:
            continue  # it has started already: the commands below find it so, or fail
        status = ItemStatus.OFFERED if t.role is Role.START else ItemStatus.STARTED
        item = next(i for i in case.items.values() if (i.task, i.status) == (t.task, status))
        name = ItemId(item.id)
        later = (k for k in range(at + 1, len(steps)) if steps[k].external)
        following = path[at + 1 : next(later, len(steps))]
        match t.role:
            case Role.START:
                asked: c.Command = c.StartWorkItem(name)
            case Role.COMPLETE:
                asked = c.CompleteWorkItem(name, chosen(following, t.task))
            case Role.FAIL:
                asked = c.FailWorkItem(name, {"message": "no"}, retryable=False)
            case _:
                continue
        case = decide(case, asked, time=g.TIME, limits=g.LIMITS).case
    return case

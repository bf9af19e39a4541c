"""Processes as typed Python: words that build the same specification as YAML does.

    from weft.flow import Variable, process, when

    claim = Variable("claim", Claim)
    handle = (
        process("claim", claim)
        .then(assess)                                    # Claim → Assessment
        .then(when("assess.score > 3", pay).otherwise(refuse))
        .build()
    )

A process runs once as Python, to build the net; the net is what the engine runs, and a case that
goes on after a crash goes on with the net. So its Python may do as it likes: nothing of it is
ever replayed. What a step gives must be what the next one takes, and mypy says so.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from weft.flow.expressions import Expression, Variable, cel, constant, together
from weft.flow.steps import (
    Action,
    Choice,
    Failure,
    Handled,
    NoValue,
    ShellResult,
    Step,
    Task,
    Told,
    cancel,
    connect,
    emit,
    end,
    for_each,
    parallel,
    person,
    race,
    receive,
    repeat,
    shell,
    skip,
    subprocess,
    task,
    times,
    wait,
    when,
)

if TYPE_CHECKING:
    from weft.flow.building import Process, ProcessBuilder, Unfinished, process
    from weft.flow.dag import dag
    from weft.flow.net import GraphBuilder, PlaceId, StartedGraph, TaskId, by, graph

# Building a process takes the compiler; a module that only has tasks, as worker processes import
# it, does without.
_LATER = {
    "dag": "weft.flow.dag",
    **dict.fromkeys(("Process", "ProcessBuilder", "Unfinished", "process"), "weft.flow.building"),
    **dict.fromkeys(
        ("GraphBuilder", "PlaceId", "StartedGraph", "TaskId", "by", "graph"), "weft.flow.net"
    ),
}

__all__ = [
    "Action",
    "Choice",
    "Expression",
    "Failure",
    "GraphBuilder",
    "Handled",
    "NoValue",
    "PlaceId",
    "Process",
    "ProcessBuilder",
    "ShellResult",
    "StartedGraph",
    "Step",
    "Task",
    "TaskId",
    "Told",
    "Unfinished",
    "Variable",
    "by",
    "cancel",
    "cel",
    "connect",
    "constant",
    "dag",
    "emit",
    "end",
    "for_each",
    "graph",
    "parallel",
    "person",
    "process",
    "race",
    "receive",
    "repeat",
    "shell",
    "skip",
    "subprocess",
    "task",
    "times",
    "together",
    "wait",
    "when",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LATER[name]), name)
    return value

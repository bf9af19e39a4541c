"""What performs the work items of a task: Python functions, commands, actions, people, events.

`builtin` makes one connector of each kind; a specification names them by their kind, as in
``python: "checks:analyse"``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from weft.connectors.actions import ActionConnector, Context, ModuleSource, action
from weft.connectors.emit import EmitConnector
from weft.connectors.person import PersonConnector
from weft.connectors.python import PythonConnector, RunIn, task
from weft.connectors.shell import ShellConnector
from weft.engine.ports import Connector

__all__ = [
    "ActionConnector",
    "Context",
    "EmitConnector",
    "ModuleSource",
    "PersonConnector",
    "PythonConnector",
    "RunIn",
    "ShellConnector",
    "action",
    "builtin",
    "task",
]


def builtin(
    functions: Mapping[str, Callable[..., Any]] | None = None,
    *,
    modules: Mapping[str, ModuleSource] | None = None,
    folders: Iterable[str | Path] = (),
    agent: Sequence[str] | None = None,
    only_inline: bool = False,
) -> Mapping[str, Connector]:
    """One connector of each kind that comes with Weft, by kind.

    Args:
        functions: Functions of the embedding program, by the name that specifications use.
        modules: Modules of actions of the embedding program, by name.
        folders: Folders of modules of actions.
        agent: The command of the agent that actions may ask; None: that of ``WEFT_AGENT``.
        only_inline: Run Python functions on the event loop, in an order that depends on nothing
            but the case (see `PythonConnector`).
    """
    connectors: list[Connector] = [
        PythonConnector(functions, only_inline=only_inline),
        ShellConnector(),
        ActionConnector(modules, folders=folders, agent=agent, only_inline=only_inline),
        PersonConnector(),
        EmitConnector(),
    ]
    return {connector.kind: connector for connector in connectors}

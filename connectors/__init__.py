"""What performs the work items of a task: Python functions, commands, people.

`builtin` makes one connector of each kind; a specification names them by their kind, as in
``python: "checks:analyse"``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from weft.connectors.person import PersonConnector
from weft.connectors.python import PythonConnector, RunIn, task
from weft.connectors.shell import ShellConnector
from weft.engine.ports import Connector

__all__ = ["PersonConnector", "PythonConnector", "RunIn", "ShellConnector", "builtin", "task"]


def builtin(
    functions: Mapping[str, Callable[..., Any]] | None = None, *, only_inline: bool = False
) -> Mapping[str, Connector]:
    """One connector of each kind that comes with Weft, by kind.

    Args:
        functions: Functions of the embedding program, by the name that specifications use.
        only_inline: Run Python functions on the event loop, in an order that depends on nothing
            but the case (see `PythonConnector`).
    """
    connectors: list[Connector] = [
        PythonConnector(functions, only_inline=only_inline),
        ShellConnector(),
        PersonConnector(),
    ]
    return {connector.kind: connector for connector in connectors}

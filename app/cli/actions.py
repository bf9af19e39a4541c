"""The command that lists modules of actions: those that come with Weft, and the user's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weft.cli import completion
from weft.cli.group import answering
from weft.cli.output import Exit, Screen, table
from weft.cli.own import engine_options, own_options
from weft.schema.errors import UsageError

if TYPE_CHECKING:
    from weft.connectors.actions import Described

__all__ = ["actions"]


@click.command()
@click.argument("module", required=False, metavar="[MODULE]", shell_complete=completion.modules)
@own_options
@answering
def actions(module: str | None, screen: Screen) -> Exit:
    """The modules of actions there are, with inputs and outputs; or those of one module.

    Beside those that come with Weft: those of --modules, of .weft/modules, and of the folder
    modules of the working directory.
    """
    from weft.connectors.actions import ActionConnector

    own = engine_options()
    connector = ActionConnector(folders=own["module_folders"], agent=own.get("agent"))
    found = connector.catalogue(Path.cwd())
    if module is not None:
        if module not in found:
            raise UsageError(
                f"there is no module {module!r}; there are {', '.join(found)}", code="no-module"
            )
        found = {module: found[module]}
    screen.answer({"modules": [_module_object(name, what) for name, what in found.items()]})
    screen.say(*_lines(found))
    return Exit.DONE


def _module_object(name: str, what: Sequence[Described] | str) -> dict[str, Any]:
    if isinstance(what, str):
        return {"module": name, "actions": [], "fault": what}
    return {
        "module": name,
        "actions": [
            {
                "action": action.name,
                "summary": action.summary,
                "inputs": [{"name": n, "required": r} for n, r in action.inputs.items()],
                "outputs": None if action.outputs is None else list(action.outputs),
                "fault": action.fault,
            }
            for action in what
        ],
        "fault": None,
    }


def _lines(found: Mapping[str, Sequence[Described] | str]) -> list[str]:
    rows = []
    for module, what in found.items():
        if isinstance(what, str):
            rows.append([module, "", "", f"cannot be used: {what}"])
            continue
        for action in what:
            inputs = [name if needed else f"[{name}]" for name, needed in action.inputs.items()]
            gives = "anything" if action.outputs is None else ", ".join(action.outputs)
            last = gives if action.fault is None else f"cannot be used: {action.fault}"
            rows.append([module, action.name, ", ".join(inputs), last])
    return table(["MODULE", "ACTION", "INPUTS", "OUTPUTS"], rows)

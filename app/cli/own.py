"""What a user brings along: modules of actions of their own, and their agent's command.

Every command that opens an engine has the same options for them, and the same defaults: the
folders that ``WEFT_MODULES`` names, then ``.weft/modules`` below the working directory. So a case
that was started with them is resumed, completed and cancelled with them.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from weft.schema.errors import UsageError

__all__ = ["AGENT_VARIABLE", "DEFAULT_FOLDER", "MODULES_VARIABLE", "engine_options", "own_options"]

MODULES_VARIABLE = "WEFT_MODULES"
"""The environment variable with the folders of modules, separated as those of ``PATH``."""

AGENT_VARIABLE = "WEFT_AGENT"
"""The environment variable with the agent's command line; actions read it themselves."""

DEFAULT_FOLDER = Path(".weft/modules")
"""Where a user's modules are looked for, if there is such a folder."""

_META = "weft.own"

C = TypeVar("C", bound=Callable[..., Any])


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    context.meta.setdefault(_META, {})[parameter.name] = value


def own_options(command: C) -> C:
    """The options ``--modules`` and ``--agent``; `engine_options` reads what they were given."""
    command = click.option(
        "--modules", multiple=True, metavar="DIR", expose_value=False, callback=_keep,
        type=click.Path(file_okay=False, exists=True),
        help="A folder of modules of actions; may be repeated.  "
        "[env: WEFT_MODULES; default: .weft/modules]",
    )(command)  # fmt: skip
    return click.option(
        "--agent", metavar="COMMAND", expose_value=False, callback=_keep,
        help="The command line of the agent that actions may ask.  [env: WEFT_AGENT]",
    )(command)  # fmt: skip


def engine_options() -> dict[str, Any]:
    """The options of `weft.open` that the running command was given, or else the environment.

    Raises:
        UsageError: A folder that the environment names is none, or the agent's line is no command.
    """
    context = click.get_current_context(silent=True)
    given: dict[str, Any] = {} if context is None else context.meta.get(_META, {})
    folders = [Path(folder) for folder in given.get("modules") or ()]
    named = os.environ.get(MODULES_VARIABLE, "")
    folders += [Path(folder) for folder in named.split(os.pathsep) if folder]
    if DEFAULT_FOLDER.is_dir():
        folders.append(DEFAULT_FOLDER)
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(
                f"{MODULES_VARIABLE} names {str(folder)!r}, which is no folder", code="modules"
            )
    options: dict[str, Any] = {"module_folders": tuple(dict.fromkeys(folders))}
    agent = given.get("agent")
    if agent is not None:
        try:
            options["agent"] = shlex.split(agent)
        except ValueError as error:
            raise UsageError(f"--agent {agent!r} is no command line: {error}", code="agent") from (
                error
            )
    return options

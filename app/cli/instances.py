"""Commands on multiple-instance tasks: add an instance, seal."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from weft.cli.group import answering, store_option
from weft.cli.items import driven
from weft.cli.output import Exit, Screen
from weft.cli.own import own_options
from weft.cli.running import json_value
from weft.cli.telling import otlp_option

if TYPE_CHECKING:
    from weft.engine.runtime.engine import Case

__all__ = ["add", "seal"]


def _instance_command(command: Callable[..., Any]) -> Callable[..., Any]:
    """The arguments and options that both commands share."""

    @click.argument("case", metavar="CASE")
    @click.argument("task", metavar="TASK")
    @click.option(
        "--scope",
        type=click.IntRange(0),
        metavar="N",
        help="Where, if the task is open in several scopes; `weft status` shows them.",
    )
    @click.option("--by", metavar="NAME", help="Who asks for it; it is kept in the journal.")
    @click.option(
        "--id",
        "id",
        metavar="ID",
        help="The id of this command: sent twice with the same id it has one effect.",
    )
    @own_options
    @otlp_option
    @store_option
    @answering
    @wraps(command)
    def called(**options: Any) -> Any:
        return command(**options)

    return called  # fmt: skip


@click.command()
@click.option(
    "--data", metavar="JSON", help="The item of the new instance, as JSON; null if absent."
)
@_instance_command
def add(
    case: str,
    task: str,
    data: str | None,
    scope: int | None,
    by: str | None,
    id: str | None,
    store: str,
    screen: Screen,
) -> Exit:
    """Add an instance to a multiple-instance task that is open for more; the case goes on."""
    item = None if data is None else json_value(data, "--data")

    async def act(handle: Case) -> None:
        await handle.add(task, item, scope=scope, by=by, id=id)

    return driven(case, act, store, screen)


@click.command()
@_instance_command
def seal(
    case: str,
    task: str,
    scope: int | None,
    by: str | None,
    id: str | None,
    store: str,
    screen: Screen,
) -> Exit:
    """Say that no more instances will be added to a task; the case goes on."""

    async def act(handle: Case) -> None:
        await handle.seal(task, scope=scope, by=by, id=id)

    return driven(case, act, store, screen)

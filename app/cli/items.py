"""Commands on work items: claim, release, delegate, start, complete, fail, retry, give up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from weft.cli import completion
from weft.cli.group import answering, store_option
from weft.cli.output import Exit, Screen
from weft.cli.own import own_options
from weft.cli.running import answer_outcome, json_value, listening
from weft.cli.telling import otlp_option
from weft.schema.errors import UsageError

if TYPE_CHECKING:
    from weft.engine.runtime.engine import Case

__all__ = [
    "claim",
    "complete",
    "delegate",
    "driven",
    "fail",
    "give_up",
    "release",
    "retry",
    "start",
]


def split_reference(reference: str) -> tuple[str, str]:
    """The case and the item of a reference like ``order-17:approve/1``.

    Raises:
        UsageError: It is no such reference.
    """
    case, colon, item = reference.rpartition(":")
    task, slash, number = item.rpartition("/")
    if not (colon and case and slash and task and number.isdigit()):
        raise UsageError(
            f"a work item is named CASE:TASK/NUMBER, as `weft worklist` shows it; {reference!r} is "
            "no such name",
            code="item",
        )
    return case, item


def _item_command(command: Callable[..., Any]) -> Callable[..., Any]:
    """The argument and the options that all commands on items share."""

    @click.argument("item", metavar="ITEM", shell_complete=completion.items)
    @click.option("--by", metavar="NAME", help="Who asks for it; it is kept in the journal.")
    @click.option(
        "--id", "id", metavar="ID",
        help="The id of this command: sent twice with the same id it has one effect.",
    )  # fmt: skip
    @own_options
    @otlp_option
    @store_option
    @answering
    @wraps(command)
    def called(**options: Any) -> Any:
        return command(**options)

    return called


@click.command()
@_item_command
def claim(item: str, by: str | None, id: str | None, store: str, screen: Screen) -> Exit:
    """Take an offered work item for yourself (or for whom --by names)."""
    who = by or _login()
    case, item = split_reference(item)

    async def act(handle: Case) -> None:
        await handle.claim(item, who, id=id)

    return _held(case, act, store, screen, f"{case}:{item} is claimed by {who}")


@click.command()
@_item_command
def release(item: str, by: str | None, id: str | None, store: str, screen: Screen) -> Exit:
    """Give a claimed work item back to everybody."""
    case, item = split_reference(item)

    async def act(handle: Case) -> None:
        await handle.release(item, by=by, id=id)

    return _held(case, act, store, screen, f"{case}:{item} is offered to everybody")


@click.command()
@click.option("--to", required=True, metavar="NAME", help="Who is to do it.")
@_item_command
def delegate(
    item: str, to: str, by: str | None, id: str | None, store: str, screen: Screen
) -> Exit:
    """Hand a work item to somebody else."""
    case, item = split_reference(item)

    async def act(handle: Case) -> None:
        await handle.delegate(item, to, by=by, id=id)

    return _held(case, act, store, screen, f"{case}:{item} is delegated to {to}")


@click.command()
@_item_command
def start(item: str, by: str | None, id: str | None, store: str, screen: Screen) -> Exit:
    """Begin with an offered work item."""
    case, item = split_reference(item)

    async def act(handle: Case) -> None:
        await handle.begin(item, by=by, id=id)

    return driven(case, act, store, screen)


@click.command()
@click.option("--data", metavar="JSON", help="The result, as JSON; null if absent.")
@_item_command
def complete(
    item: str, data: str | None, by: str | None, id: str | None, store: str, screen: Screen
) -> Exit:
    """Complete a work item with its result; the case goes on."""
    case, item = split_reference(item)
    result = None if data is None else json_value(data, "--data")

    async def act(handle: Case) -> None:
        await handle.complete(item, result, by=by, id=id)

    return driven(case, act, store, screen)


@click.command()
@click.option("--reason", required=True, help="Why; it is kept in the journal.")
@_item_command
def fail(
    item: str, reason: str, by: str | None, id: str | None, store: str, screen: Screen
) -> Exit:
    """Say that the work on an item has failed."""
    case, item = split_reference(item)

    async def act(handle: Case) -> None:
        await handle.fail(item, reason, by=by, id=id)

    return driven(case, act, store, screen)


@click.command()
@_item_command
def retry(item: str, by: str | None, id: str | None, store: str, screen: Screen) -> Exit:
    """Attempt a failed work item again, now; a failed case goes on with it."""
    case, item = split_reference(item)

    async def act(handle: Case) -> None:
        await handle.retry(item, by=by, id=id)

    return driven(case, act, store, screen)


@click.command("give-up")
@_item_command
def give_up(item: str, by: str | None, id: str | None, store: str, screen: Screen) -> Exit:
    """Do not attempt a failed work item again: take its error branch, or fail the case."""
    case, item = split_reference(item)

    async def act(handle: Case) -> None:
        await handle.give_up(item, by=by, id=id)

    return driven(case, act, store, screen)


def _login() -> str:
    """The name of whoever is logged in.

    Raises:
        UsageError: The system knows no name.
    """
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise UsageError("who claims it? say it with --by NAME", code="who") from error


def _held(
    case: str,
    act: Callable[[Case], Awaitable[None]],
    store: str,
    screen: Screen,
    message: str,
) -> Exit:
    """Change who has an item: the case does not go on by that."""
    from weft.cli.driving import change

    changed = change(case, act, store=store, screen=screen)
    screen.say(message)
    screen.answer(changed.as_json())
    return Exit.DONE


def driven(case: str, act: Callable[[Case], Awaitable[None]], store: str, screen: Screen) -> Exit:
    """Change an item, and drive its case as far as it goes by that."""
    from weft.cli.driving import drive, go_on
    from weft.cli.stores import refuse_missing

    refuse_missing(store)

    async def acted(engine: Any) -> Case:
        handle: Case = await engine.open(case)
        await act(handle)
        await go_on(handle)
        return handle

    outcome = drive(acted, store=store, screen=screen, listeners=listening(screen, quiet=False))
    return answer_outcome(outcome, store, screen)

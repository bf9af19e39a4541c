"""Commands of what waits: send a trigger to a case, and work for all cases of a store."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
import click

from weft.cli import completion
from weft.cli.group import answering, store_option
from weft.cli.output import Exit, Screen
from weft.cli.own import engine_options, own_options
from weft.cli.running import answer_outcome, json_value, listening
from weft.cli.telling import otlp_option

if TYPE_CHECKING:
    import anyio

    from weft.cli.describe import Outcome
    from weft.engine.runtime.engine import Case, Delivery, Engine

__all__ = ["trigger", "work"]


@click.command()
@click.argument("case", shell_complete=completion.cases)
@click.argument("name")
@click.option("--data", metavar="JSON", help="What it carries, as JSON.")
@click.option("--key", metavar="K", help="Only what waits for this correlation key, or for any.")
@click.option("--by", metavar="NAME", help="Who sends it; it is kept in the journal.")
@click.option(
    "--id", "id", metavar="ID",
    help="The id of this trigger: sent twice with the same id it has one effect.",
)  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Tell nothing while the case runs.")
@own_options
@otlp_option
@store_option
@answering
def trigger(
    case: str,
    name: str,
    data: str | None,
    key: str | None,
    by: str | None,
    id: str | None,
    quiet: bool,
    store: str,
    screen: Screen,
) -> Exit:
    """Deliver a trigger to one case, and drive it until it ends or is idle.

    What waits for the trigger goes on. When nothing waits for it, a persistent trigger is kept
    until something does, and a transient one is discarded.
    """
    from weft.bus import patiently
    from weft.cli.driving import drive
    from weft.cli.stores import refuse_missing

    value = None if data is None else json_value(data, "--data")
    refuse_missing(store)
    became: list[Delivery] = []

    async def send(engine: Engine) -> Case:
        handle = await patiently(lambda: engine.open(case))
        became.append(await handle.trigger(name, value, key=key, by=by, id=id))
        return handle

    outcome = drive(send, store=store, screen=screen, listeners=listening(screen, quiet=quiet))
    return _answer(outcome, became[0], name, store, screen)


_WORDS = {
    "received": "{name} was received",
    "kept": "nothing waits for {name} yet: the case keeps it",
    "discarded": "nothing waits for {name}, and it is not kept: it was discarded",
    "repeated": "{name} was sent before with this id: it has had its effect",
}


def _answer(outcome: Outcome, became: Delivery, name: str, store: str, screen: Screen) -> Exit:
    screen.say(_WORDS[became.value].format(name=name))
    return answer_outcome(attrs.evolve(outcome, delivery=became.value), store, screen)


@click.command()
@click.option(
    "--concurrency", type=click.IntRange(min=1), metavar="N",
    help="The most attempts at once; by default any number.",
)  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Tell nothing.")
@own_options
@otlp_option
@store_option
@answering
def work(concurrency: int | None, quiet: bool, store: str, screen: Screen) -> Exit:
    """Work for all cases of a store: timers that are due, schedules, and what was left undone.

    It goes on until it is told to stop: SIGTERM or Ctrl-C let running work end, a second one
    cancels it.
    """
    from weft.bus import work as work_for
    from weft.cli.telling import telling
    from weft.session import open as open_session
    from weft.session import uvloop_available

    listeners = listening(screen, quiet=quiet, live=False)

    import anyio

    async def worked(told: object) -> None:
        options = engine_options() | {"telemetry": told, "concurrency": concurrency}
        async with open_session(store, **options) as engine:
            engine.listeners += listeners
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_until_told, engine, tasks.cancel_scope, screen.say)
                if not quiet:
                    screen.say(f"working on {store}")
                await work_for(engine)
                tasks.cancel_scope.cancel()

    with telling(screen.warn) as told:
        anyio.run(worked, told, backend_options={"use_uvloop": uvloop_available()})
    return Exit.DONE


async def _until_told(
    engine: Engine, everything: anyio.CancelScope, say: Callable[[str], None]
) -> None:
    """Drain at the first signal, cancel at the second."""
    import anyio

    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with anyio.create_task_group() as tasks:
            told = 0
            async for _ in signals:
                told += 1
                if told > 1:
                    everything.cancel()
                    return
                say("stopping: what runs may end")
                tasks.start_soon(_drained, engine, everything)


async def _drained(engine: Engine, everything: anyio.CancelScope) -> None:
    await engine.drain()
    everything.cancel()

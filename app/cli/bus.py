"""Commands of the event bus: deploy specifications to a store, emit events."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from weft.cli.group import answering, beside_option, store_option
from weft.cli.nets import GRAVEST_FIRST
from weft.cli.output import Exit, Screen, error_object, exit_of_error
from weft.cli.own import engine_options, own_options
from weft.cli.running import json_value
from weft.cli.telling import otlp_option
from weft.schema.errors import DefinitionError, WeftError

if TYPE_CHECKING:
    from weft.bus import BusEvent, Emitted
    from weft.engine.ports import CaseSummary
    from weft.engine.runtime.engine import Case
    from weft.weaver.telemetry import Telemetry

__all__ = ["deploy", "emit"]


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@own_options
@store_option
@beside_option
@answering
def deploy(files: Sequence[str], store: str, screen: Screen) -> Exit:
    """Keep specifications in the store: to be run by name, and started by events.

    Each is checked first. The same name and version with another text replaces what was there;
    cases that run go on with what they were started with.
    """
    import anyio

    from weft.loading import load
    from weft.session import open as open_session

    codes = [Exit.DONE]
    only: list[WeftError] = []

    async def deployed() -> None:
        async with open_session(store, **engine_options()) as engine:
            for file in files:
                try:
                    specification = load(Path(file))
                    compiled = engine.add(specification)
                except WeftError as error:
                    if len(files) == 1:  # raised outside, or the engine's nursery would wrap it
                        only.append(error)
                        return
                    codes.append(exit_of_error(error))
                    screen.answer({"file": file, "error": error_object(error)})
                    if not screen.json:
                        place = "" if isinstance(error, DefinitionError) else f"{file}: "
                        screen.warn(f"Error: {place}{error}")
                    continue
                events = [trigger.event for trigger in specification.triggers]
                screen.answer(
                    {
                        "file": file,
                        "name": specification.name,
                        "version": specification.version,
                        "format": specification.source.format,
                        "net": compiled.hash,
                        "triggers": events,
                    }
                )
                told = f", started by {', '.join(events)}" if events else ""
                screen.say(f"{specification.name} {specification.version} is in {store}{told}")

    anyio.run(deployed)
    if only:
        raise only[0]
    return min(codes, key=GRAVEST_FIRST.index)


@click.command()
@click.argument("name")
@click.option("--key", metavar="K", help="What it is about: waiting cases are told apart by it.")
@click.option("--data", metavar="JSON", help="What is known of it, as JSON.")
@click.option(
    "--id", "id", metavar="ID",
    help="Names this very event: emitted twice with the same id it has one effect.",
)  # fmt: skip
@own_options
@otlp_option
@store_option
@answering
def emit(
    name: str, key: str | None, data: str | None, id: str | None, store: str, screen: Screen
) -> Exit:
    """Put an event on the bus: to the cases that wait for it, and those that it starts.

    Those cases are driven until they end or are idle. A case is started by the newest version of
    each specification in the store that names the event under triggers (see `weft deploy`).
    """
    import anyio

    from weft.bus import BusEvent
    from weft.cli.telling import telling

    value = None if data is None else json_value(data, "--data")
    event = BusEvent(name, value, key, id)  # refused before a store is made
    with telling(screen.warn) as told:
        done = anyio.run(_emitted, event, store, told)
    return _answer(*done, screen)


async def _emitted(
    event: BusEvent, store: str, told: Telemetry | bool
) -> tuple[Emitted, dict[str, CaseSummary]]:
    """Emit an event and drive its cases; what has become of it, and of them."""
    from weft.bus import Bus
    from weft.session import open as open_session

    refused: WeftError | None = None
    options = engine_options() | {"telemetry": told}
    async with open_session(store, **options) as engine:
        try:
            emitted = await Bus(engine).emit(event.name, event.data, key=event.key, id=event.id)
            cases: list[Case] = [d.case for d in emitted.delivered]
            cases += [s.handle for s in emitted.started if s.handle is not None]
            for case in cases:
                await case.wait()
            ids = [c.id for c in cases] + [s.case for s in emitted.started]
            summaries = {case: engine.find(case) for case in ids}
        except WeftError as error:  # raised outside, or the engine's nursery would wrap it
            refused = error
    if refused is not None:
        raise refused
    return emitted, {str(case): summary for case, summary in summaries.items()}


def _answer(emitted: Emitted, cases: dict[str, CaseSummary], screen: Screen) -> Exit:
    from weft.cli.describe import case_object

    delivered = [
        {
            **case_object(cases[d.case.id]),
            "waited_for": d.waited_for,
            "delivery": d.delivery.value,
        }
        for d in emitted.delivered
    ]
    started = [{**case_object(cases[s.case]), "again": s.again} for s in emitted.started]
    refused = [
        {
            "specification": {"name": r.specification, "version": r.version},
            "case": r.case,
            "error": error_object(r.error),
        }
        for r in emitted.refused
    ]
    event = attrs.asdict(emitted.event)
    screen.answer({"event": event, "delivered": delivered, "started": started, "refused": refused})
    for d in emitted.delivered:
        screen.say(f"delivered to {d.case.id}, which is {_status(cases[d.case.id])}")
    for s in emitted.started:
        had = "had started" if s.again else "started"
        screen.say(f"{had} {s.case}, which is {_status(cases[s.case])}")
    if not emitted.delivered and not emitted.started:
        screen.say(f"nothing waits for {emitted.event.name}, and nothing starts by it")
    for r in emitted.refused:
        what = f"{r.specification} {r.version}" if r.case is None else r.case
        screen.warn(f"Error: {what}: {r.error}")
    return Exit.NO if emitted.refused else Exit.DONE


def _status(summary: CaseSummary) -> str:
    return "waiting" if summary.status == "running" and summary.idle else summary.status

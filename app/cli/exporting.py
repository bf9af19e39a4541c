"""The command that writes cases as event logs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from weft.cli import completion
from weft.cli.group import answering, store_option
from weft.cli.output import Exit, Screen
from weft.schema.errors import UsageError

__all__ = ["export"]


@click.command()
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@click.argument("names", metavar="[CASE]...", nargs=-1, shell_complete=completion.cases)
@click.option("--specification", metavar="NAME", help="Only cases of this specification.")
@click.option(
    "--firings", is_flag=True,
    help="An event for each firing of the case's net, to replay the log on it.",
)  # fmt: skip
@store_option
@answering
def export(
    target: Path,
    names: Sequence[str],
    specification: str | None,
    firings: bool,
    store: str,
    screen: Screen,
) -> Exit:
    """Write cases as an event log, for process mining: those named, or all there are.

    The suffix of OUT says in which format: .xes is XES, .ocel.json or .jsonocel is OCEL 2.0.
    """
    from weft.cli.stores import reading
    from weft.engine.runtime.live import find_case
    from weft.logs import LOGS

    found = [log for log in LOGS.values() if target.name.lower().endswith(log[1])]
    if not found:
        known = ", ".join(suffix for log in LOGS.values() for suffix in log[1])
        raise UsageError(
            f"the suffix of {target} tells no format of logs; known: {known}", code="format"
        )
    title, _, write = found[0]
    with reading(store, needed=bool(names)) as journal:
        cases = (
            [find_case(journal, name) for name in dict.fromkeys(names)]
            if names
            else list(reversed(journal.cases()))
        )
        if specification is not None:
            cases = [case for case in cases if case.specification == specification]
        with target.open("wb") as out:
            events = write(journal, cases, out, firings=firings)
    screen.answer({"file": str(target), "format": title, "cases": len(cases), "events": events})
    screen.say(f"wrote {target}, in {title}: {len(cases)} cases, {events} events")
    return Exit.DONE

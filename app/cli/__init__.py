"""The command line, `weft`: its commands are in modules by the question that they answer.

`main` is the only way in. It turns every error into its exit code, and with ``--json`` into an
object. Modules import what a command needs when it is used, so that ``weft --help`` is quick.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from weft.cli import (
    actions,
    bench,
    bus,
    catalogue,
    completion,
    converting,
    defining,
    drawing,
    exporting,
    instances,
    items,
    nets,
    queries,
    receipts,
    running,
    waiting,
    weaver,
)
from weft.cli.group import Sections, asks_for_json
from weft.cli.output import Exit, Screen, exit_of_error, keep_answers_apart, prepare_streams
from weft.schema.errors import WeftError

__all__ = ["cli", "main"]

cli = Sections(
    name="weft",
    help="Weft runs workflows: cases that survive crashes and explain themselves.",
    epilog="Exit codes: 0 done, 1 no, 2 usage, 3 waits, 4 undecided, 5 operator, 6 rejected, 70 our fault.",
    sections={
        "Run": [
            running.run,
            running.resume,
            running.suspend,
            running.cancel,
            waiting.trigger,
            bus.emit,
            bus.deploy,
            waiting.work,
        ],
        "Look": [
            queries.list_cases,
            queries.status,
            queries.history,
            receipts.receipt,
            queries.worklist,
            queries.specs,
            queries.show,
            catalogue.patterns,
            actions.actions,
            drawing.draw,
        ],
        "Work": [
            items.claim,
            items.release,
            items.delegate,
            items.start,
            items.complete,
            items.fail,
            items.retry,
            items.give_up,
            instances.add,
            instances.seal,
        ],
        "Write": [defining.define, converting.convert, exporting.export, completion.completion],
        "Nets": [nets.verify, nets.statespace],
        "Store": [queries.collect],
        "Speed": [bench.bench],
        "Telemetry": [weaver.weaver],
    },
)
"""The command group."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; its exit code.

    Args:
        arguments: Without the program's name; by default those of the process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    prepare_streams()
    screen = Screen(json=asks_for_json(given))
    if screen.json and arguments is None:
        keep_answers_apart()
    try:
        code = cli.main(given, prog_name="weft", standalone_mode=False, obj=given)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # the end of the line
        return _failed(unwrapped(error), screen)
    return int(code or 0)


def unwrapped(error: BaseException) -> BaseException:
    """The one error in a task group's wrapping; the group itself where there are several."""
    while (
        isinstance(error, BaseExceptionGroup)
        and not isinstance(error, WeftError)
        and len(error.exceptions) == 1
    ):
        error = error.exceptions[0]
    return error


def _failed(error: BaseException, screen: Screen) -> Exit:
    """Say what went wrong, to whoever asked; the exit code."""
    code = exit_of_error(error)
    try:
        _say(error, code, screen)
    except OSError:  # nobody can be told: standard output or error is full or gone
        return Exit.OPERATOR
    return code


def _say(error: BaseException, code: Exit, screen: Screen) -> None:
    if code is Exit.INTERNAL:
        screen.fail(error, report(error))
    elif isinstance(error, click.UsageError):
        usage = error.ctx.get_usage() + "\n" if error.ctx is not None else ""
        screen.fail(error, f"{usage}Error: {error.format_message()}")
    elif code is Exit.INTERRUPTED:
        screen.fail(error, "Interrupted; the state is kept.")
    else:
        screen.fail(error, f"Error: {_words(error)}")


def _words(error: BaseException) -> str:
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return str(error)


def report(error: BaseException) -> str:
    """What to report of an internal error."""
    import platform
    import traceback

    from weft.cli.group import versions

    trace: Any = "".join(traceback.format_exception(error))
    return (
        f"Internal error: {type(error).__name__}: {error}\n"
        "This is a fault of Weft, not yours. Please report it, with all of this:\n\n"
        f"{versions()} on {platform.platform()}\n"
        f"arguments: {sys.argv[1:]}\n{trace}"
    )

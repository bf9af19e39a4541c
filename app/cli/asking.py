"""Asking a person at the terminal what a work item wants to know."""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from weft.cli.output import Screen, compact

__all__ = ["SIGNALS", "ReadLine", "ask", "terminal"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Those that ask a run to stop."""

ReadLine = Callable[[str], str]
"""Shows a prompt and gives the line that was typed; raises EOFError at the end of the input."""


@contextmanager
def terminal() -> Iterator[ReadLine]:
    """Reading lines from the terminal on the main thread, while the event loop stands still.

    A signal of `SIGNALS` raises KeyboardInterrupt, whenever it comes: `input` would sleep through
    one that comes between its prompt and its read. Other signals are handed on to the loop.
    """
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    handlers = {number: signal.signal(number, lambda *_: None) for number in SIGNALS}
    loop = signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)

    def read_line(prompt: str) -> str:
        sys.stdout.write(prompt)
        sys.stdout.flush()
        while True:
            ready, _, _ = select.select([ours, sys.stdin], [], [])
            if ours in ready:
                came = os.read(ours, 4096)
                if set(came) & set(SIGNALS):
                    raise KeyboardInterrupt
                if loop >= 0:
                    os.write(loop, came)
            else:
                return _line()

    try:
        yield read_line
    finally:
        signal.set_wakeup_fd(loop)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.close(ours)
        os.close(theirs)


def _line() -> str:
    """The next line of standard input.

    Raises:
        EOFError: There is none, or the terminal has gone.
    """
    try:
        line = sys.stdin.readline()
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        line = ""
    if not line:
        raise EOFError
    return line.strip()


def ask(screen: Screen, item: Mapping[str, Any], read_line: ReadLine) -> Any:
    """The answer to a work item; None when the person leaves it open.

    Args:
        screen: Where to ask.
        item: The work item's object.
        read_line: Where the answers come from.
    """
    form = item["form"]
    screen.say("", f"{item['item']}: {form['title']}")
    if form.get("description"):
        screen.say(form["description"])
    screen.say(*(f"  {name} = {compact(value)}" for name, value in item["inputs"].items()))
    try:
        if "properties" not in form:
            return _field(screen, read_line, "answer", form, required=True)
        required = form.get("required", ())
        return {
            name: answer
            for name, field in form["properties"].items()
            if (answer := _field(screen, read_line, name, field, required=name in required))
            is not None
        }
    except _LeftOpen:
        return None
    except EOFError:
        screen.say("")
        return None


class _LeftOpen(Exception):
    """The person has given no answer."""


def _field(
    screen: Screen, read_line: ReadLine, name: str, schema: Mapping[str, Any], *, required: bool
) -> Any:
    """One field of the answer; None when it is not required, and nothing was said.

    Raises:
        _LeftOpen: It is required, and nothing was said.
    """
    choices = schema.get("enum")
    about = {proposal["const"]: proposal for proposal in schema.get("oneOf", ())}
    for number, choice in enumerate(choices or (), 1):
        screen.say(f"  {number}  {_proposal(choice, about.get(choice, {}))}")
    hint = "nothing: leave it open" if required else "nothing: leave it out"
    while said := read_line(f"{name} ({hint}): "):
        if choices:
            if said.isdigit() and 1 <= int(said) <= len(choices):
                return choices[int(said) - 1]
            if said in choices:
                return said
            screen.say(f"It is one of {', '.join(map(str, choices))}, or its number.")
        elif schema.get("type") == "string":
            return said
        else:
            try:
                return json.loads(said)
            except ValueError:
                screen.say(f"This has to be JSON, of the type {schema.get('type', 'any')}.")
    if required:
        raise _LeftOpen
    return None


def _proposal(choice: Any, about: Mapping[str, Any]) -> str:
    """A choice with what there is to say of it."""
    told = [
        str(about[key]) for key in ("title", "description") if about.get(key) not in (None, choice)
    ]
    return f"{choice}: {'. '.join(told)}" if told else str(choice)

"""Asking a person at the terminal what a work item wants to know."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from weft.cli.output import Screen

__all__ = ["ask"]


def ask(screen: Screen, item: Mapping[str, Any]) -> Any:
    """The answer to a work item; None when the person leaves it open.

    Args:
        screen: Where to ask.
        item: The work item's object.

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    form = item["form"]
    screen.say("", f"{item['item']}: {form['title']}")
    if form.get("description"):
        screen.say(form["description"])
    try:
        if "properties" not in form:
            return _field(screen, "answer", form, required=True)
        required = form.get("required", ())
        return {
            name: answer
            for name, field in form["properties"].items()
            if (answer := _field(screen, name, field, required=name in required)) is not None
        }
    except _LeftOpen:
        return None
    except EOFError:
        screen.say("")
        return None


class _LeftOpen(Exception):
    """The person has given no answer."""


def _field(screen: Screen, name: str, schema: Mapping[str, Any], *, required: bool) -> Any:
    """One field of the answer; None when it is not required, and nothing was said.

    Raises:
        _LeftOpen: It is required, and nothing was said.
    """
    choices = schema.get("enum")
    for number, choice in enumerate(choices or (), 1):
        screen.say(f"  {number}  {choice}")
    hint = "nothing: leave it open" if required else "nothing: leave it out"
    while said := input(f"{name} ({hint}): ").strip():
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

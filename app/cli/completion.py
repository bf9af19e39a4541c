"""Completion in the shell: of commands and options by click, of cases and items by the store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weft.cli.group import STORE, answering
from weft.cli.output import Exit, Screen
from weft.schema.errors import WeftError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from weft.engine.ports import Journal

__all__ = ["cases", "completion", "items", "modules", "pattern_names", "specifications"]

SHELLS = ("bash", "zsh", "fish")

MOST = 100
"""So many proposals are made: the newest cases, the oldest items."""


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@answering
def completion(shell: str, screen: Screen) -> Exit:
    """Print what a shell needs to complete weft: commands, options, cases, work items.

    For bash:  eval "$(weft completion bash)"   in ~/.bashrc;
    for zsh the same in ~/.zshrc;
    for fish:  weft completion fish | source    in ~/.config/fish/config.fish.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None, "click has all of them"
    root = click.get_current_context().find_root().command
    script = kind(root, {}, "weft", "_WEFT_COMPLETE").source()
    screen.say(script.strip("\n"))
    screen.answer({"shell": shell, "script": script})
    return Exit.DONE


Proposals = list["CompletionItem"]


def _stored(
    found: Callable[[Journal], Iterable[tuple[str, str]]],
) -> Callable[[click.Context, click.Parameter, str], Proposals]:
    """Proposes what a store has; nothing where it cannot be read."""

    def proposed(context: click.Context, parameter: click.Parameter, begun: str) -> Proposals:
        from click.shell_completion import CompletionItem

        from weft.cli.stores import reading

        del parameter
        store = context.params.get("store") or os.environ.get("WEFT_STORE") or STORE
        try:
            with reading(store) as journal:
                items = [
                    CompletionItem(name, help=about)
                    for name, about in found(journal)
                    if name.startswith(begun)
                ]
        except (WeftError, OSError):
            return []
        return items[:MOST]

    return proposed


def _cases(journal: Journal) -> Iterable[tuple[str, str]]:
    return ((c.case, f"{c.specification}, {c.status}") for c in journal.cases(limit=1000))


def _items(journal: Journal) -> Iterable[tuple[str, str]]:
    return ((f"{row.case}:{row.item}", row.status) for row in journal.worklist())


def _names(journal: Journal) -> Iterable[tuple[str, str]]:
    return {s.name: f"version {s.version}" for s in reversed(journal.specifications())}.items()


cases = _stored(_cases)
"""Proposes the cases of the store, the newest first."""

items = _stored(_items)
"""Proposes the open work items of the store."""

_named = _stored(_names)


def specifications(context: click.Context, parameter: click.Parameter, begun: str) -> Proposals:
    """Proposes the specifications of the store, and lets the shell complete files."""
    from click.shell_completion import CompletionItem

    return [*_named(context, parameter, begun), CompletionItem(begun, type="file")]


def pattern_names(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """Proposes the patterns of the catalogue."""
    from weft.patterns.installed import installed

    del context, parameter
    names = dict.fromkeys(name for p in installed() for name in (p.key, p.written))
    return [name for name in names if name.startswith(begun)]


def modules(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """Proposes the modules of actions."""
    from weft.cli.own import engine_options
    from weft.connectors.actions import ActionConnector

    del parameter
    with context:
        own: dict[str, Any] = engine_options()
    found = ActionConnector(folders=own["module_folders"]).catalogue(Path.cwd())
    return [name for name in found if name.startswith(begun)]

"""The command that draws: a specification, its net, or where a case stands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from weft.cli.group import answering, beside_option, store_option
from weft.cli.output import Exit, Screen
from weft.schema.errors import UsageError

if TYPE_CHECKING:
    from weft.engine.case import CaseState
    from weft.engine.net import CompiledSpecification
    from weft.engine.ports import Journal
    from weft.schema.specification import Specification

__all__ = ["draw"]


@click.command()
@click.argument("what", metavar="[FILE|NAME]", required=False)
@click.option(
    "-o", "--output", required=True, metavar="OUT", type=click.Path(path_type=Path),
    help="Where to; its suffix says what is made: .svg, .png, .dot or .mmd (Mermaid).",
)  # fmt: skip
@click.option("--net", is_flag=True, help="Draw the net, not the specification.")
@click.option("--case", metavar="CASE", help="Show its tokens and its open work.")
@click.option(
    "--path", "paths", multiple=True, metavar="TRANSITION,…",
    help="Highlight this path of transitions of the net.",
)  # fmt: skip
@store_option
@beside_option
@answering
def draw(
    what: str | None,
    output: Path,
    net: bool,
    case: str | None,
    paths: Sequence[str],
    store: str,
    screen: Screen,
) -> Exit:
    """A picture of a specification or net, of where a case stands, or of a path.

    With --case alone, the specification that the case was started from is drawn.
    """
    from weft.drawing import FORMATS
    from weft.drawing import draw as drawn

    kind = output.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise UsageError(
            f"the suffix of {str(output)!r} tells no kind of picture; known: "
            f"{', '.join('.' + known for known in FORMATS)}",
            code="format",
            where=str(output),
        )
    if what is None and case is None:
        raise UsageError("name a specification, or a case with --case", code="usage")
    state = None if case is None else _state(case, store)
    shown = _shown(what, state, store)
    path = [name.strip() for given in paths for name in given.split(",") if name.strip()]
    picture: str | bytes = drawn(shown, format=kind, net=net, case=state, path=path)  # type: ignore[call-overload]
    content = picture.encode() if isinstance(picture, str) else picture
    output.write_bytes(content)
    screen.answer({"file": str(output), "format": kind, "bytes": len(content)})
    screen.say(f"drew {output}")
    return Exit.DONE


def _state(case: str, store: str) -> CaseState:
    from weft.cli.stores import read, reading

    with reading(store, needed=True) as journal:
        return read(journal, case).state


def _shown(
    what: str | None, state: CaseState | None, store: str
) -> Specification | CompiledSpecification:
    """What is drawn: what was named, or what the case was started from."""
    from weft.cli.running import find_specification

    if what is not None:
        if Path(what).suffix.lower() == ".pnml":
            return _plain(Path(what))
        return find_specification(what, store)
    assert state is not None
    from weft.cli.stores import reading

    with reading(store, needed=True) as journal:
        return _pinned(journal, state.compiled)


def _pinned(
    journal: Journal, compiled: CompiledSpecification
) -> Specification | CompiledSpecification:
    """The source of a net; the net itself where its source was replaced or cannot be read."""
    from weft.loading import loads

    known = journal.specification(compiled.name, compiled.version)
    if known is None or known.net != compiled.hash:
        return compiled
    origin = Path(known.origin) if known.origin else None
    return loads(known.source.decode(), origin=origin, format=known.format)


def _plain(path: Path) -> CompiledSpecification:
    from weft.cli.nets import net_of
    from weft.engine.net import CompiledSpecification

    net = net_of(path)
    return CompiledSpecification(net.name, "", {net.name: net}, net.name)

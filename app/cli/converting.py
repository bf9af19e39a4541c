"""The command that converts specifications from one format to another."""

from __future__ import annotations

from pathlib import Path

import click

from weft.cli.group import answering, beside_option, schemas_option
from weft.cli.output import Exit, Screen
from weft.schema.errors import UsageError

__all__ = ["convert"]


@click.command()
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--to", "name", metavar="FORMAT",
    help="The format to write (native, steps…); by default what the suffix of OUT means.",
)  # fmt: skip
@schemas_option
@beside_option
@answering
def convert(source: Path, target: Path, name: str | None, screen: Screen) -> Exit:
    """Write a specification in another format; what that format cannot say is told, all at once.

    The suffix of OUT says which: .yaml is the native format, .steps.yaml the steps format.
    OUT may be -, for standard output, with --to. A name that ends with .weftnet is the image of a
    net, as `weft statespace` and programs map it; for that, IN may be PNML too.
    """
    from weft.cli.nets import net_of
    from weft.cli.queries import warn_of_changes
    from weft.formats import formats
    from weft.images import SUFFIX, write_image
    from weft.loading import load

    if name is None and target.name.lower().endswith(SUFFIX):
        _refuse_same(source, target)
        net = net_of(source)
        write_image(target, net)
        screen.say(f"wrote {target}, the image of the net {net.name!r}")
        lost = ["data, conditions and who does the work"]
        screen.answer({"file": str(target), "format": "image", "lost": lost})
        return Exit.DONE

    known = formats()
    if name is None and str(target) == "-":
        raise UsageError("say with --to in which format to write to standard output", code="format")
    kind = known.of(target) if name is None else known.named(name)
    specification = load(source)
    written = known.write(specification, kind)
    if str(target) == "-":
        if not screen.json:
            screen.say(written.text.decode().removesuffix("\n"))
    else:
        _refuse_same(source, target)
        target.write_bytes(written.text)
        screen.say(f"wrote {target}, in {kind.title}")
    text = {"text": written.text.decode()} if str(target) == "-" else {}
    screen.answer({"file": str(target), "format": kind.name, "lost": list(written.lost), **text})
    warn_of_changes(specification, source, screen)
    if written.lost and not screen.json:
        screen.warn(f"left out, since {kind.title} has no words for it: {', '.join(written.lost)}")
    return Exit.DONE


def _refuse_same(source: Path, target: Path) -> None:
    if target.exists() and target.samefile(source):
        raise UsageError(f"{target} is what is converted; write to another file", code="same")

"""The command that makes and checks receipts of cases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from weft.cli import completion
from weft.cli.group import answering, store_option
from weft.cli.output import Exit, Screen, local_time
from weft.schema.errors import UsageError

if TYPE_CHECKING:
    from weft.receipts import Receipt

__all__ = ["read_receipt", "receipt"]

_LARGEST = 64 * 1024 * 1024


@click.command()
@click.argument("case", required=False, shell_complete=completion.cases)
@click.option(
    "--event", "events", type=click.IntRange(min=1), multiple=True, metavar="N",
    help="Show event N in it, with its proof; may be given several times.",
)  # fmt: skip
@click.option(
    "--check", type=click.Path(path_type=Path), metavar="FILE",
    help="Check the receipt in FILE by itself instead; exit 1 if it is at fault.",
)  # fmt: skip
@store_option
@answering
def receipt(
    case: str | None, events: Sequence[int], check: Path | None, store: str, screen: Screen
) -> Exit:
    """What the journal of a case says, in a few bytes to keep elsewhere.

    `weft history CASE --receipt FILE` holds the journal against one that was kept.
    """
    if (case is None) == (check is None) or (check is not None and events):
        raise UsageError("say which CASE, with --event N if you like, or --check FILE")
    if check is not None:
        kept = read_receipt(check)
        fault = kept.fault()
        screen.answer({**kept.as_object(), "intact": fault is None, "fault": fault})
        screen.say(*_lines(kept), f"not intact: {fault}" if fault else "intact in itself")
        return Exit.DONE if fault is None else Exit.NO

    from weft.cli.stores import reading
    from weft.receipts import Receipt

    with reading(store, needed=True) as journal:
        made = Receipt.of(journal, str(case), events)
    screen.answer(made.as_object())
    again = "".join(f" --event {n}" for n in events)
    screen.say(*_lines(made), f"keep it   weft receipt {made.case}{again} --json > receipt.json")
    return Exit.DONE


def read_receipt(file: Path) -> Receipt:
    """The receipt in a file.

    Raises:
        UsageError: There is none in it.
    """
    from weft.receipts import Receipt

    try:
        with file.open("rb") as opened:
            text = opened.read(_LARGEST + 1)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}", code="receipt") from error
    if len(text) > _LARGEST:
        raise UsageError(f"{file} is larger than {_LARGEST >> 20} MiB", code="receipt")
    try:
        return Receipt.from_json(text)
    except UsageError as error:
        raise UsageError(f"{file}: {error.message}", code="receipt") from error


def _lines(receipt: Receipt) -> list[str]:
    return [
        f"case      {receipt.case} of {receipt.specification} {receipt.version}",
        f"events    {receipt.events}, the last with the hash {receipt.head}",
        f"root      {receipt.root}",
        *(
            f"shows     event {event.sequence}, {event.type} at {local_time(event.time)}: {event.data}"
            for event in receipt.disclosed
        ),
    ]

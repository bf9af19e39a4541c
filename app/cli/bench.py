"""The command about speed: bench."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import click

from weft.cli.group import answering
from weft.cli.output import Exit, Screen

__all__ = ["bench"]


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--pm4py", "pm4py_folder", metavar="FOLDER", type=click.Path(path_type=Path),
    help="Measure pm4py (AGPL) too, in a virtual environment of its own at FOLDER; it is made if "
    "it is not there.",
)  # fmt: skip
@answering
def bench(names: tuple[str, ...], pm4py_folder: Path | None, screen: Screen) -> Exit:
    """Measure this machine: firing, enabled, explore, engine, image, pool, processes; all if none
    is named.

    Other engines are measured beside Weft where they are installed (the extra `bench`).
    """
    from weft.bench.limit import limit
    from weft.bench.measuring import measure
    from weft.bench.outside import Pm4py
    from weft.bench.peers import peers
    from weft.bench.suite import GROUPS, contests

    unknown = [name for name in names if name not in GROUPS]
    if unknown:
        raise click.UsageError(
            f"there is no benchmark {unknown[0]!r}; there are {', '.join(GROUPS)}"
        )
    there = []
    for peer in [*peers(), Pm4py(pm4py_folder)]:
        missing = peer.missing()
        if missing is None:
            there.append(peer)
        else:
            screen.warn(missing)
    c = limit()
    if c is None:
        screen.warn("the limit in C is left out: there is no C compiler; install one, or set CC")
    ticks = c.ticks() if c is not None else 0.0
    results: list[dict[str, Any]] = []
    for contest in contests(names, there):
        for result in measure(contest):
            results.append(attrs.asdict(result))
            beside = "" if result.ratio is None else f"  {result.ratio:.4g} × {result.ratio_to}"
            in_ticks = (
                f" = {result.value * ticks:.2f} ticks" if result.unit[:3] == "ns/" and ticks else ""
            )
            screen.say(
                f"{result.name:52} {result.value:>14,.4g} {result.unit}{in_ticks}"
                f"{_spread(result.spread)}{beside}"
            )
    screen.answer({"results": results, "ticks_per_nanosecond": round(ticks, 6)})
    return Exit.DONE


def _spread(share: float | None) -> str:
    return "" if share is None else f" ±{100 * share:.0f} %"

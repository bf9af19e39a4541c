"""Commands about nets: statespace, verify."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import attrs
import click

from weft.cli.group import answering, beside_option, schemas_option
from weft.cli.output import Exit, Screen, duration, error_object, exit_of_error
from weft.schema.errors import DefinitionError, UsageError, WeftError

if TYPE_CHECKING:
    from weft.engine.net import Net
    from weft.engine.verify.report import Report
    from weft.engine.verify.statespace import StateSpace

__all__ = ["net_of", "statespace", "verify"]

GRAVEST_FIRST = (
    *(Exit.INTERNAL, Exit.OPERATOR, Exit.USAGE, Exit.NO),
    *(Exit.UNDECIDED, Exit.DONE),
)
"""Of several files the gravest exit code counts."""


def net_of(path: Path) -> Net:
    """The net of a PNML file, or the compiled root net of a specification.

    Raises:
        DefinitionError: The file holds neither.
        UsageError: A PNML file, and the XML library is not installed.
    """
    if path.suffix.lower() == ".pnml":
        try:
            from weft.schema.pnml import read_pnml_file
        except ImportError as error:
            raise UsageError(
                f"PNML needs the extra `xml`: pip install 'weft[xml]' ({error})", code="extra"
            ) from error
        from weft.engine.verify.plain import plain_net

        return plain_net(read_pnml_file(path))
    from weft.connectors import builtin as connectors
    from weft.engine.compile import compile_specification
    from weft.loading import load
    from weft.patterns.installed import installed

    return compile_specification(load(path), registry=installed(), connectors=connectors()).net


@click.command()
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path)
)
@click.option(
    "--max-states",
    type=click.IntRange(min=1),
    help="Stop after so many markings of a net; by default when they take 4 GiB of memory.",
)
@beside_option
@answering
def statespace(files: Sequence[Path], max_states: int | None, screen: Screen) -> Exit:
    """All markings of nets: of PNML files, of specifications, or of images (.weftnet)."""
    from weft.engine.verify.statespace import DEFAULT_MAX_STATES, explore, explore_image
    from weft.images import SUFFIX, open_image

    codes = []
    for file in files:
        try:
            began = perf_counter()
            most, threads = max_states or DEFAULT_MAX_STATES, os.cpu_count() or 1
            if file.suffix.lower() == SUFFIX:
                mapped = open_image(file)
                found = explore_image(
                    mapped.stored, mapped.names()[1], max_states=most, threads=threads
                )
            else:
                found = explore(net_of(file), max_states=most, threads=threads)
        except WeftError as error:
            if len(files) == 1:
                raise
            screen.answer({"file": str(file), "error": error_object(error)})
            place = "" if isinstance(error, DefinitionError) else f"{file}: "
            screen.warn(f"Error: {place}{error}")
            codes.append(exit_of_error(error))
            continue
        seconds = perf_counter() - began
        answer: dict[str, Any] = attrs.asdict(found)
        dead = answer.pop("dead_markings")
        screen.answer({"file": str(file), **answer, "seconds": round(seconds, 6)})
        screen.say(*_lines(file, found, seconds, dead))
        codes.append(Exit.DONE if found.complete or found.bounded is False else Exit.UNDECIDED)
    return min(codes, key=GRAVEST_FIRST.index)


def _lines(
    file: Path, found: StateSpace, seconds: float, dead: Sequence[dict[str, int]]
) -> list[str]:
    """The answer for people."""
    if found.bounded is False:
        extent = f"unbounded, as the first {found.states} markings show"
    elif found.complete:
        extent = f"{found.states} markings, all there are"
    else:
        extent = f"{found.states} markings, and there are more: see --max-states"
    safe = {True: "safe", False: "not safe", None: "safe so far"}[found.safe]
    lines = [
        f"{file}: {found.places} places, {found.transitions} transitions",
        f"  {extent}; {found.firings} firings, in {duration(seconds)}",
        (
            f"  {safe}: at most {found.max_tokens_in_place} in a place, "
            f"{found.max_tokens_in_marking} in a marking"
        ),
        f"  dead markings: {found.deadlocks}; transitions never enabled: {found.dead_transitions}",
    ]
    for marking in dead:
        tokens = ", ".join(p if n == 1 else f"{n}×{p}" for p, n in marking.items())
        lines.append(f"    dead: {tokens or 'nothing marked'}")
    return lines


@click.command()
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path)
)
@click.option(
    "--max-states",
    type=click.IntRange(min=1),
    help="Look at so many states of a net at most; then what is open is undecided.",
)
@click.option(
    "--sarif", metavar="OUT", type=click.Path(path_type=Path),
    help="Write the findings to this file as SARIF 2.1.0, for code hosts.",
)  # fmt: skip
@schemas_option
@beside_option
@answering
def verify(
    files: Sequence[Path], max_states: int | None, sarif: Path | None, screen: Screen
) -> Exit:
    """Are these nets sound: can each case end, and each part be of use?

    FILE is a specification or a PNML net. Exits 0 if all are sound, 1 if one is not, 4 if one is
    undecided within the bound.
    """
    from weft.verifying import verify as verified

    codes: list[Exit] = []
    results: list[tuple[Path, Report | WeftError]] = []
    for file in files:
        try:
            report = verified(file, max_states=max_states)
        except WeftError as error:
            results.append((file, error))
            if len(files) > 1 or sarif is not None:
                screen.answer({"file": str(file), "error": error_object(error)})
                place = "" if isinstance(error, DefinitionError) else f"{file}: "
                screen.warn(f"Error: {place}{error}")
                codes.append(exit_of_error(error))
                continue
            raise
        results.append((file, report))
        screen.answer({"file": str(file), **report.as_json()})
        screen.say(*_verdict(file, report))
        codes.append({True: Exit.DONE, False: Exit.NO, None: Exit.UNDECIDED}[report.sound])
    if sarif is not None:
        import json

        from weft.cli.sarif import sarif_log

        sarif.write_text(json.dumps(sarif_log(results), indent=2) + "\n", encoding="utf-8")
    return min(codes, key=GRAVEST_FIRST.index)


def _verdict(file: Path, report: Report) -> list[str]:
    """The answer for people."""
    words = {True: "sound", False: "NOT SOUND", None: "undecided"}[report.sound]
    lines = [f"{file}: {report.name} is {words} ({report.states} states looked at)"]
    if report.undecided is not None:
        lines.append(f"  undecided: {report.undecided}")
    for d in report.diagnostics:
        place = "" if d.line is None else f"{d.line}:" + (f"{d.column}: " if d.column else " ")
        lines.append(f"  {place}{d.level}: {d.message} [{d.code}]")
        if d.path and not any("," in name for name in d.path):
            command = ["weft", "draw", str(file), "--net", "-o", "path.svg", "--path"]
            lines.append(f"    draw it: {shlex.join([*command, ','.join(d.path)])}")
    lines += [f"  taken for granted: {a}" for a in report.abstractions]
    return lines

"""``weft patterns``: the catalogue of the control-flow patterns, and what has been shown of each."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import attrs
import click

from weft.cli import completion
from weft.cli.group import answering
from weft.cli.output import Exit, Screen, compact, table
from weft.schema.errors import DefinitionError, UsageError

if TYPE_CHECKING:
    from weft.engine.registry import Pattern
    from weft.patterns.evidence import Evidence

__all__ = ["numbered", "pattern_object", "patterns", "shown_of"]

WHERE = {
    "alone": "alone",
    "loop": "in a loop",
    "composite": "twice at once as a composite task",
    "cancellation": "beside a task that cancels it",
}
"""The surroundings in words."""


@click.command()
@click.argument("which", metavar="N|NAME", required=False, shell_complete=completion.pattern_names)
@click.option("--example", is_flag=True, help="Only its example, to be kept in a file and run.")
@click.option(
    "--pages", type=click.Path(file_okay=False), metavar="DIR", help="Write them there as pages."
)
@answering
def patterns(which: str | None, example: bool, pages: str | None, screen: Screen) -> Exit:
    """The control-flow patterns there are, or one of them: picture, example, what was shown."""
    from weft.patterns.installed import installed

    registry = installed()
    found = list(registry) if which is None else list(registry.named(which))
    if not found:
        raise UsageError(
            f"no pattern is called {which!r}; there are: "
            f"{', '.join(numbered(p) for p in registry)}{registry.missing}",
            code="no-pattern",
        )
    if example:
        return _example(which, found, screen)
    if pages is not None:
        return _pages(found, pages, screen)
    faults = [*registry.faults, *dict.fromkeys(f for p in found if (f := shown_of(p).fault))]
    screen.answer({"patterns": [pattern_object(p) for p in found], "faults": faults})
    if which is None:
        rows = [
            [
                str(p.id or ""),
                p.written,
                p.attachment.value,
                p.family.value,
                shown_of(p).rating,
                p.description,
            ]
            for p in found
        ]
        screen.say(*table(["", "NAME", "AT", "FAMILY", "RATING", "MEANING"], rows))
    for index, one in enumerate(found if which is not None else ()):
        screen.say(*([""] if index else []), *_lines(one))
    if not screen.json:
        screen.warn(*(f"not loaded: {fault}" for fault in faults))
    return Exit.DONE


def _example(which: str | None, found: list[Pattern], screen: Screen) -> Exit:
    if which is None or len(found) > 1:
        which_ones = ", ".join(str(p.id or p.key) for p in found)
        what = "say of which pattern" if which is None else f"{which} is several patterns"
        raise UsageError(f"{what}: --example takes one of {which_ones}", code="no-pattern")
    text = shown_of(found[0]).example
    if text is None:
        raise UsageError(f"{numbered(found[0])} brings no example", code="no-example")
    screen.answer({"patterns": [pattern_object(found[0])], "faults": []})
    screen.say(text.rstrip("\n"))
    return Exit.DONE


def _pages(found: list[Pattern], folder: str, screen: Screen) -> Exit:
    from pathlib import Path

    from weft.cli.pages import pattern_pages

    path = Path(folder)
    written = pattern_pages(found)
    try:
        path.mkdir(parents=True, exist_ok=True)
        for name, text in written.items():
            (path / name).write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror}", code="file") from error
    screen.answer({"pages": [str(path / name) for name in written]})
    screen.say(f"{len(written)} pages in {folder}")
    return Exit.DONE


def numbered(pattern: Pattern) -> str:
    """The official number and name of a pattern."""
    return pattern.name if pattern.id is None else f"WCP-{pattern.id} {pattern.name}"


@attrs.frozen
class Shown:
    """What a pattern brings along to be judged by: evidence, example, and what is wrong with it."""

    evidence: Evidence | None
    example: str | None
    rating: str
    fault: str = ""


def shown_of(pattern: Pattern) -> Shown:
    """What has been shown of a pattern; evidence that cannot be read is none."""
    from weft.patterns import evidence

    try:
        found = evidence.evidence(pattern)
        return Shown(found, evidence.example(pattern), evidence.rating(pattern).value)
    except DefinitionError as error:
        return Shown(None, None, evidence.Rating.NONE.value, error.message)


def pattern_object(pattern: Pattern) -> dict[str, Any]:
    """A pattern of the catalogue."""
    from weft.patterns.numberings import elsewhere

    shown = shown_of(pattern)
    found = shown.evidence
    return {
        "id": pattern.id,
        "name": pattern.name,
        "key": pattern.key,
        "written": pattern.written,
        "family": pattern.family.value,
        "attaches": pattern.attachment.value,
        "aliases": list(pattern.aliases),
        "elsewhere": [{"by": who, "number": number} for who, number in elsewhere(pattern.id)],
        "parameters": [
            {
                "name": p.name,
                "is": p.kind.noun,
                "required": p.required,
                "default": None if p.required else p.default,
            }
            for p in pattern.parameters
        ],
        "description": pattern.description,
        "meaning": inspect.getdoc(pattern.executor) or "",
        "example": shown.example,
        "promises": [] if found is None else list(found.promises),
        "evidence": None
        if found is None
        else {
            "surroundings": dict(found.surroundings),
            "mutants": found.mutants,
            "killed": found.killed,
            "survivors": dict(found.survivors),
            "schedules": found.schedules,
        },
        "rating": shown.rating,
    }


def _lines(pattern: Pattern) -> list[str]:
    """One pattern for people."""
    from weft.patterns.numberings import elsewhere

    lines = [
        (
            f"{numbered(pattern)} ({pattern.family.value}), written {pattern.written!r} at "
            f"{pattern.attachment.value}"
        )
    ]
    if pattern.aliases:
        lines.append(f"also called {', '.join(pattern.aliases)}")
    others = [f"{number} by {who}" for who, number in elsewhere(pattern.id)]
    if others:
        lines.append(f"numbered {', '.join(others)}")
    lines += ["", *(inspect.getdoc(pattern.executor) or "").splitlines()]
    if pattern.parameters:
        rows = [
            [p.name, p.kind.noun, "required" if p.required else f"default {compact(p.default)}"]
            for p in pattern.parameters
        ]
        lines += ["", *table(["PARAMETER", "IS", ""], rows)]
    shown = shown_of(pattern)
    if shown.example is not None:
        file = f"{pattern.key}.yaml"
        which = pattern.id or pattern.key
        lines += [
            "",
            f"example     weft patterns {which} --example > {file} && weft run {file}",
            "",
        ]
        lines += [f"    {line}".rstrip() for line in shown.example.splitlines()]
    lines += ["", f"rating      {shown.rating}"]
    return lines if shown.evidence is None else [*lines, *_told(shown.evidence)]


def _told(shown: Evidence) -> list[str]:
    where = ", ".join(f"{n} {WHERE.get(w, w)}" for w, n in shown.surroundings.items())
    lines = [
        *(f"{'promises' if i == 0 else '':12}{p}" for i, p in enumerate(shown.promises)),
        f"explored    {shown.states} states of the example: {where}",
        f"bite        {shown.killed} of {shown.mutants} changes of single arcs break a promise",
        *(f"            not {name}: {why}" for name, why in shown.survivors.items()),
    ]
    if shown.schedules:
        lines.append(f"run         {shown.schedules} random schedules of the engine")
    return lines

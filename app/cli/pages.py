"""Pages of the catalogue: an index, and one for each pattern, in Markdown.

All that they say comes from the registry: the docstring of an executor with its picture, the
parameters from its annotations, the example that its package ships, drawn, and its evidence.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from weft.cli.catalogue import WHERE, numbered, shown_of
from weft.cli.output import compact
from weft.patterns.numberings import NUMBERINGS, elsewhere

if TYPE_CHECKING:
    from weft.engine.registry import Pattern
    from weft.patterns.evidence import Evidence

__all__ = ["pattern_pages"]

INDEX = "README.md"


def pattern_pages(found: Sequence[Pattern]) -> dict[str, str]:
    """The name of each page to its text."""
    pages = {page_name(pattern): _page(pattern) for pattern in found}
    return {INDEX: _index(found), **pages}


def page_name(pattern: Pattern) -> str:
    """The file of a pattern's page."""
    return f"{pattern.key}.md" if pattern.id is None else f"{pattern.id:02}-{pattern.key}.md"


def _index(found: Sequence[Pattern]) -> str:
    lines = [
        "# Patterns",
        "",
        "What each pattern means, how it is written, and what has been shown of it.",
        (
            "Numbers and names are those of Russell, ter Hofstede, van der Aalst and Mulyar, "
            "*Workflow Control-Flow Patterns: A Revised View* (BPM-06-22, 2006)."
        ),
        (
            "These pages are generated from the patterns themselves (`make patterns`); "
            "`weft patterns N` says the same."
        ),
        "",
        (
            "A rating is *full* where an example keeps every promise of its pattern in every state, "
            "alone, in a loop, twice at once as a composite task and beside a task that cancels it, "
            "and where these promises notice at least three changes of single arcs of the pattern "
            "(or all that there are)."
        ),
        "It is computed from what the tests found; nothing declares it.",
        "",
        (
            "How patterns are written is said in [the native format](../native-format.md#patterns), "
            "how to make [patterns of your own](../own-patterns.md) on a page of its own."
        ),
    ]
    for family in dict.fromkeys(pattern.family for pattern in found):
        rows = [
            [
                str(p.id or ""),
                f"[{p.name}]({page_name(p)})",
                f"`{p.written}` at `{p.attachment.value}`",
                _cell(p.description),
                shown_of(p).rating,
            ]
            for p in found
            if p.family is family
        ]
        heading = family.value[0].upper() + family.value[1:]
        lines += [
            "",
            f"## {heading}",
            "",
            *_table(["", "pattern", "written", "meaning", "rating"], rows),
        ]
    lines += [
        "",
        "## Other numberings",
        "",
        "Weft uses the official numbers only. These are for people who come from elsewhere:",
        "",
    ]
    for other in NUMBERINGS:
        numbers = ", ".join(f"{theirs} is {ours}" for theirs, ours in other.numbers.items())
        said = " ".join(s for s in (f"{numbers}." if numbers else "", other.remark) if s)
        lines.append(f"- **{other.name}** ({other.source}): {said}")
    return "\n".join(lines) + "\n"


def _page(pattern: Pattern) -> str:
    meaning, picture = _meaning(pattern)
    lines = [
        f"# {numbered(pattern)}",
        "",
        (
            f"*{pattern.family.value[0].upper()}{pattern.family.value[1:]}*; written "
            f"`{pattern.written}` at `{pattern.attachment.value}`."
        ),
    ]
    if pattern.aliases:
        lines.append(f"Also called {', '.join(pattern.aliases)}.")
    others = [f"{number} by {who}" for who, number in elsewhere(pattern.id)]
    if others:
        lines.append(f"Numbered {', '.join(others)}; Weft does not use that number for it.")
    lines += ["", *meaning]
    if picture:
        lines += ["", "## Its net", "", "```text", *picture, "```"]
    if pattern.parameters:
        rows = [
            [
                f"`{p.name}`",
                _cell(p.kind.noun),
                "required" if p.required else f"default `{compact(p.default)}`",
            ]
            for p in pattern.parameters
        ]
        lines += ["", "## Parameters", "", *_table(["name", "is", ""], rows)]
    shown = shown_of(pattern)
    if shown.example is not None:
        lines += [
            "",
            "## Example",
            "",
            f"```yaml file={pattern.key}.yaml",
            *shown.example.splitlines(),
            "```",
        ]
        lines += ["", *_pictures(pattern, shown.example)]
    lines += ["", "## What has been shown", ""]
    if shown.evidence is None:
        lines.append(f"Nothing; its rating is *{shown.rating}*.")
    else:
        lines += _evidence(shown.evidence, shown.rating)
    return "\n".join(lines) + "\n"


def _meaning(pattern: Pattern) -> tuple[list[str], list[str]]:
    """The docstring: its sentences, and the picture in it."""
    words: list[str] = []
    picture: list[str] = []
    for paragraph in (inspect.getdoc(pattern.executor) or "").split("\n\n"):
        if all(line.startswith("    ") for line in paragraph.splitlines()):
            picture += ([""] if picture else []) + textwrap.dedent(paragraph).splitlines()
        else:
            words += ([""] if words else []) + paragraph.replace("``", "`").splitlines()
    return words, picture


def _pictures(pattern: Pattern, text: str) -> list[str]:
    from weft.drawing import draw
    from weft.loading import loads

    specification = loads(text)
    return [
        (
            f"Run it with `weft patterns {pattern.id or pattern.key} --example > {pattern.key}.yaml` "
            f"and `weft run {pattern.key}.yaml`."
        ),
        "As its author sees it:",
        "",
        "```mermaid",
        *draw(specification, format="mmd").splitlines(),
        "```",
        "",
        "<details><summary>The net that runs</summary>",
        "",
        "```mermaid",
        *draw(specification, format="mmd", net=True).splitlines(),
        "```",
        "",
        "</details>",
    ]


def _evidence(shown: Evidence, rating: str) -> list[str]:
    where = ", ".join(f"{n} {WHERE.get(w, w)}" for w, n in shown.surroundings.items())
    lines = [
        f"Rating: **{rating}**.",
        (
            "In every state of the example, whatever is started, completed, failed or tried again, "
            "and in whichever order:"
        ),
        "",
        *(f"- {promise}" for promise in shown.promises),
        "",
        f"These are {shown.states} states: {where}.",
        f"Of {shown.mutants} changes of single arcs of its net, {shown.killed} break a promise.",
    ]
    if shown.survivors:
        lines += ["The others cannot be told from the original:", ""]
        lines += [f"- `{name}`: {why}" for name, why in shown.survivors.items()]
    if shown.schedules:
        lines += ["", f"The engine kept to these states in {shown.schedules} random schedules."]
    return lines


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(headings)} |",
        f"|{'|'.join(' --- ' for _ in headings)}|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def _cell(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|")

"""Refactoring: functions that have grown too long, and the agent that cuts them."""

from __future__ import annotations

import ast
from typing import Any

import attrs

from weft.connectors.actions import Context, action
from weft.connectors.modules.implementation import changed_by_agent
from weft.connectors.modules.repository import files_below, folder, read_text, refused
from weft.schema.errors import WorkFailed

__all__ = ["find_candidates", "refactor"]

MOST = 100


@attrs.frozen
class Candidates:
    """Long functions, the longest first: ``{file, name, line, lines}`` each.

    ``unreadable`` are files that are no Python of this version.
    """

    candidates: list[dict[str, Any]]
    unreadable: list[str]


@action("find-candidates")
async def find_candidates(
    context: Context, cwd: str | None = None, max_lines: int = 50
) -> Candidates:
    """The functions of a folder's Python files that have more than so many lines."""
    if max_lines < 1:
        raise refused(f"maxLines: expected at least 1, found {max_lines}")
    place = folder(cwd)
    files, _ = await files_below(context, place)
    found: list[dict[str, Any]] = []
    unreadable = []
    for name in files:
        if not name.endswith(".py"):
            continue
        try:
            tree = ast.parse(read_text(place / name))
        except (SyntaxError, ValueError, RecursionError, WorkFailed):
            unreadable.append(name)
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > max_lines:
                    found.append(
                        {"file": name, "name": node.name, "line": node.lineno, "lines": lines}
                    )
    found.sort(key=lambda c: (-c["lines"], c["file"], c["line"]))
    return Candidates(found[:MOST], unreadable)


@attrs.frozen
class Refactored:
    """What the agent changed: ``{file, changes}`` each."""

    code_changes: list[dict[str, Any]]
    files_modified: list[str]


@action("refactor")
async def refactor(
    context: Context,
    instructions: str = "Make it clearer without changing what it does.",
    candidates: list[Any] | None = None,
    cwd: str | None = None,
) -> Refactored:
    """Let the agent refactor, and find out what it changed."""
    place = folder(cwd)
    lines = ["Refactor this repository.", instructions, ""]
    for candidate in (candidates or [])[:MOST]:
        if isinstance(candidate, dict):
            lines.append(
                f"- {candidate.get('file')}:{candidate.get('line')} {candidate.get('name')}"
            )
        else:
            lines.append(f"- {candidate}")
    done = await changed_by_agent(context, place, "\n".join(lines))
    return Refactored(done.code_changes, done.files_modified)

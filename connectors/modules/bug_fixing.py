"""Bug fixing: show that it is there, let the agent mend it, show that it is gone."""

from __future__ import annotations

from typing import Any

import attrs

from weft.connectors.actions import Context, action
from weft.connectors.failure import shorten
from weft.connectors.modules.implementation import changed_by_agent
from weft.connectors.modules.repository import folder, refused

__all__ = ["fix_bug", "reproduce"]

_OUTPUT = 8_000


@attrs.frozen
class Reproduced:
    """Whether a command fails, as a bug makes it."""

    reproduced: bool
    exit_code: int
    output: str


@action("reproduce")
async def reproduce(
    context: Context,
    command: list[str],
    expected_output: str | None = None,
    cwd: str | None = None,
) -> Reproduced:
    """Run a command that shows a bug: by an exit code other than 0, or by a text in its output."""
    if not command:
        raise refused("command: expected a program and its arguments")
    done = await context.executor.run(command, cwd=folder(cwd), expect=None)
    output = f"{done.stdout}{done.stderr}"
    shown = expected_output in output if expected_output is not None else done.exit_code != 0
    return Reproduced(shown, done.exit_code, shorten(output, _OUTPUT))


@attrs.frozen
class Mended:
    """What the agent changed; ``fixed`` is null unless a command was given that shows the bug."""

    code_changes: list[dict[str, Any]]
    files_modified: list[str]
    fixed: bool | None


@action("fix-bug")
async def fix_bug(
    context: Context,
    description: str,
    command: list[str] | None = None,
    output: str | None = None,
    cwd: str | None = None,
) -> Mended:
    """Let the agent mend a bug; with a command that showed it, see whether that succeeds now."""
    place = folder(cwd)
    lines = [f"Find the cause of this bug and mend it: {description}"]
    if command:
        lines += ["", f"This shows it: {' '.join(command)}"]
    if output:
        lines += ["", "Output:", shorten(output, _OUTPUT)]
    done = await changed_by_agent(context, place, "\n".join(lines))
    fixed = None
    if command:
        again = await context.executor.run(command, cwd=place, expect=None)
        fixed = again.exit_code == 0
    return Mended(done.code_changes, done.files_modified, fixed)

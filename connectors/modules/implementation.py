"""Implementing: from a review's next steps to a plan and a prompt, and the agent's changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from weft.connectors.actions import Context, action
from weft.connectors.failure import shorten
from weft.connectors.modules import git as git_actions
from weft.connectors.modules.repository import (
    changed_files,
    changes_since,
    contents,
    folder,
    git,
    read_text,
    refused,
    top,
)
from weft.connectors.modules.tasks import checklist

__all__ = [
    "check_git_status",
    "create_plan",
    "extract_next_steps",
    "generate_implementation_prompt",
    "implement_feature",
    "rollback_changes",
]


@attrs.frozen
class NextSteps:
    """What is still to be done: ``{text, line}`` each."""

    next_steps: list[dict[str, Any]]
    count: int


@action("extract-next-steps")
def extract_next_steps(review_file: str) -> NextSteps:
    """The check boxes of a review's next steps that are not ticked."""
    tasks = [task for task in checklist(read_text(Path(review_file))) if not task.done]
    return NextSteps([{"text": task.text, "line": task.line} for task in tasks], len(tasks))


@attrs.frozen
class Planned:
    """A plan: ``tasks`` (``{id, text}`` each), ``totalTasks`` and how many are ``left``."""

    plan: dict[str, Any]


@action("create-plan")
def create_plan(next_steps: list[Any], max_tasks: int | None = None) -> Planned:
    """A plan of the first of the next steps, at most so many."""
    if max_tasks is not None and max_tasks < 1:
        raise refused(f"maxTasks: expected at least 1, found {max_tasks}")
    texts = [
        str(step.get("text", step)) if isinstance(step, dict) else str(step) for step in next_steps
    ]
    tasks = [{"id": f"task-{n}", "text": text} for n, text in enumerate(texts[:max_tasks], 1)]
    return Planned({"tasks": tasks, "totalTasks": len(tasks), "left": len(texts) - len(tasks)})


@attrs.frozen
class Prompt:
    """A text for an agent."""

    prompt: str


@action("generate-implementation-prompt")
def generate_implementation_prompt(
    next_steps: list[Any],
    summary: dict[str, Any] | None = None,
    review_content: str | None = None,
    progress_content: str | None = None,
    version_tag: str | None = None,
) -> Prompt:
    """A prompt that asks for the next steps to be implemented."""
    lines = [f"Implement the next steps of {version_tag or 'this version'}:", ""]
    lines += [
        f"- {step.get('text', step) if isinstance(step, dict) else step}" for step in next_steps
    ]
    if summary:
        folders = ", ".join(map(str, summary.get("directories") or {}))
        lines += ["", f"The repository has {summary.get('files', '?')} files in: {folders}."]
    for title, text in (("Review", review_content), ("Progress", progress_content)):
        if text:
            lines += ["", f"{title}:", "", shorten(text, 20_000)]
    return Prompt("\n".join(lines))


@action("check-git-status")
async def check_git_status(context: Context, cwd: str | None = None) -> git_actions.Status:
    """The branch, and the files that are changed or new."""
    return await git_actions.status(context, cwd)


@attrs.frozen
class Implemented:
    """What the agent changed: ``{file, changes}`` each, with the difference."""

    code_changes: list[dict[str, Any]]
    files_modified: list[str]
    output: str


@action("implement-feature")
async def implement_feature(
    context: Context, plan: Any, feature: str | None = None, cwd: str | None = None
) -> Implemented:
    """Let the agent implement a plan in a repository, and find out what it changed."""
    place = folder(cwd)
    lines = [f"Implement this feature: {feature}" if feature else "Implement this plan.", ""]
    return await changed_by_agent(context, place, "\n".join([*lines, *_plan_lines(plan)]))


async def changed_by_agent(context: Context, place: Path, prompt: str) -> Implemented:
    """Run the agent in a repository; what is different afterwards is what it has changed."""
    before = await contents(context, place)
    output = await context.agent.run(prompt, cwd=place)
    changes = await changes_since(context, place, before)
    return Implemented(changes, [change["file"] for change in changes], shorten(output, 20_000))


def _plan_lines(plan: Any) -> list[str]:
    tasks = plan.get("tasks") if isinstance(plan, dict) else plan
    if not isinstance(tasks, list):
        return [str(plan)]
    return [f"- {t.get('text', t) if isinstance(t, dict) else t}" for t in tasks]


@attrs.frozen
class RolledBack:
    """What was undone."""

    rolled_back: bool
    files: list[str]


@action("rollback-changes")
async def rollback_changes(
    context: Context, changes: list[Any] | None = None, cwd: str | None = None
) -> RolledBack:
    """Undo changes: what was committed comes back, what was new is removed.

    Only files that ``changes`` names are touched; with none, as when implementing failed before
    it had a result, nothing is.
    """
    names = sorted({str(c.get("file")) if isinstance(c, dict) else str(c) for c in changes or ()})
    if not names:
        return RolledBack(rolled_back=False, files=[])
    root = await top(context, folder(cwd))
    outside = [name for name in names if not (root / name).resolve().is_relative_to(root.resolve())]
    if outside:
        raise refused(f"{', '.join(outside)}: not in the repository {root}")
    changed = set(await changed_files(context, root))
    undone = [name for name in names if name in changed]
    committed = await git(context, root, "ls-tree", "-r", "-z", "--name-only", "HEAD", "--", *names)
    old = [name for name in committed.split("\0") if name in undone]
    if old:
        await git(context, root, "restore", "--source=HEAD", "--staged", "--worktree", "--", *old)
    new = [name for name in undone if name not in old]
    if new:
        await git(context, root, "rm", "--quiet", "--cached", "--ignore-unmatch", "--", *new)
        for name in new:
            (root / name).unlink(missing_ok=True)
    return RolledBack(bool(undone), undone)

"""Git: what has changed, branches, commits."""

from __future__ import annotations

from typing import Any

import attrs

from weft.connectors.actions import Context, action
from weft.connectors.failure import shorten
from weft.connectors.modules.repository import changed_files, folder, git, refused

__all__ = ["commit", "create_branch", "diff", "history", "status"]

MAX_COMMITS = 1_000


@attrs.frozen
class Status:
    """What differs from the last commit."""

    branch: str
    files: list[str]
    has_changes: bool


@action("status")
async def status(context: Context, cwd: str | None = None) -> Status:
    """The branch, and the files that are changed or new."""
    place = folder(cwd)
    files = await changed_files(context, place)
    branch = (await git(context, place, "branch", "--show-current")).strip()
    return Status(branch, files, bool(files))


@attrs.frozen
class Difference:
    """A difference as git shows it; a long one without its middle."""

    diff: str
    files: list[str]


@action("diff")
async def diff(context: Context, cwd: str | None = None, base: str = "HEAD") -> Difference:
    """The difference between a commit and the working folder."""
    place = folder(cwd)
    if base.startswith("-"):
        raise refused(f"{base!r} names no commit")
    shown = await git(context, place, "diff", base, "--")
    names = await git(context, place, "diff", "--name-only", "-z", base, "--")
    return Difference(shorten(shown, 200_000), [name for name in names.split("\0") if name])


@attrs.frozen
class Branch:
    """A branch that is checked out."""

    branch: str
    created: bool


@action("create-branch")
async def create_branch(context: Context, name: str, cwd: str | None = None) -> Branch:
    """Check a branch out; it begins here if there is none of that name."""
    place = folder(cwd)
    await git(context, place, "check-ref-format", "--branch", name)
    known = await git(context, place, "branch", "--list", "--format=%(refname:short)", name)
    if known.strip():
        await git(context, place, "switch", name)
    else:
        await git(context, place, "switch", "--create", name)
    return Branch(name, not known.strip())


@attrs.frozen
class Commit:
    """A commit; without anything to commit, the one that was there."""

    commit: str
    committed: bool
    files: list[str]


@action("commit")
async def commit(
    context: Context, message: str, files: list[str] | None = None, cwd: str | None = None
) -> Commit:
    """Commit the changes of some files, or all; where nothing has changed, nothing is done."""
    place = folder(cwd)
    if not message.strip():
        raise refused("a commit needs a message")
    await git(context, place, "add", "--all", "--", *(files if files is not None else ["."]))
    staged = await git(context, place, "diff", "--cached", "--name-only", "-z")
    names = [name for name in staged.split("\0") if name]
    if names:
        await git(context, place, "commit", "--quiet", "--message", message)
    done = (await git(context, place, "rev-parse", "HEAD")).strip()
    return Commit(done, bool(names), names)


@attrs.frozen
class History:
    """Commits, newest first: ``hash``, ``author``, ``date`` (ISO 8601) and ``subject``."""

    commits: list[dict[str, Any]]


@action("log")
async def history(context: Context, cwd: str | None = None, count: int = 20) -> History:
    """The latest commits."""
    if not 1 <= count <= MAX_COMMITS:
        raise refused(f"count: expected 1 to {MAX_COMMITS:,}, found {count}")
    return History(await commits(context, cwd, f"--max-count={count}"))


async def commits(context: Context, cwd: str | None, *limits: str) -> list[dict[str, Any]]:
    """Commits, newest first, within limits that git knows."""
    place = folder(cwd)
    known = await git(context, place, "rev-list", "--max-count=1", "--all")
    if not known.strip():
        return []
    form = "--format=%H%x1f%an%x1f%aI%x1f%s%x1e"
    listed = await git(context, place, "log", *limits, form)
    keys = ("hash", "author", "date", "subject")
    return [
        dict(zip(keys, line.strip("\n").split("\x1f"), strict=True))
        for line in listed.split("\x1e")
        if line.strip()
    ]

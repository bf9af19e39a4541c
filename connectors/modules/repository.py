"""What the modules share: folders, texts in them, and git. It has no actions of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from weft.connectors.actions import Context
from weft.connectors.failure import shorten
from weft.schema.errors import WorkFailed

__all__ = [
    "MAX_FILES",
    "MAX_TEXT_BYTES",
    "changed_files",
    "changes_since",
    "files_below",
    "folder",
    "git",
    "is_repository",
    "read_text",
    "refused",
    "write_text",
]

MAX_FILES: Final = 20_000
"""No more files of a folder are looked at."""
MAX_TEXT_BYTES: Final = 4 * 1024 * 1024
"""No larger text is read."""
MAX_DIFF_CHARACTERS: Final = 20_000
"""No longer difference is kept."""


def refused(message: str, code: str = "input-type") -> WorkFailed:
    """A failure that another attempt would only repeat."""
    return WorkFailed(message, code=code, retryable=False)


def folder(cwd: str | None) -> Path:
    """The folder that an action works in; that of the engine if None.

    Raises:
        WorkFailed: There is none.
    """
    path = Path(cwd or ".").absolute()
    if not path.is_dir():
        raise refused(f"the working directory {str(path)!r} is no folder", "no-directory")
    return path


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        WorkFailed: There is no such file, it is too large, or no UTF-8.
    """
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise refused(f"{path} has more than {MAX_TEXT_BYTES:,} bytes", "file-too-large")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise refused(f"{path} is no UTF-8 text: {error.reason}", "file-unreadable") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise refused(f"cannot read {path}: {reason}", "file-unreadable") from error


def write_text(path: Path, text: str, *, new: bool = False) -> None:
    """Write a file, its folder included.

    Raises:
        WorkFailed: It cannot be written, or is to be ``new`` and there already.
    """
    if new and path.exists():
        raise refused(f"{path} is there already", "file-exists")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise refused(f"cannot write {path}: {reason}", "file-unwritable") from error


def is_repository(path: Path) -> bool:
    """Whether a folder lies in a git repository."""
    return any((parent / ".git").exists() for parent in (path, *path.parents))


async def git(
    context: Context, cwd: Path, *arguments: str, expect: Sequence[int] | None = (0,)
) -> str:
    """What a git command prints.

    Raises:
        WorkFailed: It failed; outside of a repository with git's own words.
    """
    done = await context.executor.run(
        # paths as they are, no pager, and no question that nobody would answer
        ["git", "-c", "core.quotePath=false", "--no-pager", *arguments],
        cwd=cwd,
        environment={"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"},
        expect=expect,
        capture_bytes=MAX_TEXT_BYTES,
    )
    return done.stdout


async def files_below(context: Context, cwd: Path) -> tuple[list[str], bool]:
    """The files of a folder, relative and sorted, and whether there are more than `MAX_FILES`.

    In a repository those that git tracks or would; elsewhere all that are not hidden.
    """
    if is_repository(cwd):
        listed = await git(context, cwd, "ls-files", "-z", "-co", "--exclude-standard")
        found = sorted({name for name in listed.split("\0") if name and (cwd / name).is_file()})
    else:
        found = sorted(_walked(cwd))
    return found[:MAX_FILES], len(found) > MAX_FILES


def _walked(cwd: Path) -> Iterator[str]:
    count = 0
    for place, folders, names in os.walk(cwd):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            if not name.startswith("."):
                yield (Path(place) / name).relative_to(cwd).as_posix()
                count += 1
        if count > MAX_FILES:
            return


async def changed_files(context: Context, cwd: Path) -> list[str]:
    """The files that differ from the last commit or are new, relative to the repository's top."""
    status = await git(context, cwd, "status", "--porcelain=v1", "-z", "--untracked-files=all")
    parts = iter(status.split("\0"))
    found = set()
    for part in parts:
        if part:
            found.add(part[3:])
            if part[0] in "RC":
                next(parts, None)  # the name that it had before
    return sorted(found)


async def top(context: Context, cwd: Path) -> Path:
    """The top folder of the repository."""
    return Path((await git(context, cwd, "rev-parse", "--show-toplevel")).rstrip("\n"))


async def contents(context: Context, cwd: Path) -> dict[str, str]:
    """The changed files with the hash of their contents: equal before and after means unchanged."""
    root = await top(context, cwd)
    found = {}
    for name in await changed_files(context, cwd):
        there = (root / name).is_file()
        found[name] = await git(context, root, "hash-object", "--", name) if there else "deleted"
    return found


async def changes_since(
    context: Context, cwd: Path, before: dict[str, str]
) -> list[dict[str, Any]]:
    """What has changed since `contents` gave ``before``: ``{file, changes}``, with the difference.

    A difference is that to the last commit; of a new file it is the whole text.
    """
    root = await top(context, cwd)
    changes: list[dict[str, Any]] = []
    for name, now in (await contents(context, cwd)).items():
        if before.get(name) == now:
            continue
        known = await git(context, root, "ls-files", "--", name)
        if known:
            shown = await git(context, root, "diff", "HEAD", "--", name, expect=(0, 128))
        else:
            shown = await git(
                context, root, "diff", "--no-index", "--", os.devnull, name, expect=(0, 1)
            )
        changes.append({"file": name, "changes": shorten(shown, MAX_DIFF_CHARACTERS)})
    return changes

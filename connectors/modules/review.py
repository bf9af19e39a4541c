"""Reviews: what there is in a repository, what has happened lately, and the two documents about it.

A *version* has a review and a progress file of the same name, ``review/version0-1.md`` and
``progress/version0-1.md``. The newest version is the one with the highest numbers.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import attrs

from weft.connectors.actions import Context, action
from weft.connectors.failure import shorten
from weft.connectors.modules.git import commits
from weft.connectors.modules.repository import (
    files_below,
    folder,
    git,
    is_repository,
    read_text,
    refused,
    write_text,
)
from weft.connectors.modules.tasks import checklist

__all__ = [
    "analyze_changes",
    "append_progress",
    "append_review",
    "check_all_tasks_complete",
    "create_next_version",
    "create_pr",
    "find_current_version",
    "generate_review_prompt",
    "read_progress",
    "read_review",
    "scan_repository",
]

MAX_DAYS: Final = 3_650
_VERSION: Final = re.compile(r"version(\d{1,9}(?:-\d{1,9})*)")
_PULL_REQUEST: Final = re.compile(r"https?://\S+/(\d+)\b")


# ── what there is ────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class Scan:
    """What is in a repository."""

    summary: dict[str, Any]


@action("scan-repository")
async def scan_repository(context: Context, cwd: str | None = None) -> Scan:
    """Count a repository's files: by folder at its top, by suffix; and say which it is.

    ``summary`` has ``root``, ``branch`` (null outside of git), ``files``, ``directories`` and
    ``suffixes`` (name to number of files, the most first) and ``truncated``.
    """
    place = folder(cwd)
    files, truncated = await files_below(context, place)
    tops = Counter(name.split("/", 1)[0] if "/" in name else "." for name in files)
    suffixes = Counter(Path(name).suffix or "(none)" for name in files)
    branch = None
    if is_repository(place):
        branch = (await git(context, place, "branch", "--show-current")).strip() or None
    return Scan(
        {
            "root": str(place),
            "branch": branch,
            "files": len(files),
            "directories": dict(tops.most_common(50)),
            "suffixes": dict(suffixes.most_common(50)),
            "truncated": truncated,
        }
    )


@attrs.frozen
class Changes:
    """What was committed lately; commits as ``git.log`` gives them."""

    commits: list[dict[str, Any]]
    changed_files: list[str]
    commit_count: int
    file_count: int


@action("analyze-changes")
async def analyze_changes(context: Context, cwd: str | None = None, days: float = 7) -> Changes:
    """The commits of the last days on this branch, and the files that they changed."""
    if not 0 < days <= MAX_DAYS:
        raise refused(f"days: expected more than 0, up to {MAX_DAYS:,}; found {days:g}")
    since = f"--since={round(days * 86_400)} seconds ago"
    found = await commits(context, cwd, since)
    place = folder(cwd)
    names: set[str] = set()
    if found:
        listed = await git(context, place, "log", since, "--name-only", "-z", "--format=")
        names = {name.strip("\n") for name in listed.split("\0") if name.strip("\n")}
    return Changes(found, sorted(names), len(found), len(names))


# ── versions ─────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class Version:
    """A version's files; without one ``found`` is false, and the others are empty."""

    found: bool
    version_tag: str
    review_file: str
    progress_file: str


def _numbers(path: Path) -> tuple[int, ...] | None:
    found = _VERSION.fullmatch(path.stem)
    return None if found is None else tuple(map(int, found[1].split("-")))


@action("find-current-version")
def find_current_version(
    cwd: str | None = None, review_dir: str = "review", progress_dir: str = "progress"
) -> Version:
    """The newest version that has a review; its progress file may still be missing."""
    place = folder(cwd)
    known = [
        (numbers, path)
        for path in sorted((place / review_dir).glob("version*.md"))
        if (numbers := _numbers(path)) is not None
    ]
    if not known:
        return Version(found=False, version_tag="", review_file="", progress_file="")
    _, review = max(known)
    progress = place / progress_dir / review.name
    return Version(
        found=True, version_tag=review.stem, review_file=str(review), progress_file=str(progress)
    )


@attrs.frozen
class NewVersion:
    """The files of a version that was begun."""

    version_tag: str
    review_file: str
    progress_file: str


@action("create-next-version")
def create_next_version(
    current_version_tag: str,
    cwd: str | None = None,
    review_dir: str = "review",
    progress_dir: str = "progress",
) -> NewVersion:
    """Begin the version after one: its last number is one higher. Nothing is overwritten."""
    place = folder(cwd)
    found = _VERSION.fullmatch(current_version_tag)
    if found is None:
        raise refused(f"{current_version_tag!r} is no version; expected one such as version0-1")
    *before, last = map(int, found[1].split("-"))
    tag = "version" + "-".join(map(str, [*before, last + 1]))
    review = place / review_dir / f"{tag}.md"
    progress = place / progress_dir / f"{tag}.md"
    for path in (review, progress):
        if path.exists():
            raise refused(f"{path} is there already", "file-exists")
    write_text(review, f"# Review {tag}\n\n## Next Steps\n", new=True)
    write_text(progress, f"# Progress {tag}\n", new=True)
    return NewVersion(tag, str(review), str(progress))


# ── the documents ────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class Document:
    """The text of a document."""

    content: str


@action("read-review")
def read_review(review_file: str) -> Document:
    """The text of a review."""
    return Document(read_text(Path(review_file)))


@action("read-progress")
def read_progress(progress_file: str) -> Document:
    """The text of a progress file."""
    return Document(read_text(Path(progress_file)))


@attrs.frozen
class Appended:
    """A document that has grown."""

    file: str
    characters: int


def _append(name: str, entry: str) -> Appended:
    """Add an entry with today's date to a document that there is."""
    path = Path(name)
    text = read_text(path)
    day = datetime.now(UTC).date().isoformat()
    gap = "" if not text or text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"
    added = f"{gap}## {day}\n\n{entry.strip()}\n"
    write_text(path, text + added)
    return Appended(str(path), len(added))


@action("append-progress")
def append_progress(progress_file: str, entry: str) -> Appended:
    """Add a dated entry to a progress file that there is."""
    return _append(progress_file, entry)


@action("append-review")
def append_review(review_file: str, entry: str) -> Appended:
    """Add a dated entry to a review that there is."""
    return _append(review_file, entry)


@attrs.frozen
class Completion:
    """How many of a review's tasks are done."""

    all_complete: bool
    total_tasks: int
    completed_tasks: int


@action("check-all-tasks-complete")
def check_all_tasks_complete(review_file: str) -> Completion:
    """Count the check boxes of a review's next steps; without any, nothing is complete."""
    tasks = checklist(read_text(Path(review_file)))
    done = sum(task.done for task in tasks)
    return Completion(bool(tasks) and done == len(tasks), len(tasks), done)


@attrs.frozen
class Prompt:
    """A text for an agent, or for a person."""

    prompt: str


@action("generate-review-prompt")
def generate_review_prompt(
    summary: dict[str, Any] | None = None,
    changes: dict[str, Any] | None = None,
    review_content: str | None = None,
    progress_content: str | None = None,
    version_tag: str | None = None,
) -> Prompt:
    """A prompt that asks for the review and progress files to be brought up to date."""
    summary, changes = summary or {}, changes or {}
    lines = [f"Update the review and progress files of {version_tag or 'this version'}.", ""]
    if summary:
        folders = ", ".join(map(str, summary.get("directories") or {}))
        lines += [f"The repository has {summary.get('files', '?')} files in: {folders}.", ""]
    listed = changes.get("commits") or []
    lines += [f"Recent commits ({changes.get('commitCount', len(listed))}):"]
    lines += [
        f"- {commit.get('subject')} ({str(commit.get('hash'))[:10]})" for commit in listed[:50]
    ]
    lines += ["", "Changed files:", *(f"- {f}" for f in (changes.get("changedFiles") or [])[:100])]
    for title, text in (("Review", review_content), ("Progress", progress_content)):
        if text:
            lines += ["", f"{title} so far:", "", shorten(text, 20_000)]
    return Prompt("\n".join(lines))


# ── pull requests ────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class PullRequest:
    """A pull request, as the host's tool tells it."""

    pr_url: str
    pr_number: int


@action("create-pr")
async def create_pr(
    context: Context,
    feature: str,
    changes: list[Any] | None = None,
    test_results: dict[str, Any] | None = None,
    docs_updated: list[str] | None = None,
    cwd: str | None = None,
    base: str | None = None,
) -> PullRequest:
    """Open a pull request for the branch that is checked out, with GitHub's command ``gh``."""
    place = folder(cwd)
    lines = [feature, ""]
    lines += [f"- {_file(change)}" for change in (changes or [])[:200]]
    if test_results:
        told = [f"{key}: {test_results.get(key, '?')}" for key in ("total", "failed", "coverage")]
        lines += ["", f"Tests: {', '.join(told)}"]
    if docs_updated:
        lines += ["", f"Documentation: {', '.join(docs_updated)}"]
    title = " ".join(feature.split())[:100] or "Changes"
    target = ["--base", base] if base else []
    done = await context.executor.run(
        ["gh", "pr", "create", "--title", title, "--body-file", "-", *target],
        cwd=place,
        stdin="\n".join(lines),
        environment={"GH_PROMPT_DISABLED": "1"},
    )
    url = _PULL_REQUEST.search(done.stdout)
    if url is None:
        raise refused(f"gh named no pull request; it printed: {done.stdout[:500]!r}", "no-result")
    return PullRequest(url.group(), int(url[1]))


def _file(change: Any) -> str:
    return str(change.get("file", change)) if isinstance(change, dict) else str(change)

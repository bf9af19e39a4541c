"""Which files speak of something. It has no actions of its own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from weft.connectors.actions import Context
from weft.connectors.modules.repository import MAX_TEXT_BYTES, is_repository

__all__ = ["keywords", "mentioning"]

MAX_WORDS: Final = 12
_COMMON: Final = frozenset(
    [
        "a",
        "add",
        "all",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "by",
        "can",
        "do",
        "for",
        "from",
        "has",
        "have",
        "if",
        "in",
        "into",
        "is",
        "it",
        "new",
        "no",
        "not",
        "of",
        "on",
        "or",
        "should",
        "so",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "they",
        "this",
        "to",
        "us",
        "use",
        "user",
        "was",
        "we",
        "when",
        "which",
        "will",
        "with",
        "you",
    ]
)


def keywords(text: str) -> list[str]:
    """The words of a text that tell something, each once, in order."""
    words = (word.lower() for word in re.findall(r"[^\W_]{3,}", text))
    return list(dict.fromkeys(word for word in words if word not in _COMMON))[:MAX_WORDS]


async def mentioning(
    context: Context, cwd: Path, files: Sequence[str], words: Sequence[str]
) -> list[str]:
    """The files in which a word stands, those with the most of the words first."""
    found: Counter[str] = Counter()
    known = set(files)
    for word in words:
        if is_repository(cwd):
            done = await context.executor.run(
                ["git", "grep", "-lzIiF", "--untracked", "-e", word, "--", "."],
                cwd=cwd,
                expect=(0, 1),
                capture_bytes=MAX_TEXT_BYTES,
            )
            found.update(known.intersection(done.stdout.split("\0")))
        else:
            found.update(name for name in files if _holds(cwd / name, word))
    return sorted(found, key=lambda name: (-found[name], name))


def _holds(path: Path, word: str) -> bool:
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            return False
        return word in path.read_text(encoding="utf-8").lower()
    except (OSError, ValueError):
        return False

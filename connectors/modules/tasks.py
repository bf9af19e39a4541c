"""Check boxes in Markdown: ``- [ ] to do`` and ``- [x] done``. It has no actions of its own."""

from __future__ import annotations

import re
from typing import Final

import attrs

__all__ = ["Task", "checklist"]

_BOX: Final = re.compile(r"\s*(?:[-*+]|\d+[.)])\s+\[([ xX])\]\s+(.+?)\s*")
_HEADING: Final = re.compile(r"(#{1,6})\s+(.+?)\s*#*\s*")
_NEXT: Final = re.compile(r"next steps\b.*", re.IGNORECASE)


@attrs.frozen
class Task:
    """A check box: its text, whether it is ticked, and its line (from 1)."""

    text: str
    done: bool
    line: int


def checklist(text: str) -> list[Task]:
    """The check boxes below the heading *Next Steps*; of the whole text if it has no such heading.

    Those in fenced blocks of code are none.
    """
    tasks: list[Task] = []
    below: list[Task] = []
    level = 0
    there = fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        if fenced:
            continue
        if (heading := _HEADING.fullmatch(line)) is not None:
            depth = len(heading[1])
            if _NEXT.fullmatch(heading[2]):
                level, there = depth, True
            elif depth <= level:
                level = 0
        elif (box := _BOX.fullmatch(line)) is not None:
            task = Task(box[2], box[1] != " ", number)
            tasks.append(task)
            if level:
                below.append(task)
    return below if there else tasks

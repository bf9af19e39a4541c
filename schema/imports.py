"""What has become of the parts of a model that was made for another engine.

A reader of a foreign format says of every construct that it meets one of four things, and the same
words stand in the tables of the documentation.
"""

from __future__ import annotations

from enum import Enum
from typing import Literal

import attrs

from weft.schema.jsonvalue import JsonValue

__all__ = ["Construct", "Finding", "Imported", "Verdict", "in_groups"]


class Verdict(Enum):
    """What has become of a construct."""

    RUNS = "runs"
    """It does here what its standard says."""
    CHANGED = "changed"
    """It runs, and not exactly as its standard says; the note says how."""
    KEPT = "kept"
    """It is noted, and decides nothing here."""
    REFUSED = "refused"
    """A file with it is not read; the note says why."""


@attrs.frozen
class Construct:
    """A construct of a standard: what becomes of it, and how."""

    verdict: Verdict
    note: str


@attrs.frozen
class Imported:
    """What has become of one part of a file.

    Args:
        construct: What it is, in the standard's words (``timerEventDefinition``).
        verdict: What has become of it.
        note: How, or why.
        id: Its identifier in the file, if it has one.
        line: Where it stands in the file, from 1.
    """

    construct: str
    verdict: Verdict
    note: str = ""
    id: str = ""
    line: int | None = None

    def as_json(self) -> dict[str, JsonValue]:
        """The object of the command line."""
        return {
            "construct": self.construct,
            "verdict": self.verdict.value,
            "note": self.note,
            "id": self.id,
            "line": self.line,
        }


@attrs.frozen
class Finding:
    """What is amiss in a file that is read all the same, by the rules of its own format.

    Args:
        level: ``error``: the net breaks a rule of its format, and what it can do is not told;
            ``warning``: it is likely not what its author meant.
        code: A stable, kebab-case word.
        message: A sentence.
        element: The task or condition that it is about.
        line: Where it stands in the file, from 1.
        net: The net that it is in.
    """

    level: Literal["error", "warning"]
    code: str
    message: str
    element: str | None = None
    line: int | None = None
    net: str | None = None


def in_groups(
    parts: tuple[Imported, ...],
) -> list[tuple[Verdict, str, str, list[Imported]]]:
    """Parts of which the same is said, together: verdict, construct, note and the parts."""
    groups: dict[tuple[Verdict, str, str], list[Imported]] = {}
    for part in parts:
        groups.setdefault((part.verdict, part.construct, part.note), []).append(part)
    order = list(Verdict)
    return [
        (*key, found) for key, found in sorted(groups.items(), key=lambda g: order.index(g[0][0]))
    ]

"""What is said about a registry, or about telemetry held against one.

A finding has a stable id, a level, a sentence for people and the same facts as data. The ids are
those of OpenTelemetry Weaver, so that what a project knows about its own findings stays true.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import attrs

__all__ = ["WARNING_IDS", "Finding", "Findings", "Level", "Place"]


class Level(StrEnum):
    """How grave a finding is.

    A registry has errors, warnings and violations (of a policy); telemetry has violations,
    improvements and information.
    """

    ERROR = "error"
    VIOLATION = "violation"
    WARNING = "warning"
    IMPROVEMENT = "improvement"
    INFORMATION = "information"

    @property
    def gravity(self) -> int:
        """A number that is higher the graver it is."""
        return _GRAVITY[self]


_GRAVITY: Final = {
    level: number
    for number, level in enumerate(
        (Level.INFORMATION, Level.IMPROVEMENT, Level.WARNING, Level.VIOLATION, Level.ERROR)
    )
}


WARNING_IDS: Final = frozenset(
    {
        "DeprecatedSyntaxInRegistryManifest",
        "DeprecatedVersionField",
        "DuplicateGroupId",
        "DuplicateGroupName",
        "DuplicateMetricName",
        "InvalidAnyValue",
        "InvalidAttributeWarning",
        "InvalidExampleWarning",
        "InvalidGroupDuplicateAttributeRef",
        "InvalidGroupMissingExtendsOrAttributes",
        "InvalidGroupMissingType",
        "InvalidGroupStability",
        "InvalidGroupUsesPrefix",
        "InvalidSpanMissingSpanKind",
        "LegacyRegistryManifest",
        "MissingRequirementLevelWarning",
        "UnmatchedImport",
        "UnstableFileFormat",
        "UnstructuredDeprecatedProperty",
    }
)
"""The ids that do not reject a registry; all other ids of `check` are errors."""


@attrs.frozen
class Place:
    """A position in a file of a registry; line and column count from 1."""

    file: str
    line: int
    column: int


@attrs.frozen
class Finding:
    """One thing found.

    ``context`` holds the facts of the message as plain JSON; ``signal_type`` and ``signal_name``
    name the signal that it is about, when it is about one.
    """

    id: str
    level: Level
    message: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    context: Mapping[str, Any] = attrs.field(factory=dict)
    signal_type: str | None = None
    signal_name: str | None = None

    @property
    def where(self) -> str | None:
        """``file:line:column``, as far as it is known."""
        if self.file is None or self.line is None:
            return self.file
        return f"{self.file}:{self.line}" + (f":{self.column}" if self.column is not None else "")

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.level}: {self.message} [{self.id}]"

    def as_json(self) -> dict[str, Any]:
        """The finding as the command line prints it."""
        return {
            "id": self.id,
            "level": str(self.level),
            "message": self.message,
            "file": self.file,
            "line": self.line,
            "context": dict(self.context),
            "signal_type": self.signal_type,
            "signal_name": self.signal_name,
        }

    @classmethod
    def from_json(cls, made: Mapping[str, Any]) -> Finding:
        """The finding that `as_json` wrote, as to merge those of another process."""
        fields = {each: made[each] for each in ("id", "message", "file", "line", "context")}
        about = {each: made[each] for each in ("signal_type", "signal_name")}
        return cls(level=Level(made["level"]), **fields, **about)


MAX_OF_AN_ID: Final = 20_000
"""So many findings of one id are kept; further ones are counted only."""


def _usual_level(id: str) -> Level:
    return Level.WARNING if id in WARNING_IDS else Level.ERROR


class Findings:
    """A growing list of findings, for the functions that read and resolve a registry."""

    def __init__(self) -> None:
        self._found: list[Finding] = []
        self._counts: Counter[str] = Counter()

    def report(
        self,
        id: str,
        message: str,
        place: Place | None = None,
        *,
        file: str | None = None,
        signal: tuple[str, str] | None = None,
        **context: Any,
    ) -> None:
        """Add a finding at its usual level; ``signal`` is its type and its name."""
        if not self._kept(id):
            return
        self._found.append(
            Finding(
                id=id,
                level=_usual_level(id),
                message=message,
                file=place.file if place else file,
                line=place.line if place else None,
                column=place.column if place else None,
                context=context,
                signal_type=signal[0] if signal else None,
                signal_name=signal[1] if signal else None,
            )
        )

    def _kept(self, id: str) -> bool:
        """Count a finding; whether it is one to keep."""
        self._counts[id] += 1
        return self._counts[id] <= MAX_OF_AN_ID

    def extend(self, findings: Iterable[Finding]) -> None:
        """Add what another function found."""
        kept = findings._found if isinstance(findings, Findings) else findings
        self._found += [finding for finding in kept if self._kept(finding.id)]
        if isinstance(findings, Findings):
            for name, count in findings._counts.items():
                self._counts[name] += max(count - MAX_OF_AN_ID, 0)

    def __iter__(self) -> Iterator[Finding]:
        yield from self._found
        for name, count in self._counts.items():
            if count > MAX_OF_AN_ID:
                more = f"and {count - MAX_OF_AN_ID:,} more findings of this id"
                yield Finding(name, _usual_level(name), more)

    def __len__(self) -> int:
        """How many were found, kept or not."""
        return self._counts.total()

    def has(self, *ids: str) -> bool:
        """Whether something with one of these ids was found."""
        return any(name in self._counts for name in ids)


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    """How often each id occurs."""
    return dict(Counter(finding.id for finding in findings))

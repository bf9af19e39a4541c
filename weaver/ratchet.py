"""A ratchet: the findings of today are let pass, new ones are not.

It is a file of fingerprints. A fingerprint names what is wrong and where, but no values and no
names that differ from run to run, so that the same fault is the same tomorrow.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import attrs

from weft.schema.errors import DefinitionError
from weft.weaver.findings import Finding

__all__ = ["Ratchet", "fingerprint"]

_VERSION: Final = 1
_SUBJECTS: Final = (
    "attribute_key",
    "metric_name",
    "event_name",
    "span_type",
    "span_name",
    "entity_type",
    "name",
)


def fingerprint(finding: Finding) -> str:
    """What is wrong, and where: ``type_mismatch metric:http.duration http.method``.

    The names of spans are often made of values, so that the name of a span does not count.
    """
    parts = [finding.id]
    if finding.signal_type is not None:
        named = finding.signal_name if finding.signal_type != "span" else None
        parts.append(f"{finding.signal_type}:{named}" if named else finding.signal_type)
    for subject in _SUBJECTS:
        value: Any = finding.context.get(subject)
        if value is not None:
            parts.append("|".join(value) if isinstance(value, list) else str(value))
            break
    return " ".join(parts)


@attrs.frozen
class Ratchet:
    """The fingerprints of findings that are known."""

    entries: frozenset[str] = frozenset()

    @classmethod
    def of(cls, findings: Iterable[Finding]) -> Ratchet:
        """A ratchet that knows these findings and no others."""
        return cls(frozenset(fingerprint(finding) for finding in findings))

    def knows(self, finding: Finding) -> bool:
        """Whether a finding is let pass."""
        return fingerprint(finding) in self.entries

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Ratchet:
        """Read a ratchet; a file that does not exist knows nothing.

        Raises:
            DefinitionError: The file cannot be read, or is no ratchet.
        """
        name = os.fspath(path)
        try:
            made = json.loads(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, RecursionError) as error:
            raise DefinitionError(
                f"cannot read the ratchet: {getattr(error, 'strerror', None) or error}",
                code="ratchet",
                file=name,
            ) from error
        known = made.get("known") if isinstance(made, dict) else None
        if (
            not isinstance(known, list)
            or not all(isinstance(entry, str) for entry in known)
            or made.get("version") != _VERSION
        ):
            raise DefinitionError(
                f'this is no ratchet; {{"version": {_VERSION}, "known": […]}} is wanted',
                code="ratchet",
                file=name,
            )
        return cls(frozenset(known))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the ratchet, one fingerprint a line, so that changes to it can be reviewed.

        Raises:
            DefinitionError: The file cannot be written.
        """
        text = json.dumps({"version": _VERSION, "known": sorted(self.entries)}, indent=2)
        try:
            Path(path).write_text(text + "\n", encoding="utf-8")
        except (OSError, ValueError) as error:
            raise DefinitionError(
                f"cannot write the ratchet: {getattr(error, 'strerror', None) or error}",
                code="ratchet",
                file=os.fspath(path),
            ) from error

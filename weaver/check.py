"""The whole check of a registry: read, resolve, validate, and judge by policies if asked to."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any

import attrs

from weft.schema.errors import DefinitionError, raise_faults
from weft.weaver.compatibility import compare_with_baseline
from weft.weaver.findings import Finding, Findings, Level
from weft.weaver.load import load_registry
from weft.weaver.policies import apply_policies
from weft.weaver.registry import Registry
from weft.weaver.resolve import resolve

__all__ = ["CheckReport", "check", "open_registry", "read_registry"]

Path = str | os.PathLike[str]


@attrs.frozen
class CheckReport:
    """What a check has found; ``registry`` is ``None`` when not all of it could be read."""

    findings: tuple[Finding, ...]
    registry: Registry | None = attrs.field(repr=False)

    @property
    def accepted(self) -> bool:
        """Whether nothing is an error or a violation."""
        return not any(finding.level in {Level.ERROR, Level.VIOLATION} for finding in self.findings)

    @property
    def exit_code(self) -> int:
        """1 for an error or a violation of a policy, else 0."""
        return 0 if self.accepted else 1

    def as_json(self) -> dict[str, Any]:
        """``accepted`` and ``findings``, as the command line prints them."""
        return {
            "accepted": self.accepted,
            "findings": [finding.as_json() for finding in self.findings],
        }


def check(
    path: Path,
    *,
    policies: bool | Collection[str] = False,
    baseline: Path | None = None,
    future: bool = False,
) -> CheckReport:
    """Check a registry.

    Args:
        path: Its folder, or a single file of definitions.
        policies: Whether to apply the policies; or the packages to apply
            (`weft.weaver.policies.PACKAGES`).
        baseline: An earlier version of the registry, to be compatible with.
        future: Take warnings for errors, as a later version will.

    Raises:
        DefinitionError: There is nothing to read at one of the paths.
        UsageError: There is no such policy package.
    """
    registry, findings = read_registry(path)
    found = list(findings)
    if registry is not None and policies is not False:
        found += apply_policies(registry, None if policies is True else policies)
    if baseline is not None:
        earlier, faults = read_registry(baseline)
        # What is merely dubious about the past cannot be helped any more.
        found += [finding for finding in faults if finding.level is Level.ERROR]
        if registry is not None and earlier is not None:
            found += compare_with_baseline(registry, earlier)
    if future:
        found = [
            attrs.evolve(finding, level=Level.ERROR) if finding.level is Level.WARNING else finding
            for finding in found
        ]
    return CheckReport(tuple(found), registry)


def read_registry(path: Path) -> tuple[Registry | None, tuple[Finding, ...]]:
    """Load and resolve a registry; the registry is ``None`` when part of it could not be read.

    Raises:
        DefinitionError: There is nothing to read at the path.
    """
    findings = Findings()
    loaded = load_registry(path, findings)
    registry = resolve(loaded, findings)
    return registry if loaded.whole else None, tuple(findings)


def open_registry(path: Path) -> Registry:
    """A registry that is to be used, not judged: warnings are passed over.

    Raises:
        DefinitionErrors: It has errors; they are all in the group.
        DefinitionError: There is nothing to read at the path.
    """
    registry, findings = read_registry(path)
    raise_faults(
        f"the registry {os.fspath(path)!r} has errors",
        [
            DefinitionError(
                f"{finding.message} [{finding.id}]",
                code="registry",
                file=finding.file,
                line=finding.line,
                column=finding.column,
            )
            for finding in findings
            if finding.level is Level.ERROR
        ],
    )
    assert registry is not None, "what could not be read was reported as an error"
    return registry

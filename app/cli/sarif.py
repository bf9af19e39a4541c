"""Findings as SARIF 2.1.0 (OASIS), which code hosts show beside the lines they are about."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft import __version__
from weft.schema.errors import DefinitionError, DefinitionErrors, WeftError

if TYPE_CHECKING:
    from weft.engine.verify.report import Diagnostic, Report

__all__ = ["sarif_log"]

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)

RULES = {
    "automatic-alternative": "A deferred choice has an alternative that starts by itself",
    "concurrent-writes": "Concurrent tasks write one variable that declares no merge",
    "dead-branch": "A branch of a choice can never be taken",
    "dead-task": "A task can never start",
    "dead-transition": "A transition can never fire",
    "deadlock": "A case can come to a state in which nothing can go on",
    "endless-run": "Transitions can fire for ever without an event from outside",
    "improper-completion": "The end is reached while something is left over",
    "invariant": "The bookkeeping of a pattern is broken from outside",
    "join-context": "A branch can come to a structured join twice in a round",
    "livelock": "A case can go on, but never end",
    "merge-context": "Two threads can be at a simple merge at once",
    "no-end": "A net has no end",
    "or-joins": "OR-joins wait for each other",
    "recursion": "A recursion has no end",
    "unbounded": "There is no bound on the threads of a case",
    "undecided": "The question could not be decided within the bound",
    "unsafe": "A place can hold two tokens",
}
"""What each code of a finding means; codes that are not here are rules without a text."""


def sarif_log(results: Iterable[tuple[Path, Report | WeftError]]) -> dict[str, Any]:
    """A log of one run, as JSON: each file with its report, or with why there is none."""
    found: list[dict[str, Any]] = []
    for path, result in results:
        if isinstance(result, WeftError):
            members = result.faults if isinstance(result, DefinitionErrors) else (result,)
            found += [_of_error(path, error) for error in members]
            continue
        found += [_of_diagnostic(path, d) for d in result.diagnostics]
        if result.sound is None:
            text = f"whether {result.name} is sound is undecided: {result.undecided}"
            found.append(_result("undecided", "warning", text, path, None, None))
    rules = sorted({r["ruleId"] for r in found})
    for r in found:
        r["ruleIndex"] = rules.index(r["ruleId"])
    driver = {
        "name": "weft",
        "semanticVersion": __version__,
        "rules": [
            {"id": rule, "shortDescription": {"text": RULES.get(rule, rule)}} for rule in rules
        ],
    }
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": found}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _of_diagnostic(path: Path, d: Diagnostic) -> dict[str, Any]:
    result = _result(d.code, d.level, d.message, path, d.line, d.column)
    if d.path:
        steps = [{"location": {"message": {"text": step}}} for step in d.path]
        result["codeFlows"] = [{"threadFlows": [{"locations": steps}]}]
    if d.element is not None:
        logical = {"name": d.element, "fullyQualifiedName": f"{d.net or 'net'}/{d.element}"}
        result["locations"][0]["logicalLocations"] = [logical]
    return result


def _of_error(path: Path, error: WeftError) -> dict[str, Any]:
    line = error.line if isinstance(error, DefinitionError) else None
    column = error.column if isinstance(error, DefinitionError) else None
    return _result(error.code, "error", error.message, path, line, column)


def _result(
    code: str, level: str, message: str, path: Path, line: int | None, column: int | None
) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(path)}}
    if line is not None:
        region = {"startLine": line} | ({} if column is None else {"startColumn": column})
        physical["region"] = region
    return {
        "ruleId": code,
        "level": level,
        "message": {"text": message},
        "locations": [{"physicalLocation": physical}],
    }


def _uri(path: Path) -> str:
    """A file as code hosts find it: relative where it can be."""
    from urllib.parse import quote

    if not path.is_absolute():
        return quote(path.as_posix())
    here = Path.cwd()
    return quote(path.relative_to(here).as_posix()) if path.is_relative_to(here) else path.as_uri()

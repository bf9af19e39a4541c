"""The functions of check-repository.yaml: what its tasks do in Python.

They are ordinary functions. Their annotations say what goes in and what comes out; Weft checks
both and turns JSON into these types and back.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs

import weft

SKIPPED = {"build", "dist", "node_modules", "__pycache__"}
MARK = re.compile(r"\b(?:TODO|FIXME|XXX)\b(?=[:(])")


@attrs.frozen
class Analysis:
    """What is in a repository; ``python`` is the interpreter that looked."""

    files: int
    lines: int
    marks: int
    lines_by_suffix: dict[str, int]
    python: str


@attrs.frozen
class Command:
    """How a command of the shell connector has ended."""

    exit_code: int
    stdout: str
    stderr: str
    truncated: bool

    @property
    def summary(self) -> str:
        """What test runners and linters put last, but for hints in brackets."""
        lines = (self.stdout + self.stderr).strip().splitlines()
        return next((line for line in reversed(lines) if line[:1] != "["), "no output")


def analyse(path: Path) -> Analysis:
    """Count the files, their lines, and the marks that somebody has left open."""
    files = marks = 0
    lines: dict[str, int] = {}
    for file in source_files(path):
        try:
            text = file.read_text("utf-8")
        except UnicodeDecodeError:
            continue  # no text
        files += 1
        suffix = file.suffix or "no suffix"
        lines[suffix] = lines.get(suffix, 0) + text.count("\n")
        marks += len(MARK.findall(text))
    if not files:
        raise ValueError(f"there are no text files in {path.resolve()}")
    return Analysis(files, sum(lines.values()), marks, lines, sys.executable)


def source_files(path: Path) -> Iterator[Path]:
    """The files of a repository; hidden and built ones are left out."""
    for folder, folders, names in os.walk(path):
        folders[:] = [f for f in folders if not f.startswith(".") and f not in SKIPPED]
        yield from (Path(folder, name) for name in names if not name.startswith("."))


def warm_up(work: weft.Work) -> str:
    """Fail at the first attempt, always: a demonstration of what a retry looks like."""
    if work.attempt == 1:
        raise ConnectionError("nobody answers yet (the first attempt fails on purpose)")
    return f"ready at attempt {work.attempt}"


def explain(tests: Command, lint: Command) -> list[str]:
    """What went wrong, for the one who decides."""
    named = {"tests": tests, "lint": lint}
    return [f"{name}: {c.summary}" for name, c in named.items() if c.exit_code != 0]


def write(
    path: Path,
    report: str,
    analysis: Analysis,
    tests: Command,
    lint: Command,
    findings: list[str] | None,
    decision: str,
) -> str:
    """Write the report, in Markdown; its path is the result."""
    largest = sorted(analysis.lines_by_suffix.items(), key=lambda entry: -entry[1])[:5]
    lines = [
        f"# Check of {path.resolve().name}",
        "",
        f"Decision: **{decision}**",
        "",
        "| what | result |",
        "| --- | --- |",
        f"| files | {analysis.files:,} |",
        f"| lines | {analysis.lines:,} ({', '.join(f'{s} {n:,}' for s, n in largest)}) |",
        f"| open marks | {analysis.marks} |",
        f"| tests | exit code {tests.exit_code}: {tests.summary} |",
        f"| lint | exit code {lint.exit_code}: {lint.summary} |",
        *(["", "## Findings", "", *(f"- {f}" for f in findings)] if findings else []),
    ]
    file = path / report
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n", "utf-8")
    return str(file)

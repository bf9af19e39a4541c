"""Testing: run the tests, read their reports, let the agent mend what fails."""

from __future__ import annotations

import json
import math
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import attrs

from weft.connectors.actions import Completed, Context, action
from weft.connectors.failure import shorten
from weft.connectors.modules.implementation import changed_by_agent
from weft.connectors.modules.repository import folder, read_text, refused

__all__ = ["COMMAND_VARIABLE", "fix_failing_tests", "read_coverage", "run_tests"]

COMMAND_VARIABLE: Final = "WEFT_TEST_COMMAND"
"""The environment variable that holds the command line of the tests."""

MAX_FAILURES: Final = 50
_REPORT: Final = "${report}"
_OUTPUT: Final = 8_000


@attrs.frozen
class Tested:
    """How the tests went.

    ``testResults`` has ``passed`` (whether all did), ``exitCode``, ``duration`` in seconds,
    ``output`` and, as far as the reports tell, ``total``, ``failed``, ``skipped``, ``failures``
    (``{name, message}`` each) and ``coverage`` in percent; null where they do not.
    """

    test_results: dict[str, Any]


@action("run-tests")
async def run_tests(
    context: Context,
    command: list[str] | None = None,
    report: str | None = None,
    coverage: str | None = None,
    cwd: str | None = None,
    changes: Any = None,
    files_modified: Any = None,
) -> Tested:
    """Run the tests of a repository. Tests that fail are a result, and no failure of the step.

    The command is the input, or that of WEFT_TEST_COMMAND, or pytest. Where an argument is exactly
    ``${report}`` it is the name of a file for a report in JUnit's XML; without one, ``report``
    says where the command writes it. ``coverage`` is a report of coverage.py or Cobertura.
    """
    del changes, files_modified  # all tests are run, whatever was changed
    place = folder(cwd)
    words = command or _configured()
    with tempfile.TemporaryDirectory(prefix="weft-tests-") as scratch:
        written = Path(scratch) / "report.xml"
        arguments = [str(written) if word == _REPORT else word for word in words]
        begun = time.monotonic()
        done = await context.executor.run(arguments, cwd=place, expect=None)
        seconds = time.monotonic() - begun
        junit = written if _REPORT in words else place / report if report else None
        told = _junit(junit) if junit is not None and junit.is_file() else {}
    covered = _coverage(place / coverage) if coverage else None
    return Tested({**_results(done, told), "coverage": covered, "duration": round(seconds, 3)})


def _configured() -> Sequence[str]:
    line = os.environ.get(COMMAND_VARIABLE, "").strip()
    if not line:
        return [sys.executable, "-m", "pytest", "-q", "-o", "junit_family=xunit2", "--junit-xml", _REPORT]  # fmt: skip
    try:
        return shlex.split(line)
    except ValueError as error:
        raise refused(f"{COMMAND_VARIABLE} is no command line: {error}") from error


def _results(done: Completed, told: dict[str, Any]) -> dict[str, Any]:
    output = "\n".join(text for text in (done.stdout.strip(), done.stderr.strip()) if text)
    return {
        "passed": done.exit_code == 0 and not told.get("failed"),
        "exitCode": done.exit_code,
        "total": None,
        "failed": None,
        "skipped": None,
        "failures": [],
        **told,
        "output": shorten(output, _OUTPUT),
    }


def _parsed(path: Path) -> ET.Element:
    try:
        # A report of the user's own command; expat bounds what entities expand to.
        return ET.fromstring(read_text(path))  # noqa: S314
    except ET.ParseError as error:
        raise refused(f"{path} is no XML: {error}", "report") from error


def _junit(path: Path) -> dict[str, Any]:
    """The numbers and the failures of a report in JUnit's XML.

    Raises:
        WorkFailed: It is none.
    """
    root = _parsed(path)
    if root.tag not in ("testsuites", "testsuite"):
        raise refused(f"{path} is no JUnit report: it begins with <{root.tag}>", "report")
    cases = list(root.iter("testcase"))
    failures = []
    failed = skipped = 0
    for case in cases:
        wrong = next((e for e in case if e.tag in ("failure", "error")), None)
        skipped += case.find("skipped") is not None
        if wrong is not None:
            failed += 1
            name = ".".join(filter(None, (case.get("classname"), case.get("name"))))
            message = wrong.get("message") or (wrong.text or "").strip()
            failures.append({"name": name, "message": shorten(message, 1_000)})
    return {
        "total": len(cases),
        "failed": failed,
        "skipped": skipped,
        "failures": failures[:MAX_FAILURES],
    }


@attrs.frozen
class Coverage:
    """How much of the code the tests run, in percent of its lines."""

    coverage: float


@action("read-coverage")
def read_coverage(file: str, cwd: str | None = None) -> Coverage:
    """Read a report: Cobertura's XML, or the JSON or XML of coverage.py."""
    return Coverage(_coverage(folder(cwd) / file))


def _coverage(path: Path) -> float:
    if path.suffix == ".json":
        try:
            data = json.loads(read_text(path))
            percent = float(data["totals"]["percent_covered"])
        except (ValueError, KeyError, TypeError) as error:
            raise refused(f"{path} is no report of coverage.py: {error!r}", "report") from error
    else:
        rate = _parsed(path).get("line-rate")
        try:
            percent = 100 * float(rate or "none")
        except ValueError as error:
            raise refused(f"{path} has no line-rate at its top", "report") from error
    if not math.isfinite(percent):
        raise refused(f"{path} says {percent} percent", "report")
    return round(percent, 2)


@attrs.frozen
class Fixed:
    """What the agent changed; ``fixed`` says that it changed something, not that tests pass."""

    fixed: bool
    fixes: list[dict[str, Any]]


@action("fix-failing-tests")
async def fix_failing_tests(
    context: Context,
    test_results: dict[str, Any],
    code_changes: list[Any] | None = None,
    cwd: str | None = None,
) -> Fixed:
    """Let the agent mend failing tests; run them again to see whether it has."""
    place = folder(cwd)
    lines = ["These tests fail. Mend the code, not the tests, unless they are wrong.", ""]
    failures = [f for f in test_results.get("failures") or [] if isinstance(f, dict)]
    lines += [f"- {failure.get('name')}: {failure.get('message')}" for failure in failures]
    lines += ["", "Output:", str(test_results.get("output") or "")]
    names = [str(c.get("file")) if isinstance(c, dict) else str(c) for c in code_changes or ()]
    if names:
        lines += ["", f"Changed before: {', '.join(names[:100])}"]
    done = await changed_by_agent(context, place, "\n".join(lines))
    return Fixed(bool(done.code_changes), done.code_changes)

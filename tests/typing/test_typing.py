"""mypy accepts what is right, and refuses what is wrong at the line where it is wrong."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FOUND = re.compile(r"(?P<file>[^:]+):(?P<line>\d+)(:\d+)?: error: .*\[(?P<code>[\w-]+)\]$")
EXPECTED = re.compile(r"# E: (?P<code>[\w-]+)$")


@pytest.fixture(scope="module")
def found(repository: Path) -> Mapping[str, Mapping[int, str]]:
    """File to line to the error that mypy finds there: one run over all programs."""
    api = pytest.importorskip("mypy.api", reason="mypy is part of the extra 'lint'")
    programs = [path.stem for path in sorted(HERE.glob("*.py")) if path != Path(__file__)]
    options = ["--cache-dir=build/mypy-programs", "--no-pretty", "--no-error-summary"]
    with contextlib.chdir(repository):  # whose pyproject.toml says the rest
        out, err, _ = api.run(
            options + [part for name in programs for part in ("-m", f"tests.typing.{name}")]
        )
    assert not err, err
    errors: dict[str, dict[int, str]] = {}
    for line in out.splitlines():
        if (error := FOUND.match(line)) is not None:
            errors.setdefault(Path(error["file"]).name, {})[int(error["line"])] = error["code"]
        else:
            assert ": error:" not in line, line
    return errors


def test_right_programs_are_accepted(found):
    assert found.get("right.py", {}) == {}
    assert found.get("words.py", {}) == {}


def test_wrong_programs_are_refused_where_they_are_wrong(found):
    lines = (HERE / "wrong.py").read_text("utf-8").splitlines()
    expected = {
        number: match["code"]
        for number, line in enumerate(lines, 1)
        if (match := EXPECTED.search(line)) is not None
    }
    assert len(expected) > 40
    assert found.get("wrong.py", {}) == expected

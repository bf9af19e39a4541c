"""The Makefile does what is necessary, once; and says what it can do."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.project.conftest import Run

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")


@pytest.fixture
def project(copy_of: Callable[[Path], Path], tmp_path: Path) -> Path:
    """A copy of the repository, nothing built in it."""
    copy = copy_of(tmp_path / "copy")
    age(copy)
    return copy


def age(folder: Path) -> None:
    """Make all files an hour old: what changes next is newer, on any file system."""
    hour_ago = time.time() - 3600
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (hour_ago, hour_ago))


@pytest.fixture
def steps(project: Path, run: Run) -> Callable[[], list[str]]:
    """Run ``make``, with a stand-in for .venv's Python; gives what it was asked to do."""
    log = project.parent / "log"
    stand_in = project.parent / "python"
    stand_in.write_text(f'#!/bin/sh\n[ "$1" = -c ] || echo "$*" >>"{log}"\n')
    stand_in.chmod(0o755)
    (project / ".venv").mkdir()

    def make() -> list[str]:
        log.write_text("")
        run("make", f"PY={stand_in}", cwd=project)
        age(project)
        words = {
            "install -r": "tools",
            "install --no-build-isolation": "install",
            "link_tree": "link",
            "build_ext": "compile",
        }
        return [
            step
            for line in log.read_text().splitlines()
            for word, step in words.items()
            if word in line
        ]

    return make


def test_a_first_make_does_everything_and_a_second_nothing(steps: Callable[[], list[str]]) -> None:
    assert sorted(steps()) == ["compile", "install", "link", "tools"]
    assert steps() == []


def test_make_does_again_what_a_change_asks_for(
    project: Path, steps: Callable[[], list[str]]
) -> None:
    steps()
    (project / "native" / "_kernel.pyx").write_text("# changed\n")
    assert steps() == ["compile"]

    (project / "app" / "fresh.py").touch()
    assert steps() == ["link"]

    (project / "engine" / "fresh.py").touch()
    assert steps() == []

    (project / "pyproject.toml").touch()
    assert {"tools", "install"} <= set(steps())


def test_cleaning_keeps_what_is_installed(
    project: Path, steps: Callable[[], list[str]], run: Run
) -> None:
    steps()
    run("make", "clean", cwd=project)
    assert not (project / "build").exists()
    assert sorted(steps()) == ["compile", "link"]


def test_help_lists_every_target(repository: Path, run: Run) -> None:
    shown = run("make", "--no-print-directory", "help", cwd=repository).stdout
    declared = re.search(r"^\.PHONY: (.*)$", (repository / "Makefile").read_text(), re.MULTILINE)
    assert declared
    for target in declared[1].split():
        assert re.search(rf"^make {target} +\S", shown, re.MULTILINE), target


def test_the_floor_of_coverage_is_held(repository: Path, run: Run) -> None:
    shown = run("make", "-n", "test", "PY=python", cwd=repository).stdout
    assert "--fail-under=97" in " ".join(shown.split())
    assert "make test" in (repository / ".ci" / "run").read_text()

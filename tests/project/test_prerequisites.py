"""What the machine lacks is named, with the packages that bring it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.project.conftest import Run

REAL = shutil.which("python3") or sys.executable
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def machine(tmp_path: Path) -> Callable[..., str]:
    """A machine with these commands besides the usual tools; gives its PATH.

    Each command is a shell script, given as text.
    """

    def make(**commands: str) -> str:
        folder = tmp_path / "machine"
        folder.mkdir(exist_ok=True)
        for tool in ("sh", "mktemp", "rm", "cat"):
            (folder / tool).symlink_to(shutil.which(tool) or tool)
        for name, text in commands.items():
            script = folder / name
            script.write_text(f"#!/bin/sh\n{text}\n")
            script.chmod(0o755)
        return str(folder)

    return make


GOOD_COMPILER = "cat >/dev/null"
GOOD_PYTHON = f'exec "{sys.executable}" "$@"'
OLD_PYTHON = "exit 1"


def without(word: str) -> str:
    """A Python for which any check that mentions this word fails."""
    return f'case "$*" in *{word}*) exit 1 ;; esac; exec "{sys.executable}" "$@"'


def test_nothing_is_missing(machine: Callable[..., str], repository: Path, run: Run) -> None:
    path = machine(python3=GOOD_PYTHON, cc=GOOD_COMPILER)
    done = run(".ci/prerequisites", "python", cwd=repository, PATH=path, CC="cc")
    assert done.stdout.strip() == f"{path}/python3"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("commands", "reason", "packages"),
    [
        (
            {},
            "Python 3.11 or newer was not found",
            "python3 python3-venv python3-dev gcc libc6-dev",
        ),
        (
            {"python3": OLD_PYTHON, "cc": GOOD_COMPILER},
            "too old",
            "python3 python3-venv python3-dev",
        ),
        (
            {"python3": without("ensurepip"), "cc": GOOD_COMPILER},
            "no venv",
            f"python{VERSION}-venv",
        ),
    ],
)
def test_without_a_python_that_can_build_it_stops_and_names_the_packages(
    machine: Callable[..., str],
    repository: Path,
    run: Run,
    commands: dict[str, str],
    reason: str,
    packages: str,
) -> None:
    done = run(
        *(".ci/prerequisites", "python"),
        cwd=repository,
        check=False,
        PATH=machine(**commands),
        CC="cc",
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert reason in done.stderr
    assert f"apt-get install {packages}\n" in done.stderr


@pytest.mark.parametrize(
    ("commands", "package"),
    [
        ({"python3": GOOD_PYTHON}, "gcc libc6-dev"),
        ({"python3": GOOD_PYTHON, "cc": "exit 1"}, "gcc libc6-dev"),
        ({"python3": without("Python.h"), "cc": GOOD_COMPILER}, f"python{VERSION}-dev"),
    ],
)
def test_without_a_compiler_or_headers_it_warns_and_goes_on(
    machine: Callable[..., str],
    repository: Path,
    run: Run,
    commands: dict[str, str],
    package: str,
) -> None:
    environment = {"PATH": machine(**commands), "CC": "cc"}
    done = run(".ci/prerequisites", "python", cwd=repository, **environment)
    assert done.stdout.strip().endswith("python3")
    assert "warning: the kernel cannot be compiled here" in done.stderr
    assert f"apt-get install {package};" in done.stderr
    asked = run(".ci/prerequisites", "kernel", cwd=repository, **environment)
    assert asked.stdout == "optional\n"


def test_the_kernel_is_required_where_it_can_be_compiled(
    machine: Callable[..., str], repository: Path, run: Run
) -> None:
    path = machine(python3=GOOD_PYTHON, cc=GOOD_COMPILER)
    asked = run(".ci/prerequisites", "kernel", cwd=repository, PATH=path, CC="cc")
    # Where these tests run themselves, Python's headers may be absent.
    assert asked.stdout in ("required\n", "optional\n")


def test_a_python_of_choice_is_taken(
    machine: Callable[..., str], repository: Path, run: Run
) -> None:
    path = machine(python3=OLD_PYTHON, mine=GOOD_PYTHON, cc=GOOD_COMPILER)
    done = run(".ci/prerequisites", "python", cwd=repository, PATH=path, PYTHON="mine", CC="cc")
    assert done.stdout.strip() == f"{path}/mine"


def test_other_words_are_a_usage_error(repository: Path, run: Run) -> None:
    done = run(".ci/prerequisites", "ruby", cwd=repository, check=False)
    assert done.returncode == 2
    assert "usage" in done.stderr


def test_the_files_of_the_tests_go_where_they_are_asked_to(
    repository: Path, run: Run, tmp_path: Path
) -> None:
    made = Path(
        run(".ci/prerequisites", "scratch", cwd=repository, TMPDIR=str(tmp_path)).stdout[:-1]
    )
    assert made.is_dir()
    assert made.parent == tmp_path
    assert made.stat().st_mode & 0o777 == 0o755


def test_a_folder_for_them_is_found_without_being_asked(repository: Path, run: Run) -> None:
    made = Path(
        run("sh", "-c", "unset TMPDIR; .ci/prerequisites scratch", cwd=repository).stdout[:-1]
    )
    program = made / "program"
    program.write_text("#!/bin/sh\necho started\n")
    program.chmod(0o755)
    try:
        assert run(program, cwd=made).stdout == "started\n"
    finally:
        program.unlink()
        made.rmdir()

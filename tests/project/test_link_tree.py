"""The link tree that stands for the package in development (see setup.py)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.project.conftest import FOLDERS, Run


@pytest.fixture
def project(tmp_path: Path, repository: Path) -> Path:
    """A project with one module in each folder, and the build of this one."""
    for folder in ("app", *FOLDERS):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text(f"folder = {folder!r}\n")
    (tmp_path / "app" / "cli").mkdir()
    (tmp_path / "app" / "cli" / "__init__.py").touch()
    (tmp_path / "setup.py").write_text((repository / "setup.py").read_text())
    return tmp_path


@pytest.fixture
def link_tree(project: Path, run: Run) -> Callable[[], Path]:
    """Refresh the project's link tree; gives the folder of the package."""

    def refresh() -> Path:
        run(sys.executable, "setup.py", "-q", "link_tree", cwd=project)
        return project / "build" / "tree" / "weft"

    return refresh


def test_the_tree_is_the_package(project: Path, run: Run, link_tree: Callable[[], Path]) -> None:
    link_tree()
    names = ", ".join(f"weft.{folder}.folder" for folder in FOLDERS)
    imports = "".join(f"import weft.{folder}; " for folder in FOLDERS)
    shown = run(
        *(sys.executable, "-c", f"import weft, weft.cli; {imports}print(weft.folder, {names})"),
        cwd=project,
        PYTHONPATH="build/tree",
    ).stdout
    assert shown.split() == ["app", *(f"{folder}" for folder in FOLDERS)]


def test_a_new_file_is_there_at_once_and_a_new_entry_of_app_after_a_refresh(
    project: Path, link_tree: Callable[[], Path]
) -> None:
    package = link_tree()
    (project / "engine" / "fresh.py").touch()
    assert (package / "engine" / "fresh.py").exists()
    (project / "app" / "fresh.py").touch()
    assert not (package / "fresh.py").exists()
    assert (link_tree() / "fresh.py").resolve() == (project / "app" / "fresh.py").resolve()


def test_a_refresh_touches_only_what_is_wrong(project: Path, link_tree: Callable[[], Path]) -> None:
    package = link_tree()
    before = {link.name: link.lstat().st_ino for link in package.iterdir()}
    (package / "cli").unlink()
    (package / "cli").symlink_to("elsewhere")
    (package / "gone.py").symlink_to("../../../app/gone.py")
    link_tree()
    after = {link.name: link.lstat().st_ino for link in package.iterdir()}
    assert after.keys() == before.keys()
    assert {name for name in before if after[name] != before[name]} <= {"cli"}
    assert (package / "cli").resolve() == (project / "app" / "cli").resolve()


def test_hidden_entries_and_caches_are_left_out(
    project: Path, link_tree: Callable[[], Path]
) -> None:
    (project / "app" / "__pycache__").mkdir()
    (project / "app" / ".swap").touch()
    assert {link.name for link in link_tree().iterdir()} == {"__init__.py", "cli", *FOLDERS}


def test_an_entry_of_app_that_would_hide_a_folder_is_refused(project: Path, run: Run) -> None:
    (project / "app" / "engine.py").touch()
    done = run(sys.executable, "setup.py", "-q", "link_tree", cwd=project, check=False)
    assert done.returncode != 0
    assert "app/engine.py would hide the folder engine/" in done.stderr

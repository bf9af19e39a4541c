"""`make lint` is not blind: what it must refuse is planted, and it is refused.

The plants stand in a skeleton of the repository: its configuration and all its packages, each
emptied to a docstring, so that the tools are quick. That they find nothing in the skeleton as it
is shows that what they find later is the plants.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.project.conftest import FOLDERS, Run

TOOLS = Path(sys.executable).parent


@pytest.fixture
def skeleton(
    repository: Path, repository_files: list[Path], tmp_path: Path, run: Run
) -> Callable[[dict[str, str]], Path]:
    """Make the skeleton with some more files in it (by name, with their text)."""

    def make(plants: dict[str, str]) -> Path:
        root = tmp_path / "skeleton"
        root.mkdir()
        for name in ("pyproject.toml", "setup.py"):
            shutil.copy(repository / name, root / name)
        (root / "README.md").touch()
        packages = [
            name
            for name in repository_files
            if name.name == "__init__.py" and name.parts[0] in (*FOLDERS, "app")
        ]
        docstring = '"""A package."""\n'
        for name, text in {**{str(package): docstring for package in packages}, **plants}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        run(sys.executable, "setup.py", "-q", "link_tree", cwd=root)
        return root

    return make


def module(text: str) -> str:
    return f'"""A module."""\n\n{text}\n'


LAYERS = {
    # planted: what it imports, and the contract that it breaks
    "schema/planted.py": ("import weft.engine", "layers"),
    "native/planted.py": ("import weft.schema", "layers"),
    "engine/planted_up.py": ("import weft.patterns", "layers"),
    "engine/planted_connectors.py": ("import weft.connectors", "layers"),
    "engine/planted_weaver.py": ("import weft.weaver", "layers"),
    "engine/planted_app.py": ("import weft.planted", "app"),
    "weaver/planted_app.py": ("from weft.planted import thing", "app"),
    "engine/planted_root.py": ("from weft import thing", "root"),
    "patterns/planted.py": ("import weft.connectors", "layers"),
    "connectors/planted.py": ("import weft.native", "kernel"),
    "engine/planted_clock.py": ("import time", "effects"),
    "engine/verify/planted_disk.py": ("import os", "effects"),
    "engine/planted_wait.py": ("from asyncio import sleep", "effects"),
    "engine/planted_core.py": ("import weft.engine.runtime", "core"),
    "schema/planted_telemetry.py": ("import opentelemetry", "telemetry"),
}


def test_a_planted_violation_of_each_layer_fails_the_lint(
    skeleton: Callable[[dict[str, str]], Path], run: Run, repository: Path
) -> None:
    plants = {name: module(line) for name, (line, _) in LAYERS.items()}
    allowed = {
        "app/planted.py": module("import weft.cli\nimport weft.engine\n\nthing = 1"),
        "engine/runtime/planted.py": module("import asyncio\nimport time"),
        "weaver/planted_fine.py": module("import opentelemetry\n\nimport weft.engine"),
    }
    root = skeleton({**plants, **allowed})
    done = run(
        *(TOOLS / "lint-imports", "--no-cache", "--no-logo"),
        cwd=root,
        check=False,
        PYTHONPATH=str(root / "build/tree"),
        COLUMNS="300",
    )
    assert done.returncode == 1
    report = sections(done.stdout, repository)
    for name, (_, contract) in LAYERS.items():
        assert importable(name) in report[contract], (name, contract)
    for name in allowed:
        assert f"{importable(name)} is not allowed" not in done.stdout


def test_the_layers_of_the_skeleton_itself_are_sound(
    skeleton: Callable[[dict[str, str]], Path], run: Run
) -> None:
    root = skeleton({})
    run(*(TOOLS / "lint-imports", "--no-cache"), cwd=root, PYTHONPATH=str(root / "build/tree"))


def importable(name: str) -> str:
    return "weft." + name.removeprefix("app/").removesuffix(".py").replace("/", ".")


def sections(report: str, repository: Path) -> dict[str, str]:
    """The report on each broken contract, by the contract's id."""
    text = (repository / "pyproject.toml").read_text()
    ids = dict(re.findall(r'\nid = "(\w+)"\nname = "(.*)"', text))
    broken = report.split("Broken contracts", 1)[1]
    found = {}
    for contract, name in ids.items():
        parts = re.split(rf"^{re.escape(name)}\n-+\n", broken, flags=re.MULTILINE)
        found[contract] = (
            re.split(r"^-{20,}$", parts[1], flags=re.MULTILINE)[0] if parts[1:] else ""
        )
    return found


def test_a_planted_type_error_in_any_folder_fails_the_lint(
    skeleton: Callable[[dict[str, str]], Path], run: Run
) -> None:
    wrong = module("def half(count: int) -> str:\n    return count / 2")
    untyped = module("def half(count):\n    return count / 2")
    plants = {f"{folder}/planted.py": wrong for folder in ("app", *FOLDERS)}
    root = skeleton({**plants, "engine/runtime/planted_untyped.py": untyped})
    done = run(TOOLS / "mypy", cwd=root, check=False, COLUMNS="300")
    assert done.returncode == 1
    for folder in (".", *(f"./{folder}" for folder in FOLDERS)):
        place = Path("build/tree/weft", folder, "planted.py").as_posix()
        assert f"{place}:4: error: Incompatible return value type" in done.stdout
    assert "planted_untyped.py:3: error: Function is missing a type annotation" in done.stdout


def test_the_types_of_the_skeleton_itself_are_sound(
    skeleton: Callable[[dict[str, str]], Path], run: Run
) -> None:
    assert "no issues found" in run(TOOLS / "mypy", cwd=skeleton({})).stdout


RULES = {
    # planted text, and the rule that refuses it
    "import engine": "TID251",
    "from native import kernel": "TID251",
    "from . import net": "TID252",
    "import yaml\n\nprint(yaml.safe_load('a'))": "TID251",
    "print('here')": "T201",
    "answer = eval('1')": "S307",
    "import datetime\n\nnow = datetime.datetime.now()": "DTZ005",
    "def public() -> None:\n    pass": "D103",
    "class Public:\n    value = 1": "D101",
    "try:\n    pass\nexcept BaseException:\n    pass": "BLE001",
    "import subprocess\n\nsubprocess.run('ls', shell=True, check=True)": "S602",
    "answer: int = 'x'  # type: ignore": "PGH003",
}


def test_each_planted_lint_fault_is_found(
    skeleton: Callable[[dict[str, str]], Path], run: Run
) -> None:
    plants = {f"engine/planted_{n}.py": module(text) for n, text in enumerate(RULES)}
    root = skeleton(plants)
    done = run(TOOLS / "ruff", "check", "--output-format=concise", ".", cwd=root, check=False)
    assert done.returncode == 1
    for n, rule in enumerate(RULES.values()):
        assert re.search(rf"engine/planted_{n}\.py:\d+:\d+: {rule} ", done.stdout), rule


def test_each_lint_rule_that_is_ignored_says_why(repository: Path) -> None:
    text = (repository / "pyproject.toml").read_text()
    ignored = text.split("\nignore = [\n", 1)[1].split("\n]", 1)[0].splitlines()
    assert ignored
    for line in ignored:
        assert re.fullmatch(r'    "[A-Z]+\d+", +# \S.*', line), line

"""What holds for every file of the repository, and for the facts that stand in several places."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import weft
from tests.project.conftest import FOLDERS, Run


@pytest.fixture(scope="session")
def texts(repository: Path, repository_files: list[Path]) -> dict[Path, str]:
    """The text of every file that is text."""
    found = {}
    for name in repository_files:
        try:
            found[name] = (repository / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return found


def test_no_file_names_a_path_of_some_machine(texts: dict[Path, str]) -> None:
    # The slash stands apart, so that this file does not find itself.
    homes = "/" + r"(work|farm|root|home/\w+|Users/\w+|tmp/bash_jobs)\b(?!-)"
    machine_path = re.compile(rf"(?<![\w.}}-]){homes}")
    found = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if machine_path.search(line)
    ]
    assert found == []


def test_text_files_end_with_a_newline_and_lines_without_blanks(texts: dict[Path, str]) -> None:
    kinds = {".py", ".pyx", ".pyi", ".toml", ".md", ".yaml", ".yml", ".sh", ""}
    found = [
        str(name)
        for name, text in texts.items()
        if name.suffix in kinds
        and text
        and (not text.endswith("\n") or re.search(r"[ \t]$", text, re.MULTILINE) or "\r" in text)
    ]
    assert found == []


def test_the_version_is_the_same_in_all_places(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    assert weft.__version__ == project["version"]


def test_the_command_names_its_version_and_its_kernel(tmp_path: Path, run: Run) -> None:
    shown = run(sys.executable, "-m", "weft", "--version", cwd=tmp_path).stdout
    assert weft.__version__ in shown
    assert re.search(r"\b(compiled|reference)\b", shown)


def test_the_licence_is_there(repository: Path) -> None:
    text = (repository / "LICENSE").read_text()
    assert text.split()[:4] == ["Apache", "License", "Version", "2.0,"]
    assert "END OF TERMS AND CONDITIONS" in text


def test_news_fragments_are_named_and_say_something(repository: Path) -> None:
    kinds = tomllib.loads((repository / "pyproject.toml").read_text())["tool"]["towncrier"]["type"]
    names = "|".join(kind["directory"] for kind in kinds)
    for fragment in (repository / "docs" / "changes").iterdir():
        if fragment.name == "README.md":
            continue
        assert re.fullmatch(rf"\+[a-z0-9-]+\.({names})\.md", fragment.name), fragment.name
        assert fragment.read_text().strip(), fragment.name


def test_every_dependency_is_used_and_says_why(repository: Path, texts: dict[Path, str]) -> None:
    text = (repository / "pyproject.toml").read_text()
    project = tomllib.loads(text)["project"]
    packages = importlib.metadata.packages_distributions()
    imported = {
        found
        for name, source in texts.items()
        if name.parts[0] in (*FOLDERS, "app") and name.suffix == ".py"
        for found in imports(ast.parse(source))
    }
    brought_by = {
        distribution.lower() for top in imported for distribution in packages.get(top, [])
    }
    lines = text.splitlines()
    unused, unexplained = [], []
    for requirement in project["dependencies"]:
        name = re.split(r"[^\w-]", requirement)[0]
        [number] = [n for n, line in enumerate(lines) if f'    "{requirement}",' in line]
        data_only = lines[number].endswith("data only")  # read by the standard library
        if name.lower() not in brought_by and not data_only:
            unused.append(name)
        if "#" not in lines[number] and not lines[number - 1].strip().startswith("#"):
            unexplained.append(name)
    assert (unused, unexplained) == ([], [])


LOOKUPS = ("import_module", "find_spec")
"""Functions that import, or ask whether one may, by name."""


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(LOOKUPS):
            yield from (a.value.split(".")[0] for a in node.args if isinstance(a, ast.Constant))


@pytest.mark.parametrize("folder", ["app", *FOLDERS])
def test_every_public_thing_has_a_docstring(folder: str, texts: dict[Path, str]) -> None:
    public = [
        (f"{name}: {thing}", documented)
        for name, text in texts.items()
        if name.parts[0] == folder and name.suffix == ".py"
        for thing, documented in public_things(ast.parse(text), "module")
    ]
    assert public
    assert [thing for thing, documented in public if not documented] == []


def public_things(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, name: str
) -> Iterator[tuple[str, bool]]:
    """A module or class and the public classes and functions in it: has each a docstring?

    What overrides or overloads is documented where it is first declared.
    """
    yield name, bool(ast.get_docstring(node))
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return
    for member in node.body:
        if not isinstance(member, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        decorators = {ast.unparse(decorator).split(".")[-1] for decorator in member.decorator_list}
        if member.name.startswith("_") or decorators & {"overload", "override", "setter"}:
            continue
        yield from public_things(
            member, member.name if name == "module" else f"{name}.{member.name}"
        )


def test_every_public_function_of_the_compiled_kernel_has_a_docstring() -> None:
    kernel = pytest.importorskip("weft.native._kernel", reason="the kernel is not compiled")
    public = [
        value
        for name, value in vars(kernel).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == kernel.__name__
    ]
    assert [thing for thing in public if not thing.__doc__] == []


MEASURE = """
import sys, time
start = time.perf_counter()
{statement}
sys.stdout.write(str((time.perf_counter() - start) * 1000))
"""


def test_the_time_of_an_import_is_reported(
    tmp_path: Path, run: Run, report_figure: Callable[[str, str], None]
) -> None:
    """Reported only: the budget is 150 ms for the import, 300 ms for the help."""
    for title, statement in {
        "import weft": "import weft",
        "weft --help": (
            "import subprocess\n"
            "subprocess.run([sys.executable, '-m', 'weft', '--help'], stdout=subprocess.DEVNULL, check=True)"
        ),
    }.items():
        program = MEASURE.format(statement=statement)
        times = [float(run(sys.executable, "-c", program, cwd=tmp_path).stdout) for _ in range(5)]
        assert all(time > 0 for time in times)
        report_figure(title, f"{min(times):.0f} ms, the best of {len(times)}")

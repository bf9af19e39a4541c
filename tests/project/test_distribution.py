"""The wheel and the source distribution: what is in them, and that they work elsewhere."""

from __future__ import annotations

import email
import importlib.metadata
import json
import re
import shutil
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.project.conftest import FOLDERS, Distributions, Run, build, install

NOT_INSTALLED = {".pyx", ".pxd", ".h", ".md"}
"""Kinds of files in the source folders that a user of the wheel has no use for."""


@pytest.fixture(scope="session")
def environment(
    distributions: Distributions, tmp_path_factory: pytest.TempPathFactory, run: Run
) -> Path:
    """The ``bin`` of an environment in which the wheel is installed."""
    return install(run, distributions.wheel, tmp_path_factory.mktemp("environment") / "venv")


@pytest.fixture(scope="session")
def readable_environment(
    distributions: Distributions, tmp_path_factory: pytest.TempPathFactory, run: Run
) -> Path:
    """The same, built where every call of the C compiler fails."""
    folder = tmp_path_factory.mktemp("readable")
    # What is translated already stays; what is compiled already must not.
    source = shutil.copytree(distributions.source, folder / "source", symlinks=True)
    for built in [*source.glob("build/lib*"), *source.glob("build/temp*")]:
        shutil.rmtree(built)
    build(run, source, "--wheel", folder, CC="/bin/false")
    [wheel] = folder.glob("*.whl")
    return install(run, wheel, folder / "venv")


def names_in_wheel(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def as_installed(name: Path) -> str | None:
    """Where a file of the repository goes in the wheel; None if it does not belong there."""
    if name.parts[0] not in (*FOLDERS, "app") or name.suffix in NOT_INSTALLED:
        return None
    return Path("weft", *name.parts[1 if name.parts[0] == "app" else 0 :]).as_posix()


def test_the_wheel_holds_the_package_and_nothing_else(
    distributions: Distributions, repository_files: list[Path]
) -> None:
    expected = {target for name in repository_files if (target := as_installed(name))}
    found = names_in_wheel(distributions.wheel)
    of_package = {
        re.sub(r"(_kernel|_lane)\.cpython-[\w-]+\.so$", r"\1.so", name)
        for name in found
        if not name.split("/")[0].endswith(".dist-info")
    }
    compiled = {"weft/native/_kernel.so", "weft/engine/runtime/_lane.so"}
    assert of_package == expected | (compiled if shutil.which("cc") else set())

    of_metadata = {name.split("/", 1)[1] for name in found if ".dist-info/" in name}
    assert of_metadata == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSE",
        "top_level.txt",
    }


def test_the_wheel_is_typed_and_ships_its_contracts(distributions: Distributions) -> None:
    names = names_in_wheel(distributions.wheel)
    assert "weft/py.typed" in names
    for folder in FOLDERS:
        assert f"weft/{folder}/__init__.py" in names


def test_the_source_distribution_is_the_repository(
    distributions: Distributions, repository_files: list[Path]
) -> None:
    with tarfile.open(distributions.sdist) as archive:
        found = {Path(*Path(member.name).parts[1:]) for member in archive if not member.isdir()}
    made = {name for name in found if name.parts[0] in ("PKG-INFO", "setup.cfg", "weft.egg-info")}
    assert found - made == set(repository_files)


def test_the_metadata_says_what_pyproject_says(
    distributions: Distributions, repository: Path
) -> None:
    with zipfile.ZipFile(distributions.wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = email.message_from_string(archive.read(name).decode())
        [name] = [name for name in archive.namelist() if name.endswith("/entry_points.txt")]
        entry_points = archive.read(name).decode()
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    assert metadata["Name"] == project["name"] == "weft"
    assert metadata["Version"] == project["version"]
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert set(metadata.get_all("Provides-Extra")) == set(project["optional-dependencies"])
    assert "weft = weft.cli:main" in entry_points


IMPORT_EVERYTHING = """
import importlib, json, pkgutil, weft
imported, missing = [], {}
for module in pkgutil.walk_packages(weft.__path__, "weft."):
    if "__main__" not in module.name:
        try:
            importlib.import_module(module.name)
            imported.append(module.name)
        except ModuleNotFoundError as error:
            missing[module.name] = error.name
print(json.dumps({"file": weft.__file__, "imported": imported, "missing": missing}))
"""


def test_every_module_imports_with_the_declared_dependencies(
    environment: Path, tmp_path: Path, run: Run, repository: Path, repository_files: list[Path]
) -> None:
    """What misses something misses it for an extra, and nothing that runs a process does."""
    found = json.loads(run(environment / "python", "-c", IMPORT_EVERYTHING, cwd=tmp_path).stdout)
    assert Path(found["file"]).is_relative_to(environment.parent)

    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    of_users = ("telemetry", "draw", "xml", "templates")
    extras = {
        canonicalize_name(Requirement(text).name)
        for extra in of_users
        for text in project["optional-dependencies"][extra]
    }
    extras.add("pytest")  # who has it is who loads the plug-in: it asks for no more
    brought_by = importlib.metadata.packages_distributions()
    for name, package in found["missing"].items():
        assert {canonicalize_name(d) for d in brought_by[package.split(".")[0]]} & extras, (
            f"{name} imports {package}, which is not declared"
        )
        assert not name.startswith(("weft.cli", "weft.connectors", "weft.patterns", "weft.native"))

    modules = [n for n in repository_files if as_installed(n) and n.suffix == ".py"]
    itself = [n for n in modules if n.name == "__main__.py" or n == Path("app/__init__.py")]
    compiled = 2 if shutil.which("cc") else 0  # the kernel, and the lane
    expected = len(modules) - len(itself) + compiled
    assert len(found["imported"]) + len(found["missing"]) == expected


def test_the_installed_command_runs(
    environment: Path, tmp_path: Path, run: Run, repository: Path
) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    shown = run(environment / "weft", "--version", cwd=tmp_path).stdout
    assert project["version"] in shown


def test_a_process_runs_from_the_wheel_alone(environment: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "two.yaml").write_text(
        "weft: 1\nname: two\nsequence:\n  - shell: [echo, one]\n  - shell: [echo, two]\n"
    )
    done = run(environment / "weft", "run", "two.yaml", "--json", cwd=tmp_path)
    assert '"status":"completed"' in done.stdout.replace(" ", "")


KERNEL_IN_USE = "import weft.native as native; print(native.kernel.__name__)"


def test_the_compiled_kernel_is_in_use(environment: Path, tmp_path: Path, run: Run) -> None:
    shown = run(environment / "python", "-c", KERNEL_IN_USE, cwd=tmp_path).stdout
    assert shown.strip() == "weft.native._kernel"


def test_without_a_compiler_the_readable_kernel_is_in_use(
    readable_environment: Path, tmp_path: Path, run: Run
) -> None:
    shown = run(readable_environment / "python", "-c", KERNEL_IN_USE, cwd=tmp_path).stdout
    assert shown.strip() == "weft.native.reference"
    assert run(readable_environment / "weft", "--version", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("kernel", "code", "said"),
    [
        ("optional", 0, "warning"),
        ("required", 1, "error"),
        ("maybe", 1, "WEFT_BUILD_KERNEL is 'maybe'"),
    ],
)
def test_without_cython_the_kernel_is_optional_unless_it_is_required(
    copy_of: Callable[[Path], Path],
    tmp_path: Path,
    run: Run,
    kernel: str,
    code: int,
    said: str,
) -> None:
    copy = copy_of(tmp_path / "copy")
    absent = tmp_path / "absent" / "Cython"
    absent.mkdir(parents=True)
    (absent / "__init__.py").write_text("raise ImportError('Cython is not there')\n")
    done = run(
        *(sys.executable, "setup.py", "build_ext", "--inplace"),
        cwd=copy,
        check=False,
        PYTHONPATH=str(absent.parent),
        WEFT_BUILD_KERNEL=kernel,
    )
    assert done.returncode == code
    assert said in done.stderr
    assert not list((copy / "native").glob("*.so"))

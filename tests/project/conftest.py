"""What the tests of the project itself share: copies of the repository, and what is built of it."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FOLDERS = ("connectors", "engine", "native", "patterns", "schema", "weaver")

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def run() -> Run:
    """Run a command, its output captured as text; a failure shows the output, if `check`."""

    def run(
        *command: str | Path, cwd: Path, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(word) for word in command],
            cwd=cwd,
            env={**clean_environment(), **environment},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if check and done.returncode != 0:
            pytest.fail(f"{done.args} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    return run


def clean_environment() -> dict[str, str]:
    """The environment without what would change a build or an import, or measure its coverage."""
    odd = ("PYTHON", "WEFT_", "COV_", "COVERAGE_", "PYTEST_", "MAKE", "MFLAGS")
    return {name: value for name, value in os.environ.items() if not name.startswith(odd)}


@pytest.fixture(scope="session")
def repository_files(repository: Path, run: Run) -> list[Path]:
    """Every file that belongs to the repository, relative to it: as git sees it, or a walk."""
    if (repository / ".git").exists() and shutil.which("git"):
        listed = run("git", "ls-files", "-co", "--exclude-standard", "-z", cwd=repository).stdout
        names = [Path(name) for name in listed.split("\0") if name]
    else:
        names = list(walk(repository, Path()))
    return sorted(name for name in names if (repository / name).is_file())


def walk(root: Path, below: Path) -> Iterator[Path]:
    """The files of an unpacked source distribution, without what builds and tools leave there."""
    left = {".venv", ".weft", "build", "dist", "__pycache__", "PKG-INFO", "setup.cfg"}
    for entry in sorted((root / below).iterdir()):
        name = below / entry.name
        if (
            entry.name in left
            or entry.suffix in {".so", ".egg-info"}
            or entry.name.endswith("_cache")
            or entry.name.startswith((".coverage", ".hypothesis"))
        ):
            continue
        if entry.is_dir():
            yield from walk(root, name)
        else:
            yield name


@pytest.fixture(scope="session")
def copy_of(repository: Path, repository_files: list[Path]) -> Callable[[Path], Path]:
    """Copy the repository's files to a folder that does not exist yet."""

    def copy(target: Path) -> Path:
        for name in repository_files:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(repository / name, target / name)
        return target

    return copy


@attrs.frozen
class Distributions:
    """What a release would upload, and the unpacked source distribution the wheel was built in."""

    sdist: Path
    wheel: Path
    source: Path


@pytest.fixture(scope="session")
def distributions(
    copy_of: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory, run: Run
) -> Distributions:
    """The source distribution of the repository, and the wheel of that source distribution."""
    folder = tmp_path_factory.mktemp("distributions")
    copy = copy_of(folder / "copy")
    build(run, copy, "--sdist", folder / "dist")
    [sdist] = (folder / "dist").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    source = folder / sdist.name.removesuffix(".tar.gz")
    # How well the compiler optimises is none of these tests' business, and takes half a minute.
    quick = folder / "cc"
    quick.write_text(f'#!/bin/sh\nexec {os.environ.get("CC") or "cc"} "$@" -O0\n', "utf-8")
    quick.chmod(0o755)
    build(run, source, "--wheel", folder / "dist", CC=str(quick))
    [wheel] = (folder / "dist").glob("*.whl")
    return Distributions(sdist=sdist, wheel=wheel, source=source)


def build(run: Run, source: Path, what: str, target: Path, **environment: str) -> None:
    """Build with the build tools that are installed: nothing is fetched."""
    run(
        *(sys.executable, "-m", "build", "--no-isolation", what, "--outdir", target, source),
        cwd=source,
        **environment,
    )


def install(run: Run, wheel: Path, folder: Path) -> Path:
    """Install a wheel into a new environment, which has its declared dependencies and no more.

    The dependencies are links to those that are installed here, found by following what each
    declares; so nothing is fetched, and a dependency that is used without being declared is
    missing. Gives the environment's ``bin``.
    """
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=wheel.parent)
    binaries = folder / "bin"
    run(
        *(sys.executable, "-m", "pip", "--python", binaries / "python", "-qq", "install"),
        *("--no-deps", "--no-index", wheel),
        cwd=wheel.parent,
    )
    [packages] = folder.glob("lib/python*/site-packages")
    [installed] = importlib.metadata.distributions(name="weft", path=[str(packages)])
    for distribution in closure(installed.requires or []):
        for top in {file.parts[0] for file in distribution.files or []} - {"..", "__pycache__"}:
            link = packages / top
            if not link.exists():
                link.symlink_to(Path(str(distribution.locate_file(top))))
    return binaries


def closure(requirements: list[str]) -> Iterator[importlib.metadata.Distribution]:
    """The installed distributions that satisfy the requirements, and theirs in turn."""
    wanted, seen = [(Requirement(text), frozenset[str]()) for text in requirements], set()
    while wanted:
        requirement, of_extras = wanted.pop()
        if requirement.marker and not any(
            requirement.marker.evaluate({"extra": extra}) for extra in of_extras or {""}
        ):
            continue
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        distribution = importlib.metadata.distribution(requirement.name)
        assert requirement.specifier.contains(distribution.version, prereleases=True), (
            f"{requirement} is asked for, {distribution.version} is installed"
        )
        yield distribution
        extras = frozenset(requirement.extras) | {""}
        wanted += [(Requirement(text), extras) for text in distribution.requires or []]

"""The parts of the build that are computed; everything that is plain fact is in pyproject.toml.

The repository has one folder a subpackage: ``app/`` is the package ``weft`` itself, and every
other folder ``x/`` is ``weft.x``. Two things follow from that.

A wheel needs the mapping from packages to folders (`packages`, `PACKAGE_DIR`).

A development install needs one real place on ``sys.path`` where ``weft`` looks like an ordinary
package: the link tree ``build/tree/weft``, made of symbolic links into the folders. setuptools'
own editable install of a mapped layout is an import hook, which type checkers, import-linter and
coverage cannot see through; its strict mode links single files, so that a new file is invisible
until the next install. `EditableWheel` therefore presents the link tree to setuptools as a plain
``src`` layout, and the install becomes one line in a ``.pth`` file: interpreter and tools see the
same single thing. ``python setup.py link_tree`` refreshes the tree; only a new or removed entry
of ``app/`` makes that necessary, since all other folders are linked as a whole.

The Cython kernel is optional: `BuildExt` turns whatever goes wrong (no Cython, no compiler, no
headers) into a warning, and the readable kernel is used. ``WEFT_BUILD_KERNEL`` says otherwise:
``required`` fails the build instead and makes compiler warnings errors (the Makefile uses this
where a compiler was found), ``skip`` builds no kernel, ``measured`` builds one that counts for gcov
which of its lines ran.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from setuptools import Command, Extension, find_packages, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.editable_wheel import editable_wheel
from setuptools.errors import CompileError, SetupError

ROOT = Path(__file__).resolve().parent
FOLDERS = ("connectors", "engine", "native", "patterns", "schema", "weaver")
PACKAGE_DIR = {"weft": "app", **{f"weft.{folder}": folder for folder in FOLDERS}}
TREE = Path("build", "tree")

KERNEL = os.environ.get("WEFT_BUILD_KERNEL", "optional")
CHOICES = ("optional", "required", "skip", "measured")
if KERNEL not in CHOICES:
    raise SystemExit(f"WEFT_BUILD_KERNEL is '{KERNEL}'; it may be {', '.join(CHOICES)}")

FAST = ["-O3", "-g0"]
MEASURED = ["-O0", "--coverage"]
WARN = ["-Wall", "-Wextra"]


def packages() -> list[str]:
    """Every package of the distribution: each mapped folder and all packages below it."""
    return [
        name
        for package, folder in PACKAGE_DIR.items()
        for name in (package, *(f"{package}.{below}" for below in find_packages(folder)))
    ]


def link_tree() -> None:
    """Bring ``build/tree/weft`` in line with the folders; what is right already is not touched.

    A link is put in place by renaming, so a program that imports meanwhile finds the old link or
    the new one.
    """
    package = ROOT / TREE / "weft"
    package.mkdir(parents=True, exist_ok=True)
    targets = {folder: Path(folder) for folder in FOLDERS}
    for entry in sorted((ROOT / "app").iterdir()):
        if entry.name == "__pycache__" or entry.name.startswith("."):
            continue
        if entry.stem in FOLDERS:
            raise SetupError(f"app/{entry.name} would hide the folder {entry.stem}/; rename it")
        targets[entry.name] = Path("app", entry.name)

    for name, target in targets.items():
        link, wanted = package / name, Path("..", "..", "..", target)
        if link.is_symlink() and link.readlink() == wanted:
            continue
        fresh = package / f".{name}.{os.getpid()}"
        fresh.symlink_to(wanted)
        fresh.replace(link)
    for link in package.iterdir():
        if link.is_symlink() and link.name not in targets:
            link.unlink()


class LinkTree(Command):
    """``python setup.py link_tree``: refresh the link tree."""

    description = "refresh build/tree, the link tree of the development install"
    user_options: ClassVar[list[tuple[str, str | None, str]]] = []

    def initialize_options(self) -> None:
        """Nothing to set."""

    def finalize_options(self) -> None:
        """Nothing to check."""

    def run(self) -> None:
        """Refresh the link tree."""
        link_tree()


class EditableWheel(editable_wheel):
    """A development install over the link tree: see the top of this file."""

    def finalize_options(self) -> None:
        """Present the link tree as the source folder, before setuptools looks at the layout."""
        link_tree()
        self.distribution.package_dir = {"": str(TREE)}
        super().finalize_options()


class BuildExt(build_ext):
    """Translate and compile the kernel; a failure is a failed optional extension."""

    def build_extension(self, ext: Extension) -> None:
        """Build one extension with the flags of its compiler, and warnings as errors if asked."""
        measured = KERNEL == "measured"
        if self.compiler.compiler_type == "unix":
            ext.extra_compile_args = [*(MEASURED if measured else FAST), *WARN]
            ext.extra_link_args = ["--coverage"] if measured else []
            if KERNEL == "required":
                ext.extra_compile_args.append("-Werror")
        try:
            from Cython.Build import cythonize

            [translated] = cythonize(
                [ext], build_dir="build/cython", quiet=True, emit_linenums=measured
            )
        except Exception as error:  # Cython's own errors share no useful base class
            raise CompileError(f"cannot translate {ext.sources[0]}: {error!r}") from error
        ext.sources = translated.sources
        super().build_extension(ext)


def extensions() -> list[Extension]:
    """The kernel and the engine's lane, where their sources are there and they are wanted."""
    sources = {
        "weft.native._kernel": "native/_kernel.pyx",
        "weft.engine.runtime._lane": "engine/runtime/_lane.pyx",
    }
    if KERNEL == "skip":
        return []
    return [
        Extension(
            name,
            [source],
            include_dirs=["native"],
            depends=["setup.py", *map(str, sorted(Path("native").glob("*.h")))],
            optional=KERNEL == "optional",
        )
        for name, source in sources.items()
        if (ROOT / source).exists()
    ]


setup(
    packages=packages(),
    package_dir=PACKAGE_DIR,
    ext_modules=extensions(),
    cmdclass={"build_ext": BuildExt, "editable_wheel": EditableWheel, "link_tree": LinkTree},
)

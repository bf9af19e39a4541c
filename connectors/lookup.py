"""Where a task function named ``module:function`` is found.

A module beside the specification is looked for first. It is loaded by its path, under a name of
its own, so that ``checks.py`` beside one specification and ``checks.py`` beside another are two
modules, neither hides an installed one, and ``sys.path`` stays as it is. Its imports work as if
its folder were the first of ``sys.path``: plain and relative ones, of modules and packages beside
it, except that the standard library cannot be hidden. The catch: its ``__builtins__`` are a copy,
so a builtin that is replaced later (by a debugger, say) stays the old one there.

A module that the program has imported already, or would import from that very file, is taken
as it is: there is never a second copy of it.
"""

from __future__ import annotations

import builtins
import hashlib
import importlib
import importlib.machinery
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from weft.connectors.failure import LOCAL_MODULES, class_name, shorten
from weft.connectors.options import did_you_mean

__all__ = ["Unfound", "find_function", "find_module", "is_main"]

_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


class Unfound(Exception):
    """No function bears this name; the message says what there is."""


def find_function(name: str, origin: Path | None) -> Any:
    """The object that ``module:function`` names, seen from the folder ``origin``.

    Raises:
        Unfound: There is no such module or no such name in it, or importing it failed.
    """
    if not _NAME.fullmatch(name):
        raise Unfound(f"{name!r} names no function: write it as module:function")
    module_name, _, path = name.partition(":")
    found: Any = _module(module_name, origin)
    for part in path.split("."):
        if not hasattr(found, part):
            known = [n for n in dir(found) if not n.startswith("_") and callable(getattr(found, n))]
            home = getattr(found, "__name__", None)
            own = [n for n in known if getattr(getattr(found, n), "__module__", None) == home]
            there = f"; it has {', '.join(own[:10])}" if own else ""
            owner = "module" if isinstance(found, ModuleType) else "class"
            of = module_name if owner == "module" else class_name(found)
            raise Unfound(f"{owner} {of!r} has no {part!r}{did_you_mean(part, known)}{there}")
        found = getattr(found, part)
    return found


def find_module(name: str, origin: Path | None) -> ModuleType:
    """A module by its name, seen from the folder ``origin``.

    Raises:
        Unfound: There is no such module, or importing it failed.
    """
    return _module(name, origin)


def is_main(function: Any) -> bool:
    """Whether a function belongs to the program's main script, which no worker can import."""
    return getattr(function, "__module__", None) == "__main__"


def _module(name: str, origin: Path | None) -> ModuleType:
    """Import a module, from beside the specification or as usual."""
    first = name.partition(".")[0]
    actual = name
    if origin is not None and (place := _beside(origin, first)) is not None:
        if _same_file(getattr(sys.modules["__main__"], "__file__", None), place):
            return sys.modules["__main__"]  # the script that runs: not again under another name
        if not _is_usual(first, place):
            actual = f"{_package(origin)}.{name}"
    try:
        return importlib.import_module(actual)
    except ModuleNotFoundError as error:
        # a parent or the module itself; anything else is missing inside the module
        missing = error.name or ""
        if actual != missing and not actual.startswith(f"{missing}."):
            raise Unfound(_broken(name, error)) from error
        where = f"beside the specification ({origin}) or " if origin is not None else ""
        near = did_you_mean(name, _modules_beside(origin) if origin is not None else ())
        raise Unfound(
            f"there is no module {name!r} {where}among the installed ones{near}"
        ) from None
    except (Exception, SystemExit) as error:  # importing runs the module, so anything may come
        raise Unfound(_broken(name, error)) from error


def _broken(name: str, error: BaseException) -> str:
    """What an import raised, and where."""
    where = ""
    if not isinstance(error, SyntaxError):  # which says where by itself
        frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_user_code(f.filename)]
        where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return shorten(
        f"module {name!r} cannot be imported: {class_name(type(error))}: {error}{where}", 2_000
    )


_OWN = str(Path(__file__).parents[1]) + os.sep
"""Where this package is: a fault is told at the line that used it."""


def _is_user_code(file: str) -> bool:
    return not file.startswith(("<frozen ", _OWN)) and file != importlib.__file__


# ── modules beside a specification ───────────────────────────────────────────────────────────


def _beside(origin: Path, first: str) -> Path | None:
    """The file or package folder of a top-level module in a folder, if there is one."""
    package = origin / first
    for file in (package / "__init__.py", origin / f"{first}.py"):
        if file.is_file():
            return file
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        if (file := origin / f"{first}{suffix}").is_file():
            return file
    return None


def _modules_beside(origin: Path) -> list[str]:
    with suppress(OSError):
        return [
            entry.stem for entry in origin.iterdir() if entry.suffix == ".py" or _is_package(entry)
        ]
    return []


def _is_package(folder: Path) -> bool:
    return (folder / "__init__.py").is_file()


def _same_file(file: str | None, place: Path) -> bool:
    with suppress(OSError):
        return file is not None and place.samefile(file)
    return False


def _is_usual(first: str, place: Path) -> bool:
    """Whether the usual import of a top-level module gives the very file ``place``."""
    try:
        spec = importlib.util.find_spec(first)
    except (ImportError, ValueError):  # a module that was made by hand has no spec
        return False
    return spec is not None and _same_file(spec.origin, place)


_origins: dict[str, Path] = {}
"""Package name to folder, for the folders that modules have been loaded from."""


def _package(origin: Path) -> str:
    """The package that holds the modules of a folder, made when it is first asked for."""
    folder = Path(os.path.abspath(origin))
    name = LOCAL_MODULES + hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    if name not in sys.modules:
        spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(folder)]
        _origins[name] = folder
        sys.modules[name] = importlib.util.module_from_spec(spec)
        if _finder not in sys.meta_path:
            sys.meta_path.insert(0, _finder)
    importlib.invalidate_caches()  # a file that has just been written must be seen
    return name


class _Loader(importlib.machinery.SourceFileLoader):
    """Runs a module with an ``import`` that also sees the modules beside it."""

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = {**vars(builtins), "__import__": _import}
        super().exec_module(module)


class _Finder:
    """Finds the modules of our packages as usual, and has them run by `_Loader`."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not name.startswith(LOCAL_MODULES) or path is None:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and type(spec.loader) is importlib.machinery.SourceFileLoader:
            spec.loader = _Loader(name, spec.loader.path)
        return spec


_finder: Any = _Finder()


def _import(
    name: str,
    globals: Mapping[str, object] | None = None,
    locals: Mapping[str, object] | None = None,
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> ModuleType:
    """``__import__`` for modules beside a specification: their folder comes first."""
    first = name.partition(".")[0]
    if level == 0 and globals is not None and first not in sys.stdlib_module_names:
        package = str(globals["__name__"]).partition(".")[0]
        local = f"{package}.{first}"
        if local in sys.modules or _beside(_origins[package], first) is not None:
            found = builtins.__import__(f"{package}.{name}", globals, locals, fromlist, 0)
            return found if fromlist else sys.modules[local]
    return builtins.__import__(name, globals, locals, fromlist or (), level)

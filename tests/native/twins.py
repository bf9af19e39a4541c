"""The compiled twin, if there is one."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType


def compiled_kernel() -> ModuleType | None:
    """The compiled kernel, if it is built."""
    try:
        return import_module("weft.native._kernel")
    except ImportError:
        return None

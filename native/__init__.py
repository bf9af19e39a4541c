"""Fast arithmetic on plain integers, beside a readable twin that is its specification.

``kernel`` is the module in use and ``KERNEL`` its name: ``compiled`` (`weft.native._kernel`) if
that can be imported, else ``reference`` (`weft.native.reference`). Both give the same answers.
The environment variable ``WEFT_KERNEL`` asks for one of the two by name.
"""

from __future__ import annotations

import os
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Literal

from weft.native import reference

__all__ = ["KERNEL", "KernelName", "kernel"]

KernelName = Literal["compiled", "reference"]


def _chosen(wanted: str) -> tuple[ModuleType, KernelName]:
    """The kernel to use and its name; ``wanted`` is the value of ``WEFT_KERNEL``.

    Raises:
        ImportError: ``wanted`` is neither name, or is ``compiled`` and that is not there.
    """
    if wanted == "reference":
        return reference, "reference"
    if wanted not in ("", "compiled"):
        raise ImportError(f"WEFT_KERNEL is 'compiled', 'reference' or not set, not {wanted!r}")
    try:
        return import_module("weft.native._kernel"), "compiled"
    except ImportError as why:
        if not wanted:
            return reference, "reference"
        raise ImportError(
            f"WEFT_KERNEL=compiled, but the compiled kernel cannot be imported ({why}); "
            "install Weft with a C compiler at hand, or unset WEFT_KERNEL"
        ) from why


KERNEL: KernelName
if TYPE_CHECKING:
    # The reference states the types for both.
    from weft.native import reference as kernel

    KERNEL = "reference"
else:
    kernel, KERNEL = _chosen(os.environ.get("WEFT_KERNEL", ""))

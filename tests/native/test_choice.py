"""Which kernel is in use."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import weft.native
from tests.native.twins import compiled_kernel
from weft.native import _chosen, reference


def test_what_is_in_use_has_its_name() -> None:
    expected = reference if weft.native.KERNEL == "reference" else compiled_kernel()
    assert weft.native.kernel is expected


def test_the_reference_can_be_asked_for() -> None:
    assert _chosen("reference") == (reference, "reference")


def test_the_environment_is_asked() -> None:
    code = "from weft.native import KERNEL, kernel; print(KERNEL, kernel.__name__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "WEFT_KERNEL": "reference"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "reference weft.native.reference\n"


def test_the_compiled_one_is_taken_if_it_is_there() -> None:
    module = compiled_kernel()
    if module is None:
        pytest.skip("the compiled kernel is not built")
    assert _chosen("") == _chosen("compiled") == (module, "compiled")


def test_without_the_compiled_one_the_reference_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "weft.native._kernel", None)
    assert _chosen("") == (reference, "reference")
    with pytest.raises(ImportError, match="WEFT_KERNEL=compiled, but the compiled kernel cannot"):
        _chosen("compiled")


def test_there_are_no_others() -> None:
    with pytest.raises(ImportError, match="'compiled', 'reference' or not set, not 'fast'"):
        _chosen("fast")

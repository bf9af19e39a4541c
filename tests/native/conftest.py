"""What the tests of the kernel share: both modules."""

from __future__ import annotations

from types import ModuleType

import pytest

from tests.native.twins import compiled_kernel
from weft.native import reference


@pytest.fixture(params=["reference", "compiled"], scope="session")
def kernel(request: pytest.FixtureRequest) -> ModuleType:
    """Each kernel in turn."""
    if request.param == "reference":
        return reference
    module = compiled_kernel()
    if module is None:
        pytest.skip("the compiled kernel is not built")
    return module

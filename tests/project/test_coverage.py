"""What is marked with ``no_cover`` is not measured: else the tests take twice as long."""

from __future__ import annotations

import os
import sys

import pytest
from coverage import Coverage


@pytest.mark.no_cover
def test_a_test_can_be_left_out() -> None:
    assert Coverage.current() is None
    assert sys.gettrace() is None, "a second measurement goes on"
    assert "COVERAGE_PROCESS_CONFIG" not in os.environ, "processes would be measured"

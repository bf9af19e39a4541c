"""The pytest plugin: ``pytest --weft-live-check REGISTRY``.

A test that emits telemetry outside the registry fails, with the finding and the source line of the
span. Here are the options and the fixture only, for this module is imported by every run of
pytest; `weft.weaver.testing` does the work, when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from weft.weaver.testing import TestCheck

MARKER = (
    "weft_live_check(registry=None, fail_on=None, allow=(), off=False): hold the telemetry of this "
    "test against a registry of its own, with another level to fail on, let findings pass by their "
    "ids, or leave it out."
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("weft live-check", "telemetry held against its registry")
    group.addoption(
        "--weft-live-check",
        metavar="REGISTRY",
        help="Tests that emit telemetry outside this registry fail.",
    )
    group.addoption(
        "--weft-live-check-fail-on",
        choices=["violation", "improvement", "information"],
        default="violation",
        help="The level from which on a finding fails a test.  [default: violation]",
    )
    group.addoption(
        "--weft-live-check-expect",
        metavar="SIGNAL",
        action="append",
        default=[],
        help="A signal that the tests together must emit; as of weft weaver live-check --expect.",
    )
    group.addoption(
        "--weft-live-check-allow-empty",
        action="store_true",
        help="It is all right when the tests emit nothing.",
    )
    group.addoption(
        "--weft-live-check-ratchet",
        metavar="FILE",
        help="Findings that are known: they pass, and new ones fail.",
    )
    group.addoption(
        "--weft-live-check-update-ratchet",
        action="store_true",
        help="Write today's findings into the ratchet; none fails.",
    )
    group.addoption(
        "--weft-live-check-of",
        choices=["all", "watched"],
        default="all",
        help="Check what all providers of OpenTelemetry in the process emit, or only those that "
        "the fixture weft_live_check was told to watch.  [default: all]",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Set up the check, if there is one."""
    config.addinivalue_line("markers", MARKER)
    if config.getoption("--weft-live-check"):
        from weft.weaver.testing import install

        install(config)


@pytest.fixture
def weft_live_check(request: pytest.FixtureRequest) -> TestCheck:
    """The live check of this test: what it found, what is expected of the test.

    Without ``--weft-live-check`` there is none, and the test fails: a check that is left out in
    silence promises what it does not keep.
    """
    if not request.config.getoption("--weft-live-check"):
        pytest.fail("there is no registry; run pytest with --weft-live-check REGISTRY")
    from weft.weaver.testing import current

    return current(request.config)

"""What all tests share: Hypothesis profiles, the outside corpus, the event loop, figures."""

from __future__ import annotations

import functools
import inspect
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
SEEDS = 2
"""How many seeds each test that draws schedules tries, if nobody asks for another number."""

MEASURED_EXAMPLES = 20
"""So many examples of a property are measured: more show few new lines, and take twice the time."""

OF_PROCESSES = "COVERAGE_PROCESS_CONFIG"
"""The variable by which coverage measures the processes that a measured one starts."""

# No deadline: a loaded machine is not a bug. In CI the examples are the same on every run, so a
# failure there is the change's own; `dev` goes on looking. A failure prints how to repeat it.
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("dev", deadline=None, print_blob=True)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if "CI" in os.environ else "dev")
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Tests that draw schedules from seeds take more of them, or one again."""
    group = parser.getgroup("schedules")
    group.addoption("--seeds", type=int, default=SEEDS, help="how many seeds each such test tries")
    group.addoption("--seed", type=int, default=1, help="the first of them")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks that are read here."""
    config.addinivalue_line(
        "markers",
        "no_cover: what the test runs is not measured, nor are the processes that it starts; "
        "others cover it.",
    )


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Measure the coverage of what is worth it: measured code takes several times as long.

    Of a property the first examples are measured, and the others only run; of a test that is
    marked with ``no_cover``, nothing is.
    """
    measured = Coverage.current()
    if measured is None:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        if item.get_closest_marker("no_cover") is not None:
            measured.stop()
            patch.delenv(OF_PROCESSES, raising=False)
        else:
            _stop_after_some_examples(item, measured, patch)
        yield
    if Coverage.current() is None:
        measured.start()


def _stop_after_some_examples(
    item: pytest.Item, measured: Coverage, patch: pytest.MonkeyPatch
) -> None:
    property_ = getattr(getattr(item, "obj", None), "hypothesis", None)
    if property_ is None:
        return
    inner, examples = property_.inner_test, itertools.count()

    def begin() -> None:
        if next(examples) == MEASURED_EXAMPLES:
            measured.stop()

    if inspect.iscoroutinefunction(inner):

        @functools.wraps(inner)
        async def counted(*arguments: Any, **named: Any) -> None:
            begin()
            await inner(*arguments, **named)

    else:

        @functools.wraps(inner)
        def counted(*arguments: Any, **named: Any) -> None:
            begin()
            inner(*arguments, **named)

    patch.setattr(property_, "inner_test", counted)


@pytest.fixture(scope="session")
def seeds(pytestconfig: pytest.Config) -> range:
    """The seeds to try (``--seed``, ``--seeds``)."""
    first: int = pytestconfig.getoption("--seed")
    count: int = pytestconfig.getoption("--seeds")
    return range(first, first + count)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of outside test data: ``WEFT_CORPUS``, or ``../shared/corpus`` by the repository.

    It is not part of the project; a test that wants it is skipped where it is absent.
    """
    folder = Path(os.environ.get("WEFT_CORPUS") or ROOT.parent / "shared" / "corpus")
    if not folder.is_dir():
        pytest.skip(f"no corpus of outside test data at {folder}; set WEFT_CORPUS to its folder")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _engines_told(pytestconfig: pytest.Config) -> Iterator[None]:
    """With ``--weft-live-check``, what every engine tells is held against Weft's own registry."""
    if not pytestconfig.getoption("--weft-live-check"):
        yield
        return
    from tests.told import engines_told

    with engines_told(pytestconfig):
        yield


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio, the loop that the runtime is made for."""
    return "asyncio"


@pytest.fixture
def report_figure(record_property: Callable[[str, object], None]) -> Callable[[str, str], None]:
    """Report something measured, such as an import's time: printed at the end, never asserted."""

    def report(name: str, value: str) -> None:
        record_property("figure", f"{name}: {value}")

    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests reported."""
    figures = [
        value
        for report in terminalreporter.getreports("passed")
        if report.when == "call"
        for key, value in report.user_properties
        if key == "figure"
    ]
    if figures:
        terminalreporter.section("measured (reported, not asserted)")
        for figure in sorted(figures):
            terminalreporter.line(str(figure))

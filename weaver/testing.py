"""The live check of a run of pytest: telemetry held against a registry, test by test.

Every provider of OpenTelemetry's SDK that the process makes is watched. What a phase of a test has
emitted is judged at its end, so that the finding stands at the very test; statistics of the worker
processes of pytest-xdist are merged.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from weft.schema.errors import WeftError
from weft.weaver.catalog import Catalog
from weft.weaver.check import open_registry
from weft.weaver.findings import Finding, Level
from weft.weaver.inprocess import Emissions
from weft.weaver.livecheck import MAX_RESOURCES, LiveChecker, LiveCheckReport
from weft.weaver.ratchet import Ratchet
from weft.weaver.samples import ResourceSample, Sample
from weft.weaver.tally import Statistics

__all__ = ["LiveCheck", "TestCheck", "current", "install", "live_check"]

_KEY = pytest.StashKey["LiveCheck"]()
_OUTPUT = "weft_live_check"

_OF_THE_SDK = frozenset(
    {
        *("telemetry.sdk.language", "telemetry.sdk.name", "telemetry.sdk.version"),
        *("service.name", "service.instance.id"),
    }
)
"""What the SDK says of itself and by default: no program need declare it."""


class TestCheck:
    """The live check of one test.

    Attributes:
        findings: What was found so far in what the test emitted; `collect` brings it up to date.
    """

    __test__ = False  # its name begins as those of test classes do

    def __init__(
        self,
        emissions: Emissions,
        checker: LiveChecker | None,
        *,
        fail_on: Level,
        allow: Collection[str],
        known: Ratchet | None,
    ) -> None:
        self.findings: list[Finding] = []
        self._emissions = emissions
        self._checker = checker
        self._fail_on = fail_on
        self._allow = set(allow)
        self._known = known
        self._told = 0
        self._expected: list[str] = []

    @property
    def off(self) -> bool:
        """Whether nothing is checked in this test."""
        return self._checker is None

    def take(self, sample: Sample, resource: ResourceSample | None = None) -> None:
        """Check something that was emitted, by a resource."""
        if self._checker is not None:
            self.findings += self._checker.add(sample, resource)

    def collect(self) -> Sequence[Finding]:
        """Take the metrics that were measured up to now, too; all findings so far."""
        self._emissions.collect()
        return tuple(self.findings)

    def allow(self, *ids: str) -> None:
        """Let findings of these ids pass in this test."""
        self._allow.update(ids)

    def expect(self, *signals: str) -> None:
        """Demand that the test emits these signals: ``span:NAME``, ``metric:NAME``…"""
        self._expected += signals

    def watch(
        self,
        *,
        tracer_provider: Any = None,
        logger_provider: Any = None,
    ) -> None:
        """Watch providers, where not all are (``--weft-live-check-of watched``)."""
        if tracer_provider is not None:
            tracer_provider.add_span_processor(self._emissions.span_processor)
        if logger_provider is not None:
            logger_provider.add_log_record_processor(self._emissions.log_processor)

    def metric_reader(self) -> Any:
        """A reader for a `MeterProvider` that is to be watched."""
        return self._emissions.metric_reader()

    def failures(self) -> list[Finding]:
        """The findings since the last time that fail the test."""
        new, self._told = self.findings[self._told :], len(self.findings)
        once = {
            str(finding): finding
            for finding in new  # most are of a lower level, and are not worth their text
            if finding.level.gravity >= self._fail_on.gravity and finding.id not in self._allow
        }
        return [
            finding
            for finding in once.values()
            if not (self._known is not None and self._known.knows(finding))
        ]

    def told(self) -> LiveCheckReport | None:
        """What was found in all that the test has emitted."""
        return None if self._checker is None else self._checker.report(allow_empty=True)

    def missing(self) -> list[Finding]:
        """The expected signals that the test has not emitted."""
        if self._checker is None or not self._expected:
            return []
        report = self._checker.report(allow_empty=True, expect=self._expected)
        return [each for each in report.findings if each.id == "expected_signal_missing"]


class LiveCheck:
    """The plugin while a run lasts: watches, judges each phase of a test, and reports.

    Args:
        config: Of the run.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._catalogs: dict[Path, Catalog] = {}
        option = config.getoption
        self._registry = config.invocation_params.dir / option("--weft-live-check")
        self._fail_on = Level(option("--weft-live-check-fail-on"))
        self._ratchet: Path | None = None
        self._known: Ratchet | None = None
        if option("--weft-live-check-ratchet"):
            self._ratchet = config.invocation_params.dir / option("--weft-live-check-ratchet")
            self._known = Ratchet.load(self._ratchet)
        self._updates = bool(option("--weft-live-check-update-ratchet"))
        if self._updates and self._ratchet is None:
            raise pytest.UsageError(
                "--weft-live-check-update-ratchet needs --weft-live-check-ratchet"
            )
        self._resources: dict[str, ResourceSample] = {}
        self._shown: tuple[ResourceSample, ResourceSample] | None = None
        self._everything = option("--weft-live-check-of") == "all"
        self._total = LiveChecker(self._catalog(self._registry))
        self.emissions = Emissions(self._take)
        """What is watched."""
        self.test: TestCheck | None = None
        """The check of the test that runs."""
        self._report: LiveCheckReport | None = None
        self._unhook: Callable[[], None] = lambda: None
        self._settled = False

    def _catalog(self, path: Path) -> Catalog:
        if path not in self._catalogs:
            self._catalogs[path] = Catalog(open_registry(path))
        return self._catalogs[path]

    def _take(self, resource: ResourceSample, sample: Sample) -> None:
        take = self._total.add if self.test is None else self.test.take
        shown = self._shown[1] if self._shown is not None and self._shown[0] is resource else None
        if shown is None:
            shown = self._resources.get(resource_key := repr(resource))
            self._shown = None if shown is None else (resource, shown)
        if shown is None:  # it is the same for all that comes of it: once in a run is enough
            if len(self._resources) >= MAX_RESOURCES:
                self._resources.clear()
            own = [each for each in resource.attributes if each.name not in _OF_THE_SDK]
            shown = self._resources[resource_key] = ResourceSample(tuple(own))
            take(shown)
        take(sample, shown)

    # ── the run ──────────────────────────────────────────────────────────────────────────────

    def pytest_sessionstart(self) -> None:
        """Watch what is there, and what is made from now on."""
        if self._everything:
            self._unhook = watch_providers(self.emissions)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Judge the run as a whole, or leave that to the process that merges."""
        self._unhook()
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            found = self._total.report(allow_empty=True)
            output[_OUTPUT] = {
                "findings": [
                    [finding.as_json(), times]
                    for finding, times in zip(found.findings, found.times, strict=True)
                ],
                "statistics": found.statistics.as_json(),
            }
            return
        option = self._config.getoption
        nothing = bool(option("--weft-live-check-allow-empty")) or bool(
            option("collectonly", default=False)
        )
        self._report = self._total.report(
            fail_on=self._fail_on,
            allow_empty=nothing,
            expect=option("--weft-live-check-expect"),
            ratchet=self._known,
        )
        if self._updates and self._ratchet is not None:
            self._known = Ratchet.of(self._report.findings)
            self._known.save(self._ratchet)
        elif self._missing() and session.exitstatus in {0, pytest.ExitCode.NO_TESTS_COLLECTED}:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _missing(self) -> list[Finding]:
        """What no test could show: that nothing came, or not what was expected."""
        found = () if self._report is None else self._report.findings
        return [
            each
            for each in found
            if each.id in {"empty_stream", "expected_signal_missing"}
            and not (self._known is not None and self._known.knows(each))
        ]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Merge what a worker process of pytest-xdist has found."""
        output = getattr(node, "workeroutput", {}).get(_OUTPUT)
        if output is not None:
            self._total.merge(
                [(Finding.from_json(made), times) for made, times in output["findings"]],
                Statistics.from_json(output["statistics"]),
            )

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say how much of the registry was seen, and what is missing."""
        report = self._report
        if report is None:
            return
        terminalreporter.section("telemetry")
        for finding in self._missing():
            terminalreporter.line(f"{finding.level}: {finding.id}: {finding.message}", red=True)
        if report.stale:
            count = f"{len(report.stale):,} finding{'s' if len(report.stale) != 1 else ''}"
            terminalreporter.line(f"{count} of the ratchet not found any more: tighten it")
        seen = report.statistics
        terminalreporter.line(
            f"{seen.total_entities:,} samples held against {self._registry}: "
            f"{seen.advice_level_counts['violation']:,} violations, "
            f"{len(report.known):,} known findings; {seen.registry_coverage:.0%} of it seen"
        )

    # ── a test ───────────────────────────────────────────────────────────────────────────────

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Check a test by its marker."""
        self.test = self._check_of(item)
        try:
            return (yield)
        finally:
            told = self.test.told()
            if told is not None and not self._own(item):
                findings = zip(told.findings, told.times, strict=True)
                self._total.merge(findings, told.statistics)
            self.test = None

    def _own(self, item: pytest.Item) -> bool:
        marker = item.get_closest_marker("weft_live_check")
        return marker is not None and _argument(marker, "registry") is not None

    def _check_of(self, item: pytest.Item) -> TestCheck:
        marker = item.get_closest_marker("weft_live_check")
        fail_on, allow, registry, off = self._fail_on, (), self._registry, False
        if marker is not None:
            off = bool(marker.kwargs.get("off"))
            allow = marker.kwargs.get("allow", ())
            if _argument(marker, "registry") is not None:
                registry = item.config.rootpath / _argument(marker, "registry")
            if marker.kwargs.get("fail_on") is not None:
                fail_on = Level(marker.kwargs["fail_on"])
        checker = None if off else LiveChecker(self._catalog(registry))
        return TestCheck(self.emissions, checker, fail_on=fail_on, allow=allow, known=self._known)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        """Judge what fixtures have emitted."""
        yield
        self._judge("setup")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Judge what the test has emitted."""
        if self._everything and not self._settled:
            self._settled = True
            provide()
        try:
            yield
        except BaseException:
            self._section(item, "call")  # its own failure says more
            raise
        self._judge("call")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Iterator[None]:
        """Judge what ended after the test."""
        yield
        self._judge("teardown", expected=True)

    def _found(self, *, expected: bool = False) -> list[Finding]:
        test = self.test
        if test is None:
            return []
        test.collect()
        if self._updates:  # whatever there is will be known
            return []
        return test.failures() + (test.missing() if expected else [])

    def _judge(self, phase: str, *, expected: bool = False) -> None:
        found = self._found(expected=expected)
        if found:
            where = "" if phase == "call" else f" in {phase}"
            pytest.fail(f"telemetry outside the registry{where}:\n{_lines(found)}", pytrace=False)

    def _section(self, item: pytest.Item, phase: str) -> None:
        found = self._found()
        if found:
            item.add_report_section(phase, "telemetry", _lines(found))


def _argument(marker: pytest.Mark, name: str) -> Any:
    """The first argument of the marker, or the one of that name."""
    return marker.args[0] if marker.args else marker.kwargs.get(name)


def _lines(findings: Sequence[Finding]) -> str:
    return "\n".join(
        f"  {f'{each.where}: ' if each.where else ''}"
        f"{f'{each.signal_type} {each.signal_name!r}: ' if each.signal_name else ''}"
        f"{each.level}: {each.message} [{each.id}]"
        for each in findings
    )


def install(config: pytest.Config) -> None:
    """Set up the live check of a run.

    Raises:
        pytest.UsageError: The registry or the ratchet cannot be used, or OpenTelemetry is missing.
    """
    try:
        check = LiveCheck(config)
    except (WeftError, ImportError) as error:
        raise pytest.UsageError(f"--weft-live-check: {error}") from error
    config.stash[_KEY] = check
    config.pluginmanager.register(check, "weft-live-check")


def live_check(config: pytest.Config) -> LiveCheck:
    """The live check of a run that has one."""
    return config.stash[_KEY]


def current(config: pytest.Config) -> TestCheck:
    """The check of the test that runs, in a run that has a live check."""
    check = config.stash[_KEY].test
    assert check is not None, "a fixture is asked for within a test"
    return check


# ── providers ────────────────────────────────────────────────────────────────────────────────


def watch_providers(emissions: Emissions) -> Callable[[], None]:
    """Watch all providers of the SDK: those that there are, and those that are made from now on.

    The SDK has no hook for it, so their constructors are wrapped; what is returned undoes that.
    """
    from opentelemetry import trace
    from opentelemetry._logs import get_logger_provider
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider

    def made_tracer_provider(provider: Any) -> None:
        provider.add_span_processor(emissions.span_processor)

    def made_logger_provider(provider: Any) -> None:
        provider.add_log_record_processor(emissions.log_processor)

    for provider, add in (
        (trace.get_tracer_provider(), made_tracer_provider),
        (get_logger_provider(), made_logger_provider),
    ):
        if isinstance(provider, TracerProvider | LoggerProvider):
            add(provider)
    undo = [
        _after(TracerProvider, made_tracer_provider),
        _after(LoggerProvider, made_logger_provider),
        _with_reader(MeterProvider, emissions),
    ]

    def unhook() -> None:
        for each in undo:
            each()

    return unhook


def _after(kind: type[Any], then: Callable[[Any], None]) -> Callable[[], None]:
    original = kind.__init__

    @functools.wraps(original)
    def init(self: Any, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        then(self)

    kind.__init__ = init

    def undo() -> None:
        kind.__init__ = original

    return undo


def _with_reader(kind: type[Any], emissions: Emissions) -> Callable[[], None]:
    """Readers can only be given to a provider of meters when it is made."""
    original = kind.__init__

    @functools.wraps(original)
    def init(self: Any, metric_readers: Any = (), *args: Any, **options: Any) -> None:
        original(self, [*metric_readers, emissions.metric_reader()], *args, **options)

    kind.__init__ = init

    def undo() -> None:
        kind.__init__ = original

    return undo


def provide() -> None:
    """Set global providers where the program has set none: a library alone uses only the API."""
    from opentelemetry import metrics, trace
    from opentelemetry._logs import get_logger_provider, set_logger_provider
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider

    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))
    if not isinstance(metrics.get_meter_provider(), MeterProvider):
        metrics.set_meter_provider(MeterProvider(shutdown_on_exit=False))
    if not isinstance(get_logger_provider(), LoggerProvider):
        set_logger_provider(LoggerProvider(shutdown_on_exit=False))

"""Every engine of the suite tells what it does to the suite's own live check.

Only what an engine causes is told here: what a test emits by hand goes through providers of its
own, which the live check does not watch (``--weft-live-check-of watched``). Telling and checking
take several times as long as what is told, so a test tells of its first engines, and of each shape
of a span or of an event the first are held against the registry.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

from weft.engine.runtime.engine import Engine
from weft.weaver.inprocess import Emissions
from weft.weaver.samples import LogSample, ResourceSample, Sample, SpanSample
from weft.weaver.telemetry import Attachment, Telemetry
from weft.weaver.testing import LiveCheck, TestCheck, live_check

ENGINES = 20
"""Of so many engines of one test it is told what they do."""

ALIKE = 20
"""So many spans or events of one test, of one name and with the same attributes, are checked."""


class _Test:
    """What one test has told so far."""

    def __init__(self, check: TestCheck | None) -> None:
        self.check = check
        self.engines = 0
        self.shapes: Counter[tuple[str, ...]] = Counter()


class _Few:
    """Chooses, test by test, what is told and checked: what comes later is mostly like it."""

    def __init__(self, check: LiveCheck) -> None:
        self._check = check
        self._test = _Test(None)

    def _now(self) -> _Test:
        if self._test.check is not self._check.test:
            self._test = _Test(self._check.test)
        return self._test

    def tells(self) -> bool:
        """Whether one more engine tells."""
        test = self._now()
        test.engines += 1
        return test.engines <= ENGINES and not (test.check is not None and test.check.off)

    def hold(self, resource: ResourceSample, sample: Sample) -> None:
        """Have a span or an event checked, unless enough of its shape have been."""
        if isinstance(sample, SpanSample):
            shape = (
                "span",
                sample.name,
                sample.kind,
                sample.status,
                *(e.name for e in sample.events),
            )
        else:
            assert isinstance(sample, LogSample)
            shape = ("event", sample.event_name)
        shapes = self._now().shapes
        shapes[key := (*shape, *(attribute.name for attribute in sample.attributes))] += 1
        if shapes[key] <= ALIKE:
            self._check.emissions.take(resource, sample)


@contextmanager
def engines_told(config: pytest.Config) -> Iterator[None]:
    """Attach telemetry to every engine that has none of its own, from its entry to its exit."""
    check = live_check(config)
    few = _Few(check)
    emissions = Emissions(few.hold)
    tracer_provider = TracerProvider(shutdown_on_exit=False)
    tracer_provider.add_span_processor(emissions.span_processor)
    logger_provider = LoggerProvider(shutdown_on_exit=False)
    logger_provider.add_log_record_processor(emissions.log_processor)
    enter, leave = Engine.__aenter__, Engine.__aexit__
    attached: dict[Engine, tuple[Attachment, MeterProvider]] = {}

    async def entered(self: Engine) -> Engine:
        if self.tracing is None and few.tells():
            # Metrics of its own: those of a whole run would be collected anew after each test.
            meter_provider = MeterProvider(
                [check.emissions.metric_reader()],
                resource=tracer_provider.resource,
                shutdown_on_exit=False,
            )
            telemetry = Telemetry(
                tracer_provider=tracer_provider,
                meter_provider=meter_provider,
                logger_provider=logger_provider,
            )
            attached[self] = telemetry.attach(self), meter_provider
        return await enter(self)

    async def left(
        self: Engine,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Any:
        try:
            return await leave(self, kind, error, trace)
        finally:
            if self in attached:
                attachment, meter_provider = attached.pop(self)
                attachment.detach()
                meter_provider.shutdown()  # the live check takes what was measured last

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "__aenter__", entered)
        patch.setattr(Engine, "__aexit__", left)
        yield

"""Every engine of the suite tells what it does to the suite's own live check.

Only what an engine causes is told here: what a test emits by hand goes through providers of its
own, which the live check does not watch (``--weft-live-check-of watched``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

from weft.engine.runtime.engine import Engine
from weft.weaver.telemetry import Attachment, Telemetry
from weft.weaver.testing import live_check


@contextmanager
def engines_told(config: pytest.Config) -> Iterator[None]:
    """Attach telemetry to every engine that has none of its own, from its entry to its exit."""
    check = live_check(config)
    emissions = check.emissions
    tracer_provider = TracerProvider(shutdown_on_exit=False)
    tracer_provider.add_span_processor(emissions.span_processor)
    logger_provider = LoggerProvider(shutdown_on_exit=False)
    logger_provider.add_log_record_processor(emissions.log_processor)
    enter, leave = Engine.__aenter__, Engine.__aexit__
    attached: dict[Engine, tuple[Attachment, MeterProvider]] = {}

    async def entered(self: Engine) -> Engine:
        if self.tracing is None and not (check.test is not None and check.test.off):
            # Metrics of its own: those of a whole run would be collected anew after each test.
            meter_provider = MeterProvider(
                [emissions.metric_reader()],
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

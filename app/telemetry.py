"""Whether an engine tells OpenTelemetry what it does, and where that goes.

`opentelemetry` is imported only when the answer is yes; asking costs a look at the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from weft.schema.errors import UsageError

if TYPE_CHECKING:
    from weft.weaver.telemetry import Telemetry

__all__ = ["asked_for", "telemetry"]


_VARIABLES: Final = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
)
_EXPORTERS: Final = ("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER")


def asked_for(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the environment asks for telemetry, in OpenTelemetry's own variables."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    return any(environ.get(name) for name in _VARIABLES) or any(
        environ.get(name, "").strip() == "otlp" for name in _EXPORTERS
    )


def telemetry(
    choice: Telemetry | str | bool | None = None,  # one of several kinds of choice
    *,
    parent: str | None = None,
) -> Telemetry | None:
    """The telemetry that a program asks for; None: none.

    Args:
        choice: True: through the program's own providers (`opentelemetry.trace`…); a URL: by OTLP
            to there; a `Telemetry`: that; False: none. None: as OpenTelemetry's environment
            variables say, through the program's providers if it has set any, else by OTLP.
        parent: The ``traceparent`` of cases whose caller is in no trace.

    Raises:
        UsageError: OpenTelemetry is not installed, or the endpoint is none.
    """
    if choice is False or (choice is None and not asked_for()):
        return None
    try:
        from weft.weaver.telemetry import Telemetry

        if isinstance(choice, Telemetry):
            return choice
        if choice is True or (choice is None and _has_providers()):
            return Telemetry(parent=parent)
        from weft.weaver.shipping import Pipeline, exporters_for
    except ImportError as error:
        raise UsageError(
            f"telemetry needs OpenTelemetry ({error}); install weft with the extra 'telemetry'",
            code="missing-extra",
        ) from error
    pipeline = Pipeline(exporters_for(choice if isinstance(choice, str) else None))
    return Telemetry(
        tracer_provider=pipeline.tracer_provider,
        meter_provider=pipeline.meter_provider,
        logger_provider=pipeline.logger_provider,
        parent=parent,
        pipeline=pipeline,
    )


def _has_providers() -> bool:
    """Whether the program has set a provider of traces that records."""
    from opentelemetry import trace

    return hasattr(trace.get_tracer_provider(), "add_span_processor")

"""Telemetry of a command that drives cases: the option ``--otlp``, and the variables OTEL_….

A command that was started within a trace (``TRACEPARENT``) puts the cases that it starts into it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from weft.telemetry import telemetry

if TYPE_CHECKING:
    from weft.weaver.telemetry import Telemetry

__all__ = ["otlp_option", "telling"]

_META = "weft.otlp"

C = TypeVar("C", bound=Callable[..., Any])


def _keep(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    del parameter
    context.meta[_META] = value


def otlp_option(command: C) -> C:
    """The option ``--otlp``; `telling` reads what it was given."""
    return click.option(
        "--otlp", metavar="URL", expose_value=False, callback=_keep,
        help="Send traces, metrics and logs there by OTLP.  [env: OTEL_EXPORTER_OTLP_ENDPOINT]",
    )(command)  # fmt: skip


@contextmanager
def telling(warn: Callable[[str], None]) -> Iterator[Telemetry | bool]:
    """What to give to `weft.open` as its telemetry; at the end the rest of it is exported.

    Args:
        warn: Is told, once, of what could not be exported.

    Raises:
        UsageError: OpenTelemetry is not installed, or the endpoint is none.
    """
    context = click.get_current_context(silent=True)
    url: str | None = None if context is None else context.meta.get(_META)
    told = telemetry(url, parent=os.environ.get("TRACEPARENT"))
    if told is None:
        yield False
        return
    # It says at length, and again and again, what is said here once.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    logging.getLogger("weft.telemetry").setLevel(logging.ERROR)
    try:
        yield told
    finally:
        told.close()
        lost = [f"{amount:,} of {signal}" for signal, amount in sorted(told.dropped.items())]
        if lost:
            warn(f"telemetry could not be exported: {', '.join(lost)} were dropped")

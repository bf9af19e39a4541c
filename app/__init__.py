"""Weft: an embeddable workflow engine on Petri nets, event-sourced and crash-safe.

    import weft

    specification = weft.load("order.yaml")
    with weft.open("sqlite:///orders.db") as engine:
        case = engine.run(specification, {"amount": 12})
        print(case.status, case.data)

Everything that a program needs is named here; names are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weft.bus import Bus, Emitted, work
    from weft.connectors import action
    from weft.drawing import draw
    from weft.engine.case import CaseState, WorkItem
    from weft.engine.fragment import Fragment
    from weft.engine.lifecycle import CaseStatus, ItemStatus
    from weft.engine.ports import (
        CaseClaimed,
        CaseSummary,
        Connector,
        Journal,
        JournalConflict,
        OpenItem,
        Performer,
        Record,
        Work,
        Worker,
    )
    from weft.engine.registry import Attachment, Family, Registry, pattern
    from weft.engine.runtime.engine import Case, Delivery, Engine
    from weft.engine.runtime.live import Batch
    from weft.engine.verify.report import DeadMarking, Diagnostic, Report
    from weft.flow import task
    from weft.loading import load, loads
    from weft.receipts import Receipt
    from weft.schema.errors import (
        CommandRejected,
        DefinitionError,
        DefinitionErrors,
        InternalError,
        JournalError,
        UsageError,
        WeftError,
        WorkFailed,
    )
    from weft.schema.specification import Specification
    from weft.session import Session, SyncCase, SyncEngine, open, run  # noqa: A004  # read as weft.open
    from weft.verifying import verify

__version__ = "0.1.0"

_WHERE = {
    "weft.bus": ("Bus", "Emitted", "work"),
    "weft.connectors": ("action",),
    "weft.drawing": ("draw",),
    "weft.engine.case": ("CaseState", "WorkItem"),
    "weft.engine.fragment": ("Fragment",),
    "weft.engine.lifecycle": ("CaseStatus", "ItemStatus"),
    "weft.engine.ports": (
        *("CaseClaimed", "CaseSummary", "Connector", "Journal", "JournalConflict", "OpenItem"),
        *("Performer", "Record", "Work", "Worker"),
    ),
    "weft.engine.registry": ("Attachment", "Family", "Registry", "pattern"),
    "weft.engine.runtime.engine": ("Case", "Delivery", "Engine"),
    "weft.engine.runtime.live": ("Batch",),
    "weft.engine.verify.report": ("DeadMarking", "Diagnostic", "Report"),
    "weft.engine.tokens": ("CancelToken",),
    "weft.flow": ("task",),
    "weft.loading": ("load", "loads"),
    "weft.schema.errors": (
        *("CommandRejected", "DefinitionError", "DefinitionErrors", "InternalError"),
        *("JournalError", "UsageError", "WeftError", "WorkFailed"),
    ),
    "weft.schema.specification": ("Specification",),
    "weft.receipts": ("Receipt",),
    "weft.session": ("Session", "SyncCase", "SyncEngine", "open", "run"),
    "weft.verifying": ("verify",),
}
_MODULE = {name: module for module, names in _WHERE.items() for name in names}

__all__ = [
    "Attachment",
    "Batch",
    "Bus",
    "CancelToken",
    "Case",
    "CaseClaimed",
    "CaseState",
    "CaseStatus",
    "CaseSummary",
    "CommandRejected",
    "Connector",
    "DeadMarking",
    "DefinitionError",
    "DefinitionErrors",
    "Delivery",
    "Diagnostic",
    "Emitted",
    "Engine",
    "Family",
    "Fragment",
    "InternalError",
    "ItemStatus",
    "Journal",
    "JournalConflict",
    "JournalError",
    "OpenItem",
    "Performer",
    "Receipt",
    "Record",
    "Registry",
    "Report",
    "Session",
    "Specification",
    "SyncCase",
    "SyncEngine",
    "UsageError",
    "WeftError",
    "Work",
    "WorkFailed",
    "WorkItem",
    "Worker",
    "__version__",
    "action",
    "draw",
    "load",
    "loads",
    "open",
    "pattern",
    "run",
    "task",
    "verify",
    "work",
]


def __getattr__(name: str) -> Any:
    module = _MODULE.get(name)
    if module is None:
        raise AttributeError(f"module 'weft' has no attribute {name!r}")
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__

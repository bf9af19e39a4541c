"""How the failure of an attempt is told: an exception as JSON of a bounded size."""

from __future__ import annotations

import traceback
from types import TracebackType

from weft.schema.errors import WorkFailed
from weft.schema.jsonvalue import JsonValue

__all__ = ["describe_exception", "raised"]

MESSAGE_CHARACTERS = 4_000
"""No message or note is kept longer."""
TRACEBACK_CHARACTERS = 16_000
"""No traceback is kept longer; its beginning and its end are."""
MEMBERS = 10
"""No more causes, notes or members of a group are kept."""
LOCAL_MODULES = "_weft_beside_"
"""How the internal names of modules found beside a specification begin (see `lookup`)."""


def shorten(text: str, limit: int) -> str:
    """``text`` in at most about ``limit`` characters: its beginning, a mark, and its end.

    What UTF-8 cannot hold (lone surrogates) is written as an escape.
    """
    if len(text) > limit:
        half = limit // 2
        text = f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def class_name(kind: type) -> str:
    """The name of a class as its author knows it: ``ValueError``, ``checks.Broken``."""
    module = kind.__module__
    if module == "builtins":
        return kind.__qualname__
    if module.startswith(LOCAL_MODULES):
        module = module.partition(".")[2]
    return f"{module}.{kind.__qualname__}"


def _message(error: BaseException) -> str:
    try:
        return shorten(str(error), MESSAGE_CHARACTERS)
    except Exception as broken:  # noqa: BLE001 - a __str__ of the task's own may do anything
        return f"<its message cannot be made: {type(broken).__name__}>"


def _notes(error: BaseException) -> list[JsonValue]:
    notes = getattr(error, "__notes__", None)
    if not isinstance(notes, list):
        return []
    return [shorten(note, MESSAGE_CHARACTERS) for note in notes[:MEMBERS] if isinstance(note, str)]


def _summary(error: BaseException) -> dict[str, JsonValue]:
    """Class and message, and notes and members where there are some."""
    summary: dict[str, JsonValue] = {"class": class_name(type(error)), "message": _message(error)}
    if notes := _notes(error):
        summary["notes"] = notes
    if isinstance(error, BaseExceptionGroup):
        summary["members"] = [
            {"class": class_name(type(member)), "message": _message(member)}
            for member in error.exceptions[:MEMBERS]
        ]
    return summary


def _causes(error: BaseException) -> list[JsonValue]:
    """What led to ``error``, nearest first: its cause, or what was being handled."""
    causes: list[JsonValue] = []
    seen = {id(error)}
    current: BaseException | None = error
    while current is not None and len(causes) < MEMBERS:
        if current.__cause__ is not None:
            current = current.__cause__
        else:
            current = None if current.__suppress_context__ else current.__context__
        if current is None or id(current) in seen:
            break
        seen.add(id(current))
        causes.append(_summary(current))
    return causes


def _own_frames_skipped(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the first frame that is not of who called the function."""
    inner = trace
    while inner is not None and str(inner.tb_frame.f_globals.get("__name__", "")).startswith(
        ("weft.connectors.", "weft.engine.runtime.")
    ):
        inner = inner.tb_next
    return inner or trace


def describe_exception(error: BaseException) -> dict[str, JsonValue]:
    """An exception as JSON: ``class``, ``message``, ``causes`` (nearest first), ``traceback``.

    ``notes`` (PEP 678) and ``members`` (of an exception group) are there when it has some. The
    size is bounded whatever the exception holds: at most some 0.5 MB, 20 kB for a usual one.
    """
    try:
        trace = "".join(
            traceback.format_exception(
                type(error), error, _own_frames_skipped(error.__traceback__), limit=-100
            )
        )
    except Exception as broken:  # noqa: BLE001 - the same __str__, or a source file that is gone
        trace = f"<its traceback cannot be made: {type(broken).__name__}>"
    return {
        **_summary(error),
        "causes": _causes(error),
        "traceback": shorten(trace, TRACEBACK_CHARACTERS),
    }


def raised(what: str, error: BaseException) -> WorkFailed:
    """The failure of an attempt whose function, named by ``what``, raised ``error``."""
    details = describe_exception(error)
    message = f"{what} raised {details['class']}"
    text = str(details["message"])
    return WorkFailed(f"{message}: {text}" if text else message, code="raised", details=details)

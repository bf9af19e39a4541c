"""What the engine itself does for imported models: functions that their tasks call by name.

BPMN's error end event is a task that fails with the code that the model gives. The work of such
a task is done here, so that a converted file needs nothing but Weft.
"""

from __future__ import annotations

from weft.schema.errors import WorkFailed

__all__ = ["raise_error"]


def raise_error(code: str, message: str = "") -> None:
    """Fail for good, with a code that an error branch may look at (``error.code``).

    Raises:
        WorkFailed: Always; another attempt would not help.
    """
    raise WorkFailed(message or f"the model raises the error {code!r}", code=code, retryable=False)

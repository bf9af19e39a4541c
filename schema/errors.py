"""Every exception of Weft, sorted by who has to act.

    WeftError
    ├── DefinitionError    the author of a file: specification, registry, net
    │   └── DefinitionErrors   all faults of one file, as an exception group
    ├── CommandRejected    the caller: what was asked does not fit the state
    │   └── UsageError         the caller: an argument is wrong, whatever the state
    ├── WorkFailed         the code of a task
    ├── JournalError       the operator: store, disk, permissions, network
    └── InternalError      us

A message says what was asked, what the state was, what would have been accepted, and where.
The same facts are attributes, so that a program need not read prose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self


class WeftError(Exception):
    """The root of all errors that Weft raises.

    Args:
        message: One sentence or two, for the person who meets it at night.
        code: A stable, kebab-case word that programs may compare.
        where: The place it is about: ``file:line:column``, a case, a work item, a URL.
    """

    default_code: ClassVar[str] = "error"

    def __init__(self, message: str, *, code: str | None = None, where: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.where = where

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message

    def as_json(self) -> dict[str, Any]:
        """The error object of the command line: ``class``, ``code``, ``message``, ``where``."""
        return {
            "class": type(self).__name__,
            "code": self.code,
            "message": self.message,
            "where": self.where,
        }


class DefinitionError(WeftError):
    """A definition (specification, net, registry, expression) is wrong; its author has to act.

    ``file``, ``line`` and ``column`` (both from 1) say where, as far as they are known.
    """

    default_code = "definition"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        file: str | None = None,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        self.file = file
        self.line = line
        self.column = column
        where = file
        if line is not None:
            where = f"{file or '<text>'}:{line}" + (f":{column}" if column is not None else "")
        WeftError.__init__(self, message, code=code, where=where)


class DefinitionErrors(ExceptionGroup[DefinitionError], DefinitionError):
    """All faults of a definition at once; ``exceptions`` holds each as a `DefinitionError`."""

    default_code = "definition"

    def __new__(cls, message: str, faults: Sequence[DefinitionError]) -> Self:
        """A group needs its members when it is made."""
        return super().__new__(cls, message, list(faults))

    def __init__(self, message: str, faults: Sequence[DefinitionError]) -> None:
        first = faults[0]
        self.file = first.file
        self.line = first.line
        self.column = first.column
        self.code = first.code if len(faults) == 1 else self.default_code
        self.where = first.where if len(faults) == 1 else first.file
        self._title = message

    @property
    def faults(self) -> tuple[DefinitionError, ...]:
        """The faults, one by one, whatever groups they came in."""
        members = (e.faults if isinstance(e, DefinitionErrors) else (e,) for e in self.exceptions)
        return tuple(f for group in members for f in group if isinstance(f, DefinitionError))

    @property
    def message(self) -> str:  # type: ignore[override]  # the group derives it from its members
        """All faults, one a line."""
        return "\n".join(str(fault) for fault in self.exceptions)

    def derive(self, excs: Sequence[Exception]) -> DefinitionErrors:  # type: ignore[override]
        """A group of the same kind over some of the faults (`ExceptionGroup.derive`)."""
        return DefinitionErrors(self._title, [e for e in excs if isinstance(e, DefinitionError)])

    def __str__(self) -> str:
        count = len(self.exceptions)
        return f"{self._title} ({count} fault{'s' if count != 1 else ''})\n{self.message}"


class CommandRejected(WeftError):
    """The command does not fit the state of the case or item; nothing has changed."""

    default_code = "rejected"


class UsageError(CommandRejected):
    """An argument is wrong, whatever the state of any case."""

    default_code = "usage"


class WorkFailed(WeftError):
    """The code or command of a task failed, or gave a result of the wrong shape.

    ``retryable`` says whether another attempt can help (a result of the wrong type: no);
    ``details`` are what else is known of it, as JSON: a traceback, an exit code.
    """

    default_code = "work-failed"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        where: str | None = None,
        retryable: bool = True,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, code=code, where=where)
        self.retryable = retryable
        self.details: dict[str, Any] = dict(details or {})


class JournalError(WeftError):
    """The store cannot do its work: the operator has to look at disk, permissions or network."""

    default_code = "journal"


class InternalError(WeftError):
    """Weft broke one of its own promises: a bug of ours, to be reported."""

    default_code = "internal"


def raise_faults(title: str, faults: Sequence[DefinitionError]) -> None:
    """Raise all ``faults`` as one `DefinitionErrors`; do nothing when there are none."""
    if faults:
        raise DefinitionErrors(title, faults)

"""The store that a command works on, and reading it without touching it.

Queries start no engine, write nothing, and never make a store that is not there: a store that
was never written to answers like an empty one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from weft.schema.errors import UsageError

if TYPE_CHECKING:
    from weft.engine.ports import Journal
    from weft.engine.runtime.live import Stored

__all__ = ["missing", "read", "reading", "refuse_missing"]

_SQLITE = "sqlite:///"


def missing(store: str) -> bool:
    """Whether there is nothing yet where the URL points to (so that opening would make it)."""
    if not store.startswith(_SQLITE) or store == _SQLITE:
        return False
    try:
        return Path(store.removeprefix(_SQLITE)).stat().st_size == 0
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):  # opening it will say what is wrong
        return False


def refuse_missing(store: str) -> None:
    """Refuse to look for a case in a store that is not there.

    Raises:
        UsageError: There is none.
    """
    if missing(store):
        raise UsageError(
            f"no store is at {store}: `weft run` makes one; or name another with --store",
            code="no-store",
            where=store,
        )


@contextmanager
def reading(store: str, *, needed: bool = False) -> Iterator[Journal]:
    """A store, for queries only; closed at the end of the block.

    Args:
        store: Its URL.
        needed: Whether a store that is not there is an error, not an empty one.

    Raises:
        UsageError: There is none, and it is needed; or the URL names no kind of store.
        JournalError: It cannot be read.
    """
    from weft.engine.journal import open_journal

    if needed:
        refuse_missing(store)
    elif missing(store):
        store = "memory:"
    journal = open_journal(store, read_only=True)
    try:
        yield journal
    finally:
        journal.close()


def read(journal: Journal, case: str, *, at: int | None = None) -> Stored:
    """A case of a store, as it is or as it was after event ``at``.

    Raises:
        UsageError: There is no such case, or it has no such event.
        JournalError: The journal is damaged.
    """
    from weft.engine.runtime.live import find_case, read_case, stored_net

    summary = find_case(journal, case)
    if at is not None and not 1 <= at <= summary.sequence:
        raise UsageError(
            f"case {case!r} has no event {at}: its events are 1 to {summary.sequence}",
            code="no-event",
            where=f"case {case}",
        )
    return read_case(journal, summary, stored_net(journal, summary.net), at=at)

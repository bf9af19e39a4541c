"""The stores: where events become durable.

`open_journal` is the only name the rest of the engine needs; the stores behind it
(`weft.engine.journal.memory`, `weft.engine.journal.sqlite`) are imported when first used.
"""

from __future__ import annotations

from pathlib import Path

from weft.engine.ports import Journal
from weft.schema.errors import UsageError

__all__ = ["open_journal"]

_ACCEPTED = (
    "accepted are 'sqlite:///relative/path.db', 'sqlite:////absolute/path.db'"
    " and 'memory:' (kept only as long as the process lives)"
)
_SQLITE = "sqlite:///"


def open_journal(url: str, *, read_only: bool = False) -> Journal:
    """Open the store that ``url`` names, making it if it is not there.

    ``memory:`` keeps everything in this process. ``sqlite:///relative/path`` and
    ``sqlite:////absolute/path`` name a database file; missing folders are made. The path is
    taken as it is written: nothing in it is decoded or expanded.

    With ``read_only`` a store can be read that may not be written to.

    Raises:
        UsageError: The URL is none of these (code ``store-url``).
        JournalError: The store cannot be opened; ``where`` is the URL.
    """
    if url == "memory:":
        from weft.engine.journal.memory import MemoryJournal  # only if used

        return MemoryJournal()
    if not url.startswith(_SQLITE):
        hint = "" if ":" in url or not url else f"; did you mean {_url_of(url)!r}?"
        raise _refused(url, f"{_ACCEPTED}{hint}")
    path = url.removeprefix(_SQLITE)
    if path in ("", ":memory:"):
        raise _refused(url, f"it names no file; {_ACCEPTED}")
    if "?" in path or "#" in path or "\0" in path:
        raise _refused(url, f"a path with '?', '#' or NUL, or with options, is not; {_ACCEPTED}")
    from weft.engine.journal.sqlite import SqliteJournal  # brings a library

    return SqliteJournal(Path(path), url=url, read_only=read_only)


def _url_of(path: str) -> str:
    """The URL of a bare path: an absolute one begins with the fourth slash."""
    return _SQLITE + path


def _refused(url: str, accepted: str) -> UsageError:
    return UsageError(f"{url!r} is not the URL of a store: {accepted}", code="store-url")

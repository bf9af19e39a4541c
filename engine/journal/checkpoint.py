"""Checkpoints beside the work: what the WAL holds goes into the database in a thread of its own.

By itself, SQLite copies the WAL into the database within the commit that makes it longer than a
thousand pages: one of a hundred takes ten times as long as the others, and everybody waits. Here a
thread copies what there is then, with a connection of its own, while commits go on. What they have
added meanwhile is little; the first commit after that copies it, so that the WAL is empty and
begins anew. (Without that it would grow as long as there is always somebody who writes.)

Nothing of this has to happen for a commit to be durable: the WAL holds it, and a checkpoint that
fails, or is killed, is made again.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from threading import Thread

import apsw

__all__ = ["Checkpoints"]

PAGES = 8000
"""A WAL of so many pages is copied (32 MB of them): rarely, since the commits of that moment share
the disk with the copy's sync, and wait for some of it."""


class Checkpoints:
    """Makes the checkpoints of one database: the hook that is called after each commit.

    Args:
        connection: The one that commits; used from one thread.
        path: The database.
    """

    def __init__(self, connection: apsw.Connection, path: Path) -> None:
        self._path = path
        self._thread: Thread | None = None
        connection.set_wal_hook(self._committed)

    def _committed(self, connection: apsw.Connection, database: str, pages: int) -> int:
        thread = self._thread
        if thread is None:
            if pages >= PAGES:
                self._thread = Thread(target=self._copy, name="weft-checkpoint", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError:  # no thread is to be had
                    self._thread = None
                    _checkpoint(connection, database)
        elif not thread.is_alive():
            self._thread = None
            _checkpoint(connection, database)
        return apsw.SQLITE_OK

    def _copy(self) -> None:
        with contextlib.suppress(apsw.Error):
            connection = apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READWRITE)
            try:
                connection.execute("PRAGMA synchronous = FULL")
                _checkpoint(connection, "main")
            finally:
                connection.close()

    def close(self) -> None:
        """Wait for the checkpoint that is being made."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None


def _checkpoint(connection: apsw.Connection, database: str) -> None:
    """Copy what can be copied without waiting for anybody."""
    with contextlib.suppress(apsw.Error):
        connection.wal_checkpoint(database, apsw.SQLITE_CHECKPOINT_PASSIVE)

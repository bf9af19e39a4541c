"""A disk for SQLite that fills up, fails, refuses writes, and loses its power: a VFS shim.

    with FaultyDisk() as disk:
        journal = SqliteJournal(path, vfs=disk.vfs)
        ...
        disk.cut_power_at = disk.operations + 7   # the seventh write, sync or truncation from now
        ...                                       # fails, as does everything after it
        journal.close()                           # the process is gone
        disk.restore(random.Random(seed))         # what the platters hold now

Everything goes to real files at once; what was not synced is remembered, so that `restore` can
take it back. A disk without power may have kept any part of that: with a random source each
unsynced write is kept, lost, or torn at a sector. Deleting a file counts as durable at once, and
so does its length when it is opened. The shared memory of the WAL (``-shm``) is memory: it goes.
"""

from __future__ import annotations

import contextlib
import os
import random
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import apsw
import attrs

BLOCK = 4096
SECTOR = 512

_names = count(1)


def _failure(code: int) -> Exception:
    return apsw.exception_for(code)


@attrs.define
class _Unsynced:
    """What was done to one file since its last sync, and how it was before."""

    size: int
    blocks: dict[int, bytes] = attrs.Factory(dict)
    changes: list[tuple[int, bytes | None]] = attrs.Factory(list)
    """(offset, data) of a write, (size, None) of a truncation."""


class FaultyDisk:
    """A VFS with switches; all may be turned while databases on it are open.

    Attributes:
        vfs: The name to open databases with.
        room: How many bytes files may still grow; None for no bound.
        read_only: Files open for reading only, and nothing can be made, written or deleted.
        failing: Which operations fail with an I/O error: of ``read``, ``write``, ``sync``,
            ``truncate``.
        operations: How many writes, syncs and truncations there have been; ``counts`` by kind.
        cut_power_at: The operation at which the power goes; a write may get half-way.
        powered: False from then on, until `restore`: nothing works any more.
    """

    def __init__(self) -> None:
        self.vfs = f"faulty-{next(_names)}"
        self.room: int | None = None
        self.read_only = False
        self.failing: set[str] = set()
        self.operations = 0
        self.counts: Counter[str] = Counter()
        self.cut_power_at: int | None = None
        self.powered = True
        self.unsynced: dict[str, _Unsynced] = {}
        self._registered: _Vfs | None = None

    def __enter__(self) -> Self:
        self._registered = _Vfs(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._registered is not None:
            self._registered.unregister()
            self._registered = None

    def cut_power(self) -> None:
        """Turn the power off now."""
        self.powered = False

    def restore(self, source: random.Random | None = None) -> None:
        """Make the files what the disk still holds, and turn the power on again.

        Args:
            source: Decides what becomes of unsynced writes; without it, all of them are lost.

        Every database on this disk must have been closed.
        """
        for name, unsynced in self.unsynced.items():
            if not Path(name).exists():
                continue
            file = os.open(name, os.O_RDWR)
            try:
                for block, data in unsynced.blocks.items():
                    os.pwrite(file, data, block * BLOCK)
                os.ftruncate(file, unsynced.size)
                for at, data in unsynced.changes:
                    fate = source.choice(("kept", "lost", "torn")) if source else "lost"
                    if fate == "lost":
                        continue
                    if data is None:
                        os.ftruncate(file, at)
                    elif fate == "torn" and source:
                        os.pwrite(file, data[: source.randrange(0, len(data) + 1, SECTOR)], at)
                    else:
                        os.pwrite(file, data, at)
            finally:
                os.close(file)
            Path(name.removesuffix("-wal") + "-shm").unlink(missing_ok=True)
        self.unsynced.clear()
        self.powered = True
        self.cut_power_at = None

    # ── called by the files ──────────────────────────────────────────────────────────────────

    def check(self, operation: str, code: int) -> None:
        """Fail, if this operation has to."""
        if not self.powered or operation in self.failing:
            raise _failure(code)

    def step(self, operation: str, code: int) -> bool:
        """Count an operation that changes a file; True when the power goes half-way through."""
        self.check(operation, code)
        if self.read_only:
            raise _failure(apsw.SQLITE_READONLY)
        self.operations += 1
        self.counts[operation] += 1
        if self.cut_power_at is not None and self.operations >= self.cut_power_at:
            self.powered = False
            return True
        return False


class _Vfs(apsw.VFS):
    def __init__(self, disk: FaultyDisk) -> None:
        self._disk = disk
        super().__init__(disk.vfs, "", maxpathname=4096)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        if not self._disk.powered:
            raise _failure(apsw.SQLITE_CANTOPEN)
        if self._disk.read_only:
            if flags[0] & apsw.SQLITE_OPEN_WAL and not Path(_text(name)).exists():
                raise _failure(apsw.SQLITE_CANTOPEN)
            flags[0] &= ~(apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
            flags[0] |= apsw.SQLITE_OPEN_READONLY
        return _File(self._disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        if not self._disk.powered:
            raise _failure(apsw.SQLITE_IOERR_DELETE)
        if self._disk.read_only:
            raise _failure(apsw.SQLITE_READONLY)
        self._disk.unsynced.pop(filename, None)
        super().xDelete(filename, syncdir)


def _text(name: Any) -> str:
    return str(name.filename() if isinstance(name, apsw.URIFilename) else name)


class _File(apsw.VFSFile):
    def __init__(self, disk: FaultyDisk, name: Any, flags: list[int]) -> None:
        self._disk = disk
        self._name = None if name is None else _text(name)
        super().__init__("", name, flags)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        self._disk.check("read", apsw.SQLITE_IOERR_READ)
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        disk = self._disk
        cut = disk.step("write", apsw.SQLITE_IOERR_WRITE)
        grown = max(0, offset + len(data) - super().xFileSize())
        if disk.room is not None:
            if grown > disk.room:
                raise _failure(apsw.SQLITE_FULL)
            disk.room -= grown
        with self._remembered(offset, len(data)) as changes:
            changes.append((offset, bytes(data)))
            if not cut:
                super().xWrite(data, offset)
        if cut:
            raise _failure(apsw.SQLITE_IOERR_WRITE)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        cut = self._disk.step("truncate", apsw.SQLITE_IOERR_TRUNCATE)
        with self._remembered(newsize, max(0, super().xFileSize() - newsize)) as changes:
            changes.append((newsize, None))
            if not cut:
                super().xTruncate(newsize)
        if cut:
            raise _failure(apsw.SQLITE_IOERR_TRUNCATE)

    def xSync(self, flags: int) -> None:  # noqa: N802
        if self._disk.step("sync", apsw.SQLITE_IOERR_FSYNC):
            raise _failure(apsw.SQLITE_IOERR_FSYNC)
        # The real fsync is left out: the model decides what is durable, not this machine's disk.
        self._disk.unsynced.pop(self._name or "", None)

    @contextlib.contextmanager
    def _remembered(self, offset: int, length: int) -> Iterator[list[tuple[int, bytes | None]]]:
        """Keep what these bytes were before, unless that is known already."""
        if self._name is None:  # a temporary file: nobody asks for it after a power cut
            yield []
            return
        size = super().xFileSize()
        unsynced = self._disk.unsynced.setdefault(self._name, _Unsynced(size))
        for block in range(offset // BLOCK, -(-(offset + length) // BLOCK)):
            at = block * BLOCK
            if block not in unsynced.blocks and at < size:
                unsynced.blocks[block] = super().xRead(min(BLOCK, size - at), at)
        yield unsynced.changes

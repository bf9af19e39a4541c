"""Who drives a case: engines prove that they live by holding a lock of the operating system.

A store keeps, beside each case, the number of the engine that has claimed it. The number alone
says nothing about whether that engine is still there; its *lock file* does. Each engine makes
one in a folder beside the database and holds a ``flock`` on it for as long as it lives. The
kernel drops the lock in the same moment in which the process ends, however it ends, so that the
death of a process on this machine is seen at once and without a lease.

Numbers are random and never used again, so a claim can refer to a number whose file is long
gone: then it counts for nothing, and the number is a fencing token.

On another machine a lock may be invisible; the file therefore also names the host and the boot of
its kernel, and until when the engine's *lease* runs. It renews the lease while it lives
(`EngineLock.renew`); when it is over, whoever sees the file from elsewhere may take its cases.
A lease trusts the clocks of two machines, and an engine may live and be late; so it only decides
who is asked to go on, and the fencing token decides whose events are stored.

Probing takes a *shared* lock: two who look at the same time do not take each other for the
engine they ask about.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import socket
import weakref
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

__all__ = [
    "Engine",
    "EngineLock",
    "Host",
    "boot",
    "find_engine",
    "living",
    "lock_file",
    "prune",
    "this_host",
]

_SUFFIX = ".lock"

_SIZE = 1024
"""A lock file is written in one go and always has this size, so that nobody reads half of it."""

_FORGOTTEN_SECONDS = 86_400
"""So long after the end of a lease the file of an engine elsewhere is kept."""

_ENDLESS = 2**63 - 1
"""The end of the lease of a file that names none: such an engine is released by hand."""


class Host(msgspec.Struct, frozen=True):
    """A machine by its name, and the running kernel by the name that it gave itself."""

    name: str
    boot: str


class Engine(msgspec.Struct, frozen=True):
    """What a lock file tells of the engine that made it; ``since`` is a time in UTC.

    ``until`` is the end of its lease, in microseconds since 1970. ``boot`` names the running kernel: locks of two processes see each other exactly when they
    were taken under the same one (containers included, whatever their host names).
    """

    engine: str
    host: str
    boot: str
    pid: int
    since: str
    until: int = _ENDLESS

    def __str__(self) -> str:
        return (
            f"engine {self.engine!r} (process {self.pid} on host {self.host}, since {self.since})"
        )


class EngineLock:
    """The lock that an engine holds for as long as it lives; ``number`` names it in claims.

    Args:
        folder: Where the lock files of one store are; made if it is missing.
        engine: The name of the engine, for people.
        here: Where it runs; by default this machine.
        until: The end of its lease, in microseconds since 1970.

    Raises:
        OSError: The folder or the file cannot be made.
    """

    def __init__(
        self, folder: Path, engine: str, *, here: Host | None = None, until: int = _ENDLESS
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            self.number = secrets.randbits(62) + 1
            self.path = lock_file(folder, self.number)
            self._file = os.open(
                self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o644
            )
            if _locked(self._file, fcntl.LOCK_EX) and os.fstat(self._file).st_nlink:
                break
            os.close(self._file)  # `prune` was here between making the file and locking it
        since = datetime.now(UTC).isoformat(timespec="seconds")
        here = here or this_host()
        self._told = Engine(engine, here.name, here.boot, os.getpid(), since, until)
        _held.add(self)
        try:
            self._write()
        except OSError:
            self.close()
            raise

    @property
    def until(self) -> int:
        """The end of the lease, in microseconds since 1970."""
        return self._told.until

    def renew(self, until: int) -> None:
        """Have the lease end later.

        Raises:
            OSError: The file cannot be written; the lease ends as it did.
        """
        before, self._told = self._told, msgspec.structs.replace(self._told, until=until)
        try:
            self._write()
        except OSError:
            self._told = before
            raise

    def _write(self) -> None:
        os.pwrite(self._file, msgspec.json.encode(self._told).ljust(_SIZE), 0)

    def close(self) -> None:
        """Give the lock back, as the end of the process would; closing twice is one."""
        if self._file >= 0:
            self.path.unlink(missing_ok=True)
            self._forget()

    def _forget(self) -> None:
        _held.discard(self)
        file, self._file = self._file, -1
        os.close(file)


def find_engine(
    folder: Path, number: int, *, here: Host | None = None, now: int | None = None
) -> Engine | None:
    """The engine with this number if it may be alive, None if it is not.

    Dead is: its file is gone, its lock is free, its machine (by name) has been restarted, or it
    is elsewhere and its lease is over.

    Args:
        folder: Where the lock files are.
        number: The engine's.
        here: Where we are; by default this machine.
        now: The time in microseconds since 1970; None: leases do not end.
    """
    here = here or this_host()
    try:
        file = os.open(lock_file(folder, number), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        engine = _read(file, here)
        if engine.boot == here.boot:
            return None if _locked(file, fcntl.LOCK_SH) else engine
        over = now is not None and engine.until <= now
        return None if over or engine.host == here.name else engine
    finally:
        os.close(file)


def lock_file(folder: Path, number: int) -> Path:
    """The file of an engine; deleting it releases all that the engine has claimed."""
    return folder / f"{number:016x}{_SUFFIX}"


def prune(folder: Path, *, here: Host | None = None, now: int | None = None) -> None:
    """Remove the files that dead engines have left behind.

    That of an engine elsewhere goes a day after its lease: it may only be late, and come back.
    """
    if now is not None:
        now -= _FORGOTTEN_SECONDS * 1_000_000
    for path in _lock_files(folder):
        with contextlib.suppress(OSError, ValueError):
            if find_engine(folder, int(path.stem, 16), here=here, now=now) is None:
                path.unlink(missing_ok=True)


def living(folder: Path, *, here: Host | None = None, now: int | None = None) -> Iterator[Engine]:
    """The engines of a store that may be alive."""
    for path in _lock_files(folder):
        with contextlib.suppress(OSError, ValueError):
            engine = find_engine(folder, int(path.stem, 16), here=here, now=now)
            if engine is not None:
                yield engine


def this_host() -> Host:
    """This machine."""
    return Host(socket.gethostname(), boot())


@cache
def boot() -> str:
    """The name that the running kernel gave itself at its start."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:  # not Linux: then the host's name has to do
        return socket.gethostname()


def _lock_files(folder: Path) -> Iterator[Path]:
    yield from folder.glob("*" + _SUFFIX)


def _locked(file: int, kind: int) -> bool:
    """Whether this kind of lock could be taken, without waiting."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(file: int, here: Host) -> Engine:
    """The content of a lock file; one that was cut short still says that it is of this kernel."""
    try:
        return msgspec.json.decode(os.pread(file, 4096, 0), type=Engine)
    except msgspec.DecodeError:
        return Engine("unknown", here.name, here.boot, 0, "unknown")


_held: weakref.WeakSet[EngineLock] = weakref.WeakSet()


def _after_fork(*_: Any) -> None:
    """A forked child must not keep the locks of its parent alive."""
    for lock in list(_held):
        lock._forget()


os.register_at_fork(after_in_child=_after_fork)

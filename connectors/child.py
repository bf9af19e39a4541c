"""A child process together with everything that it starts, as one thing to wait for and to end.

The child leads a session, and so a process group, of its own: a signal to the group reaches its
descendants too, and the terminal's Ctrl-C reaches the engine alone, which then decides. Only a
descendant that leaves for a session of its own (``setsid``) is out of reach.

The end of the child is learnt from a pidfd where the system has them (Linux), so it takes
neither a thread nor a signal handler and works on any event loop in any thread; elsewhere a
thread waits. POSIX only.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import anyio

__all__ = ["KILL_SECONDS", "Child"]

KILL_SECONDS = 5.0
"""How long a killed process may take to be gone (it may be stuck in the kernel)."""
POLL_SECONDS = (0.001, 0.05)
"""The first and the longest pause between two looks at a process group."""


def _members(group: int) -> bool | None:
    """Whether ``/proc`` shows a member of the group that is no zombie; None without ``/proc``.

    An orphan that nobody reaps stays in its group for ever, though it has ended.
    """
    try:
        processes = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    except OSError:
        return None
    if not processes:
        return None
    for process in processes:
        with suppress(OSError):
            # the name, in parentheses, may hold anything; after it: state, parent, group
            status = (process / "stat").read_bytes()
            state, _, its_group, *_ = status.rpartition(b")")[2].split()
            if int(its_group) == group and state not in (b"Z", b"X"):
                return True
    return False


class Child:
    """A running child process, the leader of its own session.

    Made on the thread of the event loop. Raises what `subprocess.Popen` raises when the program
    cannot be started.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        stdin: int | IO[Any] = subprocess.DEVNULL,
        stdout: int | IO[Any] | None = None,
        stderr: int | IO[Any] | None = None,
        directory: str | None = None,
        environment: Mapping[str, str] | None = None,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._popen = subprocess.Popen(
            arguments,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=directory,
            env=environment,
            start_new_session=True,
        )
        self.pid = self._popen.pid
        self.stdin = self._popen.stdin
        self.stdout = self._popen.stdout
        self.stderr = self._popen.stderr
        self._ended = asyncio.Event()
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._pidfd = _pidfd(self.pid)
        if self._pidfd is not None:
            self._loop.add_reader(self._pidfd, self._reap)
        else:
            threading.Thread(target=self._wait_in_thread, daemon=True).start()

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: ended by that signal."""
        return self._popen.returncode

    def _reap(self) -> None:
        if self._pidfd is not None:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None
        self._popen.wait()
        self._ended.set()
        self._on_end()

    def _wait_in_thread(self) -> None:
        self._popen.wait()
        with suppress(RuntimeError):  # the loop is closed: nobody is interested any more
            self._loop.call_soon_threadsafe(self._reap)

    async def wait_ended(self) -> None:
        """Wait until the child itself has ended; what it started may still run."""
        await self._ended.wait()

    def signal(self, number: int) -> bool:
        """Send a signal to the whole group; False when none of it is left.

        The group's id cannot be given to others while one of the group lives; between the
        child's end and this call it could only if the system's process ids went once around.
        """
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return False
        except PermissionError:  # all that is left runs as another user, or (macOS) are zombies
            return number == 0 and _members(self.pid) is True
        return True

    def alive(self) -> bool:
        """Whether the child or anything of its group still runs."""
        if not self._ended.is_set():
            return True
        return self.signal(0) and _members(self.pid) is not False

    async def _wait_group_ended(self) -> None:
        await self._ended.wait()
        pause, longest = POLL_SECONDS
        while self.alive():
            await anyio.sleep(pause)
            pause = min(2 * pause, longest)

    async def end(self, *, grace_seconds: float) -> bool:
        """End the whole group: ask (SIGTERM), wait for ``grace_seconds``, then kill.

        Whether all of it is gone: the kernel may hold a process back. Cancelling does not
        interrupt it.
        """
        with anyio.CancelScope(shield=True):
            if grace_seconds > 0 and self.alive():
                self.signal(signal.SIGTERM)
                self.signal(signal.SIGCONT)  # a stopped process cannot hear
                with anyio.move_on_after(grace_seconds):
                    await self._wait_group_ended()
            if self.alive():
                self.signal(signal.SIGKILL)
                with anyio.move_on_after(KILL_SECONDS):
                    await self._wait_group_ended()
        return not self.alive()


def _pidfd(process: int) -> int | None:
    """A file descriptor that can be read once the process has ended, if there is such a thing."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(process)
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EPERM, errno.EINVAL):  # old kernel or a sandbox
            return None
        raise

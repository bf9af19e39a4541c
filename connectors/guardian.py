"""What ends the commands of an engine that has died: a watcher of a few lines of shell.

A command leads a session of its own, so that the engine can end all of it; so it also outlives an
engine that is killed (``kill -9``, the kernel's memory killer), while the next engine already
makes the next attempt. The watcher reads from a pipe which process groups are running. The pipe
ends when the engine does, however it ends, and then the watcher kills every group that is left.

What is promised (POSIX): a command, and all of it that stays in its process group, is killed as
soon as its engine is gone. What is not: a part that has left for a session of its own, a command
that was started in the microseconds before the watcher was told of it, and anything if the
watcher itself is killed.
"""

from __future__ import annotations

import logging
import os
import subprocess
import weakref
from contextlib import suppress

__all__ = ["Guardian"]

logger = logging.getLogger("weft")

CLOSE_SECONDS = 5.0
"""How long a watcher that has nothing left to watch may take to end."""

# "+12" and "-12" begin and end group 12. `kill` has the group as a negative process id.
_SCRIPT = """
groups=' '
while read -r said; do
  case $said in
    +*) groups="$groups${said#+} " ;;
    -*) group=${said#-}; groups="${groups%% $group *} ${groups#* $group }" ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
"""


class Guardian:
    """The watcher of one engine's commands; it is started with the first of them."""

    def __init__(self) -> None:
        self._watcher: subprocess.Popen[bytes] | None = None
        self._failed = False
        self._lost: weakref.finalize[..., Guardian] | None = None
        """Ends the watcher of a guardian that nobody has closed."""
        _all.add(self)

    def watch(self, group: int) -> None:
        """From now on the group dies with this process."""
        self._say(f"+{group}\n")

    def forget(self, group: int) -> None:
        """The group has ended."""
        self._say(f"-{group}\n")

    def _say(self, text: str) -> None:
        if self._watcher is None and not self._failed:
            self._start()
        if self._watcher is not None and self._watcher.stdin is not None:
            try:
                # One short line is written whole or not at all; the watcher reads at once.
                os.write(self._watcher.stdin.fileno(), text.encode())
            except OSError as error:
                self._give_up(error)

    def _start(self) -> None:
        try:
            self._watcher = subprocess.Popen(
                ["/bin/sh", "-c", _SCRIPT],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={},
                start_new_session=True,
            )
        except OSError as error:
            self._give_up(error)
        else:
            self._lost = weakref.finalize(self, _end, self._watcher)

    def _give_up(self, error: OSError) -> None:
        """Without a watcher commands run all the same."""
        self._failed = True
        logger.warning("commands would outlive a killed engine: there is no watcher (%s)", error)
        self.close()

    def close(self) -> None:
        """Let the watcher end, with whatever it still has."""
        self._watcher = None
        if self._lost is not None:
            self._lost()

    def _forked(self) -> None:
        """A forked child must not keep the pipe open when its parent dies."""
        watcher, self._watcher = self._watcher, None
        self._failed = False
        if self._lost is not None:
            self._lost.detach()
        if watcher is not None and watcher.stdin is not None:
            watcher.returncode = 0  # not ours to wait for
            with suppress(OSError):
                watcher.stdin.close()


def _end(watcher: subprocess.Popen[bytes]) -> None:
    if watcher.stdin is not None:
        with suppress(OSError):
            watcher.stdin.close()
    try:
        watcher.wait(CLOSE_SECONDS)
    except subprocess.TimeoutExpired:  # somebody has inherited the pipe
        watcher.kill()
        watcher.wait()


_all: weakref.WeakSet[Guardian] = weakref.WeakSet()


def _after_fork() -> None:
    for guardian in list(_all):
        guardian._forked()


os.register_at_fork(after_in_child=_after_fork)

"""A killed engine takes its commands with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from weft.connectors.guardian import Guardian

PROGRAM = """
import os, subprocess, sys
from weft.connectors.guardian import Guardian

guardian = Guardian()
for ends in (True, False):
    child = subprocess.Popen(["/bin/sh", "-c", "sleep 1000 & wait"], start_new_session=True,
                             stdout=subprocess.PIPE)
    guardian.watch(child.pid)
    if ends:
        os.killpg(child.pid, 9)
        child.wait()
        guardian.forget(child.pid)
print(child.pid, flush=True)
HOW
"""


@pytest.mark.parametrize("how", ["os.kill(os.getpid(), 9)", "os._exit(0)"])
def test_what_runs_dies_with_the_engine_however_it_ends(how: str, repository: Path) -> None:
    """Its grandchildren, too: they hold the pipe that ends here."""
    engine = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.replace("HOW", how)], stdout=subprocess.PIPE, cwd=repository
    )
    assert engine.stdout is not None
    group = int(engine.stdout.readline())
    engine.wait()
    engine.stdout.close()
    while True:  # ends when the watcher has done its work, and not before
        try:
            os.killpg(group, 0)
        except (ProcessLookupError, PermissionError):
            break
        if all_zombies(group):
            break


def all_zombies(group: int) -> bool:
    """Whether all that is left of a group has ended, and only waits for somebody to reap it."""
    listed = subprocess.run(
        ["ps", "-eo", "pgid=,stat="], capture_output=True, text=True, check=True
    ).stdout
    states = [line.split()[1] for line in listed.splitlines() if line.split()[0] == str(group)]
    return all(state.startswith("Z") for state in states)


def test_a_guardian_that_is_closed_harms_nobody() -> None:
    guardian = Guardian()
    child = subprocess.Popen(
        ["/bin/sh", "-c", "read x"], stdin=subprocess.PIPE, start_new_session=True
    )
    guardian.watch(child.pid)
    guardian.forget(child.pid)
    guardian.close()
    guardian.close()
    assert child.poll() is None
    child.communicate(b"\n")
    assert child.returncode == 0


def test_without_a_shell_commands_run_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuses(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "no such file", "/bin/sh")

    monkeypatch.setattr(subprocess, "Popen", refuses)
    guardian = Guardian()
    guardian.watch(1)
    guardian.forget(1)
    guardian.close()
    assert caplog.text.count("there is no watcher") == 1


def test_a_watcher_that_was_killed_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    guardian = Guardian()
    guardian.watch(2**22 + 1)
    assert guardian._watcher is not None
    os.kill(guardian._watcher.pid, signal.SIGKILL)
    guardian._watcher.wait()
    guardian.watch(2**22 + 2)
    assert "there is no watcher" in caplog.text

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import anyio
import pytest

from weft.connectors import child as child_module
from weft.connectors.child import Child

# The grandchild says so when its handler stands; the pipe's end tells that all holders are gone.
STUBBORN = """
import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
if os.fork():
    while True:
        signal.pause()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.write(1, b"ready")
while True:
    signal.pause()
"""


@pytest.fixture(params=["pidfd", "thread"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to learn of a child's end."""
    if request.param == "thread":
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    elif not hasattr(os, "pidfd_open"):
        pytest.skip("this system has no pidfd")
    return str(request.param)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


def run_python(code: str, **options: object) -> Child:
    return Child([sys.executable, "-c", code], **options)  # type: ignore[arg-type]


@pytest.mark.usefixtures("way")
async def test_its_exit_code_is_known_when_it_has_ended() -> None:
    ended: list[bool] = []
    child = run_python("raise SystemExit(7)", on_end=lambda: ended.append(True))
    await child.wait_ended()
    assert child.exit_code == 7
    assert not child.alive()
    assert ended == [True]
    assert child.signal(0) is False


@pytest.mark.usefixtures("way")
async def test_ending_it_ends_what_it_started_even_if_that_ignores_sigterm(
    pipe: tuple[int, int],
) -> None:
    reading, writing = pipe
    child = run_python(STUBBORN, stdout=writing)
    os.close(writing)
    assert await anyio.to_thread.run_sync(os.read, reading, 100) == b"ready"
    await child.end(grace_seconds=2)
    assert not child.alive()
    assert child.exit_code == 0  # the child itself did as it was asked
    assert os.read(reading, 100) == b""  # and nobody holds the pipe any more


async def test_a_child_that_obeys_is_not_killed(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    child = run_python(
        "import os, signal, sys\n"
        "def stop(*_): os.write(1, b'tidied'); os._exit(3)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "os.write(1, b'ready')\n"
        "signal.pause()\n",
        stdout=writing,
    )
    os.close(writing)
    assert await anyio.to_thread.run_sync(os.read, reading, 100) == b"ready"
    await child.end(grace_seconds=30)
    assert child.exit_code == 3
    assert os.read(reading, 100) == b"tidied"


async def test_without_grace_it_is_killed_at_once() -> None:
    child = run_python("import signal; signal.pause()")
    await child.end(grace_seconds=0)
    assert child.exit_code == -signal.SIGKILL


async def test_a_stopped_child_hears_that_it_shall_end(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    child = run_python(
        "import os, signal; os.write(1, b'x'); os.kill(0, signal.SIGSTOP)", stdout=writing
    )
    os.close(writing)
    await anyio.to_thread.run_sync(os.read, reading, 1)
    await child.end(grace_seconds=30)
    assert child.exit_code == -signal.SIGTERM


async def test_ending_is_not_interrupted_by_a_cancellation() -> None:
    child = run_python("import signal; signal.pause()")
    with anyio.CancelScope() as scope:
        scope.cancel()
        await child.end(grace_seconds=30)
    assert not child.alive()


async def test_a_zombie_that_nobody_reaps_does_not_count_as_alive(pipe: tuple[int, int]) -> None:
    """The grandchild ends, and its parent, which lives on elsewhere, never asks how."""
    reading, writing = pipe
    # The parent of the zombie leaves the group, so all that is left in the group is the zombie.
    child = run_python(
        "import os, sys\n"
        "go, told = os.pipe()\n"
        "keeper = os.fork()\n"
        "if not keeper:\n"
        "    if not os.fork():\n"
        "        os._exit(0)\n"
        "    os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)\n"
        "    os.setsid()\n"
        "    os.write(told, b'x')\n"
        "    os.write(1, str(os.getpid()).encode())\n"
        "    import signal; signal.pause()\n"
        "os.read(go, 1)\n",
        stdout=writing,
    )
    os.close(writing)
    await child.wait_ended()
    keeper = int(os.read(reading, 100))
    try:
        assert child.signal(0) is True  # the system still knows the group
        assert not child.alive()
    finally:
        os.kill(keeper, signal.SIGKILL)


async def test_without_proc_a_group_counts_as_alive_while_the_system_knows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(child_module, "_members", lambda group: None)
    child = run_python("import signal; signal.pause()")
    assert child.alive()
    await child.end(grace_seconds=0)
    assert not child.alive()


async def test_a_program_that_is_not_there_is_told_as_popen_tells_it() -> None:
    with pytest.raises(FileNotFoundError):
        Child(["/no/such/program"])


async def test_a_group_of_another_user_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    child = run_python("import signal; signal.pause()")
    with monkeypatch.context() as patch:

        def refuse(*_: object) -> None:
            raise PermissionError

        patch.setattr(os, "killpg", refuse)
        assert child.signal(0) is True  # /proc shows that it runs
        assert child.signal(signal.SIGTERM) is False
    await child.end(grace_seconds=0)


@pytest.mark.parametrize("listing", [OSError(), []])
def test_members_are_unknown_without_proc(
    monkeypatch: pytest.MonkeyPatch, listing: OSError | list[object]
) -> None:
    def iterdir(_: object) -> Iterator[object]:
        if isinstance(listing, OSError):
            raise listing
        return iter(listing)

    monkeypatch.setattr(child_module.Path, "iterdir", iterdir)
    assert child_module._members(1) is None


@pytest.mark.parametrize("number", ["ENOSYS", "EMFILE"])
def test_only_a_missing_pidfd_is_made_up_for(monkeypatch: pytest.MonkeyPatch, number: str) -> None:
    import errno

    def refuse(_: int) -> int:
        raise OSError(getattr(errno, number), "refused")

    monkeypatch.setattr(os, "pidfd_open", refuse, raising=False)
    if number == "ENOSYS":
        assert child_module._pidfd(1) is None
    else:
        with pytest.raises(OSError, match="refused"):
            child_module._pidfd(1)


def test_it_leads_a_session_of_its_own() -> None:
    async def main() -> None:
        child = run_python("import os, sys; sys.exit(os.getsid(0) == os.getpid() == os.getpgid(0))")
        await child.wait_ended()
        assert child.exit_code == 1

    anyio.run(main)


def test_the_end_of_the_loop_before_the_end_of_the_child_is_no_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    children: list[Child] = []

    async def main() -> None:
        children.append(run_python("input()", stdin=subprocess.PIPE))

    anyio.run(main)
    assert children[0].stdin is not None
    children[0].stdin.close()
    children[0]._popen.wait()

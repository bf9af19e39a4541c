"""Starting the processes of `tests.engine.journal.child`, and ending them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


@contextmanager
def child(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A child process; killed at the end, if it still lives."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.engine.journal.child", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        yield process
    finally:
        kill(process)
        if process.stdout is not None:
            process.stdout.close()


def line(process: subprocess.Popen[str]) -> str:
    """The next line that the child says."""
    assert process.stdout is not None
    text = process.stdout.readline()
    assert text.endswith("\n"), "the child ended"
    return text.strip()


def kill(process: subprocess.Popen[str]) -> None:
    """``kill -9``, and wait until the kernel has cleaned up."""
    process.kill()
    process.wait()

"""The command line in a folder of its own: in this process, or as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from weft.cli import main

COMMAND = [sys.executable, "-m", "weft"]


@attrs.frozen
class Done:
    """How a command has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one object on standard output; nothing else is there."""
        (line,) = self.out.splitlines()
        return json.loads(line)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty working directory, with nothing of the environment in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WEFT_STORE", raising=False)
    return tmp_path


@pytest.fixture
def weft(folder, capsys) -> Callable[..., Done]:
    """Run a command in this process."""

    def run(*arguments: object) -> Done:
        code = main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return run


@pytest.fixture
def spawn(folder):
    """Start a command as a process; what still runs at the end of the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object, **options: Any) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **options.pop("env", {})}
        process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            cwd=folder,
            env=environment,
            text=True,
            **{
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                **options,
            },
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture
def write(folder) -> Callable[[str, str], Path]:
    """Write a file into the folder."""

    def write(name: str, text: str) -> Path:
        path: Path = folder / name
        path.write_text(text, "utf-8")
        return path

    return write


ROW = "weft: 1\nname: row\nsequence:\n  - shell: [echo, one]\n  - shell: [echo, two]\n"
FAILS = "weft: 1\nname: fails\nsequence:\n  - shell: [sh, -c, 'echo broken >&2; exit 7']\n"
ASKS = """\
weft: 1
name: asks
data:
  whom: {type: string, default: world}
  count: {type: integer, default: 1}
net:
  start: ask
  tasks:
    ask:
      person: {title: Go on?, choices: [yes, no], role: host}
      then: {exclusive-choice: [{when: "ask.choice == 'yes'", to: greet}, {to: part}]}
    greet: {shell: [echo, hello, "${whom}"], in: {whom: whom}}
    part: {}
"""


@pytest.fixture
def row(write) -> Path:
    """Two commands in a row."""
    return write("row.yaml", ROW)


@pytest.fixture
def fails(write) -> Path:
    """One command, that fails."""
    return write("fails.yaml", FAILS)


@pytest.fixture
def asks(write) -> Path:
    """A person decides whether a command runs."""
    return write("asks.yaml", ASKS)

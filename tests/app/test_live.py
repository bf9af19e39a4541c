"""A running case on a terminal: what is under way, with attempt and elapsed time."""

from __future__ import annotations

import io
import os
import pty

import pytest
from rich.console import Console

import weft as package
from weft.cli.live import MOST_ROWS, LiveProgress

WORK = """\
weft: 1
name: work
net:
  start: [flaky, other]
  tasks:
    flaky: {python: flaky, retry: {attempts: 2, delay: 2s}, then: ask}
    other: {python: other, in: {}, then: ask}
    ask: {join: multi-merge, person: {title: Well?, choices: [a, b]}}
"""


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def console():
    return Console(file=io.StringIO(), force_terminal=True, width=80, highlight=False)


def drawn(live: LiveProgress) -> list[str]:
    """What is shown now, on a console of its own: the other one is drawn on by a thread."""
    console = Console(file=io.StringIO(), width=80)
    console.print(live.rows(), no_wrap=True)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines() if line.strip()]


def test_what_is_under_way(console):
    said: list[str] = []
    clock = Clock()
    live = LiveProgress(said.append, console, clock=clock)
    seen: list[list[str]] = []

    async def flaky(work: package.Work) -> int:
        clock.now += 1.5
        seen.append(drawn(live))
        if work.attempt == 1:
            raise ValueError("not yet")
        return 1

    async def other() -> int:
        return 1

    session = package.open(functions={"flaky": flaky, "other": other}, seed=5)
    with session as engine:
        engine._engine.listeners.append(live)
        case = engine.run(package.loads(WORK))
        assert [i.task for i in case.work_items] == ["ask", "ask"]
    assert "flaky runs attempt 1 1.50 s" in seen[0]
    assert any("flaky runs attempt 2" in row for row in seen[1])
    assert live._live is None  # nothing is under way: the terminal is free for a question
    assert drawn(live) == []
    told = "\n".join(said) + console.file.getvalue()
    assert "attempt 1 failed: " in told
    assert "not yet; again in 2.00 s" in told


def test_a_retry_counts_down_and_many_items_are_counted(console):
    live = LiveProgress(lambda line: None, console, clock=lambda: 10.0)
    live._under_way = {"a/1": (2, 8.0, 13.0)} | {f"b/{n}": (1, 9.0, None) for n in range(20)}
    rows = drawn(live)
    assert rows[0] == "a failed attempt 2 again in 3.00 s"
    assert rows[-1] == f"and {21 - MOST_ROWS} more"
    assert len(rows) == MOST_ROWS + 1


def test_a_long_line_is_not_broken_above_what_is_drawn(console):
    live = LiveProgress(lambda line: None, console)
    live._under_way = {"a/1": (1, 8.0, None)}
    live._show()
    live._told("x" * 100 + "\x1b[31m")
    live.close()
    assert "x" * 100 + "\\x1b[31m" in console.file.getvalue()


def test_a_terminal_that_has_gone_is_no_error(console):
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(5, "Input/output error")

    live = LiveProgress(lambda line: None, Console(file=Gone(), force_terminal=True))
    live._under_way = {"a/1": (1, 8.0, None)}
    live._show()
    live.close()


@pytest.mark.parametrize(("term", "drawn"), [("xterm-256color", True), ("dumb", False)])
def test_on_a_terminal(spawn, write, term, drawn):
    """The whole command in a pseudo-terminal: lines, the branch, the end; nothing left behind."""
    write(
        "w.yaml",
        "weft: 1\nname: w\nnet:\n  start: a\n  tasks:\n"
        "    a: {shell: [echo, hi], then: {exclusive-choice: [{when: 'a.exit_code == 0', to: b}, {to: c}]}}\n"
        "    b: {shell: [sh, -c, 'echo x >&2']}\n    c: {}\n",
    )
    ours, theirs = pty.openpty()
    run = spawn("run", "w.yaml", stdin=theirs, stdout=theirs, stderr=theirs, env={"TERM": term})
    os.close(theirs)
    out = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        out += piece
    os.close(ours)
    assert run.wait(60) == 0
    text = out.decode()
    assert "a         → b" in text
    assert "status   completed" in text
    assert (b"\x1b[?25l" in out) is drawn  # the cursor is hidden while something is drawn
    assert out.count(b"\x1b[?25l") == out.count(b"\x1b[?25h")

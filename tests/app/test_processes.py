"""Real processes: killed, interrupted, and two of them at one case.

Nothing sleeps: a step says in a file that it runs and waits for a file that lets it go on.
"""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
from pathlib import Path

import pytest

from tests.app.conftest import COMMAND

GATED = """\
weft: 1
name: gated
sequence:
  - name: first
    python: "steps:step"
    in: {name: "'first'", gate: "''"}
  - name: second
    python: {call: "steps:step", run-in: process}
    in: {name: "'second'", gate: "'gate'"}
  - name: third
    python: "steps:step"
    in: {name: "'third'", gate: "''"}
"""
STEPS = """\
import os
import weft

def step(name: str, gate: str, work: weft.Work) -> str:
    with open("effects", "a") as effects:
        effects.write(f"{name} {work.attempt} {work.idempotency_key}\\n")
    if gate:
        # A fifo: reading waits until somebody writes, and ends when this process does.
        with open(gate) as waiting:
            return waiting.read()
    return name
"""


@pytest.fixture
def gated(write, folder) -> Path:
    """Three steps, the second of which waits at the gate; each leaves a line in `effects`."""
    write("steps.py", STEPS)
    os.mkfifo(folder / "gate")
    return write("gated.yaml", GATED)


def until(process, text: str) -> str:
    """Read what a process tells until a line has that text."""
    seen = ""
    for line in process.stdout:
        seen += line
        if text in line:
            return seen
    raise AssertionError(f"{text!r} was never told:\n{seen}{process.stderr.read()}")


def effects(folder: Path) -> list[list[str]]:
    return [line.split() for line in (folder / "effects").read_text().splitlines()]


def wait_for_reader(gate: Path) -> int:
    """Wait until a step reads from the gate; the end to write to."""
    return os.open(gate, os.O_WRONLY)


def test_killed_in_the_middle_it_goes_on_where_it_was(spawn, weft, gated, folder):
    running = spawn("run", gated, "--case", "c")
    until(running, "second    started")
    end = wait_for_reader(folder / "gate")
    running.send_signal(signal.SIGKILL)
    running.communicate()
    os.close(end)

    (case,) = weft("list", "--json").json["cases"]
    assert (case["case"], case["status"], case["idle"]) == ("c", "running", False)
    status = weft("status", "c", "--json").json
    assert status["marking"] == {"0": {"second.run": 1}}
    (item,) = status["work_items"]
    assert (item["item"], item["status"], item["attempt"]) == ("c:second/1", "started", 1)
    assert "in second" in weft("status", "c").out

    resumed = spawn("resume", "c", "--json")
    end = wait_for_reader(folder / "gate")
    os.write(end, b"through")
    os.close(end)
    out, err = resumed.communicate()
    assert (resumed.returncode, err) == (0, "")
    answer = json.loads(out)
    assert answer["status"] == "completed"
    assert answer["data"]["second"] == "through"
    assert effects(folder) == [
        ["first", "1", "c:first/1"],
        ["second", "1", "c:second/1"],
        ["second", "2", "c:second/1"],
        ["third", "1", "c:third/1"],
    ]
    assert weft("history", "c", "--verify").code == 0


def test_an_event_that_is_sent_again_drives_on_what_a_killed_engine_had_left(
    spawn, weft, gated, folder
):
    path = folder / gated
    path.write_text(path.read_text() + "triggers: [{event: go}]\n")
    assert weft("deploy", gated).code == 0
    emitted = spawn("emit", "go", "--id", "m-1")
    end = wait_for_reader(folder / "gate")
    emitted.send_signal(signal.SIGKILL)
    emitted.communicate()
    os.close(end)

    again = spawn("emit", "go", "--id", "m-1", "--json")
    end = wait_for_reader(folder / "gate")
    os.write(end, b"through")
    os.close(end)
    out, err = again.communicate()
    assert (again.returncode, err) == (0, "")
    (started,) = json.loads(out)["started"]
    assert (started["status"], started["again"]) == ("completed", True)
    assert [name for name, *_ in effects(folder)] == ["first", "second", "second", "third"]

    (once_more,) = weft("emit", "go", "--id", "m-1", "--json").json["started"]
    assert (once_more["case"], once_more["again"]) == (started["case"], True)
    assert len(effects(folder)) == 4


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_the_first_signal_drains(spawn, weft, gated, folder, name):
    running = spawn("run", gated, "--case", "c")
    until(running, "second    started")
    end = wait_for_reader(folder / "gate")
    running.send_signal(signal.Signals[name])
    assert name in running.stderr.readline()
    os.write(end, b"through")
    os.close(end)
    out, _ = running.communicate()
    assert running.returncode == 130
    assert "second    completed" in out
    assert "third" not in out
    assert "interrupted" in out
    assert "weft resume c" in out.replace(" -m weft", " weft")

    (case,) = weft("list", "--json").json["cases"]
    assert (case["status"], case["idle"]) == ("running", False)
    assert weft("resume", "c").code == 0
    assert [e[0] for e in effects(folder)] == ["first", "second", "third"]


def test_the_second_signal_cancels_what_runs(spawn, weft, gated, folder):
    running = spawn("run", gated, "--case", "c", "--json")
    end = wait_for_reader(folder / "gate")
    running.send_signal(signal.SIGINT)
    assert "once more" in running.stderr.readline()
    running.send_signal(signal.SIGINT)
    assert "cancelling" in running.stderr.readline()
    out, _ = running.communicate()
    os.close(end)
    assert running.returncode == 130
    answer = json.loads(out)
    assert answer["status"] == "running"
    assert [i["item"] for i in answer["work_items"]] == ["c:second/1"]

    resumed = spawn("resume", "c", "--json")
    end = wait_for_reader(folder / "gate")
    os.close(end)
    out, _ = resumed.communicate()
    assert json.loads(out)["status"] == "completed"
    assert [e[:2] for e in effects(folder)] == [
        ["first", "1"],
        ["second", "1"],
        ["second", "2"],
        ["third", "1"],
    ]


def test_two_processes_cannot_drive_one_case(spawn, weft, gated, folder):
    running = spawn("run", gated, "--case", "c")
    until(running, "second    started")
    end = wait_for_reader(folder / "gate")
    for command in (
        ["resume", "c"],
        ["cancel", "c"],
        ["suspend", "c"],
        ["complete", "c:second/1"],
        ["claim", "c:second/1"],
    ):
        refused = weft(*command, "--json")
        assert refused.code == 6, command
        assert refused.json["error"]["class"] == "CaseClaimed"
        assert refused.json["error"]["code"] == "claimed"
        assert f"process {running.pid}" in refused.json["error"]["message"]
    assert weft("status", "c").code == 0  # looking is fine
    os.write(end, b"through")
    os.close(end)
    running.communicate()
    assert running.returncode == 0
    assert len(effects(folder)) == 3


# ── a terminal ───────────────────────────────────────────────────────────────────────────────


class Terminal:
    """A process at a terminal: what it has said, and typing."""

    def __init__(self, spawn, *arguments: object) -> None:
        self.ours, theirs = pty.openpty()
        self.process = spawn(*arguments, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        self.said = ""

    def until(self, text: str) -> None:
        while text not in self.said:
            if not self._read():
                raise AssertionError(f"{text!r} was never said:\n{self.said}")

    def _read(self) -> bool:
        ready, _, _ = select.select([self.ours], [], [], 60)
        try:
            part = os.read(self.ours, 4096) if ready else b""
        except OSError:  # the process has gone
            return False
        self.said += part.decode()
        return bool(part)

    def type(self, text: str) -> None:
        os.write(self.ours, text.encode())

    def end(self) -> int:
        """Read to the end; the exit code."""
        while self._read():
            pass
        os.close(self.ours)
        return self.process.wait()


def test_on_a_terminal_a_person_is_asked(spawn, asks):
    terminal = Terminal(spawn, "run", asks, "--case", "c")
    terminal.until("choice (nothing: leave it open): ")
    assert "Go on?" in terminal.said
    assert "1  yes" in terminal.said
    terminal.type("perhaps\n")
    terminal.until("It is one of yes, no, or its number.")
    terminal.type("1\n")
    assert terminal.end() == 0
    assert "hello world" in terminal.said


def test_an_answer_may_be_left_open(spawn, weft, asks):
    terminal = Terminal(spawn, "run", asks, "--case", "c")
    terminal.until("leave it open): ")
    terminal.type("\n")
    assert terminal.end() == 3
    assert weft("status", "c", "--json").json["idle"] is True


def test_the_end_of_the_input_leaves_it_open(spawn, asks):
    terminal = Terminal(spawn, "run", asks)
    terminal.until("leave it open): ")
    terminal.type("\x04")
    assert terminal.end() == 3


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_while_somebody_is_asked(spawn, weft, asks, name):
    terminal = Terminal(spawn, "run", asks, "--case", "c")
    terminal.until("leave it open): ")
    terminal.process.send_signal(signal.Signals[name])
    assert terminal.end() == 130, terminal.said
    assert weft("status", "c", "--json").json["status"] == "running"


def test_resume_asks_too(spawn, weft, asks):
    weft("run", asks, "--case", "c")
    terminal = Terminal(spawn, "resume", "c")
    terminal.until("leave it open): ")
    terminal.type("no\n")
    assert terminal.end() == 0


def test_a_form_is_asked_field_by_field(spawn, weft, write):
    path = write(
        "form.yaml",
        """\
weft: 1
name: form
net:
  start: tell
  tasks:
    tell:
      person:
        title: How was it?
        text: It helps us.
        form:
          stars: {type: integer, required: true}
          words: string
          again: boolean
""",
    )
    terminal = Terminal(spawn, "run", path, "--case", "c")
    terminal.until("stars (nothing: leave it open): ")
    assert "It helps us." in terminal.said
    terminal.type("many\n")
    terminal.until("This has to be JSON, of the type integer.")
    terminal.type("5\n")
    terminal.until("words (nothing: leave it out): ")
    terminal.type("very good\n")
    terminal.until("again (nothing: leave it out): ")
    terminal.type("\n")
    assert terminal.end() == 0
    assert weft("status", "c", "--json").json["data"]["tell"] == {"stars": 5, "words": "very good"}


def test_an_answer_that_does_not_fit_is_asked_again(spawn, write):
    path = write(
        "form.yaml",
        "weft: 1\nname: f\nsequence:\n"
        "  - person: {title: How many?, form: {n: {type: integer, required: true}}}\n",
    )
    terminal = Terminal(spawn, "run", path)
    terminal.until("n (nothing: leave it open): ")
    terminal.type('"a text"\n')
    terminal.until("does not fit")
    terminal.type("3\n")
    assert terminal.end() == 0


def test_a_terminal_that_has_gone_leaves_it_open(spawn, weft, asks):
    terminal = Terminal(spawn, "run", asks, "--case", "c")
    terminal.until("leave it open): ")
    os.close(terminal.ours)
    assert terminal.process.wait() == 3
    assert weft("status", "c", "--json").json["idle"] is True


def test_somebody_is_asked_within_a_net(spawn, write):
    path = write(
        "n.yaml",
        "weft: 1\nname: n\nnet: {start: outer, tasks: {outer: {net: inner}}}\n"
        "nets:\n  inner: {start: a, tasks: {a: {person: What?}}}\n",
    )
    terminal = Terminal(spawn, "run", path)
    terminal.until("answer (nothing: leave it open): ")
    terminal.type("[1, 2]\n")
    assert terminal.end() == 0


def test_what_task_functions_print_is_no_part_of_a_json_answer(folder):
    (folder / "noisy.py").write_text(
        "import os, sys\ndef talk():\n    print('a word')\n    os.write(1, b'another\\n')\n    return 1\n"
    )
    (folder / "noisy.yaml").write_text(
        "weft: 1\nname: noisy\nsequence:\n"
        '  - python: {call: "noisy:talk", run-in: thread}\n'
        '  - python: {call: "noisy:talk", run-in: process}\n'
    )
    done = subprocess.run(
        [*COMMAND, "run", "noisy.yaml", "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)["status"] == "completed"
    assert done.stderr.count("a word") == done.stderr.count("another") == 2


def test_a_full_standard_output_is_for_the_operator_and_no_verdict(folder):
    (folder / "one.yaml").write_text("weft: 1\nname: one\nsequence:\n  - shell: [echo, hi]\n")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "run", "one.yaml", "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 5
    assert b"Traceback" not in done.stderr

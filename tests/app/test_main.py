"""The way in: exit codes, errors as objects, help, and what nobody expected."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

import weft.cli
from tests.app.conftest import COMMAND
from weft.cli import cli, main, unwrapped
from weft.cli.output import (
    Exit,
    Screen,
    compact,
    duration,
    error_object,
    exit_of_error,
    local_time,
    table,
    timestamp,
)
from weft.engine.ports import CaseClaimed, JournalConflict
from weft.schema.errors import (
    CommandRejected,
    DefinitionError,
    DefinitionErrors,
    InternalError,
    JournalError,
    UsageError,
    WorkFailed,
)

# ── the table of exit codes: a test a row ────────────────────────────────────────────────────


def test_0_done_as_asked(weft, row):
    assert weft("run", row).code == 0


@pytest.mark.parametrize("query", ["list", "specs", "worklist", "patterns"])
def test_0_a_query_whatever_it_finds(weft, query):
    assert weft(query).code == 0
    assert weft(query, "--json").code == 0


@pytest.mark.parametrize("query", ["status", "history"])
def test_0_a_query_of_a_failed_case(weft, fails, query):
    weft("run", fails, "--case", "c")
    assert weft(query, "c").code == 0


def test_1_the_case_failed(weft, fails):
    done = weft("run", fails, "--json")
    assert done.code == 1
    assert done.json["status"] == "failed"
    assert done.json["error"]["code"] == "exit-code"
    assert done.json["error"]["task"] == "step-1"


def test_1_the_case_was_cancelled(weft, write):
    text = "weft: 1\nname: x\nnet: {start: a, tasks: {a: {then: cancel-case}}}\n"
    done = weft("run", write("x.yaml", text), "--json")
    assert done.code == 1
    assert done.json["status"] == "cancelled"


def test_1_the_case_is_deadlocked(weft, write):
    text = """\
weft: 1
name: stuck
net:
  start: a
  tasks:
    a: {then: {exclusive-choice: [{when: "true", to: b}, {to: c}]}}
    b: {then: d}
    c: {then: d}
    d: {join: synchronization, shell: [echo, never]}
"""
    refused = weft("run", write("x.yaml", text), "--case", "c", "--json")
    assert (refused.code, "is not sound" in refused.json["error"]["message"]) == (2, True)
    done = weft("run", write("x.yaml", text), "--case", "c", "--unverified", "--json")
    assert done.code == 1
    assert done.json["status"] == "deadlocked"
    (waiting,) = weft("status", "c", "--json").json["waiting"]
    assert (waiting["join"], waiting["input"]) == ("d", "c>d")


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "nowhere.yaml"],
        ["run", "nowhere"],
        ["nonsense"],
        [],
        ["run", "--nonsense"],
        ["list", "--status", "sleeping"],
        ["status", "c"],
        ["list", "--store", "mysql://here"],
        ["patterns", "99"],
        ["complete", "no-item"],
        ["run", "--replay", "c", "x.yaml"],
    ],
    ids=" ".join,
)
def test_2_usage(weft, arguments):
    done = weft(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert "Error: " in done.err
    with_json = weft(*arguments, "--json")
    assert with_json.code == 2
    assert list(with_json.json) == ["error"]
    assert set(with_json.json["error"]) == {"class", "code", "message", "where"}
    assert with_json.err == ""


def test_2_all_faults_of_a_definition_with_their_places(weft, write):
    path = write(
        "x.yaml", "weft: 1\nname: x\nnet:\n  start: a\n  tasks:\n    a: {then: b}\n    c: 5\n"
    )
    done = weft("run", path, "--json")
    assert done.code == 2
    assert done.json["error"]["class"] == "DefinitionErrors"
    assert f"{path}:7:8" in done.json["error"]["message"]
    assert f"{path}:7:8" in weft("show", path).err


def test_3_the_case_is_idle(weft, asks):
    done = weft("run", asks, "--json")
    assert done.code == 3
    assert done.json["status"] == "running"
    assert done.json["idle"] is True
    assert done.json["error"] is None


def test_3_the_case_is_suspended(weft, asks):
    weft("run", asks, "--case", "c")
    assert weft("start", "c:ask/1").code == 3
    assert weft("suspend", "c", "--reason", "holiday").code == 0
    done = weft("fail", "c:ask/1", "--reason", "x", "--json")
    assert done.code == 1
    weft("run", asks, "--case", "d")
    weft("start", "d:ask/1")
    weft("suspend", "d")
    done = weft("complete", "d:ask/1", "--data", '{"choice": "yes"}', "--json")
    assert done.code == 3
    assert done.json["status"] == "suspended"
    assert weft("resume", "d").code == 0


def test_5_the_operator_must_act(weft, folder, row):
    Path("bad.db").write_text("this is no database, and long enough to be looked at as one" * 20)
    done = weft("list", "--store", "sqlite:///bad.db", "--json")
    assert done.code == 5
    assert done.json["error"]["class"] == "JournalError"
    assert done.json["error"]["code"] == "not-a-database"
    assert weft("run", row, "--store", "sqlite:///bad.db").code == 5


def test_6_the_command_does_not_fit(weft, row):
    weft("run", row, "--case", "c")
    done = weft("complete", "c:step-1/1", "--json")
    assert done.code == 6
    assert done.json["error"]["class"] == "CommandRejected"
    assert weft("resume", "c").code == 6
    assert weft("cancel", "c").code == 6
    assert weft("run", row, "--case", "c").code == 6


def test_70_our_fault(weft, monkeypatch):
    def broken(**_):
        raise LookupError("the ground has opened")

    monkeypatch.setattr(cli.commands["list"], "callback", broken)
    done = weft("list")
    assert done.code == 70
    assert done.out == ""
    for part in ("LookupError: the ground has opened", "report it", "Traceback", "Python 3"):
        assert part in done.err
    with_json = weft("list", "--json")
    assert with_json.code == 70
    assert with_json.json["error"]["class"] == "InternalError"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_130_interrupted(weft, monkeypatch, error):
    def interrupted(**_):
        raise error

    monkeypatch.setattr(cli.commands["list"], "callback", interrupted)
    assert weft("list").code == 130
    assert weft("list", "--json").json["error"]["code"] == "interrupted"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DefinitionError("x"), Exit.USAGE),
        (DefinitionErrors("x", [DefinitionError("y")]), Exit.USAGE),
        (UsageError("x"), Exit.USAGE),
        (CommandRejected("x"), Exit.REJECTED),
        (CaseClaimed("x"), Exit.REJECTED),
        (WorkFailed("x"), Exit.NO),
        (JournalError("x"), Exit.OPERATOR),
        (JournalConflict("x"), Exit.OPERATOR),
        (OSError(errno.ENOSPC, "No space left on device"), Exit.OPERATOR),
        (click.FileError("x"), Exit.OPERATOR),
        (click.UsageError("x"), Exit.USAGE),
        (InternalError("x"), Exit.INTERNAL),
        (ZeroDivisionError(), Exit.INTERNAL),
    ],
    ids=lambda v: type(v).__name__,
)
def test_every_class_of_error_has_its_exit_code_and_object(error, code):
    assert exit_of_error(error) is code
    assert set(error_object(error)) == {"class", "code", "message", "where"}
    json.dumps(error_object(error))


def test_an_error_of_the_system_names_its_file(weft, monkeypatch):
    def full(**_):
        raise OSError(errno.ENOSPC, "No space left on device", "/dev/full")

    monkeypatch.setattr(cli.commands["list"], "callback", full)
    assert weft("list").err == "Error: /dev/full: No space left on device\n"
    assert weft("list", "--json").json["error"]["where"] == "/dev/full"


def test_the_wrapping_of_a_task_group_is_taken_off():
    inner = UsageError("x")
    assert unwrapped(ExceptionGroup("a", [ExceptionGroup("b", [inner])])) is inner
    both = ExceptionGroup("a", [inner, ValueError()])
    assert unwrapped(both) is both
    faults = DefinitionErrors("x", [DefinitionError("y")])
    assert unwrapped(faults) is faults


# ── help and versions ────────────────────────────────────────────────────────────────────────


def test_help_lists_every_command_in_a_section(weft):
    done = weft("--help")
    assert done.code == 0
    for section, commands in cli.sections.items():
        assert f"{section}:" in done.out
        for command in commands:
            assert f"\n  {command.name} " in done.out


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_every_command_has_help(weft, command):
    done = weft(command, "--help")
    assert done.code == 0
    assert done.out.startswith("Usage: weft ")


def test_without_a_command_there_is_help_and_an_error(weft):
    done = weft()
    assert done.code == 2
    assert "Commands:" in done.err or "Run:" in done.err


def test_version_names_all_that_matters(weft):
    done = weft("--version")
    assert done.code == 0
    assert done.out.startswith(f"weft {weft_version()} (kernel ")
    assert "Python 3." in done.out
    assert "SQLite 3." in done.out


def weft_version() -> str:
    import weft

    return weft.__version__


def test_help_is_quick_and_starts_nothing_heavy():
    program = (
        "import sys; from weft.cli import main; main(['--help'])\n"
        "heavy = {'apsw', 'cattrs', 'anyio', 'weft.engine.decide', 'rich', 'yaml', 'cel'}\n"
        "sys.exit(repr(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_time_of_help(report_figure, folder):
    import time

    def once() -> float:
        began = time.perf_counter()
        subprocess.run([*COMMAND, "--help"], check=True, capture_output=True)
        return time.perf_counter() - began

    report_figure("weft --help", f"{min(once() for _ in range(3)) * 1000:.0f} ms")


# ── streams ──────────────────────────────────────────────────────────────────────────────────


def test_output_that_the_encoding_lacks_is_escaped(spawn, write):
    steps = "sequence: [{shell: [printf, 'h\\303\\251llo \\342\\206\\222']}]"
    path = write("u.yaml", f"weft: 1\nname: u\n{steps}\n")
    plain = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C", "LANG": "C"}
    process = spawn("run", path, "--case", "u", env=plain)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert "h\\xe9llo \\u2192" in out
    process = spawn("status", "u", "--json", env=plain)
    out, _ = process.communicate()
    assert json.loads(out)["data"]["step_1"]["stdout"] == "héllo →"
    assert out.isascii()


def test_a_text_of_strangers_cannot_steer_the_terminal(weft, write):
    weft(
        "run", write("x.yaml", "weft: 1\nname: x\nsequence: [{shell: [printf, '\\033[2Jgone']}]\n")
    )
    done = weft("list", "--store", "sqlite:///\x1b[2J.db")
    assert "\x1b" not in done.out + done.err
    assert "\\x1b[2J" in done.out


def test_a_closed_pipe_ends_quietly(spawn, row):
    spawn("run", row, "--case", "c").communicate()
    reading, writing = os.pipe()
    process = spawn("history", "c", stdout=writing)
    os.close(reading)
    os.close(writing)
    _, err = process.communicate()
    assert process.returncode == 0
    assert err == ""


def test_a_run_whose_reader_has_gone_goes_on_to_its_end(spawn, weft, row):
    reading, writing = os.pipe()
    process = spawn("run", row, "--case", "c", stdout=writing)
    os.close(reading)
    os.close(writing)
    _, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert weft("status", "c", "--json").json["status"] == "completed"


def test_a_full_output_is_for_the_operator(spawn, folder):
    with Path("/dev/full").open("w") as full:
        process = spawn("patterns", stdout=full)
        _, err = process.communicate()
    assert process.returncode == 5
    assert "No space left on device" in err


class Ascii(io.TextIOWrapper):
    """A stream that is no UTF-8."""


def test_json_is_ascii_where_the_stream_is_not_utf8(monkeypatch):
    stream = Ascii(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", stream)
    Screen(json=True).answer({"a": "→"})
    assert stream.buffer.getvalue() == b'{"a": "\\u2192"}\n'  # type: ignore[attr-defined]


def test_with_json_nothing_is_said_to_people(capsys):
    screen = Screen(json=True)
    screen.say("a")
    screen.warn("b")
    screen.answer({})
    Screen().answer({"x": 1})
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("{}\n", "b\n")


# ── texts ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0061, "6 ms"),
        (1.416, "1.42 s"),
        (12.34, "12.3 s"),
        (125, "2 min 5 s"),
        (12_000, "3 h 20 min"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_times():
    assert timestamp(1_000_001) == "1970-01-01T00:00:01.000001Z"
    assert len(local_time(0)) == len("1970-01-01 00:00:00")


def test_compact_is_cut():
    assert compact({"a": [1, "é"]}) == '{"a": [1, "é"]}'
    assert compact("x" * 100, 10) == '"xxxxxxxx…'


def test_a_table_aligns_all_but_its_last_column():
    assert table(["A", "B"], [["long", "x"], ["s", ""]]) == ["A     B", "long  x", "s"]


def test_the_arguments_of_the_process_are_the_default(monkeypatch, capsys, folder):
    monkeypatch.setattr(sys, "argv", ["weft", "list"])
    assert main() == 0
    assert capsys.readouterr().out.startswith("no cases")


def test_an_option_that_looks_like_json_is_none(weft):
    done = weft("status", "--", "--json")
    assert done.code == 2
    assert done.out == ""


def test_the_module_is_the_command(folder):
    done = subprocess.run([*COMMAND, "list", "--json"], check=False, capture_output=True, text=True)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"cases": []})


def test_nothing_is_public_by_accident():
    assert set(weft.cli.__all__) == {"cli", "main"}
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

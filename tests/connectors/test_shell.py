from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.connectors.conftest import make_work, perform
from weft.connectors import shell as shell_module
from weft.connectors.shell import Kept, ShellConnector
from weft.schema.errors import DefinitionError, DefinitionErrors, WorkFailed
from weft.schema.jsonvalue import JsonValue


async def run(config: JsonValue, **inputs: Any) -> Any:
    return await perform(ShellConnector().bind("check", config, origin=None), **inputs)


def faults(config: JsonValue, inputs: list[str] | None = None) -> dict[str, str]:
    """The faults of a configuration: path to message."""
    with pytest.raises(DefinitionErrors) as caught:
        ShellConnector().bind("check", config, origin=None, inputs=inputs)
    return {".".join(map(str, e.path)): e.message for e in caught.value.exceptions}  # type: ignore[attr-defined]


# ── what a command gives ─────────────────────────────────────────────────────────────────────


async def test_the_result_is_the_exit_code_and_the_output() -> None:
    assert await run({"sh": "echo out; echo err >&2"}) == {
        "exit_code": 0,
        "stdout": "out\n",
        "stderr": "err\n",
        "truncated": False,
    }


async def test_arguments_are_never_read_by_a_shell() -> None:
    nasty = "$(touch x); `id` > y | & \"'"
    result = await run(["printf", "%s|", nasty, "${input}"], input="; rm -rf *")
    assert result["stdout"] == f"{nasty}|; rm -rf *|"


@pytest.mark.parametrize(
    ("value", "text"),
    [("a b", "a b"), ("", ""), (5, "5"), (None, "null"), (True, "true"), ([1, "é"], '[1, "é"]')],
)
async def test_an_input_is_its_text_or_else_its_json(value: JsonValue, text: str) -> None:
    assert (await run(["printf", "%s", "${it}"], it=value))["stdout"] == text


async def test_a_doubled_dollar_is_a_literal_one() -> None:
    result = await run(["printf", "%s,", "$${it}", "a$${it}", "$", "$5", "$$"], it=1)
    assert result["stdout"] == "${it},a${it},$,$5,$$,"


async def test_a_line_for_a_shell_is_left_as_it_is_and_sees_inputs_by_its_environment() -> None:
    result = await run({"sh": 'printf %s "${NAME}"', "env": {"NAME": "${who}"}}, who="$(id) é")
    assert result["stdout"] == "$(id) é"


async def test_the_environment_names_the_work_item(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_OUTSIDE", "there")
    monkeypatch.setenv("UNWANTED", "there")
    config: JsonValue = {"run": ["env", "-0"], "env": {"PORT": "8080", "UNWANTED": None, "E": ""}}
    output = (await run(config))["stdout"]
    environment = dict(line.split("=", 1) for line in output.split("\0") if line)
    assert environment["WEFT_CASE"] == "order-17"
    assert environment["WEFT_TASK"] == "check"
    assert environment["WEFT_ITEM"] == "check/1"
    assert environment["WEFT_ATTEMPT"] == "2"
    assert environment["WEFT_IDEMPOTENCY_KEY"] == "order-17:check/1"
    assert environment["FROM_OUTSIDE"] == "there"
    assert environment["PORT"] == "8080"
    assert environment["E"] == ""
    assert "UNWANTED" not in environment


async def test_the_working_directory_can_be_an_input(tmp_path: Path) -> None:
    result = await run({"run": ["pwd", "-P"], "dir": "${folder}"}, folder=str(tmp_path))
    assert result["stdout"] == f"{tmp_path}\n"


async def test_there_is_nothing_on_standard_input() -> None:
    assert (await run(["cat"]))["stdout"] == ""


async def test_all_inputs_come_on_standard_input_as_json() -> None:
    result = await run({"run": ["cat"], "stdin": "${*}"}, a=[1, 2], b="ü")
    assert json.loads(result["stdout"]) == {"a": [1, 2], "b": "ü"}


async def test_a_large_standard_input_meets_a_large_output_without_blocking() -> None:
    text = "x" * 2_000_000
    result = await run({"run": ["cat"], "stdin": "${text}", "capture": 4_000_000}, text=text)
    assert result["stdout"] == text


async def test_a_command_need_not_read_its_standard_input() -> None:
    result = await run({"run": ["true"], "stdin": "${text}"}, text="x" * 2_000_000)
    assert result["exit_code"] == 0


async def test_a_gigabyte_of_output_is_kept_in_part() -> None:
    result = await run({"run": ["head", "-c", "1G", "/dev/zero"], "capture": 1000})
    assert result["truncated"] is True
    note = f"\n… {(1 << 30) - 1000} bytes left out …\n"
    assert result["stdout"] == "\0" * 500 + note + "\0" * 500


async def test_bytes_that_are_no_utf_8_are_marked() -> None:
    assert (await run(["printf", r"a\377b"]))["stdout"] == "a\ufffdb"


# ── exit codes ───────────────────────────────────────────────────────────────────────────────


async def test_an_exit_code_other_than_0_is_a_failure_that_quotes_the_output() -> None:
    with pytest.raises(WorkFailed) as caught:
        await run({"sh": "echo counting; echo 'no such file' >&2; exit 3"})
    assert caught.value.code == "exit-code"
    assert caught.value.retryable
    assert "ended with exit code 3 (expected: 0)" in caught.value.message
    assert caught.value.message.endswith("no such file")
    assert isinstance(caught.value, WorkFailed)
    assert caught.value.details["exit_code"] == 3
    assert caught.value.details["stdout"] == "counting\n"


async def test_without_errors_the_message_quotes_what_there_is() -> None:
    with pytest.raises(WorkFailed, match=r"command 'printf %s \$\{it\} x' ") as caught:
        await run({"run": ["printf", "%s", "${it}", "x"], "expect": [9]}, it="secret")
    assert caught.value.message.endswith("its last output:\nsecretx")
    with pytest.raises(WorkFailed) as caught:
        await run(["false"])
    assert caught.value.message == "command 'false' ended with exit code 1 (expected: 0)"


@pytest.mark.parametrize("expect", [[0, 3], [3], "any"])
async def test_expected_exit_codes_are_results(expect: JsonValue) -> None:
    assert (await run({"sh": "exit 3", "expect": expect}))["exit_code"] == 3


async def test_a_signal_is_a_negative_exit_code() -> None:
    with pytest.raises(WorkFailed, match="was ended by SIGKILL"):
        await run({"sh": "kill -KILL $$"})
    with pytest.raises(WorkFailed, match="was ended by signal 40"):
        await run({"sh": "kill -40 $$"})
    assert (await run({"sh": "kill -TERM $$", "expect": [-15]}))["exit_code"] == -15


# ── commands that cannot start ───────────────────────────────────────────────────────────────


async def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WorkFailed, match="not found in the folders of PATH") as caught:
        await run(["no-such-program"])
    assert (caught.value.code, caught.value.retryable) == ("not-found", False)
    with pytest.raises(WorkFailed, match="no such file"):
        await run([str(tmp_path / "x")])


async def test_a_program_that_may_not_or_cannot_be_executed(tmp_path: Path) -> None:
    file = tmp_path / "program"
    file.write_bytes(b"\x00\x01\x02")
    with pytest.raises(WorkFailed) as caught:
        await run([str(file)])
    assert (caught.value.code, caught.value.retryable) == ("not-permitted", False)
    file.chmod(0o755)
    with pytest.raises(WorkFailed) as caught:
        await run([str(file)])
    assert (caught.value.code, caught.value.retryable) == ("not-executable", False)


async def test_a_working_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WorkFailed, match="is no folder") as caught:
        await run({"run": ["true"], "dir": str(tmp_path / "x")})
    assert (caught.value.code, caught.value.retryable) == ("no-directory", False)


async def test_arguments_that_are_too_long() -> None:
    with pytest.raises(WorkFailed) as caught:
        await run(["true", "${it}"], it="x" * 10_000_000)
    assert (caught.value.code, caught.value.retryable) == ("arguments-too-long", False)


async def test_a_lack_of_resources_may_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(WorkFailed, match="Too many open files") as caught:
        await run(["true"])
    assert (caught.value.code, caught.value.retryable) == ("cannot-start", True)


async def test_references_that_cannot_be_filled() -> None:
    with pytest.raises(WorkFailed, match=r"run\.1 refers to the input 'b'.* are a") as caught:
        await run(["true", "${b}"], a=1)
    assert (caught.value.code, caught.value.retryable) == ("input-type", False)
    with pytest.raises(WorkFailed, match="holds a NUL character"):
        await run({"run": ["true"], "env": {"X": "${b}"}}, b="a\0b")
    assert (await run({"run": ["cat"], "stdin": "${b}"}, b="a\0b"))["stdout"] == "a\0b"


# ── ending commands ──────────────────────────────────────────────────────────────────────────

# A command whose grandchild ignores SIGTERM. It tells through a named pipe that all stand, and
# keeps that pipe open: at its end, nobody of them is left.
STUBBORN = """
import os, signal, sys
told = os.open(sys.argv[1], os.O_WRONLY)
if os.fork():
    signal.pause()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.write(told, b"ready")
while True:
    signal.pause()
"""


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "fifo")
    return tmp_path / "fifo"


async def test_cancelling_ends_the_whole_group_however_stubborn(fifo: Path) -> None:
    config: JsonValue = {"run": [sys.executable, "-c", STUBBORN, str(fifo)], "grace": "100ms"}
    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(run, config)
            pipe = await anyio.to_thread.run_sync(os.open, fifo, os.O_RDONLY)
            assert await anyio.to_thread.run_sync(os.read, pipe, 10) == b"ready"
            group.cancel_scope.cancel()
        assert os.read(pipe, 10) == b""
        os.close(pipe)


async def test_a_command_that_is_cancelled_may_tidy_up(tmp_path: Path, fifo: Path) -> None:
    script = (
        f"trap 'echo tidied > {tmp_path}/said; exit 1' TERM; echo > {fifo}; while :; do wait; done"
    )
    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(run, {"sh": script, "grace": "50s"})
            await anyio.to_thread.run_sync(fifo.read_bytes)
            group.cancel_scope.cancel()
    assert (tmp_path / "said").read_text() == "tidied\n"


@pytest.mark.parametrize("grace", ["0s", "100ms"])
async def test_what_a_command_leaves_running_is_ended(fifo: Path, grace: str) -> None:
    pipe = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(pipe, True)
    script = f"exec 9> {fifo}; sleep 1000 & echo started"
    result = await run({"sh": script, "grace": grace})
    assert result["stdout"] == "started\n"
    assert os.read(pipe, 10) == b""
    os.close(pipe)


async def test_the_last_words_of_what_is_left_running_are_heard(fifo: Path) -> None:
    """The command ends first; its child goes on when the test says so, and writes."""
    script = f"(read go < {fifo}; echo late) & echo early"
    with anyio.fail_after(60):
        results: list[Any] = []

        async def gather() -> None:
            results.append(await run({"sh": script, "grace": "50s"}))

        async with anyio.create_task_group() as group:
            group.start_soon(gather)
            await anyio.to_thread.run_sync(fifo.write_text, "go\n")
    assert results[0]["stdout"] == "early\nlate\n"


def open_files() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def children() -> set[str]:
    """Processes that this one has started and not waited for, dead ones too."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ends meanwhile
            parent = status.read_text().rpartition(")")[2].split()[1]
            if int(parent) == os.getpid():
                found.add(status.parent.name)
    return found


async def test_no_zombie_and_no_open_pipe_is_left() -> None:
    before, others = open_files(), children()
    await run({"run": ["cat"], "stdin": "x"})
    with pytest.raises(WorkFailed):
        await run(["false"])
    with pytest.raises(WorkFailed):
        await run(["no-such-program"])
    assert open_files() == before
    assert children() <= others


async def test_only_so_many_commands_run_at_once(fifo: Path) -> None:
    connector = ShellConnector(limit=1)
    first = connector.bind("a", {"sh": f"read x < {fifo}; echo $x"}, origin=None)
    second = connector.bind("b", {"sh": "echo second"}, origin=None)
    said: list[str] = []

    async def do(performer: Any) -> None:
        said.append((await performer.call(make_work()))["stdout"])

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(do, first)
            group.start_soon(do, second)
            await anyio.to_thread.run_sync(fifo.write_text, "first\n")
    assert said == ["first\n", "second\n"]
    await connector.aclose()


async def test_a_command_does_not_hear_the_terminals_interrupt() -> None:
    result = await run([sys.executable, "-c", "import os; print(os.getpgid(0), os.getsid(0))"])
    group, session = map(int, result["stdout"].split())
    assert group == session != os.getpgid(0)
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


# ── the configuration ────────────────────────────────────────────────────────────────────────


def test_all_faults_are_told_at_once() -> None:
    config: JsonValue = {
        "runn": ["a"],
        "sh": 5,
        "env": {"A=B": "x", "C": 1, "D": "x${y}", "": "x"},
        "expect": [],
        "capture": -1,
        "grace": "soon",
        "stdin": None,
        "dir": "",
    }
    found = faults(config)
    assert set(found) == {
        *("runn", "sh", "env.A=B", "env.C", "env.D", "env.", "expect", "capture", "grace"),
        *("stdin", "dir"),
    }
    assert "did you mean 'run'?" in found["runn"]
    assert "accepted: run, sh, env" in found["runn"]
    assert 'in quotes it is a text: "1"' in found["env.C"]
    assert "'$${' for a literal '${'" in found["env.D"]


@pytest.mark.parametrize(
    ("config", "path", "message"),
    [
        ("make 'a b'", "", 'as in [make, a b]; a line for a shell has to be asked for: {sh: "make'),
        ("it's", "", "as in [program, argument]"),
        (5, "", "not the number 5"),
        ({}, "", "needs one of 'run' (a list) and 'sh'"),
        ({"run": ["a"], "sh": "a"}, "", "needs one of 'run' (a list) and 'sh'"),
        ([], "run", "not an empty one"),
        ({"run": "make test"}, "run", 'not the text "make test"'),
        (["a", 5], "run.1", 'must be a text, not the number 5; in quotes it is a text: "5"'),
        (["a", None, True], "run.2", "must be a text, not true"),
        (["a", "b\0"], "run.1", "without NUL"),
        (["a", "x${b}"], "run.1", "a reference stands alone"),
        (["a", "${b-c}"], "run.1", "a reference stands alone"),
        ({"run": ["a"], "env": ["A=1"]}, "env", "must be a mapping of names to texts, not a list"),
        ({"run": ["a"], "expect": 0}, "expect", "such as [0, 1], or any; not the number 0"),
        ({"run": ["a"], "expect": [256]}, "expect", "must be a list of exit codes"),
        ({"run": ["a"], "expect": [True]}, "expect", "must be a list of exit codes"),
        ({"run": ["a"], "capture": True}, "capture", "a whole number from 0 to 16777216, not true"),
        ({"run": ["a"], "grace": 5}, "grace", "must be a duration such as 500ms or 5s"),
        ({"run": ["a"], "grace": "2h"}, "grace", "must be at most 1h"),
    ],
)
def test_a_wrong_configuration_says_what_is_accepted(
    config: JsonValue, path: str, message: str
) -> None:
    assert message in faults(config)[path]


def test_a_fault_says_where_it_is() -> None:
    with pytest.raises(DefinitionError) as caught:
        ShellConnector().bind("tests", {"run": ["a"], "env": {"B": 1}}, origin=None)
    assert "task 'tests', shell.env.B: must be a text" in str(caught.value)


def test_references_are_checked_against_the_inputs_when_they_are_known() -> None:
    config: JsonValue = {"run": ["a", "${fiel}"], "stdin": "${*}", "env": {"X": "${other}"}}
    found = faults(config, inputs=["file"])
    assert found["run.1"] == (
        "there is no input 'fiel' (did you mean 'file'?); inputs of the task: file"
    )
    assert "inputs of the task: none" in faults(["${x}"], inputs=[])["run.0"]
    assert set(found) == {"run.1", "env.X"}
    assert ShellConnector().bind("t", ["cat", "${file}"], origin=None, inputs=["file"])


GOOD: list[JsonValue] = [
    ["make", "-j4", "${target}"],
    {"sh": "a | b", "env": {"A": "1", "B": None}, "expect": "any", "grace": "1m30s"},
    {"run": ["a"], "dir": "x", "stdin": "", "expect": [0, -15], "capture": 0},
]
BAD: list[JsonValue] = [
    "make",
    [],
    {},
    {"run": ["a"], "sh": "a"},
    {"run": [5]},
    {"run": ["a"], "expect": []},
    {"run": ["a"], "capture": -1},
    {"run": ["a"], "gracee": "1s"},
    {"run": ["a"], "grace": "1 s"},
]


def test_the_json_schema_agrees_with_what_is_accepted() -> None:
    schema = jsonschema_rs.validator_for(ShellConnector().json_schema())
    for config in GOOD:
        assert ShellConnector().bind("t", config, origin=None)
        assert schema.is_valid(config), config
    for config in BAD:
        assert faults(config)
        assert not schema.is_valid(config), config


# ── what is kept of a long output ────────────────────────────────────────────────────────────


@given(
    st.lists(st.binary(max_size=40), max_size=30),
    st.integers(min_value=0, max_value=60),
)
def test_kept_is_the_beginning_and_the_end(chunks: list[bytes], limit: int) -> None:
    kept, everything = Kept(limit), b"".join(chunks)
    for chunk in chunks:
        kept.feed(chunk)
    assert kept.truncated == (len(everything) > limit)
    if kept.truncated:
        tail = limit // 2
        head = limit - tail
        assert bytes(kept._head) == everything[:head]
        assert bytes(kept._tail[len(kept._tail) - tail :]) == everything[len(everything) - tail :]
        assert f"… {len(everything) - limit} bytes left out …" in kept.text()
    else:
        assert kept.text() == everything.decode("utf-8", "replace")


@given(st.text(alphabet="aé€😀", max_size=60), st.integers(min_value=0, max_value=40))
def test_a_cut_never_shows_half_a_character(text: str, limit: int) -> None:
    kept = Kept(limit)
    kept.feed(text.encode())
    shown = kept.text()
    assert "\ufffd" not in shown
    head, _, tail = shown.partition("\n… ")
    assert text.startswith(head)
    assert not tail or text.endswith(tail.partition("…\n")[2])


def test_memory_is_bounded() -> None:
    kept = Kept(1000)
    for _ in range(1000):
        kept.feed(b"x" * shell_module.CHUNK_BYTES)
        kept.feed(b"y" * 7)
    assert len(kept._head) + len(kept._tail) <= 1000 + shell_module.CHUNK_BYTES


def test_the_kind_and_who_starts_it() -> None:
    assert ShellConnector.kind == "shell"
    assert ShellConnector.automatic

"""Whatever comes in: the right class, the right message, the right exit code, nothing lost."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from tests.app.conftest import ROW

BOMB = "weft: 1\nname: x\na: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{c}: &{c} [{','.join([f'*{b}'] * 10)}]\n" for b, c in zip("abcdefgh", "bcdefghi", strict=True)
)
HEAD = "weft: 1\nname: x\n"


# ── definitions ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[1, 2", "bad.yaml:2:1"),
        ("just a text", "mapping"),
        ("", "empty"),
        ("\x00", ""),
        (BOMB, "alias"),
        (HEAD + "sequence: [{shell: !!python/object:os.system [echo]}]\n", "tag"),
        (HEAD + "name: y\nsequence: [{shell: [echo]}]\n", "twice"),
        (HEAD + "sequence: 5\n", "3:11"),
        (HEAD + "sequence: []\nnett: {}\n", "nett"),
        (HEAD + "sequence: [{shell: echo hi}]\n", "list of arguments"),
        (HEAD + "net: {start: a, tasks: {a: {then: b}}}\n", "no task or place 'b'"),
        (HEAD + "net: {start: b, tasks: {a: {}}}\n", "no task or place 'b'"),
        (HEAD + "net: {start: a, tasks: {a: {}, b: {}}}\n", "no flow from the start"),
        (HEAD + "net: {start: a, start: b, tasks: {a: {}, b: {}}}\n", "twice"),
        (HEAD + "sequence: [{shell: [echo, '${x}'], in: {x: 'a +'}}]\n", "expression"),
        (HEAD + "sequence: [{shell: [echo, '${x}'], in: {x: nobody}}]\n", "nobody"),
        (HEAD + "sequence: [{python: 'nowhere:work'}]\n", "nowhere"),
        (HEAD + "sequence: [{shell: [echo], retry: {attempts: 0}}]\n", "attempts"),
        ("weft: 2\nname: x\nsequence: [{shell: [echo]}]\n", "1:7"),
    ],
    ids=lambda v: v[-30:] if "\n" in v else v,
)
def test_a_file_that_is_wrong(weft, write, text, part):
    path = write("bad.yaml", text)
    for command in ("run", "show"):
        done = weft(command, path, "--json")
        assert done.code == 2
        assert done.json["error"]["class"] in ("DefinitionError", "DefinitionErrors")
        assert part in done.json["error"]["message"] + str(done.json["error"]["where"])
        assert "bad.yaml" in str(done.json["error"]["where"])


def test_a_file_of_100_megabytes_is_not_read(weft, folder):
    path = folder / "huge.yaml"
    with path.open("wb") as huge:
        huge.truncate(100 * 1024 * 1024)
    done = weft("run", path, "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "file-too-large")


@pytest.mark.parametrize("name", ["folder.yaml", "gone.yaml", "pipe.yaml"])
def test_what_is_no_file(weft, folder, name):
    import os

    (folder / "folder.yaml").mkdir()
    os.mkfifo(folder / "pipe.yaml")
    done = weft("run", name, "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "file-unreadable")


def test_a_file_that_is_no_utf8(weft, folder):
    path = folder / "latin.yaml"
    path.write_bytes("weft: 1\nname: x\ndescription: é\nsequence: []\n".encode("latin-1"))
    assert weft("run", path).code == 2


# ── work ─────────────────────────────────────────────────────────────────────────────────────

FUNCTIONS = """\
import os, sys, threading

def raises(): raise ValueError("no such luck")
def wrong() -> int: return "a text"
def nothing_json(): return object()
def hangs(): threading.Event().wait(60)
def leaves(): sys.exit(3)
def dies(): os._exit(3)
def chatters(): print("x" * 10_000_000); return 1
async def cancels():
    import asyncio
    raise asyncio.CancelledError
"""


@pytest.mark.parametrize(
    ("task", "part"),
    [
        ("{python: 'work:raises'}", "no such luck"),
        ("{python: 'work:wrong'}", "whole number"),
        ("{python: 'work:nothing_json'}", "object"),
        ("{python: {call: 'work:hangs', run-in: process}, timeout: 100ms}", "did not end"),
        ("{python: 'work:leaves'}", ""),
        ("{python: {call: 'work:dies', run-in: process}}", "exit code 3"),
        ("{python: 'work:cancels'}", ""),
        ("{shell: [./nowhere]}", "nowhere"),
        ("{shell: [sh, -c, 'kill -9 $$']}", "SIGKILL"),
        ("{shell: [sleep, '60'], timeout: 100ms}", "did not end"),
    ],
    ids=lambda v: v[:50],
)
def test_work_that_goes_wrong_fails_the_case(weft, write, task, part):
    write("work.py", FUNCTIONS)
    path = write("w.yaml", f"weft: 1\nname: w\nsequence: [{task}]\n")
    done = weft("run", path, "--case", "c", "--json")
    assert done.code == 1, done.err
    assert done.json["status"] == "failed"
    assert done.json["error"]["item"] == "step-1/1"
    assert part in done.json["error"]["message"]
    assert weft("history", "c", "--verify").code == 0


def test_a_command_that_prints_without_end_is_bounded(weft, write):
    path = write(
        "y.yaml", "weft: 1\nname: y\nsequence: [{shell: [sh, -c, 'yes | head -c 50000000']}]\n"
    )
    done = weft("run", path, "--json")
    assert done.code == 0
    result = done.json["data"]["step_1"]
    assert result["truncated"] is True
    assert len(result["stdout"]) < 100_000


# ── stores ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def stored(weft, write):
    """A store with one case, and a run against it."""
    path = write("row.yaml", ROW)
    weft("run", path, "--case", "c")
    return Path(".weft/weft.db")


def errors(weft, *commands: list[str]) -> list[str]:
    """The codes of the errors of commands, which all are for the operator."""
    codes = []
    for command in commands:
        done = weft(*command, "--json")
        assert done.code == 5, (command, done)
        assert done.json["error"]["class"] == "JournalError"
        codes.append(done.json["error"]["code"])
    return codes


def test_a_store_of_a_newer_weft(weft, stored):
    with apsw.Connection(str(stored)) as connection:
        connection.pragma("user_version", 99)
    assert set(errors(weft, ["list"], ["run", "row.yaml"])) == {"newer"}


def test_a_store_that_was_cut(weft, stored):
    with stored.open("r+b") as file:
        file.truncate(stored.stat().st_size // 2)
    for code in errors(weft, ["status", "c"], ["history", "c"], ["run", "row.yaml"]):
        assert code == "corrupt"


def test_the_database_of_another_program(weft, folder):
    with apsw.Connection("other.db") as connection:
        connection.execute("CREATE TABLE theirs (x)")
    before = Path("other.db").read_bytes()
    store = ["--store", "sqlite:///other.db"]
    assert set(errors(weft, ["list", *store])) == {"not-ours"}
    assert Path("other.db").read_bytes() == before


def test_a_store_in_a_folder_that_is_a_file(weft, row):
    Path("file").write_text("x")
    done = weft("run", row, "--store", "sqlite:///file/x.db", "--json")
    assert (done.code, done.json["error"]["code"]) == (5, "cannot-open")
    assert weft("list", "--store", "sqlite:///file/x.db").code == 0  # there is nothing there


def test_a_store_that_is_a_folder(weft, row, folder):
    (folder / "some").mkdir()
    done = weft("run", row, "--store", "sqlite:///some", "--json")
    assert (done.code, done.json["error"]["code"]) == (5, "not-a-database")
    assert weft("list", "--store", "sqlite:///some").code == 5


@pytest.mark.parametrize("url", ["", "x.db", "sqlite:x.db", "sqlite:///", "postgresql://x/y"])
def test_what_is_no_store(weft, row, url):
    done = weft("run", row, "--store", url, "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "store-url")

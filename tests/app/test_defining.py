"""weft define: questions, answers, and a file that is valid."""

from __future__ import annotations

import io
import json

import pytest

import weft as package

ANSWERS = """\
no such name
my-flow
A try

path

.
obj

{}
count
integer
many

path

build
1
make 'all
make all
zero
3
test
python
nowhere:x
json:dumps
nobody
path
obj
1
lint
1
true
1
ask
3
Ship?
yes, yes
yes, no
host
done
5

3
test
test lint
2
ask

4
done build
ask.nothing +
ask.choice == "yes"
4
2
"""


@pytest.fixture
def answers(monkeypatch):
    def give(text: str) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(text))

    return give


def test_what_was_answered_is_a_valid_file(weft, folder, answers):
    answers(ANSWERS)
    done = weft("define", "-o", "flow.yaml")
    assert done.code == 0, done.err + done.out
    assert "wrote flow.yaml" in done.out
    found = package.load("flow.yaml")
    net = found.nets["net"]
    assert (found.name, found.version, found.description) == ("my-flow", "1", "A try")
    assert list(net.tasks) == ["build", "test", "lint", "ask", "done"]
    assert net.tasks["build"].retry.attempts == 3
    assert net.tasks["test"].inputs == {"obj": "obj"}
    assert net.tasks["ask"].join.name == "synchronization"
    assert net.variables["count"].required
    assert weft("show", "flow.yaml").code == 0
    for part in ("cannot be a name here", "No closing quotation", "there is no module 'nowhere'",
                 "'nobody' is none of path, obj, count", "each choice stands there once",
                 "at least two tasks", "json:dumps needs 'obj'", "a whole number from 1"):  # fmt: skip
        assert part in done.out, part


def test_for_programs(weft, folder, answers):
    """Questions go to standard error; the file is asked for, and not written over unasked."""
    (folder / "one.yaml").write_text("mine")
    answers(
        "one\n\n\n\nsay\npython\njson:dumps\nmath:nothing\nos:getcwd\n\nnext\n\necho hi\n\n\n\n\none.yaml\nno\none.txt\ntwo.yaml\n"
    )
    done = weft("define", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out) == {"file": "two.yaml", "name": "one", "version": "1"}
    assert "one.yaml is there already" in done.err
    assert (folder / "one.yaml").read_text() == "mine"
    assert weft("run", "two.yaml", "-q").code == 0


@pytest.mark.parametrize("given", ["", "name\n", "\n\n\nname\n"])
def test_answers_that_end_too_early_write_nothing(weft, folder, answers, given):
    answers(given)
    done = weft("define", "-o", "x.yaml", "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "ended")
    assert not (folder / "x.yaml").exists()


def test_a_task_that_nothing_leads_to_is_told(weft, folder, answers):
    answers("n\n\n\n\na\n5\nb\n5\n\n5\n4\n")
    done = weft("define", "-o", "x.yaml", "--json")
    assert done.code == 2
    assert "no flow from the start" in done.json["error"]["message"]

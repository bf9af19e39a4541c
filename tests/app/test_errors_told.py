"""What went wrong is kept whole, and shown."""

from __future__ import annotations

from weft.cli.describe import TRACE_LINES, error_details

TASKS = """
def leave():
    try:
        {}["price"]
    except KeyError as error:
        error.add_note("look in the list")
        raise RuntimeError("no price") from error
"""


def test_class_message_chain_notes_and_traceback(weft, write):
    write("tasks.py", TASKS)
    write("x.yaml", 'weft: 1\nname: x\nsequence: [{python: "tasks:leave"}]')
    assert weft("run", "x.yaml", "--case", "c", "-q").code == 1
    error = weft("status", "c", "--json").json["error"]
    assert (error["class"], error["message"]) == ("RuntimeError", "no price")
    assert error["causes"] == [
        {"class": "KeyError", "message": "'price'", "notes": ["look in the list"]}
    ]
    assert 'raise RuntimeError("no price") from error' in error["traceback"]
    told = weft("status", "c").out
    for part in ("KeyError: 'price'", "look in the list", "direct cause", "RuntimeError: no price"):
        assert part in told


def test_a_failing_guard_is_such_an_error(weft, write):
    write(
        "x.yaml",
        "weft: 1\nname: x\ndata: {n: {type: any, default: 1}}\nnet:\n  start: a\n  tasks:\n"
        "    a: {then: {exclusive-choice: [{when: 'n.x > 1', to: b}, {to: b}]}}\n    b: {}\n",
    )
    assert weft("run", "x.yaml", "--case", "c", "-q").code == 1
    assert weft("status", "c", "--json").json["error"]["code"] == "guard"
    assert "class DefinitionError" in weft("status", "c").out


def test_details_without_a_traceback_and_with_a_long_one():
    told = error_details(
        {
            "class": "X",
            "notes": ["n"],
            "causes": [{"class": "Y", "message": "why", "notes": ["m"]}],
        }
    )
    assert told.splitlines() == ["class X", "note: n", "caused by Y: why", "note: m"]
    long = "\n".join(str(n) for n in range(TRACE_LINES + 5))
    assert error_details({"traceback": long}).splitlines()[:2] == ["… 5 lines …", "5"]

"""The native format, read: what files mean, and what is said about those that mean nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from weft.patterns import builtin
from weft.schema import native
from weft.schema.datatypes import ABSENT, DataType, Variable
from weft.schema.errors import DefinitionError, DefinitionErrors
from weft.schema.native import KEYS, read_native, read_native_file, step_name
from weft.schema.native_writer import write_native
from weft.schema.specification import (
    EventTrigger,
    NetDefinition,
    PlaceDefinition,
    Retry,
    Specification,
    TaskDefinition,
    Termination,
    Use,
)

# --- what files mean ------------------------------------------------------------------------


def task_of(text: str) -> TaskDefinition:
    """The task ``a`` that has these keys."""
    return (
        read_native(f"weft: 1\nname: p\nnet:\n  start: a\n  tasks:\n    a: {text}\n")
        .nets["net"]
        .tasks["a"]
    )


def test_a_net_with_everything_in_it() -> None:
    text = """\
    weft: 1
    name: everything
    version: 1.0.0
    description: What there is
    language: xpath
    data:
      path: {type: string, default: .}
      log: {type: array, items: string, merge: append, description: What happened}
      id: string
    net:
      start: [a, ready]
      termination: explicit
      tasks:
        a:
          title: First
          description: The first task
          python: "m:f"
          structured-loop: {until: ok}
          join: {structured-partial-join: {n: 2}}
          in: {path: path, limit: 3}
          out: {id: result.id, log: "'done'"}
          retry: {attempts: 3, delay: 2s, factor: 1.5, max-delay: PT1M, jitter: full}
          timeout: 1m30s
          concurrency: 2
          then: {parallel-split: [b, c]}
          on-failure: b
        b: {net: packing, then: ready, join: synchronization, out: {}, concurrency: many}
        c: {}
      places:
        ready: {tokens: 2, then: {deferred-choice: [b, c]}, description: A token means yes}
        free: {}
      patterns:
        - critical-section: [[a], [b]]
        - some-pattern
    nets:
      packing:
        start: x
        data: {x: integer}
        tasks: {x: {shell: [ls]}}
    """
    assert read_native(dedent(text)) == Specification(
        "everything",
        "1.0.0",
        description="What there is",
        language="xpath",
        nets={
            "net": NetDefinition(
                "net",
                start=("a", "ready"),
                termination=Termination.EXPLICIT,
                variables={
                    "path": Variable("path", DataType("string"), default="."),
                    "log": Variable(
                        "log",
                        DataType("array", items=DataType("string")),
                        description="What happened",
                        merge="append",
                    ),
                    "id": Variable("id", DataType("string"), default=ABSENT),
                },
                tasks={
                    "a": TaskDefinition(
                        "a",
                        title="First",
                        description="The first task",
                        join=Use("structured-partial-join", {"n": 2}),
                        then=Use("parallel-split", ["b", "c"]),
                        on_failure=Use("sequence", "b"),
                        inputs={"path": "path", "limit": 3},
                        outputs={"id": "result.id", "log": "'done'"},
                        retry=Retry(3, 2.0, 1.5, 60.0, "full"),
                        timeout_seconds=90.0,
                        concurrency=2,
                        uses=(Use("python", "m:f"), Use("structured-loop", {"until": "ok"})),
                    ),
                    "b": TaskDefinition(
                        "b",
                        join=Use("synchronization"),
                        then=Use("sequence", "ready"),
                        outputs={},
                        uses=(Use("net", "packing"),),
                    ),
                    "c": TaskDefinition("c"),
                },
                places={
                    "ready": PlaceDefinition(
                        "ready",
                        tokens=2,
                        then=Use("deferred-choice", ["b", "c"]),
                        description="A token means yes",
                    ),
                    "free": PlaceDefinition("free"),
                },
                uses=(Use("critical-section", [["a"], ["b"]]), Use("some-pattern")),
            ),
            "packing": NetDefinition(
                "packing",
                start=("x",),
                variables={"x": Variable("x", DataType("integer"))},
                tasks={"x": TaskDefinition("x", uses=(Use("shell", ["ls"]),))},
            ),
        },
    )


def test_a_sequence_is_a_net_whose_tasks_follow_each_other() -> None:
    short = """\
    weft: 1
    name: build
    sequence:
      - shell: [make]
      - {name: test, shell: [make, test], retry: {attempts: 3}}
      - {shell: [make, dist], in: {log: test.stdout}, on-failure: test}
    """
    long = """\
    weft: 1
    name: build
    net:
      start: step-1
      tasks:
        step-1: {shell: [make], then: test}
        test: {shell: [make, test], retry: {attempts: 3}, then: step-3}
        step-3: {shell: [make, dist], in: {log: test.stdout}, on-failure: test}
    """
    assert read_native(dedent(short)) == read_native(dedent(long))
    assert [step_name(index) for index in range(2)] == ["step-1", "step-2"]


def test_three_commands_take_less_than_ten_lines() -> None:
    text = "weft: 1\nname: build\nsequence:\n" + 3 * "  - shell: [make]\n"
    tasks = read_native(text).nets["net"].tasks
    assert [task.then for task in tasks.values()] == [
        Use("sequence", "step-2"),
        Use("sequence", "step-3"),
        None,
    ]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("{then: b}", {"then": Use("sequence", "b")}),
        ("{then: {sequence: b}}", {"then": Use("sequence", "b")}),
        ("{then: cancel-case}", {"then": Use("sequence", "cancel-case")}),
        ("{then: {cancel-case: }}", {"then": Use("cancel-case")}),
        ("{join: synchronization}", {"join": Use("synchronization")}),
        ("{join: {synchronization: null}}", {"join": Use("synchronization")}),
        ("{in: {x: null, y: [a, {b: c}]}}", {"inputs": {"x": None, "y": ["a", {"b": "c"}]}}),
        ("{out: {x: 1.5}}", {"outputs": {"x": 1.5}}),
        ("{out: {}}", {"outputs": {}}),
        ("{concurrency: many}", {"concurrency": None}),
        ("{concurrency: 1}", {"concurrency": 1}),
        ("{retry: {attempts: 1}}", {"retry": Retry(attempts=1)}),
        ("{retry: {attempts: 2, factor: 2}}", {"retry": Retry(attempts=2, factor=2.0)}),
        ("{retry: {attempts: 2, delay: 2d, max-delay: 3d}}",
         {"retry": Retry(2, 172_800.0, max_delay_seconds=259_200.0)}),
        ("{timeout: 500ms}", {"timeout_seconds": 0.5}),
        ("{shell: }", {"uses": (Use("shell"),)}),
        ('{title: "7"}', {"title": "7"}),
        ("{on: push}", {"uses": (Use("on", "push"),)}),
        ("{}", {}),
    ],
)  # fmt: skip
def test_the_keys_of_a_task(keys: str, expected: dict[str, Any]) -> None:
    assert task_of(keys) == TaskDefinition("a", **expected)


def test_triggers() -> None:
    text = "weft: 1\nname: p\nsequence: [{}]\ntriggers: [{event: a.b, when: x, data: {n: 1}}, {event: c}]\n"
    assert read_native(text).triggers == (EventTrigger("a.b", {"n": 1}, "x"), EventTrigger("c"))


@pytest.mark.parametrize(
    ("trigger", "part"),
    [
        ("{}", "'event' is missing"),
        ("{event: a b}", "cannot be the name of an event"),
        ("{event: a, then: b}", "unknown key 'then'"),
        ("{event: a, when: [b]}", "expected an expression"),
        ("{event: a, data: [b]}", "expected expressions by the name"),
        ("{event: a, data: {b: ''}}", "expected an expression"),
        ("placed", "expected a trigger"),
    ],
)
def test_triggers_that_are_none(trigger: str, part: str) -> None:
    text = f"weft: 1\nname: p\nsequence: [{{}}]\ntriggers: [{trigger}]\n"
    with pytest.raises(DefinitionErrors, match=part) as caught:
        read_native(text)
    assert (caught.value.line, "triggers[0]" in str(caught.value)) == (4, True)
    with pytest.raises(DefinitionErrors, match="a list of triggers"):
        read_native(text.replace(f"[{trigger}]", "{event: a}"))


@pytest.mark.parametrize("name", ["a", "A_1", "_", "step-2", "x" * 100])
def test_names_of_tasks(name: str) -> None:
    assert read_native(f"weft: 1\nname: p\nsequence: [name: {name}]\n").nets["net"].start == (name,)


def test_aliases_are_read() -> None:
    text = "weft: 1\nname: p\nsequence:\n- retry: &r {attempts: 3}\n- retry: *r\n"
    tasks = read_native(text).nets["net"].tasks
    assert tasks["step-2"].retry == tasks["step-1"].retry == Retry(attempts=3)


def test_a_file_is_read_with_its_name_and_folder(tmp_path: Path) -> None:
    path = tmp_path / "build.yaml"
    data = b"\xef\xbb\xbfweft: 1\r\nname: p\r\nsequence: [{shell: [make]}]\r\n"
    path.write_bytes(data)
    source = read_native_file(path).source
    assert (source.format, source.file, source.origin, source.text) == (
        "native",
        str(path),
        tmp_path,
        data,
    )
    assert read_native_file(str(path), file="build.yaml").source.file == "build.yaml"
    with pytest.raises(DefinitionError, match="No such file"):
        read_native_file(tmp_path / "missing.yaml")


def test_a_text_has_no_file() -> None:
    source = read_native("weft: 1\nname: ä\nsequence: [{}]\n".replace("ä", "a")).source
    assert (source.file, source.origin, source.text) == (
        None,
        None,
        b"weft: 1\nname: a\nsequence: [{}]\n",
    )


# --- positions ------------------------------------------------------------------------------

POSITIONS = """\
weft: 1
name: p
data:
  x: string
  y: {type: string, default: a}
net:
  start: [a, b]
  tasks:
    a:
      shell:
        - ls
        - -l
      timeout: 5s
      then:
        exclusive-choice:
          - {when: "x == y", to: b}
          - to: c
    b: {}
    c: {then: a, structured-loop: {}}
nets:
  sub:
    start: d
    tasks: {d: {shell: }}
"""


@pytest.mark.parametrize(
    ("location", "line", "column"),
    [
        ((), 1, 1),
        (("name",), 2, 7),
        (("data",), 3, 1),
        (("data", "x"), 4, 6),
        (("data", "y"), 5, 3),
        (("data", "y", "default"), 5, 30),
        (("net",), 6, 1),
        (("net", "start"), 7, 10),
        (("net", "start", 1), 7, 14),
        (("net", "tasks"), 8, 3),
        (("net", "tasks", "a"), 9, 5),
        (("net", "tasks", "a", "shell"), 11, 9),
        (("net", "tasks", "a", "shell", 1), 12, 11),
        (("net", "tasks", "a", "timeout"), 13, 16),
        (("net", "tasks", "a", "then"), 14, 7),
        (("net", "tasks", "a", "then", "exclusive-choice"), 16, 11),
        (("net", "tasks", "a", "then", "exclusive-choice", 0), 16, 13),
        (("net", "tasks", "a", "then", "exclusive-choice", 0, "when"), 16, 20),
        (("net", "tasks", "a", "then", "exclusive-choice", 1, "to"), 17, 17),
        (("net", "tasks", "b"), 18, 5),
        (("net", "tasks", "c", "then"), 19, 15),
        (("net", "tasks", "c", "structured-loop"), 19, 18),
        (("nets", "sub", "tasks", "d", "shell"), 23, 17),
    ],
)
def test_a_value_stands_where_it_is_and_a_mapping_at_its_key(
    location: tuple[str | int, ...], line: int, column: int
) -> None:
    source = read_native(POSITIONS, file="p.yaml").source
    assert source.positions[location] == (line, column)
    fault = source.fault((*location, "what", "is", "absent"), "no")
    assert (fault.file, fault.line, fault.column) == ("p.yaml", line, column)


def test_steps_stand_under_the_tasks_that_they_mean() -> None:
    text = "weft: 1\nname: p\nsequence:\n  - shell: [make]\n  - name: b\n    shell: [ls, -l]\n"
    specification = read_native(text)
    positions = specification.source.positions
    at = specification.location
    assert positions["net",] == (4, 3)
    assert positions[at("net", "tasks", "step-1")] == (4, 5)
    assert positions[at("net", "tasks", "step-1", "shell", 0)] == (4, 13)
    assert positions[at("net", "tasks", "b")] == (5, 5)
    assert positions[at("net", "tasks", "b", "shell", 1)] == (6, 17)


# --- what is refused ------------------------------------------------------------------------

MARK = "¦"
"""Stands before the places of the faults in the texts below."""


def faults_of(text: str) -> list[DefinitionError]:
    with pytest.raises(DefinitionErrors) as caught:
        read_native(text, file="p.yaml")
    faults = list(caught.value.exceptions)
    assert all(isinstance(fault, DefinitionError) for fault in faults)
    return faults  # type: ignore[return-value]


def net(text: str) -> str:
    """A file whose net has these lines."""
    return f"weft: 1\nname: p\nnet:\n  start: a\n  tasks: {{a: {{}}}}\n{text}"


def task(text: str) -> str:
    """A file whose task ``a`` has these keys."""
    return f"weft: 1\nname: p\nnet:\n  start: a\n  tasks:\n    a: {{{text}}}\n"


def data(text: str) -> str:
    """A file with these data."""
    return f"weft: 1\nname: p\nsequence: [{{}}]\ndata: {text}\n"


NAMES = "a name has up to 100 letters (a-z, A-Z), digits, _ and -, and begins with a letter or _"
NEXT = "the name of a task or place, or a pattern such as {parallel-split: [a, b]}"
TASK_KEYS = ", ".join(KEYS["task"])

BAD: dict[str, tuple[str, list[str]]] = {
    # the file
    "a list": ("¦[]", ["expected a mapping that begins with weft: 1, found an empty list"]),
    "a text": ("¦weft", ["expected a mapping that begins with weft: 1, found the text 'weft'"]),
    "nothing in it": (
        "¦{}",
        [
            "'weft' is missing; a file in this format begins with weft: 1",
            "'name' is missing; expected the name of the process",
            "there is nothing to do; expected 'net', or 'sequence' for steps in a row",
        ],
    ),
    "a newer format": (
        "weft: ¦2\nnames: p\n",
        [("weft: this file is written in version 2 of the format, which a newer Weft reads; "
         "this one reads version 1")],
    ),
    "no format's version": (
        'weft: ¦"1"\nname: p\nsequence: [{}]\n',
        ["weft: expected 1, the version of the format, found the text '1'"],
    ),
    "a format's version that never was": (
        "weft: ¦1.0\nname: p\nsequence: [{}]\n",
        ["weft: expected 1, the version of the format, found the number 1.0"],
    ),
    "unknown keys": (
        "weft: 1\nname: p\n¦verison: 1.0.0\n¦Data: {}\n¦steps: []\nsequence: [{}]\n",
        [
            "unknown key 'verison'; did you mean 'version'? Accepted: " + ", ".join(KEYS["file"]),
            "unknown key 'Data'; did you mean 'data'? Accepted: " + ", ".join(KEYS["file"]),
            "unknown key 'steps'; accepted: " + ", ".join(KEYS["file"]),
        ],
    ),
    "names of processes": (
        "weft: 1\nname: ¦a b\nsequence: [{}]\n",
        [("name: 'a b' cannot be the name of a process; it has up to 100 letters (a-z, A-Z), "
         "digits, . _ and -, and begins with a letter, digit or _")],
    ),
    "a name that is a number": (
        "weft: 1\nname: ¦42\nsequence: [{}]\n",
        [('name: expected a name such as check-repository, found the number 42; in quotes it is a '
         'text: "42"')],
    ),
    "an empty name": (
        "weft: 1\n¦name:\nsequence: [{}]\n",
        ["name: expected a name such as check-repository, found nothing"],
    ),
    "a version that is a number": (
        "weft: 1\nname: p\nversion: ¦1.10\nsequence: [{}]\n",
        [('version: expected a version, which is text, found the number 1.10; write it in quotes: '
         '"1.10" (as numbers, 1.1 and 1.10 are the same)')],
    ),
    "a version with spaces": (
        "weft: 1\nname: p\nversion: ¦version 1\nsequence: [{}]\n",
        [("version: 'version 1' cannot be a version; it has up to 100 letters (a-z, A-Z), digits, "
         ". _ + and -, and begins with a letter, digit or _")],
    ),
    "a version that is a list": (
        "weft: 1\nname: p\nversion: ¦[1]\nsequence: [{}]\n",
        ["version: expected a version such as 1.0.0, found a list"],
    ),
    "a description that is no text": (
        "weft: 1\nname: p\n¦description: {a: b}\nsequence: [{}]\n",
        ["description: expected a text, found a mapping"],
    ),
    "net and sequence": (
        "weft: 1\nname: p\nnet: {start: a, tasks: {a: {}}}\n¦sequence: [{}]\n",
        ["a file has either 'net' or 'sequence', its short form; this one has both"],
    ),
    # data
    "data in a list": (
        data("¦[a, b]"),
        ["data: expected variables by name, {order: string}, found a list"],
    ),
    "a variable with a hyphen": (
        data("{¦a-b: string, ¦in: string}"),
        ["data: 'a-b' cannot name a variable…", "data: 'in' is a reserved word…"],
    ),
    "a variable with a long name": (
        data(f"{{¦{'x' * 101}: string}}"),
        [f"data: '{'x' * 59}…' is too long for a name, which has up to 100 characters"],
    ),
    "types": (
        data("{a: ¦text, b: {type: array, items: ¦strng}, c: {tpye: ¦string}}"),
        [
            "data.a: there is no type 'text': write string",
            "data.b.items: there is no type 'strng', did you mean 'string'…",
            "data.c.tpye: there is no key 'tpye', did you mean 'type'…",
        ],
    ),
    "a default of another type": (
        data("{a: {type: integer, default: ¦'5'}}"),
        ["data.a.default: expected an integer, found a text ('5')"],
    ),
    # nets
    "a net that is a list": (
        "weft: 1\nname: p\nnet: ¦[]\n",
        ["net: expected a net, {start: task, tasks: {task: …}}, found an empty list"],
    ),
    "a net without start and tasks": (
        "weft: 1\nname: p\n¦net: {task: {}}\n".replace("{task", "{¦task"),
        ["net: 'start' is missing; expected a net, {start: task, tasks: {task: …}}",
         "net: 'tasks' is missing; expected a net, {start: task, tasks: {task: …}}",
         "net: unknown key 'task'; did you mean 'tasks'? Accepted: " + ", ".join(KEYS["net"])],
    ),
    "no tasks": (
        "weft: 1\nname: p\nnet:\n  start: a\n  ¦tasks: {}\n",
        [("tasks: a net needs at least one task; expected tasks by name, "
         "{check: {shell: [make, check]}}")],
    ),
    "tasks in a list": (
        "weft: 1\nname: p\nnet:\n  start: a\n  tasks: ¦[a]\n",
        ["tasks: expected tasks by name, {check: {shell: [make, check]}}, found a list"],
    ),
    "metadata that are no mapping": (
        "weft: 1\nname: p\nmetadata: ¦[a]\nsequence: [{}]\n",
        ["metadata: expected a mapping, of whatever else is to be kept, found a list"],
    ),
    "the case's data in the net": (
        net("  ¦data: {x: string}\n"),
        ["data: the data of the case stand at the top of the file, beside 'net'"],
    ),
    "no starts": (
        "weft: 1\nname: p\nnet:\n  start: ¦[]\n  tasks: {a: {}}\n",
        [("start: expected the name of a task or place, or a list of such names, "
         "found an empty list")],
    ),
    "odd starts": (
        "weft: 1\nname: p\nnet:\n  start: [a, ¦1, ¦a]\n  tasks: {a: {}}\n",
        [("start[1]: expected the name of a task or place, or a list of such names, "
         'found the number 1; in quotes it is a text: "1"'),
         "start[2]: 'a' stands twice in the list"],
    ),
    "termination": (
        net("  termination: ¦explicitly\n"),
        [("termination: expected implicit or explicit, found the text 'explicitly'; "
         "did you mean 'explicit'?")],
    ),
    "patterns that are no list": (
        net("  ¦patterns: {critical-section: [[a]]}\n"),
        [("patterns: expected a list of patterns, such as - critical-section: […], "
         "found a mapping")],
    ),
    "patterns that are none": (
        net("  patterns: [¦3, ¦{}, ¦{a: 1, b: 2}, ¦[a]]\n"),
        [("patterns[0]: expected a pattern, such as critical-section: [[a, b], [c]], found the "
         'number 3; in quotes it is a text: "3"'),
         ("patterns[1]: expected a pattern, such as critical-section: [[a, b], [c]]: "
         "one key, found none"),
         ("patterns[2]: expected a pattern, such as critical-section: [[a, b], [c]]: "
         "one key, found a, b"),
         ("patterns[3]: expected a pattern, such as critical-section: [[a, b], [c]], "
         "found a list")],
    ),
    "places": (
        net("  places: {p: {tokens: ¦-1}, q: {tokens: ¦true}, ¦r: , s: {¦token: 1}, ¦a: {}}\n"),
        ["place 'p', tokens: expected a whole number from 0 to 1,000,000, found the number -1",
         "place 'q', tokens: expected a whole number from 0 to 1,000,000, found true",
         ("place 'r': expected the keys of a place, such as {tokens: 1}, or {} for none, "
         "found nothing"),
         ("place 's': unknown key 'token'; did you mean 'tokens'? "
         "Accepted: tokens, then, description"),
         "place 'a': 'a' is also the name of a task; a net uses a name once"],
    ),
    "nets": (
        net("nets:\n  ¦net: {start: a, tasks: {a: {}}}\n  b: {start: c, tasks: {c: {join: ¦[]}}}\n"
            "  ¦c d: {start: c, tasks: {c: {}}}\n"),
        ["nets: 'net' is the name of the case's own net; choose another",
         ("net 'b', task 'c', join: expected a pattern such as synchronization, "
         "found an empty list"),
         f"nets: 'c d' cannot be a name; {NAMES}"],
    ),
    # tasks
    "names of tasks": (
        ("weft: 1\nname: p\nnet:\n  start: a\n  tasks:\n    ¦1a: {}\n    ¦a.b: {}\n    ¦ä: {}\n"
        '    ¦"": {}\n    ¦"a\\n": {}\n'),
        [f"tasks: {name} cannot be a name; {NAMES}"
         for name in ("'1a'", "'a.b'", "'ä'", "''", "'a\\n'")],
    ),
    "a task without keys": (
        "weft: 1\nname: p\nnet:\n  start: a\n  tasks:\n    ¦a:\n    b: ¦echo\n",
        [("task 'a': expected the keys of a task, such as {shell: [make, check]}, found nothing; "
         "a task without work is {}"),
         ("task 'b': expected the keys of a task, such as {shell: [make, check]}, "
         "found the text 'echo'; a task without work is {}")],
    ),
    "keys in another spelling": (
        task("¦onFailure: b, ¦on_failure: b, ¦Then: b, ¦TIMEOUT: 5s"),
        [f"task 'a': unknown key '{key}'; did you mean '{meant}'? Accepted: {TASK_KEYS}"
         for key, meant in (("onFailure", "on-failure"), ("on_failure", "on-failure"),
                            ("Then", "then"), ("TIMEOUT", "timeout"))],
    ),
    "then": (
        task("then: ¦[b, c], on-failure: ¦3"),
        [(f"task 'a', then: expected {NEXT}, found a list; to all of them at once is "
         "{parallel-split: […]}, to one {exclusive-choice: […]}"),
         (f"task 'a', on-failure: expected {NEXT}, found the number 3; "
         'in quotes it is a text: "3"')],
    ),
    "nowhere to go": (task("¦then: "), [f"task 'a', then: expected {NEXT}, found nothing"]),
    "two patterns in one": (
        task("¦then: {a: 1, b: 2}"),
        [f"task 'a', then: expected {NEXT}: one key, found a, b"],
    ),
    "titles": (
        task("title: ¦5, description: ¦''"),
        ['task \'a\', title: expected a text, found the number 5; in quotes it is a text: "5"',
         "task 'a', description: expected a text, found an empty text"],
    ),
    "in and out": (
        task("in: ¦[path], out: ¦result"),
        [("task 'a', in: expected expressions by the name of the argument, "
         '{path: path, limit: "2 * size"}, found a list'),
         ("task 'a', out: expected expressions by the name of the variable, "
         "{files: result.files}, found the text 'result'")],
    ),
    "empty expressions": (
        task("in: {a: ¦'', b: ¦' ', ¦c d: x}"),
        [("task 'a', in.a: expected an expression (a text in it has quotes of its own), "
         "found an empty text"),
         ("task 'a', in.b: expected an expression (a text in it has quotes of its own), "
         "found the text ' '"),
         f"task 'a', in: 'c d' cannot be a name; {NAMES}"],
    ),
    "numbers that JSON lacks": (
        task("in: {a: ¦.nan}, x: [{y: ¦-.inf}], then: {z: ¦99999999999999999999}"),
        ["task 'a', in.a: the number is nan, which JSON does not have; use null or a text",
         "task 'a', x[0].y: the number is -inf, which JSON does not have; use null or a text",
         ("task 'a', then.z: the integer needs 68 bits; an integer has up to 64, so that it is "
         "at most 9223372036854775807 and at least -9223372036854775808: "
         "write a larger one as text")],
    ),
    "timeouts": (
        task("timeout: ¦30"),
        [("task 'a', timeout: expected a duration such as 500ms, 2s or 1m30s, "
         "found the number 30; for seconds write 30s")],
    ),
    "a timeout that is none": (
        task("timeout: ¦soon"),
        [("task 'a', timeout: expected a duration such as 500ms, 2s, 1m30s, 1h or 7d, "
         "found 'soon'")],
    ),
    "no time": (
        task("timeout: ¦0s"),
        ["task 'a', timeout: nothing is done in no time; expected more than 0s"],
    ),
    "a timeout that is a list": (
        task("timeout: ¦[1s]"),
        ["task 'a', timeout: expected a duration such as 500ms, 2s or 1m30s, found a list"],
    ),
    "concurrency": (
        task("concurrency: ¦0"),
        [("task 'a', concurrency: expected a whole number from 1 to 1,000,000, or many, "
         "found the number 0")],
    ),
    "retry: a number": (
        task("retry: ¦3"),
        [("task 'a', retry: expected a policy such as {attempts: 3, delay: 2s}, "
         "found the number 3")],
    ),
    "retry: without attempts": (
        task("¦retry: {delay: 2s}"),
        [("task 'a', retry: 'attempts' is missing; "
         "expected a policy such as {attempts: 3, delay: 2s}")],
    ),
    "retry: values": (
        task("retry: {attempts: ¦0, delay: ¦2, factor: ¦0.5, max-delay: ¦2 s, jitter: ¦ful, "
             "¦max_delay: 1s}"),
        [("task 'a', retry.attempts: expected a whole number from 1 to 1,000,000, "
         "found the number 0"),
         ("task 'a', retry.delay: expected a duration such as 500ms, 2s or 1m30s, "
         "found the number 2; for seconds write 2s"),
         "task 'a', retry.factor: expected a number from 1 to 1,000, found the number 0.5",
         ("task 'a', retry.max-delay: '2 s': a duration is written without spaces, "
         "such as 500ms, 2s, 1m30s, 1h or 7d"),
         ("task 'a', retry.jitter: expected none or full, found the text 'ful'; "
         "did you mean 'full'?"),
         ("task 'a', retry: unknown key 'max_delay'; did you mean 'max-delay'? "
         "Accepted: attempts, delay, factor, max-delay, jitter, crashes")],
    ),
    "retry: a wait longer than the longest": (
        task("retry: {attempts: 2, delay: ¦2m, max-delay: 1m}"),
        ["task 'a', retry.delay: 2m is longer than the longest wait, which is 1m"],
    ),
    "retry: a wait longer than a day": (
        task("retry: {attempts: 2, delay: ¦2d}"),
        [("task 'a', retry.delay: 2d is longer than the longest wait, which is 1d, "
         "unless 'max-delay' says otherwise")],
    ),
    # steps
    "no steps": (
        "weft: 1\nname: p\nsequence: ¦[]\n",
        ["sequence: expected a list of steps, such as - shell: [make], found an empty list"],
    ),
    "steps by name": (
        "weft: 1\nname: p\n¦sequence: {a: {}}\n",
        ["sequence: expected a list of steps, such as - shell: [make], found a mapping"],
    ),
    "steps that are none": (
        "weft: 1\nname: p\nsequence: [¦make, {}]\n",
        [("task 'step-1': expected the keys of a task, such as {shell: [make, check]}, "
         "found the text 'make'; a task without work is {}")],
    ),
    "steps with flows": (
        "weft: 1\nname: p\nsequence: [{¦then: a}, {¦join: synchronization}]\n",
        [f"task 'step-{i}', {key}: a step has no '{key}', since the next step follows; "
         "where the flow branches, write 'net' instead of 'sequence'"
         for i, key in ((1, "then"), (2, "join"))],
    ),
    "names of steps": (
        "weft: 1\nname: p\nsequence: [{name: ¦a b}, {name: ¦5}, {¦name: }, {name: ¦[]}]\n",
        [f"task 'a b': 'a b' cannot be a name; {NAMES}",
         "task '5', name: expected a name, found the number 5",
         "task 'step-3', name: expected a name, found nothing",
         "task 'step-4', name: expected a name, found an empty list"],
    ),
    "steps of one name": (
        ("weft: 1\nname: p\nsequence: [{name: a}, {}, {name: ¦a}, {name: ¦step-2}, "
        "{name: step-6}, ¦{}]\n"),
        [("sequence: the steps 1 and 3 are both called 'a' "
         "(one without a name is called by its place in the list)"),
         ("sequence: the steps 2 and 4 are both called 'step-2' "
         "(one without a name is called by its place in the list)"),
         ("sequence: the steps 5 and 6 are both called 'step-6' "
         "(one without a name is called by its place in the list)")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_fault_is_told_with_its_place(name: str) -> None:
    marked, messages = BAD[name]
    text = marked.replace(MARK, "")
    faults = faults_of(text)
    assert len(faults) == len(messages)
    for fault, message in zip(faults, messages, strict=True):
        if message.endswith("…"):  # the words of another module
            assert fault.message.startswith(message[:-1])
        else:
            assert fault.message == message
    assert all(fault.file == "p.yaml" and fault.code != "definition" for fault in faults)
    pieces = marked.split(MARK)
    marks = ["".join(pieces[:i]) for i in range(1, len(pieces))]
    wanted = [(before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1) for before in marks]
    found = sorted({(fault.line or 0, fault.column or 0) for fault in faults})
    assert found == wanted


def test_all_faults_of_a_file_come_at_once_and_in_order() -> None:
    faults = faults_of(POSITIONS.replace("5s", "5").replace("{}", "[]").replace("d:", "e f:"))
    assert [fault.line for fault in faults] == [13, 18, 23]
    assert str(faults[0]).startswith("p.yaml:13:16: task 'a', timeout: expected a duration")


def test_yaml_that_is_none_ends_the_reading() -> None:
    with pytest.raises(DefinitionError) as caught:
        read_native("weft: 1\nname: [\nversion: 1.10\n", file="p.yaml")
    assert caught.value.code == "yaml-syntax"
    with pytest.raises(DefinitionError, match="stands twice"):
        read_native("weft: 1\nweft: 1\n")


def test_after_very_many_faults_the_rest_is_not_read() -> None:
    faults = faults_of("weft: 1\nname: p\nsequence:\n" + 150 * "- {timeout: 5}\n")
    assert len(faults) == 101
    assert faults[-1].message == "reading stops here, after 100 faults"


def test_the_number_of_tasks_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "MAX_TASKS", 3)
    message = "4 tasks are too many; a net has up to 3"
    (fault, _) = faults_of("weft: 1\nname: p\nsequence: [{}, {}, {}, {}]\n")
    assert fault.message == f"sequence: {message}"
    tasks = "{a: {}, b: {}, c: {}, d: {}}"
    (fault, _) = faults_of(f"weft: 1\nname: p\nnet: {{start: a, tasks: {tasks}}}\n")
    assert fault.message == f"tasks: {message}"


def test_the_number_of_values_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "weft: 1\nname: p\nsequence: [{x: [0, 0, 0]}, {x: {a: 0}}]\n"
    read_native(text)
    monkeypatch.setattr(native, "MAX_VALUES", 8)
    (fault,) = faults_of(text)
    assert fault.message == "the file has more than 8 values; keep large data outside of it"
    assert fault.file == "p.yaml"


# --- any text at all ------------------------------------------------------------------------


def judged(text: str | bytes) -> Specification | None:
    """The specification, or None when the text was refused as it has to be."""
    try:
        return read_native(text, file="p.yaml")
    except DefinitionError as error:
        refusal = error
    faults = refusal.exceptions if isinstance(refusal, DefinitionErrors) else [refusal]
    assert all(isinstance(fault, DefinitionError) for fault in faults)
    assert all(fault.file == "p.yaml" and fault.message for fault in faults)
    return None


def changed(text: str, cuts: list[tuple[float, float, str]]) -> str:
    """A text with parts of it replaced; a cut is where (0 to 1), how much, and by what."""
    for where, length, piece in cuts:
        start = int(where * len(text))
        text = text[:start] + piece + text[start + int(length * 12) :]
    return text


PIECES = st.sampled_from(
    [*"{}[]:,-#&*!|>'\"\n\t \0%@~", ": ", "- ", "\n  ", "{a: b}", "[1]", "&x ", "*x", "null", "1.5"]
    + [f"{key}: " for keys in KEYS.values() for key in keys]
) | st.text(max_size=4)
UNIT = st.floats(0, 1)
CUTS = st.lists(st.tuples(UNIT, UNIT, PIECES), min_size=1, max_size=4)


@given(st.text() | st.binary())
@example("weft: 1\nname: p\nsequence: [{x: !!python/object:os.system a}]")
def test_any_text_is_read_or_refused(text: str | bytes) -> None:
    judged(text)


@given(st.sampled_from([POSITIONS, *(text.replace(MARK, "") for text, _ in BAD.values())]), CUTS)
def test_any_spoilt_file_is_read_or_refused(
    text: str, cuts: list[tuple[float, float, str]]
) -> None:
    specification = judged(changed(text, cuts))
    if specification is not None:
        assert read_native(write_native(specification)) == specification


KEY = st.sampled_from(sorted({key for keys in KEYS.values() for key in keys} | {"a", "p", "net"}))
TREES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 5)
    | st.floats()
    | KEY
    | st.sampled_from(["2s", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEY, inner, max_size=5),
)


def flow(tree: Any) -> str:
    """A tree as YAML."""
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{key}: {flow(value)}" for key, value in tree.items()) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(map(flow, tree)) + "]"
    if isinstance(tree, str):
        return f'"{tree}"'
    return {None: "null", True: "true", False: "false"}.get(tree, str(tree))


@given(st.fixed_dictionaries({"weft": st.just(1), "name": st.just("p")}, optional={
    "net": st.fixed_dictionaries({"start": TREES, "tasks": TREES}) | TREES,
    "sequence": st.lists(TREES) | TREES, "nets": TREES, "data": TREES, "version": TREES,
}))  # fmt: skip
def test_any_tree_is_read_or_refused(tree: dict[str, Any]) -> None:
    specification = judged(flow(tree))
    if specification is not None:
        assert read_native(write_native(specification)) == specification


# --- large files, and the documentation -----------------------------------------------------


def test_ten_thousand_tasks(report_figure: Callable[[str, str], None]) -> None:
    head = "weft: 1\nname: long\n"
    steps = "".join(f"  - shell: [echo, {i}]\n" for i in range(10_000))
    tasks = "".join(f"    t{i}: {{shell: [echo], then: t{i + 1}}}\n" for i in range(10_000))
    files = {
        "sequence": f"{head}sequence:\n{steps}",
        "net": f"{head}net:\n  start: t0\n  tasks:\n{tasks}",
    }
    for name, text in files.items():
        start = time.perf_counter()
        specification = read_native(text)
        seconds = time.perf_counter() - start
        report_figure(f"reading a {name} of 10,000 tasks", f"{seconds:.2f} s")
        assert len(specification.nets["net"].tasks) == 10_000


WRAPPED = {
    "": lambda text: text,
    "data": lambda text: data("\n" + indented(text, 2)),
    "net": lambda text: f"weft: 1\nname: p\nnet:\n{indented(text, 2)}",
    "task": lambda text: f"weft: 1\nname: p\nsequence: [{{}}]\nnets:\n  n:\n    start: a\n"
                         f"    tasks:\n      a:\n{indented(text, 8)}",
}  # fmt: skip


def indented(text: str, by: int) -> str:
    return "".join(f"{' ' * by}{line}\n" for line in text.splitlines())


def test_the_documentation_is_right(repository: Path) -> None:
    page = (repository / "docs" / "native-format.md").read_text()
    blocks = re.findall(r"^```yaml ?(\w*)\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 8
    with pytest.raises(DefinitionErrors) as caught:
        read_native(
            "weft: 1\nname: build\nsequence:\n  - shell: [make]\n    timeout: 30\n",
            file="build.yaml",
        )
    assert f"\n    {caught.value.message}\n" in page
    for kind, text in blocks:
        read_native(WRAPPED[kind](text), file=f"docs/native-format.md ({text[:30]}…)")


def test_the_documentation_names_every_key(repository: Path) -> None:
    page = (repository / "docs" / "native-format.md").read_text()
    sections = {"file": "File", "net": "Net", "task": "Task", "retry": "Retry", "place": "Place"}
    for kind, title in sections.items():
        section = page.split(f"\n### {title}\n")[1].split("\n#")[0]
        named = re.findall(r"^\| `([\w-]+)`", section, re.MULTILINE)
        assert sorted(named) == sorted({*KEYS[kind], *(["net"] if kind == "task" else [])})


def test_the_documentation_names_the_patterns_that_there_are(repository: Path) -> None:
    page = (repository / "docs" / "native-format.md").read_text()
    row = r"^\|(.*)\| `([a-z-]+)(?:: \{([a-z, ]+|wait: false)\})?` \|(?: (\d+))? \|"
    rows = re.findall(row, page, re.MULTILINE)
    registry = builtin()
    assert {key for _, key, _, _ in rows} == {p.written for p in registry}
    assert {int(n) for _, _, _, n in rows if n} == {p.id for p in registry if p.id}
    place = ""
    for at, key, told, number in rows:
        place = at.strip(" `") or place
        found = registry.find(int(number)) if number else registry.find(key)
        assert found is not None
        assert found.written == key
        official = int(number) if number else None  # None: outside the catalogue
        assert (found.id, found.attachment.value) == (official, PLACES[place])
        names = {p.name for p in found.parameters}
        assert {name.partition(":")[0] for name in told.split(", ") if name} <= names


PLACES = {"join": "join", "then": "then", "a key of a task": "task", "patterns": "net"}

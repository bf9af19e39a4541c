"""The native format, written: it reads back equal, and looks as a person would write it."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import attrs
import pytest

from weft.schema.errors import DefinitionErrors
from weft.schema.native import read_native
from weft.schema.native_writer import write_native
from weft.schema.specification import (
    NetDefinition,
    PlaceDefinition,
    Retry,
    Specification,
    TaskDefinition,
    Termination,
    Use,
)


def one_task(task: TaskDefinition | None = None, **given: Any) -> Specification:
    task = task or TaskDefinition("a", **given)
    net = NetDefinition("net", start=(task.name,), tasks={task.name: task})
    return Specification("p", "1", nets={"net": net})


FILES = {
    "steps": """\
        weft: 1
        name: build
        sequence:
          - shell: [make]
          - name: test
            shell: [make, test]
            retry: {attempts: 3, delay: 2s, factor: 1.5, max-delay: 1m30s, jitter: full}
          - {}
          - shell: [make, dist]
            timeout: 500ms
        """,
    "short lines": """\
        weft: 1
        name: check-repository
        version: 1.0.0
        data:
          path: {type: string, default: .}
          found: integer
        net:
          start: analyse
          tasks:
            analyse: {python: "checks:analyse", in: {path: path}, then: {parallel-split: [tests, lint]}}
            tests: {shell: [pytest, -q, tests/fast], retry: {attempts: 3, delay: 2s}, then: judge}
            lint: {shell: [ruff, check, .], then: judge}
            judge:
              join: synchronization
              then:
                exclusive-choice:
                  - {when: "tests.exit_code == 0 && lint.exit_code == 0", to: report}
                  - {to: decide}
            decide: {person: {title: "Checks failed. Go on?", choices: [ship, stop]}, then: report}
            report: {python: "checks:report"}
        """,
    "everything": """\
        weft: 1
        name: everything
        version: "1.10"
        description: |
          Several lines,

            indented: too.
        language: xpath
        net:
          start: [a, ready]
          termination: explicit
          tasks:
            a:
              title: Do it, please
              description: |-
                What is done
                here
              join: {structured-partial-join: {n: 2}}
              net: packing
              structured-loop: {until: ok}
              in: {one: 1, text: "'a'", list: [a, "1", null, true, 1.5], null-ish: "null"}
              out: {}
              timeout: 1h
              retry: {attempts: 1}
              concurrency: 2
              then: {explicit-termination: null}
              on-failure: b
            b: {}
          places:
            ready: {description: A token means yes, tokens: 3, then: b}
            free: {}
          patterns:
            - critical-section: [[a], [b]]
            - interleaved
        nets:
          packing:
            start: c
            data:
              x: any
            tasks:
              c: {shell: {sh: "make | tee log", env: {A: ""}}}
        """,
}


@pytest.mark.parametrize("name", FILES)
def test_a_well_written_file_is_written_again_as_it_was(name: str) -> None:
    text = dedent(FILES[name])
    assert write_native(read_native(text)) == text


def test_the_documented_files_survive(repository: Path) -> None:
    page = (repository / "docs" / "native-format.md").read_text()
    files = re.findall(r"^```yaml\n(weft: 1\n.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(files) >= 4
    for text in files:
        specification = read_native(text)
        assert read_native(write_native(specification)) == specification


def test_what_does_not_fit_on_a_line_gets_lines_of_its_own() -> None:
    words = [f"argument-{i}" for i in range(12)]
    text = write_native(one_task(uses=(Use("shell", words), Use("deep", [[1], {"a": [2]}]))))
    assert "    shell:\n      - argument-0\n      - argument-1\n" in text
    nested = [[words, {"a": words, "b": {}}]]
    assert read_native(write_native(one_task(uses=(Use("shell", nested),)))) == one_task(
        TaskDefinition("a", uses=(Use("shell", nested),))
    )


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain text", "plain text"),
        (".", "."),
        ("./run", "./run"),
        ("-q", "-q"),
        ("--flag=a", "--flag=a"),
        ("1.2.3-rc.1", "1.2.3-rc.1"),
        ("ä", "ä"),
        ("no", '"no"'),
        ("Null", '"Null"'),
        ("1e5", '"1e5"'),
        (".5", '".5"'),
        (".inf", '".inf"'),
        ("2026-01-01", '"2026-01-01"'),
        ("-", '"-"'),
        ("---", '"---"'),
        ("a: b", '"a: b"'),
        ("a #b", '"a #b"'),
        ("a ", '"a "'),
        ('"\\', '"\\"\\\\"'),
        ("\x07\x85\u2028\ufeff\uffff\t", '"\\x07\\x85\\u2028\\ufeff\\uffff\\t"'),
        ("😀", '"😀"'),
    ],
)
def test_only_what_needs_quotes_gets_them(text: str, written: str) -> None:
    specification = one_task(uses=(Use("say", [text]),))
    assert f"say: [{written}]\n" in write_native(specification)
    assert read_native(write_native(specification)) == specification


def test_a_root_net_of_another_name_is_called_net() -> None:
    main = NetDefinition(
        "Main",
        start=("a",),
        tasks={
            "a": TaskDefinition("a", uses=(Use("net", "Main"),), then=Use("sequence", "b")),
            "b": TaskDefinition("b", uses=(Use("net", "Sub"),)),
        },
    )
    sub = NetDefinition("Sub", start=("c",), tasks={"c": TaskDefinition("c")})
    read = read_native(
        write_native(Specification("p", "1", nets={"Sub": sub, "Main": main}, root="Main"))
    )
    assert list(read.nets) == ["net", "Sub"]
    assert read.nets["net"].tasks["a"].uses == (Use("net", "net"),)
    assert read.nets["net"].tasks["b"].uses == (Use("net", "Sub"),)


def refusal(specification: Specification) -> str:
    with pytest.raises(DefinitionErrors) as caught:
        write_native(specification)
    assert all(fault.line is None for fault in caught.value.exceptions)
    return caught.value.message


def test_what_the_format_cannot_say_is_refused() -> None:
    assert "task 'a b': 'a b' cannot be a name" in refusal(one_task(TaskDefinition("a b")))
    twice = (Use("shell", ["a"]), Use("shell", ["b"]))
    assert "task 'a': the key 'shell' would stand twice" in refusal(one_task(uses=twice))
    assert "the key 'then' would" in refusal(one_task(uses=(Use("then", "b"),)))
    assert "JSON does not have" in refusal(one_task(inputs={"x": float("nan")}))
    assert "keys of an object are texts" in refusal(one_task(uses=(Use("x", {1: 2}),)))  # type: ignore[dict-item]
    assert "character" in refusal(one_task(title="\ud800"))
    assert "nested more than 100 levels" in refusal(one_task(uses=(Use("x", deep(101)),)))
    assert "nested deeper than 100 levels" in refusal(one_task(uses=(Use("x", deep(100)),)))
    net = NetDefinition("net", start=("a",), tasks={"a": TaskDefinition("a")})
    assert "no other net may be called 'net'" in refusal(
        Specification("p", "1", nets={"net": net, "Main": net}, root="Main")
    )


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def test_durations_are_written_to_the_microsecond() -> None:
    text = write_native(one_task(uses=(Use("x"),), timeout_seconds=0.1 + 0.2))
    assert "timeout: 300ms" in text


A = TaskDefinition("a", then=Use("sequence", "b"))


@pytest.mark.parametrize(
    "change",
    [
        {"start": ("b",)},
        {"termination": Termination.EXPLICIT},
        {"start": ("a", "b")},
        {"places": {"p": PlaceDefinition("p")}},
        {"uses": (Use("critical-section", [["a"], ["b"]]),)},
        {"tasks": {"a": A, "b": TaskDefinition("b", join=Use("synchronization"))}},
        {"tasks": {"a": A, "b": TaskDefinition("b", then=Use("sequence", "a"))}},
        {"tasks": {"a": A, "b": TaskDefinition("b", uses=(Use("name", 1),))}},
        {"tasks": {"a": TaskDefinition("a"), "b": TaskDefinition("b")}},
        {"tasks": {"b": TaskDefinition("b"), "a": A}},
    ],
)
def test_the_short_form_says_only_what_it_can(change: dict[str, Any]) -> None:
    short = NetDefinition(
        "net",
        start=("a",),
        tasks={"a": A, "b": TaskDefinition("b")},
    )
    assert "sequence:" in write_native(Specification("p", "1", nets={"net": short}))
    longer = Specification("p", "1", nets={"net": attrs.evolve(short, **change)})
    text = write_native(longer)
    assert "sequence:" not in text
    assert read_native(text) == longer


def test_defaults_are_not_written() -> None:
    text = write_native(one_task(uses=(Use("x", 1),), retry=Retry(attempts=2)))
    assert text == "weft: 1\nname: p\nsequence:\n  - name: a\n    x: 1\n    retry: {attempts: 2}\n"

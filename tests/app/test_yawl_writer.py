"""Specifications as YAWL files: what is written does what the specification does, or is refused."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

import weft
from weft.connectors import builtin as connectors
from weft.engine.compile import compile_specification
from weft.engine.verify.statespace import explore
from weft.formats import Written, formats
from weft.patterns import builtin as patterns
from weft.schema.errors import DefinitionErrors, UsageError
from weft.schema.specification import Specification, Use
from weft.schema.xsd import check_schema

WIDTH = 400
"""So many states of a net are looked at."""


def as_yawl(specification: Specification) -> Written:
    return formats().write(specification, formats().named("yawl"))


def again(specification: Specification) -> Specification:
    return weft.loads(as_yawl(specification).text.decode(), format="yawl")


def native(specification: Specification) -> Specification:
    text = formats().write(specification, formats().named("native")).text
    return weft.loads(text.decode())


def space(specification: Specification) -> list[Any]:
    """The size of what each net can do; one with OR-joins has only its places and transitions."""
    compiled = compile_specification(specification, registry=patterns(), connectors=connectors())
    found = []
    for net in compiled.nets.values():
        size: tuple[Any, ...] = (len(net.places), len(net.transitions))
        try:
            seen = explore(net, max_states=40 if net.or_joins else WIDTH, threads=1)
        except UsageError:
            pass
        else:
            size += (seen.states, seen.firings, seen.bounded, seen.complete, seen.deadlocks)
        found.append(size)
    return sorted(found)


# ── files of the corpus, and generated ones ──────────────────────────────────────────────────

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "yawl"
REFUSED = ("Test1.ywl", "duplicateDataSpecification.xml")


def test_files_of_the_corpus_and_back_have_the_same_state_space(corpus: Path) -> None:
    looked = 0
    for path in sorted((corpus / "yawl").iterdir()):
        if path.suffix not in (".xml", ".yawl", ".ywl") or path.name in REFUSED:
            continue
        read = weft.load(path)
        assert as_yawl(read).text == path.read_bytes(), "what YAWL says is given back as it was"
        if any(f.level == "error" for f in read.findings):
            continue  # what it breaks cannot be written
        converted = native(read)
        back = again(converted)
        assert not [f for f in back.findings if f.level == "error"]
        assert space(back) == space(converted) == space(read), path.name
        looked += 1
    assert looked >= 27


def test_what_is_written_is_valid_by_the_schema(corpus: Path) -> None:
    folder = corpus / "yawl" / "schema"
    for name in ("orderfulfillment.yawl", "MakeRecordings.xml", "Timer.xml", "RemoveTokens.xml"):
        text = as_yawl(native(weft.load(corpus / "yawl" / name))).text
        assert check_schema(text, folder, file=name) == "YAWL_Schema4.0.xsd"


class Blocks:
    """A net of nested blocks, by a seed: in a row, at once, by a choice, by whoever starts first."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.tasks: dict[str, str] = {}
        self.places = ["in: {then: begin}", "out: {then: explicit-termination}"]

    def task(self, then: str, more: str = "") -> str:
        name = f"t{len(self.tasks)}"
        self.tasks[name] = f"{name}: {{{more}then: {then}}}"
        return name

    def work(self, then: str, join: str = "") -> str:
        more = f"{join}person: {{title: Do it}}, concurrency: 1, "
        return self.task(then, more)

    def block(self, then: str, depth: int) -> str:
        """A block that leads to ``then``; the name of what it begins with."""
        kind = self.random.choice(["work", "row", "at once", "choice", "first", "some", "loop"])
        if depth == 0 or kind == "work":
            return self.work(then)
        if kind == "row":
            return self.block(self.block(then, depth - 1), depth - 1)
        if kind == "loop":
            body = f"t{len(self.tasks)}"
            way = f"{{exclusive-choice: [{{when: n > 3, to: {body}}}, {{to: {then}}}]}}"
            return self.work(way, "join: multi-merge, ")
        join = {"at once": "synchronization", "some": "general-synchronizing-merge"}
        meet = self.work(then, f"join: {join.get(kind, 'multi-merge')}, ")
        one, two = self.block(meet, depth - 1), self.block(meet, depth - 1)
        if kind == "at once":
            return self.work(f"{{parallel-split: [{one}, {two}]}}")
        if kind == "first":
            name = f"c{len(self.places)}"
            self.places.append(f"{name}: {{then: {{deferred-choice: [{one}, {two}]}}}}")
            return self.work(name)
        word = "exclusive-choice" if kind == "choice" else "multi-choice"
        when = self.random.choice(["n > 3", "ok", 'word == "a b" && !ok', "size(word) % 2 == 1"])
        return self.work(f"{{{word}: [{{when: '{when}', to: {one}}}, {{to: {two}}}]}}")

    def specification(self) -> Specification:
        first = self.block("out", 3)
        tasks = "\n".join(f"    {text}" for text in self.tasks.values())
        places = "\n".join(f"    {text}" for text in self.places)
        return weft.loads(
            "weft: 1\nname: blocks\ndata:\n  n: {type: integer, default: 1}\n"
            "  ok: {type: boolean, default: true}\n  word: {type: string, default: a}\n"
            f"net:\n  start: in\n  termination: explicit\n  tasks:\n    begin: {{then: {first}}}\n"
            f"{tasks}\n  places:\n{places}\n"
        )


@pytest.mark.parametrize("seed", range(8))
def test_generated_nets_and_back_have_the_same_state_space(seed: int) -> None:
    made = Blocks(seed).specification()
    back = again(made)
    assert space(back) == space(made)
    assert space(native(back)) == space(made)
    assert not [f for f in back.findings if f.level == "error"]


# ── what is written ──────────────────────────────────────────────────────────────────────────


def net(tasks: str, *, data: str = "", more: str = "", start: str = "a") -> Specification:
    data = f"data: {{{data}}}\n" if data else ""
    return weft.loads(
        f"weft: 1\nname: x\n{data}net:\n  start: {start}\n  tasks: {{{tasks}}}\n{more}"
    )


PERSON = "person: {title: T}, "


@pytest.mark.parametrize(
    "tasks",
    [
        "a: {person: {title: T}}",
        "a: {person: {title: T}, then: {parallel-split: [b, c]}}, b: {}, c: {person: {title: U}}",
        "a: {then: {deferred-choice: [b, c]}}, b: {person: {title: U}}, c: {person: {title: V}}",
        "a: {person: {title: T}, then: b}, b: {person: {title: U}, cancel-task: c, then: explicit-termination}, c: {person: {title: V}, then: b}",
        "a: {wait: 2h, then: b}, b: {person: {title: T}, timeout: 90s, on-failure: skip}",
        "a: {person: {title: T}, timeout: {for: patience}, on-failure: skip}",
        "a: {person: {title: T}, timeout: {until: 2030-01-01T00:00:00+00:00}, on-failure: skip}",
        "a: {person: {title: T}, timeout: {for: PT5S, from: start}, on-failure: skip}",
        "a: {person: {title: T}, timeout: {for: patience, from: start}, on-failure: skip}",
        "a: {wait: {until: 2030-01-01T00:00:00+00:00}}",
        "a: {person: {title: T}, in: {n: 'n + 1', word: \"'x'\"}, out: {n: 'result.size'}}",
        "a: {person: {title: T}, for-each: {in: list, as: each, minimum: 2, enough: 3, rest: cancel}, in: {x: each}, out: {list: results}}",
        "a: {person: {title: T}, for-each: {in: list, open: true, seal: false, maximum: 4}}",
    ],
)  # fmt: skip
def test_what_yawl_can_say_comes_back(tasks: str) -> None:
    made = net(
        tasks,
        data="n: {type: integer, default: 3}, patience: string, list: {type: array, items: integer, default: [1]}",
    )
    back = again(made)
    for name, task in made.nets["net"].tasks.items():
        read = back.nets["net"].tasks[name]
        assert dict(read.inputs) == dict(task.inputs)
        assert (read.timeout_seconds, read.expires) == (task.timeout_seconds, task.expires)
        around = [u.name for u in task.uses if u.name != "cancel-task"]
        assert [u.name for u in read.uses if u.name != "cancel-region"] == around


def test_ends_of_a_net_meet_where_nothing_is_left_to_do() -> None:
    back = again(net(f"a: {{{PERSON}then: {{parallel-split: [b, c]}}}}, b: {{}}, c: {{}}"))
    tasks = back.nets["net"].tasks
    assert tasks["finish"].join == Use("general-synchronizing-merge")
    assert (tasks["b"].then, tasks["c"].then) == (Use("sequence", "finish"),) * 2


def test_an_expression_that_xpath_does_not_say_stands_in_the_file_as_it_is() -> None:
    when = "n in [1, 2] && word.startsWith('it''s')".replace("''", "\\'")
    made = net(
        f'a: {{{PERSON}then: {{exclusive-choice: [{{when: "{when}", to: b}}, {{to: c}}]}}}}, '
        "b: {}, c: {}".replace("\\'", "\\\\'"),
        data="n: integer, word: string",
    )
    written = as_yawl(made)
    assert b"weft:cel(" in written.text
    assert any("CEL" in lost for lost in written.lost)
    back = weft.loads(written.text.decode(), format="yawl")
    assert back.nets["net"].tasks["a"].then == made.nets["net"].tasks["a"].then


def test_data_with_their_types_and_defaults_come_back() -> None:
    data = (
        "n: {type: integer, default: 3}, s: {type: string, default: ' a <b> '}, e: {type: array, "
        "items: integer, default: []}, o: {type: object, additional: true, fields: {a: {type: "
        "array, items: string}, b: boolean}, default: {a: [x], b: true}}, l: {type: array, items: "
        "{type: object, fields: {k: number}}, default: [{k: 1.5}]}"
    )
    made = net("a: {person: {title: T}}", data=data).nets["net"].variables
    read = again(net("a: {person: {title: T}}", data=data)).nets["net"].variables
    assert {k: v.default for k, v in read.items()} == {k: v.default for k, v in made.items()}
    assert read["o"].type.fields is not None
    assert read["l"].type.items is not None
    assert read["o"].type.fields["a"].type == "array"


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ("a: {then: {thread-split: {n: 2, to: b}}}, b: {}", "no words for thread-split"),
        ("a: {then: {exclusive-choice: [{when: 'true', to: b}]}}, b: {}", "has a default"),
        ("a: {person: {title: T}, on-failure: b}, b: {}", "no branch for what fails"),
        ("a: {person: {title: T}, timeout: 2s}", "the flow goes on when time is up"),
        ("a: {person: {title: T}, structured-loop: {until: 'true'}}", "structured-loop"),
        ("a: {person: {title: T}, for-each: 3}", "for-each"),
        ("a: {person: {title: T}, for-each: {in: l, at-most: 2}}", "no words for at-most"),
        ("a: {person: {title: T}, for-each: {in: l, enough: 2}}", "the rest is cancelled"),
        ("a: {then: {parallel-split: [b, c]}}, b: {then: d}, c: {then: d}, d: {join: {structured-partial-join: {n: 1}}}", "structured-partial-join as a join"),
        ("a: {person: {title: T}, out: {m: result}}", "the last write stays, not append"),
    ],
)  # fmt: skip
def test_what_yawl_cannot_say_is_told_and_nothing_is_written(tasks: str, message: str) -> None:
    made = net(tasks, data="l: {type: array, default: []}, m: {type: array, merge: append}")
    with pytest.raises(DefinitionErrors) as caught:
        as_yawl(made)
    told = " ".join(str(f) for f in caught.value.exceptions)
    assert message in told


def test_the_command_converts_there_and_back(weft: Any, write: Any, folder: Path) -> None:
    path = write("x.yaml", "weft: 1\nname: x\nnet: {start: a, tasks: {a: {shell: [make]}}}\n")
    done = weft("convert", path, folder / "x.yawl", "--json")
    assert done.code == 0
    assert done.json["lost"] == ["who does the work of 'a' (shell)"]
    assert weft("convert", folder / "x.yawl", folder / "y.yaml").code == 0
    assert "person" in (folder / "y.yaml").read_text()


# ── names ────────────────────────────────────────────────────────────────────────────────────


def test_names_that_begin_with_a_digit_get_others_in_the_native_format(corpus: Path) -> None:
    read = __import__("weft").load(corpus / "yawl" / "CancellationTest.xml")
    written = formats().write(read, formats().named("native"))
    assert "the name '4' (it is _4 now)" in written.lost
    assert "cancel-region" in written.text.decode()


# ── schemas ──────────────────────────────────────────────────────────────────────────────────


def test_a_file_is_held_against_the_schema_of_its_version(weft: Any, corpus: Path) -> None:
    folder, files = corpus / "yawl" / "schema", corpus / "yawl"
    done = weft("show", files / "duplicateDataSpecification.xml", "--schemas", folder, "--json")
    assert done.code == 2
    assert "Duplicate key-sequence ['/data/stubList']" in done.json["error"]["message"]
    for name in ("BobOne.yawl", "MakeRecordings.xml", "ResourceExample.xml"):
        assert weft("show", files / name, "--schemas", folder).code == 0


def test_a_folder_without_the_schema_is_refused(weft: Any, write: Any, folder: Path) -> None:
    text = '<specificationSet version="3.0"/>'
    done = weft("show", write("x.yawl", text), "--schemas", folder, "--json")
    assert done.code == 2
    assert "YAWL_Schema3.0.xsd is looked for" in done.json["error"]["message"]
    (folder / "YAWL_Schema3.0.xsd").write_text("no schema")
    done = weft("show", folder / "x.yawl", "--schemas", folder, "--json")
    assert "no schema that can be used" in done.json["error"]["message"]


@pytest.mark.parametrize(
    "then",
    [
        "a: {then: {parallel-split: [b, c]}}, b: {then: w}, c: {then: w}",
        "a: {then: s}, s: {join: multi-merge, then: {parallel-split: [s, w]}}",
    ],
)
def test_a_task_that_may_begin_again_while_it_is_busy_is_not_written(then: str) -> None:
    work = "w: {%sjoin: multi-merge, person: {title: T}}"
    if "w}" not in then:
        work = work.replace("join: multi-merge, ", "")
    with pytest.raises(DefinitionErrors, match="task 'w' may begin again while it is busy"):
        as_yawl(net(f"{then}, {work % ''}"))
    as_yawl(net(f"{then}, {work % 'concurrency: 1, '}"))

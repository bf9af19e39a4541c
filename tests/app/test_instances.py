"""Many instances, as a user meets them: files, Python, the command line, pictures."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

import weft as package
from weft.connectors import builtin as connectors
from weft.drawing import draw
from weft.engine.compile import compile_specification
from weft.engine.net import CompiledSpecification
from weft.flow import NoValue, Variable, cel, for_each, person, process, subprocess, task, times
from weft.patterns import builtin as patterns
from weft.schema.native_schema import native_schema
from weft.schema.native_writer import write_native
from weft.schema.yaml import load_yaml, plain

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


def compiled(specification: package.Specification) -> CompiledSpecification:
    return compile_specification(specification, registry=patterns(), connectors=connectors())


def loaded(net: str) -> package.Specification:
    return package.loads(f"weft: 1\nname: many\nversion: '1'\n{net}")


# ── the command line ─────────────────────────────────────────────────────────────────────────

OPEN = """
weft: 1
name: quotes
data: {suppliers: {type: array, default: [north]}}
net:
  start: ask
  tasks:
    ask:
      for-each: {in: suppliers, as: supplier, open: true}
      person: {title: "What is your price?"}
      then: pick
    pick: {shell: [echo, done]}
"""


@pytest.fixture
def quotes(weft, write) -> str:
    write("quotes.yaml", OPEN)
    done = weft("run", "quotes.yaml", "--json")
    assert done.code == 3
    return str(done.json["case"])


def test_instances_are_added_and_the_task_is_sealed(weft, quotes):
    done = weft("add", quotes, "ask", "--data", '"south"', "--by", "ada", "--json")
    assert done.code == 3
    items = done.json["work_items"]
    assert [i["inputs"] for i in items] == [{"supplier": "north"}, {"supplier": "south"}]
    for item in reversed(items):
        weft("complete", item["item"], "--data", json.dumps({"of": item["inputs"]["supplier"]}))
    told = weft("status", quotes).out
    assert "ask.for-each.may" in told
    done = weft("resume", quotes)
    assert f"seal {quotes} ask" in done.out
    assert f"add {quotes} ask --data ITEM" in done.out
    done = weft("seal", quotes, "ask", "--json")
    assert done.code == 0
    assert done.json["data"]["ask"] == [{"of": "north"}, {"of": "south"}]


@pytest.mark.parametrize("command", ["add", "seal"])
def test_what_does_not_fit_is_rejected(weft, quotes, command):
    done = weft(command, quotes, "pick", "--json")
    assert done.code == 6
    assert "it has one instance; multiple-instance tasks: ask" in done.json["error"]["message"]
    assert weft(command, quotes, "ask", "--scope", "7", "--json").code == 6
    assert weft(command, "nobody", "ask", "--json").code == 2
    if command == "add":
        assert weft("add", quotes, "ask", "--data", "{", "--json").code == 2


def test_progress_tells_of_instances(weft, quotes):
    assert "one more instance by ada" in weft("add", quotes, "ask", "--by", "ada").out
    assert "sealed: no more instances" in weft("seal", quotes, "ask").out


def test_the_patterns_are_shown_by_their_names(weft, write):
    write("quotes.yaml", OPEN)
    shown = weft("show", "quotes.yaml", "--json").json
    assert 15 in [p["id"] for p in shown["patterns"]]
    (one,) = weft("patterns", "36", "--json").json["patterns"]
    assert (one["id"], one["written"]) == (36, "for-each")
    assert {p["name"] for p in one["parameters"]} >= {"until", "in", "times", "rest", "at-most"}


def test_pictures_know_it(write):
    picture = draw(package.loads(OPEN), format="mmd")
    assert '[["ask<br/>for-each in suppliers as supplier open' in picture


# ── Python and YAML ──────────────────────────────────────────────────────────────────────────


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.delitem(sys.modules, "quotes", raising=False)
    import quotes

    return quotes


def test_the_example_runs_and_is_the_same_net_in_both_languages(weft, example, capsys):
    written = package.load(EXAMPLES / "quotes.yaml")
    assert compiled(written).hash == compiled(example.quotes).hash
    example.main()
    assert capsys.readouterr().out == "South for 11.25, the best of 4 quotes\n"
    done = weft("run", EXAMPLES / "quotes.yaml", "-p", "article=anvil", "--json")
    assert [q["supplier"] for q in done.json["data"]["ask"]] == ["North", "South", "East", "West"]


@attrs.frozen
class Parcel:
    name: str
    weight: int


@task
def weigh(parcel: Parcel) -> int:
    return parcel.weight


@task
def number(index: int) -> int:
    return index


@task
def total(weights: list[int]) -> int:
    return sum(weights)


parcels = Variable("parcels", list[Parcel])
PARCELS = [Parcel("a", 3), Parcel("b", 5), Parcel("c", 7)]


def run(made: Any, *given: Any) -> Any:
    with package.open("memory:") as engine:
        return made.run(engine, *given).output


PROCESSES: dict[str, tuple[Any, str, Any]] = {
    "14": (for_each(weigh), "{in: parcels}", 15),
    "14, under a name": (for_each(weigh, called="parcel"), "{in: parcels, as: parcel}", 15),
    "13": (times(3, number), "{times: 3}", 3),
    "14, computed": (times(cel("size(parcels)", int), number), "{times: size(parcels)}", 3),
    "34": (
        for_each(weigh, enough=2, at_most=1),
        "{in: parcels, enough: 2, at-most: 1}",
        8,
    ),
    "35": (
        for_each(weigh, enough=2, rest="cancel", at_most=1),
        "{in: parcels, enough: 2, rest: cancel, at-most: 1}",
        8,
    ),
    "36": (
        for_each(weigh, until="results.exists(w, w == 5)", at_most=1),
        '{in: parcels, until: "results.exists(w, w == 5)", at-most: 1}',
        8,
    ),
    "36, a typed condition": (
        for_each(weigh, until=cel("completed > 1", bool), rest="cancel", at_most=1),
        '{in: parcels, until: "completed > 1", rest: cancel, at-most: 1}',
        8,
    ),
}


@pytest.mark.parametrize("name", PROCESSES)
def test_each_pattern_in_both_languages(name):
    step, written, result = PROCESSES[name]
    made = process("many", parcels).then(step).then(total).build()
    counted = "times" in written
    used, kind = ("number", "index") if counted else ("weigh", "item")
    kind = "parcel" if "as:" in written else kind
    given = f"{'index' if counted else 'parcel'}: {kind}"
    text = f"""
data: {{parcels: {json.dumps(made.nets["net"].variables["parcels"].as_json())}}}
net:
  start: {used}
  tasks:
    {used}: {{for-each: {written}, python: "{__name__}:{used}", in: {{{given}}}, then: total}}
    total: {{python: "{__name__}:total", in: {{weights: {used}}}}}
"""
    assert compiled(made).nets["net"].transitions == compiled(loaded(text)).nets["net"].transitions
    ours, theirs = compiled(made).nets["net"].tasks, compiled(loaded(text)).nets["net"].tasks
    assert {n: (t.inputs, t.multiple) for n, t in ours.items()} == {
        n: (t.inputs, t.multiple) for n, t in theirs.items()
    }
    assert run(made, PARCELS) == result
    again = package.loads(write_native(made))
    assert compiled(again).nets["net"].tasks["total"] == ours["total"]


def test_a_process_for_each_item_and_a_variable_for_the_results():
    parcel, kept = Variable("parcel", Parcel), Variable("kept", list[int])
    one = process("one", parcel).then(weigh).build()
    made = process("many", parcels).then(for_each(subprocess(one)).into(kept)).then(total).build()
    assert run(made, PARCELS) == 15


def test_nobody_waits_and_the_value_is_none():
    made = process("many", parcels).then(for_each(weigh, wait=False)).build()
    assert for_each(weigh, wait=False).gives is NoValue
    with package.open("memory:") as engine:
        done = made.run(engine, PARCELS)
        assert type(done).__name__ == "CompletedCase"
    unread = process("many", parcels).then(for_each(weigh, wait=False)).then(total)
    with pytest.raises(package.DefinitionErrors, match="no value here to read"):
        unread.build()


@attrs.frozen
class Answer:
    price: int


def test_another_task_ends_it():
    ask = person("ask", "Price?", Answer)
    both = for_each(ask, called="parcel")
    for word in ("cancels_instances_of", "completes_instances_of"):
        stop = getattr(person("stop", "Enough?", Answer), word)(ask)
        made = process("many", parcels).then(package.flow.parallel(both, stop)).build()
        uses = [use.name for use in made.nets["net"].tasks["stop"].uses]
        assert uses[-1].endswith("multiple-instance-task")
        compiled(made)


# ── the JSON Schema ──────────────────────────────────────────────────────────────────────────


def test_the_schema_of_files_knows_every_way():
    """What the schema accepts as ``for-each`` compiles, and what it refuses does not."""
    import jsonschema_rs

    schema = native_schema({"shell": {}}, patterns().schemas())
    validator = jsonschema_rs.validator_for(schema)

    def accepted(for_each: Any) -> bool:
        task = {"for-each": for_each, "shell": ["x"]}
        file = {"weft": 1, "name": "a", "net": {"start": "a", "tasks": {"a": task}}}
        return bool(validator.is_valid(file))

    for _, written, _ in PROCESSES.values():
        assert accepted(plain(load_yaml(written))), written
    assert accepted("xs")
    assert accepted(["p", "q"])
    assert accepted(3)
    for wrong in (
        {"times": 0},
        {"in": "xs", "rest": "keep"},
        {"of": "xs"},
        {"open": False},
        0,
        None,
    ):
        assert not accepted(wrong), wrong


# ── what is refused when it is loaded ────────────────────────────────────────────────────────

BAD: dict[str, tuple[str, str]] = {
    "neither list nor number": ("for-each: {as: i}", "takes either in"),
    "both": ("for-each: {in: xs, times: 2}", "takes either in"),
    "a number for a list": ("for-each: {in: 3}", "a number of instances is written `times`"),
    "none": ("for-each: {times: 0}", "a whole number from 1"),
    "half a one": ("for-each: {times: 1.5}", "a whole number from 1"),
    "an unknown key": ("for-each: {in: xs, of: i}", "of: for-each takes"),
    "more than there are": ("for-each: {times: 2, enough: 3}", "enough is 3, and there are 2"),
    "none enough": ("for-each: {times: 2, enough: 0}", "a whole number from 1"),
    "rest without a threshold": ("for-each: {in: xs, rest: cancel}", "for-each needs 'enough'"),
    "another rest": ("for-each: {in: xs, enough: 1, rest: keep}", "expected cancel"),
    "open or not": ("for-each: {in: xs, open: false}", "expected true"),
    "waiting or not": ("for-each: {in: xs, wait: true}", "expected false"),
    "a name that is none": ("for-each: {in: xs, as: a-b}", "a name of letters"),
    "a name without items": ("for-each: {times: n, as: i}", "only counted have none"),
    "a name that is taken": ("for-each: {in: xs, as: xs}", "`as` gives it another name"),
    "an unknown variable": ("for-each: {in: ys}", "ys"),
    "an unknown name in a condition": ("for-each: {in: xs, until: size(result) > 1}", "result"),
    "an unknown name in what is collected": ("for-each: {in: xs, collect: results}", "results"),
    "its official name": (
        "static-partial-join-for-multiple-instances: {in: xs, enough: 1}",
        "is written `for-each`, with enough",
    ),
    "a limit of starts": (
        "start-limit: {starts: 2, otherwise: b}, for-each: {times: 3}",
        "those beyond it could never start",
    ),
    "nobody to do it": ("for-each: {in: xs}, shell: null", "connector"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_said_with_its_place(name):
    written, words = BAD[name]
    work = "" if "shell" in written else ", shell: [x]"
    written = written.replace(", shell: null", "")
    text = f"""
data: {{xs: array, n: integer}}
net:
  start: a
  tasks:
    a: {{{written}{work}, then: b}}
    b: {{}}
"""
    with pytest.raises(package.DefinitionErrors) as caught:
        compiled(loaded(text))
    assert words in str(caught.value), caught.value
    assert all(fault.line for fault in caught.value.exceptions)


def test_patterns_that_end_others_want_many_instances():
    text = """
net:
  start: [a, b]
  tasks:
    a: {shell: [x], cancel-multiple-instance-task: [b, nobody]}
    b: {shell: [x]}
    c: {for-each: {times: 2, wait: false}, shell: [x], then: d}
    d: {shell: [x], complete-multiple-instance-task: c}
""".replace("[a, b]\n", "[a, b, c]\n")
    with pytest.raises(package.DefinitionErrors) as caught:
        compiled(loaded(text))
    told = str(caught.value)
    assert "'b' has one instance" in told
    assert "'nobody'" in told
    assert "goes on at once" in told


def test_the_short_forms():
    """A list, an expression that yields one, or a number by itself."""
    for short, long in (("xs", "{in: xs}"), ("[1, 2]", "{in: [1, 2]}"), ("3", "{times: 3}")):
        text = "data: {xs: array}\nnet: {start: a, tasks: {a: {for-each: WRITTEN, shell: [x]}}}"
        made = [compiled(loaded(text.replace("WRITTEN", way))) for way in (short, long)]
        assert made[0].hash == made[1].hash


def test_an_index_needs_its_name():
    text = """
data: {index: integer}
net: {start: a, tasks: {a: {for-each: {times: 2}, shell: [x]}}}
"""
    with pytest.raises(package.DefinitionErrors, match="rename that variable"):
        compiled(loaded(text))


# ── verified ─────────────────────────────────────────────────────────────────────────────────

WAYS = (
    "{in: xs}",
    "{times: 3}",
    "{times: n}",
    "{in: xs, open: true}",
    "{in: xs, enough: 2}",
    "{in: xs, enough: n, rest: cancel}",
    '{in: xs, until: "completed > n"}',
    '{in: xs, open: true, until: "completed > n", rest: cancel}',
    "{in: xs, wait: false, at-most: 2}",
)


@pytest.mark.parametrize("way", WAYS)
def test_it_is_sound_with_an_error_branch_and_in_a_loop(weft, write, way):
    waits = "wait" not in way  # without waiting a loop may make ever more of them
    word = "complete" if waits else "cancel"
    then = "{exclusive-choice: [{when: again, to: a}, {to: c}]}" if waits else "c"
    write(
        "many.yaml",
        f"""
weft: 1
name: many
data: {{xs: array, n: integer, again: boolean}}
net:
  start: [a, stop]
  tasks:
    a: {{for-each: {way}, shell: [x], on-failure: wrong, then: b}}
    b: {{shell: [x], then: {then}}}
    c: {{shell: [x]}}
    wrong: {{shell: [x]}}
    stop: {{shell: [x], {word}-multiple-instance-task: a}}
""",
    )
    found = weft("verify", "many.yaml", "--json").json
    assert found["deadlocks"] == []
    assert found["dead_transitions"] == []
    assert found["option_to_complete"] is True
    assert found["bounded"] is True

"""Reading the steps format: what becomes of it, every fault at its place, and its JSON Schema."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.engine.compile import compile_specification
from weft.engine.net import CompiledSpecification
from weft.patterns import builtin
from weft.schema.datatypes import DataType
from weft.schema.errors import DefinitionError, DefinitionErrors
from weft.schema.specification import Specification, TaskDefinition, Use
from weft.schema.steps import KEYS, is_steps, read_steps, read_steps_file
from weft.schema.steps_net import MAX_STARTS, Step, circles_among, closure, start_limits
from weft.schema.steps_schema import steps_schema
from weft.schema.yaml import load_yaml, plain

SIMPLE = """
name: Greet People
version: "1.2.0"
description: Says hello
triggers:
  - type: cli
    command: greet
    params:
      - {name: who, type: string, default: world, description: Whom}
      - {name: times, type: number, enum: [1, 2]}
steps:
  - id: greet
    module: system
    action: log
    description: Say it
    inputs: {message: "Hello, {{ trigger.who }}", level: info, count: 2}
    outputs:
      - {name: message, type: string}
      - {name: stats, type: object, properties: {passed: boolean, items: {type: array, items: string}}, unit: ms}
    onSuccess:
      condition: "{{ steps.greet.outputs.message }} === 'x'"
      then: end
      else: again
    onFailure: end
    timeout: 30
  - {id: again, module: system, action: log, maxRetries: 2, retryDelay: 1m30s, onSuccess: greet}
  - {id: end, module: system, action: log}
"""


class Kind:
    """A connector as far as the compiler wants to know it."""

    def __init__(self, *, automatic: bool) -> None:
        self.automatic = automatic


def compiled(specification: Specification) -> CompiledSpecification:
    kinds = {"action": Kind(automatic=True), "person": Kind(automatic=False)}
    return compile_specification(specification, registry=builtin(), connectors=kinds)


def read(text: str) -> Specification:
    return read_steps(textwrap.dedent(text), file="flow.yaml")


def steps(*written: str, more: str = "") -> Specification:
    """A file with these steps, one a line."""
    lines = "\n".join(f"  - {line}" for line in written)
    return read(f"name: flow\n{more}steps:\n{lines}\n")


def faults(text: str) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        read(text)
    error = caught.value
    members = error.faults if isinstance(error, DefinitionErrors) else (error,)
    return [str(fault) for fault in members]


def task(specification: Specification, name: str) -> TaskDefinition:
    return specification.nets["net"].tasks[name]


def use(definition: TaskDefinition, name: str) -> Any:
    (found,) = [u.argument for u in definition.uses if u.name == name]
    return found


# ── what becomes of a file ───────────────────────────────────────────────────────────────────


def test_a_file_becomes_a_net_of_tasks() -> None:
    found = read(SIMPLE)
    assert (found.name, found.version, found.description) == ("greet-people", "1.2.0", "Says hello")
    assert found.source.format == "steps"
    net = found.nets["net"]
    assert list(net.tasks) == ["greet", "again", "again-limit", "end"]
    assert net.start == ("greet",)
    greet = task(found, "greet")
    assert greet.description == "Say it"
    assert greet.timeout_seconds == 30
    assert greet.inputs["level"] == "'info'"
    assert greet.inputs["count"] == 2
    assert greet.on_failure == Use("sequence", "end")
    assert greet.then == Use(
        "exclusive-choice",
        [
            {"when": "steps.get('greet').get('outputs').get('message') == 'x'", "to": "end"},
            {"to": "again"},
        ],
    )
    assert use(greet, "action")["module"] == "system"
    assert greet.outputs == {"steps": "{'greet': {'status': 'completed', 'outputs': result}}"}
    compiled(found)


def test_declared_outputs_are_types_for_the_connector() -> None:
    declared = use(task(read(SIMPLE), "greet"), "action")["outputs"]
    kinds = {name: DataType.from_declaration(kind) for name, kind in declared.items()}
    assert kinds["message"].fits("x")
    assert kinds["message"].fits(None)
    assert not kinds["message"].fits(1)
    stats = kinds["stats"]
    assert stats.fits({"passed": True, "items": ["a"], "other": 1})
    assert stats.fits({})
    assert not stats.fits({"passed": "yes"})
    assert not stats.fits({"items": [1]})


def test_parameters_are_the_variable_trigger() -> None:
    variable = read(SIMPLE).nets["net"].variables["trigger"]
    assert variable.default == {"who": "world"}
    assert variable.type.fits({})
    assert variable.type.fits({"who": "Ada", "times": 2})
    assert variable.type.fits({"times": None})
    assert not variable.type.fits({"times": 3})
    assert not variable.type.fits({"whom": "Ada"})


def test_a_required_parameter_has_to_be_given() -> None:
    found = steps("{id: a, module: m, action: x}", more="triggers: [{type: cli, params: [{name: p, required: true, type: integer}]}]\n")  # fmt: skip
    variable = found.nets["net"].variables["trigger"]
    assert variable.required
    assert not variable.type.fits({})
    assert not variable.type.fits({"p": None})
    assert variable.type.fits({"p": 1})


def test_events_that_start_cases() -> None:
    more = (
        "triggers: [{type: event, event: saved}, {type: event, name: gone}, {type: event, on: x}]\n"
    )
    found = steps("{id: a, module: m, action: x}", more=more)
    assert [trigger.event for trigger in found.triggers] == ["saved", "gone"]
    given = "event.data == null ? {} : event.data"
    assert found.triggers[0].data == {"trigger": given}


@pytest.mark.parametrize(
    ("trigger", "part"),
    [
        ("{type: event}", "says which event"),
        ("{type: event, event: two words}", "cannot be the name of an event"),
        ("{type: event, event: [a]}", "the name of an event"),
    ],
)
def test_events_that_are_none(trigger: str, part: str) -> None:
    with pytest.raises(DefinitionErrors, match=part):
        steps("{id: a, module: m, action: x}", more=f"triggers: [{trigger}]\n")


@pytest.mark.parametrize("more", ["", "triggers: [{type: webhook, path: /x}]\n"])
def test_what_comes_from_elsewhere_may_have_more_in_it(more: str) -> None:
    found = steps("{id: a, module: m, action: x}", more=more)
    assert found.nets["net"].variables["trigger"].type.fits({"anything": 1})


def test_retries_are_a_policy_and_a_limit() -> None:
    again = task(read(SIMPLE), "again")
    assert again.retry is not None
    assert (again.retry.attempts, again.retry.delay_seconds) == (3, 90.0)
    assert use(again, "start-limit") == {"starts": 3, "otherwise": "again-limit"}
    limit = task(read(SIMPLE), "again-limit")
    assert limit.on_failure is None
    assert use(limit, "action") == {"do": "limit", "step": "again", "starts": 3}


def test_no_retries_are_one_start() -> None:
    found = steps("{id: a, module: m, action: x, maxRetries: 0, onFailure: b}", "{id: b, module: m, action: x}")  # fmt: skip
    assert task(found, "a").retry is None
    assert use(task(found, "a"), "start-limit")["starts"] == 1
    assert task(found, "a-limit").on_failure == Use("sequence", "b")
    compiled(found)


def test_a_long_delay_is_waited_in_full() -> None:
    found = steps("{id: a, module: m, action: x, maxRetries: 1, retryDelay: 2d}")
    retry = task(found, "a").retry
    assert retry is not None
    assert retry.delay_seconds == retry.max_delay_seconds == 2 * 86_400


def test_a_cycle_without_retries_is_bounded() -> None:
    found = steps(
        "{id: a, module: m, action: x, onSuccess: b}",
        "{id: b, module: m, action: x, onSuccess: {condition: trigger.go, then: a, else: c}}",
        "{id: c, module: m, action: x, onSuccess: {condition: trigger.go, then: c}}",
    )
    assert use(task(found, "a"), "start-limit")["starts"] == MAX_STARTS
    assert use(task(found, "c"), "start-limit")["starts"] == MAX_STARTS
    assert use(task(found, "a-limit"), "action")["cycle"] is True
    assert not [u for u in task(found, "b").uses if u.name == "start-limit"]
    compiled(found)


def test_conditions_may_be_nested_on_both_sides() -> None:
    found = read(
        """
        name: flow
        steps:
          - id: a
            module: m
            action: x
            onSuccess:
              condition: trigger.p
              then: {condition: trigger.q, then: b, else: c}
              else: {condition: true, then: {condition: trigger.r, then: b}, else: c}
          - {id: b, module: m, action: x}
          - {id: c, module: m, action: x}
        """
    )

    def truth(name: str) -> str:
        return f"!(trigger.get('{name}') in [null, false, 0, ''])"

    p, q, r = map(truth, "pqr")
    then = task(found, "a").then
    assert then == Use(
        "exclusive-choice",
        [
            {"when": f"({p}) && ({q})", "to": "b"},
            {"when": p, "to": "c"},
            {"when": f"(true) && ({r})", "to": "b"},
            {"when": "true", "to": "_end"},
            {"to": "c"},
        ],
    )
    assert found.nets["net"].places["_end"].then == Use("implicit-termination")
    compiled(found)


def test_a_missing_else_and_an_onfailure_on_a_condition() -> None:
    found = steps(
        "{id: a, module: m, action: x, onSuccess: {condition: trigger.p, then: b}, "
        "onFailure: {condition: '{{ workflow.error.code }} === \"timeout\"', then: b}}",
        "{id: b, module: m, action: x}",
    )
    branches = task(found, "a").then
    assert branches is not None
    assert isinstance(branches.argument, list)
    assert branches.argument[-1] == {"to": "_end"}
    on_failure = task(found, "a").on_failure
    assert on_failure is not None
    assert on_failure.name == "exclusive-choice"
    compiled(found)


def test_facts_are_noted_before_the_first_step_where_they_are_used() -> None:
    found = steps("{id: trigger, module: m, action: x, inputs: {cwd: '{{ workflow.cwd }}'}}")
    net = found.nets["net"]
    assert net.start == ("trigger_",)
    assert use(task(found, "trigger_"), "action") == {"do": "begin"}
    assert "workflow" in net.variables
    assert "clock" not in use(task(found, "trigger"), "action")
    compiled(found)
    plain_one = steps("{id: a, module: m, action: x, inputs: {s: '{{ workflow.status }}'}}")
    assert plain_one.nets["net"].start == ("a",)


def test_a_duration_is_counted_by_every_step() -> None:
    found = steps("{id: a, module: m, action: x, inputs: {d: '{{ workflow.duration }}'}}")
    assert use(task(found, "a"), "action")["clock"] is True
    assert task(found, "a").outputs == {
        "steps": "{'a': {'status': 'completed', 'outputs': result.outputs}}",
        "workflow": "{'now': result.now}",
    }
    compiled(found)


def test_the_status_of_a_step_that_may_fail_is_noted() -> None:
    found = steps(
        "{id: a, module: m, action: x, onFailure: b}",
        "{id: b, module: m, action: x, inputs: {s: '{{ steps.a.status }}'}}",
    )
    assert task(found, "a").on_failure == Use("sequence", "a-failed")
    assert task(found, "a-failed").then == Use("sequence", "b")
    compiled(found)


def test_ids_with_dots_and_digits_are_names_of_tasks() -> None:
    found = steps(
        "{id: 1st.build, module: m, action: x, onSuccess: a_b}",
        "{id: a_b, module: m, action: x, onSuccess: a.b}",
        "{id: a.b, module: m, action: x, onSuccess: {condition: 'steps.1st.build.outputs.x', then: a-b}}",
        "{id: a-b, module: m, action: x}",
    )
    assert list(found.nets["net"].tasks) == ["_1st_build", "a_b", "a_b_", "a-b"]
    assert task(found, "_1st_build").title == "1st.build"
    assert task(found, "a_b").then == Use("sequence", "a_b_")
    compiled(found)


def test_what_has_no_effect_is_kept() -> None:
    found = steps(
        "{id: a, module: m, action: x}",
        more="version: 2.10\ncategory: planning\nfollowUpWorkflows: [{workflowId: b}]\nmetadata: {tags: [1]}\n",
    )
    assert found.version == "2.10"
    assert found.metadata == {
        "name": "flow",
        "category": "planning",
        "followUpWorkflows": [{"workflowId": "b"}],
        "metadata": {"tags": [1]},
    }


def test_names_of_workflows_become_names_of_specifications() -> None:
    for title, name in {
        "Review Self (x.ai-dev)": "review-self-x.ai-dev",
        "Über": "ber",
        "日本": "workflow",
        "x" * 200: "x" * 100,
    }.items():
        found = read(f"name: {json.dumps(title)}\nsteps: [{{id: a, module: m, action: x}}]")
        assert (found.name, found.metadata["name"]) == (name, title)


def test_long_texts_are_a_variable() -> None:
    found = steps("{id: a, module: m, action: x, inputs: {prompt: '" + "words " * 1000 + "{{ trigger.x }}'}}")  # fmt: skip
    (text,) = found.nets["net"].variables["texts"].default.values()  # type: ignore[union-attr]
    assert text == "words " * 1000
    compiled(found)


def test_json_is_yaml() -> None:
    document = plain(load_yaml(SIMPLE))
    again = read_steps(json.dumps(document, indent=1))
    assert again.nets == read(SIMPLE).nets


def test_it_is_told_apart() -> None:
    assert is_steps(load_yaml(SIMPLE))
    assert not is_steps(load_yaml("weft: 1\nsteps: []"))
    assert not is_steps(load_yaml("[steps]"))


def test_a_file_knows_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "flow.yaml"
    path.write_text(SIMPLE)
    found = read_steps_file(path)
    assert found.source.origin == tmp_path.resolve()
    assert found.source.text == SIMPLE.encode()
    with pytest.raises(DefinitionError, match="cannot read"):
        read_steps_file(tmp_path / "none.yaml")


# ── decisions ────────────────────────────────────────────────────────────────────────────────

DECISION = """
name: flow
steps:
  - id: decide
    module: system
    action: wait-for-decision
    description: What now?
    inputs:
      title: "Choose  for {{ trigger.who }}"
      description: Think well
      role: boss
      amount: "{{ trigger.amount }}"
      proposals:
        - {id: yes-please, label: Yes, description: "Do it for {{ trigger.who }}"}
        - stop
        - {id: more, label: More, description: Later}
    outputs: [{name: decision, type: string}, {name: decisionId, type: string}]
"""


def test_a_decision_is_work_for_a_person() -> None:
    found = read(DECISION)
    decide = task(found, "decide")
    assert use(decide, "person") == {
        "title": "What now?",
        "text": "Think well",
        "role": "boss",
        "choices": [
            {"id": "yes-please", "label": "Yes"},
            "stop",
            {"id": "more", "label": "More", "description": "Later"},
        ],
    }
    assert set(decide.inputs) == {"title", "amount", "proposals"}
    compiled(found)


def test_a_decision_without_proposals_is_a_text() -> None:
    found = steps("{id: d, module: system, action: wait-for-decision, inputs: {title: Which name}}")
    assert use(task(found, "d"), "person") == {
        "title": "Which name",
        "form": {"decision": {"type": "string", "required": True}},
    }
    assert task(found, "d").inputs == {}
    compiled(found)
    assert use(task(steps("{id: d, module: system, action: wait-for-decision}"), "d"), "person")[
        "title"
    ] == "d"  # fmt: skip


# ── faults ───────────────────────────────────────────────────────────────────────────────────

STEP = "{id: a, module: m, action: x"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[]", ["flow.yaml:1:1: expected a mapping with name and steps, found an empty list"]),
        ("name: a", ["flow.yaml:1:1: 'steps' is missing"]),
        ("steps: [{id: a, module: m, action: x}]", ["flow.yaml:1:1: 'name' is missing"]),
        ("name: a\nsteps: []", ["flow.yaml:2:8: steps: there is nothing to do"]),
        ("name: a\nsteps: {a: b}", ["flow.yaml:2:8: steps: expected a list of steps, found a mapping"]),
        ("name: a\nsteps: [x]", ["flow.yaml:2:9: steps[0]: expected a step such as {id: test, module: …, action: …}, found the text 'x'"]),
        (f"name: 5\nsteps: [{STEP}}}]", ["flow.yaml:1:7: name: expected a text, found the number 5; in quotes it is a text: \"5\""]),
        (f"name: a\nversion: [1]\nsteps: [{STEP}}}]", ["flow.yaml:2:10: version: expected a version such as 1.0.0, found a list", ]),
        (f"name: a\nversion: 'a b'\nsteps: [{STEP}}}]", ["flow.yaml:2:10: version: 'a b' cannot be a version; it has up to 100 letters (a-z, A-Z), digits, '.', '_', '+' and '-', and begins with a letter, digit or '_'"]),
        (f"name: a\nauthor: x\nsteps: [{STEP}}}]", ["flow.yaml:2:1: unknown key 'author'; accepted: name, version, description, triggers, steps, interactionMode, category, followUpWorkflows, metadata"]),
        (f"name: a\ntrigger: x\nsteps: [{STEP}}}]", ["flow.yaml:2:1: unknown key 'trigger'; did you mean 'triggers'? accepted: name, version, description, triggers, steps, interactionMode, category, followUpWorkflows, metadata"]),
        (f"name: a\nmetadata: {{n: 1e999}}\nsteps: [{STEP}}}]", ["flow.yaml:2:11: metadata.n: the number is inf, which JSON does not have; use null or a text"]),
        ("name: a\nsteps: [{id: a b, module: m, action: x}]", ["flow.yaml:2:14: steps[0].id: 'a b' cannot be the id of a step; it has up to 100 letters (a-z, A-Z), digits, '_', '-' and '.', and begins with a letter, digit or '_'"]),
        ("name: a\nsteps: [{id: a}]", ["flow.yaml:2:9: step 'a': 'module' is missing", "flow.yaml:2:9: step 'a': 'action' is missing"]),
        (f"name: a\nsteps: [{STEP}}}, {STEP}}}]", ["flow.yaml:2:45: step 'a': this is also the id of step 1 in the list; an id is used once"]),
        (f"name: a\nsteps: [{STEP}, on-failure: b}}]", ["flow.yaml:2:39: step 'a': unknown key 'on-failure'; did you mean 'onFailure'? accepted: id, module, action, description, inputs, outputs, onSuccess, onFailure, maxRetries, retryDelay, timeout"]),
        (f"name: a\nsteps: [{STEP}, inputs: [1]}}]", ["flow.yaml:2:47: step 'a', inputs: expected values by name, {message: Hello}, found a list"]),
        (f"name: a\nsteps: [{STEP}, inputs: {{n: 1e999}}}}]", ["flow.yaml:2:51: step 'a', input 'n': the number is inf, which JSON does not have; use null or a text"]),
        (f"name: a\nsteps: [{STEP}, maxRetries: -1}}]", ["flow.yaml:2:51: step 'a', maxRetries: expected a whole number from 0 to 1,000,000, found the number -1"]),
        (f"name: a\nsteps: [{STEP}, maxRetries: '3'}}]", ["flow.yaml:2:51: step 'a', maxRetries: expected a whole number from 0 to 1,000,000, found the text '3'"]),
        (f"name: a\nsteps: [{STEP}, retryDelay: 3}}]", ["flow.yaml:2:51: step 'a': 'retryDelay' means nothing without 'maxRetries'"]),
        (f"name: a\nsteps: [{STEP}, timeout: 0}}]", ["flow.yaml:2:48: step 'a': nothing is done in no time"]),
        (f"name: a\nsteps: [{STEP}, timeout: -5}}]", ["flow.yaml:2:48: step 'a', timeout: expected a number of seconds, or a duration such as 500ms, 5s or 1m30s, found the number -5"]),
        (f"name: a\nsteps: [{STEP}, timeout: 5 s}}]", ["flow.yaml:2:48: step 'a', timeout: '5 s': a duration is written without spaces, such as 500ms, 2s, 1m30s, 1h or 7d"]),
        (f"name: a\nsteps: [{STEP}, timeout: 1e30}}]", ["flow.yaml:2:48: step 'a', timeout: expected at most 315360000 seconds"]),
        (f"name: a\nsteps: [{STEP}, onSuccess: b}}]", ["flow.yaml:2:50: step 'a', onSuccess: there is no step 'b' (there are a)"]),
        (f"name: a\nsteps: [{STEP}, onFailure: aa}}]", ["flow.yaml:2:50: step 'a', onFailure: there is no step 'aa'; did you mean a? (there are a)"]),
        (f"name: a\nsteps: [{STEP}, onSuccess: [a]}}]", ["flow.yaml:2:50: step 'a', onSuccess: expected the id of a step, or {condition, then, else}, found a list"]),
        (f"name: a\nsteps: [{STEP}, onSuccess: {{then: b}}}}]", ["flow.yaml:2:50: step 'a', onSuccess: 'condition' is missing", "flow.yaml:2:57: step 'a', onSuccess.then: there is no step 'b' (there are a)"]),
        (f"name: a\nsteps: [{STEP}, onSuccess: {{condition: true, than: a, else: null}}}}]", ["flow.yaml:2:50: step 'a', onSuccess: 'then' is missing", "flow.yaml:2:68: step 'a', onSuccess: unknown key 'than'; did you mean 'then'? accepted: condition, then, else"]),
        (f"name: a\nsteps: [{STEP}, onSuccess: {{condition: 5, then: null}}}}]", ["flow.yaml:2:62: step 'a', onSuccess.condition: expected a condition such as \"{{ trigger.force }}\", found the number 5"]),
        (f"name: a\nsteps: [{STEP}}}, {{id: b, module: m, action: x}}]", ["flow.yaml:2:40: step 'b': nothing leads here: name it in an onSuccess or onFailure, or remove it (the first step is 'a'; a step without onSuccess ends the workflow)"]),
        (f"name: a\nsteps: [{STEP}, onSuccess: b, onFailure: b}}, {{id: b, module: m, action: x, onSuccess: a}}]", ["flow.yaml:2:9: step 'a': there is no way out of this cycle ('a', 'b'): let one of its steps lead out, on a condition or on failure"]),
        (f"name: a\nsteps: [{STEP}, onSuccess: b}}, {{id: b, module: m, action: x, onSuccess: b}}]", ["flow.yaml:2:54: step 'b': there is no way out of this cycle ('b'): let one of its steps lead out, on a condition or on failure"]),
        (f"name: a\nsteps: [{STEP}, onSuccess: {{condition: true, then: a, else: b}}}}, {{id: b, module: m, action: x, onSuccess: b}}]", ["flow.yaml:2:88: step 'b': there is no way out of this cycle ('b'): let one of its steps lead out, on a condition or on failure"]),
        (f"name: a\nsteps: [{STEP}, outputs: {{a: string}}}}]", ["flow.yaml:2:48: step 'a', outputs: expected a list of outputs such as {name: plan}, found a mapping"]),
        (f"name: a\nsteps: [{STEP}, outputs: [{{type: strng}}]}}]", ["flow.yaml:2:49: step 'a', outputs[0]: 'name' is missing", "flow.yaml:2:56: step 'a', outputs[0]: there is no type 'strng'; did you mean string? (there are string, number, integer, boolean, object, array, any)"]),
        (f"name: a\nsteps: [{STEP}, outputs: [{{name: b}}, {{name: b}}]}}]", ["flow.yaml:2:60: step 'a', outputs[1]: 'b' stands there twice"]),
        (f"name: a\nsteps: [{STEP}, outputs: [{{name: b, type: string, items: string}}]}}]", ["flow.yaml:2:80: step 'a', output 'b': 'items' is for the type array, this is string"]),
        (f"name: a\nsteps: [{STEP}, outputs: [{{name: b, type: object, properties: [c]}}]}}]", ["flow.yaml:2:85: step 'a', output 'b': expected properties by name, {passed: boolean}, found a list"]),
        (f"name: a\nsteps: [{STEP}, outputs: [{{name: b, type: object, properties: {{c: {{typ: string}}}}}}]}}]", ["flow.yaml:2:90: step 'a', output 'b', c: unknown key 'typ'; did you mean 'type'? accepted: type, description, enum, items, properties, unit"]),
        (f"name: a\nsteps: [{STEP}, outputs: [{{name: b, type: boolean, enum: [true]}}]}}]", ["flow.yaml:2:80: step 'a', output 'b': 'enum' is for texts and numbers"]),
        (f"name: a\nsteps: [{STEP}, outputs: [{{name: b, type: string, enum: [a, 1, a]}}]}}]", ["flow.yaml:2:83: step 'a', output 'b', enum: expected a text, found the number 1", "flow.yaml:2:86: step 'a', output 'b', enum: 'a' stands there twice"]),
        (f"name: a\nsteps: [{STEP}, outputs: [{{name: b, type: string, enum: []}}]}}]", ["flow.yaml:2:79: step 'a', output 'b', enum: expected at least one value"]),
        (f"name: a\ntriggers: cli\nsteps: [{STEP}}}]", ["flow.yaml:2:11: triggers: expected a list of triggers, found the text 'cli'"]),
        (f"name: a\ntriggers: [cli]\nsteps: [{STEP}}}]", ["flow.yaml:2:12: triggers[0]: expected a trigger such as {type: cli, params: […]}, found the text 'cli'"]),
        (f"name: a\ntriggers: [{{type: clii}}, {{}}]\nsteps: [{STEP}}}]", ["flow.yaml:2:12: triggers[0]: there is no trigger 'clii'; did you mean cli? (there are cli, manual, event, schedule, webhook)", "flow.yaml:2:26: triggers[1]: 'type' is missing"]),
        (f"name: a\ntriggers: [{{type: cli, comand: x}}]\nsteps: [{STEP}}}]", ["flow.yaml:2:24: triggers[0]: unknown key 'comand'; did you mean 'command'? accepted: type, command, description, params"]),
        (f"name: a\ntriggers: [{{type: cli, params: [{{name: p, type: number, default: x}}]}}]\nsteps: [{STEP}}}]", ["flow.yaml:2:66: the parameter 'p': default: expected a number or null, found a text ('x')"]),
        (f"name: a\ntriggers: [{{type: cli, params: [{{name: p, default: 1, required: true}}, {{type: string}}]}}]\nsteps: [{STEP}}}]", ["flow.yaml:2:52: the parameter 'p': a required parameter is always given, so it needs no default", "flow.yaml:2:72: triggers[0].params[1]: 'name' is missing"]),
        (f"name: a\ntriggers: [{{type: cli, params: [{{name: p, required: 1}}]}}]\nsteps: [{STEP}}}]", ["flow.yaml:2:53: the parameter 'p', required: expected true or false, found the number 1"]),
        (f"name: a\ntriggers: [{{type: cli, params: [{{name: p, type: string}}]}}, {{type: manual, params: [{{name: p}}]}}]\nsteps: [{STEP}}}]", ["flow.yaml:2:84: the parameter 'p': it is declared twice, and not the same way"]),
    ],
)  # fmt: skip
def test_faults_have_their_place(text: str, expected: list[str]) -> None:
    assert faults(text) == expected


def test_all_faults_come_at_once_in_order() -> None:
    found = faults(
        """\
        name: flow
        steps:
          - id: a
            module: m
            action: x
            inputs: {message: "{{ nope }}"}
            onSuccess: {condition: "{{ steps.b.outputs", then: c}
          - {id: a, module: m}
        """
    )
    assert [line.split(": ")[0] for line in found] == [
        "flow.yaml:6:27",
        "flow.yaml:7:38",
        "flow.yaml:7:56",
        "flow.yaml:8:5",
        "flow.yaml:8:10",
    ]


def test_reading_stops_after_very_many_faults() -> None:
    lines = "\n".join(f"  - {{id: s{n}, module: m}}" for n in range(150))
    found = faults(f"name: a\nsteps:\n{lines}\n")
    assert len(found) == 101
    assert any("reading stops here, after 100 faults" in line for line in found)


def test_too_many_steps_are_refused() -> None:
    many = ", ".join(["{}"] * 10_001)
    (found,) = [f for f in faults(f"name: a\nsteps: [{many}]") if "too many" in f]
    assert "10,001 are too many; up to 10,000" in found


@pytest.mark.parametrize(
    "scalar",
    [
        "'{{ nope }}'",
        '"{{ nope }}"',
        "'it''s {{ nope }}'",
        r'"\u00e9\n\"x\x41\U0001F600 {{ nope }}"',
        "say {{ nope }}",
        "|\n        first\n        and {{ nope }}",
        "|-\n\n        {{ nope }} then",
        "[a, 'b {{ nope }}']",
        "{k: ['{{ nope }}']}",
    ],
)
def test_a_fault_in_a_template_has_its_line_and_column(scalar: str) -> None:
    text = f"name: a\nsteps:\n  - id: a\n    inputs:\n      message: {scalar}\n    module: m\n    action: x\n"  # fmt: skip
    before = text[: text.index("nope")]
    (fault,) = members(text)
    assert "there is no 'nope'" in fault.message
    assert (fault.line, fault.column) == (
        before.count("\n") + 1,
        len(before) - before.rfind("\n"),
    )


@pytest.mark.parametrize(
    "scalar",
    [
        ">\n        folded\n        {{ nope }}",
        '"two\n        lines {{ nope }}"',
        "two\n        lines {{ nope }}",
        "|\n        \n        {{ nope",
    ],
)
def test_where_it_cannot_be_told_the_text_has_one(scalar: str) -> None:
    text = f"name: a\nsteps:\n  - id: a\n    inputs:\n      message: {scalar}\n    module: m\n    action: x\n"  # fmt: skip
    (fault,) = members(text)
    assert fault.line is not None
    assert fault.line >= 5


def members(text: str) -> tuple[DefinitionError, ...]:
    with pytest.raises(DefinitionErrors) as caught:
        read_steps(text)
    return caught.value.faults


def test_what_the_compiler_finds_has_its_place_too() -> None:
    """An expression that is too long only shows when it is compiled."""
    long = " && ".join(["trigger.count > 1"] * 90)
    found = steps(
        "{id: a, module: m, action: x, onSuccess: {condition: '" + long + "', then: b}}",
        "{id: b, module: m, action: x}",
    )
    with pytest.raises(DefinitionErrors) as caught:
        compiled(found)
    (fault,) = caught.value.faults
    assert fault.line == 3
    assert "4,000 characters" in fault.message


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ("proposals: '{{ steps.decide.outputs }}'", "what there is to choose from stands in the file"),
        ("proposals: yes", "expected a list of proposals"),
        ("proposals: [{label: x}]", "'id' is missing"),
        ("proposals: [a, a]", "'a' stands there twice"),
        ("proposals: [5]", "expected the id of a proposal, found the number 5"),
        ("proposals: [{id: '{{ trigger.x }}'}]", "the id of a proposal has no templates"),
        ("title: [a]", "expected a text, found a list"),
    ],
)  # fmt: skip
def test_faults_of_decisions(inputs: str, expected: str) -> None:
    (found,) = faults(
        f"name: a\nsteps: [{{id: decide, module: system, action: wait-for-decision, "
        f"inputs: {{{inputs}}}}}]"
    )
    assert expected in found
    assert found.startswith("flow.yaml:2:")


def test_a_decision_has_no_timeout_and_gives_a_decision() -> None:
    found = faults(
        "name: a\nsteps: [{id: d, module: system, action: wait-for-decision, timeout: 5, "
        "outputs: [{name: choice}]}]"
    )
    assert "a decision waits as long as it takes" in found[0]
    assert "its outputs are decision, decisionId" in found[1]


@given(st.text(st.characters(codec="utf-8"), max_size=80))
def test_any_text_is_a_workflow_or_a_definition_error(text: str) -> None:
    for content in (text, f"name: a\nsteps:\n  - {text}", SIMPLE.replace("Hello", text)):
        try:
            read_steps(content)
        except DefinitionError:
            continue


# ── laws of the flow ─────────────────────────────────────────────────────────────────────────

graphs = st.dictionaries(
    st.sampled_from("abcdefg"),
    st.tuples(
        st.one_of(st.none(), st.sampled_from("abcdefg")),
        st.one_of(st.none(), st.sampled_from("abcdefg")),
        st.one_of(st.none(), st.none(), st.just(2)),
    ),
    min_size=1,
)


def drawn(graph: dict[str, tuple[str | None, str | None, int | None]]) -> dict[str, Step]:
    """Steps of a graph; ways to those that there are not lead to the end."""
    return {
        name: Step(
            at,
            name,
            success=success if success in graph else None,
            failure=failure if failure in graph else None,
            retries=retries,
        )
        for at, (name, (success, failure, retries)) in enumerate(graph.items())
    }


def round_trips(steps: dict[str, Step], without: set[str]) -> set[frozenset[str]]:
    """The cycles' components, found the slow way: by what reaches what."""

    def ahead(name: str) -> set[str]:
        return closure(
            [w for w in steps[name].ways() if w and w not in without],
            lambda n: [w for w in steps[n].ways() if w and w not in without],
        )

    reach = {name: ahead(name) for name in steps if name not in without}
    return {
        frozenset(b for b in reach if b in reach[a] and a in reach[b])
        for a in reach
        if a in reach[a]
    }


@given(graphs)
def test_cycles_are_what_leads_round(graph: Any) -> None:
    found = drawn(graph)
    assert {frozenset(c) for c in circles_among(found, set(found))} == round_trips(found, set())


@given(graphs)
def test_without_limited_steps_there_is_no_cycle(graph: Any) -> None:
    found = drawn(graph)
    limits = start_limits(found)
    assert not round_trips(found, set(limits))
    for name, (starts, asked) in limits.items():
        assert (starts, asked) == ((3, True) if found[name].retries else (MAX_STARTS, False))
        # A step is limited for a cycle only if it is on one without steps that ask for it.
        others = {n for n, step in found.items() if step.retries is not None}
        assert asked or any(name in cycle for cycle in round_trips(found, others))


# ── the JSON Schema ──────────────────────────────────────────────────────────────────────────

SCHEMA = steps_schema()


def accepted(document: Any) -> bool:
    return bool(jsonschema_rs.validator_for(SCHEMA).is_valid(document))


def test_the_schema_is_the_one_that_ships(repository: Path) -> None:
    path = repository / "schema" / "jsonschema" / "steps.json"
    assert jsonschema_rs.meta.is_valid(SCHEMA)
    assert json.loads(path.read_text()) == SCHEMA


def test_the_schema_knows_every_key() -> None:
    text = json.dumps(SCHEMA)
    for keys in KEYS.values():
        for key in keys:
            assert f'"{key}"' in text, key


@pytest.mark.parametrize("text", [SIMPLE, DECISION])
def test_the_schema_accepts_what_is_read(text: str) -> None:
    assert accepted(plain(load_yaml(text)))


@pytest.mark.parametrize(
    "change",
    [
        {"steps": []},
        {"steps": [{"id": "a", "module": "m"}]},
        {"steps": [{"id": "a b", "module": "m", "action": "x"}]},
        {"steps": [{"id": "a", "module": "m", "action": "x", "onSuccess": {"then": "a"}}]},
        {"steps": [{"id": "a", "module": "m", "action": "x", "maxRetries": -1}]},
        {"steps": [{"id": "a", "module": "m", "action": "x", "timeout": "5 s"}]},
        {"steps": [{"id": "a", "module": "m", "action": "x", "extra": 1}]},
        {"steps": [{"id": "a", "module": "m", "action": "x", "outputs": [{"type": "text"}]}]},
        {"triggers": [{"type": "nobody"}]},
        {"triggers": [{"type": "cli", "comand": "x"}]},
        {"triggers": [{"type": "cli", "params": [{"name": "p", "type": "text"}]}]},
        {"name": ""},
        {"author": "x"},
    ],
)
def test_the_schema_refuses_what_is_refused(change: dict[str, Any]) -> None:
    document = {**plain(load_yaml(SIMPLE)), **change}
    assert not accepted(document)
    with pytest.raises(DefinitionError):
        read_steps(json.dumps(document))


def test_the_schema_accepts_the_corpus(corpus: Path) -> None:
    for path in sorted((corpus / "steps").glob("*.yaml")):
        assert accepted(plain(load_yaml(path.read_text()))), path

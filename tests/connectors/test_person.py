from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.connectors.person import PersonConnector, decision, form_schema
from weft.schema.datatypes import DataType, declaration_schema
from weft.schema.errors import DefinitionErrors, UsageError
from weft.schema.jsonvalue import JsonValue

DECIDE: JsonValue = {"title": "Checks failed. Go on?", "choices": ["ship", "stop"]}
APPROVE: JsonValue = {
    "title": "Approve the order",
    "text": "Look at the amount.",
    "role": "clerks",
    "choices": ["yes", "no"],
    "form": {
        "amount": {"type": "number", "description": "In EUR", "required": True},
        "note": "string",
        "tags": {"type": "array", "items": "string", "required": True},
        "grade": {"type": "string", "enum": ["a", "b"], "nullable": True},
        "free": "any",
    },
}
GOOD: JsonValue = {"choice": "yes", "amount": 9.5, "tags": ["x"], "grade": None}


def faults(config: JsonValue) -> dict[str, str]:
    with pytest.raises(DefinitionErrors) as caught:
        PersonConnector().bind("decide", config, origin=None)
    return {".".join(map(str, e.path)): e.message for e in caught.value.exceptions}  # type: ignore[attr-defined]


def check(config: JsonValue, answer: JsonValue) -> list[str]:
    return PersonConnector().check_answer(config, answer)


def test_nothing_is_performed() -> None:
    assert not PersonConnector.automatic
    assert PersonConnector.kind == "person"
    for config in ("Sign here", DECIDE, APPROVE):
        assert PersonConnector().bind("decide", config, origin=None, inputs=["a"]) is None


def test_the_role_and_the_type_of_the_answer() -> None:
    person = PersonConnector()
    assert person.role(APPROVE) == "clerks"
    assert person.role("Sign here") is None
    assert person.result_type("Sign here") == DataType()
    assert person.result_type(DECIDE) == DataType(
        "object",
        fields={"choice": DataType("string", enum=("ship", "stop"))},
        required=frozenset({"choice"}),
    )


@pytest.mark.parametrize(
    ("config", "path", "message"),
    [
        (5, "", "must be a title, or a mapping with 'title'; not the number 5"),
        ("", "title", "must be a text, not an empty one"),
        ({}, "", "'title' is missing"),
        ({"titel": "x"}, "titel", "did you mean 'title'?"),
        ({"title": "x", "choices": "a"}, "choices", "must be a list of texts"),
        ({"title": "x", "choices": []}, "choices", "not an empty one"),
        ({"title": "x", "choices": ["a", "b", "a"]}, "choices.2", '"a" is in the list already'),
        ({"title": "x", "choices": ["a", 1]}, "choices.1", "must be a text"),
        ({"title": "x", "role": 1}, "role", "must be a text"),
        ({"title": "x", "form": ["a"]}, "form", "must be a mapping of fields to their types"),
        ({"title": "x", "form": {"a": "txt"}}, "form.a", "type"),
        ({"title": "x", "form": {}}, "form", "must be a mapping of fields to their types"),
        ({"title": "x", "form": {"a": {"type": "string", "items": "any"}}}, "form.a.items", "arr"),
        ({"title": "x", "form": {"a": {"typ": "string"}}}, "form.a.typ", "'type'"),
        (
            {"title": "x", "choices": ["a"], "form": {"choice": "string"}},
            "form.choice",
            "which is where the choice goes",
        ),
    ],
)
def test_a_wrong_configuration_says_what_is_accepted(
    config: JsonValue, path: str, message: str
) -> None:
    assert message in faults(config)[path]


def test_an_answer_that_fits_has_no_faults() -> None:
    assert check(APPROVE, GOOD) == []
    assert check(DECIDE, {"choice": "stop"}) == []


@given(st.none() | st.integers() | st.text() | st.lists(st.integers()))
def test_without_choices_and_form_anything_is_an_answer(answer: JsonValue) -> None:
    assert check("Sign here", answer) == []


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("ship", "answer: expected an object with choice, found a text ('ship')"),
        ({}, "answer: the field 'choice' is missing; it is one of 'ship', 'stop'"),
        ({"choice": "shipp"}, "answer.choice: expected one of 'ship', 'stop', found a text"),
        ({"choice": "ship", "chioce": 1}, "answer: the field 'chioce' is not declared"),
    ],
)
def test_a_fault_of_an_answer_says_what_is_accepted(answer: JsonValue, message: str) -> None:
    (fault,) = check(DECIDE, answer)
    assert fault.startswith(message)


def test_every_fault_of_an_answer_is_told() -> None:
    found = check(APPROVE, {"choice": "ship", "amount": "9", "free": 1, "more": 1})
    assert [fault.partition(": ")[0] for fault in found] == [
        *("answer.choice", "answer.amount", "answer", "answer")
    ]
    assert check({"title": "x", "form": {"a": "string"}}, {}) == []


def test_a_form_is_json_schema() -> None:
    assert form_schema("Sign here") == {"title": "Sign here"}
    schema = PersonConnector().form_schema(APPROVE)
    assert schema["title"] == "Approve the order"
    assert schema["description"] == "Look at the amount."
    assert schema["required"] == ["choice", "amount", "tags"]
    assert isinstance(schema["properties"], dict)
    assert next(iter(schema["properties"])) == "choice"
    assert schema["properties"]["choice"] == {"type": "string", "enum": ["yes", "no"]}
    assert schema["properties"]["amount"] == {"type": "number", "description": "In EUR"}


answers = st.fixed_dictionaries(
    {},
    optional={
        "choice": st.sampled_from(["yes", "no", "maybe", 1]),
        "amount": st.sampled_from([1, 1.5, "1", True, None]),
        "note": st.sampled_from(["x", None, 1]),
        "tags": st.sampled_from([[], ["a"], [1], "a"]),
        "grade": st.sampled_from(["a", "c", None]),
        "free": st.sampled_from([None, 1]),
        "more": st.just(1),
    },
)


@given(answers)
def test_the_form_and_the_check_agree(answer: dict[str, JsonValue]) -> None:
    schema = jsonschema_rs.validator_for(form_schema(APPROVE))
    assert schema.is_valid(answer) == (check(APPROVE, answer) == [])


def test_a_decision_is_an_answer_with_a_choice() -> None:
    assert decision(DECIDE, "ship") == {"choice": "ship"}
    assert PersonConnector().decision(DECIDE, "stop") == {"choice": "stop"}
    note: JsonValue = {
        "title": "x",
        "choices": ["a"],
        "form": {"note": "string"},
    }
    assert decision(note, "a") == {"choice": "a"}


@pytest.mark.parametrize(
    ("config", "choice", "message"),
    [
        (DECIDE, "shipp", "'shipp' is none of the choices of .*did you mean 'ship'.*: ship, stop"),
        ("Sign here", "ship", "'Sign here' offers no choices to decide for"),
        (APPROVE, "yes", "asks for more than a choice: .*'amount' is missing.*'tags' is missing"),
    ],
)
def test_a_decision_that_is_none(config: JsonValue, choice: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        decision(config, choice)
    assert caught.value.code == "choice"


def test_the_json_schema_agrees_with_what_is_accepted() -> None:
    schema = jsonschema_rs.validator_for(
        {"$defs": {"variable": declaration_schema()}, **PersonConnector().json_schema()}
    )
    for config in ("Sign here", DECIDE, APPROVE):
        assert schema.is_valid(config)
    bad: list[JsonValue] = [5, "", {}, {"titel": "x"}, {"title": "x", "choices": []}]
    bad += [{"title": "x", "choices": ["a", "a"]}, {"title": "x", "form": {"a": "strin"}}]
    for config in bad:
        assert faults(config)
        assert not schema.is_valid(config), config


async def test_there_is_nothing_to_close() -> None:
    await PersonConnector().aclose()


def test_proposals_say_more_than_the_word_that_is_chosen() -> None:
    config: Any = {
        "title": "T",
        "choices": ["stop", {"id": "go", "label": "Go on", "description": "as planned"}],
    }
    schema: Any = form_schema(config)
    choice = schema["properties"]["choice"]
    assert choice["enum"] == ["stop", "go"]
    assert choice["oneOf"] == [
        {"const": "stop", "title": "stop"},
        {"const": "go", "title": "Go on", "description": "as planned"},
    ]
    assert decision(config, "go") == {"choice": "go"}
    assert PersonConnector().check_answer(config, {"choice": "Go on"})


@pytest.mark.parametrize(
    ("choices", "part"),
    [
        ([{"label": "x"}], "'id' is missing"),
        ([{"id": 5}], "must be"),
        ([{"id": "a", "name": "b"}], "unknown key 'name'"),
        (["a", {"id": "a"}], "in the list already"),
        ([], "not an empty one"),
        ("a", "a list of texts"),
    ],
)
def test_proposals_that_are_none(choices: Any, part: str) -> None:
    with pytest.raises(DefinitionErrors, match=part):
        form_schema({"title": "T", "choices": choices})

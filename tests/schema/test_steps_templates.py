"""Templates and conditions: what they mean, and what is told of those that mean nothing."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.engine.expressions import compile_expression
from weft.schema.steps_templates import FACTS, Known, TemplateFault, cel, condition, value

DATA: dict[str, Any] = {
    "trigger": {"name": "Ada", "count": 3, "none": None, "list": [1, {"a": "b"}], "yes": True},
    "steps": {
        "find-version": {
            "status": "completed",
            "outputs": {"found": True, "tag": "v1", "zero": 0, "empty": "", "half": 0.5},
        },
        "a.b": {"status": "failed", "outputs": None},
    },
    "workflow": {"executionId": "case-1", "cwd": "/here", "started": 1.5, "now": 4.0,
                 "startedAt": "2026-01-01T00:00:00+00:00"},
    "error": {"message": "it broke", "task": "build", "code": "raised"},
}  # fmt: skip
STEPS = ("find-version", "a.b", "a", "never", "find")


def known(**more: Any) -> Known:
    return Known(
        steps=STEPS,
        parameters={"priority": "medium", "name": None},
        name="Build it",
        version="1.2",
        **{"handles": True, **more},
    )


def filled(content: Any, **more: Any) -> Any:
    """The value of an input over the data above."""
    expression = value(content, known(**more), step="here", name="message")
    return content if expression is None else compile_expression(expression).evaluate(DATA)


def holds(text: str, **more: Any) -> bool:
    return compile_expression(condition(text, known(**more), step="here")).test(DATA)


# ── values ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("", ""),
        ('it\'s \\ \n\t\x07 "quoted" 😀', 'it\'s \\ \n\t\x07 "quoted" 😀'),
        ("}} alone", "}} alone"),
        ("{ {x} }", "{ {x} }"),
        ("{{ trigger.name }}", "Ada"),
        ("{{trigger.count}}", 3),
        ("{{ trigger.list }}", [1, {"a": "b"}]),
        ("{{ trigger.list[1].a }}", "b"),
        ("{{ trigger.list.1['a'] }}", "b"),
        ("{{ trigger['name'] }}", "Ada"),
        ("{{ trigger?.name }}", "Ada"),
        ("{{ trigger }}", DATA["trigger"]),
        ("{{ trigger.missing }}", None),
        ("{{ trigger.missing.deeper[0].still }}", None),
        ("{{ trigger.name.first }}", None),
        ("{{ trigger.priority }}", "medium"),
        ("{{ trigger.priority.x }}", None),
        ("{{ steps.find-version.outputs.found }}", True),
        ("{{ steps.find-version.outputs.half }}", 0.5),
        ("{{ steps.find-version.outputs }}", DATA["steps"]["find-version"]["outputs"]),
        ("{{ steps.find-version }}", DATA["steps"]["find-version"]),
        ("{{ steps.find-version.status }}", "completed"),
        ("{{ steps.a.b.status }}", "failed"),
        ("{{ steps['a.b'].status }}", "failed"),
        ("{{ steps.a.outputs.b }}", None),
        ("{{ steps.never.outputs.x.y }}", None),
        ("{{ steps }}", DATA["steps"]),
        ("{{ workflow.executionId }}", "case-1"),
        ("{{ workflow.cwd }}", "/here"),
        ("{{ workflow.duration }}", 2.5),
        ("{{ workflow.startedAt }}", "2026-01-01T00:00:00+00:00"),
        ("{{ workflow.error }}", DATA["error"]),
        ("{{ workflow.error.code }}", "raised"),
        ("{{ workflow.status }}", "failed"),
        ("{{ workflow.currentStep }}", "build"),
        ("{{ workflow.state }}", DATA["steps"]),
        ("{{ workflow.name }}", "Build it"),
        ("{{ workflow.version }}", "1.2"),
        ("{{ 'text' }}", "text"),
        ('{{ "it\'s" }}', "it's"),
        ("{{ '{{ not one }}' }}", "{{ not one }}"),
        (r"{{ 'a\n\'\\\x41\u0042\u{1F600}\q' }}", "a\n'\\AB😀q"),
        ("{{ -1.5e1 }}", -15.0),
        ("{{ 12 }}", 12),
        ("{{ true }}", True),
        ("{{ null }}", None),
        ("{{ undefined }}", None),
    ],
)
def test_one_template_keeps_its_type(text: str, expected: Any) -> None:
    found = filled(text)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, {{ trigger.name }}!", "Hello, Ada!"),
        ("{{ trigger.name }} {{ trigger.count }}", "Ada 3"),
        ("{{ trigger.missing }}.", "."),
        (" {{ trigger.count }}", " 3"),
        (
            "yes: {{ trigger.yes }}, half: {{ steps.find-version.outputs.half }}",
            "yes: true, half: 0.5",
        ),
        ("{{ trigger.list }}!", '[1, {"a": "b"}]!'),
        ("failed: {{ workflow.error }}", "failed: it broke"),
        ("{{ '}}' }} {{ 'b' }}", "}} b"),
    ],
)
def test_templates_in_a_text_are_filled_in_as_text(text: str, expected: str) -> None:
    assert filled(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ trigger.missing || 'default' }}", "default"),
        ("{{ trigger.name || 'default' }}", "Ada"),
        ("{{ trigger.none || 7 }}", 7),
        ("{{ steps.find-version.outputs.zero || 9 }}", 0),
        ("{{ steps.find-version.outputs.empty || 'x' }}", ""),
        ("{{ trigger.none || trigger.missing || trigger.count }}", 3),
        ("{{ (trigger.none || trigger.missing) || 'x' }}", "x"),
        ("{{ trigger.none || trigger.missing }}", None),
        ("{{ trigger.count > 2 || 'never' }}", True),
        ("{{ trigger.missing > 2 || 'never' }}", False),
        ("{{ trigger.name && trigger.count }}", True),
        ("{{ !trigger.name }}", False),
        ("{{ !!trigger.count }}", True),
        ("{{ trigger.count === 3 }}", True),
    ],
)
def test_or_takes_the_place_of_null_in_a_value(text: str, expected: Any) -> None:
    found = filled(text)
    assert found == expected
    assert type(found) is type(expected)


def test_lists_and_objects_are_filled_in_at_any_depth() -> None:
    content = {
        "a": ["{{ trigger.count }}", "x {{ trigger.name }}", 1, None, True, 0.5],
        "b 'c'": {"d": "e"},
    }
    assert filled(content) == {"a": [3, "x Ada", 1, None, True, 0.5], "b 'c'": {"d": "e"}}


@pytest.mark.parametrize("content", [1, None, True, 0.5, ["a"], {"a": ["b"]}])
def test_what_has_no_templates_stays_as_it_is(content: Any) -> None:
    assert value(content, known(), step="here", name="x") is None


def test_without_a_handler_there_is_no_error() -> None:
    assert filled("{{ workflow.error }}", handles=False) is None
    assert filled("error: {{ workflow.error }}", handles=False) == "error: "
    assert filled("{{ workflow.status }}", handles=False) == "running"
    assert filled("{{ workflow.currentStep }}", handles=False) == "here"
    expression = value(
        "{{ workflow.status }}{{ workflow.currentStep }}", known(), step="x", name="y"
    )
    assert expression is not None
    assert compile_expression(expression).evaluate({**DATA, "error": None}) == "runningx"


def test_an_error_of_a_limit_names_the_step() -> None:
    expression = value("{{ workflow.currentStep }}", known(), step="x", name="y")
    assert expression is not None
    error = {"task": "build-limit", "step": "build"}
    assert compile_expression(expression).evaluate({"error": error}) == "build"


def test_long_texts_are_kept_beside_their_expression() -> None:
    """An expression has up to 4,000 characters; a prompt may have more."""
    words = known()
    text = "x" * 5000 + "{{ trigger.name }}" + "y" * 5000 + "{{ trigger.count }} z"
    expression = value([text, "x" * 300], words, step="here", name="prompt")
    assert expression is not None
    assert set(words.texts) == {"here.prompt.1", "here.prompt.2", "here.prompt.3"}
    data = {**DATA, "texts": dict(words.texts)}
    filled_in = compile_expression(expression).evaluate(data)
    assert filled_in == ["x" * 5000 + "Ada" + "y" * 5000 + "3 z", "x" * 300]


def test_many_templates_in_a_text() -> None:
    text = "{{ trigger.name }},"
    assert filled(text * 60) == "Ada," * 60


# ── conditions ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ steps.find-version.outputs.found }}", True),
        ("{{ steps.find-version.outputs.zero }}", False),
        ("{{ steps.find-version.outputs.empty }}", False),
        ("{{ steps.find-version.outputs.missing }}", False),
        ("{{ trigger.list }}", True),
        ("{{ trigger.none }}", False),
        ("{{ trigger.name }} === 'Ada'", True),
        ("{{ trigger.name }} == 'Ada'", True),
        ("{{ trigger.name }} !== 'Ada'", False),
        ("{{ trigger.name }} != 'Bob'", True),
        ("{{ trigger.name === 'Ada' }}", True),
        ("trigger.name === 'Ada'", True),
        ("{{ trigger.count >= 3 }}", True),
        ("{{ trigger.count }} >= 3.5", False),
        ("{{ trigger.count }} <= 3", True),
        ("{{ trigger.count }} < 3", False),
        ("{{ trigger.count > -1 }}", True),
        ("3 > {{ trigger.count }}", False),
        ("{{ trigger.missing > 0 }}", False),
        ("{{ trigger.missing <= 0 }}", False),
        ("{{ 0 < trigger.missing }}", False),
        ("{{ trigger.missing }} === null", True),
        ("{{ trigger.missing }} === undefined", True),
        ("{{ trigger.missing }} === ''", False),
        ("{{ trigger.count }} === '3'", False),
        ("{{ trigger.name }} === 'Ada' && {{ trigger.count }} === 3", True),
        ("{{ trigger.name }} === 'Bob' || {{ trigger.count }} === 3", True),
        ("{{ trigger.name }} === 'Bob' || {{ trigger.none }}", False),
        ("{{ trigger.missing || trigger.name }}", True),
        ("{{ trigger.missing || trigger.none }}", False),
        ("{{ trigger.zero || 'x' }}", True),
        ("{{ trigger.missing || 'skip' }} === 'skip'", True),
        ("({{ trigger.none }} || 'a') === 'a' && !{{ trigger.none }}", True),
        ("!({{ trigger.name }} === 'Ada')", False),
        ("!{{ trigger.missing }} && true", True),
        ("!!trigger.name", True),
        ("!'' || false", True),
        ("{{ trigger.name }} === 'Bob' || {{ trigger.yes }} && {{ trigger.missing }}", False),
        ("({{ trigger.yes }} || {{ trigger.no }}) && {{ trigger.missing }}", False),
        ("{{ trigger.yes || trigger.no && trigger.missing }}", True),
        ("{{ trigger.yes }} === (trigger.count === 3)", True),
        ("null === {{ trigger.none }}", True),
        ("true", True),
        ("0", False),
        ("'a'", True),
    ],
)
def test_conditions(text: str, expected: bool) -> None:
    assert holds(text) is expected


def test_what_was_used_is_noted() -> None:
    words = known()
    condition("{{ workflow.cwd }} === steps.a.status && workflow.state", words, step="x")
    value("{{ steps.find.status }}{{ steps.never.outputs.status }}", words, step="x", name="y")
    assert words.facts == {"cwd", "state"}
    assert words.statuses == {"a", "find"}


# ── faults ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("a {{ trigger.x", 2, "the template that starts here has no closing '}}'"),
        ("{{ }}", 3, "the expression ends where a value is expected"),
        ("{{ trigger.x y }}", 13, "expected an operator or the closing '}}', found 'y'"),
        ("{{ trigger.x and 1 }}", 13, "found 'and'; write &&"),
        ("{{ not trigger.x }}", 3, "found 'not'; write !"),
        ("{{ trigger.x = 1 }}", 13, "found '='; write ==="),
        ("{{ trigger.x ?? 1 }}", 13, "found '??'; write ||"),
        ("{{ trigger.x ? 1 : 2 }}", 13, "found '?'; write a condition in onSuccess"),
        ("{{ trigger.x | upper }}", 13, "found '|'; write ||, and there are no filters"),
        ("{{ trigger.x + 1 }}", 13, "found '+'; write an action that computes it"),
        ("{{ trigger.f(1) }}", 12, "there are no functions; use an action"),
        ("{{ (trigger.x }}", 14, "where an operator or the closing ')' is expected"),
        ("{{ trigger.x) }}", 12, "found ')'"),
        ("{{ {{ trigger.x }} }}", 3, "expected a value, found '{{'"),
        ("{{ trigger. }}", 12, "expected"),
        ("{{ trigger[x] }}", 11, "an index or a key in quotes"),
        ("{{ trigger['x' }}", 15, "']'"),
        ("{{ 'open }}", 3, "the text that starts here has no closing '"),
        (r"{{ '\ud800' }}", 3, "is no Unicode character"),
        ("{{ 1 < 2 < 3 }}", 9, "comparisons are not chained"),
        ("{{ 1x }}", 3, "expected a value"),
        ("{{ 99999999999999999999 }}", 3, "past the bounds"),
        ("{{ 1e999 }}", 3, "past the bounds"),
        ("{{ step.a.outputs }}", 3, "there is no 'step'; did you mean steps? (there are trigger"),
        ("{{ find-version.outputs }}", 3, "did you mean steps.find-version?"),
        ("{{ priority }}", 3, "did you mean trigger.priority?"),
        ("{{ Ada }}", 3, "a text stands in quotes: 'Ada'"),
        ("{{ steps.find-versoin.outputs.x }}", 9, "there is no step 'find-versoin'; did you mean find-version"),
        ("{{ steps.x.y.outputs.z }}", 9, "there is no step 'x.y'"),
        ("{{ steps['nobody'].status }}", 8, "there is no step 'nobody'"),
        ("{{ steps.[0] }}", 9, "there is no step '0'"),
        ("{{ steps. }}", 10, "where the id of a step is expected"),
        ("{{ steps.a.output.x }}", 11, "the step 'a' has no 'output'; did you mean outputs?"),
        ("{{ workflow.eror }}", 12, "workflow has no 'eror'; did you mean error?"),
        ("{{ workflow }}", 3, "say what about the workflow: workflow.error, workflow.status"),
        ("{{ " + "(" * 13 + "1" + ")" * 13 + " }}", 16, "nested more than 12 deep"),
        ("{{ " + "!" * 13 + "true }}", 16, "nested more than 12 deep"),
    ],
)  # fmt: skip
def test_faults_say_what_and_where(text: str, offset: int, message: str) -> None:
    with pytest.raises(TemplateFault) as caught:
        filled(text)
    assert message in caught.value.message
    assert caught.value.offset == offset


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("{{ trigger.x }} ===", 19, "the expression ends where a value is expected"),
        ("{{ trigger.x }} === 'a' }}", 24, "expected an operator or the end of the condition, found '}}'"),
        ("{{ trigger.x }} === skip", 20, "there is no 'skip'"),
        ("{{ trigger.x === 1", 18, "where an operator or the closing '}}' is expected"),
        ("", 0, "the expression ends where a value is expected"),
        ("{{ trigger.x }} {{ trigger.y }}", 16, "expected an operator or the end of the condition, found '{{'"),
    ],
)  # fmt: skip
def test_faults_of_conditions(text: str, offset: int, message: str) -> None:
    with pytest.raises(TemplateFault) as caught:
        holds(text)
    assert message in caught.value.message
    assert caught.value.offset == offset


def test_a_fault_in_a_list_tells_its_path() -> None:
    with pytest.raises(TemplateFault) as caught:
        value({"a": ["fine", {"b": "{{ x }}"}]}, known(), step="here", name="y")
    assert caught.value.path == ("a", 1, "b")  # type: ignore[attr-defined]


def test_what_grows_out_of_all_proportion_is_refused() -> None:
    operand = f"({' || '.join(['trigger.a'] * 1200)})"
    with pytest.raises(TemplateFault, match="too long"):
        holds(f"{operand} < 1")


def test_of_many_steps_twenty_are_told() -> None:
    many = Known(steps=[f"step-{n}" for n in range(40)])
    with pytest.raises(TemplateFault, match=r"step-19 and 20 more\)"):
        condition("steps.nobody.status", many, step="x")


# ── laws ─────────────────────────────────────────────────────────────────────────────────────

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(json_values)
def test_a_literal_is_itself(literal: Any) -> None:
    found = compile_expression(cel(literal)).evaluate({})
    assert repr(found) == repr(literal)


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_text_is_a_template_or_a_fault(text: str) -> None:
    """Nothing else is raised, and a translated text is an expression that has a value."""
    for content in (text, f"{{{{ {text} }}}}", f"a {{{{ trigger.{text} }}}} b"):
        try:
            filled(content)
        except TemplateFault as fault:
            assert 0 <= fault.offset <= len(content)


paths = st.sampled_from(
    ["trigger.count", "trigger.missing", "trigger.list", "trigger.name", "steps.never.outputs.x"]
    + [f"workflow.{fact}" for fact in FACTS]
)
operands = st.one_of(paths, st.sampled_from(["1", "'Ada'", "null", "true", "-0.5"]))


def combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    signs = st.sampled_from(["===", "!==", "==", "!=", "&&", "||"])
    return st.one_of(
        st.builds("({} {} {})".format, inner, signs, inner),
        st.builds("!({})".format, inner),
        st.builds("({})".format, inner),
    )


@given(st.recursive(operands, combined, max_leaves=6))
def test_a_condition_without_order_never_fails(text: str) -> None:
    assert holds(text) in (True, False)
    braced = "{{ " + text + " }}"
    assert holds(braced) is holds(text)
    assert holds(f"!{braced}") is not holds(text)


@given(paths, st.sampled_from(["<", "<=", ">", ">="]), st.integers(-5, 5))
def test_null_is_neither_more_nor_less(path: str, sign: str, number: int) -> None:
    if filled(f"{{{{ {path} }}}}") is None:
        assert holds(f"{path} {sign} {number}") is False
        assert holds(f"{number} {sign} {path}") is False


def test_numbers_are_finite() -> None:
    assert math.isfinite(filled("{{ 1e308 }}"))

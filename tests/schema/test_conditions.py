"""Conditions of other notations: each is told in CEL, means the same, or is refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest

from weft.engine.expressions import compile_expression
from weft.schema.conditions import Untranslatable, translated


def value(text: str, **data: Any) -> Any:
    found = translated(text)
    assert found.reads <= {*data}
    return compile_expression(found.cel, names=[*data]).evaluate(data)


@pytest.mark.parametrize(
    ("text", "data", "expected"),
    [
        # Java's methods, as JUEL, MVEL and Groovy call them
        ("${!answer.equals('yes')}", {"answer": "no"}, True),
        ('return ("yes".equals(answer));', {"answer": "yes"}, True),
        ("${items.size() > 1 && !items.isEmpty()}", {"items": [1, 2]}, True),
        ("name.startsWith('a') || name.endsWith('z')", {"name": "biz"}, True),
        ("${buyer.getAddress().getCity() == 'Oslo'}", {"buyer": {"address": {"city": "Oslo"}}}, True),
        ("${buyer.getName().equals('Ann')}", {"buyer": {"name": "Ann"}}, True),
        ("#{execution.getVariable('sum') > 5}", {"sum": 6}, True),
        ('return kcontext.getVariable("sum") == 5 && !paid;', {"sum": 5, "paid": False}, True),
        ("sum > 5 && state === 'open'", {"sum": 6, "state": "open"}, True),
        ("state !== 'open'", {"state": "open"}, False),
        ("next(null, this.environment.variables.sum <= 5);", {"sum": 5}, True),
        ("${environment.variables.paid}", {"paid": True}, True),
        ('${order.prop("buyer").prop("name").stringValue() == "Ann"}', {"order": {"buyer": {"name": "Ann"}}}, True),
        ("${score.numberValue() > 5}", {"score": 6}, True),
        # functions of an engine's own
        (" return  KieFunctions.isTrue(paid);", {"paid": True}, True),
        ('KieFunctions.greaterThan(sum, "500")', {"sum": 501}, True),
        ('KieFunctions.between(sum, "1", "5")', {"sum": 3}, True),
        ("${var:gt('sum', 5) && vars:isNotEmpty(name)}", {"sum": 6, "name": "a"}, True),
        ("${variables:get(sum) == 1}", {"sum": 1}, True),
        # FEEL
        ("= is defined(a.b) and a.b > 3", {"a": {"b": 4}}, True),
        ("= is defined(a.b)", {"a": {}}, False),
        ("= not(is empty(xs)) and list contains(xs, 3)", {"xs": [3]}, True),
        ("= string length(name) > 3 and starts with(name, 'J')", {"name": "José"}, True),
        ("= sum between 1 and 5", {"sum": 5}, True),
        ("= sum in (1..5)", {"sum": 5}, False),
        ("= sum in [1..5]", {"sum": 5}, True),
        ("= sum in [1, 5]", {"sum": 5}, True),
        ("= some x in xs satisfies x.n > 3", {"xs": [{"n": 1}, {"n": 4}]}, True),
        ("= every x in xs satisfies x > 3", {"xs": [1, 4]}, False),
        # FEEL: what is compared with null does not hold
        ("= sum > 5", {"sum": None}, False),
        ("= not(sum > 5)", {"sum": None}, False),
        ("= a + b * -c > 5", {"a": 1, "b": None, "c": 1}, False),
        ("= a.b.c > 2 or d", {"a": {}, "d": True}, True),
        ("= count(xs) > 0", {"xs": None}, False),
        ("= sum = null", {"sum": None}, True),
        ("= if sum > 3 then true else false", {"sum": None}, False),
    ],
)  # fmt: skip
def test_a_condition_means_the_same(text: str, data: dict[str, Any], expected: bool) -> None:
    assert value(text, **data) is expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("${bean.check(sum)}", "bean.check() calls code"),
        ("'a'.trim() == b", "is not understood there|trim"),
        ("KieFunctions.weighs(sum)", "the function weighs() has no counterpart"),
        ("var:gt(sum)", "takes 2 argument"),
        ("execution.getVariable(x)", "names no variable"),
        ("x = 1; return x;", "is not understood"),
        ("= some x in xs", "'satisfies' is missing"),
        ("= sum in [1..", "breaks off"),
        ("= some if in xs satisfies true", "cannot be the name"),
        ("names.has-dash.equals(1)", "cannot be the name"),
        ("x.equals(1, 2)", "takes 1 argument"),
    ],
)
def test_what_is_beyond_is_refused_with_a_reason(text: str, why: str) -> None:
    with pytest.raises(Untranslatable) as raised:
        translated(text)
    assert any(each in str(raised.value) for each in why.split("|"))

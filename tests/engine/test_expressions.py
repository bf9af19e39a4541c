"""What expressions promise: values, errors, bounds, and that CEL means the same."""

from __future__ import annotations

import copy
import decimal
import importlib.util
import json
import math
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from weft.engine import expressions
from weft.engine.cel_syntax import MAX_CHAIN, MAX_NESTING, SyntaxFault
from weft.engine.expressions import (
    MAX_ITEMS,
    MAX_PATTERN,
    MAX_WORK,
    Expression,
    ExpressionError,
    compile_expression,
)
from weft.schema.errors import DefinitionError, InternalError, WeftError
from weft.schema.jsonvalue import MAX_INTEGER, MIN_INTEGER

DATA: dict[str, Any] = {
    "n": 5,
    "zero": 0,
    "f": 1.5,
    "t": "text",
    "e": "é😀",
    "yes": True,
    "no": False,
    "nothing": None,
    "l": [1, 2, 3],
    "words": ["ab", "b", "abc"],
    "empty": [],
    "o": {"a": 1, "b": {"c": [10, 20]}, "d-e": "x", "nil": None},
    "orders": [
        {"sku": "a", "price": 2.5, "count": 2},
        {"sku": "b", "price": 1.0, "count": 1, "gift": True},
    ],
    "big": MAX_INTEGER,
    "small": MIN_INTEGER,
}


def evaluate(text: str, data: dict[str, Any] | None = None) -> Any:
    return compile_expression(text).evaluate(DATA if data is None else data)


def same(a: Any, b: Any) -> bool:
    """Equal, with the same classes: 1 is not true, nor 1.0."""
    return json.dumps(a) == json.dumps(b)


# ── the language ─────────────────────────────────────────────────────────────────────────────

PROMISED: dict[str, list[tuple[str, Any]]] = {
    "literals": [
        ("null", None),
        ("true", True),
        ("-7", -7),
        ("0x1F", 31),
        ("-9223372036854775808", MIN_INTEGER),
        ("1.50", 1.5),
        ("1e3", 1000.0),
        ("'a'", "a"),
        (r"'\u00e9'", "é"),
        ("[1, 'a', null,]", [1, "a", None]),
        ("{'b': 1, 'a': [n],}", {"b": 1, "a": [5]}),
        ("{t: 1, t + t: 2}", {"text": 1, "texttext": 2}),
    ],
    "variables and members": [
        ("n", 5),
        ("o.a", 1),
        ("o.b.c[1]", 20),
        ("o['d-e']", "x"),
        ("o[words[0] == 'ab' ? 'a' : 'b']", 1),
        ("l[n - 4]", 2),
        ("{'a': 7}.a", 7),
        ("[7, 8][1]", 8),
        ("o", DATA["o"]),
        ("o.get('b').get('c').get(1)", 20),
        ("o.get('d-e')", "x"),
        ("o.get('z')", None),
        ("o.get('z').get('y').get(0)", None),
        ("t.get('length')", None),
        ("l.get(9)", None),
        ("l.get(-1)", None),
        ("l.get('a')", None),
        ("l.get(true)", None),
    ],
    "has": [
        ("has(o.a)", True),
        ("has(o.z)", False),
        ("has(o.nil)", True),
        ("has(o.z) && o.z > 1", False),
        ("has({'a': 1}.a)", True),
        ("'d-e' in o", True),
    ],
    "equality": [
        ("n == 5", True),
        ("n != 5", False),
        ("1 == 1.0", True),
        ("1 == '1'", False),
        ("1 == true", False),
        ("0 == false", False),
        ("[true] == [1]", False),
        ("[o.b, 1] == [{'c': [10, true]}, 1]", False),
        ("{'a': 1.0} == {'a': 1}", True),
        ("{'a': 1, 'b': 2} == {'b': 2, 'a': 1}", True),
        ("[1, [2]] == [1, [2]]", True),
        ("[1] == [1, 2]", False),
        ("{'a': 1} == {'b': 1}", False),
        ("nothing == null", True),
        ("null == false", False),
        ("'' == null", False),
        ("[] == {}", False),
        ("9007199254740993 == 9007199254740992.0", False),
    ],
    "order": [
        ("1 < 2", True),
        ("1 < 1.5", True),
        ("2.0 >= 2", True),
        ("'a' < 'b'", True),
        ("'Z' < 'a'", True),
        ("'z' < 'é'", True),
        ("false < true", True),
        ("'10' < '9'", True),
    ],
    "arithmetic": [
        ("n + 1", 6),
        ("f * 2.0", 3.0),
        ("7 / 2", 3),
        ("-7 / 2", -3),
        ("7 / -2", -3),
        ("7 % 3", 1),
        ("-7 % 3", -1),
        ("7 % -3", 1),
        ("small % -1", 0),
        ("7.0 / 2.0", 3.5),
        ("0.1 + 0.2", 0.1 + 0.2),
        ("double(n) * f", 7.5),
        ("-n", -5),
        ("--n", 5),
        ("-f", -1.5),
        ("2 + 3 * 4", 14),
        ("10 - 3 - 2", 5),
        ("t + '!'", "text!"),
        ("l + [4]", [1, 2, 3, 4]),
    ],
    "logic": [
        ("yes && no", False),
        ("yes || no", True),
        ("!yes", False),
        ("!!yes", True),
        ("no && unknown == 1", False),
        ("unknown == 1 && no", False),
        ("1 / zero == 1 || yes", True),
        ("yes || 1 / zero == 1", True),
        ("n && no", False),
        ("yes ? 1 : unknown", 1),
        ("no ? unknown : 2", 2),
        ("no ? 1 : yes ? 2 : 3", 2),
    ],
    "in": [
        ("2 in l", True),
        ("2.0 in l", True),
        ("'2' in l", False),
        ("true in l", False),
        ("'a' in o", True),
        ("1 in o", False),
        ("o.b in [o.b]", True),
    ],
    "functions": [
        ("size(t)", 4),
        ("e.size()", 2),
        ("size(l) + size(o)", 7),
        ("size('')", 0),
        ("int('-12')", -12),
        ("int('+5')", 5),
        ("int(1.9)", 1),
        ("int(-1.9)", -1),
        ("int(n)", 5),
        ("double('1.5')", 1.5),
        ("double('-1e3')", -1000.0),
        ("double(2)", 2.0),
        ("double(f)", 1.5),
        ("string(n)", "5"),
        ("string(1.5)", "1.5"),
        ("string(2.0)", "2"),
        ("string(yes)", "true"),
        ("string(no)", "false"),
        ("string(t)", "text"),
        ("text(nothing)", ""),
        ("text(t) + text(n) + text(2.0) + text(no)", "text52false"),
        ("text({'b': [1, 'é', null], 'a': 1.5})", '{"a": 1.5, "b": [1, "é", null]}'),
        ("t.contains('ex')", True),
        ("t.startsWith('te')", True),
        ("t.endsWith('te')", False),
        ("t.matches('^t.x')", True),
        ("t.matches('x')", True),
        ("t.matches('^x')", False),
        ("e.matches('^..$')", True),
        (r"'2026-01-31'.matches(r'^\d{4}-\d{2}-\d{2}$')", True),
    ],
    "comprehensions": [
        ("l.all(x, x > 0)", True),
        ("l.all(x, x > 1)", False),
        ("empty.all(x, x > 1)", True),
        ("l.exists(x, x > 2)", True),
        ("empty.exists(x, x > 2)", False),
        ("l.exists_one(x, x > 2)", True),
        ("l.exists_one(x, x > 1)", False),
        ("l.map(x, x * n)", [5, 10, 15]),
        ("l.map(x, x > 1, x * 2)", [4, 6]),
        ("l.filter(x, x != 2)", [1, 3]),
        ("orders.filter(o, has(o.gift)).map", None),
        ("orders.map(o, o.sku)", ["a", "b"]),
        ("orders.exists(o, o.price * double(o.count) > 4.0)", True),
        ("size(orders.filter(o, has(o.gift))) == 1", True),
        ("o.map(k, k)", ["a", "b", "d-e", "nil"]),
        ("{'b': 1, 'a': 2}.map(k, k)", ["a", "b"]),
        ("words.filter(w, w.matches('^a'))", ["ab", "abc"]),
        ("l.map(l, l + 1)", [2, 3, 4]),
        ("[1, 2].exists(x, 1 / (x - 1) == 1)", True),
        ("[1, 2].all(x, 1 / (x - 1) == 2)", False),
        ("l.map(x, l) == [l, l, l]", True),
    ],
}
PROMISED["comprehensions"].pop(10)  # its range is no list: see the errors


@pytest.mark.parametrize(("text", "value"), [case for cases in PROMISED.values() for case in cases])
def test_the_language(text: str, value: Any) -> None:
    before = copy.deepcopy(DATA)
    assert same(evaluate(text), value)
    assert same(evaluate(text), value)
    assert same(before, DATA)


ERRORS = [
    ("unknown", 1, "'unknown' has no value"),
    ("unknown.a", 1, "'unknown' has no value"),
    ("1 + o.z", 5, "o has no 'z'; it has a, b, d-e, nil"),
    ("o.b.cc", 1, "o.b has no 'cc'; did you mean 'c'? it has c"),
    ("{}.a", 1, "the value has no 'a'; it has no keys"),
    ("o['z']", 1, "o has no 'z'; it has a, b, d-e, nil"),
    ("o[1]", 1, "o is an object; its keys are texts, and this is an integer"),
    ("l[3]", 1, "l has no item 3; it has 3 items, and the first is 0"),
    ("l[-1]", 1, "l has no item -1; it has 3 items, and the first is 0"),
    ("o.b.c[0][0]", 1, "o.b.c[0] is an integer, which has no members"),
    ("empty[0]", 1, "empty has no item 0; it has no items"),
    ("[1][1]", 1, "the value has no item 1; it has 1 item, and the first is 0"),
    ("l.a", 1, "l is a list; its items have integers, l[0]"),
    ("l['a']", 1, "l is a list; its items have integers, l[0]"),
    ("l[1.0]", 1, "l is a list; its items have integers, l[0]"),
    ("t[0]", 1, "t is a text, which has no members"),
    ("l[n].a", 1, "l has no item 5; it has 3 items, and the first is 0"),
    ("nothing.a", 1, "nothing is null, which has no members; ask before: nothing != null && …"),
    ("orders[zero].sku.a.b", 1, "orders[…].sku is a text, which has no members"),
    ("has(o.z.y)", 5, ("o has no 'z'; it has a, b, d-e, nil; ask for one after the other: "
                      "has(o.z) && has(o.z.y)")),
    ("has(unknown.z)", 5, "'unknown' has no value"),
    ("has(nothing.z)", 1, ("has() asks an object for a field, and nothing is null; write nothing != "
                          "null && has(nothing.z)")),
    ("has(l.z)", 1, "has() asks an object for a field, and l is a list"),
    ("n + f", 1, ("'+' takes two integers, two numbers, two texts or two lists, found an integer and "
                 "a number (n is an integer, f is a number); integers and numbers are not mixed: "
                 "write double(x) for the integer")),
    ("n * 1.5", 1, ("'*' takes two integers or two numbers, found an integer and a number (n is an "
                   "integer); integers and numbers are not mixed: write double(x) for the integer")),
    ("t + 1", 1, ("'+' takes two integers, two numbers, two texts or two lists, found a text and an "
                 "integer (t is a text); write string(x) for the number, or int(x) or double(x) for "
                 "the text")),
    ("1 + 2 + t", 1, ("'+' takes two integers, two numbers, two texts or two lists, found an integer "
                     "and a text (t is a text); write string(x) for the number, or int(x) or "
                     "double(x) for the text")),
    ("1.5 % 2.0", 1, "'%' takes two integers, found a number and a number"),
    ("yes + yes", 1, ("'+' takes two integers, two numbers, two texts or two lists, found true or "
                     "false and true or false (yes is true or false, yes is true or false)")),
    ("o + o", 1, ("'+' takes two integers, two numbers, two texts or two lists, found an object and "
                 "an object (o is an object, o is an object)")),
    ("n < t", 1, ("'<' takes two numbers, two texts or two conditions, found an integer and a text (n "
                 "is an integer, t is a text); write string(x) for the number, or int(x) or double(x) "
                 "for the text")),
    ("nothing > 1", 1, ("'>' takes two numbers, two texts or two conditions, found null and an "
                       "integer (nothing is null); ask for null before: x != null && …")),
    ("l < l", 1, ("'<' takes two numbers, two texts or two conditions, found a list and a list (l is "
                 "a list, l is a list)")),
    ("1 < 2 < 3", 1, ("'<' takes two numbers, two texts or two conditions, found true or false and an "
                     "integer")),
    ("'e' in t", 1, ("'in' takes a value and a list, or a key and an object, found a text and a text "
                    "(t is a text)")),
    (
        "nothing in o",
        1,
        (
            "'in' takes a value and a list, or a key and an object, found null and an object "
            "(nothing is null, o is an object); ask for null before: x != null && …"
        ),
    ),
    ("n / zero", 1, "division by zero"),
    ("n % zero", 1, "division by zero"),
    ("f / 0.0", 1, "division by zero"),
    ("f / zero", 1, ("'/' takes two integers or two numbers, found a number and an integer (f is a "
                    "number, zero is an integer); integers and numbers are not mixed: write "
                    "double(x) for the integer")),
    ("1 + (big + 1)", 6, ("the result needs more than 64 bits: an integer is at most "
                         "9223372036854775807 and at least -9223372036854775808; write double(x) "
                         "where it need not be exact")),
    ("big * 2", 1, None), ("small - 1", 1, None), ("-small", 1, None), ("small / -1", 1, None),
    ("int(1e30)", 1, None), ("int('9223372036854775808')", 1, None),
    ("1e308 * 10.0", 1, "the result is past the bounds of a number"),
    ("1e308 + 1e308", 1, "the result is past the bounds of a number"),
    ("double('1e999')", 1, "the result is past the bounds of a number"),
    ("!n", 1, "'!' turns true and false around, not an integer"),
    ("-t", 1, "'-' is for numbers, and this is a text"),
    ("-yes", 1, "'-' is for numbers, and this is true or false"),
    ("yes && n", 8, "'&&' joins conditions, which are true or false, and this is an integer"),
    ("n || no", 1, "'||' joins conditions, which are true or false, and this is an integer"),
    ("unknown || no", 1, "'unknown' has no value"),
    ("unknown || 1 / zero == 1", 1, "'unknown' has no value"),
    ("n ? 1 : 2", 1, "the test before '?' is true or false, and this is an integer"),
    ("size(n)", 1, "size() takes a text, a list or an object, and this is an integer"),
    ("nothing.size()", 1, "size() takes a text, a list or an object, and this is null"),
    ("int(l)", 1, "int() takes an integer, a number or a text, and this is a list"),
    ("int(yes)", 1, "int() takes an integer, a number or a text, and this is true or false"),
    ("double(o)", 1, "double() takes an integer, a number or a text, and this is an object"),
    ("string(nothing)", 1, ("string() takes an integer, a number, true or false, or a text, and this "
                           "is null")),
    ("int('5 ')", 1, "the text '5 ' is no integer"),
    ("int('1.5')", 1, "the text '1.5' is no integer"),
    ("int('٣')", 1, "the text '٣' is no integer"),
    ("double('nan')", 1, "the text 'nan' is no number"),
    ("double('')", 1, "the text '' is no number"),
    ("n.contains('a')", 1, ("contains() takes two texts, text.contains(text), found an integer and a "
                           "text")),
    ("t.startsWith(1)", 1, ("startsWith() takes two texts, text.startsWith(text), found a text and an "
                           "integer")),
    ("n.matches('a')", 1, "matches() is a method of texts, and this is an integer"),
    ("t.all(x, x)", 1, "all() goes over a list or the keys of an object, and t is a text"),
    ("nothing.map(x, x)", 1, "map() goes over a list or the keys of an object, and nothing is null"),
    ("l.all(x, x)", 10, "the condition of all() is true or false, and this is an integer"),
    ("l.all(x, x.a > 1)", 10, "x is an integer, which has no members"),
    ("l.filter(x, 1)", 13, "the condition of filter() is true or false, and this is an integer"),
    ("l.exists_one(x, 1 / (x - 2) == 1)", 17, "division by zero"),
    ("l.map(x, t, x)", 10, "the condition of map() is true or false, and this is a text"),
    ("{n: 1}", 2, "the keys of an object are texts, and this is an integer"),
    ("{t: 1, 'text': 2}", 8, "the object has the key 'text' already"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "column", "reason"), ERRORS)
def test_errors_say_what_is_missing_or_does_not_fit(
    text: str, column: int, reason: str | None
) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(text)
    error = caught.value
    if reason is None:
        assert "needs more than 64 bits" in error.reason
    else:
        assert error.reason == reason
    assert error.column == column
    assert error.expression == text
    assert error.reads == tuple(sorted(compile_expression(text).reads))
    assert str(error) == f"the expression {text!r}, column {column}: {error.reason}"
    assert isinstance(error, WeftError)
    assert error.code == "expression"
    with pytest.raises(ExpressionError):
        compile_expression(text).test(DATA)


def test_of_many_keys_ten_are_told() -> None:
    with pytest.raises(ExpressionError, match=r"it has k0, k1, .*, k17 and 10 more$"):
        evaluate("o.z", {"o": {f"k{i}": i for i in range(20)}})


def test_the_place_in_several_lines() -> None:
    with pytest.raises(ExpressionError, match=r"line 2, column 4: 'b' has no value"):
        evaluate("a &&\n   b", {"a": True})


def test_a_long_expression_is_shortened_in_messages() -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate("unknown == '" + "a" * 1000 + "'")
    assert len(str(caught.value)) < 300


# ── conditions ───────────────────────────────────────────────────────────────────────────────


def test_a_condition_is_true_or_false() -> None:
    assert compile_expression("n > 3").test(DATA) is True
    assert compile_expression("n > 5").test(DATA) is False
    with pytest.raises(
        ExpressionError, match="a condition is true or false, and this is an integer"
    ):
        compile_expression("n").test(DATA)
    with pytest.raises(ExpressionError, match="and this is null"):
        compile_expression("nothing").test(DATA)


# ── compiling ────────────────────────────────────────────────────────────────────────────────


def definition_error(text: Any, names: set[str] | None = None) -> DefinitionError:
    with pytest.raises(DefinitionError) as caught:
        compile_expression(text, names=names)
    assert caught.value.code == "expression"
    return caught.value


def test_a_fault_has_its_place() -> None:
    error = definition_error("a ==\n  b &")
    assert (error.line, error.column) == (2, 5)
    assert error.message == (
        "'&' is not part of an expression; write &&; in the expression 'a ==\\n  b &', line 2, column 5"
    )


def test_unknown_names_are_told_with_those_that_are_meant() -> None:
    error = definition_error("a.b && cout > 1 && zzz && True", {"a", "count", "other"})
    assert (error.line, error.column) == (1, 8)
    assert error.message == (
        "unknown names 'cout' (did you mean count?), 'zzz', 'True' (did you mean true?); known: a, "
        "count, other; in the expression 'a.b && cout > 1 && zzz && True', column 8"
    )
    assert "unknown name 'x'; known: none" in definition_error("x", set()).message
    many = {f"n{i:02}" for i in range(40)}
    assert definition_error("x", many).message.count(", n") == 29
    assert "n29 and 10 more" in definition_error("x", many).message


def test_the_variable_of_a_comprehension_is_known() -> None:
    assert compile_expression("l.all(x, x > a)", names=["l", "a"]).reads == {"l", "a"}
    assert "unknown name 'x'" in definition_error("l.all(x, x > a) && x", {"l", "a"}).message


@pytest.mark.parametrize("text", [None, 5, ["a"], {}])
def test_an_expression_is_a_text(text: Any) -> None:
    assert definition_error(text).message.startswith("an expression is a text, not ")


def test_expressions_are_values() -> None:
    one = compile_expression("a + b")
    assert one is compile_expression("a + b")
    other = Expression("a + b")
    assert other is not one
    assert other == one
    assert hash(other) == hash(one)
    assert one != compile_expression("a+b")
    assert one != "a + b"
    assert repr(one) == "Expression('a + b')"
    assert pickle.loads(pickle.dumps(one)) is one
    assert one.text == "a + b"
    assert one.reads == frozenset({"a", "b"})


# ── what comes out, and what is in the data ──────────────────────────────────────────────────


@pytest.mark.parametrize("text", ["o", "[o, o]", "{'k': o.b}", "orders.filter(x, true)", "l + []"])
def test_a_value_shares_nothing_with_the_data(text: str) -> None:
    data = copy.deepcopy(DATA)
    value = compile_expression(text).evaluate(data)
    scribble(value)
    assert same(data, DATA)


def scribble(value: Any) -> None:
    """Change everything in a value."""
    for part in list(value.values() if isinstance(value, dict) else value):
        if isinstance(part, dict | list):
            scribble(part)
    value.clear()


@pytest.mark.parametrize("bad", [decimal.Decimal("1.5"), 2**64, b"x", {1, 2}, math.nan, (1, {2})])
def test_what_is_no_case_data_does_not_come_out(bad: Any) -> None:
    for text in ("x", "[x]", "{'a': x}"):
        with pytest.raises(ExpressionError, match=r"the value.*: "):
            evaluate(text, {"x": bad})


def test_what_is_no_case_data_is_not_calculated_with() -> None:
    with pytest.raises(ExpressionError, match="found a value of the class Decimal and a number"):
        evaluate("x + 1.5", {"x": decimal.Decimal("1.5")})
    with pytest.raises(ExpressionError, match="the class Decimal"):
        evaluate("x < 1.5", {"x": decimal.Decimal("1.5")})


def test_a_value_that_is_nested_too_deep() -> None:
    deep: Any = []
    for _ in range(99):
        deep = [deep]
    assert evaluate("x == x", {"x": deep}) is True
    with pytest.raises(ExpressionError, match="more than 100 levels deep"):
        evaluate("[x]", {"x": deep})


def test_what_contains_itself_is_never_compared_for_ever() -> None:
    a: list[Any] = []
    b: list[Any] = []
    a.append(a)
    b.append(b)
    with pytest.raises(ExpressionError, match="too much work"):
        evaluate("a == b", {"a": a, "b": b})


# ── bounds ───────────────────────────────────────────────────────────────────────────────────

TEXT = "a" * 1_000_000
LISTS: dict[str, Any] = {
    "l": list(range(MAX_ITEMS)),
    "m": list(range(MAX_ITEMS)),
    "s": TEXT,
    "u": TEXT[:-1] + "a",
}


@pytest.mark.parametrize("macro", ["all(x, x >= 0)", "map(x, x)", "filter(x, x > 5)"])
def test_comprehensions_go_over_a_thousand_items(macro: str) -> None:
    evaluate(f"l.{macro}", LISTS)
    with pytest.raises(
        ExpressionError, match=r"goes over up to 1,000 items, and l has 1,001; do it"
    ):
        evaluate(f"l.{macro}", {"l": [0] * (MAX_ITEMS + 1)})
    with pytest.raises(ExpressionError, match=r"and the value has 2,000"):
        evaluate(f"(l + l).{macro}", LISTS)
    with pytest.raises(ExpressionError, match=r"and o has 1,001"):
        evaluate(f"o.{macro}", {"o": {str(i): i for i in range(MAX_ITEMS + 1)}})


@pytest.mark.parametrize(
    "text",
    [
        "l.all(x, l == m)",
        "l.all(x, !(-1 in l) && !(-1 in m))",
        "l.all(x, s == u && u == s)",
        "l.all(x, s <= u && u <= s)",
        "l.all(x, !s.contains('b'))",
        "l.all(x, s.matches('a'))",
        "l.all(x, s.startsWith(u))",
        "l.all(x, s.endsWith(u))",
        "l.all(x, text(l) != '')",
        "l.all(x, text({'a': s}) != '')",
        "l.all(x, size(s + u) > 0)",
        "l.all(x, size(l + m) > 0)",
        "l.all(x, !'a'.matches('\\\\pL{90}'))",
        "s" + " + s" * MAX_CHAIN,
        "true || l.all(x, l == m) || true",
        "l.exists(x, l != m) || true",
        "has({'a': l.map(x, l == m)}.a.b)",
    ],
)
def test_work_with_the_data_is_bounded(text: str) -> None:
    """An evaluation ends soon, and nothing (as ``||`` does with errors) takes it for an answer."""
    if text.startswith("true"):
        assert evaluate(text, LISTS) is True
        return
    with pytest.raises(ExpressionError, match="too much work for an expression"):
        evaluate(text, LISTS)


def test_a_bound_on_work_is_not_hidden_by_what_comes_after() -> None:
    with pytest.raises(ExpressionError, match="too much work"):
        evaluate("l.all(x, l == m) || true", LISTS)
    with pytest.raises(ExpressionError, match="too much work"):
        evaluate("l.all(x, l == m) && false", LISTS)


def test_the_work_of_one_evaluation_does_not_count_for_the_next() -> None:
    expression = compile_expression("l == m")
    for _ in range(2 * MAX_WORK // MAX_ITEMS // 100):
        assert expression.test(LISTS)


def test_a_result_is_bounded() -> None:
    with pytest.raises(ExpressionError, match="more than 1,000,000 parts"):
        evaluate("l.map(x, [l, l])", LISTS)


def test_a_number_of_many_digits_is_refused_quickly() -> None:
    for function in ("int", "double"):
        with pytest.raises(ExpressionError, match="is no "):
            evaluate(f"{function}(x)", {"x": "9" * 1_000_000})


def test_the_deepest_expressions_work_with_little_stack() -> None:
    deep = "(" * (MAX_NESTING - 1) + "n" + ")" * (MAX_NESTING - 1)
    texts = [
        deep,
        "n" + " + n" * MAX_CHAIN,
        "-(" * (MAX_NESTING - 1) + "n" + ")" * (MAX_NESTING - 1),
        "[" * (MAX_NESTING - 1) + "]" * (MAX_NESTING - 1),
        "n" + "".join(f" + n * (n{' - n' * 5}" for _ in range(8)) + ")" * 8,
        "yes ? n : " * (MAX_NESTING - 1) + "n",
    ]
    done: list[str] = []

    def within(frames: int) -> None:
        if frames:
            within(frames - 1)
            return
        for text in texts:
            Expression(text).evaluate(DATA)
            done.append(text)

    before = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=within, args=(400,))
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    assert done == texts


def test_a_tree_is_bounded_in_depth() -> None:
    text = "n || n && n < n + n * -(" * 20 + "n" + ")" * 20
    assert "levels deep; do a part of it in a task" in definition_error(text).message


# ── regular expressions ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("t.matches('(')", "the pattern is no regular expression: unclosed group; in"),
        ("t.matches('(?=a)')", "no regular expression: look-around, including look-ahead"),
        (r"t.matches(r'(a)\1')", "no regular expression: backreferences are not supported"),
        ("t.matches(n)", "the pattern of matches() is written into the expression"),
        ("t.matches('a' + 'b')", "the pattern of matches() is written into the expression"),
        ("t.matches(1)", "the pattern of matches() is written into the expression"),
        (
            f"t.matches('{'a' * 300}')",
            f"a pattern has up to {MAX_PATTERN} characters, this one 300",
        ),
        (r"t.matches(r'\pL{500}')", "the pattern repeats too much"),
        ("t.matches('((a{50}){50}){50}')", "the pattern repeats too much"),
        (r"t.matches(r'([\w]{20}){20}')", "the pattern repeats too much"),
        ("t.matches('(.{1000}b){1,20}')", "the pattern repeats too much"),
    ],
)
def test_patterns_are_checked_when_the_definition_is_read(text: str, message: str) -> None:
    error = definition_error(text)
    assert message in error.message
    assert error.column == 11


def test_a_pattern_that_is_slow_elsewhere_is_not_slow_here() -> None:
    assert evaluate("t.matches('^(a+)+$')", {"t": "a" * 100_000 + "b"}) is False


@given(st.text(alphabet="ab(){},019\\wdpL.[]^$|?*+-", max_size=15))
def test_any_pattern_is_used_or_refused(pattern: str) -> None:
    """No pattern ends in another error, and none that is accepted takes long."""
    assume("'" not in pattern)
    try:
        expression = Expression(f"t.matches(r'{pattern}')")
    except SyntaxFault as fault:
        assert "pattern" in fault.message
    else:
        assert expression.test({"t": "ab01"}) in {True, False}


def test_the_library_is_loaded_on_first_use_and_without_its_command_line() -> None:
    program = """
import sys
from weft.engine.expressions import compile_expression
assert compile_expression("a > 1").test({"a": 2})
assert not [m for m in sys.modules if m.partition(".")[0] == "cel"], "loaded too soon"
assert compile_expression("a.matches('b')").test({"a": "b"})
assert "cel.cli" not in sys.modules and "typer" not in sys.modules
import cel
assert cel.evaluate("1 + 1") == 2
assert compile_expression("a.matches('c')").test({"a": "b"}) is False
"""
    import weft.engine

    tree = Path(str(weft.engine.__file__)).parent.parent.parent
    subprocess.run([sys.executable, "-c", program], check=True, env={"PYTHONPATH": str(tree)})


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    expressions._library.cache_clear()
    monkeypatch.delitem(sys.modules, "cel.cel", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InternalError, match="needs the package common-expression-language"):
        Expression("t.matches('x')")
    monkeypatch.undo()
    expressions._library.cache_clear()
    assert Expression("t.matches('x')").test({"t": "x"})


def test_the_library_is_taken_from_who_has_loaded_it_before() -> None:
    loaded = expressions._library()
    expressions._library.cache_clear()
    assert expressions._library() is loaded


# ── threads ──────────────────────────────────────────────────────────────────────────────────


def test_one_expression_serves_many_threads_at_once() -> None:
    expression = compile_expression(
        "l.filter(x, x > n).size() == k && t.matches('^a*b$') && t.contains('b')"
    )

    def work(n: int) -> bool:
        data: dict[str, Any] = {"n": n, "l": list(range(50)), "k": 49 - n, "t": "a" * n + "b"}
        return all(expression.test(data) for _ in range(50))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(work, range(49)))
    finally:
        sys.setswitchinterval(before)


# ── CEL means the same ───────────────────────────────────────────────────────────────────────

NUMBERS = [-7, -1, 0, 1, 2, 5]
FLOATS = [-1.5, 0.0, 0.5, 2.0]
TEXTS = ["", "a", "ab", "ba", "12", "1.5"]

leaves = st.one_of(
    st.sampled_from(["null", "true", "false", "n", "f", "t", "yes", "l", "o", "missing", "nil"]),
    st.sampled_from(NUMBERS).map(str),
    st.sampled_from(FLOATS).map(str),
    st.sampled_from(TEXTS).map(repr),
)


def wider(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Operators and functions around operands."""
    operators = ["||", "&&", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "in"]
    functions = ["size", "int", "double"]
    methods = ["contains", "startsWith", "endsWith"]
    return st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(operators), inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(["||", "&&"]), inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
        st.builds("!({})".format, inner),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("{{'a': {}}}".format, inner),
        st.builds("({}).{}".format, inner, st.sampled_from("ab")),
        st.builds("has(({}).{})".format, inner, st.sampled_from("ab")),
        st.builds("({})[{}]".format, inner, inner),
        st.builds("{}({})".format, st.sampled_from(functions), inner),
        st.builds("({}).{}({})".format, inner, st.sampled_from(methods), inner),
    )


Texts = st.SearchStrategy[str]


def typed(depth: int) -> tuple[Texts, Texts, Texts, Texts]:
    """Integers, numbers, texts and conditions: most of what is generated above fits nothing."""
    integers: Texts = st.sampled_from([*map(str, NUMBERS), "n"])
    numbers: Texts = st.sampled_from([*map(str, FLOATS), "f"])
    texts: Texts = st.sampled_from([*map(repr, TEXTS), "t"])
    conditions: Texts = st.sampled_from(["true", "false", "yes", "has(o.a)", "nil == null"])
    if depth == 0:
        return integers, numbers, texts, conditions
    i, n, t, c = typed(depth - 1)
    two = "({} {} {})".format
    integers = st.one_of(
        integers,
        st.builds(two, i, st.sampled_from([*"+-*/%"]), i),
        st.builds("-({})".format, i),
        st.builds("size({})".format, t),
        st.builds("({} ? {} : {})".format, c, i, i),
        st.builds("int({})".format, n),
        st.builds("[1, {}, 3][{}]".format, i, st.sampled_from(["0", "1", "n"])),
    )
    numbers = st.one_of(
        numbers,
        st.builds(two, n, st.sampled_from([*"+-*/"]), n),
        st.builds("double({})".format, i),
    )
    texts = st.one_of(
        texts,
        st.builds("({} + {})".format, t, t),
        st.builds("string({})".format, i),
        st.builds("{{'a': {}}}.a".format, t),
    )
    compare = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
    conditions = st.one_of(
        conditions,
        *(st.builds(two, kind, compare, kind) for kind in (i, n, i | n, t)),
        st.builds(two, c, st.sampled_from(["&&", "||"]), c),
        st.builds("!({})".format, c),
        st.builds("({} in l)".format, i | n | t | c),
        st.builds("([{0}, {1}] == [{1}, {0}])".format, i | t, i | n),
        st.builds("({}).startsWith({})".format, t, t),
        st.builds("({}).contains({})".format, t, t),
    )
    return integers, numbers, texts, conditions


fitting = st.one_of(*typed(2))
over_integers = st.builds(
    "{}.{}(n, {})".format,
    st.sampled_from(["[1, 2, n]", "[n, n]", "l", "[]"]),
    st.sampled_from(["all", "exists", "exists_one", "filter", "map"]),
    typed(2)[3],
)

plain = st.recursive(leaves, wider, max_leaves=6)
bodies = st.recursive(leaves | st.just("x"), wider, max_leaves=4)
ranges = st.sampled_from(["l", "[1, 2, n]", "['a', t]", "[yes, false]", "[o, {'a': n}]", "[]"])
comprehensions = st.builds(
    "{}.{}(x, {})".format,
    ranges,
    st.sampled_from(["all", "exists", "exists_one", "map", "filter"]),
    bodies,
)

values = st.fixed_dictionaries(
    {
        "n": st.sampled_from(NUMBERS),
        "f": st.sampled_from(FLOATS),
        "t": st.sampled_from(TEXTS),
        "yes": st.booleans(),
        "nil": st.none(),
        "l": st.lists(st.sampled_from([*NUMBERS, *FLOATS, *TEXTS, None, True]), max_size=3),
        "o": st.dictionaries(
            st.sampled_from("ab"), st.sampled_from([1, "a", None, [1]]), max_size=1
        ),
    }
)

OURS_ONLY = (
    "division by zero",  # numbers: CEL has infinities, which no case data can hold
    "past the bounds",
    "written into the expression",
)


def outcome(text: str, data: dict[str, Any]) -> tuple[str, Any]:
    try:
        return "value", evaluate(text, data)
    except ExpressionError as error:
        return "error", error.reason


def opinion(text: str, data: dict[str, Any]) -> tuple[str, Any]:
    """What the library says."""
    try:
        return "value", expressions._library().compile(text).execute(data)
    except (RuntimeError, TypeError, ValueError, LookupError, ArithmeticError) as error:
        return "error", error


@given(plain | comprehensions | fitting | over_integers, values)
def test_an_expression_means_what_it_means_in_cel(text: str, data: dict[str, Any]) -> None:
    ours, theirs = outcome(text, data), opinion(text, data)
    if ours[0] == "error" and any(reason in ours[1] for reason in OURS_ONLY):
        return
    if theirs[0] == "value" and isinstance(theirs[1], float) and not math.isfinite(theirs[1]):
        return
    if ours[0] == "value" and theirs[0] == "error" and (".all(" in text or ".exists(" in text):
        return  # CEL: an item that decides wins over another's error; the library stops at that
    assert ours[0] == theirs[0], (ours, theirs)
    if ours[0] == "value":
        assert ours[1] == theirs[1]
        assert same(ours[1], theirs[1])

"""The grammar of expressions: what is accepted, what is refused and where, and CEL agrees."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from weft.engine.cel_syntax import (
    MAX_CHAIN,
    MAX_LENGTH,
    MAX_NESTING,
    Chain,
    Comprehension,
    Conditional,
    Has,
    Literal,
    Name,
    Select,
    SyntaxFault,
    Unary,
    parse,
)
from weft.engine.expressions import _library

# ── trees ────────────────────────────────────────────────────────────────────────────────────


def shape(node: Any) -> str:
    """A tree as text, every bracket written."""
    match node:
        case Literal():
            return repr(node.value)
        case Name():
            return node.name
        case Select():
            return f"{shape(node.operand)}.{node.field}"
        case Has():
            return f"has({shape(node.operand)}.{node.field})"
        case Unary():
            return f"{node.operators}({shape(node.operand)})"
        case Conditional():
            return f"({shape(node.test)} ? {shape(node.then)} : {shape(node.otherwise)})"
        case Chain():
            text = shape(node.operands[0])
            for sign, operand in zip(node.operators, node.operands[1:], strict=True):
                text = f"({text} {sign} {shape(operand)})"
            return text
        case Comprehension():
            arguments = ", ".join(map(shape, node.arguments))
            return f"{shape(node.range)}.{node.macro}({node.variable}: {arguments})"
        case _:
            return type(node).__name__


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", "(1 + (2 * 3))"),
        ("1 - 2 - 3", "((1 - 2) - 3)"),
        ("a || b && c", "(a || (b && c))"),
        ("a == b && c < d", "((a == b) && (c < d))"),
        ("a + b in c", "((a + b) in c)"),
        ("a ? b : c ? d : e", "(a ? b : (c ? d : e))"),
        ("a || b ? c : d", "((a || b) ? c : d)"),
        ("!a.b", "!(a.b)"),
        ("!!a && b", "(!!(a) && b)"),
        ("-a * b", "(-(a) * b)"),
        ("-5 + -1.5", "(-5 + -1.5)"),
        ("1 -1", "(1 - 1)"),
        ("--5", "-(-5)"),
        ("!-1", "!(-1)"),
        ("(a + b).c", "(a + b).c"),
        ("has(a.b.c)", "has(a.b.c)"),
        ("a.all(x, x.b > c)", "a.all(x: (x.b > c))"),
        ("a.map(x, x, x)", "a.map(x: x, x)"),
        ("a // a comment\n + b", "(a + b)"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("0x1F", "31"),
        (".5 + 1e3", "(0.5 + 1000.0)"),
        ("a.namespace.if", "a.namespace.if"),
    ],
)
def test_operators_bind_as_in_cel(text: str, expected: str) -> None:
    assert shape(parse(text).root) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'a'", "a"),
        ('"a\'b"', "a'b"),
        (r"'\a\b\f\n\r\t\v\\\?\"\'\`'", "\a\b\f\n\r\t\v\\?\"'`"),
        (r"'\x41\X42\u00e9\U0001F600\101'", "ABé😀A"),
        (r"r'\n'", r"\n"),
        (r'R"a\"', "a\\"),
        ("'''a'b\n'c'''", "a'b\n'c"),
        ('"""a"b"""', 'a"b'),
        ('r"""a"\\b"""', 'a"\\b'),
        ("'é😀'", "é😀"),
        ("'// no comment'", "// no comment"),
    ],
)
def test_texts_are_decoded_as_the_library_does(text: str, value: str) -> None:
    root = parse(text).root
    assert isinstance(root, Literal)
    assert root.value == value == _library().evaluate(text)


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("1 + 2", {}),
        ("x", {"x": 0}),
        ("a.b.c + a.d['e']", {"a": 0}),
        ("z && (b || z)", {"z": 0, "b": 6}),
        ("items.all(i, i.price < limit)", {"items": 0, "limit": 23}),
        ("i.exists(i, i > 0)", {"i": 0}),
        ("l.map(x, x) == x", {"l": 0, "x": 15}),
        ("has(a.b) ? c[d] : {'k': e}", {"a": 4, "c": 11, "d": 13, "e": 24}),
        ("size(a) + int(b)", {"a": 5, "b": 14}),
        ("'a' in b", {"b": 7}),
    ],
)
def test_what_an_expression_reads(text: str, reads: dict[str, int]) -> None:
    assert parse(text).reads == reads


# ── faults ───────────────────────────────────────────────────────────────────────────────────

FAULTS = [
    ("", 0, "the expression is empty"),
    (" \n ", 0, "the expression is empty"),
    ("x >", 3, "the expression ends where a value is expected"),
    ("x = 1", 2, "'=' is not part of an expression; write =="),
    ("x === 1", 4, "'=' is not part of an expression; write =="),
    ("a & b", 2, "'&' is not part of an expression; write &&"),
    ("a | b", 2, "'|' is not part of an expression; write ||"),
    ("x # y", 2, "'#' is not part of an expression"),
    ("é", 0, ("'é' is not part of an expression; names have letters a to z, digits and underscores; "
             "others are x['é']")),
    ("x.`a-b`", 2, "'`' is not part of an expression; write a name that is not plain as x['a-b']"),
    ("'abc", 0, "the text that starts here has no closing '"),
    ('x == "a', 5, 'the text that starts here has no closing "'),
    ("'a\nb'", 0, "the text that starts here has no closing '"),
    (r"'a\d'", 2, (r"there is no escape '\\d' in texts: write \\ for a backslash, or r'…' for a text "
                  "without escapes")),
    (r"'\ud800'", 0, r"\ud800 is no Unicode character"),
    (r"'\U00110000'", 0, r"\U00110000 is no Unicode character"),
    ("'\ud800'", 1, "a lone surrogate is no Unicode character"),
    ("a and b", 2, "expected an operator or the end of the expression, found 'and'; write &&"),
    ("not a", 4, "expected an operator or the end of the expression, found 'a'; write !x"),
    ("a b", 2, "expected an operator or the end of the expression, found 'b'"),
    (f"a {'b' * 50}", 2, f"expected an operator or the end of the expression, found '{'b' * 39}…'"),
    ("if", 0, "'if' is a reserved word; write condition ? a : b"),
    ("while", 0, "'while' is a reserved word"),
    ("in", 0, "expected a value, found 'in'"),
    ("(a", 2, "the expression ends where ')' to close the bracket is expected"),
    ("a[0", 3, "the expression ends where ']' after the index is expected"),
    ("[a b]", 3, "expected ']' after the items, found 'b'"),
    ("{'a' 1}", 5, "expected ':' after the key, found '1'"),
    ("{'a': 1 2}", 8, "expected '}' after the entries, found '2'"),
    ("{1: 2}", 1, "the keys of an object are texts: {'key': value}"),
    ("{'a': 1, \"a\": 2}", 9, 'the key "a" stands twice'),
    ("a ? b", 5, "the expression ends where ':' of the condition (test ? a : b) is expected"),
    ("a.", 2, "the expression ends where the name of a field or method (or ['…']) is expected"),
    ("a.in", 2, "expected the name of a field or method (or ['…']), found 'in'"),
    ("!-x", 1, "expected a number after '!-'; write !(-x)"),
    ("-!x", 1, "expected a value, found '!'"),
    ("9223372036854775808", 0, "the integer 9223372036854775808 needs more than 64 bits"),
    ("-9223372036854775809", 1, "the integer 9223372036854775809 needs more than 64 bits"),
    ("9" * 999, 0, "the integer needs more than 64 bits"),
    ("1e999", 0, "1e999 is past the bounds of a number"),
    ("5u", 0, "there are no unsigned integers; write 5"),
    ("b'a'", 0, "bytes are no data of a case; write a text, '…'"),
    ("bR'a'", 0, "bytes are no data of a case; write a text, '…'"),
    ("Order{a: 1}", 0, "there are no messages; an object is {'key': value}"),
    ("has(a)", 0, "has() asks for a field: has(x.field); for other keys write 'a-b' in x"),
    ("has(a['b'])", 0, "has() asks for a field: has(x.field); for other keys write 'a-b' in x"),
    ("size(a, b)", 0, "size() takes one argument, a text, a list or an object; found 2"),
    ("int()", 0, "int() takes one argument, an integer, a number or a text; found none"),
    ("a.contains()", 2, "contains() takes 1 argument, found 0"),
    ("a.size(1)", 2, "size() takes no arguments, found 1"),
    ("len(a)", 0, ("there is no function len(); write size(…) (there are size, int, double, string, "
                  "text, has, all, exists, exists_one, map, filter)")),
    ("sise(a)", 0, ("there is no function sise(); did you mean size? (there are size, int, double, "
                   "string, text, has, all, exists, exists_one, map, filter)")),
    ("a.has(b)", 2, "has() is a function: write has(x)"),
    ("a.startswith('b')", 2, ("there is no method startswith(); did you mean startsWith? (there are "
                             "size, contains, startsWith, endsWith, matches, get, all, exists, exists_one, "
                             "map, filter)")),
    ("a.upper()", 2, ("there is no method upper(); write a task (there are size, contains, "
                     "startsWith, endsWith, matches, get, all, exists, exists_one, map, filter)")),
    ("matches(a, 'b')", 0, "matches() is a method: write x.matches(…)"),
    ("all(a, a > 1)", 0, "all() is written list.all(x, condition)"),
    ("a.all(x)", 7, ("expected ',' after the name of the item (as in list.all(x, condition)), "
                    "found ')'")),
    ("a.all(x > 1, x)", 8, ("expected ',' after the name of the item (as in list.all(x, condition)), "
                           "found '>'")),
    ("a.all(1, x)", 6, "expected a name for the item (as in list.all(x, condition)), found '1'"),
    ("a.all(x, y, z)", 2, "all() is written list.all(x, condition)"),
    ("a.all(x,)", 2, "all() is written list.all(x, condition)"),
    ("a.filter(x, x > 1).size() > 0 && a.exists(x, x > 1)", 35,
     ("an expression has at most one of all, exists, exists_one, map, filter, so that its work is "
     "bounded; exists() is one more: do a part of it in a task")),
    ("a.all(x, x.all(y, y))", 11, ("an expression has at most one of all, exists, exists_one, map, "
     "filter, so that its work is bounded; all() is one more: do a part of it in a task")),
]  # fmt: skip


@pytest.mark.parametrize(("text", "offset", "message"), FAULTS)
def test_faults_say_what_is_wrong_and_where(text: str, offset: int, message: str) -> None:
    with pytest.raises(SyntaxFault) as caught:
        parse(text)
    assert (caught.value.offset, caught.value.message) == (offset, message)


# ── bounds ───────────────────────────────────────────────────────────────────────────────────

DEEPEST = [
    "(" * (MAX_NESTING - 1) + "1" + ")" * (MAX_NESTING - 1),
    "[" * (MAX_NESTING - 1) + "]" * (MAX_NESTING - 1),
    "a ? b : " * (MAX_NESTING - 1) + "c",
    "!" * MAX_NESTING + "a",
    "a" + ".b" * (MAX_NESTING - 1),
    "1" + " + 1" * MAX_CHAIN,
    "a || b && c < d + e * (" * (MAX_NESTING - 1) + "1" + ")" * (MAX_NESTING - 1),
]


@pytest.mark.parametrize("text", DEEPEST)
def test_what_is_just_within_the_bounds(text: str) -> None:
    parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(" * MAX_NESTING + "1" + ")" * MAX_NESTING, "nested more than 24 deep"),
        ("[" * 2000, "nested more than 24 deep"),
        ("a ? b : " * MAX_NESTING + "c", "nested more than 24 deep"),
        ("!" * (MAX_NESTING + 1) + "a", "more than 24 signs"),
        ("-" * 4000, "more than 24 signs"),
        ("a" + ".b" * MAX_NESTING, "more than 24 members"),
        ("1" + "+1" * (MAX_CHAIN + 1), "more than 100 operators"),
        ("x" * (MAX_LENGTH + 1), "up to 4,000 characters, this one 4,001"),
    ],
)
def test_what_is_past_the_bounds(text: str, message: str) -> None:
    with pytest.raises(SyntaxFault, match=message):
        parse(text)


def test_the_deepest_expression_needs_little_stack() -> None:
    """Deep in a program, in a thread with a small stack, reading still neither fails nor crashes."""
    outcome: list[object] = []

    def within(frames: int) -> None:
        if frames:
            within(frames - 1)
            return
        outcome.extend(parse(text) for text in DEEPEST)

    before = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=within, args=(400,))
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    assert len(outcome) == len(DEEPEST)


# ── agreement with the library ───────────────────────────────────────────────────────────────

NAMES = st.sampled_from(["a", "b", "order", "_x1"])
LITERALS = st.sampled_from(
    ["null", "true", "false", "0", "42", "-7", "0x1F", "1.5", ".5", "1e3", "2.5E-3", "''", "'a'",
     '"b"', "r'\\d'", r"'\n\x41'", "'''c'''", "'it''s'"[:4]]
)  # fmt: skip
OPERATORS = st.sampled_from(
    ["||", "&&", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", " in "]
)
GAPS = st.sampled_from(["", " ", "\n", " // why\n"])


def expressions(*, macros: bool) -> st.SearchStrategy[str]:
    """Texts of the grammar; with ``macros``, one comprehension may stand around."""
    leaves = NAMES | LITERALS

    def wider(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        bracketed = inner.map("({})".format)
        return st.one_of(
            st.builds("{}{}{}{}{}".format, bracketed | leaves, GAPS, OPERATORS, GAPS, bracketed),
            st.builds("{} {} {} {} {}".format, leaves, OPERATORS, leaves, OPERATORS, leaves),
            st.builds("{} ? {} : {}".format, bracketed, bracketed, inner),
            bracketed.map("!{}".format),
            bracketed.map("- {}".format),
            st.builds("{}.{}".format, bracketed | NAMES, st.sampled_from(["b", "size", "if"])),
            st.builds("{}[{}]".format, bracketed | NAMES, inner),
            st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
            st.builds("{{'k': {}, 'l': {}}}".format, inner, inner),
            st.builds("{}({})".format, st.sampled_from(["size", "int", "double", "string"]), inner),
            st.builds("{}.contains({})".format, bracketed, inner),
            st.builds("has({}.f)".format, bracketed | NAMES),
        )

    plain = st.recursive(leaves, wider, max_leaves=8)
    if not macros:
        return plain
    macro = st.sampled_from(["all", "exists", "exists_one", "map", "filter"])
    return plain | st.builds("({}).{}(i, {})".format, plain, macro, plain)


def compiles(text: str) -> bool:
    """Whether the library takes a text for an expression."""
    try:
        _library().compile(text)
    except ValueError:
        return False
    return True


def refusal(text: str) -> SyntaxFault | None:
    """Why we do not take a text for an expression."""
    try:
        parse(text)
    except SyntaxFault as fault:
        return fault
    return None


@given(expressions(macros=True))
def test_what_the_grammar_has_is_accepted_by_both(text: str) -> None:
    parse(text)
    assert compiles(text)


DELIBERATE = re.compile(
    r"has\(\) asks|there are no |bytes are no|the keys of an object are texts|stands twice|"
    r"there is no |takes |as in list|at most one of|is written|is a method|nested more than|"
    r"members follow|a value, found '[.,]'"
)
"""Messages of what CEL has and we have not."""


def agree(text: str) -> None:
    fault = refusal(text)
    if fault is None:
        assert compiles(text)
    else:
        assert 0 <= fault.offset <= len(text)
        assert not compiles(text) or DELIBERATE.search(fault.message), fault.message


PIECES = ["", "", " ", "(", ")", "[", ",", ":", "?", ".", "-", "!", "'", "in", "&&", "1", "\\"]


@given(expressions(macros=True), st.data())
def test_a_broken_expression_is_refused_by_both(text: str, data: st.DataObject) -> None:
    """Take out a piece, or put one in: what we accept CEL accepts, and the other way round."""
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 3)))
    agree(text[:start] + data.draw(st.sampled_from(PIECES)) + text[end:])


@given(st.text(alphabet="ab01.'\"\\rn()[]{}<>=!&|+-*/%?:, \n\té", max_size=12))
@example("a ? b : c")
def test_any_text_is_read_or_refused_as_the_library_does(text: str) -> None:
    agree(text)

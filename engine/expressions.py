"""Expressions over the data of a case: guards, counts, inputs and outputs, written in CEL.

`compile_expression` reads a text once; an `Expression` is then evaluated as often as wanted, from
any thread, and yields the same value for the same data. There is no ``eval``: an expression
becomes a tree (`weft.engine.cel_syntax`), and the tree becomes nested Python functions, one a
node, each of which takes the data and gives a value.

    text ──parse──▶ tree ──_Compiler──▶ function(_Run) ──▶ JsonValue
                      └─▶ reads: the variables, so that unknown names are found on load

Why not the evaluator of the package ``common-expression-language``, which is quick: it cannot be
bounded (``map`` copies what it has so far for every item; a long chain of ``+`` ends the process in
a thread with a small stack), its objects change their order from one evaluation to the next, which
a journal that must come out the same byte for byte cannot have, texts are measured in bytes, and
data is converted whole before a member is read. It does what we cannot: it matches regular
expressions in linear time. And it is the tests' second opinion on every operator.

What an expression may cost is bounded: the text by `cel_syntax`, a comprehension by
`MAX_ITEMS`, and what grows with the data (comparing, joining, searching) by `MAX_WORK`.

The language's reference for authors is ``docs/expressions.md``.
"""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.util
import json
import math
import operator
import re
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar, Final

from weft.engine.cel_syntax import (
    FUNCTIONS,
    MAX_LENGTH,
    Call,
    Chain,
    Comprehension,
    Conditional,
    Has,
    Index,
    ListOf,
    Literal,
    MapOf,
    Name,
    Node,
    Select,
    SyntaxFault,
    Unary,
    parse,
)
from weft.schema.errors import DefinitionError, InternalError, WeftError
from weft.schema.jsonvalue import (
    MAX_DEPTH,
    MAX_INTEGER,
    MIN_INTEGER,
    JsonValue,
    NotJson,
    checked,
    in_words,
    path_text,
)

if TYPE_CHECKING:
    from cel import cel as _cel

__all__ = [
    "MAX_ITEMS",
    "MAX_LENGTH",
    "MAX_PATTERN",
    "MAX_WORK",
    "Expression",
    "ExpressionError",
    "compile_expression",
]

MAX_ITEMS: Final = 1000
"""How many items a comprehension may go over."""
MAX_WORK: Final = 1_000_000
"""How much work with the data one evaluation may do: values compared, items joined, and texts by
every 64 characters that are joined or searched, or every 16 that are matched."""
MAX_PATTERN: Final = 256
"""How many characters the pattern of ``matches`` may have."""
_MAX_PATTERN_COST: Final = 20_000
_MAX_TREE: Final = 100
_CACHED: Final = 4096


class ExpressionError(WeftError):
    """An expression has no value for the data at hand, or not one that was needed.

    ``expression`` is its text, ``reads`` the variables that it reads, sorted, ``reason`` what is
    wrong, and ``column`` (from 1, over all lines) the place in the text, where one can be named.
    """

    default_code: ClassVar[str] = "expression"

    def __init__(
        self,
        expression: str,
        reason: str,
        *,
        reads: Collection[str] = (),
        offset: int | None = None,
    ) -> None:
        self.expression = expression
        self.reads = tuple(sorted(reads))
        self.reason = reason
        self.column = None if offset is None else offset + 1
        place = "" if offset is None else f", {_position(expression, offset)}"
        super().__init__(f"the expression {_shown(expression)}{place}: {reason}")


class Expression:
    """A compiled expression: a value, equal to any other of the same text.

    Made by `compile_expression`.
    """

    __slots__ = ("_function", "_offsets", "reads", "text")

    text: str
    """The expression as it was written."""
    reads: frozenset[str]
    """The variables that it reads; the variable of a comprehension of its own is none."""

    def __init__(self, text: str) -> None:
        tree = parse(text)
        self.text = text
        self._offsets = tree.reads
        self.reads = frozenset(tree.reads)
        self._function = _Compiler().compiled(tree.root)

    def __eq__(self, other: object) -> bool:
        return other.text == self.text if isinstance(other, Expression) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def __reduce__(self) -> tuple[Callable[[str], Expression], tuple[str]]:
        return compile_expression, (self.text,)

    def evaluate(self, data: Mapping[str, JsonValue]) -> JsonValue:
        """The value for these data: a copy of its own, which shares no list or object with them.

        Raises:
            ExpressionError: There is no value: something is missing or of the wrong type, or the
                work is too much.
        """
        try:
            return checked(self._function(_Run(data)), what="the value")
        except _Fault as fault:
            raise self._error(fault.reason, fault.offset) from None
        except NotJson as error:
            raise self._error(str(error)) from None

    def test(self, data: Mapping[str, JsonValue]) -> bool:
        """Whether the condition holds for these data.

        Raises:
            ExpressionError: As for `evaluate`, or the value is neither true nor false.
        """
        try:
            value = self._function(_Run(data))
        except _Fault as fault:
            raise self._error(fault.reason, fault.offset) from None
        if value is True or value is False:
            return value
        raise self._error(f"a condition is true or false, and this is {in_words(value)}")

    def _error(self, reason: str, offset: int | None = None) -> ExpressionError:
        return ExpressionError(self.text, reason, reads=self.reads, offset=offset)


def compile_expression(text: str, *, names: Collection[str] | None = None) -> Expression:
    """The expression that a text is; those used lately are kept, so that calling again is cheap.

    Args:
        text: The expression, in CEL.
        names: The variables that it may read; None: any.

    Raises:
        DefinitionError: The text is no expression, or reads a variable that there is not. Its
            code is ``expression``; ``line`` and ``column`` are the place within the text.
    """
    if not isinstance(text, str):
        raise DefinitionError(f"an expression is a text, not {in_words(text)}", code="expression")
    expression = _compiled(text)
    if names is not None and not expression.reads.issubset(names):
        raise _unknown_names(expression, names)
    return expression


@functools.lru_cache(maxsize=_CACHED)
def _compiled(text: str) -> Expression:
    try:
        return Expression(text)
    except SyntaxFault as fault:
        raise _definition_error(text, fault.message, fault.offset) from None


def _unknown_names(expression: Expression, names: Collection[str]) -> DefinitionError:
    unknown = [name for name in expression._offsets if name not in names]
    told = []
    for name in unknown:
        near = get_close_matches(name, names, n=2)
        hint = _WRITTEN.get(name) or " or ".join(near)
        told.append(f"{name!r} (did you mean {hint}?)" if hint else repr(name))
    known = sorted(names)
    listed = ", ".join(known[:30]) + (f" and {len(known) - 30} more" if len(known) > 30 else "")
    return _definition_error(
        expression.text,
        f"unknown {'name' if len(unknown) == 1 else 'names'} {', '.join(told)}; "
        f"known: {listed or 'none'}",
        expression._offsets[unknown[0]],
    )


_WRITTEN: Final = {"True": "true", "False": "false", "None": "null", "nil": "null", "NULL": "null"}


def _definition_error(text: str, reason: str, offset: int) -> DefinitionError:
    before = text[:offset]
    return DefinitionError(
        f"{reason}; in the expression {_shown(text)}, {_position(text, offset)}",
        code="expression",
        line=before.count("\n") + 1,
        column=offset - before.rfind("\n"),
    )


def _position(text: str, offset: int) -> str:
    before = text[:offset]
    column = f"column {offset - before.rfind(chr(10))}"
    return f"line {before.count(chr(10)) + 1}, {column}" if "\n" in text else column


def _shown(text: str) -> str:
    return repr(text if len(text) <= 200 else f"{text[:199]}…")


# ── evaluation ───────────────────────────────────────────────────────────────────────────────


class _Fault(Exception):
    """There is no value: why, and at which offset of the text."""

    def __init__(self, reason: str, offset: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset

    def at(self, offset: int) -> _Fault:
        """The same fault with a place, if it has none yet."""
        if self.offset is None:
            self.offset = offset
        return self


class _Mismatch(_Fault):
    """An operator cannot take these operands; ``wanted`` says what it takes."""

    def __init__(self, wanted: str, left: object, right: object) -> None:
        super().__init__(f"{wanted}, found {in_words(left)} and {in_words(right)}")
        self.wanted = wanted
        self.operands = (left, right)


class _ExhaustedError(_Fault):
    """The work is too much; no operator goes on after that."""


class _Run:
    """One evaluation: the data, the item that a comprehension is at, the work that is left."""

    __slots__ = ("data", "item", "left")

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        self.item: Any = None
        self.left = MAX_WORK

    def spend(self, work: int) -> None:
        self.left -= work
        if self.left < 0:
            raise _ExhaustedError(
                "it is too much work for an expression, with data of this size; do it in a task"
            )


_Function = Callable[[_Run], Any]
"""A compiled node: the run to the value. Values are shared with the data, and never changed."""


class _Compiler:
    """The walk from a tree to a function."""

    def __init__(self) -> None:
        self.bound: str | None = None
        """The variable of the comprehension in whose arguments we are."""
        self.depth = 0

    def compiled(self, node: Node) -> _Function:
        self.depth += 1
        if self.depth > _MAX_TREE:
            raise SyntaxFault(
                f"the expression is more than {_MAX_TREE} levels deep; do a part of it in a task",
                node.offset,
            )
        function = _COMPILERS[type(node)](self, node)
        self.depth -= 1
        return function

    # ── values ───────────────────────────────────────────────────────────────────────────────

    def literal(self, node: Literal) -> _Function:
        value = node.value
        return lambda run: value

    def name(self, node: Name) -> _Function:
        name = node.name
        if name == self.bound:
            return lambda run: run.item

        def variable(run: _Run) -> Any:
            try:
                return run.data[name]
            except KeyError:
                raise _Fault(f"{name!r} has no value", node.offset) from None

        return variable

    def list(self, node: ListOf) -> _Function:
        items = [self.compiled(item) for item in node.items]
        return lambda run: [item(run) for item in items]

    def map(self, node: MapOf) -> _Function:
        entries = [(self.compiled(k), self.compiled(v), k.offset) for k, v in node.entries]

        def build(run: _Run) -> Any:
            built: dict[str, Any] = {}
            for key_of, value_of, offset in entries:
                key = key_of(run)
                if type(key) is not str:
                    found = in_words(key)
                    raise _Fault(f"the keys of an object are texts, and this is {found}", offset)
                if key in built:
                    raise _Fault(f"the object has the key {key!r} already", offset)
                built[key] = value_of(run)
            return built

        return build

    # ── members ──────────────────────────────────────────────────────────────────────────────

    def select(self, node: Select) -> _Function:
        operand, field = self.compiled(node.operand), node.field

        def select(run: _Run) -> Any:
            value = operand(run)
            if type(value) is dict and field in value:
                return value[field]
            raise _no_member(node, value, field)

        return select

    def index(self, node: Index) -> _Function:
        operand, index = self.compiled(node.operand), self.compiled(node.index)

        def member(run: _Run) -> Any:
            value, key = operand(run), index(run)
            if type(value) is dict and type(key) is str and key in value:
                return value[key]
            if type(value) is list and type(key) is int and 0 <= key < len(value):
                return value[key]
            raise _no_member(node, value, key)

        return member

    def has(self, node: Has) -> _Function:
        operand, field = self.compiled(node.operand), node.field

        def has(run: _Run) -> Any:
            try:
                value = operand(run)
            except _ExhaustedError:
                raise
            except _Fault as fault:
                advice = ""
                if isinstance(node.operand, Select):
                    first = _text(node.operand)
                    advice = f"; ask for one after the other: has({first}) && has({first}.{field})"
                raise _Fault(fault.reason + advice, fault.offset) from None
            if type(value) is dict:
                return field in value
            text = _text(node.operand)
            advice = f"; write {text} != null && has({text}.{field})" if value is None else ""
            raise _Fault(
                f"has() asks an object for a field, and {text} is {in_words(value)}{advice}",
                node.offset,
            )

        return has

    # ── operators ────────────────────────────────────────────────────────────────────────────

    def unary(self, node: Unary) -> _Function:
        operand, odd = self.compiled(node.operand), len(node.operators) % 2 == 1

        def negated(run: _Run) -> Any:
            value = operand(run)
            if type(value) is not bool:
                raise _Fault(f"'!' turns true and false around, not {in_words(value)}", node.offset)
            return value is not odd

        def negative(run: _Run) -> Any:
            value = operand(run)
            if type(value) is float:
                return -value if odd else value
            if type(value) is not int:
                raise _Fault(f"'-' is for numbers, and this is {in_words(value)}", node.offset)
            if odd and value == MIN_INTEGER:
                raise _too_large(node.offset)
            return -value if odd else value

        return negated if node.operators[0] == "!" else negative

    def chain(self, node: Chain) -> _Function:
        operands = [self.compiled(operand) for operand in node.operands]
        if node.operators[0] in {"&&", "||"}:
            return _logic(node, operands)
        first, (second, *others) = operands[0], operands[1:]
        apply = _BINARY[node.operators[0]]

        def once(run: _Run) -> Any:
            left, right = first(run), second(run)
            try:
                return apply(run, left, right)
            except _Fault as fault:
                raise _between(node, 0, fault) from None

        if not others:
            return once
        rest = [
            (i, _BINARY[sign], operand)
            for i, (sign, operand) in enumerate(zip(node.operators[1:], others, strict=True), 1)
        ]

        def from_left_to_right(run: _Run) -> Any:
            value = once(run)
            for i, apply_next, operand in rest:
                right = operand(run)
                try:
                    value = apply_next(run, value, right)
                except _Fault as fault:
                    raise _between(node, i, fault) from None
            return value

        return from_left_to_right

    def conditional(self, node: Conditional) -> _Function:
        test = self.compiled(node.test)
        then, otherwise = self.compiled(node.then), self.compiled(node.otherwise)

        def choose(run: _Run) -> Any:
            value = test(run)
            if value is True:
                return then(run)
            if value is False:
                return otherwise(run)
            raise _Fault(
                f"the test before '?' is true or false, and this is {in_words(value)}", node.offset
            )

        return choose

    # ── functions ────────────────────────────────────────────────────────────────────────────

    def call(self, node: Call) -> _Function:
        if node.function == "matches":
            return self.matches(node)
        if node.function == "get":
            return self.get(node)
        function = _CALLS[node.function]
        given = [*([] if node.target is None else [node.target]), *node.arguments]
        first = self.compiled(given[0])
        if len(given) == 1:

            def call(run: _Run) -> Any:
                try:
                    return function(run, first(run))
                except _Fault as fault:
                    raise fault.at(node.offset) from None

            return call
        second = self.compiled(given[1])

        def call_with_argument(run: _Run) -> Any:
            value, argument = first(run), second(run)
            if type(value) is str and type(argument) is str:
                return function(run, value, argument)
            found = f"{in_words(value)} and {in_words(argument)}"
            raise _Fault(
                f"{node.function}() takes two texts, text.{node.function}(text), found {found}",
                node.offset,
            )

        return call_with_argument

    def get(self, node: Call) -> _Function:
        """The member of that key or index, or null when there is none: never an error."""
        assert node.target is not None
        target, index = self.compiled(node.target), self.compiled(node.arguments[0])

        def member(run: _Run) -> Any:
            value, key = target(run), index(run)
            if type(value) is dict and type(key) is str:
                return value.get(key)
            if type(value) is list and type(key) is int and 0 <= key < len(value):
                return value[key]
            return None

        return member

    def matches(self, node: Call) -> _Function:
        assert node.target is not None
        target, (pattern,) = self.compiled(node.target), node.arguments
        if not isinstance(pattern, Literal) or not isinstance(pattern.value, str):
            raise SyntaxFault(
                "the pattern of matches() is written into the expression, as a text, so that it is "
                "checked when the definition is read",
                pattern.offset,
            )
        program, cost = _regex(pattern)

        def matches(run: _Run) -> Any:
            value = target(run)
            if type(value) is not str:
                found = in_words(value)
                raise _Fault(f"matches() is a method of texts, and this is {found}", node.offset)
            run.spend(cost + (len(value) >> 4))
            return program.execute({"text": value})

        return matches

    def comprehension(self, node: Comprehension) -> _Function:
        range_of = self.compiled(node.range)
        self.bound = node.variable
        arguments = [self.compiled(argument) for argument in node.arguments]
        self.bound = None
        over = _OVER[node.macro](node, *arguments)

        def comprehend(run: _Run) -> Any:
            value = range_of(run)
            if type(value) is dict:
                # By key, since an object has no order: equal objects give equal lists.
                value = sorted(value)
            elif type(value) is not list:
                raise _Fault(
                    f"{node.macro}() goes over a list or the keys of an object, and "
                    f"{_text(node.range)} is {in_words(value)}",
                    node.offset,
                )
            if len(value) > MAX_ITEMS:
                raise _ExhaustedError(
                    f"{node.macro}() goes over up to {MAX_ITEMS:,} items, and {_text(node.range)} "
                    f"has {len(value):,}; do it in a task",
                    node.offset,
                )
            run.spend(len(value))
            return over(run, value)

        return comprehend


_COMPILERS: Final[Mapping[type, Callable[[_Compiler, Any], _Function]]] = {
    Literal: _Compiler.literal,
    Name: _Compiler.name,
    ListOf: _Compiler.list,
    MapOf: _Compiler.map,
    Select: _Compiler.select,
    Index: _Compiler.index,
    Has: _Compiler.has,
    Unary: _Compiler.unary,
    Chain: _Compiler.chain,
    Conditional: _Compiler.conditional,
    Call: _Compiler.call,
    Comprehension: _Compiler.comprehension,
}


# ── operators ────────────────────────────────────────────────────────────────────────────────


def _logic(node: Chain, operands: Sequence[_Function]) -> _Function:
    """``&&`` and ``||``: an operand that decides wins, wherever it stands, even over an error."""
    sign = node.operators[0]
    decisive = sign == "||"
    other = not decisive
    places = [operand.offset for operand in node.operands]

    def logic(run: _Run) -> Any:
        fault: _Fault | None = None
        for index, operand in enumerate(operands):
            try:
                value = operand(run)
            except _ExhaustedError:
                raise
            except _Fault as found:
                fault = fault or found
                continue
            if value is decisive:
                return decisive
            if value is not other:
                what = f"{sign!r} joins conditions, which are true or false"
                fault = fault or _Fault(f"{what}, and this is {in_words(value)}", places[index])
        if fault is not None:
            raise fault
        return other

    return logic


def _between(node: Chain, index: int, fault: _Fault) -> _Fault:
    """The fault of an operator, with its place and the operands by name."""
    if isinstance(fault, _Mismatch):
        sides = [
            f"{_text(side)} is {in_words(value)}"
            for side, value in zip(node.operands[index : index + 2], fault.operands, strict=True)
            if not isinstance(side, Literal) and (index == 0 or side is node.operands[index + 1])
        ]
        named = f" ({', '.join(sides)})" if sides else ""
        kinds = {type(value) for value in fault.operands}
        advice = ""
        if kinds == {int, float}:
            advice = "; integers and numbers are not mixed: write double(x) for the integer"
        elif str in kinds and kinds & {int, float}:
            advice = "; write string(x) for the number, or int(x) or double(x) for the text"
        elif type(None) in kinds:
            advice = "; ask for null before: x != null && …"
        fault.reason = f"{node.operators[index]!r} takes {fault.reason}{named}{advice}"
    return fault.at(node.offset)


_NUMBERS: Final = frozenset({int, float})
_ORDERED: Final = frozenset({int, float, str, bool})
_KEYS: Final = frozenset({int, str, bool})
"""What may be asked for as a key; an object of a case has only texts."""


def _equal(run: _Run, left: Any, right: Any) -> bool:
    kind = type(left)
    if kind is not type(right):
        return kind in _NUMBERS and type(right) in _NUMBERS and bool(left == right)
    if kind is list or kind is dict:
        return _equal_parts(run, left, right, 0)
    if kind is str and len(left) > 1024 and len(left) == len(right):
        run.spend(len(left) >> 10)
    return bool(left == right)


def _equal_parts(run: _Run, left: Any, right: Any, depth: int) -> bool:
    """Equality of two lists or two objects, part by part: Python's own takes true for 1."""
    if left is right:
        return True
    if len(left) != len(right):
        return False
    # Data is up to MAX_DEPTH deep, and an expression can put some levels around it.
    run.spend(1 + len(left) if depth < 2 * MAX_DEPTH else MAX_WORK)
    if type(left) is dict:
        if left.keys() != right.keys():
            return False
        left, right = left.values(), [right[key] for key in left]
    for a, b in zip(left, right, strict=True):
        if type(a) is type(b) and type(a) in {list, dict}:
            if not _equal_parts(run, a, b, depth + 1):
                return False
        elif a is not b and not _equal(run, a, b):
            return False
    return True


def _unequal(run: _Run, left: Any, right: Any) -> bool:
    return not _equal(run, left, right)


def _order(compare: Callable[[Any, Any], bool]) -> Callable[[_Run, Any, Any], bool]:
    def ordered(run: _Run, left: Any, right: Any) -> bool:
        kind, other = type(left), type(right)
        if kind is other and kind in _ORDERED:
            if kind is str and len(left) > 1024:
                run.spend(len(left) >> 10)
            return compare(left, right)
        if kind in _NUMBERS and other in _NUMBERS:
            return compare(left, right)
        raise _Mismatch("two numbers, two texts or two conditions", left, right)

    return ordered


def _in(run: _Run, left: Any, right: Any) -> bool:
    if type(right) is dict and type(left) in _KEYS:
        return type(left) is str and left in right
    if type(right) is list:
        for index, item in enumerate(right):
            if _equal(run, left, item):
                run.spend(index + 1)
                return True
        run.spend(len(right))
        return False
    raise _Mismatch("a value and a list, or a key and an object", left, right)


def _too_large(offset: int | None = None) -> _Fault:
    return _Fault(
        f"the result needs more than 64 bits: an integer is at most {MAX_INTEGER} and at least "
        f"{MIN_INTEGER}; write double(x) where it need not be exact",
        offset,
    )


def _integer(value: int) -> int:
    if MIN_INTEGER <= value <= MAX_INTEGER:
        return value
    raise _too_large()


def _number(value: float) -> float:
    if math.isfinite(value):
        return value
    raise _Fault("the result is past the bounds of a number")


def _add(run: _Run, left: Any, right: Any) -> Any:
    kind = type(left)
    if kind is type(right):
        if kind is int:
            return _integer(left + right)
        if kind is float:
            return _number(left + right)
        if kind is str:
            run.spend(1 + (len(left) + len(right) >> 6))
            return left + right
        if kind is list:
            run.spend(1 + len(left) + len(right))
            return left + right
    raise _Mismatch("two integers, two numbers, two texts or two lists", left, right)


def _calculate(calculate: Callable[[Any, Any], Any]) -> Callable[[_Run, Any, Any], Any]:
    def calculated(run: _Run, left: Any, right: Any) -> Any:
        del run
        if type(left) is type(right):
            if type(left) is int:
                return _integer(calculate(left, right))
            if type(left) is float:
                return _number(calculate(left, right))
        raise _Mismatch("two integers or two numbers", left, right)

    return calculated


def _divide(run: _Run, left: Any, right: Any) -> Any:
    """Integers are divided towards zero: 7 / -2 is -3."""
    del run
    if type(left) is not type(right) or type(left) not in _NUMBERS:
        raise _Mismatch("two integers or two numbers", left, right)
    if right == 0:
        raise _Fault("division by zero")
    if type(left) is float:
        return _number(left / right)
    quotient = abs(left) // abs(right)
    return _integer(quotient if (left < 0) is (right < 0) else -quotient)


def _remainder(run: _Run, left: Any, right: Any) -> Any:
    """The remainder has the sign of what is divided: -7 % 2 is -1."""
    del run
    if type(left) is not int or type(right) is not int:
        raise _Mismatch("two integers", left, right)
    if right == 0:
        raise _Fault("division by zero")
    remainder = abs(left) % abs(right)
    return remainder if left >= 0 else -remainder


_BINARY: Final[Mapping[str, Callable[[_Run, Any, Any], Any]]] = {
    "==": _equal,
    "!=": _unequal,
    "<": _order(operator.lt),
    "<=": _order(operator.le),
    ">": _order(operator.gt),
    ">=": _order(operator.ge),
    "in": _in,
    "+": _add,
    "-": _calculate(operator.sub),
    "*": _calculate(operator.mul),
    "/": _divide,
    "%": _remainder,
}


# ── members ──────────────────────────────────────────────────────────────────────────────────


def _no_member(node: Select | Index, value: Any, key: Any) -> _Fault:
    """Why a value has no such field or item."""
    owner = _text(node.operand)
    if type(value) is dict and type(key) is str:
        near = get_close_matches(key, value, n=1)
        names = sorted(value)
        listed = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
        hint = f"; did you mean {near[0]!r}?" if near else ";"
        reason = f"{owner} has no {key!r}{hint} it has {listed or 'no keys'}"
    elif type(value) is list and type(key) is int:
        count = len(value)
        reason = (
            f"{owner} has no item {key}; it has {count or 'no'} item{'s' if count != 1 else ''}"
        )
        reason += ", and the first is 0" if count else ""
    elif value is None:
        asked = f"{owner} != null && …" if owner != _SOMETHING else "x != null && …"
        reason = f"{owner} is null, which has no members; ask before: {asked}"
    elif type(value) is dict:
        reason = f"{owner} is an object; its keys are texts, and this is {in_words(key)}"
    elif type(value) is list:
        reason = f"{owner} is a list; its items have integers, {owner}[0]"
    else:
        reason = f"{owner} is {in_words(value)}, which has no members"
    return _Fault(reason, node.offset)


_SOMETHING: Final = "the value"


def _text(node: Node) -> str:
    """A node as it may be called in a message."""
    if isinstance(node, Name):
        return node.name
    if isinstance(node, Select):
        operand = _text(node.operand)
        return _SOMETHING if operand == _SOMETHING else path_text(operand, (node.field,))
    if isinstance(node, Index):
        operand = _text(node.operand)
        index = node.index.source if isinstance(node.index, Literal) else "…"
        return _SOMETHING if operand == _SOMETHING else f"{operand}[{index}]"
    return _SOMETHING


# ── functions ────────────────────────────────────────────────────────────────────────────────

_INTEGER_TEXT: Final = re.compile(r"[+-]?[0-9]+")
_NUMBER_TEXT: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def _cannot(function: str, value: object) -> _Fault:
    return _Fault(f"{function}() takes {FUNCTIONS[function]}, and this is {in_words(value)}")


def _size(run: _Run, value: Any) -> int:
    del run
    if type(value) is str or type(value) is list or type(value) is dict:
        return len(value)
    raise _cannot("size", value)


def _to_integer(run: _Run, value: Any) -> int:
    """Numbers are cut towards zero: int(-1.9) is -1."""
    del run
    if type(value) is int:
        return value
    if type(value) is float:
        return _integer(int(value))
    if type(value) is not str:
        raise _cannot("int", value)
    if len(value) > 100 or _INTEGER_TEXT.fullmatch(value) is None:
        raise _Fault(f"the text {_shown(value)} is no integer")
    return _integer(int(value))


def _to_number(run: _Run, value: Any) -> float:
    del run
    if type(value) is float:
        return value
    if type(value) is int:
        return float(value)
    if type(value) is not str:
        raise _cannot("double", value)
    if len(value) > 1000 or _NUMBER_TEXT.fullmatch(value) is None:
        raise _Fault(f"the text {_shown(value)} is no number")
    return _number(float(value))


def _to_text(run: _Run, value: Any) -> str:
    """As JSON writes it, but without the .0 of a whole number."""
    del run
    if type(value) is str:
        return value
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is int:
        return str(value)
    if type(value) is float:
        return repr(value).removesuffix(".0")
    raise _cannot("string", value)


def _to_any_text(run: _Run, value: Any) -> str:
    """As `string`, null as an empty text, lists and objects as JSON with sorted keys."""
    if value is None:
        return ""
    if type(value) is not list and type(value) is not dict:
        return _to_text(run, value)
    waiting: list[Any] = [value]
    while waiting:  # before a text is made of it: parts may be shared, and the text does not share
        part = waiting.pop()
        if type(part) is dict:
            waiting += part.values()
            run.spend(1 + len(part) + (sum(map(len, part)) >> 6))
        elif type(part) is list:
            waiting += part
            run.spend(1 + len(part))
        elif type(part) is str:
            run.spend(len(part) >> 6)
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _contains(run: _Run, value: str, part: str) -> bool:
    run.spend(1 + (len(value) >> 6))
    return part in value


def _starts(run: _Run, value: str, part: str) -> bool:
    run.spend(1 + (len(part) >> 6))
    return value.startswith(part)


def _ends(run: _Run, value: str, part: str) -> bool:
    run.spend(1 + (len(part) >> 6))
    return value.endswith(part)


_CALLS: Final[Mapping[str, Callable[..., Any]]] = {
    "size": _size,
    "int": _to_integer,
    "double": _to_number,
    "string": _to_text,
    "text": _to_any_text,
    "contains": _contains,
    "startsWith": _starts,
    "endsWith": _ends,
}


# ── comprehensions ───────────────────────────────────────────────────────────────────────────

_Over = Callable[[_Run, list[Any]], Any]


def _condition(node: Comprehension, condition: _Function, run: _Run) -> bool:
    value = condition(run)
    if value is True or value is False:
        return value
    raise _Fault(
        f"the condition of {node.macro}() is true or false, and this is {in_words(value)}",
        node.arguments[0].offset,
    )


def _decided(node: Comprehension, condition: _Function) -> _Over:
    """``all`` and ``exists``: as ``&&`` and ``||`` over the items."""
    decisive = node.macro == "exists"

    def decide(run: _Run, items: list[Any]) -> Any:
        fault: _Fault | None = None
        for run.item in items:
            try:
                if _condition(node, condition, run) is decisive:
                    return decisive
            except _ExhaustedError:
                raise
            except _Fault as found:
                fault = fault or found
        if fault is not None:
            raise fault
        return not decisive

    return decide


def _exists_one(node: Comprehension, condition: _Function) -> _Over:
    def count(run: _Run, items: list[Any]) -> Any:
        found = 0
        for run.item in items:
            found += _condition(node, condition, run)
        return found == 1

    return count


def _filter(node: Comprehension, condition: _Function) -> _Over:
    def select(run: _Run, items: list[Any]) -> Any:
        found = []
        for run.item in items:
            if _condition(node, condition, run):
                found.append(run.item)
        return found

    return select


def _map(node: Comprehension, first: _Function, second: _Function | None = None) -> _Over:
    def transform(run: _Run, items: list[Any]) -> Any:
        found = []
        for run.item in items:
            if second is None:
                found.append(first(run))
            elif _condition(node, first, run):
                found.append(second(run))
        return found

    return transform


_OVER: Final[Mapping[str, Callable[..., _Over]]] = {
    "all": _decided,
    "exists": _decided,
    "exists_one": _exists_one,
    "filter": _filter,
    "map": _map,
}


# ── regular expressions ──────────────────────────────────────────────────────────────────────


@functools.cache
def _library() -> Any:
    """The compiled module of the package ``cel``, without the command line that comes with it.

    Importing the package costs 480 ms, since it imports its command line; the module 18.
    It is registered as what it is, so that a later ``import cel`` finds it.
    """
    name = "cel.cel"
    if name in sys.modules:
        return sys.modules[name]
    package = importlib.util.find_spec("cel")
    spec = package and importlib.machinery.PathFinder.find_spec(
        name, package.submodule_search_locations
    )
    if spec is None or spec.loader is None:
        raise InternalError(
            "matches() needs the package common-expression-language, which is not installed",
            code="not-installed",
        )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _regex(pattern: Literal) -> tuple[_cel.Program, int]:
    """The program that matches a text, and the work that it is to be compiled, each time.

    The regular expressions are those of Rust's ``regex`` (RE2's syntax): without look-around and
    back-references, and so linear in the text.
    """
    assert isinstance(pattern.value, str)
    if len(pattern.value) > MAX_PATTERN:
        raise SyntaxFault(
            f"a pattern has up to {MAX_PATTERN} characters, this one {len(pattern.value)}; "
            "do it in a task",
            pattern.offset,
        )
    cost = _pattern_cost(pattern.value)
    if cost > _MAX_PATTERN_COST:
        raise SyntaxFault(
            "the pattern repeats too much with its counts, {n}; use + or *, or do it in a task",
            pattern.offset,
        )
    program: _cel.Program = _library().compile(f"text.matches({pattern.source})")
    try:
        program.execute({"text": ""})
    except RuntimeError as error:
        told = re.findall(r"error: (.+?)\.? Check function", str(error), re.DOTALL)
        reason = told[-1].rpartition("error: ")[2] if told else str(error)
        raise SyntaxFault(
            f"the pattern is no regular expression: {reason}", pattern.offset
        ) from None
    return program, cost


_ATOM: Final = re.compile(
    r"(?P<group>\()|(?P<end>\))|(?P<count>\{(?P<least>\d+)(?:,(?P<most>\d*))?\})"
    r"|(?P<wide>\\[pP](?:\{[^}]*\}|.)?|\\[wWdDsSbB])|(?P<some>\[(?:[^\]\\]|\\.)*\]?|\.)|\\?.",
    re.DOTALL,
)


def _pattern_cost(pattern: str) -> int:
    """About how many states a pattern has: what counts is repeated, Unicode's classes are wide."""
    sums, last = [0], 0
    for atom in _ATOM.finditer(pattern):
        if atom["count"]:
            times = max(int(atom["least"]), int(atom["most"] or 0))
            sums[-1] += last * (times - 1)
            last *= times
        elif atom["group"]:
            sums.append(0)
            last = 0
        elif atom["end"] and len(sums) > 1:
            last = sums.pop()
            sums[-1] += last
        else:
            last = 200 if atom["wide"] else 10 if atom["some"] else 1
            if atom["some"]:
                last += 200 * len(re.findall(r"\\[pPwWdDsS]", atom["some"]))
            sums[-1] += last
    return 1 + sum(sums)

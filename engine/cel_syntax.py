"""The syntax of expressions: CEL's grammar, as far as Weft's expressions use it, as a tree.

The grammar is that of the Common Expression Language (github.com/google/cel-spec, langdef.md).
Left out is what data of a case cannot hold or an expression has no use for: messages (``T{a: 1}``),
bytes, unsigned integers, timestamps and durations, types as values, a leading dot. The tree tells `weft.engine.expressions` which data an
expression reads and what it may cost, and gives every fault its place in the text.

    expression ─▶ chain of operators ─▶ unary ─▶ member (.field, [index], .call()) ─▶ primary
        ▲                                                                             │
        └──────────────────────── ( … ), [ … ], { … }, f( … ) ◀────────────────────────┘

What is accepted is bounded in length, in depth and in the length of a chain of operators, so that
neither reading nor evaluating it can exhaust the stack.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Final, TypeAlias

import msgspec

from weft.schema.jsonvalue import MAX_INTEGER

__all__ = [
    "COMPREHENSIONS",
    "FUNCTIONS",
    "MAX_CHAIN",
    "MAX_LENGTH",
    "MAX_NESTING",
    "METHODS",
    "Call",
    "Chain",
    "Comprehension",
    "Conditional",
    "Has",
    "Index",
    "ListOf",
    "Literal",
    "MapOf",
    "Name",
    "Node",
    "Select",
    "SyntaxFault",
    "Tree",
    "Unary",
    "parse",
]

MAX_LENGTH: Final = 4000
"""How many characters an expression may have."""
MAX_NESTING: Final = 24
"""How deep brackets and conditionals may be nested, and how many members may be chained."""
MAX_CHAIN: Final = 100
"""How many operators of one precedence may follow each other without brackets."""

COMPREHENSIONS: Final = {
    "all": "list.all(x, condition)",
    "exists": "list.exists(x, condition)",
    "exists_one": "list.exists_one(x, condition)",
    "map": "list.map(x, value) or list.map(x, condition, value)",
    "filter": "list.filter(x, condition)",
}
"""The macros that go over a list or the keys of an object, and how they are written."""

FUNCTIONS: Final = {
    "size": "a text, a list or an object",
    "int": "an integer, a number or a text",
    "double": "an integer, a number or a text",
    "string": "an integer, a number, true or false, or a text",
    "text": "anything",
}
"""The functions of one argument, and what they take."""

METHODS: Final = {
    "size": 0,
    "contains": 1,
    "startsWith": 1,
    "endsWith": 1,
    "matches": 1,
    "get": 1,
}
"""The methods, and the number of their arguments."""


class SyntaxFault(ValueError):
    """A text is no expression; ``offset`` is where in it, in characters from 0."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


# ── the tree ─────────────────────────────────────────────────────────────────────────────────


class Literal(msgspec.Struct, frozen=True):
    """null, true, false, a number or a text; ``source`` is how it was written."""

    source: str
    value: bool | int | float | str | None
    offset: int


class Name(msgspec.Struct, frozen=True):
    """A variable, of the data or of a comprehension."""

    name: str
    offset: int


class Select(msgspec.Struct, frozen=True):
    """``operand.field``."""

    operand: Node
    field: str
    offset: int


class Index(msgspec.Struct, frozen=True):
    """``operand[index]``."""

    operand: Node
    index: Node
    offset: int


class Has(msgspec.Struct, frozen=True):
    """``has(operand.field)``."""

    operand: Node
    field: str
    offset: int


class Call(msgspec.Struct, frozen=True):
    """``function(argument)``, or ``target.function(arguments)``."""

    function: str
    target: Node | None
    arguments: tuple[Node, ...]
    offset: int


class Comprehension(msgspec.Struct, frozen=True):
    """``range.macro(variable, arguments)``, one of `COMPREHENSIONS`.

    In the arguments (and only there) the `Name` of the variable means the item.
    """

    macro: str
    range: Node
    variable: str
    arguments: tuple[Node, ...]
    offset: int


class ListOf(msgspec.Struct, frozen=True):
    """``[a, b]``."""

    items: tuple[Node, ...]
    offset: int


class MapOf(msgspec.Struct, frozen=True):
    """``{"a": b}``."""

    entries: tuple[tuple[Node, Node], ...]
    offset: int


class Unary(msgspec.Struct, frozen=True):
    """``!!operand`` or ``--operand``."""

    operators: str
    operand: Node
    offset: int


class Chain(msgspec.Struct, frozen=True):
    """Operands between operators of one precedence, taken from left to right."""

    operators: tuple[str, ...]
    operands: tuple[Node, ...]
    offset: int


class Conditional(msgspec.Struct, frozen=True):
    """``test ? then : otherwise``."""

    test: Node
    then: Node
    otherwise: Node
    offset: int


Node: TypeAlias = (
    Literal
    | Name
    | Select
    | Index
    | Has
    | Call
    | Comprehension
    | ListOf
    | MapOf
    | Unary
    | Chain
    | Conditional
)


class Tree(msgspec.Struct, frozen=True):
    """An expression as a tree, and what was noticed on the way.

    ``reads`` are the variables that it reads, with the offset of the first use of each, in order;
    the variable of its own comprehension is not among them.
    """

    root: Node
    reads: dict[str, int]


# ── tokens ───────────────────────────────────────────────────────────────────────────────────

_ESCAPE: Final = (
    r"\\(?:[abfnrtv\"'\\?`]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2})"
)
_TOKEN: Final = re.compile(
    rf"""
    (?P<space>(?:[ \t\r\n\f]|//[^\n]*)+)
    |(?P<string>[bB]?(?P<raw>[rR])?(?(raw)
        (?:\"\"\"[\s\S]*?\"\"\"|'''[\s\S]*?'''|"[^"\r\n]*"|'[^'\r\n]*')
        |(?:
            \"\"\"(?:[^\\]|{_ESCAPE})*?\"\"\"|'''(?:[^\\]|{_ESCAPE})*?'''
            |"(?:[^"\\\r\n]|{_ESCAPE})*"|'(?:[^'\\\r\n]|{_ESCAPE})*'
        )
    ))
    |(?P<float>[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+)
    |(?P<integer>(?:0x[0-9a-fA-F]+|[0-9]+)[uU]?)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<operator>\|\||&&|==|!=|<=|>=|[-+*/%<>!?:.,()\[\]{{}}])
    """,
    re.VERBOSE,
)
_ONE_ESCAPE: Final = re.compile(_ESCAPE)
_PLAIN_ESCAPES: Final = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
}

_LEVELS: Final = {
    "||": 0,
    "&&": 1,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in"), 2),
    **dict.fromkeys(("+", "-"), 3),
    **dict.fromkeys(("*", "/", "%"), 4),
}
"""The operators between two operands, and how tightly they bind."""

_CONSTANTS: Final = {"true": True, "false": False, "null": None}
# fmt: off
_RESERVED: Final = frozenset({
    "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop",
    "package", "namespace", "return", "var", "void", "while",
})
# fmt: on
_HABITS: Final = {
    "and": "&&",
    "or": "||",
    "not": "!x",
    "is": "==",
    "if": "condition ? a : b",
    "len": "size(…)",
    "length": "size(…)",
    "count": "size(…)",
    "str": "string(…)",
    "float": "double(…)",
    "number": "double(…)",
    "any": "list.exists(x, condition)",
    "lower": "a task",
    "upper": "a task",
    "=": "==",
    "&": "&&",
    "|": "||",
    "===": "==",
    "~": "text.matches('…')",
}
"""What people write by habit, and how it is written here."""


class _Token(msgspec.Struct, frozen=True):
    kind: str
    text: str
    offset: int


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    offset = 0
    while offset < len(text):
        match = _TOKEN.match(text, offset)
        if match is None:
            raise _no_token(text, offset)
        kind = str(match.lastgroup)
        if kind != "space":
            tokens.append(_Token(kind, match.group(), offset))
        offset = match.end()
    return [*tokens, _Token("end", "", offset)]


def _no_token(text: str, offset: int) -> SyntaxFault:
    character = text[offset]
    quote = re.compile(r"(?:[bB]?[rR]?)(\"\"\"|'''|\"|')").match(text, offset)
    if quote is not None:
        body = text[quote.end() :]
        stop = re.search(rf"(?<!\\){quote.group(1)}", body)
        escapes = re.compile(rf"\\(?!{_ESCAPE[2:]})")
        bad = escapes.search(text, quote.end(), quote.end() + (stop.end() if stop else len(body)))
        if stop is not None and bad is not None:
            return SyntaxFault(
                f"there is no escape {text[bad.start() : bad.start() + 2]!r} in texts: write "
                r"\\ for a backslash, or r'…' for a text without escapes",
                bad.start(),
            )
        return SyntaxFault(f"the text that starts here has no closing {quote.group(1)}", offset)
    found = re.compile(r"=+|[&|~^@#$;\\`]|.", re.DOTALL).match(text, offset)
    written = found.group() if found else character
    advice = f"; write {_HABITS[written]}" if written in _HABITS else ""
    if character == "`":
        advice = "; write a name that is not plain as x['a-b']"
    elif not character.isascii() and character.isalpha():
        advice = "; names have letters a to z, digits and underscores; others are x['é']"
    return SyntaxFault(f"{written!r} is not part of an expression{advice}", offset)


def _value(token: _Token) -> str:
    """The text that a literal stands for."""
    source = token.text
    raw = source[0] in "rR"
    body = source[1:] if raw else source
    width = 3 if body[:3] in {'"""', "'''"} else 1
    body = body[width:-width]
    return body if raw else _ONE_ESCAPE.sub(lambda m: _unescaped(m, token), body)


def _unescaped(match: re.Match[str], token: _Token) -> str:
    escape = match.group()[1:]
    if escape[0] in _PLAIN_ESCAPES:
        return _PLAIN_ESCAPES[escape[0]]
    if escape[0] in "xXuU":
        code = int(escape[1:], 16)
    elif escape[0].isdigit():
        code = int(escape, 8)
    else:
        return escape
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise SyntaxFault(f"\\{escape} is no Unicode character", token.offset)
    return chr(code)


# ── parsing ──────────────────────────────────────────────────────────────────────────────────


def parse(text: str) -> Tree:
    """The tree of an expression.

    Raises:
        SyntaxFault: What is wrong, what would be accepted, and where.
    """
    if len(text) > MAX_LENGTH:
        raise SyntaxFault(
            f"an expression has up to {MAX_LENGTH:,} characters, this one {len(text):,}; "
            "what needs more is the work of a task",
            MAX_LENGTH,
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise SyntaxFault("a lone surrogate is no Unicode character", error.start) from None
    parser = _Parser(_tokens(text))
    root = parser.whole()
    return Tree(root, parser.reads)


class _Parser:
    def __init__(self, tokens: Sequence[_Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.reads: dict[str, int] = {}
        self.bound: str | None = None
        """The variable of the comprehension that we are in."""
        self.comprehensions = 0

    # ── tokens ───────────────────────────────────────────────────────────────────────────────

    @property
    def next(self) -> _Token:
        return self.tokens[self.at]

    def take(self) -> _Token:
        token = self.tokens[self.at]
        self.at += 1
        return token

    def taken(self, *operators: str) -> bool:
        """Whether one of these operators comes next; then it is taken."""
        if self.next.kind == "operator" and self.next.text in operators:
            self.at += 1
            return True
        return False

    def demand(self, operator: str, purpose: str) -> None:
        if not self.taken(operator):
            raise self.unexpected(f"{operator!r} {purpose}")

    def unexpected(self, wanted: str) -> SyntaxFault:
        token = self.next
        if token.kind == "end":
            return SyntaxFault(f"the expression ends where {wanted} is expected", token.offset)
        before = self.tokens[self.at - 1].text if self.at else ""
        habit = _HABITS.get(token.text) or (_HABITS["not"] if before == "not" else None)
        advice = f"; write {habit}" if habit else ""
        found = token.text if len(token.text) <= 40 else f"{token.text[:39]}…"
        return SyntaxFault(f"expected {wanted}, found {found!r}{advice}", token.offset)

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise SyntaxFault(
                f"the expression is nested more than {MAX_NESTING} deep; do a part of it in a task",
                self.next.offset,
            )

    # ── the grammar ──────────────────────────────────────────────────────────────────────────

    def whole(self) -> Node:
        if self.next.kind == "end":
            raise SyntaxFault("the expression is empty", 0)
        root = self.expression()
        if self.next.kind != "end":
            raise self.unexpected("an operator or the end of the expression")
        return root

    def expression(self) -> Node:
        self.deeper()
        test = self.chain(0)
        if self.taken("?"):
            then = self.chain(0)
            self.demand(":", "of the condition (test ? a : b)")
            test = Conditional(test, then, self.expression(), test.offset)
        self.depth -= 1
        return test

    def chain(self, level: int) -> Node:
        """Operands and operators that bind at least as tightly as ``level``."""
        left = self.unary()
        while (found := self.operator()) is not None and found[1] >= level:
            left = self.rest(left, found[1])
        return left

    def operator(self) -> tuple[str, int] | None:
        token = self.next
        level = _LEVELS.get(token.text) if token.kind in {"operator", "name"} else None
        return None if level is None else (token.text, level)

    def rest(self, first: Node, level: int) -> Node:
        """The rest of a chain of operators of one level, after its first operand."""
        operators: list[str] = []
        operands = [first]
        while (found := self.operator()) is not None and found[1] == level:
            if len(operators) == MAX_CHAIN:
                raise SyntaxFault(
                    f"more than {MAX_CHAIN} operators follow each other; "
                    "do a part of it in a task, or write x in [a, b, …]",
                    self.next.offset,
                )
            operators.append(self.take().text)
            operands.append(self.chain(level + 1))
        return Chain(tuple(operators), tuple(operands), first.offset)

    def unary(self) -> Node:
        start = self.next.offset
        operators = ""
        while self.next.text in {"!", "-"} and self.next.text in (operators[:1] or "!-"):
            operators += self.take().text
            if len(operators) > MAX_NESTING:
                raise SyntaxFault(f"more than {MAX_NESTING} signs follow each other", start)
        if operators[:1] == "!" and self.next.text == "-":
            sign = self.take()
            if self.next.kind not in {"integer", "float"}:
                raise SyntaxFault("expected a number after '!-'; write !(-x)", sign.offset)
            self.at -= 1
            return Unary(operators, self.negative(), start)
        if operators[-1:] == "-" and self.next.kind in {"integer", "float"}:
            # The sign next to a number is part of it, so that -9223372036854775808 is one.
            self.at -= 1
            operand = self.negative()
            return Unary(operators[:-1], operand, start) if operators[:-1] else operand
        operand = self.member()
        return Unary(operators, operand, start) if operators else operand

    def negative(self) -> Node:
        """A number with its sign, and what is chained to it."""
        sign = self.take()
        return self.member(sign)

    def member(self, sign: _Token | None = None) -> Node:
        node = self.primary() if sign is None else self.number(sign)
        for _ in range(MAX_NESTING):
            if self.taken("."):
                node = self.selected(node)
            elif self.taken("["):
                index = self.expression()
                self.demand("]", "after the index")
                node = Index(node, index, node.offset)
            else:
                return node
        raise SyntaxFault(
            f"more than {MAX_NESTING} members follow each other; do a part of it in a task",
            self.next.offset,
        )

    def selected(self, operand: Node) -> Node:
        """What follows a dot: a field, a method or a comprehension."""
        token = self.next
        if token.kind != "name" or token.text in {"in", *_CONSTANTS}:
            raise self.unexpected("the name of a field or method (or ['…'])")
        self.at += 1
        if not self.taken("("):
            return Select(operand, token.text, operand.offset)
        if token.text in COMPREHENSIONS:
            return self.comprehended(operand, token)
        arguments = self.arguments()
        if token.text not in METHODS:
            raise self.no_function(token, METHODS, "method")
        if len(arguments) != METHODS[token.text]:
            needed = METHODS[token.text] or "no"
            plural = "" if needed == 1 else "s"
            raise SyntaxFault(
                f"{token.text}() takes {needed} argument{plural}, found {len(arguments)}",
                token.offset,
            )
        return Call(token.text, operand, tuple(arguments), operand.offset)

    def comprehended(self, range: Node, token: _Token) -> Node:
        form = COMPREHENSIONS[token.text]
        self.comprehensions += 1
        if self.comprehensions > 1:
            raise SyntaxFault(
                f"an expression has at most one of {', '.join(COMPREHENSIONS)}, so that its work is "
                f"bounded; {token.text}() is one more: do a part of it in a task",
                token.offset,
            )
        variable = self.next
        if variable.kind != "name" or variable.text in {*_CONSTANTS, *_RESERVED, "in"}:
            raise self.unexpected(f"a name for the item (as in {form})")
        self.at += 1
        self.demand(",", f"after the name of the item (as in {form})")
        self.bound = variable.text
        arguments = self.arguments()
        self.bound = None
        if not 1 <= len(arguments) <= (2 if token.text == "map" else 1):
            raise SyntaxFault(f"{token.text}() is written {form}", token.offset)
        return Comprehension(token.text, range, variable.text, tuple(arguments), range.offset)

    def arguments(self) -> list[Node]:
        """Arguments up to the closing bracket."""
        found: list[Node] = []
        if not self.taken(")"):
            found.append(self.expression())
            while self.taken(","):
                found.append(self.expression())
            self.demand(")", "after the arguments")
        return found

    def primary(self) -> Node:
        token = self.next
        if token.kind == "string":
            if "b" in token.text[: token.text.index(token.text[-1])].lower():
                raise SyntaxFault("bytes are no data of a case; write a text, '…'", token.offset)
            self.at += 1
            return Literal(token.text, _value(token), token.offset)
        if token.kind in {"integer", "float"}:
            return self.number(None)
        if token.kind == "name":
            return self.named()
        if self.taken("("):
            inner = self.expression()
            self.demand(")", "to close the bracket")
            return inner
        if self.taken("["):
            return self.list(token)
        if self.taken("{"):
            return self.map(token)
        raise self.unexpected("a value")

    def number(self, sign: _Token | None) -> Node:
        token = self.take()
        minus = "" if sign is None else "-"
        offset = token.offset if sign is None else sign.offset
        if token.kind == "float":
            value = float(token.text)
            if not math.isfinite(value):
                raise SyntaxFault(f"{token.text} is past the bounds of a number", token.offset)
            return Literal(minus + token.text, -value if minus else value, offset)
        if token.text[-1] in "uU":
            raise SyntaxFault(
                f"there are no unsigned integers; write {token.text[:-1]}", token.offset
            )
        hexadecimal = token.text[:2] == "0x"
        if len(token.text) > 400:
            raise SyntaxFault("the integer needs more than 64 bits", token.offset)
        integer = int(token.text, 16 if hexadecimal else 10)
        if integer > MAX_INTEGER + (1 if minus else 0):
            raise SyntaxFault(f"the integer {token.text} needs more than 64 bits", token.offset)
        return Literal(minus + token.text, -integer if minus else integer, offset)

    def named(self) -> Node:
        token = self.take()
        if token.text in _CONSTANTS:
            return Literal(token.text, _CONSTANTS[token.text], token.offset)
        if token.text in _RESERVED or token.text == "in":
            self.at -= 1
            if token.text == "in":
                raise self.unexpected("a value")
            advice = f"; write {_HABITS[token.text]}" if token.text in _HABITS else ""
            raise SyntaxFault(f"{token.text!r} is a reserved word{advice}", token.offset)
        if not self.taken("("):
            if self.next.text == "{":
                raise SyntaxFault(
                    "there are no messages; an object is {'key': value}", token.offset
                )
            if token.text != self.bound:
                self.reads.setdefault(token.text, token.offset)
            return Name(token.text, token.offset)
        arguments = self.arguments()
        if token.text == "has":
            if len(arguments) != 1 or not isinstance(arguments[0], Select):
                raise SyntaxFault(
                    "has() asks for a field: has(x.field); for other keys write 'a-b' in x",
                    token.offset,
                )
            return Has(arguments[0].operand, arguments[0].field, token.offset)
        if token.text not in FUNCTIONS:
            raise self.no_function(token, FUNCTIONS, "function")
        if len(arguments) != 1:
            raise SyntaxFault(
                f"{token.text}() takes one argument, {FUNCTIONS[token.text]}; "
                f"found {len(arguments) or 'none'}",
                token.offset,
            )
        return Call(token.text, None, tuple(arguments), token.offset)

    def no_function(self, token: _Token, known: Collection[str], what: str) -> SyntaxFault:
        name = token.text
        if name in COMPREHENSIONS:
            return SyntaxFault(f"{name}() is written {COMPREHENSIONS[name]}", token.offset)
        if name in METHODS and what == "function":
            argument = "…" if METHODS[name] else ""
            return SyntaxFault(f"{name}() is a method: write x.{name}({argument})", token.offset)
        if name in {*FUNCTIONS, "has"} and what == "method":
            return SyntaxFault(f"{name}() is a function: write {name}(x)", token.offset)
        every = [*known, *(["has"] if what == "function" else []), *COMPREHENSIONS]
        near = get_close_matches(name, every, n=1)
        if name in _HABITS:
            hint = f"; write {_HABITS[name]}"
        else:
            hint = f"; did you mean {near[0]}?" if near else ""
        return SyntaxFault(
            f"there is no {what} {name}(){hint} (there are {', '.join(every)})", token.offset
        )

    def list(self, opening: _Token) -> Node:
        items: list[Node] = []
        while not self.taken("]"):
            items.append(self.expression())
            if not self.taken(","):
                self.demand("]", "after the items")
                break
        return ListOf(tuple(items), opening.offset)

    def map(self, opening: _Token) -> Node:
        entries: list[tuple[Node, Node]] = []
        keys: set[object] = set()
        while not self.taken("}"):
            key = self.expression()
            if isinstance(key, Literal):
                if not isinstance(key.value, str):
                    raise SyntaxFault("the keys of an object are texts: {'key': value}", key.offset)
                if key.value in keys:
                    raise SyntaxFault(f"the key {key.source} stands twice", key.offset)
                keys.add(key.value)
            self.demand(":", "after the key")
            entries.append((key, self.expression()))
            if not self.taken(","):
                self.demand("}", "after the entries")
                break
        return MapOf(tuple(entries), opening.offset)

"""Conditions of other notations, told in CEL: JUEL, simple FEEL and simple XPath.

The three write the same things a little differently: ``${amount gt 5 and not paid}``,
``= amount > 5 and not(paid)``, ``/Net/amount/text() > 5 and not(/Net/paid = 'true')``. One grammar
reads them all:

    choice  = or ("?" choice ":" choice)?   or "if" choice "then" choice "else" choice
    or      = and (("||" | "or") and)*
    and     = test (("&&" | "and") test)*
    test    = sum (("==" | "=" | "eq" | "!=" | "ne" | "<" | "lt" | …) sum)?
    sum     = term (("+" | "-") term)*,  term = unary (("*" | "/" | "div" | "%" | "mod") unary)*
    unary   = ("!" | "not" | "-" | "empty") unary | value
    value   = number | text | name path* | function "(" … ")" | "(" choice ")" | "[" … "]"

What is beyond it is `Untranslatable`, with the reason; nothing is guessed.

Where the type of a variable is known (``types``), a literal that is compared with it gets that
type: XPath's ``'true'`` beside a boolean is true, ``'5'`` beside a number is 5.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import attrs

__all__ = ["RESERVED", "Condition", "Untranslatable", "translated"]

MAX_LENGTH: Final = 4000
"""No longer condition is translated."""

MAX_NESTING: Final = 40
"""Nor one with more brackets in each other."""

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
    r"|(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<name>\$?[^\W\d]\w*(?:-[^\W\d]\w*)*)"
    r"|(?P<sign>&&|\|\||==|!=|<=|>=|::|//|[-+*/%<>=!?:(),.\[\]]))",
    re.UNICODE,
)
_VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")
RESERVED = frozenset(
    (
        *("as", "break", "const", "continue", "else", "false", "for", "function", "if"),
        *("import", "in", "let", "loop", "namespace", "null", "package", "return", "true"),
        *("var", "void", "while"),
    )
)
"""Words of CEL, which no variable is called."""
_COMPARES = {
    "==": "==",
    "=": "==",
    "eq": "==",
    "!=": "!=",
    "ne": "!=",
    "<": "<",
    "lt": "<",
    "<=": "<=",
    "le": "<=",
    ">": ">",
    "gt": ">",
    ">=": ">=",
    "ge": ">=",
}
_FUNCTIONS = {
    "contains": (2, "{0}.contains({1})"),
    "starts-with": (2, "{0}.startsWith({1})"),
    "ends-with": (2, "{0}.endsWith({1})"),
    "string-length": (1, "size({0})"),
    "count": (1, "size({0})"),
    "size": (1, "size({0})"),
    "number": (1, "{0}"),
    "string": (1, "string({0})"),
    "boolean": (1, "{0}"),
    "not": (1, "!({0})"),
    "empty": (1, "({0} == null || size({0}) == 0)"),
    "exists": (1, "({0} != null)"),
}
_READS = ("getDataObject", "getVariableData", "getVariable", "getDataInput", "getDataOutput")
"""Functions that only name a variable."""


class Untranslatable(ValueError):
    """A condition cannot be told in CEL; the message says what is in the way."""


@attrs.frozen
class Condition:
    """A condition in CEL, and the variables that it reads."""

    cel: str
    reads: frozenset[str]


@attrs.frozen
class _Part:
    """A piece of CEL: its text, the type where known, and whether it is a literal text."""

    cel: str
    type: str = ""
    literal: str | None = None
    simple: bool = True


def translated(
    text: str,
    *,
    types: Mapping[str, str] | None = None,
    names: Mapping[str, str] | None = None,
    prefix: str = "",
) -> Condition:
    """A condition in CEL.

    Args:
        text: In JUEL (``${…}``), FEEL (with or without ``=`` before it), XPath or CEL.
        types: Variables to ``string``, ``integer``, ``number`` or ``boolean``, where known.
        names: What paths may begin with, and what that is called here; None: any variable.
            With them, it is XPath: what is there and not empty counts as true in an ``if``.
        prefix: Stands before every variable.

    Raises:
        Untranslatable: What is beyond the grammar.
    """
    return _Reader(_bare(text), types or {}, names, prefix, divides=_divides(text)).read()


def _divides(text: str) -> bool:
    """Whether a slash between two names divides: in JUEL and FEEL, and not in XPath."""
    text = text.strip()
    return text.startswith(("${", "#{")) or (text.startswith("=") and text[:2] != "==")


def _bare(text: str) -> str:
    text = text.strip()
    for begin in ("${", "#{"):
        if text.startswith(begin) and text.endswith("}"):
            text = text[2:-1].strip()
            if "${" in text or "#{" in text:
                raise Untranslatable("it puts several expressions together")
    if text.startswith("=") and not text.startswith("=="):
        text = text[1:].strip()
    return text


class _Reader:
    """Reads one condition."""

    def __init__(
        self,
        text: str,
        types: Mapping[str, str],
        names: Mapping[str, str] | None,
        prefix: str,
        *,
        divides: bool = False,
    ) -> None:
        if not text:
            raise Untranslatable("it is empty")
        if len(text) > MAX_LENGTH:
            raise Untranslatable(f"it has more than {MAX_LENGTH} characters")
        self.types = types
        self.names = names
        self.divides = divides
        self.prefix = prefix
        self.reads: set[str] = set()
        self.tokens: list[tuple[str, str]] = []
        self.at = 0
        self.depth = 0
        position = 0
        end = len(text.rstrip())
        while position < end:
            found = _TOKEN.match(text, position)
            if found is None:
                raise Untranslatable(
                    f"{text[position : position + 10].strip()!r} is not understood"
                )
            self.tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
            position = found.end()

    def read(self) -> Condition:
        part = self.choice()
        if self.at < len(self.tokens):
            raise Untranslatable(f"{self.tokens[self.at][1]!r} is not understood there")
        return Condition(part.cel, frozenset(self.reads))

    # ── tokens ───────────────────────────────────────────────────────────────────────────────

    def peek(self) -> str:
        """The next sign or word; a literal is neither."""
        if self.at >= len(self.tokens):
            return ""
        kind, text = self.tokens[self.at]
        return text if kind in ("sign", "name") else ""

    def take(self, *words: str) -> str:
        word = self.peek()
        if word and word in words:
            self.at += 1
            return word
        return ""

    def need(self, word: str) -> None:
        if not self.take(word):
            found = self.tokens[self.at][1] if self.at < len(self.tokens) else "the end"
            raise Untranslatable(f"{word!r} is missing before {found!r}")

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise Untranslatable(f"it is nested more than {MAX_NESTING} deep")

    # ── the grammar ──────────────────────────────────────────────────────────────────────────

    def choice(self) -> _Part:
        self.deeper()
        if self.take("if"):
            asked = self.choice()
            self.need("then")
            one = self.choice()
            self.need("else")
            other = self.choice()
            self.depth -= 1
            return _Part(f"({self.held(asked)} ? {one.cel} : {other.cel})")
        part = self.either()
        if self.take("?"):
            one = self.choice()
            self.need(":")
            other = self.choice()
            part = _Part(f"({part.cel} ? {one.cel} : {other.cel})")
        self.depth -= 1
        return part

    def held(self, part: _Part) -> str:
        """A part as a condition: XPath's is true for what is there and not empty."""
        if self.names is None or part.type == "boolean":
            return part.cel
        return f'({part.cel} != null && {part.cel} != "")'

    def either(self) -> _Part:
        parts = [self.both()]
        while self.take("||", "or"):
            parts.append(self.both())
        if len(parts) == 1:
            return parts[0]
        return _Part(" || ".join(p.cel for p in parts), "boolean", simple=False)

    def both(self) -> _Part:
        parts = [self.test()]
        while self.take("&&", "and"):
            parts.append(self.test())
        if len(parts) == 1:
            return parts[0]
        texts = [p.cel if p.simple or "||" not in p.cel else f"({p.cel})" for p in parts]
        return _Part(" && ".join(texts), "boolean", simple=False)

    def test(self) -> _Part:
        left = self.sum()
        word = self.take(*_COMPARES)
        if word:
            right = self.sum()
            left, right = self.alike(left, right), self.alike(right, left)
            return _Part(f"{left.cel} {_COMPARES[word]} {right.cel}", "boolean", simple=False)
        if self.take("in"):
            right = self.sum()
            return _Part(f"{left.cel} in {right.cel}", "boolean", simple=False)
        return left

    def alike(self, one: _Part, other: _Part) -> _Part:
        """A literal text in the type of what it is compared with."""
        if one.literal is None or other.literal is not None:
            return one
        text = one.literal.strip()
        if other.type == "boolean" and text in ("true", "false", "1", "0"):
            return _Part("true" if text in ("true", "1") else "false", "boolean")
        if other.type in ("integer", "number") and re.fullmatch(r"-?\d+(\.\d+)?", text):
            return _Part(text, other.type)
        return one

    def sum(self) -> _Part:
        part = self.term()
        while word := self.take("+", "-"):
            right = self.term()
            part = _Part(f"{part.cel} {word} {right.cel}", part.type, simple=False)
        return part

    def term(self) -> _Part:
        part = self.unary()
        while word := self.take("*", "/", "div", "%", "mod"):
            right = self.unary()
            sign = {"div": "/", "mod": "%"}.get(word, word)
            part = _Part(f"{_wrapped(part)} {sign} {_wrapped(right)}", part.type)
        return part

    def unary(self) -> _Part:
        self.deeper()
        try:
            if self.take("!") or (self.peek() == "not" and not self.calls()):
                self.take("not")
                return _Part(f"!{_wrapped(self.unary())}", "boolean")
            if self.take("-"):
                return _Part(f"-{_wrapped(self.unary())}", "number")
            if self.peek() == "empty" and not self.calls():
                self.take("empty")
                part = self.unary()
                return _Part(_FUNCTIONS["empty"][1].format(part.cel), "boolean")
            return self.value()
        finally:
            self.depth -= 1

    def calls(self) -> bool:
        """Whether the next word is followed by a bracket."""
        return self.at + 1 < len(self.tokens) and self.tokens[self.at + 1] == ("sign", "(")

    def value(self) -> _Part:
        if self.at >= len(self.tokens):
            raise Untranslatable("it breaks off")
        kind, text = self.tokens[self.at]
        if kind == "number":
            self.at += 1
            return _Part(text, "number" if "." in text or "e" in text.lower() else "integer")
        if kind == "text":
            self.at += 1
            inner = re.sub(r"\\(.)", r"\1", text[1:-1])
            return _Part(_quoted(inner), "string", literal=inner)
        if self.take("("):
            part = self.choice()
            self.need(")")
            return attrs.evolve(part, cel=f"({part.cel})", simple=True)
        if self.take("["):
            return self.list_of()
        if self.take("//"):
            raise Untranslatable("a path with // searches the whole document")
        rooted = bool(self.take("/"))
        if self.at >= len(self.tokens):
            raise Untranslatable("it breaks off")
        kind, text = self.tokens[self.at]
        if kind != "name":
            raise Untranslatable(f"{text!r} is not understood there")
        if not rooted and self.calls():
            return self.call()
        self.at += 1
        if not rooted and text in ("true", "false", "null") and self.peek() not in (".", "/"):
            return _Part(text, "boolean" if text != "null" else "")
        return self.path(text, rooted=rooted)

    def list_of(self) -> _Part:
        items: list[str] = []
        while not self.take("]"):
            if items:
                self.need(",")
            items.append(self.choice().cel)
        return _Part(f"[{', '.join(items)}]", "array")

    def call(self) -> _Part:
        name = self.tokens[self.at][1]
        self.at += 2
        if name in ("true", "false"):
            self.need(")")
            return _Part(name, "boolean")
        if name in _READS:
            kind, text = self.tokens[self.at] if self.at < len(self.tokens) else ("", "")
            if kind != "text":
                raise Untranslatable(f"{name}() names no variable")
            self.at += 1
            self.need(")")
            return self.path(text[1:-1], rooted=False)
        if name not in _FUNCTIONS:
            raise Untranslatable(f"the function {name}() has no counterpart")
        number, form = _FUNCTIONS[name]
        arguments: list[_Part] = []
        while not self.take(")"):
            if arguments:
                self.need(",")
            arguments.append(self.choice())
        if len(arguments) != number:
            raise Untranslatable(f"{name}() takes {number} argument(s), not {len(arguments)}")
        if name == "number":
            literal = arguments[0].literal
            if literal is not None and re.fullmatch(r"-?\d+(\.\d+)?", literal):
                return _Part(literal, "number")
            if arguments[0].type == "string":
                return _Part(f"double({arguments[0].cel})", "number")
            return attrs.evolve(arguments[0], type=arguments[0].type or "number")
        if name in ("string", "boolean") and arguments[0].type == name:
            return arguments[0]
        made = form.format(*(a.cel for a in arguments))
        kind = {"string": "string", "count": "integer", "size": "integer"}.get(name, "")
        return _Part(made, "integer" if name == "string-length" else kind or "boolean")

    def path(self, name: str, *, rooted: bool) -> _Part:
        """A variable, and the members below it: ``a.b``, ``/Net/a/b/text()``, ``$a``."""
        parts = [name.removeprefix("$")]
        dotted = False
        while True:
            if self.take("."):
                dotted = True
                parts.append(self.word())
                if self.peek() == "(":
                    raise Untranslatable(f"{'.'.join(parts)}() calls code")
            elif self.peek() == "/" and (rooted or not dotted) and self.steps_down(rooted=rooted):
                self.take("/")
                if self.take("*"):
                    break
                if self.peek() == "text" and self.calls():
                    self.take("text")
                    self.need("(")
                    self.need(")")
                    break
                parts.append(self.word())
            elif self.peek() == "[":
                raise Untranslatable("a filter in square brackets has no counterpart")
            else:
                break
        if self.peek() == ":":
            ahead = self.tokens[self.at + 1 : self.at + 2]
            if ahead and ahead[0][0] == "name" and len(self.tokens) > self.at + 2:
                following = self.tokens[self.at + 2][1]
                if following == "(":
                    raise Untranslatable(f"the function {ahead[0][1]}() has no counterpart")
        if rooted and len(parts) > 1:
            parts = parts[1:]  # the name of the document
        self.called_here(parts)
        for part in parts:
            if _VARIABLE.fullmatch(part) is None or part in RESERVED:
                raise Untranslatable(f"{part!r} cannot be the name of a variable")
        self.reads.add(parts[0])
        return _Part(
            self.prefix + ".".join(parts), self.types.get(parts[0], "") if len(parts) == 1 else ""
        )

    def called_here(self, parts: list[str]) -> None:
        """Give the variable that a path begins with the name that it has here."""
        if self.names is None:
            return
        if parts[0] not in self.names:
            raise Untranslatable(f"{parts[0]!r} is no variable here")
        if len(parts) > 1:  # to be told by the type of the value, which is not known here
            raise Untranslatable(f"{'/'.join(parts)} leads into a value")
        parts[0] = self.names[parts[0]]

    def steps_down(self, *, rooted: bool) -> bool:
        """Whether a slash goes on to a name, and so is no division."""
        if self.divides and not rooted:
            return False
        ahead = self.tokens[self.at + 1 : self.at + 2]
        return bool(ahead) and (ahead[0][0] == "name" or ahead[0] == ("sign", "*"))

    def word(self) -> str:
        if self.at >= len(self.tokens) or self.tokens[self.at][0] != "name":
            raise Untranslatable("a name is missing")
        self.at += 1
        return self.tokens[self.at - 1][1]


def _wrapped(part: _Part) -> str:
    return part.cel if part.simple else f"({part.cel})"


def _quoted(text: str) -> str:
    """A text as a literal of CEL."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    for raw, written in (("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        escaped = escaped.replace(raw, written)
    return f'"{escaped}"'

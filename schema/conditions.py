"""Conditions of other notations, told in CEL: JUEL, simple FEEL and simple XPath.

The three write the same things a little differently: ``${amount gt 5 and not paid}``,
``= amount > 5 and not(paid)``, ``/Net/amount/text() > 5 and not(/Net/paid = 'true')``. One grammar
reads them all:

    choice  = or ("?" choice ":" choice)?   or "if" choice "then" choice "else" choice
    or      = and (("||" | "or") and)*
    and     = test (("&&" | "and") test)*
    test    = sum (("==" | "=" | "eq" | "!=" | "ne" | "<" | "lt" | …) sum
                   | "between" sum "and" sum | "in" (range | sum))?
    sum     = term (("+" | "-") term)*,  term = unary (("*" | "/" | "div" | "%" | "mod") unary)*
    unary   = ("!" | "not" | "-" | "empty") unary | value
    value   = number | text | name path* | function "(" … ")" | "(" choice ")" | "[" … "]"
            | ("some" | "every") name "in" sum "satisfies" choice

Some notations put a statement around (``return amount > 5;``) or write calls for what has a sign
here (``state.equals('ok')``, ``KieFunctions.isTrue(paid)``, ``var:gt(amount, 5)``): these are read
too. What is beyond all that is `Untranslatable`, with the reason; nothing is guessed.

In FEEL a comparison with null does not hold, and a member that is not there is null; so it is told
(``total != null && total > 5``). Elsewhere it is an error, as a variable that nobody set is there.

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
    r"|(?P<sign>&&|\|\||===|!==|==|!=|<=|>=|::|//|\.\.|[-+*/%<>=!?:(),.\[\]]))",
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
    "===": "==",
    "!==": "!=",
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
    "is-defined": (1, "({0} != null)"),
    "is-empty": (1, "({0} != null && size({0}) == 0)"),
    "list-contains": (2, "({0} != null && {1} in {0})"),
}
_PHRASES = {
    ("is", "defined"): "is-defined",
    ("is", "empty"): "is-empty",
    ("list", "contains"): "list-contains",
    ("string", "length"): "string-length",
    ("starts", "with"): "starts-with",
    ("ends", "with"): "ends-with",
}
"""FEEL's functions whose names have a space, and what they are called here."""
_METHODS = {
    "equals": (1, "{0} == {1}"),
    "isEmpty": (0, "size({0}) == 0"),
    "size": (0, "size({0})"),
    "length": (0, "size({0})"),
    "startsWith": (1, "{0}.startsWith({1})"),
    "endsWith": (1, "{0}.endsWith({1})"),
    "booleanValue": (0, "{0}"),
    "intValue": (0, "{0}"),
    "longValue": (0, "{0}"),
    "doubleValue": (0, "{0}"),
    **dict.fromkeys(("value", "elements", "numberValue", "stringValue", "boolValue"), (0, "{0}")),
}
"""Methods of Java's texts, numbers and lists, and of Camunda's JSON: how many arguments, and the
same in CEL."""
_VARIABLES_OF = (
    ("this", "environment", "variables"),
    ("this", "context", "variables"),
    ("this", "variables"),
    ("environment", "variables"),
)
"""How scripts of JavaScript engines begin to name a variable."""
_HOLDERS = frozenset(("execution", "kcontext", "processInstance", "delegateTask", "task"))
"""What engines call that on which ``getVariable`` names a variable."""
_CALLS = {
    "isNull": (1, "{0} == null"),
    "isTrue": (1, "{0} == true"),
    "isFalse": (1, "{0} == false"),
    "isEmpty": (1, "({0} == null || size({0}) == 0)"),
    "isNotEmpty": (1, "({0} != null && size({0}) > 0)"),
    "exists": (1, "{0} != null"),
    "get": (1, "{0}"),
    **dict.fromkeys(("equalsTo", "equals", "eq"), (2, "{0} == {1}")),
    **dict.fromkeys(("notEquals", "ne"), (2, "{0} != {1}")),
    **dict.fromkeys(("greaterThan", "gt"), (2, "{0} > {1}")),
    **dict.fromkeys(("greaterOrEqualThan", "greaterThanOrEquals", "gte"), (2, "{0} >= {1}")),
    **dict.fromkeys(("lessThan", "lowerThan", "lt"), (2, "{0} < {1}")),
    **dict.fromkeys(
        ("lessOrEqualThan", "lessThanOrEquals", "lowerThanOrEquals", "lte"), (2, "{0} <= {1}")
    ),
    "between": (3, "({0} >= {1} && {0} <= {2})"),
    "startsWith": (2, "{0}.startsWith({1})"),
    "endsWith": (2, "{0}.endsWith({1})"),
    "contains": (2, "{0}.contains({1})"),
}
"""Functions of a library of some engine: ``KieFunctions.isTrue(x)``, ``var:gt(x, 5)``."""
_LIBRARIES = {"KieFunctions": ".", "var": ":", "vars": ":", "variables": ":"}
"""What stands before a function of `_CALLS`, and what stands between."""
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
    needs: tuple[str, ...] = ()
    """What has to have a value before it is compared."""


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
    feel = text.strip().startswith("=") and names is None
    return _Reader(
        _bare(text), types or {}, names, prefix, divides=_divides(text), feel=feel
    ).read()


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
    answered = re.fullmatch(r"next\(\s*null\s*,(.*)\)\s*;?", text, re.DOTALL)
    if answered is not None:
        return answered[1].strip()
    statement = re.fullmatch(r"return\b(.*?);?", text, re.DOTALL)
    return text.removesuffix(";").strip() if statement is None else statement[1].strip()


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
        feel: bool = False,
    ) -> None:
        if not text:
            raise Untranslatable("it is empty")
        if len(text) > MAX_LENGTH:
            raise Untranslatable(f"it has more than {MAX_LENGTH} characters")
        self.types = types
        self.names = names
        self.divides = divides
        self.feel = feel
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
            if self.tokens[-1] == ("sign", "(") and len(self.tokens) > 2:
                words = self.tokens[-3][1], self.tokens[-2][1]
                if words in _PHRASES:
                    self.tokens[-3:-1] = [("name", _PHRASES[words])]

    def read(self) -> Condition:
        part = self.choice()
        if self.at < len(self.tokens):
            raise Untranslatable(f"{self.tokens[self.at][1]!r} is not understood there")
        return Condition(_safe(part).cel, frozenset(self.reads))

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
            asked = _safe(self.choice())
            self.need("then")
            one = _safe(self.choice())
            self.need("else")
            other = _safe(self.choice())
            self.depth -= 1
            return _Part(f"({self.held(asked)} ? {one.cel} : {other.cel})")
        part = self.either()
        if self.take("?"):
            part = _safe(part)
            one = _safe(self.choice())
            self.need(":")
            other = _safe(self.choice())
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
        return _Part(" || ".join(_safe(p).cel for p in parts), "boolean", simple=False)

    def both(self) -> _Part:
        parts = [self.test()]
        while self.take("&&", "and"):
            parts.append(self.test())
        if len(parts) == 1:
            return parts[0]
        parts = [_safe(p) for p in parts]
        texts = [p.cel if p.simple or "||" not in p.cel else f"({p.cel})" for p in parts]
        return _Part(" && ".join(texts), "boolean", simple=False)

    def test(self) -> _Part:
        left = self.sum()
        word = self.take(*_COMPARES)
        if word:
            return self.compared(left, _COMPARES[word], self.sum())
        if self.feel and self.take("between"):
            lowest = self.sum()
            self.need("and")
            return self.within(left, ">=", lowest, "<=", self.sum())
        if self.take("in"):
            if self.feel and (found := self.range(left)) is not None:
                return found
            right = self.sum()
            needs = right.needs if self.feel else ()
            return _Part(f"{left.cel} in {right.cel}", "boolean", simple=False, needs=needs)
        return left

    def compared(self, left: _Part, sign: str, right: _Part) -> _Part:
        left, right = self.alike(left, right), self.alike(right, left)
        needs = () if sign in ("==", "!=") else (*left.needs, *right.needs)
        cel = f"{_safe(left).cel if not needs else left.cel} {sign} {right.cel}"
        return _Part(cel, "boolean", simple=False, needs=tuple(dict.fromkeys(needs)))

    def within(self, part: _Part, least: str, low: _Part, most: str, high: _Part) -> _Part:
        one, other = self.compared(part, least, low), self.compared(part, most, high)
        needs = tuple(dict.fromkeys((*one.needs, *other.needs)))
        return _Part(f"{one.cel} && {other.cel}", "boolean", simple=False, needs=needs)

    def range(self, part: _Part) -> _Part | None:
        """FEEL's ``[1..5]`` or ``(1..5)``; None: it is no range."""
        at, reads = self.at, set(self.reads)
        begin = self.take("[", "(")
        if begin:
            low = self.sum()
            if self.take(".."):
                high = self.sum()
                end = self.take("]", ")")
                if not end:
                    self.need("]")
                return self.within(
                    part, ">=" if begin == "[" else ">", low, "<=" if end == "]" else "<", high
                )
        self.at, self.reads = at, reads
        return None

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
            needs = (*part.needs, *right.needs)
            part = _Part(f"{part.cel} {word} {right.cel}", part.type, simple=False, needs=needs)
        return part

    def term(self) -> _Part:
        part = self.unary()
        while word := self.take("*", "/", "div", "%", "mod"):
            right = self.unary()
            sign = {"div": "/", "mod": "%"}.get(word, word)
            needs = (*part.needs, *right.needs)
            part = _Part(f"{_wrapped(part)} {sign} {_wrapped(right)}", part.type, needs=needs)
        return part

    def unary(self) -> _Part:
        self.deeper()
        try:
            if self.take("!") or (self.peek() == "not" and not self.calls()):
                self.take("not")
                return _Part(f"!{_wrapped(_safe(self.unary()))}", "boolean")
            if self.take("-"):
                part = self.unary()
                return _Part(f"-{_wrapped(part)}", "number", needs=part.needs)
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
            part = _Part(_quoted(inner), "string", literal=inner)
            while self.peek() == "." and self.method(1):
                self.take(".")
                part = self.called_on(part)
            return part
        if self.take("("):
            part = _safe(self.choice())
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
        if not rooted and text in _LIBRARIES and self.method(1, after=_LIBRARIES[text]):
            self.at += 2
            return self.library()
        if (
            self.feel
            and text in ("some", "every")
            and self.tokens[self.at + 2 : self.at + 3] == [("name", "in")]
        ):
            return self.quantified()
        self.at += 1
        if not rooted and text in ("true", "false", "null") and self.peek() not in (".", "/"):
            return _Part(text, "boolean" if text != "null" else "")
        return self.path(text, rooted=rooted)

    def list_of(self) -> _Part:
        items: list[str] = []
        while not self.take("]"):
            if items:
                self.need(",")
            items.append(_safe(self.choice()).cel)
        return _Part(f"[{', '.join(items)}]", "array")

    def call(self) -> _Part:
        name = self.tokens[self.at][1]
        self.at += 2
        if name in ("true", "false"):
            self.need(")")
            return _Part(name, "boolean")
        if name == "not" and self.feel:
            part = self.choice()
            self.need(")")
            return _Part(f"!({part.cel})", "boolean", needs=part.needs if part.type else ())
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
        arguments = self.listed(name, number)
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
        asks = name in ("exists", "empty", "is-defined", "is-empty", "list-contains")
        needs = () if asks else tuple(dict.fromkeys(n for a in arguments for n in a.needs))
        kind = "integer" if name == "string-length" else kind or "boolean"
        return _Part(made, kind, needs=needs)

    def method(self, ahead: int, *, after: str = ".") -> bool:
        """Whether a sign, a name and a bracket stand so many tokens ahead."""
        at = self.at + ahead
        if after == "." and ahead == 1 and self.peek() == ".":
            at = self.at
        found = self.tokens[at : at + 3]
        return (
            len(found) == 3
            and found[0] == ("sign", after)
            and found[1][0] == "name"
            and found[2] == ("sign", "(")
        )

    def arguments(self, name: str, number: int) -> list[_Part]:
        """What stands in the brackets behind a name."""
        self.need("(")
        return self.listed(name, number)

    def listed(self, name: str, number: int) -> list[_Part]:
        """What stands behind an opening bracket, and the closing one."""
        found: list[_Part] = []
        while not self.take(")"):
            if found:
                self.need(",")
            found.append(_safe(self.choice()))
        if len(found) != number:
            raise Untranslatable(f"{name}() takes {number} argument(s), not {len(found)}")
        return found

    def called_on(self, part: _Part) -> _Part:
        """A method of Java's, whose name comes next."""
        name = self.word()
        if name not in _METHODS:
            raise Untranslatable(f"{part.cel}.{name}() calls code")
        number, form = _METHODS[name]
        arguments = self.arguments(name, number)
        made = form.format(_wrapped(part), *(a.cel for a in arguments))
        return _Part(made, _result(made), simple="==" not in made)

    def library(self) -> _Part:
        """A function of an engine's own, whose name comes next."""
        name = self.word()
        if name not in _CALLS:
            raise Untranslatable(f"the function {name}() has no counterpart")
        number, form = _CALLS[name]
        first, *rest = self.arguments(name, number)
        if first.literal is not None and number and _VARIABLE.fullmatch(first.literal):
            self.reads.add(first.literal)  # the name of a variable, as a text
            first = _Part(first.literal)
        texts = [first.cel]
        for argument in rest:
            number_ = argument.literal is not None and ("<" in form or ">" in form)
            plain = number_ and re.fullmatch(r"-?\d+(\.\d+)?", argument.literal or "")
            texts.append(str(argument.literal) if plain else argument.cel)
        made = form.format(*texts)
        return _Part(made, _result(made), simple=made.startswith("(") or " " not in made)

    def quantified(self) -> _Part:
        """FEEL's ``some x in xs satisfies x > 5``, and ``every``."""
        word = self.word()
        name = self.word()
        self.need("in")
        among = self.sum()
        self.need("satisfies")
        if _VARIABLE.fullmatch(name) is None or name in RESERVED:
            raise Untranslatable(f"{name!r} cannot be the name of a variable")
        known = name in self.reads
        holds = _safe(self.choice())
        if not known:
            self.reads.discard(name)
        called = "exists" if word == "some" else "all"
        return _Part(
            f"{_wrapped(among)}.{called}({name}, {holds.cel})", "boolean", needs=among.needs
        )

    def path(self, name: str, *members: str, rooted: bool) -> _Part:
        """A variable, and the members below it: ``a.b``, ``/Net/a/b/text()``, ``$a``."""
        parts = [name.removeprefix("$"), *members]
        dotted = False
        while True:
            if self.peek() == "." and self.method(0):
                return self.invoked(parts)
            if self.take("."):
                dotted = True
                parts.append(self.word())
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
        beside = self.names is not None and parts[0] not in self.names
        if len(parts) > 1 and (rooted or (beside and parts[1] in (self.names or ()))):
            parts = parts[1:]  # the name of the document
        for before in _VARIABLES_OF if self.names is None else ():
            if tuple(parts[: len(before)]) == before and len(parts) > len(before):
                parts = parts[len(before) :]
        self.called_here(parts)
        for part in parts:
            if _VARIABLE.fullmatch(part) is None or part in RESERVED:
                raise Untranslatable(f"{part!r} cannot be the name of a variable")
        return self.named(parts)

    def named(self, parts: list[str]) -> _Part:
        self.reads.add(parts[0])
        if self.feel:
            cel = self.prefix + parts[0] + "".join(f".get('{part}')" for part in parts[1:])
            return _Part(cel, needs=(cel,))
        return _Part(
            self.prefix + ".".join(parts), self.types.get(parts[0], "") if len(parts) == 1 else ""
        )

    def invoked(self, parts: list[str]) -> _Part:
        """A method of what a path leads to, and what may follow it."""
        self.take(".")
        if parts[0] in _HOLDERS and len(parts) == 1 and self.peek() in _READS:
            self.at += 2
            kind, text = self.tokens[self.at] if self.at < len(self.tokens) else ("", "")
            if kind != "text":
                raise Untranslatable(f"{parts[0]}.getVariable() names no variable")
            self.at += 1
            self.need(")")
            return self.path(text[1:-1], rooted=False)
        getter = re.fullmatch("get([A-Z][A-Za-z0-9_]*)", self.peek())
        if getter is not None and self.tokens[self.at + 2 : self.at + 3] == [("sign", ")")]:
            self.at += 3
            name = getter[1][0].lower() + getter[1][1:]
            return self.path(*parts, name, rooted=False)
        if self.peek() == "prop" and self.names is None:  # Camunda's JSON
            self.at += 1
            (key,) = self.arguments("prop", 1)
            if key.literal is None:
                raise Untranslatable("prop() names no member")
            return self.path(*parts, key.literal, rooted=False)
        for name in parts:
            if _VARIABLE.fullmatch(name) is None or name in RESERVED:
                raise Untranslatable(f"{name!r} cannot be the name of a variable")
        called = ".".join((*parts, self.peek()))
        if self.peek() not in _METHODS or self.names is not None:
            raise Untranslatable(f"{called}() calls code")
        part = self.called_on(self.named(parts))
        while self.peek() == "." and self.method(0):
            self.take(".")
            part = self.called_on(part)
        return part

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


def _safe(part: _Part) -> _Part:
    """A part that holds only where what it needs has a value."""
    if not part.needs or part.type != "boolean":
        return part
    asked = " && ".join(f"{need} != null" for need in part.needs)
    return _Part(f"{asked} && {part.cel}", "boolean", simple=False)


def _result(cel: str) -> str:
    """The type of what a call yields, where its text says so."""
    return "boolean" if re.search("[=<>]", cel) else ""


def _wrapped(part: _Part) -> str:
    return part.cel if part.simple else f"({part.cel})"


def _quoted(text: str) -> str:
    """A text as a literal of CEL."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    for raw, written in (("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        escaped = escaped.replace(raw, written)
    return f'"{escaped}"'

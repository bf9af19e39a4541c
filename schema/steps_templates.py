"""The templates and conditions of the steps format, translated into CEL.

A template is an expression in double braces within a text: ``Hello, {{ trigger.name }}``. Its
grammar is the small part of JavaScript that such files use::

    logic   ─▶ compare (&& compare)*  (|| …)*
    compare ─▶ not ((=== | !== | == | != | >= | <= | > | <) not)?
    not     ─▶ ! not | primary
    primary ─▶ literal | path | ( logic ) | {{ logic }}       braces: in conditions only
    path    ─▶ trigger.… | steps.<id>.outputs.… | steps.<id>.status | workflow.<fact>

What reads a path can never fail: what is missing is null. So values become ``x.get('key')``, the
order of null and anything is false, and a condition asks whether a value is truthy. Where a file
means its operators as conditions they are boolean; where it gives a value, ``a || b`` is ``b`` if
``a`` is null.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Final, TypeAlias

import attrs

from weft.schema.jsonvalue import MAX_INTEGER, JsonValue

__all__ = [
    "FACTS",
    "MAX_TEXT",
    "Known",
    "TemplateFault",
    "cel",
    "condition",
    "has_template",
    "value",
]

FACTS: Final = {
    "error": "the error that was handled last, or null",
    "status": "running, or failed once a failure was handled",
    "executionId": "the id of the case",
    "cwd": "the folder in which the engine was working when the case started",
    "duration": "the seconds from the start of the case to the end of its latest step",
    "startedAt": "when the case started, as text (ISO 8601)",
    "currentStep": "the step that failed last, else the step itself",
    "state": "the status and outputs of all steps, by id",
    "name": "the name of the file's workflow",
    "version": "its version",
}
"""What ``workflow.…`` can say, and what it means."""

MAX_TEXT: Final = 3_000
"""From so many characters on, the plain parts of a text are kept beside its expression."""
_MAX_PART: Final = 200
_MAX_CEL: Final = 100_000
_MAX_NESTING: Final = 12

_ROOTS: Final = ("trigger", "steps", "workflow")
_FIELDS: Final = ("outputs", "status")


class TemplateFault(ValueError):
    """A text is no template; ``offset`` is where in it, in characters from 0."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


@attrs.define
class Known:
    """What the templates of a file may refer to, and a note of what they did.

    Args:
        steps: The ids of the steps.
        parameters: The declared parameters of the trigger, each with its default or null.
        name: The name of the workflow.
        version: Its version.
        handles: Whether there is a step that handles a failure, so that there can be an error.
        facts: Is filled with the names of `FACTS` that were used.
        statuses: Is filled with the ids of steps whose status was used.
        texts: Is filled with long texts by a name for each (see `MAX_TEXT`).
    """

    steps: Collection[str]
    parameters: Mapping[str, JsonValue] = attrs.field(factory=dict)
    name: str = ""
    version: str = ""
    handles: bool = False
    facts: set[str] = attrs.field(factory=set)
    statuses: set[str] = attrs.field(factory=set)
    texts: dict[str, str] = attrs.field(factory=dict)


def has_template(text: str) -> bool:
    """Whether a text has templates in it."""
    return "{{" in text


def condition(text: str, known: Known, *, step: str) -> str:
    """The CEL expression, true or false and never an error, that a condition means.

    Args:
        text: The condition; operators may stand within and outside of its braces.
        known: What it may refer to.
        step: The id of the step after which it is asked.

    Raises:
        TemplateFault: It does not parse, or refers to something that there is not.
    """
    parser = _Parser(text, known, braces=True)
    return _Writer(known, step).truth(parser.whole())


def value(content: JsonValue, known: Known, *, step: str, name: str) -> str | None:
    """The CEL expression for an input, or None if it is a plain value that is no text.

    Args:
        content: The input: a text, or a list or object with texts in it.
        known: What its templates may refer to.
        step: The id of the step that it is an input of.
        name: The input's name; long texts are kept under a name that begins with it.

    Raises:
        TemplateFault: A text in it does not parse, or refers to something that there is not;
            ``path`` (an attribute) leads to that text.
    """
    if not isinstance(content, str) and not _templated(content):
        return None
    writer = _Writer(known, step)
    size = _size(content)
    writer.keep = f"{step}.{name}" if size > MAX_TEXT else None
    return writer.built(content, ())


def _templated(content: JsonValue) -> bool:
    if isinstance(content, str):
        return has_template(content)
    if isinstance(content, list):
        return any(map(_templated, content))
    return isinstance(content, dict) and any(map(_templated, content.values()))


def _size(content: JsonValue) -> int:
    if isinstance(content, str):
        return len(content)
    if isinstance(content, list):
        return sum(map(_size, content)) + 2 * len(content)
    if isinstance(content, dict):
        return sum(len(key) + 4 + _size(item) for key, item in content.items())
    return 8


def cel(literal: JsonValue) -> str:
    """A value as CEL writes it."""
    if isinstance(literal, str):
        return _quoted(literal)
    if isinstance(literal, list):
        return f"[{', '.join(map(cel, literal))}]"
    if isinstance(literal, dict):
        return "{" + ", ".join(f"{_quoted(k)}: {cel(v)}" for k, v in literal.items()) + "}"
    return json.dumps(literal)


_UNPRINTED: Final = re.compile(r"[\x00-\x1f\x7f\\']")
_SHORT: Final = {"\n": r"\n", "\t": r"\t", "\r": r"\r", "\\": r"\\", "'": r"\'"}


def _quoted(text: str) -> str:
    escaped = _UNPRINTED.sub(lambda m: _SHORT.get(m[0]) or f"\\x{ord(m[0]):02x}", text)
    return f"'{escaped}'"


# ── the tree ─────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class _Literal:
    value: bool | int | float | str | None


@attrs.frozen
class _Path:
    """``trigger``, ``steps`` or ``workflow`` and what is below it: a step's id is one part."""

    root: str
    parts: tuple[str | int, ...]


@attrs.frozen
class _Not:
    operand: _Node


@attrs.frozen
class _Logic:
    sign: str
    operands: tuple[_Node, ...]


@attrs.frozen
class _Compare:
    sign: str
    left: _Node
    right: _Node


_Node: TypeAlias = _Literal | _Path | _Not | _Logic | _Compare


# ── parsing ──────────────────────────────────────────────────────────────────────────────────

_SPACE: Final = re.compile(r"\s*")
_NUMBER: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![\w$])")
_NAME: Final = re.compile(r"[A-Za-z_$][\w$-]*")
_PART: Final = re.compile(r"[\w$-]+")
_INDEX: Final = re.compile(r"[0-9]{1,9}")
_STRING: Final = re.compile(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"", re.DOTALL)
_ESCAPE: Final = re.compile(
    r"\\(u\{[0-9a-fA-F]{1,6}\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", re.DOTALL
)
_COMPARISONS: Final = ("===", "!==", "==", "!=", ">=", "<=", ">", "<")
_CONSTANTS: Final = {"true": True, "false": False, "null": None, "undefined": None}
_HABITS: Final = {
    "and": "&&",
    "or": "||",
    "not": "!",
    "=": "===",
    "&": "&&",
    "|": "||, and there are no filters",
    "??": "||",
    "?": "a condition in onSuccess",
    **dict.fromkeys(("+", "-", "*", "/", "%"), "an action that computes it"),
}
"""What people write by habit, and what is written here."""


class _Parser:
    """One walk over one text, from an offset on."""

    def __init__(self, text: str, known: Known, *, braces: bool = False, at: int = 0) -> None:
        self.text = text
        self.known = known
        self.braces = braces
        self.at = at
        self.depth = 0

    # ── characters ───────────────────────────────────────────────────────────────────────────

    def space(self) -> None:
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def taken(self, sign: str) -> bool:
        """Whether these characters come next; then they are taken."""
        self.space()
        if self.text.startswith(sign, self.at):
            self.at += len(sign)
            return True
        return False

    def unexpected(self, wanted: str) -> TemplateFault:
        self.space()
        rest = self.text[self.at :]
        if not rest or (rest.startswith("}}") and not self.braces):
            return TemplateFault(f"the expression ends where {wanted} is expected", self.at)
        found = re.match(r"[\w$]+|\?\?|\}\}|\{\{|.", rest, re.DOTALL)
        word = found.group() if found else rest[0]
        advice = f"; write {_HABITS[word]}" if word in _HABITS else ""
        return TemplateFault(f"expected {wanted}, found {word[:40]!r}{advice}", self.at)

    # ── the grammar ──────────────────────────────────────────────────────────────────────────

    def whole(self) -> _Node:
        """An expression that goes up to the end of the text."""
        node = self.logic(0)
        self.space()
        if self.at < len(self.text):
            raise self.unexpected("an operator or the end of the condition")
        return node

    def braced(self) -> _Node:
        """An expression that goes up to the closing braces, which are taken."""
        node = self.logic(0)
        if not self.taken("}}"):
            raise self.unexpected("an operator or the closing '}}'")
        return node

    def logic(self, level: int) -> _Node:
        """Operands of ``||`` (level 0), or of ``&&`` (level 1)."""
        sign = ("||", "&&")[level]
        operands = [self.compare() if level else self.logic(1)]
        while self.taken(sign):
            operands.append(self.compare() if level else self.logic(1))
        return operands[0] if len(operands) == 1 else _Logic(sign, tuple(operands))

    def compare(self) -> _Node:
        left = self.negated()
        sign = next((sign for sign in _COMPARISONS if self.taken(sign)), None)
        if sign is None:
            return left
        right = self.negated()
        self.space()
        at = self.at
        if any(self.taken(other) for other in _COMPARISONS):
            raise TemplateFault(
                "comparisons are not chained: write a < b && b < c, or use brackets", at
            )
        return _Compare(sign if len(sign) < 3 else sign[:2], left, right)

    def negated(self) -> _Node:
        self.space()
        if self.text.startswith("!", self.at) and not self.text.startswith("!=", self.at):
            self.at += 1
            self.deeper()
            operand = self.negated()
            self.depth -= 1
            return _Not(operand)
        return self.primary()

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > _MAX_NESTING:
            raise TemplateFault(
                f"the expression is nested more than {_MAX_NESTING} deep; compute it in an action",
                self.at,
            )

    def primary(self) -> _Node:
        self.space()
        start = self.at
        for opening, closing in (("(", ")"), ("{{", "}}")):
            if (opening == "(" or self.braces) and self.taken(opening):
                self.deeper()
                inner = self.logic(0)
                if not self.taken(closing):
                    raise self.unexpected(f"an operator or the closing {closing!r}")
                self.depth -= 1
                return inner
        if self.text.startswith(("'", '"'), start):
            return self.string()
        if (number := _NUMBER.match(self.text, start)) is not None:
            self.at = number.end()
            return _Literal(self.number(number.group(), start))
        name = _NAME.match(self.text, start)
        if name is None:
            raise self.unexpected("a value")
        if name.group() in _CONSTANTS:
            self.at = name.end()
            return _Literal(_CONSTANTS[name.group()])
        return self.path()

    def number(self, text: str, start: int) -> int | float:
        whole = re.fullmatch(r"-?[0-9]+", text) is not None
        if whole and len(text) <= 20 and -MAX_INTEGER <= int(text) <= MAX_INTEGER:
            return int(text)
        number = float(text)
        if whole or number in (float("inf"), float("-inf")):
            raise TemplateFault(f"the number {text[:40]} is past the bounds", start)
        return number

    def string(self) -> _Node:
        start = self.at
        found = _STRING.match(self.text, start)
        if found is None:
            raise TemplateFault(
                f"the text that starts here has no closing {self.text[start]}", start
            )
        self.at = found.end()

        def unescaped(match: re.Match[str]) -> str:
            escape = match[1]
            if escape[0] in "xu" and len(escape) > 1:
                code = int(escape[1:].strip("{}"), 16)
                if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
                    raise TemplateFault(f"\\{escape} is no Unicode character", start)
                return chr(code)
            return {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0"}.get(
                escape, escape
            )

        return _Literal(_ESCAPE.sub(unescaped, found.group()[1:-1]))

    # ── paths ────────────────────────────────────────────────────────────────────────────────

    def path(self) -> _Path:
        start = self.at
        found = _NAME.match(self.text, start)
        assert found is not None, "`primary` has seen a name"
        root = found.group()
        self.at = found.end()
        if root not in _ROOTS:
            raise self.unknown_root(root, start)
        offsets: list[int] = []
        parts: list[str | int] = []
        if root == "steps" and (self.dot() or self.text.startswith("[", self.at)):
            offsets.append(self.at)
            parts.append(self.step_id())
        while True:
            offsets.append(self.at)
            if self.dot():
                part = _PART.match(self.text, self.at)
                if part is None:
                    raise self.unexpected("a name after the dot")
                offsets[-1] = self.at
                self.at = part.end()
                text = part.group()
                parts.append(int(text) if _INDEX.fullmatch(text) else text)
            elif self.text.startswith("[", self.at):
                parts.append(self.key())
            else:
                break
        if self.text.startswith("(", self.at):
            raise TemplateFault("there are no functions; use an action", self.at)
        self.check(root, parts, offsets, start)
        return _Path(root, tuple(parts))

    def dot(self) -> bool:
        for sign in ("?.", "."):
            if self.text.startswith(sign, self.at):
                self.at += len(sign)
                return True
        return False

    def key(self) -> str | int:
        """An index or key in brackets."""
        self.at += 1
        self.space()
        key: str | int
        if self.text.startswith(("'", '"'), self.at):
            node = self.string()
            assert isinstance(node, _Literal)
            key = str(node.value)
        elif (index := _INDEX.match(self.text, self.at)) is not None:
            self.at = index.end()
            key = int(index.group())
        else:
            raise self.unexpected("an index or a key in quotes, as in [0] or ['a-b']")
        if not self.taken("]"):
            raise self.unexpected("the closing ']'")
        return key

    def step_id(self) -> str:
        """The id of a step, which may have dots in it: the longest one that there is."""
        start = self.at
        if self.text.startswith("[", start):
            given = str(self.key())
            if given not in self.known.steps:
                raise self.unknown_step(given, start)
            return given
        found = re.compile(r"[\w$-]+(?:\.[\w$-]+)*").match(self.text, start)
        if found is None:
            raise self.unexpected("the id of a step")
        words = found.group().split(".")
        for count in range(len(words), 0, -1):
            candidate = ".".join(words[:count])
            if candidate in self.known.steps:
                self.at = start + len(candidate)
                return candidate
        field = next((i for i, word in enumerate(words) if i and word in _FIELDS), len(words))
        raise self.unknown_step(".".join(words[:field]), start)

    def unknown_step(self, name: str, at: int) -> TemplateFault:
        near = get_close_matches(name, self.known.steps, n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        return TemplateFault(
            f"there is no step {name!r}{hint} (there are {_listed(self.known.steps)})", at
        )

    def unknown_root(self, root: str, at: int) -> TemplateFault:
        if root in _HABITS:
            return TemplateFault(f"expected a value, found {root!r}; write {_HABITS[root]}", at)
        near = get_close_matches(root, _ROOTS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        if not near and root in self.known.steps:
            hint = f"; did you mean steps.{root}?"
        elif not near and root in self.known.parameters:
            hint = f"; did you mean trigger.{root}?"
        elif not near:
            hint = f"; a text stands in quotes: '{root}'"
        return TemplateFault(f"there is no {root!r}{hint} (there are {', '.join(_ROOTS)})", at)

    def check(self, root: str, parts: list[str | int], offsets: list[int], start: int) -> None:
        """Refuse what is not there; note what is used."""
        if root == "workflow":
            if not parts:
                raise TemplateFault(
                    f"say what about the workflow: workflow.{', workflow.'.join(FACTS)}", start
                )
            self.member(str(parts[0]), FACTS, "workflow", offsets[0])
            self.known.facts.add(str(parts[0]))
        if root == "steps" and len(parts) > 1:
            self.member(str(parts[1]), _FIELDS, f"the step {parts[0]!r}", offsets[1])
            if parts[1] == "status":
                self.known.statuses.add(str(parts[0]))

    @staticmethod
    def member(name: str, known: Collection[str], owner: str, at: int) -> None:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise TemplateFault(f"{owner} has no {name!r}{hint} (it has {', '.join(known)})", at)


def _listed(names: Collection[str]) -> str:
    names = list(names)
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


# ── writing CEL ──────────────────────────────────────────────────────────────────────────────

_TRUTH: Final = (_Compare, _Not)
"""What is true or false already."""


class _Writer:
    """Writes trees as CEL, as they stand after or in one step."""

    def __init__(self, known: Known, step: str) -> None:
        self.known = known
        self.step = step
        self.keep: str | None = None
        """The name under which long texts are kept; None: there are none."""

    def bounded(self, text: str) -> str:
        """A part of an expression, if it is not out of all proportion."""
        if len(text) > _MAX_CEL:
            raise TemplateFault("the expression is too long; compute it in an action", 0)
        return text

    def truth(self, node: _Node) -> str:
        """Whether a node holds."""
        if isinstance(node, _Not):
            return self.bounded(f"!{self.enclosed(node.operand)}")
        if isinstance(node, _Logic):
            mine = [
                f"({self.truth(operand)})" if isinstance(operand, _Logic) else self.truth(operand)
                for operand in node.operands
            ]
            return self.bounded(f" {node.sign} ".join(mine))
        if isinstance(node, _Compare):
            return self.comparison(node)
        if isinstance(node, _Literal):
            return "true" if node.value not in (None, False, 0, "") else "false"
        return f"!({self.path(node)} in [null, false, 0, ''])"

    def enclosed(self, node: _Node) -> str:
        """The truth of a node, to be negated."""
        written = self.truth(node)
        simple = isinstance(node, _Literal | _Not)
        return written if simple else f"({written})"

    def comparison(self, node: _Compare) -> str:
        left, right = self.operand(node.left), self.operand(node.right)
        compared = f"{left} {node.sign} {right}"
        if node.sign in ("==", "!="):
            return self.bounded(compared)
        there = [
            f"{written} != null && "
            for operand, written in ((node.left, left), (node.right, right))
            if self.nullable(operand)
        ]
        return self.bounded(f"({''.join(there)}{compared})" if there else compared)

    def nullable(self, node: _Node) -> bool:
        """Whether a node's value may be null."""
        if isinstance(node, _Logic):
            return node.sign == "||" and all(map(self.nullable, node.operands))
        return isinstance(node, _Path) or node == _Literal(None)

    def operand(self, node: _Node) -> str:
        """A value as an operand of a comparison."""
        written = self.value(node)
        return written if isinstance(node, _Literal | _Path) else f"({written})"

    def value(self, node: _Node) -> str:
        """The value of a node; ``||`` takes the place of null."""
        if isinstance(node, _Literal):
            return cel(node.value)
        if isinstance(node, _Path):
            return self.path(node)
        if isinstance(node, _Logic) and node.sign == "||":
            return self.first(node.operands)
        return self.truth(node)

    def first(self, operands: tuple[_Node, ...]) -> str:
        """The first of several values that is not null."""
        flat: list[_Node] = []
        for operand in operands:
            inner = operand.operands if isinstance(operand, _Logic) and operand.sign == "||" else ()
            flat += inner or (operand,)
        written = self.operand(flat[-1])
        for operand in reversed(flat[:-1]):
            mine = self.operand(operand)
            if not self.nullable(operand):
                written = mine
            else:
                written = self.bounded(f"({mine} != null ? {mine} : {written})")
        return written

    def path(self, node: _Path) -> str:
        """What a path leads to, or null."""
        root, parts = node.root, node.parts
        if root == "workflow":
            return _below(self.fact(str(parts[0])), parts[1:])
        if root == "trigger" and parts:
            given = _below(root, parts[:1])
            default = self.known.parameters.get(str(parts[0]))
            if default is not None:
                given = f"({given} != null ? {given} : {cel(default)})"
            return _below(given, parts[1:])
        return _below(root, parts)

    def fact(self, name: str) -> str:
        """A fact about the workflow."""
        handles = self.known.handles
        own = _quoted(self.step)
        if name == "error":
            return "error" if handles else "null"
        if name == "status":
            return "(error == null ? 'running' : 'failed')" if handles else "'running'"
        if name == "currentStep":
            failed = "(error.get('step') != null ? error.get('step') : error.get('task'))"
            return f"(error == null ? {own} : {failed})" if handles else own
        if name == "duration":
            return "(workflow.now - workflow.started)"
        if name == "state":
            return "steps"
        if name in ("name", "version"):
            return _quoted(self.known.name if name == "name" else self.known.version)
        return f"workflow.{name}"

    # ── texts ────────────────────────────────────────────────────────────────────────────────

    def built(self, content: JsonValue, path: tuple[str | int, ...]) -> str:
        """An input with its templates filled in."""
        if isinstance(content, str):
            try:
                return self.text(content)
            except TemplateFault as fault:
                fault.path = path  # type: ignore[attr-defined]  # where in the input it is
                raise
        if isinstance(content, list):
            return f"[{', '.join(self.built(v, (*path, i)) for i, v in enumerate(content))}]"
        if isinstance(content, dict):
            entries = (f"{_quoted(k)}: {self.built(v, (*path, k))}" for k, v in content.items())
            return "{" + ", ".join(entries) + "}"
        return cel(content)

    def text(self, text: str) -> str:
        """A text: the value of its one template, or all its templates filled in."""
        parts = _split(text, self.known)
        if len(parts) == 1 and not isinstance(parts[0], str):
            return self.value(parts[0])
        written = [
            self.plain(part) if isinstance(part, str) else f"text({self.shown(part)})"
            for part in parts
        ]
        # In groups, since only so many operators follow each other.
        while len(written) > 1:
            groups = [written[i : i + 50] for i in range(0, len(written), 50)]
            written = [" + ".join(group) for group in groups]
            if len(written) > 1:
                written = [f"({group})" for group in written]
        return self.bounded(written[0] if written else "''")

    def shown(self, node: _Node) -> str:
        """A value that is put into a text: an error is its message there."""
        if node == _Path("workflow", ("error",)) and self.known.handles:
            return "error.get('message')"
        return self.value(node)

    def plain(self, part: str) -> str:
        """A plain part of a text; a long one of a long text is kept beside the expression."""
        if self.keep is None or len(part) <= _MAX_PART:
            return _quoted(part)
        name = f"{self.keep}.{len(self.known.texts) + 1}"
        self.known.texts[name] = part
        return f"texts[{_quoted(name)}]"


def _below(written: str, parts: tuple[str | int, ...]) -> str:
    return written + "".join(f".get({cel(part)})" for part in parts)


def _split(text: str, known: Known) -> list[str | _Node]:
    """A text as its plain parts and its templates, in order; empty parts are left out."""
    parts: list[str | _Node] = []
    at = 0
    while (opening := text.find("{{", at)) >= 0:
        if opening > at:
            parts.append(text[at:opening])
        parser = _Parser(text, known, at=opening + 2)
        try:
            parts.append(parser.braced())
        except TemplateFault as fault:
            if "}}" not in text[opening:]:
                raise TemplateFault(
                    "the template that starts here has no closing '}}'", opening
                ) from fault
            raise
        at = parser.at
    if at < len(text):
        parts.append(text[at:])
    return parts

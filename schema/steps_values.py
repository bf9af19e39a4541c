"""Reading plain values of a YAML tree, with every fault at its place: for the steps format.

`Values` gathers faults instead of stopping at the first, and gives a harmless value where one is
faulty, so that reading can go on; nobody sees it, since the faults are raised in the end.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Final

from weft.schema.durations import MAX_SECONDS, parse_duration
from weft.schema.errors import DefinitionError
from weft.schema.jsonvalue import JsonValue, NotJson, checked
from weft.schema.specification import Location, Source
from weft.schema.steps_templates import TemplateFault
from weft.schema.yaml import MappingNode, Node, ScalarNode, SequenceNode, plain

__all__ = [
    "MAX_FAULTS",
    "MAX_NAME",
    "STEP_PATTERN",
    "EnoughError",
    "Values",
    "near",
    "note_positions",
    "nothing",
    "quoted",
]

STEP_PATTERN: Final = "^[A-Za-z0-9_][A-Za-z0-9_-]{0,99}([.][A-Za-z0-9_-]+)*$"
"""The ids of steps, and the names of modules, actions, outputs and parameters."""

MAX_NAME: Final = 100
"""How many characters such a name may have."""

MAX_FAULTS: Final = 100
"""After so many faults the rest of a file is not worth reading."""

NAME: Final = re.compile(STEP_PATTERN)


class EnoughError(Exception):
    """So many faults that reading on helps nobody."""


class Values:
    """One run over one tree."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.faults: list[DefinitionError] = []
        self.lines = source.text.decode("utf-8-sig", "replace").split("\n")

    # ── faults ───────────────────────────────────────────────────────────────────────────────

    def fault(self, node: Node, where: str, message: str, code: str) -> None:
        """Note a fault at a node."""
        self.fault_at((node.line, node.column), where, message, code)

    def fault_at(self, position: tuple[int, int], where: str, message: str, code: str) -> None:
        """Note a fault at a line and column, both from 1."""
        message = f"{where}: {message}" if where else message
        line, column = position
        self.faults.append(
            DefinitionError(message, code=code, file=self.source.file, line=line, column=column)
        )
        if len(self.faults) >= MAX_FAULTS:
            raise EnoughError

    def expected(self, node: Node, where: str, wanted: str, advice: str = "") -> None:
        """Note that a value is of the wrong kind."""
        advice = f"; {advice}" if advice else ""
        self.fault(
            node, where, f"expected {wanted}, found {found_kind(node)}{advice}", "wrong-type"
        )

    def template_fault(self, node: Node, where: str, fault: TemplateFault) -> None:
        """Note a fault within the text of a scalar, at the very character if it can be told."""
        position = (node.line, node.column)
        if isinstance(node, ScalarNode) and isinstance(node.value, str):
            position = within(node, node.value, fault.offset, self.lines)
        self.fault_at(position, where, fault.message, "template")

    def keys(self, node: Node, where: str, known: Collection[str], wanted: str) -> dict[str, Node]:
        """The values of a mapping by key; those that do not belong there are faults."""
        if not isinstance(node, MappingNode):
            self.expected(node, where, wanted)
            return {}
        values = {}
        for key, item in node.entries:
            if key.text in known:
                values[key.text] = item
                continue
            near = get_close_matches(camel(key.text), known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ";"
            self.fault(
                key,
                where,
                f"unknown key {quoted(key.text)}{hint} accepted: {', '.join(known)}",
                "unknown-key",
            )
        return values

    # ── values ───────────────────────────────────────────────────────────────────────────────

    def text(self, node: Node | None, where: str, wanted: str = "a text") -> str:
        """A text that is not empty; "" after a fault, or when there is none."""
        if node is None:
            return ""
        if isinstance(node, ScalarNode) and isinstance(node.value, str) and node.value.strip():
            return node.value
        advice = ""
        if isinstance(node, ScalarNode) and isinstance(node.value, bool | int | float):
            advice = f'in quotes it is a text: "{node.text}"'
        self.expected(node, where, wanted, advice)
        return ""

    def words(self, node: Node | None, where: str, wanted: str) -> str:
        """A text that may be empty, or a number as it is written."""
        if node is None or (isinstance(node, ScalarNode) and node.value is None):
            return ""
        if isinstance(node, ScalarNode) and not isinstance(node.value, bool):
            return node.value if isinstance(node.value, str) else node.text
        self.expected(node, where, wanted)
        return ""

    def name(self, node: Node | None, where: str, wanted: str) -> str:
        """A text that is a name; "" after a fault, or when there is none."""
        name = self.text(node, where, wanted)
        if node is not None and name and not (NAME.fullmatch(name) and len(name) <= MAX_NAME):
            self.fault(
                node,
                where,
                f"{quoted(name)} cannot be {wanted}; it has up to {MAX_NAME} letters (a-z, A-Z), "
                "digits, '_', '-' and '.', and begins with a letter, digit or '_'",
                "name",
            )
            return ""
        return name

    def whole(self, node: Node, where: str, most: int) -> int:
        """A whole number from 0."""
        found = node.value if isinstance(node, ScalarNode) else None
        if type(found) is int and 0 <= found <= most:
            return found
        self.expected(node, where, f"a whole number from 0 to {most:,}")
        return 0

    def seconds(self, node: Node, where: str) -> float:
        """A number of seconds, or a duration."""
        found = node.value if isinstance(node, ScalarNode) else None
        wanted = "a number of seconds, or a duration such as 500ms, 5s or 1m30s"
        if isinstance(found, str) and found:
            try:
                return parse_duration(found)
            except ValueError as error:
                self.fault(node, where, str(error), "duration")
                return 0.0
        if isinstance(found, bool) or not isinstance(found, int | float) or found < 0:
            self.expected(node, where, wanted)
            return 0.0
        if found > MAX_SECONDS:
            self.fault(node, where, f"expected at most {MAX_SECONDS:.0f} seconds", "bound")
            return 0.0
        return float(found)

    def flag(self, node: Node | None, where: str) -> bool:
        """True or false; false when absent."""
        if node is None:
            return False
        if isinstance(node, ScalarNode) and isinstance(node.value, bool):
            return node.value
        self.expected(node, where, "true or false")
        return False

    def json(self, node: Node, where: str) -> JsonValue:
        """Any value that JSON has."""
        try:
            return checked(plain(node), what=where or "the value")
        except NotJson as error:
            self.fault(node, "", str(error), "not-json")
            return None

    def items(self, node: Node | None, where: str, wanted: str) -> Sequence[Node]:
        """The items of a list; none when it is absent."""
        if node is None:
            return ()
        if isinstance(node, SequenceNode):
            return node.items
        self.expected(node, where, wanted)
        return ()


# ── places in the file ───────────────────────────────────────────────────────────────────────


def note_positions(
    positions: dict[Location, tuple[int, int]], node: Node, location: Location
) -> None:
    """Note where each value of a tree stands; a mapping stands at its key."""
    if isinstance(node, MappingNode):
        for key, item in node.entries:
            at = key if isinstance(item, MappingNode) or nothing(item) else item
            positions[*location, key.text] = (at.line, at.column)
            note_positions(positions, item, (*location, key.text))
    elif isinstance(node, SequenceNode):
        for index, item in enumerate(node.items):
            positions[*location, index] = (item.line, item.column)
            note_positions(positions, item, (*location, index))


def within(node: ScalarNode, text: str, offset: int, lines: Sequence[str]) -> tuple[int, int]:
    """The line and column of a character of a scalar; that of the scalar if it cannot be told."""
    here = (node.line, node.column)
    if not 0 < node.line <= len(lines):
        return here
    line = lines[node.line - 1].rstrip("\r")
    start = node.column - 1
    mark = line[start : start + 1]
    if mark == "|":
        before = text[:offset]
        number = node.line + 1 + before.count("\n")
        in_line = offset - (before.rfind("\n") + 1)
        wanted = text.split("\n")[before.count("\n")]
        if number <= len(lines):
            column = lines[number - 1].find(wanted) if wanted else -1
            if column >= 0:
                return number, column + in_line + 1
        return here
    if mark in ("'", '"') and node.quoted:
        quoted = _quoted_column(line, start, text, offset)
        return here if quoted is None else (node.line, quoted)
    if line[start : start + len(text)] == text:
        return node.line, node.column + offset
    return here


_IN_QUOTES: Final = {
    "'": re.compile(r"''|[^']"),
    '"': re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)|[^\"\\]"),
}
"""How one character is written within quotes."""


def _quoted_column(line: str, start: int, text: str, offset: int) -> int | None:
    """The column (from 1) of a character of a quoted scalar that stands on one line."""
    at = start + 1
    written = _IN_QUOTES[line[start]]
    for _ in range(offset):
        found = written.match(line, at)
        if found is None:
            return None
        at = found.end()
    closing = line.find(line[start], at)
    return at + 1 if closing >= 0 and offset <= len(text) else None


# ── words ────────────────────────────────────────────────────────────────────────────────────


def nothing(node: Node) -> bool:
    """Whether nothing was written: a key without a value."""
    return isinstance(node, ScalarNode) and node.value is None


def found_kind(node: Node) -> str:
    """What a value is called in a message."""
    if isinstance(node, SequenceNode):
        return "a list" if node.items else "an empty list"
    if isinstance(node, MappingNode):
        return "a mapping" if node.entries else "an empty mapping"
    if isinstance(node.value, str):
        return f"the text {quoted(node.value)}" if node.value else "an empty text"
    if node.value is None:
        return "nothing"
    return node.text if isinstance(node.value, bool) else f"the number {node.text[:60]}"


def quoted(text: str) -> str:
    """A text in quotes, shortened for a message."""
    return repr(text if len(text) <= 60 else text[:59] + "…")


def camel(key: str) -> str:
    """A key as this format would spell it: ``onFailure`` for ``on-failure`` and ``on_failure``."""
    return re.sub(r"[-_ ]+([A-Za-z])", lambda m: m[1].upper(), key)


def near(word: str, known: Collection[str]) -> str:
    """``; did you mean …?`` for the names that resemble a word most, or nothing."""
    found = get_close_matches(word, known, n=3)
    return f"; did you mean {' or '.join(found)}?" if found else ""

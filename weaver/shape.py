"""Reading the nodes of a file into values, with every fault reported at its place.

A `Reader` belongs to one file. Its `Table` takes the fields of a mapping one by one, each with the
type that it must have; `Table.finish` then reports the fields that nobody asked for. A fault does
not stop reading: the table merely remembers that it is not whole.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

from weft.schema.errors import DefinitionError, DefinitionErrors
from weft.schema.yaml import MappingNode, Node, ScalarNode, SequenceNode, plain
from weft.weaver.findings import Findings, Place

__all__ = ["Reader", "Table", "faults_of", "listed", "report_fault", "shape_of"]

T = TypeVar("T")


class Reader:
    """The reading of one file: its name, its findings, and whether it could be read in full."""

    def __init__(self, file: str, findings: Findings) -> None:
        self.file = file
        self.findings = findings
        self.whole = True

    def place(self, node: Node) -> Place:
        """Where a node stands."""
        return Place(self.file, node.line, node.column)

    def fault(self, node: Node, message: str, *, id: str = "DeserializationError") -> None:
        """Report that something cannot be read; the file is not whole any more."""
        self.whole = False
        self.findings.report(id, message, self.place(node))

    def table(self, node: Node, what: str) -> Table | None:
        """The node as a table, or ``None`` after a report."""
        if isinstance(node, MappingNode):
            return Table(self, node, what)
        self.fault(node, f"{what} must be a mapping, not {shape_of(node)}")
        return None

    def items(self, node: Node, what: str) -> tuple[Node, ...]:
        """The items of a sequence, or nothing after a report."""
        if isinstance(node, SequenceNode):
            return node.items
        self.fault(node, f"{what} must be a list, not {shape_of(node)}")
        return ()

    def text(self, node: Node, what: str) -> str | None:
        """The text of a node, or ``None`` after a report."""
        if isinstance(node, ScalarNode) and isinstance(node.value, str):
            return node.value
        advice = ""
        if isinstance(node, ScalarNode) and node.text:
            advice = f'; write it in quotes if text is meant: "{node.text}"'
        self.fault(node, f"{what} must be text, not {shape_of(node)}{advice}")
        return None


class Table:
    """A mapping whose fields are taken one by one.

    ``what`` describes it in messages, such as ``group 'span.http'``. A field that is null counts
    as absent.
    """

    def __init__(self, reader: Reader, node: MappingNode, what: str) -> None:
        self.reader = reader
        self.node = node
        self.what = what
        self.whole = True
        self._taken: set[str] = set()

    @property
    def place(self) -> Place:
        """Where the table stands."""
        return self.reader.place(self.node)

    def place_of(self, name: str) -> Place:
        """Where the key of a field stands, or the table if it has none."""
        return self.reader.place(self.node.key(name) or self.node)

    def fault(self, node: Node, message: str, *, id: str = "DeserializationError") -> None:
        """Report a fault in this table."""
        self.whole = False
        self.reader.fault(node, message, id=id)

    def has(self, name: str) -> bool:
        """Whether a field is written, be it null."""
        return name in self.node

    def take(self, name: str, *, required: bool = False) -> Node | None:
        """The node of a field, or ``None`` if it is absent or null."""
        self._taken.add(name)
        node = self.node.get(name)
        if node is None or (isinstance(node, ScalarNode) and node.value is None):
            if required:
                self.fault(node or self.node, f"{self.what} lacks the field '{name}'")
            return None
        return node

    def read(
        self, name: str, read: Callable[[Node], T | None], *, required: bool = False
    ) -> T | None:
        """A field, read by a function that reports its own faults and then yields ``None``."""
        node = self.take(name, required=required)
        if node is None:
            return None
        value = read(node)
        if value is None:
            self.whole = False
        return value

    def text(self, name: str, *, required: bool = False) -> str | None:
        """A field that must be text."""
        return self.read(
            name,
            lambda node: self.reader.text(node, f"'{name}' of {self.what}"),
            required=required,
        )

    def flag(self, name: str) -> bool | None:
        """A field that must be true or false."""

        def read(node: Node) -> bool | None:
            if isinstance(node, ScalarNode) and isinstance(node.value, bool):
                return node.value
            self.reader.fault(
                node, f"'{name}' of {self.what} must be true or false, not {shape_of(node)}"
            )
            return None

        return self.read(name, read)

    def choice(self, name: str, choices: Collection[str], *, required: bool = False) -> str | None:
        """A field that must be one of some words."""

        def read(node: Node) -> str | None:
            value = self.reader.text(node, f"'{name}' of {self.what}")
            if value is None or value in choices:
                return value
            self.reader.fault(
                node,
                f"'{name}' of {self.what} is {value!r}; it must be one of {listed(choices)}",
                id="InvalidSemConvSpec",
            )
            return None

        return self.read(name, read, required=required)

    def items(self, name: str, *, required: bool = False) -> tuple[Node, ...]:
        """The items of a field that must be a list; nothing if it is absent."""
        node = self.take(name, required=required)
        if node is None:
            return ()
        if not isinstance(node, SequenceNode):
            self.whole = False
        return self.reader.items(node, f"'{name}' of {self.what}")

    def texts(self, name: str) -> tuple[str, ...]:
        """The items of a field that must be a list of texts."""
        read = [
            self.reader.text(node, f"an item of '{name}' of {self.what}")
            for node in self.items(name)
        ]
        if None in read:
            self.whole = False
        return tuple(text for text in read if text is not None)

    def each(
        self, name: str, read: Callable[[Node], T | None], *, required: bool = False
    ) -> Iterator[T]:
        """The items of a list, each read by a function that reports its own faults."""
        for node in self.items(name, required=required):
            value = read(node)
            if value is None:
                self.whole = False
            else:
                yield value

    def mapping(self, name: str) -> dict[str, Any] | None:
        """A field that must be a mapping of anything, as plain values."""

        def read(node: Node) -> dict[str, Any] | None:
            if isinstance(node, MappingNode):
                value: dict[str, Any] = plain(node)
                return value
            self.reader.fault(
                node, f"'{name}' of {self.what} must be a mapping, not {shape_of(node)}"
            )
            return None

        return self.read(name, read)

    def finish(self, *, hints: dict[str, str] | None = None) -> bool:
        """Report the fields that were not taken; whether the table is whole.

        ``hints`` say more about fields that are likely to be written by mistake.
        """
        for key, _ in self.node:
            name = key.text
            if name in self._taken:
                continue
            message = f"{self.what} has the unknown field {name!r}"
            if hints and name in hints:
                message += f": {hints[name]}"
            elif close := get_close_matches(name, self._taken, n=1):
                message += f"; did you mean '{close[0]}'?"
            else:
                message += f"; known are {listed(self._taken)}"
            self.fault(key, message)
        return self.whole


def faults_of(error: DefinitionError) -> Sequence[DefinitionError]:
    """The faults of an error that may be one fault or a group of them."""
    if isinstance(error, DefinitionErrors):
        return [fault for fault in error.exceptions if isinstance(fault, DefinitionError)]
    return [error]


def report_fault(fault: DefinitionError, id: str, findings: Findings) -> None:
    """Report a fault of the YAML reader as a finding."""
    place = None
    if fault.file is not None and fault.line is not None:
        place = Place(fault.file, fault.line, fault.column or 1)
    findings.report(id, fault.message, place, file=fault.file)


def shape_of(node: Node) -> str:
    """What a node is, in words."""
    if isinstance(node, MappingNode):
        return "a mapping"
    if isinstance(node, SequenceNode):
        return "a list"
    if node.value is None:
        return "null"
    if isinstance(node.value, bool):
        return f"the boolean {node.text}"
    if isinstance(node.value, int | float):
        return f"the number {node.text}"
    return f"the text {node.text!r}" if len(node.text) <= 40 else "a text"


def listed(names: Collection[str]) -> str:
    """Names for a message, in a stable order."""
    return ", ".join(f"'{name}'" for name in (names if isinstance(names, tuple) else sorted(names)))

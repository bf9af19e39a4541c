"""YAML 1.2 as a small tree in which every node and every key knows its line and column.

The text is cut into events by PyYAML's binding of libyaml (its pure-Python parser stands in
where libyaml is missing), and this module makes the tree. What a scalar means is decided by the
core schema of YAML 1.2.2, section 10.3.2: ``on``, ``no``, ``1:30`` and ``2026-01-01`` are text.

A file is refused, with file, line and column, when reading it on would mean guessing: duplicate
keys, keys that are not text, tags, merge keys, a second document, an empty one. It is refused
before it can do harm when it is too large, too deep, or too long once its aliases are expanded.

Nodes reached through an alias are shared, and keep the position of their anchor.
"""

from __future__ import annotations

import gc
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import attrs
import yaml

from weft.schema.errors import DefinitionError, DefinitionErrors

__all__ = [
    "MAX_ALIASED_NODES",
    "MAX_BYTES",
    "MAX_DEPTH",
    "MappingNode",
    "Node",
    "Scalar",
    "ScalarNode",
    "SequenceNode",
    "load_yaml",
    "plain",
    "read_yaml",
]

MAX_BYTES: Final = 16 * 1024 * 1024
"""The longest text that is read, in bytes of UTF-8."""

MAX_DEPTH: Final = 100
"""How many sequences and mappings may lie within each other."""

MAX_ALIASED_NODES: Final = 100_000
"""How many nodes all aliases of a text may add, nested aliases expanded."""

_MAX_FAULTS: Final = 100
"""After so many faults the rest of a text is not worth reading."""

_event_source: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The source of events: libyaml, or PyYAML's own parser (slower by a factor of about ten)."""

Scalar = str | int | float | bool | None
"""What the core schema knows: text, integer, float, boolean, null."""


@attrs.frozen
class ScalarNode:
    """A scalar: its ``value`` by the core schema, and the ``text`` that stands in the file.

    ``quoted`` is true for quoted and block scalars, which are text whatever they look like.
    """

    value: Scalar
    text: str
    line: int
    column: int
    quoted: bool = False


@attrs.frozen
class SequenceNode:
    """A list of nodes."""

    items: tuple[Node, ...]
    line: int
    column: int

    def __iter__(self) -> Iterator[Node]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


@attrs.frozen
class MappingNode:
    """Pairs of a key, which is text and has its own position, and a node; in the file's order."""

    entries: tuple[tuple[ScalarNode, Node], ...]
    line: int
    column: int
    _by_name: dict[str, tuple[ScalarNode, Node]] = attrs.field(kw_only=True, repr=False, eq=False)

    @_by_name.default
    def _index(self) -> dict[str, tuple[ScalarNode, Node]]:
        return {key.text: (key, value) for key, value in self.entries}

    def __iter__(self) -> Iterator[tuple[ScalarNode, Node]]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def get(self, name: str) -> Node | None:
        """The node under a key, or ``None``."""
        entry = self._by_name.get(name)
        return entry[1] if entry else None

    def key(self, name: str) -> ScalarNode | None:
        """The key itself, for its position, or ``None``."""
        entry = self._by_name.get(name)
        return entry[0] if entry else None


Node = ScalarNode | SequenceNode | MappingNode
"""Any node of the tree; all have ``line`` and ``column``, both from 1."""


def load_yaml(
    text: str | bytes,
    *,
    file: str | None = None,
    max_bytes: int = MAX_BYTES,
    max_depth: int = MAX_DEPTH,
    max_aliased_nodes: int = MAX_ALIASED_NODES,
    faults: list[DefinitionError] | None = None,
) -> Node:
    """Read one YAML 1.2 document.

    Args:
        text: The document; bytes must be UTF-8 (a byte order mark is allowed).
        file: The name that faults carry.
        max_bytes: Bound on the length of the text, in bytes of UTF-8.
        max_depth: Bound on nesting.
        max_aliased_nodes: Bound on the nodes that all aliases add together.
        faults: Takes the faults that leave a document to be read all the same (a key that is a
            number, one that stands twice), so that they can be told together with what is wrong
            in the document; None: they are raised like the others.

    Raises:
        DefinitionError: The text is not one document of this kind. Several faults of one text
            come together, as `DefinitionErrors`.
    """
    decoded = _decode(text, file, max_bytes)
    _refuse_control_characters(decoded, file)
    builder = _Builder(decoded, file, max_depth, max_aliased_nodes)
    root: Node | None = None
    try:
        with _without_collector():
            root = builder.document()
    except DefinitionError as fault:
        builder.faults.append(fault)
    except yaml.MarkedYAMLError as error:
        builder.faults.append(_syntax_fault(error, decoded, file))
    finally:
        builder.dispose()
    if faults is not None and root is not None:
        faults += builder.faults
        return root
    if len(builder.faults) == 1:
        raise builder.faults[0]
    if builder.faults or root is None:
        raise DefinitionErrors(f"{file or 'the text'} cannot be read as YAML", builder.faults)
    return root


def read_yaml(
    path: str | os.PathLike[str],
    *,
    file: str | None = None,
    max_bytes: int = MAX_BYTES,
    max_depth: int = MAX_DEPTH,
    max_aliased_nodes: int = MAX_ALIASED_NODES,
) -> Node:
    """Read a file with one YAML 1.2 document; ``file`` is its name in faults, if not ``path``.

    The size is checked before anything is read, and only regular files are opened.

    Raises:
        DefinitionError: The file cannot be read, or its text is refused by `load_yaml`.
    """
    path = Path(path)
    name = file or str(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise DefinitionError(
                f"cannot read: this is {kind}; a YAML file is wanted",
                code="file-unreadable",
                file=name,
            )
        if status.st_size > max_bytes:
            raise _too_large(status.st_size, name, max_bytes)
        with path.open("rb") as stream:
            # One byte more than allowed, in case the file grows while it is read.
            data = stream.read(max_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise DefinitionError(
            f"cannot read: {reason}", code="file-unreadable", file=name
        ) from error
    return load_yaml(
        data,
        file=name,
        max_bytes=max_bytes,
        max_depth=max_depth,
        max_aliased_nodes=max_aliased_nodes,
    )


def plain(node: Node) -> Any:
    """The tree as fresh dicts, lists and scalars, without positions."""
    if isinstance(node, ScalarNode):
        return node.value
    if isinstance(node, SequenceNode):
        return [plain(item) for item in node.items]
    return {key.text: plain(value) for key, value in node.entries}


@contextmanager
def _without_collector() -> Iterator[None]:
    """Pause the cyclic garbage collector: a growing tree is no garbage, and has no cycles.

    Looking for some in it, again and again, took twice as long as making it.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


# --- from text to characters ----------------------------------------------------------------


def _too_large(size: int, file: str | None, max_bytes: int) -> DefinitionError:
    return DefinitionError(
        f"the text has {size:,} bytes; at most {max_bytes:,} are read",
        code="yaml-too-large",
        file=file,
    )


def _decode(text: str | bytes, file: str | None, max_bytes: int) -> str:
    """The text without its byte order mark, within its bound."""
    if isinstance(text, str):
        size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        if size > max_bytes:
            raise _too_large(size, file, max_bytes)
        return text.removeprefix("\ufeff")
    if len(text) > max_bytes:
        raise _too_large(len(text), file, max_bytes)
    try:
        return text.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = text[: error.start].decode("utf-8")
        line, column = _position(before, len(before))
        raise DefinitionError(
            f"not UTF-8: byte 0x{text[error.start]:02X} at offset {error.start} "
            f"({error.reason}); save the file as UTF-8",
            code="yaml-encoding",
            file=file,
            line=line,
            column=column,
        ) from None


_CONTROL: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What is not printable by YAML 1.2.2, section 5.1."""


def _refuse_control_characters(text: str, file: str | None) -> None:
    found = _CONTROL.search(text)
    if found is None:
        return
    line, column = _position(text, found.start())
    hint = "the file looks binary" if found.group() == "\0" else "write it as an escape in quotes"
    raise DefinitionError(
        f"the character U+{ord(found.group()):04X} may not stand in YAML; {hint}",
        code="yaml-control-character",
        file=file,
        line=line,
        column=column,
    )


def _position(text: str, index: int) -> tuple[int, int]:
    """Line and column (from 1) of an index into the text."""
    lines = text[:index].replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return len(lines), len(lines[-1]) + 1


# --- from events to nodes -------------------------------------------------------------------

_NUMBER: Final = re.compile(
    r"""(?P<int>[-+]?[0-9]+)
      | (?P<base>0o[0-7]+|0x[0-9a-fA-F]+)
      | (?P<float>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)
      | (?P<special>[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))""",
    re.VERBOSE,
)
_NUMBER_STARTS: Final = frozenset("0123456789+-.")
_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(["", "~", "null", "Null", "NULL"]),
    **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["false", "False", "FALSE"], False),
}


def _number(text: str) -> Scalar:
    """The number that a plain scalar means, or the text itself.

    Raises:
        ValueError: An integer of more digits than Python converts.
    """
    found = _NUMBER.fullmatch(text)
    if found is None:
        return text
    if found.lastgroup == "int":
        return int(text)
    if found.lastgroup == "base":
        return int(text, 0)
    if found.lastgroup == "float":
        return float(text)
    return float(text.replace(".", ""))


class _Builder:
    """One pass over the events of one text.

    Faults that leave the shape of the text intact are collected in ``faults``; what makes
    reading on pointless (broken syntax, a bound) is raised.
    """

    def __init__(self, text: str, file: str | None, max_depth: int, max_aliased: int) -> None:
        self.faults: list[DefinitionError] = []
        self._text = text
        self._file = file
        self._max_depth = max_depth
        self._max_aliased = max_aliased
        self._loader: Any = _event_source(text)
        self._next: Callable[[], Any] = self._loader.get_event
        self._anchors: dict[str, tuple[Node, int, int]] = {}  # node, its size, its height
        self._open: set[str] = set()  # anchors of the nodes that are being read
        self._aliased = 0

    def dispose(self) -> None:
        self._loader.dispose()

    def document(self) -> Node:
        """The only document of the stream."""
        self._next()  # the start of the stream
        start = self._next()
        if isinstance(start, yaml.StreamEndEvent):
            raise self._fault(start, "yaml-empty", "the document is empty")
        if start.version == (1, 1):
            self._report(
                start,
                "yaml-directive",
                "'%YAML 1.1' is asked for, but text is read as YAML 1.2; remove the directive",
            )
        first = self._next()
        if isinstance(first, yaml.ScalarEvent) and not (
            first.style or first.value or first.anchor or first.tag
        ):
            raise self._fault(start, "yaml-empty", "the document is empty")
        root, _, _ = self._node(first, 0)
        self._next()  # the end of the document
        following = self._next()
        if not isinstance(following, yaml.StreamEndEvent):
            raise self._fault(
                following,
                "yaml-documents",
                "a second document begins here; a file holds exactly one",
            )
        return root

    def _fault(self, at: Any, code: str, message: str) -> DefinitionError:
        mark = at.start_mark
        return DefinitionError(
            message, code=code, file=self._file, line=mark.line + 1, column=mark.column + 1
        )

    def _report(self, at: Any, code: str, message: str) -> None:
        self.faults.append(self._fault(at, code, message))
        if len(self.faults) >= _MAX_FAULTS:
            raise self._fault(at, "yaml-faults", f"reading stops here, after {_MAX_FAULTS} faults")

    def _node(self, event: Any, depth: int) -> tuple[Node, int, int]:
        """The node that begins with an event; its size in nodes and its height.

        Size and height count what aliases bring in, so that neither can be smuggled in.
        """
        kind = type(event)
        if kind is yaml.ScalarEvent:
            if event.tag is not None:
                self._refuse_tag(event)
            node = self._scalar(event)
            if event.anchor is not None:
                self._anchors[event.anchor] = (node, 1, 0)
            return node, 1, 0
        if kind is yaml.AliasEvent:
            return self._alias(event, depth)
        if depth >= self._max_depth:
            raise self._too_deep(event)
        if event.tag is not None:
            self._refuse_tag(event)
        anchor = event.anchor
        if anchor is None:
            return self._collection(event, depth)
        # While this node is being read, its name means nothing yet, even if it did before.
        self._anchors.pop(anchor, None)
        self._open.add(anchor)
        built = self._collection(event, depth)
        self._open.discard(anchor)
        self._anchors[anchor] = built
        return built

    def _collection(self, event: Any, depth: int) -> tuple[Node, int, int]:
        if type(event) is yaml.SequenceStartEvent:
            return self._sequence(event, depth)
        return self._mapping(event, depth)

    def _scalar(self, event: Any) -> ScalarNode:
        text = event.value
        mark = event.start_mark
        if event.style:
            if event.style == '"' and not text.isascii() and _has_surrogate(text):
                self._report(event, "yaml-syntax", "an escape stands for half a character")
            return ScalarNode(text, text, mark.line + 1, mark.column + 1, True)
        value: Scalar
        if text in _WORDS:
            value = _WORDS[text]
        elif text[0] in _NUMBER_STARTS:
            try:
                value = _number(text)
            except ValueError:
                value = text
                self._report(
                    event,
                    "yaml-number",
                    f"an integer of {len(text)} digits is too long; write it in quotes",
                )
        else:
            value = text
        return ScalarNode(value, text, mark.line + 1, mark.column + 1)

    def _sequence(self, start: Any, depth: int) -> tuple[Node, int, int]:
        items: list[Node] = []
        size, height = 1, 0
        event = self._next()
        while type(event) is not yaml.SequenceEndEvent:
            item, item_size, item_height = self._node(event, depth + 1)
            items.append(item)
            size += item_size
            height = max(height, item_height)
            event = self._next()
        mark = start.start_mark
        return SequenceNode(tuple(items), mark.line + 1, mark.column + 1), size, height + 1

    def _mapping(self, start: Any, depth: int) -> tuple[Node, int, int]:
        entries: dict[str, tuple[ScalarNode, Node]] = {}
        size, height = 1, 0
        key_event = self._next()
        while type(key_event) is not yaml.MappingEndEvent:
            key_node, key_size, _ = self._node(key_event, depth + 1)
            value, value_size, value_height = self._node(self._next(), depth + 1)
            size += key_size + value_size
            height = max(height, value_height)
            key = self._key(key_event, key_node)
            if key is not None:
                first = entries.setdefault(key.text, (key, value))[0]
                if first is not key:
                    self._report(
                        key_event,
                        "yaml-duplicate-key",
                        f"the key {_shown(key.text)} stands twice, "
                        f"on line {first.line} and on line {key_event.start_mark.line + 1}",
                    )
            key_event = self._next()
        mark = start.start_mark
        node = MappingNode(tuple(entries.values()), mark.line + 1, mark.column + 1, by_name=entries)
        return node, size, height + 1

    def _key(self, event: Any, node: Node) -> ScalarNode | None:
        """The node as a key at the position of its event, or ``None`` after a report."""
        if not isinstance(node, ScalarNode):
            what = "a sequence" if isinstance(node, SequenceNode) else "a mapping"
            self._report(event, "yaml-key", f"{what} cannot be a key; keys are text")
            return None
        if not isinstance(node.value, str):
            shown = node.text or "nothing"
            self._report(
                event,
                "yaml-key",
                f"the key {shown} is {_kind(node.value)}; keys are text, "
                f'write it in quotes: "{node.text}"',
            )
            return node if node.text else None  # as if it were in quotes, for those who read on
        if node.text == "<<" and not node.quoted:
            self._report(
                event,
                "yaml-key",
                "merge keys (<<) are not part of YAML 1.2; write the keys out, "
                'or quote it if it is meant as text: "<<"',
            )
            return None
        if type(event) is yaml.AliasEvent:
            # The same key object must not stand in two places: a position says where it is used.
            mark: Any = event.start_mark
            return attrs.evolve(node, line=mark.line + 1, column=mark.column + 1)
        return node

    def _alias(self, event: Any, depth: int) -> tuple[Node, int, int]:
        name = event.anchor
        if name in self._open:
            raise self._fault(
                event, "yaml-alias", f"the alias *{name} stands inside its own anchor &{name}"
            )
        if name not in self._anchors:
            raise self._fault(
                event, "yaml-alias", f"the alias *{name} has no anchor &{name} before it"
            )
        node, size, height = self._anchors[name]
        self._aliased += size
        if self._aliased > self._max_aliased:
            raise self._fault(
                event,
                "yaml-alias-bomb",
                f"the aliases up to here add more than {self._max_aliased:,} nodes; "
                "that is the most that is read",
            )
        if depth + height > self._max_depth:
            raise self._too_deep(event)
        return node, size, height

    def _refuse_tag(self, event: Any) -> None:
        self._report(
            event, "yaml-tag", f"tags are not read; remove {_shown(_short_tag(event.tag))}"
        )

    def _too_deep(self, event: Any) -> DefinitionError:
        return self._fault(event, "yaml-too-deep", f"nested deeper than {self._max_depth} levels")


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _kind(value: Scalar) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    return "a number"


def _short_tag(tag: str) -> str:
    core = "tag:yaml.org,2002:"
    return f"!!{tag.removeprefix(core)}" if tag.startswith(core) else tag


def _shown(text: str, length: int = 60) -> str:
    return repr(text if len(text) <= length else text[: length - 1] + "…")


# --- what libyaml says, in plain words ------------------------------------------------------

_PLAIN_WORDS: Final[tuple[tuple[str, str], ...]] = (
    ("mapping values are not allowed", "': ' cannot stand here; quote the text, or indent less"),
    ("entries are not allowed", "a list cannot begin here; put '- ' on a line of its own"),
    ("tab character", "a tab cannot indent YAML; use spaces"),
    ("unexpected end of stream", "the quoted text is never closed"),
    ("could not find expected ':'", "a key without ': ' after it"),
    ("expected ',' or ']'", "',' or ']' is missing in the list"),
    ("expected ',' or '}'", "',' or '}' is missing in the mapping"),
    ("'-' indicator", "'- ' is missing, or the line is indented differently from its list"),
    ("expected key", "a key is missing, or the line is indented differently from its neighbours"),
    ("expected <block end>", "the line does not continue what stands above; check its indentation"),
    (
        "unknown escape",
        "an escape that YAML does not know; use single quotes for a plain backslash",
    ),
    ("Unicode character escape", "an escape that stands for no character"),
    ("incompatible YAML document", "the '%YAML' directive asks for a version that is not read"),
    ("document start", "the document does not begin with '---' after its directives"),
    ("node content", "a value is missing here"),
)


def _syntax_fault(error: yaml.MarkedYAMLError, text: str, file: str | None) -> DefinitionError:
    """The parser's complaint as ours: where, what, and what it belonged to."""
    problem = error.problem or "the text is not YAML"
    mark = error.problem_mark or error.context_mark
    if mark is None:  # pragma: no cover  (not seen, but PyYAML's types allow it)
        return DefinitionError(problem, code="yaml-syntax", file=file)
    if "maximum nesting depth" in problem:  # newer ones bound it, too, and look ahead of us
        return DefinitionError(
            f"nested deeper than {MAX_DEPTH} levels", code="yaml-too-deep", file=file,
            line=mark.line + 1, column=mark.column + 1,
        )  # fmt: skip
    words = next((plain for part, plain in _PLAIN_WORDS if part in problem), problem)
    if "cannot start any token" in problem:
        character = _character(text, mark.line, mark.column)
        words = (
            "a tab cannot indent YAML; use spaces"
            if character == "\t"
            else f"no plain text can begin with {character!r}; quote it"
        )
    start = error.context_mark
    if start is not None and start.line != mark.line:
        words += f" ({error.context} that began on line {start.line + 1})"
    return DefinitionError(
        words, code="yaml-syntax", file=file, line=mark.line + 1, column=mark.column + 1
    )


def _character(text: str, line: int, column: int) -> str:
    """The character at a line and column (from 0), or nothing."""
    # libyaml breaks lines at these, and at no other characters.
    lines = re.split("\r\n|[\n\r\x85\u2028\u2029]", text)
    return lines[line][column : column + 1] if line < len(lines) else ""

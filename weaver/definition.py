"""The parts that both file formats share: types, examples, requirement levels, deprecations."""

from __future__ import annotations

from typing import Any, Final

from weft.schema.yaml import MappingNode, Node, ScalarNode, SequenceNode, plain
from weft.weaver.registry import (
    PRIMITIVES,
    AttributeType,
    Deprecated,
    EntityAssociation,
    EnumMember,
    EnumType,
    Import,
    LevelOfRequirement,
)
from weft.weaver.shape import Reader, Table, listed, shape_of

__all__ = [
    "IMPORT_FIELDS",
    "INSTRUMENTS",
    "SPAN_KINDS",
    "read_associations",
    "read_deprecated",
    "read_examples",
    "read_imports",
    "read_requirement_level",
    "read_stability",
    "read_type",
]

INSTRUMENTS: Final = ("counter", "gauge", "histogram", "updowncounter")
SPAN_KINDS: Final = ("client", "consumer", "internal", "producer", "server")
STABILITIES: Final = ("stable", "release_candidate", "beta", "alpha", "development")
IMPORT_FIELDS: Final = ("metrics", "events", "entities", "spans", "attribute_groups")

_TYPES: Final = (*PRIMITIVES, *(f"template[{name}]" for name in PRIMITIVES))
_BASIC_LEVELS: Final = ("required", "recommended", "opt_in")
_LEVELS_WITH_TEXT: Final = ("conditionally_required", "recommended", "opt_in")
_INT64: Final = range(-(2**63), 2**63)


def read_stability(table: Table, *, required: bool = False, retired: bool = True) -> str | None:
    """The field ``stability``; ``experimental`` is an alias of ``development``.

    ``retired`` allows the value ``deprecated``, which format v1 still reads (with a warning).
    """
    choices = (*STABILITIES, "experimental", *(("deprecated",) if retired else ()))
    value = table.choice("stability", choices, required=required)
    return "development" if value == "experimental" else value


def read_deprecated(table: Table, *, strict: bool) -> Deprecated | None:
    """The field ``deprecated``.

    Format v1 (not ``strict``) reads a bare string, which will be warned of, and supplies a note
    where there is none; format v2 does so for a renaming only.
    """
    return table.read(
        "deprecated", lambda node: _deprecated(table.reader, node, table.what, strict)
    )


def _deprecated(reader: Reader, node: Node, what: str, strict: bool) -> Deprecated | None:
    if isinstance(node, ScalarNode) and isinstance(node.value, str) and not strict:
        return Deprecated("unspecified", node.value)
    fields = reader.table(node, f"'deprecated' of {what}")
    if fields is None:
        return None
    reasons = ("renamed", "obsoleted", "uncategorized", *(("unspecified",) if strict else ()))
    reason = fields.choice("reason", reasons, required=True)
    renamed_to = fields.text("renamed_to", required=reason == "renamed")
    note = fields.text("note", required=strict and reason not in {"renamed", None})
    if not fields.finish() or reason is None:
        return None
    if note is None:
        note = f"Replaced by `{renamed_to}`." if reason == "renamed" else f"{reason.capitalize()}."
    return Deprecated(reason, note, renamed_to if reason == "renamed" else None)


def read_type(table: Table, *, strict: bool) -> AttributeType | None:
    """The required field ``type`` of an attribute."""

    def read(node: Node) -> Any:  # mypy joins the types of a union to `object`
        return _type(table.reader, node, table.what, strict)

    found: AttributeType | None = table.read("type", read, required=True)
    return found


def _type(reader: Reader, node: Node, what: str, strict: bool) -> AttributeType | None:
    if isinstance(node, MappingNode):
        # Other fields of an enumeration are not refused: old files have `allow_custom_values`.
        fields = Table(reader, node, f"the type of {what}")
        members = tuple(
            fields.each("members", lambda item: _member(reader, item, what, strict), required=True)
        )
        return EnumType(members) if fields.whole else None
    if isinstance(node, ScalarNode) and isinstance(node.value, str) and node.value in _TYPES:
        return node.value
    reader.fault(
        node,
        f"the type of {what} is {shape_of(node)}; it must be one of {listed(PRIMITIVES)}, "
        "template[…] of one of them, or {members: […]}",
        id="InvalidSemConvSpec",
    )
    return None


def read_member(reader: Reader, node: Node, what: str) -> EnumMember | None:
    """A member of an enumeration, in the spelling of format v1."""
    return _member(reader, node, what, strict=False)


def _member(reader: Reader, node: Node, what: str, strict: bool) -> EnumMember | None:
    fields = reader.table(node, f"a member of {what}")
    if fields is None:
        return None
    name = fields.text("id", required=True)

    def read_value(item: Node) -> Any:  # mypy joins the types of a union to `object`
        return _member_value(reader, item, what)

    value: str | int | float | bool | None = fields.read("value", read_value)
    member = EnumMember(
        id=name or "",
        value=(name or "") if value is None else value,
        brief=fields.text("brief"),
        note=fields.text("note"),
        stability=read_stability(fields),
        deprecated=read_deprecated(fields, strict=strict),
        annotations=fields.mapping("annotations") or {},
        place=fields.place,
    )
    return member if fields.finish() else None


def _member_value(reader: Reader, node: Node, what: str) -> str | int | float | bool | None:
    if isinstance(node, ScalarNode) and node.value is not None:
        if isinstance(node.value, int) and node.value not in _INT64:
            reader.fault(node, f"a value of {what} does not fit into 64 bits")
            return None
        return node.value
    reader.fault(node, f"a value of {what} must be text, a number or a boolean")
    return None


def read_requirement_level(table: Table) -> LevelOfRequirement | None:
    """The field ``requirement_level`` of an attribute or of a field of a body."""
    return table.read("requirement_level", lambda node: _level(table.reader, node, table.what))


def _level(reader: Reader, node: Node, what: str) -> LevelOfRequirement | None:
    if isinstance(node, ScalarNode) and node.value in _BASIC_LEVELS:
        return LevelOfRequirement(node.text)
    if isinstance(node, MappingNode) and len(node) == 1:
        key, value = node.entries[0]
        if key.text in _LEVELS_WITH_TEXT:
            text = reader.text(value, f"the requirement level of {what}")
            return None if text is None else LevelOfRequirement(key.text, text)
    reader.fault(
        node,
        f"the requirement level of {what} is {shape_of(node)}; it must be one of "
        f"{listed(_BASIC_LEVELS)}, or a mapping of one of {listed(_LEVELS_WITH_TEXT)} to text",
        id="InvalidSemConvSpec",
    )
    return None


def read_examples(table: Table) -> Any:
    """The field ``examples``: a scalar, a list of scalars, or a list of lists of one type."""
    node = table.take("examples")
    if node is None:
        return None
    if isinstance(node, ScalarNode):
        return node.value
    if isinstance(node, SequenceNode):
        value = plain(node)
        if _is_uniform(value):
            return value
    table.fault(
        node,
        f"'examples' of {table.what} must be one example, a list of examples, "
        "or a list of lists that all have items of one type",
    )
    return None


def _is_uniform(items: list[Any]) -> bool:
    """Whether a list holds scalars only, or lists of scalars of one type."""
    if not any(isinstance(item, list) for item in items):
        return not any(item is None or isinstance(item, dict) for item in items)
    if not all(isinstance(item, list) for item in items):
        return False
    kinds = {kind_of_value(value) for item in items for value in item}
    return kinds <= {"int", "double"} or (len(kinds) == 1 and kinds <= {"string", "boolean"})


def kind_of_value(value: Any) -> str:
    """The primitive type of a plain value: ``string``, ``int``, ``double``, ``boolean``."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "double"
    return "string" if isinstance(value, str) else "other"


def read_associations(table: Table) -> tuple[EntityAssociation, ...]:
    """The field ``entity_associations``: names, or trees of ``one_of`` and ``all_of``."""
    return tuple(
        table.each("entity_associations", lambda node: _association(table.reader, node, table.what))
    )


def _association(reader: Reader, node: Node, what: str) -> EntityAssociation | None:
    if isinstance(node, ScalarNode) and isinstance(node.value, str):
        return EntityAssociation("ref", node.value)
    if isinstance(node, MappingNode) and len(node) == 1:
        key, value = node.entries[0]
        if key.text in {"one_of", "all_of"}:
            found = [
                _association(reader, item, what)
                for item in reader.items(value, f"'{key.text}' in {what}")
            ]
            children = tuple(child for child in found if child is not None)
            whole = isinstance(value, SequenceNode) and len(children) == len(found)
            return EntityAssociation(key.text, children=children) if whole else None
    reader.fault(
        node,
        f"an entity association of {what} must be the name of an entity, "
        "or a mapping of 'one_of' or 'all_of' to a list",
    )
    return None


def read_imports(table: Table) -> tuple[Import, ...]:
    """The field ``imports`` of a file."""
    node = table.take("imports")
    fields = table.reader.table(node, "'imports'") if node is not None else None
    if fields is None:
        return ()
    found = []
    for name in IMPORT_FIELDS:
        for item in fields.items(name):
            pattern = table.reader.text(item, f"an import of {name}")
            if pattern is not None:
                found.append(Import(name, pattern, table.reader.place(item)))
    fields.finish()
    return tuple(found)

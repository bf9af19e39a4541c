"""Files of format ``definition/1``: a list of groups, each a signal or a set of attributes.

The rules are those of the published JSON Schema `semconv.schema.json` of OpenTelemetry Weaver;
what the schema cannot say is checked in `weft.weaver.validate`.
"""

from __future__ import annotations

from typing import Final

from weft.schema.yaml import MappingNode, Node
from weft.weaver.definition import (
    INSTRUMENTS,
    SPAN_KINDS,
    read_associations,
    read_deprecated,
    read_examples,
    read_imports,
    read_member,
    read_requirement_level,
    read_stability,
    read_type,
)
from weft.weaver.registry import (
    RECOMMENDED,
    AttributeSpec,
    Body,
    Group,
    GroupType,
    Import,
    Role,
)
from weft.weaver.shape import Reader, Table

__all__ = ["read_v1"]

_GROUP_TYPES: Final = (
    "attribute_group",
    "span",
    "event",
    "metric",
    "metric_group",
    "entity",
    "resource",
    "scope",
)
_BODY_TYPES: Final = (
    "boolean",
    "int",
    "double",
    "string",
    "string[]",
    "int[]",
    "double[]",
    "boolean[]",
    "map",
    "map[]",
    "bytes",
    "undefined",
    "enum",
)


def read_v1(table: Table) -> tuple[list[Group[AttributeSpec]], tuple[Import, ...]]:
    """The groups and imports of a file whose version fields were taken already."""
    reader = table.reader
    groups = list(table.each("groups", lambda node: _group(reader, node)))
    imports = read_imports(table)
    table.finish(hints={"attributes": "only files of format definition/2 have it at the top"})
    return groups, imports


def _group(reader: Reader, node: Node) -> Group[AttributeSpec] | None:
    table = reader.table(node, "a group")
    if table is None:
        return None
    name = table.text("id", required=True)
    table.what = f"the group '{name}'" if name else "a group"
    kind = table.choice("type", _GROUP_TYPES)
    brief = table.text("brief", required=True)
    group = Group(
        id=name or "",
        type=_group_type(kind),
        place=table.place,
        brief=brief or "",
        note=table.text("note") or "",
        prefix=table.text("prefix") or "",
        extends=table.text("extends"),
        stability=read_stability(table),
        deprecated=read_deprecated(table, strict=False),
        attributes=tuple(table.each("attributes", lambda item: _attribute(reader, item))),
        span_kind=table.choice("span_kind", SPAN_KINDS),
        events=table.texts("events"),
        metric_name=table.text("metric_name"),
        instrument=table.choice("instrument", INSTRUMENTS),
        unit=table.text("unit"),
        name=table.text("name"),
        display_name=table.text("display_name"),
        body=table.read("body", lambda item: _body(reader, item)),
        annotations=table.mapping("annotations"),
        entity_associations=read_associations(table),
    )
    return group if table.finish() else None


def _group_type(written: str | None) -> GroupType:
    if written is None:
        return GroupType.UNDEFINED
    return GroupType.ENTITY if written == "resource" else GroupType(written)


def _attribute(reader: Reader, node: Node) -> AttributeSpec | None:
    table = reader.table(node, "an attribute")
    if table is None:
        return None
    is_reference = isinstance(node, MappingNode) and "ref" in node
    key = table.text("ref" if is_reference else "id", required=True)
    table.what = f"the attribute '{key}'" if key else "an attribute"
    role = table.choice("role", tuple(Role))
    spec = AttributeSpec(
        key=key or "",
        is_reference=is_reference,
        place=table.place,
        type=None if is_reference else read_type(table, strict=False),
        brief=table.text("brief"),
        note=table.text("note"),
        examples=read_examples(table),
        tag=table.text("tag"),
        requirement_level=read_requirement_level(table),
        sampling_relevant=table.flag("sampling_relevant"),
        stability=read_stability(table),
        deprecated=read_deprecated(table, strict=False),
        prefix=bool(table.flag("prefix")) if is_reference else False,
        annotations=table.mapping("annotations"),
        role=Role(role) if role else None,
    )
    hints = {"type": "a reference takes the type of its definition", "id": "a reference has 'ref'"}
    return spec if table.finish(hints=hints if is_reference else None) else None


def _body(reader: Reader, node: Node) -> Body | None:
    table = reader.table(node, "a body")
    if table is None:
        return None
    name = table.text("id", required=True)
    table.what = f"the body field '{name}'" if name else "a body field"
    kind = table.choice("type", _BODY_TYPES, required=True)
    level = read_requirement_level(table)
    if not table.has("requirement_level"):
        table.fault(node, f"{table.what} lacks the field 'requirement_level'")
    body = Body(
        id=name or "",
        type=kind or "undefined",
        place=table.place,
        brief=table.text("brief") or "",
        note=table.text("note") or "",
        stability=read_stability(table),
        examples=read_examples(table),
        requirement_level=level or RECOMMENDED,
        fields=(
            tuple(table.each("fields", lambda item: _body(reader, item), required=True))
            if kind in {"map", "map[]"}
            else ()
        ),
        members=(
            tuple(
                table.each(
                    "members", lambda item: read_member(reader, item, table.what), required=True
                )
            )
            if kind == "enum"
            else ()
        ),
    )
    return body if table.finish() else None

"""Files of format ``definition/2``: attributes, signals and refinements in lists of their own.

The rules are those of the published JSON Schema `semconv.schema.v2.json` of OpenTelemetry Weaver.
Each list becomes groups of the same model as in format v1: a metric ``m`` is the group
``metric.m``, and the attributes of a file are a group that is named after the file.
"""

from __future__ import annotations

import re
from typing import Any, Final

from weft.schema.yaml import MappingNode, Node
from weft.weaver.definition import (
    INSTRUMENTS,
    SPAN_KINDS,
    read_associations,
    read_deprecated,
    read_examples,
    read_imports,
    read_requirement_level,
    read_stability,
    read_type,
)
from weft.weaver.registry import (
    RECOMMENDED,
    AttributeSpec,
    EntityAssociation,
    FileFormat,
    Group,
    GroupType,
    Import,
    Role,
    SpanLink,
)
from weft.weaver.shape import Reader, Table

__all__ = ["read_v2"]

_INLINE: Final = (
    "attributes cannot be defined inline in format definition/2; "
    "define it under 'attributes' and refer to it with 'ref'"
)


def read_v2(table: Table, stem: str) -> tuple[list[Group[AttributeSpec]], tuple[Import, ...]]:
    """The groups and imports of a file whose version fields were taken already.

    ``stem`` is the dotted path of the file, which names the group of its attributes.
    """
    reader = table.reader
    groups: list[Group[AttributeSpec]] = []
    definitions = tuple(table.each("attributes", lambda node: _definition(reader, node)))
    if definitions:
        groups.append(
            Group(
                id=f"registry.{stem}",
                type=GroupType.ATTRIBUTE_GROUP,
                place=table.place_of("attributes"),
                format=FileFormat.V2,
                brief="<synthetic v2>",
                attributes=definitions,
            )
        )
    for name, read in (
        ("entities", _entity),
        ("events", _event),
        ("metrics", _metric),
        ("spans", _span),
        ("attribute_groups", _attribute_group),
        ("entity_refinements", _entity_refinement),
        ("event_refinements", _event_refinement),
        ("metric_refinements", _metric_refinement),
        ("span_refinements", _span_refinement),
    ):
        groups.extend(table.each(name, lambda node, read=read: read(reader, node)))  # type: ignore[misc]
    imports = read_imports(table)
    table.finish(hints={"groups": "groups belong to files of format definition/1"})
    return groups, imports


def _common(table: Table, *, required: bool = True) -> dict[str, Any]:
    """The fields that every definition has; refinements require none of them."""
    return {
        "brief": table.text("brief", required=required) or "",
        "note": table.text("note") or "",
        "stability": read_stability(table, required=required, retired=False),
        "deprecated": read_deprecated(table, strict=True),
        "annotations": table.mapping("annotations"),
    }


def _definition(reader: Reader, node: Node) -> AttributeSpec | None:
    table = reader.table(node, "an attribute")
    if table is None:
        return None
    key = table.text("key", required=True)
    table.what = f"the attribute '{key}'" if key else "an attribute"
    spec = AttributeSpec(
        key=key or "",
        is_reference=False,
        place=table.place,
        type=read_type(table, strict=True),
        examples=read_examples(table),
        **_common(table),
    )
    return spec if table.finish(hints={"id": "format definition/2 calls it 'key'"}) else None


def _reference(
    reader: Reader, node: Node, *, sampling: bool = False, role: Role | None = None
) -> AttributeSpec | None:
    table = reader.table(node, "an attribute reference")
    if table is None:
        return None
    if not table.has("ref") and (table.has("key") or table.has("id")):
        table.fault(node, _INLINE)
        return None
    key = table.text("ref", required=True)
    table.what = f"the reference to '{key}'" if key else "an attribute reference"
    spec = AttributeSpec(
        key=key or "",
        is_reference=True,
        place=table.place,
        brief=table.text("brief"),
        note=table.text("note"),
        examples=read_examples(table),
        requirement_level=read_requirement_level(table),
        sampling_relevant=table.flag("sampling_relevant") if sampling else None,
        stability=read_stability(table, retired=False),
        deprecated=read_deprecated(table, strict=True),
        annotations=table.mapping("annotations"),
        role=role,
    )
    return spec if table.finish(hints={"type": _INLINE}) else None


def _references(
    table: Table, *, sampling: bool = False
) -> tuple[tuple[AttributeSpec, ...], tuple[str, ...]]:
    """The field ``attributes`` of a signal: references to attributes, and to groups of them."""
    specs: list[AttributeSpec] = []
    groups: list[str] = []

    def read(node: Node) -> bool | None:
        if isinstance(node, MappingNode) and "ref_group" in node:
            fields = Table(table.reader, node, "a group reference")
            name = fields.text("ref_group", required=True)
            if not fields.finish() or name is None:
                return None
            groups.append(name)
            return True
        spec = _reference(table.reader, node, sampling=sampling)
        if spec is None:
            return None
        specs.append(spec)
        return True

    list(table.each("attributes", read))
    return tuple(specs), tuple(groups)


def _signal(
    reader: Reader, node: Node, type: GroupType, identifier: str, *, sampling: bool = False
) -> tuple[Table, dict[str, Any]] | None:
    """What metrics, spans and events have in common."""
    table = reader.table(node, f"a {type}")
    if table is None:
        return None
    name = table.text(identifier, required=True)
    table.what = f"the {type} '{name}'" if name else f"a {type}"
    attributes, includes = _references(table, sampling=sampling)
    return table, {
        "id": f"{type}.{name}",
        "type": type,
        "place": table.place,
        "format": FileFormat.V2,
        "name": name,
        "attributes": attributes,
        "includes": includes,
        "entity_associations": read_associations(table),
        "requirement_level": _signal_level(table),
        **_common(table),
    }


def _signal_level(table: Table) -> str | None:
    return table.choice("requirement_level", ("recommended", "opt_in"))


def _metric(reader: Reader, node: Node) -> Group[AttributeSpec] | None:
    read = _signal(reader, node, GroupType.METRIC, "name")
    if read is None:
        return None
    table, fields = read
    fields["metric_name"] = fields.pop("name")
    group = Group[AttributeSpec](
        **fields,
        instrument=table.choice("instrument", INSTRUMENTS, required=True),
        unit=table.text("unit", required=True),
    )
    return group if table.finish() else None


def _span(reader: Reader, node: Node) -> Group[AttributeSpec] | None:
    read = _signal(reader, node, GroupType.SPAN, "type", sampling=True)
    if read is None:
        return None
    table, fields = read
    group = Group[AttributeSpec](
        **fields,
        span_name_note=_span_name(table, required=True),
        span_kind=table.choice("kind", SPAN_KINDS, required=True),
        links=tuple(table.each("links", lambda node: _link(reader, node, table.what))),
    )
    return group if table.finish() else None


def _link(reader: Reader, node: Node, span: str) -> SpanLink[AttributeSpec] | None:
    table = reader.table(node, f"a link of {span}")
    if table is None:
        return None
    ref = table.text("ref", required=True)
    table.what = f"the link to '{ref}' of {span}" if ref else table.what
    link = SpanLink(
        ref=ref or "",
        place=table.place,
        requirement_level=read_requirement_level(table) or RECOMMENDED,
        brief=table.text("brief") or "",
        note=table.text("note") or "",
        attributes=tuple(table.each("attributes", lambda node: _reference(reader, node))),
    )
    return link if table.finish() else None


def _span_name(table: Table, *, required: bool) -> str | None:
    """How a span is named, in words: its templates in backticks, then its note."""
    name = table.take("name", required=required)
    if name is None:
        return None
    pattern = table.reader.table(name, f"'name' of {table.what}")
    if pattern is None:
        table.whole = False
        return None

    def template(node: Node) -> str | None:
        text = pattern.reader.text(node, f"a template of {pattern.what}")
        if text is not None and not _TEMPLATE.fullmatch(text):
            pattern.fault(
                node,
                f"{text!r} is no template of a name; it is text with attributes in braces, "
                "as in '{http.request.method} {url.template}'",
            )
            return None
        return text

    templates = list(pattern.each("templates", template))
    note = pattern.text("note", required=not templates)
    table.whole &= pattern.finish()
    quoted = ", ".join(f"`{each}`" for each in templates)
    return ": ".join(filter(None, (quoted, note))) or None


_TEMPLATE: Final = re.compile(r"(?=.*\S)(?:[^{}]|\{[A-Za-z0-9_.-]+\})+", re.DOTALL)


def _event(reader: Reader, node: Node) -> Group[AttributeSpec] | None:
    read = _signal(reader, node, GroupType.EVENT, "name")
    if read is None:
        return None
    table, fields = read
    group = Group[AttributeSpec](**fields)
    return group if table.finish() else None


def _roles(table: Table, *, required: bool) -> tuple[AttributeSpec, ...]:
    """The attributes of an entity: its identity, then its description."""
    reader = table.reader
    return (
        *table.each(
            "identity",
            lambda node: _reference(reader, node, role=Role.IDENTIFYING),
            required=required,
        ),
        *table.each("description", lambda node: _reference(reader, node, role=Role.DESCRIPTIVE)),
    )


def _entity(reader: Reader, node: Node) -> Group[AttributeSpec] | None:
    table = reader.table(node, "an entity")
    if table is None:
        return None
    name = table.text("type", required=True)
    table.what = f"the entity '{name}'" if name else "an entity"
    group = Group(
        id=f"entity.{name}",
        type=GroupType.ENTITY,
        place=table.place,
        format=FileFormat.V2,
        name=name,
        attributes=_roles(table, required=True),
        requirement_level=_signal_level(table),
        **_common(table),
    )
    return group if table.finish() else None


def _attribute_group(reader: Reader, node: Node) -> Group[AttributeSpec] | None:
    table = reader.table(node, "an attribute group")
    if table is None:
        return None
    name = table.text("id", required=True)
    table.what = f"the attribute group '{name}'" if name else "an attribute group"
    visibility = table.choice("visibility", ("internal", "public"), required=True)
    attributes, includes = _references(table)
    common = _common(table) if visibility == "public" else {"brief": name or ""}
    group = Group[AttributeSpec](
        id=name or "",
        type=GroupType.ATTRIBUTE_GROUP,
        place=table.place,
        format=FileFormat.V2,
        attributes=attributes,
        includes=includes,
        visibility=visibility,
        **common,
    )
    hint = "only public attribute groups have it"
    hints = dict.fromkeys(("brief", "note", "stability", "deprecated", "annotations"), hint)
    return group if table.finish(hints=hints) else None


def _refinement(reader: Reader, node: Node, type: GroupType) -> Group[AttributeSpec] | None:
    table = reader.table(node, f"a {type} refinement")
    if table is None:
        return None
    name = table.text("id", required=True)
    table.what = f"the {type} refinement '{name}'" if name else f"a {type} refinement"
    refines = table.text("ref", required=True)
    attributes: tuple[AttributeSpec, ...]
    includes: tuple[str, ...] = ()
    associations: tuple[EntityAssociation, ...] = ()
    if type is GroupType.ENTITY:
        attributes = _roles(table, required=False)
    else:
        attributes, includes = _references(table, sampling=type is GroupType.SPAN)
        associations = read_associations(table)
    group = Group(
        id=name or "",
        type=type,
        place=table.place,
        format=FileFormat.V2,
        attributes=attributes,
        includes=includes,
        entity_associations=associations,
        span_name_note=_span_name(table, required=False) if type is GroupType.SPAN else None,
        refines=refines or "",
        **_common(table, required=False),
    )
    hints = {"links": "a refinement has the links of the span that it refines"}
    return group if table.finish(hints=hints if type is GroupType.SPAN else None) else None


def _entity_refinement(reader: Reader, node: Node) -> Group[AttributeSpec] | None:
    return _refinement(reader, node, GroupType.ENTITY)


def _event_refinement(reader: Reader, node: Node) -> Group[AttributeSpec] | None:
    return _refinement(reader, node, GroupType.EVENT)


def _metric_refinement(reader: Reader, node: Node) -> Group[AttributeSpec] | None:
    return _refinement(reader, node, GroupType.METRIC)


def _span_refinement(reader: Reader, node: Node) -> Group[AttributeSpec] | None:
    return _refinement(reader, node, GroupType.SPAN)

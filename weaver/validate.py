"""What a group must fulfil beyond its shape.

Format v1 leaves much to these checks, because its fields are all optional to the reader. Format
v2 demands most fields by its shape; what remains are entities and requirement levels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from weft.weaver.definition import kind_of_value
from weft.weaver.findings import Findings
from weft.weaver.registry import (
    AttributeSpec,
    AttributeType,
    Body,
    EntityAssociation,
    EnumMember,
    EnumType,
    FileFormat,
    Group,
    GroupType,
    Role,
    type_name,
)

__all__ = ["validate"]

Spec = Group[AttributeSpec]

_SIGNALS: Final = (GroupType.SPAN, GroupType.EVENT, GroupType.METRIC)
_RETIRED: Final = "deprecated"


def validate(group: Spec, findings: Findings) -> None:
    """Report what is wrong with one group, taken by itself."""
    if group.format is FileFormat.V2:
        _validate_v2(group, findings)
        return
    _group(group, findings)
    _signal_fields(group, findings)
    for attribute in group.attributes:
        if not attribute.is_reference:
            _definition(group, attribute, findings)
    _associations(group, findings)


def _validate_v2(group: Spec, findings: Findings) -> None:
    signal = group.signal
    is_signal = group.type in (*_SIGNALS, GroupType.ENTITY) and group.refines is None
    if is_signal and group.requirement_level is None:
        findings.report(
            "MissingRequirementLevelWarning",
            f"{group.type} '{group.signal_name}' has no requirement_level; "
            "say 'recommended' or 'opt_in'",
            group.place,
            signal=signal,
        )
    if group.type is GroupType.ENTITY:
        identity = {spec.key for spec in group.attributes if spec.role is Role.IDENTIFYING}
        if not identity and group.refines is None:
            findings.report(
                "EntityMissingIdentity",
                f"the identity of entity '{group.signal_name}' is empty; "
                "name at least one attribute",
                group.place,
                signal=signal,
            )
        for spec in group.attributes:
            if spec.role is Role.DESCRIPTIVE and spec.key in identity:
                findings.report(
                    "AttributeInIdentityAndDescription",
                    f"'{spec.key}' stands both in the identity and in the description of entity "
                    f"'{group.signal_name}'",
                    spec.place,
                    signal=signal,
                    attribute_id=spec.key,
                )
    _associations(group, findings)


def _group(group: Spec, findings: Findings) -> None:
    """What holds for groups of every type."""

    def warn(id: str, message: str) -> None:
        findings.report(id, f"group '{group.id}' {message}", group.place, group_id=group.id)

    if group.prefix:
        warn("InvalidGroupUsesPrefix", "has a prefix; write the attribute names in full")
    if group.type is not GroupType.ATTRIBUTE_GROUP and group.stability is None:
        warn("InvalidGroupStability", "has no stability")
    if group.stability == _RETIRED:
        warn("InvalidGroupStability", "has the stability 'deprecated'; use 'deprecated' instead")
    seen: set[str] = set()
    for attribute in group.attributes:
        if attribute.is_reference and attribute.key in seen:
            findings.report(
                "InvalidGroupDuplicateAttributeRef",
                f"group '{group.id}' refers to '{attribute.key}' twice",
                attribute.place,
                group_id=group.id,
                attribute_ref=attribute.key,
            )
        if attribute.is_reference:
            seen.add(attribute.key)
    if (
        group.type not in {GroupType.METRIC, GroupType.EVENT}
        and group.extends is None
        and not group.attributes
    ):
        warn("InvalidGroupMissingExtendsOrAttributes", "has neither 'attributes' nor 'extends'")
    if group.type is GroupType.UNDEFINED:
        warn("InvalidGroupMissingType", "has no type")
    if group.deprecated and group.deprecated.reason == "unspecified":
        findings.report(
            "UnstructuredDeprecatedProperty",
            f"'deprecated' of group '{group.id}' is a bare text; give it a reason",
            group.place,
            group_id=group.id,
        )


def _signal_fields(group: Spec, findings: Findings) -> None:
    """What each type of group must have, and what it may not."""

    def refuse(message: str, id: str = "InvalidGroup") -> None:
        findings.report(id, f"group '{group.id}' {message}", group.place, group_id=group.id)

    if group.type not in {GroupType.SPAN, GroupType.UNDEFINED}:
        if group.span_kind is not None:
            refuse("has a span_kind, but its type is not span")
        if group.events:
            refuse("has events, but its type is not span")
    if group.type is GroupType.SPAN and group.span_kind is None:
        refuse("is a span without a span_kind", "InvalidSpanMissingSpanKind")
    if group.type is GroupType.METRIC:
        for name in ("metric_name", "instrument", "unit"):
            if getattr(group, name) is None:
                refuse(f"is a metric, but {name} is not set", "InvalidMetric")
    if group.type is not GroupType.EVENT:
        if group.body is not None:
            refuse("has a body, but its type is not event")
        return
    if group.name is None and group.body is not None:
        refuse("is an event with a body, but its name is not set")
    elif group.name is None and not group.prefix:
        refuse("is an event, but its name is not set")
    if group.body is not None:
        _body(group, group.body, findings)


def _definition(group: Spec, spec: AttributeSpec, findings: Findings) -> None:
    """An attribute that is defined, not referred to."""

    def report(id: str, message: str) -> None:
        findings.report(
            id,
            f"attribute '{spec.key}' {message}",
            spec.place,
            group_id=group.id,
            attribute_id=spec.key,
        )

    if spec.brief is None and spec.deprecated is None:
        report("InvalidAttribute", "has no brief, and is not deprecated")
    if spec.stability is None:
        report("InvalidAttributeWarning", "has no stability")
    elif spec.stability == _RETIRED:
        report(
            "InvalidAttributeWarning",
            "has the stability 'deprecated'; use 'deprecated' instead",
        )
    if isinstance(spec.type, EnumType):
        for member in spec.type.members:
            for identifier, message in _member(member):
                report(identifier, message)
    if spec.deprecated and spec.deprecated.reason == "unspecified":
        report(
            "UnstructuredDeprecatedProperty", "has a bare text as 'deprecated'; give it a reason"
        )
    assert spec.type is not None, "a definition that was read has a type"
    if spec.examples is not None:
        verdict = _judge_examples(spec.examples, spec.type)
        if verdict == "InvalidExampleWarning":
            report(verdict, f"has examples that should be of type {type_name(spec.type)}")
        elif verdict:
            report(verdict, f"has examples that are not of type {type_name(spec.type)}")
    elif spec.type in {"string", "string[]"}:
        report("InvalidExampleWarning", f"is of type {spec.type}, but has no examples")


def _member(member: EnumMember) -> Iterator[tuple[str, str]]:
    if member.stability is None:
        yield "InvalidAttributeWarning", f"has the member '{member.id}' without a stability"
    elif member.stability == _RETIRED:
        yield (
            "InvalidAttributeWarning",
            f"has the member '{member.id}' with the stability 'deprecated'",
        )
    if member.deprecated and member.deprecated.reason == "unspecified":
        yield (
            "UnstructuredDeprecatedProperty",
            f"has the member '{member.id}' with a bare text as 'deprecated'",
        )


def _shape_of_examples(examples: Any) -> tuple[int, str]:
    """Depth of nesting, and type of the innermost values.

    As upstream, integers among doubles are doubles, a mixture is ``mixed``, and an empty list is
    a list of integers.
    """
    depth, values = 0, [examples]
    while values and isinstance(values[0], list):
        depth += 1
        values = [value for inner in values for value in inner]
    kinds = {kind_of_value(value) for value in values}
    if kinds <= {"int"}:
        return max(depth, 1) if not values else depth, "int"
    if kinds <= {"int", "double"}:
        return depth, "double"
    return depth, kinds.pop() if len(kinds) == 1 else "mixed"


def _judge_examples(examples: Any, type: AttributeType) -> str | None:
    """The id of what is wrong with the examples of an attribute, or ``None``."""
    if isinstance(type, EnumType) or type in {"any", "template[any]"}:
        return None
    depth, kind = _shape_of_examples(examples)
    template = type.startswith("template[")
    wanted = type.removeprefix("template[").removesuffix("]") if template else type
    element = wanted.removesuffix("[]")
    if kind != element:
        return "InvalidExampleError"
    if wanted == element:
        return None if depth < 2 else "InvalidExampleError"
    if depth == 2:
        return None
    # What semantic conventions up to 1.27 did: the examples of an array in one flat list.
    if depth == 1 and (not template or element == "string"):
        return "InvalidExampleWarning"
    if depth == 0 and template and element == "string":
        return "InvalidExampleWarning"
    return "InvalidExampleError"


def _body(group: Spec, body: Body, findings: Findings) -> None:
    """The body of an event, and every field in it."""

    def report(id: str, message: str) -> None:
        findings.report(
            id,
            f"body field '{body.id}' of group '{group.id}' {message}",
            body.place,
            group_id=group.id,
            value_id=body.id,
        )

    if body.stability is None:
        report("InvalidAnyValue", "has no stability")
    for member in body.members:
        if member.stability is None:
            report("InvalidAnyValue", f"has the member '{member.id}' without a stability")
    if body.examples is not None:
        if not _body_examples_fit(body):
            report("InvalidAnyValueExampleError", f"has examples that are not of type {body.type}")
    elif body.type in {"string", "string[]"}:
        report("InvalidAnyValueExampleError", f"is of type {body.type}, but has no examples")
    for field in body.fields:
        _body(group, field, findings)


def _body_examples_fit(body: Body) -> bool:
    if body.type in {"enum", "bytes", "undefined"}:
        return True
    depth, kind = _shape_of_examples(body.examples)
    if body.type in {"map", "map[]"}:
        return kind == "string"
    element = body.type.removesuffix("[]")
    return kind == element and (depth == 2 if body.type != element else depth < 2)


def _associations(group: Spec, findings: Findings) -> None:
    if not group.entity_associations:
        return

    def refuse(message: str) -> None:
        findings.report(
            "InvalidGroup", f"group '{group.id}' {message}", group.place, group_id=group.id
        )

    if group.type not in _SIGNALS:
        refuse(f"has entity_associations, which a group of type {group.type} cannot have")
    for association in group.entity_associations:
        for message in _empty_parts(association):
            refuse(message)


def _empty_parts(association: EntityAssociation) -> Iterator[str]:
    if association.operator == "ref":
        if not association.name.strip():
            yield "has an entity association without a name"
    elif not association.children:
        yield f"has an empty '{association.operator}' among its entity associations"
    for child in association.children:
        yield from _empty_parts(child)

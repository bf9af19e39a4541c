"""What a registry says, once read: groups, attributes and the values they are made of.

Both file formats become the same groups, so that everything after reading has one shape to know.
A group in `LoadedRegistry` holds attributes as they were written (`AttributeSpec`: definitions and
references); a group in `Registry` holds attributes in full (`Attribute`).

The names follow the registry format of OpenTelemetry Weaver, where an entity, a span, an event, a
metric and a plain group of attributes are all *groups*.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

import attrs

from weft.weaver.findings import Place

__all__ = [
    "Attribute",
    "AttributeSpec",
    "AttributeType",
    "Body",
    "Deprecated",
    "EntityAssociation",
    "EnumMember",
    "EnumType",
    "FileFormat",
    "Group",
    "GroupType",
    "Import",
    "LevelOfRequirement",
    "Lineage",
    "Registry",
    "Role",
    "SpanLink",
    "entity_names",
    "is_excluded",
    "is_not_generated",
    "is_template",
    "type_name",
]


class FileFormat(StrEnum):
    """The two formats that a file of a registry may be written in."""

    V1 = "definition/1"
    V2 = "definition/2"


class GroupType(StrEnum):
    """What a group defines."""

    ATTRIBUTE_GROUP = "attribute_group"
    SPAN = "span"
    EVENT = "event"
    METRIC = "metric"
    METRIC_GROUP = "metric_group"
    ENTITY = "entity"
    SCOPE = "scope"
    UNDEFINED = "undefined"


class Role(StrEnum):
    """What an attribute is to an entity: part of its identity, or a description."""

    IDENTIFYING = "identifying"
    DESCRIPTIVE = "descriptive"


PRIMITIVES: Final = (
    "string",
    "int",
    "double",
    "boolean",
    "any",
    "string[]",
    "int[]",
    "double[]",
    "boolean[]",
)
"""The types of a value; a template has one of them in brackets."""


@attrs.frozen
class Deprecated:
    """That something should no longer be used, and what to use instead.

    ``reason`` is ``renamed``, ``obsoleted``, ``uncategorized``, or ``unspecified`` for the bare
    string of old files.
    """

    reason: str
    note: str = ""
    renamed_to: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The structured form of the file format."""
        made: dict[str, Any] = {"reason": self.reason}
        if self.renamed_to is not None:
            made["renamed_to"] = self.renamed_to
        return made | {"note": self.note}


@attrs.frozen
class EnumMember:
    """One known value of an enumeration; enumerations are open."""

    id: str
    value: str | int | float | bool
    brief: str | None = None
    note: str | None = None
    stability: str | None = None
    deprecated: Deprecated | None = None
    annotations: Mapping[str, Any] = attrs.field(factory=dict, hash=False)
    place: Place | None = attrs.field(default=None, eq=False, repr=False)

    def as_json(self) -> dict[str, Any]:
        """The member in the form of the file format, without what is not set."""
        return _without_nothing(
            id=self.id,
            value=self.value,
            brief=self.brief,
            note=self.note,
            stability=self.stability,
            deprecated=self.deprecated.as_json() if self.deprecated else None,
            annotations=dict(self.annotations) or None,
        )


@attrs.frozen
class EnumType:
    """A type with known values."""

    members: tuple[EnumMember, ...]


AttributeType = str | EnumType
"""A primitive or its array, ``template[…]`` of one, or an enumeration."""


def type_name(type: AttributeType) -> str:
    """The type in a word: ``string[]``, ``template[int]``, ``enum``."""
    return type if isinstance(type, str) else "enum"


def is_template(type: AttributeType) -> bool:
    """Whether the attribute stands for all names that begin with its own."""
    return isinstance(type, str) and type.startswith("template[")


@attrs.frozen
class LevelOfRequirement:
    """How much an attribute is wanted on a signal.

    ``level`` is ``required``, ``conditionally_required``, ``recommended`` or ``opt_in``; ``text``
    is the condition or the advice that was given with it.
    """

    level: str = "recommended"
    text: str | None = None

    def as_json(self) -> Any:
        """``"required"``, or ``{"recommended": "…"}``."""
        return self.level if self.text is None else {self.level: self.text}


RECOMMENDED: Final = LevelOfRequirement()


@attrs.frozen
class AttributeSpec:
    """An attribute as it was written in a group: a definition, or a reference to one.

    What was not written is ``None``.
    """

    key: str
    is_reference: bool
    place: Place
    type: AttributeType | None = None
    brief: str | None = None
    note: str | None = None
    examples: Any = None
    tag: str | None = None
    requirement_level: LevelOfRequirement | None = None
    sampling_relevant: bool | None = None
    stability: str | None = None
    deprecated: Deprecated | None = None
    prefix: bool = False
    annotations: Mapping[str, Any] | None = None
    role: Role | None = None

    @property
    def name(self) -> str:
        """The key, by the name that an attribute in full has for it."""
        return self.key


@attrs.frozen
class Attribute:
    """An attribute in full, as a signal has it.

    ``place`` is where the definition stands.
    """

    name: str
    type: AttributeType
    brief: str = ""
    note: str = ""
    examples: Any = attrs.field(default=None, hash=False)
    tag: str | None = None
    requirement_level: LevelOfRequirement = RECOMMENDED
    sampling_relevant: bool | None = None
    stability: str | None = None
    deprecated: Deprecated | None = None
    prefix: bool = False
    annotations: Mapping[str, Any] | None = attrs.field(default=None, hash=False)
    role: Role | None = None
    place: Place | None = attrs.field(default=None, eq=False, repr=False)

    @property
    def members(self) -> tuple[EnumMember, ...]:
        """The known values of an enumeration; empty for other types."""
        return self.type.members if isinstance(self.type, EnumType) else ()

    def as_json(self) -> dict[str, Any]:
        """The attribute in the form of a resolved registry, without what is not set."""
        kind: Any = self.type
        if isinstance(kind, EnumType):
            kind = {"members": [member.as_json() for member in kind.members]}
        made = {"name": self.name, "type": kind, "brief": self.brief}
        return made | _without_nothing(
            examples=self.examples,
            tag=self.tag,
            requirement_level=self.requirement_level.as_json(),
            sampling_relevant=self.sampling_relevant,
            note=self.note or None,
            stability=self.stability,
            deprecated=self.deprecated.as_json() if self.deprecated else None,
            prefix=self.prefix or None,
            annotations=dict(self.annotations) if self.annotations else None,
            role=str(self.role) if self.role else None,
        )


@attrs.frozen
class Lineage:
    """Where an attribute of a group comes from, when the group does not define it itself."""

    source_group: str
    inherited_fields: tuple[str, ...] = ()
    locally_overridden_fields: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The lineage in the form of a resolved registry."""
        made: dict[str, Any] = {"source_group": self.source_group}
        if self.inherited_fields:
            made["inherited_fields"] = list(self.inherited_fields)
        if self.locally_overridden_fields:
            made["locally_overridden_fields"] = list(self.locally_overridden_fields)
        return made


@attrs.frozen
class EntityAssociation:
    """Which entities a signal belongs to.

    ``operator`` is ``ref`` (then ``name`` is the entity), ``one_of`` or ``all_of``.
    """

    operator: str
    name: str = ""
    children: tuple[EntityAssociation, ...] = ()

    def names(self) -> Iterator[str]:
        """Every entity that is named, in the order written."""
        if self.operator == "ref":
            yield self.name
        for child in self.children:
            yield from child.names()

    def as_json(self) -> Any:
        """A name, or ``{"one_of": […]}``."""
        if self.operator == "ref":
            return self.name
        return {self.operator: [child.as_json() for child in self.children]}


@attrs.frozen
class Body:
    """The body of an event of format v1, or a field of one."""

    id: str
    type: str
    place: Place = attrs.field(eq=False)
    brief: str = ""
    note: str = ""
    stability: str | None = None
    examples: Any = attrs.field(default=None, hash=False)
    requirement_level: LevelOfRequirement = RECOMMENDED
    fields: tuple[Body, ...] = ()
    members: tuple[EnumMember, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The body in the form of the file format."""
        return _without_nothing(
            id=self.id,
            type=self.type,
            brief=self.brief or None,
            note=self.note or None,
            stability=self.stability,
            examples=self.examples,
            requirement_level=self.requirement_level.as_json(),
            fields=[field.as_json() for field in self.fields] or None,
            members=[member.as_json() for member in self.members] or None,
        )


A = TypeVar("A", AttributeSpec, Attribute)


@attrs.frozen
class SpanLink(Generic[A]):
    """That spans of a type are linked to spans of the type ``ref``, and how such a link looks."""

    ref: str
    place: Place = attrs.field(eq=False)
    requirement_level: LevelOfRequirement = RECOMMENDED
    brief: str = ""
    note: str = ""
    attributes: tuple[A, ...] = ()


@attrs.frozen
class Group(Generic[A]):
    """A group of attributes, or a signal with its attributes.

    ``refines`` is the name of the signal that a refinement refines. ``includes`` are the ids of
    groups named by ``ref_group``.
    """

    id: str
    type: GroupType
    place: Place = attrs.field(eq=False)
    format: FileFormat = FileFormat.V1
    brief: str = ""
    note: str = ""
    prefix: str = ""
    extends: str | None = None
    stability: str | None = None
    deprecated: Deprecated | None = None
    attributes: tuple[A, ...] = ()
    span_kind: str | None = None
    span_name_note: str | None = None
    links: tuple[SpanLink[A], ...] = ()
    events: tuple[str, ...] = ()
    metric_name: str | None = None
    instrument: str | None = None
    unit: str | None = None
    name: str | None = None
    display_name: str | None = None
    body: Body | None = None
    annotations: Mapping[str, Any] | None = None
    entity_associations: tuple[EntityAssociation, ...] = ()
    includes: tuple[str, ...] = ()
    visibility: str | None = None
    requirement_level: str | None = None
    refines: str | None = None
    schema_url: str | None = None
    lineage: Mapping[str, Lineage] = attrs.field(factory=dict, repr=False)
    lineage_extends: str | None = None

    @property
    def signal_name(self) -> str:
        """What telemetry calls it: metric name, event name, span type, entity type."""
        if self.type is GroupType.METRIC:
            return self.metric_name or self.id.removeprefix("metric.")
        if self.type is GroupType.SPAN:
            # In format v1 the name of a span group is no type, so the id has to do.
            return (self.name if self.format is FileFormat.V2 else None) or self.id.removeprefix(
                "span."
            )
        if self.type is GroupType.EVENT:
            return self.name or self.prefix or self.id.removeprefix("event.")
        if self.type is GroupType.ENTITY:
            return self.name or self.id.removeprefix("entity.")
        return self.id

    @property
    def signal(self) -> tuple[str, str]:
        """Type and name, as findings carry them."""
        return str(self.type), self.signal_name

    def attribute(self, name: str) -> A | None:
        """The attribute of this name, or ``None``."""
        return next((each for each in self.attributes if each.name == name), None)

    def exceptions(self, package: str) -> frozenset[str]:
        """The policy exceptions that ``annotations.<package>.policy_exceptions`` lists."""
        listed = _dig(self.annotations, package, "policy_exceptions")
        if not isinstance(listed, list):
            return frozenset()
        return frozenset(name for name in listed if isinstance(name, str))


@attrs.frozen
class Import:
    """One pattern of an ``imports`` block; ``field`` is ``metrics``, ``spans`` and so on."""

    field: str
    pattern: str
    place: Place


@attrs.frozen(eq=False)
class Registry:
    """A resolved registry: every reference replaced by what it refers to.

    ``groups`` are its own and the imported ones, by id; ``attributes`` are the definitions of
    this registry (not of its dependencies), by name.
    """

    name: str
    schema_url: str
    # In a failing test or a log, all of a registry would be megabytes.
    groups: tuple[Group[Attribute], ...] = attrs.field(repr=False)
    attributes: Mapping[str, Attribute] = attrs.field(repr=False)
    dependencies: tuple[Registry, ...] = attrs.field(default=(), repr=False)
    files: int = 0

    def of_type(self, type: GroupType) -> tuple[Group[Attribute], ...]:
        """The groups of a type, refinements left out."""
        return tuple(group for group in self.groups if group.type is type and group.refines is None)

    @property
    def metrics(self) -> tuple[Group[Attribute], ...]:
        """The metrics."""
        return self.of_type(GroupType.METRIC)

    @property
    def spans(self) -> tuple[Group[Attribute], ...]:
        """The spans."""
        return self.of_type(GroupType.SPAN)

    @property
    def events(self) -> tuple[Group[Attribute], ...]:
        """The events."""
        return self.of_type(GroupType.EVENT)

    @property
    def entities(self) -> tuple[Group[Attribute], ...]:
        """The entities."""
        return self.of_type(GroupType.ENTITY)

    @property
    def attribute_groups(self) -> tuple[Group[Attribute], ...]:
        """The groups that are no signal, but not those that merely hold definitions of v2."""
        return tuple(
            group
            for group in self.of_type(GroupType.ATTRIBUTE_GROUP)
            if group.format is FileFormat.V1 or group.visibility is not None
        )

    def group(self, id: str) -> Group[Attribute] | None:
        """The group of this id, or ``None``."""
        return next((group for group in self.groups if group.id == id), None)


def is_excluded(annotations: Mapping[str, Any] | None) -> bool:
    """Whether ``annotations.dependency_resolution.exclude`` hides this from other registries."""
    return _dig(annotations, "dependency_resolution", "exclude") is True


def is_not_generated(annotations: Mapping[str, Any] | None) -> bool:
    """Whether ``annotations.code_generation.exclude`` keeps this out of generated code."""
    return _dig(annotations, "code_generation", "exclude") is True


def entity_names(group: Group[Any]) -> frozenset[str]:
    """The names that an entity association may use for an entity or its refinement."""
    return frozenset({group.signal_name, group.id.removeprefix("entity."), group.id})


def _dig(value: Any, *path: str) -> Any:
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def _without_nothing(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}

"""What has changed between two versions of a registry, for people who use it.

Unlike `weft.weaver.compatibility`, this judges nothing: it tells what is new, what is gone, what
has another name, and which fields of the rest read differently.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from weft.weaver.registry import (
    Attribute,
    Deprecated,
    EnumType,
    Group,
    GroupType,
    Registry,
)

__all__ = ["Change", "Difference", "FieldChange", "compare"]


@attrs.frozen
class FieldChange:
    """A field with its value before and after, as plain JSON."""

    field: str
    old: Any
    new: Any

    def as_json(self) -> dict[str, Any]:
        """``field``, ``old``, ``new``."""
        return {"field": self.field, "old": self.old, "new": self.new}


@attrs.frozen
class Change:
    """What became of one attribute or signal.

    ``kind`` is ``added``, ``removed``, ``updated``, or the reason of a new deprecation:
    ``renamed`` (then ``new_name`` says to what), ``obsoleted``, ``uncategorized``,
    ``unspecified``.
    """

    kind: str
    name: str
    new_name: str | None = None
    note: str | None = None
    fields: tuple[FieldChange, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The change without what it does not have."""
        made: dict[str, Any] = {"kind": self.kind, "name": self.name}
        if self.new_name is not None:
            made["new_name"] = self.new_name
        if self.note:
            made["note"] = self.note
        if self.fields:
            made["fields"] = [field.as_json() for field in self.fields]
        return made


@attrs.frozen
class Difference:
    """All changes from a baseline to a later registry, by what they are about."""

    baseline: str
    head: str
    changes: Mapping[str, tuple[Change, ...]]

    @property
    def empty(self) -> bool:
        """Whether nothing has changed."""
        return not any(self.changes.values())

    def as_json(self) -> dict[str, Any]:
        """``baseline``, ``head`` (schema URLs) and ``changes``."""
        return {
            "baseline": self.baseline,
            "head": self.head,
            "changes": {
                about: [change.as_json() for change in changes]
                for about, changes in self.changes.items()
            },
        }


_SIGNALS: Final = {
    "metrics": GroupType.METRIC,
    "spans": GroupType.SPAN,
    "events": GroupType.EVENT,
    "entities": GroupType.ENTITY,
}

_GROUP_FIELDS: Final = (
    "brief",
    "note",
    "stability",
    "instrument",
    "unit",
    "span_kind",
    "requirement_level",
)


def compare(baseline: Registry, head: Registry) -> Difference:
    """What has changed from ``baseline`` to ``head``."""
    changes = {
        "attributes": tuple(
            _changes(
                {name: _attribute_facts(each) for name, each in baseline.attributes.items()},
                {name: _attribute_facts(each) for name, each in head.attributes.items()},
                {name: each.deprecated for name, each in baseline.attributes.items()},
                {name: each.deprecated for name, each in head.attributes.items()},
            )
        )
    }
    for about, kind in _SIGNALS.items():
        old = {group.signal_name: group for group in baseline.of_type(kind)}
        new = {group.signal_name: group for group in head.of_type(kind)}
        changes[about] = tuple(
            _changes(
                {name: _group_facts(group) for name, group in old.items()},
                {name: _group_facts(group) for name, group in new.items()},
                {name: group.deprecated for name, group in old.items()},
                {name: group.deprecated for name, group in new.items()},
            )
        )
    return Difference(baseline.schema_url, head.schema_url, changes)


Facts = Mapping[str, Any]
Deprecations = Mapping[str, Deprecated | None]


def _changes(
    old: Mapping[str, Facts],
    new: Mapping[str, Facts],
    was_deprecated: Deprecations,
    is_deprecated: Deprecations,
) -> Iterator[Change]:
    renamed_to = {
        each.renamed_to: name
        for name, each in is_deprecated.items()
        if each is not None and each.reason == "renamed" and was_deprecated.get(name) is None
    }
    for name in sorted({*old, *new}):
        if name not in new:
            yield Change("removed", name)
            continue
        deprecated = is_deprecated[name]
        if deprecated is not None and name in old and was_deprecated[name] is None:
            yield Change(deprecated.reason, name, deprecated.renamed_to, deprecated.note)
        if name not in old:
            # The new name of something that was renamed is told with the old one.
            if renamed_to.get(name) not in old:
                yield Change("added", name)
            continue
        fields = tuple(
            FieldChange(field, old[name].get(field), new[name].get(field))
            for field in sorted({*old[name], *new[name]})
            if old[name].get(field) != new[name].get(field)
        )
        if fields:
            yield Change("updated", name, fields=fields)


def _attribute_facts(attribute: Attribute) -> Facts:
    """The fields of a definition; the members of an enumeration count one by one."""
    facts = attribute.as_json()
    for field in ("name", "deprecated", "requirement_level"):
        facts.pop(field, None)
    if isinstance(attribute.type, EnumType):
        facts["type"] = "enum"
        for member in attribute.members:
            facts[f"members.{member.id}"] = member.as_json()
    return facts


def _group_facts(group: Group[Attribute]) -> Facts:
    facts: dict[str, Any] = {
        field: value for field in _GROUP_FIELDS if (value := getattr(group, field)) is not None
    }
    for attribute in group.attributes:
        facts[f"attributes.{attribute.name}"] = {
            "requirement_level": attribute.requirement_level.as_json(),
            **({"role": str(attribute.role)} if attribute.role else {}),
        }
    for link in group.links:
        facts[f"links.{link.ref}"] = {
            "requirement_level": link.requirement_level.as_json(),
            "attributes": {each.name: each.requirement_level.as_json() for each in link.attributes},
        }
    return facts

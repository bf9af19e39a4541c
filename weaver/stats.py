"""How much a registry defines, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from weft.weaver.registry import FileFormat, GroupType, Registry, type_name

__all__ = ["Stats", "registry_stats"]


@attrs.frozen
class Stats:
    """Counts over a registry, imported signals included; refinements are counted apart.

    The breakdowns map words of the registry to counts: types of attributes, instruments, units,
    kinds of spans, and stability by what is stable (``attribute``, ``metric``…).
    """

    files: int
    groups: int
    attributes: int
    metrics: int
    spans: int
    events: int
    entities: int
    attribute_groups: int
    refinements: int
    deprecated_attributes: int
    enum_members: int
    dependencies: int
    attribute_types: Mapping[str, int]
    instruments: Mapping[str, int]
    units: Mapping[str, int]
    span_kinds: Mapping[str, int]
    stability: Mapping[str, Mapping[str, int]]

    def as_json(self) -> dict[str, Any]:
        """The counts at the top, the breakdowns below ``breakdown``."""
        fields = attrs.asdict(self)
        return {
            **{name: value for name, value in fields.items() if isinstance(value, int)},
            "breakdown": {
                name: value for name, value in fields.items() if not isinstance(value, int)
            },
        }


def registry_stats(registry: Registry) -> Stats:
    """Count what a registry defines."""
    attributes = registry.attributes.values()
    written = [
        group
        for group in registry.groups
        # The definitions of a file of format v2 stand in no group that anyone wrote.
        if not (
            group.format is FileFormat.V2
            and group.type is GroupType.ATTRIBUTE_GROUP
            and group.visibility is None
        )
    ]
    stability = {"attribute": _counted(each.stability for each in attributes)}
    for kind in (GroupType.METRIC, GroupType.SPAN, GroupType.EVENT, GroupType.ENTITY):
        stability[str(kind)] = _counted(group.stability for group in registry.of_type(kind))
    return Stats(
        files=registry.files,
        groups=len(written),
        attributes=len(registry.attributes),
        metrics=len(registry.metrics),
        spans=len(registry.spans),
        events=len(registry.events),
        entities=len(registry.entities),
        attribute_groups=len(registry.attribute_groups),
        refinements=sum(group.refines is not None for group in registry.groups),
        deprecated_attributes=sum(each.deprecated is not None for each in attributes),
        enum_members=sum(len(each.members) for each in attributes),
        dependencies=len(registry.dependencies),
        attribute_types=_counted(type_name(each.type) for each in attributes),
        instruments=_counted(group.instrument for group in registry.metrics),
        units=_counted(group.unit for group in registry.metrics),
        span_kinds=_counted(group.span_kind for group in registry.spans),
        stability=stability,
    )


def _counted(words: Iterable[str | None]) -> dict[str, int]:
    """The most frequent first, equal ones by name."""
    counts = Counter("none" if word is None else word for word in words)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

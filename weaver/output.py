"""A resolved registry as JSON, in the shape of upstream's resolved schema.

Attributes are kept once, in a catalog; groups refer to them by their index in it. The order is by
name, so that equal registries give equal output. What only format v2 knows of a group (name note,
requirement level, visibility) has no place in that shape.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from weft.weaver.registry import Attribute, Group, Registry, SpanLink

__all__ = ["resolved_json"]


def resolved_json(registry: Registry) -> dict[str, Any]:
    """The registry as plain JSON.

    ``{schema_url, registry_id, catalog: [attribute…], registry: {registry_url, groups: […]}}``;
    the ``attributes`` of a group, and of a link of a span, are indices into ``catalog``.
    """
    catalog: dict[str, dict[str, Any]] = {}
    for group in registry.groups:
        for attributes in (group.attributes, *(link.attributes for link in group.links)):
            for attribute in attributes:
                catalog.setdefault(_key(attribute), attribute.as_json())
    numbers = {key: number for number, key in enumerate(sorted(catalog))}
    return {
        "schema_url": registry.schema_url,
        "registry_id": registry.name,
        "catalog": [catalog[key] for key in sorted(catalog)],
        "registry": {
            "registry_url": registry.schema_url,
            "groups": [_group(group, numbers) for group in registry.groups],
        },
    }


def _key(attribute: Attribute) -> str:
    """The name, then everything else, so that sorting is by name."""
    made = json.dumps(attribute.as_json(), sort_keys=True, default=str)
    return f"{attribute.name}\0{made}"


def _indices(attributes: Iterable[Attribute], numbers: Mapping[str, int]) -> list[int]:
    return sorted(numbers[_key(attribute)] for attribute in attributes)


def _group(group: Group[Attribute], numbers: Mapping[str, int]) -> dict[str, Any]:
    made: dict[str, Any] = {"id": group.id, "type": str(group.type), "brief": group.brief}
    optional = {
        "note": group.note,
        "prefix": group.prefix,
        "stability": group.stability,
        "deprecated": group.deprecated.as_json() if group.deprecated else None,
        "attributes": _indices(group.attributes, numbers),
        "span_kind": group.span_kind,
        "links": [_link(link, numbers) for link in group.links],
        "events": list(group.events),
        "metric_name": group.metric_name,
        "instrument": group.instrument,
        "unit": group.unit,
        "name": group.name,
        "display_name": group.display_name,
        "body": group.body.as_json() if group.body else None,
        "annotations": dict(group.annotations) if group.annotations else None,
        "entity_associations": [each.as_json() for each in group.entity_associations],
    }
    made |= {name: value for name, value in optional.items() if value not in (None, "", [])}
    made["lineage"] = _lineage(group)
    return made


def _link(link: SpanLink[Attribute], numbers: Mapping[str, int]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "ref": link.ref,
        "requirement_level": link.requirement_level.as_json(),
        "brief": link.brief,
        "note": link.note,
        "attributes": _indices(link.attributes, numbers),
    }
    return {name: value for name, value in made.items() if value not in ("", [])}


def _lineage(group: Group[Attribute]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "provenance": {"schema_url": group.schema_url, "path": group.place.file}
    }
    if group.lineage_extends is not None:
        made["extends_group"] = group.lineage_extends
    if group.lineage:
        made["attributes"] = {
            name: lineage.as_json() for name, lineage in sorted(group.lineage.items())
        }
    return made

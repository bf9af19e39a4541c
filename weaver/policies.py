"""The policies: what a good registry keeps to beyond being valid.

They are the official packages of OpenTelemetry (written in Rego there), as functions from a
resolved registry to findings of level *violation*. An exception is declared where it applies, in
``annotations.<package>.policy_exceptions``: the finding's id without the prefix of its package.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from weft.schema.errors import UsageError
from weft.weaver.findings import Finding, Level, Place
from weft.weaver.registry import (
    Attribute,
    Deprecated,
    EnumType,
    FileFormat,
    Group,
    GroupType,
    Registry,
    Role,
    entity_names,
    is_not_generated,
    type_name,
)

__all__ = ["NAME", "PACKAGES", "apply_policies"]

Signal = Group[Attribute]
Policy = Callable[[Registry], Iterable[Finding]]

NAME: Final = re.compile(r"[a-z][a-z0-9]*([._][a-z0-9]+)*")
"""A well-formed name: 'foo.bar', 'foo.1_bar'; not '1foo', 'foo.', 'foo..bar', 'foo._bar'."""

_NAMESPACE: Final = re.compile(r"[a-z0-9_]+\.[a-z0-9._]+")
_ADVICE: Final = "must consist of lowercase alphanumeric characters separated by '_' and '.'"
_RANKS: Final = {"development": 1, "alpha": 2, "beta": 3, "release_candidate": 4, "stable": 5}
_SIGNALS: Final = (GroupType.METRIC, GroupType.EVENT, GroupType.SPAN, GroupType.ENTITY)


def apply_policies(
    registry: Registry, packages: Collection[str] | None = None
) -> tuple[Finding, ...]:
    """Judge a registry by some packages of policies, or by all of them.

    Raises:
        UsageError: There is no such package.
    """
    wanted = tuple(PACKAGES) if packages is None else tuple(packages)
    unknown = [name for name in wanted if name not in PACKAGES]
    if unknown:
        raise UsageError(
            f"there is no policy package '{unknown[0]}'; there are {', '.join(PACKAGES)}",
            code="unknown-policy-package",
        )
    # As in Rego, findings are a set: what is found twice is said once.
    found: dict[tuple[Any, ...], Finding] = {}
    for name in wanted:
        for policy in PACKAGES[name]:
            for finding in policy(registry):
                key = (finding.id, finding.message, finding.signal_type, finding.signal_name)
                found.setdefault(key, finding)
    return tuple(found.values())


def violation(
    id: str,
    message: str,
    place: Place | None,
    *,
    signal: tuple[str, str] | None = None,
    **context: Any,
) -> Finding:
    """A finding of level *violation*."""
    return Finding(
        id=id,
        level=Level.VIOLATION,
        message=message,
        file=place.file if place else None,
        line=place.line if place else None,
        column=place.column if place else None,
        context=context,
        signal_type=signal[0] if signal else None,
        signal_name=signal[1] if signal else None,
    )


def own_signals(registry: Registry, type: GroupType) -> Iterator[Signal]:
    """The signals of a type that this registry defines or imports, refinements left out."""
    return iter(registry.of_type(type))


def _attribute_exceptions(attribute: Attribute, package: str) -> Collection[str]:
    annotations = attribute.annotations or {}
    listed = annotations.get(package)
    if not isinstance(listed, Mapping) or not isinstance(listed.get("policy_exceptions"), list):
        return ()
    return [name for name in listed["policy_exceptions"] if isinstance(name, str)]


# --- naming_conventions ---------------------------------------------------------------------


def _names_of_signals(registry: Registry) -> Iterator[Finding]:
    for kind, what in (
        (GroupType.ENTITY, "Entity type"),
        (GroupType.SPAN, "Span type"),
        (GroupType.METRIC, "Metric name"),
        (GroupType.EVENT, "Event name"),
    ):
        word = "type" if kind in {GroupType.ENTITY, GroupType.SPAN} else "name"
        for group in own_signals(registry, kind):
            key = f"{kind}_{word}"
            if NAME.fullmatch(group.signal_name) or key in group.exceptions("naming_conventions"):
                continue
            yield violation(
                f"naming_convention_{key}",
                f"{what} '{group.signal_name}' is invalid. {what} {_ADVICE}",
                group.place,
                signal=group.signal,
            )


def _names_of_attributes(registry: Registry) -> Iterator[Finding]:
    for attribute in registry.attributes.values():
        exceptions = _attribute_exceptions(attribute, "naming_conventions")
        # Some deprecated attributes have no namespace, and it is too late for them.
        if (
            not attribute.deprecated
            and not _NAMESPACE.fullmatch(attribute.name)
            and "attr_has_namespace" not in exceptions
        ):
            yield violation(
                "naming_convention_attr_has_namespace",
                f"Attribute name '{attribute.name}' should have a namespace. "
                f"Attribute name {_ADVICE}",
                attribute.place,
                attribute=attribute.name,
            )
        for member in attribute.members:
            if not NAME.fullmatch(member.id) and "enum_id" not in exceptions:
                yield violation(
                    "naming_convention_enum_id",
                    f"Member id '{member.id}' on attribute '{attribute.name}' is invalid. "
                    f"Member id {_ADVICE}",
                    member.place,
                    attribute=attribute.name,
                    member_id=member.id,
                )


def _briefs_of_metrics(registry: Registry) -> Iterator[Finding]:
    for group in own_signals(registry, GroupType.METRIC):
        brief = group.brief.strip(" \n")
        if not brief or brief.endswith("."):
            continue
        if "metric_brief_period" in group.exceptions("naming_conventions"):
            continue
        yield violation(
            "naming_convention_metric_brief_period",
            f"Non-empty metric brief '{brief}' must end with a period (.).",
            group.place,
            signal=group.signal,
            brief=brief,
        )


def _collisions_of_attribute_constants(registry: Registry) -> Iterator[Finding]:
    """Attributes whose constants in generated code would have one name."""
    by_constant: dict[str, list[Attribute]] = defaultdict(list)
    for attribute in registry.attributes.values():
        if not is_not_generated(attribute.annotations):
            by_constant[_constant(attribute.name)].append(attribute)
    for constant, colliding in by_constant.items():
        for one, other in _pairs(colliding):
            if "attribute_constant_collision" in _attribute_exceptions(one, "naming_conventions"):
                continue
            yield violation(
                "naming_convention_attribute_constant_collision",
                f"Attribute '{one.name}' has the same constant name '{constant}' as "
                f"'{other.name}'.",
                one.place,
                attribute_key=one.name,
                colliding_attribute_key=other.name,
                constant_name=constant,
            )


def _collisions_of_signal_constants(registry: Registry) -> Iterator[Finding]:
    for kind in (GroupType.METRIC, GroupType.EVENT, GroupType.ENTITY):
        by_constant: dict[str, dict[str, Signal]] = defaultdict(dict)
        for group in own_signals(registry, kind):
            if not is_not_generated(group.annotations):
                by_constant[_constant(group.signal_name)][group.signal_name] = group
        for constant, colliding in by_constant.items():
            for one, other in _pairs(list(colliding.values())):
                if f"{kind}_constant_collision" in one.exceptions("naming_conventions"):
                    continue
                yield violation(
                    f"naming_convention_{kind}_constant_collision",
                    f"{kind} '{one.signal_name}' has the same constant name '{constant}' as "
                    f"'{other.signal_name}'.",
                    one.place,
                    signal=one.signal,
                    colliding_name=other.signal_name,
                    constant_name=constant,
                )


def _collisions_with_namespaces(registry: Registry) -> Iterator[Finding]:
    """Names that are also the namespace of other names."""
    attributes = {
        name: attribute
        for name, attribute in registry.attributes.items()
        if not attribute.deprecated
    }
    for name, attribute in attributes.items():
        for namespace in _namespaces(name):
            one = attributes.get(namespace)
            if one is None:
                continue
            exceptions = {
                *_attribute_exceptions(one, "naming_conventions"),
                *_attribute_exceptions(attribute, "naming_conventions"),
            }
            if "attribute_namespace_collision" not in exceptions:
                yield violation(
                    "naming_convention_attribute_namespace_collision",
                    f"Attribute '{one.name}' name is used as a namespace in the following "
                    f"attribute '{name}'.",
                    one.place,
                    attribute_key=one.name,
                    colliding_attribute_key=name,
                )
    metrics = {
        group.signal_name: group
        for group in own_signals(registry, GroupType.METRIC)
        if not group.deprecated
    }
    for name, other in metrics.items():
        for namespace in _namespaces(name):
            metric = metrics.get(namespace)
            if metric is None:
                continue
            excepted = metric.exceptions("naming_conventions") | other.exceptions(
                "naming_conventions"
            )
            if "metric_namespace_collision" not in excepted:
                yield violation(
                    "naming_convention_metric_namespace_collision",
                    f"Metric with name '{metric.signal_name}' is used as a namespace in the "
                    f"following metric '{name}'.",
                    metric.place,
                    signal=metric.signal,
                    colliding_metric_name=name,
                )


def _collisions_of_members(registry: Registry) -> Iterator[Finding]:
    """Ids, values and constants of enum members are unique within their attribute."""
    for attribute in registry.attributes.values():
        if "enum_member_collision" in _attribute_exceptions(attribute, "naming_conventions"):
            continue
        members = attribute.members
        generated = [member for member in members if not is_not_generated(member.annotations)]
        current = [member for member in members if not member.deprecated]
        for what, among, key in (
            ("id", members, lambda member: member.id),
            # The type is part of the value: 1, 1.0 and true are equal in Python only.
            ("value", current, lambda member: (type(member.value), member.value)),
            ("constant name", generated, lambda member: _constant(member.id)),
        ):
            by_key = defaultdict(list)
            for member in among:
                by_key[key(member)].append(member)
            for colliding in by_key.values():
                if len(colliding) < 2:
                    continue
                for member in colliding:
                    shown = member.value if what == "value" else key(member)
                    by_id = "" if what == "id" else f" (id '{member.id}')"
                    yield violation(
                        "naming_convention_enum_member_collision",
                        f"Member with {what} '{shown}'{by_id} is defined more than once on "
                        f"attribute '{attribute.name}'. Member {what}s must be unique.",
                        member.place,
                        attribute_key=attribute.name,
                        member_id=member.id,
                    )


def _complex_attributes(registry: Registry) -> Iterator[Finding]:
    """Attributes of any shape belong on spans and events only."""
    holders: list[tuple[Signal, str, str]] = []
    for kind, key in ((GroupType.METRIC, "metric_name"), (GroupType.ENTITY, "entity_type")):
        holders += [(group, str(kind), key) for group in own_signals(registry, kind)]
    holders += [
        (group, "group", "group_id")
        for group in registry.attribute_groups
        if group.format is FileFormat.V2 and group.visibility == "public"
    ]
    for group, what, key in holders:
        if "attribute_complex_type_violation" in group.exceptions("naming_conventions"):
            continue
        for attribute in group.attributes:
            if attribute.type not in {"any", "template[any]"}:
                continue
            use = "is referenced on"
            if group.type is GroupType.ENTITY:
                identity = attribute.role is Role.IDENTIFYING
                use = "is used as identity on" if identity else "is used in description on"
            yield violation(
                "naming_convention_attribute_complex_type_violation",
                f"Attribute '{attribute.name}' has type '{attribute.type}' and {use} {what} "
                f"'{group.signal_name}'. Complex attributes are only allowed on events and "
                "spans.",
                group.place,
                signal=group.signal if what != "group" else None,
                attribute_key=attribute.name,
                attribute_type=attribute.type,
                **{key: group.signal_name},
            )


# --- stability ------------------------------------------------------------------------------


def _entities_without_identity(registry: Registry) -> Iterator[Finding]:
    for group in own_signals(registry, GroupType.ENTITY):
        identified = any(attribute.role is Role.IDENTIFYING for attribute in group.attributes)
        if group.stability != "stable" or identified:
            continue
        if "entity_no_identity" in group.exceptions("stability"):
            continue
        yield violation(
            "stability_entity_no_identity",
            f"Stable entity '{group.signal_name}' has no identifying attributes",
            group.place,
            signal=group.signal,
        )


def _less_stable_attributes(registry: Registry) -> Iterator[Finding]:
    """A signal is no more stable than the attributes that come with it unasked."""
    for kind in _SIGNALS:
        key = f"{kind}_lower_stability_attribute"
        for group in own_signals(registry, kind):
            if key in group.exceptions("stability"):
                continue
            rank = _RANKS.get(group.stability or "")
            for attribute in group.attributes:
                other = _RANKS.get(attribute.stability or "")
                if rank is None or other is None or other >= rank:
                    continue
                if attribute.requirement_level.level == "opt_in":
                    continue
                yield violation(
                    f"stability_{key}",
                    f"{kind} '{group.signal_name}' has stability '{group.stability}' which is "
                    f"higher than the stability '{attribute.stability}' of attribute "
                    f"'{attribute.name}'; lower-stability attributes are only allowed at "
                    "'opt_in' requirement level",
                    group.place,
                    signal=group.signal,
                    attribute_key=attribute.name,
                    attribute_stability=attribute.stability,
                    signal_stability=group.stability,
                )


def _renamed_attributes(registry: Registry) -> Iterator[Finding]:
    """What an attribute was renamed to exists, is not deprecated, and has the same type."""
    for attribute in registry.attributes.values():
        new_name = _new_name(attribute.deprecated)
        if new_name is None:
            continue
        exceptions = _attribute_exceptions(attribute, "stability")
        new = registry.attributes.get(new_name)
        facts: dict[str, Any] = {"attribute_key": attribute.name, "renamed_to": new_name}
        if (new is None or new.deprecated) and "attribute_renamed_to_invalid" not in exceptions:
            yield violation(
                "deprecation_attribute_renamed_to_invalid",
                f"Attribute '{attribute.name}' was renamed to '{new_name}', but the new "
                "attribute does not exist or is deprecated.",
                attribute.place,
                **facts,
            )
        if new is None or "attribute_renamed_to_type_mismatch" in exceptions:
            continue
        if not _same_type(attribute, new):
            yield violation(
                "deprecation_attribute_renamed_to_type_mismatch",
                f"Attribute '{attribute.name}' of type '{type_name(attribute.type)}' was renamed "
                f"to '{new_name}', but that is of type '{type_name(new.type)}' or has values of "
                "another type.",
                attribute.place,
                old_type=type_name(attribute.type),
                new_type=type_name(new.type),
                **facts,
            )


def _same_type(old: Attribute, new: Attribute) -> bool:
    """Whether values of one attribute are values of the other; an enum is what its values are."""
    kinds = [_kind_of_values(attribute) for attribute in (old, new)]
    if isinstance(old.type, EnumType) or isinstance(new.type, EnumType):
        return kinds[0] == kinds[1]
    return old.type == new.type


def _kind_of_values(attribute: Attribute) -> str:
    """The type of the first member of an enum, or the type itself."""
    if not isinstance(attribute.type, EnumType):
        return attribute.type
    first = attribute.members[0].value if attribute.members else ""
    if isinstance(first, bool):
        return "boolean"
    return "string" if isinstance(first, str) else "int"


def _renamed_members(registry: Registry) -> Iterator[Finding]:
    for attribute in registry.attributes.values():
        if "enum_member_renamed_to_invalid" in _attribute_exceptions(attribute, "stability"):
            continue
        current = {member.id for member in attribute.members if not member.deprecated}
        for member in attribute.members:
            new_name = _new_name(member.deprecated)
            if new_name is not None and new_name not in current:
                yield violation(
                    "deprecation_enum_member_renamed_to_invalid",
                    f"Member '{member.id}' of the attribute '{attribute.name}' was renamed to "
                    f"'{new_name}', but the new member does not exist or is deprecated.",
                    member.place,
                    attribute_key=attribute.name,
                    member_id=member.id,
                    renamed_to=new_name,
                )


def _renamed_signals(registry: Registry) -> Iterator[Finding]:
    for kind in _SIGNALS:
        groups = list(own_signals(registry, kind))
        current = {group.signal_name for group in groups if not group.deprecated}
        for group in groups:
            new_name = _new_name(group.deprecated)
            if new_name is None or new_name in current:
                continue
            if f"{kind}_renamed_to_invalid" in group.exceptions("stability"):
                continue
            yield violation(
                f"deprecation_{kind}_renamed_to_invalid",
                f"{kind.capitalize()} '{group.signal_name}' was renamed to '{new_name}', but the "
                f"new {kind} does not exist or is deprecated.",
                group.place,
                signal=group.signal,
                renamed_to=new_name,
            )


# --- entity_associations --------------------------------------------------------------------


def _unknown_entities(registry: Registry) -> Iterator[Finding]:
    known: set[str] = set()
    layer: Sequence[Registry] = (registry,)
    while layer:
        for each in layer:
            for group in each.groups:
                if group.type is GroupType.ENTITY:
                    known |= entity_names(group)
        layer = [below for each in layer for below in each.dependencies]
    for kind in (GroupType.METRIC, GroupType.SPAN, GroupType.EVENT):
        for group in own_signals(registry, kind):
            if "unknown_entity" in group.exceptions("entity_associations"):
                continue
            for association in group.entity_associations:
                for name in association.names():
                    if name not in known:
                        yield violation(
                            "entity_association_unknown_entity",
                            f"Unknown entity '{name}' associated with {type} '{group.signal_name}'",
                            group.place,
                            signal=group.signal,
                            entity=name,
                        )


PACKAGES: Final[Mapping[str, Sequence[Policy]]] = {
    "naming_conventions": (
        _names_of_signals,
        _names_of_attributes,
        _briefs_of_metrics,
        _collisions_of_attribute_constants,
        _collisions_of_signal_constants,
        _collisions_with_namespaces,
        _collisions_of_members,
        _complex_attributes,
    ),
    "stability": (
        _entities_without_identity,
        _less_stable_attributes,
        _renamed_attributes,
        _renamed_members,
        _renamed_signals,
    ),
    "entity_associations": (_unknown_entities,),
}
"""The policies, by package; what compares two registries is in `weft.weaver.compatibility`."""


def _new_name(deprecated: Deprecated | None) -> str | None:
    """What something was renamed to, if it was renamed."""
    if deprecated is None or deprecated.reason != "renamed":
        return None
    return deprecated.renamed_to


def _constant(name: str) -> str:
    return name.replace(".", "_")


def _namespaces(name: str) -> Iterator[str]:
    """``a`` and ``a.b`` for ``a.b.c``."""
    parts = name.split(".")
    for length in range(1, len(parts)):
        yield ".".join(parts[:length])


def _pairs(items: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """Every ordered pair of different items."""
    for one in items:
        for other in items:
            if one is not other:
                yield one, other

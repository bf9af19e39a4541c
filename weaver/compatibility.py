"""Whether a registry keeps what an earlier version of it promised.

The rules are those of OpenTelemetry's package *backwards-compatibility*: nothing is ever removed,
and what was stable stays stable, with its type, unit, instrument, kind and identity. Exceptions
are declared in ``annotations.compatibility.policy_exceptions``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from weft.weaver.findings import Finding
from weft.weaver.policies import violation
from weft.weaver.registry import (
    Attribute,
    EnumType,
    Group,
    GroupType,
    Registry,
    Role,
    type_name,
)

__all__ = ["compare_with_baseline"]

Signal = Group[Attribute]

_STABLE: Final = "stable"
_PACKAGE: Final = "compatibility"


def compare_with_baseline(registry: Registry, baseline: Registry) -> tuple[Finding, ...]:
    """What the registry breaks that the baseline promised."""
    return (
        *_attributes(registry, baseline),
        *_metrics(registry, baseline),
        *_entities(registry, baseline),
        *_events(registry, baseline),
        *_spans(registry, baseline),
        *_attribute_groups(registry, baseline),
    )


def _attributes(registry: Registry, baseline: Registry) -> Iterator[Finding]:
    for name, old in baseline.attributes.items():
        new = registry.attributes.get(name)
        if new is None:
            yield violation(
                "compatibility_removed_attribute",
                f"Attribute '{name}' no longer exists in the attribute registry",
                None,
                attribute_key=name,
            )
            continue
        if old.stability == _STABLE and new.stability not in {_STABLE, None}:
            yield violation(
                "compatibility_stable_attribute_now_unstable",
                f"Attribute '{name}' was stable, but has new stability marker",
                new.place,
                attribute_key=name,
            )
        if isinstance(old.type, EnumType) and isinstance(new.type, EnumType):
            yield from _members(old, new)
        elif old.stability == _STABLE and old.type != new.type:
            was = type_name(old.type)
            yield violation(
                "compatibility_stable_attribute_changed_type",
                f"Attribute '{name}' was {was if was == 'enum' else repr(was)}, but has new type "
                f"'{type_name(new.type)}'",
                new.place,
                attribute_key=name,
                attribute_type=type_name(new.type),
                previous_attribute_type=was,
            )


def _members(old: Attribute, new: Attribute) -> Iterator[Finding]:
    """Members are never removed; those of a stable attribute keep their value and stability."""
    current = {member.id: member for member in new.members}
    for member in old.members:
        now = current.get(member.id)
        if now is None:
            yield violation(
                "compatibility_stable_enum_member_missing",
                f"Enum '{old.name}' had member '{member.id}', but is no longer defined",
                new.place,
                attribute_key=old.name,
                member_id=member.id,
            )
            continue
        if old.stability != _STABLE:
            continue
        if member.stability == _STABLE and now.stability not in {_STABLE, None}:
            yield violation(
                "compatibility_stable_enum_member_changed_from_stable",
                f"Enum '{old.name}' had stable member '{member.id}', but is no longer stable",
                now.place,
                attribute_key=old.name,
                enum_member_id=member.id,
            )
        if (type(member.value), member.value) != (type(now.value), now.value):
            yield violation(
                "compatibility_stable_enum_member_changed_from_stable",
                f"Enum '{old.name}' had stable value '{member.value}', but is now '{now.value}'",
                now.place,
                attribute_key=old.name,
                previous_value=member.value,
                current_value=now.value,
            )


def _still_there(
    registry: Registry, baseline: Registry, type: GroupType
) -> Iterator[tuple[Signal, Signal | Finding]]:
    """Every signal of the baseline with what has become of it: a signal, or a finding."""
    current = {group.signal_name: group for group in registry.of_type(type)}
    for old in baseline.of_type(type):
        new = current.get(old.signal_name)
        if new is not None:
            yield old, new
        elif not _removal_is_excepted(registry, old):
            yield (
                old,
                violation(
                    f"compatibility_{type}_missing",
                    f"{type.capitalize()} '{old.signal_name}' no longer exists in semantic "
                    "conventions",
                    None,
                    signal=old.signal,
                ),
            )


def _removal_is_excepted(registry: Registry, old: Signal) -> bool:
    """Whether a group that took the place of a signal says that the signal may go."""
    names = {old.signal_name, old.id}
    return any(
        group.id in names and f"{old.type}_missing" in group.exceptions(_PACKAGE)
        for group in registry.groups
    )


def _compared(
    registry: Registry, baseline: Registry, type: GroupType, unstable: str
) -> Iterator[tuple[Signal, Signal] | Finding]:
    """Findings that hold for every type of signal, and the pairs of stable signals."""
    for old, new in _still_there(registry, baseline, type):
        if isinstance(new, Finding):
            yield new
            continue
        if old.stability != _STABLE:
            continue
        key = unstable.removeprefix("compatibility_")
        if new.stability not in {_STABLE, None} and key not in new.exceptions(_PACKAGE):
            yield violation(
                unstable,
                f"{type.capitalize()} '{old.signal_name}' cannot change from stable",
                new.place,
                signal=new.signal,
            )
        yield old, new


def _metrics(registry: Registry, baseline: Registry) -> Iterator[Finding]:
    # Upstream gives the loss of stability the id of a removal. Attributes that a metric loses
    # are not judged there either: its rule reads a field that attributes do not have.
    for pair in _compared(registry, baseline, GroupType.METRIC, "compatibility_metric_missing"):
        if isinstance(pair, Finding):
            yield pair
            continue
        old, new = pair
        exceptions = new.exceptions(_PACKAGE)
        for field in ("unit", "instrument"):
            was, now = getattr(old, field), getattr(new, field)
            if was != now and f"metric_changed_{field}" not in exceptions:
                yield violation(
                    f"compatibility_metric_changed_{field}",
                    f"Metric '{old.signal_name}' cannot change {field} (was '{was}', now: '{now}')",
                    new.place,
                    signal=new.signal,
                    **{f"previous_{field}": was, f"current_{field}": now},
                )
        added = _names(new, opt_in=False) - _names(old, opt_in=False)
        if added and "metric_added_attributes" not in exceptions:
            yield violation(
                "compatibility_metric_added_attributes",
                f"Metric '{old.signal_name}' cannot change required/recommended attributes "
                f"(added {_listed(added)})",
                new.place,
                signal=new.signal,
                added_attributes=sorted(added),
            )


def _entities(registry: Registry, baseline: Registry) -> Iterator[Finding]:
    unstable = "compatibility_entity_changed_stability"
    for pair in _compared(registry, baseline, GroupType.ENTITY, unstable):
        if isinstance(pair, Finding):
            yield pair
            continue
        old, new = pair
        exceptions = new.exceptions(_PACKAGE)
        for part in ("identity", "description"):
            before, after = _part(old, part), _part(new, part)
            missing = before - after
            if missing and "entity_missing_attribute" not in exceptions:
                yield violation(
                    "compatibility_entity_missing_attribute",
                    f"Entity '{old.signal_name}' cannot remove attributes from {part} "
                    f"(missing {_listed(missing)})",
                    new.place,
                    signal=new.signal,
                    **{f"{part}_missing_attributes": sorted(missing)},
                )
            added = after - before
            if part == "identity" and added and "entity_changed_identity" not in exceptions:
                yield violation(
                    "compatibility_entity_changed_identity",
                    f"Entity '{old.signal_name}' cannot change identity "
                    f"(found new attributes {_listed(added)})",
                    new.place,
                    signal=new.signal,
                    added_attributes=sorted(added),
                )


def _events(registry: Registry, baseline: Registry) -> Iterator[Finding]:
    unstable = "compatibility_event_changed_stability"
    for pair in _compared(registry, baseline, GroupType.EVENT, unstable):
        if isinstance(pair, Finding):
            yield pair
        else:
            yield from _dropped(*pair)


def _spans(registry: Registry, baseline: Registry) -> Iterator[Finding]:
    unstable = "compatibility_span_changed_stability"
    for pair in _compared(registry, baseline, GroupType.SPAN, unstable):
        if isinstance(pair, Finding):
            yield pair
            continue
        old, new = pair
        changed = old.span_kind != new.span_kind
        if changed and "span_changed_kind" not in new.exceptions(_PACKAGE):
            yield violation(
                "compatibility_span_changed_kind",
                f"Span '{old.signal_name}' cannot change kind "
                f"(was '{old.span_kind}', now '{new.span_kind}').",
                new.place,
                signal=new.signal,
                previous=old.span_kind,
                current=new.span_kind,
            )
        yield from _dropped(old, new)


def _dropped(old: Signal, new: Signal) -> Iterator[Finding]:
    """Attributes that a stable span or event has lost."""
    missing = _names(old) - _names(new)
    key = f"{old.type}_dropped_attributes"
    if missing and key not in new.exceptions(_PACKAGE):
        yield violation(
            f"compatibility_{key}",
            f"{old.type.capitalize()} '{old.signal_name}' cannot remove stable attributes "
            f"(missing {_listed(missing)})",
            new.place,
            signal=new.signal,
            missing_attributes=sorted(missing),
        )


def _attribute_groups(registry: Registry, baseline: Registry) -> Iterator[Finding]:
    """Public groups only: the others are nobody's business but the registry's own."""
    current = {group.id: group for group in registry.groups if group.visibility == "public"}
    for old in baseline.groups:
        if old.visibility != "public":
            continue
        new = current.get(old.id)
        what = f"Attribute group '{old.id}'"
        if new is None:
            yield violation(
                "compatibility_attribute_group_removed",
                f"{what} no longer exists in semantic conventions",
                None,
                attribute_group_id=old.id,
            )
            continue
        if old.stability != _STABLE:
            continue
        exceptions = new.exceptions(_PACKAGE)
        if new.stability != _STABLE and "attribute_group_changed_stability" not in exceptions:
            yield violation(
                "compatibility_attribute_group_changed_stability",
                f"{what} cannot change from stable",
                new.place,
                attribute_group_id=old.id,
            )
        missing = _names(old) - _names(new)
        if missing and "attribute_group_dropped_attributes" not in exceptions:
            yield violation(
                "compatibility_attribute_group_dropped_attributes",
                f"{what} cannot remove attributes (missing {_listed(missing)})",
                new.place,
                attribute_group_id=old.id,
                missing_attributes=sorted(missing),
            )
        added = _names(new, opt_in=False) - _names(old, opt_in=False)
        if added and "attribute_group_added_attributes" not in exceptions:
            yield violation(
                "compatibility_attribute_group_added_attributes",
                f"{what} cannot add required/recommended attributes (added {_listed(added)})",
                new.place,
                attribute_group_id=old.id,
                added_attributes=sorted(added),
            )


def _names(group: Signal, *, opt_in: bool = True) -> set[str]:
    """The names of its attributes, with or without those that must be asked for."""
    return {
        attribute.name
        for attribute in group.attributes
        if opt_in or attribute.requirement_level.level != "opt_in"
    }


def _part(group: Signal, part: str) -> set[str]:
    """The names that identify an entity, or those that describe it."""
    return {
        attribute.name
        for attribute in group.attributes
        if (attribute.role is Role.IDENTIFYING) == (part == "identity")
    }


def _listed(names: set[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names))

"""A registry prepared for looking things up, sample by sample.

For an attribute of a signal that the registry knows, what the signal says of it comes first; then
the definitions of the registry, then those of its dependencies, nearest first. In each of these an
exact name comes before a template, and of templates the longest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import attrs

from weft.weaver.registry import (
    Attribute,
    Group,
    GroupType,
    Registry,
    entity_names,
    is_template,
)
from weft.weaver.samples import SpanSample, by_name

__all__ = ["Catalog", "Signal", "SpanMatch", "namespaces"]

Signal = Group[Attribute]
"""A group of a resolved registry that is a signal."""

_PLACEHOLDER: Final = re.compile(r"\{([a-z][a-z0-9_.]*)\}")

_QUOTED: Final = re.compile(r"`([^`\n]*\{[^`\n]*)`")
"""In a note that is prose: a form of the name, in backticks."""


def namespaces(name: str) -> Iterator[str]:
    """``a`` and ``a.b`` for ``a.b.c``."""
    position = name.find(".")
    while position >= 0:
        yield name[:position]
        position = name.find(".", position + 1)


class _Known:
    """Attributes by name, and by the names that templates stand for."""

    def __init__(self, attributes: Iterable[Attribute]) -> None:
        self._exact: dict[str, Attribute] = {}
        self._templates: dict[str, Attribute] = {}
        for attribute in attributes:
            known = self._templates if is_template(attribute.type) else self._exact
            known.setdefault(attribute.name, attribute)

    def find(self, name: str) -> Attribute | None:
        """What is said of a name: by itself, else by the longest template before it."""
        found = self._exact.get(name)
        if found is not None or not self._templates:
            return found
        for prefix in reversed(list(namespaces(name))):
            found = self._templates.get(prefix)
            if found is not None:
                return found
        # The bare name of a template is no name that it stands for, but it is no stranger.
        return self._templates.get(name)


@attrs.frozen
class SpanMatch:
    """The span of a registry that a sample is taken for.

    ``certain`` is false when only its kind and attributes speak for it, not its name.
    """

    span: Signal
    certain: bool


class Catalog:
    """The lookups of a live check over one registry."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._own = _Known(registry.attributes.values())
        foreign = list(_foreign(registry))
        self._foreign = _Known(foreign)
        everything = [*registry.attributes.values(), *foreign]
        exact = [each for each in everything if not is_template(each.type)]
        self.names = frozenset(each.name for each in exact)
        """The names of all attributes, of dependencies too, but not of templates."""
        self.deprecated_names = frozenset(each.name for each in exact if each.deprecated)
        """Those of them that are deprecated."""
        self.spaces = frozenset(space for name in self.names for space in namespaces(name))
        """Every namespace that a known attribute lies in."""
        self.surface = frozenset(
            attribute.name
            for attribute in (
                *registry.attributes.values(),
                *(attribute for group in registry.groups for attribute in group.attributes),
            )
            if not attribute.deprecated
        )
        """What the registry is responsible for: its definitions, and what its signals declare."""
        self.metrics = _by_name(registry, GroupType.METRIC)
        self.events = _by_name(registry, GroupType.EVENT)
        self.spans = _by_name(registry, GroupType.SPAN)
        self._entities = _entities(registry)
        self._of_signal: dict[int, _Known] = {}
        self.said: dict[tuple[int, str, str | None], Any] = {}
        """What was found to be said of an attribute by its signal, name and type."""
        self._patterns = [
            (pattern, span) for span in self.spans.values() for pattern in _NamePattern.of(span)
        ]

    def attribute(self, name: str, signal: Signal | None) -> Attribute | None:
        """The definition that applies to an attribute of a signal, or of none."""
        if signal is not None:
            known = self._of_signal.get(id(signal))
            if known is None:
                known = self._of_signal[id(signal)] = _Known(signal.attributes)
            found = known.find(name)
            if found is not None:
                return found
        return self._own.find(name) or self._foreign.find(name)

    def is_template_name(self, name: str) -> bool:
        """Whether some template stands for the name."""
        found = self._own.find(name) or self._foreign.find(name)
        return found is not None and is_template(found.type)

    def entity(self, name: str) -> Signal | None:
        """The entity that an association names."""
        return self._entities.get(name)

    def span(self, sample: SpanSample) -> SpanMatch | None:
        """The span of the registry that a sample is.

        It is the one whose type is the sample's name; else the one whose name is written in such
        a way (``{http.request.method} {http.route}``) that it gives the sample's name, those of
        its kind before others; else the one of its kind whose required attributes it all has.
        Where several fit equally well, none is meant.
        """
        found = self.spans.get(sample.name)
        if found is not None:
            return SpanMatch(found, certain=True)
        values = {name: each.value for name, each in by_name(sample.attributes).items()}
        named = [
            (score, span)
            for pattern, span in self._patterns
            if (score := pattern.score(sample, values, span.span_kind in {sample.kind, None}))
        ]
        if named:
            best = _only_best(named)
            return SpanMatch(best, certain=True) if best is not None else None
        best = _only_best(
            [
                (score, span)
                for span in self.spans.values()
                if span.span_kind == sample.kind and (score := _likeness(span, values))
            ]
        )
        return SpanMatch(best, certain=False) if best is not None else None


def _foreign(registry: Registry) -> Iterator[Attribute]:
    """The definitions of all dependencies, nearest first."""
    seen = {id(registry)}
    layer = list(registry.dependencies)
    while layer:
        fresh = [each for each in layer if id(each) not in seen]
        seen.update(id(each) for each in fresh)
        for each in fresh:
            yield from each.attributes.values()
        layer = [below for each in fresh for below in each.dependencies]


def _by_name(registry: Registry, kind: GroupType) -> Mapping[str, Signal]:
    return {group.signal_name: group for group in registry.of_type(kind)}


def _entities(registry: Registry) -> dict[str, Signal]:
    """Entities by every name that an association may use; the nearest of a name counts."""
    found: dict[str, Signal] = {}
    layer = [registry]
    seen: set[int] = set()
    while layer:
        fresh = [each for each in layer if id(each) not in seen]
        seen.update(id(each) for each in fresh)
        for each in fresh:
            for group in each.groups:
                if group.type is GroupType.ENTITY:
                    for name in entity_names(group):
                        found.setdefault(name, group)
        layer = [below for each in fresh for below in each.dependencies]
    return found


@attrs.frozen
class _NamePattern:
    """How the name of a span is made from its attributes."""

    keys: tuple[str, ...]
    literals: tuple[str, ...]
    regex: re.Pattern[str]

    @classmethod
    def of(cls, span: Signal) -> Iterator[_NamePattern]:
        """The patterns of a span's name: its note as a whole, or what prose has in backticks."""
        note = (span.span_name_note or "").strip()
        quoted = _QUOTED.findall(note)
        for text in dict.fromkeys(quoted or [note.strip("`'\"")]):
            keys = tuple(_PLACEHOLDER.findall(text))
            if keys:
                literals = tuple(_PLACEHOLDER.split(text)[::2])
                regex = re.compile("(.+)".join(map(re.escape, literals)), re.DOTALL)
                yield cls(keys, literals, regex)

    def score(self, sample: SpanSample, values: Mapping[str, Any], right_kind: bool) -> int:
        """How much speaks for a sample's name being made this way; 0 if it is not.

        A name of nothing but placeholders could be anything's: it tells something only together
        with their values and the right kind.
        """
        telling = any(literal.strip() for literal in self.literals)
        if not right_kind and not telling:
            return 0
        if all(key in values for key in self.keys):
            made = self.literals[0]
            for key, literal in zip(self.keys, self.literals[1:], strict=True):
                made += f"{values[key]}{literal}"
            return 2 * len(self.keys) + right_kind if made == sample.name else 0
        return 1 if right_kind and telling and self.regex.fullmatch(sample.name) else 0


def _likeness(span: Signal, values: Mapping[str, Any]) -> int:
    """How many of a span's attributes a sample has; 0 if it lacks a required one."""
    required = [each for each in span.attributes if each.requirement_level.level == "required"]
    if not required or not all(each.name in values for each in required):
        return 0
    return sum(each.name in values for each in span.attributes)


def _only_best(scored: list[tuple[int, Signal]]) -> Signal | None:
    """The one with the highest score, if there is only one."""
    if not scored:
        return None
    best = max(score for score, _ in scored)
    winners = [span for score, span in scored if score == best]
    return winners[0] if len(winners) == 1 else None

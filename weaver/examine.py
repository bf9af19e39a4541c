"""The rules of a live check: what is to be said of one sample.

The rules know no levels and keep nothing: they take a sample apart into what is counted (a span,
each of its attributes, each of its events…) and say of each part what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from weft.weaver.catalog import Catalog, Signal, SpanMatch, namespaces
from weft.weaver.policies import NAME
from weft.weaver.registry import (
    Attribute,
    EntityAssociation,
    EnumType,
    is_template,
    type_name,
)
from weft.weaver.samples import (
    Attributes,
    AttributeSample,
    DataPoint,
    LogSample,
    MetricSample,
    ResourceSample,
    Sample,
    SpanEventSample,
    SpanLinkSample,
    SpanSample,
)

__all__ = ["Advice", "Part", "examine"]

_INSTRUMENTS: Final = frozenset({"counter", "gauge", "histogram", "updowncounter"})

MAX_SAID: Final = 10_000
"""Of so many attributes it is remembered what is to be said of them."""

_WORDS: Final = {
    "required": "Required",
    "recommended": "Recommended",
    "opt_in": "Opt-in",
    "conditionally_required": "Conditionally required",
}


@attrs.frozen
class Advice:
    """One thing to say of a sample; ``context`` has the facts of the message."""

    id: str
    message: str
    context: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class Part:
    """A sample or a part of one, with what is said of it.

    ``seen`` is the name to count it under: what it is (``attributes``, ``metrics``, ``events`` or
    ``spans``) and its name in the registry, if it is there.
    """

    kind: str
    advice: tuple[Advice, ...] = ()
    seen: tuple[str, str] | None = None


def examine(
    catalog: Catalog,
    sample: Sample,
    resource: ResourceSample | None = None,
    *,
    known_spans_only: bool = False,
) -> list[Part]:
    """Hold a sample against a registry; ``resource`` is what has emitted it."""
    examination = _Examination(catalog, resource, known_spans_only)
    examination.sample(sample)
    return examination.parts


class _Examination:
    """The examination of one sample."""

    def __init__(
        self, catalog: Catalog, resource: ResourceSample | None, known_spans_only: bool
    ) -> None:
        self.parts: list[Part] = []
        self._catalog = catalog
        self._resource = resource
        self._known_spans_only = known_spans_only
        self._advice: list[Advice] = []

    def sample(self, sample: Sample) -> None:
        if isinstance(sample, AttributeSample):
            self._attribute(sample, None)
        elif isinstance(sample, ResourceSample):
            self._plain("resource", sample.attributes)
        elif isinstance(sample, SpanSample):
            self._span(sample)
        elif isinstance(sample, SpanEventSample):
            self._plain("span_event", sample.attributes)
        elif isinstance(sample, SpanLinkSample):
            self._plain("span_link", sample.attributes)
        elif isinstance(sample, MetricSample):
            self._metric(sample)
        else:
            self._log(sample)

    def _say(self, name: str, message: str, **context: Any) -> None:
        self._advice.append(Advice(name, message, context))

    def _end(self, kind: str, seen: tuple[str, str] | None = None) -> None:
        """End a part: what was said since the last one is said of it."""
        self.parts.append(Part(kind, tuple(self._advice), seen))
        self._advice.clear()

    def _plain(
        self,
        kind: str,
        attributes: Attributes,
        signal: Signal | None = None,
        seen: tuple[str, str] | None = None,
    ) -> None:
        """A part of which only the attributes are left to examine."""
        self._end(kind, seen)
        for attribute in attributes:
            self._attribute(attribute, signal)

    # --- attributes -------------------------------------------------------------------------

    def _attribute(self, sample: AttributeSample, signal: Signal | None) -> None:
        # A program says the same attributes of the same signals again and again.
        said = self._catalog.said
        key = (id(signal), sample.name, sample.type)
        part = said.get(key)
        if part is None:
            if len(said) >= MAX_SAID:
                said.clear()
            before = len(self.parts)
            if self._examined(sample, signal):
                said[key] = self.parts[before]
        else:
            self.parts.append(part)

    def _examined(self, sample: AttributeSample, signal: Signal | None) -> bool:
        """Examine an attribute; whether the same is to be said of it whatever its value."""
        name = sample.name
        definition = self._catalog.attribute(name, signal)
        seen = name
        if definition is None:
            self._say(
                "missing_attribute",
                f"Attribute '{name}' does not exist in the registry.",
                attribute_key=name,
            )
        else:
            if is_template(definition.type):
                seen = definition.name
                self._say(
                    "template_attribute",
                    f"Attribute '{name}' is a template",
                    attribute_key=name,
                    template_name=definition.name,
                )
            self._lifecycle("Attribute", name, definition, {"attribute_key": name})
            self._value(sample, definition)
        self._name(sample.name)
        self._end("attribute", ("attributes", seen))
        return definition is None or not isinstance(definition.type, EnumType)

    def _lifecycle(
        self, what: str, name: str, definition: Attribute | Signal, context: Mapping[str, str]
    ) -> None:
        """Whether something is deprecated, or not stable yet."""
        deprecated = definition.deprecated
        if deprecated is not None:
            reason = "uncategorized" if deprecated.reason == "unspecified" else deprecated.reason
            self._say(
                "deprecated",
                f"{what} '{name}' is deprecated; reason = '{reason}', "
                f"note = '{deprecated.note.strip()}'.",
                deprecation_reason=reason,
                deprecation_note=deprecated.note,
                **context,
            )
        if definition.stability not in {None, "stable"}:
            self._say(
                "not_stable",
                f"{what} '{name}' is not stable; stability = {definition.stability}.",
                stability=definition.stability,
                **context,
            )

    def _value(self, sample: AttributeSample, definition: Attribute) -> None:
        if sample.type is None:
            return
        name = sample.name
        if isinstance(definition.type, EnumType):
            if sample.type not in {"string", "int"}:
                self._say(
                    "type_mismatch",
                    f"Enum attribute '{name}' has type '{sample.type}'. "
                    "Enum value type should be 'string' or 'int'.",
                    attribute_key=name,
                    attribute_type=sample.type,
                )
            elif sample.value is not None and not any(
                (type(member.value), member.value) == (type(sample.value), sample.value)
                for member in definition.type.members
            ):
                self._say(
                    "undefined_enum_variant",
                    f"Enum attribute '{name}' has value '{_shown(sample.value)}' which is not "
                    "documented.",
                    attribute_key=name,
                    attribute_value=sample.value,
                )
            return
        expected = type_name(definition.type)
        if expected.startswith("template["):
            expected = expected.removeprefix("template[").removesuffix("]")
        if not _fits(sample.type, expected):
            self._say(
                "type_mismatch",
                f"Attribute '{name}' has type '{sample.type}'. Type should be '{expected}'.",
                attribute_key=name,
                attribute_type=sample.type,
                expected=expected,
            )

    def _name(self, name: str) -> None:
        """Whether the name of an attribute is well formed, and keeps out of others' way."""
        catalog = self._catalog
        if "." not in name:
            self._say(
                "missing_namespace",
                f"Attribute name '{name}' must include a namespace (e.g. '{{namespace}}.{name}')",
                attribute_key=name,
            )
        if not NAME.fullmatch(name):
            self._say(
                "invalid_format",
                f"Attribute '{name}' does not match name formatting rules.",
                attribute_key=name,
            )
        spaces = list(namespaces(name))
        for space in spaces:
            if space in catalog.names and space not in catalog.deprecated_names:
                self._say(
                    "illegal_namespace",
                    f"Attribute name '{name}' collides with existing attribute '{space}'",
                    attribute_key=name,
                    namespace=space,
                )
        if name in catalog.names or catalog.is_template_name(name):
            return
        extended = [space for space in spaces if space in catalog.spaces]
        if extended:
            self._say(
                "extends_namespace",
                f"Attribute name '{name}' collides with existing namespace '{extended[-1]}'",
                attribute_key=name,
                namespace=extended[-1],
            )

    def _presence(self, signal: Signal, attributes: Attributes) -> None:
        """Whether the attributes that a signal declares are there."""
        names = {attribute.name for attribute in attributes}
        for attribute in signal.attributes:
            key = attribute.name
            if is_template(attribute.type):
                present = any(name.startswith(f"{key}.") for name in names)
            else:
                present = key in names
            if not present:
                level = attribute.requirement_level.level
                self._say(
                    f"{level}_attribute_not_present",
                    f"{_WORDS[level]} attribute '{key}' is not present.",
                    attribute_key=key,
                )

    # --- signals ----------------------------------------------------------------------------

    def _metric(self, sample: MetricSample) -> None:
        signal = self._catalog.metrics.get(sample.name)
        if signal is None:
            self._say(
                "missing_metric",
                f"Metric '{sample.name}' does not exist in the registry.",
                metric_name=sample.name,
            )
        else:
            self._lifecycle("Metric", sample.name, signal, {"metric_name": sample.name})
            self._instrument(sample, signal)
        if not NAME.fullmatch(sample.name):
            self._say(
                "invalid_format",
                f"Metric name '{sample.name}' does not match name formatting rules.",
                metric_name=sample.name,
            )
        self._associations(signal)
        self._end("metric", ("metrics", sample.name))
        for point in sample.data_points:
            self._data_point(point, signal)

    def _instrument(self, sample: MetricSample, signal: Signal) -> None:
        if sample.instrument not in _INSTRUMENTS:
            self._say(
                "unexpected_instrument",
                f"Instrument '{sample.instrument}' is not supported",
                instrument=sample.instrument,
            )
        elif signal.instrument is not None and signal.instrument != sample.instrument:
            self._say(
                "unexpected_instrument",
                f"Instrument should be '{signal.instrument}', but found '{sample.instrument}'.",
                instrument=sample.instrument,
                expected=signal.instrument,
            )
        if signal.unit is not None and signal.unit != sample.unit:
            self._say(
                "unit_mismatch",
                f"Unit should be '{signal.unit}', but found '{sample.unit}'.",
                unit=sample.unit,
                expected=signal.unit,
            )

    def _data_point(self, point: DataPoint, signal: Signal | None) -> None:
        # The point for all that is beyond a limit of cardinality cannot have what they have.
        if signal is not None and not any(
            each.name == "otel.metric.overflow" and each.value is True for each in point.attributes
        ):
            self._presence(signal, point.attributes)
        self._plain(point.type, point.attributes, signal)
        for attributes in point.exemplars:
            self._plain("exemplar", attributes, signal)

    def _log(self, sample: LogSample) -> None:
        signal = self._catalog.events.get(sample.event_name)
        if signal is not None:
            self._lifecycle("Event", sample.event_name, signal, {"event_name": sample.event_name})
            self._presence(signal, sample.attributes)
            self._associations(signal)
        elif sample.event_name:
            self._say(
                "missing_event",
                f"Event '{sample.event_name}' does not exist in the registry.",
                event_name=sample.event_name,
            )
        seen = ("events", sample.event_name) if sample.event_name else None
        self._plain("log", sample.attributes, signal, seen)

    def _span(self, sample: SpanSample) -> None:
        match = self._catalog.span(sample)
        if match is None:
            if self._known_spans_only:
                self._say(
                    "missing_span",
                    f"Span '{sample.name}' is none of the registry's spans.",
                    span_name=sample.name,
                )
        else:
            self._matched_span(sample, match)
        seen = match.span.signal_name if match is not None else sample.name
        certain = match.span if match is not None and match.certain else None
        self._plain("span", sample.attributes, certain, ("spans", seen))
        for event in sample.events:
            self._plain("span_event", event.attributes)
        for link in sample.links:
            self._plain("span_link", link.attributes)

    def _matched_span(self, sample: SpanSample, match: SpanMatch) -> None:
        """What a span declares, against what a sample of it has.

        Where only likeness speaks for the match, what is missing may just as well mean that the
        sample is something else; then only the span's own state is told.
        """
        span = match.span
        self._lifecycle("Span", span.signal_name, span, {"span_type": span.signal_name})
        if not match.certain:
            return
        if span.span_kind is not None and span.span_kind != sample.kind:
            self._say(
                "kind_mismatch",
                f"Kind should be '{span.span_kind}', but found '{sample.kind}'.",
                kind=sample.kind,
                expected=span.span_kind,
            )
        self._presence(span, sample.attributes)
        self._status(sample, span)
        self._associations(span)

    def _status(self, sample: SpanSample, span: Signal) -> None:
        """A span that declares ``error.type`` has it exactly when it failed."""
        if sample.status is None or span.attribute("error.type") is None:
            return
        failed = sample.status == "error"
        named = any(attribute.name == "error.type" for attribute in sample.attributes)
        if failed != named:
            problem = (
                "the status is 'error', but 'error.type' is not present"
                if failed
                else f"'error.type' is present, but the status is '{sample.status}'"
            )
            self._say(
                "status_mismatch",
                f"Span '{sample.name}': {problem}.",
                attribute_key="error.type",
                status=sample.status,
            )

    # --- entities ---------------------------------------------------------------------------

    def _associations(self, signal: Signal | None) -> None:
        """Whether the resource is one of the entities that a signal belongs to."""
        if signal is None or self._resource is None or not signal.entity_associations:
            return
        names = {attribute.name for attribute in self._resource.attributes}
        associations = signal.entity_associations
        tree = (
            associations[0]
            if len(associations) == 1
            else EntityAssociation("one_of", children=associations)
        )
        _, missing = self._judge(tree, names)
        self._advice += missing

    def _judge(self, tree: EntityAssociation, names: set[str]) -> tuple[bool, list[Advice]]:
        """Whether a tree of associations is satisfied, and what to say of it."""
        if tree.operator == "ref":
            return self._judge_entity(tree.name, names)
        judged = [self._judge(child, names) for child in tree.children]
        if tree.operator == "all_of":
            return all(good for good, _ in judged), [each for _, said in judged for each in said]
        if any(good for good, _ in judged):
            return True, [each for good, said in judged if good for each in said]
        entities = list(dict.fromkeys(tree.names()))
        message = (
            f"None of the associated entities [{', '.join(entities)}] were satisfied by the "
            "resource."
        )
        return False, [
            Advice("entity_association_not_satisfied", message, {"entity_type": entities})
        ]

    def _judge_entity(self, name: str, names: set[str]) -> tuple[bool, list[Advice]]:
        entity = self._catalog.entity(name)
        said: list[Advice] = []
        satisfied = True
        for attribute in entity.attributes if entity is not None else ():
            if attribute.name in names:
                continue
            level = attribute.requirement_level.level
            satisfied &= level != "required"
            message = (
                f"{_WORDS[level]} attribute '{attribute.name}' for entity '{name}' is not present "
                "in the resource."
            )
            context = {"attribute_key": attribute.name, "entity_type": name}
            said.append(Advice(f"entity_{level}_attribute_not_present", message, context))
        return satisfied, said


def _fits(actual: str, expected: str) -> bool:
    """Whether a value of one type may stand where another is declared."""
    if "any" in {actual, expected}:
        return True
    # Some exporters write whole numbers as integers, whatever they were.
    return actual == expected or (actual, expected) in {("int", "double"), ("int[]", "double[]")}


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 100 else f"{text[:99]}…"

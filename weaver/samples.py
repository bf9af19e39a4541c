"""Telemetry as it was emitted, in the shape that it is held against a registry in.

Samples come from many sources; the one here is upstream's JSON: a list of objects with one key
each, ``{"span": {…}}``, in which a resource applies to the signals after it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs

from weft.schema.errors import DefinitionError

__all__ = [
    "AttributeSample",
    "Attributes",
    "DataPoint",
    "LogSample",
    "MetricSample",
    "ResourceSample",
    "Sample",
    "SpanEventSample",
    "SpanLinkSample",
    "SpanSample",
    "attributes_of",
    "by_name",
    "parse_samples",
    "read_samples",
    "sample_type",
    "type_of_value",
]

MAX_BYTES: Final = 256 * 1024 * 1024
"""The longest text of samples that is read."""

T = TypeVar("T")


def type_of_value(value: Any) -> str | None:
    """The type of an attribute's value (``string``, ``int[]``…), or ``None`` if it has none.

    A list has the type of its items, nulls left aside; integers among doubles are doubles.
    """
    if isinstance(value, list | tuple):
        kinds = {_scalar_type(item) for item in value if item is not None}
        if kinds == {"int", "double"}:
            return "double[]"
        kind = kinds.pop() if len(kinds) == 1 else None
        return f"{kind}[]" if kind is not None else None
    return _scalar_type(value)


def _scalar_type(value: Any) -> str | None:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "double"
    return "string" if isinstance(value, str) else None


def _type_of_own_value(sample: AttributeSample) -> str | None:
    return type_of_value(sample.value)


@attrs.frozen
class AttributeSample:
    """An attribute; without a type nothing is said about its value."""

    name: str
    value: Any = attrs.field(default=None, hash=False)
    type: str | None = attrs.Factory(_type_of_own_value, takes_self=True)


Attributes = tuple[AttributeSample, ...]
"""The attributes of something."""


def attributes_of(values: Mapping[str, Any]) -> Attributes:
    """Attributes from names and values, as OpenTelemetry's API has them."""
    return tuple(AttributeSample(name, value) for name, value in values.items())


@attrs.frozen
class ResourceSample:
    """What emits telemetry."""

    attributes: Attributes = ()


@attrs.frozen
class SpanEventSample:
    """An event within a span."""

    name: str
    attributes: Attributes = ()


@attrs.frozen
class SpanLinkSample:
    """A link from a span to another."""

    attributes: Attributes = ()


@attrs.frozen
class SpanSample:
    """A span; ``status`` is ``unset``, ``ok`` or ``error``, or ``None`` if it is not known.

    ``source`` is where in a program it was started (``file:line``), if that is known.
    """

    name: str
    kind: str = "internal"
    attributes: Attributes = ()
    events: tuple[SpanEventSample, ...] = ()
    links: tuple[SpanLinkSample, ...] = ()
    status: str | None = None
    source: str | None = None


@attrs.frozen
class DataPoint:
    """A point of a metric; ``exemplars`` are the attributes of each of its exemplars."""

    attributes: Attributes = ()
    exemplars: tuple[Attributes, ...] = ()
    type: str = "number_data_point"


@attrs.frozen
class MetricSample:
    """A metric with its points."""

    name: str
    instrument: str
    unit: str
    data_points: tuple[DataPoint, ...] = ()
    source: str | None = None


@attrs.frozen
class LogSample:
    """A log record; with a name it is an event."""

    event_name: str = ""
    attributes: Attributes = ()
    source: str | None = None


Sample = (
    AttributeSample
    | ResourceSample
    | SpanSample
    | SpanEventSample
    | SpanLinkSample
    | MetricSample
    | LogSample
)
"""Anything that can be held against a registry."""

_TYPES: Final[dict[type[Any], str]] = {
    AttributeSample: "attribute",
    ResourceSample: "resource",
    SpanSample: "span",
    SpanEventSample: "span_event",
    SpanLinkSample: "span_link",
    MetricSample: "metric",
    LogSample: "log",
}


def sample_type(sample: Sample) -> str:
    """The word for a sample, as in its JSON and in statistics."""
    return _TYPES[type(sample)]


# --- JSON -----------------------------------------------------------------------------------


def read_samples(path: str | os.PathLike[str]) -> list[Sample]:
    """Read a file of samples.

    Raises:
        DefinitionError: The file cannot be read, or is not what `parse_samples` reads.
    """
    name = os.fspath(path)
    try:
        with Path(path).open("rb") as stream:
            text = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise DefinitionError(
            f"cannot read: {reason}", code="file-unreadable", file=name
        ) from error
    return parse_samples(text, file=name)


def parse_samples(text: str | bytes, *, file: str | None = None) -> list[Sample]:
    """Samples from a JSON list of objects, or from one object a line.

    Each object has one of the keys ``attribute``, ``span``, ``span_event``, ``span_link``,
    ``resource``, ``metric`` and ``log``; an object with a ``name`` and none of them is an
    attribute. Fields that are not known are read over.

    Raises:
        DefinitionError: The text is too long, is no JSON, or a sample lacks what it needs.
    """
    if len(text) > MAX_BYTES:
        raise DefinitionError(
            f"more than {MAX_BYTES:,} bytes of samples; cut them into several files",
            code="samples-too-large",
            file=file,
        )
    try:
        items = _items(text)
    except json.JSONDecodeError as error:
        raise DefinitionError(
            f"not JSON: {error.msg}",
            code="samples-syntax",
            file=file,
            line=error.lineno,
            column=error.colno,
        ) from None
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        # ValueError: an integer with more digits than Python converts.
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise DefinitionError(f"not JSON: {reason}", code="samples-syntax", file=file) from None
    reader = _JsonReader(file)
    return [reader.sample(item, f"sample {number}") for number, item in enumerate(items, 1)]


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number in JSON")


def _parse(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse_constant)


def _items(text: str | bytes) -> list[Any]:
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig")
    if not text.strip():
        return []
    try:
        value = _parse(text)
    except json.JSONDecodeError as error:
        # Several values one after the other may be one a line.
        if error.msg != "Extra data":
            raise
        return list(_lines(text))
    return value if isinstance(value, list) else [value]


def _lines(text: str) -> Iterator[Any]:
    # Not `splitlines`: a text in JSON may hold line separators of other kinds.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield _parse(line)
            except json.JSONDecodeError as error:
                error.lineno = number
                raise


_WORDS: Final[dict[type[Any], str]] = {
    list: "a list",
    str: "a text",
    int: "a number",
    float: "a number",
    bool: "a truth value",
    type(None): "null",
}


class _JsonReader:
    """Makes samples of parsed JSON; ``where`` in messages is a path such as ``sample 3.span``."""

    def __init__(self, file: str | None) -> None:
        self._file = file
        self._readers: dict[str, Callable[[Mapping[str, Any], str], Sample]] = {
            "attribute": self._attribute,
            "span": self._span,
            "span_event": self._span_event,
            "span_link": self._span_link,
            "resource": self._resource,
            "metric": self._metric,
            "log": self._log,
        }

    def sample(self, item: Any, where: str) -> Sample:
        fields = self._object(item, where)
        named = [name for name in self._readers if name in fields]
        if len(named) == 1:
            inner = f"{where}.{named[0]}"
            return self._readers[named[0]](self._object(fields[named[0]], inner), inner)
        if not named and "name" in fields:
            return self._attribute(fields, where)
        raise self._fault(where, f"must have one of the keys {', '.join(self._readers)}")

    def _fault(self, where: str, message: str) -> DefinitionError:
        return DefinitionError(f"{where} {message}", code="sample", file=self._file)

    def _object(self, value: Any, where: str) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise self._fault(where, f"must be an object, not {_WORDS[type(value)]}")
        return value

    def _text(
        self, fields: Mapping[str, Any], name: str, where: str, default: str | None = None
    ) -> str:
        value = fields.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            problem = "lacks" if value is None else "has no text as"
            raise self._fault(where, f"{problem} the field '{name}'")
        return value

    def _list(
        self,
        fields: Mapping[str, Any],
        name: str,
        where: str,
        read: Callable[[Mapping[str, Any], str], T],
    ) -> tuple[T, ...]:
        values = fields.get(name)
        if values is None:
            return ()
        if not isinstance(values, list):
            raise self._fault(where, f"has no list as the field '{name}'")
        places = ((value, f"{where}.{name}[{i}]") for i, value in enumerate(values))
        return tuple(read(self._object(value, place), place) for value, place in places)

    def _attributes(self, fields: Mapping[str, Any], where: str) -> Attributes:
        return self._list(fields, "attributes", where, self._attribute)

    def _attribute(self, fields: Mapping[str, Any], where: str) -> AttributeSample:
        name = self._text(fields, "name", where)
        value = fields.get("value")
        if fields.get("type") is None:
            return AttributeSample(name, value)
        return AttributeSample(name, value, self._text(fields, "type", where))

    def _resource(self, fields: Mapping[str, Any], where: str) -> ResourceSample:
        return ResourceSample(self._attributes(fields, where))

    def _span(self, fields: Mapping[str, Any], where: str) -> SpanSample:
        status = fields.get("status")
        code = status.get("code") if isinstance(status, dict) else status
        return SpanSample(
            name=self._text(fields, "name", where),
            kind=self._text(fields, "kind", where).lower(),
            attributes=self._attributes(fields, where),
            events=self._list(fields, "span_events", where, self._span_event),
            links=self._list(fields, "span_links", where, self._span_link),
            status=code.lower() if isinstance(code, str) else None,
            source=self._source(fields),
        )

    def _span_event(self, fields: Mapping[str, Any], where: str) -> SpanEventSample:
        return SpanEventSample(self._text(fields, "name", where), self._attributes(fields, where))

    def _span_link(self, fields: Mapping[str, Any], where: str) -> SpanLinkSample:
        return SpanLinkSample(self._attributes(fields, where))

    def _metric(self, fields: Mapping[str, Any], where: str) -> MetricSample:
        return MetricSample(
            name=self._text(fields, "name", where),
            instrument=self._text(fields, "instrument", where),
            unit=self._text(fields, "unit", where),
            data_points=self._list(fields, "data_points", where, self._data_point),
            source=self._source(fields),
        )

    def _data_point(self, fields: Mapping[str, Any], where: str) -> DataPoint:
        kind = "number_data_point"
        if "scale" in fields:
            kind = "exponential_histogram_data_point"
        elif "bucket_counts" in fields:
            kind = "histogram_data_point"
        return DataPoint(
            attributes=self._attributes(fields, where),
            exemplars=self._list(fields, "exemplars", where, self._exemplar),
            type=kind,
        )

    def _exemplar(self, fields: Mapping[str, Any], where: str) -> Attributes:
        return self._list(fields, "filtered_attributes", where, self._attribute)

    def _log(self, fields: Mapping[str, Any], where: str) -> LogSample:
        return LogSample(
            event_name=self._text(fields, "event_name", where, default=""),
            attributes=self._attributes(fields, where),
            source=self._source(fields),
        )

    def _source(self, fields: Mapping[str, Any]) -> str | None:
        source = fields.get("source")
        return source if isinstance(source, str) else None


def by_name(attributes: Sequence[AttributeSample]) -> dict[str, AttributeSample]:
    """Attributes by their names; the last of a name counts."""
    return {attribute.name: attribute for attribute in attributes}

"""How the configuration of a connector is read: strictly, and with all its faults at once.

A configuration is an attrs class whose fields carry an `option` as their metadata: the
`Kind` of value that they take. `read_options` makes an instance of it from JSON, `options_schema` the JSON
Schema of the same.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import attrs

from weft.schema.durations import DURATION_PATTERN, format_duration, parse_duration
from weft.schema.errors import DefinitionError, DefinitionErrors, raise_faults
from weft.schema.jsonvalue import JsonValue

__all__ = [
    "Kind",
    "OptionFault",
    "Unfit",
    "as_mapping",
    "describe",
    "did_you_mean",
    "duration",
    "number",
    "one_of",
    "option",
    "options_schema",
    "raise_option_faults",
    "read_options",
    "text",
    "texts",
]

T = TypeVar("T")
Path = tuple[str | int, ...]


class OptionFault(DefinitionError):
    """One fault in the configuration of a connector.

    ``path`` leads to it from the configuration: ``("env", "HOME")``; whoever read the file can
    add file, line and column from it.
    """

    default_code = "connector"

    def __init__(self, message: str, *, what: str, path: Path = ()) -> None:
        super().__init__(message)
        self.path = path
        self.where = ".".join([what, *map(str, path)])


class Unfit(Exception):
    """A value is not of a kind; ``faults`` holds (path within the value, message)."""

    def __init__(self, *faults: tuple[Path, str]) -> None:
        super().__init__(faults)
        self.faults = faults


@attrs.frozen
class Kind(Generic[T]):
    """What a value may be: its JSON Schema, and a reader that raises `Unfit`."""

    schema: Mapping[str, JsonValue]
    read: Callable[[JsonValue], T]


def describe(value: JsonValue) -> str:
    """What a person calls a JSON value: ``the text "5"``, ``the number 5``, ``a list``."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f'the text "{value}"' if len(value) <= 60 else f'the text "{value[:57]}…"'
    return "a list" if isinstance(value, list) else "a mapping"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` for the names that resemble ``name`` most, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.6)
    return f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""


def text(*, what: str = "a text", empty: bool = False) -> Kind[str]:
    """A text; not an empty one unless asked for."""

    def read(value: JsonValue) -> str:
        if not isinstance(value, str):
            hint = f'; in quotes it is a text: "{value}"' if isinstance(value, int | float) else ""
            raise Unfit(((), f"must be {what}, not {describe(value)}{hint}"))
        if not value and not empty:
            raise Unfit(((), f"must be {what}, not an empty one"))
        if "\0" in value:
            raise Unfit(((), f"must be {what} without NUL characters"))
        return value

    return Kind({"type": "string"} if empty else {"type": "string", "minLength": 1}, read)


def texts(*, what: str, item: Kind[str], minimum: int = 1, unique: bool = False) -> Kind[Any]:
    """A list of texts, read as a tuple."""

    def read(value: JsonValue) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise Unfit(((), f"must be {what}, not {describe(value)}"))
        faults: list[tuple[Path, str]] = []
        items: list[str] = []
        for index, element in enumerate(value):
            try:
                items.append(item.read(element))
            except Unfit as unfit:
                faults += [((index, *path), message) for path, message in unfit.faults]
        if len(value) < minimum:
            faults.append(((), f"must be {what}, not an empty one"))
        if unique:
            for index, element in enumerate(value):
                if element in value[:index]:
                    faults.append(((index,), f"{describe(element)} is in the list already"))
        if faults:
            raise Unfit(*faults)
        return tuple(items)

    schema: dict[str, JsonValue] = {"type": "array", "items": dict(item.schema)}
    if minimum:
        schema["minItems"] = minimum
    if unique:
        schema["uniqueItems"] = True
    return Kind(schema, read)


def number(*, least: int, most: int) -> Kind[int]:
    """A whole number within bounds."""

    def read(value: JsonValue) -> int:
        if type(value) is not int or not least <= value <= most:
            raise Unfit(
                ((), f"must be a whole number from {least} to {most}, not {describe(value)}")
            )
        return value

    return Kind({"type": "integer", "minimum": least, "maximum": most}, read)


def duration(*, most_seconds: float) -> Kind[float]:
    """A length of time as `weft.schema.durations` reads it (``500ms``, ``5s``), in seconds."""

    def read(value: JsonValue) -> float:
        if not isinstance(value, str):
            raise Unfit(((), f"must be a duration such as 500ms or 5s, not {describe(value)}"))
        try:
            seconds = parse_duration(value)
        except ValueError as error:
            raise Unfit(((), str(error))) from error
        if seconds > most_seconds:
            longest = format_duration(most_seconds)
            raise Unfit(((), f"must be at most {longest}, not {describe(value)}"))
        return seconds

    return Kind({"type": "string", "pattern": DURATION_PATTERN}, read)


def one_of(values: Mapping[str, T]) -> Kind[T]:
    """One of a few words, each standing for a value."""

    def read(value: JsonValue) -> T:
        if not isinstance(value, str) or value not in values:
            hint = did_you_mean(value, values) if isinstance(value, str) else ""
            raise Unfit(((), f"must be one of {', '.join(values)}; not {describe(value)}{hint}"))
        return values[value]

    return Kind({"enum": list(values)}, read)


def option(kind: Kind[Any], description: str) -> dict[str, Any]:
    """The metadata of a field (`attrs.field`) of a configuration class."""
    return {"kind": kind, "description": description}


def _key(field: attrs.Attribute[Any]) -> str:
    return field.name.replace("_", "-")


def read_options(cls: type[T], config: Mapping[str, JsonValue], *, what: str) -> T:
    """An instance of ``cls`` from a configuration.

    Field names are keys with ``-`` for ``_``.

    Raises:
        DefinitionErrors: With an `OptionFault` for every unknown key, missing key and value
            that is not of its kind.
    """
    fields = {_key(field): field for field in attrs.fields(cls)}  # type: ignore[arg-type]
    faults: list[DefinitionError] = []
    values: dict[str, Any] = {}
    for key, value in config.items():
        if key not in fields:
            accepted = f"{did_you_mean(key, fields)}; accepted: {', '.join(fields)}"
            faults.append(OptionFault(f"unknown key {key!r}{accepted}", what=what, path=(key,)))
            continue
        try:
            values[fields[key].name] = fields[key].metadata["kind"].read(value)
        except Unfit as unfit:
            faults += [OptionFault(m, what=what, path=(key, *path)) for path, m in unfit.faults]
    for key, field in fields.items():
        if key not in config and field.default is attrs.NOTHING:
            faults.append(OptionFault(f"{key!r} is missing", what=what))
    raise_option_faults(faults, what=what)
    return cls(**values)


def raise_option_faults(faults: Sequence[DefinitionError], *, what: str) -> None:
    """Raise the faults together, if there are some."""
    raise_faults(f"{what} is not configured rightly", faults)


def as_mapping(config: JsonValue, *, wanted: str, what: str) -> dict[str, JsonValue]:
    """A configuration that has to be a mapping by now.

    Raises:
        DefinitionErrors: It is none; the message says what is ``wanted``.
    """
    if isinstance(config, dict):
        return config
    fault = OptionFault(f"{wanted}; not {describe(config)}", what=what)
    raise DefinitionErrors(f"{what} is not configured rightly", [fault])


def options_schema(cls: type) -> dict[str, JsonValue]:
    """The JSON Schema of a configuration class."""
    properties: dict[str, JsonValue] = {}
    required: list[JsonValue] = []
    for field in attrs.fields(cls):
        schema: dict[str, JsonValue] = dict(field.metadata["kind"].schema)
        schema["description"] = field.metadata["description"]
        properties[_key(field)] = schema
        if field.default is attrs.NOTHING:
            required.append(_key(field))
    schema = {"type": "object", "additionalProperties": False, "properties": properties}
    if required:
        schema["required"] = required
    return schema

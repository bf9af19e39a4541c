"""The JSON Schema of the native format, for editors and for checks without Weft.

What a schema cannot say stays with the reader and the compiler: whether names are known, whether
a default has the type of its variable, whether an expression is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from weft.schema.datatypes import declaration_schema
from weft.schema.durations import DURATION_PATTERN
from weft.schema.jsonvalue import JsonValue
from weft.schema.native import (
    FORMAT_VERSION,
    MAX_ATTEMPTS,
    MAX_CONCURRENCY,
    MAX_FACTOR,
    MAX_TASKS,
    MAX_TOKENS,
    NAME_PATTERN,
    SPECIFICATION_NAME_PATTERN,
    VARIABLE_PATTERN,
    VERSION_PATTERN,
)
from weft.schema.specification import EVENT_PATTERN, MAX_CRASHES, MISSED

__all__ = ["PATTERN_POSITIONS", "native_schema"]

Schema = Mapping[str, JsonValue]
"""A JSON Schema."""

PATTERN_POSITIONS: Final = ("join", "then", "task", "net")
"""Where a pattern can be asked for: at ``join``, at ``then`` and ``on-failure``, as a key of a
task, and in the ``patterns`` of a net."""


def native_schema(
    connectors: Mapping[str, Schema], patterns: Mapping[str, Mapping[str, Schema]]
) -> dict[str, JsonValue]:
    """The JSON Schema (draft 2020-12) of a file in the native format.

    Args:
        connectors: The schema of each connector's argument, by the key that asks for it.
        patterns: For each of `PATTERN_POSITIONS`, the schema of each pattern's argument, by name.
            Any of them may be asked for by its name alone; whether it then lacks parameters is
            judged when the specification is compiled.
    """
    unknown = [position for position in patterns if position not in PATTERN_POSITIONS]
    if unknown:
        raise ValueError(f"no position {unknown[0]!r}; there are {', '.join(PATTERN_POSITIONS)}")
    at = {position: patterns.get(position, {}) for position in PATTERN_POSITIONS}
    task = {**_task_keys(), **_copied(connectors), **_copied(at["task"])}
    step = {key: value for key, value in task.items() if key not in {"join", "then"}}
    name: dict[str, JsonValue] = {"type": "string", "pattern": NAME_PATTERN}
    step["name"] = {
        **name,
        "description": "The step's name. Without one it is called by its place: step-1, step-2, …",
    }
    net = _net_keys()
    root_net = {key: value for key, value in net.items() if key != "data"}
    definitions: dict[str, JsonValue] = {
        "name": name,
        "text": {"type": "string", "minLength": 1},
        "duration": {"type": "string", "pattern": DURATION_PATTERN, "examples": ["2s", "1m30s"]},
        "time": {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {
                    **_closed({name: {"type": "string", "minLength": 1} for name in _TIMES}),
                    "oneOf": [{"required": [name]} for name in _TIMES if name != "zone"],
                },
            ]
        },
        "data": _by_name(
            {"$ref": "#/$defs/variable"}, {"type": "string", "pattern": VARIABLE_PATTERN}
        ),
        "variable": dict(declaration_schema()),
        "expressions": {
            "type": "object",
            "propertyNames": {"$ref": "#/$defs/name"},
            "additionalProperties": {
                "anyOf": [
                    {"type": "string", "pattern": r"\S"},
                    {"type": ["null", "boolean", "number", "array", "object"]},
                ]
            },
        },
        "joining": _choice_of(at["join"]),
        "following": _choice_of(at["then"], name_alone=True),
        "spanning": _choice_of(at["net"]),
        "task": _closed(task),
        "step": _closed(step),
        "place": _closed(_place_keys()),
        "retry": _closed(_retry_keys(), required=["attempts"]),
        "trigger": {
            "anyOf": [{"$ref": "#/$defs/event"}, {"$ref": "#/$defs/schedule"}],
        },
        "event": _closed(_trigger_keys(), required=["event"]),
        "schedule": _closed(_schedule_keys(), required=["schedule"]),
        "root-net": _closed(root_net, required=["start", "tasks"]),
        "net": _closed(net, required=["start", "tasks"]),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"A process in Weft's native format, version {FORMAT_VERSION}",
        **_closed(_file_keys(), required=["weft", "name"]),
        "oneOf": [{"required": ["net"]}, {"required": ["sequence"]}],
        "$defs": definitions,
    }


_TIMES: Final = ("for", "until", "next", "zone")
"""The keys of a time."""


def _copied(schemas: Mapping[str, Schema]) -> dict[str, JsonValue]:
    return {key: dict(schema) for key, schema in schemas.items()}


def _closed(properties: Mapping[str, JsonValue], *, required: list[str] | None = None) -> Any:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": dict(properties),
        "additionalProperties": False,
    }
    return {**schema, "required": required} if required else schema


def _by_name(value: Schema, name: Schema, **bounds: JsonValue) -> dict[str, JsonValue]:
    return {
        "type": "object",
        "propertyNames": dict(name),
        "additionalProperties": dict(value),
        **bounds,
    }


def _choice_of(patterns: Mapping[str, Schema], *, name_alone: bool = False) -> dict[str, JsonValue]:
    """A pattern with its parameters, or by name; where flows go on, any name may be a task's."""
    names: Any = {"$ref": "#/$defs/name"} if name_alone else {"enum": sorted(patterns)}
    mapping: Any = {
        **_closed(_copied(patterns)),
        "minProperties": 1,
        "maxProperties": 1,
    }
    return {"anyOf": [names, mapping]}


def _ref(name: str, description: str) -> dict[str, JsonValue]:
    return {"$ref": f"#/$defs/{name}", "description": description}


def _file_keys() -> dict[str, JsonValue]:
    return {
        "weft": {"const": FORMAT_VERSION, "description": "The version of the format."},
        "name": {
            "type": "string",
            "pattern": SPECIFICATION_NAME_PATTERN,
            "description": "The name of the process.",
        },
        "version": {
            "type": "string",
            "pattern": VERSION_PATTERN,
            "default": "1",
            "description": "The version of the process: text, so 1.10 needs quotes.",
        },
        "description": _ref("text", "What the process is for."),
        "language": {
            **_ref("text", "The language of its expressions."),
            "default": "cel",
        },
        "metadata": {
            "type": "object",
            "description": "What its author says besides: kept, and acted on by nobody.",
        },
        "triggers": {
            "type": "array",
            "items": {"$ref": "#/$defs/trigger"},
            "description": "The events that start cases.",
        },
        "data": _ref("data", "The variables of a case."),
        "net": _ref("root-net", "The tasks of the process, and the flow between them."),
        "sequence": {
            "type": "array",
            "items": {"$ref": "#/$defs/step"},
            "minItems": 1,
            "maxItems": MAX_TASKS,
            "description": "The short form: steps, one after the other.",
        },
        "nets": {
            **_by_name({"$ref": "#/$defs/net"}, {"$ref": "#/$defs/name", "not": {"const": "net"}}),
            "description": "The nets that composite tasks run, by name.",
        },
    }


def _net_keys() -> dict[str, JsonValue]:
    name: Any = {"$ref": "#/$defs/name"}
    return {
        "start": {
            "anyOf": [name, {"type": "array", "items": name, "minItems": 1, "uniqueItems": True}],
            "description": "The task or place where the net starts, or a list of them.",
        },
        "data": _ref("data", "The variables of this net."),
        "tasks": {
            **_by_name({"$ref": "#/$defs/task"}, name, minProperties=1, maxProperties=MAX_TASKS),
            "description": "The tasks, by name.",
        },
        "places": {
            **_by_name({"$ref": "#/$defs/place"}, name),
            "description": "Places with a name of their own.",
        },
        "patterns": {
            "type": "array",
            "items": {"$ref": "#/$defs/spanning"},
            "description": "Patterns over several tasks.",
        },
        "termination": {
            "enum": ["implicit", "explicit"],
            "default": "implicit",
            "description": "Whether the net is done when nothing is left to do, "
            "or only at an explicit-termination.",
        },
    }


def _task_keys() -> dict[str, JsonValue]:
    return {
        "title": _ref("text", "What people read instead of the name."),
        "description": _ref("text", "What the task is for."),
        "join": _ref("joining", "How incoming flows meet; a simple merge if absent."),
        "net": _ref("name", "The net that this task runs: one under nets, or the case's own, net."),
        "in": _ref("expressions", "Arguments: an expression (text), or a literal (all else)."),
        "out": _ref("expressions", "Variables: an expression over result and data, or a literal."),
        "timeout": {
            "anyOf": [
                {"$ref": "#/$defs/duration"},
                {
                    **_closed(
                        {
                            **{name: {"type": "string", "minLength": 1} for name in _TIMES},
                            "from": {"enum": ["offer", "start"], "default": "offer"},
                        }
                    ),
                    "oneOf": [{"required": [name]} for name in _TIMES if name != "zone"],
                },
            ],
            "description": "How long one attempt may take, or until when; where people or a net do "
            "the work, from its offer on, or with `from: start` from its start on.",
        },
        "on-timeout": _ref(
            "following", "Where the flow goes on when the work was not done in time."
        ),
        "due": _ref("time", "When the work should be done: 2d, or {until: delivery}."),
        "on-due": _ref("following", "Where a branch begins when the work is due and not done."),
        "retry": _ref("retry", "How often failed work is attempted."),
        "concurrency": {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": MAX_CONCURRENCY},
                {"const": "many"},
            ],
            "default": "many",
            "description": "How many of its work items may be open at once.",
        },
        "then": _ref("following", "Where the flow goes on; nowhere if absent."),
        "on-failure": _ref(
            "following",
            "Where the flow goes on when the work has failed for good; or skip (as if it were "
            "done), ask (a person), compensate (undo what was done).",
        ),
        "compensate": _ref("name", "The task that undoes this one."),
    }


def _place_keys() -> dict[str, JsonValue]:
    return {
        "tokens": {
            "type": "integer",
            "minimum": 0,
            "maximum": MAX_TOKENS,
            "default": 0,
            "description": "How many tokens it holds at the start.",
        },
        "then": _ref("following", "Where its tokens go on."),
        "description": _ref("text", "What a token here means."),
    }


def _trigger_keys() -> dict[str, JsonValue]:
    return {
        "event": {
            "type": "string",
            "pattern": EVENT_PATTERN,
            "description": "The name of the event.",
        },
        "when": _ref("text", "An expression over event; without it every such event counts."),
        "data": _ref(
            "expressions", "Variables: an expression over event, or a literal; its data if absent."
        ),
    }


def _schedule_keys() -> dict[str, JsonValue]:
    return {
        "schedule": _ref("text", "A cron expression of five fields: 0 6 * * MON-FRI."),
        "zone": {**_ref("text", "The time zone: Europe/Berlin."), "default": "UTC"},
        "data": _ref("expressions", "Variables: their values, none of them an expression."),
        "missed": {
            "enum": list(MISSED),
            "default": "skip",
            "description": "What becomes of times at which no worker ran.",
        },
    }


def _retry_keys() -> dict[str, JsonValue]:
    return {
        "attempts": {
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_ATTEMPTS,
            "description": "The total number of attempts, the first included.",
        },
        "delay": _ref("duration", "The wait before the second attempt; 0s if absent."),
        "factor": {
            "type": "number",
            "minimum": 1,
            "maximum": MAX_FACTOR,
            "default": 1,
            "description": "Each further wait is so many times the one before.",
        },
        "max-delay": _ref("duration", "No wait is longer; 1d if absent."),
        "jitter": {
            "enum": ["none", "full"],
            "default": "none",
            "description": "full: each wait is drawn evenly between zero and its length.",
        },
        "crashes": {
            "type": "integer",
            "minimum": 0,
            "maximum": MAX_ATTEMPTS,
            "default": MAX_CRASHES,
            "description": "So many attempts in a row may end with the death of their engine.",
        },
    }

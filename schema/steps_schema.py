"""The JSON Schema of the steps format, for editors and for checks without Weft."""

from __future__ import annotations

from collections.abc import Mapping

from weft.schema.durations import DURATION_PATTERN, MAX_SECONDS
from weft.schema.jsonvalue import JsonValue
from weft.schema.steps import KEPT, KEYS, MAX_RETRIES, MAX_STEPS, TRIGGERS, TYPES
from weft.schema.steps_values import MAX_NAME, STEP_PATTERN

__all__ = ["steps_schema"]


def steps_schema() -> dict[str, JsonValue]:
    """The JSON Schema (draft 2020-12) of a file in the steps format.

    What it cannot say stays with the reader: whether steps, modules and actions are known, whether
    a template parses, whether every step is reached. It is kept as
    ``schema/jsonschema/steps.json``.
    """
    name: dict[str, JsonValue] = {"type": "string", "pattern": STEP_PATTERN, "maxLength": MAX_NAME}
    filled: dict[str, JsonValue] = {"type": "string", "pattern": r"\S"}
    text: dict[str, JsonValue] = {"type": ["string", "number", "null"]}
    kind: dict[str, JsonValue] = {
        "type": {"enum": list(TYPES)},
        "description": text,
        "enum": {
            "type": "array",
            "items": {"type": ["string", "number"]},
            "minItems": 1,
            "uniqueItems": True,
        },
        "items": {"$ref": "#/$defs/type"},
        "properties": {"type": "object", "additionalProperties": {"$ref": "#/$defs/type"}},
    }
    seconds: dict[str, JsonValue] = {
        "anyOf": [
            {"type": "number", "minimum": 0, "maximum": MAX_SECONDS},
            {"type": "string", "pattern": DURATION_PATTERN},
        ],
    }
    way: dict[str, JsonValue] = {"anyOf": [filled, {"$ref": "#/$defs/branch"}, {"type": "null"}]}
    step: dict[str, JsonValue] = {
        "id": {**name, "description": "Unique in the file; templates say steps.<id>.outputs."},
        "module": {**name, "description": "The module of the action."},
        "action": {**name, "description": "What is done; its module knows it."},
        "description": {**text, "description": "What the step is for."},
        "inputs": {
            "type": ["object", "null"],
            "description": "Values by name; texts may have templates, {{ … }}.",
        },
        "outputs": {
            "type": "array",
            "items": _mapping({"name": name, **kind, "unit": text}, "name"),
            "description": "What the action has to give.",
        },
        "onSuccess": {**way, "description": "The next step; if absent, the workflow ends."},
        "onFailure": {**way, "description": "The next step after a failure; else the case fails."},
        "maxRetries": {
            "type": "integer",
            "minimum": 0,
            "maximum": MAX_RETRIES,
            "description": "The step starts once more than that in a case, for whatever reason.",
        },
        "retryDelay": {**seconds, "description": "The wait before another attempt."},
        "timeout": {**seconds, "description": "How long one attempt may take."},
    }
    parameter: dict[str, JsonValue] = {
        "name": name,
        **kind,
        "required": {"type": "boolean", "description": "Whether it has to be given."},
        "default": {"description": "Its value when none is given."},
    }
    params: dict[str, JsonValue] = {
        "type": "array",
        "items": _mapping(parameter, "name"),
    }
    trigger: dict[str, JsonValue] = {
        "type": "object",
        "properties": {
            "type": {"enum": list(TRIGGERS)},
            "command": True,
            "description": True,
            "params": params,
        },
        "required": ["type"],
        "if": {"properties": {"type": {"enum": ["cli", "manual"]}}},
        "then": {"propertyNames": {"enum": list(KEYS["trigger"])}},
    }
    whole = _mapping(
        {
            "name": {**filled, "description": "What the workflow is called."},
            "version": {"type": ["string", "number", "null"], "description": "Its version."},
            "description": {**text, "description": "What the workflow is for."},
            "triggers": {"type": "array", "items": trigger},
            "steps": {
                "type": "array",
                "items": {"$ref": "#/$defs/step"},
                "minItems": 1,
                "maxItems": MAX_STEPS,
                "description": "The first one is where the workflow begins.",
            },
            **{key: {"description": "Kept, without effect."} for key in KEPT},
        },
        "name",
        "steps",
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A workflow in the steps format of Weft",
        **whole,
        "$defs": {
            "step": _mapping(step, "id", "module", "action"),
            "branch": _mapping(
                {
                    "condition": {"anyOf": [filled, {"type": "boolean"}]},
                    "then": way,
                    "else": way,
                },
                "condition",
                "then",
            ),
            "type": {"anyOf": [{"enum": list(TYPES)}, _mapping({**kind, "unit": text})]},
        },
    }


def _mapping(properties: Mapping[str, JsonValue], *required: str) -> dict[str, JsonValue]:
    schema: dict[str, JsonValue] = {
        "type": "object",
        "properties": dict(properties),
        "additionalProperties": False,
    }
    if required:
        schema["required"] = list(required)
    return schema

"""The JSON Schema of the native format against its reader: what one refuses, the other does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from weft.schema.errors import DefinitionError
from weft.schema.native import KEYS, read_native
from weft.schema.native_schema import PATTERN_POSITIONS, native_schema
from weft.schema.yaml import load_yaml, plain

ANY: dict[str, Any] = {}
NAMES: dict[str, Any] = {"type": "array", "items": {"type": "string"}, "minItems": 2}
CONNECTORS: dict[str, dict[str, Any]] = {
    "shell": {"type": ["array", "object"], "description": "Runs a command."},
    "python": {"type": ["string", "object"]},
    "person": {"type": "object"},
}
PATTERNS: dict[str, dict[str, dict[str, Any]]] = {
    "join": {"synchronization": {"type": "null"}, "structured-partial-join": {"type": "object"}},
    "then": {
        "parallel-split": NAMES,
        "exclusive-choice": {"type": "array"},
        "explicit-termination": {"type": "null"},
        "sequence": {"type": "string"},
        "deferred-choice": NAMES,
    },
    "task": {"structured-loop": {"type": "object"}},
    "net": {"critical-section": {"type": "array"}, "interleaved-routing": NAMES},
}
SCHEMA = native_schema(CONNECTORS, PATTERNS)


def accepted(instance: object) -> bool:
    return bool(jsonschema_rs.validator_for(SCHEMA, validate_formats=True).is_valid(instance))


def instance(text: str) -> Any:
    return plain(load_yaml(text))


def test_the_schema_is_one() -> None:
    assert jsonschema_rs.meta.is_valid(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


def test_every_reference_leads_somewhere() -> None:
    references = set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(SCHEMA)))
    assert references
    for reference in references:
        found: Any = SCHEMA
        for key in reference.split("/"):
            found = found[key]


def test_the_keys_are_those_of_the_reader() -> None:
    definitions: Any = SCHEMA["$defs"]
    assert list(SCHEMA["properties"]) == list(KEYS["file"])  # type: ignore[arg-type]
    assert set(definitions["net"]["properties"]) == set(KEYS["net"])
    assert set(definitions["root-net"]["properties"]) == set(KEYS["net"]) - {"data"}
    assert set(definitions["place"]["properties"]) == set(KEYS["place"])
    assert set(definitions["retry"]["properties"]) == set(KEYS["retry"])
    task = {*KEYS["task"], "net", *CONNECTORS, *PATTERNS["task"]}
    assert set(definitions["task"]["properties"]) == task
    assert set(definitions["step"]["properties"]) == task - {"join", "then"} | {"name"}


def test_editors_find_every_key_explained() -> None:
    definitions: Any = SCHEMA["$defs"]
    for owner in ["net", "place", "retry", "task", "step"]:
        for key, schema in definitions[owner]["properties"].items():
            if key not in {*CONNECTORS, *PATTERNS["task"]}:  # those explain themselves
                assert schema["description"], (owner, key)


def test_the_documented_files_are_accepted(repository: Path) -> None:
    page = (repository / "docs" / "native-format.md").read_text()
    files = re.findall(r"^```yaml\n(weft: 1\n.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(files) >= 4
    for text in files:
        assert accepted(instance(text)), text


def file(**keys: Any) -> dict[str, Any]:
    return {"weft": 1, "name": "p", "sequence": [{}], **keys}


def task(**keys: Any) -> dict[str, Any]:
    return net(tasks={"a": {key.replace("_", "-"): value for key, value in keys.items()}})


def net(**keys: Any) -> dict[str, Any]:
    return {"weft": 1, "name": "p", "net": {"start": "a", "tasks": {"a": {}}, **keys}}


REFUSED: list[Any] = [
    [],
    {},
    {"name": "p", "sequence": [{}]},
    {"weft": 1, "sequence": [{}]},
    {"weft": 1, "name": "p"},
    file(weft=2),
    file(net={"start": "a", "tasks": {"a": {}}}),
    file(name="a b"),
    file(name=5),
    file(version=1.5),
    file(version=""),
    file(steps=[]),
    file(sequence=[]),
    file(sequence=["make"]),
    file(sequence=[{"then": "a"}]),
    file(sequence=[{"join": "synchronization"}]),
    file(sequence=[{"name": "a b"}]),
    file(data={"a-b": "string"}),
    file(data={"a": "text"}),
    file(data={"a": {"type": "array", "items": 5}}),
    file(nets={"net": {"start": "a", "tasks": {"a": {}}}}),
    file(nets={"n": {"tasks": {"a": {}}}}),
    net(start=[]),
    net(start=["a", "a"]),
    net(tasks={}),
    net(tasks={"a": None}),
    net(tasks={"a b": {}}),
    net(data={}),
    net(termination="never"),
    net(places={"p": None}),
    net(places={"p": {"tokens": -1}}),
    net(patterns={"critical-section": []}),
    net(patterns=[{"critical-section": [], "interleaved-routing": ["a", "b"]}]),
    task(onFailure="b"),
    task(title=5),
    task(title=""),
    task(timeout=30),
    task(timeout="soon"),
    task(timeout="30s1m"),
    task(concurrency=0),
    task(concurrency="few"),
    task(retry=3),
    task(retry={"delay": "2s"}),
    task(retry={"attempts": 0}),
    task(retry={"attempts": 2, "factor": 0.5}),
    task(retry={"attempts": 2, "jitter": "some"}),
    task(retry={"attempts": 2, "max_delay": "2s"}),
    task(then=["a", "b"]),
    task(then=None),
    task(then={}),
    task(then={"parallel-split": ["a", "b"], "sequence": "c"}),
    task(on_failure=3),
    task(join=[]),
    {**file(), "data": {"a": {"type": "string", "items": "string"}}},
    task(**{"in": ["path"]}),
    task(**{"in": {"a": " "}}),
    task(**{"in": {"a b": "x"}}),
    task(out="result"),
]


@pytest.mark.parametrize("bad", REFUSED, ids=json.dumps)
def test_what_the_reader_refuses_the_schema_refuses(bad: object) -> None:
    assert not accepted(bad)
    with pytest.raises(DefinitionError):
        read_native(json.dumps(bad))


@pytest.mark.parametrize(
    "bad",
    [
        task(shel=["make"]),
        task(shell="make"),
        task(join="synchronisation"),
        task(then={"parallel-split": ["a"]}),
        task(then={"synchronization": None}),
        net(patterns=["structured-loop"]),
    ],
    ids=json.dumps,
)
def test_what_the_compiler_refuses_the_schema_refuses(bad: object) -> None:
    assert not accepted(bad)
    read_native(json.dumps(bad))


@pytest.mark.parametrize(
    "good",
    [
        file(),
        file(version="1", description="x", language="cel", data={"a": "string"}),
        file(sequence=[{"name": "a", "shell": ["make"], "on-failure": "a"}]),
        net(start=["a"], termination="explicit", places={"p": {"tokens": 2, "then": "a"}}),
        net(patterns=["interleaved-routing"]),
        net(patterns=[{"critical-section": [["a"], ["b"]]}]),
        task(join="synchronization", then="explicit-termination", concurrency="many"),
        task(join={"structured-partial-join": {"n": 2}}, then={"parallel-split": ["b", "c"]}),
        task(net="n", out={}, timeout="PT1M30S", concurrency=3),
        task(**{"in": {"a": "x", "b": 1, "c": None, "d": ["", {}]}, "structured-loop": {}}),
    ],
    ids=json.dumps,
)
def test_what_the_reader_accepts_the_schema_accepts(good: object) -> None:
    assert accepted(good)
    read_native(json.dumps(good))


def test_positions_of_patterns_are_checked() -> None:
    assert PATTERN_POSITIONS == ("join", "then", "task", "net")
    with pytest.raises(ValueError, match="no position 'split'; there are join, then, task, net"):
        native_schema({}, {"split": {}})

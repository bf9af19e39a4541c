"""A generated specification, written in the native format: what reader and schema make of it.

One test, since drawing so large a specification takes ten times as long as all that is asked of it.
"""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
from hypothesis import given, settings

from tests.schema.specifications import specifications
from tests.schema.test_native_schema import SCHEMA, instance
from weft.schema.native import read_native
from weft.schema.native_writer import write_native
from weft.schema.specification import Specification


def lenient() -> dict[str, Any]:
    """The schema with any connector and pattern, since generated names are none of them."""
    schema: dict[str, Any] = json.loads(json.dumps(SCHEMA))
    for owner in ("task", "step"):
        schema["$defs"][owner]["additionalProperties"] = True
    for position in ("joining", "following", "spanning"):
        schema["$defs"][position] = {}
    return schema


LENIENT = jsonschema_rs.validator_for(lenient())


@settings(max_examples=50)
@given(specifications())
def test_it_reads_back_has_a_position_for_every_part_and_is_accepted(
    specification: Specification,
) -> None:
    text = write_native(specification)
    read = read_native(text)
    assert read == specification
    assert write_native(read) == text
    every_part_has_a_position(specification, read, text.split("\n"))
    LENIENT.validate(instance(text))


def every_part_has_a_position(
    specification: Specification, read: Specification, lines: list[str]
) -> None:
    for net in specification.nets.values():
        location = specification.location(net.name)
        tasks = [(*location, "tasks", name) for name in net.tasks]
        places = [(*location, "places", name) for name in net.places]
        for part in [location, *tasks, *places]:
            line, column = read.source.positions[part]
            assert lines[line - 1][column - 1 :].strip()

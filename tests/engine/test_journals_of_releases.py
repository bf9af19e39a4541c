"""The journals of earlier releases mean what they meant."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.record import told
from weft.engine import events as e
from weft.engine.case import restore, snapshot
from weft.engine.net import CompiledSpecification
from weft.engine.ports import CaseId, Microseconds, Record
from weft.engine.runtime.live import replay

FOLDER = Path(__file__).parents[1] / "fixtures" / "journals"


def samples() -> list[Any]:
    return [
        pytest.param(name, sample, id=f"{path.stem}-{name}")
        for path in sorted(FOLDER.glob("*.json"))
        for name, sample in json.loads(path.read_text()).items()
    ]


def records_of(sample: dict[str, Any]) -> list[Record]:
    return [
        Record(sequence, kind, version, Microseconds(time), data.encode(), bytes.fromhex(link))
        for sequence, kind, version, time, data, link in sample["records"]
    ]


@pytest.mark.parametrize(("name", "sample"), samples())
def test_it_replays_and_is_intact(name: str, sample: dict[str, Any]) -> None:
    content = sample["net"].encode()
    digest = hashlib.sha256(content).hexdigest()
    compiled = CompiledSpecification.from_content(content, hash=digest)
    records = records_of(sample)
    case = replay(None, records, compiled, case=CaseId(name))
    assert told(case) == sample["means"]
    assert e.broken_link(CaseId(name), records) is None
    assert case.compiled.hash == digest, "its net is read as it was written"
    kept, _ = restore(snapshot(case, len(records), bytes(32)), compiled)
    assert kept == case
    for record in records:  # what this release does not know of it, it keeps
        assert json.loads(e.encode(e.decode(record))) == json.loads(record.data)


def test_there_are_samples_of_most_events() -> None:
    used = {r[1] for sample in samples() for r in sample.values[1]["records"]}
    assert len(used) >= 18, sorted(set(e.EVENT_TYPES) - used)

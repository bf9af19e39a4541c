"""The ratchet file, and what makes two findings the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.schema.errors import DefinitionError
from weft.weaver.findings import Finding, Level
from weft.weaver.ratchet import Ratchet, fingerprint


def finding(name: str, signal: tuple[str, str] | None = None, /, **context: object) -> Finding:
    kind, signal_name = signal or (None, None)
    return Finding(
        name, Level.VIOLATION, "m", context=context, signal_type=kind, signal_name=signal_name
    )


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (finding("empty_stream"), "empty_stream"),
        (finding("deprecated", attribute_key="a.b"), "deprecated a.b"),
        (
            finding("type_mismatch", ("metric", "m"), attribute_key="a.b", attribute_type="int"),
            "type_mismatch metric:m a.b",
        ),
        (finding("deprecated", ("metric", "m"), metric_name="m"), "deprecated metric:m m"),
        (finding("type_mismatch", ("span", "GET /7"), attribute_key="a"), "type_mismatch span a"),
        (finding("deprecated", ("span", "x"), span_type="t"), "deprecated span t"),
        (finding("x", ("resource", ""), attribute_key="a"), "x resource a"),
        (finding("x", ("metric", "m"), entity_type=["a", "b"]), "x metric:m a|b"),
        (finding("expected_signal_missing", name="m", expected="*"), "expected_signal_missing m"),
    ],
)
def test_a_fingerprint_says_what_and_where(made: Finding, expected: str) -> None:
    assert fingerprint(made) == expected


@given(st.frozensets(st.text(max_size=8).filter(str.isprintable), max_size=5))
def test_a_ratchet_is_saved_and_loaded(
    tmp_path_factory: pytest.TempPathFactory, entries: frozenset[str]
) -> None:
    path = tmp_path_factory.mktemp("ratchet") / "known.json"
    Ratchet(entries).save(path)
    assert Ratchet.load(path) == Ratchet(entries)


def test_the_file_can_be_reviewed(tmp_path: Path) -> None:
    path = tmp_path / "known.json"
    Ratchet(frozenset({"b", "a"})).save(path)
    assert path.read_text() == '{\n  "version": 1,\n  "known": [\n    "a",\n    "b"\n  ]\n}\n'


def test_a_ratchet_that_is_not_there_knows_nothing(tmp_path: Path) -> None:
    assert Ratchet.load(tmp_path / "none.json") == Ratchet()
    assert not Ratchet().knows(finding("deprecated"))
    assert Ratchet.of([finding("deprecated")]).knows(finding("deprecated"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b"[" * 100_000,
        json.dumps({"version": 1}).encode(),
        json.dumps({"version": 2, "known": []}).encode(),
        json.dumps({"version": 1, "known": [1]}).encode(),
        json.dumps({"version": 1, "known": "a"}).encode(),
    ],
)
def test_a_file_that_is_no_ratchet_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "known.json"
    path.write_bytes(content)
    with pytest.raises(DefinitionError, match="ratchet") as caught:
        Ratchet.load(path)
    assert caught.value.code == "ratchet"
    assert caught.value.file == str(path)


@pytest.mark.parametrize("name", [".", "a\0b"])
def test_a_path_that_cannot_be_used_is_a_fault(tmp_path: Path, name: str) -> None:
    with pytest.raises(DefinitionError, match="cannot read the ratchet"):
        Ratchet.load(tmp_path / name)
    with pytest.raises(DefinitionError, match="cannot write the ratchet"):
        Ratchet().save(tmp_path / name)

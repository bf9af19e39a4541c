"""The registry of Weft's own telemetry: sound, and complete in both directions."""

from __future__ import annotations

from pathlib import Path

import pytest

from weft.engine import events as e
from weft.schema import errors
from weft.weaver import conventions as names
from weft.weaver.check import check, open_registry
from weft.weaver.findings import Level
from weft.weaver.generate import markdown_pages, python_constants
from weft.weaver.registry import GroupType, Registry
from weft.weaver.story import event_name


@pytest.fixture(scope="module")
def registry(repository: Path) -> Registry:
    return open_registry(repository / "schema/telemetry")


def test_the_registry_keeps_to_all_policies(repository: Path) -> None:
    report = check(repository / "schema/telemetry", policies=True)
    assert report.accepted
    # The one warning there is, once a file: the format itself is not stable yet.
    assert {(f.id, f.level) for f in report.findings} == {("UnstableFileFormat", Level.WARNING)}


def test_what_is_generated_is_up_to_date(repository: Path, registry: Registry) -> None:
    hint = "run `make signals`"
    assert (repository / "weaver/conventions.py").read_text() == python_constants(registry), hint
    pages = {p.name: p.read_text() for p in (repository / "docs/signals").iterdir()}
    assert pages == markdown_pages(registry), hint


def test_every_type_of_event_has_a_log_event_and_the_other_way_round(registry: Registry) -> None:
    declared = {group.signal_name for group in registry.of_type(GroupType.EVENT)}
    assert declared == {event_name(cls) for cls in e.EVENT_TYPES.values()}


def test_event_names_are_told_from_their_classes() -> None:
    assert event_name(e.WorkItemGivenUp) == "weft.work_item.given_up"
    assert event_name(e.CaseStarted) == "weft.case.started"
    assert event_name(e.TransitionFired) == "weft.transition.fired"


def test_every_class_of_errors_is_a_declared_type_and_the_other_way_round(
    registry: Registry,
) -> None:
    classes = {
        name
        for name, each in vars(errors).items()
        if isinstance(each, type) and issubclass(each, errors.WeftError)
    }
    declared = {member.value for member in registry.attributes[names.ERROR_TYPE].members}
    others = {"_OTHER", "deadlock", "interrupted"}
    assert declared - others == classes - {"WeftError"}
    assert others < declared

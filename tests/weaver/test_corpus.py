"""Every registry of the corpus comes out as its table says."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import attrs
import pytest

from weft.weaver.check import CheckReport, check
from weft.weaver.findings import Level
from weft.weaver.output import resolved_json

CORPUS = (
    Path(os.environ.get("WEFT_CORPUS", Path(__file__).parents[2].parent / "shared" / "corpus"))
    / "weaver"
)
ROW = re.compile(r"\| `(?P<path>[^`]+)` \| (?P<verdict>[^|]+) \| (?P<diagnostics>[^|]*) \|")
ID = re.compile(r"\b([A-Z][A-Za-z]+(?:[A-Z][a-z]+)+|[a-z]+(?:_[a-z]+){2,})(?:x(\d+))?\b")
OUR_WORDS = frozenset({"renamed_to", "span_kind", "metric_name"})


@attrs.frozen
class Case:
    path: str
    verdict: str
    diagnostics: str

    @property
    def ids(self) -> list[tuple[frozenset[str], int | None]]:
        """Each id that must be reported, or a choice of ids, and how often."""
        if "expected-" in self.diagnostics and not re.search(r"x\d", self.diagnostics):
            return []
        wanted = []
        for part in re.split(r" \+ |, ", self.diagnostics.split(" (")[0]):
            choice = [
                found
                for found in ID.findall(part)
                if found[0] not in OUR_WORDS and not found[0].startswith("expected")
            ]
            if choice:
                number = choice[0][1]
                ids = frozenset(name for name, _ in choice)
                wanted.append((ids, int(number) if number else None))
        return wanted


def cases() -> list[Case]:
    table = CORPUS / "expected.md"
    if not table.exists():
        return []
    rows = (ROW.fullmatch(line.strip()) for line in table.read_text().splitlines())
    return [
        Case(row["path"], row["verdict"].strip(), row["diagnostics"].strip()) for row in rows if row
    ]


CASES = cases()
pytestmark = pytest.mark.skipif(not CASES, reason=f"no corpus at {CORPUS} (set WEFT_CORPUS)")


def run(case: Case, *, future: bool = False) -> CheckReport:
    folder = CORPUS / case.path
    if case.path.startswith("resolver/"):
        return check(folder / "registry", future=future)
    if case.path.startswith("policies/backwards-compatibility/"):
        return check(folder / "current", baseline=folder / "base", future=future)
    if case.path.startswith("policies/"):
        # Upstream runs each package on its own cases alone.
        package = case.path.split("/")[1]
        return check(folder / "current", policies=[package], future=future)
    return check(folder, future=future)


def test_the_table_was_understood() -> None:
    assert len(CASES) == (CORPUS / "expected.md").read_text().count("\n| `")
    assert {case.path.split("/")[0] for case in CASES} == {"resolver", "policies", "unit"}
    silent = [case for case in CASES if not case.ids and not case.verdict.startswith("ACCEPTED")]
    # These say in words what cannot be read; which words, upstream leaves open.
    assert all(
        re.match("missing field|unknown field|deserialization|attributes cannot", case.diagnostics)
        for case in silent
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.path)
def test_verdict(case: Case) -> None:
    report = run(case)
    found = Counter(finding.id for finding in report.findings)
    grave = [finding for finding in report.findings if finding.level is not Level.WARNING]
    only_warnings = "DuplicateGroupId" in case.diagnostics
    if case.verdict.startswith("ACCEPTED"):
        assert not grave
        assert report.exit_code == 0
    elif case.verdict.startswith("WARN") or only_warnings:
        assert not grave
        assert report.findings
        assert report.exit_code == 0
        assert run(case, future=True).exit_code == 1
    else:
        assert grave
        assert report.exit_code == 1
    for choice, number in case.ids:
        count = sum(found[name] for name in choice)
        assert count == number if number is not None else count >= 1, (choice, found)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.path)
def test_nothing_else_is_reported(case: Case) -> None:
    """What the table does not name is not reported either."""
    found = {finding.id for finding in run(case).findings}
    named = {name for choice, _ in case.ids for name in choice}
    if case.path.startswith("unit/"):
        beside = set()
        if case.path.startswith("unit/v2") and case.verdict == "REJECTED":
            beside = {"UnstableFileFormat"}
            if not named:
                named = {"DeserializationError", "InvalidSemConvSpec"}
        if "requirement_level" not in case.path and "ref_group" in case.path:
            beside = {"UnstableFileFormat"}
        if case.diagnostics.startswith(("deserialization", "missing", "unknown")):
            named = {"DeserializationError", "InvalidSemConvSpec"}
        assert found <= named | beside
        if case.verdict.startswith("WARN"):
            assert found == named
    else:
        # The warnings about the format are not part of what these cases are about.
        beside = {"UnstableFileFormat", "MissingRequirementLevelWarning", "InvalidGroupUsesPrefix"}
        assert found - beside == named


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.path)
def test_every_finding_says_where(case: Case) -> None:
    """All but what is said of something that is not there any more."""
    for finding in run(case).findings:
        assert finding.message
        if finding.id not in {"compatibility_removed_attribute", "compatibility_metric_missing"}:
            assert finding.file is not None
            assert finding.line is not None
            assert 1 <= finding.line <= len(Path(finding.file).read_text().splitlines())


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.path.startswith("policies/")],
    ids=lambda case: case.path,
)
def test_violations_carry_the_facts_of_upstream(case: Case) -> None:
    expected = json.loads((CORPUS / case.path / "expected-diagnostic-output.json").read_text())
    violations = [entry["error"]["violation"] for entry in expected]
    found = [
        finding.as_json() for finding in run(case).findings if finding.level is Level.VIOLATION
    ]

    def facts(each: dict[str, Any]) -> tuple[Any, ...]:
        context = dict(each["context"])
        context.pop("current_value", None)  # upstream repeats the previous one
        return (
            each["id"],
            each["signal_type"],
            each["signal_name"],
            json.dumps(context, sort_keys=True),
        )

    assert sorted(map(facts, found)) == sorted(map(facts, violations))


RESOLVED = [
    case
    for case in CASES
    if case.path.startswith("resolver/") and case.verdict.startswith("ACCEPTED")
]


@pytest.mark.parametrize("case", RESOLVED, ids=lambda case: case.path)
def test_resolved_output(case: Case) -> None:
    """Catalog, groups and lineage equal upstream's, compared by name."""
    report = run(case)
    assert report.registry is not None
    ours = resolved_json(report.registry)
    catalog = json.loads((CORPUS / case.path / "expected-attribute-catalog.json").read_text())
    registry = json.loads((CORPUS / case.path / "expected-registry.json").read_text())
    assert sorted(map(canonical, ours["catalog"])) == sorted(map(canonical, catalog))
    expected = by_name(registry["groups"], catalog)
    assert by_name(ours["registry"]["groups"], ours["catalog"]) == expected


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def by_name(groups: list[Any], catalog: list[Any]) -> dict[str, Any]:
    """Groups by id, their attributes in full and sorted, without the path of their file.

    A group that merely holds the attributes of a file is named after the file's path, which
    depends on where the registry lies: the last part is compared.
    """
    synthetic = {
        group["id"]: "registry." + group["id"].rpartition(".")[2]
        for group in groups
        if group["brief"] == "<synthetic v2>"
    }
    made = {}
    for group in groups:
        name = synthetic.get(group["id"], group["id"])
        lineage = dict(group["lineage"])
        lineage.pop("provenance")
        lineage["attributes"] = {
            name: {
                **each,
                "source_group": synthetic.get(each["source_group"], each["source_group"]),
            }
            for name, each in lineage.get("attributes", {}).items()
        }
        made[name] = group | {
            "id": name,
            "lineage": lineage,
            "attributes": sorted(canonical(catalog[i]) for i in group.get("attributes", [])),
        }
    return made

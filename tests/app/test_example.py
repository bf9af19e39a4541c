"""The main job: what `make run` runs, over a small repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.app.conftest import Done

JOB = Path(__file__).resolve().parents[2] / "docs" / "examples" / "check-repository.yaml"


@pytest.fixture
def repository(folder, write) -> Path:
    (folder / "tests").mkdir()
    write("tests/test_one.py", "def test_one():\n    assert 1 + 1 == 2\n")
    write("code.py", '"""Code."""\n\n# TO' + "DO: more of it\n")
    (folder / "build").mkdir()
    write("build/skipped.py", "")
    return Path()


def run(weft, *arguments: str) -> Done:
    return weft("run", JOB, "-p", "suite=tests", *arguments)


def test_it_runs_to_its_end(weft, repository):
    done = run(weft, "--decide", "decide=ship", "--json")
    assert done.code == 0
    data = done.json["data"]
    assert data["analyse"]["files"] == 2
    assert data["analyse"]["marks"] == 1
    assert data["warm_up"] == "ready at attempt 2"
    assert data["tests"]["exit_code"] == 0
    assert data["explain"] is None
    report = Path("build/report.md").read_text()
    assert "Decision: **ship**" in report
    assert "| tests | exit code 0: 1 passed" in report


def test_what_it_tells(weft, repository):
    out = run(weft, "--decide", "decide=ship").out
    assert "attempt 1 failed: nobody answers yet (the first attempt fails on purpose)" in out
    assert "judge    → decide" in out or "→ decide" in out
    assert "status   completed" in out


def test_the_outcome_decides_the_branch(weft, write, repository):
    write("tests/test_one.py", "def test_one():\n    assert 1 + 1 == 3\n")
    write("code.py", "import os\n")
    done = run(weft, "--decide", "decide=stop", "--json")
    assert done.code == 0
    assert [f.partition(":")[0] for f in done.json["data"]["explain"]] == ["tests", "lint"]
    report = Path("build/report.md").read_text()
    assert "Decision: **stop**" in report
    assert "- tests: 1 failed" in report
    assert "- lint: Found 1 error" in report


def test_without_a_decision_it_waits(weft, repository):
    done = run(weft, "--json")
    assert done.code == 3
    assert [i["task"] for i in done.json["work_items"]] == ["decide"]


def test_nothing_to_look_at_is_a_failure(weft, folder):
    done = run(weft, "--json")
    assert done.code == 1
    assert "there are no text files" in done.json["error"]["message"]

"""Patterns of other distributions: found, checked like ours, and isolated where they are broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import weft
from tests.docs.blocks import blocks
from weft.engine.fragment import Fragment, Place, PositiveInt
from weft.engine.net import immediate
from weft.engine.registry import Attachment, Family, Registry
from weft.patterns import builtin, evidence
from weft.patterns import installed as module
from weft.schema.errors import DefinitionError

PAGE = Path(__file__).resolve().parents[2] / "docs" / "own-patterns.md"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The distribution that the page makes, built and installed in a folder."""
    source, target = tmp_path_factory.mktemp("acme"), tmp_path_factory.mktemp("site")
    for block in blocks(PAGE):
        if block.file is not None:
            file = source / block.file
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, "utf-8")
        elif block.language == "json":
            (source / "src/acme_patterns/evidence.json").write_text(block.text, "utf-8")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check",
         "--no-build-isolation", "--no-deps", "--no-index", "--target", target, source],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return target


@pytest.fixture
def command(site: Path, tmp_path: Path) -> Any:
    """Runs `weft` where the distribution is installed; more folders may be given."""

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([*more.values(), str(site)])
        return subprocess.run(
            [sys.executable, "-m", "weft", *arguments],
            env={**os.environ, "PYTHONPATH": path},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


def test_an_installed_pattern_is_shown_rated_and_run(command: Any, tmp_path: Path) -> None:
    shown = command("patterns", "vote", "--json")
    (found,) = json.loads(shown.stdout)["patterns"]
    assert (found["id"], found["key"], found["rating"]) == (None, "majority", "full")
    assert found["evidence"]["killed"] == 18
    example = command("patterns", "majority", "--example")
    (tmp_path / "majority.yaml").write_text(example.stdout)
    done = command("run", "majority.yaml", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "completed"
    used = json.loads(command("show", "majority.yaml", "--json").stdout)["patterns"]
    assert [p["name"] for p in used] == ["Sequence", "Parallel Split", "Majority"]
    # By the name that the store knows, where nothing has compiled it.
    used = json.loads(command("show", "majority", "--json").stdout)["patterns"]
    assert [p["name"] for p in used] == ["Sequence", "Parallel Split", "Majority"]


def test_a_broken_distribution_is_named_and_harms_nobody(command: Any, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    info = folder / "broken_patterns-0.3.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-patterns\nVersion: 0.3\n")
    (info / "entry_points.txt").write_text("[weft.patterns]\ntwist = broken_patterns:twist\n")
    (folder / "broken_patterns.py").write_text("import nothing_of_that_name\n")
    listed = command("patterns", other=str(folder))
    assert listed.returncode == 0
    assert "majority" in listed.stdout
    assert "not loaded: broken-patterns 0.3 (twist = broken_patterns:twist)" in listed.stderr
    assert "nothing_of_that_name" in listed.stderr
    asks = tmp_path / "asks.yaml"
    asks.write_text(
        "weft: 1\nname: x\nnet:\n  start: a\n  tasks:\n"
        "    a: {then: {parallel-split: [b, c]}}\n    b: {then: d}\n    c: {then: d}\n"
        "    d: {join: twist}\n    e: {twist: 2}\n"
    )
    refused = command("show", "asks.yaml", other=str(folder))
    assert refused.returncode == 2
    assert refused.stderr.count("broken-patterns 0.3") == 2
    assert "no pattern is called 'twist'" in refused.stderr


def test_it_is_not_looked_for_when_nothing_asks_for_it(command: Any, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    info = folder / "loud_patterns-0.3.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: loud-patterns\nVersion: 0.3\n")
    (info / "entry_points.txt").write_text("[weft.patterns]\nloud = loud_patterns:loud\n")
    (folder / "loud_patterns.py").write_text("raise SystemExit('loaded')\n")
    (tmp_path / "plain.yaml").write_text(
        "weft: 1\nname: x\nnet: {start: a, tasks: {a: {shell: [echo, x], then: "
        "explicit-termination, on-failure: skip}}}\n"
    )
    code = (
        "import sys, weft\nwith weft.open() as engine:\n"
        "    engine.run(weft.load('plain.yaml'))\nassert 'loud_patterns' not in sys.modules\n"
    )
    env = {**os.environ, "PYTHONPATH": str(folder)}
    subprocess.run([sys.executable, "-c", code], env=env, cwd=tmp_path, check=True, timeout=60)
    listed = command("patterns", other=str(folder))
    assert "it cannot be loaded: SystemExit: loaded" in listed.stderr


# ── what may be brought ──────────────────────────────────────────────────────────────────────


@weft.pattern(None, "Hand On", family=Family.BASIC, attaches=Attachment.THEN)
def hand_on(input: Place, end: Place, n: PositiveInt = 1) -> Fragment:
    """The thread ends."""
    return Fragment([immediate("end", take=[input], put=[end] * n)])


@weft.pattern(None, "Sequence", family=Family.BASIC, attaches=Attachment.THEN)
def taken(input: Place, end: Place) -> Fragment:
    """A name that is taken."""
    return hand_on(input, end)


@weft.pattern(9, "Mine", family=Family.BASIC, attaches=Attachment.THEN)
def numbered(input: Place, end: Place) -> Fragment:
    """A number that is taken."""
    return hand_on(input, end)


@weft.pattern(None, "Untyped", family=Family.BASIC, attaches=Attachment.THEN)
def untyped(input: Place, end: Place, much: float) -> Fragment:
    """A parameter that says nothing of its kind."""
    return hand_on(input, end)


def unmarked(input: Place) -> Fragment:
    """No mark."""
    return hand_on(input, input)


@pytest.fixture
def bring(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Makes a module of a distribution that brings these things."""

    def make(**brought: Any) -> Registry:
        made = ModuleType("brought_patterns")
        vars(made).update(brought)
        monkeypatch.setitem(sys.modules, made.__name__, made)
        points = [
            EntryPoint(name, f"{made.__name__}:{name}", module.GROUP)
            for name in brought
            if not name.startswith("WEFT")
        ]
        monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points)
        module._brought.cache_clear()
        return module.installed()

    yield make
    module._brought.cache_clear()


@pytest.mark.parametrize(
    ("brought", "wrong"),
    [
        (taken, "claim to be pattern 'sequence'"),
        (numbered, "claim to be pattern 9"),
        (untyped, "parameter 'much' needs one of the annotations"),
        (unmarked, "is not marked as a pattern"),
        (17, "it is no function, nor a tuple of functions: 17"),
        ((hand_on, "x"), "nor a tuple of functions: 'x'"),
    ],
    ids=["name", "number", "parameter", "mark", "number instead", "tuple"],
)
def test_what_is_wrong_is_told_and_the_rest_is_there(bring: Any, brought: Any, wrong: str) -> None:
    registry = bring(a_bad=brought, z_good=hand_on)
    assert registry.find("hand-on") is not None
    assert wrong in registry.faults[0]
    assert "an unnamed distribution (a_bad = brought_patterns:a_bad): " in registry.faults[0]
    assert {p.id for p in registry} >= set(range(1, 44))
    assert len(registry) == len(builtin()) + 1


def test_a_module_for_another_interface_is_refused(bring: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(sys.modules[__name__], "WEFT_PATTERNS", 2, raising=False)
    registry = bring(hand_on=hand_on)
    assert registry.find("hand-on") is None
    assert "for version 2 of the interface of patterns; this Weft has version 1" in registry.missing


def test_a_pattern_of_the_program_comes_first(bring: Any) -> None:
    registry = bring(hand_on=hand_on)
    registry.register(hand_on)
    assert registry.find("hand-on") is not None
    assert "claim to be pattern 'hand-on'" in registry.faults[0]


# ── ratings ──────────────────────────────────────────────────────────────────────────────────


def row(**changes: Any) -> dict[str, Any]:
    return {
        "example": "hand-on",
        "promises": ["it ends"],
        "surroundings": dict.fromkeys(evidence.SURROUNDINGS, 3),
        "mutants": 4,
        "survivors": {"one": "means the same"},
        **changes,
    }


def rated(folder: Path, brings: Any, example: str | None = "weft: 1\n") -> evidence.Rating:
    """The rating of a pattern in a package with that evidence."""
    package = folder / "rated_patterns"
    package.mkdir()
    if brings is not None:
        text = brings if isinstance(brings, str) else json.dumps({"hand-on": brings})
        (package / "evidence.json").write_text(text)
    if example is not None:
        (package / "examples").mkdir()
        (package / "examples/hand-on.yaml").write_text(example)
    pattern = Registry([hand_on]).find("hand-on")
    assert pattern is not None
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(evidence, "_package", lambda pattern: package)
        return evidence.rating(pattern)


@pytest.mark.parametrize(
    ("brings", "example", "expected"),
    [
        (row(), "weft: 1\n", "full"),
        (row(mutants=1, survivors={}), "weft: 1\n", "full"),
        (row(mutants=0, survivors={}), "weft: 1\n", "partial"),
        (row(mutants=3), "weft: 1\n", "partial"),
        (row(surroundings={"alone": 3}), "weft: 1\n", "partial"),
        (row(promises=[]), "weft: 1\n", "partial"),
        (row(), None, "partial"),
        (row(surroundings={}, mutants=0, survivors={}), "weft: 1\n", "none"),
        (None, "weft: 1\n", "none"),
    ],
)
def test_a_rating_follows_from_the_evidence(
    tmp_path: Path, brings: Any, example: str | None, expected: str
) -> None:
    assert rated(tmp_path, brings, example).value == expected


@pytest.mark.parametrize(
    ("brings", "wrong"),
    [
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        (row(promises="it ends"), "promises: a list of texts"),
        (row(promises=[3]), "of 'hand-on'.*promises: every one is a text"),
        (row(surroundings={"alone": -1}), "surroundings: alone: a number from 0"),
        (row(surroundings={"alone": True}), "surroundings: alone: a number from 0"),
        (row(mutants=-1), "of 'hand-on'.*mutants"),
        (row(survivors={"one": ""}), "survivors: every one is a text"),
        (row(survivors=[]), "of 'hand-on'.*survivors"),
        (row(mutants=0), "more survivors than mutants"),
        (row(rating="full"), "of 'hand-on'.*rating"),
        ({"example": "x"}, "of 'hand-on'.*missing"),
    ],
)
def test_evidence_that_cannot_be_read_says_where(tmp_path: Path, brings: Any, wrong: str) -> None:
    with pytest.raises(DefinitionError, match=wrong):
        rated(tmp_path, brings)


def test_all_43_have_full_marks_by_their_evidence() -> None:
    ratings = {p.key: evidence.rating(p).value for p in builtin() if p.id is not None}
    assert ratings == dict.fromkeys(ratings, "full")
    own = {p.key: evidence.rating(p).value for p in builtin() if p.id is None}
    assert set(own.values()) == {"none"}

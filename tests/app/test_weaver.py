"""`weft weaver`: registries checked, resolved, counted, compared, written out and held against."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from weft.weaver.findings import Level
from weft.weaver.livecheck import LEVELS
from weft.weaver.policies import PACKAGES

SHOP = """\
file_format: definition/2
attributes:
  - key: shop.channel
    brief: Where the order came from.
    stability: stable
    type:
      members:
        - {id: web, value: web, brief: The web shop., stability: stable}
        - {id: phone, value: phone, brief: A call., stability: stable}
  - {key: shop.size, type: int, brief: How many items., stability: stable, examples: [3]}
metrics:
  - name: shop.orders
    instrument: counter
    unit: "{order}"
    brief: Orders taken.
    stability: stable
    requirement_level: recommended
    attributes: [{ref: shop.channel, requirement_level: required}]
spans:
  - type: shop.take
    kind: internal
    name: {note: take order}
    brief: An order is taken.
    stability: stable
    requirement_level: recommended
    attributes: [{ref: shop.size, requirement_level: required}]
"""
MANIFEST = "schema_url: https://shop.example/schemas/1.0.0\n"

GOOD = [
    {
        "span": {
            "name": "take order",
            "kind": "internal",
            "attributes": [{"name": "shop.size", "value": 3}],
        }
    },
    {
        "metric": {
            "name": "shop.orders",
            "instrument": "counter",
            "unit": "{order}",
            "data_points": [{"attributes": [{"name": "shop.channel", "value": "web"}]}],
        }
    },
]
BAD = [
    {
        "span": {
            "name": "take order",
            "kind": "internal",
            "source": "shop.py:12",
            "attributes": [{"name": "shop.size", "value": "three"}],
        }
    },
    {"attribute": {"name": "other.thing", "value": 1}},
]


@pytest.fixture
def registry(folder):
    """Make a registry of one file."""

    def make(name: str = "shop", text: str = SHOP) -> str:
        (folder / name).mkdir()
        (folder / name / "manifest.yaml").write_text(MANIFEST)
        (folder / name / "shop.yaml").write_text(text)
        return name

    return make


@pytest.fixture
def shop(registry):
    return registry()


@pytest.fixture
def broken(registry):
    """A registry with an error: a reference to nothing."""
    return registry("broken", SHOP.replace("ref: shop.size", "ref: shop.nothing"))


@pytest.fixture
def emitted(folder):
    """Write samples into a file."""

    def write(samples: object, name: str = "seen.json") -> str:
        (folder / name).write_text(json.dumps(samples))
        return name

    return write


def ids(done) -> list[str]:
    return [finding["id"] for finding in done.json["findings"]]


# ── check ────────────────────────────────────────────────────────────────────────────────────


def test_a_good_registry_is_accepted_with_a_word_on_the_format(weft, shop):
    done = weft("weaver", "check", shop)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "shop/shop.yaml:1: warning: UnstableFileFormat: the format definition/2 is not stable yet",
        "shop: accepted, 1 warning",
    ]


def test_a_registry_with_nothing_to_say_about(weft, registry):
    done = weft("weaver", "check", registry("old", "groups: []\n"))
    assert (done.code, done.out) == (0, "old: accepted, no findings\n")


def test_findings_have_all_the_fields_that_are_promised(weft, broken):
    done = weft("weaver", "check", broken, "--json")
    found = next(f for f in done.json["findings"] if f["id"] == "UnresolvedAttributeRef")
    assert (done.code, done.json["accepted"]) == (1, False)
    assert set(found) == {
        *("id", "level", "message", "file", "line"),
        *("context", "signal_type", "signal_name"),
    }
    assert (found["level"], found["file"]) == ("error", "broken/shop.yaml")
    line = (Path("broken") / "shop.yaml").read_text().splitlines()[found["line"] - 1]
    assert "shop.nothing" in line


def test_errors_are_told_one_a_line(weft, broken):
    done = weft("weaver", "check", broken)
    assert done.code == 1
    assert re.search(r"(?m)^broken/shop.yaml:\d+: error: UnresolvedAttributeRef: ", done.out)
    assert done.out.endswith("broken: rejected, 1 error, 1 warning\n")


def test_future_raises_warnings(weft, shop):
    assert weft("weaver", "check", shop, "--future").code == 1


def test_a_baseline_is_to_be_compatible_with(weft, shop, registry):
    later = registry("later", SHOP.replace('"{order}"', '"1"'))
    done = weft("weaver", "check", later, "--baseline", shop, "--json")
    assert (done.code, "compatibility_metric_changed_unit" in ids(done)) == (1, True)
    assert weft("weaver", "check", shop, "--baseline", shop).code == 0


def test_what_is_gone_is_told_without_a_place(weft, shop, registry):
    later = registry("later", SHOP.replace("shop.size", "shop.items"))
    done = weft("weaver", "check", later, "--baseline", shop)
    assert "\nviolation: compatibility_removed_attribute: " in done.out


@pytest.fixture
def unpolished(registry):
    """A registry that breaks a naming convention, and no other policy."""
    return registry("unpolished", SHOP.replace("Orders taken.", "Orders taken"))


PERIOD = "naming_convention_metric_brief_period"


@pytest.mark.parametrize(
    ("arguments", "judged"),
    [
        (["DIR"], False),
        (["DIR", "--policies"], True),
        (["--policies", "DIR"], True),
        (["--policies", "--", "DIR"], True),
        (["--policies", "--policies", "DIR"], True),
        (["DIR", "--policies", "--future"], True),
        (["--policies=all", "DIR"], True),
        (["--policies", "naming_conventions", "DIR"], True),
        (["--policies=naming_conventions", "DIR"], True),
        (["--policies", "stability,naming_conventions", "DIR"], True),
        (["--policies", "stability", "--policies", "naming_conventions", "DIR"], True),
        (["DIR", "--policies", "stability"], False),
        (["--policies", "stability, entity_associations", "DIR"], False),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_policies_are_all_or_those_that_are_named(weft, unpolished, arguments, judged):
    given = [unpolished if argument == "DIR" else argument for argument in arguments]
    done = weft("weaver", "check", "--json", *given)
    assert (PERIOD in ids(done)) is judged
    assert done.code == (1 if judged or "--future" in arguments else 0)


@pytest.mark.parametrize("given", [["--policies", "nope"], ["--policies=nope"], ["--policies="]])
def test_a_policy_package_that_there_is_not(weft, shop, given):
    done = weft("weaver", "check", *given, shop)
    assert (done.code, done.out) == (2, "")
    assert "there is no policy package" in done.err
    assert all(package in done.err for package in PACKAGES)


def test_a_path_too_long_to_be_one_is_no_policy_package_either(weft, shop):
    done = weft("weaver", "check", "--policies", "x" * 10_000, shop)
    assert (done.code, "there is no policy package" in done.err) == (2, True)


def test_a_folder_called_like_a_package_is_named_with_a_slash(weft, registry):
    made = registry("stability", SHOP.replace("Orders taken.", "Orders taken"))
    assert weft("weaver", "check", "--policies", made).code == 2
    assert weft("weaver", "check", "--policies", f"./{made}").code == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "nowhere"),
        ("check", "shop", "--baseline", "nowhere"),
        ("resolve", "nowhere"),
        ("stats", "nowhere"),
        ("diff", "shop", "nowhere"),
        ("generate", "nowhere", "--target", "python", "-o", "t.py"),
        ("live-check", "nowhere", "-"),
        ("live-check", "shop", "nowhere.json"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_read_is_a_usage_error(weft, shop, arguments):
    done = weft("weaver", *arguments, "--json")
    assert (done.code, set(done.json)) == (2, {"error"})
    assert done.json["error"]["class"] == "DefinitionError"


@pytest.mark.parametrize("arguments", [(), ("--json",), ("nope",), ("check",)], ids=" ".join)
def test_a_command_that_there_is_not(weft, folder, arguments):
    done = weft("weaver", *arguments)
    assert done.code == 2
    if "--json" not in arguments:
        assert (done.out, "Usage: weft weaver" in done.err) == ("", True)
    else:
        assert done.json["error"]["code"] == "usage"


# ── registries that are used ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "command",
    [
        ("resolve", "broken"),
        ("stats", "broken"),
        ("diff", "broken", "shop"),
        ("diff", "shop", "broken"),
        ("generate", "broken", "--target", "markdown", "-o", "out"),
        ("live-check", "broken", "-"),
    ],
    ids=" ".join,
)
def test_faults_inside_a_registry_are_findings(weft, shop, broken, command):
    done = weft("weaver", *command, "--json")
    assert (done.code, ids(done)) == (1, ["UnresolvedAttributeRef"])
    assert done.json["error"]["message"].endswith("the registry has 1 error")
    people = weft("weaver", *command)
    assert (people.code, people.out) == (1, "")
    assert "error: UnresolvedAttributeRef: " in people.err


def test_resolve_gives_json_to_everybody(weft, shop):
    people, programs = weft("weaver", "resolve", shop), weft("weaver", "resolve", shop, "--json")
    assert json.loads(people.out) == programs.json
    assert {each["name"] for each in programs.json["catalog"]} == {"shop.channel", "shop.size"}


@pytest.mark.parametrize("how", [(), ("--json",)], ids=["people", "programs"])
def test_numbers_that_json_cannot_say_are_texts(weft, registry, how):
    """YAML has them, JSON has not: a strict reader would refuse all of the answer."""
    odd = registry("odd", SHOP.replace("[3]", "[3], annotations: {n: [.nan, .inf, -.inf, 1.5]}"))

    def refuse(word: str) -> None:
        pytest.fail(f"{word} is not JSON")

    resolved = json.loads(weft("weaver", "resolve", odd, *how).out, parse_constant=refuse)
    sizes = [each for each in resolved["catalog"] if each["name"] == "shop.size"]
    assert {tuple(each["annotations"]["n"]) for each in sizes} == {(".nan", ".inf", "-.inf", 1.5)}


def test_stats_are_numbers(weft, shop):
    done = weft("weaver", "stats", shop, "--json")
    expected = {"attributes": 2, "metrics": 1, "spans": 1, "events": 0, "entities": 0, "groups": 2}
    assert expected.items() <= done.json.items()
    assert done.json["breakdown"]["units"] == {"{order}": 1}
    people = weft("weaver", "stats", shop)
    assert (people.code, "attribute types: 1 enum, 1 int" in people.out) == (0, True)
    assert re.search(r"(?m)^metrics +1$", people.out)
    assert "stability of event" not in people.out


def test_diff_tells_what_has_changed(weft, shop, registry):
    later = registry(
        "later",
        SHOP.replace('"{order}"', '"1"').replace(
            "examples: [3]}",
            "deprecated: {reason: renamed, renamed_to: shop.items}}\n"
            "  - {key: shop.items, type: int, brief: How many., stability: stable}",
        ),
    )
    done = weft("weaver", "diff", shop, later, "--json")
    assert done.code == 0
    assert done.json["changes"]["metrics"] == [
        {
            "kind": "updated",
            "name": "shop.orders",
            "fields": [{"field": "unit", "old": "{order}", "new": "1"}],
        }
    ]
    people = weft("weaver", "diff", shop, later).out
    assert re.search(r"renamed +attributes +shop.size → shop.items\n", people)
    assert 'shop.orders: unit "{order}" → "1"' in people


def test_diff_of_equal_registries(weft, shop):
    done = weft("weaver", "diff", shop, shop)
    assert (done.code, done.out.splitlines()[-1]) == (0, "nothing has changed")


# ── generate ─────────────────────────────────────────────────────────────────────────────────


def test_generate_python(weft, shop):
    done = weft("weaver", "generate", shop, "--target", "python", "-o", "made/names.py", "--json")
    assert (done.code, done.json) == (0, {"files": ["made/names.py"]})
    names: dict[str, object] = {"__name__": "names"}
    exec(Path("made/names.py").read_text(), names)
    assert names["SHOP_SIZE"] == "shop.size"


def test_generate_markdown(weft, shop):
    done = weft("weaver", "generate", shop, "--target", "markdown", "-o", "pages")
    assert (done.code, "wrote pages/metrics.md\n" in done.out) == (0, True)
    assert "shop.orders" in Path("pages/metrics.md").read_text()


def test_generate_by_templates(weft, shop, folder):
    pytest.importorskip("jinja2")
    (folder / "own").mkdir()
    (folder / "own" / "list.txt.j2").write_text("{{ registry.attributes | join(' ') }}\n")
    done = weft("weaver", "generate", shop, "--target", "own", "-o", "out")
    assert (done.code, done.out) == (0, "wrote out/list.txt\n")
    assert Path("out/list.txt").read_text() == "shop.channel shop.size\n"


def test_a_target_that_is_no_folder_of_templates(weft, shop):
    pytest.importorskip("jinja2")
    done = weft("weaver", "generate", shop, "--target", "own", "-o", "out")
    assert (done.code, "own: no templates" in done.err) == (2, True)


def test_without_the_library_the_extra_of_the_project_is_named(weft, shop, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    done = weft("weaver", "generate", shop, "--target", "own", "-o", "out")
    named = re.search(r"the extra '(\w+)'", done.err)
    assert done.code == 2
    assert named is not None
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert re.search(rf'(?m)^{named[1]} = \["jinja2', project)


def test_two_names_that_are_one_in_python_are_a_fault_of_the_registry(weft, registry):
    both = "attributes:\n" + "".join(
        f"  - {{key: {key}, type: int, brief: B., stability: stable}}\n" for key in ("a.b", "a_b")
    )
    made = registry("both", "file_format: definition/2\n" + both)
    done = weft("weaver", "generate", made, "--target", "python", "-o", "t.py", "--json")
    assert (done.code, set(done.json), Path("t.py").exists()) == (1, {"error"}, False)


def test_a_place_that_cannot_be_written_is_the_operators(weft, shop, folder):
    (folder / "file").write_text("")
    done = weft("weaver", "generate", shop, "--target", "markdown", "-o", "file/below", "--json")
    assert (done.code, done.json["error"]["code"]) == (5, "io")


def test_a_file_that_leads_out_of_the_folder_is_refused(weft, shop):
    done = weft("weaver", "generate", shop, "--target", "python", "-o", "..")
    assert (done.code, "leads out of the folder" in done.err) == (2, True)


# ── live-check ───────────────────────────────────────────────────────────────────────────────


def test_what_is_declared_passes(weft, shop, emitted):
    done = weft("weaver", "live-check", shop, emitted(GOOD))
    seen = "2 attributes, 1 metric, 1 number data point, 1 span"
    assert (done.code, done.err) == (0, "")
    assert done.out == f"passed: no findings; seen {seen}; 100% of the registry\n"


def test_what_is_not_declared_fails_where_it_was_emitted(weft, shop, emitted):
    done = weft("weaver", "live-check", shop, emitted(BAD))
    assert done.code == 1
    assert "shop.py:12: violation: type_mismatch: " in done.out
    assert "violation: missing_attribute: " in done.out
    assert done.out.splitlines()[-1].startswith("failed: 2 violations")


def test_a_finding_without_a_place_names_its_signal_and_says_how_often(weft, shop, emitted):
    sample = {"metric": {"name": "shop.stock", "instrument": "gauge", "unit": "1"}}
    done = weft("weaver", "live-check", shop, emitted([sample, sample]))
    assert re.search(
        r"(?m)^metric shop.stock: violation: missing_metric: .* \(2 times\)$", done.out
    )


def test_the_answer_for_programs(weft, shop, emitted):
    answer = weft("weaver", "live-check", shop, emitted(BAD), "--json").json
    assert (answer["passed"], answer["statistics"]["total_entities_by_type"]) == (
        False,
        {"attribute": 2, "span": 1},
    )
    first = answer["findings"][0]
    assert (first["file"], first["line"], first["times"], first["known"]) == (
        *("shop.py", 12),
        *(1, False),
    )


@pytest.mark.parametrize("arguments", [["-"], []], ids=["dash", "nothing"])
def test_samples_come_from_standard_input(weft, shop, monkeypatch, arguments):
    stream = io.TextIOWrapper(io.BytesIO(json.dumps(BAD).encode()))
    monkeypatch.setattr(sys, "stdin", stream)
    assert "type_mismatch" in ids(weft("weaver", "live-check", shop, *arguments, "--json"))


def test_a_closed_standard_input(weft, shop, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    done = weft("weaver", "live-check", shop)
    assert (done.code, "standard input is closed" in done.err) == (2, True)


def test_bad_samples_are_told_by_their_place(weft, shop, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\x00junk")))
    done = weft("weaver", "live-check", shop)
    assert (done.code, "<stdin>" in done.err) == (2, True)


def test_an_empty_stream_fails_unless_allowed(weft, shop, emitted):
    done = weft("weaver", "live-check", shop, emitted([]))
    assert (done.code, "empty_stream" in done.out, "seen nothing" in done.out) == (1, True, True)
    assert weft("weaver", "live-check", shop, "seen.json", "--allow-empty").code == 0


COLOUR = [{"attribute": {"name": "shop.channel", "value": "pigeon"}}]


@pytest.mark.parametrize(
    ("level", "code"), [("violation", 0), ("improvement", 0), ("information", 1), ("none", 0)]
)
def test_the_level_to_fail_on(weft, shop, emitted, level, code):
    assert LEVELS["undefined_enum_variant"] is Level.INFORMATION
    done = weft("weaver", "live-check", shop, emitted(COLOUR), "--fail-on", level)
    assert (done.code, "information: undefined_enum_variant: " in done.out) == (code, True)
    assert ("'pigeon'" in done.out) == (level == "information")


def test_what_fails_nothing_is_told_in_numbers_unless_more_is_asked_for(weft, shop, emitted):
    samples = [
        {"attribute": {"name": "shop.channel", "value": value}} for value in ("owl", "raven", "owl")
    ]
    done = weft("weaver", "live-check", shop, emitted(samples))
    numbers = "information: undefined_enum_variant: 2 findings, 3 times (--verbose tells each)"
    assert done.out.splitlines()[0] == numbers
    assert "'owl'" not in done.out
    each = weft("weaver", "live-check", shop, "seen.json", "--verbose").out.splitlines()
    assert len(each) == 3
    assert each[0].endswith("'owl' which is not documented. (2 times)")
    # What fails is always told, and a check that nothing fails still tells violations.
    for fail_on in ("violation", "none"):
        told = weft("weaver", "live-check", shop, emitted(BAD), "--fail-on", fail_on).out
        assert "violation: type_mismatch: Attribute" in told


def test_nothing_fails_on_none(weft, shop, emitted):
    assert weft("weaver", "live-check", shop, emitted(BAD), "--fail-on", "none").code == 0


def test_expected_signals(weft, shop, emitted):
    seen = emitted(GOOD[:1])
    expect = ["--expect", "span:shop.take", "--expect", "metric:shop.*"]
    done = weft("weaver", "live-check", shop, seen, *expect)
    assert (done.code, "'shop.orders' was expected" in done.out) == (1, True)
    assert "'shop.take'" not in done.out
    assert weft("weaver", "live-check", shop, seen, "--expect", "span:shop.take").code == 0
    assert weft("weaver", "live-check", shop, seen, "--expect", "trace:x").code == 2


def test_a_ratchet_lets_known_findings_pass_and_no_new_ones(weft, shop, emitted):
    ratchet = ["--ratchet", "ratchet.json"]
    some, all_of_them = emitted(BAD[:1], "some.json"), emitted(BAD, "all.json")
    assert weft("weaver", "live-check", shop, some, *ratchet).code == 1
    assert not Path("ratchet.json").exists()
    made = weft("weaver", "live-check", shop, some, *ratchet, "--update-ratchet")
    assert (made.code, "no findings, and 1 known" in made.out) == (0, True)
    assert weft("weaver", "live-check", shop, some, *ratchet).code == 0
    new = weft("weaver", "live-check", shop, all_of_them, *ratchet, "--json")
    assert new.code == 1
    assert {f["id"]: f["known"] for f in new.json["findings"]} == {
        "type_mismatch": True,
        "missing_attribute": False,
    }


def test_a_ratchet_can_be_tightened(weft, shop, emitted):
    update = ["--ratchet", "ratchet.json", "--update-ratchet"]
    assert weft("weaver", "live-check", shop, emitted(BAD), *update).code == 0
    done = weft("weaver", "live-check", shop, emitted(GOOD), *update[:2])
    assert (done.code, "2 findings of the ratchet not found any more" in done.out) == (0, True)
    assert weft("weaver", "live-check", shop, "seen.json", *update).code == 0
    assert json.loads(Path("ratchet.json").read_text())["known"] == []


def test_an_empty_stream_never_empties_a_ratchet(weft, shop, emitted):
    update = ["--ratchet", "ratchet.json", "--update-ratchet"]
    weft("weaver", "live-check", shop, emitted(BAD), *update)
    before = Path("ratchet.json").read_text()
    done = weft("weaver", "live-check", shop, emitted([]), *update)
    assert (done.code, "left as it is" in done.err) == (1, True)
    assert Path("ratchet.json").read_text() == before


def test_a_file_that_is_no_ratchet_is_not_written_over(weft, shop, emitted, folder):
    (folder / "notes.json").write_text('{"mine": 1}')
    options = ["--ratchet", "notes.json", "--update-ratchet"]
    assert weft("weaver", "live-check", shop, emitted(BAD), *options).code == 2
    assert (folder / "notes.json").read_text() == '{"mine": 1}'


def test_a_ratchet_that_cannot_be_written(weft, shop, emitted):
    options = ["--ratchet", "nowhere/ratchet.json", "--update-ratchet"]
    assert weft("weaver", "live-check", shop, emitted(BAD), *options).code == 5


def test_to_update_a_ratchet_there_must_be_one(weft, shop, emitted):
    done = weft("weaver", "live-check", shop, emitted(BAD), "--update-ratchet")
    assert (done.code, "--ratchet FILE" in done.err) == (2, True)


def test_findings_too_many_to_keep_are_counted(weft, shop, emitted, monkeypatch):
    monkeypatch.setattr("weft.weaver.livecheck.MAX_DISTINCT_FINDINGS", 1)
    done = weft("weaver", "live-check", shop, emitted(BAD))
    assert (done.code, "… and 1 more finding\n" in done.out) == (1, True)


# ── the command line ─────────────────────────────────────────────────────────────────────────


def test_help_does_not_load_the_library():
    """What a command needs is imported when it is used, so that help is quick."""
    script = (
        "import sys; from weft.cli import main; "
        "main(['weaver', 'check', '--help']); "
        "print(sorted(m for m in sys.modules if m.startswith('weft.weaver.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "--policies [=PACKAGES]" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


# ── the corpus, through the command ──────────────────────────────────────────────────────────

CORPUS = (
    Path(os.environ.get("WEFT_CORPUS", Path(__file__).parents[2].parent / "shared" / "corpus"))
    / "weaver"
)
ROW = re.compile(r"\| `(?P<path>[^`]+)` \| (?P<verdict>[^|]+) \| (?P<diagnostics>[^|]*) \|")


@attrs.frozen
class Case:
    path: str
    accepted: bool

    @property
    def arguments(self) -> list[object]:
        """The registry and its options, as upstream checks this case."""
        at = CORPUS / self.path
        match self.path.split("/"):
            case ["resolver", *_]:
                return [at / "registry"]
            case ["policies", "backwards-compatibility", *_]:
                return [at / "current", "--baseline", at / "base"]
            case ["policies", package, *_]:
                return ["--policies", package, at / "current"]
            case _:
                return [at]


def corpus() -> list[Case]:
    table = CORPUS / "expected.md"
    if not table.exists():
        return []
    rows = filter(None, (ROW.fullmatch(line.strip()) for line in table.read_text().splitlines()))
    return [
        Case(
            row["path"],
            # Duplicate ids are rejected by a later version, and warned of until then.
            row["verdict"].startswith(("ACCEPTED", "WARN"))
            or "DuplicateGroupId" in row["diagnostics"],
        )
        for row in rows
    ]


CASES = corpus()


@pytest.mark.skipif(not CASES, reason=f"no corpus at {CORPUS} (set WEFT_CORPUS)")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.path)
def test_a_case_of_the_corpus_exits_as_listed(weft, case):
    done = weft("weaver", "check", *case.arguments, "--json")
    assert done.code == (0 if case.accepted else 1)
    assert done.json["accepted"] is case.accepted

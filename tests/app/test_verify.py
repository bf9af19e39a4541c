"""`weft verify`, the gate before a first case, SARIF, and the helper for tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import weft as api
from weft.cli.sarif import sarif_log
from weft.engine.verify import gate
from weft.schema.errors import DefinitionError
from weft.testing import assert_sound, specifications

SOUND = "weft: 1\nname: good\nsequence:\n  - shell: ['true']\n  - shell: ['true']\n"
STUCK = """\
weft: 1
name: stuck
net:
  start: a
  tasks:
    a: {shell: ['true'], then: {exclusive-choice: [{when: "x > 1", to: b}, {to: c}]}}
    b: {shell: ['true'], then: d}
    c: {shell: ['true'], then: d}
    d: {join: synchronization, shell: ['true']}
data: {x: {type: integer, default: 0}}
"""
WIDE = (
    """\
weft: 1
name: wide
net:
  start: a
  tasks:
    a: {then: {parallel-split: [b, c, d, e, f, g, h]}}
"""
    + "".join(
        f"    {t}: {{person: {{title: x}}, then: z, retry: {{attempts: 3, delay: 1s}}}}\n"
        for t in "bcdefgh"
    )
    + """\
    z: {join: synchronization, person: {title: z}}
  patterns:
    - critical-section: {regions: [[b], [c, d]]}
"""
)
NET = """<pnml><net id="n" type="ptnet">
  <place id="i"><initialMarking><text>1</text></initialMarking></place><place id="p"/><place id="o"/>
  <transition id="t"/><transition id="u"/>
  <arc id="1" source="i" target="t"/><arc id="2" source="t" target="p"/>
  <arc id="3" source="p" target="u"/><arc id="4" source="u" target="o"/>
</net></pnml>"""


@pytest.fixture
def write(folder):
    def written(name: str, text: str):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return written


def test_a_sound_specification(weft, write):
    done = weft("verify", write("s.yaml", SOUND), "--json")
    assert done.code == 0
    assert done.json == {
        "file": str(write("s.yaml", SOUND)),
        "name": "good",
        "sound": True,
        "option_to_complete": True,
        "proper_completion": True,
        "bounded": True,
        "safe": True,
        "dead_transitions": [],
        "deadlocks": [],
        "states": done.json["states"],
        "abstractions": [],
        "diagnostics": [],
        "undecided": None,
    }
    assert "good is sound" in weft("verify", "s.yaml").out


def test_an_unsound_one_shows_the_shortest_way_there_and_it_can_be_drawn(weft, write):
    write("s.yaml", STUCK)
    done = weft("verify", "s.yaml", "--json")
    assert (done.code, done.json["sound"]) == (1, False)
    path = done.json["deadlocks"][0]["path"]
    assert path == ["a.start", "a.complete", "a.then.choice 1", "b.start", "b.complete"]
    assert done.json["deadlocks"][0]["marking"] == {"b>d": 1}
    codes = {d["code"]: d for d in done.json["diagnostics"]}
    assert set(codes) == {"deadlock", "dead-task"}
    assert codes["deadlock"]["where"] == "s.yaml:9:5"
    people = weft("verify", "s.yaml")
    assert (people.code, "NOT SOUND" in people.out) == (1, True)
    assert "a thread from 'b' to 'd'" in people.out
    assert "each condition may be true or false" in people.out
    assert weft("draw", "s.yaml", "-o", "path.dot", "--path", ",".join(path)).code == 0


def test_a_plain_net(weft, write):
    assert weft("verify", write("n.pnml", NET)).code == 0
    broken = NET.replace('<arc id="4"', '<arc id="5" source="o" target="u"/><arc id="4"')
    done = weft("verify", write("b.pnml", broken), "--json")
    assert (done.code, done.json["option_to_complete"]) == (1, False)
    assert [d["code"] for d in done.json["diagnostics"]] == ["no-end", "dead-transition"]


def test_a_bound_that_is_reached_leaves_it_undecided(weft, write):
    done = weft("verify", write("w.yaml", WIDE), "--max-states", 5, "--json")
    assert (done.code, done.json["sound"]) == (4, None)
    assert "more than 5 states" in done.json["undecided"]


def test_of_several_files_the_gravest_counts(weft, write):
    write("s.yaml", SOUND)
    write("t.yaml", STUCK)
    write("bad.yaml", "weft: 1\n")
    assert weft("verify", "s.yaml", "t.yaml").code == 1
    done = weft("verify", "s.yaml", "bad.yaml", "t.yaml", "--json")
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert (done.code, [line.get("sound") for line in lines]) == (2, [True, None, False])
    alone = weft("verify", "bad.yaml", "--json")
    assert (alone.code, set(alone.json)) == (2, {"error"})


def test_sarif_has_what_code_hosts_ask_for(weft, write):
    write("t.yaml", STUCK)
    write("bad.yaml", "weft: 1\nname: [\n")
    assert weft("verify", "t.yaml", "bad.yaml", "--sarif", "out.sarif").code == 2
    log = json.loads(Path("out.sarif").read_text())
    assert (log["version"], "sarif-schema-2.1.0" in log["$schema"]) == ("2.1.0", True)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["name"] == "weft"
    assert all(rule["shortDescription"]["text"] for rule in rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"]
        (location,) = result["locations"]
        assert location["physicalLocation"]["artifactLocation"]["uri"] in ("t.yaml", "bad.yaml")
        assert location["physicalLocation"]["region"]["startLine"] >= 1
    deadlock = next(r for r in run["results"] if r["ruleId"] == "deadlock")
    steps = deadlock["codeFlows"][0]["threadFlows"][0]["locations"]
    assert steps[0]["location"]["message"]["text"] == "a.start"
    assert deadlock["locations"][0]["logicalLocations"][0]["name"] == "d"


def test_sarif_keeps_to_the_essentials_of_its_schema(weft, write):
    """What SARIF 2.1.0 requires of each object that is written, and forbids beside it."""
    write("t.yaml", STUCK)
    weft("verify", "t.yaml", "--sarif", "out.sarif")
    allowed = {
        "log": ({"version", "runs"}, {"$schema"}),
        "run": ({"tool"}, {"results", "columnKind"}),
        "driver": ({"name"}, {"semanticVersion", "rules"}),
        "rule": ({"id"}, {"shortDescription"}),
        "result": (
            {"message"},
            {"ruleId", "ruleIndex", "level", "locations", "codeFlows"},
        ),
        "location": (set(), {"physicalLocation", "logicalLocations", "message"}),
        "region": (set(), {"startLine", "startColumn"}),
        "flow": ({"threadFlows"}, set()),
        "thread": ({"locations"}, set()),
        "step": (set(), {"location"}),
    }

    def keeps(kind: str, found: dict) -> None:
        required, optional = allowed[kind]
        assert required <= set(found) <= required | optional, (kind, found)

    log = json.loads(Path("out.sarif").read_text())
    keeps("log", log)
    (run,) = log["runs"]
    keeps("run", run)
    assert run["columnKind"] in ("utf16CodeUnits", "unicodeCodePoints")
    keeps("driver", run["tool"]["driver"])
    ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(set(ids)) == len(ids)
    for rule in run["tool"]["driver"]["rules"]:
        keeps("rule", rule)
    assert run["results"]
    for result in run["results"]:
        keeps("result", result)
        for location in result["locations"]:
            keeps("location", location)
            keeps("region", location["physicalLocation"].get("region", {}))
        for flow in result.get("codeFlows", ()):
            keeps("flow", flow)
            for thread in flow["threadFlows"]:
                keeps("thread", thread)
                assert thread["locations"]
                for step in thread["locations"]:
                    keeps("step", step)
                    keeps("location", step["location"])


def test_sarif_of_what_has_no_line_or_is_undecided(folder):
    report = api.verify(api.loads(WIDE), max_states=5)
    elsewhere = DefinitionError("no", code="x")
    log = sarif_log([(folder / "w.yaml", report), (folder.parent / "e.yaml", elsewhere)])
    undecided, error = log["runs"][0]["results"]
    assert (undecided["ruleId"], undecided["level"]) == ("undecided", "warning")
    location = undecided["locations"][0]["physicalLocation"]
    assert location == {"artifactLocation": {"uri": "w.yaml"}}
    uri = error["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri.startswith("file:///")


# ── the gate ─────────────────────────────────────────────────────────────────────────────────


def test_no_case_of_an_unsound_specification_starts_unless_it_is_asked_for(weft, write):
    write("s.yaml", STUCK)
    refused = weft("run", "s.yaml", "--json")
    assert refused.code == 2
    assert "stuck 1 is not sound" in refused.json["error"]["message"]
    assert weft("list", "--json").json["cases"] == []
    done = weft("run", "s.yaml", "--unverified", "--json")
    assert (done.code, done.json["status"]) == (1, "deadlocked")


def test_the_gate_in_programs(folder):
    spec = api.loads(STUCK)
    with pytest.raises(api.DefinitionErrors, match="stuck 1 is not sound") as refused:
        api.run(spec)
    assert {f.code for f in refused.value.faults} == {"unsound", "deadlock", "dead-task"}
    assert refused.value.faults[1].line == 9
    assert api.run(spec, unverified=True).status == "deadlocked"
    with api.open() as engine:
        compiled = engine.add(spec)
        with pytest.raises(api.DefinitionErrors):  # the answer is known by the net's hash
            engine.start(compiled)
        assert engine.run(spec, unverified=True).status == "deadlocked"


def test_a_part_that_can_never_be_used_is_a_reason_too(weft, write):
    never = STUCK.replace("x > 1", "false").replace("join: synchronization, ", "")
    write("s.yaml", never)
    refused = weft("run", "s.yaml")
    assert refused.code == 2
    lines = refused.err.splitlines()
    assert lines[0] == "Error: no case of stuck 1 starts (3 faults)"
    assert lines[1].startswith("s.yaml: stuck 1 is not sound; `unverified`")
    assert "the branch 'a.then.choice 1' can never be taken: false" in lines[2]
    assert lines[3] == "s.yaml:7:5: task 'b' can never start"
    assert weft("run", "s.yaml", "--unverified").code == 0


def test_what_is_undecided_or_doubtful_starts_with_a_warning(folder, caplog, monkeypatch):
    monkeypatch.setattr(gate, "MAX_STATES", 5)
    monkeypatch.setattr(gate, "KEPT", 1)
    monkeypatch.setattr(gate, "_verdicts", type(gate._verdicts)())
    with api.open() as engine:
        engine.start(api.loads(WIDE))
        assert "is undecided: net 'net' has more than 5 states" in caplog.text
        told = len(caplog.records)
        engine.start(api.loads(WIDE))  # told once
        assert len(caplog.records) == told
        choice = """\
weft: 1
name: choice
net:
  start: a
  tasks:
    a: {then: {deferred-choice: [b, c]}}
    b: {person: {title: x}}
    c: {shell: ['true']}
"""
        engine.start(api.loads(choice))
        assert "automatic-alternative" in caplog.text
        assert len(gate._verdicts) == 1


# ── in tests ─────────────────────────────────────────────────────────────────────────────────


def test_the_helper_for_tests(folder, write):
    write("flows/s.yaml", SOUND)
    write("flows/n.pnml", NET)
    write("flows/other.yaml", "key: value\n")
    assert [p.name for p in specifications("flows")] == ["n.pnml", "s.yaml"]
    assert_sound("flows")
    write("flows/t.yaml", STUCK)
    write("flows/u.yaml", "weft: 1\nname: x\n")
    with pytest.raises(AssertionError) as failed:
        assert_sound("flows")
    text = str(failed.value)
    assert "t.yaml: stuck is not sound" in text
    assert "deadlock" in text
    assert "u.yaml" in text
    with pytest.raises(AssertionError, match="undecided"):
        assert_sound(write("w.yaml", WIDE), max_states=5)
    assert_sound("w.yaml", max_states=5, undecided=True)
    with pytest.raises(AssertionError, match="no specification"):
        assert_sound()
    with pytest.raises(api.UsageError, match="no folder"):
        specifications("nowhere")
    doubtful = write(
        "c.yaml",
        STUCK.replace("exclusive-choice", "deferred-choice")
        .replace('[{when: "x > 1", to: b}, {to: c}]', "[b, c]")
        .replace("join: synchronization, ", ""),
    )
    assert_sound(doubtful)
    with pytest.raises(AssertionError, match="has findings"):
        assert_sound(doubtful, warnings=False)


def test_the_bound_is_checked(folder):
    with pytest.raises(api.UsageError, match="at least 1"):
        api.verify(api.loads(SOUND), max_states=0)

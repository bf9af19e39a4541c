"""Cases as event logs: what is in them, and that a log replays on the net that it came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

import weft
from weft.cli import main
from weft.engine.verify.plain import plain_net
from weft.schema.pnml import read_pnml_file

ORDER = """
weft: 1
name: order
data: {ok: {type: boolean, default: true}}
net:
  start: check
  tasks:
    check: {person: Check, then: {parallel-split: [pack, bill]}}
    pack: {person: Pack, then: ship}
    bill: {net: billing, then: ship}
    ship: {join: synchronization, then: {exclusive-choice: [{when: ok, to: send}, {to: keep}]}}
    send: {wait: 1h, then: done}
    keep: {}
    done: {person: "Done?", timeout: 1h, on-timeout: late}
    late: {}
nets:
  billing: {start: write, tasks: {write: {person: Write}}}
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with a case that is done and one that has begun; the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("order.yaml").write_text(ORDER)
    with weft.open("sqlite:///cases.db", seed=3) as engine:
        first = engine.start(weft.load("order.yaml"), case="order-1")
        engine.start(weft.load("order.yaml"), case="order-2")
        first.claim("check/1", "ann & <bob>")
        for task in ("check", "write", "pack"):
            first.complete(
                next(i.id for i in first.work_items if i.task == task), {}, by="ann & <bob>"
            )
        first.wait(timers=True)
        assert first.status == "completed"
    return tmp_path


def asked(*arguments: str) -> None:
    assert main([*arguments, "--store", "sqlite:///cases.db"]) == 0


def test_xes(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked("export", "log.xes")
    assert "2 cases" in capsys.readouterr().out
    log = etree.parse("log.xes").getroot()
    first, second = log.findall("{*}trace")
    keys = [{x.get("key"): x.get("value") for x in event} for event in first.findall("{*}event")]
    told = [(k["concept:name"], k["lifecycle:transition"]) for k in keys]
    assert told[:3] == [("check", "schedule"), ("check", "assign"), ("check", "start")]
    assert ("write", "complete") in told  # of the net that a task ran
    assert ("done", "ate_abort") in told
    assert keys[1]["org:resource"] == "ann & <bob>"
    times = [k["time:timestamp"] for k in keys]
    assert times == sorted(times)
    assert len(second.findall("{*}event")) == 1


def test_ocel(store: Path) -> None:
    asked("export", "log.ocel.json", "order-1")
    log: Any = json.loads(Path("log.ocel.json").read_text())
    types = {t["name"] for t in log["objectTypes"]}
    assert types == {"case of order", "work item", "person"}
    known = {o["id"]: o for o in log["objects"]}
    assert all(o["type"] in types for o in known.values())
    assert {e["type"] for e in log["events"]} <= {t["name"] for t in log["eventTypes"]}
    assert len({e["id"] for e in log["events"]}) == len(log["events"])
    for each in [*log["events"], *log["objects"]]:
        assert all(r["objectId"] in known for r in each["relationships"])


def test_firings_replay_on_the_net(store: Path) -> None:
    asked("export", "log.xes", "order-1", "--firings")
    assert main(["convert", "order.yaml", "order.pnml"]) == 0
    net = plain_net(read_pnml_file("order.pnml"))
    by_name = {t.name: t for t in net.transitions}
    marking = {place.name: place.tokens for place in net.places}
    events = etree.parse("log.xes").getroot().findall("{*}trace/{*}event")
    assert len(events) > 10
    for event in events:
        (name,) = [x.get("value") for x in event if x.get("key") == "concept:name"]
        t = by_name[name]
        assert all(marking[arc.place] >= arc.weight for arc in (*t.take, *t.needs)), name
        assert all(marking[arc.place] < arc.weight for arc in t.lacks), name
        for arc in t.take:
            marking[arc.place] -= arc.weight
        for place in t.clear:
            marking[place] = 0
        for arc in t.put:
            marking[arc.place] += arc.weight
    assert {place for place, tokens in marking.items() if tokens} == {"end"}


def test_only_cases_of_one_specification_and_only_known_formats(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked("export", "none.xes", "--specification", "other", "--json")
    assert json.loads(capsys.readouterr().out) == {
        "file": "none.xes", "format": "XES", "cases": 0, "events": 0
    }  # fmt: skip
    for arguments, said in (
        (["export", "log.csv"], "known: .xes, .ocel.json"),
        (["export", "log.xes", "order-9"], "there is no case 'order-9'"),
    ):
        assert main([*arguments, "--store", "sqlite:///cases.db"]) != 0
        assert said in capsys.readouterr().err


def test_a_net_that_pnml_has_no_words_for_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "many.yaml"
    file.write_text(
        "weft: 1\nname: many\ndata: {xs: array}\nnet: {start: a, tasks: "
        "{a: {for-each: xs, person: A}}}\n"
    )
    assert main(["convert", str(file), str(tmp_path / "many.pnml")]) == 2
    assert "PNML cannot say" in capsys.readouterr().err

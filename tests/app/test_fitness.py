"""Another tool's word for it: pm4py replays exported logs on exported nets, with fitness 1.0.

pm4py is AGPL, so it is no dependency of any kind: it lives in an environment of its own
(``make fitness`` makes one in build/pm4py), and ``WEFT_PM4PY`` names the Python in it. Without that
this is skipped.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path

import pytest

import weft
from weft.cli import main

PYTHON = os.environ.get("WEFT_PM4PY")
pytestmark = pytest.mark.skipif(PYTHON is None, reason="WEFT_PM4PY names no Python with pm4py")

REPLAY = """
import json, sys, warnings
warnings.filterwarnings("ignore")
import pm4py
from pm4py.objects.petri_net.obj import Marking
log = pm4py.read_xes(sys.argv[1])
net, initial, _ = pm4py.read_pnml(sys.argv[2])
final = Marking({p: 1 for p in net.places if p.name == "end"})
assert final, "the net has no place called end"
tokens = pm4py.fitness_token_based_replay(log, net, initial, final)
aligned = pm4py.fitness_alignments(log, net, initial, final)
print(json.dumps({"cases": log["case:concept:name"].nunique(), "events": len(log),
                  "tokens": tokens["log_fitness"], "alignments": aligned["log_fitness"]}))
"""

NETS = {
    "parallel": """
start: check
tasks:
  check: {person: Check, then: {parallel-split: [pack, bill]}}
  pack: {person: Pack, then: ship}
  bill: {net: billing, then: ship}
  ship: {join: synchronization, then: {exclusive-choice: [{when: ok, to: send}, {to: keep}]}}
  send: {person: Send, then: done}
  keep: {then: done}
  done: {person: "Done?"}
""",
    "looping": """
start: draft
tasks:
  draft: {join: multi-merge, person: Draft, then: {deferred-choice: [accept, reject]}}
  accept: {person: Accept, then: {multi-choice: [{when: ok, to: print}, {to: store}]}}
  reject: {person: Reject, then: draft}
  print: {person: Print}
  store: {person: Store}
""",
    "nested": """
start: open
tasks:
  open: {then: {parallel-split: [one, choose]}}
  one: {person: One, then: two}
  two: {person: Two, then: close}
  choose: {then: {deferred-choice: [left, right]}}
  left: {person: Left, then: joined}
  right: {person: Right, then: joined}
  joined: {join: simple-merge, then: close}
  close: {join: synchronization, person: Close}
""",
}
FILE = """
weft: 1
name: {name}
data: {{ok: {{type: boolean, default: true}}}}
net:{net}
"""
BELOW = "nets: {billing: {start: write, tasks: {write: {person: Write}}}}\n"


@pytest.mark.parametrize("name", NETS)
def test_pm4py_finds_that_logs_fit_their_nets(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    net = NETS[name].replace("\n", "\n  ")
    below = BELOW if "net: billing" in net else ""
    Path("it.yaml").write_text(FILE.format(name=name, net=net) + below)
    with weft.open("sqlite:///cases.db", seed=1) as engine:
        for seed in range(12):
            choose = random.Random(seed)
            case = engine.start(weft.load("it.yaml"), {"ok": choose.random() < 0.5})
            for _ in range(60):
                offered = [i for i in case.work_items if i.status == "offered"]
                if case.status != "running" or not offered:
                    break
                case.complete(choose.choice(offered).id, {})
            assert case.status == "completed"
    store = ["--store", "sqlite:///cases.db"]
    assert main(["export", "log.xes", "--firings", *store]) == 0
    assert main(["convert", "it.yaml", "it.pnml"]) == 0
    assert PYTHON is not None
    done = subprocess.run(
        [PYTHON, "-c", REPLAY, "log.xes", "it.pnml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["cases"] == 12
    assert answer["tokens"] == 1.0
    assert answer["alignments"] == 1.0
    print(name, answer)

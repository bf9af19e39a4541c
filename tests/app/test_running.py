"""run, resume, suspend, cancel: what a run is given, and what it answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import weft as package
from tests.app.conftest import FAILS
from weft.cli import describe
from weft.cli.driving import drive
from weft.cli.output import Screen
from weft.cli.running import check_decisions, parameter_value
from weft.schema.datatypes import DataType, Variable

CONTRACT = {
    *("case", "specification", "status", "idle", "data", "work_items", "events", "seconds"),
    "error",
}


def test_the_answer_of_run_is_the_contract(weft, row):
    answer = weft("run", row, "--case", "c", "--json").json
    assert set(answer) == CONTRACT
    assert answer["case"] == "c"
    assert answer["specification"] == {"name": "row", "version": "1"}
    assert (answer["status"], answer["idle"], answer["error"]) == ("completed", False, None)
    assert answer["data"]["step_2"]["stdout"] == "two\n"
    assert answer["work_items"] == []
    assert answer["events"] == 6
    assert answer["seconds"] > 0


def test_a_run_tells_its_steps_and_what_to_try_next(weft, row):
    done = weft("run", row, "--case", "c")
    lines = done.out.splitlines()
    assert [line.split()[1:3] for line in lines[:4]] == [
        ["step-1", "started"],
        ["step-1", "completed"],
        ["step-2", "started"],
        ["step-2", "completed"],
    ]
    assert "status   completed after" in done.out
    assert "kept     in sqlite:///.weft/weft.db" in done.out
    assert Path(".weft/weft.db").exists()
    assert "weft history c " in done.out


def test_quiet_tells_only_the_result(weft, row):
    assert weft("run", row, "--quiet").out.splitlines()[1].startswith("case ")


@pytest.mark.parametrize(
    ("status", "commands"),
    [
        ("completed", ["history c", "run --replay c", "list"]),
        ("failed", ["status c", "history c", "resume c"]),
        ("waiting", ["complete c:ask/1 --data", "worklist", "status c"]),
    ],
)
def test_three_commands_to_try_next(weft, row, fails, asks, status, commands):
    path = {"completed": row, "failed": fails, "waiting": asks}[status]
    out = weft("run", path, "--case", "c", "--store", "sqlite:///my store.db").out
    following = out[out.index("next ") :].splitlines()
    assert len(following) == 3
    for line, command in zip(following, commands, strict=True):
        assert f"weft {command}" in line
        assert "--store 'sqlite:///my store.db'" in line


def test_the_commands_to_try_work_as_they_are(weft, asks):
    out = weft("run", asks, "--case", "c").out
    words = out[out.index("complete c:ask/1") :].partition("#")[0].strip()
    assert words == """complete c:ask/1 --data '{"choice": "yes"}'"""
    assert weft("complete", "c:ask/1", "--data", '{"choice": "yes"}').code == 0


def test_the_store_of_the_environment_needs_no_option(weft, row, monkeypatch):
    monkeypatch.setenv("WEFT_STORE", "sqlite:///elsewhere.db")
    assert "--store" not in weft("run", row).out
    assert Path("elsewhere.db").exists()
    assert not Path(".weft").exists()


def test_in_memory_nothing_is_kept(weft, row):
    out = weft("run", row, "--store", "memory:").out
    assert "nowhere" in out
    assert "next" not in out


# ── variables ────────────────────────────────────────────────────────────────────────────────


def test_variables_are_read_by_their_types(weft, asks):
    done = weft("run", asks, "-p", "whom=17", "-p", "count=17", "--json")
    assert done.json["data"]["whom"] == "17"
    assert done.json["data"]["count"] == 17


def test_p_goes_before_data(weft, asks):
    done = weft("run", asks, "--data", '{"whom": "a", "count": 5}', "-p", "whom=b=c", "--json")
    assert done.json["data"]["whom"] == "b=c"
    assert done.json["data"]["count"] == 5


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["-p", "whom"], "KEY=VALUE"),
        (["-p", "count=many"], "count"),
        (["-p", "colour=red"], "'colour' is not a variable"),
        (["--data", "[1]"], "JSON object"),
        (["--data", "{"], "--data is not JSON"),
        (["--data", "[" * 100_000], "--data is not JSON"),
        (["--decide", "ask"], "TASK=CHOICE"),
        (["--decide", "greet=yes"], "'greet' is no task for a person"),
        (["--decide", "ask=perhaps"], "perhaps"),
        (["--decide", "ask=yes", "--decide", "ask=no"], "otherwise before"),
        (["--case", "no id"], "is not a case id"),
        (["--seed", "x"], "--seed"),
    ],
    ids=lambda v: "" if isinstance(v, str) else " ".join(v)[:30],
)
def test_what_a_run_cannot_be_given(weft, asks, arguments, part):
    done = weft("run", asks, *arguments)
    assert done.code == 2
    assert part in done.err
    assert weft("list", "--json").json["cases"] == []


@pytest.mark.parametrize(
    ("text", "declared", "value"),
    [
        ("5", None, 5),
        ("five", None, "five"),
        ("5", "string", "5"),
        ("null", "string", "null"),
        ("null", {"type": "string", "nullable": True}, None),
        ("5", "integer", 5),
        ("true", "boolean", True),
        ("[1]", "array", [1]),
        ("x", "integer", "x"),
        ("", "any", ""),
    ],
)
def test_a_parameter(text, declared, value):
    variable = None if declared is None else Variable("v", DataType.from_declaration(declared))
    assert parameter_value(text, variable) == value


def test_no_task_for_a_person_says_so():
    with pytest.raises(package.UsageError, match="there is none"):
        check_decisions({}, ["a=b"])


# ── decisions ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("choice", "greeted"), [("yes", True), ("no", False)])
def test_a_decision_made_beforehand(weft, asks, choice, greeted):
    done = weft("run", asks, "--decide", f"ask={choice}", "--json")
    assert done.code == 0
    assert (done.json["data"]["greet"] is not None) is greeted


def test_a_decision_is_given_while_other_work_runs(weft, write):
    """Both branches wait for each other: the answer cannot wait for the work to end."""
    path = write(
        "both.yaml",
        """\
weft: 1
name: both
net:
  start: [work, ask]
  tasks:
    work: {shell: [sh, -c, "read line < gate"], timeout: 1m}
    ask: {person: {title: Now?, choices: [now]}, then: open}
    open: {shell: [sh, -c, "echo > gate"]}
""",
    )
    import os

    os.mkfifo("gate")
    assert weft("run", path, "--decide", "ask=now").code == 0


def test_a_decision_for_every_round_of_a_loop(weft, write):
    path = write(
        "loop.yaml",
        """\
weft: 1
name: loop
data: {rounds: {type: integer, default: 0}}
net:
  start: ask
  tasks:
    ask:
      person: {title: Again?, choices: [again]}
      out: {rounds: rounds + 1}
      then: {exclusive-choice: [{when: "rounds < 3", to: ask}, {to: stop}]}
    stop: {}
""",
    )
    done = weft("run", path, "--decide", "ask=again", "--json")
    assert (done.code, done.json["data"]["rounds"]) == (0, 3)


def test_a_decision_that_is_refused_ends_the_run(asks):
    async def start(engine: package.Engine) -> package.Case:
        return await engine.start(package.load(asks))

    with pytest.raises(package.UsageError, match="does not fit"):
        drive(start, store="memory:", screen=Screen(), decisions={"ask": "perhaps"})


def test_resume_takes_decisions_for_what_is_offered(weft, asks):
    weft("run", asks, "--case", "c")
    assert weft("resume", "c", "--decide", "ask=perhaps").code == 2
    assert weft("resume", "c", "--decide", "nothing=yes").code == 2
    done = weft("resume", "c", "--decide", "ask=yes", "--json")
    assert done.code == 0
    assert set(done.json) == CONTRACT


# ── names, seeds, replays ────────────────────────────────────────────────────────────────────


def test_a_known_specification_runs_by_name_and_version(weft, row):
    assert weft("run", row).code == 0
    assert weft("run", "row", "--json").json["specification"]["version"] == "1"
    assert weft("run", "row@1").code == 0
    refused = weft("run", "row@2", "--json")
    assert refused.code == 2
    assert "it knows row" in refused.json["error"]["message"]


def test_a_known_specification_finds_its_functions(weft, write, folder):
    (folder / "sub").mkdir()
    write("sub/work.py", "def work(): return 5\n")
    write("sub/p.yaml", 'weft: 1\nname: p\nsequence: [{python: "work:work"}]\n')
    assert weft("run", "sub/p.yaml").code == 0
    assert weft("run", "p", "--json").json["data"]["step_1"] == 5


def test_the_same_seed_gives_the_same_journal(weft, write):
    path = write(
        "s.yaml",
        "weft: 1\nname: s\nnet:\n  start: [a, b, c]\n  tasks:\n"
        "    a: {shell: [echo, a]}\n    b: {shell: [echo, b]}\n    c: {shell: [echo, c]}\n",
    )
    hashes = []
    for number, seed in enumerate([1, 1, 2]):
        store = f"sqlite:///{number}.db"
        weft("run", path, "--seed", seed, "--case", "c", "--store", store)
        events = weft("history", "c", "--store", store, "--json").json["events"]
        hashes.append(events[-1]["hash"])
        assert events[0]["time"].startswith("2000-01-01")
    assert hashes[0] == hashes[1]
    assert hashes[0] != hashes[2]


def test_a_replay_tells_the_same_and_runs_nothing(weft, write):
    path = write("e.yaml", "weft: 1\nname: e\nsequence: [{shell: [sh, -c, 'echo x >> effects']}]\n")
    live = weft("run", path, "--case", "c")
    again = weft("run", "--replay", "c")
    assert again.code == 0
    assert Path("effects").read_text() == "x\n"

    def steps(out: str) -> list[str]:
        return [line for line in out.splitlines() if "step-1" in line and ":" not in line]

    assert steps(live.out) == steps(again.out)
    answer = weft("run", "--replay", "c", "--json").json
    assert set(answer) == CONTRACT
    assert answer["data"] == weft("status", "c", "--json").json["data"]


def test_a_replay_exits_by_the_state(weft, fails):
    weft("run", fails, "--case", "c")
    assert weft("run", "--replay", "c", "--quiet").code == 1
    assert weft("run", "--replay", "d").code == 2


# ── failures, repairs, ends ──────────────────────────────────────────────────────────────────


def test_a_failed_case_goes_on_after_the_repair(weft, write):
    path = write("r.yaml", "weft: 1\nname: r\nsequence: [{shell: [test, -e, repaired]}]\n")
    failed = weft("run", path, "--case", "c")
    assert failed.code == 1
    assert "attempt 1 failed" in failed.out
    assert "error    " in failed.out
    write("repaired", "")
    done = weft("resume", "c")
    assert done.code == 0
    assert "resumed" in done.out
    assert "attempt 2" in done.out


def test_cancelling_a_case(weft, asks):
    weft("run", asks, "--case", "c")
    done = weft("cancel", "c", "--reason", "too late", "--json")
    assert (done.code, done.json) == (0, {"case": "c", "status": "cancelled"})
    assert weft("run", "--replay", "c").code == 1
    assert "cancelled: too late" in weft("run", "--replay", "c").out
    assert weft("worklist", "--json").json["work_items"] == []


def test_suspending_a_case(weft, asks):
    weft("run", asks, "--case", "c")
    done = weft("suspend", "c")
    assert (done.code, done.out) == (0, "case c is suspended\n")
    assert weft("suspend", "c").code == 6
    assert "suspended" in weft("list", "--status", "suspended").out
    assert weft("resume", "c").code == 3


@pytest.mark.parametrize("command", ["resume", "cancel", "suspend"])
def test_no_store_is_made_for_a_case_that_cannot_be_there(weft, command):
    done = weft(command, "c")
    assert done.code == 2
    assert "no store is at" in done.err
    assert not Path(".weft").exists()


def test_a_refusal_names_the_cases_there_are(weft, row):
    weft("run", row, "--case", "c")
    for command in ("resume", "cancel", "suspend", "status", "history"):
        done = weft(command, "d")
        assert done.code == 2
        assert "c" in done.err


def test_a_case_whose_functions_are_gone_is_left_alone(weft, write):
    write("work.py", "def work(): raise ValueError('no')\n")
    path = write("p.yaml", 'weft: 1\nname: p\nsequence: [{python: "work:work"}]\n')
    weft("run", path, "--case", "c")
    events = weft("status", "c", "--json").json["events"]
    Path("work.py").unlink()
    assert weft("resume", "c", "--store", "sqlite:///.weft/weft.db").code in (0, 1, 2)
    assert weft("history", "c", "--verify").code == 0
    assert weft("status", "c", "--json").json["events"] >= events


# ── describing ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("a>b", "from a to b"),
        (">b", "before b"),
        ("a>", "after a"),
        ("a.run", "in a"),
        ("a.held", "held at a"),
        ("end", "at an end"),
        ("waiting room", "in 'waiting room'"),
    ],
)
def test_places_in_words(place, words):
    assert describe.place_in_words(place) == words


def test_many_variables_are_not_all_shown():
    lines = list(describe.data_lines({f"v{i}": i for i in range(20)} | {"none": None}))
    assert len(lines) == describe.MOST_VARIABLES + 1
    assert lines[-1] == "… and 8 more"


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        ({"type": "object", "properties": {"choice": {"enum": ["a", "b"]}}}, {"choice": "a"}),
        ({"properties": {"n": {"type": "integer"}, "t": {"type": ["string", "null"]}}},
         {"n": 0, "t": ""}),
        ({}, None),
    ],
)  # fmt: skip
def test_an_example_of_an_answer(schema, answer):
    assert describe.example(schema) == answer


@pytest.mark.parametrize(
    ("called", "found", "name"),
    [
        ("/x/__main__.py", None, "python"),
        ("/usr/bin/pytest", None, "weft"),
        ("weft", "weft", "weft"),
        (".venv/bin/weft", None, ".venv/bin/weft"),
        ("/opt/my tools/weft", None, "'/opt/my tools/weft'"),
    ],
)
def test_how_to_call_this_program_again(monkeypatch, folder, called, found, name):
    monkeypatch.setattr("sys.argv", [called])
    monkeypatch.setattr("sys.executable", "python")
    monkeypatch.setattr("shutil.which", lambda _: found)
    assert describe.program().split(" -m ")[0] == name


def test_below_the_working_directory_the_path_is_short(monkeypatch, folder):
    monkeypatch.setattr("sys.argv", [str(folder / "bin" / "weft")])
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert describe.program() == "bin/weft"


def test_joins_say_what_they_wait_for(weft, write):
    path = write(
        "j.yaml",
        """\
weft: 1
name: j
net:
  start: [a, b]
  tasks:
    a: {shell: [echo, a], then: c}
    b: {person: b?, then: c}
    c: {join: synchronization, shell: [echo, c]}
""",
    )
    weft("run", path, "--case", "c")
    (waiting,) = weft("status", "c", "--json").json["waiting"]
    assert waiting == {
        "join": "c",
        "input": "b>c",
        "token_in": ">b",
        "path": ["b.start", "b.complete"],
        "scope": 0,
        "known": True,
    }
    told = (
        "c waits for a token in 'b>c': the one before b can still reach it by b.start, b.complete"
    )
    assert told in weft("status", "c").out
    assert "from a to c" in weft("status", "c").out


def test_a_failure_in_a_net_within_a_net_is_told(weft, write):
    path = write(
        "n.yaml",
        """\
weft: 1
name: n
net: {start: outer, tasks: {outer: {net: inner}}}
nets:
  inner: {start: a, tasks: {a: {person: a?}}}
""",
    )
    weft("run", path, "--case", "c")
    out = weft("status", "c").out
    assert "in outer" in out
    assert "outer/1 ▸ before a" in out
    assert weft("complete", "c:a/1", "--data", "5").code == 0


def test_the_error_of_a_failed_case_is_in_its_status(weft, write):
    weft("run", write("f.yaml", FAILS), "--case", "c")
    out = weft("status", "c").out
    assert "error    exit-code at step-1/1, attempt 1:" in out
    assert "held at step-1" in out
    data = weft("status", "c", "--json").json
    assert data["error"]["message"].endswith("broken")
    assert data["work_items"][0]["error"]["exit_code"] == 7
    assert json.dumps(data)


def test_a_case_whose_module_has_vanished_can_be_suspended_and_cancelled(weft, write, folder):
    (folder / "modules").mkdir()
    write("modules/gone.py", "import weft\n\n\n@weft.action\ndef act() -> None: ...\n")
    write(
        "flow.yaml",
        "name: flow\nsteps:\n"
        "  - {id: ask, module: system, action: wait-for-decision, inputs: {proposals: [a]}, onSuccess: act}\n"
        "  - {id: act, module: gone, action: act}\n",
    )
    assert weft("run", "flow.yaml", "--case", "c").code == 3
    (folder / "modules" / "gone.py").unlink()
    refused = weft("complete", "c:ask/1", "--data", '{"choice": "a"}')
    assert refused.code == 2
    assert "there is no module 'gone'" in refused.err
    assert weft("claim", "c:ask/1", "--by", "ada").code == 0
    assert weft("suspend", "c").code == 0
    done = weft("cancel", "c", "--json")
    assert (done.code, done.json) == (0, {"case": "c", "status": "cancelled"})
    assert weft("cancel", "c").code == 6

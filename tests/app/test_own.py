"""Modules of actions and the agent that a user brings along: in programs, and on the command line."""

from __future__ import annotations

import sys

import pytest

import weft as package

MODULE = """\
import weft
from weft.connectors.actions import Context


@weft.action("shout")
async def shout(context: Context, words: str, times: int = 1) -> dict:
    \"\"\"Say it louder.\"\"\"
    answer = await context.agent.run(words) if context.agent.configured else ""
    return {"said": words.upper() * times, "answer": answer}
"""
FLOW = """\
name: Loud
steps:
  - {id: say, module: voice, action: shout, inputs: {words: hey}}
"""
ECHO = [sys.executable, "-c", "import sys; print('asked ' + sys.stdin.read(), end='')"]


@pytest.fixture
def flow(write):
    return write("flow.yaml", FLOW)


@pytest.fixture
def folder_of_modules(folder, write):
    (folder / "mine").mkdir()
    write("mine/voice.py", MODULE)
    return folder / "mine"


def outputs(done):
    assert done.code == 0, done.err
    return done.json["data"]["steps"]["say"]["outputs"]


# ── programs ─────────────────────────────────────────────────────────────────────────────────


def test_modules_of_a_program(flow):
    case = package.run(flow, modules={"voice": {"shout": lambda words: {"said": words + "!"}}})
    assert case.data["steps"]["say"]["outputs"] == {"said": "hey!"}


def test_a_folder_of_modules_and_an_agent(flow, folder_of_modules):
    case = package.run(flow, module_folders=[folder_of_modules], agent=ECHO)
    assert case.data["steps"]["say"]["outputs"] == {"said": "HEY", "answer": "asked hey"}


def test_modules_with_a_seed(flow):
    modules = {"voice": {"shout": lambda words: {"said": words}}}
    case = package.run(flow, modules=modules, seed=1)
    assert case.status is package.CaseStatus.COMPLETED


def test_what_is_no_folder_of_modules(folder):
    with pytest.raises(package.UsageError, match="nowhere"):
        package.open(module_folders=["nowhere"])
    with pytest.raises(package.UsageError, match="empty"):
        package.open(agent=[])


# ── the command line ─────────────────────────────────────────────────────────────────────────


def test_modules_by_an_option(weft, flow, folder_of_modules):
    refused = weft("run", flow, "--json")
    assert (refused.code, "voice" in refused.json["error"]["message"]) == (2, True)
    found = outputs(weft("run", flow, "--modules", folder_of_modules, "--json"))
    assert found == {"said": "HEY", "answer": ""}


def test_modules_of_the_environment(weft, flow, folder_of_modules, folder, monkeypatch):
    (folder / "empty").mkdir()
    monkeypatch.setenv("WEFT_MODULES", f"{folder / 'empty'}:{folder_of_modules}")
    assert outputs(weft("run", flow, "--json"))["said"] == "HEY"
    assert weft("show", flow).code == 0
    monkeypatch.setenv("WEFT_MODULES", "nowhere")
    done = weft("run", flow, "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "modules")
    assert "nowhere" in done.json["error"]["message"]


def test_modules_in_the_folder_of_the_store(weft, flow, folder, write):
    (folder / ".weft" / "modules").mkdir(parents=True)
    write(".weft/modules/voice.py", MODULE)
    assert outputs(weft("run", flow, "--json"))["said"] == "HEY"


def test_an_agent_by_an_option(weft, flow, folder_of_modules, write):
    write("agent.py", "import sys\nprint('asked ' + sys.stdin.read(), end='')\n")
    agent = f"{sys.executable} agent.py"
    given = ("--modules", folder_of_modules, "--json")
    assert outputs(weft("run", flow, "--agent", agent, *given))["answer"] == "asked hey"
    broken = weft("run", flow, "--agent", "a 'b", *given)
    assert (broken.code, broken.json["error"]["code"]) == (2, "agent")
    empty = weft("run", flow, "--agent", "", *given)
    assert (empty.code, empty.json["error"]["code"]) == (2, "agent")


def test_a_case_goes_on_with_the_same_modules(weft, write, folder_of_modules):
    """Every command that opens an engine takes the options, also those on work items."""
    ask = (
        "name: Loud\nsteps:\n"
        "  - {id: ask, module: system, action: wait-for-decision, inputs: {title: Now?}, onSuccess: say}\n"
        "  - {id: say, module: voice, action: shout, inputs: {words: hey}}\n"
    )
    own = ("--modules", folder_of_modules)
    assert weft("run", write("ask.yaml", ask), "--case", "c", "-q", *own).code == 3
    assert weft("suspend", "c", *own).code == 0
    assert weft("resume", "c", "-q", *own).code == 3
    assert weft("claim", "c:ask/1", "--by", "ada", *own).code == 0
    answer = ("--data", '{"decision": "now"}', "--by", "ada")
    done = weft("complete", "c:ask/1", *answer, "--json", *own)
    assert outputs(done)["said"] == "HEY"


# ── the list of actions ──────────────────────────────────────────────────────────────────────


def test_the_actions_there_are(weft, folder_of_modules, write):
    write("mine/broken.py", "import nowhere_at_all\n")
    write("mine/odd.py", "import weft\n\n@weft.action('x')\ndef x(a, *, b: 'Nothing'): ...\n")
    done = weft("actions", "--modules", folder_of_modules, "--json")
    assert done.code == 0
    modules = {m["module"]: m for m in done.json["modules"]}
    assert {"git", "system", "testing", "voice"} <= set(modules)
    (shout,) = modules["voice"]["actions"]
    assert shout["summary"] == "Say it louder."
    assert shout["inputs"] == [
        {"name": "words", "required": True},
        {"name": "times", "required": False},
    ]
    assert shout["outputs"] is None
    assert "nowhere_at_all" in modules["broken"]["fault"]
    assert "Nothing" in modules["odd"]["actions"][0]["fault"]
    told = weft("actions", "--modules", folder_of_modules).out
    assert "words, [times]" in told
    assert told.count("cannot be used") == 2


def test_one_module(weft, folder):
    done = weft("actions", "git", "--json")
    assert [m["module"] for m in done.json["modules"]] == ["git"]
    assert weft("actions", "nowhere", "--json").code == 2

"""Commands on work items."""

from __future__ import annotations

import pytest

from weft.cli.items import split_reference
from weft.schema.errors import UsageError

RETRIES = """\
weft: 1
name: retries
net:
  start: try
  tasks:
    try: {shell: [test, -e, repaired], on-failure: mend, retry: {attempts: 2, delay: 1h}, then: done}
    mend: {shell: [echo, mended]}
    done: {shell: [echo, done]}
"""


@pytest.fixture
def asked(weft, asks):
    weft("run", asks, "--case", "c")
    return "c:ask/1"


def row(weft) -> dict:
    (item,) = weft("worklist", "--json").json["work_items"]
    return item


def test_claim_delegate_release(weft, asked):
    done = weft("claim", asked, "--by", "ada", "--json")
    assert done.code == 0
    assert done.json["work_items"][0]["claimed_by"] == "ada"
    assert row(weft)["claimed_by"] == "ada"
    assert weft("claim", asked, "--by", "bob").code == 6
    assert "by ada" in weft("worklist").out
    assert (
        weft("delegate", asked, "--to", "bob", "--by", "ada").out
        == f"{asked} is delegated to bob\n"
    )
    assert row(weft)["claimed_by"] == "bob"
    assert weft("start", asked, "--by", "ada").code == 6
    assert weft("release", asked).out == f"{asked} is offered to everybody\n"
    assert row(weft)["claimed_by"] is None
    assert weft("release", asked).code == 6


def test_a_claim_is_for_whoever_is_logged_in(weft, asked, monkeypatch):
    monkeypatch.setenv("LOGNAME", "grace")
    assert weft("claim", asked).out == f"{asked} is claimed by grace\n"


def test_who_is_nobody_has_to_say_so(weft, asked, monkeypatch):
    def unknown() -> str:
        raise KeyError("uid 4711")

    monkeypatch.setattr("getpass.getuser", unknown)
    done = weft("claim", asked)
    assert done.code == 2
    assert "--by NAME" in done.err


def test_start_and_complete(weft, asked):
    started = weft("start", asked, "--by", "ada", "--json")
    assert started.code == 3
    assert started.json["work_items"][0]["status"] == "started"
    done = weft("complete", asked, "--data", '{"choice": "yes"}', "--json")
    assert done.code == 0
    assert done.json["data"]["greet"]["stdout"] == "hello world\n"


def test_completing_starts_what_was_only_offered(weft, asked):
    done = weft("complete", asked, "--data", '{"choice": "no"}', "--by", "ada")
    assert done.code == 0
    assert "completed by ada" in done.out
    assert "→ part" in done.out or "→ the end" in done.out


@pytest.mark.parametrize("data", ['{"choice": "perhaps"}', "{}", "null", "5"])
def test_an_answer_that_does_not_fit_changes_nothing(weft, asked, data):
    done = weft("complete", asked, "--data", data, "--json")
    assert done.code == 2
    assert done.json["error"]["code"] == "answer"
    assert row(weft)["status"] == "offered"


def test_an_answer_that_is_no_json(weft, asked):
    assert weft("complete", asked, "--data", "{").code == 2


def test_failing_and_retrying(weft, asked):
    assert weft("fail", asked, "--reason", "x").code == 6  # not started
    weft("start", asked)
    failed = weft("fail", asked, "--reason", "ill today", "--json")
    assert failed.code == 1
    assert failed.json["error"]["message"] == "ill today"
    again = weft("retry", asked, "--json")
    assert again.code == 3
    assert again.json["work_items"][0]["attempt"] == 2
    assert weft("complete", asked, "--data", '{"choice": "no"}').code == 0


def test_giving_up_takes_the_error_branch(spawn, weft, write):
    path = write("r.yaml", RETRIES)
    running = spawn("run", path, "--case", "c")
    for line in running.stdout:
        if "again in 1 h" in line:
            break
    running.kill()
    running.communicate()
    done = weft("give-up", "c:try/1", "--by", "ada", "--json")
    assert done.code == 0
    assert done.json["data"]["mend"]["stdout"] == "mended\n"
    assert done.json["data"]["error"]["exit_code"] == 1
    assert "given up by ada: takes its error branch" in weft("run", "--replay", "c").out


def test_retrying_before_it_is_due(spawn, weft, write):
    path = write("r.yaml", RETRIES)
    running = spawn("run", path, "--case", "c")
    for line in running.stdout:
        if "again in 1 h" in line:
            break
    running.kill()
    running.communicate()
    (item,) = weft("status", "c", "--json").json["work_items"]
    assert (item["status"], item["attempt"]) == ("failed", 1)
    assert item["due"] > weft("list", "--json").json["cases"][0]["updated"]
    write("repaired", "")
    done = weft("retry", "c:try/1", "--json")
    assert done.code == 0
    assert done.json["data"]["done"]["stdout"] == "done\n"


def test_a_case_without_an_error_branch_cannot_give_up(weft, fails):
    weft("run", fails, "--case", "c")
    done = weft("give-up", "c:step-1/1", "--json")
    assert done.code == 6
    assert done.json["error"]["code"] == "no-error-branch"


def test_the_same_command_twice_has_one_effect(weft, asked):
    for _ in range(2):
        assert weft("claim", asked, "--by", "ada", "--id", "1").code == 0
    for _ in range(2):
        assert weft("start", asked, "--by", "ada", "--id", "2").code == 3
    for _ in range(2):
        assert weft("complete", asked, "--data", '{"choice": "no"}', "--id", "3").code == 0
    types = [e["type"] for e in weft("history", "c", "--json").json["events"]]
    assert types.count("WorkItemClaimed") == 1
    assert types.count("WorkItemStarted") == 1
    assert types.count("WorkItemCompleted") == 1


@pytest.mark.parametrize("command", ["claim", "start", "complete", "retry", "release", "give-up"])
def test_an_item_that_is_not_open(weft, asked, command):
    done = weft(command, "c:ask/9", *(["--by", "ada"] if command == "claim" else []), "--json")
    assert done.code in (2, 6)
    assert "'ask/1'" in done.json["error"]["message"]


@pytest.mark.parametrize("reference", ["ask/1", "c:ask", "c:", ":ask/1", "c:/1", "c:ask/x", ""])
def test_what_is_no_reference(reference):
    with pytest.raises(UsageError, match="CASE:TASK/NUMBER"):
        split_reference(reference)


def test_a_reference():
    assert split_reference("order-17:pack.it/12") == ("order-17", "pack.it/12")


@pytest.mark.parametrize("command", ["claim", "complete"])
def test_no_store_is_made(weft, folder, command):
    assert weft(command, "c:ask/1", *(["--by", "x"] if command == "claim" else [])).code == 2
    assert not list(folder.iterdir())

"""The modules of actions that come with Weft, on a sample repository made with git."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.connectors.conftest import perform
from weft.connectors.actions import ActionConnector
from weft.connectors.modules import BUILTIN, words
from weft.connectors.modules.repository import (
    MAX_TEXT_BYTES,
    changed_files,
    read_text,
    refused,
    write_text,
)
from weft.connectors.modules.tasks import checklist
from weft.connectors.modules.testing import COMMAND_VARIABLE
from weft.schema.errors import DefinitionErrors, WorkFailed

Call = Callable[..., Any]

REVIEW = """# Review

- [ ] not one of the next steps

## Next Steps

- [x] Write the parser
1. [ ] Price the orders
* [ ] Ship them
```
- [ ] an example
```
### Later
- [X] Sleep

## Other

- [ ] not this either
"""


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with two commits, a test and a review."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ada@example.org")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    folder = tmp_path / "shop"
    (folder / "src").mkdir(parents=True)
    (folder / "tests").mkdir()
    (folder / "review").mkdir()
    (folder / "src" / "price.py").write_text("def price(order):\n    return order\n")
    (folder / "tests" / "test_price.py").write_text("def test_price():\n    assert True\n")
    (folder / "README.md").write_text(
        "# Shop\n\nSee [price](src/price.py) and [gone](gone.md#x).\n"
    )
    (folder / "review" / "version0-9.md").write_text("old")
    (folder / "review" / "version0-10.md").write_text(REVIEW)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "Begin: the shop")
    (folder / "src" / "ship.py").write_text("def ship(order): ...\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "Ship orders")
    return folder


@pytest.fixture
def call(sample: Path) -> Call:
    """Call an action by name, in the sample repository."""

    async def calling(name: str, /, agent: list[str] | None = None, **inputs: Any) -> Any:
        connector = ActionConnector(agent=agent)
        performer = connector.bind("check", name, origin=None, inputs=tuple(inputs))
        return await perform(performer, **inputs)

    return calling


def agent(code: str) -> list[str]:
    """An agent that is a piece of Python; ``prompt`` is what it is asked."""
    return [sys.executable, "-c", f"import sys, pathlib\nprompt = sys.stdin.read()\n{code}"]


# ── what all have in common ──────────────────────────────────────────────────────────────────


def test_every_module_is_there_and_documented(repository: Path) -> None:
    page = (repository / "docs" / "actions.md").read_text()
    modules = ActionConnector().actions()
    assert set(modules) == set(BUILTIN)
    for module, actions in modules.items():
        assert actions, module
        for name, function in actions.items():
            assert re.search(rf"`({module}\.)?{name}`", page), f"{module}.{name}"
            assert function.__doc__, name


def test_every_input_is_documented(repository: Path) -> None:
    page = (repository / "docs" / "actions.md").read_text()
    connector = ActionConnector()
    for module, actions in connector.actions().items():
        for name in actions:
            with pytest.raises(DefinitionErrors) as caught:
                connector.bind("t", f"{module}.{name}", origin=None, inputs=["no such input"])
            listed = str(caught.value.faults[0]).rpartition("it takes ")[2]
            rows = [r for r in page.splitlines() if re.search(rf"\| .*`({module}\.)?{name}`", r)]
            for given in set(listed.split(", ")) - {"cwd", "no inputs"}:
                told = any(f"`{given}`" in row for row in rows)
                assert told, f"{module}.{name}: {given}"


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("git.status", {}),
        ("review.scan-repository", {}),
        ("testing.run-tests", {}),
        ("documentation.check-links", {}),
    ],
)
async def test_a_folder_that_is_none(call: Call, name: str, inputs: dict[str, Any]) -> None:
    with pytest.raises(WorkFailed, match="is no folder"):
        await call(name, cwd="/no/such/folder", **inputs)


async def test_outside_of_a_repository_git_says_so(call: Call, tmp_path: Path) -> None:
    with pytest.raises(WorkFailed, match="not a git repository"):
        await call("git.status", cwd=str(tmp_path))


def test_texts_are_read_and_written_with_care(tmp_path: Path) -> None:
    with pytest.raises(WorkFailed, match="cannot read"):
        read_text(tmp_path / "none")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(WorkFailed, match="is no UTF-8 text"):
        read_text(tmp_path / "binary")
    with (tmp_path / "large").open("wb") as stream:
        stream.truncate(MAX_TEXT_BYTES + 1)
    with pytest.raises(WorkFailed, match="has more than 4,194,304 bytes"):
        read_text(tmp_path / "large")
    with pytest.raises(WorkFailed, match="cannot write"):
        write_text(tmp_path / "binary" / "x", "text")
    with pytest.raises(WorkFailed, match="is there already"):
        write_text(tmp_path / "binary", "text", new=True)
    assert not refused("no").retryable


# ── system ───────────────────────────────────────────────────────────────────────────────────


async def test_log(call: Call, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "weft.actions.system"):
        assert await call("system.log", message="hello") == {"message": "hello", "level": "info"}
        await call("system.log", message={"a": "é"}, level="warn")
        await call("system.log", message=5, level="error")
    told = [(r.levelname, r.getMessage()) for r in caplog.records]
    assert told == [("INFO", "hello"), ("WARNING", '{"a": "é"}'), ("ERROR", "5")]
    with pytest.raises(WorkFailed, match="level"):
        await call("system.log", message="x", level="loud")


async def test_wait(call: Call) -> None:
    assert await call("system.wait", seconds=0) == {"seconds": 0.0}
    for wrong in (-1, 1e9):
        with pytest.raises(WorkFailed, match="expected 0 to 86400"):
            await call("system.wait", seconds=wrong)


async def test_notices_and_errors(call: Call, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "weft.actions.system"):
        done = await call("system.notify-completion", status="failed", duration=1.25)
        assert done == {"notified": True, "message": "workflow order-17: failed after 1.2 s"}
        assert (await call("system.notify-completion", message="done"))["message"] == "done"
        error = {"message": "it broke", "code": "raised"}
        done = await call("system.handle-error", error=error, step="build", state={"a": 1})
        assert done == {"handled": True, "message": "step build: it broke"}
        assert (await call("system.handle-error"))["message"] == "there was no error"
        assert (await call("system.handle-error", error="text"))["message"] == "text"
    assert [r.levelname for r in caplog.records] == ["WARNING", "INFO", "ERROR", "ERROR", "ERROR"]


# ── git ──────────────────────────────────────────────────────────────────────────────────────


async def test_status_and_commit(call: Call, sample: Path) -> None:
    cwd = str(sample)
    assert await call("git.status", cwd=cwd) == {"branch": "main", "files": [], "hasChanges": False}
    (sample / "src" / "new é.py").write_text("x = 1\n")
    (sample / "src" / "price.py").write_text("x = 2\n")
    git(sample, "mv", "src/ship.py", "src/sent.py")
    found = await call("git.status", cwd=cwd)
    assert found["files"] == ["src/new é.py", "src/price.py", "src/sent.py"]
    shown = await call("git.diff", cwd=cwd)
    assert "+x = 2" in shown["diff"]
    assert "src/price.py" in shown["files"]
    done = await call("git.commit", cwd=cwd, message="One", files=["src/price.py"])
    assert done["committed"]
    assert "src/price.py" in done["files"]
    done = await call("git.commit", cwd=cwd, message="All")
    assert done["files"] == ["src/new é.py"]
    again = await call("git.commit", cwd=cwd, message="Nothing")
    assert again == {"commit": done["commit"], "committed": False, "files": []}
    with pytest.raises(WorkFailed, match="needs a message"):
        await call("git.commit", cwd=cwd, message=" ")
    with pytest.raises(WorkFailed, match="names no commit"):
        await call("git.diff", cwd=cwd, base="--output=/tmp/x")


async def test_branches_and_history(call: Call, sample: Path, tmp_path: Path) -> None:
    cwd = str(sample)
    assert await call("git.create-branch", cwd=cwd, name="x/y") == {
        "branch": "x/y",
        "created": True,
    }
    assert (await call("git.status", cwd=cwd))["branch"] == "x/y"
    await call("git.create-branch", cwd=cwd, name="main")
    assert not (await call("git.create-branch", cwd=cwd, name="x/y"))["created"]
    with pytest.raises(WorkFailed):
        await call("git.create-branch", cwd=cwd, name="--orphan")
    commits = (await call("git.log", cwd=cwd, count=1))["commits"]
    assert [(c["author"], c["subject"]) for c in commits] == [("Ada", "Ship orders")]
    with pytest.raises(WorkFailed, match="expected 1 to 1,000"):
        await call("git.log", cwd=cwd, count=0)
    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "--quiet")
    assert await call("git.log", cwd=str(empty)) == {"commits": []}


# ── review ───────────────────────────────────────────────────────────────────────────────────


async def test_scan(call: Call, sample: Path, tmp_path: Path) -> None:
    (sample / ".gitignore").write_text("*.log\n")
    (sample / "noise.log").write_text("")
    summary = (await call("review.scan-repository", cwd=str(sample)))["summary"]
    assert summary["branch"] == "main"
    assert summary["files"] == 7
    assert summary["directories"] == {"src": 2, "review": 2, ".": 2, "tests": 1}
    assert summary["suffixes"][".py"] == 3
    assert not summary["truncated"]
    plain = tmp_path / "plain"
    (plain / "a" / ".hidden").mkdir(parents=True)
    (plain / "a" / "x.txt").write_text("")
    (plain / "a" / ".hidden" / "y").write_text("")
    (plain / ".z").write_text("")
    summary = (await call("review.scan-repository", cwd=str(plain)))["summary"]
    assert (summary["branch"], summary["files"]) == (None, 1)


async def test_changes(call: Call, sample: Path) -> None:
    found = await call("review.analyze-changes", cwd=str(sample))
    assert found["commitCount"] == 2
    assert [c["subject"] for c in found["commits"]] == ["Ship orders", "Begin: the shop"]
    assert "src/ship.py" in found["changedFiles"]
    assert found["fileCount"] == len(found["changedFiles"]) == 6
    with pytest.raises(WorkFailed, match="expected more than 0"):
        await call("review.analyze-changes", cwd=str(sample), days=0)


async def test_versions(call: Call, sample: Path, tmp_path: Path) -> None:
    found = await call("review.find-current-version", cwd=str(sample))
    assert found == {
        "found": True,
        "versionTag": "version0-10",
        "reviewFile": str(sample / "review" / "version0-10.md"),
        "progressFile": str(sample / "progress" / "version0-10.md"),
    }
    made = await call(
        "review.create-next-version", cwd=str(sample), currentVersionTag="version0-10"
    )
    assert made["versionTag"] == "version0-11"
    assert (sample / "progress" / "version0-11.md").read_text() == "# Progress version0-11\n"
    with pytest.raises(WorkFailed, match="is there already"):
        await call("review.create-next-version", cwd=str(sample), currentVersionTag="version0-10")
    with pytest.raises(WorkFailed, match="is no version"):
        await call("review.create-next-version", cwd=str(sample), currentVersionTag="1.0")
    none = await call("review.find-current-version", cwd=str(tmp_path))
    assert none == {"found": False, "versionTag": "", "reviewFile": "", "progressFile": ""}


async def test_documents(call: Call, sample: Path) -> None:
    review = str(sample / "review" / "version0-10.md")
    assert (await call("review.read-review", reviewFile=review))["content"] == REVIEW
    progress = sample / "progress.md"
    with pytest.raises(WorkFailed, match="cannot read"):
        await call("review.read-progress", progressFile=str(progress))
    progress.write_text("# Progress")
    await call("review.append-progress", progressFile=str(progress), entry="  One\n")
    await call("review.append-review", reviewFile=str(progress), entry="Two")
    text = (await call("review.read-progress", progressFile=str(progress)))["content"]
    assert re.fullmatch(r"# Progress\n\n## [\d-]{10}\n\nOne\n\n## [\d-]{10}\n\nTwo\n", text)


async def test_tasks_of_a_review(call: Call, sample: Path) -> None:
    review = str(sample / "review" / "version0-10.md")
    done = await call("review.check-all-tasks-complete", reviewFile=review)
    assert done == {"allComplete": False, "totalTasks": 4, "completedTasks": 2}
    found = await call("implementation.extract-next-steps", reviewFile=review)
    assert [step["text"] for step in found["nextSteps"]] == ["Price the orders", "Ship them"]
    assert found["count"] == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("- [ ] a\n- [x] b", [("a", False), ("b", True)]),
        ("## Next steps (soon)\ntext\n- [ ] a\n# Top\n- [ ] b", [("a", False)]),
        ("# Next Steps\n# Other\n- [ ] b", []),
        ("-[ ] a\n- [] b\n- [ ]\n* [x]  c  ", [("c", True)]),
        ("~~~\n- [ ] a\n~~~\n- [ ] b", [("b", False)]),
    ],
)
def test_check_boxes(text: str, expected: list[tuple[str, bool]]) -> None:
    assert [(task.text, task.done) for task in checklist(text)] == expected


async def test_prompts(call: Call) -> None:
    changes = {
        "commits": [{"subject": "One", "hash": "0123456789abcdef"}],
        "changedFiles": ["a.py"],
    }
    made = await call(
        "review.generate-review-prompt",
        summary={"files": 3, "directories": {"src": 3}},
        changes=changes,
        reviewContent="old review",
        progressContent=None,
        versionTag="version0-1",
    )
    for part in ("version0-1", "3 files in: src", "- One (0123456789)", "- a.py", "old review"):
        assert part in made["prompt"]
    assert "Progress so far" not in made["prompt"]
    made = await call(
        "implementation.generate-implementation-prompt",
        nextSteps=[{"text": "Do"}, "also"],
        summary={"files": 1, "directories": {"src": 1}},
        reviewContent="old",
    )
    assert "- Do\n- also\n" in made["prompt"]
    assert (await call("review.generate-review-prompt"))["prompt"].startswith("Update")


async def test_plans(call: Call) -> None:
    steps = [{"text": "a", "line": 1}, "b", {"text": "c"}]
    plan = (await call("implementation.create-plan", nextSteps=steps, maxTasks=2))["plan"]
    assert plan == {
        "tasks": [{"id": "task-1", "text": "a"}, {"id": "task-2", "text": "b"}],
        "totalTasks": 2,
        "left": 1,
    }
    assert (await call("implementation.create-plan", nextSteps=steps))["plan"]["totalTasks"] == 3
    with pytest.raises(WorkFailed, match="at least 1"):
        await call("implementation.create-plan", nextSteps=steps, maxTasks=0)


def command(folder: Path, name: str, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a command on the path that is a piece of Python."""
    program = folder / "bin" / name
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!{sys.executable}\n{code}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


async def test_pull_requests(
    call: Call, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import sys\nopen('asked', 'w').write(' '.join(sys.argv[1:]) + '|' + sys.stdin.read())\nprint('made\\nhttps://github.com/a/b/pull/17')"  # fmt: skip
    command(tmp_path, "gh", code, monkeypatch)
    made = await call(
        "review.create-pr",
        cwd=str(sample),
        feature="Dark\nmode",
        changes=[{"file": "a.py"}, "b.py"],
        testResults={"total": 3, "failed": 0},
        docsUpdated=["CHANGELOG.md"],
        base="main",
    )
    assert made == {"prUrl": "https://github.com/a/b/pull/17", "prNumber": 17}
    asked = (sample / "asked").read_text()
    assert asked.startswith("pr create --title Dark mode --body-file - --base main|Dark\nmode")
    assert "- a.py\n- b.py\n\nTests: total: 3, failed: 0, coverage: ?" in asked
    command(tmp_path, "gh", "print('nothing')", monkeypatch)
    with pytest.raises(WorkFailed, match="gh named no pull request"):
        await call("review.create-pr", cwd=str(sample), feature="x")
    (tmp_path / "bin" / "gh").unlink()
    with pytest.raises(WorkFailed, match="program 'gh': not found"):
        await call("review.create-pr", cwd=str(sample), feature="x")


# ── analysis and planning ────────────────────────────────────────────────────────────────────


async def test_requirements(call: Call, sample: Path) -> None:
    found = await call(
        "analysis.analyze-requirements",
        cwd=str(sample),
        feature="Price of an order",
        priority="high",
    )
    assert found["keywords"] == ["price", "order"]
    assert found["complexity"] == "medium"
    assert found["estimatedTime"] == 120.0
    assert (
        found["dependencies"][0] == "review/version0-10.md"
        or "src/price.py" in found["dependencies"]
    )
    simple = await call("analysis.analyze-requirements", cwd=str(sample), feature="unheard of")
    assert (simple["complexity"], simple["dependencies"]) == ("simple", [])
    for number in range(10):
        (sample / f"many{number}.txt").write_text("unheard")
    big = await call("analysis.analyze-requirements", cwd=str(sample), feature="unheard")
    assert (big["complexity"], len(big["dependencies"])) == ("complex", 10)
    with pytest.raises(WorkFailed, match="the feature is empty"):
        await call("analysis.analyze-requirements", cwd=str(sample), feature=" ")


async def test_requirements_outside_of_git(call: Call, tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    (folder / "a.txt").write_text("Dark mode")
    (folder / "b.bin").write_bytes(b"\xff dark")
    with (folder / "large.txt").open("wb") as stream:
        stream.truncate(MAX_TEXT_BYTES + 1)
    found = await call("analysis.analyze-requirements", cwd=str(folder), feature="dark")
    assert found["dependencies"] == ["a.txt"]


async def test_implementation_plan(call: Call, sample: Path) -> None:
    plan = (
        await call("planning.create-implementation-plan", cwd=str(sample), feature="order price")
    )["plan"]
    assert "src/price.py" in plan["files"]
    assert plan["tests"] == ["tests/test_price.py"]
    assert plan["totalTasks"] == len(plan["tasks"])
    plan = (
        await call(
            "planning.create-implementation-plan",
            cwd=str(sample),
            feature="x",
            complexity="complex",
            dependencies=["gone.py"],
        )
    )["plan"]
    assert [task["text"] for task in plan["tasks"]] == [
        "Write down the design of: x",
        "Implement: x",
        "Write tests",
    ]


def test_words_that_tell_something() -> None:
    assert words.keywords("Add the new Dark-Mode for users, dark!") == ["dark", "mode", "users"]


# ── what the agent does ──────────────────────────────────────────────────────────────────────

CHANGE = (
    "pathlib.Path('src/price.py').write_text(prompt)\n"
    "pathlib.Path('src/new.py').write_text('new\\n')\n"
    "print('done')"
)


async def test_implementing_and_rolling_back(call: Call, sample: Path) -> None:
    (sample / "mine.txt").write_text("changed before")
    (sample / "src" / "ship.py").unlink()
    made = await call(
        "implementation.implement-feature",
        agent(CHANGE),
        cwd=str(sample),
        plan={"tasks": [{"text": "first"}, "second"]},
        feature="Dark mode",
    )
    assert made["filesModified"] == ["src/new.py", "src/price.py"]
    assert made["output"] == "done\n"
    texts = {change["file"]: change["changes"] for change in made["codeChanges"]}
    assert "+- first\n+- second" in texts["src/price.py"]
    assert "+new" in texts["src/new.py"]
    git(sample, "add", "src/new.py")
    undone = await call(
        "implementation.rollback-changes", cwd=str(sample), changes=made["codeChanges"]
    )
    assert undone == {"rolledBack": True, "files": ["src/new.py", "src/price.py"]}
    assert git(sample, "status", "--short") == " D src/ship.py\n?? mine.txt\n"
    again = await call("implementation.rollback-changes", cwd=str(sample), changes=["src/price.py"])
    assert again == {"rolledBack": False, "files": []}
    assert not (await call("implementation.rollback-changes", cwd=str(sample)))["rolledBack"]
    with pytest.raises(WorkFailed, match="not in the repository"):
        await call("implementation.rollback-changes", cwd=str(sample), changes=["../../etc/passwd"])
    assert (await call("implementation.check-git-status", cwd=str(sample)))["hasChanges"]


async def test_other_work_of_the_agent(call: Call, sample: Path) -> None:
    cwd = str(sample)
    fixed = await call(
        "testing.fix-failing-tests",
        agent(CHANGE),
        cwd=cwd,
        testResults={"failures": [{"name": "test_a", "message": "boom"}, "odd"], "output": "E"},
        codeChanges=[{"file": "a.py"}],
    )
    assert fixed["fixed"]
    text = (sample / "src" / "price.py").read_text()
    assert "- test_a: boom" in text
    assert "Changed before: a.py" in text
    same = await call("testing.fix-failing-tests", agent("pass"), cwd=cwd, testResults={})
    assert same == {"fixed": False, "fixes": []}
    done = await call(
        "refactoring.refactor", agent(CHANGE), cwd=cwd, candidates=[{"file": "a", "line": 3}, "b"]
    )
    assert done["filesModified"] == ["src/price.py"]
    assert "- a:3 None\n- b" in (sample / "src" / "price.py").read_text()
    done = await call("implementation.implement-feature", agent(CHANGE), cwd=cwd, plan="a text")
    assert "a text" in (sample / "src" / "price.py").read_text()


async def test_bugs(call: Call, sample: Path) -> None:
    cwd = str(sample)
    show = [sys.executable, "-c", "import os; exit(not os.path.exists('src/new.py'))"]
    shown = await call("bug-fixing.reproduce", cwd=cwd, command=show)
    assert (shown["reproduced"], shown["exitCode"]) == (True, 1)
    echo = [sys.executable, "-c", "print('boom')"]
    assert (await call("bug-fixing.reproduce", cwd=cwd, command=echo, expectedOutput="boom"))["reproduced"]  # fmt: skip
    assert not (await call("bug-fixing.reproduce", cwd=cwd, command=echo, expectedOutput="bang"))["reproduced"]  # fmt: skip
    with pytest.raises(WorkFailed, match="expected a program"):
        await call("bug-fixing.reproduce", cwd=cwd, command=[])
    mended = await call(
        "bug-fixing.fix-bug",
        agent(CHANGE),
        cwd=cwd,
        description="no file",
        command=show,
        output="E",
    )
    assert mended["fixed"] is True
    assert "src/new.py" in mended["filesModified"]
    mended = await call("bug-fixing.fix-bug", agent("pass"), cwd=cwd, description="other")
    assert (mended["fixed"], mended["codeChanges"]) == (None, [])


async def test_asking(call: Call, sample: Path) -> None:
    echo = agent("print(prompt, end='')")
    answer = await call("agent.run-prompt", echo, cwd=str(sample), prompt="Hello", maxTokens=5, temperature=0.5)  # fmt: skip
    assert answer == {"output": "(max tokens: 5)\n(temperature: 0.5)\nHello"}
    launched = await call(
        "agent.launch-background",
        echo,
        cwd=str(sample),
        prompt="Do",
        tasks=[{"text": "a"}, {"name": "b"}, "c", "d"],
        agentType="any",
        maxIterations=3,
    )
    assert launched == {
        "agentTaskId": "order-17:check/1",
        "status": "completed",
        "output": "Do\n\nTasks:\n1. a\n2. b\n3. c",
    }
    assert (await call("agent.launch-background", echo, prompt="Do"))["output"] == "Do"


# ── testing ──────────────────────────────────────────────────────────────────────────────────

JUNIT = """<?xml version="1.0"?>
<testsuites><testsuite>
<testcase classname="a.B" name="good"/>
<testcase classname="a.B" name="bad"><failure message="assert 1 == 2">trace</failure></testcase>
<testcase name="worse"><error>it broke</error></testcase>
<testcase name="not"><skipped/></testcase>
</testsuite></testsuites>
"""


async def test_running_pytest_for_real(
    call: Call, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(COMMAND_VARIABLE, raising=False)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    results = (await call("testing.run-tests", cwd=str(sample)))["testResults"]
    assert results["passed"] is True
    assert (results["total"], results["failed"], results["skipped"]) == (1, 0, 0)
    (sample / "tests" / "test_more.py").write_text(
        "import pytest\ndef test_bad():\n    assert 1 == 2\n@pytest.mark.skip\ndef test_no(): ...\n"
    )
    results = (await call("testing.run-tests", cwd=str(sample), changes=[], filesModified=[]))[
        "testResults"
    ]
    assert results["passed"] is False
    assert (results["total"], results["failed"], results["skipped"]) == (3, 1, 1)
    (failure,) = results["failures"]
    assert failure["name"] == "tests.test_more.test_bad"
    assert "assert 1 == 2" in failure["message"]
    assert results["exitCode"] == 1
    assert "1 failed" in results["output"]


async def test_any_command_and_its_reports(
    call: Call, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cwd = str(sample)
    write = [sys.executable, "-c", "import sys; open(sys.argv[1], 'w').write(sys.argv[2])"]
    results = (await call("testing.run-tests", cwd=cwd, command=[*write, "${report}", JUNIT]))[
        "testResults"
    ]
    assert (results["passed"], results["exitCode"]) == (False, 0)
    assert (results["total"], results["failed"], results["skipped"]) == (4, 2, 1)
    assert results["failures"] == [
        {"name": "a.B.bad", "message": "assert 1 == 2"},
        {"name": "worse", "message": "it broke"},
    ]
    (sample / "coverage.json").write_text('{"totals": {"percent_covered": 87.654}}')
    results = (
        await call(
            "testing.run-tests",
            cwd=cwd,
            command=[*write, "r.xml", "<testsuite/>"],
            report="r.xml",
            coverage="coverage.json",
        )
    )["testResults"]
    assert (results["passed"], results["total"], results["coverage"]) == (True, 0, 87.65)
    monkeypatch.setenv(COMMAND_VARIABLE, f"{sys.executable} -c 'print(7)'")
    results = (await call("testing.run-tests", cwd=cwd))["testResults"]
    assert (results["passed"], results["total"], results["output"]) == (True, None, "7")
    monkeypatch.setenv(COMMAND_VARIABLE, "unclosed '")
    with pytest.raises(WorkFailed, match="is no command line"):
        await call("testing.run-tests", cwd=cwd)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("r.xml", "<html/>", "is no JUnit report: it begins with <html>"),
        ("r.xml", "no xml", "is no XML"),
    ],
)
async def test_reports_that_are_none(
    call: Call, sample: Path, name: str, text: str, message: str
) -> None:
    (sample / name).write_text(text)
    with pytest.raises(WorkFailed, match=message):
        await call("testing.run-tests", cwd=str(sample), command=["true"], report=name)


async def test_coverage(call: Call, sample: Path) -> None:
    cwd = str(sample)
    (sample / "c.xml").write_text('<coverage line-rate="0.5"/>')
    assert await call("testing.read-coverage", cwd=cwd, file="c.xml") == {"coverage": 50.0}
    for name, text, message in (
        ("a.xml", "<coverage/>", "has no line-rate"),
        ("b.xml", '<coverage line-rate="inf"/>', "says inf percent"),
        ("c.json", "{}", "is no report of coverage.py"),
        ("d.json", "[", "is no report of coverage.py"),
    ):
        (sample / name).write_text(text)
        with pytest.raises(WorkFailed, match=message):
            await call("testing.read-coverage", cwd=cwd, file=name)


# ── documentation and refactoring ────────────────────────────────────────────────────────────


async def test_changelog(call: Call, sample: Path) -> None:
    cwd = str(sample)
    done = await call(
        "documentation.update-docs", cwd=cwd, feature="Dark\nmode", changes=[{"file": "a.py"}, "b"]
    )
    assert done == {"docsUpdated": ["CHANGELOG.md"]}
    path = sample / "CHANGELOG.md"
    assert path.read_text() == "# Changelog\n\n## Unreleased\n\n- Dark mode (a.py, b)\n"
    await call("documentation.update-docs", cwd=cwd, feature="Light mode", plan={})
    text = path.read_text()
    assert text == "# Changelog\n\n## Unreleased\n\n- Light mode\n- Dark mode (a.py, b)\n"
    again = await call("documentation.update-docs", cwd=cwd, feature="Light mode")
    assert again == {"docsUpdated": []}
    assert path.read_text() == text
    path.write_text("# Changes\n\nText.\n\n## 1.0\n\n- Old\n")
    await call("documentation.update-docs", cwd=cwd, feature="New")
    assert path.read_text() == "# Changes\n\nText.\n\n## Unreleased\n\n- New\n\n## 1.0\n\n- Old\n"


async def test_links(call: Call, sample: Path) -> None:
    (sample / "docs").mkdir()
    (sample / "docs" / "b c.md").write_text("")
    (sample / "docs" / "a.md").write_text(
        "[up](../README.md) [top](/README.md) [web](https://x.org) [here](#x) ![pic](no.png)\n"
        "```\n[code](nowhere)\n```\n[b](<b c.md>) [d](d.md 'title')\n"
    )
    found = await call("documentation.check-links", cwd=str(sample))
    assert found["broken"] == [
        {"file": "README.md", "line": 3, "target": "gone.md#x"},
        {"file": "docs/a.md", "line": 5, "target": "d.md"},
    ]
    assert found["checked"] == 6


async def test_long_functions(call: Call, sample: Path) -> None:
    (sample / "src" / "long.py").write_text(
        "def f():\n"
        + "    x = 1\n" * 4
        + "class C:\n    async def g(self):\n"
        + "        x = 1\n" * 6
    )
    (sample / "src" / "broken.py").write_text("def :")
    found = await call("refactoring.find-candidates", cwd=str(sample), maxLines=3)
    assert found["candidates"] == [
        {"file": "src/long.py", "name": "g", "line": 7, "lines": 7},
        {"file": "src/long.py", "name": "f", "line": 1, "lines": 5},
    ]
    assert found["unreadable"] == ["src/broken.py"]
    assert (await call("refactoring.find-candidates", cwd=str(sample)))["candidates"] == []
    with pytest.raises(WorkFailed, match="at least 1"):
        await call("refactoring.find-candidates", cwd=str(sample), maxLines=0)


def test_shared_code_has_no_actions() -> None:
    assert changed_files.__name__ not in {
        n for a in ActionConnector().actions().values() for n in a
    }

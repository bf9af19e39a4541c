"""Every example of docs/examples runs, through its branches."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import weft as package
from tests.app.conftest import folder, spawn, weft, write  # noqa: F401  # fixtures: what F811 takes for a second definition below is their use

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


def test_each_example_is_valid(weft):  # noqa: F811
    files = sorted(EXAMPLES.glob("*.yaml"))
    assert len(files) >= 8
    for path in files:
        done = weft("show", path)
        assert done.code == 0, done.err


# ── order fulfilment ─────────────────────────────────────────────────────────────────────────


def test_order_fulfilment(tmp_path):
    lines = (EXAMPLES / "orders.csv").read_text().splitlines()
    assert len(lines) == 201
    store = tmp_path / "orders.db"
    done = subprocess.run(
        [sys.executable, EXAMPLES / "orders.py", EXAMPLES / "orders.csv", f"sqlite:///{store}"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    ways = {way: int(count) for count, way in (line.split() for line in done.stdout.splitlines())}
    assert sum(ways.values()) == 200
    assert set(ways) == {"ship", "release", "backorder"}
    with package.open(f"sqlite:///{store}") as engine:
        cases = engine.cases()
        assert len(cases) == 200
        assert {case.status for case in cases} == {"completed"}


# ── people ───────────────────────────────────────────────────────────────────────────────────


def expense(weft, amount: str) -> str:  # noqa: F811
    done = weft(
        "run", EXAMPLES / "approval.yaml", "-p", "who=ada", "-p", f"amount={amount}", "--json"
    )
    assert done.code in (0, 3), done.err
    return done.json["case"]


def answer(weft, item: str, choice: str) -> dict:  # noqa: F811
    done = weft("complete", item, "--data", f'{{"choice": "{choice}"}}', "--json")
    assert done.code in (0, 3), done.err
    return done.json


def test_a_small_expense_passes(weft):  # noqa: F811
    assert weft("status", expense(weft, "12.5"), "--json").json["data"]["pay"]["exit_code"] == 0


def test_the_manager_decides(weft):  # noqa: F811
    case = expense(weft, "500")
    (item,) = weft("worklist", "--role", "manager", "--json").json["work_items"]
    assert item["inputs"] == {"who": "ada", "amount": 500}
    assert item["form"]["properties"]["choice"]["enum"] == ["approve", "refuse"]
    assert answer(weft, item["item"], "approve")["data"]["pay"]["stdout"] == "paid 500 to ada\n"
    other = expense(weft, "600")
    assert answer(weft, f"{other}:decide/1", "refuse")["data"]["refuse"]["exit_code"] == 0
    assert case != other


@pytest.mark.parametrize(("choice", "end"), [("approve", "pay"), ("refuse", "refuse")])
def test_a_large_expense_asks_the_board(weft, choice, end):  # noqa: F811
    case = expense(weft, "5000")
    assert answer(weft, f"{case}:decide/1", "approve")["work_items"][0]["role"] == "board"
    assert answer(weft, f"{case}:confirm/1", choice)["data"][end]["exit_code"] == 0


# ── an approval with a deadline ──────────────────────────────────────────────────────────────


DEADLINE = EXAMPLES / "order-approval.yaml"


def test_nobody_approves_in_time(weft):  # noqa: F811
    done = weft("run", DEADLINE, "--wait", "--seed", 1, "--json")
    assert (done.code, done.json["status"]) == (0, "completed"), done.err
    data = done.json["data"]
    assert data["remind"]["stdout"] == "an approval is due: A-17\n"
    assert data["escalate"]["stdout"] == "nobody has answered: A-17\n"
    assert data["error"]["code"] == "timeout"
    assert data["order_it"] is None


@pytest.mark.parametrize(("choice", "end"), [("yes", "order_it"), ("no", "file_it")])
def test_an_order_is_approved_or_not(weft, choice, end):  # noqa: F811
    case = weft("run", DEADLINE, "-p", "order=B-1", "--json").json["case"]
    (item,) = weft("worklist", "--role", "buyer", "--json").json["work_items"]
    assert item["due"] is not None
    done = answer(weft, item["item"], choice)
    assert (done["case"], done["status"]) == (case, "completed")
    assert done["data"][end]["exit_code"] == 0


def test_an_order_is_withdrawn(weft):  # noqa: F811
    case = weft("run", DEADLINE, "-p", "order=C-1", "--json").json["case"]
    assert weft("emit", "withdraw", "--key", "other").code == 0
    assert weft("worklist", "--json").json["work_items"]
    assert weft("emit", "withdraw", "--key", "C-1").code == 0
    assert weft("status", case, "--json").json["status"] == "completed"
    assert not weft("worklist", "--json").json["work_items"]


# ── an error branch, a loop ──────────────────────────────────────────────────────────────────


def test_publishing(weft, folder):  # noqa: F811
    done = weft("run", EXAMPLES / "publish.yaml", "-p", "text=Hello", "--json")
    assert done.json["status"] == "completed", done.err
    assert (folder / "public" / "index.html").read_text() == "Hello"
    assert not (folder / "public" / ".draft").exists()


def test_what_fails_is_cleaned_up(weft, folder):  # noqa: F811
    done = weft("run", EXAMPLES / "publish.yaml", "-p", "text=", "--json")
    assert done.json["status"] == "completed", done.err
    assert done.json["data"]["give_notice"]["stdout"].startswith("nothing was published:")
    assert list((folder / "public").iterdir()) == []


def test_a_loop_until_a_check_passes(weft, folder):  # noqa: F811
    check = "check=test $(cat tries | wc -l) -ge 3"
    (folder / "tries").write_text("")
    given = ["-p", check, "-p", "mend=echo x >> tries"]
    done = weft("run", EXAMPLES / "until-green.yaml", *given, "--json")
    assert done.json["data"]["report"]["stdout"] == "green after 3 rounds\n"
    lost = weft(
        "run", EXAMPLES / "until-green.yaml", "-p", "check=false", "-p", "mend=true", "--json"
    )
    assert (lost.code, lost.json["status"], lost.json["data"]["rounds"]) == (1, "cancelled", 5)


# ── agents ───────────────────────────────────────────────────────────────────────────────────

MODEL = """\
import sys
from pathlib import Path
prompt = sys.stdin.read()
if prompt.startswith("SUMMARISE"):
    tries = Path("tries")
    count = int(tries.read_text()) + 1 if tries.exists() else 1
    tries.write_text(str(count))
    print(f"summary {count}", end="")
else:
    print("yes" if prompt.endswith(sys.argv[1]) else "no", end="")
"""


@pytest.mark.parametrize(("holds", "runs"), [("summary 1", 1), ("summary 3", 3), ("never", 4)])
def test_a_model_is_asked_until_its_summary_holds(weft, folder, write, holds, runs):  # noqa: F811
    write("model.py", MODEL)
    agent = shlex.join([sys.executable, "model.py", holds])
    done = weft(
        "run", EXAMPLES / "summarise.yaml", "-p", "text=A long story", "--agent", agent, "--json"
    )
    assert done.code == 0, done.err
    assert (folder / "tries").read_text() == str(runs)
    steps = done.json["data"]["steps"]
    if runs < 4:
        assert steps["tell"]["outputs"]["message"] == holds
    else:
        assert "give-up" in steps  # its starts are used up


CODER = """\
import sys
from pathlib import Path
prompt = sys.stdin.read()
greet = Path("greet.py")
if greet.exists() and sys.argv[1] != "useless":
    greet.write_text("def greet(name):\\n    return f'hello {name}'\\n")
else:
    greet.write_text("def greet(name):\\n    return 'hello'\\n")
print("done")
"""


@pytest.fixture
def repository(folder, write):  # noqa: F811
    """A repository with a test that fails until the feature is there."""
    write(
        "test_greet.py",
        "import greet\n\ndef test_it():\n    assert greet.greet('Ada') == 'hello Ada'\n",
    )
    write("agent.py", CODER)
    write("CHANGELOG.md", "# Changes\n\n## Unreleased\n")
    write(".gitignore", ".weft\n__pycache__\n.pytest_cache\n")
    for words in (
        ["init", "-q", "-b", "main"],
        ["config", "user.email", "a@example.com"],
        ["config", "user.name", "A"],
        ["add", "."],
        ["commit", "-q", "-m", "begin"],
    ):
        subprocess.run(["git", *words], check=True, cwd=folder)
    return folder


def implement(weft, monkeypatch, how: str):  # noqa: F811
    monkeypatch.setenv("WEFT_TEST_COMMAND", f"{sys.executable} -m pytest -q -p no:cacheprovider")
    agent = shlex.join([sys.executable, "agent.py", how])
    path = EXAMPLES / "implement-feature.yaml"
    done = weft("run", path, "-p", "feature=greet by name", "--agent", agent, "--json")
    assert done.code == 0, done.err
    return done.json["data"]["steps"]


def test_a_feature_is_implemented_and_mended(weft, repository, monkeypatch):  # noqa: F811
    steps = implement(weft, monkeypatch, "able")
    assert {"mend", "commit", "done"} <= set(steps)
    log = subprocess.run(
        ["git", "log", "--format=%s", "feature"],
        capture_output=True,
        text=True,
        check=True,
        cwd=repository,
    )
    assert log.stdout.splitlines() == ["greet by name", "begin"]


def test_what_an_agent_cannot_do_is_undone(weft, repository, monkeypatch):  # noqa: F811
    steps = implement(weft, monkeypatch, "useless")
    assert {"undo", "tell", "done"} <= set(steps)
    assert "commit" not in steps
    assert not (repository / "greet.py").exists()


# ── one process in two languages ─────────────────────────────────────────────────────────────


def test_a_process_in_python_and_in_yaml_is_the_same_net():
    sys.path.insert(0, str(EXAMPLES))
    try:
        import claim
    finally:
        sys.path.remove(str(EXAMPLES))
    from weft.connectors import builtin as connectors
    from weft.engine.compile import compile_specification
    from weft.patterns import builtin as patterns

    def net(specification):
        return compile_specification(specification, registry=patterns(), connectors=connectors())

    processes = [v for v in vars(claim).values() if isinstance(v, package.Specification)]
    written = package.load(EXAMPLES / "claim.yaml")
    assert any(net(made).hash == net(written).hash for made in processes)

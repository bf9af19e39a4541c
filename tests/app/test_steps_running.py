"""Workflows in the steps format at run time: retries, errors, decisions, facts, bad input."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import weft
from weft.cli import main
from weft.connectors.actions import ActionConnector
from weft.schema.errors import DefinitionErrors, UsageError, WorkFailed


class Modules:
    """A module ``m`` of actions that do what a test says, and a note of what they were given."""

    def __init__(self, **actions: Callable[..., Any]) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.module: dict[str, Callable[..., Any]] = {}
        for name, act in {"say": lambda **inputs: inputs, **actions}.items():
            self.module[name] = self.noted(name, act)

    def noted(self, name: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def called(work: weft.Work, **inputs: Any) -> Any:
            self.calls.append((work.task, inputs))
            return act(**inputs)

        return called

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def session(self, store: str = "memory:") -> weft.Session:
        session = weft.open(store, seed=1)
        session._options["connectors"]["action"] = ActionConnector(
            {"m": self.module}, only_inline=True
        )
        return session


def failing(times: int, **outputs: Any) -> Callable[..., Any]:
    """An action that fails so many times before it works."""
    left = [times]

    def act(**inputs: Any) -> dict[str, Any]:
        if left[0] > 0:
            left[0] -= 1
            raise RuntimeError("it broke")
        return outputs

    return act


def run(text: str, modules: Modules, data: dict[str, Any] | None = None) -> Any:
    with modules.session() as engine:
        return engine.run(weft.loads(textwrap.dedent(text)), data)


def steps(*written: str) -> str:
    return "name: flow\nsteps:\n" + "".join(f"  - {line}\n" for line in written)


# ── retries ──────────────────────────────────────────────────────────────────────────────────


def test_a_failure_is_retried_so_often() -> None:
    modules = Modules(act=failing(2, done=True))
    case = run(steps("{id: a, module: m, action: act, maxRetries: 2, retryDelay: 60}"), modules)
    assert case.status is weft.CaseStatus.COMPLETED
    assert modules.names() == ["a", "a", "a"]
    assert case.data["steps"]["a"] == {"status": "completed", "outputs": {"done": True}}


def test_starts_are_counted_over_failures_and_returns() -> None:
    """With maxRetries 3 a step starts four times: here once more after each return and failure."""
    outcomes = iter([True, False, True, True, True])

    def flaky(**inputs: Any) -> dict[str, Any]:
        if not next(outcomes):
            raise RuntimeError("it broke")
        return {}

    modules = Modules(flaky=flaky)
    text = steps(
        "{id: test, module: m, action: say, inputs: {passed: false}, "
        "onSuccess: {condition: '{{ steps.test.outputs.passed }}', then: end, else: fix}}",
        "{id: fix, module: m, action: flaky, maxRetries: 3, onSuccess: test, onFailure: sorry}",
        "{id: sorry, module: m, action: say, inputs: {error: '{{ workflow.error }}', "
        "step: '{{ workflow.currentStep }}'}, onSuccess: end}",
        "{id: end, module: m, action: say}",
    )
    case = run(text, modules)
    assert case.status is weft.CaseStatus.COMPLETED
    assert modules.names() == ["test", "fix", "test", "fix", "fix", "test", "fix", "test", "sorry", "end"]  # fmt: skip
    told = modules.calls[-2][1]
    assert told["step"] == "fix"
    assert told["error"]["code"] == "start-limit"
    assert (
        "has started 4 times, the most that its maxRetries, 3, allows" in told["error"]["message"]
    )
    assert case.data["error"] == told["error"]  # it is kept


def test_a_limit_without_onfailure_fails_the_case() -> None:
    modules = Modules()
    text = steps(
        "{id: a, module: m, action: say, maxRetries: 1, onSuccess: {condition: trigger.stop, then: null, else: a}}"
    )
    case = run(text, modules)
    assert case.status is weft.CaseStatus.FAILED
    assert case.error["code"] == "start-limit"
    assert modules.names() == ["a", "a"]


def test_a_failure_when_the_starts_are_used_up_counts() -> None:
    modules = Modules(act=failing(9))
    text = steps(
        "{id: a, module: m, action: act, maxRetries: 1, onFailure: b}",
        "{id: b, module: m, action: say}",
    )
    case = run(text, modules)
    assert modules.names() == ["a", "a", "b"]
    assert case.data["error"]["message"].endswith("it broke")


def test_a_cycle_is_bounded() -> None:
    modules = Modules()
    text = steps("{id: a, module: m, action: say, onSuccess: {condition: true, then: a}}")
    from weft.schema import steps_net

    old, steps_net.MAX_STARTS = steps_net.MAX_STARTS, 20  # type: ignore[misc]
    try:
        case = run(text, modules)
    finally:
        steps_net.MAX_STARTS = old  # type: ignore[misc]
    assert case.status is weft.CaseStatus.FAILED
    assert len(modules.calls) == 20
    assert "the most that a step without maxRetries may in a cycle" in case.error["message"]


def test_what_cannot_be_mended_is_not_retried() -> None:
    def wrong() -> None:
        raise WorkFailed("no", retryable=False)

    modules = Modules(wrong=wrong)
    case = run(steps("{id: a, module: m, action: wrong, maxRetries: 5}"), modules)
    assert case.status is weft.CaseStatus.FAILED
    assert modules.names() == ["a"]


def test_a_failed_case_goes_on_at_the_failed_step(tmp_path: Path) -> None:
    modules = Modules(act=failing(1, x=7))
    text = steps(
        "{id: a, module: m, action: say, onSuccess: b}",
        "{id: b, module: m, action: act, onSuccess: c}",
        "{id: c, module: m, action: say, inputs: {x: '{{ steps.b.outputs.x }}'}}",
    )
    store = f"sqlite:///{tmp_path / 'cases.db'}"
    with modules.session(store) as engine:
        case = engine.run(weft.loads(text), case="one")
        assert case.status is weft.CaseStatus.FAILED
    with modules.session(store) as engine:
        case = engine.resume("one")
        assert case.wait() is weft.CaseStatus.COMPLETED
    assert modules.calls == [("a", {}), ("b", {}), ("b", {}), ("c", {"x": 7})]


# ── errors and facts ─────────────────────────────────────────────────────────────────────────


def test_facts_of_the_workflow() -> None:
    modules = Modules(act=failing(9))
    facts = ", ".join(
        f"{name}: '{{{{ workflow.{name} }}}}'"
        for name in ("status", "executionId", "cwd", "duration", "currentStep", "error", "state", "version")
    )  # fmt: skip
    text = steps(
        f"{{id: a, module: m, action: say, inputs: {{{facts}}}, onSuccess: b}}",
        "{id: b, module: m, action: act, onFailure: c}",
        f"{{id: c, module: m, action: say, inputs: {{{facts}, told: '!{{{{ workflow.error }}}}!'}}}}",
    )
    with modules.session() as engine:
        engine.run(weft.loads(text), case="the-case")
    first, last = modules.calls[0][1], modules.calls[-1][1]
    assert first == {
        "status": "running",
        "executionId": "the-case",
        "cwd": str(Path.cwd()),
        "duration": 0.0,
        "currentStep": "a",
        "error": None,
        "state": {},
        "version": "1",
    }
    assert (last["status"], last["currentStep"]) == ("failed", "b")
    assert last["state"]["a"]["status"] == "completed"
    assert last["told"] == f"!{last['error']['message']}!"


def test_the_status_of_steps() -> None:
    modules = Modules(act=failing(9))
    told = ", ".join(f"{s}: '{{{{ steps.{s}.status }}}}'" for s in "abc")
    text = steps(
        "{id: a, module: m, action: say, onSuccess: b}",
        "{id: b, module: m, action: act, onFailure: d, maxRetries: 1, onSuccess: c}",
        "{id: c, module: m, action: say, onSuccess: d}",
        f"{{id: d, module: m, action: say, inputs: {{{told}}}}}",
    )
    case = run(text, modules)
    assert modules.calls[-1][1] == {"a": "completed", "b": "failed", "c": None}
    assert case.status is weft.CaseStatus.COMPLETED


def test_a_failure_without_onfailure_fails_the_case() -> None:
    case = run(steps("{id: a, module: m, action: act}"), Modules(act=failing(1)))
    assert case.status is weft.CaseStatus.FAILED
    assert (case.error["task"], case.error["code"]) == ("a", "raised")


def test_a_step_may_take_only_so_long(tmp_path: Path) -> None:
    text = steps(
        "{id: a, module: system, action: wait, inputs: {seconds: 3600}, timeout: 10ms, onFailure: b}",
        "{id: b, module: system, action: log, inputs: {message: '{{ workflow.error.code }}'}}",
    )
    case = weft.run(write(tmp_path, text))
    assert case.data["steps"]["b"]["outputs"]["message"] == "timeout"


def write(folder: Path, text: str, name: str = "flow.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


# ── parameters ───────────────────────────────────────────────────────────────────────────────

PARAMETERS = """
name: flow
triggers:
  - type: cli
    params:
      - {name: feature, type: string, required: true}
      - {name: priority, type: string, default: medium, enum: [low, medium]}
      - {name: days, type: number, default: 7}
steps:
  - id: a
    module: m
    action: say
    inputs: {f: "{{ trigger.feature }}", p: "{{ trigger.priority }}", d: "{{ trigger.days || 3 }}", n: "{{ trigger.none }}"}
"""


def test_parameters_and_their_defaults() -> None:
    modules = Modules()
    run(PARAMETERS, modules, {"trigger": {"feature": "x", "days": 2.5, "priority": None}})
    assert modules.calls == [("a", {"f": "x", "p": "medium", "d": 2.5, "n": None})]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "'trigger' is required and was not given"),
        ({"trigger": {}}, "trigger: the field 'feature' is missing; it is a text"),
        ({"trigger": {"feature": 5}}, "trigger.feature: expected a text, found an integer"),
        ({"trigger": {"feature": "x", "priority": "loww"}}, "did you mean 'low'?"),
        ({"trigger": {"feature": "x", "other": 1}}, "the field 'other' is not declared"),
    ],
)
def test_parameters_that_do_not_fit(data: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        run(PARAMETERS, Modules(), data)
    assert message in str(caught.value)


# ── actions that there are not ───────────────────────────────────────────────────────────────


def test_unknown_modules_and_actions_have_their_place() -> None:
    text = """\
    name: flow
    steps:
      - id: a
        module: reviw
        action: scan-repository
        onSuccess: b.2
      - id: b.2
        module: review
        action: scan-repo
        onSuccess: c
      - id: c
        module: review
        action: scan-repository
        inputs: {cdw: "."}
        outputs:
          - {name: summary, type: object}
          - {name: sumary, type: object}
    """
    with weft.open() as engine, pytest.raises(DefinitionErrors) as caught:
        engine.add(weft.loads(textwrap.dedent(text)))
    told = [(f.line, f.column, f.message.partition(" (")[0]) for f in caught.value.faults]
    assert told == [
        (4, 13, "there is no module 'reviw'"),
        (9, 13, "the module 'review' has no action 'scan-repo'"),
        (14, 19, "review.scan-repository takes no 'cdw'"),
        (17, 9, "review.scan-repository gives no 'sumary'"),
    ]


def test_an_action_that_returns_what_it_did_not_declare() -> None:
    modules = Modules(act=lambda: {"plan": "text"})
    case = run(steps("{id: a, module: m, action: act, outputs: [{name: plan, type: object}]}"), modules)  # fmt: skip
    assert case.status is weft.CaseStatus.FAILED
    assert case.error["code"] == "result-type"
    assert "plan: expected an object or null, found a text" in case.error["message"]


# ── decisions ────────────────────────────────────────────────────────────────────────────────

DECISION = """
name: flow
steps:
  - id: choose
    module: system
    action: wait-for-decision
    inputs:
      title: What now?
      proposals: [{id: go, label: Go on}, {id: again, label: Ask again}]
    onSuccess:
      condition: "{{ steps.choose.outputs.decision }} === 'again'"
      then: choose
  """


def test_a_person_decides() -> None:
    with Modules().session() as engine:
        case = engine.run(weft.loads(DECISION))
        assert case.idle
        (item,) = case.work_list()
        assert item.form is not None
        assert json.loads(item.form)["config"]["choices"] == [
            {"id": "go", "label": "Go on"},
            {"id": "again", "label": "Ask again"},
        ]
        for wrong in ({"choice": "nothing"}, {}, "go", {"choice": "go", "more": 1}):
            with pytest.raises(UsageError, match="does not fit"):
                case.complete(item.item, wrong)
        case.complete(item.item, {"choice": "again"})
        case.wait()
        assert case.data["steps"]["choose"]["outputs"] == {
            "decision": "again",
            "decisionId": "choose/1",
        }
        case.complete("choose/2", {"choice": "go"})
        assert case.wait() is weft.CaseStatus.COMPLETED
        assert case.data["steps"]["choose"]["outputs"]["decisionId"] == "choose/2"


def test_a_free_decision() -> None:
    text = steps(
        "{id: name, module: system, action: wait-for-decision, inputs: {title: 'Which?'}, onSuccess: say}",
        "{id: say, module: m, action: say, inputs: {x: '{{ steps.name.outputs.decision }}'}}",
    )
    modules = Modules()
    with modules.session() as engine:
        case = engine.run(weft.loads(text))
        case.complete("name/1", {"decision": "Ada"})
        case.wait()
    assert modules.calls == [("say", {"x": "Ada"})]


# ── the command line ─────────────────────────────────────────────────────────────────────────


def test_the_command_line_runs_such_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, DECISION)
    assert main(["run", "flow.yaml", "--decide", "choose=go", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["data"]["steps"]["choose"]["outputs"]["decision"] == "go"
    assert main(["run", "flow", "--json"]) == 3  # the store knows it, and its text is read again
    case = json.loads(capsys.readouterr().out)["case"]
    assert main(["worklist", "--json"]) == 0
    (item,) = json.loads(capsys.readouterr().out)["work_items"]
    assert item["form"]["title"] == "What now?"
    answer = json.dumps({"choice": "go"})
    assert main(["complete", f"{case}:choose/1", "--data", answer, "--json"]) == 0
    capsys.readouterr()
    write(tmp_path, steps("{id: a, module: nowhere, action: x}"), "bad.yaml")
    assert main(["run", "bad.yaml"]) == 2
    assert "bad.yaml:3:21: there is no module 'nowhere'" in capsys.readouterr().err


def test_parameters_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = PARAMETERS.replace("module: m", "module: system").replace("action: say", "action: log")
    write(tmp_path, text.partition("    inputs:")[0] + '    inputs: {message: "{{ trigger }}"}')
    given = ["-p", "feature=5", "-p", "days=2.5", "--json", "--data"]
    assert main(["run", "flow.yaml", *given, '{"trigger": {"priority": "low"}}']) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["data"]["trigger"] == {"priority": "low", "feature": "5", "days": 2.5}
    for wrong in (["-p", "feature=x", "-p", "colour=red"], [*given, '{"trigger": 5}']):
        assert main(["run", "flow.yaml", *wrong]) == 2
        assert "trigger" in "".join(capsys.readouterr())


def test_files_are_told_apart_by_their_keys(tmp_path: Path) -> None:
    assert weft.load(write(tmp_path, DECISION)).source.format == "steps"
    json_file = write(tmp_path, '{"name": "a", "steps": [{"id": "a", "module": "m", "action": "x"}]}', "a.json")  # fmt: skip
    assert weft.load(json_file).source.format == "steps"
    native = "weft: 1\nname: steps\nsequence: [{shell: [echo, steps]}]\n"
    assert weft.load(write(tmp_path, native, "n.yaml")).source.format == "native"
    with pytest.raises(weft.DefinitionError, match=r"b\.yaml:2:1: a value is missing"):
        weft.load(write(tmp_path, "steps: [", "b.yaml"))

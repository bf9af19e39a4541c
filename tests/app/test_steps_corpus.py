"""The corpus of workflows in the steps format: each runs, through every branch, with stubs.

Nothing here knows a file. What a workflow asks for is read from its text: its modules and actions
become functions whose outcome a plan chooses, outputs of the declared types included; and its edges
are those that its onSuccess and onFailure write. Plans are drawn until every step has run and every
edge was taken, or so many that a branch that cannot be reached is one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import attrs
import pytest

import weft
from weft.connectors.actions import ActionConnector
from weft.engine import events as e
from weft.engine.runtime.live import Batch
from weft.schema.yaml import plain, read_yaml

FILES = (
    "example-simple",
    "execute-features",
    "plan-with-decisions",
    "review-self",
    "review-self-auto",
    "seed-implement-feature",
    "workflow-implement-feature",
)
MAX_PLANS = 400
END = "(end)"
FAILED = "(the case fails)"

Edge = tuple[str, str, str]
"""A step, ``success`` or ``failure``, and where that leads."""


@pytest.fixture(params=FILES)
def path(request: pytest.FixtureRequest, corpus: Path) -> Path:
    found = corpus / "steps" / f"{request.param}.yaml"
    assert found.is_file()
    return found


def test_no_file_of_the_corpus_is_left_out(corpus: Path) -> None:
    assert sorted(p.stem for p in (corpus / "steps").glob("*.yaml")) == sorted(FILES)


# ── what a file says ─────────────────────────────────────────────────────────────────────────


def written(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = plain(read_yaml(path))
    return document


def leads(way: Any, otherwise: str) -> Iterator[str]:
    """All steps that an onSuccess or onFailure may lead to."""
    if isinstance(way, dict):
        yield from leads(way["then"], otherwise)
        yield from leads(way.get("else"), otherwise)
    else:
        yield way or otherwise


def edges(document: Mapping[str, Any]) -> set[Edge]:
    found: set[Edge] = set()
    for step in document["steps"]:
        found |= {(step["id"], "success", to) for to in leads(step.get("onSuccess"), END)}
        found |= {(step["id"], "failure", to) for to in leads(step.get("onFailure"), FAILED)}
    return found


def decides(step: Mapping[str, Any]) -> bool:
    return (step["module"], step["action"]) == ("system", "wait-for-decision")


# ── stubs ────────────────────────────────────────────────────────────────────────────────────


class Plan:
    """Chooses, by a seed, what becomes of every step: its outputs, or that it fails."""

    def __init__(self, seed: int, steps: Sequence[str]) -> None:
        self.random = random.Random(seed)
        self.failing = self.random.choice([0.0, 0.05, 0.3])
        self.broken = self.random.choice([*steps, ""])
        """A step that fails whenever it is tried."""
        self.inputs: list[tuple[str, Mapping[str, Any]]] = []

    def perform(self, work: weft.Work, outputs: list[dict[str, Any]]) -> dict[str, Any]:
        self.inputs.append((work.task, work.inputs))
        if self.fails(work.task):
            raise RuntimeError(f"{work.task} does not work")
        chosen = {output["name"]: self.value(output) for output in outputs}
        # What files ask for without declaring it: a truth that a condition may read.
        return {"found": self.random.random() < 0.7, "fileCount": 3, **chosen}

    def fails(self, step: str) -> bool:
        return step == self.broken or self.random.random() < self.failing

    def value(self, declared: Any) -> Any:
        declared = {"type": declared} if isinstance(declared, str) else declared
        if "enum" in declared:
            return self.random.choice(declared["enum"])
        match declared.get("type"):
            case "string":
                return self.random.choice(["", "text"])
            case "number" | "integer":
                return self.random.choice([0, 1, 7])
            case "boolean":
                return self.random.random() < 0.5
            case "array":
                return [self.value(declared["items"])] if "items" in declared else ["a", "b"]
            case "object":
                return {k: self.value(v) for k, v in declared.get("properties", {}).items()}
        raise AssertionError(declared)


def given(document: Mapping[str, Any], plan: Plan) -> dict[str, Any]:
    """Parameters: what is required, and sometimes what is not."""
    values = {}
    for trigger in document.get("triggers", []):
        for parameter in trigger.get("params", []):
            if parameter.get("required") or plan.random.random() < 0.3:
                values[parameter["name"]] = plan.value(parameter)
    return {"trigger": values} if values else {}


# ── running ──────────────────────────────────────────────────────────────────────────────────


class Workflow:
    """A file, loaded with its stubs into an engine of its own; use it with ``with``."""

    def __init__(self, path: Path) -> None:
        self.document = written(path)
        self.steps = {step["id"]: step for step in self.document["steps"]}
        self.plan = Plan(0, ())
        self.way: list[tuple[str, str]] = []
        self.specification = weft.load(path)
        session = weft.open(seed=1)
        connector = ActionConnector(self.stubs(), only_inline=True)
        session._options["connectors"]["action"] = connector
        self.session = session

    def stubs(self) -> dict[str, dict[str, Any]]:
        """Modules with all actions that the file names."""
        modules: dict[str, dict[str, Any]] = {}

        def act(work: weft.Work, **inputs: Any) -> dict[str, Any]:
            return self.plan.perform(work, self.steps[work.task].get("outputs", []))

        for step in self.document["steps"]:
            if not decides(step):
                modules.setdefault(step["module"], {})[step["action"]] = act
        return modules

    def __enter__(self) -> Self:
        self.engine = self.session.__enter__()
        self.engine._engine.listeners.append(self.hear)
        self.compiled = self.engine.add(self.specification)
        return self

    def __exit__(self, *raised: Any) -> None:  # noqa: PYI036  # handed on as they are
        self.session.__exit__(*raised)

    def run(self, seed: int) -> Run:
        """One case with its plan, and the way that it took."""
        self.plan, self.way = Plan(seed, list(self.steps)), []
        case = self.engine.run(self.compiled, given(self.document, self.plan))
        while case.status is weft.CaseStatus.RUNNING:
            assert case.idle
            (item,) = case.work_list()
            if self.plan.fails(item.task):
                case.begin(item.item)
                case.fail(item.item, "nobody knows: it does not work")
            else:
                proposals = self.steps[item.task]["inputs"]["proposals"]
                choice = self.plan.random.choice(proposals)["id"]
                case.complete(item.item, {"choice": choice})
            case.wait()
        return Run(self.way, self.plan.inputs, case.status, case.error, case.data)

    def hear(self, batch: Batch) -> None:
        for event in batch.events:
            name = getattr(event, "item", "").partition("/")[0]
            if name not in self.steps:
                continue
            if isinstance(event, e.WorkItemStarted | e.WorkItemRetried):
                self.way.append((name, "start"))
            elif isinstance(event, e.WorkItemCompleted):
                self.way.append((name, "success"))
            elif isinstance(event, e.WorkItemFailed):
                self.way.append((name, "failure"))


@attrs.frozen
class Run:
    """How a case went: starts, successes and failures of its steps, in order."""

    way: list[tuple[str, str]]
    inputs: list[tuple[str, Mapping[str, Any]]]
    status: weft.CaseStatus
    error: dict[str, Any] | None
    data: dict[str, Any]

    @property
    def starts(self) -> list[str]:
        return [step for step, what in self.way if what == "start"]

    def taken(self) -> Iterator[Edge]:
        """The edges that the case went along; an attempt that follows a failure is none."""
        end = FAILED if self.status is weft.CaseStatus.FAILED else END
        for (step, outcome), (following, what) in pairwise([*self.way, (end, "start")]):
            if outcome != "start" and what == "start":
                yield step, outcome, following


def test_every_step_and_every_edge(path: Path) -> None:
    """Whatever its actions do, a workflow ends; together the runs go along all its edges."""
    with Workflow(path) as workflow:
        missing = edges(workflow.document)
        steps = set(workflow.steps)
        for seed in range(MAX_PLANS):
            run = workflow.run(seed)
            for name, step in workflow.steps.items():
                if "maxRetries" in step:
                    assert run.starts.count(name) <= step["maxRetries"] + 1, (seed, name)
            told = run.error or run.data.get("error") or {"code": "none", "message": ""}
            assert "does not work" in told["message"] or told["code"] in ("none", "start-limit")
            if run.status is weft.CaseStatus.FAILED:
                # Only a failure that nobody handles fails a case.
                last, outcome = run.way[-1]
                assert outcome == "failure", (seed, told)
                assert "onFailure" not in workflow.steps[last], (seed, told)
            else:
                assert run.status is weft.CaseStatus.COMPLETED, (seed, run.error)
            missing -= set(run.taken())
            steps -= set(run.starts)
            if not missing and not steps:
                break
    assert not steps, f"never run: {sorted(steps)}"
    assert not missing, f"never taken: {sorted(missing)}"


def test_inputs_have_no_templates_left(path: Path) -> None:
    with Workflow(path) as workflow:
        for seed in range(20):
            run = workflow.run(seed)
            assert run.inputs
            for step, inputs in run.inputs:
                assert "{{" not in repr(inputs), (step, inputs)


def test_a_run_is_the_same_again(path: Path) -> None:
    ran = []
    for _ in range(2):
        with Workflow(path) as workflow:
            ran.append(workflow.run(7))
    assert ran[0] == ran[1]

"""Models as other tools write them: each loads, is sound, and runs to its end.

The files were written for these tests in the shapes of the tools that they are named after: their
namespaces, extensions, diagrams, pools and lanes, and their ways to write conditions.
"""

from __future__ import annotations

import random
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import weft
from weft.formats import formats
from weft.schema.bpmn_constructs import CONSTRUCTS
from weft.schema.imports import Verdict
from weft.schema.specification import Specification, Use

MODELS = sorted((Path(__file__).parents[1] / "fixtures" / "bpmn").iterdir())
DATA: dict[str, dict[str, Any]] = {
    "activiti-5.bpmn": {"paid": False, "shipped": True, "payers": ["a", "b", "c"]},
    "camunda-7.bpmn": {"score": 800},
    "camunda-7-claims.bpmn": {"damages": ["roof", "car"], "sum": 5, "paid": True},
    "zeebe-loan.bpmn": {
        "applicant": {"id": "a-1", "name": "A", "debts": [1, 2], "income": 3},
        "patience": "P1D",
    },
    "flowable-adhoc.bpmn20.xml": {"days": 3},
    "jbpm-orders.bpmn2": {"wait": "PT1H", "approved": True},
    "bonita.bpmn": {"days": 40},
    "camunda-8.bpmn": {
        "order": {"id": "o-1", "items": [{"id": 1}], "total": 3},
        "amount": 3,
        "receipt": "r",
    },
    "flowable.bpmn20.xml": {"vacationApproved": "true", "days": 3, "resendRequest": False},
    "jbpm.bpmn2": {"score": 7},
    "visual-paradigm.bpmn": {"book": {"available": True}},
}

ANSWERS: dict[str, dict[str, Any]] = {
    "bizagi.bpmn": {"done": True},
    "flowable-adhoc.bpmn20.xml": {"ready": True},
}
"""What whoever does some work says besides."""


def model(name: str) -> Specification:
    return weft.load(next(path for path in MODELS if path.name == name))


class Work:
    """A case that somebody works through."""

    engines: ExitStack

    def __init__(self, specification: Specification, **data: Any) -> None:
        self.engine = self.engines.enter_context(weft.open(seed=1))
        self.case = self.engine.start(specification, data)
        self.case.wait()

    @property
    def open(self) -> list[str]:
        return sorted({item.task for item in self.case.work_list()})

    def do(self, task: str, **result: Any) -> None:
        item = next(i.item for i in self.case.work_list() if i.task == task)
        self.case.complete(item, result or None)
        self.case.wait()


@pytest.fixture(autouse=True)
def engines() -> Any:
    with ExitStack() as stack:
        Work.engines = stack
        yield


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.name)
def test_a_model_loads_is_sound_and_runs(path: Path) -> None:
    specification = weft.load(path)
    assert weft.verify(specification).sound
    told = {part.construct for part in specification.imported}
    assert told <= {*CONSTRUCTS}, "nothing but what the table of the page knows"
    assert all(part.verdict is not Verdict.REFUSED for part in specification.imported)
    work, choose = Work(specification, **DATA.get(path.name, {})), random.Random(3)
    for _ in range(40):
        items = work.case.work_list()
        if work.case.status != "running" or not items:
            break
        item = choose.choice(items)
        answer: dict[str, Any] = {}
        for net in specification.nets.values():
            for use in net.tasks[item.task].uses if item.task in net.tasks else ():
                asked = use.argument if isinstance(use.argument, dict) else {}
                if "choices" in asked:
                    answer["choice"] = choose.choice(asked["choices"])
                elif "form" in asked:
                    answer["to"] = [choose.choice(asked["form"]["to"]["items"]["enum"])]
        answer = answer or ANSWERS.get(path.name, {})
        work.case.complete(item.item, answer or None)
        work.case.wait()
    assert work.case.status in ("completed", "running"), work.case.status
    assert work.case.status == "completed" or not work.case.work_list(), "it waits for an event"


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.name)
def test_a_model_goes_to_the_native_format_and_back(path: Path) -> None:
    specification = weft.load(path)
    text = formats().write(specification, formats().named("native")).text
    again = weft.loads(text.decode())
    assert again.nets == specification.nets
    assert (again.triggers, again.schedules) == (specification.triggers, specification.schedules)


def test_the_processes_of_a_file_and_what_they_are_called() -> None:
    loan = model("camunda-7.bpmn")
    assert (loan.name, loan.version) == ("loan-request", "1.4")
    assert loan.nets["net"].tasks["Activity_check"].uses[0].name == "person"
    miwg = model("miwg-style.bpmn")
    assert [s.schedule for s in miwg.schedules] == ["0 8 * * *"]
    assert "process, another one" in {p.construct for p in miwg.imported}
    claims = model("signavio.bpmn")
    uses = [u for t in claims.nets["net"].tasks.values() for u in t.uses if u.name == "person"]
    roles = {u.argument.get("role") for u in uses if isinstance(u.argument, dict)}
    assert roles == {"Front office", "Expert"}


def test_what_is_done_is_undone_the_last_first() -> None:
    work = Work(model("compensation.bpmn"))
    work.do("Hotel")
    work.do("Flight")
    work.do("Pay", choice="no")
    assert work.open == ["CancelFlight"]
    work.do("CancelFlight")
    assert work.open == ["CancelHotel"]
    work.do("CancelHotel")
    assert work.case.status == "completed"


def test_what_succeeds_is_not_undone() -> None:
    work = Work(model("compensation.bpmn"))
    for task, answer in (("Hotel", {}), ("Flight", {}), ("Pay", {"choice": "yes"})):
        work.do(task, **answer)
    assert work.case.status == "completed"


def test_only_the_activity_that_is_named_is_undone() -> None:
    path = next(p for p in MODELS if p.name == "compensation.bpmn")
    text = path.read_text().replace('id="CED3"', 'id="CED3" activityRef="Hotel"')
    work = Work(weft.loads(text, format="bpmn"))
    work.do("Hotel")
    work.do("Flight")
    work.do("Pay", choice="no")
    assert work.open == ["CancelHotel"]


@pytest.mark.parametrize(("choice", "then"), [("not ok", "release"), ("ok", None)])
def test_a_transaction_that_is_cancelled_is_undone_first(choice: str, then: str | None) -> None:
    work = Work(model("transaction.bpmn"))
    work.do("reserve")
    work.do("tg", choice=choice)
    if then is None:
        assert work.case.status == "completed"
        return
    assert work.open == [then]
    work.do("release")
    assert work.open == ["apologise"]
    work.do("apologise")
    assert work.case.status == "completed"


@pytest.mark.parametrize(("choice", "then"), [("fine", "use"), ("dear", "ask"), ("odd", "use")])
def test_an_escalation_is_caught_at_its_sub_process(choice: str, then: str) -> None:
    work = Work(model("escalation.bpmn"))
    work.do("price")
    work.do("g", choice=choice)
    assert work.open == [then]


def test_a_condition_divides_numbers_of_instances() -> None:
    task = model("activiti-5.bpmn").nets["net"].tasks["receive"]
    (several,) = [u for u in task.uses if u.name == "for-each"]
    assert several == Use(
        "for-each",
        {
            "in": "payers",
            "as": "each",
            "until": "double(completed) / double(size(payers)) >= 0.6",
            "rest": "cancel",
        },
    )
    work = Work(model("activiti-5.bpmn"), **DATA["activiti-5.bpmn"])
    work.do("receive")
    assert work.open == ["receive"]
    work.do("receive")
    assert work.open == ["archive"]

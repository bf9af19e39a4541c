"""What a task does to what it was given, or later to what it returned, nobody else sees."""

from __future__ import annotations

from copy import deepcopy as copy_of
from typing import Any

import anyio
import pytest

from tests.engine import generated as g
from tests.engine.runtime.worlds import Functions, World
from weft.engine.lifecycle import CaseStatus
from weft.engine.ports import Work, Worker
from weft.engine.runtime.live import read_case
from weft.schema.datatypes import Variable
from weft.schema.errors import WorkFailed

DATA = {"order": {"items": [{"name": "pen", "tags": ["new"]}], "notes": {}}}
ORDER = {"order": Variable("order")}


def spoil(value: Any) -> None:
    """Change everything that can be changed in a value."""
    if isinstance(value, dict):
        for item in value.values():
            spoil(item)
        value.clear()
        value["spoiled"] = True
    elif isinstance(value, list):
        for item in value:
            spoil(item)
        value.clear()


@pytest.mark.parametrize("worker", [Worker.INLINE, Worker.ASYNC])
async def test_branches_do_not_see_each_others_changes(worker: Worker) -> None:
    """Nested values, too: given as inputs, returned as results, kept by the task for later."""
    given: dict[str, Any] = {}
    returned: list[Any] = []

    def look(work: Work) -> Any:
        given[work.item] = copy_of(dict(work.inputs))
        result = {"of": work.task, "deep": [{"x": [1, 2]}], "same": work.inputs["order"]}
        spoil(work.inputs["order"]["items"])
        work.inputs["order"]["mine"] = work.task
        returned.append(result)
        return result

    async def looks(work: Work) -> Any:
        result = look(work)
        await anyio.lowlevel.checkpoint()
        spoil(result["deep"])
        result["deep"].append("at the last moment")
        return result

    def late(work: Work) -> None:
        for result in returned:
            spoil(result)
        given[work.item] = copy_of(dict(work.inputs))

    mapped = {"order": "order"}
    names = ("a", "b")
    functions = Functions(
        by_task={**dict.fromkeys(names, looks if worker is Worker.ASYNC else look), "c": late},
        workers=dict.fromkeys(names, worker),
    )
    inputs = {"order": "order", "a": "a", "b": "b"}
    spec = g.specification(
        g.net(
            names,
            *(g.task(n, then="c", inputs=mapped) for n in names),
            g.task("c", join="synchronization", inputs=inputs, then="d"),
            g.task("d", "person"),
            variables=ORDER,
        )
    )
    w = World(functions=functions)
    mine = copy_of(DATA)
    async with w.engine() as engine:
        case = await engine.start(spec, mine)
        other = await engine.start(spec, mine)
        spoil(mine)
        for one in (case, other):
            assert await one.wait() is CaseStatus.RUNNING
            assert one.data["order"] == DATA["order"]
        for item in ("a/1", "b/1"):
            assert given[item]["order"] == DATA["order"]
        assert given["c/1"]["order"] == DATA["order"]
        deep = ["at the last moment"] if worker is Worker.ASYNC else [{"x": [1, 2]}]
        for task in names:
            result = given["c/1"][task]
            assert result["of"] == task
            assert result["deep"] == deep
            assert result["same"]["mine"] == task
            assert case.data[task] == result, "what came back was copied when it came back"
        # What a user is given is theirs as well.
        spoil(case.data)
        assert case.data["order"] == DATA["order"]
        stored = read_case(w.journal, engine.find(case.id), case.state.compiled)
        assert stored.state == case.state


async def test_a_child_net_does_not_share_with_its_parent() -> None:
    seen: list[Any] = []

    def spoiling(work: Work) -> Any:
        seen.append(copy_of(work.inputs["order"]))
        spoil(work.inputs["order"])
        return work.inputs["order"]

    child = g.net(
        "w",
        g.task("w", inputs={"order": "order"}, outputs={"order": "result"}, then="v"),
        g.task("v", inputs={"order": "order"}),
        name="child",
        variables=ORDER,
    )
    sub = {"child": "child", "inputs": {"order": "order"}}
    root = g.net(["s", "t"], g.task("s", **sub), g.task("t", **sub), variables=ORDER)
    w = World(functions=Functions(by_task={"w": spoiling, "v": spoiling}))
    async with w.engine() as engine:
        case = await engine.start(g.specification({"net": root, "child": child}), DATA)
        assert await case.wait() is CaseStatus.COMPLETED
        assert case.data["order"] == DATA["order"]
        assert case.data["s"]["order"] == {"spoiled": True}
    assert seen.count(DATA["order"]) == 2


async def test_errors_are_copies_too() -> None:
    details = {"lines": ["one"]}

    def fails(work: Work) -> None:
        error = WorkFailed("no")
        error.details = {"details": details}  # type: ignore[attr-defined]
        raise error

    w = World(functions=Functions(by_task={"a": fails}))
    async with w.engine() as engine:
        case = await engine.start(g.specification(g.net("a", g.task("a"))))
        assert await case.wait() is CaseStatus.FAILED
        details["lines"].append("two")
        assert case.error is not None
        assert case.error["details"] == {"lines": ["one"]}
        case.error["details"]["lines"].append("three")
        assert case.error["details"] == {"lines": ["one"]}


async def test_the_default_of_a_variable_is_nobodys() -> None:
    kept: list[Any] = []

    def spoiling(work: Work) -> None:
        kept.append(copy_of(work.inputs["order"]))
        spoil(work.inputs["order"])

    variables = {"order": Variable("order", default=DATA["order"])}
    spec = g.specification(g.net("a", g.task("a", inputs={"order": "order"}), variables=variables))
    w = World(functions=Functions(by_task={"a": spoiling}))
    async with w.engine() as engine:
        for _ in range(2):
            await (await engine.start(spec)).wait()
    assert kept == [DATA["order"], DATA["order"]]

"""Actions: how they are found, what they are given, and what is told of those that do not fit."""

from __future__ import annotations

import logging
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypedDict

import attrs
import pytest

import weft
from tests.connectors.conftest import perform
from weft.connectors import builtin
from weft.connectors.actions import AGENT_VARIABLE, ActionConnector, Completed, Context, action
from weft.engine.ports import Connector, Worker
from weft.schema.datatypes import DataType
from weft.schema.errors import DefinitionErrors, UsageError, WorkFailed


@attrs.frozen
class Counted:
    """The outputs of an action."""

    line_count: int
    names: list[str]
    ratio: float | None = None


class Typed(TypedDict):
    """The same as a typed dict."""

    found: bool


@action("count")
def count(context: Context, file_name: str, skip_blank: bool = False) -> Counted:
    """An action with everything."""
    context.logger.info("counting %s", file_name)
    return Counted(3 if skip_blank else 5, [file_name])


@action("wait-here")
async def wait_here(context: Context) -> Typed:
    """A coroutine."""
    return {"found": context.work.attempt == 2}


@action("anything")
def anything(**inputs: Any) -> dict[str, Any]:
    """An action without types."""
    return dict(inputs)


@action("nothing")
def nothing() -> None:
    """An action without outputs."""


MODULES = {"own": {f.__weft_action__: f for f in (count, wait_here, anything, nothing)}}  # type: ignore[attr-defined]


@pytest.fixture
def connector() -> ActionConnector:
    return ActionConnector(MODULES)


def bound(connector: ActionConnector, config: Any, *inputs: str, origin: Path | None = None) -> Any:
    return connector.bind("check", config, origin=origin, inputs=inputs)


def faults(connector: ActionConnector, config: Any, *inputs: str, **more: Any) -> list[str]:
    with pytest.raises(DefinitionErrors) as caught:
        bound(connector, config, *inputs, **more)
    return [str(fault) for fault in caught.value.faults]


# ── calling ──────────────────────────────────────────────────────────────────────────────────


async def test_names_are_spelled_as_files_spell_them(connector: ActionConnector) -> None:
    performer = bound(connector, "own.count", "fileName", "skipBlank")
    assert performer.worker is Worker.ASYNC
    assert await perform(performer, fileName="a", skipBlank=True) == {
        "lineCount": 3,
        "names": ["a"],
        "ratio": None,
    }
    assert await perform(performer, fileName="a") == {"lineCount": 5, "names": ["a"], "ratio": None}


async def test_coroutines_get_the_work_item(connector: ActionConnector) -> None:
    performer = bound(connector, {"module": "own", "action": "wait-here"})
    assert await perform(performer) == {"found": True}


async def test_untyped_actions_take_and_give_anything(connector: ActionConnector) -> None:
    performer = bound(connector, "own.anything", "a", "b_c")
    assert await perform(performer, a=1, b_c=[2]) == {"a": 1, "b_c": [2]}
    assert await perform(bound(connector, "own.nothing")) == {}


async def test_the_logger_is_that_of_the_module(
    connector: ActionConnector, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "weft.actions.own"):
        await perform(bound(connector, "own.count", "fileName"), fileName="x")
    assert [r.getMessage() for r in caplog.records] == ["counting x"]


async def test_inputs_are_checked(connector: ActionConnector) -> None:
    with pytest.raises(WorkFailed, match="input 'fileName' must be a text, not the number 5"):
        await perform(bound(connector, "own.count", "fileName"), fileName=5)


async def test_a_run_that_is_reproducible_is_inline(connector: ActionConnector) -> None:
    inline = ActionConnector(MODULES, only_inline=True)
    performer = bound(inline, {"module": "own", "action": "nothing", "clock": True})
    assert performer.worker is Worker.INLINE
    assert await perform(performer) == {"outputs": {}, "now": 0.0}
    now = (await perform(bound(connector, {"module": "own", "action": "nothing", "clock": True})))[
        "now"
    ]
    assert now > 1_000_000_000


@pytest.mark.parametrize("wrong", [3, "text", [1]])
async def test_outputs_come_by_name(wrong: Any) -> None:
    connector = ActionConnector({"m": {"x": lambda: wrong}})
    with pytest.raises(
        WorkFailed, match=r"m\.x returned .*; an action returns its outputs by name"
    ):
        await perform(bound(connector, "m.x"))


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({}, "'plan' is missing; it gave nothing"),
        ({"plam": {}, "n": 1}, r"'plan' is missing \(did you mean 'plam'\?\); it gave plam, n"),
        ({"plan": "x"}, r"plan: expected an object with tasks or null, found a text"),
        ({"plan": {"tasks": 5}}, "plan.tasks: expected a list or null, found an integer"),
    ],
)
async def test_declared_outputs_are_checked(result: Any, message: str) -> None:
    """An action that returns what it did not declare, or not what it declared, fails clearly."""
    plan = {"type": "object", "fields": {"tasks": {"type": "array", "nullable": True}},
            "additional": True, "nullable": True}  # fmt: skip
    config = {"module": "m", "action": "x", "outputs": {"plan": plan}}
    connector = ActionConnector({"m": {"x": lambda: result}})
    with pytest.raises(WorkFailed, match=message) as caught:
        await perform(bound(connector, config))
    assert caught.value.code == "result-type"
    assert not caught.value.retryable


async def test_what_an_action_itself_declares_is_checked() -> None:
    def typed() -> Typed:
        return {"found": "yes"}  # type: ignore[typeddict-item]

    def more() -> Typed:
        return {"found": True, "extra": 1}  # type: ignore[typeddict-unknown-key]

    connector = ActionConnector({"m": {"typed": typed, "more": more}})
    for name in ("typed", "more"):
        with pytest.raises(WorkFailed) as caught:
            await perform(bound(connector, f"m.{name}"))
        assert caught.value.code == "result-type"


# ── finding ──────────────────────────────────────────────────────────────────────────────────


def test_unknown_modules_and_actions_are_told_with_those_that_there_are(
    connector: ActionConnector,
) -> None:
    assert faults(connector, "reviw.read-review") == [
        (
            "task 'check', action.module: there is no module 'reviw' (did you mean 'review'?); there "
            "are agent, analysis, bug-fixing, documentation, git, implementation, own, planning, "
            "refactoring, review, system, testing"
        )
    ]
    assert faults(connector, "own.cuont") == [
        (
            "task 'check', action.action: the module 'own' has no action 'cuont' (did you mean "
            "'count'?); it has anything, count, nothing, wait-here"
        )
    ]
    assert "is work for a person" in faults(connector, "system.wait-for-decision")[0]


def test_inputs_and_outputs_have_to_fit(connector: ActionConnector) -> None:
    outputs = {"lineCount": "number", "linecount": "any", "names": "string", "ratio": "number"}
    config = {"module": "own", "action": "count", "outputs": outputs}
    assert faults(connector, config, "filename") == [
        (
            "task 'check', action.inputs.filename: own.count takes no 'filename' (did you mean "
            "'fileName'?); it takes fileName, skipBlank"
        ),
        (
            "task 'check', action.action: own.count needs the input 'fileName'; it takes fileName, "
            "skipBlank"
        ),
        (
            "task 'check', action.outputs.linecount: own.count gives no 'linecount' (did you mean "
            "'lineCount'?); it gives lineCount, names, ratio"
        ),
        "task 'check', action.outputs.names: own.count gives 'names' as array, not as string",
    ]
    assert "gives no 'x'; it gives nothing" in faults(connector, {"module": "own", "action": "nothing", "outputs": {"x": "any"}})[0]  # fmt: skip
    assert "it takes no inputs" in faults(connector, "own.nothing", "x")[0]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (5, "must be a text such as git.status, or a mapping; not the number 5"),
        ("status", "must be the name of a module, not the text"),
        ({}, "must be the name of a module, not nothing"),
        ({"module": "own", "action": "a b"}, "must be the name of an action"),
        ({"module": "own", "action": "count", "output": {}}, "unknown key 'output' (did you mean 'outputs'?); accepted: module, action, outputs, clock"),
        ({"module": "own", "action": "count", "outputs": []}, "must be types by name, not a list"),
        ({"module": "own", "action": "count", "outputs": {"a": "text"}}, "there is no type 'text': write string"),
        ({"module": "own", "action": "count", "clock": 1}, "must be true or false"),
        ({"do": "nothing"}, "'do' is for the steps format"),
        ({"do": "limit"}, "'do' is for the steps format"),
    ],
)  # fmt: skip
def test_faults_of_the_configuration(connector: ActionConnector, config: Any, message: str) -> None:
    assert any(message in fault for fault in faults(connector, config))


def not_callable(**annotations: Any) -> Callable[..., Any]:
    def function(x: Any = None) -> None: ...

    function.__annotations__ = annotations
    return function


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (not_callable(**{"return": int}), "m.x returns <class 'int'>; an action returns its outputs by name"),
        (not_callable(**{"return": list[str]}), "an action returns its outputs by name"),
        (not_callable(x="Nowhere"), "the annotations of m.x have no meaning: name 'Nowhere'"),
        (not_callable(x=types.ModuleType), "cannot be made from JSON"),
    ],
)  # fmt: skip
def test_functions_that_are_no_actions(function: Any, message: str) -> None:
    (fault,) = faults(ActionConnector({"m": {"x": function}}), "m.x")
    assert message in fault


def test_a_mark_needs_a_name() -> None:
    with pytest.raises(ValueError, match="'a b' cannot name an action"):
        action("a b")


OWN = """
    import weft
    from helper import NUMBER

    @weft.connectors.action("number")
    def number() -> dict[str, int]:
        return {"n": NUMBER}

    def not_one() -> None: ...
"""


async def test_modules_in_folders_and_beside_the_file(folder: Callable[..., Path]) -> None:
    mine = folder("mine", my_module=OWN, helper="NUMBER = 1", _hidden=OWN, broken="1 / 0")
    beside = folder("flow/modules", my_module=OWN.replace("number", "other"), helper="NUMBER = 2")
    (mine / "notes.txt").write_text("no module")
    package = mine / "packed"
    package.mkdir()
    (package / "__init__.py").write_text("import weft\n@weft.connectors.action('x')\ndef x() -> None: ...\n")  # fmt: skip
    connector = ActionConnector(folders=[mine])
    assert await perform(bound(connector, "my-module.number")) == {"n": 1}
    assert await perform(bound(connector, "packed.x")) == {}
    performer = bound(connector, "my-module.other", origin=beside.parent)
    assert await perform(performer) == {"n": 2}
    assert "cannot be imported: ZeroDivisionError" in faults(connector, "broken.x")[0]
    assert "there is no module 'hidden'" in faults(connector, "hidden.number")[0]
    known = connector.actions(beside.parent)
    assert set(known["my-module"]) == {"number", "other"}
    assert "broken" not in known
    assert "log" in known["system"]


async def test_own_actions_come_before_built_in_ones() -> None:
    connector = ActionConnector({"system": {"log": lambda message: {"message": message * 2}}})
    assert await perform(bound(connector, "system.log", "message"), message="a") == {
        "message": "aa"
    }
    assert bound(connector, "system.wait", "seconds") is not None


async def test_modules_and_objects_are_sources() -> None:
    module = types.ModuleType("some")
    module.first = count  # type: ignore[attr-defined]
    module.same = count  # type: ignore[attr-defined]

    class Shop:
        stock = 3

        @action("stock")
        def look(self) -> dict[str, int]:
            return {"stock": self.stock}

    connector = ActionConnector({"some": module, "shop": Shop()})
    assert await perform(bound(connector, "some.count", "fileName"), fileName="x")
    assert await perform(bound(connector, "shop.stock")) == {"stock": 3}
    other = action("count")(lambda: None)
    module.other = other  # type: ignore[attr-defined]
    (fault,) = faults(connector, "some.count")
    assert "are marked as the action 'count'" in fault
    assert "some" not in connector.actions()


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the folder of modules"):
        ActionConnector(folders=[tmp_path / "nowhere"])


# ── what an action is offered ────────────────────────────────────────────────────────────────


async def offered(act: Callable[[Context], Any], **options: Any) -> Any:
    """Call something with a context, as an action would be."""
    results: list[Any] = []

    async def acting(context: Context) -> None:
        results.append(await act(context))

    await perform(bound(ActionConnector({"m": {"x": acting}}, **options), "m.x"))
    return results[0]


PYTHON = sys.executable


async def test_the_executor_runs_commands(tmp_path: Path) -> None:
    code = "import os, sys; print(os.getcwd(), sys.stdin.read(), os.environ['A'], os.environ['WEFT_ITEM'])"  # fmt: skip
    done: Completed = await offered(
        lambda c: c.executor.run(
            [PYTHON, "-c", code], cwd=tmp_path, stdin="${in}", environment={"A": "b"}
        )
    )
    assert done == Completed(0, f"{tmp_path} ${{in}} b check/1\n", "")
    done = await offered(lambda c: c.executor.run([PYTHON, "-c", "exit(3)"], expect=None))
    assert done.exit_code == 3
    with pytest.raises(WorkFailed, match="ended with exit code 3"):
        await offered(lambda c: c.executor.run([PYTHON, "-c", "exit(3)"]))
    with pytest.raises(WorkFailed, match="not found in the folders of PATH"):
        await offered(lambda c: c.executor.run(["no-such-program-at-all"]))


async def test_the_executor_bounds_output_and_time() -> None:
    code = "print('x' * 100_000)"
    done = await offered(lambda c: c.executor.run([PYTHON, "-c", code], capture_bytes=100))
    assert done.truncated
    assert len(done.stdout) < 200
    with pytest.raises(WorkFailed, match=r"did not end within 0\.01 s") as caught:
        await offered(
            lambda c: c.executor.run(
                [PYTHON, "-c", "import time; time.sleep(60)"], timeout_seconds=0.01
            )
        )
    assert caught.value.code == "timeout"


async def test_the_agent_is_the_command_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(AGENT_VARIABLE, raising=False)
    reading = [PYTHON, "-c", "import sys; print(sys.stdin.read().upper(), end='')"]
    assert await offered(lambda c: c.agent.run("hello"), agent=reading) == "HELLO"
    given = [PYTHON, "-c", "import sys; print(sys.argv[1], len(sys.stdin.read()))", "${prompt}"]
    assert await offered(lambda c: c.agent.run("it; $(is)"), agent=given) == "it; $(is) 0\n"
    with pytest.raises(WorkFailed, match=f"no agent is configured: set {AGENT_VARIABLE}") as caught:
        await offered(lambda c: c.agent.run("hello"))
    assert not caught.value.retryable

    async def configured(context: Context) -> bool:
        return context.agent.configured

    assert not await offered(configured)
    monkeypatch.setenv(AGENT_VARIABLE, f"{PYTHON} -c 'print(1 + 1)'")
    assert await offered(lambda c: c.agent.run("hello")) == "2\n"
    monkeypatch.setenv(AGENT_VARIABLE, "unclosed '")
    with pytest.raises(WorkFailed, match=f"{AGENT_VARIABLE} is no command line"):
        await offered(lambda c: c.agent.run("hello"))
    with pytest.raises(UsageError, match="the command is empty"):
        ActionConnector(agent=[])


# ── the protocol ─────────────────────────────────────────────────────────────────────────────


def test_it_is_a_connector(connector: ActionConnector) -> None:
    checked: Connector = connector
    assert checked.automatic
    assert builtin()["action"].kind == "action"
    declared = {"module": "own", "action": "count", "outputs": {"lineCount": "integer"}}
    kind = connector.result_type(declared)
    assert kind.fits({"lineCount": 1, "more": 2})
    assert not kind.fits({"lineCount": "1"})
    assert connector.result_type({"do": "begin"}) == DataType("object")
    assert connector.result_type("own.count").fits({"x": 1})
    assert len(connector.json_schema()["anyOf"]) == 2  # type: ignore[arg-type]


async def test_types_that_cannot_be_told_are_left_to_the_run() -> None:
    def odd() -> Odd:
        return {"a": 1, "b": "x", "c": ("d",), "e": {}}

    connector = ActionConnector({"m": {"x": odd}})
    outputs = {"a": "string", "b": "string", "c": "array", "e": "object"}
    config = {"module": "m", "action": "x", "outputs": outputs}
    with pytest.raises(WorkFailed, match="a: expected a text, found an integer"):
        await perform(bound(connector, config))
    assert "gives 'b' as string, not as boolean" in faults(connector, {**config, "outputs": {"b": "boolean"}})[0]  # fmt: skip


class Odd(TypedDict):
    """Types of many kinds."""

    a: int | str
    b: Literal["x", "y"]
    c: tuple[str, ...]
    e: dict[str, Any]


async def test_work_of_the_steps_format(connector: ActionConnector) -> None:
    begun = await perform(bound(connector, {"do": "begin"}))
    assert begun["executionId"] == "order-17"
    assert begun["cwd"] == str(Path.cwd())
    assert begun["now"] == begun["started"]
    still = ActionConnector(only_inline=True)
    assert (await perform(bound(still, {"do": "begin"})))["startedAt"] == "1970-01-01T00:00:00+00:00"  # fmt: skip
    assert await perform(bound(connector, {"do": "note"})) is None
    for starts, cycle, told in (
        (4, {}, "'a' has started 4 times, the most that its maxRetries, 3, allows"),
        (1, {}, "'a' has started 1 time, the most that its maxRetries, 0, allows"),
        (10_000, {"cycle": True}, "10,000 times, the most that a step without maxRetries may"),
    ):
        limit = bound(connector, {"do": "limit", "step": "a", "starts": starts, **cycle})
        with pytest.raises(WorkFailed, match=told) as caught:
            await perform(limit)
        assert caught.value.code == "start-limit"
        assert caught.value.details == {"step": "a"}
    await connector.aclose()


def test_a_native_specification_names_an_action() -> None:
    text = "weft: 1\nname: say\nsequence:\n  - action: system.log\n    name: say\n    in: {message: \"'hello'\"}\n"  # fmt: skip
    with weft.open(seed=1) as engine:
        ran = engine.run(weft.loads(text))
        assert ran.data["say"] == {"message": "hello", "level": "info"}


def test_the_mark_without_a_name_calls_an_action_as_its_function():
    @action
    def write_notes() -> None: ...

    assert write_notes.__weft_action__ == "write-notes"

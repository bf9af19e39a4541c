from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import jsonschema_rs
import pytest

from tests.connectors.conftest import make_work, perform
from weft.connectors import builtin
from weft.connectors import workers as workers_module
from weft.connectors.python import PythonConnector, RunIn, TaskMark, task
from weft.connectors.workers import Workers
from weft.engine.ports import Connector, Worker
from weft.schema.datatypes import DataType
from weft.schema.errors import DefinitionErrors, InternalError, WorkFailed
from weft.schema.jsonvalue import JsonValue

Folder = Callable[..., Path]

CHECKS = """
    import os, signal, sys, threading, time
    import attrs
    import weft.engine.ports
    from weft.connectors import task
    import helpers

    @attrs.frozen
    class Order:
        name: str
        count: int = 1

    def place() -> list:
        return [os.getpid(), threading.current_thread() is threading.main_thread()]

    def doubled(order: Order, *, times: int = 2) -> Order:
        return Order(order.name * times, helpers.add(order.count))

    def who(work: weft.engine.ports.Work) -> str:
        return work.idempotency_key

    def leave(code: int) -> None:
        os._exit(code)

    def kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def fail() -> None:
        raise LookupError("no such order") from KeyError("inner")

    def early() -> None:
        from weft.schema.errors import WorkFailed
        raise WorkFailed("not yet", code="early", where="shop", retryable=False)

    def big(size: int) -> str:
        return "x" * size

    def say(text: str, count: int) -> int:
        for _ in range(count):
            print(text, end="")
        return count

    def read() -> str:
        return sys.stdin.read() + os.read(0, 100).decode()

    def wait(fifo: str) -> None:
        '''Tell by a named pipe that it stands, and stay; a child of its own stays too.'''
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        told = os.open(fifo, os.O_WRONLY)
        if not os.fork():
            while True:
                signal.pause()
        os.write(told, b"ready")
        while True:
            time.sleep(1000)

    def child_holds_the_socket() -> None:
        if os.fork():
            os._exit(9)
        signal.pause()

    async def later(n: int) -> int:
        return n + 1

    @task(run_in="inline")
    def marked() -> list:
        return place()
"""


@pytest.fixture
def origin(folder: Folder) -> Path:
    return folder(checks=CHECKS, helpers="def add(n): return n + 1")


@pytest.fixture
async def connector() -> AsyncIterator[PythonConnector]:
    python = PythonConnector(processes=2)
    yield python
    await python.aclose()


def config(name: str, run_in: str | None) -> JsonValue:
    return f"checks:{name}" if run_in is None else {"call": f"checks:{name}", "run-in": run_in}


@pytest.fixture
def run(connector: PythonConnector, origin: Path) -> Callable[..., Any]:
    async def run(name: str, run_in: str | None = None, **inputs: Any) -> Any:
        performer = connector.bind("check", config(name, run_in), origin=origin)
        return await perform(performer, **inputs)

    return run


WHERE = ["inline", "thread", "process"]
EVERYWHERE = pytest.mark.parametrize("run_in", WHERE)


# ── where a function runs ────────────────────────────────────────────────────────────────────


async def test_a_function_runs_where_it_is_asked_to(run: Callable[..., Any]) -> None:
    assert await run("place", "inline") == [os.getpid(), True]
    assert await run("place", "thread") == [os.getpid(), False]
    process, main = await run("place", "process")
    assert process != os.getpid()
    assert main
    assert await run("place", "process") == [process, True]  # the worker is kept


async def test_a_plain_function_runs_in_a_thread_unless_it_or_the_specification_says_else(
    run: Callable[..., Any],
) -> None:
    assert await run("place") == [os.getpid(), False]
    assert await run("marked") == [os.getpid(), True]
    assert await run("marked", "thread") == [os.getpid(), False]


async def test_an_asynchronous_function_is_awaited(
    run: Callable[..., Any], connector: PythonConnector, origin: Path
) -> None:
    assert await run("later", n=1) == 2
    assert connector.bind("t", "checks:later", origin=origin).worker is Worker.ASYNC
    with pytest.raises(DefinitionErrors, match=r"is async and runs on the event loop; only a"):
        connector.bind("t", config("later", "inline"), origin=origin)


async def test_everything_can_be_made_to_run_inline(origin: Path) -> None:
    python = PythonConnector(only_inline=True)
    for run_in in (None, *WHERE):
        performer = python.bind("t", config("place", run_in), origin=origin)
        assert performer.worker is Worker.INLINE
        assert await perform(performer) == [os.getpid(), True]
    assert python.bind("t", "checks:later", origin=origin).worker is Worker.ASYNC


@EVERYWHERE
async def test_arguments_and_results_are_the_same_everywhere(
    run: Callable[..., Any], run_in: str
) -> None:
    assert await run("doubled", run_in, order={"name": "ab"}) == {"name": "abab", "count": 2}
    assert await run("who", run_in) == "order-17:check/1"
    assert len(await run("big", run_in, size=3_000_000)) == 3_000_000


@EVERYWHERE
async def test_failures_are_the_same_everywhere(run: Callable[..., Any], run_in: str) -> None:
    with pytest.raises(WorkFailed) as caught:
        await run("fail", run_in)
    assert caught.value.message == "checks:fail raised LookupError: no such order"
    assert caught.value.code == "raised"
    assert caught.value.details["class"] == "LookupError"
    assert caught.value.details["causes"] == [{"class": "KeyError", "message": "'inner'"}]
    assert "checks.py" in str(caught.value.details["traceback"])
    assert "calling.py" not in str(caught.value.details["traceback"])

    with pytest.raises(WorkFailed) as failed:
        await run("early", run_in)
    assert failed.value.message == "not yet"
    assert (failed.value.code, failed.value.where) == ("early", "shop")
    assert not failed.value.retryable

    with pytest.raises(WorkFailed, match=r"'order\.count' must be a whole number") as failed:
        await run("doubled", run_in, order={"name": "a", "count": "1"})
    assert failed.value.code == "input-type"
    assert not failed.value.retryable

    with pytest.raises(WorkFailed, match="there is no parameter for the input 'ordr'"):
        await run("doubled", run_in, ordr=1)


# ── processes ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "inputs", "how"),
    [
        ("leave", {"code": 3}, "ended with exit code 3"),
        ("leave", {"code": 0}, "ended with exit code 0"),
        ("kill", {}, "was ended by SIGKILL"),
        ("child_holds_the_socket", {}, "ended with exit code 9"),
    ],
)
async def test_a_worker_that_dies_takes_only_its_own_call_with_it(
    run: Callable[..., Any], name: str, inputs: dict[str, int], how: str
) -> None:
    with pytest.raises(WorkFailed) as caught:
        await run(name, "process", **inputs)
    assert caught.value.code == "worker-died"
    assert caught.value.retryable
    assert caught.value.message == (
        f"the worker process of checks:{name} {how} before it had a result"
    )
    assert await run("big", "process", size=1) == "x"


async def test_an_idle_worker_that_dies_is_replaced(
    run: Callable[..., Any], connector: PythonConnector
) -> None:
    process, _ = await run("place", "process")
    (worker,) = connector._workers._all
    os.kill(process, signal.SIGKILL)
    await worker.child.wait_ended()
    replaced, _ = await run("place", "process")
    assert replaced != process
    assert len(connector._workers._all) == 1


async def test_cancelling_a_call_kills_its_worker_and_what_that_has_started(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: run("wait", "process", fifo=str(fifo)))
            pipe = await anyio.to_thread.run_sync(os.open, fifo, os.O_RDONLY)
            assert await anyio.to_thread.run_sync(os.read, pipe, 10) == b"ready"
            group.cancel_scope.cancel()
        assert os.read(pipe, 10) == b""  # nobody is left to hold it
        os.close(pipe)
        assert await run("big", "process", size=1) == "x"


async def test_closing_ends_workers_that_are_busy_too(origin: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    python = PythonConnector(processes=2)
    waiting = python.bind("t", config("wait", "process"), origin=origin)
    idle = python.bind("t", config("place", "process"), origin=origin)
    failures: list[str | None] = []

    async def wait() -> None:
        try:
            await perform(waiting, fifo=str(fifo))
        except WorkFailed as failed:
            failures.append(failed.code)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            pipe = await anyio.to_thread.run_sync(os.open, fifo, os.O_RDONLY)
            assert await anyio.to_thread.run_sync(os.read, pipe, 10) == b"ready"
            await perform(idle)
            assert len(python._workers._all) == 2
            children = [worker.child for worker in python._workers._all]
            await python.aclose()
    assert failures == ["worker-died"]
    assert os.read(pipe, 10) == b""
    os.close(pipe)
    assert sorted(child.exit_code or 0 for child in children) == [-signal.SIGKILL, 0]


async def test_a_worker_that_does_not_end_by_itself_is_killed(
    run: Callable[..., Any], connector: PythonConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, _ = await run("place", "process")
    (worker,) = connector._workers._all
    os.kill(process, signal.SIGSTOP)
    monkeypatch.setattr(workers_module, "END_SECONDS", 0.0)
    await connector.aclose()
    assert worker.child.exit_code == -signal.SIGKILL


async def test_only_so_many_workers_are_started(origin: Path) -> None:
    python = PythonConnector(processes=1)
    performer = python.bind("t", config("place", "process"), origin=origin)
    seen: set[int] = set()

    async def do() -> None:
        seen.add((await perform(performer))[0])

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(do)
    assert len(seen) == 1
    await python.aclose()


async def test_a_worker_has_nothing_on_standard_input(run: Callable[..., Any]) -> None:
    assert await run("read", "process") == ""


async def test_a_worker_prints_where_the_program_prints(origin: Path) -> None:
    """A program of its own, so that its standard output is a real one; also a long text."""
    program = f"""
import anyio
from pathlib import Path
from tests.connectors.conftest import perform
from weft.connectors.python import PythonConnector

async def main():
    python = PythonConnector()
    say = python.bind("t", {{"call": "checks:say", "run-in": "process"}}, origin=Path({str(origin)!r}))
    assert await perform(say, text="hello\\n" * 1000, count=1000) == 1000
    assert await perform(say, text="last", count=1) == 1
    await python.aclose()

anyio.run(main)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = await anyio.run_process([sys.executable, "-c", program], env=environment)
    assert done.stdout == b"hello\n" * 1_000_000 + b"last"


async def test_a_worker_ends_with_its_engine(origin: Path, tmp_path: Path) -> None:
    """However the engine ends: its worker, and what that has started, do not outlive it."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    program = f"""
import anyio
from pathlib import Path
from tests.connectors.conftest import perform
from weft.connectors.python import PythonConnector

async def main():
    wait = PythonConnector().bind(
        "t", {{"call": "checks:wait", "run-in": "process"}}, origin=Path({str(origin)!r})
    )
    await perform(wait, fifo={str(fifo)!r})

anyio.run(main)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    async with await anyio.open_process([sys.executable, "-c", program], env=environment) as engine:
        with anyio.fail_after(60):
            pipe = await anyio.to_thread.run_sync(os.open, fifo, os.O_RDONLY)
            assert await anyio.to_thread.run_sync(os.read, pipe, 10) == b"ready"
            engine.kill()
            assert await anyio.to_thread.run_sync(os.read, pipe, 10) == b""
            os.close(pipe)


async def test_a_worker_that_cannot_be_started_may_be_later(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/no/such/python")
        with pytest.raises(WorkFailed, match="no worker process can be started") as caught:
            await run("place", "process")
    assert (caught.value.code, caught.value.retryable) == ("cannot-start", True)
    assert await run("place", "process")


async def test_a_worker_that_cannot_find_the_function_says_so(
    run: Callable[..., Any], origin: Path
) -> None:
    await run("place", "process")
    (origin / "gone.py").write_text("def f(): ...")
    python = PythonConnector()
    performer = python.bind("t", {"call": "gone:f", "run-in": "process"}, origin=origin)
    (origin / "gone.py").unlink()
    with pytest.raises(WorkFailed, match=r"loading 'gone:f' raised .*Unfound: there is no module"):
        await perform(performer)
    await python.aclose()


def test_an_answer_that_no_worker_gives_is_our_fault() -> None:
    with pytest.raises(InternalError, match="unknown answer"):
        workers_module._result(("what",))


def test_there_is_at_least_one_worker() -> None:
    with pytest.raises(ValueError, match="at least one worker process, not 0"):
        Workers(0)


def test_how_a_worker_ended_is_told_for_any_signal() -> None:
    assert workers_module._how_it_ended(-40) == "was ended by signal 40"


def test_a_worker_is_an_interpreter_like_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Flags:
        optimize = 2
        dont_write_bytecode = 1
        utf8_mode = 1

    monkeypatch.setattr(sys, "flags", Flags)
    monkeypatch.setattr(sys, "warnoptions", ["error::UserWarning"])
    assert list(workers_module._interpreter_flags()) == [
        *("-OO", "-B", "-Xutf8", "-Werror::UserWarning")
    ]


# ── functions of the program ─────────────────────────────────────────────────────────────────


def module_level(n: int) -> int:
    return n + 1


@pytest.mark.parametrize("name", ["checks:place", "place", "any name at all"])
async def test_functions_of_the_program_come_first(origin: Path, name: str) -> None:
    python = PythonConnector({name: lambda: "mine"})
    assert await perform(python.bind("t", name, origin=origin)) == "mine"


async def test_functions_may_be_added_later() -> None:
    functions: dict[str, Callable[..., Any]] = {}
    python = PythonConnector(functions)
    with pytest.raises(DefinitionErrors):
        python.bind("t", "late", origin=None)
    functions["late"] = lambda: 1
    assert await perform(python.bind("t", "late", origin=None)) == 1


async def test_a_function_of_the_program_runs_in_a_process_if_it_can_be_found_there() -> None:
    python = PythonConnector({"f": module_level, "g": lambda: 1, "p": perform.__get__(1)})
    performer = python.bind("t", {"call": "f", "run-in": "process"}, origin=None)
    assert await perform(performer, n=1) == 2
    await python.aclose()
    with pytest.raises(DefinitionErrors, match=r"g cannot run in a process: .*<lambda>"):
        python.bind("t", {"call": "g", "run-in": "process"}, origin=None)


def test_a_function_of_the_main_script_cannot_run_in_a_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    main = sys.modules["__main__"]

    def step() -> None: ...

    step.__module__, step.__qualname__ = "__main__", "step"
    monkeypatch.setattr(main, "step", step, raising=False)
    python = PythonConnector({"f": step})
    with pytest.raises(DefinitionErrors, match="defined in the program's main script"):
        python.bind("t", {"call": "f", "run-in": "process"}, origin=None)


# ── the mark ─────────────────────────────────────────────────────────────────────────────────


def test_the_mark_only_marks() -> None:
    @task
    def plain() -> int:
        return 1

    @task(run_in="process")
    def marked() -> int:
        return 2

    @task()
    def empty() -> int:
        return 3

    assert (plain(), marked(), empty()) == (1, 2, 3)
    assert plain.__weft_task__ == empty.__weft_task__ == TaskMark()  # type: ignore[attr-defined]
    assert marked.__weft_task__ == TaskMark(RunIn.PROCESS)  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="'fiber' is not a valid RunIn"):
        task(run_in="fiber")


# ── the configuration ────────────────────────────────────────────────────────────────────────


def faults(
    config: JsonValue,
    origin: Path | None,
    inputs: list[str] | None = None,
    functions: dict[str, Any] | None = None,
) -> dict[str, str]:
    with pytest.raises(DefinitionErrors) as caught:
        PythonConnector(functions).bind("check", config, origin=origin, inputs=inputs)
    return {".".join(map(str, e.path)): e.message for e in caught.value.exceptions}  # type: ignore[attr-defined]


def test_all_faults_are_told_at_once(origin: Path) -> None:
    found = faults({"call": 5, "run_in": "thread", "run-in": "thred"}, origin)
    assert found == {
        "call": (
            'must be a function as a text, "module:function", not the number 5; '
            'in quotes it is a text: "5"'
        ),
        "run_in": "unknown key 'run_in' (did you mean 'run-in'?); accepted: call, run-in",
        "run-in": (
            'must be one of inline, thread, process; not the text "thred" '
            "(did you mean 'thread'?)"
        ),
    }


@pytest.mark.parametrize(
    ("config", "path", "message"),
    [
        (5, "", "must name a function, as in module:function; not the number 5"),
        (["checks:place"], "", "not a list"),
        ({}, "", "'call' is missing"),
        ({"call": ""}, "call", "not an empty one"),
        ("checks", "", "write it as module:function"),
        ("checks:plase", "", "did you mean 'place'"),
        ({"call": "cheks:place"}, "call", "did you mean 'checks'?"),
        ("checks:__name__", "", "is a value of the class str, no function"),
    ],
)
def test_a_wrong_configuration_says_what_is_accepted(
    config: JsonValue, path: str, message: str, origin: Path
) -> None:
    assert message in faults(config, origin)[path]


def test_names_of_the_programs_own_functions_are_proposed(origin: Path) -> None:
    found = faults("analyze", origin, functions={"analyse": print})
    assert "of the functions that the program has given (did you mean 'analyse'?)" in found[""]


def test_inputs_are_checked_against_the_parameters_when_they_are_known(origin: Path) -> None:
    assert faults("checks:doubled", origin, inputs=["ordr"])[""].startswith("checks:doubled takes")
    python = PythonConnector()
    assert python.bind("t", "checks:doubled", origin=origin, inputs=["order", "times"])
    assert python.inputs("checks:doubled", origin=origin) == {"order": True, "times": False}
    assert python.inputs("checks:who", origin=origin) == {}
    assert python.inputs("builtins:dict", origin=origin) is None
    with pytest.raises(DefinitionErrors, match="has no 'x'"):
        python.inputs("checks:x", origin=origin)


def test_the_json_schema_agrees_with_what_is_accepted(origin: Path) -> None:
    schema = jsonschema_rs.validator_for(PythonConnector().json_schema())
    for run_in in (None, *WHERE):
        assert schema.is_valid(config("place", run_in))
    for bad in (5, {}, {"call": ""}, {"call": "a:b", "run-in": "x"}, {"call": "a:b", "x": 1}):
        assert faults(bad, origin)
        assert not schema.is_valid(bad), bad


# ── the built-in ones ────────────────────────────────────────────────────────────────────────


async def test_there_is_one_connector_of_each_kind() -> None:
    connectors = builtin({"f": module_level}, only_inline=True)
    assert {kind: c.kind for kind, c in connectors.items()} == {
        "python": "python",
        "shell": "shell",
        "action": "action",
        "person": "person",
        "emit": "emit",
    }
    assert [kind for kind, c in connectors.items() if not c.automatic] == ["person"]
    python: Connector = connectors["python"]
    performer = python.bind("t", "f", origin=None)
    assert performer is not None
    assert performer.call(make_work(n=1)) == 2
    assert python.result_type("f") == DataType()
    assert connectors["shell"].result_type(["true"]).fields.keys() == {
        *("exit_code", "stdout", "stderr", "truncated")
    }
    for connector in connectors.values():
        await connector.aclose()


def test_cattrs_is_imported_only_when_it_is_needed() -> None:
    program = (
        "import sys, weft.connectors as c\n"
        "python = c.PythonConnector({'f': lambda a: a})\n"
        "def g(a: int, b: list[str] | None = None) -> dict[str, int]: return {}\n"
        "python._functions['g'] = g\n"
        "for name in 'fg': python.bind('t', name, origin=None)\n"
        "sys.exit('cattrs' in sys.modules)\n"
    )

    async def main() -> int:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = await anyio.run_process(
            [sys.executable, "-c", program], env=environment, check=False, stderr=None
        )
        return done.returncode

    assert anyio.run(main) == 0

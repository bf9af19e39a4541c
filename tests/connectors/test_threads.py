from __future__ import annotations

import asyncio
import contextvars
import threading

import anyio
import pytest

from weft.connectors.threads import Threads


async def test_a_call_runs_in_another_thread_and_gives_its_result() -> None:
    threads = Threads(2)
    here = threading.get_ident()
    name = await threads.run(lambda: (threading.get_ident(), threading.current_thread().daemon))
    assert name[0] != here
    assert name[1]  # a thread that never ends does not keep the program from ending
    assert await threads.run(divmod, 7, 2) == (3, 1)
    threads.close()


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3)])
async def test_what_a_call_raises_is_raised_where_it_is_awaited(error: BaseException) -> None:
    threads = Threads(1)

    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        await threads.run(fail)
    assert caught.value is error
    threads.close()


async def test_a_thread_is_used_again() -> None:
    threads = Threads(5)
    seen = {await threads.run(threading.get_ident) for _ in range(10)}
    assert len(seen) == 1
    threads.close()


async def test_calls_see_the_context_of_who_calls() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")
    threads = Threads(1)
    variable.set("mine")
    assert await threads.run(variable.get) == "mine"
    threads.close()


async def test_no_more_calls_run_at_once_than_there_are_threads() -> None:
    threads = Threads(3)
    lock, running, most = threading.Lock(), 0, 0
    barrier = threading.Barrier(3)

    def call() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        barrier.wait(60)  # passes only when three run together
        with lock:
            running -= 1

    async with anyio.create_task_group() as group:
        for _ in range(12):
            group.start_soon(threads.run, call)
    assert most == 3
    assert threads.busy == 0
    threads.close()


async def test_an_abandoned_call_keeps_its_slot_until_it_ends() -> None:
    threads = Threads(1)
    begun, go_on = threading.Event(), threading.Event()

    def stuck() -> str:
        begun.set()
        go_on.wait(60)
        return "late"

    async with anyio.create_task_group() as group:
        group.start_soon(threads.run, stuck)
        await anyio.to_thread.run_sync(begun.wait)
        group.cancel_scope.cancel()
    assert threads.busy == 1  # given up by its caller, and still there

    results: list[str] = []

    async def second() -> None:
        results.append(await threads.run(lambda: "second"))

    async with anyio.create_task_group() as group:
        group.start_soon(second)
        await anyio.wait_all_tasks_blocked()
        assert results == []
        go_on.set()
    assert results == ["second"]
    assert threads.busy == 0
    threads.close()


async def test_who_is_cancelled_while_waiting_takes_no_slot() -> None:
    threads = Threads(1)
    begun, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        go_on.wait(60)

    called: list[str] = []
    async with anyio.create_task_group() as group:
        group.start_soon(threads.run, hold)
        await anyio.to_thread.run_sync(begun.wait)
        async with anyio.create_task_group() as inner:
            inner.start_soon(threads.run, called.append, "never")
            await anyio.wait_all_tasks_blocked()
            inner.cancel_scope.cancel()
        go_on.set()
    await threads.run(called.append, "after")
    assert called == ["after"]
    assert threads.busy == 0
    threads.close()


async def test_a_slot_that_comes_at_the_moment_of_being_cancelled_is_handed_on() -> None:
    threads = Threads(1)
    await threads._take_slot()
    waiter = asyncio.create_task(threads._take_slot())
    await anyio.wait_all_tasks_blocked()
    threads._give_slot()  # the waiter has it, but has not run since
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert threads.busy == 0


async def test_a_cancelled_scope_starts_nothing() -> None:
    threads = Threads(1)
    called: list[int] = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        await threads.run(called.append, 1)
    assert called == []
    assert threads.busy == 0


def test_a_call_may_outlive_the_loop() -> None:
    threads = Threads(1)
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def stuck() -> None:
        begun.set()
        go_on.wait(60)
        ended.set()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(threads.run, stuck)
            await anyio.to_thread.run_sync(begun.wait)
            group.cancel_scope.cancel()

    anyio.run(main)
    go_on.set()
    assert ended.wait(60)


def test_there_is_at_least_one_thread() -> None:
    with pytest.raises(ValueError, match="at least one thread, not 0"):
        Threads(0)

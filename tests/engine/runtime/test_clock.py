"""Clocks: the machine's never runs backwards; the virtual one jumps."""

from __future__ import annotations

import time

import anyio
import pytest

from weft.engine.ports import Microseconds
from weft.engine.runtime.clock import MILLENNIUM, SystemClock, VirtualClock


async def test_the_machines_clock_never_runs_backwards(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([5_000_000, 3_000_000, 9_000_000])
    monkeypatch.setattr(time, "time_ns", lambda: next(times))
    clock = SystemClock()
    assert [clock.now(), clock.now(), clock.now()] == [5000, 5000, 9000]


async def test_sleeping_is_by_the_clock_and_not_by_the_time_slept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    now = 0

    async def sleep(seconds: float) -> None:
        nonlocal now
        slept.append(seconds)
        now += int(seconds * 1e9) // 2  # somebody sets the clock back meanwhile

    monkeypatch.setattr(time, "time_ns", lambda: now)
    monkeypatch.setattr(anyio, "sleep", sleep)
    await SystemClock().sleep_until(Microseconds(8_000_000))
    assert slept[0] == 8.0
    assert slept[1] == 4.0
    assert now >= 7_999_000_000
    slept.clear()
    await SystemClock().sleep_until(Microseconds(10**15))
    assert max(slept) == 3600.0


async def test_the_virtual_clock_jumps() -> None:
    clock = VirtualClock()
    assert clock.now() == MILLENNIUM
    await clock.sleep_until(Microseconds(MILLENNIUM + 5))
    await clock.sleep_until(Microseconds(MILLENNIUM))
    assert clock.now() == MILLENNIUM + 5

"""Measuring by turns: what is compared is measured in the same minute, round by round."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from statistics import median
from typing import Any

import attrs

from weft.schema.errors import InternalError

__all__ = ["Contest", "Result", "measure"]


@attrs.frozen
class Result:
    """One number.

    Attributes:
        name: Contest and contestant, ``contest/contestant``.
        value: The median of the best third of the rounds.
        unit: What it counts.
        ratio_to: The name of the result that it is compared with, or None.
        ratio: ``value`` as a multiple of that one's.
        spread: Half the distance between the quartiles of all rounds, as a share of ``value``.
    """

    name: str
    value: float
    unit: str
    ratio_to: str | None = None
    ratio: float | None = None
    spread: float | None = None


@attrs.frozen(kw_only=True)
class Contest:
    """The same work for several contestants.

    Attributes:
        name: Its name.
        unit: ``ns/…`` for time per piece of work, ``…/s`` for work per second.
        contestants: By name, a function that does the work once, and how many pieces that is. It
            returns its answer, which is checked against ``answer``.
        answer: What every one has to answer; None when their answers differ by nature.
        beside: The contestant that the others are compared with.
        rounds: How often each has its turn.
        utilisation: For these contestants also how busy so many processors were with the process,
            in per cent, in the round that had most of them.
        latencies: Each contestant returns the seconds of every piece, and how they are
            distributed is reported: all rounds together, not the best of them.
        threaded: Measured by the clock on the wall, not by the time that the process had on a
            processor; the latter says the same on a machine with other things to do.
    """

    name: str
    unit: str
    contestants: Mapping[str, tuple[Callable[[], Any], int]]
    answer: Any = None
    beside: str | None = None
    rounds: int = 9
    threaded: bool = False
    utilisation: Mapping[str, int] = attrs.field(factory=dict)
    latencies: bool = False


def measure(contest: Contest) -> Iterator[Result]:
    """Hold a contest.

    Raises:
        InternalError: A contestant's answer is wrong; then no number of it means anything.
    """
    if contest.latencies:
        yield from _latencies(contest)
        return
    clock = time.perf_counter if contest.threaded else time.process_time
    busy: dict[str, float] = {}
    seconds: dict[str, list[float]] = {name: [] for name in contest.contestants}
    for turn in range(contest.rounds + 1):
        for name, (work, _) in contest.contestants.items():
            gc.collect()
            gc.disable()
            try:
                own = time.process_time() if name in contest.utilisation else 0.0
                began = clock()
                answer = work()
                ended = clock()
                own = time.process_time() - own if name in contest.utilisation else 0.0
            finally:
                gc.enable()
            if contest.answer is not None and answer != contest.answer:
                raise InternalError(
                    f"in the contest {contest.name!r} {name!r} answered {answer!r}, "
                    f"not {contest.answer!r}"
                )
            if turn:  # the first one warms up
                seconds[name].append(max(ended - began, 1e-9))
                if name in contest.utilisation:
                    share = own / seconds[name][-1] / contest.utilisation[name]
                    busy[name] = max(busy.get(name, 0), share)

    values: dict[str, tuple[float, float]] = {}
    for name, (_, pieces) in contest.contestants.items():
        rounds = sorted(_per_piece(contest.unit, s, pieces) for s in sorted(seconds[name]))
        best = rounds if contest.unit.startswith("ns/") else rounds[::-1]
        value = median(best[: max(len(best) // 3, 1)])
        quarter = len(rounds) // 4
        values[name] = value, (rounds[-1 - quarter] - rounds[quarter]) / 2 / value
    for name, (value, spread) in values.items():
        beside = contest.beside if contest.beside in values and name != contest.beside else None
        yield Result(
            name=f"{contest.name}/{name}",
            value=value,
            unit=contest.unit,
            ratio_to=f"{contest.name}/{beside}" if beside else None,
            ratio=value / values[beside][0] if beside else None,
            spread=spread,
        )
    for name, share in busy.items():
        yield Result(f"{contest.name}/{name}, utilisation", 100 * share, "%")


def _latencies(contest: Contest) -> Iterator[Result]:
    """The distribution of the seconds that each contestant reports."""
    for name, (work, _) in contest.contestants.items():
        seconds = sorted(s for _ in range(contest.rounds) for s in work())
        for word, share in (("median", 0.5), ("p95", 0.95), ("p99", 0.99), ("most", 1.0)):
            at = min(int(share * len(seconds)), len(seconds) - 1)
            yield Result(f"{contest.name}, {name}/{word}", 1e9 * seconds[at], contest.unit)


def _per_piece(unit: str, seconds: float, pieces: int) -> float:
    return seconds * 1e9 / pieces if unit.startswith("ns/") else pieces / seconds

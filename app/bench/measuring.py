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


def measure(contest: Contest) -> Iterator[Result]:
    """Hold a contest.

    Raises:
        InternalError: A contestant's answer is wrong; then no number of it means anything.
    """
    clock = time.perf_counter if contest.threaded else time.process_time
    seconds: dict[str, list[float]] = {name: [] for name in contest.contestants}
    for turn in range(contest.rounds + 1):
        for name, (work, _) in contest.contestants.items():
            gc.collect()
            gc.disable()
            try:
                began = clock()
                answer = work()
                ended = clock()
            finally:
                gc.enable()
            if contest.answer is not None and answer != contest.answer:
                raise InternalError(
                    f"in the contest {contest.name!r} {name!r} answered {answer!r}, "
                    f"not {contest.answer!r}"
                )
            if turn:  # the first one warms up
                seconds[name].append(max(ended - began, 1e-9))

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


def _per_piece(unit: str, seconds: float, pieces: int) -> float:
    return seconds * 1e9 / pieces if unit.startswith("ns/") else pieces / seconds

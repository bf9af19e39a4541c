"""The contests of `weft bench`, by the name of their group."""

from __future__ import annotations

import asyncio
import os
from array import array
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any, Final

from weft.bench import nets, shares
from weft.bench.limit import Limit, limit
from weft.bench.measuring import Contest
from weft.bench.nets import PlainNet
from weft.bench.peers import Peer
from weft.native import KERNEL, kernel, reference

__all__ = ["GROUPS", "contests"]

FIRINGS: Final = 200_000
CASES: Final = 20_000
CALLS: Final = 10
"""So often in a row the enabledness of all cases is asked for."""
WARM: Final = 1
"""So many cases run before any is timed."""

Contestants = dict[str, tuple[Callable[[], Any], int]]


def firing(_: list[Peer]) -> Iterator[Contest]:
    """One firing, free running: find an enabled transition, fire it, go on."""
    c = limit()
    for net in (
        nets.ring(10),
        nets.fork_join(10),
        nets.rings(10, 4),
        nets.ring(40, every=4),  # not safe: tokens catch up with each other
    ):
        image, order = net.image, array("i", bytes(4 * len(net.transitions)))
        safe = net.name != "ring of 40, 10 tokens"
        few = array("i", net.marking)
        reference.settle(image, few, order, FIRINGS // 100)

        def work(module: Any, image: Any, net: PlainNet, order: Any, firings: int) -> list[int]:
            marking = net.cells
            assert module.settle(image, marking, order, firings) == (firings, True)
            return list(marking) if firings == FIRINGS else []

        contestants: Contestants = {
            KERNEL: (partial(work, kernel, image, net, order, FIRINGS), FIRINGS)
        }
        answer = contestants[KERNEL][0]()
        if c is not None and safe:
            contestants["limit in C"] = (partial(c.fire, net, FIRINGS), FIRINGS)
        yield Contest(
            name=f"firing, {net.name}",
            unit="ns/firing",
            contestants=contestants,
            answer=answer,
            beside="limit in C",
            rounds=30,
        )
        if KERNEL != "reference":
            yield Contest(
                name=f"firing, {net.name}",
                unit="ns/firing",
                contestants={
                    "reference": (
                        partial(work, reference, image, net, order, FIRINGS // 100),
                        FIRINGS // 100,
                    )
                },
                rounds=3,
            )


def enabled(_: list[Peer]) -> Iterator[Contest]:
    """The enabled transitions of many cases at once."""
    c = limit()
    for net in (nets.rings(10, 4), nets.forks(32)):
        image = net.image
        markings = array("i", net.marking) * CASES
        for case in range(CASES):  # no two neighbours alike
            markings[case * net.places + case % net.places] ^= 1
        packed = kernel.pack_cases(image, markings, CASES)
        cases, found = array("Q", packed), array("Q", bytes(8 * CASES))

        def vector(image: Any, packed: bytes) -> bytes:
            for _ in range(CALLS):
                answer = kernel.enabled_cases(image, packed, CASES)
            return answer

        def scalar(c: Limit, net: PlainNet, cases: Any, found: Any) -> bytes:
            for _ in range(CALLS):
                c.enabled(net, cases, found)
            return bytes(found.tobytes())

        contestants: Contestants = {KERNEL: (partial(vector, image, packed), CALLS * CASES)}
        if c is not None:
            contestants["scalar C"] = (partial(scalar, c, net, cases, found), CALLS * CASES)
        yield Contest(
            name=f"enabled, {net.name}",
            unit="ns/case",
            contestants=contestants,
            answer=vector(image, packed),
            beside="scalar C",
            rounds=30,
        )


def explored_apart(net: PlainNet) -> tuple[int, int]:
    """How many markings and firings there are, in a process of its own."""
    space = kernel.explore(net.image, net.cells)
    return space.states, space.firings


def explore(peers: list[Peer]) -> Iterator[Contest]:
    """All reachable markings."""
    c = limit()
    for net in (nets.philosophers(15), nets.forks(18), nets.kanban(4)):
        image, cells = net.image, net.cells
        space = kernel.explore(image, cells)
        answer = (space.states, space.firings)

        def work(image: Any, cells: Any, graph: bool, threads: int) -> tuple[int, int]:
            space = kernel.explore(image, cells, graph=graph, threads=threads)
            return space.states, space.firings

        contestants: Contestants = {
            KERNEL: (partial(work, image, cells, False, 1), space.states),
            f"{KERNEL}, with edges": (partial(work, image, cells, True, 1), space.states),
        }
        if c is not None and space.most_in_place == 1:
            contestants["C"] = (partial(c.explore, net), space.states)
        yield Contest(
            name=f"states, {net.name}",
            unit="states/s",
            contestants=contestants,
            answer=answer,
            beside="C",
            rounds=6,
        )
        if (os.cpu_count() or 1) > 1:
            with shares.beside_each_other(partial(explored_apart, net)) as both:

                def apart(both: Callable[[], list[Any]]) -> Any:
                    one, other = both()
                    return one if one == other else None

                yield Contest(
                    name=f"states by threads, {net.name}",
                    unit="states/s",
                    contestants={
                        "one thread": (partial(work, image, cells, False, 1), space.states),
                        "two threads": (partial(work, image, cells, False, 2), space.states),
                        "two processes": (partial(apart, both), 2 * space.states),
                    },
                    answer=answer,
                    beside="one thread",
                    rounds=9,
                    threaded=True,
                )
    for net in (nets.philosophers(6), nets.kanban(1)):
        image, cells = net.image, net.cells
        space = kernel.explore(image, cells)
        contestants = {KERNEL: (partial(work, image, cells, False, 1), space.states)}
        outside: Contestants = {}
        for peer in peers:
            explored = peer.explore(net)
            if explored is not None:
                (outside if peer.outside else contestants)[peer.name] = (explored, space.states)
        yield Contest(
            name=f"states, {net.name}",
            unit="states/s",
            contestants=contestants,
            answer=(space.states, space.firings),
            beside=KERNEL,
            rounds=3,
        )
        if outside:
            yield Contest(
                name=f"states by the clock, {net.name}",
                unit="states/s",
                contestants={KERNEL: contestants[KERNEL], **outside},
                answer=(space.states, space.firings),
                beside=KERNEL,
                rounds=3,
                threaded=True,
            )


def _sequence(tasks: int) -> str:
    step = '  - {python: {call: "add", run-in: inline}, in: {n: n}, out: {n: result}}\n'
    return (
        "weft: 1\nname: bench\ndata: {n: {type: integer, default: 0}}\nsequence:\n" + step * tasks
    )


def _split(width: int) -> str:
    names = [f"t{i}" for i in range(width)]
    tasks = "".join(
        f'    {name}: {{python: {{call: "one", run-in: inline}}, then: done}}\n' for name in names
    )
    return (
        "weft: 1\nname: bench\nnet:\n  start: split\n  tasks:\n"
        f"    split: {{then: {{parallel-split: [{', '.join(names)}]}}}}\n{tasks}"
        '    done: {join: synchronization, python: {call: "one", run-in: inline}}\n'
    )


def _loop(rounds: int) -> str:
    return (
        "weft: 1\nname: bench\ndata: {n: {type: integer, default: 0}}\nnet:\n  start: again\n"
        '  tasks:\n    again: {python: {call: "add", run-in: inline}, in: {n: n}, '
        f'out: {{n: result}}, structured-loop: {{until: "n >= {rounds}"}}}}\n'
    )


def _children(number: int) -> str:
    return (
        "weft: 1\nname: bench\nnet:\n  start: many\n  tasks:\n"
        f'    many: {{python: {{call: "one", run-in: inline}}, for-each: {{times: {number}}}}}\n'
    )


class Runs:
    """Cases of a specification through the public API, in memory, their events kept.

    With ``read`` the records of each case are read, too, when it has ended.

    Within the block it is a function that runs them, and says what their tasks came to. An engine
    is open then that has run one case, as the peers have their specifications at hand; nothing of
    a case is prepared.
    """

    def __init__(self, text: str, cases: int, *, read: bool = False) -> None:
        import weft

        self._text = text
        self._read = read
        self._cases = cases
        self._completed = weft.CaseStatus.COMPLETED
        self._called = 0
        self._stack = ExitStack()

    def __enter__(self) -> Callable[[], int]:
        import weft

        runner = self._stack.enter_context(asyncio.Runner())

        async def opened() -> tuple[Any, Callable[[], Awaitable[None]]]:
            ready: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            over = asyncio.Event()

            async def hold() -> None:  # an engine is opened and closed by one task
                async with weft.open(
                    "memory:", functions={"add": self._add, "one": self._one}
                ) as engine:
                    ready.set_result(engine)
                    await over.wait()

            task = asyncio.create_task(hold())

            async def close() -> None:
                over.set()
                await task

            return await ready, close

        async def closed() -> None:
            await close()

        engine, close = runner.run(opened())
        self._stack.callback(lambda: runner.run(closed()))
        specification = weft.loads(self._text)

        def work(cases: int = self._cases) -> int:
            self._called = 0
            return runner.run(self._go(engine, specification, cases)) or self._called

        work(WARM)
        return work

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @staticmethod
    def _add(n: int) -> int:  # what it comes to is in the data
        return n + 1

    def _one(self) -> int:
        self._called += 1
        return 1

    async def _go(self, engine: Any, specification: Any, cases: int) -> int:
        total = 0
        for _ in range(cases):
            case = await engine.start(specification)
            await case.wait()
            assert case.status is self._completed, case.status
            n = case.data.get("n", 0)
            assert isinstance(n, int)
            total += n
            if self._read:
                records = engine.journal.records(case.id)
                assert len(records) == case.events, (len(records), case.events)
        return total


def engine(peers: list[Peer]) -> Iterator[Contest]:
    """Whole cases through the public API: Python functions, outputs checked, events kept."""

    def nobody(_: Peer) -> Callable[[], int] | None:
        return None

    rows: list[
        tuple[str, str, str, int, int, int, Callable[[Peer], Callable[[], int] | None], int]
    ] = [
        (
            "sequence of 10",
            "cases/s",
            _sequence(10),
            10,
            1,
            2000,
            lambda p: p.sequence(10, 200),
            200,
        ),
        (
            "sequence of 10, its records read",
            "cases/s",
            _sequence(10),
            10,
            1,
            500,
            lambda p: p.sequence(10, 200),
            200,
        ),
        ("split/join of 10", "cases/s", _split(10), 11, 1, 200, lambda p: p.split(10), 1),
        ("split/join of 100", "cases/s", _split(100), 101, 1, 50, lambda p: p.split(100), 1),
        ("loop of 100", "rounds/s", _loop(100), 100, 100, 50, lambda p: p.loop(100), 1),
        ("loop of 1,000", "rounds/s", _loop(1000), 1000, 1000, 5, lambda p: p.loop(1000), 1),
        ("loop of 10,000", "rounds/s", _loop(10000), 10000, 10000, 1, nobody, 1),
        (
            "instances, 1,000",
            "instances/s",
            _children(1000),
            1000,
            1000,
            1,
            lambda p: p.instances(1000),
            1,
        ),
    ]
    for name, unit, text, each, pieces, cases, ask, theirs in rows:
        with Runs(text, cases, read="read" in name) as work:
            contestants: Contestants = {
                "weft": (_answering(work, each * cases, each), pieces * cases)
            }
            for peer in peers:
                run = ask(peer)
                if run is not None:
                    contestants[peer.name] = (
                        _answering(run, each * theirs, each),
                        pieces * theirs,
                    )
            yield Contest(
                name=name,
                unit=unit,
                contestants=contestants,
                answer=each,
                beside="SpiffWorkflow",
                rounds=4,
            )


def _answering(work: Callable[[], int], answer: int, each: int) -> Callable[[], int]:
    """What it comes to for ``each`` case; peers perform as many tasks, save the one after a join."""
    return lambda: each if work() in (answer, answer - 1) else -1


GROUPS: Final[dict[str, Callable[[list[Peer]], Iterator[Contest]]]] = {
    "firing": firing,
    "enabled": enabled,
    "explore": explore,
    "engine": engine,
    "image": shares.image,
    "pool": shares.pool,
    "processes": shares.processes,
}
"""The groups, by the names that `weft bench` takes."""


def contests(names: tuple[str, ...], peers: list[Peer]) -> Iterator[Contest]:
    """The contests of these groups, or of all."""
    for name in names or GROUPS:
        yield from GROUPS[name](peers)

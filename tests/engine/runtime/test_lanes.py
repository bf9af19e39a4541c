"""What goes by known routes has the journal of the long way, to the byte, whatever happens on it."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from typing import Any

import anyio
import pytest

import weft
import weft.patterns
from tests.engine import generated as g
from tests.engine.runtime.worlds import Faulty, Functions
from weft.connectors.person import PersonConnector
from weft.connectors.python import PythonConnector
from weft.engine.events import broken_link
from weft.engine.journal.memory import MemoryJournal
from weft.engine.ports import CaseId, Journal, Microseconds, Record, Work
from weft.engine.runtime import lanes
from weft.engine.runtime.clock import VirtualClock
from weft.engine.runtime.engine import Engine
from weft.engine.runtime.lanes import Book, compiled_lane
from weft.engine.runtime.live import LiveCase
from weft.schema.errors import WeftError
from weft.schema.specification import Specification

# Here nobody is told of each batch; where somebody is, cases take turns (test_turns.py).
pytestmark = pytest.mark.weft_live_check(off=True)

if compiled_lane() is None:
    pytest.skip("the lane is not compiled", allow_module_level=True)

CASES = 6


def told(journal: Journal, case: str) -> tuple[Any, ...]:
    """All that a journal says of a case."""
    name = CaseId(case)
    return journal.summary(name), tuple(journal.records(name)), journal.snapshot(name)


def rode(engine: Engine) -> bool:
    """Whether a route was learnt, so that later cases could go by it."""
    return any(book is not None and book.first is not None for book in engine._books.values())


async def both(run: Callable[[Journal], Any]) -> tuple[Any, Any]:
    """What a run over a journal comes to with lanes and without."""
    quick, long = MemoryJournal(), MemoryJournal()
    return await run(quick), await run(Faulty(long))


# ── generated nets ───────────────────────────────────────────────────────────────────────────


def drawn(seed: int) -> Specification:
    """A specification: one of four is a tangle, one of three has whatever may be in one."""
    choices = (g.Seeded if seed % 3 == 0 else g.Plainly)(random.Random(seed))
    return g.made(choices, structured=seed % 4 != 0)


def performing(source: random.Random) -> Callable[[Work], Any]:
    """What the tasks of a generated net do: mostly numbers, now and then something else."""
    calls: dict[str, int] = {}
    odd = source.random() < 0.3

    def function(work: Work) -> Any:
        calls[work.case] = count = calls.get(work.case, 0) + 1
        if count > 60:
            raise ValueError("it goes on and on")
        draw = random.Random(f"{work.case} {work.item} {work.attempt}")
        number = draw.randrange(40)
        if odd and number == 0:
            raise ValueError("this attempt goes wrong")
        if odd and number == 1:
            return draw.choice(["text", None, 2**70, {"a": [1, {"b": None}]}, float("nan"), {1, 2}])
        return number % 3

    return function


class Idle(VirtualClock):
    """Virtual time that passes only while no case has anything to do.

    It would pass at each turn of the event loop, and how many of those a case takes is what lanes
    change.
    """

    engine: Engine

    async def sleep_until(self, time: Microseconds) -> None:
        """Jump there as soon as nothing goes on."""
        quiet = 0
        while quiet < 5:
            await anyio.lowlevel.checkpoint()
            cases = self.engine._driven.values()
            at_work = any(driven.driving or driven.live.in_lane for driven in cases)
            quiet = 0 if at_work else quiet + 1
        await super().sleep_until(time)


async def play(
    specification: Specification, seed: int, journal: Journal, heard: list[Any] | None = None
) -> Any:
    """Several cases of a generated specification; people do what is theirs."""
    source = random.Random(seed)
    function = performing(source)
    connectors: Any = {
        "auto": Functions(by_task=_Any(function)),
        "person": Functions("person", automatic=False),
    }
    found: list[Any] = []
    clock = Idle()
    engine = clock.engine = Engine(
        journal,
        registry=g.REGISTRY,
        connectors=connectors,
        clock=clock,
        limits=g.LIMITS,
        unverified=True,
        snapshot_every=source.choice([1000, 1000, 15]),
    )
    if heard is not None:
        engine.listeners.append(heard.append)
    async with engine:
        for number in range(CASES):
            data = {"x": number % 3, "y": source.randrange(3)}
            case = await engine.start(specification, data, case=f"c{number}")
            for _ in range(4):
                with anyio.fail_after(20):
                    await case.wait()
                found.append((case.idle, list(journal.worklist()), list(case.work_list())))
                if source.random() < 0.5:  # who asks has the state made
                    found.append((case.work_items, case.state))
                if not case.work_list():
                    break
                offered = case.work_list()[0]
                try:
                    await case.complete(offered.item, source.randrange(3))
                except WeftError as error:
                    found.append(error.message)
            found.append((case.status, case.data, case.error, case.state.marking(), case.events))
        for summary in journal.cases():
            records = journal.records(summary.case)
            assert broken_link(summary.case, records) is None
            found.append((summary.status, summary.idle, summary.sequence, summary.error))
            found += [(r.sequence, r.type, r.data) for r in records]
            assert (records[0].time, records[-1].time) == (summary.started, summary.updated)
        found += heard or ()  # what comes while the engine closes hangs on when it does
    return found


class _Any(dict[str, Any]):
    """The same function for every task."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def get(self, key: str, default: Any = None) -> Any:
        del key, default
        return self.function


async def test_generated_nets(seeds: range, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "draw", lambda *_: 0.5)  # how long a retry waits
    for seed in range(seeds.start * 4, seeds.stop * 4):  # so that each has a tangle, too
        specification = drawn(seed)
        try:
            quick, long = await both(lambda journal: play(specification, seed, journal))  # noqa: B023  # awaited here
        except weft.DefinitionErrors:
            continue  # a tangle that does not compile
        assert quick == long, f"seed {seed}"


# ── what a function gives, and takes ─────────────────────────────────────────────────────────

SEQUENCE = """
weft: 1
name: row
data:
  n: {type: integer, default: 1}
  text: {type: string, default: "a"}
  many: {default: {"list": [1, 2]}}
sequence:
  - {python: {call: one, run-in: inline}, in: {n: n}, out: {n: result}}
  - {python: {call: two, run-in: inline}, in: {n: n, text: text}, out: {text: result, n: n + 1}}
  - {python: {call: three, run-in: inline}, in: {many: many}, out: {many: result}}
  - {python: {call: none, run-in: inline}, in: {fixed: {value: [1]}}}
"""


class _Number(int):
    """No plain integer."""


def _number(n: int) -> Any:
    return _Number(n)


def untyped(many: Any) -> Any:
    many["list"].append(3)
    return many


def with_work(work: Work, many: dict[str, Any]) -> dict[str, Any]:
    assert work.item == "three/1" or work.item.endswith("/1")
    assert work.idempotency_key == f"{work.case}:{work.item}"
    return {"of": work.case, **many}


def raising(n: int) -> int:
    raise ValueError(f"not {n}")


async def perform(
    functions: Mapping[str, Callable[..., Any]], journal: Journal, heard: list[Any] | None = None
) -> Any:
    specification = weft.loads(SEQUENCE)
    found = []
    connectors: Any = {"python": PythonConnector(functions)}
    clock = VirtualClock(Microseconds(7))
    async with Engine(journal, registry=g.REGISTRY, connectors=connectors, clock=clock) as engine:
        if heard is not None:
            engine.listeners.append(heard.append)
        for number in range(3):
            case = await engine.start(specification, {"n": number}, case=f"c{number}")
            await case.wait()
            found.append((case.status, case.data, case.error, case.state))
        found += [told(journal, f"c{number}") for number in range(3)]
        found += heard or ()
        assert isinstance(journal, Faulty) or rode(engine)
    return found


PLAIN: dict[str, Callable[..., Any]] = {
    "one": lambda n: n + 1,
    "two": lambda n, text: f"{text}{n}",
    "three": lambda many: many,
    "none": lambda fixed: None,
}


def to_int(n: int) -> int:
    return n + 1


def to_text(n: int) -> str:
    return str(n)


def to_float(n: int) -> float:
    return n / 2


FUNCTIONS: list[dict[str, Callable[..., Any]]] = [
    {},
    {"one": to_int},
    {"one": raising},
    {"one": to_text},
    {"one": to_float},
    {"one": lambda n: 2**70},
    {"one": lambda n: -(2**63)},
    {"one": _number},
    {"one": lambda n: True},
    {"one": lambda n: {1, 2}},
    {"two": lambda n, text: "ü" + text},
    {"two": lambda n, text: "\ud800"},
    {"two": lambda n, text: "weft-blob:text:" + "0" * 64 + ":1"},
    {"two": lambda n, text: "x" * 2_000_000},
    {"two": lambda n, text, more=1: text},
    {"two": lambda **rest: rest["text"]},
    {"three": untyped},
    {"three": with_work},
    {"three": lambda many: (1, 2)},
    {"three": lambda many: {"k": float("inf")}},
    {"three": lambda many: {n: n for n in range(3)}},
    {"none": lambda fixed: fixed.append(2)},
]


@pytest.mark.parametrize("functions", FUNCTIONS)
async def test_functions(functions: dict[str, Callable[..., Any]]) -> None:
    quick, long = await both(lambda journal: perform({**PLAIN, **functions}, journal))
    assert quick == long


# ── instances ────────────────────────────────────────────────────────────────────────────────

EACH = """
weft: 1
name: each
data:
  n: {type: integer, default: 3}
  xs: {type: array, items: {type: integer}, default: [5, 6, 7]}
  got: {type: array, items: {type: integer}, default: []}
  many: {type: array, items: {type: integer}, default: []}
  round: {type: integer, default: 0}
net:
  start: many
  tasks:
    many: {python: {call: one, run-in: inline}, SPEC, then: after}
    after: {python: {call: add, run-in: inline}, in: {n: round}, out: {round: result}, then: MORE}
    last: {}
"""
SPECS = [
    "for-each: 3",
    "for-each: {times: n}",
    "for-each: {in: xs, as: x}, in: {a: x, b: index, c: n}",
    "for-each: {in: xs, as: x, collect: result + x}, in: {a: 'x + index'}",
    "for-each: {in: [[1], [2, {k: 3}]], as: x}, in: {a: x}",
    "for-each: {in: xs, as: x, enough: 2}, in: {a: x}",
    "for-each: {in: xs, as: x, until: 'results.size() > 1'}, in: {a: x}",
    "for-each: {in: xs, as: x, wait: false}, in: {a: x}",
    "for-each: {in: xs, as: x}, in: {a: x}, out: {n: 'results.size()', got: results}",
    "for-each: {in: xs, as: x}, in: {a: x}, out: {xs: indices, n: completed, got: 'results + xs'}",
]
MORE = "{exclusive-choice: [{when: round < 2, to: many}, {to: last}]}"


async def perform_each(
    text: str, function: Callable[..., Any], given: list[dict[str, Any]], journal: Journal
) -> Any:
    specification = weft.loads(text)
    found: list[Any] = []
    functions: Any = {"one": function, "add": to_int}
    connectors: Any = {"python": PythonConnector(functions)}
    clock = VirtualClock(Microseconds(7))
    engine = Engine(
        *(journal,),
        registry=weft.patterns.builtin(),
        connectors=connectors,
        clock=clock,
        snapshot_every=7,
        unverified=True,
    )
    async with engine:
        for number, data in enumerate(given):
            case = await engine.start(specification, data, case=f"c{number}")
            await case.wait()
            found.append((case.status, case.data, case.error, case.state, case.work_items))
        inner = journal.inner if isinstance(journal, Faulty) else journal
        assert isinstance(inner, MemoryJournal)
        found += [told(inner, f"c{number}") for number in range(len(given))]
    return found


GIVEN: list[dict[str, Any]] = [
    {},
    {},
    {"n": 2, "xs": [1]},
    {"n": 0, "xs": []},
    {"n": 5, "xs": list(range(9))},
    {"n": 5, "xs": list(range(9))},
]


@pytest.mark.parametrize("spec", SPECS)
async def test_instances(spec: str) -> None:
    text = EACH.replace("SPEC", spec).replace("MORE", MORE)
    calls: list[int] = []

    def one(**inputs: Any) -> Any:
        calls.append(len(calls))
        return len(calls) % 4

    async def run(journal: Journal) -> Any:
        calls.clear()
        return await perform_each(text, one, GIVEN, journal)

    quick, long = await both(run)
    assert quick == long


@pytest.mark.parametrize("odd", [ValueError("no"), "text", None, 2**70, [1], {"a": [{}]}, {1, 2}])
async def test_an_instance_that_is_out_of_the_ordinary(odd: Any) -> None:
    text = EACH.replace("SPEC", SPECS[3]).replace("MORE", "last")

    def one(a: Any) -> Any:
        if a == 9:
            if isinstance(odd, Exception):
                raise ValueError(*odd.args)  # one that is raised twice has two tracebacks
            return odd
        return a

    async def run(journal: Journal) -> Any:
        return await perform_each(text, one, GIVEN, journal)

    quick, long = await both(run)
    assert quick == long


async def test_instances_go_by_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    executed: list[Any] = []
    execute = LiveCase.execute

    async def counted(live: LiveCase, command: Any, **options: Any) -> Any:
        executed.append(command)
        return await execute(live, command, **options)

    monkeypatch.setattr(LiveCase, "execute", counted)
    text = EACH.replace("SPEC", SPECS[3]).replace("MORE", "last")
    seen: list[Any] = []

    def one(a: int) -> int:
        if handles:
            items = handles[0].work_items
            seen.append((len(items), items[0].instance, handles[0].state.scopes[0].instances))
        return a

    handles: list[Any] = []
    async with weft.open("memory:", functions={"one": one, "add": to_int}) as engine:
        specification = weft.loads(text)
        first = await engine.start(specification)
        await first.wait()
        assert len(executed) == 3  # the start, the last instance, and what comes after it
        executed.clear()
        handles.append(await engine.start(specification))
        await handles[0].wait()
        assert not executed
        assert handles[0].data == first.data
        assert [len(engine.journal.records(c.id)) for c in (first, handles[0])] == [12, 12]
    assert [(left, index) for left, index, _ in seen] == [(3, 0), (2, 1), (1, 2)]
    assert [list(known["many"].results) for _, _, known in seen] == [[], [0], [0, 1]]


# ── what is offered ──────────────────────────────────────────────────────────────────────────

OFFER = """
weft: 1
name: half
data: {n: {type: integer, default: 1}, text: {type: string, default: "a"}}
sequence:
  - {python: {call: add, run-in: inline}, in: {n: n}, out: {n: result}}
  - {person: {title: "Decide", role: boss}, in: {n: n + 1, text: text}, out: {text: result}}
  - {python: {call: add, run-in: inline}, in: {n: n}, out: {n: result}}
"""


async def test_a_case_that_waits_for_somebody_stays_in_its_lane() -> None:
    async def run(journal: Journal) -> Any:
        found: list[Any] = []
        clock = VirtualClock(Microseconds(7))
        specification = weft.loads(OFFER)
        connectors: Any = {
            "python": PythonConnector({"add": to_int}),
            "person": PersonConnector(),
        }
        engine = Engine(
            journal, registry=weft.patterns.builtin(), connectors=connectors, clock=clock
        )
        async with engine:
            cases = []
            for number in range(5):
                case = await engine.start(specification, {"n": number}, case=f"c{number}")
                assert await case.wait() is weft.CaseStatus.RUNNING
                cases.append(case)
            if not isinstance(journal, Faulty):
                assert all(lane.parked for lane in engine._lanes.values())
                assert list(engine._lanes) == ["c1", "c2", "c3", "c4"]
                assert cases[1].id in engine._lanes, "nothing that is asked here has it leave"
            found += [(case.idle, case.data, case.events) for case in cases]
            found += [journal.worklist(), journal.worklist(role="boss"), journal.worklist(role="x")]
            found += [journal.open_item(case.id, "step-2/1") for case in cases]  # type: ignore[arg-type]  # a name
            await cases[3].complete("step-2/1", "yes")
            await cases[1].claim("step-2/1", "eve")
            await cases[2].cancel("not this one")
            found += [await case.wait() for case in cases]
            found += [journal.worklist(), [case.state for case in cases]]
            found.append([(s, journal.records(s.case)) for s in journal.cases()])
            found.append(journal.stopped())
        return found

    quick, long = await both(run)
    assert quick == long


# ── who looks on ─────────────────────────────────────────────────────────────────────────────

LOOP = """
weft: 1
name: loop
data: {n: {type: integer, default: 0}}
net:
  start: again
  tasks:
    again:
      python: {call: add, run-in: inline}
      in: {n: n}
      out: {n: result}
      structured-loop: {until: "n >= 300"}
"""


async def test_a_function_sees_the_case_as_it_stands() -> None:
    seen: list[tuple[Any, ...]] = []
    handles: list[Any] = []

    def add(n: int) -> int:
        if handles:
            case = handles[0]
            records = engine.journal.records(case.id)
            seen.append((case.data["n"], [i.id for i in case.work_items], case.events))
            assert records[-1].sequence == case.events == engine.find(case.id).sequence
        return n + 1

    async with weft.open("memory:", functions={"add": add}) as engine:
        await (await engine.start(weft.loads(LOOP))).wait()
        handles.append(await engine.start(weft.loads(LOOP)))
        await handles[0].wait()
    assert seen[:2] == [(0, ["again/1"], seen[0][2]), (1, ["again/2"], seen[1][2])]
    assert len(seen) == 300


async def test_what_is_asked_between_two_turns_finds_the_case_out_of_its_lane() -> None:
    async def pause(case: Any) -> None:
        await case.suspend("a moment")

    ended: list[Any] = []
    clock = iter(range(10**9))

    def add(n: int) -> int:
        next(clock)
        if n == 150 and not ended:
            ended.append(None)
            group.start_soon(pause, handles[-1])
        deadline = n % 64 == 63
        if deadline:
            sum(range(200_000))  # more than a turn
        return n + 1

    handles: list[Any] = []
    specification = weft.loads(LOOP)
    async with (
        weft.open("memory:", functions={"add": add}) as engine,
        anyio.create_task_group() as group,
    ):
        ended.append(None)
        await (await engine.start(specification)).wait()
        ended.clear()
        case = await engine.start(specification)
        handles.append(case)
        await case.wait()
        assert case.status is weft.CaseStatus.SUSPENDED
        assert 150 < int(case.data["n"]) < 300
        await case.resume()
        await case.wait()
        assert (case.status, case.data) == (weft.CaseStatus.COMPLETED, {"n": 300})
        records = engine.journal.records(case.id)
        assert [r.sequence for r in records] == list(range(1, case.events + 1))


async def test_a_case_in_a_lane_goes_on_without_anybody_waiting_and_can_be_cancelled() -> None:
    def add(n: int) -> int:
        return n + 1

    specification = weft.loads(LOOP)
    async with weft.open("memory:", functions={"add": add}) as engine:
        await (await engine.start(specification)).wait()
        cases = [await engine.start(specification) for _ in range(3)]
        await cases[2].cancel("not this one")
        while any(case.status is weft.CaseStatus.RUNNING for case in cases):
            await anyio.lowlevel.checkpoint()
        assert [case.data["n"] for case in cases] == [300, 300, 0]
        assert cases[2].status is weft.CaseStatus.CANCELLED


async def test_a_writer_who_was_first_is_noticed() -> None:
    specification = weft.loads(LOOP)
    journal = MemoryJournal()

    def add(n: int) -> int:
        if n == 5 and handles:
            last = journal.records(handles[0].id)[-1]
            summary = journal.summary(handles[0].id)
            assert summary is not None
            import msgspec

            from weft.engine.ports import Append

            record = Record(last.sequence + 1, "CaseSuspended", 1, last.time, b"{}", bytes(32))
            journal.append(
                Append(
                    handles[0].id,
                    last.sequence,
                    [record],
                    msgspec.structs.replace(summary, sequence=last.sequence + 1),
                )
            )
        return n + 1

    handles: list[Any] = []
    async with weft.open(journal, functions={"add": add}) as engine:
        await (await engine.start(specification)).wait()
        handles.append(await engine.start(specification))
        with pytest.raises(weft.JournalError, match="another writer was first"):
            await handles[0].wait()


async def test_draining_leaves_what_has_not_begun() -> None:
    specification = weft.loads(LOOP)
    journal = MemoryJournal()
    async with weft.open(journal, functions={"add": lambda n: n + 1}) as engine:
        await (await engine.start(specification)).wait()
        case = await engine.start(specification)
        await engine.drain(1)
        assert (case.status, case.data["n"]) == (weft.CaseStatus.RUNNING, 0)
        await engine.proceed()
        await case.wait()
        assert case.data["n"] == 300


# ── a function that turns to its own engine ──────────────────────────────────────────────────


def at_once(doing: Any) -> Any:
    """What a coroutine comes to that has nothing to wait for, or how it ends."""
    try:
        doing.send(None)
    except StopIteration as done:
        return type(done.value)
    except WeftError as error:
        return error.message
    doing.close()
    return "waits"


INWARD: dict[str, Callable[[Engine, Any], Any]] = {
    "suspend": lambda _, case: at_once(case.suspend("a moment")),
    "cancel": lambda _, case: at_once(case.cancel("enough")),
    "reject": lambda _, case: at_once(case.complete("nothing", 1)),
    "complete": lambda _, case: at_once(case.complete("again/6", 290)),
    "fail": lambda _, case: at_once(case.fail("again/6", "no more")),
    "resume": lambda _, case: at_once(case.resume()),
    "wait": lambda _, case: at_once(case.wait()),
    "proceed": lambda engine, _: at_once(engine.proceed()),
    "let go": lambda engine, case: engine.let_go(case.id),
    "drain": lambda engine, _: at_once(engine.drain(0)),
}


@pytest.mark.parametrize("deed", INWARD)
async def test_a_function_acts_on_its_own_case(deed: str) -> None:
    async def run(journal: Journal) -> Any:
        found: list[Any] = []
        handles: list[Any] = []

        def add(n: int) -> int:
            if n == 5 and handles:
                found.append(INWARD[deed](engine, handles[0]))
            return n + 1

        connectors: Any = {"python": PythonConnector({"add": add})}
        clock = VirtualClock()
        async with Engine(
            journal, registry=g.REGISTRY, connectors=connectors, clock=clock
        ) as engine:
            await (await engine.start(weft.loads(LOOP), case="first")).wait()
            case = await engine.start(weft.loads(LOOP), case="second")
            handles.append(case)
            with anyio.fail_after(20):
                found.append(await case.wait())
            if case.status is weft.CaseStatus.SUSPENDED:
                await case.resume()
                found.append(await case.wait())
            found += [case.status, case.data, case.error, case.state]
            found += journal.records(case.id)
            assert broken_link(case.id, journal.records(case.id)) is None
            assert case.events == len(journal.records(case.id))
        return found

    quick, long = await both(run)
    assert quick == long


async def test_a_listener_that_a_function_adds_is_told_from_then_on() -> None:
    batches: list[Any] = []
    listening = False

    def add(n: int) -> int:
        if listening and n == 5:
            engine.listeners.append(batches.append)
        return n + 1

    async with weft.open("memory:", functions={"add": add}) as engine:
        await (await engine.start(weft.loads(LOOP))).wait()
        case = await engine.start(weft.loads(LOOP))
        listening = True
        await case.wait()
        records = engine.journal.records(case.id)
        told = [r for batch in batches for r in batch.records]
        at = next(i for i, r in enumerate(records) if r.type == "WorkItemCompleted")
        assert told == list(records[at + 5 * 3 :])


async def test_what_was_looked_at_stays_as_it_was() -> None:
    seen: list[Any] = []
    handles: list[Any] = []

    def add(n: int) -> int:
        if handles and n in (5, 6):
            seen.append(handles[0].state)
            seen.append(handles[0]._driven.live.lane.data)
        return n + 1

    async with weft.open("memory:", functions={"add": add}) as engine:
        await (await engine.start(weft.loads(LOOP))).wait()
        handles.append(await engine.start(weft.loads(LOOP)))
        await handles[0].wait()
    assert [seen[0].data, seen[1], seen[2].data, seen[3]] == [{"n": 5}] * 2 + [{"n": 6}] * 2


async def test_all_who_read_at_the_same_time_read_the_same() -> None:
    journal = MemoryJournal()
    faults: list[Any] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            for summary in journal.cases():
                records = journal.records(summary.case)
                if broken_link(summary.case, records) or len(records) < summary.sequence:
                    faults.append((summary, len(records)))

    async with weft.open(journal, functions={"add": lambda n: n + 1}) as engine:
        await (await engine.start(weft.loads(LOOP))).wait()
        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        try:
            cases = [await engine.start(weft.loads(LOOP)) for _ in range(5)]
            for case in cases:
                await case.wait()
        finally:
            done.set()
            for reader in readers:
                reader.join()
        assert faults == []
        for case in cases:
            records = journal.records(case.id)
            assert len(records) == case.events == engine.find(case.id).sequence
            assert engine.find(case.id).status == "completed"


async def test_a_state_that_another_thread_reads_is_whole_and_the_newest_is_kept() -> None:
    faults: list[Any] = []
    handles: list[Any] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            for case in handles[-1:]:
                state = case.state
                items = [int(item.partition("/")[2]) for item in state.items]
                if items != ([state.data["n"] + 1] if state.data["n"] < 300 else []):
                    faults.append((state.data, items))

    async with weft.open("memory:", functions={"add": lambda n: n + 1}) as engine:
        await (await engine.start(weft.loads(LOOP))).wait()
        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        try:
            for _ in range(10):
                handles.append(await engine.start(weft.loads(LOOP)))
                await handles[-1].wait()
        finally:
            done.set()
            for reader in readers:
                reader.join()
        assert faults == []
        assert {(case.state.status, case.state.data["n"]) for case in handles} == {
            (weft.CaseStatus.COMPLETED, 300)
        }


# ── others, and the time ─────────────────────────────────────────────────────────────────────


async def test_others_have_their_turns_while_short_cases_go_by_lanes() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    specification = weft.loads(LOOP)
    async with (
        weft.open("memory:", functions={"add": lambda n: 300}) as engine,
        anyio.create_task_group() as group,
    ):
        await (await engine.start(specification)).wait()
        group.start_soon(other)
        for _ in range(100_000):
            case = await engine.start(specification)
            assert await case.wait() is weft.CaseStatus.COMPLETED
            if turns > 5:
                break
        group.cancel_scope.cancel()
    assert turns > 5


async def test_time_never_goes_back_whoever_asks_for_it() -> None:
    seen: list[int] = []

    def add(n: int) -> int:
        if n == 5:
            clock.latest[0] += 3_600_000_000  # the clock is set back by an hour
        seen.append(clock.now())
        return n + 1

    async with weft.open("memory:", functions={"add": add}) as engine:
        clock: Any = engine.clock
        await (await engine.start(weft.loads(LOOP))).wait()
        seen.clear()
        case = await engine.start(weft.loads(LOOP))
        await case.wait()
        records = engine.journal.records(case.id)
        ends = [r.time for r in records if r.type == "WorkItemCompleted"]
        told = [time for pair in zip(seen, ends, strict=True) for time in pair]
        assert told == sorted(told)
        assert told[-1] - told[0] >= 3_600_000_000
        assert clock.now() >= records[-1].time


async def test_who_waits_may_go_and_the_case_goes_on() -> None:
    def add(n: int) -> int:
        if n == 20 and scopes:
            scopes.pop().cancel()
        sum(range(20_000))
        return n + 1

    scopes: list[anyio.CancelScope] = []
    specification = weft.loads(LOOP)
    async with weft.open("memory:", functions={"add": add}) as engine:
        await (await engine.start(specification)).wait()
        case = await engine.start(specification)
        with anyio.CancelScope() as scope:
            scopes.append(scope)
            await case.wait()
        assert scope.cancelled_caught
        assert await case.wait() is weft.CaseStatus.COMPLETED
        assert case.data == {"n": 300}


async def test_a_case_whose_function_was_interrupted_can_be_resumed() -> None:
    def add(n: int) -> int:
        if n == 20 and armed:
            armed.clear()
            raise KeyboardInterrupt
        return n + 1

    armed: list[bool] = []
    specification = weft.loads(LOOP)
    async with weft.open("memory:", functions={"add": add}) as engine:
        await (await engine.start(specification)).wait()
        case = await engine.start(specification)
        armed.append(True)
        with pytest.raises(KeyboardInterrupt):
            await case.wait()
        assert (case.status, case.data["n"]) == (weft.CaseStatus.RUNNING, 20)
        await case.resume()
        assert await case.wait() is weft.CaseStatus.COMPLETED
        records = engine.journal.records(case.id)
        assert broken_link(case.id, records) is None
        assert [r.type for r in records].count("WorkItemRetried") == 1


async def test_an_engine_on_another_host_takes_a_case_over_out_of_its_lane() -> None:
    journal = MemoryJournal()
    moved: list[Any] = []

    def add(n: int) -> int:
        if n == 20 and moved:
            now = Microseconds(2**60)  # the lease of the first has ended
            assert journal.elsewhere("there").claim(moved.pop(), other, now=now)
        return n + 1

    other: Any = "another engine"
    specification = weft.loads(LOOP)
    async with weft.open(journal, functions={"add": add}) as engine:
        await (await engine.start(specification)).wait()
        case = await engine.start(specification)
        moved.append(case.id)
        with pytest.raises(weft.JournalError, match="taken over by another engine"):
            await case.wait()
        records = journal.records(case.id)
        assert broken_link(case.id, records) is None
        assert sum(r.type == "WorkItemCompleted" for r in records) == 20


# ── how large a book becomes ─────────────────────────────────────────────────────────────────


async def test_a_decision_that_asks_hundreds_of_guards_is_learnt() -> None:
    def learnt(count: int) -> Any:
        asked = [(f"n > {i}", i % 2 == 0) for i in range(count)]
        book = Book(compiled_lane(), compiled, {}, {})
        route = compiled_lane().Route((), None)
        tree = book._grown(None, asked, route)
        tree = book._grown(tree, [*asked[:-1], (asked[-1][0], not asked[-1][1])], route)
        for guard, held in asked:
            assert tree.guard.text == guard
            last, tree = tree, tree.yes if held else tree.no
        return last.yes is last.no is route

    async with weft.open("memory:", functions={"add": lambda n: n + 1}) as engine:
        compiled = engine.add(weft.loads(LOOP))
        assert learnt(1)
        assert learnt(1000)


async def test_a_book_that_is_full_learns_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "MOST_BYTES", 0)
    async with weft.open("memory:", functions={"add": lambda n: n + 1}) as engine:
        for _ in range(2):
            case = await engine.start(weft.loads(LOOP))
            await case.wait()
            assert case.data == {"n": 300}
        [book] = engine._books.values()
        assert book is not None
        assert sum(len(place.after) for place in book.places.values()) == 0

"""Tasks that emit events: to all who wait or to one, in their case and others, once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anyio
import pytest

import weft
from weft import bus
from weft.bus import Refused, send
from weft.connectors.emit import EmitConnector
from weft.engine.ports import CaseClaimed, CaseId, ItemId, Work
from weft.engine.starting import BusEvent
from weft.schema.errors import DefinitionError, WorkFailed
from weft.schema.specification import Specification
from weft.session import SyncEngine

WAITS = """
weft: 1
name: waits
data: {number: {type: string, default: "7"}}
net:
  start: got
  tasks:
    got: {persistent-trigger: {trigger: told, key: number}}
"""
KEEPS = """
weft: 1
name: keeps
net:
  start: first
  tasks:
    first: {person: First?, then: got}
    got: {persistent-trigger: told}
"""
STARTS = """
weft: 1
name: starts
triggers: [{event: told, data: {amount: event.data.amount}}]
data: {amount: integer}
net: {start: ask, tasks: {ask: {person: Ask}}}
"""


def tells(emit: str, *, number: int = 7) -> Specification:
    return weft.loads(f"""
weft: 1
name: tells
net:
  start: tell
  tasks:
    tell: {{emit: {emit}, in: {{number: "{number}", amount: "12"}}}}
""")


@pytest.fixture
def engine() -> Iterator[SyncEngine]:
    with weft.open(seed=1) as engine:
        yield engine


ALL, ONE = '{event: told, key: "${number}"}', '{event: told, key: "${number}", to: one}'


def test_an_event_reaches_all_that_wait_and_starts_cases(engine: SyncEngine) -> None:
    engine.add(weft.loads(STARTS))
    waiting = [engine.run(weft.loads(WAITS)) for _ in range(2)]
    other = engine.run(weft.loads(WAITS), {"number": "8"})
    told = engine.run(tells(ALL)).data["tell"]
    assert told["delivered"] == [case.id for case in waiting]
    assert [case.status for case in waiting] == ["completed", "completed"]
    assert waiting[0].data["told"] == {"amount": 12}, "the key is no part of the data"
    (started,) = told["started"]
    assert engine.open(started).data["amount"] == 12
    assert (other.status, told["refused"]) == ("running", [])


def test_a_message_has_one_receiver_the_one_that_waits_now(engine: SyncEngine) -> None:
    engine.add(weft.loads(STARTS))
    keeps = engine.run(weft.loads(KEEPS))
    waiting = [engine.run(weft.loads(WAITS)) for _ in range(2)]
    told = [engine.run(tells(ONE)).data["tell"] for _ in range(4)]
    assert [t["delivered"] for t in told[:2]] == [[case.id] for case in waiting]
    assert told[2]["delivered"] == [keeps.id], "it keeps the message for later"
    engine.open(keeps.id).cancel()
    assert engine.run(tells(ONE)).data["tell"]["started"] != [], "nobody waits: one is started"


def test_who_sent_it_may_wait_for_it(engine: SyncEngine) -> None:
    """The event withdraws the task that emits it, after everyone else has had it."""
    waiting = engine.run(weft.loads(WAITS.replace(", key: number", "")))
    case = engine.run(
        weft.loads("""
weft: 1
name: own
net:
  start: fork
  tasks:
    fork: {then: {parallel-split: [got, tell]}}
    got: {transient-trigger: told, cancel-task: tell}
    tell: {emit: told}
""")
    )
    assert (case.status, waiting.status) == ("completed", "completed")
    assert case.data["tell"] is None, "it was withdrawn"


def test_an_event_for_the_own_case_reaches_nobody_else(engine: SyncEngine) -> None:
    engine.add(weft.loads(STARTS))
    other = engine.run(weft.loads(WAITS.replace(", key: number", "")))
    own = weft.loads("""
weft: 1
name: own
net:
  start: [tell, got]
  tasks:
    tell: {emit: {event: told, to: case}, in: {amount: "12"}}
    got: {persistent-trigger: told}
""")
    case = engine.run(own)
    assert (case.status, other.status) == ("completed", "running")
    assert case.data["told"] == {"amount": 12}
    assert case.data["tell"] == {"delivered": [case.id], "started": [], "refused": []}
    nobody = engine.run(tells("{event: told, to: case}")).data["tell"]
    assert nobody == {"delivered": [], "started": [], "refused": []}


@pytest.mark.parametrize("to", ["all", "one"])
def test_a_process_that_starts_itself_ends_at_a_bound(
    engine: SyncEngine, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    monkeypatch.setattr(bus, "MAX_CHAIN", 4)
    engine.add(
        weft.loads(f"""
weft: 1
name: chain
triggers: [{{event: again, data: {{n: event.data.n}}}}]
data: {{n: integer}}
net: {{start: tell, tasks: {{tell: {{emit: {{event: again, to: {to}}}, in: {{n: n + 1}}}}}}}}
""")
    )
    case = engine.open(engine.emit("again", {"n": 0}, id="first").started[0].case)
    for n in range(5):
        case.wait()
        assert case.data["n"] == n
        told = case.data["tell"]
        if n < 4:
            case = engine.open(told["started"][0])
    assert told["started"] == []
    assert "4 cases have started one another" in told["refused"][0]


def test_nobody_to_tell_is_no_failure(engine: SyncEngine) -> None:
    assert engine.run(tells("told")).data["tell"] == {"delivered": [], "started": [], "refused": []}
    assert engine.run(tells(ONE)).data["tell"] == {"delivered": [], "started": [], "refused": []}


def test_who_cannot_take_it_is_told(engine: SyncEngine) -> None:
    engine.add(weft.loads(STARTS.replace("amount: integer", "amount: string")))
    case = engine.run(weft.loads(WAITS.replace("data: {", "data: {told: integer, ")), {"told": 1})
    for to in (ALL, ONE):
        told = engine.run(tells(to)).data["tell"]
        assert (told["delivered"], told["started"]) == ([], [])
        assert [r.partition(":")[0] for r in told["refused"]] == [case.id, "starts"]


def work(attempt: int) -> Work:
    return Work(CaseId("x"), ItemId("tell/1"), "tell", attempt, "x:tell/1", {})


@pytest.mark.parametrize("one", [True, False])
@pytest.mark.parametrize("store", ["memory:", "sqlite"])
def test_what_is_sent_again_has_one_effect(tmp_path: Any, store: str, *, one: bool) -> None:
    """A crash between the effect and the record of it: the second attempt finds the first's."""
    event = BusEvent("told", {"amount": 1}, "7", id="x:tell/1")

    async def run() -> None:
        url = store if store == "memory:" else f"sqlite:///{tmp_path}/cases.db"
        async with weft.open(url) as engine:
            waiting = [await engine.start(weft.loads(WAITS)) for _ in range(2)]
            engine.add(weft.loads(STARTS))
            first = await send(engine, event, work(1), to="one" if one else "all")
            again = await send(engine, event, work(2), to="one" if one else "all")
            done = [case.status for case in waiting]
            if one:
                assert first["delivered"] == again["delivered"] == [waiting[0].id]
                assert done == ["completed", "running"]
                await waiting[1].cancel()
                started = await send(
                    engine, other := BusEvent("told", {"amount": 1}, id="x:2"), work(1), to="one"
                )
                late = await engine.start(weft.loads(WAITS))
                assert await send(engine, other, work(2), to="one") == started
                assert late.status == "running"
            else:
                assert first["delivered"] == [case.id for case in waiting]
                assert again["delivered"] == []
                assert first["started"] == again["started"]
                assert done == ["completed", "completed"]

    anyio.run(run)


def test_a_receiver_that_is_busy_elsewhere_fails_the_attempt(
    engine: SyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(*_: object) -> list[Refused]:
        return [Refused("waits", "1", CaseClaimed("another engine has it"), CaseId("w"))]

    monkeypatch.setattr("weft.bus._give", busy)
    engine.run(weft.loads(WAITS))
    for to in (ALL, ONE):
        case = engine.run(tells(to))
        assert (case.status, (case.error or {})["code"]) == ("failed", "claimed")


@pytest.mark.parametrize(
    ("emit", "says"),
    [
        ("[told]", "must be the name of an event"),
        ("two words", "cannot be the name of an event"),
        ("{event: told, to: some}", "must be one of all, one"),
        ("{to: one}", "'event' is missing"),
        ('{event: told, key: "${nubmer}"}', "did you mean 'number'"),
        ('{event: told, key: ""}', "not an empty one"),
    ],
)
def test_what_is_no_event_is_refused(engine: SyncEngine, emit: str, says: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        engine.add(tells(emit))
    assert says in str(caught.value)


def test_a_key_that_is_no_text_fails_for_good(engine: SyncEngine) -> None:
    performer = EmitConnector().bind("tell", ALL_CONFIG, origin=None)
    unconnected = Work(CaseId("x"), ItemId("tell/1"), "tell", 1, "x:1", {"number": "7"})
    with pytest.raises(WorkFailed, match="no bus") as caught:
        anyio.run(performer.call, unconnected)
    assert not caught.value.retryable
    source = ALL.replace("number", "amount")
    case = engine.run(
        weft.loads(f"""
weft: 1
name: tells
net: {{start: tell, tasks: {{tell: {{emit: {source}, in: {{amount: "[1]"}}}}}}}}
""")
    )
    assert (case.error or {})["code"] == "event"


ALL_CONFIG: Any = {"event": "told", "key": "${number}"}

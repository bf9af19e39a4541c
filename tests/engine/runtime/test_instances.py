"""Many instances with real work: crashes at any append, seeds, adding, failing, and many of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from tests.engine import generated as g
from tests.engine.runtime.worlds import Faulty, Functions, StoppedError, World, failing
from weft.engine import events as e
from weft.engine.journal import open_journal
from weft.engine.journal.memory import MemoryJournal
from weft.engine.lifecycle import CaseStatus
from weft.engine.ports import CaseId, Journal, Work, Worker
from weft.schema.datatypes import DataType, Variable
from weft.schema.errors import CommandRejected
from weft.schema.specification import Retry, Specification, Use

CASE = CaseId("case-1")
ITEMS = ["p", "q", "r", "s"]


def item(work: Work) -> Any:
    return [work.inputs["item"], work.attempt]


def many(given: dict[str, Any], **more: Any) -> Any:
    return g.task("many", then="after", around=[Use("for-each", given)], **more)


FAN_OUT = g.specification(
    {
        "net": g.net(
            "many",
            many({"in": ITEMS}, retry=Retry(attempts=3, delay_seconds=1)),
            g.task("after", then="nets"),
            g.task(
                "nets",
                child="child",
                then="few",
                around=[Use("for-each", {"times": 3, "collect": "result.y"})],
                inputs={"x": "index"},
            ),
            g.task(
                "few",
                then="end2",
                around=[
                    Use("for-each", {"in": ITEMS, "until": "completed >= x + 2", "rest": "cancel"})
                ],
            ),
            g.task("end2"),
        ),
        "child": g.net("w", g.task("w", inputs={"x": "x"}, outputs={"y": "result"}), name="child"),
    }
)


def world(journal: Journal) -> World:
    async def waits(work: Work) -> Any:
        for _ in range(ITEMS.index(work.inputs["item"])):
            await anyio.lowlevel.checkpoint()
        return work.inputs["item"]

    seen: set[str] = set()

    def sometimes(work: Work) -> Any:
        if work.inputs["item"] in "qs" and work.item not in seen:
            seen.add(work.item)
            raise RuntimeError("not yet")
        return work.inputs["item"]

    by_task = {"many": sometimes, "w": lambda work: work.inputs["x"] * 10, "few": waits}
    return World(journal, Functions(by_task=by_task, workers={"few": Worker.ASYNC}))


async def run_until_it_stops(w: World, journal: Journal) -> None:
    try:
        async with w.engine(journal, snapshot_every=5) as engine:
            case = await engine.start(FAN_OUT, case=CASE)
            await case.wait()
    except* StoppedError:
        pass


def right(data: dict[str, Any]) -> None:
    assert data["many"] == ITEMS
    assert data["nets"] == [0, 10, 20]
    assert len(data["few"]) == 2
    assert data["few"] == sorted(data["few"])


@pytest.mark.parametrize("after", [False, True], ids=["before it is kept", "after it is kept"])
async def test_stopping_at_any_append(after: bool, tmp_path: Path) -> None:
    """Another engine goes on: no finished instance runs again, and all results are in place."""
    whole = Faulty(MemoryJournal())
    await run_until_it_stops(world(whole.inner), whole)
    for stops in range(2, whole.count + 1, 1 if after else 2):
        journal = open_journal(f"sqlite:///{tmp_path}/{stops}.db" if stops % 5 == 2 else "memory:")
        w = world(journal)
        await run_until_it_stops(w, Faulty(journal, stops=stops, after=after))
        events = [e.decode(r) for r in journal.records(CASE)]
        done = {x.item for x in events if isinstance(x, e.WorkItemCompleted)}
        w.functions.calls.clear()
        async with w.engine() as engine:
            if journal.summary(CASE).status == "running":  # type: ignore[union-attr]
                (case,) = await engine.recover()
            else:
                case = await engine.open(CASE)
            assert await case.wait() is CaseStatus.COMPLETED
            right(case.data)
        assert not {name for name, _ in w.functions.calls} & done
        assert e.broken_link(CASE, journal.records(CASE)) is None
        journal.close()


async def seeded(seed: int) -> list[Any]:
    journal = MemoryJournal()
    w = world(journal)
    async with w.engine(seed=seed) as engine:
        case = await engine.start(FAN_OUT, case=CASE)
        assert await case.wait() is CaseStatus.COMPLETED
        right(case.data)
    return [r.hash for r in journal.records(CASE)]


async def test_a_seed_gives_one_journal_and_results_are_always_in_order() -> None:
    journals = {}
    for seed in range(6):
        journals[seed] = await seeded(seed)
        assert await seeded(seed) == journals[seed]
    assert len(set(map(tuple, journals.values()))) > 1


# ── adding ───────────────────────────────────────────────────────────────────────────────────

OPEN = g.specification(g.net("many", many({"in": ITEMS[:2], "open": True}), g.task("after")))


async def test_instances_are_added_and_survive_the_engine() -> None:
    w = World(functions=Functions(by_task={"many": item}))
    async with w.engine() as engine:
        case = await engine.start(OPEN, case=CASE)
        await case.wait()
        assert case.idle
        await case.add("many", "later", by="ada", id="one")
        await case.add("many", "again", id="one")  # the same command: it has been done
        await case.wait()
    async with w.engine() as engine:
        case = await engine.open(CASE)
        await case.add("many", {"last": True})
        await case.seal("many", by="ada")
        assert await case.wait() is CaseStatus.COMPLETED
        assert case.data["many"] == [["p", 1], ["q", 1], ["later", 1], [{"last": True}, 1]]
        for late in (case.add("many", "no"), case.seal("many")):
            with pytest.raises(CommandRejected, match="the case is completed"):
                await late


REFUSED = {
    "no such task": ("none", "there is no such task; multiple-instance tasks: many"),
    "one instance": ("after", "it has one instance"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_cannot_be_added(name: str) -> None:
    task, words = REFUSED[name]
    w = World(functions=Functions(by_task={"many": item}))
    async with w.engine() as engine:
        case = await engine.start(OPEN, case=CASE)
        for asked in (case.add(task, 1), case.seal(task)):
            with pytest.raises(CommandRejected, match=words):
                await asked


async def test_nothing_is_added_before_after_or_beyond() -> None:
    w = World(functions=Functions(by_task={"many": item}))
    first = g.specification(
        g.net("go", g.task("go", "person", "many"), many({"open": True}), g.task("after", "person"))
    )
    async with w.engine() as engine:
        case = await engine.start(first)
        with pytest.raises(CommandRejected, match="it is not open for more"):
            await case.add("many", 1)
        await case.complete("go/1")
        with pytest.raises(CommandRejected, match="not open for more in scope 3"):
            await case.add("many", 1, scope=3)
        await case.add("many", 1, scope=0)
        await case.seal("many")
        for late in (case.add("many", 2), case.seal("many")):
            with pytest.raises(CommandRejected, match="has gone on already, or was sealed"):
                await late
        fixed = await engine.start(
            g.specification(g.net("many", many({"in": ITEMS}), g.task("after", "person")))
        )
        with pytest.raises(CommandRejected, match="`open: true` in its `for-each`"):
            await fixed.add("many", 1)
        with pytest.raises(CommandRejected, match="there is nothing to seal"):
            await fixed.seal("many")


async def test_open_in_several_scopes() -> None:
    shape = {
        "net": g.net(
            "go",
            g.task("go", None, {"parallel-split": ["one", "two"]}),
            g.task("one", child="child"),
            g.task("two", child="child"),
        ),
        "child": g.net("many", many({"open": True}), g.task("after"), name="child"),
    }
    w = World(functions=Functions(by_task={"many": item}))
    async with w.engine() as engine:
        case = await engine.start(g.specification(shape))
        with pytest.raises(CommandRejected, match="it is open in scopes 1, 2"):
            await case.add("many", 1)
        await case.add("many", "x", scope=2)
        await case.seal("many", scope=2)
        await case.seal("many")  # the one that is left
        assert await case.wait() is CaseStatus.COMPLETED
        assert case.data["two"]["many"] == [["x", 1]]
        assert case.data["one"]["many"] == []


# ── failing ──────────────────────────────────────────────────────────────────────────────────


async def test_an_instance_that_fails_stops_the_case_and_is_tried_again() -> None:
    w = World(functions=Functions(by_task={"many": failing(1, "done")}))
    nets = g.specification(g.net("many", many({"times": 2}), g.task("after")))
    async with w.engine() as engine:
        case = await engine.start(nets)
        assert await case.wait() is CaseStatus.FAILED
        await case.resume()
        assert await case.wait() is CaseStatus.COMPLETED
        assert case.data["many"] == ["done", "done"]


async def test_for_good_it_takes_the_error_branch_with_the_results_there_are() -> None:
    def picky(work: Work) -> Any:
        if work.inputs["item"] == "r":
            raise RuntimeError("no r")
        return work.inputs["item"]

    w = World(functions=Functions(by_task={"many": picky}))
    nets = g.net("many", many({"in": ITEMS}, on_failure="wrong"), g.task("after"), g.task("wrong"))
    async with w.engine() as engine:
        case = await engine.start(g.specification(nets))
        assert await case.wait() is CaseStatus.COMPLETED
        assert case.data["many"] == ["p", "q"]
        assert case.data["error"]["item"] == "many/3"
        assert case.state.serials.get("after") is None


async def test_one_that_fails_for_good_is_skipped() -> None:
    """Its result is missing; the others are there, and `indices` says whose they are."""

    def picky(work: Work) -> Any:
        if work.inputs["item"] in "ps":
            raise RuntimeError("not this one")
        return work.inputs["item"]

    w = World(functions=Functions(by_task={"many": picky}))
    task = many({"in": ITEMS}, on_failure="skip", outputs={"found": "results", "of": "indices"})
    nets = g.net("many", task, g.task("after"))
    variables = {**nets.variables, **{n: Variable(n, DataType("array")) for n in ("found", "of")}}
    async with w.engine() as engine:
        case = await engine.start(g.specification(attrs.evolve(nets, variables=variables)))
        assert await case.wait() is CaseStatus.COMPLETED
        assert (case.data["found"], case.data["of"]) == (["q", "r"], [1, 2])


async def test_a_result_that_does_not_fit_fails_its_instance_and_not_the_others() -> None:
    w = World(functions=Functions(by_task={"many": lambda work: work.inputs["item"]}))
    nets = g.net("many", many({"in": [1, "two", 3]}, on_failure="skip"), g.task("after"))
    variables = {**nets.variables, "many": Variable("many", DataType("array", DataType("integer")))}
    async with w.engine() as engine:
        case = await engine.start(g.specification(attrs.evolve(nets, variables=variables)))
        assert await case.wait() is CaseStatus.COMPLETED
        assert case.data["many"] == [1, 3]
        assert "the result of 'many' does not fit" in str(case.data["error"])


async def test_one_at_a_time_in_the_order_of_the_list() -> None:
    w = World(functions=Functions(by_task={"many": item}))
    async with w.engine() as engine:
        for one in (many({"in": ITEMS, "at-most": 1}), many({"in": ITEMS}, concurrency=1)):
            case = await engine.start(g.specification(g.net("many", one, g.task("after"))))
            assert await case.wait() is CaseStatus.COMPLETED
            events = [e.decode(r) for r in w.journal.records(case.id)]
            kinds = (e.WorkItemStarted, e.WorkItemCompleted)
            told = [(type(x), x.item) for x in events if isinstance(x, kinds)][:-2]
            assert told == [(k, f"many/{n}") for n in (1, 2, 3, 4) for k in kinds]


# ── what the data say ────────────────────────────────────────────────────────────────────────

FAILS: dict[str, tuple[dict[str, Any], str]] = {
    "no list": ({"in": "x + 0"}, "for each item of a list, and 'x + 0' gave an integer"),
    "no number": ({"times": "'two'"}, "a whole number from 0"),
    "less than none": ({"times": "0 - 1"}, "a whole number from 0"),
    "less than one enough": ({"times": 2, "enough": "x"}, "gave -1"),
    "an error": ({"in": "[x / 0]"}, "the list of instances of 'many' failed"),
    "too many": ({"times": "10001"}, "would have 10001 instances; the limit is 10000"),
    "a condition that cannot be read": ({"times": 2, "until": "results[5] == 1"}, "guard"),
}


@pytest.mark.parametrize("name", FAILS)
async def test_data_that_do_not_fit_fail_the_case(name: str) -> None:
    given, words = FAILS[name]
    async with World().engine() as engine:
        flow = g.specification(g.net("many", many(given), g.task("after")))
        case = await engine.start(flow, unverified=True)
        assert await case.wait() is CaseStatus.FAILED
        assert words in str(case.error)


async def test_a_list_without_items_and_one_with_too_few_pass() -> None:
    async with World().engine() as engine:
        for given, length in (
            ({"in": []}, 0),
            ({"in": "[1, 2].filter(i, i > 2)"}, 0),
            ({"in": "[x]", "enough": "3"}, 1),
            ({"in": "[x]", "enough": "3", "rest": "cancel"}, 1),
            ({"in": "[x]", "until": "false"}, 1),
        ):
            flow = g.specification(g.net("many", many(given), g.task("after")))
            case = await engine.start(flow, unverified=True)  # some never have an instance
            assert await case.wait() is CaseStatus.COMPLETED
            assert len(case.data["many"]) == length


def wide(given: dict[str, Any]) -> Specification:
    return g.specification(g.net("many", many(given), g.task("after")))


async def test_a_thousand_instances_make_small_events() -> None:
    w = World(functions=Functions(by_task={"many": lambda work: work.inputs.get("i")}))
    async with w.engine() as engine:
        case = await engine.start(wide({"in": list(range(1000)), "as": "i"}), case=CASE)
        assert await case.wait() is CaseStatus.COMPLETED
        assert case.data["many"] == list(range(1000))
    records = w.journal.records(CASE)
    assert len(records) == 2006
    assert max(len(r.data) for r in records) < 200

"""The event bus: events start cases, once, with the data that triggers say."""

from __future__ import annotations

import pytest

import weft as package
from weft.bus import Bus, Delivered
from weft.engine.runtime.engine import Delivery

ORDER = """\
weft: 1
name: order
triggers:
  - {event: order-placed, when: event.data.amount > 10, data: {amount: event.data.amount, key: event.key}}
  - event: order-imported
data: {amount: integer, key: {type: string, nullable: true}}
net:
  start: check
  tasks:
    check: {shell: [echo, "${amount}"], in: {amount: amount}, then: ask}
    ask: {person: {title: Ship?, choices: [yes, no]}}
"""
STEPS = """\
name: Greet
triggers:
  - {type: event, event: order-placed, params: [{name: amount, type: number, required: true}]}
  - {type: cli, params: [{name: mood, type: string}]}
steps:
  - {id: say, module: system, action: log, inputs: {message: "{{ trigger.amount }}"}}
"""


@pytest.fixture
def deployed(weft, write):
    write("order.yaml", ORDER)
    write("greet.yaml", STEPS)
    done = weft("deploy", "order.yaml", "greet.yaml")
    assert done.code == 0, done.err
    assert "order 1 is in sqlite:///.weft/weft.db, started by order-placed, order-im" in done.out


# ── the command line ─────────────────────────────────────────────────────────────────────────


def test_an_event_starts_what_it_triggers(weft, deployed):
    done = weft("emit", "order-placed", "--data", '{"amount": 12}', "--key", "o-1", "--json")
    assert done.code == 0, done.err
    greet, order = sorted(done.json["started"], key=lambda s: s["specification"]["name"])
    assert (greet["status"], order["status"], order["idle"]) == ("completed", "running", True)
    data = weft("status", order["case"], "--json").json["data"]
    assert (data["amount"], data["key"], data["check"]["stdout"]) == (12, "o-1", "12\n")
    assert done.json["event"]["name"] == "order-placed"
    assert done.json["delivered"] == done.json["refused"] == []


def test_an_event_that_a_condition_keeps_out(weft, deployed):
    done = weft("emit", "order-placed", "--data", '{"amount": 2}', "--json")
    assert [s["specification"]["name"] for s in done.json["started"]] == ["greet"]


def test_an_event_with_an_id_has_one_effect(weft, deployed):
    event = ("emit", "order-imported", "--data", '{"amount": 1}', "--id", "m-1", "--json")
    first, second = weft(*event), weft(*event)
    assert [(s["case"], s["again"]) for s in first.json["started"]] == [
        (second.json["started"][0]["case"], False)
    ]
    assert second.json["started"][0]["again"] is True
    assert len(weft("list", "--json").json["cases"]) == 1


def test_what_nobody_waits_for(weft, deployed):
    done = weft("emit", "nothing-known")
    assert done.code == 0
    assert done.out == "nothing waits for nothing-known, and nothing starts by it\n"


def test_an_event_that_does_not_fit_is_refused_and_others_start(weft, deployed):
    """Each specification for itself: what one cannot take is told, the other starts."""
    done = weft("emit", "order-placed", "--data", '{"amount": "much"}', "--json")
    assert done.code == 1
    names = [r["specification"]["name"] for r in done.json["refused"]]
    assert sorted(names) == ["greet", "order"]
    done = weft("emit", "order-placed", "--data", '{"amount": 11.5}')
    assert done.code == 1
    assert "started greet-" in done.out
    assert "Error: order 1: the data do not fit" in done.err


@pytest.mark.parametrize(
    "given", [["two words"], ["x", "--data", "{"], ["x", "--key", ""]], ids=" ".join
)
def test_what_is_no_event_makes_no_store(weft, folder, given):
    done = weft("emit", *given, "--json")
    assert done.code == 2
    assert not (folder / ".weft").exists()


def test_only_the_newest_version_is_started(weft, write):
    write("one.yaml", ORDER)
    write("two.yaml", ORDER.replace("name: order\n", 'name: order\nversion: "2"\n'))
    assert weft("deploy", "one.yaml", "two.yaml").code == 0
    done = weft("emit", "order-imported", "--data", '{"amount": 1}', "--json")
    assert [s["specification"]["version"] for s in done.json["started"]] == ["2"]


def test_deploying_what_is_wrong(weft, write):
    write("good.yaml", ORDER)
    write("bad.yaml", ORDER.replace("{event: order-placed", "{event: order placed"))
    done = weft("deploy", "bad.yaml", "--json")
    assert (done.code, done.json["error"]["class"]) == (2, "DefinitionErrors")
    assert "bad.yaml:4:" in done.json["error"]["message"]
    both = weft("deploy", "bad.yaml", "good.yaml", "gone.yaml")
    assert both.code == 2
    assert "order 1 is in" in both.out
    assert both.err.count("Error: ") == 2
    assert weft("run", "order", "-p", "amount=1", "-q").code == 3  # it is known by name


def test_show_tells_the_triggers(weft, deployed):
    done = weft("show", "order", "--json")
    assert [t["event"] for t in done.json["triggers"]] == ["order-placed", "order-imported"]
    assert "started by  order-placed, if event.data.amount > 10" in weft("show", "order").out


WAITS = """\
weft: 1
name: waits
data: {number: string, payment: {type: number, nullable: true}}
net:
  start: paid
  tasks:
    paid: {persistent-trigger: {trigger: order-paid, key: number, into: payment}, then: ship}
    ship: {shell: [echo, "${payment}"], in: {payment: payment}}
"""


def test_an_event_reaches_the_cases_that_wait_for_it(weft, write):
    """Those of its key, once; one that cannot take it is told, and the others go on."""
    path = write("waits.yaml", WAITS)
    for number in ("A", "B", "C"):
        assert weft("run", path, "--case", number, "-p", f"number={number}", "-q").code == 3
    paid = ("emit", "order-paid", "--key", "B", "--data", "12.5", "--id", "m", "--json")
    done = weft(*paid)
    (delivered,) = done.json["delivered"]
    assert (delivered["case"], delivered["status"], delivered["delivery"]) == (
        "B",
        "completed",
        "received",
    )
    assert weft("status", "B", "--json").json["data"]["ship"]["stdout"] == "12.5\n"
    assert weft(*paid).json["delivered"] == []
    wrong = weft("emit", "order-paid", "--key", "A", "--data", '"much"', "--json")
    assert wrong.code == 1
    assert [r["case"] for r in wrong.json["refused"]] == ["A"]
    assert "Error: A: " in weft("emit", "order-paid", "--key", "A", "--data", '"much"').err
    assert (
        "delivered to C, which is completed"
        in weft("emit", "order-paid", "--key", "C", "--data", "1").out
    )


# ── programs ─────────────────────────────────────────────────────────────────────────────────


def test_a_program_emits():
    with package.open() as engine:
        engine.add(package.loads(ORDER))
        emitted = engine.emit("order-imported", {"amount": 3}, id="m")
        (started,) = emitted.started
        engine.open(started.case).wait()
        assert engine.open(started.case).data["amount"] == 3
        (again,) = engine.emit("order-imported", {"amount": 3}, id="m").started
        assert (again.case, again.again) == (started.case, True)
        with pytest.raises(package.UsageError, match="no name"):
            engine.emit("no name")


async def test_the_port_for_cases_that_wait():
    async with package.open() as engine:
        case = await engine.start(package.loads(ORDER), {"amount": 1})
        seen = []

        async def deliver(engine, event):
            seen.append(event)
            return [Delivered(case, event.name, Delivery.RECEIVED)]

        emitted = await Bus(engine, deliver=[deliver]).emit("paid", 5, key="k")
        assert [d.case.id for d in emitted.delivered] == [case.id]
        assert (seen[0].name, seen[0].data, seen[0].key) == ("paid", 5, "k")


async def test_a_stored_specification_that_cannot_be_read_stops_nobody(caplog):
    async with package.open() as engine:
        compiled = engine.add(package.loads(ORDER))
        stored = engine.journal.specification("order")
        from msgspec.structs import replace

        broken = replace(stored, name="broken", source=b"weft: 1\ntriggers: [")
        engine.journal.put_specification(broken)
        emitted = await Bus(engine).emit("order-imported", {"amount": 1})
        assert [s.specification for s in emitted.started] == [compiled.name]
        assert "broken" in caplog.text


def test_a_process_in_python_starts_on_events():
    from weft.flow import Variable, process, shell

    amount = Variable("amount", int)
    flow = (
        process("flow", amount)
        .starts_on("placed", when="event.data > 1", data={"amount": "event.data"})
        .then(shell("say", "echo", "hi"))
        .build()
    )
    assert package.loads(flow.source.text.decode()).triggers == flow.triggers
    with package.open() as engine:
        engine.add(flow)
        assert engine.emit("placed", 1).started == []
        (started,) = engine.emit("placed", 2).started
        assert engine.open(started.case).data["amount"] == 2


def test_a_graph_in_python_starts_on_events():
    from weft.flow import graph, shell

    made = graph("made")
    task = made.task(shell("say", "true"))
    made.starts_on("go")
    assert [t.event for t in made.start(task).build().triggers] == ["go"]

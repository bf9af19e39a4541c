"""weft.open, weft.run, weft.load: one engine for synchronous and asynchronous programs."""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import weft
from weft.engine.fragment import Fragment, Place, Target
from weft.engine.net import immediate
from weft.session import SyncCase

ASKS = (
    "weft: 1\nname: asks\nsequence: [{name: ask, person: What?}, {python: double, in: {n: ask}}]\n"
)
FUNCTIONS = {"double": lambda n: 2 * n}


@pytest.fixture
def specification() -> weft.Specification:
    return weft.loads(ASKS)


async def test_the_asynchronous_door(specification):
    async with weft.open(functions=FUNCTIONS) as engine:
        case = await engine.start(specification)
        await case.wait()
        assert case.idle
        await case.complete("ask/1", 4)
        await case.wait()
        assert case.status is weft.CaseStatus.COMPLETED
        assert case.data == {"ask": 4, "step_2": 8}


def test_the_synchronous_door(specification):
    with weft.open(functions=FUNCTIONS) as engine:
        case = engine.run(specification, case="c")
        assert isinstance(case, SyncCase)
        assert repr(case) == "<Case c running>"
        assert (case.id, case.idle, case.error) == ("c", True, None)
        assert case.state.id == "c"
        assert case.events == 2
        assert [i.id for i in case.work_items] == ["ask/1"]
        assert [i.item for i in case.work_list()] == ["ask/1"]
        assert [i.item for i in engine.work_list()] == ["ask/1"]
        assert list(engine.work_list(role="nobody")) == []
        assert [s.case for s in engine.cases()] == ["c"]
        assert sum(case.marking()[0].values()) == 1
        case.claim("ask/1", "ada")
        case.release("ask/1")
        case.delegate("ask/1", "bob")
        case.begin("ask/1", by="bob")
        case.fail("ask/1", "ill")
        assert case.status is weft.CaseStatus.FAILED
        assert case.error["message"] == "ill"
        case.retry("ask/1")
        case.suspend("lunch")
        assert case.status is weft.CaseStatus.SUSPENDED
        case.resume()
        case.complete("ask/1", 4, id="once")
        assert case.wait() is weft.CaseStatus.COMPLETED
        assert case.data["step_2"] == 8


def test_giving_up_cancelling_and_opening_again(tmp_path):
    store = f"sqlite:///{tmp_path}/s.db"
    text = "weft: 1\nname: g\nnet:\n  start: a\n  tasks:\n    a: {person: a?, on-failure: b}\n    b: {}\n"
    with weft.open(store) as engine:
        compiled = engine.add(weft.loads(text))
        engine.start(compiled, case="one").begin("a/1")
        engine.start(compiled, case="two")
    with weft.open(store) as engine:
        one = engine.open("one")
        one.fail("a/1", "no")
        assert one.status is weft.CaseStatus.COMPLETED
        assert one.data["error"]["message"] == "no"
        two = engine.resume("two")
        two.cancel("enough", by="ada")
        assert two.status is weft.CaseStatus.CANCELLED
        with pytest.raises(weft.CommandRejected):
            two.give_up("a/1")
        assert engine.recover() == []


def test_a_case_of_a_dead_engine_is_recovered(tmp_path):
    store = f"sqlite:///{tmp_path}/s.db"
    started, leave = threading.Event(), threading.Event()

    def work(work: weft.Work) -> int:
        started.set()
        if work.attempt == 1:
            leave.wait(60)
        return work.attempt

    text = "weft: 1\nname: r\nsequence: [{python: work}]\n"
    with weft.open(store, functions={"work": work}, grace_seconds=0) as engine:
        engine.start(weft.loads(text), case="c")
        assert started.wait(60)
    leave.set()
    with weft.open(store, functions={"work": work}) as engine:
        (case,) = engine.recover()
        assert case.wait() is weft.CaseStatus.COMPLETED
        assert case.data["step_1"] == 2


def test_errors_leave_the_block_as_they_are(specification):
    with pytest.raises(weft.UsageError) as caught, weft.open(functions=FUNCTIONS) as engine:
        engine.start(specification, {"nothing": 1})
    assert caught.value.code == "data"


async def test_errors_leave_the_asynchronous_block_as_they_are(specification):
    with pytest.raises(weft.UsageError):
        async with weft.open(functions=FUNCTIONS) as engine:
            await engine.start(specification, {"nothing": 1})
    with pytest.raises(ZeroDivisionError):
        async with weft.open(functions=FUNCTIONS):
            raise ZeroDivisionError


def test_what_the_block_raises_leaves_a_synchronous_block_too():
    with pytest.raises(ZeroDivisionError), weft.open():
        raise ZeroDivisionError


def test_running_one_case(tmp_path, specification):
    assert weft.run(specification, functions=FUNCTIONS).idle
    path = tmp_path / "p.yaml"
    path.write_text("weft: 1\nname: p\nsequence: [{shell: [echo, hi]}]\n")
    assert weft.run(path).data["step_1"]["stdout"] == "hi\n"
    assert weft.run(str(path)).status is weft.CaseStatus.COMPLETED


def test_a_session_is_entered_once(specification):
    session = weft.open()
    with session:
        pass
    with pytest.raises(weft.UsageError, match="entered before"), session:
        pass


def test_a_store_that_is_none():
    with pytest.raises(weft.UsageError), weft.open("mysql://x"):
        pass


def test_a_journal_of_ones_own(specification):
    from weft.engine.journal import open_journal

    with weft.open(open_journal("memory:"), functions=FUNCTIONS) as engine:
        assert engine.run(specification).idle


def test_connectors_of_ones_own():
    from weft.engine.ports import Performer, Worker

    class Echo:
        kind = "echo"
        automatic = True

        def bind(self, task, config, *, origin, inputs=None):
            return Performer(Worker.INLINE, lambda work: config)

        def result_type(self, config):
            raise AssertionError("not asked")

        async def aclose(self):
            pass

    specification = weft.loads("weft: 1\nname: e\nsequence: [{echo: hello}]\n")
    with weft.open(connectors={"echo": Echo()}) as engine:
        assert engine.run(specification).data["step_1"] == "hello"
    with pytest.raises(weft.UsageError, match="comes with Weft"):
        weft.open(connectors={"shell": Echo()})


def test_patterns_of_ones_own():
    @weft.pattern(None, "Hand Over", family=weft.Family.BASIC, attaches=weft.Attachment.THEN)
    def hand_over(input: Place, to: Target) -> Fragment:
        """The thread goes on to another task."""
        return Fragment([immediate("hand over", take=[input], put=[to])])

    text = "weft: 1\nname: h\nnet: {start: a, tasks: {a: {then: {hand-over: b}}, b: {shell: [echo, x]}}}\n"
    with weft.open(patterns=[hand_over]) as engine:
        assert engine.run(weft.loads(text)).status is weft.CaseStatus.COMPLETED


# ── loading ──────────────────────────────────────────────────────────────────────────────────


def test_loading_a_file_by_its_suffix(tmp_path):
    path = tmp_path / "p.json"
    path.write_text('{"weft": 1, "name": "p", "sequence": [{"shell": ["echo", "x"]}]}')
    assert weft.load(path).name == "p"
    assert weft.load(str(path)).source.origin == tmp_path
    with pytest.raises(weft.DefinitionError, match=r"suffix '\.xyz' tells no format") as caught:
        weft.load(tmp_path / "p.xyz")
    assert caught.value.code == "format"
    with pytest.raises(weft.DefinitionError):
        weft.load(tmp_path / "none.yaml")


# ── the package ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", sorted(weft.__all__))
def test_every_public_name_is_there(name):
    assert getattr(weft, name) is not None


def test_public_names_are_listed_and_others_refused():
    assert dir(weft) == weft.__all__ == sorted(weft.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        weft.nonsense  # noqa: B018


def test_names_are_imported_when_they_are_used():
    program = "import sys, weft; sys.exit(any(m.startswith('weft.engine') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_who_goes_on_with_cases_imports_no_compiler(tmp_path: Path) -> None:
    text = """
weft: 1
name: signed
net:
  start: sign
  tasks:
    sign: {person: {title: Sign}, then: archive}
    archive: {python: {call: archive, run-in: inline}}
"""
    store = f"sqlite:///{tmp_path}/signed.db"
    with weft.open(store, functions={"archive": lambda: None}) as engine:
        engine.start(weft.loads(text), case="c1")
    program = f"""
import sys, weft
with weft.open({store!r}, functions={{"archive": lambda: None}}) as engine:
    case = engine.resume("c1")
    case.complete("sign/1")
    assert case.wait() == "completed"
    unwanted = {{"weft.engine.compile", "weft.engine.registry", "weft.patterns"}}
    sys.exit(repr(unwanted & set(sys.modules)) if unwanted & set(sys.modules) else 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_package_can_be_imported_again():
    assert importlib.import_module("weft.cli").main is not None


def test_after_the_block_the_engine_says_that_it_is_closed() -> None:
    specification = weft.loads("weft: 1\nname: s\nsequence:\n  - shell: [echo, hi]\n")
    with weft.open() as engine:
        case = engine.run(specification)
    for call in (case.wait, lambda: engine.run(specification)):
        with pytest.raises(weft.UsageError, match="the engine is closed"):
            call()


def test_a_case_that_was_opened_only_to_be_changed_begins_nothing_at_first(tmp_path):
    calls = []
    specification = weft.loads(
        "weft: 1\nname: p\nnet:\n  start: ask\n  tasks:\n"
        "    ask: {person: Go on?, then: act}\n    act: {python: act}\n"
    )
    store = f"sqlite:///{tmp_path}/c.db"
    with weft.open(store, functions={"act": lambda: calls.append(1)}) as engine:
        case = engine.run(specification, case="c")
        (item,) = case.work_items
    with weft.open(store, functions={}) as engine:
        changed = engine.open("c", perform=False)
        changed.complete(item.id)
        assert (changed.status.value, calls) == ("running", [])
        with pytest.raises(weft.DefinitionError, match="act"):
            engine.open("c")
    with weft.open(store, functions={"act": lambda: calls.append(1)}) as engine:
        engine.open("c", perform=False)
        engine.resume("c").wait()
        assert (engine.open("c").status.value, calls) == ("completed", [1])

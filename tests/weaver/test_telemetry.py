"""What an engine tells OpenTelemetry: traces, metrics and logs of cases."""

from __future__ import annotations

import asyncio
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

import weft
from tests.weaver.telling import Told
from weft.schema.errors import UsageError
from weft.weaver.story import CaseStory, parse_traceparent
from weft.weaver.telemetry import Attachment

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE, SPAN, _ = parse_traceparent(PARENT) or (0, 0, 0)


@pytest.fixture
def told() -> Told:
    return Told()


def specification(tasks: str, name: str = "order") -> weft.Specification:
    return weft.loads(f"weft: 1\nname: {name}\n{tasks}")


SEQUENCE = """
sequence:
  - python: work
  - shell: [sh, -c, 'printf %s "$TRACEPARENT"']
"""

NESTED = """
net:
  start: outer
  tasks:
    outer: {net: below}
nets:
  below:
    start: inner
    tasks:
      inner: {python: work}
"""


def here() -> tuple[int, int]:
    """The span that work finds itself in."""
    context = trace.get_current_span().get_span_context()
    return context.trace_id, context.span_id


def test_a_case_is_a_trace_of_tasks_and_attempts(told: Told) -> None:
    within = []
    with weft.open(
        telemetry=told.telemetry, functions={"work": lambda: within.append(here())}
    ) as e:
        case = e.run(specification(SEQUENCE))
    assert told.tree() == {
        ("case order", None),
        ("task step-1", "case order"),
        ("attempt step-1", "task step-1"),
        ("task step-2", "case order"),
        ("attempt step-2", "task step-2"),
    }
    assert len(told.trace_ids) == 1
    root = told.span("case order").span
    assert root.start_time <= told.span("task step-1").span.start_time
    assert root.end_time >= told.span("task step-2").span.end_time
    assert root.attributes["weft.case.id"] == case.id
    assert root.attributes["weft.case.status"] == "completed"
    assert root.status.status_code is trace.StatusCode.UNSET
    # Work finds itself in its attempt, whether it runs in a thread or in another process.
    assert within == [(*told.trace_ids, told.span("attempt step-1").id)]
    assert parse_traceparent(case.data["step_2"]["stdout"]) == (
        *told.trace_ids,
        told.span("attempt step-2").id,
        1,
    )


def test_what_runs_below_a_composite_task_is_below_it(told: Told) -> None:
    with weft.open(telemetry=told.telemetry, functions={"work": lambda: 1}) as engine:
        engine.run(specification(NESTED))
    assert told.tree() == {
        ("case order", None),
        ("task outer", "case order"),
        ("task inner", "task outer"),
        ("attempt inner", "task inner"),
    }
    assert told.span("task outer").attributes["weft.task.connector"] == "net"
    assert told.span("task inner").attributes["weft.scope.id"] == 1


def test_metrics_count_cases_items_and_attempts(told: Told) -> None:
    with weft.open(telemetry=told.telemetry, functions={"work": lambda: 1}) as engine:
        engine.run(specification(SEQUENCE))
        engine.run(specification(SEQUENCE))
    metrics = told.metrics()
    assert metrics["weft.case.started"] == {(): 2}
    assert metrics["weft.case.active"] == {(): 0}
    assert metrics["weft.case.ended"] == {("completed",): 2}
    assert metrics["weft.case.duration"] == {("completed",): 2}
    assert metrics["weft.work_item.started"] == {("step-1",): 2, ("step-2",): 2}
    assert metrics["weft.work_item.active"] == {("step-1",): 0, ("step-2",): 0}
    assert metrics["weft.work_item.ended"] == {
        ("step-1", "completed"): 2,
        ("step-2", "completed"): 2,
    }
    assert metrics["weft.attempt.duration"] == {("python", "step-1"): 2, ("shell", "step-2"): 2}
    assert metrics["weft.engine.events"][()] == 12
    assert metrics["weft.engine.firings"][()] == 8
    assert metrics["weft.engine.queue.depth"] == {(): 0}
    assert metrics["weft.journal.commit.duration"] == {(): 6}
    assert metrics["weft.engine.loop.lag"][()] >= 1
    assert metrics["process.memory.usage"][()] > 1_000_000


@pytest.mark.parametrize(
    ("metric", "span"),
    [
        ("weft.case.duration", "case order"),
        ("weft.work_item.duration", "task only"),
        ("weft.attempt.duration", "attempt only"),
    ],
)
def test_a_duration_leads_to_a_span_that_took_it(metric: str, span: str, told: Told) -> None:
    only = specification("net: {start: only, tasks: {only: {python: work}}}")
    with weft.open(telemetry=told.telemetry, functions={"work": lambda: 1}) as engine:
        engine.run(only)
    (point,) = told.points(metric)
    assert {(each.trace_id, each.span_id) for each in point.exemplars} == {
        (*told.trace_ids, told.span(span).id)
    }


def test_the_spans_that_are_kept_in_mind_are_bounded(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    from weft.weaver import telemetry

    monkeypatch.setattr(telemetry, "MAX_CONTEXTS", 1)
    stories = set()
    within = told.telemetry.within

    def watched(story: CaseStory, span: int) -> Context:
        made = within(story, span)
        assert len(story.contexts) == 1
        stories.add(story)
        return made

    monkeypatch.setattr(told.telemetry, "within", watched)
    with weft.open(telemetry=told.telemetry, functions={"work": lambda: 1}) as engine:
        engine.run(specification(NESTED))
    assert stories
    assert ("task inner", "task outer") in told.tree()
    assert ("task outer", "case order") in told.tree()


def test_log_records_are_correlated_and_hold_no_data(told: Told) -> None:
    with weft.open(telemetry=told.telemetry, functions={"work": lambda: "secret"}) as engine:
        engine.run(specification("data: {word: {type: string}}" + SEQUENCE), {"word": "secret"})
    assert [record.event_name for record in told.logs] == [
        "weft.case.started",
        *["weft.work_item.started", "weft.work_item.completed"] * 2,
        "weft.case.completed",
    ]
    assert {record.trace_id for record in told.logs} == told.trace_ids
    assert told.logs[0].span_id == told.span("case order").id
    assert told.logs[1].span_id == told.span("attempt step-1").id
    assert [record.attributes["weft.event.sequence"] for record in told.logs] == [1, 2, 3, 4, 5, 6]
    assert "secret" not in repr([dict(record.attributes) for record in told.logs])
    assert "secret" not in repr([dict(span.attributes) for span in told.spans])


# ── failures ─────────────────────────────────────────────────────────────────────────────────

FAILING = """
net:
  start: a
  tasks:
    a: {python: work, retry: {attempts: 2}}
"""


def test_a_failure_is_an_error_of_attempt_task_and_case(told: Told) -> None:
    def work() -> None:
        raise ZeroDivisionError("by zero")

    with weft.open(telemetry=told.telemetry, functions={"work": work}, seed=1) as engine:
        assert engine.run(specification(FAILING)).status == "failed"
    attempts = [span for span in told.spans if span.name == "attempt a"]
    assert [span.attributes["weft.work_item.attempt"] for span in attempts] == [1, 2]
    for span in (*attempts, told.span("task a"), told.span("case order")):
        assert span.span.status.status_code is trace.StatusCode.ERROR
        assert "by zero" in (span.span.status.description or "")
        assert span.attributes["error.type"] == "ZeroDivisionError"
        assert span.attributes["weft.error.code"] == "raised"
    assert told.span("task a").attributes["weft.work_item.outcome"] == "stopped"
    assert told.span("task a").attributes["weft.work_item.attempts"] == 2
    assert told.metrics()["weft.case.ended"] == {("ZeroDivisionError", "failed"): 1}
    assert told.metrics()["weft.case.active"] == {(): 0}
    delays = [
        r.attributes["weft.work_item.retry_delay"]
        for r in told.logs
        if "weft.work_item.retry_delay" in r.attributes
    ]
    assert len(delays) == 1


def test_a_case_that_failed_goes_on_in_a_new_span_of_its_trace(told: Told) -> None:
    outcomes = iter([ZeroDivisionError("by zero"), ZeroDivisionError("again"), None])

    def work() -> None:
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome

    with weft.open(telemetry=told.telemetry, functions={"work": work}, seed=1) as engine:
        case = engine.run(specification(FAILING))
        case.resume()
        case.wait()
        assert case.status == "completed"
    first, second = [span for span in told.spans if span.name == "case order"]
    assert first.id != second.id
    assert len(told.trace_ids) == 1
    assert [link.context.span_id for link in second.span.links] == [first.id]
    assert [span.attributes["weft.case.stretch"] for span in (first, second)] == [0, 1]
    tasks = [span for span in told.spans if span.name == "task a"]
    assert [span.parent for span in tasks] == [first.id, second.id]
    assert [span.attributes["weft.work_item.outcome"] for span in tasks] == ["stopped", "completed"]


# ── instances, and what is cancelled ─────────────────────────────────────────────────────────


def test_instances_are_below_a_span_that_counts_them(told: Told) -> None:
    quotes = """
net:
  start: quote
  tasks:
    quote: {for-each: {times: 3, enough: 2, rest: cancel}, person: {title: How much?}}
"""

    async def run() -> None:
        async with weft.open(telemetry=told.telemetry) as engine:
            case = await engine.start(specification(quotes))
            for item in list(case.work_items)[:2]:
                await case.complete(item.id, {})
            assert case.status == "completed"

    anyio.run(run)
    instances = told.span("instances quote")
    assert instances.attributes["weft.instance.count"] == 3
    assert instances.attributes["weft.instance.completed"] == 2
    below = [span for span in told.spans if span.name == "task quote"]
    assert {span.parent for span in below} == {instances.id}
    assert {
        (span.attributes["weft.instance.index"], span.attributes["weft.work_item.outcome"])
        for span in below
    } == {(0, "completed"), (1, "completed"), (2, "withdrawn")}


def test_a_scope_that_is_cancelled_ends_its_spans_and_is_told(told: Told) -> None:
    stopping = """
net:
  start: [outer, stop]
  tasks:
    outer: {net: below}
    stop: {person: {title: Stop?}, cancel-task: outer, then: explicit-termination}
nets:
  below:
    start: [inner, other]
    tasks:
      inner: {person: {title: Well?}}
      other: {person: {title: Or?}}
"""

    async def run() -> None:
        async with weft.open(telemetry=told.telemetry) as engine:
            case = await engine.start(specification(stopping))
            await case.complete("stop/1", {})
            assert case.status == "completed"

    anyio.run(run)
    (opened,) = [each for each in told.logs if each.event_name == "weft.scope.opened"]
    (outer,) = [span for span in told.spans if span.name == "task outer"]
    assert opened.attributes["weft.scope.id"] == 1
    below = {span.name: span for span in told.spans if span.parent == outer.id}
    assert set(below) == {"task inner", "task other"}
    assert outer.attributes["weft.work_item.outcome"] == "cancelled"
    assert {span.attributes["weft.work_item.outcome"] for span in below.values()} == {"withdrawn"}
    (cancelling,) = [each for each in told.logs if "weft.scope.closed" in (each.attributes or {})]
    assert list(cancelling.attributes["weft.scope.closed"]) == [1]
    gone = [outer, *below.values()]
    assert set(cancelling.attributes["weft.work_item.cancelled"]) == {
        span.attributes["weft.work_item.id"] for span in gone
    }
    stop = told.span("task stop")
    assert {span.span.end_time for span in gone} == {stop.span.end_time}
    assert told.metrics()["weft.work_item.active"] == dict.fromkeys(
        [("inner",), ("other",), ("outer",), ("stop",)], 0
    )


def test_the_lag_of_a_blocked_loop_is_told(told: Told) -> None:
    async def run() -> None:
        async with weft.open(telemetry=told.telemetry) as engine:
            attachment = engine.tracing
            assert isinstance(attachment, Attachment)
            attachment._looked_at_loop(asyncio.get_running_loop().time() - 3600)

    anyio.run(run)
    (point,) = told.points("weft.engine.loop.lag")
    assert 3600 <= point.max < 7200
    assert point.count >= 2


# ── callers, and other processes ─────────────────────────────────────────────────────────────


def test_a_case_is_part_of_the_trace_of_its_caller(told: Told) -> None:
    tracer = told.tracer_provider.get_tracer("program")
    with (
        weft.open(telemetry=told.telemetry, functions={"work": lambda: 1}) as engine,
        tracer.start_as_current_span("request"),
    ):
        engine.run(specification(SEQUENCE))
    assert ("case order", "request") in told.tree()
    assert len(told.trace_ids) == 1


def test_a_case_without_a_caller_is_part_of_the_trace_of_the_process() -> None:
    told = Told(parent=PARENT)
    with weft.open(telemetry=told.telemetry, functions={"work": lambda: 1}) as engine:
        engine.run(specification(SEQUENCE))
    assert told.trace_ids == {TRACE}
    assert told.span("case order").parent == SPAN


def test_a_case_that_work_starts_is_below_its_attempt(told: Told) -> None:
    async def run() -> None:
        async def start() -> None:
            case = await engine.start(specification("sequence: [{python: inner}]", "below"))
            await case.wait()

        functions = {"start": start, "inner": lambda: 1}
        async with weft.open(telemetry=told.telemetry, functions=functions) as engine:
            case = await engine.start(specification("sequence: [{python: start}]", "above"))
            await case.wait()

    anyio.run(run)
    assert ("case below", "attempt step-1") in told.tree()
    assert len(told.trace_ids) == 1


PERSON = """
net:
  start: ask
  tasks:
    ask: {person: {title: Well?}, then: work}
    work: {python: work}
"""


@pytest.mark.weft_live_check(off=True)  # one engine of it has to tell nothing
def test_what_a_process_runs_finds_its_trace_in_the_environment(told: Told, tmp_path: Path) -> None:
    source = "import os\n\ndef look():\n    return os.environ.get('TRACEPARENT')\n"
    (tmp_path / "looking.py").write_text(source)
    text = "weft: 1\nname: order\nsequence: [{python: {call: 'looking:look', run-in: process}}]"
    path = tmp_path / "order.yaml"
    path.write_text(text)
    with weft.open(telemetry=told.telemetry) as engine:
        case = engine.run(weft.load(path))
    attempt = told.span("attempt step-1").span.context
    assert case.data["step_1"] == f"00-{attempt.trace_id:032x}-{attempt.span_id:016x}-01"
    with weft.open() as engine:  # the same process may have served another case before
        assert engine.run(weft.load(path)).data["step_1"] != case.data["step_1"]


EVENTS = """
triggers: [{event: placed}]
net:
  start: a
  tasks:
    a: {persistent-trigger: paid}
"""


@pytest.mark.parametrize("way", ["event", "caller", "process"])
def test_an_event_takes_the_trace_of_its_sender_along(way: str) -> None:
    told = Told(parent=PARENT if way == "process" else None)
    given = {"traceparent": PARENT} if way == "event" else {}
    span = NonRecordingSpan(SpanContext(TRACE, SPAN, is_remote=True, trace_flags=TraceFlags(1)))
    caller = Context() if way != "caller" else trace.set_span_in_context(span)

    async def run() -> None:
        async with weft.open(telemetry=told.telemetry) as engine:
            bus = weft.Bus(engine)
            with told.tracer_provider.get_tracer("program").start_as_current_span("before"):
                waiting = await engine.start(specification(EVENTS), case="waiting")
            token = attach(caller)
            await bus.emit("placed", **given)
            await bus.emit("paid", **given)
            detach(token)
            await bus.emit("paid", traceparent="nonsense")
            for case in engine.journal.cases():
                await (await engine.open(case.case)).wait()
            assert waiting.status == "completed"

    anyio.run(run)
    (reached,) = [
        s
        for s in told.spans
        if s.attributes.get("weft.case.id") == "waiting" and s.name.startswith("wait ")
    ]
    assert [link.context.span_id for link in reached.span.links] == [SPAN]
    (started,) = [
        s.span
        for s in told.spans
        if s.name.startswith("case ") and s.attributes["weft.case.id"] != "waiting"
    ]
    assert started.context.trace_id == TRACE
    assert started.parent is not None
    assert started.parent.span_id == SPAN


def test_another_process_goes_on_with_the_trace(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/weft.db"
    one, two = Told(), Told()
    with weft.open(store, telemetry=one.telemetry, functions={"work": lambda: 1}) as engine:
        case = engine.run(specification(PERSON), case="c")
        assert case.idle
    assert one.spans == []
    assert one.metrics()["weft.case.active"] == {(): 0}  # it is not this process's any more
    with weft.open(store, telemetry=two.telemetry, functions={"work": lambda: 1}) as engine:
        case = engine.open("c")
        caller = two.tracer_provider.get_tracer("program").start_span("click")
        with trace.use_span(caller):
            case.complete("ask/1", {}, by="ada")
        case.wait()
        assert case.status == "completed"
    assert two.tree() == {
        ("case order", None),
        ("task ask", "case order"),
        ("attempt ask", "task ask"),
        ("task work", "case order"),
        ("attempt work", "task work"),
    }
    # The whole of it, although this process has not seen its beginning.
    started = one.logs[0]
    assert two.trace_ids == {started.trace_id}
    assert two.span("case order").id == started.span_id
    assert two.span("case order").span.start_time == started.timestamp
    assert two.span("task ask").attributes["weft.participant"] == "ada"
    # Who acted from outside is linked, not mixed in.
    assert [link.context.span_id for link in two.span("task ask").span.links] == [
        caller.get_span_context().span_id
    ]
    assert two.metrics()["weft.case.active"] == {(): 0}
    assert two.metrics()["weft.work_item.active"] == {("ask",): 0, ("work",): 0}


def test_an_interrupted_attempt_is_told_by_the_process_that_goes_on(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/weft.db"
    told = Told()

    async def run() -> None:
        began = anyio.Event()

        async def hang() -> None:
            began.set()
            await anyio.sleep_forever()

        # The block is left in a hurry, as if the process had died in the middle of the work.
        options = {"functions": {"work": hang}, "grace_seconds": 0}
        async with weft.open(store, **options) as engine:
            await engine.start(specification(FAILING), case="c")
            await began.wait()

        done = {"functions": {"work": lambda: 1}}
        async with weft.open(store, telemetry=told.telemetry, **done) as engine:
            case = await engine.resume("c")
            await case.wait()

    anyio.run(run)
    attempts = [span for span in told.spans if span.name == "attempt a"]
    assert [span.attributes.get("error.type") for span in attempts] == ["interrupted", None]
    assert attempts[0].span.start_time < attempts[1].span.start_time
    assert {span.parent for span in attempts} == {told.span("task a").id}


def test_a_pause_is_a_mark_in_the_span(told: Told) -> None:
    with weft.open(telemetry=told.telemetry, functions={"work": lambda: 1}) as engine:
        case = engine.run(specification(PERSON))
        case.suspend("lunch")
        case.resume()
        case.cancel("enough")
    root = told.span("case order")
    assert [event.name for event in root.span.events] == [
        "weft.case.suspended",
        "weft.case.resumed",
    ]
    assert root.attributes["weft.case.status"] == "cancelled"
    assert told.span("task ask").attributes["weft.work_item.outcome"] == "withdrawn"
    assert told.metrics()["weft.work_item.ended"] == {("ask", "withdrawn"): 1}


def test_what_is_not_sampled_is_not_told_but_work_still_knows_its_trace() -> None:
    told = Told(ParentBased(ALWAYS_OFF))
    within = []
    with weft.open(
        telemetry=told.telemetry, functions={"work": lambda: within.append(here())}
    ) as e:
        case = e.run(specification(SEQUENCE))
    assert told.spans == []
    assert within[0][0] != 0
    assert case.data["step_2"]["stdout"].endswith("-00")
    assert told.metrics()["weft.case.started"] == {(): 1}


def test_the_same_seed_gives_the_same_trace() -> None:
    def run() -> list[tuple[str, int, int | None]]:
        told = Told()
        with weft.open(telemetry=told.telemetry, functions={"work": lambda: 1}, seed=7) as engine:
            engine.run(specification("sequence: [{python: work}, {python: work}]"))
        return [(span.name, span.id, span.parent) for span in told.spans]

    assert run() == run()


# ── whether there is any ─────────────────────────────────────────────────────────────────────


@pytest.fixture
def no_variables(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    import os

    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    return monkeypatch


def test_without_telemetry_opentelemetry_is_not_imported(repository: Path) -> None:
    program = (
        "import sys, weft\n"
        "spec = weft.loads('{weft: 1, name: a, sequence: [{shell: [\"true\"]}]}')\n"
        "with weft.open() as engine: assert engine.run(spec).status == 'completed'\n"
        "sys.exit(any(name.split('.')[0] in ('opentelemetry', 'grpc') for name in sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PATH": "/usr/bin:/bin"}, check=False
    )
    assert done.returncode == 0


def test_what_off_costs_can_be_counted(repository: Path) -> None:
    """`benches/telemetry_off.py` takes the engine's comparisons away: all there are."""
    from weft.engine.runtime import engine

    source = Path(engine.__file__ or "").read_text("utf-8")
    left = runpy.run_path(str(repository / "benches/telemetry_off.py"))["decided"](source)
    assert "None if True else self.tracing.caller()" in left
    compile(left, "engine.py", "exec")


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://localhost:4318/v1/logs"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_the_environment_asks_for_it(variables: dict[str, str], wanted: bool) -> None:
    from weft.telemetry import asked_for

    assert asked_for(variables) is wanted


@pytest.mark.parametrize(
    ("choice", "code"),
    [
        ("nonsense", "otlp-endpoint"),
        ("ftp://here:4317", "otlp-endpoint"),
        ("http://", "otlp-endpoint"),
        ("http://here:port", "otlp-endpoint"),
    ],
)
def test_endpoints_that_are_none(choice: str, code: str, no_variables: object) -> None:
    with pytest.raises(UsageError) as caught, weft.open(telemetry=choice):
        pass
    assert caught.value.code == code


def test_variables_that_say_what_is_not_there(no_variables: pytest.MonkeyPatch) -> None:
    from weft.weaver.shipping import exporters_for

    with pytest.raises(UsageError, match="'zipkin'; Weft exports by 'otlp'"):
        exporters_for(environ={"OTEL_TRACES_EXPORTER": "zipkin"})
    with pytest.raises(UsageError, match="no protocol 'udp' here; there are grpc and http"):
        exporters_for(environ={"OTEL_EXPORTER_OTLP_PROTOCOL": "udp"})
    assert set(exporters_for(environ={"OTEL_METRICS_EXPORTER": "none"})) == {"traces", "logs"}


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        "00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",
    ],
)
def test_what_is_no_traceparent_is_none(text: str | None) -> None:
    assert parse_traceparent(text) is None
    told = Told(parent=text)
    with weft.open(telemetry=told.telemetry, functions={"work": lambda: 1}, seed=3) as engine:
        engine.run(specification("sequence: [{python: work}]"))
    assert told.span("case order").parent is None


def test_a_later_version_of_traceparent_is_read_as_far_as_it_is_known() -> None:
    later = "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more"
    assert parse_traceparent(later) == (TRACE, SPAN, 1)

"""Every signal that the registry declares is really emitted, and only what it declares.

Engines cause all of it here: real cases, driven through their real life.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

import weft
from weft.weaver.check import open_registry
from weft.weaver.inprocess import Emissions
from weft.weaver.livecheck import LiveChecker
from weft.weaver.shipping import Pipeline
from weft.weaver.telemetry import Telemetry

Scenario = Callable[[weft.Engine], Awaitable[None]]


def work() -> int:
    return 1


def fail() -> None:
    raise ZeroDivisionError("by zero")


async def begin(engine: weft.Engine, text: str, *, unverified: bool = False) -> weft.Case:
    specification = weft.loads(f"weft: 1\nname: signals\n{text}")
    case = await engine.start(specification, unverified=unverified)
    await case.wait()
    return case


async def people(engine: weft.Engine) -> None:
    case = await begin(
        engine,
        """
net:
  start: [a, b]
  tasks:
    a: {person: {title: A?}}
    b: {person: {title: B?}}
""",
    )
    await case.claim("a/1", "ada")
    await case.release("a/1", by="ada")
    await case.claim("a/1", "ada")
    await case.delegate("a/1", "bob", by="ada")
    await case.begin("a/1", by="bob")
    await case.complete("a/1", {}, by="bob")
    await case.suspend("lunch")
    await case.resume()
    await case.cancel("enough", by="ada")
    assert case.status == "cancelled"


async def failures(engine: weft.Engine) -> None:
    case = await begin(
        engine, "net: {start: a, tasks: {a: {python: fail, retry: {attempts: 2, delay: 1s}}}}"
    )
    assert case.status == "failed"
    await case.resume()
    await case.wait()
    case = await begin(
        engine, "net: {start: a, tasks: {a: {python: fail, on-failure: b}, b: {python: work}}}"
    )
    assert case.status == "completed"


async def deadlock(engine: weft.Engine) -> None:
    case = await begin(
        engine,
        """
net:
  start: a
  tasks:
    a: {then: {exclusive-choice: [{when: "true", to: b}, {to: c}]}}
    b: {then: d}
    c: {then: d}
    d: {join: synchronization, python: work}
""",
        unverified=True,
    )
    assert case.status == "deadlocked"


async def nets(engine: weft.Engine) -> None:
    case = await begin(
        engine,
        """
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
""",
    )
    await case.complete("stop/1", {})
    assert case.status == "completed"
    case = await begin(
        engine, "net: {start: a, tasks: {a: {net: b}}}\nnets: {b: {start: c, tasks: {c: {}}}}"
    )
    assert case.status == "completed"


async def tokens(engine: weft.Engine) -> None:
    case = await begin(
        engine,
        """
net:
  start: a
  tasks:
    a: {python: work, then: {parallel-split: [b, c]}}
    b: {python: work, then: d}
    c: {person: {title: C?}, then: d}
    d: {join: synchronization, then: explicit-termination}
""",
    )
    await case.cancel()
    case = await begin(
        engine,
        """
net:
  start: a
  places: {kept: {tokens: 1}, more: {tokens: 2}}
  tasks:
    a: {python: work, cancel-region: [kept], then: explicit-termination}
""",
    )
    assert case.status == "completed"


async def instances(engine: weft.Engine) -> None:
    case = await begin(
        engine,
        """
data: {names: {type: array, default: [x, y]}}
net:
  start: a
  tasks:
    a: {for-each: {in: names, open: true}, person: {title: Well?}}
""",
    )
    await case.add("a", "z", by="ada")
    await case.seal("a", by="ada")
    for item in list(case.work_items):
        await case.complete(item.id, {})
    assert case.status == "completed"
    case = await begin(engine, "net: {start: a, tasks: {a: {for-each: {times: 2}, python: work}}}")
    assert case.status == "completed"


async def waits(engine: weft.Engine) -> None:
    case = await begin(
        engine,
        """
net:
  start: [a, b, c, d, e]
  tasks:
    a: {transient-trigger: go, python: work}
    b: {persistent-trigger: paid, python: work}
    c: {wait: 1h, python: work}
    d: {person: {title: D?}, due: 1m, on-due: remind}
    e: {person: {title: E?}, timeout: 2m, on-timeout: late}
    remind: {}
    late: {}
""",
    )
    await case.trigger("go", by="ada")
    await case.trigger("go")  # nothing waits for it any more
    await case.trigger("paid")
    await case.trigger("paid")  # kept, and read by nobody
    await case.wait(timers=True)
    await case.complete("d/1", {})
    await case.wait(timers=True)
    assert case.status == "completed"
    for pair in ("transient-trigger: go", "wait: 1h", "person: {title: A?}"):
        case = await begin(
            engine,
            "net:\n  start: here\n  places: {here: {then: {deferred-choice: [a, b]}}}\n"
            f"  tasks: {{a: {{{pair}}}, b: {{person: {{title: B?}}}}}}\n",
        )
        await case.complete("b/1", {})
        assert case.status == "completed"


SCENARIOS: Sequence[Scenario] = (people, failures, deadlock, nets, tokens, instances, waits)


class Refusing:
    """An exporter that fails."""

    def export(self, batch: Any) -> None:
        raise ConnectionRefusedError

    def shutdown(self) -> None:
        pass


def test_every_declared_signal_is_emitted_by_an_engine(
    repository: Path, pytestconfig: pytest.Config
) -> None:
    checker = LiveChecker(open_registry(repository / "schema/telemetry"))
    watching = [Emissions(checker.add_of)]
    if pytestconfig.getoption("--weft-live-check"):
        from weft.weaver.testing import live_check

        watching.append(live_check(pytestconfig).emissions)
    # What cannot be exported is dropped, and counted; everything is watched besides.
    pipeline = Pipeline({"traces": Refusing()})
    tracer_provider, logger_provider = pipeline.tracer_provider, LoggerProvider()
    for emissions in watching:
        tracer_provider.add_span_processor(emissions.span_processor)
        logger_provider.add_log_record_processor(emissions.log_processor)
    readers = [emissions.metric_reader() for emissions in watching]
    telemetry = Telemetry(
        tracer_provider=tracer_provider,
        meter_provider=MeterProvider(readers, shutdown_on_exit=False),
        logger_provider=logger_provider,
        pipeline=pipeline,
    )

    async def run(scenario: Scenario) -> None:
        functions = {"work": work, "fail": fail}
        async with weft.open(telemetry=telemetry, functions=functions, seed=1) as engine:
            await scenario(engine)

    for scenario in SCENARIOS:
        anyio.run(run, scenario)
    telemetry.close(60)
    for emissions in watching:
        emissions.collect()
    report = checker.report(expect=["span:*", "event:*", "metric:*", "attribute:weft.*"])
    assert [str(each) for each in report.findings if each.level == "violation"] == []
    unknown = report.statistics.seen_non_registry
    assert {about: dict(names) for about, names in unknown.items() if names} == {}
    assert isinstance(tracer_provider, TracerProvider)

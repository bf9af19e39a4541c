"""Telemetry of an engine through OpenTelemetry: what `CaseStory` tells, as spans, metrics, logs.

`Telemetry` listens to an engine's durable batches. Nothing here is imported while telemetry is
off. Ids of spans follow from the case (`weft.weaver.story`), so a process that goes on with a case
goes on with its trace; a span is handed over when it ends.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet, WeakValueDictionary

import attrs
from opentelemetry import metrics, trace
from opentelemetry._logs import SeverityNumber, get_logger_provider
from opentelemetry.context import Context, attach, detach
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags

from weft.engine import events as e
from weft.engine.journal.batch import Encoded, takes_turns
from weft.engine.ports import Append, CaseId, Journal, Performer, Work, Worker
from weft.weaver import conventions as names
from weft.weaver.story import CaseStory, Count, Fact, Link, Log, Span, parse_traceparent

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.metrics import Meter, MeterProvider
    from opentelemetry.trace import TracerProvider

    from weft.engine.runtime.engine import Engine
    from weft.engine.runtime.live import Batch
    from weft.weaver.shipping import Pipeline

__all__ = ["Attachment", "Telemetry"]

logger = logging.getLogger("weft.telemetry")

SCOPE: Final = "weft"
"""The name of the instrumentation scope."""

LAG_SECONDS: Final = 1.0
"""The lag of the event loop is observed so often."""

MAX_SERIES: Final = 2_000
"""So many sets of attributes a counter has: the limit of OpenTelemetry's SDK specification.

The SDK keeps to it in what it adds up itself, which are the histograms.
"""

MAX_CONTEXTS: Final = 1_000
"""Of so many spans of a case the contexts are kept, which its children and log records need."""

MAX_RETOLD: Final = 20_000
"""So many events of a case are read again when a process takes it over."""

BUCKETS: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
    *(300, 900, 3600, 14_400, 86_400, 604_800),
)
"""Bounds of histograms, in seconds: a commit takes a millisecond, a case may take a week."""

_FIRINGS: Final = (
    *(e.TransitionFired, e.WorkItemStarted, e.WorkItemCompleted, e.WorkItemFailed),
    *(e.WorkItemRetried, e.WorkItemGivenUp, e.WorkItemReminded, e.TimerFired, e.TriggerReceived),
)
"""Events each of which says that a transition fired."""


class _Ids:
    """Gives a tracer the ids that a story has chosen; ids for others are random.

    It is asked on the thread that makes a span, just after that thread has said which.
    """

    def __init__(self, otherwise: Any) -> None:
        self._otherwise = otherwise
        self._next = threading.local()

    def choose(self, trace_id: int, span_id: int) -> None:
        """Say the ids of the span that this thread makes next."""
        self._next.ids = (trace_id, span_id)

    def generate_trace_id(self) -> int:
        """The chosen trace id."""
        ids: Link | None = getattr(self._next, "ids", None)
        return ids[0] if ids is not None else int(self._otherwise.generate_trace_id())

    def generate_span_id(self) -> int:
        """The chosen span id, once."""
        ids: Link | None = getattr(self._next, "ids", None)
        self._next.ids = None
        return ids[1] if ids is not None else int(self._otherwise.generate_span_id())

    def is_trace_id_random(self) -> bool:
        """They come from SHA-256, evenly spread, but are not random."""
        return False


class _Instruments:
    """The instruments of a meter, and what has been counted so far.

    Counters are observed when metrics are collected: adding to a total of our own costs a fraction
    of what the SDK takes for a measurement. A meter has each instrument once, so all that is told
    through it shares these.
    """

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.engines: WeakSet[Engine] = WeakSet()
        self._lock = threading.Lock()
        self._totals: dict[str, dict[tuple[Any, ...], float]] = {}
        for metric, unit in _COUNTERS:
            self._totals[metric] = {}
            meter.create_observable_counter(metric, [partial(self._observed, metric)], unit)
        for metric, unit in _GAUGED:
            self._totals[metric] = {}
            meter.create_observable_up_down_counter(metric, [partial(self._observed, metric)], unit)
        self.histograms = {
            metric: meter.create_histogram(
                metric, "s", explicit_bucket_boundaries_advisory=list(BUCKETS)
            )
            for metric in _HISTOGRAMS
        }
        meter.create_observable_up_down_counter(
            names.METRIC_WEFT_ENGINE_QUEUE_DEPTH,
            [self._queue_depth],
            names.METRIC_WEFT_ENGINE_QUEUE_DEPTH_UNIT,
        )
        meter.create_observable_up_down_counter(
            names.METRIC_PROCESS_MEMORY_USAGE, [_memory], names.METRIC_PROCESS_MEMORY_USAGE_UNIT
        )

    def add(self, metric: str, amount: int, attributes: Mapping[str, Any]) -> None:
        """Add to a counter; the same attributes always come in the same order.

        What would be one set of attributes too many is added up as the overflow.
        """
        key = tuple(attributes.items())
        totals = self._totals[metric]
        with self._lock:
            if key not in totals and len(totals) >= MAX_SERIES - 1:
                key = _OVERFLOW
            totals[key] = totals.get(key, 0) + amount

    def _observed(self, metric: str, options: CallbackOptions) -> Iterable[Observation]:
        del options
        with self._lock:
            totals = list(self._totals[metric].items())
        return [Observation(total, dict(key)) for key, total in totals]

    def _queue_depth(self, options: CallbackOptions) -> Iterable[Observation]:
        del options
        return [Observation(sum(engine.waiting for engine in list(self.engines)))]


_OVERFLOW: Final = ((names.OTEL_METRIC_OVERFLOW, True),)
"""What stands for all sets of attributes beyond `MAX_SERIES`."""

_known: WeakValueDictionary[int, _Instruments] = WeakValueDictionary()
"""Those there are, by the id of their meter; each lives as long as that, which has its callbacks."""

_early: WeakSet[_Instruments] = WeakSet()
"""Those of meters of the API's own, which stand for others once the program sets a provider."""


def _instruments(meter: Meter) -> _Instruments:
    """The instruments of a meter, which are made only once."""
    for each in list(_early):
        if _real(each.meter) is not each.meter:
            _known.setdefault(id(_real(each.meter)), each)
            _early.discard(each)
    meter = _real(meter)
    found = _known.get(id(meter))
    if found is None:
        found = _known[id(meter)] = _Instruments(meter)
        if hasattr(meter, "_real_meter"):
            _early.add(found)
    return found


def _real(meter: Meter) -> Meter:
    """The meter that the API's own stands for, if it stands for one by now."""
    found: Meter | None = getattr(meter, "_real_meter", None)
    return meter if found is None else found


_COUNTERS: Final = (
    (names.METRIC_WEFT_CASE_STARTED, names.METRIC_WEFT_CASE_STARTED_UNIT),
    (names.METRIC_WEFT_CASE_ENDED, names.METRIC_WEFT_CASE_ENDED_UNIT),
    (names.METRIC_WEFT_PATTERN_USED, names.METRIC_WEFT_PATTERN_USED_UNIT),
    (names.METRIC_WEFT_WORK_ITEM_STARTED, names.METRIC_WEFT_WORK_ITEM_STARTED_UNIT),
    (names.METRIC_WEFT_WORK_ITEM_ENDED, names.METRIC_WEFT_WORK_ITEM_ENDED_UNIT),
    (names.METRIC_WEFT_ENGINE_EVENTS, names.METRIC_WEFT_ENGINE_EVENTS_UNIT),
    (names.METRIC_WEFT_ENGINE_FIRINGS, names.METRIC_WEFT_ENGINE_FIRINGS_UNIT),
    (names.METRIC_WEFT_TELEMETRY_DROPPED, names.METRIC_WEFT_TELEMETRY_DROPPED_UNIT),
)
_GAUGED: Final = (
    (names.METRIC_WEFT_CASE_ACTIVE, names.METRIC_WEFT_CASE_ACTIVE_UNIT),
    (names.METRIC_WEFT_WORK_ITEM_ACTIVE, names.METRIC_WEFT_WORK_ITEM_ACTIVE_UNIT),
)
_HISTOGRAMS: Final = (
    names.METRIC_WEFT_CASE_DURATION,
    names.METRIC_WEFT_WORK_ITEM_DURATION,
    names.METRIC_WEFT_ATTEMPT_DURATION,
    names.METRIC_WEFT_ENGINE_LOOP_LAG,
    names.METRIC_WEFT_JOURNAL_COMMIT_DURATION,
)


class Telemetry:
    """What an engine tells OpenTelemetry, and through which providers.

    One object may serve several engines.

    Args:
        tracer_provider: For spans; None: the program's global one.
        meter_provider: For metrics; None: the program's global one.
        logger_provider: For log records; None: the program's global one.
        parent: The ``traceparent`` that cases belong to whose caller is in no trace itself.
        pipeline: What the providers export through, if it is Weft's own; closed with this.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        logger_provider: LoggerProvider | None = None,
        parent: str | None = None,
        pipeline: Pipeline | None = None,
    ) -> None:
        url = names.SCHEMA_URL
        self._tracer = (tracer_provider or trace.get_tracer_provider()).get_tracer(
            SCOPE, schema_url=url
        )
        self._logger = (logger_provider or get_logger_provider()).get_logger(SCOPE, schema_url=url)
        meter = (meter_provider or metrics.get_meter_provider()).get_meter(SCOPE, schema_url=url)
        # The SDK's tracers have these as public attributes. Other tracers choose their own ids:
        # then what works for a case finds no parent that is told, and nothing else is amiss.
        if not isinstance(getattr(self._tracer, "id_generator", None), _Ids | None):
            self._tracer.id_generator = _Ids(self._tracer.id_generator)  # type: ignore[attr-defined]
        self._ids: _Ids | None = getattr(self._tracer, "id_generator", None)
        self._sampler: Any = getattr(self._tracer, "sampler", None)
        self._parent = parent
        parsed = parse_traceparent(parent)
        self._above: Link | None = None if parsed is None else parsed[:2]
        self._pipeline = pipeline
        self._ended: Callable[[CaseStory, Span], None] | None = None
        if pipeline is not None and pipeline.takes_ended_spans:
            self._ended = _Ended(self, self._tracer, url)
        self._instruments = _instruments(meter)
        if pipeline is not None:
            pipeline.on_drop = self._dropped

    # ── engines ──────────────────────────────────────────────────────────────────────────────

    def attach(self, engine: Engine) -> Attachment:
        """Tell of an engine from now on; to be called on its event loop, before it has cases."""
        self._instruments.engines.add(engine)
        return Attachment(self, engine)

    def detach(self, engine: Engine) -> None:
        """Tell of an engine no more."""
        self._instruments.engines.discard(engine)

    def close(self, seconds: float = 5.0) -> None:
        """Export what waits, as far as it goes in that time; the program's providers stay."""
        if self._pipeline is not None:
            self._pipeline.close(seconds)

    @property
    def dropped(self) -> Mapping[str, int]:
        """How much a pipeline of Weft's own has dropped, by signal."""
        return {} if self._pipeline is None else dict(self._pipeline.dropped)

    # ── spans, metrics, logs ─────────────────────────────────────────────────────────────────

    def flags(self, story: CaseStory) -> int:
        """The flags of a case's trace: whether it is sampled, as its caller or the sampler says."""
        if story.flags is None:
            parsed = parse_traceparent(story.traceparent)
            if parsed is not None:
                story.flags = parsed[2] & TraceFlags.SAMPLED
            elif self._sampler is None:
                story.flags = int(TraceFlags.SAMPLED)
            else:
                decided = self._sampler.should_sample(
                    Context(), story.trace_id, f"case {story.compiled.name}", None, {}, ()
                )
                story.flags = int(decided.decision.is_sampled())
        return story.flags

    def span_context(self, story: CaseStory, span: int, *, remote: bool = False) -> SpanContext:
        """The context of a span of a case."""
        flags = TraceFlags(self.flags(story))
        return SpanContext(story.trace_id, span, is_remote=remote, trace_flags=flags)

    def within(self, story: CaseStory, span: int) -> Context:
        """The context in which a span of a case is the current one; kept until the span ends."""
        found: Context | None = story.contexts.get(span)
        if found is None:
            if len(story.contexts) >= MAX_CONTEXTS:
                story.contexts.clear()
            found = story.contexts[span] = _within(self.span_context(story, span))
        return found

    def hand_on(self, story: CaseStory, fact: Fact) -> None:
        """Give a fact of a story to OpenTelemetry."""
        if isinstance(fact, Count):
            self._instruments.add(fact.metric, fact.amount, fact.attributes)
        elif isinstance(fact, Span):
            (self._ended or self._span)(story, fact)
            story.contexts.pop(fact.id, None)
        elif isinstance(fact, Log):
            self._logger.emit(
                timestamp=fact.time * 1000,
                context=self.within(story, fact.span),
                severity_number=SeverityNumber(fact.severity),
                attributes=fact.attributes,
                event_name=fact.name,
            )
        else:
            self._instruments.histograms[fact.metric].record(
                fact.seconds, fact.attributes, self.within(story, fact.span)
            )

    def _span(self, story: CaseStory, span: Span) -> None:
        above = _NOWHERE
        if span.parent:
            above = self.within(story, span.parent)
        elif (parsed := parse_traceparent(story.traceparent)) is not None:
            above = _within(self.span_context(story, parsed[1], remote=True))
        if self._ids is not None:
            self._ids.choose(story.trace_id, span.id)
        made = self._tracer.start_span(
            span.name,
            above,
            attributes=span.attributes,
            links=_links(span),
            start_time=span.start * 1000,
        )
        for name, time in span.marks:
            made.add_event(name, timestamp=time * 1000)
        if span.error is not None:
            made.set_status(StatusCode.ERROR, span.error)
        made.end(span.end * 1000)

    def count(self, metric: str, amount: int, attributes: dict[str, Any]) -> None:
        """Add to one of the counters."""
        self._instruments.add(metric, amount, attributes)

    def observe(self, metric: str, seconds: float) -> None:
        """Give a histogram an observation."""
        self._instruments.histograms[metric].record(seconds)

    def caller(self) -> str | None:
        """The ``traceparent`` of who calls; else the one that all cases belong to."""
        context = trace.get_current_span().get_span_context()
        return _traceparent(context) if context.is_valid else self._parent

    def calling(self) -> Link | None:
        """The span of who calls; else the one that all cases belong to."""
        context = trace.get_current_span().get_span_context()
        return (context.trace_id, context.span_id) if context.is_valid else self._above

    def _dropped(self, signal: str, reason: str, amount: int) -> None:
        self._instruments.add(
            names.METRIC_WEFT_TELEMETRY_DROPPED,
            amount,
            {names.WEFT_TELEMETRY_SIGNAL: signal, names.WEFT_TELEMETRY_DROP_REASON: reason},
        )


class _Ended:
    """Makes spans that have ended, and leaves them to the span processors.

    The SDK's way, to begin a span and to end it at once, takes three times as long. What it does
    besides has been done (`CaseStory` bounds what is told, the case's flags say whether it is
    sampled) or is not asked for (`Pipeline.takes_ended_spans`).
    """

    def __init__(self, telemetry: Telemetry, tracer: Any, schema_url: str) -> None:
        from opentelemetry.sdk.trace import Event, ReadableSpan
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        self._telemetry = telemetry
        self._tracer = tracer
        self._make_event = Event
        self._make_span = ReadableSpan
        self._scope = InstrumentationScope(SCOPE, "", schema_url)

    def __call__(self, story: CaseStory, span: Span) -> None:
        telemetry = self._telemetry
        if not telemetry.flags(story):
            return
        above: SpanContext | None = None
        if span.parent:
            above = _span_of(telemetry.within(story, span.parent))
        elif (parsed := parse_traceparent(story.traceparent)) is not None:
            above = telemetry.span_context(story, parsed[1], remote=True)
        made = self._make_span(
            name=span.name,
            context=_span_of(telemetry.within(story, span.id)),
            parent=above,
            resource=self._tracer.resource,
            attributes=span.attributes,
            events=[self._make_event(name, {}, time * 1000) for name, time in span.marks],
            links=_links(span),
            status=_UNSET if span.error is None else Status(StatusCode.ERROR, span.error),
            start_time=span.start * 1000,
            end_time=span.end * 1000,
            instrumentation_scope=self._scope,
        )
        self._tracer.span_processor.on_end(made)


_UNSET: Final = Status(StatusCode.UNSET)


def _span_of(context: Context) -> SpanContext:
    return trace.get_current_span(context).get_span_context()


def _links(span: Span) -> list[trace.Link]:
    return [trace.Link(SpanContext(*link, is_remote=True), {}) for link in span.links]


_NOWHERE: Final = Context()


def _within(context: SpanContext) -> Context:
    return trace.set_span_in_context(NonRecordingSpan(context), Context())


def _traceparent(context: SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & 1:02x}"


def _memory(options: CallbackOptions) -> Iterator[Observation]:
    """The memory that is resident, where the system tells it in Linux's way."""
    del options
    import os

    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123  # read on every collection
            pages = int(file.read().split()[1])
    except (OSError, ValueError, IndexError):
        return
    yield Observation(pages * os.sysconf("SC_PAGE_SIZE"))


class Attachment:
    """One engine's telemetry: its listener, and its `Tracing`."""

    def __init__(self, telemetry: Telemetry, engine: Engine) -> None:
        self._telemetry = telemetry
        self._engine = engine
        self._stories: dict[str, CaseStory] = {}
        self._journal = engine.journal
        self._lag: asyncio.Handle | None = None
        timed = _TimedTurns if takes_turns(engine.journal) else _TimedJournal
        engine.journal = timed(engine.journal, telemetry)
        engine.listeners.append(self)
        engine.tracing = self
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        else:
            self._look_at_loop(self._loop.time(), 0.0)

    def detach(self) -> None:
        """Tell nothing more of the engine."""
        if self._lag is not None:
            self._lag.cancel()
        engine = self._engine
        if self in engine.listeners:
            engine.listeners.remove(self)
        engine.tracing = None
        engine.journal = self._journal
        for story in self._stories.values():
            for fact in story.left():
                self._telemetry.hand_on(story, fact)
        self._stories.clear()
        self._telemetry.detach(engine)

    # ── the listener ─────────────────────────────────────────────────────────────────────────

    def __call__(self, batch: Batch) -> None:
        """Tell of a durable batch."""
        telemetry = self._telemetry
        story = self._stories.get(batch.case)
        if story is None:
            story = self._stories[batch.case] = self._begin(batch)
        caller = telemetry.calling()
        for event, record in zip(batch.events, batch.records, strict=True):
            for fact in story.tell(event, record.sequence, record.time, record.hash, caller):
                telemetry.hand_on(story, fact)
        about = {names.WEFT_SPECIFICATION_NAME: story.compiled.name}
        telemetry.count(names.METRIC_WEFT_ENGINE_EVENTS, len(batch.events), about)
        fired = sum(isinstance(event, _FIRINGS) for event in batch.events)
        if fired:
            telemetry.count(names.METRIC_WEFT_ENGINE_FIRINGS, fired, about)
        if batch.after.status.final:
            del self._stories[batch.case]

    def _begin(self, batch: Batch) -> CaseStory:
        """The story of a case up to a batch: empty, or told again from the journal."""
        story = CaseStory(batch.case, batch.after.compiled)
        before = batch.before
        if before is None:
            return story
        last = batch.records[0].sequence - 1
        first = max(last - MAX_RETOLD, 1)
        records = [
            *self._journal.records(CaseId(batch.case), until=1),
            *self._journal.records(CaseId(batch.case), after=first, until=last),
        ]
        for record in records:
            for _ in story.tell(e.decode(record), record.sequence, record.time, record.hash):
                pass  # it was told when it happened
        story.settle(before, records[1].time if len(records) > 1 else records[0].time)
        for fact in story.taken_over():
            self._telemetry.hand_on(story, fact)
        return story

    # ── the engine's `Tracing` ───────────────────────────────────────────────────────────────

    def caller(self) -> str | None:
        """The ``traceparent`` of who starts a case."""
        return self._telemetry.caller()

    @contextmanager
    def called_by(self, traceparent: str | None) -> Iterator[None]:
        """Have the caller be in a trace; one that is not well-formed is none."""
        parsed = parse_traceparent(traceparent)
        if parsed is None:
            yield
            return
        trace_id, span_id, flags = parsed
        span = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags & 1))
        token = attach(_within(span))
        try:
            yield
        finally:
            detach(token)

    def traced(self, work: Work, performer: Performer) -> tuple[Work, Performer]:
        """An attempt with its span as the current one, and in what it hands on."""
        story = self._stories.get(work.case)
        item = None if story is None else story.items.get(work.item)
        if story is None or item is None or item.attempt_start is None:
            return work, performer
        context = self._telemetry.within(story, item.attempt_span)
        call = performer.call

        def inline(work: Work) -> Any:
            token = attach(context)
            try:
                return call(work)
            finally:
                detach(token)

        async def awaited(work: Work) -> Any:
            token = attach(context)
            try:
                return await call(work)
            finally:
                detach(token)

        within = inline if performer.worker is Worker.INLINE else awaited
        span = _span_of(context)
        return attrs.evolve(work, traceparent=_traceparent(span)), Performer(
            performer.worker, within
        )

    # ── the event loop ───────────────────────────────────────────────────────────────────────

    def _look_at_loop(self, due: float, seconds: float) -> None:
        """Observe how late the loop runs something that is due, now and again."""
        loop = self._loop
        if loop is not None:
            self._lag = loop.call_later(seconds, self._looked_at_loop, due)

    def _looked_at_loop(self, due: float) -> None:
        loop = self._loop
        if loop is not None:
            now = loop.time()
            self._telemetry.observe(names.METRIC_WEFT_ENGINE_LOOP_LAG, max(now - due, 0.0))
            self._look_at_loop(now + LAG_SECONDS, LAG_SECONDS)


class _TimedJournal:
    """A journal that says how long its commits take."""

    def __init__(self, journal: Journal, telemetry: Telemetry) -> None:
        self._journal = journal
        self._telemetry = telemetry

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    def append(self, batch: Append) -> Awaitable[None] | None:
        """As the journal's own."""
        began = perf_counter()
        durable = self._journal.append(batch)
        if durable is None:
            self._observe(began)
            return None
        return self._waited(durable, began)

    async def _waited(self, durable: Awaitable[None], began: float) -> None:
        await durable
        self._observe(began)

    def _observe(self, began: float) -> None:
        self._telemetry.observe(names.METRIC_WEFT_JOURNAL_COMMIT_DURATION, perf_counter() - began)


class _TimedTurns(_TimedJournal):
    """The same of one that makes the batches of a turn durable all together."""

    _journal: Any

    def append_all(self, batches: Sequence[Encoded]) -> None:
        """As the journal's own."""
        began = perf_counter()
        self._journal.append_all(batches)
        for batch in batches:
            if batch.failure is None:
                self._observe(began)

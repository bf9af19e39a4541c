"""`weft.open`: the one door for programs, synchronous and asynchronous.

    async with weft.open("sqlite:///orders.db") as engine:
        case = await engine.start(specification, {"amount": 12})
        await case.wait()

    with weft.open("sqlite:///orders.db") as engine:
        case = engine.run(specification, {"amount": 12})

The synchronous engine runs the asynchronous one in an event loop on a thread of its own and
waits for it; there is no second implementation.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import anyio

from weft.connectors import EmitConnector, ModuleSource
from weft.connectors import builtin as builtin_connectors
from weft.engine.decide import DEFAULT_LIMITS, Limits
from weft.engine.journal import open_journal
from weft.engine.ports import CaseSummary, Connector, Journal, OpenItem
from weft.engine.runtime.engine import Case, Engine
from weft.loading import load
from weft.schema.errors import UsageError
from weft.telemetry import telemetry as telemetry_for

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

    from weft.bus import Bus, Emitted
    from weft.connectors.emit import Receivers
    from weft.engine.case import CaseState, WorkItem
    from weft.engine.fragment import Fragment
    from weft.engine.lifecycle import CaseStatus
    from weft.engine.net import CompiledSpecification
    from weft.engine.ports import CaseId, Work
    from weft.engine.registry import Registry
    from weft.engine.runtime.engine import Delivery
    from weft.engine.starting import BusEvent
    from weft.engine.tokens import CancelToken
    from weft.engine.waiting import WaitingJoin
    from weft.receipts import Receipt
    from weft.schema.jsonvalue import JsonValue
    from weft.schema.specification import Specification
    from weft.stepping import Stepping
    from weft.weaver.telemetry import Attachment, Telemetry

__all__ = ["Session", "SyncCase", "SyncEngine", "open", "run"]

P = ParamSpec("P")
T = TypeVar("T")


def open(  # noqa: A001  # read as weft.open
    store: str | Journal = "memory:",
    *,
    functions: Mapping[str, Callable[..., Any]] | None = None,
    patterns: Iterable[Callable[..., Fragment]] = (),
    connectors: Mapping[str, Connector] | None = None,
    modules: Mapping[str, ModuleSource] | None = None,
    module_folders: Iterable[str | Path] = (),
    agent: Sequence[str] | None = None,
    seed: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    concurrency: int | None = None,
    snapshot_every: int = 1000,
    grace_seconds: float = 10.0,
    unverified: bool = False,
    lease_seconds: float = 30.0,
    telemetry: Telemetry | str | bool | None = None,
) -> Session:
    """A session with a store: use it with ``with`` or with ``async with``.

    Args:
        store: The store's URL (``memory:``, ``sqlite:///cases.db``), or a journal.
        functions: Task functions by the name that specifications use; they go before modules.
        patterns: Pattern executors of one's own, marked with ``@weft.pattern``.
        connectors: Connectors of one's own by kind, beside the built-in ones.
        modules: Modules of actions of one's own by name: Python modules, mappings of functions by
            the names of their actions, or objects whose methods are marked with `weft.action`.
        module_folders: Folders of modules of actions, each a Python file.
        agent: The command that actions ask when they need an agent, as a list of arguments, of
            which ``${prompt}`` stands for the prompt; None: that of ``WEFT_AGENT``.
        seed: Run reproducibly: virtual clock, one attempt at a time, order drawn from the seed.
        limits: Bounds on what one command may cause.
        concurrency: The most attempts that run at once; None: any number.
        snapshot_every: A snapshot is kept after so many events of a case.
        grace_seconds: How long leaving the block waits for running attempts.
        unverified: Start cases of specifications that are not sound too.
        lease_seconds: So long after the last sign of life of this engine its cases are left alone
            by engines on other hosts.
        telemetry: Whether OpenTelemetry is told what cases do: True: through the program's
            providers; a URL: by OTLP to there; False: not; None: as the variables OTEL_… say.

    Raises:
        UsageError: The URL names no kind of store; a folder of modules is none; telemetry is
            asked for and not installed.
        DefinitionError: A pattern or connector does not fit.
    """
    return Session(
        store,
        functions=functions,
        patterns=patterns,
        connectors=connectors,
        modules=modules,
        module_folders=module_folders,
        agent=agent,
        seed=seed,
        limits=limits,
        concurrency=concurrency,
        snapshot_every=snapshot_every,
        grace_seconds=grace_seconds,
        unverified=unverified,
        lease_seconds=lease_seconds,
        telemetry=telemetry,
    )


def _installed(patterns: Iterable[Callable[..., Fragment]] = ()) -> Registry:
    """The patterns that there are, with some of one's own."""
    from weft.patterns.installed import installed  # only when a specification is compiled

    registry = installed()
    for executor in patterns:
        registry.register(executor)
    return registry


class Session(AbstractAsyncContextManager["Engine"]):
    """What `open` gives: an engine as soon as it is entered; entered once."""

    def __init__(
        self,
        store: str | Journal,
        *,
        functions: Mapping[str, Callable[..., Any]] | None,
        patterns: Iterable[Callable[..., Fragment]],
        connectors: Mapping[str, Connector] | None,
        modules: Mapping[str, ModuleSource] | None = None,
        module_folders: Iterable[str | Path] = (),
        agent: Sequence[str] | None = None,
        telemetry: Telemetry | str | bool | None = None,
        **options: Any,
    ) -> None:
        of_ones_own = tuple(patterns)
        registry = _installed(of_ones_own) if of_ones_own else _installed
        # With a seed the order of attempts is drawn, so nothing may run beside the drawn one.
        seeded = options.get("seed") is not None
        kinds = dict(
            builtin_connectors(
                functions=functions or {},
                modules=modules,
                folders=module_folders,
                agent=agent,
                only_inline=seeded,
            )
        )
        for kind, connector in (connectors or {}).items():
            if kind in kinds:
                raise UsageError(
                    f"connector {kind!r} comes with Weft; give yours another name", code="connector"
                )
            kinds[kind] = connector
        self._store = store
        self._options = {**options, "registry": registry, "connectors": kinds}
        self._engine: Engine | None = None
        self._telemetry_wanted = telemetry
        self._telemetry: Telemetry | None = None
        self._attached: Attachment | None = None
        self._stack: ExitStack | None = None

    def _make(self) -> Engine:
        if self._engine is not None:
            raise UsageError("this session was entered before; open another one", code="closed")
        # Before the store is opened: it may be refused.
        self._telemetry = telemetry_for(self._telemetry_wanted)
        journal = open_journal(self._store) if isinstance(self._store, str) else self._store
        self._engine = Engine(journal, **self._options)
        emitting = self._options["connectors"].get("emit")
        if isinstance(emitting, EmitConnector):
            emitting.connect(partial(_sent, self._engine))
        if self._telemetry is not None:
            self._attached = self._telemetry.attach(self._engine)
        return self._engine

    async def _end_telemetry(self) -> None:
        """Tell no more; what goes out through a pipeline of this session's own is exported."""
        if self._attached is not None:
            self._attached.detach()
        if self._telemetry is not None and self._telemetry is not self._telemetry_wanted:
            with anyio.CancelScope(shield=True):  # it has a deadline of its own
                await anyio.to_thread.run_sync(self._telemetry.close)

    async def __aenter__(self) -> Engine:
        return await self._make().__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._engine is not None:
            try:
                await self._engine.__aexit__(kind, error, trace)
            finally:
                await self._end_telemetry()

    def __enter__(self) -> SyncEngine:
        with ExitStack() as stack:
            portal: BlockingPortal | Stepping
            if self._options.get("seed") is None:
                from anyio.from_thread import start_blocking_portal

                portal = stack.enter_context(
                    start_blocking_portal("asyncio", {"use_uvloop": uvloop_available()})
                )
            else:
                from weft.stepping import Stepping

                portal = Stepping()
            # Made on the loop's thread: a SQLite connection and anyio's events belong to one.
            engine = stack.enter_context(portal.wrap_async_context_manager(self))
            self._stack = stack.pop_all()
        return SyncEngine(engine, portal)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        stack, self._stack = self._stack, None
        return None if stack is None else stack.__exit__(kind, error, trace)


async def _sent(engine: Engine, work: Work, event: BusEvent, to: Receivers) -> dict[str, JsonValue]:
    """Put the event of a task on the engine's bus."""
    from weft.bus import send

    return await send(engine, event, work, to=to)


def uvloop_available() -> bool:
    """Whether the faster event loop is installed (it is not on Windows)."""
    from importlib.util import find_spec

    return find_spec("uvloop") is not None


class SyncEngine:
    """An `Engine` for plain synchronous code; every call waits for its answer."""

    def __init__(self, engine: Engine, portal: BlockingPortal | Stepping) -> None:
        self._engine = engine
        self._portal = portal
        self._bus: Bus | None = None

    def _call(self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        async def called() -> T:
            return await function(*args, **kwargs)

        return self._in_loop(called)

    def _read(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        async def called() -> T:
            return function(*args, **kwargs)

        return self._in_loop(called)

    def _in_loop(self, called: Callable[[], Awaitable[T]]) -> T:
        try:
            return self._portal.call(called)
        except RuntimeError as error:
            if "portal is not running" not in str(error):  # raised by what was called
                raise
            raise UsageError(
                "the engine is closed: use it, and its cases, inside the `with` block",
                code="closed",
            ) from None

    def add(self, specification: Specification) -> CompiledSpecification:
        """Compile a specification, check its connectors, and keep it in the store."""
        return self._read(self._engine.add, specification)

    def start(
        self,
        specification: Specification | CompiledSpecification,
        data: Mapping[str, JsonValue] | None = None,
        *,
        case: str | None = None,
        token: CancelToken | None = None,
        unverified: bool = False,
    ) -> SyncCase:
        """Start a case; see `Engine.start`."""
        return self._case(
            self._call(
                self._engine.start,
                specification,
                data,
                case=case,
                token=token,
                unverified=unverified,
            )
        )

    def run(
        self,
        specification: Specification | CompiledSpecification,
        data: Mapping[str, JsonValue] | None = None,
        *,
        case: str | None = None,
        unverified: bool = False,
    ) -> SyncCase:
        """Start a case and wait until it ends, stops or is idle."""
        started = self.start(specification, data, case=case, unverified=unverified)
        started.wait()
        return started

    def open(self, case: str, *, perform: bool = True) -> SyncCase:
        """Load a case and take it over, without making it go on; see `Engine.open`."""
        return self._case(self._call(self._engine.open, case, perform=perform))

    def resume(self, case: str) -> SyncCase:
        """Load a case and make it go on; see `Engine.resume`."""
        return self._case(self._call(self._engine.resume, case))

    def recover(self) -> Sequence[SyncCase]:
        """Resume all running cases that were not idle when their engine went away."""
        return [self._case(case) for case in self._call(self._engine.recover)]

    def emit(
        self,
        name: str,
        data: JsonValue = None,
        *,
        key: str | None = None,
        id: str | None = None,
        traceparent: str | None = None,
    ) -> Emitted:
        """Put an event on the bus: to the cases that wait for it, and those that it starts.

        See `Bus.emit`; the cases are opened with `open`.
        """
        if self._bus is None:
            from weft.bus import Bus

            self._bus = Bus(self._engine)
        return self._call(self._bus.emit, name, data, key=key, id=id, traceparent=traceparent)

    def work(self, seconds: float | None = None) -> None:
        """Work so long, or until the engine is closed; see `weft.work`."""
        from weft.bus import work

        async def worked() -> None:
            with anyio.move_on_after(seconds):
                await work(self._engine, self._bus)

        self._call(worked)

    def cases(
        self, *, status: str | None = None, limit: int | None = None
    ) -> Sequence[CaseSummary]:
        """The cases in the store, newest first."""
        return self._read(self._engine.journal.cases, status=status, limit=limit)

    def work_list(self, *, role: str | None = None) -> Sequence[OpenItem]:
        """The open items that somebody may act on, oldest first."""
        return self._read(self._engine.journal.worklist, role=role)

    def receipt(self, case: str, disclose: Sequence[int] = ()) -> Receipt:
        """What the journal of a case says now, to keep elsewhere; see `Receipt.of`."""
        from weft.receipts import Receipt

        return self._read(Receipt.of, self._engine.journal, case, disclose)

    def fault_in(self, receipt: Receipt) -> str | None:
        """What the journal says now that differs from a receipt that was kept; None: nothing."""
        return self._read(receipt.fault_in, self._engine.journal)

    def _case(self, case: Case) -> SyncCase:
        return SyncCase(self, case)


class SyncCase:
    """The handle of a case for plain synchronous code; see `Case`."""

    def __init__(self, engine: SyncEngine, case: Case) -> None:
        self._engine = engine
        self._case = case

    def __repr__(self) -> str:
        return repr(self._case)

    @property
    def state(self) -> CaseState:
        """The state, an immutable value."""
        return self._case.state

    @property
    def id(self) -> CaseId:
        """The id, unique in the store."""
        return self._case.id

    @property
    def status(self) -> CaseStatus:
        """Where the case stands."""
        return self._case.status

    @property
    def idle(self) -> bool:
        """Whether it is running and has nothing to do until the outside acts."""
        return self._case.idle

    @property
    def data(self) -> dict[str, JsonValue]:
        """A copy of the case's variables."""
        return self._case.data

    @property
    def error(self) -> dict[str, Any] | None:
        """What a failed case stands on."""
        return self._case.error

    @property
    def events(self) -> int:
        """How many events its journal holds."""
        return self._case.events

    @property
    def work_items(self) -> Sequence[WorkItem]:
        """The open work items."""
        return self._case.work_items

    def work_list(self) -> Sequence[OpenItem]:
        """The items that somebody outside may act on."""
        return self._engine._read(self._case.work_list)

    def marking(self) -> dict[int, dict[str, int]]:
        """Where the tokens are: scope to place to count."""
        return self._case.marking()

    def waiting(self) -> Sequence[WaitingJoin]:
        """Why each join waits that does: which token can still reach it, and by which path."""
        return self._engine._read(self._case.waiting)

    def trigger(
        self,
        trigger: str,
        data: JsonValue = None,
        *,
        key: str | None = None,
        by: str | None = None,
        id: str | None = None,
    ) -> Delivery:
        """See `Case.trigger`."""
        return self._engine._call(self._case.trigger, trigger, data, key=key, by=by, id=id)

    def wait(self, *, timers: bool = False) -> CaseStatus:
        """Wait until the case ends, stops or is idle; see `Case.wait`."""
        return self._engine._call(self._case.wait, timers=timers)

    def begin(self, item: str, *, by: str | None = None, id: str | None = None) -> None:
        """Start an offered item."""
        self._engine._call(self._case.begin, item, by=by, id=id)

    def complete(
        self, item: str, result: JsonValue = None, *, by: str | None = None, id: str | None = None
    ) -> None:
        """Complete an item with its result; an offered one is started first."""
        self._engine._call(self._case.complete, item, result, by=by, id=id)

    def whole(self, value: JsonValue) -> Any:
        """A value of the case's data with what was put aside for its size in its place."""
        return self._engine._read(self._case.whole, value)

    def fail(self, item: str, reason: str, *, by: str | None = None, id: str | None = None) -> None:
        """Fail a started item for a reason."""
        self._engine._call(self._case.fail, item, reason, by=by, id=id)

    def retry(self, item: str, *, by: str | None = None, id: str | None = None) -> None:
        """Attempt a held item again, now."""
        self._engine._call(self._case.retry, item, by=by, id=id)

    def give_up(self, item: str, *, by: str | None = None, id: str | None = None) -> None:
        """Take the error branch of a held item."""
        self._engine._call(self._case.give_up, item, by=by, id=id)

    def add(
        self,
        task: str,
        data: JsonValue = None,
        *,
        scope: int | None = None,
        by: str | None = None,
        id: str | None = None,
    ) -> None:
        """Add an instance, with these data for its item, to a task that is open for more."""
        self._engine._call(self._case.add, task, data, scope=scope, by=by, id=id)

    def seal(
        self,
        task: str,
        *,
        scope: int | None = None,
        by: str | None = None,
        id: str | None = None,
    ) -> None:
        """Say that no more instances will be added to a task."""
        self._engine._call(self._case.seal, task, scope=scope, by=by, id=id)

    def claim(self, item: str, by: str, *, id: str | None = None) -> None:
        """Take an offered item for somebody."""
        self._engine._call(self._case.claim, item, by, id=id)

    def release(self, item: str, *, by: str | None = None, id: str | None = None) -> None:
        """Give a claimed item back."""
        self._engine._call(self._case.release, item, by=by, id=id)

    def delegate(self, item: str, to: str, *, by: str | None = None, id: str | None = None) -> None:
        """Hand an item to somebody else."""
        self._engine._call(self._case.delegate, item, to, by=by, id=id)

    def suspend(self, reason: str = "") -> None:
        """Start no new work until the case is resumed."""
        self._engine._call(self._case.suspend, reason)

    def cancel(self, reason: str = "", *, by: str | None = None) -> None:
        """Withdraw everything; the case is recorded as cancelled."""
        self._engine._call(self._case.cancel, reason, by=by)

    def resume(self) -> None:
        """Go on: after a crash, a failure, a deadlock or a pause."""
        self._engine._call(self._case.resume)


def run(
    specification: Specification | str | Path,
    data: Mapping[str, JsonValue] | None = None,
    **options: Any,
) -> SyncCase:
    """Run one case to its end (or until it is idle) and give its handle, for reading only.

    Args:
        specification: A specification, or the path of one.
        data: The case's variables.
        options: As for `open`; by default in memory.
    """
    loaded = load(specification) if isinstance(specification, str | Path) else specification
    with open(**options) as engine:
        return engine.run(loaded, data)

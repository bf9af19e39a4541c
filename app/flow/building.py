"""A process: a specification that knows the types of what it takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Never, TypeVar, overload

import attrs

from weft.engine.compile import compile_specification
from weft.engine.fragment import Fragment
from weft.engine.ports import CaseId, Connector
from weft.engine.runtime.engine import Engine
from weft.flow.expressions import At, Variable, as_json, here
from weft.flow.lowering import Lowered, Lowering
from weft.flow.steps import NoValue, Step
from weft.schema.errors import DefinitionError, DefinitionErrors, UsageError, raise_faults
from weft.schema.jsonvalue import JsonValue, NotJson
from weft.schema.specification import EventTrigger, Location, Source, Specification

if TYPE_CHECKING:
    from weft.engine.case import CaseState
    from weft.handles import AsyncRunningCase, AsyncSettledCase, RunningCase, SettledCase
    from weft.session import SyncEngine

__all__ = ["Process", "ProcessBuilder", "Unfinished", "process"]

ROOT = "net"

_SHAPELESS = {"loop", "start", "unknown-target", "unreachable"}
"""Faults after which the compiler would find others that are none."""

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
In_contra = TypeVar("In_contra", contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)


@attrs.frozen(eq=False)
class PythonSource(Source):
    """Where a process was written: the parts of a definition by file and line."""

    places: Mapping[Location, At] = attrs.field(factory=dict, repr=False)

    def fault(
        self, location: Location, message: str, *, code: str | None = None
    ) -> DefinitionError:
        """A `DefinitionError` at the line of Python that made the part, or what is around it."""
        known = location
        while known and known not in self.places:
            known = known[:-1]
        at = self.places.get(known)
        if at is None:
            return Source("python", file=self.file).fault(location, message, code=code)
        label = _label(location)
        text = f"{label}: {message}" if label else message
        return DefinitionError(text, code=code, file=at.file, line=at.line)


def _label(location: Location) -> str:
    parts = list(location)
    if parts[:2] == ["net", "tasks"] and len(parts) > 2:  # a task's location
        rest = "".join(f".{part}" for part in parts[3:])
        return f"task {parts[2]!r}{', ' + rest[1:] if rest else ''}"
    return ".".join(map(str, parts[1:] if parts[:1] == ["net"] else parts))


@attrs.frozen(eq=False, repr=False)
class Process(Specification, Generic[In_contra, Out_co]):
    """A process with typed input and output; a `Specification`, to be used wherever one is.

    Args:
        takes: The variables that it is given.
        gives: The type of what it gives.
        value: Where that lies at the end: a variable, or a list of them.
    """

    takes: tuple[Variable[Any], ...] = ()
    gives: Any = None
    value: Any = None

    def __repr__(self) -> str:
        return f"<Process {self.name} {self.version}>"

    def data(self, value: In_contra) -> dict[str, JsonValue]:
        """The data of a case that takes a value: what ``engine.start`` wants.

        Raises:
            UsageError: The value cannot be made into JSON.
        """
        names = [variable.name for variable in self.takes]
        several: Any = () if value is None or isinstance(value, NoValue) else value
        values: list[Any] = [value] if len(names) == 1 else list(several)
        if len(values) != len(names):
            raise UsageError(
                f"{self.name} takes {', '.join(names) or 'nothing'}; "
                f"{len(values)} values were given",
                code="data",
            )
        try:
            return {name: as_json(item) for name, item in zip(names, values, strict=True)}
        except NotJson as error:
            raise UsageError(str(error), code="data") from error

    def output(self, data: Mapping[str, JsonValue]) -> Out_co:
        """What the process has given, from the data of a completed case.

        None if it was ended (`end`) before it gave anything.

        Raises:
            UsageError: The data are not those of this process.
        """
        from weft.connectors import structured
        from weft.connectors.typed import Mismatch, converter

        if self.value is None:
            return None  # type: ignore[return-value]  # the process gives `NoValue`
        plain = _read(self.value, data)
        if plain is None:
            return None  # type: ignore[return-value]  # `end` is on no path that mypy follows
        try:
            convert = converter(self.gives) or structured.structurer(self.gives)
            return convert(plain)  # type: ignore[no-any-return]
        except (Mismatch, structured.Unsupported) as error:
            raise UsageError(
                f"the data are not what {self.name} gives ({self.gives}): {error}", code="data"
            ) from error

    # ── cases ────────────────────────────────────────────────────────────────────────────────

    @overload
    def start(
        self: Process[NoValue, B], engine: SyncEngine, /, *, case: str | None = None
    ) -> RunningCase[B]: ...
    @overload
    def start(
        self: Process[NoValue, B], engine: Engine, /, *, case: str | None = None
    ) -> Coroutine[Any, Any, AsyncRunningCase[B]]: ...
    @overload
    def start(
        self, engine: SyncEngine, value: In_contra, /, *, case: str | None = None
    ) -> RunningCase[Out_co]: ...
    @overload
    def start(
        self, engine: Engine, value: In_contra, /, *, case: str | None = None
    ) -> Coroutine[Any, Any, AsyncRunningCase[Out_co]]: ...
    def start(self, engine: Any, value: Any = None, /, *, case: str | None = None) -> Any:
        """Start a case; awaited if the engine is asynchronous. See `Engine.start`."""
        from weft.handles import AsyncRunningCase, RunningCase

        data = self.data(value)
        if not isinstance(engine, Engine):
            return RunningCase(self, engine.start(self, data, case=case))

        async def started() -> AsyncRunningCase[Out_co]:
            return AsyncRunningCase(self, await engine.start(self, data, case=case))

        return started()

    @overload
    def run(
        self: Process[NoValue, B], engine: SyncEngine, /, *, case: str | None = None
    ) -> SettledCase[B]: ...
    @overload
    def run(
        self: Process[NoValue, B], engine: Engine, /, *, case: str | None = None
    ) -> Coroutine[Any, Any, AsyncSettledCase[B]]: ...
    @overload
    def run(
        self, engine: SyncEngine, value: In_contra, /, *, case: str | None = None
    ) -> SettledCase[Out_co]: ...
    @overload
    def run(
        self, engine: Engine, value: In_contra, /, *, case: str | None = None
    ) -> Coroutine[Any, Any, AsyncSettledCase[Out_co]]: ...
    def run(self, engine: Any, value: Any = None, /, *, case: str | None = None) -> Any:
        """Start a case and wait until it ends, stops or is idle."""
        if not isinstance(engine, Engine):
            return self.start(engine, value, case=case).settle()
        starting = self.start(engine, value, case=case)

        async def ran() -> AsyncSettledCase[Out_co]:
            return await (await starting).settle()

        return ran()

    @overload
    def open(self, engine: SyncEngine, case: CaseId, /) -> SettledCase[Out_co]: ...
    @overload
    def open(
        self, engine: Engine, case: CaseId, /
    ) -> Coroutine[Any, Any, AsyncSettledCase[Out_co]]: ...
    def open(self, engine: Any, case: CaseId, /) -> Any:
        """A case of this process as it stands, without making it go on; see `Engine.open`.

        Raises:
            UsageError: It is a case of another process.
        """
        from weft.handles import async_settled, settled

        if not isinstance(engine, Engine):
            return settled(self, self._own(engine.open(case)))

        async def opened() -> AsyncSettledCase[Out_co]:
            return async_settled(self, self._own(await engine.open(case)))

        return opened()

    def _own(self, case: C) -> C:
        """A case, which has to be one of this process."""
        state: CaseState = case.state  # type: ignore[attr-defined]  # both kinds of handles
        if state.compiled.name != self.name:
            raise UsageError(
                f"case {state.id!r} is one of {state.compiled.name!r}, not of {self.name!r}",
                code="other-process",
            )
        return case


def _read(value: Any, data: Mapping[str, JsonValue]) -> JsonValue:
    if isinstance(value, list):
        return [_read(part, data) for part in value]
    return None if value is None else data.get(value)


@attrs.frozen(eq=False)
class Head:
    """What a process is called, and what it takes."""

    name: str
    version: str
    description: str
    takes: tuple[Variable[Any], ...]
    keeps: tuple[Variable[Any], ...]
    at: At
    triggers: tuple[EventTrigger, ...] = ()

    def starts_on(self, event: str, when: str | None, data: Mapping[str, JsonValue] | None) -> Head:
        """A head with another trigger."""
        trigger = EventTrigger(event, None if data is None else dict(data), when)
        return attrs.evolve(self, triggers=(*self.triggers, trigger))

    def lowering(self) -> Lowering:
        """A net to be made, with its variables declared."""
        lowering = Lowering(ROOT)
        for variable in self.takes:
            lowering.variable(variable, self.at, required=True)
        for variable in self.keeps:
            lowering.variable(variable, self.at)
        return lowering


@overload
def process(
    name: str,
    *,
    version: str = "1",
    description: str = "",
    keeps: Iterable[Variable[Any]] = (),
) -> Unfinished[NoValue]: ...
@overload
def process(
    name: str,
    takes: Variable[A],
    /,
    *,
    version: str = "1",
    description: str = "",
    keeps: Iterable[Variable[Any]] = (),
) -> Unfinished[A]: ...
@overload
def process(
    name: str,
    first: Variable[A],
    second: Variable[B],
    /,
    *,
    version: str = "1",
    description: str = "",
    keeps: Iterable[Variable[Any]] = (),
) -> Unfinished[tuple[A, B]]: ...
@overload
def process(
    name: str,
    first: Variable[A],
    second: Variable[B],
    third: Variable[C],
    /,
    *,
    version: str = "1",
    description: str = "",
    keeps: Iterable[Variable[Any]] = (),
) -> Unfinished[tuple[A, B, C]]: ...
def process(
    name: str,
    *takes: Variable[Any],
    version: str = "1",
    description: str = "",
    keeps: Iterable[Variable[Any]] = (),
) -> Unfinished[Any]:
    """Begin a process.

    Args:
        name: What it is called.
        takes: The variables that it is given; what its first step works on.
        version: Its version.
        description: What it is for.
        keeps: Further variables, beside those that its steps read or write by themselves.
    """
    return Unfinished(Head(name, version, description, takes, tuple(keeps), here()))


class Unfinished(Generic[A]):
    """A process without any step, which cannot be built yet; ``A`` is what it takes."""

    def __init__(self, head: Head) -> None:
        self._head = head

    def then(self, step: Step[A, B]) -> ProcessBuilder[A, B]:
        """The first step."""
        return ProcessBuilder(self._head, step, here())

    def starts_on(
        self, event: str, *, when: str | None = None, data: Mapping[str, JsonValue] | None = None
    ) -> Unfinished[A]:
        """Have an event start cases of the process.

        Args:
            event: The name of the event.
            when: An expression over ``event``, without which every such event counts.
            data: Variable to expression over ``event`` (a text) or literal (anything else); None:
                the data of the event are the variables.
        """
        return Unfinished(self._head.starts_on(event, when, data))

    if not TYPE_CHECKING:  # for those who do not ask mypy

        def build(self, **_: Any) -> Never:
            """Not yet.

            Raises:
                DefinitionError: Always.
            """
            at = here()
            raise DefinitionError(
                f"process {self._head.name!r} has no steps yet, so there is nothing to build: "
                "say .then(…) first",
                code="unfinished",
                file=at.file,
                line=at.line,
            )


class ProcessBuilder(Generic[A, B]):
    """A process that can be built, or go on; it takes an ``A`` and so far gives a ``B``."""

    def __init__(self, head: Head, step: Step[A, B], at: At) -> None:
        self._head = head
        self._step = step
        self._at = at

    def then(self, step: Step[B, C]) -> ProcessBuilder[A, C]:
        """And then another step, which takes what the last one gives."""
        return ProcessBuilder(self._head, self._step.then(step), self._at)

    def build(
        self,
        *,
        patterns: Iterable[Callable[..., Fragment]] = (),
        connectors: Mapping[str, Connector] | None = None,
    ) -> Process[A, B]:
        """The process, checked as a whole.

        Args:
            patterns: Patterns of one's own, as for `weft.open`.
            connectors: Connectors of one's own, as for `weft.open`.

        Raises:
            DefinitionErrors: Everything that is wrong with it, each with file and line.
        """
        head = self._head
        lowering = head.lowering()
        lowered = lowering.whole(self._step, head.takes, self._at)
        return built(head, lowering, lowered, patterns, connectors or {})


def built(
    head: Head,
    lowering: Lowering,
    lowered: Lowered,
    patterns: Iterable[Callable[..., Fragment]],
    connectors: Mapping[str, Connector],
) -> Process[Any, Any]:
    """The process that a net has become.

    Raises:
        DefinitionErrors: Everything that is wrong with it, each with file and line.
    """
    source = PythonSource(
        "python",
        file=head.at.file,
        origin=None if lowered.folder is None else Path(lowered.folder),
        places={(): head.at, ("net",): head.at, **lowered.places},
    )
    made: Process[Any, Any] = Process(
        name=head.name,
        version=head.version,
        description=head.description,
        nets={ROOT: lowered.net, **lowered.nets},
        triggers=head.triggers,
        source=source,
        takes=head.takes,
        gives=lowered.gives,
        value=lowered.value,
    )
    title, faults = f"process {head.name!r} cannot be built", list(lowering.faults)
    if not any(fault.code in _SHAPELESS for fault in faults):
        try:
            checked(made, patterns, connectors)
        except DefinitionErrors as group:
            faults += group.faults
    raise_faults(title, sorted(faults, key=lambda fault: (fault.file or "", fault.line or 0)))
    return attrs.evolve(made, source=attrs.evolve(source, text=_text(made, head.at)))


def checked(
    specification: Specification,
    patterns: Iterable[Callable[..., Fragment]],
    connectors: Mapping[str, Connector],
) -> None:
    """Compile a specification to see whether it is one.

    Raises:
        DefinitionErrors: Everything that is wrong with it.
    """
    from weft.connectors import builtin as builtin_connectors
    from weft.patterns.installed import installed

    registry = installed()
    for executor in patterns:
        registry.register(executor)
    compile_specification(
        specification, registry=registry, connectors={**builtin_connectors(), **connectors}
    )


def _text(specification: Specification, at: At) -> bytes:
    """The process as YAML, for people who look it up in a store.

    Raises:
        DefinitionErrors: YAML cannot say it: a name that is none.
    """
    from weft.schema.native_writer import write_native

    try:
        return write_native(specification).encode()
    except DefinitionErrors as group:
        faults = [
            DefinitionError(fault.message, code=fault.code, file=at.file, line=at.line)
            for fault in group.faults
        ]
        raise DefinitionErrors(f"process {specification.name!r} cannot be built", faults) from None

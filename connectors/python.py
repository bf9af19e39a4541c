"""The connector ``python``: a Python function performs the work.

``python: "module:function"`` names it; `weft.connectors.lookup` says where it is found and
`weft.connectors.calling` how it is called. Where it runs:

- an ``async def`` is awaited on the event loop;
- a plain function runs in a thread, since nobody can see from outside whether it blocks, and one
  that blocks the event loop would hold up every case and every timeout;
- ``inline``, on the event loop itself, for quick functions: some fifty times cheaper;
- in a ``process`` of its own, for functions that compute or that may have to be killed.

The specification decides (``run-in``), else the function's own mark (`task`), else the above.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Collection, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar, overload

import attrs

from weft.connectors.calling import NotCallable, Plan, plan_call
from weft.connectors.lookup import Unfound, find_function, is_main
from weft.connectors.options import (
    OptionFault,
    as_mapping,
    did_you_mean,
    one_of,
    option,
    options_schema,
    raise_option_faults,
    read_options,
    text,
)
from weft.connectors.threads import Threads
from weft.connectors.workers import Call, Workers
from weft.engine.ports import Performer, Work, Worker
from weft.schema.datatypes import DataType
from weft.schema.jsonvalue import JsonValue

__all__ = ["PythonConnector", "PythonOptions", "RunIn", "TaskMark", "task"]

F = TypeVar("F", bound=Callable[..., Any])


class RunIn(Enum):
    """Where a plain function runs."""

    INLINE = "inline"
    """On the event loop's thread; it must be quick, and cannot be timed out."""
    THREAD = "thread"
    """In a thread; when it is timed out, it is abandoned: its thread stays busy until it ends."""
    PROCESS = "process"
    """In a process; when it is timed out or cancelled, the process is killed."""


# ── the mark on a function ───────────────────────────────────────────────────────────────────


@attrs.frozen
class TaskMark:
    """What a task function says about itself, as its attribute ``__weft_task__``."""

    run_in: RunIn | None = None


@overload
def task(function: F, /) -> F: ...
@overload
def task(*, run_in: RunIn | str | None = None) -> Callable[[F], F]: ...
def task(
    function: F | None = None, /, *, run_in: RunIn | str | None = None
) -> F | Callable[[F], F]:
    """Mark a function as the performer of a task, and say where it runs.

    The function itself is not changed, and needs no mark to be used.

    Raises:
        ValueError: ``run_in`` is none of inline, thread and process.
    """
    mark = TaskMark(run_in=None if run_in is None else RunIn(run_in))

    def put(function: F) -> F:
        function.__weft_task__ = mark  # type: ignore[attr-defined]
        return function

    return put if function is None else put(function)


# ── the configuration ────────────────────────────────────────────────────────────────────────


@attrs.frozen(kw_only=True)
class PythonOptions:
    """The configuration of a task that a Python function performs."""

    call: str = attrs.field(
        metadata=option(
            text(what='a function as a text, "module:function"'),
            "The function: module:function, beside the specification or installed.",
        )
    )
    run_in: RunIn | None = attrs.field(
        default=None,
        metadata=option(
            one_of({member.value: member for member in RunIn}),
            "Where it runs; if absent, the function's own mark decides, else a thread.",
        ),
    )


def read_python_options(config: JsonValue, *, what: str) -> PythonOptions:
    """The configuration, from its short form (a text) or its long one (a mapping).

    Raises:
        DefinitionErrors: With every fault.
    """
    if isinstance(config, str):
        config = {"call": config}
    wanted = "must name a function, as in module:function"
    config = as_mapping(config, wanted=wanted, what=what)
    return read_options(PythonOptions, config, what=what)


# ── the connector ────────────────────────────────────────────────────────────────────────────


class PythonConnector:
    """Python functions, on the event loop, in threads or in processes.

    Args:
        functions: Functions of the embedding program by the name that specifications call them
            by; they come before any that could be imported. Kept by reference: the program may
            add to it until the specification is loaded.
        threads: How many functions may run in threads at once; further ones wait. A function
            that was timed out counts until it really ends.
        processes: How many worker processes there may be; as many as processors if None.
        only_inline: Run every plain function inline, whatever else was said: one thread, and an
            order of events that depends on nothing but the case.
    """

    kind = "python"
    automatic = True

    def __init__(
        self,
        functions: Mapping[str, Callable[..., Any]] | None = None,
        *,
        threads: int = 40,
        processes: int | None = None,
        only_inline: bool = False,
    ) -> None:
        self._functions = functions if functions is not None else {}
        self._threads = Threads(threads)
        self._workers = Workers(processes or os.cpu_count() or 1)
        self._only_inline = only_inline

    def bind(
        self,
        task: str,
        config: JsonValue,
        *,
        origin: Path | None,
        inputs: Collection[str] | None = None,
    ) -> Performer:
        """Find the function, check it, and check that it takes ``inputs`` when they are known.

        Raises:
            DefinitionErrors: The configuration is wrong, there is no such function, it cannot
                be called with these inputs, or not where it should run.
        """
        what = f"task {task!r}, python"
        options = read_python_options(config, what=what)
        path = ("call",) if isinstance(config, dict) else ()
        try:
            function, plan = self._plan(options.call, origin)
            faults = plan.input_faults(inputs) if inputs is not None else []
        except Unfound as error:
            faults = [f"{error}{self._near(options.call)}"]
        except NotCallable as error:
            faults = list(error.faults)
        raise_option_faults([OptionFault(f, what=what, path=path) for f in faults], what=what)

        if plan.is_async:
            if options.run_in is not None:
                fault = OptionFault(
                    f"{options.call} is async and runs on the event loop; only a plain function "
                    f"runs in {options.run_in.value}",
                    what=what,
                    path=("run-in",),
                )
                raise_option_faults([fault], what=what)
            return Performer(Worker.ASYNC, plan.call)
        match self._run_in(options, function):
            case RunIn.INLINE:
                return Performer(Worker.INLINE, plan.call, direct=plan.direct)
            case RunIn.THREAD:
                return Performer(Worker.ASYNC, functools.partial(self._threads.run, plan.call))
            case RunIn.PROCESS:
                try:
                    address = self._address(options.call, function, origin)
                except Unfound as error:
                    raise_option_faults([OptionFault(str(error), what=what, path=path)], what=what)
                return Performer(Worker.ASYNC, functools.partial(self._in_process, *address))

    def inputs(self, config: JsonValue, *, origin: Path | None) -> Mapping[str, bool] | None:
        """The inputs that a task's function takes: name to whether it is required.

        None when it takes any (``**kwargs``).

        Raises:
            DefinitionErrors: As for `bind`.
        """
        options = read_python_options(config, what="python")
        try:
            _, plan = self._plan(options.call, origin)
        except (Unfound, NotCallable) as error:
            raise_option_faults([OptionFault(str(error), what="python")], what="python")
        return None if plan.rest else {p.name: p.required for p in plan.parameters.values()}

    def _plan(self, name: str, origin: Path | None) -> tuple[Any, Plan]:
        function = self._functions.get(name)
        if function is None:
            function = find_function(name, origin)
        return function, plan_call(function, name)

    def _near(self, name: str) -> str:
        near = did_you_mean(name, self._functions)
        return f"; of the functions that the program has given{near}" if near else ""

    def _run_in(self, options: PythonOptions, function: Any) -> RunIn:
        if self._only_inline:
            return RunIn.INLINE
        mark = getattr(function, "__weft_task__", None)
        marked = mark.run_in if isinstance(mark, TaskMark) else None
        return options.run_in or marked or RunIn.THREAD

    def _address(self, name: str, function: Any, origin: Path | None) -> tuple[str, str | None]:
        """Where a worker process finds the function: its name there, and the folder.

        Raises:
            Unfound: It cannot, since it is not where a module could be imported from.
        """
        folder = None if origin is None else str(origin.absolute())
        if name in self._functions:
            module, path = (
                getattr(function, "__module__", ""),
                getattr(function, "__qualname__", ""),
            )
            address = f"{module}:{path}"
            try:
                if find_function(address, None) is not function:
                    raise Unfound
            except Unfound:
                raise Unfound(
                    f"{name} cannot run in a process: a worker process would look for it as "
                    f"{address!r} and not find it; define it at the top of a module"
                ) from None
            name, folder = address, None
        if is_main(function):
            raise Unfound(
                f"{name} cannot run in a process: it is defined in the program's main script, "
                "which would start again in every worker process; move it to a module"
            )
        return name, folder

    async def _in_process(self, name: str, origin: str | None, work: Work) -> JsonValue:
        return await self._workers.run(name, Call(name, origin, _sent(work)))

    def result_type(self, config: JsonValue) -> DataType:
        """Anything: what a function returns is known only where it is found."""
        del config
        return DataType()

    def json_schema(self) -> dict[str, JsonValue]:
        """The JSON Schema of what may stand at ``python:``."""
        short: JsonValue = {"type": "string", "description": "module:function"}
        return {"anyOf": [short, options_schema(PythonOptions)]}

    async def aclose(self) -> None:
        """End the worker processes and the idle threads."""
        self._threads.close()
        await self._workers.aclose()


def _sent(work: Work) -> dict[str, Any]:
    """What goes to a worker process: all but the token, which lives in this one."""
    return attrs.asdict(work, recurse=False, filter=lambda field, _: field.name != "token")


@functools.cache
def prepared(name: str, origin: str | None) -> Plan:
    """How a worker process calls a function that the engine has checked."""
    return plan_call(find_function(name, None if origin is None else Path(origin)), name)

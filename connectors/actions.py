"""The connector ``action``: an action of a module performs the work.

``{module: git, action: status}``, or ``git.status`` for short, names it. A module is Python: a
file of functions, each marked with `action`::

    @weft.action("count-lines")
    async def count_lines(context: Context, file: str, skip_blank: bool = False) -> Counted: ...

Its parameters are the inputs, checked and converted by their annotations as those of any task
function (`weft.connectors.calling`); what it returns, an attrs class, dataclass, typed dict or
mapping, are the outputs. Python's ``skip_blank`` is ``skipBlank`` outside. A parameter annotated
`Context` gets what the surroundings offer: a logger, an executor of commands, the user's agent.

Modules are found in this order: those given by the program, those in the user's folders, those in
the folder ``modules`` beside the specification, those that come with Weft
(`weft.connectors.modules`). A module that is there twice has the actions of both; the first wins.
"""

from __future__ import annotations

import functools
import inspect
import json
import logging
import os
import re
import shlex
import time
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, NoneType, UnionType
from typing import Any, Final, TypeVar, overload

import anyio
import attrs

from weft.connectors.calling import NotCallable, Plan, plan_call
from weft.connectors.lookup import Unfound, find_module
from weft.connectors.options import (
    OptionFault,
    describe,
    did_you_mean,
    raise_option_faults,
)
from weft.connectors.shell import Argument, Reference, ShellOptions, run_command
from weft.connectors.threads import Threads
from weft.engine.ports import Performer, Work, Worker
from weft.schema.datatypes import DataType, InvalidDeclaration
from weft.schema.errors import DefinitionError, UsageError, WorkFailed
from weft.schema.jsonvalue import JsonValue

__all__ = [
    "AGENT_VARIABLE",
    "ActionConnector",
    "Agent",
    "Completed",
    "Context",
    "Described",
    "Executor",
    "ModuleSource",
    "action",
]

AGENT_VARIABLE: Final = "WEFT_AGENT"
"""The environment variable that holds the command line of the agent."""

F = TypeVar("F", bound=Callable[..., Any])

ModuleSource = ModuleType | Mapping[str, Callable[..., Any]] | object
"""Where a program's own actions are: a module, functions by name, or an object with methods."""

_MARK: Final = "__weft_action__"
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_LOCAL: Final = "modules"
_AGENT_BYTES: Final = 1 << 22


# ── the mark ─────────────────────────────────────────────────────────────────────────────────


@overload
def action(name: str) -> Callable[[F], F]: ...
@overload
def action(name: F) -> F: ...
def action(name: str | F) -> Callable[[F], F] | F:
    """Mark a function as an action of its module, under the name that files use.

    Without a name, as plain ``@action``, it is called as the function, with ``-`` for ``_``. The
    function itself is not changed. What module it belongs to is said where it is registered:
    by the name of its file, or by the program.

    Raises:
        ValueError: The name has spaces or other characters that no file could write.
    """
    if not isinstance(name, str):
        function = name
        return action(function.__name__.replace("_", "-"))(function)
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot name an action: letters, digits, '_', '-' and '.', up to 100"
        )

    def mark(function: F) -> F:
        setattr(function, _MARK, name)
        return function

    return mark


# ── what an action is given ──────────────────────────────────────────────────────────────────


@attrs.frozen
class Completed:
    """A command that has ended; ``truncated`` says that the middle of its output is left out."""

    exit_code: int
    stdout: str
    stderr: str
    truncated: bool = False


@attrs.frozen
class Executor:
    """Runs commands for an action: lists of arguments, no shell, bounded output."""

    work: Work

    async def run(
        self,
        arguments: Sequence[str],
        *,
        cwd: str | Path | None = None,
        stdin: str | None = None,
        environment: Mapping[str, str | None] | None = None,
        expect: Collection[int] | None = (0,),
        capture_bytes: int = 1 << 20,
        timeout_seconds: float | None = None,
    ) -> Completed:
        """Run a command to its end; whatever it has started ends with it.

        Args:
            arguments: The program and its arguments, taken literally.
            cwd: The folder that it works in; that of the engine if None.
            stdin: What it reads; nothing if None.
            environment: Variables to set, or (None) to take away.
            expect: The exit codes that are no failure; None: all.
            capture_bytes: How much of each output stream is kept: its beginning and its end.
            timeout_seconds: When it is ended, and has failed; None: with the step's attempt.

        Raises:
            WorkFailed: It could not be started, ended with another code, or took too long.
        """
        options = ShellOptions(
            run=tuple(arguments),
            dir=None if cwd is None else str(cwd),
            stdin=stdin,
            env=dict(environment or {}),
            expect=None if expect is None else frozenset(expect),
            capture=capture_bytes,
        )
        with anyio.move_on_after(timeout_seconds) as limit:
            result: Any = await run_command(options, self.work)
        if limit.cancelled_caught:
            raise WorkFailed(
                f"the command {options.title()!r} did not end within {timeout_seconds:g} s",
                code="timeout",
            )
        return Completed(**result)


@attrs.frozen
class Agent:
    """The user's agent: a command that reads a prompt and prints an answer.

    An argument that is exactly ``${prompt}`` stands for the prompt; without one the command reads
    it from its standard input.
    """

    executor: Executor
    command: tuple[Argument, ...] | None

    @property
    def configured(self) -> bool:
        """Whether there is one."""
        return self.command is not None

    async def run(
        self,
        prompt: str,
        *,
        cwd: str | Path | None = None,
        timeout_seconds: float | None = None,
    ) -> str:
        """The agent's answer to a prompt.

        Raises:
            WorkFailed: There is no agent, or it failed.
        """
        if self.command is None:
            raise WorkFailed(
                f"no agent is configured: set {AGENT_VARIABLE} to a command that reads a prompt "
                "from its standard input and prints the answer, or give the program's engine one "
                "(agent=[…]); an argument ${prompt} stands for the prompt",
                code="no-agent",
                retryable=False,
            )
        given = [word if isinstance(word, str) else prompt for word in self.command]
        reads = all(isinstance(word, str) for word in self.command)
        done = await self.executor.run(
            given,
            cwd=cwd,
            stdin=prompt if reads else None,
            capture_bytes=_AGENT_BYTES,
            timeout_seconds=timeout_seconds,
        )
        return done.stdout


@attrs.frozen
class Context:
    """What the surroundings offer to an action.

    ``logger`` is that of the module (``weft.actions.<module>``), ``work`` the attempt.
    """

    logger: logging.Logger
    executor: Executor
    agent: Agent
    work: Work


# ── actions as they are bound ────────────────────────────────────────────────────────────────


@attrs.frozen
class _Action:
    """An action that can be called: its plan, and its outputs by name.

    ``outputs`` are Python types; None: it may give any. ``renamed``: fields to outputs.
    """

    name: str
    plan: Plan
    outputs: Mapping[str, Any] | None
    renamed: Mapping[str, str]


def _camel(name: str) -> str:
    """``skip_blank`` as files write it: ``skipBlank``."""
    first, *rest = name.strip("_").split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def _made(function: Callable[..., Any], name: str, logger: str, agent: Any) -> _Action:
    """Work out how an action is called.

    Raises:
        NotCallable: It has parameters or annotations that cannot be served.
    """
    try:
        hints = typing.get_type_hints(inspect.unwrap(function))
    except Exception as error:
        raise NotCallable([f"the annotations of {name} have no meaning: {error}"]) from error
    signature = inspect.signature(function)
    contexts: list[str] = []
    names: dict[str, str] = {}
    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        if hints.get(parameter.name) is Context:
            contexts.append(parameter.name)
            continue
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            parameters.append(parameter)
            continue
        given = _camel(parameter.name)
        names[given] = parameter.name
        parameters.append(parameter.replace(name=given, kind=parameter.KEYWORD_ONLY))
    parameters.sort(key=lambda p: p.kind)
    parameters = [p for p in parameters if p.kind is not p.VAR_POSITIONAL]
    if contexts:
        holder = inspect.Parameter(_WORK, inspect.Parameter.KEYWORD_ONLY, annotation=Work)
        parameters.insert(0, holder)

    def arguments(given: dict[str, Any]) -> dict[str, Any]:
        called = {names.get(key, key): item for key, item in given.items() if key != _WORK}
        if contexts:
            work = given[_WORK]
            executor = Executor(work)
            context = Context(logging.getLogger(logger), executor, Agent(executor, agent()), work)
            called.update(dict.fromkeys(contexts, context))
        return called

    if inspect.iscoroutinefunction(inspect.unwrap(function)):

        @functools.wraps(function)
        async def wrapped(**given: Any) -> Any:
            return await function(**arguments(given))

    else:

        @functools.wraps(function)
        def wrapped(**given: Any) -> Any:
            return function(**arguments(given))

    # What `inspect.signature` reads first; typeshed does not know it.
    wrapped.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    outputs, renamed = _outputs(hints.get("return", Any), name)
    return _Action(name, plan_call(wrapped, name), outputs, renamed)


_WORK: Final = "weft_work"


def _outputs(kind: Any, name: str) -> tuple[Mapping[str, Any] | None, Mapping[str, str]]:
    """The outputs that a result type declares, and the fields that are called otherwise outside.

    Raises:
        NotCallable: It is no object of outputs.
    """
    if kind is None or kind is NoneType:
        return {}, {}
    if typing.is_typeddict(kind):
        return typing.get_type_hints(kind), {}
    if isinstance(kind, type) and (attrs.has(kind) or hasattr(kind, "__dataclass_fields__")):
        hints = typing.get_type_hints(kind)
        fields = getattr(kind, "__dataclass_fields__", None) or attrs.fields_dict(kind)
        renamed = {field: _camel(field) for field in fields}
        return {renamed[field]: hints.get(field, Any) for field in fields}, renamed
    form = typing.get_origin(kind) or kind
    if kind is Any or kind is object or (isinstance(form, type) and issubclass(form, Mapping)):
        return None, {}
    told = (
        f"{name} returns {kind!r}; an action returns its outputs by name: an attrs class, a "
        "dataclass, a typed dict, a mapping, or nothing"
    )
    raise NotCallable([told])


def _json_type(kind: Any) -> str | None:
    """What JSON calls the values of a Python type; None where that cannot be told."""
    members = (
        [m for m in typing.get_args(kind) if m is not NoneType]
        if isinstance(kind, UnionType) or typing.get_origin(kind) is typing.Union
        else [kind]
    )
    if len(members) != 1:
        return None
    form = typing.get_origin(members[0]) or members[0]
    if form is typing.Literal:
        form = type(typing.get_args(members[0])[0])
    if not isinstance(form, type):
        return None
    names = {bool: "boolean", int: "integer", float: "number", str: "string"}
    if form in names:
        return names[form]
    if issubclass(form, Mapping) or attrs.has(form) or hasattr(form, "__dataclass_fields__"):
        return "object"
    return "array" if issubclass(form, Sequence) else None


# ── modules ──────────────────────────────────────────────────────────────────────────────────


def _marked(source: ModuleSource, module: str) -> dict[str, Callable[..., Any]]:
    """The actions of one source of a module, by name.

    Raises:
        DefinitionError: Two functions claim one name.
    """
    if isinstance(source, Mapping):
        return dict(source)
    found: dict[str, Callable[..., Any]] = {}
    for attribute in dir(source):
        function = getattr(source, attribute, None)
        name = getattr(function, _MARK, None)
        if not isinstance(name, str) or not callable(function):
            continue
        if found.setdefault(name, function) is not function:
            raise DefinitionError(
                f"module {module!r}: both {found[name].__qualname__} and "
                f"{function.__qualname__} are marked as the action {name!r}",
                code="action",
            )
    return found


def _files(folder: Path) -> dict[str, str]:
    """The modules in a folder: the names that files use, and those that Python uses."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return {}
    found = {}
    for entry in entries:
        package = (entry / "__init__.py").is_file()
        if (package or entry.suffix == ".py") and not entry.name.startswith(("_", ".")):
            found[entry.stem.replace("_", "-")] = entry.stem
    return found


def _given(source: ModuleSource) -> ModuleSource:
    return source


class _Modules:
    """All modules, as they are seen from one specification; a module is imported when needed."""

    def __init__(
        self, own: Mapping[str, ModuleSource], folders: Iterable[Path], origin: Path | None
    ) -> None:
        from weft.connectors.modules import BUILTIN

        self.own = own
        self.sources: dict[str, list[Callable[[], ModuleSource]]] = {}
        for name, source in own.items():
            self.sources.setdefault(name, []).append(functools.partial(_given, source))
        beside = () if origin is None else (origin / _LOCAL,)
        for folder in (*folders, *beside):
            for name, python in _files(folder).items():
                load = functools.partial(find_module, python, folder.absolute())
                self.sources.setdefault(name, []).append(load)
        for name, python in BUILTIN.items():
            load = functools.partial(find_module, python, None)
            self.sources.setdefault(name, []).append(load)

    def actions(self, module: str) -> dict[str, Callable[..., Any]]:
        """The actions of a module by name.

        Raises:
            Unfound: One of its files cannot be imported.
        """
        found: dict[str, Callable[..., Any]] = {}
        for load in self.sources[module]:
            found = {**_marked(load(), module), **found}
        return found


@attrs.frozen
class Described:
    """An action as a list of actions shows it.

    ``inputs`` says of each whether it is needed; ``outputs`` are None where it may give any;
    ``fault`` says why the action cannot be used.
    """

    name: str
    summary: str
    inputs: Mapping[str, bool]
    outputs: Sequence[str] | None
    fault: str | None = None


def _described(function: Callable[..., Any], name: str, full: str, agent: Any) -> Described:
    summary = (inspect.getdoc(function) or "").partition("\n\n")[0].replace("\n", " ")
    try:
        made = _made(function, full, "weft.actions", agent)
    except NotCallable as error:
        return Described(name, summary, {}, None, "; ".join(error.faults))
    inputs = {key: parameter.required for key, parameter in made.plan.parameters.items()}
    return Described(name, summary, inputs, None if made.outputs is None else list(made.outputs))


# ── the configuration ────────────────────────────────────────────────────────────────────────


@attrs.frozen
class _Config:
    """What stands at ``action:``."""

    module: str
    action: str
    outputs: Mapping[str, DataType]
    clock: bool = False


def _read_config(config: JsonValue, what: str) -> _Config:
    """The configuration, from its short form (a text) or its long one (a mapping).

    Raises:
        DefinitionErrors: With every fault.
    """
    faults: list[DefinitionError] = []

    def fault(message: str, *path: str | int) -> None:
        faults.append(OptionFault(message, what=what, path=path))

    if isinstance(config, str):
        module, _, name = config.rpartition(".")
        config = {"module": module, "action": name}
    if not isinstance(config, dict):
        fault(f"must be a text such as git.status, or a mapping; not {describe(config)}")
        config = {"module": "_", "action": "_"}
    for key in config:
        if key not in _KEYS:
            accepted = f"{did_you_mean(key, _KEYS)}; accepted: {', '.join(_KEYS)}"
            fault(f"unknown key {key!r}{accepted}", key)
    names = []
    for key in ("module", "action"):
        given = config.get(key)
        if not isinstance(given, str) or not _NAME.fullmatch(given):
            fault(f"must be the name of {_NOUNS[key]}, not {describe(given)}", key)
        names.append(str(given))
    outputs: dict[str, DataType] = {}
    declared = config.get("outputs", {})
    if not isinstance(declared, dict):
        fault(f"must be types by name, not {describe(declared)}", "outputs")
        declared = {}
    for key, kind in declared.items():
        try:
            outputs[key] = DataType.from_declaration(kind)
        except InvalidDeclaration as error:
            for one in error.faults:
                fault(one.message, "outputs", key, *one.path)
    clock = config.get("clock", False)
    if not isinstance(clock, bool):
        fault(f"must be true or false, not {describe(clock)}", "clock")
    raise_option_faults(faults, what=what)
    return _Config(names[0], names[1], outputs, clock=clock is True)


_KEYS: Final = ("module", "action", "outputs", "clock")
_NOUNS: Final = {"module": "a module", "action": "an action"}


# ── the connector ────────────────────────────────────────────────────────────────────────────


class ActionConnector:
    """Actions of modules: coroutines on the event loop, plain functions in threads.

    Args:
        modules: The program's own modules by name.
        folders: Folders of modules: each Python file is one, by its name with ``-`` for ``_``.
        agent: The command of the agent, as a list of arguments; None: that of the environment
            variable ``WEFT_AGENT``.
        threads: How many plain functions may run at once.
        only_inline: Run plain functions on the event loop, and let the clock stand still: an order
            of events, and a journal, that depend on nothing but the case.

    Raises:
        UsageError: A folder of modules is none, or the agent's command is empty.
    """

    kind = "action"
    automatic = True

    def __init__(
        self,
        modules: Mapping[str, ModuleSource] | None = None,
        *,
        folders: Iterable[str | Path] = (),
        agent: Sequence[str] | None = None,
        threads: int = 40,
        only_inline: bool = False,
    ) -> None:
        self._own = modules if modules is not None else {}
        self._folders = tuple(Path(folder) for folder in folders)
        for folder in self._folders:
            if not folder.is_dir():
                raise UsageError(f"the folder of modules {str(folder)!r} is none", code="modules")
        self._agent = None if agent is None else _agent_command(agent, "agent")
        self._threads = Threads(threads)
        self._only_inline = only_inline

    def bind(
        self,
        task: str,
        config: JsonValue,
        *,
        origin: Path | None,
        inputs: Collection[str] | None = None,
    ) -> Performer:
        """Find the action, and check the task's inputs and outputs against it.

        Raises:
            DefinitionErrors: The configuration is wrong, there is no such module or action, or
                its inputs or outputs are others.
        """
        what = f"task {task!r}, action"
        if isinstance(config, dict) and "do" in config:
            return self._own_work(config, what)
        wanted = _read_config(config, what)
        found = self._action(wanted, origin, what)
        raise_option_faults(_misfits(found, wanted, inputs, what), what=what)
        call = found.plan.call

        def finished(result: JsonValue) -> JsonValue:
            outputs = _checked_outputs(result, found, wanted)
            return {"outputs": outputs, "now": self._now()} if wanted.clock else outputs

        if found.plan.is_async:

            async def perform(work: Work) -> JsonValue:
                return finished(await call(work))

            return Performer(Worker.ASYNC, perform)
        if self._only_inline:
            return Performer(Worker.INLINE, lambda work: finished(call(work)))

        async def perform_in_thread(work: Work) -> JsonValue:
            return finished(await self._threads.run(call, work))

        return Performer(Worker.ASYNC, perform_in_thread)

    def actions(self, origin: Path | None = None) -> Mapping[str, Mapping[str, Callable[..., Any]]]:
        """All modules and their actions by name; those that cannot be imported are left out."""
        modules = _Modules(self._own, self._folders, origin)
        found = {}
        for name in sorted(modules.sources):
            try:
                found[name] = modules.actions(name)
            except (Unfound, DefinitionError):
                continue
        return found

    def catalogue(self, origin: Path | None = None) -> Mapping[str, Sequence[Described] | str]:
        """All modules by name: their actions, or why the module cannot be used."""
        modules = _Modules(self._own, self._folders, origin)
        found: dict[str, Sequence[Described] | str] = {}
        for name in sorted(modules.sources):
            try:
                actions = modules.actions(name)
            except (Unfound, DefinitionError) as error:
                found[name] = str(error)
                continue
            found[name] = [
                _described(function, action, f"{name}.{action}", self._agent_now)
                for action, function in sorted(actions.items())
            ]
        return found

    def _action(self, wanted: _Config, origin: Path | None, what: str) -> _Action:
        modules = _Modules(self._own, self._folders, origin)
        path: tuple[str, ...] = ("module",)
        try:
            if wanted.module not in modules.sources:
                raise Unfound(
                    f"there is no module {wanted.module!r}"
                    f"{did_you_mean(wanted.module, modules.sources)}; "
                    f"there are {', '.join(sorted(modules.sources))}"
                )
            actions = modules.actions(wanted.module)
            path = ("action",)
            function = actions.get(wanted.action)
            name = f"{wanted.module}.{wanted.action}"
            if name == "system.wait-for-decision" and function is None:
                raise Unfound(
                    f"{name} is work for a person, and only the steps format knows it; "
                    "write person: {title: …, choices: […]}"
                )
            if function is None:
                raise Unfound(
                    f"the module {wanted.module!r} has no action {wanted.action!r}"
                    f"{did_you_mean(wanted.action, actions)}; "
                    f"it has {', '.join(sorted(actions)) or 'none'}"
                )
            return _made(function, name, f"weft.actions.{wanted.module}", self._agent_now)
        except NotCallable as error:
            faults = list(error.faults)
        except (Unfound, DefinitionError) as error:
            faults = [str(error)]
        raise_option_faults([OptionFault(f, what=what, path=path) for f in faults], what=what)
        raise AssertionError  # pragma: no cover - raised above

    def _agent_now(self) -> tuple[Argument, ...] | None:
        """The agent's command, read when it is needed; None: there is none."""
        if self._agent is not None:
            return self._agent
        line = os.environ.get(AGENT_VARIABLE, "").strip()
        if not line:
            return None
        try:
            return _agent_command(shlex.split(line), AGENT_VARIABLE)
        except (ValueError, UsageError) as error:
            raise WorkFailed(
                f"{AGENT_VARIABLE} is no command line: {error}", code="no-agent", retryable=False
            ) from error

    def _now(self) -> float:
        return 0.0 if self._only_inline else round(time.time(), 3)

    # ── work of the steps format's own ───────────────────────────────────────────────────────

    def _own_work(self, config: Mapping[str, JsonValue], what: str) -> Performer:
        """What `weft.schema.steps` puts into a net beside the steps."""
        work: Callable[[Work], JsonValue]
        match config:
            case {"do": "begin"}:
                work = self._begin
            case {"do": "note"}:
                work = _note
            case {"do": "limit", "step": str(step), "starts": int(starts)}:
                work = functools.partial(_limit, step, starts, cycle="cycle" in config)
            case _:
                fault = OptionFault(
                    f"unknown: {json.dumps(config)}; 'do' is for the steps format", what=what
                )
                raise_option_faults([fault], what=what)
        return Performer(Worker.INLINE, work)

    def _begin(self, work: Work) -> JsonValue:
        """The facts about a case that only the engine knows."""
        now = self._now()
        return {
            "executionId": work.case,
            "cwd": str(Path.cwd()),
            "startedAt": datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"),
            "started": now,
            "now": now,
        }

    # ── the rest of the protocol ─────────────────────────────────────────────────────────────

    def result_type(self, config: JsonValue) -> DataType:
        """An object with the declared outputs, and others besides."""
        if not isinstance(config, dict) or "do" in config or config.get("clock"):
            return DataType("object")
        return DataType("object", fields=_read_config(config, "action").outputs, additional=True)

    def json_schema(self) -> dict[str, JsonValue]:
        """The JSON Schema of what may stand at ``action:``."""
        name: JsonValue = {"type": "string", "pattern": f"^{_NAME.pattern}$"}
        return {
            "anyOf": [
                {"type": "string", "pattern": r"^.+\..+$", "description": "module.action"},
                {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "module": name,
                        "action": name,
                        "outputs": {"type": "object", "description": "Types by name."},
                        "clock": {"type": "boolean"},
                    },
                    "required": ["module", "action"],
                },
            ]
        }

    async def aclose(self) -> None:
        """End the idle threads."""
        self._threads.close()


def _note(work: Work) -> JsonValue:
    del work  # what is noted is in the output mapping
    return None


def _limit(step: str, starts: int, work: Work, *, cycle: bool) -> JsonValue:
    """Fail: a step may not start any more."""
    del work
    reason = (
        "the most that a step without maxRetries may in a cycle"
        if cycle
        else f"the most that its maxRetries, {starts - 1}, allows"
    )
    raise WorkFailed(
        f"step {step!r} has started {starts:,} time{'' if starts == 1 else 's'}, {reason}",
        code="start-limit",
        retryable=False,
        details={"step": step},
    )


def _agent_command(words: Sequence[str], what: str) -> tuple[Argument, ...]:
    """The words of a command, with the prompt's place as a reference.

    Raises:
        UsageError: There are none.
    """
    if not words:
        raise UsageError(f"{what}: the command is empty", code="agent")
    return tuple(Reference("prompt") if word == "${prompt}" else word for word in words)


def _misfits(
    found: _Action, wanted: _Config, inputs: Collection[str] | None, what: str
) -> list[DefinitionError]:
    """What is wrong with a task's inputs and outputs for an action."""
    faults: list[DefinitionError] = []

    def fault(message: str, *path: str) -> None:
        faults.append(OptionFault(message, what=what, path=path))

    plan = found.plan
    takes = ", ".join(plan.parameters) or "no inputs"
    for name in inputs or ():
        if name not in plan.parameters and not plan.rest:
            near = did_you_mean(name, plan.parameters)
            fault(f"{found.name} takes no {name!r}{near}; it takes {takes}", "inputs", name)
    if inputs is not None:
        for name, parameter in plan.parameters.items():
            if parameter.required and name not in inputs:
                fault(f"{found.name} needs the input {name!r}; it takes {takes}", "action")
    for name, kind in wanted.outputs.items():
        if found.outputs is None:
            continue
        if name not in found.outputs:
            near = did_you_mean(name, found.outputs)
            gives = ", ".join(found.outputs) or "nothing"
            fault(f"{found.name} gives no {name!r}{near}; it gives {gives}", "outputs", name)
            continue
        given = _json_type(found.outputs[name])
        fits = given in (None, kind.type) or kind.type == "any"
        if not fits and not (kind.type == "number" and given == "integer"):
            fault(f"{found.name} gives {name!r} as {given}, not as {kind.type}", "outputs", name)
    return faults


def _checked_outputs(result: JsonValue, found: _Action, wanted: _Config) -> dict[str, JsonValue]:
    """The outputs of an action, by the names that files use.

    Raises:
        WorkFailed: ``result-type``, when one is missing or not what the task declares.
    """
    if result is None:
        result = {}
    if not isinstance(result, dict):
        raise WorkFailed(
            f"{found.name} returned {describe(result)}; an action returns its outputs by name",
            code="result-type",
            retryable=False,
        )
    outputs = {found.renamed.get(name, name): item for name, item in result.items()}
    faults = []
    for name, kind in wanted.outputs.items():
        if name not in outputs:
            near = did_you_mean(name, outputs)
            gave = ", ".join(outputs) or "nothing"
            faults.append(f"{name!r} is missing{near}; it gave {gave}")
        else:
            faults += kind.check(outputs[name], name)
    if faults:
        raise WorkFailed(
            f"{found.name} did not return what is declared: {'; '.join(faults)}",
            code="result-type",
            retryable=False,
        )
    return outputs

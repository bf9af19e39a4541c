"""How a work item calls a Python function: worked out once when it is bound, then fast.

The inputs of the work item are the keyword arguments. Each is checked and converted by the
annotation of its parameter, and so is the result on its way back; a parameter annotated `Work`
gets the work item itself, one without annotation the JSON as it is.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import types
import typing
from collections.abc import Awaitable, Callable, Collection, Mapping
from threading import current_thread, main_thread
from typing import Any

import attrs

from weft.connectors.failure import class_name, raised
from weft.connectors.options import did_you_mean
from weft.connectors.typed import Converter, Mismatch, as_it_is, converter, mismatch
from weft.engine.ports import Direct, Work
from weft.schema.errors import WorkFailed
from weft.schema.jsonvalue import MAX_INTEGER, JsonValue, NotJson, checked, path_text

__all__ = ["NotCallable", "Parameter", "Plan", "plan_call"]

PASS_ON = (KeyboardInterrupt, GeneratorExit)
"""What is no failure of a task function: somebody wants the engine, or the coroutine, to stop."""


INTEGER = MAX_INTEGER + 1
"""No integer of case data is as large."""


class NotCallable(Exception):
    """A function cannot perform work; ``faults`` says why, one sentence each."""

    def __init__(self, faults: Collection[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


@attrs.frozen
class Parameter:
    """An input that a function takes."""

    name: str
    kind: Any
    required: bool
    convert: Converter


@attrs.frozen(eq=False)
class Plan:
    """How to call one function.

    ``call`` takes a `Work` and gives the result as JSON of its own (an awaitable of it when
    ``is_async``); it raises `WorkFailed` for whatever goes wrong.
    ``rest`` says that the function takes any further inputs (``**kwargs``).
    ``direct`` is the way around `Work`, for a plain function whose parameters need no conversion.
    """

    name: str
    is_async: bool
    parameters: Mapping[str, Parameter]
    rest: bool
    call: Callable[[Work], Any]
    direct: Direct | None = None

    def input_faults(self, inputs: Collection[str]) -> list[str]:
        """What is wrong with calling the function with these inputs, one sentence each."""
        faults = [
            f"{self.name} needs {name!r}, which is none of the task's inputs: "
            f"{', '.join(inputs) or 'it has none'}"
            for name, parameter in self.parameters.items()
            if parameter.required and name not in inputs
        ]
        if not self.rest:
            takes = ", ".join(self.parameters) or "no inputs"
            faults += [
                f"{self.name} takes no {name!r}{did_you_mean(name, self.parameters)}; "
                f"it takes {takes}"
                for name in inputs
                if name not in self.parameters
            ]
        return faults


def plan_call(function: Any, name: str) -> Plan:
    """Work out how to call a function; ``name`` is what messages call it.

    Raises:
        NotCallable: It is no function, or has parameters or annotations that cannot be served.
    """
    if not callable(function):
        raise NotCallable(
            [f"{name} is a value of the class {class_name(type(function))}, no function"]
        )
    target = function if not isinstance(function, functools.partial) else function.func
    if not inspect.isroutine(target) and not isinstance(target, type):
        target = type(target).__call__
    if inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target):
        raise NotCallable([f"{name} is a generator: let it return a list"])
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some builtins tell nothing: take what comes
        signature = inspect.Signature([inspect.Parameter("inputs", inspect.Parameter.VAR_KEYWORD)])
    return _Planner(function, target, name, signature).plan()


class _Planner:
    """Reads one signature; collects its faults."""

    def __init__(
        self, function: Callable[..., Any], target: Any, name: str, signature: inspect.Signature
    ) -> None:
        self.function = function
        self.name = name
        self.target = target
        self.signature = signature
        self.is_async = inspect.iscoroutinefunction(target)
        self.namespace = getattr(inspect.unwrap(target), "__globals__", {})
        if isinstance(target, type):
            self.namespace = getattr(target.__init__, "__globals__", {})  # type: ignore[misc]
        self.faults: list[str] = []

    def plan(self) -> Plan:
        parameters: dict[str, Parameter] = {}
        work: list[str] = []
        positional: dict[str, Any] = {}
        rest: Converter | None = None
        for parameter in self.signature.parameters.values():
            kind = self.resolved(parameter.annotation, f"parameter {parameter.name!r}")
            if parameter.kind is parameter.VAR_POSITIONAL:
                continue
            if parameter.kind is parameter.VAR_KEYWORD:
                rest = self.converter(kind, f"parameter {parameter.name!r}")
                continue
            if parameter.kind is parameter.POSITIONAL_ONLY:
                positional[parameter.name] = parameter.default
            if kind is Work:
                work.append(parameter.name)
                continue
            parameters[parameter.name] = Parameter(
                name=parameter.name,
                kind=kind,
                required=parameter.default is parameter.empty,
                convert=self.converter(kind, f"parameter {parameter.name!r}"),
            )
        annotation = self.signature.return_annotation
        if isinstance(self.target, type):  # calling a class gives an instance, not None
            annotation = Any
        result = self.resolved(annotation, "the result")
        finish = _Finish(self.name, result)
        if self.faults:
            raise NotCallable(self.faults)
        prepare = _Prepare(self.name, parameters, rest, tuple(work), positional)
        perform = self.asynchronous if self.is_async else self.synchronous
        return Plan(
            name=self.name,
            is_async=self.is_async,
            parameters=parameters,
            rest=rest is not None,
            call=perform(prepare, finish),
            direct=None if self.is_async else self.direct(prepare, finish),
        )

    def resolved(self, annotation: Any, what: str) -> Any:
        """An annotation with its forward references resolved; Any for none."""
        if annotation is inspect.Signature.empty:
            return Any
        holder = types.SimpleNamespace(__annotations__={"it": annotation})
        try:
            # JsonValue refers to itself by name, which the function's module need not know
            hints = typing.get_type_hints(
                holder, self.namespace, {"JsonValue": Any}, include_extras=True
            )
        except Exception as error:  # noqa: BLE001 - an annotation may be any expression
            self.faults.append(
                f"the annotation {annotation!r} of {what} of {self.name} has no meaning at run "
                f"time ({type(error).__name__}: {error})"
            )
            return Any
        return hints["it"]

    def converter(self, kind: Any, what: str) -> Converter:
        """The converter to the type of a parameter."""
        convert = converter(kind)
        if convert is not None:
            return convert
        from weft.connectors import structured

        try:
            return structured.structurer(kind)
        except structured.Unsupported as error:
            self.faults.append(
                f"{what} of {self.name} is a {_type_name(kind)}, "
                f"which cannot be made from JSON: {error}"
            )
            return as_it_is

    def synchronous(self, prepare: _Prepare, finish: _Finish) -> Callable[[Work], Any]:
        """The way to call a plain function: this is the hot path of inline tasks."""
        function, name = self.function, self.name
        positional, exact = bool(prepare.positional), prepare.exact
        exact_result = finish.exact

        def call(work: Work) -> JsonValue:
            arguments: Mapping[str, Any] = work.inputs
            if exact is not None and len(arguments) == len(exact):
                for parameter, kind in exact:
                    if parameter not in arguments or (
                        kind is not None and type(arguments[parameter]) is not kind
                    ):
                        arguments = prepare(work)
                        break
            else:
                arguments = prepare(work)
            try:
                if positional:
                    result = function(*prepare.positions(arguments), **prepare.names(arguments))
                else:
                    result = function(**arguments)
            except WorkFailed:
                raise
            except BaseException as error:
                raise _failed(name, error) from error
            if type(result) is int and exact_result is int and -INTEGER <= result < INTEGER:
                return result
            return finish(result)

        return call

    def direct(self, prepare: _Prepare, finish: _Finish) -> Direct | None:
        """The same without a `Work`, where all parameters take what they are given."""
        if prepare.exact is None or prepare.positional:
            return None
        plain = finish.kind in (int, str, bool, float)
        if not plain and finish.convert is not as_it_is:
            return None
        return Direct(
            function=self.function,
            exact=prepare.exact,
            result=finish.kind if plain else None,
            finish=finish,
            failed=functools.partial(_failed, self.name),
        )

    def asynchronous(
        self, prepare: _Prepare, finish: _Finish
    ) -> Callable[[Work], Awaitable[JsonValue]]:
        function, name = self.function, self.name

        async def call(work: Work) -> JsonValue:
            arguments = prepare(work)
            try:
                result = await function(*prepare.positions(arguments), **prepare.names(arguments))
            except (WorkFailed, *PASS_ON):
                raise
            except BaseException as error:
                task = asyncio.current_task()
                if isinstance(error, asyncio.CancelledError) and task and task.cancelling():
                    raise
                # (without that, something the function itself waited for was cancelled)
                raise _raised(name, error) from error
            return finish(result)

        return call


def _failed(name: str, error: BaseException) -> BaseException:
    """The failure that an exception of a plain function is; Ctrl-C is raised on."""
    if isinstance(error, WorkFailed):
        return error
    # Ctrl-C is heard in the main thread only; elsewhere the function raised it itself.
    if isinstance(error, KeyboardInterrupt) and current_thread() is main_thread():
        raise error
    return _raised(name, error)


def _raised(name: str, error: BaseException) -> WorkFailed:
    """The failure that an exception is; one that must not be swallowed is raised on."""
    stop = (*PASS_ON, asyncio.CancelledError)
    if isinstance(error, BaseExceptionGroup) and error.subgroup(stop) is not None:
        raise error
    return raised(name, error)


class _Prepare:
    """Makes the arguments of a call from the inputs of a work item."""

    def __init__(
        self,
        name: str,
        parameters: Mapping[str, Parameter],
        rest: Converter | None,
        work: tuple[str, ...],
        positional: Mapping[str, Any],
    ) -> None:
        self.name = name
        self.parameters = parameters
        self.rest = rest
        self.work = work
        self.positional = positional
        self.converters = {name: p.convert for name, p in parameters.items()}
        self.required = [name for name, p in parameters.items() if p.required]
        self.exact = self._exact() if not work else None

    def _exact(self) -> list[tuple[str, type | None]] | None:
        """The parameters and the very types that need no conversion (None: any type).

        None when there is more to check than that.
        """
        exact: list[tuple[str, type | None]] = []
        for name, parameter in self.parameters.items():
            if parameter.convert is as_it_is:
                exact.append((name, None))
            elif parameter.kind in (int, str, bool, float):
                exact.append((name, parameter.kind))
            else:
                return None
        return exact

    def __call__(self, work: Work) -> dict[str, Any]:
        """The arguments by name.

        Raises:
            WorkFailed: ``input-type``, with every fault.
        """
        converters = self.converters
        arguments: dict[str, Any] = {}
        try:
            for name, value in work.inputs.items():
                arguments[name] = converters[name](value)
            for name in self.required:
                if name not in arguments:
                    return self.slowly(work)
        except (KeyError, Mismatch):  # a converter may raise KeyError too: look again
            return self.slowly(work)
        for name in self.work:
            arguments[name] = work
        return arguments

    def slowly(self, work: Work) -> dict[str, Any]:
        """The same, collecting faults and further inputs."""
        arguments: dict[str, Any] = {}
        faults: list[str] = []
        for name, value in work.inputs.items():
            convert = self.converters.get(name, self.rest)
            if convert is None:
                near = did_you_mean(name, self.converters)
                faults.append(f"there is no parameter for the input {name!r}{near}")
                continue
            try:
                arguments[name] = convert(value)
            except Mismatch as wrong:
                faults += [
                    f"input '{path_text(name, place)}' {message}" for place, message in wrong.faults
                ]
        faults += [
            f"the input {name!r} is missing" for name in self.required if name not in work.inputs
        ]
        if faults:
            raise WorkFailed(
                f"{self.name} cannot be called: {'; '.join(faults)}",
                code="input-type",
                retryable=False,
            )
        for name in self.work:
            arguments[name] = work
        return arguments

    def positions(self, arguments: Mapping[str, Any]) -> list[Any]:
        """The arguments of positional-only parameters, in order, up to the last that has one."""
        given = [name in arguments for name in self.positional]
        last = max((i for i, there in enumerate(given) if there), default=-1)
        return [
            arguments.get(name, default)
            for name, default in list(self.positional.items())[: last + 1]
        ]

    def names(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """The other arguments."""
        if not self.positional:
            return arguments
        return {name: v for name, v in arguments.items() if name not in self.positional}


class _Finish:
    """Checks the result of a call and makes it JSON that nobody else holds."""

    def __init__(self, name: str, kind: Any) -> None:
        self.name = name
        self.kind = kind
        self.unstructure: Converter | None = None
        self.runtime: type | None = None
        nothing = kind in (typing.NoReturn, typing.Never)
        self.convert = as_it_is if nothing else converter(kind)
        self.exact: type | None = int if kind is int else None
        if self.convert is None:
            from weft.connectors import structured

            self.unstructure = structured.unstructurer(kind)
            self.runtime = _runtime_class(kind)
            try:
                self.convert = structured.structurer(kind)
            except structured.Unsupported:  # it can be made into JSON, but not back
                self.convert = as_it_is

    def __call__(self, result: Any) -> JsonValue:
        """The result as JSON.

        Raises:
            WorkFailed: ``result-type``, when it is not what is declared, or no JSON.
        """
        convert = self.convert
        assert convert is not None
        try:
            if self.unstructure is None:
                return self.plain(convert(result))
            if self.runtime is not None and not isinstance(result, self.runtime):
                raise mismatch(f"a {class_name(self.runtime)}", result)
            value = checked(self.unstructure(result), what="result")
            convert(value)
            return value
        except Mismatch as wrong:
            faults = "; ".join(
                f"'{path_text('result', place)}' {message}" for place, message in wrong.faults
            )
        except NotJson as error:
            faults = str(error)
        except Exception as error:  # noqa: BLE001 - code of the result's class runs here
            faults = f"it cannot be made into JSON ({type(error).__name__}: {error})"
        if inspect.iscoroutine(result):
            result.close()
            faults = "it is a coroutine: make the function async, or await it"
        raise WorkFailed(
            f"the result of {self.name} is wrong: {faults}", code="result-type", retryable=False
        )

    def plain(self, result: Any) -> JsonValue:
        """A result without declared type: JSON, or what cattrs makes JSON of."""
        try:
            return checked(result, what="result")
        except NotJson:
            if inspect.iscoroutine(result):
                raise
            from weft.connectors import structured

            return checked(structured.unstructure(result), what="result")


def _runtime_class(kind: Any) -> type | None:
    """The class that values of a type are instances of, where there is such a thing."""
    if typing.get_origin(kind) is typing.Annotated:
        return _runtime_class(typing.get_args(kind)[0])
    form = typing.get_origin(kind) or kind
    if not isinstance(form, type) or form is types.UnionType or typing.is_typeddict(form):
        return None
    return form


def _type_name(kind: Any) -> str:
    return class_name(kind) if isinstance(kind, type) else str(kind)

"""The words that a process is written in: tasks, and what puts them together.

A `Step` is a value: a piece of a process that takes an ``In`` and gives an ``Out``. Putting steps
together makes new steps and runs nothing; `weft.flow.lowering` turns them into a net, once.
"""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, Never, ParamSpec, TypeVar, cast, overload

import attrs

from weft.connectors.python import RunIn, TaskMark
from weft.engine.ports import Work
from weft.flow.expressions import At, Expression, Variable, declared_type, here
from weft.schema.durations import parse_duration
from weft.schema.jsonvalue import JsonValue
from weft.schema.specification import MAX_CRASHES, Retry, Use

if TYPE_CHECKING:
    from weft.flow.building import Process

__all__ = [
    "Action",
    "Choice",
    "Failure",
    "Handled",
    "NoValue",
    "Performed",
    "ShellResult",
    "Step",
    "Task",
    "Told",
    "cancel",
    "connect",
    "emit",
    "end",
    "for_each",
    "parallel",
    "person",
    "race",
    "receive",
    "repeat",
    "shell",
    "skip",
    "subprocess",
    "task",
    "times",
    "wait",
    "when",
]

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
In_contra = TypeVar("In_contra", contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)
Own = TypeVar("Own")
"""The type of a task function's call: its result, or an awaitable of it."""


@typing.final
class NoValue:
    """The type of a step's value where there may be none: nothing that reads can follow."""


@attrs.frozen
class Failure:
    """What an error branch is told of the work that has failed for good."""

    message: str
    code: str
    where: str | None = None


@attrs.frozen
class ShellResult:
    """What a command gives."""

    exit_code: int
    stdout: str
    stderr: str
    truncated: bool = False


@attrs.frozen
class Told:
    """Whom an event that was put on the bus has reached: cases, and sentences on who refused it."""

    delivered: list[str]
    started: list[str]
    refused: list[str]


class Step(Generic[In_contra, Out_co]):
    """A piece of a process: it takes an ``In`` and gives an ``Out``."""

    def then(self, step: Step[Out_co, B]) -> Step[In_contra, B]:
        """This step, and then another, which takes what this one gives."""
        return Sequence_(cast("Step[Any, Any]", self), step, here())

    def into(self, variable: Variable[Out_co]) -> Step[In_contra, Out_co]:
        """This step, with its value kept in a variable."""
        return Into(self, variable, here())


@attrs.frozen(eq=False)
class Sequence_(Step[Any, Any]):  # noqa: N801  # collections.abc has the plain name
    """One step after the other."""

    first: Step[Any, Any]
    second: Step[Any, Any]
    at: At


@attrs.frozen(eq=False)
class Into(Step[Any, Any]):
    """A step whose value goes into a variable."""

    step: Step[Any, Any]
    variable: Variable[Any]
    at: At


class Performed(Step[In_contra, Out_co]):
    """A step that is one task: somebody or something performs it."""

    def _action(self) -> Action[In_contra, Out_co]:
        raise NotImplementedError

    def _with(self, **changes: Any) -> Action[In_contra, Out_co]:
        return attrs.evolve(self._action(), at=here(), **changes)

    @property
    def result(self) -> Expression[Out_co]:
        """The task's result, wherever the process goes on."""
        from weft.engine.compile import variable_name

        action = self._action()
        return Expression(variable_name(action.name), action.gives)

    def named(self, name: str) -> Action[In_contra, Out_co]:
        """The same under another name: every task of a process has a name of its own."""
        return self._with(name=name)

    def titled(self, title: str, description: str = "") -> Action[In_contra, Out_co]:
        """With what people read instead of the name."""
        return self._with(title=title, description=description)

    def given(self, value: Expression[In_contra]) -> Action[object, Out_co]:
        """The task works on this value, whatever the step before it gives."""
        return cast("Action[object, Out_co]", self._with(value=value))

    def retry(
        self,
        attempts: int,
        *,
        delay: str = "0s",
        factor: float = 1.0,
        max_delay: str = "1d",
        jitter: Literal["none", "full"] = "none",
        crashes: int = MAX_CRASHES,
    ) -> Action[In_contra, Out_co]:
        """Failed work is attempted again, so often in all.

        After ``crashes`` attempts in a row that ended with the death of their engine, one more
        fails the work.

        Raises:
            ValueError: A number or duration is none.
        """
        policy = Retry(
            attempts=attempts,
            delay_seconds=parse_duration(delay),
            factor=float(factor),
            max_delay_seconds=parse_duration(max_delay),
            jitter=jitter,
            crashes=crashes,
        )
        return self._with(retries=policy)

    def timeout(self, time: str | Mapping[str, JsonValue]) -> Action[In_contra, Out_co]:
        """How long one attempt may take, such as ``30s``, or until when: ``{"for": expression}``,
        ``{"until": …}``, ``{"next": …}`` with a ``zone``, told when it begins.

        Raises:
            ValueError: It is no duration.
        """
        if isinstance(time, str):
            return self._with(timeout_seconds=parse_duration(time), expires_at=None)
        return self._with(timeout_seconds=None, expires_at=dict(time))

    def due(self, time: str | Mapping[str, JsonValue]) -> Action[In_contra, Out_co]:
        """When the work should be done: a duration, or ``{"until": …}``, ``{"next": …}`` with a
        ``zone``. It is shown in the work list and ends nothing; see `on_due`.
        """
        return self._with(due_at=time if isinstance(time, str) else dict(time))

    def on_due(self, reminder: Performed[object, Any]) -> Action[In_contra, Out_co]:
        """When the work is due and not done, this task begins beside it, once; nothing follows it,
        and the work itself goes on.
        """
        return self._with(reminder=reminder._action())

    def one_at_a_time(self) -> Action[In_contra, Out_co]:
        """No two of its work items are open at once."""
        return self._with(concurrency=1)

    def cancels_instances_of(self, *others: Performed[Any, Any]) -> Action[In_contra, Out_co]:
        """When it completes, the unfinished instances of other tasks are withdrawn; they end, and
        what follows them does not run (WCP-26).
        """
        names: JsonValue = [other._action().name for other in others]
        return self.around(Use("cancel-multiple-instance-task", names))

    def completes_instances_of(self, *others: Performed[Any, Any]) -> Action[In_contra, Out_co]:
        """When it completes, other tasks of many instances end with the results there are, and
        what follows them runs (WCP-27).
        """
        names: JsonValue = [other._action().name for other in others]
        return self.around(Use("complete-multiple-instance-task", names))

    def around(self, pattern: Use) -> Action[In_contra, Out_co]:
        """With any pattern around the task, such as ``by("milestone", {"place": ready})``."""
        return self._with(patterns=(*self._action().patterns, pattern))

    def on_failure(self, handler: Step[Failure, B]) -> Handled[In_contra, Out_co | B]:
        """When the work has failed for good, the handler goes on, and the case does not fail."""
        at = here()
        return Handled(self._action(), (Handler("failed", handler, at),), at)

    def on_timeout(self, handler: Step[Failure, B]) -> Handled[In_contra, Out_co | B]:
        """When the work was not done in its `timeout`, the handler goes on."""
        at = here()
        return Handled(self._action(), (Handler("late", handler, at),), at)

    def or_ask(self) -> Action[In_contra, Out_co]:
        """When the work has failed for good, its item waits for a person: to have it attempted
        again, to complete it by hand, or to give it up.
        """
        return self._with(when_failed="ask")

    def or_compensate(self) -> Action[In_contra, Out_co]:
        """When the work has failed for good, what was done is undone, in reverse order."""
        return self._with(when_failed="compensate")

    def compensated_by(self, step: Performed[Out_co, Any]) -> Action[In_contra, Out_co]:
        """This task undoes the work, given its result, when a task that says `or_compensate`
        fails for good.
        """
        return self._with(undoer=step._action())


@attrs.frozen(eq=False, kw_only=True)
class Action(Performed[In_contra, Out_co]):
    """A task as a process has it: who performs it, under which name, and how.

    ``takes`` names the inputs that the value of the step before becomes, ``inputs`` others.
    """

    name: str
    kind: str
    config: JsonValue
    gives: Any
    at: At
    takes: tuple[str, ...] = ()
    inputs: Mapping[str, Expression[Any]] = attrs.field(factory=dict)
    value: Expression[Any] | None = None
    title: str = ""
    description: str = ""
    retries: Retry | None = None
    timeout_seconds: float | None = None
    expires_at: Mapping[str, JsonValue] | None = None
    due_at: str | Mapping[str, JsonValue] | None = None
    reminder: Action[Any, Any] | None = None
    concurrency: int | None = None
    patterns: tuple[Use, ...] = ()
    function: Callable[..., Any] | None = None
    process: Process[Any, Any] | None = None
    when_failed: Literal["ask", "compensate"] | None = None
    undoer: Action[Any, Any] | None = None
    several: Mapping[str, Any] | None = None
    """What makes many instances of it: the parameters of ``for-each``, as YAML has them."""

    def _action(self) -> Action[In_contra, Out_co]:
        return self


@attrs.frozen
class Handler:
    """What goes on when the work of a task has failed, or was not done in time."""

    key: Literal["failed", "late"]
    step: Step[Any, Any]
    at: At


@attrs.frozen(eq=False)
class Handled(Step[In_contra, Out_co]):
    """A task with an error branch, one for work that was not done in time, or both.

    Where it has both, the one for failures does not get the timeout.
    """

    action: Action[Any, Any]
    handlers: tuple[Handler, ...]
    at: At

    def on_failure(self, handler: Step[Failure, B]) -> Handled[In_contra, Out_co | B]:
        """As of a task, beside a handler of the timeout."""
        return self._and(Handler("failed", handler, here()))

    def on_timeout(self, handler: Step[Failure, B]) -> Handled[In_contra, Out_co | B]:
        """As of a task, beside a handler of other failures."""
        return self._and(Handler("late", handler, here()))

    def _and(self, handler: Handler) -> Handled[Any, Any]:
        return Handled(self.action, (*self.handlers, handler), self.at)


# ── tasks that functions perform ─────────────────────────────────────────────────────────────


class Task(
    Performed[In_contra, Out_co], functools.partial[Own], Generic[P, In_contra, Out_co, Own]
):
    """A function as a task, which can still be called: what `task` makes.

    It is its function with nothing applied yet, so everything that takes functions takes it.
    """

    if TYPE_CHECKING:
        __name__: str
        __qualname__: str

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Own:
            """Call the function."""

    def __init__(self, function: Callable[P, Own], run_in: RunIn | None = None) -> None:
        functools.update_wrapper(self, function)
        self.__weft_task__ = TaskMark(run_in=run_in)

    def __new__(
        cls, function: Callable[P, Own], run_in: RunIn | None = None
    ) -> Task[P, In_contra, Out_co, Own]:
        """The function, with nothing applied."""
        return super().__new__(cls, function)

    def __repr__(self) -> str:
        return f"<Task {self.__module__}:{self.__qualname__}>"

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """A method of an object, where a class holds it, as functions are."""
        return self if instance is None else types.MethodType(self, instance)

    def __reduce__(self) -> Any:
        """By name, as functions are pickled."""
        return self.__qualname__

    def _action(self) -> Action[In_contra, Out_co]:
        function = self.func
        hints = _hints(function)
        return Action(
            name=getattr(function, "__name__", "task"),
            kind="python",
            config=None,
            gives=hints.get("return", Any),
            at=here(),
            takes=tuple(
                p.name
                for p in inspect.signature(function).parameters.values()
                if p.default is p.empty
                and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
                and hints.get(p.name) is not Work
            ),
            function=function,
        )


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError):  # an annotation without meaning: the connector says so
        return {}


Async = Coroutine[Any, Any, R]


# One overload for each number of parameters; what the engine gives (`Work`) is not counted.
@overload
def task(function: Callable[[], Async[R]], /) -> Task[[], object, R, Async[R]]: ...
@overload
def task(function: Callable[[], R], /) -> Task[[], object, R, R]: ...
@overload
def task(  # type: ignore[overload-overlap]  # a parameter of any type might be a Work
    function: Callable[[Work], Async[R]], /
) -> Task[[Work], object, R, Async[R]]: ...
@overload
def task(function: Callable[[Work], R], /) -> Task[[Work], object, R, R]: ...
@overload
def task(function: Callable[[A], Async[R]], /) -> Task[[A], A, R, Async[R]]: ...
@overload
def task(function: Callable[[A], R], /) -> Task[[A], A, R, R]: ...
@overload
def task(  # type: ignore[overload-overlap]  # a parameter of any type might be a Work
    function: Callable[[A, Work], Async[R]], /
) -> Task[[A, Work], A, R, Async[R]]: ...
@overload
def task(function: Callable[[A, Work], R], /) -> Task[[A, Work], A, R, R]: ...
@overload
def task(function: Callable[[A, B], Async[R]], /) -> Task[[A, B], tuple[A, B], R, Async[R]]: ...
@overload
def task(function: Callable[[A, B], R], /) -> Task[[A, B], tuple[A, B], R, R]: ...
@overload
def task(
    function: Callable[[A, B, C], Async[R]], /
) -> Task[[A, B, C], tuple[A, B, C], R, Async[R]]: ...
@overload
def task(function: Callable[[A, B, C], R], /) -> Task[[A, B, C], tuple[A, B, C], R, R]: ...
@overload
def task(  # type: ignore[overload-cannot-match]  # it is: by functions of more parameters
    function: Callable[..., R], /
) -> Task[..., Never, R, R]: ...
@overload
def task(*, run_in: RunIn | str | None = None) -> _TaskIn: ...
def task(function: Any = None, /, *, run_in: RunIn | str | None = None) -> Any:
    """Make a function a task of processes; it can still be called.

    What the step before gives becomes its parameter, or its parameters if that is a tuple, as
    `parallel` gives one. Parameters with a default, and one that is a `Work`, are not counted.

    Args:
        function: The function, plain or async; its annotations say what goes in and out.
        run_in: Where a plain function runs: inline, thread or process.

    Raises:
        ValueError: ``run_in`` is none of these.
    """
    made = _TaskIn(None if run_in is None else RunIn(run_in))
    return made if function is None else made(function)


class _TaskIn:
    """What ``@task(run_in=…)`` is: the decorator `task`, for functions that run there."""

    def __init__(self, run_in: RunIn | None) -> None:
        self.run_in = run_in

    @overload
    def __call__(self, function: Callable[[], R], /) -> Task[[], object, R, R]: ...
    @overload
    def __call__(self, function: Callable[[Work], R], /) -> Task[[Work], object, R, R]: ...
    @overload
    def __call__(self, function: Callable[[A], R], /) -> Task[[A], A, R, R]: ...
    @overload
    def __call__(self, function: Callable[[A, Work], R], /) -> Task[[A, Work], A, R, R]: ...
    @overload
    def __call__(self, function: Callable[[A, B], R], /) -> Task[[A, B], tuple[A, B], R, R]: ...
    @overload
    def __call__(
        self, function: Callable[[A, B, C], R], /
    ) -> Task[[A, B, C], tuple[A, B, C], R, R]: ...
    @overload
    def __call__(  # type: ignore[overload-cannot-match]  # it is: by functions of more parameters
        self, function: Callable[..., R], /
    ) -> Task[..., Never, R, R]: ...
    def __call__(self, function: Any) -> Any:
        """The function as a task."""
        return Task(function, self.run_in)


# ── tasks that others perform ────────────────────────────────────────────────────────────────


def connect(
    name: str,
    kind: str,
    config: JsonValue,
    gives: type[R],
    *,
    inputs: Mapping[str, Expression[Any]] | None = None,
) -> Action[object, R]:
    """A task that any connector performs, with its configuration as YAML has it."""
    return Action(
        name=name, kind=kind, config=config, gives=gives, inputs=dict(inputs or {}), at=here()
    )


def shell(
    name: str,
    *arguments: str | Expression[str],
    expect: Sequence[int] | Literal["any"] | None = None,
) -> Action[object, ShellResult]:
    """A task that a command performs.

    Args:
        name: The task's name.
        arguments: The program and its arguments; a computed one stands alone.
        expect: The exit codes that are no failure; only 0 if absent.
    """
    inputs: dict[str, Expression[Any]] = {}
    run: list[JsonValue] = []
    for index, argument in enumerate(arguments):
        if isinstance(argument, str):
            run.append(argument)
            continue
        named = argument.name if isinstance(argument, Variable) else f"argument_{index}"
        inputs[named] = argument
        run.append(f"${{{named}}}")
    config: JsonValue = run
    if expect is not None:
        config = {"run": run, "expect": expect if expect == "any" else list(expect)}
    return connect(name, "shell", config, ShellResult, inputs=inputs)


def emit(
    name: str,
    event: str,
    *,
    key: str | Expression[Any] | None = None,
    to: Literal["all", "one", "case"] = "all",
    data: Mapping[str, Expression[Any]] | None = None,
) -> Action[object, Told]:
    """A task that puts an event on the bus.

    Args:
        name: The task's name.
        event: The event's name.
        key: What it is about, such as the number of an order.
        to: Whom it is for: everybody, the first who waits for it or starts by it, or its own case.
        data: The event's data, by name.
    """
    inputs, config = dict(data or {}), dict[str, JsonValue](event=event)
    if isinstance(key, str):
        config["key"] = key
    elif key is not None:
        named = "key"
        while named in inputs:
            named += "_"
        inputs[named] = key
        config["key"] = f"${{{named}}}"
    if to != "all":
        config["to"] = to
    return connect(name, "emit", config, Told, inputs=inputs)


def person(
    name: str,
    title: str,
    answer: type[R],
    *,
    role: str | None = None,
    text: str = "",
    shows: Mapping[str, Expression[Any]] | None = None,
) -> Action[object, R]:
    """A task for a person.

    Args:
        name: The task's name.
        title: What is asked, in one line.
        answer: An attrs class: its fields are the form. A field ``choice`` that is a `Literal` or
            an enumeration of texts is what there is to choose from.
        role: Who may do it.
        text: More about it.
        shows: What the person gets to see.
    """
    declared = declared_type(answer)
    fields = dict(declared.fields or {})
    config: dict[str, JsonValue] = {"title": title}
    if text:
        config["text"] = text
    choice = fields.get("choice")
    if choice is not None and choice.enum:
        config["choices"] = list(choice.enum)
        del fields["choice"]
    if role is not None:
        config["role"] = role
    if fields:
        rest = attrs.evolve(
            declared, fields=fields, required=frozenset(declared.required or ()) - {"choice"}
        )
        plain = rest.as_json()
        assert isinstance(plain, dict)
        config["form"] = plain["fields"]
    return connect(name, "person", config, answer, inputs=shows)


def subprocess(process: Process[A, B], name: str | None = None) -> Action[A, B]:
    """A process as a task of another, with its own data; named like the process if not said."""
    return Action(
        name=name or process.name,
        kind="net",
        config=process.name,
        gives=process.gives,
        takes=tuple(variable.name for variable in process.takes),
        process=process,
        at=here(),
    )


# ── many instances of a task ─────────────────────────────────────────────────────────────────


@overload
def for_each(
    task: Performed[A, B],
    *,
    called: str | None = None,
    at_most: int | None = None,
    open: bool = False,
    enough: int | Expression[int] | None = None,
    until: str | Expression[bool] | None = None,
    rest: Literal["cancel"] | None = None,
    wait: Literal[True] = True,
) -> Action[Sequence[A], list[B]]: ...
@overload
def for_each(
    task: Performed[A, B],
    *,
    called: str | None = None,
    at_most: int | None = None,
    wait: Literal[False],
) -> Action[Sequence[A], NoValue]: ...
def for_each(
    task: Performed[Any, Any],
    *,
    called: str | None = None,
    at_most: int | None = None,
    open: bool = False,
    enough: int | Expression[int] | None = None,
    until: str | Expression[bool] | None = None,
    rest: Literal["cancel"] | None = None,
    wait: bool = True,
) -> Action[Any, Any]:
    """An instance of the task for each item of a list, which the step before gives (WCP-14).

    It gives the list of their results, in the order of the items. What else is said makes
    another pattern of it, under the names that YAML has for them.

    Args:
        task: What each instance does with its item.
        called: What expressions call the item; ``item`` if not said.
        at_most: So many instances run at the same time.
        open: Instances can be added until the task is sealed (WCP-15).
        enough: It goes on when so many are done (WCP-34).
        until: It goes on when this holds; it is asked after each completion, and may read
            ``results``, ``indices`` and ``completed`` (WCP-36).
        rest: ``cancel`` withdraws the others then (WCP-35); else they run on.
        wait: False: it goes on at once, and gives nothing (WCP-12).
    """
    return _instances(
        task, {"as": called}, at_most=at_most, open=open, enough=enough, until=until,
        rest=rest, wait=wait,
    )  # fmt: skip


@overload
def times(
    number: int | Expression[int],
    task: Performed[int, B],
    *,
    at_most: int | None = None,
    open: bool = False,
    enough: int | Expression[int] | None = None,
    until: str | Expression[bool] | None = None,
    rest: Literal["cancel"] | None = None,
    wait: Literal[True] = True,
) -> Action[object, list[B]]: ...
@overload
def times(
    number: int | Expression[int],
    task: Performed[int, B],
    *,
    at_most: int | None = None,
    wait: Literal[False],
) -> Action[object, NoValue]: ...
def times(
    number: int | Expression[int],
    task: Performed[Any, Any],
    *,
    at_most: int | None = None,
    open: bool = False,
    enough: int | Expression[int] | None = None,
    until: str | Expression[bool] | None = None,
    rest: Literal["cancel"] | None = None,
    wait: bool = True,
) -> Action[Any, Any]:
    """So many instances of the task, each of which is given its index, from 0.

    The number is part of the process (WCP-13), or computed when the task begins (WCP-14). The
    rest is as for `for_each`.
    """
    return _instances(
        task, {"times": number}, at_most=at_most, open=open, enough=enough, until=until,
        rest=rest, wait=wait,
    )  # fmt: skip


def _instances(
    task: Performed[Any, Any],
    given: dict[str, Any],
    *,
    at_most: int | None,
    open: bool,
    enough: int | Expression[int] | None,
    until: str | Expression[bool] | None,
    rest: str | None,
    wait: bool,
) -> Action[Any, Any]:
    """A task with the parameters of ``for-each``; those that are not said are left out."""
    action = task._action()
    given |= {"at-most": at_most, "enough": enough, "until": until, "rest": rest}
    given |= {"open": open or None, "wait": None if wait else False}
    several = {name: value for name, value in given.items() if value is not None}
    gives: Any = list[action.gives] if wait else NoValue  # type: ignore[name-defined]  # a type made at run time
    return attrs.evolve(action, several=several, gives=gives, at=here())


# ── several steps ────────────────────────────────────────────────────────────────────────────


@attrs.frozen(eq=False)
class Parallel(Step[Any, Any]):
    """Steps side by side."""

    steps: tuple[Step[Any, Any], ...]
    at: At


@attrs.frozen(eq=False)
class Race(Step[Any, Any]):
    """Steps of which the first to start is the one."""

    steps: tuple[Step[Any, Any], ...]
    at: At


@attrs.frozen(eq=False)
class Chosen(Step[Any, Any]):
    """A choice that is complete: its branches, the default last."""

    branches: tuple[tuple[str | Expression[bool] | None, Step[Any, Any], At], ...]
    at: At


@attrs.frozen(eq=False)
class Repeat(Step[Any, Any]):
    """A step, again and again."""

    body: Step[Any, Any]
    condition: str | Expression[bool]
    tested_before: bool
    at: At


@attrs.frozen(eq=False)
class Ending(Step[Any, Any]):
    """The end of the process, whatever else is still going on."""

    pattern: str


@attrs.frozen(eq=False)
class Skip(Step[Any, Any]):
    """Nothing."""


end: Step[object, Never] = Ending("explicit-termination")
"""The process is completed here, whatever else is going on in it."""

cancel: Step[object, Never] = Ending("cancel-case")
"""The case is cancelled here."""

skip: Step[object, NoValue] = Skip()
"""Nothing to do on this branch."""


@overload
def parallel(a: Step[T, A], b: Step[T, B], /) -> Step[T, tuple[A, B]]: ...
@overload
def parallel(a: Step[T, A], b: Step[T, B], c: Step[T, C], /) -> Step[T, tuple[A, B, C]]: ...
@overload
def parallel(
    a: Step[T, A], b: Step[T, B], c: Step[T, C], d: Step[T, D], /
) -> Step[T, tuple[A, B, C, D]]: ...
def parallel(*steps: Step[Any, Any]) -> Step[Any, Any]:
    """All steps at the same time, on the same value; what follows waits for all and gets a tuple."""
    return Parallel(steps, here())


@overload
def race(a: Step[T, A], b: Step[T, B], /) -> Step[T, A | B]: ...
@overload
def race(a: Step[T, A], b: Step[T, B], c: Step[T, C], /) -> Step[T, A | B | C]: ...
def race(*steps: Step[Any, Any]) -> Step[Any, Any]:
    """All steps are offered; the first to start withdraws the others (WCP-16, deferred choice)."""
    return Race(steps, here())


@attrs.frozen(eq=False)
class Waits(Step[Any, Any]):
    """Something to wait for: a time, or a trigger whose data go into a variable."""

    name: str
    pattern: str
    argument: Mapping[str, JsonValue | Expression[Any]]
    variable: Variable[Any] | None
    at: At


def wait(
    duration: str | Expression[Any] | None = None,
    *,
    until: str | Expression[Any] | None = None,
    next: str | None = None,  # as YAML has it
    zone: str = "UTC",
    name: str = "wait",
) -> Step[Any, NoValue]:
    """Wait for a time: so long, ``until`` a point in time, or for the ``next`` that cron names.

    In a `race` it is how long the others have.

    Args:
        duration: ``2h``, ``P1M``, or an expression that yields one, or a number of seconds.
        until: ``2026-12-24T18:00:00+01:00``, ``18:00``, or an expression that yields one.
        next: A cron expression of five fields.
        zone: By whose clocks.
        name: Of the task; every task of a process has a name of its own.
    """
    given = {"for": duration, "until": until, "next": next, "zone": zone}
    written = {k: v for k, v in given.items() if v is not None and (k, v) != ("zone", "UTC")}
    return Waits(name, "wait", written, None, here())


def receive(
    trigger: str,
    into: Variable[T],
    *,
    key: Expression[str] | Expression[int] | None = None,
    transient: bool = False,
    name: str | None = None,
) -> Step[Any, T]:
    """Wait for a trigger; its data, which have to fit the variable, are what the step gives.

    Args:
        trigger: Its name, as `Case.trigger` and events have it.
        into: The variable that takes its data.
        key: Only a trigger with this correlation key, or with none, is taken.
        transient: A trigger that comes while nothing waits for it is lost (WCP-23); otherwise
            the case keeps it (WCP-24).
        name: Of the task; by default that of the trigger.
    """
    pattern = "transient-trigger" if transient else "persistent-trigger"
    written: dict[str, JsonValue | Expression[Any]] = {"trigger": trigger, "into": into.name}
    if key is not None:
        written["key"] = key
    return Waits(name or trigger, pattern, written, into, here())


def when(condition: str | Expression[bool], step: Step[T, A]) -> Choice[T, A]:
    """A choice: this step if the condition holds, else the first of the next that does.

    It is a step as soon as it says what happens `Choice.otherwise`.
    """
    return Choice(((condition, step, here()),))


class Choice(Generic[In_contra, Out_co]):
    """A choice that does not yet say what happens otherwise, and so is no step yet."""

    def __init__(
        self, branches: tuple[tuple[str | Expression[bool] | None, Step[Any, Any], At], ...]
    ) -> None:
        self._branches = branches

    # Where the branches so far take anything, the next one says what the choice takes.
    @overload
    def when(
        self: Choice[object, Out_co], condition: str | Expression[bool], step: Step[T, B]
    ) -> Choice[T, Out_co | B]: ...
    @overload
    def when(
        self, condition: str | Expression[bool], step: Step[In_contra, B]
    ) -> Choice[In_contra, Out_co | B]: ...
    def when(self, condition: str | Expression[bool], step: Step[Any, Any]) -> Choice[Any, Any]:
        """And else this step, if the condition holds."""
        return Choice((*self._branches, (condition, step, here())))

    @overload
    def otherwise(self: Choice[object, Out_co], step: Step[T, B]) -> Step[T, Out_co | B]: ...
    @overload
    def otherwise(self, step: Step[In_contra, B]) -> Step[In_contra, Out_co | B]: ...
    def otherwise(self, step: Step[Any, Any]) -> Step[Any, Any]:
        """And else this step."""
        return Chosen((*self._branches, (None, step, here())), self._branches[0][2])


@overload
def repeat(body: Step[T, T], *, until: str | Expression[bool]) -> Step[T, T]: ...
@overload
def repeat(body: Step[T, T], *, while_: str | Expression[bool]) -> Step[T, T]: ...
def repeat(
    body: Step[Any, Any],
    *,
    until: str | Expression[bool] | None = None,
    while_: str | Expression[bool] | None = None,
) -> Step[Any, Any]:
    """A step again and again, each time on what the last round has given.

    Args:
        body: What is repeated.
        until: The condition after which it ends, tested after each round.
        while_: The condition on which it goes on, tested before each round.
    """
    if (until is None) == (while_ is None):
        raise TypeError("repeat takes either until (tested after) or while_ (tested before)")
    condition = until if until is not None else while_
    assert condition is not None
    return Repeat(body, condition, while_ is not None, here())

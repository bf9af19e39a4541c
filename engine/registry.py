"""The ``@pattern`` mark and the `Registry` that reads it.

A mark only attaches a record to a function. Registration is a separate step that checks the
function's form, refuses duplicates naming both claimants, and finds a pattern by its official
number or by its name (``exclusive-choice``). Patterns of other packages use the same door.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from enum import Enum
from functools import lru_cache
from types import FunctionType, MappingProxyType
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import attrs

from weft.engine.fragment import (
    Branches,
    Condition,
    Count,
    Expression,
    Flows,
    Fragment,
    Items,
    Kind,
    Place,
    PlaceName,
    Places,
    Region,
    ResultCondition,
    ResultExpression,
    SeveralTasks,
    Target,
    Targets,
    Task,
    TaskGroup,
    TaskGroups,
    TriggerName,
    VariableName,
    trigger_variable,
)
from weft.schema.errors import DefinitionError
from weft.schema.jsonvalue import JsonValue

__all__ = ["INTERFACE", "Attachment", "Family", "Parameter", "Pattern", "Registry", "pattern"]

MARK = "__weft_pattern__"
INTERFACE = 1
"""The version of what patterns are written in: the mark, the annotations, the fragment.

A module of patterns may say ``WEFT_PATTERNS = 1``; one that says nothing is of version 1."""
Executor = TypeVar("Executor", bound=Callable[..., Fragment])


class Family(Enum):
    """The families of the catalogue."""

    BASIC = "basic control flow"
    BRANCHING = "branching and synchronization"
    INSTANCES = "multiple instances"
    STATE_BASED = "state-based"
    CANCELLATION = "cancellation"
    ITERATION = "iteration"
    TERMINATION = "termination"
    TRIGGERS = "triggers"


class Attachment(Enum):
    """Where a pattern is asked for in a specification, and so which places it is given."""

    JOIN = "join"
    """At a task's ``join``: ``inputs: Places, output: Place``.

    A merge that is told what does not come asks for ``skips: Places``, one for each input, where
    word of it lies; and if it is told by a whole region, for ``skipped: Place``, where it passes
    word on (empty if nobody wants it). See `weft.engine.deadpaths`.
    """
    THEN = "then"
    """At ``then`` and ``on-failure``: ``input: Place``, and ``end: Place`` if it asks for it.

    A choice that can say what it has not taken asks for ``skips: Places``: for each of its
    branches where word of it goes, empty for one of which nobody wants to know.
    """
    TASK = "task"
    """A key of a task: ``task``, and to stand around it ``input``, ``output``, ``body_input``,
    ``body_output`` (all four or none); ``failure`` and ``body_failure`` as well, to stand before
    its error branch (None where it has none)."""
    NET = "net"
    """A key of a net: ``flows`` if it asks for them."""


_GIVEN: Mapping[Attachment, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    Attachment.JOIN: (
        {"inputs": Places, "output": Place},
        {"skips": Places, "skipped": Place},
    ),
    Attachment.THEN: ({"input": Place}, {"end": Place, "skips": Places}),
    Attachment.TASK: (
        {},
        {
            "task": Task,
            **dict.fromkeys(("input", "output", "body_input", "body_output"), Place),
            **dict.fromkeys(("failure", "body_failure"), Place | None),
        },
    ),
    Attachment.NET: ({}, {"flows": Flows}),
}
"""What each attachment gives: required and optional places."""

_AROUND = frozenset(("input", "output", "body_input", "body_output"))
"""What a pattern around a task is given, all of it or nothing."""


@attrs.frozen
class Parameter:
    """A typed parameter of a pattern, as a specification writes it.

    ``argument`` is its name in Python, which ends in ``_`` where ``name`` is a keyword.
    """

    name: str
    argument: str
    kind: Kind
    required: bool
    default: Any = None

    @property
    def leads_on(self) -> bool:
        """Whether its value names tasks or places that the flow goes on to."""
        return self.kind in _LEADING

    @property
    def names_tasks(self) -> bool:
        """Whether its value names tasks of the net."""
        return self.kind in (_TASK_GROUP, _TASK_GROUPS)

    @property
    def names_parts(self) -> bool:
        """Whether its value names tasks and declared places of the net."""
        return self.kind in (_REGION, _PLACE_NAME)

    @property
    def names_place(self) -> bool:
        """Whether its value names one declared place of the net."""
        return self.kind is _PLACE_NAME

    @property
    def names_several(self) -> bool:
        """Whether its value names multiple-instance tasks of the net."""
        return self.kind is _SEVERAL

    @property
    def is_items(self) -> bool:
        """Whether its value is a list, or an expression that yields one."""
        return self.kind is _ITEMS

    @property
    def sees_results(self) -> bool:
        """Whether its value is an expression over the results of a task's instances."""
        return self.kind is _RESULT_CONDITION

    @property
    def sees_result(self) -> bool:
        """Whether its value is an expression over the result of one instance."""
        return self.kind is _RESULT_EXPRESSION

    @property
    def is_count(self) -> bool:
        """Whether its value is an expression that yields a number."""
        return self.kind is _COUNT

    @property
    def is_expression(self) -> bool:
        """Whether its value is an expression that yields any value."""
        return self.kind is _EXPRESSION

    @property
    def is_condition(self) -> bool:
        """Whether its value is an expression that yields true or false."""
        return self.kind is _CONDITION


@attrs.frozen
class Pattern:
    """A registered pattern executor.

    ``id`` is its official number (WCP-1 to 43), or None for a pattern outside the catalogue.
    ``key`` is the name that specifications use, such as ``structured-partial-join``; where
    several patterns share a ``word``, such as ``for-each``, they use that, and what stands beside
    it says which pattern it is.
    """

    id: int | None
    name: str
    family: Family
    attachment: Attachment
    parameters: tuple[Parameter, ...]
    executor: Callable[..., Fragment]
    aliases: tuple[str, ...] = ()
    wants: frozenset[str] = frozenset()
    word: str | None = None

    @property
    def written(self) -> str:
        """What specifications write to ask for it."""
        return self.word or self.key

    @property
    def key(self) -> str:
        """The name in kebab case."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")

    @property
    def description(self) -> str:
        """The first line of the executor's docstring."""
        return (inspect.getdoc(self.executor) or "").partition("\n")[0]

    @property
    def source(self) -> str:
        """Where the executor is defined, for messages."""
        return f"{self.executor.__module__}.{self.executor.__qualname__}"

    def receives(self, values: Mapping[str, Any]) -> str | None:
        """The variable that takes the data of the trigger that the parameters name, if any."""
        for parameter in self.parameters:
            given = values.get(parameter.argument)
            if parameter.kind is _VARIABLE and given is not None:
                return str(given)
        for parameter in self.parameters:
            if parameter.kind is _TRIGGER and parameter.argument in values:
                return trigger_variable(values[parameter.argument])
        return None

    def read(self, argument: JsonValue) -> dict[str, Any]:
        """The parameters from an argument as it was written.

        A pattern with one parameter takes it directly (``{parallel-split: [a, b]}``), any pattern
        takes a mapping of names (``{structured-partial-join: {n: 2}}``).

        Raises:
            ValueError: What is missing, unknown or wrong, and what would be accepted.
        """
        names = [p.name for p in self.parameters]
        if not self.parameters:
            if argument not in (None, {}):
                raise ValueError(f"{self.written} takes no parameters")
            return {}
        if isinstance(argument, dict) and (set(argument) & set(names) or len(names) > 1):
            given = dict(argument)
        elif len([p for p in self.parameters if p.required]) <= 1 and argument is not None:
            leading = next((p for p in self.parameters if p.required), self.parameters[0])
            given = {leading.name: argument}
        else:
            given = {} if argument is None else {"": argument}
        unknown = [name for name in given if name not in names]
        if unknown:
            shown = "" if unknown == [""] else f"{', '.join(map(str, unknown))}: "
            raise ValueError(f"{shown}{self.written} takes {{{', '.join(names)}}}")
        values: dict[str, Any] = {}
        for parameter in self.parameters:
            if parameter.name in given:
                try:
                    values[parameter.argument] = parameter.kind.read(given[parameter.name])
                except ValueError as error:
                    prefix = f"{parameter.name}: " if len(names) > 1 else ""
                    raise ValueError(f"{prefix}{error}") from None
            elif parameter.required:
                raise ValueError(f"{self.written} needs {parameter.name!r}: {parameter.kind.noun}")
        return values

    @property
    def schema(self) -> dict[str, JsonValue]:
        """The JSON Schema of its argument, in all the forms that `read` takes."""
        if not self.parameters:
            return {"type": ["null", "object"], "maxProperties": 0}
        required: list[JsonValue] = [p.name for p in self.parameters if p.required]
        named: dict[str, JsonValue] = {
            "type": "object",
            "properties": {p.name: dict(p.kind.schema) for p in self.parameters},
            "required": required,
            "additionalProperties": False,
        }
        if len(required) > 1:
            return named
        leading = next((p for p in self.parameters if p.required), self.parameters[0])
        return {"anyOf": [named, dict(leading.kind.schema)]}


@attrs.frozen
class _Mark:
    id: int | None
    name: str
    family: Family
    attachment: Attachment
    aliases: tuple[str, ...]
    word: str | None


def pattern(
    id: int | None,
    name: str,
    *,
    family: Family,
    attaches: Attachment,
    aliases: Iterable[str] = (),
    word: str | None = None,
) -> Callable[[Executor], Executor]:
    """Mark a function as the executor of a pattern; registering it is a separate step.

    Args:
        id: The official number, 1 to 43; None for a pattern of one's own.
        name: The official name; specifications write it in kebab case.
        family: The family of the catalogue.
        attaches: Where specifications ask for it.
        aliases: Names in use elsewhere, for people who look it up; never used by Weft.
        word: What specifications write instead of the name, where patterns that do one thing in
            different ways share it; their parameters have to tell them apart.
    """
    mark = _Mark(id, name, family, attaches, tuple(aliases), word)

    def attach(executor: Executor) -> Executor:
        setattr(executor, MARK, mark)
        return executor

    return attach


def _kind(hint: Any) -> Kind | None:
    """The `Kind` in an annotation, looking through ``| None``."""
    if get_origin(hint) is Annotated:
        return next((m for m in get_args(hint) if isinstance(m, Kind)), None)
    return next((k for k in map(_kind, get_args(hint)) if k is not None), None)


def _inspect(executor: Callable[..., Fragment]) -> Pattern:
    """Check a marked function's form and read its parameters; once for each function and mark.

    Registries are made again and again of the same functions.
    """
    mark = getattr(executor, MARK, None)
    if isinstance(executor, FunctionType) and mark is not None:
        return _inspected(executor, mark)
    return _inspected.__wrapped__(executor, mark)


@lru_cache(maxsize=512)
def _inspected(executor: Callable[..., Fragment], mark: _Mark | None) -> Pattern:
    source = f"{getattr(executor, '__module__', '?')}.{getattr(executor, '__qualname__', executor)}"
    if mark is None:
        raise DefinitionError(
            f"{source} is not marked as a pattern: put @pattern(…) on it", code="pattern"
        )
    if mark.id is not None and not 1 <= mark.id <= 43:
        raise DefinitionError(
            f"{source} claims pattern number {mark.id}; the catalogue has 1 to 43 "
            "(a pattern of one's own has None)",
            code="pattern",
        )
    if not inspect.getdoc(executor):
        raise DefinitionError(f"{source} has no docstring to explain the pattern", code="pattern")
    try:
        hints = get_type_hints(executor, include_extras=True)
    except NameError as error:
        raise DefinitionError(
            f"{source}: an annotation cannot be resolved: {error}", code="pattern"
        ) from error
    required, optional = _GIVEN[mark.attachment]
    parameters: list[Parameter] = []
    wants: set[str] = set()
    for name, spot in inspect.signature(executor).parameters.items():
        hint = hints.get(name)
        if name in required or name in optional:
            if hint != (required.get(name) or optional.get(name)):
                raise DefinitionError(
                    f"{source}: parameter {name!r} is given by the surroundings; annotate it with "
                    f"the type of weft.engine.fragment that attaches to {mark.attachment.value!r}",
                    code="pattern",
                )
            wants.add(name)
            continue
        kind = _kind(hint)
        if kind is None:
            raise DefinitionError(
                f"{source}: parameter {name!r} needs one of the annotations of "
                "weft.engine.fragment (PositiveInt, Condition, Targets, Branches, …)",
                code="pattern",
            )
        absent = spot.default is inspect.Parameter.empty
        default = None if absent else spot.default
        written = name.rstrip("_").replace("_", "-")
        parameters.append(Parameter(written, name, kind, absent, default))
    missing = [name for name in required if name not in wants]
    if mark.attachment is Attachment.TASK and wants & _AROUND and not wants >= _AROUND:
        missing += sorted(_AROUND - wants)
    if missing:
        raise DefinitionError(
            f"{source}: a pattern that attaches to {mark.attachment.value!r} takes "
            f"{', '.join(required or sorted(wants | _AROUND))}; missing: {', '.join(missing)}",
            code="pattern",
        )
    return Pattern(
        mark.id,
        mark.name,
        mark.family,
        mark.attachment,
        tuple(parameters),
        executor,
        mark.aliases,
        frozenset(wants),
        mark.word,
    )


Others = Callable[[], Iterable[tuple[str, Callable[..., Fragment] | None, str]]]
"""Finds the executors that other packages bring: the package, the executor, or what is wrong."""


class Registry:
    """The patterns that specifications may ask for, by name and by official number.

    What ``others`` finds is registered when something is asked for that is not here, or all is:
    looking for it takes longer than most specifications do. A pattern of theirs that cannot be
    registered is missing, and no more than that; `faults` says why.
    """

    def __init__(
        self, executors: Iterable[Callable[..., Fragment]] = (), others: Others | None = None
    ) -> None:
        self._by_key: dict[str, Pattern] = {}
        self._by_id: dict[int, Pattern] = {}
        self._by_word: dict[str, list[Pattern]] = {}
        self._others = others
        self._faults: list[str] = []
        for executor in executors:
            self.register(executor)

    def seek(self, names: Iterable[str] | None = None) -> None:
        """Register what other packages bring, if one of the names (None: any) is unknown here."""
        if self._others is None:
            return
        if names is not None and all(n in self._by_key or n in self._by_word for n in names):
            return
        others, self._others = self._others, None
        for package, executor, wrong in others():
            if executor is None:
                self._faults.append(f"{package}: {wrong}")
                continue
            try:
                self.register(executor)
            except DefinitionError as error:
                self._faults.append(f"{package}: {error.message}")

    @property
    def faults(self) -> tuple[str, ...]:
        """Why patterns of other packages are missing: each the package, and what is wrong."""
        self.seek()
        return tuple(self._faults)

    def register(self, executor: Callable[..., Fragment]) -> Pattern:
        """Check a marked executor and add it.

        Raises:
            DefinitionError: It has no mark, a wrong form, or a number or name that is taken.
        """
        found = _inspect(executor)
        for claimed in (self._by_key.get(found.key), self._by_id.get(found.id or 0)):
            if claimed is not None:
                raise DefinitionError(
                    f"both {claimed.source} and {found.source} claim to be pattern "
                    f"{found.id or found.key!r}",
                    code="pattern-duplicate",
                )
        self._spoken_for(found)
        self._by_key[found.key] = found
        if found.word is not None:
            self._by_word.setdefault(found.word, []).append(found)
        if found.id is not None:
            self._by_id[found.id] = found
        return found

    def _spoken_for(self, found: Pattern) -> None:
        """Refuse a word that is the name of a pattern, or of patterns that stand elsewhere."""
        others = self._by_word.get(found.written, [])
        taken = self._by_key.get(found.word or "") or next(
            (p for p in others if p.attachment is not found.attachment or p.word != found.word),
            None,
        )
        if taken is not None:
            raise DefinitionError(
                f"both {taken.source} and {found.source} claim the word {found.written!r}",
                code="pattern-duplicate",
            )

    @property
    def missing(self) -> str:
        """The `faults` as the end of a message about a name that is not known."""
        return f"; not loaded: {'; '.join(self.faults)}" if self.faults else ""

    def __iter__(self) -> Iterator[Pattern]:
        self.seek()
        return iter(sorted(self._by_key.values(), key=lambda p: (p.id or 99, p.key)))

    def __len__(self) -> int:
        self.seek()
        return len(self._by_key)

    def __contains__(self, key: object) -> bool:
        """Whether specifications may write this to ask for a pattern."""
        found = self._by_key.get(key) if isinstance(key, str) else None
        return key in self._by_word or (found is not None and found.word is None)

    @property
    def by_key(self) -> Mapping[str, Pattern]:
        """All patterns by the names that specifications use."""
        return MappingProxyType(self._by_key)

    def find(self, key: str | int) -> Pattern | None:
        """A pattern by name, alias or official number; None when there is none."""
        if isinstance(key, int) or re.fullmatch("[0-9]{1,3}", key):
            return self._by_id.get(int(key))
        wanted = re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")
        self.seek([wanted])
        if wanted in self._by_key:
            return self._by_key[wanted]
        return next((p for p in self if key.lower() in (a.lower() for a in p.aliases)), None)

    def named(self, key: str | int) -> tuple[Pattern, ...]:
        """The patterns of a name, alias or official number, or all that share a word."""
        one = self.find(key)
        if one is not None:
            return (one,)
        return tuple(p for p in self if p.word is not None and p.word == str(key).lower())

    def schemas(self) -> dict[str, dict[str, dict[str, JsonValue]]]:
        """Attachment to what is written there to the JSON Schema of its argument."""
        found: dict[str, dict[str, list[JsonValue]]] = {a.value: {} for a in Attachment}
        for one in self:
            found[one.attachment.value].setdefault(one.written, []).append(one.schema)
        return {
            at: {name: {"anyOf": schemas} for name, schemas in written.items()}
            for at, written in found.items()
        }

    def meant(self, written: str, argument: JsonValue = None) -> Pattern | None:
        """The pattern that something written in a specification asks for; None: no pattern."""
        sharing = self._by_word.get(written)
        if sharing is not None:
            return _chosen(sharing, argument)
        return self._by_key.get(written) if written in self else None

    def get(self, key: str, attachment: Attachment, argument: JsonValue = None) -> Pattern:
        """The pattern that is asked for there by that name, or by a word with that argument.

        Raises:
            ValueError: There is none; the message lists those that attach there, the nearest first.
        """
        self.seek([key])
        sharing = self._by_word.get(key)
        if sharing is not None and sharing[0].attachment is attachment:
            return _chosen(sharing, argument)
        found = self._by_key.get(key) or next(iter(sharing or ()), None)
        if found is not None and found.attachment is attachment and found.word is None:
            return found
        fitting = sorted({p.written for p in self if p.attachment is attachment})
        near = get_close_matches(key, fitting, n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        if found is not None and found.attachment is not attachment:
            raise ValueError(f"{key} stands at {found.attachment.value!r}, not here{hint}")
        if found is not None:
            needed = ", ".join(p.name for p in found.parameters if p.required)
            raise ValueError(f"{key} is written `{found.word}`, with {needed or 'its parameters'}")
        raise ValueError(
            f"no pattern is called {key!r}{hint}; known here: {', '.join(fitting)}{self.missing}"
        )


def _chosen(sharing: Iterable[Pattern], argument: JsonValue) -> Pattern:
    """Of the patterns that share a word, the one that an argument is for.

    That which can be read and needs the most of what is given; where none can be read, the one
    that most of it is for, whose reader then says what is wrong.
    """
    given = set(argument) if isinstance(argument, dict) else set()

    def fit(pattern: Pattern) -> tuple[int, int, int]:
        names = {p.name for p in pattern.parameters}
        required = {p.name for p in pattern.parameters if p.required}
        return -len(given - names), len(given & required), -len(required - given)

    best = sorted(sharing, key=fit, reverse=True)
    for pattern in best:
        try:
            pattern.read(argument)
        except ValueError:
            continue
        return pattern
    return best[0]


_CONDITION = _kind(Condition)
_COUNT = _kind(Count)
_EXPRESSION = _kind(Expression)
_TRIGGER, _VARIABLE = _kind(TriggerName), _kind(VariableName)
_TASK_GROUP, _TASK_GROUPS = _kind(TaskGroup), _kind(TaskGroups)
_SEVERAL, _ITEMS = _kind(SeveralTasks), _kind(Items)
_RESULT_CONDITION, _RESULT_EXPRESSION = _kind(ResultCondition), _kind(ResultExpression)
_REGION, _PLACE_NAME = _kind(Region), _kind(PlaceName)
_LEADING = tuple(_kind(hint) for hint in (Target, Targets, Branches))

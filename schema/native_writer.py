"""Writes specifications in the native format, laid out for people.

What fits on a line stands on a line, as in ``lint: {shell: [ruff, check, .], then: judge}``; what
does not is written one key a line. A net whose tasks only follow each other is written in the
short form. Reading the text back gives an equal specification.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from weft.schema.durations import format_duration
from weft.schema.errors import DefinitionError, DefinitionErrors
from weft.schema.jsonvalue import JsonValue, NotJson, checked
from weft.schema.native import FORMAT_VERSION, KEYS, read_native, step_name
from weft.schema.specification import (
    EventTrigger,
    NetDefinition,
    PlaceDefinition,
    Retry,
    ScheduleTrigger,
    Specification,
    TaskDefinition,
    Termination,
    Use,
)

__all__ = ["write_native", "write_yaml"]

_WIDTH: Final = 100


def write_native(specification: Specification) -> str:
    """The text of a specification in the native format.

    Durations are written to the microsecond, which is what Weft's clocks count. A root net of
    another name is called ``net``, as it has to be in this format.

    Raises:
        DefinitionErrors: What this format cannot say: a task's name with spaces, two connectors
            of one name at a task.
    """
    title = f"{specification.name!r} cannot be written in the native format"
    try:
        text = "".join(f"{line}\n" for line in _file(_with_root_called_net(specification)))
        read_native(text)
    except DefinitionErrors as group:
        # Lines of a text that nobody has seen help nobody; the messages name the task and key.
        members = [fault for fault in group.exceptions if isinstance(fault, DefinitionError)]
        faults = [DefinitionError(fault.message, code=fault.code) for fault in members]
        raise DefinitionErrors(title, faults) from None
    except DefinitionError as fault:
        only = DefinitionError(fault.message, code=fault.code)
        raise DefinitionErrors(title, [only]) from None
    return text


def write_yaml(file: Mapping[str, Any]) -> str:
    """A mapping as YAML in the same layout; a list of mappings has each of their keys on a line."""

    def block(value: Any) -> Any:
        if _is_list(value) and value and all(isinstance(item, Mapping) for item in value):
            return _BlockList(_Block(item) for item in value)
        return value

    lines = (line for key, value in file.items() for line in _entry(f"{key}:", block(value), 0))
    return "".join(f"{line}\n" for line in lines)


def _with_root_called_net(specification: Specification) -> Specification:
    root = specification.root
    if root == "net":
        return specification
    if "net" in specification.nets:
        raise DefinitionError(
            f"the root net is {root!r}, so no other net may be called 'net'", code="duplicate-name"
        )

    def renamed(use: Use) -> Use:
        return Use("net", "net") if use == Use("net", root) else use

    nets = {
        "net" if name == root else name: attrs.evolve(
            net,
            tasks={
                task.name: attrs.evolve(task, uses=tuple(map(renamed, task.uses)))
                for task in net.tasks.values()
            },
        )
        for name, net in specification.nets.items()
    }
    return attrs.evolve(specification, nets=nets, root="net")


# --- from the specification to keys and values ----------------------------------------------


class _Block(dict[str, Any]):
    """A mapping that is written one entry a line, however short it is."""


class _BlockList(list[Any]):
    """A list that is written one item a line, however short it is."""


def _file(specification: Specification) -> Iterator[str]:
    root = specification.nets[specification.root]
    steps = _steps(root)
    file = _Block(weft=FORMAT_VERSION, name=specification.name)
    if specification.version != "1":
        file["version"] = specification.version
    if specification.description:
        file["description"] = specification.description
    if specification.language != "cel":
        file["language"] = specification.language
    if specification.metadata:
        file["metadata"] = dict(specification.metadata)
    if specification.triggers or specification.schedules:
        triggers = [
            *map(_trigger, specification.triggers),
            *map(_schedule, specification.schedules),
        ]
        file["triggers"] = _BlockList(triggers)
    if root.variables:
        file["data"] = _variables(root)
    if steps is not None:
        file["sequence"] = steps
    else:
        file["net"] = _net(root)
    nets = {name: net for name, net in specification.nets.items() if net is not root}
    if nets:
        file["nets"] = _Block({name: _net(net, data=True) for name, net in nets.items()})
    for key, value in file.items():
        yield from _entry(f"{key}:", value, 0)


def _schedule(trigger: ScheduleTrigger) -> dict[str, Any]:
    keys: dict[str, Any] = {"schedule": trigger.schedule}
    if trigger.zone != "UTC":
        keys["zone"] = trigger.zone
    if trigger.data:
        keys["data"] = _json(dict(trigger.data))
    if trigger.missed != "skip":
        keys["missed"] = trigger.missed
    return keys


def _trigger(trigger: EventTrigger) -> dict[str, Any]:
    keys: dict[str, Any] = {"event": trigger.event}
    if trigger.when is not None:
        keys["when"] = trigger.when
    if trigger.data is not None:
        keys["data"] = _json(dict(trigger.data))
    return keys


def _steps(net: NetDefinition) -> _BlockList | None:
    """The steps of the short form, if that is all there is to a net."""
    names = list(net.tasks)
    if not names or net.start != (names[0],) or net.places or net.uses:
        return None
    if net.termination is not Termination.IMPLICIT:
        return None
    steps = _BlockList()
    for index, task in enumerate(net.tasks.values()):
        following = names[index + 1] if index + 1 < len(names) else None
        then = Use("sequence", following) if following is not None else None
        if task.join is not None or task.then != then:
            return None
        if any(use.name == "name" for use in task.uses):  # the short form's own key
            return None
        step = _Block() if task.name == step_name(index) else _Block(name=task.name)
        step.update(_task(attrs.evolve(task, then=None)))
        steps.append(step or {})
    return steps


def _net(net: NetDefinition, *, data: bool = False) -> _Block:
    start = net.start[0] if len(net.start) == 1 else list(net.start)
    block = _Block(start=start)
    if net.termination is not Termination.IMPLICIT:
        block["termination"] = net.termination.value
    if data and net.variables:
        block["data"] = _variables(net)
    block["tasks"] = _Block({name: _task(task) for name, task in net.tasks.items()})
    if net.places:
        block["places"] = _Block({name: _place(place) for name, place in net.places.items()})
    if net.uses:
        block["patterns"] = _BlockList(
            use.name if use.argument is None else _Block({use.name: _json(use.argument)})
            for use in net.uses
        )
    return block


def _variables(net: NetDefinition) -> _Block:
    return _Block({name: variable.as_json() for name, variable in net.variables.items()})


def _task(task: TaskDefinition) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    if task.title:
        keys["title"] = task.title
    if task.description:
        keys["description"] = task.description
    if task.join is not None:
        keys["join"] = _named(task.join)
    for use in task.uses:
        if use.name in keys or use.name in KEYS["task"]:
            raise DefinitionError(
                f"task {task.name!r}: the key {use.name!r} would stand twice, or mean another thing",
                code="duplicate-name",
            )
        keys[use.name] = _json(use.argument)
    if task.inputs:
        keys["in"] = _json(dict(task.inputs))
    if task.outputs is not None:
        keys["out"] = _json(dict(task.outputs))
    written: dict[str, tuple[Any, Callable[[Any], JsonValue]]] = {
        "timeout": (task.timeout_seconds, format_duration)
        if task.expires is None
        else (task.expires if isinstance(task.expires, dict) else {"for": task.expires}, _json),
        "on-timeout": (task.on_timeout, _flow_to),
        "due": (task.due, _json),
        "on-due": (task.on_due, _flow_to),
        "retry": (task.retry, _retry),
        "concurrency": (task.concurrency, _json),
        "then": (task.then, _flow_to),
        "on-failure": (task.on_failure, _flow_to),
        "compensate": (task.compensate, _json),
    }
    for key, (value, write) in written.items():
        if value is not None:
            keys[key] = write(value)
    return keys


def _named(use: Use) -> JsonValue:
    return use.name if use.argument is None else {use.name: _json(use.argument)}


def _flow_to(use: Use) -> JsonValue:
    # A name alone is the next task here, so a pattern is always a mapping.
    if use.name == "sequence" and isinstance(use.argument, str):
        return use.argument
    return {use.name: _json(use.argument)}


def _json(argument: object) -> JsonValue:
    try:
        return checked(argument, what="argument")
    except NotJson as error:
        raise DefinitionError(str(error), code="not-json") from None


def _retry(retry: Retry) -> dict[str, Any]:
    keys: dict[str, Any] = {"attempts": retry.attempts}
    default = Retry(attempts=retry.attempts)
    if retry.delay_seconds != default.delay_seconds:
        keys["delay"] = format_duration(retry.delay_seconds)
    if retry.factor != default.factor:
        keys["factor"] = int(retry.factor) if retry.factor == int(retry.factor) else retry.factor
    if retry.max_delay_seconds != default.max_delay_seconds:
        keys["max-delay"] = format_duration(retry.max_delay_seconds)
    if retry.jitter != default.jitter:
        keys["jitter"] = retry.jitter
    if retry.crashes != default.crashes:
        keys["crashes"] = retry.crashes
    return keys


def _place(place: PlaceDefinition) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    if place.description:
        keys["description"] = place.description
    if place.tokens:
        keys["tokens"] = place.tokens
    if place.then is not None:
        keys["then"] = _flow_to(place.then)
    return keys


# --- from keys and values to lines ----------------------------------------------------------


def _entry(head: str, value: Any, indent: int) -> Iterator[str]:
    """The lines of a value after its head, which is a key with ``:`` or a ``-``."""
    if isinstance(value, str):
        literal = _literal(value)
        if literal is None:
            yield f"{head} {_text(value, _PLAIN_IN_BLOCK)}"
        else:
            yield f"{head} {literal}"
            for line in value.removesuffix("\n").split("\n"):
                yield f"{' ' * (indent + 2)}{line}" if line else ""
        return
    line = "" if isinstance(value, _Block | _BlockList) else f"{head} {_flow(value)}"
    fits = line and len(line) <= _WIDTH and not _has_lines(value)
    if fits or not _is_collection(value) or not value:
        yield line or f"{head} {_flow(value)}"
        return
    below = " " * (indent + 2)
    lines: Iterator[str]
    if isinstance(value, Mapping):
        lines = (
            line
            for key, item in value.items()
            for line in _entry(f"{below}{_text(key, _PLAIN)}:", item, indent + 2)
        )
        if head.endswith("-"):  # the first key stands beside the dash
            yield f"{head} {next(lines)[len(below) :]}"
        else:
            yield head
    else:
        lines = (line for item in value for line in _entry(f"{below}-", item, indent + 2))
        yield head
    yield from lines


def _is_collection(value: Any) -> bool:
    return isinstance(value, Mapping) or _is_list(value)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _has_lines(value: Any) -> bool:
    """Whether a text of several lines is in a value; it reads best as a block of its own."""
    if isinstance(value, str):
        return _literal(value) is not None
    if isinstance(value, Mapping):
        return any(map(_has_lines, value.values()))
    return _is_list(value) and any(map(_has_lines, value))


def _flow(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, str):
        return _text(value, _PLAIN)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_text(k, _PLAIN)}: {_flow(v)}" for k, v in value.items()) + "}"
    if _is_list(value):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)


_PLAIN: Final = re.compile(
    r"(?:--?(?=[A-Za-z]))?(?:[^\W\d]|/|\.\.?(?=/|$))(?: ?[\w./+=~@%-])*"
    r"|[0-9]+\.[0-9]+\.[0-9]+(?:[.+-]\w+)*|(?:[0-9]+(?:\.[0-9]+)?(?:d|h|m|s|ms|us))+"
)
"""Text that needs no quotes anywhere; a careful part of what YAML allows."""

_PLAIN_IN_BLOCK: Final = re.compile(
    r"(?:--?(?=[A-Za-z]))?(?:[^\W\d]|/|\.\.?(?=/|$))(?: ?[\w./+=~@%,;()!?'<>&|*-])*"
    r"|[0-9]+\.[0-9]+\.[0-9]+(?:[.+-]\w+)*|(?:[0-9]+(?:\.[0-9]+)?(?:d|h|m|s|ms|us))+"
)
"""Text that needs no quotes outside of brackets and braces."""

_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off"})
"""What readers of YAML 1.1 or 1.2 take for something other than text, in any case."""

_UNPRINTABLE: Final = re.compile(
    "[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_ESCAPES: Final = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}


def _text(text: str, plain: re.Pattern[str]) -> str:
    """A text as a scalar on one line, in quotes only where it needs them."""
    if plain.fullmatch(text) and text.lower() not in _WORDS:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_UNPRINTABLE.sub(_escape, escaped)}"'


def _escape(found: re.Match[str]) -> str:
    character = found.group()
    if character in _ESCAPES:
        return _ESCAPES[character]
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _literal(text: str) -> str | None:
    """The mark of a literal block, ``|`` or ``|-``, for a text that reads well as one."""
    lines = text.removesuffix("\n").split("\n")
    if len(lines) == 1 and not text.endswith("\n"):
        return None
    if not lines[0] or lines[0][0] == " " or not lines[-1]:
        return None
    if any(line.endswith(" ") or _UNPRINTABLE.search(line) for line in lines):
        return None
    return "|" if text.endswith("\n") else "|-"

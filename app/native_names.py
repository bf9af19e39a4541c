"""Tasks and places whose names the native format does not take: other names for them.

Other engines let names begin with a digit; here they begin with a letter. What refers to a task or
place (flows, cancellation regions) is renamed with it; what people read and say stays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from weft.schema.jsonvalue import JsonValue
from weft.schema.specification import NetDefinition, Specification, TaskDefinition, Use

__all__ = ["native_names"]

_NAME = re.compile("[A-Za-z_][A-Za-z0-9_-]{0,99}")
_REGIONS = ("cancel-region", "cancel-task", "cancel-multiple-instance-task")


def native_names(specification: Specification) -> tuple[Specification, dict[str, str]]:
    """The specification with names that the native format takes, and what has been renamed."""
    renamed: dict[str, str] = {}
    nets: dict[str, NetDefinition] = {}
    called = _names([n for n in specification.nets if n != specification.root])
    for name, net in specification.nets.items():
        names = _names([*net.tasks, *net.places])
        renamed |= {old: new for old, new in (names | called).items() if old != new}
        nets[called.get(name, name)] = _net(net, names, called)
    if not renamed:
        return specification, {}
    return attrs.evolve(specification, nets=nets), renamed


def _names(names: list[str]) -> dict[str, str]:
    """Each name to one that is taken: itself, or with an underscore before it."""
    made = {name: name for name in names if _NAME.fullmatch(name)}
    for name in names:
        if name not in made:
            new = f"_{re.sub('[^A-Za-z0-9_-]', '_', name)}"[:90]
            while new in made.values():
                new += "_"
            made[name] = new
    return made


def _net(net: NetDefinition, names: Mapping[str, str], nets: Mapping[str, str]) -> NetDefinition:
    return attrs.evolve(
        net,
        name=nets.get(net.name, net.name),
        start=tuple(names.get(name, name) for name in net.start),
        tasks={names[name]: _task(task, names, nets) for name, task in net.tasks.items()},
        places={
            names[name]: attrs.evolve(place, name=names[name], then=_use(place.then, names))
            for name, place in net.places.items()
        },
    )


def _task(
    task: TaskDefinition, names: Mapping[str, str], nets: Mapping[str, str]
) -> TaskDefinition:
    uses = []
    for use in task.uses:
        if use.name == "net" and isinstance(use.argument, str):
            uses.append(attrs.evolve(use, argument=nets.get(use.argument, use.argument)))
        else:
            uses.append(_use(use, names) or use if use.name in _REGIONS else use)
    return attrs.evolve(
        task,
        name=names[task.name],
        title=task.title or ("" if names[task.name] == task.name else task.name),
        join=_use(task.join, names),
        then=_use(task.then, names),
        on_failure=_use(task.on_failure, names),
        on_timeout=_use(task.on_timeout, names),
        on_due=_use(task.on_due, names),
        uses=tuple(uses),
    )


def _use(use: Use | None, names: Mapping[str, str]) -> Use | None:
    return None if use is None else attrs.evolve(use, argument=_argument(use.argument, names))


def _argument(value: JsonValue, names: Mapping[str, str]) -> JsonValue:
    """An argument with other names in it; conditions are texts of their own."""
    if isinstance(value, list):
        return [_argument(part, names) for part in value]
    if isinstance(value, dict):
        return {k: v if k == "when" else _argument(v, names) for k, v in value.items()}
    if not isinstance(value, str):
        return value
    source, way, target = value.partition(">")
    if way:
        return f"{names.get(source, source)}>{names.get(target, target)}"
    base, dot, part = value.partition(".")
    return names.get(value) or f"{names.get(base, base)}{dot}{part}"

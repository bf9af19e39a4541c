"""What is shown on top of a net: where a case stands, and a path of transitions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches

import attrs

from weft.drawing.model import State
from weft.engine.case import CaseState, WorkItem
from weft.engine.lifecycle import ItemStatus
from weft.engine.net import CompiledSpecification
from weft.engine.verify.report import in_its_net
from weft.schema.errors import UsageError

__all__ = ["Overlay", "overlays"]

_GRAVEST = (ItemStatus.FAILED, ItemStatus.STARTED, ItemStatus.OFFERED)
_STATES = {
    ItemStatus.FAILED: State.FAILED,
    ItemStatus.STARTED: State.STARTED,
    ItemStatus.OFFERED: State.OFFERED,
}


@attrs.frozen
class Overlay:
    """The marking, the open work and the path of one net, over all its live scopes.

    ``marked``: there is a case, so the initial marking is not shown. ``steps`` are the numbers that a transition has in the path, by its name; ``places`` are
    those of the net, ``touched`` those that the path takes from or puts to; ``tasks`` lie on the
    path, ``owners`` are the tasks that the joins and splits on it belong to.
    """

    marked: bool = False
    tokens: Mapping[str, int] = attrs.field(factory=dict)
    resting: Collection[str] = ()
    items: Mapping[str, Sequence[WorkItem]] = attrs.field(factory=dict)
    done: Collection[str] = ()
    steps: Mapping[str, Sequence[int]] = attrs.field(factory=dict)
    tasks: Collection[str] = ()
    owners: Collection[str] = ()
    touched: Collection[str] = ()
    places: Collection[str] = ()

    def state(self, task: str) -> State:
        """The gravest state of the open items of a task."""
        statuses = {item.status for item in self.items.get(task, ())}
        for status in _GRAVEST:
            if status in statuses:
                return _STATES[status]
        return State.DONE if task in self.done else State.PLAIN

    def words(self, task: str) -> tuple[str, ...]:
        """The open items of a task in words: one is told, of several how many there are."""
        items = self.items.get(task, ())
        if not items:
            return ("✓ done",) if task in self.done else ()
        counts = {status: [item for item in items if item.status is status] for status in _GRAVEST}
        told = []
        for status, found in counts.items():
            if len(found) > 1:
                told.append(f"● {len(found)} {status.value}")
            elif found:
                again = f", attempt {found[0].attempt}" if found[0].attempt > 1 else ""
                told.append(f"● {status.value}{again}")
        return tuple(told)


def overlays(
    compiled: CompiledSpecification, case: CaseState | None, path: Sequence[str]
) -> dict[str, Overlay]:
    """The overlay of each net.

    Raises:
        UsageError: The path names a transition that no net has.
    """
    steps = _steps(compiled, path)
    found = {}
    for name, net in compiled.nets.items():
        scopes = [] if case is None else [s for s in case.scopes.values() if s.net == name]
        tokens: dict[str, int] = {}
        for scope in scopes:
            for place, count in net.marking_view(scope.marking).items():
                tokens[place] = tokens.get(place, 0) + count
        items: dict[str, list[WorkItem]] = {}
        done: set[str] = set()
        if case is not None:
            ids = {scope.id for scope in scopes}
            for item in case.items.values():
                if item.scope in ids:
                    items.setdefault(item.task, []).append(item)
            # Items are counted by task name over all nets: only a name of one net tells.
            done = {
                task
                for task in net.tasks
                if case.serials.get(task) and task not in items
                if sum(task in other.tasks for other in compiled.nets.values()) == 1
            }
        on_path = [t for t in net.transitions if t.name in steps]
        found[name] = Overlay(
            marked=case is not None,
            tokens=tokens,
            resting={p.name for p in net.places if p.resting},
            items=items,
            done=done,
            steps={t.name: steps[t.name] for t in on_path},
            tasks={t.task or t.name for t in on_path},
            owners={t.task or t.name.partition(".")[0] for t in on_path},
            touched={p for t in on_path for p in (*t.sources, *(a.place for a in t.put))},
            places={p.name for p in net.places},
        )
    return found


def _steps(compiled: CompiledSpecification, path: Sequence[str]) -> dict[str, list[int]]:
    known = {t.name for net in compiled.nets.values() for t in net.transitions}
    steps: dict[str, list[int]] = {}
    for number, given in enumerate(path, 1):
        name = given if given in known else in_its_net(given)
        if name not in known:
            near = get_close_matches(name, known, n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise UsageError(
                f"the path names the transition {name!r}, which the net of {compiled.name!r} "
                f"does not have{hint}",
                code="no-transition",
            )
        steps.setdefault(name, []).append(number)
    return steps

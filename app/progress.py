"""A case as it runs, told a line a step.

`Progress` is a listener: it is given every batch of events after it became durable. The same
lines are told of a case that is replayed. Times are those of the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from weft.engine import events as e

if TYPE_CHECKING:
    from weft.engine.case import CaseState
    from weft.engine.net import Net, Transition
    from weft.engine.runtime.live import Batch

__all__ = ["Progress", "branch_taken"]

LONGEST_REASON = 160
"""Of the reason of a failure, so many characters are told; `weft status` has the rest."""


class Progress:
    """Tells what happens in a case.

    Args:
        say: Takes each line.
        duration: Writes a length of time, in seconds, for people.
    """

    def __init__(
        self, say: Callable[[str], None], *, duration: Callable[[float], str] = "{:.2f} s".format
    ) -> None:
        self._say = say
        self._duration = duration
        self._began: int | None = None
        self._started: dict[str, int] = {}
        self._width = 8

    def __call__(self, batch: Batch) -> None:
        """Tell what a batch has done."""
        for event, record in zip(batch.events, batch.records, strict=True):
            if self._began is None:
                self._began = record.time
            for subject, text in self._told(event, batch, record.time):
                self._width = max(self._width, len(subject))
                elapsed = (record.time - self._began) / 1_000_000
                self._say(f"{elapsed:8.2f}  {subject:{self._width}}  {text}")

    def _told(self, event: e.Event, batch: Batch, time: int) -> Iterator[tuple[str, str]]:
        """What an event is about, and what is to be said of it."""
        match event:
            case e.CaseFailed(error=error):
                yield "case", f"failed: {_reason(error)}"
            case e.CaseCancelled(reason=reason, by=by):
                yield "case", f"cancelled{_by(by)}{': ' + reason if reason else ''}"
            case e.CaseSuspended(reason=reason):
                yield "case", f"suspended{': ' + reason if reason else ''}"
            case e.CaseResumed():
                yield "case", "resumed"
            case e.CaseDeadlocked():
                yield "case", "deadlocked: nothing can happen any more, and work is left"
            case e.TransitionFired(transition=name, scope=scope, cancelled=cancelled):
                net = _net(batch, scope)
                taken = instances_told(net, event) or branch_taken(net, name)
                if taken is not None:
                    yield taken
                for item in cancelled:
                    yield _short(item), f"cancelled by {name}"
            case e.TimerSet(timer=timer, due=due):
                wait = self._duration(max(due - time, 0) / 1_000_000)
                yield _waiting(timer), f"waits {wait}"
            case e.TimerFired(timer=timer):
                yield _waiting(timer), "its time has come"
            case e.TriggerAwaited(wait=wait, trigger=trigger, key=key):
                asked = "" if key is None else f" with key {key}"
                yield _waiting(wait), f"waits for trigger {trigger}{asked}"
            case e.TriggerReceived(trigger=trigger, by=by):
                yield "trigger", f"{trigger} received{_by(by)}"
            case e.TriggerKept(trigger=trigger, by=by):
                yield "trigger", f"{trigger} kept{_by(by)}: nothing waits for it yet"
            case e.TriggerDiscarded(trigger=trigger, by=by):
                yield "trigger", f"{trigger} discarded{_by(by)}: nothing waits for it"
            case _:
                yield from self._told_of_item(event, batch, time)

    def _told_of_item(self, event: e.Event, batch: Batch, time: int) -> Iterator[tuple[str, str]]:
        match event:
            case e.WorkItemOffered(item=item):
                yield _short(item), "offered: waits for somebody"
            case e.WorkItemWithdrawn(item=item):
                yield _short(item), "withdrawn"
            case e.WorkItemClaimed(item=item, by=by):
                yield _short(item), f"claimed by {by}"
            case e.WorkItemReleased(item=item, by=by):
                yield _short(item), f"released{_by(by)}"
            case e.WorkItemDelegated(item=item, to=to, by=by):
                yield _short(item), f"delegated to {to}{_by(by)}"
            case e.WorkItemStarted(item=item, by=by):
                self._started[item] = time
                yield _short(item), f"started{_by(by)}"
            case e.WorkItemRetried(item=item, attempt=attempt, interrupted=interrupted, by=by):
                self._started[item] = time
                why = ": the attempt before was interrupted" if interrupted else ""
                yield _short(item), f"started again{_by(by)}, attempt {attempt}{why}"
            case e.WorkItemCompleted(item=item, by=by, cancelled=cancelled):
                yield _short(item), f"completed{_by(by)} in {self._taken(item, time)}"
                for other in cancelled:
                    yield _short(other), f"cancelled by {_short(item)}"
            case e.WorkItemFailed(item=item, error=error, retry_at=retry_at):
                attempt = error.get("attempt", 1)
                again = ""
                if retry_at is not None:
                    again = f"; again in {self._duration((retry_at - time) / 1_000_000)}"
                yield _short(item), f"attempt {attempt} failed: {_reason(error)}{again}"
            case e.WorkItemGivenUp(item=item, by=by, timed_out=late):
                branch = "the branch for what is late" if late else "its error branch"
                yield _short(item), f"given up{_by(by)}: takes {branch}"
            case e.WorkItemReminded(item=item):
                yield _short(item), "due, and not done"
            case e.InstanceAdded(task=task, by=by):
                yield task, f"one more instance{_by(by)}"
            case e.InstancesSealed(task=task, by=by):
                yield task, f"sealed{_by(by)}: no more instances"

    def _taken(self, item: str, time: int) -> str:
        return self._duration((time - self._started.pop(item, time)) / 1_000_000)


def _waiting(wait: str) -> str:
    """The task before which something waits."""
    return wait.partition(".")[0]


def instances_told(net: Net | None, event: e.TransitionFired) -> tuple[str, str] | None:
    """What a firing means for a multiple-instance task; None when it has to do with none."""
    if net is None:
        return None
    if event.transition in net.entering:
        task, multiple = net.entering[event.transition]
        number = event.counts[0] if multiple.number is None else multiple.number
        return task.name, f"{number} instance{'' if number == 1 else 's'}"
    return None


def branch_taken(net: Net | None, transition: str) -> tuple[str, str] | None:
    """Who has taken which branch by a firing; None when there was nothing to choose.

    There is a choice when a guarded transition takes from the same place.
    """
    if net is None or any(transition in known for known in (net.judging, net.collecting)):
        return None
    fired = net.transitions[net.transition_index[transition]]
    places = {arc.place for arc in fired.take}
    guarded = any(t.when for t in net.transitions if places & {arc.place for arc in t.take})
    if not guarded:
        return None
    return transition.partition(".")[0], f"→ {', '.join(_targets(fired)) or transition}"


def _targets(transition: Transition) -> list[str]:
    """The tasks that a firing leads to: flows are called ``from>to``."""
    names = (arc.place.rpartition(">")[2] or arc.place for arc in transition.put)
    return ["the end" if name == "end" else name for name in names]


def _net(batch: Batch, scope: int) -> Net | None:
    """The net of a scope, which may have been closed by the batch, or opened."""
    states: tuple[CaseState | None, ...] = (batch.before, batch.after)
    return next((s.net(scope) for s in states if s is not None and scope in s.scopes), None)


def _short(item: str) -> str:
    """An item as it is told of: the first of its task by the task's name alone."""
    return item.removesuffix("/1")


def _by(who: str | None) -> str:
    return f" by {who}" if who else ""


def _reason(error: dict[str, object]) -> str:
    text = str(error.get("message") or error.get("code") or "")
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_REASON else line[: LONGEST_REASON - 1] + "…"

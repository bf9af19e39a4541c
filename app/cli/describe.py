"""Cases, work items and markings in words and as the objects of the command line's contract."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from weft.cli.group import STORE
from weft.cli.output import Exit, compact, duration, local_time, table, timestamp

if TYPE_CHECKING:
    from weft.engine.case import CaseState, WorkItem
    from weft.engine.net import Net, Task
    from weft.engine.ports import CaseSummary, OpenItem

__all__ = [
    "Outcome",
    "case_object",
    "choices_of",
    "data_lines",
    "describe_error",
    "example",
    "exit_of_case",
    "item_object",
    "item_objects",
    "item_table",
    "marking_lines",
    "marking_object",
    "open_item_object",
    "place_in_words",
    "program",
    "reference",
    "result_lines",
    "state_lines",
    "waiting_joins",
]

MOST_VARIABLES = 12
"""So many variables of a case are shown to people."""


@attrs.frozen
class Outcome:
    """How a command has left a case.

    ``seconds`` is how long the command worked on it (for a replay: how long the case took).
    """

    state: CaseState
    idle: bool
    events: int
    seconds: float
    interrupted: bool = False
    delivery: str | None = None
    """What has become of a trigger that was sent."""

    def as_json(self) -> dict[str, Any]:
        """The answer of `run` and its kin."""
        state = self.state
        return {
            "case": state.id,
            "specification": {"name": state.compiled.name, "version": state.compiled.version},
            "status": state.status.value,
            "idle": self.idle,
            "data": dict(state.data),
            "work_items": item_objects(state),
            "events": self.events,
            "seconds": round(self.seconds, 6),
            "error": state.error,
            **self._delivered(),
        }

    def _delivered(self) -> dict[str, Any]:
        if self.delivery is None:
            return {}
        return {"delivered": self.delivery != "discarded", "delivery": self.delivery}

    @property
    def exit(self) -> Exit:
        """The exit code of `run` and its kin."""
        return Exit.INTERRUPTED if self.interrupted else exit_of_case(self.state.status.value)


def exit_of_case(status: str) -> Exit:
    """The exit code that the status of a case means; a running one waits for something."""
    if status == "completed":
        return Exit.DONE
    return Exit.WAITS if status in ("running", "suspended") else Exit.NO


# ── cases ────────────────────────────────────────────────────────────────────────────────────


def case_object(summary: CaseSummary) -> dict[str, Any]:
    """A case in a list of cases."""
    return {
        "case": summary.case,
        "specification": {"name": summary.specification, "version": summary.version},
        "status": summary.status,
        "idle": summary.idle,
        "started": timestamp(summary.started),
        "updated": timestamp(summary.updated),
        "events": summary.sequence,
        "error": None if summary.error is None else json.loads(summary.error),
    }


TRACE_LINES = 40
"""So many lines of a traceback are shown, the last ones; `--json` and the journal have all."""


def error_details(error: Mapping[str, Any]) -> str:
    """What else is known of an error: its class, its causes and notes, its traceback."""
    trace = error.get("traceback")
    if isinstance(trace, str) and trace.strip():  # it tells causes and notes, too
        lines = trace.rstrip().splitlines()
        left_out = [f"… {len(lines) - TRACE_LINES} lines …"] if len(lines) > TRACE_LINES else []
        return "\n".join([*left_out, *lines[-TRACE_LINES:]])
    told = [f"class {error['class']}"] if error.get("class") else []
    told += [f"note: {note}" for note in error.get("notes") or ()]
    for cause in error.get("causes") or ():
        told.append(f"caused by {cause.get('class')}: {cause.get('message')}")
        told += [f"note: {note}" for note in cause.get("notes") or ()]
    return "\n".join(told)


def describe_error(error: Mapping[str, Any]) -> str:
    """An error of a case or item in words."""
    text = str(error.get("message") or error.get("code") or "failed")
    where = error.get("where")
    return f"{where}: {text}" if where else text


def state_lines(state: CaseState) -> Iterator[str]:
    """Where a case stands, for people: its error, its tokens, its open work, why joins wait."""
    if state.error is not None:
        task = state.error.get("item")
        at = f" at {task}, attempt {state.error.get('attempt', '?')}" if task else ""
        yield f"error    {state.error.get('code')}{at}:"
        yield from _indented(describe_error(state.error))
        yield from _indented(error_details(state.error))
    yield from _headed("tokens", marking_lines(state))
    yield from _headed("work", item_table(item_objects(state)) if state.items else [])
    yield from _headed("waits", waits_lines(state))
    yield from _headed("joins", map(waiting_line, waiting_joins(state)))
    yield from _headed("data", data_lines(state.data))


def waits_object(state: CaseState) -> dict[str, Any]:
    """What waits for a time or a trigger, and the triggers that are kept."""
    return {
        "timers": [
            {"timer": w.id, "scope": w.scope, "due": timestamp(w.due)}
            for w in state.waits.values()
            if w.due is not None
        ],
        "triggers": [
            {"wait": w.id, "scope": w.scope, "trigger": w.trigger, "key": w.key}
            for w in state.waits.values()
            if w.trigger is not None
        ],
        "kept": [{"trigger": k.trigger, "key": k.key, "data": k.data} for k in state.kept.values()],
    }


def waits_lines(state: CaseState) -> Iterator[str]:
    """The same for people."""
    for waiting in state.waits.values():
        task = waiting.wait.partition(".")[0]
        if waiting.due is not None:
            yield f"{task} until {local_time(waiting.due)}"
        else:
            key = "" if waiting.key is None else f" with key {waiting.key}"
            yield f"{task} for trigger {waiting.trigger}{key}"
    for kept in state.kept.values():
        key = "" if kept.key is None else f" with key {kept.key}"
        yield f"nothing yet for trigger {kept.trigger}{key}, which is kept: {compact(kept.data, 60)}"


def _headed(heading: str, lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield f"{heading:8} {line}"
        heading = ""


def _indented(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield f"         {line}".rstrip()


def data_lines(data: Mapping[str, Any]) -> Iterator[str]:
    """The variables of a case that have a value, one a line, long values cut."""
    told = [name for name, value in data.items() if value is not None]
    for name in told[:MOST_VARIABLES]:
        yield f"{name} = {compact(data[name])}"
    if len(told) > MOST_VARIABLES:
        yield f"… and {len(told) - MOST_VARIABLES} more"


# ── markings ─────────────────────────────────────────────────────────────────────────────────


def marking_object(state: CaseState) -> dict[str, dict[str, int]]:
    """The tokens of a case: scope (a text) to place to count."""
    return {str(scope): places for scope, places in state.marking().items()}


def marking_lines(state: CaseState) -> Iterator[str]:
    """The tokens of a case for people, a line a place; bookkeeping of patterns is left out."""
    for number, places in state.marking().items():
        scope = state.scopes[number]
        resting = {p.name for p in state.net(number).places if p.resting}
        inside = "" if scope.item is None else f"{scope.item} ▸ "
        for place, tokens in places.items():
            if place not in resting:
                count = f" ({tokens})" if tokens > 1 else ""
                yield f"{inside}{place_in_words(place)}{count}"


def place_in_words(place: str) -> str:
    """What a token in a place means: ``a>b`` is the flow between two tasks, and so on."""
    if place == "end":
        return "at an end"
    if place.endswith(".run"):
        return f"in {place.removesuffix('.run')}"
    if place.endswith(".held"):
        return f"held at {place.removesuffix('.held')}"
    source, arrow, target = place.partition(">")
    if arrow and source and target:
        return f"from {source} to {target}"
    if arrow and (source or target):
        return f"before {target}" if target else f"after {source}"
    return f"in {place!r}"


def waiting_joins(state: CaseState) -> list[dict[str, Any]]:
    """The joins that some branches have reached and others have not: one entry an empty input.

    ``token_in`` is where a token is that can still come, ``path`` what has to happen for it. Both
    are empty when nothing can come any more, and when that is not known (``known`` is false).
    """
    from weft.engine.waiting import waiting_joins as found

    return [
        {
            "join": waits.join,
            "input": waits.input,
            "token_in": waits.token_in,
            "path": list(waits.path),
            "scope": waits.scope,
            "known": waits.known,
        }
        for waits in found(state)
    ]


def waiting_line(waits: Mapping[str, Any]) -> str:
    """Why a join waits, for people."""
    start = f"{waits['join']} waits for a token in {waits['input']!r}"
    if not waits["known"]:
        return f"{start}; whether one can come could not be told within the bound"
    if waits["token_in"] is None:
        return f"{start}, and none can come any more"
    path = ", ".join(waits["path"])
    by = f" by {path}" if path else ""
    return f"{start}: the one {place_in_words(waits['token_in'])} can still reach it{by}"


# ── work items ───────────────────────────────────────────────────────────────────────────────


def reference(case: str, item: str) -> str:
    """The full name of a work item, as commands take it."""
    return f"{case}:{item}"


def item_object(state: CaseState, item: WorkItem) -> dict[str, Any]:
    """An open work item of a case.

    ``form`` is the JSON Schema of the answer that a person is asked for; None: nobody is asked.
    ``due`` is when it should be done, or a failed one is attempted again by itself.
    """
    task = state.task(item)
    times = (item.retry_at, item.due, item.expires)
    due = min((time for time in times if time is not None), default=None)
    return {
        "item": reference(state.id, item.id),
        "case": state.id,
        "task": item.task,
        "scope": item.scope,
        "status": item.status.value,
        "attempt": item.attempt,
        "role": _role(task),
        "claimed_by": item.claimed_by,
        "due": None if due is None else timestamp(due),
        "form": _form(task),
        "inputs": dict(item.inputs),
        "error": item.error,
    }


def _form(task: Task) -> dict[str, Any] | None:
    from weft.connectors.person import form_schema

    return form_schema(task.config) if task.connector == "person" else None


def _role(task: Task) -> str | None:
    from weft.connectors.person import PersonConnector

    return PersonConnector().role(task.config) if task.connector == "person" else None


def item_objects(state: CaseState) -> list[dict[str, Any]]:
    """All open work items of a case."""
    return [item_object(state, item) for item in state.items.values()]


def open_item_object(row: OpenItem, nets: Iterable[Net]) -> dict[str, Any]:
    """A row of the work list; ``nets`` are those of its case."""
    task = next((net.tasks[row.task] for net in nets if row.task in net.tasks), None)
    return {
        "item": reference(row.case, row.item),
        "case": row.case,
        "task": row.task,
        "scope": row.scope,
        "status": row.status,
        "attempt": row.attempt,
        "role": row.role,
        "claimed_by": row.claimed_by,
        "due": None if row.due is None else timestamp(row.due),
        "form": None if task is None else _form(task),
        "inputs": json.loads(row.form or b"{}").get("inputs", {}),
    }


def item_table(items: Sequence[Mapping[str, Any]]) -> list[str]:
    """Work items for people."""
    rows = []
    for item in items:
        more = []
        if item["attempt"] > 1 or item.get("error"):
            more.append(f"attempt {item['attempt']}")
        if item["claimed_by"]:
            more.append(f"by {item['claimed_by']}")
        elif item["role"]:
            more.append(f"for {item['role']}")
        if item.get("error"):
            more.append(describe_error(item["error"]).partition("\n")[0])
        elif item["form"]:
            more.append(title_of(item["form"]))
            if item["inputs"]:
                given = (f"{name} = {compact(value, 40)}" for name, value in item["inputs"].items())
                more.append(", ".join(given))
        rows.append([item["item"], item["status"], "; ".join(filter(None, more))])
    return [line for line in table(["", "", ""], rows) if line]


def title_of(form: Mapping[str, Any]) -> str:
    """What a work item asks, in a line: its title and the choices."""
    choices = choices_of(form)
    return f"{form['title']} ({', '.join(choices)})" if choices else str(form["title"])


def choices_of(form: Mapping[str, Any]) -> list[str]:
    """The answers that a work item offers to choose from."""
    choices = form.get("properties", {}).get("choice", {}).get("enum")
    return list(choices or ())


# ── the closing block of `run` ───────────────────────────────────────────────────────────────


def result_lines(outcome: Outcome, store: str) -> Iterator[str]:
    """How a case has ended up: status, how long, what came out, where it is kept, what next."""
    state = outcome.state
    status = state.status.value
    if outcome.interrupted and status == "running":
        status = "interrupted"
    elif status == "running":
        status = "waiting"
    yield f"case     {state.id}"
    yield f"status   {status} after {duration(outcome.seconds)} and {outcome.events} events"
    if state.error is not None:
        yield f"error    {describe_error(state.error).partition(chr(10))[0]}"
    yield from _headed("work", item_table(item_objects(state)) if state.items else [])
    yield from _headed("waits", waits_lines(state))
    yield from _headed("data", data_lines(state.data))
    if store == "memory:":
        yield "kept     nowhere: the store was in memory"
        return
    yield f"kept     in {store}"
    yield from _headed("next", table(["", ""], _next_steps(state, store))[1:])


def _next_steps(state: CaseState, store: str) -> list[tuple[str, str]]:
    """Three commands worth trying now, with what they do."""
    case = state.id
    status = (f"status {case}", "where every token is, and what is open")
    history = (f"history {case}", "what has happened, event by event")
    resume = (f"resume {case}", "go on")
    waiting = next((i for i in item_objects(state) if i["form"] is not None), None)
    more = next(iter(state.open_for_more()), None)
    if state.status.value == "completed":
        steps = [history, (f"run --replay {case}", "step through it again"), ("list", "all cases")]
    elif state.status.value == "cancelled":
        steps = [history, status, ("list", "all cases")]
    elif state.status.value == "running" and waiting is not None:
        answer = example(waiting["form"])
        given = shlex.quote(json.dumps(answer, ensure_ascii=False))
        complete = f"complete {waiting['item']} --data {given}"
        steps = [(complete, "answer"), ("worklist", "all that waits for somebody"), status]
    elif state.status.value == "running" and more is not None:
        scope, task = more
        where = f" --scope {scope}" if scope else ""
        seal = f"seal {case} {task.name}{where}"
        add = f"add {case} {task.name}{where} --data ITEM"
        steps = [(seal, "say that no more instances will come"), (add, "add one"), status]
    else:
        steps = [status, history, resume]
    return [(f"{program()} {command}{_store_words(store)}", f"# {what}") for command, what in steps]


def example(schema: Mapping[str, Any]) -> Any:
    """An answer that fits a form: its first choices, and empty values."""
    if "properties" in schema:
        return {name: example(field) for name, field in schema["properties"].items()}
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "null")
    empty = {"string": "", "integer": 0, "number": 0, "boolean": True, "array": [], "object": {}}
    return empty.get(kind if isinstance(kind, str) else kind[0])


def _store_words(store: str) -> str:
    """The option that names the store, where the next command would not find it by itself."""
    expected = os.environ.get("WEFT_STORE", STORE)
    return "" if store == expected else f" --store {shlex.quote(store)}"


def program() -> str:
    """How to call this program again: `weft` where that is what the shell would find."""
    name = sys.argv[0] if sys.argv else ""
    path = Path(name)
    if path.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m weft"
    if path.name != "weft":
        return "weft"
    found = shutil.which("weft")
    if found is not None and Path(found).resolve() == path.resolve():
        return "weft"
    return shlex.quote(os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path))

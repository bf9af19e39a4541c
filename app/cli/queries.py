"""Commands that look: list, specs, show, status, history, worklist.

They read the store without starting an engine, and exit 0 whatever they find.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from weft.cli import completion
from weft.cli.catalogue import numbered
from weft.cli.group import answering, beside_option, schemas_option, store_option
from weft.cli.output import Exit, Screen, clock_time, compact, local_time, table, timestamp
from weft.cli.own import own_options
from weft.cli.stores import read, reading, refuse_missing
from weft.schema.errors import JournalError, UsageError

if TYPE_CHECKING:
    from weft.engine.net import Net
    from weft.engine.ports import CaseId, CaseSummary, Journal, Record
    from weft.engine.registry import Registry
    from weft.schema.imports import Imported
    from weft.schema.specification import EventTrigger, Specification, TaskDefinition, Use

__all__ = ["collect", "history", "list_cases", "show", "specs", "status", "worklist"]

STATUSES = ("running", "suspended", "completed", "failed", "cancelled", "deadlocked")


# ── cases ────────────────────────────────────────────────────────────────────────────────────


@click.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only those.")
@store_option
@answering
def list_cases(status: str | None, store: str, screen: Screen) -> Exit:
    """The cases, newest first."""
    from weft.cli.describe import case_object

    with reading(store) as journal:
        cases = journal.cases(status=status)
    screen.answer({"cases": [case_object(case) for case in cases]})
    rows = [
        [
            case.case,
            f"{case.specification} {case.version}",
            "waiting" if case.status == "running" and case.idle else case.status,
            local_time(case.started),
            local_time(case.updated),
        ]
        for case in cases
    ]
    headings = ["CASE", "SPECIFICATION", "STATUS", "STARTED", "UPDATED"]
    screen.say(*(table(headings, rows) if rows else [f"no cases in {store}"]))
    return Exit.DONE


@click.command()
@store_option
@answering
def collect(store: str, screen: Screen) -> Exit:
    """Remove large results that no case refers to any more.

    A crash may leave some behind. No engine may be at work on the store meanwhile.
    """
    from weft.engine.journal import open_journal

    refuse_missing(store)
    journal = open_journal(store)
    try:
        removed, size = journal.collect()
    finally:
        journal.close()
    screen.answer({"removed": removed, "bytes": size})
    screen.say(
        f"{removed} large results removed, {size:,} bytes" if removed else "nothing to remove"
    )
    return Exit.DONE


@click.command()
@click.argument("case", shell_complete=completion.cases)
@store_option
@answering
def status(case: str, store: str, screen: Screen) -> Exit:
    """Where a case stands: tokens, open work, and what joins wait for."""
    from weft.cli.describe import (
        case_object,
        item_objects,
        marking_object,
        state_lines,
        waiting_joins,
        waits_object,
    )

    with reading(store, needed=True) as journal:
        stored = read(journal, case)
    state, summary = stored.state, stored.summary
    screen.answer(
        {
            **case_object(summary),
            "data": dict(state.data),
            "marking": marking_object(state),
            "work_items": item_objects(state),
            "waiting": waiting_joins(state),
            **waits_object(state),
        }
    )
    screen.say(
        f"case     {summary.case} of {summary.specification} {summary.version}",
        f"status   {_status_in_words(summary)}; {summary.sequence} events from "
        f"{local_time(summary.started)} to {local_time(summary.updated)}",
        *state_lines(state),
    )
    return Exit.DONE


def _status_in_words(summary: CaseSummary) -> str:
    if summary.status == "running" and summary.idle:
        return "running, idle: it waits for somebody"
    return summary.status


@click.command()
@click.argument("case", shell_complete=completion.cases)
@click.option("--verify", is_flag=True, help="Check the hash chain; exit 1 if it is broken.")
@click.option(
    "--receipt", "kept", type=click.Path(path_type=Path), metavar="FILE",
    help="Check it against the receipt in FILE, too; exit 1 if it says something else.",
)  # fmt: skip
@click.option("--at", type=click.IntRange(min=1), metavar="N", help="The case as it was after N.")
@store_option
@answering
def history(
    case: str, verify: bool, kept: Path | None, at: int | None, store: str, screen: Screen
) -> Exit:
    """What has happened in a case, one event a line."""
    from weft.cli.receipts import read_receipt
    from weft.engine.runtime.live import find_case

    receipt = None if kept is None else read_receipt(kept)
    if receipt is not None and receipt.case != case:
        raise UsageError(f"{kept} is a receipt of case {receipt.case}", code="receipt")

    answer: dict[str, Any] = {}
    lines: list[str] = []
    intact: bool | None = None
    fault: str | None = None
    with reading(store, needed=True) as journal:
        if verify or receipt is not None:
            summary = find_case(journal, case)
            records, fault = checked_records(journal, summary.case, until=at)
            if fault is None and receipt is not None:
                fault = receipt.fault_in(journal)
            intact = fault is None
        elif at is not None:
            stored = read(journal, case, at=at)
            records = journal.records(stored.summary.case, until=at)
        else:
            records = journal.records(find_case(journal, case).case)
        if at is not None and intact is not False:
            answer, lines = _as_it_was(journal, case, at)
    screen.answer(
        {"events": [event_object(r) for r in records], "intact": intact, "fault": fault, **answer}
    )
    screen.say(*(event_line(r) for r in records), *lines)
    if intact:
        told = "" if receipt is None else f", and begins with the {receipt.events} of the receipt"
        screen.say(f"intact: the chain of {len(records)} events is unbroken{told}")
    elif fault is not None:
        screen.say(f"not intact: {fault}")
    return Exit.NO if fault is not None else Exit.DONE


def _as_it_was(journal: Journal, case: str, at: int) -> tuple[dict[str, Any], list[str]]:
    """The case after an event, as an object and in lines."""
    from weft.cli.describe import item_objects, marking_object, state_lines
    from weft.engine.runtime.live import idle

    state = read(journal, case, at=at).state
    answer = {
        "at": at,
        "status": state.status.value,
        "idle": idle(state),
        "marking": marking_object(state),
        "work_items": item_objects(state),
        "data": dict(state.data),
    }
    return answer, ["", f"after event {at} the case was {state.status.value}", *state_lines(state)]


def checked_records(
    journal: Journal, case: CaseId, *, until: int | None = None
) -> tuple[Sequence[Record], str | None]:
    """The events of a case as far as they can be trusted, and what is wrong with the next one.

    Raises:
        JournalError: The store as a whole cannot be read.
    """
    from weft.engine.events import broken_link

    summary = journal.summary(case)
    last = 0 if summary is None else min(summary.sequence, until or summary.sequence)
    fault: str | None = None
    try:
        records = journal.records(case, until=last)
    except JournalError as error:
        if error.code != "corrupt":
            raise
        records, fault = _readable(journal, case, last), error.message
        fault = f"event {len(records) + 1} cannot be read: {fault}"
    broken = broken_link(case, records)
    if broken is not None:
        return records[: broken - 1], f"the hash of event {broken} does not fit the chain"
    return records, fault


def _readable(journal: Journal, case: CaseId, last: int) -> Sequence[Record]:
    """The longest beginning of a damaged journal that can be read, by halving."""
    good: Sequence[Record] = ()
    least, most = 0, last
    while least < most:
        middle = (least + most + 1) // 2
        try:
            good = journal.records(case, until=middle)
            least = middle
        except JournalError:
            most = middle - 1
    return good


def event_object(record: Record) -> dict[str, Any]:
    """An event of the journal."""
    return {
        "sequence": record.sequence,
        "type": record.type,
        "version": record.version,
        "time": timestamp(record.time),
        "hash": record.hash.hex(),
        "data": json.loads(record.data),
    }


def event_line(record: Record) -> str:
    """An event of the journal for people."""
    data = json.loads(record.data)
    about = " ".join(f"{key}={compact(value, 60)}" for key, value in data.items())
    return f"{record.sequence:5}  {clock_time(record.time)}  {record.type:18}  {about}".rstrip()


# ── work ─────────────────────────────────────────────────────────────────────────────────────


@click.command()
@click.option("--role", help="Only what is for this role.")
@store_option
@answering
def worklist(role: str | None, store: str, screen: Screen) -> Exit:
    """What waits for somebody: offered, started and failed work items, oldest first."""
    from weft.cli.describe import item_table, open_item_object
    from weft.engine.runtime.live import stored_net

    nets: dict[str, Sequence[Net]] = {}
    items = []
    with reading(store) as journal:
        for row in journal.worklist(role=role):
            summary = journal.summary(row.case)
            net = "" if summary is None else summary.net
            if net not in nets:
                nets[net] = tuple(stored_net(journal, net).nets.values()) if net else ()
            items.append(open_item_object(row, nets[net]))
    screen.answer({"work_items": items})
    screen.say(*(item_table(items) or ["nothing waits for anybody"]))
    return Exit.DONE


# ── specifications ───────────────────────────────────────────────────────────────────────────


@click.command()
@store_option
@answering
def specs(store: str, screen: Screen) -> Exit:
    """The specifications that the store knows, by name, the newest version first."""
    with reading(store) as journal:
        known = journal.specifications()
    screen.answer(
        {
            "specifications": [
                {
                    "name": s.name,
                    "version": s.version,
                    "format": s.format,
                    "net": s.net,
                    "origin": s.origin,
                    "added": timestamp(s.added),
                }
                for s in known
            ]
        }
    )
    rows = [[s.name, s.version, s.format, local_time(s.added), s.origin or ""] for s in known]
    headings = ["NAME", "VERSION", "FORMAT", "ADDED", "FROM"]
    screen.say(*(table(headings, rows) if rows else [f"no specifications in {store}"]))
    return Exit.DONE


@click.command()
@click.argument("what", metavar="FILE|NAME", shell_complete=completion.specifications)
@own_options
@store_option
@schemas_option
@beside_option
@answering
def show(what: str, store: str, screen: Screen) -> Exit:
    """A specification: its tasks, and the patterns that it uses. Its faults, if it has any."""
    from weft.cli.running import find_specification
    from weft.connectors import builtin as builtin_connectors
    from weft.engine.compile import asked_for
    from weft.engine.usage import patterns_used
    from weft.patterns.installed import installed

    specification = find_specification(what, store)
    registry = installed()
    if specification.source.file is not None:
        check(specification, registry)
    else:
        registry.seek(asked_for(specification).difference(builtin_connectors()))
    tasks = [
        task_object(net.name, task, registry)
        for net in specification.nets.values()
        for task in net.tasks.values()
    ]
    used = patterns_used(specification, registry)
    screen.answer(
        {
            "name": specification.name,
            "version": specification.version,
            "format": specification.source.format,
            "description": specification.description,
            "triggers": [attrs.asdict(trigger) for trigger in specification.triggers],
            "tasks": tasks,
            "patterns": [{"id": p.id, "name": p.name} for p in used],
            "imported": [part.as_json() for part in specification.imported],
        }
    )
    inside = len(specification.nets) > 1
    rows = [
        [
            f"{task['net']} ▸ {task['name']}" if inside else task["name"],
            task["connector"] or "",
            " ".join(f"{key} {task[key]}" for key in ("join", "then", "on_failure") if task[key]),
        ]
        for task in tasks
    ]
    screen.say(
        f"{specification.name} {specification.version} ({specification.source.format})",
        *specification.description.strip().splitlines(),
        "",
        *table(["TASK", "BY", "FLOW"], rows),
        "",
        *(_trigger_line(trigger) for trigger in specification.triggers),
        f"patterns    {', '.join(numbered(p) for p in used) or 'none'}",
        *import_lines(specification),
    )
    return Exit.DONE


def import_lines(specification: Specification) -> list[str]:
    """What has become of the parts of a model that was made for another engine."""
    from weft.schema.imports import in_groups

    if not specification.imported:
        return []
    rows = [
        [verdict.value, construct, _some([_which(p) for p in parts]), note]
        for verdict, construct, note, parts in in_groups(specification.imported)
    ]
    return ["", *table(["IMPORTED", "WHAT", "WHICH", "HOW"], rows)]


def warn_of_changes(specification: Specification, what: str | Path, screen: Screen) -> None:
    """Say that parts of a model run otherwise than its standard says, if any do."""
    changed = [p for p in specification.imported if p.verdict.value == "changed"]
    if changed and not screen.json:
        parts = "1 part" if len(changed) == 1 else f"{len(changed)} parts"
        runs = "runs" if len(changed) == 1 else "run"
        screen.warn(
            f"{parts} of {what} {runs} otherwise than the standard says; "
            f"weft show {what} tells which, and how"
        )


def _which(part: Imported) -> str:
    """A part by its identifier; one that runs otherwise also by its line."""
    if part.verdict.value != "changed" or part.line is None:
        return part.id
    return f"{part.id} (line {part.line})" if part.id else f"line {part.line}"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(filter(None, names[:3]))
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


def _trigger_line(trigger: EventTrigger) -> str:
    condition = "" if trigger.when is None else f", if {trigger.when}"
    return f"started by  {trigger.event}{condition}"


def check(specification: Specification, registry: Registry) -> None:
    """Find what is wrong with a specification, in its nets and at its connectors.

    Raises:
        DefinitionErrors: All of it.
    """
    from weft.cli.own import engine_options
    from weft.connectors import builtin as builtin_connectors
    from weft.engine.journal import open_journal
    from weft.engine.runtime.engine import Engine

    own = engine_options()
    connectors = builtin_connectors(folders=own["module_folders"], agent=own.get("agent"))
    Engine(open_journal("memory:"), registry=registry, connectors=connectors).add(specification)


def task_object(net: str, task: TaskDefinition, registry: Registry) -> dict[str, Any]:
    """A task of a specification."""
    performed = [use for use in task.uses if use.name not in registry]
    return {
        "net": net,
        "name": task.name,
        "title": task.title,
        "description": task.description,
        "connector": performed[0].name if performed else None,
        "around": [use.name for use in task.uses if use.name in registry],
        "join": _flow(task.join),
        "then": _flow(task.then),
        "on_failure": _flow(task.on_failure),
        "compensate": task.compensate,
    }


def _flow(use: Use | None) -> str | None:
    """Where a flow goes, in a word or a line."""
    if use is None:
        return None
    if use.name == "sequence" and isinstance(use.argument, str):
        return use.argument
    return use.name if use.argument in (None, {}) else f"{use.name} {compact(use.argument)}"

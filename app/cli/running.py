"""Commands that make a case go: run, resume, suspend, cancel."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weft.cli import completion
from weft.cli.group import answering, beside_option, schemas_option, store_option
from weft.cli.output import Exit, Screen
from weft.cli.own import own_options
from weft.cli.telling import otlp_option
from weft.schema.errors import UsageError

if TYPE_CHECKING:
    from weft.cli.describe import Outcome
    from weft.engine.ports import Journal
    from weft.engine.runtime.engine import Case, Engine, Listener
    from weft.engine.runtime.live import Batch, Stored
    from weft.schema.datatypes import Variable
    from weft.schema.specification import Specification, TaskDefinition

__all__ = ["answer_outcome", "cancel", "json_value", "listening", "resume", "run", "suspend"]


@click.command()
@click.argument(
    "what", metavar="FILE|NAME", required=False, shell_complete=completion.specifications
)
@click.option(
    "-p", "--parameter", "parameters", multiple=True, metavar="KEY=VALUE",
    help="A variable of the case; the value is read by its declared type.",
)  # fmt: skip
@click.option("--data", metavar="JSON", help="The variables of the case, as a JSON object.")
@click.option(
    "--decide", "decisions", multiple=True, metavar="TASK=CHOICE",
    help="What to answer when this task for a person is offered.",
)  # fmt: skip
@click.option("--case", "case", metavar="ID", help="The id of the case; by default a new one.")
@click.option("--wait", is_flag=True, help="Wait for the timers of the process, too.")
@click.option(
    "--seed", type=int, metavar="N",
    help="Run reproducibly: a virtual clock, one attempt at a time, order drawn from N.",
)  # fmt: skip
@click.option(
    "--replay",
    metavar="CASE",
    shell_complete=completion.cases,
    help="Step through the journal of a case; nothing is run.",
)
@click.option("--unverified", is_flag=True, help="Start it even if it is not sound.")
@click.option("-q", "--quiet", is_flag=True, help="Tell nothing while it runs.")
@own_options
@otlp_option
@store_option
@schemas_option
@beside_option
@answering
def run(
    what: str | None,
    parameters: tuple[str, ...],
    data: str | None,
    decisions: tuple[str, ...],
    case: str | None,
    wait: bool,
    seed: int | None,
    replay: str | None,
    unverified: bool,
    quiet: bool,
    store: str,
    screen: Screen,
) -> Exit:
    """Start a case and drive it until it ends or is idle.

    A case that waits for a time is idle, unless --wait is given.
    FILE is a specification; NAME (or NAME@VERSION) is one that the store knows.
    On a terminal people are asked for their decisions. Ctrl-C lets running work end, a second
    one cancels it; `weft resume` goes on.
    """
    if replay is not None:
        if what or parameters or data or decisions or case or wait or seed is not None:
            raise click.UsageError("--replay takes no specification, and nothing to run it with.")
        return answer_outcome(replayed(replay, store, screen, quiet=quiet), store, screen)
    if what is None:
        raise click.UsageError("Missing argument 'FILE|NAME'.")

    from weft.cli.driving import drive

    specification = find_specification(what, store)
    given = variables(specification, parameters, data)
    presets = preset_decisions(specification, decisions)
    if not quiet:
        from weft.cli.queries import warn_of_changes

        warn_of_changes(specification, what, screen)

    async def start(engine: Engine) -> Case:
        return await engine.start(specification, given, case=case, unverified=unverified)

    outcome = drive(
        start,
        store=store,
        screen=screen,
        listeners=listening(screen, quiet=quiet),
        decisions=presets,
        asking=can_ask(screen),
        timers=wait,
        seed=seed,
    )
    return answer_outcome(outcome, store, screen)


@click.command()
@click.argument("case", shell_complete=completion.cases)
@click.option(
    "--decide", "decisions", multiple=True, metavar="TASK=CHOICE",
    help="What to answer when this task for a person is offered.",
)  # fmt: skip
@click.option("--wait", is_flag=True, help="Wait for the timers of the process, too.")
@click.option("-q", "--quiet", is_flag=True, help="Tell nothing while it runs.")
@own_options
@otlp_option
@store_option
@answering
def resume(
    case: str, decisions: tuple[str, ...], wait: bool, quiet: bool, store: str, screen: Screen
) -> Exit:
    """Go on with a case: after a crash, a failure, a deadlock or a pause.

    Work that was interrupted is attempted again, with the next attempt number and the same
    idempotency key; nothing that was completed runs twice.
    """
    from weft.cli.driving import drive
    from weft.cli.stores import read, reading

    presets: Mapping[str, str] = {}
    with reading(store, needed=True) as journal:
        stored = read(journal, case)
        if decisions:
            tasks = {
                task.name: task.config
                for net in stored.state.compiled.nets.values()
                for task in net.tasks.values()
                if task.connector == "person"
            }
            presets = check_decisions(tasks, decisions)

    async def go_on(engine: Engine) -> Case:
        return await engine.resume(case)

    outcome = drive(
        go_on,
        store=store,
        screen=screen,
        listeners=listening(screen, quiet=quiet),
        decisions=presets,
        asking=can_ask(screen),
        timers=wait,
    )
    return answer_outcome(outcome, store, screen)


@click.command()
@click.argument("case", shell_complete=completion.cases)
@click.option("--reason", default="", help="Why; it is kept in the journal.")
@own_options
@otlp_option
@store_option
@answering
def suspend(case: str, reason: str, store: str, screen: Screen) -> Exit:
    """Start no new work in a case until it is resumed."""

    async def act(handle: Case) -> None:
        await handle.suspend(reason)

    return _changed(case, act, store, screen)


@click.command()
@click.argument("case", shell_complete=completion.cases)
@click.option("--reason", default="", help="Why; it is kept in the journal.")
@own_options
@otlp_option
@store_option
@answering
def cancel(case: str, reason: str, store: str, screen: Screen) -> Exit:
    """End a case: everything open is withdrawn. This cannot be undone."""

    async def act(handle: Case) -> None:
        await handle.cancel(reason)

    return _changed(case, act, store, screen)


def _changed(case: str, act: Callable[[Case], Awaitable[None]], store: str, screen: Screen) -> Exit:
    """Do something to a case that does not make it go on; answer with its status."""
    from weft.cli.driving import change

    state = change(case, act, store=store, screen=screen).state
    screen.say(f"case {state.id} is {state.status.value}")
    screen.answer({"case": state.id, "status": state.status.value})
    return Exit.DONE


# ── what a run is given ──────────────────────────────────────────────────────────────────────


def find_specification(what: str, store: str) -> Specification:
    """The specification of a file, or the one that the store knows by that name.

    Raises:
        DefinitionErrors: All faults of the file.
        UsageError: There is neither a file nor a known specification.
    """
    from weft.formats import formats
    from weft.loading import load, loads

    path = Path(what)
    if formats().known(path) or len(path.parts) > 1 or _exists(path):
        return load(path)

    from weft.cli.stores import reading

    name, _, version = what.partition("@")
    with reading(store) as journal:
        known = journal.specification(name, version or None)
        names = dict.fromkeys(s.name for s in journal.specifications())
    if known is None:
        there = f"it knows {', '.join(names)}" if names else "it knows none yet"
        raise UsageError(
            f"{what!r} is no file, and the store at {store} knows no specification of that name; "
            f"{there}",
            code="no-specification",
            where=store,
        )
    origin = None if known.origin is None else Path(known.origin)
    return loads(known.source.decode(), origin=origin, format=known.format)


def _exists(path: Path) -> bool:
    """Whether there is such a file; not, where this cannot be seen."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def variables(
    specification: Specification, parameters: Sequence[str], data: str | None
) -> dict[str, Any]:
    """The variables of a new case: those of ``--data``, then those of ``-p``, read by their types.

    Whether they fit is checked when the case starts.

    Raises:
        UsageError: One is not written as KEY=VALUE, or ``--data`` is no JSON object.
    """
    given: dict[str, Any] = {}
    if data is not None:
        read = json_value(data, "--data")
        if not isinstance(read, dict):
            raise UsageError(f"--data is a JSON object of variables, not {data!r}", code="data")
        given.update(read)
    net = specification.nets.get(specification.root)
    declared = {} if net is None else net.variables
    for parameter in parameters:
        key, equals, text = parameter.partition("=")
        if not equals:
            raise UsageError(f"-p takes KEY=VALUE, not {parameter!r}", code="parameter")
        if specification.source.format == "steps" and key not in declared:
            _set_trigger(given, key, text, declared)
        else:
            given[key] = parameter_value(text, declared.get(key))
    return given


def _set_trigger(
    given: dict[str, Any], key: str, text: str, declared: Mapping[str, Variable]
) -> None:
    """Set a parameter of a workflow in the steps format: a field of its variable ``trigger``."""
    from weft.schema.datatypes import DataType, Variable

    fields = declared["trigger"].type.fields or {}
    parameters = given.setdefault("trigger", {})
    if isinstance(parameters, dict):
        kind = Variable("trigger", fields.get(key, DataType()))
        parameters[key] = parameter_value(text, kind)


def parameter_value(text: str, variable: Variable | None) -> Any:
    """The value that a text on the command line means for a variable.

    A text is what a variable takes that may be a text; other types take JSON. Where a text is no
    JSON it stays one, and the check of the case's data says what was expected.
    """
    kind = "any" if variable is None else variable.type.type
    if kind == "string":
        nullable = variable is not None and variable.type.nullable
        return None if nullable and text == "null" else text
    try:
        return json.loads(text)
    except ValueError:
        return text


def json_value(text: str, option: str) -> Any:
    """The JSON value of an option.

    Raises:
        UsageError: It is none.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{option} is not JSON: {error}", code="json") from error


def preset_decisions(specification: Specification, given: Sequence[str]) -> dict[str, str]:
    """Task to choice, checked against the tasks for people of a specification.

    Raises:
        UsageError: There is no such task, or no such choice.
    """
    tasks: dict[str, TaskDefinition] = {
        name: task for net in specification.nets.values() for name, task in net.tasks.items()
    }
    people = {
        name: use.argument
        for name, task in tasks.items()
        for use in task.uses
        if use.name == "person"
    }
    return check_decisions(people, given)


def check_decisions(people: Mapping[str, Any], given: Sequence[str]) -> dict[str, str]:
    """Task to choice, checked against the configurations of tasks for people.

    Raises:
        UsageError: One is not written as TASK=CHOICE, there is no such task, or no such choice.
    """
    from weft.connectors.person import decision

    decisions: dict[str, str] = {}
    for text in given:
        task, equals, choice = text.partition("=")
        if not equals:
            raise UsageError(f"--decide takes TASK=CHOICE, not {text!r}", code="decision")
        if task not in people:
            known = ", ".join(people) or "there is none"
            raise UsageError(
                f"--decide {text}: {task!r} is no task for a person; those are: {known}",
                code="decision",
            )
        if decisions.get(task, choice) != choice:
            raise UsageError(
                f"--decide {text}: {task!r} was decided otherwise before", code="decision"
            )
        decision(people[task], choice)
        decisions[task] = choice
    return decisions


# ── what a run answers ───────────────────────────────────────────────────────────────────────


def can_ask(screen: Screen) -> bool:
    """Whether there is a person at a terminal who can be asked."""
    return not screen.json and sys.stdin.isatty() and sys.stdout.isatty()


def listening(screen: Screen, *, quiet: bool, live: bool = True) -> list[Listener]:
    """The listeners that tell people what happens: on a terminal, and ``live``, as it happens."""
    if quiet or screen.json:
        return []
    if live and sys.stdout.isatty():
        from rich.console import Console

        from weft.cli.live import LiveProgress

        console = Console(file=sys.stdout, highlight=False)
        if console.is_terminal and not console.is_dumb_terminal:
            return [LiveProgress(screen.say, console)]
    from weft.cli.output import duration
    from weft.progress import Progress

    return [Progress(screen.say, duration=duration)]


def answer_outcome(outcome: Outcome, store: str, screen: Screen) -> Exit:
    """Say how a case has ended up; its exit code."""
    from weft.cli.describe import result_lines

    screen.say("", *result_lines(outcome, store))
    screen.answer(outcome.as_json())
    return outcome.exit


def replayed(case: str, store: str, screen: Screen, *, quiet: bool) -> Outcome:
    """Step through the journal of a case, telling what happened as if it happened now."""
    from weft.cli.describe import Outcome
    from weft.cli.stores import read, reading
    from weft.engine.runtime.live import idle

    listeners = listening(screen, quiet=quiet, live=False)
    with reading(store, needed=True) as journal:
        stored = read(journal, case)
        state = stored.state
        for batch in _batches(journal, stored):
            state = batch.after
            for listener in listeners:
                listener(batch)
    summary = stored.summary
    return Outcome(
        state=state,
        idle=idle(state),
        events=stored.sequence,
        seconds=(summary.updated - summary.started) / 1_000_000,
    )


def _batches(journal: Journal, stored: Stored) -> Iterator[Batch]:
    """The events of a case, each with the states before and after it."""
    from weft.engine.events import decode
    from weft.engine.evolve import evolve
    from weft.engine.runtime.live import Batch

    state = None
    for record in journal.records(stored.summary.case):
        event = decode(record)
        after = evolve(state, event, compiled=stored.state.compiled)
        yield Batch(stored.summary.case, state, after, (event,), (record,))
        state = after

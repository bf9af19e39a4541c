"""The command that asks, and writes a specification: `weft define`.

Each answer is judged as soon as it is given, by what would judge it in a file: names by the
format, expressions by their compiler, work by its connector. So what is written is valid.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import attrs
import click

from weft.cli.group import answering
from weft.cli.output import Exit, Screen
from weft.cli.own import own_options
from weft.schema.errors import DefinitionError, DefinitionErrors, UsageError

__all__ = ["define"]

T = TypeVar("T")

WORK = {
    "command": "a command, run without a shell",
    "python": "a Python function, module:function",
    "person": "a person, who is asked",
    "action": "an action of a module, as weft actions lists them",
    "nothing": "nothing: a point where flows meet or part",
}
"""What may perform a task, in the order in which it is offered."""

FLOWS = {
    "next": "the next task in the list",
    "one": "another task",
    "all": "several tasks, at the same time",
    "choice": "one of several tasks, by conditions",
    "end": "nothing: this way ends here",
}
"""What may follow a task."""


@click.command()
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(path_type=Path),
    help="Where to write; asked for if absent.",
)  # fmt: skip
@own_options
@answering
def define(output: Path | None, screen: Screen) -> Exit:
    """Ask what a process is made of, and write it as YAML.

    Answers may also come from a file or a pipe, one a line; an empty line takes what stands in
    brackets.
    """
    from weft.schema.native_writer import write_native

    specification = _Asking(screen).specification()
    text = write_native(specification)
    path = output
    asking = _Asking(screen)
    while path is None:
        path = asking.ask("The file", f"{specification.name}.yaml", _yaml_path)
        if path.exists() and not asking.yes(f"{path} is there already; write over it"):
            path = None
    path.write_text(text, "utf-8")
    screen.say("", text.removesuffix("\n"), "", f"wrote {path}: weft run {path}")
    screen.answer({"file": str(path), "name": specification.name, "version": specification.version})
    return Exit.DONE


def _yaml_path(text: str) -> Path:
    path = Path(text)
    if path.suffix not in (".yaml", ".yml"):
        raise ValueError("a file name that ends in .yaml is needed")
    return path


@attrs.define
class _Drafted:
    """A task as it was answered."""

    name: str
    uses: tuple[Any, ...] = ()
    inputs: dict[str, Any] = attrs.field(factory=dict)
    attempts: int = 1
    then: Any = None
    join: Any = None


class _Asking:
    """One conversation: questions on the terminal (or standard error), answers a line each."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen

    # ── questions ────────────────────────────────────────────────────────────────────────────

    def line(self, prompt: str) -> str:
        """A line of standard input.

        Raises:
            UsageError: There is none any more.
        """
        stream = sys.stderr if self.screen.json else sys.stdout
        stream.write(prompt)
        stream.flush()
        said = sys.stdin.readline()
        if not said:
            stream.write("\n")
            raise UsageError(
                "the answers ended before everything was asked; nothing was written", code="ended"
            )
        return said.strip()

    def ask(self, question: str, default: str | None, read: Callable[[str], T]) -> T:
        """An answer that ``read`` accepts; its ValueErrors, and our errors, are told."""
        hint = "" if default is None else f" [{default}]" if default else " [none]"
        while True:
            said = self.line(f"{question}{hint}: ") or default
            if said is None:
                self.tell("an answer is needed here")
                continue
            try:
                return read(said)
            except (ValueError, DefinitionError) as error:
                self.tell(_reason(error))

    def tell(self, *lines: str) -> None:
        """Say something; with ``--json``, on standard error."""
        (self.screen.warn if self.screen.json else self.screen.say)(*lines)

    def choose(self, question: str, options: dict[str, str], default: str) -> str:
        """One of several words, or its number."""
        for number, (word, meaning) in enumerate(options.items(), 1):
            self.tell(f"  {number}  {word}: {meaning}")
        words = list(options)

        def read(said: str) -> str:
            if said.isdigit() and 1 <= int(said) <= len(words):
                return words[int(said) - 1]
            if said in words:
                return said
            raise ValueError(f"it is one of {', '.join(words)}, or its number")

        return self.ask(question, default, read)

    def yes(self, question: str) -> bool:
        """Yes or no; no, if nothing is said."""

        def read(said: str) -> bool:
            if said.lower() not in ("y", "yes", "n", "no"):
                raise ValueError("yes or no")
            return said.lower() in ("y", "yes")

        return self.ask(question, "no", read)

    # ── the process ──────────────────────────────────────────────────────────────────────────

    def specification(self) -> Any:
        """Everything that there is to ask."""
        from weft.schema.native import SPECIFICATION_NAME_PATTERN, VERSION_PATTERN
        from weft.schema.specification import NetDefinition, Retry, Specification, TaskDefinition

        name = self.ask("What is the process called", None, _matching(SPECIFICATION_NAME_PATTERN))
        description = self.ask("What is it for", "", str)
        version = self.ask("Its version", "1", _matching(VERSION_PATTERN))
        variables = self.variables()
        tasks = self.tasks(list(variables))
        names = list(tasks)
        known = [*variables, *(re.sub("-", "_", n) for n in names)]
        for task in tasks.values():
            task.then = self.then(task.name, names, known)
        for task in tasks.values():
            task.join = self.join(task.name, tasks)
        definitions = {
            task.name: TaskDefinition(
                task.name,
                uses=task.uses,
                inputs=task.inputs,
                retry=Retry(task.attempts) if task.attempts > 1 else None,
                then=task.then,
                join=task.join,
            )
            for task in tasks.values()
        }
        net = NetDefinition("net", (names[0],), definitions, variables=variables)
        made = Specification(name, version, {"net": net}, description=description)
        _check(made)
        return made

    def variables(self) -> dict[str, Any]:
        """The data of the process."""
        from weft.schema.datatypes import ABSENT, TYPES, DataType, Variable

        found: dict[str, Variable] = {}
        while name := self.ask("A variable (nothing when that is all)", "", _optional(Variable)):
            if name in found:
                self.tell(f"{name!r} is there already")
                continue
            kind = self.ask("  its type", "string", _one_of(TYPES))

            def default(said: str, kind: str = kind) -> Any:
                if not said:
                    return ABSENT
                value: Any = said if kind == "string" else json.loads(said)
                faults = DataType(kind).check(value, "the default")
                if faults:
                    raise ValueError("; ".join(faults))
                return value

            value = self.ask("  its default (nothing: it has to be given)", "", default)
            found[name] = Variable(name, DataType(kind), default=value, required=value is ABSENT)
        return found

    def tasks(self, variables: Sequence[str]) -> dict[str, _Drafted]:
        """The tasks, in the order in which they are named; at least one."""
        from weft.schema.native import NAME_PATTERN

        found: dict[str, _Drafted] = {}
        while True:
            question = "A task (nothing when that is all)" if found else "The first task"
            name = self.ask(question, "" if found else None, _optional(_matching(NAME_PATTERN)))
            if not name:
                return found
            if name in found:
                self.tell(f"{name!r} is there already")
                continue
            task = found[name] = _Drafted(name)
            work = self.choose("  who does it", WORK, "command")
            if work == "person":
                self.person(task)
            elif work != "nothing":
                self.ask(_QUESTIONS[work], None, partial(_use, task, work, variables))
            if work in ("python", "action"):
                self.inputs(task, variables)
            if work in ("command", "python", "action"):
                task.attempts = self.ask("  how often it is attempted", "1", _whole(1, 1_000_000))

    def inputs(self, task: _Drafted, variables: Sequence[str]) -> None:
        """The variables that a function or action is given, under their own names."""
        variable = _one_of(variables)

        def read(said: str) -> dict[str, Any]:
            listed = {variable(word): word for word in said.split()}
            _bind(task.name, task.uses[0], listed)
            return listed

        if variables:  # without any, it was bound to none
            question = "  the variables that it is given, with spaces between"
            task.inputs = self.ask(question, "", read)

    def person(self, task: _Drafted) -> None:
        """What a person is asked, and what there is to choose from."""
        from weft.schema.specification import Use

        config: dict[str, Any] = {"title": self.ask("  what is asked", None, str)}

        def choices(said: str) -> list[str]:
            listed = [choice.strip() for choice in said.split(",") if choice.strip()]
            if len(set(listed)) < len(listed):
                raise ValueError("each choice stands there once")
            return listed

        question = "  the choices, with commas between (nothing: any answer)"
        if listed := self.ask(question, "", choices):
            config["choices"] = listed
        if role := self.ask("  for which role", "", str):
            config["role"] = role
        task.uses = (Use("person", config),)

    def then(self, name: str, names: Sequence[str], known: Sequence[str]) -> Any:
        """What follows a task."""
        from weft.engine.expressions import compile_expression
        from weft.schema.specification import Use

        following = names[names.index(name) + 1 :][:1]
        options = {k: v for k, v in FLOWS.items() if k != "next" or following}
        if len(names) == 1:
            return None
        flow = self.choose(f"What follows {name}", options, "next" if following else "end")
        task = _one_of(names)
        if flow == "next":
            return Use("sequence", following[0])
        if flow == "one":
            return Use("sequence", self.ask("  which", None, task))
        if flow == "end":
            return None

        def several(said: str) -> list[str]:
            listed = list(dict.fromkeys(task(word) for word in said.split()))
            if len(listed) < 2:
                raise ValueError("at least two tasks, with spaces between")
            return listed

        targets = self.ask("  which, with spaces between", None, several)
        if flow == "all":
            return Use("parallel-split", list(targets))

        def condition(said: str) -> str:
            compile_expression(said, names=[*known, "error"])
            return said

        branches: list[Any] = [
            {"when": self.ask(f"  {target}, if", None, condition), "to": target}
            for target in targets[:-1]
        ]
        self.tell(f"  {targets[-1]}, if none of these holds")
        return Use("exclusive-choice", [*branches, {"to": targets[-1]}])

    def join(self, name: str, tasks: dict[str, _Drafted]) -> Any:
        """How the flows that lead to a task meet, where there are several."""
        from weft.schema.specification import Use

        before = [t.name for t in tasks.values() if name in _targets(t.then)]
        if len(before) < 2:
            return None
        options = {"each": "it is done for each of them", "all": "it waits for all of them"}
        parallel = any(
            t.then is not None and t.then.name == "parallel-split" for t in tasks.values()
        )
        met = self.choose(
            f"{name} follows {', '.join(before)}", options, "all" if parallel else "each"
        )
        return Use("synchronization") if met == "all" else None


_QUESTIONS = {
    "command": "  the command, as on a command line",
    "python": "  the function",
    "action": "  the action, such as git.status",
}


def _use(task: _Drafted, work: str, variables: Sequence[str], said: str) -> None:
    """Give a task its work, if its connector accepts it."""
    import shlex

    from weft.schema.specification import Use

    kind, config = work, said  # type: str, Any
    if work == "command":
        kind, config = "shell", shlex.split(said)
    use = Use(kind, config)
    _bind(task.name, use, None if variables else {})
    task.uses = (use,)


def _bind(task: str, use: Any, inputs: dict[str, Any] | None) -> None:
    """Have the connector of a task judge it.

    Raises:
        DefinitionErrors: It does not accept it.
    """
    from weft.cli.own import engine_options
    from weft.connectors import builtin

    own = engine_options()
    connectors = builtin(folders=own["module_folders"], agent=own.get("agent"))
    connectors[use.name].bind(task, use.argument, origin=Path.cwd(), inputs=inputs)


def _check(specification: Any) -> None:
    """Compile what was answered.

    Raises:
        DefinitionErrors: It is no process: a task that nothing leads to.
    """
    from weft.connectors import builtin as connectors
    from weft.engine.compile import compile_specification
    from weft.patterns.installed import installed

    compile_specification(specification, registry=installed(), connectors=connectors())


def _reason(error: Exception) -> str:
    if isinstance(error, DefinitionErrors):
        return "; ".join(fault.message for fault in error.faults)
    return str(error)


def _targets(use: Any) -> list[str]:
    if use is None:
        return []
    if isinstance(use.argument, str):
        return [use.argument]
    return [a["to"] if isinstance(a, dict) else a for a in use.argument]


def _matching(pattern: str) -> Callable[[str], str]:
    def read(said: str) -> str:
        if not re.fullmatch(pattern, said):
            raise ValueError(
                f"{said!r} cannot be a name here: letters, digits, _ and -, up to 100, "
                "and no spaces"
            )
        return said

    return read


def _optional(judge: Callable[[str], Any]) -> Callable[[str], str]:
    """Reads a name that a judge accepts, or nothing."""

    def read(said: str) -> str:
        if said:
            judge(said)
        return said

    return read


def _one_of(words: Sequence[str]) -> Callable[[str], str]:
    def read(said: str) -> str:
        if said not in words:
            raise ValueError(f"{said!r} is none of {', '.join(words)}")
        return said

    return read


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(said: str) -> int:
        if not said.isdigit() or not least <= int(said) <= most:
            raise ValueError(f"a whole number from {least} to {most:,} is needed")
        return int(said)

    return read

"""The `weft` command itself: its options, and its commands sorted by the question they answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from weft.cli.output import Screen

__all__ = [
    "STORE", "Sections", "answering", "asks_for_json", "beside_option", "schemas_option", "store_option", "versions",
]  # fmt: skip

STORE = "sqlite:///.weft/weft.db"
"""The default store, below the working directory."""

C = TypeVar("C", bound=Callable[..., Any])


def store_option(command: C) -> C:
    """The option ``--store``."""
    return click.option(
        "--store",
        envvar="WEFT_STORE",
        default=STORE,
        metavar="URL",
        help=f"Where cases are kept.  [env: WEFT_STORE; default: {STORE}]",
    )(command)


def schemas_option(command: C) -> C:
    """The option ``--schemas``: for the time of the command, files in XML are held against XSDs."""
    return click.option(
        "--schemas",
        envvar="WEFT_SCHEMAS",
        metavar="DIR",
        expose_value=False,
        callback=_use_schemas,
        type=click.Path(path_type=Path),
        help="A folder with the schemas (XSD) of YAWL or BPMN: files are held against them.  "
        "[env: WEFT_SCHEMAS]",
    )(command)


def _use_schemas(context: click.Context, _: click.Parameter, folder: Path | None) -> None:
    if folder is None or context.resilient_parsing:
        return
    from weft.loading import SCHEMAS

    SCHEMAS.set(folder)
    context.call_on_close(lambda: SCHEMAS.set(None))


def beside_option(command: C) -> C:
    """The options ``--with`` and ``--process``: files beside a BPMN file, and a process of it."""
    command = click.option(
        "--process",
        "chosen_process",
        metavar="NAME",
        expose_value=False,
        callback=_use_process,
        help="The process of a BPMN file that is meant, by its id or name, or its pool's.",
    )(command)
    return click.option(
        "--with",
        "beside",
        metavar="FILE",
        multiple=True,
        expose_value=False,
        callback=_use_beside,
        type=click.Path(path_type=Path),
        help="A BPMN file with a process that FILE calls; may be given several times.",
    )(command)


def _use_beside(context: click.Context, _: click.Parameter, files: tuple[Path, ...]) -> None:
    if not files or context.resilient_parsing:
        return
    from weft.loading import BESIDE

    BESIDE.set(files)
    context.call_on_close(lambda: BESIDE.set(()))


def _use_process(context: click.Context, _: click.Parameter, name: str | None) -> None:
    if name is None or context.resilient_parsing:
        return
    from weft.loading import PROCESS

    PROCESS.set(name)
    context.call_on_close(lambda: PROCESS.set(None))


def answering(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option ``--json``: the command gets the `Screen` that it asks for as ``screen``."""

    @wraps(command)
    def called(*args: Any, as_json: bool, **options: Any) -> Any:
        return command(*args, screen=Screen(json=as_json), **options)

    return click.option(
        "--json", "as_json", is_flag=True, help="Answer with one JSON object, for programs."
    )(called)


def asks_for_json(arguments: Sequence[str]) -> bool:
    """Whether a command line has ``--json``: to be known even when it cannot be parsed."""
    before = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in before


def versions() -> str:
    """This release and what it stands on, on one line."""
    import platform

    import apsw

    from weft import __version__, native

    return (
        f"weft {__version__} (kernel {native.KERNEL}, Python {platform.python_version()}, "
        f"SQLite {apsw.sqlite_lib_version()})"
    )


def _show_version(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        click.echo(versions())
        context.exit()


class Sections(click.Group):
    """A group whose help lists its commands by section."""

    def __init__(self, sections: Mapping[str, Sequence[click.Command]], **options: Any) -> None:
        super().__init__(
            **options,
            commands=[command for section in sections.values() for command in section],
            invoke_without_command=True,
            callback=self._without_command,
            params=[
                click.Option(
                    ["--version"],
                    is_flag=True,
                    is_eager=True,
                    expose_value=False,
                    callback=_show_version,
                    help="Show the versions of Weft and of what it stands on.",
                )
            ],
            context_settings={"help_option_names": ["-h", "--help"]},
        )
        self.sections = sections

    @staticmethod
    def _without_command() -> None:
        context = click.get_current_context()
        if context.invoked_subcommand is not None:
            return
        if not asks_for_json(context.obj or ()):
            click.echo(context.get_help(), err=True)
        raise click.UsageError("a command is missing", context)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, section by section."""
        for title, commands in self.sections.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(command.name or "", command.get_short_help_str(100)) for command in commands]
                )

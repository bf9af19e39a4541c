"""Commands about telemetry registries: weaver check, resolve, stats, diff, generate, live-check.

Faults inside a registry are findings, and the answer is then no (exit code 1); what cannot be
read at all is a usage or definition error (2), and what cannot be written is the operator's (5).
"""

from __future__ import annotations

import json
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import isfinite, isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weft.cli.group import answering, asks_for_json
from weft.cli.output import Exit, Screen, compact, error_object, table
from weft.schema.errors import DefinitionError, UsageError

if TYPE_CHECKING:
    from weft.weaver.diff import Change, Difference
    from weft.weaver.findings import Finding, Level
    from weft.weaver.livecheck import LiveCheckReport
    from weft.weaver.registry import Registry
    from weft.weaver.samples import Sample
    from weft.weaver.stats import Stats

__all__ = ["weaver"]

ALL = "all"
"""The word for all policy packages."""

NOTHING = "none"
"""The word for no level: no finding makes a live check fail."""


@click.group(invoke_without_command=True)
@click.pass_context
def weaver(context: click.Context) -> None:
    """Telemetry registries: check, resolve, stats, diff, generate, live-check."""
    if context.invoked_subcommand is None:
        if not asks_for_json(context.obj or ()):
            click.echo(context.get_help(), err=True)
        raise click.UsageError("a command is missing", context)


_registry = click.argument("registry", metavar="DIR", type=click.Path(path_type=Path))


def _plain(value: Any) -> Any:
    """A value without what JSON cannot say: numbers of YAML that are none, as YAML writes them."""
    match value:
        case dict():
            return {key: _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case float() if not isfinite(value):
            return ".nan" if isnan(value) else ".inf" if value > 0 else "-.inf"
        case _:
            return value


# ── check ────────────────────────────────────────────────────────────────────────────────────


class _Check(click.Command):
    """``--policies`` may stand alone, even before the folder."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give every ``--policies`` its value, so that none is looked for in what comes next."""
        return super().parse_args(ctx, list(_with_values(args)))


def _with_values(arguments: Sequence[str]) -> Iterator[str]:
    """``--policies NAME`` as ``--policies=NAME``, and as ``--policies=all`` where it is alone.

    What comes next is its value if it names packages, or else if it cannot be the folder, so that
    a misspelt package is called that.
    """
    rest = deque(arguments)
    while rest:
        argument = rest.popleft()
        if argument == "--":
            yield argument
            yield from rest
            return
        if argument != "--policies":
            yield argument
        elif rest and _is_value(rest[0]):
            yield f"--policies={rest.popleft()}"
        else:
            yield f"--policies={ALL}"


def _is_value(text: str) -> bool:
    return _are_packages(text) or not (text.startswith("-") or _exists(text))


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _are_packages(text: str) -> bool:
    from weft.weaver.policies import PACKAGES

    names = _names(text)
    return bool(names) and set(names) <= {ALL, *PACKAGES}


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # too long, or a NUL
        return False


def _packages(
    context: click.Context, parameter: click.Parameter, given: Sequence[str]
) -> bool | tuple[str, ...]:
    """What is given to `check` as its policies."""
    from weft.weaver.policies import PACKAGES

    names = [name for text in given for name in _names(text) or [text]]
    for name in names:
        if name not in {ALL, *PACKAGES}:
            raise click.BadParameter(
                f"there is no policy package {name!r}; there are {', '.join(PACKAGES)}, "
                f"and {ALL!r} is all of them",
                context,
                parameter,
            )
    if ALL in names:
        return True
    return tuple(dict.fromkeys(names)) or False


@weaver.command(cls=_Check)
@_registry
@click.option(
    "--policies", multiple=True, metavar="[=PACKAGES]", callback=_packages,
    help="Apply the policies: all of them, or those of the packages named.",
)  # fmt: skip
@click.option(
    "--baseline", metavar="DIR", type=click.Path(path_type=Path),
    help="An earlier version of the registry, to be compatible with.",
)  # fmt: skip
@click.option("--future", is_flag=True, help="Take warnings for errors, as a later version will.")
@answering
def check(
    registry: Path,
    policies: bool | tuple[str, ...],
    baseline: Path | None,
    future: bool,
    screen: Screen,
) -> Exit:
    """Is a registry well-formed, and does it follow the policies?"""
    from weft.weaver.check import check as checked

    report = checked(registry, policies=policies, baseline=baseline, future=future)
    screen.answer(_plain(report.as_json()))
    screen.say(
        *map(_line, report.findings),
        f"{registry}: {'accepted' if report.accepted else 'rejected'}, "
        f"{_by_level(report.findings)}",
    )
    return Exit.DONE if report.accepted else Exit.NO


def _line(finding: Finding) -> str:
    """``file:line: level: id: message``, as far as it is known where."""
    place = finding.file or ""
    if place and finding.line is not None:
        place += f":{finding.line}"
    return _one_line(
        f"{place}: " * bool(place) + f"{finding.level}: {finding.id}: {finding.message}"
    )


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


def _by_level(findings: Iterable[Finding]) -> str:
    """``2 errors, 1 warning``, the gravest first."""
    counts = Counter(finding.level for finding in findings)
    levels = sorted(counts, key=lambda level: -level.gravity)
    return ", ".join(_number(counts[level], str(level)) for level in levels) or "no findings"


def _number(count: int, word: str) -> str:
    """``1 error``, ``2 errors``; information has no plural."""
    return f"{count:,} {word}{'s' if count != 1 and word != 'information' else ''}"


# ── registries that are used ─────────────────────────────────────────────────────────────────


class _Rejected(Exception):  # an answer on its way out, no error of ours
    """A registry that was to be used has errors, which have been told."""


def _answering_for_registries(command: Any) -> Any:
    """The option ``--json``; a registry with errors ends the command with exit code 1."""
    from functools import wraps

    @wraps(command)
    def called(*args: Any, **options: Any) -> Exit:
        try:
            return Exit(command(*args, **options))
        except _Rejected:
            return Exit.NO

    return answering(called)


def _opened(path: Path, screen: Screen) -> Registry:
    """A registry without errors; its warnings are passed over.

    Raises:
        DefinitionError: There is nothing to read at the path.
        _Rejected: It has errors.
    """
    from weft.weaver.check import read_registry
    from weft.weaver.findings import Level

    registry, findings = read_registry(path)
    errors = [finding for finding in findings if finding.level is Level.ERROR]
    if registry is not None and not errors:
        return registry
    fault = DefinitionError(
        f"the registry has {_number(len(errors), 'error')}", code="registry", file=str(path)
    )
    screen.answer(
        {
            "error": error_object(fault),
            "findings": [_plain(finding.as_json()) for finding in errors],
        }
    )
    if not screen.json:
        screen.warn(*map(_line, errors), f"Error: {fault}")
    raise _Rejected


# ── resolve, stats, diff ─────────────────────────────────────────────────────────────────────


@weaver.command()
@_registry
@_answering_for_registries
def resolve(registry: Path, screen: Screen) -> Exit:
    """A registry with all its references resolved, as JSON."""
    from weft.weaver.output import resolved_json

    resolved = _plain(resolved_json(_opened(registry, screen)))
    screen.answer(resolved)
    screen.say(json.dumps(resolved, indent=2))
    return Exit.DONE


@weaver.command()
@_registry
@_answering_for_registries
def stats(registry: Path, screen: Screen) -> Exit:
    """How much a registry defines, in numbers."""
    from weft.weaver.stats import registry_stats

    found = registry_stats(_opened(registry, screen))
    screen.answer(found.as_json())
    screen.say(*_numbers(found))
    return Exit.DONE


def _numbers(found: Stats) -> Iterator[str]:
    """The counts, then what they are made of."""
    counts = found.as_json()
    breakdown = counts.pop("breakdown")
    width = max(map(len, counts))
    for name, count in counts.items():
        yield f"{name.replace('_', ' '):{width}}  {count:>7,}"
    stability = breakdown.pop("stability")
    parts = {**breakdown, **{f"stability of {about}": each for about, each in stability.items()}}
    for name, each in parts.items():
        if each:
            words = ", ".join(f"{count:,} {word}" for word, count in each.items())
            yield f"{name.replace('_', ' ')}: {words}"


@weaver.command()
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("head", type=click.Path(path_type=Path))
@_answering_for_registries
def diff(base: Path, head: Path, screen: Screen) -> Exit:
    """What has changed from one version of a registry to another."""
    from weft.weaver.diff import compare

    found = compare(_opened(base, screen), _opened(head, screen))
    screen.answer(_plain(found.as_json()))
    screen.say(f"from {found.baseline} to {found.head}", *_changes(found))
    return Exit.DONE


def _changes(found: Difference) -> list[str]:
    rows = [
        (change.kind, about, _one_line(_change(change)))
        for about, changes in found.changes.items()
        for change in changes
    ]
    return table(["CHANGE", "OF", "WHAT"], rows) if rows else ["nothing has changed"]


def _change(change: Change) -> str:
    text = change.name
    if change.new_name is not None:
        text += f" → {change.new_name}"
    fields = [
        f"{field.field} {compact(field.old, 40)} → {compact(field.new, 40)}"
        for field in change.fields
    ]
    return f"{text}: {'; '.join(fields)}" if fields else text


# ── generate ─────────────────────────────────────────────────────────────────────────────────


@weaver.command()
@_registry
@click.option(
    "--target", required=True, metavar="python|markdown|TEMPLATES",
    help="A Python module, Markdown pages, or what the Jinja2 templates of a folder make.",
)  # fmt: skip
@click.option(
    "-o", "--output", required=True, metavar="OUT", type=click.Path(path_type=Path),
    help="Where to: a file for python, a folder for the others.",
)  # fmt: skip
@_answering_for_registries
def generate(registry: Path, target: str, output: Path, screen: Screen) -> Exit:
    """Text from a registry: Python constants, Markdown, or by templates."""
    from weft.weaver.generate import (
        markdown_pages,
        python_constants,
        render_templates,
        write_files,
    )

    opened = _opened(registry, screen)
    folder = output
    if target == "python":
        folder = output.parent
        try:
            files = {output.name: python_constants(opened)}
        except DefinitionError as error:  # two names of the registry that are one in Python
            screen.fail(error, f"Error: {error}")
            return Exit.NO
    elif target == "markdown":
        files = markdown_pages(opened)
    else:
        files = render_templates(opened, target)
    with _writing():
        written = [str(path) for path in write_files(files, folder)]
    screen.answer({"files": written})
    screen.say(*(f"wrote {path}" for path in written))
    return Exit.DONE


@contextmanager
def _writing() -> Iterator[None]:
    """What cannot be written is no fault of a definition: the disk's own error is let out."""
    try:
        yield
    except DefinitionError as error:
        if isinstance(error.__cause__, OSError):
            raise error.__cause__ from None
        raise


# ── live-check ───────────────────────────────────────────────────────────────────────────────


@weaver.command("live-check")
@click.argument("registry", metavar="REGISTRY", type=click.Path(path_type=Path))
@click.argument("samples", metavar="[FILE|-] | --otlp [-- COMMAND…]", nargs=-1)
@click.option(
    "--otlp", is_flag=True,
    help="Receive OTLP over gRPC and HTTP: while COMMAND runs, or until Ctrl-C.",
)  # fmt: skip
@click.option(
    "--grpc-port", type=click.IntRange(0, 65535), default=0,
    help="The port for gRPC.  [default: a free one]",
)  # fmt: skip
@click.option(
    "--http-port", type=click.IntRange(0, 65535), default=0,
    help="The port for HTTP.  [default: a free one]",
)  # fmt: skip
@click.option(
    "--idle", type=click.FloatRange(0, min_open=True), metavar="SECONDS",
    help="Stop receiving when nothing has come for so long.",
)  # fmt: skip
@click.option(
    "--fail-on", type=click.Choice(["violation", "improvement", "information", NOTHING]),
    default="violation", show_default=True, help="The level from which on a finding fails.",
)  # fmt: skip
@click.option("--allow-empty", is_flag=True, help="It is all right when there is no sample.")
@click.option(
    "--expect", multiple=True, metavar="SIGNAL",
    help="A signal that must have been seen: NAME, or metric:, event:, span:, attribute:NAME; "
    "* stands for all that match.",
)  # fmt: skip
@click.option(
    "--ratchet", metavar="FILE", type=click.Path(path_type=Path),
    help="The findings that are known: they pass, and new ones fail.",
)  # fmt: skip
@click.option("--update-ratchet", is_flag=True, help="Write today's findings into the ratchet.")
@click.option(
    "-v", "--verbose", is_flag=True, help="Tell each finding, also those that fail nothing."
)
@_answering_for_registries
def live_check(
    registry: Path,
    samples: tuple[str, ...],
    otlp: bool,
    grpc_port: int,
    http_port: int,
    idle: float | None,
    fail_on: str,
    allow_empty: bool,
    expect: Sequence[str],
    ratchet: Path | None,
    update_ratchet: bool,
    verbose: bool,
    screen: Screen,
) -> Exit:
    """Was only emitted what a registry declares?

    Samples are JSON, of a file or standard input, or with --otlp what is exported to here.
    """
    from weft.weaver.findings import Level
    from weft.weaver.livecheck import LiveChecker
    from weft.weaver.ratchet import Ratchet

    if update_ratchet and ratchet is None:
        raise UsageError("--update-ratchet needs --ratchet FILE", code="usage")
    if not otlp and len(samples) > 1:
        raise UsageError("one FILE of samples, not several", code="usage")
    # Before anything is read from a pipe: a file that is no ratchet is never written over.
    known = None if ratchet is None else Ratchet.load(ratchet)
    checker = LiveChecker(_opened(registry, screen))
    received: dict[str, Any] = {}
    if otlp:
        from weft.cli.receiving import receive

        received["received"] = receive(
            checker, screen, samples, grpc_port=grpc_port, http_port=http_port, idle_seconds=idle
        )
    else:
        for sample in _samples(samples[0] if samples else "-"):
            checker.add(sample)

    def report(known: Ratchet | None) -> LiveCheckReport:
        return checker.report(
            fail_on=None if fail_on == NOTHING else Level(fail_on),
            allow_empty=allow_empty,
            expect=expect,
            ratchet=known,
        )

    found = report(known)
    if update_ratchet and ratchet is not None:
        if any(finding.id == "empty_stream" for finding in found.findings):
            screen.warn(f"{ratchet}: left as it is, for an empty stream says nothing")
        else:
            known = Ratchet.of(found.findings)
            with _writing():
                known.save(ratchet)
            found = report(known)
    screen.answer({**found.as_json(), **received})
    told = Level.INFORMATION if verbose else Level.VIOLATION
    if fail_on != NOTHING:
        told = min(told, Level(fail_on), key=lambda level: level.gravity)
    screen.say(*_live_lines(found, told))
    failed = found.failed
    if otlp:
        about = received["received"]
        if about["refused"]:
            failed = True
            screen.warn(f"{_number(about['refused'], 'request')} refused: not OTLP, or too large")
        if about["command"] is not None and about["command"]["exit_code"]:
            failed = True
            screen.warn(f"the command ended with exit code {about['command']['exit_code']}")
    return Exit.NO if failed else Exit.DONE


def _samples(source: str) -> list[Sample]:
    from weft.weaver.samples import MAX_BYTES, parse_samples, read_samples

    if source != "-":
        return read_samples(source)
    if sys.stdin is None:  # as `<&-` leaves it
        raise UsageError("standard input is closed; name a file of samples", code="usage")
    # One byte more than there may be, so that it is noticed.
    return parse_samples(sys.stdin.buffer.read(MAX_BYTES + 1), file="<stdin>")


def _live_lines(found: LiveCheckReport, told: Level) -> Iterator[str]:
    """New findings, the gravest first, then what there was in numbers.

    Those below the level ``told`` are told in numbers only, by their ids.
    """
    new = [
        (finding, times)
        for number, (finding, times) in enumerate(zip(found.findings, found.times, strict=True))
        if number not in found.known
    ]
    below: dict[tuple[Level, str], list[int]] = {}
    for finding, times in sorted(new, key=lambda each: -each[0].level.gravity):
        if finding.level.gravity < told.gravity:
            below.setdefault((finding.level, finding.id), []).append(times)
            continue
        signal = ""
        if finding.file is None and finding.signal_name:
            signal = f"{finding.signal_type} {finding.signal_name}: "
        often = f" ({times:,} times)" if times > 1 else ""
        yield _one_line(f"{signal}{_line(finding)}{often}")
    for (level, name), counts in below.items():
        often = f", {sum(counts):,} times" if sum(counts) > len(counts) else ""
        yield f"{level}: {name}: {_number(len(counts), 'finding')}{often} (--verbose tells each)"
    if found.omitted:
        yield f"… and {_number(found.omitted, 'more finding')}"
    if found.stale:
        yield (
            f"{_number(len(found.stale), 'finding')} of the ratchet not found any more: "
            "tighten it with --update-ratchet"
        )
    statistics = found.statistics
    kinds = ", ".join(
        _number(count, kind.replace("_", " "))
        for kind, count in sorted(statistics.total_entities_by_type.items())
    )
    known = f", and {len(found.known):,} known" if found.known else ""
    yield (
        f"{'failed' if found.failed else 'passed'}: {_by_level(each for each, _ in new)}{known}; "
        f"seen {kinds or 'nothing'}; {statistics.registry_coverage:.0%} of the registry"
    )

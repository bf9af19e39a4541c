"""Text made from a registry: Python constants, Markdown pages, or what a template says.

Everything here yields texts by file name; `write_files` puts them into a folder. The same registry
gives the same text, so that a test can compare what is in the repository with what would be made.
"""

from __future__ import annotations

import json
import keyword
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

from weft.schema.errors import DefinitionError, UsageError
from weft.weaver.registry import (
    Attribute,
    EnumType,
    Group,
    GroupType,
    LevelOfRequirement,
    Registry,
    SpanLink,
    is_not_generated,
    is_template,
    type_name,
)

__all__ = [
    "FILTERS",
    "markdown_pages",
    "python_constants",
    "render_templates",
    "write_files",
]

Signal = Group[Attribute]

# --- words ----------------------------------------------------------------------------------

_WORD: Final = re.compile(r"[A-Z0-9]+(?![a-z0-9])|[A-Z]?[a-z0-9]+")


def _words(name: str) -> list[str]:
    """The words of a name: at dots, underscores, dashes and changes of case."""
    return [word for part in re.split(r"[^A-Za-z0-9]+", name) for word in _WORD.findall(part)] or [
        "_"
    ]


def snake_case(name: str) -> str:
    """``http.requestMethod`` to ``http_request_method``."""
    return "_".join(word.lower() for word in _words(name))


def screaming_snake_case(name: str) -> str:
    """``http.request.method`` to ``HTTP_REQUEST_METHOD``."""
    return snake_case(name).upper()


def kebab_case(name: str) -> str:
    """``http.request.method`` to ``http-request-method``."""
    return snake_case(name).replace("_", "-")


def pascal_case(name: str) -> str:
    """``http.request.method`` to ``HttpRequestMethod``."""
    return "".join(word[0].upper() + word[1:].lower() for word in _words(name))


def camel_case(name: str) -> str:
    """``http.request.method`` to ``httpRequestMethod``."""
    made = pascal_case(name)
    return made[0].lower() + made[1:]


def namespace(name: str) -> str:
    """``http`` of ``http.request.method``; a name without a dot is its own namespace."""
    return name.partition(".")[0]


def comment(text: str, prefix: str = "# ") -> str:
    """Every line of a text with something before it, and nothing after it."""
    return "\n".join(f"{prefix}{line}".rstrip() for line in text.strip().splitlines())


def first_sentence(text: str) -> str:
    """What stands before the first full stop that ends a sentence, in one line."""
    line = " ".join(text.split())
    return re.split(r"(?<=[.!?])\s", line, maxsplit=1)[0]


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "snake_case": snake_case,
    "screaming_snake_case": screaming_snake_case,
    "kebab_case": kebab_case,
    "pascal_case": pascal_case,
    "camel_case": camel_case,
    "namespace": namespace,
    "comment": comment,
    "first_sentence": first_sentence,
    "type_name": type_name,
}
"""What templates may use besides Jinja's own filters."""


# --- Python ---------------------------------------------------------------------------------

_LINE_LENGTH: Final = 100

_PYTHON_TYPES: Final = {
    "string": "str",
    "int": "int",
    "double": "float",
    "boolean": "bool",
    "any": "object",
}


def python_constants(registry: Registry) -> str:
    """A Python module with the names of a registry, and the types of their values.

    Every attribute, metric, event, span and entity is a constant; an enumeration is a class of
    constants; every signal has a ``TypedDict`` of its attributes, in which the required ones are
    ``Required``. What ``annotations.code_generation.exclude`` names is left out.

    Raises:
        DefinitionError: Two names of the registry would be one name in Python.
    """
    claims = _Claims()
    parts: list[str] = []
    attributes = [
        each for each in registry.attributes.values() if not is_not_generated(each.annotations)
    ]
    if attributes:
        parts.append("# Attributes.\n" + "".join(_attribute_lines(attributes, claims)))
    for title, kind in (
        ("Metrics", GroupType.METRIC),
        ("Spans", GroupType.SPAN),
        ("Events", GroupType.EVENT),
        ("Entities", GroupType.ENTITY),
    ):
        groups = [
            group for group in registry.of_type(kind) if not is_not_generated(group.annotations)
        ]
        if groups:
            parts.append(f"# {title}.\n" + "".join(_signal_lines(groups, claims)))
    body = "\n".join(part.rstrip("\n") + "\n" for part in parts)
    # Two lines after a class, as formatters want it.
    body = re.sub(r"(\n    [^\n]*\n)\n(?=# [A-Z])", r"\1\n\n", body)
    typing = [name for name in ("Final", "Required", "TypedDict") if name in f"Final{body}"]
    imports = ["from collections.abc import Sequence"] if "Sequence[" in body else []
    imports.append(f"from typing import {', '.join(typing)}")
    head = (
        f'"""The telemetry of {_plain(registry.schema_url)}: generated from the registry, '
        'do not edit."""\n\n'
        "from __future__ import annotations\n\n"
        + "\n".join(imports)
        + f"\n\nSCHEMA_URL: Final = {_quoted(registry.schema_url)}\n"
    )
    return f"{head}\n{body}" if body else head


class _Claims:
    """The names that a generated module has given away."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}

    def claim(self, identifier: str, owner: str) -> str:
        """The identifier, or an error if something else has it already."""
        if identifier[0].isdigit() or keyword.iskeyword(identifier):
            identifier = f"_{identifier}"
        other = self._owners.setdefault(identifier, owner)
        if other != owner:
            raise DefinitionError(
                f"{other} and {owner} would both be '{identifier}' in Python; leave one out with "
                "annotations.code_generation.exclude",
                code="generated-name-collision",
            )
        return identifier


def _attribute_lines(attributes: Iterable[Attribute], claims: _Claims) -> Iterator[str]:
    for attribute in attributes:
        owner = f"attribute '{attribute.name}'"
        name = claims.claim(screaming_snake_case(attribute.name), owner)
        yield f"\n{_assignment(name, attribute.name)}{_docstring(attribute)}"
        members = [each for each in attribute.members if not is_not_generated(each.annotations)]
        if not members:
            continue
        holder = claims.claim(f"{pascal_case(attribute.name)}Values", owner)
        yield f"\n\nclass {holder}:\n"
        yield f'    """Known values of ``{_plain(attribute.name)}``."""\n'
        inner = _Claims()
        for member in members:
            constant = inner.claim(
                screaming_snake_case(member.id), f"member '{member.id}' of {owner}"
            )
            yield f"\n    {_assignment(constant, member.value, indent=4)}"
            if member.brief:
                yield f'    """{_plain(first_sentence(member.brief))}"""\n'
        yield "\n"


def _docstring(attribute: Attribute) -> str:
    words = [_plain(first_sentence(attribute.brief)), f"({type_name(attribute.type)})"]
    if attribute.deprecated:
        words.append(f"Deprecated: {_plain(first_sentence(attribute.deprecated.note))}")
    return f'"""{" ".join(word for word in words if word)}"""\n'


def _signal_lines(groups: Iterable[Signal], claims: _Claims) -> Iterator[str]:
    # A name that is declared twice was warned of; one constant is enough for both.
    for group in {group.signal_name: group for group in groups}.values():
        owner = f"{group.type} '{group.signal_name}'"
        prefix = str(group.type).upper()
        name = claims.claim(f"{prefix}_{screaming_snake_case(group.signal_name)}", owner)
        yield f"\n{_assignment(name, group.signal_name)}"
        if group.brief:
            yield f'"""{_plain(first_sentence(group.brief))}"""\n'
        if group.type is GroupType.METRIC:
            unit = claims.claim(f"{name}_UNIT", owner)
            yield _assignment(unit, group.unit or "")
        holder = claims.claim(
            f"{pascal_case(group.signal_name)}{pascal_case(str(group.type))}Attributes", owner
        )
        fields = []
        for attribute in _without_templates(group.attributes):
            python_type = _python_type(attribute)
            if attribute.requirement_level.level == "required":
                python_type = f"Required[{python_type}]"
            fields.append(f"        {_quoted(attribute.name)}: {python_type},\n")
        if fields:
            opened = f"{{\n{''.join(fields)}    }}"
            yield f"{holder} = TypedDict(\n    {_quoted(holder)},\n    {opened},\n    total=False,\n)\n"


def _without_templates(attributes: Sequence[Attribute]) -> Iterator[Attribute]:
    """Each name once; a template stands for many names, and so for no key of a dictionary."""
    seen: set[str] = set()
    for attribute in attributes:
        if attribute.name not in seen and not is_template(attribute.type):
            seen.add(attribute.name)
            yield attribute


def _python_type(attribute: Attribute) -> str:
    if isinstance(attribute.type, EnumType):
        kinds = {type(member.value).__name__ for member in attribute.members} or {"str"}
        return " | ".join(sorted(kinds))
    if attribute.type.endswith("[]"):
        return f"Sequence[{_PYTHON_TYPES[attribute.type.removesuffix('[]')]}]"
    return _PYTHON_TYPES[attribute.type]


def _assignment(name: str, value: str | float | bool, indent: int = 0) -> str:
    """A constant, on as many lines as formatters would give it."""
    line = f"{name}: Final = {_quoted(value)}"
    if indent + len(line) <= _LINE_LENGTH:
        return f"{line}\n"
    margin = " " * indent
    return f"{name}: Final = (\n{margin}    {_quoted(value)}\n{margin})\n"


def _quoted(value: str | float | bool) -> str:
    """A Python literal, with the quotes that formatters want."""
    if not isinstance(value, str):
        return repr(value)
    made = json.dumps(value, ensure_ascii=False)
    return repr(value) if "\\" in made and '"' in value else made


def _plain(text: str) -> str:
    """A text that can stand in a docstring of one line."""
    made = " ".join(text.split()).replace("\\", "\\\\").replace('"""', "'''")
    return f"{made} " if made.endswith('"') else made


# --- Markdown -------------------------------------------------------------------------------


def markdown_pages(registry: Registry) -> dict[str, str]:
    """Pages about a registry by file name: ``README.md``, and one for each kind of signal."""
    pages: dict[str, str] = {}
    index = [f"# Telemetry of {registry.schema_url}\n"]
    for title, kind in (
        ("Metrics", GroupType.METRIC),
        ("Spans", GroupType.SPAN),
        ("Events", GroupType.EVENT),
        ("Entities", GroupType.ENTITY),
    ):
        groups = registry.of_type(kind)
        if not groups:
            continue
        file = f"{title.lower()}.md"
        pages[file] = f"# {title}\n\n" + "\n".join(_markdown_signal(group) for group in groups)
        index.append(f"## [{title}]({file})\n\n" + "".join(map(_markdown_entry, groups)))
    if registry.attributes:
        pages["attributes.md"] = "# Attributes\n\n" + "\n".join(
            _markdown_namespace(name, attributes)
            for name, attributes in _by_namespace(registry).items()
        )
        index.append("## [Attributes](attributes.md)\n")
    pages["README.md"] = "\n".join(index)
    return pages


def _by_namespace(registry: Registry) -> dict[str, list[Attribute]]:
    spaces: dict[str, list[Attribute]] = defaultdict(list)
    for attribute in registry.attributes.values():
        spaces[namespace(attribute.name)].append(attribute)
    return dict(sorted(spaces.items()))


def _markdown_entry(group: Signal) -> str:
    return f"- `{group.signal_name}`: {first_sentence(group.brief)}\n"


def _markdown_signal(group: Signal) -> str:
    lines = [f"## `{group.signal_name}`\n"]
    if group.deprecated:
        lines.append(f"**Deprecated.** {_one_line(group.deprecated.note)}\n")
    if group.brief:
        lines.append(group.brief.strip() + "\n")
    facts = {
        "Instrument": group.instrument,
        "Unit": f"`{group.unit}`" if group.unit else None,
        "Kind": group.span_kind,
        "Name": group.span_name_note,
        "Stability": group.stability,
    }
    lines += [f"- {name}: {_one_line(value)}" for name, value in facts.items() if value]
    if any(facts.values()):
        lines.append("")
    if group.note:
        lines.append(group.note.strip() + "\n")
    if group.attributes:
        lines += ["| attribute | type | required | what it says |", "| --- | --- | --- | --- |"]
        for attribute in group.attributes:
            wanted = _level(attribute.requirement_level)
            if attribute.role:
                wanted += f" ({attribute.role})"
            cells = (
                f"`{attribute.name}`",
                type_name(attribute.type),
                _cell(wanted),
                _cell(attribute.brief),
            )
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    if group.links:
        lines.append("Its spans are linked to those of\n")
        lines += [_markdown_link(link) for link in group.links]
        lines.append("")
    return "\n".join(lines)


def _markdown_link(link: SpanLink[Attribute]) -> str:
    said = f"- `{link.ref}` ({_level(link.requirement_level)})"
    if link.brief:
        said += f": {_one_line(link.brief)}"
    if link.attributes:
        names = ", ".join(
            f"`{each.name}` ({_level(each.requirement_level)})" for each in link.attributes
        )
        said += f" Attributes of the link: {names}."
    return said


def _level(level: LevelOfRequirement) -> str:
    return level.level.replace("_", " ") + (f": {level.text}" if level.text else "")


def _markdown_namespace(name: str, attributes: Iterable[Attribute]) -> str:
    lines = [
        f"## {name}\n",
        "| attribute | type | stability | what it says | examples |",
        "| --- | --- | --- | --- | --- |",
    ]
    known = []
    for attribute in attributes:
        brief = attribute.brief
        if attribute.deprecated:
            brief = f"**Deprecated.** {attribute.deprecated.note} {brief}"
        shown = attribute.examples if isinstance(attribute.examples, list) else [attribute.examples]
        examples = ", ".join(f"`{each}`" for each in shown if each is not None)
        cells = (
            f"`{attribute.name}`",
            type_name(attribute.type),
            attribute.stability or "",
            _cell(brief),
            _cell(examples),
        )
        lines.append(f"| {' | '.join(cells)} |")
        if attribute.members:
            known.append(f"\n`{attribute.name}` has the known values:\n")
            known += [
                f"- `{member.value}`: {_one_line(member.brief or member.id)}"
                for member in attribute.members
            ]
    return "\n".join([*lines, *known, ""])


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return _one_line(text).replace("|", "\\|")


# --- templates ------------------------------------------------------------------------------


def render_templates(
    registry: Registry,
    folder: str | os.PathLike[str],
    parameters: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """What the templates of a folder make of a registry, by file name.

    Every file ``NAME.j2`` is a Jinja2 template that makes the file ``NAME``, and may include the
    others. It sees ``registry`` (`weft.weaver.registry.Registry`), ``parameters`` and the filters
    in `FILTERS`. When ``NAME`` contains ``{namespace}``, it is rendered once for every namespace of
    attributes, with ``namespace`` and ``attributes``. Files that begin with ``_`` make nothing:
    they are for including.

    Templates run in Jinja2's sandbox: they can neither change the registry nor reach the system.

    Raises:
        DefinitionError: The folder has no templates, or one of them is wrong.
        UsageError: Jinja2 is not installed.
    """
    try:
        import jinja2
        import jinja2.sandbox
    except ImportError:
        raise UsageError(
            "templates need Jinja2; install weft with the extra 'templates'", code="missing-extra"
        ) from None
    root = Path(folder)
    names = sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*.j2")
        if path.is_file() and not path.name.startswith("_")
    )
    if not names:
        raise DefinitionError(
            "no templates: there is no file NAME.j2 in this folder",
            code="no-templates",
            file=str(root),
        )
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        loader=jinja2.FileSystemLoader(root),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # the output is source text, not HTML
    )
    environment.filters.update(FILTERS)
    made: dict[str, str] = {}
    for name in names:
        for target, variables in _targets(name.removesuffix(".j2"), registry):
            try:
                made[target] = environment.get_template(name).render(
                    registry=registry, parameters=dict(parameters or {}), **variables
                )
            except (jinja2.TemplateError, TypeError, ValueError, AttributeError) as error:
                raise DefinitionError(
                    f"the template cannot be rendered: {error}",
                    code="template",
                    file=str(root / (getattr(error, "name", None) or name)),
                    line=getattr(error, "lineno", None),
                ) from error
    return made


def _targets(name: str, registry: Registry) -> Iterator[tuple[str, dict[str, Any]]]:
    if "{namespace}" not in name:
        yield name, {}
        return
    for space, attributes in _by_namespace(registry).items():
        yield name.replace("{namespace}", space), {"namespace": space, "attributes": attributes}


def write_files(files: Mapping[str, str], folder: str | os.PathLike[str]) -> list[Path]:
    """Write texts into a folder, and say which files they are.

    Names are taken from registries and templates, so none may lead out of the folder.

    Raises:
        DefinitionError: A name leads out of the folder, or a file cannot be written.
    """
    root = Path(folder)
    for name in files:
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or ".." in parts or "\0" in name:
            raise DefinitionError(
                f"the file name {name!r} leads out of the folder", code="unsafe-path", file=name
            )
    written = []
    for name, text in sorted(files.items()):
        path = root / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise DefinitionError(
                f"cannot write: {error.strerror}", code="file-unwritable", file=str(path)
            ) from error
        written.append(path)
    return written

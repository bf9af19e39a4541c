"""The formats of specifications: what reads them, what writes them, and which suffix means which.

A format is a value; `formats` gives all there are. One that reads may not write, and the other way
round. A new one is added to the table at the end of this module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import attrs

from weft.schema.errors import DefinitionError, UsageError
from weft.schema.specification import Specification

__all__ = ["Format", "Formats", "Written", "formats"]

Read = Callable[[bytes, str | None, Path | None], Specification]
"""The specification that a text describes; its file's name, for faults; its folder."""


@attrs.frozen
class Written:
    """A specification as the text of a format, and what of it that format cannot say.

    What is ``lost`` does not change what a case does, or else nothing would be written; PNML alone
    is only the case's own net.
    """

    text: bytes
    lost: Sequence[str] = ()


@attrs.frozen
class Format:
    """A format of specifications.

    Args:
        name: What it is called, also with ``--to``.
        title: What it is, in a few words.
        suffixes: The ends of file names that mean it, with the dot; the longest one decides.
        read: Reads a text; None: nothing is read.
        write: Writes a specification; None: nothing is written.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    read: Read | None = None
    write: Callable[[Specification], Written] | None = None


@attrs.frozen
class Formats:
    """A table of formats."""

    all: tuple[Format, ...]

    def of(self, path: Path) -> Format:
        """The format that the end of a file's name means.

        Raises:
            DefinitionError: It means none.
        """
        name = path.name.lower()
        meant = [
            (len(suffix), -number, each)
            for number, each in enumerate(self.all)
            for suffix in each.suffixes
            if name.endswith(suffix)
        ]
        if not meant:
            known = ", ".join(dict.fromkeys(s for f in self.all for s in f.suffixes))
            raise DefinitionError(
                f"the suffix {path.suffix!r} tells no format; known: {known}",
                code="format",
                file=str(path),
            )
        return max(meant, key=lambda m: m[:2])[2]

    def known(self, path: Path) -> bool:
        """Whether the end of a file's name means a format."""
        name = path.name.lower()
        return any(name.endswith(suffix) for each in self.all for suffix in each.suffixes)

    def named(self, name: str) -> Format:
        """The format of a name.

        Raises:
            UsageError: There is none.
        """
        for each in self.all:
            if each.name == name:
                return each
        known = ", ".join(each.name for each in self.all)
        raise UsageError(f"there is no format {name!r}; there are {known}", code="format")

    def write(self, specification: Specification, format: Format) -> Written:
        """A specification in a format.

        Raises:
            UsageError: Nothing is written in that format.
            DefinitionErrors: What the format cannot say.
        """
        if format.write is None:
            written = ", ".join(f.name for f in self.all if f.write is not None)
            raise UsageError(
                f"{format.title} is read, not written; written are {written}", code="format"
            )
        return format.write(specification)


# ── those that there are ─────────────────────────────────────────────────────────────────────


def _read_yaml(text: bytes, file: str | None, origin: Path | None) -> Specification:
    """A specification in YAML or JSON: one with steps and no ``weft`` is in the steps format."""
    if b"steps" in text:
        from weft.schema.steps import is_steps, read_steps
        from weft.schema.yaml import load_yaml

        if is_steps(load_yaml(text, file=file, faults=[])):
            return read_steps(text, file=file, origin=origin)
    from weft.schema.native import read_native

    return read_native(text, file=file, origin=origin)


def _write_native(specification: Specification) -> Written:
    from weft.native_names import native_names
    from weft.schema.native_writer import write_native

    specification, renamed = native_names(specification)
    lost = [f"the name {old!r} (it is {new} now)" for old, new in renamed.items()]
    return Written(write_native(specification).encode(), lost)


def _write_steps(specification: Specification) -> Written:
    from weft.schema.steps import KEPT
    from weft.steps_writer import write_steps

    known = {"name", "triggers", *KEPT}
    lost = [f"{key!r} of the file" for key in specification.metadata if key not in known]
    return Written(write_steps(specification).encode(), lost)


def _read_bpmn(text: bytes, file: str | None, origin: Path | None) -> Specification:
    """The process of a BPMN file."""
    try:
        from weft.schema.bpmn import read_bpmn
    except ImportError as error:
        raise UsageError(
            f"BPMN files need the extra `xml`: pip install 'weft[xml]' ({error})", code="extra"
        ) from error
    return read_bpmn(text, file=file, origin=origin)


def _read_xml(text: bytes, file: str | None, origin: Path | None) -> Specification:
    """What is in a file that only calls itself XML: BPMN, by its namespace, else YAWL."""
    if b"omg.org/spec/BPMN" in text.replace(b"\0", b""):  # in UTF-16, too
        return _read_bpmn(text, file, origin)
    return _read_yawl(text, file, origin)


def _read_yawl(text: bytes, file: str | None, origin: Path | None) -> Specification:
    """The control flow of a YAWL file."""
    try:
        from weft.schema.yawl import read_yawl
    except ImportError as error:
        raise UsageError(
            f"YAWL files need the extra `xml`: pip install 'weft[xml]' ({error})", code="extra"
        ) from error
    return read_yawl(text, file=file, origin=origin)


def _write_yawl(specification: Specification) -> Written:
    """A specification as a YAWL file."""
    try:
        from weft.yawl_writer import write_yawl

        return Written(*write_yawl(specification))
    except ImportError as error:
        raise UsageError(
            f"YAWL files need the extra `xml`: pip install 'weft[xml]' ({error})", code="extra"
        ) from error


def _write_pnml(specification: Specification) -> Written:
    """The net of a specification, without its data."""
    from weft.connectors import builtin as connectors
    from weft.engine.compile import compile_specification
    from weft.engine.verify.plain import pnml_net
    from weft.patterns import builtin as patterns

    try:
        from weft.schema.pnml_writer import write_pnml
    except ImportError as error:
        raise UsageError(
            f"PNML needs the extra `xml`: pip install 'weft[xml]' ({error})", code="extra"
        ) from error
    compiled = compile_specification(specification, registry=patterns(), connectors=connectors())
    try:
        text = write_pnml(pnml_net(compiled.net))
    except UsageError as error:
        raise DefinitionError(error.message, code="pnml", file=specification.source.file) from error
    lost = ["data, conditions and who does the work"]
    lost += [f"the net {name!r}" for name in compiled.nets if name != compiled.root]
    return Written(text, lost)


@cache
def formats() -> Formats:
    """All formats there are."""
    return Formats(
        (
            Format(
                "native",
                "the native format",
                (".yaml", ".yml", ".json"),
                read=_read_yaml,  # of the two formats in YAML, the keys tell which
                write=_write_native,
            ),
            Format(
                "steps",
                "the steps format",
                (".steps.yaml", ".steps.yml", ".steps.json"),
                read=_read_yaml,
                write=_write_steps,
            ),
            Format("pnml", "PNML, a net without data", (".pnml",), write=_write_pnml),
            Format("bpmn", "BPMN 2.0", (".bpmn", ".bpmn2", ".bpmn20.xml"), read=_read_bpmn),
            Format(
                "yawl",
                "YAWL's XML",
                (".yawl", ".ywl", ".xml"),
                read=_read_xml,
                write=_write_yawl,
            ),
        )
    )

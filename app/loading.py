"""`load`: a specification from a file or a text, whatever its format."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from pathlib import Path

from weft.formats import formats
from weft.schema.errors import UsageError
from weft.schema.files import read_file
from weft.schema.specification import Specification

__all__ = ["BESIDE", "PROCESS", "SCHEMAS", "load", "loads"]

BESIDE: ContextVar[tuple[Path, ...]] = ContextVar("BESIDE", default=())
"""The BPMN files that a command has been given beside the one that calls their processes."""

PROCESS: ContextVar[str | None] = ContextVar("PROCESS", default=None)
"""The process of a BPMN file that a command has been told to take."""

SCHEMAS: ContextVar[Path | None] = ContextVar("SCHEMAS", default=None)
"""The folder of schemas that a command has been given; files in XML are held against them."""


def load(
    path: str | Path,
    *,
    schemas: str | Path | None = None,
    beside: Iterable[str | Path] | None = None,
    process: str | None = None,
) -> Specification:
    """Read a specification from a file; its suffix tells the format, or its keys do.

    Task functions, and modules of actions, are looked up in the file's folder first.

    Args:
        path: The file.
        schemas: A folder with the schemas (XSD) of YAWL or BPMN: a file of theirs is held
            against that of its version before it is read.
        beside: Other BPMN files, with processes that this one calls; they become part of it.
        process: Which process of a BPMN file is meant, where it has several: its identifier or
            name, or that of its pool.

    Raises:
        DefinitionErrors: All faults of the file, each with line and column.
        DefinitionError: There is no such file, or its suffix is unknown.
        UsageError: Its format is only written, or there is no schema for it in ``schemas``.
    """
    path = Path(path)
    known = formats().of(path)
    if known.read is None:
        raise UsageError(f"{path}: {known.title} is written, not read", code="format")
    text = read_file(path)
    others = [(str(p), read_file(Path(p))) for p in (BESIDE.get() if beside is None else beside)]
    folder = SCHEMAS.get() if schemas is None else Path(schemas)
    if folder is not None and known.name in ("yawl", "bpmn"):
        from weft.schema.xsd import check_schema

        for name, each in ((str(path), text), *others):
            check_schema(each, folder, file=name)
    chosen = PROCESS.get() if process is None else process
    if others or chosen is not None:
        if known.name not in ("bpmn", "xml"):
            what = "calls processes of other files" if others else "has several processes"
            raise UsageError(
                f"{path}: only a BPMN file {what}; this is {known.title}", code="format"
            )
        from weft.schema.bpmn_merge import with_called, with_chosen

        if chosen is not None:
            text = with_chosen(text, chosen, file=str(path))
        text = with_called(text, others, file=str(path)) if others else text
    return known.read(text, str(path), path.resolve().parent)


def loads(text: str, *, origin: Path | None = None, format: str = "native") -> Specification:
    """Read a specification from a text, by default in the native or the steps format.

    Args:
        text: The specification.
        origin: The folder beside which task functions are looked up.
        format: The name of its format; that of a stored specification is kept with it.

    Raises:
        DefinitionErrors: All faults of the text, each with line and column.
        UsageError: There is no such format, or it is only written.
    """
    known = formats().named("native" if format == "python" else format)
    if known.read is None:
        raise UsageError(f"{known.title} is written, not read", code="format")
    return known.read(text.encode(), None, origin)

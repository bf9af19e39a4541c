"""`load`: a specification from a file or a text, whatever its format."""

from __future__ import annotations

from pathlib import Path

from weft.formats import formats
from weft.schema.errors import UsageError
from weft.schema.files import read_file
from weft.schema.specification import Specification

__all__ = ["load", "loads"]


def load(path: str | Path) -> Specification:
    """Read a specification from a file; its suffix tells the format, or its keys do.

    Task functions, and modules of actions, are looked up in the file's folder first.

    Raises:
        DefinitionErrors: All faults of the file, each with line and column.
        DefinitionError: There is no such file, or its suffix is unknown.
        UsageError: Its format is only written.
    """
    path = Path(path)
    known = formats().of(path)
    if known.read is None:
        raise UsageError(f"{path}: {known.title} is written, not read", code="format")
    return known.read(read_file(path), str(path), path.resolve().parent)


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

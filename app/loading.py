"""`load`: a specification from a file or a text, whatever its format."""

from __future__ import annotations

from pathlib import Path

from weft.schema.errors import DefinitionError
from weft.schema.native import read_native, read_native_file
from weft.schema.specification import Specification

__all__ = ["load", "loads"]

_YAML = (".yaml", ".yml", ".json")


def load(path: str | Path) -> Specification:
    """Read a specification from a file; its suffix tells the format.

    Task functions are looked up in the file's folder first.

    Raises:
        DefinitionErrors: All faults of the file, each with line and column.
        DefinitionError: There is no such file, or its suffix is unknown.
    """
    path = Path(path)
    if path.suffix.lower() not in _YAML:
        raise DefinitionError(
            f"the suffix {path.suffix!r} tells no format; known: {', '.join(_YAML)}",
            code="format",
            file=str(path),
        )
    return read_native_file(path)


def loads(text: str, *, origin: Path | None = None) -> Specification:
    """Read a specification from a text in the native format.

    Args:
        text: The specification.
        origin: The folder beside which task functions are looked up.

    Raises:
        DefinitionErrors: All faults of the text, each with line and column.
    """
    return read_native(text, origin=origin)

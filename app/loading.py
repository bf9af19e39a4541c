"""`load`: a specification from a file or a text, whatever its format."""

from __future__ import annotations

from pathlib import Path

from weft.schema.errors import DefinitionError, UsageError
from weft.schema.files import read_file
from weft.schema.native import read_native
from weft.schema.specification import Specification
from weft.schema.yaml import load_yaml

__all__ = ["load", "loads"]

_YAML = (".yaml", ".yml", ".json")
_YAWL = (".yawl", ".ywl", ".xml")


def load(path: str | Path) -> Specification:
    """Read a specification from a file; its suffix tells the format, or its keys do.

    Task functions, and modules of actions, are looked up in the file's folder first.

    Raises:
        DefinitionErrors: All faults of the file, each with line and column.
        DefinitionError: There is no such file, or its suffix is unknown.
    """
    path = Path(path)
    if path.suffix.lower() in _YAWL:
        return _yawl(path)
    if path.suffix.lower() not in _YAML:
        raise DefinitionError(
            f"the suffix {path.suffix!r} tells no format; known: {', '.join((*_YAML, *_YAWL))}",
            code="format",
            file=str(path),
        )
    return _read(read_file(path), file=str(path), origin=path.resolve().parent)


def _yawl(path: Path) -> Specification:
    """The control flow of a YAWL file."""
    text = read_file(path)
    try:
        from weft.schema.yawl import read_yawl
    except ImportError as error:
        raise UsageError(
            f"YAWL files need the extra `xml`: pip install 'weft[xml]' ({error})", code="extra"
        ) from error
    return read_yawl(text, file=str(path), origin=path.resolve().parent)


def loads(text: str, *, origin: Path | None = None) -> Specification:
    """Read a specification from a text in the native or the steps format.

    Args:
        text: The specification.
        origin: The folder beside which task functions are looked up.

    Raises:
        DefinitionErrors: All faults of the text, each with line and column.
    """
    return _read(text.encode(), file=None, origin=origin)


def _read(text: bytes, *, file: str | None, origin: Path | None) -> Specification:
    """A specification in YAML or JSON: one with steps and no ``weft`` is in the steps format."""
    if b"steps" in text:
        from weft.schema.steps import is_steps, read_steps

        if is_steps(load_yaml(text, file=file)):
            return read_steps(text, file=file, origin=origin)
    return read_native(text, file=file, origin=origin)

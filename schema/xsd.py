"""XML files held against the schemas of their formats, where somebody has these at hand.

The schemas are not shipped, since their licences are their own. They are found in a folder by the
names that their publishers give them: ``YAWL_Schema4.0.xsd``, ``YAWL_SchemaBeta7.1.xsd`` and, for
Beta 2, ``YAWL_Schema.xsd``; ``BPMN20.xsd``, beside the files that it includes. Nothing is fetched
from elsewhere.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from lxml import etree

from weft.schema.errors import DefinitionError, UsageError, raise_faults
from weft.schema.xml import local, parse_xml

__all__ = ["check_schema", "schema_names"]

SHOWN = 50
"""So many faults of a file are told."""

_LATER = {"Beta 1": "Beta 2", "Beta 5": "Beta 6", "Beta 7": "Beta 7.1", "Beta 8": "Beta 7.1"}
"""Versions whose schema is published under the name of another."""


def schema_names(root: Any) -> tuple[str, ...]:
    """The names that the schema of a document has, the likeliest first; none: it is of no format.

    A YAWL file without a version is of Beta 2.
    """
    if local(root) == "definitions":
        return ("BPMN20.xsd",)
    if local(root) != "specificationSet":
        return ()
    version = root.get("version", "Beta 2")
    versions = [version, *([_LATER[version]] if version in _LATER else [])]
    names = [f"YAWL_Schema{v.replace(' ', '')}.xsd" for v in versions]
    return tuple(names) + (("YAWL_Schema.xsd",) if "Beta 2" in versions else ())


def check_schema(text: bytes, folder: Path, *, file: str | None = None) -> str:
    """Hold a file against the schema of its format and version.

    Args:
        text: The file.
        folder: Where the schemas are.
        file: Its name, for faults.

    Returns:
        The name of the schema.

    Raises:
        DefinitionErrors: What the schema does not allow, each with its line.
        DefinitionError: It is not XML.
        UsageError: The folder has no schema for it, or one that is none.
    """
    root, _ = parse_xml(text, file=file)
    names = schema_names(root)
    if not names:
        raise UsageError(
            f"{file or 'the text'}: there is no schema for {local(root)!r}; YAWL and BPMN have one",
            code="schemas",
        )
    path = next((folder / name for name in names if (folder / name).is_file()), None)
    if path is None:
        raise UsageError(
            f"{folder} has no schema for {file or 'the text'}: {' or '.join(names)} is looked for",
            code="schemas",
        )
    status = path.stat()
    schema = _schema(path.resolve(), status.st_mtime_ns, status.st_size)
    schema.validate(root)
    faults = []
    for entry in list(schema.error_log)[:SHOWN]:
        said = re.sub(r"\{[^{}]*\}", "", re.sub(r"\s+", " ", entry.message))[:400]
        line = entry.line or None
        faults.append(DefinitionError(said, code="schema", file=file, line=line))
    raise_faults(f"{file or 'the text'} is not valid by {path.name}", faults)
    return path.name


@lru_cache(maxsize=32)
def _schema(path: Path, _changed: int, _size: int) -> Any:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        return etree.XMLSchema(etree.parse(str(path), parser))
    except (etree.XMLSyntaxError, etree.XMLSchemaParseError, OSError) as error:
        said = re.sub(r"\s+", " ", str(error))[:300]
        raise UsageError(f"{path} is no schema that can be used: {said}", code="schemas") from None

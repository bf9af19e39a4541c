"""XML as outsiders bring it: parsed without entities, without the network, within bounds.

What every reader of an XML format shares (YAWL, BPMN, PNML): nothing outside the text is read, a
document type declaration is refused (so no entity can expand), and the parser's own bounds on
depth (256 levels) and on the size of a name or text stay in force.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lxml import etree

from weft.schema.errors import DefinitionError

__all__ = ["XSI_TYPE", "children", "first", "local", "name_of", "namespace", "parse_xml", "text_of"]

XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
"""The attribute that says of which type an element is."""

_PLAIN = ("UTF-8", "ASCII", "US-ASCII")


def parse_xml(text: bytes, *, file: str | None = None, code: str = "xml") -> tuple[Any, bytes]:
    """The root element of a document, and the document in UTF-8.

    Raises:
        DefinitionError: It is not XML, declares a document type, or is nested too deeply.
    """

    def refuse(message: str, line: int | None = None) -> DefinitionError:
        return DefinitionError(message, code=code, file=file, line=line)

    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    try:
        root = etree.fromstring(text, parser)
    except (etree.XMLSyntaxError, ValueError, LookupError) as error:
        line = getattr(error, "lineno", None)
        said = re.sub(r"\s+", " ", str(error))[:300]
        raise refuse(f"this is not XML: {said}", line or None) from None
    information = root.getroottree().docinfo
    if information.internalDTD is not None or information.doctype:
        raise refuse(
            "a document type declaration is not accepted: it may define entities; remove it", 1
        )
    if (information.encoding or "UTF-8").upper() in _PLAIN:
        return root, text
    return root, etree.tostring(root, encoding="utf-8", xml_declaration=False)


def local(element: Any) -> str:
    """An element's name without its namespace; nothing for a comment."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def namespace(element: Any) -> str:
    """An element's namespace, if it has one."""
    tag = element.tag
    return tag[1:].partition("}")[0] if isinstance(tag, str) and tag.startswith("{") else ""


def children(element: Any, *names: str) -> list[Any]:
    """The elements directly below that have one of the names (without names: all elements)."""
    return [x for x in element if isinstance(x.tag, str) and (not names or local(x) in names)]


def first(element: Any | None, *names: str) -> Any | None:
    """The first element directly below that has one of the names."""
    return None if element is None else next(iter(children(element, *names)), None)


def text_of(element: Any | None) -> str:
    """The text of an element and all below, its white space made one space."""
    return "" if element is None else " ".join("".join(_texts(element)).split())


def _texts(element: Any) -> Iterator[str]:
    return (str(part) for part in element.itertext(with_tail=False))


def name_of(
    id_: str, taken: Any, *, digit_first: bool = False, numbers: dict[str, int] | None = None
) -> str:
    """A name for what a file calls ``id_``: itself where that is one, and taken by nobody.

    ``numbers`` keeps how far the numbers behind a name have come, where many begin alike.
    """
    made = re.sub(r"[^A-Za-z0-9_-]", "_", id_)[:90]
    begins = "[A-Za-z0-9_]" if digit_first else "[A-Za-z_]"
    made = made if re.match(begins, made) else f"_{made}"
    number, found = 1, made
    if numbers is not None and made in taken:
        number = numbers.get(made, 1)
    while found in taken:
        number += 1
        found = f"{made}_{number}"
    if numbers is not None:
        numbers[made] = number
    return found

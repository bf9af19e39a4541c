"""Nets as PNML (ISO/IEC 15909-2:2011), for other tools.

What is written reads back as the same net. Read, inhibitor and reset arcs are no part of the
standard's place/transition nets; they are written as most tools do, with a ``type`` on the arc.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

from weft.schema.errors import DefinitionError
from weft.schema.pnml import PnmlNet

__all__ = ["write_pnml"]

NAMESPACE = "http://www.pnml.org/version-2009/grammar/pnml"
TYPE = "http://www.pnml.org/version-2009/grammar/ptnet"

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_pnml(net: PnmlNet) -> bytes:
    """A net as a PNML document, in UTF-8.

    Raises:
        DefinitionError: A name has a character that XML cannot hold.
    """
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<pnml xmlns="{NAMESPACE}">',
        f'  <net id={_attribute(net.id)} type="{TYPE}">',
        '    <page id="page">',
    ]
    for place in net.places:
        tokens = (
            f"<initialMarking><text>{place.tokens}</text></initialMarking>" if place.tokens else ""
        )
        lines.append(f"      <place id={_attribute(place.id)}>{_name(place.name)}{tokens}</place>")
    for name, label in net.transitions:
        lines.append(f"      <transition id={_attribute(name)}>{_name(label)}</transition>")
    taken = {p.id for p in net.places} | {name for name, _ in net.transitions}
    number = 0
    for arc in net.arcs:
        number += 1
        while f"arc{number}" in taken:
            number += 1
        kind = "" if arc.kind == "normal" else f'<type value="{arc.kind}"/>'
        weight = f"<inscription><text>{arc.weight}</text></inscription>" if arc.weight != 1 else ""
        lines.append(
            f'      <arc id="arc{number}" source={_attribute(arc.source)} '
            f"target={_attribute(arc.target)}>{kind}{weight}</arc>"
        )
    lines += ["    </page>", "  </net>", "</pnml>", ""]
    return "\n".join(lines).encode()


def _attribute(text: str) -> str:
    return quoteattr(_checked(text))


def _name(text: str) -> str:
    return f"<name><text>{escape(_checked(text))}</text></name>"


def _checked(text: str) -> str:
    """A text that XML can hold.

    Raises:
        DefinitionError: It has a control character or a lone surrogate.
    """
    found = _NOT_XML.search(text)
    if found is not None:
        raise DefinitionError(
            f"the name {text[:60]!r} has the character {found.group()!r}, which XML cannot hold",
            code="xml",
        )
    return text

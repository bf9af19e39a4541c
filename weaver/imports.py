"""Import patterns: which groups of its dependencies a registry takes over.

A pattern is a glob over the names of signals: ``*`` and ``?``, ``[a-z]`` and ``[!a]``,
``{one,two}``, and a backslash before a character that is meant literally.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from weft.weaver.registry import FileFormat, Group, GroupType

__all__ = ["compile_glob", "import_field", "import_keys"]


@lru_cache(maxsize=1024)
def compile_glob(pattern: str) -> re.Pattern[str]:
    """A regular expression that matches what the glob matches.

    Raises:
        ValueError: The pattern has an unclosed bracket or brace, or ends in a backslash.
    """
    made: list[str] = []
    depth = 0
    position = 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "*":
            # One star or many: names have no folders that a single star could stop at.
            while pattern[position : position + 1] == "*":
                position += 1
            made.append(".*")
        elif character == "?":
            made.append(".")
        elif character == "[":
            end = pattern.find("]", position + (2 if pattern[position:].startswith("!") else 1))
            if end < 0:
                raise ValueError("the bracket '[' is never closed")
            made.append(_character_class(pattern[position:end]))
            position = end + 1
        elif character == "{":
            depth += 1
            made.append("(?:")
        elif character == "}" and depth:
            depth -= 1
            made.append(")")
        elif character == "}":
            raise ValueError("the brace '}' was never opened")
        elif character == "," and depth:
            made.append("|")
        elif character == "\\":
            if position == len(pattern):
                raise ValueError("the backslash at the end stands before nothing")
            made.append(re.escape(pattern[position]))
            position += 1
        else:
            made.append(re.escape(character))
    if depth:
        raise ValueError("the brace '{' is never closed")
    return re.compile("".join(made), re.DOTALL)


def _character_class(text: str) -> str:
    negated = text[:1] in {"!", "^"}
    body = text[1:] if negated else text
    made = []
    position = 0
    while position < len(body):
        first = body[position]
        if body[position + 1 : position + 2] == "-" and position + 2 < len(body):
            last = body[position + 2]
            if first > last:
                raise ValueError(f"the range '{first}-{last}' is empty")
            made.append(f"{re.escape(first)}-{re.escape(last)}")
            position += 3
        else:
            made.append(re.escape(first))
            position += 1
    return f"[{'^' if negated else ''}{''.join(made)}]"


def import_field(group: Group[Any]) -> str | None:
    """The field of ``imports`` whose patterns can name a group."""
    return {
        GroupType.METRIC: "metrics",
        GroupType.METRIC_GROUP: "metrics",
        GroupType.EVENT: "events",
        GroupType.SPAN: "spans",
        GroupType.ENTITY: "entities",
        GroupType.ATTRIBUTE_GROUP: "attribute_groups",
    }.get(group.type)


def import_keys(group: Group[Any]) -> Iterable[str]:
    """The names that a pattern can match a group by."""
    if group.type is GroupType.ATTRIBUTE_GROUP:
        keys = {group.id, group.id.removeprefix("attribute_group.")}
        if group.format is FileFormat.V2:
            keys.add(group.id.removeprefix("registry."))
        return keys
    if group.format is FileFormat.V2 or group.type is GroupType.ENTITY:
        return {group.id, group.signal_name, group.id.removeprefix(f"{group.type}.")}
    if group.type is GroupType.SPAN:
        return {group.id, group.signal_name}
    return {group.signal_name}

"""Import patterns: which groups of its dependencies a registry takes over.

A pattern is a glob over the names of signals: ``*`` and ``?``, ``[a-z]`` and ``[!a]``,
``{one,two}``, and a backslash before a character that is meant literally.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from weft.weaver.registry import FileFormat, Group, GroupType

__all__ = ["compile_glob", "import_field", "import_keys"]


MAX_ALTERNATIVES: Final = 1_000
"""How many patterns without braces a pattern may stand for."""

_Segments = tuple[str, ...]
"""What stands between the stars of a pattern without braces, as regular expressions."""


@lru_cache(maxsize=1024)
def compile_glob(pattern: str) -> re.Pattern[str]:
    """A regular expression that matches what the glob matches.

    Raises:
        ValueError: The pattern has an unclosed bracket or brace, ends in a backslash, or its
            braces stand for more than `MAX_ALTERNATIVES`.
    """
    # For each open brace, innermost last: the alternatives that ended at a comma, and the last.
    ended: list[list[_Segments]] = [[]]
    last: list[list[_Segments]] = [[("",)]]

    def append(*further: _Segments) -> None:
        if len(last[-1]) * len(further) > MAX_ALTERNATIVES:
            raise ValueError(f"the braces stand for more than {MAX_ALTERNATIVES:,} patterns")
        last[-1] = [
            (*before[:-1], before[-1] + after[0], *after[1:])
            for before in last[-1]
            for after in further
        ]

    position = 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "*":
            # One star or many: names have no folders that a single star could stop at.
            while pattern[position : position + 1] == "*":
                position += 1
            append(("", ""))
        elif character == "?":
            append((".",))
        elif character == "[":
            end = pattern.find("]", position + (2 if pattern[position:].startswith("!") else 1))
            if end < 0:
                raise ValueError("the bracket '[' is never closed")
            append((_character_class(pattern[position:end]),))
            position = end + 1
        elif character == "{":
            ended.append([])
            last.append([("",)])
        elif character == "}" and len(ended) > 1:
            alternatives = ended.pop() + last.pop()
            append(*alternatives)
        elif character == "}":
            raise ValueError("the brace '}' was never opened")
        elif character == "," and len(ended) > 1:
            ended[-1] += last[-1]
            last[-1] = [("",)]
        elif character == "\\":
            if position == len(pattern):
                raise ValueError("the backslash at the end stands before nothing")
            append((re.escape(pattern[position]),))
            position += 1
        else:
            append((re.escape(character),))
    if len(ended) > 1:
        raise ValueError("the brace '{' is never closed")
    return re.compile("|".join(map(_expression, last[-1])), re.DOTALL)


def _expression(segments: _Segments) -> str:
    """A regular expression that takes what stands between two stars where it is met first.

    What follows a star can be anything, so no later place would do better; an expression that
    tried them all would take exponential time.
    """
    first, *between = segments
    if not between:
        return first
    *between, final = between
    return first + "".join(f"(?>.*?{segment})" for segment in between) + f".*{final}"


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

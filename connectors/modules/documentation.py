"""Documentation: the changelog, and links that lead nowhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import attrs

from weft.connectors.actions import Context, action
from weft.connectors.modules.repository import files_below, folder, read_text, write_text

__all__ = ["check_links", "update_docs"]

_UNRELEASED: Final = "## Unreleased"
_LINK: Final = re.compile(r"(?<!!)\[[^\]\n]*\]\(\s*(?:<([^<>\n]*)>|([^()\s<>]+))[^)\n]*\)")


@attrs.frozen
class Updated:
    """The files that were changed, relative to the folder."""

    docs_updated: list[str]


@action("update-docs")
def update_docs(
    feature: str,
    changes: list[Any] | None = None,
    plan: Any = None,
    cwd: str | None = None,
    changelog: str = "CHANGELOG.md",
) -> Updated:
    """Put an entry about a feature at the top of the changelog, below *Unreleased*.

    The changelog is made when there is none. An entry that stands there already is not repeated,
    so that a second attempt changes nothing.
    """
    del plan
    place = folder(cwd)
    path = place / changelog
    text = read_text(path) if path.exists() else "# Changelog\n"
    names = sorted({str(c.get("file")) if isinstance(c, dict) else str(c) for c in changes or ()})
    entry = f"- {' '.join(feature.split())}" + (f" ({', '.join(names[:10])})" if names else "")
    if entry in text.splitlines():
        return Updated([])
    if _UNRELEASED in text.splitlines():
        head, _, rest = text.partition(f"{_UNRELEASED}\n")
        text = f"{head}{_UNRELEASED}\n\n{entry}\n{rest.lstrip(chr(10))}"
    else:
        title, found, rest = text.partition("\n## ")
        text = f"{title.rstrip()}\n\n{_UNRELEASED}\n\n{entry}\n" + (f"\n## {rest}" if found else "")
    write_text(path, text)
    return Updated([changelog])


@attrs.frozen
class Links:
    """Links to files that are not there: ``{file, line, target}`` each."""

    broken: list[dict[str, Any]]
    checked: int


@action("check-links")
async def check_links(context: Context, cwd: str | None = None) -> Links:
    """Look for links between the Markdown files of a folder, and to files, that lead nowhere."""
    place = folder(cwd)
    files, _ = await files_below(context, place)
    broken: list[dict[str, Any]] = []
    checked = 0
    for name in files:
        if Path(name).suffix.lower() not in (".md", ".markdown"):
            continue
        fenced = False
        for number, line in enumerate(read_text(place / name).splitlines(), 1):
            if line.lstrip().startswith(("```", "~~~")):
                fenced = not fenced
            for pointed, bare in [] if fenced else _LINK.findall(line):
                target = pointed or bare
                path = target.partition("#")[0]
                if not path or re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", target):
                    continue
                checked += 1
                start = place if path.startswith("/") else (place / name).parent
                if not (start / path.lstrip("/")).exists():
                    broken.append({"file": name, "line": number, "target": target})
    return Links(broken, checked)

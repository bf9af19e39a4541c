"""Analysis: how much there is to a request, judged by what it touches."""

from __future__ import annotations

from typing import Final, Literal

import attrs

from weft.connectors.actions import Context, action
from weft.connectors.modules.repository import files_below, folder, refused
from weft.connectors.modules.words import keywords, mentioning

__all__ = ["analyze_requirements"]

MOST: Final = 20
"""So many dependencies are told."""
_FILES: Final = {"simple": 2, "medium": 8}
"""Up to so many files are touched by what is called simple, or medium."""
_MINUTES: Final = {"simple": 30, "medium": 120, "complex": 480}


@attrs.frozen
class Requirements:
    """A first judgement; ``dependencies`` are the files that speak of it, the likeliest first.

    ``estimatedTime`` is in minutes.
    """

    complexity: Literal["simple", "medium", "complex"]
    estimated_time: float
    dependencies: list[str]
    keywords: list[str]


@action("analyze-requirements")
async def analyze_requirements(
    context: Context, feature: str, priority: str | None = None, cwd: str | None = None
) -> Requirements:
    """Judge a request by the number of files that speak of it, and of its words.

    It is a rule of thumb, the same for everybody: up to 2 files are simple, up to 8 are of medium
    complexity; half an hour, two hours, a day. What has a high priority gets no more time.
    """
    del priority
    if not feature.strip():
        raise refused("the feature is empty: say what is wanted")
    place = folder(cwd)
    files, _ = await files_below(context, place)
    words = keywords(feature)
    touched = await mentioning(context, place, files, words)
    complexity: Literal["simple", "medium", "complex"] = "complex"
    if len(touched) <= _FILES["simple"]:
        complexity = "simple"
    elif len(touched) <= _FILES["medium"]:
        complexity = "medium"
    return Requirements(complexity, float(_MINUTES[complexity]), touched[:MOST], words)

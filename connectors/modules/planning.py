"""Planning: from a feature and what it touches to tasks, files and tests."""

from __future__ import annotations

from typing import Any

import attrs

from weft.connectors.actions import Context, action
from weft.connectors.modules.repository import files_below, folder
from weft.connectors.modules.words import keywords, mentioning

__all__ = ["create_implementation_plan"]


@attrs.frozen
class Plan:
    """A plan: ``tasks`` (``{id, text}`` each), the ``files`` it touches, their ``tests``."""

    plan: dict[str, Any]


@action("create-implementation-plan")
async def create_implementation_plan(
    context: Context,
    feature: str,
    complexity: str | None = None,
    dependencies: list[Any] | None = None,
    cwd: str | None = None,
) -> Plan:
    """A plan by plain rules: the files that speak of the feature, their tests, and the steps.

    What is called after a file, ``test_name`` or ``name_test``, tests it.
    """
    place = folder(cwd)
    files, _ = await files_below(context, place)
    if dependencies is None:
        touched = await mentioning(context, place, files, keywords(feature))
    else:
        touched = [str(name) for name in dependencies if str(name) in files]
    touched = [name for name in touched if not _is_test(name)][:20]
    stems = {_stem(name) for name in touched}
    tests = [name for name in files if _is_test(name) and _tested(name) in stems]
    texts = [f"Change {name} for: {feature}" for name in touched] or [f"Implement: {feature}"]
    texts += [f"Extend {name}" for name in tests] or ["Write tests"]
    if complexity == "complex":
        texts = [f"Write down the design of: {feature}", *texts]
    tasks = [{"id": f"task-{number}", "text": text} for number, text in enumerate(texts, 1)]
    return Plan({"tasks": tasks, "totalTasks": len(tasks), "files": touched, "tests": tests})


def _stem(name: str) -> str:
    return name.rpartition("/")[2].partition(".")[0]


def _is_test(name: str) -> bool:
    return _tested(name) != _stem(name)


def _tested(name: str) -> str:
    """What a test's name says that it tests."""
    return _stem(name).removeprefix("test_").removesuffix("_test")

"""The modules of actions that come with Weft, for developers' workflows: small, and real.

They work on the repository in which the engine runs, or that the input ``cwd`` names. What takes
judgement is asked of the agent that the user has configured; everything else is plain Python and
git.
"""

from __future__ import annotations

from typing import Final

__all__ = ["BUILTIN"]

BUILTIN: Final = {
    name: f"weft.connectors.modules.{name.replace('-', '_')}"
    for name in (
        *("agent", "analysis", "bug-fixing", "documentation", "git", "implementation"),
        *("planning", "refactoring", "review", "system", "testing"),
    )
}
"""The names that files use, and the Python modules."""

"""The agent that the user has configured: a command that reads a prompt and prints an answer."""

from __future__ import annotations

from typing import Any

import attrs

from weft.connectors.actions import Context, action
from weft.connectors.modules.repository import folder

__all__ = ["launch_background", "run_prompt"]


@attrs.frozen
class Answer:
    """What the agent printed."""

    output: str


@action("run-prompt")
async def run_prompt(
    context: Context,
    prompt: str,
    cwd: str | None = None,
    max_tokens: int | None = None,
    temperature: float | None = None,
) -> Answer:
    """Give a prompt to the agent.

    ``maxTokens`` and ``temperature`` are told to it in the prompt's first lines, as it has no
    other ears.
    """
    settings = {"max tokens": max_tokens, "temperature": temperature}
    told = [f"({name}: {value})\n" for name, value in settings.items() if value is not None]
    return Answer(await context.agent.run("".join(told) + prompt, cwd=folder(cwd)))


@attrs.frozen
class Launched:
    """An agent's work: ``agentTaskId`` is the work item's id."""

    agent_task_id: str
    status: str
    output: str


@action("launch-background")
async def launch_background(
    context: Context,
    prompt: str,
    tasks: list[Any] | None = None,
    cwd: str | None = None,
    agent_type: str | None = None,
    max_iterations: int | None = None,
) -> Launched:
    """Give a prompt with a list of tasks to the agent.

    The step lasts as long as the agent works: nothing that a workflow starts outlives it, so what
    comes after finds the work done. Other cases go on meanwhile.
    """
    del agent_type  # which agent it is, its user has configured
    chosen = (tasks or [])[: max_iterations or None]
    lines = [f"{number}. {_line(task)}" for number, task in enumerate(chosen, 1)]
    whole = "\n".join([prompt, *(["", "Tasks:", *lines] if lines else [])])
    output = await context.agent.run(whole, cwd=folder(cwd))
    name = f"{context.work.case}:{context.work.item}"
    return Launched(name, "completed", output)


def _line(task: Any) -> str:
    if isinstance(task, dict):
        return str(task.get("text") or task.get("title") or task.get("name") or task)
    return str(task)

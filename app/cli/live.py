"""A running case on a terminal: what has happened above, and below it what is under way.

What has happened is told a line a step, as everywhere (`weft.progress`), the branch that was taken
among it. Below stand the items that run or wait for a retry, with attempt and elapsed time, and
are drawn anew four times a second. They are only there while something runs: nothing stands in
the way of a question to the person at the terminal.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from weft.cli.output import duration, visible
from weft.engine.lifecycle import CaseStatus, ItemStatus
from weft.progress import Progress

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

    from weft.engine.runtime.live import Batch

__all__ = ["MOST_ROWS", "LiveProgress"]

MOST_ROWS = 12
"""So many items are shown at once; of more, how many there are."""


class LiveProgress:
    """Tells what happens in a case, and shows what is under way.

    Args:
        say: Takes each line of what has happened.
        console: Where the rest is drawn.
        clock: Seconds that only grow; elapsed times are counted from when an item was heard of.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        console: Console,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._progress = Progress(self._told, duration=duration)
        self._say = say
        self._console = console
        self._clock = clock
        self._under_way: dict[str, tuple[int, float, float | None]] = {}
        """Item to attempt, since when, and when a retry is due (None: it runs)."""
        self._lock = threading.Lock()
        self._live: Live | None = None

    def __call__(self, batch: Batch) -> None:
        """Tell what a batch has done, and show what is under way after it."""
        self._progress(batch)
        now = self._clock()
        with self._lock:
            for name in batch.touched:
                item = batch.after.items.get(name)
                self._under_way.pop(name, None)
                if item is None or not batch.after.task(item).automatic:
                    continue
                if item.status is ItemStatus.STARTED:
                    self._under_way[name] = item.attempt, now, None
                elif item.retry_at is not None:
                    wait = (item.retry_at - batch.records[-1].time) / 1_000_000
                    self._under_way[name] = item.attempt, now, now + wait
            if batch.after.status is not CaseStatus.RUNNING:
                self._under_way.clear()
        self._show()

    def _told(self, line: str) -> None:
        """Tell a line: above what is drawn, if something is, and as long as it is."""
        if self._live is None:
            self._say(line)
            return
        from rich.text import Text

        try:
            self._console.print(Text(visible(line)), soft_wrap=True)
        except OSError:
            self._live = None

    def _show(self) -> None:
        """Begin or end the drawing; a terminal that has gone ends it for good."""
        try:
            if not self._under_way:
                self.close()
            elif self._live is None:
                from rich.live import Live

                self._live = Live(
                    get_renderable=self.rows, console=self._console, transient=True,
                    refresh_per_second=4, auto_refresh=True,
                )  # fmt: skip
                self._live.start()
        except OSError:
            self._live = None

    def rows(self) -> RenderableType:
        """What is under way, one line an item; the oldest first."""
        from rich.table import Table
        from rich.text import Text

        with self._lock:
            items = list(self._under_way.items())
        now = self._clock()
        shown = Table.grid(padding=(0, 2))
        for name, (attempt, since, due) in items[:MOST_ROWS]:
            state = Text("runs", "cyan") if due is None else Text("failed", "yellow")
            seconds = now - since if due is None else due - now
            passed = duration(max(seconds, 0.0))
            shown.add_row(
                Text(name.removesuffix("/1"), "bold"),
                state,
                f"attempt {attempt}",
                passed if due is None else f"again in {passed}",
            )
        if len(items) > MOST_ROWS:
            shown.add_row(Text(f"and {len(items) - MOST_ROWS:,} more", "dim"))
        return shown

    def close(self) -> None:
        """Draw nothing any more; the terminal is as it was."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()

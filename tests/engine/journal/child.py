"""A process of its own that the tests start and kill; it speaks through its output.

python child.py append URL        append for ever in 8 cases; each acknowledged "case number"
python child.py claim URL CASE    claim the case, say "claimed", wait
python child.py fork URL CASE     the same, with a forked child that lives on: "claimed PID"
python child.py race URL COUNT    append COUNT events to shared cases, against other processes
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from tests.engine.journal.batches import batch
from weft.engine.journal import open_journal
from weft.engine.ports import CaseId, EngineId, Journal, JournalConflict


def say(text: str) -> None:
    os.write(1, (text + "\n").encode())


async def append_for_ever(journal: Journal) -> None:
    async def drive(case: str) -> None:
        number = 0
        while True:
            wait = journal.append(batch(case, number, 2))
            assert wait is not None
            await wait
            number += 2
            say(f"{case} {number}")

    await asyncio.gather(*(drive(f"case-{n}") for n in range(8)))


def race(journal: Journal, count: int) -> None:
    stored = 0
    while stored < count:
        case = f"case-{stored % 3}"
        head = journal.summary(CaseId(case))
        try:
            journal.append(batch(case, 0 if head is None else head.sequence))
        except JournalConflict:
            say("conflict")
            continue
        stored += 1
    say("done")


def main(doing: str, url: str, *more: str) -> None:
    journal = open_journal(url)
    if doing == "append":
        asyncio.run(append_for_ever(journal))
    elif doing == "race":
        race(journal, int(more[0]))
        journal.close()
    else:
        journal.claim(CaseId(more[0]), EngineId("theirs"))
        if doing == "claim":
            say("claimed")
        elif os.fork() == 0:  # the child speaks: then it has done what it does after a fork
            say(f"claimed {os.getpid()}")
        signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])

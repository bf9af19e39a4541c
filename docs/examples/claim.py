"""A process as typed Python: an insurance claim. The same process is in claim.yaml.

Run it with ``python claim.py``.
"""

from __future__ import annotations

from typing import Literal

import attrs

import weft
from weft.flow import Variable, parallel, person, process, when
from weft.handles import CompletedCase, IdleCase


@attrs.frozen
class Claim:
    id: str
    amount: float


@attrs.frozen
class Assessment:
    score: int


@attrs.frozen
class Decision:
    choice: Literal["pay", "refuse"]
    comment: str = ""


@weft.task
def assess(claim: Claim) -> Assessment:
    return Assessment(score=round(claim.amount / 100))


@weft.task
async def pay(claim: Claim, work: weft.Work) -> str:
    return f"paid {claim.amount:.2f} ({work.idempotency_key})"


@weft.task
def refuse(decision: Decision) -> str:
    return f"refused: {decision.comment}"


@weft.task
def write_letter(claim: Claim) -> str:
    return f"About your claim {claim.id}"


@weft.task
def book(claim: Claim) -> int:
    return len(claim.id)


@weft.task
def file_away(letter: str, number: int) -> str:
    return f"{letter} (no. {number})"


claim = Variable("claim", Claim)
decide = person("decide", "Pay this claim?", Decision, role="clerk", shows={"claim": claim})

approve = decide.then(
    when(decide.result.map(lambda d: d.choice == "pay"), pay.named("pay-approved").given(claim))
    .otherwise(refuse)
)  # fmt: skip

handle = (
    process("claim", claim)
    .then(assess.retry(3, delay="1s"))
    .then(when("assess.score > 30", approve).otherwise(pay.given(claim)))
    .then(parallel(write_letter.given(claim), book.given(claim)))
    .then(file_away)
    .build()
)


def main() -> None:
    with weft.open() as engine:
        now = handle.run(engine, Claim("C-17", 9000.0))
        if isinstance(now, IdleCase):
            (item,) = now.items_of(decide)
            now = now.complete(item, Decision("refuse", "it was no accident"), by="ada").settle()
        if isinstance(now, CompletedCase):
            print(now.output)


if __name__ == "__main__":
    main()

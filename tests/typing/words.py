"""What the programs of this folder are about: types, and tasks over them."""

from __future__ import annotations

from typing import Literal

import attrs

import weft
from weft.flow import Variable, person, task


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


@task
def assess(claim: Claim) -> Assessment:
    return Assessment(round(claim.amount / 100))


@task
async def pay(claim: Claim, work: weft.Work) -> str:
    return f"{claim.id} {work.attempt}"


@task(run_in="inline")
def refuse() -> str:
    return "refused"


@task
def book(claim: Claim, assessment: Assessment) -> int:
    return assessment.score


@task
def notify(text: str, copies: int = 1) -> None:
    del text, copies


@task
def improve(claim: Claim) -> Claim:
    return claim


claim = Variable("claim", Claim)
count = Variable("count", int)
decide = person("decide", "Pay?", Decision, shows={"claim": claim})

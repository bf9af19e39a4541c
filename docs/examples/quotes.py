"""A fan-out over data: ask all suppliers for a quote at the same time, and buy from the cheapest.

The same process is in quotes.yaml. Run it with ``python quotes.py``.
"""

from __future__ import annotations

import attrs

import weft
from weft.flow import Variable, for_each, process
from weft.handles import CompletedCase


@attrs.frozen
class Supplier:
    name: str
    price: float


@attrs.frozen
class Quote:
    supplier: str
    price: float


@weft.task
def find_suppliers(article: str) -> list[Supplier]:
    return [Supplier(name, len(article) * factor) for name, factor in FACTORS.items()]


@weft.task
async def ask(supplier: Supplier) -> Quote:
    if supplier.name == "Closed":
        raise weft.WorkFailed("nobody answers", code="closed")
    return Quote(supplier.name, round(supplier.price, 2))


@weft.task
def choose(quotes: list[Quote]) -> str:
    best = min(quotes, key=lambda quote: quote.price)
    return f"{best.supplier} for {best.price:.2f}, the best of {len(quotes)} quotes"


FACTORS = {"North": 3.5, "South": 2.25, "East": 4.0, "West": 3.0}

article = Variable("article", str)
quotes = (
    process("quotes", article)
    .then(find_suppliers)  # str → list[Supplier]
    .then(for_each(ask.retry(3, delay="1s"), at_most=3))  # list[Supplier] → list[Quote]
    .then(choose)  # list[Quote] → str
    .build()
)


def main() -> None:
    with weft.open() as engine:
        now = quotes.run(engine, "anvil")
        if isinstance(now, CompletedCase):
            print(now.output)


if __name__ == "__main__":
    main()

"""Order fulfilment: every order of a CSV file is a case of `fulfil-order.yaml`.

python docs/examples/orders.py [orders.csv] [store]
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from pathlib import Path

import attrs

import weft

HERE = Path(__file__).resolve().parent
LARGEST_CHARGE = 1_000.0


@attrs.frozen
class Order:
    """A line of the file."""

    number: str
    sku: str
    count: int
    price: float
    country: str

    @property
    def total(self) -> float:
        """What it costs."""
        return round(self.count * self.price, 2)


@attrs.frozen
class Reservation:
    """What the warehouse says."""

    reserved: bool
    left: int


stock: dict[str, int] = {}
"""What is in the warehouse, by article; as a program of one's own would ask a service."""


def reserve(order: Order) -> Reservation:
    """Put goods aside, if there are as many."""
    left = stock.setdefault(order.sku, 60)
    if left < order.count:
        return Reservation(reserved=False, left=left)
    stock[order.sku] = left - order.count
    return Reservation(reserved=True, left=left - order.count)


def charge(order: Order, work: weft.Work) -> str:
    """Charge the customer. The same key at every attempt: the bank charges once."""
    if order.number.endswith("7") and work.attempt == 1:
        raise ConnectionError("the bank does not answer")
    if order.total > LARGEST_CHARGE:
        raise weft.WorkFailed(f"{order.total} is more than the card allows", retryable=False)
    return f"receipt {work.idempotency_key}"


def pack(order: Order) -> str:
    """Pack the goods."""
    return f"parcel {order.number} to {order.country}"


def invoice(order: Order, receipt: str) -> float:
    """Write the invoice."""
    assert receipt
    return order.total


def ship(order: Order, parcel: str) -> str:
    """Hand the parcel over."""
    return f"{parcel} is on its way ({order.count} × {order.sku})"


def release(order: Order, reason: str) -> str:
    """Undo the reservation."""
    stock[order.sku] += order.count
    return f"released, since {reason}"


def backorder(order: Order) -> str:
    """Order more."""
    return f"ordered {order.count} × {order.sku}"


def apologise(order: Order) -> str:
    """Tell the customer."""
    return f"sorry about order {order.number}"


def run(file: Path, store: str = "memory:") -> Counter[str]:
    """Fulfil every order of a file; how many ended in which way."""
    process = weft.load(HERE / "fulfil-order.yaml")
    ways: Counter[str] = Counter()
    with weft.open(store) as engine, file.open(newline="") as lines:
        for line in csv.DictReader(lines):
            order = {**line, "count": int(line["count"]), "price": float(line["price"])}
            case = engine.run(process, {"order": order}, case=f"order-{line['number']}")
            assert case.status is weft.CaseStatus.COMPLETED
            data = case.data
            way = next(w for w in ("ship", "release", "backorder") if data.get(w) is not None)
            ways[way] += 1
    return ways


if __name__ == "__main__":
    found = run(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "orders.csv", *sys.argv[2:3])
    for way, count in sorted(found.items()):
        sys.stdout.write(f"{count:4}  {way}\n")

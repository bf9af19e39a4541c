"""What the tasks of trip.yaml do; a real agency would be asked over the network.

Each function may run more than once, after a crash: the key of the attempt is the same then, so
an agency that remembers it books once.
"""

from __future__ import annotations

import attrs

import weft


@attrs.frozen
class Booking:
    what: str
    number: str
    price: float


def book_hotel(traveller: str, work: weft.Work) -> Booking:
    return Booking(f"hotel for {traveller}", work.idempotency_key, 220.0)


def book_flight(traveller: str, work: weft.Work) -> Booking:
    if work.attempt == 1:
        raise ConnectionError("the airline does not answer")
    return Booking(f"flight for {traveller}", work.idempotency_key, 340.0)


def pay(hotel: Booking, flight: Booking, limit: float) -> float:
    total = hotel.price + flight.price
    if total > limit:
        raise weft.WorkFailed(
            f"{total:.2f} is more than the {limit:.2f} of the card", code="refused", retryable=False
        )
    return total


def cancel(booking: Booking) -> str:
    return f"cancelled: {booking.what}"

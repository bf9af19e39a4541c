"""The example of a saga: paid, or undone in reverse order."""

from __future__ import annotations

from pathlib import Path

JOB = Path(__file__).resolve().parents[2] / "docs" / "examples" / "trip.yaml"


def test_a_trip_that_is_paid(weft):
    done = weft("run", JOB, "-p", "limit=1000", "--json")
    assert done.code == 0
    assert done.json["data"]["pay"] == 560.0
    assert done.json["data"]["cancel_hotel"] is None


def test_a_trip_that_cannot_be_paid_is_undone(weft):
    done = weft("run", JOB, "-p", "limit=100", "--json", "--seed", "1")
    assert (done.code, done.json["status"]) == (1, "cancelled")
    assert done.json["data"]["cancel_hotel"] == "cancelled: hotel for Ada"
    case = done.json["case"]
    events = weft("history", case, "--json").json["events"]
    completed = [x["data"]["item"] for x in events if x["type"] == "WorkItemCompleted"]
    assert completed == ["hotel/1", "flight/1", "cancel-flight/1", "cancel-hotel/1"]
    reason = events[-1]["data"]["reason"]
    assert reason == "compensated after: 560.00 is more than the 100.00 of the card"

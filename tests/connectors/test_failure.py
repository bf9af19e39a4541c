from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.connectors.failure import describe_exception, raised, shorten
from weft.schema.errors import WorkFailed
from weft.schema.jsonvalue import checked


def caught(error: BaseException) -> BaseException:
    """The exception with a traceback."""
    try:
        raise error
    except BaseException as raised_error:  # noqa: BLE001 - the test looks at it
        return raised_error


def test_class_message_and_traceback() -> None:
    told = describe_exception(caught(ValueError("no such order")))
    assert told["class"] == "ValueError"
    assert told["message"] == "no such order"
    assert told["causes"] == []
    assert "notes" not in told
    assert "members" not in told
    trace = str(told["traceback"])
    assert trace.startswith("Traceback")
    assert trace.endswith("ValueError: no such order\n")
    assert "test_failure.py" in trace


def test_causes_are_told_nearest_first() -> None:
    def build() -> None:
        try:
            try:
                raise KeyError("first")
            except KeyError:
                raise LookupError("second")  # noqa: B904 - its context counts too
        except LookupError as error:
            raise RuntimeError("third") from error

    with pytest.raises(RuntimeError) as info:
        build()
    assert describe_exception(info.value)["causes"] == [
        {"class": "LookupError", "message": "second"},
        {"class": "KeyError", "message": "'first'"},
    ]


def test_a_suppressed_context_is_no_cause() -> None:
    def build() -> None:
        try:
            raise KeyError("first")
        except KeyError:
            raise RuntimeError("second") from None

    with pytest.raises(RuntimeError) as info:
        build()
    assert describe_exception(info.value)["causes"] == []


def test_a_circle_of_causes_ends() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert describe_exception(first)["causes"] == [{"class": "ValueError", "message": "second"}]


def test_notes_and_members_are_told() -> None:
    error = ExceptionGroup("several", [ValueError("a"), ExceptionGroup("inner", [OSError("b")])])
    error.add_note("while counting")
    told = describe_exception(error)
    assert told["notes"] == ["while counting"]
    assert told["members"] == [
        {"class": "ValueError", "message": "a"},
        {"class": "ExceptionGroup", "message": "inner (1 sub-exception)"},
    ]


def test_a_class_is_called_as_its_author_knows_it() -> None:
    class Broken(Exception):
        pass

    name = "test_a_class_is_called_as_its_author_knows_it.<locals>.Broken"
    Broken.__module__ = "_weft_beside_0123456789ab.checks"
    assert describe_exception(Broken())["class"] == f"checks.{name}"
    Broken.__module__ = "shop.orders"
    assert describe_exception(Broken())["class"] == f"shop.orders.{name}"


def test_an_exception_that_cannot_tell_itself_is_told_all_the_same() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    told = describe_exception(caught(Mute()))
    assert told["message"] == "<its message cannot be made: RuntimeError>"
    assert str(told["class"]).endswith("Mute")


def test_notes_of_any_kind_do_no_harm() -> None:
    error = ValueError("x")
    error.__notes__ = ["good", 5]  # type: ignore[list-item]
    assert describe_exception(error)["notes"] == ["good"]
    error.__notes__ = "bad"  # type: ignore[assignment]
    assert "notes" not in describe_exception(error)


def test_a_traceback_that_cannot_be_made_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    import traceback

    def broken(*_: object, **__: object) -> list[str]:
        raise OSError

    monkeypatch.setattr(traceback, "format_exception", broken)
    told = describe_exception(ValueError("x"))
    assert told["traceback"] == "<its traceback cannot be made: OSError>"


def test_the_size_is_bounded() -> None:
    error: BaseException = ValueError("x" * 1_000_000)
    for _ in range(100):
        outer = ExceptionGroup("y" * 10_000, [ValueError("z" * 10_000)] * 100)
        outer.__cause__ = error
        for _ in range(100):
            outer.add_note("n" * 10_000)
        error = outer
    assert len(repr(describe_exception(error))) < 1_500_000


@given(st.text(alphabet=st.characters(categories=["L", "Cs", "Cc"])))
def test_it_is_always_json(message: str) -> None:
    told = describe_exception(caught(ValueError(message)))
    assert checked(told, what="error") == told


@given(st.text(), st.integers(min_value=2, max_value=50))
def test_shortening_keeps_the_beginning_and_the_end(text: str, limit: int) -> None:
    shown = shorten(text, limit)
    if len(text) <= limit:
        assert shown == text.encode("utf-8", "backslashreplace").decode()
    else:
        assert f"… {len(text) - 2 * (limit // 2)} characters left out …" in shown


def test_the_failure_of_an_attempt() -> None:
    failure = raised("checks:analyse", ValueError("no such file"))
    assert isinstance(failure, WorkFailed)
    assert failure.message == "checks:analyse raised ValueError: no such file"
    assert failure.code == "raised"
    assert raised("checks:analyse", ValueError()).message == "checks:analyse raised ValueError"
    assert WorkFailed("x").details == {}

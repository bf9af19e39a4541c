"""A table is a dict that nobody changes: large or small, read in the order of insertion."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from weft.engine import table
from weft.engine.table import SMALL, change, settle, unordered

KEYS = st.integers(0, 2 * SMALL).map(lambda n: f"key-{n}")


class Tables(RuleBasedStateMachine):
    """A table beside a plain dict, with all that it ever was kept and looked at again."""

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[str, int] = {}
        self.table = settle({})
        self.kept: list[tuple[object, list[tuple[str, int]]]] = []

    @rule(keys=st.lists(KEYS, max_size=20), value=st.integers())
    def put(self, keys: list[str], value: int) -> None:
        working = change(self.table)
        for key in keys:
            working[key] = self.model[key] = value
        self.table = settle(working)

    @rule(size=st.integers(SMALL - 2, SMALL + 40))
    def grow(self, size: int) -> None:
        working = change(self.table)
        for n in range(size):
            working[f"key-{n}"] = self.model[f"key-{n}"] = n
        assert dict(working) == self.model
        assert sorted(unordered(working)) == sorted(self.model.values())
        self.table = settle(working)

    @rule(keys=st.lists(KEYS, max_size=20))
    def drop(self, keys: list[str]) -> None:
        working = change(self.table)
        for key in keys:
            assert working.pop(key, None) == self.model.pop(key, None)
        self.table = settle(working)

    @rule(left=st.integers(0, 10))
    def shrink(self, left: int) -> None:
        working = change(self.table)
        for key in list(self.model)[left:]:
            del working[key]
            del self.model[key]
        self.table = settle(working)

    @rule()
    def keep(self) -> None:
        self.kept.append((self.table, list(self.model.items())))

    @invariant()
    def reads_as_the_model_does(self) -> None:
        assert list(self.table.items()) == list(self.model.items())
        assert len(self.table) == len(self.model)
        assert self.table == self.model
        assert self.model == self.table
        assert "key-1" in self.table or "key-1" not in self.model
        assert sorted(unordered(self.table)) == sorted(self.model.values())

    def teardown(self) -> None:
        for kept, items in self.kept:
            assert list(kept.items()) == items  # type: ignore[attr-defined]


TestTables = Tables.TestCase
TestTables.settings = settings(max_examples=25, stateful_step_count=15)


@given(st.integers(0, 3 * SMALL))
def test_the_form_follows_the_size(size: int) -> None:
    made = settle({n: n for n in range(size)})
    assert isinstance(made, dict) == (size <= SMALL)
    assert repr(made) == repr(dict(made))
    assert table.SMALL == SMALL

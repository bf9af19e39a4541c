from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from weft.connectors.lookup import Unfound, find_function

Folder = Callable[..., Path]


@pytest.fixture(autouse=True)
def _modules_forgotten() -> Iterator[None]:
    before, path = dict(sys.modules), list(sys.path)
    yield
    assert sys.path == path  # it never changes for good
    for name in set(sys.modules) - set(before):
        del sys.modules[name]


def find(name: str, origin: Path | None = None) -> object:
    return find_function(name, origin)


def unfound(name: str, origin: Path | None = None) -> str:
    with pytest.raises(Unfound) as caught:
        find(name, origin)
    return str(caught.value)


def test_an_installed_function_is_found() -> None:
    from json import dumps

    assert find("json:dumps") is dumps
    assert find("os.path:join") is __import__("os").path.join
    assert find("json:JSONEncoder.encode") is __import__("json").JSONEncoder.encode


def test_modules_of_one_name_beside_two_specifications_are_two(folder: Folder) -> None:
    one = folder("one", checks="def which(): return 'one'")
    two = folder("two", checks="def which(): return 'two'")
    assert find("checks:which", one)() == "one"  # type: ignore[operator]
    assert find("checks:which", two)() == "two"  # type: ignore[operator]
    assert find("checks:which", one) is find("checks:which", one)
    assert "checks" not in sys.modules


def test_a_module_beside_comes_before_an_installed_one(folder: Folder) -> None:
    place = folder(xdrlib="def which(): return 'beside'", wave="def which(): return 'beside'")
    assert find("wave:which", place)() == "beside"  # type: ignore[operator]
    import wave

    assert not hasattr(wave, "which")


def test_imports_beside_work_as_in_a_script(folder: Folder) -> None:
    place = folder(
        checks="""
            import helpers
            import deep.inner
            import json as standard
            label = 'checks'
            from helpers import name
            from deep import inner as same
            def all_of_them():
                import late
                from . import helpers as relative
                return [helpers.name, name, deep.inner.name, same.name, late.name, relative.name]
            def standard_is_standard():
                return standard.dumps([])
        """,
        helpers="name = 'helper'",
        late="import checks; name = checks.label",
        json="raise AssertionError('the standard library is hidden')",
        deep__DOT____init__="from .inner import name",
        deep__DOT__inner="""
            from . import other
            from ..helpers import name as up
            import helpers
            name = other.name + up + helpers.name
        """,
        deep__DOT__other="name = 'other'",
    )
    deep = "otherhelperhelper"
    assert find("checks:all_of_them", place)() == [  # type: ignore[operator]
        *("helper", "helper", deep, deep, "checks", "helper")
    ]
    assert find("checks:standard_is_standard", place)() == "[]"  # type: ignore[operator]
    assert find("deep.inner:other.name.upper", place)() == "OTHER"  # type: ignore[operator]


def test_helpers_of_one_name_do_not_meet(folder: Folder) -> None:
    code = "import helpers\ndef which(): return helpers.name"
    one = folder("one", checks=code, helpers="name = 1")
    two = folder("two", checks=code, helpers="name = 2")
    assert [find("checks:which", f)() for f in (one, two)] == [1, 2]  # type: ignore[operator]


def test_a_module_that_is_imported_the_usual_way_is_not_loaded_twice(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = folder(usual_checks="def f(): pass")
    monkeypatch.syspath_prepend(place)
    function = find("usual_checks:f", place)
    import usual_checks  # type: ignore[import-not-found]

    assert function is usual_checks.f


def test_a_script_that_runs_is_not_loaded_again(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = folder(program="raise AssertionError('it started again')")
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "__file__", str(place / "program.py"), raising=False)
    monkeypatch.setattr(main, "step", lambda: 1, raising=False)
    assert find("program:step", place) is main.step  # type: ignore[attr-defined]


def test_a_module_made_by_hand_is_not_the_one_beside(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = folder(handmade="def f(): return 'beside'")
    monkeypatch.setitem(sys.modules, "handmade", type(sys)("handmade"))
    assert find("handmade:f", place)() == "beside"  # type: ignore[operator]


def test_a_module_written_just_now_is_seen(folder: Folder) -> None:
    place = folder(first="def f(): pass")
    find("first:f", place)
    (place / "second.py").write_text("def f(): return 2")
    assert find("second:f", place)() == 2  # type: ignore[operator]


def test_extension_modules_beside_are_left_to_the_usual_machinery(folder: Folder) -> None:
    import importlib.machinery

    place = folder(other="")
    (place / f"native{importlib.machinery.EXTENSION_SUFFIXES[0]}").write_bytes(b"no library")
    assert "module 'native' cannot be imported: ImportError: " in unfound("native:f", place)


@pytest.mark.parametrize(
    "name",
    ["checks", "checks:", ":f", "checks:f()", "a-b:f", "a..b:f", "a:b:c", "", "1a:f", "a:f "],
)
def test_a_name_of_the_wrong_form(name: str) -> None:
    assert unfound(name) == f"{name!r} names no function: write it as module:function"


def test_a_module_that_is_missing_comes_with_near_ones(folder: Folder) -> None:
    place = folder(checks="", helpers__DOT____init__="")
    assert unfound("cheks:f", place) == (
        f"there is no module 'cheks' beside the specification ({place}) or among the installed "
        "ones (did you mean 'checks'?)"
    )
    assert "(did you mean 'helpers'?)" in unfound("helper:f", place)
    assert unfound("no_such.thing:f") == (
        "there is no module 'no_such.thing' among the installed ones"
    )
    assert "there is no module 'helpers.x'" in unfound("helpers.x:f", place)
    assert "there is no module 'x'" in unfound("x:f", place / "gone")


def test_a_function_that_is_missing_comes_with_near_ones(folder: Folder) -> None:
    place = folder(
        checks="def analyse(): ...\ndef _hidden(): ...\nfrom json import dumps\nclass K: ..."
    )
    assert unfound("checks:analyze", place) == (
        "module 'checks' has no 'analyze' (did you mean 'analyse'?); it has K, analyse"
    )
    assert unfound("checks:K.method", place) == "class 'checks.K' has no 'method'"


def test_what_goes_wrong_inside_a_module_is_told_as_such(folder: Folder) -> None:
    place = folder(
        missing="import no_such_library",
        broken="\n\n1 / 0",
        leaving="raise SystemExit('good bye')",
        grammar="def f(:\n",
    )
    assert unfound("missing:f", place) == (
        "module 'missing' cannot be imported: ModuleNotFoundError: No module named "
        f"'no_such_library' ({place}/missing.py:1)"
    )
    assert unfound("broken:f", place) == (
        "module 'broken' cannot be imported: ZeroDivisionError: division by zero "
        f"({place}/broken.py:3)"
    )
    assert "SystemExit: good bye" in unfound("leaving:f", place)
    assert "SyntaxError: invalid syntax (grammar.py, line 1)" in unfound("grammar:f", place)


def test_an_interrupt_while_importing_is_passed_on(folder: Folder) -> None:
    place = folder(slow="raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        find("slow:f", place)


def test_a_module_that_misuses_weft_is_told_with_its_own_line(tmp_path):
    (tmp_path / "misuses_weft.py").write_text("import weft\n\nweft.nothing_of_that_name\n")
    with pytest.raises(Unfound, match=r"nothing_of_that_name.*misuses_weft\.py:3\)"):
        find_function("misuses_weft:act", tmp_path)

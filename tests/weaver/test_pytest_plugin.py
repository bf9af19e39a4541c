"""The pytest plugin, in runs of pytest of its own over a project that is not Weft."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

REGISTRY = """\
file_format: definition/2
attributes:
  - {key: shop.order.size, type: int, brief: How many items., stability: stable, examples: [3]}
metrics:
  - name: shop.order.count
    instrument: counter
    unit: "{order}"
    brief: Orders taken.
    stability: stable
    requirement_level: recommended
spans:
  - type: shop.order.take
    kind: internal
    name: {note: take order}
    brief: An order is taken.
    stability: stable
    requirement_level: recommended
    attributes:
      - {ref: shop.order.size, requirement_level: required}
events:
  - name: shop.order.taken
    brief: An order was taken.
    stability: stable
    requirement_level: recommended
"""

SHOP = """\
from opentelemetry import metrics, trace
from opentelemetry._logs import get_logger

tracer = trace.get_tracer("shop")
meter = metrics.get_meter("shop")
orders = meter.create_counter("shop.order.count", "{order}")
visits, guests = [], []


def count(those):
    return lambda options: [metrics.Observation(len(those))] if those else []


meter.create_observable_counter("shop.visits", [count(visits)])
meter.create_observable_up_down_counter("shop.guests", [count(guests)])


def take(size):
    with tracer.start_as_current_span("shop.order.take") as span:
        span.set_attribute("shop.order.size", size)
        orders.add(1)
        get_logger("shop").emit(event_name="shop.order.taken")
"""

TESTS = """\
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from shop import guests, orders, take, tracer, visits


def test_good():
    take(3)


def test_wrong_type():
    take("three")


def test_wrong_metric():
    orders.add(1, {"shop.colour": "red"})


def test_own_failure():
    take("four")
    assert 1 == 2


@pytest.fixture
def emitting():
    yield
    take("five")


def test_wrong_in_teardown(emitting):
    pass


@pytest.mark.weft_live_check(allow=["type_mismatch"])
def test_allowed():
    take("six")


@pytest.mark.weft_live_check(off=True)
def test_off():
    take("seven")


@pytest.mark.weft_live_check("other")
def test_of_another_registry():
    with tracer.start_as_current_span("bake"):
        pass


@pytest.mark.weft_live_check(fail_on="information")
def test_stricter():
    with tracer.start_as_current_span("shop.order.take") as span:
        span.set_attributes({"shop.order.size": 1, "shop.order.more": 1})


def test_fixture(weft_live_check):
    weft_live_check.expect("span:shop.order.take")
    take(1)
    assert not [f for f in weft_live_check.collect() if f.level == "violation"]


def test_what_is_expected_does_not_come(weft_live_check):
    weft_live_check.expect("metric:shop.order.count")


def test_an_observed_sum():
    visits.append("Ann")


def test_after_it():
    take(2)


def test_another_observed_sum():
    guests.append("Ann")


def test_the_first_one_moves_again():
    visits.append("Bob")


def test_after_all_of_them():
    take(2)


def test_a_provider_that_ends():
    provider = MeterProvider(shutdown_on_exit=False)
    provider.get_meter("own").create_counter("shop.short").add(1)
    provider.shutdown()


def test_a_provider_of_its_own():
    TracerProvider(shutdown_on_exit=False).get_tracer("own").start_span(
        "own", attributes={"shop.own": 1}
    ).end()
"""


@attrs.frozen
class Done:
    """What a run of pytest came to."""

    code: int
    text: str

    @property
    def failed(self) -> set[str]:
        return set(re.findall(r"^(?:FAILED|ERROR) \S+::(\w+)", self.text, re.MULTILINE))


Pytest = Callable[..., Done]


# Only the plugins that matter here, for others take their time to be imported.
PLUGINS = ("-p", "weft.weaver.pytest_plugin", "-p", "no:cacheprovider")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a registry and a module that emits, but without tests."""
    for folder in ("registry", "other"):
        (tmp_path / folder).mkdir()
        manifest = f"schema_url: https://{folder}.example/1.0.0\n"
        (tmp_path / folder / "manifest.yaml").write_text(manifest)
    (tmp_path / "registry/shop.yaml").write_text(REGISTRY)
    other = REGISTRY.replace("shop.order", "bakery.bread")
    (tmp_path / "other/bakery.yaml").write_text(other)
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    return tmp_path


@pytest.fixture
def run_pytest(project: Path) -> Pytest:
    def run(tests: str, *arguments: str) -> Done:
        (project / "test_shop.py").write_text(tests)
        plugins = [*PLUGINS, "-p", "xdist"] if "-n" in arguments else PLUGINS
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *plugins, *arguments],
            cwd=project,
            env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        return Done(done.returncode, done.stdout + done.stderr)

    return run


CHECK = ("--weft-live-check", "registry")

FAILING = {
    "test_wrong_type",
    "test_wrong_metric",
    "test_own_failure",
    "test_wrong_in_teardown",
    "test_stricter",
    "test_what_is_expected_does_not_come",
    # A sum that is observed again and again fails those that moved it, and no test after them.
    "test_an_observed_sum",
    "test_another_observed_sum",
    "test_the_first_one_moves_again",
    "test_a_provider_that_ends",
    "test_a_provider_of_its_own",
}


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "workers"])
def test_findings_stand_at_their_tests(workers: tuple[str, ...], run_pytest: Pytest) -> None:
    done = run_pytest(TESTS, *CHECK, *workers, "--weft-live-check-expect", "event:*")
    assert done.failed == FAILING, done.text
    assert done.code == 1
    line = 1 + SHOP.splitlines().index(
        '    with tracer.start_as_current_span("shop.order.take") as span:'
    )
    assert re.search(
        rf"shop\.py:{line}: span 'shop\.order\.take': violation: Attribute 'shop\.order\.size' has "
        r"type 'string'\. Type should be 'int'\. \[type_mismatch\]",
        done.text,
    )
    assert "metric 'shop.order.count': violation: Attribute 'shop.colour' does not" in done.text
    assert "assert 1 == 2" in done.text  # its own failure comes first
    assert "telemetry outside the registry in teardown:" in done.text
    assert "'metric:shop.order.count'" in done.text or "'shop.order.count' was expec" in done.text
    # Of spans, metrics and events of the registry, and its attribute, all were seen.
    assert "100% of it seen" in done.text


def test_the_run_fails_when_what_is_expected_does_not_come(run_pytest: Pytest) -> None:
    nothing = "def test_nothing():\n    pass\n"
    done = run_pytest(nothing, *CHECK)
    assert done.code == 1
    assert "empty_stream: nothing was emitted" in done.text
    some = "from shop import tracer\ndef test_some():\n    tracer.start_span('x').end()\n"
    expected = ("--weft-live-check-expect", "span:*", "--weft-live-check-allow-empty")
    done = run_pytest(some, *CHECK, *expected)
    assert done.code == 1
    assert "expected_signal_missing: 'shop.order.take' was expected, but not seen" in done.text


def test_a_ratchet_lets_known_findings_pass(run_pytest: Pytest, tmp_path: Path) -> None:
    known = (
        "from shop import orders, take, tracer\n"
        "def test_known():\n    take('three')\n"
        "def test_known_metric():\n    orders.add(1, {'shop.colour': 'red'})\n"
        "def test_good(weft_live_check):\n    take(3)\n    assert not weft_live_check.collect()\n"
    )
    new = "def test_new():\n    tracer.start_span('new', attributes={'shop.new': 1}).end()\n"
    ratchet = ("--weft-live-check-ratchet", "known.json")
    updated = run_pytest(known, *CHECK, *ratchet, "--weft-live-check-update-ratchet")
    assert updated.code == 0, updated.text
    assert json.loads((tmp_path / "known.json").read_text())["known"] == [
        "extends_namespace metric:shop.order.count shop.colour",
        "missing_attribute metric:shop.order.count shop.colour",
        "type_mismatch span shop.order.size",
    ]
    done = run_pytest(known + new, *CHECK, *ratchet)
    assert done.failed == {"test_new"}, done.text
    assert "3 known findings" in done.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--weft-live-check", "nowhere"), "nowhere"),
        ((*CHECK, "--weft-live-check-update-ratchet"), "needs --weft-live-check-ratchet"),
        ((*CHECK, "--weft-live-check-ratchet", "shop.py"), "ratchet"),
    ],
)
def test_what_cannot_be_used_stops_the_run(
    arguments: tuple[str, ...],
    message: str,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    # In this process, for no test is run.
    assert pytest.main([*PLUGINS, *arguments]) == pytest.ExitCode.USAGE_ERROR
    shown = "".join(capsys.readouterr())
    assert message in shown
    assert "Traceback" not in shown


def test_without_the_option_the_fixture_fails_and_nothing_is_imported(run_pytest: Pytest) -> None:
    done = run_pytest(
        "import sys\n"
        "def test_fixture(weft_live_check):\n    pass\n"
        "def test_light():\n"
        "    assert not [name for name in sys.modules if name.startswith('opentelemetry')]\n"
        "    assert 'weft.engine' not in sys.modules\n"
    )
    assert done.failed == {"test_fixture"}, done.text
    assert "there is no registry; run pytest with --weft-live-check REGISTRY" in done.text

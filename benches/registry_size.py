"""How long a registry of the size of OpenTelemetry's own takes: ``python benches/registry_size.py``.

The conventions of OpenTelemetry are some 250 files in both formats, with 943 attributes, 541
metrics, 78 spans, 32 events and 64 entities. This makes a registry of that size, as long in words,
then loads, resolves and checks it with all policies. Processor time, the best of three.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from weft.weaver.check import check
from weft.weaver.stats import registry_stats

SIZES = {"attributes": 943, "metrics": 541, "spans": 78, "events": 32, "entities": 64}
FILES = 250
NOTE = "The value SHOULD be what the program knows best, and MAY differ from what others say. " * 6


def attribute(number: int, new: bool) -> str:
    name = f"area{number % 90}.thing{number}.name"
    key = "key" if new else "id"
    kind = "string"
    if number % 5 == 0:
        kind = "\n" + "".join(
            [
                "      members:\n",
                *(
                    f"        - {{id: m{m}, value: m{m}, brief: One., stability: development}}\n"
                    for m in range(8)
                ),
            ]
        )
        return (
            f"  - {key}: {name}\n    type:{kind}    brief: A thing.\n    stability: development\n"
            f"    note: >\n      {NOTE}\n"
        )
    return (
        f"  - {key}: {name}\n    type: {kind}\n    brief: A thing.\n    stability: development\n"
        f"    examples: [a, b]\n    note: >\n      {NOTE}\n"
    )


def refs(number: int) -> str:
    levels = ("required", "recommended", "opt_in", "{conditionally_required: If it is known.}")
    return "".join(
        f"      - {{ref: area{n % 90}.thing{n}.name, requirement_level: {levels[n % 4]}}}\n"
        for n in ((number * 7 + step * 13) % SIZES["attributes"] for step in range(6))
    )


def signal(about: str, number: int, new: bool) -> str:
    head = "    brief: A signal.\n    stability: development\n    attributes:\n" + refs(number)
    if new:
        head = "    requirement_level: recommended\n" + head
        shapes = {
            "metrics": f"  - name: area{number}.count\n    instrument: counter\n    unit: '1'\n",
            "spans": f"  - type: area{number}.work\n    kind: client\n    name: {{note: work}}\n",
            "events": f"  - name: area{number}.event\n",
            "entities": f"  - type: area{number}.entity\n",
        }
        if about == "entities":
            head = head.replace("attributes:", "identity:")
        return shapes[about] + head
    shapes = {
        "metrics": f"  - id: metric.area{number}\n    type: metric\n"
        f"    metric_name: area{number}.count\n    instrument: counter\n    unit: '1'\n",
        "spans": f"  - id: span.area{number}\n    type: span\n    span_kind: client\n",
        "events": f"  - id: event.area{number}\n    type: event\n    name: area{number}.event\n",
        "entities": f"  - id: entity.area{number}\n    type: entity\n    name: area{number}.entity\n",
    }
    if about == "entities":
        head = head.replace("requirement_level", "role: identifying, requirement_level")
    return shapes[about] + head


def files() -> Iterator[tuple[str, str]]:
    """The files by name: half of them in each format."""
    shares: list[dict[str, list[int]]] = [{} for _ in range(FILES)]
    for about, count in SIZES.items():
        for number in range(count):
            shares[(number * 3 + len(about)) % FILES].setdefault(about, []).append(number)
    for index, share in enumerate(shares):
        new = index % 2 == 0
        text = "file_format: definition/2\n" if new else "groups:\n"
        for about, numbers in share.items():
            if new:
                text += f"{about}:\n"
            if about == "attributes":
                made = "".join(attribute(n, new) for n in numbers)
                if not new:
                    inner = "".join(f"    {line}\n" for line in made.splitlines())
                    made = (
                        f"  - id: registry.{index}\n    type: attribute_group\n    brief: Things.\n"
                        f"    display_name: Things\n    attributes:\n{inner}"
                    )
                text += made
            else:
                text += "".join(signal(about, n, new) for n in numbers)
        yield f"model/area{index}/all.yaml", text


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "manifest.yaml").write_text("schema_url: https://conventions.example/1.0.0\n")
        length = 0
        for name, text in files():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
            length += len(text)
        for policies in (False, True):
            best = float("inf")
            for _ in range(3):
                began = time.process_time()
                report = check(root, policies=policies)
                best = min(best, time.process_time() - began)
            errors = [each for each in report.findings if each.level == "error"]
            assert report.registry is not None
            print(
                f"{'with all policies' if policies else 'without policies'}: {best:.2f} s, "
                f"{len(errors)} errors {errors[:1]}"
            )
        stats = registry_stats(report.registry).as_json()
        sizes = ", ".join(f"{stats[about]} {about}" for about in ("files", *SIZES))
        print(f"{length / 1e6:.1f} MB: {sizes}")


if __name__ == "__main__":
    main()

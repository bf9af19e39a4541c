"""The manifest of a registry: what it is called, and which registries it builds on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import attrs

from weft.schema.errors import DefinitionError
from weft.schema.yaml import Node, read_yaml
from weft.weaver.findings import Findings, Place
from weft.weaver.shape import Reader, Table, faults_of, report_fault

__all__ = [
    "LEGACY_MANIFEST_NAME",
    "MANIFEST_NAME",
    "Dependency",
    "Manifest",
    "SchemaUrl",
    "find_manifest",
    "read_manifest",
]

MANIFEST_NAME: Final = "manifest.yaml"
LEGACY_MANIFEST_NAME: Final = "registry_manifest.yaml"

_VERSION: Final = re.compile(
    r"v?(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?"
)


@attrs.frozen
class SchemaUrl:
    """``https://host/path/<version>``: the identity of a registry, and its version."""

    url: str

    @classmethod
    def parse(cls, text: str) -> SchemaUrl:
        """Check a URL.

        Raises:
            ValueError: It is not of the form ``http[s]://server[:port]/path/<version>``.
        """
        parts = urlsplit(text)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise ValueError("it must be of the form https://server/path/<version>")
        if not parts.path.strip("/"):
            raise ValueError("it must end in a version, as in https://server/path/1.0.0")
        return cls(text)

    @property
    def _parts(self) -> tuple[str, str]:
        parts = urlsplit(self.url)
        path, _, version = parts.path.rstrip("/").rpartition("/")
        return f"{parts.netloc}{path}", version

    @property
    def name(self) -> str:
        """The registry, whatever its version."""
        return self._parts[0]

    @property
    def version(self) -> str:
        """The last part of the path."""
        return self._parts[1]

    def semver(self) -> tuple[int, int, int, tuple[tuple[int, int, str], ...]] | None:
        """The version as a key that sorts by semantic versioning, or ``None`` if it is not one."""
        found = _VERSION.fullmatch(self.version)
        if found is None:
            return None
        major, minor, patch = (int(found.group(i)) for i in (1, 2, 3))
        # A release sorts after all of its pre-releases; numbers sort before words.
        pre = found.group(4)
        parts = (
            tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in pre.split("."))
            if pre
            else ((2, 0, ""),)
        )
        return major, minor, patch, parts


DEFAULT_SCHEMA_URL: Final = SchemaUrl("https://default/0.1.0")
"""What a folder without a manifest is called."""


@attrs.frozen
class Dependency:
    """A registry that another one builds on; ``path`` is as it was written."""

    schema_url: SchemaUrl
    path: str | None
    place: Place


@attrs.frozen
class Manifest:
    """A manifest, read."""

    schema_url: SchemaUrl
    dependencies: tuple[Dependency, ...] = ()
    description: str | None = None
    stability: str | None = None


def find_manifest(folder: Path) -> Path | None:
    """The manifest of a folder, or ``None`` if it has none."""
    for name in (MANIFEST_NAME, LEGACY_MANIFEST_NAME):
        path = folder / name
        if path.exists():
            return path
    return None


def read_manifest(path: Path, shown: str, findings: Findings) -> Manifest | None:
    """Read a manifest; ``None`` when it cannot be used.

    ``shown`` is the name of the file in findings.
    """
    if path.name == LEGACY_MANIFEST_NAME:
        findings.report(
            "LegacyRegistryManifest",
            f"'{LEGACY_MANIFEST_NAME}' is the old name of the file; call it '{MANIFEST_NAME}'",
            file=shown,
        )
    local = Findings()
    reader = Reader(shown, local)
    manifest = None
    try:
        root = read_yaml(path, file=shown)
    except DefinitionError as error:
        for fault in faults_of(error):
            report_fault(fault, "InvalidRegistryManifest", findings)
        return None
    table = reader.table(root, "the manifest")
    if table is not None:
        manifest = _manifest(table)
    # Whatever is wrong with a manifest has one id.
    for finding in local:
        bad = finding.id in {"DeserializationError", "InvalidSemConvSpec"}
        findings.extend([attrs.evolve(finding, id="InvalidRegistryManifest") if bad else finding])
    return manifest if reader.whole else None


def _manifest(table: Table) -> Manifest | None:
    findings = table.reader.findings
    table.choice("file_format", ("definition_manifest/2.0",))
    schema_url = table.read("schema_url", lambda node: _schema_url(table.reader, node))
    base = table.text("schema_base_url")
    version = table.text("semconv_version")
    for name in ("semconv_version", "schema_base_url"):
        if table.has(name):
            findings.report(
                "DeprecatedSyntaxInRegistryManifest",
                f"'{name}' is deprecated; give 'schema_url' instead",
                table.place_of(name),
            )
    if schema_url is None and not table.has("schema_url"):
        if base and version:
            joined = f"{base.rstrip('/')}/{version}"
            schema_url = _parse(table, joined if "://" in joined else f"https://{joined}")
        else:
            table.fault(table.node, "the manifest lacks the field 'schema_url'")
    dependencies = tuple(table.each("dependencies", lambda node: _dependency(table.reader, node)))
    description = table.text("description")
    stability = table.text("stability")
    # Other fields are not refused: upstream reads over them, and manifests in use have some.
    if schema_url is None:
        return None
    return Manifest(schema_url, dependencies, description, stability)


def _parse(table: Table, text: str) -> SchemaUrl | None:
    try:
        return SchemaUrl.parse(text)
    except ValueError as error:
        table.fault(table.node, f"{text!r} is no schema URL: {error}")
        return None


def _schema_url(reader: Reader, node: Node) -> SchemaUrl | None:
    text = reader.text(node, "'schema_url'")
    if text is None:
        return None
    try:
        return SchemaUrl.parse(text)
    except ValueError as error:
        reader.fault(node, f"{text!r} is no schema URL: {error}")
        return None


def _dependency(reader: Reader, node: Node) -> Dependency | None:
    table = reader.table(node, "a dependency")
    if table is None:
        return None
    path = table.text("registry_path")
    schema_url = table.read("schema_url", lambda item: _schema_url(reader, item))
    if schema_url is None and not table.has("schema_url"):
        schema_url = _named(table)
    if not table.whole or schema_url is None:
        return None
    return Dependency(schema_url, path, table.place)


def _named(table: Table) -> SchemaUrl | None:
    """The identity of a dependency that is given by name, as old manifests do."""
    name = table.text("name")
    if name is None or not table.has("registry_path"):
        table.fault(
            table.node,
            "a dependency lacks the field 'schema_url', which names the registry and its version",
        )
        return None
    table.reader.findings.report(
        "DeprecatedSyntaxInRegistryManifest",
        "a dependency by 'name' is deprecated; give 'schema_url' instead",
        table.place_of("name"),
    )
    return _parse(table, f"https://{name.strip('/')}/unknown")

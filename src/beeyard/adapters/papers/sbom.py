"""The parts of a package as a CycloneDX 1.6 document: its files, what others made of them, and what it needs besides.

Nothing in it depends on when or where it was made; a time stands there only if SOURCE_DATE_EPOCH says which.
"""

import uuid
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

from beeyard.adapters.papers.moment import stamped
from beeyard.adapters.papers.parts import Part
from beeyard.domain.packages import Dependency, Description, FileEntry, Manifest

Json = dict[str, Any]
_NAMESPACE = uuid.UUID("6b0f4a1e-8f0c-5a57-9d0e-6a3d1c1f2b11")
"""In which the number of a document is made of its package's digest."""


def sbom(description: Description, parts: Sequence[Part]) -> Json:
    """The document."""
    manifest = description.manifest
    root = f"pkg:generic/{quote(manifest.name)}@{quote(manifest.version, safe='')}"
    needed = [_needed(need) for need in manifest.dependencies]
    inner = [*map(_part, parts), *(_file(file) for file in description.files if not file.link)]
    known = [*inner, *needed]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, description.digest)}",
        "version": 1,
        "metadata": {
            **stamped("timestamp"),
            "tools": {"components": [{"type": "application", "name": "beeyard", "version": version("beeyard")}]},
            "component": _whole(manifest, description, root),
        },
        "components": known,
        "dependencies": [{"ref": root, "dependsOn": sorted(one["bom-ref"] for one in known if one["type"] != "file")}],
    }


def _whole(manifest: Manifest, description: Description, root: str) -> Json:
    about = {"description": manifest.description} if manifest.description else {}
    return {
        "type": "application",
        "bom-ref": root,
        "name": manifest.name,
        "version": manifest.version,
        **about,
        "hashes": [_hash(description.payload.sha256)],
        "purl": root,
        "properties": [*_properties(digest=description.digest, platform=manifest.platform)],
    }


def _file(file: FileEntry) -> Json:
    return {
        "type": "file",
        "bom-ref": f"file:{quote(file.path)}",
        "name": file.path,
        "hashes": [_hash(file.sha256)],
        "properties": [*_properties(size=str(file.size), executable=str(file.executable).lower())],
    }


def _part(part: Part) -> Json:
    licenses: list[Json] = [{"license": {"name": name}} for name in part.licenses]
    if part.expression:
        licenses = [{"expression": part.expression}]
    return {
        "type": "library",
        "bom-ref": part.purl,
        "name": part.name,
        **({"version": part.version} if part.version else {}),
        **({"licenses": licenses} if licenses else {}),
        "purl": part.purl,
        "evidence": {"occurrences": [{"location": place} for place in part.places]},
    }


def _needed(need: Dependency) -> Json:
    return {
        "type": "application",
        "bom-ref": f"needed:{need.name}",
        "name": need.name,
        "scope": "required" if need.required else "optional",
        "properties": [*_properties(range=need.version or "any", included="false")],
    }


def _hash(sha256: str) -> Json:
    return {"alg": "SHA-256", "content": sha256}


def _properties(**named: str) -> Iterator[Json]:
    return ({"name": f"beeyard:{name}", "value": value} for name, value in named.items())

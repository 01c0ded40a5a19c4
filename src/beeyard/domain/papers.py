"""Papers of a package: whether what is said in one is said of this very package. Reads documents, and writes none.

A paper is found by the digest that its package's description signs. That the description signs a paper of another
package is a mistake of its owner, and is looked for before it is signed and whenever somebody verifies.
"""

import hashlib
from collections.abc import Mapping

import msgspec
from msgspec import Struct, field

from beeyard.domain.packages import Description, Paper, PaperKind
from beeyard.domain.values import human_memory

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"

SUFFIXES: Mapping[PaperKind, str] = {"sbom": ".cdx.json", "provenance": ".intoto.jsonl"}
"""How the files of papers end."""

MOST = 64 * 2**20
"""Bytes of one that is read."""


class _Hash(Struct):
    alg: str
    content: str


class _Component(Struct):
    type: str
    name: str
    version: str = ""
    hashes: list[_Hash] = []


class _About(Struct):
    component: _Component


class _Bill(Struct):
    bomFormat: str
    metadata: _About
    components: list[_Component] = []


class _Subject(Struct):
    digest: dict[str, str]
    name: str = ""


class _Statement(Struct):
    type: str = field(name="_type")
    predicateType: str
    subject: list[_Subject]


def paper(kind: PaperKind, name: str, data: bytes) -> Paper:
    """What a description says of one, so that it is found again."""
    return Paper(name, len(data), hashlib.sha256(data).hexdigest(), kind)


def excess(size: int) -> str:
    """What speaks against a paper of so many bytes, as a part of a sentence; empty: nothing."""
    return f"has more than the {human_memory(MOST)} that are read" if size > MOST else ""


def fault(description: Description, kind: PaperKind, data: bytes) -> str:
    """What speaks against it being the paper of this package, as a part of a sentence; empty: nothing."""
    if what := excess(len(data)):
        return what
    try:
        return _bill(description, data) if kind == "sbom" else _statement(description, data)
    except (ValueError, RecursionError) as error:
        return f"can't be read: {error}"


def _bill(description: Description, data: bytes) -> str:
    bill = msgspec.json.decode(data, type=_Bill)
    whole, manifest = bill.metadata.component, description.manifest
    if bill.bomFormat != "CycloneDX":
        return f"is in the form {bill.bomFormat}, not CycloneDX"
    if (whole.name, whole.version) != (manifest.name, manifest.version):
        return f"is of {whole.name} {whole.version}"
    told = {one.name: {hash.content for hash in one.hashes} for one in bill.components if one.type == "file"}
    files = {file.path: {file.sha256} for file in description.files if not file.link}
    if differs := min((path for path in {*told, *files} if told.get(path) != files.get(path)), default=""):
        return f"says something else of {differs}"
    return ""


def _statement(description: Description, data: bytes) -> str:
    statement = msgspec.json.decode(data, type=_Statement)
    if (statement.type, statement.predicateType) != (STATEMENT, PREDICATE):
        return f"is in the form {statement.predicateType}, not {PREDICATE}"
    if description.payload.sha256 not in {one.digest.get("sha256") for one in statement.subject}:
        return "is not of this package"
    return ""

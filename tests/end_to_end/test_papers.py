"""SBOM and provenance on a real Beeyard: shown as they were signed, verified, and refused when they are another's."""

import json
from pathlib import Path

import msgspec
import pytest

from beeyard.adapters.repositories.publishing import add, publish
from beeyard.domain.errors import NotFound, Untrusted
from beeyard.domain.packages import Description
from beeyard.domain.papers import paper
from tests.end_to_end.shelf import Shelf
from tests.end_to_end.test_packages import talk, version, wish
from tests.end_to_end.test_secrets import watched


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A repository with a package, of which two versions are built."""
    return Shelf(tmp_path / "shelf").put("hello", "1.0", "1.1")


def published(shelf: Shelf, number: str, kind: str) -> Path:
    """The file of a paper in the repository."""
    (found,) = shelf.folder.glob(f"targets/acme/hello/{number}/any/*.{kind}.*")
    return found


def test_papers_are_shown_as_they_were_signed(tmp_path: Path, shelf: Shelf) -> None:
    """Those of what is installed, else of the newest that can be had; byte for byte, and verified when asked."""
    with watched(tmp_path) as yard:
        wish(yard, [shelf.spec()], web="hello:1.0")
        yard.run("up", "--detach")
        assert version(yard) == "1.0"
        for kind in ("sbom", "provenance"):
            expected = published(shelf, "1.0", kind).read_text().rstrip("\n")
            assert yard.run("package", "show", "hello", f"--{kind}").rstrip("\n") == expected
        told = json.loads(yard.run("package", "show", "hello", "--sbom", "--json"))
        assert json.loads(told["sbom"])["metadata"]["component"]["version"] == "1.0"
        assert told["provenance"] == ""
        shown = yard.run("package", "verify", "hello", "--papers")
        assert shown == "hello 1.0: as it was signed; sbom and provenance\n"
        assert yard.run("package", "verify", "hello") == "hello 1.0: as it was signed\n"
        assert "papers lie in the repository" in talk(yard, "package", "show", "hello", "--sbom", "--local", code=2)
        shelf.put("other", "2.0")
        yard.run("package", "show", "other")
        newest = json.loads(yard.run("package", "show", "other", "--provenance"))
        assert newest["predicate"]["buildDefinition"]["externalParameters"]["version"] == "2.0"


@pytest.mark.parametrize("kind", ["sbom", "provenance"])
def test_a_paper_that_was_changed_is_not_shown(tmp_path: Path, shelf: Shelf, kind: str) -> None:
    """Nor is one that is missing; the package itself is as good as before."""
    with watched(tmp_path) as yard:
        wish(yard, [shelf.spec()], web="hello:1.0")
        yard.run("up", "--detach")
        assert version(yard) == "1.0"
        file = published(shelf, "1.0", kind)
        file.write_bytes(file.read_bytes().replace(b"hello", b"jello"))
        assert "is not what was promised" in talk(yard, "package", "show", "hello", f"--{kind}", code=7)
        assert "is not what was promised" in talk(yard, "package", "verify", "hello", "--papers", code=7)
        file.unlink()
        yard.run("package", "verify", "hello", "--papers", code=6)
        assert yard.run("package", "verify", "hello") == "hello 1.0: as it was signed\n"


def swapped(shelf: Shelf) -> Path:
    """A build whose description vouches for the SBOM of another version, as nobody's tool would write it."""
    built = shelf.home / "built"
    source = built / "hello-1.0-any.json"
    described = msgspec.json.decode(source.read_bytes(), type=Description)
    manifest = msgspec.structs.replace(described.manifest, version="1.5")
    bill = (built / "hello-1.1-any.cdx.json").read_bytes()
    papers = (paper("sbom", "hello-1.5-any.cdx.json", bill),)
    changed = msgspec.structs.replace(described, manifest=manifest, papers=papers)
    (built / "hello-1.5-any.tar.zst").write_bytes((built / "hello-1.0-any.tar.zst").read_bytes())
    (built / "hello-1.5-any.cdx.json").write_bytes(bill)
    (built / "hello-1.5-any.json").write_bytes(msgspec.json.encode(changed))
    return built / "hello-1.5-any.json"


def test_the_owner_signs_no_paper_of_another_package(shelf: Shelf) -> None:
    """Nor one that was changed since it was built, nor one that is not there; nothing is added then."""
    before = sorted(shelf.folder.rglob("*"))
    with pytest.raises(Untrusted, match=r"hello-1\.5-any\.cdx\.json is of hello 1.1") as caught:
        add(shelf.workshop, [swapped(shelf)], "acme")
    assert caught.value.code == "paper_wrong"
    (shelf.home / "built/hello-1.5-any.cdx.json").write_text("{}")
    with pytest.raises(Untrusted, match="is not what its description says"):
        add(shelf.workshop, [swapped_file(shelf)], "acme")
    (shelf.home / "built/hello-1.5-any.cdx.json").unlink()
    with pytest.raises(NotFound, match=r"hello-1\.5-any\.cdx\.json is not there"):
        add(shelf.workshop, [swapped_file(shelf)], "acme")
    assert sorted(shelf.folder.rglob("*")) == before


def swapped_file(shelf: Shelf) -> Path:
    """As it lies there by now."""
    return shelf.home / "built/hello-1.5-any.json"


def test_a_build_of_the_same_files_keeps_the_papers_that_it_was_published_with(shelf: Shelf) -> None:
    """Somebody builds a version once more, of another commit; what is published never changes."""
    built = shelf.home / "built"
    description, statement = built / "hello-1.1-any.json", built / "hello-1.1-any.intoto.jsonl"
    before = published(shelf, "1.1", "provenance").read_bytes()
    told = statement.read_bytes().replace(b'urn:beeyard:package-build"', b'urn:another"')
    assert told != before
    statement.write_bytes(told)
    known = msgspec.json.decode(description.read_bytes(), type=Description)
    papers = (known.papers[0], paper("provenance", statement.name, told))
    description.write_bytes(msgspec.json.encode(msgspec.structs.replace(known, papers=papers)))
    done = add(shelf.workshop, sorted(built.glob("hello-1.1-any*")), "acme")
    publish(shelf.workshop)
    assert done.did == ["acme has hello:1.1 for any already, from an earlier build"]
    assert published(shelf, "1.1", "provenance").read_bytes() == before

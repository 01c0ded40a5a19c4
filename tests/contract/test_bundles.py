"""A repository in one file, for hosts that reach none: made of what is needed, believed as far as its signatures."""

import asyncio
import io
import os
import shutil
import tarfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tuf.api.metadata import MetaFile, Timestamp

from beeyard.adapters.fetcher import FolderFetcher
from beeyard.adapters.repositories import contents
from beeyard.adapters.repositories.bundles import BundleReader, write
from beeyard.adapters.repositories.copying import Choice
from beeyard.adapters.repositories.publishing import add, publish, yank
from beeyard.adapters.repositories.publishing.workshop import utc
from beeyard.adapters.repositories.tuf import TufRepository
from beeyard.domain.errors import BeeyardError, Invalid, Unavailable, Untrusted
from beeyard.entrypoints.cli.copying import bundle
from tests.deltas import Host, Publisher, a_build
from tests.repositories import Yard


async def bundled(publisher: Publisher | Yard, *names: str, keep: int = 1) -> Path:
    """The file."""
    file = publisher.home / "some.bundle"
    root = publisher.folder / "metadata" / "1.root.json"
    choice = Choice(names, (), keep, needs=True)
    await asyncio.to_thread(bundle, str(publisher.folder), file, root, choice, None)
    return file


def host(publisher: Publisher, file: Path) -> Host:
    """It knows the root, and has this file."""
    return Host(publisher.home / "host", publisher.spec(path=str(file)))


def names(file: Path) -> list[str]:
    """What it holds."""
    with tarfile.open(file) as archive:
        return archive.getnames()


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    """With three versions."""
    made = Publisher(tmp_path)
    made.publish("1.0", "1.1", "1.2")
    return made


async def test_a_host_installs_from_a_bundle(publisher: Publisher) -> None:
    """Versions and deltas, as from any repository, which itself is not to be had any more."""
    there = host(publisher, await bundled(publisher, "tool", keep=2))
    shutil.rmtree(publisher.folder / "targets")
    await there.install("1.1")
    installed = await there.install("1.2")
    assert installed.saved > 0
    assert await there.manager.verify(installed, "digests") == []


async def test_a_bundle_holds_what_is_wanted_and_what_that_needs(publisher: Publisher, tmp_path: Path) -> None:
    """The newest versions within their ranges; nothing besides, and each time the same bytes."""
    add(publisher.workshop, [a_build(tmp_path, "2.0", {"data": b"newer"}, needs={"base": "<2"})], "acme")
    for version in ("1.0", "1.5", "2.0"):
        add(publisher.workshop, [a_build(tmp_path, version, {"data": b"data"}, name="base")], "acme")
        add(publisher.workshop, [a_build(tmp_path, version, {"data": b"data"}, name="other")], "acme")
    publish(publisher.workshop)
    file = await bundled(publisher, "tool:>=1.2")
    first = file.read_bytes()
    payloads = sorted(line.split("/")[2:4] for line in names(file) if line.endswith(".payload.tar.zst"))
    assert payloads == [["base", "1.5"], ["tool", "2.0"]]
    assert (await bundled(publisher, "tool:>=1.2")).read_bytes() == first
    assert [path.name for path in tmp_path.glob(".some*")] == []


async def test_a_bundle_that_was_changed_is_refused(publisher: Publisher) -> None:
    """Whatever was changed in it: nothing of it is installed."""
    file = await bundled(publisher, "tool")
    whole = file.read_bytes()
    for place in range(600, len(whole), len(whole) // 12):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        there = Host(publisher.home / f"host-{place}", publisher.spec(path=str(file)))
        try:
            installed = await there.install("1.2")
        except BeeyardError:
            assert await there.manager.facts([]) == []
        else:  # Padding, or what nobody needs.
            assert await there.manager.verify(installed, "digests") == []
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises((Unavailable, Untrusted)):
        await Host(publisher.home / "half", publisher.spec(path=str(file))).install("1.2")


async def test_a_bundle_that_is_out_of_date_says_what_to_do(tmp_path: Path) -> None:
    """Its metadata has an end, and no host can know what came after that."""
    yard = Yard(tmp_path).published(("caddy", "2.11.7"))
    file = await bundled(yard, "caddy")
    snapshot = yard.folder / "metadata" / f"{yard.snapshot().version}.snapshot.json"
    meta = MetaFile.from_data(yard.snapshot().version, snapshot.read_bytes(), ["sha256"])
    over = yard.forge("timestamp", Timestamp(9, expires=utc() - timedelta(days=1), snapshot_meta=meta))
    place = tmp_path / "place"
    with tarfile.open(file) as archive:
        archive.extractall(place, filter="data")
    (place / "metadata" / "timestamp.json").write_bytes(over)
    write(place, file)
    with pytest.raises(Untrusted, match=r"is out of date: timestamp\.json was good until") as refused:
        await yard.reader(str(file)).refresh()
    assert "a mirror or a bundle is made anew after that" in refused.value.hint


async def test_a_bundle_that_is_not_there_is_told(publisher: Publisher) -> None:
    """With its path; and what is written as one has to be named so."""
    with pytest.raises(Unavailable, match=r"none\.bundle can't be read: No such file or directory"):
        await host(publisher, publisher.home / "none.bundle").install("1.2")
    with pytest.raises(Invalid, match=r"the name of a bundle ends in \.bundle"):
        bundle(str(publisher.folder), publisher.home / "some.tar", publisher.home / "root", Choice(), None)


async def test_a_bundle_of_what_was_yanked_holds_what_can_be_installed(publisher: Publisher) -> None:
    """The newest version that hosts take."""
    yank(publisher.workshop, "tool:1.2", "broken")
    publish(publisher.workshop)
    there = host(publisher, await bundled(publisher, "tool"))
    assert (await there.install("1.1")).manifest.version == "1.1"


async def test_a_bundle_that_is_replaced_meanwhile_is_asked_for_again(publisher: Publisher) -> None:
    """Nobody is told that it was tampered with; the next try finds what is wanted where it is now."""
    file = await bundled(publisher, "tool")
    root = (publisher.folder / "metadata" / "1.root.json").read_bytes()
    reader = TufRepository("hive", str(file), root, publisher.home / "cache")
    (offer,) = [one for one in await reader.offers("tool") if one.version == "1.2"]
    payload = (await reader.describe(offer)).payload
    (before,) = reader.sources(payload)
    await bundled(publisher, "tool", keep=3)
    fetcher = FolderFetcher(publisher.home / "dl")
    with pytest.raises(Unavailable, match="another file was put in its place"):
        await fetcher.fetch(before, payload.size, payload.sha256, lambda _: None)
    (now,) = reader.sources(payload)
    assert now.offset != before.offset
    assert await fetcher.fetch(now, payload.size, payload.sha256, lambda _: None)


def an_entry(name: str = "metadata/timestamp.json", **fields: object) -> bytes:
    """A header, in the form of old GNU programs."""
    entry = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(entry, key, value)
    return entry.tobuf(tarfile.GNU_FORMAT)


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "names within names": (lambda: an_entry(type=tarfile.GNUTYPE_LONGNAME) * 3000, "says the path of an entry twice"),
    "a name without end": (lambda: an_entry(type=tarfile.GNUTYPE_LONGNAME, size=3 * 2**30), "a name or a header of"),
    "a sparse file": (lambda: an_entry(type=tarfile.GNUTYPE_SPARSE), "is a sparse file"),
    "a file without end": (lambda: an_entry(size=2**60), "ends too early"),
    "a size below zero": (lambda: an_entry(size=-1), "a number that is none"),
    "no end": (an_entry, "ends too early"),
    "no archive": (lambda: b"hello " * 500, "a number that is none"),
    "nothing": (bytes, "ends too early"),
    "more than is listed": (lambda: b"".join(an_entry(str(number)) for number in range(5)), "more than 3 entries"),
}


@pytest.mark.parametrize("case", HOSTILE)
async def test_what_is_no_bundle_is_told(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever somebody made of it: in our words, and without taking memory or time as they like."""
    monkeypatch.setattr(contents, "MOST", 3)
    made, said = HOSTILE[case]
    file = tmp_path / "some.bundle"
    file.write_bytes(made())
    with pytest.raises(Unavailable, match=f"some.bundle can't be read: .*{said}"):
        await BundleReader("hive", str(file)).read("metadata/timestamp.json", 100)


async def test_a_bundle_is_a_file(tmp_path: Path) -> None:
    """Nobody waits for somebody to write into a pipe."""
    file = tmp_path / "some.bundle"
    os.mkfifo(file)
    with pytest.raises(Unavailable, match="it is no regular file"):
        await BundleReader("hive", str(file)).read("metadata/timestamp.json", 100)
    file.unlink()
    file.mkdir()
    with pytest.raises(Unavailable, match="Is a directory"):
        await BundleReader("hive", str(file)).read("metadata/timestamp.json", 100)


async def test_names_of_any_length_and_files_of_any_size_are_found(tmp_path: Path) -> None:
    """As what makes bundles writes them."""
    file, names = tmp_path / "some.bundle", [f"targets/{'x' * length}" for length in (5, 95, 150, 300)]
    with tarfile.open(file, "w", format=tarfile.PAX_FORMAT) as archive:
        for size, name in enumerate(names, 511):
            entry = tarfile.TarInfo(name)
            entry.size = size
            archive.addfile(entry, io.BytesIO(name.encode().ljust(size)))
    reader = BundleReader("hive", str(file))
    assert [await reader.read(name, 600) for name in names] == [
        name.encode().ljust(size) for size, name in enumerate(names, 511)
    ]

"""A new version comes as a delta from one that is installed, and whole wherever that is not to be had or not right."""

import logging
from pathlib import Path

import pytest

from beeyard.adapters.repositories.publishing import add
from beeyard.domain.errors import Refused
from tests.deltas import Host, Publisher, a_build
from tests.repositories import serving


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    """With three versions."""
    made = Publisher(tmp_path)
    made.publish("1.0", "1.1", "1.2")
    return made


async def whole(host: Host) -> bool:
    """Whether all that is installed is as it was signed, and nothing else is left."""
    damage = [found for one in await host.manager.facts([]) for found in await host.manager.verify(one, "digests")]
    return not damage and not any((host.root / "staging").iterdir()) and not any((host.root / "dl").iterdir())


async def test_a_new_version_comes_as_a_delta_from_the_one_before(publisher: Publisher, tmp_path: Path) -> None:
    """Little is brought, what it saves counts as there from the first moment, and the files are as they were signed."""
    async with serving(publisher.folder) as server:
        host = Host(tmp_path / "host", publisher.spec(url=server.url))
        first = await host.install("1.1")
        server.seen.clear()
        second = await host.install("1.2")
        brought = [path for path in server.paths() if path.startswith("targets/") and not path.endswith(".json")]
    assert [path.endswith(".zpatch") for path in brought] == [True]
    assert first.saved == 0
    assert second.saved > 0.9 * second.packed
    told = [one for one in host.told if isinstance(one, int)]
    assert told[0] >= second.saved
    assert told[-1] == second.packed
    assert await whole(host)


async def test_the_versions_before_lead_to_a_new_one_in_one_step(publisher: Publisher, tmp_path: Path) -> None:
    """From the two before; who has an older one brings all."""
    publisher.publish("1.3")
    assert len(publisher.patches()) == 0 + 1 + 2 + 2
    for there, saves in (("1.0", False), ("1.1", True), ("1.2", True)):
        host = Host(tmp_path / there, publisher.spec())
        await host.install(there)
        assert ((await host.install("1.3")).saved > 0) == saves
        assert await whole(host)


async def test_who_has_nothing_to_start_from_brings_all(publisher: Publisher, tmp_path: Path) -> None:
    """And no delta."""
    host = Host(tmp_path / "host", publisher.spec())
    assert (await host.install("1.2")).saved == 0
    assert await whole(host)


@pytest.mark.parametrize("wrong", ["gone", "changed", "cut short"])
async def test_a_delta_that_is_wrong_costs_no_install(
    wrong: str, publisher: Publisher, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """All of it comes instead, and one line says why."""
    host = Host(tmp_path / "host", publisher.spec())
    await host.install("1.1")
    for patch in publisher.patches():
        data = patch.read_bytes()
        patch.unlink()
        if wrong != "gone":
            patch.write_bytes(data[:-1] if wrong == "cut short" else data[:-1] + bytes([data[-1] ^ 1]))
    with caplog.at_level(logging.WARNING, "beeyard"):
        assert (await host.install("1.2")).saved == 0
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("tool 1.2 comes whole, its delta is of no use: ")
    assert await whole(host)


async def test_a_damaged_version_is_not_patched(
    publisher: Publisher, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What comes of it would be refused; so it is looked at first, and all of the new one comes."""
    host = Host(tmp_path / "host", publisher.spec())
    data = Path((await host.install("1.1")).path, "data")
    data.chmod(0o644)
    data.write_bytes(b"!" * data.stat().st_size)
    with caplog.at_level(logging.WARNING, "beeyard"):
        new = await host.install("1.2")
    (line,) = [record.getMessage() for record in caplog.records]
    reason = "tool 1.2: tool 1.1 is not whole, so it can't be patched: data is not as it was signed"
    assert line == f"tool 1.2 comes whole, its delta is of no use: {reason}"
    assert (new.saved, await host.manager.verify(new, "digests")) == (0, [])


async def test_what_saves_little_is_no_delta(tmp_path: Path) -> None:
    """Where versions have nothing in common, or there is next to nothing to bring, or nobody wants deltas."""
    publisher = Publisher(tmp_path)
    publisher.publish("1.0", "1.1", bases=0)
    other = bytes(byte ^ 90 for byte in (tmp_path / "source-tool-1.1" / "data").read_bytes())
    add(publisher.workshop, [a_build(tmp_path, "1.2", {"data": other})], "acme")
    add(publisher.workshop, [a_build(tmp_path, "1.3", {"data": b"small"})], "acme")
    add(publisher.workshop, [a_build(tmp_path, "1.4", {"data": b"smaller"})], "acme")
    assert publisher.patches() == []


async def test_a_build_can_be_added_again_with_its_deltas(publisher: Publisher, tmp_path: Path) -> None:
    """What is published stays as it is, also what leads to it; another build of that version is refused."""
    built = tmp_path / "built" / "tool-1.2-any.tar.zst"
    before = {path: path.read_bytes() for path in publisher.folder.rglob("targets/**/*") if path.is_file()}
    add(publisher.workshop, [built], "acme")
    assert {path: path.read_bytes() for path in publisher.folder.rglob("targets/**/*") if path.is_file()} == before
    with pytest.raises(Refused, match=r"has another tool:1\.2"):
        add(publisher.workshop, [a_build(tmp_path / "other", "1.2", {"data": b"else"})], "acme")

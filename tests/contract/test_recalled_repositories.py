"""What a host still knows of a signed repository out of its reach: no more than it verifies anew, and for no longer."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tuf.api.metadata import MetaFile, Timestamp

from beeyard.adapters.repositories.directory import DirectoryRepository
from beeyard.adapters.repositories.publishing import promote, publish
from beeyard.adapters.repositories.publishing.workshop import utc
from beeyard.domain.errors import Unavailable
from beeyard.ports.repository import Offer, Repository
from tests.repositories import Yard, a_build, serving

FRESH = Offer("caddy", "2.11.4", "any", channels=("stable",))


async def seen(folder: Path) -> Yard:
    """One that was read once, down to the description, and is gone since."""
    yard = Yard(folder).published(("caddy", "2.11.4"), ("hello", "1.0"))
    promote(yard.workshop, "caddy:2.11.4", "stable")
    promote(yard.workshop, "hello:1.0", "stable")
    publish(yard.workshop)
    reader = yard.reader()
    await reader.refresh()
    await reader.describe((await reader.offers("caddy"))[0])
    return yard


async def test_another_process_knows_what_was_seen_and_when_and_asks_nobody(tmp_path: Path) -> None:
    """Names, builds, channels and descriptions; of what nobody looked at before there are only the names."""
    yard = await seen(tmp_path)
    async with serving(yard.folder) as server:
        reader = yard.reader(server.url)
        stamp = tmp_path / "cache" / "hive" / "metadata" / "timestamp.json"
        assert await reader.recall() == stamp.stat().st_mtime
        assert await reader.packages() == ["caddy", "hello"]
        assert await reader.offers("caddy") == [FRESH]
        assert (await reader.describe(FRESH)).manifest.version == "2.11.4"
        (unseen,) = await reader.offers("hello")
        assert unseen == Offer("hello", "1.0", "any")
        with pytest.raises(Unavailable):
            await reader.describe(unseen)
        assert server.paths() == []
        await reader.refresh()
        assert (await reader.offers("hello"))[0].channels == ("stable",)


async def test_it_was_seen_when_it_was_reached_last(tmp_path: Path) -> None:
    """Also where it said nothing new then."""
    yard = await seen(tmp_path)
    stamp = tmp_path / "cache" / "hive" / "metadata" / "timestamp.json"
    before = stamp.stat().st_mtime_ns
    await yard.reader().refresh()
    assert stamp.stat().st_mtime_ns > before


def out_of_date(yard: Yard, kept: Path) -> None:
    """As it is a day after its end."""
    data = (kept / "snapshot.json").read_bytes()
    meta = MetaFile.from_data(yard.snapshot().version, data, ["sha256"])
    stamp = Timestamp(99, expires=utc() - timedelta(days=1), snapshot_meta=meta)
    (kept / "timestamp.json").write_bytes(yard.forge("timestamp", stamp))


def forged(yard: Yard, kept: Path) -> None:
    """Somebody changed what is kept."""
    file = kept / "acme.json"
    file.write_bytes(file.read_bytes().replace(b"2.11.4", b"2.11.5"))


def lost(yard: Yard, kept: Path) -> None:
    """A part of it is gone."""
    (kept / "snapshot.json").unlink()


@pytest.mark.parametrize("spoil", [out_of_date, forged, lost])
async def test_what_is_not_to_be_believed_any_more_is_not_recalled(
    tmp_path: Path, spoil: Callable[[Yard, Path], None]
) -> None:
    """Neither names nor builds of it."""
    yard = await seen(tmp_path)
    spoil(yard, tmp_path / "cache" / "hive" / "metadata")
    reader = yard.reader()
    if await reader.recall() is not None:
        with pytest.raises(Unavailable):
            await reader.offers("caddy")


async def test_of_what_was_never_seen_or_never_signed_nothing_is_recalled(tmp_path: Path) -> None:
    """It says so, and is no error."""
    assert await Yard(tmp_path).published(("caddy", "2.11.4")).reader().recall() is None
    a_build(tmp_path / "builds", "caddy", "2.11.4")
    unsigned: Repository = DirectoryRepository("hive", str(tmp_path / "builds"))
    await unsigned.refresh()
    assert await unsigned.recall() is None

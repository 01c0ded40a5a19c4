"""What a host keeps of a signed repository is cleared away once it serves nothing, and never what protects it."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from beeyard.adapters.repositories import layout, sweeping
from beeyard.adapters.repositories.tuf import TufRepository
from beeyard.domain.errors import Untrusted
from beeyard.ports.repository import Offer
from tests.repositories import Yard, serving

OFFERS = [Offer("caddy", version, "any") for version in ("1.0", "2.0")]


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    """Two versions of a package."""
    return Yard(tmp_path).published(("caddy", "1.0"), ("caddy", "2.0"))


@pytest.fixture
def kept(yard: Yard) -> Path:
    """The folder of who read it: everything in there is 31 days old, and has to do with both versions."""
    asyncio.run(described(yard.reader(), OFFERS))
    folder = yard.home / "cache" / "hive"
    for file in folder.rglob("*"):
        os.utime(file, (0, time.time() - 31 * 86400), follow_symlinks=False)
    return folder


async def described(reader: TufRepository, offers: list[Offer]) -> None:
    """Asked for, after a refresh."""
    await reader.refresh()
    for offer in offers:
        await reader.describe(offer)


def names(folder: Path) -> set[str]:
    """Of all files there."""
    return {file.name for file in folder.rglob("*") if not file.is_dir()}


def test_a_description_that_nobody_asks_for_goes_after_a_month(yard: Yard, kept: Path) -> None:
    """And is fetched again by who asks for it after all."""
    assert len(names(kept / "targets")) == 2
    asyncio.run(yard.reader().refresh())
    assert names(kept / "targets") == set()
    asyncio.run(described(yard.reader(), OFFERS))
    assert len(names(kept / "targets")) == 2


def test_a_description_that_somebody_asks_for_stays(yard: Yard, kept: Path) -> None:
    """Asking is what counts, not when it came."""
    reader = yard.reader()
    reader._sweep_at = time.monotonic() + 1000  # the first sweep is over
    asyncio.run(described(reader, OFFERS[:1]))
    asyncio.run(yard.reader().refresh())
    (left,) = names(kept / "targets")
    assert b'"version":"1.0"' in (kept / "targets" / left).read_bytes()


def test_what_a_killed_write_left_and_roles_that_are_no_more_go(yard: Yard, kept: Path) -> None:
    """The lock, the roots and the present metadata stay, however old they are."""
    before = names(kept / "metadata")
    (kept / "metadata" / "tmpab12").write_bytes(b"half")
    (kept / "metadata" / "gone.json").write_bytes(b"{}")
    asyncio.run(yard.reader().refresh())
    assert names(kept / "metadata") == before
    assert before == {"lock", "1.root.json", *(f"{role}.json" for role in (*layout.TOP, "acme"))}


def test_after_a_sweep_an_old_state_is_refused_as_before(yard: Yard, kept: Path) -> None:
    """By a reader who knows nothing but what is left."""
    old = yard.copy("old")
    yard.published(("caddy", "3.0"))

    async def read() -> None:
        async with serving(yard.folder) as server:
            await yard.reader(server.url).refresh()
            server.folder = old
            await yard.reader(server.url).refresh()

    with pytest.raises(Untrusted) as caught:
        asyncio.run(read())
    assert caught.value.code == "repository_rolled_back"


@pytest.mark.parametrize("step", range(4))
def test_a_sweep_that_is_stopped_anywhere_is_finished_by_the_next(
    yard: Yard, kept: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by kill -9 between two files; readers see nothing of it."""
    for name in ("tmp1", "tmp2"):
        (kept / "metadata" / name).write_bytes(b"half")
    removed: list[str] = []
    real = Path.unlink

    def unlink(self: Path, missing_ok: bool = False) -> None:
        if self.is_relative_to(kept):
            if len(removed) == step:
                raise KeyboardInterrupt
            removed.append(self.name)
        real(self, missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", unlink)
        with pytest.raises(KeyboardInterrupt):
            sweeping.sweep(kept / "metadata", kept / "targets", ["acme"])
    assert len(removed) == step
    asyncio.run(described(yard.reader(), OFFERS))
    assert not {"tmp1", "tmp2"} & names(kept)
    assert len(names(kept / "targets")) == 2


def test_a_refresh_sweeps_now_and_then(yard: Yard, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one does, the next ones do not until a day is over."""
    swept: list[str] = []
    monkeypatch.setattr(sweeping, "sweep", lambda *given: swept.append("sweep"))
    reader = yard.reader()
    for _ in range(3):
        asyncio.run(reader.refresh())
    assert swept == ["sweep"]
    reader._sweep_at -= 86400
    asyncio.run(reader.refresh())
    assert swept == ["sweep", "sweep"]

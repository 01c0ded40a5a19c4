"""Files of a repository from another Beeyard: asked for first, believed only by their digest, kept within bounds."""

import logging
import os
from pathlib import Path

import pytest
from aiohttp import web

from beeyard.adapters.packages import stock
from beeyard.adapters.packages.stock import Stock
from beeyard.domain.sources import Mirror, RepositorySpec
from beeyard.domain.values import Memory
from tests.deltas import Host, Publisher
from tests.disks import fill, mounted
from tests.repositories import Server, serving

PLENTY = Memory(10**9)
A, B, C = ("a" * 64, "b" * 64, "c" * 64)


class Neighbour(Server):
    """Serves what a host keeps, as its master does."""

    def __init__(self, host: Host) -> None:
        super().__init__(host.root)
        self._host = host
        self.answers["*"] = self._file

    async def _file(self, request: web.Request) -> web.StreamResponse:
        found = await self._host.manager.served([self._host.spec], request.path.rpartition("/")[2])
        return web.Response(status=404) if found is None else web.FileResponse(found)


def payloads(server: Server) -> list[str]:
    """Those that were asked for there."""
    return [path for path in server.paths() if path.endswith((".tar.zst", ".zpatch"))]


def kept(root: Path) -> dict[str, int]:
    """What a host keeps for its neighbours: digest -> bytes."""
    return {path.name: path.stat().st_size for path in (root / "served").rglob("*") if path.is_file()}


def asking(publisher: Publisher, url: str, near: str) -> Host:
    """A second host, which has the first for a neighbour."""
    return Host(publisher.home / "second", publisher.spec(url=url, mirrors=(Mirror(near, neighbour=True),)))


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    """With two versions."""
    made = Publisher(tmp_path)
    made.publish("1.0", "1.1")
    return made


async def first(publisher: Publisher, url: str, serve: Memory = PLENTY) -> Host:
    """A host that has the first version, and keeps what came."""
    host = Host(publisher.home / "first", publisher.spec(url=url, serve=serve))
    await host.install("1.0")
    return host


async def test_what_a_neighbour_has_comes_from_there(publisher: Publisher) -> None:
    """Payloads, then deltas as well; of the repository itself no more is asked than what it says."""
    async with serving(publisher.folder) as origin:
        host = await first(publisher, origin.url)
        await host.install("1.1")
        assert len(payloads(origin)) == 2
        origin.seen.clear()
        async with serving(Neighbour(host)) as near:
            second = asking(publisher, origin.url, near.url)
            await second.install("1.0")
            installed = await second.install("1.1")
        assert installed.saved > 0
        assert await second.manager.verify(installed, "digests") == []
        assert payloads(origin) == []
        assert len(near.seen) == 2


async def test_what_a_neighbour_lacks_comes_from_the_repository(
    publisher: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not blamed for that."""
    caplog.set_level(logging.INFO, "beeyard")
    async with serving(publisher.folder) as origin:
        host = await first(publisher, origin.url, Memory(0))
        assert kept(host.root) == {}
        async with serving(Neighbour(host)) as near:
            await asking(publisher, origin.url, near.url).install("1.0")
            assert len(near.seen) == 1
        assert len(payloads(origin)) == 2
    assert [one.levelname for one in caplog.records if "is looked for elsewhere" in one.message] == ["INFO"]


async def test_a_neighbour_that_lies_is_named(publisher: Publisher, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing of what it gave is kept; the package comes from the repository."""
    async with serving(publisher.folder) as origin:
        host = await first(publisher, origin.url)
        (file,) = (host.root / "served").rglob("?" * 64)
        data = file.read_bytes()
        file.write_bytes(data[:1000] + b"!" + data[1001:])
        async with serving(Neighbour(host)) as near:
            second = asking(publisher, origin.url, near.url)
            installed = await second.install("1.0")
            assert await second.manager.verify(installed, "digests") == []
        (line,) = caplog.messages
        assert line.startswith("tool 1.0 is looked for elsewhere: tool 1.0 from ")
        assert near.url.removeprefix("http://") in line
        assert "is not what was promised" in line


async def test_what_came_from_a_neighbour_that_dies_is_gone_on_with(publisher: Publisher) -> None:
    """The repository is asked for the rest alone."""
    async with serving(publisher.folder) as origin:
        host = await first(publisher, origin.url)
        (size,) = kept(host.root).values()
        origin.seen.clear()

        async def dies(request: web.Request) -> web.StreamResponse:
            del near.answers["*"]
            near.answers["*"] = gone
            answer = web.StreamResponse(headers={"Content-Length": str(size)})
            await answer.prepare(request)
            (file,) = (host.root / "served").rglob("?" * 64)
            await answer.write(file.read_bytes()[: size // 2])
            assert request.transport
            request.transport.close()
            return answer

        async def gone(request: web.Request) -> web.StreamResponse:
            return web.Response(status=503)

        async with serving(Neighbour(host)) as near:
            near.answers["*"] = dies
            second = asking(publisher, origin.url, near.url)
            installed = await second.install("1.0")
            assert await second.manager.verify(installed, "digests") == []
        (span,) = [headers.get("Range") for path, headers in origin.seen if path.endswith(".tar.zst")]
        assert span == f"bytes={size // 2}-{size - 1}"


async def test_a_package_is_mended_from_what_is_kept_for_neighbours(publisher: Publisher) -> None:
    """Its repository is asked for nothing; what is damaged there as well is looked for elsewhere, and replaced."""
    async with serving(publisher.folder) as origin:
        host = await first(publisher, origin.url)
        ((digest, size),) = kept(host.root).items()
        (installed,) = await host.manager.facts([host.spec])
        origin.seen.clear()
        await host.manager.repair(host.spec, installed, host.told.append)
        assert payloads(origin) == []
        file = host.root / "served" / "main" / digest
        os.truncate(file, 10)
        await host.manager.repair(host.spec, installed, host.told.append)
        assert len(payloads(origin)) == 1
        assert kept(host.root) == {digest: size}


async def test_nothing_is_served_of_a_repository_that_is_not_to_be(publisher: Publisher) -> None:
    """What was kept goes as soon as the worker file does not say `serve` any more; nor does a name lead anywhere."""
    async with serving(publisher.folder) as origin:
        host = await first(publisher, origin.url)
    (digest,) = kept(host.root)
    assert await host.manager.served([host.spec], digest) is not None
    for other in ("", "..", f"../served/main/{digest}", digest.upper(), "0" * 64):
        assert await host.manager.served([host.spec], other) is None
    assert await host.manager.served([publisher.spec()], digest) is None
    assert kept(host.root) == {}


def put(folder: Path, kept: Stock, sha256: str, size: int, used: float = 0.0) -> None:
    """A file that came, and was used last so long after the beginning."""
    came = folder / "came"
    came.unlink(missing_ok=True)
    came.write_bytes(bytes(size))
    kept.keep("main", str(came), sha256)
    if (path := folder / "served" / "main" / sha256).exists():
        os.utime(path, (used, used))


def test_what_was_used_last_stays(tmp_path: Path) -> None:
    """As much as the worker file says; a file that is larger than that is not kept."""
    served = Stock(tmp_path / "served")
    served.serve({"main": 300})
    put(tmp_path, served, A, 100, 1.0)
    put(tmp_path, served, B, 100, 2.0)
    assert served.find(A)
    put(tmp_path, served, C, 200, 3.0)
    assert kept(tmp_path) == {A: 100, C: 200}
    put(tmp_path, served, B, 301)
    assert served.find(B) is None


def test_what_a_process_left_that_was_killed_goes(tmp_path: Path) -> None:
    """With the next look."""
    (tmp_path / "served" / "main").mkdir(parents=True)
    (tmp_path / "served" / "main" / f".{A}.123").touch()
    Stock(tmp_path / "served").serve({"main": 100})
    assert kept(tmp_path) == {}


def test_what_is_kept_gives_way_to_what_needs_the_room(tmp_path: Path) -> None:
    """A part of the disk stays free, and room for what is about to come; a full disk is nobody's trouble."""
    with mounted(tmp_path / "disk", "size=4m") as disk:
        served = Stock(disk / "served")
        served.serve({"main": PLENTY})
        put(disk, served, A, 2**20, 1.0)
        put(disk, served, B, 2**20, 2.0)
        (disk / "came").unlink()
        served.make_room(int(4 * 2**20 * (1 - stock.SPARE)) - 2**20 - 2**16)
        assert kept(disk) == {B: 2**20}
        fill(disk / "filler")
        put_nothing = disk / "served" / "main" / B
        served.keep("main", str(put_nothing), A)
        assert kept(disk) == {}
        assert served.find(B) is None


def test_a_spec_without_serve_keeps_nothing() -> None:
    """It is for the operator to say."""
    assert RepositorySpec("main").serve == 0

"""What packages cost: `python -m bench.packages [BUILDS]`, on the disk of the temporary folder and on loopback.

An install of 300 files and 6 MB is set against the same archive unpacked by the standard library with each file and
folder synced, by turns. A repository of BUILDS builds (20,000) stands behind a web server, a process of its own; its
trust is refreshed with nothing new in it, and one of its packages is looked up and described. A question of 300
packages in 30 versions each is answered, and 1,500 installed files are verified. Medians, with the lowest and highest;
one that is above what is wanted is told as `missed`, and makes the exit code 1.
"""

import asyncio
import os
import random
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path

import msgspec
from backports import zstd

from beeyard.adapters.archives.collect import collect
from beeyard.adapters.archives.pack import pack
from beeyard.adapters.archives.unpack import unpack
from beeyard.adapters.package_store import FolderStore
from beeyard.adapters.repositories.publishing import Workshop, add, init, publish
from beeyard.adapters.repositories.tuf import TufRepository
from beeyard.adapters.resolvers.pubgrub import PubgrubResolver
from beeyard.domain.packages import Dependency, Description, FileEntry, Manifest, Payload, wanted
from beeyard.domain.resolution import Ask, Candidate, Question

TIMES = 9
SLOWER = 2
"""So many times the plain way an install may take."""
REFRESH, LOOKUP = 20.0, 10.0
"""ms that trust, and one package of it, may take."""
PLATFORM = "linux-x86_64"
Timed = Callable[[int], Awaitable[object]]
"""One turn, by its number."""


async def _measure(*works: Timed) -> list[list[float]]:
    """ms of each, taking turns; the first turn of all is not counted."""
    taken: list[list[float]] = [[] for _ in works]
    for turn in range(TIMES + 1):
        for times, work in zip(taken, works, strict=True):
            began = time.perf_counter()
            await work(turn)
            if turn:
                times.append((time.perf_counter() - began) * 1000)
    return taken


def _tell(what: str, times: list[float], more: str = "", *, most: float = float("inf")) -> int:
    """How many of the wanted figures this misses: `most` is in ms."""
    low, middle, high = min(times), statistics.median(times), max(times)
    missed = f"; missed: {most:.0f} ms" if middle > most else ""
    print(f"{what:<44} {middle:8.1f} ms [{low:.1f}-{high:.1f}]{more}{missed}", flush=True)
    return middle > most


def _packed(folder: Path, name: str, files: int, size: int) -> tuple[Description, Path]:
    """A package of files that no packer makes smaller."""
    source, noise = folder / name, random.Random(1)
    for number in range(files):
        file = source / f"part-{number % 20}" / str(number)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(noise.randbytes(size))
    entries = collect(str(source)).files
    payload = folder / f"{name}.tar.zst"
    packed = pack(str(source), entries, str(payload))
    return Description(Manifest(name, "1.0"), tuple(entries), packed), payload


def _plain(payload: Path, into: Path) -> None:
    """Unpacked and synced, and nothing else."""
    with zstd.open(payload) as file, tarfile.open(fileobj=file, mode="r|") as archive:
        archive.extractall(into, filter="data")
    for folder, _, files in os.walk(into, topdown=False):
        for name in [*files, "."]:
            fd = os.open(Path(folder, name), os.O_RDONLY)
            os.fsync(fd)
            os.close(fd)


async def _installs(folder: Path) -> int:
    description, payload = _packed(folder, "install", 300, 20_000)

    async def ours(turn: int) -> None:
        store = FolderStore(folder / f"store-{turn}", unpack)
        async with store.locked("install"):
            await store.install(description, str(payload), "bench", "tuf")

    async def plain(turn: int) -> None:
        await asyncio.to_thread(_plain, payload, folder / f"plain-{turn}")

    installed, unpacked = await _measure(ours, plain)
    plainly = statistics.median(unpacked)
    ratio = statistics.median(installed) / plainly
    missed = _tell("install, 300 files, 6 MB", installed, f"; {ratio:.2f} x the next", most=SLOWER * plainly)
    _tell("unpacked by tarfile, each file synced", unpacked)
    return missed


async def _verifies(folder: Path) -> None:
    description, payload = _packed(folder, "verify", 1500, 20_000)
    store = FolderStore(folder / "verified", unpack)
    async with store.locked("verify"):
        receipt = await store.install(description, str(payload), "bench", "tuf")
    digests, sizes = await _measure(
        lambda _: store.verify(receipt, "digests"), lambda _: store.verify(receipt, "sizes")
    )
    _tell("verify, 1,500 files, 30 MB, every byte", digests)
    _tell("verify, sizes and modes only", sizes)


def _published(folder: Path, builds: int) -> Path:
    """A repository with so many builds of nothing, twenty of each package."""
    made = folder / "builds"
    made.mkdir()
    paths = []
    for number in range(builds):
        name, version = f"package-{number // 20}", f"1.{number % 20}"
        data = f"{name} {version}".encode()
        payload = Payload(f"{name}-{version}-any.tar.zst", len(data), sha256(data).hexdigest())
        files = (FileEntry("run", 3, sha256(b"run").hexdigest(), executable=True),)
        description = Description(Manifest(name, version), files, payload)
        (made / f"{name}-{version}-any.json").write_bytes(msgspec.json.encode(description))
        (made / payload.name).write_bytes(data)
        paths.append(made / payload.name)
    workshop = Workshop(folder / "repository", folder / "keys")
    init(workshop, [folder / "root.key"], 1)
    add(workshop, paths, "bench")
    publish(workshop)
    return folder / "repository"


async def _trusts(folder: Path, builds: int) -> int:
    began = time.perf_counter()
    repository = await asyncio.to_thread(_published, folder, builds)
    print(f"made a repository of {builds} builds in {time.perf_counter() - began:.0f} s", file=sys.stderr)
    command = [
        sys.executable,
        "-u",
        "-m",
        "http.server",
        "-p",
        "HTTP/1.1",
        "-b",
        "127.0.0.1",
        "-d",
        str(repository),
        "0",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout
            url = server.stdout.readline().split("(")[1].split("/)")[0]
            root = (repository / "metadata" / "1.root.json").read_bytes()
            known = TufRepository("bench", url, root, folder / "cache")
            began = time.perf_counter()
            await known.refresh()
            _tell(f"trust, the first time, {builds} builds", [(time.perf_counter() - began) * 1000])
            (refreshed,) = await _measure(lambda _: known.refresh())
            missed = _tell("trust refreshed, nothing new", refreshed, most=REFRESH)

            async def offers(turn: int) -> None:
                await known.offers(f"package-{turn}")

            async def describe(turn: int) -> None:
                await known.describe(found[turn])

            found = await known.offers("package-0")
            looked_up, described = await _measure(offers, describe)
            missed += _tell("one package looked up", looked_up, most=LOOKUP)
            _tell("one build described", described)

            async def anew(turn: int) -> None:
                await TufRepository("bench", url, root, folder / "cache").refresh()

            (again,) = await _measure(anew)
            _tell("trust refreshed by a new process, from disk", again)
            return missed
        finally:
            server.terminate()


def _question(packages: int, versions: int, *, tight: bool) -> Question:
    """Each version needs three of the packages after it: from a version on, or between two of them."""
    dice = random.Random(1)

    def needs(number: int) -> tuple[Dependency, ...]:
        later = range(number + 1, min(number + 20, packages))
        found = []
        for other in dice.sample(later, min(3, len(later))):
            upper = f",<1.{dice.randrange(versions // 2, 3 * versions)}" if tight else ""
            found.append(Dependency(f"p{other}", f">=1.{dice.randrange(versions // 2)}{upper}"))
        return tuple(found)

    offered = {
        name: tuple(Candidate(name, f"1.{version}", dependencies=needs(number)) for version in range(versions))
        for number, name in ((number, f"p{number}") for number in range(packages))
    }
    return Question((Ask(wanted("p0")),), PLATFORM, offered)


async def _resolves() -> None:
    resolver = PubgrubResolver()
    loose, tight = _question(300, 30, tight=False), _question(300, 30, tight=True)
    easy, hard = await _measure(
        lambda _: asyncio.to_thread(resolver.resolve, loose), lambda _: asyncio.to_thread(resolver.resolve, tight)
    )
    _tell(f"resolve 300 x 30, lower bounds ({len(resolver.resolve(loose))} taken)", easy)
    _tell(f"resolve 300 x 30, narrow ranges ({len(resolver.resolve(tight))} taken)", hard)


async def main(builds: int) -> int:
    """All of it. How many of the wanted figures were missed."""
    folder = Path(tempfile.mkdtemp(prefix="bench-packages-"))
    try:
        missed = await _installs(folder)
        await _verifies(folder)
        await _resolves()
        return missed + await _trusts(folder, builds)
    finally:
        for path, _, _ in os.walk(folder):
            os.chmod(path, 0o700)  # Installed folders can't be written.
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else 20_000)) > 0)

"""Repositories to look at and to attack: builds of nothing much, all keys, and a web server that can lie."""

import hashlib
import shutil
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import msgspec
from aiohttp import web
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp

from beeyard.adapters.repositories.publishing import Workshop, add, init, keys, publish
from beeyard.adapters.repositories.publishing.workshop import utc
from beeyard.adapters.repositories.tuf import TufRepository
from beeyard.domain.packages import Description, FileEntry, Manifest, Payload

S = TypeVar("S", Root, Targets, Snapshot, Timestamp)
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def a_build(folder: Path, name: str, version: str, platform: str = "any") -> Path:
    """A payload and its description, as `package build` names them; the path of the payload."""
    stem = f"{name}-{version}-{platform}"
    data = f"{stem} ".encode() * 50
    folder.mkdir(parents=True, exist_ok=True)
    payload = Payload(f"{stem}.tar.zst", len(data), hashlib.sha256(data).hexdigest())
    files = (FileEntry("run", 3, hashlib.sha256(b"run").hexdigest(), executable=True),)
    description = Description(Manifest(name, version, platform), files, payload)
    (folder / f"{stem}.json").write_bytes(msgspec.json.encode(description))
    (folder / payload.name).write_bytes(data)
    return folder / payload.name


def a_root() -> bytes:
    """A root that has the form of one, and nobody's signature."""
    return Metadata(Root()).to_bytes()


class Yard:
    """A signed repository, with every key at hand, also for those who should not have it."""

    def __init__(self, folder: Path, threshold: int = 1, root_keys: int = 1, age: timedelta = timedelta()) -> None:
        """`age`: so long ago everything is signed."""
        self.home = folder
        self.folder = folder / "repository"
        self.workshop = Workshop(self.folder, folder / "keys", now=lambda: utc() - age)
        self.root_keys = [folder / "offline" / f"{number}.key" for number in range(root_keys)]
        init(self.workshop, self.root_keys, threshold)

    def published(self, *builds: tuple[str, str], origin: str = "acme") -> "Yard":
        """With these builds added, if any."""
        if builds:
            self.add(*builds, origin=origin)
        publish(self.workshop)
        return self

    def add(self, *builds: tuple[str, str], origin: str = "acme") -> None:
        """Not visible yet."""
        add(self.workshop, [a_build(self.home / "builds", *build) for build in builds], origin)

    def pinned(self) -> bytes:
        """The first root."""
        return (self.folder / "metadata" / "1.root.json").read_bytes()

    def reader(self, location: str | None = None, name: str = "hive") -> TufRepository:
        """Somebody who reads it, with a memory that goes by `name`."""
        return TufRepository("hive", location or str(self.folder), self.pinned(), self.home / "cache" / name)

    def copy(self, name: str) -> Path:
        """How it is now, kept for later."""
        return Path(shutil.copytree(self.folder, self.home / name))

    def key(self, role: str) -> CryptoSigner:
        return keys.load(self.workshop.key_file(role))

    def forge(self, role: str, signed: S, *signers: CryptoSigner) -> bytes:
        """Put a file there, signed as it is by the role's own key or by others."""
        metadata = Metadata(signed)
        for signer in signers or [self.key(role)]:
            metadata.sign(signer, append=True)
        name = "timestamp.json" if role == "timestamp" else f"{signed.version}.{role}.json"
        data = metadata.to_bytes()
        (self.folder / "metadata" / name).write_bytes(data)
        return data

    def forge_state(self, snapshot: Snapshot, timestamp_version: int) -> None:
        """A snapshot, and a timestamp that names it, as somebody makes them who has both keys."""
        data = self.forge("snapshot", snapshot)
        meta = MetaFile.from_data(snapshot.version, data, ["sha256"])
        expires = utc() + timedelta(days=1)
        self.forge("timestamp", Timestamp(timestamp_version, expires=expires, snapshot_meta=meta))

    def renew(self, role: str, signed: Targets) -> bytes:
        """The next version of a role, in a state that is signed as it has to be."""
        signed.version += 1
        data, snapshot = self.forge(role, signed), self.snapshot()
        snapshot.version += 1
        snapshot.meta[f"{role}.json"] = MetaFile.from_data(signed.version, data, ["sha256"])
        self.forge_state(snapshot, snapshot.version)
        return data

    def snapshot(self) -> Snapshot:
        found = self.workshop.newest("snapshot", Snapshot)
        assert found
        return found

    def role(self, name: str) -> Targets:
        found = self.workshop.newest(name, Targets)
        assert found
        return found


class Server:
    """Serves a folder over HTTP. `answers`: path -> what is said instead; `seen`: path and headers of each request."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answers: dict[str, Answer] = {}
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path.lstrip("/")
        self.seen.append((path, dict(request.headers)))
        if (answer := self.answers.get(path) or self.answers.get("*")) is not None:
            return await answer(request)
        file = self.folder / path
        return web.Response(body=file.read_bytes()) if file.is_file() else web.Response(status=404)

    def paths(self) -> Sequence[str]:
        """What was asked for."""
        return [path for path, _ in self.seen]


@asynccontextmanager
async def serving(what: Path | Server, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """A web server on loopback, for a folder."""
    server = what if isinstance(what, Server) else Server(what)
    app = web.Application()
    app.router.add_get("/{path:.*}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        server.url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()

"""What a worker writes elsewhere, on its way from the log there into its own one here: nothing lost, nothing twice.

It goes through the worker's pipes like everybody's, as bytes, each stream apart. Now and then it is noted which place
in the log there belongs to which one in ours. An owner that comes later begins there, and passes over as many bytes as
our log has grown since: so it does not matter when the one before it died. Knows nobody who keeps logs: whoever asks
them hands each line over with its time.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from beeyard.adapters.host.launcher import LauncherClient
from beeyard.adapters.ledger import Copied, Ledger, Page, beyond, here
from beeyard.domain.errors import Rejected, Unavailable
from beeyard.domain.spec import LogSpec, WorkerSpec

STREAMS = ("stdout", "stderr")
NOTED = 2.0
"""Seconds after which it is noted how far it went, while something comes."""
USUAL = {"max_size": int(LogSpec().max_size), "max_files": LogSpec().max_files}

log = logging.getLogger("beeyard")


class Desk:
    """What all copying of one provider shares: the pipes of its workers, and the ledger of its attempts."""

    def __init__(self, launcher: LauncherClient, ledger: Ledger) -> None:
        self.ledger = ledger
        self._launcher = launcher

    async def begin(self, spec: WorkerSpec, attempt: int, where: Mapping[str, str] | None = None) -> None:
        """Note where the worker's log ends before this attempt writes; not again for one that was begun before."""
        sizes = {"max_size": int(spec.logs.max_size), "max_files": spec.logs.max_files}
        await self._launcher.request("pipes", worker=spec.id, logs=sizes)
        if self.ledger.page(spec.id, attempt) is not None:
            return
        await self.drain(spec.id)
        copied = {stream: Copied("", 0, *here(self.base(spec.id, stream))) for stream in STREAMS}
        self.ledger.write(spec.id, attempt, Page(0, copied, sizes, dict(where or {})))

    async def piped(self, worker: str, attempt: int) -> None:
        """Its worker's pipes are there, and what went into them is on file."""
        page = self.ledger.page(worker, attempt)
        with contextlib.suppress(Rejected, Unavailable):
            await self._launcher.request("pipes", worker=worker, logs=page.sizes if page and page.sizes else USUAL)
        await self.drain(worker)

    async def drain(self, worker: str) -> None:
        """What went into the pipes until now is on file, or soon if that can't be told."""
        with contextlib.suppress(Rejected, Unavailable):
            await self._launcher.request("drain", worker=worker)

    def pipe(self, worker: str, stream: str) -> str:
        """The pipe of one stream."""
        return self._launcher.paths.worker_fifo(worker, stream)

    def base(self, worker: str, stream: str) -> str:
        """What the names of its log files begin with."""
        return os.path.join(self._launcher.paths.worker_logs(worker), stream)


class Copying:
    """One attempt's. `latest`: the time of the last line of each stream that was handed over, told by `moved`."""

    def __init__(self, desk: Desk, worker: str, attempt: int) -> None:
        self._desk = desk
        self._worker, self._attempt = worker, attempt
        self._copied: dict[str, Copied] = {}
        self._passed: dict[str, int] = {}
        self._again: dict[str, int | None] = {}
        self._taking = asyncio.Lock()
        self._pipes: dict[str, int] = {}
        self._noted = 0.0
        self.latest: dict[str, str] = {}
        self.moved = asyncio.Event()

    async def find(self) -> None:
        """Where to begin: at what was noted, and behind what our log got since."""
        await self._desk.piped(self._worker, self._attempt)
        page = self._desk.ledger.page(self._worker, self._attempt) or Page()
        for stream in STREAMS:
            copied = self._copied[stream] = page.copied.get(stream, Copied())
            passed = beyond(self._desk.base(self._worker, stream), copied.inode, copied.offset)
            if passed is None:
                log.warning("%s: its %s was put aside since: some lines may come twice", self._worker, stream)
            self._passed[stream] = passed or 0
        self._noted = asyncio.get_running_loop().time()

    def begin(self, *streams: str) -> str:
        """These are asked for again; the time from which on, empty for all there is."""
        self._again |= {stream: self._copied[stream].count for stream in streams}
        return min(self._copied[stream].at for stream in streams)

    async def take(self, found: Iterable[tuple[str, str, bytes]]) -> None:
        """Lines, each with its stream and its time, of which any may have been had."""
        async with self._taking:  # What is counted has to be written before anybody notes how far it went.
            ready: dict[str, list[bytes]] = {}
            for stream, at, line in found:
                if new := self._new(stream, at, line):
                    ready.setdefault(stream, []).append(new)
            for stream, lines in ready.items():
                await self._write(stream, b"".join(lines))
            self.latest |= {stream: copied.at for stream, copied in self._copied.items() if copied.at}
            self.moved.set()
            if asyncio.get_running_loop().time() - self._noted >= NOTED:
                await self._note()

    def close(self) -> None:
        """Let go of the pipes."""
        for fd in self._pipes.values():
            os.close(fd)
        self._pipes.clear()
        self.moved.set()

    def _new(self, stream: str, at: str, line: bytes) -> bytes:
        copied = self._copied[stream]
        if (again := self._again[stream]) is not None:  # Once a new line came, none comes again.
            if at < copied.at:
                return b""
            if at == copied.at and again:
                self._again[stream] = again - 1
                return b""
            self._again[stream] = None
        if at >= copied.at:  # The clock there may step back.
            self._copied[stream] = replace(copied, at=at, count=copied.count + 1 if at == copied.at else 1)
        passed = min(self._passed[stream], len(line))
        self._passed[stream] -= passed
        return line[passed:]

    async def _write(self, stream: str, data: bytes) -> None:
        """As fast as the pump takes it; who keeps the log there keeps the rest."""
        fd = self._pipes.get(stream)
        if fd is None:
            path = self._desk.pipe(self._worker, stream)
            fd = self._pipes[stream] = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(fd, view) :]
            except BlockingIOError:
                await _room(fd)

    async def _note(self) -> None:
        await self._desk.drain(self._worker)
        page = self._desk.ledger.page(self._worker, self._attempt) or Page()
        for stream, copied in self._copied.items():
            inode, offset = here(self._desk.base(self._worker, stream))
            if not self._passed[stream]:  # Else what stands in our log is ahead of where we are in the one there.
                self._copied[stream] = page.copied[stream] = replace(copied, inode=inode, offset=offset)
        self._desk.ledger.write(self._worker, self._attempt, page)
        self._noted = asyncio.get_running_loop().time()


async def _room(fd: int) -> None:
    loop = asyncio.get_running_loop()
    room = asyncio.Event()
    loop.add_writer(fd, room.set)
    try:
        await room.wait()
    finally:
        loop.remove_writer(fd)


async def quiet(task: "asyncio.Task[None]", within: float) -> bool:
    """Whether it ended within these seconds, however it did; it goes on otherwise."""
    await asyncio.wait({task}, timeout=within)
    return task.done()

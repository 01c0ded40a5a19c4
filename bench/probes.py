"""What probes cost the master, and how soon a worker that hangs is replaced: `python -m bench.probes [WORKERS]`.

Real processes under a real launcher. One server, a process of its own that only says 200, stands for all: what it
takes to answer is not counted. CPU is that of this process, in which the master runs, all of its threads included, as
a share of one core, over SECONDS in which nothing else happens; every worker is asked once a second. The same yard
without questions is measured as well.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from contextlib import AbstractContextManager
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection

import uvloop
from msgspec.structs import replace

from beeyard import Master
from beeyard.domain.spec import Backoff, ProbeSpec, RestartPolicy, StopStep, WorkerSpec
from beeyard.domain.values import Duration, SignalNumber, WorkerId

SECONDS = 10.0
TIMES = 5
PERIOD, FAILURES = 0.5, 3
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class _Answering(asyncio.Protocol):
    """Says 200 to whatever comes, and counts."""

    asked = 0
    hung = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        _Answering.asked += 1
        if not _Answering.hung:
            self._transport.write(ANSWER)


def _serve(line: Connection) -> None:
    """Until the line is closed; a word on it makes it hang or go on, and is answered with how often it was asked."""

    async def serving() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(_Answering, "127.0.0.1", 0, backlog=4096)
        line.send(server.sockets[0].getsockname()[1])
        while True:
            try:
                _Answering.hung = await loop.run_in_executor(None, line.recv)
            except EOFError:
                return
            line.send(_Answering.asked)

    asyncio.run(serving())


class _Server:
    """A process that answers; `asked` so far."""

    def __init__(self) -> None:
        self._line, theirs = Pipe()
        self._process = Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self.port = int(self._line.recv())

    def asked(self, *, hung: bool = False) -> int:
        """How often; from now on it hangs, or does not."""
        self._line.send(hung)
        return int(self._line.recv())


async def _share(seconds: float) -> float:
    """This process's CPU, as a share of one core."""
    began, cpu = time.monotonic(), time.process_time()
    await asyncio.sleep(seconds)
    return (time.process_time() - cpu) / (time.monotonic() - began)


def _worker(number: int, **probes: ProbeSpec) -> WorkerSpec:
    return WorkerSpec(
        id=WorkerId(f"w{number}"),
        provider="process",
        run={"executable_path": "/bin/sleep", "args": ["100000"]},
        stop=(StopStep(SignalNumber(9)),),
        restart=RestartPolicy("always", backoff=Backoff(delay=Duration(0.0), max_retries=None), jitter=0.0),
        probes=dict(probes),  # type: ignore[arg-type]
    )


def _folder() -> AbstractContextManager[str]:
    return tempfile.TemporaryDirectory(prefix="beeyard-bench-")


async def _cost(server: _Server, workers: int) -> None:
    asks = ProbeSpec("http", f"http://127.0.0.1:{server.port}/health", period=Duration(1.0), timeout=Duration(5.0))
    print(f"{workers} workers, {SECONDS:.0f} s:")
    for name, probes in {"no probes": {}, "http, every second": {"liveness": asks}}.items():
        with _folder() as folder:
            async with Master.open(folder) as master:
                await master.apply([_worker(number, **probes) for number in range(workers)], "bench")
                await master.until(lambda: all(s.pid() for s in master.supervisors.values()), 60.0)
                await asyncio.sleep(3.0)
                before = server.asked()
                share = await _share(SECONDS)
                asked = (server.asked() - before) / SECONDS
                print(f"  {name:20} {asked:6.0f} questions a second, {share:6.1%} of a core")
                await master.shut_down(30.0)


async def _replaced(server: _Server) -> None:
    """From the moment it hangs until its successor runs; the hanging begins at any point of the period."""
    asks = ProbeSpec(
        "http", f"http://127.0.0.1:{server.port}/", period=Duration(PERIOD), timeout=Duration(PERIOD), failures=FAILURES
    )
    took = []
    with _folder() as folder:
        async with Master.open(folder) as master:
            await master.apply([_worker(0, liveness=replace(asks))], "bench")
            for turn in range(TIMES):
                await master.until(lambda: master.supervisors["w0"].pid() is not None, 30.0)
                old = master.supervisors["w0"].pid()
                await asyncio.sleep(2.0 + PERIOD * turn / TIMES)
                server.asked(hung=True)
                began = time.monotonic()
                await master.until(lambda: master.supervisors["w0"].pid() not in (None, old), 60.0)  # noqa: B023
                took.append(time.monotonic() - began)
                server.asked()
            await master.shut_down(30.0)
    bound = PERIOD * FAILURES + 1.0
    print(f"hung, period {PERIOD} s, {FAILURES} failures: replaced after {statistics.median(took):.2f} s (median of")
    print(f"  {TIMES}, {min(took):.2f} to {max(took):.2f}); wanted: at most {bound:.2f}")


def main() -> None:
    """Both, one after the other."""
    server = _Server()
    print(f"pid {os.getpid()}, Python {sys.version.split()[0]}")
    uvloop.run(_cost(server, int(sys.argv[1]) if len(sys.argv) > 1 else 1000))  # As the master does.
    uvloop.run(_replaced(server))


if __name__ == "__main__":
    main()

"""What a service costs within the master and as a process, and what it costs to call it: `python -m bench.modules [N]`.

The echo service of examples/02-write-once in both deployments, by turns, under a master in this very process, and the
real launcher. Start: N (30) of each at once, until all are ready. Memory: PSS, of this process by its growth.
Idle: CPU of master and workers together while nobody calls, each asked by its `module` probe every ten seconds. Calls:
one by one, and many under way at a time, by each way there is; then one by one while another module within the master
computes in pure Python, which shares the interpreter with it, and while a process does.
"""

import asyncio
import importlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import beeyard
from beeyard.domain.module import ModuleSpec
from beeyard.domain.spec import Endpoint, WorkerSpec
from beeyard.domain.values import WorkerId

EXAMPLE = Path(__file__).parents[1] / "examples/02-write-once"
CALLS, AT_ONCE, ROUNDS, IDLE_S = 1000, 100, 3, 10.0
DEPLOYMENTS = ("module", "process")
BUSY = """
import threading
from beeyard.sdk import Module


class Busy(Module[dict]):
    async def start(self) -> None:
        self.ended = False
        threading.Thread(target=self.compute).start()

    def compute(self) -> None:
        while not self.ended:
            sum(range(1000))

    async def stop(self) -> None:
        self.ended = True
"""


def _spec(name: str, provider: str, factory: str, folder: str, *endpoints: str) -> WorkerSpec:
    found = {one: Endpoint(one) for one in endpoints}  # type: ignore[arg-type]
    return WorkerSpec(WorkerId(name), provider, {}, module=ModuleSpec(factory, folder), endpoints=found)


def _echoes(provider: str, count: int) -> list[WorkerSpec]:
    names = [f"{provider}-{number}" for number in range(count)]
    return [_spec(name, provider, "echo.service:Service", str(EXAMPLE), "http", "grpc") for name in names]


class Bench:
    """One master, and what is measured under it."""

    def __init__(self, master: beeyard.Master) -> None:
        self.master = master

    async def add(self, specs: list[WorkerSpec]) -> float:
        """Seconds until all of them are ready."""
        began = time.perf_counter()
        await self.master.add_workers(specs)
        if not await self.master.until(lambda: self._ready(specs), 300):
            raise SystemExit(f"not all are ready: {self.master.get_all_worker_states_with_diagnostics()}")
        return time.perf_counter() - began

    async def end(self, specs: list[WorkerSpec]) -> None:
        """Stop and forget them."""
        names = [spec.id for spec in specs]
        for name in names:
            await self.master.stop_worker(name)
        await self.master.until(lambda: self.master.ended(names), 60)
        for name in names:
            await self.master.remove_worker(name)

    def pids(self) -> list[int]:
        """This process and those of workers."""
        views = self.master.get_all_worker_states_with_diagnostics()
        return [os.getpid(), *(view.pid for view in views if view.pid)]

    def _ready(self, specs: list[WorkerSpec]) -> bool:
        views = {view.id: view.ready for view in self.master.get_all_worker_states_with_diagnostics()}
        return all(views.get(spec.id) for spec in specs)


def _pss(pids: list[int]) -> float:
    """MB."""
    texts = (Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids)
    return sum(int(line.split()[1]) for text in texts for line in text.splitlines() if line.startswith("Pss:")) / 1024


def _cpu(pids: list[int]) -> float:
    """Seconds used so far."""
    fields = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids)
    return sum(int(one[11]) + int(one[12]) for one in fields) / os.sysconf("SC_CLK_TCK")


async def _one_by_one(call: Callable[[], Awaitable[Any]], count: int) -> tuple[float, float]:
    """Median and 99th percentile, ms."""
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        await call()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken), statistics.quantiles(taken, n=100)[98]


async def _together(call: Callable[[], Awaitable[Any]], count: int) -> float:
    """Calls a second."""
    began = time.perf_counter()
    for _ in range(count // AT_ONCE):
        await asyncio.gather(*(call() for _ in range(AT_ONCE)))
    return count / (time.perf_counter() - began)


def _tell(what: str, values: list[float], unit: str) -> float:
    middle = statistics.median(values)
    print(f"{what:<52} {middle:10.2f} {unit} [{min(values):.2f}-{max(values):.2f}]", flush=True)
    return middle


async def _deployments(bench: Bench, count: int) -> None:
    found: dict[tuple[str, str], list[float]] = {}
    for turn in range(ROUNDS + 1):
        for provider in DEPLOYMENTS:
            specs, before = _echoes(provider, count), _pss(bench.pids())
            started = await bench.add(specs)
            held = _pss(bench.pids()) - before
            began = _cpu(bench.pids())
            await asyncio.sleep(IDLE_S if turn else 0)
            idle = (_cpu(bench.pids()) - began) / IDLE_S
            await bench.end(specs)
            if turn:  # The first one imports what both need.
                for what, value in (("start", 1000 * started), ("memory", 1024 * held), ("idle", 1e6 * idle)):
                    found.setdefault((what, provider), []).append(value / count)
    for what, unit in (("start", "ms each"), ("memory", "KB each"), ("idle", "µs of CPU a second each")):
        within, beside = (_tell(f"{what}, {one}", found[what, one], unit) for one in DEPLOYMENTS)
        print(f"{'':<52} {beside / within if within else float('inf'):10.1f} x")


async def _calls(bench: Bench, folder: Path) -> None:
    contract = importlib.import_module("echo.over_grpc").Echo
    await bench.add([*_echoes("module", 1), *_echoes("process", 1)])
    (folder / "busy.py").write_text(BUSY)
    ways = [("module", "direct"), ("module", "http"), ("module", "grpc"), ("process", "http"), ("process", "grpc")]
    for burden in ("", "process", "module"):
        busy = [_spec("busy", burden, "busy:Busy", str(folder))] if burden else []
        if busy:
            await bench.add(busy)
        for provider, via in ways:
            async with beeyard.connect(contract, f"{provider}-0", via=via, by=bench.master) as echo:  # type: ignore[arg-type]

                async def call(echo: Any = echo) -> None:
                    await echo.say("hello")

                await _one_by_one(call, AT_ONCE)
                count = CALLS if not burden else AT_ONCE * 2
                median, late = await _one_by_one(call, count)
                many = f"; {await _together(call, 2 * CALLS):6.0f} a second" if not burden else ""
                what = f"{via}, {provider}" + (f"; a {burden} computes" if burden else "")
                print(f"{what:<52} {median:10.2f} ms [99 %: {late:.2f}]{many}", flush=True)
        if busy:
            await bench.end(busy)


async def main(count: int) -> None:
    """Both parts, one after the other."""
    sys.path.insert(0, str(EXAMPLE))
    with tempfile.TemporaryDirectory() as folder:
        async with beeyard.Master.open(f"{folder}/s", shutdown_timeout=60) as master:
            await _deployments(Bench(master), count)
            await _calls(Bench(master), Path(folder))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 30))

"""What a container costs beyond the engine's own time, and how soon its death is seen: `python -m bench.containers`.

A real engine, found as `docker` finds it, and an image of nothing but busybox. One and the same request makes a
container by a bare client and through the master, in turns: what differs is ours. A death is a SIGKILL from outside;
it is seen when the master knows.
"""

import asyncio
import json
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import Any

from beeyard import Master
from beeyard.adapters.providers.docker.container import body
from beeyard.adapters.providers.docker.engine import Engine
from beeyard.adapters.providers.docker.section import DockerSection
from beeyard.domain.plain import read
from beeyard.domain.spec import RestartPolicy, WorkerSpec
from beeyard.domain.values import WorkerId
from tests.contract.engines import image

ROUNDS, AT_ONCE, PATIENCE = 20, 50, 120.0


def _worker(name: str) -> WorkerSpec:
    run = {"image": image(), "command": ["sleep", "100000"]}
    return WorkerSpec(id=WorkerId(name), provider="docker", run=run, restart=RestartPolicy("never"))


async def _bare(engine: Engine, name: str) -> str:
    """Create and start, nothing else."""
    spec = _worker(name)
    order = body(spec, read(spec.run, DockerSection, "run"), "bench", 1, {}, {}, time.time())
    made = await engine.ask("POST", "containers/create", params={"name": f"bench-{name}"}, body=order)
    await engine.ask("POST", f"containers/{made['Id']}/start")
    return str(made["Id"])


async def _remove(engine: Engine, container: str) -> None:
    await engine.ask("DELETE", f"containers/{container}", params={"force": "1"})


async def _through(master: Master, *names: str) -> None:
    """Until all of them run."""
    await master.add_workers([_worker(name) for name in names])
    if not await master.until(lambda: all(master.supervisors[name].pid() for name in names), PATIENCE):
        raise SystemExit(f"not all run: {names}")


async def _timed(work: Callable[[], Awaitable[Any]]) -> tuple[float, Any]:
    """Milliseconds, and what came of it."""
    began = time.perf_counter()
    found = await work()
    return (time.perf_counter() - began) * 1000, found


async def _death(engine: Engine, master: Master, name: str) -> tuple[float, float]:
    """Until the engine tells of it, and until the master knows."""
    supervisor = master.supervisors[name]
    pid = supervisor.pid()
    assert pid is not None
    filters = json.dumps({"event": ["die"], "label": [f"beeyard.worker={name}"]})
    async with engine.open("GET", "events", params={"filters": filters}) as response:
        told = asyncio.ensure_future(_timed(response.content.readline))
        known = asyncio.ensure_future(_timed(lambda: master.until(lambda: supervisor.pid() is None, PATIENCE)))
        await asyncio.sleep(0)
        os.kill(pid, signal.SIGKILL)
        return (await told)[0], (await known)[0]


def _tell(what: str, values: list[float]) -> float:
    middle = statistics.median(values)
    print(f"{what:<52} {middle:8.1f} ms [{min(values):.1f}-{max(values):.1f}]", flush=True)
    return middle


async def main() -> None:
    """One by one, all at once, and their deaths."""
    engine = Engine()
    with tempfile.TemporaryDirectory(prefix="beeyard-bench-") as folder:
        async with Master.open(f"{folder}/s") as master:
            bare, through = [], []
            for turn in range(ROUNDS + 1):
                took, made = await _timed(lambda: _bare(engine, f"one-{turn}"))  # noqa: B023
                ours, _ = await _timed(lambda: _through(master, f"one-{turn}"))  # noqa: B023
                await _remove(engine, made)
                if turn:  # The first one imports what is needed, and connects.
                    bare.append(took)
                    through.append(ours)
            engines = _tell("create and start, by the engine", bare)
            print(f"{'':<52} {_tell('the same through the master', through) - engines:+8.1f} ms (wanted: at most 15)")
            names = [f"many-{number}" for number in range(AT_ONCE)]
            took, made = await _timed(lambda: asyncio.gather(*(_bare(engine, name) for name in names)))
            _tell(f"{AT_ONCE} at once, by the engine", [took])
            await asyncio.gather(*(_remove(engine, one) for one in made))
            took, _ = await _timed(lambda: _through(master, *names))
            _tell("the same through the master", [took])
            deaths = [await _death(engine, master, name) for name in names[:ROUNDS]]
            _tell("a death, until the engine tells of it", [told for told, _ in deaths])
            _tell("until the master knows", [known for _, known in deaths])
            _tell("of that, after the engine (wanted: at most 50)", [known - told for told, known in deaths])
            await master.shut_down(PATIENCE)
    await engine.close()


if __name__ == "__main__":
    asyncio.run(main())

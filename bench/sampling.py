"""What it costs the master to look at what its workers use: `python -m bench.sampling [WORKERS ...]`.

Real processes under a real launcher. CPU is that of this process, in which the master runs, all of its threads
included, from one turn of the sampling to the next, as often as it takes turns; whatever else an idle master does is
in it. Shares are of one core. Stalls are looked for in further turns, for to look costs CPU.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable

from beeyard import Master
from beeyard.application import sampling
from beeyard.domain.spec import WorkerSpec
from beeyard.domain.values import WorkerId

TURNS = 16
"""As many as have one look at workers that sleep among them."""
STALLS = 8
KINDS: dict[str, Callable[[int], str]] = {
    "all asleep": lambda number: "exec sleep 100000",
    "one awake, the others asleep": lambda number: "exec sleep 100000" if number else "while :; do sleep 0.1; done",
    "all awake, one process each": lambda number: (
        f"sleep 0.{number % 90 + 10}; exec bash -c 'while :; do read -t 0.9 <&1; done'"  # Nobody else writes to it.
    ),
    "all awake": lambda number: f"sleep 0.{number % 90 + 10}; while :; do sleep 0.9; done",
}
"""What the workers do -> the script of the one with this number. Awake ones run each second; the last ones are two
processes, of which one is new each time."""


async def cost(count: int, kind: str, period: float) -> tuple[float, float]:
    """CPU seconds of one turn (mean), and the longest time that the loop could do nothing else in one."""
    with tempfile.TemporaryDirectory() as folder:
        async with Master.open(folder) as master:
            await master.add_workers([_worker(number, KINDS[kind](number)) for number in range(count)])
            await master.until(lambda: all(s.pid() for s in master.supervisors.values()), 60)
            await asyncio.sleep(2)
            for _ in range(2):
                await master.sampling.look("process")  # The first one finds each worker's cgroup.
                await asyncio.sleep(period)
            began = time.process_time()
            for _ in range(TURNS):
                await master.sampling.turn("process")
                await asyncio.sleep(period)
            used = (time.process_time() - began) / TURNS
            ticking = asyncio.ensure_future(_longest_stall())
            for _ in range(STALLS):
                await master.sampling.turn("process")
                await asyncio.sleep(period)
            ticking.cancel()
            return used, await ticking


async def _longest_stall() -> float:
    """Until cancelled: the longest time between two moments at which the loop got here."""
    longest, last = 0.0, time.perf_counter()
    try:
        while True:
            await asyncio.sleep(0.0005)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
    except asyncio.CancelledError:
        return longest


def _worker(number: int, script: str) -> WorkerSpec:
    run = {"executable_path": "/bin/sh", "args": ["-c", script]}
    return WorkerSpec(id=WorkerId(f"w{number}"), provider="process", run=run)


def main(words: list[str]) -> int:
    """Prints a table; the exit code is 0."""
    period, sampling.PERIOD = sampling.PERIOD, 1e9  # The master's own looks would come in between.
    print(f"{'workers':>7}  {'':<28}  {'a turn':>8}  {'of a core':>9}  {'longest stall':>13}")
    for count in map(int, words or ["500", "1000"]):
        for kind in KINDS:
            used, stall = asyncio.run(cost(count, kind, period))
            share = used / period
            print(f"{count:>7}  {kind:<28}  {used * 1e3:5.1f} ms  {share:9.2%}  {stall * 1e3:10.1f} ms", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

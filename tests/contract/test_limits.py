"""Limits that the kernel holds, in each way of running workers: every one of them hit for real."""

import asyncio
import os
import shlex
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from beeyard.adapters.host import launcher as client
from beeyard.domain.limits import Hold, Limit, LimitName, Limits, Policy
from beeyard.domain.spec import WorkerSpec
from beeyard.launcher import cgroup_folder, hierarchies
from tests.contract.benches import BENCHES, ProcessBench, bench, until

MB = 1024**2
EATS = """
import os, time
print("up", flush=True)
while not os.path.exists("go"):
    time.sleep(0.01)
held = []
for _ in range(500):
    held.append(b"x" * (1 << 20))
print("had enough", flush=True)
"""
FORKS = """
import os, time
number = 1
try:
    while number < 200:
        if os.fork() == 0:
            time.sleep(1000)
        number += 1
except OSError:
    pass
print("up", flush=True)
print(number, flush=True)
time.sleep(1000)
"""
WRITES = """
import mmap, os, time
block = mmap.mmap(-1, 1 << 18)
fd = os.open("written", os.O_WRONLY | os.O_CREAT | os.O_DIRECT)
print("up", flush=True)
began = time.monotonic()
for _ in range(8):
    os.write(fd, block)
print(time.monotonic() - began, flush=True)
"""


@pytest.fixture(params=BENCHES["process"][1])
async def on(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ProcessBench]:
    """The process provider in one of its ways."""
    async with bench("process", request.param, tmp_path / "s") as made:
        yield made


def limited(spec: WorkerSpec, policy: Policy, **bounds: float) -> WorkerSpec:
    """The spec with these bounds; the first underscore of a name stands for a dot."""
    named: dict[LimitName, Limit] = {}
    for name, bound in bounds.items():
        named[name.replace("_", ".", 1)] = Limit(bound, policy)  # type: ignore[index]
    return replace(spec, limits=Limits(bounds=named))


def program(on: ProcessBench, code: str) -> WorkerSpec:
    """A worker that is this Python, in the state folder."""
    return on.program(sys.executable, "-I", "-S", "-c", code, working_directory=on.paths.state)


def require_held(on: ProcessBench, *fields: str) -> None:
    """Skip where this host, or this way, can't hold them: then that is said, which another test looks at."""
    can = on.provider.capabilities().limits
    if missing := [f"{field} {can[field]}" for field in fields if can[field].startswith("not held")]:
        pytest.skip("; ".join(missing))


async def eats(on: ProcessBench) -> None:
    """Let EATS go on."""
    Path(on.paths.state, "go").touch()


# --- memory ---------------------------------------------------------------------------------------------------------


async def test_a_worker_that_eats_memory_is_killed_and_told_as_out_of_memory(on: ProcessBench) -> None:
    """At its bound, by the kernel, which is no crash of its own."""
    require_held(on, "memory")
    handle = await on.ready(limited(program(on, EATS), "immediate_kill", memory_max_rss=64 * MB))
    assert handle.state["held"]["memory"].startswith("cgroup v")
    await eats(on)
    ending = await on.exited()
    assert (ending.signal, ending.oom, ending.note) == (signal.SIGKILL, True, "")


async def test_a_child_that_eats_memory_is_killed_and_told_of_a_leader_that_goes_on(on: ProcessBench) -> None:
    """What a tree uses counts together; an end that follows from it has a reason to look for."""
    require_held(on, "memory")
    eating = f"{shlex.quote(sys.executable)} -I -S -c {shlex.quote(EATS)}"
    script = on.spec(f"{eating}; echo $?; exit 3", working_directory=on.paths.state)
    await on.ready(limited(script, "immediate_kill", memory_max_rss=64 * MB))
    await eats(on)
    ending = await on.exited()
    assert (ending.code, ending.oom) == (3, False)
    assert ending.note == "the kernel killed 1 of its processes: out of memory"
    await on.provider.drain("worker")
    assert on.lines() == ["up", "137"]


async def test_a_kill_that_was_ordered_is_not_told_as_out_of_memory(on: ProcessBench) -> None:
    """The same signal, and another had died of memory before."""
    require_held(on, "memory")
    eating = f"{shlex.quote(sys.executable)} -I -S -c {shlex.quote(EATS)}"
    script = on.spec(f"{eating}; echo over; sleep 1000", working_directory=on.paths.state)
    await on.ready(limited(script, "immediate_kill", memory_max_rss=64 * MB))
    await eats(on)
    await until(lambda: "over" in on.lines())
    await on.provider.kill("worker", 1)
    ending = await on.exited()
    assert (ending.signal, ending.oom) == (signal.SIGKILL, False)


async def test_a_memory_limit_outlives_the_launcher(on: ProcessBench) -> None:
    """The next one knows by which cgroup, and tells what happened in it."""
    require_held(on, "memory")
    await on.ready(limited(program(on, EATS), "immediate_kill", memory_max_rss=64 * MB))
    await on.hurt()
    await until(lambda: [o.kind for o in on.seen] == ["lost", "found"], f"{on.seen}")
    await eats(on)
    ending = await on.exited()
    assert (ending.signal, ending.oom) in ((signal.SIGKILL, True), (None, False))  # Linux before 6.15: nobody can tell.
    assert ending.oom or ending.note


async def test_a_memory_limit_outlives_a_new_version_of_the_launcher(on: ProcessBench) -> None:
    """Across the exec it keeps what is held by what, and whose kill it was."""
    require_held(on, "memory")
    handle = await on.ready(limited(program(on, EATS), "immediate_kill", memory_max_rss=64 * MB))
    pid = on.client.pid()
    assert await client.replace_launcher(on.paths, ())
    await until(lambda: [o.kind for o in on.seen] == ["lost", "found"], f"{on.seen}")
    assert on.client.pid() == pid
    [owned] = await on.provider.list_owned()
    assert owned.handle.state["held"] == handle.state["held"]
    await eats(on)
    assert (await on.exited()).oom


async def test_memory_and_swap_are_bounded_together(on: ProcessBench) -> None:
    """Or it is said why not: a kernel may keep no account of swap."""
    require_held(on, "memory")
    bounds: dict[LimitName, Limit] = {
        "memory.max_rss": Limit(64 * MB, "immediate_kill"),
        "memory.max_swap": Limit(16 * MB, "throttle"),
    }
    handle = await on.ready(replace(program(on, EATS), limits=Limits(bounds=bounds)))
    assert set(handle.state["held"]) == {"memory", "swap"}
    assert ".swap.max" in handle.state["held"]["swap"] or ".memsw.limit_in_bytes" in handle.state["held"]["swap"]
    await eats(on)
    assert (await on.exited()).oom


async def test_without_a_cgroup_the_hosts_killer_is_named_as_what_may_have_done_it(on: ProcessBench) -> None:
    """Killed by nobody we know of, while the kernel was short of memory: that is all that can be told."""
    above = hierarchies.find().v1.get("memory")
    if on.way != "marked" or above is None or not os.access(above, os.W_OK):
        pytest.skip("for a worker without a cgroup of ours, in one of somebody else's")
    handle = await on.ready(program(on, EATS))
    strange = Path(above, f"strange-{handle.state['pid']}")
    strange.mkdir()
    try:
        (strange / "memory.limit_in_bytes").write_text(str(64 * MB))
        (strange / "cgroup.procs").write_text(str(handle.state["pid"]))
        await eats(on)
        ending = await on.exited()
    finally:
        await until(lambda: cgroup_folder.remove(str(strange)))
    assert (ending.signal, ending.oom) == (signal.SIGKILL, False)
    assert ending.note == "the host's OOM killer ran in this time"


# --- the rest -------------------------------------------------------------------------------------------------------


async def test_a_fork_bomb_is_held(on: ProcessBench) -> None:
    """It gets as many processes as it may have, and not one more."""
    require_held(on, "processes")
    await on.ready(limited(program(on, FORKS), "throttle", process_max_processes=10))
    await until(lambda: len(on.lines()) == 2)
    assert on.lines() == ["up", "10"]


async def test_a_worker_that_spins_gets_its_share_of_a_core(on: ProcessBench) -> None:
    """CPU time used over wall time, which a loaded machine only makes less."""
    require_held(on, "cores")
    await on.ready(limited(on.spec("echo up; while :; do :; done"), "throttle", cpu_max_cores=0.3))
    seen: list[tuple[float, float]] = []
    while len(seen) < 2 or seen[-1][0] - seen[0][0] < 0.4:
        [reading] = await on.provider.usages([("worker", 1)])
        assert reading is not None
        seen.append((reading.cpu, time.monotonic()))
        await asyncio.sleep(0.05)
    cpu, wall = seen[-1][0] - seen[0][0], seen[-1][1] - seen[0][1]
    assert cpu / wall < 0.45


async def test_a_worker_that_writes_is_slowed_down(on: ProcessBench) -> None:
    """Two megabytes at one a second: a disk that is busy only makes it longer."""
    require_held(on, "write_bps")
    try:
        os.close(os.open(Path(on.paths.state, "trial"), os.O_WRONLY | os.O_CREAT | os.O_DIRECT))
    except OSError:
        pytest.skip("the tests' folder is on no disk that takes unbuffered writes")
    device = os.stat(on.paths.state).st_dev
    if not os.path.exists(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"):
        pytest.skip("the tests' folder is on no disk")
    await on.ready(limited(program(on, WRITES), "throttle", io_max_write_bps=MB))
    await on.exited()
    await on.provider.drain("worker")
    assert float(on.lines()[1]) > 1.0


async def test_open_files_and_address_space_are_held_without_cgroups_too(on: ProcessBench) -> None:
    """Soft and hard, and never above what the section says."""
    script = "ulimit -Sn; ulimit -Hn; ulimit -Sv; echo up; exec sleep 1000"
    spec = limited(on.spec(script), "throttle", process_max_file_descriptors=64, memory_max_virtual=1024 * MB)
    handle = await on.ready(spec)
    assert handle.state["held"] == {"virtual": "RLIMIT_AS", "descriptors": "RLIMIT_NOFILE"}
    assert on.lines() == ["64", "64", str(1024 * 1024), "up"]
    stricter = on.spec(script, name="stricter", rlimits={"nofile": (32, 4096)})
    await on.ready(limited(stricter, "throttle", process_max_file_descriptors=64))
    assert on.lines("stricter") == ["32", "64", "unlimited", "up"]


async def test_what_nothing_keeps_is_said_for_each_bound(on: ProcessBench) -> None:
    """Every field that was asked for has its words, and the worker runs all the same."""
    bounds: dict[str, Any] = {"memory_max_rss": 900 * MB, "process_max_processes": 50, "io_max_read_bps": 900 * MB}
    spec = limited(on.spec("echo up; exec sleep 1000"), "throttle", **bounds)
    handle = await on.ready(spec)
    held = handle.state["held"]
    assert set(held) == {"memory_high", "processes", "read_bps"}
    can = on.provider.capabilities().limits
    assert set(can) == set(Hold.__struct_fields__)
    if on.way == "marked":
        assert held == {
            "memory_high": "not held: no memory controller in a cgroup here",
            "processes": "not held: no pids controller in a cgroup here",
            "read_bps": "not held: no blkio controller in a cgroup here",
        }
    assert {field: can[field] for field in held} == held


async def test_a_living_attempt_is_held_and_let_go(on: ProcessBench) -> None:
    """All of its processes, those in a session of their own too; twice is once; nobody is found who is gone."""
    require_held(on, "processes")
    script = "echo up; while ! test -e go; do sleep 0.02; done; for i in 1 2 3 4 5 6; do sleep 1000 & done; echo all"
    spec = on.spec(f"setsid sh -c {shlex.quote(script)} & wait; exec sleep 1000", working_directory=on.paths.state)
    handle = await on.ready(spec)
    assert "held" not in handle.state
    for _ in range(2):
        changed = await on.provider.hold("worker", 1, Hold(processes=4, descriptors=64))
        assert changed is not None
        assert changed.state["held"]["descriptors"] == "RLIMIT_NOFILE"
        assert changed.state["held"]["processes"].endswith("pids.max")
    await eats(on)
    await until(lambda: "Cannot fork" in "".join(on.lines(stream="stderr")), "a refused fork")
    assert len(on.alive()) <= 4
    assert await on.provider.hold("worker", 1, Hold()) == handle
    assert await on.provider.hold("worker", 2, Hold()) is None


async def test_memory_that_a_living_attempt_is_given_later_is_held(on: ProcessBench) -> None:
    """What it had before does not count, which is said."""
    require_held(on, "memory")
    await on.ready(program(on, EATS))
    changed = await on.provider.hold("worker", 1, Hold(memory=64 * MB))
    assert changed is not None
    assert changed.state["held"]["memory"].endswith("(what it had before does not count)")
    await eats(on)
    assert (await on.exited()).oom

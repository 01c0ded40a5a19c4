"""What a provider measures of attempts whose limits are watched: all of the tree, and nothing of it forgotten."""

import shlex
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from beeyard.adapters.providers import PROVIDERS
from beeyard.domain.watching import Measure
from tests.contract.benches import BENCHES, ProcessBench, bench, until

MB = 1024**2
READS = 20_000
"""Calls of read, and of write, that `COPY` makes; a shell makes some tens."""
COPY = f"dd if=/dev/zero of=/dev/null bs=1 count={READS} 2>/dev/null"
AFTER = "while ! test -e go; do sleep 0.02; done"


@pytest.fixture(params=[(name, way) for name in PROVIDERS for way in BENCHES[name][1]], ids="-".join)
async def on(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ProcessBench]:
    """A provider on its bench."""
    name, way = request.param
    async with bench(name, way, tmp_path / "s") as made:
        yield made


async def measured(on: ProcessBench) -> Measure:
    """Of the worker, which runs."""
    [found] = await on.provider.measure([("worker", 1)])
    assert found is not None
    return found


def python(script: str) -> str:
    """As a command for a shell."""
    return f"{shlex.quote(sys.executable)} -S -c {shlex.quote(script)}"


async def test_it_is_of_the_attempts_that_run(on: ProcessBench) -> None:
    """In the order in which was asked; nothing for one that is gone or was never there."""
    for name in ("worker", "other"):
        await on.ready(on.spec("echo up; exec sleep 1000", name=name))
    asked = [("nobody", 1), ("worker", 1), ("worker", 2), ("other", 1)]
    for _ in range(2):
        found = await on.provider.measure(asked)
        assert [measure and measure.processes for measure in found] == [None, 1, None, 1]
    await on.provider.kill("worker", 1)
    await on.exited()
    assert [measure and measure.processes for measure in await on.provider.measure(asked)] == [None, None, None, 1]


async def test_sizes_are_sums_and_what_one_process_may_have_is_of_the_largest(on: ProcessBench) -> None:
    """One child holds memory, the other files; one left the session."""
    holds = "import time; held = b'x' * (64 << 20); print('up', flush=True); time.sleep(1000)"
    opens = "import time; held = [open('/dev/null') for _ in range(200)]; print('up', flush=True); time.sleep(1000)"
    await on.launch(on.spec(f"setsid {python(holds)} & {python(opens)} & wait"))
    await until(lambda: on.lines().count("up") == 2)
    found = await measured(on)
    assert found.processes == 3
    assert found.rss is not None
    assert found.rss > 64 * MB
    assert found.virtual is not None
    assert found.virtual > 64 * MB
    assert found.swap is not None
    assert found.descriptors is not None
    assert 200 < found.descriptors < 250


async def test_what_was_read_and_written_is_counted_while_it_happens_and_after(on: ProcessBench) -> None:
    """A child that ended leaves it to its parent, and nothing is counted twice."""
    script = f"echo up; {AFTER}; {COPY}; echo up; exec sleep 1000"
    await on.ready(on.spec(script, working_directory=on.paths.state))
    before = await measured(on)
    Path(on.paths.state, "go").touch()
    seen = [before]
    while on.lines().count("up") < 2:
        seen.append(await measured(on))
    seen += [await measured(on) for _ in range(3)]
    for name in ("cpu", "read_ops", "write_ops", "read_bytes", "write_bytes"):
        values = [getattr(measure, name) for measure in seen]
        assert values == sorted(values)
    assert before.read_ops is not None
    assert before.write_ops is not None
    for count in (seen[-1].read_ops, seen[-1].write_ops):
        assert count is not None
        assert READS <= count < 2 * READS
    assert before.read_ops < READS > before.write_ops


async def test_what_an_orphan_did_is_not_forgotten_with_it(on: ProcessBench) -> None:
    """Nobody of the attempt inherits from it."""
    orphan = f"setsid sh -c '{COPY}; echo up; {AFTER}; echo gone'"
    await on.ready(on.spec(f"({orphan} &); exec sleep 1000", working_directory=on.paths.state))
    before = await measured(on)
    assert before.read_ops is not None
    assert before.read_ops >= READS
    Path(on.paths.state, "go").touch()
    await until(lambda: len(on.alive()) == 1)
    for _ in range(2):
        after = await measured(on)
        assert after.processes == 1
        assert after.read_ops is not None
        assert before.read_ops <= after.read_ops < 2 * READS


async def test_what_went_to_a_disk_is_counted_in_bytes(on: ProcessBench, tmp_path: Path) -> None:
    """Not what goes to a terminal, a pipe or nowhere."""
    before = disk()
    (tmp_path / "own").write_bytes(b"x" * MB)
    if disk() == before:
        pytest.skip("the folder for tests is on no disk")
    await on.ready(on.spec(f"dd if=/dev/zero of={tmp_path}/its bs=64k count=32 2>/dev/null; echo up; exec sleep 1000"))
    found = await measured(on)
    assert found.write_bytes is not None
    assert 2 * MB <= found.write_bytes < 4 * MB


def disk() -> int:
    """The bytes that this process had written to disks."""
    return int(Path("/proc/self/io").read_text().partition("\nwrite_bytes: ")[2].split()[0])
